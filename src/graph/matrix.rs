//! Every flow of a cluster in one table: workloads that no policy tells apart in one row
//! and one column, addresses that none tells apart in one part of the outside.
//!
//! What is drawn, walked or counted is read off this table. Refuses to know what it is
//! read for.

use super::EndSet;
use crate::cluster::{Cluster, WorkloadId};
use crate::engine::{AddressRange, ConnectionSet, Engine, Entity, Peer, Relation};
use crate::k8s::Direction;
use rayon::prelude::*;
use std::collections::HashMap;

/// What one end may open at another.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Openness {
    /// The connections that are allowed.
    pub open: ConnectionSet,
    /// The connections of which nobody knows, for want of a part of the input. None of
    /// them is among `open`.
    pub unknown: ConnectionSet,
}

impl Openness {
    /// What one of both opens: known to be open outranks unknown.
    #[must_use]
    pub fn union(&self, other: &Self) -> Self {
        let open = self.open.union(&other.open);
        Self {
            unknown: self.unknown.union(&other.unknown).difference(&open),
            open,
        }
    }
}

/// A row and a column of a [`FlowMatrix`]: first the groups of workloads, then the parts
/// of the outside.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NodeId(u32);

impl NodeId {
    /// The node of this position.
    pub(super) fn new(index: usize) -> Self {
        Self(index as u32)
    }

    /// Its position.
    #[must_use]
    pub fn index(self) -> usize {
        self.0 as usize
    }
}

/// What a node stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NodeEnds<'m> {
    /// Workloads that reach alike and are reached alike, in order.
    Workloads(&'m [WorkloadId]),
    /// Addresses outside that reach alike and are reached alike, in order.
    Outside(&'m [AddressRange]),
    /// A node, the API server or their like, where the CNI plugin tells them apart.
    Entity(Entity),
}

/// Who may open what at whom, for all pairs of a cluster.
#[derive(Clone, Debug)]
pub struct FlowMatrix<'c> {
    cluster: &'c Cluster,
    groups: Vec<Vec<WorkloadId>>,
    outside: Vec<Vec<AddressRange>>,
    entities: Vec<Entity>,
    /// By workload: its group; `None` if an API server would reject the object.
    group_of: Vec<Option<u32>>,
    /// The first is the closed one.
    sets: Vec<Openness>,
    /// By source, then destination: a place in `sets`.
    cells: Vec<u32>,
}

impl<'c> FlowMatrix<'c> {
    /// The table of a cluster. Each of `choices` is a set of whole nodes in it.
    #[must_use]
    pub fn new(engine: &Engine<'c>, choices: &[&EndSet]) -> Self {
        Self::with_entities(engine, choices, Vec::new())
    }

    /// The same with nodes for these ends, behind all others.
    #[must_use]
    pub fn with_entities(engine: &Engine<'c>, choices: &[&EndSet], entities: Vec<Entity>) -> Self {
        let relation = engine.relation();
        let cluster = engine.cluster();
        let groups = groups(relation, choices);
        let mut group_of = vec![None; cluster.workloads().len()];
        for (place, group) in (0u32..).zip(&groups) {
            for member in group {
                group_of[member.index()] = Some(place);
            }
        }
        let mut sets = SetTable::default();
        let parts = Parts::new(relation, &groups, choices, &mut sets);
        let mut matrix = Self {
            cluster,
            outside: parts.ranges,
            entities,
            sets: Vec::new(),
            cells: Vec::new(),
            group_of,
            groups,
        };
        matrix.fill(relation, &parts.leaves, &parts.enters, &mut sets);
        matrix.sets = sets.sets;
        matrix
    }

    fn fill(
        &mut self,
        relation: Relation<'_>,
        leaves: &[Vec<u32>],
        enters: &[Vec<u32>],
        sets: &mut SetTable,
    ) {
        // By group of the relation: the group here of its first member, as a chosen part
        // of a group is reached as all of it is.
        let size = self.node_count();
        self.cells = Vec::with_capacity(size * size);
        // Rows are large, so that only some are there at a time.
        for (chunk, leaves) in self.groups.chunks(256).zip(leaves.chunks(256)) {
            let rows: Vec<(Vec<u32>, Vec<Openness>)> = chunk
                .par_iter()
                .map(|group| self.row(relation, group[0]))
                .collect();
            for ((row, local), leaves) in rows.into_iter().zip(leaves) {
                let numbers: Vec<u32> = local.into_iter().map(|set| sets.intern(set)).collect();
                let row = row.into_iter().map(|place| numbers[place as usize]);
                self.cells.extend(row.chain(leaves.iter().copied()));
                // Those of the entities are not known yet.
                self.cells
                    .extend(std::iter::repeat_n(0, self.entities.len()));
            }
        }
        for part in 0..self.outside.len() {
            self.cells.extend(enters.iter().map(|enters| enters[part]));
            self.cells
                .extend(std::iter::repeat_n(0, size - self.groups.len()));
        }
        self.cells.resize(size * size, 0);
        self.fill_entities(relation, sets);
    }

