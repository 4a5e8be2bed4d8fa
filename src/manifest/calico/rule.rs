//! A rule of a Calico policy from a tree, with what its API refuses (`validator/v3`).
//!
//! Refuses to know the policy around it but for its direction.

use super::entity::{self, End};
use super::{application, fields};
use crate::diagnostic::{Diagnostic, Severity};
use crate::k8s::{
    CalicoAction, CalicoEntity, CalicoPort, CalicoProtocol, CalicoRule, Direction, Protocol,
    is_opaque,
};
use crate::manifest::reader::{self, Path, Reader};
use crate::manifest::{invalid_value, names, structure, suggestion};
use crate::source::Spanned;
use crate::yaml::tree::Node;

/// Where a rule stands.
#[derive(Clone, Copy)]
pub(super) struct Place {
    pub(super) direction: Direction,
    pub(super) is_global: bool,
}

/// Reads a rule.
pub(super) fn read(
    item: Node<'_>,
    place: Place,
    path: Path<'_>,
    reader: &mut Reader<'_>,
) -> Option<CalicoRule> {
    if reader.is_opaque(item) || !(item.is_mapping() || item.is_null()) {
        return None;
    }
    let action = action(item, path, reader);
    let is_protocol_open = item.find(&["protocol"]).is_some_and(reader::is_opaque);
    let protocol = protocol(item, "protocol", path, reader);
    let not_protocol = self::protocol(item, "notProtocol", path, reader);
    let icmp = item.entry("icmp").or(item.entry("notICMP"));
    let icmp = icmp.filter(|entry| !entry.value.is_null());
    if let Some(entry) = icmp
        && !is_protocol_open
        && !protocol
            .as_ref()
            .is_some_and(|known| known.value == CalicoProtocol::Icmp)
    {
        let message = "ICMP types need `protocol: ICMP` or `protocol: ICMPv6`";
        let name = entry.key.key_text().into_owned();
        reader.refuse(path.field(&name), invalid_value(entry.key.span(), message));
    }
    let mut end = |name, end| {
        let node = item.find(&[name]);
        node.map_or_else(CalicoEntity::default, |node| {
            entity::read(node, end, path.field(name), reader)
        })
    };
    let is_peer = |direction| place.direction == direction;
    let source = end(
        "source",
        End {
            is_peer: is_peer(Direction::Ingress),
            is_source: true,
            is_global: place.is_global,
        },
    );
    let destination = end(
        "destination",
        End {
            is_peer: is_peer(Direction::Egress),
            is_source: false,
            is_global: place.is_global,
        },
    );
    let ip_version = ip_version(item, path, reader);
    let rule = CalicoRule {
        span: item.span(),
        dash: item.dash(),
        http: http(item, &protocol, action.as_ref(), place, path, reader),
        action: action?,
        protocol,
        not_protocol,
        icmp: icmp.map(|entry| entry.key.span()),
        ip_version,
        source,
        destination,
    };
    if !is_protocol_open {
        check_ports(&rule, path, reader);
    }
    check_families(&rule, path, reader);
    application::check_icmp(item, rule.ip_version.as_ref(), path, reader);
    check_annotations(item, path, reader);
    Some(rule)
}

/// The keys of annotations of a rule have the syntax of those of objects
/// (`validateObjectMetaAnnotations`).
fn check_annotations(item: Node<'_>, path: Path<'_>, reader: &mut Reader<'_>) {
    let annotations = item.find(&["metadata", "annotations"]);
    let (metadata, name) = (path.field("metadata"), "annotations");
    for entry in annotations.into_iter().flat_map(Node::entries) {
        let key = entry.key.key_text();
        let error = names::label_key_error(&key.to_lowercase());
        if let Some(error) = error.filter(|_| !is_opaque(&key)) {
            let message = format!("`{key}` is not a valid key of an annotation");
            let diagnostic = invalid_value(entry.key.span(), message).label(error);
            reader.refuse(metadata.field(name).field(&key), diagnostic);
        }
    }
}

