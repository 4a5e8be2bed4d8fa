//! The templates of ApplicationSets: `{{name}}`, and the Go templates `{{ .name | lower }}` that
//! hand a value through functions, choose by a condition, or go through a list.
//!
//! Refuses to know what the parameters are. A template that does more is not guessed at.

use super::application_set::normalized;
use super::value::Value;
use std::collections::BTreeMap;

/// Parameters by their path, such as `path.basename`.
pub(crate) type Parameters = BTreeMap<String, String>;

/// The parameters that the fields of a value give.
pub(crate) fn parameters_of(value: &Value<'_>) -> Parameters {
    let mut parameters = Parameters::new();
    flatten(value, "", &mut parameters);
    parameters
}

fn flatten(value: &Value<'_>, path: &str, parameters: &mut Parameters) {
    let full = |key: &str| match path.is_empty() {
        true => key.to_owned(),
        false => format!("{path}.{key}"),
    };
    if let Some(text) = value.text() {
        parameters.insert(path.to_owned(), text.to_owned());
    }
    for field in value.fields() {
        flatten(&field.value, &full(&field.key.text()), parameters);
    }
    for (index, item) in value.items().enumerate() {
        flatten(&item, &full(&index.to_string()), parameters);
    }
}

/// Replaces the parameters in all texts of a value.
pub(crate) fn render(value: &mut Value<'_>, parameters: &Parameters) -> Result<(), String> {
    if !has_template(value) {
        return Ok(());
    }
    if let Some(text) = value.text() {
        let new = filled(text, parameters)?;
        let span = value.span();
        *value = Value::text_at(new, span);
        return Ok(());
    }
    if value.is_sequence() {
        let mut items = value.items_mut().into_iter().flatten();
        return items.try_for_each(|item| render(item, parameters));
    }
    let mut fields = value.fields_mut().into_iter().flatten();
    fields.try_for_each(|field| render(&mut field.value, parameters))
}

fn has_template(value: &Value<'_>) -> bool {
    match value.text() {
        Some(text) => text.contains("{{"),
        None => {
            value.items().any(|item| has_template(&item))
                || value.fields().any(|field| has_template(&field.value))
        }
    }
}

/// A text with its templates filled in.
pub(crate) fn filled(text: &str, parameters: &Parameters) -> Result<String, String> {
    let pieces = pieces(text)?;
    let mut result = String::new();
    let left = block(&pieces, parameters, &mut result)?;
    match left {
        [] => Ok(result),
        _ => Err("a template has an `end` too many".to_owned()),
    }
}

/// A part of a text.
#[derive(Clone, Copy, Debug)]
enum Piece<'a> {
    Plain(&'a str),
    /// What stands in the braces of a template.
    Action(&'a str),
}

/// The parts of a text; a hyphen in braces takes the white space away on its side.
fn pieces(text: &str) -> Result<Vec<Piece<'_>>, String> {
    let mut pieces = Vec::new();
    let mut rest = text;
    while let Some((before, behind)) = rest.split_once("{{") {
        let (inner, after) = behind.split_once("}}").ok_or("a template is not closed")?;
        let (before, inner) = match inner.strip_prefix('-') {
            Some(inner) => (before.trim_end(), inner),
            None => (before, inner),
        };
        let (inner, after) = match inner.strip_suffix('-') {
            Some(inner) => (inner, after.trim_start()),
            None => (inner, after),
        };
        pieces.extend([Piece::Plain(before), Piece::Action(inner.trim())]);
        rest = after;
    }
    pieces.push(Piece::Plain(rest));
    Ok(pieces)
}

