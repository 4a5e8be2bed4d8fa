//! `npcheck test` as its users run it: each kind of test that holds, that does not, that
//! nobody can decide, and that could not fail.

use super::program::{Run, root, run, scratch, write};
use serde_json::Value;
use std::path::{Path, PathBuf};

const MANIFESTS: &str = "apiVersion: v1
kind: Namespace
metadata: {name: shop, labels: {env: prod}}
---
apiVersion: v1
kind: Namespace
metadata: {name: lab, labels: {env: dev}}
---
apiVersion: v1
kind: Namespace
metadata: {name: db, labels: {env: prod}}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: web, namespace: shop}
spec: {template: {metadata: {labels: {app: web}}, spec: {containers: [{name: c, ports: [{name: http, containerPort: 8080}]}]}}}
---
apiVersion: v1
kind: Service
metadata: {name: web, namespace: shop}
spec: {selector: {app: web}, ports: [{name: http, port: 80, targetPort: http}]}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: api, namespace: shop}
spec: {template: {metadata: {labels: {app: api}}, spec: {containers: [{name: c}]}}}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: probe, namespace: lab}
spec: {template: {metadata: {labels: {app: probe}}, spec: {containers: [{name: c}]}}}
---
apiVersion: apps/v1
kind: StatefulSet
metadata: {name: pg, namespace: db}
spec: {template: {metadata: {labels: {app: pg}}, spec: {containers: [{name: c}]}}}
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: pg, namespace: db}
spec:
  podSelector: {matchLabels: {app: pg}}
  ingress:
    - from: [{namespaceSelector: {matchLabels: {env: prod}}, podSelector: {matchLabels: {app: api}}}]
      ports: [{port: 5432}]
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: web, namespace: shop}
spec:
  podSelector: {matchLabels: {app: web}}
  ingress:
    - from: [{podSelector: {}}]
      ports: [{port: http}]
";

fn directory(name: &str, tests: &str) -> PathBuf {
    let directory = scratch(&format!("expected-{name}"));
    write(&directory, "all.yaml", MANIFESTS);
    write(&directory, "npcheck-tests.yaml", format!("tests:\n{tests}"));
    directory
}

fn check(directory: &Path, arguments: &[&str]) -> Run {
    run(directory, &[&["test"], arguments].concat())
}

fn assert_valid(schema: &str, value: &Value) {
    let schema = run(root(), &["schema", schema]).stdout;
    let validator = jsonschema::validator_for(&serde_json::from_str(&schema).unwrap()).unwrap();
    let errors = validator.iter_errors(value).map(|error| error.to_string());
    assert_eq!(errors.collect::<Vec<_>>(), Vec::<String>::new());
}

