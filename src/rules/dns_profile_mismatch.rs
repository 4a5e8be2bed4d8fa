//! Rules for DNS that fit another kind of cluster.

use crate::cluster::platform::Distribution;
use crate::cluster::{NamespaceId, PolicyId, WorkloadId};
use crate::diagnostic::{Diagnostic, Fix, FixClass, Severity};
use crate::engine::Endpoint;
use crate::k8s::{
    ClusterNetworkPolicyPort, Direction, EntrypointKind, LabelSelector, NetworkPolicyPeer,
    NetworkPolicyPort, NetworkPolicyRule, PortMatch, PortReference, Truth, WorkloadKind,
};
use crate::lint::isolated_pods::{IsolatedPods, isolated_pods};
use crate::lint::rewrite;
use crate::lint::{Category, Context, Profile, Rule, RuleMeta, block_edit, declare_rule, dns};
use crate::source::{Edit, Span};
use ipnet::{IpNet, Ipv4Net};
use std::collections::BTreeMap;
use std::net::IpAddr;

declare_rule! {
    /// ## What it does
    ///
    /// Reports DNS rules that do not fit the cluster: port 53 for OpenShift's resolver, whose
    /// pods listen on 5353, and rules that allow only resolver pods where a cache on each node
    /// answers instead (NodeLocal DNSCache).
    ///
    /// npcheck recognises OpenShift by a rule that names the namespace `openshift-dns`; for
    /// rules for everybody, by objects of OpenShift or by Routes where there is no Ingress; and
    /// node-local caches by a DaemonSet `node-local-dns` in the manifests. You can also set the
    /// profile in `npcheck.yaml`.
    ///
    /// ## Why is this bad?
    ///
    /// CNI plugins look at the pod's port, after the Service's port has been translated.
    /// Opening port 53 on a pod that listens on 5353 does nothing. A node-local cache runs on
    /// the network of its node, where no selector matches it: pods query 169.254.20.10, and the
    /// policy drops the query.
    ///
    /// ## Example
    ///
    /// ```yaml
    /// apiVersion: networking.k8s.io/v1
    /// kind: NetworkPolicy
    /// metadata: {name: allow-dns, namespace: shop}
    /// spec:
    ///   podSelector: {}
    ///   policyTypes: [Egress]
    ///   egress:
    ///     - to:
    ///         - namespaceSelector:
    ///             matchLabels: {kubernetes.io/metadata.name: openshift-dns}
    ///       ports:
    ///         - {protocol: UDP, port: 53}
    ///         - {protocol: TCP, port: 53}
    /// ```
    ///
    /// ## Use instead
    ///
    /// ```yaml
    /// apiVersion: networking.k8s.io/v1
    /// kind: NetworkPolicy
    /// metadata: {name: allow-dns, namespace: shop}
    /// spec:
    ///   podSelector: {}
    ///   policyTypes: [Egress]
    ///   egress:
    ///     - to:
    ///         - namespaceSelector:
    ///             matchLabels: {kubernetes.io/metadata.name: openshift-dns}
    ///       ports:
    ///         - {protocol: UDP, port: 53}
    ///         - {protocol: UDP, port: 5353}
    ///         - {protocol: TCP, port: 53}
    ///         - {protocol: TCP, port: 5353}
    /// ```
    ///
    /// ## Fix safety
    ///
    /// Widening: the fix adds port 5353 next to 53, which is harmless where it is not needed,
    /// or adds the address of the cache as a peer.
    ///
    /// ## Configuration
    ///
    /// `profile` in `npcheck.yaml`: `openshift`, `nodelocaldns`, or `kubernetes` for neither.
    pub(super) struct DnsProfileMismatch {
        name: "dns-profile-mismatch",
        summary: "a rule for DNS does not fit this kind of cluster",
        category: Category::Dns,
        severity: Severity::Warning,
        tier: Stable,
        evidence: "no warning or error on 24 public repositories",
        fix: Some(FixClass::Widening),
        mutes: &[],
        since: "0.1.0",
    }
}