/// Writes the pieces up to the one that ends their block, `end` or `else`; returns what is left
/// from there on.
fn block<'p, 'a>(
    mut pieces: &'p [Piece<'a>],
    parameters: &Parameters,
    result: &mut String,
) -> Result<&'p [Piece<'a>], String> {
    while let Some((piece, rest)) = pieces.split_first() {
        let inner = match piece {
            Piece::Plain(text) => {
                result.push_str(text);
                pieces = rest;
                continue;
            }
            Piece::Action(inner) => *inner,
        };
        let unknown = || format!("the template `{{{{ {inner} }}}}` is not known");
        let (word, operand) = inner.split_once(char::is_whitespace).unwrap_or((inner, ""));
        pieces = match word {
            "end" | "else" => return Ok(pieces),
            "if" => {
                let holds = holds(operand, parameters).ok_or_else(unknown)?;
                chosen(rest, holds, parameters, result)?
            }
            "range" => {
                let items = items(operand.trim(), parameters).ok_or_else(unknown)?;
                for item in &items {
                    block(rest, item, result)?;
                }
                behind_end(skipped(rest))?
            }
            "with" | "define" | "template" | "block" => return Err(unknown()),
            _ => {
                result.push_str(&piped(inner, parameters).ok_or_else(unknown)?);
                rest
            }
        };
    }
    Ok(pieces)
}

/// What is left of the pieces from the `end` or `else` of the block on that they begin.
fn skipped<'p, 'a>(mut pieces: &'p [Piece<'a>]) -> &'p [Piece<'a>] {
    let mut depth = 0;
    while let Some((piece, rest)) = pieces.split_first() {
        if let Piece::Action(inner) = piece {
            match inner.split_whitespace().next() {
                Some("if" | "range" | "with" | "define" | "block") => depth += 1,
                Some("else") if depth == 0 => return pieces,
                Some("end") if depth == 0 => return pieces,
                Some("end") => depth -= 1,
                _ => {}
            }
        }
        pieces = rest;
    }
    pieces
}

/// Writes the block of a condition, or what its `else` says; returns what is behind its `end`.
fn chosen<'p, 'a>(
    pieces: &'p [Piece<'a>],
    holds: bool,
    parameters: &Parameters,
    result: &mut String,
) -> Result<&'p [Piece<'a>], String> {
    if holds {
        return behind_end(block(pieces, parameters, result)?);
    }
    let left = skipped(pieces);
    let Some((Piece::Action(inner), rest)) = left.split_first() else {
        return Err(NO_END.to_owned());
    };
    let Some(other) = inner.strip_prefix("else").map(str::trim) else {
        return Ok(rest);
    };
    let other_holds = match other.strip_prefix("if") {
        None if other.is_empty() => Some(true),
        Some(condition) => self::holds(condition, parameters),
        None => None,
    };
    let unknown = || format!("the template `{{{{ {inner} }}}}` is not known");
    chosen(rest, other_holds.ok_or_else(unknown)?, parameters, result)
}

const NO_END: &str = "a template has no `end`";

/// What is behind the `end` of a block, from its `end` or an `else` on.
fn behind_end<'p, 'a>(mut pieces: &'p [Piece<'a>]) -> Result<&'p [Piece<'a>], String> {
    loop {
        pieces = match pieces.split_first() {
            Some((Piece::Action("end"), rest)) => return Ok(rest),
            Some((_, rest)) => skipped(rest),
            None => return Err(NO_END.to_owned()),
        };
    }
}

/// Whether a condition holds; `None` if that cannot be told: parameters have lost whether they
/// were texts, and what becomes of one that is missing depends on the options of the set.
fn holds(condition: &str, parameters: &Parameters) -> Option<bool> {
    let commands = commands(condition)?;
    let [words] = &commands[..] else {
        return None;
    };
    let text = |word: &Word<'_>| match word {
        Word::Text(text) => Some((*text).to_owned()),
        Word::Bare(name) => parameters.get(name.strip_prefix('.')?).cloned(),
    };
    let is_true = |word: &Word<'_>| match text(word)?.as_str() {
        "" => Some(false),
        "false" | "0" | "null" | "~" => None,
        _ => Some(true),
    };
    match &words[..] {
        [Word::Bare("eq"), first, others @ ..] if !others.is_empty() => {
            let first = text(first)?;
            let others: Vec<String> = others.iter().map(text).collect::<Option<_>>()?;
            Some(others.contains(&first))
        }
        [Word::Bare("ne"), first, second] => Some(text(first)? != text(second)?),
        [Word::Bare("not"), word] => Some(!is_true(word)?),
        [Word::Bare("hasKey"), Word::Bare("."), Word::Text(key)] => {
            Some(parameters.contains_key(*key) || has_below(parameters, key))
        }
        [word] => is_true(word),
        _ => None,
    }
}

