//! What a CNI plugin asks of an end besides what Kubernetes' own selectors can say.
//!
//! Refuses to know policies: it compares one end with one condition.

use super::calico_end::{CalicoEnd, CalicoSubject};
use super::identity::{EndLabel, Entity, Identities, IdentityView};
use crate::cluster::{CiliumOptions, Enforcement};
use crate::engine::{AddressRange, PodView};
use crate::k8s::{Operator, Truth, is_opaque};
use ipnet::IpNet;
use std::hash::{Hash, Hasher};
use std::net::IpAddr;
use std::sync::Arc;

/// A condition on an end. Two are equal if they are the same one.
#[derive(Clone, Debug)]
pub struct Condition<'c>(Arc<Kind<'c>>);

#[derive(Debug)]
enum Kind<'c> {
    Identities(Identities),
    Subject(CalicoSubject<'c>),
    End(CalicoEnd<'c>),
    OutsidePods(OutsidePods),
    OwnNodeInDoubt,
    OnHostNetwork,
    NodesByLabels,
    BehindServices,
    CidrInCluster(CidrInCluster),
}

/// Nodes or pods with an address in a CIDR, where Cilium's option `policy-cidr-match-mode` has it
/// match them as well. What they are matched by is known to the agents only where an address is in
/// the range, or not known.
#[derive(Debug)]
struct CidrInCluster {
    held: Vec<AddressRange>,
    nodes: bool,
    pods: bool,
}

impl CidrInCluster {
    fn truth(&self, candidate: Candidate<'_, '_>) -> Truth {
        let is_held = |address: &IpAddr| self.held.iter().any(|range| range.contains(*address));
        match candidate {
            Candidate::Pod { pod, address, .. } => {
                let is_meant = if pod.host_network {
                    self.nodes
                } else {
                    self.pods
                };
                match is_meant && address.as_ref().is_none_or(is_held) {
                    true => Truth::Unknown,
                    false => Truth::False,
                }
            }
            Candidate::Entity(Entity::Host | Entity::RemoteNode | Entity::KubeApiserver)
                if self.nodes =>
            {
                Truth::Unknown
            }
            Candidate::Entity(_) | Candidate::Outside(_) => Truth::False,
        }
    }
}

/// Whether an end may be a node, or on the network of one.
fn may_be_node(candidate: Candidate<'_, '_>) -> Truth {
    let is_node = match candidate {
        Candidate::Pod { pod, .. } => pod.host_network,
        Candidate::Entity(entity) => matches!(
            entity,
            Entity::Host | Entity::RemoteNode | Entity::KubeApiserver
        ),
        Candidate::Outside(_) => false,
    };
    match is_node {
        true => Truth::Unknown,
        false => Truth::False,
    }
}

/// Addresses of whoever has none of the network of pods.
#[derive(Debug)]
struct OutsidePods {
    held: Vec<AddressRange>,
    /// Where an address that nobody knows may be (S9), by family: IPv4, IPv6.
    somewhere: [Vec<AddressRange>; 2],
}

impl OutsidePods {
    fn holds(&self, address: IpAddr) -> Truth {
        let address = AddressRange::from(address);
        Truth::from(self.held.iter().any(|range| range.contains_range(&address)))
    }

    /// For an address that nobody knows.
    fn may_hold(&self, is_ipv4: bool) -> Truth {
        let ranges = &self.somewhere[usize::from(!is_ipv4)];
        let mut known = ranges.iter();
        match known.any(|range| self.held.iter().any(|held| held.overlaps(range))) {
            false => Truth::False,
            true if ranges
                .iter()
                .all(|range| range.without(&self.held).is_empty()) =>
            {
                Truth::True
            }
            true => Truth::Unknown,
        }
    }
}

/// An end as a condition sees it.
#[derive(Clone, Copy)]
pub enum Candidate<'a, 'c> {
    /// A pod at one of its addresses, which may be unknown, in a connection of a family.
    Pod {
        /// The pod.
        pod: &'a PodView<'c>,
        /// Its address.
        address: Option<IpAddr>,
        /// Whether the connection is IPv4.
        is_ipv4: bool,
    },
    /// An entity.
    Entity(Entity),
    /// An address outside.
    Outside(IpAddr),
}

impl<'a, 'c> Candidate<'a, 'c> {
    /// The pod, unless it is another end.
    pub(in crate::engine) fn pod(self) -> Option<&'a PodView<'c>> {
        match self {
            Self::Pod { pod, .. } => Some(pod),
            Self::Entity(_) | Self::Outside(_) => None,
        }
    }

    /// The same with another pod in the place of its own, if it is one.
    pub(in crate::engine) fn with_pod<'b>(self, other: &'b PodView<'c>) -> Candidate<'b, 'c> {
        match self {
            Self::Pod {
                address, is_ipv4, ..
            } => Candidate::Pod {
                pod: other,
                address,
                is_ipv4,
            },
            Self::Entity(entity) => Candidate::Entity(entity),
            Self::Outside(address) => Candidate::Outside(address),
        }
    }
}

