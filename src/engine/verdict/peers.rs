//! Whether a peer of a rule matches the other end of a connection, and if not, which of
//! its parts differ.
//!
//! Refuses to know ports, and what follows for the rule.

use super::{Gaps, PodAddresses, Reading};
use crate::cluster::NAMESPACE_NAME_LABEL;
use crate::engine::{Address, AddressRange, Endpoint, NamespaceView, PodView};
use crate::k8s::{
    ClusterNetworkPolicyPeer, IpBlock, Label, LabelSelector, LabelSelectorRequirement, Labels,
    NetworkPolicyPeer, Node, PeerSelection, PodsSelection, Truth, is_opaque,
};
use crate::source::Spanned;
use ipnet::IpNet;
use std::net::IpAddr;
use std::sync::Arc;

/// A peer as a policy has it.
#[derive(Clone, Copy, Debug)]
pub enum PeerRef<'c> {
    /// Of a `NetworkPolicy`.
    Network(&'c NetworkPolicyPeer),
    /// Of a cluster-wide policy.
    Cluster(&'c ClusterNetworkPolicyPeer),
}

/// How the peers of a rule compare with the other end of the connection.
#[derive(Clone, Debug)]
pub struct PeersTrace<'c> {
    /// Whether one of them matches.
    pub truth: Truth,
    /// All of them, in the order of the text. None: the rule has no peers and matches
    /// everyone.
    pub entries: Vec<PeerTrace<'c>>,
}

/// How one peer compares with the other end of the connection.
#[derive(Clone, Debug)]
pub struct PeerTrace<'c> {
    /// The peer.
    pub peer: PeerRef<'c>,
    /// Whether it matches.
    pub truth: Truth,
    /// What keeps it from matching, or from being known to match.
    pub misses: Vec<Miss<'c>>,
}

/// One thing that keeps a peer from matching.
#[derive(Clone, Copy, Debug)]
pub enum Miss<'c> {
    /// A requirement of its `podSelector` on the pod's labels.
    PodLabel(Requirement<'c>),
    /// A requirement of its `namespaceSelector` on the labels of the pod's namespace.
    NamespaceLabel(Requirement<'c>),
    /// It has only a `podSelector` and so means pods of the policy's own namespace (S6).
    OtherNamespace,
    /// It selects pods, and the end is outside the cluster.
    NotAPod,
    /// It selects pods by labels, and the pod is on the network of its node (S10).
    HostNetwork,
    /// It means addresses, and that of the pod is not known (S9).
    AddressUnknown,
    /// The address is outside this block.
    OutsideBlock(&'c Spanned<IpNet>),
    /// The address is inside the block, and inside this exception of it.
    Except(&'c Spanned<IpNet>),
    /// The address is that of no node with the labels that the peer asks for.
    NotANode,
    /// It means a name of the DNS, which cannot be resolved offline (S12).
    DomainName,
}

impl Miss<'_> {
    /// Whether it keeps the peer from matching (`False`), or only may do so (`Unknown`).
    #[must_use]
    pub fn truth(&self) -> Truth {
        match self {
            Self::PodLabel(requirement) | Self::NamespaceLabel(requirement) => requirement.truth,
            _ => Truth::False,
        }
    }
}

/// One requirement of a selector, and the label that it was compared with.
#[derive(Clone, Copy, Debug)]
pub struct Requirement<'c> {
    /// What the selector asks for.
    pub wanted: Wanted<'c>,
    /// The label with that key, if there is one.
    pub found: Option<&'c Label>,
    /// Whether the label satisfies it.
    pub truth: Truth,
}

/// One requirement of a selector.
#[derive(Clone, Copy, Debug)]
pub enum Wanted<'c> {
    /// An entry of `matchLabels`.
    Label(&'c Label),
    /// An entry of `matchExpressions`.
    Expression(&'c LabelSelectorRequirement),
}

impl<'c> Wanted<'c> {
    /// The key of the label that it is about.
    #[must_use]
    pub fn key(&self) -> &'c Spanned<String> {
        match self {
            Self::Label(label) => &label.key,
            Self::Expression(expression) => &expression.key,
        }
    }

    fn holds(&self, value: Option<&str>) -> bool {
        match self {
            Self::Label(label) => value == Some(&label.value),
            Self::Expression(expression) => expression.holds(value),
        }
    }

    /// Whether its key or a value is filled in by another tool.
    #[must_use]
    pub fn is_opaque(&self) -> bool {
        is_opaque(self.key()) || self.has_opaque_value()
    }

    fn has_opaque_value(&self) -> bool {
        match self {
            Self::Label(label) => is_opaque(&label.value),
            Self::Expression(expression) => expression.values.iter().any(|value| is_opaque(value)),
        }
    }

    /// Whether it compares the value, and not only asks whether the key is there.
    fn compares(&self) -> bool {
        match self {
            Self::Label(_) => true,
            Self::Expression(expression) => !expression.values.is_empty(),
        }
    }
}

/// Labels, and whether there may be more of them than are known.
#[derive(Clone, Copy)]
struct LabelView<'c> {
    labels: &'c Labels,
    /// Whether a key that is absent here is really absent.
    are_complete: bool,
}

