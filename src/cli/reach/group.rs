//! Brings together the pairs of ends that have one outcome for one reason.
//!
//! Refuses to know how ends are typed and answers printed.

use crate::cli::endpoint::{End, Resolved};
use crate::cli::port::Asked;
use crate::cluster::Cluster;
use crate::engine::{
    AddressRange, ConnectionSet, Endpoint, Explanation, Judge, PolicyRef, PreparedEnd, ReasonCode,
    SideTrace,
};
use crate::k8s::Direction;
use crate::output::range_name;
use crate::output::{Ends, ReachOutcome};
use rayon::prelude::*;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, OnceLock, PoisonError};

/// One pod, or addresses that no policy tells apart.
#[derive(Clone, Debug)]
pub(super) struct Piece<'s> {
    /// The place of the end that it is a piece of.
    pub(super) place: usize,
    /// The end as the engine sees it.
    pub(super) endpoint: Endpoint<'s>,
}

impl Piece<'_> {
    /// Its name in an answer.
    pub(super) fn name(&self, cluster: &Cluster, resolved: &Resolved) -> String {
        match &self.endpoint {
            Endpoint::Address(range) => range_name(*range),
            Endpoint::Pod(_) | Endpoint::Entity(_) | Endpoint::Name(_) => {
                resolved.ends[self.place].name(cluster)
            }
        }
    }
}

/// Which end of a question.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Side {
    Source,
    Destination,
}

/// The pairs with one outcome for one reason.
pub(super) struct Group<'s> {
    /// How they come out.
    pub(super) outcome: ReachOutcome,
    /// What was asked.
    pub(super) asked: Asked,
    /// What of it is allowed.
    pub(super) allowed: ConnectionSet,
    /// What of it is not known.
    pub(super) unknown: ConnectionSet,
    /// How many pairs there are, all addresses counted as one end.
    pub(super) pairs: usize,
    /// One of the pairs.
    pub(super) example: (Piece<'s>, Piece<'s>),
    /// Why that one came out so.
    pub(super) explanation: Explanation<'s>,
    /// The sources of all pairs.
    pub(super) sources: Vec<Piece<'s>>,
    /// The destinations of all pairs.
    pub(super) destinations: Vec<Piece<'s>>,
}

/// What tells outcomes and their reasons apart.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Key {
    outcome: ReachOutcome,
    /// By its number.
    asked: usize,
    allowed: ConnectionSet,
    unknown: ConnectionSet,
    /// By their numbers.
    sides: Vec<usize>,
    /// Whether each end is outside the cluster.
    is_outside: (bool, bool),
    /// The pair itself, where every pair is asked for.
    pair: Option<(usize, usize)>,
}

/// What tells the reasons of a side apart: nothing where it allows all that was asked, as
/// nobody asks why then.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct SideKey {
    policies: Vec<PolicyRef>,
    decisions: Vec<(ReasonCode, ConnectionSet, Option<RulePlace>)>,
}

/// Numbers for values, the same for equal ones: they stand for these where only equality
/// matters, as their order depends on who comes first.
struct Numbers<T>(Mutex<BTreeMap<T, usize>>);

impl<T: Ord> Numbers<T> {
    fn new() -> Self {
        Self(Mutex::default())
    }

    fn of(&self, value: T) -> usize {
        let mut numbers = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let next = numbers.len();
        *numbers.entry(value).or_insert(next)
    }
}

/// A rule by its policy and its position there.
type RulePlace = (PolicyRef, usize);

impl SideKey {
    fn of(side: &SideTrace<'_>, asked: &ConnectionSet) -> Option<Self> {
        if asked.is_subset(&side.verdict.allowed()) {
            return None;
        }
        let decisions = side.decisions(asked).into_iter().map(|decision| {
            let rule = decision.rule.map(|rule| (rule.policy, rule.index));
            (decision.code, decision.connections, rule)
        });
        let policies = side.stages.iter().flat_map(|stage| &stage.policies);
        Some(Self {
            policies: policies.map(|policy| policy.policy).collect(),
            decisions: decisions.collect(),
        })
    }
}

/// How much may be done for an answer.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limits {
    /// How much may be compared, by [`Judge::work`].
    pub(super) work: usize,
    /// How many groups there may be.
    pub(super) groups: usize,
}

