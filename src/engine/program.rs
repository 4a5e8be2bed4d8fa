//! The policies of a cluster as the engine works with them: selectors in features, ports
//! as canonical sets and names, equal parts once.
//!
//! Refuses to know which workloads there are. Only what an API server would accept is
//! compiled (S13).

use super::HashMap;
use super::addresses::{AddressRange, merge_ranges};
use super::labels::{FeatureId, Features, Selector};
use super::ports::{ConnectionSet, PortSet};
use crate::cluster::{Cluster, NamespaceId, NetworkPolicy};
use crate::k8s::{
    self, Action, ClusterNetworkPolicy, ClusterNetworkPolicyPort, ClusterNetworkPolicyRule,
    Direction, NetworkPolicyPeer, NetworkPolicyPort, NetworkPolicyRule, PeerSelection,
    PodsSelection, PortMatch, PortReference, Protocol,
};
use ipnet::IpNet;
use std::hash::Hash;
use std::sync::Arc;

/// One value for each direction.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct ByDirection<T> {
    pub(super) ingress: T,
    pub(super) egress: T,
}

impl<T> ByDirection<T> {
    pub(super) fn new(mut value: impl FnMut(Direction) -> T) -> Self {
        Self {
            ingress: value(Direction::Ingress),
            egress: value(Direction::Egress),
        }
    }

    pub(super) fn get(&self, direction: Direction) -> &T {
        match direction {
            Direction::Ingress => &self.ingress,
            Direction::Egress => &self.egress,
        }
    }

    pub(super) fn get_mut(&mut self, direction: Direction) -> &mut T {
        match direction {
            Direction::Ingress => &mut self.ingress,
            Direction::Egress => &mut self.egress,
        }
    }
}

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

/// Something that pods or addresses match: a subject or a peer.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum Matcher {
    /// Pods of one namespace by their labels.
    Here(NamespaceId, SelectorId),
    /// Pods by the labels of their namespace and their own.
    Anywhere {
        namespaces: SelectorId,
        pods: SelectorId,
    },
    /// Whoever has an address in one of the ranges.
    Addresses {
        /// Sorted, disjoint.
        ranges: Vec<AddressRange>,
        /// Whether a pod of unknown address matches too.
        unknown: UnknownAddress,
    },
}

/// Whether a pod of unknown address matches a set of addresses.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum UnknownAddress {
    Matches,
    Differs,
}

/// Ports as a rule writes them; the names mean something only at a destination (S7).
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct Ports {
    pub(super) numbers: ConnectionSet,
    /// A name, and the protocol that its port must have, `None` for any.
    pub(super) names: Vec<(NameId, Option<Protocol>)>,
}

/// A rule of any policy.
#[derive(Debug)]
pub(super) struct Rule {
    /// Whom it is about: whoever matches one of these; `None` is everybody.
    pub(super) peers: Option<Vec<MatcherId>>,
    pub(super) ports: PortsId,
    pub(super) action: Action,
}

/// A policy of any kind.
#[derive(Debug)]
pub(super) struct Policy {
    pub(super) subject: MatcherId,
    /// The rules of a direction; `None` where the policy says nothing about it.
    pub(super) rules: ByDirection<Option<Vec<Rule>>>,
}

/// All policies of a cluster.
#[derive(Debug)]
pub(super) struct Program<'c> {
    pub(super) features: Features<'c>,
    pub(super) names: HashMap<&'c str, NameId>,
    pub(super) selectors: Table<Selector>,
    pub(super) matchers: Table<Matcher>,
    pub(super) ports: Table<Ports>,
    /// By `PolicyId`; `None` for what an API server would refuse.
    pub(super) policies: Vec<Option<Policy>>,
    /// By `ClusterPolicyId`; `None` for what an API server would refuse.
    pub(super) cluster_policies: Vec<Option<Policy>>,
    /// Every range whose ends matter.
    pub(super) ranges: Vec<AddressRange>,
}

/// Distinct values, numbered in the order in which they came.
#[derive(Debug)]
pub(super) struct Table<T> {
    values: Vec<T>,
    ids: HashMap<T, u32>,
}

impl<T: Clone + Eq + Hash> Table<T> {
    fn new() -> Self {
        Self {
            values: Vec::new(),
            ids: HashMap::default(),
        }
    }

