//! What a change does to a cluster: the flows that it opens and closes in as few lines as
//! say the same, which workloads it isolates, which come and go, and how much that matters.
//!
//! Refuses to know which part of the change is to blame for which line; see
//! [`Blame`](super::Blame).

mod pairing;
mod products;
mod table;

pub use pairing::{JointEnds, JointNode};
pub use table::ChangeTable;

use super::EndSet;
use crate::cluster::WorkloadId;
use crate::engine::{AddressRange, ConnectionSet, Engine, Pair, PolicyRef, PortSet};
use crate::k8s::{Direction, Protocol};
use foldhash::fast::RandomState;
use products::Products;
use std::collections::{BTreeMap, HashMap};
use table::marks;

/// How much a change matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Level {
    /// To be looked at in any case.
    High,
    /// To be looked at.
    Medium,
    /// To be known.
    Low,
}

impl Level {
    /// Its name.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::High => "high",
            Self::Medium => "medium",
            Self::Low => "low",
        }
    }
}

/// What a line of a comparison is about. The order is the one in which lines are shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Effect {
    /// Public addresses may open connections that they might not.
    InternetIngressOpened,
    /// A workload may open connections at public addresses that it might not.
    InternetEgressOpened,
    /// No NetworkPolicy isolates a workload any more, in a direction.
    Deisolated,
    /// A workload may open connections at one of another namespace that it might not.
    CrossNamespaceOpened,
    /// A workload may not ask a resolver any more.
    DnsClosed,
    /// Any other connections are opened.
    Opened,
    /// Any other connections are closed.
    Closed,
    /// Nobody knows whether connections are opened or closed.
    Unknown,
    /// NetworkPolicies isolate a workload that they did not, in a direction.
    Isolated,
    /// A workload is new.
    WorkloadAdded,
    /// A workload is gone.
    WorkloadRemoved,
}

impl Effect {
    /// Its id, which stays.
    #[must_use]
    pub fn id(self) -> &'static str {
        match self {
            Self::InternetIngressOpened => "internet-ingress-opened",
            Self::InternetEgressOpened => "internet-egress-opened",
            Self::Deisolated => "deisolated",
            Self::CrossNamespaceOpened => "cross-namespace-opened",
            Self::DnsClosed => "dns-closed",
            Self::Opened => "opened",
            Self::Closed => "closed",
            Self::Unknown => "unknown",
            Self::Isolated => "isolated",
            Self::WorkloadAdded => "workload-added",
            Self::WorkloadRemoved => "workload-removed",
        }
    }

    /// How much it matters.
    #[must_use]
    pub fn level(self) -> Level {
        match self {
            Self::InternetIngressOpened | Self::InternetEgressOpened | Self::Deisolated => {
                Level::High
            }
            Self::CrossNamespaceOpened | Self::DnsClosed | Self::Unknown => Level::Medium,
            Self::Opened
            | Self::Closed
            | Self::Isolated
            | Self::WorkloadAdded
            | Self::WorkloadRemoved => Level::Low,
        }
    }
}

/// Whether a flow comes or goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Move {
    /// It was not allowed, and is.
    Opened,
    /// It was allowed, and is not.
    Closed,
    /// It is known on one side only.
    Unknown,
}

/// The ends on one side of a line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LineEnds {
    /// Places among [`Comparison::workloads`], in order.
    Workloads(Vec<usize>),
    /// Addresses outside, in order.
    Outside(Vec<AddressRange>),
}

/// Flows that are opened or closed alike: each source with each destination.
///
/// A single Pod with itself, which policies have no say in (S4), is no pair of it.
#[derive(Clone, Debug)]
pub struct Line {
    /// What it is about.
    pub effect: Effect,
    /// Whether the flows come or go.
    pub moved: Move,
    /// Who opens the connections.
    pub sources: LineEnds,
    /// Where.
    pub destinations: LineEnds,
    /// On which ports.
    pub connections: ConnectionSet,
    /// How many pairs of ends it stands for; the addresses of one side are one end.
    pub pairs: usize,
    /// Whether one of its ends is in one of the clusters only.
    pub is_of_new_or_gone: bool,
}

/// Workloads whose isolation changes alike.
#[derive(Clone, Debug)]
pub struct IsolationLine {
    /// [`Effect::Isolated`] or [`Effect::Deisolated`].
    pub effect: Effect,
    /// The direction.
    pub direction: Direction,
    /// Places among [`Comparison::workloads`], in order.
    pub workloads: Vec<usize>,
    /// The policies of every kind that isolate them now, or did.
    pub policies: Vec<PolicyRef>,
}

