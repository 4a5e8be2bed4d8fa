//! By which hops one end gets to another, what every way crosses, and how far a workload
//! can get.
//!
//! Refuses to search: it is handed the paths.

use super::graph::connections_json;
use super::json::write_value;
use super::{Escaped, Role, Style, count, flow_names};
use crate::engine::{ConnectionSet, Judge};
use crate::graph::{EndSet, FlowEnd, FlowMatrix, NodeEnds, NodeId, Path, Reached, reasons};
use crate::source::SourceMap;
use serde_json::{Value, json};
use std::io::{self, Write};

/// The version of the JSON form.
const VERSION: u32 = 1;

/// A format of paths.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[cfg_attr(feature = "cli", derive(clap::ValueEnum))]
pub enum PathsFormat {
    /// Hop by hop, for people
    Text,
    /// All that is known, for programs; see `npcheck schema paths`
    Json,
}

/// The answer to a question about paths, cluster by cluster.
#[derive(Debug)]
pub struct PathsReport<'a> {
    /// As they were typed; no destination is everywhere.
    pub from: &'a str,
    /// As it was typed.
    pub to: Option<&'a str>,
    /// The texts that policies stand in.
    pub sources: &'a SourceMap,
    /// The public addresses.
    pub internet: &'a EndSet,
    /// One answer for each cluster that has both ends.
    pub answers: Vec<PathsAnswer<'a>>,
    /// What was not judged, in words.
    pub notes: Vec<String>,
}

/// The answer for one cluster.
#[derive(Debug)]
pub struct PathsAnswer<'a> {
    /// The cluster's name, where there are several.
    pub name: Option<String>,
    /// Its flows.
    pub matrix: FlowMatrix<'a>,
    /// Who says what decides about them.
    pub judge: Judge<'a, 'a>,
    /// The paths that are shown, the shortest first.
    pub paths: Vec<Path>,
    /// Whether there are more paths than those.
    pub has_more: bool,
    /// Whether they hold flows of which nobody knows: none is certain.
    pub is_unknown: bool,
    /// What every path crosses.
    pub crossings: Vec<NodeId>,
    /// Without a destination: everything that is reached.
    pub reached: Vec<Reached>,
    /// What closes all paths, what closes least first; empty if nobody asked.
    pub cuts: Vec<CutAnswer>,
}

/// A proposal that closes all paths, tried on the text.
#[derive(Clone, Debug)]
pub struct CutAnswer {
    /// What to do, in words.
    pub title: String,
    /// The manifest to add; empty if nothing is to be added.
    pub manifest: String,
    /// What is to be deleted, as a patch; empty if nothing is.
    pub diff: String,
    /// How many flows it closes in all.
    pub closes: usize,
    /// Whether the engine found no path any more.
    pub is_proved: bool,
}

impl PathsFormat {
    /// Writes the report. Only the format for people obeys `style`.
    pub fn write(
        self,
        report: &PathsReport<'_>,
        style: Style,
        out: &mut dyn Write,
    ) -> io::Result<()> {
        match self {
            Self::Text => {
                let out = &mut style.fit(out);
                for answer in &report.answers {
                    write_answer(report, answer, style, out)?;
                }
                for note in &report.notes {
                    writeln!(out, "{}", Escaped(note))?;
                }
                Ok(())
            }
            Self::Json => write_json(report, out),
        }
    }
}

fn write_answer(
    report: &PathsReport<'_>,
    answer: &PathsAnswer<'_>,
    style: Style,
    out: &mut dyn Write,
) -> io::Result<()> {
    if let Some(name) = &answer.name {
        writeln!(out, "cluster {}", Escaped(name))?;
    }
    let Some(to) = report.to else {
        return write_reached(report, answer, style, out);
    };
    let (from, to) = (Escaped(report.from), Escaped(to));
    if answer.paths.is_empty() {
        let verdict = style.paint(Role::Good, "no path");
        return writeln!(out, "{verdict} from {from} to {to}");
    }
    if answer.is_unknown {
        let verdict = style.paint(Role::Warning, "UNKNOWN");
        writeln!(
            out,
            "{verdict}  a path from {from} to {to} may be open or not"
        )?;
    }
    for path in &answer.paths {
        write_path(report, answer, path, style, out)?;
    }
    if answer.has_more {
        writeln!(
            out,
            "there are more paths; --all lists them, --hops N the short ones"
        )?;
    }
    for node in &answer.crossings {
        let name = flow_names::node(&answer.matrix, report.internet, *node);
        writeln!(
            out,
            "every path crosses {}",
            style.paint(Role::Strong, Escaped(&name))
        )?;
    }
    for cut in &answer.cuts {
        write_cut(cut, style, out)?;
    }
    Ok(())
}

