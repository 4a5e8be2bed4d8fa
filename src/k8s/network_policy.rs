//! `NetworkPolicy` of `networking.k8s.io/v1`, field by field.
//!
//! Refuses to know which pods exist. The one decision that it makes is which
//! directions a policy isolates, as that follows from its own text alone.

use super::meta::{Field, ObjectMeta};
use super::selector::LabelSelector;
use crate::source::{Span, Spanned, Text};
use ipnet::IpNet;
use std::fmt;

/// A direction of traffic as a pod sees it; the values of `policyTypes`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Direction {
    /// Into the pod.
    Ingress,
    /// Out of the pod.
    Egress,
}

impl Direction {
    /// Both, ingress first, as policies are written.
    pub const BOTH: [Self; 2] = [Self::Ingress, Self::Egress];

    /// As `policyTypes` spells it.
    #[must_use]
    pub fn policy_type(self) -> &'static str {
        match self {
            Self::Ingress => "Ingress",
            Self::Egress => "Egress",
        }
    }

    /// The field that holds the rules: `ingress` or `egress`.
    #[must_use]
    pub fn field(self) -> &'static str {
        match self {
            Self::Ingress => "ingress",
            Self::Egress => "egress",
        }
    }

    /// The field of a rule that holds its peers: `from` or `to`.
    #[must_use]
    pub fn peers_field(self) -> &'static str {
        match self {
            Self::Ingress => "from",
            Self::Egress => "to",
        }
    }
}

/// A transport protocol that policies know.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Protocol {
    /// `TCP`, the default everywhere.
    Tcp,
    /// `UDP`.
    Udp,
    /// `SCTP`.
    Sctp,
}

impl Protocol {
    /// All of them, in the order in which npcheck prints them.
    pub const ALL: [Self; 3] = [Self::Tcp, Self::Udp, Self::Sctp];

    /// As the API spells it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Tcp => "TCP",
            Self::Udp => "UDP",
            Self::Sctp => "SCTP",
        }
    }
}

impl fmt::Display for Protocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A `NetworkPolicy`.
#[derive(Clone, Debug)]
pub struct NetworkPolicy {
    /// Its metadata.
    pub meta: ObjectMeta,
    /// The key `spec`, or the start of the object where it is missing.
    pub spec_key: Span,
    /// `spec.podSelector`; missing or null selects every pod of the namespace (S1).
    pub pod_selector: Field<LabelSelector>,
    /// `spec.policyTypes` as written; see [`applies_to`](Self::applies_to).
    pub policy_types: Field<Vec<Spanned<Direction>>>,
    /// `spec.ingress`.
    pub ingress: Field<Vec<NetworkPolicyRule>>,
    /// `spec.egress`.
    pub egress: Field<Vec<NetworkPolicyRule>>,
    /// The directions that it is not about, whatever becomes of the rest of it: where the API
    /// server rejects it, putting that right changes nothing in them.
    pub silent: Vec<Direction>,
}

impl NetworkPolicy {
    /// Whether the policy isolates the pods that it selects in this direction.
    ///
    /// Missing, null or empty `policyTypes` means Ingress, plus Egress if and only if
    /// `egress` has at least one rule (networking/v1 `defaults.go`).
    #[must_use]
    pub fn applies_to(&self, direction: Direction) -> bool {
        let types = self.policy_types.items();
        if !types.is_empty() {
            return types
                .iter()
                .any(|policy_type| policy_type.value == direction);
        }
        match direction {
            Direction::Ingress => true,
            Direction::Egress => !self.egress.items().is_empty(),
        }
    }

    /// The text by which the policy isolates in a direction, and its path: the rules, else
    /// the entry of `policyTypes`, else the name.
    #[must_use]
    pub fn isolates_at(&self, direction: Direction) -> (Span, String) {
        let mut types = self.policy_types.items().iter();
        let policy_type = types.find(|policy_type| policy_type.value == direction);
        match (self.rules_field(direction), policy_type) {
            (Field::Value { key, value }, _) if !value.is_empty() => {
                (*key, format!("spec.{}", direction.field()))
            }
            (_, Some(policy_type)) => (policy_type.span, "spec.policyTypes".to_owned()),
            _ => (self.meta.name.span, "spec".to_owned()),
        }
    }

    /// The field with the rules of a direction, whether it applies or not.
    #[must_use]
    pub fn rules_field(&self, direction: Direction) -> &Field<Vec<NetworkPolicyRule>> {
        match direction {
            Direction::Ingress => &self.ingress,
            Direction::Egress => &self.egress,
        }
    }

