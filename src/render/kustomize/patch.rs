//! Patches: which objects each is for, and changing them.
//!
//! Refuses to know how a patch is merged or applied to one object.

use super::budget::Budget;
use super::fault::Fault;
use super::file::{self, Kustomization};
use super::merge_keys::{Definitions, Schema};
use super::notes::{self, leads_to_annotations, with_notes_kept};
use super::select::Target;
use super::through_json::{self, Way};
use super::{empty, json_patch, merge, objects};
use crate::render::library::Library;
use crate::render::object_id::ObjectId;
use crate::render::resource::{Resource, Step};
use crate::render::scalar::Type;
use crate::render::value::Value;
use crate::source::{SourceId, Span};
use serde::de::IgnoredAny;

/// Up to how many parts an object is counted as it is, where it is changed.
const MAX_SIZE: usize = 1 << 16;

/// A patch that was read.
#[derive(Debug)]
pub(crate) struct Patch<'t> {
    pub(super) step: Step,
    /// The text that says which objects it is for.
    place: Span,
    target: Option<Target>,
    change: Change<'t>,
    /// Whether an object may get another name by it.
    allows_name_change: bool,
    /// Whether an object may get another kind by it.
    allows_kind_change: bool,
}

#[derive(Debug)]
enum Change<'t> {
    Merge(Vec<Value<'t>>),
    Operations(Value<'t>),
}

/// Whether the target of a patch matches anything.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Applied {
    /// The target.
    pub(crate) span: Span,
    /// Whether it matches nothing.
    pub(crate) is_idle: bool,
}

