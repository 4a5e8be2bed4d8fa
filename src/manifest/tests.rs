//! What trees make of YAML, as go-yaml does.

use crate::source::SourceMap;
use crate::yaml::general;
use crate::yaml::tree::{Kind, Node, Tree};

/// The tree of a document that must be readable.
fn tree(text: &str) -> Tree<'_> {
    let source = SourceMap::default().add("test.yaml", text);
    general::read(source, text, 0..text.len()).expect("the text is valid")
}

fn json(node: Node<'_>) -> String {
    use crate::yaml::scalar::Scalar;
    match node.kind() {
        Kind::Mapping => {
            let entries = node
                .entries()
                .map(|entry| format!("{:?}:{}", entry.key.key_text(), json(entry.value)));
            format!("{{{}}}", entries.collect::<Vec<_>>().join(","))
        }
        Kind::Sequence => format!("[{}]", node.items().map(json).collect::<Vec<_>>().join(",")),
        Kind::Scalar => match node.scalar().expect("it is a scalar") {
            Scalar::Null => "null".to_owned(),
            Scalar::Bool(value) => value.to_string(),
            Scalar::Int(value) => value.to_string(),
            Scalar::Float(value) => format!("{value:?}"),
            Scalar::String(text) => format!("{text:?}"),
        },
    }
}

/// The text of every node, in order, `key=` in front of keys and `-@n` for hyphens.
fn places(node: Node<'_>, base: &mut Vec<String>) {
    let dash = node
        .dash()
        .map(|dash| format!("-@{} ", dash.start))
        .unwrap_or_default();
    base.push(format!("{dash}{}@{}", node.raw(), node.span().start));
    for entry in node.entries() {
        places(entry.key, base);
        places(entry.value, base);
    }
    for item in node.items() {
        places(item, base);
    }
}

#[test]
fn reads_values() {
    let text = "a: 1\nb:\n- x\n# c1 - z\n-   # c2\n- - p\n  - q\n-\n  k: v # right\nc: |\n  text\n  more\n\n# after\nd: &x !!str 12\ne: *x\nf:\n  - *x\ng: {a: b, \"c\": [1, 2,], e}\nh:\ni: >-\n   x\n   y\n\n\nj: \"a\\n\n  b\"\n? k\n: l\nm: plain\n  multi\n\n  line\n   # comment\nlast:\n";
    let tree = tree(text);
    let root = tree.root().expect("it has a root");
    insta::assert_snapshot!(json(root));
    let mut found = Vec::new();
    places(root, &mut found);
    insta::assert_snapshot!(found[1..].join("\n"));
}
