//! What kustomize reads scalars as, and what of them it cannot read.
//!
//! Refuses to know the values that they are part of.

use super::date;
use crate::source::Span;
use std::borrow::Cow;

/// A text where kustomize goes on to expect a number, a boolean or null: as soon as it reads the
/// object, it fails.
#[derive(Clone, Debug)]
pub(crate) struct Mistyped<'t> {
    /// The text.
    pub(crate) text: Cow<'t, str>,
    /// What is expected there.
    pub(crate) expected: Type,
    /// What put it there.
    pub(crate) cause: Span,
}

impl Mistyped<'_> {
    /// What is wrong with it.
    pub(crate) fn message(&self) -> String {
        let Self { text, expected, .. } = self;
        match text.is_empty() {
            true => format!("nothing is put in the place of {}", expected.name()),
            false => format!("`{text}` is put in the place of {}", expected.name()),
        }
    }
}

/// How a scalar is written, which stays when kustomize gives it another value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Style {
    /// Without quotes.
    Plain,
    /// In quotes, or in a block of its own: it is read as a text.
    Quoted,
    /// With a tag in front, which says how it is read.
    Tagged,
}

impl Style {
    /// That in which kustomize writes a text of its own: in quotes if it were no text without.
    pub(crate) fn of(text: &str) -> Self {
        match Type::of(text) {
            Some(_) => Self::Quoted,
            None => Self::Plain,
        }
    }
}

/// The types of scalars that are no texts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Type {
    /// Nothing.
    Null,
    /// True or false.
    Boolean,
    /// A whole number.
    Integer,
    /// Any number.
    Float,
    /// A day, or a time of a day.
    Date,
}

impl Type {
    /// What kustomize reads a scalar without quotes as; `None` for a text.
    pub(crate) fn of(text: &str) -> Option<Self> {
        match Reading::of(text) {
            Reading::Null => Some(Self::Null),
            Reading::Boolean(_) => Some(Self::Boolean),
            Reading::Integer(_) => Some(Self::Integer),
            Reading::Float(_) => Some(Self::Float),
            Reading::Date(_) => Some(Self::Date),
            Reading::Text => None,
        }
    }

    /// Whether a scalar without quotes is of this type, as every whole number is a number.
    pub(crate) fn takes(self, text: &str) -> bool {
        let own = Self::of(text);
        own == Some(self) || self == Self::Float && own == Some(Self::Integer)
    }

    /// Its name in messages.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Null => "null",
            Self::Boolean => "a boolean",
            Self::Integer => "a whole number",
            Self::Float => "a number",
            Self::Date => "a date",
        }
    }
}

/// A scalar without quotes as kustomize reads it (kyaml's go-yaml 3, `resolve.go`).
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Reading {
    /// Nothing.
    Null,
    /// True or false.
    Boolean(bool),
    /// A whole number of 64 bits.
    Integer(i128),
    /// Any other number.
    Float(f64),
    /// A date, as JSON has it.
    Date(String),
    /// A text.
    Text,
}

impl Reading {
    /// Reads a scalar.
    pub(crate) fn of(text: &str) -> Self {
        match text.as_bytes() {
            [] => Self::Null,
            [b'~' | b'n' | b'N', ..] if is_null(text) => Self::Null,
            [b't' | b'T' | b'f' | b'F', ..] if is_boolean(text) => {
                Self::Boolean(text.eq_ignore_ascii_case("true"))
            }
            [b'.' | b'+' | b'-' | b'0'..=b'9', ..] => Self::of_number(text),
            _ => Self::Text,
        }
    }

    fn of_number(text: &str) -> Self {
        let float = |text: &str| text.parse().map_or(Self::Text, Self::Float);
        match text {
            ".nan" | ".NaN" | ".NAN" => return Self::Float(f64::NAN),
            ".inf" | ".Inf" | ".INF" | "+.inf" | "+.Inf" | "+.INF" => {
                return Self::Float(f64::INFINITY);
            }
            "-.inf" | "-.Inf" | "-.INF" => return Self::Float(f64::NEG_INFINITY),
            _ => {}
        }
        if text.starts_with('.') {
            return match is_float(text) {
                true => float(text),
                false => Self::Text,
            };
        }
        if let Some(date) = date::in_json(text) {
            return Self::Date(date);
        }
        let plain = text.replace('_', "");
        match integer(&plain) {
            Some(number) => Self::Integer(number),
            None if is_float(&plain) => float(&plain),
            None => Self::Text,
        }
    }
}

