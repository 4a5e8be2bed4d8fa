//! What may become of text that another tool fills in, kind by kind: a label, a part of a policy
//! outside of its rules, an object that a policy names. Each answer has to be UNKNOWN where that
//! decides.

use super::answers::{Answer, TWO_PODS, assert_answers};
use super::program::{run, scratch, write};

/// Pods `a` and `b` of namespace `one`, of which `b` has one label whose key another tool
/// fills in, in a namespace of which the same is true.
const OPEN_LABELS: &str = "
{apiVersion: v1, kind: Namespace, metadata: {name: one, labels: {'${KEY}': red}}}
---
{apiVersion: v1, kind: Pod, metadata: {name: a, namespace: one, labels: {app: a}}, status: {podIP: 10.0.0.1},
 spec: {containers: [{name: c}]}}
---
{apiVersion: v1, kind: Pod, metadata: {name: b, namespace: one, labels: {'${KEY}': b, role: '${ROLE}'}},
 status: {podIP: 10.0.0.2}, spec: {containers: [{name: c}]}}
---
";

#[test]
fn labels_that_another_tool_fills_in_may_be_what_a_plugin_asks_for() {
    let unknown = "TCP all, UDP all, SCTP all";
    let answer = |about, manifests| Answer {
        about,
        manifests,
        ends: ["b", "a"],
        allowed: "",
        unknown,
    };
    assert_answers(
        OPEN_LABELS,
        &[
            answer(
                "the key of a label, for Calico",
                "{apiVersion: projectcalico.org/v3, kind: NetworkPolicy, metadata: {name: p, namespace: one},
                  spec: {selector: app == 'a', ingress: [{action: Allow, source: {selector: app == 'b'}}]}}",
            ),
            answer(
                "the value of a label, for Calico",
                "{apiVersion: projectcalico.org/v3, kind: NetworkPolicy, metadata: {name: p, namespace: one},
                  spec: {selector: app == 'a', ingress: [{action: Allow, source: {selector: role == 'db'}}]}}",
            ),
            answer(
                "a label of the namespace, for Calico",
                "{apiVersion: projectcalico.org/v3, kind: GlobalNetworkPolicy, metadata: {name: p},
                  spec: {selector: app == 'a', ingress: [{action: Allow, source: {namespaceSelector: team == 'red'}}]}}",
            ),
            answer(
                "a label of the namespace, for Cilium",
                "{apiVersion: cilium.io/v2, kind: CiliumNetworkPolicy, metadata: {name: p, namespace: one},
                  spec: {endpointSelector: {matchLabels: {app: a}}, ingress: [{fromEndpoints: [{matchLabels: {io.cilium.k8s.namespace.labels.team: red}}]}]}}",
            ),
            answer(
                "the key of a selector, which may be that of another namespace, for Cilium",
                "{apiVersion: cilium.io/v2, kind: CiliumNetworkPolicy, metadata: {name: p, namespace: two},
                  spec: {endpointSelector: {}, ingress: [{fromEndpoints: [{matchLabels: {'${KEY}': one}}]}]}}
---
{apiVersion: cilium.io/v2, kind: CiliumNetworkPolicy, metadata: {name: q, namespace: one},
                  spec: {endpointSelector: {matchLabels: {app: a}}, ingress: [{fromEndpoints: [{matchLabels: {'${KEY}': one}}]}]}}",
            ),
            Answer {
                about: "what is known of its labels decides",
                manifests: "{apiVersion: projectcalico.org/v3, kind: NetworkPolicy, metadata: {name: p, namespace: one},
                  spec: {selector: app == 'a', ingress: [{action: Allow, source: {selector: has(role)}}]}}",
                ends: ["b", "a"],
                allowed: unknown,
                unknown: "",
            },
        ],
    );
}

