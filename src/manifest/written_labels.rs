//! The labels that an admission controller puts on other objects because an object says so:
//! Kyverno's `mutate`, mutation policies in CEL, Gatekeeper's `AssignMetadata` and `Assign`, the
//! tenants of Capsule.
//!
//! Refuses to know which objects there are, and what a rule excludes from those that it matches.

use super::object::Identity;
use crate::k8s::{LabelHolder, ObjectMeta, Overwrites, WrittenLabel, is_opaque};
use crate::yaml::tree::Node;
use std::collections::BTreeSet;

/// How deep a mutation is looked into.
const DEPTH: usize = 24;

/// The field of a workload that holds its pods.
const TEMPLATE: &str = "template";

/// Whether an object changes others by itself, of a group of Kubernetes (KEP-3962).
pub(super) fn is_mutation_of_kubernetes(identity: &Identity<'_>) -> bool {
    (identity.group(), identity.kind) == ("admissionregistration.k8s.io", "MutatingAdmissionPolicy")
}

/// The labels that are put on other objects because of an object with this `spec`, sorted.
pub(super) fn read(
    spec: Node<'_>,
    identity: &Identity<'_>,
    meta: &ObjectMeta,
) -> Vec<WrittenLabel> {
    let mut found = BTreeSet::new();
    for rule in items(spec.get("rules")) {
        if let Some(mutation) = rule.get("mutate") {
            let targets = targets_of_rule(rule, mutation);
            add_all(&mut found, &targets, &places_in(mutation));
        }
    }
    if let Some(mutations) = spec.get("mutations") {
        let rules = items(spec.find(&["matchConstraints", "resourceRules"]));
        let targets = rules.map(|rule| Target {
            kinds: texts(rule.get("resources")).map(kind_of_resource).collect(),
            ..Target::default()
        });
        let targets: Vec<Target> = targets.collect();
        add_all(&mut found, &targets, &places_in(mutations));
    }
    if let Some(location) = spec.get("location").and_then(Node::as_str) {
        let place = place_of_location(location, identity.kind);
        add_all(&mut found, &targets_of_gatekeeper(spec), place.as_slice());
    }
    for (options, kind) in [("namespaceOptions", "namespace"), ("podOptions", "pod")] {
        let options = spec.get(options);
        let places = options.map(places_in).unwrap_or_default();
        add_all(&mut found, &[Target::of_kind(kind)], &places);
    }
    let own = meta.namespace.as_ref().map(|namespace| &namespace.value);
    let found = found.into_iter().map(|mut label| {
        // A namespaced object is about its own namespace.
        if let Some(own) = own {
            label.namespaces = vec![own.to_string()];
        }
        label
    });
    found.collect()
}

/// What a rule matches: objects of some kinds in some namespaces, or of any in any.
#[derive(Debug, Default)]
struct Target {
    /// In lower case; empty for all.
    kinds: Vec<String>,
    namespaces: Vec<String>,
    /// The names of the objects themselves.
    names: Vec<String>,
}

impl Target {
    fn of_kind(kind: &str) -> Self {
        Self {
            kinds: vec![kind.to_owned()],
            ..Self::default()
        }
    }
}

/// Where a mutation writes a label.
#[derive(Debug)]
struct Place {
    key: String,
    /// Whether it is on the template of pods, and not on the object itself.
    is_on_template: bool,
    overwrites: Overwrites,
}

fn add_all(found: &mut BTreeSet<WrittenLabel>, targets: &[Target], places: &[Place]) {
    let anything = [Target::default()];
    let targets = if targets.is_empty() {
        &anything
    } else {
        targets
    };
    for place in places {
        // What a variable makes of a key may be any.
        let is_key = !place.key.is_empty() && !place.key.contains(['(', ')']);
        if !is_key || is_opaque(&place.key) {
            continue;
        }
        for target in targets {
            for (holder, namespaces) in holders(target, place.is_on_template) {
                found.insert(WrittenLabel {
                    key: place.key.clone(),
                    holder,
                    namespaces: (namespaces.iter())
                        .filter(|name| !is_opaque(name))
                        .cloned()
                        .collect(),
                    overwrites: place.overwrites,
                });
            }
        }
    }
}

