//! The two ends of a connection as policies see them: a pod with its labels, names of
//! ports and addresses, or a range of addresses outside.
//!
//! Refuses to know how a person names an end, and whether the pod exists: a pod that is
//! only hypothetical is judged like any other.

use super::AddressRange;
use super::program::identity::Entity;
use crate::cluster::{Cluster, Cni, NamespaceId, WorkloadId};
use crate::k8s::{Controller, Labels, Protocol, Workload};
use std::net::IpAddr;

/// One end of a connection.
#[derive(Clone, Debug)]
pub enum Endpoint<'c> {
    /// A pod of the cluster, or one that is meant to be there.
    Pod(PodView<'c>),
    /// Addresses outside that no policy tells apart; see
    /// [`uniform_ranges`](super::uniform_ranges).
    Address(AddressRange),
    /// A node, the API server or another end that Cilium tells from pods and addresses.
    Entity(Entity),
    /// A name of the DNS outside, whose addresses are not known.
    Name(&'c str),
}

impl<'c> Endpoint<'c> {
    /// The pods of a workload of the cluster.
    #[must_use]
    pub fn workload(cluster: &'c Cluster, id: WorkloadId) -> Self {
        Self::Pod(PodView::workload(cluster, id))
    }

    /// The same as the graph of all pairs takes it; see [`PodView::in_graph`].
    #[must_use]
    pub fn in_graph(&self, cluster: &Cluster) -> Self {
        let mut end = self.clone();
        if let Self::Pod(pod) = &mut end {
            pod.namespace = pod.namespace.in_graph(cluster);
        }
        end
    }

    /// Whether it is a pod on the host network.
    #[must_use]
    pub fn is_on_host(&self) -> bool {
        self.pod().is_some_and(|pod| pod.host_network)
    }

    /// The pod, unless it is an end outside.
    #[must_use]
    pub fn pod(&self) -> Option<&PodView<'c>> {
        match self {
            Self::Pod(pod) => Some(pod),
            Self::Address(_) | Self::Entity(_) | Self::Name(_) => None,
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
    /// Its controller, where that adds labels to it that its manifest does not have.
    pub controller: Option<Controller<'c>>,
    /// The service account that it runs as.
    pub service_account: &'c str,
    /// The ports that a named port can mean, sorted by name, those of one name in the order of
    /// the text (S7).
    pub named_ports: Vec<(&'c str, Protocol, u16)>,
    /// Whether these are all of them: not if another tool fills in some of them.
    pub are_ports_known: bool,
    /// Whether it lives on the network of its node, unseen by selectors (S10).
    pub host_network: bool,
    /// Whether that is known. Where it is not, what policies see is what they see of both.
    pub is_host_network_known: bool,
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
                .is_some_and(|declared| declared.meta.holes.is_empty()),
        }
    }

    /// The same with all labels known, if no manifest declares the namespace (S2).
    pub(super) fn in_graph(mut self, cluster: &Cluster) -> Self {
        let is_declared = |id| cluster.namespace(id).declared.is_some();
        self.are_labels_known |= self.id.is_some_and(|id| !is_declared(id));
        self
    }
}

impl<'c> PodView<'c> {
    /// The pods of a workload of the cluster.
    #[must_use]
    pub fn workload(cluster: &'c Cluster, id: WorkloadId) -> Self {
        let workload = cluster.workload(id);
        let labels_span = workload.object.labels_span;
        let holes = &workload.object.meta.holes;
        let implied = workload.object.implied.as_ref();
        let cni = cluster.enforcement().cni().map(|cni| cni.value);
        Self {
            workload: Some(id),
            namespace: NamespaceView::of(cluster, workload.namespace),
            labels: &workload.object.labels,
            are_labels_known: implied.is_none_or(|pods| pods.are_labels_known)
                && holes.first_in(labels_span).is_none(),
            controller: Controller::of(&workload.object),
            service_account: (workload.object.service_account.as_deref())
                .filter(|name| !name.is_empty())
                .unwrap_or_else(|| account_told(&workload.object.labels)),
            named_ports: named_ports(&workload.object, cni),
            are_ports_known: workload.object.are_ports_known
                && (workload.object.is_host_network_known || !sees_ports_of_endpoints_only(cni))
                && holes.are_all_in(std::iter::once(labels_span)),
            host_network: workload.object.host_network,
            is_host_network_known: workload.object.is_host_network_known,
            addresses: &workload.object.addresses,
            is_single_pod: workload.object.kind.is_one_pod(),
        }
    }

    /// One of the pods of a StatefulSet, by the number in its name.
    #[must_use]
    pub fn replica(cluster: &'c Cluster, id: WorkloadId, number: u32) -> Self {
        let pods = Self::workload(cluster, id);
        Self {
            controller: pods.controller.map(|it| it.of_pod(number)),
            is_single_pod: true,
            ..pods
        }
    }

    /// The same as the graph of all pairs takes it: a namespace that no manifest declares has
    /// no labels but its name (S2).
    #[must_use]
    pub fn in_graph(cluster: &'c Cluster, id: WorkloadId) -> Self {
        let mut pod = Self::workload(cluster, id);
        pod.namespace = pod.namespace.in_graph(cluster);
        pod
    }

    /// A pod that nobody has written yet: nothing but a namespace and labels. The one that
    /// Cilium makes of a pod's ServiceAccount tells that account.
    #[must_use]
    pub fn hypothetical(namespace: NamespaceView<'c>, labels: &'c Labels) -> Self {
        Self {
            workload: None,
            namespace,
            labels,
            are_labels_known: true,
            controller: None,
            service_account: account_told(labels),
            named_ports: Vec::new(),
            are_ports_known: false,
            host_network: false,
            is_host_network_known: true,
            addresses: &[],
            is_single_pod: false,
        }
    }

    /// It off and on the network of its node, where nobody knows which.
    pub(super) fn variants(&self) -> Option<[Self; 2]> {
        (!self.is_host_network_known).then(|| {
            [false, true].map(|host_network| Self {
                host_network,
                is_host_network_known: true,
                ..self.clone()
            })
        })
    }

    /// Whether it is the one pod that the other is too (S4).
    #[must_use]
    pub fn is_same_pod(&self, other: &Self) -> bool {
        self.is_single_pod
            && self.workload.is_some()
            && self.workload == other.workload
            && self.controller == other.controller
    }
}

/// The label that Cilium knows the ServiceAccount of a pod by.
pub(super) const SERVICE_ACCOUNT_KEY: &str = "io.cilium.k8s.policy.serviceaccount";

/// The account of a pod of which only labels are known, as those that a policy asks for.
fn account_told(labels: &Labels) -> &str {
    let told = labels.get(SERVICE_ACCOUNT_KEY);
    told.unwrap_or(DEFAULT_SERVICE_ACCOUNT)
}

/// The service account of a pod that names none.
const DEFAULT_SERVICE_ACCOUNT: &str = "default";

/// Whether a plugin knows named ports of its own endpoints only, so of no pod on the network of
/// its node (C9, K9).
fn sees_ports_of_endpoints_only(cni: Option<Cni>) -> bool {
    matches!(cni, Some(Cni::Cilium | Cni::Calico))
}

/// The ports that a named port can mean (S7), by name. Cilium keeps one for each name, the last of
/// the containers that are no init containers (C9); Calico takes those of all init containers
/// as well (K9). Both know them of endpoints only, so none of a pod on the network of its node.
pub(super) fn named_ports(workload: &Workload, cni: Option<Cni>) -> Vec<(&str, Protocol, u16)> {
    let mut ports: Vec<(&str, Protocol, u16)> = if sees_ports_of_endpoints_only(cni) {
        if workload.host_network || !workload.is_host_network_known {
            return Vec::new();
        }
        let containers = workload.containers.iter();
        let counted = containers.filter(|it| cni == Some(Cni::Calico) || !it.is_init);
        let ports = counted.flat_map(|container| &container.ports);
        let named = ports.filter_map(|port| {
            let name = port.name.as_ref()?;
            Some((name.value.as_str(), port.protocol, port.number.value))
        });
        named.collect()
    } else {
        workload.named_ports().collect()
    };
    // Those of one name stay in the order of the text.
    ports.sort_by_key(|(name, ..)| *name);
    if cni == Some(Cni::Cilium) {
        ports.reverse();
        ports.dedup_by_key(|(name, ..)| *name);
        ports.reverse();
    }
    ports
}

/// The address that a connection uses at one end, as far as it is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Address {
    /// Some address of the pod ranges, of IPv4 or else of IPv6 (S9).
    Unknown {
        /// Whether it is an IPv4 address.
        is_ipv4: bool,
    },
    /// The known address of a pod.
    Pod(IpAddr),
    /// Addresses that a pod may have, and that no block tells apart.
    Assumed(AddressRange),
    /// Addresses outside.
    Outside(AddressRange),
}

