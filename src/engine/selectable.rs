//! Namespaces and workloads by all of their labels, for selectors that stand in no policy: nothing
//! has to be compiled to ask about them.
//!
//! Refuses to know policies.

use super::labels::{FeatureId, Features, Gaps};
use super::runs::Runs;
use super::selection::{Index, NamespaceIndex};
use crate::cluster::{Cluster, NamespaceId, WorkloadId};
use crate::k8s::LabelSelector;
use std::sync::OnceLock;

/// What selectors select in a cluster. Everything is looked up on the first question about it.
#[derive(Debug)]
pub struct Selectable<'c> {
    cluster: &'c Cluster,
    namespaces: OnceLock<NamespaceLabels<'c>>,
    workloads: OnceLock<WorkloadLabels<'c>>,
}

impl<'c> Selectable<'c> {
    /// For this cluster.
    #[must_use]
    pub fn new(cluster: &'c Cluster) -> Self {
        Self {
            cluster,
            namespaces: OnceLock::new(),
            workloads: OnceLock::new(),
        }
    }

    /// The cluster that it answers for.
    #[must_use]
    pub fn cluster(&self) -> &'c Cluster {
        self.cluster
    }

    /// The namespaces that a selector matches, in order.
    #[must_use]
    pub fn matching_namespaces(&self, selector: &LabelSelector) -> Vec<NamespaceId> {
        let cluster = self.cluster;
        let labels = self
            .namespaces
            .get_or_init(|| NamespaceLabels::new(cluster));
        labels.select(selector)
    }

    /// The workloads of some namespaces that a selector matches, in order. Never pods on
    /// the host network (S10).
    #[must_use]
    pub fn matching_workloads(
        &self,
        namespaces: impl IntoIterator<Item = NamespaceId>,
        selector: &LabelSelector,
    ) -> Vec<WorkloadId> {
        let cluster = self.cluster;
        let mut within = Vec::new();
        for namespace in namespaces {
            let mut ids = cluster.workloads_in(namespace);
            if let (Some(first), rest) = (ids.next(), ids.len() as u32) {
                within.push((first.0, first.0 + rest + 1));
            }
        }
        let labels = self.workloads.get_or_init(|| WorkloadLabels::new(cluster));
        labels.select(&Runs::from_unsorted(within), selector)
    }
}

/// All labels of all namespaces.
#[derive(Debug)]
struct NamespaceLabels<'c> {
    features: Features<'c>,
    index: NamespaceIndex,
}

impl<'c> NamespaceLabels<'c> {
    fn new(cluster: &'c Cluster) -> Self {
        let mut features = Features::default();
        for namespace in cluster.namespaces() {
            for label in &namespace.labels {
                features.of_label(label);
            }
        }
        Self {
            index: NamespaceIndex::new(cluster, &features),
            features,
        }
    }

    fn select(&self, selector: &LabelSelector) -> Vec<NamespaceId> {
        // A value that another tool fills in may be any, as it may where policies are compiled.
        let selector = self.features.find_among(selector, Gaps::MayBeAnything);
        selector.map_or_else(Vec::new, |selector| {
            let selected = self.index.select(&selector);
            selected.ids().map(NamespaceId).collect()
        })
    }
}

/// All labels of all workloads.
#[derive(Debug)]
struct WorkloadLabels<'c> {
    features: Features<'c>,
    /// By workload: its features, sorted.
    of: Vec<Vec<FeatureId>>,
    index: Index,
    /// The workloads that selectors see.
    selectable: Runs,
}

impl<'c> WorkloadLabels<'c> {
    fn new(cluster: &'c Cluster) -> Self {
        let mut features = Features::default();
        let mut of = Vec::with_capacity(cluster.workloads().len());
        let mut selectable = Runs::default();
        for (id, workload) in cluster.workload_ids().zip(cluster.workloads()) {
            let mut found = Vec::new();
            if workload.object.meta.is_accepted && !workload.object.host_network {
                selectable.push(id.0, id.0 + 1);
                for label in &workload.object.labels {
                    found.extend(features.of_label(label));
                }
                found.sort_unstable();
            }
            of.push(found);
        }
        let index = Index::new(features.len(), of.iter().map(Vec::as_slice));
        Self {
            features,
            of,
            index,
            selectable,
        }
    }

    fn select(&self, within: &Runs, selector: &LabelSelector) -> Vec<WorkloadId> {
        // What nobody has is no feature here: it is never there.
        let Some(selector) = self.features.find_among(selector, Gaps::AreTexts) else {
            return Vec::new();
        };
        let selected = self
            .index
            .select(&selector, within, |workload| &self.of[workload as usize]);
        selected
            .ids()
            .filter(|id| self.selectable.contains(*id))
            .map(WorkloadId)
            .collect()
    }
}
