//! Services and the workloads behind them.
//!
//! Refuses to know whether anybody may reach those workloads.

use super::{Cluster, NamespaceId, ServiceId, WorkloadId};
use crate::k8s::{Label, is_opaque};
use std::collections::HashMap;

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
        self.service_named(self.namespace_by_name(namespace)?, name)
    }

    /// The service of this name in a namespace.
    #[must_use]
    pub fn service_named(&self, namespace: NamespaceId, name: &str) -> Option<ServiceId> {
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
        let backends = self.backends();
        let selection = backends.selection_of[service.index()];
        let selection = selection.map(|it| &backends.selections[it as usize]);
        let workloads = selection.map_or(&[][..], |it| &it.workloads);
        workloads.iter().copied()
    }

    /// The services that send traffic to a workload, in order; see
    /// [`workloads_behind`](Self::workloads_behind).
    pub fn services_of(&self, workload: WorkloadId) -> impl Iterator<Item = ServiceId> + '_ {
        let backends = self.backends();
        let selections = backends.of.get(&workload).into_iter().flatten();
        let services = selections.flat_map(|it| &backends.selections[*it as usize].services);
        let mut services: Vec<ServiceId> = services.copied().collect();
        services.sort_unstable();
        services.into_iter()
    }

    fn backends(&self) -> &Backends {
        self.backends.get_or_init(|| Backends::new(self))
    }
}

/// Which workloads are behind which services, found once.
#[derive(Debug)]
pub(super) struct Backends {
    /// The services of a namespace with one selector have the same workloads behind them, which
    /// are kept once.
    selections: Vec<Selection>,
    /// By service: its place among them; `None` where there is no selector.
    selection_of: Vec<Option<u32>>,
    /// By workload: those that it is in.
    of: HashMap<WorkloadId, Vec<u32>>,
}

#[derive(Debug)]
struct Selection {
    /// In order.
    services: Vec<ServiceId>,
    /// In order.
    workloads: Vec<WorkloadId>,
}

impl Backends {
    /// Looks for each service among the workloads that have the rarest of its labels.
    fn new(cluster: &Cluster) -> Self {
        let mut backends = Self {
            selections: Vec::new(),
            selection_of: vec![None; cluster.services.len()],
            of: HashMap::new(),
        };
        for namespace in cluster.namespace_ids() {
            if cluster.services_in(namespace).len() == 0 {
                continue;
            }
            let mut with: HashMap<(&str, &str), Vec<WorkloadId>> = HashMap::new();
            for id in cluster.workloads_in(namespace) {
                for label in &cluster.workload(id).object.labels {
                    let pair = (label.key.as_str(), label.value.as_str());
                    with.entry(pair).or_default().push(id);
                }
            }
            let mut known: HashMap<Vec<(&str, &str)>, u32> = HashMap::new();
            for service in cluster.services_in(namespace) {
                let selector = cluster.service(service).object.selector.as_ref();
                let Some(selector) = selector.filter(|selector| !selector.is_empty()) else {
                    continue;
                };
                let asked = selector
                    .iter()
                    .map(|it| (it.key.as_str(), it.value.as_str()));
                let next = backends.selections.len() as u32;
                let selection = *known.entry(asked.collect()).or_insert(next);
                backends.selection_of[service.index()] = Some(selection);
                if selection != next {
                    backends.selections[selection as usize]
                        .services
                        .push(service);
                    continue;
                }
                let lists = selector.iter().map(|label| {
                    let pair = (label.key.as_str(), label.value.as_str());
                    with.get(&pair).filter(|_| !is_opaque(&label.value))
                });
                let lists: Option<Vec<&Vec<WorkloadId>>> = lists.collect();
                let rarest = lists
                    .unwrap_or_default()
                    .into_iter()
                    .min_by_key(|it| it.len());
                let candidates = rarest.into_iter().flatten().copied();
                let workloads = candidates.filter(|id| cluster.sends_to(service, *id));
                let workloads: Vec<WorkloadId> = workloads.collect();
                for id in &workloads {
                    backends.of.entry(*id).or_default().push(selection);
                }
                backends.selections.push(Selection {
                    services: vec![service],
                    workloads,
                });
            }
        }
        backends
    }
}

impl Cluster {
    fn sends_to(&self, service: ServiceId, workload: WorkloadId) -> bool {
        let labels = &self.workload(workload).object.labels;
        let has = |wanted: &Label| {
            !is_opaque(&wanted.value) && labels.get(&wanted.key) == Some(wanted.value.as_str())
        };
        let selector = self.service(service).object.selector.as_ref();
        selector.is_some_and(|selector| !selector.is_empty() && selector.iter().all(has))
    }
}