fn write_path(
    report: &PathsReport<'_>,
    answer: &PathsAnswer<'_>,
    path: &Path,
    style: Style,
    out: &mut dyn Write,
) -> io::Result<()> {
    let name = |node: NodeId| {
        let name = flow_names::node(&answer.matrix, report.internet, node);
        Escaped(&name).to_string()
    };
    let hops = path.len() - 1;
    let arrow = style.paint(Role::Faint, "->");
    write!(
        out,
        "{}  {}",
        style.paint(Role::Strong, count(hops, "hop")),
        name(path[0])
    )?;
    for (from, to) in steps(path) {
        let open = opened(answer, from, to);
        write!(out, " {arrow} {} {open}", name(to))?;
    }
    writeln!(out)?;
    for (from, to) in steps(path) {
        let reasons: Vec<String> = why(answer, from, to)
            .iter()
            .map(|reason| {
                let words = flow_names::reason(answer.matrix.cluster(), reason);
                match reason.rule {
                    Some((_, _, Some(span))) => {
                        format!("{words} ({})", flow_names::place(report.sources, span))
                    }
                    _ => words,
                }
            })
            .collect();
        writeln!(
            out,
            "        {}: {}",
            name(to),
            Escaped(&reasons.join(", "))
        )?;
    }
    Ok(())
}

fn write_reached(
    report: &PathsReport<'_>,
    answer: &PathsAnswer<'_>,
    style: Style,
    out: &mut dyn Write,
) -> io::Result<()> {
    let matrix = &answer.matrix;
    let size = |node: NodeId| match matrix.ends(node) {
        NodeEnds::Workloads(group) => group.len(),
        NodeEnds::Outside(_) | NodeEnds::Entity(_) => 0,
    };
    let total: usize = answer.reached.iter().map(|one| size(one.node)).sum();
    let whole = count(matrix.groups().iter().map(Vec::len).sum(), "workload");
    let words = style.paint(Role::Strong, format!("reaches {total} of {whole}"));
    writeln!(out, "{} {words}", Escaped(report.from))?;
    let mut last = 0;
    for one in &answer.reached {
        if one.hops != last {
            last = one.hops;
            writeln!(out, "in {}", count(last, "hop"))?;
        }
        let [name, via] =
            [one.node, one.via].map(|node| flow_names::node(matrix, report.internet, node));
        let open = opened(answer, one.via, one.node);
        write!(out, "  {}  {open}", Escaped(&name))?;
        match one.hops {
            1 => writeln!(out)?,
            _ => writeln!(
                out,
                "  {}",
                style.paint(Role::Faint, format!("via {}", Escaped(&via)))
            )?,
        }
    }
    Ok(())
}

fn write_cut(cut: &CutAnswer, style: Style, out: &mut dyn Write) -> io::Result<()> {
    let title = Escaped(&cut.title);
    writeln!(out, "{} {title}", style.paint(Role::Strong, "--cut:"))?;
    if cut.is_proved {
        let others = count(cut.closes, "other flow");
        writeln!(
            out,
            "  tried on the text: no path is left; it closes {others} as well"
        )?;
    }
    for line in cut.manifest.lines().chain(cut.diff.lines()) {
        let line = format!("    {}", Escaped(line));
        writeln!(out, "{}", style.whole(line))?;
    }
    Ok(())
}

/// The hops of a path.
fn steps(path: &Path) -> impl Iterator<Item = (NodeId, NodeId)> {
    path.windows(2).map(|pair| (pair[0], pair[1]))
}

