//! What a change of policies opens besides what it is made for: the difference of the two
//! graphs, without the flow that was asked for.
//!
//! Refuses to know how the change was found.

use super::group::joined;
use crate::cli::entity_flows::entity_flows;
use crate::cli::undeclared::name_in_words;
use crate::engine::{AddressRange, ConnectionSet, Engine};
use crate::graph::{ELSEWHERE, End, difference, is_placeholder};
use crate::k8s::Direction;
use crate::output::{OpenedFlow, range_name};
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
    /// By its name in every answer, or that of the pods that stand for one that does not exist
    /// yet.
    Workload(String),
    /// A pod of a namespace that no manifest mentions, so that no flow of the graph is its own.
    Hypothetical,
    /// All of these addresses.
    Outside(Vec<AddressRange>),
    /// An end that only Cilium tells apart, by its name in every answer.
    Entity(String),
}

/// The flows of the second cluster that the first one has not, but for `asked`, by source
/// and destination; addresses with the same flows as few ranges.
pub(super) fn opened(
    before: &Engine<'_>,
    after: &Engine<'_>,
    asked: &AskedFlow<'_>,
) -> Vec<OpenedFlow> {
    let mut opened = BTreeSet::new();
    let mut outside: BTreeMap<(Direction, String, ConnectionSet), Vec<AddressRange>> =
        BTreeMap::new();
    opened.extend(opened_for_entities(before, after, asked));
    for flow in difference(before, after).added() {
        match (flow.source, flow.destination) {
            (End::Workload(from), End::Workload(to)) => {
                let connections = asked.rest(&from, &to, &flow.connections);
                opened.insert(OpenedFlow {
                    is_within_cluster: true,
                    from,
                    to,
                    connections,
                });
            }
            (End::Workload(name), End::Outside(range)) => {
                for (range, rest) in
                    asked.rest_outside(Direction::Egress, &name, range, &flow.connections)
                {
                    outside
                        .entry((Direction::Egress, name.clone(), rest))
                        .or_default()
                        .push(range);
                }
            }
            (End::Outside(range), End::Workload(name)) => {
                for (range, rest) in
                    asked.rest_outside(Direction::Ingress, &name, range, &flow.connections)
                {
                    outside
                        .entry((Direction::Ingress, name.clone(), rest))
                        .or_default()
                        .push(range);
                }
            }
            (End::Outside(_), End::Outside(_)) => {}
        }
    }
    for ((direction, name, connections), ranges) in outside {
        for range in joined(&ranges) {
            let (from, to) = match direction {
                Direction::Egress => (name.clone(), range_name(range)),
                Direction::Ingress => (range_name(range), name.clone()),
            };
            opened.insert(OpenedFlow {
                is_within_cluster: false,
                from,
                to,
                connections: connections.clone(),
            });
        }
    }
    opened.retain(|flow| !flow.connections.is_empty());
    let told = Told::new(&opened);
    let untold = opened.iter();
    let untold = untold.filter(|flow| !told.has(flow)).cloned();
    let in_words = untold.map(|flow| OpenedFlow {
        from: name_in_words(&flow.from),
        to: name_in_words(&flow.to),
        ..flow
    });
    in_words.collect()
}

/// The flows of declared pods: those that tell of pods that no manifest declares as well, which are
/// of the same namespace, or of any other one than the opposite end's.
struct Told<'f> {
    /// By the opposite end and the namespace of the declared pods.
    flows: BTreeMap<(Direction, &'f str, &'f str), Vec<&'f ConnectionSet>>,
}

impl<'f> Told<'f> {
    fn new(opened: &'f BTreeSet<OpenedFlow>) -> Self {
        let mut flows: BTreeMap<_, Vec<_>> = BTreeMap::new();
        for flow in opened {
            for (direction, own, opposite) in sides(flow) {
                if !is_placeholder(own) {
                    let key = (direction, opposite, home(own));
                    flows.entry(key).or_default().push(&flow.connections);
                }
            }
        }
        Self { flows }
    }

