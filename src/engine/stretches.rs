//! Things that each are about some stretches of places, found by a place without a look at all of
//! them.
//!
//! Refuses to know what the places are: columns, addresses.

use std::ops::Range;

/// Things by the places that they are about.
#[derive(Debug)]
pub(super) struct Stretches {
    /// A tree: the node `places + place` is about one place, and `node / 2` about all that
    /// `node` is about, and more. A stretch is on as few nodes as can be.
    nodes: Vec<Vec<u32>>,
    places: usize,
}

impl Stretches {
    /// For so many places, about which nothing is yet.
    pub(super) fn new(places: usize) -> Self {
        Self {
            nodes: vec![Vec::new(); 2 * places],
            places,
        }
    }

    /// Adds a thing that is about a stretch of places.
    pub(super) fn add(&mut self, stretch: Range<usize>, thing: u32) {
        let (mut start, mut end) = (stretch.start + self.places, stretch.end + self.places);
        while start < end {
            if start % 2 == 1 {
                self.nodes[start].push(thing);
                start += 1;
            }
            if end % 2 == 1 {
                end -= 1;
                self.nodes[end].push(thing);
            }
            (start, end) = (start / 2, end / 2);
        }
    }

    /// The things that are about a place, in no particular order; one that was added with
    /// several stretches that have the place comes as often.
    pub(super) fn at(&self, place: usize) -> impl Iterator<Item = u32> {
        let above = |node: &usize| (*node > 1).then_some(node / 2);
        let nodes = std::iter::successors(Some(self.places + place), above);
        nodes.flat_map(|node| self.nodes[node].iter().copied())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_that_is_about_a_place_is_found_there() {
        for places in 1..12 {
            let mut stretches = Stretches::new(places);
            let all = (0..places).flat_map(|start| (start..=places).map(move |end| start..end));
            let all: Vec<Range<usize>> = all.collect();
            for (thing, stretch) in (0..).zip(&all) {
                stretches.add(stretch.clone(), thing);
            }
            for place in 0..places {
                let mut found: Vec<u32> = stretches.at(place).collect();
                found.sort_unstable();
                let about = (0..).zip(&all).filter(|(_, it)| it.contains(&place));
                let about: Vec<u32> = about.map(|(thing, _)| thing).collect();
                assert_eq!(found, about, "{place} of {places}");
            }
        }
    }
}
