//! What a change does to pods that no manifest declares: whatever else runs in a cluster, with
//! none of the labels that policies ask for, and those that a policy of the change was written
//! for. A rule for every namespace lets all of them in, and one for the pods of another
//! repository those, though between what is declared nothing may change.
//!
//! Refuses to repeat: what a declared pod of the same namespace tells as well is left out, and
//! what one without labels tells of one with labels.

mod asked_for;

use super::first_lines::first_lines;
use crate::cluster::{Cluster, WorkloadId};
use crate::engine::{ConnectionSet, Engine};
use crate::graph::{
    Comparison, ComparisonQuery, ELSEWHERE, Effect, EndSet, IsolationLine, Line, LineEnds, Move,
    asked_labels, is_undeclared, strangers,
};
use crate::k8s::{Direction, Object, Workload};
use crate::output::flow_names;
use crate::workspace::ClusterView;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;

/// Such pods of one cluster: none where the inventory is complete.
pub(super) fn undeclared_pods(view: &ClusterView) -> Vec<Object> {
    let inventory = &view.settings().inventory;
    strangers(&[view.cluster()], |name| !inventory.is_complete_in(name))
}

/// The same, and the pods that policies ask for by their labels.
pub(super) fn possible_pods(view: &ClusterView) -> Vec<Object> {
    let inventory = &view.settings().inventory;
    let mut pods = undeclared_pods(view);
    let asked_for = asked_for::written_for_all(view.cluster());
    add_asked_for(asked_for, &mut pods, |name| !inventory.is_complete_in(name));
    // What is asked for in one namespace may be in any other, if the policy does not say which.
    let copies: Vec<Object> = pods.iter().filter_map(elsewhere).collect();
    add_asked_for(copies, &mut pods, |name| !inventory.is_complete_in(name));
    pods
}

/// The same pods in a namespace that no manifest mentions.
fn elsewhere(pods: &Object) -> Option<Object> {
    let Object::Workload(pods) = pods else {
        return None;
    };
    let (name, labels) = (&pods.meta.name.value, pods.labels.clone());
    let copy = Workload::hypothetical(ELSEWHERE, name, labels, &pods.meta);
    Some(Object::Workload(Arc::new(copy)))
}

/// Adds pods that policies ask for, with their namespaces, where there may be such.
fn add_asked_for(
    objects: Vec<Object>,
    pods: &mut Vec<Object>,
    may_have_more: impl Fn(&str) -> bool,
) {
    let mut places: BTreeSet<(String, String)> = pods.iter().map(place).collect();
    for object in objects {
        if may_have_more(&home(&object)) && places.insert(place(&object)) {
            pods.push(object);
        }
    }
}

/// What two states differ in for such pods.
#[derive(Debug, Default)]
pub(super) struct UndeclaredMoves {
    /// By what opens: the pods that it opens for.
    opened: ByMove,
    closed: ByMove,
}

/// Pods that no manifest declares: those without labels first.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Undeclared {
    namespace: String,
    /// Whether that is there for a policy only.
    is_made: bool,
    /// The labels that a policy asks for, as the name of the placeholder; empty for none.
    labels: String,
}

/// By what opens or closes, what matters most first: the pods that it does so for.
type ByMove = BTreeMap<(Effect, Told), BTreeSet<Undeclared>>;

/// What opens or closes for such pods, the other ends in words.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Told {
    /// What policies do to them.
    Isolation(&'static str, Direction),
    /// Connections that they open at these ends.
    To(String, String),
    /// Connections that these ends open at them.
    From(String, String),
}

impl UndeclaredMoves {
    /// Adds what differs between the two states of a cluster, as far as the query that is made
    /// for both, with such pods in them, asks for it. An inventory that is complete has none.
    pub(super) fn add(
        &mut self,
        views: [&ClusterView; 2],
        query: impl FnOnce([&Cluster; 2]) -> ComparisonQuery,
    ) {
        let declared = views.map(ClusterView::cluster);
        let may_have_more = |name: &str| {
            let mut inventories = views.iter().map(|view| &view.settings().inventory);
            !inventories.any(|inventory| inventory.is_complete_in(name))
        };
        let mut more = strangers(&declared, may_have_more);
        let known = |name: &str| {
            declared
                .iter()
                .any(|it| it.namespace_by_name(name).is_some())
        };
        add_asked_for(asked_for::written_for(declared), &mut more, may_have_more);
        let homes = more.iter().map(home);
        let made = homes
            .filter(|home| home != ELSEWHERE && !known(home))
            .collect();
        if more.is_empty() {
            return;
        }
        let clusters = views.map(|view| view.with_more(&more));
        let clusters = clusters.each_ref();
        let engines = clusters.map(Engine::new);
        let query = query(clusters);
        let comparison = Comparison::new(&engines[0], &engines[1], &query);
        let untold = Untold::new(clusters[1], &comparison, &query.internet, &made);
        for line in &comparison.isolation {
            let moves = match line.effect {
                Effect::Isolated => &mut self.closed,
                _ => &mut self.opened,
            };
            untold.add_isolation(line, moves);
        }
        let lines = comparison.lines.iter();
        // What is new or gone itself is no matter of who else may reach it.
        for line in lines.filter(|line| !line.is_of_new_or_gone) {
            let moves = match line.moved {
                Move::Opened => &mut self.opened,
                Move::Closed => &mut self.closed,
                Move::Unknown => continue,
            };
            untold.add_flows(line, moves);
        }
    }

