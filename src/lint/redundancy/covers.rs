//! The rules of some policies in one direction, arranged so that those that may cover a given
//! rule or peer are found without a look at all of them.
//!
//! Refuses to know why somebody asks, and which chains are about which pods: it is told.

mod candidates;
mod examples;

use super::super::containment::{Allowance, Budget, Key, PeerSet, PortMatches};
use super::RulePlace;
use super::intervals::Intervals;
use crate::engine::{AddressRange, ConnectionSet};
use crate::source::Text;
use candidates::PortPlace;
use examples::ExampleIndex;
use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::net::IpAddr;
use std::ops::Range;

/// How many rules are tried together before all of them are.
const FEW: usize = 8;

/// A rule, by its position among all of its direction.
pub(super) type RuleNumber = usize;

/// A peer of a rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
struct PeerNumber {
    rule: RuleNumber,
    peer: usize,
}

/// A rule whose text is known.
#[derive(Debug)]
struct CoverRule {
    /// Where it stands.
    place: RulePlace,
    /// Its chain, by position.
    chain: usize,
    /// The pods that it is about, by their place among the different sets of pods.
    subject: usize,
    allowance: Allowance,
    /// Whether it still speaks for others: it was not found to be redundant.
    is_alive: bool,
    /// The same for each of its peers.
    alive_peers: Vec<bool>,
}

/// The rules of one direction.
#[derive(Debug, Default)]
pub(super) struct Covers {
    rules: Vec<CoverRule>,
    /// The rules without peers, by their ports.
    everybody: Intervals<PortPlace, RuleNumber>,
    /// Peers by one of the labels that they want, and by their ports.
    by_label: HashMap<(Key, Text), Intervals<PortPlace, PeerNumber>>,
    /// Peers on pods of which no label finds them, by their ports.
    by_no_label: Intervals<PortPlace, PeerNumber>,
    /// Peers on pods, by what they require.
    examples: ExampleIndex,
    /// Peers on addresses.
    by_address: Intervals<IpAddr, PeerNumber>,
    /// Keys about which some peer asks for more than a few values.
    open_keys: HashSet<Key>,
    /// By the pods that they are about: the rules, and how many peers these have together.
    by_subject: HashMap<usize, (Vec<RuleNumber>, usize)>,
    /// How many peers all rules before one have.
    peers_before: Vec<usize>,
    /// Rules that allow the same, for the same pods, in order; and by rule, what it allows.
    alike: HashMap<(usize, usize), Vec<RuleNumber>>,
    likeness: Vec<usize>,
}

/// The rules among which covers are looked for. Others may be passed over, and those that are
/// looked at are still asked whether they may speak.
#[derive(Clone)]
pub(super) enum Among<'a> {
    /// Those of one chain, which stand together.
    Chain(Range<RuleNumber>),
    /// Those about one of these sets of pods.
    Subjects(&'a [usize]),
}

/// What is asked about: a rule with some of its peers.
struct Query<'a> {
    ports: &'a PortMatches,
    /// `None`: everybody.
    peers: Option<Vec<(usize, &'a PeerSet)>>,
    number: RuleNumber,
    /// Whether the rule itself may answer, by its other peers.
    is_part: bool,
    among: Among<'a>,
}

impl Covers {
    /// Adds a rule. Call [`arrange`](Self::arrange) when all are there.
    pub(super) fn push(
        &mut self,
        place: RulePlace,
        chain: usize,
        subject: usize,
        allowance: Allowance,
    ) -> RuleNumber {
        let peers = allowance.peers.as_ref().map_or(0, Vec::len);
        self.rules.push(CoverRule {
            place,
            chain,
            subject,
            allowance,
            is_alive: true,
            alive_peers: vec![true; peers],
        });
        self.rules.len() - 1
    }

    /// How many rules there are.
    pub(super) fn len(&self) -> usize {
        self.rules.len()
    }

    /// How much text there is to compare: labels, ranges and rules.
    pub(super) fn size(&self) -> u64 {
        let of_peer = |peer: &PeerSet| match peer {
            PeerSet::Ends(pods) => 1 + pods.size(),
            PeerSet::Addresses(ranges) | PeerSet::Networks(ranges) => 1 + ranges.len() as u64,
        };
        let of_rule = |rule: &CoverRule| {
            let peers = rule.allowance.peers.iter().flatten();
            1 + peers.map(of_peer).sum::<u64>()
        };
        self.rules.iter().map(of_rule).sum()
    }

    /// How many peers a rule has; 0 where it is for everybody.
    pub(super) fn peers(&self, number: RuleNumber) -> usize {
        self.rules[number].alive_peers.len()
    }

    /// Takes a rule out of those that speak for others.
    pub(super) fn remove_rule(&mut self, number: RuleNumber) {
        self.rules[number].is_alive = false;
    }

