//! Additions to texts of every style, read from and written as tables: what stands there,
//! and what shall stand there then.

use super::*;
use crate::edit;
use crate::k8s::Object;
use crate::manifest;
use crate::source::SourceMap;

const PORT: NewPort = NewPort {
    protocol: Protocol::Tcp,
    first: 8080,
    last: 8080,
};

fn pods(app: &str) -> Vec<NewPeer> {
    vec![NewPeer::Pods {
        namespace: None,
        labels: vec![("app".to_owned(), app.to_owned())],
    }]
}

/// The text of a policy with the edit applied that is made for it.
fn edited(
    text: &str,
    edit: impl FnOnce(&SourceMap, &NetworkPolicy) -> Option<Edit>,
) -> Option<String> {
    let mut sources = SourceMap::default();
    let source = sources.add("policy.yaml", text);
    let parsed = manifest::read(source, "test.yaml", text);
    assert!(parsed.diagnostics.is_empty(), "{:?}", parsed.diagnostics);
    let policy = parsed.objects.iter().find_map(|object| match object {
        Object::NetworkPolicy(policy) => Some(policy),
        _ => None,
    });
    let edit = edit(&sources, policy.expect("the text has a policy"))?;
    let edited = edit::apply(text, &[edit]).expect("one edit is in nobody's way");
    let parsed = manifest::read(source, "test.yaml", &edited);
    assert!(
        parsed.diagnostics.is_empty(),
        "{edited}\n{:?}",
        parsed.diagnostics
    );
    Some(edited)
}

fn with_spec(spec: &str) -> String {
    let spec: String = spec.lines().map(|line| format!("  {line}\n")).collect();
    format!(
        "apiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata:\n  name: a\nspec:\n{spec}"
    )
}

#[test]
fn a_port_is_written_as_its_neighbour() {
    for (ports, expected) in [
        (
            "    - protocol: TCP\n      port: 80\n",
            "    - protocol: TCP\n      port: 8080",
        ),
        (
            "    - port: 80\n      protocol: TCP # web\n",
            "    - port: 8080\n      protocol: TCP",
        ),
        ("    - port: 80\n", "    - port: 8080"),
        ("  - port: 80\n  # the last one\n", "  - port: 8080"),
        ("    -   port: 80\n", "    -   port: 8080"),
        ("    - # web\n      port: 80\n", "    - port: 8080"),
        (
            "    -   # web\n        # and more\n        port: 80\n",
            "    -   port: 8080",
        ),
        ("    - {port: 80}\n", "    - {port: 8080}"),
        (
            "    - { protocol: UDP, port: 80 }\n",
            "    - { protocol: TCP, port: 8080 }",
        ),
    ] {
        let text = with_spec(&format!("podSelector: {{}}\ningress:\n- ports:\n{ports}"));
        let add = |sources: &SourceMap, policy: &NetworkPolicy| {
            add_ports(sources, &policy.ingress.items()[0], &[PORT])
        };
        let edited = edited(&text, add).expect("the rule has a port");
        let expected: String = expected.lines().map(|line| format!("  {line}\n")).collect();
        assert!(edited.contains(&expected), "{ports:?} became\n{edited}");
    }
}

#[test]
fn brackets_and_braces_stay_on_their_line() {
    let text = with_spec("podSelector: {}\ningress: [{ports: [{port: 80}]}] # all");
    let rule = |policy: &NetworkPolicy| policy.ingress.items()[0].clone();
    let port = edited(&text, |sources, policy| {
        add_ports(sources, &rule(policy), &[PORT])
    });
    assert!(
        port.expect("it has a port")
            .contains("[{ports: [{port: 80}, {port: 8080}]}] # all")
    );
    let rule = edited(&text, |sources, policy| {
        add_rule(sources, policy, Direction::Ingress, &pods("b"), &[PORT])
    });
    let expected = "[{ports: [{port: 80}]}, {from: [{podSelector: {matchLabels: {app: b}}}], \
                    ports: [{protocol: TCP, port: 8080}]}] # all";
    assert!(rule.expect("it has a rule").contains(expected));
}

#[test]
fn json_stays_json() {
    let text = r#"{
  "apiVersion": "networking.k8s.io/v1",
  "kind": "NetworkPolicy",
  "metadata": {"name": "a"},
  "spec": {
    "podSelector": {},
    "ingress": [
      {"ports": [{"port": 80}]}
    ],
    "egress": null
  }
}"#;
    let ingress = edited(text, |sources, policy| {
        add_rule(sources, policy, Direction::Ingress, &pods("b"), &[PORT])
    });
    let expected = r#"      {"ports": [{"port": 80}]},
      {"from": [{"podSelector": {"matchLabels": {"app": "b"}}}], "ports": [{"protocol": "TCP", "port": 8080}]}"#;
    assert!(ingress.expect("it has a rule").contains(expected));
    let egress = edited(text, |sources, policy| {
        add_rule(sources, policy, Direction::Egress, &pods("b"), &[PORT])
    });
    let egress = egress.expect("the field is there");
    assert!(
        egress.contains(r#""egress": [{"to": [{"podSelector""#),
        "{egress}"
    );
    assert!(serde_json::from_str::<serde_json::Value>(&egress).is_ok());
    let missing = text.replace(",\n    \"egress\": null", "");
    let added = edited(&missing, |sources, policy| {
        add_rule(sources, policy, Direction::Egress, &pods("b"), &[PORT])
    });
    let added = added.expect("there is a field to stand beside");
    assert!(
        serde_json::from_str::<serde_json::Value>(&added).is_ok(),
        "{added}"
    );
}