#[test]
fn what_another_tool_fills_in_outside_of_the_rules_may_change_all_of_them() {
    let all = "TCP all, UDP all, SCTP all";
    let answer = |about, manifests| Answer {
        about,
        manifests,
        ends: ["b", "a"],
        allowed: "",
        unknown: all,
    };
    assert_answers(
        TWO_PODS,
        &[
            answer(
                "a type: the policy may be about the other direction, too",
                "{apiVersion: networking.k8s.io/v1, kind: NetworkPolicy, metadata: {name: p, namespace: one},
                  spec: {podSelector: {matchLabels: {app: b}}, policyTypes: [Ingress, '${TYPE}'], ingress: [{}]}}",
            ),
            answer(
                "a whole rule, behind others",
                "{apiVersion: networking.k8s.io/v1, kind: NetworkPolicy, metadata: {name: p, namespace: one},
                  spec: {podSelector: {}, ingress: [{from: [{podSelector: {matchLabels: {app: x}}}]}, '${RULE}']}}",
            ),
            answer(
                "the action of a cluster-wide policy",
                "{apiVersion: policy.networking.k8s.io/v1alpha1, kind: AdminNetworkPolicy, metadata: {name: p},
                  spec: {priority: 1, subject: {namespaces: {}}, ingress: [{action: '${ACTION}', from: [{namespaces: {}}]}]}}",
            ),
            answer(
                "the priority of a cluster-wide policy",
                "{apiVersion: policy.networking.k8s.io/v1alpha1, kind: AdminNetworkPolicy, metadata: {name: p},
                  spec: {priority: '${PRIORITY}', subject: {namespaces: {}}, ingress: [{action: Deny, from: [{namespaces: {}}]}]}}
---
{apiVersion: policy.networking.k8s.io/v1alpha1, kind: AdminNetworkPolicy, metadata: {name: q},
                  spec: {priority: 2, subject: {namespaces: {}}, ingress: [{action: Allow, from: [{namespaces: {}}]}]}}",
            ),
            answer(
                "the order of a policy of Calico, behind its rules",
                "{apiVersion: projectcalico.org/v3, kind: NetworkPolicy, metadata: {name: p, namespace: one},
                  spec: {selector: app == 'a', ingress: [{action: Deny}], order: '${ORDER}'}}
---
{apiVersion: projectcalico.org/v3, kind: NetworkPolicy, metadata: {name: q, namespace: one},
                  spec: {order: 5, selector: app == 'a', ingress: [{action: Allow}]}}",
            ),
            answer(
                "the types of a policy of Calico",
                "{apiVersion: projectcalico.org/v3, kind: NetworkPolicy, metadata: {name: p, namespace: one},
                  spec: {selector: app == 'b', types: ['${TYPE}'], ingress: [{action: Allow}]}}",
            ),
            answer(
                "the end of a tier",
                "{apiVersion: projectcalico.org/v3, kind: Tier, metadata: {name: t}, spec: {order: 1, defaultAction: '${ACTION}'}}
---
{apiVersion: projectcalico.org/v3, kind: NetworkPolicy, metadata: {name: t.p, namespace: one},
                  spec: {tier: t, selector: app == 'a', ingress: [{action: Allow, source: {selector: app == 'x'}}]}}",
            ),
            answer(
                "the networks of a set",
                "{apiVersion: projectcalico.org/v3, kind: GlobalNetworkSet, metadata: {name: s, labels: {role: ok}},
                  spec: {nets: ['${NET}']}}
---
{apiVersion: projectcalico.org/v3, kind: GlobalNetworkPolicy, metadata: {name: p},
                  spec: {selector: app == 'a', ingress: [{action: Allow, source: {selector: role == 'ok'}}]}}",
            ),
            answer(
                "whether a policy of Cilium isolates",
                "{apiVersion: cilium.io/v2, kind: CiliumNetworkPolicy, metadata: {name: p, namespace: one},
                  spec: {endpointSelector: {matchLabels: {app: a}}, enableDefaultDeny: {ingress: '${ISOLATES}'},
                  ingress: [{fromEndpoints: [{matchLabels: {app: x}}]}]}}",
            ),
            Answer {
                about: "a protocol of Calico: numbers of ports need one, and it is written",
                manifests: "{apiVersion: projectcalico.org/v3, kind: NetworkPolicy, metadata: {name: p, namespace: one},
                  spec: {selector: app == 'a', ingress: [{action: Allow, protocol: '${PROTOCOL}', destination: {ports: [80]}}]}}",
                ends: ["b", "a"],
                allowed: "",
                unknown: all,
            },
            Answer {
                about: "a part of one rule leaves the others as they are",
                manifests: "{apiVersion: networking.k8s.io/v1, kind: NetworkPolicy, metadata: {name: p, namespace: one},
                  spec: {podSelector: {}, ingress: [{ports: [{port: '${PORT}'}]}, {from: [{podSelector: {matchLabels: {app: b}}}], ports: [{port: 80}]}]}}",
                ends: ["b", "a"],
                allowed: "TCP 80",
                unknown: "TCP 1-79,81-65535, UDP all, SCTP all",
            },
        ],
    );
}

