//! Workloads that policies keep from a managed service outside that they are told to use.

use crate::cluster::{NamespaceId, WorkloadId};
use crate::diagnostic::{Diagnostic, Severity};
use crate::k8s::{Direction, NetworkPolicyPeer, NetworkPolicyRule, Protocol, Workload};
use crate::lint::references::{self, OutsideReference};
use crate::lint::{Category, Context, Rule, RuleMeta, declare_rule, entrance, isolation};
use std::collections::{BTreeMap, BTreeSet};

declare_rule! {
    /// ## What it does
    ///
    /// Reports a workload whose environment variables or arguments hold the address of a
    /// managed service outside the cluster, such as
    /// `shop.abc123.eu-west-1.rds.amazonaws.com:5432`, where its policies open that port to no
    /// address at all.
    ///
    /// Only hosts of well-known providers count, because their names never lead back into the
    /// cluster, and only policies of kind `NetworkPolicy` are evaluated. A rule for any address
    /// block on that port is enough, because npcheck does not know the addresses of the
    /// service.
    ///
    /// ## Why is this bad?
    ///
    /// A managed database has no pods that a selector could match. Policies that were written
    /// for a database inside the cluster, or that open nothing but HTTPS, cut the workload off.
    ///
    /// ## Example
    ///
    /// ```yaml
    /// apiVersion: apps/v1
    /// kind: Deployment
    /// metadata: {name: orders, namespace: shop}
    /// spec:
    ///   selector: {matchLabels: {app: orders}}
    ///   template:
    ///     metadata: {labels: {app: orders}}
    ///     spec:
    ///       containers:
    ///         - name: orders
    ///           image: example/orders:1
    ///           env:
    ///             - {name: DB_ENDPOINT, value: "orders.abc123.eu-west-1.rds.amazonaws.com:5432"}
    /// ---
    /// apiVersion: networking.k8s.io/v1
    /// kind: NetworkPolicy
    /// metadata: {name: orders, namespace: shop}
    /// spec:
    ///   podSelector: {matchLabels: {app: orders}}
    ///   policyTypes: [Egress]
    ///   egress:
    ///     - ports: [{protocol: UDP, port: 53}, {protocol: TCP, port: 53}, {port: 443}]
    /// ```
    ///
    /// ## Use instead
    ///
    /// ```yaml
    /// apiVersion: apps/v1
    /// kind: Deployment
    /// metadata: {name: orders, namespace: shop}
    /// spec:
    ///   selector: {matchLabels: {app: orders}}
    ///   template:
    ///     metadata: {labels: {app: orders}}
    ///     spec:
    ///       containers:
    ///         - name: orders
    ///           image: example/orders:1
    ///           env:
    ///             - {name: DB_ENDPOINT, value: "orders.abc123.eu-west-1.rds.amazonaws.com:5432"}
    /// ---
    /// apiVersion: networking.k8s.io/v1
    /// kind: NetworkPolicy
    /// metadata: {name: orders, namespace: shop}
    /// spec:
    ///   podSelector: {matchLabels: {app: orders}}
    ///   policyTypes: [Egress]
    ///   egress:
    ///     - ports: [{protocol: UDP, port: 53}, {protocol: TCP, port: 53}, {port: 443}]
    ///     - to: [{ipBlock: {cidr: 10.0.128.0/20}}]
    ///       ports: [{protocol: TCP, port: 5432}]
    /// ```
    ///
    /// ## Fix safety
    ///
    /// There is no automatic fix: the addresses of the service are not in the manifests.
    pub(super) struct ManagedServiceBlocked {
        name: "managed-service-blocked",
        summary: "policies keep a workload from a managed service that its configuration names",
        category: Category::Flows,
        severity: Severity::Warning,
        tier: Preview,
        evidence: "2 of 2 warnings on 34 public repositories judged right",
        fix: None,
        mutes: &[],
        since: "0.1.0",
    }
}

