//! The entries of a rule's ports, arranged so that what they match at a destination is known
//! without a look at each of them.
//!
//! Refuses to know destinations: it is asked for names.

use super::{PortEntry, Ports};
use crate::engine::ConnectionSet;
use std::ops::Deref;
use std::sync::Arc;

/// The ports of a rule, in the order of its text. A copy shares them.
#[derive(Clone, Debug)]
pub struct RulePorts<'c>(Arc<Arranged<'c>>);

#[derive(Debug)]
struct Arranged<'c> {
    entries: Vec<PortEntry<'c>>,
    /// All that is matched by number, but for exceptions.
    numbers: ConnectionSet,
    /// The names, sorted, with the places of their entries.
    names: Vec<(&'c str, usize)>,
    /// The places of entries that take something away.
    exceptions: Vec<usize>,
    /// Whether another tool fills in a name.
    has_opaque_name: bool,
}

impl<'c> RulePorts<'c> {
    /// All that is matched by number, but for exceptions.
    #[must_use]
    pub fn numbers(&self) -> &ConnectionSet {
        &self.0.numbers
    }

    /// The names that entries match, sorted, with the places of the entries.
    #[must_use]
    pub fn names(&self) -> &[(&'c str, usize)] {
        &self.0.names
    }

    /// The entries that take something away, whatever others match.
    pub fn exceptions(&self) -> impl Iterator<Item = &PortEntry<'c>> {
        let Self(arranged) = self;
        let places = arranged.exceptions.iter();
        places.map(|place| &arranged.entries[*place])
    }

    /// Whether nobody knows what an entry matches; see [`Ports::is_opaque`].
    #[must_use]
    pub fn has_opaque_name(&self) -> bool {
        self.0.has_opaque_name
    }
}

impl<'c> FromIterator<PortEntry<'c>> for RulePorts<'c> {
    fn from_iter<I: IntoIterator<Item = PortEntry<'c>>>(entries: I) -> Self {
        let entries: Vec<PortEntry<'c>> = entries.into_iter().collect();
        let numbered = entries.iter().filter_map(|entry| match &entry.ports {
            Ports::Numbers(..) => Some(entry.ports.numbers()),
            _ => None,
        });
        let numbers = ConnectionSet::union_of(numbered);
        let mut names = Vec::new();
        let mut exceptions = Vec::new();
        for (place, entry) in entries.iter().enumerate() {
            match entry.ports {
                Ports::Numbers(..) | Ports::Unsupported => {}
                Ports::Name(name, _) => names.push((name, place)),
                Ports::ExceptName(..) | Ports::ExceptNumbers(..) => exceptions.push(place),
            }
        }
        names.sort_unstable();
        Self(Arc::new(Arranged {
            has_opaque_name: entries.iter().any(|entry| entry.ports.is_opaque()),
            entries,
            numbers,
            names,
            exceptions,
        }))
    }
}

impl<'c> Deref for RulePorts<'c> {
    type Target = [PortEntry<'c>];

    fn deref(&self) -> &[PortEntry<'c>] {
        &self.0.entries
    }
}

impl<'p, 'c> IntoIterator for &'p RulePorts<'c> {
    type Item = &'p PortEntry<'c>;
    type IntoIter = std::slice::Iter<'p, PortEntry<'c>>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}
