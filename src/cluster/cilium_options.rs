//! The options of Cilium's agent that change what its policies do (C15).
//!
//! Refuses to know where they were written.

use super::label_filter::LabelFilter;
use crate::k8s::{AgentOption, CiliumFault, PluginPolicy, PluginSpec, Truth, is_opaque};

/// What the agent was started with; the default is the agent's own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CiliumOptions {
    /// `enable-policy`.
    pub enforces: PolicyMode,
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
    /// `enable-cilium-network-policy`.
    pub reads_cilium_policies: Switch,
    /// `enable-cilium-clusterwide-network-policy`.
    pub reads_clusterwide_policies: Switch,
    /// `policy-cidr-match-mode: nodes`.
    pub cidrs_match_nodes: Switch,
    /// `policy-cidr-match-mode: pods`.
    pub cidrs_match_pods: Switch,
    /// `enable-node-selector-labels`: rules may name nodes by their labels.
    pub knows_node_labels: Switch,
    /// `enable-host-firewall`: policies for nodes are enforced.
    pub guards_nodes: Switch,
    /// `labels`: which labels of pods identities keep.
    pub labels: LabelFilter,
    /// `cluster-name`: how a cluster of a mesh is called, where anybody says it.
    pub cluster_name: Option<String>,
}

/// Which pods the agent enforces policies on: its option `enable-policy`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PolicyMode {
    /// Those that a rule selects, for its direction.
    Default,
    /// All of them in both directions, whether a rule selects them or not.
    Always,
    /// None.
    Never,
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
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CiliumSettings {
    /// `enable-policy`.
    pub enforces: Option<PolicyMode>,
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
    /// `enable-cilium-network-policy`.
    pub reads_cilium_policies: Option<Switch>,
    /// `enable-cilium-clusterwide-network-policy`.
    pub reads_clusterwide_policies: Option<Switch>,
    /// `policy-cidr-match-mode`, as far as it is about nodes.
    pub cidrs_match_nodes: Option<Switch>,
    /// The same about pods.
    pub cidrs_match_pods: Option<Switch>,
    /// `enable-node-selector-labels`.
    pub knows_node_labels: Option<Switch>,
    /// `enable-host-firewall`.
    pub guards_nodes: Option<Switch>,
    /// `labels`.
    pub labels: Option<LabelFilter>,
    /// `cluster-name`.
    pub cluster_name: Option<String>,
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
        let cidrs_match = |mode: &str| {
            let modes = value("policy-cidr-match-mode")?;
            let mut modes = modes.split([' ', ',']);
            Some(Switch::from(modes.any(|it| it == mode)))
        };
        let labels = options.iter().find(|option| option.name == "labels");
        let name = value("cluster-name").filter(|name| !is_opaque(name));
        let has_file = value("label-prefix-file").is_some_and(|file| !file.is_empty());
        let switch = |name: &str| match value(name)?.as_str() {
            "true" => Some(Switch::On),
            "false" => Some(Switch::Off),
            _ => None,
        };
        Self {
            enforces: match value("enable-policy").as_deref() {
                Some("default") => Some(PolicyMode::Default),
                Some("always") => Some(PolicyMode::Always),
                Some("never") => Some(PolicyMode::Never),
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
            reads_cilium_policies: switch("enable-cilium-network-policy"),
            reads_clusterwide_policies: switch("enable-cilium-clusterwide-network-policy"),
            cidrs_match_nodes: cidrs_match("nodes"),
            cidrs_match_pods: cidrs_match("pods"),
            knows_node_labels: switch("enable-node-selector-labels"),
            guards_nodes: switch("enable-host-firewall"),
            labels: match has_file {
                true => Some(LabelFilter::of_file()),
                false => labels.and_then(|labels| LabelFilter::parse(&labels.value.value).ok()),
            },
            cluster_name: name,
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
            reads_cilium_policies: self.reads_cilium_policies.or(other.reads_cilium_policies),
            reads_clusterwide_policies: (self.reads_clusterwide_policies)
                .or(other.reads_clusterwide_policies),
            cidrs_match_nodes: self.cidrs_match_nodes.or(other.cidrs_match_nodes),
            cidrs_match_pods: self.cidrs_match_pods.or(other.cidrs_match_pods),
            knows_node_labels: self.knows_node_labels.or(other.knows_node_labels),
            guards_nodes: self.guards_nodes.or(other.guards_nodes),
            labels: self.labels.or(other.labels),
            cluster_name: self.cluster_name.or(other.cluster_name),
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
            reads_cilium_policies: (self.reads_cilium_policies)
                .unwrap_or(default.reads_cilium_policies),
            reads_clusterwide_policies: (self.reads_clusterwide_policies)
                .unwrap_or(default.reads_clusterwide_policies),
            cidrs_match_nodes: self.cidrs_match_nodes.unwrap_or(default.cidrs_match_nodes),
            cidrs_match_pods: self.cidrs_match_pods.unwrap_or(default.cidrs_match_pods),
            knows_node_labels: self.knows_node_labels.unwrap_or(default.knows_node_labels),
            guards_nodes: self.guards_nodes.unwrap_or(default.guards_nodes),
            labels: self.labels.unwrap_or(default.labels),
            cluster_name: self.cluster_name,
        }
    }
}

