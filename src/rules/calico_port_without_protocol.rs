//! Port numbers in rules of Calico's that name no protocol.

use crate::diagnostic::Severity;
use crate::lint::{Category, Rule, RuleMeta, declare_rule};

declare_rule! {
    /// ## What it does
    ///
    /// Flags port numbers in a rule of a policy of Calico's that has no `protocol`.
    ///
    /// ## Why is this bad?
    ///
    /// There is no default, unlike in a NetworkPolicy, where a port without a protocol is TCP.
    /// The API server rejects the policy, so none of it is enforced. Names of ports are fine:
    /// they bring their protocol.
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
    /// There is no automatic fix: which protocol is meant is not known.
    pub(super) struct CalicoPortWithoutProtocol {
        name: "calico-port-without-protocol",
        summary: "port numbers of a Calico rule need a `protocol`",
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
