//! How pods reach a resolver: which ports are a resolver's, where resolvers are, and
//! whether a pod's egress admits one of them.
//!
//! Refuses to know what a rule makes of the answer. It leans towards "yes": a rule that
//! could be meant for a resolver counts, as a false alarm costs more than silence.

use super::isolated_pods::IsolatedPods;
use super::{Context, Profile, Settings, addresses, hypothetical};
use crate::cluster::platform::{self, Distribution, KnownPods, Role};
use crate::cluster::{Cluster, NAMESPACE_NAME_LABEL, WorkloadId};
use crate::engine::program::Ports;
use crate::engine::{ConnectionSet, Endpoint, Engine};
use crate::k8s::{
    Action, ClusterNetworkPolicyPeer, ClusterNetworkPolicyRule, Direction, IpBlock, Label,
    LabelSelector, NetworkPolicyPeer, NetworkPolicyPort, NetworkPolicyRule, Operator,
    PeerSelection, PortReference, Protocol, Truth, is_opaque,
};
use crate::source::{Span, Spanned, Text};
use ipnet::IpNet;
use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr};

/// The port of DNS.
pub const PORT: u16 = 53;
/// The port that OpenShift's resolver pods listen on, behind a Service on 53.
pub const OPENSHIFT_PORT: u16 = 5353;

/// Whether a port may be a resolver's. Those without privileges listen on ports that are
/// called after it: 1053, 5353, 8053; and 853 is DNS over TLS.
#[must_use]
pub fn may_be_dns(port: &NetworkPolicyPort) -> bool {
    let Some(first) = port.port.get() else {
        return true;
    };
    match (&first.value, port.end_port.get()) {
        (PortReference::Name(_), _) => true,
        (PortReference::Number(first), Some(last)) => {
            (*first..=last.value).any(|number| number % 100 == PORT)
        }
        (PortReference::Number(number), None) => number % 100 == PORT,
    }
}

/// Whether an entry of `ports` is written for a resolver: 53, 5353, a short range around
/// them, or a name that says so.
#[must_use]
pub fn is_dns_port(port: &NetworkPolicyPort) -> bool {
    are_dns_ports(&Ports::from(port))
}

/// The same of what an entry of any policy matches.
#[must_use]
pub fn are_dns_ports(ports: &Ports<'_>) -> bool {
    match ports {
        Ports::Numbers(_, ports) => match ports.ranges() {
            [(first, last)] if first == last => [PORT, OPENSHIFT_PORT].contains(first),
            [(first, last)] => (*first..=*last).contains(&PORT) && last - first < 100,
            _ => false,
        },
        Ports::Name(name, _) => name.contains("dns") || *name == "domain" || is_opaque(name),
        Ports::ExceptName(..) | Ports::ExceptNumbers(..) | Ports::Unsupported => false,
    }
}

/// Where OpenShift's resolver lives.
pub const OPENSHIFT_HOME: &str = "openshift-dns";

/// Where a cluster has its resolver.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ResolverPods {
    /// The namespace of its pods.
    pub namespace: &'static str,
    /// A label of them.
    pub label: (&'static str, &'static str),
    /// The port that they listen on.
    pub port: u16,
}

impl ResolverPods {
    /// That of OpenShift, which has its own.
    pub const OPENSHIFT: Self = Self {
        namespace: OPENSHIFT_HOME,
        label: ("dns.operator.openshift.io/daemonset-dns", "default"),
        port: OPENSHIFT_PORT,
    };
    /// That of other clusters.
    pub const USUAL: Self = Self {
        namespace: "kube-system",
        label: ("k8s-app", "kube-dns"),
        port: PORT,
    };
}

