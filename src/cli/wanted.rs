//! Reads the files that kustomizations speak of and that nobody asked for by name: a base
//! beside the directory that was asked for. What lies out of the repository is refused.
//!
//! Refuses to know what they are good for.

use super::charts;
use crate::config::Rendering;
use crate::load::{self, Enclosure, Limits, Loaded};
use crate::render;
use crate::source::SourceId;
use std::collections::BTreeSet;
use std::path::PathBuf;

/// Adds what the builds of these texts need beside them; `arguments` are the paths that they were
/// asked for by.
pub(super) fn complete(loaded: &mut Loaded, rendering: Rendering, arguments: &[PathBuf]) {
    if rendering != Rendering::Off {
        add_wanted(loaded, arguments);
    }
    if rendering == Rendering::Helm {
        charts::add_charts(loaded);
    }
}

/// How often more files are looked for, as bases build on bases.
const MAX_ROUNDS: usize = 64;

/// Adds them, until there are no more. Of files that are no manifests only the texts are
/// added: they are data.
pub(super) fn add_wanted(loaded: &mut Loaded, arguments: &[PathBuf]) {
    let mut enclosure = Enclosure::around(arguments);
    let mut tried = BTreeSet::new();
    for _ in 0..MAX_ROUNDS {
        let ids: Vec<SourceId> = loaded.sources.ids().collect();
        let wanted = render::wanted(&loaded.sources, &ids);
        let new: Vec<PathBuf> = wanted.difference(&tried).map(PathBuf::from).collect();
        if new.is_empty() {
            return;
        }
        let kustomizations = new.iter().filter(|path| render::is_kustomization(path));
        kustomizations.for_each(|path| enclosure.let_in(path));
        let mut there = Vec::new();
        for path in new {
            match enclosure.absence(&path) {
                Some(absence) => loaded.sources.note_absent(path.to_string_lossy(), absence),
                None => there.push(path),
            }
        }
        tried.extend(wanted);
        let more = load::load_files(&there, &Limits::default());
        for mut file in more.now.files {
            let source = more.sources.get(file.source);
            file.source = loaded.sources.add(source.name(), source.text());
            if render::is_manifest(source.name()) {
                loaded.now.files.push(file);
            }
        }
    }
}
