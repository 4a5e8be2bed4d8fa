//! Namespaces in which a pod that nobody thought of is open.

use crate::diagnostic::Severity;
use crate::k8s::Direction;
use crate::lint::isolation::{self, Coverage};
use crate::lint::{Category, Context, Rule, RuleMeta, declare_rule, words};

declare_rule! {
    /// ## What it does
    ///
    /// Reports, as an info, a namespace that has workloads but no default deny: no policy
    /// isolates a pod that has no labels. There is one info per namespace, which names the
    /// workloads that no policy isolates today. If policies isolate every known workload one by
    /// one, it is reported only with a complete inventory.
    ///
    /// A default deny in a cluster-wide policy counts. The rule is silent if the manifests
    /// contain policies of kinds that npcheck does not evaluate. Without a complete inventory,
    /// it is also silent next to policy templates, and if a default deny has no namespace and
    /// so could be applied to any. Egress is only considered if some policy of the namespace
    /// does so, and with a complete inventory. Platform namespaces, and objects without a
    /// namespace, are not reported.
    ///
    /// ## Why is this bad?
    ///
    /// Kubernetes allows everything that no policy restricts. Without a default deny, the next
    /// workload, or one with a mistyped label, can talk to everybody, and nothing tells you.
    ///
    /// ## Example
    ///
    /// ```yaml
    /// apiVersion: apps/v1
    /// kind: Deployment
    /// metadata: {name: web, namespace: shop}
    /// spec:
    ///   template:
    ///     metadata: {labels: {app: web}}
    ///     spec: {containers: [{name: web, image: web}]}
    /// ```
    ///
    /// ## Use instead
    ///
    /// ```yaml
    /// apiVersion: apps/v1
    /// kind: Deployment
    /// metadata: {name: web, namespace: shop}
    /// spec:
    ///   template:
    ///     metadata: {labels: {app: web}}
    ///     spec: {containers: [{name: web, image: web}]}
    /// ---
    /// apiVersion: networking.k8s.io/v1
    /// kind: NetworkPolicy
    /// metadata: {name: default-deny, namespace: shop}
    /// spec:
    ///   podSelector: {}
    ///   policyTypes: [Ingress]
    /// ```
    ///
    /// ## Fix safety
    ///
    /// There is no automatic fix: a default deny cuts off whatever no policy allows yet, and
    /// DNS first of all if it covers egress.
    pub(super) struct NoDefaultDeny {
        name: "no-default-deny",
        summary: "a namespace without a default deny policy",
        category: Category::Isolation,
        severity: Severity::Info,
        tier: Stable,
        evidence: "no warning or error on 24 public repositories, 12 infos",
        fix: None,
        mutes: &["unprotected-workload"],
        since: "0.1.0",
    }
}

impl Rule for NoDefaultDeny {
    fn meta(&self) -> &'static RuleMeta {
        &Self::META
    }

    fn check_cluster(&self, cx: &mut Context<'_>) {
        for coverage in Coverage::of_all(cx) {
            check(cx, &coverage);
        }
    }
}

fn check(cx: &mut Context<'_>, coverage: &Coverage) {
    let namespace = coverage.namespace;
    let name = &cx.cluster.namespace(namespace).name;
    let is_complete = cx.settings.inventory.is_complete_in(name);
    let is_missing = |direction: &Direction| {
        coverage.is_looked_at(*direction)
            && !isolation::has_default_deny(cx, namespace, *direction)
            && (is_complete || !coverage.open(cx, *direction).is_empty())
    };
    let missing: Vec<Direction> = Direction::BOTH.into_iter().filter(is_missing).collect();
    let Some((first, others)) = missing.split_first() else {
        return;
    };
    let directions = match others {
        [] => first.field().to_owned(),
        _ => "ingress and egress".to_owned(),
    };
    let message = format!("namespace `{name}` has no default deny for {directions}");
    let mut finding = cx
        .finding(coverage.anchor, message)
        .about(format!("Namespace/{name}"), "")
        .label("a pod that no policy selects is open")
        .help("add a policy with `podSelector: {}`, and a rule for DNS if it denies egress");
    for direction in missing {
        let open = coverage.open(cx, direction);
        let names: Vec<String> = open
            .iter()
            .map(|id| cx.cluster.workload_name(*id))
            .collect();
        let field = direction.field();
        finding = finding.note(match open.len() {
            0 => format!("every known workload is isolated for {field}"),
            _ => format!("not isolated for {field}: {}", words::names(&names)),
        });
    }
    cx.report(finding);
}
