//! `ports` and `protocols` of the cluster-wide policies from a tree.
//!
//! Refuses to know which ports containers have.

use super::cluster_network_policy::{Place, check_length, invalid, refuse_missing};
use super::cluster_peer::only_member;
use super::fields;
use super::policy_port;
use super::reader::{self, Path, Reader};
use super::structure;
use crate::diagnostic::Severity;
use crate::k8s::{ClusterNetworkPolicyPort, Direction, PortMatch, Protocol};
use crate::source::Span;
use crate::yaml::tree::{Entry, Node};

/// Reads the ports of a rule: `Some(None)` if it has none and so matches all, `None` if
/// they cannot be read.
#[expect(
    clippy::option_option,
    reason = "no ports, and ports that cannot be read, are two things"
)]
pub(super) fn read_all(
    rule: Node<'_>,
    place: Place,
    path: Path<'_>,
    reader: &mut Reader<'_>,
) -> Option<Option<Vec<ClusterNetworkPolicyPort>>> {
    let field = if place.is_newest() {
        "protocols"
    } else {
        "ports"
    };
    let Some(list) = rule.find(&[field]) else {
        return Some(None);
    };
    let path = path.field(field);
    if reader.is_opaque(list) || !list.is_sequence() {
        return None;
    }
    if list.items().next().is_none() {
        let diagnostic = invalid(list.span(), format!("`{field}` is empty"));
        let help = format!("for every port of every protocol, leave out `{field}`");
        reader.refuse(path, diagnostic.help(help));
        return None;
    }
    check_length(list, place.most(), path, reader);
    let ports = reader::items(list, path, |item, path| {
        port(item, rule, place, path, reader)
    });
    ports.map(Some)
}

fn port(
    item: Node<'_>,
    rule: Node<'_>,
    place: Place,
    path: Path<'_>,
    reader: &mut Reader<'_>,
) -> Option<ClusterNetworkPolicyPort> {
    if reader.is_opaque(item) {
        return None;
    }
    if item.is_null() {
        let span = item.dash().unwrap_or(item.span());
        reader.refuse(path, invalid(span, "this entry is empty"));
        return None;
    }
    if !item.is_mapping() {
        return None;
    }
    let shape = if place.is_newest() {
        &fields::CLUSTER_PROTOCOL
    } else {
        &fields::ADMIN_PORT
    };
    let entry = only_member(item, shape, "this entry", path, reader)?;
    let name = entry.key.key_text();
    let member = path.field(&name);
    let matches = match &*name {
        "namedPort" | "destinationNamedPort" => {
            check_named(entry, rule, place, member, reader);
            if reader.is_opaque(entry.value) {
                return None;
            }
            PortMatch::Name(entry.value.share(entry.value.as_str()?))
        }
        "portNumber" | "portRange" => admin_numbers(entry, member, reader)?,
        _ => {
            let protocol = Protocol::ALL
                .into_iter()
                .find(|known| known.name().to_lowercase() == *name)?;
            transport(protocol, entry, member, reader)?
        }
    };
    Some(ClusterNetworkPolicyPort {
        span: item.span(),
        matches,
    })
}

/// Addresses have no ports with names.
fn check_named(
    entry: Entry<'_>,
    rule: Node<'_>,
    place: Place,
    path: Path<'_>,
    reader: &mut Reader<'_>,
) {
    if place.direction == Direction::Ingress {
        return;
    }
    let peers = rule.find(&["to"]).into_iter().flat_map(Node::items);
    let nameless = ["networks", "nodes", "domainNames"];
    let other = peers
        .flat_map(Node::entries)
        .find(|peer| !peer.value.is_null() && nameless.iter().any(|name| peer.key.is_key(name)));
    if let Some(other) = other {
        let message = format!(
            "a named port is next to a peer with `{}`",
            other.key.key_text()
        );
        let diagnostic =
            invalid(entry.key.span(), message).related(other.key.span(), "has no named ports");
        reader.refuse(
            path,
            diagnostic.help("write the number of the port, or make two rules of it"),
        );
    }
}

