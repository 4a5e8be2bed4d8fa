//! Applies fixes in memory: proves by the engine what each does to connectivity, keeps
//! those that do what they claim, and looks again until nothing is left to fix.
//!
//! Refuses to touch the disk, and to know a single rule.

use super::lint::{RulesToRun, told};
use super::{Workspace, proof};
use crate::diagnostic::{Diagnostic, Edit, Fix, FixClass, Severity};
use crate::graph::GraphDiff;
use crate::lint::{Date, Report};
use crate::source::{SourceId, SourceMap, Span};
use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::sync::Arc;

/// Which fixes may be applied.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Permission {
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
    /// Whether a fix of this class may be applied.
    #[must_use]
    pub fn admits(self, class: FixClass) -> bool {
        match class {
            FixClass::Safe => true,
            FixClass::Narrowing => matches!(self, Self::Narrowing | Self::All),
            FixClass::Widening => matches!(self, Self::Widening | Self::All),
        }
    }
}

/// The texts after the fixes, and what came of each.
#[derive(Debug)]
pub struct Autofixed {
    /// All texts, with the ids that they had before, and their clusters.
    pub workspace: Workspace,
    /// What is left, where all rules have looked for it.
    left: Option<Report>,
    /// The texts that changed.
    pub changed: BTreeSet<SourceId>,
    /// How many findings were fixed.
    pub fixed: usize,
    /// The findings whose fix does not do what it claims, with what it does instead.
    pub refused: Vec<(Diagnostic, &'static str)>,
    /// What the fixes change, step by step and cluster by cluster.
    pub changes: Vec<GraphDiff>,
}

impl Autofixed {
    /// What is left on the day `today`, as a change of an earlier state where there is one. The
    /// rules that neither fix nor report errors run now, as no fix has asked for them.
    #[must_use]
    pub fn report(&self, earlier: Option<&Workspace>, today: Date) -> Report {
        match (&self.left, earlier) {
            (Some(left), None) => left.clone(),
            _ => self.workspace.lint_change(earlier, today),
        }
    }
}

/// A fix may make room for another one, so the texts are looked at again; this often at the
/// most.
const ROUNDS: usize = 10;

/// How many proofs may fail in a run, as each reads all texts that change; which fixes are to
/// blame is not searched for any further.
const MAX_FAILED: usize = 256;

impl Workspace {
    /// Applies every fix of the `report` on this workspace that is permitted and proves right
    /// to those of the texts for which `is_editable` holds. `are_wanted` says of each finding
    /// whether it is to be fixed at all. The report may be one
    /// [for fixes](Self::lint_for_fixes) alone.
    #[must_use]
    pub fn autofix(
        &self,
        report: Report,
        today: Date,
        permission: Permission,
        is_editable: impl Fn(SourceId) -> bool,
        are_wanted: impl Fn(&SourceMap, &[Diagnostic]) -> Vec<bool>,
    ) -> Autofixed {
        let rules = self.rules_for_fixes();
        let only = Only {
            permission,
            is_editable,
            are_wanted,
        };
        self.autofix_by(rules, report, today, &only)
    }

