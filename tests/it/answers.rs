//! Answers to single questions, each decided by one statement of the semantics: manifests,
//! two ends, and what of each protocol is allowed and what is unknown, by the verdict on the
//! pair alone and by the relation of all.

use npcheck::cluster::{Cluster, EnforcementSettings, WorkloadId};
use npcheck::engine::{self, ConnectionSet, Endpoint, Engine, ReasonCode};
use npcheck::k8s::Protocol;
use npcheck::source::SourceMap;

pub(crate) struct Answer {
    pub(crate) about: &'static str,
    pub(crate) manifests: &'static str,
    /// A pod by its name, or an address.
    pub(crate) ends: [&'static str; 2],
    /// What is allowed, as `TCP 80, UDP all`, or nothing.
    pub(crate) allowed: &'static str,
    /// What is unknown.
    pub(crate) unknown: &'static str,
}

/// Pods `a` and `b` of namespace `one`.
pub(crate) const TWO_PODS: &str = "
{apiVersion: v1, kind: Namespace, metadata: {name: one}}
---
{apiVersion: v1, kind: Pod, metadata: {name: a, namespace: one, labels: {app: a}}, status: {podIP: 10.0.0.1},
 spec: {containers: [{name: c}]}}
---
{apiVersion: v1, kind: Pod, metadata: {name: b, namespace: one, labels: {app: b}}, status: {podIP: 10.0.0.2},
 spec: {containers: [{name: c}]}}
---
";

/// Pods `a` and `b` of namespace `one`, each with an address of both families.
const BOTH_FAMILIES: &str = "
{apiVersion: v1, kind: Pod, metadata: {name: a, namespace: one, labels: {app: a}},
 status: {podIPs: [{ip: 10.0.0.1}, {ip: 'fd00::1'}]}, spec: {containers: [{name: c}]}}
---
{apiVersion: v1, kind: Pod, metadata: {name: b, namespace: one, labels: {app: b}},
 status: {podIPs: [{ip: 10.0.0.2}, {ip: 'fd00::2'}]}, spec: {containers: [{name: c}]}}
---
";

pub(crate) fn assert_answers(before: &str, answers: &[Answer]) {
    assert_answers_with(&EnforcementSettings::default(), before, answers);
}

/// The same under some settings, in a cluster whose pods have their addresses in 10.0.0.0/16.
fn assert_answers_with(settings: &EnforcementSettings, before: &str, answers: &[Answer]) {
    for answer in answers {
        let text = format!("{before}{}", answer.manifests);
        let mut sources = SourceMap::default();
        let id = sources.add("test.yaml", text.as_str());
        let objects = npcheck::manifest::read(id, "test.yaml", &text).objects;
        let settings = EnforcementSettings {
            pod_cidrs: vec!["10.0.0.0/16".parse().unwrap()],
            ..settings.clone()
        };
        let cluster = Cluster::new(objects).with_enforcement(&settings);
        let ids = answer.ends.map(|end| pod(&cluster, end));
        let ends = [0, 1].map(|place| match ids[place] {
            Some(id) => Endpoint::workload(&cluster, id),
            None => {
                let address: std::net::IpAddr = answer.ends[place].parse().unwrap();
                Endpoint::Address(address.into())
            }
        });
        let verdict = engine::judge(&cluster, &ends[0], &ends[1]);
        let expected = [answer.allowed.to_owned(), answer.unknown.to_owned()];
        let found = [verdict.allowed(), verdict.unknown()].map(|all| printed(&all));
        assert_eq!(found, expected, "{}", answer.about);
        let explained = engine::explain(&cluster, &ends[0], &ends[1]).verdict;
        assert_eq!(explained, verdict, "{}", answer.about);
        if let [Some(source), Some(destination)] = ids {
            let engine = Engine::new(&cluster);
            let relation = engine.relation();
            let found = [
                printed(&relation.connections(source, destination)),
                printed(&relation.unknown(source, destination)),
            ];
            assert_eq!(found, expected, "all pairs: {}", answer.about);
        }
    }
}

fn pod(cluster: &Cluster, name: &str) -> Option<WorkloadId> {
    let mut ids = cluster.workload_ids();
    ids.find(|id| cluster.workload(*id).object.meta.name.value == name)
}

fn printed(connections: &ConnectionSet) -> String {
    let protocols = Protocol::ALL.iter().filter_map(|protocol| {
        let ports = connections.get(*protocol);
        (!ports.is_empty()).then(|| format!("{protocol} {ports}"))
    });
    protocols.collect::<Vec<_>>().join(", ")
}

#[test]
fn ports_that_another_tool_fills_in_may_have_any_name() {
    for spec in [
        "{containers: [{name: c, ports: '${PORTS}'}]}",
        "{containers: [{name: c, ports: ['${PORT}']}]}",
        "{containers: [{name: c, ports: [{name: web, containerPort: '${PORT}'}]}]}",
        "{containers: [{name: c, ports: [{name: '${NAME}', containerPort: 80}]}]}",
        "{containers: [{name: c, '${KEY}': [{name: web, containerPort: 80}]}]}",
        "{containers: ['${CONTAINER}']}",
        "{containers: '${CONTAINERS}'}",
        "{containers: [{name: c}], initContainers: '${CONTAINERS}'}",
        "'${SPEC}'",
    ] {
        let pods = format!(
            "{{apiVersion: v1, kind: Pod, metadata: {{name: a, namespace: one, labels: {{app: a}}}}, spec: {spec}}}
---
{{apiVersion: v1, kind: Pod, metadata: {{name: b, namespace: one, labels: {{app: b}}}}, spec: {spec}}}
---
"
        );
        assert_answers(
            &pods,
            &[
                Answer {
                    about: "a name may be that of a port that is filled in, of the protocol of the rule",
                    manifests: "{apiVersion: networking.k8s.io/v1, kind: NetworkPolicy, metadata: {name: p, namespace: one},
                        spec: {podSelector: {}, ingress: [{ports: [{port: web}]}]}}",
                    ends: ["b", "a"],
                    allowed: "",
                    unknown: match spec.contains("SPEC") {
                        true => "TCP all, UDP all, SCTP all",
                        false => "TCP all",
                    },
                },
                // The specification as a whole may have any pod on the host network.
                Answer {
                    about: "a number is a number",
                    manifests: "{apiVersion: networking.k8s.io/v1, kind: NetworkPolicy, metadata: {name: p, namespace: one},
                        spec: {podSelector: {}, ingress: [{ports: [{port: 80}]}]}}",
                    ends: ["b", "a"],
                    allowed: "TCP 80",
                    unknown: match spec.contains("SPEC") {
                        true => "TCP 1-79,81-65535, UDP all, SCTP all",
                        false => "",
                    },
                },
            ],
        );
    }
    let written = TWO_PODS.replace(
        "{name: c}",
        "{name: c, image: '${IMAGE}', env: [{name: PORT, value: '${PORT}'}], ports: [{containerPort: 1}]}",
    );
    assert_answers(
        &written,
        &[Answer {
            about: "other texts bring no ports",
            manifests: "{apiVersion: networking.k8s.io/v1, kind: NetworkPolicy, metadata: {name: p, namespace: one},
                spec: {podSelector: {}, ingress: [{ports: [{port: web}]}]}}",
            ends: ["b", "a"],
            allowed: "",
            unknown: "",
        }],
    );
}

