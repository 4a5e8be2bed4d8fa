//! Webhooks and aggregated APIs that the API server cannot call.

use crate::cluster::{ServiceId, WorkloadId};
use crate::diagnostic::{Diagnostic, Severity};
use crate::k8s::{
    ApiExtension, ApiExtensionKind, NetworkPolicyPeer, OnFailure, Protocol, ServiceCall,
};
use crate::lint::api_server::{self, may_be_api_server};
use crate::lint::callers;
use crate::lint::entrance::{Entrance, Guard};
use crate::lint::{Category, Context, Rule, RuleMeta, declare_rule, snippet};
use std::collections::BTreeMap;
use std::sync::Arc;

declare_rule! {
    /// ## What it does
    ///
    /// Reports a workload that the API server calls (an admission webhook, a conversion webhook
    /// or an aggregated API) and that is isolated for ingress, where the policies admit only
    /// pods on that port.
    ///
    /// A deny rule of Cilium or Calico that keeps the API server out counts, whatever other
    /// policies allow.
    ///
    /// ## Why is this bad?
    ///
    /// The API server is not a pod, so no selector matches it: its calls come from the address
    /// of a node, or of a control plane outside the cluster. Only a rule without `from`, or one
    /// with an `ipBlock`, lets them in. Otherwise objects are rejected throughout the cluster
    /// or, with `failurePolicy: Ignore`, nothing is checked any more and nobody notices.
    ///
    /// If the rules admit pods of `kube-system` it is a warning, because some managed clusters
    /// send such calls through a proxy that runs there (`konnectivity-agent`).
    ///
    /// ## Example
    ///
    /// ```yaml
    /// apiVersion: apps/v1
    /// kind: Deployment
    /// metadata: {name: hook, namespace: checks}
    /// spec:
    ///   selector: {matchLabels: {app: hook}}
    ///   template:
    ///     metadata: {labels: {app: hook}}
    ///     spec: {containers: [{name: hook, image: example/hook:1}]}
    /// ---
    /// apiVersion: v1
    /// kind: Service
    /// metadata: {name: hook, namespace: checks}
    /// spec:
    ///   selector: {app: hook}
    ///   ports: [{port: 443, targetPort: 9443}]
    /// ---
    /// apiVersion: admissionregistration.k8s.io/v1
    /// kind: ValidatingWebhookConfiguration
    /// metadata: {name: checks}
    /// webhooks:
    ///   - name: checks.example.org
    ///     clientConfig: {service: {name: hook, namespace: checks}}
    /// ---
    /// apiVersion: networking.k8s.io/v1
    /// kind: NetworkPolicy
    /// metadata: {name: hook, namespace: checks}
    /// spec:
    ///   podSelector: {matchLabels: {app: hook}}
    ///   ingress:
    ///     - from: [{podSelector: {}}]
    /// ```
    ///
    /// ## Use instead
    ///
    /// ```yaml
    /// apiVersion: apps/v1
    /// kind: Deployment
    /// metadata: {name: hook, namespace: checks}
    /// spec:
    ///   selector: {matchLabels: {app: hook}}
    ///   template:
    ///     metadata: {labels: {app: hook}}
    ///     spec: {containers: [{name: hook, image: example/hook:1}]}
    /// ---
    /// apiVersion: v1
    /// kind: Service
    /// metadata: {name: hook, namespace: checks}
    /// spec:
    ///   selector: {app: hook}
    ///   ports: [{port: 443, targetPort: 9443}]
    /// ---
    /// apiVersion: admissionregistration.k8s.io/v1
    /// kind: ValidatingWebhookConfiguration
    /// metadata: {name: checks}
    /// webhooks:
    ///   - name: checks.example.org
    ///     clientConfig: {service: {name: hook, namespace: checks}}
    /// ---
    /// apiVersion: networking.k8s.io/v1
    /// kind: NetworkPolicy
    /// metadata: {name: hook, namespace: checks}
    /// spec:
    ///   podSelector: {matchLabels: {app: hook}}
    ///   ingress:
    ///     - ports: [{protocol: TCP, port: 9443}]
    /// ```
    ///
    /// ## Fix safety
    ///
    /// There is no automatic fix: the addresses of the API server are not in the manifests. The
    /// help shows a rule that admits everybody on the port; an `ipBlock` with the addresses of
    /// the control plane is narrower.
    pub(super) struct WebhookBlocked {
        name: "webhook-blocked",
        summary: "the API server cannot reach a webhook or aggregated API",
        category: Category::Flows,
        severity: Severity::Error,
        tier: Stable,
        evidence: "4 of 4 warnings and errors on 24 public repositories judged right",
        fix: None,
        mutes: &["service-port-not-pod-port"],
        since: "0.1.0",
    }
}

