//! Pods of an ambient mesh whose policies forget the port that the mesh tunnels through.

use crate::cluster::platform::{AMBIENT_PORT, is_in_ambient_mesh};
use crate::cluster::{Cluster, WorkloadId};
use crate::diagnostic::{Diagnostic, Severity};
use crate::engine::PolicyRef;
use crate::k8s::{Direction, NetworkPolicyRule, PortReference, Protocol};
use crate::lint::cut_off::CutOff;
use crate::lint::{
    Category, Context, Rule, RuleMeta, declare_rule, entrance, isolation, snippet, words,
};
use std::collections::BTreeMap;

declare_rule! {
    /// ## What it does
    ///
    /// Reports policies of pods in an ambient mesh of Istio that open ports to other pods of the
    /// mesh, or to reach them, but not TCP 15008.
    ///
    /// A namespace or pod is in the mesh if it has the label `istio.io/dataplane-mode: ambient`.
    /// Only policies of kind `NetworkPolicy` are evaluated, and pods with a sidecar are not
    /// reported.
    ///
    /// ## Why is this bad?
    ///
    /// Between pods of an ambient mesh, all TCP traffic is tunnelled to port 15008 of the
    /// destination. Policies see that port instead of the application's, so rules that worked
    /// before the namespace joined the mesh now block everything. `ztunnel` logs "maybe a
    /// NetworkPolicy is blocking HBONE port 15008".
    ///
    /// Pods outside the mesh still connect to the application's port, so keep that one too if
    /// they need it. Which ports pods of the mesh may use is up to an `AuthorizationPolicy`.
    ///
    /// ## Example
    ///
    /// ```yaml
    /// apiVersion: v1
    /// kind: Namespace
    /// metadata: {name: shop, labels: {istio.io/dataplane-mode: ambient}}
    /// ---
    /// apiVersion: apps/v1
    /// kind: Deployment
    /// metadata: {name: web, namespace: shop}
    /// spec:
    ///   selector: {matchLabels: {app: web}}
    ///   template:
    ///     metadata: {labels: {app: web}}
    ///     spec: {containers: [{name: web, image: example/web:1}]}
    /// ---
    /// apiVersion: apps/v1
    /// kind: Deployment
    /// metadata: {name: cart, namespace: shop}
    /// spec:
    ///   selector: {matchLabels: {app: cart}}
    ///   template:
    ///     metadata: {labels: {app: cart}}
    ///     spec: {containers: [{name: cart, image: example/cart:1, ports: [{containerPort: 8080}]}]}
    /// ---
    /// apiVersion: networking.k8s.io/v1
    /// kind: NetworkPolicy
    /// metadata: {name: cart, namespace: shop}
    /// spec:
    ///   podSelector: {matchLabels: {app: cart}}
    ///   ingress:
    ///     - from: [{podSelector: {matchLabels: {app: web}}}]
    ///       ports: [{protocol: TCP, port: 8080}]
    /// ```
    ///
    /// ## Use instead
    ///
    /// ```yaml
    /// apiVersion: v1
    /// kind: Namespace
    /// metadata: {name: shop, labels: {istio.io/dataplane-mode: ambient}}
    /// ---
    /// apiVersion: apps/v1
    /// kind: Deployment
    /// metadata: {name: web, namespace: shop}
    /// spec:
    ///   selector: {matchLabels: {app: web}}
    ///   template:
    ///     metadata: {labels: {app: web}}
    ///     spec: {containers: [{name: web, image: example/web:1}]}
    /// ---
    /// apiVersion: apps/v1
    /// kind: Deployment
    /// metadata: {name: cart, namespace: shop}
    /// spec:
    ///   selector: {matchLabels: {app: cart}}
    ///   template:
    ///     metadata: {labels: {app: cart}}
    ///     spec: {containers: [{name: cart, image: example/cart:1, ports: [{containerPort: 8080}]}]}
    /// ---
    /// apiVersion: networking.k8s.io/v1
    /// kind: NetworkPolicy
    /// metadata: {name: cart, namespace: shop}
    /// spec:
    ///   podSelector: {matchLabels: {app: cart}}
    ///   ingress:
    ///     - from: [{podSelector: {matchLabels: {app: web}}}]
    ///       ports: [{protocol: TCP, port: 8080}, {protocol: TCP, port: 15008}]
    /// ```
    ///
    /// ## Fix safety
    ///
    /// There is no automatic fix: a rule for port 15008 opens every TCP port to the pods of the
    /// mesh that it names.
    pub(super) struct AmbientPortBlocked {
        name: "ambient-port-blocked",
        summary: "policies block the port that Istio's ambient mesh tunnels through",
        category: Category::Flows,
        severity: Severity::Warning,
        tier: Preview,
        evidence: "written for istio issues 51034, 52742 and 56659",
        fix: None,
        mutes: &[],
        since: "0.1.0",
    }
}

