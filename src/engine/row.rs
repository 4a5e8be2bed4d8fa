//! What one workload may open, at every other one and at the outside.
//!
//! Refuses to know how it is decided: that is what the functions of both sides say.

use super::HashMap;
use super::classes::ClassId;
use super::enters::Enters;
use super::functions::Function;
use super::ports::ConnectionSet;
use super::relation::{Flow, Peer, Relation};
use super::sets::SetId;
use crate::cluster::WorkloadId;
use crate::k8s::Direction;
use std::borrow::Cow;
use std::ops::Range;
use std::sync::Arc;

/// Where so many times as many classes are not reached, those that are get looked up.
const MIN_OTHERS: usize = 4;

/// Everything that one workload may open.
#[derive(Clone, Debug)]
pub struct Row<'e> {
    relation: Relation<'e>,
    source: WorkloadId,
    /// By class: a place in `distinct`. Empty if the source is no peer.
    by_class: Vec<u32>,
    /// The classes of which something may be opened, in order.
    reached: Vec<ClassId>,
    /// The first one is empty.
    distinct: Vec<Cell>,
}

/// What may be opened, and of what that is not known.
#[derive(Clone, Debug)]
struct Cell {
    connections: Arc<ConnectionSet>,
    unknown: Arc<ConnectionSet>,
}

impl<'e> Row<'e> {
    pub(super) fn new(relation: Relation<'e>, source: WorkloadId) -> Self {
        let none = Arc::new(ConnectionSet::none());
        let mut row = Self {
            relation,
            source,
            by_class: Vec::new(),
            reached: Vec::new(),
            distinct: vec![Cell {
                connections: Arc::clone(&none),
                unknown: none,
            }],
        };
        if let Some(class) = relation.classes.of(source) {
            row.fill(class);
        }
        row
    }

    fn fill(&mut self, source: ClassId) {
        let relation = self.relation;
        let outcome = relation.outcome(source, Direction::Egress);
        self.by_class = vec![0; relation.classes.len() as usize];
        if let Some(few) = self.few_classes(source) {
            let leaves = [&outcome.allowed, &outcome.possible];
            let leaves = |bound: usize, column| leaves[bound].at(column);
            let enters = |class, column| {
                let outcome = relation.outcome(class, Direction::Ingress);
                [outcome.allowed.at(column), outcome.possible.at(column)]
            };
            self.fill_in(source, few.into_iter(), leaves, enters);
            return;
        }
        let leaves = [&outcome.allowed, &outcome.possible].map(|function| -> Vec<SetId> {
            let pieces = function.within(0, relation.columns.pods());
            pieces
                .flat_map(|(start, end, set)| std::iter::repeat_n(set, (end - start) as usize))
                .collect()
        });
        let leaves = |bound: usize, column: u32| leaves[bound][column as usize];
        let mut enters = Enters::new(relation);
        let enters = |class, column| enters.at(class, column);
        self.fill_in(source, relation.classes.ids(), leaves, enters);
    }

    /// The classes that the source may reach, in order, maybe among others; `None` if they are
    /// so many that all may be asked.
    fn few_classes(&self, source: ClassId) -> Option<Vec<ClassId>> {
        let Relation {
            columns, functions, ..
        } = self.relation;
        let limit = self.by_class.len() / MIN_OTHERS;
        let leaves = &self.relation.outcome(source, Direction::Egress).possible;
        let open = leaves.within(0, columns.pods());
        let open = open.filter(|(.., set)| *set != SetId::NONE);
        let mut left: Vec<Range<u32>> = Vec::new();
        let mut count = 0;
        for (start, end, _) in open {
            count += (end - start) as usize;
            if count > limit {
                break;
            }
            left.push(start..end);
        }
        if count <= limit {
            let classes = left.into_iter().flatten().map(|it| columns.class_at(it));
            let mut found: Vec<ClassId> = classes.collect();
            // Another column of the same pods.
            found.dedup();
            return Some(found);
        }
        let own = columns.start(source.0)..columns.start(source.0 + 1);
        functions.entered(self.relation)?.classes(own, limit)
    }

    /// Fills in the cells of some classes, in order. `leaves` and `enters` say what the sides of
    /// the source and of a class let through at a column, for certain (0) and perhaps (1).
    fn fill_in(
        &mut self,
        source: ClassId,
        classes: impl Iterator<Item = ClassId>,
        leaves: impl Fn(usize, u32) -> SetId,
        mut enters: impl FnMut(ClassId, u32) -> [SetId; 2],
    ) {
        let relation = self.relation;
        let mut known: HashMap<[SetId; 4], u32> = HashMap::default();
        for class in classes {
            let place = match relation.columns.ways(source, class).as_slice() {
                [(from, to)] => {
                    let [allowed, possible] = [0, 1].map(|bound| leaves(bound, *to));
                    if possible == SetId::NONE {
                        0
                    } else {
                        let into = enters(class, *from);
                        let key = [allowed, into[0], possible, into[1]];
                        *known.entry(key).or_insert_with(|| {
                            let allowed = relation.both(allowed, into[0]);
                            let possible = relation.both(possible, into[1]);
                            self.place(&allowed, &possible)
                        })
                    }
                }
                ways => {
                    let into = relation.outcome(class, Direction::Ingress);
                    let union = |bound: usize, function: &Function| {
                        let sets = ways.iter().map(|(from, to)| {
                            relation.both(leaves(bound, *to), function.at(*from))
                        });
                        let union = sets.reduce(|a, b| Cow::Owned(a.union(&b)));
                        union.expect("there is always a way")
                    };
                    let (allowed, possible) = (union(0, &into.allowed), union(1, &into.possible));
                    self.place(&allowed, &possible)
                }
            };
            if place != 0 {
                self.by_class[class.0 as usize] = place;
                self.reached.push(class);
            }
        }
    }

