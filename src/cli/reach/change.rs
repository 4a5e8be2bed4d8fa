//! The smallest change of the manifests that would allow what is blocked: proposals are
//! tried one after the other, and only those are kept with which the engine, run again on
//! the edited text, says allowed.
//!
//! Refuses to write text: that is `amend`'s business.

mod dialect;
mod extent;
mod proposal;

use super::Scene;
use super::group::joined;
use super::group::{Group, Piece};
use super::opened::{AskedEnd, AskedFlow, opened};
use crate::cli::endpoint::{End, Form, Resolved};
use crate::cli::undeclared::undeclared_pods;
use crate::cluster::Cluster;
use crate::engine::{
    AddressRange, ConnectionSet, Endpoint, Engine, Explanation, PodView, SideTrace, Way, explain,
    uniform_ranges,
};
use crate::graph::{placeholder, placeholder_name};
use crate::k8s::{ContextObject, Direction, Object, WorkloadKind};
use crate::lint::Inventory;
use crate::manifest::Focus;
use crate::output::{Change, ChangedPlace};
use crate::source::Edit;
use crate::workspace::Changed;
use proposal::{Other, Proposal};
use std::cell::OnceCell;
use std::collections::BTreeSet;
use std::sync::Arc;

/// Changes are looked for only if there are no more answers than this.
pub(super) const MAX_ANSWERS: usize = 6;

/// How many proposals of one side, and how many of both together, are tried.
const MAX_TRIES: usize = 8;

/// The change that would allow what a group is blocked for and opens least besides. None if
/// all ports were asked for, as nobody wants that, and none for one pod of a StatefulSet: what a
/// change opens to the others is not known.
pub(super) fn changes(
    scene: Scene<'_>,
    inventory: &Inventory,
    group: &Group<'_>,
    (from, to): (&Resolved, &Resolved),
) -> Vec<Change> {
    let Some((search, way)) = Search::new(scene, inventory, group, (from, to)) else {
        return Vec::new();
    };
    match &group.tried {
        Some(tried) => search.changes(tried),
        None => search.changes(&search.combinations(way)),
    }
}

/// What is tried for the [`changes`], if these are those that the pods of the focus alone lead
/// to: whatever is tried opens nothing to others, nor from them.
pub(super) fn tried_within(
    focus: &Focus,
    scene: Scene<'_>,
    inventory: &Inventory,
    group: &Group<'_>,
    ends: (&Resolved, &Resolved),
) -> Option<Vec<Vec<Edit>>> {
    let Some((search, way)) = Search::new(scene, inventory, group, ends) else {
        return Some(Vec::new());
    };
    let tried = search.combinations(way);
    let stay_within = tried.iter().all(|edits| search.stays_within(focus, edits));
    stay_within.then_some(tried)
}

/// How much a change opens besides: to or from addresses, and in all.
fn breadth(change: &Change) -> (usize, usize) {
    let with_addresses = change.opens.iter().filter(|flow| !flow.is_within_cluster);
    (with_addresses.count(), change.opens.len())
}

struct Search<'q> {
    scene: Scene<'q>,
    inventory: &'q Inventory,
    group: &'q Group<'q>,
    from: &'q Resolved,
    to: &'q Resolved,
    /// What shall be allowed and is not.
    wanted: ConnectionSet,
    /// Pods that no manifest declares, which a change may open something to as well.
    undeclared: OnceCell<Vec<Object>>,
    /// The cluster before any change, with such pods.
    before: OnceCell<Cluster>,
}

impl<'q> Search<'q> {
    /// What is looked for, and the way in which it is blocked. None if all ports were asked for,
    /// as nobody wants that.
    fn new(
        scene: Scene<'q>,
        inventory: &'q Inventory,
        group: &'q Group<'q>,
        (from, to): (&'q Resolved, &'q Resolved),
    ) -> Option<(Self, &'q Way<'q>)> {
        let asked = group.asked.connections.as_ref()?;
        let ends = [(from, &group.example.0), (to, &group.example.1)];
        let is_replica = |(resolved, piece): (&Resolved, &Arc<Piece<'_>>)| {
            matches!(resolved.ends[piece.place], End::Replica(..))
        };
        if ends.into_iter().any(is_replica) {
            return None;
        }
        let wanted = asked.difference(&group.allowed);
        // Of several ways one is enough.
        let way = group.explanation.ways.first()?;
        let search = Self {
            scene,
            inventory,
            group,
            from,
            to,
            wanted,
            undeclared: OnceCell::new(),
            before: OnceCell::new(),
        };
        Some((search, way))
    }