#[test]
fn calico_asks_the_own_side_of_a_rule_as_well() {
    let rule = |rest: &str| {
        format!(
            "{{apiVersion: projectcalico.org/v3, kind: NetworkPolicy, metadata: {{name: p, namespace: one}},
              spec: {{selector: app == 'a', types: [Ingress], ingress: [{{action: Allow, {rest}}}]}}}}"
        )
    };
    for (about, manifests, allowed) in [
        (
            "a protocol without ports is all of its ports, and no other protocol",
            rule("protocol: TCP"),
            "TCP all",
        ),
        (
            "all but a protocol",
            rule("notProtocol: TCP"),
            "UDP all, SCTP all",
        ),
        (
            "an address of the pod's own is enough in one family",
            rule("protocol: UDP, destination: {nets: [10.0.0.0/24]}"),
            "UDP all",
        ),
        (
            "none of the pod's own addresses",
            rule("destination: {nets: [10.0.1.0/24]}"),
            "",
        ),
        (
            "none of the pod's own addresses is left in a family, so that the other one is used",
            rule("destination: {notNets: [10.0.0.0/24]}"),
            "TCP all, UDP all, SCTP all",
        ),
        (
            "a version of IP is a family that both ends have",
            rule("ipVersion: 6, protocol: TCP, source: {nets: ['fd00::2/128']}"),
            "TCP all",
        ),
        (
            "blocks of the other version hold nobody",
            rule("ipVersion: 6, protocol: TCP, source: {notNets: ['fd00::/64']}"),
            "",
        ),
    ] {
        let text = format!("{BOTH_FAMILIES}{manifests}");
        let mut sources = SourceMap::default();
        let id = sources.add("test.yaml", text.as_str());
        let cluster = Cluster::new(npcheck::manifest::read(id, "test.yaml", &text).objects);
        let [b, a] = ["b", "a"].map(|name| pod(&cluster, name).unwrap());
        let ends = [b, a].map(|id| Endpoint::workload(&cluster, id));
        let verdict = engine::judge(&cluster, &ends[0], &ends[1]);
        assert_eq!(printed(&verdict.allowed()), allowed, "{about}");
        assert_eq!(printed(&verdict.unknown()), "", "{about}");
        let engine = Engine::new(&cluster);
        let relation = engine.relation();
        assert_eq!(printed(&relation.connections(b, a)), allowed, "{about}");
    }
}

