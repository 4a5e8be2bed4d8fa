//! The pods that are there because an object installs the release of a chart.
//!
//! Refuses to know charts: the object's reader says what it tells of them.

use super::ClusterView;
use crate::cluster::Cluster;
use crate::k8s::{CustomObject, Object, ReleasedPods, Workload, is_opaque};
use std::sync::Arc;

impl ClusterView {
    /// The pods that objects of this cluster imply; `None` if there are none.
    #[must_use]
    pub fn implied_pods(&self) -> Option<Vec<Object>> {
        let cluster = self.cluster();
        let objects = cluster.context_objects().custom_objects.iter();
        // What another tool fills in is the name of nothing yet.
        let named = objects
            .filter(|object| !is_opaque(object.home()) && !is_opaque(&object.meta.name.value));
        let pods = named.flat_map(|object| {
            let pods = object.released.iter();
            let missing = pods.filter(|pods| !is_there(cluster, object, pods));
            missing.map(|pods| Object::Workload(Arc::new(Workload::implied(object, pods))))
        });
        let pods: Vec<Object> = pods.collect();
        (!pods.is_empty()).then_some(pods)
    }
}

/// Whether a workload of the same namespace has the labels that are known of such pods: then
/// these are among the manifests, as in a dump of a cluster or beside a chart that was rendered.
fn is_there(cluster: &Cluster, object: &CustomObject, pods: &ReleasedPods) -> bool {
    let Some(home) = cluster.namespace_by_name(object.home()) else {
        return false;
    };
    let workloads = cluster.workloads_in(home);
    pods.are_among(workloads.map(|id| &cluster.workload(id).object.labels))
}
