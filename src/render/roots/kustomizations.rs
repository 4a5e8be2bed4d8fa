//! The roots that are kustomizations, built in groups: what one group has read is gone before
//! the next one is read, so that the nodes of all files never stand in memory together.
//!
//! Refuses to know which kustomizations are roots.

use super::{Finder, Root, RootKind};
use crate::render::builds::{Builds, BuiltRoot};
use crate::render::built::Decoder;
use crate::render::library::KUSTOMIZATION_NAMES;
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
        let unreached = known.and_then(|known| self.unreached(known));
        for group in self.groups(tops) {
            let directories: Vec<String> = group.iter().map(|top| tops[*top].to_owned()).collect();
            if let Some(built) = known.and_then(|known| known.of(&directories)) {
                let objects = built.iter().map(|(root, _)| root.documents.len());
                library.deployed().take(objects.sum());
                all.extend(group.into_iter().zip(built.iter().cloned()));
                builds.keep(directories, known);
                continue;
            }
            if let Some(unreached) = &unreached {
                all.extend(self.reached(&group, &directories, unreached, decoder));
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

    /// What another state built of kustomizations that it has in common with this one.
    fn unreached<'b>(&self, known: &'b Builds) -> Option<HashMap<&'b str, &'b BuiltRoot>> {
        let named: BTreeSet<&String> = self.mentions.values().flatten().collect();
        let is_named = |path: &str| {
            let name = path.rsplit('/').next().unwrap_or_default();
            KUSTOMIZATION_NAMES.contains(&name) || named.contains(&path.to_owned())
        };
        let reaches = |top: &str, paths: &BTreeSet<String>| {
            let closure = self.closure(&BTreeSet::from([top.to_owned()]));
            closure.iter().any(|directory| {
                let mentions = self.mentions.get(directory).into_iter().flatten();
                let mut reach = mentions.chain([directory]);
                // What lies in a directory may be what is missing there.
                reach.any(|path| {
                    let inside = format!("{path}/");
                    let mut within = paths.range(inside.clone()..);
                    paths.contains(path) || within.next().is_some_and(|it| it.starts_with(&inside))
                })
            })
        };
        let Self { library, .. } = self;
        known.unreached(reaches, is_named, library.sources())
    }

    /// The kustomizations of one group, of which only those are built that are not known.
    fn reached(
        &self,
        group: &[usize],
        directories: &[String],
        unreached: &HashMap<&str, &BuiltRoot>,
        decoder: &Decoder<'_, '_>,
    ) -> Vec<(usize, BuiltRoot)> {
        let Self { library, .. } = self;
        let all = group.iter().copied().zip(directories);
        let (known, others): (Vec<_>, Vec<_>) =
            all.partition(|(_, directory)| unreached.contains_key(directory.as_str()));
        let mut built: Vec<(usize, BuiltRoot)> = Vec::with_capacity(group.len());
        for (top, directory) in known {
            let one = unreached[directory.as_str()];
            library.deployed().take(one.0.documents.len());
            built.push((top, one.clone()));
        }
        let others: (Vec<usize>, Vec<String>) = (others.into_iter())
            .map(|(top, it)| (top, it.clone()))
            .unzip();
        if !others.1.is_empty() {
            let (made, _) = self.group(&others.1, decoder.fresh());
            built.extend(others.0.into_iter().zip(made));
        }
        built
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
    use crate::render::library::Library;
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
