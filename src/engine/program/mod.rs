//! Policies of every kind in one form, which is all that the rest of the engine knows of
//! them.
//!
//! A [`Program`] is a list of gates, and a connection has to pass each of them. A [`Gate`]
//! is a list of stages in the order in which they are asked; what no stage decides passes.
//! A [`Stage`] holds the [`Chain`]s of its policies for each direction, in the order of
//! evaluation. A chain has a subject, first-match rules, and an end.
//!
//! A pod is judged, for one direction of a connection, by the chains whose subject it is:
//!
//! 1. In a stage the rules of these chains are asked one after the other. The first one that
//!    matches the other end and the port decides: `Accept` lets the connection through the
//!    gate, `Deny` stops it, `Pass` leaves the stage for the next one.
//! 2. Where no rule matches, the ends of the chains count: one [`End::Deny`] among them stops
//!    the connection, else the next stage is asked. A stage without chains for the pod is
//!    passed over.
//!
//! So a kind of policy is one `lower` function into this form, beside its reader:
//!
//! | kind | stages | end of a chain |
//! |---|---|---|
//! | `AdminNetworkPolicy`, `ClusterNetworkPolicy` | `Admin` or `Baseline`, by priority | `Next` |
//! | `NetworkPolicy` | `NetworkPolicies`: only `Accept`, so that order does not matter | `Deny` |
//! | `EgressFirewall` | a gate of its own, by namespace | `Next` |
//! | `UserDefinedNetwork`, `ClusterUserDefinedNetwork` of the role `Primary` | a gate of its own, by namespace | `Next` |
//! | a list that denies before it allows | two stages: one of `Deny` rules that end `Next`, one of `Accept` rules whose chains end `Deny` where they isolate | by policy |
//! | ordered tiers of a plugin | one stage for each tier, chains in the order of the tier | what the tier says |
//!
//! Where no manifest tells the place of a stage, what is certain is what holds whether it is
//! asked before all others or behind them.
//!
//! A stage whose rules all have one action is worked out as a union (see
//! [`functions`](super::functions)); a mixed one rule by rule. Each is right for every stage.
//!
//! What cannot be known is a part of the form: text that another tool fills in makes a rule
//! or a subject unknown, and a policy that cannot be judged is a chain of one unknown rule.
//!
//! Refuses to know which pods there are, and what is allowed.

mod about;
mod by_direction;
pub(super) mod calico;
mod calico_end;
mod calico_owners;
pub(super) mod cilium;
mod cilium_parts;
mod cilium_groups;
pub(super) mod cilium_network_policy;
mod cilium_tiers;
pub mod cilium_selector;
mod cluster_policy;
pub(super) mod condition;
mod egress_firewall;
mod foreign;
pub mod identity;
pub(super) mod network_policy;
mod nodes;
mod origin;
mod parts;
mod pod_set;
mod primary_network;
mod rule_ports;

pub use by_direction::ByDirection;
pub use origin::{Origin, PeerRef, PolicyRef, PortRef, RuleRef};
pub use pod_set::{HostNetwork, NamespaceSet, PodSet};
pub use rule_ports::RulePorts;

use super::HashMap;
use super::addresses::AddressRange;
use super::ports::{ConnectionSet, PortSet};
use crate::cluster::{Cluster, Cni, Enforcement, NamespaceId, PluginPolicyId};
use crate::k8s::{
    Action, Direction, ObjectMeta, PluginSpec, PolicyEffect, Protocol, Truth, is_opaque,
};
use crate::source::{Span, Spanned};
use about::ChainIndex;
use condition::{Candidate, Condition};
use identity::Entity;
use ipnet::IpNet;
use parts::Asked;
use std::net::IpAddr;
use std::sync::OnceLock;

/// The policies of a cluster, or those that can select the pods of one namespace.
#[derive(Debug)]
pub struct Program<'c> {
    /// A connection has to pass every one of them.
    pub gates: Vec<Gate<'c>>,
    by_policy: OnceLock<HashMap<(PolicyRef, Direction), Vec<ChainPlace>>>,
    about: ByDirection<OnceLock<ChainIndex>>,
}

/// A chain by its gate, its stage, and its place in the stage.
type ChainPlace = (usize, usize, usize);

/// Stages in the order in which they are asked.
#[derive(Debug)]
pub struct Gate<'c> {
    /// The stages; what none of them decides passes.
    pub stages: Vec<Stage<'c>>,
}

