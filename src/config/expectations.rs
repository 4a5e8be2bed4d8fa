//! Expected flows, from `npcheck-tests.yaml` or a test file of netassert: their own form, key
//! by key.
//!
//! Refuses to know which ends exist, and whether what is expected holds.

use super::Error;
use crate::source::SourceMap;
use crate::yaml::{Node, general};
use serde_yaml::{Mapping, Value};

/// The names of files with expected flows, as they end.
pub const TEST_FILE_NAMES: [&str; 4] = [
    "npcheck-tests.yaml",
    "npcheck-tests.yml",
    ".npcheck-test.yaml",
    ".npcheck-test.yml",
];

/// Something that is expected.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Expectation {
    /// What its author calls it.
    pub name: String,
    /// The line of the file that says so, from 1.
    pub line: usize,
    /// Why it is expected.
    pub reason: Option<String>,
    /// The only cluster that it is about.
    pub cluster: Option<String>,
    /// Whether it was drafted from what is, and nobody has looked at it yet.
    pub is_draft: bool,
    /// What is expected.
    pub claim: Claim,
}

/// What is expected.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Claim {
    /// Each source may open all of the ports at each destination.
    Allow(FlowClaim),
    /// No source may open any of the ports at any destination.
    Deny(FlowClaim),
    /// Nobody but the sources may open any of the ports at the destinations.
    Only(FlowClaim),
    /// No path leads from the sources to the destinations.
    Unreachable {
        /// The ends, and the ports of the last hop.
        flow: FlowClaim,
        /// Of at most so many hops.
        hops: Option<usize>,
    },
    /// Connectivity is the same as in another state.
    SameAs(String),
    /// Nothing is open that is not open in another state.
    NarrowerThan(String),
    /// Policies isolate the pods.
    Isolated {
        /// Which pods.
        pods: Vec<EndForm>,
        /// For ingress, and for egress.
        directions: [bool; 2],
    },
}

/// Flows by their ends.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FlowClaim {
    /// Who opens them.
    pub from: Vec<EndForm>,
    /// Where.
    pub to: Vec<EndForm>,
    /// On which ports, as `npcheck reach -p` takes them; all of them if there are none.
    pub ports: Vec<String>,
}

/// Ends as they are written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EndForm {
    /// As `npcheck reach` takes them.
    Text(String),
    /// Pods by labels of theirs and of their namespaces.
    Labels {
        /// The name of their namespace.
        name: Option<String>,
        /// Labels of their namespaces.
        namespace: Vec<(String, String)>,
        /// Labels of the pods; none means all of them.
        pods: Vec<(String, String)>,
    },
}

/// Reads the text of a file with expected flows.
///
/// # Errors
///
/// If it is not YAML, has an unknown key, or says nothing that could be expected. The first
/// fault is returned.
pub fn read_expectations(text: &str) -> Result<Vec<Expectation>, Error> {
    let parsed = serde_yaml::from_str::<Value>(text);
    let value = parsed.map_err(|error| {
        let place = error.location().map(|place| (place.line(), place.column()));
        let words = error.to_string();
        let words = words.split(" at line ").next().unwrap_or_default();
        Error {
            place,
            ..Error::new(format!("not YAML: {words}"))
        }
    })?;
    let read: Result<Vec<Expectation>, Error> = match &value {
        Value::Sequence(tests) => tests.iter().map(netassert).collect(),
        Value::Mapping(file) => {
            known_keys(file, "the file", &["tests"])?;
            match file.get("tests") {
                Some(Value::Sequence(tests)) => tests.iter().map(expectation).collect(),
                _ => Err(Error::new("`tests` is a list")),
            }
        }
        _ => Err(Error::new("a test file has a list `tests`")),
    };
    let mut read = read?;
    for (test, line) in read.iter_mut().zip(name_lines(text)) {
        test.line = line;
    }
    Ok(read)
}

/// The lines of the names of all tests, in order; none if only one of both readers takes the file.
fn name_lines(text: &str) -> Vec<usize> {
    let mut sources = SourceMap::default();
    let source = sources.add("", text);
    let Ok(tree) = general::read(source, text, 0..text.len()) else {
        return Vec::new();
    };
    let root = tree.root();
    let tests = root.and_then(|root| match root.is_sequence() {
        true => Some(root),
        false => root.get("tests"),
    });
    let line = |test: Node<'_>| {
        let mut keys = test.entries().map(|entry| entry.key);
        let key = keys.find(|key| key.key_text() == "name");
        let place = key.unwrap_or(test).written_span();
        sources.get(source).line(place.start) as usize
    };
    tests.into_iter().flat_map(Node::items).map(line).collect()
}

