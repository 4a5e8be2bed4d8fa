//! A page to explore, in one file: the data as JSON that no browser runs, and a script and a
//! style of npcheck's own, whose hashes the content security policy names.
//!
//! Refuses to put a name into markup: the script makes text of it.

use super::{GraphView, names};
use crate::cluster::WorkloadId;
use crate::engine::Engine;
use crate::graph::{FlowMatrix, NodeId, Openness, SideRules};
use crate::k8s::Action;
use crate::output::escape::is_harmless;
use crate::output::flow_names::rule_name;
use crate::source::{SourceMap, Span};
use serde_json::{Value, json};
use std::collections::HashMap;
use std::io::{self, Write};

/// The version of the data in the page.
const VERSION: u32 = 1;

const STYLE: &str = include_str!("html/page.css");
const SCRIPT: &str = include_str!("html/page.js");

/// The hashes of the two texts above, as a content security policy writes them; a test holds
/// them.
const STYLE_HASH: &str = "sha256-//zG126qaPNymNO0+6m9dQ3ewlZ80F2YCwNxYoBcqaE=";
const SCRIPT_HASH: &str = "sha256-FeeatIeYZJ7pY78q0b/VQtKtGJJC3QnyOBDDHztw9dU=";

pub(super) fn write(views: &[GraphView<'_>], out: &mut dyn Write) -> io::Result<()> {
    let clusters: Vec<Value> = views.iter().map(cluster).collect();
    write_page("Who can connect to whom", clusters, out)
}

/// Writes the page around the data of clusters.
fn write_page(title: &str, clusters: Vec<Value>, out: &mut dyn Write) -> io::Result<()> {
    let data = json!({
        "version": VERSION,
        "tool": format!("npcheck {}", env!("CARGO_PKG_VERSION")),
        "title": title,
        "clusters": clusters,
    });
    writeln!(
        out,
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; \
         style-src '{STYLE_HASH}'; script-src '{SCRIPT_HASH}'; base-uri 'none'; \
         form-action 'none'\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <meta name=\"color-scheme\" content=\"light dark\">\n\
         <title>{title}</title>\n<style>{STYLE}</style>\n</head>\n<body>\n\
         <noscript>This page draws its data with a script of its own; no other is run.</noscript>\n\
         <script type=\"application/json\" id=\"data\">{}</script>\n\
         <script>{SCRIPT}</script>\n</body>\n</html>",
        Embedded(&data)
    )
}

/// JSON in the body of a `script`, on one line: nothing in it ends the element, and no
/// character does anything but stand there.
struct Embedded<'a>(&'a Value);

impl std::fmt::Display for Embedded<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        use std::fmt::Write as _;
        for character in self.0.to_string().chars() {
            match character {
                '<' | '>' | '&' => write!(f, "\\u{:04x}", u32::from(character))?,
                character if is_harmless(character) => f.write_char(character)?,
                character => {
                    for unit in character.encode_utf16(&mut [0; 2]) {
                        write!(f, "\\u{unit:04x}")?;
                    }
                }
            }
        }
        Ok(())
    }
}

fn cluster(view: &GraphView<'_>) -> Value {
    let matrix = view.query.matrix(view.engine);
    let mut data = nodes(&matrix, view.sources);
    let sets: Vec<Value> = matrix.sets().iter().map(set).collect();
    let (rows, row_of) = rows(&matrix);
    let fields = [
        ("name", json!(view.name)),
        ("sets", json!(sets)),
        ("rows", json!(rows)),
        ("rowOf", json!(row_of)),
        ("rules", json!(rules(view.engine, &matrix, view.sources))),
    ];
    for (key, value) in fields {
        data[key] = value;
    }
    data
}

