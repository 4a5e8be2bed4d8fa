//! What is there and cannot be read: no verdict rests on what it may say.

use super::program::{run, scratch, write};

const PODS: &str = "
{apiVersion: v1, kind: Namespace, metadata: {name: one}}
---
{apiVersion: v1, kind: Pod, metadata: {name: a, namespace: one, labels: {app: a}}, spec: {containers: [{name: c}]}}
---
{apiVersion: v1, kind: Pod, metadata: {name: b, namespace: one, labels: {app: b}}, spec: {containers: [{name: c}]}}
---
{apiVersion: v1, kind: Namespace, metadata: {name: two}}
---
{apiVersion: v1, kind: Pod, metadata: {name: c, namespace: two, labels: {app: c}}, spec: {containers: [{name: c}]}}
---
{apiVersion: v1, kind: Pod, metadata: {name: d, namespace: two, labels: {app: d}}, spec: {containers: [{name: c}]}}
";

/// The first words of what `reach` says of the pods of namespaces `one` and `two`, beside a file.
fn verdicts(name: &str, broken: &str) -> [String; 2] {
    let directory = scratch(&format!("unread-{name}"));
    write(&directory, "pods.yaml", PODS);
    write(&directory, "broken.yaml", broken);
    [["one/b", "one/a"], ["two/d", "two/c"]].map(|[from, to]| {
        let output = run(&directory, &["reach", from, to, "-p", "80", "."]);
        // Not everything was analysed.
        assert_eq!(output.status, 2, "{name}: {}", output.stderr);
        let word = output.stdout.split(' ').next().unwrap_or_default();
        word.to_owned()
    })
}

#[test]
fn a_policy_that_cannot_be_read_may_isolate_the_pods_of_its_namespace() {
    let policy = |namespace: &str, rest: &str| {
        format!(
            "apiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata:\n  name: p\n{namespace}\
             spec:\n  podSelector: {{}}\n  policyTypes: [Ingress]\n{rest}"
        )
    };
    let in_one = "  namespace: one\n";
    let cases = [
        ("tab", policy(in_one, "  ingress:\n\t- from: []\n")),
        ("colon", policy(in_one, "  ingress: a: b\n")),
        ("quote", policy(in_one, "  ingress: \"\n")),
        ("alias", policy(in_one, "  ingress: *nobody\n")),
        (
            "conflict",
            policy(
                in_one,
                "<<<<<<< ours\n  ingress: []\n=======\n>>>>>>> theirs\n",
            ),
        ),
    ];
    for (name, text) in cases {
        assert_eq!(verdicts(name, &text), ["UNKNOWN", "ALLOWED"], "{text}");
    }
    // kubectl refuses the document of a directive, and what stands before and behind such a line.
    let whole = policy(in_one, "");
    for (name, text) in [
        ("yaml", format!("%YAML 1.1\n---\n{whole}")),
        ("comment", format!("# x\n%YAML 1.2\n# y\n---\n{whole}")),
        ("tag", format!("%TAG ! tag:example.org,2026:\n---\n{whole}")),
        ("behind", format!("{whole}---x\n")),
        ("dashes", format!("{whole}-----\n# nothing\n")),
        ("before", format!("---x\n{whole}")),
        ("braces", format!("{whole}---{{}}\n")),
    ] {
        assert_eq!(verdicts(name, &text), ["UNKNOWN", "ALLOWED"], "{text}");
    }
    // One that names no namespace is in `default`.
    let homeless = policy("", "  ingress: a: b\n");
    assert_eq!(verdicts("default", &homeless), ["ALLOWED"; 2]);
}

#[test]
fn policies_of_which_nobody_knows_the_namespace_may_be_in_any() {
    let list = "{\"apiVersion\": \"v1\", \"kind\": \"List\", \"items\": [\n\
                {\"apiVersion\": \"networking.k8s.io/v1\", \"kind\": \"NetworkPolicy\", \"metadata\":\n";
    assert_eq!(verdicts("json", list), ["UNKNOWN"; 2]);
    let of_the_cluster = "apiVersion: policy.networking.k8s.io/v1alpha1\nkind: AdminNetworkPolicy\n\
                          metadata: {name: p}\nspec: a: b\n";
    assert_eq!(verdicts("cluster", of_the_cluster), ["UNKNOWN"; 2]);
}

#[test]
fn what_holds_no_policy_leaves_verdicts_alone() {
    let pod = "apiVersion: apps/v1\nkind: Deployment\nmetadata:\n  name: e\n  namespace: one\nspec: a: b\n";
    assert_eq!(verdicts("pod", pod), ["ALLOWED"; 2]);
}