/// Policies that are asked together.
#[derive(Debug)]
pub struct Stage<'c> {
    /// Which one it is.
    pub name: StageName,
    /// Whether its place among the others of its gate is known. One whose place is not is listed
    /// before those that it may be asked before, and may be asked behind all of them.
    pub is_placed: bool,
    /// By direction: the chains in the order of evaluation.
    pub chains: ByDirection<Vec<Chain<'c>>>,
}

/// The stages that there are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum StageName {
    /// Policies that npcheck does not evaluate.
    NotJudged,
    /// The `EgressFirewall` of a namespace, which is a gate by itself (S15).
    EgressFirewall,
    /// The primary networks of OVN-Kubernetes, which are a gate by themselves (S15).
    PrimaryNetworks,
    /// What denies before anything allows: the deny rules of Cilium.
    Denies,
    /// The Admin tier of the cluster-wide policies (S11).
    Admin,
    /// A tier of Calico's, by its place among all tiers; not `default`, which is that of
    /// NetworkPolicies.
    CalicoTier(u32),
    /// `NetworkPolicy`, and what a CNI plugin asks together with them.
    NetworkPolicies,
    /// The Baseline tier of the cluster-wide policies (S11).
    Baseline,
    /// What remains of the isolation by Cilium's set of rules behind the Baseline tier (M6).
    Isolation,
}

impl StageName {
    /// Whether its policies have rules that somebody wrote, and that are read.
    #[must_use]
    pub fn is_of_rules(self) -> bool {
        !matches!(self, Self::NotJudged | Self::PrimaryNetworks)
    }
}

/// What one policy says about one direction of the traffic of its subject.
#[derive(Debug)]
pub struct Chain<'c> {
    /// The policy.
    pub policy: PolicyRef,
    /// Whom it is about.
    pub subject: PodSet<'c>,
    /// Whether the subject is known: not where text that another tool fills in may be a part
    /// of it, nor where an API server would refuse the policy as it is written.
    pub is_subject_known: bool,
    /// First match, in order.
    pub rules: Vec<Rule<'c>>,
    /// What becomes of what no rule of the stage matches.
    pub end: End,
}

impl<'c> Chain<'c> {
    /// The chain of a policy that may deny its subject whatever others let through, with these
    /// peers or with everybody, and does nothing else; `text` is what is shown of it.
    fn restricting(
        policy: PolicyRef,
        subject: PodSet<'c>,
        text: Span,
        peers: Option<Vec<Peer<'c>>>,
    ) -> Self {
        let rule = Rule {
            origin: Origin {
                index: 0,
                rule: RuleRef::Unread(text),
            },
            action: Action::Deny,
            peers,
            ports: None,
            is_opaque: false,
        };
        Self {
            policy,
            subject,
            is_subject_known: false,
            rules: vec![rule],
            end: End::Next,
        }
    }

    /// The chain of a policy that cannot be judged: it may do anything to its subject, if that
    /// is its subject.
    fn unread(policy: PolicyRef, subject: PodSet<'c>, text: Span, end: End) -> Self {
        Self {
            policy,
            subject,
            is_subject_known: false,
            rules: vec![Rule::anything(RuleRef::Unread(text))],
            end,
        }
    }

    /// The same of a policy of which another tool fills in more than parts of rules.
    fn filled_in(policy: PolicyRef, subject: PodSet<'c>, meta: &ObjectMeta, end: End) -> Self {
        Self {
            rules: vec![Rule::filled_in(meta)],
            ..Self::unread(policy, subject, meta.name.span, end)
        }
    }
}

/// What becomes of what no rule of a stage matches.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum End {
    /// It is denied: the policy isolates its subject.
    Deny,
    /// The next stage decides.
    Next,
    /// Nobody knows which of both.
    Unknown,
}

/// A rule of any policy.
#[derive(Debug)]
pub struct Rule<'c> {
    /// Where it stands.
    pub origin: Origin<'c>,
    /// What it does with what it matches.
    pub action: Action,
    /// Whom it is about: whoever one of them matches; `None` is everybody.
    pub peers: Option<Vec<Peer<'c>>>,
    /// The destination's ports that it is about; `None` is every port.
    pub ports: Option<RulePorts<'c>>,
    /// Whether nobody knows what it matches and does with it.
    pub is_opaque: bool,
}

