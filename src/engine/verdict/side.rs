//! One side of a connection: every rule that can matter to it in the order in which the
//! stages of the program are asked, what each of them says, and the verdict that follows.
//!
//! Refuses to know the other side, and to choose which facts are worth telling.

use super::index::{IndexedChain, IndexedProgram, IndexedStage, MIN_SIZE};
use super::peers::{self, Miss, PeersTrace, Seen};
use super::ports::{self, PortsTrace};
use super::possibility::{Match, Verdict};
use super::stage::verdict_of_gate;
use crate::cluster::Enforcement;
use crate::engine::program::{Chain, End, PolicyRef, Rule, RuleRef, StageName};
use crate::engine::{Address, AddressRange, ConnectionSet, Endpoint, PodView};
use crate::k8s::{Action, Direction, Truth};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};

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
    /// Whether its place among the others is known.
    pub is_placed: bool,
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
    /// Its rules of this direction, in the order of the text; see [`Detail`].
    pub rules: Vec<RuleTrace<'c>>,
    /// Whether it has any rules of this direction that somebody wrote.
    pub has_rules: bool,
    /// Whether all of its rules of this direction accept.
    pub(super) only_accepts: bool,
    /// Where it is not known whether the policy selects the pod: a number that it shares with
    /// those of the stage alone that do so if it does.
    pub(super) subject: Option<u32>,
}

/// How much of what rules say is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Detail {
    /// What every rule says.
    All,
    /// What those say of which a peer matches the other end, or may do so: the verdict and what
    /// decides about it are the same.
    Deciding,
    /// What those say that have no peers, so that they are about everybody.
    Anybody,
}

/// The chains that decide about one side of all connections of a pod.
#[derive(Clone, Debug)]
pub(super) struct Selection {
    scope: Scope,
    /// By gate and stage, in the order of evaluation.
    pub(super) gates: Vec<Vec<Vec<SelectedChain>>>,
    /// Those of them that have rules, in the same order.
    with_rules: Vec<ChainPlace>,
    /// How much was compared to find them.
    pub(super) work: usize,
    /// How much is compared for any other end.
    pub(super) least_work: usize,
}

/// The chains of a [`Selection`], each by its stage, its place there and whether it is certain.
pub(super) type Selected = (Scope, Vec<(usize, u32, Truth)>);

/// A selected chain by its gate, its stage there and its position in that.
type ChainPlace = [usize; 3];

/// What the rules of some chains say, in the order of evaluation.
type Said<'c> = Vec<(ChainPlace, Vec<RuleTrace<'c>>)>;

/// A chain whose subject a pod is or may be.
#[derive(Clone, Debug)]
pub(super) struct SelectedChain {
    /// Its place in its stage.
    pub(super) place: u32,
    pub(super) selects: Truth,
}

impl Selection {
    /// Those that are asked about a direction of the connections of an end.
    pub(super) fn new<'c>(
        program: &IndexedProgram<'c>,
        direction: Direction,
        subject: &Endpoint<'c>,
    ) -> Self {
        let mut with_rules = Vec::new();
        let (mut work, mut least_work) = (1, 0);
        let (scope, gates): (_, Vec<Vec<Vec<SelectedChain>>>) = match subject {
            Endpoint::Pod(pod) => {
                let mut of_stage = |gate, at, stage: IndexedStage<'_, 'c>| {
                    let mut chains = Vec::new();
                    for place in stage.places_of(direction, pod) {
                        let indexed = stage.chain(direction, place);
                        let chain = indexed.chain;
                        work += indexed.size;
                        let Some(selected) = SelectedChain::new(place, chain, pod) else {
                            continue;
                        };
                        if !chain.rules.is_empty() {
                            with_rules.push([gate, at, chains.len()]);
                            least_work += indexed.least_work();
                        }
                        chains.push(selected);
                    }
                    chains
                };
                let gates = program.gates().enumerate().map(|(gate, stages)| {
                    let stages = stages.enumerate();
                    stages
                        .map(|(at, stage)| of_stage(gate, at, stage))
                        .collect()
                });
                let gates: Vec<Vec<Vec<SelectedChain>>> = gates.collect();
                let is_selected = gates.iter().flatten().any(|chains| !chains.is_empty());
                match pod.host_network && !is_selected {
                    true => (Scope::HostNetwork, Vec::new()),
                    false => (Scope::Policies, gates),
                }
            }
            _ => (Scope::Outside, Vec::new()),
        };
        Self {
            scope,
            gates,
            with_rules,
            work,
            least_work,
        }
    }
}