    /// What opens, a line each.
    pub(super) fn opened(&self) -> impl Iterator<Item = String> {
        self.opened.iter().map(|((_, told), pods)| told.line(pods))
    }

    /// What closes, a line each.
    pub(super) fn closed(&self) -> impl Iterator<Item = String> {
        self.closed.iter().map(|((_, told), pods)| told.line(pods))
    }

    /// What all of it is about.
    pub(super) fn effects(&self) -> impl Iterator<Item = Effect> {
        let moves = self.opened.keys().chain(self.closed.keys());
        moves.map(|(effect, _)| *effect)
    }

    /// A line for what opens or closes alike, with its level: the first ones of them.
    pub(super) fn lines(&self) -> Vec<String> {
        let [opened, closed] = [&self.opened, &self.closed].map(|moves| {
            let moves = moves.iter();
            moves.map(|((effect, told), pods)| {
                format!("{}  {}", told.line(pods), effect.level().name())
            })
        });
        first_lines(opened, closed, |more| {
            format!("{more} more changes for pods that no manifest declares")
        })
    }
}

impl Told {
    fn line(&self, pods: &BTreeSet<Undeclared>) -> String {
        let pods = undeclared_words(pods);
        match self {
            Self::To(ends, ports) => format!("{pods} -> {ends}  {ports}"),
            Self::From(ends, ports) => format!("{ends} -> {pods}  {ports}"),
            Self::Isolation(effect, direction) => {
                format!("{pods}  {effect} for {}", direction.field())
            }
        }
    }
}

/// What a comparison says of such pods and of no declared ones.
struct Untold<'c> {
    /// The cluster after, which has the ends of all lines that are looked at.
    cluster: &'c Cluster,
    comparison: &'c Comparison,
    /// The public addresses.
    internet: &'c EndSet,
    /// The namespaces that are there for the pods of a policy only.
    made: &'c BTreeSet<String>,
    /// By place among the workloads of the comparison: what is undeclared.
    undeclared: BTreeMap<usize, Undeclared>,
    /// By pods without labels: the lines that they are a side of.
    lines: BTreeMap<Undeclared, Vec<&'c Line>>,
}

/// The ends of one side of a line.
struct Ends<'e> {
    all: &'e LineEnds,
    /// The workloads that manifests declare.
    declared: Vec<WorkloadId>,
    /// Those pods that none declares.
    undeclared: BTreeSet<Undeclared>,
}

impl<'c> Untold<'c> {
    fn new(
        cluster: &'c Cluster,
        comparison: &'c Comparison,
        internet: &'c EndSet,
        made: &'c BTreeSet<String>,
    ) -> Self {
        let mut found = Self {
            cluster,
            comparison,
            internet,
            made,
            undeclared: BTreeMap::new(),
            lines: BTreeMap::new(),
        };
        for (place, pair) in comparison.workloads.iter().enumerate() {
            if let Some(id) = pair.after.filter(|id| is_undeclared(cluster, *id)) {
                found.undeclared.insert(place, found.identity(id));
            }
        }
        for line in &comparison.lines {
            for ends in [&line.sources, &line.destinations] {
                for pods in found.ends(ends).undeclared {
                    if pods.labels.is_empty() {
                        found.lines.entry(pods).or_default().push(line);
                    }
                }
            }
        }
        found
    }

    fn identity(&self, id: WorkloadId) -> Undeclared {
        let namespace = self.namespace(id);
        Undeclared {
            namespace: namespace.to_owned(),
            is_made: self.made.contains(namespace),
            labels: asked_labels(self.cluster, id).unwrap_or("").to_owned(),
        }
    }

    /// Those who stand for others than themselves as well: pods without labels for those with
    /// some, and, where the namespace is there for a policy only, those of any other namespace.
    fn stand_in(&self, pods: &Undeclared) -> Option<Undeclared> {
        let (namespace, is_made) = match (pods.is_made, pods.labels.is_empty()) {
            (false, true) => return None,
            (true, true) => (ELSEWHERE, false),
            (is_made, false) => (pods.namespace.as_str(), is_made),
        };
        Some(Undeclared {
            namespace: namespace.to_owned(),
            is_made,
            labels: String::new(),
        })
    }

