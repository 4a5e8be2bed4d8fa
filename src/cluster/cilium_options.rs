//! The options of Cilium's agent that change what its policies do (C15).
//!
//! Refuses to know where they were written.

/// What the agent was started with; the default is the agent's own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CiliumOptions {
    /// `enable-policy`, as far as it is not `always`.
    pub enforces: Switch,
    /// `policy-audit-mode`: what policies deny is only logged.
    pub audits: Switch,
    /// `allow-localhost: always`: a pod's own node always gets in, unless a rule denies it.
    pub allows_localhost: Switch,
    /// `policy-default-local-cluster`: a selector without the key of the cluster means pods of
    /// this one.
    pub means_local_cluster: Switch,
    /// `enable-k8s-networkpolicy`.
    pub enforces_network_policies: Switch,
    /// `enable-k8s-cluster-network-policy`.
    pub reads_cluster_policies: Switch,
}

/// Whether an option is on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Switch {
    /// It is.
    On,
    /// It is not.
    Off,
}

impl Switch {
    /// Whether it is on.
    #[must_use]
    pub fn is_on(self) -> bool {
        self == Self::On
    }
}

impl From<bool> for Switch {
    fn from(is_on: bool) -> Self {
        match is_on {
            true => Self::On,
            false => Self::Off,
        }
    }
}

impl Default for CiliumOptions {
    fn default() -> Self {
        Self {
            enforces: Switch::On,
            audits: Switch::Off,
            allows_localhost: Switch::On,
            means_local_cluster: Switch::On,
            enforces_network_policies: Switch::On,
            reads_cluster_policies: Switch::Off,
        }
    }
}

impl CiliumOptions {
    /// Whether any policy drops anything.
    #[must_use]
    pub fn drops(&self) -> bool {
        self.enforces.is_on() && !self.audits.is_on()
    }
}
