//! Policies of Calico's without `types`, where the default is not what one would think.

use crate::diagnostic::{Diagnostic, Fix, FixClass, Severity};
use crate::k8s::{Direction, Field};
use crate::lint::plugin_rules::{self, CalicoInForce};
use crate::lint::{Category, Context, Rule, RuleMeta, declare_rule, rewrite};
use crate::source::Span;

declare_rule! {
    /// ## What it does
    ///
    /// Reports Calico policies without `types` where the default is surprising: only `egress`
    /// rules, which leave ingress open; an empty list of rules, which Calico versions read
    /// differently; and `crd.projectcalico.org/v1`, where nothing fills in the field.
    ///
    /// ## Why is this bad?
    ///
    /// Without `types`, a Calico policy with only `egress` rules applies to egress alone. The
    /// same text as a NetworkPolicy would isolate ingress as well. Older versions of calicoctl
    /// and the Calico API server treat `egress: []` as if there were no rules; newer ones treat
    /// the field as present. So whether egress is denied depends on what fills in the default.
    /// A policy written directly to the `crd.projectcalico.org/v1` storage denies both
    /// directions.
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
    /// Safe: the fix writes down the types that already apply. There is no fix if they depend
    /// on the version.
    pub(super) struct CalicoImplicitTypes {
        name: "calico-implicit-types",
        summary: "a Calico policy without `types`, where the default is surprising",
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
            let is_known = policy.object.meta.holes.is_empty();
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
            (true, _) => "nothing can leave the selected pods",
            (_, true) => "nobody can connect to the selected pods",
            _ => "nobody can connect, and nothing can leave",
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
            "without `types`, whether `{name}: []` isolates depends on the version of Calico"
        );
        let finding = cx
            .finding(key, message)
            .about(policy.object.display(), format!("spec.{name}"))
            .label("some versions read this as no rules, others as rules that match nothing")
            .help("write `types`");
        return Some(finding);
    }
    if has(egress) && !has(ingress) {
        let key = egress.key()?;
        let finding = cx
            .finding(
                key,
                "without `types` this policy applies to egress only, and does not isolate for \
                 ingress",
            )
            .with_severity(Severity::Info)
            .about(policy.object.display(), "spec.types")
            .label("a NetworkPolicy like this would isolate for ingress too")
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
            title: "write down the types that apply".to_owned(),
            class: FixClass::Safe,
            edits: vec![edit],
        }),
        None => finding,
    }
}
