//! The cluster-wide policies from a tree, with everything that their CRDs refuse.
//!
//! Refuses to know other objects, and how tiers are evaluated.

use super::cluster_peer;
use super::cluster_port;
use super::fields;
use super::identity;
use super::reader::{self, Path, Reader};
use super::structure::{self, Structure};
use super::suggestion;
use super::unknown;
use crate::diagnostic::{Diagnostic, Severity};
use crate::k8s::{
    Action, ClusterNetworkPolicy, ClusterNetworkPolicyRule, ClusterPolicyKind, Direction,
    LabelSelector, ObjectMeta, PeerSelection, PodsSelection, Tier,
};
use crate::source::{Span, Spanned};
use crate::yaml::tree::Node;

/// Reads the policy `node` of a kind, whose metadata is read already.
///
/// Everything that is wrong with its text goes into `diagnostics`, in the order of the
/// text. What a CRD would refuse leaves the policy not accepted; parts that cannot be
/// read are left out, and where one must be there, its place is taken by any value.
pub(super) fn read(
    node: Node<'_>,
    kind: ClusterPolicyKind,
    mut meta: ObjectMeta,
    diagnostics: &mut Vec<Diagnostic>,
) -> ClusterNetworkPolicy {
    let shape = fields::cluster_policy(kind);
    let mut reader = Reader::new(format!("{}/{}", kind.name(), meta.name), diagnostics);
    let mut structure = Structure::of(node, shape);
    let mistakes = |node: Node<'_>| mistakes(node, kind);
    unknown::report(node, shape, &structure, &mistakes, &mut reader);
    let is_shape_right = structure.count() == 0;
    structure.report(&mut reader);
    identity::check_names(node, identity::Scope::Cluster, &mut reader);
    identity::check_relations(node, &mut reader);
    if kind != ClusterPolicyKind::ClusterNetworkPolicy {
        // kubernetes-sigs/network-policy-api: both kinds have had no other version.
        const VERSIONS: &[&str] = &["policy.networking.k8s.io/v1alpha1"];
        identity::check_plugin_version(node, &meta, VERSIONS, &mut reader);
    }
    if kind == ClusterPolicyKind::ClusterNetworkPolicy && !is_of_own_group(&meta) {
        const USUAL: &[&str] = &["policy.networking.k8s.io/v1alpha2"];
        identity::check_plugin_version(node, &meta, USUAL, &mut reader);
    }
    check_kind(&meta, kind, &mut reader);
    let spec = Spec::read(node, kind, &mut reader);
    if !ClusterNetworkPolicy::takes_host_bits(&meta.api_version) {
        check_host_bits(&spec.egress, &mut reader);
    }
    reader.finish(&mut meta);
    let place = node.span().before();
    let is_silent = |direction: &Direction| {
        let rules = node.find(&["spec", direction.field()]);
        is_shape_right && rules.is_none_or(|rules| rules.items().next().is_none())
    };
    ClusterNetworkPolicy {
        silent: Direction::BOTH.into_iter().filter(is_silent).collect(),
        meta,
        kind,
        tier: spec.tier.unwrap_or(Tier::Admin),
        priority: spec.priority.unwrap_or(Spanned::new(0, place)),
        subject: spec.subject.unwrap_or_else(|| {
            Spanned::new(
                PodsSelection::Namespaces(LabelSelector::everything(place)),
                place,
            )
        }),
        ingress: spec.ingress,
        egress: spec.egress,
    }
}

/// An `invalid-admin-policy` that a CRD refuses the object for.
pub(super) fn invalid(span: Span, message: impl Into<String>) -> Diagnostic {
    Diagnostic::new("invalid-admin-policy", Severity::Error, span, message)
}

/// What a policy would be refused for, beside fields that do not exist.
fn mistakes(node: Node<'_>, kind: ClusterPolicyKind) -> Vec<Diagnostic> {
    let mut diagnostics = Vec::new();
    Spec::read(
        node,
        kind,
        &mut Reader::new(String::new(), &mut diagnostics),
    );
    diagnostics
}

