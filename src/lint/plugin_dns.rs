//! Pods that only policies of the CNI plugin isolate for egress, and that reach no resolver.
//!
//! Refuses to know what a rule makes of it. It leans towards silence: a rule that is written for
//! port 53 counts, whoever its peers are.

use super::plugin_rules::{self, CiliumInForce};
use super::{Context, dns};
use crate::cluster::{NamespaceId, PluginPolicyId, WorkloadId};
use crate::engine::program::{Chain, End, Matcher, Peer, Ports, Program, Rule};
use crate::engine::{
    AddressRange, CiliumSelector, Endpoint, NamespaceView, PodView, PolicyRef, RuleRef,
};
use crate::k8s::{Action, CiliumSubject, Direction, Labels, Protocol, Truth};
use crate::source::Span;
use std::collections::{BTreeMap, HashMap};
use std::net::IpAddr;

/// Pods that cannot ask anybody.
#[derive(Debug)]
pub struct WithoutDns {
    /// The policy that isolates them; the first one with rules.
    pub policy: PluginPolicyId,
    /// Its first rule, or its name.
    pub mark: Span,
    /// Their namespace.
    pub namespace: NamespaceId,
    /// The known workloads, in order. Empty where the policy only describes pods.
    pub workloads: Vec<WorkloadId>,
    /// Whether they may reach somebody by a name: pods, or anybody on some ports. Else they reach
    /// addresses, which they may know by number.
    pub need_names: bool,
    /// Whether a rule names hosts by DNS.
    pub has_dns_names: bool,
}

/// All of them, in the order of policies; those for which nobody needs a resolver are left out.
#[must_use]
pub fn without_dns(cx: &Context<'_>) -> Vec<WithoutDns> {
    let cluster = cx.cluster;
    if cluster.plugin_policies().is_empty() {
        return Vec::new();
    }
    let program = cx.program();
    let mut by_policies: BTreeMap<(NamespaceId, Vec<PolicyRef>), Vec<WorkloadId>> = BTreeMap::new();
    for id in cluster.workload_ids() {
        let workload = cluster.workload(id);
        let mut policies = cx.engine.isolated_by(id, Direction::Egress);
        policies.retain(|policy| *policy != PolicyRef::Agent);
        let is_by_plugin = |policy: &PolicyRef| matches!(policy, PolicyRef::Plugin(_));
        let asks = !matches!(
            workload.object.dns_policy.as_deref(),
            Some("None" | "Default")
        );
        if asks && !policies.is_empty() && policies.iter().all(is_by_plugin) {
            let key = (workload.namespace, policies);
            by_policies.entry(key).or_default().push(id);
        }
    }
    let mut found = Vec::new();
    for ((namespace, _), workloads) in by_policies {
        let pod = PodView::workload(cluster, workloads[0]);
        found.extend(judge(cx, &program, namespace, &pod, workloads.clone()));
    }
    let mut judged = Judged::new();
    for policy in plugin_rules::cilium_policies(cluster) {
        found.extend(described(cx, &program, policy, &mut judged));
    }
    found.sort_by_key(|it| (it.policy, it.workloads.first().copied()));
    found
}

/// By the namespace and the labels of pods that no manifest holds: the policy that isolates them,
/// where they reach no resolver. Many policies may be written for the same pods.
type Judged = HashMap<(NamespaceId, String), Option<PluginPolicyId>>;

/// The pods that a policy was written for and that no manifest holds: whatever further labels
/// they have.
fn described(
    cx: &Context<'_>,
    program: &Program<'_>,
    policy: CiliumInForce<'_>,
    judged: &mut Judged,
) -> Option<WithoutDns> {
    let cluster = cx.cluster;
    let namespace = cluster.namespace_by_name(policy.object.namespace()?)?;
    let name = &cluster.namespace(namespace).name;
    if cx.settings.inventory.is_complete_in(name) {
        return None;
    }
    policy.policy.specs.iter().find_map(|spec| {
        let has_egress = spec.rules_of(Direction::Egress).next().is_some();
        let CiliumSubject::Endpoints(selector) = &spec.subject else {
            return None;
        };
        if !has_egress || !spec.isolates(Direction::Egress) {
            return None;
        }
        let labels: Labels = plugin_rules::described_labels(cluster, selector, policy.object)?;
        let home = policy.object.namespace();
        let subject = CiliumSelector::subject(cluster, selector, home);
        let known = cx
            .labelled()
            .candidates_by(&[namespace], subject.asked_for());
        let mut known = known.into_iter().map(|id| PodView::workload(cluster, id));
        if known.any(|pod| subject.truth(&pod) != Truth::False) {
            return None;
        }
        let pairs = labels.iter();
        let pairs = pairs.map(|label| format!("{}={}\n", label.key, label.value));
        let pods = (namespace, pairs.collect());
        let known = judged.get(&pods);
        if known.is_some_and(|isolating| *isolating != Some(policy.id)) {
            return None;
        }
        let view = NamespaceView::of(cluster, namespace);
        let mut pod = PodView::hypothetical(view, &labels);
        pod.are_labels_known = false;
        let found = judge(cx, program, namespace, &pod, Vec::new());
        judged.insert(pods, found.as_ref().map(|found| found.policy));
        found.filter(|found| found.policy == policy.id)
    })
}

