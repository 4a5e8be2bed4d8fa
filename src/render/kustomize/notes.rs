//! What kustomize notes of an object that had another name or that it generated. It does so in
//! the object's own annotations, where the steps of a build that work on annotations find it:
//! they may copy it elsewhere, or lose it.
//!
//! Refuses to know what the notes are good for. After kustomize
//! (`api/internal/utils/annotations.go`, `api/resource/resource.go`).

use super::transform::ANNOTATIONS;
use crate::render::object_id::{Gvk, ObjectId};
use crate::render::resource::{Behavior, NameHash, Resource};
use crate::render::value::Value;
use crate::source::Span;

const PREVIOUS_NAMES: &str = "internal.config.kubernetes.io/previousNames";
const PREVIOUS_NAMESPACES: &str = "internal.config.kubernetes.io/previousNamespaces";
const PREVIOUS_KINDS: &str = "internal.config.kubernetes.io/previousKinds";
const PREFIXES: &str = "internal.config.kubernetes.io/prefixes";
const SUFFIXES: &str = "internal.config.kubernetes.io/suffixes";
const GENERATED: &str = "internal.config.kubernetes.io/generatorBehavior";
const HASHED: &str = "internal.config.kubernetes.io/needsHashSuffix";

/// All of them.
const NOTES: [&str; 7] = [
    PREVIOUS_NAMES,
    PREVIOUS_NAMESPACES,
    PREVIOUS_KINDS,
    PREFIXES,
    SUFFIXES,
    GENERATED,
    HASHED,
];

/// Does something to an object that finds the notes among its annotations, and may change them.
pub(crate) fn with_notes<'t, T>(
    resource: &mut Resource<'t>,
    span: Span,
    work: impl FnOnce(&mut Resource<'t>) -> T,
) -> T {
    with(resource, span, take_over, work)
}

/// The same for a JSON patch, behind which kustomize puts the notes back.
pub(crate) fn with_notes_kept<'t, T>(
    resource: &mut Resource<'t>,
    span: Span,
    work: impl FnOnce(&mut Resource<'t>) -> T,
) -> T {
    with(resource, span, |_, _| {}, work)
}

fn with<'t, T>(
    resource: &mut Resource<'t>,
    span: Span,
    take_over: impl FnOnce(&mut Resource<'t>, &[Option<String>; NOTES.len()]),
    work: impl FnOnce(&mut Resource<'t>) -> T,
) -> T {
    if !resource.has_notes() {
        return work(resource);
    }
    let own = resource.value.find(&ANNOTATIONS);
    let is_bare = own.is_none_or(|own| own.is_null());
    resource.value = noted(resource, span);
    let written = NOTES.map(|key| note(&resource.value, key));
    let done = work(resource);
    let found = NOTES.map(|key| note(&resource.value, key));
    if found != written {
        take_over(resource, &found);
    }
    let metadata = resource.value.get_mut("metadata");
    let annotations = metadata.and_then(|metadata| metadata.get_mut("annotations"));
    let fields = annotations.and_then(Value::fields_mut);
    if let Some(fields) = fields {
        fields.retain(|field| !NOTES.iter().any(|note| field.key.is(note)));
        if is_bare && fields.is_empty() {
            drop_annotations(&mut resource.value);
        }
    }
    done
}

/// An object with the notes in its annotations, all of which stand for `span`.
pub(crate) fn noted<'t>(resource: &Resource<'t>, span: Span) -> Value<'t> {
    let mut value = resource.value.clone();
    let Some(metadata) = value.get_mut("metadata").filter(|_| resource.has_notes()) else {
        return value;
    };
    let own = metadata.get("annotations");
    if own.is_none_or(|own| own.is_null()) {
        metadata.set("annotations", span, Value::mapping_at(span));
    }
    if let Some(annotations) = metadata.get_mut("annotations") {
        for (key, text) in notes(resource) {
            annotations.set(key, span, Value::text_at(text, span));
        }
    }
    value
}

/// What becomes of an object whose annotations were taken away with the notes.
pub(crate) fn forget(resource: &mut Resource<'_>) {
    take_over(resource, &[const { None }; NOTES.len()]);
}

/// Takes the annotations out of an object.
pub(crate) fn drop_annotations(value: &mut Value<'_>) {
    if let Some(metadata) = value.get_mut("metadata") {
        metadata.remove("annotations");
    }
}

/// What is noted of an object: lists without empty items.
fn notes(resource: &Resource<'_>) -> Vec<(&'static str, String)> {
    let previous = |of: fn(&ObjectId) -> &str| joined(resource.previous.iter().map(of));
    let mut notes = vec![
        (PREVIOUS_NAMES, previous(|id| &id.name)),
        (PREVIOUS_NAMESPACES, previous(|id| &id.namespace)),
        (PREVIOUS_KINDS, previous(|id| &id.gvk.kind)),
        (
            PREFIXES,
            joined(resource.prefixes.iter().map(String::as_str)),
        ),
        (
            SUFFIXES,
            joined(resource.suffixes.iter().map(String::as_str)),
        ),
    ];
    if let Some(generated) = resource.generated {
        let behavior = match generated.behavior {
            Behavior::Create => "unspecified",
            Behavior::Replace => "replace",
            Behavior::Merge => "merge",
        };
        notes.push((GENERATED, behavior.to_owned()));
        let hashed = generated.has_hash().then(|| "enabled".to_owned());
        notes.extend(hashed.map(|it| (HASHED, it)));
    }
    notes.retain(|(_, text)| !text.is_empty());
    notes
}

fn joined<'a>(texts: impl Iterator<Item = &'a str>) -> String {
    let texts: Vec<&str> = texts.filter(|text| !text.is_empty()).collect();
    texts.join(",")
}

fn note(value: &Value<'_>, key: &str) -> Option<String> {
    let found = value.find(&ANNOTATIONS)?.get(key)?;
    found.text().map(str::to_owned)
}

/// Takes notes over that are others now: they were lost, or come from another object.
fn take_over(resource: &mut Resource<'_>, found: &[Option<String>; NOTES.len()]) {
    let [names, namespaces, kinds, prefixes, suffixes, _, hashed] = found;
    let list = |note: &Option<String>| -> Vec<String> {
        let items = note.iter().flat_map(|note| note.split(','));
        items.map(str::to_owned).collect()
    };
    let (names, namespaces, kinds) = (list(names), list(namespaces), list(kinds));
    let ids = names.into_iter().zip(namespaces).zip(kinds);
    let now = &resource.id.gvk;
    let previous = ids.map(|((name, namespace), kind)| ObjectId {
        gvk: Gvk {
            kind,
            ..now.clone()
        },
        name,
        namespace,
    });
    resource.previous = previous.collect();
    resource.prefixes = list(prefixes);
    resource.suffixes = list(suffixes);
    if let Some(generated) = &mut resource.generated
        && hashed.is_none()
    {
        generated.hash = NameHash::None;
    }
}

/// Whether the path of a value is that of annotations, of one of them, or of what holds them.
pub(crate) fn leads_to_annotations<'p>(mut path: impl Iterator<Item = &'p str>) -> bool {
    path.next() == Some("metadata") && path.next().is_none_or(|part| part == "annotations")
}
