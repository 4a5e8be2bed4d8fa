//! The same questions about cluster-wide policies: which pods they are about, what their
//! rules match, and whether two of them have anything in common.

use super::labels::{Predicate, Scope};
use super::{Allowance, PeerSet, PodSet, PortMatches};
use crate::cluster::{NAMESPACE_NAME_LABEL, Namespace};
use crate::engine::{AddressRange, ConnectionSet, PortSet};
use crate::k8s::{
    ClusterNetworkPolicyPort, ClusterNetworkPolicyRule, LabelSelector, PeerSelection,
    PodsSelection, PortMatch, Protocol,
};
use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr};

impl PodSet {
    /// The pods of a selection across namespaces. `None` where another tool fills in some
    /// of its text, or where no pod can satisfy it.
    #[must_use]
    pub fn of_selection(selection: &PodsSelection) -> Option<Self> {
        let pods = match selection {
            PodsSelection::Namespaces(namespaces) => {
                Predicate::default().and_selector(Scope::Namespace, namespaces)?
            }
            PodsSelection::Pods {
                namespace_selector,
                pod_selector,
            } => Predicate::default()
                .and_selector(Scope::Namespace, namespace_selector)?
                .and_selector(Scope::Pod, pod_selector)?,
        };
        pods.is_satisfiable().then_some(Self(pods))
    }

    /// The pods of a selector in one namespace, of which the labels are known that its
    /// manifest has. `None` as for [`of_selection`](Self::of_selection).
    #[must_use]
    pub fn in_namespace(selector: Option<&LabelSelector>, namespace: &Namespace) -> Option<Self> {
        let mut pods = Predicate::default();
        for label in &namespace.labels {
            pods = pods.and_value(Scope::Namespace, &label.key, &label.value);
        }
        pods = pods.and_value(Scope::Namespace, NAMESPACE_NAME_LABEL, &namespace.name);
        if let Some(selector) = selector {
            pods = pods.and_selector(Scope::Pod, selector)?;
        }
        pods.is_satisfiable().then_some(Self(pods))
    }

    /// Whether some pod may be in both.
    #[must_use]
    pub fn overlaps(&self, other: &Self) -> bool {
        self.0.overlaps(&other.0)
    }
}

impl Allowance {
    /// What a rule of a cluster-wide policy matches, whatever it does with it. `None` where
    /// that cannot be said from its text: for nodes and names of domains, and where another
    /// tool fills in some of it.
    #[must_use]
    pub fn of_cluster_rule(rule: &ClusterNetworkPolicyRule) -> Option<Self> {
        let peers = rule.peers.iter().map(|peer| match &peer.selection {
            PeerSelection::Pods(selection) => {
                Some(PeerSet::Pods(PodSet::of_selection(selection)?.0))
            }
            PeerSelection::Networks(networks) => {
                let ranges = networks.iter().map(|network| network.value.into());
                Some(PeerSet::Addresses(ranges.collect()))
            }
            PeerSelection::Nodes(_) | PeerSelection::DomainNames(_) => None,
        });
        Some(Self {
            peers: Some(peers.collect::<Option<_>>()?),
            ports: PortMatches::of_cluster_ports(rule.ports.as_deref()),
        })
    }

    /// Whether some connection may be among both.
    #[must_use]
    pub fn overlaps(&self, other: &Self) -> bool {
        let have_common_peers = match (&self.peers, &other.peers) {
            (Some(ours), Some(theirs)) => ours
                .iter()
                .any(|one| theirs.iter().any(|other| one.may_share_with(other))),
            _ => true,
        };
        have_common_peers && self.ports.overlaps(&other.ports)
    }
}

impl PeerSet {
    /// Whether some peer may be in both. Every pod has an address, but only a block of all
    /// of them surely holds it (S12).
    fn may_share_with(&self, other: &Self) -> bool {
        let are_of_pods = match (self, other) {
            (Self::Pods(_), Self::Addresses(ranges)) | (Self::Addresses(ranges), Self::Pods(_)) => {
                ranges.iter().any(holds_every_ipv4_address)
            }
            _ => false,
        };
        are_of_pods || self.overlaps(other)
    }
}

fn holds_every_ipv4_address(range: &AddressRange) -> bool {
    range.contains(IpAddr::V4(Ipv4Addr::UNSPECIFIED)) && range.contains(Ipv4Addr::BROADCAST.into())
}

impl PortMatches {
    fn of_cluster_ports(ports: Option<&[ClusterNetworkPolicyPort]>) -> Self {
        let mut matches = Self {
            numbers: ConnectionSet::none(),
            names: BTreeSet::new(),
        };
        let Some(ports) = ports else {
            matches.numbers = ConnectionSet::all();
            return matches;
        };
        for port in ports {
            match &port.matches {
                PortMatch::Numbers {
                    protocol,
                    first,
                    last,
                } => {
                    let numbers = ConnectionSet::of(*protocol, PortSet::range(*first, *last));
                    matches.numbers = matches.numbers.union(&numbers);
                }
                // The protocol is the one that the destination declares (S12).
                PortMatch::Name(name) => matches
                    .names
                    .extend(Protocol::ALL.map(|protocol| (protocol, name.clone()))),
            }
        }
        matches
    }

    /// Whether some port may be among both; a name may mean any number.
    fn overlaps(&self, other: &Self) -> bool {
        let may_mean = |names: &Self, numbers: &Self| {
            let mut names = names.names.iter();
            names.any(|(protocol, _)| !numbers.numbers.get(*protocol).is_empty())
        };
        !self.numbers.intersection(&other.numbers).is_empty()
            || !self.names.is_disjoint(&other.names)
            || may_mean(self, other)
            || may_mean(other, self)
    }
}
