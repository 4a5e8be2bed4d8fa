//! One root cause, one finding: which findings say only what follows from another one.
//!
//! Refuses to know what a finding is about: rules name the rules that they mute, and texts
//! and paths decide whether two findings are about the same thing.

use super::{Category, Rule, RuleMeta};
use crate::diagnostic::Diagnostic;
use crate::source::{SourceId, Span};
use std::collections::HashMap;

/// Parts the findings into those that stand for themselves, and those whose root cause
/// another finding names: it marks their text, or is about the same part of the same
/// object. What is said of an object as a whole follows from any text of it that does not
/// say what its author sees in it.
pub(super) fn part_consequences(
    findings: Vec<Diagnostic>,
    rules: &[&'static dyn Rule],
) -> (Vec<Diagnostic>, Vec<Diagnostic>) {
    let metas: HashMap<&str, &RuleMeta> = rules
        .iter()
        .map(|rule| (rule.meta().name, rule.meta()))
        .collect();
    let mut causes: HashMap<(SourceId, &str), Vec<Cause<'_>>> = HashMap::new();
    for finding in &findings {
        let Some(meta) = metas.get(finding.rule) else {
            continue;
        };
        for muted in meta.mutes {
            let cause = Cause::new(finding, meta.category);
            let source = finding.primary.span.source;
            causes.entry((source, muted)).or_default().push(cause);
            for label in &finding.related {
                let source = label.span.source;
                causes.entry((source, muted)).or_default().push(Cause {
                    texts: vec![label.span],
                    ..Cause::new(finding, meta.category)
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
    category: Category,
}

impl<'f> Cause<'f> {
    fn new(finding: &'f Diagnostic, category: Category) -> Self {
        Self {
            texts: vec![finding.primary.span],
            object: &finding.object,
            path: &finding.path,
            category,
        }
    }

    fn explains(&self, finding: &Diagnostic) -> bool {
        let text = finding.primary.span;
        let marks = |mark: &Span| mark.contains(text) || text.contains(*mark);
        self.texts.iter().any(marks)
            || self.is_about_a_part_of(finding)
            || self.spoils_the_whole_of(finding)
    }

    /// Whether the finding is about a part of what this one is about: its path goes on where
    /// this one ends.
    fn is_about_a_part_of(&self, finding: &Diagnostic) -> bool {
        let rest = finding.path.strip_prefix(self.path);
        !self.path.is_empty()
            && self.object == finding.object
            && rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '[']))
    }

    /// Whether the text of the object, which the finding is about as a whole, does not say
    /// what its author sees in it.
    fn spoils_the_whole_of(&self, finding: &Diagnostic) -> bool {
        self.category == Category::Text && finding.path.is_empty() && self.object == finding.object
    }
}
