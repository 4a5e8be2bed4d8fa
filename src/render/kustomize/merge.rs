//! Strategic merge patches, as kyaml's `merge2` merges them for kustomize: mappings field by
//! field, lists by key where the API has one (new items in front), everything else replaced;
//! null deletes, and `$patch` says otherwise.
//!
//! Refuses to know which object a patch is for.

use super::merge_keys::Schema;
use crate::render::value::Value;
use crate::yaml::Kind;
use std::collections::{BTreeSet, HashSet};

/// The key of a directive.
const DIRECTIVE: &str = "$patch";

/// What a directive asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Directive {
    Merge,
    Replace,
    Delete,
}

/// What became of a value.
enum Merged<'t> {
    /// It is gone.
    Gone,
    /// The value that was there, changed.
    Changed(Value<'t>),
    /// The patch's value in its place.
    Taken(Value<'t>),
}

impl<'t> Merged<'t> {
    fn value(self) -> Option<Value<'t>> {
        match self {
            Self::Gone => None,
            Self::Changed(value) | Self::Taken(value) => Some(value),
        }
    }
}

/// The object with the patch merged into it; `None` if the patch deletes it. One that is to
/// replace the whole object leaves it as it is: so does kustomize, which drops what comes
/// of it.
pub(crate) fn merge<'t>(
    object: &Value<'t>,
    patch: &Value<'t>,
    schema: Option<Schema<'t>>,
) -> Result<Option<Value<'t>>, String> {
    Ok(match walk(Some(object), Some(patch), schema)? {
        Merged::Gone => None,
        Merged::Changed(value) => Some(value),
        Merged::Taken(_) => Some(object.clone()),
    })
}

/// How many items of lists a merge compares with each other: those of each list that merges by
/// key, be there something to merge or not.
pub(super) fn pairs<'t>(value: &Value<'t>, schema: Option<Schema<'t>>) -> usize {
    let Some(schema) = schema else { return 0 };
    let of_fields = value.fields().map(|field| {
        let name = field.key.text();
        pairs(&field.value, schema.field(&name))
    });
    let of_items = schema.merge().map(|_| {
        let count = value.items().count();
        let within = value.items().map(|item| pairs(&item, schema.item()));
        count * count + within.sum::<usize>()
    });
    of_fields.sum::<usize>() + of_items.unwrap_or(0)
}

fn walk<'t>(
    old: Option<&Value<'t>>,
    patch: Option<&Value<'t>>,
    schema: Option<Schema<'t>>,
) -> Result<Merged<'t>, String> {
    let mut written = [old, patch]
        .into_iter()
        .flatten()
        .filter(|value| !value.is_null());
    let Some(first) = written.next() else {
        // Nothing but nulls: one that is spelled out stays where the patch says nothing.
        return Ok(match (old, patch) {
            (Some(old), None) if !old.is_unwritten() => Merged::Changed(old.clone()),
            _ => Merged::Gone,
        });
    };
    let kind = first.kind();
    if written.any(|value| value.kind() != kind) {
        return Err("the patch has a value of another type than the object".to_owned());
    }
    match kind {
        Kind::Mapping => walk_mapping(old, patch, schema),
        Kind::Sequence => match schema.and_then(Schema::merge) {
            Some(keys) => walk_list(old, patch, schema, &keys),
            None => Ok(override_with(old, patch)),
        },
        Kind::Scalar => Ok(override_with(old, patch)),
    }
}

/// The patch's value if it has one, be it null.
fn override_with<'t>(old: Option<&Value<'t>>, patch: Option<&Value<'t>>) -> Merged<'t> {
    match (old, patch) {
        (_, Some(patch)) if patch.is_null() => Merged::Gone,
        (Some(old), Some(patch)) => Merged::Taken(keep_if_same(old, patch)),
        (None, Some(patch)) => Merged::Taken(patch.clone()),
        (Some(old), None) => Merged::Changed(old.clone()),
        (None, None) => Merged::Gone,
    }
}

/// A patch that says what is there already changes nothing.
fn keep_if_same<'t>(old: &Value<'t>, patch: &Value<'t>) -> Value<'t> {
    match old.is_scalar() && old.says_as(patch) {
        true => old.clone(),
        false => patch.clone().with_twin(old.twin()),
    }
}

