//! The chains of a program by a label that their subjects ask for, and the rules of a long chain
//! by a label that their peers ask for, so that the question which of them are about a pod does
//! not go to all.
//!
//! Only leaves out what is certainly not about a pod. Refuses to decide what is.

use super::subjects;
use crate::engine::program::{
    Block, ByDirection, Chain, Matcher, NamespaceSet, Peer, PodSet, Program, Rule, Stage,
};
use crate::engine::stretches::Stretches;
use crate::engine::{Address, AddressRange, Endpoint, HashMap, PodView};
use crate::k8s::{Action, Controller, Direction, LabelSelector, Labels};
use std::collections::BTreeSet;
use std::net::IpAddr;
use std::sync::OnceLock;

/// A program, and an index of each of its stages.
#[derive(Debug)]
pub(super) struct IndexedProgram<'c> {
    pub(super) program: Program<'c>,
    /// By gate and stage.
    gates: Vec<Vec<ByDirection<Index>>>,
    /// What the peers of the rules ask of labels.
    pub(super) peer_keys: ByDirection<PeerKeys<'c>>,
}

/// What peers may ask of the labels of pods.
#[derive(Debug, Default)]
pub(super) struct PeerKeys<'c> {
    /// The keys that they ask for.
    pub(super) labels: BTreeSet<&'c str>,
    /// Whether they may ask for any, and for service accounts.
    pub(super) sees_everything: bool,
}

impl PeerKeys<'_> {
    /// Whether peers may ask for labels that controllers add.
    pub(super) fn see_controllers(&self) -> bool {
        self.sees_everything || self.labels.iter().any(|key| Controller::may_add(key))
    }
}

impl<'c> PeerKeys<'c> {
    fn of(program: &Program<'c>, direction: Direction) -> Self {
        let mut keys = Self::default();
        let chains = program
            .stages()
            .flat_map(|stage| stage.chains.get(direction));
        let rules = chains.flat_map(|chain| &chain.rules);
        for peer in rules.flat_map(|rule| rule.peers.iter().flatten()) {
            match &peer.matcher {
                Matcher::Pods(pods) if pods.condition.is_none() => {
                    if let Some(selector) = pods.pods {
                        let labels = selector.match_labels.iter().map(|it| &it.key);
                        let entries = selector.match_expressions.iter().map(|it| &it.key);
                        let asked = labels.chain(entries).map(|key| key.value.as_str());
                        keys.labels.extend(asked);
                    }
                }
                Matcher::Pods(_) | Matcher::Condition(_) | Matcher::BlockOfNoPods(..) => {
                    keys.sees_everything = true;
                }
                Matcher::Blocks(_)
                | Matcher::Nodes(_)
                | Matcher::DomainNames
                | Matcher::Untold(_)
                | Matcher::Outside(_)
                | Matcher::Entities(_) => {}
            }
        }
        keys
    }

    pub(super) fn add(&mut self, other: &Self) {
        self.labels.extend(&other.labels);
        self.sees_everything |= other.sees_everything;
    }
}

/// A stage of an indexed program.
#[derive(Clone, Copy)]
pub(super) struct IndexedStage<'a, 'c> {
    pub(super) stage: &'a Stage<'c>,
    index: &'a ByDirection<Index>,
}

/// The chains of a direction, by their places.
#[derive(Debug, Default)]
struct Index {
    /// Those of pods with one of these labels.
    by_label: LabelIndex,
    /// Those of pods in namespaces with one of these labels.
    by_namespace_label: LabelIndex,
    /// Those of which no label tells whether they are about a pod.
    others: Vec<u32>,
    /// By chain: its rules, where they or their peers are many.
    rules: Vec<Option<RuleIndex>>,
    /// By chain: whether all of its rules accept.
    only_accept: Vec<bool>,
    /// By chain: how much is compared for its subject.
    sizes: Vec<usize>,
    /// By chain and rule: how much is compared for the rule.
    rule_sizes: Vec<Vec<usize>>,
    /// By chain: see [`subjects::numbers`]; made on the first question.
    subjects: OnceLock<Vec<u32>>,
}

/// Places by labels.
#[derive(Debug, Default)]
struct LabelIndex(HashMap<String, HashMap<String, Vec<u32>>>);

