//! Pods that many clusters run without a manifest of anybody's: resolvers, ingress
//! controllers, scrapers, the API server, by the installations that most people use.
//!
//! Refuses to know whether a cluster has them; who asks says of what is not among the
//! manifests that it is taken to exist.

use super::{Distribution, Platform};
use crate::k8s::Protocol;

/// What such pods are for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Role {
    /// The API server of Kubernetes itself.
    ApiServer,
    /// They bring traffic from outside to Services.
    IngressController,
    /// They resolve names.
    Resolver,
    /// They read the metrics of other pods.
    Scraper,
    /// Anything else.
    Other,
}

/// Pods that many clusters have.
#[derive(Debug)]
pub struct KnownPods {
    /// What they are, as people call it.
    pub name: &'static str,
    /// What they are for.
    pub role: Role,
    /// Their usual namespaces, the commonest first.
    pub namespaces: &'static [&'static str],
    /// The labels that they have, the one that people select them by first.
    pub labels: &'static [(&'static str, &'static str)],
    /// The ports that they listen on.
    pub ports: &'static [(Protocol, u16)],
    /// Whether they are on the network of their node, where selectors do not see them (S10).
    pub is_on_host_network: bool,
    /// The distributions that have them; none for pods that any cluster may have.
    pub on: &'static [Distribution],
}

const TCP: Protocol = Protocol::Tcp;
const UDP: Protocol = Protocol::Udp;

const DNS_PORTS: &[(Protocol, u16)] = &[(UDP, 53), (TCP, 53), (TCP, 9153)];

const fn pods(
    role: Role,
    name: &'static str,
    namespaces: &'static [&'static str],
    labels: &'static [(&'static str, &'static str)],
    ports: &'static [(Protocol, u16)],
) -> KnownPods {
    KnownPods {
        name,
        role,
        namespaces,
        labels,
        ports,
        is_on_host_network: false,
        on: &[],
    }
}

impl KnownPods {
    const fn on(self, on: &'static [Distribution]) -> Self {
        Self { on, ..self }
    }

    const fn on_host_network(self) -> Self {
        Self {
            is_on_host_network: true,
            ..self
        }
    }
}