impl Rule<'_> {
    /// What another tool may fill in outside of the rules of a policy.
    fn filled_in(meta: &ObjectMeta) -> Self {
        Self::anything(RuleRef::FilledIn(
            meta.holes.first().unwrap_or(meta.name.span),
        ))
    }

    /// A rule of which nothing is known.
    fn anything(rule: RuleRef<'static>) -> Self {
        Self {
            origin: Origin { index: 0, rule },
            action: Action::Accept,
            peers: None,
            ports: None,
            is_opaque: true,
        }
    }
}

/// An entry of a rule's peers.
#[derive(Debug)]
pub struct Peer<'c> {
    /// As it is written.
    pub origin: PeerRef<'c>,
    /// What it matches.
    pub matcher: Matcher<'c>,
}

/// What a peer matches.
#[derive(Debug)]
pub enum Matcher<'c> {
    /// Pods.
    Pods(PodSet<'c>),
    /// Whoever has an address in one of the blocks.
    Blocks(Vec<Block<'c>>),
    /// Whoever is outside of the network of pods and has an address in the block: addresses
    /// outside of the cluster, and pods on the network of their node.
    BlockOfNoPods(Block<'c>, Condition<'c>),
    /// Whoever has one of these addresses of nodes.
    Nodes(Vec<IpAddr>),
    /// Names of the DNS, which cannot be resolved offline and match nobody (S12).
    DomainNames,
    /// Some addresses outside that no manifest tells, all of them in these ranges.
    Untold(Vec<AddressRange>),
    /// Addresses outside, and nobody in the cluster that has one of them.
    Outside(Vec<AddressRange>),
    /// Ends that are neither pods nor outside.
    Entities(Vec<Entity>),
    /// Whoever meets a condition of a CNI plugin's.
    Condition(Condition<'c>),
}

/// A block of addresses with holes.
#[derive(Clone, Copy, Debug)]
pub struct Block<'c> {
    /// The block.
    pub cidr: &'c Spanned<IpNet>,
    /// What is not in it.
    pub except: &'c [Spanned<IpNet>],
}

/// An entry of a rule's ports.
#[derive(Clone, Debug)]
pub struct PortEntry<'c> {
    /// As it is written.
    pub origin: PortRef<'c>,
    /// What it matches.
    pub ports: Ports<'c>,
}

/// What an entry of a rule's ports matches.
#[derive(Clone, Debug)]
pub enum Ports<'c> {
    /// Ports by number.
    Numbers(Protocol, PortSet),
    /// The destination's container ports of this name, of one protocol or of any (S7).
    Name(&'c str, Option<Protocol>),
    /// Not the destination's container ports of this name, whatever other entries match.
    ExceptName(&'c str, Protocol),
    /// Not these, whatever other entries match.
    ExceptNumbers(Protocol, PortSet),
    /// What the CNI plugin does not support: any port, or none.
    Unsupported,
}

/// How policies are read where Kubernetes leaves something open.
#[derive(Clone, Copy, Debug)]
pub struct Reading<'e> {
    /// What the CNI plugin makes of them.
    pub enforcement: &'e Enforcement,
    /// Whether of cluster-wide policies of one priority the last one by name comes first
    /// (S12).
    pub reverses_ties: bool,
}

impl<'e> Reading<'e> {
    /// As the cluster's own plugin reads them.
    #[must_use]
    pub fn of(cluster: &'e Cluster) -> Self {
        Self {
            enforcement: cluster.enforcement(),
            reverses_ties: false,
        }
    }
}

impl<'c> Program<'c> {
    /// All policies of the cluster.
    #[must_use]
    pub fn new(cluster: &'c Cluster) -> Self {
        Self::of(cluster, Asked::All, Reading::of(cluster))
    }

    /// The policies that can select pods of a namespace; without one only those that can
    /// select pods of a namespace that is not there.
    #[must_use]
    pub fn for_namespace(
        cluster: &'c Cluster,
        namespace: Option<NamespaceId>,
        reading: Reading<'_>,
    ) -> Self {
        Self::of(cluster, Asked::Of(namespace), reading)
    }

