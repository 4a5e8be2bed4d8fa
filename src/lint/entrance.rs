//! One port of a workload's pods as those outside see it: whether it is guarded, and which
//! rules let somebody in.
//!
//! Refuses to know who should get in.

mod denial;
mod told;

pub use denial::{denied_exit, denies_any, denying, every_address};
pub use told::{names_of, others};

use super::unjudged::Unjudged;
use super::{Context, plugin_selectors};
use crate::cluster::{Cluster, PolicyId, WorkloadId};
use crate::engine::program::{End, StageName};
use crate::engine::{
    AddressRange, CiliumSelector, ConnectionSet, Endpoint, Engine, Entity, PodView, PolicyRef,
    PolicyTrace, RuleRef, RuleTrace, SideTrace, StageTrace,
};
use crate::k8s::{
    Action, CiliumMeaning, CiliumPeers, Direction, LabelSelector, NetworkPolicyPeer,
    NetworkPolicyPort, NetworkPolicyRule, PortReference, Protocol, Truth,
};
use crate::source::Span;

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

/// How policies close a port.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Guard {
    /// They isolate the pods, and their rules say who gets in.
    Isolation,
    /// They deny it to those who are meant to get in.
    Denial,
}

/// A port that policies guard.
#[derive(Clone, Debug)]
pub struct Entrance<'c> {
    /// The workload.
    pub workload: WorkloadId,
    /// The protocol of the port.
    pub protocol: Protocol,
    /// The port of the pods.
    pub port: u16,
    /// How they close it.
    pub guard: Guard,
    /// The policies of every kind that isolate the pods for ingress, or deny, in order; at least
    /// one.
    pub policies: Vec<PolicyRef>,
    /// The rules of NetworkPolicies that let somebody in at this port, with the place in their
    /// policy.
    pub rules: Vec<(PolicyId, usize, &'c NetworkPolicyRule)>,
    /// The same of policies of the CNI plugin.
    pub plugin_rules: Vec<RuleRef<'c>>,
    /// Those of them that would let somebody in, had they not the port of a Service that leads
    /// here in place of the pods'.
    at_ports_of_services: Vec<RuleRef<'c>>,
    /// Whether clients from outside are denied on purpose.
    pub keeps_out_clients: bool,
}

impl<'c> Entrance<'c> {
    /// The guarded port, as the side of its pods on which anybody enters tells it; `None` where
    /// nobody guards it, or where a tier before the NetworkPolicies may let somebody in.
    pub(super) fn guarded(
        cluster: &Cluster,
        side: &SideTrace<'c>,
        (workload, protocol, port): (WorkloadId, Protocol, u16),
    ) -> Option<Self> {
        let policies = guards(side, |rule| {
            rule.ports.matches.possible.contains(protocol, port)
        })?;
        let (mut rules, mut plugin_rules) = (Vec::new(), Vec::new());
        let mut at_ports_of_services = Vec::new();
        let mut by_plugins = policies.iter();
        let of_services = match by_plugins.any(|it| matches!(it, PolicyRef::Plugin(_))) {
            true => ports_of_services(cluster, workload, protocol, port),
            false => Vec::new(),
        };
        for rule in side.rules_of(StageName::NetworkPolicies) {
            let is_at = |port: u16| rule.ports.matches.possible.contains(protocol, port);
            let is_here = is_at(port);
            let is_at_service = !is_here && of_services.iter().any(|port| is_at(*port));
            if !is_here && !is_at_service || rule.action != Action::Accept {
                continue;
            }
            match (rule.policy, rule.rule) {
                (PolicyRef::Network(policy), RuleRef::Network(written)) if is_here => {
                    rules.push((policy, rule.index, written));
                }
                // One that means nobody lets nobody in.
                (PolicyRef::Plugin(_), RuleRef::Cilium(..) | RuleRef::Calico(_))
                    if rule.peers.truth == Truth::True || !rule.peers.entries.is_empty() =>
                {
                    match is_here {
                        true => plugin_rules.push(rule.rule),
                        false => at_ports_of_services.push(rule.rule),
                    }
                }
                _ => {}
            }
        }
        Some(Self {
            workload,
            protocol,
            port,
            guard: Guard::Isolation,
            policies,
            rules,
            plugin_rules,
            at_ports_of_services,
            keeps_out_clients: keeps_out_anybody(side, |rule| {
                rule.ports.matches.possible.contains(protocol, port)
            }),
        })
    }

    /// Whether a rule lets anybody in.
    #[must_use]
    pub fn admits_somebody(&self) -> bool {
        !self.rules.is_empty() || !self.plugin_rules.is_empty()
    }

