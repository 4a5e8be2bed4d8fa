//! What rules deny to those who are meant to connect, whatever other policies allow: the Admin
//! and the Baseline tier, deny rules of Cilium, ordered policies of Calico, firewalls.
//!
//! Refuses to know who is meant: the ends are handed in.

use super::{Entrance, Guard};
use crate::cluster::WorkloadId;
use crate::engine::program::StageName;
use crate::engine::{AddressRange, ConnectionSet, Endpoint, Explanation, PolicyRef, PortSet};
use crate::engine::{Miss, RuleTrace, SideTrace};
use crate::k8s::{Action, Direction, Protocol};
use crate::lint::Context;
use std::collections::BTreeSet;

/// With more ranges of addresses than this to ask about, nothing is said of all of them.
const MAX_RANGES: usize = 1024;

impl<'c> Entrance<'c> {
    /// The port of a workload's pods, where policies certainly keep every one of the callers from
    /// it, and rules that deny decide so; `None` where there are no callers. Who they are is only
    /// asked where a rule denies the port to somebody: finding them may go through all pods.
    pub fn denied<'e>(
        cx: &Context<'c>,
        callers: impl FnOnce() -> Vec<Endpoint<'e>>,
        (workload, protocol, port): (WorkloadId, Protocol, u16),
    ) -> Option<Self> {
        let side = cx.entering(workload)?;
        let asked = ConnectionSet::of(protocol, PortSet::single(port));
        if !may_deny(&side, &asked) {
            return None;
        }
        let callers = callers();
        if callers.is_empty() {
            return None;
        }
        let judge = cx.engine.judge();
        let pods = Endpoint::workload(cx.cluster, workload);
        let destination = judge.prepare(Direction::Ingress, &pods);
        let mut policies = BTreeSet::new();
        for caller in &callers {
            let source = judge.prepare(Direction::Egress, caller);
            let explanation = judge.decide(&source, &destination);
            policies.extend(denying(&explanation, Direction::Ingress, &asked)?);
        }
        (!policies.is_empty()).then(|| Self {
            workload,
            protocol,
            port,
            guard: Guard::Denial,
            policies: policies.into_iter().collect(),
            rules: Vec::new(),
            plugin_rules: Vec::new(),
            at_ports_of_services: Vec::new(),
            keeps_out_clients: false,
        })
    }
}

/// Whether a rule of any policy denies somebody something in a direction.
#[must_use]
pub fn denies_any(cx: &Context<'_>, direction: Direction) -> bool {
    let program = cx.program();
    let chains = program
        .stages()
        .flat_map(|stage| stage.chains.get(direction));
    let mut rules = chains.flat_map(|chain| &chain.rules);
    rules.any(|rule| rule.action == Action::Deny)
}

/// Whether a rule accepts such connections to nodes, whose addresses need not be known.
fn accepts_nodes(rule: &RuleTrace<'_>, asked: &ConnectionSet) -> bool {
    let mut misses = rule.peers.entries.iter().flat_map(|entry| &entry.misses);
    rule.action == Action::Accept
        && !rule.ports.matches.possible.is_disjoint(asked)
        && misses.any(|miss| matches!(miss, Miss::NotANode(_)))
}

/// The policies with rules that decide that pods may not connect to any of these ends on some
/// ports; `None` where one of the ends may be reached on one of them, or no rule denies it.
pub fn denied_exit(
    cx: &Context<'_>,
    workload: WorkloadId,
    ends: &[Endpoint<'_>],
    asked: &ConnectionSet,
) -> Option<Vec<PolicyRef>> {
    let cluster = cx.cluster;
    let pods = Endpoint::workload(cluster, workload);
    let judge = cx.engine.judge();
    let source = judge.prepare(Direction::Egress, &pods);
    let mut policies = BTreeSet::new();
    for end in ends {
        let destination = judge.prepare(Direction::Ingress, end);
        let explanation = judge.decide(&source, &destination);
        policies.extend(denying(&explanation, Direction::Egress, asked)?);
    }
    // Which addresses nodes have, most manifests do not tell.
    let may_be_node = || {
        let explanation = ends.first().map(|end| judge.explain(&pods, end));
        let ways = explanation.iter().flat_map(|it| &it.ways);
        ways.flat_map(|way| way.egress.rules())
            .any(|rule| accepts_nodes(rule, asked))
    };
    if may_be_node() {
        return None;
    }
    (!policies.is_empty()).then(|| policies.into_iter().collect())
}

/// Every address of IPv4, in ranges that no policy tells apart; `None` for very many.
#[must_use]
pub fn every_address<'e>(cx: &Context<'_>) -> Option<Vec<Endpoint<'e>>> {
    let program = cx.program();
    let ranges = AddressRange::IPV4.cut(program.ranges());
    (ranges.len() <= MAX_RANGES).then(|| ranges.into_iter().map(Endpoint::Address).collect())
}

/// Whether a rule of a side denies any of these connections to somebody.
fn may_deny(side: &SideTrace<'_>, asked: &ConnectionSet) -> bool {
    let denies = |rule: &RuleTrace<'_>| {
        rule.action == Action::Deny
            && !rule.is_opaque
            && !rule.ports.matches.possible.is_disjoint(asked)
    };
    side.rules().any(denies)
}

/// The policies with rules that deny connections, on one side of every way that they may take;
/// none where nothing but the lack of a rule does. `None` where that side does not certainly deny
/// all of them, or what denies is no policy.
#[must_use]
pub fn denying(
    explanation: &Explanation<'_>,
    side: Direction,
    asked: &ConnectionSet,
) -> Option<Vec<PolicyRef>> {
    let mut policies = Vec::new();
    for way in &explanation.ways {
        let side = match side {
            Direction::Egress => &way.egress,
            Direction::Ingress => &way.ingress,
        };
        if !asked.is_subset(&side.verdict.denied()) {
            return None;
        }
        for decision in side.decisions(asked) {
            match (decision.stage, decision.rule) {
                // What is on different networks no policy brings together.
                (Some(StageName::PrimaryNetworks | StageName::NotJudged), _) => return None,
                (_, Some(rule)) if rule.action == Action::Deny => policies.push(rule.policy),
                _ => {}
            }
        }
    }
    Some(policies)
}
