//! The lines of a difference as arrows: what opens is thick and green, what closes dashed
//! and red, and each says so in words.
//!
//! Refuses to lay anything out.

use super::DiffReport;
use crate::graph::Move;
use crate::output::graph::{DotQuoted, MermaidLabel};
use std::collections::BTreeMap;
use std::io::{self, Write};

/// An arrow by the names of its ends.
struct Arrow {
    from: String,
    to: String,
    label: String,
    moved: Move,
}

fn arrows(report: &DiffReport<'_>) -> Vec<Arrow> {
    let mut arrows = Vec::new();
    for cluster in &report.clusters {
        for line in cluster
            .comparison
            .lines
            .iter()
            .filter(|line| report.shows(line))
        {
            let [from, to] = [&line.sources, &line.destinations].map(|ends| {
                let ends = cluster.ends(report, ends);
                match &cluster.name {
                    Some(name) => format!("{name}: {ends}"),
                    None => ends,
                }
            });
            let word = match line.moved {
                Move::Opened => "opens",
                Move::Closed => "closes",
                Move::Unknown => "unknown:",
            };
            arrows.push(Arrow {
                from,
                to,
                label: format!("{word} {}", line.connections),
                moved: line.moved,
            });
        }
    }
    arrows
}

/// The names of all nodes with their numbers.
fn numbers(arrows: &[Arrow]) -> BTreeMap<&str, usize> {
    let names = arrows
        .iter()
        .flat_map(|arrow| [arrow.from.as_str(), arrow.to.as_str()]);
    let mut numbers = BTreeMap::new();
    for name in names {
        let next = numbers.len();
        numbers.entry(name).or_insert(next);
    }
    numbers
}

pub(super) fn nodes(report: &DiffReport<'_>) -> usize {
    numbers(&arrows(report)).len()
}

pub(super) fn write_dot(report: &DiffReport<'_>, out: &mut dyn Write) -> io::Result<()> {
    let arrows = arrows(report);
    let numbers = numbers(&arrows);
    writeln!(out, "digraph npcheck {{")?;
    writeln!(
        out,
        "  rankdir=LR; node [shape=box, style=rounded]; edge [fontsize=10];"
    )?;
    for (name, number) in &numbers {
        writeln!(out, "  n{number} [label={}];", DotQuoted(name))?;
    }
    for arrow in &arrows {
        let style = match arrow.moved {
            Move::Opened => "color=\"#1a7f37\", penwidth=2",
            Move::Closed => "color=\"#cf222e\", style=dashed",
            Move::Unknown => "color=\"#9a6700\", style=dotted",
        };
        let [from, to] = [&arrow.from, &arrow.to].map(|name| numbers[name.as_str()]);
        let label = DotQuoted(&arrow.label);
        writeln!(out, "  n{from} -> n{to} [label={label}, {style}];")?;
    }
    writeln!(out, "}}")
}

pub(super) fn write_mermaid(report: &DiffReport<'_>, out: &mut dyn Write) -> io::Result<()> {
    let arrows = arrows(report);
    let numbers = numbers(&arrows);
    writeln!(out, "flowchart LR")?;
    for (name, number) in &numbers {
        writeln!(out, "  n{number}[\"{}\"]", MermaidLabel(name))?;
    }
    for arrow in &arrows {
        let line = match arrow.moved {
            Move::Opened => "==>",
            Move::Closed | Move::Unknown => "-.->",
        };
        let [from, to] = [&arrow.from, &arrow.to].map(|name| numbers[name.as_str()]);
        writeln!(
            out,
            "  n{from} {line}|\"{}\"| n{to}",
            MermaidLabel(&arrow.label)
        )?;
    }
    for (place, arrow) in arrows.iter().enumerate() {
        let color = match arrow.moved {
            Move::Opened => "#1a7f37",
            Move::Closed => "#cf222e",
            Move::Unknown => "#9a6700",
        };
        writeln!(out, "  linkStyle {place} stroke:{color}")?;
    }
    Ok(())
}