#[test]
fn which_nodes_a_selector_means_may_depend_on_what_another_tool_fills_in() {
    let all = "TCP all, UDP all, SCTP all";
    let answer = |about, manifests, allowed, unknown| Answer {
        about,
        manifests,
        ends: ["a", "192.0.2.9"],
        allowed,
        unknown,
    };
    assert_answers(
        TWO_PODS,
        &[
            answer(
                "the value that the selector wants",
                "{apiVersion: policy.networking.k8s.io/v1alpha1, kind: AdminNetworkPolicy, metadata: {name: p},
                  spec: {priority: 1, subject: {namespaces: {}}, egress: [{action: Deny, to: [{nodes: {matchLabels: {pool: '${POOL}'}}}]}]}}
---
{apiVersion: v1, kind: Node, metadata: {name: node, labels: {pool: web}}, status: {addresses: [{type: InternalIP, address: 192.0.2.9}]}}",
                "",
                all,
            ),
            answer(
                "the value that the node has",
                "{apiVersion: policy.networking.k8s.io/v1alpha1, kind: AdminNetworkPolicy, metadata: {name: p},
                  spec: {priority: 1, subject: {namespaces: {}}, egress: [{action: Deny, to: [{nodes: {matchLabels: {pool: web}}}]}]}}
---
{apiVersion: v1, kind: Node, metadata: {name: node, labels: {pool: '${POOL}'}}, status: {addresses: [{type: InternalIP, address: 192.0.2.9}]}}",
                "",
                all,
            ),
            answer(
                "another label decides",
                "{apiVersion: policy.networking.k8s.io/v1alpha1, kind: AdminNetworkPolicy, metadata: {name: p},
                  spec: {priority: 1, subject: {namespaces: {}}, egress: [{action: Deny, to: [{nodes: {matchLabels: {pool: '${POOL}', zone: b}}}]}]}}
---
{apiVersion: v1, kind: Node, metadata: {name: node, labels: {pool: web, zone: a}}, status: {addresses: [{type: InternalIP, address: 192.0.2.9}]}}",
                all,
                "",
            ),
        ],
    );
}

/// Pods `a` and `b` of namespace `one`, of which `b` runs as an account that another tool fills
/// in.
const OPEN_ACCOUNT: &str = "
{apiVersion: v1, kind: Pod, metadata: {name: a, namespace: one, labels: {app: a}}, status: {podIP: 10.0.0.1},
 spec: {containers: [{name: c}]}}
---
{apiVersion: v1, kind: Pod, metadata: {name: b, namespace: one, labels: {app: b}}, status: {podIP: 10.0.0.2},
 spec: {serviceAccountName: '${ACCOUNT}', containers: [{name: c}]}}
---
";

