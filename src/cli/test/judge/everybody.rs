//! Claims about everybody: closed lists, and what nobody may do. They are about pods that no
//! manifest declares as well: those without labels, and those that policies ask for.
//!
//! Refuses to repeat: what holds for pods without labels is not told of others that are like
//! them but for their labels.

use super::{Flow, Judge};
use crate::cli::endpoint::{End, Resolved};
use crate::cli::test::judgement::{Facts, Judgement};
use crate::cluster::WorkloadId;
use crate::config::{EndForm, FlowClaim};
use crate::engine::{AddressRange, ConnectionSet};
use crate::graph::{ELSEWHERE, EndSet, asked_labels, is_undeclared, pods_name};

/// Every end, as a test has it.
const ANY: &str = "any";

/// What is found open, and what was told so far of pods that no manifest declares.
#[derive(Default)]
struct Found {
    failed: Facts,
    unknown: Facts,
    told: Vec<(WorkloadId, ConnectionSet)>,
}

impl<'c> Judge<'c> {
    /// Judges the cluster with pods that no manifest declares, if there may be any.
    fn of_everybody(&self) -> Option<&Self> {
        let everybody = self.with_undeclared?;
        let judge = || {
            let context = (self.sources, self.typed);
            Box::new(Self {
                declared: self.cluster,
                ..Self::new(everybody, None, self.inventory, context)
            })
        };
        Some(self.of_everybody.get_or_init(judge))
    }

    pub(super) fn only(&self, claim: &FlowClaim) -> Result<Judgement, String> {
        let Some(judge) = self.of_everybody() else {
            return self.closed_list(claim);
        };
        // Ends that no declared pod has are mistakes still.
        self.resolve(&claim.from)?;
        self.resolve(&claim.to)?;
        judge.closed_list(claim)
    }

    pub(super) fn deny(&self, claim: &FlowClaim) -> Result<Judgement, String> {
        let judgement = self.denied(claim)?;
        match self.of_everybody() {
            Some(judge) if !judgement.is_failed() => {
                Ok(judgement.and(judge.denied_to_others(claim)?))
            }
            _ => Ok(judgement),
        }
    }

    /// What is denied to pods that no manifest declares: to all of them where the source is
    /// anybody, else to those which policies ask for. As destinations they are meant only where
    /// anybody is.
    fn denied_to_others(&self, claim: &FlowClaim) -> Result<Judgement, String> {
        let is_any = |form: &EndForm| matches!(form, EndForm::Text(text) if text == ANY);
        let undeclared = |end: &End| match end {
            End::Workload(id) if is_undeclared(self.cluster, *id) => Some(*id),
            _ => None,
        };
        let is_asked_for = |id: WorkloadId| asked_labels(self.cluster, id).is_some();
        let mut sources: Vec<(&EndForm, Resolved)> = Vec::new();
        for form in &claim.from {
            sources.push((form, self.resolve_one(form)?));
        }
        let mut found = Found::default();
        for form in &claim.to {
            let destination = self.resolve_one(form)?;
            for to in &destination.ends {
                let is_declared = undeclared(to).is_none();
                let is_meant = |id| is_any(form) && is_asked_for(id);
                if !undeclared(to).is_none_or(is_meant) {
                    continue;
                }
                let Ok(asked) = self.asked(&claim.ports, &destination, to) else {
                    // A named port of pods whose ports nobody knows.
                    continue;
                };
                found.told.clear();
                for (form, source) in &sources {
                    let ends = source.ends.iter().filter(|from| match undeclared(from) {
                        Some(id) => is_declared && (is_any(form) || is_asked_for(id)),
                        None => !is_declared,
                    });
                    let is_outside = |end: &End| matches!(end, End::Addresses(_));
                    for from in ends.filter(|from| !(is_outside(from) && is_outside(to))) {
                        for flow in self.flows(from, to)? {
                            self.add(&flow, &asked, &mut found);
                        }
                    }
                }
            }
        }
        Ok(found.judgement())
    }