/// Every requirement of a selector beside the label that it is about.
fn requirements<'c>(
    selector: &'c LabelSelector,
    view: LabelView<'c>,
    gaps: Gaps,
) -> impl Iterator<Item = Requirement<'c>> {
    let labels = selector.match_labels.iter().map(Wanted::Label);
    let expressions = selector.match_expressions.iter().map(Wanted::Expression);
    labels.chain(expressions).map(move |wanted| {
        let found = view.labels.label(wanted.key());
        let truth = if gaps == Gaps::Unknown && depends_on_a_gap(wanted, found, view) {
            Truth::Unknown
        } else {
            wanted
                .holds(found.map(|label| label.value.value.as_str()))
                .into()
        };
        Requirement {
            wanted,
            found,
            truth,
        }
    })
}

fn depends_on_a_gap(wanted: Wanted<'_>, found: Option<&Label>, view: LabelView<'_>) -> bool {
    if is_opaque(wanted.key()) {
        return true;
    }
    match found {
        // The same hole on both sides is filled with the same text.
        Some(found) if wanted.holds(Some(&found.value)) && matches!(wanted, Wanted::Label(_)) => {
            false
        }
        Some(found) => wanted.compares() && (is_opaque(&found.value) || wanted.has_opaque_value()),
        // The name of a namespace is known even where its manifest is not (S2).
        None => {
            let may_have_more = !view.are_complete && wanted.key().value != NAMESPACE_NAME_LABEL;
            may_have_more || view.labels.iter().any(|label| is_opaque(&label.key))
        }
    }
}

/// Whether labels satisfy a selector, and the requirements that they do not satisfy.
fn unsatisfied<'c>(
    selector: &'c LabelSelector,
    view: LabelView<'c>,
    gaps: Gaps,
) -> impl Iterator<Item = Requirement<'c>> {
    requirements(selector, view, gaps).filter(|requirement| requirement.truth != Truth::True)
}

fn pod_view<'c>(pod: &PodView<'c>) -> LabelView<'c> {
    LabelView {
        labels: pod.labels,
        are_complete: pod.are_labels_known,
    }
}

fn namespace_view<'c>(namespace: &NamespaceView<'c>) -> LabelView<'c> {
    LabelView {
        labels: namespace.labels,
        are_complete: namespace.are_labels_known,
    }
}

