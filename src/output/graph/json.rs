//! Nodes and edges as JSON. The schema is published; a change that breaks it gets a new
//! `version`.
//!
//! Edges are written one by one: of a large cluster there are millions.
//!
//! Refuses to know how it is drawn.

use super::{GraphView, names};
use crate::engine::ConnectionSet;
use crate::graph::{Drawing, DrawnEdge, DrawnNode, Grain};
use crate::output::json::write_value;
use serde::{Serialize, Serializer};
use serde_json::{Value, json};
use std::io::{self, Write};

/// The version of the format.
const VERSION: u32 = 1;

/// The document; keys by name, as in the other formats.
#[derive(Serialize)]
struct Document<'v> {
    clusters: Vec<Cluster<'v>>,
    notes: &'v [String],
    tool: Value,
    version: u32,
}

#[derive(Serialize)]
struct Cluster<'v> {
    by: &'static str,
    edges: Edges,
    name: Option<&'v str>,
    nodes: Vec<Value>,
}

/// The edges of a drawing, whose ends are called by these names.
struct Edges {
    drawing: Drawing,
    names: Vec<String>,
    /// By the number of a set: what is open, and what is unknown.
    sets: Vec<[Vec<Value>; 2]>,
}

#[derive(Serialize)]
struct Edge<'e> {
    from: &'e str,
    open: &'e [Value],
    to: &'e str,
    unknown: &'e [Value],
}

impl Serialize for Edges {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.drawing.edges.iter().map(|edge: &DrawnEdge| {
            let [open, unknown] = &self.sets[edge.set as usize];
            Edge {
                from: &self.names[edge.source as usize],
                open,
                to: &self.names[edge.destination as usize],
                unknown,
            }
        }))
    }
}

pub(super) fn write(
    views: &[GraphView<'_>],
    notes: &[String],
    out: &mut dyn Write,
) -> io::Result<()> {
    let document = Document {
        clusters: views.iter().map(cluster).collect(),
        notes,
        tool: json!({"name": "npcheck", "version": env!("CARGO_PKG_VERSION")}),
        version: VERSION,
    };
    write_value(&document, out)
}

fn cluster<'v>(view: &GraphView<'v>) -> Cluster<'v> {
    let drawing = view.table();
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
    let sets = drawing.sets.iter();
    let sets = sets.map(|set| [&set.open, &set.unknown].map(connections));
    let sets: Vec<[Vec<Value>; 2]> = sets.collect();
    Cluster {
        by: match view.grain {
            Grain::Workload => "workload",
            Grain::Namespace => "namespace",
        },
        edges: Edges {
            drawing,
            names,
            sets,
        },
        name: view.name,
        nodes,
    }
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
                "kind": workload.object.kind_name(),
                "name": workload.object.meta.name.value,
            })
        }
        DrawnNode::Namespace(_) => json!({"id": id, "type": "namespace", "namespace": id}),
        DrawnNode::Outside(ranges) => {
            let ranges: Vec<String> = ranges.iter().map(ToString::to_string).collect();
            json!({"id": id, "type": "outside", "ranges": ranges})
        }
        DrawnNode::Entity(entity) => json!({"id": id, "type": "entity", "name": entity.name()}),
        DrawnNode::Domain(name) => json!({"id": id, "type": "domain", "name": name}),
    }
}

/// A set of connections as JSON: a list of protocols with ranges of ports.
pub(in crate::output) fn connections(set: &ConnectionSet) -> Vec<Value> {
    let one = |(protocol, ports): (crate::k8s::Protocol, &crate::engine::PortSet)| json!({"protocol": protocol.name(), "ports": ports.ranges()});
    set.iter().map(one).collect()
}