fn walk_mapping<'t>(
    old: Option<&Value<'t>>,
    patch: Option<&Value<'t>>,
    schema: Option<Schema<'t>>,
) -> Result<Merged<'t>, String> {
    let old = old.filter(|value| !value.is_null());
    let Some(patch) = patch else {
        // What the patch says nothing of is walked through all the same.
        return Ok(match old {
            Some(old) => Merged::Changed(fields_of(old, None, schema)?),
            None => Merged::Gone,
        });
    };
    if patch.is_null() {
        return Ok(Merged::Gone);
    }
    let Some(old) = old else {
        return Ok(match directive_of(patch) {
            Ok(Directive::Delete) => Merged::Gone,
            Ok(_) => Merged::Taken(fields_of(patch, Some(patch), schema)?),
            // Where there is nothing to merge with, nobody minds what is unknown: it stays.
            Err(_) => {
                let mut taken = fields_of(patch, Some(patch), schema)?;
                let mut fields = patch.fields();
                let directive = fields.find(|field| field.key.is(DIRECTIVE));
                if let Some(directive) = directive {
                    taken.set(DIRECTIVE, directive.key.span(), directive.value);
                }
                Merged::Taken(taken)
            }
        });
    };
    match directive_of(patch)? {
        Directive::Delete => Ok(Merged::Gone),
        Directive::Replace => Ok(Merged::Taken(fields_of(patch, Some(patch), schema)?)),
        Directive::Merge => Ok(Merged::Changed(fields_of(old, Some(patch), schema)?)),
    }
}

/// The fields of a mapping, each merged with that of the patch.
fn fields_of<'t>(
    old: &Value<'t>,
    patch: Option<&Value<'t>>,
    schema: Option<Schema<'t>>,
) -> Result<Value<'t>, String> {
    let mut result = old.clone();
    result.remove(DIRECTIVE);
    let mut names: BTreeSet<String> = BTreeSet::new();
    for value in [Some(old), patch].into_iter().flatten() {
        names.extend(value.fields().map(|field| field.key.text().into_owned()));
    }
    names.remove(DIRECTIVE);
    for name in names {
        let own = old.get(&name);
        let patched = patch.and_then(|patch| patch.fields().find(|field| field.key.is(&name)));
        let schema = schema.and_then(|schema| schema.field(&name));
        let value = patched.as_ref().map(|field| &field.value);
        let merged =
            walk(own.as_ref(), value, schema).map_err(|error| match error.starts_with('`') {
                true => format!("`{name}.{}", &error[1..]),
                false => format!("`{name}`: {error}"),
            })?;
        // What stands in quotes, or behind a tag, keeps them.
        let style = own.as_ref().filter(|own| own.is_scalar() && !own.is_null());
        let style = style.map(Value::style).filter(|_| patched.is_some());
        let value = merged.value().map(|value| match style {
            Some(style) if value.is_scalar() => value.with_style(style),
            _ => value,
        });
        match value {
            None => {
                result.remove(&name);
            }
            Some(value) => match patched {
                Some(field) if own.is_none() => {
                    let span = field.key.span();
                    result.set(name, span, value);
                }
                Some(_) => result.set(name, value.span(), value),
                None if own.as_ref().is_some_and(|own| is_same_node(own, &value)) => {}
                None => result.set(name, value.span(), value),
            },
        }
    }
    Ok(result)
}

/// Whether a value was left as it is.
fn is_same_node(one: &Value<'_>, other: &Value<'_>) -> bool {
    match (one, other) {
        (Value::Read(one), Value::Read(other)) => {
            one.id() == other.id() && one.span() == other.span()
        }
        (Value::Made(one), Value::Made(other)) => std::sync::Arc::ptr_eq(one, other),
        _ => false,
    }
}

fn directive_of(patch: &Value<'_>) -> Result<Directive, String> {
    match patch.get(DIRECTIVE) {
        None => Ok(Directive::Merge),
        Some(value) => directive(value.text().unwrap_or_default()),
    }
}

fn directive(text: &str) -> Result<Directive, String> {
    match text {
        "delete" => Ok(Directive::Delete),
        "replace" => Ok(Directive::Replace),
        "merge" => Ok(Directive::Merge),
        _ => Err(format!("unknown patch strategy `{text}`")),
    }
}

/// The directive of a list: an item of nothing but `$patch`.
fn list_directive(patch: &Value<'_>) -> Result<Directive, String> {
    let found = patch.items().find_map(|item| {
        let value = item.get(DIRECTIVE)?;
        (item.fields().count() == 1).then_some(value)
    });
    match found {
        None => Ok(Directive::Merge),
        Some(value) => directive(value.text().unwrap_or_default()),
    }
}