    /// What is tried, the shortest first: edits for every side that is closed.
    fn combinations(&self, way: &Way<'_>) -> Vec<Vec<Edit>> {
        let mut combinations: Vec<Vec<Edit>> = vec![Vec::new()];
        for side in way.sides() {
            let denied = side.verdict.denied().intersection(&self.wanted);
            if denied.is_empty() {
                continue;
            }
            let proposals = self.working(side, &denied);
            combinations = combinations
                .iter()
                .flat_map(|edits| {
                    proposals
                        .iter()
                        .map(|proposal| [&edits[..], &proposal.edits].concat())
                })
                .collect();
            if combinations.is_empty() {
                break;
            }
        }
        combinations.sort_by_key(|edits| proposal::lines(edits));
        combinations.truncate(MAX_TRIES);
        combinations.retain(|edits| !edits.is_empty());
        combinations
    }

    /// Whether edits open nothing to pods outside the focus, nor from them.
    fn stays_within(&self, focus: &Focus, edits: &[Edit]) -> bool {
        let Some(changed) = self.changed(edits) else {
            // Nothing comes of them.
            return true;
        };
        let namespaces = self.namespaces(&changed);
        namespaces.is_some_and(|names| names.iter().all(|name| focus.is_on(name)))
    }

    /// The namespaces that a change may concern, with those of both ends, if that is not
    /// everywhere.
    fn namespaces(&self, changed: &Changed) -> Option<BTreeSet<String>> {
        let before = self.scene.view.part().objects.iter();
        let before: Vec<&Object> = before.filter(|object| changed.replaces(object)).collect();
        let concerned = extent::namespaces(self.scene.cluster, &before, &changed.objects)?;
        let of_ends = self.pods().map(|pod| pod.namespace.name.to_string());
        Some(concerned.into_iter().chain(of_ends).collect())
    }

    /// The best of what is tried.
    fn changes(&self, tried: &[Vec<Edit>]) -> Vec<Change> {
        let mut least: Option<Change> = None;
        let before = OnceCell::new();
        for edits in tried {
            if least.as_ref().is_some_and(|change| change.opens.is_empty()) {
                break;
            }
            let Some(change) = self.proved(edits, &before) else {
                continue;
            };
            // Of two that open as much the one with fewer lines is there already.
            let opens_less = |least: &Change| breadth(&change) < breadth(least);
            if least.as_ref().is_none_or(opens_less) {
                least = Some(change);
            }
        }
        least.into_iter().collect()
    }

    /// The proposals for one side that do what they should there, the shortest first.
    fn working(&self, side: &SideTrace<'_>, denied: &ConnectionSet) -> Vec<Proposal> {
        let (subject, other) = match side.direction {
            Direction::Egress => (&self.group.example.0, self.other(Direction::Egress)),
            Direction::Ingress => (&self.group.example.1, self.other(Direction::Ingress)),
        };
        let Some(subject) = subject.endpoint.pod() else {
            return Vec::new();
        };
        let mut proposals = proposal::proposals(self.scene, side, (subject, &other), denied);
        proposals.sort_by_key(|proposal| (proposal::lines(&proposal.edits), proposal.kind));
        let works = |proposal: &Proposal| {
            let Some(changed) = self.changed(&proposal.edits) else {
                return false;
            };
            let cluster = self.cluster(&changed, Extent::Pair);
            self.holds(&cluster, |explanation| {
                let first = explanation.ways.iter().take(1).flat_map(Way::sides);
                let mut same = first.filter(|other| other.direction == side.direction);
                same.all(|side| denied.is_subset(&side.verdict.allowed()))
            })
        };
        proposals.retain(works);
        proposals.truncate(MAX_TRIES);
        proposals
    }