/// What keeps a policy of the pod's own namespace from selecting it (S5).
pub(super) fn misses_of_pod_selector<'c>(
    selector: Option<&'c LabelSelector>,
    pod: &PodView<'c>,
    reading: Reading,
) -> Vec<Miss<'c>> {
    if pod.host_network && !reading.selectors_see_host_network {
        return vec![Miss::HostNetwork];
    }
    let selector = selector.into_iter();
    let misses = selector.flat_map(|selector| unsatisfied(selector, pod_view(pod), reading.gaps));
    misses.map(Miss::PodLabel).collect()
}

/// Compares the peers of a `NetworkPolicy` rule with the other end (S6, S8, S9).
pub(super) fn network_peers<'c>(
    peers: &'c [NetworkPolicyPeer],
    policy_namespace: &NamespaceView<'c>,
    (other, address): (&Endpoint<'c>, Address),
    reading: Reading,
) -> PeersTrace<'c> {
    let trace = |peer: &'c NetworkPolicyPeer| {
        let misses = match (peer.ip_block.get(), other) {
            (Some(block), _) => misses_of_block(block, address, reading)
                .into_iter()
                .collect(),
            (None, Endpoint::Address(_)) => vec![Miss::NotAPod],
            (None, Endpoint::Pod(pod)) => misses_of_selectors(peer, policy_namespace, pod, reading),
        };
        PeerTrace {
            peer: PeerRef::Network(peer),
            truth: truth_of(&misses),
            misses,
        }
    };
    PeersTrace::new(peers.iter().map(trace).collect())
}

/// Compares the peers of a rule of a cluster-wide policy with the other end (S12).
pub(super) fn cluster_peers<'c>(
    peers: &'c [ClusterNetworkPolicyPeer],
    nodes: &[Arc<Node>],
    (other, address): (&Endpoint<'c>, Address),
    reading: Reading,
) -> PeersTrace<'c> {
    let trace = |peer: &'c ClusterNetworkPolicyPeer| {
        let misses = match (&peer.selection, other) {
            (PeerSelection::Pods(_), Endpoint::Address(_)) => vec![Miss::NotAPod],
            (PeerSelection::Pods(selection), Endpoint::Pod(pod)) => {
                misses_of_selection(selection, pod, reading)
            }
            (PeerSelection::Networks(blocks), _) => misses_of_networks(blocks, address),
            (PeerSelection::Nodes(selector), _) => misses_of_nodes(selector, nodes, address),
            (PeerSelection::DomainNames(_), _) => vec![Miss::DomainName],
        };
        PeerTrace {
            peer: PeerRef::Cluster(peer),
            truth: truth_of(&misses),
            misses,
        }
    };
    PeersTrace::new(peers.iter().map(trace).collect())
}

impl<'c> PeersTrace<'c> {
    fn new(entries: Vec<PeerTrace<'c>>) -> Self {
        let truth = entries
            .iter()
            .map(|entry| entry.truth)
            .max()
            .unwrap_or(Truth::True);
        Self { truth, entries }
    }

    /// The first peer that matches, or may match where none is known to.
    #[must_use]
    pub fn matching(&self) -> Option<&PeerTrace<'c>> {
        self.entries
            .iter()
            .find(|entry| entry.truth == self.truth && entry.truth != Truth::False)
    }

    /// The peer that would need the fewest changes to match; the first of several.
    #[must_use]
    pub fn nearest(&self) -> Option<&PeerTrace<'c>> {
        self.entries.iter().min_by_key(|entry| entry.misses.len())
    }
}

