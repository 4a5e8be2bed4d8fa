//! Custom resources from a tree, as far as they tell of pods.
//!
//! Refuses to know any kind: it looks for the fields that pods have wherever they are found.

use super::context_object::text;
use super::object::Identity;
use super::{meta, release, written, written_labels};
use crate::k8s::{CustomObject, Labels, ObjectMeta};
use crate::yaml::tree::Node;
use std::sync::Arc;

/// Fields that only what makes pods has, in the words of the API of pods.
const POD_FIELDS: &[&str] = &[
    "containers",
    "hostNetwork",
    "imagePullPolicy",
    "imagePullSecrets",
    "initContainers",
    "nodeSelector",
    "podLabels",
    "podMetadata",
    "podSecurityContext",
    "podTemplate",
    "priorityClassName",
    "replicas",
    "serviceAccountName",
    "tolerations",
    "topologySpreadConstraints",
];

/// Fields that hold labels of pods themselves.
const LABEL_FIELDS: &[&str] = &["podLabels"];

/// Fields that hold the metadata of pods.
const METADATA_FIELDS: &[&str] = &["podMetadata", "inheritedMetadata"];

/// Fields that hold a pod template.
const TEMPLATE_FIELDS: &[&str] = &["template", "podTemplate", "podTemplateSpec"];

/// How deep the fields of pods are looked for: operators put them into a section of `spec`,
/// or into a list of groups of pods there.
const DEPTH: usize = 5;

/// Reads an object of a kind that no other reader knows; `None` for the kinds of Kubernetes
/// itself, which make no pods.
pub(super) fn read(
    node: Node<'_>,
    identity: &Identity<'_>,
    meta: impl FnOnce() -> ObjectMeta,
) -> Option<CustomObject> {
    let group = identity.group();
    let is_of_kubernetes = group.ends_with(".k8s.io") && !group.ends_with("x-k8s.io");
    let is_mutation = written_labels::is_mutation_of_kubernetes(identity);
    if !group.contains('.') || is_of_kubernetes && !is_mutation {
        return None;
    }
    let spec = node.find(&["spec"]);
    let mut found = Found::default();
    if let Some(spec) = spec {
        found.look_into(spec, DEPTH);
    }
    let target = ["targetNamespace", "installNamespace"];
    let target = target
        .into_iter()
        .find_map(|field| text(node, &["spec", field]));
    let target = target.or_else(|| text(node, &["spec", "destination", "namespace"]));
    let meta = meta();
    let released = release::read(node, identity, &meta);
    let written_labels = spec.map(|spec| written_labels::read(spec, identity, &meta));
    let written_labels = written_labels.unwrap_or_default();
    Some(CustomObject {
        released: released.pods,
        released_policies: released.policies,
        network: released.network.map(Arc::new),
        meta,
        group: group.to_owned(),
        kind: identity.kind.to_owned(),
        pod_labels: found.labels.unwrap_or_default(),
        describes_pods: found.describes_pods,
        target_namespace: target.map(|target| target.value),
        written_policies: spec.map(written::policies).unwrap_or_default(),
        written_labels,
    })
}

/// What was found of pods.
#[derive(Default)]
struct Found {
    describes_pods: bool,
    labels: Option<Labels>,
}

impl Found {
    fn look_into(&mut self, node: Node<'_>, depth: usize) {
        if depth == 0 {
            return;
        }
        for item in node.items() {
            self.look_into(item, depth - 1);
        }
        for entry in node.entries() {
            let key = entry.key.key_text();
            let key = key.as_ref();
            let value = entry.value;
            if POD_FIELDS.contains(&key) && !value.is_null() {
                self.describes_pods = true;
            }
            let labels = if LABEL_FIELDS.contains(&key) {
                Some(value)
            } else if METADATA_FIELDS.contains(&key) {
                value.get("labels")
            } else if TEMPLATE_FIELDS.contains(&key) {
                value.find(&["metadata", "labels"])
            } else {
                None
            };
            if let Some(labels) = labels.filter(|labels| labels.is_mapping()) {
                // A template that is no pod's, as of a certificate, has other fields.
                let is_of_pods = !TEMPLATE_FIELDS.contains(&key) || value.find(&["spec"]).is_some();
                if is_of_pods && self.labels.is_none() {
                    self.labels = Some(meta::string_map(
                        labels,
                        meta::Holds::Labels,
                        "",
                        "",
                        &mut Vec::new(),
                    ));
                }
            }
            self.look_into(value, depth - 1);
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::k8s::{ContextObject, Object};
    use crate::source::SourceMap;

    #[test]
    fn custom_objects_tell_of_pods_by_their_fields() {
        let table = [
            (
                "{apiVersion: db.example.org/v1, kind: Store, metadata: {name: a}, \
                 spec: {podTemplate: {metadata: {labels: {app: a}}, spec: {}}}}",
                "Store pods app=a",
            ),
            (
                "{apiVersion: db.example.org/v1, kind: Store, metadata: {name: a}, \
                 spec: {groups: [{replicas: 3, podLabels: {tier: db}}]}}",
                "Store pods tier=db",
            ),
            (
                "{apiVersion: tls.example.org/v1, kind: Certificate, metadata: {name: a}, \
                 spec: {secretTemplate: {labels: {app: a}}}}",
                "Certificate - ",
            ),
            (
                "{apiVersion: apps.example.org/v1, kind: App, metadata: {name: a}, \
                 spec: {destination: {namespace: shop}}}",
                "App - in shop",
            ),
            ("{apiVersion: v1, kind: ConfigMap, metadata: {name: a}}", ""),
        ];
        for (text, expected) in table {
            let mut sources = SourceMap::default();
            let source = sources.add("a.yaml", text);
            let parsed = crate::manifest::read(source, "a.yaml", text);
            let words: Vec<String> = parsed
                .objects
                .iter()
                .filter_map(|object| match object {
                    Object::ContextObject(ContextObject::Custom(object)) => Some(object),
                    _ => None,
                })
                .map(|object| {
                    let labels = object.pod_labels.iter();
                    let labels: Vec<String> = labels
                        .map(|label| format!("{}={}", label.key, label.value))
                        .collect();
                    let pods = if object.describes_pods { "pods" } else { "-" };
                    let home = object.target_namespace.as_deref();
                    let home = home.map(|home| format!("in {home}")).unwrap_or_default();
                    format!("{} {pods} {}{home}", object.kind, labels.join(","))
                })
                .collect();
            assert_eq!(words.join(";"), expected, "{text}");
        }
    }
}
