//! JSON patches (RFC 6902) as kustomize applies them, with the liberties of its library
//! (evanphx/json-patch 4): `-` appends, a negative index counts from the end.
//!
//! Refuses to know which object a patch is for.

use crate::render::value::{Field, Key, MAX_PARTS, Value};
use crate::yaml::Kind;

/// How many parts may be copied before the size of the object is looked at again.
const UNCHECKED: usize = 1_000;

/// Applies all operations in order; the first that cannot be applied spoils all.
pub(crate) fn apply<'t>(object: &mut Value<'t>, operations: &Value<'t>) -> Result<(), String> {
    let mut copied = 0;
    for operation in operations.items() {
        let name = operation.text_of(&["op"]);
        one(object, &operation, &name)
            .and_then(|parts| {
                copied += parts;
                grown(object, &mut copied)
            })
            .map_err(|error| format!("{name} `{}`: {error}", operation.text_of(&["path"])))?;
    }
    Ok(())
}

/// Rejects an object that has become too large by copies of its own parts, which double it with
/// each operation.
fn grown(object: &Value<'_>, copied: &mut usize) -> Result<(), String> {
    if *copied <= UNCHECKED {
        return Ok(());
    }
    *copied = 0;
    match object.is_too_large() {
        true => Err("the object becomes larger than the API server accepts".to_owned()),
        false => Ok(()),
    }
}

/// Whether a document is a list of operations.
pub(crate) fn is_patch(value: &Value<'_>) -> bool {
    let is_operation = |item: Value<'_>| item.get("op").is_some() && item.get("path").is_some();
    value.is_sequence() && !value.is_empty() && value.items().all(is_operation)
}

/// Applies one operation; returns how many parts of the object it has copied.
fn one<'t>(object: &mut Value<'t>, operation: &Value<'t>, name: &str) -> Result<usize, String> {
    let path = pointer(&operation.text_of(&["path"]))?;
    let from = || pointer(&operation.text_of(&["from"]));
    // Where there is none, null is put.
    let value = || {
        let given = operation.get("value");
        given.unwrap_or_else(|| Value::plain_at("null", operation.span()))
    };
    match name {
        "add" => add(object, &path, key_of(operation), value())?,
        "replace" => {
            if path.is_empty() {
                let value = value();
                if value.is_scalar() {
                    return Err("the object has to stay one".to_owned());
                }
                *object = value;
                return Ok(0);
            }
            // A key of a mapping need not be there.
            let parents = &path[..path.len() - 1];
            if find(object, parents).is_some_and(|parent| parent.is_mapping()) {
                add(object, &path, key_of(operation), value())?;
                return Ok(0);
            }
            let place = find_mut(object, &path).ok_or("there is nothing to replace")?;
            *place = value();
        }
        "remove" => {
            remove(object, &path)?;
        }
        "move" => {
            let moved = remove(object, &from()?)?;
            add(object, &path, key_of(operation), moved)?;
        }
        "copy" => {
            let from = from()?;
            let (key, parents) = from.split_last().ok_or("there is nothing to copy")?;
            let parent = find(object, parents).ok_or("there is nothing to copy")?;
            // A mapping has null where it has no such key.
            let copied = match find(object, &from) {
                None if parent.is_mapping() => Value::plain_at("null", operation.span()),
                found => found.ok_or_else(|| format!("there is no item {key} to copy"))?,
            };
            let parts = copied.parts(MAX_PARTS);
            add(object, &path, key_of(operation), copied)?;
            return Ok(parts);
        }
        "test" => {
            let found = find(object, &path);
            let expected = operation.get("value");
            let is_same = match (&found, &expected) {
                (Some(found), Some(expected)) => found.says_as(expected),
                (None, expected) => expected.as_ref().is_none_or(Value::is_null),
                (Some(found), None) => found.is_null(),
            };
            if !is_same {
                return Err("the value differs".to_owned());
            }
        }
        _ => return Err("there is no such operation".to_owned()),
    }
    Ok(0)
}