/// Since v1beta1 a network is written without host bits.
fn check_host_bits(egress: &[ClusterNetworkPolicyRule], reader: &mut Reader<'_>) {
    let spec = Path::Object.field("spec");
    let list = spec.field("egress");
    for (index, rule) in egress.iter().enumerate() {
        let rule_path = list.item(index);
        let peers_path = rule_path.field("to");
        for (index, peer) in rule.peers.iter().enumerate() {
            let PeerSelection::Networks(networks) = &peer.selection else {
                continue;
            };
            let peer_path = peers_path.item(index);
            let networks_path = peer_path.field("networks");
            for (index, network) in networks.iter().enumerate() {
                let block = network.trunc();
                if block == network.value {
                    continue;
                }
                let message = format!("`{}` has host bits set beyond its prefix", network.value);
                let diagnostic = invalid(network.span, message)
                    .label("is rejected by the API server")
                    .help(format!(
                        "write `{block}`: v1alpha2 takes both, v1beta1 only this"
                    ));
                reader.refuse(networks_path.item(index), diagnostic);
            }
        }
    }
}

/// The place that a rule or a peer has in the API.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place {
    /// The kind of the policy.
    pub(super) kind: ClusterPolicyKind,
    /// Whether it is below `ingress` or `egress`.
    pub(super) direction: Direction,
}

impl Place {
    /// Whether it is of v1alpha2, the generation with `tcp` and `Accept`.
    pub(super) fn is_newest(self) -> bool {
        self.kind == ClusterPolicyKind::ClusterNetworkPolicy
    }

    /// How many rules, peers or ports there may be.
    pub(super) fn most(self) -> usize {
        if self.is_newest() { 25 } else { 100 }
    }
}

fn is_of_own_group(meta: &ObjectMeta) -> bool {
    meta.api_version.starts_with("policy.networking.k8s.io/")
}

/// Only one kind has no other name than `default`; two kinds have a successor.
fn check_kind(meta: &ObjectMeta, kind: ClusterPolicyKind, reader: &mut Reader<'_>) {
    let is_baseline = kind == ClusterPolicyKind::BaselineAdminNetworkPolicy;
    if is_baseline && meta.name.value != "default" && !crate::k8s::is_opaque(&meta.name) {
        let message = "a `BaselineAdminNetworkPolicy` must be named `default`";
        let diagnostic = invalid(meta.name.span, message).label("is rejected by the API server");
        let path = Path::Object.field("metadata");
        reader.refuse(
            path.field("name"),
            diagnostic.help("write `default`; a cluster has one of them"),
        );
    }
    if kind == ClusterPolicyKind::ClusterNetworkPolicy {
        return;
    }
    let message = format!("`{}` is superseded by `ClusterNetworkPolicy`", kind.name());
    let diagnostic = invalid(meta.api_version.span, message);
    let diagnostic = Diagnostic {
        severity: Severity::Info,
        ..diagnostic
    };
    let note = "the newest release of the network policy API no longer has a CRD for it";
    reader.report(Path::Object.field("kind"), diagnostic.note(note));
}

#[derive(Default)]
struct Spec {
    tier: Option<Tier>,
    priority: Option<Spanned<i32>>,
    subject: Option<Spanned<PodsSelection>>,
    ingress: Vec<ClusterNetworkPolicyRule>,
    egress: Vec<ClusterNetworkPolicyRule>,
}

impl Spec {
    fn read(node: Node<'_>, kind: ClusterPolicyKind, reader: &mut Reader<'_>) -> Self {
        let path = Path::Object.field("spec");
        let Some(spec) = node.find(&["spec"]) else {
            let key = node
                .entry("spec")
                .map_or(node.span().before(), |entry| entry.key.span());
            reader.refuse(path, invalid(key, "the policy has no `spec`"));
            return Self::default();
        };
        if reader.is_opaque(spec) || !spec.is_mapping() {
            return Self::default();
        }
        let mut rules = |direction: Direction| rules(spec, Place { kind, direction }, path, reader);
        let ingress = rules(Direction::Ingress);
        let egress = rules(Direction::Egress);
        Self {
            tier: tier(node, spec, kind, path.field("tier"), reader),
            priority: priority(node, spec, kind, path.field("priority"), reader),
            subject: cluster_peer::subject(
                key_of(node, "spec"),
                spec,
                kind,
                path.field("subject"),
                reader,
            ),
            ingress,
            egress,
        }
    }
}

fn key_of(mapping: Node<'_>, name: &str) -> Span {
    mapping
        .entry(name)
        .map_or(mapping.span().before(), |entry| entry.key.span())
}

