//! The program of a cluster as it is worked out for all pairs at once: selectors in
//! features, ports as canonical sets and names, equal parts once.
//!
//! Refuses to know which workloads there are, and the fields of any policy.

use super::HashMap;
use super::addresses::{AddressRange, merge_ranges};
use super::labels::{FeatureId, Features, Selector};
use super::left_open::LeftOpen;
use super::ports::ConnectionSet;
use super::program::condition::Condition;
use super::program::identity::Entity;
use super::program::{
    self, ByDirection, Chain, End, HostNetwork, NamespaceSet, PodSet, PolicyRef, Program,
};
use crate::cluster::{Cluster, NamespaceId};
use crate::k8s::{Action, Controller, Direction, LabelSelector, Protocol, is_opaque};
use std::hash::Hash;

/// A distinct [`Selector`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct SelectorId(pub(super) u32);

/// A distinct [`Matcher`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct MatcherId(pub(super) u32);

/// A distinct [`Ports`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct PortsId(pub(super) u32);

/// A port name that a policy mentions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct NameId(pub(super) u32);

/// A [`Unit`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct UnitId(pub(super) u32);

/// Something that pods or addresses match: a subject or a peer.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum Matcher<'c> {
    /// Pods by their labels.
    Pods {
        namespaces: Namespaces,
        pods: SelectorId,
        host_network: HostNetwork,
        condition: Option<Condition<'c>>,
    },
    /// Whoever has an address in one of the ranges: sorted, disjoint.
    Addresses(Vec<AddressRange>),
    /// Addresses outside, and nobody in the cluster.
    Outside(Vec<AddressRange>),
    /// Perhaps these addresses outside, perhaps some of them or none.
    Untold(Vec<AddressRange>),
    /// Ends that are neither pods nor outside.
    Entities(Vec<Entity>),
    /// Whoever meets a condition.
    Condition(Condition<'c>),
}

/// The namespaces of a [`Matcher`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Namespaces {
    All,
    One(NamespaceId),
    Matching(SelectorId),
}

/// Ports as a rule writes them; the names mean something only at a destination (S7).
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct Ports {
    pub(super) numbers: ConnectionSet,
    /// A name, and the protocol that its port must have, `None` for any.
    pub(super) names: Vec<(NameId, Option<Protocol>)>,
    /// What it does not match all the same.
    pub(super) without: ConnectionSet,
    /// The same by name.
    pub(super) without_names: Vec<(NameId, Option<Protocol>)>,
    /// Whether it may be any other port as well.
    pub(super) is_opaque: bool,
}

/// A rule of any policy.
#[derive(Debug)]
pub(super) struct Rule {
    /// Whom it is about: whoever matches one of these; `None` is everybody.
    pub(super) peers: Option<Vec<MatcherId>>,
    pub(super) ports: PortsId,
    pub(super) action: Action,
    /// Whether it may match anything, and do anything with it.
    pub(super) is_opaque: bool,
}

/// Chains of one stage that are worked out together: all with one subject where the order
/// does not matter, else a single one.
#[derive(Debug)]
pub(super) struct Unit {
    pub(super) stage: usize,
    pub(super) subject: MatcherId,
    pub(super) is_subject_known: bool,
    pub(super) policies: Vec<PolicyRef>,
    pub(super) rules: Vec<Rule>,
    pub(super) end: End,
}

/// The units of one direction.
#[derive(Debug, Default)]
pub(super) struct Units {
    pub(super) units: Vec<Unit>,
}

/// How the rules of a stage are worked out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum StageKind {
    /// All of them do the same, so that their order does not matter.
    Uniform(Action),
    /// One after the other.
    Ordered,
}

/// Where a stage stands.
#[derive(Debug)]
pub(super) struct Stage {
    pub(super) gate: usize,
    pub(super) name: program::StageName,
    pub(super) is_placed: bool,
    pub(super) kind: ByDirection<StageKind>,
}

/// All policies of a cluster.
#[derive(Debug)]
pub(super) struct Compiled<'c> {
    pub(super) features: Features<'c>,
    pub(super) names: HashMap<&'c str, NameId>,
    pub(super) selectors: Table<Selector>,
    /// By selector: one that says so.
    pub(super) written: Vec<Option<&'c LabelSelector>>,
    pub(super) matchers: Table<Matcher<'c>>,
    pub(super) ports: Table<Ports>,
    pub(super) stages: Vec<Stage>,
    pub(super) units: ByDirection<Units>,
    /// By policy: its subject.
    pub(super) subjects: HashMap<PolicyRef, MatcherId>,
    /// Every range whose ends matter.
    pub(super) ranges: Vec<AddressRange>,
    pub(super) left_open: LeftOpen,
}

