//! The comment on a pull request: verdict and counts first, a table of what matters, the
//! rest folded.
//!
//! Refuses to be longer than GitHub takes: what is cut is counted.

use super::{DiffReport, DiffedCluster, words};
use crate::graph::{Effect, Level, Line, Move};
use crate::output::flow_names::policy_name;
use crate::output::{Markdown, count};
use std::io::{self, Write};

/// GitHub refuses comments of 65,536 characters; what follows the table needs some, too.
const MAX_LENGTH: usize = 65_000;

/// By this a workflow finds its own comment again.
const MARKER: &str = "<!-- npcheck diff -->";

pub(super) fn write(report: &DiffReport<'_>, out: &mut dyn Write) -> io::Result<()> {
    let [before, after] = report.names.each_ref().map(|name| Markdown(name));
    let summary = words::summary(report);
    let mut text = format!(
        "{MARKER}\n## npcheck: {}\n\n{before} → {after}\n\n",
        Markdown(&summary)
    );
    let mut rows: Vec<(Level, String)> = Vec::new();
    for cluster in &report.clusters {
        rows.extend(rows_of(report, cluster));
    }
    rows.sort_by_key(|(level, _)| *level);
    let (shown, folded): (Vec<_>, Vec<_>) = rows
        .into_iter()
        .partition(|(level, _)| *level != Level::Low);
    let mut cut = 0;
    if !shown.is_empty() {
        text += HEAD;
        cut += add(&mut text, &shown);
        text += "\n";
    }
    if !folded.is_empty() {
        let title = format!("{} of low level", count(folded.len(), "change"));
        text += &format!("<details><summary>{title}</summary>\n\n{HEAD}");
        cut += add(&mut text, &folded);
        text += "\n</details>\n";
    }
    if cut > 0 {
        text += &format!(
            "\n{} left out: the comment would be too long\n",
            count(cut, "row")
        );
    }
    for note in &report.notes {
        text += &format!("\n{}\n", Markdown(note));
    }
    out.write_all(text.as_bytes())
}

const HEAD: &str = "| | from | to | ports | level | why |\n|---|---|---|---|---|---|\n";

/// Adds rows as long as there is room; returns how many there is none for.
fn add(text: &mut String, rows: &[(Level, String)]) -> usize {
    for (place, (_, row)) in rows.iter().enumerate() {
        if text.len() + row.len() > MAX_LENGTH {
            return rows.len() - place;
        }
        *text += row;
    }
    0
}

fn rows_of(report: &DiffReport<'_>, cluster: &DiffedCluster<'_>) -> Vec<(Level, String)> {
    let comparison = &cluster.comparison;
    let lines = comparison.lines.iter().zip(&cluster.causes);
    let lines = lines.filter(|(line, _)| report.shows(line));
    let name = match &cluster.name {
        Some(name) => format!("{}: ", Markdown(name)),
        None => String::new(),
    };
    let row = |(line, causes): (&Line, &Vec<crate::graph::Cause>)| {
        let moved = match line.moved {
            Move::Opened => "➕ opened",
            Move::Closed => "➖ closed",
            Move::Unknown => "❔ unknown",
        };
        let [from, to] = [&line.sources, &line.destinations].map(|ends| cluster.ends(report, ends));
        let why: Vec<String> = causes
            .iter()
            .map(|cause| {
                let place = words::place(report, cause.span, cause.is_before);
                let words = words::cause(cause);
                format!("{} {}", Markdown(&place), Markdown(&words))
            })
            .collect();
        let ports = line.connections.to_string();
        let level = line.effect.level();
        let row = format!(
            "| {name}{moved} | {} | {} | {} | {} `{}` | {} |\n",
            Markdown(&from),
            Markdown(&to),
            Markdown(&ports),
            level.name(),
            line.effect.id(),
            why.join("<br>")
        );
        (level, row)
    };
    let mut rows: Vec<(Level, String)> = lines.map(row).collect();
    rows.extend(comparison.isolation.iter().map(|line| {
        let time = usize::from(line.effect == Effect::Isolated);
        let names = line
            .policies
            .iter()
            .map(|policy| policy_name(cluster.clusters[time], *policy));
        let names: Vec<String> = names.map(|name| Markdown(&name).to_string()).collect();
        let workloads = cluster.workloads(&line.workloads);
        let level = line.effect.level();
        let row = format!(
            "| {name}{} | {} | | {} | {} `{}` | {} |\n",
            line.effect.id(),
            Markdown(&workloads),
            line.direction.field(),
            level.name(),
            line.effect.id(),
            names.join(", ")
        );
        (level, row)
    }));
    let added = comparison.added().map(|id| (1, id, Effect::WorkloadAdded));
    let removed = comparison
        .removed()
        .map(|id| (0, id, Effect::WorkloadRemoved));
    rows.extend(added.chain(removed).map(|(time, id, effect)| {
        let moved = if time == 1 { "new" } else { "gone" };
        let workload = cluster.clusters[time].workload_name(id);
        let level = effect.level();
        let row = format!(
            "| {name}{moved} | {} | | | {} `{}` | |\n",
            Markdown(&workload),
            level.name(),
            effect.id()
        );
        (level, row)
    }));
    rows
}