    /// Whether what a line says of such pods, which are one of its sides, another line says of
    /// those who stand for them.
    fn is_told_by_stand_in(&self, pods: &Undeclared, is_source: bool, line: &Line) -> bool {
        let side = |line: &'c Line, is_source: bool| match is_source {
            true => &line.sources,
            false => &line.destinations,
        };
        let holds = |ends: &LineEnds, pods: &Undeclared| match ends {
            LineEnds::Outside(_) => false,
            LineEnds::Workloads(places) => {
                let mut places = places.iter();
                places.any(|place| self.undeclared.get(place) == Some(pods))
            }
        };
        let other = match is_source {
            true => &line.destinations,
            false => &line.sources,
        };
        let mut next = self.stand_in(pods);
        while let Some(stand_in) = next {
            let lines = self.lines.get(&stand_in).into_iter().flatten();
            let mut lines = lines.filter(|it| {
                it.moved == line.moved
                    && holds(side(it, is_source), &stand_in)
                    && are_among(other, side(it, !is_source))
                    && covers(&it.connections, &line.connections)
            });
            if lines.next().is_some() {
                return true;
            }
            next = self.stand_in(&stand_in);
        }
        false
    }

    /// Adds the flows of a line that have such an end and no like among declared ones.
    fn add_flows(&self, line: &Line, moves: &mut ByMove) {
        let [mut from, mut to] = [&line.sources, &line.destinations].map(|ends| self.ends(ends));
        (from.undeclared).retain(|pods| !self.is_told_by_stand_in(pods, true, line));
        (to.undeclared).retain(|pods| !self.is_told_by_stand_in(pods, false, line));
        let is_closed = line.moved == Move::Closed;
        // Pods that are isolated, or no longer, have all that this means for them.
        for ((_, told), pods) in &*moves {
            match told {
                Told::Isolation(_, Direction::Egress) => from.forget(pods),
                Told::Isolation(_, Direction::Ingress) => to.forget(pods),
                Told::To(..) | Told::From(..) => {}
            }
        }
        if from.is_empty() || to.is_empty() {
            return;
        }
        let new_from = self.untold(&from, &to, is_closed);
        let new_to = self.untold(&to, &from, is_closed);
        let ports = line.connections.to_string();
        if !new_from.is_empty() {
            let told = Told::To(self.words(&to), ports.clone());
            moves
                .entry((line.effect, told))
                .or_default()
                .extend(new_from.clone());
        }
        // Between two such pods once is enough.
        if !new_to.is_empty() && (new_from.is_empty() || from.is_declared()) {
            let told = Told::From(self.words(&from), ports);
            moves.entry((line.effect, told)).or_default().extend(new_to);
        }
    }

    /// Adds such pods that are isolated, or no longer, where no declared ones of their namespace
    /// are.
    fn add_isolation(&self, line: &IsolationLine, moves: &mut ByMove) {
        let workloads = LineEnds::Workloads(line.workloads.clone());
        let mut ends = self.ends(&workloads);
        let all = ends.undeclared.clone();
        (ends.undeclared).retain(|pods| self.stand_in(pods).is_none_or(|it| !all.contains(&it)));
        let untold = self.untold(&ends, &ends, false);
        if !untold.is_empty() {
            let effect = match line.effect {
                Effect::Isolated => "isolated",
                _ => "no longer isolated",
            };
            let told = Told::Isolation(effect, line.direction);
            moves.entry((line.effect, told)).or_default().extend(untold);
        }
    }

    fn ends<'e>(&self, ends: &'e LineEnds) -> Ends<'e> {
        let mut found = Ends {
            all: ends,
            declared: Vec::new(),
            undeclared: BTreeSet::new(),
        };
        if let LineEnds::Workloads(places) = ends {
            let ids = places
                .iter()
                .filter_map(|place| self.comparison.workloads[*place].after);
            for id in ids {
                match is_undeclared(self.cluster, id) {
                    true => {
                        found.undeclared.insert(self.identity(id));
                    }
                    false => found.declared.push(id),
                }
            }
        }
        found
    }

    /// The namespaces of those pods of one side that no declared ones are like: of the same
    /// namespace, or, for those elsewhere, of another one than the other side. What closes for
    /// declared ones of any namespace closes for strangers at the latest.
    fn untold(&self, ends: &Ends<'_>, others: &Ends<'_>, is_closed: bool) -> BTreeSet<Undeclared> {
        let namespaces = |ends: &Ends<'_>| -> BTreeSet<&str> {
            ends.declared.iter().map(|id| self.namespace(*id)).collect()
        };
        let (homes, opposite) = (namespaces(ends), namespaces(others));
        let is_told = |pods: &Undeclared| match pods.namespace.as_str() {
            // What was written for them says nothing of others.
            _ if !pods.labels.is_empty() => false,
            ELSEWHERE if is_closed => !homes.is_empty(),
            ELSEWHERE => homes.iter().any(|home| !opposite.contains(home)),
            known => homes.contains(known),
        };
        let undeclared = ends.undeclared.iter();
        undeclared.filter(|pods| !is_told(pods)).cloned().collect()
    }

    /// The ends of one side in words: those that are declared, if there are any.
    fn words(&self, ends: &Ends<'_>) -> String {
        let (first, number) = match (ends.all, &ends.declared[..]) {
            (LineEnds::Outside(ranges), _) => return flow_names::addresses(self.internet, ranges),
            (_, []) => return undeclared_words(&ends.undeclared),
            (_, [first, ..]) => (self.cluster.workload_name(*first), ends.declared.len()),
        };
        match number {
            1 => first,
            number => format!("{first} and {} more", number - 1),
        }
    }

    fn namespace(&self, id: WorkloadId) -> &str {
        let home = self.cluster.workload(id).namespace;
        &self.cluster.namespace(home).name
    }
}