    /// A closed list for all pods of this cluster.
    fn closed_list(&self, claim: &FlowClaim) -> Result<Judgement, String> {
        let listed = self.resolve(&claim.from)?;
        let mut workloads = Vec::new();
        let mut outside = Vec::new();
        for end in listed.iter().flat_map(|resolved| &resolved.ends) {
            match end {
                End::Workload(id) | End::Address(id, _) => workloads.push(*id),
                End::Addresses(range) => outside.push(*range),
                // Closed lists are about pods and addresses.
                End::Entity(_) | End::Domain(_) => {}
                End::Replica(..) => {
                    return Err("a closed list has all pods of a StatefulSet or none".to_owned());
                }
                End::Hypothetical(pod) => {
                    let known = workloads.len();
                    let all = self.undeclared();
                    workloads
                        .extend(all.filter(|id| pod.stands_for(self.cluster, self.declared, *id)));
                    let is_nobody = workloads.len() == known;
                    if is_nobody && pod.has_labels() && self.undeclared().next().is_some() {
                        return Err(format!(
                            "`{}`: a pod that no policy asks for by such labels is on no closed \
                             list",
                            pod.name
                        ));
                    }
                }
            }
        }
        let listed = EndSet::new(workloads, outside);
        let everybody: Vec<WorkloadId> = self
            .cluster
            .workload_ids()
            .filter(|id| !listed.has(*id))
            .collect();
        let spaces = [AddressRange::IPV4, AddressRange::IPV6].into_iter();
        let rest = spaces.flat_map(|space| space.without(listed.outside()));
        let others: Vec<End> = everybody
            .into_iter()
            .map(End::Workload)
            .chain(rest.map(End::Addresses))
            .collect();
        let mut found = Found::default();
        let destinations = self.resolve(&claim.to)?;
        let ends: usize = destinations.iter().map(|it| it.ends.len()).sum();
        self.spent.fit(others.len().saturating_mul(ends))?;
        for destination in destinations {
            for to in destination.ends.iter().filter(|to| !self.is_undeclared(to)) {
                let asked = self.asked(&claim.ports, &destination, to)?;
                found.told.clear();
                for from in &others {
                    for flow in self.flows(from, to)? {
                        self.add(&flow, &asked, &mut found);
                    }
                }
            }
        }
        Ok(found.judgement())
    }

    /// Adds what is open of a flow that should be closed.
    fn add(&self, flow: &Flow<'_>, asked: &ConnectionSet, found: &mut Found) {
        let open = asked.intersection(&flow.openness.open);
        let doubtful = asked.intersection(&flow.openness.unknown);
        if !open.is_empty() {
            if let End::Workload(id) = flow.from
                && is_undeclared(self.cluster, *id)
            {
                let mut told = found.told.iter();
                if told.any(|(other, ports)| self.stands_in(*other, *id) && open.is_subset(ports)) {
                    return;
                }
                found.told.push((*id, open.clone()));
            }
            found.failed.add(|| self.fact(flow, "allowed", &open));
        } else if !doubtful.is_empty() {
            found.unknown.add(|| self.fact(flow, "unknown", &doubtful));
        }
    }

    /// Whether what is told of pods need not be told of others that no manifest declares: those
    /// are of the same namespace or of one that no manifest mentions, with labels besides, or
    /// have the same labels where these have them in any namespace.
    fn stands_in(&self, pods: WorkloadId, others: WorkloadId) -> bool {
        let home = |id: WorkloadId| self.cluster.workload(id).namespace;
        let name = |id: WorkloadId| self.cluster.namespace(home(id)).name.as_str();
        let is_made = || self.declared.namespace_by_name(name(others)).is_none();
        let [labels, of_others] = [pods, others].map(|id| asked_labels(self.cluster, id));
        let is_elsewhere = name(pods) == ELSEWHERE;
        match labels {
            None => home(pods) == home(others) || (is_elsewhere && is_made()),
            Some(_) => is_elsewhere && labels == of_others,
        }
    }

    fn is_undeclared(&self, end: &End) -> bool {
        matches!(end, End::Workload(id) if is_undeclared(self.cluster, *id))
    }

    /// The pods that no manifest declares.
    fn undeclared(&self) -> impl Iterator<Item = WorkloadId> {
        let workloads = self.cluster.workload_ids();
        workloads.filter(|id| is_undeclared(self.cluster, *id))
    }

    /// Pods that no manifest declares, in words and as the end of a test.
    pub(super) fn undeclared_words(&self, id: WorkloadId) -> String {
        let end = pods_name(self.cluster, id);
        let namespace = &self
            .cluster
            .namespace(self.cluster.workload(id).namespace)
            .name;
        match (namespace.as_str(), asked_labels(self.cluster, id)) {
            (_, Some(_)) => format!("`{end}`"),
            (ELSEWHERE, None) => format!("pods of other namespaces (`{end}`)"),
            (namespace, None) => match namespace.strip_prefix('+') {
                Some(labels) => format!("pods of namespaces with {labels} (`{end}`)"),
                None => format!("other pods of {namespace} (`{end}`)"),
            },
        }
    }
}

impl Found {
    fn judgement(self) -> Judgement {
        Judgement::decided(self.failed, self.unknown)
    }
}
