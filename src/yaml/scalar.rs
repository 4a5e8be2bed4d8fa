//! What a scalar means, as Kubernetes reads it: the resolver of go-yaml v2 as
//! `sigs.k8s.io/yaml` calls it, followed by the way through JSON.
//!
//! Refuses to know where a scalar stands, or what its field would like it to be.

use std::fmt::{Display, LowerExp};

/// A scalar as the API server sees it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Scalar<'t> {
    /// `null`, `~`, or nothing at all.
    Null,
    /// YAML 1.1 booleans: `yes`, `on` and `y` are as true as `true`.
    Bool(bool),
    /// A whole number, also one that is written as a float: `1e3` leaves go-yaml as
    /// 1000.0, JSON writes it as `1000`, and Kubernetes reads that as an integer.
    Int(i64),
    /// Any other number, also whole ones that do not fit 64 bits.
    Float(f64),
    /// Text.
    String(&'t str),
}

/// The tag in front of a value, as far as it decides how the value is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Tag {
    /// None; plain text is resolved, quoted text is a string.
    None,
    /// `!`, `!!str`, `!!timestamp`, and every tag that go-yaml does not know: the value
    /// is its text.
    Text,
    /// `!!binary`: the value is text that is decoded when the tree is built.
    Binary,
    /// `!!null`.
    Null,
    /// `!!bool`.
    Bool,
    /// `!!int`.
    Int,
    /// `!!float`.
    Float,
}

impl Tag {
    /// Whether go-yaml takes a value for this tag; it refuses `!!int x`.
    pub(crate) fn accepts(self, text: &str) -> bool {
        let resolved = resolve(text);
        match self {
            Self::None | Self::Text | Self::Binary => true,
            Self::Null => matches!(resolved, Resolved::Null),
            Self::Bool => matches!(resolved, Resolved::Bool(_)),
            Self::Int => matches!(resolved, Resolved::Int(_) | Resolved::BigInt(_)),
            Self::Float => matches!(resolved, Resolved::Int(_) | Resolved::Float(_)),
        }
    }
}

/// What go-yaml makes of a plain scalar, before JSON.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Resolved {
    Null,
    Bool(bool),
    Int(i64),
    BigInt(f64),
    Float(f64),
    Text,
}

/// The value of a plain scalar.
#[inline]
pub(crate) fn plain(text: &str) -> Scalar<'_> {
    match resolve(text) {
        Resolved::Null => Scalar::Null,
        Resolved::Bool(value) => Scalar::Bool(value),
        Resolved::Int(value) => Scalar::Int(value),
        Resolved::BigInt(value) => Scalar::Float(value),
        Resolved::Float(value) => number(value),
        Resolved::Text => Scalar::String(text),
    }
}

/// The text of a plain mapping key after go-yaml and JSON: `1`, `0x1` and `+1` are one
/// key, `yes` is `true`. `None` for null, which cannot be a key, and `Some(None)` where
/// the text stands for itself.
pub(crate) fn plain_key(text: &str) -> Option<Option<String>> {
    match resolve(text) {
        Resolved::Null => None,
        Resolved::Text => Some(None),
        Resolved::Bool(value) => Some(Some(value.to_string())),
        Resolved::Int(value) => Some(Some(value.to_string())),
        Resolved::BigInt(value) | Resolved::Float(value) => Some(Some(float_key(value))),
    }
}

/// Whether a plain scalar is infinite or no number (`.inf`, `.nan`).
pub(crate) fn is_boundless(text: &str) -> bool {
    let is_word = |text: &str| {
        matches!(text, ".inf" | ".Inf" | ".INF") || matches!(text, ".nan" | ".NaN" | ".NAN")
    };
    match text.strip_prefix(['+', '-']) {
        Some(text) => is_word(text) && !text.ends_with(['n', 'N']),
        None => is_word(text),
    }
}

/// Whether a plain scalar that starts with this byte can be anything but text.
#[inline]
pub(crate) fn may_resolve(first: u8) -> bool {
    matches!(first, b'+' | b'-' | b'.' | b'0'..=b'9' | b'~' | b'<')
        || matches!(
            first,
            b'y' | b'Y' | b'n' | b'N' | b't' | b'T' | b'f' | b'F' | b'o' | b'O'
        )
}

