//! What a kustomization lists and the source of Flux leaves out: it is in no artifact, so Flux
//! fails as it does where a file is missing (source-controller, `Archive`, passes over what the
//! patterns match; kustomize-controller builds from the artifact).
//!
//! Refuses to know what the patterns are, and what is applied.

use super::kustomize::{Fault, Kustomization, is_remote};
use super::library::{Library, is_within, join};
use super::resource::Resource;
use super::source_ignore::SourceIgnore;
use super::value::Value;
use super::wanted::mentioned;
use std::collections::BTreeSet;

/// The listed files that are left out.
#[derive(Debug, Default)]
pub(super) struct LeftOut {
    /// Each once, at the text that lists it.
    pub(super) faults: Vec<Fault>,
    /// Files, and directories of which the kustomization is left out.
    paths: BTreeSet<String>,
}

impl LeftOut {
    /// What a kustomization and those that it builds on list; `patterns` are those that hold in
    /// a directory.
    pub(super) fn of<'t>(
        library: &'t Library<'_>,
        kustomization: &Kustomization<'t>,
        patterns: impl Fn(&str) -> SourceIgnore,
    ) -> Self {
        let mut found = Self::default();
        let mut seen = BTreeSet::from([kustomization.directory.clone()]);
        let mut open = vec![kustomization.clone()];
        while let Some(kustomization) = open.pop() {
            for path in mentioned(&kustomization) {
                let text = path.text().unwrap_or_default();
                if is_remote(text) {
                    continue;
                }
                let full = kustomization.path(text);
                if library.source(&full).is_some() {
                    if patterns(&kustomization.directory).leaves_out(&full) {
                        found.add(&path, full);
                    }
                    continue;
                }
                if !seen.insert(full.clone()) {
                    continue;
                }
                let files = library.kustomizations(&full);
                let Some(file) = files.first() else { continue };
                if patterns(&full).leaves_out(file) {
                    found.add(&path, full);
                } else if let Some(Ok(inner)) = Kustomization::read(library, &full) {
                    open.push(inner);
                }
            }
        }
        found
    }

    /// Whether an object comes from what is left out.
    pub(super) fn holds(&self, library: &Library<'_>, resource: &Resource<'_>) -> bool {
        let Self { paths, .. } = self;
        let name = library.sources().get(resource.value.span().source).name();
        let file = join("", name);
        paths.iter().any(|path| is_within(&file, path))
    }

    fn add(&mut self, path: &Value<'_>, full: String) {
        let text = path.text().unwrap_or_default();
        let message = format!("`{text}` is left out by the source, so Flux does not find it");
        self.faults.push(Fault::error(path.span(), message));
        self.paths.insert(full);
    }
}
