//! Rules that decide nothing, because a rule that is asked before them does.

use crate::cluster::{ClusterPolicyId, PolicyId, WorkloadId};
use crate::diagnostic::{Diagnostic, Severity};
use crate::engine::program::{self, Program};
use crate::engine::{ConnectionSet, Endpoint, PolicyRef, PortSet, RuleRef, Way};
use crate::k8s::{
    Action, ClusterNetworkPolicyRule, Direction, PeerSelection, PodsSelection, PortMatch, Tier,
    Truth,
};
use crate::lint::containment::{Allowance, PodSet};
use crate::lint::denied_first::{DeniedFirst, denied_first};
use crate::lint::plugin_rules;
use crate::lint::rewrite::Item;
use crate::lint::tiers::{Step, TierPolicies};
use crate::lint::unjudged::Unjudged;
use crate::lint::{Category, Context, Rule, RuleMeta, declare_rule, words};
use std::collections::BTreeMap;

declare_rule! {
    /// ## What it does
    ///
    /// Reports rules that decide nothing:
    ///
    /// - a `NetworkPolicy` rule whose connections the Admin tier denies completely;
    /// - a rule of a cluster-wide policy whose connections earlier rules of its tier decide
    ///   completely;
    /// - a rule under Cilium whose connections are all denied by deny rules, which Cilium asks
    ///   first, whatever policy they stand in;
    /// - an accepting rule of the Baseline tier whose pods are all isolated by NetworkPolicies
    ///   that do not allow it.
    ///
    /// Conversely, it reports an Admin tier rule that accepts every pod on every port where
    /// NetworkPolicies deny everything.
    ///
    /// ## Why is this bad?
    ///
    /// The rules of a tier are evaluated in order, and the first one that matches decides. The
    /// Admin tier comes before NetworkPolicies, and the Baseline tier applies only if no
    /// NetworkPolicy selects the pod. A rule that is never evaluated still looks as if it
    /// counted.
    ///
    /// ## Example
    ///
    /// ```yaml
    /// apiVersion: policy.networking.k8s.io/v1alpha2
    /// kind: ClusterNetworkPolicy
    /// metadata: {name: no-databases}
    /// spec:
    ///   tier: Admin
    ///   priority: 10
    ///   subject: {namespaces: {}}
    ///   egress:
    ///     - action: Deny
    ///       to: [{pods: {podSelector: {matchLabels: {kind: database}}}}]
    /// ---
    /// apiVersion: networking.k8s.io/v1
    /// kind: NetworkPolicy
    /// metadata: {name: report, namespace: shop}
    /// spec:
    ///   podSelector: {matchLabels: {app: report}}
    ///   policyTypes: [Egress]
    ///   egress:
    ///     - to: [{podSelector: {matchLabels: {app: postgres, kind: database}}}]
    /// ```
    ///
    /// ## Use instead
    ///
    /// ```yaml
    /// apiVersion: policy.networking.k8s.io/v1alpha2
    /// kind: ClusterNetworkPolicy
    /// metadata: {name: no-databases}
    /// spec:
    ///   tier: Admin
    ///   priority: 10
    ///   subject: {namespaces: {}}
    ///   egress:
    ///     - action: Pass
    ///       to: [{namespaces: {matchLabels: {kubernetes.io/metadata.name: shop}}}]
    ///     - action: Deny
    ///       to: [{pods: {podSelector: {matchLabels: {kind: database}}}}]
    /// ---
    /// apiVersion: networking.k8s.io/v1
    /// kind: NetworkPolicy
    /// metadata: {name: report, namespace: shop}
    /// spec:
    ///   podSelector: {matchLabels: {app: report}}
    ///   policyTypes: [Egress]
    ///   egress:
    ///     - to: [{podSelector: {matchLabels: {app: postgres, kind: database}}}]
    /// ```
    ///
    /// ## Fix safety
    ///
    /// There is no automatic fix: either rule may be the wrong one.
    pub(super) struct OverriddenRule {
        name: "overridden-rule",
        summary: "a rule that decides nothing, because another one is evaluated first",
        category: Category::ClusterWide,
        severity: Severity::Info,
        tier: Stable,
        evidence: "no warning or error on 24 public repositories",
        fix: None,
        mutes: &[],
        since: "0.1.0",
    }
}