impl<'t> Patch<'t> {
    /// Strategic merge patches, each a path or a text, as of `patchesStrategicMerge`.
    pub(crate) fn strategic_merge(
        library: &'t Library<'_>,
        kustomization: &Kustomization<'t>,
        items: &[Value<'t>],
        faults: &mut Vec<Fault>,
    ) -> Vec<Self> {
        let mut entries = Entries::default();
        let mut patches = Vec::new();
        for item in items {
            let text = item.text().unwrap_or_default();
            let is_file = library.source(&kustomization.path(text)).is_some();
            let values = match !is_file && (text.contains('\n') || text.contains(": ")) {
                true => objects::values_of_text(library, item),
                false => of_path(library, kustomization, item),
            };
            let step = Step {
                field: "patchesStrategicMerge",
                entry: entries.next(item),
                span: item.span(),
            };
            match values.and_then(|values| objects::all_objects(&values)) {
                Ok(values) => patches.push(Self::new(step, None, Change::Merge(values))),
                Err(fault) => faults.push(fault),
            }
        }
        // One of them at least says something.
        let is_empty = |patch: &Self| matches!(&patch.change, Change::Merge(it) if it.is_empty());
        let are_read = patches.len() == items.len();
        let first = items.first().filter(|_| are_read);
        let first = first.filter(|_| patches.iter().all(is_empty));
        faults.extend(first.map(empty::fault));
        patches
    }

    /// The patches of `patches`, or of `patchesJson6902`.
    pub(crate) fn of_field(
        library: &'t Library<'_>,
        kustomization: &Kustomization<'t>,
        name: &'static str,
        (budget, faults): (&Budget, &mut Vec<Fault>),
    ) -> Vec<Self> {
        let mut entries = Entries::default();
        let mut patches = Vec::new();
        for item in kustomization.items(name) {
            if !budget.may_understand(&item, faults) {
                break;
            }
            let entry = entries.next(&item);
            match Self::read(library, kustomization, &item, name) {
                Ok(mut patch) => {
                    patch.step.entry = entry;
                    patches.push(patch);
                }
                Err(fault) => faults.push(fault),
            }
        }
        patches
    }

    /// Reads one patch.
    pub(crate) fn read(
        library: &'t Library<'_>,
        kustomization: &Kustomization<'t>,
        item: &Value<'t>,
        name: &'static str,
    ) -> Result<Self, Fault> {
        let [inline, path] =
            ["patch", "path"].map(|name| file::field(item, name).filter(says_some));
        let values = match (&inline, &path) {
            (Some(_), Some(_)) => {
                let message = "a patch has either `patch` or `path`, and this has both";
                return Err(Fault::error(item.span(), message));
            }
            (Some(inline), None) => objects::values_of_text(library, inline)?,
            (None, Some(path)) => of_path(library, kustomization, path)?,
            (None, None) => {
                let message = "a patch has either `patch` or `path`, and this has neither";
                return Err(Fault::error(item.span(), message));
            }
        };
        let target = file::field(item, "target");
        let read = target.as_ref().map(|target| {
            Target::read(target).map_err(|message| Fault::error(target.span(), message))
        });
        let read = read.transpose()?;
        // A patch that names its target stands for it in messages.
        let span = target.as_ref().map_or(item.span(), Value::span);
        let step = Step {
            field: name,
            entry: None,
            span: item.span(),
        };
        let change = match &values[..] {
            [value] if value.is_sequence() => {
                if !json_patch::is_patch(value) {
                    let message = "every operation of a JSON patch has `op` and `path`";
                    return Err(Fault::error(value.span(), message));
                }
                // What begins so is read as JSON, without the liberties of YAML.
                let file = path.as_ref().and_then(Value::text);
                let file = file.and_then(|path| library.text(&kustomization.path(path)));
                let written = inline.as_ref().and_then(Value::text).or(file);
                let is_json = written.is_some_and(|it| it.starts_with('['));
                if written.is_some_and(is_broken_json) {
                    let message = "kustomize reads a patch that begins with `[` as JSON";
                    return Err(Fault::error(item.span(), message));
                }
                let has_name = target
                    .as_ref()
                    .is_some_and(|it| !file::text(it, "name").is_empty());
                if read.is_some() && name == "patchesJson6902" && !has_name {
                    let message = "the target of `patchesJson6902` needs a name";
                    return Err(Fault::error(span, message));
                }
                if read.is_none() {
                    let message = "a JSON patch needs a `target`";
                    return Err(Fault::error(item.span(), message));
                }
                // What is not JSON is turned into it.
                let made = match is_json {
                    true => None,
                    false => through_json::changed(value, Way::Operation)
                        .map_err(|wordless| Fault::error(wordless.span, wordless.message))?,
                };
                Change::Operations(made.unwrap_or_else(|| value.clone()))
            }
            values => {
                let found = objects::all_objects(values)?;
                let file = path.as_ref().and_then(Value::text);
                let file = file.and_then(|path| library.text(&kustomization.path(path)));
                let written = inline.as_ref().and_then(Value::text).or(file);
                // A file without a single byte is a JSON patch of no operations.
                let is_no_operations = written == Some("") && read.is_some() && name == "patches";
                let is_empty = found.is_empty() && !is_no_operations;
                if is_empty || written.is_some_and(empty::begins_with_nothing) {
                    return Err(empty::fault(item));
                }
                Change::Merge(found)
            }
        };
        if let (Change::Merge(values), Some(_)) = (&change, &read)
            && values.len() > 1
        {
            let message = "several patches in one entry cannot have a `target`";
            return Err(Fault::error(span, message));
        }
        let mut patch = Self::new(step, read, change);
        patch.place = span;
        if let Some(options) = file::field(item, "options") {
            patch.allows_name_change = file::is_true(&options, "allowNameChange");
            patch.allows_kind_change = file::is_true(&options, "allowKindChange");
        }
        Ok(patch)
    }

    fn new(step: Step, target: Option<Target>, change: Change<'t>) -> Self {
        Self {
            place: step.span,
            step,
            target,
            change,
            allows_name_change: false,
            allows_kind_change: false,
        }
    }

    /// Changes the objects that it is for, while these definitions of the API hold.
    pub(crate) fn apply(
        &self,
        resources: &mut Vec<Resource<'t>>,
        definitions: Option<Definitions<'t>>,
        faults: &mut Vec<Fault>,
    ) -> Applied {
        let mut is_idle = true;
        match &self.change {
            Change::Operations(operations) => {
                for resource in resources.iter_mut().filter(|it| self.is_target(it)) {
                    is_idle = false;
                    if self.step.field == "patches" {
                        resource.remember();
                    }
                    // The object goes through JSON and back.
                    resource.part_twins();
                    let before = resource.value.clone();
                    let apply = |resource: &mut Resource<'t>| {
                        if let Some(mistyped) = resource.value.mistyped() {
                            return Err(mistyped.message());
                        }
                        let made = through_json::changed(&resource.value, Way::Patched);
                        if let Some(made) = made.map_err(|wordless| wordless.message)? {
                            resource.value = made;
                        }
                        json_patch::apply(&mut resource.value, operations)
                    };
                    let applied = match names_annotations(operations) {
                        true => with_notes_kept(resource, self.step.span, apply),
                        false => apply(resource),
                    };
                    if let Err(message) = applied {
                        resource.value = before;
                        let message =
                            format!("this patch cannot be applied to {}: {message}", resource.id);
                        faults.push(Fault::error(self.step.span, message));
                    }
                    resource.refresh();
                    resource.patched(self.step);
                }
            }
            Change::Merge(patches) => {
                for patch in patches {
                    if self.target.is_some() {
                        for resource in resources.iter_mut().filter(|it| self.is_target(it)) {
                            is_idle = false;
                            self.merge_into(resource, (patch, definitions), faults);
                        }
                    } else if let Some(index) = self.only_one(resources, patch, faults) {
                        is_idle = false;
                        self.merge_into(&mut resources[index], (patch, definitions), faults);
                    } else {
                        // It was said what is wrong.
                        is_idle = false;
                    }
                }
                resources.retain(|resource| !resource.value.is_null());
            }
        }
        let span = self.place;
        Applied { span, is_idle }
    }

