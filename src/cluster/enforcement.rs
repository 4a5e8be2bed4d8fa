//! What the CNI plugin makes of policies where Kubernetes leaves it open (S15), and where
//! pods may have their addresses (S9): each fact with what it was recognised by.
//!
//! Refuses to know what follows for a connection.

use super::Cluster;
use super::cilium_options::{
    CiliumOptions, CiliumSettings, PolicyMode, Switch, are_both_families_on,
};
use super::cni::Cni;
use super::unknown_addresses::{node_ranges_of, pod_ranges_of, private_ranges};
use crate::k8s::{ClusterNetwork, ClusterPolicyKind, EntrypointKind, Truth, WorkloadKind};
use crate::source::Span;
use ipnet::IpNet;

/// What the configuration and the command line say; nothing where `None` or empty.
#[derive(Clone, Debug, Default)]
pub struct EnforcementSettings {
    /// `cni:`, or `--cni` over it.
    pub cni: Option<Cni>,
    /// Whether that is from the command line.
    pub is_cni_from_command_line: bool,
    /// `enforcement.ipBlockMatchesPods`.
    pub ip_block_matches_pods: Option<bool>,
    /// `enforcement.ipBlockMatchesNodes`.
    pub ip_block_matches_nodes: Option<bool>,
    /// `enforcement.selectorsMatchHostNetwork`.
    pub selectors_match_host_network: Option<bool>,
    /// `cilium`: the options of its agent.
    pub cilium: CiliumSettings,
    /// Whether every object of the cluster is among the inputs (`inventory: complete`).
    pub holds_everything: bool,
    /// `cluster.podCIDRs`.
    pub pod_cidrs: Vec<IpNet>,
    /// `cluster.nodeCIDRs`.
    pub node_cidrs: Vec<IpNet>,
    /// `cluster.apiServerCIDRs`.
    pub api_server_cidrs: Vec<IpNet>,
    /// Whether `cluster.ipFamilies` has both of them.
    pub is_dual_stack: Option<bool>,
    /// Whether the only one that it has is IPv4; `None` if it has both or says nothing.
    pub is_ipv4_alone: Option<bool>,
}

/// What a fact was recognised by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Evidence {
    /// Nobody says it: the documentation of Kubernetes does.
    Default,
    /// The plugin does so.
    Plugin(Cni),
    /// The configuration says it.
    Configuration,
    /// The command line says it.
    CommandLine,
    /// An object among the inputs says it.
    Object {
        /// The object, as `Kind/name`.
        name: String,
        /// Its text.
        span: Span,
    },
}

/// A fact and what it was recognised by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recognised<T> {
    /// The fact.
    pub value: T,
    /// What it was recognised by.
    pub evidence: Evidence,
}

/// How the policies of a cluster are enforced.
#[derive(Clone, Debug)]
pub struct Enforcement {
    cni: Option<Recognised<Cni>>,
    ip_block_matches_pods: Recognised<bool>,
    ip_block_matches_nodes: Recognised<bool>,
    selectors_match_host_network: Recognised<bool>,
    has_policy_groups: Recognised<bool>,
    pod_ranges: Vec<Recognised<IpNet>>,
    unknown_nodes: Vec<IpNet>,
    cilium: CiliumOptions,
    /// What the configuration says of the options, before what an object says of them.
    configured: CiliumSettings,
    /// The object that sets options of Cilium's agent.
    agent: Option<Evidence>,
    holds_everything: bool,
    node_ranges: Vec<IpNet>,
    api_server_ranges: Vec<IpNet>,
    is_dual_stack: Truth,
    is_ipv4_alone: Option<bool>,
}

/// A row of the table that `npcheck config` shows.
#[derive(Clone, Debug)]
pub struct EnforcementRow<'e> {
    /// The key of the configuration that sets it.
    pub key: &'static str,
    /// Its value in words.
    pub value: String,
    /// What it was recognised by.
    pub evidence: &'e Evidence,
}

impl Default for Enforcement {
    fn default() -> Self {
        Self::new(None, &EnforcementSettings::default(), Vec::new())
    }
}

