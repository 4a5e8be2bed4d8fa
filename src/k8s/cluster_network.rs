//! Objects that say how the network of a cluster is made: which plugin, and where pods have
//! their addresses.
//!
//! Refuses to know what follows for policies.

use super::ObjectMeta;
use crate::source::Spanned;
use ipnet::IpNet;

/// An object that says how the network of the cluster is made: OpenShift's `Network`,
/// kubeadm's `ClusterConfiguration`, Calico's `IPPool` and `Installation`, Cilium's settings.
#[derive(Clone, Debug)]
pub struct ClusterNetwork {
    /// Its metadata.
    pub meta: ObjectMeta,
    /// Its kind, as it is written.
    pub kind: String,
    /// The kind of network, as OpenShift writes it, where the object tells.
    pub network_type: Option<String>,
    /// Where pods have their addresses.
    pub pod_cidrs: Vec<Spanned<IpNet>>,
}