#[test]
fn a_file_that_kustomize_cannot_read_is_a_part_of_the_build_that_is_not_known() {
    let directory = scratch("unread-build");
    write(
        &directory,
        "base/kustomization.yaml",
        "resources: [pods.yaml, policies.yaml]\n",
    );
    write(&directory, "base/pods.yaml", PODS);
    let policies = "{apiVersion: networking.k8s.io/v1, kind: NetworkPolicy, metadata: {name: p, namespace: one},
  spec: {podSelector: {matchLabels: {app: a}}, policyTypes: [Ingress]}}
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: q, namespace: one}
spec: {podSelector: {}
";
    write(&directory, "base/policies.yaml", policies);
    let patch = "resources: [../base]
patches:
- target: {kind: NetworkPolicy, name: p}
  patch: |
    - {op: add, path: /metadata/labels, value: {team: a}}
";
    write(&directory, "overlay/kustomization.yaml", patch);
    let output = run(&directory, &["reach", "one/b", "one/a", "-p", "80", "."]);
    assert!(output.stdout.starts_with("UNKNOWN"), "{}", output.stdout);
    assert!(
        output.stdout.contains("base/policies.yaml"),
        "{}",
        output.stdout
    );
    // The patch may well have something to change.
    let found = run(&directory, &["lint", "-o", "concise", "."]).stdout;
    let rules: Vec<&str> = found
        .lines()
        .filter_map(|line| line.split(' ').nth(2))
        .collect();
    assert_eq!(rules, ["broken-build"], "{found}");
}

#[test]
fn a_selector_that_matches_nothing_may_mean_a_pod_that_cannot_be_read() {
    let directory = scratch("unread-selected");
    write(&directory, "pods.yaml", PODS);
    let policy = "{apiVersion: networking.k8s.io/v1, kind: NetworkPolicy, metadata: {name: p, namespace: one},
  spec: {podSelector: {matchLabels: {app: e}}, policyTypes: [Ingress]}}
";
    write(&directory, "policy.yaml", policy);
    let found = || run(&directory, &["lint", "-o", "concise", "."]).stdout;
    assert!(found().contains("unmatched-pod-selector"), "{}", found());
    let pod = "apiVersion: apps/v1\nkind: Deployment\nmetadata:\n  name: e\n  namespace: one\nspec: a: b\n";
    write(&directory, "pod.yaml", pod);
    assert!(!found().contains("unmatched-pod-selector"), "{}", found());
}

#[test]
fn of_two_definitions_of_one_policy_none_allows_anything_for_certain() {
    let directory = scratch("unread-twice");
    write(&directory, "pods.yaml", PODS);
    let policy = |port: u16| {
        format!(
            "{{apiVersion: networking.k8s.io/v1, kind: NetworkPolicy, metadata: {{name: p, namespace: one}},
 spec: {{podSelector: {{}}, policyTypes: [Ingress], ingress: [{{ports: [{{port: {port}}}]}}]}}}}
---
"
        )
    };
    let both = format!("{}{}", policy(80), policy(81));
    write(&directory, "policies.yaml", both);
    let asked = |from: &str| {
        let reached = run(&directory, &["reach", from, "one/a", "-p", "80", "."]);
        reached
            .stdout
            .split(' ')
            .next()
            .unwrap_or_default()
            .to_owned()
    };
    assert_eq!(asked("two/c"), "UNKNOWN");
    let graph = run(
        &directory,
        &["graph", "--from", "two/c", "--to", "one/a", "."],
    );
    let flows: Vec<&str> = graph
        .stdout
        .lines()
        .filter(|line| line.contains("->"))
        .collect();
    assert_eq!(
        flows,
        ["two/Pod/c -> one/Pod/a  unknown: all ports"],
        "{}",
        graph.stdout
    );
}

/// Each part of a conflict may stand alone in its document, where git put `---` between them.
#[test]
fn every_part_of_a_merge_conflict_is_told_as_one() {
    let policy = "apiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata: {name: p}\nspec:\n  podSelector: {}\n";
    for (name, parts) in [
        ("start", vec!["<<<<<<< ours\n", ""]),
        ("middle", vec!["", "=======\n"]),
        ("end", vec!["", ">>>>>>> theirs\n"]),
        (
            "all",
            vec!["<<<<<<< ours\n", "=======\n", ">>>>>>> theirs\n"],
        ),
        ("behind-text", vec!["  a: b\n>>>>>>> theirs\n"]),
        ("behind-item", vec!["  a:\n    - b\n>>>>>>> theirs\n"]),
    ] {
        let directory = scratch(&format!("conflict-{name}"));
        let documents: Vec<String> = parts.iter().map(|part| format!("{policy}{part}")).collect();
        write(&directory, "p.yaml", documents.join("---\n"));
        let found = run(&directory, &["lint", "-q", "-o", "concise", "."]).stdout;
        let errors = found.lines().filter(|line| line.contains("yaml-error"));
        let expected = parts.iter().filter(|part| !part.is_empty()).count();
        let said = "a merge conflict was left in this document";
        assert_eq!(errors.clone().count(), expected, "{name}: {found}");
        assert!(
            errors.clone().all(|line| line.contains(said)),
            "{name}: {found}"
        );
    }
}
