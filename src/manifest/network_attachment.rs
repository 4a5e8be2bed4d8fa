//! Which network a NetworkAttachmentDefinition is: its configuration is a text in JSON, in the
//! form of the Container Network Interface.
//!
//! Refuses to know networks of other plugins than OVN-Kubernetes, and which pods are on one.

use crate::k8s::is_opaque;
use crate::yaml::tree::Node;
use serde::Deserialize;

/// The plugin whose networks may take the place of the cluster's.
const PLUGIN: &str = "ovn-k8s-cni-overlay";

/// What such a network is to the pods of its namespace.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum NetworkRole {
    /// It takes the place of the cluster's network. Objects of several namespaces with this name
    /// are one network (ovn-kubernetes, `multi_network.go`).
    Primary(String),
    /// It is beside the cluster's network, or of another plugin.
    Secondary,
    /// Another tool fills in which of them it is.
    Unknown,
}

/// A network's configuration, or a list of them of which OVN-Kubernetes takes only one
/// (ovn-kubernetes, `config/cni.go`).
#[derive(Deserialize)]
struct Configuration {
    #[serde(default)]
    name: String,
    #[serde(default)]
    plugins: Vec<Network>,
    #[serde(flatten)]
    network: Network,
}

#[derive(Deserialize)]
struct Network {
    #[serde(default, rename = "type")]
    plugin: String,
    #[serde(default)]
    topology: String,
    #[serde(default)]
    role: String,
}

/// The role of the network that `node` describes.
pub(super) fn role(node: Node<'_>) -> NetworkRole {
    let Some(text) = node.find(&["spec", "config"]).and_then(Node::as_str) else {
        return NetworkRole::Secondary;
    };
    let Ok(configuration) = serde_json::from_str::<Configuration>(text) else {
        // Until another tool has filled it in, it need not be JSON.
        let may_be_primary = is_opaque(text) && text.contains(PLUGIN) && text.contains("\"role\"");
        return match may_be_primary {
            true => NetworkRole::Unknown,
            false => NetworkRole::Secondary,
        };
    };
    let Configuration {
        name,
        plugins,
        network,
    } = configuration;
    let network = plugins.first().unwrap_or(&network);
    let may_be = |text: &str, wanted: &[&str]| is_opaque(text) || wanted.contains(&text);
    let is_of_plugin = may_be(&network.plugin, &[PLUGIN]);
    // A localnet is never a primary network, and no topology is the cluster's own network.
    let has_topology = may_be(&network.topology, &["layer2", "layer3"]);
    if !is_of_plugin || !has_topology || !may_be(&network.role, &["primary"]) {
        return NetworkRole::Secondary;
    }
    let parts = [&name, &network.plugin, &network.topology, &network.role];
    // OVN-Kubernetes takes none without a name.
    match name.is_empty() || parts.into_iter().any(|part| is_opaque(part)) {
        true => NetworkRole::Unknown,
        false => NetworkRole::Primary(name),
    }
}
