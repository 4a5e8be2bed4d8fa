//! Policies without `policyTypes` whose defaults are not what they look like.

use crate::cluster::PolicyId;
use crate::diagnostic::{Diagnostic, Fix, FixClass, Severity};
use crate::k8s::{self, Direction, Field, NetworkPolicy};
use crate::lint::isolation::{self, Standing};
use crate::lint::{Category, Context, Rule, RuleMeta, declare_rule, rewrite};
use crate::source::Span;

declare_rule! {
    /// ## What it does
    ///
    /// Reports a policy without `policyTypes` where the default is surprising: one with only
    /// `egress` rules, which also isolates for ingress, and one with `egress: []`, which does
    /// not isolate for egress at all.
    ///
    /// ## Why is this bad?
    ///
    /// Without `policyTypes`, a policy always isolates for ingress, and for egress only if
    /// `egress` has at least one rule. So a policy about egress cuts off everybody who calls
    /// the pods, and an empty list that should deny all egress denies nothing. It is not
    /// reported if another policy isolates the same pods in that direction anyway, or if the
    /// policy's name says that it denies everything.
    ///
    /// ## Example
    ///
    /// ```yaml
    /// apiVersion: networking.k8s.io/v1
    /// kind: NetworkPolicy
    /// metadata: {name: api-egress, namespace: shop}
    /// spec:
    ///   podSelector: {matchLabels: {app: api}}
    ///   egress:
    ///     - to:
    ///         - podSelector: {matchLabels: {app: postgres}}
    /// ```
    ///
    /// ## Use instead
    ///
    /// ```yaml
    /// apiVersion: networking.k8s.io/v1
    /// kind: NetworkPolicy
    /// metadata: {name: api-egress, namespace: shop}
    /// spec:
    ///   podSelector: {matchLabels: {app: api}}
    ///   policyTypes: [Egress]
    ///   egress:
    ///     - to:
    ///         - podSelector: {matchLabels: {app: postgres}}
    /// ```
    ///
    /// ## Fix safety
    ///
    /// Safe: the fix writes down the types that already apply, so that the text says what the
    /// policy does. If that is not what you want, delete `Ingress` from the list. `egress: []`
    /// has no fix, because hardly anybody means its default.
    pub(super) struct ImplicitPolicyTypes {
        name: "implicit-policy-types",
        summary: "no `policyTypes`, and the default is not what the rules suggest",
        category: Category::Isolation,
        severity: Severity::Warning,
        tier: Stable,
        evidence: "no warning or error on 24 public repositories",
        fix: Some(FixClass::Safe),
        mutes: &[],
        since: "0.1.0",
    }
}

impl Rule for ImplicitPolicyTypes {
    fn meta(&self) -> &'static RuleMeta {
        &Self::META
    }

    fn check_network_policy(
        &self,
        cx: &mut Context<'_>,
        id: PolicyId,
        policy: &k8s::NetworkPolicy,
    ) {
        let is_known = policy.meta.is_accepted && policy.meta.holes.is_empty();
        if !policy.policy_types.items().is_empty() || !is_known {
            return;
        }
        let is_isolated_anyway =
            |direction| isolation::isolates_the_same_pods(cx.cluster, id, direction).is_some();
        let finding = match (&policy.ingress, &policy.egress) {
            (Field::Missing | Field::Null { .. }, Field::Value { key, value })
                if !value.is_empty()
                    && !is_named_deny_all(policy)
                    && !is_isolated_anyway(Direction::Ingress) =>
            {
                isolates_for_ingress(cx, id, policy, *key)
            }
            (_, Field::Value { key, value })
                if value.is_empty() && !is_isolated_anyway(Direction::Egress) =>
            {
                does_not_isolate_for_egress(cx, id, *key)
            }
            _ => return,
        };
        cx.report(finding);
    }
}

/// Whether the name says that nobody is to come in, so that the default is what is meant.
fn is_named_deny_all(policy: &NetworkPolicy) -> bool {
    ["deny-all", "default-deny", "isolate"]
        .iter()
        .any(|word| policy.meta.name.contains(word))
}

fn isolates_for_ingress(
    cx: &Context<'_>,
    id: PolicyId,
    policy: &NetworkPolicy,
    egress: Span,
) -> Diagnostic {
    let message = "without `policyTypes` this policy also isolates for ingress, and allows none";
    let finding = cx
        .policy_finding(id, "spec.egress", egress, message)
        .label("there are only `egress` rules, but nobody can connect to the selected pods")
        .help("write `policyTypes: [Egress]`, or `[Ingress, Egress]` to deny ingress too");
    let field = ("policyTypes", policy.policy_types.key());
    match rewrite::write_types(cx.sources, field, egress, &Direction::BOTH) {
        Some(edit) => finding.fix(Fix {
            title: "write down the types that apply".to_owned(),
            class: FixClass::Safe,
            edits: vec![edit],
        }),
        None => finding,
    }
}

fn does_not_isolate_for_egress(cx: &Context<'_>, id: PolicyId, egress: Span) -> Diagnostic {
    let message = "`egress: []` denies nothing: without `policyTypes` this is not an egress policy";
    cx.policy_finding(id, "spec.egress", egress, message)
        .label(match Standing::of_pods_of(cx, id, Direction::Egress) {
            Standing::Open => "egress of the selected pods stays open",
            Standing::Isolated | Standing::Unclear => "isolates no pods for egress",
        })
        .help("write `policyTypes: [Ingress, Egress]` to deny egress, or delete the line")
}
