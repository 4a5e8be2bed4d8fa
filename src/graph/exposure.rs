//! What each workload is open to: the internet, other namespaces, who can reach it and
//! whom it can reach.
//!
//! Refuses to know which addresses are public and where names are resolved: it is told.

use super::matrix::{FlowMatrix, NodeEnds, NodeId, Openness};
use super::{EndSet, is_undeclared};
use crate::cluster::{NamespaceId, WorkloadId};
use crate::engine::{AskedPolicies, ConnectionSet, Entity, PortSet};
use crate::k8s::{Direction, Protocol, Truth};
use std::collections::{BTreeMap, BTreeSet};

/// What one workload is open to.
#[derive(Clone, Debug)]
pub struct Exposure {
    /// The workload.
    pub workload: WorkloadId,
    /// What some public address may open at it.
    pub from_internet: Openness,
    /// What it may open at some public address.
    pub to_internet: Openness,
    /// What some pods that no manifest declares, and that have none of the labels that policies
    /// ask for, may open at it: of its own namespace or another one.
    pub from_undeclared: Openness,
    /// How many workloads of other namespaces may open something at it.
    pub from_other_namespaces: Count,
    /// How many workloads may open something at it, itself left out.
    pub reached_by: Count,
    /// At how many workloads it may open something, itself left out.
    pub reaches: Count,
    /// Whether it may ask a resolver, over UDP; `None` where nobody knows, or no resolver
    /// is among the manifests.
    pub resolves_names: Option<bool>,
    /// Whether a policy isolates it for ingress; `None` if that cannot be told.
    pub isolated_in: Option<bool>,
    /// Whether a policy isolates it for egress; `None` if that cannot be told.
    pub isolated_out: Option<bool>,
    /// Nodes, the API server and their like, with what they may open at it and what it may open
    /// at them; none where the CNI plugin does not tell them apart.
    pub entities: Vec<EntityExposure>,
}

/// A number of workloads.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Count {
    /// Those between which something is open, whatever is not known.
    pub certain: usize,
    /// Those between which all that may be open depends on what is not known.
    pub unknown: usize,
}

impl Count {
    /// Adds some of which all are as this one is.
    fn add(&mut self, workloads: usize, openness: &Openness) {
        match openness.open.is_empty() {
            false => self.certain += workloads,
            true if !openness.unknown.is_empty() => self.unknown += workloads,
            true => {}
        }
    }

    /// The same without one of those between which this is open.
    fn without_one(mut self, openness: &Openness) -> Self {
        match openness.open.is_empty() {
            false => self.certain -= 1,
            true if !openness.unknown.is_empty() => self.unknown -= 1,
            true => {}
        }
        self
    }
}

/// What a workload and an entity may open at each other.
#[derive(Clone, Debug)]
pub struct EntityExposure {
    /// The entity.
    pub entity: Entity,
    /// What it may open at the workload.
    pub ingress: Openness,
    /// What the workload may open at it.
    pub egress: Openness,
}

/// The exposure of every workload, in the order of the cluster. The table must have been
/// made with both sets of ends as choices: `internet` are the public addresses, `resolvers`
/// the pods that resolve names. [Strangers](super::strangers) among its workloads have no
/// exposure of their own.
#[must_use]
pub fn exposures(matrix: &FlowMatrix<'_>, internet: &EndSet, resolvers: &EndSet) -> Vec<Exposure> {
    let public = matrix.nodes_of(internet);
    let resolvers = matrix.nodes_of(resolvers);
    let cluster = matrix.cluster();
    let policies = AskedPolicies::new(cluster);
    let counts = Counts::new(matrix);
    let isolated = |id, direction| match policies.isolate(cluster, id, direction) {
        Truth::True => Some(true),
        Truth::False => Some(false),
        Truth::Unknown => None,
    };
    let entities: Vec<(NodeId, Entity)> = matrix
        .nodes()
        .filter_map(|node| match matrix.ends(node) {
            NodeEnds::Entity(entity) => Some((node, entity)),
            NodeEnds::Workloads(_) | NodeEnds::Outside(_) => None,
        })
        .collect();
    let of = |id: WorkloadId, node: NodeId| {
        let home = cluster.workload(id).namespace;
        let (reached_by, reaches) = counts.of_member(node);
        let of_entity = |(other, entity): &(NodeId, Entity)| EntityExposure {
            entity: *entity,
            ingress: matrix.between(*other, node).clone(),
            egress: matrix.between(node, *other).clone(),
        };
        let union = |all: Openness, one: &Openness| all.union(one);
        let from_public = public.iter().map(|outside| matrix.between(*outside, node));
        let to_public = public.iter().map(|outside| matrix.between(node, *outside));
        Exposure {
            workload: id,
            from_internet: from_public.fold(Openness::default(), union),
            to_internet: to_public.fold(Openness::default(), union),
            from_undeclared: counts.opened_to_undeclared(node),
            from_other_namespaces: counts.reached_from_others(node, home),
            reached_by,
            reaches,
            resolves_names: resolves(matrix, node, &resolvers),
            isolated_in: isolated(id, Direction::Ingress),
            isolated_out: isolated(id, Direction::Egress),
            entities: entities.iter().map(of_entity).collect(),
        }
    };
    let nodes = cluster
        .workload_ids()
        .filter(|id| !is_undeclared(cluster, *id))
        .filter_map(|id| Some((id, matrix.node_of(id)?)));
    nodes.map(|(id, node)| of(id, node)).collect()
}

