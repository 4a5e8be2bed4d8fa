//! Calico's policies, tiers and network sets from a tree, with what its API refuses.
//!
//! Refuses to know other objects, and in which order policies are asked.

mod application;
mod entity;
mod fields;
mod rule;

use super::fields::Shape;
use super::identity;
use super::invalid_value;
use super::reader::{self, Path, Reader};
use super::structure::Structure;
use super::unknown;
use crate::diagnostic::{Diagnostic, Severity};
use crate::k8s::{
    CalicoNetworkSet, CalicoPolicy, CalicoSelector, CalicoTier, Direction, Field, ObjectMeta,
    PolicyScope,
};
use crate::source::{Span, Spanned};
use crate::yaml::scalar::Scalar;
use crate::yaml::tree::{Entry, Node};

/// The fields of a policy.
pub(super) fn shape(scope: PolicyScope) -> &'static Shape {
    match scope {
        PolicyScope::Cluster => &fields::GLOBAL_POLICY,
        PolicyScope::Namespace | PolicyScope::NamespaceOrRoot => &fields::POLICY,
    }
}

/// What the names that Calico gives to NetworkPolicies start with (`names.go`).
const KUBERNETES_POLICIES: &str = "knp.default.";

/// The label that Calico gives to what is in a namespace.
const NAMESPACE_LABEL: &str = "projectcalico.org/namespace";

/// Reads a policy, whose metadata is read already.
pub(super) fn read(
    node: Node<'_>,
    meta: &mut ObjectMeta,
    object: String,
    scope: PolicyScope,
    diagnostics: &mut Vec<Diagnostic>,
) -> CalicoPolicy {
    let is_global = scope == PolicyScope::Cluster;
    let shape = shape(scope);
    let place = match is_global {
        true => identity::Scope::Cluster,
        false => identity::Scope::Namespace,
    };
    let is_raw = meta.api_version.value.starts_with("crd.projectcalico.org/");
    let mut reader = Reader::new(object, diagnostics);
    let mut structure = Structure::of(node, shape);
    let mistakes = |node: Node<'_>| {
        let mut diagnostics = Vec::new();
        let mut reader = Reader::new(String::new(), &mut diagnostics);
        policy(node, is_global, is_raw, &mut reader);
        diagnostics
    };
    unknown::report(node, shape, &structure, &mistakes, &mut reader);
    let is_shape_right = structure.count() == 0;
    structure.report(&mut reader);
    // That of its API server, and that of the resources behind it.
    const VERSIONS: &[&str] = &["projectcalico.org/v3", "crd.projectcalico.org/v1"];
    identity::check_plugin_version(node, meta, VERSIONS, &mut reader);
    identity::check_names(node, place, &mut reader);
    if is_global && meta.name.value.starts_with(KUBERNETES_POLICIES) {
        let message =
            format!("the name of a global policy does not start with `{KUBERNETES_POLICIES}`");
        let diagnostic = invalid_value(meta.name.span, message);
        let note = "Calico gives such names to the policies of Kubernetes";
        let path = Path::Object.field("metadata");
        reader.refuse(path.field("name"), diagnostic.note(note));
    }
    let policy = policy(node, is_global, is_raw, &mut reader);
    reader.finish(meta);
    CalicoPolicy {
        silent: silent(node, &policy, is_shape_right),
        ..policy
    }
}

