//! `NetworkPolicy`, `GlobalNetworkPolicy`, `Tier`, `NetworkSet` and `GlobalNetworkSet` of
//! Calico (`projectcalico.org/v3`, `crd.projectcalico.org/v1`), field by field.
//!
//! Refuses to know which pods and sets exist. What follows from the text of a policy alone
//! is decided here: which directions it applies to.

mod selector;

pub use selector::{CalicoSelector, Comparison, Looked, SelectorError};

use super::meta::{Field, ObjectMeta};
use super::network_policy::{Direction, Protocol};
use crate::source::{Span, Spanned};
use ipnet::IpNet;

/// What a policy of Calico's says, staged or not.
#[derive(Clone, Debug)]
pub struct CalicoPolicy {
    /// Whether it was written for the storage behind Calico's own API server
    /// (`crd.projectcalico.org/v1`), where nothing fills in missing `types`.
    pub is_raw: bool,
    /// `spec.tier`.
    pub tier: Option<Spanned<String>>,
    /// `spec.order`; missing is last.
    pub order: Option<Spanned<f64>>,
    /// `spec.selector`.
    pub selector: Option<Spanned<CalicoSelector>>,
    /// `spec.namespaceSelector`, of a global policy.
    pub namespace_selector: Option<Spanned<CalicoSelector>>,
    /// `spec.serviceAccountSelector`.
    pub service_account_selector: Option<Spanned<CalicoSelector>>,
    /// `spec.types` as written; see [`applies_to`](Self::applies_to).
    pub types: Field<Vec<Spanned<Direction>>>,
    /// `spec.ingress`.
    pub ingress: Field<Vec<CalicoRule>>,
    /// `spec.egress`.
    pub egress: Field<Vec<CalicoRule>>,
    /// `spec.doNotTrack` or `spec.preDNAT`, where it is set: it is for host endpoints only.
    pub host_endpoints_only: Option<Span>,
    /// `spec.applyOnForward`, where it is set: it is for host endpoints as well.
    pub on_forward: Option<Span>,
    /// The directions that it is not about, whatever becomes of the rest of it: where the API
    /// server rejects it, putting that right changes nothing in them.
    pub silent: Vec<Direction>,
}

/// The tier of policies that name none.
pub const CALICO_DEFAULT_TIER: &str = "default";

impl CalicoPolicy {
    /// The name of its tier.
    #[must_use]
    pub fn tier_name(&self) -> &str {
        self.tier
            .as_ref()
            .map_or(CALICO_DEFAULT_TIER, |tier| &tier.value)
    }

    /// The field with the rules of a direction.
    #[must_use]
    pub fn rules_field(&self, direction: Direction) -> &Field<Vec<CalicoRule>> {
        match direction {
            Direction::Ingress => &self.ingress,
            Direction::Egress => &self.egress,
        }
    }

    /// Whether it applies to a direction. Missing or empty `types`: ingress, unless there are
    /// egress rules and no ingress rules; egress if there are egress rules (`api/pkg/defaults`).
    /// In raw storage nothing fills them in, and Felix takes both.
    #[must_use]
    pub fn applies_to(&self, direction: Direction) -> bool {
        let types = self.types.items();
        if !types.is_empty() {
            return types.iter().any(|known| known.value == direction);
        }
        if self.is_raw {
            return true;
        }
        let has_rules = |direction| !self.rules_field(direction).items().is_empty();
        match direction {
            Direction::Ingress => has_rules(Direction::Ingress) || !has_rules(Direction::Egress),
            Direction::Egress => has_rules(Direction::Egress),
        }
    }

    /// The rules that are enforced in a direction.
    #[must_use]
    pub fn rules(&self, direction: Direction) -> &[CalicoRule] {
        match self.applies_to(direction) {
            true => self.rules_field(direction).items(),
            false => &[],
        }
    }
}

/// A rule.
#[derive(Clone, Debug)]
pub struct CalicoRule {
    /// Its text.
    pub span: Span,
    /// Its hyphen, in block style.
    pub dash: Option<Span>,
    /// `action`.
    pub action: Spanned<CalicoAction>,
    /// `protocol`.
    pub protocol: Option<Spanned<CalicoProtocol>>,
    /// `notProtocol`.
    pub not_protocol: Option<Spanned<CalicoProtocol>>,
    /// `icmp` or `notICMP`: then the rule is about no TCP, UDP or SCTP.
    pub icmp: Option<Span>,
    /// `ipVersion`.
    pub ip_version: Option<Spanned<u8>>,
    /// `source`.
    pub source: CalicoEntity,
    /// `destination`.
    pub destination: CalicoEntity,
    /// `http`: restricts an allowed connection above layer 4.
    pub http: Option<Span>,
}

impl CalicoRule {
    /// The end that a policy in this direction is not about.
    #[must_use]
    pub fn peer(&self, direction: Direction) -> &CalicoEntity {
        match direction {
            Direction::Ingress => &self.source,
            Direction::Egress => &self.destination,
        }
    }

