//! One side of a connection: every rule that can matter to it in the order in which
//! Kubernetes asks them, what each of them says, and the verdict that follows.
//!
//! Refuses to know the other side, and to choose which facts are worth telling.

use super::peers::{self, Miss, PeersTrace};
use super::ports::{self, PortsTrace};
use super::possibility::{Match, TierWalk, Verdict};
use super::{Gaps, PriorityTies, Reading};
use crate::cluster::{Cluster, ClusterPolicyId, PolicyId};
use crate::engine::{Address, ConnectionSet, Endpoint, NamespaceView, PodView};
use crate::k8s::{
    Action, ClusterNetworkPolicyRule, Direction, NetworkPolicyRule, ObjectMeta, Tier, Truth,
};
use crate::source::Span;

/// One side of a connection, judged.
#[derive(Clone, Debug)]
pub struct SideTrace<'c> {
    /// Egress is the source's side, ingress the destination's.
    pub direction: Direction,
    /// What decides about this side at all.
    pub scope: Scope,
    /// The rules of the Admin tier whose subject the pod is, in the order of evaluation.
    pub admin: Vec<RuleTrace<'c>>,
    /// The NetworkPolicies that isolate the pod in this direction, by name.
    pub policies: Vec<PolicyTrace<'c>>,
    /// The rules of the Baseline tier whose subject the pod is, in order. They are asked
    /// only where no NetworkPolicy isolates the pod.
    pub baseline: Vec<RuleTrace<'c>>,
    /// What follows.
    pub verdict: Verdict,
}

/// What decides about a side of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Scope {
    /// The policies that select the pod.
    Policies,
    /// Nothing: the end is outside the cluster and has no policies (S0).
    Outside,
    /// Nothing: the pod is on the network of its node, and none selects it (S10).
    HostNetwork,
    /// Nothing: the pod speaks to itself (S4).
    SamePod,
}

/// A policy of any kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum PolicyRef {
    /// A `NetworkPolicy`.
    Network(PolicyId),
    /// A cluster-wide policy.
    Cluster(ClusterPolicyId),
}

/// A rule as a policy has it.
#[derive(Clone, Copy, Debug)]
pub enum RuleRef<'c> {
    /// Of a `NetworkPolicy`.
    Network(&'c NetworkPolicyRule),
    /// Of a cluster-wide policy.
    Cluster(&'c ClusterNetworkPolicyRule),
}

/// A NetworkPolicy that isolates the pod.
#[derive(Clone, Debug)]
pub struct PolicyTrace<'c> {
    /// The policy.
    pub id: PolicyId,
    /// Whether it selects the pod; never `False`.
    pub selects: Truth,
    /// Its rules of this direction, in the order of the text.
    pub rules: Vec<RuleTrace<'c>>,
}

/// What one rule says of a connection.
#[derive(Clone, Debug)]
pub struct RuleTrace<'c> {
    /// The policy that has it.
    pub policy: PolicyRef,
    /// Its place among the rules of its direction, from 0.
    pub index: usize,
    /// The rule.
    pub rule: RuleRef<'c>,
    /// Whether its policy selects the pod; never `False`.
    pub selects: Truth,
    /// Why that is not known, where it is not.
    pub subject_doubts: Vec<Miss<'c>>,
    /// Whether it may be another rule, because a text in its policy is filled in by
    /// another tool and was left out.
    pub is_opaque: bool,
    /// How its peers compare with the other end.
    pub peers: PeersTrace<'c>,
    /// What its ports mean at the destination.
    pub ports: PortsTrace<'c>,
    /// What it decides: in a tier, what no rule before it decided.
    pub decides: Match,
}

impl RuleTrace<'_> {
    /// What the rule does with what it matches; a NetworkPolicy only accepts.
    #[must_use]
    pub fn action(&self) -> Action {
        match self.rule {
            RuleRef::Network(_) => Action::Accept,
            RuleRef::Cluster(rule) => rule.action.value,
        }
    }

    /// Whether the policy selects the pod and a peer matches, whatever the ports.
    #[must_use]
    pub fn applies(&self) -> Truth {
        let applies = self.selects.min(self.peers.truth);
        if self.is_opaque {
            Truth::Unknown
        } else {
            applies
        }
    }
}

