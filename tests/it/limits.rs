//! Questions that are too large: a limit that is named, and never a green answer.
//!
//! Refuses to measure time: what a limit is for is in `docs/performance.md`.

use crate::program::{Run, run, scratch, write};
use std::fmt::Write as _;
use std::fs;

/// Cluster-wide policies of one priority, every second of which denies what the others accept.
fn contradicting_policies(count: usize) -> String {
    let mut text = String::new();
    for number in 0..count {
        let action = ["Accept", "Deny"][number % 2];
        writeln!(
            text,
            "---\n\
             apiVersion: policy.networking.k8s.io/v1alpha2\n\
             kind: ClusterNetworkPolicy\n\
             metadata: {{name: policy-{number}}}\n\
             spec:\n  \
               tier: Admin\n  \
               priority: 5\n  \
               subject: {{namespaces: {{}}}}\n  \
               ingress: [{{action: {action}, from: [{{namespaces: {{}}}}]}}]"
        )
        .unwrap();
    }
    text
}

fn lint(directory: &std::path::Path) -> Run {
    let rule = "admin-priority-conflict";
    run(directory, &["lint", "-o", "concise", "--select", rule, "."])
}

#[test]
fn policies_that_all_contradict_each_other_are_compared_up_to_a_limit() {
    let directory = scratch("limit-of-conflicts");
    write(&directory, "policies.yaml", contradicting_policies(20));
    let few = lint(&directory);
    assert_eq!(few.stdout.lines().count(), 100, "{few:?}");
    assert_eq!(few.status, 1, "{few:?}");

    write(&directory, "policies.yaml", contradicting_policies(160));
    let many = lint(&directory);
    assert!(many.stdout.contains("contradict each other"), "{many:?}");
    let limit = "`admin-priority-conflict`: 160 cluster-wide policy objects of one priority are \
                 too many to compare all of their rules";
    assert!(many.stderr.contains(limit), "{}", many.stderr);
    assert_eq!(many.status, 2);
}

/// Policies of one namespace about the same pods, whose peers each ask `asked` of another label:
/// all may have pods in common, and none covers another one.
fn policies_that_may_cover_each_other(count: usize, asked: &str) -> String {
    let mut text = String::new();
    for number in 0..count {
        writeln!(
            text,
            "---\n\
             apiVersion: networking.k8s.io/v1\n\
             kind: NetworkPolicy\n\
             metadata: {{name: policy-{number}, namespace: shop}}\n\
             spec:\n  \
               podSelector: {{}}\n  \
               ingress: [{{from: [{{podSelector: {{matchExpressions: \
                 [{{key: key-{number}, {asked}}}]}}}}]}}]"
        )
        .unwrap();
    }
    text
}

#[test]
fn rules_that_may_all_cover_each_other_are_compared_up_to_a_limit() {
    let directory = scratch("limit-of-redundancy");
    let lint = |count, asked| {
        // A rule that is written twice.
        let twice = "apiVersion: networking.k8s.io/v1\n\
             kind: NetworkPolicy\n\
             metadata: {name: twice, namespace: other}\n\
             spec:\n  \
               podSelector: {}\n  \
               ingress:\n  \
               - from: [{podSelector: {matchLabels: {app: web}}}]\n  \
               - from: [{podSelector: {matchLabels: {app: web}}}]\n";
        let text = format!(
            "{twice}---\n{}",
            policies_that_may_cover_each_other(count, asked)
        );
        write(&directory, "policies.yaml", text);
        let rule = "redundant-rule";
        run(
            &directory,
            &["lint", "-o", "concise", "--select", rule, "."],
        )
    };
    let few = lint(10, "operator: NotIn, values: [a]");
    assert_eq!(few.status, 0, "{few:?}");
    assert_eq!(few.stdout.lines().count(), 1, "{few:?}");

    // A pod with one of the labels is let in by one of them alone.
    let easy = lint(400, "operator: Exists");
    assert_eq!((easy.status, &easy.stdout), (0, &few.stdout), "{easy:?}");

    let many = lint(400, "operator: NotIn, values: [a]");
    let limit = "`redundant-rule`: namespace `shop` has too many similar rules to compare all of \
                 them";
    assert!(many.stderr.contains(limit), "{}", many.stderr);
    assert_eq!(many.status, 2);
    // Other namespaces are compared all the same.
    assert_eq!(many.stdout, few.stdout);
}

