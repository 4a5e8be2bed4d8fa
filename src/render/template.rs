//! The templates of ApplicationSets: `{{name}}`, and the Go templates `{{ .name | lower }}` that
//! hand a value through functions.
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
    let mut result = String::new();
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
        result.push_str(before);
        let value = piped(inner, parameters)
            .ok_or_else(|| format!("the template `{{{{{inner}}}}}` is not known"))?;
        result.push_str(&value);
        rest = after;
    }
    result.push_str(rest);
    Ok(result)
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
            ("{{ if .name }}x{{ end }}", None),
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