impl Rule for OverriddenRule {
    fn meta(&self) -> &'static RuleMeta {
        &Self::META
    }

    fn check_cluster(&self, cx: &mut Context<'_>) {
        let program = cx.program();
        let denied = denied_first(cx.cluster, &program).into_iter();
        let denied: Vec<Diagnostic> = denied.filter_map(|it| denied_by_cilium(cx, &it)).collect();
        for finding in denied {
            cx.report(finding);
        }
        if cx.cluster.cluster_policies().is_empty() {
            return;
        }
        let (unjudged, program) = (cx.unjudged(), cx.program());
        let mut findings = Vec::new();
        for direction in Direction::BOTH {
            let [admin, baseline] = [Tier::Admin, Tier::Baseline]
                .map(|tier| TierPolicies::new(cx.cluster, &program, tier, direction));
            for id in cx.cluster.policy_ids() {
                findings.extend(denied_rules(cx, &program, id, direction, &admin));
            }
            findings.extend(bypasses(cx, direction, &admin));
            for tier in [&admin, &baseline] {
                findings.extend(covered_steps(cx, tier));
            }
            let steps = baseline.policies.iter().flat_map(|policy| &policy.steps);
            findings.extend(steps.filter_map(|step| useless_accept(cx, &unjudged, step)));
        }
        for finding in findings {
            cx.report(finding);
        }
    }
}

/// A rule that Cilium never comes to.
fn denied_by_cilium(cx: &Context<'_>, found: &DeniedFirst<'_, '_>) -> Option<Diagnostic> {
    let mark = |rule: RuleRef<'_>| match rule {
        RuleRef::Network(written) => Some(Item::from(written).mark(cx.sources)),
        RuleRef::Cilium(_, rule) => Some(plugin_rules::mark(cx.sources, rule.dash, rule.span)),
        _ => None,
    };
    let written = found.rule.origin.rule;
    let path = match written {
        RuleRef::Cilium(spec, rule) => format!("{}.{}", spec.path, rule.place()),
        _ => {
            let index = found.rule.origin.index;
            format!("spec.{}[{index}]", found.direction.field())
        }
    };
    let message = match found.denying.as_slice() {
        [_] => "another rule denies everything that this rule allows".to_owned(),
        several => format!(
            "{} rules together deny everything that this rule allows",
            several.len()
        ),
    };
    let finding = match found.policy {
        PolicyRef::Network(id) => cx.policy_finding(id, path, mark(written)?, message),
        PolicyRef::Plugin(id) => {
            let object = cx.cluster.plugin_policy(id).display();
            cx.finding(mark(written)?, message).about(object, path)
        }
        _ => return None,
    };
    let note = match found.denying.as_slice() {
        [_] => "denies all of it",
        _ => "denies part of it",
    };
    let denying = found.denying.iter();
    let marks = denying.filter_map(|(_, rule)| mark(rule.origin.rule));
    let finding = marks.fold(finding, |finding, span| finding.related(span, note));
    Some(finding.note("Cilium asks the rules that deny first, whatever their order"))
}

/// The rules of a NetworkPolicy of which the Admin tier denies everything.
fn denied_rules<'c>(
    cx: &Context<'c>,
    program: &Program<'c>,
    id: PolicyId,
    direction: Direction,
    admin: &TierPolicies<'_>,
) -> Vec<Diagnostic> {
    let chains = program.chains_of(PolicyRef::Network(id), direction);
    let rules = chains.flat_map(|chain| &chain.rules);
    let rules = rules.filter_map(|rule| match rule.origin.rule {
        RuleRef::Network(written) => Some((rule, written)),
        _ => None,
    });
    let Some(pods) = pods(cx, id) else {
        return Vec::new();
    };
    let denied = |(rule, written): (&program::Rule<'c>, _)| {
        let allowance = Allowance::of(cx.cluster, rule)?;
        let denying = admin.deciding(&pods, &allowance, Action::Deny);
        let (name, note) = match denying.as_slice() {
            [] => return None,
            [one] => (one.name(cx), "denies all of it"),
            several => {
                let count = words::count(several.len(), "rule");
                (format!("{count} of the Admin tier"), "denies part of it")
            }
        };
        let message = format!("everything this rule allows is denied earlier, by {name}");
        let path = format!("spec.{}[{}]", direction.field(), rule.origin.index);
        let mark = Item::from(written).mark(cx.sources);
        let finding = cx.policy_finding(id, path, mark, message);
        let finding = denying.iter().fold(finding, |finding, step| {
            finding.related(step.mark(cx), note)
        });
        Some(finding.note("the Admin tier is evaluated before the NetworkPolicies"))
    };
    rules.filter_map(denied).collect()
}

