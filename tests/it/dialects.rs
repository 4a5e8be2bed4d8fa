//! The policies of Cilium and Calico, statement by statement: what small clusters allow, and
//! that the verdict on a pair is that of the whole relation.

use npcheck::cluster::Cluster;
use npcheck::engine::{self, ConnectionSet, Endpoint, Engine, Flow, Peer};
use npcheck::k8s::Protocol;
use npcheck::source::SourceMap;
use npcheck::{Config, Workspace};

/// Pods `a`, `b` and `c` of namespace `one`, `d` of namespace `two`, each with its own label.
pub(crate) const PODS: &str = "
{apiVersion: v1, kind: Namespace, metadata: {name: one, labels: {team: red}}}
---
{apiVersion: v1, kind: Namespace, metadata: {name: two, labels: {team: blue}}}
---
{apiVersion: v1, kind: Pod, metadata: {name: a, namespace: one, labels: {app: a}}, status: {podIP: 10.0.0.1},
 spec: {containers: [{name: c, ports: [{name: web, containerPort: 80}, {name: web, containerPort: 81}]}]}}
---
{apiVersion: v1, kind: Pod, metadata: {name: b, namespace: one, labels: {app: b, pod-template-hash: h}},
 status: {podIP: 10.0.0.2}, spec: {containers: [{name: c}]}}
---
{apiVersion: v1, kind: Pod, metadata: {name: c, namespace: one, labels: {app: c}}, status: {podIP: 10.0.0.3},
 spec: {hostNetwork: true, containers: [{name: c}]}}
---
{apiVersion: v1, kind: Pod, metadata: {name: d, namespace: two, labels: {app: d}}, status: {podIP: 10.0.0.4},
 spec: {serviceAccountName: robot, containers: [{name: c}]}}
---
";

struct Case {
    about: &'static str,
    policies: &'static str,
    /// Whom pod `a` receives TCP connections from, with the ports where not all are open.
    into_a: &'static [&'static str],
}

fn cluster(policies: &str) -> Cluster {
    let mut sources = SourceMap::default();
    let text = format!("{PODS}{policies}");
    let id = sources.add("test.yaml", text.as_str());
    let parsed = npcheck::manifest::read(id, "test.yaml", &text);
    Cluster::new(parsed.objects)
}

fn name(cluster: &Cluster, peer: Peer) -> String {
    match peer {
        Peer::Workload(id) => cluster.workload(id).object.meta.name.to_string(),
        Peer::Outside(range) if range.is_ipv4() => format!("v4 {range}"),
        Peer::Outside(range) => format!("v6 {range}"),
        Peer::Entity(entity) => entity.name().to_owned(),
    }
}

/// The TCP flows into pod `a` from others.
fn into_a(cluster: &Cluster) -> Vec<String> {
    let engine = Engine::new(cluster);
    let flows = engine.relation().flows();
    let line = |flow: Flow| {
        let (source, destination) = (name(cluster, flow.source), name(cluster, flow.destination));
        let ports = flow.connections.get(Protocol::Tcp);
        if destination != "a" || source == "a" || ports.is_empty() {
            return None;
        }
        Some(match ports.is_all() {
            true => source,
            false => format!("{source} {ports}"),
        })
    };
    flows.filter_map(line).collect()
}

fn assert_cases(cases: &[Case]) {
    for case in cases {
        let cluster = cluster(case.policies);
        assert_eq!(into_a(&cluster), case.into_a, "{}", case.about);
        let engine = Engine::new(&cluster);
        for source in cluster.workload_ids() {
            for destination in cluster.workload_ids() {
                let ends = [source, destination].map(|id| Endpoint::workload(&cluster, id));
                let verdict = engine::judge(&cluster, &ends[0], &ends[1]);
                let edge = engine.relation().connections(source, destination);
                assert_eq!(verdict.allowed(), *edge, "{}", case.about);
                let unknown = engine.relation().unknown(source, destination);
                assert_eq!(verdict.unknown(), *unknown, "{}", case.about);
            }
        }
    }
}

const EVERYBODY: &[&str] = &[
    "b",
    "c",
    "d",
    "v4 0.0.0.0-255.255.255.255",
    "v6 ::-ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff",
    "host",
    "remote-node",
    "kube-apiserver",
    "ingress",
    "health",
    "init",
    "unmanaged",
];

