//! What restricts the ports of a rule of Cilium's above layer 4: HTTP and DNS rules, names of
//! servers, TLS, listeners; with what the API server refuses of them, and what the agent rejects.
//!
//! Refuses to know the ports themselves, and what such rules let through.

use super::Findings;
use super::names::{Naming, check_name};
use super::ports::Place;
use crate::k8s::{CiliumLayer7, Direction};
use crate::manifest::reader::{self, Path, Reader};
use crate::manifest::{go_regex, invalid_value};
use crate::source::Spanned;
use crate::yaml::tree::Node;

/// Reads what restricts an entry of `toPorts` of a rule that allows.
pub(super) fn read(
    item: Node<'_>,
    place: Place,
    path: Path<'_>,
    findings: &mut Findings<'_, '_>,
) -> Option<Spanned<CiliumLayer7>> {
    let rules = rules(item, path, findings);
    if let Some(rules) = &rules {
        let reason = match rules.value {
            CiliumLayer7::Dns if place.section.direction() == Direction::Ingress => {
                "DNS rules are for egress only"
            }
            CiliumLayer7::Http if place.is_about_nodes => "nodes have no HTTP rules",
            _ => "",
        };
        if !reason.is_empty() {
            findings.fault(path.field("rules"), rules.span, reason);
        }
    }
    check_server_names(item, rules.is_some(), path, findings);
    for name in TLS {
        if let Some(context) = item.find(&[name]) {
            check_secret(context, path.field(name), findings.api);
        }
    }
    if let Some(listener) = item.find(&["listener"]) {
        let path = path.field("listener");
        check_listener(listener, path, findings.api);
        let reason = match (place.section.direction(), &rules) {
            (Direction::Ingress, _) => "a listener is for egress only",
            (Direction::Egress, Some(_)) => "a listener stands beside layer 7 rules",
            (Direction::Egress, None) => "",
        };
        if !reason.is_empty() {
            findings.fault(path, listener.span(), reason);
        }
    }
    rules.or_else(|| {
        let tls = ["serverNames"].into_iter().chain(TLS);
        let tls = tls.map(|name| (name, CiliumLayer7::Tls));
        let mut others = tls.chain([("listener", CiliumLayer7::Listener)]);
        others.find_map(|(name, kind)| Some(Spanned::new(kind, item.find(&[name])?.span())))
    })
}

const TLS: [&str; 2] = ["terminatingTLS", "originatingTLS"];

/// `rules` of one protocol, if it has any.
fn rules(
    item: Node<'_>,
    path: Path<'_>,
    findings: &mut Findings<'_, '_>,
) -> Option<Spanned<CiliumLayer7>> {
    let rules = item.find(&["rules"]).filter(|rules| rules.is_mapping())?;
    let path = path.field("rules");
    let is_set = |name: &&str| rules.find(&[name]).is_some();
    let names = ["http", "dns", "kafka", "l7proto", "l7"];
    let mut set: Vec<&str> = names.into_iter().filter(is_set).collect();
    // The parser of a proxy by its name, and the rules for it, are one.
    if set.contains(&"l7proto") {
        set.retain(|name| *name != "l7");
    }
    match set.as_slice() {
        [] => {
            let message = "`rules` is empty, and restricts nothing";
            let diagnostic = invalid_value(rules.span(), message).help("remove it");
            let note = "the API server rejects the policy with the CRDs of Cilium 1.20; older ones take it";
            findings.api.report(path, diagnostic.note(note));
        }
        [_] => {}
        [first, second, ..] => {
            let message = format!("`rules` has both `{first}` and `{second}`");
            findings
                .api
                .refuse(path, invalid_value(rules.span(), message));
        }
    }
    for (index, entry) in entries(rules, "http").enumerate() {
        check_http(entry, path.field("http").item(index), findings);
    }
    for (index, entry) in entries(rules, "dns").enumerate() {
        super::names::check_names(entry, path.field("dns").item(index), findings.api);
    }
    let has_entries = |name: &&str| match *name {
        "l7proto" => rules.find(&[name]).and_then(Node::as_str) != Some(""),
        name => entries(rules, name).next().is_some(),
    };
    let kind = match set.into_iter().find(has_entries)? {
        "http" => CiliumLayer7::Http,
        "dns" => CiliumLayer7::Dns,
        _ => CiliumLayer7::Other,
    };
    Some(Spanned::new(kind, rules.span()))
}

/// The entries for a protocol.
fn entries<'t>(rules: Node<'t>, name: &str) -> impl Iterator<Item = Node<'t>> {
    rules.find(&[name]).into_iter().flat_map(Node::items)
}

