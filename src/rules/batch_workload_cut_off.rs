//! Jobs that policies cut off from a Service that the rest of the application reaches.

use crate::cluster::{NamespaceId, ServiceId, WorkloadId};
use crate::diagnostic::{Diagnostic, Severity};
use crate::k8s::{Workload, WorkloadKind};
use crate::lint::cut_off::CutOff;
use crate::lint::{Category, Context, Rule, RuleMeta, declare_rule, references};

declare_rule! {
    /// ## What it does
    ///
    /// Reports a `Job`, `CronJob` or Helm hook whose environment or arguments name a Service of
    /// the cluster, where policies keep it from the pods of that Service but let another
    /// workload of its namespace reach them.
    ///
    /// If the job imports a whole ConfigMap (`envFrom`) that other workloads import too, and can
    /// reach one of the Services in it, the others do not count: they are usually meant for the
    /// other workloads.
    ///
    /// ## Why is this bad?
    ///
    /// Migrations, backups and hooks run rarely and have their own labels, so they are easy to
    /// forget when policies are written for the long-running pods. The failure shows up at the
    /// next release, or at the first restore.
    ///
    /// ## Example
    ///
    /// ```yaml
    /// apiVersion: apps/v1
    /// kind: Deployment
    /// metadata: {name: api, namespace: shop}
    /// spec:
    ///   selector: {matchLabels: {app: api}}
    ///   template:
    ///     metadata: {labels: {app: api}}
    ///     spec: {containers: [{name: api, image: example/api:1}]}
    /// ---
    /// apiVersion: batch/v1
    /// kind: Job
    /// metadata: {name: migrate, namespace: shop}
    /// spec:
    ///   template:
    ///     metadata: {labels: {app: migrate}}
    ///     spec:
    ///       containers:
    ///         - name: migrate
    ///           image: example/api:1
    ///           env: [{name: DATABASE_URL, value: "postgres://app@db:5432/shop"}]
    /// ---
    /// apiVersion: apps/v1
    /// kind: StatefulSet
    /// metadata: {name: db, namespace: shop}
    /// spec:
    ///   selector: {matchLabels: {app: db}}
    ///   template:
    ///     metadata: {labels: {app: db}}
    ///     spec: {containers: [{name: db, image: postgres:17}]}
    /// ---
    /// apiVersion: v1
    /// kind: Service
    /// metadata: {name: db, namespace: shop}
    /// spec: {selector: {app: db}, ports: [{port: 5432}]}
    /// ---
    /// apiVersion: networking.k8s.io/v1
    /// kind: NetworkPolicy
    /// metadata: {name: db, namespace: shop}
    /// spec:
    ///   podSelector: {matchLabels: {app: db}}
    ///   ingress:
    ///     - from: [{podSelector: {matchLabels: {app: api}}}]
    ///       ports: [{protocol: TCP, port: 5432}]
    /// ```
    ///
    /// ## Use instead
    ///
    /// ```yaml
    /// apiVersion: apps/v1
    /// kind: Deployment
    /// metadata: {name: api, namespace: shop}
    /// spec:
    ///   selector: {matchLabels: {app: api}}
    ///   template:
    ///     metadata: {labels: {app: api, needs-db: "true"}}
    ///     spec: {containers: [{name: api, image: example/api:1}]}
    /// ---
    /// apiVersion: batch/v1
    /// kind: Job
    /// metadata: {name: migrate, namespace: shop}
    /// spec:
    ///   template:
    ///     metadata: {labels: {app: migrate, needs-db: "true"}}
    ///     spec:
    ///       containers:
    ///         - name: migrate
    ///           image: example/api:1
    ///           env: [{name: DATABASE_URL, value: "postgres://app@db:5432/shop"}]
    /// ---
    /// apiVersion: apps/v1
    /// kind: StatefulSet
    /// metadata: {name: db, namespace: shop}
    /// spec:
    ///   selector: {matchLabels: {app: db}}
    ///   template:
    ///     metadata: {labels: {app: db}}
    ///     spec: {containers: [{name: db, image: postgres:17}]}
    /// ---
    /// apiVersion: v1
    /// kind: Service
    /// metadata: {name: db, namespace: shop}
    /// spec: {selector: {app: db}, ports: [{port: 5432}]}
    /// ---
    /// apiVersion: networking.k8s.io/v1
    /// kind: NetworkPolicy
    /// metadata: {name: db, namespace: shop}
    /// spec:
    ///   podSelector: {matchLabels: {app: db}}
    ///   ingress:
    ///     - from: [{podSelector: {matchLabels: {needs-db: "true"}}}]
    ///       ports: [{protocol: TCP, port: 5432}]
    /// ```
    ///
    /// ## Fix safety
    ///
    /// There is no automatic fix: give the job the labels that the rules ask for, or widen the
    /// rules.
    pub(super) struct BatchWorkloadCutOff {
        name: "batch-workload-cut-off",
        summary: "a job cannot reach a Service that it names, although its siblings can",
        category: Category::Flows,
        severity: Severity::Warning,
        tier: Stable,
        evidence: "no warning or error on 24 public repositories",
        fix: None,
        mutes: &["service-cut-off"],
        since: "0.1.0",
    }
}