/// Whether a text can be what a plain key becomes that is written otherwise ([`plain_key`]).
#[inline]
pub(crate) fn may_be_resolved(key: &str) -> bool {
    let is_number = |first: u8| matches!(first, b'-' | b'.' | b'0'..=b'9');
    key.bytes().next().is_some_and(is_number) || matches!(key, "true" | "false")
}

/// Whether only YAML 1.1 takes this plain scalar for a boolean: `yes`, `on`, `n`.
pub(crate) fn is_old_boolean(text: &str) -> bool {
    let is_new = ["true", "false"]
        .iter()
        .any(|word| word.eq_ignore_ascii_case(text));
    !is_new && matches!(resolve(text), Resolved::Bool(_))
}

/// A float as JSON carries it: a whole one is an integer again.
fn number<'t>(value: f64) -> Scalar<'t> {
    // 2⁶³ is the first whole number that an i64 does not hold.
    if value.fract() == 0.0 && value.abs() < 9_223_372_036_854_775_808.0 {
        Scalar::Int(value as i64)
    } else {
        Scalar::Float(value)
    }
}

#[inline]
fn resolve(text: &str) -> Resolved {
    let Some(first) = text.bytes().next() else {
        return Resolved::Null;
    };
    match first {
        b'~' if text == "~" => Resolved::Null,
        b'y' | b'Y' | b'n' | b'N' | b't' | b'T' | b'f' | b'F' | b'o' | b'O' => word(text),
        b'.' => match text {
            ".nan" | ".NaN" | ".NAN" => Resolved::Float(f64::NAN),
            ".inf" | ".Inf" | ".INF" => Resolved::Float(f64::INFINITY),
            _ if text.contains('_') && separates_digits(text) => float(&text.replace('_', "")),
            _ => float(text),
        },
        b'+' | b'-' | b'0'..=b'9' => match text {
            "+.inf" | "+.Inf" | "+.INF" => Resolved::Float(f64::INFINITY),
            "-.inf" | "-.Inf" | "-.INF" => Resolved::Float(f64::NEG_INFINITY),
            _ if text.contains('_') => digits(&text.replace('_', "")),
            _ => digits(text),
        },
        _ => Resolved::Text,
    }
}

fn word(text: &str) -> Resolved {
    match text {
        "null" | "Null" | "NULL" => Resolved::Null,
        "y" | "Y" | "yes" | "Yes" | "YES" => Resolved::Bool(true),
        "true" | "True" | "TRUE" | "on" | "On" | "ON" => Resolved::Bool(true),
        "n" | "N" | "no" | "No" | "NO" => Resolved::Bool(false),
        "false" | "False" | "FALSE" | "off" | "Off" | "OFF" => Resolved::Bool(false),
        _ => Resolved::Text,
    }
}

/// A number that starts with a sign or a digit, underscores taken out: an integer with
/// the prefixes of Go (`0` alone means octal), else a decimal float, so that `08` is 8.
fn digits(text: &str) -> Resolved {
    let (negative, unsigned) = match text.as_bytes()[0] {
        b'-' => (true, &text[1..]),
        b'+' => (false, &text[1..]),
        _ => (false, text),
    };
    let prefix = unsigned.get(..2).unwrap_or_default();
    let (radix, digits) = match prefix {
        "0x" | "0X" => (16, &unsigned[2..]),
        "0o" | "0O" => (8, &unsigned[2..]),
        "0b" | "0B" => (2, &unsigned[2..]),
        _ if unsigned.len() > 1 && unsigned.starts_with('0') => (8, &unsigned[1..]),
        _ => (10, unsigned),
    };
    if digits.is_empty() || !digits.chars().all(|digit| digit.is_digit(radix)) {
        return float(text);
    }
    let value = digits.bytes().try_fold(0_u64, |value, digit| {
        let digit = u64::from((digit as char).to_digit(radix).unwrap_or(0));
        value.checked_mul(u64::from(radix))?.checked_add(digit)
    });
    match value {
        Some(value) if negative && value <= i64::MIN.unsigned_abs() => {
            Resolved::Int((value as i64).wrapping_neg())
        }
        Some(value) if !negative => {
            i64::try_from(value).map_or(Resolved::BigInt(value as f64), Resolved::Int)
        }
        _ => float(text),
    }
}

