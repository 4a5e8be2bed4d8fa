//! Where the relations of two clusters differ: what a change of manifests opens and
//! closes. Workloads are the same if namespace, kind and name are.
//!
//! Only where the function of a side differs is a pair looked at, so that a small change
//! in a large cluster is found without walking all pairs. Refuses to know what was
//! changed in the manifests.

use super::HashMap;
use super::addresses::AddressRange;
use super::classes::ClassId;
use super::functions::{Bound, Function};
use super::joint::{Joint, JointId, Pair};
use super::ports::ConnectionSet;
use super::program::ByDirection;
use super::relation::Relation;
use super::runs::{Pieces, Runs};
use super::sets::{Calculator, SetId, Sets};
use crate::k8s::{Direction, WorkloadKind};
use rayon::prelude::*;

/// One end of a [`Change`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ChangedEnd {
    /// A workload, by its place in [`Changes::workloads`].
    Workload(usize),
    /// Addresses outside.
    Outside(AddressRange),
}

/// A pair of ends with connections that only one of the two clusters allows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Change<'d> {
    /// Who opens the connections.
    pub source: ChangedEnd,
    /// Whom to.
    pub destination: ChangedEnd,
    /// What is allowed after and was not before.
    pub added: &'d ConnectionSet,
    /// What was allowed before and is not after.
    pub removed: &'d ConnectionSet,
}

/// Where two relations differ.
#[derive(Debug)]
pub struct Changes {
    joint: Joint,
    is_pod: Vec<bool>,
    /// By joint class: what its members may open at those of every joint class.
    rows: Vec<Pieces<Delta>>,
    /// By joint class: what it may open at the outside, and what the outside may at it.
    outside: Vec<ByDirection<Vec<(AddressRange, Delta)>>>,
    sets: Vec<ConnectionSet>,
}

/// What was added and what was removed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Delta {
    added: SetId,
    removed: SetId,
}

impl Delta {
    const NONE: Self = Self {
        added: SetId::NONE,
        removed: SetId::NONE,
    };

    fn between(before: SetId, after: SetId, sets: &mut Calculator) -> Self {
        Self {
            added: sets.difference(after, before),
            removed: sets.difference(before, after),
        }
    }
}

impl Changes {
    /// Compares what the relations of two clusters allow for certain.
    #[must_use]
    pub fn between(before: Relation<'_>, after: Relation<'_>) -> Self {
        Self::of(before, after, Bound::Certain)
    }

    /// Compares what the relations of two clusters allow or may allow; `None` if everything is
    /// known in both.
    #[must_use]
    pub fn between_possible(before: Relation<'_>, after: Relation<'_>) -> Option<Self> {
        let is_known = before.is_all_known() && after.is_all_known();
        (!is_known).then(|| Self::of(before, after, Bound::Possible))
    }

    fn of(before: Relation<'_>, after: Relation<'_>, bound: Bound) -> Self {
        let joint = Joint::new(before, after);
        let sets = Sets::new();
        let (rows, outside) = {
            let comparison = Comparison::new([before, after], bound, &joint, &sets);
            let places: Vec<JointId> = joint.ids().collect();
            let rows = sets.in_parallel(&places, |sets, id| comparison.row(*id, sets));
            let outside = sets.in_parallel(&places, |sets, id| {
                ByDirection::new(|direction| comparison.outside(*id, direction, sets))
            });
            (rows, outside)
        };
        let is_pod = joint.pairs().iter().map(|pair| {
            let kind = |relation: Relation, id| relation.cluster.workload(id).object.kind;
            let before = pair.before.map(|id| kind(before, id));
            let kind = before.or(pair.after.map(|id| kind(after, id)));
            kind.is_some_and(WorkloadKind::is_one_pod)
        });
        let is_pod = is_pod.collect();
        Self {
            joint,
            is_pod,
            rows,
            outside,
            sets: sets.into_vec(),
        }
    }

    /// The workloads of both clusters, each once, in the order of the clusters.
    #[must_use]
    pub fn workloads(&self) -> &[Pair] {
        self.joint.pairs()
    }

