//! Text that no tool of Kubernetes reads. The reader of manifests finds it; this file owns its page.

use crate::diagnostic::Severity;
use crate::lint::{Category, Rule, RuleMeta, declare_rule};

declare_rule! {
    /// ## What it does
    ///
    /// Reports text that kubectl silently drops, so that it is never applied: text after `...`
    /// without a `---`, a second JSON value in a YAML document, and everything else in an
    /// object that has `items`.
    ///
    /// ## Why is this bad?
    ///
    /// The policy is in the file and passed review, but it is not in the cluster, and `kubectl
    /// apply` does not warn you. npcheck treats such a policy as not applied.
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
    /// There is no automatic fix: the text may be a leftover, or the `---` may be missing.
    pub(super) struct IgnoredText {
        name: "ignored-text",
        summary: "text in a manifest that no Kubernetes tool reads",
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