/// The text that a key stands for which an operation makes.
fn key_of(operation: &Value<'_>) -> crate::source::Span {
    operation
        .get("path")
        .map_or_else(|| operation.span(), |path| path.span())
}

/// The parts of a JSON pointer.
fn pointer(text: &str) -> Result<Vec<String>, String> {
    if text.is_empty() {
        return Ok(Vec::new());
    }
    // What stands in front of the first slash is not looked at.
    let (_, rest) = text.split_once('/').ok_or("a path starts with `/`")?;
    let parts = rest.split('/');
    Ok(parts
        .map(|part| part.replace("~1", "/").replace("~0", "~"))
        .collect())
}

/// The position that a part names in a list of this length.
fn position(part: &str, length: usize) -> Option<usize> {
    let index: i64 = part.parse().ok()?;
    let index = if index < 0 {
        index + length as i64
    } else {
        index
    };
    usize::try_from(index).ok().filter(|index| *index < length)
}

fn find<'t>(value: &Value<'t>, path: &[String]) -> Option<Value<'t>> {
    path.iter()
        .try_fold(value.clone(), |value, part| match value.kind() {
            Kind::Mapping => value.get(part),
            Kind::Sequence => value.item(position(part, value.length())?),
            Kind::Scalar => None,
        })
}

fn find_mut<'a, 't>(value: &'a mut Value<'t>, path: &[String]) -> Option<&'a mut Value<'t>> {
    find(value, path)?;
    let mut place = value;
    for part in path {
        place = match place.kind() {
            Kind::Mapping => place.get_mut(part)?,
            Kind::Sequence => {
                let items = place.items_mut()?;
                let position = position(part, items.len())?;
                items.get_mut(position)?
            }
            Kind::Scalar => return None,
        };
    }
    Some(place)
}

fn add<'t>(
    object: &mut Value<'t>,
    path: &[String],
    key_span: crate::source::Span,
    value: Value<'t>,
) -> Result<(), String> {
    let (last, parents) = path.split_last().ok_or("the object has no parent")?;
    let parent = find_mut(object, parents).ok_or("its parent is missing")?;
    match parent.kind() {
        Kind::Mapping => {
            if parent.get(last).is_some() {
                parent.set(last.clone(), key_span, value);
            } else if let Some(fields) = parent.fields_mut() {
                let key = Key::Made(last.clone().into(), key_span);
                fields.push(Field { key, value });
            }
            Ok(())
        }
        Kind::Sequence => {
            let items = parent.items_mut().ok_or("its parent is not a list")?;
            if last == "-" {
                items.push(value);
                return Ok(());
            }
            let index: i64 = last.parse().map_err(|_| "a list needs a position or `-`")?;
            let length = items.len() as i64;
            // A negative one counts from the end of the longer list.
            let index = if index < 0 { index + length + 1 } else { index };
            let index = usize::try_from(index)
                .ok()
                .filter(|index| *index <= items.len())
                .ok_or("the position is after the end of the list")?;
            items.insert(index, value);
            Ok(())
        }
        Kind::Scalar => Err("its parent is not a mapping or a list".to_owned()),
    }
}

fn remove<'t>(object: &mut Value<'t>, path: &[String]) -> Result<Value<'t>, String> {
    let missing = || "there is nothing to remove".to_owned();
    let removed = find(object, path).ok_or_else(missing)?;
    let (last, parents) = path
        .split_last()
        .ok_or("the whole object cannot be removed")?;
    let parent = find_mut(object, parents).ok_or_else(missing)?;
    if parent.is_mapping() {
        parent.remove(last);
    } else if let Some(items) = parent.items_mut() {
        let position = position(last, items.len()).ok_or_else(missing)?;
        items.remove(position);
    }
    Ok(removed)
}
