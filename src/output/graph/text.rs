//! `SOURCE -> DESTINATION  PORTS`, one line each, for people and `grep`. Where a source
//! reaches all of a namespace alike, that is one line: `shop/*`.
//!
//! Refuses to show that a pod reaches itself, which is always so (S4).

use super::{GraphView, names};
use crate::cluster::{Cluster, NamespaceId, WorkloadId};
use crate::engine::{AddressRange, ConnectionSet, Entity, Flow, Peer, Relation};
use crate::graph::DrawnNode;
use crate::k8s::Direction;
use crate::output::{Escaped, Role, Style, range_name};
use std::collections::{BTreeMap, HashMap};
use std::fmt::{self, Write as _};
use std::io;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

/// Makes the lines.
pub(super) struct Writer<'a> {
    cluster: &'a Cluster,
    relation: Relation<'a>,
    style: Style,
    /// By workload: its name, escaped.
    names: Vec<String>,
    /// By group of the relation: a number that those have that reach the same.
    likeness: Vec<u32>,
    /// By likeness: how many workloads have it.
    frequencies: Vec<usize>,
    /// By likeness: what those reach that have it in common with others.
    reach: Mutex<HashMap<u32, Arc<Reach>>>,
    /// How many destinations are kept in `reach`.
    kept: AtomicUsize,
}

/// More destinations are worked out again for each source, so that memory is bounded.
const MAX_KEPT: usize = 1 << 22;

/// What is open, and of what that is not known.
#[derive(Clone, PartialEq, Eq, Hash)]
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

/// The workloads that some source reaches.
struct Reach {
    /// What is open, as it is written.
    ports: Vec<String>,
    namespaces: Vec<ReachIn>,
}

/// The workloads of one namespace that some source reaches.
struct ReachIn {
    namespace: NamespaceId,
    /// In order, each with a place in `ports`.
    destinations: Vec<(WorkloadId, u32)>,
    /// By place: how many of them have it.
    frequencies: BTreeMap<u32, usize>,
    /// How many workloads the namespace has.
    all: usize,
}

impl ReachIn {
    /// The place of all workloads of the namespace but one, if they are several and alike.
    fn uniform(&self, but: Option<u32>, is_there: bool) -> Option<u32> {
        let all = self.all - usize::from(is_there);
        let here = self.destinations.len() - usize::from(but.is_some());
        let left = |(place, count): (&u32, &usize)| {
            let count = count - usize::from(but == Some(*place));
            (count > 0).then_some(*place)
        };
        let mut places = self.frequencies.iter().filter_map(left);
        let first = places.next()?;
        (here > 1 && here == all && places.next().is_none()).then_some(first)
    }
}

/// A range of addresses and what is open.
type Reached = (String, Opened);

impl<'a> Writer<'a> {
    pub(super) fn new(cluster: &'a Cluster, relation: Relation<'a>, style: Style) -> Self {
        let name = |id| Escaped(&cluster.workload_name(id)).to_string();
        let likeness = relation.alike_sources();
        let mut frequencies = vec![0; likeness.len()];
        for id in cluster.workload_ids() {
            if let Some(group) = relation.group_of(id) {
                frequencies[likeness[group] as usize] += 1;
            }
        }
        Self {
            cluster,
            relation,
            style,
            names: cluster.workload_ids().map(name).collect(),
            likeness,
            frequencies,
            reach: Mutex::default(),
            kept: AtomicUsize::new(0),
        }
    }

