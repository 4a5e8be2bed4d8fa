//! Brings together the pairs of ends that have one outcome for one reason.
//!
//! Refuses to know how ends are typed and answers printed.

use super::outcomes::{Numbers, Outcome, Outcomes};
use crate::cli::endpoint::{End, Resolved};
use crate::cli::port::Asked;
use crate::cluster::Cluster;
use crate::engine::{AddressRange, ConnectionSet, Endpoint, Explanation, Judge};
use crate::output::range_name;
use crate::output::{Ends, ReachOutcome};
use crate::source::Edit;
use std::collections::BTreeMap;
use std::ops::Deref;
use std::sync::{Arc, OnceLock};

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
    pub(super) example: (Arc<Piece<'s>>, Arc<Piece<'s>>),
    /// Why that one came out so.
    pub(super) explanation: Explanation<'s>,
    /// The sources of all pairs.
    pub(super) sources: Arc<Pieces<'s>>,
    /// The destinations of all pairs.
    pub(super) destinations: Arc<Pieces<'s>>,
    /// What may be tried to allow what is blocked, where somebody has looked for it already.
    pub(super) tried: Option<Vec<Vec<Edit>>>,
}

/// How much may be done for an answer.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limits {
    /// How much may be compared, by [`Judge::work`].
    pub(super) work: usize,
    /// How many groups there may be.
    pub(super) groups: usize,
    /// Of more groups than this only what decides is explained: nobody is told the rest.
    pub(super) explained: usize,
}

/// Judges every pair; the blocked groups come first, then by their first pair. `asked` is
/// by the place of the destination. Pairs without a pod, and those of a pod with itself
/// among others, are left out. `None` where that is more than `limits`.
pub(super) fn groups<'s>(
    judge: &Judge<'s, 's>,
    (sources, destinations): (&[Arc<Piece<'s>>], &[Arc<Piece<'s>>]),
    asked: &[Asked],
    is_by_pair: bool,
    limits: Limits,
) -> Option<Vec<Group<'s>>> {
    let questions = Numbers::new();
    let asked: Vec<(&Asked, usize)> = asked.iter().map(|it| (it, questions.of(it))).collect();
    let pairs = Pairs {
        sources,
        destinations,
        asked: &asked,
    };
    let outcomes = Outcomes::new(judge, pairs, limits)?;
    let mut told = Vec::new();
    let mut known = [BTreeMap::new(), BTreeMap::new()];
    let members = pairs.members(&outcomes, is_by_pair, limits.groups)?;
    let explain = match members.len() <= limits.explained {
        true => Judge::explain,
        false => Judge::explain_briefly,
    };
    for (key, members) in members {
        if judge.work() > limits.work {
            return None;
        }
        let (from, to) = members.first;
        let ends = (&sources[from].endpoint, &destinations[to].endpoint);
        let explanation = explain(judge, ends.0, ends.1);
        let outcome = outcomes.outcome(key);
        told.push(Group::new(outcome, explanation, members, pairs, &mut known));
    }
    Some(told)
}

/// Ends of one side of some pairs. Many groups have the same, so that these are kept, and named,
/// once.
pub(super) struct Pieces<'s> {
    pieces: Vec<Arc<Piece<'s>>>,
    /// Their names, made on the first question.
    ends: OnceLock<Ends>,
}

/// Those that are known, by the positions of the ends.
type KnownPieces<'s> = BTreeMap<Vec<usize>, Arc<Pieces<'s>>>;

impl<'s> Deref for Pieces<'s> {
    type Target = [Arc<Piece<'s>>];

    fn deref(&self) -> &Self::Target {
        &self.pieces
    }
}

impl<'s> Pieces<'s> {
    fn shared(
        positions: Vec<usize>,
        all: &[Arc<Piece<'s>>],
        known: &mut KnownPieces<'s>,
    ) -> Arc<Self> {
        let pieces = known.entry(positions).or_insert_with_key(|positions| {
            let pieces = positions.iter().map(|it| Arc::clone(&all[*it]));
            Arc::new(Self {
                pieces: pieces.collect(),
                ends: OnceLock::new(),
            })
        });
        Arc::clone(pieces)
    }
}

/// The ends of all pairs, and what is asked of them.
#[derive(Clone, Copy)]
pub(super) struct Pairs<'p, 's> {
    pub(super) sources: &'p [Arc<Piece<'s>>],
    pub(super) destinations: &'p [Arc<Piece<'s>>],
    /// By the place of the destination: what is asked, and its number.
    asked: &'p [(&'p Asked, usize)],
}

/// The pairs of a group.
struct Members {
    /// The first pair, by its positions.
    first: (usize, usize),
    /// How many there are, all addresses counted as one end.
    count: usize,
    sources: Vec<usize>,
    destinations: Positions,
    /// The destinations of addresses.
    from_outside: Positions,
    /// The last source that has a pair with addresses.
    last_to_outside: Option<usize>,
}

impl<'p, 's> Pairs<'p, 's> {
    /// Whether one pair is asked for.
    pub(super) fn is_one(&self) -> bool {
        self.sources.len() == 1 && self.destinations.len() == 1
    }

    pub(super) fn is_judged(&self, (source, destination): (usize, usize)) -> bool {
        let ends = (
            self.sources[source].endpoint.pod(),
            self.destinations[destination].endpoint.pod(),
        );
        match ends {
            (None, None) => false,
            (Some(source), Some(destination)) => self.is_one() || !source.is_same_pod(destination),
            _ => true,
        }
    }