/// Refuses an object for a field that must be there; `at` is where it belongs.
pub(super) fn refuse_missing(
    mapping: Node<'_>,
    name: &str,
    at: Span,
    path: Path<'_>,
    reader: &mut Reader<'_>,
) {
    let span = mapping.entry(name).map_or(at, |entry| entry.key.span());
    let what = if mapping.entry(name).is_some() {
        "has no value"
    } else {
        "is missing"
    };
    reader.refuse(
        path,
        invalid(span, format!("`{name}` {what}, and it must be there")),
    );
}

fn tier(
    node: Node<'_>,
    spec: Node<'_>,
    kind: ClusterPolicyKind,
    path: Path<'_>,
    reader: &mut Reader<'_>,
) -> Option<Tier> {
    match kind {
        ClusterPolicyKind::AdminNetworkPolicy => return Some(Tier::Admin),
        ClusterPolicyKind::BaselineAdminNetworkPolicy => return Some(Tier::Baseline),
        ClusterPolicyKind::ClusterNetworkPolicy => {}
    }
    let Some(tier) = spec.find(&["tier"]) else {
        refuse_absent(
            spec,
            &fields::CLUSTER_SPEC,
            "tier",
            key_of(node, "spec"),
            path,
            reader,
        );
        return None;
    };
    if reader.is_opaque(tier) {
        return None;
    }
    match tier.as_str()? {
        "Admin" => Some(Tier::Admin),
        "Baseline" => Some(Tier::Baseline),
        text => {
            reader.refuse(path, choice(tier, text, "tier", &["Admin", "Baseline"]));
            None
        }
    }
}

/// The same as [`refuse_missing`], unless a mistyped key may be what is missing.
fn refuse_absent(
    mapping: Node<'_>,
    shape: &fields::Shape,
    name: &str,
    at: Span,
    path: Path<'_>,
    reader: &mut Reader<'_>,
) {
    if structure::has_unknown_field(mapping, shape) {
        reader.refuse_silently();
    } else {
        refuse_missing(mapping, name, at, path, reader);
    }
}

/// A text that is none of those that a field takes.
fn choice(node: Node<'_>, text: &str, what: &str, choices: &[&str]) -> Diagnostic {
    let diagnostic = invalid(node.span(), format!("`{text}` is not a valid {what}"));
    let list: Vec<String> = choices.iter().map(|choice| format!("`{choice}`")).collect();
    match suggestion::near_miss(text, choices.iter().copied()) {
        Some(meant) => diagnostic
            .label(format!("did you mean `{meant}`?"))
            .help(format!("write `{meant}`")),
        None => diagnostic.help(format!("it takes {}", list.join(" or "))),
    }
}

fn priority(
    node: Node<'_>,
    spec: Node<'_>,
    kind: ClusterPolicyKind,
    path: Path<'_>,
    reader: &mut Reader<'_>,
) -> Option<Spanned<i32>> {
    let key = key_of(node, "spec");
    if kind == ClusterPolicyKind::BaselineAdminNetworkPolicy {
        // It comes after every Baseline ClusterNetworkPolicy (S12).
        return Some(Spanned::new(1001, key));
    }
    let Some(priority) = spec.find(&["priority"]) else {
        refuse_absent(spec, shape_of_spec(kind), "priority", key, path, reader);
        return None;
    };
    if reader.is_opaque(priority) {
        return None;
    }
    let number = priority.as_int()?;
    match i32::try_from(number) {
        Ok(value) if (0..=1000).contains(&value) => Some(Spanned::new(value, priority.span())),
        _ => {
            let diagnostic = invalid(priority.span(), format!("`priority` is {number}"));
            reader.refuse(path, diagnostic.label("priorities are 0 to 1000"));
            None
        }
    }
}

fn shape_of_spec(kind: ClusterPolicyKind) -> &'static fields::Shape {
    match kind {
        ClusterPolicyKind::AdminNetworkPolicy => &fields::ADMIN_SPEC,
        ClusterPolicyKind::BaselineAdminNetworkPolicy => &fields::BASELINE_ADMIN_SPEC,
        ClusterPolicyKind::ClusterNetworkPolicy => &fields::CLUSTER_SPEC,
    }
}