fn policy(node: Node<'_>, is_global: bool, is_raw: bool, reader: &mut Reader<'_>) -> CalicoPolicy {
    let spec = node.find(&["spec"]).filter(|spec| !reader.is_opaque(*spec));
    let path = Path::Object.field("spec");
    let Some(spec) = spec else {
        return CalicoPolicy {
            is_raw,
            tier: None,
            order: None,
            selector: None,
            namespace_selector: None,
            service_account_selector: None,
            types: Field::Missing,
            ingress: Field::Missing,
            egress: Field::Missing,
            host_endpoints_only: None,
            on_forward: None,
            silent: Vec::new(),
        };
    };
    let mut rules = |direction: Direction| {
        reader::field(spec, direction.field(), |entry| {
            let list = entry.value;
            if reader.is_opaque(list) {
                return None;
            }
            let place = rule::Place {
                direction,
                is_global,
            };
            let read = |item, path: Path<'_>| rule::read(item, place, path, reader);
            reader::items(list, path.field(direction.field()), read)
        })
    };
    let ingress = rules(Direction::Ingress);
    let egress = rules(Direction::Egress);
    let types = reader::field(spec, "types", |entry| {
        types(entry.value, path.field("types"), reader)
    });
    check_hints(spec, path, reader);
    let mut outer_selector = |name: &str| {
        let selector = selector(spec, name, path, reader)?;
        if selector.value.mentions_global() {
            refuse_global(selector.span, path.field(name), reader);
        }
        Some(selector)
    };
    CalicoPolicy {
        is_raw,
        selector: outer_selector("selector"),
        namespace_selector: outer_selector("namespaceSelector").filter(|_| is_global),
        service_account_selector: outer_selector("serviceAccountSelector"),
        tier: text(spec, "tier", reader),
        order: order(spec, path, reader),
        types,
        ingress,
        egress,
        host_endpoints_only: host_endpoints_only(spec, path, reader),
        on_forward: flag(spec, "applyOnForward").map(|entry| entry.key.span()),
        silent: Vec::new(),
    }
}

/// The directions that nothing that is put right about a policy brings into it. Its `types`
/// decide where all of them can be read; without them the lists of rules do, which may be among
/// the fields that are in the wrong place or misspelled.
fn silent(node: Node<'_>, policy: &CalicoPolicy, is_shape_right: bool) -> Vec<Direction> {
    let written = |name: &str| {
        let list = node.find(&["spec", name]);
        list.map_or(0, |list| list.items().count())
    };
    let types = policy.types.items();
    let is_silent = |direction: Direction| match types.len() {
        0 => {
            let other = match direction {
                Direction::Ingress => Direction::Egress,
                Direction::Egress => Direction::Ingress,
            };
            let is_egress = direction == Direction::Egress;
            let is_implied = is_egress || written(other.field()) > 0;
            written("types") == 0
                && is_shape_right
                && !policy.is_raw
                && is_implied
                && written(direction.field()) == 0
        }
        read => read == written("types") && types.iter().all(|known| known.value != direction),
    };
    let directions = Direction::BOTH.into_iter();
    directions
        .filter(|direction| is_silent(*direction))
        .collect()
}

fn refuse_global(span: Span, path: Path<'_>, reader: &mut Reader<'_>) {
    let diagnostic = invalid_selector(span, "`global()` has no meaning here");
    let help = "it stands alone in the `namespaceSelector` of a rule, for global network sets";
    reader.refuse(path, diagnostic.help(help));
}

fn types(
    list: Node<'_>,
    path: Path<'_>,
    reader: &mut Reader<'_>,
) -> Option<Vec<Spanned<Direction>>> {
    if reader.is_opaque(list) {
        return None;
    }
    let mut seen: Vec<Spanned<Direction>> = Vec::new();
    reader::items(list, path, |item, path| {
        if reader.is_opaque(item) {
            return None;
        }
        let text = item.as_str()?;
        let known = Direction::BOTH.into_iter();
        let Some(direction) = known.clone().find(|known| known.policy_type() == text) else {
            let diagnostic = invalid_value(item.span(), format!("`{text}` is not a policy type"));
            reader.refuse(
                path,
                diagnostic.help("the types are `Ingress` and `Egress`"),
            );
            return None;
        };
        if let Some(first) = seen.iter().find(|seen| seen.value == direction) {
            let diagnostic =
                invalid_value(item.span(), format!("`{text}` is written twice in `types`"));
            reader.refuse(path, diagnostic.related(first.span, "the first time"));
        }
        let direction = Spanned::new(direction, item.span());
        seen.push(direction);
        Some(direction)
    })
}

/// `performanceHints`, of which there is one.
fn check_hints(spec: Node<'_>, path: Path<'_>, reader: &mut Reader<'_>) {
    const HINT: &str = "AssumeNeededOnEveryNode";
    let path = path.field("performanceHints");
    let hints = spec.find(&["performanceHints"]).into_iter();
    let mut first = None;
    for (index, hint) in hints.flat_map(Node::items).enumerate() {
        let Some(text) = hint.as_str().filter(|_| !reader::is_opaque(hint)) else {
            continue;
        };
        let diagnostic = match first {
            _ if text != HINT => {
                let message = format!("`{text}` is not a performance hint");
                invalid_value(hint.span(), message).help(format!("there is only `{HINT}`"))
            }
            Some(first) => invalid_value(hint.span(), format!("`{text}` is written twice"))
                .related(first, "the first time"),
            None => {
                first = Some(hint.span());
                continue;
            }
        };
        reader.refuse(path.item(index), diagnostic);
    }
}

