//! Two clusters in one table: the ends of both as its rows and columns, and what each pair
//! of them may open before and after.
//!
//! Refuses to know what the differences amount to.

use super::pairing::{self, JointEnds, JointNode};
use super::{ComparisonQuery, LineEnds, Move};
use crate::cluster::NamespaceId;
use crate::engine::{AddressRange, ConnectionSet, Engine, Pair};
use crate::graph::EndSet;
use crate::graph::matrix::{FlowMatrix, NodeId, Openness};
use crate::k8s::WorkloadKind;

/// Two clusters in one table. Everywhere 0 is before, 1 is after.
#[derive(Debug)]
pub struct ChangeTable<'c> {
    pub(super) matrices: [FlowMatrix<'c>; 2],
    workloads: Vec<Pair>,
    pub(super) nodes: Vec<JointNode>,
    pub(super) flags: Vec<Flags>,
}

impl<'c> ChangeTable<'c> {
    /// The table of two clusters, cut where the query tells ends apart.
    #[must_use]
    pub fn new(before: &Engine<'c>, after: &Engine<'c>, query: &ComparisonQuery) -> Self {
        let choices = |time: usize| -> Vec<&EndSet> {
            let asked = [&query.from, &query.to, &query.focus];
            let asked = asked.into_iter().flatten().map(|choices| &choices[time]);
            asked
                .chain([&query.internet, &query.resolvers[time]])
                .collect()
        };
        let matrices = [
            FlowMatrix::new(before, &choices(0)),
            FlowMatrix::new(after, &choices(1)),
        ];
        let [old, new] = &matrices;
        let workloads = pairing::pairs([old, new]);
        let marks = |pair: &Pair| marks(query, pair);
        let nodes = pairing::nodes([old, new], &workloads, marks);
        let flags = nodes.iter().map(|node| flags(query, &workloads, node));
        Self {
            flags: flags.collect(),
            nodes,
            workloads,
            matrices,
        }
    }

    /// The workloads of both clusters, each once; see [`Comparison`](super::Comparison).
    #[must_use]
    pub fn workloads(&self) -> &[Pair] {
        &self.workloads
    }

    pub(super) fn into_workloads(self) -> Vec<Pair> {
        self.workloads
    }

    /// The rows and columns: workloads first, then the outside.
    #[must_use]
    pub fn nodes(&self) -> &[JointNode] {
        &self.nodes
    }

    /// What one node may open at another before and after, as numbers for
    /// [`openness`](Self::openness); `None` where that was not asked for.
    #[must_use]
    pub fn between(&self, source: usize, destination: usize) -> Option<[u32; 2]> {
        let is_asked = self.is_asked_for(source, destination);
        is_asked.then(|| self.sets(source, destination))
    }

    /// The set of a number, before or after.
    #[must_use]
    pub fn openness(&self, time: usize, set: u32) -> &Openness {
        &self.matrices[time].sets()[set as usize]
    }

    /// What comes and goes with the sets of both. What one side does not know is neither.
    #[must_use]
    pub fn moves(&self, sets: [u32; 2]) -> Vec<(Move, ConnectionSet)> {
        let [before, after] = [0, 1].map(|time| self.openness(time, sets[time]));
        let opened = after.open.difference(&before.open.union(&before.unknown));
        let closed = before.open.difference(&after.open.union(&after.unknown));
        let known_once = |one: &Openness, other: &Openness| one.unknown.difference(&other.unknown);
        let unknown = known_once(after, before).union(&known_once(before, after));
        let moves = [
            (Move::Opened, opened),
            (Move::Closed, closed),
            (Move::Unknown, unknown),
        ];
        moves
            .into_iter()
            .filter(|(_, connections)| !connections.is_empty())
            .collect()
    }

