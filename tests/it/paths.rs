//! `npcheck paths` and `npcheck exposure` as their users run them.

use super::program::{Run, root, run, scratch, write};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};

const CHAIN: &str = "apiVersion: apps/v1
kind: Deployment
metadata: {name: nginx, namespace: edge}
spec: {template: {metadata: {labels: {app: nginx}}, spec: {containers: [{name: c}]}}}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: api, namespace: shop}
spec: {template: {metadata: {labels: {app: api}}, spec: {containers: [{name: c}]}}}
---
apiVersion: apps/v1
kind: StatefulSet
metadata: {name: pg, namespace: db}
spec: {template: {metadata: {labels: {app: pg}}, spec: {containers: [{name: c, ports: [{name: sql, containerPort: 5432}]}]}}}
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: nginx, namespace: edge}
spec: {podSelector: {}, ingress: [{ports: [{port: 443}]}]}
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: pg, namespace: db}
spec:
  podSelector: {}
  ingress:
    - from: [{namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: shop}}}]
      ports: [{port: sql}]
";

const API: &str = "---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: api, namespace: shop}
spec:
  podSelector: {}
  ingress:
    - from: [{namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: edge}}}]
      ports: [{port: 8080}]
";

fn chain(name: &str) -> PathBuf {
    let directory = scratch(&format!("paths-{name}"));
    let namespaces = ["edge", "shop", "db"]
        .map(|name| format!("apiVersion: v1\nkind: Namespace\nmetadata: {{name: {name}}}\n---\n"));
    write(&directory, "all.yaml", namespaces.concat() + CHAIN);
    directory
}

fn assert_valid(schema: &str, output: &str) -> Value {
    let schema = run(root(), &["schema", schema]).stdout;
    let validator = jsonschema::validator_for(&serde_json::from_str(&schema).unwrap()).unwrap();
    let output: Value = serde_json::from_str(output).unwrap();
    let errors: Vec<String> = validator
        .iter_errors(&output)
        .map(|error| error.to_string())
        .collect();
    assert_eq!(errors, Vec::<String>::new());
    output
}

#[test]
fn a_path_is_shown_hop_by_hop() {
    let directory = chain("hops");
    write(&directory, "api.yaml", API);
    let answer = run(&directory, &["paths", "internet", "db/pg"]);
    assert_eq!(answer.status, 1, "{answer:?}");
    let expected = "3 hops  internet -> edge/Deployment/nginx TCP 443 -> shop/Deployment/api TCP 8080 \
                    -> db/StatefulSet/pg TCP 5432\n";
    assert!(answer.stdout.starts_with(expected), "{}", answer.stdout);
    assert!(
        answer
            .stdout
            .contains("every path crosses edge/Deployment/nginx"),
        "{}",
        answer.stdout
    );
    assert!(
        answer
            .stdout
            .contains("every path crosses shop/Deployment/api"),
        "{}",
        answer.stdout
    );
    assert!(
        answer.stdout.contains("shop/api #1 (api.yaml:8:7)"),
        "{}",
        answer.stdout
    );
    let json = run(
        &directory,
        &["paths", "internet", "db/pg", "-o", "json", "--cut"],
    )
    .stdout;
    let json = assert_valid("paths", &json);
    assert_eq!(json["clusters"][0]["paths"][0]["hops"], 3);
}

#[test]
fn exit_statuses_say_whether_there_is_a_path() {
    let directory = chain("status");
    write(&directory, "api.yaml", API);
    let table: &[(&[&str], i32)] = &[
        (&["internet", "db/pg"], 1),
        (&["internet", "db/pg", "--hops", "2"], 0),
        (&["internet", "db/pg", "-p", "5432"], 1),
        (&["internet", "db/pg", "-p", "sql"], 1),
        (&["internet", "db/pg", "-p", "22"], 0),
        (&["db/pg", "edge/nginx", "-p", "443", "--hops", "1"], 1),
        (&["internet", "db/nobody"], 2),
        (&["shop/api"], 1),
        (&["shop/api", "./"], 1),
    ];
    for (arguments, status) in table {
        let answer = run(&directory, &[&["paths"], *arguments].concat());
        assert_eq!(answer.status, *status, "{arguments:?}: {answer:?}");
    }
    let empty = scratch("paths-empty");
    assert_eq!(run(&empty, &["paths", "a", "b"]).status, 3);
}

