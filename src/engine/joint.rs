//! The workloads of two clusters paired by namespace, kind and name, in joint classes:
//! those that are of one class before and of one class after.
//!
//! Refuses to know what the policies allow.

use super::HashMap;
use super::classes::ClassId;
use super::relation::Relation;
use crate::cluster::{Cluster, WorkloadId};
use std::cmp::Ordering;

/// A workload of two clusters; of at least one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Pair {
    /// It in the cluster before; `None` where it is new.
    pub before: Option<WorkloadId>,
    /// It in the cluster after; `None` where it is gone.
    pub after: Option<WorkloadId>,
}

/// A joint class.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct JointId(pub(super) u32);

/// The paired workloads of two clusters.
#[derive(Debug)]
pub(super) struct Joint {
    /// In the order of the clusters.
    pairs: Vec<Pair>,
    /// By pair.
    of: Vec<JointId>,
    classes: Vec<JointClass>,
    stretches: Vec<Stretch>,
}

#[derive(Debug)]
struct JointClass {
    /// Before and after; `None` where its workloads are not there.
    classes: [Option<ClassId>; 2],
    has_moved: bool,
    /// Places in the pairs, in order.
    members: Vec<u32>,
}

/// Paired joint classes whose columns grow from one to the next in both clusters, so that a
/// function that is constant on pieces is constant on pieces of them.
#[derive(Debug, Default)]
pub(super) struct Stretch {
    /// In the order of the columns.
    pub(super) members: Vec<u32>,
    /// Before and after, by member: where its columns start and end.
    pub(super) columns: [Vec<(u32, u32)>; 2],
}

impl Joint {
    pub(super) fn new(before: Relation<'_>, after: Relation<'_>) -> Self {
        let pairs = pairs(before, after);
        let mut joint = Self {
            of: Vec::with_capacity(pairs.len()),
            pairs,
            classes: Vec::new(),
            stretches: Vec::new(),
        };
        let mut ids = HashMap::default();
        for (place, pair) in (0u32..).zip(&joint.pairs) {
            let classes = [
                pair.before.and_then(|id| before.classes.of(id)),
                pair.after.and_then(|id| after.classes.of(id)),
            ];
            let has_moved = match (pair.before, pair.after) {
                (Some(old), Some(new)) => {
                    let addresses =
                        |cluster: &Cluster, id| cluster.workload(id).object.addresses.clone();
                    addresses(before.cluster, old) != addresses(after.cluster, new)
                }
                _ => false,
            };
            let id = *ids.entry((classes, has_moved)).or_insert_with(|| {
                joint.classes.push(JointClass {
                    classes,
                    has_moved,
                    members: Vec::new(),
                });
                JointId(joint.classes.len() as u32 - 1)
            });
            joint.classes[id.0 as usize].members.push(place);
            joint.of.push(id);
        }
        joint.stretches = joint.form_stretches([before, after]);
        joint
    }

    fn form_stretches(&self, relations: [Relation<'_>; 2]) -> Vec<Stretch> {
        let columns = |time: usize, class: ClassId| {
            let columns = relations[time].columns;
            (columns.start(class.0), columns.start(class.0 + 1))
        };
        let paired = self.ids().filter_map(|id| {
            let [before, after] = self.paired(id)?;
            Some(([columns(0, before), columns(1, after)], id.0))
        });
        let mut paired: Vec<([(u32, u32); 2], u32)> = paired.collect();
        paired.sort_unstable();
        let mut stretches: Vec<Stretch> = Vec::new();
        for (columns, id) in paired {
            let goes_on = |stretch: &Stretch| {
                // One class may have become several, and several one.
                let follows = |time: usize| {
                    let last = stretch.columns[time].last();
                    last.is_some_and(|last| *last == columns[time] || last.1 <= columns[time].0)
                };
                follows(0) && follows(1)
            };
            if !stretches.last().is_some_and(goes_on) {
                stretches.push(Stretch::default());
            }
            let last = stretches.last_mut().expect("one was just pushed");
            last.members.push(id);
            for (known, columns) in last.columns.iter_mut().zip(columns) {
                known.push(columns);
            }
        }
        stretches
    }

    pub(super) fn pairs(&self) -> &[Pair] {
        &self.pairs
    }

    pub(super) fn stretches(&self) -> &[Stretch] {
        &self.stretches
    }

    pub(super) fn len(&self) -> u32 {
        self.classes.len() as u32
    }

    pub(super) fn ids(&self) -> impl Iterator<Item = JointId> + use<> {
        (0..self.len()).map(JointId)
    }

    /// The joint class of a pair.
    pub(super) fn of(&self, place: usize) -> JointId {
        self.of[place]
    }

    pub(super) fn members(&self, id: JointId) -> &[u32] {
        &self.classes[id.0 as usize].members
    }

    /// The class before (0) or after (1).
    pub(super) fn class(&self, id: JointId, time: usize) -> Option<ClassId> {
        self.classes[id.0 as usize].classes[time]
    }

    /// Both classes, if the workloads are in both clusters and at the same addresses.
    pub(super) fn paired(&self, id: JointId) -> Option<[ClassId; 2]> {
        let joint = &self.classes[id.0 as usize];
        match joint.classes {
            [Some(before), Some(after)] if !joint.has_moved => Some([before, after]),
            _ => None,
        }
    }
}

/// The workloads of both clusters, each once, in the order of the clusters. What an API
/// server would refuse is not there.
fn pairs(before: Relation<'_>, after: Relation<'_>) -> Vec<Pair> {
    fn present<'a>(relation: Relation<'a>) -> impl Iterator<Item = WorkloadId> + use<'a> {
        relation
            .cluster
            .workload_ids()
            .filter(move |id| relation.classes.of(*id).is_some())
    }
    let (mut old, mut new) = (present(before).peekable(), present(after).peekable());
    let mut pairs = Vec::with_capacity(before.cluster.workloads().len());
    loop {
        let order = match (old.peek(), new.peek()) {
            (Some(a), Some(b)) => name(before.cluster, *a).cmp(&name(after.cluster, *b)),
            (Some(_), None) => Ordering::Less,
            (None, Some(_)) => Ordering::Greater,
            (None, None) => return pairs,
        };
        let before = if order.is_le() { old.next() } else { None };
        let after = if order.is_ge() { new.next() } else { None };
        pairs.push(Pair { before, after });
    }
}

/// What workloads are sorted by in every cluster.
fn name(cluster: &Cluster, id: WorkloadId) -> (&str, &str, &str) {
    let workload = cluster.workload(id);
    let namespace = cluster.namespace(workload.namespace).name.as_str();
    (
        namespace,
        workload.object.kind_name(),
        workload.object.meta.name.value.as_str(),
    )
}
