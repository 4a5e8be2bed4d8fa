//! What a change of policies opens besides what it is made for.
//!
//! Refuses to know how the change was found.

use crate::cli::endpoint::range_name;
use crate::cluster::{Cluster, WorkloadId};
use crate::engine::{AddressRange, ConnectionSet, Engine, Relation};
use crate::k8s::Direction;
use crate::output::OpenedFlow;
use crate::source::SourceId;
use std::collections::{BTreeMap, BTreeSet};

/// The flow that a change is made for.
#[derive(Clone, Debug)]
pub(super) struct AskedFlow<'q> {
    pub(super) from: AskedEnd,
    pub(super) to: AskedEnd,
    pub(super) connections: &'q ConnectionSet,
}

/// An end of that flow.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum AskedEnd {
    Workload(WorkloadId),
    /// A pod that does not exist yet, so that no flow of the graph is its own.
    Supposed,
    Outside(Vec<AddressRange>),
}

/// The flows of the second cluster that the first one has not, but for `asked`, by source
/// and destination. Both have the same workloads, and their policies differ only in these
/// sources, so that only flows of the pods that those select can differ.
pub(super) fn opened(
    before: &Cluster,
    after: &Cluster,
    changed: &BTreeSet<SourceId>,
    asked: &AskedFlow<'_>,
) -> Vec<OpenedFlow> {
    let (old, new) = (Engine::new(before), Engine::new(after));
    let comparison = Comparison {
        before: old.relation(),
        after: new.relation(),
        cluster: after,
        asked,
    };
    let mut opened = Opened::new();
    for subject in subjects(&new, changed) {
        comparison.of_workload(subject, &mut opened);
    }
    let flow = |((from, to), connections)| OpenedFlow {
        from,
        to,
        connections,
    };
    opened.into_iter().map(flow).collect()
}

/// The workloads that a policy of these sources selects.
fn subjects(engine: &Engine<'_>, changed: &BTreeSet<SourceId>) -> BTreeSet<WorkloadId> {
    let cluster = engine.cluster();
    let policies = cluster
        .policy_ids()
        .filter(|id| changed.contains(&cluster.policy(*id).object.meta.span.source));
    let of_policies = policies.flat_map(|id| engine.selected(id));
    let cluster_policies = cluster
        .cluster_policy_ids()
        .filter(|id| changed.contains(&cluster.cluster_policy(*id).meta.span.source));
    let of_cluster_policies = cluster_policies.flat_map(|id| engine.subjects(id));
    of_policies.chain(of_cluster_policies).copied().collect()
}

struct Comparison<'e> {
    before: Relation<'e>,
    after: Relation<'e>,
    cluster: &'e Cluster,
    asked: &'e AskedFlow<'e>,
}

type Opened = BTreeMap<(String, String), ConnectionSet>;

impl Comparison<'_> {
    /// Adds what is opened to and from a workload.
    fn of_workload(&self, subject: WorkloadId, opened: &mut Opened) {
        let mut add = |from: String, to: String, connections: ConnectionSet| {
            if !connections.is_empty() {
                opened.insert((from, to), connections);
            }
        };
        let name = |id| self.cluster.workload_name(id);
        for other in self.cluster.workload_ids() {
            for (from, to) in [(subject, other), (other, subject)] {
                let after = self.after.connections(from, to);
                let before = self.before.connections(from, to);
                if after != before {
                    let ends = (&AskedEnd::Workload(from), &AskedEnd::Workload(to));
                    add(
                        name(from),
                        name(to),
                        self.unasked(ends, after.difference(&before)),
                    );
                }
            }
        }
        for (range, connections) in self.outside(subject, Direction::Egress) {
            add(name(subject), range_name(&range), connections);
        }
        for (range, connections) in self.outside(subject, Direction::Ingress) {
            add(range_name(&range), name(subject), connections);
        }
    }

    /// What is opened between a workload and the outside, by range, neighbours joined.
    fn outside(
        &self,
        subject: WorkloadId,
        direction: Direction,
    ) -> Vec<(AddressRange, ConnectionSet)> {
        let pieces =
            |relation: &Relation<'_>, space: AddressRange| -> Vec<(AddressRange, ConnectionSet)> {
                match direction {
                    Direction::Egress => relation
                        .to_outside(subject, space)
                        .map(|(range, connections)| (range, connections.clone()))
                        .collect(),
                    Direction::Ingress => relation
                        .from_outside(space, subject)
                        .map(|(range, connections)| (range, connections.clone()))
                        .collect(),
                }
            };
        let mut opened: Vec<(AddressRange, ConnectionSet)> = Vec::new();
        for space in [AddressRange::IPV4, AddressRange::IPV6] {
            let (before, after) = (pieces(&self.before, space), pieces(&self.after, space));
            for (range, connections) in &after {
                for piece in range.cut(before.iter().map(|(range, _)| *range)) {
                    let old = before
                        .iter()
                        .find(|(range, _)| range.contains_range(&piece));
                    let none = ConnectionSet::none();
                    let new = connections.difference(old.map_or(&none, |(_, old)| old));
                    for (piece, new) in self.unasked_outside(subject, direction, piece, &new) {
                        opened.push((piece, new));
                    }
                }
            }
        }
        opened
    }

    /// The connections without those that were asked for.
    fn unasked(&self, ends: (&AskedEnd, &AskedEnd), opened: ConnectionSet) -> ConnectionSet {
        let is_asked = (&self.asked.from, &self.asked.to) == ends;
        if is_asked {
            opened.difference(self.asked.connections)
        } else {
            opened
        }
    }

    /// The same for a range of addresses, which may be asked for in part.
    fn unasked_outside(
        &self,
        subject: WorkloadId,
        direction: Direction,
        range: AddressRange,
        opened: &ConnectionSet,
    ) -> Vec<(AddressRange, ConnectionSet)> {
        let (own, other) = match direction {
            Direction::Egress => (&self.asked.from, &self.asked.to),
            Direction::Ingress => (&self.asked.to, &self.asked.from),
        };
        let asked = match other {
            AskedEnd::Outside(ranges) if *own == AskedEnd::Workload(subject) => ranges.as_slice(),
            _ => &[],
        };
        let pieces = range.cut(asked.iter().copied()).into_iter().map(|piece| {
            let is_asked = asked.iter().any(|asked| asked.contains_range(&piece));
            let rest = if is_asked {
                opened.difference(self.asked.connections)
            } else {
                opened.clone()
            };
            (piece, rest)
        });
        pieces.filter(|(_, rest)| !rest.is_empty()).collect()
    }
}
