//! The data of the page that shows a difference: every flow before and after, what opens and
//! closes, and what is to blame.
//!
//! Refuses to know how the page looks.

use super::{DiffReport, DiffedCluster, words};
use crate::engine::{AddressRange, ConnectionSet, Engine, Pair};
use crate::graph::{ChangeTable, Effect, JointEnds, LineEnds, Move};
use crate::output::flow_names;
use crate::output::page::{Files, Page, ports, rows, runs};
use serde_json::{Value, json};
use std::collections::{BTreeSet, HashMap};
use std::io::{self, Write};

pub(super) fn write(report: &DiffReport<'_>, out: &mut dyn Write) -> io::Result<()> {
    let mut notes = vec![
        format!("{}..{}", report.names[0], report.names[1]),
        words::summary(report),
    ];
    notes.extend(report.notes.iter().cloned());
    let clusters = report.clusters.iter();
    let page = Page {
        title: "What a change opens and closes",
        notes,
        clusters: clusters.map(|one| cluster(report, one)).collect(),
    };
    page.write(out)
}

fn cluster(report: &DiffReport<'_>, cluster: &DiffedCluster<'_>) -> Value {
    let engines = cluster.clusters.map(Engine::new);
    let table = ChangeTable::new(&engines[0], &engines[1], &cluster.query);
    let mut data = nodes(report, cluster, &table);
    let mut sets = Sets::default();
    let (rows, row_of) = rows(table.nodes().len(), |source, destination| {
        sets.number(&table, table.between(source, destination))
    });
    let fields = [
        ("name", json!(cluster.name)),
        ("diff", json!(true)),
        ("sets", json!(sets.values)),
        ("rows", json!(rows)),
        ("rowOf", json!(row_of)),
        ("changes", json!(changes(report, cluster, &table))),
        ("notes", json!(notes(report, cluster))),
    ];
    for (key, value) in fields {
        data[key] = value;
    }
    data
}

/// What may happen between two ends before and after, each once. The first is nothing.
struct Sets {
    values: Vec<Value>,
    numbers: HashMap<[u32; 2], u32>,
}

impl Default for Sets {
    fn default() -> Self {
        Self {
            values: vec![json!({})],
            numbers: HashMap::new(),
        }
    }
}

impl Sets {
    fn number(&mut self, table: &ChangeTable<'_>, sets: Option<[u32; 2]>) -> u32 {
        let Some(sets) = sets.filter(|sets| *sets != [0, 0]) else {
            return 0;
        };
        let values = &mut self.values;
        *self.numbers.entry(sets).or_insert_with(|| {
            values.push(set(table, sets));
            values.len() as u32 - 1
        })
    }
}

fn set(table: &ChangeTable<'_>, sets: [u32; 2]) -> Value {
    let [before, after] = [0, 1].map(|time| table.openness(time, sets[time]));
    let mut value = json!({});
    let mut add = |key: &str, connections: &ConnectionSet| {
        if !connections.is_empty() {
            value[key] = ports(connections);
        }
    };
    add("open", &before.open.intersection(&after.open));
    add("unknown", &before.unknown.intersection(&after.unknown));
    for (moved, connections) in table.moves(sets) {
        let key = match moved {
            Move::Opened => "opened",
            Move::Closed => "closed",
            Move::Unknown => "doubtful",
        };
        add(key, &connections);
    }
    value
}

/// The nodes: the namespaces and workloads of both states, and the parts of the outside.
fn nodes(report: &DiffReport<'_>, cluster: &DiffedCluster<'_>, table: &ChangeTable<'_>) -> Value {
    let all = 0..table.workloads().len();
    let names: BTreeSet<&str> = all.map(|place| cluster.namespace(place)).collect();
    let names: Vec<&str> = names.into_iter().collect();
    let mut files = Files::default();
    let mut workloads: Vec<Value> = vec![Value::Null; table.workloads().len()];
    let mut outside = Vec::new();
    for (number, node) in table.nodes().iter().enumerate() {
        let places = match &node.ends {
            JointEnds::Workloads(places) => places,
            JointEnds::Outside(ranges) => {
                let texts: Vec<String> = ranges.iter().map(ToString::to_string).collect();
                let name = flow_names::addresses(report.internet, ranges);
                outside.push(json!({"name": name, "ranges": texts}));
                continue;
            }
        };
        for place in places {
            let Some((time, object, state)) = object(cluster, table.workloads()[*place]) else {
                continue;
            };
            let prefix = if time == 0 {
                report.prefix.as_str()
            } else {
                ""
            };
            let namespace = names.binary_search(&cluster.namespace(*place));
            workloads[*place] = json!([
                namespace.expect("it is among the names"),
                object.kind.name(),
                object.meta.name.value,
                number,
                files.place(report.sources, prefix, object.meta.name.span),
                state,
            ]);
        }
    }
    json!({
        "namespaces": names,
        "workloads": workloads,
        "groups": table.nodes().len() - outside.len(),
        "outside": outside,
        "files": files.into_names(),
    })
}

