//! How much one build may do. Kustomizations that each build on the one below by two ways
//! double what is there with every level, and components may be used again by each other, so
//! that a few lines would fill any memory.
//!
//! Refuses to know what is built.

use super::fault::Fault;
use super::file::{self, Kustomization};
use crate::k8s::PartEffect;
use crate::source::Span;
use std::cell::Cell;

/// How many objects a build may take over from the kustomizations that it builds on, those of
/// each level counted.
const MAX_TAKEN: usize = 100_000;

/// How many components a build may use, each use counted.
const MAX_COMPONENTS: usize = 5_000;

/// How many objects may be there when a component is used for it to count as one of
/// [`MAX_TAKEN`]: it only changes them.
const REWORKED: usize = 8;

/// How many parts of objects a build may look at to change them: each entry of a kustomization
/// looks at all objects, and each change goes through all of one. Real builds look at a hundredth.
const MAX_CHANGED: usize = 8_000_000;

/// What a build may still do.
#[derive(Debug)]
pub(super) struct Budget {
    changes: Cell<usize>,
    objects: Cell<usize>,
    components: Cell<usize>,
    is_told: Cell<bool>,
}

/// A limit that was hit.
#[derive(Debug)]
pub(super) struct Spent {
    message: String,
    span: Span,
    is_told: bool,
}

impl Spent {
    /// What is to be said, the first time only: what is left out may have been about anything.
    pub(super) fn fault(self) -> Option<Fault> {
        let Self { message, span, .. } = self;
        (!self.is_told).then(|| Fault::limit(span, message, PartEffect::Changes))
    }
}

impl Default for Budget {
    fn default() -> Self {
        Self {
            changes: Cell::new(MAX_CHANGED),
            objects: Cell::new(MAX_TAKEN),
            components: Cell::new(MAX_COMPONENTS),
            is_told: Cell::new(false),
        }
    }
}

impl Budget {
    /// For the next build.
    pub(super) fn renew(&self) {
        self.changes.set(MAX_CHANGED);
        self.objects.set(MAX_TAKEN);
        self.components.set(MAX_COMPONENTS);
        self.is_told.set(false);
    }

    /// Takes over the objects of another kustomization, which `span` names.
    pub(super) fn take(&self, objects: usize, span: Span) -> Result<(), Spent> {
        self.spend(&self.objects, objects, span, || {
            format!(
                "this build takes over more than {MAX_TAKEN} objects from what it builds on: \
                 the rest is left out"
            )
        })
    }

    /// Uses the component that `span` names where so many objects are.
    pub(super) fn rework(&self, objects: usize, span: Span) -> Result<(), Spent> {
        self.spend(&self.components, 1, span, || {
            format!("this build uses more than {MAX_COMPONENTS} components: the rest is left out")
        })?;
        self.take(objects / REWORKED, span)
    }

    /// Whether it may look at so many parts of objects, to change them as `span` says.
    pub(super) fn may_change(&self, parts: usize, span: Span, faults: &mut Vec<Fault>) -> bool {
        let spent = self.spend(&self.changes, parts, span, || {
            format!(
                "this build looks at more than {MAX_CHANGED} parts of objects to change them: \
                 the rest of the changes is left out"
            )
        });
        match spent {
            Ok(()) => true,
            Err(spent) => {
                faults.extend(spent.fault());
                false
            }
        }
    }

    /// The same for the labels and annotations that a kustomization sets on so many objects.
    pub(super) fn may_set_pairs(
        &self,
        kustomization: &Kustomization<'_>,
        objects: usize,
        faults: &mut Vec<Fault>,
    ) -> bool {
        let labels = kustomization.items("labels").into_iter();
        let labels = labels.filter_map(|label| file::field(&label, "pairs"));
        let common = ["commonLabels", "commonAnnotations"].into_iter();
        let common = common.filter_map(|field| kustomization.get(field));
        let count = labels.chain(common).map(|pairs| pairs.fields().count());
        let count: usize = count.sum();
        // Each of them looks at what the ones before have set.
        let parts = count * objects * (1 + count / 8);
        self.may_change(parts, kustomization.root.span(), faults)
    }

    fn spend(
        &self,
        left: &Cell<usize>,
        amount: usize,
        span: Span,
        message: impl FnOnce() -> String,
    ) -> Result<(), Spent> {
        let Some(rest) = left.get().checked_sub(amount) else {
            return Err(Spent {
                message: message(),
                span,
                is_told: self.is_told.replace(true),
            });
        };
        left.set(rest);
        Ok(())
    }
}
