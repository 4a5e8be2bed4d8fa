//! What the nodes of a drawing are called, in every format alike.
//!
//! Refuses to escape: each format does that for its medium.

use crate::cluster::{Cluster, NamespaceId};
use crate::engine::{AddressRange, ConnectionSet};
use crate::graph::{DrawnNode, Openness};
use crate::output::range_name;

/// How many ranges a name spells out.
const MAX_RANGES: usize = 3;

/// The name of a node: `namespace/Kind/name`, a namespace, addresses, `entity:NAME` or
/// `fqdn:NAME`.
pub(super) fn node(cluster: &Cluster, node: &DrawnNode) -> String {
    match node {
        DrawnNode::Workload(id) => cluster.workload_name(*id),
        DrawnNode::Namespace(id) => cluster.namespace(*id).name.clone(),
        DrawnNode::Outside(ranges) => outside(ranges),
        DrawnNode::Entity(entity) => format!("entity:{}", entity.name()),
        DrawnNode::Domain(name) => format!("fqdn:{name}"),
    }
}

/// The namespace in which a drawing puts a node, and its name there.
pub(super) fn node_in_namespace(
    cluster: &Cluster,
    node: &DrawnNode,
) -> (Option<NamespaceId>, String) {
    match node {
        DrawnNode::Workload(id) => {
            let workload = cluster.workload(*id);
            let object = &workload.object;
            let name = format!("{}/{}", object.kind.name(), object.meta.name.value);
            (Some(workload.namespace), name)
        }
        DrawnNode::Namespace(_)
        | DrawnNode::Outside(_)
        | DrawnNode::Entity(_)
        | DrawnNode::Domain(_) => (None, self::node(cluster, node)),
    }
}

/// Addresses by name: `outside` for all of them, else up to three blocks or ranges.
pub(in crate::output) fn outside(ranges: &[AddressRange]) -> String {
    if ranges == [AddressRange::IPV4, AddressRange::IPV6] {
        return "outside".to_owned();
    }
    let shown: Vec<String> = ranges
        .iter()
        .take(MAX_RANGES)
        .map(|range| range_name(*range))
        .collect();
    match ranges.len().saturating_sub(MAX_RANGES) {
        0 => shown.join(", "),
        more => format!("{} and {more} more ranges", shown.join(", ")),
    }
}

/// What is open along an edge, in words: what is unknown says so.
pub(super) fn openness(set: &Openness) -> String {
    let words = |connections: &ConnectionSet| match connections.is_all() {
        true => "all ports".to_owned(),
        false => connections.to_string(),
    };
    match (set.open.is_empty(), set.unknown.is_empty()) {
        (_, true) => words(&set.open),
        (true, false) => format!("unknown: {}", words(&set.unknown)),
        (false, false) => format!("{}; unknown: {}", words(&set.open), words(&set.unknown)),
    }
}