#[test]
fn a_pod_of_unknown_address_may_be_in_a_block_of_calico() {
    let policies =
        "{apiVersion: v1, kind: Pod, metadata: {name: e, namespace: one, labels: {app: e}},
         spec: {containers: [{name: c}]}}
---
{apiVersion: projectcalico.org/v3, kind: NetworkPolicy, metadata: {name: p, namespace: one}, spec: {
    selector: app == 'a', ingress: [{action: Allow, protocol: TCP, source: {nets: [10.0.0.0/31]},
    destination: {ports: [80]}}, {action: Deny, source: {notNets: [10.0.0.0/30]}}]}}";
    let cluster = cluster(policies);
    let engine = Engine::new(&cluster);
    let id = |name: &str| {
        let mut ids = cluster.workload_ids();
        ids.find(|id| cluster.workload(*id).object.meta.name.value == name)
            .unwrap()
    };
    let relation = engine.relation();
    let ports = |of: &ConnectionSet| of.get(Protocol::Tcp).to_string();
    let (known, unknown) = (id("b"), id("e"));
    assert!(relation.connections(known, id("a")).is_empty());
    assert!(relation.unknown(known, id("a")).is_empty());
    assert!(relation.connections(unknown, id("a")).is_empty());
    assert_eq!(ports(&relation.unknown(unknown, id("a"))), "80");
}

#[test]
fn what_another_tool_fills_in_and_both_families_are_judged_alike() {
    assert_cases(&[
        Case {
            about: "a port that another tool fills in leaves the whole rule in doubt",
            policies: "{apiVersion: networking.k8s.io/v1, kind: NetworkPolicy, metadata: {name: p, namespace: one},
                spec: {podSelector: {matchLabels: {app: a}}, ingress: [{from: [{podSelector: {matchLabels: {app: b}}}],
                ports: [{port: '${PORT}'}, {port: 90}]}]}}",
            into_a: &[],
        },
        Case {
            about: "a name may be that of a port that another tool fills in",
            policies: "{apiVersion: v1, kind: Pod, metadata: {name: f, namespace: one, labels: {app: f}},
                 status: {podIP: 10.0.0.9}, spec: {containers: [{name: c, ports: '${PORTS}'}]}}
---
{apiVersion: networking.k8s.io/v1, kind: NetworkPolicy, metadata: {name: p, namespace: one},
                spec: {podSelector: {}, ingress: [{from: [{podSelector: {matchLabels: {app: b}}}],
                ports: [{port: web}]}]}}",
            into_a: &["b 80-81"],
        },
        Case {
            about: "each family has its own blocks",
            policies: "{apiVersion: v1, kind: Pod, metadata: {name: g, namespace: one, labels: {app: g}},
                 status: {podIPs: [{ip: 'fd00::7'}]}, spec: {containers: [{name: c}]}}
---
{apiVersion: v1, kind: Pod, metadata: {name: h, namespace: one, labels: {app: h}},
                 status: {podIPs: [{ip: 10.0.0.8}, {ip: 'fd00::8'}]}, spec: {containers: [{name: c}]}}
---
{apiVersion: networking.k8s.io/v1, kind: NetworkPolicy, metadata: {name: p, namespace: one},
                spec: {podSelector: {matchLabels: {app: h}}, ingress: [{from: [{ipBlock: {cidr: 'fd00::/64'}}]}]}}
---
{apiVersion: networking.k8s.io/v1, kind: NetworkPolicy, metadata: {name: q, namespace: one},
                spec: {podSelector: {matchLabels: {app: a}}, ingress: [{from: [{ipBlock: {cidr: 10.0.0.8/32}}],
                ports: [{port: 80}]}]}}",
            into_a: &["h 80", "v4 10.0.0.8-10.0.0.8 80"],
        },
    ]);
}