/// The table, what is commonest first.
const KNOWN: &[KnownPods] = &[
    // kubernetes/kubernetes, cluster/addons/dns/coredns/coredns.yaml.base; kubeadm, kind,
    // K3s, EKS, AKS and GKE keep the label.
    pods(
        Role::Resolver,
        "CoreDNS",
        &["kube-system"],
        &[("k8s-app", "kube-dns")],
        DNS_PORTS,
    ),
    // coredns/helm, charts/coredns/templates/_helpers.tpl.
    pods(
        Role::Resolver,
        "CoreDNS",
        &["kube-system"],
        &[
            ("app.kubernetes.io/name", "coredns"),
            ("app.kubernetes.io/instance", "coredns"),
            ("k8s-app", "kube-dns"),
        ],
        DNS_PORTS,
    ),
    pods(
        Role::Resolver,
        "CoreDNS",
        &["kube-system"],
        &[
            ("app.kubernetes.io/name", "coredns"),
            ("app.kubernetes.io/instance", "coredns"),
            ("k8s-app", "coredns"),
        ],
        DNS_PORTS,
    ),
    // rancher/rke2-charts, charts/rke2-coredns.
    pods(
        Role::Resolver,
        "CoreDNS",
        &["kube-system"],
        &[
            ("app.kubernetes.io/name", "rke2-coredns"),
            ("app.kubernetes.io/instance", "rke2-coredns"),
            ("k8s-app", "kube-dns"),
        ],
        DNS_PORTS,
    )
    .on(&[Distribution::Rke2]),
    // docs.aws.amazon.com, "Manage CoreDNS".
    pods(
        Role::Resolver,
        "CoreDNS",
        &["kube-system"],
        &[
            ("k8s-app", "kube-dns"),
            ("eks.amazonaws.com/component", "coredns"),
        ],
        DNS_PORTS,
    )
    .on(&[Distribution::Eks]),
    // Azure/AKS, "Customize CoreDNS": managed add-ons carry the labels of AKS.
    pods(
        Role::Resolver,
        "CoreDNS",
        &["kube-system"],
        &[
            ("k8s-app", "kube-dns"),
            ("kubernetes.azure.com/managedby", "aks"),
            ("kubernetes.io/cluster-service", "true"),
        ],
        DNS_PORTS,
    )
    .on(&[Distribution::Aks]),
    // kubernetes/kubernetes, cluster/addons/dns/nodelocaldns/nodelocaldns.yaml.
    pods(
        Role::Resolver,
        "NodeLocal DNSCache",
        &["kube-system"],
        &[("k8s-app", "node-local-dns")],
        DNS_PORTS,
    )
    .on_host_network(),
    // GKE Dataplane V2 runs the cache off the host network (cloud.google.com, "Setting up
    // NodeLocal DNSCache").
    pods(
        Role::Resolver,
        "NodeLocal DNSCache",
        &["kube-system"],
        &[("k8s-app", "node-local-dns")],
        DNS_PORTS,
    )
    .on(&[Distribution::Gke]),
    // openshift/cluster-dns-operator, pkg/operator/controller/controller_dns_daemonset.go.
    pods(
        Role::Resolver,
        "the resolver of OpenShift",
        &["openshift-dns"],
        &[("dns.operator.openshift.io/daemonset-dns", "default")],
        &[(UDP, 5353), (TCP, 5353), (TCP, 9154)],
    ),
    // openshift/cluster-kube-apiserver-operator, bindata/assets/kube-apiserver/pod.yaml.
    pods(
        Role::ApiServer,
        "the API server",
        &["openshift-kube-apiserver"],
        &[("app", "openshift-kube-apiserver"), ("apiserver", "true")],
        &[(TCP, 6443)],
    )
    .on_host_network(),
    // kubernetes/kubernetes, cmd/kubeadm/app/phases/controlplane/manifests.go.
    pods(
        Role::ApiServer,
        "the API server",
        &["kube-system"],
        &[("component", "kube-apiserver"), ("tier", "control-plane")],
        &[(TCP, 6443)],
    )
    .on_host_network(),
    // kubernetes/ingress-nginx, deploy/static/provider/cloud/deploy.yaml.
    pods(
        Role::IngressController,
        "ingress-nginx",
        &["ingress-nginx"],
        &[
            ("app.kubernetes.io/name", "ingress-nginx"),
            ("app.kubernetes.io/instance", "ingress-nginx"),
            ("app.kubernetes.io/component", "controller"),
            ("app.kubernetes.io/part-of", "ingress-nginx"),
        ],
        &[(TCP, 80), (TCP, 443), (TCP, 8443), (TCP, 10254)],
    ),
    // rancher/rke2-charts, charts/rke2-ingress-nginx.
    pods(
        Role::IngressController,
        "ingress-nginx of RKE2",
        &["kube-system"],
        &[
            ("app.kubernetes.io/name", "rke2-ingress-nginx"),
            ("app.kubernetes.io/instance", "rke2-ingress-nginx"),
            ("app.kubernetes.io/component", "controller"),
        ],
        &[(TCP, 80), (TCP, 443), (TCP, 8443)],
    )
    .on(&[Distribution::Rke2]),
    // traefik/traefik-helm-chart, traefik/templates/_podtemplate.tpl.
    pods(
        Role::IngressController,
        "Traefik",
        &["traefik"],
        &[
            ("app.kubernetes.io/name", "traefik"),
            ("app.kubernetes.io/instance", "traefik-traefik"),
        ],
        &[(TCP, 8000), (TCP, 8443), (TCP, 8080), (TCP, 9100)],
    ),
    // k3s-io/k3s, manifests/traefik.yaml.
    pods(
        Role::IngressController,
        "Traefik of K3s",
        &["kube-system"],
        &[
            ("app.kubernetes.io/name", "traefik"),
            ("app.kubernetes.io/instance", "traefik-kube-system"),
        ],
        &[(TCP, 8000), (TCP, 8443), (TCP, 8080), (TCP, 9100)],
    ),
    // openshift/cluster-ingress-operator, pkg/operator/controller/names.go.
    pods(
        Role::IngressController,
        "the router of OpenShift",
        &["openshift-ingress"],
        &[(
            "ingresscontroller.operator.openshift.io/deployment-ingresscontroller",
            "default",
        )],
        &[(TCP, 80), (TCP, 443), (TCP, 1936)],
    ),
    // istio/istio, manifests/charts/gateways/istio-ingress.
    pods(
        Role::IngressController,
        "the ingress gateway of Istio",
        &["istio-system", "istio-ingress"],
        &[("istio", "ingressgateway"), ("app", "istio-ingressgateway")],
        &[(TCP, 8080), (TCP, 8443), (TCP, 15021)],
    ),
    // projectcontour/contour, examples/contour/03-envoy.yaml.
    pods(
        Role::IngressController,
        "Envoy of Contour",
        &["projectcontour"],
        &[("app", "envoy")],
        &[(TCP, 8080), (TCP, 8443)],
    ),
    // envoyproxy/gateway, internal/infrastructure/kubernetes/proxy/resource.go.
    pods(
        Role::IngressController,
        "Envoy Gateway's proxies",
        &["envoy-gateway-system"],
        &[
            ("app.kubernetes.io/name", "envoy"),
            ("app.kubernetes.io/component", "proxy"),
            ("app.kubernetes.io/managed-by", "envoy-gateway"),
        ],
        &[(TCP, 10080), (TCP, 10443)],
    ),
    // Kong/charts, charts/kong/templates/_helpers.tpl.
    pods(
        Role::IngressController,
        "Kong",
        &["kong"],
        &[
            ("app.kubernetes.io/name", "kong"),
            ("app.kubernetes.io/instance", "kong"),
        ],
        &[(TCP, 8000), (TCP, 8443)],
    ),
    // haproxytech/helm-charts, kubernetes-ingress.
    pods(
        Role::IngressController,
        "HAProxy",
        &["haproxy-controller"],
        &[("app.kubernetes.io/name", "kubernetes-ingress")],
        &[(TCP, 8080), (TCP, 8443)],
    ),
    // prometheus-operator/kube-prometheus, manifests/prometheus-prometheus.yaml.
    pods(
        Role::Scraper,
        "Prometheus",
        &["monitoring", "observability", "prometheus"],
        &[
            ("app.kubernetes.io/name", "prometheus"),
            ("app.kubernetes.io/managed-by", "prometheus-operator"),
        ],
        &[(TCP, 9090)],
    ),
    // openshift/cluster-monitoring-operator, assets/prometheus-k8s/prometheus.yaml.
    pods(
        Role::Scraper,
        "Prometheus of OpenShift",
        &["openshift-monitoring"],
        &[
            ("app.kubernetes.io/name", "prometheus"),
            ("app.kubernetes.io/instance", "k8s"),
            ("app.kubernetes.io/component", "prometheus"),
            ("app.kubernetes.io/part-of", "openshift-monitoring"),
            ("prometheus", "k8s"),
        ],
        &[(TCP, 9091), (TCP, 9092)],
    ),
    // openshift/cluster-monitoring-operator,
    // assets/prometheus-user-workload/prometheus.yaml.
    pods(
        Role::Scraper,
        "Prometheus of OpenShift for user workloads",
        &["openshift-user-workload-monitoring"],
        &[
            ("app.kubernetes.io/name", "prometheus"),
            ("app.kubernetes.io/instance", "user-workload"),
            ("app.kubernetes.io/component", "prometheus"),
            ("app.kubernetes.io/part-of", "openshift-monitoring"),
            ("prometheus", "user-workload"),
        ],
        &[(TCP, 9091), (TCP, 9092)],
    ),
    // GoogleCloudPlatform/prometheus-engine, manifests/operator.yaml.
    pods(
        Role::Scraper,
        "the collectors of Managed Service for Prometheus",
        &["gmp-system"],
        &[
            ("app", "managed-prometheus-collector"),
            ("app.kubernetes.io/name", "collector"),
        ],
        &[(TCP, 19090)],
    )
    .on(&[Distribution::Gke]),
    // cert-manager/cert-manager, deploy/charts/cert-manager/templates/deployment.yaml.
    pods(
        Role::Other,
        "cert-manager",
        &["cert-manager"],
        &[
            ("app.kubernetes.io/name", "cert-manager"),
            ("app.kubernetes.io/instance", "cert-manager"),
            ("app.kubernetes.io/component", "controller"),
            ("app", "cert-manager"),
        ],
        &[(TCP, 9402), (TCP, 9403)],
    ),
    // istio/istio, manifests/charts/istio-control/istio-discovery/templates/deployment.yaml.
    pods(
        Role::Other,
        "istiod",
        &["istio-system"],
        &[("app", "istiod"), ("istio", "pilot")],
        &[(TCP, 15010), (TCP, 15012), (TCP, 15014), (TCP, 15017)],
    ),
    // kubernetes-sigs/metrics-server, manifests/base/deployment.yaml.
    pods(
        Role::Other,
        "metrics-server",
        &["kube-system"],
        &[("k8s-app", "metrics-server")],
        &[(TCP, 10250)],
    ),
    // kubernetes-sigs/apiserver-network-proxy, examples/kubernetes/konnectivity-agent.yaml:
    // some managed control planes call pods through it.
    pods(
        Role::Other,
        "the konnectivity agent",
        &["kube-system"],
        &[("k8s-app", "konnectivity-agent")],
        &[],
    ),
];

