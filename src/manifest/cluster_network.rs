//! The objects that say how the network of a cluster is made, from a tree.
//!
//! Refuses to judge them: a range that cannot be read is left out.

use super::context_object::text;
use super::object::Identity;
use crate::k8s::{AgentOption, ClusterNetwork, ObjectMeta};
use crate::source::{Spanned, Text};
use crate::yaml::tree::Node;

/// Where an object holds what it says of the network. A path ends at a text, a list of
/// texts, or a list of mappings with `cidr`.
struct Shape {
    group: &'static str,
    kind: &'static str,
    /// Where the kind of network is written, or what the object itself tells.
    network_type: NetworkType,
    pod_cidrs: &'static [&'static [&'static str]],
}

enum NetworkType {
    At(&'static [&'static str]),
    Is(&'static str),
    Untold,
}

const SHAPES: &[Shape] = &[
    // docs.openshift.com, "Cluster Network Operator configuration".
    Shape {
        group: "config.openshift.io",
        kind: "Network",
        network_type: NetworkType::At(&["spec", "networkType"]),
        pod_cidrs: &[&["spec", "clusterNetwork"]],
    },
    Shape {
        group: "operator.openshift.io",
        kind: "Network",
        network_type: NetworkType::At(&["spec", "defaultNetwork", "type"]),
        pod_cidrs: &[&["spec", "clusterNetwork"]],
    },
    Shape {
        group: "hive.openshift.io",
        kind: "InstallConfig",
        network_type: NetworkType::At(&["networking", "networkType"]),
        pod_cidrs: &[&["networking", "clusterNetwork"]],
    },
    Shape {
        group: "kubeadm.k8s.io",
        kind: "ClusterConfiguration",
        network_type: NetworkType::Untold,
        pod_cidrs: &[&["networking", "podSubnet"]],
    },
    // docs.tigera.io, "IP pool" and "Installation API".
    Shape {
        group: "projectcalico.org",
        kind: "IPPool",
        network_type: NetworkType::Is("Calico"),
        pod_cidrs: &[&["spec", "cidr"]],
    },
    Shape {
        group: "crd.projectcalico.org",
        kind: "IPPool",
        network_type: NetworkType::Is("Calico"),
        pod_cidrs: &[&["spec", "cidr"]],
    },
    Shape {
        group: "operator.tigera.io",
        kind: "Installation",
        network_type: NetworkType::Is("Calico"),
        pod_cidrs: &[&["spec", "calicoNetwork", "ipPools"]],
    },
    // docs.cilium.io, "Cluster Scope (Default)": IPAM mode cluster-pool.
    Shape {
        group: "cilium.io",
        kind: "CiliumConfig",
        network_type: NetworkType::Is("Cilium"),
        pod_cidrs: &[
            &["spec", "ipam", "operator", "clusterPoolIPv4PodCIDRList"],
            &["spec", "ipam", "operator", "clusterPoolIPv6PodCIDRList"],
        ],
    },
    Shape {
        group: "operator.antrea.io",
        kind: "AntreaInstall",
        network_type: NetworkType::Is("Antrea"),
        pod_cidrs: &[],
    },
];

/// Reads an object; `None` if its kind says nothing about the network.
pub(super) fn read(
    node: Node<'_>,
    identity: &Identity<'_>,
    meta: impl FnOnce() -> ObjectMeta,
) -> Option<ClusterNetwork> {
    if (identity.group(), identity.kind) == ("", "ConfigMap") {
        return read_cilium_config(node, meta);
    }
    let shape = SHAPES
        .iter()
        .find(|shape| shape.group == identity.group() && shape.kind == identity.kind)?;
    let network_type = match shape.network_type {
        NetworkType::At(path) => text(node, path).map(|text| text.value),
        NetworkType::Is(name) => Some(Text::from(name)),
        NetworkType::Untold => None,
    };
    let pod_cidrs = shape.pod_cidrs.iter().filter_map(|path| node.find(path));
    Some(ClusterNetwork {
        meta: meta(),
        kind: identity.kind.to_owned(),
        network_type,
        pod_cidrs: pod_cidrs.flat_map(ranges).collect(),
        agent_options: match (shape.group, node.get("spec")) {
            ("cilium.io", Some(values)) => agent_options(values, |option| option.value_path),
            _ => Vec::new(),
        },
    })
}

/// What the values of a release say, by the chart that it installs: those of Cilium, and those of
/// Calico's operator with the `Installation` that it makes. `None` for other charts.
pub(super) fn of_chart(
    chart: &str,
    values: Option<Node<'_>>,
    kind: &str,
    meta: &ObjectMeta,
) -> Option<ClusterNetwork> {
    let value = |path: &[&str]| values.and_then(|values| values.find(path));
    let mut network = ClusterNetwork {
        meta: meta.clone(),
        kind: kind.to_owned(),
        network_type: None,
        pod_cidrs: Vec::new(),
        agent_options: Vec::new(),
    };
    match chart.rsplit('/').next()? {
        "cilium" => {
            network.network_type = Some("Cilium".into());
            // In other modes the ranges of the operator are nobody's.
            let mode = value(&["ipam", "mode"]).map(|mode| mode.key_text().into_owned());
            if mode.is_none_or(|mode| mode == "cluster-pool") {
                let lists = ["clusterPoolIPv4PodCIDRList", "clusterPoolIPv6PodCIDRList"];
                let lists = lists.iter();
                let lists = lists.filter_map(|list| value(&["ipam", "operator", list]));
                network.pod_cidrs = lists.flat_map(ranges).collect();
            }
            let options = values.map(|values| agent_options(values, |it| it.value_path));
            network.agent_options = options.unwrap_or_default();
        }
        "tigera-operator" => {
            let enabled = value(&["installation", "enabled"]);
            if enabled.and_then(Node::as_bool) == Some(false) {
                return None;
            }
            network.network_type = Some("Calico".into());
            let pools = value(&["installation", "calicoNetwork", "ipPools"]);
            network.pod_cidrs = pools.map(ranges).unwrap_or_default();
        }
        _ => return None,
    }
    Some(network)
}

/// OpenShift's `install-config.yaml`, which has no kind.
pub(super) fn is_install_config(node: Node<'_>) -> bool {
    node.get("baseDomain").is_some() && node.find(&["networking", "clusterNetwork"]).is_some()
}

/// Reads an `install-config.yaml`.
pub(super) fn read_install_config(node: Node<'_>, meta: ObjectMeta) -> ClusterNetwork {
    ClusterNetwork {
        meta,
        kind: "InstallConfig".to_owned(),
        network_type: text(node, &["networking", "networkType"]).map(|text| text.value),
        pod_cidrs: node
            .find(&["networking", "clusterNetwork"])
            .map(ranges)
            .unwrap_or_default(),
        agent_options: Vec::new(),
    }
}

/// Whether a `ConfigMap` holds the settings of the Cilium agent.
pub(super) fn is_cilium_config(node: Node<'_>) -> bool {
    let name = node.find(&["metadata", "name"]);
    name.and_then(Node::as_str) == Some("cilium-config")
}

/// The settings of the Cilium agent.
fn read_cilium_config(node: Node<'_>, meta: impl FnOnce() -> ObjectMeta) -> Option<ClusterNetwork> {
    let meta = is_cilium_config(node).then(meta)?;
    let keys = ["cluster-pool-ipv4-cidr", "cluster-pool-ipv6-cidr"];
    let pod_cidrs = keys.iter().filter_map(|key| node.find(&["data", key]));
    let data = node.get("data");
    Some(ClusterNetwork {
        meta,
        kind: "ConfigMap".to_owned(),
        network_type: Some("Cilium".into()),
        pod_cidrs: pod_cidrs.flat_map(ranges).collect(),
        agent_options: data.map_or_else(Vec::new, |data| {
            agent_options(data, |option| std::slice::from_ref(&option.name))
        }),
    })
}

/// An option of Cilium's agent that has a say in what its policies do.
struct AgentOptionShape {
    /// Its key in the agent's `ConfigMap`.
    name: &'static str,
    /// Where the values of Cilium's chart have it.
    value_path: &'static [&'static str],
}