/// Whether there are parameters below a path.
fn has_below(parameters: &Parameters, path: &str) -> bool {
    let front = format!("{path}.");
    parameters.keys().any(|key| key.starts_with(&front))
}

/// The parameters of each item of a list; `None` for what is no list.
fn items(path: &str, parameters: &Parameters) -> Option<Vec<Parameters>> {
    let path = path.strip_prefix('.').filter(|path| !path.is_empty())?;
    if path.contains(|c: char| c.is_whitespace() || matches!(c, '|' | '(' | '$')) {
        return None;
    }
    let item = |index: usize| {
        let front = format!("{path}.{index}");
        let own = parameters.iter().filter_map(|(key, value)| {
            let key = key.strip_prefix(&front)?;
            let key = match key.strip_prefix('.') {
                Some(key) => key,
                None if key.is_empty() => "",
                None => return None,
            };
            Some((key.to_owned(), value.clone()))
        });
        let own: Parameters = own.collect();
        (!own.is_empty()).then_some(own)
    };
    let items: Vec<Parameters> = (0..).map_while(item).collect();
    (!items.is_empty()).then_some(items)
}

/// The value of commands of which each is handed what the one before yields.
fn piped(text: &str, parameters: &Parameters) -> Option<String> {
    let mut value: Option<String> = None;
    for words in commands(text)? {
        let (first, rest) = words.split_first()?;
        let argument = |word: &Word<'_>| match word {
            Word::Text(text) => Some((*text).to_owned()),
            Word::Bare(name) if name.parse::<i64>().is_ok() => Some((*name).to_owned()),
            Word::Bare(name) => parameters.get(name.trim_start_matches('.')).cloned(),
        };
        // What is missing may get a default further on.
        value = match first {
            Word::Bare("index") => {
                let [Word::Bare(path), index] = rest else {
                    return None;
                };
                let path = path.trim_start_matches('.');
                let index = argument(index)?;
                parameters.get(&format!("{path}.{index}")).cloned()
            }
            Word::Bare("default") => {
                let [default, rest @ ..] = rest else {
                    return None;
                };
                let given = rest.first().map_or(value, argument);
                given.filter(|it| !it.is_empty()).or(argument(default))
            }
            Word::Bare(name) if rest.is_empty() && value.is_none() && !is_function(name) => {
                argument(first)
            }
            Word::Text(text) if rest.is_empty() && value.is_none() => Some((*text).to_owned()),
            Word::Bare(name) => {
                let mut arguments: Vec<String> =
                    rest.iter().map(argument).collect::<Option<_>>()?;
                arguments.extend(value);
                called(name, &arguments)
            }
            Word::Text(_) => return None,
        };
    }
    value
}

/// The functions whose first word is no parameter.
fn is_function(name: &str) -> bool {
    [
        "quote",
        "squote",
        "lower",
        "upper",
        "trim",
        "normalize",
        "toString",
    ]
    .contains(&name)
}

/// What a function of Go's templates yields (sprig, and `normalize` of Argo CD).
fn called(name: &str, arguments: &[String]) -> Option<String> {
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    Some(match (name, &arguments[..]) {
        ("toString", [text]) => (*text).to_owned(),
        ("quote", [text]) => format!("\"{text}\""),
        ("squote", [text]) => format!("'{text}'"),
        ("lower", [text]) => text.to_lowercase(),
        ("upper", [text]) => text.to_uppercase(),
        ("trim", [text]) => text.trim().to_owned(),
        ("normalize", [text]) => normalized(text),
        ("trimPrefix", [prefix, text]) => text.strip_prefix(prefix).unwrap_or(text).to_owned(),
        ("trimSuffix", [suffix, text]) => text.strip_suffix(suffix).unwrap_or(text).to_owned(),
        ("replace", [old, new, text]) => text.replace(old, new),
        ("printf", [format, values @ ..]) => printed(format, values)?,
        _ => return None,
    })
}