#[test]
fn objects_that_policies_name_may_be_those_that_another_tool_completes() {
    let all = "TCP all, UDP all, SCTP all";
    let answer = |about, ends, manifests| Answer {
        about,
        manifests,
        ends,
        allowed: "",
        unknown: all,
    };
    assert_answers(
        OPEN_ACCOUNT,
        &[
            answer(
                "the service account of a pod, by its name, for Calico",
                ["b", "a"],
                "{apiVersion: projectcalico.org/v3, kind: NetworkPolicy, metadata: {name: p, namespace: one},
                  spec: {selector: app == 'a', ingress: [{action: Allow, source: {serviceAccounts: {names: [robot]}}}]}}",
            ),
            answer(
                "the labels of that service account",
                ["b", "a"],
                "{apiVersion: v1, kind: ServiceAccount, metadata: {name: robot, namespace: one, labels: {role: x}}}
---
{apiVersion: projectcalico.org/v3, kind: NetworkPolicy, metadata: {name: p, namespace: one},
                  spec: {selector: app == 'a', ingress: [{action: Allow, source: {serviceAccounts: {selector: role == 'x'}}}]}}",
            ),
            answer(
                "the same for Cilium",
                ["b", "a"],
                "{apiVersion: cilium.io/v2, kind: CiliumNetworkPolicy, metadata: {name: p, namespace: one},
                  spec: {endpointSelector: {matchLabels: {app: a}}, ingress: [{fromEndpoints: [{matchLabels: {io.cilium.k8s.policy.serviceaccount: robot}}]}]}}",
            ),
        ],
    );
    assert_answers(
        TWO_PODS,
        &[
            answer(
                "a block of a group",
                ["192.0.2.1", "a"],
                "{apiVersion: cilium.io/v2, kind: CiliumCIDRGroup, metadata: {name: g}, spec: {externalCIDRs: ['${NET}']}}
---
{apiVersion: cilium.io/v2, kind: CiliumNetworkPolicy, metadata: {name: p, namespace: one},
                  spec: {endpointSelector: {matchLabels: {app: a}}, ingress: [{fromCIDRSet: [{cidrGroupRef: g}]}]}}",
            ),
            answer(
                "the name of a group",
                ["192.0.2.1", "a"],
                "{apiVersion: cilium.io/v2, kind: CiliumCIDRGroup, metadata: {name: '${GROUP}'}, spec: {externalCIDRs: [192.0.2.0/24]}}
---
{apiVersion: cilium.io/v2, kind: CiliumNetworkPolicy, metadata: {name: p, namespace: one},
                  spec: {endpointSelector: {matchLabels: {app: a}}, ingress: [{fromCIDRSet: [{cidrGroupRef: g}]}]}}",
            ),
            answer(
                "a label of a group",
                ["192.0.2.1", "a"],
                "{apiVersion: cilium.io/v2, kind: CiliumCIDRGroup, metadata: {name: g, labels: {'${KEY}': x}}, spec: {externalCIDRs: [192.0.2.0/24]}}
---
{apiVersion: cilium.io/v2, kind: CiliumNetworkPolicy, metadata: {name: p, namespace: one},
                  spec: {endpointSelector: {matchLabels: {app: a}}, ingress: [{fromCIDRSet: [{cidrGroupSelector: {matchLabels: {team: x}}}]}]}}",
            ),
            answer(
                "the name of a Service, for Cilium",
                ["b", "a"],
                "{apiVersion: v1, kind: Service, metadata: {name: '${SERVICE}', namespace: one}, spec: {selector: {app: a}, ports: [{port: 80}]}}
---
{apiVersion: cilium.io/v2, kind: CiliumNetworkPolicy, metadata: {name: p, namespace: one},
                  spec: {endpointSelector: {matchLabels: {app: b}}, egress: [{toServices: [{k8sService: {serviceName: s, namespace: one}}]}]}}",
            ),
            answer(
                "the name of a Service, for Calico",
                ["b", "a"],
                "{apiVersion: v1, kind: Service, metadata: {name: '${SERVICE}', namespace: one}, spec: {selector: {app: a}, ports: [{port: 80}]}}
---
{apiVersion: projectcalico.org/v3, kind: NetworkPolicy, metadata: {name: p, namespace: one},
                  spec: {selector: app == 'b', types: [Egress], egress: [{action: Allow, destination: {services: {name: s}}}]}}",
            ),
            answer(
                "the address of a node",
                ["a", "192.0.2.9"],
                "{apiVersion: v1, kind: Node, metadata: {name: node}, status: {addresses: [{type: InternalIP, address: '${ADDRESS}'}]}}
---
{apiVersion: policy.networking.k8s.io/v1alpha1, kind: AdminNetworkPolicy, metadata: {name: p},
                  spec: {priority: 1, subject: {namespaces: {}}, egress: [{action: Deny, to: [{nodes: {}}]}]}}",
            ),
            answer(
                "the name of a tier, which may come before all others",
                ["b", "a"],
                "{apiVersion: projectcalico.org/v3, kind: Tier, metadata: {name: '${TIER}'}, spec: {order: 1}}
---
{apiVersion: projectcalico.org/v3, kind: NetworkPolicy, metadata: {name: t.p, namespace: one},
                  spec: {tier: t, selector: app == 'a', ingress: [{action: Deny}]}}
---
{apiVersion: projectcalico.org/v3, kind: NetworkPolicy, metadata: {name: q, namespace: one},
                  spec: {selector: app == 'a', ingress: [{action: Allow}]}}",
            ),
            Answer {
                about: "a group that is whole is not in doubt beside another one",
                manifests: "{apiVersion: cilium.io/v2, kind: CiliumCIDRGroup, metadata: {name: '${GROUP}'}, spec: {externalCIDRs: [192.0.2.0/24]}}
---
{apiVersion: cilium.io/v2, kind: CiliumCIDRGroup, metadata: {name: g}, spec: {externalCIDRs: [192.0.2.0/24]}}
---
{apiVersion: cilium.io/v2, kind: CiliumNetworkPolicy, metadata: {name: p, namespace: one},
                  spec: {endpointSelector: {matchLabels: {app: a}}, ingress: [{fromCIDRSet: [{cidrGroupRef: g}]}]}}",
                ends: ["192.0.2.1", "a"],
                allowed: all,
                unknown: "",
            },
        ],
    );
}

