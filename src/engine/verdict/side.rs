//! One side of a connection: every rule that can matter to it in the order in which the
//! stages of the program are asked, what each of them says, and the verdict that follows.
//!
//! Refuses to know the other side, and to choose which facts are worth telling.

use super::index::{IndexedProgram, IndexedStage};
use super::peers::{self, Miss, PeersTrace, Seen};
use super::ports::{self, PortsTrace};
use super::possibility::{Match, RuleWalk, Verdict};
use crate::cluster::Enforcement;
use crate::engine::program::{Chain, End, PolicyRef, Rule, RuleRef, StageName};
use crate::engine::{Address, AddressRange, ConnectionSet, Endpoint, PodView};
use crate::k8s::{Action, Direction, Truth};

/// With more ranges of addresses than this to try, doubt stays doubt.
const MAX_RANGES: usize = 4096;

/// One side of a connection, judged.
#[derive(Clone, Debug)]
pub struct SideTrace<'c> {
    /// Egress is the source's side, ingress the destination's.
    pub direction: Direction,
    /// What decides about this side at all.
    pub scope: Scope,
    /// The stages with policies whose subject the pod is or may be, in the order in which
    /// they are asked.
    pub stages: Vec<StageTrace<'c>>,
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

/// The policies of a stage that are asked.
#[derive(Clone, Debug)]
pub struct StageTrace<'c> {
    /// Which stage it is.
    pub name: StageName,
    /// They, in the order of evaluation; never empty.
    pub policies: Vec<PolicyTrace<'c>>,
}

/// A policy whose subject the pod is or may be.
#[derive(Clone, Debug)]
pub struct PolicyTrace<'c> {
    /// The policy.
    pub policy: PolicyRef,
    /// Whether it selects the pod; never `False`.
    pub selects: Truth,
    /// The labels on which that depends, where it is not known.
    pub doubts: Vec<Miss<'c>>,
    /// What becomes of what no rule of the stage matches, as far as this policy is asked.
    pub end: End,
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
    /// What it does with what it matches.
    pub action: Action,
    /// Whether its policy selects the pod; never `False`.
    pub selects: Truth,
    /// Whether it may be another rule, because a text in its policy is filled in by
    /// another tool and was left out, or because the policy could not be read.
    pub is_opaque: bool,
    /// How its peers compare with the other end.
    pub peers: PeersTrace<'c>,
    /// What its ports mean at the destination.
    pub ports: PortsTrace<'c>,
    /// What it decides: in a stage where the order counts, what no rule before it decided.
    pub decides: Match,
}

impl<'c> SideTrace<'c> {
    /// The policies of a stage that are asked; none if it has none for the pod.
    #[must_use]
    pub fn policies(&self, name: StageName) -> &[PolicyTrace<'c>] {
        let stage = self.stages.iter().find(|stage| stage.name == name);
        stage.map_or(&[], |stage| &stage.policies)
    }

    /// The policies that isolate the pod for certain among those that are asked together with
    /// NetworkPolicies.
    pub fn isolating(&self) -> impl Iterator<Item = &PolicyTrace<'c>> {
        let names = [StageName::NetworkPolicies, StageName::Isolation];
        let policies = names.into_iter().flat_map(|name| self.policies(name));
        policies.filter(|policy| policy.selects == Truth::True && policy.end == End::Deny)
    }

    /// The rules of a stage that are asked, in the order of evaluation.
    pub fn rules_of(&self, name: StageName) -> impl Iterator<Item = &RuleTrace<'c>> {
        self.policies(name).iter().flat_map(|policy| &policy.rules)
    }

    /// The rules that are asked before the stage of the NetworkPolicies, in the order of
    /// evaluation: deny rules of Cilium, the Admin tier, tiers of Calico.
    pub fn rules_before(&self) -> impl Iterator<Item = &RuleTrace<'c>> {
        let is_later = |stage: &&StageTrace<'c>| {
            !matches!(stage.name, StageName::NetworkPolicies | StageName::Baseline)
        };
        let stages = self.stages.iter().take_while(is_later);
        let policies = stages.flat_map(|stage| &stage.policies);
        policies.flat_map(|policy| &policy.rules)
    }

    /// The rules that are asked after the stage of the NetworkPolicies, in the order of
    /// evaluation: the Baseline tier, tiers of Calico.
    pub fn rules_after(&self) -> impl Iterator<Item = &RuleTrace<'c>> {
        let is_later = |stage: &&StageTrace<'c>| {
            matches!(stage.name, StageName::NetworkPolicies | StageName::Baseline)
        };
        let stages = self.stages.iter().skip_while(move |stage| !is_later(stage));
        let stages = stages.filter(|stage| stage.name != StageName::NetworkPolicies);
        let policies = stages.flat_map(|stage| &stage.policies);
        policies.flat_map(|policy| &policy.rules)
    }

    /// The rules of every stage, in the order of evaluation.
    pub fn rules(&self) -> impl Iterator<Item = &RuleTrace<'c>> {
        let policies = self.stages.iter().flat_map(|stage| &stage.policies);
        policies.flat_map(|policy| &policy.rules)
    }
}