/// A whole number of 64 bits, in any base: `0x1f`, `0o17`, `017`, `0b1`.
fn integer(text: &str) -> Option<i128> {
    let unsigned = text.strip_prefix(['-', '+']).unwrap_or(text);
    let (digits, radix) = match unsigned.as_bytes() {
        [b'0', b'x' | b'X', ..] => (&unsigned[2..], 16),
        [b'0', b'o' | b'O', ..] => (&unsigned[2..], 8),
        [b'0', b'b' | b'B', ..] => (&unsigned[2..], 2),
        [b'0', _, ..] => (&unsigned[1..], 8),
        _ => (unsigned, 10),
    };
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
        return None;
    }
    let number = i128::from_str_radix(digits, radix).ok()?;
    let number = match text.starts_with('-') {
        true => -number,
        false => number,
    };
    let is_signed = text.starts_with(['-', '+']);
    let most = if is_signed {
        i64::MAX.into()
    } else {
        u64::MAX.into()
    };
    (i128::from(i64::MIN)..=most)
        .contains(&number)
        .then_some(number)
}

/// Whether a text is a number with a point or an exponent, or without.
fn is_float(text: &str) -> bool {
    let unsigned = text.strip_prefix(['-', '+']).unwrap_or(text);
    let (number, exponent) = match unsigned.split_once(['e', 'E']) {
        Some((number, exponent)) => (number, Some(exponent)),
        None => (unsigned, None),
    };
    let is_digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    let is_exponent = |text: &str| {
        let digits = text.strip_prefix(['-', '+']).unwrap_or(text);
        !digits.is_empty() && is_digits(digits)
    };
    let (whole, part) = number.split_once('.').unwrap_or((number, ""));
    let has_digits = !whole.is_empty() || !part.is_empty();
    has_digits && is_digits(whole) && is_digits(part) && exponent.is_none_or(is_exponent)
}

/// Whether a scalar without quotes is null.
pub(crate) fn is_null(text: &str) -> bool {
    matches!(text, "" | "~" | "null" | "Null" | "NULL")
}

/// Whether a scalar without quotes is a boolean of YAML 1.2, which kustomize reads.
pub(crate) fn is_boolean(text: &str) -> bool {
    matches!(text, "true" | "True" | "TRUE" | "false" | "False" | "FALSE")
}

/// Whether a scalar without quotes means something else than its text to Kubernetes, for which
/// a date is a text.
pub(crate) fn is_plain(text: &str) -> bool {
    Type::of(text).is_some_and(|it| it != Type::Date)
}

#[cfg(test)]
mod tests {
    use super::Reading;

    #[test]
    fn scalars_are_read_as_kustomize_reads_them() {
        let date = |text: &str| Reading::Date(text.to_owned());
        for (text, expected) in [
            ("", Reading::Null),
            ("NULL", Reading::Null),
            ("nul", Reading::Text),
            ("True", Reading::Boolean(true)),
            ("y", Reading::Text),
            ("1_000", Reading::Integer(1000)),
            ("010", Reading::Integer(8)),
            ("-0b11", Reading::Integer(-3)),
            ("08", Reading::Float(8.0)),
            ("18446744073709551615", Reading::Integer(u64::MAX.into())),
            (
                "18446744073709551616",
                Reading::Float(18_446_744_073_709_551_616.0),
            ),
            ("1.", Reading::Float(1.0)),
            ("1e3", Reading::Float(1000.0)),
            (".5", Reading::Float(0.5)),
            (".", Reading::Text),
            ("-", Reading::Text),
            ("1e", Reading::Text),
            ("0x", Reading::Text),
            ("12:30", Reading::Text),
            ("2020-01-01", date("2020-01-01T00:00:00Z")),
            ("2020-02-30", Reading::Text),
        ] {
            assert_eq!(Reading::of(text), expected, "{text}");
        }
    }
}
