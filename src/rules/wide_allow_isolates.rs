//! Cluster-wide policies of Cilium's that are called after what they allow, and close the rest.

use crate::cluster::WorkloadId;
use crate::diagnostic::{Diagnostic, Severity};
use crate::engine::PolicyRef;
use crate::k8s::{Action, CiliumSubject, Direction};
use crate::lint::plugin_rules::{self, CiliumPlace};
use crate::lint::{Category, Context, Rule, RuleMeta, declare_rule, words};
use std::collections::BTreeMap;

declare_rule! {
    /// ## What it does
    ///
    /// Reports a `CiliumClusterwideNetworkPolicy` for every pod whose name says that it allows
    /// something, where it is the only policy that isolates some pods for that direction.
    ///
    /// ## Why is this bad?
    ///
    /// Every rule of a Cilium policy isolates the pods that it selects, unless
    /// `enableDefaultDeny` says otherwise: whatever no rule allows is denied from then on. A
    /// policy that is meant to add DNS, or metrics, for every pod closes everything else for
    /// pods that had no policy before.
    ///
    /// Policies with `enableDefaultDeny`, policies whose name also speaks of denying, and rules
    /// for everybody are not reported.
    ///
    /// ## Example
    ///
    /// ```yaml
    /// apiVersion: apps/v1
    /// kind: Deployment
    /// metadata: {name: web, namespace: shop}
    /// spec:
    ///   selector: {matchLabels: {app: web}}
    ///   template:
    ///     metadata: {labels: {app: web}}
    ///     spec: {containers: [{name: web, image: example/web:1}]}
    /// ---
    /// apiVersion: cilium.io/v2
    /// kind: CiliumClusterwideNetworkPolicy
    /// metadata: {name: allow-dns}
    /// spec:
    ///   endpointSelector: {}
    ///   egress:
    ///     - toEndpoints:
    ///         - matchLabels: {k8s:io.kubernetes.pod.namespace: kube-system, k8s-app: kube-dns}
    ///       toPorts: [{ports: [{port: "53", protocol: ANY}]}]
    /// ```
    ///
    /// ## Use instead
    ///
    /// ```yaml
    /// apiVersion: apps/v1
    /// kind: Deployment
    /// metadata: {name: web, namespace: shop}
    /// spec:
    ///   selector: {matchLabels: {app: web}}
    ///   template:
    ///     metadata: {labels: {app: web}}
    ///     spec: {containers: [{name: web, image: example/web:1}]}
    /// ---
    /// apiVersion: cilium.io/v2
    /// kind: CiliumClusterwideNetworkPolicy
    /// metadata: {name: allow-dns}
    /// spec:
    ///   endpointSelector: {}
    ///   enableDefaultDeny: {egress: false}
    ///   egress:
    ///     - toEndpoints:
    ///         - matchLabels: {k8s:io.kubernetes.pod.namespace: kube-system, k8s-app: kube-dns}
    ///       toPorts: [{ports: [{port: "53", protocol: ANY}]}]
    /// ```
    ///
    /// ## Fix safety
    ///
    /// There is no automatic fix: the pods may be meant to be closed.
    pub(super) struct WideAllowIsolates {
        name: "wide-allow-isolates",
        summary: "a policy that allows something to every pod, and so closes the rest",
        category: Category::Plugins,
        severity: Severity::Warning,
        tier: Preview,
        evidence: "written for a policy that somebody tried",
        fix: None,
        mutes: &[],
        since: "0.1.0",
    }
}

impl Rule for WideAllowIsolates {
    fn meta(&self) -> &'static RuleMeta {
        &Self::META
    }

    fn check_cluster(&self, cx: &mut Context<'_>) {
        let program = cx.program();
        let places = plugin_rules::cilium_rules(cx.cluster, &program);
        let mut first: BTreeMap<(PolicyRef, Direction), &CiliumPlace<'_, '_>> = BTreeMap::new();
        for place in places.iter().filter(|place| is_meant_to_add(place)) {
            let side = (
                PolicyRef::Plugin(place.policy.id),
                place.rule.section.direction(),
            );
            first.entry(side).or_insert(place);
        }
        let lets_all_through = |(policy, direction): (PolicyRef, Direction)| {
            let mut chains = program.chains_of(policy, direction);
            chains.any(|chain| {
                let mut rules = chain.rules.iter();
                rules.any(|rule| {
                    rule.is_opaque || (rule.action == Action::Accept && rule.peers.is_none())
                })
            })
        };
        let mut findings = Vec::new();
        for (side, place) in first {
            let closed: Vec<WorkloadId> = cx
                .cluster
                .workload_ids()
                .filter(|id| cx.engine.isolated_by(*id, side.1) == [side.0])
                .collect();
            if !closed.is_empty() && !lets_all_through(side) {
                findings.push(describe(cx, place, side.1, &closed));
            }
        }
        for finding in findings {
            cx.report(finding);
        }
    }
}

/// Whether a rule is of a policy for every pod that is called after what it allows.
fn is_meant_to_add(place: &CiliumPlace<'_, '_>) -> bool {
    let name = place.policy.object.meta.name.value.to_ascii_lowercase();
    let words = name.split(|letter: char| !letter.is_ascii_alphanumeric());
    let words: Vec<&str> = words.collect();
    let says = |wanted: &[&str]| {
        let mut words = words.iter();
        words.any(|word| wanted.iter().any(|it| word.starts_with(it)))
    };
    let is_for_all = match &place.spec.subject {
        CiliumSubject::Endpoints(selector) => selector.is_empty(),
        CiliumSubject::Nodes(_) => false,
    };
    place.policy.object.namespace().is_none()
        && is_for_all
        && place.policy.object.meta.holes.is_empty()
        && place
            .spec
            .default_deny(place.rule.section.direction())
            .is_none()
        && !place.rule.section.is_deny()
        && says(&["allow", "permit"])
        && !says(&[
            "deny", "block", "isolat", "lock", "default", "restrict", "only",
        ])
}

fn describe(
    cx: &Context<'_>,
    place: &CiliumPlace<'_, '_>,
    direction: Direction,
    closed: &[WorkloadId],
) -> Diagnostic {
    let field = direction.field();
    let whose = match closed {
        [one] => format!("`{}`", cx.cluster.workload_name(*one)),
        several => format!("{} workloads", several.len()),
    };
    let message =
        format!("this policy isolates {whose} for {field}: nothing else is allowed from then on");
    let finding = cx
        .finding(place.mark(cx.sources), message)
        .about(place.policy.object.display(), place.path())
        .label("no other policy isolates these pods for this direction")
        .help(format!(
            "to allow this and close nothing, write `enableDefaultDeny: {{{field}: false}}`"
        ));
    match closed {
        [_] => finding,
        several => {
            let names = several.iter().map(|id| cx.cluster.workload_name(*id));
            let names: Vec<String> = names.collect();
            finding.note(format!("isolated: {}", words::names(&names)))
        }
    }
}
