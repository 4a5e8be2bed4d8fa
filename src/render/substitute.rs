//! Flux's variables: `${NAME}` in the objects that a Kustomization applies, with the forms of
//! the shell that Flux knows (fluxcd/pkg, `kustomize/kustomize_varsub.go` and `envsubst`).
//!
//! Refuses to know where the values come from.

use super::scalar::is_plain;
use super::value::Value;
use std::borrow::Cow;
use std::collections::BTreeMap;

/// The variables of a Kustomization, as far as they are known. Flux takes one that nobody sets
/// for empty; but a Secret, a ConfigMap that is not among the manifests, or who patches the
/// Kustomization in the cluster may set it (S14). So one without a value is unknown.
#[derive(Clone, Debug, Default)]
pub(crate) struct Variables {
    /// Their values.
    pub(crate) values: BTreeMap<String, String>,
}

/// Mappings whose values are texts.
const TEXT_MAPS: &[&str] = &[
    "labels",
    "annotations",
    "matchLabels",
    "nodeSelector",
    "selector",
];

/// What became of a text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Expanded {
    /// There is no variable in it, or none that is known.
    Same,
    /// Its variables are replaced.
    New(String),
}

impl Variables {
    /// Replaces the variables in all texts of an object. Returns those that became something
    /// else than a text by it, where Kubernetes wants texts.
    pub(crate) fn apply<'t>(&self, value: &mut Value<'t>) -> Vec<Value<'t>> {
        let mut changed = Vec::new();
        if has_variable(value) {
            self.walk(value, false, &mut changed);
        }
        changed
    }

    fn walk<'t>(&self, value: &mut Value<'t>, is_map: bool, changed: &mut Vec<Value<'t>>) {
        if value.is_mapping() {
            for field in value.fields_mut().into_iter().flatten() {
                if has_variable(&field.value) {
                    let is_text = is_map && field.value.is_scalar();
                    let is_map = is_text || TEXT_MAPS.iter().any(|name| field.key.is(name));
                    self.walk(&mut field.value, is_map, changed);
                }
            }
            return;
        }
        if value.is_sequence() {
            let items = value.items_mut().into_iter().flatten();
            items
                .filter(|item| has_variable(item))
                .for_each(|item| self.walk(item, false, changed));
            return;
        }
        let text = value.text().unwrap_or_default();
        let Expanded::New(new) = self.expand(text) else {
            return;
        };
        // The object was written out again before, without the quotes of a plain text.
        let needs_quotes = text.contains(": ")
            || text.contains(" #")
            || text.starts_with(['{', '[', '&', '*', '!', '|', '>', '%', '@', '`', '"', '\'']);
        let is_plain_text = !needs_quotes && is_plain(&new);
        let was_text = value.is_text();
        let span = value.span();
        *value = match is_plain_text {
            true => Value::plain_at(new, span),
            false => Value::text_at(new, span),
        };
        if is_map && was_text && is_plain_text {
            changed.push(value.clone());
        }
    }

    /// A text with its variables replaced.
    pub(crate) fn expand(&self, text: &str) -> Expanded {
        match self.expanded(text, 0) {
            Some(Cow::Owned(new)) if new != text => Expanded::New(new),
            _ => Expanded::Same,
        }
    }

    /// The same; `None` if a variable in it is unknown.
    fn expanded<'a>(&self, text: &'a str, depth: usize) -> Option<Cow<'a, str>> {
        if !text.contains('$') || depth > 16 {
            return Some(Cow::Borrowed(text));
        }
        let mut result = String::new();
        let mut rest = text;
        while let Some(at) = rest.find('$') {
            result.push_str(&rest[..at]);
            let behind = &rest[at + 1..];
            if let Some(inner) = behind.strip_prefix("${") {
                // `$${x}` stands for `${x}`.
                result.push_str("${");
                rest = inner;
                continue;
            }
            let Some((inner, after)) = behind.strip_prefix('{').and_then(braced) else {
                result.push('$');
                rest = behind;
                continue;
            };
            result.push_str(&self.parameter(inner, depth)?);
            rest = after;
        }
        result.push_str(rest);
        Some(Cow::Owned(result))
    }

    /// The value of what stands between `${` and `}`.
    fn parameter(&self, inner: &str, depth: usize) -> Option<String> {
        if let Some(name) = inner.strip_prefix('#').filter(|name| is_name(name)) {
            return Some(self.values.get(name)?.chars().count().to_string());
        }
        let end = inner.find(|c: char| !(c.is_ascii_alphanumeric() || c == '_'));
        let (name, operation) = inner.split_at(end.unwrap_or(inner.len()));
        if !is_name(name) {
            return None;
        }
        let value = self.values.get(name)?;
        let argument = |text: &str| self.expanded(text, depth + 1).map(Cow::into_owned);
        for (operator, needs_text) in [
            (":-", true),
            (":=", true),
            (":?", true),
            ("-", false),
            ("=", false),
            ("?", false),
        ] {
            if let Some(default) = operation.strip_prefix(operator) {
                return match needs_text && value.is_empty() {
                    true => argument(default),
                    false => Some(value.clone()),
                };
            }
        }
        for (operator, needs_text) in [(":+", true), ("+", false)] {
            if let Some(other) = operation.strip_prefix(operator) {
                return match needs_text && value.is_empty() {
                    true => Some(String::new()),
                    false => argument(other),
                };
            }
        }
        changed(value, operation, argument)
    }
}

