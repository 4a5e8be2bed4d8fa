//! `kustomization.yaml`, Flux's `Kustomization` and Argo CD's `Application` from a tree.
//!
//! Refuses to know files: paths are text here.

use super::context_object::text;
use super::meta;
use crate::k8s::{Kustomization, Labels, ObjectMeta, Placement};
use crate::source::{Spanned, Text};
use crate::yaml::tree::Node;

/// The fields of a `kustomization.yaml` (kubectl.docs.kubernetes.io, "The Kustomization
/// file").
const FIELDS: &[&str] = &[
    "apiVersion",
    "kind",
    "metadata",
    "bases",
    "buildMetadata",
    "commonAnnotations",
    "commonLabels",
    "components",
    "configMapGenerator",
    "configurations",
    "crds",
    "generatorOptions",
    "generators",
    "helmCharts",
    "helmGlobals",
    "images",
    "labels",
    "namePrefix",
    "nameSuffix",
    "namespace",
    "openapi",
    "patches",
    "patchesJson6902",
    "patchesStrategicMerge",
    "replacements",
    "replicas",
    "resources",
    "secretGenerator",
    "sortOptions",
    "transformers",
    "validators",
    "vars",
];

/// Whether a mapping without `kind` is a `kustomization.yaml`, where it may be left out: it
/// has none but its fields, and lists what it is made of.
pub(super) fn is_kustomization(node: Node<'_>) -> bool {
    let lists = ["resources", "bases", "components"];
    let is_list = |name: &str| {
        let list = node.get(name);
        list.is_some_and(|list| list.items().any(|item| item.as_str().is_some()))
    };
    lists.into_iter().any(is_list)
        && node
            .entries()
            .all(|entry| FIELDS.contains(&entry.key.key_text().as_ref()))
}

/// Reads a `kustomization.yaml`.
pub(super) fn read(node: Node<'_>, meta: ObjectMeta) -> Kustomization {
    let items = |name: &str| node.get(name).into_iter().flat_map(Node::items);
    let resources = ["resources", "bases", "components"];
    let texts = |name: &str| -> Vec<Spanned<Text>> { items(name).filter_map(meta::text).collect() };
    let paths = |name: &str| -> Vec<Spanned<Text>> {
        items(name)
            .filter_map(|patch| text(patch, &["path"]))
            .collect()
    };
    Kustomization {
        meta,
        namespace: text(node, &["namespace"]),
        resources: resources.into_iter().flat_map(texts).collect(),
        patches: [
            paths("patches"),
            paths("patchesJson6902"),
            texts("patchesStrategicMerge"),
        ]
        .concat(),
        selector_labels: selector_labels(node),
    }
}

/// The labels that a kustomization adds to selectors (kubectl.docs.kubernetes.io, "labels").
fn selector_labels(node: Node<'_>) -> Labels {
    let entries = node.get("labels").into_iter().flat_map(Node::items);
    let in_selectors = entries.filter(|entry| {
        let include = entry.get("includeSelectors").and_then(Node::as_bool);
        include == Some(true)
    });
    let pairs = in_selectors.filter_map(|entry| entry.get("pairs"));
    let maps = node.get("commonLabels").into_iter().chain(pairs);
    let labels = maps.flat_map(|map| {
        let labels = meta::string_map(map, meta::Holds::Labels, "", "", &mut Vec::new());
        labels.iter().cloned().collect::<Vec<_>>()
    });
    Labels::new(labels.collect())
}

/// Reads Flux's `Kustomization`; `None` if it leaves namespaces alone.
pub(super) fn read_flux(node: Node<'_>, meta: ObjectMeta) -> Option<Placement> {
    Some(Placement {
        meta,
        path: text(node, &["spec", "path"])?.value,
        namespace: text(node, &["spec", "targetNamespace"])?,
        overrides: true,
        recurses: true,
    })
}

/// Reads Argo CD's `Application`, whose `destination` is where objects without a namespace
/// go; `None` if it applies no directory.
pub(super) fn read_argo(node: Node<'_>, meta: ObjectMeta) -> Option<Placement> {
    let recurse = node.find(&["spec", "source", "directory", "recurse"]);
    Some(Placement {
        meta,
        path: text(node, &["spec", "source", "path"])?.value,
        namespace: text(node, &["spec", "destination", "namespace"])?,
        overrides: false,
        recurses: recurse.is_some_and(|it| it.as_bool() == Some(true)),
    })
}
