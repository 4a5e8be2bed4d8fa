//! How files stand to each other: which directories and files a `kustomization.yaml` brings
//! together, which namespace it puts them into, which of them only patch others.
//!
//! Knows paths as the names of sources write them. Refuses to know what is in the files.

use crate::cluster::Surroundings;
use crate::k8s::Kustomization;
use crate::source::{SourceId, SourceMap, Spanned};
use std::collections::{BTreeMap, BTreeSet};

/// The files of a run, as far as kustomizations, and what Flux and Argo CD apply, speak of
/// them.
#[derive(Debug)]
pub struct Layout<'a> {
    sources: &'a SourceMap,
    /// By directory: the kustomization there.
    kustomizations: BTreeMap<String, &'a Kustomization>,
    /// Files and directories that get their namespace from outside.
    placed: BTreeSet<String>,
    /// The ends of directories that get their namespace from outside, as the root of the
    /// repository is not known.
    placed_ends: Vec<String>,
    patches: BTreeSet<String>,
}

impl<'a> Layout<'a> {
    /// The layout of these files.
    #[must_use]
    pub fn new(sources: &'a SourceMap, surroundings: &'a Surroundings) -> Self {
        let directory_of = |kustomization: &Kustomization| {
            let path = join("", sources.get(kustomization.meta.span.source).name());
            directory(&path).to_owned()
        };
        let kustomizations: BTreeMap<String, &Kustomization> = surroundings
            .kustomizations
            .iter()
            .map(|kustomization| (directory_of(kustomization), kustomization))
            .collect();
        let mut layout = Self {
            sources,
            kustomizations,
            placed: BTreeSet::new(),
            placed_ends: Vec::new(),
            patches: BTreeSet::new(),
        };
        for kustomization in &surroundings.kustomizations {
            let directory = directory_of(kustomization);
            let paths = kustomization.patches.iter();
            let paths = paths.map(|path| join(&directory, path));
            layout.patches.extend(paths);
            if kustomization.namespace.is_some() {
                layout.placed.extend(layout.built_in(&directory));
            }
        }
        for placement in &surroundings.placements {
            let path = join("", &placement.path);
            if !path.is_empty() {
                layout.placed_ends.push(path);
            }
        }
        layout
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
            let is_end = |end: &String| {
                let rest = directory.strip_suffix(end.as_str());
                rest.is_some_and(|rest| rest.is_empty() || rest.ends_with('/'))
            };
            self.placed.contains(directory) || self.placed_ends.iter().any(is_end)
        })
    }

    /// Whether a kustomization names the file as a patch of other objects.
    #[must_use]
    pub fn is_patch(&self, source: SourceId) -> bool {
        self.patches.contains(&self.path(source))
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

    fn path(&self, source: SourceId) -> String {
        join("", self.sources.get(source).name())
    }

    /// The files and directories that the kustomization of a directory builds, its own
    /// directory among them.
    fn built_in(&self, directory: &str) -> BTreeSet<String> {
        let mut built = BTreeSet::from([directory.to_owned()]);
        let mut open = vec![directory.to_owned()];
        while let Some(directory) = open.pop() {
            let kustomization = self.kustomizations.get(&directory);
            let resources = kustomization.map_or(&[][..], |found| &found.resources);
            let is_local = |path: &&Spanned<String>| !path.contains("://") && !path.contains('?');
            for resource in resources.iter().filter(is_local) {
                let path = join(&directory, resource);
                if built.insert(path.clone()) {
                    open.push(path);
                }
            }
        }
        built
    }
}

/// The directory of a path: empty for a bare name.
fn directory(path: &str) -> &str {
    path.rsplit_once('/').map_or("", |(directory, _)| directory)
}

/// The directories that a path lies in, the innermost first.
fn ancestors(path: &str) -> impl Iterator<Item = &str> {
    std::iter::successors(path.rsplit_once('/').map(|(rest, _)| rest), |directory| {
        directory.rsplit_once('/').map(|(rest, _)| rest)
    })
}

/// A path relative to a directory, without `.` and `..` as far as they can be resolved.
fn join(directory: &str, path: &str) -> String {
    let is_absolute = directory.starts_with('/') || (directory.is_empty() && path.starts_with('/'));
    let mut parts: Vec<&str> = Vec::new();
    for part in directory.split(['/', '\\']).chain(path.split(['/', '\\'])) {
        match part {
            "" | "." => {}
            ".." if parts.last().is_some_and(|last| *last != "..") => {
                parts.pop();
            }
            part => parts.push(part),
        }
    }
    let root = if is_absolute { "/" } else { "" };
    format!("{root}{}", parts.join("/"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_joined() {
        for (directory, path, expected) in [
            ("", "a.yaml", "a.yaml"),
            ("", "./a/b.yaml", "a/b.yaml"),
            ("apps/shop", "policy.yaml", "apps/shop/policy.yaml"),
            ("apps/shop", "../base", "apps/base"),
            ("apps", "../../base", "../base"),
            ("/srv/apps", "../base/", "/srv/base"),
            ("", "/srv/apps", "/srv/apps"),
            ("apps\\shop", "..\\base", "apps/base"),
        ] {
            assert_eq!(join(directory, path), expected, "{directory} {path}");
        }
    }
}