/// A part of a condition that an end does not meet, or is not known to meet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unmet {
    /// What is asked for.
    pub asks: Asks,
    /// The labels that it was compared with: key, and value where the end has one.
    pub found: Vec<(String, Option<String>)>,
    /// `False`, or `Unknown`.
    pub truth: Truth,
}

/// What a part of a condition asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Asks {
    /// A label of the pod.
    Label {
        /// What the label has to be.
        test: LabelTest,
        /// Whether Cilium keeps the label out of identities, so that no selector sees it.
        is_filtered: bool,
        /// Whether nobody knows if Cilium keeps it out.
        may_be_filtered: bool,
    },
    /// A label of the pod's namespace.
    NamespaceLabel(LabelTest),
    /// The name of the pod's namespace.
    Namespace {
        /// What the name has to be.
        test: LabelTest,
        /// Whether the selector does not say so, and the CNI plugin adds it.
        is_implied: bool,
    },
    /// The service account that the pod runs as.
    ServiceAccount(LabelTest),
    /// A pod of this cluster.
    Cluster,
    /// A label that Cilium reserves for nodes, the outside and their like.
    Reserved(LabelTest),
    /// A field of one end of a rule of Calico's, as it is written.
    Field {
        /// Its name.
        name: &'static str,
        /// What it says.
        text: String,
    },
    /// `nets`: an address in one of these ranges.
    Nets(Vec<AddressRange>),
    /// `notNets`: an address in none of these ranges.
    NotNets(Vec<AddressRange>),
    /// Connections of one family.
    IpVersion(u8),
    /// An address in one of these ranges, by which the agent may know a pod or a node.
    CidrInCluster(Vec<AddressRange>),
    /// The pod's own node, which some releases of the CNI plugin let in.
    OwnNode,
    /// A connection from some ports: which one it comes from is chosen when it is opened.
    SourcePorts,
    /// An endpoint of this Service, whose endpoints no manifest tells.
    Endpoints(String),
    /// An address of these domain names.
    Domains(Vec<String>),
    /// An address of one of these sets of Calico's, which the API server rejects.
    RejectedSets(Vec<String>),
    /// A node with some labels.
    NodeLabels,
    /// A pod of one of the Services that a policy names, which are too many to look them up.
    PodOfService,
    /// What cannot be told apart any further.
    Anything,
}

impl Asks {
    /// Whether it compares text that another tool fills in.
    #[must_use]
    pub fn is_opaque(&self) -> bool {
        match self {
            Self::Label { test, .. }
            | Self::NamespaceLabel(test)
            | Self::Namespace { test, .. }
            | Self::ServiceAccount(test)
            | Self::Reserved(test) => {
                is_opaque(&test.key) || test.values.iter().any(|value| is_opaque(value))
            }
            Self::Field { text, .. } => is_opaque(text),
            Self::Cluster
            | Self::Nets(_)
            | Self::NotNets(_)
            | Self::IpVersion(_)
            | Self::CidrInCluster(_)
            | Self::OwnNode
            | Self::SourcePorts
            | Self::Endpoints(_)
            | Self::Domains(_)
            | Self::RejectedSets(_)
            | Self::NodeLabels
            | Self::PodOfService
            | Self::Anything => false,
        }
    }
}

/// What a label has to be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LabelTest {
    /// Its key.
    pub key: String,
    /// How its value is compared.
    pub operator: Operator,
    /// What with.
    pub values: Vec<String>,
}

impl LabelTest {
    /// Whether a value passes; `None` is no label.
    #[must_use]
    pub fn holds(&self, value: Option<&str>) -> bool {
        let is_listed = value.is_some_and(|value| self.values.iter().any(|it| it == value));
        match self.operator {
            Operator::In => is_listed,
            Operator::NotIn => !is_listed,
            Operator::Exists => value.is_some(),
            Operator::DoesNotExist => value.is_none(),
        }
    }
}

impl Unmet {
    /// Whether it is only that Cilium keeps the label out of identities.
    #[must_use]
    pub fn is_filtered(&self) -> bool {
        matches!(
            self.asks,
            Asks::Label {
                is_filtered: true,
                ..
            }
        )
    }
}

impl<'c> Condition<'c> {
    /// Identities of Cilium.
    pub(super) fn identities(identities: Identities) -> Self {
        Self(Arc::new(Kind::Identities(identities)))
    }

