//! Which objects of an explanation a build made: the two ends, and the policies that are about
//! them.
//!
//! Refuses to know what is said of them.

use super::Scene;
use super::group::Piece;
use crate::engine::{Endpoint, Explanation, PolicyRef, Way};
use crate::output::{BuiltEnd, ReachAnswer, display_name};
use crate::source::Span;
use crate::workspace::BuiltObjects;
use std::collections::BTreeSet;

/// The ends and the policies that are deployed otherwise than they are written, each once.
pub(super) fn built<'q>(
    scene: Scene<'q>,
    objects: &BuiltObjects<'q>,
    ends: [&Piece<'_>; 2],
    explanation: &Explanation<'_>,
) -> Vec<BuiltEnd<'q>> {
    if scene.view.part().changed.is_empty() {
        return Vec::new();
    }
    let cluster = scene.cluster;
    let workloads = ends.into_iter().filter_map(|piece| match &piece.endpoint {
        Endpoint::Pod(pod) => pod.workload,
        Endpoint::Address(_) | Endpoint::Entity(_) | Endpoint::Name(_) => None,
    });
    let workloads = workloads.map(|id| {
        (
            cluster.workload(id).object.meta.span,
            cluster.workload_name(id),
        )
    });
    let sides = explanation.ways.iter().flat_map(Way::sides);
    let stages = sides.flat_map(|side| &side.stages);
    let policies = stages.flat_map(|stage| &stage.policies);
    let policies: BTreeSet<PolicyRef> = policies.map(|policy| policy.policy).collect();
    let policies = policies.into_iter().filter_map(|id| policy(scene, id));
    let mut built: Vec<BuiltEnd<'q>> = Vec::new();
    for (span, name) in workloads.chain(policies) {
        let Some(object) = objects.named(span, &name) else {
            continue;
        };
        if !built.iter().any(|known| known.object == object) {
            let clusters = vec![display_name(scene.view.name())];
            built.push(BuiltEnd { clusters, object });
        }
    }
    built
}

/// Where a policy stands, and its name as `namespace/Kind/name`.
fn policy(scene: Scene<'_>, id: PolicyRef) -> Option<(Span, String)> {
    let cluster = scene.cluster;
    let (meta, kind) = match id {
        PolicyRef::Network(id) => (&cluster.policy(id).object.meta, "NetworkPolicy"),
        PolicyRef::Cluster(id) => {
            let policy = cluster.cluster_policy(id);
            (&policy.meta, policy.kind.name())
        }
        PolicyRef::Plugin(id) => {
            let policy = cluster.plugin_policy(id);
            (&policy.meta, policy.kind.name)
        }
        PolicyRef::Part(_) | PolicyRef::Agent => return None,
    };
    let name = format!("{kind}/{}", meta.name);
    let namespace = meta.namespace.as_ref().map_or("", |it| it.value.as_str());
    Some((
        meta.span,
        match namespace {
            "" => name,
            namespace => format!("{namespace}/{name}"),
        },
    ))
}

/// Adds what another cluster, which answers the same, builds.
pub(super) fn join<'q>(known: &mut [ReachAnswer<'q>], others: Vec<ReachAnswer<'q>>) {
    for (known, other) in known.iter_mut().zip(others) {
        for new in other.built {
            match known.built.iter_mut().find(|it| it.object == new.object) {
                Some(same) => same.clusters.extend(new.clusters),
                None => known.built.push(new),
            }
        }
    }
}

/// The same of a tree that holds only one cluster, which is not named.
pub(super) fn of_one_cluster(mut built: Vec<BuiltEnd<'_>>) -> Vec<BuiltEnd<'_>> {
    built.iter_mut().for_each(|built| built.clusters.clear());
    built
}
