//! What a selector leaves open for the value of each label, and whether everything that
//! one selector matches is matched by one of several others.
//!
//! Asks about every set of labels that there could be, not about those that exist.

use super::Budget;
use crate::engine::LabelTest;
use crate::k8s::{LabelSelector, Operator};
use crate::source::Text;
use std::collections::{BTreeMap, BTreeSet};

/// Whose labels a key is looked up in. A peer asks for all of them in one breath.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(in crate::lint) enum Scope {
    /// The namespace's.
    Namespace,
    /// The pod's.
    Pod,
    /// Nobody's: what the end is, by [`Predicate::and_is_one_of`].
    End,
}

pub(in crate::lint) type Key = (Scope, Text);

/// Requirements that all have to hold: for each key that matters, the values that it may
/// have. Keys that are not there may be anything.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(in crate::lint) struct Predicate {
    values: BTreeMap<Key, Values>,
}

/// The values that one label may have.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Values {
    /// Whether the label may be missing.
    may_be_absent: bool,
    present: Present,
}

/// The values of a label that is there. There are always more values than any selector
/// names, so "all but some" is never empty.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Present {
    Only(BTreeSet<Text>),
    AllBut(BTreeSet<Text>),
}

/// How many cases one question looks at before it gives up and says no. Real selectors need
/// a handful.
const MAX_CASES: u64 = 20_000;

impl Predicate {
    /// The same, and what `selector` asks of the labels of `scope`; `None` where another
    /// tool fills in some of its text.
    pub(in crate::lint) fn and_selector(
        mut self,
        scope: Scope,
        selector: &LabelSelector,
    ) -> Option<Self> {
        if selector.is_opaque() {
            return None;
        }
        for label in &selector.match_labels {
            self.require(scope, &label.key, Values::only([label.value.value.clone()]));
        }
        for entry in &selector.match_expressions {
            let values = entry.values.iter().map(|value| value.value.clone());
            self.require(scope, &entry.key, Values::of(entry.operator.value, values));
        }
        Some(self)
    }

    /// The same, and the label `key` of `scope` has this value.
    pub(in crate::lint) fn and_value(mut self, scope: Scope, key: &str, value: &str) -> Self {
        self.require(scope, key, Values::only([Text::from(value)]));
        self
    }

    /// The same, and a requirement on one label of `scope`.
    pub(in crate::lint) fn and_test(mut self, scope: Scope, test: &LabelTest) -> Self {
        let values = Values::of(test.operator, test.values.iter().map(Text::from));
        self.require(scope, &test.key, values);
        self
    }