/// `doNotTrack` and `preDNAT`, which make a policy one for host endpoints.
fn host_endpoints_only(spec: Node<'_>, path: Path<'_>, reader: &mut Reader<'_>) -> Option<Span> {
    let forward = flag(spec, "applyOnForward");
    let (untracked, early) = (flag(spec, "doNotTrack"), flag(spec, "preDNAT"));
    for (name, entry) in [("doNotTrack", untracked), ("preDNAT", early)] {
        if let (Some(entry), None) = (entry, forward) {
            let message = format!("`{name}` needs `applyOnForward: true`");
            reader.refuse(path.field(name), invalid_value(entry.key.span(), message));
        }
    }
    if let Some(entry) = early {
        let items = |name| spec.find(&[name]).into_iter().flat_map(Node::items);
        let egress = Direction::Egress.policy_type();
        let message = if items("egress").next().is_some() {
            "a policy with `preDNAT` has no egress rules"
        } else if items("types").any(|item| item.as_str() == Some(egress)) {
            "a policy with `preDNAT` is not of the type `Egress`"
        } else if untracked.is_some() {
            "a policy has either `preDNAT` or `doNotTrack`"
        } else {
            ""
        };
        if !message.is_empty() {
            let diagnostic = invalid_value(entry.key.span(), message);
            reader.refuse(path.field("preDNAT"), diagnostic);
        }
    }
    untracked.or(early).map(|entry| entry.key.span())
}

/// A field that is `true`.
fn flag<'t>(spec: Node<'t>, name: &str) -> Option<Entry<'t>> {
    let entry = spec.entry(name)?;
    (entry.value.as_bool() == Some(true)).then_some(entry)
}

/// Reads a text that is neither missing nor empty.
fn text(node: Node<'_>, name: &str, reader: &mut Reader<'_>) -> Option<Spanned<String>> {
    let value = node.find(&[name])?;
    if reader.is_opaque(value) {
        return None;
    }
    let text = value.as_str().filter(|text| !text.is_empty())?;
    Some(Spanned::new(text.to_owned(), value.span()))
}

fn order(spec: Node<'_>, path: Path<'_>, reader: &mut Reader<'_>) -> Option<Spanned<f64>> {
    let value = spec.find(&["order"])?;
    if reader.is_opaque(value) {
        return None;
    }
    let number = match value.scalar() {
        Some(Scalar::Int(number)) => number as f64,
        Some(Scalar::Float(number)) => number,
        _ => {
            let diagnostic = invalid_value(value.span(), "`order` must be a number");
            reader.refuse(path.field("order"), diagnostic);
            return None;
        }
    };
    Some(Spanned::new(number, value.span()))
}

fn invalid_selector(span: Span, message: impl Into<String>) -> Diagnostic {
    Diagnostic::new("invalid-selector", Severity::Error, span, message)
}

/// Reads a selector in Calico's language; an empty one is none.
fn selector(
    node: Node<'_>,
    name: &str,
    path: Path<'_>,
    reader: &mut Reader<'_>,
) -> Option<Spanned<CalicoSelector>> {
    let value = node.find(&[name])?;
    if reader.is_opaque(value) {
        return None;
    }
    let text = value.as_str().filter(|text| !text.is_empty())?;
    match CalicoSelector::parse(text) {
        Ok(selector) => Some(Spanned::new(selector, value.span())),
        Err(error) => {
            let whole = value.span();
            // The place is known where the text stands in the source as it is.
            let start = value
                .raw()
                .find(text)
                .map(|start| whole.start + start as u32);
            let span = match start {
                Some(start) if error.at < text.len() => Span::new(
                    whole.source,
                    start + error.at as u32,
                    start + text.len() as u32,
                ),
                _ => whole,
            };
            if error.is_limit {
                // Calico reads it, and nobody here knows what it selects.
                reader.note_incomplete(value);
                let message =
                    "this selector is more than npcheck reads: what depends on it is unknown";
                let diagnostic = invalid_selector(span, message).label(error.message);
                reader.report_at(path.field(name).to_string(), diagnostic);
                return None;
            }
            let diagnostic = invalid_selector(span, format!("`{text}` is not a selector"));
            reader.refuse(path.field(name), diagnostic.label(error.message));
            None
        }
    }
}

