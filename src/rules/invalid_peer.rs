//! Peers that the API server refuses. The reader of manifests finds these; this file owns their page.

use crate::diagnostic::Severity;
use crate::lint::{Category, Rule, RuleMeta, declare_rule};

declare_rule! {
    /// ## What it does
    ///
    /// Reports a peer without any fields, a peer that combines `ipBlock` with a selector, and
    /// an `ipBlock` without a `cidr`.
    ///
    /// ## Why is this bad?
    ///
    /// The API server rejects the policy, because such a peer could mean everybody or nobody.
    /// If both selectors must match, write one peer with both; if either may match, write two
    /// peers.
    ///
    /// ## Example
    ///
    /// ```yaml
    /// apiVersion: networking.k8s.io/v1
    /// kind: NetworkPolicy
    /// metadata:
    ///   name: allow-office
    ///   namespace: shop
    /// spec:
    ///   podSelector: {}
    ///   ingress:
    ///     - from:
    ///         - ipBlock: {cidr: 203.0.113.0/24}
    ///           namespaceSelector: {}
    /// ```
    ///
    /// ## Use instead
    ///
    /// ```yaml
    /// apiVersion: networking.k8s.io/v1
    /// kind: NetworkPolicy
    /// metadata:
    ///   name: allow-office
    ///   namespace: shop
    /// spec:
    ///   podSelector: {}
    ///   ingress:
    ///     - from:
    ///         - ipBlock: {cidr: 203.0.113.0/24}
    /// ```
    ///
    /// ## Fix safety
    ///
    /// There is no automatic fix: it would have to guess which peer is meant.
    pub(super) struct InvalidPeer {
        name: "invalid-peer",
        summary: "a peer that the API server rejects",
        category: Category::Text,
        severity: Severity::Error,
        tier: Stable,
        evidence: "no warning or error on 24 public repositories",
        fix: None,
        mutes: &[],
        since: "0.1.0",
    }
}

impl Rule for InvalidPeer {
    fn meta(&self) -> &'static RuleMeta {
        &Self::META
    }
}
