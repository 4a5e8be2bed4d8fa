//! The policies that a controller writes by itself because an object says so.
//!
//! Refuses to know which controllers run, and which objects a rule of theirs matches.

use crate::k8s::{Direction, WrittenPolicy, is_opaque};
use crate::yaml::tree::Node;

/// How deep an object is looked into.
const DEPTH: usize = 24;

/// Fields beside `kind` of an object that is written out, and not only named.
const CONTENT: &[&str] = &["apiVersion", "clone", "cloneList", "data", "spec"];

/// Whether a text is one that the controller fills in; ResourceSets write `<< inputs.tenant >>`.
fn is_filled_in(text: &str) -> bool {
    is_opaque(text) || text.contains("<<")
}

/// The kinds of policies that decide about traffic.
fn is_policy(kind: &str) -> bool {
    let kind = kind.rsplit('/').next().unwrap_or(kind);
    kind.ends_with("NetworkPolicy")
}

/// The policies that are written out within an object, or named as what it generates.
pub(super) fn policies(spec: Node<'_>) -> Vec<WrittenPolicy> {
    let mut found = Vec::new();
    if is_idle(spec) {
        return found;
    }
    let rules = spec.get("rules").filter(|rules| {
        let mut rules = rules.items();
        rules.any(|rule| rule.get("generate").is_some())
    });
    let Some(rules) = rules else {
        look_for_policies(spec, DEPTH, &mut found);
        return found;
    };
    for rule in rules.items() {
        let mut of_rule = Vec::new();
        look_for_policies(rule, DEPTH, &mut of_rule);
        match namespaces_of(rule) {
            None => found.extend(of_rule),
            Some(names) => found.extend(of_rule.into_iter().flat_map(|policy| {
                let homes = match &policy.namespace {
                    Some(own) => vec![own.clone()],
                    None => names.clone(),
                };
                homes.into_iter().map(move |home| WrittenPolicy {
                    namespace: Some(home),
                    ..policy.clone()
                })
            })),
        }
    }
    for entry in spec
        .entries()
        .filter(|entry| entry.key.key_text() != "rules")
    {
        look_for_policies(entry.value, DEPTH, &mut found);
    }
    found
}

/// Whether a policy of Open Cluster Management writes nothing: one that only reports, or that is
/// turned off. What it says of that holds for all that is in it.
fn is_idle(spec: Node<'_>) -> bool {
    let action = spec.get("remediationAction").and_then(Node::as_str);
    let only_reports = action.is_some_and(|action| action.eq_ignore_ascii_case("inform"));
    only_reports || action.is_some() && spec.get("disabled").and_then(Node::as_bool) == Some(true)
}

/// The namespaces that a rule of Kyverno is about, where it writes into that of what it matches
/// and matches Namespaces by their names only. `None` where it may be any.
fn namespaces_of(rule: Node<'_>) -> Option<Vec<String>> {
    let home = rule.find(&["generate", "namespace"])?.as_str()?;
    let is_its_name = home.contains("request.object.metadata.name")
        && !home.contains("request.object.metadata.namespace");
    let matches = rule.get("match").filter(|_| is_its_name)?;
    let listed = ["any", "all"].into_iter().filter_map(|it| matches.get(it));
    let mut filters: Vec<Node<'_>> = listed.flat_map(Node::items).collect();
    if filters.is_empty() {
        filters.push(matches);
    }
    let mut names = Vec::new();
    for filter in filters {
        let resources = filter.get("resources")?;
        let mut kinds = resources.get("kinds")?.items();
        if !kinds.all(|kind| kind.as_str() == Some("Namespace")) {
            return None;
        }
        for name in resources.get("names")?.items() {
            // `*` and `?` stand for more than one.
            let name = name.as_str().filter(|name| !name.contains(['*', '?']))?;
            names.push(name.to_owned());
        }
    }
    (!names.is_empty() && !names.iter().any(|name| is_filled_in(name))).then_some(names)
}

fn look_for_policies(node: Node<'_>, depth: usize, found: &mut Vec<WrittenPolicy>) {
    if depth == 0 {
        return;
    }
    let text = |key: &str| node.get(key).and_then(Node::as_str);
    let is_written = text("kind").is_some_and(is_policy)
        && CONTENT.iter().any(|field| node.get(field).is_some());
    if is_written {
        let namespace = text("namespace").or_else(|| {
            let namespace = node.find(&["metadata", "namespace"])?;
            namespace.as_str()
        });
        found.push(WrittenPolicy {
            namespace: namespace.filter(|it| !is_filled_in(it)).map(str::to_owned),
            allows: allows(node),
            directions: directions(node),
        });
        return;
    }
    // A program, or a template, that makes the policy: what it says is not known.
    let is_program = node.as_str().is_some_and(|text| {
        text.contains("NetworkPolicy")
            && (text.contains("kind: ") || text.contains("\"kind\""))
            && text.contains("spec")
    });
    let is_cloned = node.get("cloneList").is_some_and(|list| {
        let mut kinds = list.get("kinds").into_iter().flat_map(Node::items);
        kinds.any(|kind| kind.as_str().is_some_and(is_policy))
    });
    // Capsule's tenants.
    let is_of_tenant = node.find(&["networkPolicies", "items"]).is_some();
    if is_program || is_cloned || is_of_tenant {
        found.push(WrittenPolicy {
            namespace: None,
            allows: true,
            directions: Direction::BOTH.to_vec(),
        });
        return;
    }
    for item in node.items() {
        look_for_policies(item, depth - 1, found);
    }
    for entry in node.entries() {
        // What a `SyncConfig` of espejo takes away.
        if entry.key.key_text() != "deleteItems" {
            look_for_policies(entry.value, depth - 1, found);
        }
    }
}

