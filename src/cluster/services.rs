//! Services and the workloads behind them.
//!
//! Refuses to know whether anybody may reach those workloads.

use super::{Cluster, NamespaceId, ServiceId, WorkloadId};
use crate::k8s::{Label, is_opaque};

impl Cluster {
    /// The ids of the services of a namespace, one run of neighbours.
    pub fn services_in(
        &self,
        namespace: NamespaceId,
    ) -> impl ExactSizeIterator<Item = ServiceId> + use<> {
        let start = self
            .services
            .partition_point(|service| service.namespace < namespace);
        let end = self
            .services
            .partition_point(|service| service.namespace <= namespace);
        (start as u32..end as u32).map(ServiceId)
    }

    /// The service of this name in the namespace of this name.
    #[must_use]
    pub fn service_by_name(&self, namespace: &str, name: &str) -> Option<ServiceId> {
        let namespace = self.namespace_by_name(namespace)?;
        let wanted = (namespace, name);
        let found = self.services.binary_search_by(|service| {
            (service.namespace, service.object.meta.name.value.as_str()).cmp(&wanted)
        });
        found.ok().map(|index| ServiceId(index as u32))
    }

    /// The workloads whose pods a service sends its traffic to, in order: those of its
    /// namespace that have all labels of `spec.selector`. None for a service without
    /// labels in its selector, whose endpoints are made by hand, and none by a label that
    /// another tool fills in.
    pub fn workloads_behind(&self, service: ServiceId) -> impl Iterator<Item = WorkloadId> + '_ {
        self.workloads_in(self.service(service).namespace)
            .filter(move |id| self.sends_to(service, *id))
    }

    /// The services that send traffic to a workload, in order; see
    /// [`workloads_behind`](Self::workloads_behind).
    pub fn services_of(&self, workload: WorkloadId) -> impl Iterator<Item = ServiceId> + '_ {
        self.services_in(self.workload(workload).namespace)
            .filter(move |id| self.sends_to(*id, workload))
    }

    fn sends_to(&self, service: ServiceId, workload: WorkloadId) -> bool {
        let labels = &self.workload(workload).object.labels;
        let has = |wanted: &Label| {
            !is_opaque(&wanted.value) && labels.get(&wanted.key) == Some(wanted.value.as_str())
        };
        let selector = self.service(service).object.selector.as_ref();
        selector.is_some_and(|selector| !selector.is_empty() && selector.iter().all(has))
    }
}