#[test]
fn what_is_rejected_as_it_is_written_may_be_taken_once_it_is_complete() {
    let all = "TCP all, UDP all, SCTP all";
    let answer = |about, manifests| Answer {
        about,
        manifests,
        ends: ["b", "a"],
        allowed: "",
        unknown: all,
    };
    assert_answers(
        TWO_PODS,
        &[
            answer(
                "DNS rules of Cilium need a port, which is filled in",
                "{apiVersion: cilium.io/v2, kind: CiliumNetworkPolicy, metadata: {name: p, namespace: one},
                  spec: {endpointSelector: {matchLabels: {app: b}}, egress: [{toPorts: [{ports: [{port: '${PORT}', protocol: ANY}], rules: {dns: [{matchPattern: '*'}]}}]}]}}",
            ),
            answer(
                "networks of Calico of two families, in a policy that is not complete",
                "{apiVersion: projectcalico.org/v3, kind: NetworkPolicy, metadata: {name: p, namespace: one},
                  spec: {selector: app == 'a', ingress: [{action: Allow, source: {nets: [10.0.0.0/24, 'fd00::/64', '${NET}']}}]}}",
            ),
            answer(
                "a NetworkPolicy that the API server rejects, under Cilium",
                "{apiVersion: cilium.io/v2, kind: CiliumNetworkPolicy, metadata: {name: q, namespace: two}, spec: {endpointSelector: {}, ingress: [{}]}}
---
{apiVersion: networking.k8s.io/v1, kind: NetworkPolicy, metadata: {name: p, namespace: one},
                  spec: {podSelector: {}, ingress: [{ports: [{port: 70000}]}]}}",
            ),
            Answer {
                about: "a policy that is complete and that the agent rejects enforces nothing",
                manifests: "{apiVersion: cilium.io/v2, kind: CiliumNetworkPolicy, metadata: {name: p, namespace: one},
                  spec: {endpointSelector: {matchLabels: {app: b}}, egress: [{toPorts: [{ports: [], rules: {dns: [{matchPattern: '*'}]}}]}]}}",
                ends: ["b", "a"],
                allowed: all,
                unknown: "",
            },
        ],
    );
}

