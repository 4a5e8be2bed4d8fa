//! Sets of neighbouring ids as runs, and functions of ids that are constant on runs.
//! Ids are handed out so that what belongs together stands together, which makes
//! `namespaceSelector: {}` one run and a namespace another.
//!
//! Refuses to know what the ids stand for.

/// A set of ids as half-open runs: sorted, none empty, none touching the next.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct Runs {
    runs: Vec<(u32, u32)>,
}

impl Runs {
    /// The ids `start..end`.
    pub(super) fn one(start: u32, end: u32) -> Self {
        let mut runs = Self::default();
        runs.push(start, end);
        runs
    }

    /// The ids of runs in any order, which may overlap.
    pub(super) fn from_unsorted(mut runs: Vec<(u32, u32)>) -> Self {
        runs.sort_unstable();
        let mut merged = Self::default();
        for (start, end) in runs {
            merged.push(start, end);
        }
        merged
    }

    /// Adds the ids `start..end`; `start` must not lie before that of the last run.
    pub(super) fn push(&mut self, start: u32, end: u32) {
        if start >= end {
            return;
        }
        match self.runs.last_mut() {
            Some(last) if start <= last.1 => last.1 = last.1.max(end),
            _ => self.runs.push((start, end)),
        }
    }

    /// Whether no id is in the set.
    pub(super) fn is_empty(&self) -> bool {
        self.runs.is_empty()
    }

    /// The runs, in order.
    pub(super) fn as_slice(&self) -> &[(u32, u32)] {
        &self.runs
    }

    /// Every id, in order.
    pub(super) fn ids(&self) -> impl Iterator<Item = u32> {
        self.runs.iter().flat_map(|(start, end)| *start..*end)
    }

    /// Whether the id is in the set.
    pub(super) fn contains(&self, id: u32) -> bool {
        let next = self.runs.partition_point(|(start, _)| *start <= id);
        next > 0 && id < self.runs[next - 1].1
    }

    /// The set without the ids of `sorted`.
    pub(super) fn without(&self, sorted: impl IntoIterator<Item = u32>) -> Self {
        let mut rest = Self::default();
        let mut holes = sorted.into_iter().peekable();
        for (start, end) in &self.runs {
            let mut start = *start;
            while let Some(hole) = holes.next_if(|hole| hole < end) {
                rest.push(start, hole.min(*end));
                start = start.max(hole + 1);
            }
            rest.push(start, *end);
        }
        rest
    }

    /// The runs of the images under a growing function of ids, where the image of a run
    /// `start..end` is `image(start)..image(end)`.
    pub(super) fn map(&self, image: impl Fn(u32) -> u32) -> Self {
        let mut mapped = Self::default();
        for (start, end) in &self.runs {
            mapped.push(image(*start), image(*end));
        }
        mapped
    }
}

/// Collects sorted ids.
impl FromIterator<u32> for Runs {
    fn from_iter<I: IntoIterator<Item = u32>>(sorted: I) -> Self {
        let mut runs = Self::default();
        for id in sorted {
            runs.push(id, id + 1);
        }
        runs
    }
}

/// A function of ids that is constant on pieces. Canonical: the first piece starts at 0,
/// the last one never ends, and neighbours have different values.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Pieces<T> {
    pieces: Vec<(u32, T)>,
}

impl<T: Copy + Eq> Pieces<T> {
    /// The same value everywhere.
    pub(super) fn constant(value: T) -> Self {
        Self {
            pieces: vec![(0, value)],
        }
    }

    /// One value on the runs, another elsewhere.
    pub(super) fn on(runs: &Runs, inside: T, outside: T) -> Self {
        let values = runs
            .as_slice()
            .iter()
            .map(|(start, end)| (*start, *end, inside));
        Self::from_values(values, outside)
    }

    /// Given values on sorted, disjoint runs, another value elsewhere.
    pub(super) fn from_values(
        values: impl IntoIterator<Item = (u32, u32, T)>,
        elsewhere: T,
    ) -> Self {
        let mut function = Self { pieces: Vec::new() };
        let mut reached = 0;
        for (start, end, value) in values {
            if reached < start {
                function.push(reached, elsewhere);
            }
            function.push(start, value);
            reached = end;
        }
        function.push(reached, elsewhere);
        function
    }

    /// The value at an id.
    pub(super) fn at(&self, id: u32) -> T {
        self.pieces[self.place(id)].1
    }

    /// The value at an id, and where the piece ends that has it; the last one ends behind every
    /// id.
    pub(super) fn piece(&self, id: u32) -> (T, u32) {
        let place = self.place(id);
        let next = self.pieces.get(place + 1);
        (self.pieces[place].1, next.map_or(u32::MAX, |next| next.0))
    }

