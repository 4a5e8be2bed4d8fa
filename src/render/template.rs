//! The templates of ApplicationSets: `{{name}}` and the Go templates `{{ .name }}` that only
//! name a value.
//!
//! Refuses to know what the parameters are. A template that does more is not guessed at.

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

fn filled(text: &str, parameters: &Parameters) -> Result<String, String> {
    let mut result = String::new();
    let mut rest = text;
    while let Some((before, behind)) = rest.split_once("{{") {
        result.push_str(before);
        let (inner, after) = behind.split_once("}}").ok_or("a template is not closed")?;
        let name = inner.trim().trim_matches('-').trim();
        let indexed = name.strip_prefix("index ").and_then(|rest| {
            let (path, index) = rest.trim().split_once(' ')?;
            Some(format!(
                "{}.{}",
                path.trim().trim_start_matches('.'),
                index.trim()
            ))
        });
        let name = indexed.unwrap_or_else(|| name.trim_start_matches('.').to_owned());
        let value = parameters
            .get(&name)
            .ok_or_else(|| format!("the template `{{{{{inner}}}}}` is not known"))?;
        result.push_str(value);
        rest = after;
    }
    result.push_str(rest);
    Ok(result)
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
            ("{{ .name | upper }}", None),
        ] {
            assert_eq!(
                filled(text, &parameters).ok().as_deref(),
                expected,
                "{text}"
            );
        }
    }
}