    /// The end that a policy in this direction is about, which a rule may narrow.
    #[must_use]
    pub fn own(&self, direction: Direction) -> &CalicoEntity {
        match direction {
            Direction::Ingress => &self.destination,
            Direction::Egress => &self.source,
        }
    }

    /// Whether it is about connections of a protocol at all.
    #[must_use]
    pub fn is_about(&self, protocol: Protocol) -> bool {
        let is = |wanted: &Spanned<CalicoProtocol>| wanted.value == CalicoProtocol::Of(protocol);
        self.icmp.is_none()
            && self.protocol.as_ref().is_none_or(is)
            && !self.not_protocol.as_ref().is_some_and(is)
    }
}

/// What a rule does with what it matches.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum CalicoAction {
    /// Allows, finally.
    Allow,
    /// Denies, finally.
    Deny,
    /// Leaves the tier.
    Pass,
    /// Writes a line, and goes on.
    Log,
}

impl CalicoAction {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Allow, Self::Deny, Self::Pass, Self::Log];

    /// As the API spells it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Allow => "Allow",
            Self::Deny => "Deny",
            Self::Pass => "Pass",
            Self::Log => "Log",
        }
    }
}

/// A protocol of a rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum CalicoProtocol {
    /// One that npcheck answers for.
    Of(Protocol),
    /// `UDPLite`, which has ports as well.
    UdpLite,
    /// `ICMP` or `ICMPv6`.
    Icmp,
    /// Another number.
    Other(u8),
}

/// One end of a rule; all fields that are given must hold.
#[derive(Clone, Debug, Default)]
pub struct CalicoEntity {
    /// `selector`; an empty one is none.
    pub selector: Option<Spanned<CalicoSelector>>,
    /// `notSelector`.
    pub not_selector: Option<Spanned<CalicoSelector>>,
    /// `namespaceSelector`.
    pub namespace_selector: Option<Spanned<CalicoSelector>>,
    /// `serviceAccounts.names`.
    pub service_account_names: Vec<Spanned<String>>,
    /// `serviceAccounts.selector`.
    pub service_account_selector: Option<Spanned<CalicoSelector>>,
    /// `services`: the Service of this name and namespace.
    pub service: Option<CalicoServiceReference>,
    /// `nets`.
    pub nets: Vec<Spanned<IpNet>>,
    /// `notNets`.
    pub not_nets: Vec<Spanned<IpNet>>,
    /// `ports`.
    pub ports: Vec<Spanned<CalicoPort>>,
    /// `notPorts`.
    pub not_ports: Vec<Spanned<CalicoPort>>,
    /// `domains`, which only Calico Enterprise and Calico Cloud know: the addresses of these
    /// names.
    pub domains: Vec<Spanned<String>>,
}

impl CalicoEntity {
    /// Whether it names nobody, so that everybody is meant.
    #[must_use]
    pub fn is_everybody(&self) -> bool {
        self.selector.is_none()
            && self.not_selector.is_none()
            && self.namespace_selector.is_none()
            && self.service_account_names.is_empty()
            && self.service_account_selector.is_none()
            && self.service.is_none()
            && self.nets.is_empty()
            && self.not_nets.is_empty()
            && self.domains.is_empty()
    }
}

/// `services` of a rule's end.
#[derive(Clone, Debug)]
pub struct CalicoServiceReference {
    /// Its text.
    pub span: Span,
    /// `name`.
    pub name: String,
    /// `namespace`; the policy's own if it is missing.
    pub namespace: Option<String>,
}

/// An entry of `ports`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum CalicoPort {
    /// A number or a range, both ends included.
    Range(u16, u16),
    /// The name of a container's port.
    Name(String),
}

/// A `Tier`.
#[derive(Clone, Debug)]
pub struct CalicoTier {
    /// Its metadata.
    pub meta: ObjectMeta,
    /// `spec.order`; missing is last.
    pub order: Option<Spanned<f64>>,
    /// Whether what its policies do not decide goes on to the next tier (`defaultAction:
    /// Pass`) rather than being denied.
    pub passes: bool,
}

impl CalicoTier {
    /// The tiers that are there without an object: name, order, and whether the end passes.
    pub const BUILT_IN: [(&'static str, f64, bool); 3] = [
        ("kube-admin", 1_000.0, true),
        (CALICO_DEFAULT_TIER, 1_000_000.0, false),
        ("kube-baseline", 10_000_000.0, true),
    ];
}

/// A `NetworkSet` or a `GlobalNetworkSet`: named addresses with labels.
#[derive(Clone, Debug)]
pub struct CalicoNetworkSet {
    /// Its metadata.
    pub meta: ObjectMeta,
    /// Whether it is in no namespace.
    pub is_global: bool,
    /// `spec.nets`.
    pub nets: Vec<Spanned<IpNet>>,
    /// `spec.allowedEgressDomains`: the addresses of these names, for rules of egress that
    /// allow. No other rule asks for them.
    pub allowed_egress_domains: Vec<Spanned<String>>,
}
