//! The order of evaluation: Admin tier, NetworkPolicies, Baseline tier, and then
//! everything is allowed (S11).
//!
//! Refuses to know whom a rule is about; it is told which ports a rule matches for the
//! pair at hand.

use super::sets::{Calculator, SetId};
use crate::k8s::Action;

/// What a run of rules of one tier has decided. The sets are disjoint; what is in none of
/// them was passed to the next tier.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Decision {
    accepted: SetId,
    denied: SetId,
    /// What no rule has matched yet.
    undecided: SetId,
}

impl Decision {
    /// Of no rule at all.
    pub(super) const NONE: Self = Self {
        accepted: SetId::NONE,
        denied: SetId::NONE,
        undecided: SetId::ALL,
    };

    /// Of one rule that matches these connections.
    pub(super) fn of(action: Action, matched: SetId, sets: &mut Calculator) -> Self {
        let undecided = sets.difference(SetId::ALL, matched);
        match action {
            Action::Accept => Self {
                accepted: matched,
                denied: SetId::NONE,
                undecided,
            },
            Action::Deny => Self {
                accepted: SetId::NONE,
                denied: matched,
                undecided,
            },
            Action::Pass => Self {
                accepted: SetId::NONE,
                denied: SetId::NONE,
                undecided,
            },
        }
    }

    /// Of these rules and then later ones: what is decided stays so.
    pub(super) fn then(self, later: Self, sets: &mut Calculator) -> Self {
        let accepted = sets.intersection(self.undecided, later.accepted);
        let denied = sets.intersection(self.undecided, later.denied);
        Self {
            accepted: sets.union(self.accepted, accepted),
            denied: sets.union(self.denied, denied),
            undecided: sets.intersection(self.undecided, later.undecided),
        }
    }

    /// What is allowed if the next tier allows `next`.
    pub(super) fn allows(self, next: SetId, sets: &mut Calculator) -> SetId {
        let next = sets.difference(next, self.denied);
        sets.union(self.accepted, next)
    }
}
