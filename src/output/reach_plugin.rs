//! The words for rules, peers and ports of policies that only a CNI plugin knows.
//!
//! Refuses to know what they match.

use crate::engine::{ConnectionSet, PeerRef, PortRef, RuleRef, RuleTrace};
use crate::k8s::{
    CalicoEntity, CalicoPort, CalicoRule, CiliumAddresses, CiliumFqdn, CiliumPeerField,
    CiliumPeers, CiliumPort, CiliumPortReference, CiliumProtocol, CiliumServices, Direction,
    EgressFirewallDestination,
};
use crate::source::{Span, Spanned};
use std::fmt::Display;

/// What tells a rule from the others of its policy: `#2`, `egressDeny #1`.
pub(super) fn number(rule: &RuleTrace<'_>) -> String {
    let number = rule.index + 1;
    match rule.rule {
        RuleRef::Cilium(_, rule) if rule.section.is_deny() => {
            format!("{} #{number}", rule.section.field())
        }
        RuleRef::OwnNode(_) => "own node".to_owned(),
        _ => format!("#{number}"),
    }
}

/// Where a rule stands in its object: `spec.ingress[0]`, `specs[1].egressDeny[0]`.
pub(super) fn path(direction: Direction, rule: &RuleTrace<'_>) -> String {
    match rule.rule {
        RuleRef::Cilium(spec, rule) => format!("{}.{}", spec.path, rule.place()),
        RuleRef::OwnNode(_) => "spec".to_owned(),
        _ => format!("spec.{}[{}]", direction.field(), rule.index),
    }
}

/// What a peer of such a rule selects; `None` for those of Kubernetes.
pub(super) fn peer(peer: PeerRef<'_>) -> Option<String> {
    match peer {
        PeerRef::Cilium(field, span) => Some(cilium_peer(field, span)),
        PeerRef::Calico(rule, direction) => Some(calico_end(rule.peer(direction))),
        PeerRef::EgressFirewall(rule) => Some(match &rule.to {
            EgressFirewallDestination::Cidr(cidr) => cidr.value.to_string(),
            EgressFirewallDestination::DnsName(name) => name.value.clone(),
            EgressFirewallDestination::Nodes(selector) => format!("nodes with {selector}"),
        }),
        PeerRef::OwnNode => Some("the pod's own node".to_owned()),
        PeerRef::Network(_) | PeerRef::Cluster(_) => None,
    }
}

fn cilium_peer(field: &CiliumPeerField, span: Span) -> String {
    let entry = match &field.peers {
        CiliumPeers::Endpoints(entries) | CiliumPeers::Nodes(entries) => {
            let entry = entries.iter().find(|entry| entry.span == span);
            entry.map(ToString::to_string)
        }
        CiliumPeers::Cidrs(entries) => find(entries, span).map(|cidr| cidr.to_string()),
        CiliumPeers::CidrSets(entries) => {
            let entry = entries.iter().find(|entry| entry.span == span);
            entry.map(|entry| match &entry.addresses {
                CiliumAddresses::Cidr(cidr) if entry.except.is_empty() => cidr.value.to_string(),
                CiliumAddresses::Cidr(cidr) => {
                    format!(
                        "{} except {}",
                        cidr.value,
                        list(entry.except.iter().map(|it| it.value))
                    )
                }
                CiliumAddresses::Group(name) => format!("CIDR group {name}"),
                CiliumAddresses::Groups(selector) => format!("CIDR groups with {selector}"),
            })
        }
        CiliumPeers::Entities(entries) => {
            find(entries, span).map(|entity| entity.name().to_owned())
        }
        CiliumPeers::Services(entries) => {
            let entry = entries.iter().find(|entry| entry.span == span);
            entry.map(|entry| match &entry.services {
                CiliumServices::Named(name) => format!("Service {name}"),
                CiliumServices::Selected(selector) => format!("Services with {selector}"),
                CiliumServices::None => "no Service".to_owned(),
            })
        }
        CiliumPeers::Fqdns(entries) => find(entries, span).map(|name| match name {
            CiliumFqdn::Name(name) | CiliumFqdn::Pattern(name) => name.clone(),
        }),
        CiliumPeers::Groups(_) => Some("a group of the cloud".to_owned()),
    };
    format!("{} {}", field.name, entry.unwrap_or_default())
}

