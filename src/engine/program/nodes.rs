//! What policies for nodes may do: to pods on the network of their node, and to what other pods
//! open to nodes or get from them. Calico's host endpoints (K2), Cilium's host firewall (C12).
//!
//! Refuses to know which node a pod is on, and what such policies say: they may deny anything.

use super::condition::Condition;
use super::identity::Entity;
use super::{Chain, HostNetwork, Matcher, NamespaceSet, Peer, PeerRef, PodSet, PolicyRef, Stage};
use crate::cluster::{Cluster, Cni, PluginPolicyId};
use crate::engine::addresses::{AddressRange, merge_ranges};
use crate::k8s::{Direction, PluginSpec};
use crate::source::Span;

/// Pods on the network of their node.
pub(super) fn pods_on_nodes<'c>() -> PodSet<'c> {
    PodSet {
        host_network: HostNetwork::Seen,
        condition: Some(Condition::on_host_network()),
        ..all_pods()
    }
}

fn all_pods<'c>() -> PodSet<'c> {
    PodSet {
        namespaces: NamespaceSet::All,
        pods: None,
        host_network: HostNetwork::Unseen,
        condition: None,
    }
}

/// Adds that a policy may deny what pods on nodes get or open in a direction; `text` is its name.
pub(super) fn add_guard<'c>(
    stage: &mut Stage<'c>,
    policy: PolicyRef,
    text: Span,
    direction: Direction,
) {
    let chain = Chain::restricting(policy, pods_on_nodes(), text, None);
    stage.chains.get_mut(direction).push(chain);
}

/// Adds the same about nodes themselves, which are told at the other end: what a node gets is what
/// a pod opens to it.
pub(super) fn add_guard_of_others<'c>(
    stage: &mut Stage<'c>,
    cluster: &Cluster,
    policy: PolicyRef,
    text: Span,
    direction: Direction,
) {
    let peer = Peer {
        origin: PeerRef::Nodes,
        matcher: nodes(cluster),
    };
    let chain = Chain::restricting(policy, all_pods(), text, Some(vec![peer]));
    let others = match direction {
        Direction::Ingress => Direction::Egress,
        Direction::Egress => Direction::Ingress,
    };
    stage.chains.get_mut(others).push(chain);
}

/// Adds what a policy of Calico's may do to the host endpoints that it is written for, or for as
/// well: a cluster has some, then, and no manifest here tells which (K2, K12).
pub(super) fn add_host_endpoints<'c>(
    cluster: &'c Cluster,
    id: PluginPolicyId,
    stage: &mut Stage<'c>,
) {
    let policy = cluster.plugin_policy(id);
    let PluginSpec::Calico(spec) = &policy.spec else {
        return;
    };
    if spec.host_endpoints_only.or(spec.on_forward).is_none() || policy.namespace().is_some() {
        return;
    }
    let (policy_ref, text) = (PolicyRef::Plugin(id), policy.meta.name.span);
    let directions = Direction::BOTH.into_iter();
    for direction in directions.filter(|direction| spec.applies_to(*direction)) {
        add_guard(stage, policy_ref, text, direction);
        add_guard_of_others(stage, cluster, policy_ref, text, direction);
    }
}

/// The nodes as ends of connections: Cilium tells them from addresses.
fn nodes<'c>(cluster: &Cluster) -> Matcher<'c> {
    let enforcement = cluster.enforcement();
    if enforcement.cni().map(|cni| cni.value) == Some(Cni::Cilium) {
        let nodes = [Entity::Host, Entity::RemoteNode, Entity::KubeApiserver];
        return Matcher::Entities(nodes.to_vec());
    }
    let ranges = enforcement.node_ranges().iter().copied();
    let ranges = ranges.map(AddressRange::from);
    let addresses = cluster.nodes().iter().flat_map(|node| &node.addresses);
    let addresses = addresses.copied().map(AddressRange::from);
    Matcher::Outside(merge_ranges(ranges.chain(addresses).collect()))
}
