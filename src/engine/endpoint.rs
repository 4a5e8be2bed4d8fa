//! The two ends of a connection as policies see them: a pod with its labels, names of
//! ports and addresses, or a range of addresses outside.
//!
//! Refuses to know how a person names an end, and whether the pod exists: a pod that is
//! only hypothetical is judged like any other.

use super::AddressRange;
use crate::cluster::{Cluster, NamespaceId, WorkloadId};
use crate::k8s::{Labels, Protocol, WorkloadKind};
use std::net::IpAddr;

/// One end of a connection.
#[derive(Clone, Debug)]
pub enum Endpoint<'c> {
    /// A pod of the cluster, or one that is meant to be there.
    Pod(PodView<'c>),
    /// Addresses outside that no policy tells apart; see
    /// [`uniform_ranges`](super::uniform_ranges).
    Address(AddressRange),
}

impl<'c> Endpoint<'c> {
    /// The pods of a workload of the cluster.
    #[must_use]
    pub fn workload(cluster: &'c Cluster, id: WorkloadId) -> Self {
        Self::Pod(PodView::workload(cluster, id))
    }

    /// The pod, unless it is an end outside.
    #[must_use]
    pub fn pod(&self) -> Option<&PodView<'c>> {
        match self {
            Self::Pod(pod) => Some(pod),
            Self::Address(_) => None,
        }
    }
}

/// A pod, or the pods of a workload, reduced to what policies see.
#[derive(Clone, Debug)]
pub struct PodView<'c> {
    /// The workload it was made from; `None` for a pod that is only hypothetical.
    pub workload: Option<WorkloadId>,
    /// Its namespace.
    pub namespace: NamespaceView<'c>,
    /// Its labels.
    pub labels: &'c Labels,
    /// Whether these are all its labels: not if another tool fills in some of them.
    pub are_labels_known: bool,
    /// The ports that a named port can mean, in the order of the text (S7).
    pub named_ports: Vec<(&'c str, Protocol, u16)>,
    /// Whether these are all of them: not if another tool fills in some of them.
    pub are_ports_known: bool,
    /// Whether it lives on the network of its node, unseen by selectors (S10).
    pub host_network: bool,
    /// Its known addresses; mostly none (S9).
    pub addresses: &'c [IpAddr],
    /// Whether it is one `Pod`, which reaches itself, and not a set of replicas (S4).
    pub is_single_pod: bool,
}

/// The namespace of a pod.
#[derive(Clone, Copy, Debug)]
pub struct NamespaceView<'c> {
    /// Its id; `None` for one that is only hypothetical, which has no NetworkPolicies.
    pub id: Option<NamespaceId>,
    /// Its name.
    pub name: &'c str,
    /// Its labels, with the one that Kubernetes sets (S2).
    pub labels: &'c Labels,
    /// Whether these are all its labels. They may not be for a namespace whose manifest
    /// is not among the inputs.
    pub are_labels_known: bool,
}

impl<'c> NamespaceView<'c> {
    /// A namespace of the cluster; its labels count as known if it is declared.
    #[must_use]
    pub fn of(cluster: &'c Cluster, id: NamespaceId) -> Self {
        let namespace = cluster.namespace(id);
        Self {
            id: Some(id),
            name: &namespace.name,
            labels: &namespace.labels,
            are_labels_known: namespace
                .declared
                .as_ref()
                .is_some_and(|declared| declared.meta.opaque.is_none()),
        }
    }
}

impl<'c> PodView<'c> {
    /// The pods of a workload of the cluster.
    #[must_use]
    pub fn workload(cluster: &'c Cluster, id: WorkloadId) -> Self {
        let workload = cluster.workload(id);
        let labels_span = workload.object.labels_span;
        let opaque = workload.object.meta.opaque;
        Self {
            workload: Some(id),
            namespace: NamespaceView::of(cluster, workload.namespace),
            labels: &workload.object.labels,
            are_labels_known: !opaque.is_some_and(|opaque| labels_span.contains(opaque)),
            named_ports: workload.object.named_ports().collect(),
            are_ports_known: opaque.is_none_or(|opaque| labels_span.contains(opaque)),
            host_network: workload.object.host_network,
            addresses: &workload.object.addresses,
            is_single_pod: workload.object.kind == WorkloadKind::Pod,
        }
    }

    /// A pod that nobody has written yet: nothing but a namespace and labels.
    #[must_use]
    pub fn hypothetical(namespace: NamespaceView<'c>, labels: &'c Labels) -> Self {
        Self {
            workload: None,
            namespace,
            labels,
            are_labels_known: true,
            named_ports: Vec::new(),
            are_ports_known: true,
            host_network: false,
            addresses: &[],
            is_single_pod: false,
        }
    }

    /// Whether it is the one pod that the other is too (S4).
    #[must_use]
    pub fn is_same_pod(&self, other: &Self) -> bool {
        self.is_single_pod && self.workload.is_some() && self.workload == other.workload
    }
}

/// The address that a connection uses at one end, as far as it is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Address {
    /// An address of a pod that is not known, of either family (S9).
    Unknown,
    /// The known address of a pod.
    Pod(IpAddr),
    /// Addresses outside.
    Outside(AddressRange),
}

impl Address {
    /// The addresses as a range; `None` if they are not known.
    #[must_use]
    pub fn range(self) -> Option<AddressRange> {
        match self {
            Self::Unknown => None,
            Self::Pod(address) => Some(address.into()),
            Self::Outside(range) => Some(range),
        }
    }
}

/// The pairs of addresses that a connection may use: every source address with every
/// destination address of its family, an unknown one with any (S9). Never empty.
#[must_use]
pub fn address_pairs(from: &Endpoint<'_>, to: &Endpoint<'_>) -> Vec<(Address, Address)> {
    let (sources, destinations) = (addresses(from), addresses(to));
    let mut pairs = Vec::new();
    for source in &sources {
        for destination in &destinations {
            let families =
                [source, destination].map(|end| end.range().map(|range| range.is_ipv4()));
            if families[0].is_none() || families[1].is_none() || families[0] == families[1] {
                pairs.push((*source, *destination));
            }
        }
    }
    if pairs.is_empty() {
        // No common family: a pod's address counts as unknown, an outside end keeps its own.
        let without_known = |end: &Endpoint<'_>| match end {
            Endpoint::Pod(_) => Address::Unknown,
            Endpoint::Address(range) => Address::Outside(*range),
        };
        pairs.push((without_known(from), without_known(to)));
    }
    pairs
}

fn addresses(end: &Endpoint<'_>) -> Vec<Address> {
    match end {
        Endpoint::Address(range) => vec![Address::Outside(*range)],
        Endpoint::Pod(pod) if pod.addresses.is_empty() => vec![Address::Unknown],
        Endpoint::Pod(pod) => pod.addresses.iter().copied().map(Address::Pod).collect(),
    }
}
