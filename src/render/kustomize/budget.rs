//! How much one build may do. Kustomizations that each build on the one below by two ways
//! double what is there with every level, and components may be used again by each other, so
//! that a few lines would fill any memory.
//!
//! Refuses to know what is built.

use super::fault::Fault;
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

/// What a build may still do.
#[derive(Debug)]
pub(super) struct Budget {
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
            objects: Cell::new(MAX_TAKEN),
            components: Cell::new(MAX_COMPONENTS),
            is_told: Cell::new(false),
        }
    }
}

impl Budget {
    /// For the next build.
    pub(super) fn renew(&self) {
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
