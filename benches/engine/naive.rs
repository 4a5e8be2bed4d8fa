//! The obvious way: for a pair of pods, ask every policy of both namespaces, selector by
//! selector and port by port.

use npcheck::cluster::{Cluster, Workload, WorkloadId};
use npcheck::engine::{ConnectionSet, PortSet};
use npcheck::k8s::{Direction, NetworkPolicyPeer, NetworkPolicyPort, PortReference};

/// How many workloads a source can open at least one port of.
pub(crate) fn open_from(cluster: &Cluster, source: WorkloadId) -> usize {
    let from = cluster.workload(source);
    let is_open = |destination: &WorkloadId| {
        let to = cluster.workload(*destination);
        let is_itself = source == *destination && from.object.kind.name() == "Pod";
        let egress = side(cluster, Direction::Egress, from, to, to);
        is_itself
            || !egress
                .intersection(&side(cluster, Direction::Ingress, to, from, to))
                .is_empty()
    };
    cluster.workload_ids().filter(is_open).count()
}

fn side(
    cluster: &Cluster,
    direction: Direction,
    subject: &Workload,
    other: &Workload,
    destination: &Workload,
) -> ConnectionSet {
    let mut allowed = ConnectionSet::none();
    let mut is_isolated = false;
    for id in cluster.policies_in(subject.namespace) {
        let policy = &cluster.policy(id).object;
        let selector = policy.pod_selector.get();
        let selects = !subject.object.host_network
            && policy.applies_to(direction)
            && selector.is_none_or(|selector| selector.matches(&subject.object.labels));
        if !selects {
            continue;
        }
        is_isolated = true;
        for rule in policy.rules(direction) {
            let peers = rule.peers.items();
            if peers.is_empty()
                || peers
                    .iter()
                    .any(|peer| is_peer(cluster, subject, peer, other))
            {
                allowed = allowed.union(&ports(rule.ports.items(), destination));
            }
        }
    }
    if is_isolated {
        allowed
    } else {
        ConnectionSet::all()
    }
}

fn is_peer(
    cluster: &Cluster,
    subject: &Workload,
    peer: &NetworkPolicyPeer,
    other: &Workload,
) -> bool {
    if let Some(block) = peer.ip_block.get() {
        return other.object.addresses.iter().any(|address| {
            block.cidr.contains(address)
                && !block
                    .except
                    .items()
                    .iter()
                    .any(|except| except.contains(address))
        });
    }
    let in_namespace = match peer.namespace_selector.get() {
        Some(selector) => selector.matches(&cluster.namespace(other.namespace).labels),
        None => other.namespace == subject.namespace,
    };
    let has_labels =
        |selector: &npcheck::k8s::LabelSelector| selector.matches(&other.object.labels);
    !other.object.host_network && in_namespace && peer.pod_selector.get().is_none_or(has_labels)
}

fn ports(entries: &[NetworkPolicyPort], destination: &Workload) -> ConnectionSet {
    if entries.is_empty() {
        return ConnectionSet::all();
    }
    let mut ports = ConnectionSet::none();
    for entry in entries {
        let protocol = entry.protocol_or_default();
        let numbers = match entry.port.get().map(|port| &port.value) {
            None => PortSet::all(),
            Some(PortReference::Number(first)) => PortSet::range(
                *first,
                entry.end_port.get().map_or(*first, |last| last.value),
            ),
            Some(PortReference::Name(name)) => {
                let named = destination.object.named_ports();
                let meant = named.filter(|(named, of, _)| named == name && *of == protocol);
                PortSet::from_ranges(meant.map(|(.., number)| (number, number)))
            }
        };
        ports = ports.union(&ConnectionSet::of(protocol, numbers));
    }
    ports
}
