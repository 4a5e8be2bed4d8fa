//! Policies of CNI plugins that only deny, and by that close everything.

use crate::cluster::{PluginPolicyId, WorkloadId};
use crate::diagnostic::{Diagnostic, Severity};
use crate::engine::{Endpoint, PolicyRef, RuleRef};
use crate::k8s::{Action, CalicoAction, Direction, Product};
use crate::lint::plugin_rules::{self, EnforcedRules};
use crate::lint::{Category, Context, Rule, RuleMeta, declare_rule, entrance, words};
use crate::source::Span;
use std::collections::BTreeMap;

declare_rule! {
    /// ## What it does
    ///
    /// Reports policies of Cilium and Calico that have only deny rules for a direction, where
    /// nothing else allows the selected pods anything in it.
    ///
    /// ## Why is this bad?
    ///
    /// A policy isolates the pods that it selects, even if it only denies: whatever no rule
    /// allows is denied as well. So a policy that is meant to block one peer, such as the
    /// metadata service or another namespace, blocks all of them. Where other policies allow
    /// something, nobody notices; other pods are cut off.
    ///
    /// Policies whose deny rules are for everybody are not reported.
    ///
    /// ## Example
    ///
    /// ```yaml
    /// apiVersion: apps/v1
    /// kind: Deployment
    /// metadata: {name: web, namespace: shop}
    /// spec:
    ///   selector: {matchLabels: {app: web}}
    ///   template:
    ///     metadata: {labels: {app: web}}
    ///     spec: {containers: [{name: web, image: example/web:1}]}
    /// ---
    /// apiVersion: cilium.io/v2
    /// kind: CiliumNetworkPolicy
    /// metadata: {name: no-metadata-service, namespace: shop}
    /// spec:
    ///   endpointSelector: {}
    ///   egressDeny:
    ///     - toCIDR: [169.254.169.254/32]
    /// ```
    ///
    /// ## Use instead
    ///
    /// ```yaml
    /// apiVersion: apps/v1
    /// kind: Deployment
    /// metadata: {name: web, namespace: shop}
    /// spec:
    ///   selector: {matchLabels: {app: web}}
    ///   template:
    ///     metadata: {labels: {app: web}}
    ///     spec: {containers: [{name: web, image: example/web:1}]}
    /// ---
    /// apiVersion: cilium.io/v2
    /// kind: CiliumNetworkPolicy
    /// metadata: {name: no-metadata-service, namespace: shop}
    /// spec:
    ///   endpointSelector: {}
    ///   enableDefaultDeny: {egress: false}
    ///   egressDeny:
    ///     - toCIDR: [169.254.169.254/32]
    /// ```
    ///
    /// ## Fix safety
    ///
    /// There is no automatic fix: the pods may be meant to be closed.
    pub(super) struct DenyOnlyPolicy {
        name: "deny-only-policy",
        summary: "a policy that only denies, and so closes everything",
        category: Category::Plugins,
        severity: Severity::Warning,
        tier: Preview,
        evidence: "written for policies that somebody tried",
        fix: None,
        mutes: &[],
        since: "0.1.0",
    }
}

impl Rule for DenyOnlyPolicy {
    fn meta(&self) -> &'static RuleMeta {
        &Self::META
    }

    fn check_cluster(&self, cx: &mut Context<'_>) {
        let denials = denials(cx);
        if denials.is_empty() {
            return;
        }
        for (cause, pods) in cut_off(cx, &denials) {
            let finding = describe(cx, cause, &denials[&cause], &pods);
            cx.report(finding);
        }
    }
}

/// What a policy says in a direction.
type Side = (PluginPolicyId, Direction);

/// The first rule of a policy that only denies in a direction: what to underline, and its place.
struct Denial {
    span: Span,
    path: String,
}

/// The policies that only deny in a direction, and not everybody.
fn denials(cx: &Context<'_>) -> BTreeMap<Side, Denial> {
    let program = cx.program();
    let enforced = plugin_rules::enforced(&program);
    // What is written of each, in the order of the text; `None` for what is no denial of some.
    let mut written: BTreeMap<Side, Vec<Option<Denial>>> = BTreeMap::new();
    for place in plugin_rules::cilium_rules(cx.cluster, &program) {
        let is_denial = place.rule.section.is_deny()
            && denies_some(&enforced, place.policy.id, place.rule.span);
        let denial = is_denial.then(|| Denial {
            span: place.mark(cx.sources),
            path: place.path(),
        });
        let side = (place.policy.id, place.rule.section.direction());
        written.entry(side).or_default().push(denial);
    }
    for place in plugin_rules::calico_rules(cx.cluster) {
        if place.rule.action.value == CalicoAction::Log {
            continue;
        }
        let is_denial = place.rule.action.value == CalicoAction::Deny
            && denies_some(&enforced, place.policy.id, place.rule.span);
        let denial = is_denial.then(|| Denial {
            span: place.rule.action.span,
            path: place.path(),
        });
        let side = (place.policy.id, place.direction);
        written.entry(side).or_default().push(denial);
    }
    let is_known = |id: PluginPolicyId| cx.cluster.plugin_policy(id).meta.holes.is_empty();
    let known = written.into_iter().filter(|((id, _), _)| is_known(*id));
    let only_denials = known.filter_map(|(side, rules)| {
        let rules: Option<Vec<Denial>> = rules.into_iter().collect();
        Some((side, rules?.into_iter().next()?))
    });
    only_denials.collect()
}

