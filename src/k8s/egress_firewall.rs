//! `EgressFirewall` of OVN-Kubernetes (`k8s.ovn.org/v1`), field by field.
//!
//! Refuses to know which pods and nodes exist. Its rules are an ordered list for
//! destinations outside of the cluster; what no rule matches is allowed (S15).

use super::cluster_network_policy::Action;
use super::network_policy::Protocol;
use super::selector::LabelSelector;
use crate::source::{Span, Spanned};
use ipnet::IpNet;

/// The only name that an object of this kind may have: one for each namespace.
pub const EGRESS_FIREWALL_NAME: &str = "default";

/// What an `EgressFirewall` says.
#[derive(Clone, Debug, Default)]
pub struct EgressFirewall {
    /// `spec.egress`, in the order in which the rules are asked.
    pub rules: Vec<EgressFirewallRule>,
}

/// A rule of an `EgressFirewall`.
#[derive(Clone, Debug)]
pub struct EgressFirewallRule {
    /// The rule's text.
    pub span: Span,
    /// `type`: `Allow` or `Deny`.
    pub action: Spanned<Action>,
    /// `to`.
    pub to: EgressFirewallDestination,
    /// `ports`; none means every port.
    pub ports: Vec<EgressFirewallPort>,
}

/// Where a rule of an `EgressFirewall` leads.
#[derive(Clone, Debug)]
pub enum EgressFirewallDestination {
    /// `cidrSelector`.
    Cidr(Spanned<IpNet>),
    /// `dnsName`.
    DnsName(Spanned<String>),
    /// `nodeSelector`.
    Nodes(LabelSelector),
}

impl EgressFirewallDestination {
    /// Where it stands.
    #[must_use]
    pub fn span(&self) -> Span {
        match self {
            Self::Cidr(cidr) => cidr.span,
            Self::DnsName(name) => name.span,
            Self::Nodes(selector) => selector.span,
        }
    }
}

/// An entry of a rule's `ports`: one port of one protocol.
#[derive(Clone, Debug)]
pub struct EgressFirewallPort {
    /// The entry's text.
    pub span: Span,
    /// `protocol`.
    pub protocol: Protocol,
    /// `port`.
    pub port: u16,
}