    /// Takes one of its peers out.
    pub(super) fn remove_peer(&mut self, number: RuleNumber, peer: usize) {
        self.rules[number].alive_peers[peer] = false;
    }

    /// Whether the rule still speaks for others.
    pub(super) fn is_alive(&self, number: RuleNumber) -> bool {
        self.rules[number].is_alive
    }

    /// The rules that together allow all that a rule allows, of those `among` these whose chain
    /// `may_speak` for it: one alone, else those without which the rest would not do. `None`
    /// where there are none, or where the budget does not suffice to find them.
    pub(super) fn of_rule(
        &self,
        number: RuleNumber,
        among: Among<'_>,
        may_speak: impl Fn(usize) -> bool,
        budget: &mut Budget,
    ) -> Option<Vec<RulePlace>> {
        let rule = &self.rules[number];
        if let Some(same) = self.first_alike(number, &among, &may_speak, budget) {
            return Some(vec![self.rules[same].place]);
        }
        let query = Query {
            ports: &rule.allowance.ports,
            peers: rule
                .allowance
                .peers
                .as_ref()
                .map(|peers| peers.iter().enumerate().collect()),
            number,
            is_part: false,
            among,
        };
        self.answer(&query, may_speak, budget)
    }

    /// The first rule that allows just the same: the commonest case, and there may be thousands
    /// of it.
    fn first_alike(
        &self,
        number: RuleNumber,
        among: &Among<'_>,
        may_speak: impl Fn(usize) -> bool,
        budget: &mut Budget,
    ) -> Option<RuleNumber> {
        let rule = &self.rules[number];
        let own = std::slice::from_ref(&rule.subject);
        let (subjects, within) = match among {
            Among::Chain(rules) => (own, rules.clone()),
            Among::Subjects(subjects) => (*subjects, 0..self.rules.len()),
        };
        let mut first: Option<RuleNumber> = None;
        for subject in subjects {
            budget.spend(1);
            let Some(alike) = self.alike.get(&(self.likeness[number], *subject)) else {
                continue;
            };
            let from = alike.partition_point(|other| *other < within.start);
            for other in &alike[from..] {
                let is_late = first.is_some_and(|first| first < *other);
                if is_late || *other >= within.end || budget.is_spent() {
                    break;
                }
                budget.spend(1);
                let rule = &self.rules[*other];
                if *other != number && rule.is_alive && may_speak(rule.chain) {
                    first = Some(*other);
                    break;
                }
            }
        }
        first
    }

    /// The same as [`of_rule`](Self::of_rule) for one peer of a rule, of which its other peers
    /// may speak for it, too.
    pub(super) fn of_peer(
        &self,
        number: RuleNumber,
        peer: usize,
        among: Among<'_>,
        may_speak: impl Fn(usize) -> bool,
        budget: &mut Budget,
    ) -> Option<Vec<RulePlace>> {
        let rule = &self.rules[number];
        let set = rule.allowance.peers.as_ref()?.get(peer)?;
        let query = Query {
            ports: &rule.allowance.ports,
            peers: Some(vec![(peer, set)]),
            number,
            is_part: true,
            among,
        };
        self.answer(&query, may_speak, budget)
    }

    fn answer(
        &self,
        query: &Query<'_>,
        may_speak: impl Fn(usize) -> bool,
        budget: &mut Budget,
    ) -> Option<Vec<RulePlace>> {
        let everybody = self.everybody_for(query);
        let everybody = self.speakers(everybody.into_iter(), query, &may_speak, budget);
        if let Some(one) = everybody
            .iter()
            .find(|rule| query.has_ports_in(&self.rules[**rule].allowance.ports))
        {
            return Some(vec![self.rules[*one].place]);
        }
        let open = match everybody.as_slice() {
            [] => None,
            rules => Some(self.open_ports(query, rules)),
        };
        let is_open = open.as_ref().is_none_or(|open| !open.is_empty());
        let mut by_peer: Vec<Vec<PeerNumber>> = Vec::new();
        for (position, set) in query.peers.iter().flatten() {
            let own = PeerNumber {
                rule: query.number,
                peer: *position,
            };
            let (open, set) = (open.as_ref(), *set);
            if is_open && self.has_unmatched_example(query, (own, set), open, &may_speak, budget) {
                return None;
            }
            let mut found = self.candidates(query, set, budget)?;
            found.retain(|it| *it != own);
            let rules = found.iter().map(|it| it.rule);
            let speakers = self.speakers(rules, query, &may_speak, budget);
            found.retain(|it| {
                self.rules[it.rule].alive_peers[it.peer] && speakers.binary_search(&it.rule).is_ok()
            });
            if found.is_empty() && everybody.is_empty() {
                return None;
            }
            by_peer.push(found);
        }
        if let Some(one) = self.single(query, &by_peer, budget) {
            return Some(vec![self.rules[one].place]);
        }
        self.several(query, &by_peer, &everybody, budget)
    }

