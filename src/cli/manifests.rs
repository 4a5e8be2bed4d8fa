//! What was read in the texts of a run, text by text, so that after a change only the
//! texts that changed are read again.
//!
//! Refuses to know where texts come from.

use super::input::Part;
use crate::cluster::{self, Cluster, Places};
use crate::k8s::Object;
use crate::manifest::{self, Parsed};
use crate::source::{SourceId, SourceMap};
use rayon::prelude::*;
use std::collections::{BTreeMap, BTreeSet, HashSet};

/// What was read in every text, in the order of the texts, each with its scope: the cluster
/// of the configuration that it belongs to, by its position. Nothing was read in texts that
/// were not asked for.
#[derive(Clone)]
pub(super) struct Manifests(Vec<(Option<usize>, Parsed)>);

impl Manifests {
    /// Reads these texts.
    pub(super) fn read(
        sources: &SourceMap,
        ids: &[SourceId],
        scope_of: impl Fn(&str) -> Option<usize> + Sync,
    ) -> Self {
        let read = |id: &SourceId| (scope_of(sources.get(*id).name()), read_one(sources, *id));
        let read: Vec<(Option<usize>, Parsed)> = ids.par_iter().map(read).collect();
        let mut manifests = vec![(None, Parsed::default()); sources.ids().len()];
        for (id, read) in ids.iter().zip(read) {
            manifests[id.index()] = read;
        }
        Self(manifests)
    }

    /// Deals out what was read to two states, by the texts that they have. Both get what
    /// both have.
    pub(super) fn divide(mut self, [now, before]: [&[SourceId]; 2]) -> [Self; 2] {
        let mut earlier = vec![(None, Parsed::default()); self.0.len()];
        let is_now: HashSet<&SourceId> = now.iter().collect();
        for id in before {
            let read = &mut self.0[id.index()];
            earlier[id.index()] = match is_now.contains(id) {
                true => read.clone(),
                false => std::mem::take(read),
            };
        }
        [self, Self(earlier)]
    }

    /// The same with some texts read again, which have changed in `sources`.
    pub(super) fn with_changes(&self, sources: &SourceMap, changed: &BTreeSet<SourceId>) -> Self {
        let mut manifests = self.clone();
        for id in changed {
            manifests.0[id.index()].1 = read_one(sources, *id);
        }
        manifests
    }

    /// All objects, whatever their cluster.
    pub(super) fn objects(&self) -> impl Iterator<Item = &Object> {
        self.0.iter().flat_map(|(_, parsed)| &parsed.objects)
    }

    /// The objects of one cluster, where the files around them put them. `sources` are the
    /// texts that were read.
    pub(super) fn objects_of(&self, scope: Option<usize>, sources: &SourceMap) -> Vec<Object> {
        let texts = self.0.iter().filter(|(of, _)| *of == scope);
        let objects = texts.flat_map(|(_, parsed)| &parsed.objects).cloned();
        let objects: Vec<Object> = objects.collect();
        Places::new(sources, &objects).settle(objects)
    }

    /// The scope of a text.
    pub(super) fn scope(&self, id: SourceId) -> Option<usize> {
        self.0[id.index()].0
    }

    /// The objects joined, those of one scope into one cluster. The files of no scope come
    /// first; there is always such a part, be it empty. `sources` are the texts that were
    /// read.
    pub(super) fn into_parts(self, sources: &SourceMap) -> Vec<Part> {
        let mut by_scope: BTreeMap<Option<usize>, Parsed> = BTreeMap::new();
        by_scope.entry(None).or_default();
        for (scope, parsed) in self.0 {
            if parsed.documents.is_empty() {
                continue;
            }
            let part = by_scope.entry(scope).or_default();
            part.documents.extend(parsed.documents);
            part.diagnostics.extend(parsed.diagnostics);
            part.objects.extend(parsed.objects);
        }
        let parts = by_scope.into_iter();
        parts
            .map(|(scope, parsed)| part(scope, parsed, sources))
            .collect()
    }
}

fn part(scope: Option<usize>, mut parsed: Parsed, sources: &SourceMap) -> Part {
    let places = Places::new(sources, &parsed.objects);
    places.settle_documents(&mut parsed.documents);
    let objects = places.settle(parsed.objects);
    let copied = match cluster::has_copies(&objects) {
        true => objects.clone(),
        false => Vec::new(),
    };
    Part {
        scope,
        documents: parsed.documents,
        diagnostics: parsed.diagnostics,
        cluster: Cluster::new(objects),
        copied,
        places,
    }
}

fn read_one(sources: &SourceMap, id: SourceId) -> Parsed {
    let source = sources.get(id);
    manifest::read(id, source.name(), source.text())
}
