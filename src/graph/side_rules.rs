//! The rules that decide about each side of a flow, and whom each of them is about: what a
//! picture needs to say by which rule one end reaches another.
//!
//! Refuses to judge: what is open stands in the table of flows.

use super::matrix::{FlowMatrix, NodeEnds, NodeId};
use crate::cluster::{ClusterPolicyId, NamespaceId, PolicyId, WorkloadId};
use crate::engine::{AddressRange, Engine, PolicyRef};
use crate::k8s::{
    Action, ClusterNetworkPolicyPeer, Direction, IpBlock, NetworkPolicyPeer, PeerSelection,
    PodsSelection,
};
use crate::source::Span;
use std::collections::HashMap;

/// A rule, and the nodes that its peers hold.
#[derive(Clone, Debug)]
pub struct SideRule {
    /// The policy that has it.
    pub policy: PolicyRef,
    /// Which list it stands in.
    pub direction: Direction,
    /// Its place in the list, from 0.
    pub index: usize,
    /// Its text.
    pub span: Span,
    /// What it does with what it matches.
    pub action: Action,
    /// The nodes that its peers hold some member of, in order; `None` for everything.
    pub peers: Option<Vec<NodeId>>,
    /// Whether it speaks of addresses, which pods may have as well.
    pub has_blocks: bool,
}

/// The rules of all sides.
#[derive(Clone, Debug, Default)]
pub struct SideRules {
    /// Every rule that some side has, each once.
    pub rules: Vec<SideRule>,
    /// By group of workloads: the rules that decide what enters it, by their places in
    /// `rules`; `None` where nothing isolates it.
    pub ingress: Vec<Option<Vec<usize>>>,
    /// By group of workloads: the rules that decide what leaves it.
    pub egress: Vec<Option<Vec<usize>>>,
}

impl SideRules {
    /// The rules of a cluster.
    #[must_use]
    pub fn new<'c>(engine: &Engine<'c>, matrix: &FlowMatrix<'c>) -> Self {
        let mut builder = Builder {
            engine,
            matrix,
            rules: Vec::new(),
            known: HashMap::new(),
        };
        let mut of = |direction| -> Vec<Option<Vec<usize>>> {
            let groups = matrix.groups().iter();
            groups
                .map(|group| builder.side(group[0], direction))
                .collect()
        };
        let (ingress, egress) = (of(Direction::Ingress), of(Direction::Egress));
        Self {
            rules: builder.rules,
            ingress,
            egress,
        }
    }
}

struct Builder<'b, 'c> {
    engine: &'b Engine<'c>,
    matrix: &'b FlowMatrix<'c>,
    rules: Vec<SideRule>,
    known: HashMap<(PolicyRef, Direction), Vec<usize>>,
}

impl Builder<'_, '_> {
    fn side(&mut self, workload: WorkloadId, direction: Direction) -> Option<Vec<usize>> {
        let isolating = self.engine.isolating(workload, direction);
        let wide = self.engine.cluster_policies_on(workload);
        let mut rules = Vec::new();
        for id in wide {
            rules.extend(self.of_cluster_policy(*id, direction));
        }
        if isolating.is_empty() && rules.is_empty() {
            return None;
        }
        for id in isolating {
            rules.extend(self.of_policy(*id, direction));
        }
        Some(rules)
    }

    fn of_policy(&mut self, id: PolicyId, direction: Direction) -> Vec<usize> {
        let key = (PolicyRef::Network(id), direction);
        if let Some(known) = self.known.get(&key) {
            return known.clone();
        }
        let start = self.rules.len();
        let policy = &self.engine.cluster().policy(id).object;
        for (index, rule) in policy.rules(direction).iter().enumerate() {
            let peers = rule.peers.items();
            let mut nodes = Vec::new();
            for peer in peers {
                self.add_peer(id, peer, &mut nodes);
            }
            nodes.sort_unstable();
            nodes.dedup();
            self.rules.push(SideRule {
                policy: key.0,
                direction,
                index,
                span: rule.span,
                action: Action::Accept,
                peers: (!peers.is_empty()).then_some(nodes),
                has_blocks: peers.iter().any(|peer| peer.ip_block.get().is_some()),
            });
        }
        let places: Vec<usize> = (start..self.rules.len()).collect();
        self.known.insert(key, places.clone());
        places
    }