/// Judges every pair; the blocked groups come first, then by their first pair. `asked` is
/// by the place of the destination. Pairs without a pod, and those of a pod with itself
/// among others, are left out. `None` where that is more than `limits`.
pub(super) fn groups<'s>(
    judge: &Judge<'s, 's>,
    (sources, destinations): (&[Piece<'s>], &[Piece<'s>]),
    asked: &[Asked],
    is_by_pair: bool,
    limits: Limits,
) -> Option<Vec<Group<'s>>> {
    let questions = Numbers::new();
    let asked: Vec<(&Asked, usize)> = asked.iter().map(|it| (it, questions.of(it))).collect();
    let sides = Numbers::new();
    let number =
        |side: &SideTrace<'s>, asked: &Asked| sides.of(SideKey::of(side, &connections(asked)));
    let is_one_pair = sources.len() == 1 && destinations.len() == 1;
    let prepared = destinations.par_iter();
    let prepared: Vec<PreparedEnd<'_, 's>> = prepared
        .map(|piece| judge.prepare(Direction::Ingress, &piece.endpoint))
        .collect();
    // A question that is far too long is refused at once.
    let each: usize = prepared.iter().map(PreparedEnd::least_work).sum();
    if each.saturating_mul(sources.len().saturating_sub(1)) > limits.work {
        return None;
    }
    // What a side without a word about the other end means is the same for all of them.
    let silent_destinations: Vec<OnceLock<usize>> =
        prepared.iter().map(|_| OnceLock::new()).collect();
    let of_source = |(place, source): (usize, &Piece<'s>)| {
        let mut keys: BTreeMap<Key, Vec<(usize, usize)>> = BTreeMap::new();
        let mut silent_source: BTreeMap<usize, usize> = BTreeMap::new();
        let from = judge.prepare(Direction::Egress, &source.endpoint);
        for (other, (destination, to)) in destinations.iter().zip(&prepared).enumerate() {
            if judge.work() > limits.work {
                break;
            }
            if !is_judged(source, destination, is_one_pair) {
                continue;
            }
            let (asked, question) = asked[destination.place];
            let explanation = judge.decide(&from, to);
            let mut sides = Vec::new();
            for way in &explanation.ways {
                let (egress, ingress) = (&way.egress, &way.ingress);
                sides.push(match from.is_silent(egress) {
                    true => *silent_source
                        .entry(question)
                        .or_insert_with(|| number(egress, asked)),
                    false => number(egress, asked),
                });
                sides.push(match to.is_silent(ingress) {
                    true => {
                        let silent = &silent_destinations[other];
                        *silent.get_or_init(|| number(ingress, asked))
                    }
                    false => number(ingress, asked),
                });
            }
            let key = Key {
                sides,
                pair: is_by_pair.then_some((source.place, destination.place)),
                ..key(&explanation, (source, destination), (asked, question))
            };
            keys.entry(key).or_default().push((place, other));
        }
        keys
    };
    let by_source: Vec<_> = sources.par_iter().enumerate().map(of_source).collect();
    if judge.work() > limits.work {
        return None;
    }
    let mut keys: BTreeMap<Key, Vec<(usize, usize)>> = BTreeMap::new();
    for of_source in by_source {
        for (key, pairs) in of_source {
            keys.entry(key).or_default().extend(pairs);
        }
    }
    if keys.len() > limits.groups {
        return None;
    }
    let mut groups: Vec<_> = keys.into_iter().collect();
    groups.sort_by(|(one, pairs), (other, other_pairs)| {
        one.outcome
            .cmp(&other.outcome)
            .then_with(|| pairs[0].cmp(&other_pairs[0]))
    });
    let mut told = Vec::new();
    for (key, pairs) in groups {
        if judge.work() > limits.work {
            return None;
        }
        let (asked, _) = asked[destinations[pairs[0].1].place];
        told.push(Group::new(
            judge,
            key,
            &pairs,
            asked,
            (sources, destinations),
        ));
    }
    Some(told)
}

/// The connections that are asked about.
fn connections(asked: &Asked) -> ConnectionSet {
    asked.connections.clone().unwrap_or_else(ConnectionSet::all)
}

fn is_judged(source: &Piece<'_>, destination: &Piece<'_>, is_one_pair: bool) -> bool {
    match (source.endpoint.pod(), destination.endpoint.pod()) {
        (None, None) => false,
        (Some(source), Some(destination)) => is_one_pair || !source.is_same_pod(destination),
        _ => true,
    }
}

/// What tells a pair from others, its sides aside.
fn key(
    explanation: &Explanation<'_>,
    (source, destination): (&Piece<'_>, &Piece<'_>),
    (asked, question): (&Asked, usize),
) -> Key {
    let connections = connections(asked);
    let allowed = explanation.verdict.allowed().intersection(&connections);
    let unknown = explanation.verdict.unknown().intersection(&connections);
    let outcome = if !unknown.is_empty() {
        ReachOutcome::Unknown
    } else if allowed.is_empty() {
        ReachOutcome::Blocked
    } else if connections == allowed {
        ReachOutcome::Allowed
    } else {
        ReachOutcome::Partly
    };
    Key {
        outcome,
        asked: question,
        allowed,
        unknown,
        sides: Vec::new(),
        is_outside: (
            source.endpoint.pod().is_none(),
            destination.endpoint.pod().is_none(),
        ),
        pair: None,
    }
}

