//! The rules that are asked on each side, and the nodes that their peers hold: why a flow
//! is open, for a reader that has only the table of flows.
//!
//! Refuses to know ports: which of the rules lets a flow through, both sides' sets of
//! connections say.

use super::matrix::{FlowMatrix, NodeEnds, NodeId};
use crate::cluster::{Cluster, WorkloadId};
use crate::engine::{AskedPolicies, AskedRule, EndIndex, Endpoint, Engine, PolicyRef};
use crate::k8s::{Action, Direction};
use crate::source::Span;
use std::collections::HashMap;

/// A rule, and the nodes that its peers hold.
#[derive(Clone, Debug)]
pub struct SideRule {
    /// The policy that has it.
    pub policy: PolicyRef,
    /// Its place in the list, from 0.
    pub index: usize,
    /// Its text.
    pub span: Span,
    /// What it does with what it matches.
    pub action: Action,
    /// The nodes that its peers match, or may, in order; `None` for everything.
    pub peers: Option<Vec<NodeId>>,
    /// Whether it speaks of addresses, which pods may have as well.
    pub has_blocks: bool,
}

/// The rules of all sides.
#[derive(Clone, Debug, Default)]
pub struct SideRules {
    /// Every rule that some side has, each once.
    pub rules: Vec<SideRule>,
    /// By group of workloads: the rules that decide what enters it, by their places in
    /// `rules`; `None` where no policy says anything about it.
    pub ingress: Vec<Option<Vec<usize>>>,
    /// By group of workloads: the rules that decide what leaves it.
    pub egress: Vec<Option<Vec<usize>>>,
}

impl SideRules {
    /// The rules of a cluster.
    #[must_use]
    pub fn new<'c>(engine: &Engine<'c>, matrix: &FlowMatrix<'c>) -> Self {
        let cluster = engine.cluster();
        let policies = AskedPolicies::new(cluster);
        let nodes = nodes(cluster, matrix);
        let mut builder = Builder {
            cluster,
            index: EndIndex::new(nodes.iter().map(|(_, end)| end)),
            nodes: &nodes,
            rules: Vec::new(),
            known: HashMap::new(),
        };
        let mut of = |direction| -> Vec<Option<Vec<usize>>> {
            let groups = matrix.groups().iter();
            groups
                .map(|group| builder.side(&policies, group[0], direction))
                .collect()
        };
        let (ingress, egress) = (of(Direction::Ingress), of(Direction::Egress));
        Self {
            rules: builder.rules,
            ingress,
            egress,
        }
    }
}

/// Every node by an end that stands for it: the first of its workloads, or each of its ranges.
fn nodes<'c>(cluster: &'c Cluster, matrix: &FlowMatrix<'c>) -> Vec<(NodeId, Endpoint<'c>)> {
    let ends = |node: NodeId| -> Vec<(NodeId, Endpoint<'c>)> {
        match matrix.ends(node) {
            NodeEnds::Workloads(group) => vec![(node, Endpoint::workload(cluster, group[0]))],
            NodeEnds::Entity(entity) => vec![(node, Endpoint::Entity(entity))],
            NodeEnds::Outside(ranges) => {
                let ranges = ranges.iter();
                ranges
                    .map(|range| (node, Endpoint::Address(*range)))
                    .collect()
            }
        }
    };
    matrix.nodes().flat_map(ends).collect()
}

struct Builder<'n, 'c> {
    cluster: &'c Cluster,
    nodes: &'n [(NodeId, Endpoint<'c>)],
    index: EndIndex<'c>,
    rules: Vec<SideRule>,
    known: HashMap<(PolicyRef, Direction, Span), usize>,
}

impl<'c> Builder<'_, 'c> {
    fn side(
        &mut self,
        policies: &AskedPolicies<'c>,
        workload: WorkloadId,
        direction: Direction,
    ) -> Option<Vec<usize>> {
        let end = Endpoint::workload(self.cluster, workload);
        let asked = policies.of_side(end.pod()?, direction)?;
        // What the agent of a CNI plugin does by itself has no text, and is about no node.
        let places = asked.into_iter().filter_map(|rule| {
            let span = rule.text().span()?;
            let key = (rule.policy, direction, span);
            if let Some(place) = self.known.get(&key) {
                return Some(*place);
            }
            let place = self.rules.len();
            let rule = self.rule(rule, span, &end);
            self.rules.push(rule);
            self.known.insert(key, place);
            Some(place)
        });
        Some(places.collect())
    }

    fn rule(&self, rule: AskedRule<'_, 'c>, span: Span, pod: &Endpoint<'c>) -> SideRule {
        let matching = || {
            let places = match rule.may_be_about(&self.index) {
                Some(places) => places,
                None => (0..self.nodes.len() as u32).collect(),
            };
            let nodes = places.into_iter().map(|place| &self.nodes[place as usize]);
            let nodes = nodes.filter(|(_, end)| rule.may_match(pod, end));
            let mut nodes: Vec<NodeId> = nodes.map(|(node, _)| *node).collect();
            nodes.dedup();
            nodes
        };
        SideRule {
            policy: rule.policy,
            index: rule.index(),
            span,
            action: rule.action(),
            peers: (!rule.is_for_everybody()).then(matching),
            has_blocks: rule.speaks_of_addresses(),
        }
    }
}