impl Rule for DnsProfileMismatch {
    fn meta(&self) -> &'static RuleMeta {
        &Self::META
    }

    fn check_cluster(&self, cx: &mut Context<'_>) {
        let has_caches = has_caches(cx);
        for namespace in cx.cluster.namespace_ids() {
            check(cx, namespace, has_caches);
        }
        for finding in wrong_ports_cluster_wide(cx) {
            cx.report(finding);
        }
    }
}

/// Whether pods ask a cache on their node.
fn has_caches(cx: &Context<'_>) -> bool {
    let is_cache = |id| {
        let workload = &cx.cluster.workload(id).object;
        workload.kind == WorkloadKind::DaemonSet && workload.meta.name.contains("node-local-dns")
    };
    match cx.settings.profile {
        Some(profile) => profile == Profile::NodeLocalDns,
        None => cx.cluster.workload_ids().any(is_cache),
    }
}

fn check(cx: &mut Context<'_>, namespace: NamespaceId, has_caches: bool) {
    let mut found: BTreeMap<Span, Diagnostic> = BTreeMap::new();
    for pods in isolated_pods(cx, namespace, Direction::Egress, |_| true) {
        // Most namespaces have no rule that could be wrong: the engine need not be asked.
        let for_openshift = |place: &Place<'_>| is_for_openshift(cx, place.rule);
        let for_cache = |place: &Place<'_>| has_caches && !names_openshift(place.rule);
        let mut places = rules_for_dns(cx, &pods);
        places.retain(|place| for_openshift(place) || for_cache(place));
        if places.is_empty() {
            continue;
        }
        let span = cx.cluster.policy(pods.policies[0]).object.meta.span;
        let subject = pods.endpoint(cx.cluster);
        let reached = dns::reaches_openshift_resolver(cx, &subject, span, dns::OPENSHIFT_PORT);
        let misses_cache = has_caches && !reaches_cache(cx, &pods);
        for place in &places {
            let finding = match place {
                _ if reached == Truth::False && for_openshift(place) => {
                    wrong_port(cx, place).or_else(|| named_port(cx, place))
                }
                // Whatever the pods call their ports.
                _ if reached == Truth::Unknown && for_openshift(place) => named_port(cx, place),
                _ if misses_cache && for_cache(place) => wrong_peers(cx, place),
                _ => None,
            };
            if let Some(finding) = finding {
                found.insert(finding.primary.span, finding);
            }
        }
    }
    for finding in found.into_values() {
        cx.report(finding);
    }
}

/// A rule for DNS and its place.
struct Place<'c> {
    policy: PolicyId,
    index: usize,
    rule: &'c NetworkPolicyRule,
}

/// The rules of the pods' policies that are for DNS alone.
fn rules_for_dns<'c>(cx: &Context<'c>, pods: &IsolatedPods) -> Vec<Place<'c>> {
    let cluster = cx.cluster;
    let of_policy = |id: &PolicyId| {
        let policy = *id;
        let rules = cluster.policy(policy).object.rules(Direction::Egress);
        let rules = rules.iter().enumerate();
        rules.map(move |(index, rule)| Place {
            policy,
            index,
            rule,
        })
    };
    let is_for_dns = |place: &Place<'_>| {
        let ports = place.rule.ports.items();
        !ports.is_empty() && ports.iter().all(dns::is_dns_port)
    };
    pods.policies
        .iter()
        .flat_map(of_policy)
        .filter(is_for_dns)
        .collect()
}

fn reaches_cache(cx: &Context<'_>, pods: &IsolatedPods) -> bool {
    let cache = Endpoint::Address(IpAddr::V4(dns::NODE_LOCAL_ADDRESS).into());
    let subject = pods.endpoint(cx.cluster);
    let judge = cx.engine.judge();
    let allowed = judge.one_side(Direction::Egress, &subject, &cache);
    let possible = allowed.possible();
    possible.iter().any(|(_, ports)| ports.contains(dns::PORT))
}

