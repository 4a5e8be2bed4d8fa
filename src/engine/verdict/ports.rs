//! Which ports of a destination the port entries of a rule mean, entry by entry.
//!
//! Refuses to know who asks, and what follows for the rule.

use super::possibility::Match;
use crate::engine::program::{PortEntry, PortRef, Ports};
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
    /// The entries, in the order of the text. None: the rule has no ports and matches
    /// every port of every protocol.
    pub entries: Vec<PortTrace<'c>>,
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
    ports: Option<&[PortEntry<'c>]>,
    destination: &Endpoint<'_>,
) -> PortsTrace<'c> {
    let Some(ports) = ports else {
        return PortsTrace {
            matches: Match::exactly(ConnectionSet::all()),
            entries: Vec::new(),
        };
    };
    let trace = |entry: &PortEntry<'c>| PortTrace {
        port: entry.origin,
        connections: match &entry.ports {
            Ports::Numbers(..) => entry.ports.numbers(),
            Ports::Name(name, protocol) => named(destination, name, *protocol),
            Ports::ExceptName(..) | Ports::ExceptNumbers(..) => ConnectionSet::none(),
        },
    };
    let excepted = |all: ConnectionSet, entry: &PortEntry<'_>| match &entry.ports {
        Ports::ExceptName(name, protocol) => {
            all.difference(&named(destination, name, Some(*protocol)))
        }
        Ports::ExceptNumbers(protocol, numbers) => {
            all.difference(&ConnectionSet::of(*protocol, numbers.clone()))
        }
        Ports::Numbers(..) | Ports::Name(..) => all,
    };
    let entries: Vec<PortTrace<'c>> = ports.iter().map(trace).collect();
    let matched = ConnectionSet::union_of(entries.iter().map(|entry| &entry.connections));
    let mut matches = Match::exactly(ports.iter().fold(matched, excepted));
    let are_ports_known = destination.pod().is_none_or(|pod| pod.are_ports_known);
    let is_open = |entry: &PortEntry<'_>| match entry.ports {
        Ports::Numbers(..) | Ports::ExceptNumbers(..) => false,
        Ports::Name(..) | Ports::ExceptName(..) => entry.ports.is_opaque() || !are_ports_known,
    };
    if ports.iter().any(is_open) {
        matches.possible = ConnectionSet::all();
    }
    PortsTrace { matches, entries }
}

/// The ports of this name at a destination, of one protocol or of any.
fn named(destination: &Endpoint<'_>, name: &str, protocol: Option<Protocol>) -> ConnectionSet {
    let Some(pod) = destination.pod() else {
        return ConnectionSet::none();
    };
    let meant = pod
        .named_ports
        .iter()
        .filter(|(its_name, its_protocol, _)| {
            *its_name == name && protocol.is_none_or(|protocol| protocol == *its_protocol)
        });
    meant.fold(ConnectionSet::none(), |all, (_, protocol, number)| {
        all.union(&ConnectionSet::of(*protocol, PortSet::single(*number)))
    })
}