/// What becomes of a pod; `None` where it may reach a resolver, or needs none.
fn judge(
    cx: &Context<'_>,
    program: &Program<'_>,
    namespace: NamespaceId,
    pod: &PodView<'_>,
    workloads: Vec<WorkloadId>,
) -> Option<WithoutDns> {
    let name = &cx.cluster.namespace(namespace).name;
    let unjudged = cx.unjudged();
    if cx.settings.namespaces_without_dns.contains(name)
        || unjudged.is_unknown_for(cx.cluster, namespace, Direction::Egress)
    {
        return None;
    }
    let chains = program.chains_about(Direction::Egress, pod);
    let chains = chains.filter(|(stage, _)| stage.is_of_rules());
    let chains: Vec<&Chain<'_>> = chains
        .map(|(_, chain)| chain)
        .filter(|chain| chain.subject.truth(pod) != Truth::False)
        .collect();
    let rules = || chains.iter().flat_map(|chain| &chain.rules);
    if rules().any(|rule| rule.is_opaque || is_for_dns(rule)) {
        return None;
    }
    let by_plugin = chains.iter().filter_map(|chain| match chain.policy {
        PolicyRef::Plugin(id) if chain.end == End::Deny => Some((id, chain.rules.first())),
        _ => None,
    });
    let by_plugin: Vec<(PluginPolicyId, Option<&Rule<'_>>)> = by_plugin.collect();
    let has_rules = |(_, first): &&(PluginPolicyId, Option<&Rule<'_>>)| first.is_some();
    let anchor = by_plugin.iter().find(has_rules).or(by_plugin.first())?;
    let policy = cx.cluster.plugin_policy(anchor.0);
    let mark = anchor.1.and_then(|rule| mark(cx, rule.origin.rule));
    let mark = mark.unwrap_or(policy.meta.name.span);
    let accepting = || rules().filter(|rule| rule.action == Action::Accept);
    let needs = accepting().map(needs).max().unwrap_or(Needs::Nothing);
    let names_hosts = |rule: &Rule<'_>| {
        let mut peers = rule.peers.iter().flatten();
        peers.any(|peer| matches!(peer.matcher, Matcher::DomainNames))
    };
    let endpoint = Endpoint::Pod(pod.clone());
    if needs == Needs::Nothing || !dns::reached_from(cx, &endpoint, mark).is_empty() {
        return None;
    }
    Some(WithoutDns {
        policy: anchor.0,
        mark,
        namespace,
        workloads,
        need_names: needs == Needs::Names,
        has_dns_names: accepting().any(names_hosts),
    })
}

/// What pods need to make use of a rule.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Needs {
    Nothing,
    Addresses,
    Names,
}

fn needs(rule: &Rule<'_>) -> Needs {
    let Some(peers) = &rule.peers else {
        return Needs::Names;
    };
    let of_peer = |peer: &Peer<'_>| match &peer.matcher {
        // Services without a selector, the API server's above all.
        Matcher::Untold(_) => Needs::Nothing,
        // Nodes and the API server, whose address is in the pods' environment.
        Matcher::Entities(_) => Needs::Nothing,
        Matcher::Outside(ranges) if ranges.iter().all(is_narrow) => Needs::Addresses,
        Matcher::Blocks(_) | Matcher::BlockOfNoPods(..) | Matcher::Nodes(_) => Needs::Addresses,
        _ => Needs::Names,
    };
    let needs = peers.iter().map(of_peer);
    needs.max().unwrap_or(Needs::Nothing)
}

/// Whether a range is no larger than a block of 8 bits, which people know by number.
fn is_narrow(range: &AddressRange) -> bool {
    match (range.first, range.last) {
        (IpAddr::V4(first), IpAddr::V4(last)) => u32::from(last) - u32::from(first) < 1 << 24,
        (IpAddr::V6(first), IpAddr::V6(last)) => first.octets()[0] == last.octets()[0],
        _ => false,
    }
}

/// Whether a rule is written for a resolver: by a port of one, or a short range around it.
fn is_for_dns(rule: &Rule<'_>) -> bool {
    let is_its = |ports: &Ports<'_>| match ports {
        Ports::Numbers(Protocol::Tcp | Protocol::Udp, numbers) => {
            let of_dns = [dns::PORT, dns::OPENSHIFT_PORT];
            let mut ranges = numbers.ranges().iter();
            ranges.any(|(first, last)| {
                last - first < 100 && of_dns.iter().any(|port| (first..=last).contains(&port))
            })
        }
        Ports::Name(name, _) => name.contains("dns") || *name == "domain",
        _ => false,
    };
    let mut ports = rule.ports.iter().flatten();
    rule.action == Action::Accept && ports.any(|entry| is_its(&entry.ports))
}

fn mark(cx: &Context<'_>, rule: RuleRef<'_>) -> Option<Span> {
    let (dash, span) = match rule {
        RuleRef::Cilium(_, rule) => (rule.dash, rule.span),
        RuleRef::Calico(rule) => (rule.dash, rule.span),
        _ => return None,
    };
    Some(plugin_rules::mark(cx.sources, dash, span))
}
