//! Scalars that another tool fills in: how they are told from what is meant as it stands, and those
//! that stand for what a controller may write.
//!
//! Refuses to know where a scalar stands, and which tool that is.

use crate::source::Text;

/// What the value of a label begins with that may not be there at all.
const MAY_BE_SET: &str = "${may be set by ";

/// What the value of a label begins with that is there, and may be another one.
const MAY_BE_CHANGED: &str = "${may be changed by ";

/// The value of a label that something may put on an object, with any value, or not.
#[must_use]
pub fn label_that_may_be_set(by: &str) -> Text {
    Text::from(format!("{MAY_BE_SET}{by}}}").as_str())
}

/// The value of a label that an object has, and that something may change.
#[must_use]
pub fn label_value_that_may_be_set(by: &str) -> Text {
    Text::from(format!("{MAY_BE_CHANGED}{by}}}").as_str())
}

/// What may set a label with this value, or change it.
#[must_use]
pub fn may_be_set_by(value: &str) -> Option<&str> {
    let starts = [MAY_BE_SET, MAY_BE_CHANGED].into_iter();
    let by = starts.filter_map(|start| value.strip_prefix(start)).next();
    by.map(|by| by.trim_end_matches('}'))
}

/// Whether a label with this value may not be there at all.
#[must_use]
pub fn may_be_absent(value: &str) -> bool {
    value.starts_with(MAY_BE_SET)
}

/// Whether a scalar is a hole that another tool fills in: `{{ … }}`, `${VAR}`, a SOPS `ENC[…]`,
/// or a word that stands for what belongs there, as `<namespace>` and `REPLACE_NAMESPACE`. Such a
/// value may be anything.
#[must_use]
pub fn is_opaque(text: &str) -> bool {
    // Nearly all texts are short and have no brace, and this is asked of each of them many times.
    let has_brace = text.as_bytes().contains(&b'{');
    has_brace && (text.contains("{{") || text.contains("${"))
        || text.starts_with("ENC[")
        || may_be_placeholder(text) && is_placeholder(text)
}

/// How placeholders begin.
fn may_be_placeholder(text: &str) -> bool {
    let first = text.as_bytes().first();
    first.is_some_and(|byte| byte.is_ascii_uppercase() || b"<%@#_$".contains(byte))
}

/// Words of placeholders in capitals.
const PLACEHOLDER_WORDS: &[&str] = &[
    "CHANGEME",
    "INSERT",
    "NAMESPACE",
    "PLACEHOLDER",
    "REPLACE",
    "REPLACEME",
    "TBD",
    "YOUR",
];

/// Whether a text, or what stands in front of the length of a CIDR, is nothing but a placeholder:
/// between signs that no name has, a variable of a shell, or in capitals with a word that says so.
fn is_placeholder(text: &str) -> bool {
    let is_length = |end: &str| end.bytes().all(|byte| byte.is_ascii_digit());
    let text = match text.rsplit_once('/') {
        Some((front, end)) if is_length(end) => front,
        _ => text,
    };
    let is_capital = |byte: u8| byte.is_ascii_uppercase() || byte.is_ascii_digit() || byte == b'_';
    let is_variable =
        |name: &str| name.bytes().all(is_capital) && name.contains(|it: char| it.is_alphabetic());
    let is_named = |name: &str| {
        let is_of_name = |byte: u8| byte.is_ascii_alphanumeric() || b"_-. ".contains(&byte);
        name.bytes().all(is_of_name) && name.contains(|it: char| it.is_alphabetic())
    };
    let signs = [
        ("<", ">"),
        ("%", "%"),
        ("@@", "@@"),
        ("@", "@"),
        ("#{", "}#"),
        ("__", "__"),
    ];
    let mut inside = signs
        .into_iter()
        .filter_map(|(start, end)| text.strip_prefix(start)?.strip_suffix(end));
    if inside.any(is_named) {
        return true;
    }
    if let Some(name) = text.strip_prefix('$') {
        let name = name
            .strip_prefix('(')
            .and_then(|it| it.strip_suffix(')'))
            .unwrap_or(name);
        return is_variable(name);
    }
    let is_in_capitals = text.bytes().all(|byte| is_capital(byte) || byte == b'-');
    let is_separator = |c: char| matches!(c, '_' | '-');
    let is_address = |end: &str| {
        text.strip_suffix(end)
            .is_some_and(|it| it.ends_with(is_separator))
    };
    let mut words = text.split(is_separator);
    let is_change_me = || text.contains("CHANGE_ME") || text.contains("CHANGE-ME");
    is_in_capitals
        && (words.any(|word| PLACEHOLDER_WORDS.contains(&word))
            || is_address("CIDR")
            || is_address("IP")
            || is_change_me())
}

#[cfg(test)]
mod tests {
    use super::is_opaque;

    #[test]
    fn placeholders_are_told_from_names_and_labels() {
        for text in [
            "{{ .Values.a }}",
            "a-${B}",
            "ENC[AES256]",
            "REPLACE_NAMESPACE",
            "CHANGEME",
            "CHANGE_ME",
            "YOUR_API_SERVER_IP/32",
            "PLACEHOLDER_CIDR",
            "VPC_CIDR",
            "<namespace>",
            "<your-namespace>",
            "<VPC CIDR>",
            "<IP>/32",
            "%NAMESPACE%",
            "@@NS@@",
            "@ns@",
            "#{CIDR}#",
            "__NAMESPACE__",
            "$NS",
            "$(NS)",
            "NAMESPACE",
            "YOUR-APP",
        ] {
            assert!(is_opaque(text), "{text}");
        }
        for text in [
            "",
            "web",
            "TCP",
            "UDP",
            "GET",
            "Ingress",
            "PROD_EU",
            "PROD-EU",
            "V1",
            "VIP",
            "A",
            "10.0.0.0/8",
            "1.2.3.4/32",
            "#",
            "@",
            "%",
            "<",
            "<>",
            "__",
            "$",
            "$1",
            "$2",
            "@a",
            "your-app",
            "Replace",
            "/a/%2F",
            "%s",
            "%d",
            "CHANGE",
            "CIDR",
            "IP",
            "ME",
            "::/0",
            "#fff",
            "_web",
            "DROP_INVALID",
        ] {
            assert!(!is_opaque(text), "{text}");
        }
    }
}
