//! `NetworkPolicy` from a tree, with everything that an API server refuses it for.
//!
//! Refuses to know other objects: whether anything matches is not asked here.

use super::fields;
use super::identity;
use super::invalid_value;
use super::ip_block;
use super::policy_port;
use super::reader::{self, Path, Reader};
use super::selector::{self, Selects};
use super::structure::{self, Structure};
use super::suggestion;
use super::unknown;
use crate::diagnostic::{Diagnostic, Severity};
use crate::k8s::{
    Direction, Field, LabelSelector, NetworkPolicy, NetworkPolicyPeer, NetworkPolicyRule,
    ObjectMeta,
};
use crate::source::{Span, Spanned};
use crate::yaml::tree::{Entry, Node};

/// Reads the policy `node` of a `kind` as it is written, whose metadata is read already.
///
/// Everything that is wrong with its text goes into `diagnostics`, in the order of the
/// text. What an API server would refuse leaves the policy not accepted; parts that
/// cannot be read are left out, and lists of nothing but such parts are missing.
pub(super) fn read(
    node: Node<'_>,
    kind: &str,
    mut meta: ObjectMeta,
    diagnostics: &mut Vec<Diagnostic>,
) -> NetworkPolicy {
    let name = format!("{}/NetworkPolicy/{}", meta.namespace_name(), meta.name);
    let mut reader = Reader::new(name, diagnostics);
    let mut structure = Structure::of(node, &fields::NETWORK_POLICY);
    let shape = &fields::NETWORK_POLICY;
    unknown::report(node, shape, &structure, &mistakes, &mut reader);
    let is_shape_right = structure.count() == 0;
    structure.report(&mut reader);
    identity::check_kind(node, kind, &mut reader);
    identity::check_api_version(node, &meta, &mut reader);
    identity::check_names(node, identity::Scope::Namespace, &mut reader);
    identity::check_relations(node, &mut reader);
    let spec = spec(node, &mut reader);
    reader.finish(&mut meta);
    let policy = assembled(node, meta, spec);
    NetworkPolicy {
        silent: silent(node, &policy, is_shape_right),
        ..policy
    }
}

/// Reads the policy that a staged one of Calico's stands for. Calico checks what is staged by
/// itself, so that only what can be read of it counts.
pub(super) fn read_staged(node: Node<'_>, mut meta: ObjectMeta) -> NetworkPolicy {
    let mut diagnostics = Vec::new();
    let mut reader = Reader::new(String::new(), &mut diagnostics);
    let spec = spec(node, &mut reader);
    reader.finish(&mut meta);
    assembled(node, meta, spec)
}

/// The policy with what stands in its `spec`.
fn assembled(node: Node<'_>, meta: ObjectMeta, spec: Spec) -> NetworkPolicy {
    NetworkPolicy {
        meta,
        spec_key: node
            .entry("spec")
            .map_or(node.span().before(), |entry| entry.key.span()),
        pod_selector: spec.pod_selector,
        policy_types: spec.policy_types,
        ingress: spec.ingress,
        egress: spec.egress,
        silent: Vec::new(),
    }
}

/// The directions that nothing that is put right about a policy brings into it. Its
/// `policyTypes` decide where all of them can be read; without them Egress depends on the
/// rules, which may be among the fields that are in the wrong place or misspelled.
fn silent(node: Node<'_>, policy: &NetworkPolicy, is_shape_right: bool) -> Vec<Direction> {
    let written = node.find(&["spec", "policyTypes"]);
    let written = written.map_or(0, |list| list.items().count());
    let is_known = match policy.policy_types.items().len() {
        0 => written == 0 && is_shape_right,
        read => read == written,
    };
    let mut directions = Direction::BOTH.to_vec();
    directions.retain(|direction| is_known && !policy.applies_to(*direction));
    directions
}

/// What a policy would be refused for, beside fields that do not exist.
fn mistakes(node: Node<'_>) -> Vec<Diagnostic> {
    let mut diagnostics = Vec::new();
    spec(node, &mut Reader::new(String::new(), &mut diagnostics));
    diagnostics
}

