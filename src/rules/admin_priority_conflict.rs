//! Cluster-wide policies whose order nobody has said.

use crate::cluster::ClusterPolicyId;
use crate::diagnostic::{Diagnostic, Severity};
use crate::k8s::{Direction, Tier};
use crate::lint::containment::Budget;
use crate::lint::tiers::{Step, TierPolicies};
use crate::lint::{Category, Context, Rule, RuleMeta, declare_rule, words};
use std::collections::{BTreeMap, BTreeSet};

declare_rule! {
    /// ## What it does
    ///
    /// Reports two cluster-wide policies of the same tier and priority that have rules with
    /// different actions for the same connection, where no earlier rule decides it. If the
    /// policies only share some pods as subjects, you get one info for all policies of that
    /// priority. Policies that can never share a pod are not reported.
    ///
    /// ## Why is this bad?
    ///
    /// Kubernetes does not define which of the two is evaluated first. Each CNI plugin may
    /// choose differently, so whether the connection is allowed is a matter of luck.
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
    /// There is no automatic fix: only the author knows which policy should come first.
    pub(super) struct AdminPriorityConflict {
        name: "admin-priority-conflict",
        summary: "two cluster-wide policies with the same priority contradict each other",
        category: Category::ClusterWide,
        severity: Severity::Warning,
        tier: Stable,
        evidence: "no warning or error on 24 public repositories",
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
        if cx.cluster.cluster_policies().is_empty() {
            return;
        }
        let program = cx.program();
        let mut findings = Vec::new();
        for tier in [Tier::Admin, Tier::Baseline] {
            let directions = Direction::BOTH
                .map(|direction| TierPolicies::new(cx.cluster, &program, tier, direction));
            for group in groups(cx, &directions[0]) {
                let mut budget = Budget::new(STEPS);
                let conflicts = conflicts(cx, &directions, &group, &mut budget);
                if conflicts.is_empty() && !budget.is_spent() {
                    findings.push(info(cx, &group));
                }
                let conflicts = conflicts.into_iter();
                findings.extend(conflicts.map(|(one, other)| conflict(cx, one, other)));
                if budget.is_spent() {
                    let count = words::count(group.ids.len(), "cluster-wide policy object");
                    cx.report_limit(format_args!(
                        "{count} of one priority are too many to compare all of their rules"
                    ));
                }
            }
        }
        for finding in findings {
            cx.report(finding);
        }
    }
}

/// How many comparisons the policies of one priority may cost: real ones need a few hundred. Two
/// policies and a finding cost as much as many of them.
const STEPS: u64 = 1_000_000;
const STEPS_OF_PAIR: u64 = 20;
const STEPS_OF_CONFLICT: u64 = 200;

/// The policies of each priority, by their place in the tier, as far as they may have pods in
/// common with others of the group.
struct Group {
    policies: Vec<usize>,
    ids: Vec<ClusterPolicyId>,
}

fn groups(cx: &Context<'_>, tier: &TierPolicies<'_>) -> Vec<Group> {
    let mut of_priority: BTreeMap<i32, Vec<usize>> = BTreeMap::new();
    for (place, policy) in tier.policies.iter().enumerate() {
        of_priority.entry(policy.priority).or_default().push(place);
    }
    let group = |places: Vec<usize>| {
        let together = tier.together(&places, |one, other| {
            !are_of_other_pods(cx, one.id, other.id)
        });
        Group {
            ids: together
                .iter()
                .map(|place| tier.policies[*place].id)
                .collect(),
            policies: together,
        }
    };
    let groups = of_priority.into_values().map(group);
    groups.filter(|group| !group.ids.is_empty()).collect()
}

/// The first two rules that contradict each other, for every two policies that have some.
fn conflicts<'t, 'c>(
    cx: &Context<'_>,
    directions: &'t [TierPolicies<'c>],
    group: &Group,
    budget: &mut Budget,
) -> Vec<(&'t Step<'c>, &'t Step<'c>)> {
    let indexes: Vec<_> = directions
        .iter()
        .map(|tier| tier.index(&group.policies))
        .collect();
    let mut conflicts = Vec::new();
    for one in group.policies.iter().copied() {
        let tiers = directions.iter().zip(&indexes);
        let opposed = tiers.map(|(tier, index)| tier.opposed(index, one, budget));
        let opposed: BTreeSet<usize> = opposed.flatten().collect();
        // All that is asked before is compared with what both match.
        let before = directions[0].count_before(one);
        for other in opposed {
            budget.spend(STEPS_OF_PAIR + before as u64);
            if budget.is_spent() {
                return conflicts;
            }
            let found = directions.iter().find_map(|tier| {
                let [one, other] = [one, other].map(|place| &tier.policies[place]);
                let is_of_other_pods = are_of_other_pods(cx, one.id, other.id);
                tier.contradiction(one, other).filter(|_| !is_of_other_pods)
            });
            budget.spend(found.map_or(0, |_| STEPS_OF_CONFLICT));
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

fn conflict(cx: &Context<'_>, one: &Step<'_>, other: &Step<'_>) -> Diagnostic {
    let [first, second] = [one, other].map(|it| cx.cluster.cluster_policy(it.policy));
    let [first_name, second_name] = [one, other].map(|it| cx.cluster_policy_object(it.policy));
    let priority = second.priority.value;
    let message = format!(
        "`{first_name}` and `{second_name}` have priority {priority} and contradict each other"
    );
    let effect =
        |step: &Step<'_>| format!("`{}`, for connections that both match", step.action(cx));
    cx.finding(second.priority.span, message)
        .about(second_name, "spec.priority")
        .label("which of them is evaluated first is not defined")
        .related(first.priority.span, "the other policy")
        .related(one.mark(cx), effect(one))
        .related(other.mark(cx), effect(other))
        .help("give them different priorities; the lower number is evaluated first")
}

/// One info for policies that share a priority without harm.
fn info(cx: &Context<'_>, group: &Group) -> Diagnostic {
    let policy = |id: &ClusterPolicyId| cx.cluster.cluster_policy(*id);
    let (first, others) = group.ids.split_first().expect("a group has two at least");
    let second = others.first().expect("a group has two at least");
    let count = words::count(group.ids.len(), "cluster-wide policy object");
    let message = format!("{count} have priority {}", policy(second).priority.value);
    let finding = cx
        .finding(policy(second).priority.span, message)
        .about(cx.cluster_policy_object(*second), "spec.priority")
        .with_severity(Severity::Info)
        .note("no rules contradict each other yet");
    let rest = others.iter().skip(1);
    std::iter::once(first)
        .chain(rest)
        .fold(finding, |finding, id| {
            finding.related(policy(id).priority.span, "the same priority")
        })
}
