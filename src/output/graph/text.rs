//! `SOURCE -> DESTINATION  PORTS`, one line each, for people and `grep`. Where a source
//! reaches all of a namespace alike, that is one line: `shop/*`.
//!
//! Refuses to show that a pod reaches itself, which is always so (S4).

use super::{GraphView, names};
use crate::cluster::{Cluster, WorkloadId};
use crate::engine::{AddressRange, ConnectionSet, Entity, Flow, Peer, Relation};
use crate::graph::DrawnNode;
use crate::k8s::Direction;
use crate::output::{Escaped, Role, Style, range_name};
use std::fmt::{self, Write as _};
use std::io;
use std::sync::Arc;

/// Makes the lines.
pub(super) struct Writer<'a> {
    cluster: &'a Cluster,
    relation: Relation<'a>,
    style: Style,
    /// By workload: its name, escaped.
    names: Vec<String>,
}

/// What is open, and of what that is not known.
#[derive(Clone, PartialEq)]
struct Opened {
    connections: Arc<ConnectionSet>,
    unknown: Arc<ConnectionSet>,
}

impl From<Flow> for Opened {
    fn from(flow: Flow) -> Self {
        Self {
            connections: flow.connections,
            unknown: flow.unknown,
        }
    }
}

impl fmt::Display for Opened {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.connections.is_empty(), self.unknown.is_empty()) {
            (_, true) => self.connections.fmt(f),
            (true, false) => write!(f, "unknown: {}", self.unknown),
            (false, false) => write!(f, "{}; unknown: {}", self.connections, self.unknown),
        }
    }
}

/// A destination (or, from the outside, a source) and what is open.
type Reached = (String, Opened);

impl<'a> Writer<'a> {
    pub(super) fn new(cluster: &'a Cluster, relation: Relation<'a>, style: Style) -> Self {
        let name = |id| Escaped(&cluster.workload_name(id)).to_string();
        Self {
            cluster,
            relation,
            style,
            names: cluster.workload_ids().map(name).collect(),
        }
    }

    /// The lines of all that a workload may open.
    pub(super) fn lines_from_workload(&self, source: WorkloadId) -> String {
        let mut pods = Vec::new();
        let mut outside = Vec::new();
        let mut entities: Vec<(Entity, Opened)> = Vec::new();
        for flow in self.relation.row(source).into_flows() {
            match flow.destination {
                Peer::Workload(id) => pods.push((id, flow.into())),
                Peer::Outside(range) => outside.push((range, flow.into())),
                Peer::Entity(entity) => entities.push((entity, flow.into())),
            }
        }
        let name = &self.names[source.index()];
        let mut text = String::new();
        for (destination, opened) in self.grouped(source, pods) {
            self.write_line(&mut text, name, &destination, &opened);
        }
        for (destination, opened) in merged(outside) {
            self.write_line(&mut text, name, &destination, &opened);
        }
        for (entity, opened) in entities {
            self.write_line(&mut text, name, entity.name(), &opened);
        }
        text
    }

    /// The lines of all that the outside may open at a workload.
    pub(super) fn lines_from_outside(&self, destination: WorkloadId) -> String {
        let name = &self.names[destination.index()];
        let mut ranges = Vec::new();
        for flow in self.relation.flows_from_outside(destination) {
            if let Peer::Outside(range) = flow.source {
                ranges.push((range, flow.into()));
            }
        }
        let mut text = String::new();
        for (source, opened) in merged(ranges) {
            self.write_line(&mut text, &source, name, &opened);
        }
        for flow in self
            .relation
            .flows_with_entities(destination, Direction::Ingress)
        {
            if let Peer::Entity(entity) = flow.source {
                self.write_line(&mut text, entity.name(), name, &flow.into());
            }
        }
        text
    }

    fn write_line(&self, text: &mut String, source: &str, destination: &str, opened: &Opened) {
        let arrow = self.style.paint(Role::Faint, "->");
        let ports = self.style.paint(Role::Strong, opened);
        writeln!(text, "{source} {arrow} {destination}  {ports}")
            .expect("a string takes all that is written");
    }

    /// The destinations by name, those of a namespace together where they do not differ.
    fn grouped(&self, source: WorkloadId, reached: Vec<(WorkloadId, Opened)>) -> Vec<Reached> {
        let is_itself =
            |id: WorkloadId| id == source && self.cluster.workload(id).object.kind.is_one_pod();
        let mut groups = Vec::new();
        let mut rest = reached.as_slice();
        while let Some((first, _)) = rest.first() {
            let namespace = self.cluster.workload(*first).namespace;
            let is_here =
                |(id, _): &(WorkloadId, _)| self.cluster.workload(*id).namespace == namespace;
            let end = rest
                .iter()
                .position(|one| !is_here(one))
                .unwrap_or(rest.len());
            let (here, others) = rest.split_at(end);
            rest = others;
            let here: Vec<_> = here.iter().filter(|(id, _)| !is_itself(*id)).collect();
            let all = self
                .cluster
                .workloads_in(namespace)
                .filter(|id| !is_itself(*id))
                .count();
            let Some((_, opened)) = here.first() else {
                continue;
            };
            if here.len() > 1 && here.len() == all && here.iter().all(|(_, other)| other == opened)
            {
                let name = Escaped(&self.cluster.namespace(namespace).name).to_string();
                groups.push((format!("{name}/*"), opened.clone()));
                continue;
            }
            let name = |(id, opened): &&(WorkloadId, Opened)| {
                (self.names[id.index()].clone(), opened.clone())
            };
            groups.extend(here.iter().map(name));
        }
        groups
    }
}

/// Ranges of addresses by name: `outside` where all addresses of both families are alike.
fn merged(ranges: Vec<(AddressRange, Opened)>) -> Vec<Reached> {
    if let [(AddressRange::IPV4, first), (AddressRange::IPV6, second)] = ranges.as_slice()
        && first == second
    {
        return vec![("outside".to_owned(), first.clone())];
    }
    ranges
        .into_iter()
        .map(|(range, opened)| (range_name(range), opened))
        .collect()
}

/// The lines of a drawing.
pub(super) fn write_drawing(
    view: &GraphView<'_>,
    style: Style,
    out: &mut dyn io::Write,
) -> io::Result<()> {
    let drawing = view.table();
    let name = |node: &DrawnNode| match node {
        DrawnNode::Entity(entity) => entity.name().to_owned(),
        node => Escaped(&names::node(view.cluster(), node)).to_string(),
    };
    let names: Vec<String> = drawing.nodes.iter().map(name).collect();
    let arrow = style.paint(Role::Faint, "->");
    for edge in &drawing.edges {
        let (source, destination) = (
            &names[edge.source as usize],
            &names[edge.destination as usize],
        );
        let open = names::openness(&drawing.sets[edge.set as usize]);
        let open = style.paint(Role::Strong, open);
        writeln!(out, "{source} {arrow} {destination}  {open}")?;
    }
    Ok(())
}
