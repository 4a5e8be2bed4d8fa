//! The syntax of names in Kubernetes: label keys and values, names of objects and of
//! ports. Each check says in words what is wrong, or nothing.
//!
//! Refuses to know where a name stands, and whether anything has it.

/// What is wrong with a label's key: a name of at most 63 characters, maybe behind a
/// DNS name and `/` (apimachinery `IsQualifiedName`).
pub(super) fn label_key_error(key: &str) -> Option<String> {
    let name = match key.split_once('/') {
        None => key,
        Some((_, name)) if name.contains('/') => {
            return Some("a label key has at most one `/`".to_owned());
        }
        Some(("", _)) => {
            return Some("the part before the `/` is not a valid DNS name".to_owned());
        }
        Some((prefix, name)) => {
            if let Some(error) = dns_name_error(prefix) {
                return Some(format!(
                    "the prefix `{prefix}` is not a valid DNS name: {error}"
                ));
            }
            name
        }
    };
    if name.is_empty() {
        return Some("a label key must not be empty".to_owned());
    }
    label_part_error(name, "a label key")
}

/// What is wrong with a label's value: empty, or at most 63 letters, digits, `-`, `_`
/// and `.` between two letters or digits (apimachinery `IsValidLabelValue`).
pub(super) fn label_value_error(value: &str) -> Option<String> {
    if value.is_empty() {
        None
    } else {
        label_part_error(value, "a label value")
    }
}

fn label_part_error(text: &str, what: &str) -> Option<String> {
    let is_edge = |character: char| character.is_ascii_alphanumeric();
    let is_inner = |character: char| is_edge(character) || matches!(character, '-' | '_' | '.');
    if let Some(wrong) = text.chars().find(|character| !is_inner(*character)) {
        return Some(format!(
            "{what} has only letters, digits, `-`, `_` and `.`, not {}",
            quote_character(wrong)
        ));
    }
    if !text.starts_with(is_edge) || !text.ends_with(is_edge) {
        return Some(format!("{what} starts and ends with a letter or a digit"));
    }
    (text.len() > 63).then(|| {
        format!(
            "{what} has at most 63 characters, this one has {}",
            text.len()
        )
    })
}

/// What is wrong with the name of an object, a DNS name (`NameIsDNSSubdomain`).
pub(super) fn dns_name_error(name: &str) -> Option<String> {
    if let Some(wrong) = name
        .chars()
        .find(|character| !is_dns_character(*character, true))
    {
        return Some(format!(
            "it has only lower-case letters, digits, `-` and `.`, not {}",
            quote_character(wrong)
        ));
    }
    if name.is_empty() || name.split('.').any(has_wrong_edges) {
        return Some("each part starts and ends with a lower-case letter or a digit".to_owned());
    }
    (name.len() > 253)
        .then(|| format!("it has at most 253 characters, this one has {}", name.len()))
}

/// What is wrong with the name of a namespace, a DNS label (`NameIsDNSLabel`).
pub(super) fn namespace_name_error(name: &str) -> Option<String> {
    if let Some(wrong) = name
        .chars()
        .find(|character| !is_dns_character(*character, false))
    {
        return Some(format!(
            "it has only lower-case letters, digits and `-`, not {}",
            quote_character(wrong)
        ));
    }
    if has_wrong_edges(name) {
        return Some("it starts and ends with a lower-case letter or a digit".to_owned());
    }
    (name.len() > 63).then(|| format!("it has at most 63 characters, this one has {}", name.len()))
}

/// What is wrong with the name of a port: an IANA service name (`IsValidPortName`).
pub(super) fn port_name_error(name: &str) -> Option<String> {
    let error = if name.is_empty() {
        "a port name must not be empty".to_owned()
    } else if let Some(wrong) = name
        .chars()
        .find(|character| !is_dns_character(*character, false))
    {
        let wrong = quote_character(wrong);
        format!("a port name has only lower-case letters, digits and `-`, not {wrong}")
    } else if name.len() > 15 {
        format!(
            "a port name has at most 15 characters, this one has {}",
            name.len()
        )
    } else if !name.contains(|character: char| character.is_ascii_lowercase()) {
        "a port name has at least one letter".to_owned()
    } else if name.contains("--") {
        "a port name has no two hyphens in a row".to_owned()
    } else if name.starts_with('-') || name.ends_with('-') {
        "a port name does not start or end with a hyphen".to_owned()
    } else {
        return None;
    };
    Some(error)
}