    /// The pods that a policy of Calico's is about.
    pub(super) fn subject(subject: CalicoSubject<'c>) -> Self {
        Self(Arc::new(Kind::Subject(subject)))
    }

    /// One end of a rule of Calico's.
    pub(super) fn end(end: CalicoEnd<'c>) -> Self {
        Self(Arc::new(Kind::End(end)))
    }

    /// Addresses in a block, of whoever is outside of the network of pods.
    pub(super) fn outside_pods(block: IpNet, enforcement: &Enforcement) -> Self {
        let somewhere = [true, false].map(|is_ipv4| {
            let ranges = enforcement.pod_ranges().iter();
            let ranges = ranges.map(|range| AddressRange::from(range.value));
            ranges.filter(|range| range.is_ipv4() == is_ipv4).collect()
        });
        Self(Arc::new(Kind::OutsidePods(OutsidePods {
            held: vec![block.into()],
            somewhere,
        })))
    }

    /// The own node of a pod, where releases of Cilium differ in whether it gets in.
    pub(super) fn own_node_in_doubt() -> Self {
        Self(Arc::new(Kind::OwnNodeInDoubt))
    }

    /// Pods on the network of their node.
    pub(super) fn on_host_network() -> Self {
        Self(Arc::new(Kind::OnHostNetwork))
    }

    /// Nodes by their labels, which no manifest tells.
    pub(super) fn nodes_by_labels() -> Self {
        Self(Arc::new(Kind::NodesByLabels))
    }

    /// Pods of Services that are too many to look them up.
    pub(super) fn behind_services() -> Self {
        Self(Arc::new(Kind::BehindServices))
    }

    /// Nodes and pods in some ranges of addresses, as far as CIDRs are said to match them.
    pub(super) fn cidr_in_cluster(held: Vec<AddressRange>, options: &CiliumOptions) -> Self {
        Self(Arc::new(Kind::CidrInCluster(CidrInCluster {
            held,
            nodes: options.cidrs_match_nodes.is_on(),
            pods: options.cidrs_match_pods.is_on(),
        })))
    }

    /// Whether it holds for an end.
    #[must_use]
    pub fn truth(&self, candidate: Candidate<'_, 'c>) -> Truth {
        if let Some(pods) = candidate.pod().and_then(PodView::variants) {
            let [one, other] = pods.map(|pod| self.truth(candidate.with_pod(&pod)));
            return one.either(other);
        }
        match (&*self.0, candidate) {
            (Kind::Identities(identities), Candidate::Pod { pod, .. }) => {
                identities.truth(IdentityView::of(pod))
            }
            (Kind::Identities(identities), Candidate::Entity(entity)) => {
                identities.truth(IdentityView::entity(entity))
            }
            (Kind::Identities(identities), Candidate::Outside(address)) => {
                identities.truth(IdentityView::Outside(address.is_ipv4()))
            }
            (Kind::Subject(subject), Candidate::Pod { pod, .. }) => subject.truth(pod),
            (
                Kind::End(end),
                Candidate::Pod {
                    pod,
                    address,
                    is_ipv4,
                },
            ) => end.truth(Some(pod), address, is_ipv4),
            (Kind::End(end), Candidate::Outside(address)) => {
                end.truth(None, Some(address), address.is_ipv4())
            }
            (Kind::OutsidePods(block), Candidate::Outside(address)) => block.holds(address),
            (
                Kind::OutsidePods(block),
                Candidate::Pod {
                    pod,
                    address,
                    is_ipv4,
                },
            ) if pod.host_network => {
                address.map_or_else(|| block.may_hold(is_ipv4), |address| block.holds(address))
            }
            (Kind::OwnNodeInDoubt, Candidate::Entity(Entity::Host)) => Truth::Unknown,
            (Kind::OnHostNetwork, Candidate::Pod { pod, .. }) => pod.host_network.into(),
            (Kind::NodesByLabels, candidate) => may_be_node(candidate),
            (Kind::CidrInCluster(cidr), candidate) => cidr.truth(candidate),
            (Kind::BehindServices, Candidate::Pod { pod, .. }) if !pod.host_network => {
                Truth::Unknown
            }
            (
                Kind::Subject(_)
                | Kind::End(_)
                | Kind::OutsidePods(_)
                | Kind::OwnNodeInDoubt
                | Kind::OnHostNetwork
                | Kind::BehindServices,
                _,
            ) => Truth::False,
        }
    }

