//! The pods of a namespace that are isolated in a direction, those with the same policies as
//! one.
//!
//! Refuses to know what the policies allow.

use super::Context;
use super::absence::Presence;
use super::mismatch::{Mismatch, Unmatched};
use crate::cluster::{Cluster, NamespaceId, PolicyId, WorkloadId};
use crate::engine::{Endpoint, NamespaceView, PodView, PolicyRef};
use crate::k8s::{Direction, LabelSelector, Labels};
use std::collections::BTreeMap;

/// Pods that the same policies isolate: known ones, or those that a policy was written for.
#[derive(Clone, Debug)]
pub struct IsolatedPods {
    /// The policies that isolate them, in order; never empty.
    pub policies: Vec<PolicyId>,
    /// The known workloads, in order. Empty where a policy's selector only describes pods.
    pub workloads: Vec<WorkloadId>,
    namespace: NamespaceId,
    labels: Labels,
}

impl IsolatedPods {
    /// One of the pods.
    #[must_use]
    pub fn endpoint<'s>(&'s self, cluster: &'s Cluster) -> Endpoint<'s> {
        match self.workloads.first() {
            Some(workload) => Endpoint::workload(cluster, *workload),
            None => {
                let namespace = NamespaceView::of(cluster, self.namespace);
                Endpoint::Pod(PodView::hypothetical(namespace, &self.labels))
            }
        }
    }
}

/// The pods of a namespace that are isolated in a direction; of the known workloads only those
/// that count. Where not every pod is known, and no known one is selected by a policy, the pod
/// that its selector describes stands for those that other repositories make.
#[must_use]
pub fn isolated_pods(
    cx: &Context<'_>,
    namespace: NamespaceId,
    direction: Direction,
    counts: impl Fn(WorkloadId) -> bool,
) -> Vec<IsolatedPods> {
    let cluster = cx.cluster;
    let mut by_policies: BTreeMap<Vec<PolicyId>, Vec<WorkloadId>> = BTreeMap::new();
    for id in cluster.workloads_in(namespace).filter(|id| counts(*id)) {
        let policies = cx.engine.isolating(id, direction);
        if !policies.is_empty() {
            by_policies.entry(policies.to_vec()).or_default().push(id);
        }
    }
    let pods = |(policies, workloads)| IsolatedPods {
        policies,
        workloads,
        namespace,
        labels: Labels::default(),
    };
    let mut found: Vec<IsolatedPods> = by_policies.into_iter().map(pods).collect();
    let name = &cluster.namespace(namespace).name;
    if !cx.settings.inventory.is_complete_in(name) {
        found.extend(described_pods(cx, namespace, direction));
    }
    found
}

/// The pods that policies were written for and that no manifest holds.
fn described_pods(
    cx: &Context<'_>,
    namespace: NamespaceId,
    direction: Direction,
) -> Vec<IsolatedPods> {
    let cluster = cx.cluster;
    let applies = |id: &PolicyId| {
        let policy = &cluster.policy(*id).object;
        policy.meta.is_accepted && cluster.enforcement().applies(policy, direction)
    };
    let policies: Vec<PolicyId> = cluster.policies_in(namespace).filter(applies).collect();
    let selector = |id: PolicyId| cluster.policy(id).object.pod_selector.get();
    let mut found = Vec::new();
    for id in &policies {
        if !cx.engine.selected(*id).is_empty() || misses_known_pods(cx, namespace, *id) {
            continue;
        }
        let described =
            selector(*id).map_or(Some(Labels::default()), LabelSelector::satisfying_labels);
        let Some(labels) = described else {
            continue;
        };
        let selects =
            |other: &&PolicyId| selector(**other).is_none_or(|selector| selector.matches(&labels));
        let policies: Vec<PolicyId> = policies.iter().filter(selects).copied().collect();
        if policies.contains(id) {
            found.push(IsolatedPods {
                policies,
                workloads: Vec::new(),
                namespace,
                labels,
            });
        }
    }
    found
}

/// Whether a policy was meant for known pods that its selector misses, so that it stands for no
/// others.
fn misses_known_pods(cx: &Context<'_>, namespace: NamespaceId, id: PolicyId) -> bool {
    let selector = cx.cluster.policy(id).object.pod_selector.get();
    let selector = selector.filter(|it| !it.is_empty() && !it.is_opaque());
    selector.is_some_and(|selector| {
        let unmatched = Unmatched {
            policy: PolicyRef::Network(id),
            is_peer: false,
            selector,
            namespaces: &[namespace],
        };
        cx.inventories().presence(cx, namespace, selector) != Presence::SpokenFor
            && Mismatch::of(cx, unmatched).is_some()
    })
}