impl Rule for BatchWorkloadCutOff {
    fn meta(&self) -> &'static RuleMeta {
        &Self::META
    }

    fn check_namespace(&self, cx: &mut Context<'_>, id: NamespaceId) {
        let cluster = cx.cluster;
        let jobs = cluster.workloads_in(id);
        let jobs: Vec<WorkloadId> = jobs
            .filter(|id| is_batch(&cluster.workload(*id).object))
            .collect();
        if jobs.is_empty() {
            return;
        }
        let unjudged = cx.unjudged();
        for job in jobs {
            for service in needed(cx, id, job) {
                let cut_off = CutOff::find(cx, job, service, None);
                let cut_off = cut_off.filter(|it| it.is_judged(cx, &unjudged));
                let sibling = cut_off.and_then(|cut_off| sibling(cx, id, &cut_off));
                if let (Some(cut_off), Some(sibling)) = (cut_off, sibling) {
                    let finding = describe(cx, &cut_off, service, sibling);
                    cx.report(finding);
                }
            }
        }
    }
}

/// The Services that a job is told the addresses of. Of those in a ConfigMap that other workloads
/// take whole as well, it hardly needs all: where it reaches one, the others are theirs.
fn needed(cx: &Context<'_>, namespace: NamespaceId, job: WorkloadId) -> Vec<ServiceId> {
    let cluster = cx.cluster;
    let pod = &cluster.workload(job).object;
    let references = references::references(cluster, namespace, pod).into_iter();
    let told: Vec<_> = references.filter(|it| it.is_address).collect();
    let is_shared = |map: &str| {
        let mut others = cluster.workloads_in(namespace).filter(|id| *id != job);
        others.any(|id| cluster.workload(id).object.takes_whole(map))
    };
    let is_reached = |map: &str| {
        let mut of_map = told.iter().filter(|it| it.taken_whole == Some(map));
        of_map.any(|it| CutOff::find(cx, job, it.service, None).is_none())
    };
    let needed = told.iter().filter(|it| {
        let map = it.taken_whole;
        !map.is_some_and(|map| is_shared(map) && is_reached(map))
    });
    let mut services: Vec<ServiceId> = needed.map(|it| it.service).collect();
    services.dedup();
    services
}

/// Whether a workload runs now and then, and not all the time.
fn is_batch(workload: &Workload) -> bool {
    matches!(workload.kind, WorkloadKind::Job | WorkloadKind::CronJob)
        || workload.meta.annotations.get("helm.sh/hook").is_some()
}

/// A workload of the job's namespace that runs all the time and gets through.
fn sibling(cx: &Context<'_>, namespace: NamespaceId, cut_off: &CutOff) -> Option<WorkloadId> {
    let cluster = cx.cluster;
    let relation = cx.engine.relation();
    let mut siblings = cluster.workloads_in(namespace).filter(|id| {
        let other = &cluster.workload(*id).object;
        *id != cut_off.destination && !is_batch(other) && !other.host_network
    });
    siblings.find(|id| {
        let connections = relation.connections(*id, cut_off.destination);
        connections.contains(cut_off.protocol, cut_off.port)
    })
}

fn describe(
    cx: &Context<'_>,
    cut_off: &CutOff,
    service: ServiceId,
    sibling: WorkloadId,
) -> Diagnostic {
    let cluster = cx.cluster;
    let name = |id| cluster.workload_name(id);
    let service = &cluster.service(service).object.meta.name;
    let job = &cluster.workload(cut_off.source).object;
    let message = format!(
        "`{}` is configured to use Service `{service}`, but policies block it from reaching `{}` on {} {}",
        name(cut_off.source),
        name(cut_off.destination),
        cut_off.protocol,
        cut_off.port
    );
    let finding = cx
        .finding(job.meta.name.span, message)
        .about(name(cut_off.source), "")
        .between(vec![name(cut_off.source)], vec![name(cut_off.destination)])
        .label(format!("cut off, while `{}` gets through", name(sibling)))
        .related(
            job.labels_span,
            "no rule for that Service matches these labels",
        );
    cut_off
        .point_out(cx, finding)
        .help("give the job's pods the labels that the rules ask for, or add the job to the rules")
}
