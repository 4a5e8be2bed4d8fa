//! One root cause, one finding: which findings say only what follows from another one.
//!
//! Refuses to know what a finding is about: rules name the rules that they mute, and texts
//! and paths decide whether two findings are about the same thing.

use super::Rule;
use crate::diagnostic::Diagnostic;
use crate::source::{SourceId, Span};
use std::collections::HashMap;

/// Parts the findings into those that stand for themselves, and those whose root cause
/// another finding names: it marks their text, or is about the same part of the same
/// object.
pub(super) fn part_consequences(
    findings: Vec<Diagnostic>,
    rules: &[&'static dyn Rule],
) -> (Vec<Diagnostic>, Vec<Diagnostic>) {
    let mutes: HashMap<&str, &[&str]> = rules
        .iter()
        .map(|rule| (rule.meta().name, rule.meta().mutes))
        .collect();
    let mut causes: HashMap<(SourceId, &str), Vec<Cause<'_>>> = HashMap::new();
    for finding in &findings {
        for muted in mutes.get(finding.rule).copied().unwrap_or_default() {
            let cause = Cause::new(finding);
            let source = finding.primary.span.source;
            causes.entry((source, muted)).or_default().push(cause);
            for label in &finding.related {
                let source = label.span.source;
                causes.entry((source, muted)).or_default().push(Cause {
                    texts: vec![label.span],
                    ..Cause::new(finding)
                });
            }
        }
    }
    let is_consequence = |finding: &Diagnostic| {
        let causes = causes.get(&(finding.primary.span.source, finding.rule));
        causes.is_some_and(|causes| causes.iter().any(|cause| cause.explains(finding)))
    };
    let verdicts: Vec<bool> = findings.iter().map(is_consequence).collect();
    let mut verdicts = verdicts.into_iter();
    findings
        .into_iter()
        .partition(|_| !verdicts.next().expect("there is one for each finding"))
}

/// What a finding says of the place that it is about.
struct Cause<'f> {
    texts: Vec<Span>,
    object: &'f str,
    path: &'f str,
}

impl<'f> Cause<'f> {
    fn new(finding: &'f Diagnostic) -> Self {
        Self {
            texts: vec![finding.primary.span],
            object: &finding.object,
            path: &finding.path,
        }
    }

    fn explains(&self, finding: &Diagnostic) -> bool {
        let text = finding.primary.span;
        let marks = |mark: &Span| mark.contains(text) || text.contains(*mark);
        self.texts.iter().any(marks) || self.is_about_a_part_of(finding)
    }

    /// Whether the finding is about a part of what this one is about: its path goes on where
    /// this one ends.
    fn is_about_a_part_of(&self, finding: &Diagnostic) -> bool {
        let rest = finding.path.strip_prefix(self.path);
        !self.path.is_empty()
            && self.object == finding.object
            && rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '[']))
    }
}
