//! What findings tell beside their place: the words and the further places without which a
//! reader would be sent the wrong way.

use super::program::{root, run, scratch, write};
use std::fs;

/// What `lint` prints about a text.
fn lint(name: &str, text: &str) -> String {
    let directory = scratch(&format!("told-{name}"));
    write(&directory, "a.yaml", text);
    run(&directory, &["lint", "-q"]).stdout
}

/// What it prints about a fixture of a rule.
fn lint_fixture(rule: &str, file: &str) -> String {
    let path = root().join("tests/fixtures/rules").join(rule).join(file);
    let text = fs::read_to_string(path).expect("the fixture is there");
    lint(file.trim_end_matches(".yaml"), &text)
}

/// Asserts that a text says all of these, and none of those.
fn assert_says(text: &str, says: &[&str], never: &[&str]) {
    for words in says {
        assert!(text.contains(words), "lacks {words:?}:\n{text}");
    }
    for words in never {
        assert!(!text.contains(words), "says {words:?}:\n{text}");
    }
}

#[test]
fn the_direction_in_which_a_tier_ends_and_all_that_is_behind_it() {
    let text = lint_fixture("calico-shadowed-by-order", "fail-egress.yaml");
    assert_says(
        &text,
        &[
            "no egress connection reaches this policy and 2 others: the tier `security` denies",
            "the others: `GlobalNetworkPolicy/app.db`, `GlobalNetworkPolicy/app.web`",
        ],
        &[],
    );
}

#[test]
fn the_rule_that_denies_what_another_promises() {
    let text = lint_fixture("one-sided-flow", "fail-calico-denied.yaml");
    assert_says(
        &text,
        &[
            "denies it",
            "in a rule that is evaluated before the one that denies it",
        ],
        &["allow it on the other side too"],
    );
}

#[test]
fn the_label_by_which_a_peer_misses_the_resolver() {
    let text = lint_fixture("missing-dns-egress", "fail-narrowed.yaml");
    assert_says(
        &text,
        &["matches no resolver that is known: none has the label `app.kubernetes.io/part-of=shop`"],
        &["dns-single-protocol", "--fix"],
    );
}

#[test]
fn what_became_of_the_fields_of_a_draft() {
    let head = "apiVersion: policy.networking.k8s.io/v1alpha1\nkind: BaselineAdminNetworkPolicy\n\
        metadata: {name: default}\nspec:\n  subject: {namespaces: {}}\n  egress:\n  - action: Deny\n    to:\n    - namespaces:\n";
    let text = lint("draft", &format!("{head}        sameLabels: tenant\n"));
    assert_says(
        &text,
        &["a field of an earlier draft of this API, which has no replacement"],
        &["--fix", "below `matchLabels`"],
    );
    let wrapped = "        namespaceSelector:\n          matchlabels: {team: a}\n";
    let text = lint("draft", &format!("{head}{wrapped}"));
    assert_says(
        &text,
        &[
            "the selector belongs directly below `namespaces`",
            "remove the inner `namespaceSelector:`",
        ],
        &["one reading", "belongs in `pods`"],
    );
}

#[test]
fn where_whoever_adds_a_label_leaves_it_out_of_selectors() {
    let directory = scratch("told-labels-of-an-application");
    write(
        &directory,
        "argocd/web.yaml",
        "apiVersion: argoproj.io/v1alpha1
kind: Application
metadata: {name: web, namespace: argocd}
spec:
  destination: {server: https://kubernetes.default.svc, namespace: web}
  source:
    repoURL: https://example.org/manifests.git
    path: app
    kustomize:
      commonLabels: {env: prod}
",
    );
    write(
        &directory,
        "app/kustomization.yaml",
        "resources: [policy.yaml]\n",
    );
    write(
        &directory,
        "app/policy.yaml",
        "apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: web}
spec:
  podSelector: {}
  ingress:
    - from:
        - namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: ingress}}
          podSelector: {matchLabels: {app: ingress}}
",
    );
    let text = run(&directory, &["lint", "-q"]).stdout;
    assert_says(
        &text,
        &["overlay-narrows-peer", "`labelWithoutSelector: true`"],
        &["includeSelectors"],
    );
}

/// A policy of Cilium's with this rule for what leaves its pods.
fn cilium_egress(rule: &str) -> String {
    format!(
        "apiVersion: cilium.io/v2
kind: CiliumNetworkPolicy
metadata: {{name: web, namespace: shop}}
spec:
  endpointSelector: {{matchLabels: {{app: web}}}}
  egress:
    - {rule}
"
    )
}

#[test]
fn the_field_that_takes_names_of_hosts() {
    for rule in [
        "toCIDR: [db.example.com]",
        "toCIDRSet: [{cidr: db.example.com}]",
        "toCIDR: ['*.example.com']",
    ] {
        let text = lint("names-of-hosts", &cilium_egress(rule));
        assert_says(&text, &["belong in `toFQDNs`"], &["cannot be used here"]);
    }
    let from =
        cilium_egress("{}").replace("egress:\n    - {}", "ingress:\n    - fromCIDR: [a.b.c]");
    assert_says(
        &lint("names-of-sources", &from),
        &["cannot be used here"],
        &["toFQDNs"],
    );
}

