//! Pods that may ask the resolver over one protocol only.

use crate::cluster::NamespaceId;
use crate::diagnostic::{Diagnostic, Fix, FixClass, Severity};
use crate::k8s::{
    CalicoProtocol, CiliumPort, Direction, Field, NetworkPolicyPeer, NetworkPolicyPort,
    PortReference, Protocol,
};
use crate::lint::isolated_pods::{IsolatedPods, isolated_pods};
use crate::lint::plugin_rules::{self, CalicoPlace, CiliumPlace, EnforcedRules};
use crate::lint::rewrite;
use crate::lint::{Category, Context, Rule, RuleMeta, declare_rule, dns};
use std::collections::BTreeMap;

declare_rule! {
    /// ## What it does
    ///
    /// Reports pods that can reach a resolver over UDP but not TCP (a warning), or over TCP but
    /// not UDP (an error). All policies that isolate the pods are taken together. A peer whose
    /// labels match no resolver that is known does not count. Of Cilium and Calico policies, only
    /// rules for DNS alone are looked at.
    ///
    /// ## Why is this bad?
    ///
    /// DNS queries use UDP first. `port: 53` without a protocol means TCP, so such pods resolve
    /// nothing and time out. With UDP alone, everything works until an answer does not fit into
    /// a packet and the query is retried over TCP: a Service with many pods, or a long TXT
    /// record.
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
    ///             matchLabels: {kubernetes.io/metadata.name: kube-system}
    ///       ports:
    ///         - port: 53
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
    ///             matchLabels: {kubernetes.io/metadata.name: kube-system}
    ///       ports:
    ///         - protocol: UDP
    ///           port: 53
    ///         - protocol: TCP
    ///           port: 53
    /// ```
    ///
    /// ## Fix safety
    ///
    /// Widening: the fix adds the other protocol next to the existing entry, for the same
    /// peers.
    pub(super) struct DnsSingleProtocol {
        name: "dns-single-protocol",
        summary: "pods can query DNS over only one of UDP and TCP",
        category: Category::Dns,
        severity: Severity::Error,
        tier: Stable,
        evidence: "14 of 15 warnings and errors on 82 public repositories (58 of them in excerpts) judged right; the other is a test of a CNI plugin",
        fix: Some(FixClass::Widening),
        mutes: &[],
        since: "0.1.0",
    }
}

impl Rule for DnsSingleProtocol {
    fn meta(&self) -> &'static RuleMeta {
        &Self::META
    }

    fn check_namespace(&self, cx: &mut Context<'_>, namespace: NamespaceId) {
        let mut found: BTreeMap<_, (Entry<'_>, Protocol)> = BTreeMap::new();
        for pods in isolated_pods(cx, namespace, Direction::Egress, |_| true) {
            let protocols = dns::protocols(cx, &pods);
            let mut protocols = protocols.into_iter();
            let (Some(only), None) = (protocols.next(), protocols.next()) else {
                continue;
            };
            let is_reached = || dns::reached_protocols(cx, &pods).contains(&only);
            if let Some(entry) =
                entry(cx, &pods, only).filter(|it| it.is_by_address || is_reached())
            {
                found.insert(entry.port.span, (entry, only));
            }
        }
        for (entry, only) in found.into_values() {
            let finding = describe(cx, &entry, only);
            cx.report(finding);
        }
    }

    fn check_cluster(&self, cx: &mut Context<'_>) {
        let program = cx.program();
        for place in plugin_rules::cilium_rules(cx.cluster, &program) {
            if let Some(finding) = of_cilium(cx, &place) {
                cx.report(finding);
            }
        }
        let enforced = plugin_rules::enforced(&program);
        for place in plugin_rules::calico_rules(cx.cluster) {
            if let Some(finding) = of_calico(cx, &place, &enforced) {
                cx.report(finding);
            }
        }
    }
}

/// The same of Calico's.
fn of_calico(
    cx: &Context<'_>,
    place: &CalicoPlace<'_>,
    enforced: &EnforcedRules<'_, '_>,
) -> Option<Diagnostic> {
    let protocol = place.dns_protocol()?;
    let asked = place.asks_over(cx, enforced)?;
    let mut asked = asked.into_iter();
    let (Some(only), None) = (asked.next(), asked.next()) else {
        return None;
    };
    // Another rule may be what lets the pods ask.
    if protocol.value != CalicoProtocol::Of(only) {
        return None;
    }
    let (missing, severity, label) = consequence(only);
    let path = format!("{}.protocol", place.path());
    let finding = cx.finding(protocol.span, message(only, missing));
    Some(
        finding
            .with_severity(severity)
            .about(place.policy.object.display(), path)
            .label(label)
            .help(format!("add the same rule with `protocol: {missing}`")),
    )
}