#[test]
fn a_field_without_rules_gets_its_first() {
    for (before, after) in [
        (
            "podSelector: {}\ningress: []\n",
            "podSelector: {}\ningress:\n  - from:\n",
        ),
        (
            "podSelector: {}\ningress: [] # none\n",
            "podSelector: {}\ningress: # none\n  - from:\n",
        ),
        (
            "podSelector: {}\ningress:\n",
            "podSelector: {}\ningress:\n  - from:\n",
        ),
        (
            "podSelector: {}\ningress: null\n",
            "podSelector: {}\ningress:\n  - from:\n",
        ),
        ("ingress: ~\npodSelector: {}\n", "ingress:\n  - from:\n"),
        (
            "podSelector: {}\n",
            "podSelector: {}\ningress:\n  - from:\n",
        ),
        (
            "podSelector:\n  matchLabels:\n    app: a\npolicyTypes:\n- Ingress\n",
            "policyTypes:\n- Ingress\ningress:\n- from:\n",
        ),
        (
            "policyTypes: [Ingress]\n",
            "policyTypes: [Ingress]\ningress:\n  - from:\n",
        ),
    ] {
        let edited = edited(&with_spec(before), |sources, policy| {
            add_rule(sources, policy, Direction::Ingress, &pods("b"), &[PORT])
        });
        let edited = edited.expect("there is a place");
        let after: String = after.lines().map(|line| format!("  {line}\n")).collect();
        assert!(edited.contains(&after), "{before:?} became\n{edited}");
    }
    let flow = "{apiVersion: networking.k8s.io/v1, kind: NetworkPolicy, metadata: {name: a}, spec: {podSelector: {}}}";
    let edited = edited(flow, |sources, policy| {
        add_rule(sources, policy, Direction::Ingress, &pods("b"), &[PORT])
    });
    assert!(
        edited
            .expect("there is a place")
            .contains("spec: {ingress: [{from: ")
    );
}

#[test]
fn line_breaks_and_the_end_of_the_text_stay_as_they_are() {
    let spec = "podSelector: {}\ningress:\n- from:\n  - podSelector:\n      matchLabels:\n        app: 'a'";
    let text = with_spec(spec).replace('\n', "\r\n");
    let text = text.trim_end();
    let edited = edited(text, |sources, policy| {
        add_peers(sources, &policy.ingress.items()[0], &pods("b"))
    });
    let edited = edited.expect("the rule has a peer");
    let expected = "\r\n    - podSelector:\r\n        matchLabels:\r\n          app: 'b'";
    assert!(edited.ends_with(expected), "{edited:?}");
    assert!(!edited.replace("\r\n", "").contains('\n'));
}

#[test]
fn a_policy_becomes_a_document_of_its_own() {
    let text = with_spec("podSelector: {}") + "# the next one\n---\nkind: Other\n";
    let policy = NewPolicy {
        name: "b".to_owned(),
        namespace: None,
        labels: vec![("app".to_owned(), "1".to_owned())],
        direction: Direction::Egress,
        peers: vec![NewPeer::Block {
            cidr: "::/0".parse().expect("a block"),
            except: Vec::new(),
        }],
        ports: vec![NewPort { last: 8090, ..PORT }],
    };
    let edited = edited(&text, |sources, behind| {
        add_policy(sources, behind, &policy)
    });
    let expected = r#"  podSelector: {}
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata:
  name: b
spec:
  podSelector:
    matchLabels:
      app: "1"
  policyTypes:
    - Egress
  egress:
    - to:
        - ipBlock:
            cidr: "::/0"
      ports:
        - protocol: TCP
          port: 8080
          endPort: 8090
# the next one
"#;
    assert!(
        edited.as_ref().is_some_and(|text| text.contains(expected)),
        "{edited:?}"
    );
    let in_a_list = "apiVersion: v1\nkind: List\nitems:\n- apiVersion: networking.k8s.io/v1\n  kind: NetworkPolicy\n  metadata: {name: a}\n  spec: {podSelector: {}}\n";
    assert_eq!(
        self::edited(in_a_list, |sources, behind| add_policy(
            sources, behind, &policy
        )),
        None
    );
}
