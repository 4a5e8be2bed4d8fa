//! Peers that mean the API server where the CNI plugin lets selectors see it: OVN-Kubernetes
//! matches pods on the host network, and has a label of namespaces for all of them (S15).
//!
//! Refuses to know addresses: an `ipBlock` is judged by the engine.

use super::{Context, callers};
use crate::cluster::platform::{self, Role};
use crate::k8s::{LabelSelector, NetworkPolicyPeer, Operator};

/// The label of namespaces that stands for the host network.
const HOST_NETWORK_GROUP: &str = "policy-group.network.openshift.io/host-network";

/// Whether a peer matches the API server by selectors. Only OVN-Kubernetes knows the label, so
/// that whoever writes it has that plugin.
#[must_use]
pub fn may_be_api_server(cx: &Context<'_>, peer: &NetworkPolicyPeer) -> bool {
    let Some((Some(namespaces), pods)) = peer.selectors() else {
        return false;
    };
    if asks_for_host_network_group(namespaces) {
        return true;
    }
    let pods_match = |labels: &[(&str, &str)]| {
        pods.is_none_or(|pods| {
            let asked = pods.match_labels.iter();
            let mut asked = asked.map(|label| (label.key.as_str(), label.value.as_str()));
            pods.is_opaque() || asked.all(|label| labels.contains(&label))
        })
    };
    cx.selectors_match_host_network()
        && platform::known_pods(cx.cluster.platform(), Role::ApiServer).any(|known| {
            let mut homes = known.namespaces.iter();
            homes.any(|home| callers::may_select_namespace(cx, namespaces, home))
                && pods_match(known.labels)
        })
}

fn asks_for_host_network_group(namespaces: &LabelSelector) -> bool {
    let mut labels = namespaces.match_labels.iter();
    let mut entries = namespaces.match_expressions.iter();
    labels.any(|label| label.key.value == HOST_NETWORK_GROUP)
        || entries.any(|entry| {
            let asks = matches!(entry.operator.value, Operator::In | Operator::Exists);
            asks && entry.key.value == HOST_NETWORK_GROUP
        })
}