impl LabelIndex {
    /// Adds a place; they come in order, and one may come again.
    fn add(&mut self, (key, value): (&str, &str), place: u32) {
        let by_value = self.0.entry(key.to_owned()).or_default();
        let places = by_value.entry(value.to_owned()).or_default();
        if places.last() != Some(&place) {
            places.push(place);
        }
    }

    fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The places of each of the labels.
    fn places(&self, labels: &Labels) -> impl Iterator<Item = u32> {
        let found = labels.iter().filter_map(|label| {
            let by_value = self.0.get(label.key.as_str())?;
            by_value.get(label.value.as_str())
        });
        found.flatten().copied()
    }
}

/// Labels of which an end must have one to match a peer; `None` if there are none such.
fn labels_of_peer<'p>(peer: &'p Peer<'_>) -> Option<Vec<(&'p str, &'p str)>> {
    match &peer.matcher {
        Matcher::Pods(pods) => pods.asked_for(),
        Matcher::Condition(condition) => condition.asked_for(),
        _ => None,
    }
}

/// The blocks of which an end must have an address in one to match a peer; `None` if other ends
/// match it.
fn blocks_of_peer<'p, 'c>(peer: &'p Peer<'c>) -> Option<&'p [Block<'c>]> {
    match &peer.matcher {
        Matcher::Blocks(blocks) => Some(blocks),
        _ => None,
    }
}

/// From so many peers on, looking up the rules is cheaper than asking each.
const MIN_PEERS: usize = 8;

/// The rules of a chain, by their places.
#[derive(Debug, Default)]
struct RuleIndex {
    /// Those that pods with one of these labels match.
    by_label: LabelIndex,
    /// Those that some addresses match. A rule may be here and among those by labels; no other
    /// end matches it then.
    by_address: AddressIndex,
    /// Those that others may match.
    others: Vec<u32>,
}

/// Rules by the addresses of their blocks.
#[derive(Debug, Default)]
struct AddressIndex {
    /// All of them, in order.
    all: Vec<u32>,
    /// Where a block begins, or ends: the first addresses of pieces, in order, each as long as
    /// the next one begins.
    starts: Vec<IpAddr>,
    /// By piece; `None` if there are no blocks.
    rules: Option<Stretches>,
}

impl AddressIndex {
    /// Rules with their blocks, in order.
    fn new(blocks: &[(AddressRange, u32)]) -> Self {
        let mut all: Vec<u32> = blocks.iter().map(|(_, rule)| *rule).collect();
        all.dedup();
        let starts = blocks
            .iter()
            .flat_map(|(range, _)| [Some(range.first), range.behind()]);
        let mut starts: Vec<IpAddr> = starts.flatten().collect();
        starts.sort_unstable();
        starts.dedup();
        let mut rules = Stretches::new(starts.len());
        let place = |start: &IpAddr| starts.partition_point(|it| it < start);
        for (range, rule) in blocks {
            let end = range.behind().as_ref().map_or(starts.len(), place);
            rules.add(place(&range.first)..end, *rule);
        }
        Self {
            all,
            rules: Some(rules).filter(|_| !blocks.is_empty()),
            starts,
        }
    }

    /// The rules of which a block may hold an address of an end, in no particular order, maybe
    /// more than once.
    fn about(&self, address: Address) -> Vec<u32> {
        let (Some(rules), Some(range)) = (&self.rules, address.range()) else {
            return self.all.clone();
        };
        // What stands before every start is in no block.
        let first = self.starts.partition_point(|start| *start <= range.first);
        let end = self.starts.partition_point(|start| *start <= range.last);
        let pieces = first.saturating_sub(1)..end;
        match pieces.len() {
            // Most ranges are such that no block tells their addresses apart.
            0..=MAX_PIECES => pieces.flat_map(|piece| rules.at(piece)).collect(),
            _ => self.all.clone(),
        }
    }
}

/// A range that is cut into more pieces than this is about most of the rules.
const MAX_PIECES: usize = 8;

/// A chain of an indexed program.
#[derive(Clone, Copy)]
pub(super) struct IndexedChain<'a, 'c> {
    pub(super) chain: &'a Chain<'c>,
    rules: Option<&'a RuleIndex>,
    /// Whether all of its rules accept.
    pub(super) only_accepts: bool,
    /// How much is compared for its subject.
    pub(super) size: usize,
    /// How much is compared for each of its rules.
    pub(super) rule_sizes: &'a [usize],
}

