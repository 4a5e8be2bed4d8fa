//! Subjects and rules of the policy program as sets.
//!
//! Refuses to know the kinds of policies: what the program cannot say by labels, addresses and
//! ports is in no set, and neither is what nobody knows.

use super::labels::{Predicate, Scope};
use super::{Allowance, PeerSet, PodSet, PortMatches};
use crate::cluster::{Cluster, NAMESPACE_NAME_LABEL};
use crate::engine::program::{
    HostNetwork, Matcher, NamespaceSet, Peer, PodSet as Subject, PortEntry, Ports, Rule,
};
use crate::engine::{ConnectionSet, EndLabel, Entity, PeerRef};
use crate::k8s::Protocol;
use std::collections::BTreeSet;

/// A pod in the network of pods.
const POD: &str = "pod";
/// A pod on the network of its node.
const HOST_POD: &str = "pod on the network of its node";

impl PodSet {
    /// The pods that a policy is about. `None` where the program cannot say it by labels, where
    /// another tool fills in some of its text, and where no pod can be one.
    #[must_use]
    pub fn of_subject(cluster: &Cluster, subject: &Subject<'_>) -> Option<Self> {
        let pods = predicate(cluster, subject)?;
        pods.is_satisfiable().then_some(Self(pods))
    }
}

impl Allowance {
    /// What a rule matches, whatever it does with it. `None` where that cannot be said: for
    /// names of domains, nodes by their addresses, expressions of a CNI plugin's and what asks
    /// for more than peers and ports; where another tool fills in some of it; and where a peer
    /// of it can never match.
    #[must_use]
    pub fn of(cluster: &Cluster, rule: &Rule<'_>) -> Option<Self> {
        if rule.is_opaque || rule.origin.rule.is_restricted() {
            return None;
        }
        let peers = match &rule.peers {
            None => None,
            Some(peers) if peers.is_empty() => return None,
            Some(peers) => {
                let sets = peers.iter().map(|peer| PeerSet::of(cluster, peer));
                Some(sets.collect::<Option<Vec<_>>>()?.concat())
            }
        };
        let ports = PortMatches::of(rule.ports.as_deref())?;
        Some(Self { peers, ports })
    }

    /// Every pod of the cluster, on every port.
    #[must_use]
    pub fn of_every_pod() -> Self {
        let pods = Predicate::default().and_is_one_of(&[POD]);
        Self {
            peers: Some(vec![PeerSet::Ends(pods)]),
            ports: PortMatches::all(),
        }
    }
}

impl PeerSet {
    /// Whom a peer matches: everybody who is in one of the sets.
    fn of(cluster: &Cluster, peer: &Peer<'_>) -> Option<Vec<Self>> {
        let ends = |predicate: Predicate| {
            let is_some = predicate.is_satisfiable();
            is_some.then_some(vec![Self::Ends(predicate)])
        };
        match &peer.matcher {
            Matcher::Pods(pods) => {
                let mut sets = Vec::new();
                for predicate in pods_by_kind(cluster, pods)? {
                    sets.extend(ends(predicate)?);
                }
                Some(sets)
            }
            Matcher::Entities(entities) => {
                let kinds: Vec<&str> = entities.iter().map(|entity| entity.name()).collect();
                ends(Predicate::default().and_is_one_of(&kinds))
            }
            Matcher::Blocks(blocks) => {
                let ranges = blocks.iter().flat_map(|block| block.ranges()).collect();
                Some(vec![match peer.origin {
                    PeerRef::Cluster(_) => Self::Networks(ranges),
                    _ => Self::Addresses(ranges),
                }])
            }
            Matcher::BlockOfNoPods(block, _) => Some(vec![Self::Addresses(block.ranges())]),
            Matcher::Outside(ranges) => Some(vec![Self::Addresses(ranges.clone())]),
            Matcher::Nodes(_)
            | Matcher::DomainNames
            | Matcher::Untold(_)
            | Matcher::Condition(_) => None,
        }
    }
}

/// The pods, and what else a selection matches of a node's network (S10, S15).
fn pods_by_kind(cluster: &Cluster, pods: &Subject<'_>) -> Option<Vec<Predicate>> {
    let labelled = predicate(cluster, pods)?;
    let group = |kinds: &[&'static str]| Predicate::default().and_is_one_of(kinds);
    Some(match (pods.host_network, &pods.condition) {
        (HostNetwork::Unseen, _) => vec![labelled.and_is_one_of(&[POD])],
        (HostNetwork::Seen, None) => vec![labelled.and_is_one_of(&[POD, HOST_POD])],
        // Their own labels are not seen: they are a node.
        (HostNetwork::Seen, Some(condition)) => {
            let mut all = vec![labelled.and_is_one_of(&[POD])];
            if condition.holds_for(Entity::RemoteNode) {
                all.push(group(&[HOST_POD]));
            }
            all
        }
        (HostNetwork::Group, _) => vec![
            labelled.and_is_one_of(&[POD]),
            group(&[HOST_POD, Entity::Host.name(), Entity::RemoteNode.name()]),
        ],
    })
}

/// What is asked of labels.
fn predicate(cluster: &Cluster, pods: &Subject<'_>) -> Option<Predicate> {
    let mut all = Predicate::default();
    match pods.namespaces {
        NamespaceSet::All => {}
        NamespaceSet::One(id) => {
            let name = &cluster.namespace(id).name;
            all = all.and_value(Scope::Namespace, NAMESPACE_NAME_LABEL, name);
        }
        NamespaceSet::Matching(selector) => all = all.and_selector(Scope::Namespace, selector)?,
    }
    if let Some(selector) = pods.pods {
        all = all.and_selector(Scope::Pod, selector)?;
    }
    if let Some(condition) = &pods.condition {
        for label in condition.labels()? {
            all = match label {
                EndLabel::Namespace(test) => all.and_test(Scope::Namespace, &test),
                EndLabel::Pod(test) => all.and_test(Scope::Pod, &test),
                EndLabel::OfNoPod => all.and_is_one_of(&[]),
            };
        }
    }
    Some(all)
}

impl PortMatches {
    /// Every port.
    fn all() -> Self {
        Self {
            numbers: ConnectionSet::all(),
            names: BTreeSet::new(),
        }
    }

    fn of(entries: Option<&[PortEntry<'_>]>) -> Option<Self> {
        let Some(entries) = entries else {
            return Some(Self::all());
        };
        // No TCP, UDP or SCTP at all, so that it would be covered by anything.
        if entries.is_empty() {
            return None;
        }
        let mut names = BTreeSet::new();
        let mut numbers = Vec::new();
        for entry in entries {
            match &entry.ports {
                Ports::Numbers(protocol, ports) => {
                    numbers.push(ConnectionSet::of(*protocol, ports.clone()));
                }
                ports if ports.is_opaque() => return None,
                Ports::Name(name, Some(protocol)) => {
                    names.insert((*protocol, (*name).to_owned()));
                }
                // The protocol is the one that the destination declares (S12).
                Ports::Name(name, None) => {
                    names.extend(Protocol::ALL.map(|protocol| (protocol, (*name).to_owned())));
                }
                Ports::ExceptName(..) | Ports::ExceptNumbers(..) | Ports::Unsupported => {
                    return None;
                }
            }
        }
        // All at once: one by one, each would go over all before it.
        Some(Self {
            numbers: ConnectionSet::union_of(numbers),
            names,
        })
    }
}