    fn fill_entities(&mut self, relation: Relation<'_>, sets: &mut SetTable) {
        if self.entities.is_empty() {
            return;
        }
        let (size, first) = (self.node_count(), self.groups.len() + self.outside.len());
        for (place, group) in self.groups.iter().enumerate() {
            for direction in Direction::BOTH {
                for flow in relation.flows_with_entities(group[0], direction) {
                    let ((Peer::Entity(entity), _) | (_, Peer::Entity(entity))) =
                        (flow.source, flow.destination)
                    else {
                        continue;
                    };
                    let Some(column) = self.entities.iter().position(|it| *it == entity) else {
                        continue;
                    };
                    let cell = match direction {
                        Direction::Egress => place * size + first + column,
                        Direction::Ingress => (first + column) * size + place,
                    };
                    self.cells[cell] = sets.intern(Openness {
                        open: flow.connections.as_ref().clone(),
                        unknown: flow.unknown.as_ref().clone(),
                    });
                }
            }
        }
    }

    /// What a workload may open at each group: places in a list of its own.
    fn row(&self, relation: Relation<'_>, source: WorkloadId) -> (Vec<u32>, Vec<Openness>) {
        let row = relation.row(source);
        let mut local = SetTable::default();
        let (by_group, sets) = row.by_place();
        let intern = |(open, unknown): (&ConnectionSet, &ConnectionSet)| {
            local.intern(Openness {
                open: open.clone(),
                unknown: unknown.clone(),
            })
        };
        let numbers: Vec<u32> = sets.map(intern).collect();
        let of_group = |group: &Vec<WorkloadId>| {
            let place = relation.group_of(group[0]);
            let place = place.and_then(|place| by_group.get(place));
            place.map_or(0, |place| numbers[*place as usize])
        };
        (self.groups.iter().map(of_group).collect(), local.sets)
    }

