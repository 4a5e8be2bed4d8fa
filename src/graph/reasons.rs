//! Why a flow is open, in brief: what decides about it on each of its two sides.
//!
//! Refuses to say it in words, and to tell all that was considered; see
//! [`Judge::explain`] for that.

use crate::cluster::WorkloadId;
use crate::engine::{
    AddressRange, ConnectionSet, Endpoint, Entity, Judge, PolicyRef, ReasonCode, SideTrace,
};
use crate::k8s::Direction;
use crate::source::Span;

/// One end of a flow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FlowEnd {
    /// A workload.
    Workload(WorkloadId),
    /// Addresses outside that no policy tells apart.
    Outside(AddressRange),
    /// A node, the API server or their like.
    Entity(Entity),
}

/// What decides about connections on one side of a flow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SideReason {
    /// Egress is the source's side, ingress the destination's.
    pub direction: Direction,
    /// Why they came out as they did.
    pub code: ReasonCode,
    /// The rule that decided, where it was one: its policy, its place in the list from 0,
    /// and its text.
    pub rule: Option<(PolicyRef, usize, Option<Span>)>,
}

/// What decides about some connections of a flow: first the source's side, then that of the
/// destination.
#[must_use]
pub fn reasons(
    judge: &Judge<'_, '_>,
    source: FlowEnd,
    destination: FlowEnd,
    connections: &ConnectionSet,
) -> Vec<SideReason> {
    let cluster = judge.cluster();
    let end = |end| match end {
        FlowEnd::Workload(id) => Endpoint::workload(cluster, id),
        FlowEnd::Outside(range) => Endpoint::Address(range.first.into()),
        FlowEnd::Entity(entity) => Endpoint::Entity(entity),
    };
    let (from, to) = (end(source), end(destination));
    let explanation = judge.explain(&from, &to);
    let Some(way) = explanation.ways.first() else {
        return Vec::new();
    };
    way.sides()
        .into_iter()
        .flat_map(|side| of_side(side, connections))
        .collect()
}

fn of_side(side: &SideTrace<'_>, connections: &ConnectionSet) -> Vec<SideReason> {
    let decisions = side.decisions(connections);
    let reason = |decision: &crate::engine::Decision<'_, '_>| SideReason {
        direction: side.direction,
        code: decision.code,
        rule: (decision.rule).map(|trace| (trace.policy, trace.index, trace.rule.span())),
    };
    let outside = |reason: &SideReason| reason.code != ReasonCode::Outside;
    decisions.iter().map(reason).filter(outside).collect()
}
