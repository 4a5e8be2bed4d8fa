//! Chains of connections: by which hops one end gets to another, what every chain crosses,
//! and how far a workload can get that somebody has taken over.
//!
//! A chain is carried on from pod to pod, each hop from where the one before ended, and
//! never through the outside. Refuses to know how paths are printed.

use super::EndSet;
use super::matrix::{FlowMatrix, NodeId};
use crate::engine::ConnectionSet;
use petgraph::algo::{dijkstra, dominators};
use petgraph::graph::{DiGraph, NodeIndex};
use petgraph::visit::Reversed;
use std::collections::{HashMap, HashSet};

/// Which flows count as hops.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Certainty {
    /// Those that are allowed.
    Certain,
    /// And those of which nobody knows.
    Possible,
}

/// A question about paths.
#[derive(Clone, Copy, Debug)]
pub struct PathQuery<'q> {
    /// Where they begin.
    pub from: &'q EndSet,
    /// Where they end; `None` for wherever they lead.
    pub to: Option<&'q EndSet>,
    /// What the last hop has to open some of.
    pub connections: &'q ConnectionSet,
    /// Which flows count.
    pub certainty: Certainty,
}

/// One path: its nodes from the first to the last, at least two. The same node twice is a
/// hop between two members of it.
pub type Path = Vec<NodeId>;

/// Something that can be reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Reached {
    /// In how many hops at least.
    pub hops: usize,
    /// What it is.
    pub node: NodeId,
    /// The node before it on a shortest path.
    pub via: NodeId,
}

/// The paths of one question.
#[derive(Debug)]
pub struct Paths<'m, 'c> {
    matrix: &'m FlowMatrix<'c>,
    /// The nodes of the table in their order, then the root, then the sink.
    graph: DiGraph<(), ()>,
    root: NodeIndex,
    sink: NodeIndex,
    starts: Vec<NodeId>,
    goals: HashSet<NodeId>,
    /// Hops from a node to the nearest goal.
    left: HashMap<NodeIndex, usize>,
}

/// Steps of the search for paths before it gives up: chains that lead nowhere are cut off
/// early, so that this is reached by graphs only that have more paths than anybody reads.
const MAX_STEPS: usize = 2_000_000;

impl<'m, 'c> Paths<'m, 'c> {
    /// The paths in a table that was made with the ends of the query as choices.
    #[must_use]
    pub fn new(matrix: &'m FlowMatrix<'c>, query: &PathQuery<'_>) -> Self {
        let starts = matrix.nodes_of(query.from);
        let goals: HashSet<NodeId> = query
            .to
            .map_or_else(Vec::new, |to| matrix.nodes_of(to))
            .into_iter()
            .collect();
        let mut graph = DiGraph::with_capacity(matrix.node_count() + 2, 0);
        for _ in matrix.nodes() {
            graph.add_node(());
        }
        let (root, sink) = (graph.add_node(()), graph.add_node(()));
        for source in matrix.nodes() {
            if matrix.is_outside(source) && !starts.contains(&source) {
                continue;
            }
            for destination in matrix.nodes() {
                if source == destination && !matrix.has_inner_flows(source) {
                    continue;
                }
                if matrix.set_between(source, destination) == 0 {
                    continue;
                }
                let between = matrix.between(source, destination);
                let is_goal = goals.contains(&destination);
                let opens = |set: &ConnectionSet| match is_goal {
                    true => !set.intersection(query.connections).is_empty(),
                    false => !set.is_empty(),
                };
                let counts = opens(&between.open)
                    || (query.certainty == Certainty::Possible && opens(&between.unknown));
                if counts {
                    graph.add_edge(index(source), index(destination), ());
                }
            }
        }
        for start in &starts {
            graph.add_edge(root, index(*start), ());
        }
        for node in matrix.nodes().filter(|node| goals.contains(node)) {
            graph.add_edge(index(node), sink, ());
        }
        let left = dijkstra(Reversed(&graph), sink, None, |_| 1usize);
        // The sink is one step behind every goal.
        let left = left
            .into_iter()
            .map(|(node, steps)| (node, steps.saturating_sub(1)));
        Self {
            left: left.collect(),
            matrix,
            graph,
            root,
            sink,
            starts,
            goals,
        }
    }