    /// Whether both clusters allow the same.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.iter().next().is_none()
    }

    /// Every pair with a change: first those from workloads, by source, then destination
    /// (workloads in the order of [`workloads`](Self::workloads), then the outside by
    /// address); then those from the outside, by destination, then address.
    pub fn iter(&self) -> impl Iterator<Item = Change<'_>> {
        let places = || 0..self.workloads().len();
        let from_workloads = places().flat_map(|source| {
            self.to_workloads(source)
                .chain(self.with_outside(source, Direction::Egress))
        });
        let from_outside =
            places().flat_map(|destination| self.with_outside(destination, Direction::Ingress));
        from_workloads.chain(from_outside)
    }

    fn to_workloads(&self, source: usize) -> impl Iterator<Item = Change<'_>> {
        let row = &self.rows[self.joint.of(source).0 as usize];
        let mut changed: Vec<(usize, Delta)> = Vec::new();
        for (start, end, delta) in row.within(0, self.joint.len()) {
            if delta != Delta::NONE {
                let members = (start..end).flat_map(|id| self.joint.members(JointId(id)));
                changed.extend(members.map(|member| (*member as usize, delta)));
            }
        }
        if self.is_pod[source] {
            // A Pod reaches itself on everything as long as it is there (S4).
            changed.retain(|(destination, _)| *destination != source);
            match self.workloads()[source] {
                Pair { before: None, .. } => {
                    changed.push((
                        source,
                        Delta {
                            added: SetId::ALL,
                            removed: SetId::NONE,
                        },
                    ));
                }
                Pair { after: None, .. } => {
                    changed.push((
                        source,
                        Delta {
                            added: SetId::NONE,
                            removed: SetId::ALL,
                        },
                    ));
                }
                Pair {
                    before: Some(_),
                    after: Some(_),
                } => {}
            }
        }
        changed.sort_unstable_by_key(|(destination, _)| *destination);
        changed.into_iter().map(move |(destination, delta)| {
            self.change(
                ChangedEnd::Workload(source),
                ChangedEnd::Workload(destination),
                delta,
            )
        })
    }

    fn with_outside(&self, place: usize, direction: Direction) -> impl Iterator<Item = Change<'_>> {
        let changed = self.outside[self.joint.of(place).0 as usize].get(direction);
        changed.iter().map(move |(range, delta)| {
            let (workload, outside) = (ChangedEnd::Workload(place), ChangedEnd::Outside(*range));
            match direction {
                Direction::Ingress => self.change(outside, workload, *delta),
                Direction::Egress => self.change(workload, outside, *delta),
            }
        })
    }

    fn change(&self, source: ChangedEnd, destination: ChangedEnd, delta: Delta) -> Change<'_> {
        let set = |id: SetId| &self.sets[id.0 as usize];
        Change {
            source,
            destination,
            added: set(delta.added),
            removed: set(delta.removed),
        }
    }
}

/// What it takes to compare: index 0 is before, 1 is after.
struct Comparison<'a> {
    relations: [Relation<'a>; 2],
    bound: Bound,
    joint: &'a Joint,
    /// By the sets of each relation: their number in `sets`.
    numbers: [Vec<SetId>; 2],
    /// By joint class: a place in `differing`; `None` where everything may differ.
    side_of: ByDirection<Vec<Option<u32>>>,
    /// By pair of sides: the joint classes at which their functions differ.
    differing: ByDirection<Vec<Runs>>,
    /// By pair of sides of ingress: the joint classes that have it.
    members: Vec<Vec<u32>>,
    /// The pairs of sides of ingress whose functions differ anywhere.
    entered: Vec<usize>,
    /// The joint classes that are in one cluster only, or have changed their addresses.
    unpaired: Vec<u32>,
}

