//! Whether a peer of a rule matches the other end of a connection, and if not, which of
//! its parts differ.
//!
//! Refuses to know ports, and what follows for the rule.

use crate::cluster::{Enforcement, NAMESPACE_NAME_LABEL};
use crate::engine::program::condition::{Candidate, Condition, Unmet};
use crate::engine::program::{Block, Matcher, Peer, PeerRef};
use crate::engine::{Address, AddressRange, Endpoint, NamespaceView, PodView};
use crate::k8s::{
    CiliumPeers, Controller, Label, LabelSelector, LabelSelectorRequirement, Labels, Operator,
    Truth, is_opaque, may_be_absent,
};
use crate::source::{Spanned, Text};
use ipnet::IpNet;
use std::net::{IpAddr, Ipv4Addr};

pub(super) use pods::misses_of_pods;
pub(in crate::engine) use pods::truth_of_pods;
use pods::unmet_by;

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
    /// The namespace that Cilium adds to a selector which names none.
    pub implied_namespace: Option<String>,
}

/// One thing that keeps a peer from matching.
#[derive(Clone, Debug)]
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
    /// The address of the pod is not known, and some addresses that it may have are in this
    /// block (`Unknown`), or none is (`False`) (S9); whether it is that of its node.
    AddressUnknown(&'c Spanned<IpNet>, Truth, bool),
    /// It is a block of addresses, and the CNI plugin matches no pods with it (S15).
    BlockIgnoresPods(&'c Spanned<IpNet>),
    /// The address is outside this block.
    OutsideBlock(&'c Spanned<IpNet>),
    /// The address is inside the block, and inside this exception of it.
    Except(&'c Spanned<IpNet>),
    /// The address is that of no node with the labels that the peer asks for (`False`), or it
    /// is not known whether it is (`Unknown`).
    NotANode(Truth),
    /// It means a name of the DNS, which cannot be resolved offline (S12): nobody, or perhaps
    /// an address outside (`Unknown`).
    DomainName(Truth),
    /// The end does not meet a part of what the CNI plugin makes of the selector.
    Unmet(Unmet),
    /// Nobody knows whether the pod is on the network of its node.
    NetworkUnknown,
    /// It means addresses outside, and those of the name are not known.
    AddressOfName,
    /// It means some addresses that no manifest tells, and this may be one of them.
    Untold,
    /// It means ends outside the cluster, or nodes and their like, and this is none of them.
    AnotherEnd,
}

impl Miss<'_> {
    /// Whether it keeps the peer from matching (`False`), or only may do so (`Unknown`).
    #[must_use]
    pub fn truth(&self) -> Truth {
        match self {
            Self::PodLabel(requirement) | Self::NamespaceLabel(requirement) => requirement.truth,
            Self::AddressUnknown(_, truth, _) | Self::NotANode(truth) | Self::DomainName(truth) => {
                *truth
            }
            Self::Unmet(unmet) => unmet.truth,
            Self::NetworkUnknown | Self::AddressOfName | Self::Untold => Truth::Unknown,
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
    /// Who adds a label with that key to the pods, where no manifest has one.
    pub added: Option<Controller<'c>>,
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
    pub fn key(&self) -> &'c Spanned<Text> {
        match self {
            Self::Label(label) => &label.key,
            Self::Expression(expression) => &expression.key,
        }
    }

    /// Whether pods meet it by a label that their controller adds; `None` if it asks for none.
    fn met_by(&self, controller: Controller<'_>) -> Option<Truth> {
        match self {
            Self::Label(label) => controller.meets(&label.key, Operator::In, &[&label.value]),
            Self::Expression(expression) => expression.met_by(controller),
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
    /// Who adds other labels to them.
    controller: Option<Controller<'c>>,
}

/// Every requirement of a selector beside the label that it is about.
fn requirements<'c>(
    selector: &'c LabelSelector,
    view: LabelView<'c>,
) -> impl Iterator<Item = Requirement<'c>> {
    let labels = selector.match_labels.iter().map(Wanted::Label);
    let expressions = selector.match_expressions.iter().map(Wanted::Expression);
    labels.chain(expressions).map(move |wanted| {
        let found = view.labels.label(wanted.key());
        let controller = view.controller.filter(|_| found.is_none());
        let truth = match controller.and_then(|controller| wanted.met_by(controller)) {
            Some(truth) => truth,
            None if depends_on_a_gap(wanted, found, view) => Truth::Unknown,
            None => (wanted.holds(found.map(|label| label.value.value.as_str()))).into(),
        };
        Requirement {
            wanted,
            found,
            added: controller.filter(|controller| controller.adds(wanted.key())),
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
        Some(found) if may_be_absent(&found.value) => true,
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
) -> impl Iterator<Item = Requirement<'c>> {
    requirements(selector, view).filter(|requirement| requirement.truth != Truth::True)
}

fn pod_view<'c>(pod: &PodView<'c>) -> LabelView<'c> {
    LabelView {
        labels: pod.labels,
        are_complete: pod.are_labels_known,
        controller: pod.controller,
    }
}

fn namespace_view<'c>(namespace: &NamespaceView<'c>) -> LabelView<'c> {
    LabelView {
        labels: namespace.labels,
        are_complete: namespace.are_labels_known,
        controller: None,
    }
}

/// The other end of the connection, as peers see it.
#[derive(Clone, Copy)]
pub(super) struct Seen<'a, 'c> {
    pub(super) end: &'a Endpoint<'c>,
    pub(super) address: Address,
    pub(super) enforcement: &'a Enforcement,
}

/// Compares the peers of a rule with the other end (S6, S8, S9, S12); no peers mean
/// everybody.
pub(super) fn compare<'c>(peers: Option<&[Peer<'c>]>, seen: Seen<'_, 'c>) -> PeersTrace<'c> {
    let Some(peers) = peers else {
        return PeersTrace {
            truth: Truth::True,
            entries: Vec::new(),
        };
    };
    let trace = |peer: &Peer<'c>| {
        let misses = match (&peer.matcher, seen.end) {
            (Matcher::Pods(_), Endpoint::Address(_) | Endpoint::Entity(_) | Endpoint::Name(_)) => {
                vec![Miss::NotAPod]
            }
            (Matcher::Pods(pods), Endpoint::Pod(pod)) => misses_of_pods(pods, pod),
            (Matcher::Blocks(blocks), _) => seen.misses_of_blocks(blocks),
            (Matcher::BlockOfNoPods(..), Endpoint::Entity(_)) => vec![Miss::AnotherEnd],
            (Matcher::BlockOfNoPods(_, condition), Endpoint::Pod(pod))
                if !pod.is_host_network_known =>
            {
                unmet_by(condition, seen.candidate())
            }
            (Matcher::BlockOfNoPods(..), Endpoint::Pod(pod)) if !pod.host_network => {
                vec![Miss::AnotherEnd]
            }
            (Matcher::BlockOfNoPods(block, _), _) => {
                seen.misses_of_blocks(std::slice::from_ref(block))
            }
            (Matcher::Nodes(addresses), _) => seen.misses_of_nodes(addresses),
            (Matcher::DomainNames, Endpoint::Address(_)) if peer.untold().is_some() => {
                vec![Miss::DomainName(Truth::Unknown)]
            }
            (Matcher::DomainNames, Endpoint::Name(name)) => {
                let truth = names(peer.origin, name);
                let miss = (truth != Truth::True).then_some(Miss::DomainName(truth));
                miss.into_iter().collect()
            }
            (Matcher::DomainNames, _) => vec![Miss::DomainName(Truth::False)],
            (Matcher::Untold(ranges), Endpoint::Address(range))
                if ranges.iter().any(|it| it.overlaps(range)) =>
            {
                vec![Miss::Untold]
            }
            (Matcher::Untold(_), Endpoint::Name(_)) => vec![Miss::Untold],
            (Matcher::Outside(ranges), Endpoint::Name(_)) => seen.misses_of_ranges(ranges),
            (Matcher::Outside(ranges), Endpoint::Address(range))
                if ranges.iter().any(|it| it.contains_range(range)) =>
            {
                Vec::new()
            }
            (Matcher::Entities(entities), Endpoint::Entity(entity))
                if entities.contains(entity) =>
            {
                Vec::new()
            }
            (Matcher::Outside(_) | Matcher::Untold(_) | Matcher::Entities(_), _) => {
                vec![Miss::AnotherEnd]
            }
            (Matcher::Condition(condition), _) => unmet_by(condition, seen.candidate()),
        };
        let condition = match &peer.matcher {
            Matcher::Pods(pods) => pods.condition.as_ref(),
            _ => None,
        };
        PeerTrace {
            peer: peer.origin,
            truth: truth_of(&misses),
            misses,
            implied_namespace: condition
                .and_then(Condition::implied_namespace)
                .map(str::to_owned),
        }
    };
    let mut entries: Vec<PeerTrace<'c>> = Vec::with_capacity(peers.len());
    for next in peers.iter().map(trace) {
        // What one entry of the text means may be pods, nodes and addresses: the first of
        // them, unless another one comes nearer.
        match entries.last_mut() {
            Some(last) if is_same_entry(last.peer, next.peer) => {
                if next.truth > last.truth {
                    (last.truth, last.misses) = (next.truth, next.misses);
                }
            }
            _ => entries.push(next),
        }
    }
    let truth = entries.iter().map(|entry| entry.truth).max();
    PeersTrace {
        truth: truth.unwrap_or(Truth::False),
        entries,
    }
}

