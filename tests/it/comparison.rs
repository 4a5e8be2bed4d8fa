//! The comparison of two clusters, held against both relations on random clusters: its lines
//! expand to exactly the pairs that differ, and what it blames is to blame.

use super::clusters::{self, Random, changed};
use super::laws::{self, PLUGINS};
use npcheck::cluster::{Cluster, Cni, WorkloadId};
use npcheck::engine::{
    AddressRange, ConnectionSet, Endpoint, Engine, Pair, address_atoms, explain,
};
use npcheck::graph::{Blame, BlamedEnd, Comparison, ComparisonQuery, LineEnds, Move};
use npcheck::k8s::{Direction, Object, WorkloadKind};
use rayon::prelude::*;
use std::collections::BTreeMap;

const PAIRS: u64 = 600;

/// An end: the place of a workload among the pairs, or of an atom of the outside.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum End {
    Workload(usize),
    Atom(usize),
}

type Moves = BTreeMap<(Move, End, End), ConnectionSet>;

fn both<T>(seed: u64, ask: impl Fn(&Cluster, &Cluster) -> T) -> T {
    let before = clusters::objects(seed);
    let after = changed(&before, seed);
    ask(&Cluster::new(before), &Cluster::new(after))
}

/// The same under a plugin, each with policies of its own.
fn both_under<T>(plugin: Option<Cni>, seed: u64, ask: impl Fn(&Cluster, &Cluster) -> T) -> T {
    let before = clusters::objects(seed);
    let after = changed(&before, seed);
    let before = laws::cluster(before, plugin, seed);
    ask(&before, &laws::cluster(after, plugin, seed + 1_000))
}

/// What the lines say, pair by pair; no pair twice.
fn expanded(comparison: &Comparison, atoms: &[AddressRange], kinds: &[WorkloadKind]) -> Moves {
    let ends = |ends: &LineEnds| -> Vec<End> {
        match ends {
            LineEnds::Workloads(places) => places.iter().copied().map(End::Workload).collect(),
            LineEnds::Outside(ranges) => {
                let is_in =
                    |atom: &AddressRange| ranges.iter().any(|range| range.contains_range(atom));
                let places = (0..atoms.len()).filter(|place| is_in(&atoms[*place]));
                places.map(End::Atom).collect()
            }
        }
    };
    let mut moves = Moves::new();
    for line in &comparison.lines {
        let mut pairs = 0;
        for source in ends(&line.sources) {
            for destination in ends(&line.destinations) {
                if let (End::Workload(one), End::Workload(two)) = (source, destination)
                    && one == two
                    && kinds[one] == WorkloadKind::Pod
                {
                    continue;
                }
                let known = moves.entry((line.moved, source, destination)).or_default();
                assert!(
                    known.intersection(&line.connections).is_empty(),
                    "a flow comes once"
                );
                *known = known.union(&line.connections);
                pairs += 1;
            }
        }
        let is_inside = |ends: &LineEnds| matches!(ends, LineEnds::Workloads(_));
        if is_inside(&line.sources) && is_inside(&line.destinations) {
            assert_eq!(pairs, line.pairs);
        }
    }
    moves
}

