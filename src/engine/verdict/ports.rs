//! Which ports of a destination the port entries of a rule mean, entry by entry.
//!
//! Refuses to know who asks, and what follows for the rule.

use super::possibility::Match;
use crate::engine::program::{PortRef, Ports, RulePorts};
use crate::engine::{ConnectionSet, Endpoint, PortSet};
use crate::k8s::{CalicoPort, CiliumPortReference, PortMatch, PortReference, Protocol};

impl<'c> PortRef<'c> {
    /// The name, if it is a named port.
    #[must_use]
    pub fn name(&self) -> Option<&'c str> {
        match self {
            Self::Network(entry) => match &entry.port.get()?.value {
                PortReference::Name(name) => Some(name),
                PortReference::Number(_) => None,
            },
            Self::Cluster(entry) => match &entry.matches {
                PortMatch::Name(name) => Some(name),
                PortMatch::Numbers { .. } => None,
            },
            Self::Cilium(entry) => match &entry.port.value {
                CiliumPortReference::Name(name) => Some(name),
                CiliumPortReference::Number(_) => None,
            },
            // All of its ports are one entry.
            Self::Calico(rule) => match rule.destination.ports.as_slice() {
                [port] => match &port.value {
                    CalicoPort::Name(name) => Some(name),
                    CalicoPort::Range(..) => None,
                },
                _ => None,
            },
            Self::EgressFirewall(_) => None,
        }
    }
}

/// What the ports of a rule mean at the destination.
#[derive(Clone, Debug)]
pub struct PortsTrace<'c> {
    /// All that they match there.
    pub matches: Match,
    ports: Option<RulePorts<'c>>,
    /// What each name means that means something there, by the place of its entry, in order.
    named: Vec<(usize, ConnectionSet)>,
    /// Whether they have names, and no manifest says what the destination calls its ports.
    pub is_untold: bool,
}

impl<'c> PortsTrace<'c> {
    /// The entries, in the order of the text. None: the rule has no ports and matches
    /// every port of every protocol.
    pub fn entries(&self) -> impl Iterator<Item = PortTrace<'c>> {
        let entries = self.ports.as_deref().unwrap_or_default().iter();
        let mut named = self.named.iter().peekable();
        entries.enumerate().map(move |(place, entry)| PortTrace {
            port: entry.origin,
            connections: match named.next_if(|(its_place, _)| *its_place == place) {
                Some((_, meant)) => meant.clone(),
                None => entry.ports.numbers(),
            },
        })
    }

    /// Whether the CNI plugin does not support an entry.
    #[must_use]
    pub fn is_unsupported(&self) -> bool {
        let mut entries = self.ports.as_deref().unwrap_or_default().iter();
        entries.any(|entry| matches!(entry.ports, Ports::Unsupported))
    }

    /// How many entries there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.ports.as_deref().map_or(0, <[_]>::len)
    }

    /// Whether the rule has no ports.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// How many entries are names that no container port of the destination has.
    #[must_use]
    pub fn count_unresolved(&self) -> usize {
        self.ports.as_ref().map_or(0, |ports| {
            let names = ports.names().iter().map(|(_, place)| *place);
            let names = names.filter(|place| {
                let means = self.named.binary_search_by_key(place, |(place, _)| *place);
                means.is_err()
            });
            // An exception gives nothing, either.
            let entries = names.map(|place| &ports[place]).chain(ports.exceptions());
            entries
                .filter(|entry| entry.origin.name().is_some())
                .count()
        })
    }
}

/// What one port entry means at the destination.
#[derive(Clone, Debug)]
pub struct PortTrace<'c> {
    /// The entry.
    pub port: PortRef<'c>,
    /// What it matches there.
    pub connections: ConnectionSet,
}

impl PortTrace<'_> {
    /// Whether it is a name that no container port of the destination has.
    #[must_use]
    pub fn is_unresolved(&self) -> bool {
        self.connections.is_empty() && self.port.name().is_some()
    }
}

