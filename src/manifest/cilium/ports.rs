//! `toPorts` of a rule of Cilium's: ports and protocols.
//!
//! Refuses to know which pods have a port of a name, and what restricts a port above layer 4.

use super::{Findings, layer7};
use crate::diagnostic::Severity;
use crate::k8s::{
    CiliumLayer7, CiliumPort, CiliumPortReference, CiliumPortRule, CiliumProtocol, CiliumSection,
    Protocol,
};
use crate::manifest::reader::{self, Path};
use crate::manifest::{invalid_value, suggestion};
use crate::source::Spanned;
use crate::yaml::tree::Node;

/// How many entries `ports` may have (`MaxItems` in the CRD).
const MAX_PORTS: usize = 40;

/// Where a port rule stands.
#[derive(Clone, Copy)]
pub(super) struct Place {
    /// The list of its rule.
    pub(super) section: CiliumSection,
    /// Whether the rule set is for the host firewall.
    pub(super) is_about_nodes: bool,
}

/// Reads an entry of `toPorts`.
pub(super) fn rule(
    item: Node<'_>,
    place: Place,
    path: Path<'_>,
    findings: &mut Findings<'_, '_>,
) -> Option<CiliumPortRule> {
    if findings.api.is_opaque(item) || !(item.is_mapping() || item.is_null()) {
        return None;
    }
    let layer7 = (!place.section.is_deny())
        .then(|| layer7::read(item, place, path, findings))
        .flatten();
    let list = item
        .find(&["ports"])
        .filter(|list| !findings.api.is_opaque(*list));
    if let Some(extra) = list.and_then(|list| list.items().nth(MAX_PORTS)) {
        let message = format!("the list has more than {MAX_PORTS} entries");
        let diagnostic = invalid_value(extra.span(), message).label("is one too many");
        findings.api.refuse(path.field("ports"), diagnostic);
    }
    let restriction = layer7.as_ref().map(|layer7| layer7.value);
    let read = |item, path: Path<'_>| port(item, restriction, path, findings);
    let ports = list.and_then(|list| reader::items(list, path.field("ports"), read));
    let ports = ports.unwrap_or_default();
    if let Some(layer7) = layer7
        .as_ref()
        .filter(|layer7| layer7.value == CiliumLayer7::Dns)
        && ports.is_empty()
    {
        let reason = "DNS rules need the port that they are for";
        findings.fault(path.field("rules"), layer7.span, reason);
    }
    let dns = item.find(&["rules", "dns"]).into_iter();
    let dns = dns.flat_map(Node::items).filter_map(super::names::dns_name);
    Some(CiliumPortRule {
        span: item.span(),
        ports,
        layer7,
        dns: dns.collect(),
    })
}

fn port(
    item: Node<'_>,
    layer7: Option<CiliumLayer7>,
    path: Path<'_>,
    findings: &mut Findings<'_, '_>,
) -> Option<CiliumPort> {
    if findings.api.is_opaque(item) || !(item.is_mapping() || item.is_null()) {
        return None;
    }
    let protocol = protocol(item, path, findings);
    if layer7 == Some(CiliumLayer7::Http) && protocol != Some(CiliumProtocol::Of(Protocol::Tcp)) {
        let span = item.find(&["protocol"]).map_or(item.span(), Node::span);
        findings.fault(path, span, "HTTP rules need `protocol: TCP`");
    }
    let has_rules = matches!(
        layer7,
        Some(CiliumLayer7::Http | CiliumLayer7::Dns | CiliumLayer7::Other)
    );
    let port = reference(item, protocol, path, findings);
    let end = end_port(item, path, findings);
    if let Some(Spanned {
        value: CiliumPortReference::Number(number),
        span,
    }) = &port
    {
        if has_rules && *number == 0 {
            findings.fault(path.field("port"), *span, "port 0 has no layer 7 rules");
        }
        let is_range = end.as_ref().is_some_and(|end| end.value > *number);
        if layer7 == Some(CiliumLayer7::Dns) && is_range {
            findings.fault(
                path.field("endPort"),
                *span,
                "DNS rules are not for a range of ports",
            );
        }
    }
    let port = port?;
    if let (Some(end), CiliumPortReference::Number(first)) = (&end, &port.value)
        && *first > 0
        && end.value < *first
    {
        // `Port` reads an end below the port as none (pkg/policy/l4.go).
        let message = format!("`endPort` {} is below `port` {first}", end.value);
        let diagnostic = invalid_value(end.span, message)
            .with_severity(Severity::Warning)
            .label(format!("ignored: the entry means {first} alone"));
        findings.api.report(path.field("endPort"), diagnostic);
    }
    let first = match port.value {
        CiliumPortReference::Number(number) if number > 0 => Some(number),
        _ => None,
    };
    Some(CiliumPort {
        span: item.span(),
        end_port: end.filter(|end| first.is_some_and(|first| end.value > first)),
        port,
        protocol: protocol?,
    })
}

