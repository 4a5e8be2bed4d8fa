//! One end that a predicate matches: where nothing else matches that one, nothing covers all of
//! them, and no case has to be taken apart to know it.
//!
//! Refuses to know which ends there are.

use super::{Key, Listed, Predicate, Present, Values};
use crate::source::Text;

/// The labels of an end. Labels that are not among them are missing or, where they never are,
/// have a value that nobody names.
#[derive(Debug)]
pub(in crate::lint) struct Example<'p>(Vec<(&'p Key, LabelValue<'p>)>);

/// What an example has for a label.
#[derive(Clone, Copy, Debug)]
enum LabelValue<'p> {
    Missing,
    Named(&'p Text),
    /// A value that no selector names: there are always more than they do.
    Unnamed,
}

/// Something without which a predicate does not match.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(in crate::lint) enum Requirement {
    /// A label has this value.
    Label(Key, Text),
    /// A label that may be missing is there.
    Present(Key),
}

impl Values {
    fn has(&self, value: LabelValue<'_>) -> bool {
        match (value, &self.present) {
            (LabelValue::Missing, _) => self.may_be_absent,
            (LabelValue::Named(value), Present::Only(only)) => only.has(value),
            (LabelValue::Named(value), Present::AllBut(but)) => !but.has(value),
            (LabelValue::Unnamed, Present::Only(_)) => false,
            (LabelValue::Unnamed, Present::AllBut(_)) => true,
        }
    }
}

impl Predicate {
    /// An end that it matches, with as few labels as can be; `None` if there is none.
    pub(in crate::lint) fn example(&self) -> Option<Example<'_>> {
        let labels = self.values.iter().map(|(key, values)| {
            let value = match &values.present {
                _ if values.may_be_absent => LabelValue::Missing,
                Present::Only(Listed(only)) => LabelValue::Named(only.first()?),
                Present::AllBut(_) => LabelValue::Unnamed,
            };
            Some((key, value))
        });
        labels.collect::<Option<Vec<_>>>().map(Example)
    }

    /// Whether it matches an example.
    pub(in crate::lint) fn matches(&self, example: &Example<'_>) -> bool {
        let mut asked = self.values.iter();
        asked.all(|(key, values)| values.has(example.get(key)))
    }

    /// The ways in which a label is required, each as everything of which an end must meet one.
    pub(in crate::lint) fn requirements(&self) -> impl Iterator<Item = Vec<Requirement>> {
        self.values
            .iter()
            .filter_map(|(key, values)| match &values.present {
                _ if values.may_be_absent => None,
                Present::Only(Listed(only)) => {
                    let labels = only.iter();
                    Some(
                        labels
                            .map(|value| Requirement::Label(key.clone(), value.clone()))
                            .collect(),
                    )
                }
                Present::AllBut(_) => Values::possible(key)
                    .may_be_absent
                    .then(|| vec![Requirement::Present(key.clone())]),
            })
    }
}

impl Example<'_> {
    fn get(&self, key: &Key) -> LabelValue<'_> {
        match self.0.binary_search_by(|(known, _)| (*known).cmp(key)) {
            Ok(place) => self.0[place].1,
            Err(_) if Values::possible(key).may_be_absent => LabelValue::Missing,
            Err(_) => LabelValue::Unnamed,
        }
    }

    /// What it meets of all that could be required.
    pub(in crate::lint) fn met(&self) -> impl Iterator<Item = Requirement> {
        self.0.iter().flat_map(|(key, value)| {
            let label = match value {
                LabelValue::Named(value) => {
                    Some(Requirement::Label((*key).clone(), (*value).clone()))
                }
                LabelValue::Missing | LabelValue::Unnamed => None,
            };
            let is_there = !matches!(value, LabelValue::Missing);
            let present = is_there.then(|| Requirement::Present((*key).clone()));
            label.into_iter().chain(present)
        })
    }
}
