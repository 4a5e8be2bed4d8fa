//! The relation as a graph that can be drawn and walked: by workloads or by namespaces,
//! with the outside as one node.
//!
//! Every pair of nodes may have an edge, so for a large cluster the graph of namespaces
//! is the one to build. Refuses to know how graphs are drawn.

use crate::cluster::{NamespaceId, WorkloadId};
use crate::engine::{AddressRange, ConnectionSet, Engine};
use crate::k8s::WorkloadKind;
use petgraph::algo::astar;
use petgraph::graph::{DiGraph, EdgeReference, NodeIndex};
use petgraph::visit::{Bfs, EdgeFiltered, EdgeRef};
use std::collections::HashSet;

/// A node of a [`ReachabilityGraph`].
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Node {
    /// Workloads that no policy tells apart, in order; they reach and are reached alike.
    Workloads(Vec<WorkloadId>),
    /// All workloads of a namespace; only namespaces with workloads have a node.
    Namespace(NamespaceId),
    /// Every address that no pod has.
    Outside,
}

/// Who can reach whom: an edge where at least one port is open from some member of its
/// source to some member of its target, with every port that is.
///
/// A node has an edge to itself where two different members can connect, or two replicas
/// of one workload. Nodes stand in the order of the cluster, the outside last.
#[derive(Clone, Debug)]
pub struct ReachabilityGraph {
    graph: DiGraph<Node, ConnectionSet>,
    /// By workload.
    node_of: Vec<Option<NodeIndex>>,
    outside: NodeIndex,
}

impl ReachabilityGraph {
    /// The graph of workloads, those that no policy tells apart in one node.
    #[must_use]
    pub fn of_workloads(engine: &Engine<'_>) -> Self {
        let groups = engine.relation().groups().map(<[WorkloadId]>::to_vec);
        let mut groups: Vec<Vec<WorkloadId>> = groups.collect();
        groups.sort_unstable();
        Self::new(engine, groups, |members| Node::Workloads(members.to_vec()))
    }

    /// The graph of namespaces.
    #[must_use]
    pub fn of_namespaces(engine: &Engine<'_>) -> Self {
        let cluster = engine.cluster();
        let relation = engine.relation();
        let is_peer = |id: &WorkloadId| relation.group_of(*id).is_some();
        let members =
            |id| -> Vec<WorkloadId> { cluster.workloads_in(id).filter(is_peer).collect() };
        let groups = cluster
            .namespace_ids()
            .map(members)
            .filter(|group| !group.is_empty())
            .collect();
        Self::new(engine, groups, |members| {
            Node::Namespace(cluster.workload(members[0]).namespace)
        })
    }

    fn new(
        engine: &Engine<'_>,
        groups: Vec<Vec<WorkloadId>>,
        node: impl Fn(&[WorkloadId]) -> Node,
    ) -> Self {
        let mut graph = DiGraph::new();
        let mut node_of = vec![None; engine.cluster().workloads().len()];
        for group in &groups {
            let index = graph.add_node(node(group));
            for member in group {
                node_of[member.index()] = Some(index);
            }
        }
        let outside = graph.add_node(Node::Outside);
        let mut built = Self {
            graph,
            node_of,
            outside,
        };
        for group in &groups {
            built.connect(engine, group);
        }
        built
    }

    /// Adds the edges that leave a group, and those between it and the outside.
    fn connect(&mut self, engine: &Engine<'_>, group: &[WorkloadId]) {
        let relation = engine.relation();
        let is_pod =
            |id: &WorkloadId| engine.cluster().workload(*id).object.kind == WorkloadKind::Pod;
        let Some(source) = self.node_of[group[0].index()] else {
            return;
        };
        let mut open = vec![ConnectionSet::none(); self.graph.node_count()];
        let mut seen = HashSet::new();
        for member in group {
            // What no policy tells apart has the same row.
            if !seen.insert(relation.group_of(*member)) {
                continue;
            }
            let row = relation.row(*member);
            let mut known = HashSet::new();
            for (members, set) in row.by_group() {
                // A Pod and itself are no two ends (S4).
                let others = members
                    .iter()
                    .filter(|other| *other != member || !is_pod(other));
                let mut targets: Vec<_> = others.filter_map(|other| self.node_of(*other)).collect();
                targets.dedup();
                for target in targets {
                    if known.insert((target, set)) {
                        open[target.index()] = open[target.index()].union(set);
                    }
                }
            }
            let (mut out, mut into) = (ConnectionSet::none(), ConnectionSet::none());
            for family in [AddressRange::IPV4, AddressRange::IPV6] {
                out = relation
                    .to_outside(*member, family)
                    .fold(out, |all, (_, set)| all.union(set));
                into = relation
                    .from_outside(family, *member)
                    .fold(into, |all, (_, set)| all.union(set));
            }
            open[self.outside.index()] = open[self.outside.index()].union(&out);
            self.widen(self.outside, source, &into);
        }
        for (target, set) in open.into_iter().enumerate() {
            self.widen(source, NodeIndex::new(target), &set);
        }
    }

    /// Adds connections to an edge, which is made where there is none.
    fn widen(&mut self, source: NodeIndex, target: NodeIndex, more: &ConnectionSet) {
        if more.is_empty() {
            return;
        }
        match self.graph.find_edge(source, target) {
            Some(edge) => self.graph[edge] = self.graph[edge].union(more),
            None => {
                self.graph.add_edge(source, target, more.clone());
            }
        }
    }

    /// Nodes and edges.
    #[must_use]
    pub fn graph(&self) -> &DiGraph<Node, ConnectionSet> {
        &self.graph
    }

    /// The node of a workload; `None` if an API server would refuse the object.
    #[must_use]
    pub fn node_of(&self, workload: WorkloadId) -> Option<NodeIndex> {
        self.node_of[workload.index()]
    }

    /// The node of the outside.
    #[must_use]
    pub fn outside(&self) -> NodeIndex {
        self.outside
    }

    /// Whatever can be reached from a node in one connection or several, each from where
    /// the one before ended, the nearest first. Nothing is carried on through the outside.
    /// The node itself comes last, if it has an edge to itself or there is a way back.
    #[must_use]
    pub fn reachable_from(&self, start: NodeIndex) -> Vec<NodeIndex> {
        let inside = self.inside(start);
        let mut reached = Vec::new();
        let mut walk = Bfs::new(&inside, start);
        let mut returns = false;
        while let Some(node) = walk.next(&inside) {
            let carries_on = node == start || node != self.outside;
            returns |= carries_on && self.graph.contains_edge(node, start);
            if node != start {
                reached.push(node);
            }
        }
        reached.extend(returns.then_some(start));
        reached
    }

    /// A shortest chain of connections from one node to another, both included; `None` if
    /// there is none. Nothing is carried on through the outside.
    #[must_use]
    pub fn shortest_path(&self, from: NodeIndex, to: NodeIndex) -> Option<Vec<NodeIndex>> {
        let inside = self.inside(from);
        astar(&inside, from, |node| node == to, |_| 1, |_| 0).map(|(_, path)| path)
    }

    /// The graph without the edges that leave the outside, unless that is the start.
    fn inside<'g>(
        &'g self,
        start: NodeIndex,
    ) -> EdgeFiltered<
        &'g DiGraph<Node, ConnectionSet>,
        impl Fn(EdgeReference<'g, ConnectionSet>) -> bool + use<'g>,
    > {
        let outside = self.outside;
        EdgeFiltered::from_fn(
            &self.graph,
            move |edge: EdgeReference<'g, ConnectionSet>| {
                edge.source() != outside || start == outside
            },
        )
    }
}