    /// Whether a rule lets everybody in, or addresses outside, or nodes, through which such
    /// traffic comes.
    #[must_use]
    pub fn admits_addresses(&self, engine: &Engine<'_>) -> bool {
        self.admits_ends(engine)
            || self.rules.iter().any(|(_, _, rule)| {
                let peers = rule.peers.items();
                peers.is_empty() || peers.iter().any(|peer| peer.ip_block.get().is_some())
            })
    }

    /// Whether the policies of a CNI plugin let in somebody who is no pod: addresses, other
    /// nodes, the API server. Cilium's own proxy brings nobody's traffic but its own.
    fn admits_ends(&self, engine: &Engine<'_>) -> bool {
        if self.plugin_rules.iter().any(|rule| names_addresses(*rule)) {
            return true;
        }
        // An address of the internet that is in nobody's hands (RFC 5737).
        let stranger = IpAddr::V4(Ipv4Addr::new(203, 0, 113, 77));
        let outside = Endpoint::Address(AddressRange::from(stranger));
        let entities = [Entity::RemoteNode, Entity::KubeApiserver];
        let mut ends = entities.map(Endpoint::Entity).into_iter().chain([outside]);
        self.is_guarded_by_plugin() && ends.any(|end| self.lets_in(engine, &end))
    }

    /// Whether a policy of a CNI plugin isolates the pods.
    #[must_use]
    pub fn is_guarded_by_plugin(&self) -> bool {
        let mut policies = self.policies.iter();
        policies.any(|policy| matches!(policy, PolicyRef::Plugin(_)))
    }

    /// Whether an end gets in: at the port, or at one of a Service that leads to it, which is a
    /// mistake of its own in a policy of a CNI plugin.
    fn lets_in(&self, engine: &Engine<'_>, end: &Endpoint<'_>) -> bool {
        let cluster = engine.cluster();
        let pods = Endpoint::workload(cluster, self.workload);
        let verdict = engine.judge().one_side(Direction::Ingress, &pods, end);
        let is_open = |port: u16| verdict.possible().contains(self.protocol, port);
        let of_services = ports_of_services(cluster, self.workload, self.protocol, self.port);
        is_open(self.port) || of_services.into_iter().any(is_open)
    }

    /// Whether the policies of a CNI plugin let in somebody who is no pod, a workload of which
    /// `is_meant` holds, or pods that no manifest has and that may be such; or would, had they
    /// not the port of a Service in place of the pods', which is a mistake of its own.
    pub fn plugin_admits(
        &self,
        engine: &Engine<'_>,
        is_meant: impl Fn(WorkloadId) -> bool,
    ) -> bool {
        if !self.is_guarded_by_plugin() {
            return false;
        }
        let cluster = engine.cluster();
        let mut others = cluster.workload_ids().filter(|id| *id != self.workload);
        self.admits_ends(engine)
            || (self.plugin_rules.iter().chain(&self.at_ports_of_services))
                .any(|rule| may_mean_others(cluster, *rule))
            || others
                .any(|id| is_meant(id) && self.lets_in(engine, &Endpoint::workload(cluster, id)))
    }