#[test]
fn a_selector_that_nests_deeper_than_is_read_may_select_anything() {
    let deep = format!("{}app == 'a'{}", "(".repeat(120), ")".repeat(120));
    let policy = format!(
        "{{apiVersion: projectcalico.org/v3, kind: NetworkPolicy, metadata: {{name: p, namespace: one}},
          spec: {{selector: \"{deep}\", ingress: [{{action: Deny}}]}}}}"
    );
    let peer = format!(
        "{{apiVersion: projectcalico.org/v3, kind: NetworkPolicy, metadata: {{name: p, namespace: one}},
          spec: {{selector: app == 'b', ingress: [{{action: Allow, source: {{selector: \"{deep}\"}}}}]}}}}"
    );
    for (about, policy, ends) in [
        ("the pods of a policy", policy, ["b", "a"]),
        ("a peer", peer, ["a", "b"]),
    ] {
        assert_answers(
            TWO_PODS,
            &[Answer {
                about,
                manifests: Box::leak(policy.into_boxed_str()),
                ends,
                allowed: "",
                unknown: "TCP all, UDP all, SCTP all",
            }],
        );
    }
}

#[test]
fn whole_parts_of_a_policy_of_cilium_that_another_tool_fills_in_may_be_any() {
    for (about, rest) in [
        ("the rule set", "spec: ${SPEC}"),
        ("all rule sets", "specs: ${SPECS}"),
        ("one of them", "specs:\n- ${SPEC}"),
        (
            "its pods",
            "spec:\n  endpointSelector: ${SELECTOR}\n  ingress: [{}]",
        ),
        (
            "their labels",
            "spec:\n  endpointSelector:\n    matchLabels: ${LABELS}\n  ingress: [{}]",
        ),
        (
            "its rules",
            "spec:\n  endpointSelector: {}\n  ingress: ${RULES}",
        ),
        (
            "a rule",
            "spec:\n  endpointSelector: {}\n  ingress:\n  - ${RULE}",
        ),
        (
            "its peers",
            "spec:\n  endpointSelector: {}\n  ingress:\n  - fromEndpoints: ${PEERS}",
        ),
        // What only newer releases know is as good as not known here.
        (
            "an entity that Cilium 1.20 rejects",
            "spec:\n  endpointSelector: {}\n  ingress:\n  - fromEntities: [namespace]",
        ),
    ] {
        let policy = format!(
            "apiVersion: cilium.io/v2\nkind: CiliumNetworkPolicy\nmetadata: {{name: p, namespace: one}}\n{rest}\n"
        );
        assert_answers(
            TWO_PODS,
            &[Answer {
                about,
                manifests: Box::leak(policy.into_boxed_str()),
                ends: ["a", "b"],
                allowed: "",
                unknown: "TCP all, UDP all, SCTP all",
            }],
        );
    }
}

/// A word that stands for a name or an address is filled in as well: nothing is said of it, and
/// what it decides is UNKNOWN.
#[test]
fn words_that_stand_for_what_belongs_there_are_filled_in() {
    let directory = scratch("filled-in-words");
    for (number, word) in [
        "REPLACE_NAMESPACE",
        "CHANGEME",
        "<namespace>",
        "%NAMESPACE%",
        "@@NS@@",
        "__NAMESPACE__",
        "$NS",
        "YOUR-NAMESPACE",
        "#{ns}#",
    ]
    .into_iter()
    .enumerate()
    {
        for text in [
            format!(
                "metadata: {{name: web, namespace: '{word}'}}\nspec: {{podSelector: {{matchLabels: {{app: web}}}}}}"
            ),
            format!(
                "metadata: {{name: web, namespace: shop}}\nspec: {{podSelector: {{}}, ingress: [{{from: [{{ipBlock: {{cidr: '{word}'}}}}]}}]}}"
            ),
            format!(
                "metadata: {{name: web, namespace: shop}}\nspec: {{podSelector: {{}}, ingress: [{{from: [{{ipBlock: {{cidr: '{word}/32'}}}}]}}]}}"
            ),
            format!(
                "metadata: {{name: web, namespace: shop}}\nspec: {{podSelector: {{}}, ingress: [{{from: [{{podSelector: {{matchLabels: {{app: '{word}'}}}}}}]}}]}}"
            ),
            format!(
                "metadata: {{name: web, namespace: shop}}\nspec: {{podSelector: {{}}, ingress: [{{from: [{{namespaceSelector: {{matchLabels: {{kubernetes.io/metadata.name: '{word}'}}}}}}]}}]}}"
            ),
        ] {
            let policy = format!("apiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\n{text}\n");
            write(&directory, "policy.yaml", policy);
            write(
                &directory,
                "pod.yaml",
                "apiVersion: v1\nkind: Pod\nmetadata: {name: web, namespace: shop, labels: {app: web}}\nspec: {containers: [{name: c, image: x}]}\n",
            );
            let found = run(&directory, &["lint", "-q", "-o", "concise"]).stdout;
            let mut lines = found.lines();
            assert!(
                !lines.any(|line| line.contains(word)),
                "{number} {word}: {text}\n{found}"
            );
        }
    }
    let told = "from: [{namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: REPLACE_NAMESPACE}}}]";
    let policy = format!(
        "apiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata: {{name: web, namespace: shop}}\nspec: {{podSelector: {{}}, ingress: [{{{told}}}]}}\n"
    );
    write(&directory, "policy.yaml", policy);
    let other = "apiVersion: v1\nkind: Pod\nmetadata: {name: a, namespace: other}\nspec: {containers: [{name: c, image: x}]}\n";
    write(&directory, "other.yaml", other);
    let args = ["reach", "other/a", "shop/web", "--port", "80"];
    let reach = run(&directory, &args).stdout;
    assert!(reach.contains("UNKNOWN"), "{reach}");
}