/// What a hop opens; what is unknown, if that is all.
fn opened<'m>(answer: &'m PathsAnswer<'_>, from: NodeId, to: NodeId) -> &'m ConnectionSet {
    let between = answer.matrix.between(from, to);
    match between.open.is_empty() {
        true => &between.unknown,
        false => &between.open,
    }
}

/// What decides about a hop.
fn why(answer: &PathsAnswer<'_>, from: NodeId, to: NodeId) -> Vec<crate::graph::SideReason> {
    let matrix = &answer.matrix;
    let end = |node: NodeId, other: bool| match matrix.ends(node) {
        NodeEnds::Outside(ranges) => FlowEnd::Outside(ranges[0]),
        NodeEnds::Entity(entity) => FlowEnd::Entity(entity),
        // Within a node a hop is between two of its members.
        NodeEnds::Workloads([_, second, ..]) if other => FlowEnd::Workload(*second),
        NodeEnds::Workloads(group) => FlowEnd::Workload(group[0]),
    };
    let connections = opened(answer, from, to);
    reasons(
        &answer.judge,
        end(from, false),
        end(to, from == to),
        connections,
    )
}

fn write_json(report: &PathsReport<'_>, out: &mut dyn Write) -> io::Result<()> {
    let answers: Vec<Value> = report
        .answers
        .iter()
        .map(|one| answer_json(report, one))
        .collect();
    let document = json!({
        "version": VERSION,
        "tool": {"name": "npcheck", "version": env!("CARGO_PKG_VERSION")},
        "from": report.from,
        "to": report.to,
        "clusters": answers,
        "notes": report.notes,
    });
    write_value(&document, out)
}

fn answer_json(report: &PathsReport<'_>, answer: &PathsAnswer<'_>) -> Value {
    let matrix = &answer.matrix;
    let cluster = matrix.cluster();
    let members = |node: NodeId| -> Vec<String> {
        match matrix.ends(node) {
            NodeEnds::Workloads(group) => {
                group.iter().map(|id| cluster.workload_name(*id)).collect()
            }
            NodeEnds::Outside(ranges) => {
                ranges.iter().map(|range| format!("ext:{range}")).collect()
            }
            NodeEnds::Entity(_) => vec![flow_names::node(matrix, report.internet, node)],
        }
    };
    let hop = |(from, to): (NodeId, NodeId)| {
        let between = matrix.between(from, to);
        let reasons = why(answer, from, to).into_iter().map(|reason| {
            json!({
                "direction": reason.direction.field(),
                "code": reason.code.name(),
                "policy": reason.rule.map(|(policy, _, _)| flow_names::policy_name(cluster, policy)),
                "rule": reason.rule.map(|(_, index, _)| index + 1),
                "location": reason.rule.and_then(|(_, _, span)| span).map(|span| {
                    let source = report.sources.get(span.source);
                    let position = source.position(span.start);
                    json!({"file": source.name(), "line": position.line, "column": position.column})
                }),
            })
        });
        json!({
            "from": members(from),
            "to": members(to),
            "open": connections_json(&between.open),
            "unknown": connections_json(&between.unknown),
            "reasons": reasons.collect::<Vec<Value>>(),
        })
    };
    let path = |path: &Path| json!({"hops": path.len() - 1, "steps": steps(path).map(hop).collect::<Vec<Value>>()});
    let reached = answer.reached.iter().map(|one| {
        json!({
            "hops": one.hops,
            "to": members(one.node),
            "via": members(one.via),
            "open": connections_json(&matrix.between(one.via, one.node).open),
        })
    });
    json!({
        "name": answer.name,
        "answer": match (answer.paths.is_empty() && answer.reached.is_empty(), answer.is_unknown) {
            (true, _) => "none",
            (false, true) => "unknown",
            (false, false) => "paths",
        },
        "paths": answer.paths.iter().map(path).collect::<Vec<Value>>(),
        "hasMore": answer.has_more,
        "crossings": answer.crossings.iter().map(|node| members(*node)).collect::<Vec<_>>(),
        "reached": reached.collect::<Vec<Value>>(),
        "cuts": answer.cuts.iter().map(|cut| json!({
            "title": cut.title,
            "manifest": cut.manifest,
            "diff": cut.diff,
            "proved": cut.is_proved,
            "closes": cut.closes,
        })).collect::<Vec<Value>>(),
    })
}
