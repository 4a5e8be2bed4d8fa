//! What leads from outside of the cluster to its pods: Ingresses, routes, gateways, load
//! balancers, ports of nodes. And ports of Services that everybody was left out of.
//!
//! Refuses to know who may pass.

use super::controllers::{self, Carrier};
use super::entrance::Entrance;
use super::{Context, service_ports};
use crate::cluster::{Cluster, ServiceId, WorkloadId};
use crate::engine::{self, ConnectionSet, Endpoint};
use crate::k8s::{
    Backend, BackendPort, Direction, Entrypoint, EntrypointKind, LabelSelector, Protocol,
    ServicePort, ServiceType,
};
use crate::source::Span;
use std::sync::Arc;

/// One way from outside to a Service.
#[derive(Clone, Debug)]
pub struct WayIn<'c> {
    /// What it is, as findings name it.
    pub object: String,
    /// Where in it the way is written.
    pub path: String,
    /// The text of that.
    pub span: Span,
    /// Who brings the traffic.
    pub source: Traffic,
    /// The namespace of whoever brings the traffic, where that is certain.
    pub home: Option<&'c str>,
    target: Target<'c>,
}

/// Where a way leads.
#[derive(Clone, Copy, Debug)]
enum Target<'c> {
    /// To the pods behind a Service, at one of its ports or at all.
    Service(ServiceId, Option<&'c BackendPort>),
    /// To a port of pods, by their labels.
    Pods(&'c LabelSelector, u16),
    /// To a port of a workload.
    Workload(WorkloadId, Protocol, u16),
}

/// Who brings the traffic.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Traffic {
    /// An ingress controller or a gateway.
    Controller(Carrier),
    /// OpenShift's router.
    Router,
    /// Clients, through a load balancer or a port of the nodes.
    Clients(Balancing),
    /// Pods of the cluster, by the Service.
    Inside,
}

/// How a Service takes traffic from outside.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Balancing {
    /// By its type.
    LoadBalancer,
    /// One that the cloud makes for an Ingress or a route, with nothing in between.
    CloudLoadBalancer,
    /// By its type.
    NodePort,
    /// Addresses of nodes.
    ExternalIps,
    /// A port of the node that a pod is on.
    HostPort,
    /// The pods of a mesh's gateway, whatever brings clients there.
    Gateway,
}

/// Everything that leads from outside to Services of the cluster.
#[must_use]
pub fn ways_in<'c>(cx: &Context<'c>) -> Vec<WayIn<'c>> {
    let cluster = cx.cluster;
    let mut ways = Vec::new();
    for entrypoint in &cluster.context_objects().entrypoints {
        ways.extend(to_gateway(entrypoint));
        for backend in &entrypoint.backends {
            let namespace = entrypoint.backend_namespace(backend);
            if let Some(service) = cluster.service_by_name(namespace, &backend.service) {
                ways.push(by_entrypoint(cluster, entrypoint, backend, service));
            }
        }
    }
    for (id, service) in cluster.service_ids().zip(cluster.services()) {
        let (balancing, path) = match service.object.service_type {
            ServiceType::LoadBalancer => (Balancing::LoadBalancer, "spec.type"),
            _ if !service.object.external_ips.is_empty() => {
                (Balancing::ExternalIps, "spec.externalIPs")
            }
            ServiceType::NodePort => (Balancing::NodePort, "spec.type"),
            ServiceType::ClusterIp | ServiceType::ExternalName => continue,
        };
        let namespace = &cluster.namespace(service.namespace).name;
        ways.push(WayIn {
            object: format!("{namespace}/Service/{}", service.object.meta.name),
            path: path.to_owned(),
            span: service.object.meta.name.span,
            source: Traffic::Clients(balancing),
            home: None,
            target: Target::Service(id, None),
        });
    }
    ways.extend(host_ports(cx));
    ways
}

/// The ports of nodes that lead to pods which are not on the host network themselves.
fn host_ports<'c>(cx: &Context<'c>) -> impl Iterator<Item = WayIn<'c>> {
    let cluster = cx.cluster;
    let ids = cluster.workload_ids();
    let pods = ids.map(|id| (id, &cluster.workload(id).object));
    let pods = pods.filter(|(_, pod)| !pod.host_network);
    pods.flat_map(move |(id, pod)| {
        let ports = pod.ports().filter(|port| port.host_port.is_some());
        ports.map(move |port| WayIn {
            object: cluster.workload_name(id),
            path: String::new(),
            span: port.number.span,
            source: Traffic::Clients(Balancing::HostPort),
            home: None,
            target: Target::Workload(id, port.protocol, port.number.value),
        })
    })
}

