//! Pods that talk to the Kubernetes API and are not allowed to.

use crate::cluster::platform::Distribution;
use crate::cluster::{Cni, PluginPolicyId, PolicyId, WorkloadId};
use crate::diagnostic::{Diagnostic, Severity};
use crate::engine::{AddressRange, ConnectionSet, Endpoint, Entity, PolicyRef, PortSet};
use crate::k8s::{
    CiliumAddresses, CiliumPeers, Direction, IpBlock, NetworkPolicyRule, PluginSpec, Product,
    Protocol,
};
use crate::lint::api_clients::Evidence;
use crate::lint::api_server::{self, may_be_api_server};
use crate::lint::{Category, Context, Rule, RuleMeta, callers, declare_rule, entrance};
use crate::source::Span;
use ipnet::IpNet;
use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr};

declare_rule! {
    /// ## What it does
    ///
    /// Reports pods that talk to the Kubernetes API (their service account is bound to a role,
    /// or they run a well-known controller) and are isolated for egress, where no policy allows
    /// any address on the API server's ports.
    ///
    /// ## Why is this bad?
    ///
    /// The API server is not a pod, so no selector matches it, not even a `namespaceSelector`
    /// for `default` or `kube-system`. It has the address of a node, or one outside the
    /// cluster. Only a rule without `to`, or one with an `ipBlock`, lets pods reach it. With
    /// most CNI plugins, policies see the connection after the `kubernetes` Service has been
    /// translated, so what counts is the API server's own address and port (usually 443 or
    /// 6443).
    ///
    /// A Cilium rule for the entity `kube-apiserver` on 443 alone does not do where the API server
    /// listens on another port: on K3s, RKE2, OpenShift and the like, or where a policy names the
    /// usual address of such a cluster's Service.
    ///
    /// It also reports pods that a policy denies the API server on its ports, whatever others
    /// allow: a cluster-wide policy, an `EgressFirewall`, or a deny rule of Cilium or Calico.
    ///
    /// Cilium and Calico policies count where their plugin is in use. In Cilium policies the
    /// API server is the entity `kube-apiserver`. Namespaces with policies that npcheck does
    /// not evaluate are not reported.
    ///
    /// ## Example
    ///
    /// ```yaml
    /// apiVersion: apps/v1
    /// kind: Deployment
    /// metadata: {name: operator, namespace: ops}
    /// spec:
    ///   selector: {matchLabels: {app: operator}}
    ///   template:
    ///     metadata: {labels: {app: operator}}
    ///     spec:
    ///       serviceAccountName: operator
    ///       containers: [{name: operator, image: example/operator:1}]
    /// ---
    /// apiVersion: rbac.authorization.k8s.io/v1
    /// kind: ClusterRoleBinding
    /// metadata: {name: operator}
    /// roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: view}
    /// subjects: [{kind: ServiceAccount, name: operator, namespace: ops}]
    /// ---
    /// apiVersion: networking.k8s.io/v1
    /// kind: NetworkPolicy
    /// metadata: {name: operator, namespace: ops}
    /// spec:
    ///   podSelector: {matchLabels: {app: operator}}
    ///   policyTypes: [Egress]
    ///   egress:
    ///     - to: [{namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: default}}}]
    ///       ports: [{protocol: TCP, port: 443}]
    ///     - ports: [{protocol: UDP, port: 53}, {protocol: TCP, port: 53}]
    /// ```
    ///
    /// ## Use instead
    ///
    /// ```yaml
    /// apiVersion: apps/v1
    /// kind: Deployment
    /// metadata: {name: operator, namespace: ops}
    /// spec:
    ///   selector: {matchLabels: {app: operator}}
    ///   template:
    ///     metadata: {labels: {app: operator}}
    ///     spec:
    ///       serviceAccountName: operator
    ///       containers: [{name: operator, image: example/operator:1}]
    /// ---
    /// apiVersion: rbac.authorization.k8s.io/v1
    /// kind: ClusterRoleBinding
    /// metadata: {name: operator}
    /// roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: view}
    /// subjects: [{kind: ServiceAccount, name: operator, namespace: ops}]
    /// ---
    /// apiVersion: networking.k8s.io/v1
    /// kind: NetworkPolicy
    /// metadata: {name: operator, namespace: ops}
    /// spec:
    ///   podSelector: {matchLabels: {app: operator}}
    ///   policyTypes: [Egress]
    ///   egress:
    ///     - ports: [{protocol: TCP, port: 443}, {protocol: TCP, port: 6443}]
    ///     - ports: [{protocol: UDP, port: 53}, {protocol: TCP, port: 53}]
    /// ```
    ///
    /// ## Fix safety
    ///
    /// There is no automatic fix: the API server's address is not in the manifests. The help
    /// shows a rule that allows every address on its ports; an `ipBlock` is narrower.
    pub(super) struct ApiserverEgressBlocked {
        name: "apiserver-egress-blocked",
        summary: "pods that use the Kubernetes API cannot reach the API server",
        category: Category::Flows,
        severity: Severity::Warning,
        tier: Stable,
        evidence: "no warning or error on 24 public repositories",
        fix: None,
        mutes: &[],
        since: "0.1.0",
    }
}

