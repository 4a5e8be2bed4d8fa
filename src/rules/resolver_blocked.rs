//! Policies that close the resolver of the cluster to those who ask it.

use crate::cluster::platform::Distribution;
use crate::cluster::{NAMESPACE_NAME_LABEL, WorkloadId};
use crate::diagnostic::{Diagnostic, Severity};
use crate::engine::program::StageName;
use crate::engine::{ConnectionSet, Endpoint, PolicyRef, PortSet, RuleRef, SideTrace};
use crate::k8s::{
    Action, Direction, LabelSelector, NetworkPolicyPeer, NetworkPolicyRule, Protocol,
};
use crate::lint::entrance::Guard;
use crate::lint::{
    Category, Context, Rule, RuleMeta, declare_rule, dns, entrance, hypothetical, words,
};
use crate::source::Span;
use std::collections::{BTreeMap, BTreeSet};

declare_rule! {
    /// ## What it does
    ///
    /// Reports policies that isolate the cluster's resolver for ingress, where no rule lets
    /// other pods reach its DNS port, and those that deny it to workloads whatever others allow.
    ///
    /// CoreDNS runs in `kube-system` on almost every cluster, whether or not its manifest is
    /// here, and OpenShift's resolver in `openshift-dns`. So a default deny for ingress in that
    /// namespace is enough for a finding, unless a rule opens the port again.
    ///
    /// ## Why is this bad?
    ///
    /// Pods throughout the cluster can no longer resolve names. Most programs then report
    /// timeouts for whatever they wanted to reach, and nothing in their own namespace explains
    /// it.
    ///
    /// ## Example
    ///
    /// ```yaml
    /// apiVersion: networking.k8s.io/v1
    /// kind: NetworkPolicy
    /// metadata: {name: default-deny, namespace: kube-system}
    /// spec:
    ///   podSelector: {}
    ///   policyTypes: [Ingress]
    /// ```
    ///
    /// ## Use instead
    ///
    /// ```yaml
    /// apiVersion: networking.k8s.io/v1
    /// kind: NetworkPolicy
    /// metadata: {name: default-deny, namespace: kube-system}
    /// spec:
    ///   podSelector: {}
    ///   policyTypes: [Ingress]
    /// ---
    /// apiVersion: networking.k8s.io/v1
    /// kind: NetworkPolicy
    /// metadata: {name: allow-dns, namespace: kube-system}
    /// spec:
    ///   podSelector: {matchLabels: {k8s-app: kube-dns}}
    ///   policyTypes: [Ingress]
    ///   ingress:
    ///     - ports: [{protocol: UDP, port: 53}, {protocol: TCP, port: 53}]
    /// ```
    ///
    /// ## Fix safety
    ///
    /// There is no automatic fix: the missing rule often belongs in a policy of its own.
    pub(super) struct ResolverBlocked {
        name: "resolver-blocked",
        summary: "policies keep pods from the cluster's DNS resolver",
        category: Category::Dns,
        severity: Severity::Error,
        tier: Stable,
        evidence: "no finding on 82 public repositories (58 of them in excerpts)",
        fix: None,
        mutes: &[],
        since: "0.1.0",
    }
}

impl Rule for ResolverBlocked {
    fn meta(&self) -> &'static RuleMeta {
        &Self::META
    }

    fn check_cluster(&self, cx: &mut Context<'_>) {
        let findings: Vec<Diagnostic> = closed_resolvers(cx)
            .iter()
            .filter_map(|closed| describe(cx, closed))
            .collect();
        for finding in findings {
            cx.report(finding);
        }
    }
}

/// A resolver that policies guard.
struct Guarded {
    namespace: String,
    /// The resolver, where it is among the workloads.
    workload: Option<WorkloadId>,
    /// How policies close it.
    guard: Guard,
    /// The policies that isolate it, or deny it to those that cannot ask it, in order.
    policies: Vec<PolicyRef>,
    /// Those that cannot ask it, whatever is missing.
    cut_off: BTreeSet<WorkloadId>,
    /// Whether a rule lets somebody from elsewhere in.
    admits_others: bool,
}

