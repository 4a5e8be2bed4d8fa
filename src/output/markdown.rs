//! A table of findings in Markdown, for the summary of a CI job or a comment.
//!
//! Refuses to show source text.

use super::{Markdown, RULE_PAGES, Report, not_judged_lines};
use std::io::{self, Write};

pub(super) fn write(report: &Report<'_>, out: &mut dyn Write) -> io::Result<()> {
    writeln!(out, "## npcheck\n")?;
    if !report.problems.is_empty() {
        writeln!(out, "| not analysed | why |\n|---|---|")?;
        for problem in report.problems {
            let (name, message) = (Markdown(&problem.name), Markdown(&problem.message));
            writeln!(out, "| {name} | {message} |")?;
        }
        writeln!(out)?;
    }
    let not_judged = not_judged_lines(report.not_judged, report.sources);
    for line in &not_judged {
        writeln!(out, "- {}", Markdown(line))?;
    }
    if !not_judged.is_empty() {
        writeln!(out)?;
    }
    if !report.findings.is_empty() {
        writeln!(out, "| | rule | where | finding |\n|---|---|---|---|")?;
        for finding in report.findings {
            let span = finding.primary.span;
            let (severity, rule) = (finding.severity.name(), finding.rule);
            let file = Markdown(report.sources.get(span.source).name());
            let line = report.sources.position(span).line;
            let message = Markdown(&finding.message);
            writeln!(
                out,
                "| {severity} | [{rule}]({RULE_PAGES}{rule}.md) | {file}:{line} | {message} |"
            )?;
        }
        writeln!(out)?;
    }
    writeln!(out, "{}", Markdown(&report.found.line(report.summary)))
}
