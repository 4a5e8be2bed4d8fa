//! The Code Quality report that GitLab shows in a merge request.
//!
//! Refuses to say more than GitLab reads.

use super::Report;
use super::json;
use super::place::{Fingerprints, Place};
use crate::diagnostic::Severity;
use serde_json::{Value, json};
use std::io::{self, Write};

pub(super) fn write(report: &Report<'_>, out: &mut dyn Write) -> io::Result<()> {
    let problems = report.problems.iter().map(|problem| {
        json!({
            "description": format!("not analysed: {}", problem.message),
            "check_name": "not-analysed",
            "fingerprint": format!("not-analysed:{}", problem.name),
            "severity": "blocker",
            "location": {"path": report.root.name(&problem.name), "lines": {"begin": 1}},
        })
    });
    let mut fingerprints = Fingerprints::new();
    let findings = report.findings.iter().map(|finding| {
        let place = Place::new(report.sources, finding.primary.span);
        json!({
            "description": finding.message,
            "check_name": finding.rule,
            "fingerprint": fingerprints.next(report.sources, finding),
            "severity": severity(finding.severity),
            "location": {"path": report.root.name(place.file), "lines": {"begin": place.start.line}},
        })
    });
    let entries: Vec<Value> = problems.chain(findings).collect();
    json::write_value(&Value::Array(entries), out)
}

fn severity(severity: Severity) -> &'static str {
    match severity {
        Severity::Error => "major",
        Severity::Warning => "minor",
        Severity::Info => "info",
    }
}
