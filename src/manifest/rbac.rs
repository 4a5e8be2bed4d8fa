//! Service accounts, roles and their bindings from a tree.
//!
//! Refuses to know what a verb allows.

use super::context_object::text;
use crate::k8s::{
    ObjectMeta, Role, RoleBinding, RoleScope, ServiceAccount, ServiceAccountReference,
};
use crate::source::Text;
use crate::yaml::tree::Node;

/// Reads a `ServiceAccount`.
pub(super) fn read_service_account(node: Node<'_>, meta: ObjectMeta) -> ServiceAccount {
    let automount = node.get("automountServiceAccountToken");
    ServiceAccount {
        meta,
        automount_token: automount.and_then(Node::as_bool),
    }
}

/// Reads a `Role` or a `ClusterRole`.
pub(super) fn read_role(node: Node<'_>, meta: ObjectMeta, scope: RoleScope) -> Role {
    let rules = node.find(&["rules"]).into_iter().flat_map(Node::items);
    let about_resources = rules.filter(|rule| rule.find(&["resources"]).is_some());
    let verbs = about_resources.flat_map(|rule| {
        let verbs = rule.find(&["verbs"]).into_iter().flat_map(Node::items);
        verbs.filter_map(Node::as_str).map(Text::from)
    });
    let mut verbs: Vec<Text> = verbs.collect();
    verbs.sort_unstable();
    verbs.dedup();
    let makes_pods = node
        .find(&["rules"])
        .into_iter()
        .flat_map(Node::items)
        .any(may_create_pods);
    Role {
        meta,
        scope,
        verbs,
        makes_pods,
    }
}

/// Whether a rule lets somebody create pods, or objects that Kubernetes makes pods of.
fn may_create_pods(rule: Node<'_>) -> bool {
    const MAKERS: &[&str] = &[
        "*",
        "cronjobs",
        "daemonsets",
        "deployments",
        "jobs",
        "pods",
        "replicasets",
        "statefulsets",
    ];
    let has = |field: &str, words: &[&str]| {
        let items = rule.find(&[field]).into_iter().flat_map(Node::items);
        let mut items = items.filter_map(Node::as_str);
        items.any(|item| words.contains(&item))
    };
    has("verbs", &["*", "create"]) && has("resources", MAKERS)
}

/// Reads a `RoleBinding` or a `ClusterRoleBinding`.
pub(super) fn read_binding(node: Node<'_>, meta: ObjectMeta, scope: RoleScope) -> RoleBinding {
    let kind = text(node, &["roleRef", "kind"]);
    let is_cluster_role = kind.is_some_and(|kind| kind.value == "ClusterRole");
    let subjects = node.find(&["subjects"]).into_iter().flat_map(Node::items);
    let service_account = |subject: Node<'_>| {
        let kind = text(subject, &["kind"])?;
        let namespace = text(subject, &["namespace"]).map(|namespace| namespace.value);
        (kind.value == "ServiceAccount").then_some(ServiceAccountReference {
            namespace: namespace.unwrap_or_else(|| meta.namespace_name().into()),
            name: text(subject, &["name"])?.value,
        })
    };
    RoleBinding {
        service_accounts: subjects.filter_map(service_account).collect(),
        role: text(node, &["roleRef", "name"]).map_or(Text::new(), |name| name.value),
        meta,
        scope,
        role_scope: if is_cluster_role {
            RoleScope::Cluster
        } else {
            RoleScope::Namespace
        },
    }
}
