//! Graphviz: namespaces as boxes around their workloads, what is unknown dashed, what is
//! open on every port thick.
//!
//! Refuses to lay anything out: `dot` does.

use super::{GraphView, names};
use crate::graph::DrawnNode;
use crate::output::escape::is_harmless;
use std::fmt;
use std::io::{self, Write};

pub(super) fn write(views: &[GraphView<'_>], out: &mut dyn Write) -> io::Result<()> {
    writeln!(out, "digraph npcheck {{")?;
    writeln!(
        out,
        "  rankdir=LR; node [shape=box, style=rounded]; edge [fontsize=10];"
    )?;
    for (number, view) in views.iter().enumerate() {
        write_cluster(number, view, out)?;
    }
    writeln!(out, "}}")
}

fn write_cluster(number: usize, view: &GraphView<'_>, out: &mut dyn Write) -> io::Result<()> {
    let cluster = view.cluster();
    let drawing = view.drawing();
    if let Some(name) = view.name {
        writeln!(
            out,
            "  subgraph cluster_{number} {{ label={};",
            Quoted(name)
        )?;
    }
    let mut open = None;
    for (place, node) in drawing.nodes.iter().enumerate() {
        let (namespace, label) = names::node_in_namespace(cluster, node);
        if open != namespace {
            if open.is_some() {
                writeln!(out, "  }}")?;
            }
            if let Some(id) = namespace {
                let name = &cluster.namespace(id).name;
                writeln!(out, "  subgraph cluster_{number}_{} {{", id.index())?;
                writeln!(out, "    label={}; style=rounded;", Quoted(name))?;
            }
            open = namespace;
        }
        let shape = match node {
            DrawnNode::Outside(_) | DrawnNode::Entity(_) | DrawnNode::Domain(_) => {
                ", shape=ellipse"
            }
            DrawnNode::Workload(_) | DrawnNode::Namespace(_) => "",
        };
        writeln!(
            out,
            "    n{number}_{place} [label={}{shape}];",
            Quoted(&label)
        )?;
    }
    if open.is_some() {
        writeln!(out, "  }}")?;
    }
    for edge in &drawing.edges {
        let set = &drawing.sets[edge.set as usize];
        let style = match (set.open.is_empty(), set.open.is_all()) {
            (true, _) => ", style=dashed",
            (_, true) => ", penwidth=2",
            _ => "",
        };
        let label = names::openness(set);
        writeln!(
            out,
            "  n{number}_{} -> n{number}_{} [label={}{style}];",
            edge.source,
            edge.destination,
            Quoted(&label)
        )?;
    }
    if view.name.is_some() {
        writeln!(out, "  }}")?;
    }
    Ok(())
}

/// A string of the DOT language.
pub(in crate::output) struct Quoted<'a>(pub(in crate::output) &'a str);

impl fmt::Display for Quoted<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("\"")?;
        for character in self.0.chars() {
            match character {
                '"' => f.write_str("\\\"")?,
                '\\' => f.write_str("\\\\")?,
                character if is_harmless(character) => write!(f, "{character}")?,
                character => write!(f, "\\\\u{{{:x}}}", u32::from(character))?,
            }
        }
        f.write_str("\"")
    }
}