fn find<T>(entries: &[Spanned<T>], span: Span) -> Option<&T> {
    let entry = entries.iter().find(|entry| entry.span == span);
    entry.map(|entry| &entry.value)
}

fn list<T: Display>(items: impl IntoIterator<Item = T>) -> String {
    let items: Vec<String> = items.into_iter().map(|item| item.to_string()).collect();
    items.join(", ")
}

fn calico_end(end: &CalicoEntity) -> String {
    let mut parts = Vec::new();
    let mut add = |name: &str, value: Option<String>| {
        parts.extend(value.map(|value| format!("{name} {value}")));
    };
    let selector = |it: &Option<Spanned<crate::k8s::CalicoSelector>>| {
        it.as_ref().map(|selector| selector.value.to_string())
    };
    let some = |text: String| (!text.is_empty()).then_some(text);
    add("namespaces", selector(&end.namespace_selector));
    add("selector", selector(&end.selector));
    add("not", selector(&end.not_selector));
    add("service accounts", some(list(&end.service_account_names)));
    add("service accounts", selector(&end.service_account_selector));
    add("nets", some(list(end.nets.iter().map(|net| net.value))));
    add(
        "not in",
        some(list(end.not_nets.iter().map(|net| net.value))),
    );
    add(
        "Service",
        end.service.as_ref().map(|service| service.name.clone()),
    );
    match parts.is_empty() {
        true => "anybody of this IP version".to_owned(),
        false => parts.join(", "),
    }
}

/// The entries of the ports of such a rule as text; `None` for those of Kubernetes.
pub(super) fn port(port: PortRef<'_>, connections: &ConnectionSet) -> Option<String> {
    match port {
        PortRef::Cilium(port) => Some(cilium_port(port)),
        PortRef::Calico(rule) => Some(calico_ports(rule, connections)),
        PortRef::EgressFirewall(port) => Some(format!("{}/{}", port.port, port.protocol.name())),
        PortRef::Network(_) | PortRef::Cluster(_) => None,
    }
}

fn cilium_port(port: &CiliumPort) -> String {
    let number = match (&port.port.value, &port.end_port) {
        (CiliumPortReference::Number(0), _) => "any port".to_owned(),
        (CiliumPortReference::Number(first), Some(last)) => format!("{first}-{}", last.value),
        (CiliumPortReference::Number(number), None) => number.to_string(),
        (CiliumPortReference::Name(name), _) => name.clone(),
    };
    let protocol = match port.protocol {
        CiliumProtocol::Any => "ANY",
        CiliumProtocol::Of(protocol) => protocol.name(),
        CiliumProtocol::Other => "another protocol",
    };
    format!("{number}/{protocol}")
}

fn calico_ports(rule: &CalicoRule, connections: &ConnectionSet) -> String {
    let port = |port: &Spanned<CalicoPort>| match &port.value {
        CalicoPort::Range(first, last) if first == last => first.to_string(),
        CalicoPort::Range(first, last) => format!("{first}-{last}"),
        CalicoPort::Name(name) => name.clone(),
    };
    let protocols = connections.iter().map(|(protocol, _)| protocol.name());
    let protocols = match list(protocols) {
        text if text.is_empty() => String::new(),
        text => format!(" {text}"),
    };
    let ports = list(rule.destination.ports.iter().map(port));
    let except = list(rule.destination.not_ports.iter().map(port));
    match (ports.is_empty(), except.is_empty()) {
        (true, true) => format!("all ports{protocols}"),
        (false, true) => format!("ports {ports}{protocols}"),
        (true, false) => format!("all ports but {except}{protocols}"),
        (false, false) => format!("ports {ports} but {except}{protocols}"),
    }
}
