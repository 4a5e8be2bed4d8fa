//! Workflow commands of GitHub Actions: findings become annotations of a pull request.
//!
//! Refuses to show source text, which stands beside the annotation.

use super::place::Place;
use super::{GithubMessage, GithubProperty, Report, not_judged_lines};
use crate::diagnostic::{Diagnostic, Severity};
use std::io::{self, Write};

pub(super) fn write(report: &Report<'_>, out: &mut dyn Write) -> io::Result<()> {
    for problem in report.problems {
        let name = report.root.name(&problem.name);
        let name = GithubProperty(&name);
        let message = GithubMessage(&problem.message);
        writeln!(out, "::error file={name},title=not analysed::{message}")?;
    }
    for finding in report.findings {
        let place = Place::new(report.sources, finding.primary.span);
        let file = report.root.name(place.file);
        let (start, end) = (place.start, place.end);
        // Columns are only taken for a region of one line, whose end is included.
        let last = end.column.saturating_sub(1).max(start.column);
        writeln!(
            out,
            "::{} file={},line={},col={},endColumn={last},title={}::{}",
            command(finding.severity),
            GithubProperty(&file),
            start.line,
            start.column,
            GithubProperty(finding.rule),
            GithubMessage(&message(finding)),
        )?;
    }
    for line in not_judged_lines(report.not_judged, report.sources) {
        writeln!(out, "::notice title=not judged::{}", GithubMessage(&line))?;
    }
    Ok(())
}

fn command(severity: Severity) -> &'static str {
    match severity {
        Severity::Error => "error",
        Severity::Warning => "warning",
        Severity::Info => "notice",
    }
}

/// All that a finding says, a line each.
pub(super) fn message(finding: &Diagnostic) -> String {
    let mut lines = vec![finding.message.clone()];
    lines.extend(Some(finding.primary.message.clone()).filter(|label| !label.is_empty()));
    lines.extend(finding.notes.iter().cloned());
    lines.extend(finding.help.iter().map(|help| format!("help: {help}")));
    lines.join("\n")
}
