//! The distributions of Kubernetes that npcheck knows facts about.
//!
//! Refuses to know the facts.

/// A distribution of Kubernetes, or what manages clusters and marks them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Distribution {
    /// Azure Kubernetes Service.
    Aks,
    /// Amazon Elastic Kubernetes Service.
    Eks,
    /// Google Kubernetes Engine.
    Gke,
    /// K3s.
    K3s,
    /// What `kubeadm` sets up.
    Kubeadm,
    /// kind: clusters in containers.
    Kind,
    /// MicroK8s.
    MicroK8s,
    /// OpenShift, OKD and MicroShift.
    OpenShift,
    /// Rancher, which manages clusters of other distributions.
    Rancher,
    /// RKE2.
    Rke2,
    /// Talos Linux.
    Talos,
}

impl Distribution {
    /// All of them, by their names.
    pub const ALL: [Self; 11] = [
        Self::Aks,
        Self::Eks,
        Self::Gke,
        Self::K3s,
        Self::Kubeadm,
        Self::Kind,
        Self::MicroK8s,
        Self::OpenShift,
        Self::Rancher,
        Self::Rke2,
        Self::Talos,
    ];

    /// The word for it in `npcheck.yaml`.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Aks => "aks",
            Self::Eks => "eks",
            Self::Gke => "gke",
            Self::K3s => "k3s",
            Self::Kubeadm => "kubeadm",
            Self::Kind => "kind",
            Self::MicroK8s => "microk8s",
            Self::OpenShift => "openshift",
            Self::Rancher => "rancher",
            Self::Rke2 => "rke2",
            Self::Talos => "talos",
        }
    }

    /// Its name, as its makers write it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Aks => "AKS",
            Self::Eks => "EKS",
            Self::Gke => "GKE",
            Self::K3s => "K3s",
            Self::Kubeadm => "kubeadm",
            Self::Kind => "kind",
            Self::MicroK8s => "MicroK8s",
            Self::OpenShift => "OpenShift",
            Self::Rancher => "Rancher",
            Self::Rke2 => "RKE2",
            Self::Talos => "Talos Linux",
        }
    }

    /// Whether it manages clusters of other distributions, so that it is always seen beside
    /// another one.
    #[must_use]
    pub fn is_beside_others(self) -> bool {
        self == Self::Rancher
    }
}