/// The pods of a NetworkPolicy, if all of its text is known.
fn pods(cx: &Context<'_>, id: PolicyId) -> Option<PodSet> {
    let policy = &cx.cluster.policy(id).object;
    let is_known = policy.meta.is_accepted && policy.meta.holes.is_empty();
    let namespace = cx.cluster.namespace(cx.cluster.policy(id).namespace);
    let pods = PodSet::in_namespace(policy.pod_selector.get(), namespace);
    pods.filter(|_| is_known)
}

/// Rules of the Admin tier that let in every pod where NetworkPolicies deny everything.
fn bypasses(cx: &Context<'_>, direction: Direction, admin: &TierPolicies<'_>) -> Vec<Diagnostic> {
    const SHOWN: usize = 3;
    let every_pod = Allowance::of_every_pod();
    let mut bypassed: BTreeMap<(ClusterPolicyId, usize), Vec<PolicyId>> = BTreeMap::new();
    for id in cx.cluster.policy_ids() {
        let policy = &cx.cluster.policy(id).object;
        let denies = policy.applies_to(direction) && policy.rules(direction).is_empty();
        let Some(pods) = pods(cx, id).filter(|_| denies) else {
            continue;
        };
        if let [step] = admin.deciding(&pods, &every_pod, Action::Accept).as_slice() {
            let policies = bypassed.entry((step.policy, step.index)).or_default();
            policies.push(id);
        }
    }
    let steps = admin.policies.iter().flat_map(|policy| &policy.steps);
    let found = steps.filter_map(|step| {
        let policies = bypassed.get(&(step.policy, step.index))?;
        let verb = if policies.len() == 1 { "denies" } else { "deny" };
        let message = format!(
            "this rule lets every pod through before the NetworkPolicies, {} of which {verb} all {}",
            policies.len(),
            direction.field()
        );
        let finding = cx
            .finding(step.mark(cx), message)
            .about(cx.cluster_policy_object(step.policy), step.path())
            .help("`Pass` leaves the decision to the NetworkPolicies");
        let shown = policies.iter().take(SHOWN);
        Some(shown.fold(finding, |finding, id| {
            let (span, _) = cx.cluster.policy(*id).object.isolates_at(direction);
            finding.related(span, "allows none of it")
        }))
    });
    found.collect()
}