impl Rule for ManagedServiceBlocked {
    fn meta(&self) -> &'static RuleMeta {
        &Self::META
    }

    fn check_namespace(&self, cx: &mut Context<'_>, id: NamespaceId) {
        let cluster = cx.cluster;
        let mut users: Option<BTreeMap<&str, usize>> = None;
        for workload in cluster.workloads_in(id) {
            let pod = &cluster.workload(workload).object;
            if !pod.meta.is_accepted || pod.host_network {
                continue;
            }
            let Some(rules) = isolation::rules(cx, workload, Direction::Egress) else {
                continue;
            };
            let users = users.get_or_insert_with(|| users_of_maps(cx, id));
            let is_shared = |map: &str| users.get(map).is_some_and(|users| *users > 1);
            let told = references::outside_references(cluster, id, pod, is_shared);
            let is_closed = |told: &OutsideReference<'_>| {
                !uses_proxy(pod, told.port) && !rules.iter().any(|rule| may_open(rule, told.port))
            };
            let Some(closed) = told.into_iter().find(is_closed) else {
                continue;
            };
            if cx.unjudged().may_be_in(cluster, id) {
                return;
            }
            let finding = describe(cx, workload, &closed);
            cx.report(finding);
        }
    }
}

/// How many workloads of a namespace take all of a ConfigMap as variables, by its name.
fn users_of_maps<'c>(cx: &Context<'c>, id: NamespaceId) -> BTreeMap<&'c str, usize> {
    let mut users = BTreeMap::new();
    for workload in cx.cluster.workloads_in(id) {
        let containers = &cx.cluster.workload(workload).object.containers;
        let taken = containers.iter().flat_map(|it| &it.config_maps);
        let whole = taken.filter(|reference| reference.key.is_none());
        let maps: BTreeSet<&str> = whole.map(|it| it.config_map.as_str()).collect();
        for map in maps {
            *users.entry(map).or_default() += 1;
        }
    }
    users
}

/// Whether a rule opens a port to some address, or to pods that may hand it on.
fn may_open(rule: &NetworkPolicyRule, port: Option<u16>) -> bool {
    let admits = port.is_none_or(|port| rule.admits_outside(Protocol::Tcp, port));
    let peers = rule.peers.items();
    let has_address = || peers.iter().any(|peer| peer.ip_block.get().is_some());
    admits && (peers.is_empty() || has_address()) || peers.iter().any(names_way_out)
}

/// Whether a peer is by its labels a proxy or a gateway, to which a mesh may take what is meant
/// for an address outside.
fn names_way_out(peer: &NetworkPolicyPeer) -> bool {
    const WORDS: [&str; 4] = ["egress", "gateway", "istio", "proxy"];
    let selectors = [peer.namespace_selector.get(), peer.pod_selector.get()];
    let mut values = selectors
        .into_iter()
        .flatten()
        .flat_map(|selector| selector.values());
    values.any(|value| WORDS.iter().any(|word| value.contains(word)))
}

/// Whether the containers are told of a proxy that connections to a port go through.
fn uses_proxy(pod: &Workload, port: Option<u16>) -> bool {
    let is_web = port.is_none_or(|port| [80, 443].contains(&port));
    let mut variables = pod.containers.iter().flat_map(|it| &it.variables);
    is_web && variables.any(|it| it.name.to_ascii_uppercase().ends_with("_PROXY"))
}

fn describe(cx: &Context<'_>, workload: WorkloadId, told: &OutsideReference<'_>) -> Diagnostic {
    const SHOWN: usize = 3;
    let cluster = cx.cluster;
    let name = cluster.workload_name(workload);
    let (port, on_port) = match told.port {
        Some(port) => (format!("TCP {port}"), format!(" on TCP {port}")),
        None => ("any port".to_owned(), String::new()),
    };
    let message = format!(
        "`{name}` is configured to use `{}`, but no egress rule opens {port} to addresses",
        told.host
    );
    let object = &cluster.workload(workload).object;
    let mut finding = cx
        .finding(object.meta.name.span, message)
        .about(name.clone(), "")
        .label("its environment or arguments hold the address");
    let policies = cx.engine.isolated_by(workload, Direction::Egress);
    for policy in policies.iter().take(SHOWN) {
        if let Some(span) = entrance::name_of(cluster, *policy) {
            finding = finding.related(span, format!("isolates `{name}` for egress"));
        }
    }
    finding.help(format!(
        "allow the service's addresses with `ipBlock`{on_port}, or remove the address"
    ))
}
