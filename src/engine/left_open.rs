//! What an answer about all pairs must not take for granted. The graph takes a namespace
//! that no manifest declares to have no labels but its name (S2), and what no manifest tells
//! the address of to have none; a test or a path must not, as it would hold for want of a
//! file.
//!
//! Refuses to know why something is left open.

use super::endpoint::PodView;
use crate::cluster::{Cluster, NamespaceId, WorkloadId};

/// What is not known of a cluster beside what its manifests leave open themselves.
#[derive(Clone, Debug, Default)]
pub struct LeftOpen {
    /// The namespaces that may have more labels than are known, in order.
    pub namespaces: Vec<NamespaceId>,
    /// Whether what means addresses that no manifest tells, as a name of the DNS, may mean any
    /// address outside that it can.
    pub addresses: bool,
}

impl LeftOpen {
    /// Whether a namespace may have more labels than are known.
    #[must_use]
    pub fn has_namespace(&self, id: NamespaceId) -> bool {
        self.namespaces.binary_search(&id).is_ok()
    }

    /// The pods of a workload as the graph takes them, but for what is left open.
    pub(super) fn pod<'c>(&self, cluster: &'c Cluster, id: WorkloadId) -> PodView<'c> {
        let mut pod = PodView::in_graph(cluster, id);
        let namespace = cluster.workload(id).namespace;
        pod.namespace.are_labels_known &= !self.has_namespace(namespace);
        pod
    }
}
