//! What the reader with the whole grammar makes of texts that few manifests have, as go-yaml
//! does: escapes, headers of block scalars, empty places in brackets, binary
//! values, numbers with underscores.

use super::tree::push_field;
use super::{Node, binary, general};
use crate::source::SourceMap;

/// A text as it is read: mappings and lists in brackets, scalars in quotes; or what is wrong.
fn read(text: &str) -> String {
    let source = SourceMap::default().add("test.yaml", text);
    match general::read(source, text, 0..text.len()) {
        Ok(tree) => tree.root().map_or_else(String::new, written),
        Err(error) => error.message,
    }
}

fn written(node: Node<'_>) -> String {
    if let Some(text) = node.text() {
        return format!("{text:?}");
    }
    let entries = node.entries();
    let entries = entries.map(|entry| format!("{}={}", entry.key.key_text(), written(entry.value)));
    let items = node.items().map(written);
    let parts: Vec<String> = entries.chain(items).collect();
    format!("({})", parts.join(" "))
}

#[test]
fn rare_texts_are_read_as_go_yaml_reads_them() {
    for (text, expected) in [
        (
            "a: \"x\\Ly\\Pz\\N\\_\"",
            "(a=\"x\\u{2028}y\\u{2029}z\\u{85}\\u{a0}\")",
        ),
        // A backslash means nothing in single quotes, at the end of a line either.
        ("a: 'x\\\n  y'", "(a=\"x\\\\ y\")"),
        ("a: |2-\n    x\n", "(a=\"  x\")"),
        ("a: |-2\n    x\n", "(a=\"  x\")"),
        ("a: >1+\n   x\n\n", "(a=\"  x\\n\\n\")"),
        ("a: x#y", "(a=\"x#y\")"),
        ("a: x #y", "(a=\"x\")"),
        ("{? : b}", "a key must not be null"),
        ("{? , c: d}", "a key must not be null"),
        ("{? a : b, ? c}", "(a=\"b\" c=\"\")"),
    ] {
        assert_eq!(read(text), expected, "{text:?}");
    }
}

#[test]
fn binary_values_are_decoded() {
    for (text, expected) in [
        ("", Some("")),
        ("c2hvcA==", Some("shop")),
        ("c2hv\ncDEy\n", Some("shop12")),
        ("c2hvcDE=", Some("shop1")),
        ("w7w/", Some("ü?")),
        ("Pj4+", Some(">>>")),
        ("c2hvc", None),
        ("c2hv=A==", None),
        ("c2g=c2g=", None),
        ("c===", None),
        ("c2h!", None),
    ] {
        assert_eq!(binary::decode_base64(text).as_deref(), expected, "{text:?}");
    }
}

#[test]
fn fields_that_are_no_words_stand_in_brackets() {
    let path = |names: &[&str]| {
        let mut path = String::new();
        names.iter().for_each(|name| push_field(&mut path, name));
        path
    };
    assert_eq!(path(&["spec", "a-b_1"]), "spec.a-b_1");
    assert_eq!(path(&["labels", "a/b", ""]), r#"labels["a/b"][""]"#);
}
