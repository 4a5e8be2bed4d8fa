//! Connections that a rule promises to pods that it names by labels, and whether the policies of
//! the other side let them through.
//!
//! Refuses to know which rule promises them.

use super::unjudged::Unjudged;
use super::{Context, entrance, rewrite, unanswered};
use crate::cluster::{Cluster, WorkloadId};
use crate::diagnostic::Diagnostic;
use crate::engine::{self, ConnectionSet, Endpoint, Match};
use crate::k8s::{Action, Direction, WorkloadKind};
use crate::source::Span;
use std::collections::HashSet;

/// How many pairs of a rule are explained at most.
const PAIRS: usize = 256;

/// Pods that a rule names by labels on both sides, so that it promises them connections.
#[derive(Debug)]
pub struct Flows {
    /// The direction of the rule.
    pub direction: Direction,
    /// The pods of the policy.
    pub subjects: Vec<WorkloadId>,
    /// The pods of the peer.
    pub others: Vec<WorkloadId>,
}

impl Flows {
    /// The other side's direction.
    #[must_use]
    pub fn opposite(&self) -> Direction {
        unanswered::opposite_of(self.direction)
    }

    /// The pods whose ports are meant.
    #[must_use]
    pub fn destinations(&self) -> &[WorkloadId] {
        match self.direction {
            Direction::Egress => &self.others,
            Direction::Ingress => &self.subjects,
        }
    }