/// Whether a rule names OpenShift's resolver, or may mean it in what is known to be OpenShift.
fn is_for_openshift(cx: &Context<'_>, rule: &NetworkPolicyRule) -> bool {
    let selects_all = |peer: &NetworkPolicyPeer| {
        let namespaces = peer.namespace_selector.get();
        namespaces.is_some_and(LabelSelector::is_empty)
    };
    let is_every_address = |peer: &NetworkPolicyPeer| {
        let block = peer.ip_block.get();
        block.is_some_and(|block| block.cidr.prefix_len() == 0)
    };
    let is_openshift = match cx.settings.profile {
        Some(Profile::OpenShift) => true,
        Some(Profile::Kubernetes | Profile::NodeLocalDns) => return false,
        None => cx.cluster.platform().is_only(Distribution::OpenShift) || has_only_routes(cx),
    };
    let peers = rule.peers.items();
    let mut everybody = peers.iter();
    let is_for_everybody =
        peers.is_empty() || everybody.any(|peer| selects_all(peer) || is_every_address(peer));
    names_openshift(rule) || is_openshift && is_for_everybody
}

/// Whether Routes, which only OpenShift has, are the one way in, and nothing says that it is
/// another distribution.
fn has_only_routes(cx: &Context<'_>) -> bool {
    let entrypoints = &cx.cluster.context_objects().entrypoints;
    let mut kinds = entrypoints.iter().map(|it| it.kind);
    cx.cluster.platform().evidence().is_empty()
        && !entrypoints.is_empty()
        && kinds.all(|kind| kind == EntrypointKind::Route)
}

fn names_openshift(rule: &NetworkPolicyRule) -> bool {
    let mut peers = rule.peers.items().iter();
    peers.any(|peer| dns::name_openshift(peer.namespace_selector.get(), peer.pod_selector.get()))
}

/// Rules of cluster-wide policies that name OpenShift's resolver and allow port 53 alone, one finding
/// for each, where pods that they are for do not reach 5353.
fn wrong_ports_cluster_wide(cx: &Context<'_>) -> Vec<Diagnostic> {
    let cluster = cx.cluster;
    let is_another_profile = matches!(
        cx.settings.profile,
        Some(Profile::Kubernetes | Profile::NodeLocalDns)
    );
    let mut found = Vec::new();
    for id in cluster.cluster_policy_ids().filter(|_| !is_another_profile) {
        let policy = cluster.cluster_policy(id);
        let reaches = |workload: &WorkloadId| {
            let subject = Endpoint::workload(cluster, *workload);
            let span = policy.meta.span;
            dns::reaches_openshift_resolver(cx, &subject, span, dns::OPENSHIFT_PORT) != Truth::False
        };
        for (index, rule) in policy.egress.iter().enumerate() {
            let ports = rule.ports.iter().flatten();
            let is_standard = |port: &&ClusterNetworkPolicyPort| {
                matches!(
                    port.matches,
                    PortMatch::Numbers {
                        first: dns::PORT,
                        last: dns::PORT,
                        ..
                    }
                )
            };
            let standard = ports.clone().find(is_standard);
            let Some(port) = standard.filter(|_| dns::allows_openshift_by_name(rule)) else {
                continue;
            };
            if cx.engine.subjects(id).iter().all(reaches) {
                continue;
            }
            let finding = cx
                .finding(rewrite::first_line(cx.sources, port.span), WRONG_PORT)
                .about(
                    cx.cluster_policy_object(id),
                    format!("spec.egress[{index}].ports"),
                )
                .label(WRONG_PORT_LABEL)
                .help(WRONG_PORT_HELP);
            found.push(finding);
        }
    }
    found
}

