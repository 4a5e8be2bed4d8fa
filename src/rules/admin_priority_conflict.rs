//! Cluster-wide policies whose order nobody has said.

use crate::cluster::ClusterPolicyId;
use crate::diagnostic::{Diagnostic, Severity};
use crate::k8s::{ClusterNetworkPolicy, ClusterNetworkPolicyRule, Direction, Tier};
use crate::lint::containment::{Allowance, PodSet};
use crate::lint::rewrite::first_line;
use crate::lint::{Category, Context, Rule, RuleMeta, declare_rule, words};
use crate::source::Span;
use std::collections::BTreeMap;

declare_rule! {
    /// ## What it does
    ///
    /// Reports two cluster-wide policies of one tier with the same priority, of which two rules
    /// do different things with the same connection. Where only the priority is the same, it is
    /// one remark for all policies that have it.
    ///
    /// ## Why is this bad?
    ///
    /// Kubernetes leaves open which of the two is asked first: the network plugin may choose
    /// either, and another one tomorrow. Whether the connection is allowed is a matter of luck.
    ///
    /// ## Example
    ///
    /// ```yaml
    /// apiVersion: policy.networking.k8s.io/v1alpha2
    /// kind: ClusterNetworkPolicy
    /// metadata: {name: monitoring}
    /// spec:
    ///   tier: Admin
    ///   priority: 10
    ///   subject: {namespaces: {}}
    ///   ingress:
    ///     - action: Accept
    ///       from: [{namespaces: {matchLabels: {kubernetes.io/metadata.name: monitoring}}}]
    /// ---
    /// apiVersion: policy.networking.k8s.io/v1alpha2
    /// kind: ClusterNetworkPolicy
    /// metadata: {name: tenants}
    /// spec:
    ///   tier: Admin
    ///   priority: 10
    ///   subject: {namespaces: {matchLabels: {kind: tenant}}}
    ///   ingress:
    ///     - action: Deny
    ///       from: [{namespaces: {}}]
    /// ```
    ///
    /// ## Use instead
    ///
    /// ```yaml
    /// apiVersion: policy.networking.k8s.io/v1alpha2
    /// kind: ClusterNetworkPolicy
    /// metadata: {name: monitoring}
    /// spec:
    ///   tier: Admin
    ///   priority: 10
    ///   subject: {namespaces: {}}
    ///   ingress:
    ///     - action: Accept
    ///       from: [{namespaces: {matchLabels: {kubernetes.io/metadata.name: monitoring}}}]
    /// ---
    /// apiVersion: policy.networking.k8s.io/v1alpha2
    /// kind: ClusterNetworkPolicy
    /// metadata: {name: tenants}
    /// spec:
    ///   tier: Admin
    ///   priority: 20
    ///   subject: {namespaces: {matchLabels: {kind: tenant}}}
    ///   ingress:
    ///     - action: Deny
    ///       from: [{namespaces: {}}]
    /// ```
    ///
    /// ## Fix safety
    ///
    /// There is no automatic fix: only the author knows which policy comes first.
    pub(super) struct AdminPriorityConflict {
        name: "admin-priority-conflict",
        summary: "two cluster-wide policies of one priority contradict each other",
        category: Category::ClusterWide,
        severity: Severity::Warning,
        fix: None,
        mutes: &[],
        since: "0.1.0",
    }
}

impl Rule for AdminPriorityConflict {
    fn meta(&self) -> &'static RuleMeta {
        &Self::META
    }

    fn check_cluster(&self, cx: &mut Context<'_>) {
        let mut groups: BTreeMap<(Tier, i32), Vec<ClusterPolicyId>> = BTreeMap::new();
        for id in cx.cluster.cluster_policy_ids() {
            let policy = cx.cluster.cluster_policy(id);
            if policy.meta.is_accepted && policy.meta.opaque.is_none() {
                let key = (policy.tier, policy.priority.value);
                groups.entry(key).or_default().push(id);
            }
        }
        for group in groups.into_values().filter(|group| group.len() > 1) {
            let conflicts = conflicts(cx, &group);
            if conflicts.is_empty() {
                cx.report(remark(cx, &group));
            }
            for (one, other) in conflicts {
                cx.report(conflict(cx, &one, &other));
            }
        }
    }
}

/// A rule, and what it is about.
struct Candidate<'c> {
    policy: ClusterPolicyId,
    rule: &'c ClusterNetworkPolicyRule,
    subject: PodSet,
    allowance: Allowance,
}

