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
use std::collections::BTreeMap;
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
        let mut known: BTreeMap<(u32, u32), Vec<(Move, ConnectionSet)>> = BTreeMap::new();
        let mut pairs: BTreeMap<Key, Vec<(usize, usize)>> = BTreeMap::new();
        for source in 0..table.nodes.len() {
            for destination in 0..table.nodes.len() {
                let sets = table.sets(source, destination);
                if sets == [0, 0] || !table.is_asked_for(source, destination) {
                    continue;
                }
                let moves = known
                    .entry((sets[0], sets[1]))
                    .or_insert_with(|| table.moves(sets));
                for (moved, connections) in moves {
                    let key = self.key(*moved, connections, source, destination);
                    pairs.entry(key).or_default().push((source, destination));
                }
            }
        }
        let mut lines = Vec::new();
        for ((effect, moved, is_of_new_or_gone, _, connections), pairs) in pairs {
            let weight = |node: usize| match &table.nodes[node].ends {
                JointEnds::Workloads(members) => members.len(),
                JointEnds::Outside(_) => 1,
            };
            for product in products::products(pairs, weight) {
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

    fn key(
        &self,
        moved: Move,
        connections: &ConnectionSet,
        source: usize,
        destination: usize,
    ) -> Key {
        let ends = [source, destination];
        let [from, to] = ends.map(|node| self.table.flags[node]);
        let is_outside =
            ends.map(|node| matches!(self.table.nodes[node].ends, JointEnds::Outside(_)));
        let dns = ConnectionSet::of(
            Protocol::Udp,
            PortSet::from_ranges([(53, 53), (5353, 5353)]),
        );
        let effect = match (moved, is_outside) {
            (Move::Opened, [true, _]) if from.is_public => Effect::InternetIngressOpened,
            (Move::Opened, [_, true]) if to.is_public => Effect::InternetEgressOpened,
            (Move::Opened, [false, false])
                if self.table.namespace(source) != self.table.namespace(destination) =>
            {
                Effect::CrossNamespaceOpened
            }
            (Move::Opened, _) => Effect::Opened,
            (Move::Closed, _) if to.is_resolver && !connections.intersection(&dns).is_empty() => {
                Effect::DnsClosed
            }
            (Move::Closed, _) => Effect::Closed,
            (Move::Unknown, _) => Effect::Unknown,
        };
        let is_of_new_or_gone = ends.iter().any(|node| !self.table.nodes[*node].is_paired);
        (
            effect,
            moved,
            is_of_new_or_gone,
            is_outside,
            connections.clone(),
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
