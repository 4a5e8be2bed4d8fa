//! Findings as failed tests, in the JUnit XML that CI systems collect.
//!
//! Refuses to be empty: a run without findings is one test that passed.

use super::github::message;
use super::place::Place;
use super::{Report, Xml};
use std::io::{self, Write};

pub(super) fn write(report: &Report<'_>, out: &mut dyn Write) -> io::Result<()> {
    let (failures, errors) = (report.findings.len(), report.problems.len());
    let skipped = report.suppressed.len();
    let tests = (failures + errors + skipped).max(1);
    writeln!(out, r#"<?xml version="1.0" encoding="UTF-8"?>"#)?;
    let counts =
        format!(r#"tests="{tests}" failures="{failures}" errors="{errors}" skipped="{skipped}""#);
    writeln!(out, r#"<testsuites name="npcheck" {counts}>"#)?;
    writeln!(out, r#"  <testsuite name="npcheck" {counts}>"#)?;
    for problem in report.problems {
        let (name, message) = (Xml(&problem.name), Xml(&problem.message));
        writeln!(
            out,
            r#"    <testcase classname="{name}" name="not analysed">"#
        )?;
        writeln!(out, r#"      <error message="{message}"/>"#)?;
        writeln!(out, "    </testcase>")?;
    }
    for finding in report.findings {
        write_case(report, finding, out)?;
        let kind = finding.severity.name();
        let (short, long) = (Xml(&finding.message), message(finding));
        let long = Xml(&long);
        writeln!(
            out,
            r#"      <failure type="{kind}" message="{short}">{long}</failure>"#
        )?;
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
    if failures + errors + skipped == 0 {
        writeln!(
            out,
            r#"    <testcase classname="npcheck" name="no findings"/>"#
        )?;
    }
    writeln!(out, "  </testsuite>\n</testsuites>")
}

/// Opens the test case of a finding.
fn write_case(
    report: &Report<'_>,
    finding: &crate::diagnostic::Diagnostic,
    out: &mut dyn Write,
) -> io::Result<()> {
    let place = Place::new(report.sources, finding.primary.span);
    let (line, column) = (place.start.line, place.start.column);
    let object = if finding.object.is_empty() { "" } else { " " };
    writeln!(
        out,
        r#"    <testcase classname="{file}" name="{rule}{object}{about}, line {line}, column {column}">"#,
        file = Xml(place.file),
        rule = Xml(finding.rule),
        about = Xml(&finding.object),
    )
}
