//! Which pods talk to the Kubernetes API, as far as manifests tell.
//!
//! Refuses to know policies, and whether the API may be reached.

use crate::cluster::{Cluster, WorkloadId};
use crate::k8s::{RoleBinding, RoleScope};
use std::collections::BTreeMap;

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

/// Who talks to the API in a cluster.
pub struct ApiClients<'c> {
    cluster: &'c Cluster,
    /// The first binding that grants something, by namespace and name of the account.
    bindings: BTreeMap<(&'c str, &'c str), &'c RoleBinding>,
    /// The accounts that say whether tokens are mounted, by namespace and name.
    automount: BTreeMap<(&'c str, &'c str), bool>,
}

impl<'c> ApiClients<'c> {
    /// Looks at the roles and accounts of a cluster.
    #[must_use]
    pub fn new(cluster: &'c Cluster) -> Self {
        let context_objects = cluster.context_objects();
        let mut bindings = BTreeMap::new();
        for binding in &context_objects.role_bindings {
            let mut accounts = binding.service_accounts.iter().peekable();
            if accounts.peek().is_none() || !grants(cluster, binding) {
                continue;
            }
            for account in accounts {
                let key = (account.namespace.as_str(), account.name.as_str());
                bindings.entry(key).or_insert(&**binding);
            }
        }
        let mut automount = BTreeMap::new();
        for account in &context_objects.service_accounts {
            let key = (account.meta.namespace_name(), account.meta.name.as_str());
            automount.extend(account.automount_token.map(|is_mounted| (key, is_mounted)));
        }
        Self {
            cluster,
            bindings,
            automount,
        }
    }

    /// By what evidence a workload talks to the API; `None` where it has no token to do so,
    /// or nothing tells.
    #[must_use]
    pub fn evidence(&self, id: WorkloadId) -> Option<Evidence<'c>> {
        let workload = self.cluster.workload(id);
        let pod = &workload.object;
        let namespace = self.cluster.namespace(workload.namespace).name.as_str();
        let account = pod.service_account.as_deref().unwrap_or("default");
        // The pod's word goes before the account's; mounted by default (core/v1 types.go).
        let of_account = self.automount.get(&(namespace, account)).copied();
        if !pod.automount_token.or(of_account).unwrap_or(true) {
            return None;
        }
        // Everybody in a namespace has the account `default`, whoever it was bound for.
        let binding = self.bindings.get(&(namespace, account));
        if let Some(binding) = binding.filter(|_| account != "default") {
            return Some(Evidence::Bound(binding));
        }
        let containers = pod
            .containers
            .iter()
            .filter(|container| container.is_running());
        let images = containers.map(|container| without_tag(&container.image));
        let mut programs =
            images.filter(|image| PROGRAMS.iter().any(|known| image.ends_with(known)));
        programs.next().map(Evidence::Program)
    }
}

/// Whether a binding grants a verb that takes a request to the API: `use`, of pod security
/// policies and OpenShift's constraints, does not.
fn grants(cluster: &Cluster, binding: &RoleBinding) -> bool {
    let namespace = binding.meta.namespace_name();
    let mut roles = cluster.context_objects().roles.iter().filter(|role| {
        role.scope == binding.role_scope
            && role.meta.name.value == binding.role
            && (role.scope == RoleScope::Cluster || role.meta.namespace_name() == namespace)
    });
    match roles.next() {
        Some(role) => role.verbs.iter().any(|verb| verb != "use"),
        // Nobody binds a role that grants nothing, wherever it comes from; but those that
        // grant the use of security policies are called so.
        None => !binding.role.contains("scc") && !binding.role.contains("psp"),
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