/// The resolver to write a rule for; `None` where it may be one of two: which of them is asked is
/// for somebody to say who knows.
#[must_use]
pub fn resolver(cx: &Context<'_>) -> Option<ResolverPods> {
    let platform = cx.cluster.platform();
    match cx.settings.profile {
        Some(Profile::OpenShift) => Some(ResolverPods::OPENSHIFT),
        Some(Profile::Kubernetes | Profile::NodeLocalDns) => Some(ResolverPods::USUAL),
        None if platform.is_only(Distribution::OpenShift) => Some(ResolverPods::OPENSHIFT),
        None if platform.may_be(Distribution::OpenShift) => None,
        None => Some(ResolverPods::USUAL),
    }
}

/// The resolvers that a cluster of this platform may have, where selectors see them. OpenShift
/// has its own, and no other (docs.openshift.com, "DNS Operator").
pub fn resolvers(cluster: &Cluster) -> impl Iterator<Item = &'static KnownPods> {
    let is_openshift = is_openshift(cluster);
    let known = platform::known_pods(cluster.platform(), Role::Resolver);
    known.filter(move |pods| {
        let may_be_there = !is_openshift || pods.namespaces.contains(&OPENSHIFT_HOME);
        may_be_there && !pods.is_on_host_network
    })
}

/// Whether the cluster is one of OpenShift, by more than what programs bring that run elsewhere
/// as well.
#[must_use]
pub fn is_openshift(cluster: &Cluster) -> bool {
    cluster.platform().is_certainly(Distribution::OpenShift)
}

/// Whether a resolver of most clusters has this label.
#[must_use]
pub fn is_label_of_resolver(cluster: &Cluster, key: &str, value: &str) -> bool {
    resolvers(cluster).any(|pods| pods.has(key, value))
}

/// The namespace of the resolver whose label a selector asks for.
#[must_use]
pub fn home_of(cluster: &Cluster, selector: &LabelSelector) -> Option<&'static str> {
    let has = |pods: &&KnownPods| {
        let mut wanted = selector.match_labels.iter();
        wanted.any(|label| pods.has(&label.key, &label.value))
    };
    resolvers(cluster).find(has).map(|pods| pods.namespaces[0])
}

/// Addresses that resolvers' Services usually have, and the one of node-local caches.
const RESOLVER_ADDRESSES: &[Ipv4Addr] = &[
    Ipv4Addr::new(10, 96, 0, 10),
    Ipv4Addr::new(10, 43, 0, 10),
    Ipv4Addr::new(10, 100, 0, 10),
    Ipv4Addr::new(10, 152, 183, 10),
    Ipv4Addr::new(172, 20, 0, 10),
    Ipv4Addr::new(172, 30, 0, 10),
];

/// Whether an address is that of a resolver's Service: the usual one, or one of the ranges of
/// Services that the configuration names. What it names as a resolver is none.
#[must_use]
pub fn is_of_resolver_service(cx: &Context<'_>, address: IpAddr) -> bool {
    let settings = cx.settings;
    let contains = |ranges: &[IpNet]| ranges.iter().any(|range| range.contains(&address));
    let is_usual = matches!(address, IpAddr::V4(address) if RESOLVER_ADDRESSES.contains(&address));
    (is_usual || contains(&settings.service_cidrs)) && !contains(&settings.resolver_cidrs)
}

/// Whether a node-local cache is among the workloads.
pub(super) fn has_node_local_cache(cluster: &Cluster) -> bool {
    let mut workloads = cluster.workloads().iter().map(|it| &it.object);
    workloads.any(|it| {
        it.labels.get("k8s-app") == Some("node-local-dns") || it.meta.name.value == "node-local-dns"
    })
}

/// The address at which a node-local cache answers by default, a link-local one
/// (kubernetes.io, "Using NodeLocal DNSCache").
pub const NODE_LOCAL_ADDRESS: Ipv4Addr = Ipv4Addr::new(169, 254, 20, 10);

