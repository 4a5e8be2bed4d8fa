//! `EgressFirewall` from a tree, with what its API refuses.
//!
//! Refuses to know which nodes and pods there are. The rules are those of the custom
//! resource definition (ovn-kubernetes `egressfirewall/v1/types.go`).

use super::fields::{METADATA, SELECTOR_TYPE, Shape, Type};
use super::identity;
use super::invalid_value;
use super::ip_block;
use super::policy_port;
use super::reader::{self, Path, Reader};
use super::selector::{self, Selects};
use super::structure::Structure;
use super::unknown;
use crate::diagnostic::Diagnostic;
use crate::k8s::{
    Action, EGRESS_FIREWALL_NAME, EgressFirewall, EgressFirewallDestination, EgressFirewallPort,
    EgressFirewallRule, ObjectMeta,
};
use crate::source::{Span, Spanned};
use crate::yaml::tree::{Entry, Node};

static FIREWALL: Shape = Shape {
    noun: "the firewall",
    fields: &[
        ("apiVersion", Type::Text),
        ("kind", Type::Text),
        ("metadata", Type::Object(&METADATA)),
        ("spec", Type::Object(&SPEC)),
        ("status", Type::Anything),
    ],
};

static SPEC: Shape = Shape {
    noun: "`spec`",
    fields: &[("egress", Type::List(&Type::Object(&RULE)))],
};

static RULE: Shape = Shape {
    noun: "a rule",
    fields: &[
        ("type", Type::Text),
        ("ports", Type::List(&Type::Object(&PORT))),
        ("to", Type::Object(&DESTINATION)),
    ],
};

static DESTINATION: Shape = Shape {
    noun: "`to`",
    fields: &[
        ("cidrSelector", Type::Text),
        ("dnsName", Type::Text),
        ("nodeSelector", SELECTOR_TYPE),
    ],
};

static PORT: Shape = Shape {
    noun: "a port",
    fields: &[("protocol", Type::Text), ("port", Type::Integer)],
};

/// Reads a firewall, whose metadata is read already.
pub(super) fn read(
    node: Node<'_>,
    meta: &mut ObjectMeta,
    object: String,
    diagnostics: &mut Vec<Diagnostic>,
) -> EgressFirewall {
    let mut reader = Reader::new(object, diagnostics);
    let mut structure = Structure::of(node, &FIREWALL);
    let mistakes = |node: Node<'_>| {
        let mut diagnostics = Vec::new();
        rules(node, &mut Reader::new(String::new(), &mut diagnostics));
        diagnostics
    };
    unknown::report(node, &FIREWALL, &structure, &mistakes, &mut reader);
    structure.report(&mut reader);
    identity::check_names(node, identity::Scope::Namespace, &mut reader);
    if meta.name.value != EGRESS_FIREWALL_NAME {
        let message = format!("an `EgressFirewall` cannot be called `{}`", meta.name);
        let diagnostic = invalid_value(meta.name.span, message)
            .help("call it `default`: a namespace has one at most");
        let path = Path::Object.field("metadata");
        reader.refuse(path.field("name"), diagnostic);
    }
    let rules = rules(node, &mut reader);
    reader.finish(meta);
    EgressFirewall { rules }
}

fn rules(node: Node<'_>, reader: &mut Reader<'_>) -> Vec<EgressFirewallRule> {
    let Some(list) = node.find(&["spec", "egress"]) else {
        let message = "this `EgressFirewall` has no `egress` rules";
        let kind = node.entry("kind").map_or(node, |entry| entry.value);
        let path = Path::Object.field("spec");
        reader.refuse(path, invalid_value(kind.span(), message));
        return Vec::new();
    };
    if reader.is_opaque(list) {
        return Vec::new();
    }
    let path = Path::Object.field("spec");
    let read = |item, path: Path<'_>| rule(item, path, reader);
    reader::items(list, path.field("egress"), read).unwrap_or_default()
}

fn rule(item: Node<'_>, path: Path<'_>, reader: &mut Reader<'_>) -> Option<EgressFirewallRule> {
    if reader.is_opaque(item) || !item.is_mapping() {
        return None;
    }
    let action = action(item, path, reader);
    let to = destination(item, path, reader);
    let ports = item.find(&["ports"]).and_then(|list| {
        if reader.is_opaque(list) {
            return None;
        }
        let read = |item, path: Path<'_>| port(item, path, reader);
        reader::items(list, path.field("ports"), read)
    });
    Some(EgressFirewallRule {
        span: item.span(),
        action: action?,
        to: to?,
        ports: ports.unwrap_or_default(),
    })
}

