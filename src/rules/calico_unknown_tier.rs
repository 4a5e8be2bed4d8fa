//! Policies of Calico's in a tier that nobody declares.

use crate::diagnostic::{Diagnostic, Severity};
use crate::k8s::CalicoTier;
use crate::lint::plugin_rules::{self, CalicoInForce};
use crate::lint::{Category, Context, Rule, RuleMeta, declare_rule, near_miss, words};

declare_rule! {
    /// ## What it does
    ///
    /// Reports a Calico policy whose `tier` is neither built in nor declared in the manifests,
    /// if the manifests declare other tiers, the name is close to one that exists, or the
    /// configuration says that the manifests are complete.
    ///
    /// ## Why is this bad?
    ///
    /// The API server rejects a policy of a tier that does not exist. If the tier is deleted
    /// later, its policies are evaluated after those of all other tiers, and whatever they do
    /// not allow is denied.
    ///
    /// ## Example
    ///
    /// ```yaml
    /// apiVersion: projectcalico.org/v3
    /// kind: Tier
    /// metadata: {name: security}
    /// spec: {order: 100}
    /// ---
    /// apiVersion: projectcalico.org/v3
    /// kind: GlobalNetworkPolicy
    /// metadata: {name: secuirty.block}
    /// spec:
    ///   tier: secuirty
    ///   selector: all()
    ///   types: [Ingress]
    ///   ingress: [{action: Pass}]
    /// ```
    ///
    /// ## Use instead
    ///
    /// ```yaml
    /// apiVersion: projectcalico.org/v3
    /// kind: Tier
    /// metadata: {name: security}
    /// spec: {order: 100}
    /// ---
    /// apiVersion: projectcalico.org/v3
    /// kind: GlobalNetworkPolicy
    /// metadata: {name: security.block}
    /// spec:
    ///   tier: security
    ///   selector: all()
    ///   types: [Ingress]
    ///   ingress: [{action: Pass}]
    /// ```
    ///
    /// ## Fix safety
    ///
    /// There is no automatic fix: either the tier is missing or its name is misspelled.
    pub(super) struct CalicoUnknownTier {
        name: "calico-unknown-tier",
        summary: "a Calico policy names a tier that does not exist",
        category: Category::Plugins,
        severity: Severity::Error,
        tier: Stable,
        evidence: "no finding on the 16 Calico policies of a public repository",
        fix: None,
        mutes: &[],
        since: "0.1.0",
    }
}

impl Rule for CalicoUnknownTier {
    fn meta(&self) -> &'static RuleMeta {
        &Self::META
    }

    fn check_cluster(&self, cx: &mut Context<'_>) {
        for policy in plugin_rules::calico_policies(cx.cluster) {
            if let Some(finding) = check(cx, policy) {
                cx.report(finding);
            }
        }
    }
}

fn check(cx: &Context<'_>, policy: CalicoInForce<'_>) -> Option<Diagnostic> {
    let tier = policy.policy.tier.as_ref()?;
    let declared = cx.cluster.plugin_resources().tiers.iter();
    let declared: Vec<&str> = declared.map(|tier| tier.meta.name.as_str()).collect();
    let built_in = CalicoTier::BUILT_IN.map(|(name, _, _)| name);
    let is_known = |name: &str| declared.contains(&name) || built_in.contains(&name);
    if crate::k8s::is_opaque(tier) || is_known(tier) {
        return None;
    }
    let names = declared.iter().chain(&built_in).copied();
    let meant = names.clone().find(|name| near_miss::is_typo(tier, name));
    let is_complete = cx.settings.inventory.is_complete();
    let severity = match (meant, is_complete, declared.is_empty()) {
        (Some(_), _, _) | (None, true, _) => Severity::Error,
        (None, false, false) => Severity::Warning,
        // Whoever manages the tiers does so elsewhere.
        (None, false, true) => return None,
    };
    let finding = cx
        .finding(
            tier.span,
            format!("no manifest declares the tier `{}`", tier.value),
        )
        .with_severity(severity)
        .about(policy.object.display(), "spec.tier")
        .label("the API server rejects a policy of a tier that does not exist");
    Some(match meant {
        Some(meant) => finding.help(format!("did you mean `{meant}`?")),
        None => finding.note(format!(
            "the tiers are {}",
            words::names(&names.collect::<Vec<_>>())
        )),
    })
}