/// The protocols, UDP and TCP, over which pods may ask a resolver, as far as anybody can tell:
/// by a rule that is written for DNS, whatever its peers are, or because the engine lets them
/// reach a resolver that most clusters have, that is among the workloads, or that the
/// configuration names. Both where another tool fills in a part of the policies.
#[must_use]
pub fn protocols(cx: &Context<'_>, pods: &IsolatedPods) -> BTreeSet<Protocol> {
    let cluster = cx.cluster;
    let mut found = BTreeSet::new();
    for id in &pods.policies {
        let policy = &cluster.policy(*id).object;
        if !policy.meta.holes.is_empty() {
            return BTreeSet::from(PROTOCOLS);
        }
        for rule in cluster.enforcement().rules(policy, Direction::Egress) {
            if !misses_resolver(cx, rule) {
                found.extend(written_protocols(cx.settings, rule));
            }
        }
    }
    if found.len() < PROTOCOLS.len() {
        found.extend(reached_protocols(cx, pods));
    }
    found
}

const PROTOCOLS: [Protocol; 2] = [Protocol::Tcp, Protocol::Udp];

/// The protocols of a rule's entries for DNS, and of those that cover it for a peer that
/// could be a resolver.
fn written_protocols(settings: &Settings, rule: &NetworkPolicyRule) -> BTreeSet<Protocol> {
    let ports = rule.ports.items();
    let could_be_for_resolver = || {
        let mut peers = rule.peers.items().iter();
        peers.any(|peer| could_be_resolver(settings, peer))
    };
    if ports.is_empty() {
        let all = could_be_for_resolver().then_some(PROTOCOLS);
        return all.into_iter().flatten().collect();
    }
    let covers_dns = |port: &&NetworkPolicyPort| {
        let number = port.port.get().map(|port| &port.value);
        is_dns_port(port)
            || match (number, port.end_port.get()) {
                (None, _) => could_be_for_resolver(),
                (Some(PortReference::Number(number)), Some(end)) => {
                    (*number..=end.value).contains(&PORT) && could_be_for_resolver()
                }
                (Some(_), _) => false,
            }
    };
    ports
        .iter()
        .filter(covers_dns)
        .map(NetworkPolicyPort::protocol_or_default)
        .filter(|protocol| PROTOCOLS.contains(protocol))
        .collect()
}

/// Whether all peers of a rule mean the resolver and match none that is known.
#[must_use]
pub fn misses_resolver(cx: &Context<'_>, rule: &NetworkPolicyRule) -> bool {
    let peers = rule.peers.items();
    let is_missed = |peer| !labels_without_resolver(cx, peer).is_empty();
    !peers.is_empty() && peers.iter().all(is_missed)
}

/// The labels by which a peer misses the resolver that it means: it has a label of one of those
/// that most clusters have, and asks for more than any of them has, or any workload that may be
/// one. Empty where another rule speaks of the labels, or where one may match.
#[must_use]
pub fn labels_without_resolver<'p>(
    cx: &Context<'_>,
    peer: &'p NetworkPolicyPeer,
) -> Vec<&'p Label> {
    let cluster = cx.cluster;
    let Some((Some(namespaces), Some(pods))) = peer.selectors() else {
        return Vec::new();
    };
    if namespaces.is_opaque() || pods.is_opaque() || home_of(cluster, pods).is_none() {
        return Vec::new();
    }
    // Of the labels of a resolver that is declared there, `dns-peer-mismatch` speaks.
    let of_home = only_name(namespaces).and_then(|name| cluster.namespace_by_name(name));
    let is_seen = |id: &WorkloadId| Some(cluster.workload(*id).namespace) == of_home;
    let may_be_it = |id: WorkloadId| {
        let object = &cluster.workload(id).object;
        let may_listen = object.ports().next().is_none() || listens_for_dns(cluster, id);
        may_listen && pods.matches_opaque(&object.labels) != Truth::False
    };
    let has_labels = |known: &'static KnownPods| {
        let labels = hypothetical::labels(known.labels.iter().copied(), pods.span);
        pods.matches_opaque(&labels) != Truth::False
    };
    let is_matched = cx.listening_for_dns().iter().any(is_seen)
        || cluster.workload_ids().any(may_be_it)
        || platform::known_pods(cluster.platform(), Role::Resolver).any(has_labels);
    if is_matched {
        return Vec::new();
    }
    let is_of_none = |label: &&Label| !is_label_of_resolver(cluster, &label.key, &label.value);
    let labels: Vec<&Label> = pods.match_labels.iter().filter(is_of_none).collect();
    let is_told = |label: &&Label| {
        is_label_of_service(cluster, label)
            || is_invented(cluster, label)
            || cx.settings.profile == Some(Profile::Kubernetes)
    };
    match labels.iter().any(is_told) {
        true => Vec::new(),
        false => labels,
    }
}