const CLAIMS: [&str; 7] = [
    "allow",
    "deny",
    "only",
    "unreachable",
    "sameAs",
    "narrowerThan",
    "isolated",
];

fn expectation(value: &Value) -> Result<Expectation, Error> {
    let Value::Mapping(test) = value else {
        return Err(Error::new("a test is a mapping with a `name`"));
    };
    let Some(name) = text(test, "name")? else {
        return Err(Error::new("a test has no `name`"));
    };
    let about = format!("test `{name}`");
    let others = ["name", "reason", "cluster", "draft"];
    let keys: Vec<&str> = others.iter().chain(&CLAIMS).copied().collect();
    known_keys(test, &about, &keys)?;
    let claims: Vec<&str> = CLAIMS
        .into_iter()
        .filter(|key| test.contains_key(*key))
        .collect();
    let [claim] = claims[..] else {
        let list = CLAIMS.join("`, `");
        return Err(Error::new(format!(
            "{about} must have exactly one of `{list}`"
        )));
    };
    let body = test.get(claim).unwrap_or(&Value::Null);
    let flow = |keys: &[&str]| flow(body, &format!("`{claim}` of {about}"), keys);
    Ok(Expectation {
        claim: match claim {
            "allow" => Claim::Allow(flow(&["from", "to", "ports"])?),
            "deny" => Claim::Deny(flow(&["from", "to", "ports"])?),
            "only" => Claim::Only(flow(&["from", "to", "ports"])?),
            "unreachable" => Claim::Unreachable {
                flow: flow(&["from", "to", "ports", "hops"])?,
                hops: hops(body, &about)?,
            },
            "sameAs" => Claim::SameAs(state(body, &about)?),
            "narrowerThan" => Claim::NarrowerThan(state(body, &about)?),
            _ => isolated(body, &about)?,
        },
        reason: text(test, "reason")?,
        cluster: text(test, "cluster")?,
        is_draft: test.get("draft").and_then(Value::as_bool).unwrap_or(false),
        name,
        line: 1,
    })
}

fn known_keys(mapping: &Mapping, about: &str, known: &[&str]) -> Result<(), Error> {
    for key in mapping.keys() {
        let key = key.as_str().unwrap_or_default();
        if !known.contains(&key) {
            let list = known.join("`, `");
            let help = Some(format!("the keys are `{list}`"));
            let message = format!("unknown key `{key}` in {about}");
            return Err(Error {
                help,
                ..Error::new(message)
            });
        }
    }
    Ok(())
}

fn text(mapping: &Mapping, key: &str) -> Result<Option<String>, Error> {
    match mapping.get(key) {
        None | Some(Value::Null) => Ok(None),
        Some(value) => match scalar(value) {
            Some(text) => Ok(Some(text)),
            None => Err(Error::new(format!("`{key}` is text"))),
        },
    }
}

fn scalar(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        Value::Bool(value) => Some(value.to_string()),
        _ => None,
    }
}

fn flow(body: &Value, about: &str, keys: &[&str]) -> Result<FlowClaim, Error> {
    let Value::Mapping(body) = body else {
        return Err(Error::new(format!("{about} has no `from` and `to`")));
    };
    known_keys(body, about, keys)?;
    let ends = |key: &str| match body.get(key) {
        None => Err(Error::new(format!("{about} has no `{key}`"))),
        Some(value) => ends(value, about),
    };
    let ports = match body.get("ports") {
        None => Vec::new(),
        Some(Value::Sequence(ports)) => ports.iter().filter_map(scalar).collect(),
        Some(port) => scalar(port).into_iter().collect(),
    };
    let is_empty =
        |key: &str| matches!(body.get(key), Some(Value::Sequence(list)) if list.is_empty());
    if body.contains_key("ports") && ports.is_empty() {
        return Err(Error::new(format!("{about}: `ports` is empty")));
    }
    Ok(FlowClaim {
        // Nobody at all may be what is expected of a closed list.
        from: match is_empty("from") {
            true => Vec::new(),
            false => ends("from")?,
        },
        to: ends("to")?,
        ports,
    })
}