    fn intern(&mut self, value: T) -> u32 {
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

impl<'c> Program<'c> {
    /// Compiles every policy that an API server would accept.
    pub(super) fn new(cluster: &'c Cluster) -> Self {
        let mut program = Self {
            features: Features::default(),
            names: HashMap::default(),
            selectors: Table::new(),
            matchers: Table::new(),
            ports: Table::new(),
            policies: Vec::with_capacity(cluster.policies().len()),
            cluster_policies: Vec::with_capacity(cluster.cluster_policies().len()),
            ranges: Vec::new(),
        };
        for policy in cluster.policies() {
            let compiled = policy
                .object
                .meta
                .is_accepted
                .then(|| program.policy(policy));
            program.policies.push(compiled);
        }
        for policy in cluster.cluster_policies() {
            let compiled = policy
                .meta
                .is_accepted
                .then(|| program.cluster_policy(policy, cluster.nodes()));
            program.cluster_policies.push(compiled);
        }
        program
    }

    /// The matcher of a peer by labels, if an enforced rule has one that is equal.
    pub(super) fn find_matcher(
        &self,
        namespace: NamespaceId,
        peer: &NetworkPolicyPeer,
    ) -> Option<MatcherId> {
        let find = |selector: &k8s::LabelSelector| {
            self.selectors
                .find(&self.features.find(selector)?)
                .map(SelectorId)
        };
        let everything = || self.selectors.find(&Selector::default()).map(SelectorId);
        let pods = peer.pod_selector.get().map_or_else(everything, find)?;
        let matcher = match peer.namespace_selector.get() {
            Some(selector) => Matcher::Anywhere {
                namespaces: find(selector)?,
                pods,
            },
            None => Matcher::Here(namespace, pods),
        };
        self.matchers.find(&matcher).map(MatcherId)
    }

    fn policy(&mut self, policy: &'c NetworkPolicy) -> Policy {
        let (namespace, policy) = (policy.namespace, &policy.object);
        // A missing or null podSelector is the empty one (S1).
        let pods = self.selector_or_everything(policy.pod_selector.get());
        let subject = self.matcher(Matcher::Here(namespace, pods));
        let rules = ByDirection::new(|direction| {
            let compile = |rule| self.rule(namespace, rule);
            policy
                .applies_to(direction)
                .then(|| policy.rules(direction).iter().map(compile).collect())
        });
        Policy { subject, rules }
    }

    fn rule(&mut self, namespace: NamespaceId, rule: &'c NetworkPolicyRule) -> Rule {
        let peers = rule.peers.items();
        // No peers means everybody, the outside included (S6).
        let peers = (!peers.is_empty()).then(|| {
            peers
                .iter()
                .filter_map(|peer| self.peer(namespace, peer))
                .collect()
        });
        Rule {
            peers,
            ports: self.ports(rule.ports.items()),
            action: Action::Accept,
        }
    }

    /// `None` for a peer without any field, which matches nothing; an accepted policy
    /// has none.
    fn peer(&mut self, namespace: NamespaceId, peer: &'c NetworkPolicyPeer) -> Option<MatcherId> {
        if let Some(block) = peer.ip_block.get() {
            let excepts: Vec<AddressRange> = block
                .except
                .items()
                .iter()
                .map(|except| except.value.into())
                .collect();
            let range = AddressRange::from(block.cidr.value);
            self.ranges.push(range);
            self.ranges.extend(&excepts);
            let ranges = range.without(&excepts);
            // A pod of unknown address matches no ipBlock (S9).
            return Some(self.matcher(Matcher::Addresses {
                ranges,
                unknown: UnknownAddress::Differs,
            }));
        }
        let (pods, namespaces) = (peer.pod_selector.get(), peer.namespace_selector.get());
        if pods.is_none() && namespaces.is_none() {
            return None;
        }
        let pods = self.selector_or_everything(pods);
        let matcher = match namespaces {
            Some(selector) => Matcher::Anywhere {
                namespaces: self.selector(selector),
                pods,
            },
            None => Matcher::Here(namespace, pods),
        };
        Some(self.matcher(matcher))
    }

    fn ports(&mut self, entries: &'c [NetworkPolicyPort]) -> PortsId {
        let mut ports = Ports::default();
        if entries.is_empty() {
            ports.numbers = ConnectionSet::all();
        }
        for entry in entries {
            let protocol = entry.protocol_or_default();
            let numbers = match entry.port.get().map(|port| &port.value) {
                None => PortSet::all(),
                Some(PortReference::Number(first)) => PortSet::range(
                    *first,
                    entry.end_port.get().map_or(*first, |last| last.value),
                ),
                Some(PortReference::Name(name)) => {
                    let name = self.name(name);
                    ports.names.push((name, Some(protocol)));
                    continue;
                }
            };
            ports.numbers = ports.numbers.union(&ConnectionSet::of(protocol, numbers));
        }
        self.intern_ports(ports)
    }

    fn cluster_policy(
        &mut self,
        policy: &'c ClusterNetworkPolicy,
        nodes: &[Arc<k8s::Node>],
    ) -> Policy {
        let subject = self.pods(&policy.subject.value);
        let rules = ByDirection::new(|direction| {
            let compile = |rule| self.cluster_rule(rule, nodes);
            Some(policy.rules(direction).iter().map(compile).collect())
        });
        Policy { subject, rules }
    }

    fn cluster_rule(
        &mut self,
        rule: &'c ClusterNetworkPolicyRule,
        nodes: &[Arc<k8s::Node>],
    ) -> Rule {
        let mut peers = Vec::with_capacity(rule.peers.len());
        for peer in &rule.peers {
            peers.push(match &peer.selection {
                PeerSelection::Pods(selection) => self.pods(selection),
                PeerSelection::Networks(networks) => {
                    self.networks(networks.iter().map(|net| net.value))
                }
                PeerSelection::Nodes(selector) => {
                    let nodes = nodes.iter().filter(|node| node.meta.is_accepted);
                    let selected = nodes.filter(|node| selector.matches(&node.meta.labels));
                    let addresses = selected.flat_map(|node| &node.addresses);
                    self.networks(addresses.map(|address| IpNet::from(*address)))
                }
                // A domain name cannot be resolved offline and matches nothing (S12).
                PeerSelection::DomainNames(_) => continue,
            });
        }
        let ports = match &rule.ports {
            None => self.intern_ports(Ports {
                numbers: ConnectionSet::all(),
                names: Vec::new(),
            }),
            Some(entries) => self.cluster_ports(entries),
        };
        Rule {
            peers: Some(peers),
            ports,
            action: rule.action.value,
        }
    }

    fn cluster_ports(&mut self, entries: &'c [ClusterNetworkPolicyPort]) -> PortsId {
        let mut ports = Ports::default();
        for entry in entries {
            match &entry.matches {
                PortMatch::Numbers {
                    protocol,
                    first,
                    last,
                } => {
                    let numbers = ConnectionSet::of(*protocol, PortSet::range(*first, *last));
                    ports.numbers = ports.numbers.union(&numbers);
                }
                PortMatch::Name(name) => ports.names.push((self.name(name), None)),
            }
        }
        self.intern_ports(ports)
    }

    fn pods(&mut self, selection: &'c PodsSelection) -> MatcherId {
        let (namespaces, pods) = match selection {
            PodsSelection::Namespaces(namespaces) => (self.selector(namespaces), self.everything()),
            PodsSelection::Pods {
                namespace_selector,
                pod_selector,
            } => (
                self.selector(namespace_selector),
                self.selector(pod_selector),
            ),
        };
        self.matcher(Matcher::Anywhere { namespaces, pods })
    }

    fn networks(&mut self, networks: impl Iterator<Item = IpNet>) -> MatcherId {
        let networks: Vec<AddressRange> = networks.map(AddressRange::from).collect();
        // A pod of unknown address has some IPv4 address: 0.0.0.0/0 holds it, and no
        // other network does for certain (S12).
        let unknown = if networks.contains(&AddressRange::IPV4) {
            UnknownAddress::Matches
        } else {
            UnknownAddress::Differs
        };
        self.ranges.extend(&networks);
        self.matcher(Matcher::Addresses {
            ranges: merge_ranges(networks),
            unknown,
        })
    }

    fn selector(&mut self, selector: &'c k8s::LabelSelector) -> SelectorId {
        let compiled = self.features.compile(selector);
        SelectorId(self.selectors.intern(compiled))
    }

    fn selector_or_everything(&mut self, selector: Option<&'c k8s::LabelSelector>) -> SelectorId {
        match selector {
            Some(selector) => self.selector(selector),
            None => self.everything(),
        }
    }

    fn everything(&mut self) -> SelectorId {
        SelectorId(self.selectors.intern(Selector::default()))
    }

    fn matcher(&mut self, matcher: Matcher) -> MatcherId {
        MatcherId(self.matchers.intern(matcher))
    }

    fn name(&mut self, name: &'c str) -> NameId {
        let next = NameId(self.names.len() as u32);
        *self.names.entry(name).or_insert(next)
    }

    fn intern_ports(&mut self, mut ports: Ports) -> PortsId {
        ports.names.sort_unstable();
        ports.names.dedup();
        PortsId(self.ports.intern(ports))
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
    pub(super) fn new(program: &Program, namespaces: usize) -> Self {
        let mut everywhere = vec![false; program.features.len()];
        let mut local = vec![Vec::new(); namespaces];
        let selectors = program.selectors.values();
        for matcher in program.matchers.values() {
            match matcher {
                Matcher::Here(namespace, pods) => {
                    local[namespace.index()].extend(selectors[pods.0 as usize].features());
                }
                Matcher::Anywhere { pods, .. } => {
                    for feature in selectors[pods.0 as usize].features() {
                        everywhere[feature.0 as usize] = true;
                    }
                }
                Matcher::Addresses { .. } => {}
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
