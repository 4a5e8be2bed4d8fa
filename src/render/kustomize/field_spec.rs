//! Field specifications: which field of which kinds a transformer changes, and going there.
//!
//! Refuses to know the transformers.

use crate::render::object_id::Gvk;
use crate::render::value::Value;
use crate::source::Span;
use crate::yaml::Kind;
use std::collections::HashMap;

/// A field of the objects of some kinds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct FieldSpec {
    /// The kinds; empty parts stand for any.
    pub(crate) gvk: Gvk,
    /// The keys on the way, `[]` behind one that holds a list.
    pub(crate) path: Vec<String>,
    /// Whether what is missing on the way is made.
    pub(crate) create: bool,
}

impl FieldSpec {
    /// A specification; `path` has its keys separated by `/`, where `\/` is part of a key.
    pub(crate) fn new(gvk: Gvk, path: &str, create: bool) -> Self {
        let path = split_path(path, '/');
        Self { gvk, path, create }
    }

    /// Whether it is about this field.
    pub(crate) fn is_at(&self, path: &[&str]) -> bool {
        self.path
            .iter()
            .map(String::as_str)
            .eq(path.iter().copied())
    }

    /// Adds specifications that are not there yet; returns the first that says otherwise than
    /// one that is there.
    pub(crate) fn merge<'m>(all: &mut Vec<Self>, more: &'m [Self]) -> Option<&'m Self> {
        let mut conflict = None;
        if more.is_empty() {
            return conflict;
        }
        // Thousands of them may be compared with thousands, of which few are about one path.
        let mut by_path: HashMap<Vec<String>, Vec<usize>> = HashMap::new();
        for (position, spec) in all.iter().enumerate() {
            by_path.entry(spec.path.clone()).or_default().push(position);
        }
        for spec in more {
            let same_path = by_path.entry(spec.path.clone()).or_default();
            let mut known = same_path.iter().map(|position| &all[*position]);
            match known.find(|known| known.gvk.is_selected_by(&spec.gvk)) {
                Some(known) if known.create == spec.create => {}
                Some(_) => conflict = conflict.or(Some(spec)),
                None => {
                    same_path.push(all.len());
                    all.push(spec.clone());
                }
            }
        }
        conflict
    }

    /// That it says otherwise than another one of this field.
    pub(crate) fn conflict(&self) -> String {
        let path = self.path.join("/");
        format!("`create` of the field `{path}` conflicts")
    }
}

/// What is made at the end of a path where nothing is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Missing {
    /// Nothing.
    Ignored,
    /// A scalar that `set` fills, with the text that the way there stands for.
    Scalar(Span),
    /// A mapping that `set` fills, with the text that it stands for.
    Mapping(Span),
}

