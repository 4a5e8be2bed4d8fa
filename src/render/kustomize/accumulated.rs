//! What a build has put together so far, and what those that build on it take over.
//!
//! Refuses to know kustomizations, and in which order they do what.

use super::budget::Budget;
use super::definitions::Defined;
use super::fault::Fault;
use super::generate;
use super::patch::{Applied, Patch};
use super::specs::Specs;
use super::variables::Variable;
use crate::render::resource::{Behavior, Resource};
use crate::render::value::MAX_PARTS;
use std::borrow::Cow;
use std::collections::HashSet;
use std::rc::Rc;

/// For how many parts one of an object counts that another one is put into.
const MERGED: usize = 2;

/// What was put together so far.
#[derive(Clone, Debug, Default)]
pub(super) struct Accumulated<'t> {
    pub(super) resources: Vec<Resource<'t>>,
    /// The fields that transformers change, where they are not just kustomize's own lists.
    pub(super) specs: Option<Rc<Specs>>,
    /// Whether kustomize's own lists are all that is there, as a directory or a kustomization
    /// brought them.
    pub(super) has_own_lists: bool,
    pub(super) variables: Vec<Variable<'t>>,
    pub(super) faults: Vec<Fault>,
    pub(super) patches: Vec<Applied>,
    /// The definitions of the API that hold, where a kustomization names some.
    pub(super) defined: Option<Rc<Defined<'t>>>,
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
    pub(super) fn add_specs(&mut self, more: Option<&Rc<Specs>>) -> Option<String> {
        match (&mut self.specs, more) {
            (Some(specs), Some(more)) => Rc::make_mut(specs).merge(more),
            (Some(specs), None) => Rc::make_mut(specs).merge(Specs::default_specs()),
            (None, None) => {
                self.has_own_lists = true;
                None
            }
            (None, Some(more)) => {
                let mut all = self.known_specs();
                let conflict = all.merge(more);
                self.specs = Some(Rc::new(all));
                conflict
            }
        }
    }

    /// The lists of what it builds on so far: none, where that is no directory.
    fn known_specs(&self) -> Specs {
        let mut all = Specs::default();
        match &self.specs {
            Some(specs) => all = specs.as_ref().clone(),
            None if self.has_own_lists => {
                all.merge(Specs::default_specs());
            }
            None => {}
        }
        all
    }

    /// Adds what one kustomization says of fields to kustomize's own lists, and those to
    /// what is there. Returns what is wrong.
    pub(super) fn configure(&mut self, files: &[Specs]) -> Option<String> {
        if files.is_empty() && self.specs.is_none() {
            self.has_own_lists = true;
            return None;
        }
        let mut own = Specs::default();
        let mut conflict = own.merge(Specs::default_specs());
        for file in files {
            conflict = own.merge(file).or(conflict);
        }
        let mut all = self.known_specs();
        conflict = all.merge(&own).or(conflict);
        self.specs = Some(Rc::new(all));
        conflict
    }

    /// Adds the lists to none, as kustomize does behind each Component: what one says of a field
    /// of one kind then stands for that field of every kind.
    pub(super) fn gather_specs(&mut self) {
        if let Some(specs) = self.specs.take() {
            let mut all = Specs::default();
            // They agreed before.
            all.merge(&specs);
            self.specs = Some(Rc::new(all));
        }
    }

    /// Applies a patch, where the budget suffices for it.
    pub(super) fn patch(
        &mut self,
        patch: &Patch<'t>,
        budget: &Budget,
        faults: &mut Vec<Fault>,
    ) -> bool {
        let defined = self.defined.as_ref().filter(|_| patch.is_merge());
        let definitions = defined.and_then(|it| it.for_patch());
        let parts = patch.size(&self.resources, definitions);
        if !budget.may_change(parts, patch.step.span, faults) {
            return false;
        }
        let applied = patch.apply(&mut self.resources, definitions, faults);
        self.patches.push(applied);
        true
    }

    /// Adds a generated object, or puts it into one that is there.
    pub(super) fn absorb(
        &mut self,
        generated: Resource<'t>,
        budget: &Budget,
        faults: &mut Vec<Fault>,
    ) {
        let behavior = generated
            .generated
            .map_or(Behavior::Create, |it| it.behavior);
        let is_it =
            |resource: &Resource<'_>| resource.every_id().any(|id| id.is_same_as(&generated.id));
        let span = generated.value.span();
        // It is looked for among all, and put together with what is there.
        let same = self.resources.iter().filter(|it| is_it(it));
        let parts = same.map(|it| MERGED * it.value.parts(MAX_PARTS));
        let parts = parts.sum::<usize>() + self.resources.len() / 8;
        if !budget.may_change(parts, span, faults) {
            return;
        }
        let several = self.resources.iter().filter(|it| is_it(it)).count() > 1;
        if several {
            let message = format!("there are several {} to merge with", generated.id);
            return faults.push(Fault::error(span, message));
        }
        let existing = self.resources.iter_mut().find(|resource| is_it(resource));
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
            // It is found by what it was, and has to be what is generated by now.
            (Some(old), _) if old.id.gvk != generated.id.gvk => {
                let message = format!("{} has become {}", generated.id, old.id);
                faults.push(Fault::error(span, message));
            }
            (Some(old), behavior) => generate::merge(old, generated, behavior),
        }
    }
}
