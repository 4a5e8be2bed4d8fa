//! A line for flows that change alike, with what is to blame for it, for people.
//!
//! Refuses to list what nobody asked for: flows of workloads that are new or gone are
//! counted.

use super::{DiffReport, DiffedCluster, words};
use crate::engine::Judge;
use crate::graph::{Effect, FlowEnd, Level, Line, LineEnds, Move, reasons};
use crate::output::{Escaped, Role, Style, count, flow_names};
use std::io::{self, Write};

/// The column where ports begin, unless an end is longer.
const MAX_COLUMN: usize = 52;

pub(super) fn write(report: &DiffReport<'_>, style: Style, out: &mut dyn Write) -> io::Result<()> {
    let out = &mut style.fit(out);
    let summary = style.paint(Role::Strong, words::summary(report));
    let [before, after] = report.names.each_ref().map(|name| Escaped(name));
    let range = style.paint(Role::Faint, format!("{before}..{after}"));
    writeln!(out, "{summary}  {range}")?;
    for cluster in &report.clusters {
        if cluster.comparison.is_empty() && cluster.opaque.is_empty() {
            continue;
        }
        if let Some(name) = &cluster.name {
            writeln!(out, "cluster {}", Escaped(name))?;
        }
        write_cluster(report, cluster, style, out)?;
    }
    for note in &report.notes {
        writeln!(out, "{}", Escaped(note))?;
    }
    Ok(())
}

fn write_cluster(
    report: &DiffReport<'_>,
    cluster: &DiffedCluster<'_>,
    style: Style,
    out: &mut dyn Write,
) -> io::Result<()> {
    let sections = [
        (Move::Opened, "opened"),
        (Move::Closed, "closed"),
        (Move::Unknown, "unknown"),
    ];
    // What these have looked up they keep for the next line.
    let judges = cluster.clusters.map(Judge::new);
    for (moved, title) in sections {
        let lines: Vec<(&Line, usize)> = cluster
            .comparison
            .lines
            .iter()
            .zip(0..)
            .filter(|(line, _)| line.moved == moved)
            .collect();
        if lines.is_empty() {
            continue;
        }
        writeln!(out, "{title}")?;
        for (line, place) in lines.iter().filter(|(line, _)| report.shows(line)) {
            write_line(report, cluster, (line, *place), &judges, style, out)?;
        }
        let hidden = lines.iter().filter(|(line, _)| !report.shows(line));
        let hidden: usize = hidden.map(|(line, _)| line.pairs).sum();
        if hidden > 0 {
            let flows = count(hidden, "flow");
            writeln!(
                out,
                "  {flows} of workloads that are new or gone; --all lists them"
            )?;
        }
    }
    write_isolation(report, cluster, style, out)?;
    for (time, title) in [(1, "new"), (0, "gone")] {
        let ids: Vec<_> = match time {
            1 => cluster.comparison.added().collect(),
            _ => cluster.comparison.removed().collect(),
        };
        for id in ids {
            let name = cluster.clusters[time].workload_name(id);
            writeln!(out, "{title:<9} {}", Escaped(&name))?;
        }
    }
    for pair in &cluster.comparison.workloads {
        if let (Some(old), Some(new)) = (pair.before, pair.after) {
            let names = [
                cluster.clusters[0].workload_name(old),
                cluster.clusters[1].workload_name(new),
            ];
            if names[0] != names[1] {
                writeln!(
                    out,
                    "renamed   {} is {}",
                    Escaped(&names[0]),
                    Escaped(&names[1])
                )?;
            }
        }
    }
    for (name, span) in &cluster.opaque {
        let place = words::place(report, *span, false);
        let (name, place) = (Escaped(name), Escaped(&place));
        writeln!(
            out,
            "unknown   {name}: another tool fills in its labels  {place}"
        )?;
    }
    Ok(())
}

fn write_line(
    report: &DiffReport<'_>,
    cluster: &DiffedCluster<'_>,
    (line, place): (&Line, usize),
    judges: &[Judge<'_, '_>; 2],
    style: Style,
    out: &mut dyn Write,
) -> io::Result<()> {
    let [from, to] = [&line.sources, &line.destinations].map(|ends| cluster.ends(report, ends));
    let ends = format!("{} -> {}", Escaped(&from), Escaped(&to));
    let role = match line.effect.level() {
        Level::High => Role::Error,
        Level::Medium => Role::Warning,
        Level::Low => Role::Faint,
    };
    let ports = style.paint(Role::Strong, &line.connections);
    let level = style.paint(role, line.effect.level().name());
    let id = match line.effect {
        Effect::Opened | Effect::Closed | Effect::Unknown => String::new(),
        effect => format!(" {}", effect.id()),
    };
    writeln!(out, "  {ends:<MAX_COLUMN$}  {ports}  {level}{id}")?;
    if report.shows_all {
        for (word, ends, short) in [
            ("from", &line.sources, &from),
            ("to", &line.destinations, &to),
        ] {
            let names = cluster.names(ends);
            let is_said = names.len() == 1 || matches!(ends, LineEnds::Outside(_));
            if !is_said && names.join(", ") != *short {
                writeln!(out, "      {word} {}", Escaped(&names.join(", ")))?;
            }
        }
    }
    for cause in &cluster.causes[place] {
        let at = words::place(report, cause.span, cause.is_before);
        let words = words::cause(cause);
        let (at, words) = (Escaped(&at), Escaped(&words));
        writeln!(out, "      {}  {words}", style.paint(Role::Related, at))?;
    }
    if report.says_why && !line.is_of_new_or_gone {
        for (time, word) in ["before", "after"].into_iter().enumerate() {
            let why = why(cluster, line, (time, &judges[time]));
            writeln!(out, "      {word:<6}  {}", Escaped(&why))?;
        }
    }
    Ok(())
}

/// What decides about the first pair of a line in one state.
fn why(cluster: &DiffedCluster<'_>, line: &Line, (time, judge): (usize, &Judge<'_, '_>)) -> String {
    let end = |ends: &LineEnds| match ends {
        LineEnds::Outside(ranges) => Some(FlowEnd::Outside(ranges[0])),
        LineEnds::Workloads(places) => {
            let pair = cluster.comparison.workloads[places[0]];
            let id = if time == 0 { pair.before } else { pair.after };
            id.map(FlowEnd::Workload)
        }
    };
    let (Some(from), Some(to)) = (end(&line.sources), end(&line.destinations)) else {
        return String::new();
    };
    let of = cluster.clusters[time];
    let reasons = reasons(judge, from, to, &line.connections);
    let words = reasons.iter().map(|reason| flow_names::reason(of, reason));
    words.collect::<Vec<String>>().join("; ")
}

fn write_isolation(
    report: &DiffReport<'_>,
    cluster: &DiffedCluster<'_>,
    style: Style,
    out: &mut dyn Write,
) -> io::Result<()> {
    for line in &cluster.comparison.isolation {
        let (title, role) = match line.effect {
            Effect::Isolated => ("isolated", Role::Strong),
            _ => ("deisolated", Role::Error),
        };
        let title = style.paint(role, format!("{title:<9}"));
        let words = words::isolation(report, cluster, line);
        writeln!(out, "{title} {}", Escaped(&words))?;
    }
    Ok(())
}
