//! A brute-force reading of the semantics, pair by pair, address by address and port by
//! port: the S-numbers are sections of the semantics that `docs/architecture.md` speaks
//! of. It shares nothing with the engine but the types that objects are read into.

mod addresses;

use ipnet::IpNet;
use npcheck::k8s::{
    Action, ClusterNetworkPolicy, Direction, Label, LabelSelector, NetworkPolicy,
    NetworkPolicyPeer, NetworkPolicyPort, Object, Operator, PeerSelection, PodsSelection,
    PortMatch, PortReference, Protocol, Tier, Workload, WorkloadKind,
};
use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

type Labels = BTreeMap<String, String>;

/// One end of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// A peer, by its place in [`Reference::peers`].
    Pod(usize),
    /// An address that no pod has.
    Outside(IpAddr),
}

pub(crate) struct Reference<'o> {
    pub(crate) peers: Vec<&'o Workload>,
    namespaces: BTreeMap<String, Labels>,
    policies: Vec<&'o NetworkPolicy>,
    cluster_policies: Vec<&'o ClusterNetworkPolicy>,
    /// Policies that an API server would refuse: what they do once they are put right is not
    /// known.
    refused: Vec<&'o NetworkPolicy>,
    refused_cluster_wide: Vec<&'o ClusterNetworkPolicy>,
    nodes: Vec<(Labels, &'o [IpAddr])>,
    /// Where pods have their addresses (S9).
    pod_ranges: Vec<IpNet>,
    /// Where nodes have theirs; empty if nobody says it.
    node_ranges: Vec<IpNet>,
    /// Whether blocks match pods (S15).
    blocks_match_pods: bool,
    /// Whether a peer's selectors match pods on the network of their node (S15).
    selectors_match_host_network: bool,
    /// Whether NetworkPolicies may name ports (S15): where not, nobody knows what becomes of one.
    names_ports: bool,
}

/// The addresses that an end may have; `None` for one that no block holds.
type Choices = Vec<Option<IpAddr>>;

/// What becomes of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Answer {
    Allowed,
    Denied,
    Unknown,
}

/// What decides about one direction of one way: rules that are about the other end.
struct Side<'o> {
    admin: Vec<(
        Action,
        &'o Option<Vec<npcheck::k8s::ClusterNetworkPolicyPort>>,
    )>,
    is_isolated: bool,
    rules: Vec<&'o [NetworkPolicyPort]>,
    baseline: Vec<(
        Action,
        &'o Option<Vec<npcheck::k8s::ClusterNetworkPolicyPort>>,
    )>,
    /// Whether a refused policy of the Admin tier, a NetworkPolicy, one of the Baseline tier
    /// may be about the subject.
    refused: [bool; 3],
    names_ports: bool,
}

impl<'o> Reference<'o> {
    pub(crate) fn new(objects: &'o [Object]) -> Self {
        let accepted = || objects.iter().filter(|object| object.meta().is_accepted);
        let mut namespaces = BTreeMap::new();
        for object in objects {
            // S2: used without being declared; also what is declared wrongly.
            namespaces
                .entry(object.meta().namespace_name().to_owned())
                .or_insert_with(Labels::new);
        }
        for object in accepted() {
            if let Object::Namespace(namespace) = object {
                namespaces.insert(
                    namespace.meta.name.to_string(),
                    labels(namespace.meta.labels.iter()),
                );
            }
        }
        for (name, labels) in &mut namespaces {
            labels.insert("kubernetes.io/metadata.name".into(), name.clone());
        }
        let mut reference = Self {
            peers: vec![],
            namespaces,
            policies: vec![],
            cluster_policies: vec![],
            refused: vec![],
            refused_cluster_wide: vec![],
            nodes: vec![],
            pod_ranges: addresses::private_ranges(),
            node_ranges: vec![],
            blocks_match_pods: true,
            selectors_match_host_network: false,
            names_ports: true,
        };
        for object in accepted() {
            match object {
                Object::Workload(workload) if !is_represented(workload, objects) => {
                    reference.peers.push(workload);
                }
                Object::NetworkPolicy(policy) => reference.policies.push(policy),
                Object::ClusterNetworkPolicy(policy) => reference.cluster_policies.push(policy),
                Object::Node(node) => reference
                    .nodes
                    .push((labels(node.meta.labels.iter()), &node.addresses)),
                _ => {}
            }
        }
        for object in objects.iter().filter(|object| !object.meta().is_accepted) {
            match object {
                Object::NetworkPolicy(policy) => reference.refused.push(policy),
                Object::ClusterNetworkPolicy(policy) => {
                    reference.refused_cluster_wide.push(policy);
                }
                _ => {}
            }
        }
        // S12: by priority, kind and name within a tier.
        let order = |policy: &&ClusterNetworkPolicy| {
            (
                policy.priority.value,
                policy.kind.name(),
                policy.meta.name.value.clone(),
            )
        };
        reference.cluster_policies.sort_by_key(order);
        reference
    }