/// The statuses of tests that are written in flow style, one a line.
#[test]
fn each_claim_holds_or_does_not() {
    let table: &[(&str, &str)] = &[
        (
            "allow: {from: shop/api, to: db/pg, ports: [5432]}",
            "passed",
        ),
        (
            "allow: {from: shop/api, to: db/pg, ports: [5432, 22]}",
            "failed",
        ),
        (
            "allow: {from: shop/api, to: shop/svc/web, ports: [http]}",
            "passed",
        ),
        (
            "allow: {from: shop/+app=api, to: db/pg, ports: [5432]}",
            "passed",
        ),
        (
            "deny: {from: {namespace: {env: dev}}, to: {namespace: db}}",
            "passed",
        ),
        (
            "deny: {from: {namespace: {env: prod}, pods: {app: api}}, to: db/pg}",
            "failed",
        ),
        ("deny: {from: internet, to: [db/pg, shop/web]}", "passed"),
        ("deny: {from: 10.0.0.0/8, to: shop/api}", "failed"),
        (
            "only: {to: db/pg, ports: [5432], from: [shop/api]}",
            "passed",
        ),
        ("only: {to: db/pg, from: [shop/web]}", "failed"),
        ("only: {to: db/pg, ports: [22], from: []}", "passed"),
        ("only: {to: shop/web, from: ['shop/*']}", "passed"),
        (
            "unreachable: {from: internet, to: db/pg, hops: 1}",
            "passed",
        ),
        ("unreachable: {from: internet, to: db/pg}", "failed"),
        (
            "unreachable: {from: lab/probe, to: db/pg, ports: [22]}",
            "passed",
        ),
        ("isolated: shop/web", "failed"),
        (
            "isolated: {of: [shop/web, db/pg], direction: ingress}",
            "passed",
        ),
        ("isolated: {of: shop/api, direction: ingress}", "failed"),
        // These mean nothing, so that they could not fail.
        ("deny: {from: shop/nobody, to: db/pg}", "error"),
        ("deny: {from: {namespace: {env: test}}, to: db/pg}", "error"),
        (
            "deny: {from: {namespace: shop, pods: {app: none}}, to: db/pg}",
            "error",
        ),
        ("deny: {from: shop/api, to: db/pg, ports: [sql]}", "error"),
        (
            "deny: {from: shop/api, to: shop/svc/web, ports: [9999]}",
            "error",
        ),
        ("deny: {from: internet, to: 10.0.0.0/8}", "error"),
        ("allow: {from: [], to: db/pg}", "error"),
        ("narrowerThan: nowhere/", "error"),
    ];
    let tests = table.iter().zip(0..);
    let tests: String = tests
        .map(|((test, _), number)| format!("  - {{name: t{number}, {test}}}\n"))
        .collect();
    let directory = directory("claims", &tests);
    let run = check(&directory, &["-o", "json"]);
    assert_eq!(run.status, 2, "{run:?}");
    let output: Value = serde_json::from_str(&run.stdout).unwrap();
    assert_valid("test", &output);
    for (result, (test, status)) in output["tests"].as_array().unwrap().iter().zip(table) {
        assert_eq!(result["status"], *status, "{test}: {}", result["details"]);
    }
    let failed = &output["tests"][1]["details"][0];
    let failed = failed.as_str().unwrap();
    assert!(
        failed.starts_with("blocked: shop/Deployment/api -> db/StatefulSet/pg TCP 22"),
        "{failed}"
    );
    let open = output["tests"][5]["details"][0].as_str().unwrap();
    assert!(open.contains("ingress: db/pg #1 (all.yaml:44:7)"), "{open}");
    let results = output["tests"].as_array().unwrap();
    let path = results.iter().zip(table).find_map(|(result, (test, _))| {
        test.eq(&"unreachable: {from: internet, to: db/pg}")
            .then(|| &result["details"][0])
    });
    assert_eq!(
        path.unwrap(),
        "2 hops: internet -> shop/Deployment/api -> db/StatefulSet/pg"
    );
}

#[test]
fn exit_statuses() {
    let passing = "  - {name: good, allow: {from: shop/api, to: db/pg, ports: [5432]}}\n";
    let failing = "  - {name: bad, deny: {from: shop/api, to: db/pg, ports: [5432]}}\n";
    let vacuous = "  - {name: empty, deny: {from: shop/x, to: db/pg}}\n";
    let table: &[(&str, String, &[&str], i32)] = &[
        ("good", passing.to_owned(), &[], 0),
        ("bad", format!("{passing}{failing}"), &[], 1),
        (
            "filtered",
            format!("{passing}{failing}"),
            &["--filter", "good"],
            0,
        ),
        ("none", passing.to_owned(), &["--filter", "nothing"], 3),
        ("vacuous", format!("{failing}{vacuous}"), &[], 2),
        ("malformed", "  - {name: a, alow: {}}\n".to_owned(), &[], 2),
    ];
    for (name, tests, arguments, status) in table {
        let run = check(&directory(name, tests), arguments);
        assert_eq!(run.status, *status, "{name}: {run:?}");
    }
    let without = scratch("expected-without");
    write(&without, "all.yaml", MANIFESTS);
    // The directory above may be anybody's; a repository ends the search.
    std::fs::create_dir_all(without.join(".git")).unwrap();
    assert_eq!(check(&without, &[]).status, 3);
    let empty = scratch("expected-empty");
    assert_eq!(check(&empty, &[]).status, 3);
}