    /// Whether a block of it has bits set behind its prefix, or is an IPv4 block that is
    /// written as IPv6: API servers reject both since
    /// [`KubernetesVersion::STRICT_ADDRESSES`](super::KubernetesVersion::STRICT_ADDRESSES).
    #[must_use]
    pub fn has_loose_blocks(&self) -> bool {
        let fields = Direction::BOTH.map(|direction| self.rules_field(direction).items());
        let peers = fields
            .into_iter()
            .flatten()
            .flat_map(|rule| rule.peers.items());
        let blocks = peers.filter_map(|peer| peer.ip_block.get());
        let mut blocks = blocks.flat_map(|block| block.except.items().iter().chain([&block.cidr]));
        blocks.any(|block| block.trunc() != block.value || is_ipv4_mapped(block.value))
    }

    /// The rules that are enforced in a direction: none where it does not apply.
    #[must_use]
    pub fn rules(&self, direction: Direction) -> &[NetworkPolicyRule] {
        if self.applies_to(direction) {
            self.rules_field(direction).items()
        } else {
            &[]
        }
    }

    /// The rules that are enforced in either direction, ingress before egress, in the order
    /// of the text.
    pub fn rule_places(&self) -> impl Iterator<Item = RulePlace<'_>> {
        Direction::BOTH.into_iter().flat_map(|direction| {
            let rules = self.rules(direction).iter().enumerate();
            rules.map(move |(index, rule)| RulePlace {
                direction,
                index,
                rule,
            })
        })
    }

    /// Every peer that is written, ingress before egress, whether its direction applies or
    /// not, in the order of the text.
    pub fn peers(&self) -> impl Iterator<Item = PeerPlace<'_>> {
        Direction::BOTH.into_iter().flat_map(move |direction| {
            let rules = self.rules_field(direction).items().iter().enumerate();
            rules.flat_map(move |(rule_index, rule)| {
                let peers = rule.peers.items().iter().enumerate();
                peers.map(move |(peer_index, peer)| PeerPlace {
                    direction,
                    rule_index,
                    peer_index,
                    rule,
                    peer,
                })
            })
        })
    }
}

/// A rule and its place in a policy.
#[derive(Clone, Copy, Debug)]
pub struct RulePlace<'p> {
    /// Whether it stands under `ingress` or `egress`.
    pub direction: Direction,
    /// Its position in the list, from 0.
    pub index: usize,
    /// The rule.
    pub rule: &'p NetworkPolicyRule,
}

impl RulePlace<'_> {
    /// The place as findings name it: `spec.ingress[0]`.
    #[must_use]
    pub fn path(&self) -> String {
        format!("spec.{}[{}]", self.direction.field(), self.index)
    }
}

/// A peer and its place in a policy.
#[derive(Clone, Copy, Debug)]
pub struct PeerPlace<'p> {
    /// Whether it stands under `ingress` or `egress`.
    pub direction: Direction,
    /// The position of its rule in the list, from 0.
    pub rule_index: usize,
    /// Its position in `from` or `to`, from 0.
    pub peer_index: usize,
    /// Its rule.
    pub rule: &'p NetworkPolicyRule,
    /// The peer.
    pub peer: &'p NetworkPolicyPeer,
}

impl PeerPlace<'_> {
    /// The place as findings name it: `spec.ingress[0].from[1]`.
    #[must_use]
    pub fn path(&self) -> String {
        let (rules, peers) = (self.direction.field(), self.direction.peers_field());
        format!(
            "spec.{rules}[{}].{peers}[{}]",
            self.rule_index, self.peer_index
        )
    }
}

/// A `NetworkPolicyIngressRule` or `NetworkPolicyEgressRule`; they differ only in
/// whether the peers stand under `from` or `to`.
#[derive(Clone, Debug)]
pub struct NetworkPolicyRule {
    /// The whole rule, without its hyphen.
    pub span: Span,
    /// The hyphen of the list item; `None` in flow style.
    pub dash: Option<Span>,
    /// `from` or `to`; missing, null and empty match every peer.
    pub peers: Field<Vec<NetworkPolicyPeer>>,
    /// `ports`; missing, null and empty match every port of every protocol.
    pub ports: Field<Vec<NetworkPolicyPort>>,
}

/// An entry of `from` or `to`.
#[derive(Clone, Debug)]
pub struct NetworkPolicyPeer {
    /// The whole peer, without its hyphen.
    pub span: Span,
    /// The hyphen of the list item; `None` in flow style.
    pub dash: Option<Span>,
    /// `podSelector`; null is the same as missing to Kubernetes.
    pub pod_selector: Field<LabelSelector>,
    /// `namespaceSelector`; null is the same as missing to Kubernetes.
    pub namespace_selector: Field<LabelSelector>,
    /// `ipBlock`.
    pub ip_block: Field<IpBlock>,
}

/// An `ipBlock`.
#[derive(Clone, Debug)]
pub struct IpBlock {
    /// The value of `ipBlock`.
    pub span: Span,
    /// `cidr`, host bits as written: use [`IpNet::trunc`] before comparing.
    pub cidr: Spanned<IpNet>,
    /// `except`, host bits as written.
    pub except: Field<Vec<Spanned<IpNet>>>,
}