impl Enforcement {
    /// What the objects of a cluster tell, under what the configuration says.
    pub(super) fn recognise(cluster: &Cluster, settings: &EnforcementSettings) -> Self {
        let cni = match settings.cni {
            Some(value) => Some(Recognised {
                value,
                evidence: if settings.is_cni_from_command_line {
                    Evidence::CommandLine
                } else {
                    Evidence::Configuration
                },
            }),
            None => plugin_of(cluster),
        };
        let pod_ranges = if settings.pod_cidrs.is_empty() {
            pod_ranges_of(cluster)
        } else {
            let of_configuration = |value: &IpNet| Recognised {
                value: *value,
                evidence: Evidence::Configuration,
            };
            settings.pod_cidrs.iter().map(of_configuration).collect()
        };
        let mut enforcement = Self::new(cni, settings, pod_ranges);
        if settings.node_cidrs.is_empty() {
            enforcement.unknown_nodes = node_ranges_of(cluster, &enforcement.pod_ranges);
        }
        if enforcement.is_dual_stack == Truth::Unknown && shows_both_families(cluster) {
            enforcement.is_dual_stack = Truth::True;
        }
        if let Some(network) = agent_of(cluster) {
            if enforcement.is_dual_stack == Truth::Unknown {
                enforcement.is_dual_stack = are_both_families_on(&network.agent_options);
            }
            let of_agent = CiliumSettings::of_agent(&network.agent_options);
            enforcement.cilium = settings.cilium.clone().or(of_agent).options();
            enforcement.agent = Some(Evidence::Object {
                name: format!("{}/{}", network.kind, network.meta.name),
                span: network.meta.span,
            });
        }
        enforcement
    }

    fn new(
        cni: Option<Recognised<Cni>>,
        settings: &EnforcementSettings,
        mut pod_ranges: Vec<Recognised<IpNet>>,
    ) -> Self {
        let plugin = cni.as_ref().map(|cni| cni.value);
        let row = |set: Option<bool>, otherwise: bool| match (set, plugin) {
            (Some(value), _) => Recognised {
                value,
                evidence: Evidence::Configuration,
            },
            (None, Some(plugin)) => Recognised {
                value: otherwise,
                evidence: Evidence::Plugin(plugin),
            },
            (None, None) => Recognised {
                value: otherwise,
                evidence: Evidence::Default,
            },
        };
        let compares_addresses = plugin.is_none_or(Cni::compares_addresses);
        let is_ovn = plugin == Some(Cni::OvnKubernetes);
        if pod_ranges.is_empty() {
            let private = private_ranges().map(|value| Recognised {
                value,
                evidence: Evidence::Default,
            });
            pod_ranges = private.collect();
        }
        Self {
            ip_block_matches_pods: row(settings.ip_block_matches_pods, compares_addresses),
            ip_block_matches_nodes: row(settings.ip_block_matches_nodes, compares_addresses),
            selectors_match_host_network: row(settings.selectors_match_host_network, is_ovn),
            has_policy_groups: row(None, is_ovn),
            cni,
            unknown_nodes: match settings.node_cidrs.is_empty() {
                true => pod_ranges.iter().map(|range| range.value).collect(),
                false => settings.node_cidrs.clone(),
            },
            pod_ranges,
            cilium: settings.cilium.clone().options(),
            configured: settings.cilium.clone(),
            agent: None,
            holds_everything: settings.holds_everything,
            node_ranges: settings.node_cidrs.clone(),
            api_server_ranges: settings.api_server_cidrs.clone(),
            is_dual_stack: settings.is_dual_stack.map_or(Truth::Unknown, Truth::from),
            is_ipv4_alone: settings.is_ipv4_alone,
        }
    }

    /// Whether the cluster speaks both IPv4 and IPv6.
    #[must_use]
    pub fn is_dual_stack(&self) -> Truth {
        self.is_dual_stack
    }

    /// Whether the cluster has addresses of a family, as far as the configuration tells.
    #[must_use]
    pub fn has_family(&self, is_ipv4: bool) -> bool {
        self.is_ipv4_alone.is_none_or(|alone| alone == is_ipv4)
    }

    /// The CNI plugin, where anything tells which one it is.
    #[must_use]
    pub fn cni(&self) -> Option<&Recognised<Cni>> {
        self.cni.as_ref()
    }