#[test]
fn formats() {
    let tests = "  - {name: 'a|b <c> #1', deny: {from: shop/api, to: db/pg}, reason: PCI}\n  - {name: fine, isolated: {of: db/pg, direction: ingress}}\n";
    let directory = directory("formats", tests);
    for (format, expected) in [
        (
            "text",
            "FAILED   a|b <c> #1\n           expected because: PCI\n",
        ),
        ("tap", "not ok 1 - a|b <c> \\#1\n"),
        ("junit", "failures=\"1\" errors=\"0\""),
        ("markdown", "| failed | a\\|b &lt;c&gt; \\#1 |"),
        (
            "github",
            "::error file=npcheck-tests.yaml,line=2,title=a|b <c> #1::failed",
        ),
    ] {
        let run = check(&directory, &["-o", format]);
        assert_eq!(run.status, 1, "{run:?}");
        assert!(run.stdout.contains(expected), "{format}: {}", run.stdout);
    }
}

/// Drafts pass, and are as the schema of the file says; each policy is held by one of them.
#[test]
fn drafts_hold_what_is() {
    let directory = directory(
        "drafts",
        "  - {name: a, isolated: {of: db/pg, direction: ingress}}\n",
    );
    let drafts = check(&directory, &["--write"]);
    assert_eq!(drafts.status, 0, "{drafts:?}");
    let value: Value = serde_yaml::from_str(&drafts.stdout).unwrap();
    assert_valid("tests", &value);
    write(&directory, "npcheck-tests.yaml", &drafts.stdout);
    let run = check(&directory, &["--strength"]);
    assert_eq!(run.status, 0, "{run:?}");
    assert!(
        run.stdout.contains("every policy is held by a test"),
        "{}",
        run.stdout
    );
    write(
        &directory,
        "npcheck-tests.yaml",
        "tests:\n  - {name: a, isolated: {of: db/pg, direction: ingress}}\n",
    );
    let run = check(&directory, &["--strength"]);
    assert!(
        run.stdout
            .contains("1 policy could be deleted without any test failing:\n  shop/web\n"),
        "{}",
        run.stdout
    );
}

/// A draft holds who may connect, and on which ports: those who may open one may not open all.
/// It asks for nothing that is unknown.
#[test]
fn drafts_hold_ports_and_ask_for_what_is_known() {
    let directory = scratch("expected-ports");
    let pod = |name: &str, label: &str| {
        format!(
            "apiVersion: v1\nkind: Pod\nmetadata: {{name: {name}, namespace: shop, labels: {{app: \"{label}\"}}}}\nspec: {{containers: [{{name: c}}]}}\n---\n"
        )
    };
    let policy = |port: u16| {
        format!(
            "apiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata: {{name: pg, namespace: shop}}\nspec: {{podSelector: {{matchLabels: {{app: pg}}}}, ingress: [{{from: [{{podSelector: {{matchLabels: {{app: web}}}}}}], ports: [{{port: 5432, endPort: {port}}}]}}]}}\n"
        )
    };
    let pods = pod("pg", "pg") + &pod("web", "web");
    write(&directory, "all.yaml", pods.clone() + &policy(5432));
    let drafts = check(&directory, &["--write"]);
    write(&directory, "npcheck-tests.yaml", &drafts.stdout);
    assert_eq!(check(&directory, &[]).status, 0, "{drafts:?}");
    write(&directory, "all.yaml", pods.clone() + &policy(5433));
    assert_eq!(check(&directory, &[]).status, 1, "{drafts:?}");

    write(
        &directory,
        "all.yaml",
        pods + &pod("job", "${APP}") + &policy(5432),
    );
    let drafts = check(&directory, &["--write"]);
    write(&directory, "npcheck-tests.yaml", &drafts.stdout);
    let run = check(&directory, &[]);
    assert_eq!(run.status, 0, "{}{run:?}", drafts.stdout);
}