/// What `--cut` proposes leaves no path when it is written to a file.
#[test]
fn a_proposed_cut_leaves_no_path() {
    let directory = chain("cut");
    let answer = run(
        &directory,
        &["paths", "internet", "db/pg", "--cut", "-o", "json"],
    );
    let json = assert_valid("paths", &answer.stdout);
    let cut = &json["clusters"][0]["cuts"][0];
    assert_eq!(cut["proved"], true, "{cut}");
    match cut["manifest"].as_str().unwrap() {
        "" => apply(&directory, cut["diff"].as_str().unwrap()),
        manifest => write(&directory, "cut.yaml", manifest),
    }
    let after = run(&directory, &["paths", "internet", "db/pg"]);
    assert_eq!(after.status, 0, "{after:?}");
    assert_eq!(after.stdout, "no path from internet to db/pg\n");
    // Where all are isolated, rules are deleted; as a patch it closes the paths, too.
    let directory = chain("cut-none");
    write(&directory, "api.yaml", API);
    for (namespace, name) in [("edge", "nginx"), ("shop", "api")] {
        write(
            &directory,
            &format!("{name}-out.yaml"),
            format!(
                "apiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata: {{name: out, namespace: {namespace}}}\nspec: {{podSelector: {{}}, policyTypes: [Egress], egress: [{{}}]}}\n"
            ),
        );
    }
    let json = &["paths", "internet", "db/pg", "--cut", "-o", "json"];
    let json = assert_valid("paths", &run(&directory, json).stdout);
    let cut = &json["clusters"][0]["cuts"][0];
    assert!(
        cut["title"].as_str().unwrap().starts_with("delete "),
        "{cut}"
    );
    assert_eq!(cut["manifest"], "");
    apply(&directory, cut["diff"].as_str().unwrap());
    assert_eq!(run(&directory, &["paths", "internet", "db/pg"]).status, 0);
    // What selectors do not see, nobody can cut off.
    let directory = scratch("paths-cut-nothing");
    write(
        &directory,
        "pod.yaml",
        "apiVersion: v1\nkind: Pod\nmetadata: {name: pg, namespace: db}\n",
    );
    let answer = run(&directory, &["paths", "internet", "db/pg", "--cut"]);
    assert_eq!(answer.status, 1, "{answer:?}");
    let none = "--cut: no policy that could be added";
    assert!(answer.stdout.contains(none), "{}", answer.stdout);
}

/// A deletion is proposed where it closes less than any policy that could be added, and keeps
/// what stands around the rule.
#[test]
fn a_proposed_deletion_leaves_no_path() {
    let table = [
        // One of two rules, one with a comment; the only rule of a list, in both styles.
        "  ingress:\n    # the web\n    - from: [{podSelector: {matchLabels: {app: web}}}]\n    # everybody\n    - from: [{ipBlock: {cidr: 0.0.0.0/0}}]\n",
        "  ingress:\n  - from: [{ipBlock: {cidr: 0.0.0.0/0}}]\n",
        "  ingress: [{from: [{ipBlock: {cidr: 0.0.0.0/0}}]}]\n",
        "  ingress:\n    - {}\n  policyTypes: [Ingress]\n",
    ];
    for (number, ingress) in table.iter().enumerate() {
        let directory = scratch(&format!("paths-deletion-{number}"));
        let pods = ["web", "db"].map(|name| {
            format!("apiVersion: v1\nkind: Pod\nmetadata: {{name: {name}, namespace: shop, labels: {{app: {name}}}}}\n---\n")
        });
        let policy = |name: &str, ingress: &str| {
            format!(
                "apiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata: {{name: {name}, namespace: shop}}\nspec:\n  podSelector: {{matchLabels: {{app: {name}}}}}\n{ingress}"
            )
        };
        let closed = policy("web", "  ingress: []\n");
        write(
            &directory,
            "all.yaml",
            format!("{}{closed}---\n{}", pods.concat(), policy("db", ingress)),
        );
        let json = &["paths", "internet", "shop/db", "--cut", "-o", "json"];
        let json = assert_valid("paths", &run(&directory, json).stdout);
        let cut = &json["clusters"][0]["cuts"][0];
        assert_eq!(cut["proved"], true, "{ingress}: {cut}");
        let title = cut["title"].as_str().unwrap();
        assert!(
            title.starts_with("delete ingress rule #"),
            "{ingress}: {title}"
        );
        apply(&directory, cut["diff"].as_str().unwrap());
        let after = run(&directory, &["paths", "internet", "shop/db"]);
        assert_eq!(after.status, 0, "{ingress}: {after:?}");
        if number == 0 {
            let web = run(&directory, &["reach", "shop/web", "shop/db", "-p", "80"]);
            assert_eq!(web.status, 0, "{web:?}");
            let text = std::fs::read_to_string(directory.join("all.yaml")).unwrap();
            assert!(
                text.contains("# the web") && !text.contains("# everybody"),
                "{text}"
            );
        }
    }
}