/// Peers that match nothing, and pods that are not meant by any of them.
fn peers_for_nobody(peers: usize, pods: usize) -> String {
    let mut text = String::from(
        "apiVersion: networking.k8s.io/v1\n\
         kind: NetworkPolicy\n\
         metadata: {name: policy, namespace: shop}\n\
         spec:\n  \
           podSelector: {}\n  \
           ingress:\n  \
           - from:\n",
    );
    for number in 0..peers {
        writeln!(
            text,
            "    - podSelector: {{matchLabels: {{app: web{number}}}}}"
        )
        .unwrap();
    }
    for number in 0..pods {
        writeln!(
            text,
            "---\n\
             apiVersion: v1\n\
             kind: Pod\n\
             metadata: {{name: pod-{number}, namespace: shop, labels: {{number: x{number}}}}}"
        )
        .unwrap();
    }
    text
}

#[test]
fn what_selectors_were_meant_for_is_looked_for_up_to_a_limit() {
    let directory = scratch("limit-of-near-misses");
    let lint = |peers, pods| {
        write(&directory, "all.yaml", peers_for_nobody(peers, pods));
        let rule = "unmatched-peer-selector";
        run(
            &directory,
            &["lint", "-o", "concise", "--select", rule, "."],
        )
    };
    let limit = "`unmatched-peer-selector`: too many selectors match nothing to look for what all \
                 of them were meant for";
    let few = lint(30, 30);
    assert!(!few.stderr.contains(limit), "{}", few.stderr);
    assert_ne!(few.status, 2, "{few:?}");

    let many = lint(1_400, 900);
    assert!(many.stderr.contains(limit), "{}", many.stderr);
    assert_eq!(many.status, 2);
}

/// Policies for labels that a pod has with another letter in the key.
fn labels_written_otherwise(count: usize) -> String {
    let mut text = String::new();
    for number in 0..count {
        writeln!(
            text,
            "apiVersion: networking.k8s.io/v1\n\
             kind: NetworkPolicy\n\
             metadata: {{name: policy-{number}, namespace: shop}}\n\
             spec: {{podSelector: {{matchLabels: {{kex{number}: a}}}}}}\n\
             ---"
        )
        .unwrap();
    }
    text.push_str(
        "apiVersion: v1\nkind: Pod\nmetadata:\n  name: pod\n  namespace: shop\n  labels:\n",
    );
    for number in 0..count {
        writeln!(text, "    key{number}: a").unwrap();
    }
    text
}

#[test]
fn labels_of_one_pod_count_as_those_of_many() {
    let directory = scratch("limit-of-near-keys");
    let lint = |count| {
        write(&directory, "all.yaml", labels_written_otherwise(count));
        let rule = "unmatched-pod-selector";
        run(
            &directory,
            &["lint", "-o", "concise", "--select", rule, "."],
        )
    };
    let limit = "`unmatched-pod-selector`: too many selectors match nothing to look for what all \
                 of them were meant for";
    let few = lint(30);
    assert!(!few.stderr.contains(limit), "{}", few.stderr);

    let many = lint(1_600);
    assert!(many.stderr.contains(limit), "{}", many.stderr);
    assert_eq!(many.status, 2);
}

/// What is found only once other things are fixed was there all the time.
#[test]
fn what_a_limit_hides_keeps_no_fix_back() {
    let directory = scratch("limit-and-fixes");
    write(&directory, "all.yaml", labels_written_otherwise(1_600));
    let rule = "unmatched-pod-selector";
    let fix = ["lint", "--fix=all", "--select", rule, "."];
    let fixed = run(&directory, &fix);
    assert!(!fixed.stderr.contains("new error"), "{}", fixed.stderr);
    let text = fs::read_to_string(directory.join("all.yaml")).unwrap();
    let left = text.matches("{kex").count();
    assert!(left < 1_000, "{left} of 1,600 are left");
}

