//! Addresses of clients in rules for pods that never see them.

use crate::cluster::{PolicyId, WorkloadId};
use crate::diagnostic::Diagnostic;
use crate::diagnostic::Severity;
use crate::engine::{self, Endpoint};
use crate::k8s::{self, Direction, IpBlock, PeerPlace, ServiceType};
use crate::lint::exposure::{self, Exposure};
use crate::lint::{Category, Context, Rule, RuleMeta, declare_rule};
use ipnet::IpNet;
use std::net::{IpAddr, Ipv4Addr};

declare_rule! {
    /// ## What it does
    ///
    /// Reports an `ingress` rule with an `ipBlock` of public addresses for pods that are only
    /// reached through a `LoadBalancer` or `NodePort` Service whose `externalTrafficPolicy` is
    /// not `Local`, or through an Ingress or a route.
    ///
    /// ## Why is this bad?
    ///
    /// By default, the node that accepts the connection forwards it with its own source
    /// address, and an ingress controller opens a new connection. The pods never see the
    /// client's address, so the rule matches nobody. The reverse is worse: if you then admit
    /// the nodes, you admit everybody.
    ///
    /// Private ranges, blocks that cover everything, and ranges that a load balancer is known
    /// to use are never reported.
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
    ///     metadata: {labels: {app: web}}
    ///     spec: {containers: [{name: web, image: example/web:1}]}
    /// ---
    /// apiVersion: v1
    /// kind: Service
    /// metadata: {name: web, namespace: shop}
    /// spec:
    ///   type: LoadBalancer
    ///   selector: {app: web}
    ///   ports: [{port: 443, targetPort: 8443}]
    /// ---
    /// apiVersion: networking.k8s.io/v1
    /// kind: NetworkPolicy
    /// metadata: {name: office-only, namespace: shop}
    /// spec:
    ///   podSelector: {matchLabels: {app: web}}
    ///   ingress:
    ///     - from: [{ipBlock: {cidr: 198.51.100.0/24}}]
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
    ///     metadata: {labels: {app: web}}
    ///     spec: {containers: [{name: web, image: example/web:1}]}
    /// ---
    /// apiVersion: v1
    /// kind: Service
    /// metadata: {name: web, namespace: shop}
    /// spec:
    ///   type: LoadBalancer
    ///   externalTrafficPolicy: Local
    ///   selector: {app: web}
    ///   ports: [{port: 443, targetPort: 8443}]
    /// ---
    /// apiVersion: networking.k8s.io/v1
    /// kind: NetworkPolicy
    /// metadata: {name: office-only, namespace: shop}
    /// spec:
    ///   podSelector: {matchLabels: {app: web}}
    ///   ingress:
    ///     - from: [{ipBlock: {cidr: 198.51.100.0/24}}]
    /// ```
    ///
    /// ## Fix safety
    ///
    /// There is no automatic fix: `externalTrafficPolicy: Local` changes how the load balancer
    /// spreads traffic, and behind an ingress controller the allowlist belongs in the
    /// controller.
    pub(super) struct SnatSourceCidr {
        name: "snat-source-cidr",
        summary: "a rule for client addresses that the pods never see",
        category: Category::Addresses,
        severity: Severity::Warning,
        tier: Stable,
        evidence: "no warning or error on 24 public repositories",
        fix: None,
        mutes: &[],
        since: "0.1.0",
    }
}

/// Ranges that load balancers themselves send from, so that a rule may well mean them:
/// Google's front ends and health checks, Azure's health probe.
/// (cloud.google.com/load-balancing/docs/firewall-rules; learn.microsoft.com, "What is IP
/// address 168.63.129.16?")
const LOAD_BALANCERS: &[(Ipv4Addr, u8)] = &[
    (Ipv4Addr::new(35, 191, 0, 0), 16),
    (Ipv4Addr::new(130, 211, 0, 0), 22),
    (Ipv4Addr::new(209, 85, 152, 0), 22),
    (Ipv4Addr::new(209, 85, 204, 0), 22),
    (Ipv4Addr::new(168, 63, 129, 16), 32),
];

impl Rule for SnatSourceCidr {
    fn meta(&self) -> &'static RuleMeta {
        &Self::META
    }

    fn check_network_policy(
        &self,
        cx: &mut Context<'_>,
        id: PolicyId,
        policy: &k8s::NetworkPolicy,
    ) {
        let mut reported = None;
        for place in policy.peers() {
            let applies =
                place.direction == Direction::Ingress && policy.applies_to(place.direction);
            let block = place
                .peer
                .ip_block
                .get()
                .filter(|block| is_of_clients(&block.cidr));
            // One finding for a list of addresses: the cause is one.
            let is_new = reported != Some(place.rule_index);
            let Some(block) = block.filter(|_| applies && is_new) else {
                continue;
            };
            if let Some((workload, hidden)) = hidden_from(cx, id, &place) {
                reported = Some(place.rule_index);
                let finding = describe(cx, id, &place, block, (workload, hidden));
                cx.report(finding);
            }
        }
    }
}

