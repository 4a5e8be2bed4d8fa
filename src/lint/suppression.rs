//! Findings that somebody has looked at and keeps, with the reason: by a comment
//! `# npcheck: ignore RULE -- reason`, by the annotation `npcheck.io/ignore` where comments
//! do not survive, or by an entry of the configuration.
//!
//! A comment counts for the line that it stands on, and alone on its line for the next
//! line that is not a comment; above everything else in a document it counts for the whole
//! object. An annotation counts for its object.
//!
//! Refuses to know what a wrong suppression is called and how grave it is: it only says
//! how each of them stands.

mod directive;
mod track;

use super::comments::Comments;
use super::facts::Facts;
use super::{Context, Date, Input, Rule};
use crate::cluster::Cluster;
use crate::diagnostic::Diagnostic;
use crate::k8s::{Document, Documents, ObjectMeta, Outcome};
use crate::source::{Source, SourceId, SourceMap, Span, Spanned};
use directive::Directive;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;
use track::{Entry, Track};

/// The annotation that suppresses findings about its object: `RULE: reason`, one a line or
/// with `;` between them.
pub const ANNOTATION: &str = "npcheck.io/ignore";

/// A finding that a suppression covers.
#[derive(Clone, Debug)]
pub struct Suppressed {
    /// The finding.
    pub finding: Diagnostic,
    /// Why it is allowed, as its author wrote it.
    pub reason: String,
    /// What suppresses it.
    pub by: Allowance,
}

/// What suppresses a finding.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Allowance {
    /// A comment or an annotation, by its text.
    Text(Span),
    /// An entry of the configuration, by its place in [`Input::ignore`], from 0.
    Entry(usize),
}

/// A suppression in a manifest.
#[derive(Clone, Debug)]
pub struct Suppression {
    /// Its text: of a comment the part that is npcheck's, of an annotation the value.
    pub span: Span,
    /// Where it is written.
    pub form: Form,
    /// The rules that it names, in the order of the text.
    pub rules: Vec<NamedRule>,
    /// Why; empty where no reason is written.
    pub reason: String,
    /// The last day that it counts: the day, or what is written in its place.
    pub until: Option<Result<Date, String>>,
    /// Whether it is in force.
    pub force: Force,
    reach: Reach,
}

/// How a suppression is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// As a comment.
    Comment,
    /// As an annotation.
    Annotation,
}

/// Whether a suppression is in force, and if not, the first reason.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Force {
    /// It is.
    Full,
    /// It does not say `npcheck: ignore`.
    Malformed,
    /// It names no rule.
    WithoutRule,
    /// It says no reason.
    WithoutReason,
    /// Its last day is no day of the calendar.
    WithoutDay,
    /// Its last day is over.
    Expired(Date),
}

/// A rule that a suppression names.
#[derive(Clone, Debug)]
pub struct NamedRule {
    /// The name, as written.
    pub name: Spanned<String>,
    /// What the name stands for in this run.
    pub standing: Standing,
}

/// What became of a rule that a suppression names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// There is no such rule.
    Unknown,
    /// The rule does not run, or cannot be judged here; nobody knows what it would find.
    NotAsked,
    /// The rule runs and finds nothing that the suppression would suppress.
    Idle,
    /// The rule finds something that the suppression covers, or would if it were in force.
    Needed,
}

/// The places of findings that a suppression counts for.
#[derive(Clone, Copy, Debug)]
enum Reach {
    /// Those that start on these lines of the text, first and last, from 1.
    Lines(u32, u32),
    /// Those that start on this line or below it, up to the last line of the document.
    Document(u32, u32),
    /// Those that lie in this text.
    Text(Span),
}

/// Whether anything is written that suppresses findings, or that looks as if it was to: what it is
/// good for depends on every rule.
#[must_use]
pub fn has_suppressions(sources: &SourceMap, documents: &Documents, cluster: &Cluster) -> bool {
    let mut comments = documents.iter().flat_map(|document| &*document.comments);
    let is_directive = |comment: &Span| {
        let text = sources.get(comment.source).text();
        let text = text.get(comment.range());
        text.is_some_and(|text| directive::in_comment(text).is_some())
    };
    let is_annotated = |meta: &ObjectMeta| meta.annotations.label(ANNOTATION).is_some();
    comments.any(is_directive) || metas(cluster).any(is_annotated)
}

