//! A brute-force reading of the semantics, pair by pair, address by address and port by
//! port: the S-numbers are sections of the semantics that `docs/architecture.md` speaks
//! of. It shares nothing with the engine but the types that objects are read into.

use npcheck::k8s::{
    Action, ClusterNetworkPolicy, Direction, Label, LabelSelector, NetworkPolicy,
    NetworkPolicyPeer, NetworkPolicyPort, Object, Operator, PeerSelection, PodsSelection,
    PortMatch, PortReference, Protocol, Tier, Workload, WorkloadKind,
};
use std::collections::BTreeMap;
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
    nodes: Vec<(Labels, &'o [IpAddr])>,
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
                    namespace.meta.name.value.clone(),
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
            nodes: vec![],
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

    /// S0, S4, S9: whether a connection may be opened, for every protocol and port.
    pub(crate) fn pair(&self, source: End, destination: End) -> impl Fn(Protocol, u16) -> bool {
        let is_same_pod = matches!((source, destination), (End::Pod(a), End::Pod(b))
            if a == b && self.peers[a].kind == WorkloadKind::Pod);
        let (from, to) = (self.addresses(source), self.addresses(destination));
        let mut ways: Vec<(Option<IpAddr>, Option<IpAddr>)> = Vec::new();
        for a in &from {
            for b in &to {
                if a.is_none_or(|a| b.is_none_or(|b| a.is_ipv4() == b.is_ipv4())) {
                    ways.push((*a, *b));
                }
            }
        }
        if ways.is_empty() {
            let own = |end, addresses: &[Option<IpAddr>]| match end {
                End::Pod(_) => None,
                End::Outside(_) => addresses[0],
            };
            ways.push((own(source, &from), own(destination, &to)));
        }
        let sides: Vec<_> = ways
            .into_iter()
            .map(|(a, b)| {
                let egress = self.side(Direction::Egress, source, destination, b);
                (
                    egress,
                    self.side(Direction::Ingress, destination, source, a),
                )
            })
            .collect();
        let ports = match destination {
            End::Pod(place) => named_ports(self.peers[place]),
            End::Outside(_) => vec![],
        };
        move |protocol, port| {
            let allows = |side: &Option<Side>| {
                side.as_ref()
                    .is_none_or(|side| side.allows(&ports, protocol, port))
            };
            is_same_pod
                || sides
                    .iter()
                    .any(|(egress, ingress)| allows(egress) && allows(ingress))
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
        };
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
        !other.host_network && in_namespace && peer.pod_selector.get().is_none_or(has_labels)
    }

    /// S12.
    fn is_admin_peer(&self, peer: &PeerSelection, other: End, address: Option<IpAddr>) -> bool {
        match peer {
            PeerSelection::Pods(selection) => match other {
                End::Pod(other) => self.selects(selection, self.peers[other]),
                End::Outside(_) => false,
            },
            PeerSelection::Networks(networks) => networks.iter().any(|network| match address {
                Some(address) => network.contains(&address),
                None => network.trunc().to_string() == "0.0.0.0/0",
            }),
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

    fn addresses(&self, end: End) -> Vec<Option<IpAddr>> {
        match end {
            End::Pod(place) if self.peers[place].addresses.is_empty() => vec![None],
            End::Pod(place) => self.peers[place]
                .addresses
                .iter()
                .map(|address| Some(*address))
                .collect(),
            End::Outside(address) => vec![Some(address)],
        }
    }
}

impl Side<'_> {
    /// S11.
    fn allows(&self, named: &[(&str, Protocol, u16)], protocol: Protocol, port: u16) -> bool {
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
        if let Some(action) = decided(&self.admin) {
            return action == Action::Accept;
        }
        if self.is_isolated {
            return self.rules.iter().any(|ports| {
                ports.is_empty()
                    || ports
                        .iter()
                        .any(|entry| is_port(entry, named, protocol, port))
            });
        }
        decided(&self.baseline) != Some(Action::Deny)
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
    selector
        .match_labels
        .iter()
        .all(|wanted| labels.get(&wanted.key.value) == Some(&wanted.value.value))
        && selector.match_expressions.iter().all(|requirement| {
            let value = labels.get(&requirement.key.value);
            let is_listed = requirement
                .values
                .iter()
                .any(|listed| Some(&listed.value) == value);
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
        .map(|label| (label.key.value.clone(), label.value.value.clone()))
        .collect()
}
