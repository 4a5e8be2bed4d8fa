//! What kustomize reads scalars as, and what of them it cannot read.
//!
//! Refuses to know the values that they are part of.

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
}

impl Type {
    /// What kustomize reads a scalar without quotes as; `None` for a text.
    pub(crate) fn of(text: &str) -> Option<Self> {
        if is_null(text) {
            return Some(Self::Null);
        }
        if is_boolean(text) {
            return Some(Self::Boolean);
        }
        let unsigned = text.strip_prefix(['-', '+']).unwrap_or(text);
        let has_base = ["0x", "0o", "0b"].iter().any(|it| unsigned.starts_with(it));
        let is_whole = has_base || unsigned.bytes().all(|byte| byte.is_ascii_digit());
        is_number(text).then_some(if is_whole { Self::Integer } else { Self::Float })
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
        }
    }
}

/// Whether a scalar without quotes is null.
pub(crate) fn is_null(text: &str) -> bool {
    matches!(text, "" | "~" | "null" | "Null" | "NULL")
}

/// Whether a scalar without quotes is a boolean of YAML 1.2, which kustomize reads.
pub(crate) fn is_boolean(text: &str) -> bool {
    matches!(text, "true" | "True" | "TRUE" | "false" | "False" | "FALSE")
}

/// Whether a scalar without quotes means something else than its text to kustomize.
pub(crate) fn is_plain(text: &str) -> bool {
    is_null(text) || is_boolean(text) || is_number(text)
}

/// Whether a scalar without quotes is a number.
fn is_number(text: &str) -> bool {
    let unsigned = text.strip_prefix(['-', '+']).unwrap_or(text);
    let digits = |rest: &str, radix: u32| {
        !rest.is_empty() && rest.chars().all(|c| c.is_digit(radix) || c == '_')
    };
    if let Some(rest) = unsigned.strip_prefix("0x") {
        return digits(rest, 16);
    }
    if let Some(rest) = unsigned.strip_prefix("0o") {
        return digits(rest, 8);
    }
    if let Some(rest) = unsigned.strip_prefix("0b") {
        return digits(rest, 2);
    }
    let is_special = matches!(
        unsigned,
        ".inf" | ".Inf" | ".INF" | ".nan" | ".NaN" | ".NAN"
    );
    let first = unsigned.bytes().find(|byte| *byte != b'.');
    is_special
        || first.is_some_and(|byte| byte.is_ascii_digit())
            && unsigned.bytes().all(|byte| {
                byte.is_ascii_digit() || matches!(byte, b'.' | b'e' | b'E' | b'-' | b'+')
            })
            && unsigned.parse::<f64>().is_ok()
}
