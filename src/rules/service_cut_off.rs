//! Workloads that policies keep from a Service that they are told to talk to.

use crate::cluster::{NamespaceId, ServiceId, WorkloadId};
use crate::diagnostic::{Diagnostic, Severity};
use crate::engine::PolicyRef;
use crate::k8s::{Direction, WorkloadKind};
use crate::lint::cut_off::CutOff;
use crate::lint::references::{self, Reference};
use crate::lint::{Category, Context, Rule, RuleMeta, declare_rule, words};
use std::collections::{BTreeMap, BTreeSet};

declare_rule! {
    /// ## What it does
    ///
    /// Reports a workload whose environment variables or arguments, including those of init
    /// containers, hold the address of a Service of the cluster, where policies are certain to
    /// block every pod of that Service: on the port in the address, or on every port of the
    /// Service if there is none.
    ///
    /// It also reports replicas that cannot reach each other: a port that a `StatefulSet` only
    /// exposes through its headless Service, where policies admit nothing on that port but open
    /// others.
    ///
    /// The bare name of a Service counts where it stands as an address: `http://db/`,
    /// `db:5432`, `nc db 5432`, `db.shop.svc`, `DB_HOST: db`. If several workloads import a
    /// whole ConfigMap (`envFrom`), a value counts only if at least one of them can reach the
    /// Service; usually each of them needs only part of the ConfigMap. What is only compared, such
    /// as CORS origins, `ALLOWED_HOSTS`, `NO_PROXY` and redirect URIs, does not count.
    ///
    /// ## Why is this bad?
    ///
    /// The configuration says that the connection is needed, and the policies block it. Init
    /// containers that wait for a Service wait forever, and replicated databases do not form a
    /// cluster.
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
    ///     spec:
    ///       containers:
    ///         - {name: web, image: example/web:1, env: [{name: CACHE, value: "cache:6379"}]}
    /// ---
    /// apiVersion: apps/v1
    /// kind: Deployment
    /// metadata: {name: cache, namespace: shop}
    /// spec:
    ///   selector: {matchLabels: {app: cache}}
    ///   template:
    ///     metadata: {labels: {app: cache}}
    ///     spec: {containers: [{name: cache, image: redis, ports: [{containerPort: 6379}]}]}
    /// ---
    /// apiVersion: v1
    /// kind: Service
    /// metadata: {name: cache, namespace: shop}
    /// spec: {selector: {app: cache}, ports: [{port: 6379}]}
    /// ---
    /// apiVersion: networking.k8s.io/v1
    /// kind: NetworkPolicy
    /// metadata: {name: web, namespace: shop}
    /// spec:
    ///   podSelector: {matchLabels: {app: web}}
    ///   policyTypes: [Egress]
    ///   egress:
    ///     - ports: [{protocol: UDP, port: 53}, {protocol: TCP, port: 53}]
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
    ///     spec:
    ///       containers:
    ///         - {name: web, image: example/web:1, env: [{name: CACHE, value: "cache:6379"}]}
    /// ---
    /// apiVersion: apps/v1
    /// kind: Deployment
    /// metadata: {name: cache, namespace: shop}
    /// spec:
    ///   selector: {matchLabels: {app: cache}}
    ///   template:
    ///     metadata: {labels: {app: cache}}
    ///     spec: {containers: [{name: cache, image: redis, ports: [{containerPort: 6379}]}]}
    /// ---
    /// apiVersion: v1
    /// kind: Service
    /// metadata: {name: cache, namespace: shop}
    /// spec: {selector: {app: cache}, ports: [{port: 6379}]}
    /// ---
    /// apiVersion: networking.k8s.io/v1
    /// kind: NetworkPolicy
    /// metadata: {name: web, namespace: shop}
    /// spec:
    ///   podSelector: {matchLabels: {app: web}}
    ///   policyTypes: [Egress]
    ///   egress:
    ///     - to: [{podSelector: {matchLabels: {app: cache}}}]
    ///       ports: [{protocol: TCP, port: 6379}]
    ///     - ports: [{protocol: UDP, port: 53}, {protocol: TCP, port: 53}]
    /// ```
    ///
    /// ## Fix safety
    ///
    /// There is no automatic fix: only the owner knows whether the connection is still wanted.
    pub(super) struct ServiceCutOff {
        name: "service-cut-off",
        summary: "policies keep a workload from a Service that its configuration names",
        category: Category::Flows,
        severity: Severity::Warning,
        tier: Stable,
        evidence: "2 of 2 warnings and errors on 24 public repositories judged right",
        fix: None,
        mutes: &[],
        since: "0.1.0",
    }
}