/// Whether a range holds some public addresses of clients, and not most of the world.
fn is_of_clients(cidr: &IpNet) -> bool {
    let least = if cidr.addr().is_ipv4() { 8 } else { 16 };
    let is_balancer = |(address, length): &(Ipv4Addr, u8)| {
        cidr.addr() == IpAddr::V4(*address) && cidr.prefix_len() >= *length
    };
    let is_private = match cidr.network() {
        IpAddr::V4(address) => {
            // 100.64.0.0/10 is shared by carriers and clouds (RFC 6598).
            let is_shared = address.octets()[0] == 100 && address.octets()[1] & 0xc0 == 64;
            address.is_private() || address.is_loopback() || address.is_link_local() || is_shared
        }
        IpAddr::V6(address) => {
            address.is_unique_local() || address.is_unicast_link_local() || address.is_loopback()
        }
    };
    cidr.prefix_len() >= least && !is_private && !LOAD_BALANCERS.iter().any(is_balancer)
}

/// The workload of a rule that is reached from outside, and never sees the client's
/// address, with the way that hides it. `None` if any workload of the rule may see it.
fn hidden_from<'c>(
    cx: &Context<'c>,
    id: PolicyId,
    place: &PeerPlace<'_>,
) -> Option<(WorkloadId, Exposure<'c>)> {
    let cluster = cx.cluster;
    let mut hidden = None;
    for workload in cx.engine.selected(id) {
        let exposures = exposure::exposures(cluster, *workload);
        let keeps = |exposure: &Exposure<'_>| match exposure {
            Exposure::Service(service) => {
                exposure::keeps_client_addresses(&cluster.service(*service).object)
            }
            Exposure::Entrypoint(..) => false,
        };
        if exposures.iter().any(keeps) {
            return None;
        }
        let ports = engine::ports_at(
            place.rule.ports.items(),
            &Endpoint::workload(cluster, *workload),
        );
        let pod = &cluster.workload(*workload).object;
        let leads_to_port = |exposure: &Exposure<'_>| {
            let service = match exposure {
                Exposure::Service(service) | Exposure::Entrypoint(_, service) => *service,
            };
            cluster.service(service).object.ports.iter().any(|entry| {
                let mut numbers = entry.ports_of(pod).into_iter();
                numbers.any(|number| ports.possible.contains(entry.protocol, number))
            })
        };
        let exposure = exposures.into_iter().find(leads_to_port);
        hidden = hidden.or(exposure.map(|exposure| (*workload, exposure)));
    }
    hidden
}

fn describe(
    cx: &Context<'_>,
    id: PolicyId,
    place: &PeerPlace<'_>,
    block: &IpBlock,
    (workload, exposure): (WorkloadId, Exposure<'_>),
) -> Diagnostic {
    let cluster = cx.cluster;
    let name = cluster.workload_name(workload);
    let message = format!(
        "`{name}` never sees client addresses in `{}`: its clients arrive through a proxy or load balancer",
        block.cidr.value
    );
    let path = format!("{}.ipBlock.cidr", place.path());
    let finding = cx
        .policy_finding(id, path, block.cidr.span, message)
        .label("matches no client from outside");
    match exposure {
        Exposure::Service(service) => {
            let service = &cluster.service(service).object;
            let kind = match service.service_type {
                ServiceType::LoadBalancer => "LoadBalancer",
                ServiceType::NodePort => "NodePort",
                ServiceType::ClusterIp | ServiceType::ExternalName => "externalIPs",
            };
            let note = format!("`{kind}`: nodes replace the client's address with their own");
            finding.related(service.meta.name.span, note).help(format!(
                "set `externalTrafficPolicy: Local` on Service `{}`, or restrict it with `loadBalancerSourceRanges`",
                service.meta.name
            ))
        }
        Exposure::Entrypoint(entrypoint, _) => {
            let kind = entrypoint.kind.name();
            let note = format!("`{kind}`: pods see the address of the controller");
            finding
                .related(entrypoint.meta.name.span, note)
                .help(format!(
                    "let the controller of {kind} `{}` restrict the addresses, and admit only the \
                     controller here",
                    entrypoint.meta.name
                ))
        }
    }
}
