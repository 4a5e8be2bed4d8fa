//! What only nodes have: host endpoints of Calico, the host firewall of Cilium. What they can change
//! is unknown, in the relation as for each pair, and nothing else is.

use npcheck::engine::{self, ConnectionSet, Endpoint, Engine, Entity};
use npcheck::{Config, Workspace};
use std::net::IpAddr;

/// `web` and `api` are pods, `node` one on the network of its node.
const PODS: &str = "
{apiVersion: v1, kind: Namespace, metadata: {name: shop}}
---
{apiVersion: v1, kind: Pod, metadata: {name: web, namespace: shop, labels: {app: web}}, spec: {containers: [{name: c}]}}
---
{apiVersion: v1, kind: Pod, metadata: {name: api, namespace: shop, labels: {app: api}}, spec: {containers: [{name: c}]}}
---
{apiVersion: v1, kind: Pod, metadata: {name: node, namespace: shop, labels: {app: node}}, spec: {hostNetwork: true, containers: [{name: c}]}}
---
{apiVersion: v1, kind: Node, metadata: {name: one}, status: {addresses: [{type: InternalIP, address: 192.0.2.10}]}}
---
";

/// What becomes of a connection between each two of the ends, by the judge; the relation says the
/// same of pods.
fn answers<const N: usize>(
    config: &str,
    objects: &str,
    pairs: [[&str; 2]; N],
) -> [&'static str; N] {
    let config = Config::read(config, &[]).expect("it is a configuration");
    let workspace = Workspace::load([("test.yaml", format!("{PODS}{objects}"))], &config);
    let view = workspace.clusters().next().expect("there is a cluster");
    let cluster = view.cluster();
    let engine = Engine::new(cluster);
    let id = |name: &str| {
        let mut ids = cluster.workload_ids();
        ids.find(|id| cluster.workload(*id).object.meta.name.value == name)
    };
    let end = |name: &str| match (name.parse::<IpAddr>(), id(name)) {
        (Ok(address), _) => Endpoint::Address(address.into()),
        (_, Some(id)) => Endpoint::workload(cluster, id),
        (_, None) => {
            let entity = Entity::ALL.into_iter().find(|it| it.name() == name);
            Endpoint::Entity(entity.expect("it is an entity"))
        }
    };
    let word = |allowed: &ConnectionSet, unknown: &ConnectionSet| match (
        allowed.is_all(),
        unknown.is_all(),
    ) {
        (true, _) => "ALLOWED",
        (_, true) => "UNKNOWN",
        _ => "BLOCKED",
    };
    pairs.map(|[from, to]| {
        let verdict = engine::judge(cluster, &end(from), &end(to));
        let judged = word(&verdict.allowed(), &verdict.unknown());
        if let (Some(from), Some(to)) = (id(from), id(to)) {
            let relation = engine.relation();
            let (open, unknown) = (relation.connections(from, to), relation.unknown(from, to));
            assert_eq!(word(&open, &unknown), judged, "{objects}");
        }
        judged
    })
}

const PAIRS: [[&str; 2]; 7] = [
    ["web", "api"],
    ["web", "node"],
    ["node", "web"],
    ["192.0.2.10", "web"],
    ["web", "192.0.2.10"],
    ["web", "198.51.100.1"],
    ["198.51.100.1", "web"],
];

const NO: &str = "BLOCKED";
const YES: &str = "ALLOWED";
const DOUBT: &str = "UNKNOWN";

#[test]
fn what_host_endpoints_guard_is_unknown() {
    let of = |objects: &str| answers("", objects, PAIRS);
    let endpoint = "{apiVersion: projectcalico.org/v3, kind: HostEndpoint, \
                    metadata: {name: one-eth0}, spec: {node: one, interfaceName: eth0}}";
    let guarded = [YES, DOUBT, DOUBT, DOUBT, DOUBT, YES, YES];
    assert_eq!(of(endpoint), guarded);
    let raw = endpoint.replace("projectcalico.org/v3", "crd.projectcalico.org/v1");
    assert_eq!(of(&raw), guarded);
    // What blocks a pod blocks it beside them.
    let isolated = format!(
        "{endpoint}\n---\n{{apiVersion: networking.k8s.io/v1, kind: NetworkPolicy, \
         metadata: {{name: p, namespace: shop}}, spec: {{podSelector: {{matchLabels: {{app: web}}}}, \
         policyTypes: [Ingress, Egress]}}}}"
    );
    assert_eq!(of(&isolated), [NO; 7]);
    // Another product's.
    let other = endpoint.replace("projectcalico.org/v3", "example.org/v1");
    assert_eq!(of(&other), [YES; 7]);
    // Under another plugin nobody reads it.
    assert_eq!(answers("cni: antrea\n", endpoint, PAIRS), [YES; 7]);
}

#[test]
fn a_policy_for_host_endpoints_shows_that_there_are_some() {
    let policy = |spec: &str| {
        format!(
            "{{apiVersion: projectcalico.org/v3, kind: GlobalNetworkPolicy, metadata: {{name: p}}, \
             spec: {{selector: 'app == \"nobody\"', {spec}}}}}"
        )
    };
    let of = |spec: &str| answers("", &policy(spec), PAIRS);
    let early = "applyOnForward: true, preDNAT: true, ingress: [{action: Deny}]";
    // It is about ingress alone: what nodes open is not its business.
    assert_eq!(of(early), [YES, DOUBT, YES, YES, DOUBT, YES, YES]);
    let untracked = "applyOnForward: true, doNotTrack: true, egress: [{action: Deny}]";
    assert_eq!(of(untracked), [YES, YES, DOUBT, DOUBT, YES, YES, YES]);
    let forward = "applyOnForward: true, ingress: [{action: Deny}], egress: [{action: Deny}]";
    assert_eq!(of(forward), [YES, DOUBT, DOUBT, DOUBT, DOUBT, YES, YES]);
    assert_eq!(of("ingress: [{action: Deny}]"), [YES; 7]);
}

#[test]
fn the_host_firewall_of_cilium_is_unknown_where_it_is_on() {
    let policy = "{apiVersion: cilium.io/v2, kind: CiliumClusterwideNetworkPolicy, \
                  metadata: {name: p}, spec: {nodeSelector: {matchLabels: {role: edge}}, \
                  ingress: [{fromEntities: [cluster]}]}}";
    let pairs = [
        ["web", "api"],
        ["web", "node"],
        ["web", "remote-node"],
        ["host", "web"],
        ["node", "web"],
        ["198.51.100.1", "web"],
    ];
    let of = |config: &str| answers(config, policy, pairs);
    // It is off unless the agent is told otherwise.
    assert_eq!(of(""), [YES; 6]);
    assert_eq!(
        of("cilium: {enableHostFirewall: true}\n"),
        [YES, DOUBT, DOUBT, YES, YES, YES]
    );
    let told = format!(
        "{policy}\n---\n{{apiVersion: v1, kind: ConfigMap, metadata: {{name: cilium-config, \
         namespace: kube-system}}, data: {{enable-host-firewall: 'true'}}}}"
    );
    assert_eq!(
        answers("", &told, pairs),
        [YES, DOUBT, DOUBT, YES, YES, YES]
    );
}