/// The set difference of both relations.
fn expected(
    engines: [&Engine<'_>; 2],
    workloads: &[Pair],
    atoms: &[AddressRange],
    kinds: &[WorkloadKind],
) -> Moves {
    let id = |time: usize, place: usize| match time {
        0 => workloads[place].before,
        _ => workloads[place].after,
    };
    let known = |time: usize, source: End, destination: End| -> [ConnectionSet; 2] {
        let relation = engines[time].relation();
        let none = || [ConnectionSet::none(), ConnectionSet::none()];
        let outside = |workload: Option<WorkloadId>, direction, atom: usize| {
            let found =
                workload.and_then(|id| relation.with_outside(id, direction, atoms[atom]).next());
            found.map_or_else(none, |(_, open, unknown)| {
                [open.into_owned(), unknown.into_owned()]
            })
        };
        match (source, destination) {
            (End::Workload(from), End::Workload(to)) => match (id(time, from), id(time, to)) {
                (Some(from), Some(to)) => [
                    relation.connections(from, to).into_owned(),
                    relation.unknown(from, to).into_owned(),
                ],
                _ => none(),
            },
            (End::Workload(from), End::Atom(atom)) => {
                outside(id(time, from), Direction::Egress, atom)
            }
            (End::Atom(atom), End::Workload(to)) => outside(id(time, to), Direction::Ingress, atom),
            (End::Atom(_), End::Atom(_)) => none(),
        }
    };
    let ends: Vec<End> = (0..workloads.len())
        .map(End::Workload)
        .chain((0..atoms.len()).map(End::Atom))
        .collect();
    let mut moves = Moves::new();
    for source in &ends {
        for destination in &ends {
            if let (End::Workload(one), End::Workload(two)) = (source, destination)
                && one == two
                && kinds[*one] == WorkloadKind::Pod
            {
                continue;
            }
            let [before, after] = [0, 1].map(|time| known(time, *source, *destination));
            let gained = |one: &[ConnectionSet; 2], other: &[ConnectionSet; 2]| {
                one[0].difference(&other[0].union(&other[1]))
            };
            let unsure = after[1]
                .difference(&before[1])
                .union(&before[1].difference(&after[1]));
            moves.insert(
                (Move::Opened, *source, *destination),
                gained(&after, &before),
            );
            moves.insert(
                (Move::Closed, *source, *destination),
                gained(&before, &after),
            );
            moves.insert((Move::Unknown, *source, *destination), unsure);
        }
    }
    moves.retain(|_, set| !set.is_empty());
    moves
}

fn kinds(clusters: [&Cluster; 2], workloads: &[Pair]) -> Vec<WorkloadKind> {
    let kind = |pair: &Pair| {
        let after = pair.after.map(|id| clusters[1].workload(id).object.kind);
        after.unwrap_or_else(|| clusters[0].workload(pair.before.unwrap()).object.kind)
    };
    workloads.iter().map(kind).collect()
}

#[test]
fn lines_expand_to_exactly_the_pairs_that_differ() {
    let changed = (0..PAIRS).into_par_iter().filter(|seed| {
        both_under(
            PLUGINS[*seed as usize % PLUGINS.len()],
            *seed,
            |before, after| {
                let (old, new) = (Engine::new(before), Engine::new(after));
                let comparison = Comparison::new(&old, &new, &ComparisonQuery::default());
                let cuts = old.relation().atoms().iter().chain(new.relation().atoms());
                let atoms = address_atoms(cuts.copied());
                let kinds = kinds([before, after], &comparison.workloads);
                let moves = expanded(&comparison, &atoms, &kinds);
                let mut expected = expected([&old, &new], &comparison.workloads, &atoms, &kinds);
                expected.retain(|_, set| !set.is_empty());
                assert_eq!(moves, expected, "pair {seed}");
                let found = |time: usize| -> Vec<WorkloadId> {
                    let ids = comparison.workloads.iter().filter_map(|pair| match time {
                        0 => pair.before,
                        _ => pair.after,
                    });
                    let mut ids: Vec<WorkloadId> = ids.collect();
                    ids.sort_unstable();
                    ids
                };
                for (time, engine) in [&old, &new].into_iter().enumerate() {
                    let cluster = engine.cluster();
                    let accepted = cluster
                        .workload_ids()
                        .filter(|id| engine.relation().group_of(*id).is_some());
                    assert_eq!(found(time), accepted.collect::<Vec<_>>(), "pair {seed}");
                }
                !moves.is_empty()
            },
        )
    });
    let changed = changed.count();
    assert!(changed > PAIRS as usize / 3, "only {changed} pairs differ");
}

/// What one way opens, the other way closes; and nothing differs from itself.
#[test]
fn a_comparison_has_a_mirror_image() {
    (0..PAIRS / 2).into_par_iter().for_each(|seed| {
        both(seed, |before, after| {
            let (old, new) = (Engine::new(before), Engine::new(after));
            let query = ComparisonQuery::default();
            let there = Comparison::new(&old, &new, &query);
            let back = Comparison::new(&new, &old, &query);
            let count = |comparison: &Comparison, moved: Move| -> usize {
                let lines = comparison.lines.iter().filter(|line| line.moved == moved);
                lines.map(|line| line.pairs).sum()
            };
            assert_eq!(
                count(&there, Move::Opened),
                count(&back, Move::Closed),
                "pair {seed}"
            );
            assert_eq!(
                count(&there, Move::Closed),
                count(&back, Move::Opened),
                "pair {seed}"
            );
            assert_eq!(there.isolation.len(), back.isolation.len(), "pair {seed}");
            let same = Comparison::new(&old, &old, &query);
            assert!(same.is_empty(), "cluster {seed}");
        });
    });
}

/// Every line between workloads of both clusters has a cause; single causes are undone here
/// once more, on the whole cluster.
#[test]
fn what_is_blamed_is_to_blame() {
    let blamed: usize = (0..PAIRS / 2)
        .into_par_iter()
        .map(|seed| {
            both(seed, |before, after| {
                let (old, new) = (Engine::new(before), Engine::new(after));
                let comparison = Comparison::new(&old, &new, &ComparisonQuery::default());
                let blame = Blame::new(before, after, &Cluster::new);
                let mut blamed = 0;
                for line in comparison
                    .lines
                    .iter()
                    .filter(|line| !line.is_of_new_or_gone)
                {
                    let end = |ends: &LineEnds| match ends {
                        LineEnds::Workloads(places) => {
                            BlamedEnd::Workload(comparison.workloads[places[0]])
                        }
                        LineEnds::Outside(ranges) => BlamedEnd::Outside(ranges[0]),
                    };
                    let (source, destination) = (end(&line.sources), end(&line.destinations));
                    if source == destination {
                        continue;
                    }
                    let causes = blame.causes(line.moved, source, destination, &line.connections);
                    let is_certain = [(before, 0), (after, 1)]
                        .into_iter()
                        .all(|(cluster, time)| is_certain(cluster, time, source, destination));
                    assert!(!is_certain || !causes.is_empty(), "pair {seed}: {line:?}");
                    blamed += usize::from(is_certain);
                }
                blamed
            })
        })
        .sum();
    assert!(blamed > 100, "only {blamed} lines");
}

/// Whether all is known that decides between two ends, which labels of a namespace without a
/// manifest are not.
fn is_certain(cluster: &Cluster, time: usize, source: BlamedEnd, destination: BlamedEnd) -> bool {
    let end = |end: BlamedEnd| match end {
        BlamedEnd::Workload(pair) => {
            let id = if time == 0 { pair.before } else { pair.after };
            Endpoint::workload(cluster, id.unwrap())
        }
        BlamedEnd::Outside(range) => Endpoint::Address(range.first.into()),
    };
    let (source, destination) = (end(source), end(destination));
    explain(cluster, &source, &destination)
        .verdict
        .unknown()
        .is_empty()
}

/// A workload with another name and all else alike is the same one.
#[test]
fn a_rename_changes_nothing() {
    (0..100).into_par_iter().for_each(|seed| {
        let before = clusters::objects(seed);
        let random = &mut Random::new(seed + 8_000_000);
        let mut after = before.clone();
        let workloads: Vec<usize> = (0..after.len())
            .filter(|place| matches!(after[*place], Object::Workload(_)))
            .collect();
        let place = workloads[random.below(workloads.len())];
        if let Object::Workload(workload) = &mut after[place] {
            let workload = std::sync::Arc::make_mut(workload);
            workload.meta.name.value = "renamed".into();
        }
        let (old, new) = (Cluster::new(before), Cluster::new(after));
        let (old, new) = (Engine::new(&old), Engine::new(&new));
        let comparison = Comparison::new(&old, &new, &ComparisonQuery::default());
        let lone = comparison
            .workloads
            .iter()
            .filter(|pair| pair.before.is_none() != pair.after.is_none());
        // Its owner's pods, twins, and pods without labels are told apart by nobody.
        if lone.count() == 0 {
            assert!(comparison.is_empty(), "cluster {seed}");
        }
    });
}