    /// How many parts of objects it looks at, to find those that it is for and to change them.
    pub(super) fn size(
        &self,
        resources: &[Resource<'t>],
        definitions: Option<Definitions<'t>>,
    ) -> usize {
        let changes = match &self.change {
            Change::Operations(_) => 1,
            Change::Merge(patches) => patches.len(),
        };
        let targets = resources.iter().filter(|it| self.is_target(it));
        let changed = targets.filter(|_| self.target.is_some());
        let parts = changed.map(|it| it.value.parts(MAX_SIZE)).sum::<usize>();
        changes * (resources.len() + parts) + self.pairs(resources, definitions)
    }

    /// How many items of lists it compares with each other, where they merge by key.
    fn pairs(&self, resources: &[Resource<'t>], definitions: Option<Definitions<'t>>) -> usize {
        let Change::Merge(patches) = &self.change else {
            return 0;
        };
        let of = |resource: &Resource<'t>, patch: &Value<'t>| {
            let schema = Schema::of(&resource.id.gvk, definitions);
            let values = [&resource.value, patch].into_iter();
            values
                .map(|value| merge::pairs(value, schema))
                .sum::<usize>()
        };
        let of_patch = |patch: &Value<'t>| match self.target {
            Some(_) => {
                let targets = resources.iter().filter(|it| self.is_target(it));
                targets.map(|resource| of(resource, patch)).sum()
            }
            None => {
                let only = self.only_one(resources, patch, &mut Vec::new());
                only.map_or(0, |index| of(&resources[index], patch))
            }
        };
        patches.iter().map(of_patch).sum()
    }

    /// Whether it is merged into objects.
    pub(crate) fn is_merge(&self) -> bool {
        matches!(self.change, Change::Merge(_))
    }

    /// Whether kustomize puts the list of all objects together anew for it, which fails if two
    /// are one by then.
    pub(crate) fn lists_anew(&self) -> bool {
        self.target.is_some() && self.is_merge()
    }

    fn is_target(&self, resource: &Resource<'_>) -> bool {
        self.target
            .as_ref()
            .is_some_and(|target| target.selects(resource))
    }

    /// The one object that is or was what the patch says it is.
    fn only_one(
        &self,
        resources: &[Resource<'t>],
        patch: &Value<'t>,
        faults: &mut Vec<Fault>,
    ) -> Option<usize> {
        let id = ObjectId::of(patch);
        let is_it =
            |resource: &Resource<'_>| resource.every_id().any(|known| known.is_same_as(&id));
        let mut found = resources.iter().enumerate().filter(|(_, it)| is_it(it));
        let first = found.next();
        let may_be_elsewhere = faults.iter().any(Fault::adds_unknown_objects);
        let message = match (first, found.next()) {
            (Some((index, _)), None) => return Some(index),
            // A chart or a base that is not here may bring it.
            (None, _) if may_be_elsewhere => return None,
            (None, _) => format!("this patch is for {id}, which is not among the resources"),
            (Some(_), Some(_)) => format!("this patch is for {id}, of which there are several"),
        };
        faults.push(Fault::error(self.step.span, message));
        None
    }

    fn merge_into(
        &self,
        resource: &mut Resource<'t>,
        (patch, definitions): (&Value<'t>, Option<Definitions<'t>>),
        faults: &mut Vec<Fault>,
    ) {
        if self.allows_name_change || self.allows_kind_change {
            resource.remember();
        }
        let mut patch = patch.clone();
        if self.target.is_some() || self.step.field == "patchesStrategicMerge" {
            // kustomize copies these, by which a label that is to be deleted becomes a text, and
            // a mapping of none is gone.
            if let Some(metadata) = patch.get_mut("metadata") {
                copy_pairs(metadata, "labels");
                copy_pairs(metadata, "annotations");
            }
            // The patch takes the version of what it is for; of its own only the kind counts.
            let version = resource.value.get("apiVersion");
            if let (Some(version), Some(own)) = (version, patch.get_mut("apiVersion")) {
                *own = version;
            }
        }
        // Where nothing is known of the object, what the patch says it is decides.
        let schema = Schema::of(&resource.id.gvk, definitions)
            .or_else(|| Schema::of(&ObjectId::of(&patch).gvk, definitions));
        match merge::merge(&resource.value, &patch, schema) {
            Err(message) => {
                let message = format!(
                    "this patch cannot be merged into {}: {message}",
                    resource.id
                );
                faults.push(Fault::error(self.step.span, message));
            }
            Ok(None) => {
                resource.value = Value::plain_at("null", self.step.span);
            }
            Ok(Some(mut merged)) => {
                let before = &resource.value.clone();
                if !self.allows_kind_change {
                    restore(&mut merged, before, &["kind"]);
                }
                if !self.allows_name_change {
                    restore(&mut merged, before, &["metadata", "name"]);
                    let metadata = merged.get_mut("metadata");
                    if let Some(name) = metadata.and_then(|it| it.get_mut("name")) {
                        forget_type(name);
                    }
                }
                restore(&mut merged, before, &["metadata", "namespace"]);
                if let Some(metadata) = merged.get_mut("metadata")
                    && let Some(namespace) = metadata.get("namespace")
                    && (namespace.is_null() || namespace.text() == Some(""))
                {
                    metadata.remove("namespace");
                }
                resource.value = merged;
                if drops_annotations(&patch) {
                    notes::forget(resource);
                }
                resource.keep_twins_alike_with(before, &patch);
                resource.refresh();
                resource.patched(self.step);
            }
        }
    }
}

/// Whether a patch takes all annotations away, with what kustomize notes among them.
fn drops_annotations(patch: &Value<'_>) -> bool {
    let annotations = patch.find(&["metadata", "annotations"]);
    annotations.is_some_and(|annotations| {
        let directive = annotations.text_of(&["$patch"]);
        annotations.is_null() || directive == "replace" || directive == "delete"
    })
}

/// Whether operations go to annotations.
fn names_annotations(operations: &Value<'_>) -> bool {
    let mut paths = operations
        .items()
        .flat_map(|operation| ["path", "from"].map(|field| operation.text_of(&[field])));
    paths.any(|path| leads_to_annotations(path.split('/').skip(1)))
}

/// What kustomize's copy of a mapping of texts holds.
fn copy_pairs(metadata: &mut Value<'_>, field: &str) {
    let Some(pairs) = metadata.get_mut(field) else {
        return;
    };
    if pairs.fields().next().is_none() {
        metadata.remove(field);
        return;
    }
    for pair in pairs.fields_mut().into_iter().flatten() {
        if !pair.value.is_text() && pair.value.is_scalar() {
            let text = pair.value.text().unwrap_or_default().to_owned();
            pair.value = Value::text_at(text, pair.value.span());
        }
    }
}

/// kustomize writes the name of a patched object anew, without a type: one without quotes is what
/// it looks like.
fn forget_type(name: &mut Value<'_>) {
    let looks_typed = name.text().is_some_and(|text| Type::of(text).is_some());
    if looks_typed && !name.has_quotes() && !name.is_null() {
        *name = name.rewritten(name.text().unwrap_or_default().to_owned());
    }
}

/// Gives a field the value that it had before.
fn restore<'t>(value: &mut Value<'t>, before: &Value<'t>, path: &[&str]) {
    let own = before.find(path);
    let (last, parents) = path.split_last().expect("a path has a last part");
    let mut place = value;
    for part in parents {
        match place.get_mut(part) {
            Some(next) => place = next,
            None => return,
        }
    }
    match own {
        Some(own) => {
            let is_same = place.get(last).is_some_and(|it| it.says_as(&own));
            if !is_same || place.get(last).is_some_and(|it| it.span() != own.span()) {
                let span = own.span();
                place.set((*last).to_owned(), span, own);
            }
        }
        None => {
            place.remove(last);
        }
    }
}

/// Counts the entries of a list that may go on in another text: Flux adds its patches to those
/// of a kustomization, and each list counts from 1.
#[derive(Default)]
struct Entries {
    source: Option<SourceId>,
    count: u32,
}

impl Entries {
    /// The number of the entry that comes next.
    fn next(&mut self, item: &Value<'_>) -> Option<u32> {
        let source = Some(item.span().source);
        if self.source != source {
            *self = Self { source, count: 0 };
        }
        self.count += 1;
        Some(self.count)
    }
}

/// Whether a field of a patch is there: an empty text is none.
fn says_some(value: &Value<'_>) -> bool {
    value.text().is_none_or(|text| !text.trim().is_empty())
}

/// Whether a text begins as JSON and is none.
fn is_broken_json(text: &str) -> bool {
    text.starts_with('[') && serde_json::from_str::<IgnoredAny>(text).is_err()
}

/// The documents of the file that a path names.
fn of_path<'t>(
    library: &'t Library<'_>,
    kustomization: &Kustomization<'t>,
    path: &Value<'t>,
) -> Result<Vec<Value<'t>>, Fault> {
    let text = path.text().unwrap_or_default();
    let full = kustomization.path(text);
    objects::values_of_file(library, &full).unwrap_or_else(|| {
        let message = format!("there is no patch `{text}`");
        Err(Fault::error(path.span(), message))
    })
}
