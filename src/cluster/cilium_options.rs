//! The options of Cilium's agent that change what its policies do (C15).
//!
//! Refuses to know where they were written.

use crate::k8s::AgentOption;

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

/// What somebody says of the options; nothing where `None`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CiliumSettings {
    /// `enable-policy`.
    pub enforces: Option<Switch>,
    /// `policy-audit-mode`.
    pub audits: Option<Switch>,
    /// `allow-localhost`.
    pub allows_localhost: Option<Switch>,
    /// `policy-default-local-cluster`.
    pub means_local_cluster: Option<Switch>,
    /// `enable-k8s-networkpolicy`.
    pub enforces_network_policies: Option<Switch>,
    /// `enable-k8s-cluster-network-policy`.
    pub reads_cluster_policies: Option<Switch>,
}

impl CiliumSettings {
    /// What the agent is told by its names and texts; what the agent itself would not start with
    /// tells nothing.
    #[must_use]
    pub fn of_agent(options: &[AgentOption]) -> Self {
        let value = |name: &str| {
            let mut options = options.iter();
            let option = options.find(|option| option.name == name);
            option.map(|option| option.value.value.to_ascii_lowercase())
        };
        let switch = |name: &str| match value(name)?.as_str() {
            "true" => Some(Switch::On),
            "false" => Some(Switch::Off),
            _ => None,
        };
        Self {
            enforces: match value("enable-policy").as_deref() {
                Some("default") => Some(Switch::On),
                Some("never") => Some(Switch::Off),
                _ => None,
            },
            audits: switch("policy-audit-mode"),
            allows_localhost: match value("allow-localhost").as_deref() {
                Some("auto" | "always") => Some(Switch::On),
                Some("policy") => Some(Switch::Off),
                _ => None,
            },
            means_local_cluster: switch("policy-default-local-cluster"),
            enforces_network_policies: switch("enable-k8s-networkpolicy"),
            reads_cluster_policies: switch("enable-k8s-cluster-network-policy"),
        }
    }

    /// With what somebody else says where this says nothing.
    #[must_use]
    pub fn or(self, other: Self) -> Self {
        Self {
            enforces: self.enforces.or(other.enforces),
            audits: self.audits.or(other.audits),
            allows_localhost: self.allows_localhost.or(other.allows_localhost),
            means_local_cluster: self.means_local_cluster.or(other.means_local_cluster),
            enforces_network_policies: (self.enforces_network_policies)
                .or(other.enforces_network_policies),
            reads_cluster_policies: self.reads_cluster_policies.or(other.reads_cluster_policies),
        }
    }

    /// With the agent's own defaults where nobody says anything.
    #[must_use]
    pub fn options(self) -> CiliumOptions {
        let default = CiliumOptions::default();
        CiliumOptions {
            enforces: self.enforces.unwrap_or(default.enforces),
            audits: self.audits.unwrap_or(default.audits),
            allows_localhost: self.allows_localhost.unwrap_or(default.allows_localhost),
            means_local_cluster: (self.means_local_cluster).unwrap_or(default.means_local_cluster),
            enforces_network_policies: (self.enforces_network_policies)
                .unwrap_or(default.enforces_network_policies),
            reads_cluster_policies: (self.reads_cluster_policies)
                .unwrap_or(default.reads_cluster_policies),
        }
    }
}

/// What an option does that npcheck does not know of policies; `None` for one that it knows, and
/// for one that changes nothing.
#[must_use]
pub fn not_modelled(option: &AgentOption) -> Option<&'static str> {
    let value = option.value.value.as_str();
    match option.name {
        "enable-policy" if value.eq_ignore_ascii_case("always") => {
            Some("pods that no policy selects are isolated as well")
        }
        "policy-cidr-match-mode" if value.contains("nodes") => {
            Some("CIDRs match nodes as well, by their addresses")
        }
        "policy-cidr-match-mode" if value.contains("pods") => {
            Some("CIDRs match pods as well, by their addresses")
        }
        "labels" => Some("other labels than by default are kept out of identities"),
        _ => None,
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
