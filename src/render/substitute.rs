//! Flux's variables: `${NAME}` in the objects that a Kustomization applies, with the forms of
//! the shell that Flux knows (fluxcd/pkg, `kustomize/kustomize_varsub.go` and `envsubst`).
//!
//! Refuses to know where the values come from.

use super::scalar::is_plain;
use super::value::Value;
use std::borrow::Cow;
use std::cell::Cell;
use std::collections::{BTreeMap, HashMap};

/// The variables of a Kustomization, as far as they are known. Flux takes one that nobody sets
/// for empty; but a Secret, a ConfigMap that is not among the manifests, or who patches the
/// Kustomization in the cluster may set it (S14). So one without a value is unknown.
#[derive(Clone, Debug, Default)]
pub(crate) struct Variables {
    /// Their values.
    pub(crate) values: BTreeMap<String, String>,
}

/// How many bytes of values may be put into the objects of an entry, or looked at for it: a short
/// text may name a long value as often as it likes, and put it into itself.
pub(crate) const MAX_SUBSTITUTED: usize = 4 << 20;

/// How much may still be put into texts.
#[derive(Debug)]
pub(crate) struct Room {
    left: Cell<usize>,
    is_full: Cell<bool>,
}

impl Default for Room {
    fn default() -> Self {
        Self {
            left: Cell::new(MAX_SUBSTITUTED),
            is_full: Cell::new(false),
        }
    }
}

impl Room {
    /// Takes so many bytes. `None` where there are not that many left: what they are for stays
    /// as it is written, which is unknown.
    pub(crate) fn take(&self, bytes: usize) -> Option<()> {
        match self.left.get().checked_sub(bytes) {
            Some(left) => {
                self.left.set(left);
                Some(())
            }
            None => {
                self.is_full.set(true);
                None
            }
        }
    }

    /// Whether something did not fit.
    pub(crate) fn is_full(&self) -> bool {
        self.is_full.get()
    }
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
    pub(crate) fn apply<'t>(&self, value: &mut Value<'t>, room: &Room) -> Vec<Value<'t>> {
        let mut changed = Vec::new();
        if has_variable(value) {
            self.walk((value, false), room, &mut changed);
        }
        changed
    }

    fn walk<'t>(
        &self,
        (value, is_map): (&mut Value<'t>, bool),
        room: &Room,
        changed: &mut Vec<Value<'t>>,
    ) {
        if value.is_mapping() {
            for field in value.fields_mut().into_iter().flatten() {
                if has_variable(&field.value) {
                    let is_text = is_map && field.value.is_scalar();
                    let is_map = is_text || TEXT_MAPS.iter().any(|name| field.key.is(name));
                    self.walk((&mut field.value, is_map), room, changed);
                }
            }
            return;
        }
        if value.is_sequence() {
            let items = value.items_mut().into_iter().flatten();
            items
                .filter(|item| has_variable(item))
                .for_each(|item| self.walk((item, false), room, changed));
            return;
        }
        let text = value.text().unwrap_or_default();
        let Expanded::New(new) = self.expand(text, room) else {
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
    pub(crate) fn expand(&self, text: &str, room: &Room) -> Expanded {
        match self.expanded(text, 0, room) {
            Some(Cow::Owned(new)) if new != text => Expanded::New(new),
            _ => Expanded::Same,
        }
    }

    /// The same; `None` if a variable in it is unknown, or Flux would fail to read it.
    fn expanded<'a>(&self, text: &'a str, depth: usize, room: &Room) -> Option<Cow<'a, str>> {
        if !text.contains('$') || depth > 16 {
            return Some(Cow::Borrowed(text));
        }
        let ends = Braces::of(text);
        let mut result = String::new();
        let mut rest = text;
        while let Some(at) = rest.find('$') {
            result.push_str(&rest[..at]);
            let behind = &rest[at + 1..];
            if let Some(escaped) = behind.strip_prefix('$').filter(|_| depth == 0) {
                // `$$` stands for `$`, so that `$${x}` is the text `${x}`.
                result.push('$');
                rest = escaped;
                continue;
            }
            if !behind.starts_with('{') {
                result.push('$');
                rest = behind;
                continue;
            }
            let brace = text.len() - behind.len();
            // Flux fails where a brace does not end.
            let (inner, after) = ends.of_brace(text, brace)?;
            result.push_str(&self.parameter(inner, depth, room)?);
            rest = after;
        }
        result.push_str(rest);
        Some(Cow::Owned(result))
    }

    /// The value of what stands between `${` and `}`.
    fn parameter(&self, inner: &str, depth: usize, room: &Room) -> Option<String> {
        if let Some(name) = inner.strip_prefix('#').filter(|name| is_name(name)) {
            let value = self.values.get(name)?;
            room.take(value.len())?;
            return Some(value.len().to_string());
        }
        let end = inner.find(|c: char| !(c.is_ascii_alphanumeric() || c == '_'));
        let (name, operation) = inner.split_at(end.unwrap_or(inner.len()));
        if !is_name(name) {
            return None;
        }
        let value = self.values.get(name)?;
        room.take(value.len())?;
        let argument = |text: &str| self.expanded(text, depth + 1, room).map(Cow::into_owned);
        // To Flux, all of them mean the same, whatever they mean to a shell.
        const DEFAULTS: [&str; 5] = [":-", ":=", ":?", ":+", "="];
        let mut defaults = DEFAULTS.iter();
        if let Some(default) = defaults.find_map(|operator| operation.strip_prefix(operator)) {
            return match value.is_empty() {
                true => argument(default),
                false => Some(value.clone()),
            };
        }
        changed(value, operation, argument, room)
    }
}

