//! Groups of addresses that a policy of Cilium's names and that nobody declares.

use crate::diagnostic::{Diagnostic, Severity};
use crate::k8s::{CiliumAddresses, CiliumPeers, is_opaque};
use crate::lint::plugin_rules::{self, CiliumPlace};
use crate::lint::{Category, Context, Rule, RuleMeta, declare_rule, near_miss};
use crate::source::Spanned;

declare_rule! {
    /// ## What it does
    ///
    /// Reports a `cidrGroupRef` that names no `CiliumCIDRGroup` of the manifests, if the name is
    /// close to one that exists, or the configuration says that the manifests are complete.
    ///
    /// ## Why is this bad?
    ///
    /// A group that does not exist has no addresses: the rule allows, or denies, nobody, and
    /// neither the API server nor the agent says so.
    ///
    /// ## Example
    ///
    /// ```yaml
    /// apiVersion: cilium.io/v2
    /// kind: CiliumCIDRGroup
    /// metadata: {name: offices}
    /// spec: {externalCIDRs: [198.51.100.0/24]}
    /// ---
    /// apiVersion: cilium.io/v2
    /// kind: CiliumNetworkPolicy
    /// metadata: {name: web, namespace: shop}
    /// spec:
    ///   endpointSelector: {matchLabels: {app: web}}
    ///   ingress:
    ///     - fromCIDRSet: [{cidrGroupRef: ofices}]
    /// ```
    ///
    /// ## Use instead
    ///
    /// ```yaml
    /// apiVersion: cilium.io/v2
    /// kind: CiliumCIDRGroup
    /// metadata: {name: offices}
    /// spec: {externalCIDRs: [198.51.100.0/24]}
    /// ---
    /// apiVersion: cilium.io/v2
    /// kind: CiliumNetworkPolicy
    /// metadata: {name: web, namespace: shop}
    /// spec:
    ///   endpointSelector: {matchLabels: {app: web}}
    ///   ingress:
    ///     - fromCIDRSet: [{cidrGroupRef: offices}]
    /// ```
    ///
    /// ## Fix safety
    ///
    /// There is no automatic fix: either the group is missing or its name is misspelled.
    pub(super) struct CiliumUnknownCidrGroup {
        name: "cilium-unknown-cidr-group",
        summary: "a Cilium policy names a group of addresses that does not exist",
        category: Category::Plugins,
        severity: Severity::Warning,
        tier: Preview,
        evidence: "written for a policy that somebody tried",
        fix: None,
        mutes: &[],
        since: "0.1.0",
    }
}

impl Rule for CiliumUnknownCidrGroup {
    fn meta(&self) -> &'static RuleMeta {
        &Self::META
    }

    fn check_cluster(&self, cx: &mut Context<'_>) {
        let program = cx.program();
        for place in plugin_rules::cilium_rules(cx.cluster, &program) {
            let fields = place.rule.peer_fields.iter();
            for field in fields {
                let CiliumPeers::CidrSets(sets) = &field.peers else {
                    continue;
                };
                for (index, set) in sets.iter().enumerate() {
                    if let CiliumAddresses::Group(group) = &set.addresses
                        && let Some(finding) = check(cx, &place, group)
                    {
                        let path = format!("{}.{}[{index}]", place.path(), field.name);
                        cx.report(finding.about(place.policy.object.display(), path));
                    }
                }
            }
        }
    }
}

/// A group by its name, if nobody declares it.
fn check(
    cx: &Context<'_>,
    place: &CiliumPlace<'_, '_>,
    group: &Spanned<String>,
) -> Option<Diagnostic> {
    let declared = cx.cluster.plugin_resources().cidr_groups.iter();
    let declared: Vec<&str> = declared.map(|group| group.meta.name.as_str()).collect();
    let name = group.value.as_str();
    if is_opaque(name) || declared.iter().any(|it| *it == name || is_opaque(it)) {
        return None;
    }
    let meant = declared.iter().find(|it| near_miss::is_typo(name, it));
    if meant.is_none() && !cx.settings.inventory.is_complete() {
        return None;
    }
    let verb = match place.rule.section.is_deny() {
        true => "denies",
        false => "allows",
    };
    let finding = cx
        .finding(
            group.span,
            format!("no manifest declares the group `{name}`"),
        )
        .label(format!("has no addresses, so this entry {verb} nobody"));
    Some(match meant {
        Some(meant) => finding.help(format!("did you mean `{meant}`?")),
        None => finding.help("declare a `CiliumCIDRGroup` of this name, or remove the entry"),
    })
}
