//! Policies of Cilium's that its agent rejects after the API server has taken them.

use crate::diagnostic::Severity;
use crate::lint::{Category, Context, Rule, RuleMeta, declare_rule};

declare_rule! {
    /// ## What it does
    ///
    /// Reports a `CiliumNetworkPolicy` or `CiliumClusterwideNetworkPolicy` that the API server
    /// stores but the Cilium agent rejects: for example two kinds of peers in one rule, HTTP
    /// rules without `protocol: TCP`, a port that is neither a number nor a name, or rules
    /// whose lists are all empty.
    ///
    /// ## Why is this bad?
    ///
    /// `kubectl` reports that the policy was created, but nothing is enforced: the pods that it
    /// should isolate stay open. One bad entry in `specs` disables the others too.
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
    ///     - fromEndpoints: [{matchLabels: {app: client}}]
    ///       fromCIDR: [192.0.2.0/24]
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
    ///     - fromEndpoints: [{matchLabels: {app: client}}]
    ///     - fromCIDR: [192.0.2.0/24]
    /// ```
    ///
    /// ## Fix safety
    ///
    /// There is no automatic fix: only the author knows what was meant.
    pub(super) struct CiliumInertPolicy {
        name: "cilium-inert-policy",
        summary: "the Cilium agent rejects the policy, so none of it is enforced",
        category: Category::Plugins,
        severity: Severity::Error,
        tier: Stable,
        evidence: "no finding on the 162 policies of three public repositories; based on the code of the agent",
        fix: None,
        mutes: &[],
        since: "0.1.0",
    }
}

impl Rule for CiliumInertPolicy {
    fn meta(&self) -> &'static RuleMeta {
        &Self::META
    }

    fn check_cluster(&self, cx: &mut Context<'_>) {
        for policy in cx.cluster.plugin_policies() {
            // What the API server rejects has a finding of its own.
            if !policy.meta.is_accepted {
                continue;
            }
            for fault in cx.cluster.enforcement().cilium().faults(policy) {
                let message = format!("`{}` is not enforced at all", policy.meta.name);
                let finding = cx
                    .finding(fault.span, message)
                    .label(fault.reason.clone())
                    .about(policy.display(), fault.path.clone())
                    .note(
                        "the API server stores the policy, but the Cilium agent rejects all of it",
                    );
                cx.report(finding);
            }
        }
    }
}