/// The nodes: namespaces, workloads with their node, and the parts of the outside.
fn nodes(matrix: &FlowMatrix<'_>, sources: &SourceMap) -> Value {
    let cluster = matrix.cluster();
    let names: Vec<&str> = cluster
        .namespaces()
        .iter()
        .map(|one| one.name.as_str())
        .collect();
    let mut files: Vec<&str> = Vec::new();
    let mut workload = |id: WorkloadId, node: NodeId| {
        let workload = cluster.workload(id);
        let object = &workload.object;
        json!([
            workload.namespace.index(),
            object.kind.name(),
            object.meta.name.value,
            node.index(),
            place(sources, object.meta.name.span, &mut files),
        ])
    };
    let workloads: Vec<Value> = cluster
        .workload_ids()
        .filter_map(|id| Some(workload(id, matrix.node_of(id)?)))
        .collect();
    let outside = matrix.outside().iter().map(|ranges| {
        let texts: Vec<String> = ranges.iter().map(ToString::to_string).collect();
        json!({"name": names::outside(ranges), "ranges": texts})
    });
    let outside: Vec<Value> = outside.collect();
    json!({
        "namespaces": names,
        "workloads": workloads,
        "groups": matrix.groups().len(),
        "outside": outside,
        "files": files,
    })
}

/// A place as the number of its file and a line.
fn place<'s>(sources: &'s SourceMap, span: Span, files: &mut Vec<&'s str>) -> Value {
    let source = sources.get(span.source);
    let number = match files.iter().rposition(|file| *file == source.name()) {
        Some(number) => number,
        None => {
            files.push(source.name());
            files.len() - 1
        }
    };
    json!([number, source.position(span.start).line])
}

fn set(set: &Openness) -> Value {
    json!({
        "open": compact(&set.open),
        "unknown": compact(&set.unknown),
    })
}

/// `[["TCP", [[80, 80]]]]`.
fn compact(set: &crate::engine::ConnectionSet) -> Value {
    let protocols = set
        .iter()
        .map(|(protocol, ports)| json!([protocol.name(), ports.ranges()]));
    Value::Array(protocols.collect())
}

/// The distinct rows of the table, each as runs `[set, count, set, count, …]`, and which one
/// each node has.
fn rows(matrix: &FlowMatrix<'_>) -> (Vec<Vec<u32>>, Vec<usize>) {
    let mut rows: Vec<Vec<u32>> = Vec::new();
    let mut known: HashMap<Vec<u32>, usize> = HashMap::new();
    let mut row_of = Vec::with_capacity(matrix.len());
    for source in matrix.nodes() {
        let mut runs: Vec<u32> = Vec::new();
        let mut last = None;
        for destination in matrix.nodes() {
            let set = matrix.set_between(source, destination);
            match (last == Some(set), runs.last_mut()) {
                (true, Some(count)) => *count += 1,
                _ => runs.extend([set, 1]),
            }
            last = Some(set);
        }
        let row = *known.entry(runs).or_insert_with_key(|runs| {
            rows.push(runs.clone());
            rows.len() - 1
        });
        row_of.push(row);
    }
    (rows, row_of)
}

/// The rules by which one end reaches another, and which of them decide about which side.
fn rules<'c>(engine: &Engine<'c>, matrix: &FlowMatrix<'c>, sources: &SourceMap) -> Value {
    let rules = SideRules::new(engine, matrix);
    let cluster = engine.cluster();
    let mut files = Vec::new();
    let list = rules.rules.iter().map(|rule| {
        json!({
            "name": rule_name(cluster, rule.policy, rule.index),
            "at": place(sources, rule.span, &mut files),
            "action": match rule.action {
                Action::Accept => "allow",
                Action::Deny => "deny",
                Action::Pass => "pass",
            },
            "peers": rule.peers.as_ref().map(|peers| runs(peers)),
            "blocks": rule.has_blocks,
        })
    });
    let list: Vec<Value> = list.collect();
    json!({"list": list, "in": rules.ingress, "out": rules.egress, "files": files})
}

/// Sorted nodes as runs `[first, count, first, count, …]`.
fn runs(nodes: &[NodeId]) -> Vec<usize> {
    let mut runs: Vec<usize> = Vec::new();
    let mut next = None;
    for node in nodes {
        match (next == Some(node.index()), runs.last_mut()) {
            (true, Some(count)) => *count += 1,
            _ => runs.extend([node.index(), 1]),
        }
        next = Some(node.index() + 1);
    }
    runs
}
