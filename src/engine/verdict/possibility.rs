//! What may become of connections, where a part of the input is not known.
//!
//! Refuses to know what is missing; it only keeps certainty and doubt apart.

use crate::engine::ConnectionSet;
use crate::k8s::{Action, Truth};

/// A judgement of every connection to one destination: each is allowed, denied, or not
/// known to be one of both.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
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

/// An ordered tier as it is walked: which connections are decided, and how (S11).
#[derive(Debug)]
pub(super) struct TierWalk {
    /// What may get past the rules so far.
    open: Match,
    may_accept: ConnectionSet,
    may_deny: ConnectionSet,
    may_pass: ConnectionSet,
}

impl TierWalk {
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

    /// The tier's verdict, given that of what comes after it.
    pub(super) fn finish(self, next: &Verdict) -> Verdict {
        let reaches_next = self.open.possible.union(&self.may_pass);
        Verdict {
            may_allow: self
                .may_accept
                .union(&reaches_next.intersection(&next.may_allow)),
            may_deny: self
                .may_deny
                .union(&reaches_next.intersection(&next.may_deny)),
        }
    }
}
