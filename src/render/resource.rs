//! One object on its way through a build: its value, the names that it had before, and who
//! changed it.
//!
//! Refuses to know what the changes were.

use super::object_id::ObjectId;
use super::scalar::Style;
use super::value::Value;
use crate::source::Span;
use std::collections::HashMap;
use std::sync::Arc;

/// An object of a build.
#[derive(Clone, Debug)]
pub(crate) struct Resource<'t> {
    /// The object.
    pub(crate) value: Value<'t>,
    /// What it is now; [`Resource::refresh`] keeps it true.
    pub(crate) id: ObjectId,
    /// What it was, the oldest first.
    pub(crate) previous: Vec<ObjectId>,
    /// The prefixes that its name got, in their order.
    pub(crate) prefixes: Vec<String>,
    /// The suffixes that its name got, in their order.
    pub(crate) suffixes: Vec<String>,
    /// The names of the variables that are read from it.
    pub(crate) variables: Vec<String>,
    /// How many sets of values it has that change as one.
    pub(crate) twins: u32,
    /// Whether kustomize notes its origin, which it does in its annotations.
    pub(crate) is_noted: bool,
    /// How it was generated, if it was.
    pub(crate) generated: Option<Generated>,
    /// A key that stands twice in one mapping of its document, if there is one: where the second
    /// one is.
    pub(crate) repeated_key: Option<(String, Span)>,
    /// The texts of its document's comments and of those of its patches.
    pub(crate) comments: Vec<Arc<[Span]>>,
    /// What changed it on the way, in order: places in kustomizations, and what stands there.
    pub(crate) steps: Vec<Step>,
}

/// How an object was generated.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Generated {
    /// What it does to one that is there.
    pub(crate) behavior: Behavior,
    /// What its name gets behind it.
    pub(crate) hash: NameHash,
}

impl Generated {
    /// Whether a hash tells its name from others.
    pub(crate) fn has_hash(self) -> bool {
        self.hash != NameHash::None
    }
}

/// The hash behind the name of a generated object.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum NameHash {
    /// That of its content.
    OfContent,
    /// One of a content that is not known: a file was not read.
    Unknown,
    /// There is none.
    None,
}

/// What a generated object does to one that is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Behavior {
    /// There must be none.
    Create,
    /// It takes its place.
    Replace,
    /// It adds to its data.
    Merge,
}

/// A part of a kustomization that changed an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Step {
    /// The field: `patches`, `labels`, `namespace` and so on.
    pub field: &'static str,
    /// Which entry of a field that is a list of patches, counted from 1; `None` for other fields.
    pub entry: Option<u32>,
    /// The text in the kustomization.
    pub span: Span,
}

impl<'t> Resource<'t> {
    /// An object as it is read.
    pub(crate) fn new(value: Value<'t>) -> Self {
        Self {
            id: ObjectId::of(&value),
            value,
            previous: Vec::new(),
            prefixes: Vec::new(),
            suffixes: Vec::new(),
            variables: Vec::new(),
            twins: 0,
            is_noted: false,
            generated: None,
            repeated_key: None,
            comments: Vec::new(),
            steps: Vec::new(),
        }
    }

    /// Reads its identity again after a change.
    pub(crate) fn refresh(&mut self) {
        self.id = ObjectId::of(&self.value);
    }

    /// What it was at first.
    pub(crate) fn original(&self) -> &ObjectId {
        self.previous.first().unwrap_or(&self.id)
    }

    /// Whether kustomize has noted anything of it, which it does in its annotations.
    pub(crate) fn has_notes(&self) -> bool {
        self.is_noted || !self.previous.is_empty() || self.generated.is_some()
    }

    /// Whether kustomize cannot tell its earlier names from each other: it keeps names,
    /// namespaces and kinds in three lists, separated by commas, and no empty ones.
    pub(crate) fn is_lost(&self) -> bool {
        let count = |of: fn(&ObjectId) -> &str| {
            let texts = self.previous.iter().map(of);
            let texts = texts.filter(|text| !text.is_empty());
            texts.map(|text| text.split(',').count()).sum::<usize>()
        };
        let names = count(|id| &id.name);
        names > 0 && (names != count(|id| &id.namespace) || names != count(|id| &id.gvk.kind))
    }

    /// Remembers what it is now.
    pub(crate) fn remember(&mut self) {
        let mut id = self.id.clone();
        id.namespace = id.effective_namespace().to_owned();
        self.previous.push(id);
    }

    /// What it was and is. Earlier ones have the group and version that it has now, as
    /// kustomize keeps only names.
    pub(crate) fn every_id(&self) -> impl Iterator<Item = &ObjectId> {
        self.previous.iter().chain(std::iter::once(&self.id))
    }

    /// Gives values that kustomize set as one node what the last one of them got of a merged
    /// patch, be it what it had: merging goes through the fields of a mapping by their names.
    pub(crate) fn keep_twins_alike_with(&mut self, before: &Value<'t>, patch: &Value<'t>) {
        if self.twins == 0 {
            return;
        }
        let mut merged = Vec::new();
        collect_merged(&self.value, patch, &mut merged);
        if !merged.is_empty() {
            set_twins(&mut self.value, &merged);
        }
        self.keep_twins_alike(before);
    }