fn ends(value: &Value, about: &str) -> Result<Vec<EndForm>, Error> {
    match value {
        Value::Sequence(list) if list.is_empty() => {
            Err(Error::new(format!("{about}: a list of ends is empty")))
        }
        Value::Sequence(list) => {
            let mut all = Vec::new();
            for one in list {
                all.extend(ends(one, about)?);
            }
            Ok(all)
        }
        Value::Mapping(selector) => {
            known_keys(selector, about, &["namespace", "pods"])?;
            let labels = |key: &str| match selector.get(key) {
                None => Ok(Vec::new()),
                Some(Value::Mapping(labels)) => pairs(labels, about),
                Some(_) => Err(Error::new(format!("{about}: `{key}` has labels"))),
            };
            let name = match selector.get("namespace") {
                Some(Value::String(name)) => Some(name.clone()),
                _ => None,
            };
            Ok(vec![EndForm::Labels {
                namespace: match name {
                    Some(_) => Vec::new(),
                    None => labels("namespace")?,
                },
                pods: labels("pods")?,
                name,
            }])
        }
        value => match scalar(value) {
            Some(text) => Ok(vec![EndForm::Text(text)]),
            None => Err(Error::new(format!("{about}: an end is missing"))),
        },
    }
}

fn pairs(labels: &Mapping, about: &str) -> Result<Vec<(String, String)>, Error> {
    let pair = |(key, value): (&Value, &Value)| match (scalar(key), scalar(value)) {
        (Some(key), Some(value)) => Ok((key, value)),
        _ => Err(Error::new(format!("{about}: a label must be a string"))),
    };
    labels.iter().map(pair).collect()
}

fn hops(body: &Value, about: &str) -> Result<Option<usize>, Error> {
    match body.get("hops") {
        None => Ok(None),
        Some(hops) => match hops.as_u64().and_then(|hops| usize::try_from(hops).ok()) {
            Some(hops) if hops > 0 => Ok(Some(hops)),
            _ => Err(Error::new(format!(
                "{about}: `hops` must be a number, at least 1"
            ))),
        },
    }
}

fn state(body: &Value, about: &str) -> Result<String, Error> {
    let state = body.as_str().filter(|state| !state.is_empty());
    let state = state.ok_or_else(|| {
        Error::new(format!(
            "{about} names no state, as `git:main` or a directory"
        ))
    });
    state.map(str::to_owned)
}

fn isolated(body: &Value, about: &str) -> Result<Claim, Error> {
    let Value::Mapping(mapping) = body else {
        return Ok(Claim::Isolated {
            pods: ends(body, about)?,
            directions: [true, true],
        });
    };
    if !mapping.contains_key("of") {
        return Ok(Claim::Isolated {
            pods: ends(body, about)?,
            directions: [true, true],
        });
    }
    known_keys(mapping, about, &["of", "direction"])?;
    let directions = match mapping.get("direction").and_then(Value::as_str) {
        None | Some("both") => [true, true],
        Some("ingress") => [true, false],
        Some("egress") => [false, true],
        Some(_) => {
            let message = format!("{about}: `direction` is `ingress`, `egress` or `both`");
            return Err(Error::new(message));
        }
    };
    Ok(Claim::Isolated {
        pods: ends(mapping.get("of").unwrap_or(&Value::Null), about)?,
        directions,
    })
}

/// A test of netassert: a connection from a Kubernetes resource that succeeds, or does not.
fn netassert(value: &Value) -> Result<Expectation, Error> {
    let Value::Mapping(test) = value else {
        return Err(Error::new("a test of netassert is a mapping with a `name`"));
    };
    let Some(name) = text(test, "name")? else {
        return Err(Error::new("a test of netassert has no `name`"));
    };
    let about = format!("test `{name}`");
    let protocol = text(test, "protocol")?.unwrap_or_else(|| "tcp".to_owned());
    let Some(port) = text(test, "targetPort")? else {
        return Err(Error::new(format!("{about} has no `targetPort`")));
    };
    let end = |key: &str| netassert_end(test.get(key), &format!("`{key}` of {about}"));
    let flow = FlowClaim {
        from: vec![end("src")?],
        to: vec![end("dst")?],
        ports: vec![format!("{port}/{protocol}")],
    };
    let code = test.get("exitCode").and_then(Value::as_i64).unwrap_or(0);
    Ok(Expectation {
        claim: match code {
            0 => Claim::Allow(flow),
            _ => Claim::Deny(flow),
        },
        reason: None,
        cluster: None,
        is_draft: false,
        name,
        line: 1,
    })
}