/// The one namespace that a selector asks for by its name and nothing else.
#[must_use]
pub fn only_name(selector: &LabelSelector) -> Option<&Spanned<Text>> {
    match (
        selector.match_labels.as_slice(),
        selector.match_expressions.as_slice(),
    ) {
        ([label], []) if label.key.value == NAMESPACE_NAME_LABEL => Some(&label.value),
        ([], [entry])
            if entry.key.value == NAMESPACE_NAME_LABEL && entry.operator.value == Operator::In =>
        {
            match entry.values.as_slice() {
                [name] => Some(name),
                _ => None,
            }
        }
        _ => None,
    }
}

/// Labels of the resolver's Service that its pods do not have
/// (kubernetes/kubernetes, cluster/addons/dns/coredns/coredns.yaml.base).
const SERVICE_LABELS: &[(&str, &[&str])] = &[
    ("kubernetes.io/name", &["CoreDNS", "KubeDNS"]),
    ("kubernetes.io/cluster-service", &["true"]),
    ("addonmanager.kubernetes.io/mode", &["Reconcile"]),
];

/// Whether a label is one of the resolver's Service, and not of its pods. AKS gives its pods
/// some of them.
#[must_use]
pub fn is_label_of_service(cluster: &Cluster, label: &Label) -> bool {
    let is_known = SERVICE_LABELS
        .iter()
        .any(|(key, values)| label.key.value == *key && values.contains(&label.value.as_str()));
    is_known && !is_label_of_resolver(cluster, &label.key, &label.value)
}

/// Whether a label calls the resolver `app`, which no installation does: the add-on of
/// Kubernetes has `k8s-app: kube-dns` (cluster/addons/dns/coredns), the chart of CoreDNS
/// `k8s-app` and `app.kubernetes.io/name` (coredns/helm, templates/deployment.yaml).
#[must_use]
pub fn is_invented(cluster: &Cluster, label: &Label) -> bool {
    label.key.value == "app"
        && ["core-dns", "coredns", "kube-dns"].contains(&label.value.as_str())
        && !is_label_of_resolver(cluster, &label.key, &label.value)
}

/// Whether a rule is written for DNS, or covers it for a peer that could be a resolver.
#[must_use]
pub fn is_meant_for_dns(settings: &Settings, rule: &NetworkPolicyRule) -> bool {
    !written_protocols(settings, rule).is_empty()
}