impl IndexedChain<'_, '_> {
    /// How much is compared for the rules that no index leaves out for any other end.
    pub(super) fn least_work(&self) -> usize {
        let sizes = self.rule_sizes;
        match self.rules {
            Some(index) => index.others.iter().map(|it| sizes[*it as usize]).sum(),
            None => sizes.iter().sum(),
        }
    }
}

impl<'c> IndexedProgram<'c> {
    pub(super) fn new(program: Program<'c>) -> Self {
        let of_stage = |stage: &Stage<'c>| {
            ByDirection::new(|direction| Index::new(stage.chains.get(direction)))
        };
        let gates = program.gates.iter();
        let gates = gates.map(|gate| gate.stages.iter().map(of_stage).collect());
        Self {
            gates: gates.collect(),
            peer_keys: ByDirection::new(|direction| PeerKeys::of(&program, direction)),
            program,
        }
    }

    /// The stages of every gate.
    pub(super) fn gates(
        &self,
    ) -> impl Iterator<Item = impl DoubleEndedIterator<Item = IndexedStage<'_, 'c>>> {
        let gates = self.program.gates.iter().zip(&self.gates);
        gates.map(|(gate, indexes)| {
            let stages = gate.stages.iter().zip(indexes);
            stages.map(|(stage, index)| IndexedStage { stage, index })
        })
    }
}

impl<'a, 'c> IndexedStage<'a, 'c> {
    /// The places of the chains that may have the pod as their subject, in the order of
    /// evaluation, maybe among others.
    pub(super) fn places_of(self, direction: Direction, pod: &PodView<'_>) -> Vec<u32> {
        let all = || (0..self.stage.chains.get(direction).len() as u32).collect();
        self.index.get(direction).places(pod).unwrap_or_else(all)
    }

    /// A number that the chain at a place shares with those alone that select the same pods.
    pub(super) fn subject(self, direction: Direction, place: u32) -> u32 {
        let chains = self.stage.chains.get(direction);
        let subjects = &self.index.get(direction).subjects;
        subjects.get_or_init(|| subjects::numbers(chains))[place as usize]
    }

    /// The chain at a place.
    pub(super) fn chain(self, direction: Direction, place: u32) -> IndexedChain<'a, 'c> {
        let place = place as usize;
        IndexedChain {
            chain: &self.stage.chains.get(direction)[place],
            rules: self.index.get(direction).rules[place].as_ref(),
            only_accepts: self.index.get(direction).only_accept[place],
            size: self.index.get(direction).sizes[place],
            rule_sizes: &self.index.get(direction).rule_sizes[place],
        }
    }
}

impl<'a, 'c> IndexedChain<'a, 'c> {
    /// The places of the rules of which a peer may match the end at an address of its, in order,
    /// maybe among others.
    pub(super) fn rules_about(self, end: &Endpoint<'_>, address: Address) -> Vec<u32> {
        let all = || (0..self.chain.rules.len() as u32).collect();
        let about = self.rules.and_then(|index| index.places(end, address));
        about.unwrap_or_else(all)
    }
}

impl IndexedChain<'_, '_> {
    /// The places of the rules without peers, in order, maybe among others.
    pub(super) fn rules_about_anybody(self) -> Vec<u32> {
        let all = || (0..self.chain.rules.len() as u32).collect();
        self.rules.map_or_else(all, |index| index.others.clone())
    }
}

