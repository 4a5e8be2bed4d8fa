//! Which ports of a destination the port entries of a rule mean, entry by entry.
//!
//! Refuses to know who asks, and what follows for the rule.

use super::possibility::Match;
use crate::engine::{ConnectionSet, Endpoint, PortSet};
use crate::k8s::{
    ClusterNetworkPolicyPort, NetworkPolicyPort, PortMatch, PortReference, Protocol, is_opaque,
};

/// A port entry as a policy has it.
#[derive(Clone, Copy, Debug)]
pub enum PortRef<'c> {
    /// Of a `NetworkPolicy`.
    Network(&'c NetworkPolicyPort),
    /// Of a cluster-wide policy.
    Cluster(&'c ClusterNetworkPolicyPort),
}

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

/// The ports of a `NetworkPolicy` rule at a destination (S7).
pub(super) fn network_ports<'c>(
    ports: &'c [NetworkPolicyPort],
    destination: &Endpoint<'_>,
) -> PortsTrace<'c> {
    let trace = |entry: &'c NetworkPolicyPort| {
        let protocol = entry.protocol_or_default();
        let connections = match entry.port.get().map(|port| &port.value) {
            None => ConnectionSet::of(protocol, PortSet::all()),
            Some(PortReference::Number(first)) => {
                let last = entry.end_port.get().map_or(*first, |end| end.value);
                ConnectionSet::of(protocol, PortSet::range(*first, last))
            }
            Some(PortReference::Name(name)) => named(destination, name, Some(protocol)),
        };
        PortTrace {
            port: PortRef::Network(entry),
            connections,
        }
    };
    PortsTrace::new(ports.iter().map(trace).collect(), destination)
}

/// The ports of a rule of a cluster-wide policy at a destination (S12).
pub(super) fn cluster_ports<'c>(
    ports: Option<&'c [ClusterNetworkPolicyPort]>,
    destination: &Endpoint<'_>,
) -> PortsTrace<'c> {
    let trace = |entry: &'c ClusterNetworkPolicyPort| {
        let connections = match &entry.matches {
            PortMatch::Numbers {
                protocol,
                first,
                last,
            } => ConnectionSet::of(*protocol, PortSet::range(*first, *last)),
            PortMatch::Name(name) => named(destination, name, None),
        };
        PortTrace {
            port: PortRef::Cluster(entry),
            connections,
        }
    };
    PortsTrace::new(
        ports.unwrap_or_default().iter().map(trace).collect(),
        destination,
    )
}

impl<'c> PortsTrace<'c> {
    fn new(entries: Vec<PortTrace<'c>>, destination: &Endpoint<'_>) -> Self {
        if entries.is_empty() {
            return Self {
                matches: Match::exactly(ConnectionSet::all()),
                entries,
            };
        }
        let union = |all: ConnectionSet, entry: &PortTrace<'_>| all.union(&entry.connections);
        let mut matches = Match::exactly(entries.iter().fold(ConnectionSet::none(), union));
        let are_ports_known = destination.pod().is_none_or(|pod| pod.are_ports_known);
        let is_open = |name| is_opaque(name) || !are_ports_known;
        if entries
            .iter()
            .any(|entry| entry.port.name().is_some_and(is_open))
        {
            matches.possible = ConnectionSet::all();
        }
        Self { matches, entries }
    }
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
