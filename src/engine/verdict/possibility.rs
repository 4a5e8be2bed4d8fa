//! What may become of connections, where a part of the input is not known.
//!
//! Refuses to know what is missing; it only keeps certainty and doubt apart.

use crate::engine::ConnectionSet;
use crate::k8s::{Action, Truth};

/// A judgement of every connection to one destination: each is allowed, denied, or not
/// known to be one of both.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Verdict {
    /// The connections that are allowed in some completion of what is missing.
    may_allow: ConnectionSet,
    /// The connections that are denied in some completion of what is missing. Together
    /// with `may_allow` it has every connection.
    may_deny: ConnectionSet,
}

impl Verdict {
    /// Exactly these connections are allowed, and that is certain.
    #[must_use]
    pub fn certain(allowed: ConnectionSet) -> Self {
        Self {
            may_deny: ConnectionSet::all().difference(&allowed),
            may_allow: allowed,
        }
    }

    /// The connections that are allowed whatever is missing.
    #[must_use]
    pub fn allowed(&self) -> ConnectionSet {
        self.may_allow.difference(&self.may_deny)
    }

    /// The connections that are allowed, or may be.
    #[must_use]
    pub fn possible(&self) -> &ConnectionSet {
        &self.may_allow
    }

    /// The connections that are denied whatever is missing.
    #[must_use]
    pub fn denied(&self) -> ConnectionSet {
        self.may_deny.difference(&self.may_allow)
    }

    /// The connections whose fate depends on what is missing.
    #[must_use]
    pub fn unknown(&self) -> ConnectionSet {
        self.may_allow.intersection(&self.may_deny)
    }

    /// What both allow: the two sides of a connection, judged together.
    #[must_use]
    pub fn and(&self, other: &Self) -> Self {
        Self {
            may_allow: self.may_allow.intersection(&other.may_allow),
            may_deny: self.may_deny.union(&other.may_deny),
        }
    }

    /// What one of both allows: two ways that a connection may take.
    #[must_use]
    pub fn or(&self, other: &Self) -> Self {
        Self {
            may_allow: self.may_allow.union(&other.may_allow),
            may_deny: self.may_deny.intersection(&other.may_deny),
        }
    }

    /// One of both is the verdict, and it is not known which.
    #[must_use]
    pub fn either(&self, other: &Self) -> Self {
        Self {
            may_allow: self.may_allow.union(&other.may_allow),
            may_deny: self.may_deny.union(&other.may_deny),
        }
    }
}

/// Connections that something matches, where a part of it may be unknown.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Match {
    /// What it matches whatever is missing.
    pub certain: ConnectionSet,
    /// What it matches in some completion of what is missing; holds `certain`.
    pub possible: ConnectionSet,
}

impl Match {
    /// Exactly these connections.
    #[must_use]
    pub fn exactly(connections: ConnectionSet) -> Self {
        Self {
            certain: connections.clone(),
            possible: connections,
        }
    }

    /// Nobody knows which connections.
    #[must_use]
    pub fn anything() -> Self {
        Self {
            certain: ConnectionSet::none(),
            possible: ConnectionSet::all(),
        }
    }

    /// The same, if something holds.
    #[must_use]
    pub fn when(&self, holds: Truth) -> Self {
        let none = ConnectionSet::none;
        Self {
            certain: if holds == Truth::True {
                self.certain.clone()
            } else {
                none()
            },
            possible: if holds == Truth::False {
                none()
            } else {
                self.possible.clone()
            },
        }
    }

    /// What one of both matches.
    #[must_use]
    pub fn or(&self, other: &Self) -> Self {
        Self {
            certain: self.certain.union(&other.certain),
            possible: self.possible.union(&other.possible),
        }
    }

    /// The verdict of a list of rules that matches this and denies the rest.
    #[must_use]
    pub fn allows(&self) -> Verdict {
        Verdict {
            may_allow: self.possible.clone(),
            may_deny: ConnectionSet::all().difference(&self.certain),
        }
    }
}

/// Ordered rules of a stage as they are walked: which connections are decided, and how (S11).
#[derive(Debug)]
pub(super) struct RuleWalk {
    /// What may get past the rules so far.
    open: Match,
    may_accept: ConnectionSet,
    may_deny: ConnectionSet,
    may_pass: ConnectionSet,
}

impl RuleWalk {
    pub(super) fn new() -> Self {
        Self {
            open: Match::exactly(ConnectionSet::all()),
            may_accept: ConnectionSet::none(),
            may_deny: ConnectionSet::none(),
            may_pass: ConnectionSet::none(),
        }
    }

    /// Takes the next rule, and returns what it decides: the connections that it matches
    /// and that no rule before it decided.
    pub(super) fn step(&mut self, action: Action, matches: &Match) -> Match {
        let decides = Match {
            certain: self.open.certain.intersection(&matches.certain),
            possible: self.open.possible.intersection(&matches.possible),
        };
        let taken = match action {
            Action::Accept => &mut self.may_accept,
            Action::Deny => &mut self.may_deny,
            Action::Pass => &mut self.may_pass,
        };
        *taken = taken.union(&decides.possible);
        self.open.certain = self.open.certain.difference(&matches.possible);
        self.open.possible = self.open.possible.difference(&matches.certain);
        decides
    }

