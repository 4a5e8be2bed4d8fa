//! Rules of a direction that the policy's own `policyTypes` leaves out.

use crate::cluster::PolicyId;
use crate::diagnostic::{Fix, FixClass, Severity};
use crate::k8s::{self, Direction, Field, LabelSelector, Labels};
use crate::lint::isolation::{self, Standing};
use crate::lint::{Category, Context, Rule, RuleMeta, declare_rule, plugin_rules, text};
use crate::source::{Edit, SourceMap, Span, Spanned};

declare_rule! {
    /// ## What it does
    ///
    /// Reports `egress` (or `ingress`) rules of a policy whose `policyTypes` does not list that
    /// direction, and those of a Calico policy whose `types` does not.
    ///
    /// ## Why is this bad?
    ///
    /// Kubernetes ignores the rules. The policy does not isolate the pods in that direction, so
    /// everything that the rules seem to leave out is open; where another policy isolates them,
    /// what the rules seem to allow is denied. At least one cloud provider's controller
    /// enforces such rules anyway, so the policy even means different things in different
    /// clusters. Cilium enforces them too, so that nothing is reported where it is the CNI plugin.
    ///
    /// ## Example
    ///
    /// ```yaml
    /// apiVersion: networking.k8s.io/v1
    /// kind: NetworkPolicy
    /// metadata:
    ///   name: vault
    ///   namespace: vault
    /// spec:
    ///   podSelector: {}
    ///   policyTypes:
    ///     - Ingress
    ///   egress:
    ///     - ports:
    ///         - {protocol: TCP, port: 8200}
    /// ```
    ///
    /// ## Use instead
    ///
    /// ```yaml
    /// apiVersion: networking.k8s.io/v1
    /// kind: NetworkPolicy
    /// metadata:
    ///   name: vault
    ///   namespace: vault
    /// spec:
    ///   podSelector: {}
    ///   policyTypes:
    ///     - Ingress
    ///     - Egress
    ///   egress:
    ///     - ports:
    ///         - {protocol: TCP, port: 8200}
    /// ```
    ///
    /// ## Fix safety
    ///
    /// Narrowing: the fix adds the type, which isolates the pods in that direction. Check what
    /// it cuts off, DNS above all. If other policies already isolate the pods, it is widening,
    /// because the rules take effect.
    pub(super) struct IgnoredRules {
        name: "ignored-rules",
        summary: "rules that are ignored because `policyTypes` leaves out their direction",
        category: Category::Isolation,
        severity: Severity::Error,
        tier: Stable,
        evidence: "2 of 2 warnings and errors on 82 public repositories (58 of them in excerpts) judged right",
        fix: Some(FixClass::Narrowing),
        mutes: &[],
        since: "0.1.0",
    }
}

impl Rule for IgnoredRules {
    fn meta(&self) -> &'static RuleMeta {
        &Self::META
    }

    fn check_network_policy(
        &self,
        cx: &mut Context<'_>,
        id: PolicyId,
        policy: &k8s::NetworkPolicy,
    ) {
        let Field::Value {
            key: types_key,
            value: types,
        } = &policy.policy_types
        else {
            return;
        };
        for direction in Direction::BOTH {
            let Field::Value { key, value: rules } = policy.rules_field(direction) else {
                continue;
            };
            let is_in_force = cx.cluster.enforcement().applies(policy, direction);
            if types.is_empty() || rules.is_empty() || is_in_force {
                continue;
            }
            let (field, policy_type) = (direction.field(), direction.policy_type());
            let count = rules.len();
            let noun = if count == 1 { "rule is" } else { "rules are" };
            let message = format!(
                "{count} `{field}` {noun} ignored: `policyTypes` does not list `{policy_type}`"
            );
            let mut finding = cx
                .policy_finding(id, format!("spec.{field}"), *key, message)
                .label(match Standing::of_pods_of(cx, id, direction) {
                    Standing::Open => {
                        format!("ignored, so {field} of the selected pods stays open")
                    }
                    Standing::Isolated => {
                        "ignored: other policies isolate the selected pods, and what these rules \
                         allow is denied"
                            .to_owned()
                    }
                    Standing::Unclear => {
                        "ignored: they allow nothing, and isolate no pods".to_owned()
                    }
                })
                .related(*types_key, format!("`{policy_type}` is not listed here"))
                .help(format!(
                    "add `{policy_type}` to `policyTypes`, or delete the `{field}` rules"
                ));
            let edit = add_type(cx.sources, types, direction);
            if let (Some(edit), Some(class)) = (edit, class(cx, id, policy, direction)) {
                finding = finding.fix(Fix {
                    title: format!("add `{policy_type}` to `policyTypes`"),
                    class,
                    edits: vec![edit],
                });
            }
            cx.report(finding);
        }
    }

    fn check_cluster(&self, cx: &mut Context<'_>) {
        for policy in plugin_rules::calico_policies(cx.cluster) {
            let Field::Value { key: types_key, .. } = &policy.policy.types else {
                continue;
            };
            for direction in Direction::BOTH {
                let Field::Value { key, value: rules } = policy.policy.rules_field(direction)
                else {
                    continue;
                };
                if rules.is_empty() || policy.policy.applies_to(direction) {
                    continue;
                }
                let (field, policy_type) = (direction.field(), direction.policy_type());
                let noun = if rules.len() == 1 {
                    "rule is"
                } else {
                    "rules are"
                };
                let message = format!(
                    "{} `{field}` {noun} ignored: `types` does not list `{policy_type}`",
                    rules.len()
                );
                let finding = cx
                    .finding(*key, message)
                    .about(policy.object.display(), format!("spec.{field}"))
                    .label("ignored: they decide nothing")
                    .related(*types_key, format!("`{policy_type}` is not listed here"))
                    .help(format!(
                        "add `{policy_type}` to `types`, or delete the `{field}` rules"
                    ));
                cx.report(finding);
            }
        }
    }
}

/// What it does that the pods of the policy, or those that it was written for, are isolated.
fn class(
    cx: &Context<'_>,
    id: PolicyId,
    policy: &k8s::NetworkPolicy,
    direction: Direction,
) -> Option<FixClass> {
    let written_for = policy
        .pod_selector
        .get()
        .map_or_else(|| Some(Labels::default()), LabelSelector::satisfying_labels);
    let selected = cx.engine.selected(id).iter();
    let mut pods: Vec<&Labels> = selected
        .map(|id| &cx.cluster.workload(*id).object.labels)
        .collect();
    if pods.is_empty() {
        pods.extend(&written_for);
    }
    isolation::class_of_isolating(cx, id, &pods, &[direction])
}

/// Adds a type behind the last one, in the style of the list: an item of its own line, or
/// one more between the brackets.
fn add_type(
    sources: &SourceMap,
    types: &[Spanned<Direction>],
    direction: Direction,
) -> Option<Edit> {
    let last = types.last()?.span;
    let policy_type = direction.policy_type();
    let Some(indentation) = text::indentation(sources, last) else {
        return Some(Edit {
            span: last.after(),
            replacement: format!(", {policy_type}"),
        });
    };
    let source = sources.get(last.source).text();
    let line = last.start as usize - indentation;
    let lead = &source[line..last.start as usize];
    if lead.trim() == "-" {
        return Some(text::insert_lines_after(
            sources,
            last,
            &[format!("{lead}{policy_type}")],
        ));
    }
    // A flow list over several lines: a comma after the last item serves it too.
    let rest = &source[Span::after(last).start as usize..];
    rest.trim_start().starts_with([']', ',']).then(|| Edit {
        span: last.after(),
        replacement: format!(", {policy_type}"),
    })
}