/// Reads a `Tier`.
pub(super) fn read_tier(
    node: Node<'_>,
    mut meta: ObjectMeta,
    diagnostics: &mut Vec<Diagnostic>,
) -> CalicoTier {
    let mut reader = Reader::new(format!("Tier/{}", meta.name), diagnostics);
    let mut structure = Structure::of(node, &fields::TIER);
    unknown::report(
        node,
        &fields::TIER,
        &structure,
        &|_| Vec::new(),
        &mut reader,
    );
    structure.report(&mut reader);
    identity::check_names(node, identity::Scope::Cluster, &mut reader);
    if meta.name.value.contains('.') {
        let message = "the name of a tier has no dot";
        let path = Path::Object.field("metadata");
        reader.refuse(path.field("name"), invalid_value(meta.name.span, message));
    }
    let path = Path::Object.field("spec");
    let spec = node.find(&["spec"]);
    let order = spec.and_then(|spec| order(spec, path, &mut reader));
    let action = spec.and_then(|spec| text(spec, "defaultAction", &mut reader));
    if let Some(action) = action
        .as_ref()
        .filter(|text| !matches!(text.as_str(), "Deny" | "Pass"))
    {
        let message = format!("`{action}` is not an end of a tier");
        let diagnostic = invalid_value(action.span, message).help("write `Deny` or `Pass`");
        reader.refuse(path.field("defaultAction"), diagnostic);
    }
    let passes = action.is_some_and(|action| action.value == "Pass");
    if let Some((_, fixed, end)) = CalicoTier::BUILT_IN
        .iter()
        .find(|(name, ..)| *name == meta.name.value)
        && (order.as_ref().is_some_and(|order| order.value != *fixed)
            || spec.is_some_and(|spec| spec.find(&["defaultAction"]).is_some() && passes != *end))
    {
        let message = format!("the tier `{}` has a fixed order and end", meta.name);
        reader.refuse(path, invalid_value(meta.name.span, message));
    }
    reader.finish(&mut meta);
    CalicoTier {
        meta,
        order,
        passes,
    }
}

/// Reads a `NetworkSet` or a `GlobalNetworkSet`.
pub(super) fn read_network_set(
    node: Node<'_>,
    mut meta: ObjectMeta,
    is_global: bool,
    diagnostics: &mut Vec<Diagnostic>,
) -> CalicoNetworkSet {
    let (object, place) = match is_global {
        true => (
            format!("GlobalNetworkSet/{}", meta.name),
            identity::Scope::Cluster,
        ),
        false => {
            let namespace = meta.namespace_name();
            let object = format!("{namespace}/NetworkSet/{}", meta.name);
            (object, identity::Scope::Namespace)
        }
    };
    let mut reader = Reader::new(object, diagnostics);
    let mut structure = Structure::of(node, &fields::NETWORK_SET);
    unknown::report(
        node,
        &fields::NETWORK_SET,
        &structure,
        &|_| Vec::new(),
        &mut reader,
    );
    structure.report(&mut reader);
    identity::check_names(node, place, &mut reader);
    let path = Path::Object.field("spec");
    let spec = node.find(&["spec"]);
    for label in meta
        .labels
        .iter()
        .filter(|label| label.key.value == *NAMESPACE_LABEL)
    {
        let message = format!("`{NAMESPACE_LABEL}` is a label of Calico's own");
        let labels = Path::Object.field("metadata");
        let labels = labels.field("labels");
        let diagnostic = invalid_value(label.key.span, message);
        reader.refuse(labels.field(NAMESPACE_LABEL), diagnostic);
    }
    let nets = spec.and_then(|spec| spec.find(&["nets"]));
    let nets = nets.map(|nets| entity::nets_of_set(nets, path.field("nets"), &mut reader));
    let domains = spec.and_then(|spec| spec.find(&["allowedEgressDomains"]));
    let domains = domains
        .map(|domains| entity::texts(domains, path.field("allowedEgressDomains"), &mut reader));
    reader.finish(&mut meta);
    CalicoNetworkSet {
        meta,
        is_global,
        nets: nets.unwrap_or_default(),
        allowed_egress_domains: domains.unwrap_or_default(),
    }
}