    /// The cluster that the table is of.
    #[must_use]
    pub fn cluster(&self) -> &'c Cluster {
        self.cluster
    }

    /// The number of nodes.
    #[must_use]
    pub fn node_count(&self) -> usize {
        self.groups.len() + self.outside.len() + self.entities.len()
    }

    /// The groups of workloads, in the order of their first members. The first nodes stand
    /// for them.
    #[must_use]
    pub fn groups(&self) -> &[Vec<WorkloadId>] {
        &self.groups
    }

    /// The parts of the outside that may open something or be opened, in order. The nodes
    /// behind those of the groups stand for them.
    #[must_use]
    pub fn outside(&self) -> &[Vec<AddressRange>] {
        &self.outside
    }

    /// The entities that the table was made with. The last nodes stand for them.
    #[must_use]
    pub fn entities(&self) -> &[Entity] {
        &self.entities
    }

    /// All nodes: first the groups, then the outside, then entities.
    pub fn nodes(&self) -> impl ExactSizeIterator<Item = NodeId> + use<> {
        (0..self.node_count()).map(NodeId::new)
    }

    /// What a node stands for.
    #[must_use]
    pub fn ends(&self, node: NodeId) -> NodeEnds<'_> {
        match node.index().checked_sub(self.groups.len()) {
            None => NodeEnds::Workloads(&self.groups[node.index()]),
            Some(part) => match part.checked_sub(self.outside.len()) {
                None => NodeEnds::Outside(&self.outside[part]),
                Some(place) => NodeEnds::Entity(self.entities[place]),
            },
        }
    }

    /// Whether a node is none of the workloads: a part of the outside, or an entity.
    #[must_use]
    pub fn is_outside(&self, node: NodeId) -> bool {
        node.index() >= self.groups.len()
    }

    /// The node of a workload; `None` if an API server would reject the object.
    #[must_use]
    pub fn node_of(&self, workload: WorkloadId) -> Option<NodeId> {
        self.group_of[workload.index()].map(NodeId)
    }

    /// The nodes of a choice that the table was made with.
    #[must_use]
    pub fn nodes_of(&self, choice: &EndSet) -> Vec<NodeId> {
        let is_chosen = |node: &NodeId| match self.ends(*node) {
            NodeEnds::Workloads(group) => choice.has(group[0]),
            NodeEnds::Outside(ranges) => choice.has_range(&ranges[0]),
            NodeEnds::Entity(entity) => choice.has_entity(entity),
        };
        self.nodes().filter(is_chosen).collect()
    }

    /// Whether a choice is a set of whole nodes, though the table was not made with it.
    #[must_use]
    pub fn has_whole(&self, choice: &EndSet) -> bool {
        let is_whole = |group: &Vec<WorkloadId>| {
            let is_first = choice.has(group[0]);
            group.iter().all(|member| choice.has(*member) == is_first)
        };
        let is_apart = |part: &Vec<AddressRange>| {
            let is_first = choice.has_range(&part[0]);
            part.iter().all(|range| {
                let mut others = choice.outside().iter();
                let is_cut = others.any(|other| other.overlaps(range));
                choice.has_range(range) == is_first && is_cut == is_first
            })
        };
        !choice.is_special()
            && self.groups.iter().all(is_whole)
            && self.outside.iter().all(is_apart)
    }

    /// What the members of one node may open at those of another: of its own, at another
    /// member, or at another replica of the same workload. Between parts of the outside
    /// nothing, as nobody in the cluster is asked.
    #[must_use]
    pub fn between(&self, source: NodeId, destination: NodeId) -> &Openness {
        &self.sets[self.set_between(source, destination) as usize]
    }

    /// The place of [`between`](Self::between) in [`sets`](Self::sets).
    #[must_use]
    pub fn set_between(&self, source: NodeId, destination: NodeId) -> u32 {
        self.cells[source.index() * self.node_count() + destination.index()]
    }

    /// The distinct entries of the table; the first is the closed one.
    #[must_use]
    pub fn sets(&self) -> &[Openness] {
        &self.sets
    }

    /// The pairs of nodes with a flow, by source, then destination.
    pub fn flows(&self) -> impl Iterator<Item = (NodeId, NodeId, &Openness)> {
        let pairs = self
            .nodes()
            .flat_map(move |source| self.nodes().map(move |destination| (source, destination)));
        pairs
            .filter(|(source, destination)| {
                self.set_between(*source, *destination) != 0
                    && (source != destination || self.has_inner_flows(*source))
            })
            .map(|(source, destination)| (source, destination, self.between(source, destination)))
    }

    /// Forgets the flows between all other pairs of nodes.
    pub(super) fn retain(&mut self, is_kept: impl Fn(NodeId, NodeId) -> bool) {
        for source in self.nodes() {
            for destination in self.nodes() {
                if !is_kept(source, destination) {
                    let cell = source.index() * self.node_count() + destination.index();
                    self.cells[cell] = 0;
                }
            }
        }
    }

    /// Whether a node has two ends that could connect: two workloads, or two replicas of
    /// one. A single `Pod` reaches itself whatever the policies (S4), which is no flow.
    #[must_use]
    pub fn has_inner_flows(&self, node: NodeId) -> bool {
        match self.ends(node) {
            NodeEnds::Workloads([one]) => !self.cluster.workload(*one).object.kind.is_one_pod(),
            NodeEnds::Workloads(_) => true,
            NodeEnds::Outside(_) | NodeEnds::Entity(_) => false,
        }
    }
}

/// The groups of the relation, cut where a choice has only a part of one; sorted.
fn groups(relation: Relation<'_>, choices: &[&EndSet]) -> Vec<Vec<WorkloadId>> {
    let mut groups = Vec::new();
    for group in relation.groups() {
        let mut parts: Vec<(Vec<bool>, Vec<WorkloadId>)> = Vec::new();
        for member in group {
            let chosen: Vec<bool> = choices.iter().map(|choice| choice.has(*member)).collect();
            match parts.iter_mut().find(|(known, _)| *known == chosen) {
                Some((_, members)) => members.push(*member),
                None => parts.push((chosen, vec![*member])),
            }
        }
        groups.extend(parts.into_iter().map(|(_, members)| members));
    }
    groups.sort_unstable();
    groups
}

/// Distinct entries with their numbers; 0 is the closed one.
#[derive(Debug)]
struct SetTable {
    sets: Vec<Openness>,
    numbers: HashMap<Openness, u32>,
}

