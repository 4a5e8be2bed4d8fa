//! Everything that can connect, or the part of it that was asked for. The formats for all
//! of a cluster are streamed row by row: the rows of pods × pods never stand in memory
//! together.
//!
//! Refuses to know what is allowed and why; it walks the relation.

mod csv;
mod dot;
mod html;
mod json;
mod json_lines;
mod mermaid;
mod names;
mod svg;
mod text;

pub(super) use dot::Quoted as DotQuoted;
pub(super) use json::connections as connections_json;
pub(super) use mermaid::MermaidLabel;
pub(super) use names::outside as outside_name;

use super::Escaped;
use super::style::{Role, Style};
use crate::cluster::{Cluster, WorkloadId};
use crate::engine::Engine;
use crate::graph::{Drawing, FlowQuery, Grain};
use crate::source::SourceMap;
use rayon::prelude::*;
use std::hash::{DefaultHasher, Hasher};
use std::io::{self, Write};

/// A format of graphs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[cfg_attr(feature = "cli", derive(clap::ValueEnum))]
pub enum GraphFormat {
    /// `SOURCE -> DESTINATION  PORTS`, for people
    Text,
    /// Nodes and edges, for programs; see `npcheck schema graph`
    Json,
    /// One JSON object for each source, destination and protocol
    JsonLines,
    /// One line for each source, destination and protocol, for spreadsheets
    Csv,
    /// Graphviz, for up to 150 nodes
    Dot,
    /// A Mermaid flowchart for Markdown, for up to 150 nodes
    Mermaid,
    /// A drawing, for up to 150 nodes
    Svg,
    /// A page to explore, in one file
    Html,
}

/// More nodes than this nobody can read in a drawing.
pub const MAX_DRAWN_NODES: usize = 150;

/// A cluster, and what of it is to be shown.
#[derive(Clone, Copy)]
pub struct GraphView<'a> {
    /// The cluster's name, where there are several.
    pub name: Option<&'a str>,
    /// Its engine.
    pub engine: &'a Engine<'a>,
    /// The texts that policies stand in.
    pub sources: &'a SourceMap,
    /// Which flows.
    pub query: &'a FlowQuery,
    /// What a node is.
    pub grain: Grain,
}

impl<'a> GraphView<'a> {
    fn cluster(&self) -> &'a Cluster {
        self.engine.cluster()
    }

    /// What a picture shows, as nodes and edges. Nodes and the API server, which nearly every
    /// workload may reach, are drawn where they are asked for.
    #[must_use]
    pub fn drawing(&self) -> Drawing {
        match self.query.names_entities() {
            true => self.table(),
            false => Drawing::new(&self.query.matrix(self.engine), self.query, self.grain),
        }
    }

    /// All that is asked for, as nodes and edges.
    fn table(&self) -> Drawing {
        let matrix = self.query.matrix(self.engine);
        let drawing = Drawing::new(&matrix, self.query, self.grain);
        drawing.with_entities(self.engine, &matrix, self.query, self.grain)
    }

    /// Whether all flows of all workloads are shown.
    fn is_whole(&self) -> bool {
        self.grain == Grain::Workload && self.query.is_everything()
    }
}

impl GraphFormat {
    /// Whether somebody looks at all of it at once, so that only a few nodes make sense.
    #[must_use]
    pub fn is_drawing(self) -> bool {
        matches!(self, Self::Dot | Self::Mermaid | Self::Svg)
    }

    /// Whether it is for programs, so that it may list every pod by itself.
    #[must_use]
    pub fn is_data(self) -> bool {
        matches!(self, Self::Json | Self::JsonLines | Self::Csv)
    }

    /// Writes what the views show; `notes` say what was not judged, in the formats that have a
    /// place for it. Only the format for people obeys `style`.
    pub fn write(
        self,
        views: &[GraphView<'_>],
        notes: &[String],
        style: Style,
        out: &mut dyn Write,
    ) -> io::Result<()> {
        match self {
            Self::Text => write_texts(views, style, out),
            Self::JsonLines => views.iter().try_for_each(|view| write_lines(view, out)),
            Self::Json => json::write(views, notes, out),
            Self::Csv => csv::write(views, out),
            Self::Dot => dot::write(views, out),
            Self::Mermaid => mermaid::write(views, out),
            Self::Svg => svg::write(views, out),
            Self::Html => html::write(views, notes, out),
        }
    }
}

/// Writes each view once: clusters of which there is the same to say share it.
fn write_texts(views: &[GraphView<'_>], style: Style, out: &mut dyn Write) -> io::Result<()> {
    let mut shared: Vec<(&GraphView<'_>, Fingerprint, Vec<&str>)> = Vec::new();
    for view in views {
        let mut fingerprint = Fingerprint::default();
        if views.len() > 1 {
            write_text(view, style, &mut fingerprint)?;
        }
        let name = view.name.unwrap_or_default();
        match shared
            .iter_mut()
            .find(|(_, other, _)| *other == fingerprint)
        {
            Some((.., names)) if views.len() > 1 => names.push(name),
            _ => shared.push((view, fingerprint, vec![name])),
        }
    }
    for (view, _, names) in shared {
        if view.name.is_some() {
            let noun = if names.len() == 1 {
                "cluster"
            } else {
                "clusters"
            };
            let line = format!("{noun} {}:", names.join(", "));
            writeln!(out, "{}", style.paint(Role::Strong, Escaped(&line)))?;
        }
        write_text(view, style, out)?;
    }
    Ok(())
}

/// Tells texts apart that are too long to be kept.
#[derive(Default)]
struct Fingerprint {
    length: usize,
    hasher: DefaultHasher,
}

impl PartialEq for Fingerprint {
    fn eq(&self, other: &Self) -> bool {
        self.length == other.length && self.hasher.finish() == other.hasher.finish()
    }
}

impl Write for Fingerprint {
    fn write(&mut self, text: &[u8]) -> io::Result<usize> {
        self.hasher.write(text);
        self.length += text.len();
        Ok(text.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn write_text(view: &GraphView<'_>, style: Style, out: &mut dyn Write) -> io::Result<()> {
    if !view.is_whole() {
        return text::write_drawing(view, style, out);
    }
    let cluster = view.cluster();
    let writer = text::Writer::new(cluster, view.engine.relation(), style);
    stream(cluster, out, |source| writer.lines_from_workload(source))?;
    stream(cluster, out, |destination| {
        writer.lines_from_outside(destination)
    })
}

fn write_lines(view: &GraphView<'_>, out: &mut dyn Write) -> io::Result<()> {
    if !view.is_whole() {
        return json_lines::write_drawing(view, out);
    }
    let cluster = view.cluster();
    let writer = json_lines::Writer::new(view);
    stream(cluster, out, |source| writer.lines_from_workload(source))?;
    stream(cluster, out, |destination| {
        writer.lines_from_outside(destination)
    })
}

/// Writes a piece of text for each workload, in order; several are made at a time.
fn stream(
    cluster: &Cluster,
    out: &mut dyn Write,
    piece: impl Fn(WorkloadId) -> String + Sync,
) -> io::Result<()> {
    let ids: Vec<WorkloadId> = cluster.workload_ids().collect();
    // A piece can be megabytes long, so there are never many.
    for ids in ids.chunks(4 * rayon::current_num_threads()) {
        let pieces: Vec<String> = ids.par_iter().map(|id| piece(*id)).collect();
        for piece in pieces {
            out.write_all(piece.as_bytes())?;
        }
    }
    Ok(())
}
