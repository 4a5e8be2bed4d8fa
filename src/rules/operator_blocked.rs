//! Policies that keep an operator from the pods that it makes.

use crate::cluster::NamespaceId;
use crate::cluster::platform::{self, Operator};
use crate::diagnostic::{Diagnostic, Severity};
use crate::engine::{Endpoint, NamespaceView, PodView, PolicyRef};
use crate::k8s::{
    Action, CustomObject, Direction, Labels, NetworkPolicyPeer, NetworkPolicyPort,
    NetworkPolicyRule, PortReference, Protocol, Truth,
};
use crate::lint::entrance::{self, PodsMeant};
use crate::lint::{Category, Context, Rule, RuleMeta, declare_rule, hypothetical, plugin_rules};

declare_rule! {
    /// ## What it does
    ///
    /// Reports policies that isolate pods that an operator creates from a custom resource, such
    /// as the instances of a CloudNativePG `Cluster`, where no rule admits the operator on the
    /// port that it uses.
    ///
    /// It knows CloudNativePG, EDB Postgres for Kubernetes, ECK and cass-operator. Because the
    /// operator may be installed anywhere, a rule that admits pods of another namespace, or
    /// addresses, on that port is enough.
    ///
    /// Policies of Cilium and Calico count like NetworkPolicies.
    ///
    /// ## Why is this bad?
    ///
    /// The operator cannot check the health of its pods: a new database never becomes ready,
    /// and a running one is neither failed over nor upgraded.
    ///
    /// ## Example
    ///
    /// ```yaml
    /// apiVersion: postgresql.cnpg.io/v1
    /// kind: Cluster
    /// metadata: {name: orders, namespace: shop}
    /// spec: {instances: 3, storage: {size: 1Gi}}
    /// ---
    /// apiVersion: networking.k8s.io/v1
    /// kind: NetworkPolicy
    /// metadata: {name: orders-db, namespace: shop}
    /// spec:
    ///   podSelector: {matchLabels: {cnpg.io/cluster: orders}}
    ///   policyTypes: [Ingress]
    ///   ingress:
    ///     - from: [{podSelector: {}}]
    ///       ports: [{protocol: TCP, port: 5432}]
    /// ```
    ///
    /// ## Use instead
    ///
    /// ```yaml
    /// apiVersion: postgresql.cnpg.io/v1
    /// kind: Cluster
    /// metadata: {name: orders, namespace: shop}
    /// spec: {instances: 3, storage: {size: 1Gi}}
    /// ---
    /// apiVersion: networking.k8s.io/v1
    /// kind: NetworkPolicy
    /// metadata: {name: orders-db, namespace: shop}
    /// spec:
    ///   podSelector: {matchLabels: {cnpg.io/cluster: orders}}
    ///   policyTypes: [Ingress]
    ///   ingress:
    ///     - from: [{podSelector: {}}]
    ///       ports: [{protocol: TCP, port: 5432}]
    ///     - from: [{namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: cnpg-system}}}]
    ///       ports: [{protocol: TCP, port: 8000}, {protocol: TCP, port: 5432}]
    /// ```
    ///
    /// ## Fix safety
    ///
    /// There is no automatic fix: where the operator runs is not always in the manifests.
    pub(super) struct OperatorBlocked {
        name: "operator-blocked",
        summary: "policies keep an operator from the pods that it manages",
        category: Category::Flows,
        severity: Severity::Warning,
        tier: Preview,
        evidence: "no finding on 82 public repositories (58 of them in excerpts)",
        fix: None,
        mutes: &[],
        since: "0.1.0",
    }
}

impl Rule for OperatorBlocked {
    fn meta(&self) -> &'static RuleMeta {
        &Self::META
    }

    fn check_cluster(&self, cx: &mut Context<'_>) {
        let cluster = cx.cluster;
        let objects = &cluster.context_objects().custom_objects;
        for object in objects {
            let operator = platform::operator_of(&object.group, &object.kind);
            let home = cluster.namespace_by_name(object.meta.namespace_name());
            let (Some(operator), Some(home)) = (operator, home) else {
                continue;
            };
            // A tier before the NetworkPolicies may admit it.
            if !cluster.cluster_policies().is_empty() || cx.unjudged().is_unknown_in(cluster, home)
            {
                continue;
            }
            if let Some(finding) = check(cx, object, operator, home) {
                cx.report(finding);
            }
        }
    }
}

fn check(
    cx: &Context<'_>,
    object: &CustomObject,
    operator: &Operator,
    home: NamespaceId,
) -> Option<Diagnostic> {
    let cluster = cx.cluster;
    let name = &cluster.namespace(home).name;
    if operator.homes.contains(&name.as_str()) {
        return None;
    }
    let policies = isolating(cx, object, home);
    let (first, others) = policies.split_first()?;
    let is_beside = is_beside(cx, operator, home);
    let admits = cluster.policies_in(home).any(|id| {
        let policy = &cluster.policy(id).object;
        let may_select = policy.pod_selector.get().is_none_or(|selector| {
            let operands = platform::operands_of(&object.group, &object.kind);
            let mut operands = operands.iter();
            selector.is_empty()
                || selector.is_opaque()
                || operands.any(|operand| operand.matches(object, selector) != Truth::False)
        });
        let mut rules = policy.rules(Direction::Ingress).iter();
        !policy.meta.holes.is_empty()
            || may_select && rules.any(|rule| may_admit(rule, operator.port, is_beside))
    });
    if admits || plugin_admits(cx, object, operator, home, is_beside) {
        return None;
    }
    let message = format!(
        "no ingress rule lets {} reach the pods of {} `{}` on TCP {}",
        operator.name, object.kind, object.meta.name, operator.port
    );
    let mut finding = cx
        .finding(entrance::name_of(cluster, *first)?, message)
        .about(cx.object_of(*first), "spec.ingress")
        .label("isolates these pods for ingress")
        .related(object.meta.name.span, "the operator makes the pods of this");
    for policy in others.iter().take(3) {
        if let Some(span) = entrance::name_of(cluster, *policy) {
            finding = finding.related(span, "isolates them as well");
        }
    }
    Some(finding.help(format!(
        "allow TCP {} from the namespace of the operator, usually `{}`",
        operator.port, operator.homes[0]
    )))
}

