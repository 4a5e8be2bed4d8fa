//! Ports of Services in Cilium's policies, where the pods behind them listen on others.

use crate::cluster::WorkloadId;
use crate::diagnostic::{Diagnostic, Severity};
use crate::k8s::{CiliumPeers, CiliumPort, CiliumPortReference};
use crate::lint::plugin_rules::{self, CiliumPlace};
use crate::lint::service_ports::{self, Translated};
use crate::lint::{Category, Context, Rule, RuleMeta, declare_rule};

declare_rule! {
    /// ## What it does
    ///
    /// Reports a port number in a Cilium rule that is a Service's port, where the pods that the
    /// rule applies to listen on another one: the selected pods for ingress, and the pods of
    /// `toEndpoints` and `toServices` for egress.
    ///
    /// ## Why is this bad?
    ///
    /// Policies see a connection after the Service has been translated, so only pod ports
    /// count. That is true for `toServices` too: although it names the Service, the Service's
    /// port allows nothing.
    ///
    /// ## Example
    ///
    /// ```yaml
    /// apiVersion: v1
    /// kind: Pod
    /// metadata: {name: api, namespace: shop, labels: {app: api}}
    /// spec:
    ///   containers:
    ///     - {name: api, image: example/api:1, ports: [{containerPort: 8080}]}
    /// ---
    /// apiVersion: v1
    /// kind: Service
    /// metadata: {name: api, namespace: shop}
    /// spec:
    ///   selector: {app: api}
    ///   ports: [{port: 80, targetPort: 8080}]
    /// ---
    /// apiVersion: cilium.io/v2
    /// kind: CiliumNetworkPolicy
    /// metadata: {name: web, namespace: shop}
    /// spec:
    ///   endpointSelector: {matchLabels: {app: web}}
    ///   egress:
    ///     - toServices: [{k8sService: {serviceName: api, namespace: shop}}]
    ///       toPorts: [{ports: [{port: "80", protocol: TCP}]}]
    /// ```
    ///
    /// ## Use instead
    ///
    /// ```yaml
    /// apiVersion: v1
    /// kind: Pod
    /// metadata: {name: api, namespace: shop, labels: {app: api}}
    /// spec:
    ///   containers:
    ///     - {name: api, image: example/api:1, ports: [{containerPort: 8080}]}
    /// ---
    /// apiVersion: v1
    /// kind: Service
    /// metadata: {name: api, namespace: shop}
    /// spec:
    ///   selector: {app: api}
    ///   ports: [{port: 80, targetPort: 8080}]
    /// ---
    /// apiVersion: cilium.io/v2
    /// kind: CiliumNetworkPolicy
    /// metadata: {name: web, namespace: shop}
    /// spec:
    ///   endpointSelector: {matchLabels: {app: web}}
    ///   egress:
    ///     - toServices: [{k8sService: {serviceName: api, namespace: shop}}]
    ///       toPorts: [{ports: [{port: "8080", protocol: TCP}]}]
    /// ```
    ///
    /// ## Fix safety
    ///
    /// There is no automatic fix: the old number may have another purpose as well.
    pub(super) struct CiliumServicePort {
        name: "cilium-service-port",
        summary: "a Cilium rule has a Service's port, but the pods listen on another one",
        category: Category::Plugins,
        severity: Severity::Error,
        tier: Stable,
        evidence: "1 error on the 162 Cilium policies of three public repositories, judged right",
        fix: None,
        mutes: &[],
        since: "0.1.0",
    }
}

impl Rule for CiliumServicePort {
    fn meta(&self) -> &'static RuleMeta {
        &Self::META
    }

    fn check_cluster(&self, cx: &mut Context<'_>) {
        let program = cx.program();
        for place in plugin_rules::cilium_rules(cx.cluster, &program) {
            if place.enforced.is_opaque || place.rule.to_ports.is_none() {
                continue;
            }
            let Some(destinations) = place.destinations(cx) else {
                continue;
            };
            for finding in check(cx, &place, &destinations) {
                cx.report(finding);
            }
        }
    }
}

fn check(
    cx: &Context<'_>,
    place: &CiliumPlace<'_, '_>,
    destinations: &[WorkloadId],
) -> Vec<Diagnostic> {
    let entries = place.rule.to_ports.iter().flat_map(|ports| &ports.value);
    let ports: Vec<(usize, usize, &CiliumPort)> = entries
        .enumerate()
        .flat_map(|(entry, rule)| {
            let ports = rule.ports.iter().enumerate();
            ports.map(move |(index, port)| (entry, index, port))
        })
        .collect();
    let numbers: Vec<u16> = ports
        .iter()
        .filter_map(|(_, _, port)| number(port))
        .collect();
    let mut found = Vec::new();
    for (entry, index, port) in ports {
        let Some(number) = number(port) else { continue };
        let protocols = port.protocol.protocols().iter();
        let mut translated = protocols
            .map(|protocol| service_ports::translated(cx.cluster, destinations, *protocol, number));
        let Some(translated) = translated.find(|found| !found.is_empty()) else {
            continue;
        };
        // The port of the pods stands beside it.
        if translated.iter().any(|it| numbers.contains(&it.pod_port)) {
            continue;
        }
        let path = format!("{}.toPorts[{entry}].ports[{index}].port", place.path());
        found.push(
            describe(cx, place, port, &translated[0]).about(place.policy.object.display(), path),
        );
    }
    found
}

/// The number of an entry that is one number.
fn number(port: &CiliumPort) -> Option<u16> {
    match port.port.value {
        CiliumPortReference::Number(number) if number != 0 && port.end_port.is_none() => {
            Some(number)
        }
        _ => None,
    }
}

fn describe(
    cx: &Context<'_>,
    place: &CiliumPlace<'_, '_>,
    port: &CiliumPort,
    first: &Translated<'_>,
) -> Diagnostic {
    let cluster = cx.cluster;
    let service = &cluster.service(first.service).object.meta.name;
    let number = first.service_port.port.value;
    let pods = cluster.workload_name(first.workload);
    let mut fields = place.rule.peer_fields.iter();
    let names_service = fields.any(|field| matches!(field.peers, CiliumPeers::Services(_)));
    let message = format!(
        "{number} is the port of Service `{service}`; the pods of `{pods}` listen on {}",
        first.pod_port
    );
    let label = match names_service {
        true => "`toServices` means the pods behind the Service, on their own ports",
        false => "policies see the pods' port, not the Service's",
    };
    cx.finding(port.port.span, message)
        .label(label)
        .related(
            first.service_port.span,
            format!("`{service}` maps {number} to {}", first.pod_port),
        )
        .help(format!("write {} instead of {number}", first.pod_port))
}
