//! Injected containers that policies keep from their control plane.

use crate::cluster::platform::{InjectedClient, injected_clients};
use crate::cluster::{Cluster, NAMESPACE_NAME_LABEL, NamespaceId, WorkloadId};
use crate::diagnostic::{Diagnostic, Severity};
use crate::engine::PolicyRef;
use crate::k8s::{
    Direction, Labels, NetworkPolicyPeer, NetworkPolicyRule, PortReference, Protocol,
};
use crate::lint::{Category, Context, Rule, RuleMeta, declare_rule, entrance, isolation, words};
use std::collections::BTreeMap;

declare_rule! {
    /// ## What it does
    ///
    /// Reports pods that get a container injected by Vault, Istio, Linkerd or Dapr, where their
    /// policies block every port of its control plane.
    ///
    /// Only policies of kind `NetworkPolicy` are evaluated. Because the control plane may run
    /// anywhere, a rule that opens such a port to an address, or to pods of another namespace,
    /// is enough.
    ///
    /// ## Why is this bad?
    ///
    /// The injected container is not in any manifest, so it is easy to forget when egress is
    /// closed. The pods then do not start: they wait for secrets or for proxy configuration,
    /// and no message mentions a policy.
    ///
    /// ## Example
    ///
    /// ```yaml
    /// apiVersion: apps/v1
    /// kind: Deployment
    /// metadata: {name: web, namespace: shop}
    /// spec:
    ///   selector: {matchLabels: {app: web}}
    ///   template:
    ///     metadata:
    ///       labels: {app: web}
    ///       annotations: {vault.hashicorp.com/agent-inject: "true"}
    ///     spec: {containers: [{name: web, image: example/web:1}]}
    /// ---
    /// apiVersion: networking.k8s.io/v1
    /// kind: NetworkPolicy
    /// metadata: {name: web, namespace: shop}
    /// spec:
    ///   podSelector: {matchLabels: {app: web}}
    ///   policyTypes: [Egress]
    ///   egress:
    ///     - ports: [{protocol: UDP, port: 53}, {protocol: TCP, port: 53}]
    /// ```
    ///
    /// ## Use instead
    ///
    /// ```yaml
    /// apiVersion: apps/v1
    /// kind: Deployment
    /// metadata: {name: web, namespace: shop}
    /// spec:
    ///   selector: {matchLabels: {app: web}}
    ///   template:
    ///     metadata:
    ///       labels: {app: web}
    ///       annotations: {vault.hashicorp.com/agent-inject: "true"}
    ///     spec: {containers: [{name: web, image: example/web:1}]}
    /// ---
    /// apiVersion: networking.k8s.io/v1
    /// kind: NetworkPolicy
    /// metadata: {name: web, namespace: shop}
    /// spec:
    ///   podSelector: {matchLabels: {app: web}}
    ///   policyTypes: [Egress]
    ///   egress:
    ///     - ports: [{protocol: UDP, port: 53}, {protocol: TCP, port: 53}]
    ///     - to: [{namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: vault}}}]
    ///       ports: [{protocol: TCP, port: 8200}]
    /// ```
    ///
    /// ## Fix safety
    ///
    /// There is no automatic fix: where the control plane runs is not in the manifests.
    pub(super) struct SidecarCutOff {
        name: "sidecar-cut-off",
        summary: "policies keep an injected sidecar from its control plane",
        category: Category::Flows,
        severity: Severity::Warning,
        tier: Preview,
        evidence: "1 warning on 82 public repositories (58 of them in excerpts), which may be wrong: HTTPS to any address is open",
        fix: None,
        mutes: &[],
        since: "0.1.0",
    }
}

impl Rule for SidecarCutOff {
    fn meta(&self) -> &'static RuleMeta {
        &Self::META
    }

    fn check_namespace(&self, cx: &mut Context<'_>, id: NamespaceId) {
        let cluster = cx.cluster;
        let mut cut_off: BTreeMap<&str, CutOff> = BTreeMap::new();
        for workload in cluster.workloads_in(id) {
            for client in clients(cluster, workload) {
                if !is_cut_off(cx, workload, client) {
                    continue;
                }
                let known = cut_off.entry(client.container).or_insert(CutOff {
                    client,
                    workloads: Vec::new(),
                });
                known.workloads.push(workload);
            }
        }
        if cut_off.is_empty() || cx.unjudged().may_be_in(cluster, id) {
            return;
        }
        for cut_off in cut_off.values() {
            if let Some(finding) = describe(cx, cut_off) {
                cx.report(finding);
            }
        }
    }
}

/// Workloads of one namespace whose injected container is cut off.
struct CutOff {
    client: &'static InjectedClient,
    workloads: Vec<WorkloadId>,
}

/// What is injected into the pods of a workload.
fn clients(cluster: &Cluster, workload: WorkloadId) -> Vec<&'static InjectedClient> {
    let found = cluster.workload(workload);
    let pod = &found.object;
    if !pod.meta.is_accepted || pod.host_network {
        return Vec::new();
    }
    let nothing = Labels::default();
    let namespace = cluster.namespace(found.namespace);
    let declared = namespace.declared.as_ref();
    let annotations = declared.map_or(&nothing, |it| &it.meta.annotations);
    injected_clients(
        &namespace.labels,
        annotations,
        &pod.labels,
        &pod.annotations,
    )
}

