//! Pods that policies keep from a Service: certainly, whatever is missing.
//!
//! Refuses to know why the pods should reach it.

use super::Context;
use super::entrance::{self, Guard};
use super::unjudged::Unjudged;
use crate::cluster::{ServiceId, WorkloadId};
use crate::diagnostic::Diagnostic;
use crate::engine::program::StageName;
use crate::engine::{ConnectionSet, Endpoint, PolicyRef, PortSet};
use crate::k8s::{Direction, Protocol, ServicePort, Truth};

/// A port behind a Service that is closed to pods, as all others behind it are.
#[derive(Clone, Copy, Debug)]
pub struct CutOff {
    /// The pods that cannot connect.
    pub source: WorkloadId,
    /// A workload behind the Service.
    pub destination: WorkloadId,
    /// The protocol of the port.
    pub protocol: Protocol,
    /// The port of the pods behind the Service.
    pub port: u16,
}

impl CutOff {
    /// The first port behind a Service that is closed to `source`, of pods that declare it where
    /// there are such; `None` if it may reach
    /// some workload behind it, if none is known, or if the rule may judge no more. `port` is the one that is asked for, of
    /// the Service or of the pods; every port where it is `None`.
    #[must_use]
    pub fn find(
        cx: &Context<'_>,
        source: WorkloadId,
        service: ServiceId,
        port: Option<u16>,
    ) -> Option<Self> {
        let cluster = cx.cluster;
        let entries = &cluster.service(service).object.ports;
        let is_wanted = |entry: &&ServicePort| port.is_none_or(|port| entry.port.value == port);
        let relation = cx.engine.relation();
        let mut found: Option<(Self, bool)> = None;
        for destination in cluster.workloads_behind(service) {
            for entry in entries.iter().filter(is_wanted) {
                for port in cluster.ports_behind(entry, destination) {
                    let connections = relation.connections(source, destination);
                    let cut_off = Self {
                        source,
                        destination,
                        protocol: entry.protocol,
                        port,
                    };
                    if connections.contains(entry.protocol, port)
                        || !cx.may_judge()
                        || !cut_off.is_certain(cx)
                    {
                        return None;
                    }
                    let is_declared = cluster.declares_port(destination, entry.protocol, port);
                    if found.is_none_or(|(_, known)| is_declared && !known) {
                        found = Some((cut_off, is_declared));
                    }
                }
            }
        }
        found.map(|(cut_off, _)| cut_off)
    }

    /// Whether the pods certainly cannot connect, and it is policies that keep them apart: what
    /// is on different networks no policy brings together.
    #[must_use]
    pub fn is_certain(&self, cx: &Context<'_>) -> bool {
        let [from, to] =
            [self.source, self.destination].map(|id| Endpoint::workload(cx.cluster, id));
        let explanation = cx.engine.judge().explain(&from, &to);
        let sides = explanation.ways.iter();
        let mut sides = sides.flat_map(|way| [&way.ingress, &way.egress]);
        let are_apart = sides.any(|side| {
            let mut rules = side.rules_of(StageName::PrimaryNetworks);
            rules.any(|rule| rule.applies() == Truth::True)
        });
        let denied = explanation.verdict.denied();
        !are_apart && denied.contains(self.protocol, self.port)
    }

    /// Whether a side keeps them apart of which every policy is judged.
    #[must_use]
    pub fn is_judged(&self, cx: &Context<'_>, unjudged: &Unjudged) -> bool {
        let sides = [
            (Direction::Egress, self.source),
            (Direction::Ingress, self.destination),
        ];
        sides.into_iter().any(|(side, workload)| {
            !unjudged.is_unknown_for_pods(cx.cluster, workload, side)
                && self.is_refused_by(cx, side)
        })
    }

    /// The policies that keep them apart, in order.
    #[must_use]
    pub fn policies(&self, cx: &Context<'_>) -> Vec<PolicyRef> {
        let sides = [
            (Direction::Egress, self.source),
            (Direction::Ingress, self.destination),
        ];
        let refusing = sides
            .into_iter()
            .filter(|(side, _)| self.is_refused_by(cx, *side));
        let mut policies: Vec<PolicyRef> = refusing
            .flat_map(|(side, workload)| self.deciding(cx, side, workload).1)
            .collect();
        policies.sort_unstable();
        policies.dedup();
        policies
    }

    /// The finding with the policies that keep them apart.
    #[must_use]
    pub fn point_out(&self, cx: &Context<'_>, mut finding: Diagnostic) -> Diagnostic {
        const SHOWN: usize = 3;
        let sides = [
            (Direction::Egress, self.source),
            (Direction::Ingress, self.destination),
        ];
        for (side, workload) in sides {
            if !self.is_refused_by(cx, side) {
                continue;
            }
            let (guard, policies) = self.deciding(cx, side, workload);
            for policy in policies.iter().take(SHOWN) {
                let name = cx.cluster.workload_name(workload);
                let remark = match guard {
                    Guard::Isolation => format!("isolates `{name}` for {}", side.field()),
                    Guard::Denial => "denies it, whatever other policies allow".to_owned(),
                };
                if let Some(span) = entrance::name_of(cx.cluster, *policy) {
                    finding = finding.related(span, remark);
                }
            }
        }
        finding
    }

    /// The policies that keep them apart on a side: those that deny it, or that isolate the pods
    /// there.
    fn deciding(
        &self,
        cx: &Context<'_>,
        side: Direction,
        workload: WorkloadId,
    ) -> (Guard, Vec<PolicyRef>) {
        let [from, to] =
            [self.source, self.destination].map(|id| Endpoint::workload(cx.cluster, id));
        let explanation = cx.engine.judge().explain_briefly(&from, &to);
        let asked = ConnectionSet::of(self.protocol, PortSet::single(self.port));
        let mut denying = entrance::denying(&explanation, side, &asked).unwrap_or_default();
        denying.sort_unstable();
        denying.dedup();
        match denying.is_empty() {
            true => (Guard::Isolation, cx.engine.isolated_by(workload, side)),
            false => (Guard::Denial, denying),
        }
    }

    fn is_refused_by(&self, cx: &Context<'_>, side: Direction) -> bool {
        let [source, destination] =
            [self.source, self.destination].map(|id| Endpoint::workload(cx.cluster, id));
        let (subject, other) = match side {
            Direction::Egress => (source, destination),
            Direction::Ingress => (destination, source),
        };
        let verdict = cx.engine.judge().one_side(side, &subject, &other);
        verdict.denied().contains(self.protocol, self.port)
    }
}
