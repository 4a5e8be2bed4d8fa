//! Connection sets as numbers: each distinct set is kept once, and the union or
//! intersection of two is worked out once.
//!
//! Refuses to know what the sets are for. The numbers depend on the order in which
//! threads meet the sets, so they may be compared for equality and never for order.

use super::HashMap;
use super::ports::ConnectionSet;
use rayon::prelude::*;
use std::sync::RwLock;

/// A set by its place in a [`Sets`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct SetId(pub(super) u32);

impl SetId {
    /// No connection.
    pub(super) const NONE: Self = Self(0);
    /// Every connection.
    pub(super) const ALL: Self = Self(1);
}

/// Distinct sets, shared by all threads.
#[derive(Debug)]
pub(super) struct Sets {
    table: RwLock<Table>,
}

#[derive(Debug, Default)]
struct Table {
    sets: Vec<ConnectionSet>,
    ids: HashMap<ConnectionSet, SetId>,
}

/// What one thread works with: remembers what it has worked out.
#[derive(Debug)]
pub(super) struct Calculator<'s> {
    sets: &'s Sets,
    known: HashMap<(Operation, SetId, SetId), SetId>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Operation {
    Union,
    Intersection,
    Difference,
}

const UNPOISONED: &str = "no thread panics while it holds the table";

impl Sets {
    /// The sets that [`SetId`] has names for.
    pub(super) fn new() -> Self {
        let sets = Self {
            table: RwLock::default(),
        };
        let (none, all) = (
            sets.intern(ConnectionSet::none()),
            sets.intern(ConnectionSet::all()),
        );
        debug_assert_eq!((none, all), (SetId::NONE, SetId::ALL));
        sets
    }

    /// The number of a set.
    pub(super) fn intern(&self, set: ConnectionSet) -> SetId {
        if let Some(id) = self.table.read().expect(UNPOISONED).ids.get(&set) {
            return *id;
        }
        let table = &mut *self.table.write().expect(UNPOISONED);
        *table.ids.entry(set).or_insert_with_key(|set| {
            table.sets.push(set.clone());
            SetId(table.sets.len() as u32 - 1)
        })
    }

    /// The values of all items, in order, each thread with a calculator of its own.
    pub(super) fn in_parallel<T: Sync, V: Send>(
        &self,
        items: &[T],
        value: impl Fn(&mut Calculator, &T) -> V + Sync,
    ) -> Vec<V> {
        // A few portions for each thread, so that an expensive one does not stand alone.
        let portion = items
            .len()
            .div_ceil(rayon::current_num_threads() * 4)
            .max(1);
        let portions = items.par_chunks(portion).map(|portion| {
            let mut sets = Calculator::new(self);
            portion
                .iter()
                .map(|item| value(&mut sets, item))
                .collect::<Vec<V>>()
        });
        portions.collect::<Vec<_>>().into_iter().flatten().collect()
    }

    /// The sets by their numbers.
    pub(super) fn into_vec(self) -> Vec<ConnectionSet> {
        self.table.into_inner().expect(UNPOISONED).sets
    }
}

impl<'s> Calculator<'s> {
    /// Works on these sets.
    pub(super) fn new(sets: &'s Sets) -> Self {
        Self {
            sets,
            known: HashMap::default(),
        }
    }

    /// The number of a set.
    pub(super) fn intern(&self, set: ConnectionSet) -> SetId {
        self.sets.intern(set)
    }

    /// What is in one of both.
    pub(super) fn union(&mut self, a: SetId, b: SetId) -> SetId {
        match (a, b) {
            (SetId::NONE, other) | (other, SetId::NONE) => other,
            (SetId::ALL, _) | (_, SetId::ALL) => SetId::ALL,
            _ if a == b => a,
            _ => self.calculate(Operation::Union, a.min(b), a.max(b)),
        }
    }

    /// What is in both.
    pub(super) fn intersection(&mut self, a: SetId, b: SetId) -> SetId {
        match (a, b) {
            (SetId::ALL, other) | (other, SetId::ALL) => other,
            (SetId::NONE, _) | (_, SetId::NONE) => SetId::NONE,
            _ if a == b => a,
            _ => self.calculate(Operation::Intersection, a.min(b), a.max(b)),
        }
    }

    /// What is in `a` and not in `b`.
    pub(super) fn difference(&mut self, a: SetId, b: SetId) -> SetId {
        match (a, b) {
            (_, SetId::NONE) => a,
            (SetId::NONE, _) | (_, SetId::ALL) => SetId::NONE,
            _ if a == b => SetId::NONE,
            _ => self.calculate(Operation::Difference, a, b),
        }
    }

    fn calculate(&mut self, operation: Operation, a: SetId, b: SetId) -> SetId {
        if let Some(known) = self.known.get(&(operation, a, b)) {
            return *known;
        }
        let result = {
            let table = self.sets.table.read().expect(UNPOISONED);
            let (left, right) = (&table.sets[a.0 as usize], &table.sets[b.0 as usize]);
            match operation {
                Operation::Union => left.union(right),
                Operation::Intersection => left.intersection(right),
                Operation::Difference => left.difference(right),
            }
        };
        let result = self.sets.intern(result);
        self.known.insert((operation, a, b), result);
        result
    }
}
