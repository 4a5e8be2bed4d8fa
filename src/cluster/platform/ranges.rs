//! The ranges that pods and Services have where nobody has chosen others, by distribution.
//!
//! Refuses to be asked about a cluster whose distribution is not known: the ranges differ.

use super::Distribution;
use ipnet::Ipv4Net;
use std::net::Ipv4Addr;

/// The usual ranges of a distribution; none where everybody has to choose.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ranges {
    /// The distribution.
    pub distribution: Distribution,
    /// The range of pods.
    pub pods: Option<Ipv4Net>,
    /// The range of Services. The API server's Service has its first address, and the
    /// resolver's mostly the tenth.
    pub services: Option<Ipv4Net>,
}

/// The usual ranges of a distribution; `None` where the table has none.
#[must_use]
pub fn ranges(distribution: Distribution) -> Option<Ranges> {
    let (pods, services) = match distribution {
        // learn.microsoft.com, "Azure CNI Overlay" (10.244.0.0/16) and "az aks create"
        // (`--service-cidr`, 10.0.0.0/16).
        Distribution::Aks => (block([10, 244, 0, 0], 16), block([10, 0, 0, 0], 16)),
        // docs.k3s.io and docs.rke2.io, "server" (`cluster-cidr`, `service-cidr`).
        Distribution::K3s | Distribution::Rke2 => {
            (block([10, 42, 0, 0], 16), block([10, 43, 0, 0], 16))
        }
        // kubernetes.io, "kubeadm init" (`--service-cidr`); pods have no default there.
        Distribution::Kubeadm => {
            let services = block([10, 96, 0, 0], 12);
            return Some(Ranges {
                distribution,
                pods: None,
                services: Some(services),
            });
        }
        // kind.sigs.k8s.io, "Configuration" (`podSubnet`, `serviceSubnet`).
        Distribution::Kind => (block([10, 244, 0, 0], 16), block([10, 96, 0, 0], 16)),
        // microk8s.io, "Services and ports", "Change CIDR".
        Distribution::MicroK8s => (block([10, 1, 0, 0], 16), block([10, 152, 183, 0], 24)),
        // docs.openshift.com, "Cluster Network Operator": `clusterNetwork`, `serviceNetwork`.
        Distribution::OpenShift => (block([10, 128, 0, 0], 14), block([172, 30, 0, 0], 16)),
        // talos.dev, "cluster.network" (`podSubnets`, `serviceSubnets`).
        Distribution::Talos => (block([10, 244, 0, 0], 16), block([10, 96, 0, 0], 12)),
        // Pods have addresses of the VPC, and Services one of two ranges; GKE's are chosen
        // for each cluster; Rancher's are those of the distributions that it manages.
        Distribution::Eks | Distribution::Gke | Distribution::Rancher => return None,
    };
    Some(Ranges {
        distribution,
        pods: Some(pods),
        services: Some(services),
    })
}

const fn block([a, b, c, d]: [u8; 4], prefix: u8) -> Ipv4Net {
    Ipv4Net::new_assert(Ipv4Addr::new(a, b, c, d), prefix)
}
