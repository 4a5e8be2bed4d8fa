//! Where chains of connections may lead at all: a quick answer to many questions about one table,
//! most of which can be answered with no.
//!
//! Refuses to find a path, and to say for certain that there is one.

use super::EndSet;
use super::matrix::{FlowMatrix, NodeEnds, NodeId};

/// For each node of a table the nodes that it may open something at, as bits.
#[derive(Clone, Debug)]
pub struct Hops {
    /// How many words the bits of a node take.
    words: usize,
    /// By node.
    rows: Vec<u64>,
}

impl Hops {
    /// The hops in a table. All questions have to be about the same one.
    #[must_use]
    pub fn new(matrix: &FlowMatrix<'_>) -> Self {
        let size = matrix.node_count();
        let words = size.div_ceil(64);
        let mut rows = vec![0; words * size];
        for source in matrix.nodes() {
            let row = &mut rows[source.index() * words..][..words];
            for destination in matrix.nodes() {
                if matrix.set_between(source, destination) != 0 {
                    row[destination.index() / 64] |= 1 << (destination.index() % 64);
                }
            }
        }
        Self { words, rows }
    }

    /// Whether some path may lead from one of the ends to another. Where this is false there is
    /// none, whatever its last hop has to open; where it is true there may be none, as a node
    /// counts as an end if a part of it is one.
    #[must_use]
    pub fn may_lead(&self, matrix: &FlowMatrix<'_>, from: &EndSet, to: &EndSet) -> bool {
        let goals = self.bits_of(matrix, to);
        let mut known = vec![0; self.words];
        let starts = self.bits_of(matrix, from);
        let starts = starts.iter().enumerate();
        let mut next: Vec<usize> = starts
            .flat_map(|(word, bits)| bits_of_word(*bits).map(move |bit| word * 64 + bit))
            .collect();
        while let Some(node) = next.pop() {
            known[node / 64] |= 1 << (node % 64);
            let row = &self.rows[node * self.words..][..self.words];
            for (word, bits) in row.iter().enumerate() {
                if bits & goals[word] != 0 {
                    return true;
                }
                let new = bits & !known[word];
                known[word] |= new;
                // No path leads through the outside.
                let new = bits_of_word(new).map(|bit| word * 64 + bit);
                next.extend(new.filter(|node| !matrix.is_outside(NodeId::new(*node))));
            }
        }
        false
    }

    /// The nodes of which a part is among some ends.
    fn bits_of(&self, matrix: &FlowMatrix<'_>, ends: &EndSet) -> Vec<u64> {
        let mut bits = vec![0; self.words];
        let mut add = |node: NodeId| bits[node.index() / 64] |= 1 << (node.index() % 64);
        for node in ends.workloads().iter().filter_map(|id| matrix.node_of(*id)) {
            add(node);
        }
        for node in matrix.nodes().filter(|node| matrix.is_outside(*node)) {
            let is_one = match matrix.ends(node) {
                NodeEnds::Outside(ranges) => {
                    let mut pairs = ranges.iter().flat_map(|range| {
                        let others = ends.outside().iter();
                        others.map(move |other| (range, other))
                    });
                    pairs.any(|(range, other)| range.overlaps(other))
                }
                NodeEnds::Entity(entity) => ends.has_entity(entity),
                NodeEnds::Workloads(_) => false,
            };
            if is_one {
                add(node);
            }
        }
        bits
    }
}

/// The positions of the bits of a word that are set, in order.
fn bits_of_word(bits: u64) -> impl Iterator<Item = usize> {
    (0..64).filter(move |bit| bits >> bit & 1 == 1)
}
