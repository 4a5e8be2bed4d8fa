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

/// The flows of the second cluster that the first one has not, but for `asked`, by source
/// and destination. Both have the same workloads, and their policies differ only in these
/// sources, so that only flows of the pods that those select can differ.
pub(super) fn opened(
    before: &Cluster,
    after: &Cluster,
    changed: &BTreeSet<SourceId>,
    asked: &OpenedFlow,
) -> Vec<OpenedFlow> {
    let (old, new) = (Engine::new(before), Engine::new(after));
    let subjects = subjects(&new, changed);
    let comparison = Comparison { before: old.relation(), after: new.relation(), cluster: after };
    let mut opened = BTreeMap::new();
    for subject in subjects {
        comparison.of_workload(subject, &mut opened);
    }
    let opened = opened.into_iter().map(|((from, to), connections)| {
        let is_asked = from == asked.from && to == asked.to;
        let connections =
            if is_asked { connections.difference(&asked.connections) } else { connections };
        OpenedFlow { from, to, connections }
    });
    opened.filter(|flow| !flow.connections.is_empty()).collect()
}

/// The workloads that a policy of these sources selects.
fn subjects(engine: &Engine<'_>, changed: &BTreeSet<SourceId>) -> BTreeSet<WorkloadId> {
    let cluster = engine.cluster();
    let policies = cluster.policy_ids().filter(|id| {
        changed.contains(&cluster.policy(*id).object.meta.span.source)
    });
    let of_policies = policies.flat_map(|id| engine.selected(id));
    let cluster_policies = cluster.cluster_policy_ids().filter(|id| {
        changed.contains(&cluster.cluster_policy(*id).meta.span.source)
    });
    let of_cluster_policies = cluster_policies.flat_map(|id| engine.subjects(id));
    of_policies.chain(of_cluster_policies).copied().collect()
}

struct Comparison<'e> {
    before: Relation<'e>,
    after: Relation<'e>,
    cluster: &'e Cluster,
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
                    add(name(from), name(to), after.difference(&before));
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
        let pieces = |relation: &Relation<'_>, space: AddressRange| -> Vec<(AddressRange, ConnectionSet)> {
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
                    let old = before.iter().find(|(range, _)| range.contains_range(&piece));
                    let none = ConnectionSet::none();
                    let new = connections.difference(old.map_or(&none, |(_, old)| old));
                    if !new.is_empty() {
                        opened.push((piece, new));
                    }
                }
            }
        }
        opened
    }
}
