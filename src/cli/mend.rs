//! Applies fixes in memory: proves by the engine what each does to connectivity, keeps
//! those that do what they claim, and looks again until nothing is left to fix.
//!
//! Refuses to touch the disk, and to know a single rule.

use super::input::{Part, parts};
use super::judge::Judge;
use crate::diagnostic::{Diagnostic, Edit, Fix, FixClass};
use crate::engine::Engine;
use crate::fix;
use crate::graph::{self, GraphDiff};
use crate::lint::Report;
use crate::source::{SourceId, SourceMap};
use std::collections::{BTreeMap, BTreeSet};

/// Which fixes may be applied.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Permission {
    /// Those that change no connectivity.
    Safe,
    /// Those that remove flows, too.
    Narrowing,
    /// Those that add flows, too.
    Widening,
    /// All, even those that do both.
    All,
}

impl Permission {
    fn admits(self, class: FixClass) -> bool {
        match class {
            FixClass::Safe => true,
            FixClass::Narrowing => matches!(self, Self::Narrowing | Self::All),
            FixClass::Widening => matches!(self, Self::Widening | Self::All),
        }
    }
}

/// The texts after the fixes, and what came of each.
pub(super) struct Mended {
    /// All texts, with the ids that they had before.
    pub(super) sources: SourceMap,
    /// What is left.
    pub(super) report: Report,
    /// The texts that changed.
    pub(super) changed: BTreeSet<SourceId>,
    /// How many findings were fixed.
    pub(super) fixed: usize,
    /// The findings whose fix does not do what it claims, with what it does instead.
    pub(super) refused: Vec<(Diagnostic, &'static str)>,
    /// What the fixes change, cluster by cluster.
    pub(super) changes: Vec<GraphDiff>,
}

/// A fix may make room for another one, so the texts are looked at again; this often at the
/// most.
const ROUNDS: usize = 10;

/// Applies every fix that is permitted to the sources for which `is_editable` holds.
pub(super) fn mend(
    judge: &Judge<'_>,
    original: &SourceMap,
    original_parts: &[Part],
    report: Report,
    permission: Permission,
    is_editable: impl Fn(SourceId) -> bool,
) -> Mended {
    let mut sources = copy(original, &BTreeMap::new());
    let mut report = report;
    let mut fixed = 0;
    let mut refused: Vec<(Diagnostic, &'static str)> = Vec::new();
    for _ in 0..ROUNDS {
        let before = parts(&sources, |name| judge.scope_of(name));
        let is_refused = |finding: &Diagnostic| {
            refused.iter().any(|(other, _)| {
                other.rule == finding.rule
                    && other.object == finding.object
                    && other.path == finding.path
            })
        };
        let candidates: Vec<Candidate<'_>> = report
            .findings
            .iter()
            .filter_map(|finding| finding.fix.as_ref().map(|fix| Candidate { finding, fix }))
            .filter(|one| permission.admits(one.fix.class) && !is_refused(one.finding))
            .filter(|one| {
                one.fix
                    .edits
                    .iter()
                    .all(|edit| is_editable(edit.span.source))
            })
            .collect();
        let mut trial = Trial {
            judge,
            sources: &sources,
            before: &before,
            permission,
            edits: Vec::new(),
            fixed: 0,
            refused: Vec::new(),
        };
        trial.add_all(&without_overlaps(candidates));
        let (edits, count, newly_refused) = (trial.edits, trial.fixed, trial.refused);
        refused.extend(newly_refused);
        if count == 0 {
            break;
        }
        fixed += count;
        let texts = edited(&sources, &edits).expect("overlapping edits were left out");
        sources = copy(&sources, &texts);
        let after = parts(&sources, |name| judge.scope_of(name));
        report = judge.lint(&sources, &after);
    }
    let after = parts(&sources, |name| judge.scope_of(name));
    let changes = differences(original_parts, &after);
    let is_changed = |id: &SourceId| original.get(*id).text() != sources.get(*id).text();
    Mended {
        changed: original.ids().filter(is_changed).collect(),
        sources,
        report,
        fixed,
        refused,
        changes: changes
            .into_iter()
            .filter(|change| !change.is_empty())
            .collect(),
    }
}

/// A finding with the fix that it offers.
#[derive(Clone, Copy)]
struct Candidate<'f> {
    finding: &'f Diagnostic,
    fix: &'f Fix,
}

/// The candidates in order, without those that overlap one before them.
fn without_overlaps(candidates: Vec<Candidate<'_>>) -> Vec<Candidate<'_>> {
    let mut taken: Vec<&Edit> = Vec::new();
    let overlaps = |one: &Edit, other: &Edit| {
        let (a, b) = (one.span, other.span);
        // Two insertions at one place would stand in an order that nobody has chosen.
        a.source == b.source && (a == b || (a.start < b.end && b.start < a.end))
    };
    let mut kept = Vec::new();
    for candidate in candidates {
        let edits = &candidate.fix.edits;
        if edits
            .iter()
            .any(|edit| taken.iter().any(|other| overlaps(edit, other)))
        {
            continue;
        }
        taken.extend(edits);
        kept.push(candidate);
    }
    kept
}

/// Fixes of one round that are put together and proved.
struct Trial<'t, 'c> {
    judge: &'t Judge<'c>,
    sources: &'t SourceMap,
    before: &'t [Part],
    permission: Permission,
    edits: Vec<Edit>,
    fixed: usize,
    refused: Vec<(Diagnostic, &'static str)>,
}

impl Trial<'_, '_> {
    /// Adds the candidates class by class: as one where they prove right together, else in
    /// halves, so that one wrong fix keeps no other back.
    fn add_all(&mut self, candidates: &[Candidate<'_>]) {
        for class in [FixClass::Safe, FixClass::Narrowing, FixClass::Widening] {
            // What was refused or unreadable before had no effect: there is nothing to keep.
            let (unread, read): (Vec<_>, Vec<_>) = candidates
                .iter()
                .copied()
                .filter(|candidate| candidate.fix.class == class)
                .partition(|candidate| !self.counted_before(candidate.finding));
            self.add(&read, Some(class));
            self.add(&unread, None);
        }
    }

    fn add(&mut self, candidates: &[Candidate<'_>], class: Option<FixClass>) {
        if candidates.is_empty() {
            return;
        }
        let mut edits = self.edits.clone();
        edits.extend(
            candidates
                .iter()
                .flat_map(|candidate| candidate.fix.edits.iter().cloned()),
        );
        match (self.fault(&edits, class), candidates) {
            (None, _) => {
                self.edits = edits;
                self.fixed += candidates.len();
            }
            (Some(fault), [one]) => self.refused.push((one.finding.clone(), fault)),
            (Some(_), several) => {
                let (first, second) = several.split_at(several.len() / 2);
                self.add(first, class);
                self.add(second, class);
            }
        }
    }

    /// What is wrong with the texts after the edits, measured by what the class promises.
    fn fault(&self, edits: &[Edit], class: Option<FixClass>) -> Option<&'static str> {
        let Ok(texts) = edited(self.sources, edits) else {
            return Some("its edits overlap others");
        };
        let sources = copy(self.sources, &texts);
        let after = parts(&sources, |name| self.judge.scope_of(name));
        if is_worse(self.before, &after) {
            return Some("the manifest would not be valid afterwards");
        }
        let class = class.filter(|_| self.permission != Permission::All)?;
        let known = edited(self.sources, &self.edits).expect("these were proved before");
        let known = copy(self.sources, &known);
        let known = parts(&known, |name| self.judge.scope_of(name));
        let changes = differences(&known, &after);
        let adds = changes.iter().any(|change| change.added().next().is_some());
        let removes = changes
            .iter()
            .any(|change| change.removed().next().is_some());
        match class {
            FixClass::Safe if adds || removes => Some("it would change who can talk to whom"),
            FixClass::Narrowing if adds => Some("it would open flows as well"),
            FixClass::Widening if removes => Some("it would close flows as well"),
            _ => None,
        }
    }

    /// Whether the object that the finding is about had a say before.
    fn counted_before(&self, finding: &Diagnostic) -> bool {
        let span = finding.primary.span;
        let metas = self.before.iter().flat_map(|part| {
            let policies = part
                .cluster
                .policies()
                .iter()
                .map(|policy| &policy.object.meta);
            let workloads = part
                .cluster
                .workloads()
                .iter()
                .map(|workload| &workload.object.meta);
            policies.chain(workloads).chain(
                part.cluster
                    .cluster_policies()
                    .iter()
                    .map(|policy| &policy.meta),
            )
        });
        metas
            .filter(|meta| meta.span.contains(span))
            .any(|meta| meta.is_accepted)
    }
}

/// Whether fewer objects are accepted than before, or fewer documents read.
fn is_worse(before: &[Part], after: &[Part]) -> bool {
    let accepted = |parts: &[Part]| -> usize {
        let of = |part: &Part| {
            let policies = part
                .cluster
                .policies()
                .iter()
                .filter(|policy| policy.object.meta.is_accepted)
                .count();
            let workloads = part
                .cluster
                .workloads()
                .iter()
                .filter(|workload| workload.object.meta.is_accepted)
                .count();
            let wide = part
                .cluster
                .cluster_policies()
                .iter()
                .filter(|policy| policy.meta.is_accepted)
                .count();
            policies + workloads + wide
        };
        parts.iter().map(of).sum()
    };
    accepted(after) < accepted(before)
}

fn differences(before: &[Part], after: &[Part]) -> Vec<GraphDiff> {
    let pairs = before.iter().filter_map(|part| {
        let same = after.iter().find(|other| other.scope == part.scope)?;
        Some(graph::difference(
            &Engine::new(&part.cluster),
            &Engine::new(&same.cluster),
        ))
    });
    pairs.collect()
}

/// The texts that the edits change.
fn edited(
    sources: &SourceMap,
    edits: &[Edit],
) -> Result<BTreeMap<SourceId, String>, fix::Conflict> {
    let mut by_source: BTreeMap<SourceId, Vec<Edit>> = BTreeMap::new();
    for edit in edits {
        by_source
            .entry(edit.span.source)
            .or_default()
            .push(edit.clone());
    }
    let text = |(id, edits): (SourceId, Vec<Edit>)| {
        fix::apply(sources.get(id).text(), &edits).map(|text| (id, text))
    };
    by_source.into_iter().map(text).collect()
}

/// The same sources under the same ids, some with another text.
fn copy(sources: &SourceMap, texts: &BTreeMap<SourceId, String>) -> SourceMap {
    let mut copy = SourceMap::default();
    for id in sources.ids() {
        let source = sources.get(id);
        copy.add(
            source.name(),
            texts.get(&id).map_or(source.text(), String::as_str),
        );
    }
    copy
}