/// A rule of Cilium's for DNS, where its pods may ask over one protocol only.
fn of_cilium<'c>(cx: &Context<'c>, place: &CiliumPlace<'_, 'c>) -> Option<Diagnostic> {
    let ports = place.dns_ports()?;
    let asked = place.asks_over(cx)?;
    let mut asked = asked.into_iter();
    let (Some(only), None) = (asked.next(), asked.next()) else {
        return None;
    };
    // A rule that names both is not what lets the pods ask over one.
    let is_its = |port: &CiliumPort| port.protocol.protocols() == [only];
    if !ports.iter().all(|(_, port)| is_its(port)) {
        return None;
    }
    let (path, port) = ports.into_iter().next()?;
    let (missing, severity, label) = consequence(only);
    let path = format!("{}.{path}", place.path());
    let finding = cx.finding(port.port.span, message(only, missing));
    Some(
        finding
            .with_severity(severity)
            .about(place.policy.object.display(), path)
            .label(label)
            .help("write `protocol: ANY`"),
    )
}

/// The protocol that is missing, and what comes of it.
fn consequence(only: Protocol) -> (Protocol, Severity, &'static str) {
    match only {
        Protocol::Udp => (
            Protocol::Tcp,
            Severity::Warning,
            "only UDP: answers that do not fit into a packet fail",
        ),
        _ => (
            Protocol::Udp,
            Severity::Error,
            "only TCP: DNS queries use UDP first",
        ),
    }
}

fn message(only: Protocol, missing: Protocol) -> String {
    format!("pods can query DNS over {only}, but not over {missing}")
}

/// The entry of `ports` that lets the pods ask.
struct Entry<'c> {
    policy: crate::cluster::PolicyId,
    path: String,
    port: &'c NetworkPolicyPort,
    number: u16,
    /// Whether a resolver is named by its address, so that nobody knows which one that is.
    is_by_address: bool,
}

/// The first entry for DNS in the policies of the pods.
fn entry<'c>(cx: &Context<'c>, pods: &IsolatedPods, only: Protocol) -> Option<Entry<'c>> {
    let cluster = cx.cluster;
    pods.policies.iter().find_map(|id| {
        let rules = cluster.policy(*id).object.rules(Direction::Egress);
        let rules = rules.iter().enumerate();
        let mut rules = rules.filter(|(_, rule)| !dns::misses_resolver(cx, rule));
        rules.find_map(|(index, rule)| {
            let is_address = |peer: &NetworkPolicyPeer| peer.ip_block.get().is_some();
            let ports = rule.ports.items().iter().enumerate();
            ports
                .filter(|(_, port)| dns::is_dns_port(port))
                .find_map(|(place, port)| {
                    let PortReference::Number(number) = port.port.get()?.value else {
                        return None;
                    };
                    (port.protocol_or_default() == only && port.end_port.get().is_none()).then(
                        || {
                            let path = format!("spec.egress[{index}].ports[{place}]");
                            Entry {
                                policy: *id,
                                path,
                                port,
                                number,
                                is_by_address: rule.peers.items().iter().any(is_address),
                            }
                        },
                    )
                })
        })
    })
}

fn describe(cx: &Context<'_>, entry: &Entry<'_>, only: Protocol) -> Diagnostic {
    let is_written = matches!(entry.port.protocol, Field::Value { .. });
    let (missing, severity, label) = consequence(only);
    let label = match is_written {
        true => label,
        false => "no protocol means TCP: DNS queries use UDP first",
    };
    let number = entry.number;
    let message = message(only, missing);
    let mark = rewrite::first_line(cx.sources, entry.port.span);
    let finding = cx
        .policy_finding(entry.policy, entry.path.as_str(), mark, message)
        .with_severity(severity)
        .label(label)
        .help(format!("add `{{protocol: {missing}, port: {number}}}`"));
    match rewrite::add_port(cx.sources, entry.port, missing.name(), number) {
        Some(edit) => finding.fix(Fix {
            title: format!("allow {missing} as well"),
            class: FixClass::Widening,
            edits: vec![edit],
        }),
        None => finding,
    }
}
