//! The exit status, which means the same in every command and every format.
//!
//! Refuses to know what was analysed: a command says how it went, and this says which
//! number that is.

use std::process::ExitCode;

/// How a run went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// Everything was analysed, and the answer is good.
    Good,
    /// The answer is no: findings, a flow that is not allowed, a difference.
    No,
    /// Not all of it could be analysed, so that a good answer would be worth nothing.
    Incomplete,
    /// npcheck itself is wrong.
    Bug,
    /// There was nothing to analyse. A green run over nothing would be a lie.
    Nothing,
}

impl Outcome {
    /// `Good` or `No`, as `is_good` says.
    pub(crate) fn answer(is_good: bool) -> Self {
        if is_good { Self::Good } else { Self::No }
    }

    /// The outcome of a run that met a problem besides: that outranks every answer.
    pub(crate) fn with_problems(self, has_problems: bool) -> Self {
        if has_problems { Self::Incomplete } else { self }
    }

    /// The number of the exit status.
    pub(crate) fn code(self) -> u8 {
        match self {
            Self::Good => 0,
            Self::No => 1,
            Self::Incomplete => 2,
            Self::Nothing => 3,
            // The status of a Rust program that panics.
            Self::Bug => 101,
        }
    }
}

impl From<Outcome> for ExitCode {
    fn from(outcome: Outcome) -> Self {
        Self::from(outcome.code())
    }
}

#[cfg(test)]
mod tests {
    use super::Outcome;

    #[test]
    fn a_problem_outranks_every_answer() {
        assert_eq!(Outcome::Bug.code(), 101);
        for outcome in [Outcome::Good, Outcome::No, Outcome::Nothing] {
            assert_eq!(outcome.with_problems(true).code(), 2);
            assert_eq!(outcome.with_problems(false), outcome);
        }
    }
}
