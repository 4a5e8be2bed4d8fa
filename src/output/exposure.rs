//! What each workload is open to, as a table.
//!
//! Refuses to work it out.

use super::graph::connections_json;
use super::json::write_value;
use super::{Csv, Escaped, Markdown, Role, Style};
use crate::cluster::Cluster;
use crate::graph::{Exposure, Openness};
use serde_json::{Value, json};
use std::io::{self, Write};

/// The version of the JSON form.
const VERSION: u32 = 1;

/// A format of exposure.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[cfg_attr(feature = "cli", derive(clap::ValueEnum))]
pub enum ExposureFormat {
    /// A table, for people
    Text,
    /// All that is known, for programs; see `npcheck schema exposure`
    Json,
    /// A table for spreadsheets
    Csv,
    /// A table for summaries and comments
    Markdown,
}

/// The workloads of a cluster.
#[derive(Debug)]
pub struct ExposureView<'a> {
    /// The cluster's name, where there are several.
    pub name: Option<String>,
    /// The cluster.
    pub cluster: &'a Cluster,
    /// Its workloads, in order.
    pub exposures: Vec<Exposure>,
}

const COLUMNS: [&str; 9] = [
    "workload",
    "from internet",
    "to internet",
    "other namespaces",
    "reached by",
    "reaches",
    "dns",
    "isolated in",
    "isolated out",
];