/// A workload as it is, else as it was; and what became of it, if that is to be told.
fn object<'c>(
    cluster: &DiffedCluster<'c>,
    pair: Pair,
) -> Option<(usize, &'c crate::k8s::Workload, Option<String>)> {
    let object = |time: usize, id| &*cluster.clusters[time].workload(id).object;
    match (pair.before, pair.after) {
        (Some(before), Some(after)) => {
            let [old, new] = [object(0, before), object(1, after)];
            let is_renamed = old.meta.name.value != new.meta.name.value || old.kind != new.kind;
            let was = || format!("was {}", cluster.clusters[0].workload_name(before));
            Some((1, new, is_renamed.then(was)))
        }
        (None, Some(after)) => Some((1, object(1, after), Some("new".to_owned()))),
        (Some(before), None) => Some((0, object(0, before), Some("gone".to_owned()))),
        (None, None) => None,
    }
}

/// The lines of the difference, each with the nodes that it is about and what is to blame.
fn changes(
    report: &DiffReport<'_>,
    cluster: &DiffedCluster<'_>,
    table: &ChangeTable<'_>,
) -> Vec<Value> {
    let mut node_of = vec![0; table.workloads().len()];
    for (number, node) in table.nodes().iter().enumerate() {
        if let JointEnds::Workloads(places) = &node.ends {
            places.iter().for_each(|place| node_of[*place] = number);
        }
    }
    let nodes = |ends: &LineEnds| -> Vec<usize> {
        let nodes: BTreeSet<usize> = match ends {
            LineEnds::Workloads(places) => places.iter().map(|place| node_of[*place]).collect(),
            LineEnds::Outside(ranges) => parts_of(table, ranges).collect(),
        };
        runs(nodes)
    };
    let lines = cluster.comparison.lines.iter().zip(&cluster.causes);
    let change = lines.map(|(line, causes)| {
        let causes = causes.iter().map(|cause| {
            let at = words::place(report, cause.span, cause.is_before);
            format!("{}  {at}", words::cause(cause))
        });
        json!({
            "id": line.effect.id(),
            "level": line.effect.level().name(),
            "kind": match line.moved {
                Move::Opened => "opened",
                Move::Closed => "closed",
                Move::Unknown => "unknown",
            },
            "from": nodes(&line.sources),
            "to": nodes(&line.destinations),
            "ends": [cluster.ends(report, &line.sources), cluster.ends(report, &line.destinations)],
            "ports": ports(&line.connections),
            "pairs": line.pairs,
            "causes": causes.collect::<Vec<String>>(),
        })
    });
    change.collect()
}

/// The nodes of the outside that lie in these ranges.
fn parts_of(table: &ChangeTable<'_>, ranges: &[AddressRange]) -> impl Iterator<Item = usize> {
    let is_inside = |part: &AddressRange| ranges.iter().any(|range| range.contains_range(part));
    let nodes = table.nodes().iter().enumerate();
    nodes.filter_map(move |(number, node)| match &node.ends {
        JointEnds::Outside(parts) => parts.iter().all(is_inside).then_some(number),
        JointEnds::Workloads(_) => None,
    })
}

/// What changes besides flows, a line each.
fn notes(report: &DiffReport<'_>, cluster: &DiffedCluster<'_>) -> Vec<String> {
    let isolation = cluster.comparison.isolation.iter().map(|line| {
        let word = match line.effect {
            Effect::Isolated => "isolated",
            _ => "isolated no longer",
        };
        format!("{word}: {}", words::isolation(report, cluster, line))
    });
    let opaque = cluster.opaque.iter().map(|(name, span)| {
        let place = words::place(report, *span, false);
        format!("unknown: {name}: another tool fills in its labels  {place}")
    });
    isolation.chain(opaque).collect()
}