#[test]
fn addresses_of_nodes_may_be_those_of_pods_that_nobody_has_seen() {
    let nodes = |rest: &str| {
        format!(
            "{{apiVersion: policy.networking.k8s.io/v1alpha1, kind: AdminNetworkPolicy, metadata: {{name: p}},
              spec: {{priority: 1, subject: {{namespaces: {{}}}}, egress: [{{action: Deny, to: [{{nodes: {{}}}}]{rest}}}]}}}}
---
{{apiVersion: v1, kind: Pod, metadata: {{name: c, namespace: one, labels: {{app: c}}}}, spec: {{containers: [{{name: c}}]}}}}
---
{{apiVersion: v1, kind: Node, metadata: {{name: node}}, status: {{addresses: [{{type: InternalIP, address: "
        )
    };
    let inside: &'static str = Box::leak(format!("{}10.0.0.9}}]}}}}", nodes("")).into_boxed_str());
    let outside: &'static str =
        Box::leak(format!("{}192.0.2.9}}]}}}}", nodes("")).into_boxed_str());
    let all = "TCP all, UDP all, SCTP all";
    assert_answers(
        TWO_PODS,
        &[
            Answer {
                about: "an unknown address among those of pods may be the node's",
                manifests: inside,
                ends: ["a", "c"],
                allowed: "",
                unknown: all,
            },
            Answer {
                about: "one that is known is another one",
                manifests: inside,
                ends: ["a", "b"],
                allowed: all,
                unknown: "",
            },
            Answer {
                about: "the node has an address that no pod has",
                manifests: outside,
                ends: ["a", "c"],
                allowed: all,
                unknown: "",
            },
            Answer {
                about: "the node's own address",
                manifests: outside,
                ends: ["a", "192.0.2.9"],
                allowed: "",
                unknown: "",
            },
        ],
    );
}

#[test]
fn cilium_knows_the_service_of_the_api_server_without_a_manifest() {
    let answer = |about, manifests, unknown| Answer {
        about,
        manifests,
        ends: ["a", "192.0.2.9"],
        allowed: "",
        unknown,
    };
    // Any other Service that is not among the manifests does not exist.
    let settings = EnforcementSettings {
        holds_everything: true,
        ..EnforcementSettings::default()
    };
    assert_answers_with(
        &settings,
        TWO_PODS,
        &[
            answer(
                "by its name in its own namespace",
                "{apiVersion: cilium.io/v2, kind: CiliumNetworkPolicy, metadata: {name: p, namespace: one},
                  spec: {endpointSelector: {}, egress: [{toServices: [{k8sService: {serviceName: kubernetes, namespace: default}}]}]}}",
                "TCP all, UDP all, SCTP all",
            ),
            answer(
                "another Service of that namespace",
                "{apiVersion: cilium.io/v2, kind: CiliumNetworkPolicy, metadata: {name: p, namespace: one},
                  spec: {endpointSelector: {}, egress: [{toServices: [{k8sService: {serviceName: kubernets, namespace: default}}]}]}}",
                "",
            ),
            answer(
                "that name in another namespace",
                "{apiVersion: cilium.io/v2, kind: CiliumNetworkPolicy, metadata: {name: p, namespace: one},
                  spec: {endpointSelector: {}, egress: [{toServices: [{k8sService: {serviceName: kubernetes, namespace: two}}]}]}}",
                "",
            ),
            answer(
                "by its labels",
                "{apiVersion: cilium.io/v2, kind: CiliumNetworkPolicy, metadata: {name: p, namespace: one},
                  spec: {endpointSelector: {}, egress: [{toServices: [{k8sServiceSelector: {selector: {matchLabels: {component: apiserver, provider: kubernetes}}}}]}]}}",
                "TCP all, UDP all, SCTP all",
            ),
            answer(
                "by labels that it does not have",
                "{apiVersion: cilium.io/v2, kind: CiliumNetworkPolicy, metadata: {name: p, namespace: one},
                  spec: {endpointSelector: {}, egress: [{toServices: [{k8sServiceSelector: {selector: {matchLabels: {component: etcd}}}}]}]}}",
                "",
            ),
        ],
    );
}

