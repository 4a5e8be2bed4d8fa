//! How pods reach a resolver: which ports are a resolver's, where resolvers are, and
//! whether a pod's egress admits one of them.
//!
//! Refuses to know what a rule makes of the answer. It leans towards "yes": a rule that
//! could be meant for a resolver counts, as a false alarm costs more than silence.

use crate::cluster::{Cluster, NAMESPACE_NAME_LABEL};
use crate::engine::{self, ConnectionSet, Endpoint, NamespaceView, PodView};
use crate::k8s::{
    Direction, Labels, NetworkPolicy, NetworkPolicyPeer, NetworkPolicyPort, NetworkPolicyRule,
};
use crate::k8s::{PortReference, Protocol, is_opaque};
use crate::source::{Span, Spanned};
use std::net::{IpAddr, Ipv4Addr};

/// The port of DNS.
pub const PORT: u16 = 53;
/// The port that OpenShift's resolver pods listen on, behind a Service on 53.
pub const OPENSHIFT_PORT: u16 = 5353;

/// Whether an entry of `ports` is written for a resolver: 53, 5353, a short range around
/// them, or a name that says so.
#[must_use]
pub fn is_dns_port(port: &NetworkPolicyPort) -> bool {
    match port.port.get().map(|port| &port.value) {
        Some(PortReference::Number(number)) => match port.end_port.get() {
            Some(end) => (*number..=end.value).contains(&PORT) && end.value - number < 100,
            None => [PORT, OPENSHIFT_PORT].contains(number),
        },
        Some(PortReference::Name(name)) => {
            name.contains("dns") || name == "domain" || is_opaque(name)
        }
        None => false,
    }
}

/// Pods that resolve names in most clusters, by the labels of their namespace and their
/// own: CoreDNS under its usual labels, and OpenShift's.
const RESOLVERS: &[(&str, &[(&str, &str)])] = &[
    (
        "kube-system",
        &[
            ("k8s-app", "kube-dns"),
            ("app.kubernetes.io/name", "coredns"),
        ],
    ),
    ("kube-system", &[("k8s-app", "coredns")]),
    ("kube-system", &[("k8s-app", "node-local-dns")]),
    (
        "openshift-dns",
        &[("dns.operator.openshift.io/daemonset-dns", "default")],
    ),
];

/// Addresses that resolvers' Services usually have, and the one of node-local caches.
const RESOLVER_ADDRESSES: &[Ipv4Addr] = &[
    Ipv4Addr::new(10, 96, 0, 10),
    Ipv4Addr::new(10, 43, 0, 10),
    Ipv4Addr::new(10, 100, 0, 10),
    Ipv4Addr::new(10, 152, 183, 10),
    Ipv4Addr::new(172, 20, 0, 10),
];

/// Whether `subject`'s egress admits DNS to a resolver, or has a rule that could be meant
/// to. `policies` are those that isolate it for egress.
#[must_use]
pub fn admits_dns<'p>(
    cluster: &Cluster,
    subject: &Endpoint<'_>,
    policies: impl IntoIterator<Item = &'p NetworkPolicy>,
    span: Span,
) -> bool {
    let mut rules = policies
        .into_iter()
        .flat_map(|policy| policy.rules(Direction::Egress));
    rules.any(is_meant_for_dns) || reaches_resolver(cluster, subject, span)
}

/// Whether a rule names a resolver's port, or has a peer that could be a resolver.
fn is_meant_for_dns(rule: &NetworkPolicyRule) -> bool {
    let ports = rule.ports.items();
    if ports.iter().any(is_dns_port) {
        return true;
    }
    let admits_53 = ports.is_empty()
        || ports.iter().any(|port| {
            match (port.port.get().map(|port| &port.value), port.end_port.get()) {
                (None, _) => port.protocol_or_default() != Protocol::Sctp,
                (Some(PortReference::Number(number)), Some(end)) => {
                    (*number..=end.value).contains(&PORT)
                }
                (Some(_), _) => false,
            }
        });
    admits_53 && rule.peers.items().iter().any(could_be_resolver)
}

fn could_be_resolver(peer: &NetworkPolicyPeer) -> bool {
    if let Some(block) = peer.ip_block.get() {
        let is_excepted = |address: &IpAddr| {
            block
                .except
                .items()
                .iter()
                .any(|except| except.contains(address))
        };
        return block.cidr.addr().is_ipv6()
            || RESOLVER_ADDRESSES
                .iter()
                .map(|address| IpAddr::V4(*address))
                .any(|address| block.cidr.contains(&address) && !is_excepted(&address))
            || matches!(block.cidr.addr(), IpAddr::V4(address) if address.is_link_local());
    }
    let (Some(namespaces), _) = (peer.namespace_selector.get(), peer.pod_selector.get()) else {
        return false;
    };
    let labels = namespaces
        .match_labels
        .iter()
        .map(|label| label.value.as_str());
    let listed = namespaces
        .match_expressions
        .iter()
        .flat_map(|entry| &entry.values)
        .map(|value| value.as_str());
    namespaces.is_opaque()
        || labels
            .chain(listed)
            .any(|value| value.contains("kube-system") || value.contains("dns"))
}

/// Whether the engine lets the pod reach one of the usual resolvers, or a workload of the
/// cluster that looks like one.
fn reaches_resolver(cluster: &Cluster, subject: &Endpoint<'_>, span: Span) -> bool {
    let label = |key: &str, value: &str| crate::k8s::Label {
        key: Spanned::new(key.to_owned(), span),
        value: Spanned::new(value.to_owned(), span),
    };
    let is_usual = RESOLVERS.iter().any(|(namespace, labels)| {
        let pod_labels = Labels::new(
            labels
                .iter()
                .map(|(key, value)| label(key, value))
                .collect(),
        );
        let supposed = Labels::new(vec![label(NAMESPACE_NAME_LABEL, namespace)]);
        let view = match cluster.namespace_by_name(namespace) {
            Some(id) => NamespaceView::of(cluster, id),
            None => NamespaceView {
                id: None,
                name: namespace,
                labels: &supposed,
                are_labels_known: false,
            },
        };
        has_dns(&engine::side(
            cluster,
            Direction::Egress,
            subject,
            &Endpoint::Pod(PodView::supposed(view, &pod_labels)),
        ))
    });
    is_usual
        || cluster.workload_ids().any(|id| {
            let workload = &cluster.workload(id).object;
            workload
                .ports()
                .any(|port| [PORT, OPENSHIFT_PORT].contains(&port.number.value))
                && has_dns(&engine::side(
                    cluster,
                    Direction::Egress,
                    subject,
                    &Endpoint::workload(cluster, id),
                ))
        })
}

/// Whether DNS is among the connections, over UDP or TCP.
fn has_dns(connections: &ConnectionSet) -> bool {
    [Protocol::Udp, Protocol::Tcp].into_iter().any(|protocol| {
        let ports = connections.get(protocol);
        ports.contains(PORT) || ports.contains(OPENSHIFT_PORT)
    })
}
