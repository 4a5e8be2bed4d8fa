//! Subjects and peers of the cluster-wide policies from a tree.
//!
//! Refuses to know which pods, nodes and addresses there are.

use super::cluster_network_policy::{self as policy, Place, check_length, invalid};
use super::fields::{self, Shape};
use super::ip_block;
use super::names;
use super::reader::{self, Path, Reader};
use super::selector::{self, Selects};
use super::structure;
use crate::diagnostic::Severity;
use crate::k8s::{
    Action, ClusterNetworkPolicyPeer, ClusterPolicyKind, Direction, LabelSelector, PeerSelection,
    PodsSelection,
};
use crate::source::{Span, Spanned};
use crate::yaml::tree::{Entry, Node};

/// How many CIDRs or domain names a peer may have.
const MAX_NAMES: usize = 25;

/// Reads `subject` of `spec`; `at` is where it belongs.
pub(super) fn subject(
    at: Span,
    spec: Node<'_>,
    kind: ClusterPolicyKind,
    path: Path<'_>,
    reader: &mut Reader<'_>,
) -> Option<Spanned<PodsSelection>> {
    let Some(subject) = spec.find(&["subject"]) else {
        policy::refuse_missing(spec, "subject", at, path, reader);
        return None;
    };
    if reader.is_opaque(subject) || !subject.is_mapping() {
        return None;
    }
    let entry = only_member(subject, &fields::SUBJECT, "the subject", path, reader)?;
    let selection = pods(entry, kind, path, reader)?;
    Some(Spanned::new(selection, subject.span()))
}

/// The one field of a mapping that takes exactly one; null is not set.
pub(super) fn only_member<'t>(
    mapping: Node<'t>,
    shape: &Shape,
    what: &str,
    path: Path<'_>,
    reader: &mut Reader<'_>,
) -> Option<Entry<'t>> {
    let set: Vec<Entry<'t>> = mapping
        .entries()
        .filter(|entry| !entry.value.is_null())
        .collect();
    if structure::has_unknown_field(mapping, shape) {
        // Its finding says enough. Only the one that is known beside nulls will do.
        let [entry] = set.as_slice() else {
            reader.refuse_silently();
            return None;
        };
        if shape.field(&entry.key.key_text()).is_none() {
            reader.refuse_silently();
            return None;
        }
    }
    let names: Vec<String> = shape.names().map(|name| format!("`{name}`")).collect();
    let help = format!("set exactly one of {}", names.join(", "));
    match set.as_slice() {
        [entry] => Some(*entry),
        [] => {
            let null = mapping.entries().next().map(|entry| entry.key.span());
            let span = null.unwrap_or(mapping.span());
            reader.refuse(path, invalid(span, format!("{what} is empty")).help(help));
            None
        }
        [first, second, ..] => {
            let message = format!(
                "{what} has `{}` and `{}`",
                first.key.key_text(),
                second.key.key_text()
            );
            let diagnostic = invalid(second.key.span(), message).label("is one too many");
            let diagnostic = diagnostic.related(first.key.span(), "beside this one");
            reader.refuse(path, diagnostic.help(help));
            None
        }
    }
}

/// Reads `namespaces` or `pods`; `None` for other fields.
fn pods(
    entry: Entry<'_>,
    kind: ClusterPolicyKind,
    path: Path<'_>,
    reader: &mut Reader<'_>,
) -> Option<PodsSelection> {
    let name = entry.key.key_text();
    let path = path.field(&name);
    match &*name {
        "namespaces" => {
            let selector = selector::read(entry.value, Selects::Namespaces, path, reader)?;
            Some(PodsSelection::Namespaces(selector))
        }
        "pods" => {
            if reader.is_opaque(entry.value) || !entry.value.is_mapping() {
                return None;
            }
            let mut read = |name: &str, selects: Selects| match entry.value.find(&[name]) {
                Some(selector) => selector::read(selector, selects, path.field(name), reader),
                // A missing selector is an empty one here (S12).
                None => Some(LabelSelector::everything(
                    entry
                        .value
                        .entry(name)
                        .map_or(entry.key.span(), |entry| entry.key.span()),
                )),
            };
            let namespace_selector = read("namespaceSelector", Selects::Namespaces);
            let pod_selector = read("podSelector", Selects::Pods);
            check_required(entry, kind, path, reader);
            Some(PodsSelection::Pods {
                namespace_selector: namespace_selector?,
                pod_selector: pod_selector?,
            })
        }
        _ => None,
    }
}