    /// The ports of the query, by number, that none of some rules has.
    fn open_ports(&self, query: &Query<'_>, rules: &[RuleNumber]) -> ConnectionSet {
        let ports = rules
            .iter()
            .map(|rule| &self.rules[*rule].allowance.ports.numbers);
        query
            .ports
            .numbers
            .difference(&ConnectionSet::union_of(ports))
    }

    /// Those of some rules that may speak for the query and have a port of it, in order and
    /// each once.
    fn speakers(
        &self,
        rules: impl Iterator<Item = RuleNumber>,
        query: &Query<'_>,
        may_speak: impl Fn(usize) -> bool,
        budget: &mut Budget,
    ) -> Vec<RuleNumber> {
        let mut rules: Vec<RuleNumber> = rules.collect();
        budget.spend(rules.len() as u64);
        if budget.is_spent() {
            return Vec::new();
        }
        rules.sort_unstable();
        rules.dedup();
        rules.retain(|number| {
            let rule = &self.rules[*number];
            let is_other = *number != query.number || query.is_part;
            rule.is_alive
                && is_other
                && query.may_share_ports(&rule.allowance.ports)
                && may_speak(rule.chain)
        });
        rules
    }

    fn peer(&self, peer: PeerNumber) -> &PeerSet {
        let peers = self.rules[peer.rule].allowance.peers.as_ref();
        &peers.expect("only rules with peers are found by one")[peer.peer]
    }

    /// The first rule that covers the query alone.
    fn single(
        &self,
        query: &Query<'_>,
        by_peer: &[Vec<PeerNumber>],
        budget: &mut Budget,
    ) -> Option<RuleNumber> {
        let peers = query.peers.as_ref()?;
        if let ([(_, set)], [found]) = (peers.as_slice(), by_peer) {
            return self.single_for_peer(query, set, found, budget);
        }
        // How many peers of the query each rule may match somebody of, and with which peers.
        let mut rules: BTreeMap<(bool, RuleNumber), Vec<Vec<PeerNumber>>> = BTreeMap::new();
        for (position, found) in by_peer.iter().enumerate() {
            for peer in found {
                let matches = rules
                    .entry((peer.rule != query.number, peer.rule))
                    .or_default();
                if matches.len() == position {
                    matches.push(vec![*peer]);
                } else if let Some(of_this) = matches.get_mut(position) {
                    of_this.push(*peer);
                }
            }
        }
        let covers_all = |(rule, matches): (&(bool, RuleNumber), &Vec<Vec<PeerNumber>>)| {
            let is_cover = matches.len() == peers.len()
                && query.has_ports_in(&self.rules[rule.1].allowance.ports)
                && peers
                    .iter()
                    .zip(matches)
                    .all(|((_, set), found)| self.is_peer_covered(set, found.iter(), budget));
            is_cover.then_some(rule.1)
        };
        rules.iter().find_map(covers_all)
    }

    /// The same where the query has one peer, of which these may match somebody.
    fn single_for_peer(
        &self,
        query: &Query<'_>,
        set: &PeerSet,
        found: &[PeerNumber],
        budget: &mut Budget,
    ) -> Option<RuleNumber> {
        let by_rule = || found.chunk_by(|one, next| one.rule == next.rule);
        let is_own = |peers: &&[PeerNumber]| peers[0].rule == query.number;
        let own = by_rule().filter(is_own);
        let others = by_rule().filter(|peers| !is_own(peers));
        let mut rules = own.chain(others);
        let cover = rules.find(|peers| {
            query.has_ports_in(&self.rules[peers[0].rule].allowance.ports)
                && self.is_peer_covered(set, peers.iter(), budget)
        })?;
        Some(cover[0].rule)
    }