/// A policy of Calico's with rules for different labels, of which none decides what another one
/// matches.
fn calico_rules(count: usize) -> String {
    let mut text = String::from(
        "apiVersion: projectcalico.org/v3\n\
         kind: GlobalNetworkPolicy\n\
         metadata: {name: policy}\n\
         spec:\n  \
           selector: all()\n  \
           ingress:\n",
    );
    for number in 0..count {
        writeln!(
            text,
            "  - {{action: Allow, source: {{selector: \"number == 'x{number}'\"}}}}"
        )
        .unwrap();
    }
    text
}

#[test]
fn rules_of_calico_are_compared_with_those_before_up_to_a_limit() {
    let directory = scratch("limit-of-shadows");
    let lint = |count| {
        write(&directory, "all.yaml", calico_rules(count));
        let rule = "calico-shadowed-by-order";
        let select = [
            "lint", "-o", "concise", "--cni", "calico", "--select", rule, ".",
        ];
        run(&directory, &select)
    };
    let limit = "`calico-shadowed-by-order`: Calico's rules are too many to compare each with all \
                 before it";
    let few = lint(100);
    assert!(!few.stderr.contains(limit), "{}", few.stderr);
    assert_eq!(few.status, 0, "{few:?}");

    let many = lint(3_300);
    assert!(many.stderr.contains(limit), "{}", many.stderr);
    assert_eq!(many.status, 2);
}

#[test]
fn a_file_of_tests_compares_ends_up_to_a_limit() {
    let directory = scratch("limit-of-tests");
    let mut pods = String::new();
    for number in 0..4_600 {
        let meta = format!("{{name: pod-{number}, namespace: shop, labels: {{app: web}}}}");
        writeln!(pods, "---\n{{apiVersion: v1, kind: Pod, metadata: {meta}}}").unwrap();
    }
    write(&directory, "k8s/pods.yaml", pods);
    let test = |ends: &str| {
        let text = format!("tests:\n  - name: open\n    allow: {{{ends}, ports: [80]}}\n");
        write(&directory, "flows.yaml", text);
        run(&directory, &["test", "--tests", "flows.yaml", "k8s"])
    };
    let few = test("from: shop/pod-1, to: shop/*");
    assert_eq!(few.status, 0, "{few:?}");

    let many = test("from: shop/*, to: shop/*");
    let limit = "the tests compare more than 20000000 pairs of ends: ask for fewer ends";
    assert!(many.stdout.contains(limit), "{many:?}");
    assert_eq!(many.status, 2);
}

/// A cell of a table that is longer than a format can pad.
#[test]
fn ports_without_end_make_no_table_that_cannot_be_printed() {
    let directory = scratch("limit-of-cells");
    let ports: String = (0..12_000)
        .map(|number| format!("    - port: {}\n", 2 * number + 1))
        .collect();
    let text = format!(
        "apiVersion: networking.k8s.io/v1\n\
         kind: NetworkPolicy\n\
         metadata: {{name: policy, namespace: shop}}\n\
         spec:\n  \
           podSelector: {{}}\n  \
           ingress:\n  \
           - ports:\n{ports}\
         ---\n\
         apiVersion: v1\n\
         kind: Pod\n\
         metadata: {{name: web, namespace: shop}}\n\
         spec: {{containers: [{{name: web, image: web}}]}}\n"
    );
    write(&directory, "policies.yaml", text);
    let exposure = run(&directory, &["exposure", "."]);
    assert_eq!(exposure.status, 0, "{}", exposure.stderr);
    assert!(exposure.stdout.contains("web"), "{:.400}", exposure.stdout);
}

/// Pods that are all told of one Service and kept from the pods behind it.
fn pods_cut_off(count: usize) -> String {
    let mut text = "apiVersion: v1\nkind: Service\nmetadata: {name: db, namespace: shop}\n\
         spec: {selector: {app: db}, ports: [{port: 80}]}\n"
        .to_owned();
    for number in 0..count {
        writeln!(
            text,
            "---\napiVersion: v1\nkind: Pod\nmetadata: {{name: web-{number}, namespace: shop, \
             labels: {{web: x{number}}}}}\nspec: {{containers: [{{name: c, image: x, env: \
             [{{name: DB, value: 'http://db:80'}}]}}]}}\n\
             ---\napiVersion: v1\nkind: Pod\nmetadata: {{name: db-{number}, namespace: shop, \
             labels: {{app: db}}}}\nspec: {{containers: [{{name: c, image: x}}]}}\n\
             ---\napiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata: {{name: \
             policy-{number}, namespace: shop}}\nspec: {{podSelector: {{matchLabels: {{web: \
             x{number}}}}}, policyTypes: [Egress]}}"
        )
        .unwrap();
    }
    text
}