/// Whether the agent speaks both IPv4 and IPv6, as its own options say.
#[must_use]
pub(super) fn are_both_families_on(options: &[AgentOption]) -> Truth {
    let switch = |name: &str| {
        let option = options.iter().find(|option| option.name == name);
        match option
            .map(|option| option.value.value.to_ascii_lowercase())?
            .as_str()
        {
            "true" => Some(Truth::True),
            "false" => Some(Truth::False),
            _ => None,
        }
    };
    let [ipv4, ipv6] = ["enable-ipv4", "enable-ipv6"].map(switch);
    // IPv4 is on unless somebody turns it off.
    let ipv4 = ipv4.unwrap_or(Truth::True);
    ipv4.min(ipv6.unwrap_or(Truth::Unknown))
}

/// What an option does that npcheck does not know of policies; `None` for one that it knows, and
/// for one that changes nothing.
#[must_use]
pub fn not_modelled(option: &AgentOption) -> Option<&'static str> {
    match option.name {
        "labels" if LabelFilter::parse(&option.value.value).is_err() => {
            Some("the agent does not start with such a list of labels")
        }
        "label-prefix-file" if !option.value.value.is_empty() => {
            Some("a file says which labels are kept out of identities")
        }
        _ => None,
    }
}

impl Default for CiliumOptions {
    fn default() -> Self {
        Self {
            enforces: PolicyMode::Default,
            audits: Switch::Off,
            allows_localhost: Switch::On,
            means_local_cluster: Switch::On,
            enforces_network_policies: Switch::On,
            reads_cluster_policies: Switch::Off,
            reads_cilium_policies: Switch::On,
            reads_clusterwide_policies: Switch::On,
            cidrs_match_nodes: Switch::Off,
            cidrs_match_pods: Switch::Off,
            knows_node_labels: Switch::Off,
            guards_nodes: Switch::Off,
            labels: LabelFilter::default(),
            cluster_name: None,
        }
    }
}

impl CiliumOptions {
    /// Whether any policy drops anything.
    #[must_use]
    pub fn drops(&self) -> bool {
        self.enforces != PolicyMode::Never && !self.audits.is_on()
    }

    /// Whether policies of Cilium's own kinds are read: those of a namespace, or the cluster-wide
    /// ones where that is `None`.
    #[must_use]
    pub fn reads_kind(&self, namespace: Option<&str>) -> bool {
        match namespace {
            Some(_) => self.reads_cilium_policies.is_on(),
            None => self.reads_clusterwide_policies.is_on(),
        }
    }

    /// What the agent rejects a whole policy of Cilium's for, in the order of its text. Nothing
    /// where another tool has yet to complete the policy: what it is rejected for may be gone.
    pub fn faults<'p>(&self, policy: &'p PluginPolicy) -> impl Iterator<Item = &'p CiliumFault> {
        let is_whole = policy.meta.holes.is_empty();
        self.faults_as_written(policy).filter(move |_| is_whole)
    }

    /// The same of the policy as it is written now.
    pub(crate) fn faults_as_written<'p>(
        &self,
        policy: &'p PluginPolicy,
    ) -> impl Iterator<Item = &'p CiliumFault> {
        let knows_node_labels = self.knows_node_labels.is_on();
        let faults: &[CiliumFault] = match &policy.spec {
            PluginSpec::Cilium(policy) => &policy.faults,
            _ => &[],
        };
        let faults = faults.iter();
        faults.filter(move |fault| !(knows_node_labels && fault.needs_node_labels))
    }

    /// Whether pods are isolated in both directions even where no policy selects them.
    #[must_use]
    pub fn isolates_all(&self) -> bool {
        self.enforces == PolicyMode::Always && self.drops()
    }
}