/// Distinct values, numbered in the order in which they came.
#[derive(Debug)]
pub(super) struct Table<T> {
    values: Vec<T>,
    ids: HashMap<T, u32>,
}

impl<T: Clone + Eq + Hash> Table<T> {
    pub(super) fn new() -> Self {
        Self {
            values: Vec::new(),
            ids: HashMap::default(),
        }
    }

    pub(super) fn intern(&mut self, value: T) -> u32 {
        *self.ids.entry(value).or_insert_with_key(|value| {
            self.values.push(value.clone());
            self.values.len() as u32 - 1
        })
    }

    /// The number of a value, if it is in the table.
    pub(super) fn find(&self, value: &T) -> Option<u32> {
        self.ids.get(value).copied()
    }

    /// The values by their numbers.
    pub(super) fn values(&self) -> &[T] {
        &self.values
    }
}

impl<'c> Compiled<'c> {
    /// Compiles every policy of a cluster.
    pub(super) fn new(cluster: &'c Cluster, left_open: LeftOpen) -> Self {
        let program = Program::new(cluster);
        let mut compiled = Self {
            features: Features::default(),
            names: HashMap::default(),
            selectors: Table::new(),
            written: Vec::new(),
            matchers: Table::new(),
            ports: Table::new(),
            stages: Vec::new(),
            units: ByDirection::default(),
            subjects: HashMap::default(),
            ranges: Vec::new(),
            left_open,
        };
        for (gate, stages) in program.gates.into_iter().enumerate() {
            for stage in stages.stages {
                let kind = ByDirection::new(|direction| kind_of(stage.chains.get(direction)));
                let place = compiled.stages.len();
                for (direction, chains) in [
                    (Direction::Ingress, stage.chains.ingress),
                    (Direction::Egress, stage.chains.egress),
                ] {
                    compiled.add_chains(place, *kind.get(direction), direction, chains);
                }
                compiled.stages.push(Stage {
                    gate,
                    name: stage.name,
                    is_placed: stage.is_placed,
                    kind,
                });
            }
        }
        compiled
    }

    fn add_chains(
        &mut self,
        stage: usize,
        kind: StageKind,
        direction: Direction,
        chains: Vec<Chain<'c>>,
    ) {
        let mut by_subject: HashMap<(MatcherId, bool, End), usize> = HashMap::default();
        for chain in chains {
            let subject = self.pods(&chain.subject);
            self.subjects.insert(chain.policy, subject);
            let rules: Vec<Rule> = chain.rules.iter().map(|rule| self.rule(rule)).collect();
            if rules.is_empty() && chain.end == End::Next {
                continue;
            }
            let units = &mut self.units.get_mut(direction).units;
            // Each may be about pods or not by itself, so that what one allows for certain does not
            // hold where another one alone isolates.
            let stands_alone = !chain.is_subject_known && rules.iter().any(|rule| !rule.is_opaque);
            let place = match kind {
                StageKind::Ordered => units.len(),
                StageKind::Uniform(_) if stands_alone => units.len(),
                StageKind::Uniform(_) => *by_subject
                    .entry((subject, chain.is_subject_known, chain.end))
                    .or_insert(units.len()),
            };
            if place == units.len() {
                units.push(Unit {
                    stage,
                    subject,
                    is_subject_known: chain.is_subject_known,
                    policies: Vec::new(),
                    rules: Vec::new(),
                    end: chain.end,
                });
            }
            units[place].policies.push(chain.policy);
            units[place].rules.extend(rules);
        }
    }

    fn rule(&mut self, rule: &program::Rule<'c>) -> Rule {
        let peers = rule
            .peers
            .as_ref()
            .map(|peers| peers.iter().map(|peer| self.peer(peer)).collect());
        Rule {
            peers,
            ports: self.ports(rule.ports.as_deref()),
            action: rule.action,
            is_opaque: rule.is_opaque,
        }
    }

