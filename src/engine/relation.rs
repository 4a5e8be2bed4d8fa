//! Who may talk to whom: every pair of workloads, and every workload with the outside.
//!
//! Kept as the functions of both sides; a pair is worked out when it is asked for, and a
//! row when it is walked, so that pods × pods never stand in memory.

use super::addresses::AddressRange;
use super::classes::{ClassId, Classes};
use super::columns::Columns;
use super::functions::{Bound, Function, Functions, Outcome};
use super::likeness;
use super::ports::ConnectionSet;
use super::program::identity::Entity;
use super::row::Row;
use super::runs::Pieces;
use super::sets::SetId;
use super::sides::Sides;
use crate::cluster::{Cluster, WorkloadId};
use crate::k8s::Direction;
use std::borrow::Cow;
use std::sync::Arc;

/// One end of a flow.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Peer {
    /// A pod, or the pods of a workload.
    Workload(WorkloadId),
    /// Addresses that no pod has, and that policies do not tell apart here.
    Outside(AddressRange),
    /// A node, the API server or another end that Cilium tells from pods and addresses.
    Entity(Entity),
}

/// What one end may open at another: at least one port, for certain or perhaps.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Flow {
    /// Who opens the connection.
    pub source: Peer,
    /// Its destination.
    pub destination: Peer,
    /// On which ports of the destination.
    pub connections: Arc<ConnectionSet>,
    /// The ports of which it depends on what is not known whether they are open.
    pub unknown: Arc<ConnectionSet>,
}

/// The whole relation of a cluster; see [`Engine::relation`](super::Engine::relation).
#[derive(Clone, Copy, Debug)]
pub struct Relation<'e> {
    pub(super) cluster: &'e Cluster,
    pub(super) classes: &'e Classes,
    pub(super) columns: &'e Columns,
    pub(super) sides: &'e Sides,
    pub(super) functions: &'e Functions,
}

