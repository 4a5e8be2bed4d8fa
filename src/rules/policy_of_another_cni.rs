//! Policies of a CNI plugin that is not the one in force.

use crate::cluster::{Cni, Evidence};
use crate::diagnostic::Severity;
use crate::k8s::{PluginPolicy, PolicyEffect, Product};
use crate::lint::{Category, Context, Rule, RuleMeta, declare_rule, words};
use std::collections::BTreeMap;

declare_rule! {
    /// ## What it does
    ///
    /// Reports policies of a CNI plugin in a cluster that uses another one. npcheck knows the
    /// plugin from the configuration or from what the manifests install. If the manifests hold
    /// policies of two plugins, only one of them can be in use. There is one finding per kind.
    ///
    /// ## Why is this bad?
    ///
    /// If the CRD is installed, the API server stores the policy, but nothing enforces it: the
    /// pods are as open as without it.
    ///
    /// ## Example
    ///
    /// ```yaml
    /// # npcheck.yaml: {cni: cilium}
    /// apiVersion: projectcalico.org/v3
    /// kind: GlobalNetworkPolicy
    /// metadata: {name: default-deny}
    /// spec:
    ///   selector: all()
    ///   types: [Ingress]
    /// ```
    ///
    /// ## Use instead
    ///
    /// ```yaml
    /// # npcheck.yaml: {cni: cilium}
    /// apiVersion: cilium.io/v2
    /// kind: CiliumClusterwideNetworkPolicy
    /// metadata: {name: default-deny}
    /// spec:
    ///   endpointSelector: {}
    ///   ingress: [{}]
    /// ```
    ///
    /// ## Fix safety
    ///
    /// There is no automatic fix: write the policy in a form that your CNI plugin enforces.
    pub(super) struct PolicyOfAnotherCni {
        name: "policy-of-another-cni",
        summary: "a policy for a CNI plugin that the cluster does not use",
        category: Category::Plugins,
        severity: Severity::Warning,
        tier: Stable,
        evidence: "no finding on the public repositories that have Cilium or Calico policies",
        fix: None,
        mutes: &[],
        since: "0.1.0",
    }
}

impl Rule for PolicyOfAnotherCni {
    fn meta(&self) -> &'static RuleMeta {
        &Self::META
    }

    fn check_cluster(&self, cx: &mut Context<'_>) {
        match cx.cluster.enforcement().cni() {
            Some(cni) => {
                let why = match &cni.evidence {
                    Evidence::Object { name, .. } => format!("`{name}` shows that"),
                    Evidence::CommandLine => "the command line says that".to_owned(),
                    _ => "the configuration says that".to_owned(),
                };
                let place = match &cni.evidence {
                    Evidence::Object { span, .. } => Some(*span),
                    _ => None,
                };
                for (_, policies) in by_kind(cni.value, cx.cluster.inert_policies()) {
                    let plugin = cni.value.name();
                    let note = format!("{why} the CNI plugin is {plugin}");
                    let message = format!(
                        "nothing enforces {}: the CNI plugin is {plugin}",
                        count(&policies)
                    );
                    let finding = describe(cx, &policies, message);
                    let finding = match place {
                        Some(span) => finding.related(span, format!("shows that it is {plugin}")),
                        None => finding.note(note),
                    };
                    cx.report(finding);
                }
            }
            None => two_plugins(cx),
        }
    }
}

/// Policies of several plugins, where nothing tells which one is in force: those of the one
/// with fewer of them are marked.
fn two_plugins(cx: &mut Context<'_>) {
    let policies = cx.cluster.plugin_policies().iter().map(AsRef::as_ref);
    let of_plugins = policies.filter(|policy| policy.shows_its_product());
    let mut by_plugin: Vec<(Cni, Vec<&PluginPolicy>)> = Vec::new();
    for policy in of_plugins {
        let Some(cni) = Cni::of(policy.kind.product) else {
            continue;
        };
        match by_plugin.iter_mut().find(|(known, _)| *known == cni) {
            Some((_, policies)) => policies.push(policy),
            None => by_plugin.push((cni, vec![policy])),
        }
    }
    let Some((most, of_most)) = by_plugin.iter().max_by_key(|(_, policies)| policies.len()) else {
        return;
    };
    // Google's Dataplane V2 is made of Cilium: what is of both is of one cluster.
    let mut of_most = of_most.iter();
    let of_both = [Cni::Cilium, Cni::GkeDataplaneV2];
    let is_dataplane_v2 =
        of_both.contains(most) && by_plugin.iter().all(|(it, _)| of_both.contains(it));
    let (true, Some(first)) = (!is_dataplane_v2, of_most.next()) else {
        return;
    };
    let mut findings = Vec::new();
    for (plugin, policies) in &by_plugin {
        if plugin == most {
            continue;
        }
        for (_, policies) in by_kind(*most, policies.iter().copied()) {
            let name = most.name();
            let message = format!(
                "nothing enforces {} if the CNI plugin is {name}",
                count(&policies)
            );
            let finding = describe(cx, &policies, message)
                .related(first.meta.name.span, format!("a policy of {name}"))
                .help(
                    "set `cni:` to the plugin of this cluster, or ignore the manifests of another",
                );
            findings.push(finding);
        }
    }
    for finding in findings {
        cx.report(finding);
    }
}

fn by_kind<'c>(
    cni: Cni,
    policies: impl Iterator<Item = &'c PluginPolicy>,
) -> BTreeMap<&'static str, Vec<&'c PluginPolicy>> {
    let mut by_kind: BTreeMap<&str, Vec<&PluginPolicy>> = BTreeMap::new();
    for policy in policies {
        let is_meant = policy.meta.is_accepted && policy.kind.effect == PolicyEffect::Decides;
        if is_meant && !(cni == Cni::GkeDataplaneV2 && is_of_dataplane_v2(policy)) {
            by_kind
                .entry(policy.kind.qualified)
                .or_default()
                .push(policy);
        }
    }
    by_kind
}

/// Whether Google's Dataplane V2 enforces the kind, which is made of Cilium: its own, and the
/// cluster-wide one of Cilium.
fn is_of_dataplane_v2(policy: &PluginPolicy) -> bool {
    policy.kind.product == Product::Gke || policy.kind.name == "CiliumClusterwideNetworkPolicy"
}

fn count(policies: &[&PluginPolicy]) -> String {
    let (kind, product) = (policies[0].kind.name, policies[0].kind.product.name());
    match policies.len() {
        1 => format!("this `{kind}` of {product}"),
        several => format!("{several} policies of kind `{kind}` ({product})"),
    }
}

fn describe(
    cx: &Context<'_>,
    policies: &[&PluginPolicy],
    message: String,
) -> crate::diagnostic::Diagnostic {
    let first = policies[0];
    let finding = cx
        .finding(first.meta.name.span, message)
        .about(first.display(), "metadata.name")
        .label("the pods that it selects are as open as without it");
    if policies.len() == 1 {
        return finding;
    }
    let names: Vec<String> = policies.iter().map(|policy| policy.display()).collect();
    finding.note(format!("these are {}", words::names(&names)))
}