#[test]
fn cilium_enforces_one_set_of_rules() {
    assert_cases(&[
        Case {
            about: "an empty rule isolates and allows nobody but the own node",
            policies: "{apiVersion: cilium.io/v2, kind: CiliumNetworkPolicy, metadata: {name: p, namespace: one},
                spec: {endpointSelector: {}, ingress: [{}]}}",
            into_a: &["host"],
        },
        Case {
            about: "ports without peers are open to everybody; 0 is every port",
            policies: "{apiVersion: cilium.io/v2, kind: CiliumNetworkPolicy, metadata: {name: p, namespace: one},
                spec: {endpointSelector: {}, ingress: [{toPorts: [{ports: [{port: '0'}]}]}]}}",
            into_a: EVERYBODY,
        },
        Case {
            about: "a selector means pods of the own namespace, and denying beats allowing",
            policies: "{apiVersion: cilium.io/v2, kind: CiliumNetworkPolicy, metadata: {name: p, namespace: one},
                spec: {endpointSelector: {matchLabels: {'k8s:app': a}}, ingress: [{fromEndpoints: [{}]}],
                ingressDeny: [{fromEntities: [host]}]}}",
            into_a: &["b"],
        },
        Case {
            about: "the own namespace takes the place of another one in the subject",
            policies: "{apiVersion: cilium.io/v2, kind: CiliumNetworkPolicy, metadata: {name: p, namespace: one},
                spec: {endpointSelector: {matchLabels: {'k8s:app': a, 'k8s:io.kubernetes.pod.namespace': two}},
                ingress: [{}]}}",
            into_a: &["host"],
        },
        Case {
            about: "everybody in a cluster-wide policy is every pod of a namespace",
            policies: "{apiVersion: cilium.io/v2, kind: CiliumClusterwideNetworkPolicy, metadata: {name: p},
                spec: {endpointSelector: {matchLabels: {app: a}}, ingress: [{fromEndpoints: [{}]}]}}",
            into_a: &["b", "d", "host"],
        },
        Case {
            about: "labels of namespaces take the place of the own namespace",
            policies: "{apiVersion: cilium.io/v2, kind: CiliumNetworkPolicy, metadata: {name: p, namespace: one},
                spec: {endpointSelector: {}, ingress: [{fromEndpoints: [{matchExpressions: [
                {key: io.cilium.k8s.namespace.labels.team, operator: NotIn, values: [red]}]}]}]}}",
            into_a: &["d", "host"],
        },
        Case {
            about: "a cluster-wide empty selector means every pod, and a CIDR only the outside",
            policies: "{apiVersion: cilium.io/v2, kind: CiliumClusterwideNetworkPolicy, metadata: {name: p},
                spec: {endpointSelector: {}, ingress: [{fromEndpoints: [{}]}, {fromCIDR: [10.0.0.0/8]}]}}",
            into_a: &["b", "d", "v4 10.0.0.0-10.255.255.255", "host"],
        },
        Case {
            about: "identities have no template hash, for NetworkPolicies as well",
            policies: "{apiVersion: cilium.io/v2, kind: CiliumCIDRGroup, metadata: {name: g}}
---
{apiVersion: networking.k8s.io/v1, kind: NetworkPolicy, metadata: {name: p, namespace: one},
                spec: {podSelector: {}, ingress: [{from: [{podSelector: {matchLabels: {pod-template-hash: h}}}]}]}}
---
{apiVersion: cilium.io/v2, kind: CiliumNetworkPolicy, metadata: {name: q, namespace: two},
                spec: {endpointSelector: {}, ingress: [{}]}}",
            into_a: &["host"],
        },
        Case {
            about: "a policy that the agent rejects enforces nothing",
            policies: "{apiVersion: cilium.io/v2, kind: CiliumNetworkPolicy, metadata: {name: p, namespace: one},
                spec: {endpointSelector: {}, ingress: [{icmps: [{fields: [{type: 8}]}], toPorts: [{}]}]}}",
            into_a: EVERYBODY,
        },
        Case {
            about: "of two container ports of one name the last one counts",
            policies: "{apiVersion: cilium.io/v2, kind: CiliumNetworkPolicy, metadata: {name: p, namespace: one},
                spec: {endpointSelector: {}, ingress: [{fromEndpoints: [{}], toPorts: [{ports: [{port: web}]}]}]}}",
            into_a: &["b 81", "host"],
        },
        Case {
            about: "without default deny only the denying rules count",
            policies: "{apiVersion: cilium.io/v2, kind: CiliumNetworkPolicy, metadata: {name: p, namespace: one},
                spec: {endpointSelector: {}, enableDefaultDeny: {ingress: false},
                ingressDeny: [{fromEntities: [world, cluster]}]}}",
            into_a: &[],
        },
    ]);
}