/// Whether a peer may be meant for a resolver: an address block that holds the address of one,
/// or namespaces that are called like the home of one.
#[must_use]
pub fn could_be_resolver(settings: &Settings, peer: &NetworkPolicyPeer) -> bool {
    if let Some(block) = peer.ip_block.get() {
        return could_hold_resolver(settings, block);
    }
    let Some(namespaces) = peer.namespace_selector.get() else {
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

fn could_hold_resolver(settings: &Settings, block: &IpBlock) -> bool {
    let usual = RESOLVER_ADDRESSES
        .iter()
        .map(|address| IpAddr::V4(*address));
    let named = settings.resolver_cidrs.iter().map(IpNet::addr);
    block.cidr.addr().is_ipv6()
        || usual
            .chain(named)
            .any(|address| addresses::holds(block, address))
        || matches!(block.cidr.addr(), IpAddr::V4(address) if address.is_link_local())
}

/// The protocols, UDP and TCP, over which the engine lets the pods reach one of the usual
/// resolvers, a workload of the cluster that looks like one, or one that the configuration
/// names.
#[must_use]
pub fn reached_protocols(cx: &Context<'_>, pods: &IsolatedPods) -> BTreeSet<Protocol> {
    let span = cx.cluster.policy(pods.policies[0]).object.meta.span;
    reached_from(cx, &pods.endpoint(cx.cluster), span)
}

/// The same for one end; `span` is the text that makes one think of it.
#[must_use]
pub fn reached_from(cx: &Context<'_>, subject: &Endpoint<'_>, span: Span) -> BTreeSet<Protocol> {
    reached_of(cx, subject, span, |_| true)
}

/// Whether one end may ask a resolver that this cluster is likely to have: that of OpenShift counts
/// only where something says that it is OpenShift, such as a rule that names it.
#[must_use]
pub fn reaches_likely_resolver(
    cx: &Context<'_>,
    subject: &Endpoint<'_>,
    names_openshift: bool,
    span: Span,
) -> bool {
    let is_openshift = names_openshift
        || cx.cluster.platform().is(Distribution::OpenShift)
        || cx.settings.profile == Some(Profile::OpenShift);
    let is_likely = |known: &KnownPods| is_openshift || !known.namespaces.contains(&OPENSHIFT_HOME);
    !reached_of(cx, subject, span, is_likely).is_empty()
}

fn reached_of(
    cx: &Context<'_>,
    subject: &Endpoint<'_>,
    span: Span,
    counts: impl Fn(&KnownPods) -> bool,
) -> BTreeSet<Protocol> {
    let cluster = cx.cluster;
    let ask = |resolver: &Endpoint<'_>| {
        let judge = cx.engine.judge();
        let verdict = judge.one_side(Direction::Egress, subject, resolver);
        has_dns(verdict.possible())
    };
    let mut found = BTreeSet::new();
    let listening = cx.listening_for_dns();
    for resolver in resolvers(cluster).filter(|known| counts(known)) {
        // One that is among the workloads is not supposed to have other labels.
        let home = cluster.namespace_by_name(resolver.namespaces[0]);
        let is_known = |id: &WorkloadId| Some(cluster.workload(*id).namespace) == home;
        if !listening.iter().any(is_known) {
            found.extend(with_resolver(cluster, resolver, span, ask));
        }
    }
    for id in listening.iter() {
        found.extend(ask(&Endpoint::workload(cluster, *id)));
    }
    for cidr in &cx.settings.resolver_cidrs {
        found.extend(ask(&Endpoint::Address(cidr.addr().into())));
    }
    found
}

/// Whether an end may ask a resolver that most clusters of this platform have, over UDP, where
/// none is among the manifests; `span` is the text that makes one think of it.
#[must_use]
pub fn asks_usual_resolver(engine: &Engine<'_>, subject: &Endpoint<'_>, span: Span) -> Truth {
    let cluster = engine.cluster();
    let asked = |connections: &ConnectionSet| has_dns(connections).contains(&Protocol::Udp);
    let answers = resolvers(cluster).map(|resolver| {
        with_resolver(cluster, resolver, span, |resolver| {
            let judge = engine.judge();
            let verdict = judge.one_side(Direction::Egress, subject, resolver);
            match (asked(&verdict.allowed()), asked(verdict.possible())) {
                (true, _) => Truth::True,
                (false, true) => Truth::Unknown,
                (false, false) => Truth::False,
            }
        })
    });
    answers.max().unwrap_or(Truth::Unknown)
}

/// Whether a workload has a port that resolvers listen on.
#[must_use]
pub fn listens_for_dns(cluster: &Cluster, id: WorkloadId) -> bool {
    let mut ports = cluster.workload(id).object.ports();
    ports.any(|port| [PORT, OPENSHIFT_PORT].contains(&port.number.value))
}

/// Asks about the pod of a resolver that most clusters have, whether or not it is among the
/// manifests.
pub fn with_resolver<T>(
    cluster: &Cluster,
    resolver: &KnownPods,
    span: Span,
    ask: impl FnOnce(&Endpoint<'_>) -> T,
) -> T {
    let labels = hypothetical::labels(resolver.labels.iter().copied(), span);
    hypothetical::with_pod(cluster, resolver.namespaces[0], &labels, span, ask)
}

/// The protocols over which DNS is among the connections.
fn has_dns(connections: &ConnectionSet) -> BTreeSet<Protocol> {
    let has = |protocol: &Protocol| {
        let ports = connections.get(*protocol);
        ports.contains(PORT) || ports.contains(OPENSHIFT_PORT)
    };
    PROTOCOLS.into_iter().filter(has).collect()
}

/// Whether selectors name OpenShift's resolver: by its namespace, or by a label of its pods.
#[must_use]
pub fn name_openshift(namespaces: Option<&LabelSelector>, pods: Option<&LabelSelector>) -> bool {
    let has = |selector: Option<&LabelSelector>, is_meant: fn(&Label) -> bool| {
        selector.is_some_and(|selector| selector.match_labels.iter().any(is_meant))
    };
    has(namespaces, |label| label.value.value == OPENSHIFT_HOME)
        || namespaces
            .and_then(only_name)
            .is_some_and(|name| name.value == OPENSHIFT_HOME)
        || has(pods, |label| {
            label.key.value == "dns.operator.openshift.io/daemonset-dns"
        })
}

/// Whether a rule of a cluster-wide policy allows something to OpenShift's resolver by its name.
#[must_use]
pub fn allows_openshift_by_name(rule: &ClusterNetworkPolicyRule) -> bool {
    let names = |peer: &ClusterNetworkPolicyPeer| match &peer.selection {
        PeerSelection::Pods(selection) => {
            let (namespaces, pods) = selection.selectors();
            name_openshift(Some(namespaces), pods)
        }
        _ => false,
    };
    rule.action.value == Action::Accept && rule.peers.iter().any(names)
}

/// Whether an end reaches a port of OpenShift's resolver pods, of which no manifest names the ports;
/// `span` is the text that makes one think of it.
#[must_use]
pub fn reaches_openshift_resolver(
    cx: &Context<'_>,
    subject: &Endpoint<'_>,
    span: Span,
    port: u16,
) -> Truth {
    let cluster = cx.cluster;
    let of_openshift = resolvers(cluster).filter(|pods| pods.namespaces.contains(&OPENSHIFT_HOME));
    let reached = of_openshift.map(|resolver| {
        with_resolver(cluster, resolver, span, |resolver| {
            let judge = cx.engine.judge();
            let verdict = judge.one_side(Direction::Egress, subject, resolver);
            let is_in = |set: &ConnectionSet| PROTOCOLS.iter().any(|it| set.contains(*it, port));
            match (is_in(&verdict.allowed()), is_in(verdict.possible())) {
                (true, _) => Truth::True,
                (false, true) => Truth::Unknown,
                (false, false) => Truth::False,
            }
        })
    });
    reached.max().unwrap_or(Truth::False)
}

/// The workloads of a cluster that resolve names, by the labels that they have in most
/// clusters, or by the name of the program.
#[must_use]
pub fn resolving_workloads(cluster: &Cluster) -> Vec<WorkloadId> {
    let is_resolver = |id: &WorkloadId| {
        let workload = cluster.workload(*id);
        let namespace = cluster.namespace(workload.namespace).name.as_str();
        let object = &workload.object;
        let name = object.meta.name.value.as_str();
        let mut at_home = resolvers(cluster).filter(|pods| pods.namespaces.contains(&namespace));
        at_home.any(|pods| {
            let has_name = ["coredns", "kube-dns"]
                .iter()
                .any(|program| name.contains(program));
            let mut labels = object.labels.iter();
            has_name || labels.any(|label| pods.has(&label.key.value, &label.value.value))
        })
    };
    cluster.workload_ids().filter(is_resolver).collect()
}
