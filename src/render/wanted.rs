//! The files that kustomizations speak of and that are not among the texts: a base beside
//! the directory that was asked for, an environment file; and those by which Flux leaves files
//! out.
//!
//! Refuses to know whether they exist.

use super::kustomize::{Kustomization, is_remote};
use super::library::{KUSTOMIZATION_NAMES, Library, join, parent};
use super::value::Value;
use super::{artifact, source_ignore};
use crate::source::{SourceId, SourceMap};
use crate::yaml::tree::Tree;
use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::path::Path;

/// The paths that kustomizations among the texts of `ids` name, and that no text has. A path
/// may name a file or a directory; of directories it is the kustomization files that are
/// wanted, whatever their name.
#[must_use]
pub fn wanted(sources: &SourceMap, ids: &[SourceId]) -> BTreeSet<String> {
    let library = Library::new(sources, ids.iter().copied());
    let mut wanted = BTreeSet::new();
    for path in library.paths() {
        let name = path.rsplit('/').next().unwrap_or_default();
        if !KUSTOMIZATION_NAMES.contains(&name) {
            continue;
        }
        let Some(Ok(kustomization)) = Kustomization::read(&library, parent(path)) else {
            continue;
        };
        for path in mentioned(&kustomization) {
            let path = path.text().unwrap_or_default();
            // kustomize takes no directory by its absolute path, and files only of its own.
            if is_remote(path) || path.starts_with('/') {
                continue;
            }
            let full = join(&kustomization.directory, path);
            if library.source(&full).is_some() || !library.kustomizations(&full).is_empty() {
                continue;
            }
            let names = KUSTOMIZATION_NAMES.iter();
            wanted.extend(names.map(|name| join(&full, name)));
            wanted.insert(full);
        }
    }
    wanted.extend(left_out_by(&library));
    wanted.extend(around_entries(&library));
    wanted
}

/// The files, other than manifests, whose commands may apply what no kustomization lists.
const OF_COMMANDS: &[&str] = &["Makefile", "Justfile", "justfile", "Tiltfile"];

/// Those in the directories of kustomizations and of Applications of Argo CD, and around them.
fn around_entries(library: &Library<'_>) -> Vec<String> {
    let is_one = |path: &&str| {
        let name = path.rsplit('/').next().unwrap_or_default();
        let text = || library.text(path).filter(|text| text.len() <= MAX_ENTRY);
        KUSTOMIZATION_NAMES.contains(&name) || text().is_some_and(|it| it.contains(ARGO_CD))
    };
    let mut directories = BTreeSet::new();
    for path in library.paths().filter(is_one) {
        let mut directory = parent(path);
        while directories.insert(directory) && !directory.is_empty() {
            directory = parent(directory);
        }
    }
    let directories = directories.into_iter();
    directories
        .flat_map(|directory| OF_COMMANDS.iter().map(move |name| join(directory, name)))
        .collect()
}

/// What a text holds that may be an entry of Flux.
const FLUX: &str = "kustomize.toolkit.fluxcd.io";

/// What a text holds that may be an Application of Argo CD.
const ARGO_CD: &str = "argoproj.io/";

/// Entries of Flux are written by hand: a text of more bytes is none.
const MAX_ENTRY: usize = 64 * 1024;

/// The files that may say what Flux leaves out of the directories that its entries name.
fn left_out_by(library: &Library<'_>) -> Vec<String> {
    let entries = library.paths().filter(|path| {
        let text = library.text(path).unwrap_or_default();
        text.len() <= MAX_ENTRY && text.contains(FLUX)
    });
    let directories = entries.flat_map(|file| {
        let documents = library.documents(file).and_then(Result::ok);
        let roots = documents.unwrap_or_default().iter().filter_map(Tree::root);
        let entries = roots.map(Value::Read);
        let entries = entries.filter(|it| it.find(&["spec", "path"]).is_some());
        entries.filter_map(|entry| artifact::resolve(library, file, &artifact::path_of(&entry)))
    });
    let files = directories.flat_map(|directory| source_ignore::files_of(&directory));
    files
        .filter(|file| library.source(file).is_none())
        .collect()
}

/// Whether a name is one of files that hold manifests; others that a kustomization names are
/// data.
#[must_use]
pub fn is_manifest(name: &str) -> bool {
    let name = name.strip_suffix(".gz").unwrap_or(name);
    [".yaml", ".yml", ".json", "Kustomization"]
        .iter()
        .any(|end| name.ends_with(end))
}

/// Whether a path is one of kustomization files.
#[must_use]
pub fn is_kustomization(path: &Path) -> bool {
    let name = path.file_name().and_then(OsStr::to_str);
    name.is_some_and(|name| KUSTOMIZATION_NAMES.contains(&name))
}

/// The paths that a kustomization names: values with a text.
pub(crate) fn mentioned<'t>(kustomization: &Kustomization<'t>) -> Vec<Value<'t>> {
    let mentions = mentions(kustomization).into_iter();
    mentions.map(|(_, path)| path).collect()
}

/// The same, each with the field that names it.
pub(crate) fn mentions<'t>(kustomization: &Kustomization<'t>) -> Vec<(&'static str, Value<'t>)> {
    let mut paths = Vec::new();
    let mut add = |field: &'static str, value: Option<Value<'t>>| {
        let is_path = |value: &Value<'t>| {
            let text = value.text().unwrap_or_default();
            !text.is_empty() && !text.contains('\n')
        };
        paths.extend(value.filter(is_path).map(|path| (field, path)));
    };
    for field in [
        "resources",
        "bases",
        "components",
        "configurations",
        "crds",
        "generators",
        "transformers",
        "patchesStrategicMerge",
    ] {
        kustomization
            .items(field)
            .into_iter()
            .for_each(|item| add(field, Some(item)));
    }
    let openapi = kustomization.get("openapi");
    add("openapi", openapi.and_then(|it| it.get("path")));
    for field in ["patches", "patchesJson6902", "replacements"] {
        let items = kustomization.items(field);
        items.iter().for_each(|item| add(field, item.get("path")));
    }
    for field in ["configMapGenerator", "secretGenerator"] {
        for generator in kustomization.items(field) {
            add(field, generator.get("env"));
            for list in ["envs", "files"] {
                let items = generator.get(list);
                for item in items.iter().flat_map(Value::items) {
                    let text = item.text().unwrap_or_default();
                    let path = text.split_once('=').map_or(text, |(_, path)| path);
                    add(field, Some(Value::text_at(path.to_owned(), item.span())));
                }
            }
        }
    }
    paths
}
