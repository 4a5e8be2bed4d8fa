//! What a change does to pods that no manifest declares: whatever else runs in a cluster, with
//! none of the labels that policies ask for. A rule for every namespace lets all of them in,
//! though between what is declared nothing may change.
//!
//! Refuses to repeat: what a declared pod of the same namespace tells as well is left out.

use crate::cluster::{Cluster, WorkloadId};
use crate::engine::Engine;
use crate::graph::{
    Comparison, ComparisonQuery, ELSEWHERE, Effect, EndSet, IsolationLine, Line, LineEnds, Move,
    is_undeclared, strangers,
};
use crate::k8s::{Direction, Object};
use crate::output::flow_names;
use crate::workspace::ClusterView;
use std::collections::{BTreeMap, BTreeSet};

/// How many lines are shown before the rest is counted.
const MAX_LINES: usize = 10;

/// Such pods of one cluster: none where the inventory is complete.
pub(super) fn undeclared_pods(view: &ClusterView) -> Vec<Object> {
    let inventory = &view.settings().inventory;
    strangers(&[view.cluster()], |name| !inventory.is_complete_in(name))
}

/// What two states differ in for such pods.
#[derive(Debug, Default)]
pub(super) struct UndeclaredMoves {
    /// By what opens: the namespaces of the pods that it opens for.
    opened: BTreeMap<Told, BTreeSet<String>>,
    closed: BTreeMap<Told, BTreeSet<String>>,
}

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
        let more = strangers(&declared, may_have_more);
        if more.is_empty() {
            return;
        }
        let clusters = views.map(|view| view.with_more(&more));
        let clusters = clusters.each_ref();
        let engines = clusters.map(Engine::new);
        let query = query(clusters);
        let comparison = Comparison::new(&engines[0], &engines[1], &query);
        let untold = Untold {
            cluster: clusters[1],
            comparison: &comparison,
            internet: &query.internet,
        };
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

    /// Whether anything opens.
    pub(super) fn opens(&self) -> bool {
        !self.opened.is_empty()
    }

    /// Whether anything closes.
    pub(super) fn closes(&self) -> bool {
        !self.closed.is_empty()
    }

    /// What opens, a line each.
    pub(super) fn opened(&self) -> impl Iterator<Item = String> {
        self.opened.iter().map(|(told, pods)| told.line(pods))
    }

    /// What closes, a line each.
    pub(super) fn closed(&self) -> impl Iterator<Item = String> {
        self.closed.iter().map(|(told, pods)| told.line(pods))
    }

    /// A line for what opens or closes alike, the first ones of them.
    pub(super) fn lines(&self) -> Vec<String> {
        let opened = self.opened().map(|line| format!("opened: {line}"));
        let closed = self.closed().map(|line| format!("closed: {line}"));
        let mut lines: Vec<String> = opened.chain(closed).collect();
        let more = lines.len().saturating_sub(MAX_LINES);
        // One more line instead of the last one would tell less.
        if more > 1 {
            lines.truncate(MAX_LINES);
            lines.push(format!(
                "{more} more changes for pods that no manifest declares"
            ));
        }
        lines
    }
}

impl Told {
    fn line(&self, namespaces: &BTreeSet<String>) -> String {
        let pods = undeclared_words(namespaces);
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
}

/// The ends of one side of a line.
struct Ends<'e> {
    all: &'e LineEnds,
    /// The workloads that manifests declare.
    declared: Vec<WorkloadId>,
    /// The namespaces of those pods that none declares.
    undeclared: BTreeSet<String>,
}

impl Untold<'_> {
    /// Adds the flows of a line that have such an end and no like among declared ones.
    fn add_flows(&self, line: &Line, moves: &mut BTreeMap<Told, BTreeSet<String>>) {
        let [mut from, mut to] = [&line.sources, &line.destinations].map(|ends| self.ends(ends));
        let is_closed = line.moved == Move::Closed;
        // Pods that are isolated, or no longer, have all that this means for them.
        for (told, pods) in &*moves {
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
            moves.entry(told).or_default().extend(new_from.clone());
        }
        // Between two such pods once is enough.
        if !new_to.is_empty() && (new_from.is_empty() || from.is_declared()) {
            let told = Told::From(self.words(&from), ports);
            moves.entry(told).or_default().extend(new_to);
        }
    }

    /// Adds such pods that are isolated, or no longer, where no declared ones of their namespace
    /// are.
    fn add_isolation(&self, line: &IsolationLine, moves: &mut BTreeMap<Told, BTreeSet<String>>) {
        let workloads = LineEnds::Workloads(line.workloads.clone());
        let ends = self.ends(&workloads);
        let untold = self.untold(&ends, &ends, false);
        if !untold.is_empty() {
            let effect = match line.effect {
                Effect::Isolated => "isolated",
                _ => "no longer isolated",
            };
            let told = Told::Isolation(effect, line.direction);
            moves.entry(told).or_default().extend(untold);
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
                        found.undeclared.insert(self.namespace(id).to_owned());
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
    fn untold(&self, ends: &Ends<'_>, others: &Ends<'_>, is_closed: bool) -> BTreeSet<String> {
        let namespaces = |ends: &Ends<'_>| -> BTreeSet<&str> {
            ends.declared.iter().map(|id| self.namespace(*id)).collect()
        };
        let (homes, opposite) = (namespaces(ends), namespaces(others));
        let is_told = |namespace: &&String| match namespace.as_str() {
            ELSEWHERE if is_closed => !homes.is_empty(),
            ELSEWHERE => homes.iter().any(|home| !opposite.contains(home)),
            known => homes.contains(known),
        };
        let undeclared = ends.undeclared.iter();
        let untold = undeclared.filter(|namespace| !is_told(namespace));
        untold.cloned().collect()
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
    fn forget(&mut self, namespaces: &BTreeSet<String>) {
        self.undeclared.retain(|it| !namespaces.contains(it));
    }

    fn is_empty(&self) -> bool {
        !self.is_declared() && self.undeclared.is_empty()
    }

    fn is_declared(&self) -> bool {
        matches!(self.all, LineEnds::Outside(_)) || !self.declared.is_empty()
    }
}

/// `other pods of shop, pods of other namespaces`; nothing for none.
fn undeclared_words(namespaces: &BTreeSet<String>) -> String {
    const MAX_NAMES: usize = 3;
    let known = namespaces.iter().map(String::as_str);
    let known: Vec<&str> = known.filter(|name| *name != ELSEWHERE).collect();
    let here = match known.len() {
        0 => None,
        number if number > MAX_NAMES => Some(format!("other pods of {number} namespaces")),
        _ => Some(format!("other pods of {}", known.join(", "))),
    };
    let is_elsewhere = namespaces.contains(ELSEWHERE);
    let elsewhere = is_elsewhere.then(|| "pods of other namespaces".to_owned());
    let words: Vec<String> = here.into_iter().chain(elsewhere).collect();
    words.join(", ")
}