    /// Whether an `ipBlock` matches pods, by their address.
    #[must_use]
    pub fn ip_block_matches_pods(&self) -> bool {
        self.ip_block_matches_pods.value
    }

    /// Whether an `ipBlock` matches nodes and the pods on their network, by their address.
    #[must_use]
    pub fn ip_block_matches_nodes(&self) -> bool {
        self.ip_block_matches_nodes.value
    }

    /// Whether a peer's selectors match pods on the network of their node.
    #[must_use]
    pub fn selectors_match_host_network(&self) -> bool {
        self.selectors_match_host_network.value
    }

    /// Whether the namespace label `policy-group.network.openshift.io/host-network` stands
    /// for all nodes and the pods on their network.
    #[must_use]
    pub fn has_host_network_group(&self) -> bool {
        self.has_policy_groups.value
    }

    /// Where a pod may have its address: what is written down, else the private ranges.
    #[must_use]
    pub fn pod_ranges(&self) -> &[Recognised<IpNet>] {
        &self.pod_ranges
    }

    /// Where the address of a pod may be that is not known (S9): of one on the host network that
    /// is the address of a node, which is where the configuration says, else anywhere that pods
    /// and the known nodes are, and in the private ranges.
    pub fn unknown_address(&self, is_on_host: bool) -> impl Iterator<Item = IpNet> {
        let pods = self.pod_ranges.iter().filter(move |_| !is_on_host);
        let nodes = self.unknown_nodes.iter().filter(move |_| is_on_host);
        pods.map(|range| range.value).chain(nodes.copied())
    }

    /// The options of Cilium's agent.
    #[must_use]
    pub fn cilium(&self) -> &CiliumOptions {
        &self.cilium
    }

    /// Whether the CNI plugin isolates every pod, whether a policy selects it or not.
    #[must_use]
    pub fn isolates_all(&self) -> bool {
        plugin_is_cilium(&self.cni) && self.cilium.isolates_all()
    }

    /// Whether a cluster-wide policy of a kind is read at all. Cilium reads the newest kind where
    /// it is told to, and Calico that kind alone (M5, M6).
    #[must_use]
    pub fn reads(&self, kind: ClusterPolicyKind) -> bool {
        let is_newest = kind == ClusterPolicyKind::ClusterNetworkPolicy;
        match self.cni.as_ref().map(|cni| cni.value) {
            Some(Cni::Cilium) => {
                is_newest && self.cilium.drops() && self.cilium.reads_cluster_policies.is_on()
            }
            Some(Cni::Calico) => is_newest,
            Some(Cni::Weave | Cni::Flannel | Cni::AwsVpc | Cni::AzureNpm | Cni::KubeRouter) => {
                false
            }
            _ => true,
        }
    }

    /// Whether the CNI plugin enforces policies at all: Flannel leaves that to others.
    #[must_use]
    pub fn enforces_policies(&self) -> bool {
        self.cni.as_ref().map(|cni| cni.value) != Some(Cni::Flannel)
    }

    /// Whether every object of the cluster is among the inputs, so that what is named and not
    /// there does not exist.
    #[must_use]
    pub fn holds_everything(&self) -> bool {
        self.holds_everything
    }

    /// Where nodes have their addresses, if the configuration says it.
    #[must_use]
    pub fn node_ranges(&self) -> &[IpNet] {
        &self.node_ranges
    }

    /// Where the API server has its addresses, if the configuration says it.
    #[must_use]
    pub fn api_server_ranges(&self) -> &[IpNet] {
        &self.api_server_ranges
    }

    /// The same with blocks that match pods, or never do.
    #[must_use]
    pub fn with_blocks_for_pods(&self, matches: bool) -> Self {
        let mut other = self.clone();
        other.ip_block_matches_pods.value = matches;
        other.ip_block_matches_nodes.value = matches;
        other
    }

    /// The same with selectors that match pods on the network of their node, or never do.
    #[must_use]
    pub fn with_selectors_for_host_network(&self, matches: bool) -> Self {
        let mut other = self.clone();
        other.selectors_match_host_network.value = matches;
        other
    }