impl RuleTrace<'_> {
    /// Whether somebody wrote it: not that a pod's own node always gets in.
    #[must_use]
    pub fn is_written(&self) -> bool {
        !matches!(self.rule, RuleRef::OwnNode(_))
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
    pub(super) program: &'a IndexedProgram<'c>,
    pub(super) enforcement: &'a Enforcement,
    pub(super) direction: Direction,
    pub(super) other: &'a Endpoint<'c>,
    pub(super) other_address: Address,
    pub(super) destination: &'a Endpoint<'c>,
}

/// A side that no policy decides about: everything is allowed.
pub(super) fn open_side<'c>(direction: Direction, scope: Scope) -> SideTrace<'c> {
    SideTrace {
        direction,
        scope,
        stages: Vec::new(),
        verdict: Verdict::certain(ConnectionSet::all()),
    }
}

/// Asks every policy that can matter to this side of a connection (S11).
pub(super) fn judge_side<'c>(scene: Scene<'_, 'c>, subject: &Endpoint<'c>) -> SideTrace<'c> {
    let Endpoint::Pod(pod) = subject else {
        return open_side(scene.direction, Scope::Outside);
    };
    if pod.host_network {
        return open_side(scene.direction, Scope::HostNetwork);
    }
    let mut side = scene.side(pod);
    if let Some(ranges) = scene.ranges_in_doubt(&side) {
        let verdicts = ranges.into_iter().map(|range| {
            let scene = Scene {
                other_address: Address::Assumed(range),
                ..scene
            };
            scene.side(pod).verdict
        });
        if let Some(verdict) = verdicts.reduce(|one, other| one.either(&other)) {
            side.verdict = verdict;
        }
    }
    side
}