#[test]
fn pods_that_are_cut_off_are_judged_up_to_a_limit() {
    let directory = scratch("limit-of-judgements");
    let lint = |count| {
        write(&directory, "pods.yaml", pods_cut_off(count));
        let rule = "service-cut-off";
        run(
            &directory,
            &["lint", "-o", "concise", "--select", rule, "."],
        )
    };
    let few = lint(20);
    assert_eq!(few.stdout.lines().count(), 20, "{few:?}");
    assert_eq!(few.status, 1, "{few:?}");
    let many = lint(170);
    let limit =
        "`service-cut-off`: policies close so many pairs of pods that not all were looked at";
    assert!(many.stderr.contains(limit), "{}", many.stderr);
    assert_eq!(many.status, 2);
}

/// Services with one label and pods behind each, and policies of Cilium that all name them by it.
fn policies_of_services(count: usize) -> String {
    let mut text = "apiVersion: v1\nkind: Pod\nmetadata: {name: other, namespace: shop, labels: {app: other}}\nspec: {containers: []}\n".to_owned();
    for number in 0..count {
        writeln!(
            text,
            "---\n\
             apiVersion: v1\n\
             kind: Service\n\
             metadata: {{name: service-{number}, namespace: shop, labels: {{team: all}}}}\n\
             spec: {{selector: {{app: app-{number}}}}}\n\
             ---\n\
             apiVersion: cilium.io/v2\n\
             kind: CiliumNetworkPolicy\n\
             metadata: {{name: policy-{number:03}, namespace: shop}}\n\
             spec:\n  \
               endpointSelector: {{matchLabels: {{app: app-{number}}}}}\n  \
               egress:\n  \
               - toServices: [{{k8sServiceSelector: {{selector: {{matchLabels: {{team: all}}}}}}}}]\n\
             ---\n\
             apiVersion: v1\n\
             kind: Pod\n\
             metadata: {{name: pod-{number}, namespace: shop, labels: {{app: app-{number}}}}}\n\
             spec: {{containers: []}}"
        )
        .unwrap();
    }
    text
}

/// What is beyond it is UNKNOWN, and nothing else is.
#[test]
fn services_that_policies_of_cilium_name_are_looked_up_up_to_a_limit() {
    let directory = scratch("limit-of-services");
    let ask = |count, from: &str, to: &str| {
        write(&directory, "all.yaml", policies_of_services(count));
        let (from, to) = (format!("shop/{from}"), format!("shop/{to}"));
        run(&directory, &["reach", "--cni", "cilium", &from, &to, "."])
    };
    let limit = "unknown: `toServices` of shop/CiliumNetworkPolicy/policy-250 and 29 more: the \
                 Services that policies name by it are too many to look up all of them";
    let few = ask(20, "pod-19", "pod-3");
    assert_eq!(few.status, 0, "{few:?}");
    assert!(!few.stderr.contains("toServices"), "{}", few.stderr);
    // 280 policies of 280 Services each, and 65,536 + 16 · 280 of these are looked up.
    for (from, to, answer) in [
        ("pod-0", "other", "BLOCKED"),
        ("pod-279", "pod-0", "UNKNOWN"),
    ] {
        let many = ask(280, from, to);
        assert!(many.stdout.starts_with(answer), "{from} {to} {many:?}");
        assert_eq!(many.status, 2, "{from} {to} {many:?}");
        assert!(many.stderr.contains(limit), "{}", many.stderr);
    }
    let rule = "cilium-service-port";
    let lint = run(
        &directory,
        &["lint", "--cni", "cilium", "--select", rule, "."],
    );
    assert_eq!(lint.status, 2, "{lint:?}");
    assert!(lint.stderr.contains(limit), "{}", lint.stderr);
}
