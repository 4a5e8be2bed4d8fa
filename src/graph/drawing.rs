//! The part of a cluster's flows that somebody asks for, as nodes and edges: by workloads
//! or by namespaces, the outside in as few nodes as its addresses differ.
//!
//! Refuses to know how it is drawn.

use super::EndSet;
use super::matrix::{FlowMatrix, NodeEnds, NodeId, Openness};
use crate::cluster::{NamespaceId, WorkloadId};
use crate::engine::{AddressRange, Engine, Entity};
use crate::k8s::Direction;
use std::collections::{BTreeMap, HashMap, VecDeque};

/// Which flows are asked for; all of them by default.
#[derive(Clone, Debug, Default)]
pub struct FlowQuery {
    /// Only flows from these ends.
    pub from: Option<EndSet>,
    /// Only flows to these ends.
    pub to: Option<EndSet>,
    /// Only flows with an end among these: the workloads of a namespace.
    pub touching: Option<EndSet>,
    /// Only flows within so many steps forwards from these ends, or backwards.
    pub around: Option<(EndSet, usize)>,
}

impl FlowQuery {
    /// Whether everything is asked for.
    #[must_use]
    pub fn is_everything(&self) -> bool {
        self.choices().is_empty()
    }

    /// The table of the flows that are asked for; nothing else is open in it.
    #[must_use]
    pub fn matrix<'c>(&self, engine: &Engine<'c>) -> FlowMatrix<'c> {
        self.admitted(FlowMatrix::new(engine, &self.choices()))
    }

    /// The same with nodes, the API server and their like, where the CNI plugin tells them apart.
    #[must_use]
    pub fn matrix_with_entities<'c>(&self, engine: &Engine<'c>) -> FlowMatrix<'c> {
        let entities = engine.relation().entities().collect();
        self.admitted(FlowMatrix::with_entities(engine, &self.choices(), entities))
    }

    fn admitted<'c>(&self, mut matrix: FlowMatrix<'c>) -> FlowMatrix<'c> {
        if !self.is_everything() {
            let admission = Admission::new(&matrix, self);
            matrix.retain(|source, destination| admission.admits(source, destination));
        }
        matrix
    }

    /// Whether it asks for a node, the API server or their like, or a name of the DNS.
    #[must_use]
    pub fn names_entities(&self) -> bool {
        let mut asked = [&self.from, &self.to].into_iter().flatten();
        asked.any(EndSet::is_special)
    }

    /// Whether it asks for a name of the DNS.
    #[must_use]
    pub fn names_domains(&self) -> bool {
        let mut asked = [&self.from, &self.to].into_iter().flatten();
        asked.any(|ends| !ends.domains().is_empty())
    }

    fn choices(&self) -> Vec<&EndSet> {
        let around = self.around.as_ref().map(|(ends, _)| ends);
        let choices = [
            self.from.as_ref(),
            self.to.as_ref(),
            self.touching.as_ref(),
            around,
        ];
        choices.into_iter().flatten().collect()
    }
}

/// What a node stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Grain {
    /// One workload each.
    Workload,
    /// All workloads of a namespace.
    Namespace,
}

/// A node that is drawn.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DrawnNode {
    /// A workload.
    Workload(WorkloadId),
    /// The workloads of a namespace.
    Namespace(NamespaceId),
    /// Addresses outside that no flow tells apart.
    Outside(Vec<AddressRange>),
    /// A node, the API server or their like.
    Entity(Entity),
    /// A name of the DNS outside, whose addresses nobody knows.
    Domain(String),
}

/// What the ends of one node may open at those of another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DrawnEdge {
    /// The node of the sources.
    pub source: u32,
    /// The node of the destinations.
    pub destination: u32,
    /// A place in [`Drawing::sets`].
    pub set: u32,
}

/// Nodes and edges; workloads and namespaces in the order of the cluster, then the outside.
#[derive(Clone, Debug)]
pub struct Drawing {
    /// The nodes.
    pub nodes: Vec<DrawnNode>,
    /// The edges by source, then destination; one for each pair with a flow.
    pub edges: Vec<DrawnEdge>,
    /// What is open along the edges.
    pub sets: Vec<Openness>,
}

