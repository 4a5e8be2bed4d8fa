//! What an API server asks of every policy beside its `spec`: an `apiVersion` that
//! exists, and names.
//!
//! Refuses to know labels and annotations: they are read for every kind elsewhere.

use super::invalid_value;
use super::names;
use super::reader::{self, Path, Reader};
use super::suggestion;
use crate::diagnostic::Diagnostic;
use crate::k8s::ObjectMeta;
use crate::yaml::tree::Node;

/// Where objects of a kind live.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Scope {
    /// In a namespace.
    Namespace,
    /// In the cluster.
    Cluster,
}

/// The kind of policies that Kubernetes itself has.
const KIND: &str = "NetworkPolicy";

/// The group of that kind.
const GROUP: &str = "networking.k8s.io";

/// Groups of Kubernetes itself without a dot; the core group's objects name none.
const OTHER_GROUPS: [&str; 5] = ["apps", "autoscaling", "batch", "extensions", "policy"];

/// Whether an object can only be meant as a `NetworkPolicy` of Kubernetes: kind and group are
/// its own, or one of the two is and the other has no kind that another product could bring.
/// Groups of custom resources have a dot, and nobody but Kubernetes adds kinds to its own group.
pub(super) fn is_meant_as_policy(group: &str, kind: &str) -> bool {
    let is_misspelt = || strsim::osa_distance(group, GROUP) <= 3;
    match kind {
        KIND => !group.contains('.') || is_misspelt(),
        _ if group != GROUP => false,
        _ => {
            let singular = kind.strip_suffix("ies").map(|stem| format!("{stem}y"));
            suggestion::near_miss(singular.as_deref().unwrap_or(kind), [KIND]).is_some()
        }
    }
}

/// Whether a group has the kinds of its owner only, so that a kind of another one is misplaced in
/// it: groups of Kubernetes and OpenShift, and those that are called after a CNI plugin. A group
/// of anybody else may have a kind of its own by any name.
pub(super) fn is_closed(group: &str) -> bool {
    let is_of_kubernetes = group.ends_with(".k8s.io") && !group.ends_with("x-k8s.io");
    let is_of_plugin = || ["cilium", "calico"].iter().any(|it| group.contains(it));
    !group.contains('.') || is_of_kubernetes || group.ends_with(".openshift.io") || is_of_plugin()
}

/// The groups that have a kind of Kubernetes itself, and the usual version.
const HOMES: &[(&str, &[&str], &str)] = &[
    ("CronJob", &["batch"], "batch/v1"),
    ("DaemonSet", &["apps", "extensions"], "apps/v1"),
    ("Deployment", &["apps", "extensions"], "apps/v1"),
    ("Job", &["batch"], "batch/v1"),
    ("Pod", &[""], "v1"),
    ("ReplicaSet", &["apps", "extensions"], "apps/v1"),
    ("ReplicationController", &[""], "v1"),
    ("Service", &[""], "v1"),
    ("StatefulSet", &["apps"], "apps/v1"),
];

/// Whether an object can only be meant as the kind of Kubernetes of this name.
pub(super) fn is_of_kubernetes(group: &str, kind: &str) -> bool {
    let mut homes = HOMES.iter();
    homes.any(|(name, groups, _)| *name == kind && (groups.contains(&group) || is_closed(group)))
}

/// Whether an object of a kind of Kubernetes has a group that has the kind.
pub(super) fn check_group(
    node: Node<'_>,
    meta: &ObjectMeta,
    kind: &str,
    object: &str,
    diagnostics: &mut Vec<Diagnostic>,
) -> bool {
    let group = meta.api_version.split_once('/').map_or("", |it| it.0);
    let mut homes = HOMES.iter();
    let home = homes.find(|(name, groups, _)| *name == kind && !groups.contains(&group));
    let wrong = home.and_then(|(.., usual)| wrong_version(node, meta, kind, &[usual]));
    let Some(diagnostic) = wrong else {
        return true;
    };
    let diagnostic = diagnostic.label(OTHER_KINDS);
    diagnostics.push(diagnostic.about(object, "apiVersion".to_owned()));
    false
}

/// What is said of a version of a group that does not have the kind.
const OTHER_KINDS: &str = "is the version of other kinds";

/// The `kind` is spelled as the API spells it; an item of a list may have it from the list's.
pub(super) fn check_kind(node: Node<'_>, kind: &str, reader: &mut Reader<'_>) {
    if kind == KIND {
        return;
    }
    let message = format!("`{GROUP}` does not have the kind `{kind}`");
    let diagnostic = match node.get("kind") {
        Some(own) => {
            let diagnostic = invalid_value(own.span(), message);
            reader::write_instead(diagnostic.label("no API server accepts this"), own, KIND)
        }
        None => invalid_value(node.span(), message)
            .label("has its kind from that of the list")
            .help(format!("write `kind: {KIND}List` for the list")),
    };
    reader.refuse(Path::Object.field("kind"), diagnostic);
}

/// A `NetworkPolicy` is of `networking.k8s.io/v1`, and of nothing else any more.
pub(super) fn check_api_version(node: Node<'_>, meta: &ObjectMeta, reader: &mut Reader<'_>) {
    let Some(diagnostic) = wrong_version(node, meta, KIND, &["networking.k8s.io/v1"]) else {
        return;
    };
    let path = Path::Object.field("apiVersion");
    match meta.api_version.value.split_once('/') {
        // Clusters that old have it; it is judged as what it became (S3).
        Some(("extensions", _)) => {
            reader.report(path, diagnostic.label("was removed in Kubernetes 1.16"));
        }
        // No cluster has the policy.
        Some((GROUP, _)) => reader.refuse(path, diagnostic.label("never existed")),
        Some((group, _)) if !OTHER_GROUPS.contains(&group) => {
            reader.refuse(path, diagnostic.label("no API group has this name"));
        }
        _ => reader.refuse(path, diagnostic.label(OTHER_KINDS)),
    }
}

