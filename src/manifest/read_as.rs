//! Which reader an object has, by its kind.
//!
//! Refuses to read.

use super::identity;
use super::object::Identity;
use crate::k8s::{ClusterPolicyKind, WorkloadKind};
use crate::yaml::tree::Node;

/// The readers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ReadAs {
    Workload(WorkloadKind),
    Namespace,
    Node,
    Service,
    NetworkPolicy,
    ClusterNetworkPolicy(ClusterPolicyKind),
}

impl ReadAs {
    /// The reader of this kind; `None` for kinds that say nothing about pods and policies.
    pub(super) fn of(identity: &Identity<'_>) -> Option<Self> {
        let own = |kind| {
            let is_it = identity::is_of_kubernetes(identity.group(), identity.kind);
            is_it.then_some(ReadAs::Workload(kind))
        };
        let workload = |groups: &[&str], kind| {
            groups
                .contains(&identity.group())
                .then_some(ReadAs::Workload(kind))
        };
        match (identity.group(), identity.kind) {
            (_, "Pod") => own(WorkloadKind::Pod),
            (_, "ReplicationController") => own(WorkloadKind::ReplicationController),
            (_, "Deployment") => own(WorkloadKind::Deployment),
            (_, "ReplicaSet") => own(WorkloadKind::ReplicaSet),
            (_, "DaemonSet") => own(WorkloadKind::DaemonSet),
            (_, "StatefulSet") => own(WorkloadKind::StatefulSet),
            (_, "Job") => own(WorkloadKind::Job),
            (_, "CronJob") => own(WorkloadKind::CronJob),
            // The core group was its home before OpenShift 3.7.
            (_, "DeploymentConfig") => {
                workload(&["apps.openshift.io", ""], WorkloadKind::DeploymentConfig)
            }
            (_, "Rollout") => workload(&["argoproj.io"], WorkloadKind::Rollout),
            (_, "VirtualMachine") => workload(&["kubevirt.io"], WorkloadKind::VirtualMachine),
            (_, "VirtualMachineInstance") => {
                workload(&["kubevirt.io"], WorkloadKind::VirtualMachineInstance)
            }
            // OpenShift shows a namespace as a project, and makes one of it.
            ("", "Namespace") | ("project.openshift.io", "Project") => Some(ReadAs::Namespace),
            ("", "Node") => Some(ReadAs::Node),
            (group, "Service") if identity::is_of_kubernetes(group, "Service") => {
                Some(ReadAs::Service)
            }
            ("extensions", "NetworkPolicy") => Some(ReadAs::NetworkPolicy),
            (group, kind) if identity::is_meant_as_policy(group, kind) => {
                Some(ReadAs::NetworkPolicy)
            }
            (group, kind) if identity::is_closed(group) => ClusterPolicyKind::ALL
                .into_iter()
                .find(|known| known.name() == kind)
                .map(ReadAs::ClusterNetworkPolicy),
            _ => None,
        }
    }

    /// Whether the pods are those of another object, which has the template: a Rollout with
    /// `workloadRef` makes pods of a Deployment's template in its stead.
    pub(super) fn borrows_pods(self, node: Node<'_>) -> bool {
        let reference = node.find(&["spec", "workloadRef"]);
        self == Self::Workload(WorkloadKind::Rollout) && reference.is_some_and(Node::is_mapping)
    }

    /// Whether it says nothing about pods of other namespaces. A DaemonSet may be the agent of
    /// the CNI plugin.
    pub(super) fn is_of_own_namespace(self) -> bool {
        matches!(self, Self::Workload(kind) if kind != WorkloadKind::DaemonSet)
    }

    pub(super) fn is_namespaced(self) -> bool {
        matches!(
            self,
            Self::Workload(_) | Self::Service | Self::NetworkPolicy
        )
    }
}
