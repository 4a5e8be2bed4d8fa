//! What kustomizations made of their texts, for whoever builds the same tree again after an edit:
//! a group that took nothing of the texts that changed would become what it is, and is not built
//! again.
//!
//! Refuses to know how anything is built.

use super::library::KUSTOMIZATION_NAMES;
use super::roots::Root;
use crate::source::{SourceId, SourceMap, Span};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// A root, and the targets of its patches with whether they match nothing.
pub(super) type BuiltRoot = (Root, Vec<(Span, bool)>);

/// What groups of kustomizations made, by the directories of each group. A copy shares it.
#[derive(Clone, Debug, Default)]
pub struct Builds(BTreeMap<Vec<String>, Arc<Group>>);

#[derive(Debug)]
struct Group {
    /// The texts that it took something from.
    taken: BTreeSet<SourceId>,
    built: Vec<BuiltRoot>,
}

impl Builds {
    /// Those that hold after some texts changed, of which there are as many as before, with the
    /// same names.
    #[must_use]
    pub fn after(&self, changed: &BTreeSet<SourceId>, sources: &SourceMap) -> Self {
        let Self(groups) = self;
        // What kustomizations name decides which of them are roots, and which are one group.
        let is_kustomization = |text: &SourceId| {
            let name = sources.get(*text).name();
            KUSTOMIZATION_NAMES.contains(&name.rsplit('/').next().unwrap_or_default())
        };
        if changed.iter().any(is_kustomization) {
            return Self::default();
        }
        let same = groups.iter();
        let same = same.filter(|(_, group)| group.taken.is_disjoint(changed));
        Self(
            same.map(|(tops, it)| (tops.clone(), Arc::clone(it)))
                .collect(),
        )
    }

    /// Whether nothing is known.
    #[cfg(test)]
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Adds those of another part of the tree.
    pub(crate) fn extend(&mut self, others: Self) {
        self.0.extend(others.0);
    }

    /// What the kustomizations of these directories made, if that is known, in their order.
    pub(super) fn of(&self, tops: &[String]) -> Option<&[BuiltRoot]> {
        self.0.get(tops).map(|group| group.built.as_slice())
    }

    /// Keeps what is known of a group of another build.
    pub(super) fn keep(&mut self, tops: Vec<String>, known: Option<&Self>) {
        let group = known.and_then(|known| known.0.get(&tops)).map(Arc::clone);
        self.0.extend(group.map(|group| (tops, group)));
    }

    /// Adds what the kustomizations of these directories made of the texts that were `taken`.
    pub(super) fn add(
        &mut self,
        tops: Vec<String>,
        taken: BTreeSet<SourceId>,
        built: Vec<BuiltRoot>,
    ) {
        self.0.insert(tops, Arc::new(Group { taken, built }));
    }
}
