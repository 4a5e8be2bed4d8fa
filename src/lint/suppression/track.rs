//! Which suppressions count for a place, found without a look at all of them: a file may
//! hold thousands of either.
//!
//! Refuses to know what a suppression says: it is told where each counts.

use std::cell::Cell;

/// Suppressions of one rule in one text, by where they count. Those that count for a whole
/// document and those that count for a line are kept in tracks of their own: a wide one would
/// make every search for narrow ones begin at the start of the text.
#[derive(Debug, Default)]
pub(super) struct Track {
    entries: Vec<Entry>,
    /// By entry: the farthest end of it and all before it.
    reach: Vec<u32>,
    /// By entry: itself, or one behind it, from where the next idle one is looked for.
    next_idle: Vec<Cell<usize>>,
}

/// A suppression, and the places that it counts for, both inclusive.
#[derive(Clone, Copy, Debug)]
pub(super) struct Entry {
    /// The first place.
    pub(super) first: u32,
    /// The last place.
    pub(super) last: u32,
    /// Which suppression it is, by its position in the text.
    pub(super) number: usize,
    /// Whether it is in force.
    pub(super) is_in_force: bool,
}

impl Track {
    /// The track of these.
    pub(super) fn new(mut entries: Vec<Entry>) -> Self {
        entries.sort_by_key(|entry| (entry.first, entry.number));
        let mut farthest = 0;
        let reach = entries.iter().map(|entry| {
            farthest = farthest.max(entry.last);
            farthest
        });
        Self {
            reach: reach.collect(),
            next_idle: (0..=entries.len()).map(Cell::new).collect(),
            entries,
        }
    }

    /// The first one that counts for `place`, is in force, and of which `covers` says so too.
    pub(super) fn in_force(&self, place: u32, covers: impl Fn(usize) -> bool) -> Option<usize> {
        let window = self.window(place);
        let found = self.entries[window]
            .iter()
            .find(|entry| entry.is_in_force && entry.last >= place && covers(entry.number));
        found.map(|entry| entry.number)
    }

    /// Calls `mark` with each that counts for `place` and was not marked before; `mark` says
    /// whether it took it.
    pub(super) fn mark(&self, place: u32, mut mark: impl FnMut(usize) -> bool) {
        let window = self.window(place);
        let mut index = self.idle_from(window.start);
        while index < window.end {
            let entry = &self.entries[index];
            if entry.last >= place && mark(entry.number) {
                self.next_idle[index].set(index + 1);
            }
            index = self.idle_from(index + 1);
        }
    }

    /// The entries among which all that count for `place` are.
    fn window(&self, place: u32) -> std::ops::Range<usize> {
        let from = self.reach.partition_point(|last| *last < place);
        let to = self.entries.partition_point(|entry| entry.first <= place);
        from..to.max(from)
    }

    /// The first one at or behind `index` that was not marked; paths are made shorter on the way.
    fn idle_from(&self, index: usize) -> usize {
        let mut end = index;
        while self.next_idle[end].get() != end {
            end = self.next_idle[end].get();
        }
        let mut step = index;
        while step != end {
            step = self.next_idle[step].replace(end);
        }
        end
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lint::containment::sample::Dice;
    use std::collections::BTreeSet;

    /// Against a look at every entry, for random entries and places.
    #[test]
    fn a_track_finds_what_a_look_at_everything_finds() {
        let mut dice = Dice(11);
        let mut found = 0;
        for _ in 0..300 {
            let count = dice.below(12) as usize;
            let entries: Vec<Entry> = (0..count)
                .map(|number| {
                    let first = dice.below(20) as u32;
                    Entry {
                        first,
                        last: first + dice.below(8) as u32,
                        number,
                        is_in_force: dice.below(3) > 0,
                    }
                })
                .collect();
            let track = Track::new(entries.clone());
            let mut marked = BTreeSet::new();
            for _ in 0..10 {
                let place = dice.below(30) as u32;
                let counts = |entry: &&Entry| (entry.first..=entry.last).contains(&place);
                let expected = entries
                    .iter()
                    .filter(counts)
                    .filter(|entry| entry.is_in_force)
                    .min_by_key(|entry| (entry.first, entry.number));
                let answer = track.in_force(place, |_| true);
                assert_eq!(answer, expected.map(|entry| entry.number));
                found += usize::from(answer.is_some());
                let mut newly = BTreeSet::new();
                track.mark(place, |number| newly.insert(number));
                let all: BTreeSet<usize> = entries
                    .iter()
                    .filter(counts)
                    .map(|entry| entry.number)
                    .collect();
                assert_eq!(newly, &all - &marked);
                marked.extend(newly);
            }
        }
        assert!(found > 300, "only {found} were found");
    }
}