impl Drawing {
    /// The table of a query as nodes and edges.
    #[must_use]
    pub fn new(matrix: &FlowMatrix<'_>, query: &FlowQuery, grain: Grain) -> Self {
        match grain {
            Grain::Workload => Self::of_workloads(matrix, query),
            Grain::Namespace => Self::of_namespaces(matrix),
        }
    }

    fn of_workloads(matrix: &FlowMatrix<'_>, query: &FlowQuery) -> Self {
        let everything = query.is_everything();
        let mut is_drawn: Vec<bool> = matrix.nodes().map(|_| everything).collect();
        for (source, destination, _) in matrix.flows() {
            is_drawn[source.index()] = true;
            is_drawn[destination.index()] = true;
        }
        let asked = [
            &query.touching,
            &query.around.as_ref().map(|(ends, _)| ends.clone()),
        ];
        for choice in asked.into_iter().flatten() {
            for workload in choice.workloads() {
                if let Some(node) = matrix.node_of(*workload) {
                    is_drawn[node.index()] = true;
                }
            }
        }
        let drawn = |node: NodeId| is_drawn[node.index()];
        let cluster = matrix.cluster();
        let workloads: Vec<(WorkloadId, NodeId)> = cluster
            .workload_ids()
            .filter_map(|id| Some((id, matrix.node_of(id)?)))
            .filter(|(_, node)| drawn(*node))
            .collect();
        let outside: Vec<NodeId> = matrix
            .nodes()
            .filter(|node| matrix.is_outside(*node) && drawn(*node))
            .collect();
        let mut nodes: Vec<DrawnNode> = workloads
            .iter()
            .map(|(id, _)| DrawnNode::Workload(*id))
            .collect();
        nodes.extend(outside.iter().map(|node| outside_node(matrix, *node)));
        let ends: Vec<(Option<WorkloadId>, NodeId)> = workloads
            .iter()
            .map(|(id, node)| (Some(*id), *node))
            .chain(outside.iter().map(|node| (None, *node)))
            .collect();
        let mut edges = Vec::new();
        for (source, (id, from)) in (0u32..).zip(&ends) {
            for (destination, (other, to)) in (0u32..).zip(&ends) {
                let set = matrix.set_between(*from, *to);
                let is_itself = id.is_some() && id == other;
                let is_flow = set != 0 && !(is_itself && is_single_pod(matrix, *id));
                if is_flow {
                    edges.push(DrawnEdge {
                        source,
                        destination,
                        set,
                    });
                }
            }
        }
        Self {
            nodes,
            edges,
            sets: matrix.sets().to_vec(),
        }
    }

    fn of_namespaces(matrix: &FlowMatrix<'_>) -> Self {
        // By node: the namespaces of its workloads, or itself.
        let cluster = matrix.cluster();
        let places = |node: NodeId| -> Vec<Place> {
            match matrix.ends(node) {
                NodeEnds::Outside(_) | NodeEnds::Entity(_) => vec![Place::Outside(node)],
                NodeEnds::Workloads(group) => {
                    let mut namespaces: Vec<Place> = group
                        .iter()
                        .map(|id| Place::Namespace(cluster.workload(*id).namespace))
                        .collect();
                    namespaces.sort_unstable();
                    namespaces.dedup();
                    namespaces
                }
            }
        };
        let places: Vec<Vec<Place>> = matrix.nodes().map(places).collect();
        let mut open: BTreeMap<(Place, Place), Openness> = BTreeMap::new();
        for (source, destination, set) in matrix.flows() {
            for from in &places[source.index()] {
                for to in &places[destination.index()] {
                    let known = open.entry((*from, *to)).or_default();
                    *known = known.union(set);
                }
            }
        }
        let mut drawn: Vec<Place> = open.keys().flat_map(|(from, to)| [*from, *to]).collect();
        drawn.sort_unstable();
        drawn.dedup();
        let mut sets: Vec<Openness> = Vec::new();
        let mut known: HashMap<Openness, u32> = HashMap::new();
        let mut edges = Vec::new();
        for ((from, to), set) in open {
            let number = |place: &Place| drawn.binary_search(place).unwrap_or_default() as u32;
            let set = *known.entry(set).or_insert_with_key(|set| {
                sets.push(set.clone());
                sets.len() as u32 - 1
            });
            edges.push(DrawnEdge {
                source: number(&from),
                destination: number(&to),
                set,
            });
        }
        let node = |place: &Place| match place {
            Place::Namespace(id) => DrawnNode::Namespace(*id),
            Place::Outside(node) => outside_node(matrix, *node),
        };
        Self {
            nodes: drawn.iter().map(node).collect(),
            edges,
            sets,
        }
    }
}

