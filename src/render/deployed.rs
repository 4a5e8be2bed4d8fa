//! How many objects everything that is built from a tree may deploy together: a line that applies
//! a directory once more deploys all that is in it.
//!
//! Refuses to know what is built.

use super::kustomize::Fault;
use crate::k8s::PartEffect;
use crate::source::Span;
use std::cell::Cell;

/// How many objects may be deployed, whatever the size of the tree.
const MAX_DEPLOYED: usize = 150_000;

/// One more for so many bytes of its texts: an object is rarely shorter.
const BYTES_OF_AN_OBJECT: usize = 64;

/// What may still be deployed.
#[derive(Debug)]
pub(crate) struct Deployed {
    limit: usize,
    left: Cell<usize>,
}

impl Deployed {
    /// Nothing is deployed yet from texts of so many bytes.
    pub(crate) fn new(bytes: usize) -> Self {
        let limit = MAX_DEPLOYED + bytes / BYTES_OF_AN_OBJECT;
        Self {
            limit,
            left: Cell::new(limit),
        }
    }

    /// Takes so many objects off what may be deployed, which may be the last ones. Changes and
    /// faults count as well: what builds on one directory has them again.
    pub(crate) fn take(&self, objects: usize) {
        self.left.set(self.left.get().saturating_sub(objects));
    }

    /// What is to be said where nothing more is built, instead of what `span` asks for.
    pub(crate) fn spent(&self, span: Span) -> Option<Fault> {
        let message = || {
            format!(
                "everything that is built here has more than {} objects together: \
                 the rest is left out",
                self.limit
            )
        };
        let is_spent = self.left.get() == 0;
        is_spent.then(|| Fault::limit(span, message(), PartEffect::Adds))
    }
}

#[cfg(test)]
mod tests {
    use crate::render::kustomize::Kustomize;
    use crate::render::library::Library;
    use crate::source::SourceMap;

    #[test]
    fn nothing_is_built_once_all_is_deployed() {
        let mut sources = SourceMap::default();
        let policy = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: m}\n";
        let texts = [
            ("kustomization.yaml", "resources: [m.yaml]"),
            ("m.yaml", policy),
        ];
        let ids = texts.map(|(name, text)| sources.add(name, text));
        let library = Library::new(&sources, ids.into_iter());
        let build = || {
            let build = Kustomize::new(&library).build("");
            build.expect("there is a kustomization")
        };
        let (first, left) = (build(), library.deployed().left.get());
        assert_eq!(first.resources.len(), 1);
        assert_eq!(first.faults, []);
        assert_eq!(left + 1, library.deployed().limit);
        library.deployed().take(left);
        let second = build();
        assert_eq!(second.resources.len(), 0);
        assert!(second.faults[0].is_limit, "{:?}", second.faults);
    }
}
