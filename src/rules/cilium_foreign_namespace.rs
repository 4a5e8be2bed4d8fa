//! Policies of Cilium's that try to select pods of another namespace than their own.

use crate::diagnostic::Severity;
use crate::k8s::is_opaque;
use crate::lint::{Category, Context, Rule, RuleMeta, declare_rule, plugin_rules, words};

declare_rule! {
    /// ## What it does
    ///
    /// Reports a `CiliumNetworkPolicy` whose `endpointSelector` names a namespace other than
    /// the policy's own.
    ///
    /// ## Why is this bad?
    ///
    /// A `CiliumNetworkPolicy` only applies to pods of its own namespace. If
    /// `k8s:io.kubernetes.pod.namespace` is in `matchLabels`, Cilium replaces its value with
    /// that namespace, so the policy selects other pods than it says. Written any other way,
    /// the foreign name stays and the policy selects no pods at all.
    ///
    /// ## Example
    ///
    /// ```yaml
    /// apiVersion: cilium.io/v2
    /// kind: CiliumNetworkPolicy
    /// metadata: {name: web, namespace: shop}
    /// spec:
    ///   endpointSelector:
    ///     matchLabels: {io.kubernetes.pod.namespace: billing, app: web}
    ///   ingress:
    ///     - fromEndpoints: [{}]
    /// ```
    ///
    /// ## Use instead
    ///
    /// ```yaml
    /// apiVersion: cilium.io/v2
    /// kind: CiliumNetworkPolicy
    /// metadata: {name: web, namespace: billing}
    /// spec:
    ///   endpointSelector:
    ///     matchLabels: {app: web}
    ///   ingress:
    ///     - fromEndpoints: [{}]
    /// ```
    ///
    /// ## Fix safety
    ///
    /// There is no automatic fix: either the policy or the selector is in the wrong place.
    pub(super) struct CiliumForeignNamespace {
        name: "cilium-foreign-namespace",
        summary: "a namespaced Cilium policy selects pods of another namespace",
        category: Category::Plugins,
        severity: Severity::Error,
        tier: Stable,
        evidence: "no finding on the 162 Cilium policies of three public repositories",
        fix: None,
        mutes: &["unmatched-pod-selector"],
        since: "0.1.0",
    }
}

impl Rule for CiliumForeignNamespace {
    fn meta(&self) -> &'static RuleMeta {
        &Self::META
    }

    fn check_cluster(&self, cx: &mut Context<'_>) {
        for place in plugin_rules::cilium_selectors(cx.cluster) {
            let Some(own) = place.policy.object.namespace().filter(|_| !place.is_peer()) else {
                continue;
            };
            for (key, names) in place.selector.named_namespaces() {
                if names.contains(&own) || names.iter().any(|name| is_opaque(name)) {
                    continue;
                }
                let is_replaced = place.selector.replaces(key);
                let message = match is_replaced {
                    true => format!("the agent uses `{own}` instead of the namespace named here"),
                    false => format!("no pod of `{own}` is in {}", words::names(&names)),
                };
                let label = match is_replaced {
                    true => format!(
                        "the policy selects pods of `{own}`, not of {}",
                        words::names(&names)
                    ),
                    false => "so the policy selects no pods and isolates none".to_owned(),
                };
                let name = names.first().copied().unwrap_or_default();
                let help = format!(
                    "move the policy to `{name}`, or write a `CiliumClusterwideNetworkPolicy`"
                );
                let finding = cx
                    .finding(key.span, message)
                    .about(place.policy.object.display(), place.path.as_str())
                    .label(label)
                    .help(help);
                cx.report(finding);
            }
        }
    }
}