    /// The same where pods and nodes have addresses of these ranges; of none if it is not said.
    pub(crate) fn with_ranges(mut self, pods: Vec<IpNet>, nodes: Vec<IpNet>) -> Self {
        if !pods.is_empty() {
            self.pod_ranges = pods;
        }
        self.node_ranges = nodes;
        self
    }

    /// The same with another CNI plugin (S15).
    pub(crate) fn with_plugin(
        mut self,
        blocks_match_pods: bool,
        selectors_match_host_network: bool,
    ) -> Self {
        self.blocks_match_pods = blocks_match_pods;
        self.selectors_match_host_network = selectors_match_host_network;
        self
    }

    /// The same with one that does not support named ports.
    pub(crate) fn without_named_ports(mut self) -> Self {
        self.names_ports = false;
        self
    }

    /// S0, S4, S9: what becomes of a connection, for every protocol and port.
    pub(crate) fn pair(&self, source: End, destination: End) -> impl Fn(Protocol, u16) -> Answer {
        let is_same_pod = matches!((source, destination), (End::Pod(a), End::Pod(b))
            if a == b && self.peers[a].kind == WorkloadKind::Pod);
        let (from, to) = (self.addresses(source), self.addresses(destination));
        let families = |addresses: &[IpAddr]| -> BTreeSet<bool> {
            addresses.iter().map(IpAddr::is_ipv4).collect()
        };
        let (of_source, of_destination) = (families(&from), families(&to));
        let mut common: BTreeSet<bool> = if from.is_empty() || to.is_empty() {
            &of_source | &of_destination
        } else {
            &of_source & &of_destination
        };
        if common.is_empty() {
            let outside = [source, destination].into_iter().find_map(|end| match end {
                End::Outside(address) => Some(address.is_ipv4()),
                End::Pod(_) => None,
            });
            common.insert(outside.unwrap_or(true));
        }
        // By way: every address that each end may have there.
        let mut ways: Vec<(Choices, Choices)> = Vec::new();
        for is_ipv4 in common {
            for a in self.choices(source, &from, is_ipv4) {
                for b in self.choices(destination, &to, is_ipv4) {
                    ways.push((a.clone(), b));
                }
            }
        }
        let sides: Vec<_> = ways
            .into_iter()
            .map(|(a, b)| {
                let egress = b
                    .into_iter()
                    .map(|b| self.side(Direction::Egress, source, destination, b));
                let ingress = a
                    .into_iter()
                    .map(|a| self.side(Direction::Ingress, destination, source, a));
                (egress.collect::<Vec<_>>(), ingress.collect::<Vec<_>>())
            })
            .collect();
        let ports = match destination {
            End::Pod(place) => named_ports(self.peers[place]),
            End::Outside(_) => vec![],
        };
        move |protocol, port| {
            let answer_of = |side: &Option<Side>| match side {
                None => Answer::Allowed,
                Some(side) => side.answer(&ports, protocol, port),
            };
            let always = |side: &Option<Side>| answer_of(side) == Answer::Allowed;
            let ever = |side: &Option<Side>| answer_of(side) != Answer::Denied;
            if is_same_pod {
                return Answer::Allowed;
            }
            let mut answer = Answer::Denied;
            for (egress, ingress) in &sides {
                if egress.iter().all(always) && ingress.iter().all(always) {
                    return Answer::Allowed;
                }
                if egress.iter().any(ever) && ingress.iter().any(ever) {
                    answer = Answer::Unknown;
                }
            }
            answer
        }
    }

