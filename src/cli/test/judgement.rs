//! How a test came out, and the facts that it is told by.
//!
//! Refuses to judge.

use crate::output::TestStatus;

/// How a test came out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Judgement {
    pub(super) status: TestStatus,
    pub(super) details: Vec<String>,
}

/// More facts than this are counted.
const MAX_DETAILS: usize = 5;

/// What is not as expected: the first few facts in words, and how many more there are.
#[derive(Debug, Default)]
pub(super) struct Facts {
    told: Vec<String>,
    more: usize,
}

impl Facts {
    /// Adds a fact; its words are only asked for if they are told.
    pub(super) fn add(&mut self, words: impl FnOnce() -> String) {
        match self.told.len() < MAX_DETAILS {
            true => self.told.push(words()),
            false => self.more += 1,
        }
    }

    fn details(mut self) -> Vec<String> {
        if self.more > 0 {
            self.told.push(format!("and {} more", self.more));
        }
        self.told
    }
}

impl FromIterator<String> for Facts {
    fn from_iter<T: IntoIterator<Item = String>>(facts: T) -> Self {
        let mut all = Self::default();
        for fact in facts {
            all.add(|| fact);
        }
        all
    }
}

impl Judgement {
    fn new(status: TestStatus, facts: Facts) -> Self {
        Self {
            status,
            details: facts.details(),
        }
    }

    pub(super) fn is_failed(&self) -> bool {
        self.status == TestStatus::Failed
    }

    pub(super) fn passed() -> Self {
        Self::new(TestStatus::Passed, Facts::default())
    }

    pub(super) fn failed(facts: Facts) -> Self {
        Self::new(TestStatus::Failed, facts)
    }

    pub(super) fn unknown(facts: Facts) -> Self {
        Self::new(TestStatus::Unknown, facts)
    }

    pub(super) fn error(message: String) -> Self {
        Self {
            status: TestStatus::Error,
            details: vec![message],
        }
    }

    /// What follows from facts that are certain and those that may be.
    pub(super) fn decided(failed: Facts, unknown: Facts) -> Self {
        match (failed.told.is_empty(), unknown.told.is_empty()) {
            (false, _) => Self::failed(failed),
            (true, false) => Self::unknown(unknown),
            (true, true) => Self::passed(),
        }
    }

    /// What both come to: the worse one decides.
    pub(super) fn and(self, other: Self) -> Self {
        let status = self.status.max(other.status);
        let details = [self, other].into_iter().filter(|one| one.status == status);
        let details = details.flat_map(|one| one.details).collect();
        Self { status, details }
    }
}