impl<'e> Relation<'e> {
    /// What `source` may open at `destination` for certain.
    ///
    /// A Pod reaches itself on everything; a workload to itself means two of its pods,
    /// and is judged like any pair (S4). An object that an API server would refuse reaches
    /// nothing and nobody reaches it.
    #[must_use]
    pub fn connections(
        &self,
        source: WorkloadId,
        destination: WorkloadId,
    ) -> Cow<'e, ConnectionSet> {
        self.between(source, destination, |outcome| &outcome.allowed)
    }

    /// The connections from `source` to `destination` of which it depends on what is not
    /// known whether they are allowed: addresses of pods, text that another tool fills in,
    /// policies that cannot be judged.
    #[must_use]
    pub fn unknown(&self, source: WorkloadId, destination: WorkloadId) -> Cow<'e, ConnectionSet> {
        let possible = self.between(source, destination, |outcome| &outcome.possible);
        if possible.is_empty() || self.is_exact(source, destination) {
            return Cow::Borrowed(self.set(SetId::NONE));
        }
        Cow::Owned(possible.difference(&self.connections(source, destination)))
    }

    fn is_exact(&self, source: WorkloadId, destination: WorkloadId) -> bool {
        let is_exact = |workload, direction| {
            let class = self.classes.of(workload);
            class.is_none_or(|class| self.outcome(class, direction).is_exact())
        };
        is_exact(source, Direction::Egress) && is_exact(destination, Direction::Ingress)
    }

    fn between(
        &self,
        source: WorkloadId,
        destination: WorkloadId,
        of: fn(&'e Outcome) -> &'e Arc<Function>,
    ) -> Cow<'e, ConnectionSet> {
        let (Some(from), Some(to)) = (self.classes.of(source), self.classes.of(destination)) else {
            return Cow::Borrowed(self.set(SetId::NONE));
        };
        if source == destination && self.is_pod(source) {
            return Cow::Borrowed(self.set(SetId::ALL));
        }
        let egress = of(self.outcome(from, Direction::Egress));
        let ingress = of(self.outcome(to, Direction::Ingress));
        let ways = self.columns.ways(from, to);
        let way = |(from, to): &(u32, u32)| self.both(egress.at(*to), ingress.at(*from));
        let mut ways = ways.as_slice().iter().map(way);
        let first = ways.next().expect("there is always a way");
        ways.fold(first, |known, more| Cow::Owned(known.union(&more)))
    }

    /// What the policies of `subject` alone let through, for certain and perhaps: for `Egress`
    /// what it may open to `other`, for `Ingress` what `other` may open to it. With several known
    /// addresses this is what one of the ways lets through. `None` if an API server would refuse
    /// one of the objects.
    #[must_use]
    pub fn one_side(
        &self,
        direction: Direction,
        subject: WorkloadId,
        other: WorkloadId,
    ) -> Option<[Cow<'e, ConnectionSet>; 2]> {
        let (subject, other) = (self.classes.of(subject)?, self.classes.of(other)?);
        let ways = match direction {
            Direction::Egress => self.columns.ways(subject, other),
            Direction::Ingress => self.columns.ways(other, subject),
        };
        let column = |(from, to): &(u32, u32)| match direction {
            Direction::Egress => *to,
            Direction::Ingress => *from,
        };
        let outcome = self.outcome(subject, direction);
        Some([&outcome.allowed, &outcome.possible].map(|function| {
            let sets = ways.as_slice().iter();
            let mut sets = sets.map(|way| Cow::Borrowed(self.set(function.at(column(way)))));
            let first = sets.next().expect("there is always a way");
            sets.fold(first, |known, more| Cow::Owned(known.union(&more)))
        }))
    }

    /// What the addresses of `range` may open at `destination`: the range in order, cut
    /// where the answer changes. Pieces without any port are left out.
    #[cfg(feature = "internals")]
    pub fn from_outside(
        &self,
        range: AddressRange,
        destination: WorkloadId,
    ) -> impl Iterator<Item = (AddressRange, &'e ConnectionSet)> + use<'e> {
        self.outside(destination, Direction::Ingress, range)
    }

    /// What `source` may open at the addresses of `range`: the range in order, cut where
    /// the answer changes. Pieces without any port are left out.
    pub fn to_outside(
        self,
        source: WorkloadId,
        range: AddressRange,
    ) -> impl Iterator<Item = (AddressRange, &'e ConnectionSet)> + use<'e> {
        self.outside(source, Direction::Egress, range)
    }

    /// The connections between a workload and the addresses of `range`, out of the workload or
    /// into it: what is allowed for certain, and of what that is not known. The range in
    /// order, cut where the answer changes, without the pieces of neither.
    pub fn with_outside(
        &self,
        workload: WorkloadId,
        direction: Direction,
        range: AddressRange,
    ) -> impl Iterator<Item = (AddressRange, Cow<'e, ConnectionSet>, Cow<'e, ConnectionSet>)> + use<'e>
    {
        let relation = *self;
        let class = relation.classes.of(workload).into_iter();
        let pieces = class.flat_map(move |class| {
            let outcome = relation.outcome(class, direction);
            let fates = if outcome.is_exact() {
                outcome.allowed.map(|set| (set, set))
            } else {
                outcome.allowed.combine(&outcome.possible, |a, b| (a, b))
            };
            relation.pieces_outside(class, &fates, range)
        });
        pieces
            .filter(|(_, (_, possible))| *possible != SetId::NONE)
            .map(move |(range, (allowed, possible))| {
                let allowed_set = relation.set(allowed);
                let unknown = if allowed == possible {
                    Cow::Borrowed(relation.set(SetId::NONE))
                } else {
                    Cow::Owned(relation.set(possible).difference(allowed_set))
                };
                (range, Cow::Borrowed(allowed_set), unknown)
            })
    }

    /// The ranges that all policies together cut the address spaces into; IPv4 first. No
    /// policy tells two addresses of one of them apart.
    #[must_use]
    pub fn atoms(&self) -> &'e [AddressRange] {
        self.columns.atoms()
    }

    /// The workloads in groups that no policy tells apart, each in order: its members
    /// reach and are reached alike. The groups themselves stand in no particular order.
    pub fn groups(&self) -> impl ExactSizeIterator<Item = &'e [WorkloadId]> + use<'e> {
        let classes = self.classes;
        classes.ids().map(|class| classes.members(class))
    }

    /// The place of a workload's group in [`groups`](Self::groups); `None` if an API
    /// server would refuse the object.
    #[must_use]
    pub fn group_of(&self, workload: WorkloadId) -> Option<usize> {
        self.classes.of(workload).map(|class| class.0 as usize)
    }

    /// By group of [`groups`](Self::groups): a number that all those have whose members may open
    /// the same at every workload, but for a pod at itself.
    #[must_use]
    pub fn alike_sources(&self) -> Vec<u32> {
        likeness::alike(self)
    }

    /// Everything that a workload may open, at workloads and at the outside.
    #[must_use]
    pub fn row(&self, source: WorkloadId) -> Row<'e> {
        Row::new(*self, source)
    }

    /// The flows out of a workload that end at no other one: those to the outside by address,
    /// then those to ends that are neither.
    pub fn flows_out(&self, source: WorkloadId) -> impl Iterator<Item = Flow> + use<'e> {
        let to_outside = self.flows_outside(source, Direction::Egress);
        to_outside.chain(self.flows_with_entities(source, Direction::Egress))
    }

    /// The flows into a workload from the outside, by address.
    pub fn flows_from_outside(
        &self,
        destination: WorkloadId,
    ) -> impl Iterator<Item = Flow> + use<'e> {
        self.flows_outside(destination, Direction::Ingress)
    }

    /// The ends that are neither pods nor outside; none where the CNI plugin does not tell them
    /// apart.
    pub fn entities(&self) -> impl Iterator<Item = Entity> + use<'e> {
        let known = self.columns.entities() as usize;
        Entity::ALL.into_iter().take(known)
    }

    /// The flows between a workload and the ends that are neither pods nor outside.
    pub fn flows_with_entities(
        &self,
        workload: WorkloadId,
        direction: Direction,
    ) -> impl Iterator<Item = Flow> + use<'e> {
        let relation = *self;
        let class = relation.classes.of(workload).into_iter();
        class.flat_map(move |class| {
            let outcome = relation.outcome(class, direction);
            relation.entities().filter_map(move |entity| {
                let column = relation.columns.entity(entity as u32);
                let allowed = relation.set(outcome.allowed.at(column));
                let possible = relation.set(outcome.possible.at(column));
                let (inside, other) = (Peer::Workload(workload), Peer::Entity(entity));
                let (source, destination) = match direction {
                    Direction::Ingress => (other, inside),
                    Direction::Egress => (inside, other),
                };
                (!possible.is_empty()).then(|| Flow {
                    source,
                    destination,
                    connections: Arc::new(allowed.clone()),
                    unknown: Arc::new(possible.difference(allowed)),
                })
            })
        })
    }

    fn flows_outside(
        &self,
        workload: WorkloadId,
        direction: Direction,
    ) -> impl Iterator<Item = Flow> + use<'e> {
        let relation = *self;
        let families = [AddressRange::IPV4, AddressRange::IPV6].into_iter();
        let pieces =
            families.flat_map(move |family| relation.with_outside(workload, direction, family));
        pieces.map(move |(range, connections, unknown)| {
            let (inside, outside) = (Peer::Workload(workload), Peer::Outside(range));
            let (source, destination) = match direction {
                Direction::Ingress => (outside, inside),
                Direction::Egress => (inside, outside),
            };
            Flow {
                source,
                destination,
                connections: Arc::new(connections.into_owned()),
                unknown: Arc::new(unknown.into_owned()),
            }
        })
    }

    /// Every flow of the cluster, one after the other and never all at once.
    ///
    /// First those from workloads, by the order of the cluster (namespace, kind, name):
    /// to workloads in that order, then to the outside by address. Then those from the
    /// outside, by destination in that order, then by address.
    #[cfg(feature = "internals")]
    pub fn flows(&self) -> impl Iterator<Item = Flow> + use<'e> {
        let relation = *self;
        let from_workloads = relation
            .cluster
            .workload_ids()
            .flat_map(move |source| relation.row(source).into_flows());
        let from_outside = relation
            .cluster
            .workload_ids()
            .flat_map(move |destination| {
                let from_outside = relation.flows_from_outside(destination);
                from_outside.chain(relation.flows_with_entities(destination, Direction::Ingress))
            });
        from_workloads.chain(from_outside)
    }

    fn outside(
        &self,
        workload: WorkloadId,
        direction: Direction,
        range: AddressRange,
    ) -> impl Iterator<Item = (AddressRange, &'e ConnectionSet)> + use<'e> {
        let relation = *self;
        let class = relation.classes.of(workload).into_iter();
        class
            .flat_map(move |class| {
                relation.outside_of_class(class, (direction, Bound::Certain), range)
            })
            .filter(|(_, set)| *set != SetId::NONE)
            .map(move |(range, set)| (range, relation.set(set)))
    }

    /// What one side of a class allows, or may allow, with the addresses of `range`: all of
    /// it in order, cut where the answer changes.
    pub(super) fn outside_of_class(
        &self,
        class: ClassId,
        (direction, bound): (Direction, Bound),
        range: AddressRange,
    ) -> impl Iterator<Item = (AddressRange, SetId)> + use<'e> {
        self.pieces_outside(class, self.function(class, direction, bound), range)
            .into_iter()
    }

    fn pieces_outside<T: Copy + Eq>(
        &self,
        class: ClassId,
        function: &Pieces<T>,
        range: AddressRange,
    ) -> Vec<(AddressRange, T)> {
        let (columns, atoms) = (self.columns, self.atoms());
        if !columns.meets_outside(class, range.is_ipv4()) {
            return Vec::new();
        }
        let meeting = columns.atoms_meeting(&range);
        let (start, end) = (columns.outside(meeting.start), columns.outside(meeting.end));
        let pieces = function.within(start, end);
        let pieces = pieces.filter_map(|(start, end, value)| {
            let atom = |column: u32| &atoms[(column - columns.outside(0)) as usize];
            let piece = AddressRange {
                first: atom(start).first,
                last: atom(end - 1).last,
            };
            // The first and the last atom may stick out of the range.
            piece.intersection(&range).map(|piece| (piece, value))
        });
        if columns.held().is_empty() {
            return pieces.collect();
        }
        let pieces = pieces.flat_map(|(piece, value)| {
            let free = piece.without(columns.held());
            free.into_iter().map(move |piece| (piece, value))
        });
        pieces.collect()
    }

    /// What one side of a class allows for certain, or may allow.
    pub(super) fn function(
        &self,
        class: ClassId,
        direction: Direction,
        bound: Bound,
    ) -> &'e Function {
        let outcome = self.outcome(class, direction);
        match bound {
            Bound::Certain => &outcome.allowed,
            Bound::Possible => &outcome.possible,
        }
    }

    /// Whether nothing is unknown.
    pub(super) fn is_all_known(&self) -> bool {
        let of = &self.functions.of;
        let mut outcomes = of.ingress.iter().chain(&of.egress);
        outcomes.all(Outcome::is_exact)
    }

    pub(super) fn outcome(&self, class: ClassId, direction: Direction) -> &'e Outcome {
        let side = self.sides.of(class, direction);
        &self.functions.of.get(direction)[side.0 as usize]
    }

    pub(super) fn set(&self, id: SetId) -> &'e ConnectionSet {
        &self.functions.sets[id.0 as usize]
    }

    pub(super) fn both(&self, egress: SetId, ingress: SetId) -> Cow<'e, ConnectionSet> {
        match (egress, ingress) {
            (SetId::ALL, other) | (other, SetId::ALL) => Cow::Borrowed(self.set(other)),
            (SetId::NONE, _) | (_, SetId::NONE) => Cow::Borrowed(self.set(SetId::NONE)),
            (a, b) if a == b => Cow::Borrowed(self.set(a)),
            (a, b) => Cow::Owned(self.set(a).intersection(self.set(b))),
        }
    }

    pub(super) fn is_pod(&self, workload: WorkloadId) -> bool {
        self.cluster.workload(workload).object.kind.is_one_pod()
    }
}