fn walk_list<'t>(
    old: Option<&Value<'t>>,
    patch: Option<&Value<'t>>,
    schema: Option<Schema<'t>>,
    keys: &[&str],
) -> Result<Merged<'t>, String> {
    let old = old.filter(|value| !value.is_null());
    let empty;
    let patch = match (old, patch) {
        (_, Some(patch)) => patch,
        (Some(old), None) => {
            empty = Value::sequence_at(old.span());
            &empty
        }
        (None, None) => return Ok(Merged::Gone),
    };
    if patch.is_null() {
        return Ok(Merged::Gone);
    }
    // What the patch brings as a whole is merged with itself.
    let is_itself = old.is_some_and(|old| is_same_node(old, patch));
    let mut patch = patch.clone();
    // Where there is nothing to merge with, a directive stays (`merge2.go`, `VisitList`).
    let directive = match old {
        Some(_) => list_directive(&patch)?,
        None => Directive::Merge,
    };
    if old.is_some()
        && patch.items().any(|item| is_list_directive(&item))
        && let Some(items) = patch.items_mut()
    {
        items.retain(|item| !is_list_directive(item));
    }
    let base = match (old, directive) {
        (_, Directive::Delete) => return Ok(Merged::Gone),
        (None, _) | (_, Directive::Replace) => None,
        (Some(old), Directive::Merge) => Some(old),
    };
    let list = List {
        old: base.filter(|_| !is_itself).unwrap_or(&patch),
        patch: &patch,
        is_of_patch: is_itself || base.is_none(),
        item: schema.and_then(Schema::item),
    };
    let items = match keys.is_empty() {
        true => list.plain_items(),
        false => list.keyed_items(keys)?,
    };
    let mut result = list.old.clone();
    let mut before = 0;
    let is_same = list.old.items().zip(&items).all(|(own, item)| {
        before += 1;
        is_same_node(&own, item)
    });
    if (!is_same || before != items.len() || list.old.items().count() != before)
        && let Some(own) = result.items_mut()
    {
        *own = items;
    }
    Ok(match base {
        Some(_) => Merged::Changed(result),
        None => Merged::Taken(result),
    })
}

fn is_list_directive(item: &Value<'_>) -> bool {
    item.get(DIRECTIVE).is_some() && item.fields().count() == 1
}

/// Two lists that merge by keys.
struct List<'a, 't> {
    old: &'a Value<'t>,
    patch: &'a Value<'t>,
    /// Whether both are the same, as there was none before.
    is_of_patch: bool,
    item: Option<Schema<'t>>,
}

/// The values of the keys of an item, empty where it has none.
fn key_values(item: &Value<'_>, keys: &[&str]) -> Vec<String> {
    keys.iter().map(|key| item.text_of(&[key])).collect()
}

/// Whether an item has these values.
fn has(item: &Value<'_>, keys: &[&str], values: &[String]) -> bool {
    let mut pairs = keys.iter().zip(values);
    pairs.all(|(key, value)| {
        let own = item.get(key);
        own.is_some_and(|own| own.text() == Some(value))
    })
}

