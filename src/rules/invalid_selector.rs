//! Selectors that are refused or can never match. The reader of manifests finds these; this file owns their page.

use crate::diagnostic::Severity;
use crate::lint::{Category, Rule, RuleMeta, declare_rule};

declare_rule! {
    /// ## What it does
    ///
    /// Reports a label selector with a malformed key or value, `In` or `NotIn` without values,
    /// `Exists` or `DoesNotExist` with values, an unknown operator, or requirements that
    /// contradict each other.
    ///
    /// ## Why is this bad?
    ///
    /// The API server rejects malformed selectors. It accepts a contradictory one, which never
    /// matches anything.
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
    ///     matchExpressions:
    ///       - {key: app, operator: In, values: []}
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
    ///       - {key: app, operator: In, values: [web]}
    ///   ingress: []
    /// ```
    ///
    /// ## Fix safety
    ///
    /// There is no automatic fix: only the author knows which labels were meant.
    pub(super) struct InvalidSelector {
        name: "invalid-selector",
        summary: "a selector that the API server rejects, or that can never match",
        category: Category::Selectors,
        severity: Severity::Error,
        tier: Stable,
        evidence: "no warning or error on 24 public repositories",
        fix: None,
        mutes: &["unmatched-namespace-selector", "unmatched-peer-selector", "unmatched-pod-selector"],
        since: "0.1.0",
    }
}

impl Rule for InvalidSelector {
    fn meta(&self) -> &'static RuleMeta {
        &Self::META
    }
}