/// Workloads that use the API, each with what says so.
type Clients<'c> = Vec<(WorkloadId, Evidence<'c>)>;

impl Rule for ApiserverEgressBlocked {
    fn meta(&self) -> &'static RuleMeta {
        &Self::META
    }

    fn check_cluster(&self, cx: &mut Context<'_>) {
        let cluster = cx.cluster;
        let unjudged = cx.unjudged();
        // With whether only the port of its Service is open.
        let mut blocked: BTreeMap<(Vec<PolicyRef>, bool), Clients<'_>> = BTreeMap::new();
        let mut denied: BTreeMap<Vec<PolicyRef>, Clients<'_>> = BTreeMap::new();
        let ends = match entrance::denies_any(cx, Direction::Egress) {
            true => api_server::ends(cx),
            false => Vec::new(),
        };
        let api_clients = cx.api_clients();
        for id in cluster.workload_ids() {
            let Some(evidence) = api_clients.evidence(id) else {
                continue;
            };
            if let Some(policies) = entrance::denied_exit(cx, id, &ends, &usual_ports()) {
                denied.entry(policies).or_default().push((id, evidence));
                continue;
            }
            let Some(exit) = entrance::guarded_exit(cx.engine, &unjudged, id) else {
                continue;
            };
            let names_it = |policy: &PolicyId| {
                let rules = cluster.policy(*policy).object.rules(Direction::Egress);
                let rules = rules.iter().filter(|rule| is_for_api_server(rule));
                rules
                    .flat_map(|rule| rule.peers.items())
                    .any(|peer| may_be_api_server(cx, peer))
            };
            let by_entity = to_entity(cx, id);
            let is_by_entity = has_port(&by_entity);
            // 443 is the port of its Service, which is turned into its own before policies are
            // asked.
            let is_at_service = is_by_entity
                && listens_on_its_own_port(cx, &exit.policies)
                && !api_server::OWN_PORTS
                    .iter()
                    .any(|port| by_entity.contains(Protocol::Tcp, *port));
            let reaches_it = has_port(&exit.to_anybody)
                || reaches_an_address(cx, id)
                || is_by_entity && !is_at_service
                || network_policies(&exit.policies).any(|policy| names_it(&policy));
            if !reaches_it {
                let clients = blocked.entry((exit.policies, is_at_service)).or_default();
                clients.push((id, evidence));
            }
        }
        for ((policies, is_at_service), clients) in blocked {
            if let Some(finding) = describe(cx, &policies, is_at_service, &clients) {
                cx.report(finding);
            }
        }
        for (policies, clients) in denied {
            if let Some(finding) = describe_denied(cx, &policies, &clients) {
                cx.report(finding);
            }
        }
    }
}

/// The ports on which the API server is asked for in nearly every cluster.
fn usual_ports() -> ConnectionSet {
    ConnectionSet::of(
        Protocol::Tcp,
        PortSet::from_ranges([(443, 443), (6443, 6443)]),
    )
}