/// The policies that surely isolate the pods of an object for ingress, in order.
fn isolating(cx: &Context<'_>, object: &CustomObject, home: NamespaceId) -> Vec<PolicyRef> {
    let cluster = cx.cluster;
    let name = &cluster.namespace(home).name;
    let span = object.meta.name.span;
    let operands = platform::operands_of(&object.group, &object.kind).iter();
    let isolating_of = |labels: &Labels| -> Vec<PolicyRef> {
        let none = hypothetical::labels([], span);
        hypothetical::with_pod(cluster, name, labels, span, |pods| {
            hypothetical::with_pod(cluster, ELSEWHERE, &none, span, |anybody| {
                let explanation = cx.engine.judge().explain(anybody, pods);
                let ways = explanation.ways.first();
                ways.map_or_else(Vec::new, |way| {
                    way.ingress.isolating().map(|it| it.policy).collect()
                })
            })
        })
    };
    operands
        .map(|operand| {
            let certain = operand.certain_labels(object);
            let own = object.pod_labels.iter().cloned();
            isolating_of(&Labels::new(own.chain(certain.iter().cloned()).collect()))
        })
        .next()
        .unwrap_or_default()
}

/// Whether a policy of the CNI plugin's may let the operator in.
fn plugin_admits(
    cx: &Context<'_>,
    object: &CustomObject,
    operator: &Operator,
    home: NamespaceId,
    is_beside: bool,
) -> bool {
    let cluster = cx.cluster;
    if cluster.plugin_policies().is_empty() {
        return false;
    }
    let name = &cluster.namespace(home).name;
    let mut operands = platform::operands_of(&object.group, &object.kind).iter();
    operands.any(|operand| {
        let certain = operand.certain_labels(object);
        let own = object.pod_labels.iter().cloned();
        let labels = Labels::new(own.chain(certain.iter().cloned()).collect());
        let mut pod = PodView::hypothetical(NamespaceView::of(cluster, home), &labels);
        pod.are_labels_known = false;
        let explanation = (cx.engine.judge()).explain(&entrance::anybody(), &Endpoint::Pod(pod));
        explanation.ways.iter().any(|way| {
            let mut rules = way.ingress.rules();
            rules.any(|rule| {
                let opens = rule
                    .ports
                    .matches
                    .possible
                    .contains(Protocol::Tcp, operator.port)
                    || !plugin_rules::named_ports(rule.rule).is_empty();
                let is_plugins = matches!(rule.policy, PolicyRef::Plugin(_)) && rule.is_written();
                let is_meant = || {
                    let others = entrance::pods_meant(cluster, rule.policy, rule.rule, name);
                    others == PodsMeant::Others || others == PodsMeant::Own && is_beside
                };
                is_plugins && rule.action != Action::Deny && (rule.is_opaque || opens && is_meant())
            })
        })
    })
}

/// The namespace of somebody of whom nothing is known.
const ELSEWHERE: &str = "default";

/// Whether the operator seems to be installed in the same namespace.
fn is_beside(cx: &Context<'_>, operator: &Operator, home: NamespaceId) -> bool {
    let cluster = cx.cluster;
    let is_its = |name: &str| name.contains(operator.word) || name.contains("operator");
    let mut workloads = cluster.workloads_in(home);
    let objects = &cluster.context_objects().custom_objects;
    let mut beside = objects
        .iter()
        .filter(|it| it.home() == cluster.namespace(home).name);
    workloads.any(|id| is_its(&cluster.workload(id).object.meta.name))
        || beside.any(|it| it.kind != operator.kind && is_its(&it.meta.name))
        || cluster.may_hold_more(home)
}

/// Whether a rule may let the operator in: pods of another namespace or addresses, or those
/// of the own one if it is among them.
fn may_admit(rule: &NetworkPolicyRule, port: u16, is_beside: bool) -> bool {
    let opens = |entry: &NetworkPolicyPort| {
        let first = match entry.port.get().map(|port| &port.value) {
            // What a name means depends on the pods.
            None | Some(PortReference::Name(_)) => return is_tcp(entry),
            Some(PortReference::Number(first)) => *first,
        };
        let last = entry.end_port.get().map_or(first, |last| last.value);
        is_tcp(entry) && (first..=last).contains(&port)
    };
    let ports = rule.ports.items();
    let peers = rule.peers.items();
    let is_other = |peer: &NetworkPolicyPeer| {
        peer.ip_block.get().is_some() || peer.namespace_selector.get().is_some() || is_beside
    };
    (ports.is_empty() || ports.iter().any(opens))
        && (peers.is_empty() || peers.iter().any(is_other))
}

fn is_tcp(entry: &NetworkPolicyPort) -> bool {
    entry.protocol_or_default() == Protocol::Tcp
}
