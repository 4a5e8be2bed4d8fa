//! Which texts something builds together, so that their objects are in force side by side
//! wherever they lie.
//!
//! Refuses to know what builds them, and how.

use super::Cluster;
use crate::source::SourceId;
use std::collections::BTreeSet;
use std::sync::Arc;

/// The texts of each root of a cluster: pairs of a text and the number of a root, sorted.
#[derive(Clone, Debug, Default)]
pub struct BuiltTogether(Box<[(SourceId, u32)]>);

impl BuiltTogether {
    /// Whether one root builds objects of both texts.
    #[must_use]
    pub fn are(&self, one: SourceId, other: SourceId) -> bool {
        let [one, other] = [one, other].map(|text| self.roots_of(text));
        one.iter()
            .any(|(_, root)| other.iter().any(|(_, its)| its == root))
    }

    fn roots_of(&self, text: SourceId) -> &[(SourceId, u32)] {
        let Self(pairs) = self;
        let first = pairs.partition_point(|(its, _)| *its < text);
        let end = pairs.partition_point(|(its, _)| *its <= text);
        &pairs[first..end]
    }
}

impl<T: IntoIterator<Item = SourceId>> FromIterator<T> for BuiltTogether {
    /// Of the texts of each root.
    fn from_iter<R: IntoIterator<Item = T>>(roots: R) -> Self {
        let roots = roots.into_iter().zip(0..);
        let pairs = roots.flat_map(|(texts, root)| texts.into_iter().map(move |it| (it, root)));
        let pairs: BTreeSet<(SourceId, u32)> = pairs.collect();
        Self(pairs.into_iter().collect())
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

    #[test]
    fn texts_of_one_root_are_together() {
        let mut sources = SourceMap::default();
        let [base, dev, prod, alone] =
            ["base", "dev", "prod", "alone"].map(|it| sources.add(it, ""));
        let built: BuiltTogether = [[base, dev], [base, prod]].into_iter().collect();
        assert!(built.are(base, dev) && built.are(prod, base));
        assert!(!built.are(dev, prod), "by two roots");
        assert!(!built.are(alone, alone), "by none");
    }
}