/// All suppressions of a run, by the text that they stand in.
pub(super) struct Suppressions<'i, 'a> {
    input: &'i Input<'a>,
    by_source: BTreeMap<SourceId, Vec<Suppression>>,
    /// By text and rule: those that name the rule, the narrow ones and the wide ones.
    tracks: HashMap<(SourceId, &'static str), [Track; 2]>,
    used_entries: BTreeSet<usize>,
}

impl<'i, 'a> Suppressions<'i, 'a> {
    /// Reads the comments and annotations of the input. `rules` are those that run.
    pub(super) fn read(input: &'i Input<'a>, rules: &[&'static dyn Rule]) -> Self {
        let reader = Reader { input, rules };
        let mut layouts: HashMap<SourceId, Layout> = HashMap::new();
        let mut by_source: BTreeMap<_, Vec<_>> = BTreeMap::new();
        for document in input.documents {
            let source = input.sources.get(document.span.source);
            for comment in &*document.comments {
                let Some(directive) = reader.directive(source, *comment) else {
                    continue;
                };
                let layout = layouts
                    .entry(document.span.source)
                    .or_insert_with(|| Layout::new(source));
                let reach = layout.reach(source, *comment, document.span);
                let found = reader.comment(source, *comment, document, directive, reach);
                let of_source = by_source.entry(document.span.source).or_default();
                of_source.push(found);
            }
        }
        for meta in metas(input.cluster) {
            by_source
                .entry(meta.span.source)
                .or_default()
                .extend(reader.annotation(meta));
        }
        for suppressions in by_source.values_mut() {
            suppressions.sort_by_key(|suppression| suppression.span);
        }
        Self {
            input,
            tracks: tracks(input, &by_source),
            by_source,
            used_entries: BTreeSet::new(),
        }
    }

    /// Parts the findings into those that stand and those that are allowed, and remembers
    /// which suppressions were needed.
    pub(super) fn apply(
        &mut self,
        findings: Vec<Diagnostic>,
    ) -> (Vec<Diagnostic>, Vec<Suppressed>) {
        let mut standing = Vec::with_capacity(findings.len());
        let mut allowed = Vec::new();
        for finding in findings {
            match self.allowance(&finding) {
                Some((reason, by)) => allowed.push(Suppressed {
                    finding,
                    reason,
                    by,
                }),
                None => standing.push(finding),
            }
        }
        (standing, allowed)
    }

    /// Why a finding is allowed, if it is. Every suppression that counts for it is needed
    /// from now on, be it in force or not.
    pub(super) fn allowance(&mut self, finding: &Diagnostic) -> Option<(String, Allowance)> {
        let span = finding.primary.span;
        let source = self.input.sources.get(span.source);
        let line = source.line(span.start);
        let mut first: Option<usize> = None;
        if let Some(tracks) = self.tracks.get(&(span.source, finding.rule)) {
            let suppressions = self.by_source.get_mut(&span.source);
            let suppressions = suppressions.expect("a track is of a text with suppressions");
            for track in tracks {
                let covers = |number: usize| suppressions[number].reach.covers(span, line);
                let found = track.in_force(span.start, covers);
                first = first.into_iter().chain(found).min();
                track.mark(span.start, |number| {
                    let suppression = &mut suppressions[number];
                    if !suppression.reach.covers(span, line) {
                        return false;
                    }
                    let mut names = suppression.rules.iter_mut();
                    let named = names.find(|named| named.name.value == finding.rule);
                    if let Some(named) = named
                        && named.standing == Standing::Idle
                    {
                        named.standing = Standing::Needed;
                    }
                    true
                });
            }
        }
        let mut allowance = first.map(|number| {
            let suppression = &self.by_source[&span.source][number];
            (
                suppression.reason.clone(),
                Allowance::Text(suppression.span),
            )
        });
        let path = (self.input.path_of)(source.name());
        for (index, entry) in self.input.ignore.iter().enumerate() {
            if !entry.covers(finding, &path) {
                continue;
            }
            self.used_entries.insert(index);
            if allowance.is_none() && entry.until.is_none_or(|until| self.input.today <= until) {
                allowance = Some((entry.reason.clone(), Allowance::Entry(index)));
            }
        }
        allowance
    }

    /// What the rules have to say about the suppressions themselves.
    pub(super) fn check(
        &self,
        comments: &Arc<Comments<'a>>,
        rules: &[&'static dyn Rule],
    ) -> Vec<Diagnostic> {
        let facts = Arc::new(Facts::default());
        let mut findings = Vec::new();
        for rule in rules {
            let mut cx = Context::new(
                self.input,
                comments.clone(),
                Arc::clone(&facts),
                rule.meta(),
            );
            for suppression in self.by_source.values().flatten() {
                rule.check_suppression(&mut cx, suppression);
            }
            findings.extend(cx.into_parts().0);
        }
        findings
    }

    /// The entries of the configuration that cover a finding, in force or not.
    pub(super) fn into_used_entries(self) -> BTreeSet<usize> {
        self.used_entries
    }
}

/// The metadata of every object of a cluster, and of those that it left out as duplicates.
fn metas(cluster: &Cluster) -> impl Iterator<Item = &ObjectMeta> {
    let namespaces = cluster.namespaces().iter();
    let declared = namespaces.filter_map(|namespace| namespace.declared.as_ref());
    declared
        .map(|namespace| &namespace.meta)
        .chain(cluster.workloads().iter().map(|w| &w.object.meta))
        .chain(cluster.policies().iter().map(|p| &p.object.meta))
        .chain(cluster.services().iter().map(|s| &s.object.meta))
        .chain(cluster.cluster_policies().iter().map(|p| &p.meta))
        .chain(cluster.duplicates().iter().map(|d| d.left_out.meta()))
}

/// Reads suppressions.
struct Reader<'i, 'a> {
    input: &'i Input<'a>,
    rules: &'i [&'static dyn Rule],
}

impl Reader<'_, '_> {
    fn directive(&self, source: &Source, comment: Span) -> Option<Directive> {
        directive::in_comment(source.text().get(comment.range())?)
    }

