//! What closes all paths: a NetworkPolicy for a workload that every path crosses, or for an
//! end, or the deletion of rules there, tried on the manifests.
//!
//! Refuses to call something a cut that leaves a path.

use super::{Question, deletion};
use crate::cli::input::Input;
use crate::cluster::{Cluster, WorkloadId};
use crate::engine::Engine;
use crate::graph::{
    Certainty, Comparison, ComparisonQuery, FlowMatrix, Move, NodeEnds, NodeId, PathQuery, Paths,
};
use crate::k8s::Direction;
use crate::manifest;
use crate::output::CutAnswer;
use crate::workspace::ClusterView;
use std::collections::BTreeSet;
use std::fmt::Write as _;

/// A policy names no more peers than this; with more it allows nobody.
const MAX_PEERS: usize = 12;

/// The proposals that close all paths: a policy to add, and rules to delete, what closes less
/// first. One that says so if there is neither.
pub(super) fn cut(
    input: &Input,
    view: &ClusterView,
    question: &Question,
    matrix: &FlowMatrix<'_>,
    paths: &Paths<'_, '_>,
) -> Vec<CutAnswer> {
    let search = Search {
        input,
        view,
        question,
        matrix,
        reached: paths
            .reached(usize::MAX)
            .iter()
            .map(|one| one.node)
            .collect(),
        starts: matrix.nodes_of(&question.from).into_iter().collect(),
        goals: question
            .to
            .iter()
            .flat_map(|to| matrix.nodes_of(to))
            .collect(),
    };
    let engine = Engine::new(view.cluster());
    let crossings = paths.crossings();
    let into: Vec<Vec<NodeId>> = crossings
        .iter()
        .map(|node| vec![*node])
        .chain([search.goals.iter().copied().collect()])
        .collect();
    let out: Vec<Vec<NodeId>> = [search.starts.iter().copied().collect()]
        .into_iter()
        .chain(crossings.iter().map(|node| vec![*node]))
        .collect();
    let ingress = into.iter().map(|nodes| (nodes, Direction::Ingress));
    let candidates = ingress.chain(out.iter().map(|nodes| (nodes, Direction::Egress)));
    let candidates: Vec<(Vec<NodeId>, Direction)> = candidates
        .map(|(nodes, direction)| (nodes.clone(), direction))
        .collect();
    let additions = candidates
        .iter()
        .filter(|(nodes, direction)| search.is_open(&engine, nodes, *direction))
        .filter_map(|(nodes, direction)| search.tried(nodes, *direction));
    let deletions = deletion::proposals(&search, &candidates);
    let least = |proposals: &mut dyn Iterator<Item = CutAnswer>| {
        proposals.min_by_key(|proposal| proposal.closes)
    };
    let (mut additions, mut deletions) = (additions, deletions.into_iter());
    let proposals = [least(&mut additions), least(&mut deletions)];
    let mut proposals: Vec<CutAnswer> = proposals.into_iter().flatten().collect();
    proposals.sort_by_key(|proposal| proposal.closes);
    if !proposals.is_empty() {
        return proposals;
    }
    vec![CutAnswer {
        title: "no policy that could be added closes all paths, and no rules that could be \
                deleted"
            .to_owned(),
        manifest: String::new(),
        diff: String::new(),
        closes: 0,
        is_proved: false,
    }]
}

pub(super) struct Search<'s> {
    pub(super) input: &'s Input,
    pub(super) view: &'s ClusterView,
    pub(super) question: &'s Question,
    pub(super) matrix: &'s FlowMatrix<'s>,
    reached: BTreeSet<NodeId>,
    starts: BTreeSet<NodeId>,
    goals: BTreeSet<NodeId>,
}