#[derive(Default)]
struct Spec {
    pod_selector: Field<LabelSelector>,
    policy_types: Field<Vec<Spanned<Direction>>>,
    ingress: Field<Vec<NetworkPolicyRule>>,
    egress: Field<Vec<NetworkPolicyRule>>,
}

fn spec(node: Node<'_>, reader: &mut Reader<'_>) -> Spec {
    let Some(spec) = node.find(&["spec"]) else {
        return Spec::default();
    };
    if reader.is_opaque(spec) {
        return Spec::default();
    }
    let path = Path::Object.field("spec");
    let mut rules = |direction: Direction| {
        reader::field(spec, direction.field(), |entry| {
            rules(
                entry.value,
                direction,
                path.field(direction.field()),
                reader,
            )
        })
    };
    let ingress = rules(Direction::Ingress);
    let egress = rules(Direction::Egress);
    Spec {
        pod_selector: reader::field(spec, "podSelector", |entry| {
            selector::read(
                entry.value,
                Selects::Pods,
                path.field("podSelector"),
                reader,
            )
        }),
        policy_types: reader::field(spec, "policyTypes", |entry| {
            policy_types(entry.value, path.field("policyTypes"), reader)
        }),
        ingress,
        egress,
    }
}

fn policy_types(
    list: Node<'_>,
    path: Path<'_>,
    reader: &mut Reader<'_>,
) -> Option<Vec<Spanned<Direction>>> {
    if reader.is_opaque(list) {
        return None;
    }
    if let Some(third) = list.items().nth(2) {
        let diagnostic = invalid_value(third.span(), "`policyTypes` has more than two entries");
        reader.refuse(path, diagnostic.label("is one too many"));
    }
    reader::items(list, path, |item, path| policy_type(item, path, reader))
}

fn policy_type(
    item: Node<'_>,
    path: Path<'_>,
    reader: &mut Reader<'_>,
) -> Option<Spanned<Direction>> {
    const DIRECTIONS: [Direction; 2] = Direction::BOTH;
    if reader.is_opaque(item) {
        return None;
    }
    if item.is_null() {
        reader.refuse(
            path,
            invalid_value(item.span(), "this entry of `policyTypes` is empty"),
        );
        return None;
    }
    let text = item.as_str()?;
    if let Some(direction) = DIRECTIONS
        .into_iter()
        .find(|direction| direction.policy_type() == text)
    {
        return Some(Spanned::new(direction, item.span()));
    }
    let diagnostic = invalid_value(item.span(), format!("`{text}` is not a valid policy type"));
    let diagnostic = match suggestion::near_miss(text, DIRECTIONS.map(Direction::policy_type)) {
        Some(meant) => {
            let diagnostic = diagnostic.label(format!("did you mean `{meant}`?"));
            reader::write_instead(diagnostic, item, meant)
        }
        None => diagnostic.help("the policy types are `Ingress` and `Egress`"),
    };
    reader.refuse(path, diagnostic);
    None
}

fn rules(
    list: Node<'_>,
    direction: Direction,
    path: Path<'_>,
    reader: &mut Reader<'_>,
) -> Option<Vec<NetworkPolicyRule>> {
    if reader.is_opaque(list) {
        return None;
    }
    reader::items(list, path, |item, path| {
        // Null is the empty rule, as when Go decodes JSON.
        let is_rule = item.is_mapping() || item.is_null();
        (!reader.is_opaque(item) && is_rule).then(|| rule(item, direction, path, reader))
    })
}

fn rule(
    item: Node<'_>,
    direction: Direction,
    path: Path<'_>,
    reader: &mut Reader<'_>,
) -> NetworkPolicyRule {
    let field = direction.peers_field();
    let peers = reader::field(item, field, |entry| peers(entry, path.field(field), reader));
    let ports = reader::field(item, "ports", |entry| {
        policy_port::read_all(entry.value, path.field("ports"), reader)
    });
    NetworkPolicyRule {
        span: item.span(),
        dash: item.dash(),
        peers,
        ports,
    }
}