    /// What one node may open at another before and after, asked for or not.
    pub(super) fn sets(&self, source: usize, destination: usize) -> [u32; 2] {
        let (from, to) = (&self.nodes[source].nodes, &self.nodes[destination].nodes);
        let [old, new] = &self.matrices;
        let set = |matrix: &FlowMatrix<'c>, from: Option<NodeId>, to: Option<NodeId>| {
            from.zip(to)
                .map_or(0, |(from, to)| matrix.set_between(from, to))
        };
        [set(old, from[0], to[0]), set(new, from[1], to[1])]
    }

    pub(super) fn is_asked_for(&self, source: usize, destination: usize) -> bool {
        let (from, to) = (self.flags[source], self.flags[destination]);
        let is_flow = source != destination || self.count(&[source], &[destination]) > 0;
        from.may_begin && to.may_end && (from.is_in_focus || to.is_in_focus) && is_flow
    }

    /// The name of the namespace of a node of workloads.
    pub(super) fn namespace(&self, node: usize) -> Option<&str> {
        let JointEnds::Workloads(members) = &self.nodes[node].ends else {
            return None;
        };
        let pair = self.workloads[members[0]];
        let name = |time: usize, id| {
            let cluster = self.matrices[time].cluster();
            let namespace: NamespaceId = cluster.workload(id).namespace;
            cluster.namespace(namespace).name.as_str()
        };
        let after = pair.after.map(|id| name(1, id));
        after.or_else(|| pair.before.map(|id| name(0, id)))
    }

    pub(super) fn ends(&self, nodes: &[usize]) -> LineEnds {
        let mut workloads = Vec::new();
        let mut outside = Vec::new();
        for node in nodes {
            match &self.nodes[*node].ends {
                JointEnds::Workloads(members) => workloads.extend(members),
                JointEnds::Outside(ranges) => outside.extend(ranges),
            }
        }
        workloads.sort_unstable();
        // What touches is written as one, whichever nodes it comes from.
        outside.sort_unstable();
        let mut joined: Vec<AddressRange> = Vec::with_capacity(outside.len());
        for range in outside {
            match joined.last_mut() {
                Some(last) if last.touches(&range) => last.last = range.last,
                _ => joined.push(range),
            }
        }
        match workloads.is_empty() {
            true => LineEnds::Outside(joined),
            false => LineEnds::Workloads(workloads),
        }
    }

    /// How many pairs of ends a product has.
    pub(super) fn count(&self, sources: &[usize], destinations: &[usize]) -> usize {
        let members = |nodes: &[usize]| -> Option<Vec<usize>> {
            match self.ends(nodes) {
                LineEnds::Workloads(places) => Some(places),
                LineEnds::Outside(_) => None,
            }
        };
        match (members(sources), members(destinations)) {
            (Some(from), Some(to)) => {
                let is_single =
                    |place: &&usize| to.binary_search(place).is_ok() && self.is_pod(**place);
                from.len() * to.len() - from.iter().filter(is_single).count()
            }
            (Some(ends), None) | (None, Some(ends)) => ends.len(),
            (None, None) => 0,
        }
    }

    fn is_pod(&self, place: usize) -> bool {
        let pair = self.workloads[place];
        let kind = |time: usize, id| self.matrices[time].cluster().workload(id).object.kind;
        let after = pair.after.map(|id| kind(1, id));
        let kind = after.or_else(|| pair.before.map(|id| kind(0, id)));
        kind.is_some_and(WorkloadKind::is_one_pod)
    }
}

/// What a query says of an end, in bits: in `from`, in `to`, in `focus`, a resolver.
pub(super) fn marks(query: &ComparisonQuery, pair: &Pair) -> u32 {
    let has = |sets: &Option<[EndSet; 2]>| {
        sets.as_ref().is_none_or(|sets| {
            pair.before.is_some_and(|id| sets[0].has(id))
                || pair.after.is_some_and(|id| sets[1].has(id))
        })
    };
    let resolvers = Some(query.resolvers.clone());
    let bits = [
        has(&query.from),
        has(&query.to),
        has(&query.focus),
        has(&resolvers),
    ];
    bits.iter()
        .enumerate()
        .map(|(place, bit)| u32::from(*bit) << place)
        .sum()
}

/// What a query says of a node.
#[derive(Clone, Copy, Debug)]
pub(super) struct Flags {
    pub(super) may_begin: bool,
    pub(super) may_end: bool,
    pub(super) is_in_focus: bool,
    pub(super) is_resolver: bool,
    pub(super) is_public: bool,
}

fn flags(query: &ComparisonQuery, workloads: &[Pair], node: &JointNode) -> Flags {
    match &node.ends {
        JointEnds::Workloads(members) => {
            let bits = marks(query, &workloads[members[0]]);
            let has = |place: u32| bits & (1 << place) != 0;
            Flags {
                may_begin: has(0),
                may_end: has(1),
                is_in_focus: has(2),
                is_resolver: has(3),
                is_public: false,
            }
        }
        JointEnds::Outside(ranges) => {
            let has = |sets: &Option<[EndSet; 2]>| {
                let is_in = |sets: &[EndSet; 2]| sets.iter().any(|set| set.has_range(&ranges[0]));
                sets.as_ref().is_none_or(is_in)
            };
            Flags {
                may_begin: has(&query.from),
                may_end: has(&query.to),
                is_in_focus: has(&query.focus),
                is_resolver: false,
                is_public: query.internet.has_range(&ranges[0]),
            }
        }
    }
}