impl<'c> Scene<'_, 'c> {
    fn side(&self, pod: &PodView<'c>) -> SideTrace<'c> {
        let mut stages = Vec::new();
        let mut verdict = Verdict::certain(ConnectionSet::all());
        for stages_of_gate in self.program.gates() {
            let traces = stages_of_gate.map(|stage| self.stage(stage, pod));
            let mut traces: Vec<StageTrace<'c>> = traces.collect();
            // The stages are walked backwards, as each needs the verdict of the next one.
            let of_gate = traces
                .iter_mut()
                .rev()
                .fold(Verdict::certain(ConnectionSet::all()), |next, stage| {
                    stage.verdict(&next)
                });
            verdict = verdict.and(&of_gate);
            traces.retain(|stage| !stage.policies.is_empty());
            stages.extend(traces);
        }
        SideTrace {
            direction: self.direction,
            scope: Scope::Policies,
            stages,
            verdict,
        }
    }

    /// The ranges that the address of the other end may be in, if that is not known and the
    /// verdict may depend on it.
    fn ranges_in_doubt(&self, side: &SideTrace<'_>) -> Option<Vec<AddressRange>> {
        let Address::Unknown { is_ipv4 } = self.other_address else {
            return None;
        };
        if side.verdict.unknown().is_empty() {
            return None;
        }
        let peers = side.rules().flat_map(|rule| &rule.peers.entries);
        let mut misses = peers.flat_map(|entry| &entry.misses);
        let is_doubt = |miss: &Miss<'_>| {
            matches!(
                miss,
                Miss::AddressUnknown(_, Truth::Unknown)
                    | Miss::NotANode(Truth::Unknown)
                    | Miss::AddressOfName
            )
        };
        if !misses.any(is_doubt) {
            return None;
        }
        let cuts: Vec<AddressRange> = self.program.program.ranges().collect();
        let possible = peers::possible_ranges(self.other, self.enforcement, is_ipv4);
        let ranges: Vec<AddressRange> = possible
            .into_iter()
            .flat_map(|range| range.cut(cuts.iter().copied()))
            .collect();
        (ranges.len() <= MAX_RANGES).then_some(ranges)
    }

    fn stage(&self, stage: IndexedStage<'_, 'c>, pod: &PodView<'c>) -> StageTrace<'c> {
        let chains = stage.chains_of(self.direction, pod).into_iter();
        StageTrace {
            name: stage.stage.name,
            policies: chains.filter_map(|chain| self.policy(chain, pod)).collect(),
        }
    }

    /// `None` if the policy does not select the pod, or has nothing to say.
    fn policy(&self, chain: &Chain<'c>, pod: &PodView<'c>) -> Option<PolicyTrace<'c>> {
        if chain.rules.is_empty() && chain.end == End::Next {
            return None;
        }
        let mut selects = peers::truth_of_pods(&chain.subject, pod);
        let doubts = match selects {
            Truth::Unknown => peers::misses_of_pods(&chain.subject, pod),
            Truth::True | Truth::False => Vec::new(),
        };
        if !chain.is_subject_known {
            selects = selects.min(Truth::Unknown);
        }
        if selects == Truth::False {
            return None;
        }
        let rules = chain.rules.iter().map(|rule| {
            let mut trace = self.rule(chain.policy, rule);
            trace.selects = selects;
            trace
        });
        Some(PolicyTrace {
            policy: chain.policy,
            selects,
            end: chain.end,
            rules: rules.collect(),
            doubts,
        })
    }

    fn rule(&self, policy: PolicyRef, rule: &Rule<'c>) -> RuleTrace<'c> {
        let seen = Seen {
            end: self.other,
            address: self.other_address,
            enforcement: self.enforcement,
        };
        let peers = peers::compare(rule.peers.as_deref(), seen);
        let ports = ports::compare(rule.ports.as_deref(), self.destination);
        let decides = if rule.is_opaque {
            Match::anything()
        } else {
            ports.matches.when(peers.truth)
        };
        RuleTrace {
            policy,
            index: rule.origin.index,
            rule: rule.origin.rule,
            action: rule.action,
            selects: Truth::True,
            is_opaque: rule.is_opaque,
            peers,
            ports,
            decides,
        }
    }
}

impl StageTrace<'_> {
    /// The verdict of the stage, given that of what comes after it; notes what each of the
    /// rules decides.
    fn verdict(&mut self, next: &Verdict) -> Verdict {
        if self.policies.is_empty() {
            return next.clone();
        }
        let adds = |rule: &RuleTrace<'_>| rule.action == Action::Accept;
        let isolates =
            |policy: &PolicyTrace<'_>| policy.end == End::Deny && policy.rules.iter().all(adds);
        if self.policies.iter().all(isolates) {
            return self.verdict_of_union(next);
        }
        let mut walk = RuleWalk::new();
        for policy in &mut self.policies {
            for rule in &mut policy.rules {
                let matches = rule.decides.when(policy.selects);
                rule.decides = if rule.is_opaque {
                    let accepts = walk.step(Action::Accept, &matches);
                    accepts.or(&walk.step(Action::Deny, &matches))
                } else {
                    walk.step(rule.action, &matches)
                };
            }
        }
        let ends = self
            .policies
            .iter()
            .filter(|policy| policy.end == End::Deny);
        let denied = Verdict::certain(ConnectionSet::none());
        let rest = match ends.map(|policy| policy.selects).max() {
            None | Some(Truth::False) => next.clone(),
            Some(Truth::Unknown) => next.either(&denied),
            Some(Truth::True) => denied,
        };
        walk.finish(next, &rest)
    }

    /// The verdict of policies that allow, and deny the rest of what their subjects do (S5).
    fn verdict_of_union(&self, next: &Verdict) -> Verdict {
        let none = || Match::exactly(ConnectionSet::none());
        let matches_of = |policy: &PolicyTrace<'_>| {
            let rules = policy.rules.iter();
            rules.fold(none(), |all, rule| all.or(&rule.decides))
        };
        let policies = self.policies.iter();
        if policies.clone().any(|policy| policy.selects == Truth::True) {
            let matches = policies.map(|policy| matches_of(policy).when(policy.selects));
            return matches
                .fold(none(), |all, matches| all.or(&matches))
                .allows();
        }
        // Nobody knows whether one of them isolates the pod. If several do, they allow more
        // than each alone, so that the cases of none and of each one are all that count.
        policies.fold(next.clone(), |verdict, policy| {
            verdict.either(&matches_of(policy).allows())
        })
    }
}
