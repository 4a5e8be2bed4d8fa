//! How much looking a question may cost, so that no input makes a run hang.
//!
//! Refuses to know what is looked at.

/// Steps that are left. Whoever has none left says no.
#[derive(Clone, Copy, Debug)]
pub struct Budget(u64);

impl Budget {
    /// A budget of this many steps.
    #[must_use]
    pub fn new(steps: u64) -> Self {
        Self(steps)
    }

    /// Takes steps off; none are left where there were fewer.
    pub fn spend(&mut self, steps: u64) {
        self.0 = self.0.saturating_sub(steps);
    }

    /// The steps that are left.
    #[must_use]
    pub fn left(self) -> u64 {
        self.0
    }

    /// Whether there are none left.
    #[must_use]
    pub fn is_spent(self) -> bool {
        self.0 == 0
    }
}