/// A policy that a CRD defines is of one of these versions, the usual one first; it is judged as
/// that one.
pub(super) fn check_plugin_version(
    node: Node<'_>,
    meta: &ObjectMeta,
    versions: &[&str],
    reader: &mut Reader<'_>,
) {
    let kind = node.get("kind").and_then(Node::as_str).unwrap_or_default();
    if let Some(diagnostic) = wrong_version(node, meta, kind, versions) {
        let path = Path::Object.field("apiVersion");
        let group = |version: &str| version.split_once('/').map_or("", |it| it.0).to_owned();
        let own = group(&meta.api_version);
        match versions.iter().any(|version| group(version) == own) {
            true => reader.report(path, diagnostic.label("not a version of this kind")),
            // No cluster has the policy.
            false => reader.refuse(path, diagnostic.label(OTHER_KINDS)),
        }
    }
}

/// A finding about a version that does not have the kind, with the one that has it.
fn wrong_version(
    node: Node<'_>,
    meta: &ObjectMeta,
    kind: &str,
    versions: &[&str],
) -> Option<Diagnostic> {
    let version = &meta.api_version;
    if versions.contains(&version.as_str()) || crate::k8s::is_opaque(version) {
        return None;
    }
    let usual = *versions.first()?;
    let message = format!("`{version}` does not have the kind `{kind}`");
    let diagnostic = invalid_value(version.span, message);
    Some(match node.get("apiVersion") {
        Some(own) => reader::write_instead(diagnostic, own, usual),
        None => diagnostic.help(format!("write `{usual}`")),
    })
}

/// What the server asks of finalizers and owners (`ValidateObjectMeta`).
pub(super) fn check_relations(node: Node<'_>, reader: &mut Reader<'_>) {
    let path = Path::Object.field("metadata");
    let items = |name: &str| {
        node.find(&["metadata", name])
            .into_iter()
            .flat_map(Node::items)
    };
    let finalizers = path.field("finalizers");
    for (index, item) in items("finalizers").enumerate() {
        let text = if item.is_null() {
            Some("")
        } else {
            item.as_str()
        };
        let Some(text) = text.filter(|_| !reader::is_opaque(item)) else {
            continue;
        };
        if let Some(error) = finalizer_error(text) {
            let message = format!("`{text}` is not a valid finalizer");
            let diagnostic = invalid_value(item.span(), message).label(error);
            reader.refuse(finalizers.item(index), diagnostic);
        }
    }
    let owners = path.field("ownerReferences");
    for (index, owner) in items("ownerReferences").enumerate() {
        let is_missing = |name: &&str| {
            let value = owner.find(&[*name]);
            value.is_none_or(|value| value.text() == Some(""))
        };
        let missing = ["apiVersion", "kind", "name", "uid"]
            .into_iter()
            .find(is_missing);
        if let Some(missing) = missing.filter(|_| owner.is_mapping() || owner.is_null()) {
            let message = format!("this owner has no `{missing}`");
            reader.refuse(owners.item(index), invalid_value(owner.span(), message));
        }
    }
}

/// What is wrong with the name of a finalizer.
fn finalizer_error(name: &str) -> Option<String> {
    const STANDARD: [&str; 3] = ["kubernetes", "orphan", "foregroundDeletion"];
    let error = names::label_key_error(name);
    let is_known = name.contains('/') || STANDARD.contains(&name);
    error.or_else(|| (!is_known).then(|| "it lacks a DNS name and `/` in front".to_owned()))
}

/// An object has a name, and names have a syntax.
pub(super) fn check_names(node: Node<'_>, scope: Scope, reader: &mut Reader<'_>) {
    let path = Path::Object.field("metadata");
    let text = |name: &str| node.find(&["metadata", name]);
    let is_empty = |name: &str| text(name).is_none_or(|value| value.text() == Some(""));
    let is_readable = node.find(&["metadata"]).is_none_or(Node::is_mapping);
    if is_readable && is_empty("name") && is_empty("generateName") {
        let key = node
            .entry("metadata")
            .map_or(node.span().before(), |entry| entry.key.span());
        reader.refuse(
            path,
            invalid_value(key, "the object has no `metadata.name`"),
        );
    }
    let mut check = |name: &str, what: &str, error: fn(&str) -> Option<String>| {
        let Some(value) = text(name).filter(|value| !reader::is_opaque(*value)) else {
            return;
        };
        let Some(text) = value.as_str().filter(|text| !text.is_empty()) else {
            return;
        };
        if let Some(error) = error(text) {
            let diagnostic = invalid_value(
                value.span(),
                format!("`{text}` is not a valid name of {what}"),
            );
            reader.refuse(path.field(name), diagnostic.label(error));
        }
    };
    check("name", "an object", names::dns_name_error);
    // The server appends letters and digits, so a hyphen may end it; also beside a name
    // (`NameIsDNSSubdomain` with a prefix).
    check("generateName", "an object", |text| {
        match text.strip_suffix('-') {
            Some(rest) if !rest.is_empty() => {
                let kept = rest.chars().count() - 1;
                let masked: String = rest.chars().take(kept).chain(['a']).collect();
                names::dns_name_error(&masked)
            }
            _ => names::dns_name_error(text),
        }
    });
    if is_empty("name") {
        check("generateName", "an object", |text| {
            let kept: String = text.chars().take(58).collect();
            names::dns_name_error(&format!("{kept}x"))
        });
    }
    if scope == Scope::Namespace {
        check("namespace", "a namespace", names::namespace_name_error);
    }
}