/// A format of texts only.
fn printed(format: &str, values: &[&str]) -> Option<String> {
    let mut parts = format.split("%s");
    let mut result = parts.next()?.to_owned();
    let mut values = values.iter();
    for part in parts {
        result.push_str(values.next()?);
        result.push_str(part);
    }
    (values.next().is_none() && !result.contains('%')).then_some(result)
}

/// A word of a command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Word<'a> {
    /// A text in quotes.
    Text(&'a str),
    /// A name, a path or a number.
    Bare(&'a str),
}

/// The commands of a pipeline; `None` for what is more than that.
fn commands(text: &str) -> Option<Vec<Vec<Word<'_>>>> {
    let mut commands = vec![Vec::new()];
    let mut rest = text.trim_start();
    while let Some(first) = rest.chars().next() {
        let words: &mut Vec<Word<'_>> = commands.last_mut()?;
        let behind = &rest[first.len_utf8()..];
        rest = match first {
            '|' => {
                commands.push(Vec::new());
                behind
            }
            '"' | '`' => {
                let (word, after) = behind.split_once(first)?;
                if word.contains('\\') {
                    return None;
                }
                words.push(Word::Text(word));
                after
            }
            '(' | '$' => return None,
            _ => {
                let end = rest.find(|c: char| c.is_whitespace() || c == '|');
                let (word, after) = rest.split_at(end.unwrap_or(rest.len()));
                words.push(Word::Bare(word));
                after
            }
        }
        .trim_start();
    }
    Some(commands)
}

#[cfg(test)]
mod tests {
    use super::{Parameters, filled};

    #[test]
    fn parameters_are_filled_in() {
        let pairs = [
            ("name", "web"),
            ("path.basename", "shop"),
            ("path.segments.1", "b"),
            ("list.0", "a"),
            ("list.1", "b"),
            ("maps.0.k", "v"),
        ];
        let parameters: Parameters = pairs
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .into();
        for (text, expected) in [
            ("plain", Some("plain")),
            ("{{name}}-x", Some("web-x")),
            ("{{ .name }}", Some("web")),
            ("{{.path.basename}}", Some("shop")),
            ("{{index .path.segments 1}}", Some("b")),
            ("{{ .other }}", None),
            ("{{ .name | upper }}", Some("WEB")),
            ("{{- .name -}}", Some("web")),
            (r#"{{ .name | replace "e" "x" }}"#, Some("wxb")),
            (
                r#"{{ printf "%s-%s" .name .path.basename }}"#,
                Some("web-shop"),
            ),
            (r#"{{ default "dev" .stage }}"#, Some("dev")),
            (r#"{{ .stage | default "dev" }}"#, Some("dev")),
            (r#"{{ trimPrefix "we" .name | quote }}"#, Some(r#""b""#)),
            ("{{ normalize .name }}", Some("web")),
            ("{{ if .name }}x{{ end }}", Some("x")),
            ("{{ if .other }}x{{ end }}", None),
            (
                r#"a {{- if eq .name "api" }} x{{ else if ne .name "web" }} y{{ else }} z{{ end }}."#,
                Some("a z."),
            ),
            (
                r#"{{ if eq .name "web" }}x{{ else if .other }}y{{ else }}z{{ end }}."#,
                Some("x."),
            ),
            (
                r#"{{ if not .name }}x{{ if .other }}y{{ end }}{{ end }}."#,
                Some("."),
            ),
            (r#"{{ if hasKey . "path" }}x{{ end }}"#, Some("x")),
            ("{{ range .list }}<{{ . }}>{{ end }}", Some("<a><b>")),
            ("{{ range .maps }}{{ .k }}{{ end }}.", Some("v.")),
            ("{{ range .name }}x{{ end }}", None),
            ("{{ range $i, $v := .list }}x{{ end }}", None),
            ("{{ if .name }}x", None),
            ("x{{ end }}", None),
            ("{{ (index .list 0) }}", None),
        ] {
            assert_eq!(
                filled(text, &parameters).ok().as_deref(),
                expected,
                "{text}"
            );
        }
    }
}
