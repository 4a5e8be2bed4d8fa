//! Policies that select no pod.

use crate::cluster::{PolicyId, WorkloadId};
use crate::diagnostic::{Fix, FixClass, Severity};
use crate::k8s::{self, Direction, LabelSelector, Operator, Truth};
use crate::lint::near_miss::{self, NearMiss};
use crate::lint::{Category, Context, Rule, RuleMeta, declare_rule, isolation, platform, unread};

declare_rule! {
    /// ## What it does
    ///
    /// Reports a policy whose `podSelector` matches no pod of its namespace. Where one label
    /// differs by its form, its key or a letter, the finding names it.
    ///
    /// ## Why is this bad?
    ///
    /// The policy does nothing. The pods that it was written for are not isolated, and
    /// everything is allowed; nothing ever says so.
    ///
    /// Manifests on disk rarely hold every pod: operators and other repositories make the
    /// rest. So without `--complete` only a near miss is an error, and a plain absence is a
    /// info, made only where the policy names a namespace that has other workloads. Where a
    /// Service, a chart or an object of an operator speaks of such pods, neither is made.
    /// Labels that only controllers set are left alone.
    ///
    /// ## Example
    ///
    /// ```yaml
    /// apiVersion: apps/v1
    /// kind: Deployment
    /// metadata: {name: carts, namespace: shop}
    /// spec:
    ///   template:
    ///     metadata: {labels: {app: carts}}
    ///     spec: {containers: [{name: carts, image: carts}]}
    /// ---
    /// apiVersion: networking.k8s.io/v1
    /// kind: NetworkPolicy
    /// metadata: {name: carts, namespace: shop}
    /// spec:
    ///   podSelector: {matchLabels: {app: cart}}
    ///   ingress: []
    /// ```
    ///
    /// ## Use instead
    ///
    /// ```yaml
    /// apiVersion: apps/v1
    /// kind: Deployment
    /// metadata: {name: carts, namespace: shop}
    /// spec:
    ///   template:
    ///     metadata: {labels: {app: carts}}
    ///     spec: {containers: [{name: carts, image: carts}]}
    /// ---
    /// apiVersion: networking.k8s.io/v1
    /// kind: NetworkPolicy
    /// metadata: {name: carts, namespace: shop}
    /// spec:
    ///   podSelector: {matchLabels: {app: carts}}
    ///   ingress: []
    /// ```
    ///
    /// ## Fix safety
    ///
    /// Narrowing: the policy starts to isolate the pods that it then selects. Where other
    /// policies isolate them already, it is widening, as its rules come to count.
    pub(super) struct UnmatchedPodSelector {
        name: "unmatched-pod-selector",
        summary: "the policy's `podSelector` matches no pod, so the policy does nothing",
        category: Category::Selectors,
        severity: Severity::Error,
        tier: Stable,
        evidence: "no wrong warning or error on 24 public repositories",
        fix: Some(FixClass::Narrowing),
        mutes: &[],
        since: "0.1.0",
    }
}

impl Rule for UnmatchedPodSelector {
    fn meta(&self) -> &'static RuleMeta {
        &Self::META
    }

    fn check_network_policy(
        &self,
        cx: &mut Context<'_>,
        id: PolicyId,
        policy: &k8s::NetworkPolicy,
    ) {
        let Some(selector) = policy
            .pod_selector
            .get()
            .filter(|selector| !selector.is_empty())
        else {
            return;
        };
        let cluster = cx.cluster;
        let namespace = cluster.policy(id).namespace;
        let matches =
            |id| selector.matches_opaque(&cluster.workload(id).object.labels) != Truth::False;
        if selector.is_opaque() || cluster.workloads_in(namespace).any(matches) {
            return;
        }
        let name = &cluster.namespace(namespace).name;
        let message = format!(
            "no pod of namespace `{name}` matches `{selector}`, so this policy does nothing"
        );
        let finding = cx.policy_finding(
            id,
            "spec.podSelector",
            selector.requirements_span(),
            message,
        );
        let is_complete = cx.settings.inventory.is_complete_in(name);
        if unread::may_match(cx, namespace, selector) {
            return;
        }
        let is_meant = |near: &NearMiss<WorkloadId>| is_complete || !is_spoken_for(cx, id, near);
        let near =
            near_miss::nearest(cluster, selector, cluster.workloads_in(namespace)).filter(is_meant);
        if let Some(near) = near {
            let workload = cluster.workload_name(near.of);
            let labels = &cluster.workload(near.of).object.labels;
            let directions = Direction::BOTH;
            let applies: Vec<Direction> = directions
                .into_iter()
                .filter(|direction| policy.applies_to(*direction))
                .collect();
            let mut finding = finding
                .with_severity(Severity::Error)
                .label("matches no pod")
                .related(
                    near.defined,
                    format!("`{workload}` has `{}`: {}", near.label, near.difference),
                )
                .help(format!("did you mean `{}`?", near.label));
            if let Some(class) = isolation::class_of_isolating(cluster, id, &[labels], &applies) {
                finding = finding.fix(Fix {
                    title: format!("select `{}`", near.label),
                    class,
                    edits: vec![near.edit],
                });
            }
            cx.report(finding);
            return;
        }
        let known = cluster.workloads_in(namespace).len();
        // A policy that names no namespace may be for the pods of another one.
        let is_at_home = known > 0 && policy.meta.namespace.is_some();
        if !is_complete && !is_at_home || is_of_controllers(selector) {
            return;
        }
        let none = match known {
            0 => "there is no workload in this namespace".to_owned(),
            1 => "the one workload of this namespace does not match".to_owned(),
            _ => format!("none of the {known} workloads of this namespace matches"),
        };
        cx.report(if is_complete {
            finding.label(none).with_severity(Severity::Warning)
        } else {
            finding
                .label(none)
                .with_severity(Severity::Info)
                .note("pods that other repositories or operators make are not known to npcheck")
        });
    }
}

/// Whether only controllers and operators give pods the labels that it asks for: no manifest
/// of a workload has them.
fn is_of_controllers(selector: &LabelSelector) -> bool {
    let keys = selector.match_labels.iter().map(|label| &label.key);
    keys.chain(selector.match_expressions.iter().map(|entry| &entry.key))
        .any(|key| platform::sets_pod_label(key))
}

/// Whether another policy selects the workload by the very label: then it is no orphan that
/// this policy was meant for. One for a whole tier of them does not speak for it.
fn is_spoken_for(cx: &Context<'_>, id: PolicyId, near: &NearMiss<WorkloadId>) -> bool {
    let cluster = cx.cluster;
    let labels = &cluster.workload(near.of).object.labels;
    let mut others = cluster
        .policies_in(cluster.policy(id).namespace)
        .filter(|other| *other != id)
        .filter_map(|other| cluster.policy(other).object.pod_selector.get());
    others.any(|selector| {
        let mut wanted = selector.match_labels.iter();
        let mut listed = selector.match_expressions.iter();
        let has_label = wanted.any(|label| format!("{}={}", label.key, label.value) == near.label)
            || listed.any(|entry| {
                let mut values = entry.values.iter();
                entry.operator.value == Operator::In
                    && values.any(|value| format!("{}={value}", entry.key) == near.label)
            });
        has_label && selector.matches(labels)
    })
}
