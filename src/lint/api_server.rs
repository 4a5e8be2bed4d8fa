//! Peers that mean the API server where the CNI plugin lets selectors see it: OVN-Kubernetes
//! matches pods on the host network, and has a label of namespaces for all of them (S15).
//!
//! Refuses to know which addresses it has: an `ipBlock` is judged by the engine.

use super::{Context, callers, entrance};
use crate::cluster::Cni;
use crate::cluster::platform::{self, Role};
use crate::engine::{Endpoint, Entity};
use crate::k8s::{LabelSelector, NetworkPolicyPeer, Operator};

/// The ports that API servers listen on: managed ones, kubeadm, minikube, MicroK8s.
pub const PORTS: [u16; 4] = [443, 6443, 8443, 16443];

/// Those of them that are not the port of its Service as well.
pub const OWN_PORTS: [u16; 3] = [6443, 8443, 16443];

/// The label of namespaces that stands for the host network.
const HOST_NETWORK_GROUP: &str = "policy-group.network.openshift.io/host-network";

/// The namespace of the API server on OpenShift.
const OPENSHIFT_HOME: &str = "openshift-kube-apiserver";

/// The API server as ends to ask the engine about: the end that Cilium knows it by, or every
/// address that it may have; none where those are too many.
#[must_use]
pub fn ends<'e>(cx: &Context<'_>) -> Vec<Endpoint<'e>> {
    match cx.cluster.enforcement().cni().map(|cni| cni.value) {
        Some(Cni::Cilium) => vec![Endpoint::Entity(Entity::KubeApiserver)],
        _ => entrance::every_address(cx).unwrap_or_default(),
    }
}

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
    if !cx.selectors_match_host_network() {
        // What only OpenShift has speaks for its plugin where nothing else does.
        let is_unknown = cx.cluster.enforcement().cni().is_none();
        return is_unknown && is_named_by(namespaces, OPENSHIFT_HOME);
    }
    platform::known_pods(cx.cluster.platform(), Role::ApiServer).any(|known| {
        let mut homes = known.namespaces.iter();
        homes.any(|home| callers::may_select_namespace(cx, namespaces, home))
            && pods_match(known.labels)
    })
}

fn is_named_by(selector: &LabelSelector, value: &str) -> bool {
    let mut labels = selector.match_labels.iter();
    labels.any(|label| label.value.value == value)
}

/// Whether a peer is written for the API server, whatever it matches: by labels or the
/// namespace that only its pods have.
#[must_use]
pub fn names_api_server(cx: &Context<'_>, peer: &NetworkPolicyPeer) -> bool {
    let Some((namespaces, pods)) = peer.selectors() else {
        return false;
    };
    let has = |selector: Option<&LabelSelector>, is_its: &dyn Fn(&str, &str) -> bool| {
        let mut labels = selector.into_iter().flat_map(|it| &it.match_labels);
        labels.any(|label| is_its(&label.key, &label.value))
    };
    let mut known = platform::known_pods(cx.cluster.platform(), Role::ApiServer);
    namespaces.is_some_and(asks_for_host_network_group)
        || known.any(|known| {
            let is_home =
                |_: &str, value: &str| value != "kube-system" && known.namespaces.contains(&value);
            has(pods, &|key, value| known.has(key, value)) || has(namespaces, &is_home)
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