/// Pods that rules deny the API server, whatever other policies allow.
fn describe_denied(
    cx: &Context<'_>,
    policies: &[PolicyRef],
    clients: &[(WorkloadId, Evidence<'_>)],
) -> Option<Diagnostic> {
    let cluster = cx.cluster;
    let (span, others) = policies.split_first()?;
    let span = entrance::name_of(cluster, *span)?;
    let who = who(cx, clients);
    let denying = entrance::names_of(cluster, policies);
    let message = format!("{who} to the Kubernetes API, but {denying} TCP 443 and 6443 to it");
    let mut finding = cx
        .finding(span, message)
        .about(cx.object_of(policies[0]), "")
        .label("denies the API server on its ports, whatever other policies allow");
    for span in others
        .iter()
        .filter_map(|it| entrance::name_of(cluster, *it))
    {
        finding = finding.related(span, "denies it as well");
    }
    finding = point_out(cx, finding, clients);
    Some(finding.help(
        "accept the API server's addresses on its ports in a rule that comes before the one that denies, or leave them out of what it denies",
    ))
}

fn who(cx: &Context<'_>, clients: &[(WorkloadId, Evidence<'_>)]) -> String {
    match clients {
        [(only, _)] => format!("`{}` talks", cx.cluster.workload_name(*only)),
        several => format!("{} workloads talk", several.len()),
    }
}

