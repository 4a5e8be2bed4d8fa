//! The roots that are kustomizations, built in groups: what one group has read is gone before
//! the next one is read, so that the nodes of all files never stand in memory together.
//!
//! Refuses to know which kustomizations are roots.

use super::{Finder, Root, RootKind};
use crate::render::builds::{Builds, BuiltRoot};
use crate::render::built::Decoder;
use crate::render::told;
use crate::source::SourceId;
use std::collections::{BTreeMap, BTreeSet, HashMap};

impl Finder<'_, '_> {
    /// Builds the kustomizations of these directories, in their order, but for those of which it
    /// is `known` what they make; so also what is known afterwards, where that is kept.
    pub(super) fn kustomization_roots(
        &self,
        tops: &[&str],
        decoder: &Decoder<'_, '_>,
        known: Option<&Builds>,
    ) -> (Vec<BuiltRoot>, Builds) {
        let Self { library, .. } = self;
        let mut all: Vec<(usize, BuiltRoot)> = Vec::with_capacity(tops.len());
        let mut builds = Builds::default();
        for group in self.groups(tops) {
            let directories: Vec<String> = group.iter().map(|top| tops[*top].to_owned()).collect();
            if let Some(built) = known.and_then(|known| known.of(&directories)) {
                let objects = built.iter().map(|(root, _)| root.documents.len());
                library.deployed().take(objects.sum());
                all.extend(group.into_iter().zip(built.iter().cloned()));
                builds.keep(directories, known);
                continue;
            }
            let (built, taken) = self.group(&directories, decoder.fresh());
            if known.is_some() {
                builds.add(directories, taken, built.clone());
            }
            all.extend(group.into_iter().zip(built));
        }
        all.sort_by_key(|(top, _)| *top);
        (all.into_iter().map(|(_, built)| built).collect(), builds)
    }

    /// Builds the kustomizations of one group. So also the texts that they take something from.
    fn group(
        &self,
        directories: &[String],
        mut decoder: Decoder<'_, '_>,
    ) -> (Vec<BuiltRoot>, BTreeSet<SourceId>) {
        let Self { library: all, .. } = *self;
        let library = all.unread();
        let kustomize = self.kustomize.beside(&library);
        let mut texts = BTreeSet::new();
        let built = directories.iter().map(|directory| {
            let build = kustomize.build_as(&self.kustomizations[directory]);
            let own = BTreeSet::from([directory.clone()]);
            let mut root = Root {
                texts: self.texts_of(&own, &build.resources),
                ..Root::new(
                    RootKind::Kustomization,
                    directory.clone(),
                    directory.clone(),
                )
            };
            told::idle_patches(&build.patches, &mut root.diagnostics);
            Self::fill(&mut root, &build.resources, &build.faults, &mut decoder);
            texts.extend(&root.texts);
            (root, build.patches)
        });
        let built: Vec<BuiltRoot> = built.collect();
        drop((kustomize, decoder));
        texts.extend(library.taken());
        (built, texts)
    }

    /// One kustomization of each circle that nothing outside of it builds on: every one of it is
    /// used, and none is a root.
    pub(super) fn circles(&self, applied: &BTreeSet<String>) -> Vec<&str> {
        let Self {
            kustomizations,
            used,
            ..
        } = self;
        let is_start = |it: &&String| !used.contains(*it) || applied.contains(*it);
        let mut reached = self.closure(&kustomizations.keys().filter(is_start).cloned().collect());
        let mut found = Vec::new();
        for (directory, kustomization) in kustomizations {
            if !reached.contains(directory) && !kustomization.is_component() {
                reached.extend(self.closure(&BTreeSet::from([directory.clone()])));
                found.push(directory.as_str());
            }
        }
        found
    }

    /// The directories, by their positions: those together that take something of the same
    /// text, which is to be read once.
    fn groups(&self, tops: &[&str]) -> impl Iterator<Item = Vec<usize>> + use<> {
        // Each points at an earlier one of its group, or at itself.
        let mut earlier: Vec<usize> = (0..tops.len()).collect();
        fn first(earlier: &mut [usize], mut top: usize) -> usize {
            while earlier[top] != top {
                earlier[top] = earlier[earlier[top]];
                top = earlier[top];
            }
            top
        }
        let mut owners: HashMap<String, usize> = HashMap::new();
        for (top, directory) in tops.iter().enumerate() {
            for directory in self.closure(&BTreeSet::from([(*directory).to_owned()])) {
                let paths = self.mentions.get(&directory).into_iter().flatten().cloned();
                for path in paths.chain([directory]) {
                    let owner = *owners.entry(path).or_insert(top);
                    let [one, other] = [owner, top].map(|it| first(&mut earlier, it));
                    earlier[one.max(other)] = one.min(other);
                }
            }
        }
        let mut groups: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
        for top in 0..tops.len() {
            let first = first(&mut earlier, top);
            groups.entry(first).or_default().push(top);
        }
        groups.into_values()
    }
}

#[cfg(test)]
mod tests {
    use super::Finder;
    use crate::render::Library;
    use crate::source::SourceMap;

    #[test]
    fn what_takes_the_same_text_is_built_together() {
        let texts = [
            ("base/kustomization.yaml", "resources: [a.yaml]"),
            ("alone/kustomization.yaml", "resources: [b.yaml]"),
            ("one/kustomization.yaml", "resources: [../base]"),
            ("two/kustomization.yaml", "resources: [../shared.yaml]"),
            (
                "three/kustomization.yaml",
                "resources: [../shared.yaml, ../base]",
            ),
        ];
        let mut sources = SourceMap::default();
        let ids = texts.map(|(name, text)| sources.add(name, text));
        let library = Library::new(&sources, ids.iter().copied());
        let finder = Finder::new(&library);
        let groups = finder.groups(&["alone", "one", "three", "two"]);
        assert_eq!(groups.collect::<Vec<_>>(), [vec![0], vec![1, 2, 3]]);
    }
}
