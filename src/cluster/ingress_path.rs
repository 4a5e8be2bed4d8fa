//! By which pods traffic from outside comes to a workload, where the manifests tell.
//!
//! Refuses to know whether policies let it in.

use super::platform::{self, KnownPods, Role};
use super::{Cluster, WorkloadId};
use crate::k8s::Entrypoint;

/// The pods of an ingress controller or gateway, and the object that leads on from there.
#[derive(Clone, Copy, Debug)]
pub struct IngressPath<'c> {
    /// The controller or gateway.
    pub controller: WorkloadId,
    /// The `Ingress` or route.
    pub entrypoint: &'c Entrypoint,
}

impl Cluster {
    /// How traffic from outside comes to a workload that an `Ingress` or a route leads to, if
    /// pods that bring such traffic are among the workloads; the first of several. Pods on the
    /// network of their node are none: no selector sees them (S10).
    #[must_use]
    pub fn ingress_path_to(&self, workload: WorkloadId) -> Option<IngressPath<'_>> {
        let services: Vec<(&str, &str)> = self
            .services_of(workload)
            .map(|id| {
                let meta = &self.service(id).object.meta;
                (meta.namespace_name(), meta.name.value.as_str())
            })
            .collect();
        let mut entrypoints = self.context_objects().entrypoints.iter();
        let entrypoint = entrypoints.find(|entrypoint| {
            let mut backends = entrypoint.backends.iter();
            backends.any(|backend| {
                let namespace = entrypoint.backend_namespace(backend);
                services.contains(&(namespace, backend.service.value.as_str()))
            })
        })?;
        let known: Vec<&KnownPods> =
            platform::known_pods(self.platform(), Role::IngressController).collect();
        let mut workloads = self.workload_ids();
        let controller = workloads.find(|id| {
            let object = &self.workload(*id).object;
            let is_one = |pods: &&KnownPods| {
                let (key, value) = pods.labels[0];
                object.labels.get(key) == Some(value)
            };
            object.meta.is_accepted && !object.host_network && known.iter().any(is_one)
        })?;
        Some(IngressPath {
            controller,
            entrypoint,
        })
    }
}