    /// The lines of all that a workload may open.
    pub(super) fn lines_from_workload(&self, source: WorkloadId) -> String {
        let mut outside = Vec::new();
        let mut entities: Vec<(Entity, Opened)> = Vec::new();
        for flow in self.relation.flows_out(source) {
            match flow.destination {
                Peer::Workload(_) => {}
                Peer::Outside(range) => outside.push((range, flow.into())),
                Peer::Entity(entity) => entities.push((entity, flow.into())),
            }
        }
        let name = &self.names[source.index()];
        let mut text = String::new();
        self.write_workloads(&mut text, source);
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

    /// The lines of the workloads that one may reach: those of a namespace together where they
    /// do not differ.
    fn write_workloads(&self, text: &mut String, source: WorkloadId) {
        let Some(reach) = self.reach_of(source) else {
            return;
        };
        let home = self.cluster.workload(source).namespace;
        // A pod that reaches itself, which is always so (S4).
        let is_itself = self.cluster.workload(source).object.kind.is_one_pod();
        let name = &self.names[source.index()];
        let arrow = self.style.paint(Role::Faint, "->").to_string();
        let mut write = |destination: &str, place: u32| {
            let ports = &reach.ports[place as usize];
            writeln!(text, "{name} {arrow} {destination}  {ports}")
                .expect("a string takes all that is written");
        };
        for reached in &reach.namespaces {
            let is_there = is_itself && reached.namespace == home;
            let destinations = &reached.destinations;
            let own = destinations.binary_search_by_key(&source, |(id, _)| *id);
            let own = own.ok().filter(|_| is_there);
            let own = own.map(|at| destinations[at].1);
            if let Some(place) = reached.uniform(own, is_there) {
                let namespace = &self.cluster.namespace(reached.namespace).name;
                write(&format!("{}/*", Escaped(namespace)), place);
                continue;
            }
            for (id, place) in destinations {
                if !(is_there && *id == source) {
                    write(&self.names[id.index()], *place);
                }
            }
        }
    }

    /// What a workload reaches; `None` if an API server would refuse the object.
    fn reach_of(&self, source: WorkloadId) -> Option<Arc<Reach>> {
        let likeness = self.likeness[self.relation.group_of(source)?];
        if self.frequencies[likeness as usize] == 1 {
            return Some(Arc::new(self.new_reach(source)));
        }
        let known = || self.reach.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(reach) = known().get(&likeness) {
            return Some(Arc::clone(reach));
        }
        // Two threads may make the same one: better than that all wait for each.
        let reach = Arc::new(self.new_reach(source));
        let destinations = reach.namespaces.iter().map(|it| it.destinations.len());
        let size = 1 + destinations.sum::<usize>();
        if self.kept.fetch_add(size, Ordering::Relaxed) + size <= MAX_KEPT {
            known().insert(likeness, Arc::clone(&reach));
        }
        Some(reach)
    }

    fn new_reach(&self, source: WorkloadId) -> Reach {
        let row = self.relation.row(source);
        let (_, sets) = row.by_place();
        // Of sets that are equal, the place of the first.
        let mut known: HashMap<Opened, u32> = HashMap::new();
        let mut ports = Vec::new();
        let place_of = |(connections, unknown): (&ConnectionSet, &ConnectionSet)| {
            let opened = Opened {
                connections: Arc::new(connections.clone()),
                unknown: Arc::new(unknown.clone()),
            };
            if connections.is_empty() && unknown.is_empty() {
                return None;
            }
            let next = ports.len() as u32;
            let place = *known.entry(opened).or_insert_with_key(|opened| {
                ports.push(self.style.paint(Role::Strong, opened).to_string());
                next
            });
            Some(place)
        };
        let places: Vec<Option<u32>> = sets.map(place_of).collect();
        let mut namespaces: Vec<ReachIn> = Vec::new();
        for (id, place) in row.reached() {
            let Some(place) = places[place as usize] else {
                continue;
            };
            let namespace = self.cluster.workload(id).namespace;
            if namespaces
                .last()
                .is_none_or(|last| last.namespace != namespace)
            {
                namespaces.push(ReachIn {
                    namespace,
                    destinations: Vec::new(),
                    frequencies: BTreeMap::new(),
                    all: self.cluster.workloads_in(namespace).len(),
                });
            }
            if let Some(reached) = namespaces.last_mut() {
                reached.destinations.push((id, place));
                *reached.frequencies.entry(place).or_default() += 1;
            }
        }
        Reach { ports, namespaces }
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