#[test]
fn calico_keeps_the_order_of_rules_that_ask_the_own_side() {
    assert_answers(
        TWO_PODS,
        &[
            Answer {
                about: "a rule that asks nothing of the own side stands before one that does",
                manifests: "{apiVersion: projectcalico.org/v3, kind: NetworkPolicy, metadata: {name: p, namespace: one},
                  spec: {types: [Ingress], ingress: [{action: Deny, source: {selector: app == 'a'}},
                    {action: Allow, destination: {selector: app == 'b'}}]}}",
                ends: ["a", "b"],
                allowed: "",
                unknown: "",
            },
            Answer {
                about: "and behind it",
                manifests: "{apiVersion: projectcalico.org/v3, kind: NetworkPolicy, metadata: {name: p, namespace: one},
                  spec: {types: [Ingress], ingress: [{action: Allow, destination: {selector: app == 'b'}},
                    {action: Deny, source: {selector: app == 'a'}}]}}",
                ends: ["a", "b"],
                allowed: "TCP all, UDP all, SCTP all",
                unknown: "",
            },
        ],
    );
}

#[test]
fn calico_counts_every_pod_that_has_an_address() {
    let same_address = "{apiVersion: v1, kind: Pod, metadata: {name: c, namespace: one, labels: {app: c}},
 status: {podIP: 10.0.0.2}, spec: {containers: [{name: c, ports: [{name: web, containerPort: 80}]}]}}
---
";
    let answer = |about, manifests, ends, allowed| Answer {
        about,
        manifests,
        ends,
        allowed,
        unknown: "",
    };
    assert_answers(
        &format!("{TWO_PODS}{same_address}"),
        &[
            answer(
                "a peer that is let in by the labels of another pod with its address",
                "{apiVersion: projectcalico.org/v3, kind: NetworkPolicy, metadata: {name: p, namespace: one},
                  spec: {selector: app == 'a', ingress: [{action: Allow, source: {selector: app == 'c'}}]}}",
                ["b", "a"],
                "TCP all, UDP all, SCTP all",
            ),
            answer(
                "a named port, which is one of a pod that meets the selector by itself",
                "{apiVersion: projectcalico.org/v3, kind: NetworkPolicy, metadata: {name: p, namespace: one},
                  spec: {selector: app == 'a', egress: [{action: Allow, protocol: TCP, destination: {selector: app == 'b', ports: [web]}}]}}",
                ["a", "c"],
                "",
            ),
            answer(
                "a number beside it is one of whoever has the address",
                "{apiVersion: projectcalico.org/v3, kind: NetworkPolicy, metadata: {name: p, namespace: one},
                  spec: {selector: app == 'a', egress: [{action: Allow, protocol: TCP, destination: {selector: app == 'b', ports: [web, 443]}}]}}",
                ["a", "c"],
                "TCP 443",
            ),
            answer(
                "the same where it does",
                "{apiVersion: projectcalico.org/v3, kind: NetworkPolicy, metadata: {name: p, namespace: one},
                  spec: {selector: app == 'a', egress: [{action: Allow, protocol: TCP, destination: {selector: app == 'c', ports: [web]}}]}}",
                ["a", "c"],
                "TCP 80",
            ),
        ],
    );
}

