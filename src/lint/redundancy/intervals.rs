//! Things that each reach from a first to a last place, found by a stretch that they may share
//! without a look at all of them.
//!
//! Refuses to know what the places are: addresses, ports.

/// Things by where they reach.
#[derive(Debug)]
pub(super) struct Intervals<P, T> {
    /// First and last place of each thing, sorted once they are arranged.
    entries: Vec<(P, P, T)>,
    /// The last place that any thing up to each one reaches.
    farthest: Vec<P>,
}

impl<P, T> Default for Intervals<P, T> {
    fn default() -> Self {
        Self {
            entries: Vec::new(),
            farthest: Vec::new(),
        }
    }
}

impl<P: Copy + Ord, T: Ord> Intervals<P, T> {
    /// Adds a thing. Call [`arrange`](Self::arrange) when all are there.
    pub(super) fn push(&mut self, first: P, last: P, thing: T) {
        self.entries.push((first, last, thing));
    }

    /// Makes the things findable.
    pub(super) fn arrange(&mut self) {
        self.entries.sort_unstable();
        let mut farthest: Option<P> = None;
        for (_, last, _) in &self.entries {
            let reached = farthest.map_or(*last, |known| known.max(*last));
            self.farthest.push(reached);
            farthest = Some(reached);
        }
    }

    /// All things that share a place with a stretch, with few others where things are of like
    /// length.
    pub(super) fn near(&self, first: P, last: P) -> &[(P, P, T)] {
        // Everything up to here ends before the stretch starts.
        let from = self.farthest.partition_point(|reached| *reached < first);
        let to = self.entries.partition_point(|(start, ..)| *start <= last);
        self.entries.get(from..to).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_shares_a_place_is_found() {
        let mut intervals = Intervals::default();
        for (thing, (first, last)) in [(5, 6), (1, 2), (2, 9), (20, 30), (12, 12)]
            .into_iter()
            .enumerate()
        {
            intervals.push(first, last, thing);
        }
        intervals.arrange();
        let found = |first, last| {
            let mut found: Vec<usize> = intervals.near(first, last).iter().map(|it| it.2).collect();
            found.sort_unstable();
            found
        };
        assert_eq!(found(1, 1), [1]);
        assert_eq!(found(9, 12), [0, 2, 4]);
        assert!(found(13, 19).is_empty());
        assert_eq!(found(0, 100), [0, 1, 2, 3, 4]);
        assert!(found(31, 40).is_empty());
    }
}