/// What is compared, and what of it is asked for. Everywhere index 0 is before, 1 is after.
#[derive(Clone, Debug, Default)]
pub struct ComparisonQuery {
    /// The public addresses.
    pub internet: EndSet,
    /// The pods that resolve names.
    pub resolvers: [EndSet; 2],
    /// Only flows from these ends.
    pub from: Option<[EndSet; 2]>,
    /// Only flows to these ends.
    pub to: Option<[EndSet; 2]>,
    /// Only what touches these ends.
    pub focus: Option<[EndSet; 2]>,
}

/// Two clusters, compared.
#[derive(Debug)]
pub struct Comparison {
    /// The workloads of both clusters, each once, by namespace, kind and name. One that was
    /// renamed is one of them, under its new name.
    pub workloads: Vec<Pair>,
    /// The flows that change, those that matter most first.
    pub lines: Vec<Line>,
    /// The workloads of both clusters whose isolation changes.
    pub isolation: Vec<IsolationLine>,
}

impl Comparison {
    /// Compares two clusters.
    #[must_use]
    pub fn new<'c>(before: &Engine<'c>, after: &Engine<'c>, query: &ComparisonQuery) -> Self {
        let table = ChangeTable::new(before, after, query);
        let lines = Differ { table: &table }.lines();
        let isolation = isolation([before, after], table.workloads(), query);
        Self {
            lines,
            isolation,
            workloads: table.into_workloads(),
        }
    }

    /// Whether both clusters allow the same, as far as it was asked for. Workloads that come
    /// or go with flows are a change.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.lines.is_empty() && self.isolation.is_empty()
    }

    /// The workloads that only the cluster after has.
    pub fn added(&self) -> impl Iterator<Item = WorkloadId> {
        let lone = self.workloads.iter().filter(|pair| pair.before.is_none());
        lone.filter_map(|pair| pair.after)
    }

    /// The workloads that only the cluster before has.
    pub fn removed(&self) -> impl Iterator<Item = WorkloadId> {
        let lone = self.workloads.iter().filter(|pair| pair.after.is_none());
        lone.filter_map(|pair| pair.before)
    }
}

/// What lines are made of: pairs that agree in all of this.
type Key = (Effect, Move, bool, [bool; 2], ConnectionSet);

struct Differ<'d> {
    table: &'d ChangeTable<'d>,
}

impl Differ<'_> {
    fn lines(&self) -> Vec<Line> {
        let table = self.table;
        let namespaces = self.namespace_numbers();
        // What pairs amount to, by what decides it: there are far fewer of these than pairs.
        let mut known: HashMap<([u32; 2], Circumstances), Vec<usize>, RandomState> =
            HashMap::default();
        let mut places: BTreeMap<Key, usize> = BTreeMap::new();
        let mut rows: Vec<Vec<(usize, Vec<usize>)>> = Vec::new();
        for source in 0..table.nodes.len() {
            for destination in 0..table.nodes.len() {
                let sets = table.sets(source, destination);
                if sets == [0, 0] || !table.is_asked_for(source, destination) {
                    continue;
                }
                let circumstances = self.circumstances([source, destination], &namespaces);
                let amounts = known.entry((sets, circumstances)).or_insert_with(|| {
                    let moves = table.moves(sets).into_iter();
                    let place = |(moved, connections)| {
                        let key = circumstances.key(moved, connections);
                        *places.entry(key).or_insert_with(|| {
                            rows.push(Vec::new());
                            rows.len() - 1
                        })
                    };
                    moves.map(place).collect()
                });
                for amount in amounts {
                    let rows = &mut rows[*amount];
                    match rows.last_mut() {
                        Some((last, row)) if *last == source => row.push(destination),
                        _ => rows.push((source, vec![destination])),
                    }
                }
            }
        }
        let mut lines = Vec::new();
        let mut products = Products::new(|node: usize| match &table.nodes[node].ends {
            JointEnds::Workloads(members) => members.len(),
            JointEnds::Outside(_) => 1,
        });
        for ((effect, moved, is_of_new_or_gone, _, connections), place) in places {
            for product in products.of(std::mem::take(&mut rows[place])) {
                let (sources, destinations) = (&product.sources, &product.destinations);
                lines.push(Line {
                    effect,
                    moved,
                    sources: table.ends(sources),
                    destinations: table.ends(destinations),
                    connections: connections.clone(),
                    pairs: table.count(sources, destinations),
                    is_of_new_or_gone,
                });
            }
        }
        let place = |ends: &LineEnds| match ends {
            LineEnds::Outside(_) => 0,
            LineEnds::Workloads(places) => 1 + places.first().copied().unwrap_or(0),
        };
        lines.sort_by_key(|line| {
            (
                line.effect,
                line.moved,
                place(&line.sources),
                place(&line.destinations),
            )
        });
        lines
    }

    /// By node: a number that those of one namespace have in common.
    fn namespace_numbers(&self) -> Vec<usize> {
        let mut known: HashMap<Option<&str>, usize> = HashMap::new();
        let nodes = 0..self.table.nodes.len();
        nodes
            .map(|node| {
                let next = known.len();
                *known.entry(self.table.namespace(node)).or_insert(next)
            })
            .collect()
    }

    fn circumstances(&self, ends: [usize; 2], namespaces: &[usize]) -> Circumstances {
        let [from, to] = ends.map(|node| self.table.flags[node]);
        let is_new_or_gone = |node: &usize| !self.table.nodes[*node].is_paired;
        Circumstances {
            is_outside: ends
                .map(|node| matches!(self.table.nodes[node].ends, JointEnds::Outside(_))),
            is_public: [from.is_public, to.is_public],
            is_to_resolver: to.is_resolver,
            is_within_namespace: namespaces[ends[0]] == namespaces[ends[1]],
            is_of_new_or_gone: ends.iter().any(is_new_or_gone),
        }
    }
}

