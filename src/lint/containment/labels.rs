//! What a selector leaves open for the value of each label, and whether everything that
//! one selector matches is matched by one of several others.
//!
//! Asks about every set of labels that there could be, not about those that exist.

mod example;

pub(in crate::lint) use example::{Example, Requirement};

use super::Budget;
use crate::engine::LabelTest;
use crate::k8s::{LabelSelector, Operator};
use crate::source::Text;
use std::sync::Arc;

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
    /// By key, each once, sorted. A cluster has a predicate for each peer, of two or three keys.
    values: Vec<(Key, Values)>,
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
    Only(Listed),
    AllBut(Listed),
}

/// Some values, each once, sorted. A copy shares them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
struct Listed(Arc<[Text]>);

impl Listed {
    fn new(values: impl IntoIterator<Item = Text>) -> Self {
        let mut values: Vec<Text> = values.into_iter().collect();
        values.sort_unstable();
        values.dedup();
        Self(values.into())
    }

    fn has(&self, value: &Text) -> bool {
        let Self(values) = self;
        values.binary_search(value).is_ok()
    }

    /// Those that both have.
    fn and(&self, other: &Self) -> Self {
        let Self(values) = self;
        let shared = values.iter().filter(|value| other.has(value));
        Self(shared.cloned().collect())
    }

    /// Those that the other one does not have.
    fn without(&self, other: &Self) -> Self {
        let Self(values) = self;
        let own = values.iter().filter(|value| !other.has(value));
        Self(own.cloned().collect())
    }

    /// Those that one of them has.
    fn or(&self, other: &Self) -> Self {
        let (Self(values), Self(others)) = (self, other);
        Self::new(values.iter().chain(others.iter()).cloned())
    }
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
        let key = |key: &str| (scope, Text::from(key));
        let labels = selector.match_labels.iter();
        let labels = labels.map(|it| (key(&it.key), Values::only([it.value.value.clone()])));
        let entries = selector.match_expressions.iter().map(|entry| {
            let values = entry.values.iter().map(|value| value.value.clone());
            (key(&entry.key), Values::of(entry.operator.value, values))
        });
        // Sorted at once: one after the other would move those that are there for each.
        let mut all = std::mem::take(&mut self.values);
        all.extend(labels.chain(entries));
        all.sort_by(|(one, _), (other, _)| one.cmp(other));
        for (key, values) in all {
            match self.values.last_mut() {
                Some((known, before)) if *known == key => *before = before.and(&values),
                _ => {
                    let values = Values::possible(&key).and(&values);
                    self.values.push((key, values));
                }
            }
        }
        self.values.shrink_to_fit();
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
            both.set(key, both.get(key).and(values));
        }
        both
    }

    fn require(&mut self, scope: Scope, key: &str, values: Values) {
        let key = (scope, Text::from(key));
        self.set(&key, self.get(&key).and(&values));
    }

    fn get(&self, key: &Key) -> Values {
        match self.place(key) {
            Ok(place) => self.values[place].1.clone(),
            Err(_) => Values::possible(key),
        }
    }

    fn set(&mut self, key: &Key, values: Values) {
        match self.place(key) {
            Ok(place) => self.values[place].1 = values,
            Err(place) => {
                self.values.reserve_exact(1);
                self.values.insert(place, (key.clone(), values));
            }
        }
    }

    /// Where a key stands, or where it would.
    fn place(&self, key: &Key) -> Result<usize, usize> {
        self.values.binary_search_by(|(known, _)| known.cmp(key))
    }

    /// Whether any labels satisfy it at all.
    pub(in crate::lint) fn is_satisfiable(&self) -> bool {
        self.values.iter().all(|(_, values)| !values.is_empty())
    }

    /// How many labels it asks about.
    pub(in crate::lint) fn size(&self) -> u64 {
        self.values.len() as u64
    }

    /// The labels that must have one of a few values, with those; and the keys of which more
    /// than a few values are left, or none.
    pub(in crate::lint) fn constraints(&self) -> impl Iterator<Item = (&Key, Option<&[Text]>)> {
        self.values
            .iter()
            .map(|(key, values)| match &values.present {
                Present::Only(Listed(only)) if !values.may_be_absent => (key, Some(&**only)),
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
        let Some(example) = self.example() else {
            return false;
        };
        if !covers.iter().any(|cover| cover.matches(&example)) {
            return true;
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
            outside.set(key, known.and(&values.complement()));
            if outside.has_example(covers, cases) {
                return true;
            }
            within.set(key, known.and(values));
        }
        false
    }

    /// Whether some labels satisfy both, where both can be satisfied at all.
    pub(in crate::lint) fn overlaps(&self, other: &Self) -> bool {
        let mut common = other.values.iter();
        common.all(|(key, values)| match self.place(key) {
            Ok(place) => values.overlaps(&self.values[place].1),
            Err(_) => values.overlaps(&Values::possible(key)),
        })
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
            present: Present::AllBut(Listed::default()),
        }
    }

    fn only(values: impl IntoIterator<Item = Text>) -> Self {
        Self {
            may_be_absent: false,
            present: Present::Only(Listed::new(values)),
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
            (Present::Only(a), Present::Only(b)) => Present::Only(a.and(b)),
            (Present::Only(only), Present::AllBut(but))
            | (Present::AllBut(but), Present::Only(only)) => Present::Only(only.without(but)),
            (Present::AllBut(a), Present::AllBut(b)) => Present::AllBut(a.or(b)),
        };
        Self {
            may_be_absent: self.may_be_absent && other.may_be_absent,
            present,
        }
    }

    /// Whether both leave something.
    fn overlaps(&self, other: &Self) -> bool {
        self.may_be_absent && other.may_be_absent
            || match (&self.present, &other.present) {
                (Present::Only(Listed(a)), Present::Only(b)) => a.iter().any(|value| b.has(value)),
                (Present::Only(Listed(only)), Present::AllBut(but))
                | (Present::AllBut(but), Present::Only(Listed(only))) => {
                    only.iter().any(|value| !but.has(value))
                }
                // There are always more values than any selector names.
                (Present::AllBut(_), Present::AllBut(_)) => true,
            }
    }

    fn is_empty(&self) -> bool {
        !self.may_be_absent
            && matches!(&self.present, Present::Only(Listed(only)) if only.is_empty())
    }
}
