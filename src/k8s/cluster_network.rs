//! Objects that say how the network of a cluster is made: which plugin, and where pods have
//! their addresses.
//!
//! Refuses to know what follows for policies.

use super::ObjectMeta;
use crate::source::{Spanned, Text};
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
    pub network_type: Option<Text>,
    /// Where pods have their addresses.
    pub pod_cidrs: Vec<Spanned<IpNet>>,
    /// What it sets of the options of Cilium's agent, by the agent's own names.
    pub agent_options: Vec<AgentOption>,
}

/// An option of the agent of a CNI plugin.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AgentOption {
    /// Its name, as the agent knows it: `enable-policy`.
    pub name: &'static str,
    /// Its value as a text; several values are separated by blanks.
    pub value: Spanned<String>,
}
