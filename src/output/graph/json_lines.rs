//! One JSON object for each source, destination and protocol with a port that is open, or of
//! which that is not known (S14).
//!
//! Refuses to leave anything out, or to order it for people.

use super::{GraphView, names};
use crate::cluster::WorkloadId;
use crate::engine::{AddressRange, ConnectionSet, Flow, Peer, PortSet, Relation};
use crate::graph::{DrawnNode, Openness};
use crate::k8s::{Direction, Protocol};
use crate::output::Json;
use std::fmt::Write as _;
use std::io;
use std::sync::Arc;

/// The version of the format.
const VERSION: u32 = 1;

/// Makes the lines.
pub(super) struct Writer<'a> {
    relation: Relation<'a>,
    /// By workload: its name as a JSON string.
    names: Vec<String>,
    /// What every line ends with.
    tail: String,
}

impl<'a> Writer<'a> {
    pub(super) fn new(view: &GraphView<'a>) -> Self {
        let cluster = view.cluster();
        let name = |id| Json(&cluster.workload_name(id)).to_string();
        Self {
            relation: view.engine.relation(),
            names: cluster.workload_ids().map(name).collect(),
            tail: tail(view),
        }
    }

    /// The lines of all that a workload may open.
    pub(super) fn lines_from_workload(&self, source: WorkloadId) -> String {
        self.lines(self.relation.row(source).into_flows())
    }

    /// The lines of all that the outside, nodes and their like may open at a workload.
    pub(super) fn lines_from_outside(&self, destination: WorkloadId) -> String {
        let flows = self.relation.flows_from_outside(destination);
        self.lines(
            flows.chain(
                self.relation
                    .flows_with_entities(destination, Direction::Ingress),
            ),
        )
    }

    fn lines(&self, flows: impl Iterator<Item = Flow>) -> String {
        let mut text = String::new();
        // Neighbours mostly share their sets, whose text is then made once.
        let mut known: Option<(Flow, Vec<String>)> = None;
        for flow in flows {
            let is_known = known.as_ref().is_some_and(|(before, _)| {
                Arc::ptr_eq(&before.connections, &flow.connections)
                    && Arc::ptr_eq(&before.unknown, &flow.unknown)
            });
            if !is_known {
                let ports = ports(&flow.connections, &flow.unknown, &self.tail);
                known = Some((flow.clone(), ports));
            }
            for ports in known.iter().flat_map(|(_, ports)| ports) {
                text += "{\"src\":";
                self.write_peer(&mut text, flow.source);
                text += ",\"dst\":";
                self.write_peer(&mut text, flow.destination);
                text += ports;
            }
        }
        text
    }

    fn write_peer(&self, text: &mut String, peer: Peer) {
        match peer {
            Peer::Workload(id) => text.push_str(&self.names[id.index()]),
            Peer::Entity(entity) => {
                write!(text, "\"entity:{}\"", entity.name())
                    .expect("a string takes all that is written");
            }
            Peer::Outside(range) => {
                write!(text, "\"ext:{range}\"").expect("a string takes all that is written");
            }
        }
    }
}

/// What every line of a view ends with: the cluster, where there are several, and the version
/// of the format.
fn tail(view: &GraphView<'_>) -> String {
    let cluster = view.name.map(|name| format!(",\"cluster\":{}", Json(name)));
    let cluster = cluster.unwrap_or_default();
    format!("{cluster},\"version\":{VERSION}}}\n")
}

/// What follows the peers in the lines of what is open and of what that is not known, one
/// text for each protocol.
fn ports(connections: &ConnectionSet, unknown: &ConnectionSet, tail: &str) -> Vec<String> {
    let ranges = |ports: &PortSet| {
        let ranges = ports.ranges().iter();
        let ranges: Vec<String> = ranges
            .map(|(first, last)| format!("[{first},{last}]"))
            .collect();
        ranges.join(",")
    };
    let line = |protocol: Protocol| {
        let (open, unknown) = (connections.get(protocol), unknown.get(protocol));
        let unknown = match unknown.is_empty() {
            true if open.is_empty() => return None,
            true => String::new(),
            false => format!(",\"unknown\":[{}]", ranges(unknown)),
        };
        let open = ranges(open);
        Some(format!(
            ",\"protocol\":\"{protocol}\",\"ports\":[{open}]{unknown}{tail}"
        ))
    };
    Protocol::ALL.into_iter().filter_map(line).collect()
}

/// The lines of a drawing: a node of several ranges has a line for each.
pub(super) fn write_drawing(view: &GraphView<'_>, out: &mut dyn io::Write) -> io::Result<()> {
    let drawing = view.table();
    let name = |node: &DrawnNode| match node {
        DrawnNode::Outside(ranges) => {
            let range = |range: &AddressRange| format!("\"ext:{range}\"");
            ranges.iter().map(range).collect()
        }
        node => vec![Json(&names::node(view.cluster(), node)).to_string()],
    };
    let names: Vec<Vec<String>> = drawing.nodes.iter().map(name).collect();
    let sets = drawing.sets.iter();
    let tail = tail(view);
    let ports = |set: &Openness| ports(&set.open, &set.unknown, &tail);
    let ports: Vec<Vec<String>> = sets.map(ports).collect();
    for edge in &drawing.edges {
        for source in &names[edge.source as usize] {
            for destination in &names[edge.destination as usize] {
                for ports in &ports[edge.set as usize] {
                    write!(out, "{{\"src\":{source},\"dst\":{destination}{ports}")?;
                }
            }
        }
    }
    Ok(())
}
