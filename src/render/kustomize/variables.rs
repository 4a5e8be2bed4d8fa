//! `vars`: texts `$(NAME)` replaced by fields of other objects.
//!
//! Refuses to know which fields are looked into.

use super::fault::Fault;
use super::field_path::{self, find};
use super::field_spec::{FieldSpec, Missing, apply, visit};
use super::file;
use crate::render::object_id::{Gvk, ObjectId};
use crate::render::resource::Resource;
use crate::render::value::Value;
use std::collections::BTreeMap;

/// How many bytes all texts together may have in which variables were replaced: a short text may
/// name a long one as often as it likes.
const MAX_EXPANDED: usize = 16 << 20;

/// A variable.
#[derive(Clone, Debug)]
pub(crate) struct Variable<'t> {
    name: String,
    object: ObjectId,
    path: String,
    place: Value<'t>,
}

impl<'t> Variable<'t> {
    /// Reads an entry of `vars`.
    pub(crate) fn read(item: &Value<'t>) -> Self {
        let object = file::field(item, "objref");
        let part = |name: &str| {
            let object = object.as_ref();
            object
                .map(|object| file::text(object, name))
                .unwrap_or_default()
        };
        let gvk = match part("apiVersion") {
            version if version.is_empty() => Gvk {
                group: part("group"),
                version: part("version"),
                kind: part("kind"),
            },
            version => Gvk::new(&version, &part("kind")),
        };
        let reference = file::field(item, "fieldref");
        let path = reference
            .map(|it| file::text(&it, "fieldpath"))
            .unwrap_or_default();
        Self {
            name: file::text(item, "name"),
            object: ObjectId {
                gvk,
                name: part("name"),
                namespace: part("namespace"),
            },
            path: if path.is_empty() {
                "metadata.name".to_owned()
            } else {
                path
            },
            place: item.clone(),
        }
    }

    /// Marks the object that the variable reads. Several are a mistake.
    pub(crate) fn mark(&self, resources: &mut [Resource<'t>]) -> Result<(), Fault> {
        // kustomize does not see that the kind of an `objref` has no namespace: with a namespace
        // it finds no object of that kind.
        let namespace = &self.object.namespace;
        let is_it = |id: &ObjectId| {
            let is_there = namespace.is_empty() || id.effective_namespace() == namespace;
            is_there && id.name == self.object.name && id.gvk == self.object.gvk
        };
        let matching = resources.iter_mut().filter(|it| it.every_id().any(is_it));
        let mut matching: Vec<_> = matching.collect();
        match &mut matching[..] {
            [] => Ok(()),
            [resource] => {
                resource.variables.push(self.name.clone());
                Ok(())
            }
            _ => {
                let message = format!(
                    "the variable `{}` may be read from several objects",
                    self.name
                );
                Err(Fault::error(self.place.span(), message))
            }
        }
    }
}

/// Adds variables. Two of one name are a mistake, and be it one that comes by two ways (kustomize,
/// `VarSet.Merge`).
pub(crate) fn add<'t>(
    all: &mut Vec<Variable<'t>>,
    more: impl IntoIterator<Item = Variable<'t>>,
    faults: &mut Vec<Fault>,
) {
    for variable in more {
        if all.iter().any(|known| known.name == variable.name) {
            let message = format!("the variable `{}` is defined twice", variable.name);
            faults.push(Fault::error(variable.place.span(), message));
        } else {
            all.push(variable);
        }
    }
}

