//! The sources of Flux: which directories of this repository they stand for, and what they
//! leave out of it.
//!
//! Refuses to know what is applied. After source-controller and fluxcd/pkg
//! (`sourceignore/sourceignore.go`).

use super::checkout::{Checkouts, roots};
use super::flux::is_kustomization;
use super::library::{Library, below_root, join};
use super::resource::Resource;
use super::value::Value;
use std::collections::BTreeSet;

/// What a text holds that may be a source.
const SOURCES: &[u8] = b"source.toolkit.fluxcd.io/";

/// A `spec.ignore` that stands in a file.
#[derive(Clone, Debug)]
struct Ignore {
    source: (String, String),
    file: String,
    patterns: String,
}

/// Which sources of Kustomizations are this repository, as far as their paths tell.
#[derive(Clone, Debug, Default)]
pub(crate) struct OwnSources {
    names: BTreeSet<String>,
    /// Where the roots of repositories are.
    checkouts: Checkouts,
    ignores: Vec<Ignore>,
}

impl OwnSources {
    /// Those of which a path below the root is here.
    pub(crate) fn of(library: &Library<'_>, objects: &[(Value<'_>, String)]) -> Self {
        let with_path = || {
            let kustomizations = objects.iter().filter(|(it, _)| is_kustomization(it));
            kustomizations.filter_map(|(object, file)| {
                let path = path_of(object);
                let is_told = is_of_git(object) && !is_root(&path);
                is_told.then_some((object, file, path))
            })
        };
        let mut own = Self {
            ignores: ignores(library),
            checkouts: Checkouts::of(library, objects),
            ..Self::default()
        };
        for (object, file, path) in with_path() {
            if own.checkouts.directory(library, file, &path).is_some() {
                own.names.insert(source_name(object));
            }
        }
        own
    }

    /// Where the roots of repositories are.
    pub(crate) fn checkouts(&self) -> &Checkouts {
        &self.checkouts
    }

    /// The directory that a Kustomization applies; `None` if it is not in this repository.
    pub(crate) fn directory_of(
        &self,
        library: &Library<'_>,
        object: &Value<'_>,
        file: &str,
    ) -> Option<String> {
        let path = path_of(object);
        // The root of an artifact, a bucket or another repository is not that of this one.
        let may_be_root = is_of_git(object)
            && (self.names.is_empty() || self.names.contains(&source_name(object)));
        let found = match is_root(&path) {
            true => resolve(library, file, &path),
            false => self.checkouts.directory(library, file, &path),
        };
        found.filter(|_| may_be_root || !is_root(&path))
    }

    /// Whether one of them may leave something out.
    pub(crate) fn leave_out_some(&self) -> bool {
        !self.ignores.is_empty()
    }

    /// What the source of a Kustomization in a file says to leave out; of several clusters that
    /// of the nearest file.
    pub(crate) fn ignore_of(&self, object: &Value<'_>, file: &str) -> Option<String> {
        let common = |other: &str| {
            let parts = other.split('/').zip(file.split('/'));
            parts.take_while(|(one, other)| one == other).count()
        };
        let found = self.ignores.iter();
        let found = found.filter(|it| is_source_of(&it.source, object)).rev();
        let nearest = found.max_by_key(|it| common(&it.file))?;
        Some(nearest.patterns.clone())
    }
}

/// The path that a Kustomization applies, below the root of its source, which it cannot leave.
pub(crate) fn path_of(object: &Value<'_>) -> String {
    below_root(&object.text_of(&["spec", "path"]))
}

/// The patterns of all GitRepositories that stand in files.
fn ignores(library: &Library<'_>) -> Vec<Ignore> {
    let names_sources = |path: &&str| {
        let text = library.text(path).unwrap_or_default().as_bytes();
        memchr::memmem::find(text, SOURCES).is_some()
    };
    let mut found = Vec::new();
    for path in library.paths().filter(names_sources) {
        let documents = library.documents(path).and_then(Result::ok);
        let roots = documents
            .unwrap_or_default()
            .iter()
            .filter_map(|it| it.root());
        for source in roots.map(Value::Read) {
            found.extend(patterns_of(&source).map(|patterns| Ignore {
                source: id_of(&source),
                file: path.to_owned(),
                patterns,
            }));
        }
    }
    found
}

/// What a GitRepository says to leave out.
fn patterns_of(object: &Value<'_>) -> Option<String> {
    let is_source = object.text_of(&["kind"]) == "GitRepository"
        && object
            .text_of(&["apiVersion"])
            .starts_with("source.toolkit.fluxcd.io/");
    let ignore = object.find(&["spec", "ignore"]).filter(|_| is_source)?;
    Some(ignore.text()?.to_owned())
}

fn id_of(object: &Value<'_>) -> (String, String) {
    let text = |name: &str| object.text_of(&["metadata", name]);
    (text("namespace"), text("name"))
}

/// Whether a source is the one that a Kustomization names; either may get its namespace
/// elsewhere.
fn is_source_of((namespace, name): &(String, String), object: &Value<'_>) -> bool {
    let mut wanted = object.text_of(&["spec", "sourceRef", "namespace"]);
    if wanted.is_empty() {
        wanted = object.text_of(&["metadata", "namespace"]);
    }
    let is_there = namespace.is_empty() || wanted.is_empty() || *namespace == wanted;
    is_of_git(object) && is_there && *name == source_name(object)
}

/// What the source of a Kustomization says to leave out, as it comes out of builds.
pub(crate) fn built_ignore<'r, 't: 'r>(
    mut resources: impl Iterator<Item = &'r Resource<'t>>,
    object: &Value<'_>,
) -> Option<String> {
    let is_it = |resource: &&Resource<'_>| {
        resource.id.gvk.kind == "GitRepository" && is_source_of(&id_of(&resource.value), object)
    };
    patterns_of(&resources.find(is_it)?.value)
}

/// The root of an artifact of which `path` is a directory.
pub(crate) fn root_of<'d>(directory: &'d str, path: &str) -> &'d str {
    let path = join("", path.trim_start_matches('/'));
    let root = directory.strip_suffix(path.as_str()).unwrap_or(directory);
    root.strip_suffix('/').unwrap_or(root)
}

fn is_of_git(object: &Value<'_>) -> bool {
    let source = object.text_of(&["spec", "sourceRef", "kind"]);
    source.is_empty() || source == "GitRepository"
}

fn source_name(object: &Value<'_>) -> String {
    object.text_of(&["spec", "sourceRef", "name"])
}

/// Whether a path is that of a repository's root.
pub(crate) fn is_root(path: &str) -> bool {
    join("", path.trim_start_matches('/')).is_empty()
}

/// The directory that a path of Flux or Argo CD names. It is relative to the root of a
/// repository, of which only the part is known that was read: the outermost directory around
/// the file that has it.
pub(crate) fn resolve(library: &Library<'_>, file: &str, path: &str) -> Option<String> {
    let root = roots(library, file, path).last()?;
    Some(join(root, path.trim_start_matches('/')))
}
