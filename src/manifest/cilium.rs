//! Cilium's policies and CIDR groups from a tree, with what the API server refuses, and
//! what the agent rejects afterwards.
//!
//! Refuses to know other objects. What the API server refuses leaves the object not
//! accepted. What the agent rejects becomes a fault of the policy, as the object is stored
//! and looks as if it were enforced.

mod fields;
mod icmp;
mod layer7;
mod names;
mod peers;
mod ports;

use super::fields::Shape;
use super::identity;
use super::invalid_value;
use super::reader::{self, Path, Reader};
use super::selector::{self, Selects};
use super::structure::Structure;
use super::unknown;
use crate::diagnostic::Diagnostic;
use crate::k8s::{
    CiliumCidrGroup, CiliumFault, CiliumPolicy, CiliumRule, CiliumSection, CiliumSpec,
    CiliumSubject, Direction, LabelSelector, ObjectMeta, PolicyScope,
};
use crate::source::{Span, Spanned};
use crate::yaml::tree::Node;

/// The fields of a policy.
pub(super) fn shape() -> &'static Shape {
    &fields::POLICY
}

/// Reads a policy, whose metadata is read already.
pub(super) fn read(
    node: Node<'_>,
    meta: &mut ObjectMeta,
    object: String,
    scope: PolicyScope,
    diagnostics: &mut Vec<Diagnostic>,
) -> CiliumPolicy {
    let mut reader = Reader::new(object, diagnostics);
    let mut structure = Structure::of(node, &fields::POLICY);
    let mistakes = |node: Node<'_>| {
        let mut diagnostics = Vec::new();
        specs(
            node,
            scope,
            &mut Reader::new(String::new(), &mut diagnostics),
        );
        diagnostics
    };
    unknown::report(node, &fields::POLICY, &structure, &mistakes, &mut reader);
    structure.report(&mut reader);
    let place = match scope {
        PolicyScope::Cluster => identity::Scope::Cluster,
        PolicyScope::Namespace | PolicyScope::NamespaceOrRoot => identity::Scope::Namespace,
    };
    // docs.cilium.io, "CustomResourceDefinition": both kinds have been of this version since 1.0.
    identity::check_plugin_version(node, meta, &["cilium.io/v2"], &mut reader);
    identity::check_names(node, place, &mut reader);
    let policy = specs(node, scope, &mut reader);
    reader.finish(meta);
    policy
}

/// Reads a `CiliumCIDRGroup`.
pub(super) fn read_cidr_group(
    node: Node<'_>,
    mut meta: ObjectMeta,
    diagnostics: &mut Vec<Diagnostic>,
) -> CiliumCidrGroup {
    let mut reader = Reader::new(format!("CiliumCIDRGroup/{}", meta.name), diagnostics);
    let mut structure = Structure::of(node, &fields::CIDR_GROUP);
    unknown::report(
        node,
        &fields::CIDR_GROUP,
        &structure,
        &|_| Vec::new(),
        &mut reader,
    );
    structure.report(&mut reader);
    identity::check_names(node, identity::Scope::Cluster, &mut reader);
    let spec = Path::Object.field("spec");
    let path = spec.field("externalCIDRs");
    let list = node.find(&["spec", "externalCIDRs"]);
    let cidrs = list.and_then(|list| {
        reader::items(list, path, |item, path| {
            peers::cidr(item, path, &mut reader)
        })
    });
    reader.finish(&mut meta);
    CiliumCidrGroup {
        meta,
        cidrs: cidrs.unwrap_or_default(),
    }
}

/// What is found wrong, by the API server and by the agent.
struct Findings<'r, 'd> {
    api: &'r mut Reader<'d>,
    faults: Vec<CiliumFault>,
    scope: PolicyScope,
}

impl Findings<'_, '_> {
    /// Notes something for which the agent rejects the whole object.
    fn fault(&mut self, path: Path<'_>, span: Span, reason: impl Into<String>) {
        self.faults.push(CiliumFault {
            span,
            path: path.to_string(),
            reason: reason.into(),
            needs_node_labels: false,
        });
    }

    /// Notes peers by the labels of nodes, which the agent rejects without an option.
    fn needs_node_labels(&mut self, path: Path<'_>, span: Span) {
        let reason = "peers by node labels need the agent's option `enable-node-selector-labels`";
        self.faults.push(CiliumFault {
            span,
            path: path.to_string(),
            reason: reason.to_owned(),
            needs_node_labels: true,
        });
    }
}

