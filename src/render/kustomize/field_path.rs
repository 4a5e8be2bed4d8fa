//! The paths of replacements: `spec.template.spec.containers.[name=web].env.0`, where
//! `[a.b/c]` is a key with dots, `*` every item, and `[key=value]` the items that match.
//!
//! Refuses to know what is read or written there.

use super::field_spec::split_path;
use crate::render::value::Value;
use crate::source::Span;
use crate::yaml::Kind;
use regex::Regex;

/// The parts of a path.
pub(crate) fn split(path: &str) -> Vec<String> {
    let mut result: Vec<String> = Vec::new();
    let mut parts = split_path(path, '.').into_iter();
    while let Some(part) = parts.next() {
        if !part.starts_with('[') || part.ends_with(']') {
            result.push(part);
            continue;
        }
        let mut bracketed = part;
        for part in parts.by_ref() {
            bracketed.push('.');
            bracketed.push_str(&part);
            if part.ends_with(']') {
                break;
            }
        }
        match bracketed.contains('=') {
            true => result.push(bracketed),
            false => result.push(bracketed.trim_matches(['[', ']']).to_owned()),
        }
    }
    result.retain(|part| !part.trim().is_empty());
    result
}

/// The parts of a path of a variable: as those of a replacement, and `rules[0]` is an item of
/// `rules` (kyaml, `convertSliceIndex`).
pub(crate) fn split_with_indexes(path: &str) -> Vec<String> {
    let mut result = Vec::new();
    for part in split(path) {
        let index = part.strip_suffix(']').and_then(|it| it.rsplit_once('['));
        match index {
            Some((list, index))
                if !index.is_empty() && index.bytes().all(|byte| byte.is_ascii_digit()) =>
            {
                result.extend((!list.is_empty()).then(|| list.to_owned()));
                result.push(index.to_owned());
            }
            _ => result.push(part),
        }
    }
    result
}

fn is_bracketed(part: &str) -> bool {
    part.starts_with('[') && part.ends_with(']')
}

/// `[key=value]`: the key, empty for items that are plain values, and the value.
fn matcher(part: &str) -> Option<(&str, &str)> {
    let inner = part.strip_prefix('[')?.strip_suffix(']')?;
    inner.split_once('=')
}

/// What stands at the end of a path that names one value.
pub(crate) fn find<'t>(value: &Value<'t>, path: &[String]) -> Option<Value<'t>> {
    path.iter().try_fold(value.clone(), |value, part| {
        if let Ok(index) = part.parse::<usize>() {
            return value.items().nth(index);
        }
        if part == "-" {
            return value.items().last();
        }
        match matcher(part) {
            Some((key, wanted)) => value.items().find(|item| match key.is_empty() {
                true => item.text() == Some(wanted),
                false => item.get(key).is_some_and(|it| it.text() == Some(wanted)),
            }),
            None => value.get(part),
        }
    })
}

/// What is made where a path leads nowhere: a value of this kind, which stands for a text.
pub(crate) type Create = Option<(Kind, Span)>;

/// Calls `set` for every value at the end of the path; returns how many there are. Missing
/// parts are made if `create` says so.
pub(crate) fn each<'t>(
    value: &mut Value<'t>,
    path: &[String],
    create: Create,
    set: &mut dyn FnMut(&mut Value<'t>) -> Result<(), String>,
) -> Result<usize, String> {
    let Some((part, rest)) = path.split_first() else {
        return set(value).map(|()| 1);
    };
    if let Ok(index) = part.parse::<usize>() {
        return at_index(value, index, rest, create, set);
    }
    if is_bracketed(part) && !part.contains('=') {
        return Err(format!(
            "`{part}` must be `[key=value]`; a key stands in brackets only where it has a dot"
        ));
    }
    if let Some((key, wanted)) = matcher(part) {
        return matching(value, (key, wanted), rest, create, set);
    }
    if part == "*" {
        let Some(items) = value.items_mut() else {
            return Err("`*` stands for the items of a list".to_owned());
        };
        return items
            .iter_mut()
            .try_fold(0, |count, item| Ok(count + each(item, rest, create, set)?));
    }
    if value.is_null() {
        // What is to be made within a null is lost: kyaml hangs it on the scalar.
        return Ok(usize::from(create.is_some()));
    }
    if !value.is_mapping() {
        return Err(format!("`{part}` is looked for in what is not a mapping"));
    }
    if value.get(part).is_none() {
        let Some(made) = create.map(|create| missing(rest, create)) else {
            return Ok(0);
        };
        let span = made.span();
        value.set(part.clone(), span, made);
    }
    match value.get_mut(part) {
        Some(next) => each(next, rest, create, set),
        None => Ok(0),
    }
}

