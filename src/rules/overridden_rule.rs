//! Rules that decide nothing, because a rule that is asked before them does.

use crate::cluster::{ClusterPolicyId, PolicyId, WorkloadId};
use crate::diagnostic::{Diagnostic, Severity};
use crate::engine::{self, ConnectionSet, Endpoint, PortSet};
use crate::k8s::{
    Action, ClusterNetworkPolicyRule, ClusterPolicyKind, Direction, NetworkPolicy, PeerSelection,
    PodsSelection, PortMatch, Tier,
};
use crate::lint::containment::{Allowance, PodSet};
use crate::lint::rewrite::{Item, first_line};
use crate::lint::{Category, Context, Rule, RuleMeta, declare_rule};
use crate::source::Span;

declare_rule! {
    /// ## What it does
    ///
    /// Reports rules that decide nothing:
    ///
    /// - a rule of a `NetworkPolicy` whose connections a cluster-wide policy of the Admin tier
    ///   denies, all of them;
    /// - a rule of a cluster-wide policy whose connections earlier rules of its tier have
    ///   decided, all of them;
    /// - an accepting rule of the Baseline tier for pods that NetworkPolicies isolate, all of
    ///   them, and whose policies do not allow it.
    ///
    /// ## Why is this bad?
    ///
    /// The rules of a tier are asked in order, and the first one that matches decides. The
    /// Admin tier is asked before the NetworkPolicies, and the Baseline tier only where no
    /// NetworkPolicy selects the pod. A rule that is never asked reads as if it counted.
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
        summary: "a rule that decides nothing, because another one is asked before it",
        category: Category::ClusterWide,
        severity: Severity::Info,
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
        if cx.cluster.cluster_policies().is_empty() {
            return;
        }
        let mut findings = Vec::new();
        for direction in [Direction::Ingress, Direction::Egress] {
            let admin = steps(cx, Tier::Admin, direction);
            let baseline = steps(cx, Tier::Baseline, direction);
            for id in cx.cluster.policy_ids() {
                findings.extend(denied_rules(cx, id, direction, &admin));
            }
            for steps in [&admin, &baseline] {
                findings.extend(covered_steps(cx, steps));
            }
            findings.extend(baseline.iter().filter_map(|step| useless_accept(cx, step)));
        }
        for finding in findings {
            cx.report(finding);
        }
    }
}

/// A rule of a tier, in the order of evaluation.
struct Step<'c> {
    policy: ClusterPolicyId,
    direction: Direction,
    index: usize,
    rule: &'c ClusterNetworkPolicyRule,
    /// `None` where its pods are not known.
    subject: Option<PodSet>,
    /// `None` where what it matches is not known.
    allowance: Option<Allowance>,
}

impl Step<'_> {
    fn path(&self) -> String {
        format!("spec.{}[{}]", self.direction.field(), self.index)
    }

    fn mark(&self, cx: &Context<'_>) -> Span {
        let (span, dash) = (self.rule.span, self.rule.dash);
        dash.unwrap_or_else(|| first_line(cx.sources, span))
    }

    /// `ClusterNetworkPolicy/tenants, egress rule #2`.
    fn name(&self, cx: &Context<'_>) -> String {
        let object = cx.cluster_policy_object(self.policy);
        let (field, number) = (self.direction.field(), self.index + 1);
        format!("{field} rule #{number} of `{object}`")
    }

    /// As the kind of its policy spells it.
    fn action(&self, cx: &Context<'_>) -> &'static str {
        let kind = cx.cluster.cluster_policy(self.policy).kind;
        match self.rule.action.value {
            Action::Accept if kind == ClusterPolicyKind::ClusterNetworkPolicy => "Accept",
            Action::Accept => "Allow",
            Action::Deny => "Deny",
            Action::Pass => "Pass",
        }
    }
}

fn steps<'a>(cx: &Context<'a>, tier: Tier, direction: Direction) -> Vec<Step<'a>> {
    let mut steps = Vec::new();
    for policy in cx.cluster.cluster_policy_ids() {
        let object = cx.cluster.cluster_policy(policy);
        if object.tier != tier || !object.meta.is_accepted {
            continue;
        }
        let subject = PodSet::of_selection(&object.subject);
        for (index, rule) in object.rules(direction).iter().enumerate() {
            steps.push(Step {
                policy,
                direction,
                index,
                rule,
                subject: subject.clone(),
                allowance: Allowance::of_cluster_rule(rule),
            });
        }
    }
    steps
}

