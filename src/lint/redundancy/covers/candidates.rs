//! Finding what may cover a rule or peer: by labels, addresses and ports, or by the pods that it
//! is about, whichever leads to less.
//!
//! Refuses to know whether what it finds covers anything.

use super::examples::ExampleIndex;
use super::{Among, Covers, PeerNumber, Query, RuleNumber, steps_for_ranges};
use crate::engine::AddressRange;
use crate::k8s::Protocol;
use crate::lint::containment::{Allowance, Budget, Key, PeerSet, PortMatches, Predicate};
use crate::lint::redundancy::intervals::Intervals;
use crate::source::Text;
use std::collections::HashMap;
use std::net::IpAddr;

/// A protocol and a port, as one number.
pub(super) type PortPlace = u32;

/// Peers by where they reach.
type Near<'a, P> = &'a [(P, P, PeerNumber)];

impl Covers {
    /// Makes the rules findable.
    pub(in crate::lint::redundancy) fn arrange(&mut self) {
        let mut known: HashMap<&Allowance, usize> = HashMap::new();
        let mut peers_before = 0;
        for (number, rule) in self.rules.iter().enumerate() {
            let next = known.len();
            let likeness = *known.entry(&rule.allowance).or_insert(next);
            let alike = self.alike.entry((likeness, rule.subject)).or_default();
            alike.push(number);
            self.likeness.push(likeness);
            self.peers_before.push(peers_before);
            peers_before += rule.alive_peers.len();
            let (rules, peers) = self.by_subject.entry(rule.subject).or_default();
            rules.push(number);
            *peers += rule.alive_peers.len();
        }
        self.peers_before.push(peers_before);
        let mut frequencies: HashMap<(&Key, &str), usize> = HashMap::new();
        let mut pods: Vec<(PeerNumber, &Predicate)> = Vec::new();
        for (number, rule) in self.rules.iter().enumerate() {
            let Some(peers) = &rule.allowance.peers else {
                let (first, last) = reach_of(&rule.allowance.ports);
                self.everybody.push(first, last, number);
                continue;
            };
            for (peer, set) in peers.iter().enumerate() {
                let peer = PeerNumber { rule: number, peer };
                match set {
                    PeerSet::Ends(predicate) => pods.push((peer, predicate)),
                    PeerSet::Addresses(ranges) | PeerSet::Networks(ranges) => {
                        for range in ranges {
                            self.by_address.push(range.first, range.last, peer);
                        }
                    }
                }
            }
        }
        let with_reach = pods.iter().map(|(peer, predicate)| {
            let ports = &self.rules[peer.rule].allowance.ports;
            (*peer, *predicate, reach_of(ports))
        });
        let with_reach: Vec<_> = with_reach.collect();
        self.examples = ExampleIndex::new(&with_reach);
        for (_, predicate) in &pods {
            for (key, values) in predicate.constraints() {
                match values {
                    None => {
                        self.open_keys.insert(key.clone());
                    }
                    Some(values) => {
                        for value in values {
                            *frequencies.entry((key, value)).or_default() += 1;
                        }
                    }
                }
            }
        }
        for (peer, predicate, (first, last)) in &with_reach {
            // A label by few values excludes every selector that wants other values. One by
            // which many are found is no help.
            let closed = predicate
                .constraints()
                .filter_map(|(key, values)| Some((key, values?)))
                .filter(|(key, _)| !self.open_keys.contains(*key));
            let cost = |(key, values): &(&Key, &[Text])| {
                let found = values
                    .iter()
                    .map(|value| frequencies[&(*key, value.as_str())]);
                found.sum::<usize>()
            };
            match closed.min_by_key(cost) {
                None => self.by_no_label.push(*first, *last, *peer),
                Some((key, values)) => {
                    for value in values {
                        let label = (key.clone(), value.clone());
                        let found = self.by_label.entry(label).or_default();
                        found.push(*first, *last, *peer);
                    }
                }
            }
        }
        self.everybody.arrange();
        self.by_no_label.arrange();
        self.by_address.arrange();
        self.by_label.values_mut().for_each(Intervals::arrange);
    }