/// Whether a rule that denies is about some peers or ports.
fn denies_some(enforced: &EnforcedRules<'_, '_>, policy: PluginPolicyId, rule: Span) -> bool {
    let rules = enforced.get(&(policy, rule)).into_iter().flatten();
    rules
        .into_iter()
        .all(|(_, rule)| rule.peers.is_some() || rule.ports.is_some())
}

/// The pods that only such policies isolate in a direction, and that nothing lets through, by the
/// first of these policies.
fn cut_off(cx: &Context<'_>, denials: &BTreeMap<Side, Denial>) -> BTreeMap<Side, Vec<WorkloadId>> {
    let cluster = cx.cluster;
    let unjudged = cx.unjudged();
    let mut found: BTreeMap<Side, Vec<WorkloadId>> = BTreeMap::new();
    for id in cluster.workload_ids() {
        let workload = cluster.workload(id);
        let is_known = workload.object.meta.is_accepted && !workload.object.host_network;
        if !is_known || unjudged.is_unknown_in(cluster, workload.namespace) {
            continue;
        }
        for direction in Direction::BOTH {
            let isolating = cx.engine.isolated_by(id, direction).into_iter();
            let only_denies = |policy| match policy {
                PolicyRef::Plugin(id) => {
                    Some((id, direction)).filter(|side| denials.contains_key(side))
                }
                _ => None,
            };
            let sides: Option<Vec<Side>> = isolating.map(only_denies).collect();
            if let Some([first, ..]) = sides.as_deref()
                && !is_let_through(cx, id, direction)
            {
                found.entry(*first).or_default().push(id);
            }
        }
    }
    found
}

/// Whether anything may let a pod's connections through in a direction, but those of its own node.
fn is_let_through(cx: &Context<'_>, id: WorkloadId, direction: Direction) -> bool {
    let pods = Endpoint::workload(cx.cluster, id);
    let anybody = entrance::anybody();
    let (from, to) = match direction {
        Direction::Ingress => (&anybody, &pods),
        Direction::Egress => (&pods, &anybody),
    };
    let explanation = cx.engine.judge().explain(from, to);
    explanation.ways.iter().any(|way| {
        let side = match direction {
            Direction::Ingress => &way.ingress,
            Direction::Egress => &way.egress,
        };
        let mut rules = side.rules();
        rules.any(|rule| {
            rule.is_opaque
                || rule.action != Action::Deny && !matches!(rule.rule, RuleRef::OwnNode(_))
        })
    })
}

fn describe(
    cx: &Context<'_>,
    (id, direction): Side,
    denial: &Denial,
    pods: &[WorkloadId],
) -> Diagnostic {
    let policy = cx.cluster.plugin_policy(id);
    let whose = match pods {
        [one] => format!("`{}`", cx.cluster.workload_name(*one)),
        several => format!("{} workloads", several.len()),
    };
    let message = match direction {
        Direction::Ingress => {
            format!("this policy only denies, so nobody can connect to {whose}")
        }
        Direction::Egress => {
            format!("this policy only denies, so {whose} cannot connect to anybody")
        }
    };
    let field = direction.field();
    let help = match policy.kind.product {
        Product::Cilium => {
            let everybody = match direction {
                Direction::Ingress => "fromEntities",
                Direction::Egress => "toEntities",
            };
            format!(
                "to deny only this, write `enableDefaultDeny: {{{field}: false}}`, or allow the rest: `{field}: [{{{everybody}: [all]}}]`"
            )
        }
        _ => format!("to deny only this, add `- action: Allow` as the last rule of `{field}`"),
    };
    let finding = cx
        .finding(denial.span, message)
        .about(policy.display(), denial.path.clone())
        .label("isolates the selected pods, and nothing allows them anything");
    let finding = match pods {
        [_] => finding,
        several => {
            let names: Vec<String> = several
                .iter()
                .map(|id| cx.cluster.workload_name(*id))
                .collect();
            finding.note(format!("cut off: {}", words::names(&names)))
        }
    };
    finding.help(help)
}
