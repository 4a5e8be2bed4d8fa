//! Which texts something builds together, so that their objects are in force side by side
//! wherever they lie.
//!
//! Refuses to know what builds them, and how.

use super::Cluster;
use crate::source::SourceId;
use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

/// The texts of each root of a cluster.
#[derive(Clone, Debug, Default)]
pub struct BuiltTogether(HashMap<SourceId, Vec<u32>>, u32);

impl BuiltTogether {
    /// Adds the texts of one more root.
    pub fn add(&mut self, texts: BTreeSet<SourceId>) {
        let Self(roots, count) = self;
        for text in texts {
            roots.entry(text).or_default().push(*count);
        }
        *count += 1;
    }

    /// Whether one root builds objects of both texts.
    #[must_use]
    pub fn are(&self, one: SourceId, other: SourceId) -> bool {
        let Self(roots, _) = self;
        let [one, other] = [one, other].map(|text| roots.get(&text).map_or(&[][..], Vec::as_slice));
        one.iter().any(|root| other.contains(root))
    }
}

impl Cluster {
    /// The same, with what its roots build together.
    #[must_use]
    pub fn with_built_together(mut self, built: Arc<BuiltTogether>) -> Self {
        self.built_together = built;
        self
    }

    /// Whether objects of both texts are known to be deployed together: one root builds them.
    #[must_use]
    pub fn are_built_together(&self, one: SourceId, other: SourceId) -> bool {
        self.built_together.are(one, other)
    }
}

#[cfg(test)]
mod tests {
    use super::BuiltTogether;
    use crate::source::SourceMap;
    use std::collections::BTreeSet;

    #[test]
    fn texts_of_one_root_are_together() {
        let mut sources = SourceMap::default();
        let [base, dev, prod, alone] =
            ["base", "dev", "prod", "alone"].map(|it| sources.add(it, ""));
        let mut built = BuiltTogether::default();
        built.add(BTreeSet::from([base, dev]));
        built.add(BTreeSet::from([base, prod]));
        assert!(built.are(base, dev) && built.are(prod, base));
        assert!(!built.are(dev, prod), "by two roots");
        assert!(!built.are(alone, alone), "by none");
    }
}
