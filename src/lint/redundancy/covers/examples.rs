//! Who matches an example of a peer: where nobody does, nothing covers the peer, and that is
//! known without a look at all who overlap it.
//!
//! Refuses to know whether what matches an example matches more.

use super::candidates::{PortPlace, reach_of};
use super::{Covers, PeerNumber, Query};
use crate::engine::ConnectionSet;
use crate::lint::containment::{Budget, Example, PeerSet, PortMatches, Predicate, Requirement};
use crate::lint::redundancy::intervals::Intervals;
use std::collections::HashMap;

/// Peers on pods by something that each of them requires, and by their ports.
#[derive(Debug, Default)]
pub(super) struct ExampleIndex {
    by_requirement: HashMap<Requirement, Intervals<PortPlace, PeerNumber>>,
    /// Peers that require no label.
    by_nothing: Intervals<PortPlace, PeerNumber>,
}

impl ExampleIndex {
    /// The index of some peers, each with the ports that its rule reaches.
    pub(super) fn new(peers: &[(PeerNumber, &Predicate, (PortPlace, PortPlace))]) -> Self {
        let mut frequencies: HashMap<Requirement, usize> = HashMap::new();
        for (_, predicate, _) in peers {
            for requirement in predicate.requirements().flatten() {
                *frequencies.entry(requirement).or_default() += 1;
            }
        }
        let mut index = Self::default();
        for (peer, predicate, (first, last)) in peers {
            let cost = |any: &Vec<Requirement>| any.iter().map(|it| frequencies[it]).sum::<usize>();
            let Some(any) = predicate.requirements().min_by_key(cost) else {
                index.by_nothing.push(*first, *last, *peer);
                continue;
            };
            for requirement in any {
                let peers = index.by_requirement.entry(requirement).or_default();
                peers.push(*first, *last, *peer);
            }
        }
        index.by_nothing.arrange();
        index
            .by_requirement
            .values_mut()
            .for_each(Intervals::arrange);
        index
    }

    /// The peers among which all are that match an example on a port of a stretch.
    fn near(
        &self,
        example: &Example<'_>,
        (first, last): (PortPlace, PortPlace),
    ) -> Vec<&[(PortPlace, PortPlace, PeerNumber)]> {
        let found = example
            .met()
            .filter_map(|met| self.by_requirement.get(&met));
        let found = found.chain([&self.by_nothing]);
        found.map(|peers| peers.near(first, last)).collect()
    }
}

impl Covers {
    /// Whether an end that a peer of the query matches is matched by no other peer, on ports
    /// that are `open`: no rule for everybody has them. `None`: all ports of the query are.
    pub(super) fn has_unmatched_example(
        &self,
        query: &Query<'_>,
        (own, set): (PeerNumber, &PeerSet),
        open: Option<&ConnectionSet>,
        may_speak: impl Fn(usize) -> bool,
        budget: &mut Budget,
    ) -> bool {
        let example = match set {
            PeerSet::Ends(predicate) => predicate.example(),
            PeerSet::Addresses(_) | PeerSet::Networks(_) => None,
        };
        let Some(example) = example else {
            return false;
        };
        let found = self.examples.near(&example, reach_of(query.ports));
        let count = found.iter().map(|peers| peers.len()).sum::<usize>();
        if count > self.rules_among(&query.among).1 {
            return false;
        }
        let shares_ports = |ports: &PortMatches| match open {
            None => query.may_share_ports(ports),
            Some(open) => !open.is_disjoint(&ports.numbers),
        };
        let mut found = found.into_iter().flatten();
        !found.any(|(_, _, peer)| {
            budget.spend(1);
            let rule = &self.rules[peer.rule];
            let speaks = *peer != own
                && rule.is_alive
                && rule.alive_peers[peer.peer]
                && (peer.rule != query.number || query.is_part)
                && shares_ports(&rule.allowance.ports)
                && may_speak(rule.chain);
            budget.is_spent()
                || speaks
                    && matches!(self.peer(*peer), PeerSet::Ends(other) if other.matches(&example))
        })
    }
}
