//! One root cause, one finding: which findings say only what follows from another one.
//!
//! Refuses to know what a finding is about: rules name the rules that they mute, and texts
//! decide whether two findings are about the same thing.

use super::Rule;
use crate::diagnostic::Diagnostic;
use crate::source::{SourceId, Span};
use std::collections::HashMap;

/// Leaves out the findings whose root cause another finding names, in one of the texts that
/// it marks.
pub(super) fn without_consequences(
    findings: Vec<Diagnostic>,
    rules: &[&'static dyn Rule],
) -> Vec<Diagnostic> {
    let mutes: HashMap<&str, &[&str]> = rules
        .iter()
        .map(|rule| (rule.meta().name, rule.meta().mutes))
        .collect();
    let mut marked: HashMap<(SourceId, &str), Vec<Span>> = HashMap::new();
    for finding in &findings {
        let related = finding.related.iter().map(|label| label.span);
        let texts: Vec<Span> = related.chain([finding.primary.span]).collect();
        for muted in mutes.get(finding.rule).copied().unwrap_or_default() {
            for text in &texts {
                let marked = marked.entry((text.source, muted)).or_default();
                marked.push(*text);
            }
        }
    }
    let is_consequence = |finding: &Diagnostic| {
        let text = finding.primary.span;
        let marked = marked.get(&(text.source, finding.rule));
        marked.is_some_and(|marked| {
            let is_same = |mark: &Span| mark.contains(text) || text.contains(*mark);
            marked.iter().any(is_same)
        })
    };
    findings
        .into_iter()
        .filter(|finding| !is_consequence(finding))
        .collect()
}
