//! Who may talk to whom: every pair of workloads, and every workload with the outside.
//!
//! Kept as the functions of both sides; a pair is worked out when it is asked for, and a
//! row when it is walked, so that pods × pods never stand in memory.

use super::HashMap;
use super::addresses::AddressRange;
use super::classes::{ClassId, Classes, Columns};
use super::functions::{Function, Functions};
use super::ports::ConnectionSet;
use super::sets::SetId;
use super::sides::Sides;
use crate::cluster::{Cluster, WorkloadId};
use crate::k8s::{Direction, WorkloadKind};
use std::borrow::Cow;
use std::sync::Arc;

/// One end of a flow.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Peer {
    /// A pod, or the pods of a workload.
    Workload(WorkloadId),
    /// Addresses that no pod has, and that policies do not tell apart here.
    Outside(AddressRange),
}

/// What one end may open at another; at least one port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Flow {
    /// Who opens the connection.
    pub source: Peer,
    /// Whom to.
    pub destination: Peer,
    /// On which ports of the destination; never empty.
    pub connections: Arc<ConnectionSet>,
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
    /// What `source` may open at `destination`.
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
        let (Some(from), Some(to)) = (self.classes.of(source), self.classes.of(destination)) else {
            return Cow::Borrowed(self.set(SetId::NONE));
        };
        if source == destination && self.is_pod(source) {
            return Cow::Borrowed(self.set(SetId::ALL));
        }
        let (egress, ingress) = (
            self.function(from, Direction::Egress),
            self.function(to, Direction::Ingress),
        );
        let ways = self.columns.ways(from, to);
        let way = |(from, to): &(u32, u32)| self.both(egress.at(*to), ingress.at(*from));
        let mut ways = ways.as_slice().iter().map(way);
        let first = ways.next().expect("there is always a way");
        ways.fold(first, |known, more| Cow::Owned(known.union(&more)))
    }

    /// What the addresses of `range` may open at `destination`: the range in order, cut
    /// where the answer changes. Pieces without any port are left out.
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
        &self,
        source: WorkloadId,
        range: AddressRange,
    ) -> impl Iterator<Item = (AddressRange, &'e ConnectionSet)> + use<'e> {
        self.outside(source, Direction::Egress, range)
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

    /// Everything that a workload may open, at workloads and at the outside.
    #[must_use]
    pub fn row(&self, source: WorkloadId) -> Row<'e> {
        Row::new(*self, source)
    }

    /// The flows into a workload from the outside, by address.
    pub fn flows_from_outside(
        &self,
        destination: WorkloadId,
    ) -> impl Iterator<Item = Flow> + use<'e> {
        let relation = *self;
        [AddressRange::IPV4, AddressRange::IPV6]
            .into_iter()
            .flat_map(move |family| {
                relation
                    .from_outside(family, destination)
                    .map(move |(range, connections)| Flow {
                        source: Peer::Outside(range),
                        destination: Peer::Workload(destination),
                        connections: Arc::new(connections.clone()),
                    })
            })
    }

    /// Every flow of the cluster, one after the other and never all at once.
    ///
    /// First those from workloads, by the order of the cluster (namespace, kind, name):
    /// to workloads in that order, then to the outside by address. Then those from the
    /// outside, by destination in that order, then by address.
    pub fn flows(&self) -> impl Iterator<Item = Flow> + use<'e> {
        let relation = *self;
        let from_workloads = relation
            .cluster
            .workload_ids()
            .flat_map(move |source| relation.row(source).into_flows());
        let from_outside = relation
            .cluster
            .workload_ids()
            .flat_map(move |destination| relation.flows_from_outside(destination));
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
            .flat_map(move |class| relation.outside_of_class(class, direction, range))
            .filter(|(_, set)| *set != SetId::NONE)
            .map(move |(range, set)| (range, relation.set(set)))
    }

    /// What one side of a class allows with the addresses of `range`: all of it in order,
    /// cut where the answer changes.
    pub(super) fn outside_of_class(
        &self,
        class: ClassId,
        direction: Direction,
        range: AddressRange,
    ) -> impl Iterator<Item = (AddressRange, SetId)> + use<'e> {
        let (columns, atoms) = (self.columns, self.atoms());
        let meeting = columns.atoms_meeting(&range);
        let (start, end) = (columns.outside(meeting.start), columns.outside(meeting.end));
        let pieces = self.function(class, direction).within(start, end);
        pieces.filter_map(move |(start, end, set)| {
            let atom = |column: u32| &atoms[(column - columns.outside(0)) as usize];
            let piece = AddressRange {
                first: atom(start).first,
                last: atom(end - 1).last,
            };
            // The first and the last atom may stick out of the range.
            piece.intersection(&range).map(|piece| (piece, set))
        })
    }

    pub(super) fn function(&self, class: ClassId, direction: Direction) -> &'e Function {
        let side = self.sides.of(class, direction);
        &self.functions.of.get(direction)[side.0 as usize]
    }

    pub(super) fn set(&self, id: SetId) -> &'e ConnectionSet {
        &self.functions.sets[id.0 as usize]
    }

    fn both(&self, egress: SetId, ingress: SetId) -> Cow<'e, ConnectionSet> {
        match (egress, ingress) {
            (SetId::ALL, other) | (other, SetId::ALL) => Cow::Borrowed(self.set(other)),
            (SetId::NONE, _) | (_, SetId::NONE) => Cow::Borrowed(self.set(SetId::NONE)),
            (a, b) if a == b => Cow::Borrowed(self.set(a)),
            (a, b) => Cow::Owned(self.set(a).intersection(self.set(b))),
        }
    }

    fn is_pod(&self, workload: WorkloadId) -> bool {
        self.cluster.workload(workload).object.kind == WorkloadKind::Pod
    }
}

