//! Policies that select no pod.

use crate::cluster::PolicyId;
use crate::diagnostic::{Diagnostic, FixClass, Severity};
use crate::engine::PolicyRef;
use crate::k8s::{self, Direction, LabelSelector, Truth};
use crate::lint::absence::Presence;
use crate::lint::mismatch::{self, Mismatch, Unmatched};
use crate::lint::{Category, Context, Rule, RuleMeta, declare_rule, isolation, platform};

declare_rule! {
    /// ## What it does
    ///
    /// Reports a policy whose `podSelector` matches no pod of its namespace, and what it was
    /// probably meant for: pods whose label differs by its form, its key or a letter, that have
    /// the label as an annotation, that lack one label of several, or that are in another
    /// namespace.
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
        evidence: "no warning or error on 24 public repositories, 2 infos",
        fix: Some(FixClass::Narrowing),
        mutes: &["batch-workload-cut-off", "one-sided-flow", "service-cut-off"],
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
        let inventories = cx.inventories();
        let presence = inventories.presence(cx, namespace, selector);
        if presence == Presence::SpokenFor {
            return;
        }
        let unmatched = Unmatched {
            policy: PolicyRef::Network(id),
            selector,
            namespaces: &[namespace],
        };
        // A policy that names no namespace may be for the pods of another one.
        let is_at_home = policy.meta.namespace.is_some();
        let mismatch = Mismatch::of(cx, unmatched);
        let is_likely =
            |mismatch: &Mismatch| is_at_home || !matches!(mismatch, Mismatch::Elsewhere { .. });
        if let Some(mismatch) = mismatch.filter(is_likely) {
            let finding = finding.label("matches no pod");
            let finding = point_out(cx, id, mismatch, finding);
            cx.report(finding);
            return;
        }
        if let Some(finding) = mismatch::point_out_maker(cx, unmatched, &finding) {
            cx.report(finding.label("matches no pod"));
            return;
        }
        let is_complete = presence == Presence::Absent;
        let known = cluster.workloads_in(namespace).len();
        let is_known = known > 0
            && is_at_home
            && !inventories.is_open(namespace)
            && !inventories.is_asked_for(namespace, selector, PolicyRef::Network(id));
        if !is_complete && !is_known || is_of_controllers(selector) {
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

/// The finding with what the policy was probably meant for.
fn point_out(
    cx: &Context<'_>,
    id: PolicyId,
    mismatch: Mismatch,
    finding: Diagnostic,
) -> Diagnostic {
    let cluster = cx.cluster;
    let policy = &cluster.policy(id).object;
    if let Mismatch::Elsewhere { namespace, .. } = mismatch {
        let home = &cluster.namespace(namespace).name;
        let help = format!(
            "a policy is for the pods of its own namespace: move it to `{home}`, or select pods of \
             `{}`",
            cluster.namespace(cluster.policy(id).namespace).name
        );
        return mismatch.point_out(cx, finding, None).help(help);
    }
    let labels = &cluster.workload(mismatch.workload()).object.labels;
    let directions = Direction::BOTH;
    let applies: Vec<Direction> = directions
        .into_iter()
        .filter(|direction| policy.applies_to(*direction))
        .collect();
    let class = isolation::class_of_isolating(cluster, id, &[labels], &applies);
    mismatch.point_out(cx, finding, class)
}

/// Whether only controllers and operators give pods the labels that it asks for: no manifest
/// of a workload has them.
fn is_of_controllers(selector: &LabelSelector) -> bool {
    let keys = selector.match_labels.iter().map(|label| &label.key);
    keys.chain(selector.match_expressions.iter().map(|entry| &entry.key))
        .any(|key| platform::sets_pod_label(key))
}
