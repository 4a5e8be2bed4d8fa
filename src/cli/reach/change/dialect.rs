//! What could be added to policies of Cilium and Calico so that a side lets something through.
//!
//! Refuses to know whether it would: proposals are tried by others.

use super::proposal::{Kind, Other, Proposal, Side, labels_of, public_blocks};
use crate::amend::{self, NewPeer, NewPluginPolicy, PluginPeer};
use crate::cli::endpoint::{UNNAMED, blocks};
use crate::cluster::{Cni, PluginPolicyId};
use crate::engine::program::StageName;
use crate::engine::{AddressRange, Decision, PodView, PolicyRef, ReasonCode, RuleRef};
use crate::k8s::{CALICO_DEFAULT_TIER, CalicoPolicy, CiliumPolicy, PluginSpec, PolicyScope, Truth};
use crate::source::Edit;

/// Everything outside.
const WORLD: [AddressRange; 2] = [AddressRange::IPV4, AddressRange::IPV6];

/// How many blocks of addresses a peer may take.
const MAX_BLOCKS: usize = 4;

impl Side<'_, '_> {
    /// The proposals in the dialect of the policies that decide.
    pub(super) fn in_dialect(&self, decision: &Decision<'_, '_>, proposals: &mut Vec<Proposal>) {
        let cni = self.scene.cluster.enforcement().cni().map(|cni| cni.value);
        let is_end = matches!(
            decision.code,
            ReasonCode::NoRules | ReasonCode::NoRuleMatches
        );
        match cni {
            Some(Cni::Cilium) if is_end => self.in_cilium(proposals),
            Some(Cni::Calico) => self.in_calico(decision, proposals),
            _ => {}
        }
    }

    /// The policies of a CNI plugin that are asked in a stage and select the pod.
    fn plugin_policies(&self, stage: StageName) -> Vec<PluginPolicyId> {
        let policies = self.trace.policies(stage).iter();
        let policies = policies.filter(|policy| policy.selects == Truth::True);
        let ids = policies.filter_map(|policy| match policy.policy {
            PolicyRef::Plugin(id) => Some(id),
            PolicyRef::Network(_)
            | PolicyRef::Cluster(_)
            | PolicyRef::Part(_)
            | PolicyRef::Agent => None,
        });
        let mut ids: Vec<PluginPolicyId> = ids.collect();
        ids.dedup();
        ids
    }

    fn in_cilium(&self, proposals: &mut Vec<Proposal>) {
        let mut add = |kind, edit: Option<Edit>| {
            proposals.extend(edit.map(|edit| Proposal {
                edits: vec![edit],
                kind,
            }));
        };
        for rule in self.trace.rules_of(StageName::NetworkPolicies) {
            if let RuleRef::Cilium(_, written) = rule.rule
                && rule.selects == Truth::True
                && rule.peers.truth == Truth::True
                && !rule.peers.entries.is_empty()
            {
                add(
                    Kind::Ports,
                    amend::add_cilium_ports(self.scene.sources, written, &self.ports),
                );
            }
        }
        for id in self.plugin_policies(StageName::NetworkPolicies) {
            let policy = self.scene.cluster.plugin_policy(id);
            let PluginSpec::Cilium(CiliumPolicy { specs, .. }) = &policy.spec else {
                continue;
            };
            let is_wide = policy.kind.scope == PolicyScope::Cluster;
            for peers in self.plugin_peers(is_wide) {
                for spec in specs {
                    let rule = amend::add_cilium_rule(
                        self.scene.sources,
                        spec,
                        self.trace.direction,
                        &peers,
                        &self.ports,
                    );
                    add(Kind::Rule, rule);
                }
            }
            for peers in self.plugin_peers(false) {
                for new in self.new_policies(&peers, None) {
                    let edit = amend::add_cilium_policy(self.scene.sources, policy.meta.span, &new);
                    add(Kind::Policy, edit);
                }
            }
        }
    }