/// An entry of `http` (`PortRuleHTTP` in `pkg/policy/api/http.go`).
fn check_http(entry: Node<'_>, path: Path<'_>, findings: &mut Findings<'_, '_>) {
    for name in ["path", "method"] {
        let Some(value) = entry.find(&[name]) else {
            continue;
        };
        if findings.api.is_opaque(value) {
            continue;
        }
        let text = value.as_str().unwrap_or_default();
        if let Some(fault) = go_regex::fault(text) {
            let reason = format!("`{text}` is not a regular expression: {fault}");
            findings.fault(path.field(name), value.span(), reason);
        }
    }
    let headers = entry.find(&["headerMatches"]).into_iter();
    for (index, header) in headers.flat_map(Node::items).enumerate() {
        let list = path.field("headerMatches");
        let path = list.item(index);
        require_text(header, "name", path, findings.api);
        const MISMATCHES: [&str; 4] = ["LOG", "ADD", "DELETE", "REPLACE"];
        require_one_of(header, "mismatch", &MISMATCHES, path, findings.api);
        if let Some(secret) = header.find(&["secret"]) {
            let path = path.field("secret");
            require(secret, "name", path, findings.api);
            if let Some(name) = secret
                .find(&["name"])
                .filter(|name| name.text() == Some(""))
            {
                findings.fault(
                    path.field("name"),
                    name.span(),
                    "the name of a secret is empty",
                );
            }
        }
    }
}

fn check_server_names(
    item: Node<'_>,
    has_rules: bool,
    path: Path<'_>,
    findings: &mut Findings<'_, '_>,
) {
    let Some(list) = item.find(&["serverNames"]) else {
        return;
    };
    let path = path.field("serverNames");
    if has_rules && list.items().next().is_some() && item.find(&["terminatingTLS"]).is_none() {
        let reason = "`serverNames` beside layer 7 rules need `terminatingTLS`";
        findings.fault(path, list.span(), reason);
    }
    for (index, name) in list.items().enumerate() {
        check_name(name, Naming::Pattern, path.item(index), findings.api);
    }
}

/// A TLS context, which names its secret (`TLSContext` in `pkg/policy/api/l4.go`).
fn check_secret(context: Node<'_>, path: Path<'_>, reader: &mut Reader<'_>) {
    if !context.is_mapping() {
        return;
    }
    match context.find(&["secret"]) {
        Some(secret) if secret.is_mapping() => {
            require(secret, "name", path.field("secret"), reader);
        }
        Some(_) => {}
        None => reader.refuse(path, invalid_value(context.span(), "there is no `secret`")),
    }
}

/// A listener, which is of one object and has a name (`Listener` in `pkg/policy/api/l4.go`).
fn check_listener(listener: Node<'_>, path: Path<'_>, reader: &mut Reader<'_>) {
    if !listener.is_mapping() {
        return;
    }
    require_text(listener, "name", path, reader);
    let priority = listener.find(&["priority"]);
    if let Some(priority) =
        priority.filter(|it| it.as_int().is_some_and(|it| !(1..=100).contains(&it)))
    {
        let diagnostic = invalid_value(priority.span(), "`priority` is not between 1 and 100");
        reader.refuse(path.field("priority"), diagnostic);
    }
    let Some(config) = listener.find(&["envoyConfig"]) else {
        let diagnostic = invalid_value(listener.span(), "the listener has no `envoyConfig`");
        return reader.refuse(path, diagnostic);
    };
    let path = path.field("envoyConfig");
    require_text(config, "name", path, reader);
    const KINDS: [&str; 2] = ["CiliumEnvoyConfig", "CiliumClusterwideEnvoyConfig"];
    require_one_of(config, "kind", &KINDS, path, reader);
}

/// Refuses a mapping without a field.
fn require(node: Node<'_>, name: &str, path: Path<'_>, reader: &mut Reader<'_>) {
    if node.is_mapping() && node.find(&[name]).is_none() {
        let diagnostic = invalid_value(node.span(), format!("there is no `{name}`"));
        reader.refuse(path.field(name), diagnostic);
    }
}

/// Refuses a mapping whose field is missing or empty.
fn require_text(node: Node<'_>, name: &str, path: Path<'_>, reader: &mut Reader<'_>) {
    require(node, name, path, reader);
    if let Some(value) = node.find(&[name]).filter(|value| value.text() == Some("")) {
        let diagnostic = invalid_value(value.span(), format!("`{name}` is empty"));
        reader.refuse(path.field(name), diagnostic);
    }
}

/// Refuses a field that has another value than one of these.
pub(super) fn require_one_of(
    node: Node<'_>,
    name: &str,
    values: &[&str],
    path: Path<'_>,
    reader: &mut Reader<'_>,
) {
    let Some(value) = node.find(&[name]) else {
        return;
    };
    let Some(text) = value.text().filter(|_| !reader::is_opaque(value)) else {
        return;
    };
    if !values.contains(&text) {
        let message = format!("`{name}` is `{text}`");
        let diagnostic = invalid_value(value.span(), message);
        let help = format!("the values are `{}`", values.join("`, `"));
        reader.refuse(path.field(name), diagnostic.help(help));
    }
}