fn is_cut_off(cx: &Context<'_>, workload: WorkloadId, client: &InjectedClient) -> bool {
    let cluster = cx.cluster;
    let found = cluster.workload(workload);
    // The control plane itself, and what runs beside it.
    let home = &cluster.namespace(found.namespace).name;
    if home.contains(client.word) || found.object.meta.name.contains(client.word) {
        return false;
    }
    let Some(rules) = isolation::rules(cx, workload, Direction::Egress) else {
        return false;
    };
    let port = told_port(&found.object.annotations);
    let ports: Vec<u16> = match port {
        Some(port) if client.word == "vault" => vec![port],
        _ => client.ports.to_vec(),
    };
    !rules.iter().any(|rule| {
        let opens = |port: &u16| may_open(cx, found.namespace, client, rule, *port);
        ports.iter().any(opens)
    })
}

/// The port of the Vault that the pods are told to use, where it is not the usual one.
fn told_port(annotations: &Labels) -> Option<u16> {
    let address = annotations.get("vault.hashicorp.com/service")?;
    let (scheme, rest) = address.split_once("://")?;
    let host = rest.split('/').next()?;
    match host.rsplit_once(':') {
        Some((_, port)) => port.parse().ok(),
        None if scheme == "https" => Some(443),
        None => Some(80),
    }
}

/// Whether a rule opens a port to what may be the control plane.
fn may_open(
    cx: &Context<'_>,
    own: NamespaceId,
    client: &InjectedClient,
    rule: &NetworkPolicyRule,
    port: u16,
) -> bool {
    let names_it = rule.ports.items().iter().any(|entry| {
        let number = entry.port.get().map(|port| &port.value);
        matches!(number, Some(PortReference::Number(number)) if *number == port)
    });
    // What a name means depends on the pods, which are not here.
    let is_named = rule.ports.items().iter().any(|entry| {
        let port = entry.port.get().map(|port| &port.value);
        matches!(port, Some(PortReference::Name(_)))
    });
    if !is_named && !rule.admits_outside(Protocol::Tcp, port) {
        return false;
    }
    let peers = rule.peers.items();
    let may_be = |peer: &NetworkPolicyPeer| {
        if peer.ip_block.get().is_some() {
            return true;
        }
        match named_namespace(peer) {
            // All of the resolver's ports, and of whatever is beside it, are no way there.
            Some(name) => names_it || is_named || name.contains(client.word),
            None if peer.namespace_selector.get().is_some() => true,
            None => names_it || is_in(cx.cluster, own, client),
        }
    };
    peers.is_empty() || peers.iter().any(may_be)
}

/// The namespace that a peer asks for by its name.
fn named_namespace(peer: &NetworkPolicyPeer) -> Option<&str> {
    let selector = peer.namespace_selector.get()?;
    let mut labels = selector.match_labels.iter();
    labels.find_map(|label| {
        let is_name = label.key.value == NAMESPACE_NAME_LABEL;
        is_name.then_some(label.value.value.as_str())
    })
}

/// Whether something in a namespace is called like the control plane.
fn is_in(cluster: &Cluster, namespace: NamespaceId, client: &InjectedClient) -> bool {
    let mut workloads = cluster.workloads_in(namespace);
    let is_here = workloads.any(|id| cluster.workload(id).object.meta.name.contains(client.word));
    is_here || cluster.may_hold_more(namespace)
}

fn describe(cx: &Context<'_>, cut_off: &CutOff) -> Option<Diagnostic> {
    let cluster = cx.cluster;
    let client = cut_off.client;
    let names: Vec<String> = cut_off
        .workloads
        .iter()
        .map(|id| cluster.workload_name(*id))
        .collect();
    let first = *cut_off.workloads.first()?;
    let policies = cx.engine.isolated_by(first, Direction::Egress);
    let (policy, others) = policies.split_first()?;
    let whose = match names.as_slice() {
        [one] => format!("`{one}`"),
        several => format!("{} workloads", several.len()),
    };
    let ports: Vec<String> = client.ports.iter().map(u16::to_string).collect();
    let ports = ports.join(" or ");
    let message = format!(
        "no egress rule lets {} in {whose} reach {} on TCP {ports}",
        client.container, client.server
    );
    let span = entrance::name_of(cluster, *policy)?;
    let mut finding = cx
        .finding(span, message)
        .about(cx.object_of(*policy), "spec.egress")
        .label("isolates these pods for egress")
        .related(
            cluster.workload(first).object.meta.name.span,
            format!("{} is injected here", client.container),
        );
    for policy in others
        .iter()
        .filter(|it| matches!(it, PolicyRef::Network(_)))
        .take(3)
    {
        if let Some(span) = entrance::name_of(cluster, *policy) {
            finding = finding.related(span, "isolates them as well");
        }
    }
    if names.len() > 1 {
        finding = finding.note(format!("cut off: {}", words::names(&names)));
    }
    Some(finding.help(format!(
        "allow TCP {ports} to the namespace of {}, or to its address",
        client.server
    )))
}