    /// S5, S11: what decides about `subject`, whose traffic goes to or comes from `other`.
    fn side(
        &self,
        direction: Direction,
        subject: End,
        other: End,
        address: Option<IpAddr>,
    ) -> Option<Side<'o>> {
        let End::Pod(subject) = subject else {
            return None;
        };
        let subject = self.peers[subject];
        let mut side = Side {
            admin: vec![],
            is_isolated: false,
            rules: vec![],
            baseline: vec![],
            refused: [false; 3],
            names_ports: self.names_ports,
        };
        for policy in &self.refused_cluster_wide {
            let tier = usize::from(policy.tier == Tier::Baseline) * 2;
            side.refused[tier] |= self.selects(&policy.subject.value, subject);
        }
        for policy in &self.refused {
            let selector = policy.pod_selector.get();
            side.refused[1] |= !subject.host_network
                && subject.meta.namespace_name() == policy.meta.namespace_name()
                && selector.is_none_or(|it| matches(it, &labels(subject.labels.iter())));
        }
        for policy in &self.cluster_policies {
            let rules = if direction == Direction::Ingress {
                &policy.ingress
            } else {
                &policy.egress
            };
            for rule in rules
                .iter()
                .filter(|_| self.selects(&policy.subject.value, subject))
            {
                if rule
                    .peers
                    .iter()
                    .any(|peer| self.is_admin_peer(&peer.selection, other, address))
                {
                    let tier = if policy.tier == Tier::Admin {
                        &mut side.admin
                    } else {
                        &mut side.baseline
                    };
                    tier.push((rule.action.value, &rule.ports));
                }
            }
        }
        for policy in &self.policies {
            let home = policy.meta.namespace_name();
            let selector = policy.pod_selector.get();
            let selects = !subject.host_network
                && subject.meta.namespace_name() == home
                && selector
                    .is_none_or(|selector| matches(selector, &labels(subject.labels.iter())));
            if !selects || !isolates(policy, direction) {
                continue;
            }
            side.is_isolated = true;
            let rules = if direction == Direction::Ingress {
                &policy.ingress
            } else {
                &policy.egress
            };
            for rule in rules.items() {
                let peers = rule.peers.items();
                if peers.is_empty()
                    || peers
                        .iter()
                        .any(|peer| self.is_peer(home, peer, other, address))
                {
                    side.rules.push(rule.ports.items());
                }
            }
        }
        Some(side)
    }

    /// S6, S8, S9.
    fn is_peer(
        &self,
        home: &str,
        peer: &NetworkPolicyPeer,
        other: End,
        address: Option<IpAddr>,
    ) -> bool {
        if let Some(block) = peer.ip_block.get() {
            let address = address.filter(|_| self.is_compared(other));
            let is_in =
                |cidr: &ipnet::IpNet| address.is_some_and(|address| cidr.contains(&address));
            return is_in(&block.cidr) && !block.except.items().iter().any(|except| is_in(except));
        }
        let End::Pod(other) = other else { return false };
        let other = self.peers[other];
        let namespace = other.meta.namespace_name();
        let in_namespace = match peer.namespace_selector.get() {
            Some(selector) => matches(selector, &self.namespaces[namespace]),
            None => namespace == home,
        };
        let has_labels = |selector| matches(selector, &labels(other.labels.iter()));
        (!other.host_network || self.selectors_match_host_network)
            && in_namespace
            && peer.pod_selector.get().is_none_or(has_labels)
    }

    /// S15: whether blocks of addresses match this end at all.
    fn is_compared(&self, end: End) -> bool {
        matches!(end, End::Outside(_)) || self.blocks_match_pods
    }

    /// S12.
    fn is_admin_peer(&self, peer: &PeerSelection, other: End, address: Option<IpAddr>) -> bool {
        let address = address.filter(|_| self.is_compared(other));
        match peer {
            PeerSelection::Pods(selection) => match other {
                End::Pod(other) => self.selects(selection, self.peers[other]),
                End::Outside(_) => false,
            },
            PeerSelection::Networks(networks) => networks
                .iter()
                .any(|network| address.is_some_and(|address| network.contains(&address))),
            PeerSelection::Nodes(selector) => self.nodes.iter().any(|(labels, addresses)| {
                matches(selector, labels)
                    && address.is_some_and(|address| addresses.contains(&address))
            }),
            PeerSelection::DomainNames(_) => false,
        }
    }

    /// S10, S12: a subject, or a peer by labels, of a cluster-wide policy.
    fn selects(&self, selection: &PodsSelection, pod: &Workload) -> bool {
        let namespace = &self.namespaces[pod.meta.namespace_name()];
        !pod.host_network
            && match selection {
                PodsSelection::Namespaces(selector) => matches(selector, namespace),
                PodsSelection::Pods {
                    namespace_selector,
                    pod_selector,
                } => {
                    matches(namespace_selector, namespace)
                        && matches(pod_selector, &labels(pod.labels.iter()))
                }
            }
    }

    fn addresses(&self, end: End) -> Vec<IpAddr> {
        match end {
            End::Pod(place) => self.peers[place].addresses.to_vec(),
            End::Outside(address) => vec![address],
        }
    }
}

