//! Whether what is expected holds in one cluster, and what does not.
//!
//! Refuses to call a test good that could not fail: ends and ports that mean nothing are
//! errors.

mod everybody;

use super::judgement::{Facts, Judgement};
use super::spent::Spent;
use crate::cli::choice::internet;
use crate::cli::endpoint::{End, Lookup, Mistake, Resolved};
use crate::cli::port::{PortQuestion, asked_at};
use crate::cluster::{Cluster, WorkloadId};
use crate::config::{Claim, EndForm, FlowClaim};
use crate::engine::{AddressRange, ConnectionSet, Engine, LeftOpen};
use crate::graph::{
    Certainty, EndSet, FlowEnd, FlowMatrix, Hops, NodeId, Openness, PathQuery, Paths,
    is_undeclared, reasons,
};
use crate::k8s::{Direction, Labels};
use crate::lint::Inventory;
use crate::output::{count, flow_names, range_name};
use crate::source::{SourceId, SourceMap};
use std::cell::OnceCell;

/// A path that is found is shown with so many hops at most.
const MAX_HOPS: usize = 64;

/// Judges what is expected of one cluster.
pub(super) struct Judge<'c> {
    cluster: &'c Cluster,
    engine: Engine<'c>,
    matrix: FlowMatrix<'c>,
    internet: EndSet,
    inventory: &'c Inventory,
    left_open: LeftOpen,
    sources: &'c SourceMap,
    typed: SourceId,
    /// The cluster with pods that no manifest declares, if there may be any: closed lists are
    /// about them, too.
    with_undeclared: Option<&'c Cluster>,
    /// Judges that cluster, for the first claim about everybody.
    of_everybody: OnceCell<Box<Self>>,
    /// The cluster of what manifests declare: this one, unless it has other pods besides.
    declared: &'c Cluster,
    /// Which ends may be reached at all, worked out for the first test of paths.
    hops: OnceCell<Hops>,
    spent: Spent,
}

/// What one end may open at another.
struct Flow<'e> {
    source: Option<FlowEnd>,
    destination: Option<FlowEnd>,
    from: &'e End,
    to: &'e End,
    /// The part of the addresses that it is about, where an end is some.
    part: Option<AddressRange>,
    openness: Openness,
}