#[test]
fn calico_asks_tier_by_tier() {
    assert_cases(&[
        Case {
            about: "an order below 1000 comes before NetworkPolicies, and the tier ends in a denial",
            policies: "{apiVersion: projectcalico.org/v3, kind: NetworkPolicy, metadata: {name: p, namespace: one},
                spec: {order: 10, selector: app == 'a', ingress: [{action: Deny, source: {selector: app == 'b'}}]}}
---
{apiVersion: networking.k8s.io/v1, kind: NetworkPolicy, metadata: {name: p, namespace: one},
                spec: {podSelector: {}, ingress: [{from: [{namespaceSelector: {}}]}]}}",
            into_a: &["d"],
        },
        Case {
            about: "a tier that passes leaves the rest to the next one",
            policies: "{apiVersion: projectcalico.org/v3, kind: Tier, metadata: {name: sec}, spec: {order: 1, defaultAction: Pass}}
---
{apiVersion: projectcalico.org/v3, kind: GlobalNetworkPolicy, metadata: {name: p},
                spec: {tier: sec, types: [Ingress], ingress: [{action: Deny, source: {selector: has(nothing) || app == 'b'}}]}}",
            into_a: &["c", "d", "v4 0.0.0.0-255.255.255.255"],
        },
        Case {
            about: "a set of networks lends its labels to the pods in it",
            policies: "{apiVersion: projectcalico.org/v3, kind: GlobalNetworkSet, metadata: {name: s, labels: {role: ok}},
                spec: {nets: [10.0.0.4/32, 192.0.2.0/24]}}
---
{apiVersion: projectcalico.org/v3, kind: GlobalNetworkPolicy, metadata: {name: p},
                spec: {selector: app == 'a', types: [Ingress], ingress: [
                {action: Allow, protocol: TCP, source: {selector: role == 'ok'}, destination: {ports: [443, '8000:8100']}}]}}",
            into_a: &["d 443,8000-8100", "v4 192.0.2.0-192.0.2.255 443,8000-8100"],
        },
        Case {
            about: "alone, notSelector means the unknown as well",
            policies: "{apiVersion: projectcalico.org/v3, kind: GlobalNetworkPolicy, metadata: {name: p},
                spec: {selector: app == 'a', ingress: [
                {action: Allow, source: {notSelector: app == 'b', nets: [10.0.0.0/30]}}]}}",
            into_a: &["c", "v4 10.0.0.0-10.0.0.3"],
        },
        Case {
            about: "service accounts and ports of a name, but for some",
            policies: "{apiVersion: projectcalico.org/v3, kind: NetworkPolicy, metadata: {name: p, namespace: one},
                spec: {selector: all(), ingress: [{action: Allow, protocol: TCP,
                source: {namespaceSelector: all(), serviceAccounts: {names: [robot]}},
                destination: {ports: [web], notPorts: [80]}}]}}",
            into_a: &["d 81"],
        },
        Case {
            about: "only egress rules: ingress is left alone; staged policies do nothing",
            policies: "{apiVersion: projectcalico.org/v3, kind: NetworkPolicy, metadata: {name: p, namespace: one},
                spec: {selector: app == 'a', egress: [{action: Deny}]}}
---
{apiVersion: projectcalico.org/v3, kind: StagedGlobalNetworkPolicy, metadata: {name: q}, spec: {types: [Ingress]}}",
            into_a: &["b", "c", "d", "v4 0.0.0.0-255.255.255.255"],
        },
        Case {
            about: "a Service stands for its pods, whose labels a source needs",
            policies: "{apiVersion: v1, kind: Service, metadata: {name: s, namespace: two},
                spec: {selector: {app: d}, ports: [{port: 1}]}}
---
{apiVersion: projectcalico.org/v3, kind: NetworkPolicy, metadata: {name: p, namespace: one},
                spec: {selector: app == 'a', ingress: [{action: Allow, source: {services: {name: s, namespace: two}}}]}}",
            into_a: &["d"],
        },
    ]);
}

