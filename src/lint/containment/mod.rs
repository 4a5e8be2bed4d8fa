//! Whether what one rule allows is allowed by other rules anyway, for every pod, address
//! and port that there could be.
//!
//! Decided from the policy program alone: label predicates × address ranges × ports. So the
//! answer stays the same when pods come and go. Refuses to know the kinds of policies, and
//! which of them apply to a pod; it is handed the rules that do.

mod budget;
mod common;
mod index;
mod labels;
mod lowered;

pub use budget::Budget;
pub use index::AllowanceIndex;
pub(super) use index::PodIndex;
pub(super) use labels::{Example, Key, Predicate, Requirement};

use crate::engine::{AddressRange, ConnectionSet};
use crate::k8s::{LabelSelector, Protocol};
use labels::Scope;
use std::collections::BTreeSet;

/// What a rule allows: its peers on its ports.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Allowance {
    /// `None`: everybody, pods on the network of their node included.
    pub(super) peers: Option<Vec<PeerSet>>,
    pub(super) ports: PortMatches,
}

/// Whom a peer matches, or a part of them.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum PeerSet {
    /// Pods, pods on the network of their node, nodes and their like, by what they are and by
    /// their labels.
    Ends(Predicate),
    /// Of an `ipBlock`, which pods of unknown address are never in (S9).
    Addresses(Vec<AddressRange>),
    /// Of `networks`, where such pods are in a block of all IPv4 addresses (S12).
    Networks(Vec<AddressRange>),
}

/// Ports by number, and ports that only the destination's names give a number.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct PortMatches {
    pub(super) numbers: ConnectionSet,
    pub(super) names: BTreeSet<(Protocol, String)>,
}

/// The pods that a selector selects, out of all that there could be.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct PodSet(pub(super) Predicate);

impl PodSet {
    /// The pods of a selector; one that is not written selects every pod (S1). `None` where
    /// another tool fills in some of its text, or where no pod can satisfy it.
    #[must_use]
    pub fn of(selector: Option<&LabelSelector>) -> Option<Self> {
        let pods = match selector {
            Some(selector) => Predicate::default().and_selector(Scope::Pod, selector)?,
            None => Predicate::default(),
        };
        pods.is_satisfiable().then_some(Self(pods))
    }

    /// Whether all of the other's pods are among these, whatever labels pods have.
    #[must_use]
    pub fn contains(&self, other: &Self) -> bool {
        other.0.is_covered(&[&self.0])
    }
}

/// Whether every pod that `inner` selects is selected by `outer`, whatever labels pods
/// have. Never where one of the two has no [`PodSet`].
#[must_use]
pub fn selects_all_of(outer: Option<&LabelSelector>, inner: Option<&LabelSelector>) -> bool {
    let (Some(outer), Some(inner)) = (PodSet::of(outer), PodSet::of(inner)) else {
        return false;
    };
    outer.contains(&inner)
}

impl Allowance {
    /// Whether everything that this allows is allowed by `covers` together. Says no where
    /// the answer would take too long.
    #[must_use]
    pub fn is_covered(&self, covers: &[&Self]) -> bool {
        let by_number = |ports: &ConnectionSet| {
            let admits = |cover: &&&Self| ports.is_subset(&cover.ports.numbers);
            self.are_peers_covered(covers.iter().filter(admits))
        };
        let by_name = |(protocol, name): &(Protocol, String)| {
            let admits = |cover: &&&Self| cover.ports.has_name(*protocol, name);
            self.are_peers_covered(covers.iter().filter(admits))
        };
        self.ports
            .pieces(covers.iter().map(|cover| &cover.ports.numbers))
            .iter()
            .all(by_number)
            && self.ports.names.iter().all(by_name)
    }

    /// Whether all of its ports by number are among those of another one, whoever the peers
    /// are.
    #[must_use]
    pub fn has_only_ports_of(&self, other: &Self) -> bool {
        self.ports.numbers.is_subset(&other.ports.numbers)
    }

    /// Whether all its peers are among the peers of `covers`, ports aside.
    fn are_peers_covered<'a>(&self, covers: impl Iterator<Item = &'a &'a Self>) -> bool {
        let mut predicates = Vec::new();
        let mut ranges = Vec::new();
        let mut networks = Vec::new();
        for cover in covers {
            let Some(peers) = &cover.peers else {
                return true;
            };
            for peer in peers {
                match peer {
                    PeerSet::Ends(predicate) => predicates.push(predicate),
                    PeerSet::Addresses(addresses) => ranges.extend(addresses.iter().copied()),
                    PeerSet::Networks(addresses) => networks.extend(addresses.iter().copied()),
                }
            }
        }
        let [holds_ipv4, holds_ipv6] =
            [AddressRange::IPV4, AddressRange::IPV6].map(|all| networks.contains(&all));
        ranges.extend(networks);
        let are_addresses_covered = |addresses: &[AddressRange]| {
            let mut addresses = addresses.iter();
            addresses.all(|range| range.without(&ranges).is_empty())
        };
        // Nothing but a rule for everybody matches everybody: what a block makes of pods is up
        // to the CNI plugin (S15).
        let Some(peers) = &self.peers else {
            return false;
        };
        peers.iter().all(|peer| match peer {
            PeerSet::Ends(predicate) => {
                (holds_ipv4 && holds_ipv6) || predicate.is_covered(&predicates)
            }
            PeerSet::Addresses(addresses) => are_addresses_covered(addresses),
            PeerSet::Networks(addresses) => {
                (holds_ipv4 || !addresses.contains(&AddressRange::IPV4))
                    && are_addresses_covered(addresses)
            }
        })
    }
}

impl PeerSet {
    /// The addresses, unless it is about pods.
    fn ranges(&self) -> Option<&[AddressRange]> {
        match self {
            Self::Ends(_) => None,
            Self::Addresses(ranges) | Self::Networks(ranges) => Some(ranges),
        }
    }
}

impl PortMatches {
    /// Whether whatever the name means at a destination is among these ports.
    pub(super) fn has_name(&self, protocol: Protocol, name: &str) -> bool {
        self.numbers.get(protocol).is_all() || self.names.contains(&(protocol, name.to_owned()))
    }

    /// The ports by number, in pieces each of which every set of `others` holds wholly or
    /// not at all.
    pub(super) fn pieces<'a>(
        &self,
        others: impl Iterator<Item = &'a ConnectionSet>,
    ) -> Vec<ConnectionSet> {
        let mut pieces = vec![self.numbers.clone()];
        for other in others {
            let cut = |piece: ConnectionSet| [piece.intersection(other), piece.difference(other)];
            pieces = pieces.into_iter().flat_map(cut).collect();
            pieces.retain(|piece| !piece.is_empty());
        }
        pieces
    }
}

#[cfg(test)]
pub(super) mod sample;
#[cfg(test)]
mod tests;