/// `install/kubernetes/cilium/templates/cilium-configmap.yaml` of 1.20. What the chart has no
/// value of its own for stands below `extraConfig`.
const AGENT_OPTIONS: [AgentOptionShape; 16] = [
    AgentOptionShape {
        name: "enable-policy",
        value_path: &["policyEnforcementMode"],
    },
    AgentOptionShape {
        name: "policy-audit-mode",
        value_path: &["policyAuditMode"],
    },
    AgentOptionShape {
        name: "allow-localhost",
        value_path: &["extraConfig", "allow-localhost"],
    },
    AgentOptionShape {
        name: "policy-default-local-cluster",
        value_path: &["clustermesh", "policyDefaultLocalCluster"],
    },
    AgentOptionShape {
        name: "enable-k8s-networkpolicy",
        value_path: &["k8sNetworkPolicy", "enabled"],
    },
    AgentOptionShape {
        name: "enable-k8s-cluster-network-policy",
        value_path: &["extraConfig", "enable-k8s-cluster-network-policy"],
    },
    AgentOptionShape {
        name: "policy-cidr-match-mode",
        value_path: &["policyCIDRMatchMode"],
    },
    AgentOptionShape {
        name: "labels",
        value_path: &["labels"],
    },
    AgentOptionShape {
        name: "enable-node-selector-labels",
        value_path: &["nodeSelectorLabels"],
    },
    AgentOptionShape {
        name: "enable-host-firewall",
        value_path: &["hostFirewall", "enabled"],
    },
    AgentOptionShape {
        name: "label-prefix-file",
        value_path: &["extraConfig", "label-prefix-file"],
    },
    AgentOptionShape {
        name: "enable-cilium-network-policy",
        value_path: &["extraConfig", "enable-cilium-network-policy"],
    },
    AgentOptionShape {
        name: "enable-cilium-clusterwide-network-policy",
        value_path: &["extraConfig", "enable-cilium-clusterwide-network-policy"],
    },
    AgentOptionShape {
        name: "cluster-name",
        value_path: &["cluster", "name"],
    },
    AgentOptionShape {
        name: "enable-ipv4",
        value_path: &["ipv4", "enabled"],
    },
    AgentOptionShape {
        name: "enable-ipv6",
        value_path: &["ipv6", "enabled"],
    },
];

