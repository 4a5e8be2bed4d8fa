//! What `npcheck lint` does beyond finding: configuration, scopes, fixes on disk, baselines.

use crate::program::{run, scratch, write};
use std::fs;
use std::path::Path;

/// A policy whose one rule is ignored: the fix narrows.
const IGNORED: &str = "apiVersion: networking.k8s.io/v1\r\nkind: NetworkPolicy\r\nmetadata: {name: web, namespace: shop}\r\nspec:\r\n  podSelector: {}\r\n  policyTypes:\r\n    - Ingress  # and more\r\n  egress:\r\n    - ports: [{protocol: UDP, port: 53}]";
/// A pod that the policy selects.
const POD: &str = "apiVersion: v1\nkind: Pod\nmetadata: {name: web, namespace: shop, labels: {app: web}}\nspec: {containers: [{name: web, image: web}]}\n";
/// A value that the API server refuses: the fix is safe.
const REFUSED: &str = "apiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata: {name: db, namespace: db}\nspec:\n  podSelector: {}\n  ingress:\n    - ports:\n        - {protocol: tcp, port: 5432}\n";

/// The rules of findings in the concise form, `place severity rule message`.
fn rules(stdout: &str) -> Vec<&str> {
    stdout
        .lines()
        .filter_map(|line| line.split_whitespace().nth(2))
        .collect()
}

fn shop(name: &str) -> std::path::PathBuf {
    let directory = scratch(name);
    write(&directory, "web.yaml", IGNORED);
    write(&directory, "pod.yaml", POD);
    write(&directory, "db.yaml", REFUSED);
    directory
}

fn read(directory: &Path, name: &str) -> String {
    fs::read_to_string(directory.join(name)).unwrap()
}

#[cfg(unix)]
#[test]
fn a_fixed_file_keeps_its_mode() {
    use std::os::unix::fs::PermissionsExt;
    let directory = shop("fix-mode");
    let path = directory.join("db.yaml");
    fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
    let fixed = run(&directory, &["lint", "--fix", "-o", "concise"]);
    assert_eq!(read(&directory, "db.yaml"), REFUSED.replace("tcp", "TCP"));
    let kept = fs::metadata(&path).unwrap().permissions().mode();
    assert_eq!(kept & 0o777, 0o640, "{fixed:?}");
}

#[test]
fn plain_fix_changes_no_connectivity_and_narrowing_says_what_it_closes() {
    let directory = shop("fix");
    let safe = run(&directory, &["lint", "--fix", "-o", "concise"]);
    assert_eq!(
        read(&directory, "db.yaml"),
        REFUSED.replace("tcp", "TCP"),
        "{safe:?}"
    );
    assert_eq!(
        read(&directory, "web.yaml"),
        IGNORED,
        "a narrowing fix was not asked for"
    );
    assert_eq!(safe.status, 1, "the other finding stands: {safe:?}");

    let narrowing = run(&directory, &["lint", "--fix=narrowing", "-o", "concise"]);
    let expected = IGNORED.replace(
        "    - Ingress  # and more\r\n",
        "    - Ingress  # and more\r\n    - Egress\r\n",
    );
    assert_eq!(read(&directory, "web.yaml"), expected, "{narrowing:?}");
    assert!(
        narrowing.stderr.contains("closes shop/Pod/web -> "),
        "{narrowing:?}"
    );
    assert!(!narrowing.stderr.contains("opens"), "{narrowing:?}");

    let again = run(&directory, &["lint", "--fix=narrowing", "-o", "concise"]);
    assert_eq!(
        read(&directory, "web.yaml"),
        expected,
        "a second run changes nothing: {again:?}"
    );
    assert!(!again.stderr.contains("fixed"), "{again:?}");
}

/// What two clusters have in common is told once.
#[test]
fn what_fixes_close_in_several_clusters_alike_is_told_once() {
    let directory = shop("fix-twice");
    let base = "resources: [web.yaml, db.yaml, pod.yaml]\n";
    for name in ["web.yaml", "db.yaml", "pod.yaml"] {
        write(&directory, &format!("base/{name}"), read(&directory, name));
        fs::remove_file(directory.join(name)).unwrap();
    }
    write(&directory, "base/kustomization.yaml", base);
    for name in ["dev", "prod"] {
        let overlay = "resources: [../base]\n";
        write(&directory, &format!("{name}/kustomization.yaml"), overlay);
    }
    let shown = run(&directory, &["lint", "--diff", "--fix=narrowing"]);
    let lines = shown.stderr.lines();
    let closed: Vec<&str> = lines.filter(|it| it.starts_with("  closes ")).collect();
    let once: std::collections::BTreeSet<&str> = closed.iter().copied().collect();
    assert!(!closed.is_empty(), "{shown:?}");
    assert_eq!(closed.len(), once.len(), "{shown:?}");
}

