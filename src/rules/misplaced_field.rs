//! Fields at the wrong depth. The reader of manifests finds these; this file owns their page.

use crate::diagnostic::{FixClass, Severity};
use crate::lint::{Category, Rule, RuleMeta, declare_rule};

declare_rule! {
    /// ## What it does
    ///
    /// Reports a field that exists in the API, but not in this place: `matchLabels` next to
    /// `podSelector` instead of under it, `ports` inside a peer, or labels directly under
    /// `podSelector`.
    ///
    /// ## Why is this bad?
    ///
    /// A lenient API server drops the field. What remains is an empty selector, which matches
    /// everything: the policy opens what it was meant to restrict.
    ///
    /// ## Example
    ///
    /// ```yaml
    /// apiVersion: networking.k8s.io/v1
    /// kind: NetworkPolicy
    /// metadata:
    ///   name: allow-web
    ///   namespace: shop
    /// spec:
    ///   podSelector: {}
    ///   ingress:
    ///     - from:
    ///         - namespaceSelector: {}
    ///           podSelector:
    ///           matchLabels:
    ///             app: web
    /// ```
    ///
    /// ## Use instead
    ///
    /// ```yaml
    /// apiVersion: networking.k8s.io/v1
    /// kind: NetworkPolicy
    /// metadata:
    ///   name: allow-web
    ///   namespace: shop
    /// spec:
    ///   podSelector: {}
    ///   ingress:
    ///     - from:
    ///         - namespaceSelector: {}
    ///           podSelector:
    ///             matchLabels:
    ///               app: web
    /// ```
    ///
    /// ## Fix safety
    ///
    /// The fix moves the lines only if exactly one move makes the manifest valid. The manifest
    /// did not say what it was meant to say before, so review the change.
    pub(super) struct MisplacedField {
        name: "misplaced-field",
        summary: "a field in a place where the API does not have it",
        category: Category::Text,
        severity: Severity::Error,
        tier: Stable,
        evidence: "1 of 1 warning or error on 24 public repositories judged right",
        fix: Some(FixClass::Narrowing),
        mutes: &["cilium-empty-rule", "name-contradicts-effect"],
        since: "0.1.0",
    }
}

impl Rule for MisplacedField {
    fn meta(&self) -> &'static RuleMeta {
        &Self::META
    }
}