    /// Every fact, for a person to look at.
    #[must_use]
    pub fn rows(&self) -> Vec<EnforcementRow<'_>> {
        let flag = |key, fact: &'_ Recognised<bool>| (key, fact.value.to_string());
        let mut rows = Vec::new();
        let cni = match &self.cni {
            Some(cni) => (cni.value.name().to_owned(), &cni.evidence),
            None => ("unknown".to_owned(), &Evidence::Default),
        };
        rows.push(EnforcementRow {
            key: "cni",
            value: cni.0,
            evidence: cni.1,
        });
        for (name, fact) in [
            (
                "enforcement.ipBlockMatchesPods",
                &self.ip_block_matches_pods,
            ),
            (
                "enforcement.ipBlockMatchesNodes",
                &self.ip_block_matches_nodes,
            ),
            (
                "enforcement.selectorsMatchHostNetwork",
                &self.selectors_match_host_network,
            ),
        ] {
            let (key, value) = flag(name, fact);
            rows.push(EnforcementRow {
                key,
                value,
                evidence: &fact.evidence,
            });
        }
        if plugin_is_cilium(&self.cni) {
            rows.extend(self.cilium_rows());
        }
        rows.extend(self.pod_ranges.iter().map(|range| EnforcementRow {
            key: "cluster.podCIDRs",
            value: range.value.to_string(),
            evidence: &range.evidence,
        }));
        rows
    }
}

/// The object that sets options of Cilium's agent: its own `ConfigMap`, else the first one.
pub(super) fn agent_of(cluster: &Cluster) -> Option<&ClusterNetwork> {
    let networks = cluster.context_objects().cluster_networks.iter();
    let agents = networks.filter(|network| !network.agent_options.is_empty());
    let agent = agents.min_by_key(|network| network.kind != "ConfigMap");
    agent.map(|network| &**network)
}

fn plugin_is_cilium(cni: &Option<Recognised<Cni>>) -> bool {
    cni.as_ref().is_some_and(|cni| cni.value == Cni::Cilium)
}

impl Enforcement {
    /// The options of Cilium's agent that are not as it has them by default.
    fn cilium_rows(&self) -> Vec<EnforcementRow<'_>> {
        let (own, default) = (&self.cilium, CiliumOptions::default());
        let set = &self.configured;
        let mut rows = Vec::new();
        let mut add = |key, is_changed: bool, value: String, is_configured: bool| {
            let of_object = self.agent.as_ref().filter(|_| !is_configured);
            if is_changed {
                rows.push(EnforcementRow {
                    key,
                    value,
                    evidence: of_object.unwrap_or(&Evidence::Configuration),
                });
            }
        };
        let mode = match own.enforces {
            PolicyMode::Default => "default",
            PolicyMode::Always => "always",
            PolicyMode::Never => "never",
        };
        add(
            "cilium.enablePolicy",
            own.enforces != default.enforces,
            mode.to_owned(),
            set.enforces.is_some(),
        );
        type Row = (&'static str, Switch, Switch, Option<Switch>, &'static str);
        let switches: [Row; 11] = [
            (
                "cilium.policyAuditMode",
                own.audits,
                default.audits,
                set.audits,
                "true",
            ),
            (
                "cilium.allowLocalhost",
                own.allows_localhost,
                default.allows_localhost,
                set.allows_localhost,
                "policy",
            ),
            (
                "cilium.policyDefaultLocalCluster",
                own.means_local_cluster,
                default.means_local_cluster,
                set.means_local_cluster,
                "false",
            ),
            (
                "cilium.enableK8sNetworkPolicy",
                own.enforces_network_policies,
                default.enforces_network_policies,
                set.enforces_network_policies,
                "false",
            ),
            (
                "cilium.enableK8sClusterNetworkPolicy",
                own.reads_cluster_policies,
                default.reads_cluster_policies,
                set.reads_cluster_policies,
                "true",
            ),
            (
                "cilium.enableCiliumNetworkPolicy",
                own.reads_cilium_policies,
                default.reads_cilium_policies,
                set.reads_cilium_policies,
                "false",
            ),
            (
                "cilium.enableCiliumClusterwideNetworkPolicy",
                own.reads_clusterwide_policies,
                default.reads_clusterwide_policies,
                set.reads_clusterwide_policies,
                "false",
            ),
            (
                "cilium.policyCIDRMatchMode",
                own.cidrs_match_nodes,
                default.cidrs_match_nodes,
                set.cidrs_match_nodes,
                "nodes",
            ),
            (
                "cilium.policyCIDRMatchMode",
                own.cidrs_match_pods,
                default.cidrs_match_pods,
                set.cidrs_match_pods,
                "pods",
            ),
            (
                "cilium.enableNodeSelectorLabels",
                own.knows_node_labels,
                default.knows_node_labels,
                set.knows_node_labels,
                "true",
            ),
            (
                "cilium.enableHostFirewall",
                own.guards_nodes,
                default.guards_nodes,
                set.guards_nodes,
                "true",
            ),
        ];
        for (key, own, default, set, value) in switches {
            add(key, own != default, value.to_owned(), set.is_some());
        }
        add(
            "cilium.labels",
            own.labels != default.labels,
            own.labels.text(),
            set.labels.is_some(),
        );
        add(
            "cilium.clusterName",
            own.cluster_name != default.cluster_name,
            own.cluster_name.clone().unwrap_or_default(),
            set.cluster_name.is_some(),
        );
        rows
    }
}