impl<'a> Comparison<'a> {
    fn new(relations: [Relation<'a>; 2], bound: Bound, joint: &'a Joint, sets: &'a Sets) -> Self {
        let numbers = relations.map(|relation| {
            relation
                .functions
                .sets
                .iter()
                .map(|set| sets.intern(set.clone()))
                .collect()
        });
        let is_unpaired = |id: &JointId| joint.paired(*id).is_none();
        let unpaired = joint.ids().filter(is_unpaired).map(|id| id.0).collect();
        let mut comparison = Self {
            relations,
            bound,
            joint,
            numbers,
            side_of: ByDirection::default(),
            differing: ByDirection::default(),
            members: Vec::new(),
            entered: Vec::new(),
            unpaired,
        };
        for direction in Direction::BOTH {
            comparison.compare_sides(direction);
        }
        comparison.members = vec![Vec::new(); comparison.differing.ingress.len()];
        for (id, side) in (0u32..).zip(&comparison.side_of.ingress) {
            if let Some(side) = side {
                comparison.members[*side as usize].push(id);
            }
        }
        let differing = comparison.differing.ingress.iter().enumerate();
        let entered = differing.filter(|(_, differing)| !differing.is_empty());
        comparison.entered = entered.map(|(side, _)| side).collect();
        comparison
    }

    /// Finds out where the functions of every pair of sides differ.
    fn compare_sides(&mut self, direction: Direction) {
        let mut places = HashMap::default();
        let mut representatives = Vec::new();
        let side_of = self.joint.ids().map(|id| {
            let classes = self.joint.paired(id)?;
            let [before, after] =
                [0, 1].map(|time| self.relations[time].sides.of(classes[time], direction));
            Some(*places.entry((before, after)).or_insert_with(|| {
                representatives.push(classes);
                representatives.len() as u32 - 1
            }))
        });
        *self.side_of.get_mut(direction) = side_of.collect();
        let differing = representatives
            .par_iter()
            .map(|classes| self.differing(*classes, direction));
        *self.differing.get_mut(direction) = differing.collect();
    }

    /// The paired joint classes at which the functions of two classes differ.
    fn differing(&self, classes: [ClassId; 2], direction: Direction) -> Runs {
        let functions = [0, 1].map(|time| self.function(time, classes[time], direction));
        let mut differing = Vec::new();
        for stretch in self.joint.stretches() {
            let mut next = 0;
            while next < stretch.members.len() {
                let pieces = [0, 1].map(|time| {
                    let columns = &stretch.columns[time];
                    let (set, end) = functions[time].piece(columns[next].0);
                    let within = columns[next..].partition_point(|(_, last)| *last <= end);
                    (self.numbers[time][set.0 as usize], within)
                });
                let [(before, within_before), (after, within_after)] = pieces;
                // Of a class with several addresses that differ, it is not worked out which
                // is which.
                let alike = within_before.min(within_after);
                let end = next + alike.max(1);
                if alike == 0 || before != after {
                    differing.extend(&stretch.members[next..end]);
                }
                next = end;
            }
        }
        Runs::from_unsorted(differing.into_iter().map(|id| (id, id + 1)).collect())
    }

    /// What the members of a joint class may open at those of every joint class.
    fn row(&self, source: JointId, sets: &mut Calculator) -> Pieces<Delta> {
        let mut candidates: Vec<(u32, u32)> = match self.side_of.egress[source.0 as usize] {
            None => vec![(0, self.joint.len())],
            Some(side) => {
                let leaving = self.differing.egress[side as usize].as_slice();
                let differs = |side: &&usize| self.differing.ingress[**side].contains(source.0);
                let entering = self.entered.iter().filter(differs);
                let destinations = entering
                    .flat_map(|side| &self.members[*side])
                    .chain(&self.unpaired);
                leaving
                    .iter()
                    .copied()
                    .chain(destinations.map(|id| (*id, id + 1)))
                    .collect()
            }
        };
        if candidates.is_empty() {
            return Pieces::constant(Delta::NONE);
        }
        candidates.shrink_to_fit();
        let candidates = Runs::from_unsorted(candidates);
        let values = candidates.ids().map(|destination| {
            let [before, after] = [0, 1].map(|time| {
                let source = self.joint.class(source, time);
                let destination = self.joint.class(JointId(destination), time);
                match (source, destination) {
                    (Some(source), Some(destination)) => self.pair(time, source, destination, sets),
                    _ => SetId::NONE,
                }
            });
            (
                destination,
                destination + 1,
                Delta::between(before, after, sets),
            )
        });
        Pieces::from_values(values, Delta::NONE)
    }

    fn function(&self, time: usize, class: ClassId, direction: Direction) -> &'a Function {
        self.relations[time].function(class, direction, self.bound)
    }

    fn pair(
        &self,
        time: usize,
        source: ClassId,
        destination: ClassId,
        sets: &mut Calculator,
    ) -> SetId {
        let relation = self.relations[time];
        let number = |set: SetId| self.numbers[time][set.0 as usize];
        let egress = self.function(time, source, Direction::Egress);
        let ingress = self.function(time, destination, Direction::Ingress);
        let ways = relation.columns.ways(source, destination);
        ways.as_slice()
            .iter()
            .fold(SetId::NONE, |allowed, (from, to)| {
                let way = sets.intersection(number(egress.at(*to)), number(ingress.at(*from)));
                sets.union(allowed, way)
            })
    }

    /// Where the outside may open more or less, or may be opened, in order.
    fn outside(
        &self,
        id: JointId,
        direction: Direction,
        sets: &mut Calculator,
    ) -> Vec<(AddressRange, Delta)> {
        let mut changed: Vec<(AddressRange, Delta)> = Vec::new();
        for family in [AddressRange::IPV4, AddressRange::IPV6] {
            let [before, after] = [0, 1].map(|time| {
                let relation = self.relations[time];
                match self.joint.class(id, time) {
                    Some(class) => relation
                        .outside_of_class(class, (direction, self.bound), family)
                        .map(|(range, set)| (range, self.numbers[time][set.0 as usize]))
                        .collect(),
                    None => vec![(family, SetId::NONE)],
                }
            });
            let (mut left, mut right) = (before.iter().peekable(), after.iter().peekable());
            while let (Some((a, before)), Some((b, after))) = (left.peek(), right.peek()) {
                let delta = Delta::between(*before, *after, sets);
                let piece = a.intersection(b).expect("both cover the family in order");
                match changed.last_mut() {
                    Some((last, of)) if *of == delta && last.touches(&piece) => {
                        last.last = piece.last
                    }
                    _ if delta != Delta::NONE => changed.push((piece, delta)),
                    _ => {}
                }
                let (ends_left, ends_right) = (a.last == piece.last, b.last == piece.last);
                if ends_left {
                    left.next();
                }
                if ends_right {
                    right.next();
                }
            }
        }
        changed
    }
}