impl<'c> Candidate<'c> {
    /// The rules of a policy in a direction, as far as their text says what they are about.
    fn of(
        policy: ClusterPolicyId,
        object: &'c ClusterNetworkPolicy,
        direction: Direction,
    ) -> Vec<Self> {
        let Some(subject) = PodSet::of_selection(&object.subject) else {
            return Vec::new();
        };
        let rules = object.rules(direction).iter();
        let candidate = |rule| {
            Some(Self {
                policy,
                rule,
                subject: subject.clone(),
                allowance: Allowance::of_cluster_rule(rule)?,
            })
        };
        rules.filter_map(candidate).collect()
    }

    fn contradicts(&self, other: &Self) -> bool {
        self.rule.action.value != other.rule.action.value
            && self.subject.overlaps(&other.subject)
            && self.allowance.overlaps(&other.allowance)
    }

    fn mark(&self, cx: &Context<'_>) -> Span {
        let dash = self.rule.dash;
        dash.unwrap_or_else(|| first_line(cx.sources, self.rule.span))
    }
}

/// The first two rules that contradict each other, for every two policies that have some.
fn conflicts<'a>(
    cx: &Context<'a>,
    group: &[ClusterPolicyId],
) -> Vec<(Candidate<'a>, Candidate<'a>)> {
    let cluster = cx.cluster;
    let mut conflicts = Vec::new();
    for (index, one) in group.iter().enumerate() {
        for other in &group[index + 1..] {
            if are_of_other_pods(cx, *one, *other) {
                continue;
            }
            let found = [Direction::Ingress, Direction::Egress]
                .into_iter()
                .find_map(|direction| {
                    let of = |id| Candidate::of(id, cluster.cluster_policy(id), direction);
                    let mut others = of(*other);
                    of(*one).into_iter().find_map(|one| {
                        let place = others.iter().position(|other| one.contradicts(other))?;
                        Some((one, others.swap_remove(place)))
                    })
                });
            conflicts.extend(found);
        }
    }
    conflicts
}

/// Whether all pods are known, and none is a subject of both.
fn are_of_other_pods(cx: &Context<'_>, one: ClusterPolicyId, other: ClusterPolicyId) -> bool {
    let [one, other] = [one, other].map(|id| cx.engine.subjects(id));
    cx.settings.inventory.is_complete() && !one.iter().any(|id| other.binary_search(id).is_ok())
}

fn conflict(cx: &Context<'_>, one: &Candidate<'_>, other: &Candidate<'_>) -> Diagnostic {
    let [first, second] = [one, other].map(|it| cx.cluster.cluster_policy(it.policy));
    let [first_name, second_name] = [one, other].map(|it| cx.cluster_policy_object(it.policy));
    let priority = second.priority.value;
    let message = format!(
        "`{first_name}` and `{second_name}` have priority {priority} and contradict each other"
    );
    cx.finding(second.priority.span, message)
        .about(second_name, "spec.priority")
        .label("which of them is asked first is left open")
        .related(first.priority.span, "the other policy")
        .related(one.mark(cx), action(cx, one))
        .related(other.mark(cx), action(cx, other))
        .help("give them different priorities; the lower one is asked first")
}

/// What a rule does, in the words of its text.
fn action(cx: &Context<'_>, candidate: &Candidate<'_>) -> String {
    let action = cx.sources.text(candidate.rule.action.span);
    format!("`{action}`, for connections that both are about")
}

/// One remark for policies that share a priority without harm.
fn remark(cx: &Context<'_>, group: &[ClusterPolicyId]) -> Diagnostic {
    let policy = |id: &ClusterPolicyId| cx.cluster.cluster_policy(*id);
    let (first, others) = group.split_first().expect("a group has two at least");
    let second = others.first().expect("a group has two at least");
    let count = words::count(group.len(), "cluster-wide policy object");
    let message = format!("{count} have priority {}", policy(second).priority.value);
    let finding = cx
        .finding(policy(second).priority.span, message)
        .about(cx.cluster_policy_object(*second), "spec.priority")
        .with_severity(Severity::Info)
        .note("no two rules of them contradict each other now");
    let rest = others.iter().skip(1);
    std::iter::once(first)
        .chain(rest)
        .fold(finding, |finding, id| {
            finding.related(policy(id).priority.span, "the same priority")
        })
}