/// Keys under which people select pods by the name of their program.
const NAME_KEYS: &[&str] = &["app.kubernetes.io/name", "app", "k8s-app", "name"];

/// The known pods of a role that a cluster of this platform may have.
pub fn known_pods(platform: &Platform, role: Role) -> impl Iterator<Item = &'static KnownPods> {
    KNOWN
        .iter()
        .filter(move |pods| pods.role == role && pods.may_be_on(platform))
}

impl KnownPods {
    /// Whether a cluster of this platform may have them.
    #[must_use]
    pub fn may_be_on(&self, platform: &Platform) -> bool {
        self.on.is_empty() || self.on.iter().any(|on| platform.is(*on))
    }

    /// Whether they have this label.
    #[must_use]
    pub fn has(&self, key: &str, value: &str) -> bool {
        self.labels.contains(&(key, value))
    }

    /// Whether pods that many clusters have live in the namespace of this name.
    #[must_use]
    pub fn live_in(namespace: &str) -> bool {
        KNOWN
            .iter()
            .any(|pods| pods.namespaces.contains(&namespace))
    }

    /// Whether the pods that many clusters have in the namespace of this name are all of one
    /// role, and there are some.
    #[must_use]
    pub fn live_in_only(namespace: &str, role: Role) -> bool {
        let mut there = KNOWN
            .iter()
            .filter(|pods| pods.namespaces.contains(&namespace))
            .peekable();
        there.peek().is_some() && there.all(|pods| pods.role == role)
    }