/// Complains of selectors that `pods` must have, though nobody can misread what is meant: the
/// CRDs of v1alpha1 require both, that of v1alpha2 requires the one of pods. Verdicts take a
/// missing one for an empty one (S12); but not where another field is in its place.
fn check_required(
    entry: Entry<'_>,
    kind: ClusterPolicyKind,
    path: Path<'_>,
    reader: &mut Reader<'_>,
) {
    let required: &[&str] = match kind {
        ClusterPolicyKind::ClusterNetworkPolicy => &["podSelector"],
        ClusterPolicyKind::AdminNetworkPolicy | ClusterPolicyKind::BaselineAdminNetworkPolicy => {
            &["namespaceSelector", "podSelector"]
        }
    };
    let is_missing = |name: &&str| entry.value.find(&[*name]).is_none_or(Node::is_null);
    let missing: Vec<&str> = required.iter().copied().filter(is_missing).collect();
    if missing.is_empty() {
        return;
    }
    if structure::has_unknown_field(entry.value, &fields::NAMESPACED_POD) {
        // Its finding says enough: what it names may be the selector that is missing.
        reader.refuse_silently();
        return;
    }
    let names: Vec<String> = missing.iter().map(|name| format!("`{name}`")).collect();
    let message = format!(
        "`pods` has no {}, which its CRD requires",
        names.join(" and no ")
    );
    let all = missing.iter().map(|name| match *name {
        "podSelector" => "`podSelector: {}` for every pod",
        _ => "`namespaceSelector: {}` for every namespace",
    });
    let all: Vec<&str> = all.collect();
    let help = format!(
        "write {}, as which it counts in verdicts; the API server rejects the policy as it is",
        all.join(" and ")
    );
    let diagnostic = invalid(entry.key.span(), message).with_severity(Severity::Warning);
    reader.report(path, diagnostic.help(help));
}

/// Reads the peers of a rule; `None` if they cannot be read. `at` is where they belong.
pub(super) fn peers(
    rule: Node<'_>,
    at: Span,
    place: Place,
    action: Option<Spanned<Action>>,
    path: Path<'_>,
    reader: &mut Reader<'_>,
) -> Option<Vec<ClusterNetworkPolicyPeer>> {
    let field = place.direction.peers_field();
    let path = path.field(field);
    let Some(entry) = rule.entry(field).filter(|entry| !entry.value.is_null()) else {
        if structure::has_unknown_field(rule, policy::rule_shape(place)) {
            reader.refuse_silently();
        } else {
            policy::refuse_missing(rule, field, at, path, reader);
        }
        return None;
    };
    let list = entry.value;
    if reader.is_opaque(list) || !list.is_sequence() {
        return None;
    }
    if list.items().next().is_none() {
        let diagnostic = invalid(
            list.span(),
            format!("`{field}` is empty, and it must name a peer"),
        );
        let help = "`namespaces: {}` is every pod of the cluster";
        reader.refuse(path, diagnostic.help(help));
        return None;
    }
    check_length(list, place.most(), path, reader);
    reader::items(list, path, |item, path| {
        peer(item, place, action, path, reader)
    })
}

