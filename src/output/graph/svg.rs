//! A drawing that needs no other program: a column for each namespace, one for the outside,
//! and an arrow for each flow, whose ports a browser shows under the pointer.
//!
//! Refuses to lay out more than a page holds; the caller asks for less.

use super::{GraphView, names};
use crate::graph::{Drawing, DrawnNode};
use crate::output::Xml;
use std::io::{self, Write};

const BOX_WIDTH: usize = 190;
const BOX_HEIGHT: usize = 28;
const GAP: usize = 14;
const COLUMN: usize = 300;
const MARGIN: usize = 24;
const TITLE: usize = 30;
/// How many characters of a name fit into a box.
const MAX_LETTERS: usize = 27;
/// With more arrows than this, their ports are shown under the pointer only.
const MAX_LABELS: usize = 40;

const STYLE: &str = "\
text{font:12px system-ui,sans-serif;fill:#1b1f24}.title{font-weight:600}\
rect{fill:#fff;stroke:#57606a;rx:6}.space{fill:#f6f8fa;stroke:#d0d7de}.outside{fill:#fff8c5}\
path{fill:none;stroke:#0969da;stroke-width:1.2}path.all{stroke-width:3}\
path.unknown{stroke:#9a6700;stroke-dasharray:6 4}.port{font-size:10px;fill:#424a53}\
@media(prefers-color-scheme:dark){text{fill:#e6edf3}rect{fill:#161b22;stroke:#8b949e}\
.space{fill:#0d1117;stroke:#30363d}.outside{fill:#3b2f00}path{stroke:#58a6ff}\
path.unknown{stroke:#d29922}.port{fill:#adbac7}svg{background:#010409}}";

pub(super) fn write(views: &[GraphView<'_>], out: &mut dyn Write) -> io::Result<()> {
    let sheets: Vec<Sheet<'_>> = views.iter().map(Sheet::new).collect();
    let width = sheets.iter().map(|sheet| sheet.width).max().unwrap_or(0);
    let height: usize = sheets.iter().map(|sheet| sheet.height).sum();
    writeln!(
        out,
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width}\" height=\"{height}\" \
         viewBox=\"0 0 {width} {height}\" role=\"img\">"
    )?;
    writeln!(
        out,
        "<title>Who can connect to whom</title><style>{STYLE}</style>"
    )?;
    writeln!(
        out,
        "<defs><marker id=\"to\" viewBox=\"0 0 8 8\" refX=\"7\" refY=\"4\" markerWidth=\"7\" \
         markerHeight=\"7\" orient=\"auto\"><path d=\"M0 0L8 4L0 8z\" style=\"fill:#57606a;\
         stroke:none\"/></marker></defs>"
    )?;
    let mut top = 0;
    for sheet in &sheets {
        sheet.write(top, out)?;
        top += sheet.height;
    }
    writeln!(out, "</svg>")
}

/// One cluster, laid out.
struct Sheet<'v> {
    view: GraphView<'v>,
    drawing: Drawing,
    /// By node: the left upper corner of its box.
    boxes: Vec<(usize, usize)>,
    /// The title of each column, and how many boxes it has.
    columns: Vec<(String, usize)>,
    width: usize,
    height: usize,
}

impl<'v> Sheet<'v> {
    fn new(view: &GraphView<'v>) -> Self {
        let cluster = view.cluster();
        let drawing = view.drawing();
        let mut columns: Vec<(String, usize)> = Vec::new();
        let mut boxes = Vec::with_capacity(drawing.nodes.len());
        for node in &drawing.nodes {
            let title = match node {
                DrawnNode::Workload(id) => cluster
                    .namespace(cluster.workload(*id).namespace)
                    .name
                    .clone(),
                DrawnNode::Namespace(_) => "namespaces".to_owned(),
                DrawnNode::Outside(_) => "outside".to_owned(),
                DrawnNode::Entity(_) => "nodes and their like".to_owned(),
                DrawnNode::Domain(_) => "names of the DNS".to_owned(),
            };
            match columns.last_mut() {
                Some((known, boxes)) if *known == title => *boxes += 1,
                _ => columns.push((title, 1)),
            }
            let (column, row) = (
                columns.len() - 1,
                columns.last().map_or(0, |last| last.1 - 1),
            );
            boxes.push((
                MARGIN + column * COLUMN,
                MARGIN + 2 * TITLE + row * (BOX_HEIGHT + GAP),
            ));
        }
        let most = columns.iter().map(|(_, boxes)| *boxes).max().unwrap_or(0);
        Self {
            view: *view,
            drawing,
            width: 2 * MARGIN + columns.len().max(1) * COLUMN,
            height: 3 * MARGIN + 2 * TITLE + most * (BOX_HEIGHT + GAP),
            boxes,
            columns,
        }
    }