fn specs(node: Node<'_>, scope: PolicyScope, reader: &mut Reader<'_>) -> CiliumPolicy {
    let mut findings = Findings {
        api: reader,
        faults: Vec::new(),
        scope,
    };
    let mut specs = Vec::new();
    if let Some(node) = node.find(&["spec"]) {
        specs.extend(spec(node, Path::Object.field("spec"), &mut findings));
    }
    if let Some(list) = node.find(&["specs"]) {
        let path = Path::Object.field("specs");
        if findings.api.is_opaque(list) {
            specs.push(filled_in(list, path));
        } else {
            if list.is_sequence() && list.items().next().is_none() && specs.is_empty() {
                findings.fault(path, list.span(), "the policy has no spec");
            }
            let read = |item, path: Path<'_>| spec(item, path, &mut findings);
            specs.extend(reader::items(list, path, read).unwrap_or_default());
        }
    }
    if node.find(&["spec"]).is_none() && node.find(&["specs"]).is_none() {
        let span = node
            .entry("kind")
            .map_or(node.span(), |entry| entry.value.span());
        let diagnostic = invalid_value(span, "the policy has neither `spec` nor `specs`");
        findings.api.refuse(Path::Object, diagnostic);
    }
    findings.faults.sort_by_key(|fault| fault.span);
    CiliumPolicy {
        specs,
        faults: findings.faults,
    }
}

fn spec(node: Node<'_>, path: Path<'_>, findings: &mut Findings<'_, '_>) -> Option<CiliumSpec> {
    if findings.api.is_opaque(node) {
        return Some(filled_in(node, path));
    }
    if !node.is_mapping() {
        return None;
    }
    let subject = subject(node, path, findings);
    let mut rules = Vec::new();
    let mut empty_lists = Vec::new();
    let mut written = None;
    for section in CiliumSection::ALL {
        let Some(list) = node.find(&[section.field()]) else {
            continue;
        };
        written = written.or(node.entry(section.field()));
        if findings.api.is_opaque(list) {
            continue;
        }
        let mut index = 0;
        let is_about_nodes = matches!(subject, Some(CiliumSubject::Nodes(_)));
        let read = |item, path: Path<'_>| {
            let rule = rule(item, section, index, is_about_nodes, path, findings);
            index += 1;
            rule
        };
        rules.extend(reader::items(list, path.field(section.field()), read).unwrap_or_default());
        let entry = node.entry(section.field());
        if let Some(entry) = entry.filter(|it| index == 0 && it.value.is_sequence()) {
            empty_lists.push(Spanned::new(section, entry.key.span()));
        }
    }
    let names = "`ingress`, `ingressDeny`, `egress` and `egressDeny`";
    match written {
        None if super::structure::has_unknown_field(node, &fields::SPEC) => {
            findings.api.refuse_silently();
        }
        None => {
            let message = format!("the rule set has none of {names}");
            let diagnostic = invalid_value(node.span(), message)
                .help("to isolate pods without allowing anything, write `ingress: [{}]` or `egress: [{}]`");
            findings.api.refuse(path, diagnostic);
        }
        Some(entry) if rules.is_empty() && entry.value.is_sequence() => {
            let reason = format!("none of {names} has a rule");
            findings.fault(path, entry.key.span(), reason);
        }
        Some(_) => {}
    }
    let mut default_deny = |direction: Direction| {
        let value = node.find(&["enableDefaultDeny", direction.field()])?;
        if findings.api.is_opaque(value) {
            return None;
        }
        Some(Spanned::new(value.as_bool()?, value.span()))
    };
    Some(CiliumSpec {
        span: node.span(),
        path: path.to_string(),
        subject: subject?,
        default_deny_ingress: default_deny(Direction::Ingress),
        default_deny_egress: default_deny(Direction::Egress),
        rules,
        empty_lists,
    })
}

/// A rule set of which another tool fills in all: it may be about any pods.
fn filled_in(node: Node<'_>, path: Path<'_>) -> CiliumSpec {
    CiliumSpec {
        span: node.span(),
        path: path.to_string(),
        subject: CiliumSubject::Endpoints(LabelSelector::everything(node.span())),
        default_deny_ingress: None,
        default_deny_egress: None,
        rules: Vec::new(),
        empty_lists: Vec::new(),
    }
}

