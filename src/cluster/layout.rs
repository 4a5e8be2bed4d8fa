//! How files stand to each other: which directories and files a `kustomization.yaml` brings
//! together, which namespace it puts them into, which of them only patch others.
//!
//! Knows paths as the names of sources write them. Refuses to know what is in the files.

use super::ContextObjects;
use crate::k8s::{Kustomization, Placement};
use crate::source::path::join;
use crate::source::{SourceId, SourceMap, Spanned, Text};
use std::collections::{BTreeMap, BTreeSet};

/// The files of a run, as far as kustomizations, and what Flux and Argo CD apply, speak of
/// them.
#[derive(Debug)]
pub struct Layout<'a> {
    sources: &'a SourceMap,
    /// By directory: the kustomization there.
    kustomizations: BTreeMap<String, &'a Kustomization>,
    /// What applies directories, by their path. As the root of the repository is not known,
    /// it is the end of a directory's path here.
    placements: Vec<(String, &'a Placement)>,
    patches: BTreeSet<String>,
    /// What kustomizations list, as far as anybody asks: directories with a kustomization,
    /// patches, and where something applies directories everything. A tree has tens of
    /// thousands of others.
    resources: BTreeSet<String>,
    /// Directories whose kustomization says into which namespace its objects go, and what
    /// they build that lies elsewhere.
    placed: BTreeSet<String>,
}

impl<'a> Layout<'a> {
    /// The layout of these files.
    #[must_use]
    pub fn new(
        sources: &'a SourceMap,
        kustomizations: impl Iterator<Item = &'a Kustomization>,
        placements: impl Iterator<Item = &'a Placement>,
    ) -> Self {
        let directory_of = |kustomization: &Kustomization| {
            let path = join("", sources.get(kustomization.meta.span.source).name());
            directory(&path).to_owned()
        };
        let mut layout = Self {
            sources,
            kustomizations: kustomizations
                .map(|kustomization| (directory_of(kustomization), kustomization))
                .collect(),
            placements: placements
                .map(|placement| (join("", &placement.path), placement))
                .filter(|(path, _)| !path.is_empty())
                .collect(),
            patches: BTreeSet::new(),
            resources: BTreeSet::new(),
            placed: BTreeSet::new(),
        };
        for (directory, kustomization) in &layout.kustomizations {
            let joined = |path: &Spanned<Text>| join(directory, path);
            let patches = kustomization.patches.iter().map(joined);
            layout.patches.extend(patches);
        }
        let are_all_asked = !layout.placements.is_empty();
        for (directory, kustomization) in &layout.kustomizations {
            let resources = kustomization.resources.iter().filter(|path| is_local(path));
            let resources = resources.map(|path| join(directory, path));
            layout.resources.extend(resources.filter(|path| {
                are_all_asked
                    || layout.kustomizations.contains_key(path)
                    || layout.patches.contains(path)
            }));
        }
        let names = layout.kustomizations.iter();
        let naming = names.filter(|(_, kustomization)| kustomization.namespace.is_some());
        let naming = naming.map(|(directory, _)| directory.clone());
        layout.placed = layout.built_in(naming.collect());
        layout
    }

    /// The layout of these files, from the objects of a cluster.
    #[must_use]
    pub fn of(sources: &'a SourceMap, context_objects: &'a ContextObjects) -> Self {
        Self::new(
            sources,
            context_objects.kustomizations.iter().map(AsRef::as_ref),
            context_objects.placements.iter().map(AsRef::as_ref),
        )
    }