#[test]
fn diff_shows_the_change_and_writes_nothing() {
    let directory = shop("diff");
    let shown = run(&directory, &["lint", "--diff", "--fix=all"]);
    assert_eq!(shown.status, 1, "{shown:?}");
    assert!(shown.stdout.contains("+    - Egress"), "{shown:?}");
    assert!(
        shown
            .stdout
            .contains("-        - {protocol: tcp, port: 5432}"),
        "{shown:?}"
    );
    assert_eq!(read(&directory, "web.yaml"), IGNORED);
    assert_eq!(read(&directory, "db.yaml"), REFUSED);
    let nothing = run(&directory, &["lint", "--diff", "pod.yaml"]);
    assert_eq!(
        (nothing.status, nothing.stdout.as_str()),
        (0, ""),
        "{nothing:?}"
    );
}

#[test]
fn a_baseline_leaves_only_what_is_new() {
    let directory = shop("baseline");
    let written = run(&directory, &["lint", "--write-baseline", "known.json"]);
    assert_eq!(written.status, 0, "{written:?}");
    let known = run(
        &directory,
        &["lint", "--baseline", "known.json", "-o", "concise"],
    );
    assert_eq!((known.status, known.stdout.as_str()), (0, ""), "{known:?}");
    assert!(known.stderr.contains("in the baseline"), "{known:?}");

    // Lines move, a mistake comes, a mistake goes.
    write(&directory, "web.yaml", format!("# moved\r\n\r\n{IGNORED}"));
    write(
        &directory,
        "new.yaml",
        REFUSED.replace("name: db", "name: new"),
    );
    fs::remove_file(directory.join("db.yaml")).unwrap();
    let new = run(
        &directory,
        &["lint", "--baseline", "known.json", "-o", "concise"],
    );
    assert_eq!(new.status, 1, "{new:?}");
    assert_eq!(rules(&new.stdout), ["invalid-value"], "{new:?}");
    assert!(new.stdout.starts_with("new.yaml"), "{new:?}");
    assert!(
        new.stderr.contains("no longer found"),
        "stale entries are reported: {new:?}"
    );
}

#[test]
fn the_configuration_says_what_counts_and_where_it_comes_from() {
    let directory = shop("configuration");
    write(
        &directory,
        "npcheck.yaml",
        "rules:\n  ignored-rules: {severity: off, reason: switched on elsewhere}\n  invalid-value: info\n",
    );
    let linted = run(&directory, &["lint", "-o", "concise"]);
    assert_eq!(linted.status, 0, "{linted:?}");
    assert!(linted.stdout.contains("info invalid-value"), "{linted:?}");
    assert!(!linted.stdout.contains("ignored-rules"), "{linted:?}");
    let shown = run(&directory, &["config"]);
    assert_eq!(shown.status, 0, "{shown:?}");
    assert!(
        shown
            .stdout
            .contains("  invalid-value: info  # npcheck.yaml\n"),
        "{shown:?}"
    );
    assert!(
        shown.stdout.contains("  accidental-or: error  # default\n"),
        "{shown:?}"
    );
    assert!(
        shown.stdout.contains(
            "  ignored-rules: {severity: off, reason: \"switched on elsewhere\"}  # npcheck.yaml\n"
        ),
        "{shown:?}"
    );
    let without = run(&directory, &["lint", "--no-config", "-o", "concise"]);
    assert_eq!(without.status, 1, "{without:?}");

    write(&directory, "npcheck.yaml", "rules:\n  ignored-rule: info\n");
    let wrong = run(&directory, &["lint"]);
    assert_eq!(wrong.status, 2, "{wrong:?}");
    assert!(
        wrong.stderr.contains(
            "npcheck.yaml:2:3: there is no rule `ignored-rule`; did you mean `ignored-rules`?"
        ),
        "{wrong:?}"
    );
}

#[test]
fn a_scope_is_a_cluster_of_its_own() {
    let directory = scratch("scopes");
    let policy = "apiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata: {name: carts, namespace: shop}\nspec:\n  podSelector: {matchLabels: {app: cart}}\n  ingress: []\n";
    let pod = "apiVersion: v1\nkind: Pod\nmetadata: {name: carts, namespace: shop, labels: {app: carts}}\nspec: {containers: [{name: carts, image: carts}]}\n";
    write(&directory, "prod/policy.yaml", policy);
    write(&directory, "dev/pod.yaml", pod);
    let one = run(&directory, &["lint", "-o", "concise"]);
    assert!(
        one.stdout.contains("error unmatched-pod-selector"),
        "{one:?}"
    );
    write(
        &directory,
        "npcheck.yaml",
        "scopes:\n  - {name: prod, paths: [\"prod/**\"]}\n  - {name: dev, paths: [\"dev/**\"]}\n",
    );
    let two = run(&directory, &["lint", "-o", "concise"]);
    assert!(!two.stdout.contains("unmatched-pod-selector"), "{two:?}");
    // The patterns are the configuration's, wherever npcheck is called.
    let below = run(
        &directory.join("prod"),
        &["lint", "../prod", "../dev", "-o", "concise"],
    );
    assert!(
        !below.stdout.contains("unmatched-pod-selector"),
        "{below:?}"
    );
}