    /// The rules among which a query looks, and how many peers they have together.
    pub(super) fn rules_among<'a>(
        &'a self,
        among: &'a Among<'_>,
    ) -> (Box<dyn Iterator<Item = RuleNumber> + 'a>, usize) {
        match among {
            Among::Chain(rules) => {
                let peers = self.peers_before[rules.end] - self.peers_before[rules.start];
                (Box::new(rules.clone()), peers + rules.len())
            }
            Among::Subjects(subjects) => {
                let known = subjects
                    .iter()
                    .filter_map(|subject| self.by_subject.get(subject));
                let count = known.clone().map(|(rules, peers)| rules.len() + peers);
                let count = count.sum();
                (
                    Box::new(known.flat_map(|(rules, _)| rules.iter().copied())),
                    count,
                )
            }
        }
    }

    /// The rules for everybody that may share a port with the query, found by what there is less
    /// of.
    pub(super) fn everybody_for(&self, query: &Query<'_>) -> Vec<RuleNumber> {
        let (first, last) = reach_of(query.ports);
        let by_port = self.everybody.near(first, last);
        let (among, count) = self.rules_among(&query.among);
        match by_port.len() <= count {
            true => by_port.iter().map(|(_, _, rule)| *rule).collect(),
            false => {
                let is_for_everybody =
                    |rule: &RuleNumber| self.rules[*rule].allowance.peers.is_none();
                among.filter(is_for_everybody).collect()
            }
        }
    }

    /// The peers that may match somebody whom this one matches, found by what there is less of:
    /// its labels or addresses, or the rules among which the query looks. `None` where the
    /// budget does not suffice.
    pub(super) fn candidates(
        &self,
        query: &Query<'_>,
        set: &PeerSet,
        budget: &mut Budget,
    ) -> Option<Vec<PeerNumber>> {
        let (first, last) = reach_of(query.ports);
        let of_pods: Vec<Near<'_, PortPlace>> = match set {
            PeerSet::Ends(predicate) => {
                let labels = predicate
                    .constraints()
                    .filter_map(|(key, values)| Some((key, values?)))
                    .filter(|(key, _)| !self.open_keys.contains(*key));
                let labels = labels.flat_map(|(key, values)| {
                    values
                        .iter()
                        .filter_map(|value| self.by_label.get(&(key.clone(), value.clone())))
                });
                let found = labels.map(|peers| peers.near(first, last));
                found.chain([self.by_no_label.near(first, last)]).collect()
            }
            PeerSet::Addresses(_) | PeerSet::Networks(_) => Vec::new(),
        };
        let of_addresses: Vec<(&AddressRange, Near<'_, IpAddr>)> = match set {
            PeerSet::Ends(_) => Vec::new(),
            PeerSet::Addresses(ranges) | PeerSet::Networks(ranges) => {
                let found = ranges
                    .iter()
                    .map(|range| (range, self.by_address.near(range.first, range.last)));
                found.collect()
            }
        };
        let of_pods_count = of_pods.iter().map(|found| found.len()).sum::<usize>();
        let of_addresses_count = of_addresses
            .iter()
            .map(|(_, found)| found.len())
            .sum::<usize>();
        let (among, count) = self.rules_among(&query.among);
        let mut found = Vec::new();
        if count < of_pods_count + of_addresses_count {
            for rule in among {
                for peer in 0..self.rules[rule].alive_peers.len() {
                    let peer = PeerNumber { rule, peer };
                    if budget.is_spent() {
                        return None;
                    }
                    found.extend(self.overlaps(set, peer, budget).then_some(peer));
                }
            }
            return Some(found);
        }
        for (_, _, peer) in of_pods.into_iter().flatten() {
            if budget.is_spent() {
                return None;
            }
            found.extend(self.overlaps(set, *peer, budget).then_some(*peer));
        }
        budget.spend(of_addresses_count as u64);
        if budget.is_spent() {
            return None;
        }
        let speaks = |peer: &PeerNumber| {
            let rule = &self.rules[peer.rule];
            rule.is_alive && rule.alive_peers[peer.peer]
        };
        for (range, others) in of_addresses {
            let others = others
                .iter()
                .filter(|(first, last, _)| *first <= range.last && range.first <= *last)
                .filter(|(_, _, peer)| speaks(peer));
            found.extend(others.map(|(_, _, peer)| *peer));
        }
        found.sort_unstable();
        found.dedup();
        Some(found)
    }

    /// Whether a peer may match somebody whom this one matches.
    fn overlaps(&self, set: &PeerSet, peer: PeerNumber, budget: &mut Budget) -> bool {
        match (set, self.peer(peer)) {
            (PeerSet::Ends(predicate), PeerSet::Ends(other)) => {
                budget.spend(1 + predicate.size());
                predicate.overlaps(other)
            }
            (
                PeerSet::Addresses(ranges) | PeerSet::Networks(ranges),
                PeerSet::Addresses(others) | PeerSet::Networks(others),
            ) => {
                budget.spend(steps_for_ranges(ranges.len() * others.len()));
                let mut ranges = ranges.iter();
                ranges.any(|range| others.iter().any(|other| range.overlaps(other)))
            }
            _ => {
                budget.spend(1);
                false
            }
        }
    }
}

/// The first and the last port that a rule may be about: all of them, where a name may mean any.
pub(super) fn reach_of(ports: &PortMatches) -> (PortPlace, PortPlace) {
    if !ports.names.is_empty() {
        return (PortPlace::MIN, PortPlace::MAX);
    }
    let ranges = ports.numbers.iter().flat_map(|(protocol, ports)| {
        let ranges = ports.ranges().iter();
        ranges.map(move |(first, last)| (place_of(protocol, *first), place_of(protocol, *last)))
    });
    let none = (PortPlace::MAX, PortPlace::MIN);
    ranges.fold(none, |(low, high), (first, last)| {
        (low.min(first), high.max(last))
    })
}

fn place_of(protocol: Protocol, port: u16) -> PortPlace {
    (protocol as PortPlace) << u16::BITS | PortPlace::from(port)
}
