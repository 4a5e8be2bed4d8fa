//! Whom a rule of Cilium's names: the fields `fromEndpoints`, `toCIDRSet`, `toFQDNs` and
//! their like.
//!
//! Refuses to know what an empty field means, and who is meant by an entry.

use super::names::{check_names, dns_name, names};
use super::{Findings, endpoint_selector, fields};
use crate::diagnostic::{Diagnostic, Severity};
use crate::k8s::{
    CiliumAddresses, CiliumCidrSet, CiliumEntity, CiliumFqdn, CiliumPeerField, CiliumPeers,
    CiliumSection, CiliumServicePeer, CiliumServices, Direction,
};
use crate::manifest::reader::{self, Path, Reader};
use crate::manifest::{cidr as syntax, invalid_value, ip_block, structure, suggestion};
use crate::source::{Span, Spanned};
use crate::yaml::tree::Node;
use ipnet::IpNet;
use std::net::IpAddr;

/// The reader of the entries of a field.
type ReadEntries = fn(Node<'_>, Path<'_>, &mut Findings<'_, '_>) -> Option<CiliumPeers>;

const INGRESS: [(&str, ReadEntries); 6] = [
    ("fromEndpoints", endpoints),
    ("fromCIDR", cidrs),
    ("fromCIDRSet", cidr_sets),
    ("fromEntities", entities),
    ("fromNodes", nodes),
    ("fromGroups", groups),
];

const EGRESS: [(&str, ReadEntries); 8] = [
    ("toEndpoints", endpoints),
    ("toCIDR", cidrs),
    ("toCIDRSet", cidr_sets),
    ("toEntities", entities),
    ("toNodes", nodes),
    ("toGroups", groups),
    ("toServices", services),
    ("toFQDNs", fqdns),
];