    /// What may get past the rules so far.
    pub(super) fn open(&self) -> ConnectionSet {
        self.open.possible.clone()
    }

    /// Takes back that the rules since `before` stop anything, as nobody knows whether they
    /// are asked at all. What they do to each other stands: a rule of a policy never decides
    /// what an earlier one of the same policy decides for certain.
    pub(super) fn reopen(&mut self, before: ConnectionSet) {
        self.open.possible = before;
    }

    /// The verdict of the stage, given that of the next one, and of what no rule matches.
    pub(super) fn finish(self, next: &Verdict, rest: &Verdict) -> Verdict {
        let passed_allowed = self.may_pass.intersection(&next.may_allow);
        let passed_denied = self.may_pass.intersection(&next.may_deny);
        let left_allowed = self.open.possible.intersection(&rest.may_allow);
        let left_denied = self.open.possible.intersection(&rest.may_deny);
        Verdict {
            may_allow: self.may_accept.union(&passed_allowed).union(&left_allowed),
            may_deny: self.may_deny.union(&passed_denied).union(&left_denied),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ACTIONS: [Action; 3] = [Action::Accept, Action::Deny, Action::Pass];
    const TRUTHS: [Truth; 3] = [Truth::False, Truth::Unknown, Truth::True];

    fn verdict(is_allowed: Truth) -> Verdict {
        let all = Verdict::certain(ConnectionSet::all());
        let none = Verdict::certain(ConnectionSet::none());
        match is_allowed {
            Truth::True => all,
            Truth::False => none,
            Truth::Unknown => all.either(&none),
        }
    }

    fn truth_of(verdict: &Verdict) -> Truth {
        match (verdict.allowed().is_all(), verdict.denied().is_all()) {
            (true, false) => Truth::True,
            (false, true) => Truth::False,
            _ => Truth::Unknown,
        }
    }

    /// All ways in which every unknown thing of a list may turn out.
    fn completions(truths: &[Truth]) -> Vec<Vec<bool>> {
        truths.iter().fold(vec![Vec::new()], |ways, truth| {
            let values: &[bool] = match truth {
                Truth::False => &[false],
                Truth::True => &[true],
                Truth::Unknown => &[false, true],
            };
            let longer = |way: &Vec<bool>| -> Vec<Vec<bool>> {
                values
                    .iter()
                    .map(|value| [&way[..], &[*value]].concat())
                    .collect()
            };
            ways.iter().flat_map(longer).collect()
        })
    }

    fn common(outcomes: impl Iterator<Item = bool>) -> Truth {
        let outcomes: Vec<bool> = outcomes.collect();
        match (outcomes.iter().all(|is| *is), outcomes.iter().any(|is| *is)) {
            (true, _) => Truth::True,
            (_, false) => Truth::False,
            _ => Truth::Unknown,
        }
    }

    /// Every tier of up to three rules that match, may match or do not match, against the
    /// outcome of every way in which the doubts may be settled.
    #[test]
    fn a_tier_is_certain_where_every_completion_agrees() {
        let rules: Vec<(Action, Truth)> = ACTIONS
            .iter()
            .flat_map(|action| TRUTHS.map(|truth| (*action, truth)))
            .collect();
        let tier = |rules: &[(Action, Truth)], next: Truth| {
            let mut walk = RuleWalk::new();
            for (action, truth) in rules {
                walk.step(*action, &Match::exactly(ConnectionSet::all()).when(*truth));
            }
            truth_of(&walk.finish(&verdict(next), &verdict(next)))
        };
        let settled = |rules: &[(Action, Truth)], way: &[bool]| {
            let (next, matches) = way.split_last().expect("the next tier is the last");
            let first = rules.iter().zip(matches).find(|(_, matches)| **matches);
            match first.map(|((action, _), _)| action) {
                Some(Action::Accept) => true,
                Some(Action::Deny) => false,
                Some(Action::Pass) | None => *next,
            }
        };
        for next in TRUTHS {
            for one in &rules {
                for two in &rules {
                    for three in &rules {
                        let rules = [*one, *two, *three];
                        let truths = [one.1, two.1, three.1, next];
                        let ways = completions(&truths);
                        let expected = common(ways.iter().map(|way| settled(&rules, way)));
                        assert_eq!(tier(&rules, next), expected, "{rules:?} {next:?}");
                    }
                }
            }
        }
    }

    #[test]
    fn sides_and_ways_combine_as_in_three_valued_logic() {
        for one in TRUTHS {
            for other in TRUTHS {
                let (a, b) = (verdict(one), verdict(other));
                assert_eq!(truth_of(&a.and(&b)), one.min(other));
                assert_eq!(truth_of(&a.or(&b)), one.max(other));
                let either = if one == other { one } else { Truth::Unknown };
                assert_eq!(truth_of(&a.either(&b)), either);
            }
        }
    }
}
