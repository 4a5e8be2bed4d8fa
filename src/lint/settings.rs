//! What rules are told about the world that no manifest says: how complete the inventory
//! is, what the platform adds, which ranges and profiles are in force.
//!
//! Refuses to know where it was written: `config` reads it, tests make it by hand.

use super::Inventory;
use super::addresses::Family;
use crate::k8s::LabelSelector;
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
    /// The families of addresses that the cluster speaks; none where that is not known.
    pub ip_families: BTreeSet<Family>,
    /// Namespaces whose pods need no resolver.
    pub namespaces_without_dns: Vec<String>,
    /// Addresses of resolvers outside of the cluster, or of their Services.
    pub resolver_cidrs: Vec<IpNet>,
    /// The network plugin.
    pub cni: Option<Cni>,
    /// The cloud that the nodes are in.
    pub cloud: Option<Cloud>,
    /// The kind of cluster, as far as its DNS differs.
    pub profile: Option<Profile>,
    /// Annotations of which a policy has to carry one, to count as documented; the usual
    /// ones where empty.
    pub description_keys: Vec<String>,
    /// Rules that somebody has asked for by name: they say all that they can, also what
    /// most people do not care for.
    pub asked_for: BTreeSet<String>,
}

/// Pods that no manifest holds.
#[derive(Clone, Debug)]
pub struct ExternalPods {
    /// Their namespace; any where `None`.
    pub namespace: Option<String>,
    /// Their labels.
    pub labels: LabelSelector,
}

/// A network plugin whose gaps npcheck knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Cni {
    /// Antrea.
    Antrea,
    /// Amazon's VPC CNI with its network policy agent.
    AwsVpc,
    /// Azure's network policy manager.
    AzureNpm,
    /// Calico.
    Calico,
    /// Cilium.
    Cilium,
    /// Flannel by itself: enforces nothing.
    Flannel,
    /// Google's Dataplane V2.
    GkeDataplaneV2,
    /// kindnet.
    Kindnet,
    /// kube-router.
    KubeRouter,
    /// OVN-Kubernetes.
    OvnKubernetes,
    /// Weave Net.
    Weave,
}

impl Cni {
    /// Its name, as its makers write it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Antrea => "Antrea",
            Self::AwsVpc => "the Amazon VPC CNI",
            Self::AzureNpm => "Azure NPM",
            Self::Calico => "Calico",
            Self::Cilium => "Cilium",
            Self::Flannel => "Flannel",
            Self::GkeDataplaneV2 => "GKE Dataplane V2",
            Self::Kindnet => "kindnet",
            Self::KubeRouter => "kube-router",
            Self::OvnKubernetes => "OVN-Kubernetes",
            Self::Weave => "Weave Net",
        }
    }
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