impl Ends<'_> {
    fn forget(&mut self, pods: &BTreeSet<Undeclared>) {
        self.undeclared.retain(|it| !pods.contains(it));
    }

    fn is_empty(&self) -> bool {
        !self.is_declared() && self.undeclared.is_empty()
    }

    fn is_declared(&self) -> bool {
        matches!(self.all, LineEnds::Outside(_)) || !self.declared.is_empty()
    }
}

impl fmt::Display for Undeclared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.namespace.as_str(), self.labels.as_str()) {
            (ELSEWHERE, "") => f.write_str("pods of other namespaces"),
            (namespace, "") if self.is_made => match namespace.strip_prefix('+') {
                Some(labels) => write!(f, "pods of namespaces with {labels}"),
                None => write!(f, "pods of {namespace}"),
            },
            (namespace, "") => write!(f, "other pods of {namespace}"),
            (namespace, labels) => write!(f, "{namespace}/+{labels}"),
        }
    }
}

/// The name of pods in a graph, and of those that no manifest declares what they are.
pub(super) fn name_in_words(name: &str) -> String {
    let stranger = name.strip_suffix("/+").map(|namespace| Undeclared {
        namespace: namespace.to_owned(),
        is_made: false,
        labels: String::new(),
    });
    stranger.map_or_else(|| name.to_owned(), |pods| pods.to_string())
}

/// The namespace that an object is, or is in.
fn home(object: &Object) -> String {
    let (namespace, name) = place(object);
    match object {
        Object::Namespace(_) => name,
        _ => namespace,
    }
}

/// The namespace and the name of an object.
fn place(object: &Object) -> (String, String) {
    let meta = object.meta();
    let namespace = meta.namespace.as_ref().map_or("", |it| it.as_str());
    (namespace.to_owned(), meta.name.value.to_string())
}

/// Whether these ends are all among those.
fn are_among(some: &LineEnds, all: &LineEnds) -> bool {
    match (some, all) {
        (LineEnds::Workloads(some), LineEnds::Workloads(all)) => {
            some.iter().all(|place| all.binary_search(place).is_ok())
        }
        (LineEnds::Outside(some), LineEnds::Outside(all)) => some
            .iter()
            .all(|range| all.iter().any(|it| it.contains_range(range))),
        _ => false,
    }
}

fn covers(all: &ConnectionSet, some: &ConnectionSet) -> bool {
    some.intersection(all) == *some
}

/// `other pods of shop, pods of other namespaces, monitoring/+app=prometheus`; nothing for none.
fn undeclared_words(pods: &BTreeSet<Undeclared>) -> String {
    const MAX_NAMES: usize = 3;
    let is_known =
        |it: &&Undeclared| it.labels.is_empty() && !it.is_made && it.namespace != ELSEWHERE;
    let known: Vec<&str> = (pods.iter().filter(is_known))
        .map(|it| it.namespace.as_str())
        .collect();
    let here = match known.len() {
        0 => None,
        number if number > MAX_NAMES => Some(format!("other pods of {number} namespaces")),
        _ => Some(format!("other pods of {}", known.join(", "))),
    };
    let (elsewhere, asked_for): (Vec<&Undeclared>, Vec<&Undeclared>) = (pods.iter())
        .filter(|it| !is_known(it))
        .partition(|it| it.namespace == ELSEWHERE && it.labels.is_empty());
    let more = asked_for.len().saturating_sub(MAX_NAMES);
    let more = (more > 0).then(|| format!("{more} more kinds of pods"));
    let named = elsewhere
        .into_iter()
        .chain(asked_for.into_iter().take(MAX_NAMES));
    let words = here.into_iter().chain(named.map(ToString::to_string));
    let words: Vec<String> = words.chain(more).collect();
    words.join(", ")
}
