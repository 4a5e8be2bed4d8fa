//! What ordered rules decide, connection by connection.
//!
//! Refuses to know whom a rule is about; it is told which ports a rule matches for the
//! pair at hand.

use super::sets::{Calculator, SetId};
use crate::k8s::Action;

/// What a run of rules of one stage may do with connections. Where everything is known, each
/// connection is in exactly one of the sets.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Decision {
    accepted: SetId,
    denied: SetId,
    passed: SetId,
    /// What no rule may have matched.
    open: SetId,
}

/// What is allowed for certain, and what may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Fate {
    pub(super) allowed: SetId,
    pub(super) possible: SetId,
}

impl Fate {
    pub(super) const DENIED: Self = Self {
        allowed: SetId::NONE,
        possible: SetId::NONE,
    };

    /// Denied or this one, and nobody knows which.
    pub(super) fn or_denied(self) -> Self {
        Self {
            allowed: SetId::NONE,
            possible: self.possible,
        }
    }

    /// What is allowed in both cases, and what in one of them.
    pub(super) fn either(self, other: Self, sets: &mut Calculator) -> Self {
        Self {
            allowed: sets.intersection(self.allowed, other.allowed),
            possible: sets.union(self.possible, other.possible),
        }
    }

    /// What one of them lets through where both are asked.
    pub(super) fn or(self, other: Self, sets: &mut Calculator) -> Self {
        Self {
            allowed: sets.union(self.allowed, other.allowed),
            possible: sets.union(self.possible, other.possible),
        }
    }

    /// What both gates let through.
    pub(super) fn and(self, other: Self, sets: &mut Calculator) -> Self {
        Self {
            allowed: sets.intersection(self.allowed, other.allowed),
            possible: sets.intersection(self.possible, other.possible),
        }
    }
}

impl Decision {
    /// Of no rule at all.
    pub(super) const NONE: Self = Self {
        accepted: SetId::NONE,
        denied: SetId::NONE,
        passed: SetId::NONE,
        open: SetId::ALL,
    };

    /// Of a rule of which nothing is known.
    pub(super) const ANYTHING: Self = Self {
        accepted: SetId::ALL,
        denied: SetId::ALL,
        passed: SetId::NONE,
        open: SetId::ALL,
    };

    /// Of one rule that matches the connections `certain`, and may match those of `possible`.
    pub(super) fn of(
        action: Action,
        certain: SetId,
        possible: SetId,
        sets: &mut Calculator,
    ) -> Self {
        let mut decision = Self {
            open: sets.difference(SetId::ALL, certain),
            ..Self::NONE
        };
        match action {
            Action::Accept => decision.accepted = possible,
            Action::Deny => decision.denied = possible,
            Action::Pass => decision.passed = possible,
        }
        decision
    }

    /// What the rules let through, if all of them accept and nothing comes after them.
    pub(super) fn accepted(self, sets: &mut Calculator) -> Fate {
        Fate {
            allowed: sets.difference(SetId::ALL, self.open),
            possible: self.accepted,
        }
    }

    /// The same, if nobody knows whether the rules are asked.
    pub(super) fn in_doubt(self) -> Self {
        Self {
            open: SetId::ALL,
            ..self
        }
    }

    /// Of these rules and then later ones: what is decided stays so.
    pub(super) fn then(self, later: Self, sets: &mut Calculator) -> Self {
        let open = self.open;
        let mut both = |ours, theirs| {
            let theirs = sets.intersection(open, theirs);
            sets.union(ours, theirs)
        };
        let accepted = both(self.accepted, later.accepted);
        let denied = both(self.denied, later.denied);
        let passed = both(self.passed, later.passed);
        Self {
            accepted,
            denied,
            passed,
            open: sets.intersection(open, later.open),
        }
    }

    /// What follows if the next stage does `next` with what was passed on, and `rest` is the
    /// fate of what no rule matches.
    pub(super) fn finish(self, next: Fate, rest: Fate, sets: &mut Calculator) -> Fate {
        let passed = sets.intersection(self.passed, next.possible);
        let left = sets.intersection(self.open, rest.possible);
        let reached = sets.union(passed, left);
        let passed_denied = sets.difference(self.passed, next.allowed);
        let left_denied = sets.difference(self.open, rest.allowed);
        let denied = sets.union(passed_denied, left_denied);
        let denied = sets.union(self.denied, denied);
        Fate {
            allowed: sets.difference(SetId::ALL, denied),
            possible: sets.union(self.accepted, reached),
        }
    }
}
