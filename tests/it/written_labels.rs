//! Labels that an admission controller may write: a verdict that rests on one of them is UNKNOWN,
//! and no other is.

use super::answers::{Answer, TWO_PODS, assert_answers};

/// What Kyverno writes onto what it matches.
fn kyverno(kinds: &str, mutation: &str) -> String {
    format!(
        "{{apiVersion: kyverno.io/v1, kind: ClusterPolicy, metadata: {{name: w}}, spec: {{rules: \
         [{{match: {{any: [{{resources: {kinds}}}]}}, mutate: {{patchStrategicMerge: \
         {mutation}}}}}]}}}}\n---\n"
    )
}

/// A policy of Kubernetes with this subject, and peers of its one rule.
fn policy(subject: &str, peer: &str) -> String {
    format!(
        "{{apiVersion: networking.k8s.io/v1, kind: NetworkPolicy, metadata: {{name: p, \
         namespace: one}}, spec: {{podSelector: {subject}, policyTypes: [Ingress], ingress: \
         [{{from: [{peer}]}}]}}}}"
    )
}

#[test]
fn a_verdict_that_rests_on_a_label_which_may_be_written_is_unknown() {
    const ALL: &str = "TCP all, UDP all, SCTP all";
    let pods = "{kinds: [Pod]}";
    let tier = kyverno(pods, "{metadata: {labels: {+(tier): web}}}");
    let app = kyverno(pods, "{metadata: {labels: {app: c}}}");
    let kept = kyverno(pods, "{metadata: {labels: {+(app): c}}}");
    let zone = kyverno("{kinds: [Namespace]}", "{metadata: {labels: {+(zone): x}}}");
    let elsewhere = kyverno(
        "{kinds: [Pod], namespaces: ['team-*']}",
        "{metadata: {labels: {tier: web}}}",
    );
    let here = kyverno(
        "{kinds: [v1/Pod], namespaces: ['o?e']}",
        "{metadata: {labels: {tier: web}}}",
    );
    let of_others = kyverno(
        "{kinds: [StatefulSet]}",
        "{spec: {template: {metadata: {labels: {tier: web}}}}}",
    );
    let on_objects = kyverno("{kinds: [Service]}", "{metadata: {labels: {tier: web}}}");
    let cilium = |peer: &str| {
        format!(
            "{{apiVersion: cilium.io/v2, kind: CiliumNetworkPolicy, metadata: {{name: p, \
             namespace: one}}, spec: {{endpointSelector: {{}}, ingress: [{{fromEndpoints: \
             [{peer}]}}]}}}}"
        )
    };
    let calico = |selector: &str| {
        format!(
            "{{apiVersion: projectcalico.org/v3, kind: NetworkPolicy, metadata: {{name: p, \
             namespace: one}}, spec: {{selector: all(), ingress: [{{action: Allow, source: \
             {{selector: \"{selector}\"}}}}]}}}}"
        )
    };
    let asked = "{podSelector: {matchLabels: {tier: web}}}";
    let table = [
        ("a peer", &tier, policy("{}", asked), "", ALL),
        (
            "a subject",
            &tier,
            policy(
                "{matchLabels: {tier: web}}",
                "{podSelector: {}, namespaceSelector: {matchLabels: {no: no}}}",
            ),
            "",
            ALL,
        ),
        (
            "whether the key is there",
            &tier,
            policy(
                "{}",
                "{podSelector: {matchExpressions: [{key: tier, operator: Exists}]}}",
            ),
            "",
            ALL,
        ),
        (
            "whether the key is not there",
            &tier,
            policy(
                "{}",
                "{podSelector: {matchExpressions: [{key: tier, operator: DoesNotExist}]}}",
            ),
            "",
            ALL,
        ),
        (
            "another label",
            &tier,
            policy("{}", "{podSelector: {matchLabels: {app: a}}}"),
            ALL,
            "",
        ),
        (
            "another label that is missing",
            &tier,
            policy("{}", "{podSelector: {matchLabels: {role: a}}}"),
            "",
            "",
        ),
        (
            "a label that is overwritten",
            &app,
            policy("{}", "{podSelector: {matchLabels: {app: a}}}"),
            "",
            ALL,
        ),
        (
            "the key of a label that is overwritten",
            &app,
            policy(
                "{}",
                "{podSelector: {matchExpressions: [{key: app, operator: Exists}]}}",
            ),
            ALL,
            "",
        ),
        (
            "a label that is there and stays",
            &kept,
            policy("{}", "{podSelector: {matchLabels: {app: a}}}"),
            ALL,
            "",
        ),
        (
            "a label of a namespace",
            &zone,
            policy("{}", "{namespaceSelector: {matchLabels: {zone: x}}}"),
            "",
            ALL,
        ),
        (
            "a label of pods that is only on namespaces",
            &zone,
            policy("{}", "{podSelector: {matchLabels: {zone: x}}}"),
            "",
            "",
        ),
        (
            "pods of other namespaces",
            &elsewhere,
            policy("{}", asked),
            "",
            "",
        ),
        (
            "pods of this namespace",
            &here,
            policy("{}", asked),
            "",
            ALL,
        ),
        (
            "pods of another kind",
            &of_others,
            policy("{}", asked),
            "",
            "",
        ),
        ("no pods", &on_objects, policy("{}", asked), "", ""),
        (
            "for Cilium",
            &tier,
            cilium("{matchLabels: {tier: web}}"),
            "",
            ALL,
        ),
        (
            "the key for Cilium",
            &tier,
            cilium("{matchExpressions: [{key: tier, operator: Exists}]}"),
            "",
            ALL,
        ),
        (
            "a label of a namespace for Cilium",
            &zone,
            cilium("{matchLabels: {'k8s:io.cilium.k8s.namespace.labels.zone': x}}"),
            "",
            ALL,
        ),
        ("for Calico", &tier, calico("tier == 'web'"), "", ALL),
        ("the key for Calico", &tier, calico("has(tier)"), "", ALL),
        (
            "another label for Calico",
            &tier,
            calico("app == 'a'"),
            ALL,
            "",
        ),
    ];
    for (about, written, policy, allowed, unknown) in table {
        let manifests = format!("{written}{policy}");
        let answer = Answer {
            about,
            manifests: manifests.leak(),
            ends: ["a", "b"],
            allowed,
            unknown,
        };
        assert_answers(TWO_PODS, &[answer]);
    }
}