/// What `--write` drafts can be read, also where nothing is isolated.
#[test]
fn a_draft_for_nothing_is_a_list_of_no_tests() {
    let directory = scratch("expected-nothing");
    let pod = "apiVersion: v1\nkind: Pod\nmetadata: {name: a, namespace: shop}\nspec: {containers: [{name: c, image: c}]}\n";
    write(&directory, "pod.yaml", pod);
    let drafts = check(&directory, &["--write"]);
    write(&directory, "npcheck-tests.yaml", &drafts.stdout);
    let run = check(&directory, &[]);
    assert_eq!(run.stderr, "npcheck: npcheck-tests.yaml: no test in it\n");
}

/// Tests of netassert are answered where manifests can.
#[test]
fn tests_of_netassert_are_read() {
    let directory = directory("netassert", "  - {name: a, isolated: db/pg}\n");
    let test = |name: &str, port: u16, code: i32| {
        format!(
            "- name: {name}\n  type: k8s\n  protocol: tcp\n  targetPort: {port}\n  timeoutSeconds: 20\n  attempts: 3\n  exitCode: {code}\n  src: {{k8sResource: {{kind: deployment, name: api, namespace: shop}}}}\n  dst: {{k8sResource: {{kind: statefulset, name: pg, namespace: db}}}}\n"
        )
    };
    write(
        &directory,
        "their.yaml",
        test("sql", 5432, 0) + &test("ssh", 22, 1),
    );
    let run = check(&directory, &["--tests", "their.yaml"]);
    assert_eq!(run.status, 0, "{run:?}");
    assert!(
        run.stdout.ends_with("2 tests: 2 passed\n"),
        "{}",
        run.stdout
    );
    let resource = "{k8sResource: {kind: statefulset, name: pg, namespace: db}}";
    let host = test("host", 443, 0).replace(resource, "{host: {name: api.example.org}}");
    write(&directory, "host.yaml", host);
    let run = check(&directory, &["--tests", "host.yaml"]);
    assert_eq!(run.status, 2, "{run:?}");
    assert!(
        run.stdout.contains("a DNS name is not resolved offline"),
        "{}",
        run.stdout
    );
}

/// A clean-up is narrower than what was there before, or it is not.
#[test]
fn another_state_is_a_measure() {
    let tests = "  - {name: same, sameAs: before}\n  - {name: narrower, narrowerThan: before}\n";
    let statuses = |name: &str, from: &str, to: &str| -> Vec<String> {
        let directory = directory(name, tests);
        let manifests = directory.join("after");
        write(&directory, "before/all.yaml", MANIFESTS);
        write(&directory, "after/all.yaml", MANIFESTS.replace(from, to));
        std::fs::remove_file(directory.join("all.yaml")).unwrap();
        assert!(manifests.is_dir());
        let run = check(
            &directory,
            &["after", "--tests", "npcheck-tests.yaml", "-o", "json"],
        );
        let output: Value = serde_json::from_str(&run.stdout).unwrap();
        let results = output["tests"].as_array().unwrap().iter();
        results
            .map(|result| result["status"].as_str().unwrap().to_owned())
            .collect()
    };
    assert_eq!(statuses("state-same", "x", "x"), ["passed", "passed"]);
    assert_eq!(
        statuses("state-less", "port: 5432", "port: 5433"),
        ["failed", "failed"]
    );
    assert_eq!(
        statuses(
            "state-none",
            "app: api}}}]\n      ports: [{port: 5432}]",
            "app: api, tier: none}}}]\n      ports: [{port: 5432}]"
        ),
        ["failed", "passed"]
    );
    // Other pods, though no manifest declares any such.
    assert_eq!(
        statuses(
            "state-other",
            "app: api}}}]\n      ports: [{port: 5432}]",
            "app: nobody}}}]\n      ports: [{port: 5432}]"
        ),
        ["failed", "failed"]
    );
}