/// The other end of the connection, for the pod whose side is judged, and the
/// destination, whose ports are meant.
#[derive(Clone, Copy)]
pub(super) struct Scene<'a, 'c> {
    pub(super) cluster: &'c Cluster,
    pub(super) direction: Direction,
    pub(super) other: &'a Endpoint<'c>,
    pub(super) other_address: Address,
    pub(super) destination: &'a Endpoint<'c>,
    pub(super) reading: Reading,
}

/// A side that no policy decides about: everything is allowed.
pub(super) fn open_side<'c>(direction: Direction, scope: Scope) -> SideTrace<'c> {
    SideTrace {
        direction,
        scope,
        admin: Vec::new(),
        policies: Vec::new(),
        baseline: Vec::new(),
        verdict: Verdict::certain(ConnectionSet::all()),
    }
}

/// Asks every policy that can matter to this side of a connection (S11).
pub(super) fn judge_side<'c>(scene: Scene<'_, 'c>, subject: &Endpoint<'c>) -> SideTrace<'c> {
    let Endpoint::Pod(pod) = subject else {
        return open_side(scene.direction, Scope::Outside);
    };
    if pod.host_network && !scene.reading.selectors_see_host_network {
        return open_side(scene.direction, Scope::HostNetwork);
    }
    // The tiers are walked backwards, as each needs the verdict of the next one.
    let default = Verdict::certain(ConnectionSet::all());
    let (baseline, after_policies) = scene.tier(Tier::Baseline, pod, &default);
    let policies = scene.network_policies(pod);
    let after_admin = verdict_of_policies(&policies, &after_policies);
    let (admin, verdict) = scene.tier(Tier::Admin, pod, &after_admin);
    SideTrace {
        direction: scene.direction,
        scope: Scope::Policies,
        admin,
        policies,
        baseline,
        verdict,
    }
}

/// The verdict of the NetworkPolicies that may isolate a pod, given that of what comes
/// after them where none does (S5).
fn verdict_of_policies(policies: &[PolicyTrace<'_>], next: &Verdict) -> Verdict {
    let matches_of = |policy: &PolicyTrace<'_>| {
        let none = Match::exactly(ConnectionSet::none());
        policy
            .rules
            .iter()
            .fold(none, |all, rule| all.or(&rule.decides))
    };
    if policies.iter().any(|policy| policy.selects == Truth::True) {
        let none = Match::exactly(ConnectionSet::none());
        let matches = policies
            .iter()
            .map(|policy| matches_of(policy).when(policy.selects));
        return matches.fold(none, |all, matches| all.or(&matches)).allows();
    }
    // Nobody knows whether one of them isolates the pod. If several do, they allow more
    // than each alone, so that the cases of none and of each one are all that count.
    policies.iter().fold(next.clone(), |verdict, policy| {
        verdict.either(&matches_of(policy).allows())
    })
}

