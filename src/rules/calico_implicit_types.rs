//! Policies of Calico's without `types`, where the default is not what one would think.

use crate::diagnostic::{Diagnostic, Fix, FixClass, Severity};
use crate::k8s::{Direction, Field};
use crate::lint::plugin_rules::{self, CalicoInForce};
use crate::lint::{Category, Context, Rule, RuleMeta, declare_rule, rewrite};
use crate::source::Span;

declare_rule! {
    /// ## What it does
    ///
    /// Flags policies of Calico's without `types` where the default surprises: only `egress`
    /// rules, which leave ingress open, an empty list of rules, which different versions of
    /// Calico read differently, and `crd.projectcalico.org/v1`, where nothing fills the field
    /// in.
    ///
    /// ## Why is this bad?
    ///
    /// Without `types` a policy with `egress` rules alone is for egress only. The same text as a
    /// NetworkPolicy would isolate for ingress, too. `egress: []` was no rule for calicoctl and
    /// the API server of Calico, and is a field that is there for newer versions: whether egress
    /// is denied depends on who fills in the default. A policy that is written for the storage
    /// itself denies both directions.
    ///
    /// ## Example
    ///
    /// ```yaml
    /// apiVersion: projectcalico.org/v3
    /// kind: NetworkPolicy
    /// metadata: {name: web, namespace: shop}
    /// spec:
    ///   selector: app == 'web'
    ///   egress: []
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
    ///   types: [Egress]
    ///   egress: []
    /// ```
    ///
    /// ## Fix safety
    ///
    /// Safe: the fix writes the types that are in force. There is none where that depends on the
    /// version.
    pub(super) struct CalicoImplicitTypes {
        name: "calico-implicit-types",
        summary: "a Calico policy without `types`, where the default surprises",
        category: Category::Plugins,
        severity: Severity::Warning,
        tier: Stable,
        evidence: "no finding on the 16 Calico policies of a public repository",
        fix: Some(FixClass::Safe),
        mutes: &[],
        since: "0.1.0",
    }
}

impl Rule for CalicoImplicitTypes {
    fn meta(&self) -> &'static RuleMeta {
        &Self::META
    }

    fn check_cluster(&self, cx: &mut Context<'_>) {
        for policy in plugin_rules::calico_policies(cx.cluster) {
            let is_known = policy.object.meta.opaque.is_none();
            if policy.policy.types.items().is_empty() && is_known {
                let finding = check(cx, policy);
                if let Some(finding) = finding {
                    cx.report(finding);
                }
            }
        }
    }
}

fn check(cx: &Context<'_>, policy: CalicoInForce<'_>) -> Option<Diagnostic> {
    let spec = policy.policy;
    let (ingress, egress) = (&spec.ingress, &spec.egress);
    let has = |field: &Field<Vec<_>>| !field.items().is_empty();
    let empty = |field: &Field<Vec<_>>| match field {
        Field::Value { key, value } if value.is_empty() => Some(*key),
        _ => None,
    };
    if spec.is_raw {
        if has(ingress) && has(egress) {
            return None;
        }
        let message = "nothing fills in `types` for `crd.projectcalico.org/v1`: both directions are \
                       isolated";
        let open = match (has(ingress), has(egress)) {
            (true, _) => "nothing may leave the selected pods",
            (_, true) => "nobody may connect to the selected pods",
            _ => "nobody may connect, and nothing may leave",
        };
        let key = egress.key().or(ingress.key());
        let finding = cx
            .finding(key.unwrap_or(policy.object.meta.name.span), message)
            .about(policy.object.display(), "spec.types")
            .label(open)
            .help("write `types`, or use `projectcalico.org/v3`");
        return Some(with_fix(cx, finding, policy, key, &Direction::BOTH));
    }
    let is_ambiguous = match (empty(ingress), empty(egress)) {
        (_, Some(key)) if !has(egress) => Some((key, "egress")),
        (Some(key), _) if has(egress) => Some((key, "ingress")),
        _ => None,
    };
    if let Some((key, name)) = is_ambiguous {
        let message = format!(
            "whether `{name}: []` isolates depends on the version of Calico, as `types` is missing"
        );
        let finding = cx
            .finding(key, message)
            .about(policy.object.display(), format!("spec.{name}"))
            .label("no rules to some versions, a field that is there to others")
            .help("write `types`");
        return Some(finding);
    }
    if has(egress) && !has(ingress) {
        let key = egress.key()?;
        let finding = cx
            .finding(
                key,
                "without `types` this policy is for egress only, and ingress stays open",
            )
            .with_severity(Severity::Info)
            .about(policy.object.display(), "spec.types")
            .label("the same as a NetworkPolicy would isolate for ingress, too")
            .help("write `types: [Egress]`, or `[Ingress, Egress]` to deny ingress as well");
        return Some(with_fix(
            cx,
            finding,
            policy,
            Some(key),
            &[Direction::Egress],
        ));
    }
    None
}

/// The finding with a fix that writes the types.
fn with_fix(
    cx: &Context<'_>,
    finding: Diagnostic,
    policy: CalicoInForce<'_>,
    before: Option<Span>,
    types: &[Direction],
) -> Diagnostic {
    let field = policy.policy.types.key();
    let edit =
        before.and_then(|before| rewrite::write_types(cx.sources, ("types", field), before, types));
    match edit {
        Some(edit) => finding.fix(Fix {
            title: "write the types that are in force".to_owned(),
            class: FixClass::Safe,
            edits: vec![edit],
        }),
        None => finding,
    }
}