    /// Whether declared pods have a flow in place of one of its ends.
    fn has(&self, flow: &OpenedFlow) -> bool {
        sides(flow).into_iter().any(|(direction, own, opposite)| {
            let of = |home| self.flows.get(&(direction, opposite, home));
            let among = |known: &Vec<&ConnectionSet>| {
                let mut known = known.iter();
                known.any(|known| flow.connections.is_subset(known))
            };
            match home(own) {
                _ if !is_placeholder(own) => false,
                ELSEWHERE => {
                    let all = self.flows.range((direction, opposite, "")..);
                    let mut all =
                        all.take_while(|((its, end, _), _)| (*its, *end) == (direction, opposite));
                    all.any(|((.., namespace), known)| *namespace != home(opposite) && among(known))
                }
                namespace => of(namespace).is_some_and(among),
            }
        })
    }
}

/// Its source and its destination, each with the other one.
fn sides(flow: &OpenedFlow) -> [(Direction, &str, &str); 2] {
    [
        (Direction::Egress, &flow.from, &flow.to),
        (Direction::Ingress, &flow.to, &flow.from),
    ]
}

/// The namespace in the name of pods.
fn home(name: &str) -> &str {
    name.split_once('/')
        .map_or(name, |(namespace, _)| namespace)
}

/// What is opened between workloads and ends that are neither pods nor outside.
fn opened_for_entities(
    before: &Engine<'_>,
    after: &Engine<'_>,
    asked: &AskedFlow<'_>,
) -> Vec<OpenedFlow> {
    let known = entity_flows(before);
    let is = |end: &AskedEnd, name: &str| matches!(end, AskedEnd::Workload(its) | AskedEnd::Entity(its) if its == name);
    let opened = entity_flows(after)
        .into_iter()
        .map(|((from, to), connections)| {
            let nothing = ConnectionSet::none();
            let before = known.get(&(from.clone(), to.clone()));
            let mut connections = connections.difference(before.unwrap_or(&nothing));
            if is(&asked.from, &from) && is(&asked.to, &to) {
                connections = connections.difference(asked.connections);
            }
            OpenedFlow {
                is_within_cluster: true,
                from,
                to,
                connections,
            }
        });
    opened.filter(|flow| !flow.connections.is_empty()).collect()
}

impl AskedEnd {
    /// Whether these pods of the graph are the end.
    fn is(&self, name: &str) -> bool {
        match self {
            Self::Workload(its) => its == name,
            Self::Hypothetical | Self::Outside(_) | Self::Entity(_) => false,
        }
    }
}

impl AskedFlow<'_> {
    /// What is opened between two workloads without what was asked for.
    fn rest(&self, from: &str, to: &str, opened: &ConnectionSet) -> ConnectionSet {
        if self.from.is(from) && self.to.is(to) {
            opened.difference(self.connections)
        } else {
            opened.clone()
        }
    }

    /// The same between a workload and addresses, which may be asked for in part.
    fn rest_outside(
        &self,
        direction: Direction,
        name: &str,
        range: AddressRange,
        opened: &ConnectionSet,
    ) -> Vec<(AddressRange, ConnectionSet)> {
        let (own, other) = match direction {
            Direction::Egress => (&self.from, &self.to),
            Direction::Ingress => (&self.to, &self.from),
        };
        let asked = match (own, other) {
            (own, AskedEnd::Outside(ranges)) if own.is(name) => ranges.as_slice(),
            _ => &[],
        };
        let pieces = range.cut(asked.iter().copied()).into_iter().map(|piece| {
            let is_asked = asked.iter().any(|asked| asked.contains_range(&piece));
            let rest = if is_asked {
                opened.difference(self.connections)
            } else {
                opened.clone()
            };
            (piece, rest)
        });
        pieces.filter(|(_, rest)| !rest.is_empty()).collect()
    }
}