/// Who gets a label that is written on what a rule matches, each with the namespaces that it is
/// written in, or on.
fn holders(target: &Target, is_on_template: bool) -> Vec<(LabelHolder, &[String])> {
    let is_any = target.kinds.is_empty() || target.kinds.iter().any(|kind| kind == "*");
    let has = |kind: &str| is_any || target.kinds.iter().any(|it| it == kind);
    let mut found = Vec::new();
    if is_on_template {
        let of_kind = |kind: &String| (LabelHolder::PodsOf(kind.clone()), &*target.namespaces);
        match is_any {
            true => found.push((LabelHolder::Pods, &*target.namespaces)),
            false => found.extend(target.kinds.iter().map(of_kind)),
        }
        return found;
    }
    if has("pod") {
        found.push((LabelHolder::Pods, &*target.namespaces));
    }
    if has("namespace") {
        found.push((LabelHolder::Namespaces, &*target.names));
    }
    if found.is_empty() {
        found.push((LabelHolder::Others, &*target.namespaces));
    }
    found
}

/// What a rule of Kyverno changes: what it matches, or the targets that it names.
fn targets_of_rule(rule: Node<'_>, mutation: Node<'_>) -> Vec<Target> {
    if mutation.get("targets").is_some() {
        let targets = items(mutation.get("targets")).map(|target| Target {
            kinds: (owned(target.get("kind")).iter())
                .filter_map(|kind| kind_in(kind))
                .collect(),
            namespaces: owned(target.get("namespace")),
            names: owned(target.get("name")),
        });
        return targets.collect();
    }
    let Some(matches) = rule.get("match") else {
        return Vec::new();
    };
    let listed = ["any", "all"].into_iter().filter_map(|it| matches.get(it));
    let mut filters: Vec<Node<'_>> = listed.flat_map(Node::items).collect();
    if filters.is_empty() {
        filters.push(matches);
    }
    let resources = filters.iter().filter_map(|filter| filter.get("resources"));
    let targets = resources.map(|resources| Target {
        kinds: texts(resources.get("kinds")).filter_map(kind_in).collect(),
        namespaces: owned(resources.get("namespaces")),
        names: (owned(resources.get("names")).into_iter())
            .chain(owned(resources.get("name")))
            .collect(),
    });
    targets.collect()
}

/// The kind in a text such as `Pod`, `apps/v1/Deployment` or `Deployment.status`, in lower case;
/// `*` for all. `None` where only a part of objects is meant.
fn kind_in(text: &str) -> Option<String> {
    let kind = text.rsplit('/').next().unwrap_or(text);
    let is_kind = kind == "*" || kind.starts_with(|first: char| first.is_ascii_uppercase());
    (is_kind && !kind.contains('.')).then(|| kind.to_ascii_lowercase())
}

/// The kind of a resource such as `deployments`, in lower case; `*` for all.
fn kind_of_resource(resource: &str) -> String {
    let kind = resource.strip_suffix('s').unwrap_or(resource);
    kind.to_owned()
}

fn targets_of_gatekeeper(spec: Node<'_>) -> Vec<Target> {
    let matches = spec.get("match");
    let of_match = |field: &str| owned(matches.and_then(|it| it.get(field)));
    let listed = items(matches.and_then(|it| it.get("kinds"))).chain(items(spec.get("applyTo")));
    let kinds = listed.flat_map(|entry| texts(entry.get("kinds")));
    vec![Target {
        kinds: kinds.map(str::to_ascii_lowercase).collect(),
        namespaces: of_match("namespaces"),
        names: of_match("name"),
    }]
}