    /// The same with these rules, which look for what the fixes leave.
    fn autofix_by(
        &self,
        rules: RulesToRun,
        report: Report,
        today: Date,
        only: &Only<impl Fn(SourceId) -> bool, impl Fn(&SourceMap, &[Diagnostic]) -> Vec<bool>>,
    ) -> Autofixed {
        let Only {
            permission,
            is_editable,
            are_wanted,
        } = only;
        let permission = *permission;
        let mut state = self.clone();
        let mut report = self.with_untold(report);
        let is_whole = rules == RulesToRun::All;
        let mut fixed = 0;
        let mut refused: Vec<(Diagnostic, &'static str)> = Vec::new();
        let mut changes = Vec::new();
        let mut patience = MAX_FAILED;
        for _ in 0..ROUNDS {
            let known: HashSet<_> = refused.iter().map(|(finding, _)| name(finding)).collect();
            let is_refused = |finding: &Diagnostic| known.contains(&name(finding));
            let wanted = are_wanted(state.sources(), &report.findings);
            let wanted = report.findings.iter().zip(wanted).filter(|(_, it)| *it);
            let offered = wanted.filter_map(|(finding, _)| {
                finding.fix.as_ref().map(|fix| Candidate { finding, fix })
            });
            let candidates: Vec<Candidate<'_>> = offered
                .filter(|one| permission.admits(one.fix.class) && !is_refused(one.finding))
                .filter(|one| {
                    let mut edits = one.fix.edits.iter();
                    edits.all(|edit| is_editable(edit.span.source))
                })
                .collect();
            let candidates = without_overlaps(candidates);
            let before = Known::of(&report);
            let mut trial = Trial::new(&state, permission, patience);
            trial.add_all(&candidates);
            let mut left = trial.left(rules, today);
            if !left.as_ref().is_none_or(|left| before.has_all_of(left)) {
                // One of them makes room for a mistake: each has to show that it does not.
                let guard = Guard {
                    before,
                    rules,
                    today,
                };
                trial = Trial::new(&state, permission, trial.patience);
                trial.guard = Some(guard);
                trial.add_all(&candidates);
                left = trial.left(rules, today);
            }
            patience = trial.patience;
            fixed += trial.fixed;
            refused.append(&mut trial.refused);
            changes.append(&mut trial.changes);
            let Some(left) = left else {
                break;
            };
            state = trial.proved;
            report = left;
            // What a limit hides would come to light bit by bit, each a round; it is told.
            if !report.limits.is_empty() {
                break;
            }
        }
        let is_changed = |id: &SourceId| {
            let [before, after] = [self, &state].map(|state| state.texts.get(*id));
            !Arc::ptr_eq(before, after)
        };
        Autofixed {
            changed: self.ids.iter().copied().filter(is_changed).collect(),
            changes,
            workspace: state,
            left: is_whole.then(|| told(report)),
            fixed,
            refused,
        }
    }
}

/// Which fixes are applied.
struct Only<E, W> {
    permission: Permission,
    /// Whether a text may be changed.
    is_editable: E,
    /// Of each finding, whether it is to be fixed.
    are_wanted: W,
}

/// The errors of a report, with how often each is there: wherever their text has moved to.
type Errors = BTreeMap<(&'static str, String, String, String), usize>;

fn errors(report: &Report) -> Errors {
    let errors = report.findings.iter();
    let errors = errors.filter(|finding| finding.severity == Severity::Error);
    let mut counted = Errors::new();
    for error in errors {
        let what = [&error.object, &error.path, &error.message];
        let [object, path, message] = what.map(Clone::clone);
        *counted
            .entry((error.rule, object, path, message))
            .or_default() += 1;
    }
    counted
}

/// The errors of a report, and the rules that met a limit: what these find later may have been
/// there all the time.
struct Known {
    errors: Errors,
    limited: BTreeSet<&'static str>,
}

impl Known {
    fn of(report: &Report) -> Self {
        Self {
            errors: errors(report),
            limited: report.limits.iter().map(|limit| limit.rule).collect(),
        }
    }

    /// Whether all errors of another report are among these, as far as anybody can tell.
    fn has_all_of(&self, report: &Report) -> bool {
        errors(report).iter().all(|(error, count)| {
            let was_there = self.errors.get(error).is_some_and(|it| count <= it);
            was_there || self.limited.contains(error.0)
        })
    }
}

/// What fixes must not add to.
struct Guard {
    /// What was known before the round.
    before: Known,
    rules: RulesToRun,
    today: Date,
}

/// What makes two findings of two rounds one.
fn name(finding: &Diagnostic) -> (&'static str, &str, &str) {
    (finding.rule, &finding.object, &finding.path)
}

/// A finding with the fix that it offers.
#[derive(Clone, Copy)]
struct Candidate<'f> {
    finding: &'f Diagnostic,
    fix: &'f Fix,
}

/// The candidates in order, without those that overlap one before them.
fn without_overlaps(candidates: Vec<Candidate<'_>>) -> Vec<Candidate<'_>> {
    // As they do not overlap, they end in the order in which they start.
    let mut taken: BTreeSet<Span> = BTreeSet::new();
    let mut kept = candidates;
    kept.retain(|candidate| {
        let spans = candidate.fix.edits.iter().map(|edit| edit.span);
        let is_free = spans.clone().all(|span| {
            let end = Span {
                start: span.end,
                end: 0,
                ..span
            };
            let last = taken.range(..end).next_back();
            let overlaps = |last: &Span| last.source == span.source && span.start < last.end;
            // Two insertions at one place would stand in an order that nobody has chosen.
            !taken.contains(&span) && !last.is_some_and(overlaps)
        });
        if is_free {
            taken.extend(spans);
        }
        is_free
    });
    kept
}

/// Fixes of one round that are put together and proved.
struct Trial<'t> {
    /// Before the round.
    start: &'t Workspace,
    permission: Permission,
    /// How many proofs may still fail.
    patience: usize,
    /// Asked after each fix, where there is one.
    guard: Option<Guard>,
    /// With the fixes that proved right.
    proved: Workspace,
    /// Their edits.
    edits: Vec<Edit>,
    /// Whether some of these were proved without reading any text again, so that they are not in
    /// `proved` yet.
    is_behind: bool,
    fixed: usize,
    refused: Vec<(Diagnostic, &'static str)>,
    changes: Vec<GraphDiff>,
}

/// Fixes that promise the same, put together one after the other. The promise holds for all
/// of them: what one closes, another one of them may open again.
struct Batch {
    /// Before the first of them.
    before: Workspace,
    promise: Option<FixClass>,
    /// What those that proved right change.
    changes: Vec<GraphDiff>,
}

impl<'t> Trial<'t> {
    fn new(start: &'t Workspace, permission: Permission, patience: usize) -> Self {
        Self {
            start,
            permission,
            patience,
            guard: None,
            proved: start.clone(),
            edits: Vec::new(),
            is_behind: false,
            fixed: 0,
            refused: Vec::new(),
            changes: Vec::new(),
        }
    }

    /// What is found after the fixes; `None` where there are none.
    fn left(&self, rules: RulesToRun, today: Date) -> Option<Report> {
        (!self.edits.is_empty()).then(|| self.proved.lint_all(None, rules, today))
    }

    /// Adds the candidates promise by promise: as one where they prove right together, else in
    /// halves, so that one wrong fix keeps no other back. Those that promise nothing come last.
    fn add_all(&mut self, candidates: &[Candidate<'_>]) {
        let mut by_promise: BTreeMap<(bool, Option<FixClass>), Vec<Candidate<'_>>> =
            BTreeMap::new();
        for candidate in candidates {
            let promise = self.promise(candidate);
            let of_promise = by_promise.entry((promise.is_none(), promise)).or_default();
            of_promise.push(*candidate);
        }
        let mut batches = by_promise.into_iter().peekable();
        while let Some(((_, promise), candidates)) = batches.next() {
            // The texts are read again with the fixes that come next.
            let is_read_later = batches.peek().is_some();
            if is_read_later && promise == Some(FixClass::Safe) && self.adds_unread(&candidates) {
                continue;
            }
            let mut batch = Batch {
                before: self.proved.clone(),
                promise,
                changes: Vec::new(),
            };
            self.add(&candidates, &mut batch);
            self.changes.append(&mut batch.changes);
        }
        if self.is_behind {
            let proved = self.start.edited_beside(&self.edits, &self.proved);
            self.proved = proved.expect("the items that they change were read with them");
            self.is_behind = false;
        }
    }

    /// Adds fixes that promise to change nothing, if the objects that they change prove it.
    fn adds_unread(&mut self, candidates: &[Candidate<'_>]) -> bool {
        let edits = candidates.iter().flat_map(|one| &one.fix.edits);
        let edits: Vec<Edit> = edits.cloned().collect();
        let is_first = self.edits.is_empty() && self.guard.is_none();
        if !is_first || !proof::is_unchanged(self.start, &edits) {
            return false;
        }
        self.edits = edits;
        self.is_behind = true;
        self.fixed += candidates.len();
        true
    }

    /// What a fix must do and not do to connections, if anything.
    fn promise(&self, candidate: &Candidate<'_>) -> Option<FixClass> {
        let class = candidate.fix.class;
        // Who permits everything has no use for a promise, unless nothing is to change.
        let is_free = self.permission == Permission::All && class != FixClass::Safe;
        // What was refused or unreadable before had no effect: there is nothing to keep.
        let is_bound = !is_free && self.start.counts(candidate.finding.primary.span);
        is_bound.then_some(class)
    }

    fn add(&mut self, candidates: &[Candidate<'_>], batch: &mut Batch) {
        if candidates.is_empty() {
            return;
        }
        let added = candidates.iter().flat_map(|one| &one.fix.edits);
        let edits: Vec<Edit> = self.edits.iter().chain(added).cloned().collect();
        let proof = match self.start.edited_beside(&edits, &self.proved) {
            Ok(after) => {
                let change = proof::Change {
                    start: self.start,
                    before: &batch.before,
                    after: &after,
                };
                let proof = proof::prove(change, batch.promise);
                let is_clean = |guard: &Guard| {
                    let left = after.lint_all(None, guard.rules, guard.today);
                    guard.before.has_all_of(&left)
                };
                match proof {
                    Ok(_) if !self.guard.as_ref().is_none_or(is_clean) => {
                        Err("it would cause a new error")
                    }
                    proof => proof.map(|changes| (after, changes)),
                }
            }
            Err(_) => Err("its edits overlap others"),
        };
        if proof.is_err() {
            self.patience = self.patience.saturating_sub(1);
        }
        match (proof, candidates) {
            (Ok((after, changes)), _) => {
                self.proved = after;
                self.is_behind = false;
                self.edits = edits;
                self.fixed += candidates.len();
                batch.changes = changes;
            }
            (Err(fault), [one]) => self.refused.push((one.finding.clone(), fault)),
            (Err(_), several) if self.patience == 0 => {
                let fault =
                    "too many fixes do not do what they promise: this one was not tried alone";
                let findings = several.iter().map(|one| (one.finding.clone(), fault));
                self.refused.extend(findings);
            }
            (Err(_), several) => {
                let (first, second) = several.split_at(several.len() / 2);
                self.add(first, batch);
                self.add(second, batch);
            }
        }
    }
}

#[cfg(test)]
mod tests;
