//! Peers that are wider than they look: a label that anybody can set, and `NotIn`.

use crate::cluster::PolicyId;
use crate::diagnostic::{Diagnostic, Severity};
use crate::k8s::{self, Direction, LabelSelectorRequirement, NAMESPACE_NAME_LABEL, Operator};
use crate::k8s::{LabelSelector, PeerPlace};
use crate::lint::{Category, Context, Rule, RuleMeta, declare_rule, words};

declare_rule! {
    /// ## What it does
    ///
    /// Reports two kinds of ingress peers that admit more than they seem to:
    ///
    /// - `namespaceSelector: {}` next to a `podSelector`: pods with these labels in every
    ///   namespace;
    /// - `NotIn` in a `namespaceSelector`, which also matches every namespace without the key.
    ///
    /// ## Why is this bad?
    ///
    /// Anybody who can create pods can give them any label. If namespaces belong to different
    /// teams, a pod label alone keeps nobody out. And `env NotIn [dev]` reads as "every
    /// environment but dev", but also matches every namespace without an `env` label.
    ///
    /// ## Example
    ///
    /// ```yaml
    /// apiVersion: networking.k8s.io/v1
    /// kind: NetworkPolicy
    /// metadata: {name: api, namespace: prod}
    /// spec:
    ///   podSelector: {matchLabels: {app: api}}
    ///   ingress:
    ///     - from:
    ///         - namespaceSelector:
    ///             matchExpressions:
    ///               - {key: env, operator: NotIn, values: [dev]}
    /// ```
    ///
    /// ## Use instead
    ///
    /// ```yaml
    /// apiVersion: networking.k8s.io/v1
    /// kind: NetworkPolicy
    /// metadata: {name: api, namespace: prod}
    /// spec:
    ///   podSelector: {matchLabels: {app: api}}
    ///   ingress:
    ///     - from:
    ///         - namespaceSelector:
    ///             matchExpressions:
    ///               - {key: env, operator: In, values: [prod, staging]}
    /// ```
    ///
    /// ## Fix safety
    ///
    /// There is no automatic fix: only the author knows which namespaces are meant.
    pub(super) struct WidePeer {
        name: "wide-peer",
        summary: "a peer that also admits pods of unexpected namespaces",
        category: Category::Flows,
        severity: Severity::Info,
        tier: Stable,
        evidence: "infos only, as whether it matters depends on who may create pods",
        fix: None,
        mutes: &[],
        since: "0.1.0",
    }
}

impl Rule for WidePeer {
    fn meta(&self) -> &'static RuleMeta {
        &Self::META
    }

    fn check_network_policy(
        &self,
        cx: &mut Context<'_>,
        id: PolicyId,
        policy: &k8s::NetworkPolicy,
    ) {
        if !policy.meta.is_accepted || !policy.applies_to(Direction::Ingress) {
            return;
        }
        let places = policy.peers();
        for place in places.filter(|place| place.direction == Direction::Ingress) {
            let Some((Some(namespaces), pods)) = place.peer.selectors() else {
                continue;
            };
            let pods = pods.filter(|pods| !pods.is_empty());
            let finding = match pods.filter(|_| namespaces.is_empty()) {
                Some(pods) => Some(any_namespace(cx, id, place, namespaces, pods)),
                None => without_key(cx, id, place, namespaces),
            };
            if let Some(finding) = finding {
                cx.report(finding);
            }
        }
    }
}

/// Pods by their labels, wherever they are.
fn any_namespace(
    cx: &Context<'_>,
    id: PolicyId,
    place: PeerPlace<'_>,
    namespaces: &LabelSelector,
    pods: &LabelSelector,
) -> Diagnostic {
    let message =
        format!("pods with `{pods}` get in from every namespace, and anybody can set that label");
    let path = format!("{}.namespaceSelector", place.path());
    cx.policy_finding(id, path, namespaces.span, message)
        .label("every namespace")
        .help(format!(
            "name the namespace: `{NAMESPACE_NAME_LABEL}: NAME` below `matchLabels`"
        ))
}

/// Namespaces that `NotIn` matches because they do not have the key.
fn without_key(
    cx: &Context<'_>,
    id: PolicyId,
    place: PeerPlace<'_>,
    namespaces: &LabelSelector,
) -> Option<Diagnostic> {
    let entry = namespaces.match_expressions.iter().find(|entry| {
        // Every namespace has its name as a label.
        let takes_those_without =
            entry.operator.value == Operator::NotIn && entry.key.value != NAMESPACE_NAME_LABEL;
        takes_those_without && !asks_for_key(namespaces, entry)
    })?;
    let key = &entry.key.value;
    let matched = cx.engine.matching_namespaces(namespaces);
    let matched = matched.into_iter().map(|id| cx.cluster.namespace(id));
    // Of namespaces that are not declared nobody knows the labels.
    let unlabelled: Vec<&str> = matched
        .filter(|namespace| namespace.declared.is_some() && namespace.labels.get(key).is_none())
        .map(|namespace| namespace.name.as_str())
        .collect();
    let message = match unlabelled.as_slice() {
        [] => format!("`{key} NotIn` also matches every namespace without the label `{key}`"),
        names => format!(
            "`{key} NotIn` also matches namespaces without the label `{key}`: {}",
            words::names(names)
        ),
    };
    let path = format!("{}.namespaceSelector", place.path());
    Some(
        cx.policy_finding(id, path, entry.span, message)
            .label("also matches where the key is absent")
            .help(format!(
                "list the values that are meant with `In`, or add `{{key: {key}, operator: Exists}}`"
            )),
    )
}

/// Whether another requirement of the selector wants the key to be there.
fn asks_for_key(selector: &LabelSelector, entry: &LabelSelectorRequirement) -> bool {
    let key = &entry.key.value;
    let mut others = selector.match_expressions.iter();
    let mut labels = selector.match_labels.iter();
    labels.any(|label| label.key.value == *key)
        || others.any(|other| {
            other.key.value == *key
                && matches!(other.operator.value, Operator::In | Operator::Exists)
        })
}
