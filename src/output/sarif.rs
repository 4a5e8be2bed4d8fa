//! SARIF 2.1.0, with all that code scanning reads: rules with their pages, regions,
//! fingerprints, fixes, suppressions with their reasons.
//!
//! Refuses to name a file by an absolute address, unless it was asked for by one.

use super::github::message;
use super::json::write_value;
use super::place::{Fingerprints, Place, uri};
use super::{Analysed, NOTHING, RULE_PAGES, Report, not_judged_lines, rule_page};
use crate::diagnostic::{Diagnostic, Fix, Severity};
use crate::lint::{Allowance, RuleMeta, RuleTier};
use crate::source::Span;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::io::{self, Write};

pub(super) fn write(report: &Report<'_>, out: &mut dyn Write) -> io::Result<()> {
    let rules: Vec<Value> = report.rules.iter().map(|rule| self::rule(rule)).collect();
    let mut fingerprints = Fingerprints::new();
    let mut results = Vec::new();
    for finding in report.findings {
        results.push(result(report, finding, &mut fingerprints, Vec::new()));
    }
    for suppressed in report.suppressed {
        let suppression = match suppressed.by {
            Allowance::Text(span) => json!({
                "kind": "inSource",
                "justification": suppressed.reason,
                "location": {"physicalLocation": physical(report, span)},
            }),
            Allowance::Entry(_) => json!({"kind": "external", "justification": suppressed.reason}),
        };
        let finding = &suppressed.finding;
        results.push(result(
            report,
            finding,
            &mut fingerprints,
            vec![suppression],
        ));
    }
    let log = json!({
        "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
        "version": "2.1.0",
        "runs": [{
            "tool": {"driver": {
                "name": "npcheck",
                "semanticVersion": env!("CARGO_PKG_VERSION"),
                "informationUri": env!("CARGO_PKG_REPOSITORY"),
                "rules": rules,
            }},
            "columnKind": "unicodeCodePoints",
            "invocations": [{
                "executionSuccessful": report.problems.is_empty() && report.analysed != Analysed::Nothing,
                "toolExecutionNotifications": notifications(report),
            }],
            "results": results,
        }],
    });
    write_value(&log, out)
}

fn rule(rule: &RuleMeta) -> Value {
    let page = rule_page(rule);
    json!({
        "id": rule.name,
        "shortDescription": {"text": rule.summary},
        "fullDescription": {"text": rule.summary},
        "help": {"text": page, "markdown": page},
        "helpUri": format!("{RULE_PAGES}{}.md", rule.name),
        "defaultConfiguration": {
            "enabled": rule.is_on_by_default && rule.tier == RuleTier::Stable,
            "level": level(rule.severity),
        },
        "properties": {
            "tags": ["security", "kubernetes", rule.category.title()],
            "precision": "high",
            "problem.severity": problem_severity(rule.severity),
            "security-severity": security_severity(rule.severity),
        },
    })
}

fn result(
    report: &Report<'_>,
    finding: &Diagnostic,
    fingerprints: &mut Fingerprints,
    suppressions: Vec<Value>,
) -> Value {
    let sources = report.sources;
    let index = report
        .rules
        .iter()
        .position(|rule| rule.name == finding.rule);
    let mut location = json!({"physicalLocation": physical(report, finding.primary.span)});
    if !finding.object.is_empty() {
        location["logicalLocations"] =
            json!([{"fullyQualifiedName": finding.object, "kind": "resource"}]);
    }
    let related = finding.related.iter().enumerate().map(|(index, label)| {
        json!({
            "id": index + 1,
            "physicalLocation": physical(report, label.span),
            "message": {"text": plain(&label.message)},
        })
    });
    let mut result = json!({
        "ruleId": finding.rule,
        "level": level(finding.severity),
        "message": {"text": plain(&message(finding))},
        "locations": [location],
        "relatedLocations": related.collect::<Vec<Value>>(),
        "partialFingerprints": {"npcheck/v1": fingerprints.next(sources, finding)},
        "suppressions": suppressions,
        "properties": {"path": finding.path},
    });
    if let Some(index) = index {
        result["ruleIndex"] = json!(index);
    }
    if let Some(fix) = &finding.fix {
        result["fixes"] = json!([self::fix(report, fix)]);
    }
    result
}

fn fix(report: &Report<'_>, fix: &Fix) -> Value {
    let sources = report.sources;
    let mut changes: BTreeMap<&str, Vec<Value>> = BTreeMap::new();
    for edit in &fix.edits {
        let source = sources.get(edit.span.source);
        let (start, end) = (
            source.position(edit.span.start),
            source.position(edit.span.end),
        );
        let replacement = json!({
            "deletedRegion": {
                "startLine": start.line, "startColumn": start.column,
                "endLine": end.line, "endColumn": end.column,
            },
            "insertedContent": {"text": edit.replacement},
        });
        changes.entry(source.name()).or_default().push(replacement);
    }
    let change = |(name, replacements): (&str, Vec<Value>)| json!({"artifactLocation": artifact(report, name), "replacements": replacements});
    let changes: Vec<Value> = changes.into_iter().map(change).collect();
    json!({"description": {"text": plain(&fix.title)}, "artifactChanges": changes})
}

fn notifications(report: &Report<'_>) -> Vec<Value> {
    let notification = |problem: &super::Problem| {
        json!({
            "level": "error",
            "message": {"text": plain(&problem.message)},
            "locations": [{"physicalLocation": {"artifactLocation": artifact(report, &problem.name)}}],
        })
    };
    let told = |level: &str, text: &str| json!({"level": level, "message": {"text": plain(text)}});
    let not_judged = not_judged_lines(report.not_judged, report.sources);
    let not_judged = not_judged.iter().map(|line| told("warning", line));
    let nothing = (report.analysed == Analysed::Nothing).then(|| told("error", NOTHING));
    let problems = report.problems.iter().map(notification);
    problems.chain(not_judged).chain(nothing).collect()
}

fn physical(report: &Report<'_>, span: Span) -> Value {
    let place = Place::new(report.sources, span);
    json!({
        "artifactLocation": artifact(report, place.file),
        "region": {
            "startLine": place.start.line, "startColumn": place.start.column,
            "endLine": place.end.line, "endColumn": place.end.column,
        },
    })
}

fn artifact(report: &Report<'_>, name: &str) -> Value {
    let uri = uri(&report.root.name(name));
    if uri.starts_with("file:") {
        json!({"uri": uri})
    } else {
        json!({"uri": uri, "uriBaseId": "%SRCROOT%"})
    }
}

/// A message without links: in SARIF, `[text](target)` is one (3.11.6).
fn plain(text: &str) -> String {
    if text.contains("](") {
        text.replace('[', "\\[").replace(']', "\\]")
    } else {
        text.to_owned()
    }
}

fn level(severity: Severity) -> &'static str {
    match severity {
        Severity::Error => "error",
        Severity::Warning => "warning",
        Severity::Info => "note",
    }
}

fn problem_severity(severity: Severity) -> &'static str {
    match severity {
        Severity::Error => "error",
        Severity::Warning => "warning",
        Severity::Info => "recommendation",
    }
}

/// The score by which code scanning sorts: high, medium and low.
fn security_severity(severity: Severity) -> &'static str {
    match severity {
        Severity::Error => "7.5",
        Severity::Warning => "5.0",
        Severity::Info => "2.0",
    }
}
