//! The order of what a build yields.
//!
//! Refuses to know how it was built.

use super::fault::Fault;
use super::file::{self, Kustomization};
use crate::render::object_id::{Gvk, ObjectId};
use crate::render::resource::Resource;
use crate::render::value::Value;

/// The kinds that come first, in order (kustomize, `SortOrderTransformer.go`).
const FIRST: &[&str] = &[
    "Namespace",
    "ResourceQuota",
    "StorageClass",
    "CustomResourceDefinition",
    "ServiceAccount",
    "PodSecurityPolicy",
    "Role",
    "ClusterRole",
    "RoleBinding",
    "ClusterRoleBinding",
    "ConfigMap",
    "Secret",
    "Endpoints",
    "Service",
    "LimitRange",
    "PriorityClass",
    "PersistentVolume",
    "PersistentVolumeClaim",
    "Deployment",
    "StatefulSet",
    "CronJob",
    "PodDisruptionBudget",
];

/// The kinds that come last, in order.
const LAST: &[&str] = &[
    "MutatingWebhookConfiguration",
    "ValidatingWebhookConfiguration",
];

/// Sorts as the outermost kustomization asks for: by kind, where it says nothing.
pub(crate) fn sort(
    resources: &mut [Resource<'_>],
    kustomization: &Kustomization<'_>,
) -> Result<(), Fault> {
    let options = kustomization.get("sortOptions");
    let order = options.as_ref().map(|options| file::text(options, "order"));
    let legacy = options
        .as_ref()
        .and_then(|options| file::field(options, "legacySortOptions"));
    match (order.as_deref(), &legacy) {
        (None | Some("legacy"), _) => {}
        (Some("fifo"), None) => return Ok(()),
        (Some("fifo"), Some(legacy)) => {
            let message = "`legacySortOptions` are for the order `legacy`, and this is `fifo`";
            return Err(Fault::error(legacy.span(), message));
        }
        (Some(_), _) => {
            let span = options
                .as_ref()
                .map_or(kustomization.root.span(), Value::span);
            let message = "kustomize knows the orders `fifo` and `legacy`";
            return Err(Fault::error(span, message));
        }
    }
    let kinds = |name: &str, default: &[&str]| -> Vec<String> {
        match &legacy {
            Some(legacy) => file::items(legacy, name)
                .iter()
                .filter_map(|kind| kind.text().map(str::to_owned))
                .collect(),
            None => default.iter().map(|kind| (*kind).to_owned()).collect(),
        }
    };
    let (first, last) = (kinds("orderFirst", FIRST), kinds("orderLast", LAST));
    resources.sort_by_cached_key(|resource| key(&resource.id, &first, &last));
    Ok(())
}

fn key(id: &ObjectId, first: &[String], last: &[String]) -> (isize, String, String) {
    let position = |kinds: &[String]| kinds.iter().position(|kind| *kind == id.gvk.kind);
    let rank = match (position(first), position(last)) {
        (Some(index), _) => index as isize - first.len() as isize,
        (None, Some(index)) => index as isize + 1,
        (None, None) => 0,
    };
    let or = |text: &str, missing: &str| match text.is_empty() {
        true => missing.to_owned(),
        false => text.to_owned(),
    };
    let gvk = &id.gvk;
    let kind = format!(
        "{}_{}_{}",
        or(&gvk.group, "~G"),
        or(&gvk.version, "~V"),
        or(&gvk.kind, "~K")
    );
    let name = format!("{}|{}", or(&id.namespace, "~X"), or(&id.name, "~N"));
    (rank, kind, name)
}

/// The place of a kind among the kinds of field specifications.
pub(crate) fn rank(gvk: &Gvk) -> (isize, String) {
    let position = FIRST.iter().position(|kind| *kind == gvk.kind);
    let rank = position.map_or(0, |index| index as isize - FIRST.len() as isize);
    let or = |text: &str, missing: &str| match text.is_empty() {
        true => missing.to_owned(),
        false => text.to_owned(),
    };
    let parts = [
        or(&gvk.group, "[noGrp]"),
        or(&gvk.version, "[noVer]"),
        or(&gvk.kind, "[noKind]"),
    ];
    (rank, parts.join("_"))
}

/// Whether an object is only for the build: annotated so with anything but `false`.
pub(crate) fn is_local(resource: &Resource<'_>) -> bool {
    let annotation = resource.value.find(&[
        "metadata",
        "annotations",
        "config.kubernetes.io/local-config",
    ]);
    annotation
        .as_ref()
        .and_then(Value::text)
        .is_some_and(|text| text != "false")
}
