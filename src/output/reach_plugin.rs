//! The words for rules, peers and ports of policies that only a CNI plugin knows.
//!
//! Refuses to know what they match.

use super::address::range_name;
use crate::engine::{Asks, ConnectionSet, LabelTest, PeerRef, PortRef, RuleRef, RuleTrace, Unmet};
use crate::k8s::{
    CalicoEntity, CalicoPort, CalicoRule, CiliumAddresses, CiliumFqdn, CiliumPeerField,
    CiliumPeers, CiliumPort, CiliumPortReference, CiliumPortRule, CiliumProtocol, CiliumServices,
    Direction, EgressFirewallDestination, Operator, Truth, may_be_set_by,
};
use crate::source::{Span, Spanned};
use std::fmt::Display;

/// What a part of a CNI plugin's selector wants and an end does not have, by its name in the
/// sentence.
pub(super) fn unmet(unmet: &Unmet, other: &str) -> String {
    let found = |unmet: &Unmet| {
        let found = unmet.found.iter().map(|(key, value)| {
            let (of, key) = match (key.strip_prefix("pcns."), key.strip_prefix("pcsa.")) {
                (Some(key), _) => (" of its namespace", key),
                (_, Some(key)) => (" of its service account", key),
                _ => ("", key.as_str()),
            };
            match value {
                Some(value) => format!("has {key}={value}{of}"),
                None if unmet.truth == Truth::Unknown => format!("may have a label {key}{of}"),
                None => format!("has no label {key}{of}"),
            }
        });
        found.collect::<Vec<_>>().join(" and ")
    };
    let value = unmet.found.first().and_then(|(_, value)| value.as_deref());
    match &unmet.asks {
        Asks::Label {
            test,
            is_filtered: true,
            ..
        } => format!(
            "wants {}, a label that Cilium keeps out of identities, so that no selector sees it",
            label(test)
        ),
        Asks::Label {
            test,
            may_be_filtered: true,
            ..
        } if unmet.truth == Truth::Unknown => format!(
            "wants {}, a label that Cilium may keep out of identities",
            label(test)
        ),
        Asks::Label { test, .. } => format!("wants {}, {other} {}", label(test), found(unmet)),
        Asks::NamespaceLabel(test) => format!(
            "wants a namespace with {}, that of {other} {}",
            label(test),
            found(unmet)
        ),
        Asks::Namespace { test, is_implied } => {
            let implied = match is_implied {
                true => " (implied, as the selector names none)",
                false => "",
            };
            let wanted = match (test.operator, &test.values[..]) {
                (Operator::In, [name]) => format!("namespace {name}"),
                (Operator::Exists, _) => "a pod of the cluster".to_owned(),
                _ => format!("a namespace with {}", label(test)),
            };
            let is = value.map_or_else(
                || format!("{other} is in none"),
                |name| format!("{other} is in {name}"),
            );
            format!("wants {wanted}{implied}, {is}")
        }
        Asks::ServiceAccount(test) => {
            let wanted = list(&test.values);
            match value {
                Some(account) => {
                    format!("wants service account {wanted}, {other} runs as {account}")
                }
                None => format!("wants a pod with service account {wanted}, {other} is not one"),
            }
        }
        Asks::Cluster if unmet.truth == Truth::Unknown => {
            "names a cluster, and it is not known whether that is this one".to_owned()
        }
        Asks::Cluster if unmet.found.iter().any(|(_, found)| found.is_some()) => {
            format!("wants a pod of another cluster, {other} is in this one")
        }
        Asks::Cluster => format!("wants a pod of this cluster, {other} is not one"),
        Asks::Reserved(test) => {
            format!("wants reserved:{}, {other} is another end", test.key)
        }
        Asks::Field { name, text } if unmet.found.is_empty() => {
            format!("wants {name} {text}, which {other} does not meet")
        }
        Asks::Field { name, text } => format!("wants {name} {text}, {other} {}", found(unmet)),
        Asks::Nets(ranges) => {
            let ranges = list(ranges.iter().map(|range| range_name(*range)));
            match unmet.truth {
                Truth::Unknown => {
                    format!("wants an address in {ranges}; that of {other} is not known")
                }
                _ => format!("wants an address in {ranges}, {other} is not in it"),
            }
        }
        Asks::NotNets(ranges) => {
            let ranges = list(ranges.iter().map(|range| range_name(*range)));
            match unmet.truth {
                Truth::Unknown => {
                    format!("wants no address in {ranges}; that of {other} is not known")
                }
                _ => format!("wants no address in {ranges}, {other} is in it"),
            }
        }
        Asks::IpVersion(version) => format!("wants IPv{version}, which this is not"),
        Asks::SourcePorts => "wants source ports, which are not known beforehand".to_owned(),
        Asks::Endpoints(service) => {
            format!("wants an endpoint of Service {service}; its endpoints are not known")
        }
        Asks::RejectedSets(sets) => format!(
            "may be in {}, which the API server would reject as it is written",
            sets.join(", ")
        ),
        Asks::Domains(names) => match unmet.truth {
            Truth::Unknown => format!(
                "wants an address of {}; which ones these names have is not known",
                names.join(", ")
            ),
            _ => format!("wants an address of {}, {other} is a pod", names.join(", ")),
        },
        Asks::CidrInCluster(ranges) => format!(
            "wants an address in {}, by which the agent may know {other}",
            list(ranges.iter().map(|range| range_name(*range)))
        ),
        Asks::OwnNode => format!("wants the pod's own node, {other} is another end"),
        Asks::NodeLabels => match unmet.truth {
            Truth::Unknown => format!("wants a node by its labels; those of {other} are not known"),
            _ => format!("wants a node, {other} is not one"),
        },
        Asks::PodOfService => match unmet.truth {
            Truth::Unknown => format!(
                "wants a pod of one of its Services, which are too many to look up whether {other} \
                 is one"
            ),
            _ => format!("wants a pod of one of its Services, {other} is not one"),
        },
        Asks::Anything => format!("wants other labels than {other} has for the CNI plugin"),
    }
}

