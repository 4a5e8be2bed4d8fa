//! Namespaces in which a pod that nobody thought of is open.

use crate::diagnostic::Severity;
use crate::k8s::Direction;
use crate::lint::isolation::{self, Coverage};
use crate::lint::{Category, Context, Rule, RuleMeta, declare_rule, words};

declare_rule! {
    /// ## What it does
    ///
    /// Infos on a namespace with workloads and without a default deny: no policy isolates a
    /// pod that has no labels. One info for a namespace, which names the workloads that no
    /// policy isolates today. Where policies isolate every known workload one by one, it speaks
    /// only if the inventory is complete.
    ///
    /// A default deny of a cluster-wide policy counts, and where policies of other products
    /// (Cilium, Calico, Antrea) are among the manifests, the rule is silent, as npcheck does not
    /// judge those. So it is, unless the inventory is complete, beside templates of policies,
    /// and where a default deny names no namespace, so that it may be applied to any. Egress is looked at where some policy of the namespace cares about it, and
    /// where the inventory is complete. Namespaces of the platform, and objects without a
    /// namespace, which may go anywhere, are left alone.
    ///
    /// ## Why is this bad?
    ///
    /// Kubernetes allows what no policy selects. Without a default deny the next workload, or
    /// one whose labels were mistyped, talks to everybody, and nothing says so.
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
    /// There is no automatic fix: a default deny cuts off whatever no policy allows yet, DNS
    /// above all where it covers egress.
    pub(super) struct NoDefaultDeny {
        name: "no-default-deny",
        summary: "a namespace without a policy that isolates all of its pods",
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
        .help(
            "add a policy with `podSelector: {}` for it, with a rule for DNS if it denies egress",
        );
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