/// The ports of Services that no rule opens, while rules open another one: it was forgotten.
#[must_use]
pub fn closed_inside<'c>(cx: &Context<'c>) -> Vec<WayIn<'c>> {
    let cluster = cx.cluster;
    if !cluster.cluster_policies().is_empty() {
        return Vec::new();
    }
    let mut ways = Vec::new();
    for (id, service) in cluster.service_ids().zip(cluster.services()) {
        let object = &service.object;
        let is_inside = object.service_type == ServiceType::ClusterIp && !object.is_headless();
        if !is_inside || object.ports.len() < 2 {
            continue;
        }
        for workload in cluster.workloads_behind(id) {
            let opened = opened(cx, workload);
            let Some(opened) = opened else { continue };
            let is_closed = |entry: &&ServicePort| {
                let numbers = cluster.ports_behind(entry, workload);
                let mut open = numbers
                    .iter()
                    .filter(|number| opened.contains(entry.protocol, **number));
                !numbers.is_empty() && open.next().is_none()
            };
            let closed: Vec<&ServicePort> = object.ports.iter().filter(is_closed).collect();
            if closed.len() == object.ports.len() {
                continue;
            }
            let namespace = &cluster.namespace(service.namespace).name;
            ways.extend(
                closed
                    .into_iter()
                    .flat_map(|entry| {
                        let numbers = cluster.ports_behind(entry, workload).into_iter();
                        numbers.map(move |number| (entry, number))
                    })
                    .map(|(entry, number)| WayIn {
                        object: format!("{namespace}/Service/{}", object.meta.name),
                        path: "spec.ports".to_owned(),
                        span: entry.span,
                        source: Traffic::Inside,
                        home: None,
                        target: Target::Workload(workload, entry.protocol, number),
                    }),
            );
        }
    }
    ways
}

/// The ports of a workload at which some rule lets somebody in; `None` where nothing isolates
/// it, or where another tool fills in a part of what does.
fn opened(cx: &Context<'_>, workload: WorkloadId) -> Option<ConnectionSet> {
    let policies = cx.engine.isolating(workload, Direction::Ingress);
    let pods = Endpoint::workload(cx.cluster, workload);
    let mut opened = ConnectionSet::default();
    for id in policies {
        let policy = &cx.cluster.policy(*id).object;
        if !policy.meta.holes.is_empty() {
            return None;
        }
        for rule in policy.rules(Direction::Ingress) {
            let ports = engine::ports_at(rule.ports.items(), &pods);
            opened = opened.union(&ports.possible);
        }
    }
    (!policies.is_empty()).then_some(opened)
}

/// The ways to the pods that an Istio `Gateway` opens ports of.
fn to_gateway(entrypoint: &Entrypoint) -> impl Iterator<Item = WayIn<'_>> {
    let meta = &entrypoint.meta;
    let object = format!("{}/Gateway/{}", meta.namespace_name(), meta.name);
    let pods = entrypoint.pods.as_ref();
    pods.into_iter().flat_map(move |pods| {
        let object = object.clone();
        entrypoint.ports.iter().map(move |port| WayIn {
            object: object.clone(),
            path: "spec.servers".to_owned(),
            span: port.span,
            source: Traffic::Clients(Balancing::Gateway),
            home: None,
            target: Target::Pods(pods, port.value),
        })
    })
}

fn by_entrypoint<'c>(
    cluster: &'c Cluster,
    entrypoint: &'c Entrypoint,
    backend: &'c Backend,
    service: ServiceId,
) -> WayIn<'c> {
    let (kind, meta) = (entrypoint.kind, &entrypoint.meta);
    WayIn {
        object: format!("{}/{}/{}", meta.namespace_name(), kind.name(), meta.name),
        path: backend.path.clone(),
        span: backend.service.span,
        source: match kind {
            EntrypointKind::Route => Traffic::Router,
            _ => match controllers::carrier(cluster, entrypoint) {
                Carrier::CloudLoadBalancer => Traffic::Clients(Balancing::CloudLoadBalancer),
                carrier => Traffic::Controller(carrier),
            },
        },
        home: controllers::home_of(cluster, entrypoint),
        target: Target::Service(service, backend.port.as_ref().map(|port| &port.value)),
    }
}

impl<'c> WayIn<'c> {
    /// The ports of workloads that it leads to.
    #[must_use]
    pub fn ports(&self, cx: &Context<'c>) -> Vec<(WorkloadId, Protocol, u16)> {
        let cluster = cx.cluster;
        match self.target {
            Target::Service(service, port) => service_ports::behind(cluster, service, port),
            Target::Workload(workload, protocol, port) => vec![(workload, protocol, port)],
            Target::Pods(pods, port) => {
                let workloads = cx.engine.matching_workloads(cluster.namespace_ids(), pods);
                let ports = workloads.into_iter();
                ports.map(|id| (id, Protocol::Tcp, port)).collect()
            }
        }
    }

    /// One of them, where it is guarded, and not on purpose closed to those who come this way.
    #[must_use]
    pub fn entrance(
        &self,
        cx: &Context<'c>,
        (workload, protocol, port): (WorkloadId, Protocol, u16),
    ) -> Option<Arc<Entrance<'c>>> {
        let entrance = cx.entrance(workload, protocol, port)?;
        let is_meant_open = match self.source {
            Traffic::Clients(_) => !entrance.keeps_out_clients,
            Traffic::Controller(_) | Traffic::Router | Traffic::Inside => true,
        };
        is_meant_open.then_some(entrance)
    }
}
