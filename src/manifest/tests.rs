//! What trees make of YAML, as go-yaml does.

use super::read;
use crate::k8s::Object;
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

#[test]
fn merge_keys_bring_what_is_not_there() {
    let bases = "b: &b {x: 1, v: 2}\nc: &c {x: 5, z: 6}\n";
    let read = |entries: &str| {
        let text = format!("{bases}a:\n{entries}");
        json(
            tree(&text)
                .root()
                .expect("it has a root")
                .get("a")
                .expect("it is there"),
        )
    };
    let table = [
        ("  <<: *b\n", r#"{"x":1,"v":2}"#),
        ("  <<: *b\n  x: 3\n", r#"{"x":3,"v":2}"#),
        // What stands behind a key takes its place, a merge key, too.
        ("  x: 3\n  <<: *b\n", r#"{"x":1,"v":2}"#),
        // Of several mappings the first has the word.
        ("  <<: [*b, *c]\n", r#"{"x":1,"z":6,"v":2}"#),
        ("  <<: [*c, *b]\n  v: 7\n", r#"{"x":5,"v":7,"z":6}"#),
        ("  \"<<\": *b\n", r#"{"<<":{"x":1,"v":2}}"#),
        ("  k: {<<: *b}\n", r#"{"k":{"x":1,"v":2}}"#),
    ];
    for (entries, expected) in table {
        assert_eq!(read(entries), expected, "{entries}");
    }
}

/// A policy of this name that lets in everybody.
fn open(name: &str) -> String {
    format!(
        "apiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata: {{name: {name}}}\n\
         spec: {{podSelector: {{}}, ingress: [{{}}]}}\n"
    )
}

/// A policy with this `spec`.
fn with_spec(spec: &str) -> String {
    format!(
        "apiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata: {{name: p}}\n\
         spec:\n  podSelector: {{}}\n{spec}"
    )
}

/// The policies of a text that are in force, each with the number of its ingress rules, and
/// the rules that have a finding.
fn in_force(name: &str, text: &str) -> (Vec<String>, Vec<&'static str>) {
    let source = SourceMap::default().add(name, text);
    let parsed = read(source, name, text);
    let policies = parsed.objects.iter().filter_map(|object| match object {
        Object::NetworkPolicy(policy) if policy.meta.is_accepted => Some(policy),
        _ => None,
    });
    let policies = policies.map(|policy| {
        let rules = policy.ingress.items().len();
        format!("{} {rules}", policy.meta.name)
    });
    let policies = policies.collect();
    let mut rules: Vec<&str> = parsed.diagnostics.iter().map(|found| found.rule).collect();
    rules.sort_unstable();
    rules.dedup();
    (policies, rules)
}

#[test]
fn what_kubernetes_applies_is_in_force_and_nothing_else() {
    let (first, second) = (open("first"), open("second"));
    let one_line = |text: &str| {
        let value: serde_yaml::Value = serde_yaml::from_str(text).expect("it is YAML");
        serde_json::to_string(&value).expect("it is JSON")
    };
    let (json, other_json) = (one_line(&first), one_line(&second));
    let item = |text: &str| format!("- {}", text.trim_end().replace('\n', "\n  "));
    let items = |kind: &str, item: &str| format!("apiVersion: v1\nkind: {kind}\nitems:\n{item}\n");
    let nested = items("List", &item(&items("List", &item(&first))));
    let typed = items("List", &item(&items("NetworkPolicyList", &item(&first))));
    let cases: Vec<(String, &[&str], &[&str])> = vec![
        // Line breaks of YAML 1.1 end a comment.
        (
            with_spec("  # closed\u{2028}  ingress: [{}]\n"),
            &["p 1"],
            &["hidden-text"],
        ),
        (
            with_spec("  policyTypes: [Ingress] # closed\u{85}  ingress: [{}]\n"),
            &["p 1"],
            &["hidden-text"],
        ),
        (
            with_spec("  policyTypes: [Ingress] # closed\r  ingress: [{}]\n"),
            &["p 1"],
            &["hidden-text"],
        ),
        (
            format!("---# {}\u{2029}{first}", "closed"),
            &["first 1"],
            &["hidden-text"],
        ),
        (
            format!("a: b\n---# x\u{2029}c: d\n{first}"),
            &["first 1"],
            &[],
        ),
        // Where kubectl cuts, and what it drops.
        (
            format!("{first}---#c\n{second}"),
            &["first 1", "second 1"],
            &[],
        ),
        (
            format!("{first}--- # c\n{second}"),
            &["first 1", "second 1"],
            &[],
        ),
        (
            format!("{first}...\n{second}"),
            &["first 1"],
            &["ignored-text"],
        ),
        (
            format!("# c\n{json}\n{other_json}\n"),
            &["first 1"],
            &["ignored-text"],
        ),
        (
            format!("{json}\n{other_json}\n"),
            &["first 1", "second 1"],
            &[],
        ),
        (format!("{json},"), &["first 1"], &["yaml-error"]),
        (format!("{json}c"), &["first 1"], &["yaml-error"]),
        (
            format!("{json}{other_json}\n---\n{second}"),
            &["first 1", "second 1"],
            &["yaml-error"],
        ),
        (format!(" a: b\n{first}"), &[], &["yaml-error"]),
        (format!("--- {{a: b}}\n{first}"), &[], &["yaml-error"]),
        (format!("---{first}"), &[], &["yaml-error"]),
        // Lists.
        (items("ConfigMap", &item(&first)), &["first 1"], &[]),
        (items("List", &item(&first)), &["first 1"], &[]),
        (nested, &[], &["invalid-value"]),
        (typed, &["first 1"], &["invalid-value"]),
        (item(&first), &[], &["invalid-value"]),
        (
            items("List", &format!("- 3\n{}", item(&first))),
            &[],
            &["invalid-value"],
        ),
        (format!("{first}items: null\n"), &[], &["ignored-text"]),
        (
            items("List", &item(&first)).replacen("v1", "a/b/c", 1),
            &[],
            &["invalid-value"],
        ),
        // What go-yaml does not take.
        (
            format!("{first}\t\n---\n{second}"),
            &["second 1"],
            &["yaml-error"],
        ),
        (with_spec("\t# a comment\n"), &[], &["yaml-error"]),
        (
            with_spec("  policyTypes:\n  -\tIngress\n"),
            &[],
            &["yaml-error"],
        ),
        (format!("%YAML 1.1\n---\n{first}"), &[], &["yaml-error"]),
        (format!("{first}---x\n"), &[], &["yaml-error"]),
        (format!("{first}--- # x\n"), &["first 1"], &[]),
        (format!("x-a: &a.b {{}}\n{first}"), &[], &["yaml-error"]),
        (format!("{first}x-y: .inf\n"), &[], &["yaml-error"]),
        (format!("{first}x-y: {{.inf: 1}}\n"), &["first 1"], &[]),
        (
            format!("---\n{}", json.replace("io/v1", "io\\/v1")),
            &[],
            &["yaml-error"],
        ),
        (json.replace("io/v1", "io\\/v1"), &["first 1"], &[]),
        (
            with_spec("  ingress: [{from:}]\n"),
            &["p 1"],
            &["unknown-field"],
        ),
        (with_spec("  ingress: [{a: :8}]\n"), &[], &["yaml-error"]),
        // What it takes.
        (
            with_spec("  policyTypes: [\"Ingress\"]#comment\n"),
            &["p 0"],
            &[],
        ),
        (
            format!("{}\nx-a: &a \"one\ntwo\"\n", first.trim_end()),
            &["first 1"],
            &[],
        ),
        (
            with_spec("").replace("podSelector: {}", "podSelector: {matchLabels: {y: a}}"),
            &["p 0"],
            &["invalid-value"],
        ),
        (
            with_spec("").replace(
                "podSelector: {}",
                "podSelector: {matchExpressions: [{key: a, operator: In, values: [null]}]}",
            ),
            &["p 0"],
            &[],
        ),
        // What the server refuses.
        (
            with_spec("  ingress:\n  - from:\n      namespace: shop\n"),
            &[],
            &["unknown-field"],
        ),
        (
            first.replace("{name: first}", "{name: first, labels: {\"//\": a}}"),
            &[],
            &["invalid-value"],
        ),
        (
            first.replace("{name: first}", "{name: first, annotations: {\"\": a}}"),
            &[],
            &["invalid-value"],
        ),
        (
            first.replace("{name: first}", "{name: first, finalizers: [s]}"),
            &[],
            &["invalid-value"],
        ),
        (
            first.replace("{name: first}", "{name: first, ownerReferences: [{}]}"),
            &[],
            &["invalid-value"],
        ),
        // The server empties such a list before it looks at it (`fieldmanager.go`).
        (
            first.replace(
                "{name: first}",
                "{name: first, managedFields: [{operation: Guess, fieldsType: FieldsV9}]}",
            ),
            &["first 1"],
            &[],
        ),
        (
            first.replace("{name: first}", "{name: first, creationTimestamp: Z}"),
            &[],
            &["invalid-value"],
        ),
        (
            first.replace("{name: first}", "{name: first, generateName: P-}"),
            &["first 1"],
            &[],
        ),
        (
            first.replace("{name: first}", "{generateName: P-}"),
            &[],
            &["invalid-value"],
        ),
    ];
    for (text, policies, rules) in cases {
        let name = if text.starts_with('{') {
            "a.json"
        } else {
            "a.yaml"
        };
        let found = in_force(name, &text);
        let policies: Vec<String> = policies.iter().map(|&policy| policy.to_owned()).collect();
        assert_eq!(found, (policies, rules.to_vec()), "{text:?}");
    }
}
