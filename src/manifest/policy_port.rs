//! Entries of `ports` of a `NetworkPolicy` from a tree, and the checks of protocols and
//! port numbers that the cluster-wide policies share.
//!
//! Refuses to know which ports containers have.

use super::invalid_value;
use super::names;
use super::reader::{self, Path, Reader};
use crate::k8s::{Field, NetworkPolicyPort, PortReference, Protocol};
use crate::source::Spanned;
use crate::yaml::tree::Node;

/// Reads `ports`; `None` if it is no list, or if nothing of it can be read.
pub(super) fn read_all(
    list: Node<'_>,
    path: Path<'_>,
    reader: &mut Reader<'_>,
) -> Option<Vec<NetworkPolicyPort>> {
    if reader.is_opaque(list) {
        return None;
    }
    reader::items(list, path, |item, path| read(item, path, reader))
}

fn read(item: Node<'_>, path: Path<'_>, reader: &mut Reader<'_>) -> Option<NetworkPolicyPort> {
    // Null is the empty entry, as when Go decodes JSON.
    if reader.is_opaque(item) || !(item.is_mapping() || item.is_null()) {
        return None;
    }
    let mut is_readable = true;
    let mut part = |value: bool| is_readable &= value;
    let protocol = reader::field(item, "protocol", |entry| {
        let read = protocol(entry.value, path.field("protocol"), reader);
        part(read.is_some());
        read
    });
    let port = reader::field(item, "port", |entry| {
        let read = port(entry.value, path.field("port"), reader);
        part(read.is_some());
        read
    });
    let end_port = reader::field(item, "endPort", |entry| {
        let read = end_port(entry.value, item, &port, path.field("endPort"), reader);
        part(read.is_some());
        read
    });
    is_readable.then_some(NetworkPolicyPort {
        span: item.span(),
        dash: item.dash(),
        protocol,
        port,
        end_port,
    })
}

/// Reads a protocol; `None` if it is none, or if another tool writes it.
pub(super) fn protocol(
    node: Node<'_>,
    path: Path<'_>,
    reader: &mut Reader<'_>,
) -> Option<Spanned<Protocol>> {
    if reader.is_opaque(node) {
        return None;
    }
    let text = node.as_str()?;
    let named = |name: &str| {
        Protocol::ALL
            .into_iter()
            .find(|protocol| protocol.name() == name)
    };
    if let Some(protocol) = named(text) {
        return Some(Spanned::new(protocol, node.span()));
    }
    let diagnostic = invalid_value(node.span(), format!("`{text}` is not a valid protocol"));
    let diagnostic = match named(&text.trim().to_uppercase()) {
        Some(protocol) => reader::write_instead(diagnostic, node, protocol.name()),
        None => {
            let diagnostic =
                diagnostic.help("the protocols are `TCP`, `UDP` and `SCTP`; each entry has one");
            let is_wide = ["all", "any", "*", "icmp"].contains(&text.to_lowercase().as_str());
            match is_wide {
                true => diagnostic.note("policies support TCP, UDP and SCTP only; a rule without `ports` allows all three"),
                false => diagnostic,
            }
        }
    };
    reader.refuse(path, diagnostic);
    None
}

/// Reads a number of a port; `None` if it is none, or if another tool writes it. `field`
/// is how to speak of it.
pub(super) fn number(
    node: Node<'_>,
    field: &str,
    path: Path<'_>,
    reader: &mut Reader<'_>,
) -> Option<Spanned<u16>> {
    if reader.is_opaque(node) {
        return None;
    }
    let number = node.as_int()?;
    match u16::try_from(number) {
        Ok(number) if number > 0 => Some(Spanned::new(number, node.span())),
        _ => {
            let diagnostic = invalid_value(
                node.span(),
                format!("`{field}` is {number}, which is not a valid port"),
            );
            let diagnostic = diagnostic.label("ports are 1 to 65535");
            let diagnostic = match number {
                0 => diagnostic.help("for every port of the protocol, leave out `port`"),
                _ => diagnostic,
            };
            reader.refuse(path, diagnostic);
            None
        }
    }
}

fn port(node: Node<'_>, path: Path<'_>, reader: &mut Reader<'_>) -> Option<Spanned<PortReference>> {
    let Some(text) = node.as_str().filter(|_| !reader.is_opaque(node)) else {
        let number = number(node, "port", path, reader)?;
        return Some(Spanned::new(
            PortReference::Number(number.value),
            number.span,
        ));
    };
    let Some(error) = names::port_name_error(text) else {
        return Some(Spanned::new(
            PortReference::Name(node.share(text)),
            node.span(),
        ));
    };
    if let Some(number) = text.trim().parse::<u16>().ok().filter(|number| *number > 0) {
        let message = format!(
            "`{}` is a string, so it is a port name instead of a number",
            node.raw()
        );
        let diagnostic = invalid_value(node.span(), message).label(error);
        reader.refuse(path, reader::replace(diagnostic, node, number.to_string()));
        return None;
    }
    let diagnostic =
        invalid_value(node.span(), format!("`{text}` is not a valid port")).label(error);
    let diagnostic = match several(text) {
        Some((first, last, true)) => {
            diagnostic.help(format!("write `port: {first}` and `endPort: {last}`"))
        }
        Some((first, last, false)) => {
            diagnostic.help(format!("write `{first}` and `{last}` as separate entries"))
        }
        None => diagnostic,
    };
    reader.refuse(path, diagnostic);
    None
}

/// Two numbers in one text, and whether they are the ends of a range.
fn several(text: &str) -> Option<(u16, u16, bool)> {
    let (first, last, is_range) = match (text.split_once(['-', ':']), text.split_once(',')) {
        (Some((first, last)), _) => (first, last, true),
        (None, Some((first, last))) => (first, last, false),
        (None, None) => return None,
    };
    Some((
        first.trim().parse().ok()?,
        last.trim().parse().ok()?,
        is_range,
    ))
}

fn end_port(
    node: Node<'_>,
    item: Node<'_>,
    port: &Field<Spanned<PortReference>>,
    path: Path<'_>,
    reader: &mut Reader<'_>,
) -> Option<Spanned<u16>> {
    let end = number(node, "endPort", path, reader)?;
    let refusal = match (item.find(&["port"]), port.get().map(|port| &port.value)) {
        (None, _) => {
            let diagnostic = invalid_value(end.span, "`endPort` without `port`");
            diagnostic
                .label("is the end of a range that has no start")
                .help("write `port`, where the range starts")
        }
        (Some(start), Some(PortReference::Name(name))) => {
            let message = format!("`endPort` together with the named port `{name}`");
            let diagnostic =
                invalid_value(end.span, message).related(start.span(), "has no number");
            diagnostic.help("a range needs the number where it starts")
        }
        (Some(start), Some(PortReference::Number(first))) if end.value < *first => {
            let message = format!("`endPort` is {}, which is below `port`", end.value);
            let diagnostic =
                invalid_value(end.span, message).related(start.span(), "the range starts here");
            diagnostic.help(format!(
                "the range is `port` to `endPort`; write a number from {first} on"
            ))
        }
        // A port that cannot be read, or that another tool writes, says nothing.
        (Some(_), _) => return Some(end),
    };
    reader.refuse(path, refusal);
    None
}
