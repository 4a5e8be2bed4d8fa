//! The ends of two clusters side by side: workloads by namespace, kind and name, the
//! outside cut where either cluster cuts it.
//!
//! Refuses to know what differs between them.

use crate::cluster::{Cluster, NamespaceId, WorkloadId};
use crate::engine::{AddressRange, Pair, address_atoms};
use crate::graph::matrix::{FlowMatrix, NodeEnds, NodeId};
use std::collections::{BTreeMap, HashMap};

/// Ends that are alike before, and alike after.
#[derive(Clone, Debug)]
pub struct JointNode {
    /// The node before (0) and after (1); `None` where there is no end, or no flow.
    pub(super) nodes: [Option<NodeId>; 2],
    /// What it stands for.
    pub ends: JointEnds,
    /// Whether the ends are in both clusters; the outside always is.
    pub is_paired: bool,
}

/// The ends of a joint node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum JointEnds {
    /// Places among the pairs of workloads, all in one namespace.
    Workloads(Vec<usize>),
    /// Addresses outside.
    Outside(Vec<AddressRange>),
}

/// A namespace, a kind and a name.
type Name<'c> = (&'c str, &'c str, &'c str);

/// The workloads of both clusters, each once, by namespace, kind and name; those that were
/// renamed are one, under the new name. What an API server would reject is not there.
pub(super) fn pairs(matrices: [&FlowMatrix<'_>; 2]) -> Vec<Pair> {
    let mut by_name: BTreeMap<Name<'_>, Pair> = BTreeMap::new();
    for (time, matrix) in matrices.into_iter().enumerate() {
        let cluster = matrix.cluster();
        for id in cluster
            .workload_ids()
            .filter(|id| matrix.node_of(*id).is_some())
        {
            let pair = by_name.entry(name(cluster, id)).or_insert(Pair {
                before: None,
                after: None,
            });
            match time {
                0 => pair.before = Some(id),
                _ => pair.after = Some(id),
            }
        }
    }
    let [before, after] = matrices.map(FlowMatrix::cluster);
    // What only one of both has, by what a rename keeps.
    let mut lone: HashMap<String, [Vec<Name<'_>>; 2]> = HashMap::new();
    for (name, pair) in &by_name {
        match pair {
            Pair {
                before: Some(id),
                after: None,
            } => {
                lone.entry(essence(before, *id)).or_default()[0].push(*name);
            }
            Pair {
                before: None,
                after: Some(id),
            } => {
                lone.entry(essence(after, *id)).or_default()[1].push(*name);
            }
            Pair { .. } => {}
        }
    }
    let mut renames: Vec<_> = lone
        .into_values()
        .filter_map(|[old, new]| match (&old[..], &new[..]) {
            ([old], [new]) => Some((*old, *new)),
            _ => None,
        })
        .collect();
    renames.sort_unstable();
    for (old, new) in renames {
        let gone = by_name.remove(&old).and_then(|pair| pair.before);
        if let Some(pair) = by_name.get_mut(&new) {
            pair.before = gone;
        }
    }
    by_name.into_values().collect()
}

/// What workloads are called in both clusters.
fn name(cluster: &Cluster, id: WorkloadId) -> Name<'_> {
    let workload = cluster.workload(id);
    (
        &cluster.namespace(workload.namespace).name,
        workload.object.kind_name(),
        &workload.object.meta.name.value,
    )
}

/// What a rename keeps: the namespace, and all that policies see. Empty labels are those of
/// too many pods to tell which is which.
fn essence(cluster: &Cluster, id: WorkloadId) -> String {
    let workload = cluster.workload(id);
    let object = &workload.object;
    let labels: Vec<(&str, &str)> = object
        .labels
        .iter()
        .map(|label| (label.key.value.as_str(), label.value.value.as_str()))
        .collect();
    let ports: Vec<_> = object
        .ports()
        .map(|port| {
            (
                port.name.as_ref().map(|name| &name.value),
                port.protocol,
                port.number.value,
            )
        })
        .collect();
    let namespace = &cluster.namespace(workload.namespace).name;
    match labels.is_empty() {
        true => format!("{namespace} {}", cluster.workload_name(id)),
        false => format!(
            "{namespace} {labels:?} {ports:?} {} {:?}",
            object.host_network, object.addresses
        ),
    }
}

/// The joint nodes: workloads by their first pair, then the outside by address. `marks` tell
/// pairs apart that must not share a node.
pub(super) fn nodes(
    matrices: [&FlowMatrix<'_>; 2],
    pairs: &[Pair],
    marks: impl Fn(&Pair) -> u32,
) -> Vec<JointNode> {
    type Key = (
        [Option<NodeId>; 2],
        [Option<NamespaceId>; 2],
        [bool; 2],
        u32,
    );
    let mut places: HashMap<Key, usize> = HashMap::new();
    let mut nodes: Vec<JointNode> = Vec::new();
    for (place, pair) in pairs.iter().enumerate() {
        let ids = [pair.before, pair.after];
        let node = [0, 1].map(|time| ids[time].and_then(|id| matrices[time].node_of(id)));
        let namespace =
            [0, 1].map(|time| ids[time].map(|id| matrices[time].cluster().workload(id).namespace));
        let key = (node, namespace, ids.map(|id| id.is_some()), marks(pair));
        let known = places.len();
        let at = *places.entry(key).or_insert(known);
        match nodes.get_mut(at).map(|node| &mut node.ends) {
            Some(JointEnds::Workloads(members)) => members.push(place),
            _ => nodes.push(JointNode {
                nodes: node,
                ends: JointEnds::Workloads(vec![place]),
                is_paired: ids.iter().all(Option::is_some),
            }),
        }
    }
    nodes.extend(outside(matrices));
    nodes
}

/// The parts of the outside, cut where either cluster cuts it.
fn outside(matrices: [&FlowMatrix<'_>; 2]) -> Vec<JointNode> {
    let parts = matrices.map(|matrix| {
        let outside = matrix.nodes().filter(|node| matrix.is_outside(*node));
        let ranges = outside.flat_map(|node| match matrix.ends(node) {
            NodeEnds::Outside(ranges) => ranges.iter().map(|range| (*range, node)).collect(),
            NodeEnds::Workloads(_) | NodeEnds::Entity(_) => Vec::new(),
        });
        let mut ranges: Vec<(AddressRange, NodeId)> = ranges.collect();
        ranges.sort_unstable();
        ranges
    });
    let all = parts.iter().flatten().map(|(range, _)| *range);
    let mut by_nodes: BTreeMap<[Option<NodeId>; 2], Vec<AddressRange>> = BTreeMap::new();
    for atom in address_atoms(all) {
        let holder = |time: usize| {
            let end = parts[time].partition_point(|(range, _)| range.first <= atom.first);
            let (range, node) = parts[time].get(end.checked_sub(1)?)?;
            range.contains_range(&atom).then_some(*node)
        };
        let nodes = [holder(0), holder(1)];
        if nodes.iter().any(Option::is_some) {
            let ranges = by_nodes.entry(nodes).or_default();
            match ranges.last_mut() {
                Some(last) if last.touches(&atom) => last.last = atom.last,
                _ => ranges.push(atom),
            }
        }
    }
    let mut nodes: Vec<JointNode> = by_nodes
        .into_iter()
        .map(|(nodes, ranges)| JointNode {
            nodes,
            ends: JointEnds::Outside(ranges),
            is_paired: true,
        })
        .collect();
    nodes.sort_by_key(|node| match &node.ends {
        JointEnds::Outside(ranges) => ranges[0].first,
        JointEnds::Workloads(_) => std::net::Ipv4Addr::UNSPECIFIED.into(),
    });
    nodes
}