impl Rule for WebhookBlocked {
    fn meta(&self) -> &'static RuleMeta {
        &Self::META
    }

    fn check_cluster(&self, cx: &mut Context<'_>) {
        let cluster = cx.cluster;
        let mut blocked: BTreeMap<(WorkloadId, u16), (Arc<Entrance<'_>>, Vec<Call<'_>>)> =
            BTreeMap::new();
        let calls = calls(cx);
        let api_server = match calls.is_empty() {
            true => Vec::new(),
            false => api_server::ends(cx),
        };
        for call in calls {
            for workload in cluster.workloads_behind(call.service) {
                let pod = &cluster.workload(workload).object;
                let entries = cluster.service(call.service).object.ports.iter();
                let called = entries
                    .filter(|entry| entry.port.value == call.call.port)
                    .filter(|entry| entry.protocol == Protocol::Tcp)
                    .flat_map(|entry| entry.ports_of(pod));
                for port in called {
                    let entrance = cx.entrance(workload, Protocol::Tcp, port);
                    let is_it = |_, peer: &NetworkPolicyPeer| {
                        peer.ip_block.get().is_some() || may_be_api_server(cx, peer)
                    };
                    let is_closed = |entrance: &Arc<Entrance<'_>>| {
                        !entrance.admits(is_it)
                            && !entrance.admits_at_service_port(cx, is_it)
                            && !entrance.admits_addresses(cx.engine)
                    };
                    let key = (workload, Protocol::Tcp, port);
                    let denied = Entrance::denied(cx, || api_server.clone(), key).map(Arc::new);
                    let Some(entrance) = denied.or_else(|| entrance.filter(is_closed)) else {
                        continue;
                    };
                    let (_, calls) = blocked
                        .entry((workload, port))
                        .or_insert_with(|| (entrance, Vec::new()));
                    calls.push(call);
                }
            }
        }
        for (entrance, calls) in blocked.into_values() {
            let finding = describe(cx, &entrance, &calls);
            cx.report(finding);
        }
    }
}

/// A call of the API server to a Service of the cluster.
#[derive(Clone, Copy)]
struct Call<'c> {
    extension: &'c ApiExtension,
    call: &'c ServiceCall,
    service: ServiceId,
}

impl Call<'_> {
    fn object(&self) -> String {
        format!(
            "{}/{}",
            self.extension.kind.name(),
            self.extension.meta.name
        )
    }
}

fn calls<'c>(cx: &Context<'c>) -> Vec<Call<'c>> {
    let mut found = Vec::new();
    for extension in &cx.cluster.context_objects().api_extensions {
        for call in &extension.calls {
            if let Some(service) = cx.cluster.service_by_name(&call.namespace, &call.service) {
                found.push(Call {
                    extension,
                    call,
                    service,
                });
            }
        }
    }
    found
}

fn describe(cx: &Context<'_>, entrance: &Entrance<'_>, calls: &[Call<'_>]) -> Diagnostic {
    let cluster = cx.cluster;
    let workload = cluster.workload_name(entrance.workload);
    let (port, first) = (entrance.port, &calls[0]);
    let who = match entrance.admits_somebody() {
        false => "admit nobody there",
        true => "admit only pods",
    };
    let message = match entrance.guard {
        Guard::Isolation => {
            format!("the API server cannot reach `{workload}` on TCP {port}: policies {who}")
        }
        Guard::Denial => entrance.closed_to(cluster, "the API server"),
    };
    let mut finding = cx
        .finding(first.call.service.span, message)
        .about(first.object(), first.call.path.clone())
        .label(format!(
            "the API server, which is not a pod, calls port {port} of those pods"
        ));
    finding = entrance.point_out(cluster, finding);
    for (_, _, entry) in entrance.at_service_port(cx) {
        let label = "a port of the Service, and the API server is not a pod";
        finding = finding.related(entry.span, label);
    }
    let mut others: Vec<String> = calls[1..].iter().map(Call::object).collect();
    others.dedup();
    others.retain(|other| *other != first.object());
    if !others.is_empty() {
        finding = finding.note(format!("also called for: {}", others.join(", ")));
    }
    finding = finding.note(consequence(first.extension.kind, calls));
    if entrance.admits(|_, peer| may_be_proxy(cx, peer)) {
        finding = finding.with_severity(Severity::Warning).note(
            "pods of `kube-system` get in, which only helps if the control plane connects through `konnectivity-agent`",
        );
    }
    if let Some(remedy) = entrance.remedy_of_denial(cluster, "the API server") {
        return finding.help(remedy);
    }
    let port = snippet::port(Protocol::Tcp, port);
    finding.help(format!(
        "allow everybody on that port, `- {{ports: [{port}]}}`, or the API server with `ipBlock`"
    ))
}

/// Whether a peer admits the pods through which some managed control planes call.
fn may_be_proxy(cx: &Context<'_>, peer: &NetworkPolicyPeer) -> bool {
    let Some((Some(namespaces), pods)) = peer.selectors() else {
        return false;
    };
    let is_any = |pods: &crate::k8s::LabelSelector| {
        pods.is_empty() || pods.is_opaque() || pods.to_string().contains("konnectivity")
    };
    callers::may_select_namespace(cx, namespaces, "kube-system") && pods.is_none_or(is_any)
}

fn consequence(kind: ApiExtensionKind, calls: &[Call<'_>]) -> &'static str {
    match kind {
        ApiExtensionKind::ApiService => "requests for this API fail",
        ApiExtensionKind::CustomResourceDefinition => {
            "objects of this kind cannot be read in the other versions"
        }
        _ if calls
            .iter()
            .all(|call| call.call.on_failure == OnFailure::Ignore) =>
        {
            "`failurePolicy: Ignore`: requests silently go through unchecked"
        }
        _ => "requests that the webhook should see fail",
    }
}
