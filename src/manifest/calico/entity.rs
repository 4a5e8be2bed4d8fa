//! One end of a rule of a Calico policy: selectors, service accounts, networks, ports.
//!
//! Refuses to know the rule around it, and who has these labels and addresses.

use super::{refuse_global, selector, text};
use crate::diagnostic::{Diagnostic, Severity};
use crate::k8s::{CalicoEntity, CalicoPort, CalicoSelector, CalicoServiceReference};
use crate::manifest::reader::{self, Path, Reader};
use crate::manifest::{invalid_value, ip_block};
use crate::source::Spanned;
use crate::yaml::tree::Node;
use ipnet::IpNet;
use std::net::IpAddr;

/// Which end of a rule it is.
#[derive(Clone, Copy)]
pub(super) struct End {
    /// Whether it is the one that the policy is not about.
    pub(super) is_peer: bool,
    /// Whether connections come from it.
    pub(super) is_source: bool,
    /// Whether the policy is in no namespace.
    pub(super) is_global: bool,
}

/// Reads an end of a rule.
pub(super) fn read(
    node: Node<'_>,
    end: End,
    path: Path<'_>,
    reader: &mut Reader<'_>,
) -> CalicoEntity {
    if reader.is_opaque(node) {
        return CalicoEntity::default();
    }
    let accounts = node.find(&["serviceAccounts"]);
    let accounts_path = path.field("serviceAccounts");
    let names = accounts.and_then(|accounts| accounts.find(&["names"]));
    let names = names.map(|names| texts(names, accounts_path.field("names"), reader));
    let domains = node.find(&["domains"]);
    let domains = domains.map(|domains| texts(domains, path.field("domains"), reader));
    let mut plain = |name: &str, node: Node<'_>, path: Path<'_>| {
        let found = selector(node, name, path, reader)?;
        if found.value.mentions_global() {
            refuse_global(found.span, path.field(name), reader);
        }
        Some(found)
    };
    let (own, not_own) = (
        plain("selector", node, path),
        plain("notSelector", node, path),
    );
    let of_accounts = accounts.and_then(|accounts| plain("selector", accounts, accounts_path));
    let namespaces = selector(node, "namespaceSelector", path, reader);
    if let Some(found) = &namespaces
        && found.value != CalicoSelector::Global
        && found.value.mentions_global()
    {
        refuse_global(found.span, path.field("namespaceSelector"), reader);
    }
    let entity = CalicoEntity {
        selector: own,
        not_selector: not_own,
        namespace_selector: namespaces,
        service_account_names: names.unwrap_or_default(),
        service_account_selector: of_accounts,
        service: service(node, reader),
        nets: nets(node, "nets", path, reader),
        not_nets: nets(node, "notNets", path, reader),
        ports: ports(node, "ports", path, reader),
        not_ports: ports(node, "notPorts", path, reader),
        domains: domains.unwrap_or_default(),
    };
    check(&entity, end, path, reader);
    entity
}

/// The texts of a list that no other tool fills in.
pub(super) fn texts(
    list: Node<'_>,
    path: Path<'_>,
    reader: &mut Reader<'_>,
) -> Vec<Spanned<String>> {
    if reader.is_opaque(list) {
        return Vec::new();
    }
    let texts = reader::items(list, path, |item, _| {
        let text = item.as_str().filter(|_| !reader.is_opaque(item))?;
        Some(Spanned::new(text.to_owned(), item.span()))
    });
    texts.unwrap_or_default()
}

fn check(entity: &CalicoEntity, end: End, path: Path<'_>, reader: &mut Reader<'_>) {
    for net in &entity.not_nets {
        if net.value.prefix_len() == 0 {
            let diagnostic = invalid_value(net.span, "`notNets` must not hold all addresses");
            reader.refuse(path.field("notNets"), diagnostic);
        }
    }
    let Some(service) = &entity.service else {
        return;
    };
    let has_ports = !entity.ports.is_empty() || !entity.not_ports.is_empty();
    let reason = if service.name.is_empty() {
        "`services` needs the `name` of a Service"
    } else if !end.is_peer {
        "`services` names the other end: it belongs in the destination of an egress rule or the source of an ingress rule"
    } else if end.is_global && service.namespace.is_none() {
        "in a global policy `services` needs a `namespace`"
    } else if !(CalicoEntity {
        service: None,
        ..entity.clone()
    })
    .is_everybody()
        || (has_ports && !end.is_source)
    {
        // The Service says the ports of a destination, and nothing of those of a source.
        "`services` must be on its own: its ports are those of the Service"
    } else {
        return;
    };
    reader.refuse(path.field("services"), invalid_value(service.span, reason));
}