    /// The place of a cell, which is added.
    fn place(&mut self, allowed: &ConnectionSet, possible: &ConnectionSet) -> u32 {
        if possible.is_empty() {
            return 0;
        }
        self.distinct.push(Cell {
            connections: Arc::new(allowed.clone()),
            unknown: Arc::new(possible.difference(allowed)),
        });
        self.distinct.len() as u32 - 1
    }

    #[cfg(feature = "internals")]
    fn cell(&self, destination: WorkloadId) -> Option<&Cell> {
        let class = self.relation.classes.of(destination)?;
        let place = self.by_class.get(class.0 as usize)?;
        Some(&self.distinct[*place as usize])
    }

    /// What the source may open at a workload for certain; maybe nothing.
    #[cfg(feature = "internals")]
    #[must_use]
    pub fn connections(&self, destination: WorkloadId) -> ConnectionSet {
        if self.own() == Some(destination) {
            return ConnectionSet::all();
        }
        self.cell(destination)
            .map_or_else(ConnectionSet::none, |cell| (*cell.connections).clone())
    }

    /// The connections to a workload of which it is not known whether they are allowed.
    #[cfg(feature = "internals")]
    #[must_use]
    pub fn unknown(&self, destination: WorkloadId) -> ConnectionSet {
        if self.own() == Some(destination) {
            return ConnectionSet::none();
        }
        self.cell(destination)
            .map_or_else(ConnectionSet::none, |cell| (*cell.unknown).clone())
    }

    /// What the source may open at the members of every group of [`Relation::groups`], in that
    /// order, as a place among what follows: the sets that are allowed, each with what of it is
    /// not known. For its own group, at another member.
    pub fn by_place(
        &self,
    ) -> (
        &[u32],
        impl Iterator<Item = (&ConnectionSet, &ConnectionSet)>,
    ) {
        let cells = self.distinct.iter();
        let sets = cells.map(|cell| (&*cell.connections, &*cell.unknown));
        (&self.by_class, sets)
    }

    /// The workloads of which something may be opened, in the order of the cluster, each with
    /// the place of what may be among the sets of [`by_place`](Self::by_place). The source, too,
    /// where another member of its group is one of them.
    pub fn reached(&self) -> Vec<(WorkloadId, u32)> {
        let Relation {
            cluster, classes, ..
        } = self.relation;
        let place_of = |class: ClassId| self.by_class[class.0 as usize];
        let members = |class: &ClassId| classes.members(*class);
        let count: usize = self.reached.iter().map(|it| members(it).len()).sum();
        if count * MIN_OTHERS > cluster.workloads().len() {
            let ids = cluster.workload_ids();
            let ids = ids.filter_map(|id| Some((id, place_of(classes.of(id)?))));
            return ids.filter(|(_, place)| *place != 0).collect();
        }
        let reached = self.reached.iter().flat_map(|class| {
            let place = place_of(*class);
            members(class).iter().map(move |id| (*id, place))
        });
        let mut reached: Vec<(WorkloadId, u32)> = reached.collect();
        reached.sort_unstable_by_key(|(id, _)| *id);
        reached
    }

    /// The flows to workloads in the order of the cluster, then to the outside by address.
    pub fn into_flows(self) -> impl Iterator<Item = Flow> + use<'e> {
        let (relation, source, own) = (self.relation, self.source, self.own());
        let itself = Cell {
            connections: Arc::new(ConnectionSet::all()),
            unknown: Arc::new(ConnectionSet::none()),
        };
        let mut reached = self.reached();
        if let Some(own) = own
            && let Err(place) = reached.binary_search_by_key(&own, |(id, _)| *id)
        {
            reached.insert(place, (own, 0));
        }
        let to_workloads = reached.into_iter().map(move |(destination, place)| {
            let cell = if own == Some(destination) {
                &itself
            } else {
                &self.distinct[place as usize]
            };
            Flow {
                source: Peer::Workload(source),
                destination: Peer::Workload(destination),
                connections: Arc::clone(&cell.connections),
                unknown: Arc::clone(&cell.unknown),
            }
        });
        to_workloads.chain(relation.flows_out(source))
    }

    /// The source, if it is a pod that reaches itself on everything (S4).
    fn own(&self) -> Option<WorkloadId> {
        (!self.by_class.is_empty() && self.relation.is_pod(self.source)).then_some(self.source)
    }
}