fn action(
    item: Node<'_>,
    path: Path<'_>,
    reader: &mut Reader<'_>,
) -> Option<Spanned<CalicoAction>> {
    let path = path.field("action");
    let Some(node) = item.find(&["action"]) else {
        if structure::has_unknown_field(item, &fields::RULE) {
            reader.refuse_silently();
        } else {
            let diagnostic = invalid_value(item.span(), "the rule has no `action`");
            let help = "write `action: Allow`, `Deny`, `Pass` or `Log`";
            reader.refuse(path, diagnostic.help(help));
        }
        return None;
    };
    if reader.is_opaque(node) {
        return None;
    }
    let text = node.as_str()?;
    let mut known = CalicoAction::ALL.into_iter();
    if let Some(action) = known.find(|known| known.name() == text) {
        return Some(Spanned::new(action, node.span()));
    }
    let diagnostic = invalid_value(node.span(), format!("`{text}` is not an action"));
    let names = CalicoAction::ALL.map(CalicoAction::name);
    let diagnostic = match suggestion::near_miss(text, names) {
        Some(meant) => {
            let diagnostic = diagnostic.label(format!("did you mean `{meant}`?"));
            reader::write_instead(diagnostic, node, meant)
        }
        None => diagnostic.help("the actions are `Allow`, `Deny`, `Pass` and `Log`"),
    };
    reader.refuse(path, diagnostic);
    None
}

fn protocol(
    item: Node<'_>,
    name: &str,
    path: Path<'_>,
    reader: &mut Reader<'_>,
) -> Option<Spanned<CalicoProtocol>> {
    let node = item.find(&[name])?;
    if reader.is_opaque(node) {
        return None;
    }
    let number = node.as_int().or_else(|| node.as_str()?.parse().ok());
    let protocol = match (number, node.as_str()) {
        (Some(number), _) => u8::try_from(number).ok().map(|number| match number {
            6 => CalicoProtocol::Of(Protocol::Tcp),
            17 => CalicoProtocol::Of(Protocol::Udp),
            132 => CalicoProtocol::Of(Protocol::Sctp),
            136 => CalicoProtocol::UdpLite,
            1 | 58 => CalicoProtocol::Icmp,
            other => CalicoProtocol::Other(other),
        }),
        (None, Some("ICMP" | "ICMPv6")) => Some(CalicoProtocol::Icmp),
        (None, Some("UDPLite")) => Some(CalicoProtocol::UdpLite),
        (None, text) => {
            let mut known = Protocol::ALL.into_iter();
            let known = known.find(|known| Some(known.name()) == text);
            known.map(CalicoProtocol::Of)
        }
    };
    let Some(protocol) = protocol else {
        let text = node.text().unwrap_or_default();
        let diagnostic = invalid_value(node.span(), format!("`{text}` is not a protocol"));
        let help = "write `TCP`, `UDP`, `SCTP`, `UDPLite`, `ICMP`, `ICMPv6` or a number of 8 bits";
        reader.refuse(path.field(name), diagnostic.help(help));
        return None;
    };
    Some(Spanned::new(protocol, node.span()))
}

fn ip_version(item: Node<'_>, path: Path<'_>, reader: &mut Reader<'_>) -> Option<Spanned<u8>> {
    let node = item.find(&["ipVersion"])?;
    if reader.is_opaque(node) {
        return None;
    }
    let number = node.as_int()?;
    match number {
        4 => Some(Spanned::new(4, node.span())),
        6 => Some(Spanned::new(6, node.span())),
        _ => {
            let diagnostic = invalid_value(node.span(), format!("`ipVersion` is {number}"));
            reader.refuse(path.field("ipVersion"), diagnostic.label("is 4 or 6"));
            None
        }
    }
}