/// The finding with what says that they use the API, and who they are.
fn point_out(
    cx: &Context<'_>,
    finding: Diagnostic,
    clients: &[(WorkloadId, Evidence<'_>)],
) -> Diagnostic {
    let (first, evidence) = &clients[0];
    let name = cx.cluster.workload_name(*first);
    let finding = match evidence {
        Evidence::Bound(binding) => finding.related(
            binding.meta.name.span,
            format!(
                "grants `{}` to the service account of `{name}`",
                binding.role
            ),
        ),
        Evidence::Program(image) => {
            finding.note(format!("`{name}` runs `{image}`, which needs the API"))
        }
    };
    if clients.len() < 2 {
        return finding;
    }
    let names = clients
        .iter()
        .map(|(id, _)| format!("`{}`", cx.cluster.workload_name(*id)));
    let names: Vec<String> = names.collect();
    finding.note(format!("cut off: {}", names.join(", ")))
}

fn network_policies(policies: &[PolicyRef]) -> impl Iterator<Item = PolicyId> + '_ {
    policies.iter().filter_map(|policy| match policy {
        PolicyRef::Network(id) => Some(*id),
        PolicyRef::Cluster(_) | PolicyRef::Plugin(_) | PolicyRef::Part(_) | PolicyRef::Agent => {
            None
        }
    })
}

/// Whether there is a port of the API server among connections.
fn has_port(connections: &ConnectionSet) -> bool {
    api_server::PORTS
        .iter()
        .any(|port| connections.contains(Protocol::Tcp, *port))
}

/// What a workload may send to the API server where the CNI plugin knows it by itself, and not by
/// its address.
fn to_entity(cx: &Context<'_>, id: WorkloadId) -> ConnectionSet {
    let cni = cx.cluster.enforcement().cni().map(|cni| cni.value);
    if cni != Some(Cni::Cilium) {
        return ConnectionSet::none();
    }
    let pods = Endpoint::workload(cx.cluster, id);
    let api_server = Endpoint::Entity(Entity::KubeApiserver);
    let explanation = cx.engine.judge().explain(&pods, &api_server);
    explanation.verdict.possible().clone()
}

/// Whether something says that the API server listens on another port than its Service: the
/// distribution, or the address of the Service that a policy names. Managed ones listen on 443.
fn listens_on_its_own_port(cx: &Context<'_>, policies: &[PolicyRef]) -> bool {
    const DISTRIBUTIONS: [Distribution; 7] = [
        Distribution::K3s,
        Distribution::Kind,
        Distribution::Kubeadm,
        Distribution::MicroK8s,
        Distribution::OpenShift,
        Distribution::Rke2,
        Distribution::Talos,
    ];
    let platform = cx.cluster.platform();
    if DISTRIBUTIONS.iter().any(|it| platform.is_only(*it)) {
        return true;
    }
    let managed = MANAGED_SERVICE_ADDRESSES.map(IpAddr::V4);
    let is_own = |cidr: &IpNet| {
        let is_one = cidr.prefix_len() == cidr.max_prefix_len();
        let usual = USUAL_SERVICE_ADDRESSES.map(IpAddr::V4);
        is_one && usual.contains(&cidr.addr()) && !managed.contains(&cidr.addr())
    };
    let written = policies.iter().filter_map(|policy| match policy {
        PolicyRef::Plugin(id) => Some(cx.cluster.plugin_policy(*id)),
        _ => None,
    });
    let rules = written.flat_map(|policy| match &policy.spec {
        PluginSpec::Cilium(policy) => policy.specs.iter().flat_map(|it| &it.rules).collect(),
        _ => Vec::new(),
    });
    let mut peers = rules.flat_map(|rule| &rule.peer_fields);
    peers.any(|field| match &field.peers {
        CiliumPeers::Cidrs(cidrs) => cidrs.iter().any(|cidr| is_own(&cidr.value)),
        CiliumPeers::CidrSets(sets) => sets.iter().any(|set| match &set.addresses {
            CiliumAddresses::Cidr(cidr) => is_own(&cidr.value),
            CiliumAddresses::Group(_) | CiliumAddresses::Groups(_) => false,
        }),
        _ => false,
    })
}

/// Whether a workload may send to some address outside on a port of the API server.
fn reaches_an_address(cx: &Context<'_>, id: WorkloadId) -> bool {
    let relation = cx.engine.relation();
    let of_services = ranges_of_services(cx);
    [AddressRange::IPV4, AddressRange::IPV6]
        .into_iter()
        .any(|family| {
            relation.to_outside(id, family).any(|(range, connections)| {
                has_port(connections) && !range.without(&of_services).is_empty()
            })
        })
}

/// The addresses that the Service of the API server has in most clusters: the first of the
/// usual ranges, where a policy hardly means a machine by it. 10.96.0.1 is kubeadm's, 10.43.0.1
/// that of K3s and RKE2, 172.30.0.1 OpenShift's, 10.100.0.1 and 172.20.0.1 EKS', 10.152.183.1
/// MicroK8s'.
const USUAL_SERVICE_ADDRESSES: [Ipv4Addr; 6] = [
    Ipv4Addr::new(10, 96, 0, 1),
    Ipv4Addr::new(10, 43, 0, 1),
    Ipv4Addr::new(172, 30, 0, 1),
    Ipv4Addr::new(10, 100, 0, 1),
    Ipv4Addr::new(172, 20, 0, 1),
    Ipv4Addr::new(10, 152, 183, 1),
];

/// Those of them that belong to managed API servers.
const MANAGED_SERVICE_ADDRESSES: [Ipv4Addr; 2] =
    [Ipv4Addr::new(10, 100, 0, 1), Ipv4Addr::new(172, 20, 0, 1)];

/// Addresses of Services, by which no policy reaches the API server: they are turned into its
/// own before policies are asked.
fn ranges_of_services(cx: &Context<'_>) -> Vec<AddressRange> {
    let configured = cx
        .settings
        .service_cidrs
        .iter()
        .map(|range| (*range).into());
    if !cx.settings.service_cidrs.is_empty() {
        return configured.collect();
    }
    let usual = cx.cluster.platform().ranges();
    let usual = usual.and_then(|ranges| ranges.services);
    let of_platform = usual.map(|range| AddressRange::from(IpNet::V4(range)));
    let addresses = USUAL_SERVICE_ADDRESSES.map(|address| AddressRange::from(IpAddr::V4(address)));
    of_platform.into_iter().chain(addresses).collect()
}

/// A block of a rule for the API server that holds nothing but addresses of Services.
fn block_of_services<'c>(cx: &Context<'c>, id: PolicyId) -> Option<&'c IpBlock> {
    let of_services = ranges_of_services(cx);
    let rules = cx.cluster.policy(id).object.rules(Direction::Egress).iter();
    let rules = rules.filter(|rule| is_for_api_server(rule));
    let peers = rules.flat_map(|rule| rule.peers.items());
    let mut blocks = peers.filter_map(|peer| peer.ip_block.get());
    blocks.find(|block| {
        let range = AddressRange::from(block.cidr.value);
        range.without(&of_services).is_empty()
    })
}

/// The policy that a finding is about, and where it isolates: the NetworkPolicy with a rule that
/// was meant for the API server, else one that has rules, if there is one.
fn anchored(cx: &Context<'_>, policies: &[PolicyRef], message: String) -> Option<Diagnostic> {
    let cluster = cx.cluster;
    let has_rules = |id: &PolicyId| !cluster.policy(*id).object.egress.items().is_empty();
    let meant = network_policies(policies).find(|id| meant_by_selector(cx, *id).is_some());
    let known = meant.or_else(|| network_policies(policies).find(has_rules));
    if let Some(id) = known.or(network_policies(policies).next()) {
        let (span, path) = cluster.policy(id).object.isolates_at(Direction::Egress);
        return Some(cx.policy_finding(id, path, span, message));
    }
    let policy = cluster.plugin_policy(plugin_policy(policies)?);
    let finding = cx.finding(policy.meta.name.span, message);
    Some(finding.about(policy.display(), ""))
}

