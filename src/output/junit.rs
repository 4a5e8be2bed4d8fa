//! Findings as failed tests, in the JUnit XML that CI systems collect. A finding that does
//! not make the run fail is a test that passed, with the finding as its output.
//!
//! Refuses to be empty: a run without findings is one test that passed; and to be green where
//! nothing was analysed.

use super::github::message;
use super::place::Place;
use super::{Analysed, NOTHING, Report, Xml, not_judged_lines};
use crate::diagnostic::Diagnostic;
use std::io::{self, Write};

pub(super) fn write(report: &Report<'_>, out: &mut dyn Write) -> io::Result<()> {
    let is_failure = |finding: &&Diagnostic| finding.severity >= report.fail_on;
    let not_judged = not_judged_lines(report.not_judged, report.sources);
    let is_nothing = report.analysed == Analysed::Nothing;
    let failures = report.findings.iter().filter(is_failure).count();
    let errors = report.problems.len() + usize::from(is_nothing);
    let skipped = report.suppressed.len() + not_judged.len();
    let is_empty = report.findings.is_empty() && errors + skipped == 0;
    let tests = report.findings.len() + errors + skipped + usize::from(is_empty);
    writeln!(out, r#"<?xml version="1.0" encoding="UTF-8"?>"#)?;
    let counts =
        format!(r#"tests="{tests}" failures="{failures}" errors="{errors}" skipped="{skipped}""#);
    writeln!(out, r#"<testsuites name="npcheck" {counts}>"#)?;
    writeln!(out, r#"  <testsuite name="npcheck" {counts}>"#)?;
    for problem in report.problems {
        write_error(&problem.name, "not analysed", &problem.message, out)?;
    }
    if is_nothing {
        write_error("npcheck", "nothing analysed", NOTHING, out)?;
    }
    for line in &not_judged {
        writeln!(
            out,
            r#"    <testcase classname="npcheck" name="not judged: {line}">"#,
            line = Xml(line)
        )?;
        writeln!(out, r#"      <skipped message="{}"/>"#, Xml(line))?;
        writeln!(out, "    </testcase>")?;
    }
    for finding in report.findings {
        write_case(report, finding, out)?;
        let kind = finding.severity.name();
        let (short, long) = (Xml(&finding.message), message(finding));
        let long = Xml(&long);
        if is_failure(&finding) {
            writeln!(
                out,
                r#"      <failure type="{kind}" message="{short}">{long}</failure>"#
            )?;
        } else {
            writeln!(out, "      <system-out>{kind}: {long}</system-out>")?;
        }
        writeln!(out, "    </testcase>")?;
    }
    for suppressed in report.suppressed {
        write_case(report, &suppressed.finding, out)?;
        writeln!(
            out,
            r#"      <skipped message="{}"/>"#,
            Xml(&suppressed.reason)
        )?;
        writeln!(out, "    </testcase>")?;
    }
    if is_empty {
        writeln!(
            out,
            r#"    <testcase classname="npcheck" name="no findings"/>"#
        )?;
    }
    writeln!(out, "  </testsuite>\n</testsuites>")
}

fn write_error(class: &str, name: &str, message: &str, out: &mut dyn Write) -> io::Result<()> {
    let (class, message) = (Xml(class), Xml(message));
    writeln!(out, r#"    <testcase classname="{class}" name="{name}">"#)?;
    writeln!(out, r#"      <error message="{message}"/>"#)?;
    writeln!(out, "    </testcase>")
}

/// Opens the test case of a finding.
fn write_case(report: &Report<'_>, finding: &Diagnostic, out: &mut dyn Write) -> io::Result<()> {
    let place = Place::new(report.sources, finding.primary.span);
    let (line, column) = (place.start.line, place.start.column);
    let object = if finding.object.is_empty() { "" } else { " " };
    let file = report.root.name(place.file);
    writeln!(
        out,
        r#"    <testcase classname="{file}" name="{rule}{object}{about}, line {line}, column {column}">"#,
        file = Xml(&file),
        rule = Xml(finding.rule),
        about = Xml(&finding.object),
    )
}