/// What is allowed, and what is unknown, of the TCP connections from pod `a` to an address or
/// another pod.
fn from_a(policies: &str, to: &str) -> [String; 2] {
    let cluster = cluster(policies);
    let pod = |name: &str| {
        let mut ids = cluster.workload_ids();
        let id = ids.find(|id| cluster.workload(*id).object.meta.name.value == name);
        Endpoint::workload(&cluster, id.expect("the pod is there"))
    };
    let to = match to.parse::<std::net::IpAddr>() {
        Ok(address) => Endpoint::Address(address.into()),
        Err(_) => pod(to),
    };
    let verdict = engine::judge(&cluster, &pod("a"), &to);
    [verdict.allowed(), verdict.unknown()].map(|all| all.get(Protocol::Tcp).to_string())
}

#[test]
fn calico_knows_no_ports_by_name_on_the_network_of_a_node() {
    let policy = |destination: &str| {
        format!(
            "{{apiVersion: v1, kind: Pod, metadata: {{name: e, namespace: two}}, status: {{podIP: 10.0.0.5}},
             spec: {{hostNetwork: true, containers: [{{name: c, ports: [{{name: web, containerPort: 80}}]}}]}}}}
---
{{apiVersion: projectcalico.org/v3, kind: NetworkPolicy, metadata: {{name: p, namespace: one}},
             spec: {{selector: app == 'a', types: [Egress], egress: [
             {{action: Allow, protocol: TCP, destination: {destination}}}]}}}}"
        )
    };
    let by_name = policy("{ports: [web]}");
    assert_eq!(from_a(&by_name, "e"), ["none", "none"]);
    let cluster = cluster(&by_name);
    let engine = Engine::new(&cluster);
    let mut flows = engine.relation().flows();
    assert!(!flows.any(|flow| name(&cluster, flow.source) == "a"
        && name(&cluster, flow.destination) == "e"
        && !flow.connections.get(Protocol::Tcp).is_empty()));
    let but_by_name = policy("{ports: [80], notPorts: [web]}");
    assert_eq!(from_a(&but_by_name, "e"), ["80", "none"]);
}

#[test]
fn cilium_asks_cluster_wide_policies_where_it_is_told_to() {
    let tier = |kind: &str, tier: &str, action: &str| {
        let spec = match kind {
            "ClusterNetworkPolicy" => format!("tier: {tier}, priority: 1"),
            _ => "priority: 1".to_owned(),
        };
        format!(
            "{{apiVersion: policy.networking.k8s.io/v1alpha2, kind: {kind}, metadata: {{name: default}},
             spec: {{{spec}, subject: {{namespaces: {{}}}}, ingress: [
             {{action: {action}, from: [{{namespaces: {{matchLabels: {{team: blue}}}}}}]}}]}}}}\n---\n"
        )
    };
    let tier_of = |name, action| tier("ClusterNetworkPolicy", name, action);
    let own = |rules: &str| {
        format!(
            "{{apiVersion: cilium.io/v2, kind: CiliumNetworkPolicy, metadata: {{name: p, namespace: one}},
             spec: {{endpointSelector: {{}}, {rules}}}}}"
        )
    };
    let into_a = |options: &str, policies: &str| -> Vec<String> {
        let config = Config::read(options, &[]).expect("it is a configuration");
        let text = format!("{PODS}{policies}");
        let workspace = Workspace::load([("test.yaml", text)], &config);
        let views = workspace.clusters();
        views.flat_map(|view| into_a(view.cluster())).collect()
    };
    let told = "cni: cilium\ncilium: {enableK8sClusterNetworkPolicy: true}\n";
    let nobody = own("ingress: [{}]");
    let all_pods = own("ingress: [{fromEntities: [cluster]}]");
    let no_pods = own(
        "ingressDeny: [{fromEndpoints: [{matchLabels: {'k8s:io.kubernetes.pod.namespace': two}}]}], ingress: [{}]",
    );
    for (tiers, policies, expected) in [
        (tier_of("Admin", "Accept"), &no_pods, &["d", "host"][..]),
        (tier_of("Admin", "Pass"), &no_pods, &["host"]),
        // What Baseline accepts is open even where a policy isolates.
        (tier_of("Baseline", "Accept"), &nobody, &["d", "host"]),
        (tier_of("Baseline", "Accept"), &no_pods, &["host"]),
        (tier_of("Baseline", "Pass"), &nobody, &["host"]),
    ] {
        let policies = format!("{tiers}{policies}");
        assert_eq!(into_a(told, &policies), expected, "{policies}");
    }
    let shut = format!("{}{all_pods}", tier_of("Admin", "Deny"));
    let has_d = |flows: Vec<String>| flows.contains(&"d".to_owned());
    assert!(!has_d(into_a(told, &shut)));
    assert!(
        has_d(into_a("cni: cilium\n", &shut)),
        "by default they are ignored"
    );
    // Blocks hold no pods for it, whatever their addresses.
    let nets = tier_of("Admin", "Deny").replace(
        "ingress: [\n             {action: Deny, from: [{namespaces: {matchLabels: {team: blue}}}]}]",
        "egress: [{action: Deny, to: [{networks: [10.0.0.0/8]}]}]",
    );
    assert!(nets.contains("networks") && has_d(into_a(told, &nets)));
    // The older kinds are read neither by it nor by Calico.
    let old = tier("AdminNetworkPolicy", "", "Deny").replace("v1alpha2", "v1alpha1");
    assert!(has_d(into_a(told, &old)) && has_d(into_a("cni: calico\n", &old)));
    assert!(!has_d(into_a("cni: antrea\n", &old)));
}