impl Selection {
    pub(super) fn selected(&self) -> Selected {
        let stages = self.gates.iter().flatten().enumerate();
        let chains = stages.flat_map(|(stage, chains)| {
            let chains = chains.iter();
            chains.map(move |chain| (stage, chain.place, chain.selects))
        });
        (self.scope, chains.collect())
    }
}

impl SelectedChain {
    /// `None` if the policy does not select the pod, or has nothing to say.
    fn new<'c>(place: u32, chain: &Chain<'c>, pod: &PodView<'c>) -> Option<Self> {
        if chain.rules.is_empty() && chain.end == End::Next {
            return None;
        }
        let mut selects = peers::truth_of_pods(&chain.subject, pod);
        if !chain.is_subject_known {
            selects = selects.min(Truth::Unknown);
        }
        (selects != Truth::False).then_some(Self { place, selects })
    }

    /// What leaves in doubt whether the policy selects the pod. There may be as many as policies
    /// for each pod, so that they are not kept.
    pub(super) fn doubts<'c>(&self, chain: &Chain<'c>, pod: &PodView<'c>) -> Vec<Miss<'c>> {
        match self.selects {
            Truth::Unknown => peers::misses_of_pods(&chain.subject, pod),
            Truth::True | Truth::False => Vec::new(),
        }
    }
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
        is_written(self.rule)
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

/// The end whose side is judged, the other end of the connection, and the destination, whose
/// ports are meant.
#[derive(Clone, Copy)]
pub(super) struct Scene<'a, 'c> {
    pub(super) program: &'a IndexedProgram<'c>,
    pub(super) enforcement: &'a Enforcement,
    pub(super) direction: Direction,
    pub(super) subject: &'a Endpoint<'c>,
    pub(super) other: &'a Endpoint<'c>,
    pub(super) other_address: Address,
    pub(super) destination: &'a Endpoint<'c>,
    pub(super) detail: Detail,
    /// Counts what is compared.
    pub(super) work: &'a AtomicUsize,
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

/// Asks every policy that can matter to this side of a connection (S11). `silent` is the side
/// where no rule says anything, for whichever other end; it is worked out once.
pub(super) fn judge_side<'c>(
    scene: Scene<'_, 'c>,
    selection: &Selection,
    silent: &OnceLock<Arc<SideTrace<'c>>>,
) -> Arc<SideTrace<'c>> {
    if selection.scope != Scope::Policies {
        let side = || Arc::new(open_side(scene.direction, selection.scope));
        return Arc::clone(silent.get_or_init(side));
    }
    let said = scene.said(selection);
    if said.is_empty() {
        let side = || Arc::new(scene.side(selection, said));
        return Arc::clone(silent.get_or_init(side));
    }
    let mut side = scene.side(selection, said);
    if let Some(ranges) = scene.ranges_in_doubt(&side, selection) {
        let verdicts = ranges.into_iter().map(|range| {
            let scene = Scene {
                other_address: Address::Assumed(range),
                detail: Detail::Deciding,
                ..scene
            };
            scene.side(selection, scene.said(selection)).verdict
        });
        if let Some(verdict) = verdicts.reduce(|one, other| one.either(&other)) {
            side.verdict = verdict;
        }
    }
    Arc::new(side)
}

