//! One root cause, one finding: which findings say only what follows from another one.
//!
//! Refuses to know what a finding is about: rules name the rules that they mute, and texts
//! and paths decide whether two findings are about the same thing.

use super::{Category, Rule, RuleMeta};
use crate::diagnostic::{Diagnostic, Severity};
use crate::source::{SourceId, SourceMap, Span};
use std::collections::{HashMap, HashSet};

/// Parts the findings into those that stand for themselves, and those whose root cause
/// another finding names: it marks their text, or is about the same part of the same
/// object. What is said of an object as a whole follows from any text of it that does not
/// say what its author sees in it.
pub(super) fn part_consequences(
    sources: &SourceMap,
    findings: Vec<Diagnostic>,
    rules: &[&'static dyn Rule],
) -> (Vec<Diagnostic>, Vec<Diagnostic>) {
    let metas: HashMap<&str, &RuleMeta> = rules
        .iter()
        .map(|rule| (rule.meta().name, rule.meta()))
        .collect();
    // Infos are folded away: what is hidden explains nothing that would be shown.
    let is_shown = |finding: &Diagnostic| finding.severity > Severity::Info;
    // Most findings that name a rule stand in texts that this rule says nothing of.
    let muted: HashSet<&str> = metas
        .values()
        .flat_map(|meta| meta.mutes)
        .copied()
        .collect();
    let mut causes: HashMap<(SourceId, &str, bool, bool), Causes<'_>> = HashMap::new();
    let key_of = |finding: &Diagnostic| {
        let source = finding.primary.span.source;
        let is_of_ends = finding.between.is_some();
        (source, finding.rule, is_shown(finding), is_of_ends)
    };
    for finding in findings.iter().filter(|it| muted.contains(it.rule)) {
        let key = key_of(finding);
        causes.entry(key).or_default();
    }
    for finding in &findings {
        let Some(meta) = metas.get(finding.rule) else {
            continue;
        };
        let is_of_flows = |muted: &str| {
            let muted = metas.get(muted).map(|meta| meta.category);
            (meta.category, muted) == (Category::Flows, Some(Category::Flows))
        };
        for muted in meta.mutes {
            let related = finding.related.iter().map(|label| label.span);
            for mark in std::iter::once(finding.primary.span).chain(related) {
                for (explains_shown, is_of_ends) in KINDS {
                    // Two of one workload may be about two connections: the ends tell.
                    let do_ends_tell =
                        is_of_flows(muted) && (is_of_ends || finding.between.is_some());
                    let key = (mark.source, *muted, explains_shown, is_of_ends);
                    if is_shown(finding) >= explains_shown
                        && !do_ends_tell
                        && let Some(causes) = causes.get_mut(&key)
                    {
                        causes.add(finding, mark, meta.category);
                    }
                }
            }
        }
    }
    causes.values_mut().for_each(Causes::arrange);
    let is_consequence = |finding: &Diagnostic| {
        let causes = causes.get(&key_of(finding));
        causes.is_some_and(|causes| causes.explain(finding))
    };
    let verdicts: Vec<bool> = findings.iter().map(is_consequence).collect();
    let (findings, mut consequences) = part(findings, &verdicts);
    let verdicts = Blamed::new(&findings, &metas).explain_all(sources, &findings, &metas);
    let (findings, others) = part(findings, &verdicts);
    consequences.extend(others);
    (findings, consequences)
}

/// Whether a finding is shown, and whether it is about connections between ends that it names.
const KINDS: [(bool, bool); 4] = [(false, false), (false, true), (true, false), (true, true)];

/// Those of which the verdict is no, and those of which it is yes.
fn part(findings: Vec<Diagnostic>, verdicts: &[bool]) -> (Vec<Diagnostic>, Vec<Diagnostic>) {
    let mut verdicts = verdicts.iter();
    findings
        .into_iter()
        .partition(|_| !verdicts.next().expect("there is one for each finding"))
}

/// The findings about mistakes in policies, by the policy. What says that somebody cannot be
/// reached marks the names of the policies that keep the ends apart: it is a consequence of a
/// mistake in one of them that speaks of one of the ends.
struct Blamed<'f> {
    /// By the text and the name of the policy.
    by_policy: HashMap<(SourceId, &'f str), Vec<&'f Diagnostic>>,
    /// By the policies' names that they mark themselves: those that block the other side.
    by_mark: HashMap<Span, Vec<&'f Diagnostic>>,
    /// About the subject of a policy, which selects nobody.
    of_subjects: Vec<&'f Diagnostic>,
}

impl<'f> Blamed<'f> {
    fn new(findings: &'f [Diagnostic], metas: &HashMap<&str, &RuleMeta>) -> Self {
        let mut blamed = Self {
            by_policy: HashMap::new(),
            by_mark: HashMap::new(),
            of_subjects: Vec::new(),
        };
        let mutes = |finding: &&Diagnostic| {
            let meta = metas.get(finding.rule);
            meta.is_some_and(|meta| !meta.mutes.is_empty())
        };
        for finding in findings.iter().filter(mutes) {
            let name = finding.object.rsplit('/').next().unwrap_or_default();
            let key = (finding.primary.span.source, name);
            blamed.by_policy.entry(key).or_default().push(finding);
            for label in &finding.related {
                blamed.by_mark.entry(label.span).or_default().push(finding);
            }
            if finding.path == "spec.podSelector" {
                blamed.of_subjects.push(finding);
            }
        }
        blamed
    }

    fn explain_all(
        &self,
        sources: &SourceMap,
        findings: &[Diagnostic],
        metas: &HashMap<&str, &RuleMeta>,
    ) -> Vec<bool> {
        let is_effect = |finding: &Diagnostic| {
            let meta = metas.get(finding.rule);
            meta.is_some_and(|meta| meta.category == Category::Flows)
        };
        let explained = |finding: &Diagnostic| {
            is_effect(finding) && {
                let causes = finding.related.iter().flat_map(|label| {
                    let name = sources.text(label.span).trim_matches(['"', '\'']);
                    let of_policy = self.by_policy.get(&(label.span.source, name));
                    of_policy.into_iter().chain(self.by_mark.get(&label.span))
                });
                let mut causes = causes.flatten().chain(&self.of_subjects);
                causes.any(|cause| {
                    metas[cause.rule].mutes.contains(&finding.rule) && speaks_of_end(cause, finding)
                })
            }
        };
        findings.iter().map(explained).collect()
    }
}

/// Whether a mistake is about one of the ends that a finding names: the workload, or the
/// namespace that it is in. What is itself about connections is about those alone.
fn speaks_of_end(cause: &Diagnostic, finding: &Diagnostic) -> bool {
    if let (Some(of_cause), Some(of_finding)) = (&cause.between, &finding.between) {
        return of_finding.are_among(of_cause);
    }
    let says = |words: &str| {
        let labels = cause.related.iter().map(|label| label.message.as_str());
        let mut texts = labels.chain([cause.message.as_str()]);
        texts.any(|text| text.contains(words))
    };
    let home = cause.object.split('/').next();
    let mut ends = finding.message.split('`').skip(1).step_by(2);
    ends.any(|end| {
        let mut parts = end.split('/');
        let (Some(namespace), Some(kind), Some(name)) = (parts.next(), parts.next(), parts.next())
        else {
            return false;
        };
        says(&format!("`{end}`"))
            || says(&format!("{kind} `{name}`"))
            || home != Some(namespace) && says(&format!("namespace `{namespace}`"))
    })
}

/// What findings say that mute a rule in one text. A text may hold thousands of them.
#[derive(Default)]
struct Causes<'f> {
    /// The texts that they mark, sorted.
    marks: Vec<Span>,
    /// By mark: the farthest end of it and all before it.
    reach: Vec<u32>,
    /// The parts of objects that they are about.
    parts: HashSet<(&'f str, &'f str)>,
    /// The objects whose text does not say what its author sees in it.
    spoilt: HashSet<&'f str>,
}