    /// The rules without which the rest would not cover the query.
    fn several(
        &self,
        query: &Query<'_>,
        by_peer: &[Vec<PeerNumber>],
        everybody: &[RuleNumber],
        budget: &mut Budget,
    ) -> Option<Vec<RulePlace>> {
        let found = by_peer.iter().flatten().map(|peer| peer.rule);
        let mut rules: Vec<RuleNumber> = found.chain(everybody.iter().copied()).collect();
        rules.sort_unstable();
        rules.dedup();
        if rules.len() < 2 {
            return None;
        }
        // Twice as many each time, as a few of many are enough in most cases.
        let mut tried = 2;
        while !self.is_covered_by(query, by_peer, &rules[..tried], budget) {
            if tried == rules.len() {
                return None;
            }
            tried = (2 * tried).min(rules.len());
            // Where all of them together are not enough, fewer are not.
            if tried == 2 * FEW && !self.is_covered_by(query, by_peer, &rules, budget) {
                return None;
            }
        }
        rules.truncate(tried);
        // From the last one on, each goes that the ones before it can do without: the last of the
        // fewest that cover the query stays, whatever their number.
        let mut needed: Vec<RuleNumber> = Vec::new();
        while !rules.is_empty() {
            let (mut fewest, mut enough) = (0, rules.len());
            while fewest < enough {
                let middle = fewest.midpoint(enough);
                let some = [&rules[..middle], &needed].concat();
                match self.is_covered_by(query, by_peer, &some, budget) {
                    true => enough = middle,
                    false => fewest = middle + 1,
                }
            }
            rules.truncate(enough);
            needed.extend(rules.pop());
        }
        let mut places: Vec<RulePlace> = needed.iter().map(|it| self.rules[*it].place).collect();
        places.sort_unstable();
        Some(places)
    }

    fn is_covered_by(
        &self,
        query: &Query<'_>,
        by_peer: &[Vec<PeerNumber>],
        rules: &[RuleNumber],
        budget: &mut Budget,
    ) -> bool {
        budget.spend(rules.len() as u64);
        let ports = |number: &RuleNumber| &self.rules[*number].allowance.ports;
        let numbers = ConnectionSet::union_of(rules.iter().map(|rule| &ports(rule).numbers));
        if !query.ports.numbers.is_subset(&numbers) {
            return false;
        }
        let mut is_covered_at = |admits: &dyn Fn(&PortMatches) -> bool| {
            let admitting: HashSet<RuleNumber> = rules
                .iter()
                .copied()
                .filter(|rule| admits(ports(rule)))
                .collect();
            let speaks_for_all = |rule: &RuleNumber| self.rules[*rule].allowance.peers.is_none();
            if admitting.iter().any(speaks_for_all) {
                return true;
            }
            let Some(peers) = &query.peers else {
                return false;
            };
            peers.iter().zip(by_peer).all(|((_, set), found)| {
                let found = found.iter().filter(|peer| admitting.contains(&peer.rule));
                self.is_peer_covered(set, found, budget)
            })
        };
        let pieces = query
            .ports
            .pieces(rules.iter().map(|rule| &ports(rule).numbers));
        let by_number = |piece: &ConnectionSet| {
            is_covered_at(&|ports: &PortMatches| piece.is_subset(&ports.numbers))
        };
        pieces.iter().all(by_number)
            && query.ports.names.iter().all(|(protocol, name)| {
                is_covered_at(&|ports: &PortMatches| ports.has_name(*protocol, name))
            })
    }

    /// Whether all whom a peer matches are matched by one of these.
    fn is_peer_covered<'a>(
        &self,
        set: &PeerSet,
        by: impl Iterator<Item = &'a PeerNumber>,
        budget: &mut Budget,
    ) -> bool {
        if budget.is_spent() {
            return false;
        }
        match set {
            PeerSet::Ends(predicate) => {
                let covers = by.filter_map(|peer| match self.peer(*peer) {
                    PeerSet::Ends(other) => Some(other),
                    PeerSet::Addresses(_) | PeerSet::Networks(_) => None,
                });
                predicate.is_covered_within(&covers.collect::<Vec<_>>(), budget)
            }
            PeerSet::Addresses(ranges) | PeerSet::Networks(ranges) => {
                let mut of_peers = by.map(|peer| match self.peer(*peer) {
                    PeerSet::Ends(_) => &[],
                    PeerSet::Addresses(ranges) | PeerSet::Networks(ranges) => ranges.as_slice(),
                });
                // Most are compared with one other, whose ranges need not be put together.
                let mut covers = Cow::Borrowed(of_peers.next().unwrap_or_default());
                for ranges in of_peers.filter(|ranges| !ranges.is_empty()) {
                    covers.to_mut().extend_from_slice(ranges);
                }
                budget.spend(steps_for_ranges(ranges.len() + covers.len()));
                AddressRange::are_covered(ranges, &covers)
            }
        }
    }
}

/// Looking at a range is a small part of the step that comparing labels is.
fn steps_for_ranges(looks: usize) -> u64 {
    1 + looks as u64 / 8
}

impl Query<'_> {
    /// Whether all its ports are among these.
    fn has_ports_in(&self, ports: &PortMatches) -> bool {
        let mut names = self.ports.names.iter();
        self.ports.numbers.is_subset(&ports.numbers)
            && names.all(|(protocol, name)| ports.has_name(*protocol, name))
    }

    /// Whether a port of it may be among these.
    fn may_share_ports(&self, ports: &PortMatches) -> bool {
        !self.ports.names.is_empty()
            || !ports.names.is_empty()
            || !self.ports.numbers.is_disjoint(&ports.numbers)
    }
}