impl<'s> Group<'s> {
    fn new(
        judge: &Judge<'s, 's>,
        key: Key,
        pairs: &[(usize, usize)],
        asked: &Asked,
        (sources, destinations): (&[Piece<'s>], &[Piece<'s>]),
    ) -> Self {
        let distinct = |places: BTreeSet<usize>, of: &[Piece<'s>]| -> Vec<Piece<'s>> {
            places.into_iter().map(|place| of[place].clone()).collect()
        };
        let (from, to) = (&sources[pairs[0].0], &destinations[pairs[0].1]);
        // All addresses together are one end.
        let end = |piece: &Piece<'_>| match piece.endpoint {
            Endpoint::Address(_) => None,
            _ => Some(piece.place),
        };
        let by_end: BTreeSet<_> = pairs
            .iter()
            .map(|(from, to)| (end(&sources[*from]), end(&destinations[*to])))
            .collect();
        Self {
            outcome: key.outcome,
            asked: asked.clone(),
            allowed: key.allowed,
            unknown: key.unknown,
            pairs: by_end.len(),
            explanation: judge.explain(&from.endpoint, &to.endpoint),
            example: (from.clone(), to.clone()),
            sources: distinct(pairs.iter().map(|pair| pair.0).collect(), sources),
            destinations: distinct(pairs.iter().map(|pair| pair.1).collect(), destinations),
        }
    }

    /// The ends of one side, by name.
    pub(super) fn ends(&self, cluster: &Cluster, resolved: &Resolved, side: Side) -> Ends {
        let pieces = match side {
            Side::Source => &self.sources,
            Side::Destination => &self.destinations,
        };
        let pods = pieces
            .iter()
            .filter(|piece| !matches!(piece.endpoint, Endpoint::Address(_)));
        let mut names: Vec<String> = pods.map(|piece| piece.name(cluster, resolved)).collect();
        let ranges = pieces.iter().filter_map(|piece| match piece.endpoint {
            Endpoint::Address(range) => Some(range),
            Endpoint::Pod(_) | Endpoint::Entity(_) | Endpoint::Name(_) => None,
        });
        names.extend(range_names(&ranges.collect::<Vec<_>>(), resolved));
        let is_address = |end: &End| matches!(end, End::Addresses(_));
        let pods = resolved.ends.iter().filter(|end| !is_address(end)).count();
        let of = pods + usize::from(resolved.ends.iter().any(is_address));
        Ends {
            names,
            of,
            selection: resolved.is_selection.then(|| resolved.text.clone()),
        }
    }
}

/// The names of ranges: what was typed if it is all of that, else the ranges, neighbours
/// as one.
fn range_names(ranges: &[AddressRange], resolved: &Resolved) -> Vec<String> {
    let asked = resolved.ends.iter().filter_map(|end| match end {
        End::Addresses(range) => Some(*range),
        _ => None,
    });
    let asked: Vec<AddressRange> = asked.collect();
    let typed = if resolved.is_selection {
        "the outside"
    } else {
        resolved.text.as_str()
    };
    let is_all_of = |is_meant: &dyn Fn(&AddressRange) -> bool| {
        let mut asked = asked.iter().filter(|range| is_meant(range)).peekable();
        asked.peek().is_some() && asked.all(|range| range.without(ranges).is_empty())
    };
    if ranges.is_empty() {
        return Vec::new();
    }
    if is_all_of(&|_| true) {
        return vec![typed.to_owned()];
    }
    // A block with a hole or two is easier to read than its parts.
    let here = joined(ranges);
    if let [asked] = asked[..]
        && let holes = asked.without(ranges)
        && holes.len() <= 2
        && holes.len() < here.len()
    {
        let holes: Vec<_> = holes.iter().map(|range| range_name(*range)).collect();
        return vec![format!("{typed} except {}", holes.join(", "))];
    }
    let mut names = Vec::new();
    for (is_ipv4, family) in [(true, "IPv4"), (false, "IPv6")] {
        if is_all_of(&|range| range.is_ipv4() == is_ipv4) {
            names.push(format!("{typed} ({family})"));
        } else {
            let joined = joined(ranges);
            names.extend(
                joined
                    .iter()
                    .filter(|range| range.is_ipv4() == is_ipv4)
                    .map(|range| range_name(*range)),
            );
        }
    }
    names
}

/// Ranges with neighbours joined, in order.
pub(super) fn joined(ranges: &[AddressRange]) -> Vec<AddressRange> {
    // What is in none of the ranges, taken away from everything, leaves them joined.
    let spaces = [AddressRange::IPV4, AddressRange::IPV6];
    spaces
        .iter()
        .flat_map(|space| space.without(&space.without(ranges)))
        .collect()
}