fn netassert_end(value: Option<&Value>, about: &str) -> Result<EndForm, Error> {
    let part = |key: &str| {
        value
            .and_then(|value| value.get(key))
            .and_then(Value::as_mapping)
    };
    if let Some(resource) = part("k8sResource") {
        let field = |key: &str| {
            text(resource, key)?.ok_or_else(|| Error::new(format!("{about} has no `{key}`")))
        };
        let (namespace, kind, name) = (field("namespace")?, field("kind")?, field("name")?);
        return Ok(EndForm::Text(format!(
            "{namespace}/{}/{name}",
            kind.to_lowercase()
        )));
    }
    if let Some(host) = part("host")
        && let Some(name) = text(host, "name")?
    {
        return Ok(EndForm::Text(name));
    }
    Err(Error::new(format!(
        "{about} has neither `k8sResource` nor `host`"
    )))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mistakes_say_what_is_wrong_and_where() {
        let table = [
            ("tests: [", "not YAML"),
            ("a: 1", "unknown key `a` in the file"),
            ("tests: 1", "`tests` is a list"),
            ("tests: [{allow: {}}]", "a test has no `name`"),
            ("tests: [{name: a}]", "test `a` must have exactly one of"),
            (
                "tests: [{name: a, alow: {}}]",
                "unknown key `alow` in test `a`",
            ),
            (
                "tests: [{name: a, allow: {from: x}}]",
                "`allow` of test `a` has no `to`",
            ),
            (
                "tests: [{name: a, deny: {from: x, to: []}}]",
                "a list of ends is empty",
            ),
            (
                "tests: [{name: a, deny: {from: x, to: y, ports: []}}]",
                "`ports` is empty",
            ),
            (
                "tests: [{name: a, unreachable: {from: x, to: y, hops: 0}}]",
                "`hops` must be a number",
            ),
            ("tests: [{name: a, sameAs: ''}]", "names no state"),
            ("- {name: a}", "test `a` has no `targetPort`"),
        ];
        for (written, expected) in table {
            let error = read_expectations(written).expect_err(written);
            assert!(
                error.message.contains(expected),
                "{written}: {}",
                error.message
            );
        }
    }

    #[test]
    fn each_test_stands_at_its_own_name() {
        let own = "# name: a\ntests:\n  - name: ab\n    isolated: x\n  - isolated: x\n    name: a\n  - {\n      isolated: x, \"name\": a}\n  - isolated: x\n    reason: the name is a\n    name: |-\n      a\n";
        let theirs =
            "- targetPort: 1\n  src: {host: {name: b}}\n  dst: {host: {name: b}}\n  name: b\n";
        let aliased = "tests:\n  - &t {name: a, isolated: x}\n  - *t\n";
        for (text, expected) in [
            (own, vec![3, 6, 8, 11]),
            (theirs, vec![4]),
            (aliased, vec![2, 2]),
        ] {
            let tests = read_expectations(text).expect("it is well-formed");
            let lines: Vec<usize> = tests.iter().map(|test| test.line).collect();
            assert_eq!(lines, expected, "{text}");
        }
    }

    #[test]
    fn both_forms_of_files_are_read() {
        let own = "tests:\n  - name: a\n    only: {to: db/pg, ports: [5432], from: [shop/api, {namespace: {env: dev}}]}\n    reason: r\n";
        let [test] = &read_expectations(own).expect("it is well-formed")[..] else {
            panic!("it has one test");
        };
        let Claim::Only(flow) = &test.claim else {
            panic!("it is a closed list");
        };
        assert_eq!(
            (flow.from.len(), &flow.ports[..]),
            (2, &["5432".to_owned()][..])
        );
        let theirs = "- name: b\n  protocol: udp\n  targetPort: 53\n  exitCode: 1\n  src: {k8sResource: {kind: Deployment, name: w, namespace: n}}\n  dst: {host: {name: 1.1.1.1}}\n";
        let tests = read_expectations(theirs).expect("it is well-formed");
        let expected = FlowClaim {
            from: vec![EndForm::Text("n/deployment/w".to_owned())],
            to: vec![EndForm::Text("1.1.1.1".to_owned())],
            ports: vec!["53/udp".to_owned()],
        };
        assert_eq!(tests[0].claim, Claim::Deny(expected));
    }
}