    fn of(cluster: &'c Cluster, asked: Asked, reading: Reading<'_>) -> Self {
        let plugin = asked.plugin_policies(cluster);
        let mut stages = Self::stages_of(cluster, asked, &plugin, reading);
        let mut foreign = foreign::lower(cluster, &plugin);
        parts::add_changes(cluster, asked, &mut foreign.deciding);
        stages.insert(0, foreign.deciding);
        let firewalls = egress_firewall::lower(cluster, &plugin, reading);
        let networks = primary_network::lower(cluster, &plugin);
        let gates = [
            vec![networks],
            vec![foreign.restricting],
            vec![firewalls],
            stages,
        ];
        Self {
            gates: gates.into_iter().map(|stages| Gate { stages }).collect(),
            by_policy: OnceLock::new(),
            about: ByDirection::default(),
        }
    }

    /// The stages of the policies that the CNI plugin enforces.
    fn stages_of(
        cluster: &'c Cluster,
        asked: Asked,
        plugin: &[PluginPolicyId],
        reading: Reading<'_>,
    ) -> Vec<Stage<'c>> {
        if !reading.enforcement.enforces_policies() {
            return Vec::new();
        }
        let policies = &asked.policies(cluster);
        let cni = reading.enforcement.cni().map(|cni| cni.value);
        let is_calico = |id: &PluginPolicyId| {
            let policy = cluster.plugin_policy(*id);
            matches!(policy.spec, PluginSpec::Calico(_))
                && policy.kind.effect != PolicyEffect::Nothing
        };
        if cni == Some(Cni::Cilium) {
            let [denies, mut allows] = cilium::lower(cluster, policies, plugin);
            parts::add_policies(cluster, asked, &mut allows);
            let tiers = cluster_policy::lower(cluster, asked, reading);
            let options = cluster.enforcement().cilium();
            if tiers.iter().all(Stage::is_empty) {
                return vec![denies, allows];
            }
            return cilium_tiers::stages([denies, allows], tiers, options);
        }
        let [admin, baseline] = cluster_policy::lower(cluster, asked, reading);
        let mut policies = network_policy::lower(cluster, policies, reading);
        parts::add_policies(cluster, asked, &mut policies);
        let stages = [admin, policies, baseline];
        let plugin: Vec<PluginPolicyId> = plugin.iter().copied().filter(&is_calico).collect();
        match cni {
            // Without a policy of its own Calico does what Kubernetes says (M4).
            Some(Cni::Calico) if asked.may_have(cluster, is_calico) => {
                calico::lower(cluster, stages, &plugin)
            }
            _ => stages.into(),
        }
    }

    /// The stages of every gate, in order.
    pub fn stages(&self) -> impl Iterator<Item = &Stage<'c>> {
        self.gates.iter().flat_map(|gate| &gate.stages)
    }

    /// Every range of addresses whose ends tell addresses apart.
    pub fn ranges(&self) -> impl Iterator<Item = AddressRange> {
        let chains = self.stages().flat_map(|stage| {
            let ByDirection { ingress, egress } = &stage.chains;
            ingress.iter().chain(egress)
        });
        let rules = chains.flat_map(|chain| &chain.rules);
        let peers = rules.flat_map(|rule| rule.peers.iter().flatten());
        peers.flat_map(|peer| peer.matcher.cuts())
    }
}

impl<'c> Program<'c> {
    /// The chains of a policy in one direction, in the order of evaluation.
    pub fn chains_of(
        &self,
        policy: PolicyRef,
        direction: Direction,
    ) -> impl Iterator<Item = &Chain<'c>> {
        let places = self.by_policy.get_or_init(|| self.places_by_policy());
        let places = places.get(&(policy, direction)).into_iter().flatten();
        places.map(move |(gate, stage, chain)| {
            &self.gates[*gate].stages[*stage].chains.get(direction)[*chain]
        })
    }

    fn places_by_policy(&self) -> HashMap<(PolicyRef, Direction), Vec<ChainPlace>> {
        let mut places: HashMap<_, Vec<ChainPlace>> = HashMap::default();
        for (gate, stages) in self.gates.iter().enumerate() {
            for (stage, chains) in stages.stages.iter().enumerate() {
                for direction in Direction::BOTH {
                    for (chain, it) in chains.chains.get(direction).iter().enumerate() {
                        let of_policy = places.entry((it.policy, direction)).or_default();
                        of_policy.push((gate, stage, chain));
                    }
                }
            }
        }
        places
    }
}

impl<'c> Stage<'c> {
    /// Whether it has no policies.
    fn is_empty(&self) -> bool {
        self.chains.ingress.is_empty() && self.chains.egress.is_empty()
    }