fn subject(
    node: Node<'_>,
    path: Path<'_>,
    findings: &mut Findings<'_, '_>,
) -> Option<CiliumSubject> {
    let (pods, nodes) = (
        node.find(&["endpointSelector"]),
        node.find(&["nodeSelector"]),
    );
    match (pods, nodes) {
        (Some(selector), None) if findings.api.is_opaque(selector) => Some(
            CiliumSubject::Endpoints(LabelSelector::everything(selector.span())),
        ),
        (Some(selector), None) => {
            endpoint_selector(selector, path.field("endpointSelector"), findings)
                .map(CiliumSubject::Endpoints)
        }
        (None, Some(selector)) => {
            let path = path.field("nodeSelector");
            if findings.scope != PolicyScope::Cluster {
                let reason = "`nodeSelector` belongs into a `CiliumClusterwideNetworkPolicy`";
                findings.fault(path, selector.span(), reason);
            }
            endpoint_selector(selector, path, findings).map(CiliumSubject::Nodes)
        }
        (Some(_), Some(second)) => {
            let message = "the rule set has both `endpointSelector` and `nodeSelector`";
            findings
                .api
                .refuse(path, invalid_value(second.span(), message));
            None
        }
        (None, None) => {
            if super::structure::has_unknown_field(node, &fields::SPEC) {
                findings.api.refuse_silently();
            } else {
                let message = "the rule set has no `endpointSelector`";
                let diagnostic = invalid_value(node.span(), message);
                let help = "write `endpointSelector: {}` for all pods";
                findings.api.refuse(path, diagnostic.help(help));
            }
            None
        }
    }
}

/// Reads a selector of identities; null and no mapping are the empty one in a list.
fn endpoint_selector(
    node: Node<'_>,
    path: Path<'_>,
    findings: &mut Findings<'_, '_>,
) -> Option<LabelSelector> {
    let selector = selector::read(node, Selects::Endpoints, path, findings.api)?;
    for (index, item) in node
        .find(&["matchExpressions"])
        .into_iter()
        .flat_map(Node::items)
        .enumerate()
    {
        let operator = item.find(&["operator"]);
        let values = item.find(&["values"]);
        let has_values = values.is_some_and(|values| values.items().next().is_some());
        let reason = match operator.and_then(Node::as_str) {
            Some(name @ ("In" | "NotIn")) if !has_values => format!("`{name}` has no values"),
            Some(name @ ("Exists" | "DoesNotExist")) if has_values => {
                format!("`{name}` takes no values")
            }
            _ => continue,
        };
        let list = path.field("matchExpressions");
        let span = values.or(operator).map_or(item.span(), Node::span);
        findings.fault(list.item(index), span, reason);
    }
    Some(selector)
}

fn rule(
    item: Node<'_>,
    section: CiliumSection,
    index: usize,
    is_about_nodes: bool,
    path: Path<'_>,
    findings: &mut Findings<'_, '_>,
) -> Option<CiliumRule> {
    if findings.api.is_opaque(item) || !(item.is_mapping() || item.is_null()) {
        return None;
    }
    let to_ports = item.find(&["toPorts"]).and_then(|list| {
        if findings.api.is_opaque(list) {
            return None;
        }
        let path = path.field("toPorts");
        let is_about_nodes = ports::Place {
            section,
            is_about_nodes,
        };
        let read = |item, path: Path<'_>| ports::rule(item, is_about_nodes, path, findings);
        let ports = reader::items(list, path, read)?;
        (!ports.is_empty()).then(|| Spanned::new(ports, list.span()))
    });
    let icmps = item.find(&["icmps"]);
    let icmps = icmps.filter(|list| list.items().next().is_some());
    if let (Some(icmps), Some(_)) = (icmps, &to_ports) {
        let reason = "`icmps` stands beside `toPorts`";
        findings.fault(path.field("icmps"), icmps.span(), reason);
    }
    if let Some(icmps) = icmps {
        icmp::check(icmps, path.field("icmps"), findings.api);
    }
    if let Some(authentication) = item.find(&["authentication"]) {
        let path = path.field("authentication");
        const MODES: [&str; 3] = ["disabled", "required", "test-always-fail"];
        layer7::require_one_of(authentication, "mode", &MODES, path, findings.api);
    }
    Some(CiliumRule {
        span: item.span(),
        dash: item.dash(),
        section,
        index,
        peer_fields: peers::read_all(item, section, path, findings),
        null_fields: peers::null_fields(item, section),
        to_ports,
        icmps: icmps.map(Node::span),
    })
}