/// The resolvers that are closed to a workload, or to everybody, one for each namespace. Where
/// it is not known which of several the cluster has, what holds for each of them.
fn closed_resolvers(cx: &Context<'_>) -> Vec<Guarded> {
    let cluster = cx.cluster;
    // The pods ask the cache of their node, which is not looked at.
    if cx.has_node_local_cache() {
        return Vec::new();
    }
    let mut by_namespace: BTreeMap<String, Option<Guarded>> = BTreeMap::new();
    let mut add = |guarded: Guarded| {
        let known = by_namespace
            .entry(guarded.namespace.clone())
            .or_insert(None);
        match known {
            None => *known = Some(guarded),
            Some(known) => {
                known.cut_off.retain(|id| guarded.cut_off.contains(id));
                known.admits_others |= guarded.admits_others;
            }
        }
    };
    let clients = clients(cx);
    let listening = dns::resolving_workloads(cluster);
    for id in &listening {
        let workload = cluster.workload(*id);
        let namespace = cluster.namespace(workload.namespace).name.as_str();
        let mut ports = workload.object.ports();
        let port = ports.find_map(|port| {
            [dns::PORT, dns::OPENSHIFT_PORT]
                .into_iter()
                .find(|number| *number == port.number.value)
        });
        let end = Endpoint::workload(cluster, *id);
        let port = port.unwrap_or(dns::PORT);
        if let Some(guarded) = guarded(cx, &clients, namespace, Some(*id), &end, port) {
            add(guarded);
        }
    }
    let is_here = |namespace: &str| {
        let mut homes = listening.iter().map(|id| cluster.workload(*id).namespace);
        homes.any(|id| cluster.namespace(id).name == namespace)
    };
    for resolver in dns::resolvers(cluster) {
        let namespace = resolver.namespaces[0];
        let is_of_openshift = namespace == dns::OPENSHIFT_HOME;
        if is_of_openshift != cluster.platform().is(Distribution::OpenShift)
            || is_here(namespace)
            || cluster.namespace_by_name(namespace).is_none()
        {
            continue;
        }
        let port = match is_of_openshift {
            true => dns::OPENSHIFT_PORT,
            false => dns::PORT,
        };
        let Some(span) = any_place(cx) else {
            continue;
        };
        let found = dns::with_resolver(cluster, resolver, span, |end| {
            guarded(cx, &clients, namespace, None, end, port)
        });
        if let Some(guarded) = found {
            add(guarded);
        }
    }
    by_namespace.into_values().flatten().collect()
}

/// The workloads that ask the resolver of the cluster for names.
fn clients(cx: &Context<'_>) -> Vec<WorkloadId> {
    let cluster = cx.cluster;
    let asks = |id: &WorkloadId| {
        let workload = cluster.workload(*id);
        let object = &workload.object;
        let has_own = matches!(object.dns_policy.as_deref(), Some("None" | "Default"));
        let name = &cluster.namespace(workload.namespace).name;
        object.meta.is_accepted
            && !object.host_network
            && !has_own
            && !dns::listens_for_dns(cluster, *id)
            && !cx.settings.namespaces_without_dns.contains(name)
    };
    cluster.workload_ids().filter(asks).collect()
}

/// What guards a resolver; `None` where nothing does, or where nobody can say what.
fn guarded(
    cx: &Context<'_>,
    clients: &[WorkloadId],
    namespace: &str,
    workload: Option<WorkloadId>,
    resolver: &Endpoint<'_>,
    port: u16,
) -> Option<Guarded> {
    let cluster = cx.cluster;
    let home = cluster.namespace_by_name(namespace)?;
    if cx
        .unjudged()
        .is_unknown_for(cluster, home, Direction::Ingress)
    {
        return None;
    }
    let judge = cx.engine.judge();
    let span = any_place(cx)?;
    let none = hypothetical::labels([], span);
    // What guards it does not depend on who asks.
    let (policies, admits_others) =
        hypothetical::with_pod(cluster, ELSEWHERE, &none, span, |anybody| {
            let explanation = judge.explain(anybody, resolver);
            let side = &explanation.ways.first()?.ingress;
            let policies: Vec<PolicyRef> = side.isolating().map(|policy| policy.policy).collect();
            let mut rules = side.rules();
            let may_deny = rules.any(|rule| rule.action == Action::Deny);
            let admits_others = policies.is_empty() || admits_others(side, namespace, port);
            (may_deny || !policies.is_empty()).then_some((policies, admits_others))
        })?;
    // One end of many pairs, so that a rule for each client is not compared with every other one.
    let destination = judge.prepare(Direction::Ingress, resolver);
    let asked = ConnectionSet::of(Protocol::Udp, PortSet::single(port));
    let asked = asked.union(&ConnectionSet::of(Protocol::Tcp, PortSet::single(port)));
    let mut denying = BTreeSet::new();
    let mut is_cut_off = |id: &WorkloadId| {
        let client = Endpoint::workload(cluster, *id);
        let source = judge.prepare(Direction::Egress, &client);
        let explanation = judge.decide(&source, &destination);
        let policies = entrance::denying(&explanation, Direction::Ingress, &asked);
        denying.extend(policies.iter().flatten().copied());
        policies.is_some()
    };
    let mut cut_off: BTreeSet<WorkloadId> = BTreeSet::new();
    cut_off.extend(clients.iter().filter(|id| is_cut_off(id)));
    let (guard, policies) = match denying.is_empty() {
        true => (Guard::Isolation, policies),
        false => (Guard::Denial, denying.into_iter().collect()),
    };
    if policies.is_empty() {
        return None;
    }
    Some(Guarded {
        namespace: namespace.to_owned(),
        workload,
        guard,
        policies,
        cut_off,
        admits_others,
    })
}

