//! What policies of CNI plugins refer to: groups and sets of addresses, tiers.
//!
//! Refuses to know the policies that refer to them.

use crate::k8s::{CalicoNetworkSet, CalicoTier, CiliumCidrGroup, PluginResource};
use std::sync::Arc;

/// Lists of them, each sorted by namespace and name. What an API server would refuse is kept
/// for rules to look at.
#[derive(Clone, Debug, Default)]
pub struct PluginResources {
    /// Cilium's groups of addresses.
    pub cidr_groups: Vec<CiliumCidrGroup>,
    /// Calico's tiers, without those that are built in.
    pub tiers: Vec<CalicoTier>,
    /// Calico's sets of addresses.
    pub network_sets: Vec<CalicoNetworkSet>,
}

impl PluginResources {
    pub(super) fn add(&mut self, resource: Arc<PluginResource>) {
        match Arc::unwrap_or_clone(resource) {
            PluginResource::CidrGroup(group) => self.cidr_groups.push(group),
            PluginResource::Tier(tier) => self.tiers.push(tier),
            PluginResource::NetworkSet(set) => self.network_sets.push(set),
        }
    }

    pub(super) fn sort(&mut self) {
        let by_name = |a: &str, b: &str| a.cmp(b);
        (self.cidr_groups).sort_by(|a, b| by_name(&a.meta.name, &b.meta.name));
        (self.tiers).sort_by(|a, b| by_name(&a.meta.name, &b.meta.name));
        self.network_sets.sort_by(|a, b| {
            let key = |set: &CalicoNetworkSet| {
                (!set.is_global).then(|| set.meta.namespace_name().to_owned())
            };
            key(a)
                .cmp(&key(b))
                .then_with(|| by_name(&a.meta.name, &b.meta.name))
        });
    }
}