fn protocol(
    item: Node<'_>,
    path: Path<'_>,
    findings: &mut Findings<'_, '_>,
) -> Option<CiliumProtocol> {
    let Some(node) = item.find(&["protocol"]) else {
        return Some(CiliumProtocol::Any);
    };
    if findings.api.is_opaque(node) {
        return None;
    }
    let text = node.as_str()?;
    let known = Protocol::ALL
        .into_iter()
        .find(|protocol| protocol.name() == text);
    match (known, text) {
        (Some(protocol), _) => Some(CiliumProtocol::Of(protocol)),
        (None, "" | "ANY") => Some(CiliumProtocol::Any),
        (None, "ICMP" | "ICMPv6") => Some(CiliumProtocol::Icmp),
        (None, "VRRP" | "IGMP" | "GRE" | "IPIP" | "IPV6" | "ESP" | "AH") => {
            Some(CiliumProtocol::Portless)
        }
        (None, text) => {
            let diagnostic = invalid_value(node.span(), format!("`{text}` is not a protocol"));
            let diagnostic = match suggestion::near_miss(text, ["TCP", "UDP", "SCTP", "ANY"]) {
                Some(meant) => {
                    let diagnostic = diagnostic.label(format!("did you mean `{meant}`?"));
                    reader::write_instead(diagnostic, node, meant)
                }
                None => diagnostic.help("write `TCP`, `UDP`, `SCTP` or `ANY`"),
            };
            findings.api.refuse(path.field("protocol"), diagnostic);
            None
        }
    }
}

fn reference(
    item: Node<'_>,
    protocol: Option<CiliumProtocol>,
    path: Path<'_>,
    findings: &mut Findings<'_, '_>,
) -> Option<Spanned<CiliumPortReference>> {
    let node = item.find(&["port"]).filter(|node| node.text() != Some(""));
    let Some(node) = node else {
        findings.fault(path, item.span(), "an entry of `ports` has no `port`");
        return None;
    };
    if findings.api.is_opaque(node) {
        return None;
    }
    let text = node.as_str()?;
    let reference = if is_service_name(text) {
        CiliumPortReference::Name(text.to_ascii_lowercase())
    } else if protocol == Some(CiliumProtocol::Portless) && text != "0" {
        let reason = "the protocol has no ports, so that `port` must be `0`";
        findings.fault(path.field("port"), node.span(), reason);
        return None;
    } else if let Some(number) = number(text) {
        CiliumPortReference::Number(number)
    } else {
        let reason = format!("`{text}` is neither a port number nor a port name");
        findings.fault(path.field("port"), node.span(), reason);
        return None;
    };
    Some(Spanned::new(reference, node.span()))
}

/// An IANA service name in either case (`iana.IsSvcName`).
fn is_service_name(text: &str) -> bool {
    let bytes = text.as_bytes();
    (1..=15).contains(&bytes.len())
        && bytes
            .iter()
            .all(|byte| byte.is_ascii_alphanumeric() || *byte == b'-')
        && bytes.iter().any(u8::is_ascii_alphabetic)
        && !text.starts_with('-')
        && !text.ends_with('-')
        && !text.contains("--")
}

/// A number as Go reads it without a base: a leading 0 is octal, `_` may separate digits.
fn number(text: &str) -> Option<u16> {
    let (digits, base) = match text.strip_prefix('0') {
        Some(octal) if !octal.is_empty() => (octal, 8),
        _ => (text, 10),
    };
    let is_separated = digits.contains('_');
    if is_separated && (digits.ends_with('_') || digits.contains("__") || text.starts_with('_')) {
        return None;
    }
    let digits = digits.replace('_', "");
    let is_number = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    is_number
        .then(|| u16::from_str_radix(&digits, base).ok())
        .flatten()
}

fn end_port(
    item: Node<'_>,
    path: Path<'_>,
    findings: &mut Findings<'_, '_>,
) -> Option<Spanned<u16>> {
    let node = item.find(&["endPort"])?;
    if findings.api.is_opaque(node) {
        return None;
    }
    let number = node.as_int()?;
    match u16::try_from(number) {
        Ok(number) => Some(Spanned::new(number, node.span())),
        Err(_) => {
            let diagnostic = invalid_value(node.span(), format!("`endPort` is {number}"));
            let diagnostic = diagnostic.label("ports are 0 to 65535");
            findings.api.refuse(path.field("endPort"), diagnostic);
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ports_are_numbers_as_go_reads_them_or_names() {
        let table = [
            ("80", Some(80)),
            ("0", Some(0)),
            ("010", Some(8)),
            ("08", None),
            ("1_000", Some(1000)),
            ("65536", None),
            ("-1", None),
            ("+1", None),
            ("", None),
        ];
        for (text, expected) in table {
            assert_eq!(number(text), expected, "{text}");
        }
        for text in ["http", "HTTP", "0x10", "a-b"] {
            assert!(is_service_name(text), "{text}");
        }
        for text in ["80", "a_b", "-a", "a--b", "abcdefghijklmnop"] {
            assert!(!is_service_name(text), "{text}");
        }
    }
}
