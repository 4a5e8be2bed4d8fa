//! Mermaid's flowchart, which GitHub and GitLab draw within Markdown: what is unknown
//! dotted, what is open on every port thick.
//!
//! Refuses to pass on a character that Mermaid or HTML would obey.

use super::{GraphView, names};
use crate::graph::DrawnNode;
use std::fmt;
use std::io::{self, Write};

pub(super) fn write(views: &[GraphView<'_>], out: &mut dyn Write) -> io::Result<()> {
    writeln!(out, "flowchart LR")?;
    for (number, view) in views.iter().enumerate() {
        write_cluster(number, view, out)?;
    }
    Ok(())
}

fn write_cluster(number: usize, view: &GraphView<'_>, out: &mut dyn Write) -> io::Result<()> {
    let cluster = view.cluster();
    let drawing = view.drawing();
    if let Some(name) = view.name {
        writeln!(out, "  subgraph c{number} [\"{}\"]", MermaidLabel(name))?;
    }
    let mut open = None;
    for (place, node) in drawing.nodes.iter().enumerate() {
        let (namespace, label) = names::node_in_namespace(cluster, node);
        if open != namespace {
            if open.is_some() {
                writeln!(out, "  end")?;
            }
            if let Some(id) = namespace {
                let name = MermaidLabel(&cluster.namespace(id).name);
                writeln!(out, "  subgraph c{number}s{} [\"{name}\"]", id.index())?;
            }
            open = namespace;
        }
        let label = MermaidLabel(&label);
        match node {
            DrawnNode::Outside(_) | DrawnNode::Entity(_) | DrawnNode::Domain(_) => {
                writeln!(out, "    c{number}n{place}([\"{label}\"])")?;
            }
            DrawnNode::Workload(_) | DrawnNode::Namespace(_) => {
                writeln!(out, "    c{number}n{place}[\"{label}\"]")?;
            }
        }
    }
    if open.is_some() {
        writeln!(out, "  end")?;
    }
    for edge in &drawing.edges {
        let set = &drawing.sets[edge.set as usize];
        let arrow = match (set.open.is_empty(), set.open.is_all()) {
            (true, _) => "-.->",
            (_, true) => "==>",
            _ => "-->",
        };
        let label = names::openness(set);
        writeln!(
            out,
            "  c{number}n{} {arrow}|\"{}\"| c{number}n{}",
            edge.source,
            MermaidLabel(&label),
            edge.destination
        )?;
    }
    if view.name.is_some() {
        writeln!(out, "  end")?;
    }
    Ok(())
}

/// Text between the quotes of a label: all but plain characters by their numbers.
pub(in crate::output) struct MermaidLabel<'a>(pub(in crate::output) &'a str);

impl fmt::Display for MermaidLabel<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for character in self.0.chars() {
            match character {
                ' ' | '-' | '_' | '.' | '/' | ',' | ':' | '=' | '+' => write!(f, "{character}")?,
                character if character.is_alphanumeric() => write!(f, "{character}")?,
                character => write!(f, "#{};", u32::from(character))?,
            }
        }
        Ok(())
    }
}
