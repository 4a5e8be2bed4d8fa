//! Policies of CNI plugins and service meshes from a tree, as far as it takes to say
//! which pods they can concern.
//!
//! Refuses to know what they allow.

use super::fields::Shape;
use super::network_attachment::{self, NetworkRole};
use super::reader::{Path, Reader};
use super::selector::{self, Selects};
use super::{calico, cilium, egress_firewall, network_policy, user_defined_network};
use crate::diagnostic::Diagnostic;
use crate::k8s::{
    CalicoSelector, Comparison, Direction, Label, LabelSelector, LabelSelectorRequirement,
    ObjectMeta, Operator, PluginKind, PluginPolicy, PluginSpec, PolicyScope, PrimaryNetwork,
    Product, StagedAction,
};
use crate::source::{Spanned, Text};
use crate::yaml::tree::Node;
use std::sync::Arc;

/// Whether an object of this kind has a say in what pods may connect to. A network that pods
/// have beside that of the cluster has none; one that takes its place cuts them off.
pub(super) fn is_policy(node: Node<'_>, kind: &PluginKind) -> bool {
    if kind.is_attachment() {
        return network_attachment::role(node) != NetworkRole::Secondary;
    }
    // The API server wants a role; one that another tool fills in may be the other one.
    !kind.is_network() || !has_role(node, kind, "Secondary")
}

fn has_role(node: Node<'_>, kind: &PluginKind, wanted: &str) -> bool {
    let network = user_defined_network::place_of_network(kind.scope);
    let role = |topology: &str| {
        let role = node.find(&[network, &[topology, "role"]].concat())?;
        role.as_str()
    };
    let mut roles = ["layer2", "layer3", "localnet"]
        .into_iter()
        .filter_map(role);
    roles.any(|role| role == wanted)
}

/// The network that takes the place of the cluster's; unread where it may be another one, and
/// where it is not for the namespaces of a plain selector.
fn primary_network(node: Node<'_>, meta: &ObjectMeta, kind: &PluginKind) -> PluginSpec {
    let text = meta.name.span;
    let network = match kind.scope {
        _ if kind.is_attachment() => match network_attachment::role(node) {
            NetworkRole::Primary(name) => Some(PrimaryNetwork::of_attachment(
                &name,
                meta.namespace_name(),
                &[],
                text,
            )),
            NetworkRole::Secondary | NetworkRole::Unknown => None,
        },
        _ if !has_role(node, kind, "Primary") => None,
        PolicyScope::Cluster => {
            let selector = node.find(&["spec", "namespaceSelector"]);
            let selector = selector.and_then(|it| label_selector(it, Selects::Namespaces));
            selector.map(PrimaryNetwork::of_namespaces)
        }
        PolicyScope::Namespace | PolicyScope::NamespaceOrRoot => {
            Some(PrimaryNetwork::of_namespace(meta.namespace_name(), text))
        }
    };
    network.map_or(PluginSpec::Unread, PluginSpec::PrimaryNetwork)
}

/// The fields of a policy of this kind; `None` where only a part of them is known.
pub(super) fn shape(kind: &PluginKind) -> Option<&'static Shape> {
    match kind.product {
        Product::Cilium => Some(cilium::shape()),
        Product::Calico if kind.name != "StagedKubernetesNetworkPolicy" && kind.is_read_whole() => {
            Some(calico::shape(kind.scope))
        }
        _ => None,
    }
}

/// Reads a policy of a kind that is known by name, `object` in diagnostics: whole if it is
/// of Cilium or Calico.
pub(super) fn read(
    node: Node<'_>,
    mut meta: ObjectMeta,
    kind: &'static PluginKind,
    object: String,
    diagnostics: &mut Vec<Diagnostic>,
) -> PluginPolicy {
    let spec = match kind.product {
        Product::Cilium => PluginSpec::Cilium(cilium::read(
            node,
            &mut meta,
            object,
            kind.scope,
            diagnostics,
        )),
        // It has the spec of a NetworkPolicy, and is staged.
        Product::Calico if kind.name == "StagedKubernetesNetworkPolicy" => {
            PluginSpec::Staged(Arc::new(network_policy::read_staged(node, meta.clone())))
        }
        Product::Calico if kind.is_read_whole() => PluginSpec::Calico(Box::new(calico::read(
            node,
            &mut meta,
            object,
            kind.scope,
            diagnostics,
        ))),
        Product::OvnKubernetes if kind.is_read_whole() => {
            PluginSpec::EgressFirewall(egress_firewall::read(node, &mut meta, object, diagnostics))
        }
        _ => {
            if kind.is_network() && !kind.is_attachment() {
                user_defined_network::check(node, &mut meta, kind.scope, object, diagnostics);
            }
            match kind.is_network() {
                true => primary_network(node, &meta, kind),
                false => PluginSpec::Unread,
            }
        }
    };
    let mut policy = PluginPolicy::new(meta, kind);
    policy.spec = spec;
    policy.staged_action = match node.find(&["spec", "stagedAction"]).and_then(Node::as_str) {
        Some("Delete") => StagedAction::Delete,
        Some("Learn" | "Ignore") => StagedAction::Nothing,
        _ => StagedAction::Set,
    };
    policy.subject = match kind.is_for_nodes() {
        true => None,
        false => subject(node, kind.product),
    };
    let namespaces = node.find(&["spec", "namespaceSelector"]);
    policy.namespaces = namespaces
        .filter(|_| kind.product == Product::OvnKubernetes)
        .and_then(|selector| label_selector(selector, Selects::Namespaces));
    if !kind.is_for_nodes() {
        let said = directions(node, kind.product);
        policy
            .directions
            .retain(|direction| said.contains(direction));
    }
    policy
}

