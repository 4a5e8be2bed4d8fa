//! What a person should know about a pod on the network of its node that asks for another pod:
//! a pod lets its own node in, whatever the policies say.
//!
//! Refuses to judge such connections: mostly nobody knows which node a pod is on (S4).

use super::group::Group;
use crate::cluster::{Cluster, Cni};
use crate::engine::PodView;
use crate::output::ReachOutcome;

/// The pairs that policies keep apart, and that get through where both are on one node: the
/// first of them, and how many there are besides.
pub(super) fn note(cluster: &Cluster, groups: &[Group<'_>]) -> Option<String> {
    let apart = groups.iter().filter(|group| {
        let mut ways = group.explanation.ways.iter();
        let asked = group.asked.connections.as_ref();
        group.outcome != ReachOutcome::Allowed
            && ways.any(|way| {
                let allowed = way.ingress.verdict.allowed();
                asked.is_none_or(|asked| !asked.difference(&allowed).is_empty())
            })
    });
    let mut notes = apart.filter_map(|group| {
        let (from, to) = &group.example;
        pair(cluster, from.endpoint.pod()?, to.endpoint.pod()?)
    });
    let first = notes.next()?;
    Some(match notes.count() {
        0 => first,
        more => format!("{first}; likewise for {more} more of these answers"),
    })
}

fn pair(cluster: &Cluster, from: &PodView<'_>, to: &PodView<'_>) -> Option<String> {
    let is_about_nodes = from.host_network && !to.host_network && to.is_host_network_known;
    let ids = [from.workload?, to.workload?];
    let nodes = ids.map(|id| cluster.workload(id).object.node_name.as_deref());
    let [from, to] = ids.map(|id| cluster.workload_name(id));
    if !is_about_nodes || matches!(nodes, [Some(one), Some(other)] if one != other) {
        return None;
    }
    if cluster
        .enforcement()
        .cni()
        .is_some_and(|cni| cni.value == Cni::Cilium)
    {
        return Some(format!(
            "{from} is taken to be on another node than {to}: on the same one it is `entity:host`"
        ));
    }
    Some(match nodes {
        [Some(node), Some(_)] => format!(
            "{from} is on the network of node {node}, as {to} is on it: Kubernetes lets a pod's own \
             node in, whatever the policies say"
        ),
        _ => format!(
            "{from} is on the network of its node: where {to} is on the same one, it gets in, \
             whatever the policies say"
        ),
    })
}