    /// The pieces that meet `start..end`, cut to it: where each starts, ends, and its
    /// value.
    pub(super) fn within(&self, start: u32, end: u32) -> impl Iterator<Item = (u32, u32, T)> {
        let first = self.place(start);
        let last = if end > start {
            self.place(end - 1) + 1
        } else {
            first
        };
        (first..last).map(move |place| {
            let (piece_start, value) = self.pieces[place];
            let piece_end = self.pieces.get(place + 1).map_or(end, |next| next.0);
            (piece_start.max(start), piece_end.min(end), value)
        })
    }

    /// The function of both values.
    pub(super) fn combine<U: Copy + Eq, V: Copy + Eq>(
        &self,
        other: &Pieces<U>,
        mut value: impl FnMut(T, U) -> V,
    ) -> Pieces<V> {
        let mut combined = Pieces {
            pieces: Vec::with_capacity(self.pieces.len().max(other.pieces.len())),
        };
        let (mut left, mut right) = (0, 0);
        let mut start = 0;
        loop {
            combined.push(start, value(self.pieces[left].1, other.pieces[right].1));
            let next = |pieces: Option<u32>| pieces.unwrap_or(u32::MAX);
            let after_left = next(self.pieces.get(left + 1).map(|piece| piece.0));
            let after_right = next(other.pieces.get(right + 1).map(|piece| piece.0));
            start = after_left.min(after_right);
            if start == u32::MAX {
                return combined;
            }
            left += usize::from(after_left == start);
            right += usize::from(after_right == start);
        }
    }

    /// The function of the values.
    pub(super) fn map<V: Copy + Eq>(&self, mut value: impl FnMut(T) -> V) -> Pieces<V> {
        let mut mapped = Pieces {
            pieces: Vec::with_capacity(self.pieces.len()),
        };
        for (start, old) in &self.pieces {
            mapped.push(*start, value(*old));
        }
        mapped
    }

    /// Gives back the memory that it does not need.
    pub(super) fn shrink(mut self) -> Self {
        self.pieces.shrink_to_fit();
        self
    }

    fn place(&self, id: u32) -> usize {
        self.pieces.partition_point(|(start, _)| *start <= id) - 1
    }

    fn push(&mut self, start: u32, value: T) {
        match self.pieces.last() {
            Some(last) if last.1 == value => {}
            last => {
                debug_assert!(last.is_none_or(|last| last.0 < start), "no piece is empty");
                self.pieces.push((start, value));
            }
        }
    }
}

/// Combines many functions, in order and in pairs, so that none is walked more often than
/// the logarithm of their number; `None` if there is none.
pub(super) fn combine_all<T: Copy + Eq>(
    mut functions: Vec<Pieces<T>>,
    mut value: impl FnMut(T, T) -> T,
) -> Option<Pieces<T>> {
    while functions.len() > 1 {
        let mut halved = Vec::with_capacity(functions.len().div_ceil(2));
        let mut rest = functions.into_iter();
        while let Some(left) = rest.next() {
            halved.push(match rest.next() {
                Some(right) => left.combine(&right, &mut value),
                None => left,
            });
        }
        functions = halved;
    }
    functions.pop()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runs_merge_what_touches() {
        assert_eq!(
            Runs::from_unsorted(vec![(5, 6), (0, 2), (2, 3), (1, 2), (7, 7)]).as_slice(),
            [(0, 3), (5, 6)]
        );
        assert_eq!(
            [1, 2, 3, 9].into_iter().collect::<Runs>().as_slice(),
            [(1, 4), (9, 10)]
        );
    }

    #[test]
    fn runs_lose_single_ids() {
        let runs = Runs::from_unsorted(vec![(0, 5), (8, 10)]);
        assert_eq!(
            runs.without([0, 2, 4, 6, 7, 8]).as_slice(),
            [(1, 2), (3, 4), (9, 10)]
        );
        assert_eq!(runs.without([]), runs);
        assert_eq!(runs.without(0..10), Runs::default());
        let contained: Vec<u32> = (0..12).filter(|id| runs.contains(*id)).collect();
        assert_eq!(contained, runs.ids().collect::<Vec<_>>());
    }

    #[test]
    fn functions_agree_with_their_values_at_every_id() {
        let a = Pieces::on(&Runs::from_unsorted(vec![(0, 3), (5, 8)]), 'a', '-');
        let b = Pieces::from_values([(2, 5, 'b'), (5, 6, 'c')], '-');
        let both = a.combine(&b, |left, right| (left, right));
        for id in 0..12 {
            assert_eq!(both.at(id), (a.at(id), b.at(id)), "{id}");
        }
        let within: Vec<_> = b.within(3, 7).collect();
        assert_eq!(within, [(3, 5, 'b'), (5, 6, 'c'), (6, 7, '-')]);
        assert_eq!(b.within(3, 3).count(), 0);
        let pieces = [0, 2, 4, 5, 6, 11].map(|id| b.piece(id));
        let (b, c) = (('b', 5), ('c', 6));
        assert_eq!(
            pieces,
            [('-', 2), b, b, c, ('-', u32::MAX), ('-', u32::MAX)]
        );
        assert_eq!(a.map(|_| 0), Pieces::constant(0));
    }
}