    /// What the known pods of the namespace of this name are called.
    pub fn names_in(namespace: &str) -> impl Iterator<Item = &'static str> {
        let there = KNOWN
            .iter()
            .filter(move |pods| pods.namespaces.contains(&namespace));
        there.map(|pods| pods.name)
    }

    /// The known pods of a namespace that have all of these labels.
    pub fn of<'a>(
        platform: &'a Platform,
        namespace: &'a str,
        labels: &'a [(&'a str, &'a str)],
    ) -> impl Iterator<Item = &'static Self> + 'a {
        KNOWN.iter().filter(move |pods| {
            pods.namespaces.contains(&namespace)
                && pods.may_be_on(platform)
                && labels.iter().all(|(key, value)| pods.has(key, value))
        })
    }

    /// The known pods that a label names: by the label itself, or by the name of their
    /// program under another of the keys that people use for it.
    #[must_use]
    pub fn named_by(key: &str, value: &str) -> Option<&'static Self> {
        let is_name_key = NAME_KEYS.contains(&key);
        let goes_by = |pods: &&Self| {
            let first = pods.labels.first();
            let mut names = pods
                .labels
                .iter()
                .filter(|(key, _)| NAME_KEYS.contains(key));
            // What many programs share, as `component=controller`, names none of them.
            let is_first = first.is_some_and(|label| *label == (key, value));
            is_first || is_name_key && names.any(|(_, name)| *name == value)
        };
        KNOWN.iter().find(goes_by)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_label_names_the_pods_that_go_by_it() {
        for (key, value, expected) in [
            ("k8s-app", "kube-dns", Some("kube-system")),
            ("app", "coredns", Some("kube-system")),
            ("app", "ingress-nginx", Some("ingress-nginx")),
            ("istio", "ingressgateway", Some("istio-system")),
            ("app", "prometheus", Some("monitoring")),
            ("app.kubernetes.io/component", "controller", None),
            ("app", "web", None),
        ] {
            let home = KnownPods::named_by(key, value).map(|pods| pods.namespaces[0]);
            assert_eq!(home, expected, "{key}={value}");
        }
    }

    #[test]
    fn every_row_can_be_selected_and_is_somewhere() {
        for row in KNOWN {
            assert!(
                !row.labels.is_empty() && !row.namespaces.is_empty(),
                "{}",
                row.name
            );
        }
    }
}
