//! What no manifest says of a pod that somebody asks about: how its namespace is labelled, and
//! what it calls its ports.

use super::program::{run, scratch, write};

const PODS: &str = "{apiVersion: v1, kind: Pod, metadata: {name: web, namespace: shop, labels: {app: web}}, spec: {containers: [{name: c, ports: [{name: http, containerPort: 80}]}]}}
---
";

/// A question: what it is about, the manifests, both ends, the options, and the verdict.
type Question<'q> = (&'q str, String, [&'q str; 2], &'q [&'q str], &'q str);

fn assert_verdicts(name: &str, questions: &[Question<'_>]) {
    for (about, manifests, [from, to], options, verdict) in questions {
        let directory = scratch(&format!("untold-{name}"));
        write(&directory, "a.yaml", format!("{PODS}{manifests}"));
        let asked = run(&directory, &[&["reach", from, to], *options].concat());
        let first = asked.stdout.lines().next().unwrap_or_default();
        assert!(first.starts_with(verdict), "{about}: {asked:?}");
    }
}

#[test]
fn nobody_knows_the_labels_of_a_namespace_that_kubernetes_makes() {
    let to = |namespaces: &str| {
        format!(
            "{{apiVersion: networking.k8s.io/v1, kind: NetworkPolicy, metadata: {{name: p, namespace: shop}}, spec: {{podSelector: {{}},
             egress: [{{to: [{{namespaceSelector: {namespaces}}}]}}]}}}}\n"
        )
    };
    let resolver = ["shop/web", "kube-system/+k8s-app=kube-dns"];
    let labelled = to("{matchLabels: {kubernetes.io/cluster-service: 'true'}}");
    let by_name = to("{matchLabels: {kubernetes.io/metadata.name: kube-system}}");
    let declared = "---\n{apiVersion: v1, kind: Namespace, metadata: {name: kube-system}}\n";
    assert_verdicts(
        "labels",
        &[
            (
                "AKS sets the label",
                labelled.clone(),
                resolver,
                &[],
                "UNKNOWN",
            ),
            (
                "nobody sets this one",
                to("{matchLabels: {name: kube-system}}"),
                resolver,
                &[],
                "BLOCKED",
            ),
            (
                "a label that must be missing, and that a platform may set",
                to("{matchExpressions: [{key: control-plane, operator: DoesNotExist}]}"),
                resolver,
                &[],
                "UNKNOWN",
            ),
            (
                "a manifest says that it has none",
                labelled.clone() + declared,
                resolver,
                &[],
                "BLOCKED",
            ),
            ("the name is known", by_name, resolver, &[], "ALLOWED"),
        ],
    );
}

#[test]
fn nobody_knows_what_a_pod_that_no_manifest_declares_calls_its_ports() {
    let into = |selector: &str, ports: &str| {
        format!(
            "{{apiVersion: networking.k8s.io/v1, kind: NetworkPolicy, metadata: {{name: p, namespace: shop}}, spec: {{podSelector: {selector},
             ingress: [{{ports: [{ports}]}}]}}}}\n"
        )
    };
    let calico = |ports: &str| {
        format!(
            "{{apiVersion: projectcalico.org/v3, kind: NetworkPolicy, metadata: {{name: p, namespace: shop}}, spec: {{selector: all(),
             ingress: [{{action: Allow, protocol: TCP, destination: {{{ports}}}}}]}}}}\n"
        )
    };
    let new = ["shop/web", "shop/+app=api"];
    let by_name = into("{}", "{port: metrics}");
    assert_verdicts(
        "ports",
        &[
            ("a name", by_name.clone(), new, &["-p", "9090"], "UNKNOWN"),
            (
                "a name has one protocol",
                by_name.clone(),
                new,
                &["-p", "9090/udp"],
                "BLOCKED",
            ),
            (
                "a number beside the name",
                into("{}", "{port: metrics}, {port: 80}"),
                new,
                &["-p", "80"],
                "ALLOWED",
            ),
            (
                "a pod that is declared",
                by_name,
                ["shop/+", "shop/web"],
                &["-p", "9090"],
                "BLOCKED",
            ),
            (
                "a pod that is declared and calls it so",
                into("{}", "{port: http}"),
                ["shop/+", "shop/web"],
                &["-p", "80"],
                "ALLOWED",
            ),
            (
                "all ports but that of a name",
                calico("notPorts: [metrics]"),
                new,
                &["-p", "9090"],
                "UNKNOWN",
            ),
            (
                "all ports but a number",
                calico("notPorts: [9090]"),
                new,
                &["-p", "9091"],
                "ALLOWED",
            ),
        ],
    );
    let directory = scratch("untold-words");
    write(
        &directory,
        "a.yaml",
        format!("{PODS}{}", into("{}", "{port: metrics}")),
    );
    let asked = run(&directory, &["reach", "shop/web", "shop/+app=api"]);
    assert!(
        asked
            .stdout
            .contains("which port of +app=api a name in shop/p means: no manifest names its ports"),
        "{asked:?}"
    );
    assert!(!asked.stdout.contains("another tool"), "{asked:?}");
}

#[test]
fn a_namespace_is_there_that_a_policy_of_any_kind_names() {
    let policy = |api: &str, kind: &str, spec: &str| {
        format!(
            "{{apiVersion: {api}, kind: {kind}, metadata: {{name: p, namespace: shop}}, spec: {spec}}}\n"
        )
    };
    let cilium = |labels: &str| {
        let spec = format!(
            "{{endpointSelector: {{}}, ingress: [{{fromEndpoints: [{{matchLabels: {labels}}}]}}]}}"
        );
        policy("cilium.io/v2", "CiliumNetworkPolicy", &spec)
    };
    let calico = |source: &str| {
        let spec = format!(
            "{{selector: all(), types: [Ingress], ingress: [{{action: Allow, source: {source}}}]}}"
        );
        policy("projectcalico.org/v3", "NetworkPolicy", &spec)
    };
    let edge = ["edge/+app=proxy", "shop/web"];
    assert_verdicts(
        "named",
        &[
            (
                "Cilium, by the label of the namespace",
                cilium("{'k8s:io.kubernetes.pod.namespace': edge, app: proxy}"),
                edge,
                &[],
                "ALLOWED",
            ),
            (
                "Cilium, by a label of the Namespace",
                cilium(
                    "{'io.cilium.k8s.namespace.labels.kubernetes.io/metadata.name': edge, app: other}",
                ),
                edge,
                &[],
                "BLOCKED",
            ),
            (
                "Calico",
                calico("{namespaceSelector: projectcalico.org/name == 'edge'}"),
                edge,
                &[],
                "ALLOWED",
            ),
        ],
    );
    let directory = scratch("untold-nowhere");
    let misspelt = cilium("{'k8s:io.kubernetes.pod.namespace': egde}");
    write(&directory, "a.yaml", format!("{PODS}{misspelt}"));
    let asked = run(&directory, &["reach", edge[0], edge[1]]);
    assert_eq!(asked.status, 2, "{asked:?}");
    assert!(asked.stderr.contains("no namespace `edge`"), "{asked:?}");
}