impl ExposureFormat {
    /// Writes the table of each cluster, and what was not judged. Only the format for people
    /// obeys `style`.
    pub fn write(
        self,
        views: &[ExposureView<'_>],
        notes: &[String],
        style: Style,
        out: &mut dyn Write,
    ) -> io::Result<()> {
        match self {
            Self::Text => write_text(views, notes, style, out),
            Self::Json => write_json(views, notes, out),
            Self::Csv => write_csv(views, out),
            Self::Markdown => write_markdown(views, notes, out),
        }
    }
}

/// The cells of a workload.
fn cells(cluster: &Cluster, exposure: &Exposure) -> [String; 9] {
    let ports = |openness: &Openness| match (openness.open.is_empty(), openness.unknown.is_empty())
    {
        (true, true) => "-".to_owned(),
        (true, false) => format!("unknown: {}", openness.unknown),
        (false, _) => openness.open.to_string(),
    };
    let yes = |is_so: Option<bool>| {
        let text = match is_so {
            Some(true) => "yes",
            Some(false) => "no",
            None => "?",
        };
        text.to_owned()
    };
    [
        cluster.workload_name(exposure.workload),
        ports(&exposure.from_internet),
        ports(&exposure.to_internet),
        exposure.from_other_namespaces.to_string(),
        exposure.reached_by.to_string(),
        exposure.reaches.to_string(),
        yes(exposure.resolves_names),
        yes(exposure.isolated_in),
        yes(exposure.isolated_out),
    ]
}

fn write_text(
    views: &[ExposureView<'_>],
    notes: &[String],
    style: Style,
    out: &mut dyn Write,
) -> io::Result<()> {
    let out = &mut style.fit(out);
    for view in views {
        if let Some(name) = &view.name {
            writeln!(out, "cluster {}", Escaped(name))?;
        }
        let rows: Vec<[String; 9]> = view
            .exposures
            .iter()
            .map(|one| cells(view.cluster, one).map(|cell| Escaped(&cell).to_string()))
            .collect();
        let widths: Vec<usize> = (0..COLUMNS.len())
            .map(|column| {
                let cells = rows.iter().map(|row| row[column].chars().count());
                cells.max().unwrap_or(0).max(COLUMNS[column].len())
            })
            .collect();
        let line = |cells: &[&str]| {
            let cells = cells
                .iter()
                .zip(&widths)
                .map(|(cell, width)| format!("{cell:<width$}"));
            cells
                .collect::<Vec<String>>()
                .join("  ")
                .trim_end()
                .to_owned()
        };
        let total = widths.iter().sum::<usize>() + 2 * (widths.len() - 1);
        let is_narrow = style.width.is_some_and(|width| width < total);
        if !is_narrow {
            writeln!(out, "{}", style.paint(Role::Strong, line(&COLUMNS)))?;
        }
        for (row, exposure) in rows.iter().zip(&view.exposures) {
            let cells: Vec<&str> = row.iter().map(String::as_str).collect();
            let line = match is_narrow {
                true => cells[0].to_owned(),
                false => line(&cells),
            };
            match exposure.is_open_to_internet() {
                true => writeln!(out, "{}", style.paint(Role::Warning, line))?,
                false => writeln!(out, "{line}")?,
            }
            if is_narrow {
                let facts = COLUMNS.iter().zip(&cells).skip(1);
                let facts = facts.map(|(column, cell)| format!("{column}: {cell}"));
                writeln!(out, "    {}", facts.collect::<Vec<String>>().join("  "))?;
            }
        }
    }
    notes
        .iter()
        .try_for_each(|note| writeln!(out, "{}", Escaped(note)))
}

fn write_csv(views: &[ExposureView<'_>], out: &mut dyn Write) -> io::Result<()> {
    let head: Vec<String> = COLUMNS
        .iter()
        .map(|column| column.replace(' ', "_"))
        .collect();
    write!(out, "cluster,{}\r\n", head.join(","))?;
    for view in views {
        let name = Csv(view.name.as_deref().unwrap_or_default());
        for exposure in &view.exposures {
            let cells = cells(view.cluster, exposure).map(|cell| match cell.as_str() {
                "-" => String::new(),
                cell => Csv(cell).to_string(),
            });
            write!(out, "{name},{}\r\n", cells.join(","))?;
        }
    }
    Ok(())
}

fn write_markdown(
    views: &[ExposureView<'_>],
    notes: &[String],
    out: &mut dyn Write,
) -> io::Result<()> {
    for view in views {
        if let Some(name) = &view.name {
            writeln!(out, "### {}\n", Markdown(name))?;
        }
        writeln!(out, "| {} |", COLUMNS.join(" | "))?;
        writeln!(out, "|{}", "---|".repeat(COLUMNS.len()))?;
        for exposure in &view.exposures {
            let cells = cells(view.cluster, exposure).map(|cell| Markdown(&cell).to_string());
            writeln!(out, "| {} |", cells.join(" | "))?;
        }
        writeln!(out)?;
    }
    notes
        .iter()
        .try_for_each(|note| writeln!(out, "{}", Markdown(note)))
}

fn write_json(views: &[ExposureView<'_>], notes: &[String], out: &mut dyn Write) -> io::Result<()> {
    let workload = |view: &ExposureView<'_>, one: &Exposure| {
        let openness = |openness: &Openness| {
            json!({
                "open": connections_json(&openness.open),
                "unknown": connections_json(&openness.unknown),
            })
        };
        json!({
            "workload": view.cluster.workload_name(one.workload),
            "fromInternet": openness(&one.from_internet),
            "toInternet": openness(&one.to_internet),
            "fromOtherNamespaces": one.from_other_namespaces,
            "reachedBy": one.reached_by,
            "reaches": one.reaches,
            "resolvesNames": one.resolves_names,
            "isolatedIn": one.isolated_in,
            "isolatedOut": one.isolated_out,
        })
    };
    let clusters = views.iter().map(|view| {
        let workloads: Vec<Value> = view
            .exposures
            .iter()
            .map(|one| workload(view, one))
            .collect();
        json!({"name": view.name, "workloads": workloads})
    });
    let document = json!({
        "version": VERSION,
        "tool": {"name": "npcheck", "version": env!("CARGO_PKG_VERSION")},
        "clusters": clusters.collect::<Vec<Value>>(),
        "notes": notes,
    });
    write_value(&document, out)
}