fn peers(
    entry: Entry<'_>,
    path: Path<'_>,
    reader: &mut Reader<'_>,
) -> Option<Vec<NetworkPolicyPeer>> {
    if reader.is_opaque(entry.value) {
        return None;
    }
    reader::items(entry.value, path, |item, path| peer(item, path, reader))
}

fn peer(item: Node<'_>, path: Path<'_>, reader: &mut Reader<'_>) -> Option<NetworkPolicyPeer> {
    if reader.is_opaque(item) || !(item.is_mapping() || item.is_null()) {
        return None;
    }
    check_members(item, path, reader);
    let mut selector = |name: &str, selects: Selects| {
        reader::field(item, name, |entry| {
            selector::read(entry.value, selects, path.field(name), reader)
        })
    };
    let pod_selector = selector("podSelector", Selects::Pods);
    let namespace_selector = selector("namespaceSelector", Selects::Namespaces);
    let ip_block = reader::field(item, "ipBlock", |entry| {
        ip_block::read(entry, path.field("ipBlock"), reader)
    });
    let peer = NetworkPolicyPeer {
        span: item.span(),
        dash: item.dash(),
        pod_selector,
        namespace_selector,
        ip_block,
    };
    let is_anybody = peer.pod_selector.get().is_some()
        || peer.namespace_selector.get().is_some()
        || peer.ip_block.get().is_some();
    is_anybody.then_some(peer)
}

/// An `invalid-peer`.
pub(super) fn invalid_peer(span: Span, message: impl Into<String>) -> Diagnostic {
    Diagnostic::new("invalid-peer", Severity::Error, span, message)
}

/// A peer has selectors or a block, not both and not neither.
fn check_members(peer: Node<'_>, path: Path<'_>, reader: &mut Reader<'_>) {
    let set: Vec<Entry<'_>> = peer
        .entries()
        .filter(|entry| !entry.value.is_null())
        .filter(|entry| fields::PEER.field(&entry.key.key_text()).is_some())
        .collect();
    let block = set.iter().find(|entry| entry.key.is_key("ipBlock"));
    match (set.as_slice(), block) {
        ([], _) if structure::has_unknown_field(peer, &fields::PEER) => reader.refuse_silently(),
        ([], _) => reader.refuse(path, empty_peer(peer)),
        ([_, ..], Some(block)) if set.len() > 1 => {
            let others: Vec<&Entry<'_>> = set
                .iter()
                .filter(|entry| !entry.key.is_key("ipBlock"))
                .collect();
            let message = "this peer has both an `ipBlock` and a selector";
            let mut diagnostic = invalid_peer(block.key.span(), message);
            for other in others {
                diagnostic = diagnostic.related(other.key.span(), "beside this selector");
            }
            let help = "an address block and pods are two peers: make each an item of its own";
            reader.refuse(path, diagnostic.help(help));
        }
        _ => {}
    }
}

fn empty_peer(peer: Node<'_>) -> Diagnostic {
    let note =
        "the API server rejects it; where such a peer exists, CNI plugins differ on what it means";
    let Some(null) = peer.entries().find(|entry| entry.value.is_null()) else {
        let span = match peer.dash() {
            Some(dash) if peer.is_null() => dash,
            _ => peer.span(),
        };
        let help = "name a peer; to allow everybody, leave the list of peers out of the rule";
        return invalid_peer(span, "this peer is empty")
            .label("names nobody")
            .note(note)
            .help(help);
    };
    let key = null.key.key_text();
    let help = match &*key {
        "podSelector" => {
            "write `podSelector: {}` for every pod of the policy's namespace".to_owned()
        }
        "namespaceSelector" => {
            "write `namespaceSelector: {}` for every pod of the cluster".to_owned()
        }
        _ => format!("give `{key}` a value"),
    };
    let diagnostic = invalid_peer(null.key.span(), "this peer is empty");
    diagnostic
        .label(format!("`{key}` has no value, so it counts as missing"))
        .note(note)
        .help(help)
}
