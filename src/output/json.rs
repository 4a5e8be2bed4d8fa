//! Everything that is known of the findings, as JSON. The schema is published; a change that
//! breaks it gets a new `version`.
//!
//! Refuses to print a character that a terminal would obey.

use super::escape::is_harmless;
use super::not_judged;
use super::place::Fingerprints;
use super::{RULE_PAGES, Report};
use crate::diagnostic::{Diagnostic, Fix, Label};
use crate::lint::Allowance;
use crate::source::{Position, SourceMap, Span};
use serde::Serialize;
use serde_json::ser::{CharEscape, Formatter, PrettyFormatter};
use serde_json::{Value, json};
use std::io::{self, Write};

/// The version of the format.
const VERSION: u32 = 1;

pub(super) fn write(report: &Report<'_>, out: &mut dyn Write) -> io::Result<()> {
    let mut fingerprints = Fingerprints::new();
    let mut finding = |one: &Diagnostic| {
        let fingerprint = fingerprints.next(report.sources, one);
        self::finding(report.sources, one, fingerprint)
    };
    let findings: Vec<Value> = report.findings.iter().map(&mut finding).collect();
    let suppressed = report.suppressed.iter().map(|suppressed| {
        json!({
            "finding": finding(&suppressed.finding),
            "reason": suppressed.reason,
            "by": match suppressed.by {
                Allowance::Text(span) => location(report.sources, span),
                Allowance::Entry(_) => Value::Null,
            },
        })
    });
    let suppressed: Vec<Value> = suppressed.collect();
    let problem =
        |problem: &super::Problem| json!({"name": problem.name, "message": problem.message});
    let problems: Vec<Value> = report.problems.iter().map(problem).collect();
    let assumptions: Vec<Value> = report
        .assumptions
        .iter()
        .map(|one| json!({"kind": one.kind, "message": one.message}))
        .collect();
    let summary = report.summary;
    let found = report.found;
    let document = json!({
        "version": VERSION,
        "tool": {"name": "npcheck", "version": env!("CARGO_PKG_VERSION")},
        "findings": findings,
        "suppressed": suppressed,
        "problems": problems,
        "assumptions": assumptions,
        "notJudged": not_judged::value(report.not_judged, report.sources),
        "analysed": report.analysed.name(),
        "summary": {
            "errors": found.errors,
            "warnings": found.warnings,
            "infos": found.infos,
            "fixable": found.fixable,
            "suppressed": found.suppressed,
            "baselined": found.baselined,
            "known": found.known,
            "since": summary.since,
            "files": summary.files,
            "objects": summary.objects,
            "policies": summary.policies,
            "clusterPolicies": summary.cluster_policies,
            "pluginPolicies": summary.plugin_policies,
            "workloads": summary.workloads,
            "namespaces": summary.namespaces,
            "skipped": {
                "templates": summary.templates,
                "encrypted": summary.encrypted,
                "substitutions": summary.substitutions,
                "patches": summary.patches,
                "broken": summary.broken,
                "unreadable": summary.unreadable,
                "leftAlone": summary.left_alone,
                "elsewhere": summary.elsewhere,
            },
        },
    });
    write_value(&document, out)
}

fn finding(sources: &SourceMap, finding: &Diagnostic, fingerprint: String) -> Value {
    let related: Vec<Value> = finding
        .related
        .iter()
        .map(|one| label(sources, one))
        .collect();
    json!({
        "rule": finding.rule,
        "page": format!("{RULE_PAGES}{}.md", finding.rule),
        "severity": finding.severity.name(),
        "message": finding.message,
        "object": finding.object,
        "path": finding.path,
        "primary": label(sources, &finding.primary),
        "related": related,
        "notes": finding.notes,
        "help": finding.help,
        "fix": finding.fix.as_ref().map(|one| fix(sources, one)),
        "fingerprint": fingerprint,
    })
}

fn label(sources: &SourceMap, label: &Label) -> Value {
    json!({"location": location(sources, label.span), "message": label.message})
}

fn fix(sources: &SourceMap, fix: &Fix) -> Value {
    let edit = |edit: &crate::source::Edit| json!({"location": location(sources, edit.span), "replacement": edit.replacement});
    let edits: Vec<Value> = fix.edits.iter().map(edit).collect();
    json!({"title": fix.title, "class": fix.class.name(), "edits": edits})
}

fn location(sources: &SourceMap, span: Span) -> Value {
    let source = sources.get(span.source);
    let place = |offset: u32| {
        let Position { line, column } = source.position(offset);
        json!({"line": line, "column": column, "offset": offset})
    };
    json!({"file": source.name(), "start": place(span.start), "end": place(span.end)})
}

/// Writes a JSON value over several lines, and a line break.
pub(super) fn write_value(value: &impl Serialize, out: &mut dyn Write) -> io::Result<()> {
    let formatter = Disarmed(PrettyFormatter::new());
    let mut serializer = serde_json::Serializer::with_formatter(&mut *out, formatter);
    value.serialize(&mut serializer).map_err(io::Error::from)?;
    writeln!(out)
}

/// JSON over several lines, in which control characters and their like are escaped.
struct Disarmed(PrettyFormatter<'static>);

impl Formatter for Disarmed {
    fn write_string_fragment<W: ?Sized + Write>(
        &mut self,
        out: &mut W,
        text: &str,
    ) -> io::Result<()> {
        let mut rest = text;
        while let Some(at) = rest.find(|character| !is_harmless(character)) {
            let (harmless, harmful) = rest.split_at(at);
            out.write_all(harmless.as_bytes())?;
            let character = harmful.chars().next().expect("a character was found");
            for unit in character.encode_utf16(&mut [0; 2]) {
                write!(out, "\\u{unit:04x}")?;
            }
            rest = &harmful[character.len_utf8()..];
        }
        out.write_all(rest.as_bytes())
    }

    fn write_char_escape<W: ?Sized + Write>(
        &mut self,
        out: &mut W,
        escape: CharEscape,
    ) -> io::Result<()> {
        self.0.write_char_escape(out, escape)
    }

    fn begin_array<W: ?Sized + Write>(&mut self, out: &mut W) -> io::Result<()> {
        self.0.begin_array(out)
    }

    fn end_array<W: ?Sized + Write>(&mut self, out: &mut W) -> io::Result<()> {
        self.0.end_array(out)
    }

    fn begin_array_value<W: ?Sized + Write>(
        &mut self,
        out: &mut W,
        is_first: bool,
    ) -> io::Result<()> {
        self.0.begin_array_value(out, is_first)
    }

    fn end_array_value<W: ?Sized + Write>(&mut self, out: &mut W) -> io::Result<()> {
        self.0.end_array_value(out)
    }

    fn begin_object<W: ?Sized + Write>(&mut self, out: &mut W) -> io::Result<()> {
        self.0.begin_object(out)
    }

    fn end_object<W: ?Sized + Write>(&mut self, out: &mut W) -> io::Result<()> {
        self.0.end_object(out)
    }

    fn begin_object_key<W: ?Sized + Write>(
        &mut self,
        out: &mut W,
        is_first: bool,
    ) -> io::Result<()> {
        self.0.begin_object_key(out, is_first)
    }

    fn begin_object_value<W: ?Sized + Write>(&mut self, out: &mut W) -> io::Result<()> {
        self.0.begin_object_value(out)
    }

    fn end_object_value<W: ?Sized + Write>(&mut self, out: &mut W) -> io::Result<()> {
        self.0.end_object_value(out)
    }
}
