//! Where the parts of policies stand that an explanation speaks of.
//!
//! Refuses to know what it says about them.

use crate::engine::{Miss, PeerRef, PortRef, Requirement, Wanted};
use crate::source::Span;

/// Where a peer stands; `None` for one that nobody wrote.
pub(super) fn peer_span(peer: PeerRef<'_>) -> Option<Span> {
    match peer {
        PeerRef::Network(peer) => Some(peer.span),
        PeerRef::Cluster(peer) => Some(peer.span),
        PeerRef::Cilium(_, span) => Some(span),
        PeerRef::Calico(rule, _) => Some(rule.span),
        PeerRef::EgressFirewall(rule) => Some(rule.to.span()),
        PeerRef::OwnNode | PeerRef::OtherNetworks | PeerRef::Nodes => None,
    }
}

/// Where a port entry stands.
pub(super) fn port_span(port: PortRef<'_>) -> Span {
    match port {
        PortRef::Network(port) => port.place(),
        PortRef::Cluster(port) => port.span,
        PortRef::Cilium(port) => port.span,
        PortRef::Calico(rule) => rule.span,
        PortRef::EgressFirewall(port) => port.span,
    }
}

/// Where the part of a peer stands that keeps it from matching, if it is a part.
pub(super) fn miss_span(miss: &Miss<'_>) -> Option<Span> {
    match miss {
        Miss::PodLabel(requirement) | Miss::NamespaceLabel(requirement) => {
            Some(requirement_span(requirement))
        }
        Miss::OutsideBlock(block)
        | Miss::Except(block)
        | Miss::AddressUnknown(block, ..)
        | Miss::BlockIgnoresPods(block) => Some(block.span),
        Miss::OtherNamespace
        | Miss::NotAPod
        | Miss::HostNetwork
        | Miss::NetworkUnknown
        | Miss::NotANode(_)
        | Miss::DomainName(_)
        | Miss::Untold
        | Miss::Unmet(_)
        | Miss::AddressOfName
        | Miss::AnotherEnd => None,
    }
}

/// Where a requirement of a selector stands.
pub(super) fn requirement_span(requirement: &Requirement<'_>) -> Span {
    match requirement.wanted {
        // A patch may give another value to a key.
        Wanted::Label(label) if label.key.span.source != label.value.span.source => {
            label.value.span
        }
        Wanted::Label(label) => label.span(),
        Wanted::Expression(expression) => expression.span,
    }
}
