//! Ports of policies that are a Service's and not the pods': policies see traffic after
//! the Service has sent it on, so only the pods' own ports count.
//!
//! Refuses to know what a rule makes of it.

use super::dns;
use crate::cluster::{Cluster, ServiceId, WorkloadId};
use crate::k8s::{BackendPort, Protocol, Service, ServicePort};

/// A number that is the port of a Service, where the pods listen on another one.
#[derive(Clone, Copy, Debug)]
pub struct Translated<'c> {
    /// The Service.
    pub service: ServiceId,
    /// Its port.
    pub service_port: &'c ServicePort,
    /// A workload behind it.
    pub workload: WorkloadId,
    /// The port that this workload listens on instead.
    pub pod_port: u16,
}

/// What is known of a port of the pods that a rule is about: `Some` if the number means
/// nothing to any of them, and a Service in front of one has it and sends it on to another
/// port; one entry for each such workload.
///
/// Nothing is said unless every workload declares ports of the protocol: one that
/// declares none may listen on any.
#[must_use]
pub fn translated<'c>(
    cluster: &'c Cluster,
    workloads: &[WorkloadId],
    protocol: Protocol,
    port: u16,
) -> Vec<Translated<'c>> {
    let says_otherwise = |id: &WorkloadId| {
        let mut ports = cluster.workload(*id).object.ports().peekable();
        ports.peek().is_some()
            && ports.all(|declared| declared.protocol != protocol || declared.number.value != port)
    };
    if !workloads.iter().all(says_otherwise) {
        return Vec::new();
    }
    let mut found = Vec::new();
    for workload in workloads {
        for service in cluster.services_of(*workload) {
            let object = &cluster.service(service).object;
            // The name of a headless Service stands for the pods' own addresses.
            if object.is_headless() {
                continue;
            }
            for service_port in &object.ports {
                if service_port.protocol != protocol {
                    continue;
                }
                let pod_ports = cluster.ports_behind(service_port, *workload);
                // Some Service may send traffic to this very port of the pods.
                if pod_ports.contains(&port) {
                    return Vec::new();
                }
                // The resolvers of OpenShift, which rules about DNS speak of.
                let is_dns = port == dns::PORT && pod_ports.contains(&dns::OPENSHIFT_PORT);
                if service_port.port.value == port && !is_dns {
                    found.extend(pod_ports.into_iter().map(|pod_port| Translated {
                        service,
                        service_port,
                        workload: *workload,
                        pod_port,
                    }));
                }
            }
        }
    }
    found
}

/// The ports of pods that a Service leads to, at one of its ports or at all.
#[must_use]
pub fn behind(
    cluster: &Cluster,
    service: ServiceId,
    port: Option<&BackendPort>,
) -> Vec<(WorkloadId, Protocol, u16)> {
    let object: &Service = &cluster.service(service).object;
    let leads_to = |entry: &&ServicePort| match port {
        None | Some(BackendPort::OfPods(_)) => true,
        Some(BackendPort::Number(number)) => entry.port.value == *number,
        Some(BackendPort::Name(name)) => entry.name.as_ref().is_some_and(|its| its.value == *name),
    };
    let mut found = Vec::new();
    for workload in cluster.workloads_behind(service) {
        if let Some(BackendPort::OfPods(number)) = port {
            let numbers = endpoints(cluster, object, workload, *number).into_iter();
            found.extend(numbers.map(|number| (workload, Protocol::Tcp, number)));
            continue;
        }
        for entry in object.ports.iter().filter(leads_to) {
            let numbers = cluster.ports_behind(entry, workload).into_iter();
            found.extend(numbers.map(|number| (workload, entry.protocol, number)));
        }
    }
    found.sort_unstable();
    found.dedup();
    found
}

/// The ports of pods behind a Service that a number means which is one of the pods': OpenShift's
/// router calls the endpoint with this number (openshift/router, `endpointsForAlias`). Where none has
/// it, and the Service does, whoever wrote it meant what the Service leads to.
fn endpoints(cluster: &Cluster, service: &Service, workload: WorkloadId, number: u16) -> Vec<u16> {
    let entries = service.ports.iter();
    let entries = entries.map(|entry| (entry, cluster.ports_behind(entry, workload)));
    let entries: Vec<(&ServicePort, Vec<u16>)> = entries.collect();
    let is_known = !entries.is_empty() && entries.iter().all(|(_, ports)| !ports.is_empty());
    if !is_known || entries.iter().any(|(_, ports)| ports.contains(&number)) {
        return vec![number];
    }
    let meant = entries
        .into_iter()
        .filter(|(entry, _)| entry.port.value == number);
    meant.flat_map(|(_, ports)| ports).collect()
}