impl Side<'_> {
    /// S11. A refused policy comes first in its tier, and may do anything there.
    fn answer(&self, named: &[(&str, Protocol, u16)], protocol: Protocol, port: u16) -> Answer {
        let decided = |rules: &[(Action, &Option<Vec<_>>)]| {
            let matched = rules.iter().find(|(_, ports)| {
                ports.as_ref().is_none_or(|ports| {
                    ports.iter().any(
                        |entry: &npcheck::k8s::ClusterNetworkPolicyPort| match &entry.matches {
                            PortMatch::Numbers {
                                protocol: of,
                                first,
                                last,
                            } => *of == protocol && *first <= port && port <= *last,
                            PortMatch::Name(name) => named.contains(&(name, protocol, port)),
                        },
                    )
                })
            });
            matched
                .map(|(action, _)| *action)
                .filter(|action| *action != Action::Pass)
        };
        let of_action = |action| match action {
            Action::Accept => Answer::Allowed,
            _ => Answer::Denied,
        };
        if self.refused[0] {
            return Answer::Unknown;
        }
        if let Some(action) = decided(&self.admin) {
            return of_action(action);
        }
        let of_policies = if self.names_ports { named } else { &[] };
        let is_matched = self.rules.iter().any(|ports| {
            ports.is_empty()
                || ports
                    .iter()
                    .any(|entry| is_port(entry, of_policies, protocol, port))
        });
        let is_name = |entry: &NetworkPolicyPort| {
            let port = entry.port.get().map(|port| &port.value);
            matches!(port, Some(PortReference::Name(_)))
        };
        let may_match = !self.names_ports && self.rules.iter().copied().flatten().any(is_name);
        match (self.is_isolated, is_matched) {
            (true, true) => return Answer::Allowed,
            // One more policy may allow it, or isolate the pod.
            _ if self.refused[1] => return Answer::Unknown,
            (true, false) if may_match => return Answer::Unknown,
            (true, false) => return Answer::Denied,
            (false, _) => {}
        }
        if self.refused[2] {
            return Answer::Unknown;
        }
        decided(&self.baseline).map_or(Answer::Allowed, of_action)
    }
}

/// S7.
fn is_port(
    entry: &NetworkPolicyPort,
    named: &[(&str, Protocol, u16)],
    protocol: Protocol,
    port: u16,
) -> bool {
    entry.protocol.get().map_or(Protocol::Tcp, |of| of.value) == protocol
        && match entry.port.get().map(|port| &port.value) {
            None => true,
            Some(PortReference::Name(name)) => named.contains(&(name, protocol, port)),
            Some(PortReference::Number(first)) => {
                *first <= port && port <= entry.end_port.get().map_or(*first, |last| last.value)
            }
        }
}

/// S7: containers, and init containers that keep running.
fn named_ports(pod: &Workload) -> Vec<(&str, Protocol, u16)> {
    let containers = pod
        .containers
        .iter()
        .filter(|container| !container.is_init || container.restarts_always);
    let ports = containers.flat_map(|container| &container.ports);
    ports
        .filter_map(|port| {
            Some((
                port.name.as_ref()?.value.as_str(),
                port.protocol,
                port.number.value,
            ))
        })
        .collect()
}

/// S5.
fn isolates(policy: &NetworkPolicy, direction: Direction) -> bool {
    match policy.policy_types.get().map(Vec::as_slice) {
        None | Some([]) => {
            direction == Direction::Ingress
                || policy.egress.get().is_some_and(|rules| !rules.is_empty())
        }
        Some(types) => types.iter().any(|written| written.value == direction),
    }
}

/// S1.
fn matches(selector: &LabelSelector, labels: &Labels) -> bool {
    selector.match_labels.iter().all(|wanted| {
        labels.get(wanted.key.as_str()).map(String::as_str) == Some(wanted.value.as_str())
    }) && selector.match_expressions.iter().all(|requirement| {
        let value = labels.get(requirement.key.as_str()).map(String::as_str);
        let is_listed = requirement
            .values
            .iter()
            .any(|listed| Some(listed.as_str()) == value);
        match requirement.operator.value {
            Operator::In => is_listed,
            Operator::NotIn => !is_listed,
            Operator::Exists => value.is_some(),
            Operator::DoesNotExist => value.is_none(),
        }
    })
}

/// S3: the owner is among the inputs and stands for it.
fn is_represented(workload: &Workload, objects: &[Object]) -> bool {
    workload.meta.owner.as_ref().is_some_and(|owner| {
        objects.iter().any(|object| {
            matches!(object, Object::Workload(other) if other.kind.name() == owner.kind
                && other.meta.name.value == owner.name
                && other.meta.namespace_name() == workload.meta.namespace_name())
        })
    })
}

fn labels<'l>(labels: impl Iterator<Item = &'l Label>) -> Labels {
    labels
        .map(|label| (label.key.to_string(), label.value.to_string()))
        .collect()
}
