//! Peers in namespaces that do not exist.

use crate::cluster::{NAMESPACE_NAME_LABEL, PolicyId};
use crate::diagnostic::Severity;
use crate::k8s::{LabelSelector, Operator};
use crate::lint::{
    Category, Context, Rule, RuleMeta, Settings, declare_rule, platform, pod_selectors,
};
use crate::source::Span;
use std::collections::BTreeMap;

declare_rule! {
    /// ## What it does
    ///
    /// Reports a `namespaceSelector` that matches no namespace, where all namespaces are known:
    /// with `--complete`, with `inventory: complete` in `npcheck.yaml`, or on the dump of a
    /// cluster. Elsewhere the rule is silent, as other repositories make namespaces too.
    ///
    /// One finding stands for every place of the same selector. Namespaces and labels that
    /// platforms are known to make are never called missing.
    ///
    /// ## Why is this bad?
    ///
    /// The peer matches nobody. Where it was meant to let somebody in, nobody comes in.
    ///
    /// ## Example
    ///
    /// ```yaml
    /// # inventory: complete
    /// apiVersion: v1
    /// kind: Namespace
    /// metadata: {name: web, labels: {team: shop}}
    /// ---
    /// apiVersion: networking.k8s.io/v1
    /// kind: NetworkPolicy
    /// metadata: {name: from-web, namespace: web}
    /// spec:
    ///   podSelector: {}
    ///   ingress:
    ///     - from:
    ///         - namespaceSelector: {matchLabels: {team: shopping}}
    /// ```
    ///
    /// ## Use instead
    ///
    /// ```yaml
    /// # inventory: complete
    /// apiVersion: v1
    /// kind: Namespace
    /// metadata: {name: web, labels: {team: shop}}
    /// ---
    /// apiVersion: networking.k8s.io/v1
    /// kind: NetworkPolicy
    /// metadata: {name: from-web, namespace: web}
    /// spec:
    ///   podSelector: {}
    ///   ingress:
    ///     - from:
    ///         - namespaceSelector: {matchLabels: {team: shop}}
    /// ```
    ///
    /// ## Fix safety
    ///
    /// There is no automatic fix.
    ///
    /// ## Configuration
    ///
    /// `namespaceLabels` in `npcheck.yaml` names labels that your platform adds to namespaces;
    /// selectors that ask for them are left alone.
    pub(super) struct UnmatchedNamespaceSelector {
        name: "unmatched-namespace-selector",
        summary: "a `namespaceSelector` matches no namespace",
        category: Category::Selectors,
        severity: Severity::Warning,
        fix: None,
        mutes: &[],
        since: "0.1.0",
    }
}

impl Rule for UnmatchedNamespaceSelector {
    fn meta(&self) -> &'static RuleMeta {
        &Self::META
    }

    fn check_cluster(&self, cx: &mut Context<'_>) {
        if !cx.settings.inventory.is_complete() {
            return;
        }
        let mut unmatched: BTreeMap<String, Vec<Place>> = BTreeMap::new();
        for id in cx.cluster.policy_ids() {
            let policy = &cx.cluster.policy(id).object;
            for place in policy
                .peers()
                .filter(|place| policy.applies_to(place.direction))
            {
                let Some((Some(selector), _)) = place.peer.selectors() else {
                    continue;
                };
                if matches_something(cx, selector) {
                    continue;
                }
                unmatched
                    .entry(selector.to_string())
                    .or_default()
                    .push(Place {
                        policy: id,
                        path: format!("{}.namespaceSelector", place.path()),
                        span: selector.span,
                    });
            }
        }
        for (selector, places) in unmatched {
            let (first, others) = places.split_first().expect("a selector has a place");
            let message = match others.len() {
                0 => format!("no namespace matches `{selector}`, so this peer matches nobody"),
                more => format!(
                    "no namespace matches `{selector}`, so {} peers match nobody",
                    more + 1
                ),
            };
            let finding = cx
                .policy_finding(first.policy, first.path.as_str(), first.span, message)
                .label(format!(
                    "none of the {} namespaces matches",
                    cx.cluster.namespaces().len()
                ))
                .help(format!(
                    "label the namespace, or select it by name: `{NAMESPACE_NAME_LABEL}`"
                ));
            let others: Vec<_> = others
                .iter()
                .map(|place| (place.policy, place.span))
                .collect();
            cx.report(pod_selectors::with_repeats(finding, cx, &others));
        }
    }
}

/// Where a selector stands.
struct Place {
    policy: PolicyId,
    path: String,
    span: Span,
}

/// Whether a namespace matches, or may: one that a platform makes or labels.
fn matches_something(cx: &Context<'_>, selector: &LabelSelector) -> bool {
    selector.is_opaque()
        || !cx.engine.matching_namespaces(selector).is_empty()
        || asks_for_platform(cx.settings, selector)
}

fn asks_for_platform(settings: &Settings, selector: &LabelSelector) -> bool {
    let is_platforms = |key: &str, values: &[&str]| {
        if key == NAMESPACE_NAME_LABEL {
            return values.iter().any(|name| platform::makes_namespace(name));
        }
        let own = &settings.platform_namespace_labels;
        platform::sets_namespace_label(key)
            || own
                .iter()
                .any(|own| own == key || (own.ends_with('/') && key.starts_with(own.as_str())))
    };
    let labels = &selector.match_labels;
    labels
        .iter()
        .any(|label| is_platforms(&label.key, &[label.value.as_str()]))
        || selector.match_expressions.iter().any(|entry| {
            let values: Vec<&str> = entry.values.iter().map(|value| value.as_str()).collect();
            let is_asked_for = !matches!(
                entry.operator.value,
                Operator::NotIn | Operator::DoesNotExist
            );
            is_asked_for && is_platforms(&entry.key, &values)
        })
}