/// The plugin by what is installed, else by the policies and namespaces that only it has.
fn plugin_of(cluster: &Cluster) -> Option<Recognised<Cni>> {
    let recognised = |value, name: String, span| Recognised {
        value,
        evidence: Evidence::Object { name, span },
    };
    let networks = &cluster.context_objects().cluster_networks;
    let by_network = networks.iter().find_map(|network| {
        let name = format!("{}/{}", network.kind, network.meta.name);
        let cni = Cni::by_network_type(network.network_type.as_deref()?)?;
        Some(recognised(cni, name, network.meta.span))
    });
    let by_agent = || {
        let workloads = cluster.workloads().iter();
        let agents = workloads.filter(|workload| workload.object.kind == WorkloadKind::DaemonSet);
        let mut agents = agents.filter_map(|agent| {
            let name = &agent.object.meta.name.value;
            let cni = Cni::by_agent(name)?;
            Some(recognised(
                cni,
                format!("DaemonSet/{name}"),
                agent.object.meta.span,
            ))
        });
        agents.next()
    };
    // Routes are OpenShift's, and so are the namespaces of its platform.
    let by_platform = || {
        let objects = cluster.context_objects();
        let is_route = |kind| kind == EntrypointKind::Route;
        let has_route = objects.entrypoints.iter().any(|it| is_route(it.kind));
        let mut namespaces = cluster.namespaces().iter();
        let of_platform =
            namespaces.find(|namespace| has_route && namespace.name.starts_with("openshift-"))?;
        let span = match &of_platform.declared {
            Some(declared) => declared.meta.span,
            None => objects.entrypoints.first()?.meta.span,
        };
        let name = format!("Namespace/{}", of_platform.name);
        Some(recognised(Cni::OvnKubernetes, name, span))
    };
    by_network
        .or_else(by_agent)
        .or_else(by_platform)
        .or_else(|| plugin_of_policies(cluster))
}

/// The plugin whose policies there are, if all of them are of one.
fn plugin_of_policies(cluster: &Cluster) -> Option<Recognised<Cni>> {
    let policies = cluster.plugin_policies().iter();
    let policies = policies.filter(|policy| policy.shows_its_product());
    let mut known = policies.filter_map(|policy| {
        let cni = Cni::of(policy.kind.product)?;
        Some((cni, policy))
    });
    let (cni, first) = known.next()?;
    known.all(|(other, _)| other == cni).then(|| Recognised {
        value: cni,
        evidence: Evidence::Object {
            name: format!("{}/{}", first.kind.name, first.meta.name),
            span: first.meta.span,
        },
    })
}

/// Whether an object shows that a cluster speaks both IPv4 and IPv6.
fn shows_both_families(cluster: &Cluster) -> bool {
    let mut services = cluster.services().iter();
    let mut networks = cluster.context_objects().cluster_networks.iter();
    let has_range_of = |network: &ClusterNetwork, is_ipv4: bool| {
        let mut ranges = network.pod_cidrs.iter();
        ranges.any(|range| range.value.addr().is_ipv4() == is_ipv4)
    };
    services.any(|service| service.object.is_dual_stack())
        || networks.any(|network| has_range_of(network, true) && has_range_of(network, false))
}