    fn write(&self, top: usize, out: &mut dyn Write) -> io::Result<()> {
        writeln!(out, "<g transform=\"translate(0 {top})\">")?;
        if let Some(name) = self.view.name {
            writeln!(
                out,
                "<text class=\"title\" x=\"{MARGIN}\" y=\"24\">{}</text>",
                Xml(name)
            )?;
        }
        for (column, (title, boxes)) in self.columns.iter().enumerate() {
            let (x, y) = (MARGIN + column * COLUMN - 12, MARGIN + TITLE - 16);
            let height = TITLE + 16 + boxes * (BOX_HEIGHT + GAP);
            writeln!(
                out,
                "<rect class=\"space\" x=\"{x}\" y=\"{y}\" width=\"{}\" height=\"{height}\"/>",
                BOX_WIDTH + 24
            )?;
            writeln!(
                out,
                "<text class=\"title\" x=\"{}\" y=\"{}\">{}</text>",
                x + 12,
                y + 22,
                Xml(title)
            )?;
        }
        for edge in &self.drawing.edges {
            self.write_edge(
                edge.source as usize,
                edge.destination as usize,
                edge.set,
                out,
            )?;
        }
        for (node, (x, y)) in self.drawing.nodes.iter().zip(&self.boxes) {
            self.write_box(node, *x, *y, out)?;
        }
        writeln!(out, "</g>")
    }

    fn write_box(
        &self,
        node: &DrawnNode,
        x: usize,
        y: usize,
        out: &mut dyn Write,
    ) -> io::Result<()> {
        let whole = names::node(self.view.cluster(), node);
        let class = match node {
            DrawnNode::Outside(_) | DrawnNode::Entity(_) | DrawnNode::Domain(_) => {
                " class=\"outside\""
            }
            DrawnNode::Workload(_) | DrawnNode::Namespace(_) => "",
        };
        let label = match node {
            DrawnNode::Workload(_) => whole
                .split_once('/')
                .map_or(whole.as_str(), |(_, rest)| rest),
            DrawnNode::Namespace(_)
            | DrawnNode::Outside(_)
            | DrawnNode::Entity(_)
            | DrawnNode::Domain(_) => &whole,
        };
        let mut shown: String = label.chars().take(MAX_LETTERS).collect();
        if shown.len() < label.len() {
            shown.push('…');
        }
        writeln!(
            out,
            "<g><title>{}</title><rect{class} x=\"{x}\" y=\"{y}\" width=\"{BOX_WIDTH}\" \
             height=\"{BOX_HEIGHT}\"/><text x=\"{}\" y=\"{}\">{}</text></g>",
            Xml(&whole),
            x + 8,
            y + 18,
            Xml(&shown)
        )
    }

    fn write_edge(&self, from: usize, to: usize, set: u32, out: &mut dyn Write) -> io::Result<()> {
        let set = &self.drawing.sets[set as usize];
        let class = match (set.open.is_empty(), set.open.is_all()) {
            (true, _) => "unknown",
            (_, true) => "all",
            _ => "some",
        };
        let ((x1, y1), (x2, y2)) = (self.boxes[from], self.boxes[to]);
        let (y1, y2) = (y1 + BOX_HEIGHT / 2, y2 + BOX_HEIGHT / 2);
        // Within a column an arrow bends out on the right and comes back.
        let (start, end, bend) = match x1.cmp(&x2) {
            std::cmp::Ordering::Less => (x1 + BOX_WIDTH, x2, (x1 + BOX_WIDTH + 60, x2 - 60)),
            std::cmp::Ordering::Greater => (x1, x2 + BOX_WIDTH, (x1 - 60, x2 + BOX_WIDTH + 60)),
            std::cmp::Ordering::Equal => {
                let right = x1 + BOX_WIDTH;
                (right, right, (right + 70, right + 70))
            }
        };
        let label = names::openness(set);
        let cluster = self.view.cluster();
        let [source, destination] =
            [from, to].map(|node| names::node(cluster, &self.drawing.nodes[node]));
        writeln!(
            out,
            "<g><title>{} -&gt; {}: {}</title><path class=\"{class}\" marker-end=\"url(#to)\" \
             d=\"M{start} {y1}C{} {y1} {} {y2} {end} {y2}\"/></g>",
            Xml(&source),
            Xml(&destination),
            Xml(&label),
            bend.0,
            bend.1
        )?;
        if self.drawing.edges.len() <= MAX_LABELS {
            let (x, y) = ((start + end + bend.0 + bend.1) / 4, (y1 + y2) / 2);
            let shown: String = label.chars().take(MAX_LETTERS).collect();
            writeln!(
                out,
                "<text class=\"port\" x=\"{x}\" y=\"{}\" text-anchor=\"middle\">{}</text>",
                y.saturating_sub(4),
                Xml(&shown)
            )?;
        }
        Ok(())
    }
}
