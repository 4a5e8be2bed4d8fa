//! One line for each source, destination and protocol, as RFC 4180 has it, for
//! spreadsheets.
//!
//! Refuses to write a cell that a spreadsheet would run as a formula.

use super::{GraphView, names};
use crate::engine::{ConnectionSet, PortSet};
use crate::graph::Openness;
use crate::k8s::Protocol;
use crate::output::Csv;
use std::io::{self, Write};

pub(super) fn write(views: &[GraphView<'_>], out: &mut dyn Write) -> io::Result<()> {
    write!(out, "cluster,source,destination,protocol,ports,unknown\r\n")?;
    for view in views {
        let drawing = view.table();
        let names: Vec<String> = drawing
            .nodes
            .iter()
            .map(|node| Csv(&names::node(view.cluster(), node)).to_string())
            .collect();
        let cells: Vec<Vec<String>> = drawing.sets.iter().map(cells).collect();
        let cluster = Csv(view.name.unwrap_or_default());
        for edge in &drawing.edges {
            let source = &names[edge.source as usize];
            let destination = &names[edge.destination as usize];
            for cells in &cells[edge.set as usize] {
                write!(out, "{cluster},{source},{destination},{cells}\r\n")?;
            }
        }
    }
    Ok(())
}

/// The protocol, its ports and those that are unknown, for each protocol that has any.
fn cells(set: &Openness) -> Vec<String> {
    let ports = |connections: &ConnectionSet, protocol| match connections.get(protocol) {
        ports if ports.is_empty() => String::new(),
        ports => Csv(&PortSet::to_string(ports)).to_string(),
    };
    let has_some = |protocol: &Protocol| {
        !(set.open.get(*protocol).is_empty() && set.unknown.get(*protocol).is_empty())
    };
    let line = |protocol: Protocol| {
        format!(
            "{protocol},{},{}",
            ports(&set.open, protocol),
            ports(&set.unknown, protocol)
        )
    };
    Protocol::ALL
        .into_iter()
        .filter(has_some)
        .map(line)
        .collect()
}