/// What the ports of a rule mean at a destination (S7); every port if it has none.
pub(super) fn compare<'c>(
    ports: Option<&RulePorts<'c>>,
    destination: &Endpoint<'_>,
) -> PortsTrace<'c> {
    let Some(ports) = ports else {
        return PortsTrace {
            matches: Match::exactly(ConnectionSet::all()),
            ports: None,
            named: Vec::new(),
            is_untold: false,
        };
    };
    let resolved = resolved(ports, destination);
    let meant = resolved.iter().map(|(_, meant)| meant);
    let matched = ConnectionSet::union_of(meant.chain([ports.numbers()]));
    let known = |name, protocol| named(destination, name, protocol);
    let mut matches = Match::exactly(without_exceptions(matched.clone(), ports, &known));
    let mut is_untold = false;
    if let Some(pod) = destination.pod().filter(|pod| !pod.are_ports_known) {
        let names = ports.names().iter();
        let names = names.filter_map(|(_, place)| match &ports[*place].ports {
            Ports::Name(_, protocol) => Some(every_port(*protocol)),
            _ => None,
        });
        let matched_by_any = names.fold(matched.clone(), |all, more| all.union(&more));
        matches.possible = without_exceptions(matched_by_any, ports, &known);
        matches.certain = without_exceptions(matched, ports, &|_, of| every_port(of));
        is_untold = pod.workload.is_none() && matches.certain != matches.possible;
    }
    if ports.has_opaque_name() {
        matches.possible = ConnectionSet::all();
    }
    PortsTrace {
        matches,
        ports: Some(ports.clone()),
        named: resolved,
        is_untold,
    }
}

/// All ports of a protocol, or of any: a port of which nobody knows the name may be one of them.
fn every_port(protocol: Option<Protocol>) -> ConnectionSet {
    protocol.map_or_else(ConnectionSet::all, |protocol| {
        ConnectionSet::of(protocol, PortSet::all())
    })
}

/// What is left without the entries that take something away, where a name means this.
fn without_exceptions<'c>(
    all: ConnectionSet,
    ports: &RulePorts<'c>,
    named: &dyn Fn(&'c str, Option<Protocol>) -> ConnectionSet,
) -> ConnectionSet {
    ports.exceptions().fold(all, |all, entry| {
        all.difference(&match &entry.ports {
            Ports::ExceptName(name, protocol) => named(name, Some(*protocol)),
            Ports::ExceptNumbers(protocol, numbers) => {
                ConnectionSet::of(*protocol, numbers.clone())
            }
            Ports::Numbers(..) | Ports::Name(..) | Ports::Unsupported => return all,
        })
    })
}

/// What the names of a rule mean at a destination, by the places of their entries: those that
/// mean something. Looked up by what there is less of, names or ports that have one.
fn resolved(ports: &RulePorts<'_>, destination: &Endpoint<'_>) -> Vec<(usize, ConnectionSet)> {
    let (names, pod) = (ports.names(), destination.pod());
    let known = pod.map_or(&[][..], |pod| pod.named_ports.as_slice());
    let mut places: Vec<usize> = if names.len() <= known.len() {
        names.iter().map(|(_, place)| *place).collect()
    } else {
        let known = known.iter().flat_map(|(name, ..)| {
            let first = names.partition_point(|(known, _)| known < name);
            let behind = names.partition_point(|(known, _)| known <= name);
            &names[first..behind]
        });
        known.map(|(_, place)| *place).collect()
    };
    places.sort_unstable();
    places.dedup();
    let meant = places.into_iter().map(|place| match ports[place].ports {
        Ports::Name(name, protocol) => (place, named(destination, name, protocol)),
        _ => (place, ConnectionSet::none()),
    });
    meant.filter(|(_, meant)| !meant.is_empty()).collect()
}

/// The ports of this name at a destination, of one protocol or of any.
fn named(destination: &Endpoint<'_>, name: &str, protocol: Option<Protocol>) -> ConnectionSet {
    let Some(pod) = destination.pod() else {
        return ConnectionSet::none();
    };
    // They are sorted by name.
    let first = pod
        .named_ports
        .partition_point(|(its_name, ..)| *its_name < name);
    let of_name = pod.named_ports[first..]
        .iter()
        .take_while(|(its_name, ..)| *its_name == name);
    let meant = of_name
        .filter(|(_, its_protocol, _)| protocol.is_none_or(|protocol| protocol == *its_protocol));
    ConnectionSet::union_of(
        meant.map(|(_, protocol, number)| ConnectionSet::of(*protocol, PortSet::single(*number))),
    )
}