    fn in_calico(&self, decision: &Decision<'_, '_>, proposals: &mut Vec<Proposal>) {
        let Some(stage) = decision.stage else { return };
        let mut add = |kind, edit: Option<Edit>| {
            proposals.extend(edit.map(|edit| Proposal {
                edits: vec![edit],
                kind,
            }));
        };
        let denies = decision
            .rule
            .filter(|_| decision.code == ReasonCode::RuleDeny);
        for id in self.plugin_policies(stage) {
            let policy = self.scene.cluster.plugin_policy(id);
            let PluginSpec::Calico(spec) = &policy.spec else {
                continue;
            };
            let spec: &CalicoPolicy = spec;
            let before = match denies {
                Some(rule) if rule.policy == PolicyRef::Plugin(id) => Some(rule.index),
                Some(_) => continue,
                None => None,
            };
            let is_wide = policy.kind.scope == PolicyScope::Cluster;
            for peers in self.plugin_peers(is_wide) {
                let place = (self.trace.direction, before);
                let edit =
                    amend::add_calico_rule(self.scene.sources, spec, place, &peers, &self.ports);
                add(Kind::Rule, edit);
            }
            let tier = spec.tier_name();
            let tier = (tier != CALICO_DEFAULT_TIER).then(|| tier.to_owned());
            for peers in self.plugin_peers(false) {
                for new in self.new_policies(&peers, tier.as_deref()) {
                    let edit = amend::add_calico_policy(self.scene.sources, policy.meta.span, &new);
                    add(Kind::Policy, edit);
                }
            }
        }
    }

    /// Policies of their own with one rule for these peers.
    fn new_policies(&self, peers: &[PluginPeer], tier: Option<&str>) -> Vec<NewPluginPolicy> {
        let policy = |labels| NewPluginPolicy {
            name: match tier {
                Some(tier) => format!("{tier}.{}", self.free_name()),
                None => self.free_name(),
            },
            namespace: self.subject.namespace.name.to_owned(),
            labels,
            direction: self.trace.direction,
            tier: tier.map(str::to_owned),
            peers: peers.to_vec(),
            ports: self.ports.clone(),
        };
        let labels = labels_of(self.subject.labels, &self.used_keys());
        labels.into_iter().map(policy).collect()
    }

    /// The other end as peers, in the ways that it may be written. `names_namespace`: a policy
    /// of no namespace has to name that of pods.
    fn plugin_peers(&self, names_namespace: bool) -> Vec<Vec<PluginPeer>> {
        let block = |cidr| PluginPeer::Block {
            cidr,
            except: Vec::new(),
        };
        let is_cilium = self.is_cilium();
        match self.other {
            Other::Pod(pod) if pod.host_network && is_cilium => {
                vec![vec![PluginPeer::Entity("remote-node")]]
            }
            Other::Pod(pod) if pod.host_network => {
                let addresses = pod.addresses.iter().map(|address| block((*address).into()));
                addresses.map(|block| vec![block]).take(1).collect()
            }
            Other::Pod(pod) => self.pods(pod, names_namespace),
            Other::Entity(entity) => vec![vec![PluginPeer::Entity(entity.name())]],
            Other::Nobody => Vec::new(),
            Other::Internet(_) if is_cilium => vec![vec![PluginPeer::Entity("world")]],
            Other::Internet(ranges) => {
                let blocks = public_blocks(ranges).into_iter();
                let blocks = blocks.filter_map(|peer| match peer {
                    NewPeer::Block { cidr, except } => Some(PluginPeer::Block { cidr, except }),
                    NewPeer::Pods { .. } => None,
                });
                vec![blocks.collect()]
            }
            Other::Addresses(ranges) if is_cilium && ranges[..] == WORLD => {
                vec![vec![PluginPeer::Entity("world")]]
            }
            Other::Addresses(ranges) => {
                let blocks: Vec<_> = ranges.iter().flat_map(blocks).collect();
                let fits = !blocks.is_empty() && blocks.len() <= MAX_BLOCKS;
                let blocks = fits.then(|| blocks.into_iter().map(block).collect());
                blocks.into_iter().collect()
            }
        }
    }

    fn pods(&self, pod: &PodView<'_>, names_namespace: bool) -> Vec<Vec<PluginPeer>> {
        if pod.namespace.name == UNNAMED {
            return Vec::new();
        }
        let is_here = pod.namespace.id == self.subject.namespace.id;
        let namespace = (names_namespace || !is_here).then(|| pod.namespace.name.to_owned());
        let labels = labels_of(pod.labels, &self.used_keys()).into_iter();
        let peer = |labels| {
            vec![PluginPeer::Pods {
                namespace: namespace.clone(),
                labels,
            }]
        };
        labels.map(peer).collect()
    }

    fn is_cilium(&self) -> bool {
        let cni = self.scene.cluster.enforcement().cni();
        cni.is_some_and(|cni| cni.value == Cni::Cilium)
    }
}
