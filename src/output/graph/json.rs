//! Nodes and edges as JSON. The schema is published; a change that breaks it gets a new
//! `version`.
//!
//! Refuses to know how it is drawn.

use super::{GraphView, names};
use crate::engine::ConnectionSet;
use crate::graph::{Drawing, DrawnNode, Grain};
use crate::output::json::write_value;
use serde_json::{Value, json};
use std::io::{self, Write};

/// The version of the format.
const VERSION: u32 = 1;

pub(super) fn write(
    views: &[GraphView<'_>],
    notes: &[String],
    out: &mut dyn Write,
) -> io::Result<()> {
    let clusters: Vec<Value> = views.iter().map(cluster).collect();
    let document = json!({
        "version": VERSION,
        "tool": {"name": "npcheck", "version": env!("CARGO_PKG_VERSION")},
        "clusters": clusters,
        "notes": notes,
    });
    write_value(&document, out)
}

fn cluster(view: &GraphView<'_>) -> Value {
    let drawing = view.drawing();
    let names: Vec<String> = drawing
        .nodes
        .iter()
        .map(|node| names::node(view.cluster(), node))
        .collect();
    let nodes = drawing
        .nodes
        .iter()
        .zip(&names)
        .map(|(node, name)| self::node(view, node, name));
    let nodes: Vec<Value> = nodes.collect();
    json!({
        "name": view.name,
        "by": match view.grain {
            Grain::Workload => "workload",
            Grain::Namespace => "namespace",
        },
        "nodes": nodes,
        "edges": edges(&drawing, &names),
    })
}

fn node(view: &GraphView<'_>, node: &DrawnNode, id: &str) -> Value {
    let cluster = view.cluster();
    match node {
        DrawnNode::Workload(workload) => {
            let workload = cluster.workload(*workload);
            json!({
                "id": id,
                "type": "workload",
                "namespace": cluster.namespace(workload.namespace).name,
                "kind": workload.object.kind.name(),
                "name": workload.object.meta.name.value,
            })
        }
        DrawnNode::Namespace(_) => json!({"id": id, "type": "namespace", "namespace": id}),
        DrawnNode::Outside(ranges) => {
            let ranges: Vec<String> = ranges.iter().map(ToString::to_string).collect();
            json!({"id": id, "type": "outside", "ranges": ranges})
        }
    }
}

fn edges(drawing: &Drawing, names: &[String]) -> Vec<Value> {
    let edge = |edge: &crate::graph::DrawnEdge| {
        let set = &drawing.sets[edge.set as usize];
        json!({
            "from": names[edge.source as usize],
            "to": names[edge.destination as usize],
            "open": connections(&set.open),
            "unknown": connections(&set.unknown),
        })
    };
    drawing.edges.iter().map(edge).collect()
}

/// A set of connections as JSON: a list of protocols with ranges of ports.
pub(in crate::output) fn connections(set: &ConnectionSet) -> Vec<Value> {
    let one = |(protocol, ports): (crate::k8s::Protocol, &crate::engine::PortSet)| json!({"protocol": protocol.name(), "ports": ports.ranges()});
    set.iter().map(one).collect()
}
