//! How the units of a side work together: within a stage, stage after stage, gate beside
//! gate.
//!
//! Refuses to know what the rules of a unit are about.

use super::{Function, Outcome, UnitValue, either};
use crate::engine::compiled::{MatcherId, Stage, StageKind};
use crate::engine::decision::{Decision, Fate};
use crate::engine::program::End;
use crate::engine::runs::{Pieces, combine_all};
use crate::engine::sets::{Calculator, SetId};
use crate::k8s::{Action, Direction};
use std::sync::Arc;

/// A unit of a side.
pub(super) struct StageUnit {
    pub(super) stage: usize,
    pub(super) value: UnitValue,
    /// Whether it is certain that it is asked.
    pub(super) is_certain: bool,
    pub(super) end: End,
    /// Whom it is about, if that is known: units of one subject are asked together or not at all.
    pub(super) subject: Option<MatcherId>,
    pub(super) only_accepts: bool,
}

impl StageUnit {
    /// Whether it allows, and denies the rest.
    fn isolates(&self) -> bool {
        self.end == End::Deny && self.only_accepts
    }
}

/// What the units of a side allow, in the order of evaluation. `more` is what the rules of a
/// stage match besides.
pub(super) fn outcome_of(
    direction: Direction,
    stages: &[Stage],
    units: &[StageUnit],
    more: Option<(usize, &Function)>,
    sets: &mut Calculator,
) -> Outcome {
    let everything = || Outcome::exactly(Arc::new(Pieces::constant(SetId::ALL)));
    let mut gates: Vec<Outcome> = Vec::new();
    let gate_of = |unit: &StageUnit| stages[unit.stage].gate;
    for of_gate in units.chunk_by(|a, b| gate_of(a) == gate_of(b)) {
        let before = |units: &[StageUnit], next: Outcome, sets: &mut Calculator| {
            let stage = units[0].stage;
            let more = more.filter(|(of, _)| *of == stage).map(|(_, more)| more);
            match stages[stage].kind.get(direction) {
                StageKind::Uniform(action) => uniform(*action, units, more, next, sets),
                StageKind::Ordered => ordered(units, &next, sets),
            }
        };
        let by_stage = of_gate.chunk_by(|a, b| a.stage == b.stage);
        let (placed, unplaced): (Vec<_>, Vec<_>) =
            by_stage.partition(|units| stages[units[0].stage].is_placed);
        // The stages are walked backwards, as each needs the outcome of the next one. What has
        // no known place is asked behind all others, and perhaps before them.
        let behind = placed
            .iter()
            .chain(&unplaced)
            .rev()
            .fold(everything(), |next, units| before(units, next, sets));
        let outcome = unplaced.iter().rev().fold(behind, |next, units| {
            let first = before(units, next.clone(), sets);
            either(&[first, next], sets)
        });
        gates.push(outcome);
    }
    let together = gates.into_iter().reduce(|one, other| {
        let fates = fates(&one).combine(&fates(&other), |a, b| a.and(b, sets));
        outcome(&fates)
    });
    together.unwrap_or_else(everything)
}

/// How a stage ends for a side.
#[derive(Clone, Copy, PartialEq, Eq)]
enum StageEnd {
    Deny,
    Next,
    /// Nobody knows which.
    Unknown,
}

fn end_of(units: &[StageUnit]) -> StageEnd {
    let denies = |unit: &StageUnit| match unit.end {
        End::Deny => Some(unit.is_certain),
        End::Unknown => Some(false),
        End::Next => None,
    };
    match units.iter().filter_map(denies).max() {
        None => StageEnd::Next,
        Some(true) => StageEnd::Deny,
        Some(false) => StageEnd::Unknown,
    }
}

impl StageEnd {
    fn of(self, next: Fate) -> Fate {
        match self {
            Self::Deny => Fate::DENIED,
            Self::Next => next,
            Self::Unknown => next.or_denied(),
        }
    }
}

/// A stage whose rules all do the same.
fn uniform(
    action: Action,
    units: &[StageUnit],
    more: Option<&Function>,
    next: Outcome,
    sets: &mut Calculator,
) -> Outcome {
    let end = end_of(units);
    let matched = matched(units, more, sets);
    if action == Action::Accept {
        match end {
            StageEnd::Deny => return matched,
            StageEnd::Unknown if units.iter().all(StageUnit::isolates) => {
                return perhaps_isolated(units, &next, sets);
            }
            StageEnd::Next | StageEnd::Unknown => {}
        }
    }
    let after = |matched: Fate, next: Fate, sets: &mut Calculator| {
        let rest = end.of(next);
        match action {
            Action::Accept => Fate {
                allowed: sets.union(matched.allowed, rest.allowed),
                possible: sets.union(matched.possible, rest.possible),
            },
            Action::Deny => Fate {
                allowed: sets.difference(rest.allowed, matched.possible),
                possible: sets.difference(rest.possible, matched.allowed),
            },
            Action::Pass => {
                let passed = matched.and(next, sets);
                Fate {
                    allowed: sets.union(passed.allowed, rest.allowed),
                    possible: sets.union(passed.possible, rest.possible),
                }
            }
        }
    };
    let fates = fates(&matched).combine(&fates(&next), |matched, next| after(matched, next, sets));
    outcome(&fates)
}

