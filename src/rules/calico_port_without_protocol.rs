//! Port numbers in rules of Calico's that name no protocol.

use crate::diagnostic::Severity;
use crate::lint::{Category, Rule, RuleMeta, declare_rule};

declare_rule! {
    /// ## What it does
    ///
    /// Reports port numbers in a Calico rule that has no `protocol`.
    ///
    /// ## Why is this bad?
    ///
    /// Calico has no default protocol, unlike a NetworkPolicy, where it is TCP. The API server
    /// rejects the policy, so none of it is enforced. Named ports are fine: the protocol comes
    /// with the name.
    ///
    /// ## Example
    ///
    /// ```yaml
    /// apiVersion: projectcalico.org/v3
    /// kind: NetworkPolicy
    /// metadata: {name: web, namespace: shop}
    /// spec:
    ///   selector: app == 'web'
    ///   types: [Ingress]
    ///   ingress:
    ///     - action: Allow
    ///       destination: {ports: [8080]}
    /// ```
    ///
    /// ## Use instead
    ///
    /// ```yaml
    /// apiVersion: projectcalico.org/v3
    /// kind: NetworkPolicy
    /// metadata: {name: web, namespace: shop}
    /// spec:
    ///   selector: app == 'web'
    ///   types: [Ingress]
    ///   ingress:
    ///     - action: Allow
    ///       protocol: TCP
    ///       destination: {ports: [8080]}
    /// ```
    ///
    /// ## Fix safety
    ///
    /// There is no automatic fix: only the author knows which protocol is meant.
    pub(super) struct CalicoPortWithoutProtocol {
        name: "calico-port-without-protocol",
        summary: "a Calico rule has port numbers but no `protocol`",
        category: Category::Plugins,
        severity: Severity::Error,
        tier: Stable,
        evidence: "no finding on the 16 Calico policies of a public repository",
        fix: None,
        mutes: &[],
        since: "0.1.0",
    }
}

impl Rule for CalicoPortWithoutProtocol {
    fn meta(&self) -> &'static RuleMeta {
        &Self::META
    }
}