/// Whether both are one entry of a policy's text.
fn is_same_entry(one: PeerRef<'_>, other: PeerRef<'_>) -> bool {
    match (one, other) {
        (PeerRef::Network(one), PeerRef::Network(other)) => std::ptr::eq(one, other),
        (PeerRef::Cluster(one), PeerRef::Cluster(other)) => std::ptr::eq(one, other),
        (PeerRef::Cilium(one, at), PeerRef::Cilium(other, span)) => {
            std::ptr::eq(one, other) && at == span
        }
        (PeerRef::OwnNode, PeerRef::OwnNode)
        | (PeerRef::OtherNetworks, PeerRef::OtherNetworks)
        | (PeerRef::Nodes, PeerRef::Nodes) => true,
        _ => false,
    }
}

impl<'c> PeersTrace<'c> {
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

/// Whether a peer means a name of the DNS. Another name may have the same address; that is
/// not taken into account.
fn names(peer: PeerRef<'_>, name: &str) -> Truth {
    let PeerRef::Cilium(field, span) = peer else {
        return Truth::False;
    };
    let CiliumPeers::Fqdns(entries) = &field.peers else {
        return Truth::False;
    };
    let entry = entries.iter().find(|entry| entry.span == span);
    entry.is_some_and(|entry| entry.value.matches(name)).into()
}

/// Whether something matches that has these misses.
pub(super) fn truth_of(misses: &[Miss<'_>]) -> Truth {
    misses.iter().map(Miss::truth).min().unwrap_or(Truth::True)
}

/// The ranges of a family that an end of unknown address may have its address in: those of
/// pods or of nodes, for a name outside all.
pub(super) fn possible_ranges(
    end: &Endpoint<'_>,
    enforcement: &Enforcement,
    is_ipv4: bool,
) -> Vec<AddressRange> {
    if let Endpoint::Name(_) = end {
        return vec![match is_ipv4 {
            true => AddressRange::IPV4,
            false => AddressRange::IPV6,
        }];
    }
    let ranges = enforcement.unknown_address(end.is_on_host());
    let ranges = ranges.map(AddressRange::from);
    ranges.filter(|range| range.is_ipv4() == is_ipv4).collect()
}

impl<'c> Seen<'_, 'c> {
    /// Whether the plugin compares the address of this end with blocks at all.
    fn is_compared(&self) -> Truth {
        let nodes = self.enforcement.ip_block_matches_nodes().into();
        let pods = Truth::from(self.enforcement.ip_block_matches_pods());
        match self.end {
            Endpoint::Pod(pod) if !pod.is_host_network_known => pods.either(nodes),
            Endpoint::Pod(pod) if pod.host_network => nodes,
            Endpoint::Pod(_) => pods,
            Endpoint::Address(_) | Endpoint::Entity(_) | Endpoint::Name(_) => Truth::True,
        }
    }

    /// The end as conditions see it.
    fn candidate(&self) -> Candidate<'_, 'c> {
        let address = self.address.range().map(|range| range.first);
        let is_ipv4 = match self.address {
            Address::Unknown { is_ipv4 } => is_ipv4,
            _ => address.is_none_or(|address| address.is_ipv4()),
        };
        match self.end {
            Endpoint::Pod(pod) => Candidate::Pod {
                pod,
                address,
                is_ipv4,
            },
            Endpoint::Entity(entity) => Candidate::Entity(*entity),
            Endpoint::Address(range) => Candidate::Outside(range.first),
            Endpoint::Name(_) => {
                Candidate::Outside(address.unwrap_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED)))
            }
        }
    }

    /// What keeps the address of a name outside from lying in some ranges.
    fn misses_of_ranges(&self, ranges: &[AddressRange]) -> Vec<Miss<'c>> {
        let possible: Vec<AddressRange> = match self.address.range() {
            Some(range) => vec![range],
            None => self.possible_ranges(self.is_ipv4()),
        };
        if possible.iter().all(|it| it.without(ranges).is_empty()) {
            return Vec::new();
        }
        let mut overlaps = possible
            .iter()
            .flat_map(|it| ranges.iter().map(move |range| (it, range)));
        match overlaps.any(|(one, other)| one.overlaps(other)) {
            true => vec![Miss::AddressOfName],
            false => vec![Miss::AnotherEnd],
        }
    }

    fn is_ipv4(&self) -> bool {
        match self.address {
            Address::Unknown { is_ipv4 } => is_ipv4,
            _ => self.address.range().is_none_or(|range| range.is_ipv4()),
        }
    }

    /// What keeps every one of some blocks from holding the address; nothing if one does.
    fn misses_of_blocks(&self, blocks: &[Block<'c>]) -> Vec<Miss<'c>> {
        let mut misses = Vec::new();
        for block in blocks {
            match self.miss_of_block(block) {
                None => return Vec::new(),
                Some(miss) => misses.push(miss),
            }
        }
        // One that may hold the address leaves it open, whatever the others do.
        let in_doubt = misses.iter().find(|miss| miss.truth() == Truth::Unknown);
        in_doubt.map_or_else(|| misses.clone(), |miss| vec![miss.clone()])
    }

    fn miss_of_block(&self, block: &Block<'c>) -> Option<Miss<'c>> {
        let is_compared = self.is_compared();
        if is_compared == Truth::False {
            return Some(Miss::BlockIgnoresPods(block.cidr));
        }
        let not_known = (is_compared == Truth::Unknown).then_some(Miss::NetworkUnknown);
        let Some(range) = self.address.range() else {
            return self.miss_of_unknown(block).or(not_known);
        };
        if !AddressRange::from(block.cidr.value).contains_range(&range) {
            return Some(Miss::OutsideBlock(block.cidr));
        }
        let holds =
            |except: &&Spanned<IpNet>| AddressRange::from(except.value).contains_range(&range);
        let except = block.except.iter().find(holds).map(Miss::Except);
        except.or(not_known)
    }

    /// Compares a block with every address that the pod may have.
    fn miss_of_unknown(&self, block: &Block<'c>) -> Option<Miss<'c>> {
        let Address::Unknown { is_ipv4 } = self.address else {
            return None;
        };
        let held = block.ranges();
        let mut pods = self.possible_ranges(is_ipv4).into_iter().peekable();
        let is_somewhere = pods.peek().is_some();
        let (mut all, mut some) = (is_somewhere, false);
        for range in pods {
            all &= range.without(&held).is_empty();
            some |= held.iter().any(|block| block.overlaps(&range));
        }
        (!all).then(|| {
            let truth = if some { Truth::Unknown } else { Truth::False };
            Miss::AddressUnknown(block.cidr, truth, self.end.is_on_host())
        })
    }

    fn misses_of_nodes(&self, nodes: &[IpAddr]) -> Vec<Miss<'c>> {
        let node = |range: &AddressRange| {
            let mut nodes = nodes.iter();
            nodes.any(|address| AddressRange::from(*address).overlaps(range))
        };
        let is_compared = self.is_compared();
        let truth = match (self.address.range(), self.address) {
            _ if is_compared == Truth::False => Truth::False,
            (Some(range), _) => node(&range).into(),
            (None, Address::Unknown { is_ipv4 })
                if self.possible_ranges(is_ipv4).iter().any(node) =>
            {
                Truth::Unknown
            }
            (None, _) => Truth::False,
        };
        match truth {
            Truth::True if is_compared == Truth::Unknown => vec![Miss::NetworkUnknown],
            Truth::True => Vec::new(),
            truth => vec![Miss::NotANode(truth)],
        }
    }

    /// The ranges of a family that this end may have its address in if it is not known.
    fn possible_ranges(&self, is_ipv4: bool) -> Vec<AddressRange> {
        possible_ranges(self.end, self.enforcement, is_ipv4)
    }
}

mod pods;
#[cfg(test)]
mod tests;
