//! Policies and peers for pods that live on the network of their node.

use crate::cluster::platform;
use crate::cluster::{NamespaceId, PolicyId, WorkloadId};
use crate::diagnostic::{Diagnostic, Severity};
use crate::k8s::PeerPlace;
use crate::lint::pod_selectors::{self, PodSelector};
use crate::lint::{Category, Context, Rule, RuleMeta, declare_rule, words};

declare_rule! {
    /// ## What it does
    ///
    /// Reports a policy whose `podSelector` selects only pods with `hostNetwork: true`, and a
    /// peer that matches only such pods. If a policy selects some of them among others, an info
    /// names them.
    ///
    /// ## Why is this bad?
    ///
    /// Pods on the host network have the address of their node. Most CNI plugins ignore them in
    /// selectors: the policy does not isolate them, and a peer that names them allows nothing.
    /// The usual case is an ingress controller on the host network.
    ///
    /// ## Example
    ///
    /// ```yaml
    /// apiVersion: apps/v1
    /// kind: DaemonSet
    /// metadata: {name: exporter, namespace: monitoring}
    /// spec:
    ///   selector: {matchLabels: {app: exporter}}
    ///   template:
    ///     metadata: {labels: {app: exporter}}
    ///     spec:
    ///       hostNetwork: true
    ///       containers: [{name: exporter, image: exporter}]
    /// ---
    /// apiVersion: networking.k8s.io/v1
    /// kind: NetworkPolicy
    /// metadata: {name: exporter, namespace: monitoring}
    /// spec:
    ///   podSelector: {matchLabels: {app: exporter}}
    ///   ingress: []
    /// ```
    ///
    /// ## Use instead
    ///
    /// ```yaml
    /// apiVersion: apps/v1
    /// kind: DaemonSet
    /// metadata: {name: exporter, namespace: monitoring}
    /// spec:
    ///   selector: {matchLabels: {app: exporter}}
    ///   template:
    ///     metadata: {labels: {app: exporter}}
    ///     spec:
    ///       containers: [{name: exporter, image: exporter}]
    /// ---
    /// apiVersion: networking.k8s.io/v1
    /// kind: NetworkPolicy
    /// metadata: {name: exporter, namespace: monitoring}
    /// spec:
    ///   podSelector: {matchLabels: {app: exporter}}
    ///   ingress: []
    /// ```
    ///
    /// ## Fix safety
    ///
    /// There is no automatic fix. To protect pods on the host network, use the node's firewall.
    /// To admit them as a peer, use an `ipBlock` with the addresses of the nodes.
    ///
    /// ## Configuration
    ///
    /// With `cni: ovn-kubernetes`, peers that select whole namespaces are not reported, because
    /// that plugin includes pods on the host network (OpenShift, "About network policy").
    pub(super) struct HostNetworkTarget {
        name: "host-network-target",
        summary: "a selector matches only pods on the host network, to which policies do not apply",
        category: Category::Isolation,
        severity: Severity::Warning,
        tier: Stable,
        evidence: "1 of 1 warning or error on 24 public repositories judged right",
        fix: None,
        mutes: &[],
        since: "0.1.0",
    }
}

impl Rule for HostNetworkTarget {
    fn meta(&self) -> &'static RuleMeta {
        &Self::META
    }

    fn check_cluster(&self, cx: &mut Context<'_>) {
        // Nobody has to look at selectors where no pod is on the host network.
        let is_on_host = |id| cx.cluster.workload(id).object.host_network;
        if !cx.cluster.workload_ids().any(is_on_host) {
            return;
        }
        for id in cx.cluster.policy_ids() {
            for place in pod_selectors::in_policy(cx.cluster, id) {
                if let Some(finding) = check_selector(cx, &place) {
                    cx.report(finding);
                }
            }
            let policy = &cx.cluster.policy(id).object;
            for place in policy.peers() {
                let finding = check_namespaces(cx, id, &place);
                if let Some(finding) = finding.filter(|_| policy.applies_to(place.direction)) {
                    cx.report(finding);
                }
            }
        }
    }
}