impl<'a, 'c> Scene<'a, 'c> {
    /// What the rules say, of the chains of which one says something.
    fn said(&self, selection: &Selection) -> Said<'c> {
        let mut said = Said::new();
        let mut work = MIN_SIZE;
        let mut places = selection.with_rules.iter().peekable();
        for (gate, stages) in self.program.gates().enumerate() {
            for (at, stage) in stages.enumerate() {
                while let Some(place) = places.next_if(|place| place[..2] == [gate, at]) {
                    let selected = &selection.gates[gate][at][place[2]];
                    let chain = stage.chain(self.direction, selected.place);
                    let (rules, compared) = self.rules(chain, selected);
                    work += compared;
                    if !rules.is_empty() {
                        said.push((*place, rules));
                    }
                }
            }
        }
        self.work.fetch_add(work, Ordering::Relaxed);
        said
    }

    /// The whole side, where the rules say this.
    fn side(&self, selection: &Selection, said: Said<'c>) -> SideTrace<'c> {
        let chains: usize = selection.gates.iter().flatten().map(Vec::len).sum();
        self.work.fetch_add(chains * MIN_SIZE, Ordering::Relaxed);
        let mut said = said.into_iter().peekable();
        let mut stages = Vec::new();
        let mut verdict = Verdict::certain(ConnectionSet::all());
        let gates = self.program.gates().zip(&selection.gates);
        for (gate, (stages_of_gate, selected)) in gates.enumerate() {
            let traces = stages_of_gate.zip(selected).enumerate();
            let traces = traces.map(|(at, (stage, selected))| {
                let mut said_of = |position| {
                    let is_meant = |(place, _): &(ChainPlace, _)| *place == [gate, at, position];
                    said.next_if(is_meant)
                        .map_or_else(Vec::new, |(_, rules)| rules)
                };
                self.stage(stage, selected, &mut said_of)
            });
            let mut traces: Vec<StageTrace<'c>> = traces.collect();
            verdict = verdict.and(&verdict_of_gate(&mut traces));
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
    fn ranges_in_doubt(
        &self,
        side: &SideTrace<'_>,
        selection: &Selection,
    ) -> Option<Vec<AddressRange>> {
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
                Miss::AddressUnknown(_, Truth::Unknown, _)
                    | Miss::NotANode(Truth::Unknown)
                    | Miss::AddressOfName
            )
        };
        if !misses.any(is_doubt) {
            return None;
        }
        let chains = selection.chains(self.program, self.direction);
        let rules = chains.flat_map(|chain| &chain.rules);
        let peers = rules.flat_map(|rule| rule.peers.iter().flatten());
        let cuts: Vec<AddressRange> = peers.flat_map(|peer| peer.matcher.cuts()).collect();
        let possible = peers::possible_ranges(self.other, self.enforcement, is_ipv4);
        let ranges: Vec<AddressRange> = possible
            .into_iter()
            .flat_map(|range| range.cut(cuts.iter().copied()))
            .collect();
        (ranges.len() <= MAX_RANGES).then_some(ranges)
    }

    /// A stage; `said` by position in it is what the rules of a chain say.
    fn stage(
        &self,
        stage: IndexedStage<'_, 'c>,
        selected: &[SelectedChain],
        said: &mut dyn FnMut(usize) -> Vec<RuleTrace<'c>>,
    ) -> StageTrace<'c> {
        let policies = selected.iter().enumerate().map(|(position, selected)| {
            let IndexedChain {
                chain,
                only_accepts,
                ..
            } = stage.chain(self.direction, selected.place);
            PolicyTrace {
                policy: chain.policy,
                selects: selected.selects,
                end: chain.end,
                rules: said(position),
                doubts: (self.subject.pod())
                    .map_or_else(Vec::new, |pod| selected.doubts(chain, pod)),
                has_rules: chain.rules.iter().any(|rule| is_written(rule.origin.rule)),
                only_accepts,
                subject: (selected.selects == Truth::Unknown)
                    .then(|| stage.subject(self.direction, selected.place)),
            }
        });
        StageTrace {
            name: stage.stage.name,
            is_placed: stage.stage.is_placed,
            policies: policies.collect(),
        }
    }

    /// What the rules of a chain say, and how much was compared.
    fn rules(
        &self,
        indexed: IndexedChain<'_, 'c>,
        selected: &SelectedChain,
    ) -> (Vec<RuleTrace<'c>>, usize) {
        let places: Vec<u32> = match self.detail {
            Detail::All => (0..indexed.chain.rules.len() as u32).collect(),
            Detail::Anybody => indexed.rules_about_anybody(),
            Detail::Deciding => indexed.rules_about(self.other, self.other_address),
        };
        let mut work = 1;
        let mut traces = Vec::new();
        for place in places {
            let place = place as usize;
            work += indexed.rule_sizes[place];
            let rule = &indexed.chain.rules[place];
            if let Some(mut trace) = self.rule(indexed.chain.policy, rule) {
                trace.selects = selected.selects;
                traces.push(trace);
            }
        }
        (traces, work)
    }

    /// `None` if that is not asked for; see [`Detail`].
    fn rule(&self, policy: PolicyRef, rule: &Rule<'c>) -> Option<RuleTrace<'c>> {
        if self.detail == Detail::Anybody && rule.peers.is_some() {
            return None;
        }
        let seen = Seen {
            end: self.other,
            address: self.other_address,
            enforcement: self.enforcement,
        };
        let peers = peers::compare(rule.peers.as_deref(), seen);
        let matters = rule.is_opaque || peers.truth != Truth::False;
        if self.detail == Detail::Deciding && !matters {
            return None;
        }
        let ports = ports::compare(rule.ports.as_ref(), self.destination);
        let decides = if rule.is_opaque {
            Match::anything()
        } else {
            ports.matches.when(peers.truth)
        };
        Some(RuleTrace {
            policy,
            index: rule.origin.index,
            rule: rule.origin.rule,
            action: rule.action,
            selects: Truth::True,
            is_opaque: rule.is_opaque,
            peers,
            ports,
            decides,
        })
    }
}

/// Whether somebody wrote a rule: not that a pod's own node always gets in.
fn is_written(rule: RuleRef<'_>) -> bool {
    !matches!(rule, RuleRef::OwnNode(_))
}