/// Where ends are; namespaces come before the outside.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Place {
    Namespace(NamespaceId),
    Outside(NodeId),
}

fn outside_node(matrix: &FlowMatrix<'_>, node: NodeId) -> DrawnNode {
    match matrix.ends(node) {
        NodeEnds::Outside(ranges) => DrawnNode::Outside(ranges.to_vec()),
        NodeEnds::Workloads(group) => DrawnNode::Workload(group[0]),
        NodeEnds::Entity(entity) => DrawnNode::Entity(entity),
    }
}

fn is_single_pod(matrix: &FlowMatrix<'_>, workload: Option<WorkloadId>) -> bool {
    let kind = |id| matrix.cluster().workload(id).object.kind;
    workload
        .map(kind)
        .is_some_and(crate::k8s::WorkloadKind::is_one_pod)
}

/// Which pairs of nodes a query admits.
pub(super) struct Admission {
    /// By node: whether flows may begin there, and whether they may end there.
    sources: Vec<bool>,
    destinations: Vec<bool>,
    /// By node: whether it is one of those that a flow has to touch, if it has to.
    touching: Option<Vec<bool>>,
    /// By node: whether the flows that leave it (that enter it) are near enough.
    near: Option<[Vec<bool>; 2]>,
}

impl Admission {
    pub(super) fn new(matrix: &FlowMatrix<'_>, query: &FlowQuery) -> Self {
        let flags = |choice: &EndSet| {
            let mut flags = vec![false; matrix.node_count()];
            for node in matrix.nodes_of(choice) {
                flags[node.index()] = true;
            }
            flags
        };
        let all = || vec![true; matrix.node_count()];
        let near = query.around.as_ref().map(|(ends, hops)| {
            let start = matrix.nodes_of(ends);
            [false, true].map(|backwards| {
                let steps = steps(matrix, &start, backwards);
                steps
                    .iter()
                    .map(|steps| steps.is_some_and(|steps| steps < *hops))
                    .collect()
            })
        });
        Self {
            sources: query.from.as_ref().map_or_else(all, flags),
            destinations: query.to.as_ref().map_or_else(all, flags),
            touching: query.touching.as_ref().map(flags),
            near,
        }
    }

    /// Whether flows of a node that lead to, or come from, an end that is no node are admitted.
    pub(super) fn admits_pods(&self, node: NodeId, direction: Direction) -> bool {
        let place = node.index();
        let (asked, near) = match direction {
            Direction::Egress => (&self.sources, 0),
            Direction::Ingress => (&self.destinations, 1),
        };
        asked[place]
            && self.touching.as_ref().is_none_or(|flags| flags[place])
            && self.near.as_ref().is_none_or(|flags| flags[near][place])
    }

    fn admits(&self, source: NodeId, destination: NodeId) -> bool {
        let (from, to) = (source.index(), destination.index());
        let touches = |flags: &Vec<bool>| flags[from] || flags[to];
        let is_near = |near: &[Vec<bool>; 2]| near[0][from] || near[1][to];
        self.sources[from]
            && self.destinations[to]
            && self.touching.as_ref().is_none_or(touches)
            && self.near.as_ref().is_none_or(is_near)
    }
}

/// By node: the number of steps from the nearest of `start`, or to it. Nothing is carried
/// on through the outside.
fn steps(matrix: &FlowMatrix<'_>, start: &[NodeId], backwards: bool) -> Vec<Option<usize>> {
    let mut steps: Vec<Option<usize>> = vec![None; matrix.node_count()];
    let mut next: VecDeque<NodeId> = start.iter().copied().collect();
    for node in start {
        steps[node.index()] = Some(0);
    }
    while let Some(node) = next.pop_front() {
        let here = steps[node.index()].unwrap_or_default();
        if matrix.is_outside(node) && here > 0 {
            continue;
        }
        for other in matrix.nodes() {
            let set = match backwards {
                true => matrix.set_between(other, node),
                false => matrix.set_between(node, other),
            };
            if set != 0 && steps[other.index()].is_none() {
                steps[other.index()] = Some(here + 1);
                next.push_back(other);
            }
        }
    }
    steps
}