    fn comment(
        &self,
        source: &Source,
        comment: Span,
        document: &Document,
        directive: Directive,
        reach: Reach,
    ) -> Suppression {
        let text = &source.text()[comment.range()];
        let place = |range: std::ops::Range<usize>| {
            let start = comment.start + range.start as u32;
            Span::new(comment.source, start, start + range.len() as u32)
        };
        // What a rule would find in a text that nobody can read is not known.
        let is_judged = matches!(
            document.outcome,
            Outcome::Object | Outcome::PluginPolicy | Outcome::PluginResource | Outcome::OtherKind
        );
        let names = |range: &std::ops::Range<usize>| {
            let name = Spanned::new(text[range.clone()].to_owned(), place(range.clone()));
            let standing = match self.standing(&name) {
                Standing::Idle if !is_judged => Standing::NotAsked,
                standing => standing,
            };
            NamedRule { name, standing }
        };
        let rules = directive.rules.iter().map(names).collect();
        let span = place(directive.range.clone());
        self.suppression(text, directive, (span, Form::Comment), rules, reach)
    }

    fn annotation(&self, meta: &ObjectMeta) -> Vec<Suppression> {
        let Some(annotation) = meta.annotations.label(ANNOTATION) else {
            return Vec::new();
        };
        let (value, span) = (&annotation.value.value, annotation.value.span);
        let written = self.input.sources.text(span);
        let suppression = |directive: Directive| {
            let names = |range: &std::ops::Range<usize>| {
                let name = &value[range.clone()];
                // The value may be quoted, folded or escaped: the name is looked for.
                let place = written.find(name).map_or(span, |at| {
                    let start = span.start + at as u32;
                    Span::new(span.source, start, start + name.len() as u32)
                });
                let name = Spanned::new(name.to_owned(), place);
                let standing = self.standing(&name);
                NamedRule { name, standing }
            };
            let rules = directive.rules.iter().map(names).collect();
            let reach = Reach::Text(meta.span);
            self.suppression(value, directive, (span, Form::Annotation), rules, reach)
        };
        let directives = directive::in_annotation(value);
        directives.into_iter().map(suppression).collect()
    }

