//! One port of a workload's pods as those outside see it: whether it is guarded, and which
//! rules let somebody in.
//!
//! Refuses to know who should get in.

use super::unjudged::Unjudged;
use super::{Context, service_ports};
use crate::cluster::{Cluster, PolicyId, WorkloadId};
use crate::diagnostic::Diagnostic;
use crate::engine::program::StageName;
use crate::engine::{self, AddressRange, Endpoint, PolicyRef, PolicyTrace, SideTrace};
use crate::k8s::{
    Direction, NetworkPolicyPeer, NetworkPolicyPort, NetworkPolicyRule, PortReference, Protocol,
    Truth,
};
use std::net::{IpAddr, Ipv4Addr};

/// A port that policies guard.
#[derive(Clone, Debug)]
pub struct Entrance<'c> {
    /// The workload.
    pub workload: WorkloadId,
    /// The protocol of the port.
    pub protocol: Protocol,
    /// The port of the pods.
    pub port: u16,
    /// The policies that isolate the pods for ingress, in order; at least one.
    pub policies: Vec<PolicyId>,
    /// Their rules that let somebody in at this port, with the place in their policy.
    pub rules: Vec<(PolicyId, usize, &'c NetworkPolicyRule)>,
}

impl<'c> Entrance<'c> {
    /// The guarded port; `None` where nobody guards it, or where it cannot be said who
    /// gets in: cluster-wide policies have a word in it, or policies that are not judged.
    #[must_use]
    pub fn guarded(
        cluster: &'c Cluster,
        unjudged: &Unjudged,
        workload: WorkloadId,
        protocol: Protocol,
        port: u16,
    ) -> Option<Self> {
        let found = cluster.workload(workload);
        if !found.object.meta.is_accepted || unjudged.may_be_in(cluster, found.namespace) {
            return None;
        }
        // What the rules say of ports does not depend on who asks: anybody will do.
        let explanation =
            engine::explain(cluster, &anybody(), &Endpoint::workload(cluster, workload));
        let side = &explanation.ways.first()?.ingress;
        let policies = guards(side)?;
        let mut rules = Vec::new();
        for rule in side.rules_of(StageName::NetworkPolicies) {
            let PolicyRef::Network(policy) = rule.policy else {
                continue;
            };
            if rule.ports.matches.possible.contains(protocol, port) {
                let rules_of_policy = cluster.policy(policy).object.rules(Direction::Ingress);
                rules.push((policy, rule.index, &rules_of_policy[rule.index]));
            }
        }
        Some(Self {
            workload,
            protocol,
            port,
            policies,
            rules,
        })
    }

    /// Whether a rule lets everybody in, or addresses outside.
    #[must_use]
    pub fn admits_addresses(&self) -> bool {
        self.rules.iter().any(|(_, _, rule)| {
            let peers = rule.peers.items();
            peers.is_empty() || peers.iter().any(|peer| peer.ip_block.get().is_some())
        })
    }

    /// Whether a rule lets in by a peer of which `is_meant` holds, or lets everybody in.
    pub fn admits(&self, is_meant: impl Fn(PolicyId, &NetworkPolicyPeer) -> bool) -> bool {
        self.rules.iter().any(|(policy, _, rule)| {
            let peers = rule.peers.items();
            peers.is_empty() || peers.iter().any(|peer| is_meant(*policy, peer))
        })
    }

