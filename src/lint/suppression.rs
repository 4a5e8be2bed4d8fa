//! `# npcheck: allow RULE -- reason`: findings that somebody has looked at and keeps.
//!
//! A comment counts for the line that it stands on, and alone on its line for the next
//! line that is not a comment; above everything else in a document it counts for the
//! whole object.

use super::{Input, Report};
use crate::diagnostic::Diagnostic;
use crate::source::{Source, Span};
use std::collections::HashMap;

/// A finding that a suppression allows.
#[derive(Debug)]
pub struct Suppressed {
    /// The finding.
    pub finding: Diagnostic,
    /// Why it is allowed, as its author wrote it.
    pub reason: String,
    /// The suppression's text.
    pub by: Span,
}

/// A suppression as written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Suppression {
    /// Its text.
    pub span: Span,
    /// The rule that it allows.
    pub rule: String,
    /// Why; empty where no reason is written.
    pub reason: String,
    /// The lines of its source that it counts for, first and last, from 1.
    pub lines: (u32, u32),
}

/// Reads the suppression in a comment of `source`, if it holds one. `document` is the
/// document that the comment stands in.
fn read(source: &Source, comment: Span, document: Span) -> Option<Suppression> {
    let text = source.text().get(comment.range())?;
    let directive = text
        .trim_start_matches('#')
        .trim_start()
        .strip_prefix("npcheck:")?;
    let directive = directive.trim_start().strip_prefix("allow ")?;
    let (rule, reason) = directive.split_once("--").unwrap_or((directive, ""));
    Some(Suppression {
        span: comment,
        rule: rule.trim().to_owned(),
        reason: reason.trim().to_owned(),
        lines: lines(source, comment, document),
    })
}

fn lines(source: &Source, comment: Span, document: Span) -> (u32, u32) {
    let line = source.position(comment.start).line;
    let text_of = |line: u32| source.text()[source.line_range(line)].trim_start();
    if !text_of(line).starts_with('#') {
        return (line, line);
    }
    let last = source.position(document.end).line;
    let is_bare = |line: &u32| text_of(*line).is_empty() || text_of(*line).starts_with('#');
    let first = source.position(document.start).line;
    if (first..line).all(|line| is_bare(&line) || text_of(line).starts_with("---")) {
        return (line, last);
    }
    let next = (line + 1..=last)
        .find(|line| !is_bare(line))
        .unwrap_or(last);
    (line, next)
}

/// Parts the findings into those that stand and those that are allowed.
pub(super) fn apply(input: &Input<'_>, findings: Vec<Diagnostic>) -> Report {
    let mut by_source: HashMap<_, Vec<Suppression>> = HashMap::new();
    for document in input.documents {
        let source = input.sources.get(document.span.source);
        let found = document
            .comments
            .iter()
            .filter_map(|comment| read(source, *comment, document.span));
        by_source
            .entry(document.span.source)
            .or_default()
            .extend(found);
    }
    let mut report = Report::default();
    for finding in findings {
        let span = finding.primary.span;
        let line = input.sources.position(span).line;
        let suppression = by_source.get(&span.source).and_then(|suppressions| {
            suppressions.iter().find(|suppression| {
                let (first, last) = suppression.lines;
                suppression.rule == finding.rule
                    && !suppression.reason.is_empty()
                    && (first..=last).contains(&line)
            })
        });
        match suppression {
            Some(suppression) => report.suppressed.push(Suppressed {
                finding,
                reason: suppression.reason.clone(),
                by: suppression.span,
            }),
            None => report.findings.push(finding),
        }
    }
    report
}