/// The options that a mapping sets, each at the path that `path_of` names.
fn agent_options(
    node: Node<'_>,
    path_of: impl Fn(&'static AgentOptionShape) -> &'static [&'static str],
) -> Vec<AgentOption> {
    let read = |option: &'static AgentOptionShape| {
        let value = node.find(path_of(option))?;
        let one = |node: Node<'_>| node.key_text().into_owned();
        let text = match value.is_sequence() {
            true => value.items().map(one).collect::<Vec<String>>().join(" "),
            false => one(value),
        };
        let name = option.name;
        let value = Spanned::new(text, value.span());
        (!value.value.is_empty()).then_some(AgentOption { name, value })
    };
    AGENT_OPTIONS.iter().filter_map(read).collect()
}

/// The ranges at a node: a text, where commas and blanks may separate several, or a list.
fn ranges(node: Node<'_>) -> Vec<Spanned<ipnet::IpNet>> {
    if node.is_sequence() {
        let items = node.items();
        return items
            .flat_map(|item| ranges(item.get("cidr").unwrap_or(item)))
            .collect();
    }
    let texts = node.as_str().unwrap_or_default().split([',', ' ']);
    let blocks = texts.filter_map(|text| text.parse().ok());
    blocks
        .map(|block| Spanned::new(block, node.span()))
        .collect()
}