/// Whether something matches that has these misses.
pub(super) fn truth_of(misses: &[Miss<'_>]) -> Truth {
    misses.iter().map(Miss::truth).min().unwrap_or(Truth::True)
}

fn misses_of_selectors<'c>(
    peer: &'c NetworkPolicyPeer,
    policy_namespace: &NamespaceView<'c>,
    pod: &PodView<'c>,
    reading: Reading,
) -> Vec<Miss<'c>> {
    if pod.host_network && !reading.selectors_see_host_network {
        return vec![Miss::HostNetwork];
    }
    let mut misses = Vec::new();
    match peer.namespace_selector.get() {
        Some(selector) => {
            let unsatisfied = unsatisfied(selector, namespace_view(&pod.namespace), reading.gaps);
            misses.extend(unsatisfied.map(Miss::NamespaceLabel));
        }
        None if pod.namespace.id.is_none() || pod.namespace.id != policy_namespace.id => {
            misses.push(Miss::OtherNamespace);
        }
        None => {}
    }
    if let Some(selector) = peer.pod_selector.get() {
        misses.extend(unsatisfied(selector, pod_view(pod), reading.gaps).map(Miss::PodLabel));
    }
    misses
}

/// What keeps a cluster-wide policy from having the pod as a subject or peer (S12).
pub(super) fn misses_of_selection<'c>(
    selection: &'c PodsSelection,
    pod: &PodView<'c>,
    reading: Reading,
) -> Vec<Miss<'c>> {
    // Host-network pods are never part of these, whatever a plugin does elsewhere (S10).
    if pod.host_network {
        return vec![Miss::HostNetwork];
    }
    let (namespaces, pods) = match selection {
        PodsSelection::Namespaces(selector) => (selector, None),
        PodsSelection::Pods {
            namespace_selector,
            pod_selector,
        } => (namespace_selector, Some(pod_selector)),
    };
    let of_namespace = unsatisfied(namespaces, namespace_view(&pod.namespace), reading.gaps);
    let mut misses: Vec<_> = of_namespace.map(Miss::NamespaceLabel).collect();
    if let Some(selector) = pods {
        misses.extend(unsatisfied(selector, pod_view(pod), reading.gaps).map(Miss::PodLabel));
    }
    misses
}

fn misses_of_block(block: &IpBlock, address: Address, reading: Reading) -> Option<Miss<'_>> {
    let range = match (address, reading.pod_addresses) {
        (Address::Unknown, PodAddresses::SeenEverywhere) if holds_private_addresses(block) => {
            return None;
        }
        (Address::Pod(_), PodAddresses::NeverSeen) | (Address::Unknown, _) => {
            return Some(Miss::AddressUnknown);
        }
        (Address::Pod(address), _) => AddressRange::from(address),
        (Address::Outside(range), _) => range,
    };
    if !AddressRange::from(block.cidr.value).contains_range(&range) {
        return Some(Miss::OutsideBlock(&block.cidr));
    }
    let excepts = block.except.items().iter();
    let mut holding =
        excepts.filter(|except| AddressRange::from(except.value).contains_range(&range));
    holding.next().map(Miss::Except)
}

/// The address ranges that clusters take the addresses of their pods from: RFC 1918,
/// RFC 6598 and RFC 4193.
const PRIVATE: [&str; 5] = [
    "10.0.0.0/8",
    "172.16.0.0/12",
    "192.168.0.0/16",
    "100.64.0.0/10",
    "fc00::/7",
];

/// Whether the block has room for the pods of a cluster: not only some address, but a
/// range as large as the pods of one node get.
fn holds_private_addresses(block: &IpBlock) -> bool {
    let whole = AddressRange::from(block.cidr.value);
    let excepts: Vec<_> = block
        .except
        .items()
        .iter()
        .map(|except| except.value.into())
        .collect();
    whole.without(&excepts).iter().any(|rest| {
        PRIVATE.iter().any(|private| {
            let private: IpNet = private.parse().expect("these blocks are well formed");
            rest.intersection(&private.into())
                .is_some_and(has_room_for_pods)
        })
    })
}

fn has_room_for_pods(range: AddressRange) -> bool {
    match (range.first, range.last) {
        (IpAddr::V4(first), IpAddr::V4(last)) => {
            last.to_bits() - first.to_bits() >= u32::from(u8::MAX)
        }
        (IpAddr::V6(first), IpAddr::V6(last)) => {
            last.to_bits() - first.to_bits() >= u128::from(u64::MAX)
        }
        _ => false,
    }
}