/// What decides how much a change of a pair matters, besides the connections.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Circumstances {
    is_outside: [bool; 2],
    is_public: [bool; 2],
    is_to_resolver: bool,
    is_within_namespace: bool,
    is_of_new_or_gone: bool,
}

impl Circumstances {
    fn key(self, moved: Move, connections: ConnectionSet) -> Key {
        let dns = ConnectionSet::of(
            Protocol::Udp,
            PortSet::from_ranges([(53, 53), (5353, 5353)]),
        );
        let effect = match (moved, self.is_outside) {
            (Move::Opened, [true, _]) if self.is_public[0] => Effect::InternetIngressOpened,
            (Move::Opened, [_, true]) if self.is_public[1] => Effect::InternetEgressOpened,
            (Move::Opened, [false, false]) if !self.is_within_namespace => {
                Effect::CrossNamespaceOpened
            }
            (Move::Opened, _) => Effect::Opened,
            (Move::Closed, _)
                if self.is_to_resolver && !connections.intersection(&dns).is_empty() =>
            {
                Effect::DnsClosed
            }
            (Move::Closed, _) => Effect::Closed,
            (Move::Unknown, _) => Effect::Unknown,
        };
        (
            effect,
            moved,
            self.is_of_new_or_gone,
            self.is_outside,
            connections,
        )
    }
}

/// The workloads of both clusters that are isolated in one of them only.
fn isolation<'c>(
    engines: [&Engine<'c>; 2],
    workloads: &[Pair],
    query: &ComparisonQuery,
) -> Vec<IsolationLine> {
    type Key = (Effect, Direction, Vec<PolicyRef>);
    let mut lines: BTreeMap<Key, Vec<usize>> = BTreeMap::new();
    for (place, pair) in workloads.iter().enumerate() {
        let (Some(old), Some(new)) = (pair.before, pair.after) else {
            continue;
        };
        let bits = marks(query, pair);
        if bits & 0b100 == 0 || bits & 0b11 == 0 {
            continue;
        }
        for direction in [Direction::Egress, Direction::Ingress] {
            let isolating = |engine: &Engine<'_>, id| {
                let mut policies = engine.isolated_by(id, direction);
                // What nobody could build isolates nothing for certain.
                policies.retain(|policy| !matches!(policy, PolicyRef::Part(_)));
                policies
            };
            let before = isolating(engines[0], old);
            let after = isolating(engines[1], new);
            let (effect, policies) = match (before.is_empty(), after.is_empty()) {
                (true, false) => (Effect::Isolated, after),
                (false, true) => (Effect::Deisolated, before),
                _ => continue,
            };
            lines
                .entry((effect, direction, policies))
                .or_default()
                .push(place);
        }
    }
    let line = |((effect, direction, policies), workloads)| IsolationLine {
        effect,
        direction,
        workloads,
        policies,
    };
    lines.into_iter().map(line).collect()
}