/// What is missing where an admission controller may write a label that is asked for.
pub(super) fn written(writer: &str, key: &str, wanted: &str) -> String {
    format!("whether {writer} sets the label {key}: a rule asks for {wanted}")
}

/// What a part of a selector wants, if it is not known whether an end has it, by the end's
/// short name and its namespace's.
pub(super) fn doubt(unmet: &Unmet, end: &str, namespace: &str) -> String {
    let written = unmet.found.iter().find_map(|(key, value)| {
        let writer = may_be_set_by(value.as_deref()?)?;
        Some((writer, key))
    });
    if let Some((writer, key)) = written {
        return self::written(writer, key, key);
    }
    match &unmet.asks {
        asks if asks.is_opaque() => {
            "what another tool fills in for a selector of the CNI plugin".to_owned()
        }
        Asks::NamespaceLabel(test) => format!(
            "the labels of namespace {namespace}, which no manifest here declares: a rule asks \
             for {}",
            label(test)
        ),
        Asks::Field { name, text } if *name == "namespaceSelector" => format!(
            "the labels of namespace {namespace}, which no manifest here declares: a rule asks \
             for {text}"
        ),
        Asks::Label {
            test,
            may_be_filtered: true,
            ..
        } => format!(
            "whether identities keep the label `{}`: the file of `label-prefix-file` says so",
            test.key
        ),
        Asks::Label { test, .. } => {
            format!("the labels of {end}: a rule asks for {}", label(test))
        }
        Asks::Field { text, .. } => format!("the labels of {end}: a rule asks for {text}"),
        Asks::OwnNode => {
            "whether the own node gets in to a pod that no ingress rule selects: before Cilium 1.20 \
             it does"
                .to_owned()
        }
        Asks::CidrInCluster(ranges) => format!(
            "whether the agent knows {end} by an address in {}: `policy-cidr-match-mode` has CIDRs \
             match more than addresses outside",
            list(ranges.iter().map(|range| range_name(*range)))
        ),
        Asks::Nets(ranges) | Asks::NotNets(ranges) => format!(
            "the address of {end}: a rule asks about {}, and `cluster.podCIDRs` in npcheck.yaml \
             tells which ones pods have",
            list(ranges.iter().map(|range| range_name(*range)))
        ),
        Asks::NodeLabels => {
            format!("the labels that the agent knows {end} by: a rule names nodes by theirs")
        }
        Asks::PodOfService => format!(
            "whether {end} is a pod of one of the Services that a policy names: they are too many"
        ),
        Asks::SourcePorts => {
            "which port a connection comes from: a rule asks for source ports".to_owned()
        }
        Asks::Endpoints(service) => format!("the endpoints of Service {service}"),
        Asks::Domains(names) => format!("the addresses of {}", names.join(", ")),
        Asks::RejectedSets(sets) => format!(
            "what {} would hold: the API server would reject it as it is written",
            sets.join(", ")
        ),
        _ => format!("what the CNI plugin knows {end} by"),
    }
}