impl<'c> Judge<'c> {
    pub(super) fn new(
        cluster: &'c Cluster,
        with_undeclared: Option<&'c Cluster>,
        inventory: &'c Inventory,
        (sources, typed): (&'c SourceMap, SourceId),
    ) -> Self {
        // What would hold only for want of a manifest is no pass.
        let left_open = inventory.left_open(cluster);
        let engine = Engine::leaving_open(cluster, left_open.clone());
        Self {
            matrix: FlowMatrix::new(&engine, &[]),
            engine,
            cluster,
            internet: internet(cluster, typed),
            inventory,
            left_open,
            sources,
            typed,
            with_undeclared,
            of_everybody: OnceCell::new(),
            declared: cluster,
            hops: OnceCell::new(),
            spent: Spent::default(),
        }
    }

    pub(super) fn judge(&self, claim: &Claim) -> Judgement {
        let judged = match claim {
            Claim::Allow(flow) => self.allow(flow),
            Claim::Deny(flow) => self.deny(flow),
            Claim::Only(flow) => self.only(flow),
            Claim::Unreachable { flow, hops } => self.unreachable(flow, *hops),
            Claim::Isolated { pods, directions } => self.isolated(pods, *directions),
            // States are compared, not clusters.
            Claim::SameAs(_) | Claim::NarrowerThan(_) => Ok(Judgement::passed()),
        };
        judged.unwrap_or_else(Judgement::error)
    }

    fn allow(&self, claim: &FlowClaim) -> Result<Judgement, String> {
        let (mut failed, mut unknown) = (Facts::default(), Facts::default());
        self.each_flow(claim, |flow, asked| {
            let blocked = asked.difference(&flow.openness.open);
            let doubtful = blocked.intersection(&flow.openness.unknown);
            if !blocked.difference(&doubtful).is_empty() {
                failed.add(|| self.fact(flow, "blocked", &blocked));
            } else if !doubtful.is_empty() {
                unknown.add(|| self.fact(flow, "unknown", &doubtful));
            }
        })?;
        Ok(Judgement::decided(failed, unknown))
    }

    /// What is denied between declared ends.
    fn denied(&self, claim: &FlowClaim) -> Result<Judgement, String> {
        let (mut failed, mut unknown) = (Facts::default(), Facts::default());
        self.each_flow(claim, |flow, asked| {
            let open = asked.intersection(&flow.openness.open);
            let doubtful = asked.intersection(&flow.openness.unknown);
            if !open.is_empty() {
                failed.add(|| self.fact(flow, "allowed", &open));
            } else if !doubtful.is_empty() {
                unknown.add(|| self.fact(flow, "unknown", &doubtful));
            }
        })?;
        Ok(Judgement::decided(failed, unknown))
    }

    fn unreachable(&self, claim: &FlowClaim, hops: Option<usize>) -> Result<Judgement, String> {
        let set = |resolved: Vec<Resolved>| {
            let mut workloads = Vec::new();
            let mut outside = Vec::new();
            for end in resolved.into_iter().flat_map(|resolved| resolved.ends) {
                match end {
                    End::Workload(id) | End::Address(id, _) | End::Replica(id, _) => {
                        workloads.push(id);
                    }
                    End::Addresses(range) => outside.push(range),
                    End::Hypothetical(_) | End::Entity(_) | End::Domain(_) => {}
                }
            }
            EndSet::new(workloads, outside)
        };
        let destinations = self.resolve(&claim.to)?;
        let mut connections = ConnectionSet::none();
        for destination in &destinations {
            for end in &destination.ends {
                connections = connections.union(&self.asked(&claim.ports, destination, end)?);
            }
        }
        let (from, to) = (set(self.resolve(&claim.from)?), set(destinations));
        if from.is_empty() || to.is_empty() {
            return Err("paths begin and end at pods that exist, or outside".to_owned());
        }
        // Most tests pass, and one table tells that of all of them.
        let hops_of_all = self.hops.get_or_init(|| Hops::new(&self.matrix));
        if !hops_of_all.may_lead(&self.matrix, &from, &to) {
            return Ok(Judgement::passed());
        }
        self.spent.may_look()?;
        let is_shared = self.matrix.has_whole(&from) && self.matrix.has_whole(&to);
        let own = (!is_shared).then(|| FlowMatrix::new(&self.engine, &[&from, &to]));
        let matrix = own.as_ref().unwrap_or(&self.matrix);
        self.spent.table(matrix.node_count(), is_shared);
        let found = |certainty| {
            let query = PathQuery {
                from: &from,
                to: Some(&to),
                connections: &connections,
                certainty,
            };
            let paths = Paths::new(matrix, &query);
            let found = paths.paths(hops.unwrap_or(MAX_HOPS.max(matrix.node_count())), 1);
            found.into_iter().next()
        };
        let shown = |path: &Vec<NodeId>| {
            let nodes = path.iter();
            let names: Vec<String> = nodes
                .map(|node| flow_names::node(matrix, &self.internet, *node))
                .collect();
            let hops = count(path.len() - 1, "hop");
            Facts::from_iter([format!("{hops}: {}", names.join(" -> "))])
        };
        Ok(match found(Certainty::Certain) {
            Some(path) => Judgement::failed(shown(&path)),
            None => match found(Certainty::Possible) {
                Some(path) => Judgement::unknown(shown(&path)),
                None => Judgement::passed(),
            },
        })
    }

    fn isolated(&self, pods: &[EndForm], directions: [bool; 2]) -> Result<Judgement, String> {
        let mut failed = Facts::default();
        for end in self
            .resolve(pods)?
            .iter()
            .flat_map(|resolved| &resolved.ends)
        {
            let End::Workload(id) = end else {
                return Err("only pods that exist can be isolated".to_owned());
            };
            for (direction, is_asked) in Direction::BOTH.into_iter().zip(directions) {
                if is_asked && self.engine.isolating(*id, direction).is_empty() {
                    failed.add(|| {
                        let name = self.cluster.workload_name(*id);
                        format!("{name} is not isolated for {}", direction.field())
                    });
                }
            }
        }
        Ok(Judgement::decided(failed, Facts::default()))
    }

    /// Asks every pair of ends of a claim.
    fn each_flow(
        &self,
        claim: &FlowClaim,
        mut each: impl FnMut(&Flow<'_>, &ConnectionSet),
    ) -> Result<(), String> {
        let sources = self.resolve(&claim.from)?;
        if sources.is_empty() {
            return Err("`from` is empty".to_owned());
        }
        let destinations = self.resolve(&claim.to)?;
        let ends = |all: &[Resolved]| all.iter().map(|it| it.ends.len()).sum::<usize>();
        let most = ends(&sources).saturating_mul(ends(&destinations));
        self.spent.fit(most)?;
        let mut pairs = 0;
        for destination in destinations {
            for to in &destination.ends {
                let asked = self.asked(&claim.ports, &destination, to)?;
                for from in sources.iter().flat_map(|resolved| &resolved.ends) {
                    for flow in self.flows(from, to)? {
                        pairs += 1;
                        each(&flow, &asked);
                    }
                }
            }
        }
        match pairs {
            0 => Err("both ends are the same pod, which always reaches itself".to_owned()),
            _ => Ok(()),
        }
    }

    /// What forms mean; each means something.
    fn resolve(&self, forms: &[EndForm]) -> Result<Vec<Resolved>, String> {
        forms.iter().map(|form| self.resolve_one(form)).collect()
    }

    fn resolve_one(&self, form: &EndForm) -> Result<Resolved, String> {
        match form {
            EndForm::Text(text) => {
                let lookup = Lookup {
                    cluster: self.cluster,
                    namespace: None,
                    source: self.typed,
                };
                lookup
                    .resolve(text)
                    .map_err(|mistake| words(text, &mistake))
            }
            EndForm::Labels {
                name,
                namespace,
                pods,
            } => self.labelled(name.as_deref(), namespace, pods),
        }
    }

    fn labelled(
        &self,
        name: Option<&str>,
        namespace: &[(String, String)],
        pods: &[(String, String)],
    ) -> Result<Resolved, String> {
        let has = |labels: &Labels, wanted: &[(String, String)]| {
            wanted
                .iter()
                .all(|(key, value)| labels.get(key) == Some(value))
        };
        let is_meant = |id: &crate::cluster::NamespaceId| {
            let of = self.cluster.namespace(*id);
            name.is_none_or(|name| of.name == name) && has(&of.labels, namespace)
        };
        let text = |pairs: &[(String, String)]| {
            let pairs = pairs.iter().map(|(key, value)| format!("{key}={value}"));
            pairs.collect::<Vec<String>>().join(",")
        };
        let namespaces: Vec<_> = self.cluster.namespace_ids().filter(is_meant).collect();
        if namespaces.is_empty() {
            return Err(match name {
                Some(name) => format!("no namespace `{name}`"),
                None => format!("no namespace has the labels `{}`", text(namespace)),
            });
        }
        let workloads = namespaces
            .into_iter()
            .flat_map(|id| self.cluster.workloads_in(id));
        let selected = workloads.filter(|id| {
            let object = &self.cluster.workload(*id).object;
            object.meta.is_accepted && has(&object.labels, pods)
        });
        let ends: Vec<End> = selected.map(End::Workload).collect();
        if ends.is_empty() {
            return Err(match pods {
                [] => "the namespaces have no pods".to_owned(),
                pods => format!("no pod there has the labels `{}`", text(pods)),
            });
        }
        Ok(Resolved {
            text: text(pods),
            ends,
            service: None,
            is_selection: true,
            is_owned: false,
            notes: Vec::new(),
        })
    }

    /// What the ports of a claim mean at a destination; each means something.
    fn asked(
        &self,
        ports: &[String],
        destination: &Resolved,
        end: &End,
    ) -> Result<ConnectionSet, String> {
        let mut questions = Vec::new();
        for text in ports {
            let question = PortQuestion::parse(text);
            questions.push(question.map_err(|mistake| words(text, &mistake))?);
        }
        let asked = asked_at(&questions, self.cluster, destination, end);
        let asked = asked.map_err(|mistake| words(&destination.text, &mistake))?;
        match asked.dead_ends.first() {
            Some(dead_end) => Err(dead_end.clone()),
            None => Ok(asked.connections.unwrap_or_else(ConnectionSet::all)),
        }
    }

    /// What one end may open at another: one entry, or one for each part of the addresses.
    fn flows<'e>(&self, from: &'e End, to: &'e End) -> Result<Vec<Flow<'e>>, String> {
        let is_outside = |end: &End| matches!(end, End::Addresses(_));
        self.spent.pairs(match is_outside(from) || is_outside(to) {
            true => 1 + self.matrix.outside().len(),
            false => 1,
        })?;
        let flow = |source, destination, openness| Flow {
            source,
            destination,
            from,
            to,
            part: None,
            openness,
        };
        match (from, to) {
            (End::Addresses(_), End::Addresses(_)) => {
                Err("no policy decides between two ends outside".to_owned())
            }
            (End::Workload(one), End::Workload(two)) => {
                let is_pod = self.cluster.workload(*one).object.kind.is_one_pod();
                if one == two && is_pod {
                    return Ok(Vec::new());
                }
                let ends = [one, two].map(|id| Some(FlowEnd::Workload(*id)));
                let nodes = (self.matrix.node_of(*one), self.matrix.node_of(*two));
                let mut openness = match nodes {
                    (Some(from), Some(to)) => self.matrix.between(from, to).clone(),
                    _ => Openness::default(),
                };
                let is_left_open = |id: &WorkloadId| {
                    self.left_open
                        .has_namespace(self.cluster.workload(*id).namespace)
                };
                if !openness.unknown.is_empty() && (is_left_open(one) || is_left_open(two)) {
                    // The table takes every selector by itself; whatever the labels are, two of
                    // them together may let everybody in.
                    openness = self.explained([from, to]);
                }
                Ok(vec![flow(ends[0], ends[1], openness)])
            }
            (End::Workload(id), End::Addresses(range)) => Ok(self
                .parts(*id, range, Direction::Egress)
                .into_iter()
                .map(|(part, openness)| Flow {
                    part: Some(part),
                    ..flow(
                        Some(FlowEnd::Workload(*id)),
                        Some(FlowEnd::Outside(part)),
                        openness,
                    )
                })
                .collect()),
            (End::Addresses(range), End::Workload(id)) => Ok(self
                .parts(*id, range, Direction::Ingress)
                .into_iter()
                .map(|(part, openness)| Flow {
                    part: Some(part),
                    ..flow(
                        Some(FlowEnd::Outside(part)),
                        Some(FlowEnd::Workload(*id)),
                        openness,
                    )
                })
                .collect()),
            // A pod that does not exist yet, one pod of a StatefulSet, or one of several addresses
            // of a pod.
            _ => {
                if is_outside(from) || is_outside(to) {
                    return Err("ask `npcheck reach` about addresses and such a pod".to_owned());
                }
                Ok(vec![flow(None, None, self.explained([from, to]))])
            }
        }
    }

    /// What one end may open at another, as `npcheck reach` says.
    fn explained(&self, ends: [&End; 2]) -> Openness {
        let [from, to] = ends.map(|end| end.endpoint(self.cluster, self.inventory));
        let verdict = self.engine.judge().explain(&from, &to).verdict;
        Openness {
            open: verdict.allowed(),
            unknown: verdict.unknown(),
        }
    }

    /// What a workload may open at the parts of a range, or they at it: all of the range.
    fn parts(
        &self,
        id: WorkloadId,
        range: &AddressRange,
        direction: Direction,
    ) -> Vec<(AddressRange, Openness)> {
        let Some(node) = self.matrix.node_of(id) else {
            return vec![(*range, Openness::default())];
        };
        let mut parts: Vec<(AddressRange, Openness)> = Vec::new();
        let nodes = self.matrix.nodes().skip(self.matrix.groups().len());
        for (outside, ranges) in nodes.zip(self.matrix.outside()) {
            let openness = match direction {
                Direction::Egress => self.matrix.between(node, outside),
                Direction::Ingress => self.matrix.between(outside, node),
            };
            let inside = ranges.iter().filter_map(|part| part.intersection(range));
            parts.extend(inside.map(|part| (part, openness.clone())));
        }
        let known: Vec<AddressRange> = parts.iter().map(|(part, _)| *part).collect();
        let closed = range.without(&known).into_iter();
        parts.extend(closed.map(|part| (part, Openness::default())));
        parts.sort_by_key(|(part, _)| *part);
        parts
    }

    /// A flow that is not as expected, and what decides about it.
    fn fact(&self, flow: &Flow<'_>, word: &str, connections: &ConnectionSet) -> String {
        let name = |end: &End| match (end, flow.part) {
            (End::Addresses(_), Some(part)) => range_name(part),
            (End::Workload(id), _) if is_undeclared(self.cluster, *id) => {
                self.undeclared_words(*id)
            }
            _ => end.name(self.cluster),
        };
        let (from, to) = (name(flow.from), name(flow.to));
        let fact = format!("{word}: {from} -> {to} {connections}");
        let (Some(source), Some(destination)) = (flow.source, flow.destination) else {
            return fact;
        };
        let reasons = reasons(self.engine.judge(), source, destination, connections);
        let words = reasons.iter().map(|reason| {
            let words = flow_names::reason(self.cluster, reason);
            match reason.rule {
                Some((_, _, Some(span))) => {
                    format!("{words} ({})", flow_names::place(self.sources, span))
                }
                _ => words,
            }
        });
        format!("{fact}  {}", words.collect::<Vec<String>>().join("; "))
    }
}

/// A mistake in one line.
fn words(text: &str, mistake: &Mistake) -> String {
    match mistake {
        Mistake::Malformed { reason } => format!("`{text}`: {reason}"),
        Mistake::Unknown { reason, nearest } => match nearest.first() {
            Some(candidate) => format!("{reason}; the nearest is {}", candidate.name),
            None => reason.clone(),
        },
        Mistake::Unanswerable { reason, .. } => reason.clone(),
        Mistake::Ambiguous { candidates } => {
            let names = candidates.iter().map(|candidate| candidate.name.as_str());
            format!(
                "`{text}` may be any of {}",
                names.collect::<Vec<&str>>().join(", ")
            )
        }
    }
}