#[test]
fn the_configuration_allows_findings_in_files_that_one_cannot_edit() {
    let directory = shop("allow");
    let entry = |until: &str| {
        format!(
            "ignore:\n  - {{rule: ignored-rules, object: \"shop/**\", reason: of the vendor{until}}}\n  - {{rule: invalid-value, path: \"db.yaml\", reason: of the vendor}}\n"
        )
    };
    write(&directory, "npcheck.yaml", entry(""));
    let allowed = run(&directory, &["lint", "-o", "concise"]);
    assert_eq!(
        (allowed.status, allowed.stdout.as_str()),
        (0, ""),
        "{allowed:?}"
    );
    assert!(allowed.stderr.contains("2 suppressed"), "{allowed:?}");
    write(&directory, "npcheck.yaml", entry(", until: \"2020-01-31\""));
    let expired = run(&directory, &["lint", "-o", "concise"]);
    assert!(expired.stdout.contains("ignored-rules"), "{expired:?}");
}

#[test]
fn a_selector_that_can_never_match_is_one_finding() {
    let directory = scratch("never-matches");
    let policy = "apiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata: {name: web, namespace: shop}\nspec:\n  podSelector: {matchLabels: {app: web}, matchExpressions: [{key: app, operator: DoesNotExist}]}\n  ingress:\n    - from: [{podSelector: {matchLabels: {app: web}, matchExpressions: [{key: app, operator: NotIn, values: [web]}]}}]\n    - from: [{namespaceSelector: {matchLabels: {a: b}, matchExpressions: [{key: a, operator: DoesNotExist}]}}]\n";
    write(&directory, "policy.yaml", policy);
    write(&directory, "pod.yaml", POD);
    let select = "invalid-selector,unmatched-pod-selector,unmatched-peer-selector,unmatched-namespace-selector";
    let arguments = ["lint", "--complete", "-o", "concise", "--select", select];
    let answer = run(&directory, &arguments);
    assert_eq!(rules(&answer.stdout), ["invalid-selector"; 3], "{answer:?}");
}

/// A peer of a rule that denies, and that matches nobody, denies nothing; to mend it closes.
#[test]
fn peers_of_rules_that_deny_are_said_to_deny() {
    let directory = scratch("lint-denying-peer");
    let policy = "apiVersion: v1
kind: Pod
metadata: {name: lab, namespace: shop, labels: {app: lab-runner}}
spec: {containers: [{name: c}]}
---
apiVersion: cilium.io/v2
kind: CiliumNetworkPolicy
metadata: {name: no-lab, namespace: shop}
spec:
  endpointSelector: {matchLabels: {app: web}}
  ingressDeny: [{fromEndpoints: [{matchLabels: {app: lab-runer}}]}]
";
    write(&directory, "all.yaml", policy);
    let told = run(&directory, &["lint", "-o", "json"]);
    assert!(
        told.stdout
            .contains("matches `app=lab-runer`, so this peer denies nothing"),
        "{told:?}"
    );
    assert!(told.stdout.contains("\"narrowing\""), "{told:?}");
}

/// What a kustomization adds to selectors and to pods changes in both by one line.
#[test]
fn a_label_that_a_kustomization_gives_to_pods_as_well_is_told_once() {
    let workload = |name: &str| {
        format!(
            "apiVersion: apps/v1\nkind: Deployment\nmetadata: {{name: {name}}}\nspec: {{selector: {{matchLabels: {{app: {name}}}}}, template: {{metadata: {{labels: {{app: {name}}}}}, spec: {{containers: [{{name: c, image: x}}]}}}}}}\n---\n"
        )
    };
    let policy = "apiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata: {name: db}\nspec: {podSelector: {matchLabels: {app: db}}, ingress: [{from: [{podSelector: {matchLabels: {app: web}}}]}]}\n";
    let (db, web) = (workload("db"), workload("web"));
    let labels = "app.kubernetes.io/version: '1.0.0'";
    let all = format!("{db}{web}{policy}");
    for (name, added, pods, [told, lost]) in [
        (
            "common",
            format!("commonLabels: {{{labels}}}"),
            &all,
            [1, 0],
        ),
        (
            "listed",
            format!("labels: [{{includeSelectors: true, pairs: {{{labels}}}}}]"),
            &all,
            [1, 0],
        ),
        (
            "pods-alone",
            format!("labels: [{{includeTemplates: true, pairs: {{{labels}}}}}]"),
            &all,
            [0, 0],
        ),
        // The pods of the peer are made elsewhere, and get nothing.
        (
            "other-pods",
            format!("commonLabels: {{{labels}}}"),
            &format!("{db}{policy}"),
            [2, 1],
        ),
    ] {
        let directory = scratch(&format!("label-of-pods-{name}"));
        let kustomization = format!("namespace: shop\nresources: [all.yaml]\n{added}\n");
        write(&directory, "kustomization.yaml", kustomization);
        write(&directory, "all.yaml", pods);
        let found = run(&directory, &["lint", "-q", "."]).stdout;
        assert_eq!(
            found.matches("  unstable-label").count(),
            told,
            "{name}: {found}"
        );
        assert_eq!(
            found.matches("then this peer matches nothing").count(),
            lost,
            "{name}: {found}"
        );
    }
}