impl Rule for ServiceCutOff {
    fn meta(&self) -> &'static RuleMeta {
        &Self::META
    }

    fn check_namespace(&self, cx: &mut Context<'_>, id: NamespaceId) {
        let cluster = cx.cluster;
        let mut told: Vec<Told<'_>> = Vec::new();
        // A ConfigMap that several workloads take whole tells each of them what others need.
        let mut reached: BTreeSet<(&str, ServiceId)> = BTreeSet::new();
        for workload in cluster.workloads_in(id) {
            let pod = &cluster.workload(workload).object;
            if !pod.meta.is_accepted || pod.host_network {
                continue;
            }
            let references = references::references(cluster, id, pod);
            // One finding for each Service: with the first port that is closed.
            let mut found: BTreeMap<ServiceId, Told<'_>> = BTreeMap::new();
            for reference in references.iter().filter(|it| it.is_address) {
                let service = reference.service;
                match (cut_off(cx, workload, reference), reference.taken_whole) {
                    (Some(cut_off), taken_whole) => {
                        let told = Told {
                            service,
                            cut_off,
                            taken_whole,
                        };
                        let known = found.entry(service).or_insert(told);
                        if taken_whole.is_none() && known.taken_whole.is_some() {
                            *known = told;
                        }
                    }
                    (None, Some(map)) if !is_behind(cx, workload, service) => {
                        reached.insert((map, service));
                    }
                    (None, _) => {}
                }
            }
            let may_cluster = pod.kind == WorkloadKind::StatefulSet && pod.replicas != Some(1);
            if found.is_empty() && !may_cluster {
                continue;
            }
            let unjudged = cx.unjudged();
            found.retain(|_, told| told.cut_off.is_judged(cx, &unjudged));
            if found.is_empty()
                && may_cluster
                && let Some(finding) = replicas(cx, workload)
            {
                cx.report(finding);
            }
            told.extend(found.into_values());
        }
        told.retain(|it| {
            let is_needed_by_another = |map| reached.contains(&(map, it.service));
            !it.taken_whole.is_some_and(is_needed_by_another)
        });
        let mut by_cause: BTreeMap<Cause, Vec<CutOff>> = BTreeMap::new();
        for Told {
            service, cut_off, ..
        } in told
        {
            let cause = Cause {
                service,
                destination: cut_off.destination,
                port: cut_off.port,
                policies: cut_off.policies(cx),
                is_own: cut_off.source == cut_off.destination,
            };
            by_cause.entry(cause).or_default().push(cut_off);
        }
        for (cause, cut_offs) in by_cause {
            let finding = describe(cx, cause.service, &cut_offs);
            cx.report(finding);
        }
    }
}

/// A workload that is told of a Service and kept from it.
#[derive(Clone, Copy, Debug)]
struct Told<'c> {
    service: ServiceId,
    cut_off: CutOff,
    /// The ConfigMap that tells it, where all of it is taken.
    taken_whole: Option<&'c str>,
}

/// What several workloads have in common that cannot reach a Service: one change lets all of
/// them in.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Cause {
    service: ServiceId,
    destination: WorkloadId,
    port: u16,
    policies: Vec<PolicyRef>,
    /// Whether these are the replicas of the destination.
    is_own: bool,
}

/// What a workload is kept from at an address that it is given.
fn cut_off(cx: &Context<'_>, workload: WorkloadId, reference: &Reference<'_>) -> Option<CutOff> {
    let service = &cx.cluster.service(reference.service).object;
    // The address of a workload's own Service is what it tells others.
    let is_own = is_behind(cx, workload, reference.service);
    let is_alone = cx.cluster.workload(workload).object.replicas == Some(1);
    if is_own && (is_alone || !service.is_headless()) {
        return None;
    }
    CutOff::find(cx, workload, reference.service, reference.port)
}