/// A port by number or by the name of a container's port.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum PortReference {
    /// A number, 1 to 65535.
    Number(u16),
    /// The name of a containerPort of the destination.
    Name(Text),
}

impl fmt::Display for PortReference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Number(number) => number.fmt(f),
            Self::Name(name) => name.fmt(f),
        }
    }
}

/// An entry of `ports`.
#[derive(Clone, Debug)]
pub struct NetworkPolicyPort {
    /// The whole entry, without its hyphen.
    pub span: Span,
    /// The hyphen of the list item; `None` in flow style.
    pub dash: Option<Span>,
    /// `protocol`; missing or null is TCP.
    pub protocol: Field<Spanned<Protocol>>,
    /// `port`; missing or null is every port of the protocol.
    pub port: Field<Spanned<PortReference>>,
    /// `endPort`, inclusive.
    pub end_port: Field<Spanned<u16>>,
}

impl NetworkPolicyPort {
    /// The text that says which ports these are: that of a field if a build took it from
    /// elsewhere than the entry.
    #[must_use]
    pub fn place(&self) -> Span {
        let fields = [
            self.port.get().map(|it| it.span),
            self.end_port.get().map(|it| it.span),
            self.protocol.get().map(|it| it.span),
        ];
        let mut elsewhere = fields.into_iter().flatten();
        elsewhere
            .find(|span| !self.span.contains(*span))
            .unwrap_or(self.span)
    }
}

/// Whether the block is made of IPv4 addresses in IPv6 clothes (`::ffff:10.0.0.0/104`),
/// which some programs take for the IPv4 block and others for nothing.
#[must_use]
pub fn is_ipv4_mapped(block: IpNet) -> bool {
    match block {
        IpNet::V4(_) => false,
        IpNet::V6(block) => block.addr().to_ipv4_mapped().is_some(),
    }
}

impl NetworkPolicyPeer {
    /// The selectors, where the peer has no `ipBlock`: what it asks of namespaces and of
    /// pods, `None` for what is not asked.
    #[must_use]
    pub fn selectors(&self) -> Option<(Option<&LabelSelector>, Option<&LabelSelector>)> {
        if self.ip_block.get().is_some() {
            return None;
        }
        Some((self.namespace_selector.get(), self.pod_selector.get()))
    }

    /// Whether it is every pod of the policy's own namespace: `podSelector: {}`.
    #[must_use]
    pub fn is_own_namespace(&self) -> bool {
        matches!(self.selectors(), Some((None, Some(pods))) if pods.is_empty())
    }
}

impl NetworkPolicyPort {
    /// The protocol, TCP where none is written (networking/v1 types.go).
    #[must_use]
    pub fn protocol_or_default(&self) -> Protocol {
        self.protocol
            .get()
            .map_or(Protocol::Tcp, |protocol| protocol.value)
    }
}

impl NetworkPolicyPort {
    fn admits_outside(&self, protocol: Protocol, number: u16) -> bool {
        let is_in = match self.port.get().map(|port| &port.value) {
            None => true,
            Some(PortReference::Number(first)) => {
                let last = self.end_port.get().map_or(*first, |last| last.value);
                (*first..=last).contains(&number)
            }
            Some(PortReference::Name(_)) => false,
        };
        self.protocol_or_default() == protocol && is_in
    }
}

/// As findings write it: `TCP 8080`, `UDP 8000-8100`, `TCP http`, `every TCP port`.
impl fmt::Display for NetworkPolicyPort {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let protocol = self.protocol_or_default();
        match (self.port.get(), self.end_port.get()) {
            (None, _) => write!(f, "every {protocol} port"),
            (Some(port), None) => write!(f, "{protocol} {}", port.value),
            (Some(first), Some(last)) => write!(f, "{protocol} {}-{}", first.value, last.value),
        }
    }
}

impl NetworkPolicyRule {
    /// Whether its ports admit a number at an address outside, where names mean nothing
    /// (S7).
    #[must_use]
    pub fn admits_outside(&self, protocol: Protocol, number: u16) -> bool {
        let ports = self.ports.items();
        ports.is_empty()
            || ports
                .iter()
                .any(|port| port.admits_outside(protocol, number))
    }

    /// Its ports as findings write them: `every port`, `TCP 80, TCP 443 and 3 more`.
    #[must_use]
    pub fn ports_in_words(&self) -> String {
        const SHOWN: usize = 3;
        let ports = self.ports.items();
        if ports.is_empty() {
            return "every port".to_owned();
        }
        let shown: Vec<String> = ports.iter().take(SHOWN).map(ToString::to_string).collect();
        match ports.len().saturating_sub(SHOWN) {
            0 => shown.join(", "),
            more => format!("{} and {more} more", shown.join(", ")),
        }
    }
}