/// What the rules of the units match: for certain, and perhaps.
fn matched(units: &[StageUnit], more: Option<&Function>, sets: &mut Calculator) -> Outcome {
    let of = |unit: &StageUnit| match &unit.value {
        UnitValue::Uniform(outcome) => outcome.clone(),
        UnitValue::Ordered(_) => unreachable!("the stage is uniform"),
    };
    let is_exact = units
        .iter()
        .all(|unit| unit.is_certain && of(unit).is_exact());
    let certain = units.iter().filter(|unit| unit.is_certain);
    let certain = certain.map(|unit| of(unit).allowed).collect();
    let certain = union(certain, more, sets);
    if is_exact {
        return Outcome::exactly(certain);
    }
    let possible = units.iter().map(|unit| of(unit).possible).collect();
    Outcome {
        allowed: certain,
        possible: union(possible, more, sets),
    }
}

fn union(
    functions: Vec<Arc<Function>>,
    more: Option<&Function>,
    sets: &mut Calculator,
) -> Arc<Function> {
    if let ([function], None) = (functions.as_slice(), more) {
        return Arc::clone(function);
    }
    let functions = functions.iter().map(|function| Function::clone(function));
    let functions = functions.chain(more.cloned()).collect();
    let union = combine_all(functions, |a, b| sets.union(a, b));
    Arc::new(union.map_or_else(|| Pieces::constant(SetId::NONE), Pieces::shrink))
}

/// Units that allow and deny the rest, of which nobody knows whether any of them is asked. If
/// several are, they allow more than each alone, so that the cases of none and of each one
/// are all that count; but those of one subject are several, or none.
fn perhaps_isolated(units: &[StageUnit], next: &Outcome, sets: &mut Calculator) -> Outcome {
    let mut of_units: Vec<&StageUnit> = units.iter().collect();
    of_units.sort_by_key(|unit| unit.subject);
    let is_one = |a: &&StageUnit, b: &&StageUnit| a.subject.is_some() && a.subject == b.subject;
    let mut together = fates(next);
    for of_subject in of_units.chunk_by(is_one) {
        let accepted = of_subject.iter().map(|unit| accepted(unit, sets));
        let accepted: Vec<Pieces<Fate>> = accepted.collect();
        let accepted = combine_all(accepted, |a, b| a.or(b, sets));
        let accepted = accepted.expect("a group has a unit");
        together = together.combine(&accepted, |a, b| a.either(b, sets));
    }
    outcome(&together)
}

/// What units allow of which one is asked for certain: their order does not matter.
fn accepted_together(units: &[StageUnit], sets: &mut Calculator) -> Outcome {
    let accepted = units.iter().map(|unit| match unit.is_certain {
        true => accepted(unit, sets),
        false => accepted(unit, sets).map(Fate::or_denied),
    });
    let accepted: Vec<Pieces<Fate>> = accepted.collect();
    let together = combine_all(accepted, |a, b| a.or(b, sets));
    outcome(&together.expect("a stage has a unit"))
}

/// What a unit allows whose rules all accept.
fn accepted(unit: &StageUnit, sets: &mut Calculator) -> Pieces<Fate> {
    match &unit.value {
        UnitValue::Uniform(allowed) => fates(allowed),
        UnitValue::Ordered(decision) => decision.map(|decision| decision.accepted(sets)),
    }
}

/// A stage whose rules are asked one after the other.
fn ordered(units: &[StageUnit], next: &Outcome, sets: &mut Calculator) -> Outcome {
    let end = end_of(units);
    if units.iter().all(StageUnit::isolates) {
        return match end {
            StageEnd::Deny => accepted_together(units, sets),
            StageEnd::Next | StageEnd::Unknown => perhaps_isolated(units, next, sets),
        };
    }
    let decisions = units.iter().map(|unit| {
        let decision = match &unit.value {
            UnitValue::Ordered(decision) => Pieces::clone(decision),
            UnitValue::Uniform(_) => unreachable!("the stage is ordered"),
        };
        if unit.is_certain {
            decision
        } else {
            decision.map(Decision::in_doubt)
        }
    });
    let decision = combine_all(decisions.collect(), |first: Decision, later| {
        first.then(later, sets)
    });
    let decision = decision.unwrap_or_else(|| Pieces::constant(Decision::NONE));
    let fates = decision.combine(&fates(next), |decision, next| {
        decision.finish(next, end.of(next), sets)
    });
    outcome(&fates)
}

fn fates(outcome: &Outcome) -> Pieces<Fate> {
    outcome
        .allowed
        .combine(&outcome.possible, |allowed, possible| Fate {
            allowed,
            possible,
        })
}

fn outcome(fates: &Pieces<Fate>) -> Outcome {
    let allowed = fates.map(|fate| fate.allowed).shrink();
    let possible = fates.map(|fate| fate.possible).shrink();
    if allowed == possible {
        return Outcome::exactly(Arc::new(allowed));
    }
    Outcome {
        allowed: Arc::new(allowed),
        possible: Arc::new(possible),
    }
}
