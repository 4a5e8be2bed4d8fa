//! Holds what npcheck makes of texts against what kubectl and the API server make of them:
//! another program says it, which is built from their own code.
//!
//! The test does nothing unless `NPCHECK_APISERVER` names that program and `NPCHECK_TEXTS` a
//! directory of texts; `.ci/run` sets both. The program reads frames (four bytes with the
//! length, little endian, and a text) and answers each with a line of JSON. What differs
//! is written beside the texts if `NPCHECK_DIFFERENCES` names a directory for it.
#![expect(
    clippy::disallowed_methods,
    reason = "this test reads texts and runs the program that it is told"
)]

use super::read;
use crate::diagnostic::Severity;
use crate::k8s::{
    Direction, IpBlock, KubernetesVersion, LabelSelector, Labels, NetworkPolicy, NetworkPolicyRule,
    Object, Operator, Outcome, PortReference,
};
use crate::source::SourceMap;
use ipnet::IpNet;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::{env, fs};

/// How npcheck and Kubernetes can differ about a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Difference {
    /// Kubernetes applies a policy that npcheck leaves out.
    Missing,
    /// npcheck counts a policy that Kubernetes does not apply.
    Extra,
    /// A policy means one thing to the one and another thing to the other.
    Meaning,
    /// kubectl stops reading, and npcheck says nothing.
    Silent,
    /// A strict server refuses a field, and npcheck says nothing, or the other way round.
    Strict,
}

#[test]
fn texts_mean_what_kubernetes_makes_of_them() {
    let (Some(program), Some(texts)) = (
        env::var_os("NPCHECK_APISERVER"),
        env::var_os("NPCHECK_TEXTS"),
    ) else {
        return;
    };
    let mut oracle = Oracle::start(Path::new(&program));
    let kept = env::var_os("NPCHECK_DIFFERENCES").map(PathBuf::from);
    let mut found: BTreeMap<Difference, Vec<String>> = BTreeMap::new();
    let mut count = 0;
    for path in files(Path::new(&texts)) {
        let Ok(text) = fs::read_to_string(&path) else {
            continue;
        };
        count += 1;
        let name = path
            .file_name()
            .expect("a file has a name")
            .to_string_lossy()
            .into_owned();
        for (difference, what) in compare(&name, &text, &oracle.ask(&text)) {
            if let Some(kept) = &kept {
                let place = kept.join(format!("{difference:?}"));
                fs::create_dir_all(&place).expect("the directory of differences can be made");
                fs::write(place.join(&name), &text).expect("a difference can be written");
            }
            found
                .entry(difference)
                .or_default()
                .push(format!("{name}: {what}"));
        }
    }
    let counts: Vec<String> = found
        .iter()
        .map(|(difference, texts)| format!("{difference:?} {}", texts.len()))
        .collect();
    let first = found.values().flat_map(|texts| texts.iter().take(40));
    let first: Vec<String> = first.cloned().collect();
    assert!(
        found.is_empty(),
        "{count} texts: {}\n{}",
        counts.join(", "),
        first.join("\n")
    );
}

/// All files below a directory, in order.
fn files(directory: &Path) -> Vec<PathBuf> {
    let mut paths: Vec<PathBuf> = fs::read_dir(directory)
        .expect("the directory of texts can be read")
        .map(|entry| entry.expect("an entry of it can be read").path())
        .collect();
    paths.sort();
    let below = |path: PathBuf| {
        if path.is_dir() {
            files(&path)
        } else {
            vec![path]
        }
    };
    paths.into_iter().flat_map(below).collect()
}

/// The program that answers.
struct Oracle {
    child: Child,
    answers: BufReader<std::process::ChildStdout>,
}

impl Oracle {
    fn start(program: &Path) -> Self {
        let mut child = Command::new(program)
            .arg("-batch")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("the program runs");
        let answers = BufReader::new(child.stdout.take().expect("standard output is piped"));
        Self { child, answers }
    }

    fn ask(&mut self, text: &str) -> Value {
        let input = self.child.stdin.as_mut().expect("standard input is piped");
        input
            .write_all(&(text.len() as u32).to_le_bytes())
            .expect("the oracle reads");
        input.write_all(text.as_bytes()).expect("the oracle reads");
        input.flush().expect("the oracle reads");
        let mut line = String::new();
        self.answers
            .read_line(&mut line)
            .expect("the oracle answers");
        serde_json::from_str(&line).expect("an answer is JSON")
    }
}

