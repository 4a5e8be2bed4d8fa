//! Which pods talk to the Kubernetes API, as far as manifests tell.
//!
//! Refuses to know policies, and whether the API may be reached.

use crate::cluster::{Cluster, WorkloadId};
use crate::k8s::{RoleBinding, RoleScope, Workload};

/// Why a workload is believed to talk to the API.
#[derive(Clone, Copy, Debug)]
pub enum Evidence<'c> {
    /// Its service account is bound to a role that grants something.
    Bound(&'c RoleBinding),
    /// It runs a program that is nothing without the API.
    Program(&'c str),
}

/// Programs that are nothing without the API, by the end of their image's name.
const PROGRAMS: &[&str] = &[
    "ingress-nginx/controller",
    "/cert-manager-controller",
    "/cert-manager-cainjector",
    "/external-dns",
    "/kube-state-metrics",
    "/prometheus-operator",
    "/metrics-server",
    "/cluster-autoscaler",
    "/external-secrets",
    "/sealed-secrets-controller",
    "/source-controller",
    "/kustomize-controller",
    "/helm-controller",
    "/notification-controller",
    "/reloader",
    "/velero",
    "/kyverno",
    "/cloudnative-pg",
    "/kube-rbac-proxy",
];

/// The roles of the API server itself that grant something to whoever is bound to them
/// (kubernetes.io, "Using RBAC Authorization", default roles).
const KNOWN_ROLES: &[&str] = &["cluster-admin", "admin", "edit", "view"];

/// Whether a workload talks to the API, by what evidence; `None` where it has no token to do
/// so, or nothing tells.
#[must_use]
pub fn evidence(cluster: &Cluster, id: WorkloadId) -> Option<Evidence<'_>> {
    let workload = cluster.workload(id);
    let pod = &workload.object;
    let namespace = &cluster.namespace(workload.namespace).name;
    if !has_token(cluster, namespace, pod) {
        return None;
    }
    // Everybody in a namespace has the account `default`, whoever it was bound for.
    let account = pod
        .service_account
        .as_deref()
        .filter(|name| *name != "default");
    let binding = account.and_then(|account| {
        let mut bindings = cluster.surroundings().role_bindings.iter();
        bindings.find(|binding| {
            let mut accounts = binding.service_accounts.iter();
            accounts.any(|it| it.name == account && it.namespace == *namespace)
                && grants(cluster, binding)
        })
    });
    if let Some(binding) = binding {
        return Some(Evidence::Bound(binding));
    }
    let containers = pod
        .containers
        .iter()
        .filter(|container| container.is_running());
    let images = containers.map(|container| without_tag(&container.image));
    let mut programs = images.filter(|image| PROGRAMS.iter().any(|known| image.ends_with(known)));
    programs.next().map(Evidence::Program)
}

/// Whether the token of its service account is mounted (core/v1 types.go: the pod's word
/// goes before the account's; mounted by default).
fn has_token(cluster: &Cluster, namespace: &str, pod: &Workload) -> bool {
    pod.automount_token.unwrap_or_else(|| {
        let name = pod.service_account.as_deref().unwrap_or("default");
        let mut accounts = cluster.surroundings().service_accounts.iter();
        let account = accounts.find(|account| {
            account.meta.name.value == name && account.meta.namespace_name() == namespace
        });
        account
            .and_then(|account| account.automount_token)
            .unwrap_or(true)
    })
}

/// Whether a binding grants a verb that takes a request to the API: `use`, of pod security
/// policies and OpenShift's constraints, does not.
fn grants(cluster: &Cluster, binding: &RoleBinding) -> bool {
    let namespace = binding.meta.namespace_name();
    let mut roles = cluster.surroundings().roles.iter().filter(|role| {
        role.scope == binding.role_scope
            && role.meta.name.value == binding.role
            && (role.scope == RoleScope::Cluster || role.meta.namespace_name() == namespace)
    });
    match roles.next() {
        Some(role) => role.verbs.iter().any(|verb| verb != "use"),
        None => {
            binding.role_scope == RoleScope::Cluster && KNOWN_ROLES.contains(&binding.role.as_str())
        }
    }
}

/// An image without its tag and digest.
fn without_tag(image: &str) -> &str {
    let image = image.split_once('@').map_or(image, |(image, _)| image);
    match image.rsplit_once(':') {
        // What follows the colon of a registry's port has a slash in it.
        Some((name, tag)) if !tag.contains('/') => name,
        _ => image,
    }
}

#[cfg(test)]
mod tests {
    use super::without_tag;

    #[test]
    fn images_lose_their_tag_and_keep_their_registry() {
        let table = [
            ("a/b:1", "a/b"),
            ("localhost:5000/a/b", "localhost:5000/a/b"),
            ("localhost:5000/a/b:1@sha256:0", "localhost:5000/a/b"),
            ("b", "b"),
        ];
        for (image, expected) in table {
            assert_eq!(without_tag(image), expected);
        }
    }
}