fn is_behind(cx: &Context<'_>, workload: WorkloadId, service: ServiceId) -> bool {
    let mut behind = cx.cluster.workloads_behind(service);
    behind.any(|id| id == workload)
}

fn describe(cx: &Context<'_>, service: ServiceId, cut_offs: &[CutOff]) -> Diagnostic {
    let name = |id| cx.cluster.workload_name(id);
    let cut_off = &cut_offs[0];
    let service = &cx.cluster.service(service).object.meta.name;
    let source = name(cut_off.source);
    let port = format!("{} {}", cut_off.protocol, cut_off.port);
    let message = if cut_off.source == cut_off.destination {
        format!(
            "the replicas of `{source}` find each other through Service `{service}`, but policies block that traffic on {port}"
        )
    } else {
        let destination = name(cut_off.destination);
        format!(
            "`{source}` is configured to use Service `{service}`, but policies block it from reaching `{destination}` on {port}"
        )
    };
    let object = &cx.cluster.workload(cut_off.source).object;
    let finding = cx
        .finding(object.meta.name.span, message)
        .about(source, "")
        .between(
            cut_offs.iter().map(|it| name(it.source)).collect(),
            vec![name(cut_off.destination)],
        )
        .label("its environment or arguments hold the address");
    let mut finding = cut_off.point_out(cx, finding);
    let others: Vec<String> = cut_offs[1..].iter().map(|it| name(it.source)).collect();
    if !others.is_empty() {
        finding = finding.note(format!("cut off as well: {}", words::names(&others)));
    }
    finding.help("allow the connection on the side that blocks it, or remove the address")
}

/// Replicas on a port that only their headless Service has, to which nobody gets in.
fn replicas(cx: &Context<'_>, workload: WorkloadId) -> Option<Diagnostic> {
    let cluster = cx.cluster;
    let pod = &cluster.workload(workload).object;
    let services: Vec<_> = cluster
        .services_of(workload)
        .map(|id| &cluster.service(id).object)
        .collect();
    let is_for_clients = |port: u16| {
        let clients = services.iter().filter(|service| !service.is_headless());
        let mut entries = clients.flat_map(|service| &service.ports);
        entries.any(|entry| cluster.ports_behind(entry, workload).contains(&port))
    };
    // With one headless Service only, its port is for clients as well.
    if services.iter().all(|service| service.is_headless()) {
        return None;
    }
    let headless = services.iter().filter(|service| service.is_headless());
    let mut entries = headless.flat_map(|service| {
        let ports = service.ports.iter();
        ports.flat_map(move |entry| {
            cluster
                .ports_behind(entry, workload)
                .into_iter()
                .map(move |port| (*service, entry, port))
        })
    });
    entries.find_map(|(service, entry, port)| {
        if is_for_clients(port) {
            return None;
        }
        let entrance = cx.entrance(workload, entry.protocol, port)?;
        let opens_others = entrance.policies.iter().any(|policy| match policy {
            PolicyRef::Network(id) => {
                let policy = &cluster.policy(*id).object;
                !policy.rules(Direction::Ingress).is_empty()
            }
            // What such a policy opens besides is not looked at.
            PolicyRef::Cluster(_) | PolicyRef::Plugin(_) | PolicyRef::Part(_) | PolicyRef::Agent => false,
        });
        if entrance.admits_somebody() || !opens_others {
            return None;
        }
        let name = cluster.workload_name(workload);
        let message = format!(
            "the replicas of `{name}` use {} {port} among themselves, behind Service `{}`, but no policy allows it",
            entry.protocol, service.meta.name
        );
        let finding = cx
            .finding(pod.meta.name.span, message)
            .about(name, "")
            .related(entry.port.span, "the port of the headless Service");
        Some(entrance.point_out(cluster, finding).help(
            "allow these pods to reach each other on that port, as a peer with their own labels",
        ))
    })
}
