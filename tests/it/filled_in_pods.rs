//! What may become of pods, their labels and their network, where another tool fills these in, as
//! single values or as a whole, or where two definitions differ. Each answer has to be UNKNOWN
//! where that decides.

use super::answers::{Answer, TWO_PODS, assert_answers};

/// Pod `a`, and pod `b` of which another tool fills in whether it is on the host network.
const ON_SOME_NETWORK: &str = "
{apiVersion: v1, kind: Pod, metadata: {name: a, namespace: one, labels: {app: a}}, status: {podIP: 10.0.0.1},
 spec: {containers: [{name: c, ports: [{name: web, containerPort: 80}]}]}}
---
apiVersion: v1
kind: Pod
metadata: {name: b, namespace: one, labels: {app: b}}
spec:
  hostNetwork: ${HOST_NETWORK}
  containers: [{name: c, ports: [{name: web, containerPort: 80}]}]
---
";

#[test]
fn a_pod_may_be_on_the_host_network_if_another_tool_fills_that_in() {
    let all = "TCP all, UDP all, SCTP all";
    let answers = [
        (
            "a policy that isolates it, if it is not",
            "{apiVersion: networking.k8s.io/v1, kind: NetworkPolicy, metadata: {name: p, namespace: one},
                  spec: {podSelector: {matchLabels: {app: b}}, policyTypes: [Ingress]}}",
            ["a", "b"],
            "",
            all,
        ),
        (
            "a rule of its policy that lets the other end in either way",
            "{apiVersion: networking.k8s.io/v1, kind: NetworkPolicy, metadata: {name: p, namespace: one},
                  spec: {podSelector: {matchLabels: {app: b}}, ingress: [{from: [{podSelector: {}}]}]}}",
            ["a", "b"],
            all,
            "",
        ),
        (
            "a peer that sees it, if it is not",
            "{apiVersion: networking.k8s.io/v1, kind: NetworkPolicy, metadata: {name: p, namespace: one},
                  spec: {podSelector: {matchLabels: {app: a}}, ingress: [{from: [{podSelector: {}}], ports: [{port: 80}]}]}}",
            ["b", "a"],
            "",
            "TCP 80",
        ),
        (
            "a policy about others",
            "{apiVersion: networking.k8s.io/v1, kind: NetworkPolicy, metadata: {name: p, namespace: one},
                  spec: {podSelector: {matchLabels: {app: a}}, policyTypes: [Ingress]}}",
            ["a", "b"],
            all,
            "",
        ),
        (
            "for Calico",
            "{apiVersion: projectcalico.org/v3, kind: NetworkPolicy, metadata: {name: p, namespace: one},
                  spec: {selector: app == 'a', ingress: [{action: Allow, source: {selector: app == 'b'}}]}}",
            ["b", "a"],
            "",
            all,
        ),
        (
            "for Calico, of an end that is not selected",
            "{apiVersion: projectcalico.org/v3, kind: NetworkPolicy, metadata: {name: p, namespace: one},
                  spec: {selector: app == 'b', ingress: [{action: Deny}]}}",
            ["a", "b"],
            "",
            all,
        ),
        (
            "a named port of it, which Calico knows of its own endpoints only",
            "{apiVersion: projectcalico.org/v3, kind: NetworkPolicy, metadata: {name: p, namespace: one},
                  spec: {selector: app == 'a', egress: [{action: Allow, protocol: TCP, destination: {ports: [web]}}]}}",
            ["a", "b"],
            "",
            "TCP all",
        ),
        (
            "for Cilium, which sees a node if it is",
            "{apiVersion: cilium.io/v2, kind: CiliumNetworkPolicy, metadata: {name: p, namespace: one},
                  spec: {endpointSelector: {matchLabels: {app: a}}, ingress: [{fromEntities: [remote-node]}]}}",
            ["b", "a"],
            "",
            all,
        ),
        (
            "for Cilium, and either way is let in",
            "{apiVersion: cilium.io/v2, kind: CiliumNetworkPolicy, metadata: {name: p, namespace: one},
                  spec: {endpointSelector: {matchLabels: {app: a}}, ingress: [{fromEntities: [cluster]}]}}",
            ["b", "a"],
            all,
            "",
        ),
    ]
    .map(|(about, manifests, ends, allowed, unknown)| Answer {
        about,
        manifests,
        ends,
        allowed,
        unknown,
    });
    assert_answers(ON_SOME_NETWORK, &answers);
}

