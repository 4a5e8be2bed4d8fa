//! The data of the page that shows a graph: every flow, and the rules that let it through.
//!
//! Refuses to know how the page looks.

use super::{GraphView, names};
use crate::cluster::WorkloadId;
use crate::engine::Engine;
use crate::graph::{FlowMatrix, NodeId, Openness, SideRules};
use crate::k8s::Action;
use crate::output::flow_names::{entity_name, rule_name};
use crate::output::page::{Files, Page, ports, rows, runs};
use crate::source::SourceMap;
use serde_json::{Value, json};
use std::io::{self, Write};

pub(super) fn write(
    views: &[GraphView<'_>],
    notes: &[String],
    out: &mut dyn Write,
) -> io::Result<()> {
    let page = Page {
        title: "Who can connect to whom",
        notes: notes.to_vec(),
        clusters: views.iter().map(cluster).collect(),
    };
    page.write(out)
}

fn cluster(view: &GraphView<'_>) -> Value {
    let matrix = view.query.matrix_with_entities(view.engine);
    let mut data = nodes(&matrix, view.sources);
    let sets: Vec<Value> = matrix.sets().iter().map(set).collect();
    let nodes: Vec<NodeId> = matrix.nodes().collect();
    let (rows, row_of) = rows(nodes.len(), |source, destination| {
        matrix.set_between(nodes[source], nodes[destination])
    });
    let fields = [
        ("name", json!(view.name)),
        ("sets", json!(sets)),
        ("rows", json!(rows)),
        ("rowOf", json!(row_of)),
        ("rules", rules(view.engine, &matrix, view.sources)),
    ];
    for (key, value) in fields {
        data[key] = value;
    }
    data
}

/// The nodes: namespaces, workloads with their node, and the parts of the outside with the
/// entities behind them.
fn nodes(matrix: &FlowMatrix<'_>, sources: &SourceMap) -> Value {
    let cluster = matrix.cluster();
    let names: Vec<&str> = cluster
        .namespaces()
        .iter()
        .map(|one| one.name.as_str())
        .collect();
    let mut files = Files::default();
    let mut workload = |id: WorkloadId, node: NodeId| {
        let workload = cluster.workload(id);
        let object = &workload.object;
        json!([
            workload.namespace.index(),
            object.kind_name(),
            object.meta.name.value,
            node.index(),
            files.place(sources, "", object.meta.name.span),
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
    let entities = matrix.entities().iter();
    let entities = entities.map(|entity| json!({"name": entity_name(*entity), "ranges": []}));
    let outside: Vec<Value> = outside.chain(entities).collect();
    json!({
        "namespaces": names,
        "workloads": workloads,
        "groups": matrix.groups().len(),
        "outside": outside,
        "files": files.into_names(),
    })
}

fn set(set: &Openness) -> Value {
    json!({"open": ports(&set.open), "unknown": ports(&set.unknown)})
}

/// The rules by which one end reaches another, and which of them decide about which side.
fn rules<'c>(engine: &Engine<'c>, matrix: &FlowMatrix<'c>, sources: &SourceMap) -> Value {
    let rules = SideRules::new(engine, matrix);
    let cluster = engine.cluster();
    let mut files = Files::default();
    let list = rules.rules.iter().map(|rule| {
        let peers = rule.peers.as_ref();
        json!({
            "name": rule_name(cluster, rule.policy, rule.index),
            "at": files.place(sources, "", rule.span),
            "action": match rule.action {
                Action::Accept => "allow",
                Action::Deny => "deny",
                Action::Pass => "pass",
            },
            "peers": peers.map(|peers| runs(peers.iter().map(|peer| peer.index()))),
            "blocks": rule.has_blocks,
        })
    });
    let list: Vec<Value> = list.collect();
    json!({"list": list, "in": rules.ingress, "out": rules.egress, "files": files.into_names()})
}