/// The label that a `location` of Gatekeeper's is about, as `metadata.labels."a.b/c"`.
fn place_of_location(location: &str, kind: &str) -> Option<Place> {
    let (before, key) = location.split_once("metadata.labels.")?;
    Some(Place {
        key: key.trim_matches(['"', '\'']).to_owned(),
        is_on_template: before.contains(TEMPLATE),
        overwrites: match kind {
            // It only adds what is not there.
            "AssignMetadata" => Overwrites::Never,
            _ => Overwrites::Value,
        },
    })
}

/// The labels that a mutation writes.
fn places_in(mutation: Node<'_>) -> Vec<Place> {
    let mut found = Vec::new();
    look_for_places(mutation, DEPTH, false, &mut found);
    found
}

fn look_for_places(node: Node<'_>, depth: usize, is_on_template: bool, found: &mut Vec<Place>) {
    if depth == 0 {
        return;
    }
    let text = node.as_str().unwrap_or_default();
    found.extend(places_of_pointers(text));
    found.extend(places_of_expression(text));
    for item in node.items() {
        look_for_places(item, depth - 1, is_on_template, found);
    }
    for entry in node.entries() {
        let key = entry.key.key_text();
        // Kyverno's anchors stand around keys.
        let name = key.trim_matches(|next| "+()".contains(next));
        if name == "labels" {
            found.extend(entry.value.entries().map(|label| {
                let key = label.key.key_text();
                // `+(key)` sets a label that is not there.
                let added = key.strip_prefix("+(").and_then(|key| key.strip_suffix(')'));
                Place {
                    key: added.unwrap_or(&key).to_owned(),
                    is_on_template,
                    overwrites: match (added.is_some(), label.value.is_null()) {
                        (true, _) => Overwrites::Never,
                        (false, true) => Overwrites::All,
                        (false, false) => Overwrites::Value,
                    },
                }
            }));
        }
        let is_on_template = is_on_template || name == TEMPLATE;
        look_for_places(entry.value, depth - 1, is_on_template, found);
    }
}

/// The labels that the paths of a JSON patch name.
fn places_of_pointers(text: &str) -> Vec<Place> {
    const POINTER: &str = "/metadata/labels/";
    /// How CEL escapes a key.
    const ESCAPED: &str = "jsonpatch.escapeKey(";
    let is_end = |next: char| next.is_whitespace() || "\"',})".contains(next);
    let pointers = text.match_indices(POINTER).map(|(at, _)| {
        let before = text[..at].rsplit(is_end).next().unwrap_or_default();
        let rest = &text[at + POINTER.len()..];
        let of_expression = || {
            let (between, key) = rest.split_once(ESCAPED)?;
            let is_next = between
                .trim_matches(|it| is_end(it) || it == '+')
                .is_empty();
            is_next.then(|| key.trim_start_matches(['"', '\'']))
        };
        let rest = of_expression().unwrap_or(rest);
        let key = &rest[..rest.find(is_end).unwrap_or(rest.len())];
        Place {
            // RFC 6901.
            key: key.replace("~1", "/").replace("~0", "~"),
            is_on_template: before.contains(TEMPLATE),
            overwrites: Overwrites::All,
        }
    });
    pointers.collect()
}

/// The labels in an apply configuration in CEL, as
/// `Object{metadata: Object.metadata{labels: Object.metadata.labels{tier: "web"}}}`.
fn places_of_expression(text: &str) -> Vec<Place> {
    const LABELS: &str = "labels";
    let is_path = |next: char| next.is_ascii_alphanumeric() || "._".contains(next);
    let places = text.match_indices(LABELS).flat_map(|(at, _)| {
        let rest = text[at + LABELS.len()..].trim_start();
        let value = rest.strip_prefix(':').map(str::trim_start);
        let value = value.map_or(rest, |value| value.trim_start_matches(is_path));
        let entries = value.trim_start().strip_prefix('{').unwrap_or_default();
        keys_of_map(entries).into_iter().map(move |key| Place {
            key,
            is_on_template: text[..at].contains(TEMPLATE),
            overwrites: Overwrites::Value,
        })
    });
    places.collect()
}