#[test]
fn a_parser_by_its_name_is_not_empty() {
    let ports = "toPorts: [{ports: [{port: '80', protocol: TCP}], rules: RULES}]";
    let with = |rules: &str| lint("parser", &cilium_egress(&ports.replace("RULES", rules)));
    assert_says(&with("{l7proto: echo}"), &[], &["is empty", "has both"]);
    assert_says(
        &with("{l7proto: echo, l7: [{cmd: get}]}"),
        &[],
        &["has both"],
    );
    assert_says(&with("{}"), &["`rules` is empty"], &[]);
    assert_says(&with("{l7proto: echo, http: [{}]}"), &["has both"], &[]);
}

#[test]
fn what_an_operator_makes_lacks_the_labels_of_a_kustomization() {
    let directory = scratch("told-operator-overlay");
    write(
        &directory,
        "kustomization.yaml",
        "namespace: dev
resources: [app.yaml, db.yaml]
labels:
  - includeSelectors: true
    pairs: {app.kubernetes.io/name: server}
",
    );
    write(
        &directory,
        "app.yaml",
        "apiVersion: apps/v1
kind: Deployment
metadata: {name: server}
spec:
  selector: {matchLabels: {app: server}}
  template:
    metadata: {labels: {app: server}}
    spec: {containers: [{name: server, image: server}]}
",
    );
    write(
        &directory,
        "db.yaml",
        "apiVersion: postgresql.cnpg.io/v1
kind: Cluster
metadata: {name: users}
spec: {instances: 1}
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: users}
spec:
  podSelector: {matchLabels: {cnpg.io/cluster: users}}
  ingress:
    - from: [{podSelector: {matchLabels: {app: server}}}]
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: server}
spec:
  podSelector: {matchLabels: {app: server}}
  policyTypes: [Egress]
  egress:
    - to: [{podSelector: {matchLabels: {cnpg.io/cluster: users}}}]
    - ports: [{port: 53, protocol: UDP}, {port: 53}]
",
    );
    let text = run(&directory, &["lint", "-q"]).stdout;
    assert_says(
        &text,
        &[
            "unmatched-pod-selector",
            "unmatched-peer-selector",
            "the pods of Cluster `users` match except for `app.kubernetes.io/name=server`",
            "adds its labels to every selector",
        ],
        &["from the selector", "`dev/Deployment/server` matches"],
    );
}

#[test]
fn what_a_hyphen_opens_is_one_finding() {
    let text = lint(
        "hyphen",
        "apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: pg, namespace: shop}
spec:
  podSelector: {matchLabels: {app: pg}}
  policyTypes: [Ingress]
  ingress:
  - from:
    - podSelector: {matchLabels: {app: cart}}
    - namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: ops}}
  - ports:
    - port: 5432
",
    );
    assert_says(&text, &["split-rule"], &["allow-all-rule"]);
}

#[test]
fn pods_that_one_policy_keeps_from_resolvers_are_one_finding() {
    let text = lint_fixture("missing-dns-egress", "fail-two-subjects.yaml");
    assert_says(
        &text,
        &["3 workloads cannot resolve names"],
        &["`a/Deployment/one` cannot"],
    );
}

#[test]
fn the_prefix_that_changes_a_name_which_must_stay() {
    let directory = scratch("told-prefix");
    write(
        &directory,
        "kustomization.yaml",
        "namePrefix: prod-\nresources: [baseline.yaml]\n",
    );
    write(
        &directory,
        "baseline.yaml",
        "apiVersion: policy.networking.k8s.io/v1alpha1
kind: BaselineAdminNetworkPolicy
metadata: {name: default}
spec:
  subject: {namespaces: {}}
  egress: [{action: Deny, to: [{namespaces: {}}]}]
",
    );
    let text = run(&directory, &["lint", "-q"]).stdout;
    assert_says(
        &text,
        &[
            "kustomization.yaml:1:13",
            "list the object in a kustomization without `namePrefix`",
        ],
        &["write `default`"],
    );
}

#[test]
fn a_base_that_two_kustomizations_build_is_defined_once() {
    let directory = scratch("deployed-one-base");
    let policy = "{apiVersion: networking.k8s.io/v1, kind: NetworkPolicy, metadata: {name: deny, namespace: shop},
 spec: {podSelector: {}, policyTypes: [Ingress]}}
";
    write(&directory, "base/policy.yaml", policy);
    write(
        &directory,
        "base/kustomization.yaml",
        "resources: [policy.yaml]\n",
    );
    for overlay in ["dev", "test"] {
        let path = format!("overlays/{overlay}/kustomization.yaml");
        write(&directory, &path, "resources: [../../base]\n");
    }
    let found = run(&directory, &["lint", "-o", "concise", "."]).stdout;
    assert!(!found.contains("duplicate-policy"), "{found}");
    // Two texts are two policies.
    write(
        &directory,
        "plain/policy.yaml",
        format!("{policy}---\n{policy}"),
    );
    let found = run(&directory, &["lint", "-o", "concise", "plain"]).stdout;
    assert!(found.contains("duplicate-policy"), "{found}");
}
