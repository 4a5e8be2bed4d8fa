//! Pairs as products of sets, as large as they can be: `a` and `b` to `c` and `d` instead
//! of four pairs. Every pair is in exactly one product.
//!
//! Refuses to know what the pairs stand for.

use std::cmp::Ordering;
use std::collections::HashMap;

/// Some sources, each with each of some destinations.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Product {
    pub(super) sources: Vec<usize>,
    pub(super) destinations: Vec<usize>,
}

/// With more distinct rows than this, only rows that are equal are brought together: looking
/// for the largest product is quadratic in them.
const MAX_DISTINCT_ROWS: usize = 120;

/// How many words of 64 destinations may be compared for all products of a comparison. After
/// that, only rows that are equal are brought together.
const MAX_WORDS: usize = 1 << 27;

/// The search for products, and what it may still cost.
#[derive(Debug)]
pub(super) struct Products<W> {
    weight: W,
    words: usize,
}

/// The sources that have a row in common.
struct Row {
    sources: Vec<usize>,
    /// How much these stand for.
    weight: usize,
    destinations: Bits,
}

impl<W: Fn(usize) -> usize> Products<W> {
    /// `weight` is how much a source or a destination stands for.
    pub(super) fn new(weight: W) -> Self {
        Self {
            weight,
            words: MAX_WORDS,
        }
    }

    /// Sources with their destinations, both in order, as products: large ones first.
    pub(super) fn of(&mut self, rows: Vec<(usize, Vec<usize>)>) -> Vec<Product> {
        let mut by_row: HashMap<Vec<usize>, Vec<usize>> = HashMap::new();
        for (source, row) in rows {
            by_row.entry(row).or_default().push(source);
        }
        let mut equal: Vec<Product> = by_row
            .into_iter()
            .map(|(destinations, sources)| Product {
                sources,
                destinations,
            })
            .collect();
        equal.sort_unstable_by(|one, other| one.destinations.cmp(&other.destinations));
        if equal.len() < 2 || equal.len() > MAX_DISTINCT_ROWS {
            return equal;
        }
        self.largest(&equal)
    }

    /// The products of distinct rows, which are in order.
    fn largest(&mut self, equal: &[Product]) -> Vec<Product> {
        let mut columns: Vec<usize> = equal
            .iter()
            .flat_map(|row| row.destinations.iter().copied())
            .collect();
        columns.sort_unstable();
        columns.dedup();
        let weights: Vec<usize> = columns
            .iter()
            .map(|column| (self.weight)(*column))
            .collect();
        let row = |product: &Product| Row {
            weight: product.sources.iter().map(|one| (self.weight)(*one)).sum(),
            sources: product.sources.clone(),
            destinations: Bits::new(&columns, &product.destinations),
        };
        let mut rows: Vec<Row> = equal.iter().map(row).collect();
        let mut products = Vec::new();
        let mut add = |mut sources: Vec<usize>, destinations: &Bits| {
            sources.sort_unstable();
            products.push(Product {
                sources,
                destinations: destinations.places().map(|place| columns[place]).collect(),
            });
        };
        while !rows.is_empty() {
            let Some(best) = self.best(&rows, &weights) else {
                for row in rows {
                    add(row.sources, &row.destinations);
                }
                break;
            };
            let mut sources = Vec::new();
            for row in &mut rows {
                if best.is_subset(&row.destinations) {
                    sources.extend_from_slice(&row.sources);
                    row.destinations.remove(&best);
                }
            }
            add(sources, &best);
            rows.retain(|row| !row.destinations.is_empty());
            rows.sort_by(|one, other| one.destinations.cmp(&other.destinations));
            rows.dedup_by(|next, row| {
                let is_same = next.destinations == row.destinations;
                if is_same {
                    row.sources.append(&mut next.sources);
                    row.weight += next.weight;
                }
                is_same
            });
        }
        products
    }

