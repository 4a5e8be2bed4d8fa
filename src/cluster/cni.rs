//! The CNI plugins by name, and by what tells that one is installed.
//!
//! Refuses to know what a plugin does not support, but where it decides what a rule means: the
//! rest is advice.

use crate::k8s::{NetworkPolicyPort, PortReference, Product, Protocol};

/// What a CNI plugin makes of an entry of `ports`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum PortReading {
    /// What Kubernetes says.
    AsWritten,
    /// The first port of a range, as it does not know `endPort`.
    FirstOfRange,
    /// It does not support it: what becomes of the rule is not known.
    Unsupported,
}

/// A CNI plugin.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Cni {
    /// Antrea.
    Antrea,
    /// Amazon's VPC CNI with its network policy agent.
    AwsVpc,
    /// Azure's network policy manager.
    AzureNpm,
    /// Calico, also as Canal.
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
    /// The plugin that enforces the policies of a product, if it is one.
    #[must_use]
    pub fn of(product: Product) -> Option<Self> {
        Some(match product {
            Product::Cilium => Self::Cilium,
            Product::Calico => Self::Calico,
            Product::Antrea => Self::Antrea,
            Product::OvnKubernetes => Self::OvnKubernetes,
            Product::Aws => Self::AwsVpc,
            Product::Gke => Self::GkeDataplaneV2,
            _ => return None,
        })
    }

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

    /// What it makes of an entry of `ports`; `lint::plugins` has the sources.
    #[must_use]
    pub fn reading_of(self, port: &NetworkPolicyPort) -> PortReading {
        let number = port.port.get().map(|port| &port.value);
        let is_named = matches!(number, Some(PortReference::Name(_)));
        match self {
            Self::OvnKubernetes | Self::Weave if is_named => PortReading::Unsupported,
            Self::Weave if port.end_port.get().is_some() => PortReading::FirstOfRange,
            Self::KubeRouter if port.protocol_or_default() == Protocol::Sctp => {
                PortReading::Unsupported
            }
            _ => PortReading::AsWritten,
        }
    }

    /// Whether it compares the addresses of pods and nodes with an `ipBlock`. Cilium, which
    /// Google's Dataplane V2 is made of, knows what is in the cluster by identity instead
    /// (docs.cilium.io, "IP/CIDR based").
    #[must_use]
    pub fn compares_addresses(self) -> bool {
        !matches!(self, Self::Cilium | Self::GkeDataplaneV2)
    }

    /// The plugin of a network type, as OpenShift and kops write it.
    pub(super) fn by_network_type(network_type: &str) -> Option<Self> {
        Some(match network_type.to_ascii_lowercase().as_str() {
            "ovnkubernetes" => Self::OvnKubernetes,
            "calico" => Self::Calico,
            "cilium" => Self::Cilium,
            "antrea" => Self::Antrea,
            _ => return None,
        })
    }

    /// The plugin whose agent is a DaemonSet of this name: the names of the projects' own
    /// manifests and charts.
    pub(super) fn by_agent(name: &str) -> Option<Self> {
        Some(match name {
            "antrea-agent" => Self::Antrea,
            "azure-npm" => Self::AzureNpm,
            "calico-node" | "canal" | "rke2-canal" => Self::Calico,
            "cilium" => Self::Cilium,
            "kindnet" => Self::Kindnet,
            "kube-router" => Self::KubeRouter,
            "ovnkube-node" => Self::OvnKubernetes,
            "weave-net" => Self::Weave,
            _ => return None,
        })
    }
}