#[test]
fn names_of_network_sets_lead_to_no_pod_but_one_of_the_cluster() {
    let set = |names: &str| {
        format!(
            "{{apiVersion: projectcalico.org/v3, kind: NetworkSet, metadata: {{name: s, namespace: one, labels: {{role: ext}}}},
              spec: {{allowedEgressDomains: [{names}]}}}}
---
{{apiVersion: projectcalico.org/v3, kind: NetworkPolicy, metadata: {{name: p, namespace: one}},
              spec: {{selector: app == 'a', egress: [{{action: Allow, destination: {{selector: role == 'ext'}}}}]}}}}"
        )
    };
    let all = "TCP all, UDP all, SCTP all";
    for (about, names, end, unknown) in [
        ("a name outside, and a pod", "example.com", "b", ""),
        (
            "a name outside, and an address",
            "example.com",
            "203.0.113.5",
            all,
        ),
        (
            "a name of the cluster, and a pod",
            "b.one.svc.cluster.local",
            "b",
            all,
        ),
        ("no names, and an address", "", "203.0.113.5", ""),
        ("no names, and a pod", "", "b", ""),
    ] {
        let manifests: &'static str = Box::leak(set(names).into_boxed_str());
        assert_answers(
            TWO_PODS,
            &[Answer {
                about,
                manifests,
                ends: ["a", end],
                allowed: "",
                unknown,
            }],
        );
    }
}

#[test]
fn a_label_of_cilium_that_has_the_name_of_a_namespace_is_a_label() {
    let named_like_a_namespace = "{apiVersion: v1, kind: Namespace, metadata: {name: two}}
---
{apiVersion: v1, kind: Pod, metadata: {name: c, namespace: one, labels: {app: two}},
 spec: {containers: [{name: c}]}}
---
";
    assert_answers(
        &format!("{TWO_PODS}{named_like_a_namespace}"),
        &[Answer {
            about: "of a pod in another namespace",
            manifests: "{apiVersion: cilium.io/v2, kind: CiliumClusterwideNetworkPolicy, metadata: {name: p},
              spec: {endpointSelector: {matchLabels: {app: a}}, ingress: [{fromEndpoints: [{matchLabels: {app: two}}]}]}}",
            ends: ["c", "a"],
            allowed: "TCP all, UDP all, SCTP all",
            unknown: "",
        }],
    );
}

/// The codes of what decides on an end's side of its connections to another.
fn codes(manifests: &str, ends: [&str; 2]) -> Vec<ReasonCode> {
    let text = format!("{TWO_PODS}{manifests}");
    let id = SourceMap::default().add("test.yaml", text.as_str());
    let cluster = Cluster::new(npcheck::manifest::read(id, "test.yaml", &text).objects);
    let ends = ends.map(|end| Endpoint::workload(&cluster, pod(&cluster, end).expect("a pod")));
    let explanation = engine::explain(&cluster, &ends[0], &ends[1]);
    let sides = explanation.ways.iter().map(|way| way.sides()[1]);
    let decisions = sides.flat_map(|side| side.decisions(&ConnectionSet::all()));
    decisions.map(|decision| decision.code).collect()
}

