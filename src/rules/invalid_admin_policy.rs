//! Cluster-wide policies that the API server refuses. The reader of manifests finds these;
//! this file owns their page.

use crate::diagnostic::Severity;
use crate::lint::{Category, Rule, RuleMeta, declare_rule};

declare_rule! {
    /// ## What it does
    ///
    /// Reports an `AdminNetworkPolicy`, `BaselineAdminNetworkPolicy` or `ClusterNetworkPolicy`
    /// that breaks the rules of its kind: both or neither of `namespaces` and `pods`, an empty
    /// `from` or `to`, a priority outside 0 to 1000, an action of the other API version
    /// (`Allow` is v1alpha1, `Accept` is v1alpha2), a port range that ends before it starts, a
    /// baseline policy that is not named `default`, a network with host bits since v1beta1, or
    /// too many rules or peers. The v1alpha1
    /// kinds get an info, because `ClusterNetworkPolicy` replaces them.
    ///
    /// ## Why is this bad?
    ///
    /// The API server rejects the object, so what was meant to apply to the whole cluster does
    /// not.
    ///
    /// ## Example
    ///
    /// ```yaml
    /// apiVersion: policy.networking.k8s.io/v1alpha2
    /// kind: ClusterNetworkPolicy
    /// metadata:
    ///   name: deny-metadata
    /// spec:
    ///   tier: Admin
    ///   priority: 1001
    ///   subject:
    ///     namespaces: {}
    ///   egress:
    ///     - action: Deny
    ///       to:
    ///         - networks: [169.254.169.254/32]
    /// ```
    ///
    /// ## Use instead
    ///
    /// ```yaml
    /// apiVersion: policy.networking.k8s.io/v1alpha2
    /// kind: ClusterNetworkPolicy
    /// metadata:
    ///   name: deny-metadata
    /// spec:
    ///   tier: Admin
    ///   priority: 100
    ///   subject:
    ///     namespaces: {}
    ///   egress:
    ///     - action: Deny
    ///       to:
    ///         - networks: [169.254.169.254/32]
    /// ```
    ///
    /// ## Fix safety
    ///
    /// There is no automatic fix: only the author knows what was meant.
    pub(super) struct InvalidAdminPolicy {
        name: "invalid-admin-policy",
        summary: "a cluster-wide policy that the API server rejects",
        category: Category::ClusterWide,
        severity: Severity::Error,
        tier: Stable,
        evidence: "no warning or error on 24 public repositories",
        fix: None,
        mutes: &[],
        is_on_by_default: true,
        since: "0.1.0",
    }
}

impl Rule for InvalidAdminPolicy {
    fn meta(&self) -> &'static RuleMeta {
        &Self::META
    }
}
