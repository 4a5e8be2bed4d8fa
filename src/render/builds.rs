//! What kustomizations made of their texts, for whoever builds the same tree again after an edit:
//! a group that took nothing of the texts that changed would become what it is, and is not built
//! again. So also for whoever builds another state of the tree: a root that no text which differs
//! could reach is what it was.
//!
//! Refuses to know how anything is built.

use super::library::{KUSTOMIZATION_NAMES, join};
use super::roots::Root;
use crate::source::{SourceId, SourceMap, Span};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

/// A root, and the targets of its patches with whether they match nothing.
pub(super) type BuiltRoot = (Root, Vec<(Span, bool)>);

/// What groups of kustomizations made, by the directories of each group. A copy shares it.
#[derive(Clone, Debug, Default)]
pub struct Builds {
    groups: BTreeMap<Vec<String>, Arc<Group>>,
    /// Of another state: what differs there.
    differing: Option<Arc<Differing>>,
}

/// What two states of a tree do not have in common.
#[derive(Debug)]
struct Differing {
    texts: BTreeSet<SourceId>,
    paths: BTreeSet<String>,
}

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
        // What kustomizations name decides which of them are roots, and which are one group.
        let is_kustomization = |text: &SourceId| {
            let name = sources.get(*text).name();
            KUSTOMIZATION_NAMES.contains(&name.rsplit('/').next().unwrap_or_default())
        };
        if changed.iter().any(is_kustomization) {
            return Self::default();
        }
        let same = self.groups.iter();
        let same = same.filter(|(_, group)| group.taken.is_disjoint(changed));
        Self {
            groups: same
                .map(|(tops, it)| (tops.clone(), Arc::clone(it)))
                .collect(),
            differing: None,
        }
    }

    /// Those that hold in another state, of which `differing` are the texts that only one of
    /// the two states has.
    #[must_use]
    pub fn of_other_state(&self, differing: BTreeSet<SourceId>, sources: &SourceMap) -> Self {
        let paths = differing
            .iter()
            .map(|text| join("", sources.get(*text).name()));
        Self {
            groups: self.groups.clone(),
            differing: Some(Arc::new(Differing {
                paths: paths.collect(),
                texts: differing,
            })),
        }
    }

    /// By directory, what the kustomizations of another state made, if what differs cannot reach
    /// them. `reaches` says whether one of these paths may have a say in what a directory becomes,
    /// by the words of its kustomizations; `names` whether any of them names a path.
    pub(super) fn unreached(
        &self,
        reaches: impl Fn(&str, &BTreeSet<String>) -> bool,
        names: impl Fn(&str) -> bool,
        sources: &SourceMap,
    ) -> Option<HashMap<&str, &BuiltRoot>> {
        let differing = self.differing.as_ref()?;
        // What was taken by a way that kustomizations do not tell, as a file of a transformer.
        let is_hidden = |text: &SourceId| {
            let is_different = differing.texts.contains(text);
            is_different && !names(&join("", sources.get(*text).name()))
        };
        let groups = self.groups.iter();
        let groups = groups.filter(|(_, group)| !group.taken.iter().any(is_hidden));
        let roots = groups.flat_map(|(tops, group)| tops.iter().zip(&group.built));
        // A part that could not be built may be one that is there now.
        let whole = roots.filter(|(_, (root, _))| root.opaque.is_empty());
        let same = whole.filter(|(top, _)| !reaches(top, &differing.paths));
        Some(same.map(|(top, built)| (top.as_str(), built)).collect())
    }

    /// Whether nothing is known.
    #[cfg(test)]
    pub(crate) fn is_empty(&self) -> bool {
        self.groups.is_empty()
    }

    /// Adds those of another part of the tree.
    pub(crate) fn extend(&mut self, others: Self) {
        self.groups.extend(others.groups);
    }

    /// What the kustomizations of these directories made, if that is known, in their order.
    pub(super) fn of(&self, tops: &[String]) -> Option<&[BuiltRoot]> {
        let groups = Some(&self.groups).filter(|_| self.differing.is_none());
        groups?.get(tops).map(|group| group.built.as_slice())
    }

    /// Keeps what is known of a group of another build.
    pub(super) fn keep(&mut self, tops: Vec<String>, known: Option<&Self>) {
        let group = known
            .and_then(|known| known.groups.get(&tops))
            .map(Arc::clone);
        self.groups.extend(group.map(|group| (tops, group)));
    }

    /// Adds what the kustomizations of these directories made of the texts that were `taken`.
    pub(super) fn add(
        &mut self,
        tops: Vec<String>,
        taken: BTreeSet<SourceId>,
        built: Vec<BuiltRoot>,
    ) {
        self.groups.insert(tops, Arc::new(Group { taken, built }));
    }
}
