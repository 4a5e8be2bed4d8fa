//! Where the roots of repositories are: the directories that paths of Flux and Argo CD are
//! relative to. Only a part of a repository may have been read, or several of them side by side.
//!
//! Refuses to know what is applied.

use super::flux::is_kustomization;
use super::library::{Library, join, parent};
use super::value::Value;
use super::{argo, artifact};
use std::collections::{BTreeMap, BTreeSet};

/// What the objects of Flux and Argo CD say of paths.
#[derive(Clone, Debug, Default)]
pub(crate) struct Checkouts {
    /// By a directory, and one around their files: how many paths are there if it is a root.
    votes: BTreeMap<(String, String), usize>,
    /// By directory: the directories that are named if it is a root.
    named: BTreeMap<String, BTreeSet<String>>,
    /// By root: how many paths of each repository are there.
    owners: BTreeMap<String, BTreeMap<String, usize>>,
}

impl Checkouts {
    /// Those of a tree.
    pub(crate) fn of(library: &Library<'_>, objects: &[(Value<'_>, String)]) -> Self {
        let said: Vec<(&str, String, String)> = objects
            .iter()
            .flat_map(|(object, file)| {
                let paths = paths_of(object).into_iter();
                paths.map(|(owner, path)| (file.as_str(), owner, path))
            })
            .collect();
        let mut checkouts = Self::default();
        for (file, _, path) in &said {
            for root in roots(library, file, path) {
                let named = checkouts.named.entry(root.to_owned()).or_default();
                named.insert(below(root, path));
                for scope in around(file).take_while(|scope| scope.len() >= root.len()) {
                    let key = (root.to_owned(), scope.to_owned());
                    *checkouts.votes.entry(key).or_default() += 1;
                }
            }
        }
        for (file, owner, path) in said {
            if let Some(root) = checkouts.root(file)
                && library.is_directory(&below(root, &path))
            {
                let owners = checkouts.owners.entry(root.to_owned()).or_default();
                *owners.entry(owner).or_default() += 1;
            }
        }
        checkouts
    }

    /// The root of the repository of a file: the innermost directory around it of which no outer
    /// one has more of the paths that are named within it, or a path that leads into it. The
    /// directory of the file itself is one only if it has more of them than any other.
    pub(crate) fn root<'f>(&self, file: &'f str) -> Option<&'f str> {
        let Self { votes, .. } = self;
        let count = |root: &str, scope: &str| {
            let key = (root.to_owned(), scope.to_owned());
            votes.get(&key).copied().unwrap_or_default()
        };
        let is_root = |candidate: &&str| {
            let own = count(candidate, candidate);
            let is_of_file = *candidate == parent(file);
            let mut outer = around(file).skip_while(|it| it != candidate).skip(1);
            own > 0
                && outer.all(|root| {
                    let theirs = count(root, candidate);
                    let is_less = theirs < own || theirs == own && !is_of_file;
                    is_less && !self.leads_into(root, candidate)
                })
        };
        around(file).find(is_root)
    }

    /// Whether a path that is there if `root` is one names `directory` or something below.
    fn leads_into(&self, root: &str, directory: &str) -> bool {
        let Some(named) = self.named.get(root) else {
            return false;
        };
        let inside = format!("{directory}/");
        let mut below = named.range(inside.clone()..);
        named.contains(directory) || below.next().is_some_and(|it| it.starts_with(&inside))
    }

    /// The directory that a path names which stands in a file; `None` if it is not here. Where
    /// nothing tells the root, it is the outermost directory that has the path.
    pub(crate) fn directory(
        &self,
        library: &Library<'_>,
        file: &str,
        path: &str,
    ) -> Option<String> {
        let mut found = roots(library, file, path);
        let root = match self.root(file) {
            Some(root) => found.find(|it| *it == root),
            None => found.last(),
        };
        Some(below(root?, path))
    }

    /// Whether a repository, by its address, may be the one that a file lies in: no other one has
    /// more of its directories there.
    pub(crate) fn may_be_of(&self, file: &str, address: &str) -> bool {
        let owners = self.root(file).and_then(|root| self.owners.get(root));
        let Some(owners) = owners else { return true };
        let own = name_of(address);
        let most = owners.values().max();
        own.is_empty() || is_template(&own) || owners.get(&own) == most
    }
}