#[test]
fn an_unknown_side_says_what_it_depends_on() {
    let pod_with = |label: &str| {
        format!(
            "{{apiVersion: v1, kind: Pod, metadata: {{name: c, namespace: one, labels: {{{label}}}}},
              spec: {{containers: [{{name: c}}]}}}}
---
{{apiVersion: networking.k8s.io/v1, kind: NetworkPolicy, metadata: {{name: p, namespace: one}},
              spec: {{podSelector: {{matchLabels: {{app: a}}}}, ingress: [{{from: [{{podSelector: {{matchLabels: {{role: db}}}}}}]}}]}}}}"
        )
    };
    let of_value = codes(&pod_with("role: '${ROLE}'"), ["c", "a"]);
    assert_eq!(of_value, [ReasonCode::Substitution]);
    let of_key = codes(&pod_with("'${KEY}': db"), ["c", "a"]);
    assert_eq!(of_key.len(), 1);
    let of_type = "{apiVersion: networking.k8s.io/v1, kind: NetworkPolicy, metadata: {name: p, namespace: one},
                  spec: {podSelector: {matchLabels: {app: a}}, policyTypes: ['${TYPE}']}}";
    assert_eq!(codes(of_type, ["b", "a"]), [ReasonCode::Substitution]);
}

/// Pods `a` and `host`, the second on the host network, and a node.
const HOST: &str = "
{apiVersion: v1, kind: Node, metadata: {name: n}, status: {addresses: [{type: InternalIP, address: 203.0.113.4}]}}
---
{apiVersion: v1, kind: Pod, metadata: {name: a, namespace: one, labels: {app: a}}, status: {podIP: 10.0.0.1},
 spec: {containers: [{name: c}]}}
---
{apiVersion: apps/v1, kind: DaemonSet, metadata: {name: host, namespace: one},
 spec: {selector: {matchLabels: {app: host}}, template: {metadata: {labels: {app: host}},
        spec: {hostNetwork: true, containers: [{name: c}]}}}}
---
";

#[test]
fn a_pod_on_the_host_network_has_an_address_of_a_node() {
    let blocks = |direction: &str, blocks: &str| {
        let (types, peers) = match direction {
            "ingress" => ("Ingress", "from"),
            _ => ("Egress", "to"),
        };
        format!(
            "{{apiVersion: networking.k8s.io/v1, kind: NetworkPolicy, metadata: {{name: p, namespace: one}},
              spec: {{podSelector: {{matchLabels: {{app: a}}}}, policyTypes: [{types}],
                      {direction}: [{{{peers}: [{blocks}]}}]}}}}"
        )
    };
    let told = EnforcementSettings {
        node_cidrs: vec!["192.168.5.0/24".parse().unwrap()],
        ..EnforcementSettings::default()
    };
    let untold = EnforcementSettings::default();
    let (open, shut, unknown) = (
        ("TCP all, UDP all, SCTP all", ""),
        ("", ""),
        ("", "TCP all, UDP all, SCTP all"),
    );
    let cases = [
        // What nodes have, and what pods have.
        (&told, "{ipBlock: {cidr: 192.168.5.0/24}}", open),
        (&told, "{ipBlock: {cidr: 192.168.5.7/32}}", unknown),
        (&told, "{ipBlock: {cidr: 10.0.0.0/16}}", shut),
        (&told, "{ipBlock: {cidr: 203.0.113.4/32}}", shut),
        (
            &told,
            "{ipBlock: {cidr: 0.0.0.0/0, except: [10.0.0.0/8]}}",
            open,
        ),
        // Where nobody says it: anywhere that pods and known nodes are, and in the private ranges.
        (&untold, "{ipBlock: {cidr: 192.168.5.0/24}}", unknown),
        (&untold, "{ipBlock: {cidr: 10.0.0.0/16}}", unknown),
        (&untold, "{ipBlock: {cidr: 203.0.113.4/32}}", unknown),
        (&untold, "{ipBlock: {cidr: 198.51.100.0/24}}", shut),
        (&untold, "{ipBlock: {cidr: 0.0.0.0/0}}", open),
    ];
    for (settings, block, (allowed, unknown)) in cases {
        for (direction, ends) in [("ingress", ["host", "a"]), ("egress", ["a", "host"])] {
            let manifests = format!("{HOST}{}", blocks(direction, block));
            let answer = Answer {
                about: block,
                manifests: "",
                ends,
                allowed,
                unknown,
            };
            assert_answers_with(settings, &manifests, &[answer]);
        }
    }
}