/// The rules of a tier of which earlier ones have decided everything.
fn covered_steps(cx: &Context<'_>, tier: &TierPolicies<'_>) -> Vec<Diagnostic> {
    let mut findings = Vec::new();
    for policy in &tier.policies {
        let Some(pods) = &policy.subject else {
            continue;
        };
        let before: Vec<&Step<'_>> = tier.asked_before(policy.priority, pods).collect();
        for (index, step) in policy.steps.iter().enumerate() {
            let Some(allowance) = &step.allowance else {
                continue;
            };
            let of_policy = policy.steps[..index].iter();
            let earlier = before.iter().copied().chain(of_policy);
            let earlier = earlier.filter_map(|step| Some((step, step.allowance.as_ref()?)));
            let earlier: Vec<(&Step<'_>, &Allowance)> = earlier
                .filter(|(_, matched)| matched.common(allowance).is_some())
                .collect();
            let alone = earlier
                .iter()
                .find(|(_, matched)| allowance.is_covered(&[matched]));
            let all: Vec<&Allowance> = earlier.iter().map(|(_, matched)| *matched).collect();
            match alone {
                Some((one, _)) => findings.push(covered(cx, step, &[one])),
                None if allowance.is_covered(&all) => {
                    let deciding: Vec<_> = earlier.iter().map(|(step, _)| *step).collect();
                    findings.push(covered(cx, step, &deciding));
                }
                None => {}
            }
        }
    }
    findings
}

fn covered(cx: &Context<'_>, step: &Step<'_>, deciding: &[&Step<'_>]) -> Diagnostic {
    let message = match deciding {
        [one] => format!("{} decides all of this traffic earlier", one.name(cx)),
        _ => format!(
            "{} earlier rules decide all traffic of this one",
            deciding.len()
        ),
    };
    let object = cx.cluster_policy_object(step.policy);
    let finding = cx
        .finding(step.mark(cx), message)
        .about(object, step.path())
        .note("the first rule of a tier that matches decides");
    deciding.iter().fold(finding, |finding, earlier| {
        let action = earlier.action(cx);
        finding.related(earlier.mark(cx), format!("`{action}`, evaluated first"))
    })
}

/// An accepting rule of the Baseline tier that is asked for none of the known pods, while
/// their NetworkPolicies do not allow what it accepts.
fn useless_accept(cx: &Context<'_>, unjudged: &Unjudged, step: &Step<'_>) -> Option<Diagnostic> {
    let subjects = cx.engine.subjects(step.policy);
    let isolating = |id: &WorkloadId| cx.engine.isolating(*id, step.direction).first();
    let is_judged =
        |id: &WorkloadId| !unjudged.may_be_in(cx.cluster, cx.cluster.workload(*id).namespace);
    let is_useless = step.rule.action.value == Action::Accept
        && !subjects.is_empty()
        && subjects
            .iter()
            .all(|id| isolating(id).is_some() && is_judged(id));
    if !is_useless {
        return None;
    }
    let (subject, other) = blocked_pair(cx, step, subjects)?;
    let policy = *isolating(&subject)?;
    let pods = match subjects.len() {
        1 => "the only pod that it applies to is".to_owned(),
        count => format!("all {count} workloads that it applies to are"),
    };
    let message = format!("this rule is never evaluated: {pods} isolated by NetworkPolicies");
    let [subject, other] = [subject, other].map(|id| cx.cluster.workload_name(id));
    let name = &cx.cluster.policy(policy).object.meta.name;
    let finding = cx
        .finding(step.mark(cx), message)
        .about(cx.cluster_policy_object(step.policy), step.path())
        .related(name.span, format!("isolates `{subject}`"))
        .note(format!(
            "`{subject}` and `{other}` cannot connect, although this rule accepts it"
        ));
    Some(finding.help("accept it in the Admin tier, or in the NetworkPolicies"))
}

/// A subject and a peer that the rule accepts and NetworkPolicies surely keep apart, among the
/// first few.
fn blocked_pair(
    cx: &Context<'_>,
    step: &Step<'_>,
    subjects: &[WorkloadId],
) -> Option<(WorkloadId, WorkloadId)> {
    const TRIED: usize = 16;
    let ports = numbers(step.rule)?;
    let mut peers = Vec::new();
    for peer in &step.rule.peers {
        if let PeerSelection::Pods(selection) = &peer.selection {
            peers.extend(workloads(cx, selection).into_iter().take(TRIED));
        }
    }
    let mut pairs = subjects
        .iter()
        .take(TRIED)
        .flat_map(|subject| peers.iter().map(move |peer| (*subject, *peer)));
    pairs.find(|(subject, peer)| {
        let [pod, other] = [subject, peer].map(|id| Endpoint::workload(cx.cluster, *id));
        let judge = cx.engine.judge();
        let explanation = match step.direction {
            Direction::Ingress => judge.explain(&other, &pod),
            Direction::Egress => judge.explain(&pod, &other),
        };
        let is_denied = |way: &Way<'_>| {
            let side = match step.direction {
                Direction::Ingress => &way.ingress,
                Direction::Egress => &way.egress,
            };
            side.is_isolated() == Truth::True && ports.is_subset(&side.verdict.denied())
        };
        subject != peer && explanation.ways.iter().all(is_denied)
    })
}

/// The ports of a rule by number; `None` where it has none.
fn numbers(rule: &ClusterNetworkPolicyRule) -> Option<ConnectionSet> {
    let Some(ports) = &rule.ports else {
        return Some(ConnectionSet::all());
    };
    let numbers = ports.iter().filter_map(|port| match port.matches {
        PortMatch::Numbers {
            protocol,
            first,
            last,
        } => Some(ConnectionSet::of(protocol, PortSet::range(first, last))),
        PortMatch::Name(_) => None,
    });
    numbers.reduce(|all, ports| all.union(&ports))
}

fn workloads(cx: &Context<'_>, selection: &PodsSelection) -> Vec<WorkloadId> {
    let (namespaces, pods) = selection.selectors();
    let found = cx.engine.matching_namespaces(namespaces);
    match pods {
        Some(pods) => cx.engine.matching_workloads(found, pods),
        None => {
            let workloads = found.into_iter().flat_map(|id| cx.cluster.workloads_in(id));
            let is_seen = |id: &WorkloadId| !cx.cluster.workload(*id).object.host_network;
            workloads.filter(is_seen).collect()
        }
    }
}