/// `portNumber` and `portRange` of v1alpha1.
fn admin_numbers(entry: Entry<'_>, path: Path<'_>, reader: &mut Reader<'_>) -> Option<PortMatch> {
    let node = entry.value;
    if reader.is_opaque(node) || !node.is_mapping() {
        return None;
    }
    let protocol = match node.find(&["protocol"]) {
        None => Some(Protocol::Tcp),
        Some(protocol) => policy_port::protocol(protocol, path.field("protocol"), reader)
            .map(|protocol| protocol.value),
    };
    let (first, last) = if entry.key.is_key("portNumber") {
        let number = number(node, "port", entry.key.span(), path, reader)?;
        (number, number)
    } else {
        range(node, entry.key.span(), path, reader)?
    };
    Some(PortMatch::Numbers {
        protocol: protocol?,
        first,
        last,
    })
}

/// `tcp`, `udp` and `sctp` of v1alpha2.
fn transport(
    protocol: Protocol,
    entry: Entry<'_>,
    path: Path<'_>,
    reader: &mut Reader<'_>,
) -> Option<PortMatch> {
    if reader.is_opaque(entry.value) || !entry.value.is_mapping() {
        return None;
    }
    let Some(port) = entry.value.find(&["destinationPort"]) else {
        if !structure::has_unknown_field(entry.value, &fields::CLUSTER_TRANSPORT) {
            report_any_port(entry, path, reader);
        }
        return Some(PortMatch::Numbers {
            protocol,
            first: 1,
            last: u16::MAX,
        });
    };
    let path = path.field("destinationPort");
    if reader.is_opaque(port) || !port.is_mapping() {
        return None;
    }
    let member = only_member(
        port,
        &fields::CLUSTER_PORT,
        "`destinationPort`",
        path,
        reader,
    )?;
    let (first, last) = if member.key.is_key("number") {
        let number = policy_port::number(member.value, "number", path.field("number"), reader)?;
        (number.value, number.value)
    } else {
        let path = path.field("range");
        if reader.is_opaque(member.value) || !member.value.is_mapping() {
            return None;
        }
        range(member.value, member.key.span(), path, reader)?
    };
    Some(PortMatch::Numbers {
        protocol,
        first,
        last,
    })
}

/// Complains of a protocol without a port, which the CRD of v1alpha2 rejects (`minProperties`),
/// though its documentation takes it for every port, as verdicts do (S12).
fn report_any_port(entry: Entry<'_>, path: Path<'_>, reader: &mut Reader<'_>) {
    let name = entry.key.key_text();
    let message = format!("`{name}` has no `destinationPort`, which its CRD requires");
    let diagnostic = invalid(entry.key.span(), message).with_severity(Severity::Warning);
    let help = format!(
        "write `{name}: {{destinationPort: {{range: {{start: 1, end: 65535}}}}}}` for every port, as which it counts in verdicts; the API server rejects the policy as it is"
    );
    reader.report(path, diagnostic.help(help));
}

fn number(
    node: Node<'_>,
    field: &str,
    at: Span,
    path: Path<'_>,
    reader: &mut Reader<'_>,
) -> Option<u16> {
    let path = path.field(field);
    match node.find(&[field]) {
        Some(number) => policy_port::number(number, field, path, reader).map(|number| number.value),
        None => {
            refuse_missing(node, field, at, path, reader);
            None
        }
    }
}

/// `start` and `end`, of which the first must be the smaller.
fn range(node: Node<'_>, at: Span, path: Path<'_>, reader: &mut Reader<'_>) -> Option<(u16, u16)> {
    let start = number(node, "start", at, path, reader);
    let end = number(node, "end", at, path, reader);
    let (start, end) = (start?, end?);
    if start >= end {
        let span = node.find(&["end"]).map_or(at, Node::span);
        let message = format!("the range ends at {end}, which is not above its start {start}");
        let diagnostic = invalid(span, message);
        let diagnostic = match start == end {
            true => diagnostic.help("for one port, write its number instead of a range"),
            false => diagnostic,
        };
        reader.refuse(path.field("end"), diagnostic);
        return None;
    }
    Some((start, end))
}