    /// Every pair of pods that may talk to each other, source first. The pods of one workload do
    /// where each has a name of its own; elsewhere a rule means them along with others.
    fn pairs<'a>(
        &'a self,
        cluster: &'a Cluster,
    ) -> impl Iterator<Item = (WorkloadId, WorkloadId)> + 'a {
        let have_names = |id: WorkloadId| {
            let kind = cluster.workload(id).object.kind;
            matches!(kind, WorkloadKind::StatefulSet | WorkloadKind::DaemonSet)
        };
        let pairs = self.subjects.iter().flat_map(|subject| {
            self.others.iter().map(|other| match self.direction {
                Direction::Egress => (*subject, *other),
                Direction::Ingress => (*other, *subject),
            })
        });
        pairs.filter(move |(source, destination)| source != destination || have_names(*source))
    }

    /// Whether no pair may open any of the ports that are promised at a destination, and that is
    /// certain, and because of the other side alone.
    #[must_use]
    pub fn are_blocked(
        &self,
        cx: &Context<'_>,
        unjudged: &Unjudged,
        promised_at: &dyn Fn(&Endpoint<'_>) -> Match,
    ) -> bool {
        let cluster = cx.cluster;
        let is_judged =
            |id: &WorkloadId| !unjudged.is_unknown_for_pods(cluster, *id, self.opposite());
        let relation = cx.engine.relation();
        let works = |(source, destination): &(WorkloadId, WorkloadId)| {
            let promised = promised_at(&Endpoint::workload(cluster, *destination));
            let allowed = relation.connections(*source, *destination);
            !allowed.intersection(&promised.possible).is_empty()
        };
        // Pods that no policy tells apart, as those of one ReplicaSet, all fare alike.
        let group_of = |id: WorkloadId| relation.group_of(id).ok_or(id);
        let mut seen = HashSet::new();
        let mut first_pairs = Vec::new();
        if !self.others.iter().all(is_judged) {
            return false;
        }
        for pair in self.pairs(cluster) {
            let (source, destination) = pair;
            let groups = (group_of(source), group_of(destination));
            if !seen.insert((groups, source == destination)) {
                continue;
            }
            if works(&pair) {
                return false;
            }
            if first_pairs.len() < PAIRS {
                first_pairs.push(pair);
            }
        }
        // The slow and careful way, for the few that are left. What is unknown is mostly the
        // text of policies and namespaces, which all pairs share: many pairs tell no more
        // than some.
        let mut has_promise = false;
        for (source, destination) in first_pairs {
            let (from, to) = (
                Endpoint::workload(cluster, source),
                Endpoint::workload(cluster, destination),
            );
            let promised = promised_at(&to);
            has_promise |= !promised.certain.is_empty();
            if let Some(is_blocked) = self.is_blocked(cx, (source, destination), &promised) {
                if is_blocked {
                    continue;
                }
                return false;
            }
            let explanation = cx.engine.judge().explain_briefly(&from, &to);
            let other_side = |way: &engine::Way<'_>| match self.direction {
                Direction::Egress => way.ingress.verdict.clone(),
                Direction::Ingress => way.egress.verdict.clone(),
            };
            let is_blocked = explanation
                .ways
                .iter()
                .all(|way| promised.possible.is_subset(&other_side(way).denied()));
            if !is_blocked {
                return false;
            }
        }
        has_promise
    }

    /// Whether the other side lets nothing of what is promised through, as far as the graph of all
    /// pairs tells: it takes namespaces that no manifest declares for such without labels, where
    /// nobody knows them.
    fn is_blocked(
        &self,
        cx: &Context<'_>,
        (source, destination): (WorkloadId, WorkloadId),
        promised: &Match,
    ) -> Option<bool> {
        let is_declared = |id: WorkloadId| {
            let namespace = cx.cluster.workload(id).namespace;
            cx.cluster.namespace(namespace).declared.is_some()
        };
        if !is_declared(source) || !is_declared(destination) {
            return None;
        }
        let (subject, other) = match self.direction {
            Direction::Egress => (destination, source),
            Direction::Ingress => (source, destination),
        };
        let relation = cx.engine.relation();
        let [allowed, possible] = relation.one_side(self.opposite(), subject, other)?;
        let meets = |set: &ConnectionSet| !set.intersection(&promised.possible).is_empty();
        match (meets(&allowed), meets(&possible)) {
            (true, _) => Some(false),
            (false, false) => Some(true),
            (false, true) => None,
        }
    }

    /// The rule of the other side that denies what is promised to the first pair, where one says
    /// so and not the mere lack of a rule that allows.
    #[must_use]
    pub fn denied_by(
        &self,
        cx: &Context<'_>,
        promised_at: &dyn Fn(&Endpoint<'_>) -> Match,
    ) -> Option<Span> {
        let cluster = cx.cluster;
        let (source, destination) = self.pairs(cluster).next()?;
        let (from, to) = (
            Endpoint::workload(cluster, source),
            Endpoint::workload(cluster, destination),
        );
        let explanation = cx.engine.judge().explain_briefly(&from, &to);
        let way = explanation.ways.first()?;
        let side = match self.direction {
            Direction::Egress => &way.ingress,
            Direction::Ingress => &way.egress,
        };
        let decisions = side.decisions(&promised_at(&to).possible);
        let denying = decisions.iter().find_map(|decision| {
            let rule = decision.rule.filter(|rule| rule.action == Action::Deny)?;
            rule.rule.span()
        })?;
        Some(rewrite::first_line(cx.sources, denying))
    }

    /// What is promised and does not come, and where it is to be seen.
    #[must_use]
    pub fn describe(
        &self,
        cx: &Context<'_>,
        finding: impl FnOnce(String) -> Diagnostic,
    ) -> Diagnostic {
        let cluster = cx.cluster;
        let (subjects, others) = (self.names(cx, &self.subjects), self.names(cx, &self.others));
        let message = match self.direction {
            Direction::Egress => {
                format!(
                    "this rule allows {subjects} to reach {others}, but the ingress policies there block it"
                )
            }
            Direction::Ingress => {
                format!(
                    "this rule allows {others} to reach {subjects}, but the egress policies of the sender block it"
                )
            }
        };
        let all = |ids: &[WorkloadId]| ids.iter().map(|id| cluster.workload_name(*id)).collect();
        let (from, to) = match self.direction {
            Direction::Egress => (&self.subjects, &self.others),
            Direction::Ingress => (&self.others, &self.subjects),
        };
        let mut finding = finding(message).between(all(from), all(to));
        const SHOWN: usize = 3;
        let policies = cx.engine.isolated_by(self.others[0], self.opposite());
        for policy in policies.iter().take(SHOWN) {
            let note = format!(
                "isolates {} for {}",
                self.names(cx, &self.others[..1]),
                self.opposite().field()
            );
            if let Some(span) = entrance::name_of(cluster, *policy) {
                finding = finding.related(span, note);
            }
        }
        finding
    }

    fn names(&self, cx: &Context<'_>, ids: &[WorkloadId]) -> String {
        match ids {
            [one] => format!("`{}`", cx.cluster.workload_name(*one)),
            several => format!("{} workloads", several.len()),
        }
    }
}