    /// What keeps it from holding for an end: nothing where it holds.
    #[must_use]
    pub fn unmet(&self, candidate: Candidate<'_, 'c>) -> Vec<Unmet> {
        let truth = self.truth(candidate);
        if truth == Truth::True {
            return Vec::new();
        }
        let parts = self.unmet_parts(candidate);
        if parts.iter().map(|part| part.truth).min() == Some(truth) {
            return parts;
        }
        vec![Unmet {
            asks: Asks::Anything,
            found: Vec::new(),
            truth,
        }]
    }

    fn unmet_parts(&self, candidate: Candidate<'_, 'c>) -> Vec<Unmet> {
        match (&*self.0, candidate) {
            (Kind::Identities(identities), Candidate::Pod { pod, .. }) => {
                identities.unmet(IdentityView::of(pod))
            }
            (Kind::Identities(identities), Candidate::Entity(entity)) => {
                identities.unmet(IdentityView::entity(entity))
            }
            (Kind::Identities(identities), Candidate::Outside(address)) => {
                identities.unmet(IdentityView::Outside(address.is_ipv4()))
            }
            (
                Kind::End(end),
                Candidate::Pod {
                    pod,
                    address,
                    is_ipv4,
                },
            ) => end.unmet(Some(pod), address, is_ipv4),
            (Kind::End(end), Candidate::Outside(address)) => {
                end.unmet(None, Some(address), address.is_ipv4())
            }
            (Kind::Subject(subject), Candidate::Pod { pod, .. }) => subject.unmet(pod),
            (Kind::OwnNodeInDoubt, _) => vec![Unmet {
                asks: Asks::OwnNode,
                found: Vec::new(),
                truth: self.truth(candidate),
            }],
            (Kind::NodesByLabels, _) => vec![Unmet {
                asks: Asks::NodeLabels,
                found: Vec::new(),
                truth: self.truth(candidate),
            }],
            (Kind::BehindServices, _) => vec![Unmet {
                asks: Asks::PodOfService,
                found: Vec::new(),
                truth: self.truth(candidate),
            }],
            (Kind::CidrInCluster(cidr), _) => vec![Unmet {
                asks: Asks::CidrInCluster(cidr.held.clone()),
                found: Vec::new(),
                truth: self.truth(candidate),
            }],
            (Kind::Subject(_) | Kind::OutsidePods(_) | Kind::OnHostNetwork, _)
            | (Kind::End(_), Candidate::Entity(_)) => Vec::new(),
        }
    }

    /// All that it asks of pods; `None` where that cannot be said by labels, and where another
    /// tool fills in some of it.
    #[must_use]
    pub fn labels(&self) -> Option<Vec<EndLabel>> {
        match &*self.0 {
            Kind::Identities(identities) => identities.labels(),
            _ => None,
        }
    }

    /// Labels of which a pod must have one for it to hold, unless the pod is on the network of its
    /// node; `None` if there are none such.
    #[must_use]
    pub fn asked_for(&self) -> Option<Vec<(&str, &str)>> {
        match &*self.0 {
            Kind::Identities(identities) => identities.asked_for(),
            Kind::Subject(subject) => subject.asked_for(),
            Kind::End(end) => end.asked_for(),
            _ => None,
        }
    }

    /// The same of the labels of a pod's namespace, with the one that Kubernetes sets.
    #[must_use]
    pub fn asked_of_namespaces(&self) -> Option<Vec<(&str, &str)>> {
        match &*self.0 {
            Kind::Identities(identities) => identities.asked_of_namespaces(),
            Kind::Subject(subject) => subject.asked_of_namespaces(),
            Kind::End(end) => end.asked_of_namespaces(),
            _ => None,
        }
    }

    /// Whether it surely holds for an entity.
    #[must_use]
    pub fn holds_for(&self, entity: Entity) -> bool {
        self.truth(Candidate::Entity(entity)) == Truth::True
    }

    /// The namespace that Cilium adds to a selector which names none.
    #[must_use]
    pub fn implied_namespace(&self) -> Option<&str> {
        match &*self.0 {
            Kind::Identities(identities) => identities.implied_namespace(),
            _ => None,
        }
    }

    /// The ranges of addresses that it tells apart.
    pub(in crate::engine) fn cuts(&self) -> Vec<AddressRange> {
        match &*self.0 {
            Kind::Identities(_)
            | Kind::OwnNodeInDoubt
            | Kind::OnHostNetwork
            | Kind::NodesByLabels
            | Kind::BehindServices => Vec::new(),
            Kind::CidrInCluster(cidr) => cidr.held.clone(),
            Kind::Subject(subject) => subject.cuts(),
            Kind::End(end) => end.cuts(),
            Kind::OutsidePods(block) => block.held.clone(),
        }
    }
}

impl PartialEq for Condition<'_> {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl Eq for Condition<'_> {}

impl Hash for Condition<'_> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        Arc::as_ptr(&self.0).cast::<()>().hash(state);
    }
}
