//! Pods of another namespace than the one that a selector looks into, and for which it was probably
//! written.
//!
//! Refuses to know whether something else comes near.

use super::Context;
use crate::cluster::{NamespaceId, PolicyId, WorkloadId};
use crate::engine::PolicyRef;
use crate::k8s::LabelSelector;

/// The first pods of the one other namespace whose pods have everything that a selector asks for.
/// Where nothing is known of the own namespace, its pods may simply be in another repository.
pub(super) fn of_all(
    cx: &Context<'_>,
    selector: &LabelSelector,
    namespace: NamespaceId,
) -> Option<WorkloadId> {
    let is_known = cx.cluster.workloads_in(namespace).len() > 0;
    if !is_known || cx.inventories().is_open(namespace) {
        return None;
    }
    of_one_namespace(cx, selector, namespace)?.first().copied()
}

/// The same where policies are all that is known of the own namespace, and the pods are in the
/// policy's own file. Not where another policy asks for the same pods in that other one: then each
/// is for a copy of them.
pub(super) fn of_file(
    cx: &Context<'_>,
    policy: PolicyRef,
    selector: &LabelSelector,
    namespace: NamespaceId,
) -> Option<WorkloadId> {
    let cluster = cx.cluster;
    let is_known = cluster.workloads_in(namespace).len() > 0
        || cluster.services_in(namespace).len() > 0
        || cluster.may_hold_more(namespace);
    if is_known {
        return None;
    }
    let matching = of_one_namespace(cx, selector, namespace)?;
    let of = matching.into_iter().find(|id| {
        let meta = &cluster.workload(*id).object.meta;
        meta.span.source == selector.span.source && meta.namespace.is_some()
    })?;
    let asks_for_them = |id: PolicyId| {
        let subject = cluster.policy(id).object.pod_selector.get();
        PolicyRef::Network(id) != policy
            && subject.is_some_and(|it| it.to_string() == selector.to_string())
    };
    let home = cluster.workload(of).namespace;
    let is_copy = cluster.policies_in(home).any(asks_for_them);
    (!is_copy).then_some(of)
}

/// The pods that have everything that a selector asks for, in order, if all of them are in one
/// namespace, and that is another one.
fn of_one_namespace(
    cx: &Context<'_>,
    selector: &LabelSelector,
    namespace: NamespaceId,
) -> Option<Vec<WorkloadId>> {
    let everywhere = cx.cluster.namespace_ids();
    let matching = cx.engine.matching_workloads(everywhere, selector);
    let home = cx.cluster.workload(*matching.first()?).namespace;
    let is_home = |id: &WorkloadId| cx.cluster.workload(*id).namespace == home;
    (home != namespace && matching.iter().all(is_home)).then_some(matching)
}