    /// The paths of at most `hops` hops, the shortest first, of one length in the order of
    /// the nodes; at most `limit` of them. A path visits no node twice and ends at the
    /// first goal that it meets.
    #[must_use]
    pub fn paths(&self, hops: usize, limit: usize) -> Vec<Path> {
        let mut search = Search {
            of: self,
            found: Vec::new(),
            limit,
            steps: 0,
        };
        let least = self.starts.iter().filter_map(|start| self.least(*start));
        let Some(least) = least.min() else {
            return Vec::new();
        };
        for length in least..=hops {
            for start in &self.starts {
                search.extend(&mut vec![*start], length);
            }
            if search.is_over() {
                break;
            }
        }
        search.found
    }

    /// How many hops at least a path from a start has; `None` if none leads to a goal.
    fn least(&self, start: NodeId) -> Option<usize> {
        let neighbours = self.graph.neighbors(index(start));
        let others = neighbours.filter(|node| *node != self.sink);
        let left = others.filter_map(|node| self.left.get(&node));
        left.min().map(|left| left + 1)
    }

    /// The number of hops of a shortest path; `None` if there is none.
    #[must_use]
    pub fn shortest(&self) -> Option<usize> {
        let first = self.paths(self.matrix.node_count(), 1);
        first.first().map(|path| path.len() - 1)
    }

    /// What every path goes through besides its ends, in the order in which it is met.
    #[must_use]
    pub fn crossings(&self) -> Vec<NodeId> {
        let dominators = dominators::simple_fast(&self.graph, self.root);
        let above = dominators.strict_dominators(self.sink);
        let is_between = |node: &NodeIndex| {
            *node != self.root && {
                let node = NodeId::new(node.index());
                !self.starts.contains(&node) && !self.goals.contains(&node)
            }
        };
        let mut crossings: Vec<NodeId> = above
            .into_iter()
            .flatten()
            .filter(is_between)
            .map(|node| NodeId::new(node.index()))
            .collect();
        crossings.reverse();
        crossings
    }

    /// Everything that the starts can reach in at most `hops` hops besides themselves, the
    /// nearest first.
    #[must_use]
    pub fn reached(&self, hops: usize) -> Vec<Reached> {
        let mut known: HashSet<NodeId> = self.starts.iter().copied().collect();
        let mut edge: Vec<NodeId> = self.starts.clone();
        let mut reached = Vec::new();
        for hops in 1..=hops {
            let mut next: Vec<Reached> = Vec::new();
            for via in &edge {
                let mut neighbours: Vec<NodeIndex> = self.graph.neighbors(index(*via)).collect();
                neighbours.sort_unstable();
                for node in neighbours.into_iter().filter(|node| *node != self.sink) {
                    let node = NodeId::new(node.index());
                    if known.insert(node) {
                        next.push(Reached {
                            hops,
                            node,
                            via: *via,
                        });
                    }
                }
            }
            next.sort_unstable();
            edge = next.iter().map(|reached| reached.node).collect();
            if edge.is_empty() {
                break;
            }
            reached.extend(next);
        }
        reached
    }
}

struct Search<'s, 'm, 'c> {
    of: &'s Paths<'m, 'c>,
    found: Vec<Path>,
    limit: usize,
    steps: usize,
}

impl Search<'_, '_, '_> {
    fn is_over(&self) -> bool {
        self.found.len() >= self.limit || self.steps >= MAX_STEPS
    }

    /// Carries a path on by exactly `left` hops, to a goal.
    fn extend(&mut self, path: &mut Path, left: usize) {
        if self.is_over() {
            return;
        }
        self.steps += 1;
        let Some(last) = path.last().copied() else {
            return;
        };
        let mut neighbours: Vec<NodeIndex> = self.of.graph.neighbors(index(last)).collect();
        neighbours.sort_unstable();
        for node in neighbours.into_iter().filter(|node| *node != self.of.sink) {
            let node = NodeId::new(node.index());
            let is_goal = self.of.goals.contains(&node);
            let is_inner = left == 1 && path.len() == 1 && node == last;
            if path.contains(&node) && !is_inner {
                continue;
            }
            let is_near = self
                .of
                .left
                .get(&index(node))
                .is_some_and(|steps| *steps < left);
            match (is_goal, left) {
                (true, 1) => {
                    let mut whole = path.clone();
                    whole.push(node);
                    self.found.push(whole);
                    if self.is_over() {
                        return;
                    }
                }
                (false, 2..) if is_near => {
                    path.push(node);
                    self.extend(path, left - 1);
                    path.pop();
                }
                _ => {}
            }
        }
    }
}

fn index(node: NodeId) -> NodeIndex {
    NodeIndex::new(node.index())
}
