//! Which objects a patch or a replacement is for: regular expressions for what tells an
//! object apart, and the selectors of labels and annotations as kubectl writes them.
//!
//! Refuses to know what is done to them.

use super::file;
use crate::render::object_id::{Gvk, ObjectId};
use crate::render::resource::Resource;
use crate::render::value::Value;
use regex::{Regex, RegexBuilder};

/// The longest program that an expression of a stranger may become.
const MAX_EXPRESSION: usize = 1 << 20;

/// The expression of a stranger, if it is one.
pub(super) fn expression(text: &str) -> Option<Regex> {
    let builder = &mut RegexBuilder::new(text);
    builder.size_limit(MAX_EXPRESSION).build().ok()
}

/// Selects objects by regular expressions.
#[derive(Clone, Debug, Default)]
pub(crate) struct Target {
    group: Option<Regex>,
    version: Option<Regex>,
    kind: Option<Regex>,
    name: Option<Regex>,
    namespace: Option<Regex>,
    labels: Vec<Requirement>,
    annotations: Vec<Requirement>,
}

impl Target {
    /// Reads the `target` of a patch.
    pub(crate) fn read(node: &Value<'_>) -> Result<Self, String> {
        let expression = |name: &str| -> Result<Option<Regex>, String> {
            let text = Some(file::text(node, name)).filter(|text| !text.is_empty());
            text.map(|text| {
                // The whole value must match, alternatives in it, too.
                self::expression(&format!("^(?:{text})$"))
                    .ok_or_else(|| format!("`{text}` is not a valid regular expression"))
            })
            .transpose()
        };
        let selector = |name: &str| selector(&file::text(node, name));
        Ok(Self {
            group: expression("group")?,
            version: expression("version")?,
            kind: expression("kind")?,
            name: expression("name")?,
            namespace: expression("namespace")?,
            labels: selector("labelSelector")?,
            annotations: selector("annotationSelector")?,
        })
    }

    /// Whether it selects an object, by what it is now or was at first.
    pub(crate) fn selects(&self, resource: &Resource<'_>) -> bool {
        let matches = |expression: &Option<Regex>, texts: &[&str]| {
            let expression = expression.as_ref();
            expression.is_none_or(|it| texts.iter().any(|text| it.is_match(text)))
        };
        let (now, first) = (&resource.id, resource.original());
        matches(
            &self.namespace,
            &[first.effective_namespace(), now.effective_namespace()],
        ) && matches(&self.name, &[&first.name, &now.name])
            && matches(&self.group, &[&now.gvk.group])
            && matches(&self.version, &[&now.gvk.version])
            && matches(&self.kind, &[&now.gvk.kind])
            && fits(&self.labels, &resource.value, "labels")
            && fits(&self.annotations, &resource.value, "annotations")
    }
}

/// Selects objects by what tells them apart, of which empty parts stand for any, and by
/// labels and annotations.
#[derive(Clone, Debug)]
pub(crate) struct Selection {
    /// The parts.
    pub(crate) id: ObjectId,
    labels: Vec<Requirement>,
    annotations: Vec<Requirement>,
}

impl Selection {
    /// Reads a `select`, a `reject` or a `source` of a replacement.
    pub(crate) fn read(node: &Value<'_>) -> Result<Self, String> {
        let part = |name: &str| file::text(node, name);
        let id = ObjectId {
            gvk: Gvk {
                group: part("group"),
                version: part("version"),
                kind: part("kind"),
            },
            name: part("name"),
            namespace: part("namespace"),
        };
        Ok(Self {
            id,
            labels: selector(&part("labelSelector"))?,
            annotations: selector(&part("annotationSelector"))?,
        })
    }

    /// Whether no part of what tells objects apart is named.
    pub(crate) fn names_no_part(&self) -> bool {
        self.id.gvk == Gvk::default() && self.id.name.is_empty() && self.id.namespace.is_empty()
    }

    /// Whether labels or annotations are asked for.
    pub(crate) fn asks_for_labels(&self) -> bool {
        !self.labels.is_empty() || !self.annotations.is_empty()
    }