#[test]
fn what_no_manifest_tells_is_unknown_where_it_decides() {
    let cilium = |rule: &str| {
        format!(
            "{{apiVersion: cilium.io/v2, kind: CiliumNetworkPolicy, metadata: {{name: p, namespace: one}},
             spec: {{endpointSelector: {{}}, egress: [{{{rule}, toPorts: [{{ports: [{{port: '443'}}]}}]}}]}}}}"
        )
    };
    let calico = |rule: &str| {
        format!(
            "{{apiVersion: projectcalico.org/v3, kind: NetworkPolicy, metadata: {{name: p, namespace: one}},
             spec: {{selector: all(), types: [Egress], egress: [{{action: Allow, {rule}}}]}}}}"
        )
    };
    for (policies, to, allowed, unknown) in [
        (
            cilium("toCIDRSet: [{cidrGroupRef: g}]"),
            "192.0.2.1",
            "none",
            "443",
        ),
        (
            cilium("toCIDRSet: [{cidrGroupRef: g, except: [192.0.2.0/24]}]"),
            "192.0.2.1",
            "none",
            "none",
        ),
        (
            cilium("toCIDRSet: [{cidrGroupSelector: {matchLabels: {a: b}}}]"),
            "192.0.2.1",
            "none",
            "443",
        ),
        (
            cilium("toGroups: [{aws: {region: x}}]"),
            "192.0.2.1",
            "none",
            "443",
        ),
        (
            calico("protocol: TCP, source: {ports: [1024]}, destination: {ports: [443]}"),
            "192.0.2.1",
            "none",
            "443",
        ),
        (
            calico("destination: {services: {name: s}}"),
            "192.0.2.1",
            "none",
            "all",
        ),
        (
            calico("protocol: UDP, source: {ports: [1024]}"),
            "192.0.2.1",
            "none",
            "none",
        ),
    ] {
        assert_eq!(from_a(&policies, to), [allowed, unknown], "{policies}");
    }
    // Where everything is among the manifests, a group that is not there holds nobody.
    let config = Config::read("inventory: complete\n", &[]).expect("it is a configuration");
    let text = format!("{PODS}{}", cilium("toCIDRSet: [{cidrGroupRef: g}]"));
    let workspace = Workspace::load([("test.yaml", text)], &config);
    for view in workspace.clusters() {
        assert!(view.cluster().enforcement().holds_everything());
    }
}

#[test]
fn cilium_knows_every_pod_of_a_dump_by_itself() {
    let dump = include_str!("../fixtures/reach/cilium-owned-pods/dump.yaml");
    let names = |cni: &str| -> Vec<String> {
        let config = format!("cni: {cni}\n");
        let config = Config::read(&config, &[]).expect("it is a configuration");
        let workspace = Workspace::load([("dump.yaml", dump)], &config);
        let views = workspace.clusters();
        let clusters = views.map(|view| view.endpoints());
        let names = |cluster: &Cluster| -> Vec<String> {
            let ids = cluster.workload_ids();
            ids.map(|id| cluster.workload_name(id)).collect()
        };
        clusters.flat_map(names).collect()
    };
    let every_pod = [
        "shop/Deployment/web",
        "shop/Pod/db",
        "shop/Pod/web-5f7-x",
        "shop/ReplicaSet/web-5f7",
    ];
    assert_eq!(names("cilium"), every_pod);
    assert_eq!(names("calico"), ["shop/Deployment/web", "shop/Pod/db"]);
}