impl<'f> Causes<'f> {
    fn add(&mut self, finding: &'f Diagnostic, mark: Span, category: Category) {
        self.marks.push(mark);
        if !finding.path.is_empty() {
            self.parts.insert((&finding.object, &finding.path));
        }
        if category == Category::Text {
            self.spoilt.insert(&finding.object);
        }
    }

    fn arrange(&mut self) {
        self.marks.sort_unstable();
        self.marks.dedup();
        let mut farthest = 0;
        self.reach = self
            .marks
            .iter()
            .map(|mark| {
                farthest = farthest.max(mark.end);
                farthest
            })
            .collect();
    }

    fn explain(&self, finding: &Diagnostic) -> bool {
        self.mark(finding.primary.span)
            || self.are_about_what_holds(finding)
            || finding.path.is_empty() && self.spoilt.contains(finding.object.as_str())
    }

    /// Whether one of the texts holds this one, or is held by it.
    fn mark(&self, text: Span) -> bool {
        let behind = self.marks.partition_point(|mark| mark.start <= text.start);
        let holds = behind > 0 && self.reach[behind - 1] >= text.end;
        let from = self.marks.partition_point(|mark| mark.start < text.start);
        let mut within = self.marks[from..].iter();
        holds
            || within
                .by_ref()
                .take_while(|mark| mark.start <= text.end)
                .any(|mark| mark.end <= text.end)
    }

    /// Whether the finding is about a part of what one of them is about: its path goes on
    /// where that one ends.
    fn are_about_what_holds(&self, finding: &Diagnostic) -> bool {
        let path = finding.path.as_str();
        let ends = path.match_indices(['.', '[']).map(|(at, _)| at);
        ends.chain([path.len()]).any(|end| {
            self.parts
                .contains(&(finding.object.as_str(), &path[..end]))
        })
    }
}