    /// Whether what the object is or was is selected.
    pub(crate) fn selects_id(&self, resource: &Resource<'_>) -> bool {
        resource.every_id().any(|id| id.is_selected_by(&self.id))
    }

    /// Whether its labels and annotations fit.
    pub(crate) fn fits(&self, value: &Value<'_>) -> bool {
        fits(&self.labels, value, "labels") && fits(&self.annotations, value, "annotations")
    }
}

fn fits(requirements: &[Requirement], value: &Value<'_>, field: &str) -> bool {
    requirements.iter().all(|requirement| {
        let found = value.find(&["metadata", field, &requirement.key]);
        let text = found.as_ref().and_then(Value::text);
        match &requirement.wants {
            Wants::In(values) => text.is_some_and(|text| values.iter().any(|it| it == text)),
            Wants::NotIn(values) => text.is_none_or(|text| values.iter().all(|it| it != text)),
            Wants::Exists => text.is_some(),
            Wants::Absent => text.is_none(),
        }
    })
}

/// One part of a selector.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Requirement {
    key: String,
    wants: Wants,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Wants {
    In(Vec<String>),
    NotIn(Vec<String>),
    Exists,
    Absent,
}

/// Reads a selector such as `app=web,tier in (a, b),!legacy`.
fn selector(text: &str) -> Result<Vec<Requirement>, String> {
    let mut requirements = Vec::new();
    let mut depth = 0_usize;
    let parts = text.split(|character| {
        match character {
            '(' => depth += 1,
            ')' => depth = depth.saturating_sub(1),
            _ => {}
        }
        character == ',' && depth == 0
    });
    for part in parts.map(str::trim).filter(|part| !part.is_empty()) {
        requirements
            .push(requirement(part).ok_or_else(|| format!("`{text}` is not a valid selector"))?);
    }
    Ok(requirements)
}

fn requirement(part: &str) -> Option<Requirement> {
    let made = |key: &str, wants| {
        let key = key.trim().to_owned();
        (!key.is_empty() && !key.contains(' ')).then_some(Requirement { key, wants })
    };
    let value = |text: &str| vec![text.trim().to_owned()];
    if let Some((key, text)) = part.split_once("!=") {
        return made(key, Wants::NotIn(value(text)));
    }
    if let Some((key, text)) = part.split_once("==").or_else(|| part.split_once('=')) {
        return made(key, Wants::In(value(text)));
    }
    if let Some(rest) = part.strip_suffix(')') {
        let (head, values) = rest.split_once('(')?;
        let values = values
            .split(',')
            .map(|text| text.trim().to_owned())
            .collect();
        let (key, operator) = head.trim().rsplit_once(' ')?;
        return match operator {
            "in" => made(key, Wants::In(values)),
            "notin" => made(key, Wants::NotIn(values)),
            _ => None,
        };
    }
    match part.strip_prefix('!') {
        Some(key) => made(key, Wants::Absent),
        None => made(part, Wants::Exists),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn selectors_are_read() {
        let wants = |key: &str, wants| Requirement {
            key: key.to_owned(),
            wants,
        };
        let values = |values: &[&str]| values.iter().map(|it| (*it).to_owned()).collect();
        for (text, expected) in [
            ("", vec![]),
            ("app=web", vec![wants("app", Wants::In(values(&["web"])))]),
            (
                "app == web",
                vec![wants("app", Wants::In(values(&["web"])))],
            ),
            (
                "a!=b,c",
                vec![
                    wants("a", Wants::NotIn(values(&["b"]))),
                    wants("c", Wants::Exists),
                ],
            ),
            (
                "!x, t in (a, b)",
                vec![
                    wants("x", Wants::Absent),
                    wants("t", Wants::In(values(&["a", "b"]))),
                ],
            ),
            (
                "t notin (a)",
                vec![wants("t", Wants::NotIn(values(&["a"])))],
            ),
        ] {
            assert_eq!(selector(text), Ok(expected), "{text}");
        }
        assert!(selector("a b c").is_err());
    }
}