    fn suppression(
        &self,
        text: &str,
        directive: Directive,
        (span, form): (Span, Form),
        rules: Vec<NamedRule>,
        reach: Reach,
    ) -> Suppression {
        let until = directive.until.clone().map(|until| {
            let written = &text[until];
            written.parse::<Date>().map_err(|_| written.to_owned())
        });
        let force = if !directive.is_well_formed {
            Force::Malformed
        } else if rules.is_empty() {
            Force::WithoutRule
        } else if directive.reason.is_empty() {
            Force::WithoutReason
        } else {
            match until {
                Some(Err(_)) => Force::WithoutDay,
                Some(Ok(until)) if until < self.input.today => Force::Expired(until),
                _ => Force::Full,
            }
        };
        Suppression {
            span,
            form,
            rules,
            reason: directive.reason,
            until,
            force,
            reach,
        }
    }

    fn standing(&self, name: &str) -> Standing {
        if self.rules.iter().any(|rule| rule.meta().name == name) {
            return Standing::Idle;
        }
        if self.input.known_rules.iter().any(|rule| rule.name == name) {
            return Standing::NotAsked;
        }
        Standing::Unknown
    }
}

impl Reach {
    fn covers(self, finding: Span, line: u32) -> bool {
        match self {
            Self::Lines(first, last) | Self::Document(first, last) => {
                (first..=last).contains(&line)
            }
            Self::Text(text) => text.contains(finding),
        }
    }

    /// The bytes among which every finding starts that it covers, both inclusive.
    fn bytes(self, source: &Source) -> (u32, u32) {
        match self {
            Self::Lines(first, last) | Self::Document(first, last) => {
                let start = source.line_range(first).start as u32;
                (start, source.line_range(last).end as u32)
            }
            Self::Text(text) => (text.start, text.end),
        }
    }
}

/// The suppressions by the rules that they name.
fn tracks(
    input: &Input<'_>,
    by_source: &BTreeMap<SourceId, Vec<Suppression>>,
) -> HashMap<(SourceId, &'static str), [Track; 2]> {
    let known: HashMap<&str, &'static str> = input
        .known_rules
        .iter()
        .map(|rule| (rule.name, rule.name))
        .collect();
    let mut entries: HashMap<(SourceId, &'static str), [Vec<Entry>; 2]> = HashMap::new();
    for (id, suppressions) in by_source {
        let source = input.sources.get(*id);
        for (number, suppression) in suppressions.iter().enumerate() {
            let (first, last) = suppression.reach.bytes(source);
            let is_wide = !matches!(suppression.reach, Reach::Lines(..));
            let mut names: Vec<&str> = suppression
                .rules
                .iter()
                .map(|it| it.name.value.as_str())
                .collect();
            names.sort_unstable();
            names.dedup();
            for name in names.into_iter().filter_map(|name| known.get(name)) {
                entries.entry((*id, name)).or_default()[usize::from(is_wide)].push(Entry {
                    first,
                    last,
                    number,
                    is_in_force: suppression.force == Force::Full,
                });
            }
        }
    }
    entries
        .into_iter()
        .map(|(key, tracks)| (key, tracks.map(Track::new)))
        .collect()
}

/// Which lines of a text hold nothing but blanks and comments.
struct Layout {
    /// By line, from 1: the first line at or below it that holds more, or one past the last.
    next_full: Vec<u32>,
}

impl Layout {
    fn new(source: &Source) -> Self {
        let lines = source.line(source.text().len() as u32);
        let mut next_full = vec![lines + 1; lines as usize + 2];
        for line in (1..=lines).rev() {
            let text = source.text()[source.line_range(line)].trim_start();
            let is_bare = text.is_empty() || text.starts_with('#');
            next_full[line as usize] = match is_bare {
                true => next_full[line as usize + 1],
                false => line,
            };
        }
        Self { next_full }
    }

    /// What a comment counts for.
    fn reach(&self, source: &Source, comment: Span, document: Span) -> Reach {
        let line = source.line(comment.start);
        let last = source.line(document.end);
        let first = source.line(document.start);
        let is_on_top = comment.start <= document.start || self.next_full[first as usize] > line;
        if is_on_top {
            return Reach::Document(line, last);
        }
        let next = self.next_full[line as usize];
        Reach::Lines(line, next.min(last))
    }
}