/// How many workloads have flows with each node of workloads: found in one pass over the table, a
/// row after the other.
struct Counts<'m> {
    matrix: &'m FlowMatrix<'m>,
    /// By node.
    of: Vec<NodeCount>,
}

/// What one pass finds out about a node.
#[derive(Clone, Debug, Default)]
struct NodeCount {
    /// Its declared workloads, by namespace.
    declared: Vec<(NamespaceId, usize)>,
    has_undeclared: bool,
    /// Declared workloads, those of the node itself among them.
    reached_by: Count,
    reaches: Count,
    /// By namespace of its declared workloads: how many of these reach it that are of others.
    from_others: Vec<Count>,
    /// The sets that undeclared pods may open at it.
    from_undeclared: BTreeSet<u32>,
}

impl NodeCount {
    fn number(&self) -> usize {
        self.declared.iter().map(|(_, number)| number).sum()
    }

    /// How many of its declared workloads are of other namespaces.
    fn foreign(&self, home: NamespaceId) -> usize {
        let others = self.declared.iter().filter(|(id, _)| *id != home);
        others.map(|(_, number)| number).sum()
    }
}

impl<'m> Counts<'m> {
    fn new(matrix: &'m FlowMatrix<'m>) -> Self {
        let cluster = matrix.cluster();
        let members = |node: NodeId| match matrix.ends(node) {
            NodeEnds::Workloads(group) => group,
            NodeEnds::Outside(_) | NodeEnds::Entity(_) => &[],
        };
        let empty = |node: NodeId| {
            let mut declared: BTreeMap<NamespaceId, usize> = BTreeMap::new();
            let mut has_undeclared = false;
            for id in members(node) {
                match is_undeclared(cluster, *id) {
                    true => has_undeclared = true,
                    false => *declared.entry(cluster.workload(*id).namespace).or_default() += 1,
                }
            }
            NodeCount {
                from_others: vec![Count::default(); declared.len()],
                declared: declared.into_iter().collect(),
                has_undeclared,
                ..NodeCount::default()
            }
        };
        let mut of: Vec<NodeCount> = matrix.nodes().map(empty).collect();
        let numbers: Vec<usize> = of.iter().map(NodeCount::number).collect();
        let inner = || matrix.nodes().take(matrix.groups().len());
        for source in inner() {
            let from = empty(source);
            let mut reaches = Count::default();
            for destination in inner() {
                let set = matrix.set_between(source, destination);
                if set == 0 {
                    continue;
                }
                let opened = &matrix.sets()[set as usize];
                reaches.add(numbers[destination.index()], opened);
                let to = &mut of[destination.index()];
                to.reached_by.add(numbers[source.index()], opened);
                for ((home, _), count) in to.declared.iter().zip(&mut to.from_others) {
                    count.add(from.foreign(*home), opened);
                }
                if from.has_undeclared {
                    to.from_undeclared.insert(set);
                }
            }
            of[source.index()].reaches = reaches;
        }
        Self { matrix, of }
    }

    /// Who reaches a declared workload of a node, and whom it reaches, itself left out.
    fn of_member(&self, node: NodeId) -> (Count, Count) {
        let NodeCount {
            reached_by,
            reaches,
            ..
        } = &self.of[node.index()];
        let itself = self.matrix.between(node, node);
        (reached_by.without_one(itself), reaches.without_one(itself))
    }

    fn reached_from_others(&self, node: NodeId, home: NamespaceId) -> Count {
        let of = &self.of[node.index()];
        let place = of.declared.iter().position(|(id, _)| *id == home);
        place.map_or_else(Count::default, |place| of.from_others[place])
    }

    fn opened_to_undeclared(&self, node: NodeId) -> Openness {
        let sets = self.of[node.index()].from_undeclared.iter();
        let sets = sets.map(|set| &self.matrix.sets()[*set as usize]);
        sets.fold(Openness::default(), |all, one| all.union(one))
    }
}

/// Whether the workloads of a node may ask a resolver.
fn resolves(matrix: &FlowMatrix<'_>, node: NodeId, resolvers: &[NodeId]) -> Option<bool> {
    let question = ConnectionSet::of(
        Protocol::Udp,
        PortSet::from_ranges([(53, 53), (5353, 5353)]),
    );
    let mut is_unknown = resolvers.is_empty();
    for resolver in resolvers {
        if *resolver == node && !matrix.has_inner_flows(node) {
            return Some(true);
        }
        let between = matrix.between(node, *resolver);
        if !between.open.intersection(&question).is_empty() {
            return Some(true);
        }
        is_unknown |= !between.unknown.intersection(&question).is_empty();
    }
    (!is_unknown).then_some(false)
}

impl Exposure {
    /// Whether some public address may open something at it, for certain.
    #[must_use]
    pub fn is_open_to_internet(&self) -> bool {
        !self.from_internet.open.is_empty()
    }
}