/// The pods that it is about, where a plain label selector says so.
fn subject(node: Node<'_>, product: Product) -> Option<LabelSelector> {
    match product {
        Product::Cilium if node.find(&["specs"]).is_some() => None,
        Product::Cilium => {
            let selector =
                label_selector(node.find(&["spec", "endpointSelector"])?, Selects::Pods)?;
            without_sources(selector)
        }
        Product::Calico => {
            let text = node.find(&["spec", "selector"])?;
            let selector = CalicoSelector::parse(text.as_str()?).ok()?;
            let mut plain = LabelSelector::everything(text.span());
            add_conditions(&selector, text, &mut plain).then_some(plain)
        }
        Product::Antrea | Product::Nsx => {
            let mut applied_to = node.find(&["spec", "appliedTo"])?.items();
            let (only, None) = (applied_to.next()?, applied_to.next()) else {
                return None;
            };
            let mut entries = only.entries();
            let (entry, None) = (entries.next()?, entries.next()) else {
                return None;
            };
            label_selector(entry.value, Selects::Pods).filter(|_| entry.key.is_key("podSelector"))
        }
        Product::Istio => label_selector(node.find(&["spec", "selector"])?, Selects::Pods),
        Product::Linkerd | Product::Aws | Product::Gke | Product::Multus => {
            label_selector(node.find(&["spec", "podSelector"])?, Selects::Pods)
        }
        Product::OvnKubernetes | Product::OpenShiftSdn | Product::Kuma | Product::Consul => None,
    }
}

fn label_selector(node: Node<'_>, selects: Selects) -> Option<LabelSelector> {
    let mut diagnostics = Vec::new();
    let mut reader = Reader::new(String::new(), &mut diagnostics);
    selector::read(node, selects, Path::Object, &mut reader)
}

/// A selector of Cilium's, where all its keys are labels of pods: `k8s:app`, `any:app` and
/// `app` mean the same one.
fn without_sources(mut selector: LabelSelector) -> Option<LabelSelector> {
    let labels = selector.match_labels.iter_mut().map(|label| &mut label.key);
    let expressions = selector.match_expressions.iter_mut();
    for key in labels.chain(expressions.map(|entry| &mut entry.key)) {
        let plain = match key.value.split_once(':') {
            Some(("k8s" | "any", plain)) => plain,
            Some(_) => return None,
            None => &key.value,
        };
        if plain.starts_with("io.kubernetes.pod.") || plain.starts_with("io.cilium.k8s.") {
            return None;
        }
        key.value = Text::from(plain);
    }
    Some(selector)
}

/// Adds what a selector of Calico's asks for; `false` if labels alone do not say it.
fn add_conditions(selector: &CalicoSelector, text: Node<'_>, plain: &mut LabelSelector) -> bool {
    let spanned = |value: &str| Spanned::new(Text::from(value), text.span());
    let mut require = |key: &str, operator, values: &[String]| {
        // Labels that Calico itself adds to a pod.
        if key.starts_with("projectcalico.org/")
            || key.starts_with("pcns.")
            || key.starts_with("pcsa.")
        {
            return false;
        }
        plain.match_expressions.push(LabelSelectorRequirement {
            span: text.span(),
            key: spanned(key),
            operator: Spanned::new(operator, text.span()),
            values: values.iter().map(|value| spanned(value)).collect(),
        });
        true
    };
    match selector {
        CalicoSelector::All => true,
        CalicoSelector::Has(key) => require(key, Operator::Exists, &[]),
        CalicoSelector::In { key, values } => require(key, Operator::In, values),
        CalicoSelector::NotIn { key, values } => require(key, Operator::NotIn, values),
        CalicoSelector::Compare {
            key,
            comparison: Comparison::Equal,
            value,
        } => {
            let is_own = !key.starts_with("projectcalico.org/") && !key.starts_with("pc");
            plain.match_labels.extend(is_own.then(|| Label {
                key: spanned(key),
                value: spanned(value),
            }));
            is_own
        }
        CalicoSelector::And(parts) => {
            let mut parts = parts.iter();
            parts.all(|part| add_conditions(part, text, plain))
        }
        _ => false,
    }
}