/// An empty value of the kind that the next part wants.
fn missing<'t>(rest: &[String], (kind, span): (Kind, Span)) -> Value<'t> {
    let kind = match rest.first() {
        None => kind,
        Some(part) if part.parse::<usize>().is_ok() || is_bracketed(part) => Kind::Sequence,
        Some(_) => Kind::Mapping,
    };
    match kind {
        Kind::Mapping => Value::mapping_at(span),
        Kind::Sequence => Value::sequence_at(span),
        // Of no type: that of what is put there shows when it is written.
        Kind::Scalar => Value::untyped_at("", span),
    }
}

fn at_index<'t>(
    value: &mut Value<'t>,
    index: usize,
    rest: &[String],
    create: Create,
    set: &mut dyn FnMut(&mut Value<'t>) -> Result<(), String>,
) -> Result<usize, String> {
    let Some(items) = value.items_mut() else {
        return Err(format!("item {index} is looked for in what is not a list"));
    };
    if let Some(create) = create.filter(|_| items.len() == index) {
        items.push(missing(rest, create));
    }
    let count = items.len();
    match items.get_mut(index) {
        Some(item) => each(item, rest, create, set),
        None => Err(format!("item {index} of a list of {count}")),
    }
}

fn matching<'t>(
    value: &mut Value<'t>,
    (key, wanted): (&str, &str),
    rest: &[String],
    create: Create,
    set: &mut dyn FnMut(&mut Value<'t>) -> Result<(), String>,
) -> Result<usize, String> {
    let expression =
        Regex::new(wanted).map_err(|_| format!("`{wanted}` is not a valid regular expression"))?;
    let is_match = |item: &Value<'_>| match key.is_empty() {
        true => item.text().is_some_and(|text| expression.is_match(text)),
        false => item
            .get(key)
            .is_some_and(|it| it.text().is_some_and(|text| expression.is_match(text))),
    };
    if !value.is_sequence() {
        return Err(format!(
            "`[{key}={wanted}]` is looked for in what is not a list"
        ));
    }
    let has_match = value.items().any(|item| is_match(&item));
    let Some(items) = value.items_mut() else {
        return Ok(0);
    };
    if let Some((_, span)) = create.filter(|_| !has_match) {
        let text = Value::untyped_at(wanted.to_owned(), span);
        items.push(match key.is_empty() {
            true => text,
            false => {
                let mut item = Value::mapping_at(span);
                item.set(key.to_owned(), span, text);
                item
            }
        });
    }
    let mut count = 0;
    for item in items.iter_mut().filter(|item| is_match(item)) {
        count += match key.is_empty() {
            true => set(item).map(|()| 1)?,
            false => each(item, rest, create, set)?,
        };
    }
    Ok(count)
}

#[cfg(test)]
mod tests {
    use super::split;

    #[test]
    fn paths_are_split() {
        for (path, expected) in [
            ("metadata.name", vec!["metadata", "name"]),
            (
                "metadata.annotations.[a.b/c]",
                vec!["metadata", "annotations", "a.b/c"],
            ),
            ("spec.[name=a.b].x", vec!["spec", "[name=a.b]", "x"]),
            (r"data.config\.yaml", vec!["data", "config.yaml"]),
            ("spec.*.0", vec!["spec", "*", "0"]),
        ] {
            assert_eq!(split(path), expected, "{path}");
        }
    }
}