fn action(item: Node<'_>, path: Path<'_>, reader: &mut Reader<'_>) -> Option<Spanned<Action>> {
    let Some(value) = item.find(&["type"]) else {
        let diagnostic = invalid_value(place_of(item), "this rule has no `type`");
        reader.refuse(path, diagnostic.help("write `Allow` or `Deny`"));
        return None;
    };
    if reader.is_opaque(value) {
        return None;
    }
    match value.as_str()? {
        "Allow" => Some(Spanned::new(Action::Accept, value.span())),
        "Deny" => Some(Spanned::new(Action::Deny, value.span())),
        text => {
            let diagnostic = invalid_value(value.span(), format!("`{text}` is not a valid `type`"));
            let diagnostic = diagnostic.help("the types are `Allow` and `Deny`");
            reader.refuse(path.field("type"), diagnostic);
            None
        }
    }
}

fn destination(
    item: Node<'_>,
    path: Path<'_>,
    reader: &mut Reader<'_>,
) -> Option<EgressFirewallDestination> {
    const HELP: &str = "set exactly one of `cidrSelector`, `dnsName` and `nodeSelector`";
    let to = item.find(&["to"]);
    if let Some(to) = to
        && reader.is_opaque(to)
    {
        return None;
    }
    let path = path.field("to");
    let is_known = |entry: &Entry<'_>| DESTINATION.field(&entry.key.key_text()).is_some();
    let mut members = to.into_iter().flat_map(Node::entries).filter(is_known);
    let Some(first) = members.next() else {
        let diagnostic = invalid_value(place_of(item), "this rule has no destination");
        reader.refuse(path, diagnostic.help(HELP));
        return None;
    };
    if let Some(second) = members.next() {
        let message = format!(
            "`to` has both `{}` and `{}`",
            first.key.key_text(),
            second.key.key_text()
        );
        let diagnostic = invalid_value(second.key.span(), message)
            .related(first.key.span(), "the other one")
            .help(HELP);
        reader.refuse(path, diagnostic);
        return None;
    }
    let name = first.key.key_text();
    let (value, path) = (first.value, path.field(&name));
    match &*name {
        "cidrSelector" => {
            ip_block::read_cidr(value, path, reader).map(EgressFirewallDestination::Cidr)
        }
        "nodeSelector" => selector::read(value, Selects::Nodes, path, reader)
            .map(EgressFirewallDestination::Nodes),
        _ if reader.is_opaque(value) => None,
        _ => {
            let text = value.as_str()?.to_owned();
            if !is_dns_name(&text) {
                let message = format!("`{text}` is not a valid `dnsName`");
                let help =
                    "write the name of a host, with `*.` before it for all names one level below";
                reader.refuse(path, invalid_value(value.span(), message).help(help));
                return None;
            }
            let name = Spanned::new(text, value.span());
            Some(EgressFirewallDestination::DnsName(name))
        }
    }
}

/// What the `Pattern` of the resource definition takes: labels of letters, digits and hyphens, with
/// a dot at the end or not, and `*` for the first of several.
fn is_dns_name(text: &str) -> bool {
    let name = text.strip_prefix("*.").unwrap_or(text);
    let name = name.strip_suffix('.').unwrap_or(name);
    let is_part = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
    name.split('.')
        .all(|label| !label.is_empty() && label.bytes().all(is_part))
}

fn port(item: Node<'_>, path: Path<'_>, reader: &mut Reader<'_>) -> Option<EgressFirewallPort> {
    if reader.is_opaque(item) || !item.is_mapping() {
        return None;
    }
    let mut member = |name: &str| {
        let value = item.find(&[name]);
        if value.is_none() {
            let message = format!("this port has no `{name}`");
            reader.refuse(path, invalid_value(place_of(item), message));
        }
        value
    };
    let (protocol, port) = (member("protocol"), member("port"));
    let protocol = policy_port::protocol(protocol?, path.field("protocol"), reader);
    let port = policy_port::number(port?, "port", path.field("port"), reader);
    Some(EgressFirewallPort {
        span: item.span(),
        protocol: protocol?.value,
        port: port?.value,
    })
}

/// The smallest text that stands for an item of a list.
fn place_of(item: Node<'_>) -> Span {
    item.dash().unwrap_or(item.span())
}

#[cfg(test)]
mod tests {
    use super::is_dns_name;

    #[test]
    fn names_are_what_the_resource_definition_takes() {
        for name in [
            "example.org",
            "example.org.",
            "*.example.org",
            "*.org",
            "a-b",
            "-a",
        ] {
            assert!(is_dns_name(name), "{name}");
        }
        for name in [
            "",
            "*",
            "*.",
            "www.*.org",
            "a b.org",
            "a..org",
            "a.org:443",
            "https://a.org",
        ] {
            assert!(!is_dns_name(name), "{name}");
        }
    }
}
