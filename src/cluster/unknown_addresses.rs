//! Where the addresses of pods and nodes may be that no manifest tells (S9): the ranges that the
//! objects of a cluster speak of, and the private ones where they do not.
//!
//! Refuses to know what a policy makes of an address.

use super::Cluster;
use super::enforcement::{Evidence, Recognised};
use ipnet::IpNet;

/// Where the pods of a cluster have their addresses if nobody says it: RFC 1918 and RFC 4193.
const PRIVATE_RANGES: [&str; 4] = ["10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "fc00::/7"];

/// The private ranges.
pub(super) fn private_ranges() -> impl Iterator<Item = IpNet> {
    let ranges = PRIVATE_RANGES.iter();
    ranges.map(|range| range.parse().expect("these blocks are well formed"))
}

/// The ranges that the objects of a cluster say its pods have their addresses from.
pub(super) fn pod_ranges_of(cluster: &Cluster) -> Vec<Recognised<IpNet>> {
    let mut ranges: Vec<Recognised<IpNet>> = Vec::new();
    let mut add = |value: IpNet, name: String, span| {
        if !ranges.iter().any(|range| range.value.contains(&value)) {
            ranges.push(Recognised {
                value,
                evidence: Evidence::Object { name, span },
            });
        }
    };
    for network in &cluster.context_objects().cluster_networks {
        for range in &network.pod_cidrs {
            let name = format!("{}/{}", network.kind, network.meta.name);
            add(range.value, name, range.span);
        }
    }
    for node in cluster.nodes() {
        for range in &node.pod_cidrs {
            add(*range, format!("Node/{}", node.meta.name), node.meta.span);
        }
    }
    ranges
}

/// The ranges that a node of unknown address may have it in where the configuration says nothing:
/// where nothing is known of pods either, the private ones; else these and those of pods, as some
/// networks have one range for both. The nodes that are known say where others may be.
pub(super) fn node_ranges_of(cluster: &Cluster, pods: &[Recognised<IpNet>]) -> Vec<IpNet> {
    let known = cluster.nodes().iter().flat_map(|node| &node.addresses);
    let mut ranges: Vec<IpNet> = pods.iter().map(|range| range.value).collect();
    for range in private_ranges().chain(known.map(|address| IpNet::from(*address))) {
        if !ranges.iter().any(|known| known.contains(&range)) {
            ranges.push(range);
        }
    }
    ranges
}
