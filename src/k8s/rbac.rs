//! Who may use the Kubernetes API: roles, their bindings, service accounts.
//!
//! Refuses to know which pods run as a service account.

use super::meta::ObjectMeta;
use crate::source::Text;

/// A `ServiceAccount`.
#[derive(Clone, Debug)]
pub struct ServiceAccount {
    /// Its metadata.
    pub meta: ObjectMeta,
    /// `automountServiceAccountToken`.
    pub automount_token: Option<bool>,
}

/// Whether a role or a binding is of one namespace or of the whole cluster.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum RoleScope {
    /// `Role`, `RoleBinding`.
    Namespace,
    /// `ClusterRole`, `ClusterRoleBinding`.
    Cluster,
}

impl RoleScope {
    /// The kind of a role of this scope.
    #[must_use]
    pub fn role_kind(self) -> &'static str {
        match self {
            Self::Namespace => "Role",
            Self::Cluster => "ClusterRole",
        }
    }

    /// The kind of a binding of this scope.
    #[must_use]
    pub fn binding_kind(self) -> &'static str {
        match self {
            Self::Namespace => "RoleBinding",
            Self::Cluster => "ClusterRoleBinding",
        }
    }
}

/// A `Role` or `ClusterRole`.
#[derive(Clone, Debug)]
pub struct Role {
    /// Its metadata.
    pub meta: ObjectMeta,
    /// Its scope.
    pub scope: RoleScope,
    /// All `verbs` of its `rules` about resources, sorted, each once; `*` is all of them.
    /// Those of `nonResourceURLs` are left out.
    pub verbs: Vec<Text>,
    /// Whether it may create pods, or what Kubernetes makes pods of.
    pub makes_pods: bool,
}

/// A `RoleBinding` or `ClusterRoleBinding`.
#[derive(Clone, Debug)]
pub struct RoleBinding {
    /// Its metadata.
    pub meta: ObjectMeta,
    /// Its scope.
    pub scope: RoleScope,
    /// The scope of the role that it binds: `roleRef.kind`.
    pub role_scope: RoleScope,
    /// The name of that role: `roleRef.name`.
    pub role: Text,
    /// The `subjects` that are service accounts.
    pub service_accounts: Vec<ServiceAccountReference>,
}

/// A service account, by name.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ServiceAccountReference {
    /// Its namespace; the API server wants one, a `RoleBinding` without it means its own.
    pub namespace: Text,
    /// Its name.
    pub name: Text,
}
