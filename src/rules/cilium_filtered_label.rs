//! Selectors that ask for labels which Cilium does not keep.

use crate::cluster::Cni;
use crate::diagnostic::{Diagnostic, Severity};
use crate::engine;
use crate::k8s::{NAMESPACE_NAME_LABEL, Operator};
use crate::lint::{
    Category, Context, Rule, RuleMeta, declare_rule, near_miss, plugin_rules, pod_selectors,
};
use crate::source::{Spanned, Text};

declare_rule! {
    /// ## What it does
    ///
    /// Where the CNI plugin is Cilium, reports pod selectors, in Cilium policies and in
    /// NetworkPolicies, that ask for a label that Cilium leaves out of identities, such as
    /// `pod-template-hash`, `kubernetes.io/…`, `statefulset.kubernetes.io/pod-name` and
    /// `topology.kubernetes.io/…`.
    ///
    /// In Cilium policies it also reports keys with a source that does not exist, as `k8:app`: the
    /// source of a pod's labels is `k8s`, and `any`, or none, stands for every source.
    ///
    /// ## Why is this bad?
    ///
    /// Cilium compares identities, which hold a pod's labels minus those that its `labels`
    /// option filters out. To Cilium, no pod has such a label: a selector that requires it
    /// matches nothing, and one that excludes it matches every pod.
    ///
    /// ## Example
    ///
    /// ```yaml
    /// apiVersion: cilium.io/v2
    /// kind: CiliumNetworkPolicy
    /// metadata: {name: first, namespace: shop}
    /// spec:
    ///   endpointSelector:
    ///     matchLabels: {statefulset.kubernetes.io/pod-name: db-0}
    ///   ingress:
    ///     - fromEndpoints: [{}]
    /// ```
    ///
    /// ## Use instead
    ///
    /// ```yaml
    /// apiVersion: cilium.io/v2
    /// kind: CiliumNetworkPolicy
    /// metadata: {name: first, namespace: shop}
    /// spec:
    ///   endpointSelector:
    ///     matchLabels: {app: db}
    ///   ingress:
    ///     - fromEndpoints: [{}]
    /// ```
    ///
    /// ## Fix safety
    ///
    /// There is no automatic fix: npcheck does not know which other labels the pods have. If
    /// the `labels` option of your agents keeps the label, suppress the finding or turn the
    /// rule off.
    pub(super) struct CiliumFilteredLabel {
        name: "cilium-filtered-label",
        summary: "a selector asks for a label that Cilium drops",
        category: Category::Plugins,
        severity: Severity::Error,
        tier: Stable,
        evidence: "1 error on the 162 Cilium policies of three public repositories, judged right",
        fix: None,
        mutes: &["unmatched-pod-selector", "unmatched-peer-selector", "unstable-label"],
        since: "0.1.0",
    }
}

impl Rule for CiliumFilteredLabel {
    fn meta(&self) -> &'static RuleMeta {
        &Self::META
    }

    fn check_cluster(&self, cx: &mut Context<'_>) {
        let cluster = cx.cluster;
        if cluster.enforcement().cni().map(|cni| cni.value) != Some(Cni::Cilium) {
            return;
        }
        for place in plugin_rules::cilium_selectors(cluster) {
            for (key, operator) in place.selector.filtered_keys() {
                let finding = describe(cx, key, operator, place.is_peer());
                cx.report(finding.about(place.policy.object.display(), place.path.as_str()));
            }
            for (key, source, operator) in place.selector.unknown_sources() {
                let (effect, severity) = effect(operator, place.is_peer());
                let message = format!("to Cilium, no pod has the label `{key}`, {effect}");
                let name = key.strip_prefix(source).unwrap_or(key);
                let finding = cx
                    .finding(key.span, message)
                    .with_severity(severity)
                    .label(format!("`{source}` is not a source of labels"))
                    .help(format!("write `k8s{name}` for a label of pods"));
                cx.report(finding.about(place.policy.object.display(), place.path.as_str()));
            }
        }
        for id in cluster.policy_ids() {
            if !cluster.policy(id).object.meta.is_accepted {
                continue;
            }
            for place in pod_selectors::in_policy(cluster, id) {
                for (key, operator) in engine::filtered_pod_keys(cluster, place.selector) {
                    let finding = describe(cx, key, operator, place.peer.is_some());
                    cx.report(finding.about(cx.policy_object(id), place.path.as_str()));
                }
            }
        }
    }
}

fn describe(
    cx: &Context<'_>,
    key: &Spanned<Text>,
    operator: Operator,
    is_peer: bool,
) -> Diagnostic {
    let (effect, severity) = effect(operator, is_peer);
    let message = format!("to Cilium, no pod has the label `{key}`, {effect}");
    cx.finding(key.span, message)
        .with_severity(severity)
        .label("filtered out by default (agent option `labels`)")
        .help(help(key))
}

/// What becomes of a selector that asks for a label which no pod has, and how bad that is.
fn effect(operator: Operator, is_peer: bool) -> (&'static str, Severity) {
    match (operator, is_peer) {
        (Operator::In | Operator::Exists, false) => (
            "so the policy selects no pods and isolates none",
            Severity::Error,
        ),
        (Operator::In | Operator::Exists, true) => ("so this matches nobody", Severity::Error),
        (Operator::NotIn | Operator::DoesNotExist, _) => {
            ("so this excludes nobody", Severity::Warning)
        }
    }
}

fn help(key: &str) -> String {
    const KNOWN: [&str; 2] = [
        "io.kubernetes.pod.namespace",
        "io.cilium.k8s.policy.serviceaccount",
    ];
    let (source, name) = key
        .split_once(':')
        .map_or(("", key), |(source, name)| (source, name));
    if key.ends_with(NAMESPACE_NAME_LABEL) {
        return "select the namespace by `k8s:io.kubernetes.pod.namespace`".to_owned();
    }
    match (near_miss::nearest_name(name, KNOWN), source) {
        (Some(meant), "") => format!("did you mean `{meant}`?"),
        (Some(meant), source) => format!("did you mean `{source}:{meant}`?"),
        (None, _) => "select the pods by another label".to_owned(),
    }
}