    fn peer(&mut self, peer: &program::Peer<'c>) -> MatcherId {
        let matcher = &peer.matcher;
        let untold = peer.untold().filter(|_| self.left_open.addresses);
        if let Some(ranges) = untold {
            self.ranges.extend(&ranges);
            return self.intern(Matcher::Untold(ranges));
        }
        match matcher {
            program::Matcher::Pods(pods) => self.pods(pods),
            program::Matcher::Outside(ranges) => {
                self.ranges.extend(ranges);
                self.intern(Matcher::Outside(ranges.clone()))
            }
            program::Matcher::Entities(entities) => {
                self.intern(Matcher::Entities(entities.clone()))
            }
            program::Matcher::Condition(condition)
            | program::Matcher::BlockOfNoPods(_, condition) => {
                self.ranges.extend(condition.cuts());
                self.intern(Matcher::Condition(condition.clone()))
            }
            program::Matcher::Blocks(_)
            | program::Matcher::Nodes(_)
            | program::Matcher::Untold(_)
            | program::Matcher::DomainNames => {
                self.ranges.extend(matcher.cuts());
                let ranges = merge_ranges(matcher.ranges().unwrap_or_default());
                MatcherId(self.matchers.intern(Matcher::Addresses(ranges)))
            }
        }
    }

    fn pods(&mut self, pods: &PodSet<'c>) -> MatcherId {
        let namespaces = match pods.namespaces {
            NamespaceSet::All => Namespaces::All,
            NamespaceSet::One(id) => Namespaces::One(id),
            NamespaceSet::Matching(selector) => Namespaces::Matching(self.selector(Some(selector))),
        };
        let matcher = Matcher::Pods {
            namespaces,
            pods: self.selector(pods.pods),
            host_network: pods.host_network,
            condition: pods.condition.clone(),
        };
        self.ranges
            .extend(pods.condition.iter().flat_map(Condition::cuts));
        self.intern(matcher)
    }

    fn intern(&mut self, matcher: Matcher<'c>) -> MatcherId {
        MatcherId(self.matchers.intern(matcher))
    }

    /// The matcher of pods, if an enforced rule has one that is equal.
    pub(super) fn find_matcher(&self, pods: &PodSet<'c>) -> Option<MatcherId> {
        let find = |selector: Option<&LabelSelector>| {
            let selector = match selector {
                Some(selector) => self.features.find(selector)?,
                None => Selector::default(),
            };
            self.selectors.find(&selector).map(SelectorId)
        };
        let namespaces = match pods.namespaces {
            NamespaceSet::All => Namespaces::All,
            NamespaceSet::One(id) => Namespaces::One(id),
            NamespaceSet::Matching(selector) => Namespaces::Matching(find(Some(selector))?),
        };
        let matcher = Matcher::Pods {
            namespaces,
            pods: find(pods.pods)?,
            host_network: pods.host_network,
            condition: pods.condition.clone(),
        };
        self.matchers.find(&matcher).map(MatcherId)
    }

    fn selector(&mut self, selector: Option<&'c LabelSelector>) -> SelectorId {
        let compiled = match selector {
            Some(selector) => self.features.compile(selector),
            None => Selector::default(),
        };
        let id = self.selectors.intern(compiled);
        if id as usize == self.written.len() {
            self.written.push(selector);
        }
        SelectorId(id)
    }

