//! Keys that stand twice in one mapping. The reader of manifests finds these; this file owns their page.

use crate::diagnostic::Severity;
use crate::lint::{Category, Rule, RuleMeta, declare_rule};

declare_rule! {
    /// ## What it does
    ///
    /// Reports a key that appears twice in one mapping of a manifest.
    ///
    /// ## Why is this bad?
    ///
    /// The last one wins, and the first one is silently dropped. Two `app` labels in one
    /// `matchLabels` look like "either of them" but select only the second. Two `podSelector`
    /// keys in one peer look like two peers.
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
    ///   podSelector:
    ///     matchLabels:
    ///       app: web
    ///       app: api
    ///   ingress: []
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
    ///   podSelector:
    ///     matchExpressions:
    ///       - {key: app, operator: In, values: [web, api]}
    ///   ingress: []
    /// ```
    ///
    /// ## Fix safety
    ///
    /// There is no automatic fix: the values may be alternatives, or one of them may be out of
    /// date.
    pub(super) struct DuplicateKey {
        name: "duplicate-key",
        summary: "a key appears twice in one mapping, and the last one wins",
        category: Category::Text,
        severity: Severity::Error,
        tier: Stable,
        evidence: "1 of 1 warning or error on 24 public repositories judged right",
        fix: None,
        mutes: &["name-contradicts-effect"],
        since: "0.1.0",
    }
}

impl Rule for DuplicateKey {
    fn meta(&self) -> &'static RuleMeta {
        &Self::META
    }
}
