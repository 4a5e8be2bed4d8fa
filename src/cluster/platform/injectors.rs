//! Labels that service meshes put on the pods of a namespace when they inject their proxy, and
//! the ports of that proxy.
//!
//! Refuses to know which mesh is installed: a namespace or a pod says that it wants one.

use crate::k8s::Labels;

/// A label that an injector puts on a pod.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Injected {
    /// Its key.
    pub key: &'static str,
    /// Its value.
    pub value: String,
    /// Whose injector it is.
    pub mesh: &'static str,
}

/// The labels that an injector puts on a pod of a namespace, besides those that the pod has;
/// `workload` is the name of the object that makes the pod. None for a pod that says no, or
/// where nothing asks for a mesh.
#[must_use]
pub fn injected(
    namespace: &Labels,
    namespace_annotations: &Labels,
    pod: &Labels,
    pod_annotations: &Labels,
    workload: &str,
) -> Vec<Injected> {
    let mut found = Vec::new();
    if wants_istio(namespace, pod, pod_annotations) {
        found.extend(by_istio(pod, workload));
    }
    if wants_linkerd(namespace_annotations, pod_annotations) {
        found.extend(by_linkerd(namespace));
    }
    found.retain(|label| pod.get(label.key).is_none());
    found
}

/// A port of a proxy that an injector puts into pods.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ProxyPort {
    /// Its name among the ports of its container, if it stands there.
    pub name: Option<&'static str>,
    /// Its number, over TCP.
    pub number: u16,
}

/// A container that an injector puts into pods and that does its work only where it reaches
/// its control plane.
#[derive(Debug, PartialEq, Eq)]
pub struct InjectedClient {
    /// The container, as people call it.
    pub container: &'static str,
    /// What it has to reach.
    pub server: &'static str,
    /// A word of the names that people give the namespace and the pods of the server.
    pub word: &'static str,
    /// The ports that the server listens on, over TCP; it has to reach all or one of them.
    pub ports: &'static [u16],
}

/// developer.hashicorp.com, "Vault Agent Injector", and the default of Vault's listener.
const VAULT: InjectedClient = InjectedClient {
    container: "the Vault agent",
    server: "Vault",
    word: "vault",
    ports: &[8200],
};

/// istio.io, "Application Requirements", ports used by Istio: XDS and CA services.
const ISTIO: InjectedClient = InjectedClient {
    container: "Istio's proxy",
    server: "istiod",
    word: "istio",
    ports: &[15010, 15012],
};

/// linkerd/linkerd2, charts/linkerd-control-plane: identity, destination, policy.
const LINKERD: InjectedClient = InjectedClient {
    container: "Linkerd's proxy",
    server: "Linkerd's control plane",
    word: "linkerd",
    ports: &[8080, 8086, 8090],
};

/// dapr/dapr, charts/dapr: the API of the control plane, placement, Sentry.
const DAPR: InjectedClient = InjectedClient {
    container: "the Dapr sidecar",
    server: "Dapr's control plane",
    word: "dapr",
    ports: &[6500, 50001, 50005],
};

/// The containers that injectors put into a pod and that have to reach a control plane.
#[must_use]
pub fn injected_clients(
    namespace: &Labels,
    namespace_annotations: &Labels,
    pod: &Labels,
    annotations: &Labels,
) -> Vec<&'static InjectedClient> {
    let is_true = |key: &str| annotations.get(key) == Some("true");
    let wanted = [
        (is_true("vault.hashicorp.com/agent-inject"), &VAULT),
        (wants_istio(namespace, pod, annotations), &ISTIO),
        (wants_linkerd(namespace_annotations, annotations), &LINKERD),
        (is_true("dapr.io/enabled"), &DAPR),
    ];
    let wanted = wanted.into_iter().filter(|(is_wanted, _)| *is_wanted);
    wanted.map(|(_, client)| client).collect()
}

/// The port that all TCP traffic between pods of an ambient mesh of Istio arrives at: the policies
/// see this one, and not that of the application (istio.io, "Ambient and Kubernetes
/// NetworkPolicy").
pub const AMBIENT_PORT: u16 = 15008;

/// Whether pods with these labels, those of injectors among them, are in an ambient mesh: the
/// pod's word counts before the namespace's, and pods with a sidecar are left to it (istio.io,
/// "Add workloads to the mesh").
#[must_use]
pub fn is_in_ambient_mesh(namespace: &Labels, pod: &Labels) -> bool {
    const MODE: &str = "istio.io/dataplane-mode";
    let mode = pod.get(MODE).or_else(|| namespace.get(MODE));
    mode == Some("ambient") && !has_istio_proxy(pod)
}

/// The port at which Istio's agent serves its own metrics together with those of the
/// application (istio.io, "Prometheus", metrics merging).
pub const MERGED_METRICS_PORT: u16 = 15020;

/// istio.io, "Application Requirements", ports used by Istio.
const ISTIO_PORTS: &[ProxyPort] = &[
    port(None, 15001),
    port(None, 15004),
    port(None, 15006),
    port(None, AMBIENT_PORT),
    port(None, MERGED_METRICS_PORT),
    port(None, 15021),
    port(None, 15053),
    port(Some("http-envoy-prom"), 15090),
];

