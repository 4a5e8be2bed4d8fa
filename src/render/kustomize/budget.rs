//! How much one build may do. Kustomizations that each build on the one below by two ways
//! double what is there with every level, and components may be used again by each other, so
//! that a few lines would fill any memory.
//!
//! Refuses to know what is built.

use super::fault::Fault;
use super::field_spec::FieldSpec;
use super::file::{self, Kustomization};
use crate::k8s::PartEffect;
use crate::render::resource::Resource;
use crate::render::value::{MAX_PARTS, Value};
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
/// looks at all objects, and each change goes through all of one. Real builds look at a fiftieth.
const MAX_CHANGED: usize = 4_000_000;

/// For how many parts an expression that repeats something counts: understanding it takes as long.
const REPEATED: usize = 10_000;

/// How many parts are looked at for an object as a matter of course. Looking at so many takes
/// as long as judging an object.
const CHANGED: usize = 64;

/// How many earlier names and changes of an object count as one object more when it is taken over.
const HISTORY: usize = 8;

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

    /// Takes over the objects of another kustomization, which `span` names, each with what it was
    /// before.
    pub(super) fn take(&self, resources: &[Resource<'_>], span: Span) -> Result<(), Spent> {
        let histories = resources
            .iter()
            .map(|it| it.previous.len() + it.steps.len());
        let histories = histories.map(|length| length / HISTORY).sum::<usize>();
        self.spend_objects(resources.len() + histories, span)
    }

    fn spend_objects(&self, objects: usize, span: Span) -> Result<(), Spent> {
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
        self.spend_objects(objects / REWORKED, span)
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

    /// Whether it may set what an entry says, so many pairs of a kustomization that sets `all` of
    /// them, at these fields of all objects.
    pub(super) fn may_set_fields(
        &self,
        (specs, pairs, all): (&[FieldSpec], usize, usize),
        resources: &[Resource<'_>],
        span: Span,
        faults: &mut Vec<Fault>,
    ) -> bool {
        let of = |resource: &Resource<'_>| {
            let gvk = &resource.id.gvk;
            let fields = specs.iter().filter(|spec| gvk.is_selected_by(&spec.gvk));
            let fields = fields.count();
            // A field of a list may stand in as many places as the object has parts.
            let places = fields + resource.value.parts(MAX_PARTS) / 4;
            let places = places + (resource.previous.len() + resource.steps.len()) / HISTORY;
            // Each of them looks at what the ones before have set.
            pairs * places * (1 + (fields + all) / 8)
        };
        let parts = resources.iter().map(of).sum::<usize>();
        self.may_change(parts + resources.len() * specs.len() / 32, span, faults)
    }

    /// For how many deployed objects the changes of a build count that deploys so many: those that
    /// every object needs are part of its own.
    pub(super) fn objects_spent(&self, objects: usize) -> usize {
        let spent = MAX_CHANGED - self.changes.get();
        spent.saturating_sub(objects * CHANGED) / CHANGED
    }

    /// Whether it may understand the expressions of an entry: those of a stranger repeat things
    /// that repeat others.
    pub(super) fn may_understand(&self, entry: &Value<'_>, faults: &mut Vec<Fault>) -> bool {
        let target = file::field(entry, "target");
        let texts = target.iter().flat_map(Value::fields).map(|it| it.value);
        let texts = texts.chain(file::field(entry, "name"));
        let repeated = texts.filter(|it| it.text().is_some_and(|text| text.contains('{')));
        let parts = repeated.count() * REPEATED;
        self.may_change(parts, entry.span(), faults)
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

/// How many labels and annotations a kustomization sets.
pub(super) fn pairs_of(kustomization: &Kustomization<'_>) -> usize {
    let labels = kustomization.items("labels").into_iter();
    let labels = labels.filter_map(|label| file::field(&label, "pairs"));
    let common = ["commonLabels", "commonAnnotations"].into_iter();
    let common = common.filter_map(|field| kustomization.get(field));
    labels
        .chain(common)
        .map(|pairs| pairs.fields().count())
        .sum()
}