/// Everything that one workload may open.
#[derive(Clone, Debug)]
pub struct Row<'e> {
    relation: Relation<'e>,
    source: WorkloadId,
    /// By class: a place in `distinct`. Empty if the source is no peer.
    by_class: Vec<u32>,
    /// The first is the empty set.
    distinct: Vec<Arc<ConnectionSet>>,
}

impl<'e> Row<'e> {
    fn new(relation: Relation<'e>, source: WorkloadId) -> Self {
        let mut row = Self {
            relation,
            source,
            by_class: Vec::new(),
            distinct: vec![Arc::new(ConnectionSet::none())],
        };
        if let Some(class) = relation.classes.of(source) {
            row.fill(class);
        }
        row
    }

    fn fill(&mut self, source: ClassId) {
        let relation = self.relation;
        let columns = relation.columns;
        let mut known: HashMap<(SetId, SetId), u32> = HashMap::default();
        let mut both = |distinct: &mut Vec<Arc<ConnectionSet>>, egress, ingress| -> u32 {
            if egress == SetId::NONE || ingress == SetId::NONE {
                return 0;
            }
            *known.entry((egress, ingress)).or_insert_with(|| {
                let set = relation.both(egress, ingress);
                if set.is_empty() {
                    return 0;
                }
                distinct.push(Arc::new(set.into_owned()));
                distinct.len() as u32 - 1
            })
        };
        let leaves: Vec<SetId> = relation
            .function(source, Direction::Egress)
            .within(0, columns.pods())
            .flat_map(|(start, end, set)| std::iter::repeat_n(set, (end - start) as usize))
            .collect();
        let mut enters = Enters::new(relation);
        self.by_class = Vec::with_capacity(relation.classes.len() as usize);
        for class in relation.classes.ids() {
            let place = match columns.ways(source, class).as_slice() {
                [(from, to)] => {
                    let egress = leaves[*to as usize];
                    let ingress = if egress == SetId::NONE {
                        SetId::NONE
                    } else {
                        enters.at(class, *from)
                    };
                    both(&mut self.distinct, egress, ingress)
                }
                ways => {
                    let sets = ways.iter().map(|(from, to)| {
                        let function = relation.function(class, Direction::Ingress);
                        relation.both(leaves[*to as usize], function.at(*from))
                    });
                    let union = sets.reduce(|a, b| Cow::Owned(a.union(&b)));
                    let union = union.expect("there is always a way").into_owned();
                    if union.is_empty() {
                        0
                    } else {
                        self.distinct.push(Arc::new(union));
                        self.distinct.len() as u32 - 1
                    }
                }
            };
            self.by_class.push(place);
        }
    }

    /// What the source may open at a workload; maybe nothing.
    #[must_use]
    pub fn connections(&self, destination: WorkloadId) -> ConnectionSet {
        let own = self.own();
        if let Some(class) = self.relation.classes.of(destination)
            && let Some(place) = self.by_class.get(class.0 as usize)
        {
            if own == Some(destination) {
                return ConnectionSet::all();
            }
            return (*self.distinct[*place as usize]).clone();
        }
        ConnectionSet::none()
    }

    /// What the source may open at the members of every group of
    /// [`Relation::groups`], in that order; for its own group, at another member.
    pub fn by_group(&self) -> impl Iterator<Item = (&'e [WorkloadId], &ConnectionSet)> {
        let sets = self
            .by_class
            .iter()
            .map(|place| &*self.distinct[*place as usize]);
        self.relation.groups().zip(sets)
    }

    /// The flows to workloads in the order of the cluster, then to the outside by address.
    pub fn into_flows(self) -> impl Iterator<Item = Flow> + use<'e> {
        let (relation, source, own) = (self.relation, self.source, self.own());
        let all = Arc::new(ConnectionSet::all());
        let to_workloads = relation
            .cluster
            .workload_ids()
            .filter_map(move |destination| {
                let class = relation.classes.of(destination)?;
                let place = *self.by_class.get(class.0 as usize)? as usize;
                let connections = if own == Some(destination) {
                    &all
                } else {
                    &self.distinct[place]
                };
                (!connections.is_empty()).then(|| Flow {
                    source: Peer::Workload(source),
                    destination: Peer::Workload(destination),
                    connections: Arc::clone(connections),
                })
            });
        let to_outside = [AddressRange::IPV4, AddressRange::IPV6]
            .into_iter()
            .flat_map(move |family| {
                relation
                    .to_outside(source, family)
                    .map(move |(range, connections)| Flow {
                        source: Peer::Workload(source),
                        destination: Peer::Outside(range),
                        connections: Arc::new(connections.clone()),
                    })
            });
        to_workloads.chain(to_outside)
    }

    /// The source, if it is a pod that reaches itself on everything (S4).
    fn own(&self) -> Option<WorkloadId> {
        (!self.by_class.is_empty() && self.relation.is_pod(self.source)).then_some(self.source)
    }
}

/// What enters each class from one column, looked up once for all classes of a side.
struct Enters<'e> {
    relation: Relation<'e>,
    /// By side of ingress: the column that was asked about last, and its set.
    known: Vec<Option<(u32, SetId)>>,
}

impl<'e> Enters<'e> {
    fn new(relation: Relation<'e>) -> Self {
        let sides = relation.functions.of.ingress.len();
        Self {
            relation,
            known: vec![None; sides],
        }
    }

    fn at(&mut self, class: ClassId, column: u32) -> SetId {
        let side = self.relation.sides.of(class, Direction::Ingress).0 as usize;
        match self.known[side] {
            Some((known, set)) if known == column => set,
            _ => {
                let set = self.relation.functions.of.ingress[side].at(column);
                self.known[side] = Some((column, set));
                set
            }
        }
    }
}