    /// The destinations of the largest product: those of a row, or those that a row has in
    /// common with another one. `None` where looking for it costs too much.
    fn best(&mut self, rows: &[Row], weights: &[usize]) -> Option<Bits> {
        let all: usize = rows.iter().map(|row| row.weight).sum();
        let mut best: Option<(usize, Bits)> = None;
        for (place, row) in rows.iter().enumerate() {
            for other in &rows[place..] {
                let shared = row.destinations.common(&other.destinations);
                let width: usize = shared.places().map(|place| weights[place]).sum();
                self.words = self.words.saturating_sub(shared.0.len() * 2);
                let known = best.as_ref().map_or(0, |(size, _)| *size);
                // Even if all sources had them, it would not be larger.
                if width * all <= known {
                    continue;
                }
                self.words = self.words.checked_sub(shared.0.len() * rows.len())?;
                let holding = rows
                    .iter()
                    .filter(|row| shared.is_subset(&row.destinations));
                let size = width * holding.map(|row| row.weight).sum::<usize>();
                if size > known {
                    best = Some((size, shared));
                }
            }
        }
        best.map(|(_, destinations)| destinations)
    }
}

/// Places in a list, one bit each.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Bits(Vec<u64>);

impl Bits {
    /// Where the members stand among all; both are in order.
    fn new(all: &[usize], members: &[usize]) -> Self {
        let mut words = vec![0; all.len().div_ceil(64)];
        for member in members {
            let place = all.binary_search(member);
            let place = place.expect("all holds the destinations of each row");
            words[place / 64] |= 1 << (place % 64);
        }
        Self(words)
    }

    fn is_empty(&self) -> bool {
        self.0.iter().all(|word| *word == 0)
    }

    fn common(&self, other: &Self) -> Self {
        let words = self.0.iter().zip(&other.0);
        Self(words.map(|(one, other)| one & other).collect())
    }

    fn is_subset(&self, other: &Self) -> bool {
        let mut words = self.0.iter().zip(&other.0);
        words.all(|(one, other)| one & !other == 0)
    }

    fn remove(&mut self, other: &Self) {
        for (word, other) in self.0.iter_mut().zip(&other.0) {
            *word &= !other;
        }
    }

    /// The places, in order.
    fn places(&self) -> impl Iterator<Item = usize> {
        let words = self.0.iter().enumerate();
        words.flat_map(|(place, word)| {
            let mut left = *word;
            std::iter::from_fn(move || {
                let bit = (left != 0).then(|| left.trailing_zeros() as usize)?;
                left &= left - 1;
                Some(place * 64 + bit)
            })
        })
    }

    /// The order of the lists of places.
    fn cmp(&self, other: &Self) -> Ordering {
        self.places().cmp(other.places())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    fn rows_of(pairs: &[(usize, usize)]) -> Vec<(usize, Vec<usize>)> {
        let mut rows: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
        for (source, destination) in pairs {
            rows.entry(*source).or_default().push(*destination);
        }
        rows.into_iter().collect()
    }

    #[test]
    fn products_are_large_and_hold_each_pair_once() {
        let table: &[(&[(usize, usize)], usize)] = &[
            (&[], 0),
            (&[(1, 2)], 1),
            (&[(1, 1), (1, 2), (2, 1), (2, 2)], 1),
            // A cross: the long arm is one product, each short one another.
            (&[(1, 5), (2, 5), (3, 5), (2, 4), (2, 6)], 2),
            (&[(1, 1), (2, 2), (3, 3)], 3),
        ];
        for (pairs, expected) in table {
            let found = Products::new(|_| 1).of(rows_of(pairs));
            let mut expanded: Vec<(usize, usize)> = found
                .iter()
                .flat_map(|one| {
                    let destinations = &one.destinations;
                    one.sources
                        .iter()
                        .flat_map(move |a| destinations.iter().map(|b| (*a, *b)))
                })
                .collect();
            expanded.sort_unstable();
            let mut pairs = pairs.to_vec();
            pairs.sort_unstable();
            assert_eq!(expanded, pairs);
            assert_eq!(found.len(), *expected, "{pairs:?}");
        }
    }
}