const WRONG_PORT: &str = "port 53 opens nothing: the pods of OpenShift's resolver listen on 5353";
const WRONG_PORT_LABEL: &str = "policies see the pod's port, not the Service's";
const WRONG_PORT_HELP: &str = "allow port 5353 as well, over UDP and TCP";

/// Port 53 where the resolver listens on 5353.
fn wrong_port(cx: &Context<'_>, place: &Place<'_>) -> Option<Diagnostic> {
    let is_standard = |port: &&NetworkPolicyPort| {
        matches!(
            port.port.get().map(|port| &port.value),
            Some(PortReference::Number(dns::PORT))
        ) && port.end_port.get().is_none()
    };
    let ports: Vec<_> = place
        .rule
        .ports
        .items()
        .iter()
        .filter(is_standard)
        .collect();
    let first = ports.first()?;
    let path = format!("spec.egress[{}].ports", place.index);
    let mark = rewrite::first_line(cx.sources, first.span);
    let finding = cx
        .policy_finding(place.policy, path, mark, WRONG_PORT)
        .label(WRONG_PORT_LABEL)
        .help(WRONG_PORT_HELP);
    let add = |port: &&NetworkPolicyPort| {
        let protocol = port.protocol_or_default().name();
        rewrite::add_port(cx.sources, port, protocol, dns::OPENSHIFT_PORT)
    };
    let edits = ports.iter().map(add).collect::<Option<Vec<Edit>>>();
    Some(with_fix(finding, "allow port 5353 as well", edits))
}

/// Names of ports, which OVN-Kubernetes, the plugin of OpenShift, does not look up
/// (ovn-kubernetes/ovn-kubernetes#1225 and #2117).
fn named_port(cx: &Context<'_>, place: &Place<'_>) -> Option<Diagnostic> {
    let names = place.rule.ports.items().iter().filter_map(|entry| {
        let port = entry.port.get()?;
        match &port.value {
            PortReference::Name(name) => Some((name, port.span)),
            PortReference::Number(_) => None,
        }
    });
    let (name, span) = names.into_iter().next()?;
    let path = format!("spec.egress[{}].ports", place.index);
    let message = format!("`{name}` is a port name, and OpenShift does not support named ports");
    Some(
        cx.policy_finding(place.policy, path, span, message)
            .label("OVN-Kubernetes may ignore it, or allow every port of the protocol")
            .help("write 5353, the port that the resolver's pods listen on"),
    )
}

/// Only pods as resolvers where a cache on the node answers.
fn wrong_peers(cx: &Context<'_>, place: &Place<'_>) -> Option<Diagnostic> {
    let peers = place.rule.peers.items();
    let last = peers
        .last()
        .filter(|_| peers.iter().all(|peer| peer.ip_block.get().is_none()))?;
    let path = format!("spec.egress[{}].to", place.index);
    let mark = rewrite::first_line(cx.sources, last.span);
    let address = dns::NODE_LOCAL_ADDRESS;
    let message =
        format!("pods query the cache on their node at {address}, which no selector matches");
    let finding = cx
        .policy_finding(place.policy, path, mark, message)
        .label("the cache is on the host network: policies see an address, not a pod")
        .help(format!(
            "add `ipBlock: {{cidr: {address}/32}}` next to these peers"
        ));
    let block = IpNet::V4(Ipv4Net::from(address));
    let edit = block_edit::add_block(cx.sources, last, block);
    Some(with_fix(
        finding,
        "allow the address of the cache as well",
        edit.map(|edit| vec![edit]),
    ))
}

fn with_fix(finding: Diagnostic, title: &str, edits: Option<Vec<Edit>>) -> Diagnostic {
    match edits {
        Some(edits) => finding.fix(Fix {
            title: title.to_owned(),
            class: FixClass::Widening,
            edits,
        }),
        None => finding,
    }
}