/// The value after an operation on its text.
fn changed(
    value: &str,
    operation: &str,
    argument: impl Fn(&str) -> Option<String>,
    room: &Room,
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
        return cut(value, range);
    }
    for (operator, is_front) in [('#', true), ('%', false)] {
        let Some(pattern) = operation.strip_prefix(operator) else {
            continue;
        };
        let longest = pattern.strip_prefix(operator);
        let pattern = argument(longest.unwrap_or(pattern))?;
        return match pattern.is_empty() {
            true => None,
            false => trimmed(value, &pattern, (is_front, longest.is_some()), room),
        };
    }
    let replaced = operation.strip_prefix('/')?;
    let (kind, rest) = match replaced.chars().next() {
        Some(kind @ ('/' | '#' | '%')) => (kind, &replaced[1..]),
        _ => (' ', replaced),
    };
    let (pattern, new) = rest
        .split_once('/')
        .filter(|(pattern, _)| !pattern.is_empty())?;
    let (pattern, new) = (argument(pattern)?, argument(new)?);
    let count = match kind {
        '/' => value.matches(&pattern).count(),
        _ => 1,
    };
    room.take(new.len().saturating_mul(count))?;
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

/// The part of the value that `FROM` or `FROM:LENGTH` names, in bytes. What is no number leaves the
/// value as it is.
fn cut(value: &str, range: &str) -> Option<String> {
    let (from, length) = match range.split_once(':') {
        Some((from, length)) => (from, Some(length)),
        None => (range, None),
    };
    if from.is_empty() || length.is_some_and(str::is_empty) {
        return None;
    }
    let Ok(from) = from.parse::<usize>() else {
        return Some(value.to_owned());
    };
    let end = match length.map(str::parse::<isize>) {
        None => value.len(),
        Some(Err(_)) => return Some(value.to_owned()),
        Some(Ok(length)) => from.saturating_add(usize::try_from(length).ok()?),
    };
    if from >= value.len() {
        return Some(String::new());
    }
    value.get(from..end.min(value.len())).map(str::to_owned)
}