/// A selector that says which pods it wants.
fn check_selector(cx: &Context<'_>, place: &PodSelector<'_>) -> Option<Diagnostic> {
    if place.is_opaque() || !place.names_pods() {
        return None;
    }
    let (on_host, others) = part(cx, place.may_match(cx).into_iter());
    let who = names(cx, &on_host);
    let (message, severity, label) = match (place.peer, others.is_empty()) {
        (None, true) => (
            format!("this policy selects only pods on the host network: {who}"),
            Severity::Warning,
            "selectors do not match these pods: nothing is isolated",
        ),
        (None, false) => (
            format!("this policy does not isolate {who}, on the host network"),
            Severity::Info,
            "selectors do not match some of these pods",
        ),
        (Some(_), _) if cx.selectors_match_host_network() => return None,
        (Some(_), true) => (
            format!("this peer matches only pods on the host network: {who}"),
            Severity::Warning,
            NOTHING_ALLOWED,
        ),
        (Some(_), false) => return None,
    };
    let help = match place.peer {
        None => "protect pods on the host network with the node's firewall",
        Some(_) => ALLOW_NODES,
    };
    let labels = cx.cluster.workload(*on_host.first()?).object.labels_span;
    let span = place.selector.span;
    Some(
        cx.policy_finding(place.policy, place.path.as_str(), span, message)
            .with_severity(severity)
            .label(label)
            .related(labels, "these pods have `hostNetwork: true`")
            .help(help),
    )
}

const NOTHING_ALLOWED: &str = "selectors do not match these pods: nothing is allowed";
const ALLOW_NODES: &str = "allow the nodes' addresses with an `ipBlock`";

/// A peer of all pods of some namespaces.
fn check_namespaces(cx: &Context<'_>, id: PolicyId, place: &PeerPlace<'_>) -> Option<Diagnostic> {
    let (namespaces, pods) = place.peer.selectors()?;
    let selector = namespaces.filter(|selector| !selector.is_opaque())?;
    if pods.is_some_and(|pods| !pods.is_empty()) || cx.selectors_match_host_network() {
        return None;
    }
    let cluster = cx.cluster;
    let namespaces = cx.engine.matching_namespaces(selector);
    let is_known = |id: &NamespaceId| {
        let name = &cluster.namespace(*id).name;
        cx.settings.inventory.is_complete_in(name)
    };
    let is_platforms = |id: &NamespaceId| platform::makes_namespace(&cluster.namespace(*id).name);
    let are_known = namespaces.iter().all(is_known);
    // A platform has more pods in its namespaces than any repository shows.
    if !are_known && namespaces.iter().any(is_platforms) {
        return None;
    }
    let workloads = namespaces.iter().flat_map(|id| cluster.workloads_in(*id));
    let (on_host, others) = part(cx, workloads);
    let first = *on_host.first().filter(|_| others.is_empty())?;
    let who = names(cx, &on_host);
    let message = format!("all known pods of this peer are on the host network: {who}");
    let path = format!("{}.namespaceSelector", place.path());
    let labels = cluster.workload(first).object.labels_span;
    Some(
        cx.policy_finding(id, path, selector.span, message)
            .with_severity(if are_known {
                Severity::Warning
            } else {
                Severity::Info
            })
            .label(NOTHING_ALLOWED)
            .related(labels, "these pods have `hostNetwork: true`")
            .help(ALLOW_NODES),
    )
}

/// The workloads on the host network, and the others.
fn part(
    cx: &Context<'_>,
    workloads: impl Iterator<Item = WorkloadId>,
) -> (Vec<WorkloadId>, Vec<WorkloadId>) {
    workloads.partition(|id| cx.cluster.workload(*id).object.host_network)
}

fn names(cx: &Context<'_>, workloads: &[WorkloadId]) -> String {
    let names: Vec<String> = workloads
        .iter()
        .map(|id| cx.cluster.workload_name(*id))
        .collect();
    words::names(&names)
}