/// The value after an operation on its text.
fn changed(
    value: &str,
    operation: &str,
    argument: impl Fn(&str) -> Option<String>,
) -> Option<String> {
    let first = |change: fn(char) -> String| {
        let mut characters = value.chars();
        let head = characters.next().map(change).unwrap_or_default();
        format!("{head}{}", characters.as_str())
    };
    match operation {
        "" => return Some(value.to_owned()),
        "^^" => return Some(value.to_uppercase()),
        ",," => return Some(value.to_lowercase()),
        "^" => return Some(first(|c| c.to_uppercase().collect())),
        "," => return Some(first(|c| c.to_lowercase().collect())),
        _ => {}
    }
    if let Some(range) = operation.strip_prefix(':') {
        let (start, length) = range.split_once(':').unwrap_or((range, ""));
        let start: usize = start.trim().parse().ok()?;
        let characters = value.chars().skip(start);
        return Some(match length.trim() {
            "" => characters.collect(),
            length => characters.take(length.parse().ok()?).collect(),
        });
    }
    if let Some(pattern) = operation
        .strip_prefix("##")
        .or_else(|| operation.strip_prefix('#'))
    {
        let pattern = argument(pattern)?;
        let is_longest = operation.starts_with("##");
        return Some(trimmed(value, &pattern, true, is_longest));
    }
    if let Some(pattern) = operation
        .strip_prefix("%%")
        .or_else(|| operation.strip_prefix('%'))
    {
        let pattern = argument(pattern)?;
        let is_longest = operation.starts_with("%%");
        return Some(trimmed(value, &pattern, false, is_longest));
    }
    let replaced = operation.strip_prefix('/')?;
    let (kind, rest) = match replaced.chars().next() {
        Some(kind @ ('/' | '#' | '%')) => (kind, &replaced[1..]),
        _ => (' ', replaced),
    };
    let (pattern, new) = rest.split_once('/').unwrap_or((rest, ""));
    let (pattern, new) = (argument(pattern)?, argument(new)?);
    Some(match kind {
        '/' => value.replace(&pattern, &new),
        '#' => value
            .strip_prefix(pattern.as_str())
            .map_or_else(|| value.to_owned(), |rest| format!("{new}{rest}")),
        '%' => value
            .strip_suffix(pattern.as_str())
            .map_or_else(|| value.to_owned(), |rest| format!("{rest}{new}")),
        _ => value.replacen(&pattern, &new, 1),
    })
}

/// The value without what a pattern matches at one end.
fn trimmed(value: &str, pattern: &str, is_front: bool, is_longest: bool) -> String {
    let Ok(glob) = globset::Glob::new(pattern) else {
        return value.to_owned();
    };
    let matcher = glob.compile_matcher();
    let mut cuts: Vec<usize> = value.char_indices().map(|(at, _)| at).collect();
    cuts.push(value.len());
    if is_front == is_longest {
        cuts.reverse();
    }
    let found = cuts.into_iter().find(|cut| {
        let part = if is_front {
            &value[..*cut]
        } else {
            &value[*cut..]
        };
        matcher.is_match(part)
    });
    match found {
        Some(cut) if is_front => value[cut..].to_owned(),
        Some(cut) => value[..cut].to_owned(),
        None => value.to_owned(),
    }
}

/// What stands in braces, of which the opening one is gone, and what follows.
fn braced(text: &str) -> Option<(&str, &str)> {
    let mut depth = 1_usize;
    for (at, byte) in text.bytes().enumerate() {
        match byte {
            b'{' => depth += 1,
            b'}' => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            return Some((&text[..at], &text[at + 1..]));
        }
    }
    None
}

fn is_name(text: &str) -> bool {
    let is_start = text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
    is_start
        && text
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

/// Whether a variable may stand anywhere in a value.
fn has_variable(value: &Value<'_>) -> bool {
    match value.text() {
        Some(text) => text.contains("${"),
        None => {
            value.items().any(|item| has_variable(&item))
                || value.fields().any(|field| has_variable(&field.value))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Expanded, Variables};

    #[test]
    fn every_form_is_expanded() {
        let values = [
            ("A", "abc"),
            ("E", ""),
            ("P", "a/b/c.tar.gz"),
            ("N", "8080"),
        ];
        let values = values.map(|(name, value)| (name.to_owned(), value.to_owned()));
        let variables = Variables {
            values: values.into_iter().collect(),
        };
        for (text, expected) in [
            ("plain $A", "plain $A"),
            ("${A}", "abc"),
            ("x-${A}-y", "x-abc-y"),
            ("${MISSING}", "${MISSING}"),
            ("$${A}", "${A}"),
            ("${MISSING:-d}", "${MISSING:-d}"),
            ("${E:-d}", "d"),
            ("${E-d}", ""),
            ("${E:=d}", "d"),
            ("${E=d}", ""),
            ("${E:-${A}}", "abc"),
            ("${E:-x${E:-y}}", "xy"),
            ("${A:+set}", "set"),
            ("${E:+set}", ""),
            ("${#A}", "3"),
            ("${A^}", "Abc"),
            ("${A^^}", "ABC"),
            ("${A,,}", "abc"),
            ("${A:1}", "bc"),
            ("${A:1:1}", "b"),
            ("${P/b/x}", "a/x/c.tar.gz"),
            ("${A/b/x}", "axc"),
            ("${A//b/x}", "axc"),
            ("${A/#a/x}", "xbc"),
            ("${A/%c/x}", "abx"),
            ("${P##*/}", "c.tar.gz"),
            ("${P%.gz}", "a/b/c.tar"),
            ("${N}", "8080"),
            ("${not a name}", "${not a name}"),
            ("${A", "${A"),
        ] {
            let expanded = match variables.expand(text) {
                Expanded::New(new) => new,
                Expanded::Same => text.to_owned(),
            };
            assert_eq!(expanded, expected, "{text}");
        }
    }
}
