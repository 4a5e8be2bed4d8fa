//! The verdict on one pair of endpoints: every policy that can matter is asked, and what
//! each of them said is kept, so that the answer can be explained.
//!
//! Builds no index and no matrix: for all pairs at once that is the wrong way, for one
//! pair the shortest. Refuses to know how answers are printed.

mod difference;
mod peers;
mod ports;
mod possibility;
mod reason;
mod side;
mod worlds;

pub use difference::{Matter, PluginDifference, plugin_differences};
pub use peers::{Miss, PeerRef, PeerTrace, PeersTrace, Requirement, Wanted};
pub use ports::{PortRef, PortTrace, PortsTrace};
pub use possibility::{Match, Verdict};
pub use reason::{Decision, NearestMiss, ReasonCode};
pub use side::{PolicyRef, PolicyTrace, RuleRef, RuleTrace, Scope, SideTrace};

use super::{Address, AddressRange, ConnectionSet, Endpoint, address_pairs};
use crate::cluster::Cluster;
use crate::k8s::{Direction, NetworkPolicyPort, PeerSelection};
use side::Scene;

/// What one pair of endpoints may say to each other, and why.
#[derive(Clone, Debug)]
pub struct Explanation<'c> {
    /// The ways that a connection may take: mostly one, several where both ends have
    /// several known addresses. What one of them allows is allowed (S9).
    pub ways: Vec<Way<'c>>,
    /// What follows.
    pub verdict: Verdict,
}

/// A connection between one address of each end.
#[derive(Clone, Debug)]
pub struct Way<'c> {
    /// The address of the source.
    pub source: Address,
    /// The address of the destination.
    pub destination: Address,
    /// The source's side.
    pub egress: SideTrace<'c>,
    /// The destination's side.
    pub ingress: SideTrace<'c>,
}

impl<'c> Way<'c> {
    /// Both sides, the source's first.
    #[must_use]
    pub fn sides(&self) -> [&SideTrace<'c>; 2] {
        [&self.egress, &self.ingress]
    }

    /// What both sides allow.
    #[must_use]
    pub fn verdict(&self) -> Verdict {
        self.egress.verdict.and(&self.ingress.verdict)
    }
}

/// How a policy is read where its text or the specification leaves something open.
#[derive(Clone, Copy, Debug)]
struct Reading {
    gaps: Gaps,
    pod_addresses: PodAddresses,
    priority_ties: PriorityTies,
    selectors_see_host_network: bool,
}

impl Reading {
    /// Text is taken as it stands, a namespace that is not declared has no labels but its
    /// name (S2). This is what the graph of all pairs shows.
    const AS_WRITTEN: Self = Self {
        gaps: Gaps::AsWritten,
        pod_addresses: PodAddresses::SeenWhereKnown,
        priority_ties: PriorityTies::ByName,
        selectors_see_host_network: false,
    };
    /// What is not among the inputs is not known.
    const WITH_GAPS: Self = Self {
        gaps: Gaps::Unknown,
        ..Self::AS_WRITTEN
    };
}

/// What a hole in the input means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Gaps {
    AsWritten,
    Unknown,
}

/// Which pods an `ipBlock` can match (S9).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum PodAddresses {
    SeenWhereKnown,
    SeenEverywhere,
    NeverSeen,
}

/// Which of two cluster-wide policies of one priority comes first (S12).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum PriorityTies {
    ByName,
    Reversed,
}

/// Everything that `from` may open to `to`, the text taken as it stands: equal to the
/// edge of this pair in the graph of all pairs.
///
/// An object that an API server would refuse reaches nothing, and nobody reaches it. A
/// range of addresses must not be cut by a block of a policy; see [`uniform_ranges`].
/// From outside to outside everything is allowed, as nobody in the cluster is asked.
#[must_use]
pub fn connections(cluster: &Cluster, from: &Endpoint<'_>, to: &Endpoint<'_>) -> ConnectionSet {
    if is_refused(cluster, from) || is_refused(cluster, to) {
        return ConnectionSet::none();
    }
    judge(cluster, from, to, Reading::AS_WRITTEN)
        .verdict
        .allowed()
}

/// Whether the end is a workload that an API server would refuse, so that it has no pods.
fn is_refused(cluster: &Cluster, end: &Endpoint<'_>) -> bool {
    let id = end.pod().and_then(|pod| pod.workload);
    id.is_some_and(|id| !cluster.workload(id).object.meta.is_accepted)
}

