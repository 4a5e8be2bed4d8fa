//! Nodes, the API server and their like in a drawing, and names of the DNS: the flows that pods
//! have with ends that are neither pods nor addresses, where the CNI plugin tells such ends apart.
//!
//! Refuses to know what policies say of them; the relation does.

use super::drawing::{Admission, Drawing, DrawnEdge, DrawnNode, FlowQuery, Grain};
use super::ends::EndSet;
use super::matrix::{FlowMatrix, Openness};
use crate::cluster::{NamespaceId, WorkloadId};
use crate::engine::{Endpoint, Engine, Entity, Peer};
use crate::k8s::Direction;
use std::collections::{BTreeMap, HashMap};

/// Where a node stands among all: workloads and namespaces in the order of the cluster, then the
/// outside, as it was drawn.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Place {
    Workload(WorkloadId),
    Namespace(NamespaceId),
    Outside(usize),
    Entity(Entity),
    /// By its place among the names that are asked for.
    Domain(usize),
}

impl Drawing {
    /// The same with the flows that a query asks for between pods and such ends.
    #[must_use]
    pub fn with_entities(
        self,
        engine: &Engine<'_>,
        matrix: &FlowMatrix<'_>,
        query: &FlowQuery,
        grain: Grain,
    ) -> Self {
        let flows = flows(engine, matrix, query, grain);
        match flows.is_empty() {
            true => self,
            false => self.with_flows(flows, domains_of(query)),
        }
    }

    fn with_flows(self, flows: BTreeMap<(Place, Place), Openness>, domains: &[String]) -> Self {
        let place = |(index, node): (usize, &DrawnNode)| match node {
            DrawnNode::Workload(id) => Place::Workload(*id),
            DrawnNode::Namespace(id) => Place::Namespace(*id),
            DrawnNode::Outside(_) => Place::Outside(index),
            DrawnNode::Entity(entity) => Place::Entity(*entity),
            DrawnNode::Domain(_) => Place::Domain(index),
        };
        let before: Vec<Place> = self.nodes.iter().enumerate().map(place).collect();
        let new = flows.keys().flat_map(|(from, to)| [*from, *to]);
        let mut places: Vec<Place> = before.iter().copied().chain(new).collect();
        places.sort_unstable();
        places.dedup();
        let number = |place: &Place| places.binary_search(place).unwrap_or_default() as u32;
        let mut edges: Vec<DrawnEdge> = (self.edges.iter())
            .map(|edge| DrawnEdge {
                source: number(&before[edge.source as usize]),
                destination: number(&before[edge.destination as usize]),
                set: edge.set,
            })
            .collect();
        let mut sets = self.sets;
        let known = (0u32..)
            .zip(&sets)
            .map(|(number, set)| (set.clone(), number));
        let mut numbers: HashMap<Openness, u32> = known.collect();
        for ((from, to), set) in flows {
            let next = sets.len() as u32;
            let place = *numbers.entry(set.clone()).or_insert(next);
            if place == next {
                sets.push(set);
            }
            edges.push(DrawnEdge {
                source: number(&from),
                destination: number(&to),
                set: place,
            });
        }
        edges.sort_unstable_by_key(|edge| (edge.source, edge.destination));
        let node = |place: &Place| match place {
            Place::Workload(id) => DrawnNode::Workload(*id),
            Place::Namespace(id) => DrawnNode::Namespace(*id),
            Place::Outside(index) => self.nodes[*index].clone(),
            Place::Entity(entity) => DrawnNode::Entity(*entity),
            Place::Domain(index) => DrawnNode::Domain(domains[*index].clone()),
        };
        Self {
            nodes: places.iter().map(node).collect(),
            edges,
            sets,
        }
    }
}

/// The flows with such ends that a query asks for.
fn flows(
    engine: &Engine<'_>,
    matrix: &FlowMatrix<'_>,
    query: &FlowQuery,
    grain: Grain,
) -> BTreeMap<(Place, Place), Openness> {
    let (relation, cluster) = (engine.relation(), matrix.cluster());
    let admission = Admission::new(matrix, query);
    let mut flows: BTreeMap<(Place, Place), Openness> = BTreeMap::new();
    for id in cluster.workload_ids() {
        let Some(node) = matrix.node_of(id) else {
            continue;
        };
        let pods = match grain {
            Grain::Workload => Place::Workload(id),
            Grain::Namespace => Place::Namespace(cluster.workload(id).namespace),
        };
        for direction in Direction::BOTH {
            if !admission.admits_pods(node, direction) {
                continue;
            }
            let asked = match direction {
                Direction::Egress => &query.to,
                Direction::Ingress => &query.from,
            };
            for flow in relation.flows_with_entities(id, direction) {
                let ((Peer::Entity(entity), _) | (_, Peer::Entity(entity))) =
                    (flow.source, flow.destination)
                else {
                    continue;
                };
                if asked.as_ref().is_some_and(|ends| !ends.has_entity(entity)) {
                    continue;
                }
                let ends = match direction {
                    Direction::Egress => (pods, Place::Entity(entity)),
                    Direction::Ingress => (Place::Entity(entity), pods),
                };
                let open = Openness {
                    open: flow.connections.as_ref().clone(),
                    unknown: flow.unknown.as_ref().clone(),
                };
                let known = flows.entry(ends).or_default();
                *known = known.union(&open);
            }
            if direction == Direction::Egress {
                let source = Endpoint::workload(cluster, id).in_graph(cluster);
                for (index, domain) in domains_of(query).iter().enumerate() {
                    let open = openness_to(engine, &source, domain);
                    if open != Openness::default() {
                        let known = flows.entry((pods, Place::Domain(index))).or_default();
                        *known = known.union(&open);
                    }
                }
            }
        }
    }
    flows
}

/// The names of the DNS that a query asks for: only where connections lead to are there any.
fn domains_of(query: &FlowQuery) -> &[String] {
    query.to.as_ref().map_or(&[], EndSet::domains)
}

/// What pods may open to a name of the DNS.
fn openness_to(engine: &Engine<'_>, source: &Endpoint<'_>, domain: &str) -> Openness {
    let name = Endpoint::Name(domain);
    let verdict = engine.judge().one_side(Direction::Egress, source, &name);
    let open = verdict.allowed();
    Openness {
        unknown: verdict.possible().difference(&open),
        open,
    }
}