impl<'c> Scene<'_, 'c> {
    fn network_policies(&self, pod: &PodView<'c>) -> Vec<PolicyTrace<'c>> {
        let Some(namespace) = pod.namespace.id else {
            return Vec::new();
        };
        let trace = |id: PolicyId| {
            let policy = &self.cluster.policy(id).object;
            if !policy.meta.is_accepted || !policy.applies_to(self.direction) {
                return None;
            }
            let opaque = self.opaque(&policy.meta);
            let is_in_a_rule = |hole| {
                let rules = policy.ingress.items().iter().chain(policy.egress.items());
                rules.map(|rule| rule.span).any(|rule| rule.contains(hole))
            };
            let doubts =
                peers::misses_of_pod_selector(policy.pod_selector.get(), pod, self.reading);
            let selects = peers::truth_of(&doubts);
            let selects = match opaque {
                // What is missing may be a part of the selector or of the types.
                Some(hole) if !is_in_a_rule(hole) => selects.min(Truth::Unknown),
                _ => selects,
            };
            if selects == Truth::False {
                return None;
            }
            let namespace = NamespaceView::of(self.cluster, namespace);
            let rule = |(index, rule): (usize, &'c NetworkPolicyRule)| {
                let mut trace = self.network_rule((id, index), rule, selects, &namespace);
                trace.subject_doubts = doubts.clone();
                trace.is_opaque = opaque.is_some_and(|hole| hole.start < rule.span.end);
                if trace.is_opaque {
                    trace.decides = Match::anything();
                }
                trace
            };
            let rules = policy
                .rules(self.direction)
                .iter()
                .enumerate()
                .map(rule)
                .collect();
            Some(PolicyTrace { id, selects, rules })
        };
        self.cluster
            .policies_in(namespace)
            .filter_map(trace)
            .collect()
    }

    fn network_rule(
        &self,
        (id, index): (PolicyId, usize),
        rule: &'c NetworkPolicyRule,
        selects: Truth,
        namespace: &NamespaceView<'c>,
    ) -> RuleTrace<'c> {
        let other = (self.other, self.other_address);
        let peers = peers::network_peers(rule.peers.items(), namespace, other, self.reading);
        let ports = ports::network_ports(rule.ports.items(), self.destination);
        let decides = ports.matches.when(peers.truth);
        let policy = PolicyRef::Network(id);
        let (rule, subject_doubts) = (RuleRef::Network(rule), Vec::new());
        RuleTrace {
            policy,
            index,
            rule,
            selects,
            subject_doubts,
            is_opaque: false,
            peers,
            ports,
            decides,
        }
    }

    /// The rules of a tier whose subject the pod is, and the tier's verdict.
    fn tier(&self, tier: Tier, pod: &PodView<'c>, next: &Verdict) -> (Vec<RuleTrace<'c>>, Verdict) {
        let mut rules = Vec::new();
        let mut walk = TierWalk::new();
        for id in self.order_of(tier) {
            let policy = self.cluster.cluster_policy(id);
            let doubts = peers::misses_of_selection(&policy.subject, pod, self.reading);
            let selects = peers::truth_of(&doubts);
            if selects == Truth::False {
                continue;
            }
            for (index, rule) in policy.rules(self.direction).iter().enumerate() {
                let mut trace = self.cluster_rule((id, index), rule, selects);
                trace.subject_doubts = doubts.clone();
                let hole = self.opaque(&policy.meta);
                trace.is_opaque = hole.is_some_and(|hole| hole.start < rule.span.end);
                trace.decides = if trace.is_opaque {
                    let accepts = walk.step(Action::Accept, &Match::anything());
                    accepts.or(&walk.step(Action::Deny, &Match::anything()))
                } else {
                    walk.step(rule.action.value, &trace.decides)
                };
                rules.push(trace);
            }
        }
        (rules, walk.finish(next))
    }

    fn cluster_rule(
        &self,
        (id, index): (ClusterPolicyId, usize),
        rule: &'c ClusterNetworkPolicyRule,
        selects: Truth,
    ) -> RuleTrace<'c> {
        let other = (self.other, self.other_address);
        let peers = peers::cluster_peers(&rule.peers, self.cluster.nodes(), other, self.reading);
        let ports = ports::cluster_ports(rule.ports.as_deref(), self.destination);
        let decides = ports.matches.when(selects.min(peers.truth));
        let policy = PolicyRef::Cluster(id);
        let (rule, subject_doubts) = (RuleRef::Cluster(rule), Vec::new());
        RuleTrace {
            policy,
            index,
            rule,
            selects,
            subject_doubts,
            is_opaque: false,
            peers,
            ports,
            decides,
        }
    }

    /// The first text of an object that another tool fills in, if that makes it unknown.
    fn opaque(&self, meta: &ObjectMeta) -> Option<Span> {
        meta.opaque.filter(|_| self.reading.gaps == Gaps::Unknown)
    }

    /// The accepted policies of a tier in the order of evaluation.
    fn order_of(&self, tier: Tier) -> Vec<ClusterPolicyId> {
        let ids = self.cluster.cluster_policy_ids();
        let mut ids: Vec<_> = ids
            .filter(|id| {
                let policy = self.cluster.cluster_policy(*id);
                policy.tier == tier && policy.meta.is_accepted
            })
            .collect();
        if self.reading.priority_ties == PriorityTies::Reversed {
            ids.reverse();
            ids.sort_by_key(|id| self.cluster.cluster_policy(*id).priority.value);
        }
        ids
    }
}
