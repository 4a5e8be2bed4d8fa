//! What was not judged, in words and for machines: every answer of every command says it.
//!
//! Refuses to find it: the workspace does.

use super::count;
use crate::source::{SourceMap, Span};
use crate::workspace::{InertPolicy, InertReason, NotJudged, OptionNotModelled};
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// How many names are listed before the rest is counted.
const MAX_NAMES: usize = 5;

/// How many parts that could not be built are named before the rest is counted.
const MAX_PARTS: usize = 8;

/// One line for each kind of what was not judged; nothing where all was. Not escaped.
#[must_use]
pub fn not_judged_lines(not_judged: &NotJudged, sources: &SourceMap) -> Vec<String> {
    let mut lines = Vec::new();
    for (kind, number) in not_judged.foreign_policies() {
        lines.push(format!(
            "not evaluated: {} of {}, {}",
            count(number, "policy"),
            kind.product,
            kind.qualified,
        ));
    }
    let rejected: Vec<&str> = not_judged.rejected_policies().collect();
    if !rejected.is_empty() {
        let policies = count(rejected.len(), "policy");
        lines.push(format!(
            "left out: {policies} that the API server rejects: {}",
            names(&rejected)
        ));
    }
    lines.extend(inert_lines(not_judged));
    for option in not_judged.options() {
        lines.push(format!(
            "not modelled: {} sets `{}`: {}",
            option.object, option.option, option.effect
        ));
    }
    for (object, twice) in not_judged.defined_twice() {
        let [first, second] = [twice.first, twice.second].map(|span| place(sources, span));
        lines.push(format!(
            "unknown: {object} is defined twice, differently: {first} and {second}"
        ));
    }
    if not_judged.unread_documents() > 0 {
        let documents = count(not_judged.unread_documents(), "document");
        lines.push(format!("not read: {documents}; `npcheck lint` says why"));
    }
    let parts = not_judged.opaque_parts();
    // One more line instead of the last one would tell less.
    let shown = match parts.len() > MAX_PARTS + 1 {
        true => MAX_PARTS,
        false => parts.len(),
    };
    for part in parts.iter().take(shown) {
        lines.push(format!("unknown: {}: {}", part.name, part.part.reason));
    }
    if parts.len() > shown {
        let others = count(parts.len() - shown, "other part");
        lines.push(format!(
            "unknown: {others} that could not be built; `npcheck files --roots` lists them"
        ));
    }
    lines
}

/// What the CNI plugin enforces nothing of: what the agent rejects by name and reason, the
/// policies of other plugins by their number.
fn inert_lines(not_judged: &NotJudged) -> Vec<String> {
    let mut lines = Vec::new();
    let mut of_others: BTreeMap<(&str, &str), usize> = BTreeMap::new();
    let mut not_read: BTreeMap<(&str, &str), usize> = BTreeMap::new();
    let mut rejected = Vec::new();
    let mut refused: Vec<&str> = Vec::new();
    let mut for_nodes: Vec<&str> = Vec::new();
    for policy in not_judged.inert_policies() {
        match &policy.reason {
            InertReason::RejectedByServer => refused.push(&policy.name),
            InertReason::HostFirewallOff => for_nodes.push(&policy.name),
            InertReason::RejectedByAgent(reason) => rejected.push((&policy.name, reason)),
            InertReason::OfAnotherPlugin { product, cni } => {
                *of_others.entry((product, cni)).or_default() += 1;
            }
            InertReason::KindNotRead { kind, cni } => {
                *not_read.entry((kind, cni)).or_default() += 1;
            }
        }
    }
    for (name, reason) in rejected.iter().take(MAX_NAMES) {
        lines.push(format!(
            "not enforced: {name} is rejected by Cilium's agent: {reason}"
        ));
    }
    if rejected.len() > MAX_NAMES {
        let more = count(rejected.len() - MAX_NAMES, "more policy");
        lines.push(format!("not enforced: {more} that Cilium's agent rejects"));
    }
    if !refused.is_empty() {
        let policies = count(refused.len(), "policy");
        lines.push(format!(
            "not enforced: {policies} that the API server rejects: {}",
            names(&refused)
        ));
    }
    if !for_nodes.is_empty() {
        let policies = count(for_nodes.len(), "policy");
        lines.push(format!(
            "not enforced: {policies} for nodes, as the host firewall of Cilium is off unless \
             `cilium.enableHostFirewall` is set: {}",
            names(&for_nodes)
        ));
    }
    for ((product, cni), number) in of_others {
        let policies = count(number, "policy");
        lines.push(format!(
            "not enforced: {policies} of {product}, as the CNI plugin is {cni}"
        ));
    }
    for ((kind, cni), number) in not_read {
        let policies = count(number, kind);
        lines.push(format!(
            "not enforced: {policies}, which {cni} does not read"
        ));
    }
    lines
}

/// The same for machines.
pub(super) fn value(not_judged: &NotJudged, sources: &SourceMap) -> Value {
    let foreign = not_judged.foreign_policies();
    let foreign = foreign.into_iter().map(|(kind, number)| {
        json!({"product": kind.product.name(), "kind": kind.qualified, "count": number})
    });
    let twice = not_judged.defined_twice().iter().map(|(object, twice)| {
        let places = [twice.first, twice.second].map(|span| place(sources, span));
        json!({"object": object, "places": places})
    });
    let opaque = not_judged.opaque_parts().iter();
    let opaque = opaque.map(|part| json!({"name": part.name, "reason": part.part.reason}));
    json!({
        "foreignPolicies": foreign.collect::<Vec<Value>>(),
        "rejectedPolicies": not_judged.rejected_policies().collect::<Vec<&str>>(),
        "inertPolicies": not_judged.inert_policies().map(inert_value).collect::<Vec<Value>>(),
        "definedTwice": twice.collect::<Vec<Value>>(),
        "unreadDocuments": not_judged.unread_documents(),
        "opaqueParts": opaque.collect::<Vec<Value>>(),
        "agentOptions": not_judged.options().map(option_value).collect::<Vec<Value>>(),
    })
}

fn option_value(option: &OptionNotModelled) -> Value {
    json!({"object": option.object, "option": option.option, "effect": option.effect})
}

fn inert_value(policy: &InertPolicy) -> Value {
    let reason = match &policy.reason {
        InertReason::RejectedByServer => "the API server rejects it".to_owned(),
        InertReason::HostFirewallOff => "it is for nodes, and the host firewall is off".to_owned(),
        InertReason::RejectedByAgent(reason) => format!("Cilium's agent rejects it: {reason}"),
        InertReason::OfAnotherPlugin { cni, .. } => format!("the CNI plugin is {cni}"),
        InertReason::KindNotRead { kind, cni } => format!("{cni} does not read {kind} objects"),
    };
    json!({"policy": policy.name, "reason": reason})
}

/// The name of a cluster in a list of several.
#[must_use]
pub fn display_name(name: &str) -> &str {
    match name {
        "" => "the rest of the tree",
        name => name,
    }
}

fn place(sources: &SourceMap, span: Span) -> String {
    let line = sources.position(span).line;
    format!("{}:{line}", sources.get(span.source).name())
}

/// The first of some names, and how many more there are.
fn names(names: &[&str]) -> String {
    let shown = names[..names.len().min(MAX_NAMES)].join(", ");
    match names.len() - names.len().min(MAX_NAMES) {
        0 => shown,
        more => format!("{shown} and {more} more"),
    }
}
