//! How much the tests of one cluster may compare, so that no file of them hangs a run.
//!
//! Refuses to know what is compared.

use std::cell::Cell;

/// More pairs of ends than this are not compared.
const MAX_PAIRS: usize = 20_000_000;

/// Tests of paths that do not pass are looked into one by one, each in a table of its own, until
/// these have had so many cells.
const MAX_CELLS: usize = 50_000_000;

/// How many times faster a test is looked into that needs no table of its own.
const SHARED: usize = 16;

/// What was compared so far.
#[derive(Debug, Default)]
pub(super) struct Spent {
    pairs: Cell<usize>,
    cells: Cell<usize>,
}

impl Spent {
    /// Counts pairs of ends that are compared; else that there are too many.
    pub(super) fn pairs(&self, more: usize) -> Result<(), String> {
        let fit = self.fit(more);
        self.pairs.set(self.pairs.get().saturating_add(more));
        fit
    }

    /// Whether so many pairs may be compared besides, so that a test of too many fails before
    /// the first of them.
    pub(super) fn fit(&self, more: usize) -> Result<(), String> {
        match self.pairs.get().saturating_add(more) > MAX_PAIRS {
            true => Err(format!(
                "the tests compare more than {MAX_PAIRS} pairs of ends: ask for fewer ends"
            )),
            false => Ok(()),
        }
    }

    /// Whether paths may be looked for in one more table.
    pub(super) fn may_look(&self) -> Result<(), String> {
        match self.cells.get() > MAX_CELLS {
            true => Err(
                "too many tests of paths do not pass at once: split the file of tests".to_owned(),
            ),
            false => Ok(()),
        }
    }

    /// Counts a table of so many nodes, in which paths are looked for.
    pub(super) fn table(&self, nodes: usize, is_shared: bool) {
        let cells = nodes.saturating_pow(2) / if is_shared { SHARED } else { 1 };
        self.cells.set(self.cells.get().saturating_add(cells));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pairs_are_compared_up_to_a_limit() {
        let spent = Spent::default();
        assert_eq!(spent.pairs(MAX_PAIRS - 1), Ok(()));
        assert!(spent.fit(2).is_err());
        assert_eq!(spent.pairs(1), Ok(()));
        let limit = "the tests compare more than 20000000 pairs of ends: ask for fewer ends";
        assert_eq!(spent.pairs(1), Err(limit.to_owned()));
        // It stays so, whatever else is asked.
        assert!(spent.pairs(0).is_err());
        assert!(spent.pairs(usize::MAX).is_err());
        assert_eq!(spent.may_look(), Ok(()));
    }

    #[test]
    fn paths_are_looked_for_up_to_a_limit() {
        let limit = "too many tests of paths do not pass at once: split the file of tests";
        for (is_shared, tables) in [(false, 51), (true, 801)] {
            let spent = Spent::default();
            for _ in 0..tables {
                assert_eq!(spent.may_look(), Ok(()));
                spent.table(1_000, is_shared);
            }
            assert_eq!(spent.may_look(), Err(limit.to_owned()));
        }
        let spent = Spent::default();
        spent.table(usize::MAX, false);
        assert!(spent.may_look().is_err());
        assert_eq!(spent.pairs(1), Ok(()));
    }
}