/// Whether every underscore stands alone between two digits, as Go wants it in floats.
fn separates_digits(text: &str) -> bool {
    let is_digit = |byte: Option<&u8>| byte.is_some_and(u8::is_ascii_digit);
    let bytes = text.as_bytes();
    (1..bytes.len())
        .filter(|at| bytes[*at] == b'_')
        .all(|at| is_digit(bytes.get(at - 1)) && is_digit(bytes.get(at + 1)))
}

/// A decimal float; text if it is none, or too large for one.
fn float(text: &str) -> Resolved {
    let bytes = text.as_bytes();
    let run = |from: usize| {
        bytes[from..]
            .iter()
            .take_while(|byte| byte.is_ascii_digit())
            .count()
    };
    let mut at = usize::from(matches!(bytes[0], b'+' | b'-'));
    let whole = run(at);
    at += whole;
    if bytes.get(at) == Some(&b'.') {
        let fraction = run(at + 1);
        at += 1 + fraction;
        if whole + fraction == 0 {
            return Resolved::Text;
        }
    } else if whole == 0 {
        return Resolved::Text;
    }
    if matches!(bytes.get(at), Some(b'e' | b'E')) {
        at += 1 + usize::from(matches!(bytes.get(at + 1), Some(b'+' | b'-')));
        let exponent = run(at.min(bytes.len()));
        if exponent == 0 {
            return Resolved::Text;
        }
        at += exponent;
    }
    match text.parse::<f64>() {
        Ok(value) if at == bytes.len() && value.is_finite() => Resolved::Float(value),
        _ => Resolved::Text,
    }
}

/// A float key as `sigs.k8s.io/yaml` writes it: the shortest text of its 32-bit value,
/// with an exponent below 1e-4 and from 1e6 on.
fn float_key(value: f64) -> String {
    if value.is_nan() {
        return ".nan".to_owned();
    }
    let value = value as f32;
    if value.is_infinite() {
        return if value > 0.0 { ".inf" } else { "-.inf" }.to_owned();
    }
    as_go_writes(value)
}

/// A finite float as Go's `%g` has it: the shortest text that means it, with an exponent below
/// 1e-4 and from 1e6 on.
#[must_use]
pub(crate) fn as_go_writes<F: LowerExp + Display>(value: F) -> String {
    let scientific = format!("{value:e}");
    let (mantissa, exponent) = scientific.split_once('e').unwrap_or((&scientific, "0"));
    let exponent: i32 = exponent.parse().unwrap_or(0);
    if (-4..6).contains(&exponent) {
        return value.to_string();
    }
    let sign = if exponent < 0 { '-' } else { '+' };
    format!("{mantissa}e{sign}{:02}", exponent.abs())
}

#[cfg(test)]
mod tests {
    use super::{Scalar, may_be_resolved, plain, plain_key};

    #[test]
    fn underscores_stand_alone_in_floats_that_begin_with_a_point() {
        for (text, is_float) in [
            (".1_5", true),
            (".1_0_5", true),
            (".1__5", false),
            ("._15", false),
            (".15_", false),
            // Without a point in front, underscores are left out first, wherever they stand.
            ("1__0.5", true),
        ] {
            let read = plain(text);
            assert_eq!(
                matches!(read, Scalar::Float(_)),
                is_float,
                "{text}: {read:?}"
            );
        }
    }

    #[test]
    fn keys_are_written_as_json_carries_them() {
        let written = [
            (".inf", ".inf"),
            ("+.inf", ".inf"),
            ("-.inf", "-.inf"),
            (".nan", ".nan"),
            ("1.50", "1.5"),
            ("1e6", "1e+06"),
            ("0.00001", "1e-05"),
            ("0.0001", "0.0001"),
            ("0x10", "16"),
            ("yes", "true"),
            ("Off", "false"),
            ("-0b1", "-1"),
        ];
        for (text, key) in written {
            assert_eq!(plain_key(text), Some(Some(key.to_owned())), "{text}");
            assert!(may_be_resolved(key), "{text}");
        }
        assert_eq!(plain_key("web"), Some(None));
        assert_eq!(plain_key("~"), None);
    }
}