impl Search<'_> {
    pub(super) fn cluster(&self) -> &Cluster {
        self.matrix.cluster()
    }

    fn members(&self, nodes: &[NodeId]) -> Option<Vec<WorkloadId>> {
        let mut members = Vec::new();
        for node in nodes {
            match self.matrix.ends(*node) {
                NodeEnds::Workloads(group) => members.extend(group),
                NodeEnds::Outside(_) | NodeEnds::Entity(_) => return None,
            }
        }
        members.sort_unstable();
        Some(members)
    }

    /// Whether a policy could isolate the workloads of these nodes: they have labels, no
    /// policy isolates them yet, and selectors see them.
    fn is_open(&self, engine: &Engine<'_>, nodes: &[NodeId], direction: Direction) -> bool {
        let can_be_isolated = |id: &WorkloadId| {
            let object = &self.cluster().workload(*id).object;
            engine.isolating(*id, direction).is_empty()
                && !object.host_network
                && !object.labels.is_empty()
        };
        let members = self.members(nodes).unwrap_or_default();
        !members.is_empty() && members.iter().all(can_be_isolated)
    }

    /// The proposal, if the engine finds no path any more with it.
    fn tried(&self, nodes: &[NodeId], direction: Direction) -> Option<CutAnswer> {
        let members = self.members(nodes)?;
        let allowed = self.harmless(nodes, direction);
        let mut manifest = String::new();
        for id in &members {
            let policy = self.policy(*id, direction, &allowed);
            if !manifest.is_empty() {
                manifest += "---\n";
            }
            manifest += &policy;
        }
        let mut sources = self.input.workspace.sources().clone();
        let source = sources.add("<cut>", manifest.clone());
        let read = manifest::read(source, "cut.yaml", &manifest);
        let is_broken = !read.diagnostics.is_empty() || read.objects.len() != members.len();
        let objects = self.view.part().objects.iter().cloned().chain(read.objects);
        let after = self.view.with_objects(objects.collect());
        // The objects that were added are no workloads, so that ids stay.
        if is_broken || self.has_path(self.question, &after) {
            return None;
        }
        let (old, new) = (Engine::new(self.view.cluster()), Engine::new(&after));
        let comparison = Comparison::new(&old, &new, &ComparisonQuery::default());
        let closed = comparison
            .lines
            .iter()
            .filter(|line| line.moved == Move::Closed);
        let names: Vec<String> = members
            .iter()
            .map(|id| self.cluster().workload_name(*id))
            .collect();
        let (field, word) = match direction {
            Direction::Ingress => ("ingress", "from"),
            Direction::Egress => ("egress", "to"),
        };
        let allowed = match allowed.len() {
            0 => "nothing".to_owned(),
            _ => {
                let names = allowed.iter().map(|id| self.cluster().workload_name(*id));
                format!("only {word} {}", names.collect::<Vec<String>>().join(", "))
            }
        };
        Some(CutAnswer {
            title: format!(
                "isolate {} for {field} and allow {allowed}",
                names.join(", ")
            ),
            manifest,
            diff: String::new(),
            closes: closed.map(|line| line.pairs).sum(),
            is_proved: true,
        })
    }

    /// The workloads with flows to (from) these nodes that no path goes through.
    fn harmless(&self, nodes: &[NodeId], direction: Direction) -> Vec<WorkloadId> {
        let mut harmless = Vec::new();
        for other in self.matrix.nodes().filter(|other| !nodes.contains(other)) {
            let is_on_a_way = self.is_on_a_way(other, direction);
            let has_flow = nodes.iter().any(|node| match direction {
                Direction::Ingress => self.matrix.set_between(other, *node) != 0,
                Direction::Egress => self.matrix.set_between(*node, other) != 0,
            });
            if let (NodeEnds::Workloads(group), true, false) =
                (self.matrix.ends(other), has_flow, is_on_a_way)
            {
                harmless.extend(group);
            }
        }
        let can_be_named = |id: &WorkloadId| {
            let object = &self.cluster().workload(*id).object;
            !object.labels.is_empty() && !object.host_network
        };
        harmless.retain(can_be_named);
        if harmless.len() > MAX_PEERS {
            harmless.clear();
        }
        harmless
    }

    /// Whether a path may come from a node, or go on to it.
    pub(super) fn is_on_a_way(&self, node: NodeId, direction: Direction) -> bool {
        match direction {
            Direction::Ingress => self.starts.contains(&node) || self.reached.contains(&node),
            Direction::Egress => self.goals.contains(&node) || self.leads_on(node),
        }
    }

    /// Whether a goal can be reached from a node.
    fn leads_on(&self, node: NodeId) -> bool {
        let NodeEnds::Workloads(group) = self.matrix.ends(node) else {
            return false;
        };
        let from = crate::graph::EndSet::new(group.iter().copied(), []);
        let query = PathQuery {
            from: &from,
            to: self.question.to.as_ref(),
            connections: &self.question.connections,
            certainty: Certainty::Possible,
        };
        Paths::new(self.matrix, &query).shortest().is_some()
    }

    /// A policy that isolates a workload and allows some others.
    fn policy(&self, id: WorkloadId, direction: Direction, allowed: &[WorkloadId]) -> String {
        let cluster = self.cluster();
        let workload = cluster.workload(id);
        let namespace = &cluster.namespace(workload.namespace).name;
        let quoted = |text: &str| serde_json::Value::from(text).to_string();
        let labels = |id: WorkloadId| {
            let labels = cluster.workload(id).object.labels.iter().map(|label| {
                format!(
                    "{}: {}",
                    quoted(&label.key.value),
                    quoted(&label.value.value)
                )
            });
            format!(
                "{{matchLabels: {{{}}}}}",
                labels.collect::<Vec<String>>().join(", ")
            )
        };
        let name = format!("{}-{}", workload.object.meta.name, direction.field());
        let mut text = format!(
            "apiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata:\n  name: {}\n  \
             namespace: {}\nspec:\n  podSelector: {}\n  policyTypes: [{}]\n",
            quoted(&name),
            quoted(namespace),
            labels(id),
            direction.policy_type()
        );
        if !allowed.is_empty() {
            text += &format!(
                "  {}:\n    - {}:\n",
                direction.field(),
                direction.peers_field()
            );
            for peer in allowed {
                let home = &cluster.namespace(cluster.workload(*peer).namespace).name;
                let within = match home == namespace {
                    true => String::new(),
                    false => format!(
                        "namespaceSelector: {{matchLabels: {{kubernetes.io/metadata.name: {}}}}}, ",
                        quoted(home)
                    ),
                };
                writeln!(text, "        - {{{within}podSelector: {}}}", labels(*peer))
                    .expect("a string takes all that is written");
            }
        }
        text
    }

    /// Whether some path may be left in a cluster.
    pub(super) fn has_path(&self, question: &Question, after: &Cluster) -> bool {
        let engine = Engine::new(after);
        let matrix = question.matrix(&engine);
        let query = PathQuery {
            from: &question.from,
            to: question.to.as_ref(),
            connections: &question.connections,
            certainty: Certainty::Possible,
        };
        Paths::new(&matrix, &query).shortest().is_some()
    }
}