/// What is wrong with a domain name of a cluster-wide policy, which may start with `*.`
/// and has at least two parts (the pattern of `DomainName` in the CRD).
pub(super) fn domain_name_error(name: &str) -> Option<String> {
    let parts = name.strip_prefix("*.").unwrap_or(name);
    let parts: Vec<&str> = parts
        .strip_suffix('.')
        .unwrap_or(parts)
        .split('.')
        .collect();
    if parts.len() < 2 {
        return Some("a domain name has at least two parts".to_owned());
    }
    let is_edge = |character: char| character.is_ascii_alphanumeric();
    let is_part = |part: &&str| {
        part.starts_with(is_edge)
            && part.ends_with(is_edge)
            && part
                .chars()
                .all(|character| is_edge(character) || matches!(character, '-' | '_'))
    };
    (!parts.iter().all(is_part)).then(|| {
        "a domain name has only letters, digits, `-` and `_` between its dots; `*.` is allowed in front"
            .to_owned()
    })
}

fn is_dns_character(character: char, is_dot_allowed: bool) -> bool {
    character.is_ascii_lowercase()
        || character.is_ascii_digit()
        || character == '-'
        || (character == '.' && is_dot_allowed)
}

fn has_wrong_edges(part: &str) -> bool {
    let is_edge = |character: char| character.is_ascii_lowercase() || character.is_ascii_digit();
    !part.starts_with(is_edge) || !part.ends_with(is_edge)
}

/// A character as a person can see it.
fn quote_character(character: char) -> String {
    match character {
        ' ' => "a space".to_owned(),
        '`' => "a backtick".to_owned(),
        _ if character.is_control() || character.is_whitespace() => {
            format!("U+{:04X}", u32::from(character))
        }
        _ => format!("`{character}`"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_what_apimachinery_takes() {
        let label = "a".repeat(63);
        let name = format!("{0}.{0}.{0}.{1}", label, "b".repeat(61));
        // (text, label key, label value, object name, namespace, port name)
        let table: &[(&str, [bool; 5])] = &[
            ("", [false, true, false, false, false]),
            ("web", [true, true, true, true, true]),
            ("Web", [true, true, false, false, false]),
            ("80", [true, true, true, true, false]),
            ("a--b", [true, true, true, true, false]),
            ("-a", [false, false, false, false, false]),
            ("a-", [false, false, false, false, false]),
            ("a.b", [true, true, true, false, false]),
            ("a..b", [true, true, false, false, false]),
            ("a_b", [true, true, false, false, false]),
            ("a b", [false, false, false, false, false]),
            ("é", [false, false, false, false, false]),
            ("app.kubernetes.io/name", [true, false, false, false, false]),
            ("a/b/c", [false, false, false, false, false]),
            ("/b", [false, false, false, false, false]),
            ("b/", [false, false, false, false, false]),
            ("Example.com/b", [false, false, false, false, false]),
            ("abcdefghijklmno", [true, true, true, true, true]),
            ("abcdefghijklmnop", [true, true, true, true, false]),
            (&label, [true, true, true, true, false]),
            (&format!("{label}a"), [false, false, true, false, false]),
            (&name, [false, false, true, false, false]),
            (&format!("{name}b"), [false, false, false, false, false]),
            (&format!("{name}/x"), [true, false, false, false, false]),
        ];
        for (text, expected) in table {
            let checks = [
                label_key_error,
                label_value_error,
                dns_name_error,
                namespace_name_error,
                port_name_error,
            ];
            let accepted = checks.map(|check| check(text).is_none());
            assert_eq!(&accepted, expected, "{text:?}");
        }
    }

    #[test]
    fn domain_names_are_what_the_crd_takes() {
        let good = ["example.com", "*.example.com", "a_b.Example.com.", "1.2"];
        let bad = [
            "com", "*.com", "*", "a.*.com", "a..b", ".a.b", "a-.b", "", "a b.c",
        ];
        for name in good {
            assert_eq!(domain_name_error(name), None, "{name}");
        }
        for name in bad {
            assert!(domain_name_error(name).is_some(), "{name}");
        }
    }
}