/// Applies a patch as its user would.
fn apply(directory: &Path, patch: &str) {
    write(directory, "cut.patch", patch);
    let mut git = std::process::Command::new("git");
    git.args(["apply", "-p0", "cut.patch"])
        .env("GIT_CEILING_DIRECTORIES", directory.parent().unwrap())
        .current_dir(directory);
    let output = git.output().unwrap();
    assert!(output.status.success(), "{output:?}: {patch}");
}

#[test]
fn without_a_destination_everything_that_is_reached_is_shown() {
    let directory = chain("radius");
    write(&directory, "api.yaml", API);
    let answer = run(&directory, &["paths", "edge/nginx"]);
    assert!(
        answer
            .stdout
            .starts_with("edge/nginx reaches 2 of 3 workloads\nin 1 hop\n"),
        "{}",
        answer.stdout
    );
    assert!(
        answer
            .stdout
            .contains("db/StatefulSet/pg  TCP 5432  via shop/Deployment/api"),
        "{}",
        answer.stdout
    );
    let json = run(&directory, &["paths", "edge/nginx", "-o", "json"]).stdout;
    assert_valid("paths", &json);
}

fn exposure(arguments: &[&str]) -> Run {
    let directory = chain(&format!("exposure-{}", arguments.len()));
    write(&directory, "api.yaml", API);
    run(&directory, &[&["exposure", "-q"], arguments].concat())
}

#[test]
fn exposure_says_what_each_workload_is_open_to() {
    let json = exposure(&["-o", "json"]);
    assert_eq!(json.status, 0, "{json:?}");
    let json = assert_valid("exposure", &json.stdout);
    let workloads = json["clusters"][0]["workloads"].as_array().unwrap();
    let facts: Vec<(&str, bool, u64, u64, u64)> = workloads
        .iter()
        .map(|one| {
            let number = |key: &str| one[key].as_u64().unwrap();
            let is_open = !one["fromInternet"]["open"].as_array().unwrap().is_empty();
            let name = one["workload"].as_str().unwrap();
            (
                name,
                is_open,
                number("fromOtherNamespaces"),
                number("reachedBy"),
                number("reaches"),
            )
        })
        .collect();
    assert_eq!(
        facts,
        [
            ("db/StatefulSet/pg", false, 1, 1, 1),
            ("edge/Deployment/nginx", true, 2, 2, 1),
            ("shop/Deployment/api", false, 1, 1, 2),
        ]
    );
    // Whoever runs in a namespace needs no label where a policy lets all of it in.
    let undeclared = |workloads: &[Value]| -> Vec<Value> {
        let open = workloads.iter();
        open.map(|one| one["fromUndeclared"]["open"].clone())
            .collect()
    };
    let ports = |port: u16| json!([{"protocol": "TCP", "ports": [[port, port]]}]);
    let expected = [5432, 443, 8080].map(ports);
    assert_eq!(undeclared(workloads), expected);
    let complete = exposure(&["-o", "json", "--complete"]).stdout;
    let complete = assert_valid("exposure", &complete);
    let workloads = complete["clusters"][0]["workloads"].as_array().unwrap();
    assert_eq!(undeclared(workloads), [json!([]), json!([]), json!([])]);
    let csv = exposure(&["-o", "csv", "-n", "shop"]);
    assert_eq!(csv.stdout.lines().count(), 2, "{csv:?}");
    assert!(
        exposure(&["-o", "markdown"])
            .stdout
            .contains("| edge/Deployment/nginx | TCP 443 |")
    );
    assert_eq!(exposure(&["--fail-on", "internet"]).status, 1);
    assert_eq!(exposure(&["--fail-on", "internet", "-n", "shop"]).status, 0);
    assert_eq!(exposure(&["-n", "nowhere"]).status, 2);
}