#[test]
fn two_definitions_that_differ_in_the_network_decide_nothing() {
    let text = "
{apiVersion: apps/v1, kind: Deployment, metadata: {name: b, namespace: one},
 spec: {template: {metadata: {labels: {app: b}}, spec: {containers: [{name: c}]}}}}
---
{apiVersion: apps/v1, kind: Deployment, metadata: {name: b, namespace: one},
 spec: {template: {metadata: {labels: {app: b}}, spec: {hostNetwork: true, containers: [{name: c}]}}}}
---
{apiVersion: networking.k8s.io/v1, kind: NetworkPolicy, metadata: {name: p, namespace: one},
 spec: {podSelector: {}, policyTypes: [Ingress]}}
";
    let mut sources = npcheck::source::SourceMap::default();
    let id = sources.add("test.yaml", text);
    let objects = npcheck::manifest::read(id, "test.yaml", text).objects;
    let cluster = npcheck::cluster::Cluster::undecided(&objects);
    let pod = cluster.workload_ids().next().expect("there is one");
    let end = npcheck::engine::Endpoint::workload(&cluster, pod);
    let outside =
        npcheck::engine::Endpoint::Address(std::net::IpAddr::from([203, 0, 113, 5]).into());
    let verdict = npcheck::engine::judge(&cluster, &outside, &end);
    assert_eq!(verdict.unknown(), npcheck::engine::ConnectionSet::all());
}

#[test]
fn whole_maps_that_another_tool_fills_in_may_be_any() {
    let pods = |namespace: &str, deployment: &str| {
        format!(
            "apiVersion: v1
kind: Namespace
metadata:
  name: one
{namespace}
---
apiVersion: apps/v1
kind: Deployment
metadata: {{name: a, namespace: one}}
spec:
{deployment}
---
{{apiVersion: v1, kind: Pod, metadata: {{name: b, namespace: one, labels: {{app: b}}}}, spec: {{containers: [{{name: c}}]}}}}
---
"
        )
    };
    let labels = "  labels: {team: red}";
    let template = "  template: {metadata: {labels: {app: a}}, spec: {containers: [{name: c}]}}";
    let policy = "{apiVersion: networking.k8s.io/v1, kind: NetworkPolicy, metadata: {name: p, namespace: one},
      spec: {podSelector: {matchLabels: {app: b}}, ingress: [{from: [
        {namespaceSelector: {matchLabels: {team: red}}, podSelector: {matchLabels: {app: a}}}]}]}}";
    let all = "TCP all, UDP all, SCTP all";
    for (about, before, allowed, unknown) in [
        ("nothing", pods(labels, template), all, ""),
        (
            "the labels of a namespace",
            pods("  labels: ${LABELS}", template),
            "",
            all,
        ),
        (
            "more of its metadata",
            pods("  ${MORE}: x", template),
            "",
            all,
        ),
        (
            "a template",
            pods(labels, "  template: ${TEMPLATE}"),
            "",
            all,
        ),
        (
            "its metadata",
            pods(labels, "  template:\n    metadata: ${METADATA}"),
            "",
            all,
        ),
        (
            "its labels",
            pods(
                labels,
                "  template:\n    metadata:\n      labels: ${LABELS}",
            ),
            "",
            all,
        ),
        (
            "what holds the template",
            pods(labels, "  ${TEMPLATE}: x"),
            "",
            all,
        ),
    ] {
        assert_answers(
            &before,
            &[Answer {
                about,
                manifests: policy,
                ends: ["a", "b"],
                allowed,
                unknown,
            }],
        );
    }
    let values = "apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: p, namespace: one}
spec:
  podSelector:
    matchExpressions:
    - key: app
      operator: In
      values: ${VALUES}
  policyTypes: [Ingress]
";
    assert_answers(
        TWO_PODS,
        &[Answer {
            about: "the values of an expression",
            manifests: values,
            ends: ["a", "b"],
            allowed: "",
            unknown: all,
        }],
    );
}

/// Pods of one namespace that differ in one label, which no policy asks for by a known value.
const ALIKE: &str = "
{apiVersion: v1, kind: Pod, metadata: {name: c, namespace: one, labels: {app: other}}, spec: {containers: [{name: c}]}}
---
{apiVersion: v1, kind: Pod, metadata: {name: d, namespace: one, labels: {app: other, zone: east}}, spec: {containers: [{name: c}]}}
---
";

#[test]
fn pods_that_only_a_text_of_another_tool_tells_apart_are_told_apart() {
    let all = "TCP all, UDP all, SCTP all";
    for (about, selector, without, with) in [
        (
            "a label",
            "matchLabels: {zone: '${ZONE}'}",
            ("", ""),
            ("", all),
        ),
        (
            "a value of In",
            "matchExpressions: [{key: zone, operator: In, values: [west, '${ZONE}']}]",
            ("", ""),
            ("", all),
        ),
        (
            "a value of NotIn",
            "matchExpressions: [{key: zone, operator: NotIn, values: [west, '${ZONE}']}]",
            (all, ""),
            ("", all),
        ),
    ] {
        let policy = format!(
            "{{apiVersion: networking.k8s.io/v1, kind: NetworkPolicy, metadata: {{name: p, namespace: one}},
              spec: {{podSelector: {{matchLabels: {{app: a}}}}, ingress: [{{from: [{{podSelector: {{{selector}}}}}]}}]}}}}"
        );
        let manifests: &'static str = Box::leak(policy.into_boxed_str());
        for (pod, (allowed, unknown)) in [("c", without), ("d", with)] {
            assert_answers(
                &format!("{TWO_PODS}{ALIKE}"),
                &[Answer {
                    about,
                    manifests,
                    ends: [pod, "a"],
                    allowed,
                    unknown,
                }],
            );
        }
    }
}