    /// Whether nothing speaks of any file.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.kustomizations.is_empty() && self.placements.is_empty()
    }

    /// Whether the objects of a file get their namespace from outside: from a kustomization
    /// that builds it or stands beside it, or from what applies its directory.
    #[must_use]
    pub fn is_placed(&self, source: SourceId) -> bool {
        let path = self.path(source);
        if self.placed.contains(&path) {
            return true;
        }
        let mut directories = ancestors(&path);
        directories.any(|directory| {
            self.placed.contains(directory) || self.placements_of(directory).next().is_some()
        })
    }

    /// By path: the namespace that the objects of a file go into which name none, where a
    /// kustomization builds the file. Of several that build it the first one counts, by
    /// directory, so that what is built together stays together.
    pub(super) fn built_into(&self) -> BTreeMap<String, &'a Spanned<Text>> {
        let mut into: BTreeMap<String, &'a Spanned<Text>> = BTreeMap::new();
        let mut seen: BTreeSet<(String, bool)> = BTreeSet::new();
        let roots = self.kustomizations.keys();
        for root in roots.filter(|directory| !self.resources.contains(*directory)) {
            let placement = self.placement_of(root);
            let outer = placement.filter(|it| it.overrides).map(|it| &it.namespace);
            let fallback = placement.map(|it| &it.namespace);
            let mut open = vec![(root.clone(), outer)];
            while let Some((directory, outer)) = open.pop() {
                let kustomization = self.kustomizations[&directory];
                // The outermost kustomization has the last word.
                let namespace = outer.or(kustomization.namespace.as_ref());
                if !seen.insert((directory.clone(), namespace.or(fallback).is_some())) {
                    continue;
                }
                let resources = kustomization.resources.iter();
                for resource in resources.filter(|path| is_local(path)) {
                    let path = join(&directory, resource);
                    if self.kustomizations.contains_key(&path) {
                        open.push((path, namespace));
                    } else if let Some(namespace) = namespace.or(fallback) {
                        into.entry(path).or_insert(namespace);
                    }
                }
            }
        }
        into
    }

    /// What applies a directory of which no kustomization speaks.
    pub(super) fn placement_of(&self, directory: &str) -> Option<&'a Placement> {
        std::iter::once(directory)
            .chain(ancestors(directory))
            .find_map(|outer| {
                let found = self.placements_of(outer);
                let applies = |it: &&Placement| it.recurses || outer == directory;
                found
                    .filter(applies)
                    .min_by(|a, b| a.namespace.value.cmp(&b.namespace.value))
            })
    }

    /// What applies exactly this directory.
    fn placements_of(&self, directory: &str) -> impl Iterator<Item = &'a Placement> {
        let is_end = move |end: &str| {
            let rest = directory.strip_suffix(end);
            rest.is_some_and(|rest| rest.is_empty() || rest.ends_with('/'))
        };
        let placements = self.placements.iter();
        placements.filter_map(move |(end, placement)| is_end(end).then_some(*placement))
    }

    /// The directories that a kustomization takes from elsewhere.
    pub(super) fn bases(&self) -> impl Iterator<Item = &str> {
        let resources = self.resources.iter().map(String::as_str);
        resources.filter(|path| self.kustomizations.contains_key(*path))
    }

    /// Whether a kustomization lists a file among its resources that is a patch, or that
    /// something may apply with its directory.
    pub(super) fn is_resource(&self, path: &str) -> bool {
        self.resources.contains(path)
    }

    /// Whether a kustomization names the file as a patch of other objects.
    #[must_use]
    pub fn is_patch(&self, source: SourceId) -> bool {
        let path = self.path(source);
        self.patches.contains(&path) && !self.is_resource(&path)
    }

    /// Whether the files stand in one directory.
    #[must_use]
    pub fn are_neighbours(&self, one: SourceId, other: SourceId) -> bool {
        directory(&self.path(one)) == directory(&self.path(other))
    }

    /// Whether one kustomization lists both files.
    #[must_use]
    pub fn are_built_together(&self, one: SourceId, other: SourceId) -> bool {
        let [one, other] = [one, other].map(|source| self.path(source));
        self.kustomizations
            .iter()
            .any(|(directory, kustomization)| {
                let lists = |path: &String| {
                    let mut resources = kustomization.resources.iter();
                    resources.any(|resource| join(directory, resource) == *path)
                };
                lists(&one) && lists(&other)
            })
    }

    /// The directory of a file, for telling files apart by it.
    #[must_use]
    pub fn directory(&self, source: SourceId) -> String {
        directory(&self.path(source)).to_owned()
    }

    /// The path of a file as this layout writes paths.
    pub(super) fn path(&self, source: SourceId) -> String {
        join("", self.sources.get(source).name())
    }

    /// The files and directories that the kustomizations of these directories build, the
    /// directories among them; of files, those that lie in none of them.
    fn built_in(&self, directories: BTreeSet<String>) -> BTreeSet<String> {
        let mut open: Vec<String> = directories.iter().cloned().collect();
        let mut built = directories;
        while let Some(directory) = open.pop() {
            let kustomization = self.kustomizations.get(&directory);
            let resources = kustomization.map_or(&[][..], |found| &found.resources);
            for resource in resources.iter().filter(|path| is_local(path)) {
                let path = join(&directory, resource);
                if self.kustomizations.contains_key(&path) {
                    if built.insert(path.clone()) {
                        open.push(path);
                    }
                } else if !ancestors(&path).any(|outer| built.contains(outer)) {
                    built.insert(path);
                }
            }
        }
        built
    }
}

/// Whether a resource is a path rather than an address.
fn is_local(resource: &str) -> bool {
    !resource.contains("://") && !resource.contains('?')
}

/// The directory of a file by the file's name, with `/` between its parts.
#[must_use]
pub fn directory_of(name: &str) -> String {
    directory(&join("", name)).to_owned()
}

/// The directory of a path: empty for a bare name.
pub(super) fn directory(path: &str) -> &str {
    path.rsplit_once('/').map_or("", |(directory, _)| directory)
}

/// The directories that a path lies in, the innermost first.
pub(super) fn ancestors(path: &str) -> impl Iterator<Item = &str> {
    std::iter::successors(path.rsplit_once('/').map(|(rest, _)| rest), |directory| {
        directory.rsplit_once('/').map(|(rest, _)| rest)
    })
}