impl Drop for Oracle {
    fn drop(&mut self) {
        drop(self.child.stdin.take());
        let _ = self.child.wait();
    }
}

/// Where npcheck and Kubernetes differ about a text.
fn compare(name: &str, text: &str, answer: &Value) -> Vec<(Difference, String)> {
    let source = SourceMap::default().add(name, text);
    let parsed = read(source, name, text);
    let objects = parsed.objects.iter().cloned();
    let policies =
        objects.filter_map(
            |object| match object.taken_by(KubernetesVersion::STRICT_ADDRESSES) {
                Object::NetworkPolicy(policy) => Some(policy),
                _ => None,
            },
        );
    // What another tool completes, and what only old clusters know, is npcheck's own matter.
    let ours: Vec<Arc<NetworkPolicy>> = policies
        .filter(|policy| policy.meta.is_accepted && policy.meta.holes.is_empty())
        .filter(|policy| policy.meta.api_version.value == "networking.k8s.io/v1")
        .collect();
    let documents = answer["docs"]
        .as_array()
        .expect("an answer lists its documents");
    let theirs: Vec<&Value> = documents
        .iter()
        .filter(|document| is_applied(document))
        .collect();
    let mut found = Vec::new();
    let stream = answer["stream"].as_str().unwrap_or_default();
    for (ours, theirs) in ours.iter().zip(&theirs) {
        let (ours, theirs) = (meaning(ours), &theirs["canon"]);
        if ours != *theirs {
            found.push((Difference::Meaning, format!("{ours} / {theirs}")));
        }
    }
    let says = |rules: &[&str]| {
        parsed.diagnostics.iter().any(|diagnostic| {
            rules.is_empty() && diagnostic.severity == Severity::Error
                || rules.contains(&diagnostic.rule)
        })
    };
    let is_opaque = parsed
        .documents
        .iter()
        .any(|document| matches!(document.outcome, Outcome::Opaque(_)))
        || parsed
            .objects
            .iter()
            .any(|object| !object.meta().holes.is_empty());
    // A manifest whose indentation is lost is read by the server as one without a `spec`.
    let is_flat = says(&["flattened-manifest"]);
    // An item of a typed list that says `kind: true` gets the kind of the list.
    let is_typed = parsed.diagnostics.iter().any(|diagnostic| {
        matches!(diagnostic.path.as_str(), "kind" | "apiVersion")
            && diagnostic.message.ends_with("must be text")
    });
    if ours.len() < theirs.len() && !is_opaque && !is_flat && !is_typed {
        let why = parsed
            .diagnostics
            .first()
            .map(|diagnostic| &diagnostic.message);
        found.push((Difference::Missing, format!("{why:?}")));
    }
    // Behind a mistake npcheck reads on, to say what is wrong there, too.
    if ours.len() > theirs.len() && stream.is_empty() {
        let refused = documents.iter().filter(|document| !is_applied(document));
        let why = |name: &str| -> String {
            let texts = refused.clone().filter_map(|document| {
                document[name]
                    .as_str()
                    .map(str::to_owned)
                    .or_else(|| document[name].as_array().map(|all| format!("{all:?}")))
            });
            texts.collect()
        };
        let why: Vec<String> = ["client", "decode", "invalid137"]
            .into_iter()
            .map(why)
            .collect();
        found.push((Difference::Extra, why.join(" ")));
    }
    // A `%` line in front of what is no object anyway hides nothing.
    let is_object = |outcome| !matches!(outcome, Outcome::NotKubernetes | Outcome::Empty);
    let has_objects = parsed
        .documents
        .iter()
        .any(|document| is_object(document.outcome));
    let is_kubernetes = text.contains("apiVersion") && text.contains("kind");
    let is_kubernetes = is_kubernetes && (has_objects || !text.starts_with('%'));
    if !stream.is_empty() && is_kubernetes && !is_opaque && !says(&[]) {
        found.push((Difference::Silent, stream.to_owned()));
    }
    let is_strict = |document: &&Value| !document["strict"].is_null();
    let strict = documents
        .iter()
        .find(is_strict)
        .map(|document| &document["strict"]);
    let rules = [
        "unknown-field",
        "misplaced-field",
        "duplicate-key",
        "flattened-manifest",
    ];
    if strict.is_some_and(|strict| !is_deliberate(strict)) && !is_opaque && !says(&rules) {
        found.push((
            Difference::Strict,
            strict.map(Value::to_string).unwrap_or_default(),
        ));
    }
    found
}