    /// Whom a side is to be opened for: the other end of the example, and of addresses all
    /// that come out alike.
    fn other(&self, direction: Direction) -> Other<'_> {
        let (example, pieces, resolved) = match direction {
            Direction::Egress => (&self.group.example.1, &self.group.destinations, self.to),
            Direction::Ingress => (&self.group.example.0, &self.group.sources, self.from),
        };
        if let Endpoint::Pod(pod) = &example.endpoint {
            return Other::Pod(pod.clone());
        }
        match &example.endpoint {
            Endpoint::Entity(entity) => return Other::Entity(*entity),
            Endpoint::Name(_) => return Other::Nobody,
            Endpoint::Pod(_) | Endpoint::Address(_) => {}
        }
        if resolved.text == Form::INTERNET {
            return Other::Internet(ranges(pieces));
        }
        Other::Addresses(joined(&ranges(pieces)))
    }

    fn asked_end(&self, example: &Piece<'_>, pieces: &[Arc<Piece<'_>>]) -> AskedEnd {
        match &example.endpoint {
            Endpoint::Pod(pod) => match pod.workload {
                Some(id) => AskedEnd::Workload(self.scene.cluster.workload_name(id)),
                None if pod.namespace.id.is_none() => AskedEnd::Hypothetical,
                None => AskedEnd::Workload(placeholder_name(pod.namespace.name, pod.labels)),
            },
            Endpoint::Entity(entity) => {
                AskedEnd::Entity(format!("{}{}", Form::ENTITY, entity.name()))
            }
            Endpoint::Address(_) | Endpoint::Name(_) => AskedEnd::Outside(ranges(pieces)),
        }
    }

    /// The change that edits make, if the engine says that all of it is allowed with them.
    fn proved<'a>(&'a self, edits: &[Edit], before: &OnceCell<Engine<'a>>) -> Option<Change> {
        let changed = self.changed(edits)?;
        let namespaces = self.namespaces(&changed);
        let extent = namespaces.as_ref().map_or(Extent::Everything, Extent::In);
        let cluster = self.cluster(&changed, extent);
        let is_allowed = self.holds(&cluster, |explanation| {
            self.wanted.is_subset(&explanation.verdict.allowed())
        });
        if !is_allowed {
            return None;
        }
        let asked = AskedFlow {
            from: self.asked_end(&self.group.example.0, &self.group.sources),
            to: self.asked_end(&self.group.example.1, &self.group.destinations),
            connections: &self.wanted,
        };
        let after = Engine::new(&cluster);
        let opens = match extent {
            Extent::Everything => {
                let before = before.get_or_init(|| Engine::new(self.before()));
                opened(before, &after, &asked)
            }
            // What policies elsewhere say has to be left out on both sides.
            Extent::In(_) | Extent::Pair => {
                let objects = self.scene.view.part().objects.iter();
                let before = self.cluster_of(objects.chain(self.undeclared()), extent);
                opened(&Engine::new(&before), &after, &asked)
            }
        };
        let places = edits.iter().map(|edit| self.place(edit)).collect();
        Some(Change { places, opens })
    }

    /// Whether something holds of the example, explained again in another cluster; of
    /// addresses, for each of those that come out alike.
    fn holds(&self, cluster: &Cluster, judge: impl Fn(&Explanation<'_>) -> bool) -> bool {
        let ends =
            |example: &Piece<'_>, pieces: &[Arc<Piece<'_>>], resolved: &Resolved| match &example
                .endpoint
            {
                Endpoint::Pod(_) | Endpoint::Entity(_) | Endpoint::Name(_) => resolved.ends
                    [example.place]
                    .in_cluster(self.scene.cluster, cluster)
                    .into_iter()
                    .collect(),
                Endpoint::Address(_) => {
                    let ranges = ranges(pieces).into_iter();
                    ranges
                        .flat_map(|range| uniform_ranges(cluster, &range))
                        .map(End::Addresses)
                        .collect()
                }
            };
        let from: Vec<End> = ends(&self.group.example.0, &self.group.sources, self.from);
        let to: Vec<End> = ends(&self.group.example.1, &self.group.destinations, self.to);
        let judged = |from: &End, to: &End| {
            let from = from.endpoint(cluster, self.inventory);
            let to = to.endpoint(cluster, self.inventory);
            judge(&explain(cluster, &from, &to))
        };
        let is_there = !from.is_empty() && !to.is_empty();
        is_there && from.iter().all(|from| to.iter().all(|to| judged(from, to)))
    }

    /// What some edits change; `None` if the edits contradict each other, or do not leave a text
    /// that reads as well as before.
    fn changed(&self, edits: &[Edit]) -> Option<Changed> {
        let workspace = self.scene.workspace;
        workspace.objects_after(self.scene.view, edits)
    }

    /// The cluster after a change.
    fn cluster(&self, changed: &Changed, extent: Extent<'_>) -> Cluster {
        let kept = self.scene.view.part().objects.iter();
        let kept = kept.filter(|object| !changed.replaces(object));
        let undeclared = match extent {
            Extent::Pair => &[],
            Extent::Everything | Extent::In(_) => self.undeclared(),
        };
        let kept = kept.chain(undeclared);
        let kept = kept.filter(|object| self.matters(object, extent));
        self.scene.view.hypothetical(&changed.beside(kept))
    }

    /// Those without labels, and the ends of the example that do not exist yet.
    fn undeclared(&self) -> &[Object] {
        self.undeclared.get_or_init(|| {
            let mut pods = undeclared_pods(self.scene.view);
            let Some(about) = self.scene.view.part().objects.first() else {
                return pods;
            };
            let ends = self.pods().filter(|pod| pod.workload.is_none());
            let ends = ends.filter(|pod| pod.namespace.id.is_some() && !pod.labels.is_empty());
            let end = |pod: &PodView<'_>| {
                placeholder(pod.namespace.name, pod.labels.clone(), about.meta())
            };
            pods.extend(ends.map(end));
            pods
        })
    }

    fn before(&self) -> &Cluster {
        match self.undeclared() {
            [] => self.scene.cluster,
            more => self.before.get_or_init(|| self.scene.view.with_more(more)),
        }
    }

    /// The cluster of the objects that have a say.
    fn cluster_of<'o>(
        &self,
        objects: impl Iterator<Item = &'o Object>,
        extent: Extent<'_>,
    ) -> Cluster {
        let kept = objects.filter(|object| self.matters(object, extent));
        let kept: Vec<Object> = kept.cloned().collect();
        self.scene.view.hypothetical(&kept)
    }

    /// Whether an object has a say in what is asked about.
    fn matters(&self, object: &Object, extent: Extent<'_>) -> bool {
        match extent {
            Extent::Everything => true,
            Extent::In(namespaces) => matters_in(namespaces, object),
            Extent::Pair => self.matters_to_pair(object),
        }
    }

    fn matters_to_pair(&self, object: &Object) -> bool {
        match object {
            // They tell which CNI plugin this is.
            Object::ContextObject(ContextObject::ClusterNetwork(_)) => true,
            Object::Workload(workload) if workload.kind == WorkloadKind::DaemonSet => true,
            Object::Service(_) | Object::ContextObject(_) => false,
            Object::Workload(workload) => {
                let mut ids = self.pods().filter_map(|pod| pod.workload);
                ids.any(|id| {
                    let end = &self.scene.cluster.workload(id).object;
                    end.meta.span == workload.meta.span
                })
            }
            // It selects pods of its own namespace only.
            Object::NetworkPolicy(policy) => {
                let namespace = policy.meta.namespace_name();
                self.pods().any(|pod| pod.namespace.name == namespace)
            }
            _ => true,
        }
    }

    /// The ends of the example that are pods.
    fn pods(&self) -> impl Iterator<Item = &PodView<'q>> {
        let ends = [&self.group.example.0, &self.group.example.1];
        ends.into_iter().filter_map(|piece| piece.endpoint.pod())
    }

    /// The lines that an edit changes.
    fn place(&self, edit: &Edit) -> ChangedPlace {
        let source = self.scene.sources.get(edit.span.source);
        let before = source.text();
        let range = edit.span.range();
        let file = source.name().to_owned();
        let is_line_end = |text: &str| text.is_empty() || text.starts_with(['\n', '\r']);
        let line = source.position(edit.span.start).line;
        let added = |lines: &str| lines.lines().map(str::to_owned).collect();
        if let Some(lines) = edit.replacement.trim_start_matches('\r').strip_prefix('\n')
            && range.is_empty()
            && is_line_end(&before[range.end..])
        {
            return ChangedPlace {
                file,
                line,
                removed: Vec::new(),
                added: added(lines),
            };
        }
        if range.is_empty() && edit.replacement.ends_with('\n') && line > 1 {
            let added = added(&edit.replacement);
            return ChangedPlace {
                file,
                line: line - 1,
                removed: Vec::new(),
                added,
            };
        }
        let after = [
            &before[..range.start],
            &edit.replacement,
            &before[range.end..],
        ]
        .concat();
        let (before, after): (Vec<&str>, Vec<&str>) =
            (before.lines().collect(), after.lines().collect());
        let same = |pair: &(&&str, &&str)| pair.0 == pair.1;
        let head = before.iter().zip(&after).take_while(same).count();
        let tail = before[head..]
            .iter()
            .rev()
            .zip(after[head..].iter().rev())
            .take_while(same)
            .count();
        let lines = |lines: &[&str]| -> Vec<String> {
            lines[head..lines.len() - tail]
                .iter()
                .map(|line| (*line).to_owned())
                .collect()
        };
        let removed = lines(&before);
        let line = head as u32 + u32::from(!removed.is_empty());
        ChangedPlace {
            file,
            line,
            added: lines(&after),
            removed,
        }
    }
}

/// How much of a cluster is built again.
#[derive(Clone, Copy)]
enum Extent<'n> {
    Everything,
    /// What decides about connections between pods of these namespaces.
    In(&'n BTreeSet<String>),
    Pair,
}

/// Whether an object has a say in connections between pods of some namespaces: a NetworkPolicy
/// selects pods of its own only.
fn matters_in(namespaces: &BTreeSet<String>, object: &Object) -> bool {
    match object {
        Object::NetworkPolicy(policy) => {
            let is_known = policy.meta.holes.is_empty();
            !is_known || namespaces.contains(policy.meta.namespace_name())
        }
        _ => true,
    }
}

fn ranges(pieces: &[Arc<Piece<'_>>]) -> Vec<AddressRange> {
    let ranges = pieces.iter().filter_map(|piece| match piece.endpoint {
        Endpoint::Address(range) => Some(range),
        Endpoint::Pod(_) | Endpoint::Entity(_) | Endpoint::Name(_) => None,
    });
    ranges.collect()
}
