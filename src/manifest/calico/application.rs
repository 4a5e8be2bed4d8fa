//! What a rule of a Calico policy says above and beside ports, as far as its API refuses it: ICMP
//! types, and HTTP methods and paths (`validator/v3`).
//!
//! Refuses to know what such a rule lets through.

use crate::manifest::invalid_value;
use crate::manifest::reader::{self, Path, Reader};
use crate::source::Spanned;
use crate::yaml::tree::Node;

/// The protocols that are of one version of IP.
const ICMP: [(&str, u8); 2] = [("ICMP", 4), ("ICMPv6", 6)];

/// Checks the types of ICMP of a rule, and its protocol against `ipVersion`.
pub(super) fn check_icmp(
    rule: Node<'_>,
    version: Option<&Spanned<u8>>,
    path: Path<'_>,
    reader: &mut Reader<'_>,
) {
    for name in ["protocol", "notProtocol"] {
        let protocol = rule.find(&[name]);
        let text = protocol.and_then(Node::as_str);
        let known = ICMP.into_iter().find(|(known, _)| Some(*known) == text);
        if let (Some((name, own)), Some(version), Some(protocol)) = (known, version, protocol)
            && own != version.value
        {
            let message = format!("`{name}` is of IPv{own} only");
            let diagnostic = invalid_value(version.span, message);
            let diagnostic = diagnostic.related(protocol.span(), "this protocol");
            reader.refuse(path.field("ipVersion"), diagnostic);
        }
    }
    for name in ["icmp", "notICMP"] {
        let Some(icmp) = rule.find(&[name]).filter(|icmp| icmp.is_mapping()) else {
            continue;
        };
        let path = path.field(name);
        for (field, most) in [("type", 254), ("code", 255)] {
            let value = icmp.find(&[field]);
            let number = value.and_then(|value| Some((value, value.as_int()?)));
            if let Some((value, number)) = number.filter(|(_, it)| !(0..=most).contains(it)) {
                let message = format!("`{field}` is {number}");
                let diagnostic = invalid_value(value.span(), message);
                let label = format!("is from 0 to {most}");
                reader.refuse(path.field(field), diagnostic.label(label));
            }
        }
        if let (Some(code), None) = (icmp.find(&["code"]), icmp.find(&["type"])) {
            let diagnostic = invalid_value(code.span(), "`code` needs a `type`");
            reader.refuse(path.field("code"), diagnostic);
        }
    }
}

/// Checks the methods and paths of `http`.
pub(super) fn check_http(http: Node<'_>, path: Path<'_>, reader: &mut Reader<'_>) {
    let list = path.field("methods");
    let mut methods: Vec<Spanned<&str>> = Vec::new();
    let items = http.find(&["methods"]).into_iter().flat_map(Node::items);
    for (index, item) in items.enumerate() {
        let Some(text) = item.as_str().filter(|_| !reader::is_opaque(item)) else {
            continue;
        };
        match methods.iter().find(|seen| seen.value == text) {
            Some(first) => {
                let message = format!("`{text}` is written twice in `methods`");
                let diagnostic = invalid_value(item.span(), message);
                let diagnostic = diagnostic.related(first.span, "the first time");
                reader.refuse(list.item(index), diagnostic);
            }
            None => methods.push(Spanned::new(text, item.span())),
        }
    }
    let list = path.field("paths");
    let items = http.find(&["paths"]).into_iter().flat_map(Node::items);
    for (index, item) in items.enumerate() {
        check_path(item, list.item(index), reader);
    }
}

fn check_path(item: Node<'_>, path: Path<'_>, reader: &mut Reader<'_>) {
    if !item.is_mapping() {
        return;
    }
    let given = |name| item.find(&[name]).filter(|value| value.text() != Some(""));
    let value = match (given("exact"), given("prefix")) {
        (Some(exact), None) => exact,
        (None, Some(prefix)) => prefix,
        _ => {
            let message = "an entry of `paths` has exactly one of `exact` and `prefix`";
            return reader.refuse(path, invalid_value(item.span(), message));
        }
    };
    let Some(text) = value.as_str().filter(|_| !reader::is_opaque(value)) else {
        return;
    };
    if !text.starts_with('/') || text.contains(['?', ' ', '#']) {
        let diagnostic = invalid_value(value.span(), format!("`{text}` is not a path"));
        let help = "it starts with `/`, and has no `?`, no `#` and no blank";
        reader.refuse(path, diagnostic.help(help));
    }
}