/// Whether a strict server refuses only what npcheck passes over: fields beside `spec`
/// that are nobody's, and the status of old servers.
fn is_deliberate(strict: &Value) -> bool {
    let errors = strict
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(Value::as_str);
    errors
        .filter_map(|error| error.strip_prefix("unknown field \""))
        .all(|field| {
            field.starts_with("x-") || field.starts_with('.') || field.starts_with("status")
        })
}

/// Whether the server takes a policy.
fn is_applied(document: &Value) -> bool {
    let is_empty = |name: &str| document[name].is_null();
    document["kind"] == "NetworkPolicy"
        && document["apiVersion"] == "networking.k8s.io/v1"
        && ["client", "decode", "invalid137"].into_iter().all(is_empty)
}

fn meaning(policy: &NetworkPolicy) -> Value {
    let types: Vec<&str> = [Direction::Egress, Direction::Ingress]
        .into_iter()
        .filter(|direction| policy.applies_to(*direction))
        .map(Direction::policy_type)
        .collect();
    json!({
        "name": policy.meta.name.value,
        "namespace": policy.meta.namespace_name(),
        "labels": labels(&policy.meta.labels),
        "annotations": labels(&policy.meta.annotations),
        "selector": selector(policy.pod_selector.get()).unwrap_or_else(|| json!({"labels": {}, "exprs": []})),
        "types": types,
        "ingress": rules(policy.ingress.items()),
        "egress": rules(policy.egress.items()),
    })
}

fn labels(labels: &Labels) -> Value {
    let pairs = labels
        .iter()
        .map(|label| (label.key.to_string(), json!(label.value.value)));
    Value::Object(pairs.collect())
}

fn selector(selector: Option<&LabelSelector>) -> Option<Value> {
    let selector = selector?;
    let labels = selector.match_labels.iter();
    let labels = labels.map(|label| (label.key.to_string(), json!(label.value.value)));
    let labels = Value::Object(labels.collect());
    let expressions = selector.match_expressions.iter().map(|expression| {
        let operator = match expression.operator.value {
            Operator::In => "In",
            Operator::NotIn => "NotIn",
            Operator::Exists => "Exists",
            Operator::DoesNotExist => "DoesNotExist",
        };
        let values: Vec<&str> = expression
            .values
            .iter()
            .map(|value| value.value.as_str())
            .collect();
        json!([expression.key.value, operator, values])
    });
    Some(json!({"labels": labels, "exprs": expressions.collect::<Vec<_>>()}))
}

fn rules(rules: &[NetworkPolicyRule]) -> Vec<Value> {
    let rule = |rule: &NetworkPolicyRule| {
        let ports = rule.ports.items().iter().map(|port| {
            let number = port.port.get().map(|port| match &port.value {
                PortReference::Number(number) => json!(number),
                PortReference::Name(name) => json!(name),
            });
            let end = port.end_port.get().map(|end| end.value);
            json!([port.protocol_or_default().name(), number, end])
        });
        let peers = rule.peers.items().iter().map(|peer| {
            let block = peer.ip_block.get().map(block);
            let pods = selector(peer.pod_selector.get());
            json!([pods, selector(peer.namespace_selector.get()), block])
        });
        json!({"ports": ports.collect::<Vec<_>>(), "peers": peers.collect::<Vec<_>>()})
    };
    rules.iter().map(rule).collect()
}

fn block(block: &IpBlock) -> Value {
    let except: Vec<String> = block
        .except
        .items()
        .iter()
        .map(|block| cidr(block.value))
        .collect();
    json!([cidr(block.cidr.value), except])
}

fn cidr(block: IpNet) -> String {
    let (bytes, bits) = match block.trunc() {
        IpNet::V4(block) => (block.addr().octets().to_vec(), 32),
        IpNet::V6(block) => (block.addr().octets().to_vec(), 128),
    };
    let digits: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    format!("{digits}/{}/{bits}", block.prefix_len())
}
