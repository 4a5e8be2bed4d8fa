//! Jobs that policies cut off from a Service that the rest of the application reaches.

use crate::cluster::{NamespaceId, ServiceId, WorkloadId};
use crate::diagnostic::{Diagnostic, Severity};
use crate::engine::{self, Endpoint};
use crate::k8s::{Direction, Protocol, Workload, WorkloadKind};
use crate::lint::unjudged::Unjudged;
use crate::lint::{Category, Context, Rule, RuleMeta, declare_rule, references};

declare_rule! {
    /// ## What it does
    ///
    /// Reports a `Job`, a `CronJob` or a Helm hook whose environment or arguments name a
    /// Service of the cluster, that policies keep from the pods behind it, while another
    /// workload of its namespace may reach them.
    ///
    /// ## Why is this bad?
    ///
    /// Migrations, backups and hooks run rarely, with labels of their own, and are forgotten
    /// when policies are written for the long-running pods. The failure shows at the next
    /// release, or at the first restore.
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
    /// No fix by machine: give the job the labels that the rules ask for, or widen the rules.
    pub(super) struct BatchWorkloadCutOff {
        name: "batch-workload-cut-off",
        summary: "a job that cannot reach a Service it names, while its siblings can",
        category: Category::Flows,
        severity: Severity::Warning,
        fix: None,
        mutes: &[],
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
        let unjudged = Unjudged::new(cx.documents, cluster);
        if unjudged.may_be_in(cluster, id) {
            return;
        }
        for job in jobs {
            let pod = &cluster.workload(job).object;
            for service in references::services(cluster, id, pod) {
                let is_judged = !unjudged.may_be_in(cluster, cluster.service(service).namespace);
                if let Some(cut_off) = CutOff::find(cx, id, job, service).filter(|_| is_judged) {
                    let finding = cut_off.describe(cx);
                    cx.report(finding);
                }
            }
        }
    }
}

/// Whether a workload runs now and then, and not all the time.
fn is_batch(workload: &Workload) -> bool {
    matches!(workload.kind, WorkloadKind::Job | WorkloadKind::CronJob)
        || workload.meta.annotations.get("helm.sh/hook").is_some()
}

/// A job, what it is kept from, and who is not.
struct CutOff {
    job: WorkloadId,
    service: ServiceId,
    destination: WorkloadId,
    protocol: Protocol,
    port: u16,
    sibling: WorkloadId,
}

impl CutOff {
    /// The first port behind the Service that the job cannot reach and a sibling can; `None`
    /// if the job can reach some workload behind it.
    fn find(
        cx: &Context<'_>,
        namespace: NamespaceId,
        job: WorkloadId,
        service: ServiceId,
    ) -> Option<Self> {
        let cluster = cx.cluster;
        let relation = cx.engine.relation();
        let mut found = None;
        for destination in cluster.workloads_behind(service) {
            let pod = &cluster.workload(destination).object;
            for entry in &cluster.service(service).object.ports {
                for port in entry.ports_of(pod) {
                    let may_open = |source: WorkloadId| {
                        let connections = relation.connections(source, destination);
                        connections.contains(entry.protocol, port)
                    };
                    if may_open(job) || !is_certain(cx, job, destination, (entry.protocol, port)) {
                        return None;
                    }
                    let mut siblings = cluster.workloads_in(namespace).filter(|id| {
                        let other = &cluster.workload(*id).object;
                        *id != destination && !is_batch(other) && !other.host_network
                    });
                    let sibling = siblings.find(|id| may_open(*id));
                    found = found.or(sibling.map(|sibling| Self {
                        job,
                        service,
                        destination,
                        protocol: entry.protocol,
                        port,
                        sibling,
                    }));
                }
            }
        }
        found
    }

    fn describe(&self, cx: &Context<'_>) -> Diagnostic {
        let cluster = cx.cluster;
        let name = |id| cluster.workload_name(id);
        let service = &cluster.service(self.service).object.meta.name;
        let job = &cluster.workload(self.job).object;
        let message = format!(
            "`{}` names Service `{service}`, but policies keep it from `{}` on {} {}",
            name(self.job),
            name(self.destination),
            self.protocol,
            self.port
        );
        let mut finding = cx
            .finding(job.meta.name.span, message)
            .about(name(self.job), "")
            .label(format!(
                "cut off, while `{}` gets through",
                name(self.sibling)
            ))
            .related(
                job.labels_span,
                "no rule for that Service matches these labels",
            );
        for (side, workload) in [
            (Direction::Egress, self.job),
            (Direction::Ingress, self.destination),
        ] {
            if self.is_refused_by(cx, side) {
                for policy in cx.engine.isolating(workload, side).iter().take(3) {
                    let note = format!("isolates `{}` for {}", name(workload), side.field());
                    finding = finding.related(cluster.policy(*policy).object.meta.name.span, note);
                }
            }
        }
        finding.help(
            "give the job's pods the labels that the rules ask for, or add the job to the rules",
        )
    }

    fn is_refused_by(&self, cx: &Context<'_>, side: Direction) -> bool {
        let job = Endpoint::workload(cx.cluster, self.job);
        let destination = Endpoint::workload(cx.cluster, self.destination);
        let (subject, other) = match side {
            Direction::Egress => (job, destination),
            Direction::Ingress => (destination, job),
        };
        !engine::side(cx.cluster, side, &subject, &other).contains(self.protocol, self.port)
    }
}

/// Whether it is certain that the port is closed to the job, whatever is missing.
fn is_certain(
    cx: &Context<'_>,
    job: WorkloadId,
    destination: WorkloadId,
    (protocol, port): (Protocol, u16),
) -> bool {
    let (from, to) = (
        Endpoint::workload(cx.cluster, job),
        Endpoint::workload(cx.cluster, destination),
    );
    let denied = engine::explain(cx.cluster, &from, &to).verdict.denied();
    denied.contains(protocol, port)
}