/// linkerd/linkerd2, charts/partials/templates/_proxy.tpl.
const LINKERD_PORTS: &[ProxyPort] = &[
    port(Some("linkerd-proxy"), 4143),
    port(Some("linkerd-admin"), 4191),
];

const fn port(name: Option<&'static str>, number: u16) -> ProxyPort {
    ProxyPort { name, number }
}

/// Whether pods with these labels, those of injectors among them, have Istio's proxy.
#[must_use]
pub fn has_istio_proxy(pod: &Labels) -> bool {
    pod.get("security.istio.io/tlsMode") == Some("istio")
}

/// The ports of the proxies in pods with these labels, those of injectors among them.
pub fn proxy_ports(pod: &Labels) -> impl Iterator<Item = &'static ProxyPort> {
    let istio = has_istio_proxy(pod).then_some(ISTIO_PORTS);
    let linkerd = pod
        .get("linkerd.io/control-plane-ns")
        .map(|_| LINKERD_PORTS);
    istio.into_iter().chain(linkerd).flatten()
}

/// istio.io, "Installing the Sidecar", "Controlling the injection policy": the pod's word
/// counts before the namespace's.
fn wants_istio(namespace: &Labels, pod: &Labels, annotations: &Labels) -> bool {
    const INJECT: &str = "sidecar.istio.io/inject";
    match pod.get(INJECT).or_else(|| annotations.get(INJECT)) {
        Some("true" | "yes" | "y" | "on") => return true,
        Some(_) => return false,
        None => {}
    }
    match namespace.get("istio-injection") {
        Some(wish) => wish == "enabled",
        None => namespace.get("istio.io/rev").is_some() || pod.get("istio.io/rev").is_some(),
    }
}

/// istio/istio, pkg/kube/inject/inject.go and pkg/config/labels: the canonical name is the
/// label of that name, else `app.kubernetes.io/name`, else `app`, else the workload's name.
fn by_istio(pod: &Labels, workload: &str) -> [Injected; 3] {
    const MESH: &str = "Istio";
    let first = |keys: [&str; 2]| keys.into_iter().find_map(|key| pod.get(key));
    let name = first(["app.kubernetes.io/name", "app"]).unwrap_or(workload);
    let revision = first(["app.kubernetes.io/version", "version"]).unwrap_or("latest");
    [
        ("service.istio.io/canonical-name", name),
        ("service.istio.io/canonical-revision", revision),
        ("security.istio.io/tlsMode", "istio"),
    ]
    .map(|(key, value)| Injected {
        key,
        value: value.to_owned(),
        mesh: MESH,
    })
}

/// linkerd.io, "Automatic Proxy Injection".
fn wants_linkerd(namespace: &Labels, pod: &Labels) -> bool {
    const INJECT: &str = "linkerd.io/inject";
    let wish = pod.get(INJECT).or_else(|| namespace.get(INJECT));
    matches!(wish, Some("enabled" | "ingress"))
}

/// linkerd/linkerd2, pkg/inject/inject.go.
fn by_linkerd(namespace: &Labels) -> Vec<Injected> {
    const MESH: &str = "Linkerd";
    let of_namespace = namespace.get(crate::k8s::NAMESPACE_NAME_LABEL);
    let own = of_namespace.map(|name| ("linkerd.io/workload-ns", name));
    [("linkerd.io/control-plane-ns", "linkerd")]
        .into_iter()
        .chain(own)
        .map(|(key, value)| Injected {
            key,
            value: value.to_owned(),
            mesh: MESH,
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::k8s::Label;
    use crate::source::{SourceMap, Span, Spanned};

    fn labels(pairs: &[(&str, &str)]) -> Labels {
        let mut sources = SourceMap::default();
        let source = sources.add("a", "");
        let text = |text: &str| Spanned::new(text.into(), Span::new(source, 0, 0));
        let label = |(key, value): &(&str, &str)| Label {
            key: text(key),
            value: text(value),
        };
        Labels::new(pairs.iter().map(label).collect())
    }

    #[test]
    fn the_pod_has_the_last_word() {
        type Pairs<'a> = &'a [(&'a str, &'a str)];
        let cases: [(Pairs<'_>, Pairs<'_>, &str); 6] = [
            (&[], &[("app", "web")], ""),
            (&[("istio-injection", "enabled")], &[("app", "web")], "web"),
            (&[("istio-injection", "enabled")], &[], "cart"),
            (
                &[("istio-injection", "enabled")],
                &[("sidecar.istio.io/inject", "false")],
                "",
            ),
            (
                &[("istio-injection", "disabled")],
                &[("sidecar.istio.io/inject", "true")],
                "cart",
            ),
            (
                &[("istio.io/rev", "canary")],
                &[("app", "web"), ("app.kubernetes.io/name", "front")],
                "front",
            ),
        ];
        for (namespace, pod, expected) in cases {
            let none = labels(&[]);
            let found = injected(&labels(namespace), &none, &labels(pod), &none, "cart");
            let name = found.first().map_or("", |label| label.value.as_str());
            assert_eq!(name, expected, "{namespace:?} {pod:?}");
        }
    }
}