    /// The entries of the guarding policies, each with its rule, that name a Service's port which
    /// leads to this port of the pods: they open nothing here, and were meant to.
    pub fn at_service_port<'s>(
        &'s self,
        cx: &'s Context<'_>,
    ) -> impl Iterator<Item = (PolicyId, &'s NetworkPolicyRule, &'s NetworkPolicyPort)> {
        let cluster = cx.cluster;
        let opens = |id: &PolicyId| self.rules.iter().any(|(policy, _, _)| policy == id);
        let policies = self.policies.iter().filter(move |id| !opens(id));
        let rules = policies.flat_map(move |id| {
            let rules = cluster.policy(*id).object.rules(Direction::Ingress);
            rules.iter().map(|rule| (*id, rule))
        });
        let entries = rules.flat_map(|(id, rule)| {
            let entries = rule.ports.items().iter();
            entries.map(move |entry| (id, rule, entry))
        });
        entries.filter(move |(id, _, entry)| {
            let Some(PortReference::Number(number)) = entry.port.get().map(|port| &port.value)
            else {
                return false;
            };
            entry.protocol_or_default() == self.protocol
                && service_ports::translated(
                    cluster,
                    cx.engine.selected(*id),
                    self.protocol,
                    *number,
                )
                .iter()
                .any(|it| it.workload == self.workload && it.pod_port == self.port)
        })
    }

    /// Whether a rule would let in by a peer of which `is_meant` holds, or everybody, had it not
    /// a Service's port in place of the pods'. That is a mistake of its own.
    pub fn admits_at_service_port(
        &self,
        cx: &Context<'_>,
        is_meant: impl Fn(PolicyId, &NetworkPolicyPeer) -> bool,
    ) -> bool {
        let mut entries = self.at_service_port(cx);
        entries.any(|(policy, rule, _)| {
            let peers = rule.peers.items();
            peers.is_empty() || peers.iter().any(|peer| is_meant(policy, peer))
        })
    }

    /// The finding with the policies that guard the port, and who gets in.
    #[must_use]
    pub fn point_out(&self, cluster: &Cluster, mut finding: Diagnostic) -> Diagnostic {
        const SHOWN: usize = 3;
        let workload = cluster.workload_name(self.workload);
        for policy in self.policies.iter().take(SHOWN) {
            let object = &cluster.policy(*policy).object;
            finding = finding.related(
                object.meta.name.span,
                format!("isolates `{workload}` for ingress"),
            );
        }
        match self.policies.len().saturating_sub(SHOWN) {
            0 => {}
            1 => finding = finding.note("one more policy isolates these pods"),
            more => finding = finding.note(format!("{more} more policies isolate these pods")),
        }
        let peers = self
            .rules
            .iter()
            .flat_map(|(_, _, rule)| rule.peers.items());
        let mut admitted: Vec<String> = peers.map(in_words).collect();
        admitted.dedup();
        let who = match admitted.len() {
            0 => "nobody".to_owned(),
            few if few <= SHOWN => admitted.join(", "),
            _ => format!("{} and others", admitted[..SHOWN].join(", ")),
        };
        finding.note(format!(
            "on {} {} these policies let in {who}",
            self.protocol, self.port
        ))
    }
}

/// Further ports in words, the first few by name; `None` for none.
#[must_use]
pub fn others<'e, 'c: 'e>(
    cluster: &Cluster,
    entrances: impl ExactSizeIterator<Item = &'e Entrance<'c>>,
) -> Option<String> {
    const SHOWN: usize = 5;
    let more = entrances.len().saturating_sub(SHOWN);
    let in_words = |entrance: &Entrance<'_>| {
        let workload = cluster.workload_name(entrance.workload);
        format!("`{workload}` on {} {}", entrance.protocol, entrance.port)
    };
    let shown: Vec<String> = entrances.take(SHOWN).map(in_words).collect();
    if shown.is_empty() {
        return None;
    }
    let shown = shown.join(", ");
    Some(match more {
        0 => shown,
        more => format!("{shown} and {more} more"),
    })
}

/// The policies that isolate a workload for egress; `None` where none does, or where it
/// cannot be said what they allow, as for [`Entrance::guarded`].
#[must_use]
pub fn guarded_exit(
    cluster: &Cluster,
    unjudged: &Unjudged,
    workload: WorkloadId,
) -> Option<Vec<PolicyId>> {
    let found = cluster.workload(workload);
    if !found.object.meta.is_accepted || unjudged.may_be_in(cluster, found.namespace) {
        return None;
    }
    let explanation = engine::explain(cluster, &Endpoint::workload(cluster, workload), &anybody());
    guards(&explanation.ways.first()?.egress)
}

/// An end of which nothing is asked but to be there.
fn anybody<'c>() -> Endpoint<'c> {
    Endpoint::Address(AddressRange::from(IpAddr::V4(Ipv4Addr::LOCALHOST)))
}

/// The policies of a side, if there are any, nothing but them decides, and all of their
/// text is known.
fn guards(side: &SideTrace<'_>) -> Option<Vec<PolicyId>> {
    let policies = side.policies(StageName::NetworkPolicies);
    let has_tiers = side
        .stages
        .iter()
        .any(|stage| stage.name != StageName::NetworkPolicies);
    let is_certain = |policy: &PolicyTrace<'_>| {
        policy.selects == Truth::True && !policy.rules.iter().any(|rule| rule.is_opaque)
    };
    let are_certain = policies.iter().all(is_certain);
    let guards = policies.iter().filter_map(|policy| match policy.policy {
        PolicyRef::Network(id) => Some(id),
        PolicyRef::Cluster(_) | PolicyRef::Plugin(_) | PolicyRef::Part(_) => None,
    });
    (!policies.is_empty() && !has_tiers && are_certain).then(|| guards.collect())
}

fn in_words(peer: &NetworkPolicyPeer) -> String {
    if let Some(block) = peer.ip_block.get() {
        return format!("`{}`", block.cidr.value);
    }
    let pods = match peer.pod_selector.get() {
        Some(pods) if !pods.is_empty() => format!("pods with `{pods}`"),
        _ => "every pod".to_owned(),
    };
    match peer.namespace_selector.get() {
        None => format!("{pods} of the namespace"),
        Some(namespaces) if namespaces.is_empty() => format!("{pods} of all namespaces"),
        Some(namespaces) => format!("{pods} of namespaces with `{namespaces}`"),
    }
}
