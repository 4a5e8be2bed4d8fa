//! Pairs as products of sets, as large as they can be: `a` and `b` to `c` and `d` instead
//! of four pairs. Every pair is in exactly one product.
//!
//! Refuses to know what the pairs stand for.

use std::collections::{BTreeMap, BTreeSet};

/// Some sources, each with each of some destinations.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Product {
    pub(super) sources: Vec<usize>,
    pub(super) destinations: Vec<usize>,
}

/// With more distinct rows than this, only rows that are equal are brought together: looking
/// for the largest product is quadratic in them.
const MAX_DISTINCT_ROWS: usize = 120;

/// The pairs as products, large ones first. `weight` is how much a source or a destination
/// stands for.
pub(super) fn products(
    pairs: impl IntoIterator<Item = (usize, usize)>,
    weight: impl Fn(usize) -> usize,
) -> Vec<Product> {
    let mut rows: BTreeMap<usize, BTreeSet<usize>> = BTreeMap::new();
    for (source, destination) in pairs {
        rows.entry(source).or_default().insert(destination);
    }
    let mut products = Vec::new();
    while !rows.is_empty() {
        let distinct: BTreeSet<&BTreeSet<usize>> = rows.values().collect();
        if distinct.len() > MAX_DISTINCT_ROWS {
            products.extend(equal_rows(&rows));
            break;
        }
        let total =
            |of: &mut dyn Iterator<Item = &usize>| of.map(|one| weight(*one)).sum::<usize>();
        let candidate = |destinations: &BTreeSet<usize>| {
            let holds = |row: &&BTreeSet<usize>| destinations.is_subset(row);
            let sources = rows.iter().filter(|(_, row)| holds(row));
            let sources: Vec<usize> = sources.map(|(source, _)| *source).collect();
            let size = total(&mut sources.iter()) * total(&mut destinations.iter());
            (size, sources)
        };
        // A row, or what a row has in common with another one.
        let mut best: Option<(usize, Vec<usize>, BTreeSet<usize>)> = None;
        for (place, row) in distinct.iter().enumerate() {
            let shared = distinct.iter().skip(place).map(|other| &**row & *other);
            for destinations in shared.filter(|shared| !shared.is_empty()) {
                let (size, sources) = candidate(&destinations);
                if best.as_ref().is_none_or(|(known, _, _)| size > *known) {
                    best = Some((size, sources, destinations));
                }
            }
        }
        let Some((_, sources, destinations)) = best else {
            break;
        };
        for source in &sources {
            if let Some(row) = rows.get_mut(source) {
                *row = &*row - &destinations;
            }
        }
        rows.retain(|_, row| !row.is_empty());
        products.push(Product {
            sources,
            destinations: destinations.into_iter().collect(),
        });
    }
    products
}

fn equal_rows(rows: &BTreeMap<usize, BTreeSet<usize>>) -> Vec<Product> {
    let mut by_row: BTreeMap<&BTreeSet<usize>, Vec<usize>> = BTreeMap::new();
    for (source, row) in rows {
        by_row.entry(row).or_default().push(*source);
    }
    let product = |(row, sources): (&BTreeSet<usize>, Vec<usize>)| Product {
        sources,
        destinations: row.iter().copied().collect(),
    };
    by_row.into_iter().map(product).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

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
            let found = products(pairs.iter().copied(), |_| 1);
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