/// The rules of a NetworkPolicy of which the Admin tier denies everything.
fn denied_rules(
    cx: &Context<'_>,
    id: PolicyId,
    direction: Direction,
    admin: &[Step<'_>],
) -> Vec<Diagnostic> {
    let namespace = cx.cluster.namespace(cx.cluster.policy(id).namespace);
    let policy: &NetworkPolicy = &cx.cluster.policy(id).object;
    let subject = PodSet::in_namespace(policy.pod_selector.get(), namespace);
    let Some(subject) = subject.filter(|_| policy.meta.is_accepted) else {
        return Vec::new();
    };
    let mut findings = Vec::new();
    for (index, rule) in policy.rules(direction).iter().enumerate() {
        let allowance = Allowance::of_rule(rule, &namespace.name);
        let Some(allowance) = allowance.filter(|_| rule.peers.get().is_some()) else {
            continue;
        };
        let Some(step) = denying_step(&subject, &allowance, admin) else {
            continue;
        };
        let (path, name) = (
            format!("spec.{}[{index}]", direction.field()),
            step.name(cx),
        );
        let message = format!("all that this rule allows is denied before it, by {name}");
        let finding = cx.policy_finding(id, path, Item::from(rule).mark(cx.sources), message);
        findings.push(
            finding
                .related(step.mark(cx), "denies all of it")
                .note("the Admin tier is asked before the NetworkPolicies"),
        );
    }
    findings
}

/// The rule that denies all of an allowance, if none before it decides any of it otherwise.
fn denying_step<'s, 'c>(
    subject: &PodSet,
    allowance: &Allowance,
    admin: &'s [Step<'c>],
) -> Option<&'s Step<'c>> {
    for step in admin {
        let is_elsewhere = step
            .subject
            .as_ref()
            .is_some_and(|pods| !pods.overlaps(subject))
            || step
                .allowance
                .as_ref()
                .is_some_and(|matched| !matched.overlaps(allowance));
        if is_elsewhere {
            continue;
        }
        if step.rule.action.value != Action::Deny {
            return None;
        }
        let (Some(pods), Some(matched)) = (&step.subject, &step.allowance) else {
            continue;
        };
        if pods.contains(subject) && allowance.is_covered(&[matched]) {
            return Some(step);
        }
    }
    None
}

/// The rules of a tier of which earlier ones have decided everything.
fn covered_steps(cx: &Context<'_>, steps: &[Step<'_>]) -> Vec<Diagnostic> {
    let mut findings = Vec::new();
    for (index, step) in steps.iter().enumerate() {
        let (Some(subject), Some(allowance)) = (&step.subject, &step.allowance) else {
            continue;
        };
        let earlier: Vec<(&Step<'_>, &Allowance)> = steps[..index]
            .iter()
            .filter(|earlier| {
                // Which of two policies of one priority comes first is not known (S12).
                let priority = |id| cx.cluster.cluster_policy(id).priority.value;
                earlier.policy == step.policy || priority(earlier.policy) < priority(step.policy)
            })
            .filter(|earlier| {
                earlier
                    .subject
                    .as_ref()
                    .is_some_and(|it| it.contains(subject))
            })
            .filter_map(|earlier| Some((earlier, earlier.allowance.as_ref()?)))
            .collect();
        let alone = earlier
            .iter()
            .find(|(_, matched)| allowance.is_covered(&[matched]));
        let all: Vec<&Allowance> = earlier.iter().map(|(_, matched)| *matched).collect();
        let deciding: Vec<&Step<'_>> = match alone {
            Some((one, _)) => vec![one],
            None if allowance.is_covered(&all) => {
                let overlaps = |matched: &Allowance| matched.overlaps(allowance);
                let deciding = earlier.iter().filter(|(_, matched)| overlaps(matched));
                deciding.map(|(step, _)| *step).collect()
            }
            None => continue,
        };
        findings.push(covered(cx, step, &deciding));
    }
    findings
}

fn covered(cx: &Context<'_>, step: &Step<'_>, deciding: &[&Step<'_>]) -> Diagnostic {
    let message = match deciding {
        [one] => format!("{} has decided all of this rule before it", one.name(cx)),
        _ => format!(
            "{} earlier rules have decided all of this one",
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
        finding.related(earlier.mark(cx), format!("`{action}`, and asked before"))
    })
}

/// An accepting rule of the Baseline tier that is asked for none of the known pods, while
/// their NetworkPolicies do not allow what it accepts.
fn useless_accept(cx: &Context<'_>, step: &Step<'_>) -> Option<Diagnostic> {
    let subjects = cx.engine.subjects(step.policy);
    let isolating = |id: &WorkloadId| cx.engine.isolating(*id, step.direction).first();
    let is_useless = step.rule.action.value == Action::Accept
        && !subjects.is_empty()
        && subjects.iter().all(|id| isolating(id).is_some());
    if !is_useless {
        return None;
    }
    let (subject, other) = blocked_pair(cx, step, subjects)?;
    let policy = *isolating(&subject)?;
    let pods = match subjects.len() {
        1 => "the only pod that it is about is".to_owned(),
        count => format!("all {count} workloads that it is about are"),
    };
    let message = format!("this rule is never asked: {pods} isolated by NetworkPolicies");
    let [subject, other] = [subject, other].map(|id| cx.cluster.workload_name(id));
    let name = &cx.cluster.policy(policy).object.meta.name;
    let finding = cx
        .finding(step.mark(cx), message)
        .about(cx.cluster_policy_object(step.policy), step.path())
        .related(name.span, format!("isolates `{subject}`"))
        .note(format!(
            "`{subject}` and `{other}` are kept apart although it accepts them"
        ));
    Some(finding.help("accept it in the Admin tier, or in the NetworkPolicies"))
}

/// A subject and a peer that the rule accepts and NetworkPolicies keep apart, among the
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
        let allowed = engine::side(cx.cluster, step.direction, &pod, &other);
        subject != peer && allowed.intersection(&ports).is_empty()
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
    let (namespaces, pods) = match selection {
        PodsSelection::Namespaces(namespaces) => (namespaces, None),
        PodsSelection::Pods {
            namespace_selector,
            pod_selector,
        } => (namespace_selector, Some(pod_selector)),
    };
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