    fn new(name: StageName) -> Self {
        Self {
            name,
            is_placed: true,
            chains: ByDirection::default(),
        }
    }
}

impl Matcher<'_> {
    /// The ranges that its text speaks of, exceptions by themselves.
    pub(super) fn cuts(&self) -> Vec<AddressRange> {
        match self {
            Self::Pods(pods) => (pods.condition.as_ref()).map_or_else(Vec::new, Condition::cuts),
            Self::DomainNames | Self::Entities(_) => Vec::new(),
            Self::Outside(ranges) | Self::Untold(ranges) => ranges.clone(),
            Self::Condition(condition) => condition.cuts(),
            Self::Blocks(blocks) => {
                let nets = blocks
                    .iter()
                    .flat_map(|block| std::iter::once(block.cidr).chain(block.except));
                nets.map(|net| AddressRange::from(net.value)).collect()
            }
            Self::BlockOfNoPods(block, _) => vec![block.cidr.value.into()],
            Self::Nodes(addresses) => addresses.iter().copied().map(AddressRange::from).collect(),
        }
    }

    /// Whether it matches an address outside.
    #[must_use]
    pub fn outside(&self, address: IpAddr) -> Truth {
        match self {
            Self::Condition(condition) => condition.truth(Candidate::Outside(address)),
            Self::Outside(ranges) => ranges.iter().any(|range| range.contains(address)).into(),
            Self::Pods(_) | Self::Entities(_) => Truth::False,
            Self::DomainNames => Truth::Unknown,
            Self::Untold(ranges) => match ranges.iter().any(|range| range.contains(address)) {
                true => Truth::Unknown,
                false => Truth::False,
            },
            Self::BlockOfNoPods(block, _) => {
                let ranges = block.ranges();
                ranges.iter().any(|range| range.contains(address)).into()
            }
            Self::Blocks(_) | Self::Nodes(_) => {
                let ranges = self.ranges().unwrap_or_default();
                ranges.iter().any(|range| range.contains(address)).into()
            }
        }
    }

    /// The addresses that it matches; `None` if it is not about addresses.
    #[must_use]
    pub fn ranges(&self) -> Option<Vec<AddressRange>> {
        match self {
            Self::Pods(_)
            | Self::Outside(_)
            | Self::Entities(_)
            | Self::Untold(_)
            | Self::Condition(_)
            | Self::BlockOfNoPods(..) => None,
            Self::Blocks(blocks) => Some(blocks.iter().flat_map(Block::ranges).collect()),
            Self::Nodes(_) => Some(self.cuts()),
            Self::DomainNames => Some(Vec::new()),
        }
    }
}

impl Peer<'_> {
    /// The addresses outside of which nobody knows whether it matches them: some that no manifest
    /// tells, and any that a name may have which a CNI plugin looks up (C13). Kubernetes' own
    /// names match nobody (S12).
    #[must_use]
    pub fn untold(&self) -> Option<Vec<AddressRange>> {
        match (&self.matcher, self.origin) {
            (Matcher::Untold(ranges), _) => Some(ranges.clone()),
            (Matcher::DomainNames, PeerRef::Cilium(..) | PeerRef::EgressFirewall(_)) => {
                Some(vec![AddressRange::IPV4, AddressRange::IPV6])
            }
            _ => None,
        }
    }
}

impl Block<'_> {
    /// Its addresses, without the exceptions (S8).
    #[must_use]
    pub fn ranges(&self) -> Vec<AddressRange> {
        let except = self.except.iter().map(|except| except.value.into());
        AddressRange::from(self.cidr.value).without(&except.collect::<Vec<_>>())
    }
}

impl Ports<'_> {
    /// Whether nobody knows what it matches: a name that another tool fills in, or what the CNI
    /// plugin does not support.
    #[must_use]
    pub fn is_opaque(&self) -> bool {
        match self {
            Self::Name(name, _) | Self::ExceptName(name, _) => is_opaque(name),
            Self::Unsupported => true,
            Self::Numbers(..) | Self::ExceptNumbers(..) => false,
        }
    }

    /// What it matches by number.
    #[must_use]
    pub fn numbers(&self) -> ConnectionSet {
        match self {
            Self::Numbers(protocol, ports) => ConnectionSet::of(*protocol, ports.clone()),
            Self::Name(..) | Self::ExceptName(..) | Self::ExceptNumbers(..) | Self::Unsupported => {
                ConnectionSet::none()
            }
        }
    }
}
