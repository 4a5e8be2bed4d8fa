//! Address blocks that the API server refuses. The reader of manifests finds these; this file owns their page.

use crate::diagnostic::Severity;
use crate::lint::{Category, Rule, RuleMeta, declare_rule};

declare_rule! {
    /// ## What it does
    ///
    /// Reports a `cidr` or `except` that is not a valid address block: no prefix length,
    /// leading zeros, an IPv4 address written as IPv6, or an `except` that is of the other
    /// family or not strictly inside its `cidr`.
    ///
    /// ## Why is this bad?
    ///
    /// The API server rejects the policy, so it is not enforced.
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
    ///         - ipBlock:
    ///             cidr: 192.168.0.0/24
    ///             except: [192.168.0.0/16]
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
    ///         - ipBlock:
    ///             cidr: 192.168.0.0/24
    ///             except: [192.168.0.128/25]
    /// ```
    ///
    /// ## Fix safety
    ///
    /// There is no automatic fix: only the author knows which block was meant.
    pub(super) struct InvalidCidr {
        name: "invalid-cidr",
        summary: "an address block that the API server rejects",
        category: Category::Addresses,
        severity: Severity::Error,
        tier: Stable,
        evidence: "no warning or error on 24 public repositories",
        fix: None,
        mutes: &[],
        since: "0.1.0",
    }
}

impl Rule for InvalidCidr {
    fn meta(&self) -> &'static RuleMeta {
        &Self::META
    }
}
