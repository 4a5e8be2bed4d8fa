//! Policies that take part in a cluster and that npcheck does not judge: those of other
//! products, those that only another tool completes, those that an API server refuses.
//! Where one of them may allow a flow, nobody can say that the flow is blocked.
//!
//! Refuses to know what such a policy says.

use crate::cluster::{Cluster, NamespaceId};
use crate::k8s::{Document, Outcome};
use std::collections::BTreeSet;

/// Kinds of other products whose policies allow traffic of pods: Cilium, Calico, Antrea,
/// OpenShift, Multus. Some of them call theirs `NetworkPolicy` or `ClusterNetworkPolicy`,
/// too.
const KINDS_OF_OTHERS: &[&str] = &[
    "CiliumNetworkPolicy",
    "CiliumClusterwideNetworkPolicy",
    "GlobalNetworkPolicy",
    "MultiNetworkPolicy",
    "EgressNetworkPolicy",
    "NetworkPolicy",
    "ClusterNetworkPolicy",
    "AntreaNetworkPolicy",
    "AntreaClusterNetworkPolicy",
];

/// Where there are policies that npcheck does not judge.
#[derive(Debug, Default)]
pub struct Unjudged {
    namespaces: BTreeSet<String>,
    is_everywhere: bool,
}

impl Unjudged {
    /// Looks for them among everything that was read.
    #[must_use]
    pub fn new(documents: &[Document], cluster: &Cluster) -> Self {
        let mut unjudged = Self::default();
        for document in documents {
            let is_policy = KINDS_OF_OTHERS.contains(&document.kind.as_str());
            let is_left_out = matches!(document.outcome, Outcome::OtherKind | Outcome::Opaque(_));
            if is_policy && is_left_out {
                unjudged.add(&document.namespace);
            }
        }
        for policy in cluster.policies() {
            if !policy.object.meta.is_accepted {
                unjudged.add(&cluster.namespace(policy.namespace).name);
            }
        }
        unjudged
    }

    /// A policy without a namespace is one of the whole cluster, or goes wherever a tool
    /// puts it.
    fn add(&mut self, namespace: &str) {
        let is_placed = !namespace.is_empty() && !crate::k8s::is_opaque(namespace);
        if is_placed {
            self.namespaces.insert(namespace.to_owned());
        } else {
            self.is_everywhere = true;
        }
    }

    /// Whether such a policy may select pods of this namespace.
    #[must_use]
    pub fn may_be_in(&self, cluster: &Cluster, namespace: NamespaceId) -> bool {
        self.is_everywhere || self.namespaces.contains(&cluster.namespace(namespace).name)
    }
}
