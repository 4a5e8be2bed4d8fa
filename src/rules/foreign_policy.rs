//! Policies of kinds that npcheck does not evaluate.

use crate::diagnostic::Severity;
use crate::k8s::{PluginPolicy, PolicyEffect};
use crate::lint::{Category, Context, Rule, RuleMeta, declare_rule, words};
use std::collections::BTreeMap;

declare_rule! {
    /// ## What it does
    ///
    /// Lists policies that only a CNI plugin or service mesh enforces and that npcheck does not
    /// evaluate: one info per kind, with a count.
    ///
    /// ## Why is this bad?
    ///
    /// It is not a mistake. But these policies allow and deny connections too, so npcheck only
    /// knows part of the story about the pods that they select. Where one of them could decide,
    /// rules stay silent and verdicts are unknown. A `MultiNetworkPolicy` of Multus is about
    /// further networks of pods; it changes nothing on the network of the cluster.
    ///
    /// ## Example
    ///
    /// ```yaml
    /// apiVersion: security.istio.io/v1
    /// kind: AuthorizationPolicy
    /// metadata: {name: web, namespace: shop}
    /// spec:
    ///   selector: {matchLabels: {app: web}}
    ///   action: ALLOW
    /// ```
    ///
    /// ## Use instead
    ///
    /// ```yaml
    /// apiVersion: networking.k8s.io/v1
    /// kind: NetworkPolicy
    /// metadata: {name: web, namespace: shop}
    /// spec:
    ///   podSelector: {matchLabels: {app: web}}
    ///   ingress: [{from: [{podSelector: {}}]}]
    /// ```
    ///
    /// ## Fix safety
    ///
    /// There is nothing to fix.
    pub(super) struct ForeignPolicy {
        name: "foreign-policy",
        summary: "policies of kinds that npcheck does not evaluate",
        category: Category::Tool,
        severity: Severity::Info,
        tier: Stable,
        evidence: "infos only, one per kind",
        fix: None,
        mutes: &[],
        since: "0.1.0",
    }
}

impl Rule for ForeignPolicy {
    fn meta(&self) -> &'static RuleMeta {
        &Self::META
    }

    fn check_cluster(&self, cx: &mut Context<'_>) {
        let mut by_kind: BTreeMap<&str, Vec<&PluginPolicy>> = BTreeMap::new();
        for policy in cx.cluster.foreign_policies() {
            // What is staged is told of elsewhere.
            if policy.kind.staged_for().is_none() {
                by_kind
                    .entry(policy.kind.qualified)
                    .or_default()
                    .push(policy);
            }
        }
        for (kind, policies) in by_kind {
            let (first, product) = (policies[0], policies[0].kind.product.name());
            let count = match policies.len() {
                1 => "1 policy".to_owned(),
                several => format!("{several} policies"),
            };
            let message = format!("{count} of kind `{kind}` ({product}) not evaluated");
            let namespaces: Vec<&str> = policies.iter().filter_map(|it| it.namespace()).collect();
            let finding = cx.finding(first.meta.name.span, message);
            if first.kind.effect == PolicyEffect::Nothing {
                let label = "is about other networks of pods than that of the cluster";
                let help = "nothing to do; verdicts are about the network of the cluster";
                cx.report(finding.label(label).help(help));
                continue;
            }
            let finding = finding.label("what it allows or denies is not known");
            let finding = match namespaces.len() == policies.len() {
                true => {
                    let mut namespaces = namespaces;
                    namespaces.dedup();
                    finding.note(format!("applies to pods of {}", words::names(&namespaces)))
                }
                false => finding.note("applies to pods of any namespace"),
            };
            cx.report(finding.help(
                "nothing to do; where one of these policies may decide, verdicts are unknown",
            ));
        }
    }
}