/// Calls `set` for every value at the end of the path, if the object is of the kinds.
/// Nothing is touched where the path does not lead anywhere.
pub(crate) fn apply<'t>(
    spec: &FieldSpec,
    object: (&Gvk, &mut Value<'t>),
    missing: Missing,
    set: &mut dyn FnMut(&mut Value<'t>) -> Result<(), String>,
) -> Result<(), String> {
    let (gvk, value) = object;
    if !gvk.is_selected_by(&spec.gvk) {
        return Ok(());
    }
    let missing = match spec.create {
        true => missing,
        false => Missing::Ignored,
    };
    if !leads_somewhere(value, &spec.path, missing) {
        return Ok(());
    }
    walk(value, &spec.path, missing, set)
        .map_err(|error| format!("{error} (field `{}`)", spec.path.join("/")))
}

/// What fails on the way along the path: a scalar that has to be a collection.
pub(crate) fn obstacle(value: &Value<'_>, path: &[String]) -> Option<Span> {
    let (name, rest) = path.split_first()?;
    match value.kind() {
        Kind::Sequence => value.items().find_map(|item| obstacle(&item, path)),
        Kind::Mapping => {
            let next = value.get(name.strip_suffix("[]").unwrap_or(name))?;
            obstacle(&next, rest)
        }
        Kind::Scalar => (!value.is_null()).then(|| value.span()),
    }
}

/// Whether [`apply`] would change nothing, as every value at the end of the path `is_done` and
/// nothing is missing on the way. What it leaves alone stays the text that it is, and need not
/// be read again.
pub(crate) fn is_in_place<'t>(
    spec: &FieldSpec,
    (gvk, value): (&Gvk, &Value<'t>),
    missing: Missing,
    is_done: &dyn Fn(&Value<'t>) -> bool,
) -> bool {
    let missing = match spec.create {
        true => missing,
        false => Missing::Ignored,
    };
    !gvk.is_selected_by(&spec.gvk) || are_done(value, &spec.path, missing, is_done)
}

fn are_done<'t>(
    value: &Value<'t>,
    path: &[String],
    missing: Missing,
    is_done: &dyn Fn(&Value<'t>) -> bool,
) -> bool {
    let Some((name, rest)) = path.split_first() else {
        return is_done(value);
    };
    if value.is_null() {
        return true;
    }
    match value.kind() {
        Kind::Sequence => value
            .items()
            .all(|item| are_done(&item, path, missing, is_done)),
        Kind::Scalar => false,
        Kind::Mapping => {
            let field = name.strip_suffix("[]").unwrap_or(name);
            let is_made = missing != Missing::Ignored && field == name;
            match value.get(field) {
                None => !is_made,
                Some(next) if next.is_null() && (is_made || field != name) => false,
                Some(next) => are_done(&next, rest, missing, is_done),
            }
        }
    }
}

/// The values at the end of the path, without changing anything.
pub(crate) fn visit<'t>(
    spec: &FieldSpec,
    (gvk, value): (&Gvk, &Value<'t>),
    see: &mut dyn FnMut(&Value<'t>),
) {
    if gvk.is_selected_by(&spec.gvk) {
        look(value, &spec.path, see);
    }
}

fn look<'t>(value: &Value<'t>, path: &[String], see: &mut dyn FnMut(&Value<'t>)) {
    let Some((name, rest)) = path.split_first() else {
        return see(value);
    };
    match value.kind() {
        Kind::Sequence => value.items().for_each(|item| look(&item, path, see)),
        Kind::Mapping => {
            let name = name.strip_suffix("[]").unwrap_or(name);
            if let Some(next) = value.get(name) {
                look(&next, rest, see);
            }
        }
        Kind::Scalar => {}
    }
}

fn leads_somewhere(value: &Value<'_>, path: &[String], missing: Missing) -> bool {
    let Some((name, rest)) = path.split_first() else {
        return true;
    };
    match value.kind() {
        Kind::Sequence => value
            .items()
            .any(|item| leads_somewhere(&item, path, missing)),
        Kind::Mapping => {
            let field = name.strip_suffix("[]").unwrap_or(name);
            match value.get(field) {
                Some(next) => leads_somewhere(&next, rest, missing) || next.is_null(),
                None => missing != Missing::Ignored && field == name,
            }
        }
        // A scalar where a collection should be: the walk says so.
        Kind::Scalar => !value.is_null(),
    }
}

fn walk<'t>(
    value: &mut Value<'t>,
    path: &[String],
    missing: Missing,
    set: &mut dyn FnMut(&mut Value<'t>) -> Result<(), String>,
) -> Result<(), String> {
    let Some((name, rest)) = path.split_first() else {
        return set(value);
    };
    if value.is_null() {
        return Ok(());
    }
    match value.kind() {
        Kind::Sequence => {
            let items = value.items_mut().into_iter().flatten();
            for item in items {
                walk(item, path, missing, set)?;
            }
            return Ok(());
        }
        Kind::Scalar => return Err("expected a sequence or a mapping".to_owned()),
        Kind::Mapping => {}
    }
    let field = name.strip_suffix("[]").unwrap_or(name);
    let is_list = field != name;
    let made = match missing {
        Missing::Ignored => None,
        _ if is_list => None,
        Missing::Scalar(span) if rest.is_empty() => Some(Value::text_at("", span)),
        Missing::Scalar(span) | Missing::Mapping(span) => Some(Value::mapping_at(span)),
    };
    if value.get(field).is_none() {
        let Some(made) = made.clone() else {
            return Ok(());
        };
        let span = made.span();
        value.set(field.to_owned(), span, made);
    }
    let Some(next) = value.get_mut(field) else {
        return Ok(());
    };
    if next.is_null() {
        if let Some(made) = made {
            next.become_made(made);
        } else if is_list {
            *next = Value::sequence_at(next.span());
        }
    }
    walk(next, rest, missing, set)
}

/// The parts of a path, where a backslash keeps a separator within a part.
pub(crate) fn split_path(path: &str, separator: char) -> Vec<String> {
    let mut parts: Vec<String> = Vec::new();
    let mut is_kept = false;
    let path = match path.strip_prefix(separator) {
        Some(rest) if !rest.is_empty() => rest,
        _ => path,
    };
    for part in path.split(separator) {
        match parts.last_mut().filter(|_| is_kept) {
            Some(last) => {
                last.pop();
                last.push(separator);
                last.push_str(part);
            }
            None => parts.push(part.to_owned()),
        }
        is_kept = part.ends_with('\\');
    }
    parts
}
