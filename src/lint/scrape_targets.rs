//! The ports of pods that `ServiceMonitor`s and `PodMonitor`s say to scrape.
//!
//! Refuses to know who scrapes them, and whether anybody may.

use crate::cluster::{Cluster, ServiceId, WorkloadId};
use crate::k8s::{
    LabelSelector, Labels, Monitor, MonitorEndpoint, PortReference, Protocol, Truth, Workload,
};
use crate::source::Span;
use std::rc::Rc;

/// A port of a workload that somebody wants scraped.
#[derive(Clone, Debug)]
pub struct Target {
    /// The workload.
    pub workload: WorkloadId,
    /// Its port, of TCP.
    pub port: u16,
    /// What says so, as findings name it.
    pub object: Rc<str>,
    /// The part of that which says so.
    pub path: Rc<str>,
    /// The text.
    pub span: Span,
}

/// The ports that monitors name: thousands of monitors may each name those of all pods, so that
/// they are made as they are asked for.
pub fn by_monitors(cluster: &Cluster) -> impl Iterator<Item = Target> + '_ {
    let monitors = cluster.context_objects().monitors.iter();
    let endpoints = monitors.flat_map(|monitor| {
        let own = monitor.meta.namespace_name();
        let object = format!("{own}/{}/{}", monitor.kind.name(), monitor.meta.name);
        let object: Rc<str> = object.into();
        let endpoints = monitor.endpoints.iter().enumerate();
        endpoints.map(move |endpoint| (monitor, Rc::clone(&object), endpoint))
    });
    endpoints.flat_map(move |(monitor, object, (index, endpoint))| {
        let path = format!("spec.{}[{index}]", monitor.kind.endpoints_field());
        let path: Rc<str> = path.into();
        let span = endpoint
            .port
            .as_ref()
            .map(|port| port.span)
            .or(endpoint.target_port.as_ref().map(|port| port.span))
            .unwrap_or(endpoint.span);
        let scraped = scraped(cluster, monitor, endpoint).into_iter();
        scraped.map(move |(workload, port)| Target {
            workload,
            port,
            object: Rc::clone(&object),
            path: Rc::clone(&path),
            span,
        })
    })
}

/// The pods' ports that an endpoint of a monitor means.
fn scraped(
    cluster: &Cluster,
    monitor: &Monitor,
    endpoint: &MonitorEndpoint,
) -> Vec<(WorkloadId, u16)> {
    let own = monitor.meta.namespace_name();
    let namespaces = cluster.namespace_ids().filter(|id| {
        monitor
            .namespaces
            .include(own, &cluster.namespace(*id).name)
    });
    let mut found = Vec::new();
    for namespace in namespaces {
        if monitor.kind.finds_services() {
            for service in cluster.services_in(namespace) {
                let labels = &cluster.service(service).object.meta.labels;
                if surely_matches(&monitor.selector, labels) {
                    found.extend(behind(cluster, service, endpoint));
                }
            }
            continue;
        }
        for id in cluster.workloads_in(namespace) {
            let pod = &cluster.workload(id).object;
            if surely_matches(&monitor.selector, &pod.labels) {
                let name = endpoint.port.as_ref().map(|port| port.value.as_str());
                let named = name.map(|name| numbers_of(pod, name)).unwrap_or_default();
                let ports = named.into_iter().chain(target_ports(pod, endpoint));
                found.extend(ports.map(|port| (id, port)));
            }
        }
    }
    found
}

/// The pods' ports that an endpoint of a `ServiceMonitor` means behind one Service.
fn behind(
    cluster: &Cluster,
    service: ServiceId,
    endpoint: &MonitorEndpoint,
) -> Vec<(WorkloadId, u16)> {
    let object = &cluster.service(service).object;
    let mut found = Vec::new();
    for id in cluster.workloads_behind(service) {
        let pod = &cluster.workload(id).object;
        let entries = object.ports.iter().filter(|entry| {
            let name = entry.name.as_ref().map(|name| name.value.as_str());
            let wanted = endpoint.port.as_ref().map(|port| port.value.as_str());
            wanted.is_some() && name == wanted && entry.protocol == Protocol::Tcp
        });
        let named = entries.flat_map(|entry| entry.ports_of(pod));
        let ports = named.chain(target_ports(pod, endpoint));
        found.extend(ports.map(|port| (id, port)));
    }
    found
}

fn target_ports(pod: &Workload, endpoint: &MonitorEndpoint) -> Vec<u16> {
    match endpoint.target_port.as_ref().map(|port| &port.value) {
        None => Vec::new(),
        Some(PortReference::Number(number)) => vec![*number],
        Some(PortReference::Name(name)) => numbers_of(pod, name),
    }
}

/// The TCP ports of a pod that have a name.
#[must_use]
pub fn numbers_of(pod: &Workload, name: &str) -> Vec<u16> {
    let named = pod
        .named_ports()
        .filter(|(its, protocol, _)| *its == name && *protocol == Protocol::Tcp);
    named.map(|(_, _, number)| number).collect()
}

/// A monitor that selects everything was not written for these pods.
fn surely_matches(selector: &LabelSelector, labels: &Labels) -> bool {
    !selector.is_empty() && selector.matches_opaque(labels) == Truth::True
}
