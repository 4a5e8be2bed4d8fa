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

/// The format for people writes no more lines than this: of a few thousand pods that policies tell
/// apart there can be many millions. What programs read is whole.
pub const MAX_LINES: usize = 5_000_000;

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
    ///
    /// Whether that was all: of more than [`MAX_LINES`] lines of text only the first ones are
    /// written.
    pub fn write(
        self,
        views: &[GraphView<'_>],
        notes: &[String],
        style: Style,
        out: &mut dyn Write,
    ) -> io::Result<bool> {
        let lines = match self {
            Self::Text => MAX_LINES,
            Self::JsonLines
            | Self::Csv
            | Self::Json
            | Self::Dot
            | Self::Mermaid
            | Self::Svg
            | Self::Html => usize::MAX,
        };
        let mut out = LimitedLines::new(out, lines);
        match self.write_all(views, notes, style, &mut out) {
            Err(_) if out.is_cut => Ok(false),
            written => written.map(|()| true),
        }
    }

    fn write_all(
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

/// Passes whole lines on, as many as there may be.
struct LimitedLines<'o> {
    out: &'o mut dyn Write,
    left: usize,
    /// Whether there were more.
    is_cut: bool,
}

impl<'o> LimitedLines<'o> {
    fn new(out: &'o mut dyn Write, left: usize) -> Self {
        Self {
            out,
            left,
            is_cut: false,
        }
    }
}

impl Write for LimitedLines<'_> {
    fn write(&mut self, text: &[u8]) -> io::Result<usize> {
        let lines = memchr::memchr_iter(b'\n', text).count();
        if lines <= self.left {
            self.out.write_all(text)?;
            self.left -= lines;
            return Ok(text.len());
        }
        let mut ends = memchr::memchr_iter(b'\n', text);
        if let Some(last) = self.left.checked_sub(1).and_then(|last| ends.nth(last)) {
            self.out.write_all(&text[..=last])?;
        }
        self.left = 0;
        self.is_cut = true;
        Err(io::Error::other("there are more lines than may be written"))
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}

/// Writes each view once: clusters of which there is the same to say share it.
fn write_texts(views: &[GraphView<'_>], style: Style, out: &mut dyn Write) -> io::Result<()> {
    let mut shared: Vec<(&GraphView<'_>, Fingerprint, Vec<&str>)> = Vec::new();
    for view in views {
        let mut fingerprint = Fingerprint::default();
        if views.len() > 1 {
            let mut limited = LimitedLines::new(&mut fingerprint, MAX_LINES);
            let written = write_text(view, style, &mut limited);
            // Texts that begin with so many equal lines are never told apart.
            written.or_else(|error| limited.is_cut.then_some(()).ok_or(error))?;
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

#[cfg(test)]
mod tests {
    use super::*;

    fn limited(left: usize, texts: &[&str]) -> (String, bool) {
        let mut written = Vec::new();
        let mut out = LimitedLines::new(&mut written, left);
        let result = texts
            .iter()
            .try_for_each(|text| out.write_all(text.as_bytes()));
        assert_eq!(result.is_err(), out.is_cut);
        let is_cut = out.is_cut;
        (String::from_utf8(written).expect("it was a text"), is_cut)
    }

    #[test]
    fn a_graph_is_cut_behind_a_line() {
        let texts = ["a\nb", "b\n", "c\nd\n"];
        let expected = ["", "a\n", "a\nbb\n", "a\nbb\nc\n", "a\nbb\nc\nd\n"];
        // What follows the last line that may be written is not known to be too much yet.
        assert_eq!(limited(1, &texts), ("a\nb".to_owned(), true));
        for left in [0, 2, 3, 4] {
            let expected = (expected[left].to_owned(), left < 4);
            assert_eq!(limited(left, &texts), expected, "{left}");
        }
    }
}