fn service(node: Node<'_>, reader: &mut Reader<'_>) -> Option<CalicoServiceReference> {
    let service = node.find(&["services"]).filter(|it| !it.is_null())?;
    let name = service.find(&["name"]);
    if reader.is_opaque(service) || name.is_some_and(|name| reader.is_opaque(name)) {
        return None;
    }
    let mut member = |name| text(service, name, reader).map(|text| text.value);
    Some(CalicoServiceReference {
        span: service.span(),
        name: member("name").unwrap_or_default(),
        namespace: member("namespace").filter(|name| !name.is_empty()),
    })
}

/// Reads a list of networks of a rule.
fn nets(
    node: Node<'_>,
    name: &str,
    path: Path<'_>,
    reader: &mut Reader<'_>,
) -> Vec<Spanned<IpNet>> {
    let Some(list) = node.find(&[name]) else {
        return Vec::new();
    };
    if reader.is_opaque(list) {
        return Vec::new();
    }
    let read = |item, path: Path<'_>| ip_block::read_cidr(item, path, reader);
    reader::items(list, path.field(name), read).unwrap_or_default()
}

/// Reads the networks of a set, where an address without a length stands for itself
/// (`ParseCIDROrIP`).
pub(super) fn nets_of_set(
    list: Node<'_>,
    path: Path<'_>,
    reader: &mut Reader<'_>,
) -> Vec<Spanned<IpNet>> {
    if reader.is_opaque(list) {
        return Vec::new();
    }
    let read = |item: Node<'_>, path: Path<'_>| {
        let text = item.as_str().filter(|_| !reader::is_opaque(item));
        match text.and_then(|text| text.parse::<IpAddr>().ok()) {
            Some(address) => Some(Spanned::new(address.into(), item.span())),
            None => ip_block::read_cidr(item, path, reader),
        }
    };
    reader::items(list, path, read).unwrap_or_default()
}

fn ports(
    node: Node<'_>,
    name: &str,
    path: Path<'_>,
    reader: &mut Reader<'_>,
) -> Vec<Spanned<CalicoPort>> {
    let Some(list) = node.find(&[name]) else {
        return Vec::new();
    };
    if reader.is_opaque(list) {
        return Vec::new();
    }
    reader::items(list, path.field(name), |item, path| {
        port(item, path, reader)
    })
    .unwrap_or_default()
}

fn port(item: Node<'_>, path: Path<'_>, reader: &mut Reader<'_>) -> Option<Spanned<CalicoPort>> {
    if reader.is_opaque(item) {
        return None;
    }
    let number = |text: &str| text.parse::<u16>().ok().filter(|_| is_number(text));
    let port = match (item.as_int(), item.as_str()) {
        (Some(value), _) => u16::try_from(value)
            .ok()
            .map(|value| CalicoPort::Range(value, value)),
        (None, Some(text)) => match text.split_once(':') {
            Some((first, last)) => match (number(first), number(last)) {
                (Some(first), Some(last)) if first <= last => Some(CalicoPort::Range(first, last)),
                _ => None,
            },
            None if is_number(text) => number(text).map(|value| CalicoPort::Range(value, value)),
            None => is_name(text).then(|| CalicoPort::Name(text.to_owned())),
        },
        _ => return None,
    };
    let Some(port) = port else {
        let text = item.text().unwrap_or_default();
        let diagnostic = invalid_port(item, text);
        reader.refuse(path, diagnostic);
        return None;
    };
    if matches!(port, CalicoPort::Range(0, _)) {
        let message = match port {
            CalicoPort::Range(_, 0) => "0 is not a port",
            _ => "the range starts at 0, which is not a port",
        };
        let diagnostic = invalid_value(item.span(), message).label("ports are 1 to 65535");
        reader.refuse(path, diagnostic);
    }
    Some(Spanned::new(port, item.span()))
}

fn invalid_port(item: Node<'_>, text: &str) -> Diagnostic {
    let message = format!("`{text}` is not a port");
    Diagnostic::new("invalid-value", Severity::Error, item.span(), message)
        .help("write a number, a range like `8000:8100`, or the name of a container's port")
}

fn is_number(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

/// A name as `numorstring.Port` takes it.
fn is_name(text: &str) -> bool {
    let is_inner = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.' | b'-');
    (1..=128).contains(&text.len()) && text.bytes().all(is_inner)
}