/// Replaces all variables.
pub(crate) fn resolve<'t>(
    resources: &mut [Resource<'t>],
    variables: &[Variable<'t>],
    specs: &[FieldSpec],
    faults: &mut Vec<Fault>,
) {
    let mut values: BTreeMap<&str, Value<'t>> = BTreeMap::new();
    for variable in variables {
        let source = resources
            .iter()
            .find(|it| it.variables.contains(&variable.name));
        let value =
            source.map(|it| find(&it.value, &field_path::split_with_indexes(&variable.path)));
        match value {
            Some(Some(value)) => {
                values.insert(&variable.name, value);
            }
            Some(None) => {
                let message = format!("`{}` is missing from {}", variable.path, variable.object);
                faults.push(Fault::error(variable.place.span(), message));
            }
            None => {
                let message = format!(
                    "the variable `{}` is read from {}, which is not among the resources",
                    variable.name, variable.object
                );
                faults.push(Fault::error(variable.place.span(), message));
            }
        }
    }
    if values.is_empty() {
        return;
    }
    let mut left = MAX_EXPANDED;
    for resource in resources {
        let gvk = resource.id.gvk.clone();
        for spec in specs {
            let mut has_some = false;
            visit(spec, (&gvk, &resource.value), &mut |value| {
                has_some |= mentions(value)
            });
            if !has_some {
                continue;
            }
            let mut set = |value: &mut Value<'t>| replace(value, &values, &mut left);
            if let Err(message) = apply(
                spec,
                (&gvk, &mut resource.value),
                Missing::Ignored,
                &mut set,
            ) {
                faults.push(Fault::error(resource.value.span(), message));
            }
        }
        resource.refresh();
    }
}

/// Whether a variable may stand in a value, or a look for one gives it a type.
fn mentions(value: &Value<'_>) -> bool {
    let has = |text: Option<&str>| text.is_some_and(|text| text.contains('$'));
    let is_one = |value: &Value<'_>| has(value.text()) || value.is_untyped();
    is_one(value)
        || value.items().any(|item| is_one(&item) || !item.is_text())
        || value.fields().any(|field| is_one(&field.value))
}

fn replace<'t>(
    value: &mut Value<'t>,
    values: &BTreeMap<&str, Value<'t>>,
    left: &mut usize,
) -> Result<(), String> {
    let mut one = |scalar: &mut Value<'t>| replace_scalar(scalar, values, left);
    if value.is_scalar() {
        one(value)
    } else if value.is_sequence() {
        if value
            .items()
            .any(|item| !item.is_text() && !item.is_untyped())
        {
            return Err("a list that may have variables has an item that is not a text".to_owned());
        }
        let mut items = value.items_mut().into_iter().flatten();
        items.try_for_each(one)
    } else {
        let mut fields = value.fields_mut().into_iter().flatten();
        fields.try_for_each(|field| one(&mut field.value))
    }
}

/// Replaces the variables in a scalar; `left` is how long all texts together may still become.
fn replace_scalar<'t>(
    scalar: &mut Value<'t>,
    values: &BTreeMap<&str, Value<'t>>,
    left: &mut usize,
) -> Result<(), String> {
    if scalar.is_untyped() {
        let text = scalar.shared_text().unwrap_or_default();
        *scalar = Value::text_at(text, scalar.span()).with_twin(scalar.twin());
    }
    if !scalar.is_text() {
        return Ok(());
    }
    let Some(text) = scalar.text().filter(|text| text.contains('$')) else {
        return Ok(());
    };
    // A variable alone keeps the type of its value.
    let alone = text
        .strip_prefix("$(")
        .and_then(|rest| rest.strip_suffix(')'));
    if let Some(value) = alone.and_then(|name| values.get(name)) {
        if value.is_scalar() {
            *scalar = value.clone();
        }
        return Ok(());
    }
    let new = expand(text, values, *left).ok_or_else(|| {
        format!("the values of variables become longer than {MAX_EXPANDED} bytes")
    })?;
    *left -= new.len();
    if new != text {
        *scalar = Value::text_at(new, scalar.span());
    }
    Ok(())
}

/// A text with its variables replaced; `$$` stands for one `$`, unknown ones stay. `None` if it
/// is longer than `limit`.
fn expand(text: &str, values: &BTreeMap<&str, Value<'_>>, limit: usize) -> Option<String> {
    let mut result = String::new();
    let mut rest = text;
    while let Some(at) = rest.find('$') {
        if result.len() > limit {
            return None;
        }
        result.push_str(&rest[..at]);
        let behind = &rest[at + 1..];
        if let Some(inner) = behind.strip_prefix('$') {
            result.push('$');
            rest = inner;
            continue;
        }
        let name = behind
            .strip_prefix('(')
            .and_then(|inner| inner.split_once(')'));
        match name {
            Some((name, after)) => {
                match values.get(name).and_then(|value| value.text()) {
                    Some(value) => result.push_str(value),
                    None => result.push_str(&format!("$({name})")),
                }
                rest = after;
            }
            None => {
                result.push('$');
                rest = behind;
            }
        }
    }
    result.push_str(rest);
    (result.len() <= limit).then_some(result)
}