fn label(test: &LabelTest) -> String {
    let key = &test.key;
    match (test.operator, &test.values[..]) {
        (Operator::In, [value]) => format!("{key}={value}"),
        (Operator::In, values) => format!("{key} in ({})", values.join(",")),
        (Operator::NotIn, values) => format!("{key} notin ({})", values.join(",")),
        (Operator::Exists, _) => key.clone(),
        (Operator::DoesNotExist, _) => format!("!{key}"),
    }
}

/// Whom a rule means that has no peers to compare, by what makes it so.
pub(super) fn without_peers(rule: RuleRef<'_>, is_match: bool) -> Option<String> {
    let RuleRef::Cilium(_, rule) = rule else {
        return None;
    };
    let services = rule
        .peer_fields
        .iter()
        .any(|field| matches!(&field.peers, CiliumPeers::Services(entries) if !entries.is_empty()));
    let is_wall = |field: &&CiliumPeerField| field.is_empty_wall();
    let wall = rule.peer_fields.iter().find(is_wall);
    Some(match (is_match, wall) {
        (true, _) if services => {
            "toServices finds no Service, so that it means everybody".to_owned()
        }
        (true, _) => "no peers with ports means everybody".to_owned(),
        (false, Some(field)) => format!("an empty {} means nobody", field.name),
        (false, None) if services => {
            "toServices finds no Service, so that it means nobody".to_owned()
        }
        (false, None) => "an empty rule means nobody".to_owned(),
    })
}

/// The labels that a rule asks for and that ends have which are not pods: `reserved:world`.
pub(super) fn reserved_identity(rule: RuleRef<'_>) -> Option<String> {
    let RuleRef::Cilium(_, rule) = rule else {
        return None;
    };
    let selectors = rule
        .peer_fields
        .iter()
        .filter_map(|field| match &field.peers {
            CiliumPeers::Endpoints(selectors) => Some(selectors),
            _ => None,
        });
    let mut selectors = selectors.flatten();
    let is_reserved = |key: &str| key.starts_with("reserved:");
    let selector = selectors.find(|selector| {
        let labels = selector.match_labels.iter().map(|label| &label.key);
        let expressions = selector.match_expressions.iter().map(|entry| &entry.key);
        labels.chain(expressions).any(|key| is_reserved(&key.value))
    })?;
    Some(selector.to_string().trim_end_matches('=').to_owned())
}