/// What one side alone would let through, the text taken as it stands: for `Egress` what
/// `subject` may open to `other` whatever the policies of `other` say, for `Ingress` what
/// `other` may open to `subject` whatever its own policies say.
///
/// With several known addresses this is what one of the ways lets through.
#[must_use]
pub fn side(
    cluster: &Cluster,
    direction: Direction,
    subject: &Endpoint<'_>,
    other: &Endpoint<'_>,
) -> ConnectionSet {
    if let (Some(one), Some(two)) = (subject.pod(), other.pod())
        && one.is_same_pod(two)
    {
        return ConnectionSet::all();
    }
    let pairs = match direction {
        Direction::Egress => address_pairs(subject, other),
        Direction::Ingress => address_pairs(other, subject),
    };
    let allowed = pairs.into_iter().map(|(source, destination)| {
        let (other_address, destination) = match direction {
            Direction::Egress => (destination, other),
            Direction::Ingress => (source, subject),
        };
        let reading = Reading::AS_WRITTEN;
        let scene = Scene {
            cluster,
            direction,
            other,
            other_address,
            destination,
            reading,
        };
        side::judge_side(scene, subject).verdict.allowed()
    });
    allowed.fold(ConnectionSet::none(), |all, allowed| all.union(&allowed))
}

/// What the `ports` of a rule mean at a destination (S7); all connections where there are
/// none.
#[must_use]
pub fn ports_at(entries: &[NetworkPolicyPort], destination: &Endpoint<'_>) -> Match {
    ports::network_ports(entries, destination).matches
}

/// What `from` may open to `to`, and what every policy that matters says to it.
///
/// What is not among the inputs, as the labels of a namespace that is only used
/// ([`NamespaceView::are_labels_known`](super::NamespaceView::are_labels_known)) or text
/// that another tool fills in, is unknown here, and so may be a part of the verdict.
///
/// A range of addresses must not be cut by a block of a policy; see [`uniform_ranges`].
#[must_use]
pub fn explain<'c>(
    cluster: &'c Cluster,
    from: &Endpoint<'c>,
    to: &Endpoint<'c>,
) -> Explanation<'c> {
    let explanation = judge(cluster, from, to, Reading::WITH_GAPS);
    if explanation.verdict.unknown().is_empty() {
        return explanation;
    }
    worlds::narrow(explanation, cluster, from, to)
}

fn judge<'c>(
    cluster: &'c Cluster,
    from: &Endpoint<'c>,
    to: &Endpoint<'c>,
    reading: Reading,
) -> Explanation<'c> {
    if let (Some(source), Some(destination)) = (from.pod(), to.pod())
        && source.is_same_pod(destination)
    {
        let [egress, ingress] = [Direction::Egress, Direction::Ingress]
            .map(|direction| side::open_side(direction, Scope::SamePod));
        let verdict = egress.verdict.clone();
        let [source, destination] = [Address::Unknown; 2];
        return Explanation {
            ways: vec![Way {
                source,
                destination,
                egress,
                ingress,
            }],
            verdict,
        };
    }
    let scene = |direction, other, other_address| Scene {
        cluster,
        direction,
        other,
        other_address,
        destination: to,
        reading,
    };
    let way = |(source, destination)| Way {
        source,
        destination,
        egress: side::judge_side(scene(Direction::Egress, to, destination), from),
        ingress: side::judge_side(scene(Direction::Ingress, from, source), to),
    };
    let ways: Vec<Way<'c>> = address_pairs(from, to).into_iter().map(way).collect();
    let verdicts = ways.iter().map(Way::verdict);
    let verdict = verdicts
        .reduce(|one, other| one.or(&other))
        .expect("there is a pair of addresses");
    Explanation { ways, verdict }
}

/// A range of addresses in pieces that no accepted policy of the cluster tells apart, in
/// order (S8).
#[must_use]
pub fn uniform_ranges(cluster: &Cluster, range: &AddressRange) -> Vec<AddressRange> {
    range.cut(policy_ranges(cluster))
}

/// Every range of addresses that an accepted policy speaks of.
fn policy_ranges(cluster: &Cluster) -> Vec<AddressRange> {
    let mut ranges = Vec::new();
    let policies = cluster.policies().iter().map(|policy| &policy.object);
    for policy in policies.filter(|policy| policy.meta.is_accepted) {
        let rules = policy.ingress.items().iter().chain(policy.egress.items());
        let peers = rules.flat_map(|rule| rule.peers.items());
        for block in peers.filter_map(|peer| peer.ip_block.get()) {
            ranges.push(block.cidr.value.into());
            ranges.extend(
                block
                    .except
                    .items()
                    .iter()
                    .map(|except| AddressRange::from(except.value)),
            );
        }
    }
    let policies = cluster
        .cluster_policies()
        .iter()
        .filter(|policy| policy.meta.is_accepted);
    let rules = policies.flat_map(|policy| policy.ingress.iter().chain(&policy.egress));
    for peer in rules.flat_map(|rule| &rule.peers) {
        match &peer.selection {
            PeerSelection::Networks(blocks) => {
                ranges.extend(blocks.iter().map(|block| AddressRange::from(block.value)));
            }
            PeerSelection::Nodes(selector) => {
                let nodes = cluster.nodes().iter().filter(|node| node.meta.is_accepted);
                let nodes = nodes.filter(|node| selector.matches(&node.meta.labels));
                ranges.extend(
                    nodes
                        .flat_map(|node| &node.addresses)
                        .copied()
                        .map(AddressRange::from),
                );
            }
            PeerSelection::Pods(_) | PeerSelection::DomainNames(_) => {}
        }
    }
    ranges
}
