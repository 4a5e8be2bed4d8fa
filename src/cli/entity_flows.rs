//! Flows between workloads and the ends that only Cilium tells apart: nodes, the API server and
//! their like.
//!
//! Refuses to judge what a difference of them means.

use super::endpoint::Form;
use super::first_lines::first_lines;
use crate::cluster::{Cluster, Cni};
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

/// What two states differ in, of such flows.
#[derive(Debug, Default)]
pub(super) struct EntityMoves {
    pub(super) opened: Vec<String>,
    pub(super) closed: Vec<String>,
    /// Whether one of the states knows such ends and the other one does not.
    is_of_two_plugins: bool,
}

impl EntityMoves {
    /// Adds what differs between the two states of a cluster.
    pub(super) fn add(&mut self, clusters: [&Cluster; 2]) {
        let is_cilium = clusters.map(|cluster| {
            let cni = cluster.enforcement().cni();
            cni.is_some_and(|cni| cni.value == Cni::Cilium)
        });
        // Under another CNI plugin such ends are addresses, or pods.
        if is_cilium[0] != is_cilium[1] {
            self.is_of_two_plugins = true;
            return;
        }
        let [before, after] = clusters.map(|cluster| entity_flows(&Engine::new(cluster)));
        self.opened.extend(more(&before, &after));
        self.closed.extend(more(&after, &before));
    }

    /// A line for each flow that opens or closes, the first ones of them.
    pub(super) fn lines(&self) -> Vec<String> {
        let [opened, closed] = [&self.opened, &self.closed].map(|flows| flows.iter().cloned());
        let mut lines = first_lines(opened, closed, |more| {
            format!(
                "{more} more flows with nodes and their like open or close; `npcheck graph -o \
                 json-lines` of both states has them"
            )
        });
        if self.is_of_two_plugins {
            let line = "flows with nodes and their like are not compared: only one of the states \
                        is Cilium's";
            lines.push(line.to_owned());
        }
        lines
    }
}

/// The flows of the second state that the first one has not, or not whole: those of one end
/// that differ alike in one line.
fn more(before: &EntityFlows, after: &EntityFlows) -> Vec<String> {
    let mut alike: BTreeMap<(bool, &str, String), Vec<&str>> = BTreeMap::new();
    for ((from, to), connections) in after {
        let known = before.get(&(from.clone(), to.clone()));
        let new = connections.difference(&known.cloned().unwrap_or_default());
        if new.is_empty() {
            continue;
        }
        let is_from_entity = from.starts_with(Form::ENTITY);
        let (pods, entity) = match is_from_entity {
            true => (to, from),
            false => (from, to),
        };
        let key = (is_from_entity, pods.as_str(), new.to_string());
        alike.entry(key).or_default().push(entity);
    }
    let line = |((is_from_entity, pods, new), entities): ((bool, &str, String), Vec<&str>)| {
        let entities = entities.join(", ");
        match is_from_entity {
            true => format!("{entities} -> {pods}  {new}"),
            false => format!("{pods} -> {entities}  {new}"),
        }
    };
    alike.into_iter().map(line).collect()
}
