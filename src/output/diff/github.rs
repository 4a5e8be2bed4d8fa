//! Annotations of GitHub Actions, at the text that is to blame.
//!
//! Refuses to annotate what the pull request does not show: a place in the state before is
//! named in the message.

use super::{DiffReport, words};
use crate::graph::{Level, Move};
use crate::output::{GithubMessage, GithubProperty};
use std::io::{self, Write};

pub(super) fn write(report: &DiffReport<'_>, out: &mut dyn Write) -> io::Result<()> {
    for cluster in &report.clusters {
        let lines = cluster.comparison.lines.iter().zip(&cluster.causes);
        for (line, causes) in lines.filter(|(line, _)| report.shows(line)) {
            let command = match line.effect.level() {
                Level::High | Level::Medium => "warning",
                Level::Low => "notice",
            };
            let moved = match line.moved {
                Move::Opened => "opened",
                Move::Closed => "closed",
                Move::Unknown => "unknown",
            };
            let [from, to] =
                [&line.sources, &line.destinations].map(|ends| cluster.ends(report, ends));
            let mut message = format!("{moved}: {from} -> {to} {}", line.connections);
            if let Some(name) = &cluster.name {
                message = format!("{name}: {message}");
            }
            for cause in causes {
                let place = words::place(report, cause.span, cause.is_before);
                message += &format!("\n{}  {place}", words::cause(cause));
            }
            let here = causes.iter().find(|cause| !cause.is_before);
            let place = here.map_or_else(String::new, |cause| {
                let source = report.sources.get(cause.span.source);
                let position = source.position(cause.span.start);
                let file = report.root.name(source.name());
                let file = GithubProperty(&file);
                format!(
                    "file={file},line={},col={},",
                    position.line, position.column
                )
            });
            let title = GithubProperty(line.effect.id());
            let message = GithubMessage(&message);
            writeln!(out, "::{command} {place}title={title}::{message}")?;
        }
    }
    writeln!(out, "{}", GithubMessage(&words::summary(report)))
}