fn plugin_policy(policies: &[PolicyRef]) -> Option<PluginPolicyId> {
    policies.iter().find_map(|policy| match policy {
        PolicyRef::Plugin(id) => Some(*id),
        PolicyRef::Network(_) | PolicyRef::Cluster(_) | PolicyRef::Part(_) | PolicyRef::Agent => {
            None
        }
    })
}

/// The rule that lets pods reach it, in the words of the policies.
fn remedy(cx: &Context<'_>, policies: &[PolicyRef]) -> &'static str {
    let plugin = plugin_policy(policies).map(|id| cx.cluster.plugin_policy(id));
    match plugin.map(|policy| policy.kind.product) {
        Some(Product::Cilium) => "allow its entity, `- toEntities: [kube-apiserver]`",
        Some(_) => {
            "allow its ports, `- {action: Allow, protocol: TCP, destination: {ports: [443, 6443]}}`, or its addresses with `nets`"
        }
        None => {
            "allow its ports, `- {ports: [{protocol: TCP, port: 443}, {protocol: TCP, port: 6443}]}`, or its addresses with `ipBlock`"
        }
    }
}

fn describe(
    cx: &Context<'_>,
    policies: &[PolicyRef],
    is_at_service: bool,
    clients: &[(WorkloadId, Evidence<'_>)],
) -> Option<Diagnostic> {
    let who = who(cx, clients);
    let of_services = network_policies(policies).find_map(|id| block_of_services(cx, id));
    let (what, label) = match is_at_service {
        true => (
            "its egress rules open the port of the Service, not its own",
            "TCP 443 is translated to the API server's own port before policies are applied",
        ),
        false if of_services.is_some() => (
            "no egress rule allows its address",
            "isolates for egress; no rule in any policy allows the API server's own address",
        ),
        false => (
            "no egress rule allows its address",
            "isolates for egress; no rule in any policy allows TCP 443 or 6443 to an address",
        ),
    };
    let message = format!("{who} to the Kubernetes API, but {what}");
    let finding = anchored(cx, policies, message)?.label(label);
    let mut finding = point_out(cx, finding, clients);
    if is_at_service {
        return Some(finding.help("allow TCP 6443 (MicroK8s: 16443) beside 443 in the rule with `toEntities: [kube-apiserver]`"));
    }
    if let Some(block) = of_services {
        let finding = finding.related(
            block.cidr.span,
            "a Service's address: it is translated to the API server's own before policies are applied",
        );
        return Some(finding.help(
            "allow the API server's own addresses (`kubectl get endpointslices -n default -l kubernetes.io/service-name=kubernetes`) on its own port, usually 6443",
        ));
    }
    if let Some(at) = network_policies(policies).find_map(|id| meant_by_selector(cx, id)) {
        finding = finding.related(
            at,
            "allows a namespace on that port, but selectors only match pods, and the API server is not a pod",
        );
    }
    Some(finding.help(remedy(cx, policies)))
}

/// Whether a rule covers a port of the API server.
fn is_for_api_server(rule: &NetworkPolicyRule) -> bool {
    // What numbers mean does not depend on the destination.
    let anywhere = Endpoint::Address(AddressRange::IPV4);
    let ports = crate::engine::ports_at(rule.ports.items(), &anywhere);
    api_server::PORTS
        .iter()
        .any(|port| ports.certain.contains(Protocol::Tcp, *port))
}

/// A peer of a rule that seems to be written for the API server, and names a namespace.
fn meant_by_selector(cx: &Context<'_>, id: PolicyId) -> Option<Span> {
    let rules = cx.cluster.policy(id).object.rules(Direction::Egress).iter();
    let mut peers = rules
        .filter(|rule| is_for_api_server(rule))
        .flat_map(|rule| rule.peers.items());
    peers.find_map(|peer| {
        let (namespaces, _) = peer.selectors()?;
        let namespaces = namespaces?;
        ["default", "kube-system"]
            .into_iter()
            .any(|name| callers::may_select_namespace(cx, namespaces, name))
            .then_some(namespaces.span)
    })
}