fn misses_of_networks(blocks: &[Spanned<IpNet>], address: Address) -> Vec<Miss<'_>> {
    let holds = |block: &Spanned<IpNet>| match address.range() {
        Some(range) => AddressRange::from(block.value).contains_range(&range),
        // A pod of unknown address is taken to have some IPv4 address (S12).
        None => AddressRange::from(block.value) == AddressRange::IPV4,
    };
    if blocks.iter().any(holds) {
        return Vec::new();
    }
    match address {
        Address::Unknown => vec![Miss::AddressUnknown],
        _ => blocks.iter().map(Miss::OutsideBlock).collect(),
    }
}

fn misses_of_nodes<'c>(
    selector: &LabelSelector,
    nodes: &[Arc<Node>],
    address: Address,
) -> Vec<Miss<'c>> {
    let accepted = nodes.iter().filter(|node| node.meta.is_accepted);
    let selected = accepted.filter(|node| selector.matches(&node.meta.labels));
    let mut addresses = selected.flat_map(|node| &node.addresses);
    let is_a_node = address.range().is_some_and(|range| {
        addresses.any(|address| AddressRange::from(*address).contains_range(&range))
    });
    if is_a_node {
        Vec::new()
    } else {
        vec![Miss::NotANode]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::k8s::Operator;
    use crate::source::{SourceMap, Span};

    fn spanned(text: &str) -> Spanned<String> {
        let source = SourceMap::default().add("test", "");
        Spanned::new(text.to_owned(), Span::new(source, 0, 0))
    }

    fn label(key: &str, value: &str) -> Label {
        Label {
            key: spanned(key),
            value: spanned(value),
        }
    }

    /// What the selector says of labels, by requirement, as [`LabelSelector::matches_opaque`]
    /// says it of the whole.
    #[test]
    fn requirements_agree_with_the_whole_selector() {
        let texts = ["", "a", "b", "${X}", "{{ y }}"];
        let keys = ["app", "tier", "${K}"];
        let span = spanned("").span;
        let mut labels = vec![Labels::default()];
        for key in keys {
            labels.extend(texts.map(|value| Labels::new(vec![label(key, value)])));
            labels
                .extend(texts.map(|value| Labels::new(vec![label("app", "a"), label(key, value)])));
        }
        let mut selectors = vec![LabelSelector::everything(span)];
        for key in keys {
            for value in texts {
                let mut selector = LabelSelector::everything(span);
                selector.match_labels.push(label(key, value));
                selectors.push(selector);
                for operator in [
                    Operator::In,
                    Operator::NotIn,
                    Operator::Exists,
                    Operator::DoesNotExist,
                ] {
                    let compares = matches!(operator, Operator::In | Operator::NotIn);
                    let mut selector = LabelSelector::everything(span);
                    selector.match_expressions.push(LabelSelectorRequirement {
                        span,
                        key: spanned(key),
                        operator: Spanned::new(operator, span),
                        values: if compares {
                            vec![spanned(value)]
                        } else {
                            Vec::new()
                        },
                    });
                    selectors.push(selector);
                }
            }
        }
        for selector in &selectors {
            for labels in &labels {
                let view = LabelView {
                    labels,
                    are_complete: true,
                };
                let by_parts = |gaps| {
                    let truths =
                        requirements(selector, view, gaps).map(|requirement| requirement.truth);
                    truths.min().unwrap_or(Truth::True)
                };
                assert_eq!(by_parts(Gaps::AsWritten), selector.matches(labels).into());
                let whole = selector.matches_opaque(labels);
                // By parts a doubt is kept to the requirement that has it.
                if whole != Truth::Unknown {
                    assert_eq!(by_parts(Gaps::Unknown), whole, "{selector} on {labels:?}");
                }
            }
        }
    }
}