/// Reads the fields that name peers and are not null.
pub(super) fn read_all(
    rule: Node<'_>,
    section: CiliumSection,
    path: Path<'_>,
    findings: &mut Findings<'_, '_>,
) -> Vec<CiliumPeerField> {
    let known: &[(&'static str, ReadEntries)] = match section.direction() {
        Direction::Ingress => &INGRESS,
        Direction::Egress => &EGRESS,
    };
    let mut found: Vec<CiliumPeerField> = Vec::new();
    for (name, read) in known {
        let is_field = *name != "toFQDNs" || !section.is_deny();
        let Some(entry) = rule
            .entry(name)
            .filter(|entry| is_field && !entry.value.is_null())
        else {
            continue;
        };
        if findings.api.is_opaque(entry.value) || !entry.value.is_sequence() {
            continue;
        }
        let Some(peers) = read(entry.value, path.field(name), findings) else {
            continue;
        };
        let key = entry.key.span();
        let used = found.iter().find(|field| !field.peers.is_empty());
        if let (Some(used), false) = (used, peers.is_empty()) {
            let reason = format!("`{}` and `{name}` are in one rule", used.name);
            findings.fault(path.field(name), key, reason);
        }
        found.push(CiliumPeerField { key, name, peers });
    }
    let requires = match section.direction() {
        Direction::Ingress => "fromRequires",
        Direction::Egress => "toRequires",
    };
    if let Some(entry) = rule.entry(requires)
        && entry.value.items().next().is_some()
    {
        let message = format!("`{requires}` was removed from Cilium");
        let help = "put the labels into the selectors of the peers";
        let diagnostic = Diagnostic::new(
            "cilium-removed-field",
            Severity::Error,
            entry.key.span(),
            message,
        );
        let diagnostic = diagnostic
            .label("the API server rejects the policy with the CRDs of Cilium 1.19 and later")
            .help(help);
        findings.api.refuse(path.field(requires), diagnostic);
    }
    found
}

/// The fields that name peers and are null.
pub(super) fn null_fields(rule: Node<'_>, section: CiliumSection) -> Vec<Spanned<&'static str>> {
    let known: &[(&'static str, ReadEntries)] = match section.direction() {
        Direction::Ingress => &INGRESS,
        Direction::Egress => &EGRESS,
    };
    let entries = known.iter().filter_map(|(name, _)| {
        let entry = rule.entry(name).filter(|entry| entry.value.is_null())?;
        Some(Spanned::new(*name, entry.key.span()))
    });
    entries.collect()
}

fn endpoints(
    list: Node<'_>,
    path: Path<'_>,
    findings: &mut Findings<'_, '_>,
) -> Option<CiliumPeers> {
    let read = |item, path: Path<'_>| endpoint_selector(item, path, findings);
    reader::items(list, path, read).map(CiliumPeers::Endpoints)
}

fn nodes(list: Node<'_>, path: Path<'_>, findings: &mut Findings<'_, '_>) -> Option<CiliumPeers> {
    if list.items().next().is_some() {
        findings.needs_node_labels(path, list.span());
    }
    let read = |item, path: Path<'_>| endpoint_selector(item, path, findings);
    reader::items(list, path, read).map(CiliumPeers::Nodes)
}

fn groups(list: Node<'_>, _: Path<'_>, _: &mut Findings<'_, '_>) -> Option<CiliumPeers> {
    Some(CiliumPeers::Groups(list.items().map(Node::span).collect()))
}

fn cidrs(list: Node<'_>, path: Path<'_>, findings: &mut Findings<'_, '_>) -> Option<CiliumPeers> {
    let read = |item, path: Path<'_>| cidr(item, path, findings.api);
    reader::items(list, path, read).map(CiliumPeers::Cidrs)
}

/// Reads a CIDR, or an address, which older releases take as well.
pub(super) fn cidr(
    node: Node<'_>,
    path: Path<'_>,
    reader: &mut Reader<'_>,
) -> Option<Spanned<IpNet>> {
    let text = node.as_str().filter(|_| !reader::is_opaque(node));
    let Some(address) = text.and_then(|text| text.parse::<IpAddr>().ok()) else {
        return block(node, path, reader);
    };
    let block = IpNet::from(address);
    let message = format!("`{address}` is an address without a prefix length");
    let diagnostic = invalid_cidr(node.span(), message)
        .note("the API server rejects the policy with the CRDs of Cilium 1.20; older ones take it");
    reader.report(path, reader::replace(diagnostic, node, block.to_string()));
    Some(Spanned::new(block, node.span()))
}

/// Reads an address block. The name of a host belongs in another field of an egress rule.
fn block(node: Node<'_>, path: Path<'_>, reader: &mut Reader<'_>) -> Option<Spanned<IpNet>> {
    let is_name = |text: &&str| {
        let is_of_name =
            |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'*');
        text.bytes().any(|byte| byte.is_ascii_alphabetic()) && text.bytes().all(is_of_name)
    };
    if path.is_below(&["toCIDR", "toCIDRSet"])
        && !reader::is_opaque(node)
        && let Some(name) = node.as_str().filter(is_name)
    {
        let message = format!("`{name}` is not a valid address block");
        let diagnostic = invalid_cidr(node.span(), message).help(
            "write a block like `10.0.0.0/8` or `2001:db8::/32`; names of hosts belong in `toFQDNs`",
        );
        reader.refuse(path, diagnostic);
        return None;
    }
    ip_block::read_cidr(node, path, reader)
}

fn invalid_cidr(span: Span, message: impl Into<String>) -> Diagnostic {
    Diagnostic::new("invalid-cidr", Severity::Error, span, message)
}

fn cidr_sets(
    list: Node<'_>,
    path: Path<'_>,
    findings: &mut Findings<'_, '_>,
) -> Option<CiliumPeers> {
    let read = |item, path: Path<'_>| cidr_set(item, path, findings);
    reader::items(list, path, read).map(CiliumPeers::CidrSets)
}

fn cidr_set(
    item: Node<'_>,
    path: Path<'_>,
    findings: &mut Findings<'_, '_>,
) -> Option<CiliumCidrSet> {
    if findings.api.is_opaque(item) {
        return None;
    }
    let is_set = |name: &&str| {
        item.find(&[name])
            .is_some_and(|value| value.text() != Some(""))
    };
    let names = ["cidr", "cidrGroupRef", "cidrGroupSelector"];
    let set: Vec<&str> = names.into_iter().filter(is_set).collect();
    let [only] = set.as_slice() else {
        if structure::has_unknown_field(item, &fields::CIDR_SET) {
            findings.api.refuse_silently();
        } else {
            let message = "an entry of a CIDR set has exactly one of `cidr`, `cidrGroupRef` and `cidrGroupSelector`";
            findings
                .api
                .refuse(path, invalid_value(item.span(), message));
        }
        return None;
    };
    let value = item.find(&[only])?;
    let member = path.field(only);
    let addresses = match *only {
        "cidr" => {
            let text = value.as_str()?;
            if text.parse::<IpAddr>().is_ok() {
                let reason = format!("`{text}` has no prefix length");
                findings.fault(member, value.span(), reason);
                return None;
            }
            CiliumAddresses::Cidr(block(value, member, findings.api)?)
        }
        "cidrGroupRef" => {
            if findings.api.is_opaque(value) {
                return None;
            }
            CiliumAddresses::Group(Spanned::new(value.as_str()?.to_owned(), value.span()))
        }
        _ => CiliumAddresses::Groups(endpoint_selector(value, member, findings)?),
    };
    let excepts = item
        .find(&["except"])
        .filter(|list| !findings.api.is_opaque(*list));
    let except = excepts.and_then(|list| {
        reader::items(list, path.field("except"), |item, path| {
            except(item, &addresses, path, findings)
        })
    });
    Some(CiliumCidrSet {
        span: item.span(),
        addresses,
        except: except.unwrap_or_default(),
    })
}

fn except(
    item: Node<'_>,
    addresses: &CiliumAddresses,
    path: Path<'_>,
    findings: &mut Findings<'_, '_>,
) -> Option<Spanned<IpNet>> {
    let text = item.as_str()?;
    if syntax::parse(text).is_err() && text.parse::<IpAddr>().is_ok() {
        findings.fault(path, item.span(), format!("`{text}` has no prefix length"));
        return None;
    }
    let block = block(item, path, findings.api)?;
    if let CiliumAddresses::Cidr(outer) = addresses
        && !outer.value.trunc().contains(&block.value.trunc())
    {
        let reason = format!("`{text}` does not lie inside `{}`", outer.value.trunc());
        findings.fault(path, item.span(), reason);
    }
    Some(block)
}

fn entities(
    list: Node<'_>,
    path: Path<'_>,
    findings: &mut Findings<'_, '_>,
) -> Option<CiliumPeers> {
    let read = |item: Node<'_>, path: Path<'_>| entity(item, path, findings.api);
    reader::items(list, path, read).map(CiliumPeers::Entities)
}

/// The pods of the policy's own namespace, or of the namespace of the pods that it is about:
/// Cilium's main branch has it, and no release up to 1.20 (`pkg/policy/api/entity.go`).
const NEWER_ENTITY: &str = "namespace";

fn entity(
    item: Node<'_>,
    path: Path<'_>,
    reader: &mut Reader<'_>,
) -> Option<Spanned<CiliumEntity>> {
    if reader.is_opaque(item) {
        return None;
    }
    let text = item.as_str()?;
    // The CRD has no single families, though the agent knows them.
    let is_value =
        |entity: CiliumEntity| !matches!(entity, CiliumEntity::WorldIpv4 | CiliumEntity::WorldIpv6);
    let known = CiliumEntity::ALL
        .into_iter()
        .filter(|(_, entity)| is_value(*entity));
    if let Some((_, entity)) = known.clone().find(|(name, _)| *name == text) {
        return Some(Spanned::new(entity, item.span()));
    }
    if text == NEWER_ENTITY {
        // A release that has it enforces the policy, and an older one has none of it.
        reader.note_incomplete(item);
        let message = format!("Cilium 1.20 has no entity `{text}`: what depends on it is unknown");
        let diagnostic = Diagnostic {
            severity: Severity::Warning,
            ..invalid_value(item.span(), message)
        };
        let help = "a newer release takes it for the pods of the same namespace; \
                    `fromEndpoints: [{}]` of a CiliumNetworkPolicy means these in all releases";
        reader.report(path, diagnostic.help(help));
        return None;
    }
    let names: Vec<&str> = known.map(|(name, _)| name).collect();
    let diagnostic = invalid_value(item.span(), format!("`{text}` is not an entity"));
    let diagnostic = match suggestion::near_miss(text, names.iter().copied()) {
        Some(meant) => {
            let diagnostic = diagnostic.label(format!("did you mean `{meant}`?"));
            reader::write_instead(diagnostic, item, meant)
        }
        None => diagnostic.help(format!("the entities are `{}`", names.join("`, `"))),
    };
    reader.refuse(path, diagnostic);
    None
}

fn services(
    list: Node<'_>,
    path: Path<'_>,
    findings: &mut Findings<'_, '_>,
) -> Option<CiliumPeers> {
    let read = |item, path: Path<'_>| service(item, path, findings);
    reader::items(list, path, read).map(CiliumPeers::Services)
}

fn service(
    item: Node<'_>,
    path: Path<'_>,
    findings: &mut Findings<'_, '_>,
) -> Option<CiliumServicePeer> {
    let text = |path: &[&str], findings: &mut Findings<'_, '_>| {
        let value = item.find(path)?;
        let text = value.as_str().filter(|text| !text.is_empty())?;
        (!findings.api.is_opaque(value)).then(|| Spanned::new(text.to_owned(), value.span()))
    };
    let (services, namespace) = if let Some(selected) = item.find(&["k8sServiceSelector"]) {
        let path = path.field("k8sServiceSelector");
        let selector = selected.find(&["selector"]);
        let selector =
            selector.and_then(|node| endpoint_selector(node, path.field("selector"), findings));
        let services = selector.map_or(CiliumServices::None, CiliumServices::Selected);
        (
            services,
            text(&["k8sServiceSelector", "namespace"], findings),
        )
    } else {
        let name = text(&["k8sService", "serviceName"], findings);
        let services = name.map_or(CiliumServices::None, CiliumServices::Named);
        (services, text(&["k8sService", "namespace"], findings))
    };
    Some(CiliumServicePeer {
        span: item.span(),
        services,
        namespace,
    })
}

fn fqdns(list: Node<'_>, path: Path<'_>, findings: &mut Findings<'_, '_>) -> Option<CiliumPeers> {
    let read = |item, path: Path<'_>| fqdn(item, path, findings.api);
    reader::items(list, path, read).map(CiliumPeers::Fqdns)
}

fn fqdn(item: Node<'_>, path: Path<'_>, reader: &mut Reader<'_>) -> Option<Spanned<CiliumFqdn>> {
    if reader.is_opaque(item) {
        return None;
    }
    match names(item) {
        [Some(_), None] | [None, Some(_)] => {
            check_names(item, path, reader);
            dns_name(item)
        }
        _ if structure::has_unknown_field(item, &fields::FQDN) => {
            reader.refuse_silently();
            None
        }
        _ => {
            let message = "an entry of `toFQDNs` has exactly one of `matchName` and `matchPattern`";
            reader.refuse(path, invalid_value(item.span(), message));
            None
        }
    }
}
