//! Peers that are let in on every port.

use crate::cluster::{PolicyId, WorkloadId};
use crate::diagnostic::{Diagnostic, Severity};
use crate::k8s::{self, ContainerPort, Direction, NetworkPolicyPeer, NetworkPolicyRule};
use crate::lint::{Category, Context, Rule, RuleMeta, declare_rule};

declare_rule! {
    /// ## What it does
    ///
    /// Reports, as an info, an `ingress` rule without `ports` that admits pods of other
    /// namespaces, where every selected pod declares exactly one port, and the same one.
    ///
    /// If you name the rule in the configuration, it reports every rule that has peers but no
    /// `ports`.
    ///
    /// ## Why is this bad?
    ///
    /// Without `ports`, a rule allows every port of every protocol: debug endpoints, metrics,
    /// and whatever the next version listens on. If there is only one port to open, naming it
    /// costs nothing.
    ///
    /// ## Example
    ///
    /// ```yaml
    /// apiVersion: apps/v1
    /// kind: Deployment
    /// metadata: {name: db, namespace: shop}
    /// spec:
    ///   selector: {matchLabels: {app: db}}
    ///   template:
    ///     metadata: {labels: {app: db}}
    ///     spec:
    ///       containers:
    ///         - {name: db, image: postgres:17, ports: [{containerPort: 5432}]}
    /// ---
    /// apiVersion: networking.k8s.io/v1
    /// kind: NetworkPolicy
    /// metadata: {name: db, namespace: shop}
    /// spec:
    ///   podSelector: {matchLabels: {app: db}}
    ///   ingress:
    ///     - from:
    ///         - namespaceSelector:
    ///             matchLabels: {kubernetes.io/metadata.name: reports}
    /// ```
    ///
    /// ## Use instead
    ///
    /// ```yaml
    /// apiVersion: apps/v1
    /// kind: Deployment
    /// metadata: {name: db, namespace: shop}
    /// spec:
    ///   selector: {matchLabels: {app: db}}
    ///   template:
    ///     metadata: {labels: {app: db}}
    ///     spec:
    ///       containers:
    ///         - {name: db, image: postgres:17, ports: [{containerPort: 5432}]}
    /// ---
    /// apiVersion: networking.k8s.io/v1
    /// kind: NetworkPolicy
    /// metadata: {name: db, namespace: shop}
    /// spec:
    ///   podSelector: {matchLabels: {app: db}}
    ///   ingress:
    ///     - from:
    ///         - namespaceSelector:
    ///             matchLabels: {kubernetes.io/metadata.name: reports}
    ///       ports: [{protocol: TCP, port: 5432}]
    /// ```
    ///
    /// ## Fix safety
    ///
    /// There is no automatic fix: pods may listen on ports that they do not declare.
    ///
    /// ## Configuration
    ///
    /// Name the rule under `rules` (as `all-ports: info`) to hear of every rule without ports.
    pub(super) struct AllPorts {
        name: "all-ports",
        summary: "pods of other namespaces get every port of pods that declare only one",
        category: Category::Ports,
        severity: Severity::Info,
        tier: Preview,
        evidence: "fewer than half of 8 infos on 82 public repositories (58 of them in excerpts) were useful to the owners",
        fix: None,
        mutes: &[],
        since: "0.1.0",
    }
}

impl Rule for AllPorts {
    fn meta(&self) -> &'static RuleMeta {
        &Self::META
    }

    fn check_network_policy(
        &self,
        cx: &mut Context<'_>,
        id: PolicyId,
        policy: &k8s::NetworkPolicy,
    ) {
        for place in policy.rule_places() {
            let (path, rule) = (place.path(), place.rule);
            if rule.peers.items().is_empty() || !rule.ports.items().is_empty() {
                continue;
            }
            let only = (place.direction == Direction::Ingress)
                .then(|| only_port(cx, id, rule))
                .flatten();
            let finding = match only {
                Some((workload, port)) => Some(narrow(cx, id, path, rule, (workload, port))),
                None if cx.is_asked_for() => Some(wide(cx, id, path, rule)),
                None => None,
            };
            if let Some(finding) = finding {
                cx.report(finding);
            }
        }
    }
}

/// The only port of the policy's pods, where the rule lets in pods of other namespaces.
fn only_port<'c>(
    cx: &Context<'c>,
    id: PolicyId,
    rule: &NetworkPolicyRule,
) -> Option<(WorkloadId, &'c ContainerPort)> {
    let home = cx.cluster.policy(id).namespace;
    let is_foreign = |peer: &NetworkPolicyPeer| {
        let Some((Some(namespaces), _)) = peer.selectors() else {
            return false;
        };
        cx.engine.matching_namespaces(namespaces) != [home]
    };
    if !rule.peers.items().iter().any(is_foreign) {
        return None;
    }
    let mut only: Option<(WorkloadId, &ContainerPort)> = None;
    for workload in cx.engine.selected(id) {
        let mut ports = cx.cluster.workload(*workload).object.ports();
        let (Some(port), None) = (ports.next(), ports.next()) else {
            return None;
        };
        match only {
            None => only = Some((*workload, port)),
            Some((_, known)) => {
                let is_same =
                    known.number.value == port.number.value && known.protocol == port.protocol;
                if !is_same {
                    return None;
                }
            }
        }
    }
    only
}

fn narrow(
    cx: &Context<'_>,
    id: PolicyId,
    path: String,
    rule: &NetworkPolicyRule,
    (workload, port): (WorkloadId, &ContainerPort),
) -> Diagnostic {
    let (protocol, number) = (port.protocol, &port.number);
    let name = cx.cluster.workload_name(workload);
    let span = rule.peers.key().unwrap_or(rule.span);
    let message =
        format!("other namespaces can reach every port, but `{name}` only has {protocol} {number}");
    cx.policy_finding(id, path, span, message)
        .label("a rule without `ports` allows every port of every protocol")
        .related(number.span, "the only port of these pods")
        .help(format!(
            "add `ports: [{}]` to the rule",
            crate::lint::snippet::port(protocol, number.value)
        ))
}

fn wide(cx: &Context<'_>, id: PolicyId, path: String, rule: &NetworkPolicyRule) -> Diagnostic {
    let span = rule.peers.key().unwrap_or(rule.span);
    cx.policy_finding(
        id,
        path,
        span,
        "this rule allows every port of every protocol",
    )
    .label("has no `ports` beside it")
    .help("list the ports that are meant under `ports`")
}