    fn add_peer(&self, policy: PolicyId, peer: &NetworkPolicyPeer, nodes: &mut Vec<NodeId>) {
        match peer.ip_block.get() {
            Some(block) => self.add_ranges(&ranges(block), nodes),
            None => self.add_workloads(&self.engine.peer_workloads(policy, peer), nodes),
        }
    }

    fn of_cluster_policy(&mut self, id: ClusterPolicyId, direction: Direction) -> Vec<usize> {
        let key = (PolicyRef::Cluster(id), direction);
        if let Some(known) = self.known.get(&key) {
            return known.clone();
        }
        let start = self.rules.len();
        let policy = self.engine.cluster().cluster_policy(id);
        for (index, rule) in policy.rules(direction).iter().enumerate() {
            let mut nodes = Vec::new();
            for peer in &rule.peers {
                self.add_cluster_peer(peer, &mut nodes);
            }
            nodes.sort_unstable();
            nodes.dedup();
            let is_block =
                |peer: &ClusterNetworkPolicyPeer| !matches!(peer.selection, PeerSelection::Pods(_));
            self.rules.push(SideRule {
                policy: key.0,
                direction,
                index,
                span: rule.span,
                action: rule.action.value,
                peers: Some(nodes),
                has_blocks: rule.peers.iter().any(is_block),
            });
        }
        let places: Vec<usize> = (start..self.rules.len()).collect();
        self.known.insert(key, places.clone());
        places
    }

    fn add_cluster_peer(&self, peer: &ClusterNetworkPolicyPeer, nodes: &mut Vec<NodeId>) {
        let cluster = self.engine.cluster();
        match &peer.selection {
            PeerSelection::Pods(PodsSelection::Namespaces(selector)) => {
                let namespaces: Vec<NamespaceId> = self.engine.matching_namespaces(selector);
                let workloads = namespaces
                    .into_iter()
                    .flat_map(|id| cluster.workloads_in(id));
                let is_seen = |id: &WorkloadId| !cluster.workload(*id).object.host_network;
                let workloads: Vec<WorkloadId> = workloads.filter(is_seen).collect();
                self.add_workloads(&workloads, nodes);
            }
            PeerSelection::Pods(PodsSelection::Pods {
                namespace_selector,
                pod_selector,
            }) => {
                let namespaces = self.engine.matching_namespaces(namespace_selector);
                let workloads = self.engine.matching_workloads(namespaces, pod_selector);
                self.add_workloads(&workloads, nodes);
            }
            PeerSelection::Networks(blocks) => {
                let blocks: Vec<AddressRange> = blocks
                    .iter()
                    .map(|block| AddressRange::from(block.value))
                    .collect();
                self.add_ranges(&blocks, nodes);
            }
            PeerSelection::Nodes(selector) => {
                let matching = cluster
                    .nodes()
                    .iter()
                    .filter(|node| node.meta.is_accepted && selector.matches(&node.meta.labels));
                let addresses: Vec<AddressRange> = matching
                    .flat_map(|node| node.addresses.iter().copied().map(AddressRange::from))
                    .collect();
                self.add_ranges(&addresses, nodes);
            }
            PeerSelection::DomainNames(_) => {}
        }
    }

    fn add_workloads(&self, workloads: &[WorkloadId], nodes: &mut Vec<NodeId>) {
        let mut of = workloads.iter().filter_map(|id| self.matrix.node_of(*id));
        // Neighbours mostly share a node.
        let mut last = None;
        for node in of.by_ref() {
            if last != Some(node) {
                nodes.push(node);
                last = Some(node);
            }
        }
    }

    fn add_ranges(&self, blocks: &[AddressRange], nodes: &mut Vec<NodeId>) {
        let is_inside =
            |range: &AddressRange| blocks.iter().any(|block| block.contains_range(range));
        let outside = self
            .matrix
            .nodes()
            .filter(|node| match self.matrix.ends(*node) {
                NodeEnds::Outside(ranges) => ranges.iter().any(is_inside),
                NodeEnds::Workloads(group) => {
                    let addresses = group
                        .iter()
                        .flat_map(|id| &self.engine.cluster().workload(*id).object.addresses);
                    addresses
                        .copied()
                        .map(AddressRange::from)
                        .any(|address| is_inside(&address))
                }
            });
        nodes.extend(outside);
    }
}

/// The addresses of a block without its exceptions.
fn ranges(block: &IpBlock) -> Vec<AddressRange> {
    let except: Vec<AddressRange> = block
        .except
        .items()
        .iter()
        .map(|except| AddressRange::from(except.value))
        .collect();
    AddressRange::from(block.cidr.value).without(&except)
}