    /// The pods of a matcher as some policy says them; `None` for one by addresses.
    pub(super) fn pod_set(&self, matcher: &Matcher<'c>) -> Option<PodSet<'c>> {
        let Matcher::Pods {
            namespaces,
            pods,
            host_network,
            condition,
        } = matcher
        else {
            return None;
        };
        let written = |selector: SelectorId| self.written[selector.0 as usize];
        let namespaces = match namespaces {
            Namespaces::All => NamespaceSet::All,
            Namespaces::One(id) => NamespaceSet::One(*id),
            Namespaces::Matching(selector) => {
                written(*selector).map_or(NamespaceSet::All, NamespaceSet::Matching)
            }
        };
        Some(PodSet {
            namespaces,
            pods: written(*pods),
            host_network: *host_network,
            condition: condition.clone(),
        })
    }

    /// Whether a selector asks for a label that controllers add to their pods.
    pub(super) fn asks_for_added(&self) -> bool {
        let mut keys = self.written.iter().flatten().flat_map(|selector| {
            let labels = selector.match_labels.iter().map(|label| &label.key);
            labels.chain(selector.match_expressions.iter().map(|it| &it.key))
        });
        keys.any(|key| Controller::may_add(key))
    }

    /// Whether a selector holds text that another tool fills in.
    pub(super) fn is_opaque(&self, selector: SelectorId) -> bool {
        self.written[selector.0 as usize].is_some_and(|selector| {
            let labels = selector.match_labels.iter();
            let mut labels = labels.flat_map(|label| [&label.key, &label.value]);
            let expressions = selector.match_expressions.iter();
            let mut texts =
                expressions.flat_map(|it| std::iter::once(&it.key).chain(it.values.iter()));
            labels.any(|text| is_opaque(text)) || texts.any(|text| is_opaque(text))
        })
    }

    fn ports(&mut self, entries: Option<&[program::PortEntry<'c>]>) -> PortsId {
        let mut ports = Ports::default();
        let Some(entries) = entries else {
            ports.numbers = ConnectionSet::all();
            return PortsId(self.ports.intern(ports));
        };
        ports.numbers = ConnectionSet::union_of(entries.iter().map(|it| it.ports.numbers()));
        for entry in entries {
            ports.is_opaque |= entry.ports.is_opaque();
            match &entry.ports {
                program::Ports::Name(name, protocol) => {
                    ports.names.push((self.name(name), *protocol));
                }
                program::Ports::ExceptName(name, protocol) => {
                    ports.without_names.push((self.name(name), Some(*protocol)));
                }
                program::Ports::ExceptNumbers(protocol, numbers) => {
                    let numbers = ConnectionSet::of(*protocol, numbers.clone());
                    ports.without = ports.without.union(&numbers);
                }
                program::Ports::Numbers(..) | program::Ports::Unsupported => {}
            }
        }
        ports.names.sort_unstable();
        ports.names.dedup();
        PortsId(self.ports.intern(ports))
    }

    fn name(&mut self, name: &'c str) -> NameId {
        let next = NameId(self.names.len() as u32);
        *self.names.entry(name).or_insert(next)
    }

    /// The unit of an id.
    pub(super) fn unit(&self, direction: Direction, id: UnitId) -> &Unit {
        &self.units.get(direction).units[id.0 as usize]
    }
}

/// How the rules of some chains are worked out.
fn kind_of(chains: &[Chain<'_>]) -> StageKind {
    let mut rules = chains.iter().flat_map(|chain| &chain.rules);
    let first = rules.next().map_or(Action::Accept, |rule| rule.action);
    // A rule that may do anything is an `Accept` that may match anything in a stage that
    // denies the rest; elsewhere it has to stand alone.
    let denies = chains.iter().all(|chain| chain.end == End::Deny);
    let mut rules = chains.iter().flat_map(|chain| &chain.rules);
    let is_uniform = rules.all(|rule| {
        rule.action == first && (!rule.is_opaque || (denies && first == Action::Accept))
    });
    if is_uniform {
        StageKind::Uniform(first)
    } else {
        StageKind::Ordered
    }
}

/// Which features matter where: a `podSelector` without a `namespaceSelector` looks at
/// the pods of one namespace only.
#[derive(Debug)]
pub(super) struct Scopes {
    everywhere: Vec<bool>,
    /// By namespace: sorted.
    local: Vec<Vec<FeatureId>>,
}

impl Scopes {
    /// The scopes of all pod selectors of a program.
    pub(super) fn new(compiled: &Compiled, namespaces: usize) -> Self {
        let mut everywhere = vec![false; compiled.features.len()];
        let mut local = vec![Vec::new(); namespaces];
        let selectors = compiled.selectors.values();
        for matcher in compiled.matchers.values() {
            let Matcher::Pods {
                namespaces, pods, ..
            } = matcher
            else {
                continue;
            };
            let features = selectors[pods.0 as usize].features();
            match namespaces {
                Namespaces::One(namespace) => local[namespace.index()].extend(features),
                Namespaces::All | Namespaces::Matching(_) => {
                    for feature in features {
                        everywhere[feature.0 as usize] = true;
                    }
                }
            }
        }
        for features in &mut local {
            features.sort_unstable();
            features.dedup();
        }
        Self { everywhere, local }
    }

    /// Whether some selector looks at this feature on the pods of a namespace.
    pub(super) fn matters(&self, namespace: NamespaceId, feature: FeatureId) -> bool {
        self.everywhere[feature.0 as usize]
            || self.local[namespace.index()]
                .binary_search(&feature)
                .is_ok()
    }
}
