//! What a build has put together so far, and what those that build on it take over.
//!
//! Refuses to know kustomizations, and in which order they do what.

use super::fault::Fault;
use super::generate;
use super::merge_keys::Definitions;
use super::patch::{Applied, Patch};
use super::specs::Specs;
use super::variables::Variable;
use crate::render::resource::{Behavior, Resource};
use std::borrow::Cow;
use std::collections::HashSet;
use std::rc::Rc;

/// What was put together so far.
#[derive(Clone, Debug, Default)]
pub(super) struct Accumulated<'t> {
    pub(super) resources: Vec<Resource<'t>>,
    /// The fields that transformers change, where they are not just kustomize's own lists.
    pub(super) specs: Option<Rc<Specs>>,
    pub(super) variables: Vec<Variable<'t>>,
    pub(super) faults: Vec<Fault>,
    pub(super) patches: Vec<Applied>,
    /// The definitions of the API that hold so far.
    pub(super) definitions: Option<Definitions<'t>>,
}

impl<'t> Accumulated<'t> {
    /// Leaves out what was said before: whatever builds on one directory by several ways would
    /// say it so often, and what builds on that in turn.
    pub(super) fn tell_once(&mut self) {
        let mut told = HashSet::new();
        self.faults
            .retain(|fault| told.insert((fault.span, fault.message.clone())));
        let mut seen = HashSet::new();
        self.patches
            .retain(|patch| seen.insert((patch.span, patch.is_idle)));
    }

    pub(super) fn specs(&self) -> Cow<'static, Specs> {
        match &self.specs {
            None => Cow::Borrowed(Specs::default_specs()),
            Some(specs) => Cow::Owned(specs.as_ref().clone()),
        }
    }

    /// Adds the lists of what it builds on.
    pub(super) fn add_specs(&mut self, more: Option<&Rc<Specs>>) {
        let Some(more) = more else { return };
        match &mut self.specs {
            Some(specs) => Rc::make_mut(specs).merge(more),
            None => self.specs = Some(more.clone()),
        }
    }

    /// Adds what one kustomization says of fields to kustomize's own lists, and those to
    /// what is there.
    pub(super) fn configure(&mut self, files: &[Specs]) {
        if files.is_empty() && self.specs.is_none() {
            return;
        }
        let mut own = Specs::default();
        own.merge(Specs::default_specs());
        files.iter().for_each(|file| own.merge(file));
        let mut all = Specs::default();
        if let Some(specs) = &self.specs {
            all = specs.as_ref().clone();
        }
        all.merge(&own);
        self.specs = Some(Rc::new(all));
    }

    pub(super) fn patch(&mut self, patch: &Patch<'t>, faults: &mut Vec<Fault>) {
        let applied = patch.apply(&mut self.resources, self.definitions, faults);
        self.patches.push(applied);
    }

    /// Adds a generated object, or puts it into one that is there.
    pub(super) fn absorb(&mut self, generated: Resource<'t>, faults: &mut Vec<Fault>) {
        let behavior = generated
            .generated
            .map_or(Behavior::Create, |it| it.behavior);
        let is_it =
            |resource: &Resource<'_>| resource.every_id().any(|id| id.is_same_as(&generated.id));
        let existing = self.resources.iter_mut().find(|resource| is_it(resource));
        let span = generated.value.span();
        match (existing, behavior) {
            (None, Behavior::Create) => self.resources.push(generated),
            (None, _) => {
                let message = format!("there is no {} to merge with or to replace", generated.id);
                faults.push(Fault::error(span, message));
            }
            (Some(_), Behavior::Create) => {
                let message = format!(
                    "{} is there already; `behavior` must be `merge` or `replace`",
                    generated.id
                );
                faults.push(Fault::error(span, message));
            }
            (Some(old), behavior) => generate::merge(old, generated, behavior),
        }
    }
}