/// A place for the labels of pods that no manifest has.
fn any_place(cx: &Context<'_>) -> Option<Span> {
    cx.documents.iter().next().map(|document| document.span)
}

/// The namespace of somebody of whom nothing is known.
const ELSEWHERE: &str = "default";

/// Whether a rule of the resolver's side may let pods of other namespaces, or addresses, in at
/// its port.
fn admits_others(side: &SideTrace<'_>, namespace: &str, port: u16) -> bool {
    let names_own = |selector: &LabelSelector| {
        let mut labels = selector.match_labels.iter();
        labels.any(|it| it.key.value == NAMESPACE_NAME_LABEL && it.value.value == namespace)
    };
    let is_for_own = |rule: &NetworkPolicyRule| {
        let peers = rule.peers.items();
        let is_own = |peer: &NetworkPolicyPeer| {
            let namespaces = peer.namespace_selector.get();
            peer.ip_block.get().is_none() && namespaces.is_none_or(names_own)
        };
        !peers.is_empty() && peers.iter().all(is_own)
    };
    let mut rules = side.rules_of(StageName::NetworkPolicies);
    rules.any(|rule| {
        let possible = &rule.ports.matches.possible;
        let opens =
            possible.contains(Protocol::Udp, port) || possible.contains(Protocol::Tcp, port);
        opens && !matches!(rule.rule, RuleRef::Network(written) if is_for_own(written))
    })
}

fn describe(cx: &Context<'_>, closed: &Guarded) -> Option<Diagnostic> {
    const SHOWN: usize = 3;
    let cluster = cx.cluster;
    let namespace = &closed.namespace;
    if closed.cut_off.is_empty() && closed.admits_others {
        return None;
    }
    let who = match closed.cut_off.len() {
        0 => "pods of other namespaces".to_owned(),
        1 => {
            let only = closed.cut_off.first().copied();
            only.map(|id| format!("`{}`", cluster.workload_name(id)))?
        }
        several => format!("{several} workloads"),
    };
    let span = entrance::name_of(cluster, *closed.policies.first()?)?;
    let them = match closed.cut_off.len() {
        1 => "it",
        _ => "them",
    };
    let (why, label, also) = match closed.guard {
        Guard::Isolation => (
            format!("no rule lets {them} reach"),
            "isolates the resolver for ingress",
            "isolates it as well",
        ),
        Guard::Denial => (
            format!("{} {them}", entrance::names_of(cluster, &closed.policies)),
            "denies the resolver's DNS port, whatever other policies allow",
            "denies it as well",
        ),
    };
    let message = format!("{who} cannot resolve names: {why} the resolver in `{namespace}`");
    let mut finding = cx
        .finding(span, message)
        .about(cx.object_of(closed.policies[0]), "spec")
        .with_severity(match closed.workload {
            Some(_) => Severity::Error,
            None => Severity::Warning,
        })
        .label(label);
    for policy in closed.policies.iter().skip(1).take(SHOWN) {
        if let Some(span) = entrance::name_of(cluster, *policy) {
            finding = finding.related(span, also);
        }
    }
    let names: Vec<String> = closed
        .cut_off
        .iter()
        .map(|id| cluster.workload_name(*id))
        .collect();
    if names.len() > 1 {
        finding = finding.note(format!("cut off: {}", words::names(&names)));
    }
    if closed.workload.is_none() {
        finding = finding.note(format!(
            "the resolver itself is not in the manifests; most clusters run it in `{namespace}`"
        ));
    }
    if closed.guard == Guard::Denial {
        return Some(finding.help(
            "accept UDP and TCP on the resolver's DNS port in a rule that comes before the one that denies",
        ));
    }
    Some(finding.help(format!(
        "allow ingress from all pods to the resolver's DNS port, UDP and TCP, in `{namespace}`"
    )))
}