fn rules(
    spec: Node<'_>,
    place: Place,
    path: Path<'_>,
    reader: &mut Reader<'_>,
) -> Vec<ClusterNetworkPolicyRule> {
    let field = place.direction.field();
    let Some(list) = spec.find(&[field]) else {
        return Vec::new();
    };
    if reader.is_opaque(list) {
        return Vec::new();
    }
    let path = path.field(field);
    check_length(list, place.most(), path, reader);
    reader::items(list, path, |item, path| rule(item, place, path, reader)).unwrap_or_default()
}

/// Refuses a list for its items beyond the `most` that it may have.
pub(super) fn check_length(list: Node<'_>, most: usize, path: Path<'_>, reader: &mut Reader<'_>) {
    if let Some(item) = list.items().nth(most) {
        let message = format!("the list has more than {most} entries");
        reader.refuse(path, invalid(item.span(), message).label("is one too many"));
    }
}

fn rule(
    item: Node<'_>,
    place: Place,
    path: Path<'_>,
    reader: &mut Reader<'_>,
) -> Option<ClusterNetworkPolicyRule> {
    if reader.is_opaque(item) {
        return None;
    }
    if item.is_null() {
        reader.refuse(path, invalid(item.span(), "this rule is empty"));
        return None;
    }
    if !item.is_mapping() {
        return None;
    }
    let at = item.dash().unwrap_or(item.span());
    let name = name(item, path, reader);
    let action = action(item, at, place, path, reader);
    let peers = cluster_peer::peers(item, at, place, action, path, reader);
    let ports = cluster_port::read_all(item, place, path, reader);
    Some(ClusterNetworkPolicyRule {
        span: item.span(),
        dash: item.dash(),
        name,
        action: action?,
        peers: peers?,
        ports: ports?,
    })
}

fn name(item: Node<'_>, path: Path<'_>, reader: &mut Reader<'_>) -> Option<Spanned<String>> {
    let name = item.find(&["name"])?;
    let text = name.as_str()?;
    let length = text.chars().count();
    if length > 100 {
        let diagnostic = invalid(
            name.span(),
            format!("the rule's `name` has {length} characters"),
        );
        reader.refuse(path.field("name"), diagnostic.label("100 are allowed"));
    }
    Some(Spanned::new(text.to_owned(), name.span()))
}

fn action(
    item: Node<'_>,
    at: Span,
    place: Place,
    path: Path<'_>,
    reader: &mut Reader<'_>,
) -> Option<Spanned<Action>> {
    let path = path.field("action");
    let Some(action) = item.find(&["action"]) else {
        refuse_absent(item, rule_shape(place), "action", at, path, reader);
        return None;
    };
    if reader.is_opaque(action) {
        return None;
    }
    let text = action.as_str()?;
    let is_baseline = place.kind == ClusterPolicyKind::BaselineAdminNetworkPolicy;
    let (value, choices): (_, &[&str]) = match (text, place.is_newest()) {
        ("Accept", true) | ("Allow", false) => (Some(Action::Accept), &[]),
        ("Deny", _) => (Some(Action::Deny), &[]),
        ("Pass", _) if !is_baseline => (Some(Action::Pass), &[]),
        (_, true) => (None, &["Accept", "Deny", "Pass"]),
        (_, false) if is_baseline => (None, &["Allow", "Deny"]),
        (_, false) => (None, &["Allow", "Deny", "Pass"]),
    };
    if value.is_none() {
        let kind = place.kind.name();
        let diagnostic = choice(action, text, &format!("action of `{kind}`"), choices);
        let other = match text {
            "Allow" => Some("Accept"),
            "Accept" => Some("Allow"),
            _ => None,
        };
        let diagnostic = match other.filter(|other| choices.contains(other)) {
            Some(other) => diagnostic
                .label(format!("this kind calls it `{other}`"))
                .help(format!("write `{other}`")),
            None => diagnostic,
        };
        reader.refuse(path, diagnostic);
    }
    value.map(|value| Spanned::new(value, action.span()))
}

/// The shape of a rule at this place.
pub(super) fn rule_shape(place: Place) -> &'static fields::Shape {
    match (place.is_newest(), place.direction) {
        (true, Direction::Ingress) => &fields::CLUSTER_INGRESS_RULE,
        (true, Direction::Egress) => &fields::CLUSTER_EGRESS_RULE,
        (false, Direction::Ingress) => &fields::ADMIN_INGRESS_RULE,
        (false, Direction::Egress) => &fields::ADMIN_EGRESS_RULE,
    }
}