impl<'t> List<'_, 't> {
    /// New plain values in front, each once.
    fn plain_items(&self) -> Vec<Value<'t>> {
        let mut items: Vec<Value<'t>> = Vec::new();
        for value in self.patch.items().chain(self.old.items()) {
            if !items.iter().any(|item| item.text() == value.text()) {
                items.push(value);
            }
        }
        items
    }

    /// The items by the values of their keys: those of the patch first, merged with those of
    /// the same keys, then the others. With several keys, items without the later ones count
    /// as those that have them, and all old ones keep their order behind the new ones
    /// (kyaml, `walk/associative_sequence.go`).
    fn keyed_items(&self, keys: &[&str]) -> Result<Vec<Value<'t>>, String> {
        let mut wanted: Vec<Vec<String>> = Vec::new();
        let mut known: HashSet<Vec<String>> = HashSet::new();
        for item in self.patch.items().chain(self.old.items()) {
            let values = key_values(&item, keys);
            if known.insert(values.clone()) {
                wanted.push(values);
            }
        }
        if keys.len() > 1 {
            unite(&mut wanted);
        }
        let mut is_used: Vec<bool> = (0..keys.len())
            .map(|index| wanted.iter().any(|values| !values[index].is_empty()))
            .collect();
        if !is_used.contains(&true) {
            is_used.fill(true);
        }
        let of_used = |values: &[String]| -> Vec<String> {
            let zipped = values.iter().zip(&is_used);
            zipped
                .filter(|(_, used)| **used)
                .map(|(value, _)| value.clone())
                .collect()
        };
        let used: Vec<&str> = keys
            .iter()
            .zip(&is_used)
            .filter(|(_, used)| **used)
            .map(|(key, _)| *key)
            .collect();
        let mut old: Vec<Value<'t>> = self.old.items().collect();
        let mut added: Vec<Value<'t>> = Vec::new();
        let mut met: BTreeSet<usize> = BTreeSet::new();
        for values in &wanted {
            let values = of_used(values);
            // An item is found by the keys that have values. One that has none at all is not
            // found, and takes all others out that have a key.
            let mut known: (Vec<&str>, Vec<String>) = used
                .iter()
                .zip(&values)
                .filter(|(_, value)| !value.is_empty())
                .map(|(key, value)| (*key, value.clone()))
                .unzip();
            if known.0.is_empty() {
                known = (used.clone(), values.clone());
            }
            let position = old.iter().position(|item| has(item, &known.0, &known.1));
            let own = position.map(|position| old[position].clone());
            let mut of_patch = self.patch.items();
            let found = of_patch.position(|item| has(&item, &known.0, &known.1));
            let found = found.filter(|_| !self.is_of_patch);
            let mut patched = found.and_then(|found| self.patch.items().nth(found));
            // A directive is taken out of the item that has it, which may be met again.
            match (found, &mut patched) {
                (Some(found), Some(item)) if !met.insert(found) => {
                    item.remove(DIRECTIVE);
                }
                (None, patched) if self.is_of_patch => patched.clone_from(&own),
                _ => {}
            }
            let merged = walk(own.as_ref(), patched.as_ref(), self.item)?;
            // A list that the patch brings is merged with itself.
            let is_in_place = self.is_of_patch || matches!(merged, Merged::Changed(_));
            let Some(mut value) = merged.value().filter(|value| !value.is_empty()) else {
                set_element(&mut old, &used, &values, None);
                continue;
            };
            for (key, text) in used.iter().zip(&values) {
                if value.get(key).is_none() && !text.is_empty() {
                    let span = value.span();
                    value.set((*key).to_owned(), span, Value::text_at(text.clone(), span));
                }
            }
            if let Some(position) = position.filter(|_| is_in_place) {
                old[position] = value.clone();
            }
            set_element(&mut added, &used, &values, Some(value));
        }
        if wanted.is_empty() {
            return Ok(old);
        }
        for item in old {
            let mut values = Vec::new();
            for key in &used {
                match item.get(key) {
                    Some(value) => values.push(value.text().unwrap_or_default().to_owned()),
                    None => added.push(item.clone()),
                }
            }
            if used.len() > 1 {
                set_element(&mut added, &used, &values, None);
            }
            set_element(&mut added, &used, &values, Some(item));
        }
        Ok(added)
    }
}

/// Puts an item in the place of those with these keys, or behind all; `None` takes them out.
/// An empty value stands for any, and a key without a value goes as the one before; without
/// values nothing is kept (kyaml, `ElementSetter`).
fn set_element<'t>(
    items: &mut Vec<Value<'t>>,
    keys: &[&str],
    values: &[String],
    element: Option<Value<'t>>,
) {
    let is_it = |item: &Value<'_>| {
        let mut pairs = keys.iter().zip(values);
        !values.is_empty()
            && pairs.all(|(key, value)| {
                let own = item.get(key);
                own.is_some_and(|own| value.is_empty() || own.text() == Some(value))
            })
    };
    items.retain(|item| !item.is_null() && !item.is_empty());
    if values.is_empty() {
        items.clear();
    }
    let Some(element) = element else {
        items.retain(|item| !is_it(item));
        return;
    };
    let mut is_found = false;
    for item in items.iter_mut().filter(|item| is_it(item)) {
        *item = element.clone();
        is_found = true;
    }
    if !is_found {
        items.push(element);
    }
}

/// Makes one of the values of keys that agree where both have one.
fn unite(all: &mut [Vec<String>]) {
    for one in 0..all.len() {
        // It is compared as it was, whatever it has become by the ones before.
        let values = all[one].clone();
        for other in 0..all.len() {
            let pairs = || values.iter().zip(&all[other]);
            let agrees = pairs().all(|(a, b)| a == b || a.is_empty() || b.is_empty());
            if agrees && pairs().any(|(a, b)| a == b) {
                let united: Vec<String> = pairs()
                    .map(|(a, b)| if a.is_empty() { b.clone() } else { a.clone() })
                    .collect();
                all[one].clone_from(&united);
                all[other] = united;
            }
        }
    }
}