    /// The same, and the end is of one of these kinds, of which every end has one.
    pub(in crate::lint) fn and_is_one_of(mut self, kinds: &[&'static str]) -> Self {
        let kinds = kinds.iter().map(|kind| Text::from(*kind));
        self.require(Scope::End, "", Values::only(kinds));
        self
    }

    /// What both ask for.
    pub(in crate::lint) fn and(&self, other: &Self) -> Self {
        let mut both = self.clone();
        for (key, values) in &other.values {
            let known = both.get(key);
            both.values.insert(key.clone(), known.and(values));
        }
        both
    }

    fn require(&mut self, scope: Scope, key: &str, values: Values) {
        let key = (scope, Text::from(key));
        let known = self.get(&key);
        self.values.insert(key, known.and(&values));
    }

    fn get(&self, key: &Key) -> Values {
        self.values
            .get(key)
            .cloned()
            .unwrap_or_else(|| Values::possible(key))
    }

    /// Whether any labels satisfy it at all.
    pub(in crate::lint) fn is_satisfiable(&self) -> bool {
        self.values.values().all(|values| !values.is_empty())
    }

    /// How many labels it asks about.
    pub(in crate::lint) fn size(&self) -> u64 {
        self.values.len() as u64
    }

    /// The labels that must have one of a few values, with those; and the keys of which more
    /// than a few values are left, or none.
    pub(in crate::lint) fn constraints(
        &self,
    ) -> impl Iterator<Item = (&Key, Option<&BTreeSet<Text>>)> {
        self.values
            .iter()
            .map(|(key, values)| match &values.present {
                Present::Only(only) if !values.may_be_absent => (key, Some(only)),
                _ => (key, None),
            })
    }

    /// Whether all labels that satisfy this one satisfy at least one of `covers`. Says no
    /// where the answer would take too long.
    pub(in crate::lint) fn is_covered(&self, covers: &[&Self]) -> bool {
        let mut cases = MAX_CASES;
        !self.has_example(covers, &mut cases)
    }

    /// The same, paid for out of `budget`.
    pub(in crate::lint) fn is_covered_within(&self, covers: &[&Self], budget: &mut Budget) -> bool {
        let allowed = budget.left().min(MAX_CASES);
        let mut cases = allowed;
        let is_covered = !self.has_example(covers, &mut cases);
        budget.spend(allowed - cases);
        is_covered
    }

    /// Whether some labels satisfy this one and none of `covers`.
    fn has_example(&self, covers: &[&Self], cases: &mut u64) -> bool {
        let looks = 1 + covers.len() as u64 + self.size();
        let Some(rest) = cases.checked_sub(looks) else {
            return true;
        };
        *cases = rest;
        if !self.is_satisfiable() {
            return false;
        }
        // A cover that excludes all of these labels says nothing about them.
        let overlapping = covers.iter().position(|cover| self.overlaps(cover));
        let Some(position) = overlapping else {
            return true;
        };
        let (cover, covers) = (covers[position], &covers[position + 1..]);
        // Labels outside of the cover fail one of its requirements first: take the cases
        // apart by which one that is.
        let mut within = self.clone();
        for (key, values) in &cover.values {
            let known = within.get(key);
            let mut outside = within.clone();
            outside
                .values
                .insert(key.clone(), known.and(&values.complement()));
            if outside.has_example(covers, cases) {
                return true;
            }
            within.values.insert(key.clone(), known.and(values));
        }
        false
    }

    /// Whether some labels satisfy both, where both can be satisfied at all.
    pub(in crate::lint) fn overlaps(&self, other: &Self) -> bool {
        let mut common = other.values.iter();
        common.all(|(key, values)| !self.get(key).and(values).is_empty())
    }
}

impl Values {
    /// All that a label can have.
    fn possible((scope, key): &Key) -> Self {
        // Kubernetes sets this label on every namespace (S2).
        let is_always_set = match scope {
            Scope::Namespace => key == crate::cluster::NAMESPACE_NAME_LABEL,
            Scope::Pod => false,
            Scope::End => true,
        };
        Self {
            may_be_absent: !is_always_set,
            present: Present::AllBut(BTreeSet::new()),
        }
    }

    fn only(values: impl IntoIterator<Item = Text>) -> Self {
        Self {
            may_be_absent: false,
            present: Present::Only(values.into_iter().collect()),
        }
    }

    fn of(operator: Operator, values: impl IntoIterator<Item = Text>) -> Self {
        let listed = Self::only(values);
        let absent = Self::only([]).or_absent();
        match operator {
            Operator::In => listed,
            Operator::NotIn => listed.complement(),
            Operator::Exists => absent.complement(),
            Operator::DoesNotExist => absent,
        }
    }

    fn or_absent(mut self) -> Self {
        self.may_be_absent = true;
        self
    }

    fn complement(&self) -> Self {
        Self {
            may_be_absent: !self.may_be_absent,
            present: match &self.present {
                Present::Only(values) => Present::AllBut(values.clone()),
                Present::AllBut(values) => Present::Only(values.clone()),
            },
        }
    }

    fn and(&self, other: &Self) -> Self {
        let present = match (&self.present, &other.present) {
            (Present::Only(a), Present::Only(b)) => Present::Only(a & b),
            (Present::Only(only), Present::AllBut(but))
            | (Present::AllBut(but), Present::Only(only)) => Present::Only(only - but),
            (Present::AllBut(a), Present::AllBut(b)) => Present::AllBut(a | b),
        };
        Self {
            may_be_absent: self.may_be_absent && other.may_be_absent,
            present,
        }
    }

    fn is_empty(&self) -> bool {
        !self.may_be_absent && self.present == Present::Only(BTreeSet::new())
    }
}