impl Default for SetTable {
    fn default() -> Self {
        Self {
            sets: vec![Openness::default()],
            numbers: HashMap::from([(Openness::default(), 0)]),
        }
    }
}

impl SetTable {
    fn intern(&mut self, set: Openness) -> u32 {
        if let Some(number) = self.numbers.get(&set) {
            return *number;
        }
        let number = self.sets.len() as u32;
        self.sets.push(set.clone());
        self.numbers.insert(set, number);
        number
    }
}

/// The outside in parts that no group tells apart, without those that have no flows.
struct Parts {
    ranges: Vec<Vec<AddressRange>>,
    /// By group, then part: what the group may open there.
    leaves: Vec<Vec<u32>>,
    /// By group, then part: what may be opened from there.
    enters: Vec<Vec<u32>>,
}

impl Parts {
    fn new(
        relation: Relation<'_>,
        groups: &[Vec<WorkloadId>],
        choices: &[&EndSet],
        sets: &mut SetTable,
    ) -> Self {
        let chosen = choices.iter().flat_map(|choice| choice.outside());
        let blocks: Vec<AddressRange> = relation.atoms().iter().chain(chosen).copied().collect();
        let atoms = crate::engine::address_atoms(blocks);
        // What a piece is part of: refined by one choice or group after the other.
        let mut refinement = Refinement::new(atoms.len());
        for choice in choices {
            let flags = atoms.iter().map(|atom| u32::from(choice.has_range(atom)));
            refinement.refine(flags);
        }
        let mut columns = Vec::with_capacity(2 * groups.len());
        for group in groups {
            for into in [false, true] {
                let column = column(relation, group[0], &atoms, into, sets);
                refinement.refine(column.iter().copied());
                columns.push(column);
            }
        }
        let mut parts: Vec<Vec<usize>> = vec![Vec::new(); refinement.parts as usize];
        for (place, part) in refinement.of.iter().enumerate() {
            parts[*part as usize].push(place);
        }
        let is_used = |part: &Vec<usize>| columns.iter().any(|column| column[part[0]] != 0);
        parts.retain(is_used);
        parts.sort_unstable();
        let of_parts = |column: &Vec<u32>| parts.iter().map(|part| column[part[0]]).collect();
        let joined = |part: &Vec<usize>| join(part.iter().map(|place| atoms[*place]));
        Self {
            ranges: parts.iter().map(joined).collect(),
            leaves: columns.iter().step_by(2).map(of_parts).collect(),
            enters: columns.iter().skip(1).step_by(2).map(of_parts).collect(),
        }
    }
}

/// What a workload may open at each atom, or each atom at it.
fn column(
    relation: Relation<'_>,
    workload: WorkloadId,
    atoms: &[AddressRange],
    into: bool,
    sets: &mut SetTable,
) -> Vec<u32> {
    let mut column = vec![0; atoms.len()];
    for family in [AddressRange::IPV4, AddressRange::IPV6] {
        let direction = match into {
            true => Direction::Ingress,
            false => Direction::Egress,
        };
        for (range, open, unknown) in relation.with_outside(workload, direction, family) {
            let number = sets.intern(Openness {
                open: open.into_owned(),
                unknown: unknown.into_owned(),
            });
            let start = atoms.partition_point(|atom| atom.first < range.first);
            let inside = atoms[start..]
                .iter()
                .take_while(|atom| range.contains_range(atom))
                .count();
            column[start..start + inside].fill(number);
        }
    }
    column
}

/// A division into parts that becomes finer.
struct Refinement {
    of: Vec<u32>,
    parts: u32,
}

impl Refinement {
    fn new(size: usize) -> Self {
        Self {
            of: vec![0; size],
            parts: 1,
        }
    }

    /// Tells apart what has different values.
    fn refine(&mut self, values: impl Iterator<Item = u32>) {
        let mut numbers: HashMap<(u32, u32), u32> = HashMap::new();
        for (part, value) in self.of.iter_mut().zip(values) {
            let next = numbers.len() as u32;
            *part = *numbers.entry((*part, value)).or_insert(next);
        }
        self.parts = numbers.len() as u32;
    }
}

/// Ranges in order, those that touch as one.
fn join(ranges: impl Iterator<Item = AddressRange>) -> Vec<AddressRange> {
    let mut joined: Vec<AddressRange> = Vec::new();
    for range in ranges {
        match joined.last_mut() {
            Some(last) if last.touches(&range) => last.last = range.last,
            _ => joined.push(range),
        }
    }
    joined
}