fn peer(
    item: Node<'_>,
    place: Place,
    action: Option<Spanned<Action>>,
    path: Path<'_>,
    reader: &mut Reader<'_>,
) -> Option<ClusterNetworkPolicyPeer> {
    if reader.is_opaque(item) {
        return None;
    }
    let span = if item.is_null() {
        item.dash().unwrap_or(item.span())
    } else {
        item.span()
    };
    if item.is_null() {
        reader.refuse(path, invalid(span, "the peer is empty"));
        return None;
    }
    if !item.is_mapping() {
        return None;
    }
    let shape = match place.direction {
        Direction::Ingress => &fields::CLUSTER_INGRESS_PEER,
        Direction::Egress => &fields::CLUSTER_EGRESS_PEER,
    };
    let entry = only_member(item, shape, "the peer", path, reader)?;
    let selection = selection(entry, place.kind, action, path, reader)?;
    Some(ClusterNetworkPolicyPeer { span, selection })
}

fn selection(
    entry: Entry<'_>,
    kind: ClusterPolicyKind,
    action: Option<Spanned<Action>>,
    path: Path<'_>,
    reader: &mut Reader<'_>,
) -> Option<PeerSelection> {
    let name = entry.key.key_text();
    let member = path.field(&name);
    match &*name {
        "nodes" => {
            let selector = selector::read(entry.value, Selects::Nodes, member, reader)?;
            Some(PeerSelection::Nodes(selector))
        }
        "networks" => {
            let read = |item: Node<'_>, path: Path<'_>, reader: &mut Reader<'_>| {
                ip_block::read_cidr(item, path, reader)
            };
            names_of(entry, member, reader, read).map(PeerSelection::Networks)
        }
        "domainNames" => {
            if let Some(action) = action.filter(|action| action.value != Action::Accept) {
                let message = "`domainNames` is in a rule that does not allow";
                let diagnostic =
                    invalid(entry.key.span(), message).related(action.span, "this is its action");
                reader.refuse(member, diagnostic.help("domain names can only be allowed"));
            }
            names_of(entry, member, reader, domain_name).map(PeerSelection::DomainNames)
        }
        _ => pods(entry, kind, path, reader).map(PeerSelection::Pods),
    }
}

/// Reads a list of different texts, of which there is at least one.
fn names_of<T>(
    entry: Entry<'_>,
    path: Path<'_>,
    reader: &mut Reader<'_>,
    mut read: impl FnMut(Node<'_>, Path<'_>, &mut Reader<'_>) -> Option<T>,
) -> Option<Vec<T>> {
    let list = entry.value;
    if reader.is_opaque(list) || !list.is_sequence() {
        return None;
    }
    if list.items().next().is_none() {
        reader.refuse(
            path,
            invalid(list.span(), format!("`{}` is empty", entry.key.key_text())),
        );
        return None;
    }
    check_length(list, MAX_NAMES, path, reader);
    let mut seen: Vec<(&str, Span)> = Vec::new();
    reader::items(list, path, |item, path| {
        if item.is_null() {
            reader.refuse(path, invalid(item.span(), "this entry is empty"));
            return None;
        }
        let text = item.as_str()?;
        if let Some((_, first)) = seen.iter().find(|(known, _)| *known == text) {
            let diagnostic = invalid(
                item.span(),
                format!("`{text}` is written twice in one list"),
            );
            reader.refuse(path, diagnostic.related(*first, "the first time"));
        } else if seen.len() < MAX_NAMES {
            seen.push((text, item.span()));
        }
        read(item, path, reader)
    })
}

fn domain_name(item: Node<'_>, path: Path<'_>, reader: &mut Reader<'_>) -> Option<Spanned<String>> {
    let text = item.as_str()?;
    if reader::is_opaque(item) {
        return Some(Spanned::new(text.to_owned(), item.span()));
    }
    if let Some(error) = names::domain_name_error(text) {
        let diagnostic =
            invalid(item.span(), format!("`{text}` is not a valid domain name")).label(error);
        reader.refuse(path, diagnostic);
    }
    Some(Spanned::new(text.to_owned(), item.span()))
}