/// The keys of a map in CEL, whose text begins behind its brace.
fn keys_of_map(text: &str) -> Vec<String> {
    let mut keys = Vec::new();
    let mut key = String::new();
    let mut quote = None;
    let mut depth = 0_usize;
    let mut is_in_key = true;
    for next in text.chars() {
        match (quote, next) {
            (Some(open), _) if next == open => quote = None,
            (Some(_), _) => {}
            (None, '"' | '\'') => quote = Some(next),
            (None, '{' | '[' | '(') => depth += 1,
            (None, '}') if depth == 0 => return keys,
            (None, '}' | ']' | ')') => depth = depth.saturating_sub(1),
            (None, ':') if depth == 0 && is_in_key => {
                let name = key.trim().trim_start_matches('?');
                keys.push(name.trim_matches(['"', '\'']).to_owned());
                is_in_key = false;
            }
            (None, ',') if depth == 0 => {
                key.clear();
                is_in_key = true;
                continue;
            }
            (None, _) => {}
        }
        if is_in_key {
            key.push(next);
        }
    }
    // A text that ends within is no map.
    Vec::new()
}

fn items<'t>(list: Option<Node<'t>>) -> impl Iterator<Item = Node<'t>> {
    list.into_iter().flat_map(Node::items)
}

fn texts<'t>(list: Option<Node<'t>>) -> impl Iterator<Item = &'t str> {
    items(list).filter_map(Node::as_str)
}

