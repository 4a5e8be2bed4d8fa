//! What becomes of values on their way through JSON: kustomize turns an object into JSON for a
//! JSON patch, and once more to print it. Numbers lose how they were written, dates become
//! texts, and what JSON has no word for fails.
//!
//! Refuses to know which objects go that way, and why.

use crate::render::resource::Resource;
use crate::render::scalar::Reading;
use crate::render::value::{Data, Key, Made, Value};
use crate::source::Span;
use crate::yaml::scalar::as_go_writes;
use std::collections::HashMap;
use std::sync::Arc;

/// Who turns values into JSON, and reads it again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Way {
    /// An object, for a JSON patch: every number is read as a float.
    Patched,
    /// The value of an operation of a JSON patch, which is read as YAML 1.1.
    Operation,
    /// An object that is printed.
    Printed,
}

/// What JSON has no word for.
#[derive(Debug)]
pub(super) struct Wordless {
    pub(super) span: Span,
    pub(super) message: String,
}

/// The objects as kustomize prints them, and what it cannot print of them.
pub(super) fn print(resources: &mut [Resource<'_>]) -> Vec<Wordless> {
    let mut wrong = Vec::new();
    for resource in resources {
        match changed(&resource.value, Way::Printed) {
            Ok(None) => {}
            Ok(Some(value)) => {
                resource.value = value;
                resource.refresh();
            }
            Err(wordless) => wrong.push(wordless),
        }
    }
    wrong
}

/// What a value becomes; `None` if it stays as it is.
pub(super) fn changed<'t>(value: &Value<'t>, way: Way) -> Result<Option<Value<'t>>, Wordless> {
    let known = HashMap::new();
    Passage { way, known }.changed(value)
}

/// A value on its way.
struct Passage<'t> {
    way: Way,
    /// What became of parts that may be met again: a part may be in many places.
    known: HashMap<*const Made<'t>, Option<Value<'t>>>,
}

impl<'t> Passage<'t> {
    fn changed(&mut self, value: &Value<'t>) -> Result<Option<Value<'t>>, Wordless> {
        if value.is_scalar() {
            return scalar(value, self.way);
        }
        let shared = match value {
            Value::Made(made) if Arc::strong_count(made) > 1 => Some(Arc::as_ptr(made)),
            _ => None,
        };
        if let Some(known) = shared.and_then(|it| self.known.get(&it)) {
            return Ok(known.clone());
        }
        let result = match value.is_sequence() {
            true => self.items(value)?,
            false => self.fields(value)?,
        };
        if let Some(shared) = shared {
            self.known.insert(shared, result.clone());
        }
        Ok(result)
    }

    fn items(&mut self, value: &Value<'t>) -> Result<Option<Value<'t>>, Wordless> {
        let mut result: Option<Value<'t>> = None;
        for (index, item) in value.items().enumerate() {
            if let Some(new) = self.changed(&item)? {
                let items = result.get_or_insert_with(|| value.clone()).items_mut();
                items.expect("it is a sequence")[index] = new;
            }
        }
        Ok(result)
    }

    fn fields(&mut self, value: &Value<'t>) -> Result<Option<Value<'t>>, Wordless> {
        let mut result: Option<Value<'t>> = None;
        for (index, field) in value.fields().enumerate() {
            if self.way != Way::Operation {
                check(&field.key)?;
            }
            let key = field.key.as_printed().filter(|_| self.way == Way::Printed);
            let new = self.changed(&field.value)?;
            if key.is_none() && new.is_none() {
                continue;
            }
            let fields = result.get_or_insert_with(|| value.clone()).fields_mut();
            let field = &mut fields.expect("it is a mapping")[index];
            if let Some(key) = key {
                field.key = key;
            }
            if let Some(new) = new {
                field.value = new;
            }
        }
        Ok(result)
    }
}

/// JSON has no keys but texts.
fn check(key: &Key<'_>) -> Result<(), Wordless> {
    match key {
        Key::Read(node) if node.is_bare() => match Reading::of(node.raw()) {
            Reading::Text => Ok(()),
            _ => Err(Wordless {
                span: node.span(),
                message: format!(
                    "kustomize fails on the key `{}`, which is not a text",
                    node.raw()
                ),
            }),
        },
        _ => Ok(()),
    }
}

fn scalar<'t>(value: &Value<'t>, way: Way) -> Result<Option<Value<'t>>, Wordless> {
    let is_bare = match value {
        Value::Read(node) => node.is_bare() || !value.is_text(),
        Value::Made(made) => {
            matches!(made.data, Data::Plain(_) | Data::Untyped(_)) && !value.has_quotes()
        }
    };
    if !is_bare {
        return Ok(None);
    }
    let text = value.text().unwrap_or_default();
    let span = value.span();
    let number = |number: String| (number != text).then(|| Value::plain_at(number, span));
    Ok(match Reading::of(text) {
        Reading::Float(float) if !float.is_finite() => {
            return Err(Wordless {
                span,
                message: format!("kustomize fails on `{text}`, which JSON has no word for"),
            });
        }
        Reading::Integer(integer) if way == Way::Printed => number(integer.to_string()),
        Reading::Integer(integer) => number(as_go_writes(integer as f64)),
        Reading::Float(float) if way == Way::Printed => number(printed(float)),
        Reading::Float(float) => number(as_go_writes(float)),
        // In YAML 1.1 a date is a text.
        Reading::Date(_) if way == Way::Operation => {
            value.shared_text().map(|date| Value::text_at(date, span))
        }
        Reading::Date(date) => Some(Value::text_at(date, span)),
        Reading::Text if way == Way::Operation => match value {
            Value::Read(node) => {
                let word = node.as_bool();
                word.map(|word| Value::plain_at(word.to_string(), span))
            }
            Value::Made(_) => None,
        },
        Reading::Text | Reading::Null | Reading::Boolean(_) => None,
    })
}

/// A float as it is printed: JSON has whole ones without a point, which are whole numbers then.
fn printed(number: f64) -> String {
    let is_whole = number.fract() == 0.0 && number.abs() < 18_446_744_073_709_551_616.0;
    match is_whole && number >= i64::MIN as f64 {
        true => format!("{}", number as i128),
        false => as_go_writes(number),
    }
}

#[cfg(test)]
mod tests {
    use super::{as_go_writes, printed};

    #[test]
    fn numbers_are_written_as_go_writes_them() {
        assert_eq!(as_go_writes(80.0), "80");
        assert_eq!(as_go_writes(1e6), "1e+06");
        assert_eq!(as_go_writes(1_234_567.5), "1.2345675e+06");
        assert_eq!(as_go_writes(0.00001), "1e-05");
        assert_eq!(as_go_writes(0.5), "0.5");
        assert_eq!(printed(1e6), "1000000");
        assert_eq!(printed(-2.0), "-2");
        assert_eq!(printed(1e20), "1e+20");
    }
}
