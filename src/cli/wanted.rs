//! Reads the files that kustomizations speak of and that nobody asked for by name: a base
//! beside the directory that was asked for, in the same state of the files. What lies out of the
//! repository is refused.
//!
//! Refuses to know what they are good for.

use super::charts;
use crate::config::Rendering;
use crate::load::{Beside, File, GitError, Limits, Listing, Loaded, Snapshot, Tree};
use crate::render;
use crate::source::{SourceId, SourceMap};
use std::collections::{BTreeSet, HashMap};
use std::path::PathBuf;

/// Adds what the builds of these texts need beside them, in the state that was read and in the
/// earlier one; `arguments` are the paths that they were asked for by.
///
/// # Errors
///
/// If git fails.
pub(super) fn complete(
    loaded: &mut Loaded,
    rendering: Rendering,
    arguments: &[PathBuf],
    (now, before): (&Tree<'_>, Option<&Snapshot<'_>>),
) -> Result<(), GitError> {
    if rendering != Rendering::Off {
        if before.is_some() {
            add_wanted_before(loaded, &mut Beside::new(before, arguments))?;
        }
        add_wanted(loaded, &mut Beside::new(now.of_git(), arguments))?;
    }
    if rendering == Rendering::Helm {
        charts::add_charts(loaded);
    }
    Ok(())
}

/// Adds them to the later state, until there are no more. Of files that are no manifests only
/// the texts are added: they are data.
///
/// # Errors
///
/// If git fails.
pub(super) fn add_wanted(loaded: &mut Loaded, beside: &mut Beside<'_>) -> Result<(), GitError> {
    add(&mut loaded.sources, &mut loaded.now, beside)
}

/// The same for the earlier state, if there is one.
///
/// # Errors
///
/// If git fails.
pub(super) fn add_wanted_before(
    loaded: &mut Loaded,
    beside: &mut Beside<'_>,
) -> Result<(), GitError> {
    match &mut loaded.before {
        Some(before) => add(&mut loaded.sources, before, beside),
        None => Ok(()),
    }
}

/// How often more files are looked for, as bases build on bases.
const MAX_ROUNDS: usize = 64;

fn add(
    sources: &mut SourceMap,
    listing: &mut Listing,
    beside: &mut Beside<'_>,
) -> Result<(), GitError> {
    let mut tried = BTreeSet::new();
    for _ in 0..MAX_ROUNDS {
        let data = sources
            .ids()
            .filter(|id| !render::is_manifest(sources.get(*id).name()));
        let files = listing.files.iter().map(|file| file.source);
        let ids: Vec<SourceId> = files.chain(data).collect();
        let wanted = render::wanted(sources, &ids);
        let new: Vec<PathBuf> = wanted.difference(&tried).map(PathBuf::from).collect();
        if new.is_empty() {
            return Ok(());
        }
        let kustomizations = new.iter().filter(|path| render::is_kustomization(path));
        kustomizations.for_each(|path| beside.let_in(path));
        let mut there = Vec::new();
        for path in new {
            match beside.absence(&path)? {
                Some(absence) => sources.note_absent(path.to_string_lossy(), absence),
                None => there.push(path),
            }
        }
        tried.extend(wanted);
        let more = beside.read(&there, &Limits::default())?;
        add_files(more, sources, listing);
    }
    Ok(())
}

/// Adds what was read to a state. A text that the other state has as well is there once.
fn add_files(more: Loaded, sources: &mut SourceMap, listing: &mut Listing) {
    let Loaded {
        sources: texts,
        now,
        ..
    } = more;
    let names: BTreeSet<&str> = now
        .files
        .iter()
        .map(|file| texts.get(file.source).name())
        .collect();
    let mut known: HashMap<String, Vec<SourceId>> = HashMap::new();
    for id in sources.ids() {
        let name = sources.get(id).name();
        if names.contains(name) {
            known.entry(name.to_owned()).or_default().push(id);
        }
    }
    for file in now.files {
        let source = texts.get(file.source);
        let mut same = known.get(source.name()).into_iter().flatten().copied();
        let same = same.find(|id| sources.get(*id).text() == source.text());
        let id = same.unwrap_or_else(|| sources.add(source.name(), source.text()));
        if render::is_manifest(source.name()) {
            listing.files.push(File { source: id, ..file });
        }
    }
}
