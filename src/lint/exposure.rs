//! How traffic from outside comes to a workload, and whether the pods see where it came
//! from.
//!
//! Refuses to know policies.

use crate::cluster::{Cluster, ServiceId, WorkloadId};
use crate::k8s::{Entrypoint, Labels, Service};

/// One way from outside to a workload.
#[derive(Clone, Copy, Debug)]
pub enum Exposure<'c> {
    /// A Service of type `LoadBalancer` or `NodePort`, or with `externalIPs`.
    Service(ServiceId),
    /// An `Ingress` or a route, through a Service.
    Entrypoint(&'c Entrypoint, ServiceId),
}

/// Every way from outside to a workload, Services first.
#[must_use]
pub fn exposures(cluster: &Cluster, workload: WorkloadId) -> Vec<Exposure<'_>> {
    let services: Vec<ServiceId> = cluster.services_of(workload).collect();
    let is_public = |id: &&ServiceId| cluster.service(**id).object.takes_clients();
    let public = services.iter().filter(is_public).copied();
    let mut found: Vec<Exposure<'_>> = public.map(Exposure::Service).collect();
    if services.is_empty() {
        return found;
    }
    let is_called = |id: &ServiceId, namespace: &str, name: &str| {
        let service = cluster.service(*id);
        service.object.meta.name.value == name
            && cluster.namespace(service.namespace).name == namespace
    };
    for entrypoint in &cluster.context_objects().entrypoints {
        for backend in &entrypoint.backends {
            let namespace = entrypoint.backend_namespace(backend);
            let mut named = services.iter();
            // Few are behind a workload, and many entrypoints are there.
            let service = named.find(|id| is_called(id, namespace, &backend.service));
            found.extend(service.map(|service| Exposure::Entrypoint(entrypoint, *service)));
        }
    }
    found
}

/// Whether the pods behind a Service may see the addresses of clients. Not where nodes hand
/// the traffic on to each other and put their own address in its place, which is what
/// `externalTrafficPolicy: Cluster`, the default, means.
#[must_use]
pub fn keeps_client_addresses(service: &Service) -> bool {
    service.external_traffic_is_local || sends_to_pods(&service.meta.annotations)
}

/// Whether the load balancer knows the pods themselves, so that no node is between: the AWS
/// Load Balancer Controller with `ip` targets, and Google's container-native balancing.
fn sends_to_pods(annotations: &Labels) -> bool {
    annotations.iter().any(|annotation| {
        let (key, value) = (annotation.key.as_str(), annotation.value.as_str());
        let is_aws = key.starts_with("service.beta.kubernetes.io/aws-load-balancer-")
            && (value == "ip" || value == "nlb-ip" || value == "external");
        is_aws || key == "cloud.google.com/neg" || key == "cloud.google.com/l4-rbs"
    })
}
