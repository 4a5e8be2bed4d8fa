//! What the builds of a part of a tree take from the rest of it: a base that stands beside the
//! overlays, what an entry of Flux applies.
//!
//! Refuses to know why the tree is divided, and what is built.

use super::artifact;
use super::checkout::paths_of;
use super::kustomize::{Kustomization, is_remote};
use super::library::{KUSTOMIZATION_NAMES, Library, parent};
use super::roots::{Deployment, RootKind, raw_objects};
use super::wanted::mentioned;
use crate::source::{SourceId, SourceMap};
use std::collections::BTreeSet;

/// The texts among `all`, beside those of a part, that the kustomizations of this part and what
/// Flux and Argo CD apply there may take something from.
#[must_use]
pub fn lent(
    sources: &SourceMap,
    all: &[SourceId],
    part: &BTreeSet<SourceId>,
) -> BTreeSet<SourceId> {
    let library = Library::new(sources, all.iter().copied());
    let is_of_part = |path: &&str| library.source(path).is_some_and(|id| part.contains(&id));
    let own = library.paths().filter(is_of_part);
    let mut open: Vec<String> = own.map(str::to_owned).collect();
    let mut lent = BTreeSet::new();
    while let Some(path) = open.pop() {
        for next in named_by(&library, &path) {
            let source = library.source(&next);
            let source = source.filter(|source| !part.contains(source));
            if source.is_some_and(|source| lent.insert(source)) {
                open.push(next);
            }
        }
    }
    lent
}

/// Leaves to others what nothing of a part takes from the texts that it was lent.
pub(super) fn leave_lent(
    deployment: &mut Deployment,
    library: &Library<'_>,
    lent: &BTreeSet<SourceId>,
) {
    if lent.is_empty() {
        return;
    }
    let is_own = |source: &SourceId| !lent.contains(source);
    deployment.roots.retain(|root| {
        let is_by_itself = root.kind == RootKind::Kustomization && root.cluster.is_none();
        let files = library.kustomizations(&root.directory);
        let mut files = files.iter().filter_map(|file| library.source(file));
        !is_by_itself || files.all(|file| is_own(&file))
    });
    deployment.unreferenced.retain(is_own);
    deployment.apart.retain(is_own);
    deployment.templates.retain(is_own);
    let told = &mut deployment.diagnostics;
    told.retain(|finding| is_own(&finding.primary.span.source));
}

/// The files that a file leads to at once.
fn named_by(library: &Library<'_>, path: &str) -> Vec<String> {
    let mut named = Vec::new();
    let directory = parent(path);
    let name = path.rsplit('/').next().unwrap_or_default();
    let is_one = KUSTOMIZATION_NAMES.contains(&name);
    let read = is_one.then(|| Kustomization::read(library, directory));
    if let Some(Some(Ok(kustomization))) = read {
        let paths = mentioned(&kustomization).into_iter();
        let paths = paths.filter_map(|path| path.text().map(str::to_owned));
        for path in paths.filter(|path| !is_remote(path)) {
            let full = kustomization.path(&path);
            match library.source(&full) {
                Some(_) => named.push(full),
                None => named.extend(library.kustomizations(&full)),
            }
        }
    }
    for (object, _) in raw_objects(library, path) {
        for (_, applied) in paths_of(&object) {
            let Some(applied) = artifact::resolve(library, path, &applied) else {
                continue;
            };
            let kustomizations = library.kustomizations(&applied);
            match kustomizations.is_empty() {
                true => named.extend(library.below(&applied).map(str::to_owned)),
                false => named.extend(kustomizations),
            }
        }
    }
    named
}
