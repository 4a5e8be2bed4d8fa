//! Labels as numbers: what selectors ask about becomes a *feature* with an id, and a
//! selector becomes a short list of features.
//!
//! Refuses to know what carries the labels. A label that no selector asks about has no
//! feature, so that `pod-template-hash` and its like vanish here.

use super::HashMap;
use crate::k8s::{Label, LabelSelector, Labels, Operator, is_opaque};

/// Something that labels have or lack: a key with one value, or a key with any value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct FeatureId(pub(super) u32);

/// The features that were asked about.
#[derive(Debug, Default)]
pub(super) struct Features<'c> {
    keys: HashMap<&'c str, KeyFeatures<'c>>,
    count: u32,
}

#[derive(Debug, Default)]
struct KeyFeatures<'c> {
    /// The key is present, with whatever value.
    presence: Option<FeatureId>,
    /// The key has this value.
    values: HashMap<&'c str, FeatureId>,
}

/// A [`LabelSelector`] in features: one of each group of `wanted`, and none of the
/// `unwanted`. Canonical but for selectors that ask the same in different words.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct Selector {
    wanted: Vec<Vec<FeatureId>>,
    unwanted: Vec<FeatureId>,
}

impl<'c> Features<'c> {
    /// How many there are; their ids are `0..len`.
    pub(super) fn len(&self) -> usize {
        self.count as usize
    }

    /// The selector in features, which are added where they are new.
    pub(super) fn compile(&mut self, selector: &'c LabelSelector) -> Selector {
        let feature = |key, value| Some(self.intern(key, value));
        Translation::new(selector, Gaps::MayBeAnything, feature).selector
    }

    /// The selector in the features that are known; `None` if it asks for another.
    pub(super) fn find(&self, selector: &LabelSelector) -> Option<Selector> {
        let feature = |key, value| self.known(key, value);
        let translation = Translation::new(selector, Gaps::MayBeAnything, feature);
        translation.is_complete.then_some(translation.selector)
    }

    /// The selector in the features that are known, where what is not known is never
    /// there; `None` if then nothing can match.
    pub(super) fn find_among(&self, selector: &LabelSelector, gaps: Gaps) -> Option<Selector> {
        let feature = |key, value| self.known(key, value);
        let selector = Translation::new(selector, gaps, feature).selector;
        (!selector.wanted.iter().any(Vec::is_empty)).then_some(selector)
    }

    /// Both features of a label, added where they are new.
    pub(super) fn of_label(&mut self, label: &'c Label) -> [FeatureId; 2] {
        let key = label.key.value.as_str();
        [
            self.intern(key, None),
            self.intern(key, Some(&label.value.value)),
        ]
    }

    /// The known features of some labels, appended in no particular order.
    pub(super) fn of(&self, labels: &Labels, found: &mut Vec<FeatureId>) {
        for label in labels {
            if let Some(key) = self.keys.get(label.key.value.as_str()) {
                found.extend(key.presence);
                found.extend(key.values.get(label.value.value.as_str()));
            }
        }
    }

    /// The feature of a key with this value, or with any.
    fn intern(&mut self, key: &'c str, value: Option<&'c str>) -> FeatureId {
        let next = FeatureId(self.count);
        let key = self.keys.entry(key).or_default();
        let id = match value {
            Some(value) => *key.values.entry(value).or_insert(next),
            None => *key.presence.get_or_insert(next),
        };
        self.count += u32::from(id == next);
        id
    }

    fn known(&self, key: &str, value: Option<&str>) -> Option<FeatureId> {
        let key = self.keys.get(key)?;
        value.map_or(key.presence, |value| key.values.get(value).copied())
    }
}

/// A selector as far as it could be put into features.
struct Translation {
    selector: Selector,
    is_complete: bool,
}

/// What a value is that another tool fills in.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Gaps {
    /// A text like any other.
    AreTexts,
    /// Any value at all: whether the key is there tells pods apart, which classes must keep.
    MayBeAnything,
}

impl Translation {
    /// `feature` says which feature a key with a value, or with any, is.
    fn new<'l>(
        selector: &'l LabelSelector,
        gaps: Gaps,
        mut feature: impl FnMut(&'l str, Option<&'l str>) -> Option<FeatureId>,
    ) -> Self {
        let mut is_complete = true;
        let mut feature = |key, value| {
            let found = feature(key, value);
            is_complete &= found.is_some();
            found
        };
        let (mut wanted, mut unwanted) = (Vec::new(), Vec::new());
        let asked = |value: &'l str| {
            let presence = gaps == Gaps::MayBeAnything && is_opaque(value);
            [Some(Some(value)), presence.then_some(None)]
                .into_iter()
                .flatten()
        };
        for label in &selector.match_labels {
            let (key, value) = (label.key.value.as_str(), label.value.value.as_str());
            wanted.push(
                asked(value)
                    .filter_map(|value| feature(key, value))
                    .collect(),
            );
        }
        for requirement in &selector.match_expressions {
            let key = requirement.key.value.as_str();
            let values = requirement.values.iter();
            let values = values.flat_map(|value| asked(&value.value));
            match requirement.operator.value {
                Operator::In => {
                    wanted.push(values.filter_map(|value| feature(key, value)).collect());
                }
                Operator::NotIn => unwanted.extend(values.filter_map(|value| feature(key, value))),
                Operator::Exists => wanted.push(feature(key, None).into_iter().collect()),
                Operator::DoesNotExist => unwanted.extend(feature(key, None)),
            }
        }
        let mut selector = Selector { wanted, unwanted };
        selector.normalize();
        Self {
            selector,
            is_complete,
        }
    }
}

impl Selector {
    /// Whether it matches everything.
    pub(super) fn is_empty(&self) -> bool {
        self.wanted.is_empty() && self.unwanted.is_empty()
    }

    /// Groups of features, one of each of which must be there.
    pub(super) fn wanted(&self) -> &[Vec<FeatureId>] {
        &self.wanted
    }

    /// Features that must not be there.
    pub(super) fn unwanted(&self) -> &[FeatureId] {
        &self.unwanted
    }

    /// Every feature that it asks about.
    pub(super) fn features(&self) -> impl Iterator<Item = FeatureId> {
        self.wanted.iter().flatten().chain(&self.unwanted).copied()
    }

    /// Whether it matches what has these features, sorted by id.
    pub(super) fn matches(&self, features: &[FeatureId]) -> bool {
        let has_one = |group: &[FeatureId]| have_common(group, features);
        self.wanted.iter().all(|group| has_one(group)) && !has_one(&self.unwanted)
    }

    fn normalize(&mut self) {
        for group in &mut self.wanted {
            group.sort_unstable();
            group.dedup();
        }
        self.wanted.sort_unstable();
        self.wanted.dedup();
        self.unwanted.sort_unstable();
        self.unwanted.dedup();
    }
}

/// Whether two sorted lists have a feature in common; either may be very long.
fn have_common(a: &[FeatureId], b: &[FeatureId]) -> bool {
    let (few, many) = if a.len() < b.len() { (a, b) } else { (b, a) };
    few.iter()
        .any(|feature| many.binary_search(feature).is_ok())
}