/// The paths of repositories that an object names, each with the name of its repository.
pub(crate) fn paths_of(object: &Value<'_>) -> Vec<(String, String)> {
    let mut found = Vec::new();
    if is_kustomization(object) {
        let name = object.text_of(&["spec", "sourceRef", "name"]);
        found.push((format!("source {name}"), artifact::path_of(object)));
    } else if argo::is_application(object) || argo::is_application_set(object) {
        add_paths(object, false, &mut found);
    }
    found.retain(|(_, path)| !join("", path.trim_start_matches('/')).is_empty());
    found
}

/// The fields of Applications and ApplicationSets that name a repository and paths of it.
const SOURCES: &[&str] = &["source", "sources", "drySource", "git"];

/// Adds the paths of sources and of generators, wherever these stand.
fn add_paths(value: &Value<'_>, is_source: bool, found: &mut Vec<(String, String)>) {
    if is_source {
        let address = value.text_of(&["repoURL"]);
        let lists = ["directories", "files"].map(|field| value.get(field));
        let listed = lists.iter().flatten().flat_map(Value::items);
        let paths = listed.map(|it| fixed(&it.text_of(&["path"])));
        let paths = paths.chain([value.text_of(&["path"])]);
        let known = paths.filter(|path| !path.is_empty() && !is_template(path));
        found.extend(known.map(|path| (name_of(&address), path)));
    }
    for item in value.items() {
        add_paths(&item, is_source, found);
    }
    for field in value.fields() {
        let is_source = SOURCES.iter().any(|name| field.key.is(name));
        add_paths(&field.value, is_source, found);
    }
}

/// The directories of a pattern that say which they are.
fn fixed(pattern: &str) -> String {
    let parts = pattern.trim_start_matches("./").split('/');
    let parts = parts.take_while(|part| !part.contains(['*', '?', '[', '{']));
    parts.collect::<Vec<_>>().join("/")
}

fn is_template(text: &str) -> bool {
    text.contains("{{") || text.contains("${")
}

/// What mirrors and forks of a repository have in common, however it is fetched.
fn name_of(address: &str) -> String {
    let address = address.trim_end_matches('/').trim_end_matches(".git");
    let name = address.rsplit(['/', ':']).next().unwrap_or_default();
    name.to_ascii_lowercase()
}

fn below(root: &str, path: &str) -> String {
    join(root, path.trim_start_matches('/'))
}

/// The directories around a file, the innermost first.
fn around(file: &str) -> impl Iterator<Item = &str> {
    std::iter::successors(Some(parent(file)), |directory| {
        (!directory.is_empty() && *directory != "/").then(|| parent(directory))
    })
}

/// The directories around a file that have a directory of this path, from the inside out.
pub(crate) fn roots<'f>(
    library: &Library<'_>,
    file: &'f str,
    path: &str,
) -> impl Iterator<Item = &'f str> {
    let path = path.trim_start_matches('/').to_owned();
    let is_below = !join("", &path).starts_with("..");
    around(file).filter(move |root| is_below && library.is_directory(&join(root, &path)))
}

#[cfg(test)]
mod tests {
    use super::{fixed, name_of};

    #[test]
    fn repositories_are_known_by_their_names() {
        for address in [
            "https://github.com/me/GitOps.git",
            "git@github.com:me/gitops",
            "ssh://git@example.com/gitops/",
        ] {
            assert_eq!(name_of(address), "gitops", "{address}");
        }
    }

    #[test]
    fn patterns_are_known_up_to_their_first_wildcard() {
        assert_eq!(fixed("./apps/*/config.json"), "apps");
        assert_eq!(fixed("*"), "");
    }
}
