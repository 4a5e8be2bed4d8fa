//! Where pods are that a selector looks for in one namespace, and that are not there.
//!
//! Refuses to know whether such pods may be in that namespace although no workload among the
//! manifests is theirs: that is asked first, of [`absence`](super::absence).

use super::Context;
use crate::cluster::platform::KnownPods;
use crate::cluster::{NamespaceId, WorkloadId};
use crate::k8s::LabelSelector;

/// Why the pods are believed to be elsewhere.
#[derive(Clone, Copy, Debug)]
pub enum Evidence {
    /// This workload matches there.
    Workload(WorkloadId),
    /// Everybody knows where such pods are.
    WellKnown(&'static KnownPods),
}

/// The one namespace where pods match the selector, or where such pods are known to be.
#[must_use]
pub fn home(
    cx: &Context<'_>,
    own: NamespaceId,
    selector: &LabelSelector,
) -> Option<(String, Evidence)> {
    let cluster = cx.cluster;
    let own_has_workloads = cluster.workloads_in(own).len() > 0;
    let mut elsewhere = cx
        .engine
        .matching_workloads(cluster.namespace_ids(), selector)
        .into_iter();
    if let Some(first) = elsewhere.next() {
        let namespace = cluster.workload(first).namespace;
        let is_only_one = elsewhere.all(|other| cluster.workload(other).namespace == namespace);
        // Where nothing is known of the own namespace, its pods may simply be elsewhere.
        let is_evidence = is_only_one && own_has_workloads;
        return is_evidence.then(|| {
            (
                cluster.namespace(namespace).name.clone(),
                Evidence::Workload(first),
            )
        });
    }
    let own_name = cluster.namespace(own).name.as_str();
    let mut identities = selector
        .match_labels
        .iter()
        .filter_map(|label| Some((KnownPods::named_by(&label.key, &label.value)?, label)));
    let (pods, label) = identities.find(|(pods, _)| !pods.namespaces.contains(&own_name))?;
    // The pods may well be the own ones of somebody who runs such a program.
    let is_own = own_name.contains(label.value.as_str()) || own_name == "default";
    let declared = pods
        .namespaces
        .iter()
        .find(|home| cluster.namespace_by_name(home).is_some());
    (!is_own).then(|| {
        (
            declared.unwrap_or(&pods.namespaces[0]).to_string(),
            Evidence::WellKnown(pods),
        )
    })
}

/// The label that a selector asks for and that such pods do not have, whatever it is called.
#[must_use]
pub fn lacking(pods: &KnownPods, selector: &LabelSelector) -> Option<String> {
    let mut wanted = selector.match_labels.iter();
    let lacking = wanted.find(|label| !pods.has(&label.key, &label.value))?;
    Some(format!("{}={}", lacking.key, lacking.value))
}
