//! What each workload is open to, as a table.
//!
//! Refuses to work it out.

use super::graph::connections_json;
use super::json::write_value;
use super::{Csv, Escaped, Markdown, Role, Style};
use crate::cluster::Cluster;
use crate::graph::{Count, EntityExposure, Exposure, Openness};
use serde_json::{Value, json};
use std::io::{self, Write};

/// How wide the cells of a column are made for one of them.
const MAX_PADDED: usize = 256;

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

const COLUMNS: [&str; 10] = [
    "workload",
    "from internet",
    "to internet",
    "other namespaces",
    "reached by",
    "reaches",
    "dns",
    "isolated in",
    "isolated out",
    "undeclared pods",
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

/// Those of nodes, the API server and their like, where the CNI plugin tells them apart.
const ENTITY_COLUMNS: [&str; 2] = ["from entities", "to entities"];

/// The columns of a table.
fn columns(views: &[ExposureView<'_>]) -> Vec<&'static str> {
    let mut all = views.iter().flat_map(|view| &view.exposures);
    let knows_entities = all.any(|one| !one.entities.is_empty());
    let more = ENTITY_COLUMNS.iter().filter(|_| knows_entities);
    COLUMNS.iter().chain(more).copied().collect()
}

/// The names of entities that some of `openness` is about; with `?` where that is unknown.
fn entities(exposure: &Exposure, openness: impl Fn(&EntityExposure) -> &Openness) -> String {
    let names = exposure.entities.iter().filter_map(|one| {
        let openness = openness(one);
        match (openness.open.is_empty(), openness.unknown.is_empty()) {
            (false, _) => Some(one.entity.name().to_owned()),
            (true, false) => Some(format!("{}?", one.entity.name())),
            (true, true) => None,
        }
    });
    match names.collect::<Vec<String>>().join(" ") {
        none if none.is_empty() => "-".to_owned(),
        names => names,
    }
}

/// The cells of a workload, as many as there are columns.
fn cells(cluster: &Cluster, exposure: &Exposure, columns: &[&str]) -> Vec<String> {
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
    let count = |count: Count| match count.unknown {
        0 => count.certain.to_string(),
        unknown => format!("{}+{unknown}?", count.certain),
    };
    let mut cells = vec![
        cluster.workload_name(exposure.workload),
        ports(&exposure.from_internet),
        ports(&exposure.to_internet),
        count(exposure.from_other_namespaces),
        count(exposure.reached_by),
        count(exposure.reaches),
        yes(exposure.resolves_names),
        yes(exposure.isolated_in),
        yes(exposure.isolated_out),
        ports(&exposure.from_undeclared),
        entities(exposure, |one| &one.ingress),
        entities(exposure, |one| &one.egress),
    ];
    cells.truncate(columns.len());
    cells
}

fn write_text(
    views: &[ExposureView<'_>],
    notes: &[String],
    style: Style,
    out: &mut dyn Write,
) -> io::Result<()> {
    let out = &mut style.fit(out);
    let columns = columns(views);
    for view in views {
        if let Some(name) = &view.name {
            writeln!(out, "cluster {}", Escaped(name))?;
        }
        let rows: Vec<Vec<String>> = view
            .exposures
            .iter()
            .map(|one| {
                cells(view.cluster, one, &columns)
                    .iter()
                    .map(|cell| Escaped(cell).to_string())
                    .collect()
            })
            .collect();
        let widths: Vec<usize> = (0..columns.len())
            .map(|column| {
                let cells = rows.iter().map(|row| row[column].chars().count());
                // One long cell pads no other row.
                let widest = cells.max().unwrap_or(0).min(MAX_PADDED);
                widest.max(columns[column].len())
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
            writeln!(out, "{}", style.paint(Role::Strong, line(&columns)))?;
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
                let facts = columns.iter().zip(&cells).skip(1);
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
    let columns = columns(views);
    let head: Vec<String> = columns
        .iter()
        .map(|column| column.replace(' ', "_"))
        .collect();
    write!(out, "cluster,{}\r\n", head.join(","))?;
    for view in views {
        let name = Csv(view.name.as_deref().unwrap_or_default());
        for exposure in &view.exposures {
            let cells = cells(view.cluster, exposure, &columns);
            let cells = cells.iter().map(|cell| match cell.as_str() {
                "-" => String::new(),
                cell => Csv(cell).to_string(),
            });
            write!(
                out,
                "{name},{}\r\n",
                cells.collect::<Vec<String>>().join(",")
            )?;
        }
    }
    Ok(())
}

fn write_markdown(
    views: &[ExposureView<'_>],
    notes: &[String],
    out: &mut dyn Write,
) -> io::Result<()> {
    let columns = columns(views);
    for view in views {
        if let Some(name) = &view.name {
            writeln!(out, "### {}\n", Markdown(name))?;
        }
        writeln!(out, "| {} |", columns.join(" | "))?;
        writeln!(out, "|{}", "---|".repeat(columns.len()))?;
        for exposure in &view.exposures {
            let cells = cells(view.cluster, exposure, &columns);
            let cells = cells.iter().map(|cell| Markdown(cell).to_string());
            writeln!(out, "| {} |", cells.collect::<Vec<String>>().join(" | "))?;
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
            "fromUndeclared": openness(&one.from_undeclared),
            "fromOtherNamespaces": one.from_other_namespaces.certain,
            "reachedBy": one.reached_by.certain,
            "reaches": one.reaches.certain,
            "unknown": {
                "fromOtherNamespaces": one.from_other_namespaces.unknown,
                "reachedBy": one.reached_by.unknown,
                "reaches": one.reaches.unknown,
            },
            "resolvesNames": one.resolves_names,
            "isolatedIn": one.isolated_in,
            "isolatedOut": one.isolated_out,
            "entities": one.entities.iter().map(|one| json!({
                "entity": one.entity.name(),
                "from": openness(&one.ingress),
                "to": openness(&one.egress),
            })).collect::<Vec<Value>>(),
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