/// The value without the shortest, or longest, of what a pattern matches at one end.
fn trimmed(
    value: &str,
    pattern: &str,
    (is_front, is_longest): (bool, bool),
    room: &Room,
) -> Option<String> {
    // Each end of a part is tried, and a pattern takes some time to understand.
    let looks = value.len().saturating_mul(value.len()) / 64;
    room.take(looks.saturating_add(pattern.len() * 16))?;
    // At the end, Flux reads value and pattern backwards, where classes are none.
    if !is_front && pattern.contains(['[', '\\']) {
        return Some(value.to_owned());
    }
    let Ok(glob) = globset::Glob::new(pattern) else {
        return Some(value.to_owned());
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
    Some(match found {
        Some(cut) if is_front => value[cut..].to_owned(),
        Some(cut) => value[..cut].to_owned(),
        None => value.to_owned(),
    })
}

/// Where the braces of a text end, found in one walk.
struct Braces(HashMap<usize, usize>);

impl Braces {
    fn of(text: &str) -> Self {
        let mut open = Vec::new();
        let mut ends = HashMap::new();
        for (at, byte) in text.bytes().enumerate() {
            match byte {
                b'{' => open.push(at),
                b'}' => ends.extend(open.pop().map(|start| (start, at))),
                _ => {}
            }
        }
        Self(ends)
    }

    /// What stands in the brace at a place of the text, and what follows; `None` where there is
    /// none, or it does not end.
    fn of_brace<'a>(&self, text: &'a str, at: usize) -> Option<(&'a str, &'a str)> {
        let end = *self.0.get(&at)?;
        Some((&text[at + 1..end], &text[end + 1..]))
    }
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
    use super::{Expanded, Room, Variables};

    #[test]
    fn every_form_is_expanded() {
        let values = [
            ("A", "abc"),
            ("E", ""),
            ("P", "a/b/c.tar.gz"),
            ("N", "8080"),
            ("D", "a.b.c"),
            ("U", "a\u{e9}b"),
        ];
        let values = values.map(|(name, value)| (name.to_owned(), value.to_owned()));
        let variables = Variables {
            values: values.into_iter().collect(),
        };
        // What Flux's own code makes of each; `None` where it fails, or nobody knows.
        for (text, expected) in [
            ("plain $A", Some("plain $A")),
            ("${A}", Some("abc")),
            ("x-${A}-y", Some("x-abc-y")),
            ("${MISSING}", None),
            ("${MISSING:-d}", None),
            ("$${A}", Some("${A}")),
            ("$${A}}", Some("${A}}")),
            ("$$${A}", Some("$abc")),
            ("$$$${A}", Some("$${A}")),
            ("$A${A}$", Some("$Aabc$")),
            ("${A}}", Some("abc}")),
            ("{${A}}", Some("{abc}")),
            ("${E:-d}", Some("d")),
            ("${E:=d}", Some("d")),
            ("${E=d}", Some("d")),
            ("${A=d}", Some("abc")),
            ("${E:?d}", Some("d")),
            ("${A:?d}", Some("abc")),
            ("${E:+d}", Some("d")),
            ("${A:+d}", Some("abc")),
            ("${A:+}", Some("abc")),
            ("${E:-}", Some("")),
            ("${E-d}", None),
            ("${A-}", None),
            ("${A+d}", None),
            ("${A?d}", None),
            ("${E:-${A}}", Some("abc")),
            ("${E:-x${E:-y}}", Some("xy")),
            ("${E:-a${N}c}", Some("a8080c")),
            ("${E:-$A}", Some("$A")),
            ("${E:-$$}", Some("$$")),
            ("${E:-$${A}}", Some("$abc")),
            ("${E:-{x}}", Some("{x}")),
            ("${E:-a}b}", Some("ab}")),
            ("${E:-http://x:80/y}", Some("http://x:80/y")),
            ("${#A}", Some("3")),
            ("${#U}", Some("4")),
            ("${A^}", Some("Abc")),
            ("${A^^}", Some("ABC")),
            ("${A,,}", Some("abc")),
            ("${A^x}", None),
            ("${A:1}", Some("bc")),
            ("${A:9}", Some("")),
            ("${A:01}", Some("bc")),
            ("${A:1:1}", Some("b")),
            ("${A:1:9}", Some("bc")),
            ("${A: 1}", Some("abc")),
            ("${A:x}", Some("abc")),
            ("${A:1:x}", Some("abc")),
            ("${A:}", None),
            ("${A:1:}", None),
            ("${A:1:-1}", None),
            ("${U:1:1}", None),
            ("${P/b/x}", Some("a/x/c.tar.gz")),
            ("${A/b/x}", Some("axc")),
            ("${A//b/x}", Some("axc")),
            ("${A/b/}", Some("ac")),
            ("${A/b/${N}}", Some("a8080c")),
            ("${A/a/b/c}", Some("b/cbc")),
            ("${A/b}", None),
            ("${A//b}", None),
            ("${P////x}", None),
            ("${D//./-}", Some("a-b-c")),
            ("${D/./-}", Some("a-b.c")),
            ("${A/#a/x}", Some("xbc")),
            ("${A/%c/x}", Some("abx")),
            ("${P##*/}", Some("c.tar.gz")),
            ("${P#*/}", Some("b/c.tar.gz")),
            ("${P%.gz}", Some("a/b/c.tar")),
            ("${P%.*}", Some("a/b/c.tar")),
            ("${P%%.*}", Some("a/b/c")),
            ("${P%%/*}", Some("a")),
            ("${D##*.}", Some("c")),
            ("${D%.*}", Some("a.b")),
            ("${A#[ab]}", Some("bc")),
            ("${A%[c]}", Some("abc")),
            ("${A#}", None),
            ("${A%%}", None),
            ("${N}", Some("8080")),
            ("${not a name}", None),
            ("${ A }", None),
            ("${A.b}", None),
            ("${}", None),
            ("${${A}}", None),
            ("${A", None),
        ] {
            let expanded = match variables.expand(text, &Room::default()) {
                Expanded::New(new) => new,
                Expanded::Same => text.to_owned(),
            };
            assert_eq!(expanded, expected.unwrap_or(text), "{text}");
        }
    }

    #[test]
    fn values_that_multiply_meet_the_limit() {
        let value = "a".repeat(1_000);
        let values = [("V".to_owned(), value)];
        let variables = Variables {
            values: values.into_iter().collect(),
        };
        let many = "${V}".repeat(5_000);
        for (text, fits) in [
            ("${V}${V}", true),
            ("${V//a/b}", true),
            ("${V##*c}", true),
            ("${V//a/${V}}", true),
            ("${V//a/${V//a/${V}}}", false),
            (
                "${V//a/${V}}${V//a/${V}}${V//a/${V}}${V//a/${V}}${V//a/${V}}",
                false,
            ),
            (many.as_str(), false),
        ] {
            let room = Room::default();
            let is_new = matches!(variables.expand(text, &room), Expanded::New(_));
            assert_eq!(is_new, fits, "{}", &text[..text.len().min(60)]);
            assert_eq!(room.is_full(), !fits, "{}", &text[..text.len().min(60)]);
        }
    }

    #[test]
    fn braces_without_a_variable_are_text() {
        let values = [("V".to_owned(), "x".to_owned())];
        let variables = Variables {
            values: values.into_iter().collect(),
        };
        let room = Room::default();
        for (text, expected) in [("}${V}", "}x"), ("$${${V}}", "${x}"), ("${V}}", "x}")] {
            let Expanded::New(new) = variables.expand(text, &room) else {
                panic!("{text} holds a variable");
            };
            assert_eq!(new, expected, "{text}");
        }
    }
}