impl Address {
    /// The addresses as a range; `None` if they are not known.
    #[must_use]
    pub fn range(self) -> Option<AddressRange> {
        match self {
            Self::Unknown { .. } => None,
            Self::Pod(address) => Some(address.into()),
            Self::Assumed(range) | Self::Outside(range) => Some(range),
        }
    }
}

/// The pairs of addresses that a connection may use: those of a family that both ends have.
/// An end whose address is not known has one of the family of the other, and both of IPv4;
/// where there is no common family, it is that of an end outside, else IPv4, and a pod has
/// some address of it (S9). Never empty.
#[must_use]
pub fn address_pairs(from: &Endpoint<'_>, to: &Endpoint<'_>) -> Vec<(Address, Address)> {
    let (sources, destinations) = (known_addresses(from), known_addresses(to));
    let has = |addresses: &[Address], is_ipv4| {
        let mut ranges = addresses.iter().filter_map(|address| address.range());
        ranges.any(|range| range.is_ipv4() == is_ipv4)
    };
    let is_either_unknown = sources.is_empty() || destinations.is_empty();
    let is_used = |is_ipv4: bool| {
        let (source, destination) = (has(&sources, is_ipv4), has(&destinations, is_ipv4));
        if is_either_unknown {
            source || destination
        } else {
            source && destination
        }
    };
    let mut families: Vec<bool> = [true, false]
        .into_iter()
        .filter(|it| is_used(*it))
        .collect();
    if families.is_empty() {
        let outside = [from, to].into_iter().find_map(|end| match end {
            Endpoint::Address(range) => Some(range.is_ipv4()),
            Endpoint::Pod(_) | Endpoint::Entity(_) | Endpoint::Name(_) => None,
        });
        families.push(outside.unwrap_or(true));
    }
    let mut pairs = Vec::new();
    for is_ipv4 in families {
        for source in of_family(&sources, is_ipv4) {
            for destination in of_family(&destinations, is_ipv4) {
                pairs.push((source, destination));
            }
        }
    }
    pairs
}

/// The addresses of a family; where none is known, that it has some.
fn of_family(addresses: &[Address], is_ipv4: bool) -> Vec<Address> {
    let is_of_family = |address: &&Address| {
        address
            .range()
            .is_some_and(|range| range.is_ipv4() == is_ipv4)
    };
    let known: Vec<Address> = addresses.iter().filter(is_of_family).copied().collect();
    if known.is_empty() {
        vec![Address::Unknown { is_ipv4 }]
    } else {
        known
    }
}

fn known_addresses(end: &Endpoint<'_>) -> Vec<Address> {
    match end {
        Endpoint::Address(range) => vec![Address::Outside(*range)],
        Endpoint::Pod(pod) => pod.addresses.iter().copied().map(Address::Pod).collect(),
        Endpoint::Entity(_) | Endpoint::Name(_) => Vec::new(),
    }
}