/// `http`, which is for TCP, for what is allowed, and for ingress.
fn http(
    item: Node<'_>,
    protocol: &Option<Spanned<CalicoProtocol>>,
    action: Option<&Spanned<CalicoAction>>,
    place: Place,
    path: Path<'_>,
    reader: &mut Reader<'_>,
) -> Option<crate::source::Span> {
    let entry = item.entry("http").filter(|entry| !entry.value.is_null())?;
    let is_tcp = |known: &Spanned<CalicoProtocol>| known.value == CalicoProtocol::Of(Protocol::Tcp);
    let reason = if !protocol.as_ref().is_none_or(is_tcp) {
        "`http` is for TCP only"
    } else if action.is_some_and(|action| action.value != CalicoAction::Allow) {
        "`http` is for rules that allow"
    } else if place.direction == Direction::Egress {
        "`http` is for ingress rules"
    } else {
        ""
    };
    if !reason.is_empty() {
        reader.refuse(path.field("http"), invalid_value(entry.key.span(), reason));
    }
    application::check_http(entry.value, path.field("http"), reader);
    Some(entry.key.span())
}

/// Numbers of ports need a protocol that has ports; names alone bring theirs.
fn check_ports(rule: &CalicoRule, path: Path<'_>, reader: &mut Reader<'_>) {
    let ends = [("source", &rule.source), ("destination", &rule.destination)];
    for (end, entity) in ends {
        for (name, ports) in [("ports", &entity.ports), ("notPorts", &entity.not_ports)] {
            let end = path.field(end);
            let path = end.field(name);
            match &rule.protocol {
                None => {
                    let is_number =
                        |port: &&Spanned<CalicoPort>| matches!(port.value, CalicoPort::Range(..));
                    if let Some(number) = ports.iter().find(is_number) {
                        let message = "port numbers need a `protocol`";
                        let help = "write `protocol: TCP`, or one rule for each protocol";
                        let diagnostic = Diagnostic::new(
                            "calico-port-without-protocol",
                            Severity::Error,
                            number.span,
                            message,
                        );
                        let label = "the API server rejects the policy: there is no default";
                        reader.refuse(path, diagnostic.label(label).help(help));
                    }
                }
                Some(protocol) => {
                    let has_ports = matches!(
                        protocol.value,
                        CalicoProtocol::Of(_) | CalicoProtocol::UdpLite
                    );
                    if let (false, Some(port)) = (has_ports, ports.first()) {
                        let message = "the rule's protocol has no ports";
                        let diagnostic = invalid_value(port.span, message);
                        reader.refuse(path, diagnostic.related(protocol.span, "this protocol"));
                    }
                }
            }
        }
    }
}

/// All networks of a rule are of one family, which is that of `ipVersion`.
fn check_families(rule: &CalicoRule, path: Path<'_>, reader: &mut Reader<'_>) {
    let ends = [("source", &rule.source), ("destination", &rule.destination)];
    let nets = ends.into_iter().flat_map(|(end, entity)| {
        let nets = entity.nets.iter().map(move |net| (end, "nets", net));
        nets.chain(entity.not_nets.iter().map(move |net| (end, "notNets", net)))
    });
    let mut nets = nets.peekable();
    let Some((_, _, first)) = nets.peek().copied() else {
        return;
    };
    let is_ipv4 = first.value.addr().is_ipv4();
    if let Some((end, name, other)) = nets.find(|(_, _, net)| net.value.addr().is_ipv4() != is_ipv4)
    {
        let diagnostic = invalid_value(other.span, "the rule has both IPv4 and IPv6 networks");
        let diagnostic = diagnostic.related(first.span, "this one is of the other family");
        let end = path.field(end);
        reader.refuse(
            end.field(name),
            diagnostic.help("write one rule for each family"),
        );
    }
    if let Some(version) = &rule.ip_version
        && (version.value == 4) != is_ipv4
    {
        let diagnostic = invalid_value(version.span, "`ipVersion` is not that of the networks");
        reader.refuse(
            path.field("ipVersion"),
            diagnostic.related(first.span, "this network"),
        );
    }
}
