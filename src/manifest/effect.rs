//! What an API server makes of an object when it drops a field that it does not know.
//!
//! Refuses to know which pods exist: it speaks of what the text then says.

use super::fields::{self, Shape};
use super::structure::UnknownField;
use crate::diagnostic::FixClass;
use crate::yaml::tree::{Node, NodeId};
use std::collections::HashMap;

/// What becomes of mappings without their unknown fields: each mapping is read once, however many
/// of these it has.
#[derive(Debug, Default)]
pub(super) struct Consequences {
    by_mapping: HashMap<NodeId, Consequence>,
}

/// What becomes of a mapping without a field; `None` where that changes nothing that is said.
#[derive(Debug)]
struct Consequence {
    of_any: Option<String>,
    /// The same where the field is one of a port.
    of_port: Option<String>,
}

impl Consequences {
    /// What becomes of an object without an unknown field, as one sentence.
    pub(super) fn of_dropping(&mut self, field: &UnknownField<'_>) -> String {
        if field.is_refused {
            return "the API server rejects the object".to_owned();
        }
        let known = self.by_mapping.entry(field.mapping.id());
        let consequence = known.or_insert_with(|| consequence(field));
        let effect = match fields::PORT.field(&field.entry.key.key_text()) {
            Some(_) => &consequence.of_port,
            None => &consequence.of_any,
        };
        match effect {
            Some(effect) => {
                format!(
                    "kubectl rejects the object; a lenient API server drops the field, and {effect}"
                )
            }
            None => "kubectl rejects the object; a lenient API server drops the field".to_owned(),
        }
    }
}

/// What becomes of the mapping of a field without it.
fn consequence(field: &UnknownField<'_>) -> Consequence {
    let shape = field.shape;
    let is = |other: &Shape| std::ptr::eq(shape, other);
    let rest = field.mapping;
    if is(&fields::INGRESS_RULE) {
        return of_rule(rest, "from", "source");
    }
    if is(&fields::EGRESS_RULE) {
        return of_rule(rest, "to", "destination");
    }
    let effect = if is(&fields::NETWORK_POLICY_SPEC) {
        of_spec(rest)
    } else if is(&fields::PEER) {
        of_peer(rest)
    } else if shape.is_selector() {
        of_selector(rest, &field.path)
    } else if is(&fields::PORT) && is_unset(rest, "port") {
        let protocol = rest.get("protocol").and_then(Node::as_str).unwrap_or("TCP");
        Some(format!("this entry then means every port of {protocol}"))
    } else if is(&fields::IP_BLOCK) && is_unset(rest, "cidr") {
        Some("the block then has no `cidr`, so the policy is still rejected".to_owned())
    } else {
        None
    };
    Consequence {
        of_port: effect.clone(),
        of_any: effect,
    }
}

/// What it does to connectivity to write an unknown field as one that is known, measured by
/// what a lenient API server enforced. Within a rule it restores a requirement, without which
/// the rule allowed more; elsewhere rules, or the pods that are isolated.
pub(super) fn class_of_restoring(field: &UnknownField<'_>) -> FixClass {
    let is_within_rule = ["spec.ingress[", "spec.egress["]
        .iter()
        .any(|rule| field.path.starts_with(rule));
    let is_end_of_range =
        std::ptr::eq(field.shape, &fields::PORT) && !is_unset(field.mapping, "port");
    if is_within_rule && !is_end_of_range {
        FixClass::Narrowing
    } else {
        FixClass::Widening
    }
}

/// Missing, null, or an empty list or mapping.
fn is_empty(mapping: Node<'_>, name: &str) -> bool {
    is_unset(mapping, name)
        || mapping.get(name).is_some_and(|value| {
            value.text().is_none()
                && value.items().next().is_none()
                && value.entries().next().is_none()
        })
}

/// Missing or null.
fn is_unset(mapping: Node<'_>, name: &str) -> bool {
    mapping.find(&[name]).is_none()
}

/// Whether a selector, once unknown fields are dropped, requires nothing.
fn selects_all(selector: Node<'_>) -> bool {
    is_empty(selector, "matchLabels") && is_empty(selector, "matchExpressions")
}

fn of_spec(spec: Node<'_>) -> Option<String> {
    let pods = match spec.find(&["podSelector"]) {
        Some(selector) if !selects_all(selector) => "the pods that it selects",
        _ => "every pod of its namespace",
    };
    let types = spec.find(&["policyTypes"]);
    let is_typed = |name: &str| {
        types.is_some_and(|types| types.items().any(|item| item.as_str() == Some(name)))
    };
    let has_types = types.is_some_and(|types| types.items().next().is_some());
    // Without policyTypes: Ingress, and Egress if it has rules (defaults.go).
    let applies_to_ingress = !has_types || is_typed("Ingress");
    let applies_to_egress = if has_types {
        is_typed("Egress")
    } else {
        !is_empty(spec, "egress")
    };
    let denies_ingress = applies_to_ingress && is_empty(spec, "ingress");
    let denies_egress = applies_to_egress && is_empty(spec, "egress");
    Some(match (denies_ingress, denies_egress) {
        (true, true) => format!("the policy then denies all traffic of {pods}"),
        (true, false) => format!("the policy then denies all ingress to {pods}"),
        (false, true) => format!("the policy then denies all egress from {pods}"),
        (false, false) if pods.starts_with("every") => format!("the policy then applies to {pods}"),
        (false, false) => return None,
    })
}

fn of_rule(rule: Node<'_>, peers: &str, end: &str) -> Consequence {
    let all_peers = is_empty(rule, peers);
    let all_ports = is_empty(rule, "ports");
    let of_any = match (all_peers, all_ports) {
        (true, true) => Some(format!("the rule then allows every {end} on every port")),
        (true, false) => Some(format!("the rule then allows every {end} on its ports")),
        (false, _) => None,
    };
    let of_port = match (all_peers, all_ports) {
        (false, true) => Some("the rule then allows its peers on every port".to_owned()),
        _ => of_any.clone(),
    };
    Consequence { of_any, of_port }
}

fn of_peer(peer: Node<'_>) -> Option<String> {
    let pods = peer.find(&["podSelector"]);
    let namespaces = peer.find(&["namespaceSelector"]);
    let is_all = |selector: Option<Node<'_>>| selector.is_none_or(selects_all);
    let peer = match (namespaces, pods) {
        _ if peer.find(&["ipBlock"]).is_some() => return None,
        (None, None) => {
            return Some("the peer is then empty, so the policy is still rejected".to_owned());
        }
        (_, pods) if !is_all(pods) => return None,
        (None, _) => "every pod of the policy's namespace",
        (Some(namespaces), _) if selects_all(namespaces) => "every pod of the cluster",
        (Some(_), _) => "every pod of the namespaces that it selects",
    };
    Some(format!("the peer is then {peer}"))
}

fn of_selector(selector: Node<'_>, path: &str) -> Option<String> {
    if !selects_all(selector) {
        return None;
    }
    let last = path.rsplit('.').next().unwrap_or_default();
    Some(match last {
        "podSelector" if path == "spec.podSelector" => {
            "the policy then applies to every pod of its namespace".to_owned()
        }
        "podSelector" => "the selector then matches every pod".to_owned(),
        "namespaceSelector" | "namespaces" => {
            "the selector then matches every namespace".to_owned()
        }
        _ => "the selector then matches everything".to_owned(),
    })
}