impl RuleIndex {
    fn new(rules: &[Rule<'_>]) -> Option<Self> {
        let peers_of = |rule: &Rule<'_>| rule.peers.as_ref().map_or(1, |peers| peers.len().max(1));
        if rules.iter().map(peers_of).sum::<usize>() < MIN_PEERS {
            return None;
        }
        let mut index = Self::default();
        let mut blocks = Vec::new();
        for (place, rule) in (0..).zip(rules) {
            let peers = rule.peers.as_deref().filter(|_| !rule.is_opaque);
            let is_looked_up =
                |peer: &Peer<'_>| blocks_of_peer(peer).is_some() || labels_of_peer(peer).is_some();
            let Some(peers) = peers.filter(|peers| peers.iter().all(is_looked_up)) else {
                index.others.push(place);
                continue;
            };
            for label in peers.iter().filter_map(labels_of_peer).flatten() {
                index.by_label.add(label, place);
            }
            for block in peers.iter().filter_map(blocks_of_peer).flatten() {
                blocks.push((AddressRange::from(block.cidr.value), place));
            }
        }
        index.by_address = AddressIndex::new(&blocks);
        Some(index)
    }

    /// The places of the rules that may be about an end, in order; `None` if any of them may.
    fn places(&self, end: &Endpoint<'_>, address: Address) -> Option<Vec<u32>> {
        let mut places = self.by_address.about(address);
        places.extend(&self.others);
        if let Some(pod) = end.pod() {
            let is_plain = !pod.host_network && pod.is_host_network_known;
            if !is_plain || !pod.are_labels_known || pod.labels.have_gaps() {
                return None;
            }
            places.extend(self.by_label.places(pod.labels));
        }
        places.sort_unstable();
        places.dedup();
        Some(places)
    }
}

impl Index {
    fn new(chains: &[Chain<'_>]) -> Self {
        let mut index = Self {
            rules: chains
                .iter()
                .map(|chain| RuleIndex::new(&chain.rules))
                .collect(),
            only_accept: chains.iter().map(only_accepts).collect(),
            sizes: chains.iter().map(|it| size_of_pods(&it.subject)).collect(),
            rule_sizes: chains.iter().map(rule_sizes).collect(),
            ..Self::default()
        };
        for (place, chain) in (0..).zip(chains) {
            let subject = &chain.subject;
            let by_label = subject
                .asked_for()
                .map(|labels| (&mut index.by_label, labels));
            let (map, labels) = match by_label {
                Some(found) => found,
                None => match subject.asked_of_namespaces() {
                    Some(labels) => (&mut index.by_namespace_label, labels),
                    None => {
                        index.others.push(place);
                        continue;
                    }
                },
            };
            for label in labels {
                map.add(label, place);
            }
        }
        index
    }

    /// The places of the chains that may be about a pod, in order; `None` if any of them may.
    fn places(&self, pod: &PodView<'_>) -> Option<Vec<u32>> {
        let mut places = self.others.clone();
        for (map, labels, are_known) in [
            (&self.by_label, pod.labels, pod.are_labels_known),
            (
                &self.by_namespace_label,
                pod.namespace.labels,
                pod.namespace.are_labels_known,
            ),
        ] {
            if map.is_empty() {
                continue;
            }
            if !are_known || labels.have_gaps() {
                return None;
            }
            places.extend(map.places(labels));
        }
        places.sort_unstable();
        places.dedup();
        Some(places)
    }
}

/// How much is compared for each rule of a chain: a peer's requirements and their values, and
/// ports.
fn rule_sizes(chain: &Chain<'_>) -> Vec<usize> {
    let of_peer = |peer: &Peer<'_>| match &peer.matcher {
        Matcher::Pods(pods) => size_of_pods(pods),
        Matcher::Blocks(blocks) => MIN_SIZE + blocks.len(),
        Matcher::Outside(ranges) | Matcher::Untold(ranges) => MIN_SIZE + ranges.len(),
        _ => MIN_SIZE,
    };
    let of_rule = |rule: &Rule<'_>| {
        let peers = rule.peers.iter().flatten().map(of_peer);
        MIN_SIZE + peers.sum::<usize>() + rule.ports.as_deref().map_or(0, <[_]>::len)
    };
    chain.rules.iter().map(of_rule).collect()
}

/// How much is compared for a chain, a rule or a peer in any case, in values of a selector.
pub(super) const MIN_SIZE: usize = 8;

fn size_of_pods(pods: &PodSet<'_>) -> usize {
    let of_selector = |selector: &LabelSelector| {
        let expressions = selector.match_expressions.iter();
        let values: usize = expressions.map(|it| 1 + it.values.len()).sum();
        selector.match_labels.len() + values
    };
    let namespaces = match pods.namespaces {
        NamespaceSet::Matching(selector) => of_selector(selector),
        NamespaceSet::All | NamespaceSet::One(_) => 0,
    };
    MIN_SIZE + namespaces + pods.pods.map_or(0, of_selector)
}

fn only_accepts(chain: &Chain<'_>) -> bool {
    let mut rules = chain.rules.iter();
    rules.all(|rule| rule.action == Action::Accept)
}
