//! What the API server rejects a network of OVN-Kubernetes for that takes the place of the
//! cluster's: which kind of network it is.
//!
//! Refuses to know its subnets, and which pods are on it.

use super::invalid_value;
use super::reader::{self, Path, Reader};
use super::suggestion;
use crate::diagnostic::Diagnostic;
use crate::k8s::{ObjectMeta, PolicyScope};
use crate::yaml::tree::Node;

/// What `topology` may be, with the field that then has to be there; the last one only in a
/// network of several namespaces (ovn-kubernetes, `crd/userdefinednetwork/v1`: `udn.go`,
/// `cudn.go`).
const TOPOLOGIES: [(&str, &str); 3] = [
    ("Layer2", "layer2"),
    ("Layer3", "layer3"),
    ("Localnet", "localnet"),
];

/// Where such an object describes its network.
pub(super) fn place_of_network(scope: PolicyScope) -> &'static [&'static str] {
    match scope {
        PolicyScope::Cluster => &["spec", "network"],
        PolicyScope::Namespace | PolicyScope::NamespaceOrRoot => &["spec"],
    }
}

/// Checks the network of `node`, `object` in diagnostics.
pub(super) fn check(
    node: Node<'_>,
    meta: &mut ObjectMeta,
    scope: PolicyScope,
    object: String,
    diagnostics: &mut Vec<Diagnostic>,
) {
    let mut reader = Reader::new(object, diagnostics);
    let spec = Path::Object.field("spec");
    let inner = spec.field("network");
    let (path, known) = match scope {
        PolicyScope::Cluster => (inner, &TOPOLOGIES[..]),
        PolicyScope::Namespace | PolicyScope::NamespaceOrRoot => (spec, &TOPOLOGIES[..2]),
    };
    let network = node.find(place_of_network(scope));
    if let Some(network) = network.filter(|network| !reader::is_opaque(*network)) {
        check_topology(network, path, known, &mut reader);
    }
    reader.finish(meta);
}

fn check_topology(
    network: Node<'_>,
    path: Path<'_>,
    known: &[(&str, &str)],
    reader: &mut Reader<'_>,
) {
    let field = path.field("topology");
    let Some(topology) = network.find(&["topology"]) else {
        let diagnostic = invalid_value(network.span(), "the network has no `topology`");
        reader.refuse(field, diagnostic.label("is rejected by the API server"));
        return;
    };
    if reader::is_opaque(topology) {
        return;
    }
    let text = topology.key_text();
    let Some((_, needed)) = known.iter().find(|(name, _)| *name == text) else {
        let message = format!("`{text}` is not a valid topology");
        let diagnostic = invalid_value(topology.span(), message);
        let names = known.iter().map(|(name, _)| *name);
        let diagnostic = match suggestion::near_miss(&text, names.clone()) {
            Some(meant) => {
                let diagnostic = diagnostic.label(format!("did you mean `{meant}`?"));
                reader::write_instead(diagnostic, topology, meant)
            }
            None => {
                let names: Vec<String> = names.map(|name| format!("`{name}`")).collect();
                diagnostic.help(format!("it takes {}", names.join(" or ")))
            }
        };
        reader.refuse(field, diagnostic);
        return;
    };
    if network.entry(needed).is_none() {
        let message = format!("a network of topology `{text}` needs the field `{needed}`");
        let diagnostic = invalid_value(topology.span(), message);
        reader.refuse(field, diagnostic.label("is rejected by the API server"));
    }
}
