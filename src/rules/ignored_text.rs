//! Text that no tool of Kubernetes reads. The reader of manifests finds it; this file owns its page.

use crate::diagnostic::Severity;
use crate::lint::{Category, Rule, RuleMeta, declare_rule};

declare_rule! {
    /// ## What it does
    ///
    /// Reports text of a manifest that kubectl drops without a word, so that nothing of it is
    /// applied: text behind `...` without a `---`, a second JSON value in a YAML document,
    /// and everything else in an object that has `items`.
    ///
    /// ## Why is this bad?
    ///
    /// The policy stands in the file, was reviewed, and is not in the cluster. `kubectl apply`
    /// says nothing about it. npcheck does not count such a policy as one that is in force.
    ///
    /// ## Example
    ///
    /// ```yaml
    /// apiVersion: networking.k8s.io/v1
    /// kind: NetworkPolicy
    /// metadata:
    ///   name: deny-web
    ///   namespace: shop
    /// spec:
    ///   podSelector: {matchLabels: {app: web}}
    /// ...
    /// apiVersion: networking.k8s.io/v1
    /// kind: NetworkPolicy
    /// metadata:
    ///   name: deny-cart
    ///   namespace: shop
    /// spec:
    ///   podSelector: {matchLabels: {app: cart}}
    /// ```
    ///
    /// ## Use instead
    ///
    /// ```yaml
    /// apiVersion: networking.k8s.io/v1
    /// kind: NetworkPolicy
    /// metadata:
    ///   name: deny-web
    ///   namespace: shop
    /// spec:
    ///   podSelector: {matchLabels: {app: web}}
    /// ---
    /// apiVersion: networking.k8s.io/v1
    /// kind: NetworkPolicy
    /// metadata:
    ///   name: deny-cart
    ///   namespace: shop
    /// spec:
    ///   podSelector: {matchLabels: {app: cart}}
    /// ```
    ///
    /// ## Fix safety
    ///
    /// There is no automatic fix: the text may be there by mistake, or the `---` missing.
    pub(super) struct IgnoredText {
        name: "ignored-text",
        summary: "text of a manifest that no Kubernetes tool reads",
        category: Category::Text,
        severity: Severity::Warning,
        tier: Stable,
        evidence: "decided by the text alone; no finding on 24 public repositories",
        fix: None,
        mutes: &[],
        since: "0.1.0",
    }
}

impl Rule for IgnoredText {
    fn meta(&self) -> &'static RuleMeta {
        &Self::META
    }
}
