//! What changes between two clusters, by name: the flows that only one of them allows.
//!
//! Refuses to know why the clusters differ.

use super::placeholder;
use crate::engine::{AddressRange, ChangedEnd, Changes, ConnectionSet, Engine, Pair};
use std::fmt;

/// One end of a [`Flow`].
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum End {
    /// A workload, as `namespace/Kind/name`, or a [placeholder](super::placeholders), as
    /// `namespace/+labels`.
    Workload(String),
    /// Addresses outside.
    Outside(AddressRange),
}

impl End {
    /// Whether it is a [placeholder](super::placeholders), which no manifest declares.
    #[must_use]
    pub fn is_witness(&self) -> bool {
        matches!(self, Self::Workload(name) if placeholder::is_placeholder(name))
    }
}

/// What one end may open at another, by name.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Flow {
    /// Who opens the connections.
    pub source: End,
    /// Whom to.
    pub destination: End,
    /// On which ports of the destination; never empty.
    pub connections: ConnectionSet,
}

/// The flows that a change adds and those that it removes.
///
/// A flow with more ports than before is added with the new ports only. Blocks of
/// addresses are compared on common atoms, so that a block written differently is no
/// change.
#[derive(Debug)]
pub struct GraphDiff {
    changes: Changes,
    /// The same of what may be allowed, where not everything is known.
    possible: Option<Changes>,
    names: Vec<String>,
}

/// What `after` allows and `before` does not, and the other way round.
///
/// Workloads are the same if their namespaces, kinds and names are; one that only one of
/// the clusters has comes or goes with all its flows.
#[must_use]
pub fn difference(before: &Engine<'_>, after: &Engine<'_>) -> GraphDiff {
    let (old, new) = (before.relation(), after.relation());
    let changes = Changes::between(old, new);
    let possible = Changes::between_possible(old, new);
    let name = |pair: &Pair| {
        let before = pair
            .before
            .map(|id| placeholder::pods_name(before.cluster(), id));
        before.or_else(|| {
            pair.after
                .map(|id| placeholder::pods_name(after.cluster(), id))
        })
    };
    let names = changes.workloads().iter().filter_map(name).collect();
    GraphDiff {
        changes,
        possible,
        names,
    }
}

impl GraphDiff {
    /// Whether nothing is added and nothing is removed, not even perhaps.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.changes.is_empty() && self.possible.as_ref().is_none_or(Changes::is_empty)
    }

    /// Whether a flow is new, or is one that may be allowed now and was not before.
    #[must_use]
    pub fn adds(&self) -> bool {
        let mut possible = self.possible.iter().flat_map(Changes::iter);
        self.added().next().is_some() || possible.any(|change| !change.added.is_empty())
    }

    /// Whether a flow is gone, or is one that may have been allowed before and is not now.
    #[must_use]
    pub fn removes(&self) -> bool {
        let mut possible = self.possible.iter().flat_map(Changes::iter);
        self.removed().next().is_some() || possible.any(|change| !change.removed.is_empty())
    }

    /// The flows that are new. First those from workloads, by source, then destination
    /// (workloads by namespace, kind and name, then addresses), then those from the
    /// outside, by destination, then address.
    pub fn added(&self) -> impl Iterator<Item = Flow> {
        self.changes
            .iter()
            .filter_map(|change| self.flow(change.source, change.destination, change.added))
    }

    /// The flows that are gone, in the order of [`added`](Self::added).
    pub fn removed(&self) -> impl Iterator<Item = Flow> {
        self.changes
            .iter()
            .filter_map(|change| self.flow(change.source, change.destination, change.removed))
    }

    /// The workloads that only the cluster after has, as `namespace/Kind/name`.
    pub fn new_workloads(&self) -> impl Iterator<Item = &str> {
        self.named(|pair| pair.before.is_none())
    }

    /// The workloads that only the cluster before has, as `namespace/Kind/name`.
    pub fn lost_workloads(&self) -> impl Iterator<Item = &str> {
        self.named(|pair| pair.after.is_none())
    }

    fn named(&self, is_meant: impl Fn(&Pair) -> bool) -> impl Iterator<Item = &str> {
        let named = self.changes.workloads().iter().zip(&self.names);
        named
            .filter(move |(pair, _)| is_meant(pair))
            .map(|(_, name)| name.as_str())
    }

    fn flow(
        &self,
        source: ChangedEnd,
        destination: ChangedEnd,
        connections: &ConnectionSet,
    ) -> Option<Flow> {
        let end = |end| match end {
            ChangedEnd::Workload(place) => End::Workload(self.names[place].clone()),
            ChangedEnd::Outside(range) => End::Outside(range),
        };
        (!connections.is_empty()).then(|| Flow {
            source: end(source),
            destination: end(destination),
            connections: connections.clone(),
        })
    }
}

/// The workload's name, or `LO-HI`.
impl fmt::Display for End {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Workload(name) => f.write_str(name),
            Self::Outside(range) => range.fmt(f),
        }
    }
}
