//! What a namespace isolates as a whole: whether a pod that nobody has written yet would
//! be isolated, and which policies isolate the same pods as another one.
//!
//! Refuses to call anything missing; that is for rules to say.

use crate::cluster::{Cluster, NamespaceId, PolicyId};
use crate::engine::{self, Endpoint, NamespaceView, PodView};
use crate::k8s::{self, Direction, Labels, NetworkPolicy, Outcome};
use crate::lint::containment;

/// Another policy of the namespace that isolates all pods of this one in a direction,
/// whatever labels they have.
#[must_use]
pub fn isolates_the_same_pods(
    cluster: &Cluster,
    policy: PolicyId,
    direction: Direction,
) -> Option<PolicyId> {
    let inner = cluster.policy(policy);
    let isolates = |other: &PolicyId| {
        let outer = &cluster.policy(*other).object;
        *other != policy
            && isolates(outer, direction)
            && containment::selects_all_of(
                outer.pod_selector.get(),
                inner.object.pod_selector.get(),
            )
    };
    cluster.policies_in(inner.namespace).find(isolates)
}

/// Whether the policies isolate a pod without labels, which is what a default deny does:
/// it holds for pods that nobody has written yet.
#[must_use]
pub fn has_default_deny(cluster: &Cluster, namespace: NamespaceId, direction: Direction) -> bool {
    let no_labels = Labels::default();
    let is_default_deny = |id: PolicyId| {
        let policy = &cluster.policy(id).object;
        let selects_it = match policy.pod_selector.get() {
            Some(selector) => !selector.is_opaque() && selector.matches(&no_labels),
            None => true,
        };
        selects_it && isolates(policy, direction)
    };
    cluster.policies_in(namespace).any(is_default_deny)
        || is_denied_cluster_wide(cluster, namespace, &no_labels, direction)
}

/// Whether a cluster-wide policy keeps strangers and pods with these labels apart.
#[must_use]
pub fn is_denied_cluster_wide(
    cluster: &Cluster,
    namespace: NamespaceId,
    labels: &Labels,
    direction: Direction,
) -> bool {
    if cluster.cluster_policies().is_empty() {
        return false;
    }
    let no_labels = Labels::default();
    let stranger = PodView::supposed(
        NamespaceView {
            id: None,
            name: "",
            labels: &no_labels,
            are_labels_known: true,
        },
        &no_labels,
    );
    let pod = Endpoint::Pod(PodView::supposed(
        NamespaceView::of(cluster, namespace),
        labels,
    ));
    !engine::side(cluster, direction, &pod, &Endpoint::Pod(stranger)).is_all()
}

fn isolates(policy: &NetworkPolicy, direction: Direction) -> bool {
    policy.meta.is_accepted && policy.applies_to(direction)
}

/// Kinds of other products that isolate pods of every namespace.
const FOREIGN_CLUSTER_KINDS: &[&str] = &[
    // docs.cilium.io, docs.tigera.io.
    "CiliumClusterwideNetworkPolicy",
    "GlobalNetworkPolicy",
    // antrea.io/docs: the Antrea-native policies.
    "ClusterNetworkPolicy",
];

/// Kinds of other products that isolate pods of their own namespace.
const FOREIGN_KINDS: &[&str] = &["CiliumNetworkPolicy", "NetworkPolicy"];

/// Whether a policy of another product may isolate pods of this namespace. npcheck does
/// not judge those, so it does not know.
#[must_use]
pub fn may_be_isolated_by_others(documents: &[k8s::Document], namespace: &str) -> bool {
    documents
        .iter()
        .filter(|document| document.outcome == Outcome::OtherKind)
        .any(|document| {
            let kind = document.kind.as_str();
            FOREIGN_CLUSTER_KINDS.contains(&kind)
                || (FOREIGN_KINDS.contains(&kind) && document.namespace == namespace)
        })
}
