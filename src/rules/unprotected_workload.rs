//! Workloads that no policy isolates.

use crate::cluster::WorkloadId;
use crate::diagnostic::Severity;
use crate::k8s::Direction;
use crate::lint::isolation::{self, Coverage};
use crate::lint::{Category, Context, Rule, RuleMeta, declare_rule, words};

declare_rule! {
    /// ## What it does
    ///
    /// Reports, as one info per namespace, workloads that no policy isolates in a direction. If
    /// the namespace has no default deny, `no-default-deny` covers all of them, so this rule
    /// reports workloads that the selector of a default deny leaves out.
    ///
    /// Pods on the host network are not reported, because policies do not apply to them. Egress
    /// is only considered if some policy of the namespace does so, and with a complete
    /// inventory.
    ///
    /// ## Why is this bad?
    ///
    /// Kubernetes allows everything that no policy restricts: anybody can connect to the
    /// workload, or it can connect to anybody.
    ///
    /// ## Example
    ///
    /// ```yaml
    /// apiVersion: apps/v1
    /// kind: Deployment
    /// metadata: {name: legacy, namespace: shop}
    /// spec:
    ///   template:
    ///     metadata: {labels: {app: legacy}}
    ///     spec: {containers: [{name: legacy, image: legacy}]}
    /// ---
    /// apiVersion: networking.k8s.io/v1
    /// kind: NetworkPolicy
    /// metadata: {name: default-deny, namespace: shop}
    /// spec:
    ///   podSelector:
    ///     matchExpressions:
    ///       - {key: app, operator: NotIn, values: [legacy]}
    ///   policyTypes: [Ingress]
    /// ```
    ///
    /// ## Use instead
    ///
    /// ```yaml
    /// apiVersion: apps/v1
    /// kind: Deployment
    /// metadata: {name: legacy, namespace: shop}
    /// spec:
    ///   template:
    ///     metadata: {labels: {app: legacy}}
    ///     spec: {containers: [{name: legacy, image: legacy}]}
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
    /// There is no automatic fix: only the author knows who should be able to connect.
    pub(super) struct UnprotectedWorkload {
        name: "unprotected-workload",
        summary: "workloads that no policy isolates",
        category: Category::Isolation,
        severity: Severity::Info,
        tier: Stable,
        evidence: "no warning or error on 24 public repositories",
        fix: None,
        mutes: &[],
        since: "0.1.0",
    }
}

impl Rule for UnprotectedWorkload {
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
    for direction in Direction::BOTH {
        let open = coverage.open(cx, direction);
        if !open.is_empty() && coverage.is_looked_at(direction) {
            report(cx, coverage, direction, &open);
        }
    }
}

fn report(cx: &mut Context<'_>, coverage: &Coverage, direction: Direction, open: &[WorkloadId]) {
    let namespace = coverage.namespace;
    let cluster = cx.cluster;
    let names: Vec<String> = open.iter().map(|id| cluster.workload_name(*id)).collect();
    let first = &cluster.workload(open[0]).object;
    // Beside a default deny the workload was left out; without one it is the namespace's.
    let is_left_out = isolation::has_default_deny(cx, namespace, direction);
    let span = if is_left_out {
        first.labels_span
    } else {
        coverage.anchor
    };
    let (verb, effect) = match direction {
        Direction::Ingress => ("accepts", "everybody can connect"),
        Direction::Egress => ("opens", "it can connect to everybody"),
    };
    let message = match open.len() {
        1 => format!(
            "`{}` {verb} every connection: no policy isolates it for {}",
            names[0],
            direction.field()
        ),
        count => format!(
            "no policy isolates {count} workloads for {}",
            direction.field()
        ),
    };
    let mut finding = cx
        .finding(span, message)
        .about(names[0].clone(), "")
        .label(effect)
        .help("select it with a policy that says what is allowed");
    if open.len() > 1 {
        finding = finding.note(format!("these are {}", words::names(&names)));
    }
    if is_left_out {
        finding = finding.note("the namespace's default deny leaves it out");
    }
    cx.report(finding);
}
