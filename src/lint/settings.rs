//! What rules are told about the world that no manifest says: how complete the inventory
//! is, what the platform adds, which ranges and profiles are in force.
//!
//! Refuses to know where it was written: `config` reads it, tests make it by hand.

use super::Inventory;
use super::addresses::Family;
use crate::cluster::platform::Distribution;
use crate::cluster::{CiliumSettings, Cni, EnforcementSettings};
use crate::k8s::{KubernetesVersion, LabelSelector};
use ipnet::IpNet;
use std::collections::BTreeSet;

/// The facts that rules may ask for. The default knows nothing beyond the manifests.
#[derive(Clone, Debug, Default)]
pub struct Settings {
    /// How much of the cluster the manifests hold.
    pub inventory: Inventory,
    /// Labels that the platform adds to namespaces, as a key or a prefix that ends with
    /// `/`, besides those that npcheck knows.
    pub platform_namespace_labels: Vec<String>,
    /// The distributions that somebody has named; those that the manifests were recognised
    /// by where empty.
    pub distributions: Vec<Distribution>,
    /// Pods that are made elsewhere: a selector that one of these covers is never called
    /// unmatched.
    pub external_pods: Vec<ExternalPods>,
    /// The pods of ingress controllers and gateways, besides those that npcheck knows.
    pub ingress_controllers: Vec<ExternalPods>,
    /// The namespaces that metrics are scraped from.
    pub monitoring_namespaces: Vec<String>,
    /// The ranges of pods' addresses.
    pub pod_cidrs: Vec<IpNet>,
    /// The ranges of Services' addresses.
    pub service_cidrs: Vec<IpNet>,
    /// The ranges of nodes' addresses.
    pub node_cidrs: Vec<IpNet>,
    /// The ranges of the API server's addresses.
    pub api_server_cidrs: Vec<IpNet>,
    /// The families of addresses that the cluster speaks; none where that is not known.
    pub ip_families: BTreeSet<Family>,
    /// Namespaces whose pods need no resolver.
    pub namespaces_without_dns: Vec<String>,
    /// Addresses of resolvers outside of the cluster, or of their Services.
    pub resolver_cidrs: Vec<IpNet>,
    /// The network plugin.
    pub cni: Option<Cni>,
    /// What becomes of the policies that Calico stages.
    pub staged_policies: StagedPolicies,
    /// The options of Cilium's agent.
    pub cilium: CiliumSettings,
    /// What the plugin does, where that is said by itself.
    pub enforcement: EnforcementRows,
    /// The cloud that the nodes are in.
    pub cloud: Option<Cloud>,
    /// The version of Kubernetes; the newest where `None`.
    pub kubernetes: Option<KubernetesVersion>,
    /// The kind of cluster, as far as its DNS differs.
    pub profile: Option<Profile>,
    /// Annotations of which a policy has to carry one, to count as documented; the usual
    /// ones where empty.
    pub description_keys: Vec<String>,
    /// Rules that somebody has asked for by name: they say all that they can, also what
    /// most people do not care for.
    pub asked_for: BTreeSet<String>,
}

/// What becomes of the policies that Calico stages.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum StagedPolicies {
    /// Nothing of them is enforced.
    #[default]
    Staged,
    /// They are taken to be enforced, in the place of those that they stand for.
    Live,
}

/// What the CNI plugin does, row by row; nothing where `None`.
#[derive(Clone, Copy, Debug, Default)]
pub struct EnforcementRows {
    /// Whether an `ipBlock` matches pods.
    pub ip_block_matches_pods: Option<bool>,
    /// Whether an `ipBlock` matches nodes and the pods on their network.
    pub ip_block_matches_nodes: Option<bool>,
    /// Whether a peer's selectors match pods on the network of their node.
    pub selectors_match_host_network: Option<bool>,
}

impl Settings {
    /// What it says about how policies are enforced, for
    /// [`Cluster::with_enforcement`](crate::cluster::Cluster::with_enforcement).
    #[must_use]
    pub fn enforcement(&self) -> EnforcementSettings {
        EnforcementSettings {
            cni: self.cni,
            is_cni_from_command_line: false,
            ip_block_matches_pods: self.enforcement.ip_block_matches_pods,
            ip_block_matches_nodes: self.enforcement.ip_block_matches_nodes,
            selectors_match_host_network: self.enforcement.selectors_match_host_network,
            cilium: self.cilium.clone(),
            holds_everything: self.inventory.is_complete(),
            pod_cidrs: self.pod_cidrs.clone(),
            node_cidrs: self.node_cidrs.clone(),
            api_server_cidrs: self.api_server_cidrs.clone(),
            is_dual_stack: match self.ip_families.len() {
                0 => None,
                families => Some(families == Family::ALL.len()),
            },
            is_ipv4_alone: match self.ip_families.len() {
                1 => Some(self.ip_families.contains(&Family::V4)),
                _ => None,
            },
        }
    }
}

/// Pods that no manifest holds.
#[derive(Clone, Debug)]
pub struct ExternalPods {
    /// Their namespace; any where `None`.
    pub namespace: Option<String>,
    /// Their labels.
    pub labels: LabelSelector,
}

/// A cloud with a metadata service.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Cloud {
    /// Alibaba Cloud.
    Alibaba,
    /// Amazon Web Services.
    Aws,
    /// Microsoft Azure.
    Azure,
    /// Google Cloud.
    Gcp,
    /// Oracle Cloud.
    Oracle,
}

/// A kind of cluster.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Profile {
    /// CoreDNS in `kube-system`, port 53.
    Kubernetes,
    /// OpenShift's resolver pods, which listen on 5353.
    OpenShift,
    /// A cache on every node at a link-local address.
    NodeLocalDns,
}