/// The texts of a list, or the one that stands in its place.
fn owned(list: Option<Node<'_>>) -> Vec<String> {
    let only = list.and_then(Node::as_str);
    texts(list).chain(only).map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use crate::k8s::{ContextObject, LabelHolder, Object, Overwrites};
    use crate::source::SourceMap;

    fn written(text: &str) -> String {
        let mut sources = SourceMap::default();
        let source = sources.add("a.yaml", text);
        let parsed = crate::manifest::read(source, "a.yaml", text);
        let mut words = Vec::new();
        for object in parsed.objects {
            let Object::ContextObject(ContextObject::Custom(object)) = object else {
                continue;
            };
            words.extend(object.written_labels.iter().map(|label| {
                let holder = match &label.holder {
                    LabelHolder::Pods => "pods".to_owned(),
                    LabelHolder::PodsOf(kind) => format!("pods of {kind}"),
                    LabelHolder::Namespaces => "namespaces".to_owned(),
                    LabelHolder::Others => "others".to_owned(),
                };
                let sign = match label.overwrites {
                    Overwrites::Never => "+",
                    Overwrites::Value => "",
                    Overwrites::All => "!",
                };
                let names = label.namespaces.join(",");
                let at = if names.is_empty() { "" } else { " @" };
                format!("{sign}{} on {holder}{at}{names}", label.key)
            }));
        }
        words.join("; ")
    }

    #[test]
    fn the_labels_that_admission_controllers_write_are_known() {
        let kyverno = |rule: &str| {
            format!(
                "{{apiVersion: kyverno.io/v1, kind: ClusterPolicy, metadata: {{name: a}}, \
                 spec: {{rules: [{rule}]}}}}"
            )
        };
        let cel = |mutation: &str| {
            format!(
                "{{apiVersion: policies.kyverno.io/v1alpha1, kind: MutatingPolicy, \
                 metadata: {{name: a}}, spec: {{matchConstraints: {{resourceRules: \
                 [{{resources: [pods]}}]}}, mutations: [{mutation}]}}}}"
            )
        };
        let table = [
            (
                kyverno(
                    "{match: {any: [{resources: {kinds: [Pod], namespaces: ['team-*']}}]}, \
                     mutate: {patchStrategicMerge: {metadata: {labels: {+(team): x, name: y, \
                     (app): z, old: null}}}}}",
                ),
                "name on pods @team-*; !old on pods @team-*; +team on pods @team-*",
            ),
            (
                kyverno(
                    "{match: {resources: {kinds: [Namespace], names: [shop]}}, mutate: \
                     {patchStrategicMerge: {metadata: {labels: {+(zone): x}}}}}",
                ),
                "+zone on namespaces @shop",
            ),
            (
                kyverno(
                    "{match: {any: [{resources: {kinds: [apps/v1/Deployment]}}]}, mutate: \
                     {patchStrategicMerge: {metadata: {labels: {a: x}}, spec: {template: \
                     {metadata: {labels: {b: x}}}}}}}",
                ),
                "a on others; b on pods of deployment",
            ),
            (
                kyverno(
                    "{match: {any: [{resources: {kinds: [ConfigMap]}}]}, mutate: {targets: \
                     [{kind: Pod, namespace: shop}], patchStrategicMerge: {metadata: \
                     {labels: {a: x}}}}}",
                ),
                "a on pods @shop",
            ),
            (
                kyverno(
                    "{match: {any: [{resources: {kinds: [Pod]}}]}, \
                     mutate: {patchesJson6902: '- {op: add, path: /metadata/labels/a~1b}'}}",
                ),
                "!a/b on pods",
            ),
            (
                kyverno("{mutate: {patchesJson6902: '- path: /spec/template/metadata/labels/c'}}"),
                "!c on pods",
            ),
            (
                cel(
                    "{applyConfiguration: {expression: 'Object{metadata: Object.metadata{labels: \
                     Object.metadata.labels{tier: \"web\", ?zone: f(a, b)}}}'}}",
                ),
                "tier on pods; zone on pods",
            ),
            (
                cel("{jsonPatch: {expression: '[JSONPatch{op: \"add\", \
                     path: \"/metadata/labels/\" + jsonpatch.escapeKey(\"a.b/c\")}]'}}"),
                "!a.b/c on pods",
            ),
            (
                "{apiVersion: admissionregistration.k8s.io/v1beta1, kind: \
                 MutatingAdmissionPolicy, metadata: {name: a}, spec: {matchConstraints: \
                 {resourceRules: [{resources: [namespaces]}]}, mutations: [{jsonPatch: \
                 {expression: '[JSONPatch{path: \"/metadata/labels/zone\"}]'}}]}}"
                    .to_owned(),
                "!zone on namespaces",
            ),
            (
                "{apiVersion: mutations.gatekeeper.sh/v1, kind: AssignMetadata, \
                 metadata: {name: a}, spec: {location: 'metadata.labels.\"a.b/c\"'}}"
                    .to_owned(),
                "+a.b/c on pods; +a.b/c on namespaces",
            ),
            (
                "{apiVersion: mutations.gatekeeper.sh/v1, kind: Assign, metadata: {name: a}, \
                 spec: {applyTo: [{kinds: [Deployment]}], match: {namespaces: [shop]}, \
                 location: spec.template.metadata.labels.tier}}"
                    .to_owned(),
                "tier on pods of deployment @shop",
            ),
            (
                "{apiVersion: capsule.clastix.io/v1beta2, kind: Tenant, metadata: {name: a}, \
                 spec: {namespaceOptions: {additionalMetadata: {labels: {team: x}}}}}"
                    .to_owned(),
                "team on namespaces",
            ),
            (
                "{apiVersion: kyverno.io/v1, kind: Policy, metadata: {name: a, namespace: shop}, \
                 spec: {rules: [{match: {any: [{resources: {kinds: [Pod]}}]}, mutate: \
                 {patchStrategicMerge: {metadata: {labels: {a: x}}}}}]}}"
                    .to_owned(),
                "a on pods @shop",
            ),
        ];
        for (text, expected) in table {
            assert_eq!(written(&text), expected, "{text}");
        }
    }
}