    /// Gives values that kustomize set as one node what one of them got since `before`: it
    /// changes that node wherever it changes one of them.
    pub(crate) fn keep_twins_alike(&mut self, before: &Value<'t>) {
        if self.twins == 0 {
            return;
        }
        let mut old = Vec::new();
        collect_twins(before, &mut old);
        let mut new = Vec::new();
        collect_twins(&self.value, &mut new);
        let mut known: HashMap<u32, &Value<'t>> = HashMap::new();
        for value in &old {
            known.entry(value.twin()).or_insert(value);
        }
        let is_other = |value: &Value<'t>| {
            let known = known.get(&value.twin());
            known.is_some_and(|known| known.text() != value.text())
        };
        let changed: Vec<Value<'t>> = new.into_iter().filter(is_other).collect();
        if !changed.is_empty() {
            set_twins(&mut self.value, &changed);
        }
    }

    /// Writes the values that were set as one in another way.
    pub(crate) fn write_twins(&mut self, twin: u32, style: Style) {
        write_twins(&mut self.value, twin, style);
    }

    /// Makes values of their own of those that change as one.
    pub(crate) fn part_twins(&mut self) {
        if std::mem::take(&mut self.twins) > 0 {
            part(&mut self.value);
        }
    }

    /// Puts it into a namespace, if it has one and names none; `field` is what says so.
    pub(crate) fn settle(&mut self, field: &'static str, namespace: &Value<'t>) {
        let is_named = namespace.text().is_some_and(|text| !text.is_empty());
        if !is_named || self.id.gvk.is_cluster_scoped() || !self.id.namespace.is_empty() {
            return;
        }
        let span = namespace.span();
        if let Some(metadata) = self.value.get_mut("metadata") {
            metadata.set("namespace", span, namespace.clone());
        }
        self.refresh();
        self.step(field, span);
    }

    /// Notes who changed it.
    pub(crate) fn step(&mut self, field: &'static str, span: Span) {
        let entry = None;
        self.patched(Step { field, entry, span });
    }

    /// Notes which patch changed it.
    pub(crate) fn patched(&mut self, step: Step) {
        if self.steps.last() != Some(&step) {
            self.steps.push(step);
        }
    }

    /// Who changed it, shared with another object where the same did.
    pub(crate) fn steps_as(&self, other: Option<&Arc<[Step]>>) -> Arc<[Step]> {
        let is_same = |other: &&Arc<[Step]>| ***other == *self.steps;
        let other = other.filter(is_same);
        other.map_or_else(|| self.steps.as_slice().into(), Arc::clone)
    }
}

fn collect_twins<'t>(value: &Value<'t>, found: &mut Vec<Value<'t>>) {
    if matches!(value, Value::Read(_)) {
        return;
    }
    if value.twin() != 0 {
        found.push(value.clone());
    }
    value.items().for_each(|item| collect_twins(&item, found));
    value
        .fields()
        .for_each(|field| collect_twins(&field.value, found));
}

/// The twins that a patch names, in the order in which it is merged.
fn collect_merged<'t>(value: &Value<'t>, patch: &Value<'t>, found: &mut Vec<Value<'t>>) {
    if value.twin() != 0 && patch.is_scalar() {
        found.push(value.clone());
    }
    let mut fields: Vec<_> = patch.fields().collect();
    fields.sort_by(|one, other| one.key.text().cmp(&other.key.text()));
    for field in &fields {
        if let Some(own) = value.get(&field.key.text()) {
            collect_merged(&own, &field.value, found);
        }
    }
}

fn set_twins<'t>(value: &mut Value<'t>, changed: &[Value<'t>]) {
    if matches!(value, Value::Read(_)) {
        return;
    }
    if let Some(twin) = changed.iter().rfind(|it| it.twin() == value.twin()) {
        *value = twin.clone();
    } else if value.is_sequence() {
        let items = value.items_mut().into_iter().flatten();
        items.for_each(|item| set_twins(item, changed));
    } else if value.is_mapping() {
        let fields = value.fields_mut().into_iter().flatten();
        fields.for_each(|field| set_twins(&mut field.value, changed));
    }
}

fn write_twins(value: &mut Value<'_>, twin: u32, style: Style) {
    if matches!(value, Value::Read(_)) {
        return;
    }
    if value.twin() == twin {
        *value = value.clone().with_style(style);
    } else if value.is_sequence() {
        let items = value.items_mut().into_iter().flatten();
        items.for_each(|item| write_twins(item, twin, style));
    } else if value.is_mapping() {
        let fields = value.fields_mut().into_iter().flatten();
        fields.for_each(|field| write_twins(&mut field.value, twin, style));
    }
}

fn part(value: &mut Value<'_>) {
    if matches!(value, Value::Read(_)) {
        return;
    }
    if value.is_null() {
        *value = Value::plain_at("null", value.span());
    } else if value.twin() != 0 {
        *value = match value.is_text() {
            true => Value::text_at(value.text().unwrap_or_default().to_owned(), value.span()),
            false => value.apart(),
        };
    }
    if value.is_sequence() {
        value.items_mut().into_iter().flatten().for_each(part);
    } else if value.is_mapping() {
        let fields = value.fields_mut().into_iter().flatten();
        fields.for_each(|field| part(&mut field.value));
    }
}