/// The directions that its spec has rules for, or isolates in.
fn directions(node: Node<'_>, product: Product) -> Vec<Direction> {
    let is_said = |direction: &Direction| {
        let specs = node.find(&["specs"]);
        let spec = node.find(&["spec"]).into_iter();
        let mut specs = spec.chain(specs.into_iter().flat_map(Node::items));
        let has = |spec: Node<'_>, field: &str| spec.find(&[field]).is_some();
        match (product, direction) {
            (Product::Cilium, Direction::Ingress) => {
                specs.any(|spec| has(spec, "ingress") || has(spec, "ingressDeny"))
            }
            (Product::Cilium, Direction::Egress) => {
                specs.any(|spec| has(spec, "egress") || has(spec, "egressDeny"))
            }
            (Product::Calico, direction) => specs.any(|spec| match spec.find(&["types"]) {
                Some(types) => {
                    (types.items()).any(|item| item.as_str() == Some(direction.policy_type()))
                }
                None => *direction == Direction::Ingress || has(spec, "egress"),
            }),
            _ => true,
        }
    };
    Direction::BOTH.into_iter().filter(is_said).collect()
}

#[cfg(test)]
mod tests {
    use crate::k8s::Object;
    use crate::source::SourceMap;

    /// Whom the policies of a text are about, a line each.
    fn read(text: &str) -> Vec<String> {
        let mut sources = SourceMap::default();
        let id = sources.add("test.yaml", text);
        let parsed = crate::manifest::read(id, "test.yaml", text);
        let line = |object: Object| {
            let Object::PluginPolicy(policy) = object else {
                panic!("another kind was read");
            };
            let subject = policy.subject.as_ref().map(ToString::to_string);
            let directions: Vec<&str> = policy.directions.iter().map(|d| d.field()).collect();
            let (product, name) = (policy.kind.product, policy.display());
            let (namespace, subject) = (
                policy.namespace().unwrap_or("*"),
                subject.unwrap_or("?".to_owned()),
            );
            format!(
                "{product} {name}: {namespace} {subject} {}",
                directions.join(",")
            )
        };
        parsed.objects.into_iter().map(line).collect()
    }

    #[test]
    fn says_whom_a_policy_can_concern() {
        let text = "
apiVersion: cilium.io/v2
kind: CiliumNetworkPolicy
metadata: {name: web, namespace: shop}
spec: {endpointSelector: {matchLabels: {'k8s:app': web}}, ingress: [{}]}
---
apiVersion: cilium.io/v2
kind: CiliumClusterwideNetworkPolicy
metadata: {name: all}
specs: [{endpointSelector: {}, egressDeny: [{}]}]
---
apiVersion: projectcalico.org/v3
kind: NetworkPolicy
metadata: {name: default.web, namespace: shop}
spec: {selector: \"app == 'web' && has(tier)\", types: [Egress]}
---
apiVersion: crd.projectcalico.org/v1
kind: GlobalNetworkPolicy
metadata: {name: db}
spec: {selector: \"app == 'db' || app == 'cache'\"}
---
apiVersion: crd.antrea.io/v1beta1
kind: NetworkPolicy
metadata: {name: acnp}
spec: {appliedTo: [{podSelector: {matchLabels: {app: web}}}]}
---
apiVersion: k8s.ovn.org/v1
kind: EgressFirewall
metadata: {name: default, namespace: shop}
---
apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: {name: mesh, namespace: istio-system}
---
apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: {name: web, namespace: shop}
spec: {selector: {matchLabels: {app: web}}}
";
        let expected = [
            "Cilium shop/CiliumNetworkPolicy/web: shop app=web ingress",
            "Cilium CiliumClusterwideNetworkPolicy/all: * ? egress",
            "Calico shop/NetworkPolicy/default.web: shop app=web,tier egress",
            "Calico GlobalNetworkPolicy/db: * ? ingress",
            "Antrea default/NetworkPolicy/acnp: default app=web ingress,egress",
            "OVN-Kubernetes shop/EgressFirewall/default: shop ? egress",
            "Istio istio-system/AuthorizationPolicy/mesh: * ? ingress",
            "Istio shop/AuthorizationPolicy/web: shop app=web ingress",
        ];
        assert_eq!(read(text), expected);
    }
}