/// What restricts a rule above the ports that it matches.
pub(super) fn layer7<'c>(
    rule: RuleRef<'c>,
    matching: impl FnOnce() -> Vec<PortRef<'c>>,
) -> Option<&'static str> {
    match rule {
        RuleRef::Cilium(_, rule) => {
            let matching = matching();
            let is_matching = |ports: &&CiliumPortRule| {
                let mut matching = matching.iter().filter_map(|port| match port {
                    PortRef::Cilium(port) => Some(port.span),
                    _ => None,
                });
                matching.any(|span| ports.ports.iter().any(|port| port.span == span))
            };
            let mut ports = rule.to_ports.iter().flat_map(|ports| &ports.value);
            // A port that another entry opens without restriction is open.
            if ports
                .clone()
                .any(|it| is_matching(&it) && it.layer7.is_none())
            {
                return None;
            }
            let found = ports.find(is_matching)?;
            found.layer7.as_ref().map(|found| found.value.name())
        }
        RuleRef::Calico(rule) => rule.http.map(|_| "HTTP rules"),
        _ => None,
    }
}

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
        RuleRef::OwnNode(_) | RuleRef::PrimaryNetwork(_) => "spec".to_owned(),
        _ => format!("spec.{}[{}]", direction.field(), rule.index),
    }
}

/// Where such a peer stands in its rule: `fromEndpoints[1]`, `source`; `None` for those of
/// Kubernetes.
pub(super) fn peer_path(peer: PeerRef<'_>) -> Option<String> {
    match peer {
        PeerRef::Cilium(field, span) => {
            let spans: Vec<Span> = match &field.peers {
                CiliumPeers::Endpoints(it) | CiliumPeers::Nodes(it) => {
                    it.iter().map(|it| it.span).collect()
                }
                CiliumPeers::Cidrs(it) => it.iter().map(|it| it.span).collect(),
                CiliumPeers::CidrSets(it) => it.iter().map(|it| it.span).collect(),
                CiliumPeers::Entities(it) => it.iter().map(|it| it.span).collect(),
                CiliumPeers::Services(it) => it.iter().map(|it| it.span).collect(),
                CiliumPeers::Fqdns(it) => it.iter().map(|it| it.span).collect(),
                CiliumPeers::Groups(it) => it.clone(),
            };
            let index = spans.iter().position(|it| *it == span).unwrap_or_default();
            Some(format!("{}[{index}]", field.name))
        }
        PeerRef::Calico(_, Direction::Ingress) => Some("source".to_owned()),
        PeerRef::Calico(_, Direction::Egress) => Some("destination".to_owned()),
        PeerRef::EgressFirewall(_) => Some("to".to_owned()),
        PeerRef::Network(_)
        | PeerRef::Cluster(_)
        | PeerRef::OwnNode
        | PeerRef::OtherNetworks
        | PeerRef::Nodes => None,
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
        PeerRef::OtherNetworks => Some("pods of other networks".to_owned()),
        PeerRef::Nodes => Some("nodes".to_owned()),
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
    add("domains", some(list(&end.domains)));
    add(
        "Service",
        end.service.as_ref().map(|service| service.name.clone()),
    );
    let has_source_ports = !end.ports.is_empty() || !end.not_ports.is_empty();
    match (parts.is_empty(), has_source_ports) {
        (true, true) => "anybody, from some source ports".to_owned(),
        (true, false) => "anybody of this IP version".to_owned(),
        (false, _) => parts.join(", "),
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
        CiliumProtocol::Icmp => "ICMP",
        CiliumProtocol::Portless => "another protocol",
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
    if let Some(service) = &rule.destination.service {
        let ports = list(connections.iter().map(|(_, ports)| ports.to_string()));
        return match ports.is_empty() {
            true => format!("a named port of Service {}", service.name),
            false => format!("ports {ports}{protocols} of Service {}", service.name),
        };
    }
    let ports = list(rule.destination.ports.iter().map(port));
    let except = list(rule.destination.not_ports.iter().map(port));
    match (ports.is_empty(), except.is_empty()) {
        (true, true) => format!("all ports{protocols}"),
        (false, true) => format!("ports {ports}{protocols}"),
        (true, false) => format!("all ports but {except}{protocols}"),
        (false, false) => format!("ports {ports} but {except}{protocols}"),
    }
}