/// What is open only if something unknown is so is counted apart.
#[test]
fn exposure_counts_what_is_unknown_apart() {
    let directory = scratch("exposure-unknown");
    let pod = |name: &str, label: &str| {
        format!(
            "apiVersion: v1\nkind: Pod\nmetadata: {{name: {name}, namespace: shop, labels: {{app: \"{label}\"}}}}\nspec: {{containers: [{{name: c}}]}}\n---\n"
        )
    };
    let policy = "apiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata: {name: pg, namespace: shop}\nspec: {podSelector: {matchLabels: {app: pg}}, ingress: [{from: [{podSelector: {matchLabels: {app: web}}}]}]}\n";
    let pods = [pod("pg", "pg"), pod("web", "web"), pod("job", "${APP}")].concat();
    write(&directory, "all.yaml", pods + policy);
    let json = run(&directory, &["exposure", "-q", "-o", "json"]);
    let json = assert_valid("exposure", &json.stdout);
    let pg = &json["clusters"][0]["workloads"][1];
    assert_eq!(
        (&pg["workload"], &pg["reachedBy"]),
        (&json!("shop/Pod/pg"), &json!(1))
    );
    let unknown = json!({"fromOtherNamespaces": 0, "reachedBy": 1, "reaches": 1});
    assert_eq!(pg["unknown"], unknown);
    let text = run(&directory, &["exposure", "-q", "-o", "csv"]);
    assert!(text.stdout.contains(",1+1?,"), "{text:?}");
}

/// A pod that Cilium lets talk to the API server, and that its ingress proxy may reach.
const CILIUM: &str = "apiVersion: v1
kind: Pod
metadata: {name: web, namespace: shop, labels: {app: web}}
spec: {containers: [{name: c}]}
---
apiVersion: cilium.io/v2
kind: CiliumNetworkPolicy
metadata: {name: web, namespace: shop}
spec:
  endpointSelector: {matchLabels: {app: web}}
  ingress:
    - fromEntities: [ingress]
      toPorts: [{ports: [{port: '8080', protocol: TCP}]}]
  egress:
    - toEntities: [kube-apiserver]
";

fn cilium(name: &str, arguments: &[&str]) -> Run {
    let directory = scratch(&format!("paths-cilium-{name}"));
    write(&directory, "all.yaml", CILIUM);
    run(&directory, arguments)
}

#[test]
fn paths_begin_and_end_with_entities_of_cilium() {
    let paths = |arguments: &[&str]| {
        let run = cilium("ends", &[&["paths", "-q"], arguments].concat());
        (run.status, run.stdout + &run.stderr)
    };
    let (status, text) = paths(&["shop/web", "entity:kube-apiserver"]);
    assert_eq!(status, 1, "{text}");
    assert!(
        text.contains("shop/Pod/web -> entity:kube-apiserver all"),
        "{text}"
    );
    let (status, text) = paths(&["entity:ingress", "shop/web", "-p", "8080"]);
    assert_eq!(status, 1, "{text}");
    assert!(
        text.contains("entity:ingress -> shop/Pod/web TCP 8080"),
        "{text}"
    );
    // Nothing goes on through a node.
    let (status, text) = paths(&["entity:ingress", "entity:kube-apiserver", "-o", "json"]);
    assert_eq!(status, 1, "{text}");
    let json = assert_valid("paths", &text);
    assert_eq!(json["clusters"][0]["paths"][0]["hops"], 2, "{text}");
    let (status, text) = paths(&["shop/web", "entity:host"]);
    assert_eq!(
        (status, text.as_str()),
        (0, "no path from shop/web to entity:host\n")
    );
    let (status, text) = paths(&["shop/web", "apiserver", "--cut"]);
    assert_eq!(status, 2, "{text}");
    assert!(
        text.contains("--cut proposes policies between pods"),
        "{text}"
    );
    let (status, text) = paths(&["shop/web", "fqdn:a.example.org"]);
    assert_eq!(status, 2, "{text}");
}

#[test]
fn exposure_and_the_page_of_a_graph_show_entities_of_cilium() {
    let json = cilium("exposure", &["exposure", "-q", "-o", "json"]).stdout;
    let json = assert_valid("exposure", &json);
    let entities = json["clusters"][0]["workloads"][0]["entities"].as_array();
    let open = |side: &str| -> Vec<&str> {
        let entities = entities.unwrap().iter();
        let open = entities.filter(|one| !one[side]["open"].as_array().unwrap().is_empty());
        open.map(|one| one["entity"].as_str().unwrap()).collect()
    };
    assert_eq!(open("from"), ["host", "ingress"]);
    assert_eq!(open("to"), ["kube-apiserver"]);
    let csv = cilium("table", &["exposure", "-q", "-o", "csv"]).stdout;
    assert!(
        csv.ends_with(",yes,yes,,\"host ingress\",kube-apiserver\r\n"),
        "{csv}"
    );
    let page = cilium(
        "page",
        &["graph", "-q", "-o", "html", "--from", "entity:ingress"],
    );
    assert!(
        page.stdout.contains(r#""name":"entity:ingress""#),
        "{}",
        page.stderr
    );
}
