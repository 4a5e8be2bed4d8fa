//! The rules that are asked about the connections of a pod in one direction, and whom each of
//! them may match: for who looks at rules and not at a pair of ends.
//!
//! Refuses to know what the rules together let through; that is the verdict.

use super::peers::{self, Seen};
use crate::cluster::{Cluster, Enforcement, NamespaceId, WorkloadId};
use crate::engine::program::{Chain, End, Matcher, Program, Reading, Rule};
use crate::engine::{Endpoint, HashMap, PodView, PolicyRef, RuleRef, address_pairs};
use crate::k8s::{Action, Direction, Truth};

/// The policies of a cluster, by the namespaces whose pods they can select.
#[derive(Debug)]
pub struct AskedPolicies<'c> {
    enforcement: &'c Enforcement,
    programs: HashMap<NamespaceId, Program<'c>>,
}

/// A rule that is asked about a pod.
#[derive(Clone, Copy, Debug)]
pub struct AskedRule<'p, 'c> {
    /// The policy that has it.
    pub policy: PolicyRef,
    pub(super) rule: &'p Rule<'c>,
    pub(super) enforcement: &'p Enforcement,
}

impl<'c> AskedPolicies<'c> {
    /// The policies of a cluster.
    #[must_use]
    pub fn new(cluster: &'c Cluster) -> Self {
        let reading = Reading::of(cluster);
        let mut programs = HashMap::default();
        for workload in cluster.workloads() {
            let namespace = workload.namespace;
            programs
                .entry(namespace)
                .or_insert_with(|| Program::for_namespace(cluster, Some(namespace), reading));
        }
        Self {
            enforcement: cluster.enforcement(),
            programs,
        }
    }

    /// The rules that are asked about the connections of a pod in a direction, in the order of
    /// evaluation; `None` if no policy says anything about them. A pod on the network of its
    /// node is asked nothing (S10).
    #[must_use]
    pub fn of_side(
        &self,
        pod: &PodView<'c>,
        direction: Direction,
    ) -> Option<Vec<AskedRule<'_, 'c>>> {
        if pod.host_network {
            return None;
        }
        let chains: Vec<&Chain<'c>> = self.chains(pod, direction).collect();
        if chains.is_empty() {
            return None;
        }
        let rules = chains.into_iter().flat_map(|chain| {
            chain.rules.iter().map(|rule| AskedRule {
                policy: chain.policy,
                rule,
                enforcement: self.enforcement,
            })
        });
        Some(rules.collect())
    }

    /// Whether a policy isolates the pods of a workload in a direction, so that what no rule
    /// allows is denied.
    #[must_use]
    pub fn isolate(&self, cluster: &'c Cluster, id: WorkloadId, direction: Direction) -> Truth {
        let pod = PodView::workload(cluster, id);
        if pod.host_network {
            return Truth::False;
        }
        let chains = self.chains(&pod, direction);
        let isolating = chains.filter(|chain| chain.end == End::Deny);
        let mut isolates = Truth::False;
        for chain in isolating {
            match peers::truth_of_pods(&chain.subject, &pod) {
                Truth::True => return Truth::True,
                Truth::Unknown => isolates = Truth::Unknown,
                Truth::False => {}
            }
        }
        isolates
    }

    /// The policies that are asked about a pod, as far as anybody can tell.
    fn chains<'p, 'q>(
        &'p self,
        pod: &'q PodView<'c>,
        direction: Direction,
    ) -> impl Iterator<Item = &'p Chain<'c>> + use<'p, 'q, 'c> {
        let program = pod.namespace.id.and_then(|id| self.programs.get(&id));
        let chains = program.map(|program| program.chains_about(direction, pod));
        let chains = chains.into_iter().flatten().map(|(_, chain)| chain);
        chains.filter(|chain| {
            let says_something = !chain.rules.is_empty() || chain.end == End::Deny;
            says_something && peers::truth_of_pods(&chain.subject, pod) != Truth::False
        })
    }
}

impl<'c> AskedRule<'_, 'c> {
    /// Its place among the rules of its list, from 0.
    #[must_use]
    pub fn index(&self) -> usize {
        self.rule.origin.index
    }

    /// As it is written.
    #[must_use]
    pub fn text(&self) -> RuleRef<'c> {
        self.rule.origin.rule
    }

    /// What it does with what it matches.
    #[must_use]
    pub fn action(&self) -> Action {
        self.rule.action
    }

    /// Whether it is about everybody, or may be.
    #[must_use]
    pub fn is_for_everybody(&self) -> bool {
        self.rule.peers.is_none() || self.rule.is_opaque
    }

    /// Whether it speaks of addresses, which pods may have as well.
    #[must_use]
    pub fn speaks_of_addresses(&self) -> bool {
        let mut peers = self.rule.peers.iter().flatten();
        peers.any(|peer| !matches!(peer.matcher, Matcher::Pods(_) | Matcher::Entities(_)))
    }

    /// Whether its peers match an end, or may: `pod` is the one that it is asked about.
    #[must_use]
    pub fn may_match(&self, pod: &Endpoint<'c>, other: &Endpoint<'c>) -> bool {
        if self.is_for_everybody() {
            return true;
        }
        let pairs = address_pairs(pod, other).into_iter();
        pairs.map(|(_, address)| address).any(|address| {
            let seen = Seen {
                end: other,
                address,
                enforcement: self.enforcement,
            };
            peers::compare(self.rule.peers.as_deref(), seen).truth != Truth::False
        })
    }
}