impl Rule for AmbientPortBlocked {
    fn meta(&self) -> &'static RuleMeta {
        &Self::META
    }

    fn check_cluster(&self, cx: &mut Context<'_>) {
        let cluster = cx.cluster;
        let mesh: Vec<WorkloadId> = cluster
            .workload_ids()
            .filter(|id| is_in_mesh(cluster, *id))
            .collect();
        if mesh.len() < 2 {
            return;
        }
        let unjudged = cx.unjudged();
        // What the same policies block is one cause.
        let mut by_cause: BTreeMap<(Vec<PolicyRef>, Direction), Vec<Blocked>> = BTreeMap::new();
        for id in &mesh {
            let home = cluster.workload(*id).namespace;
            for direction in [Direction::Ingress, Direction::Egress] {
                if unjudged.is_unknown_for(cluster, home, direction) {
                    continue;
                }
                let forgets = isolation::rules(cx, *id, direction)
                    .is_some_and(|rules| !rules.is_empty() && !rules.iter().any(may_open_tunnel));
                let Some(other) = forgets
                    .then(|| partner(cx, &mesh, *id, direction))
                    .flatten()
                else {
                    continue;
                };
                let cause = (cx.engine.isolated_by(*id, direction), direction);
                let blocked = Blocked { pods: *id, other };
                by_cause.entry(cause).or_default().push(blocked);
            }
        }
        for ((policies, direction), blocked) in by_cause {
            if let Some(finding) = describe(cx, &policies, direction, &blocked) {
                cx.report(finding);
            }
        }
    }
}

/// Pods of the mesh that policies isolate, and others with which they may talk, as they seem.
struct Blocked {
    pods: WorkloadId,
    other: WorkloadId,
}

fn is_in_mesh(cluster: &Cluster, id: WorkloadId) -> bool {
    let workload = cluster.workload(id);
    let namespace = cluster.namespace(workload.namespace);
    !workload.object.host_network && is_in_ambient_mesh(&namespace.labels, &workload.object.labels)
}

/// Whether a rule opens the port of the tunnel to somebody. What a name means depends on pods.
fn may_open_tunnel(rule: &&NetworkPolicyRule) -> bool {
    let mut entries = rule.ports.items().iter();
    let has_name = entries.any(|entry| {
        let port = entry.port.get().map(|port| &port.value);
        matches!(port, Some(PortReference::Name(_)))
    });
    has_name || rule.admits_outside(Protocol::Tcp, AMBIENT_PORT)
}

/// Other pods of the mesh with which the policies allow some TCP port, but certainly not the
/// one that the mesh uses for it.
fn partner(
    cx: &Context<'_>,
    mesh: &[WorkloadId],
    pods: WorkloadId,
    direction: Direction,
) -> Option<WorkloadId> {
    let relation = cx.engine.relation();
    let mut others = mesh.iter().copied().filter(|other| *other != pods);
    others.find(|other| {
        let (source, destination) = match direction {
            Direction::Ingress => (*other, pods),
            Direction::Egress => (pods, *other),
        };
        let cut_off = CutOff {
            source,
            destination,
            protocol: Protocol::Tcp,
            port: AMBIENT_PORT,
        };
        let open = relation.connections(source, destination);
        !open.get(Protocol::Tcp).is_empty() && cut_off.is_certain(cx)
    })
}

fn describe(
    cx: &Context<'_>,
    policies: &[PolicyRef],
    direction: Direction,
    blocked: &[Blocked],
) -> Option<Diagnostic> {
    let cluster = cx.cluster;
    let (policy, others) = policies.split_first()?;
    let first = blocked.first()?;
    let pods = cluster.workload_name(first.pods);
    let other = cluster.workload_name(first.other);
    let (source, destination) = match direction {
        Direction::Ingress => (&other, &pods),
        Direction::Egress => (&pods, &other),
    };
    let field = direction.field();
    let message = format!(
        "`{source}` cannot reach `{destination}` through the ambient mesh: no {field} rule allows TCP {AMBIENT_PORT}"
    );
    let span = entrance::name_of(cluster, *policy)?;
    let mut finding = cx
        .finding(span, message)
        .about(cx.object_of(*policy), format!("spec.{field}"))
        .label(format!("isolates `{pods}` for {field}"));
    for policy in others {
        if let Some(span) = entrance::name_of(cluster, *policy) {
            finding = finding.related(span, "isolates it as well");
        }
    }
    if blocked.len() > 1 {
        let names: Vec<String> = blocked[1..]
            .iter()
            .map(|it| cluster.workload_name(it.pods))
            .collect();
        finding = finding.note(format!("blocked as well: {}", words::names(&names)));
    }
    let port = snippet::port(Protocol::Tcp, AMBIENT_PORT);
    Some(finding.help(format!("add `{port}` to the rules for pods of the mesh")))
}