fn spec_of(policy: Node<'_>) -> Option<Node<'_>> {
    policy
        .find(&["data", "spec"])
        .or_else(|| policy.get("spec"))
}

/// The directions in which a policy that is written out isolates pods, as far as its types
/// tell: both where they are not written out.
fn directions(policy: Node<'_>) -> Vec<Direction> {
    let types = spec_of(policy).and_then(|spec| spec.get("policyTypes"));
    let names = types.into_iter().flat_map(Node::items);
    let names: Vec<&str> = names.filter_map(Node::as_str).collect();
    let is_listed = |direction: &Direction| names.contains(&direction.policy_type());
    let listed: Vec<Direction> = Direction::BOTH.into_iter().filter(is_listed).collect();
    match listed.is_empty() {
        true => Direction::BOTH.to_vec(),
        false => listed,
    }
}

/// Whether a policy that is written out may allow something: one without rules only denies.
fn allows(policy: Node<'_>) -> bool {
    spec_of(policy).is_none_or(|spec| {
        let mut rules = ["ingress", "egress"].into_iter();
        rules.any(|field| {
            spec.get(field)
                .is_some_and(|it| it.items().next().is_some())
        })
    })
}

#[cfg(test)]
mod tests {
    use crate::k8s::{ContextObject, Object};
    use crate::source::SourceMap;

    #[test]
    fn what_controllers_write_is_known() {
        let rule = |text: &str| {
            format!(
                "{{apiVersion: kyverno.io/v1, kind: ClusterPolicy, metadata: {{name: a}}, \
                 spec: {{rules: [{text}]}}}}"
            )
        };
        let table = [
            (
                rule(
                    "{generate: {kind: NetworkPolicy, namespace: '{{request.object.metadata.name}}', \
                     data: {spec: {podSelector: {}, policyTypes: [Ingress]}}}}",
                ),
                "denies Ingress everywhere",
            ),
            (
                rule(
                    "{match: {any: [{resources: {kinds: [Namespace], names: [shop, blog]}}]}, \
                     generate: {kind: NetworkPolicy, namespace: '{{request.object.metadata.name}}', \
                     data: {spec: {podSelector: {}, policyTypes: [Egress]}}}}",
                ),
                "denies Egress shop denies Egress blog",
            ),
            (
                rule(
                    "{match: {any: [{resources: {kinds: [Namespace], names: [shop]}}, \
                     {resources: {kinds: [Namespace], names: ['team-*']}}]}, \
                     generate: {kind: NetworkPolicy, namespace: '{{request.object.metadata.name}}', \
                     data: {spec: {podSelector: {}, policyTypes: [Egress]}}}}",
                ),
                "denies Egress everywhere",
            ),
            (
                rule(
                    "{generate: {kind: NetworkPolicy, namespace: shop, \
                     data: {spec: {podSelector: {}, egress: [{}]}}}}",
                ),
                "allows Ingress+Egress shop",
            ),
            (
                rule("{generate: {kind: NetworkPolicy, clone: {name: a, namespace: b}}}"),
                "allows Ingress+Egress everywhere",
            ),
            (
                rule("{match: {resources: {kinds: [NetworkPolicy]}}, validate: {pattern: {}}}"),
                "",
            ),
            (
                "{apiVersion: capsule.clastix.io/v1beta2, kind: Tenant, metadata: {name: a}, \
                 spec: {networkPolicies: {items: [{policyTypes: [Ingress]}]}}}"
                    .to_owned(),
                "allows Ingress+Egress everywhere",
            ),
        ];
        for (text, expected) in table {
            let mut sources = SourceMap::default();
            let source = sources.add("a.yaml", text.as_str());
            let parsed = crate::manifest::read(source, "a.yaml", &text);
            let mut words = Vec::new();
            for object in parsed.objects {
                if let Object::ContextObject(ContextObject::Custom(object)) = object {
                    words.extend(object.written_policies.iter().map(|policy| {
                        let verb = if policy.allows { "allows" } else { "denies" };
                        let place = policy.namespace.as_deref().unwrap_or("everywhere");
                        let types = policy.directions.iter().map(|it| it.policy_type());
                        let types: Vec<&str> = types.collect();
                        format!("{verb} {} {place}", types.join("+"))
                    }));
                }
            }
            assert_eq!(words.join(" "), expected, "{text}");
        }
    }
}