    /// Whether the policies of a CNI plugin let in Cilium's own proxy, which serves Ingresses and
    /// Gateways under the identity `ingress` (docs.cilium.io, "Ingress and Network Policy").
    #[must_use]
    pub fn plugin_admits_proxy(&self, engine: &Engine<'_>) -> bool {
        self.is_guarded_by_plugin() && self.lets_in(engine, &Endpoint::Entity(Entity::Ingress))
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
        let policies = self.policies.iter().filter_map(network_policy);
        let policies = policies.filter(move |id| !opens(id));
        let rules = policies.flat_map(move |id| {
            let rules = cluster.policy(id).object.rules(Direction::Ingress);
            rules.iter().map(move |rule| (id, rule))
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
                && cx
                    .behind_service_port(*id, self.protocol, *number)
                    .contains(&(self.workload, self.port))
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
}

/// The side of a workload on which anybody enters, and who may is for its rules to say; `None`
/// where that cannot be told, as policies are not judged.
pub(super) fn side<'c>(
    engine: &Engine<'c>,
    unjudged: &Unjudged,
    workload: WorkloadId,
) -> Option<Arc<SideTrace<'c>>> {
    let cluster = engine.cluster();
    let found = cluster.workload(workload);
    if !found.object.meta.is_accepted
        || unjudged.is_unknown_for_pods(cluster, workload, Direction::Ingress)
    {
        return None;
    }
    // What the rules say of ports does not depend on who asks: anybody will do.
    let pods = Endpoint::workload(cluster, workload);
    let explanation = engine.judge().explain(&anybody(), &pods);
    let way = explanation.ways.into_iter().next()?;
    Some(way.ingress)
}

/// How a workload is isolated for egress.
#[derive(Clone, Debug)]
pub struct GuardedExit {
    /// The policies of every kind that isolate it.
    pub policies: Vec<PolicyRef>,
    /// What it may open to some address outside, as far as that does not depend on which one
    /// it is; with what depends on addresses that no manifest tells.
    pub to_anybody: ConnectionSet,
}

/// The policies that isolate a workload for egress; `None` where none does, or where it
/// cannot be said what they allow, as for [`Context::entrance`].
#[must_use]
pub fn guarded_exit(
    engine: &Engine<'_>,
    unjudged: &Unjudged,
    workload: WorkloadId,
) -> Option<GuardedExit> {
    let cluster = engine.cluster();
    let found = cluster.workload(workload);
    if !found.object.meta.is_accepted
        || unjudged.is_unknown_for_pods(cluster, workload, Direction::Egress)
    {
        return None;
    }
    let pods = Endpoint::workload(cluster, workload);
    let explanation = engine.judge().explain(&pods, &anybody());
    let egress = &explanation.ways.first()?.egress;
    if keeps_out_anybody(egress, |_| true) {
        return None;
    }
    Some(GuardedExit {
        policies: guards(egress, |_| true)?,
        to_anybody: egress.verdict.possible().clone(),
    })
}

fn network_policy(policy: &PolicyRef) -> Option<PolicyId> {
    match policy {
        PolicyRef::Network(id) => Some(*id),
        PolicyRef::Cluster(_) | PolicyRef::Plugin(_) | PolicyRef::Part(_) | PolicyRef::Agent => {
            None
        }
    }
}

/// Whether a rule of Cilium's names ends that are no pods.
fn names_entities(rule: RuleRef<'_>) -> bool {
    let RuleRef::Cilium(_, rule) = rule else {
        return false;
    };
    let mut fields = rule.peer_fields.iter();
    fields.any(|field| matches!(&field.peers, CiliumPeers::Entities(_)))
}

/// Whether a rule of a CNI plugin's lets in by blocks of addresses, which may be those of whoever
/// is meant.
fn names_addresses(rule: RuleRef<'_>) -> bool {
    match rule {
        RuleRef::Cilium(_, rule) => rule.peer_fields.iter().any(|field| match &field.peers {
            CiliumPeers::Cidrs(blocks) => !blocks.is_empty(),
            CiliumPeers::CidrSets(sets) => !sets.is_empty(),
            _ => false,
        }),
        RuleRef::Calico(rule) => {
            let source = rule.peer(Direction::Ingress);
            !source.nets.is_empty() || !source.not_nets.is_empty()
        }
        _ => false,
    }
}

/// The ports of Services that lead to this port of a workload.
fn ports_of_services(
    cluster: &Cluster,
    workload: WorkloadId,
    protocol: Protocol,
    port: u16,
) -> Vec<u16> {
    let services = cluster.services_of(workload);
    let entries = services.flat_map(|id| &cluster.service(id).object.ports);
    let leading = entries.filter(|entry| {
        entry.protocol == protocol && cluster.ports_behind(entry, workload).contains(&port)
    });
    leading.map(|entry| entry.port.value).collect()
}

/// Whether a rule of a CNI plugin's may mean pods that no manifest has: a selector that matches
/// no known workload.
fn may_mean_others(cluster: &Cluster, rule: RuleRef<'_>) -> bool {
    let rule = match rule {
        RuleRef::Cilium(_, rule) => rule,
        RuleRef::Calico(rule) => {
            let source = rule.peer(Direction::Ingress);
            return !source.is_everybody() && !plugin_selectors::is_known(cluster, source);
        }
        _ => return true,
    };
    rule.peer_fields.iter().any(|field| match &field.peers {
        CiliumPeers::Endpoints(selectors) => selectors.iter().any(|selector| {
            // Where it is looked for does not matter: pods of the same labels are known.
            let selector = CiliumSelector::peer(cluster, selector, None);
            let mut known = cluster.workload_ids();
            !known.any(|id| selector.truth(&PodView::workload(cluster, id)) != Truth::False)
        }),
        _ => false,
    })
}

/// The place of the name of a policy; `None` for a part that nobody could build.
#[must_use]
pub fn name_of(cluster: &Cluster, policy: PolicyRef) -> Option<Span> {
    policy.meta(cluster).map(|meta| meta.name.span)
}

/// Which pods a rule of a CNI plugin's may mean, as seen from a namespace.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PodsMeant {
    /// None.
    Nobody,
    /// Those of this namespace only.
    Own,
    /// Others as well, or whoever has some address.
    Others,
}

