//! The verdict of the stages of a gate, and of each of them, from what their rules say.
//!
//! Refuses to know how rules are compared with a connection.

use super::possibility::{Match, RuleWalk, Verdict};
use super::side::{PolicyTrace, StageTrace};
use crate::engine::ConnectionSet;
use crate::engine::program::End;
use crate::k8s::{Action, Truth};
use std::collections::BTreeMap;

/// The verdict of the stages of a gate. They are walked backwards, as each needs the verdict of
/// the next one. What has no known place is asked behind all others, and perhaps before them.
pub(super) fn verdict_of_gate(stages: &mut [StageTrace<'_>]) -> Verdict {
    let everything = Verdict::certain(ConnectionSet::all());
    let unplaced = stages.iter().rev().filter(|stage| !stage.is_placed);
    let last = unplaced.fold(everything, |next, stage| stage.clone().verdict(&next));
    let placed = stages.iter_mut().rev().filter(|stage| stage.is_placed);
    let behind = placed.fold(last, |next, stage| stage.verdict(&next));
    let unplaced = stages.iter_mut().rev().filter(|stage| !stage.is_placed);
    unplaced.fold(behind, |next, stage| next.either(&stage.verdict(&next)))
}

impl StageTrace<'_> {
    /// The verdict of the stage, given that of what comes after it; notes what each of the
    /// rules decides.
    fn verdict(&mut self, next: &Verdict) -> Verdict {
        if self.policies.is_empty() {
            return next.clone();
        }
        let isolates = |policy: &PolicyTrace<'_>| policy.end == End::Deny && policy.only_accepts;
        if self.policies.iter().all(isolates) {
            return self.verdict_of_union(next);
        }
        let mut walk = RuleWalk::new();
        for policy in &mut self.policies {
            let before = walk.open();
            for rule in &mut policy.rules {
                let decides = if rule.is_opaque {
                    let accepts = walk.step(Action::Accept, &rule.decides);
                    accepts.or(&walk.step(Action::Deny, &rule.decides))
                } else {
                    walk.step(rule.action, &rule.decides)
                };
                rule.decides = decides.when(policy.selects);
            }
            if policy.selects != Truth::True {
                walk.reopen(before);
            }
        }
        let ends = self.policies.iter().map(|policy| match policy.end {
            End::Deny => policy.selects,
            End::Unknown => policy.selects.min(Truth::Unknown),
            End::Next => Truth::False,
        });
        let denied = Verdict::certain(ConnectionSet::none());
        let rest = match ends.max() {
            None | Some(Truth::False) => next.clone(),
            Some(Truth::Unknown) => next.either(&denied),
            Some(Truth::True) => denied,
        };
        walk.finish(next, &rest)
    }

    /// The verdict of policies that allow, and deny the rest of what their subjects do (S5).
    fn verdict_of_union(&self, next: &Verdict) -> Verdict {
        let none = || Match::exactly(ConnectionSet::none());
        let matches_of = |policy: &PolicyTrace<'_>| {
            let rules = policy.rules.iter();
            rules.fold(none(), |all, rule| all.or(&rule.decides))
        };
        let policies = self.policies.iter();
        if policies.clone().any(|policy| policy.selects == Truth::True) {
            let matches = policies.map(|policy| matches_of(policy).when(policy.selects));
            return matches
                .fold(none(), |all, matches| all.or(&matches))
                .allows();
        }
        // Nobody knows whether one of them isolates the pod. If several do, they allow more
        // than each alone, so that the cases of none and of each one are all that count; but
        // those of one subject are several, or none.
        let mut by_subject: BTreeMap<Option<u32>, Match> = BTreeMap::new();
        for policy in policies {
            let matches = by_subject.entry(policy.subject).or_insert_with(none);
            *matches = matches.or(&matches_of(policy));
        }
        by_subject.values().fold(next.clone(), |verdict, matches| {
            verdict.either(&matches.allows())
        })
    }
}
