//! One pod of a StatefulSet by its name: `shop/db-0`.
//!
//! Refuses to know how many there are: the number of replicas is nothing that policies see.

use super::{End, Lookup, Resolved};
use crate::cluster::{Cluster, WorkloadId};
use crate::k8s::WorkloadKind;

/// Its name in an answer.
pub(super) fn name(cluster: &Cluster, id: WorkloadId, number: u32) -> String {
    let workload = cluster.workload(id);
    let namespace = &cluster.namespace(workload.namespace).name;
    format!("{namespace}/Pod/{}-{number}", workload.object.meta.name)
}

impl Lookup<'_> {
    /// The pod of that name, if just one StatefulSet makes such pods; `resolved` is told which.
    pub(super) fn replica(
        &self,
        text: &str,
        (namespace, kind, name): (Option<&str>, Option<WorkloadKind>, &str),
        resolved: &mut Resolved,
    ) -> Option<End> {
        if kind.is_some_and(|kind| kind != WorkloadKind::Pod) {
            return None;
        }
        let (owner, number) = name.rsplit_once('-')?;
        let number = number
            .parse()
            .ok()
            .filter(|it: &u32| it.to_string() == number)?;
        let mut ids = self.workloads(text, namespace).ok()?;
        ids.retain(|id| {
            let workload = &self.cluster.workload(*id).object;
            workload.kind == WorkloadKind::StatefulSet
                && workload.meta.name.value == owner
                && self.has_pods(*id)
        });
        let [id] = ids[..] else { return None };
        resolved.notes.push(format!(
            "`{name}` is one of the pods of `{}`",
            self.cluster.workload_name(id)
        ));
        Some(End::Replica(id, number))
    }
}