/// Which pods a rule of a policy may mean by its peers, as seen from a namespace of this name.
#[must_use]
pub fn pods_meant(
    cluster: &Cluster,
    policy: PolicyRef,
    rule: RuleRef<'_>,
    namespace: &str,
) -> PodsMeant {
    let home = match policy {
        PolicyRef::Plugin(id) => cluster.plugin_policy(id).namespace(),
        _ => None,
    };
    match rule {
        RuleRef::Cilium(_, rule) => match rule.meaning() {
            CiliumMeaning::Everybody => PodsMeant::Others,
            CiliumMeaning::Nobody => PodsMeant::Nobody,
            CiliumMeaning::Listed => {
                let mut selectors = Vec::new();
                for field in &rule.peer_fields {
                    match &field.peers {
                        CiliumPeers::Endpoints(listed) => selectors.extend(listed),
                        _ if field.peers.is_empty() => {}
                        _ => return PodsMeant::Others,
                    }
                }
                let is_own = |selector: &&LabelSelector| {
                    let selector = CiliumSelector::peer(cluster, selector, home);
                    selector.implied_namespace() == Some(namespace)
                        || (selector.named_namespaces()).any(|(_, names)| names == [namespace])
                };
                match selectors.iter().all(is_own) {
                    true => PodsMeant::Own,
                    false => PodsMeant::Others,
                }
            }
        },
        RuleRef::Calico(rule) => match plugin_selectors::is_of_namespace(rule, home, namespace) {
            true => PodsMeant::Own,
            false => PodsMeant::Others,
        },
        _ => PodsMeant::Others,
    }
}

/// An end of which nothing is asked but to be there.
pub fn anybody<'c>() -> Endpoint<'c> {
    Endpoint::Address(AddressRange::from(IpAddr::V4(Ipv4Addr::LOCALHOST)))
}

/// The policies of a side that isolate, if there are any, nothing but their stage decides,
/// all of their text is known, and their order does not matter. What is denied before anything is
/// allowed only takes from that. Where rules stand in order, what is denied to anybody may come
/// before what allows it.
///
/// Tiers before the NetworkPolicies only take from it as well where none of their rules of which
/// `counts` holds accepts anything; those behind are not asked about pods that are isolated.
fn guards(side: &SideTrace<'_>, counts: impl Fn(&RuleTrace<'_>) -> bool) -> Option<Vec<PolicyRef>> {
    let policies = side.policies(StageName::NetworkPolicies);
    let may_accept = |stage: &StageTrace<'_>| match stage.name {
        StageName::NetworkPolicies | StageName::Denies | StageName::Baseline => false,
        StageName::Admin | StageName::CalicoTier(_) => {
            let rules = stage.policies.iter().flat_map(|policy| &policy.rules);
            let mut counting = rules.filter(|rule| counts(rule));
            !stage.is_placed || counting.any(|rule| rule.is_opaque || rule.action == Action::Accept)
        }
        StageName::NotJudged
        | StageName::EgressFirewall
        | StageName::PrimaryNetworks
        | StageName::Isolation => true,
    };
    let has_tiers = side.stages.iter().any(may_accept);
    let is_clear = |rule: &RuleTrace<'_>| {
        !rule.is_opaque
            && match rule.action {
                Action::Accept => true,
                Action::Deny => rule.peers.truth == Truth::False,
                Action::Pass => false,
            }
    };
    let is_certain = |policy: &PolicyTrace<'_>| {
        policy.selects == Truth::True && policy.rules.iter().all(is_clear)
    };
    let denies = side.policies(StageName::Denies).iter();
    let mut denied = denies.flat_map(|policy| &policy.rules);
    let are_certain = policies.iter().all(is_certain) && !denied.any(|rule| rule.is_opaque);
    let isolating = policies.iter().filter(|policy| policy.end == End::Deny);
    let mut guards: Vec<PolicyRef> = isolating.map(|policy| policy.policy).collect();
    guards.dedup();
    (!guards.is_empty() && !has_tiers && are_certain).then_some(guards)
}

/// Whether a rule denies anybody before anything is allowed, or nodes, through which anybody may
/// come: they are meant to be kept out.
fn keeps_out_anybody(side: &SideTrace<'_>, counts: impl Fn(&RuleTrace<'_>) -> bool) -> bool {
    let mut rules = side.rules_of(StageName::Denies);
    rules
        .any(|rule| (rule.peers.truth != Truth::False || names_entities(rule.rule)) && counts(rule))
}
