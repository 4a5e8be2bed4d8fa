//! Flows between workloads and the ends that only Cilium tells apart: nodes, the API server and
//! their like.
//!
//! Refuses to judge what a difference of them means.

use super::endpoint::Form;
use crate::engine::{ConnectionSet, Engine, Peer};
use crate::k8s::Direction;
use crate::output::range_name;
use std::collections::BTreeMap;

/// What is open between two ends, by their names in every answer.
pub(super) type EntityFlows = BTreeMap<(String, String), ConnectionSet>;

/// All such flows of a cluster; none without Cilium.
pub(super) fn entity_flows(engine: &Engine<'_>) -> EntityFlows {
    let cluster = engine.cluster();
    let name = |peer| match peer {
        Peer::Workload(id) => cluster.workload_name(id),
        Peer::Outside(range) => range_name(range),
        Peer::Entity(entity) => format!("{}{}", Form::ENTITY, entity.name()),
    };
    let ids = cluster.workload_ids();
    let flows = ids.flat_map(|id| Direction::BOTH.map(|direction| (id, direction)));
    let flows =
        flows.flat_map(|(id, direction)| engine.relation().flows_with_entities(id, direction));
    let named = flows.map(|flow| {
        let ends = (name(flow.source), name(flow.destination));
        (ends, (*flow.connections).clone())
    });
    named.collect()
}

/// How many flows of the second clusters the first ones have not, or not whole.
pub(super) fn more_than(before: &EntityFlows, after: &EntityFlows) -> usize {
    let is_more = |(ends, connections): &(&(String, String), &ConnectionSet)| {
        let known = before.get(*ends).cloned().unwrap_or_default();
        !connections.is_subset(&known)
    };
    after.iter().filter(is_more).count()
}