    pub(super) fn asked(&self, destination: usize) -> (&'p Asked, usize) {
        self.asked[self.destinations[destination].place]
    }

    /// The pairs by their outcome, and by themselves where every one is asked for; by outcome
    /// and then by their first pair. `None` where these are more than `limit`.
    fn members(
        &self,
        outcomes: &Outcomes,
        is_by_pair: bool,
        limit: usize,
    ) -> Option<Vec<(usize, Members)>> {
        let is_address = |piece: &Piece<'_>| matches!(piece.endpoint, Endpoint::Address(_));
        let are_addresses =
            |pieces: &[Arc<Piece<'_>>]| pieces.iter().map(|it| is_address(it)).collect();
        let from_outside: Vec<bool> = are_addresses(self.sources);
        let to_outside: Vec<bool> = are_addresses(self.destinations);
        let mut groups: Vec<(usize, Members)> = Vec::new();
        let mut by_outcome: Vec<Option<usize>> = vec![None; outcomes.count()];
        let mut by_pair: BTreeMap<(usize, usize, usize), usize> = BTreeMap::new();
        for (source, is_from_outside) in from_outside.into_iter().enumerate() {
            let row = &outcomes.rows[outcomes.sources.of[source]];
            for (destination, is_to_outside) in to_outside.iter().copied().enumerate() {
                let Some(outcome) = row[outcomes.destinations.of[destination]] else {
                    continue;
                };
                let pair = (source, destination);
                let outcome = outcome as usize;
                if !self.is_judged(pair) {
                    continue;
                }
                let group = match is_by_pair {
                    true => {
                        let (from, to) = (&self.sources[source], &self.destinations[destination]);
                        let places = (outcome, from.place, to.place);
                        *by_pair.entry(places).or_insert(groups.len())
                    }
                    false => *by_outcome[outcome].get_or_insert(groups.len()),
                };
                if group == groups.len() {
                    if groups.len() == limit {
                        return None;
                    }
                    groups.push((outcome, Members::new(pair)));
                }
                let is_outside = (is_from_outside, is_to_outside);
                groups[group].1.add(pair, is_outside);
            }
        }
        groups.sort_by(|(one, members), (other, other_members)| {
            let [one, other] = [one, other].map(|key| outcomes.outcome(*key).outcome);
            one.cmp(&other)
                .then_with(|| members.first.cmp(&other_members.first))
        });
        Some(groups)
    }
}

impl Members {
    fn new(first: (usize, usize)) -> Self {
        Self {
            first,
            count: 0,
            sources: Vec::new(),
            destinations: Positions::default(),
            from_outside: Positions::default(),
            last_to_outside: None,
        }
    }

    /// Adds a pair; they come in order. `is_outside` says which of its ends are addresses.
    fn add(&mut self, (source, destination): (usize, usize), is_outside: (bool, bool)) {
        if self.sources.last() != Some(&source) {
            self.sources.push(source);
        }
        self.destinations.insert(destination);
        let is_new = match is_outside {
            (true, _) => self.from_outside.insert(destination),
            (_, true) => self.last_to_outside.replace(source) != Some(source),
            (false, false) => true,
        };
        self.count += usize::from(is_new);
    }
}

/// A set of positions.
#[derive(Debug, Default)]
struct Positions(Vec<u64>);

impl Positions {
    /// Whether it was not in the set before.
    fn insert(&mut self, position: usize) -> bool {
        let (word, bit) = (position / 64, 1 << (position % 64));
        if self.0.len() <= word {
            self.0.resize(word + 1, 0);
        }
        let is_new = self.0[word] & bit == 0;
        self.0[word] |= bit;
        is_new
    }

    fn iter(&self) -> impl Iterator<Item = usize> {
        let words = self.0.iter().enumerate();
        words.flat_map(|(at, word)| {
            let bits = (0..64).filter(move |bit| word >> bit & 1 == 1);
            bits.map(move |bit| at * 64 + bit)
        })
    }
}

impl<'s> Group<'s> {
    fn new(
        outcome: &Outcome,
        explanation: Explanation<'s>,
        members: Members,
        pairs: Pairs<'_, 's>,
        [sources, destinations]: &mut [KnownPieces<'s>; 2],
    ) -> Self {
        let (first_source, first_destination) = members.first;
        let example = (
            Arc::clone(&pairs.sources[first_source]),
            Arc::clone(&pairs.destinations[first_destination]),
        );
        let to = members.destinations.iter().collect();
        Self {
            outcome: outcome.outcome,
            asked: pairs.asked(first_destination).0.clone(),
            allowed: outcome.allowed.clone(),
            unknown: outcome.unknown.clone(),
            pairs: members.count,
            explanation,
            example,
            sources: Pieces::shared(members.sources, pairs.sources, sources),
            destinations: Pieces::shared(to, pairs.destinations, destinations),
            tried: None,
        }
    }

    /// The ends of one side, by name.
    pub(super) fn ends(&self, cluster: &Cluster, resolved: &Resolved, side: Side) -> Ends {
        let pieces = match side {
            Side::Source => &self.sources,
            Side::Destination => &self.destinations,
        };
        let ends = pieces.ends.get_or_init(|| pieces.named(cluster, resolved));
        ends.clone()
    }
}

impl Pieces<'_> {
    fn named(&self, cluster: &Cluster, resolved: &Resolved) -> Ends {
        let pieces = &self.pieces;
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
            names: names.into(),
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