#[test]
fn options_of_the_agent_change_what_policies_do() {
    let policies =
        "{apiVersion: cilium.io/v2, kind: CiliumNetworkPolicy, metadata: {name: p, namespace: one},
        spec: {endpointSelector: {}, ingress: [{fromEndpoints: [{matchExpressions: [
          {key: 'io.cilium.k8s.namespace.labels.team', operator: NotIn, values: [blue]}]}]}]}}
---
{apiVersion: networking.k8s.io/v1, kind: NetworkPolicy, metadata: {name: np, namespace: one},
 spec: {podSelector: {}, ingress: [{from: [{namespaceSelector: {matchLabels: {team: blue}}}]}]}}";
    let with = |options: &str| -> Vec<String> {
        let config = format!("cni: cilium\ncilium: {options}\n");
        let config = Config::read(&config, &[]).expect("it is a configuration");
        let text = format!("{PODS}{policies}");
        let workspace = Workspace::load([("test.yaml", text)], &config);
        let views = workspace.clusters();
        views.flat_map(|view| into_a(view.cluster())).collect()
    };
    assert_eq!(with("{}"), ["b", "d", "host"]);
    assert_eq!(with("{allowLocalhost: policy}"), ["b", "d"]);
    assert_eq!(with("{enableK8sNetworkPolicy: false}"), ["b", "host"]);
    assert_eq!(with("{enablePolicy: never}"), EVERYBODY);
    assert_eq!(with("{policyAuditMode: true}"), EVERYBODY);
    // Without the key of the cluster a selector that excludes is met by whoever has no labels.
    assert_eq!(with("{policyDefaultLocalCluster: false}"), EVERYBODY);
    // The agent's own `ConfigMap` and the values of its chart say the same; npcheck.yaml speaks
    // over them.
    let told = |object: &str, config: &str| -> Vec<String> {
        let config = Config::read(config, &[]).expect("it is a configuration");
        let text = format!("{PODS}{policies}\n---\n{object}");
        let workspace = Workspace::load([("test.yaml", text)], &config);
        let views = workspace.clusters();
        views.flat_map(|view| into_a(view.cluster())).collect()
    };
    let agent = |data: &str| {
        format!(
            "{{apiVersion: v1, kind: ConfigMap, metadata: {{name: cilium-config, namespace: \
             kube-system}}, data: {{{data}}}}}"
        )
    };
    let values = |spec: &str| {
        format!(
            "{{apiVersion: cilium.io/v1alpha1, kind: CiliumConfig, metadata: {{name: cilium}}, spec: {spec}}}"
        )
    };
    assert_eq!(told(&agent("enable-policy: never"), ""), EVERYBODY);
    assert_eq!(
        told(&agent("enable-policy: default"), ""),
        ["b", "d", "host"]
    );
    assert_eq!(told(&agent("policy-audit-mode: 'true'"), ""), EVERYBODY);
    assert_eq!(told(&agent("allow-localhost: policy"), ""), ["b", "d"]);
    let own_network = "enable-k8s-networkpolicy: 'false'";
    assert_eq!(told(&agent(own_network), ""), ["b", "host"]);
    let over = "cilium: {enableK8sNetworkPolicy: true}\n";
    assert_eq!(told(&agent(own_network), over), ["b", "d", "host"]);
    assert_eq!(
        told(&values("{policyEnforcementMode: never}"), ""),
        EVERYBODY
    );
    let off = "{k8sNetworkPolicy: {enabled: false}, extraConfig: {allow-localhost: policy}}";
    assert_eq!(told(&values(off), ""), ["b"]);
    assert_eq!(with("{enableCiliumNetworkPolicy: false}"), ["d", "host"]);
    assert_eq!(
        with("{enableCiliumNetworkPolicy: false, enableK8sNetworkPolicy: false}"),
        EVERYBODY
    );
    let no_clusterwide = "enable-cilium-clusterwide-network-policy: 'false'";
    assert_eq!(told(&agent(no_clusterwide), ""), ["b", "d", "host"]);
    let config = Config::read("cilium: {labels: 'k8s:('}\n", &[]);
    assert!(config.is_err(), "the agent does not start with it");
}
