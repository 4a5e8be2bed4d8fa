//! `npcheck diff` as its users run it: what it says of each kind of change, and how it exits.

use super::program::{Run, root, run, run_with_stdin, scratch, write};
use serde_json::Value;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

const NAMESPACES: &str = "apiVersion: v1
kind: Namespace
metadata: {name: shop, labels: {team: shop}}
---
apiVersion: v1
kind: Namespace
metadata: {name: db}
---
apiVersion: v1
kind: Namespace
metadata: {name: kube-system}
";

const WORKLOADS: &str = "apiVersion: apps/v1
kind: Deployment
metadata: {name: web, namespace: shop}
spec: {template: {metadata: {labels: {app: web}}, spec: {containers: [{name: c, ports: [{name: http, containerPort: 8080}]}]}}}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: report, namespace: shop}
spec: {template: {metadata: {labels: {app: report}}, spec: {containers: [{name: c}]}}}
---
apiVersion: apps/v1
kind: StatefulSet
metadata: {name: pg, namespace: db}
spec: {template: {metadata: {labels: {app: pg}}, spec: {containers: [{name: c}]}}}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: coredns, namespace: kube-system}
spec: {template: {metadata: {labels: {k8s-app: kube-dns}}, spec: {containers: [{name: c}]}}}
";

const POLICIES: &str = "apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: pg, namespace: db}
spec:
  podSelector: {matchLabels: {app: pg}}
  ingress:
    - from: [{namespaceSelector: {matchLabels: {team: shop}}, podSelector: {matchLabels: {app: web}}}]
      ports: [{port: 5432}]
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: web, namespace: shop}
spec:
  podSelector: {matchLabels: {app: web}}
  ingress:
    - from: [{podSelector: {matchLabels: {app: report}}}]
      ports: [{port: http}]
";

/// A repository with these manifests in a first commit.
fn repository(name: &str) -> PathBuf {
    let directory = scratch(&format!("diff-{name}"));
    write(&directory, "k8s/namespaces.yaml", NAMESPACES);
    write(&directory, "k8s/workloads.yaml", WORKLOADS);
    write(&directory, "k8s/policies.yaml", POLICIES);
    git(&directory, &["init", "-q", "-b", "main", "."]);
    commit(&directory);
    directory
}

fn git(directory: &Path, arguments: &[&str]) {
    let status = Command::new("git")
        .args([
            "-c",
            "user.name=t",
            "-c",
            "user.email=t@example.org",
            "-c",
            "commit.gpgsign=false",
        ])
        .args(arguments)
        .current_dir(directory)
        .env("GIT_CONFIG_GLOBAL", "/dev/null")
        .status();
    assert!(status.unwrap().success(), "{arguments:?}");
}

fn commit(directory: &Path) {
    git(directory, &["add", "-A"]);
    git(directory, &["commit", "-qm", "change"]);
}

/// Changes a file of the work tree.
fn edit(directory: &Path, name: &str, from: &str, to: &str) {
    let path = directory.join("k8s").join(name);
    let text = fs::read_to_string(&path).unwrap();
    assert!(text.contains(from), "{from}");
    fs::write(path, text.replacen(from, to, 1)).unwrap();
}

fn diff(directory: &Path, arguments: &[&str]) -> Run {
    run(directory, &[&["diff"], arguments].concat())
}

fn json(directory: &Path, arguments: &[&str]) -> Value {
    let run = diff(directory, &[arguments, &["-o", "json"]].concat());
    assert!(run.status < 2, "{run:?}");
    let schema = super::program::run(root(), &["schema", "diff"]).stdout;
    let validator = jsonschema::validator_for(&serde_json::from_str(&schema).unwrap()).unwrap();
    let output: Value = serde_json::from_str(&run.stdout).unwrap();
    let errors: Vec<String> = validator
        .iter_errors(&output)
        .map(|error| error.to_string())
        .collect();
    assert_eq!(errors, Vec::<String>::new());
    output
}

/// What a change is expected to be: its id, its ends and ports in brief, and its causes.
type Expected<'e> = (&'e str, &'e str, &'e [&'e str]);

fn assert_changes(directory: &Path, expected: &[Expected<'_>]) {
    let output = json(directory, &["git:main"]);
    let mut found: Vec<(String, String, Vec<String>)> = Vec::new();
    for change in output["clusters"][0]["changes"].as_array().unwrap() {
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        let ends = |key: &str| {
            let ends: Vec<String> = change[key].as_array().unwrap().iter().map(text).collect();
            match ends[0].starts_with("ext:") {
                true => "outside".to_owned(),
                false => ends.join(","),
            }
        };
        let ports = change["connections"].as_array().unwrap().iter().map(|one| {
            let first = &one["ports"][0];
            format!("{} {}-{}", text(&one["protocol"]), first[0], first[1])
        });
        let ports: Vec<String> = ports.collect();
        let causes = change["causes"].as_array().unwrap().iter().map(|cause| {
            let location = &cause["location"];
            let revision = text(&cause["revision"]);
            format!(
                "{} {} {revision}:{}:{}",
                text(&cause["kind"]),
                text(&cause["object"]),
                text(&location["file"]),
                location["line"]
            )
        });
        found.push((
            text(&change["id"]),
            format!("{} -> {} {}", ends("from"), ends("to"), ports.join(" ")),
            causes.collect(),
        ));
    }
    let expected: Vec<(String, String, Vec<String>)> = expected
        .iter()
        .map(|(id, ends, causes)| {
            let causes = causes.iter().map(|cause| (*cause).to_owned()).collect();
            ((*id).to_owned(), (*ends).to_owned(), causes)
        })
        .collect();
    assert_eq!(found, expected);
}

#[test]
fn each_kind_of_change_is_named_and_blamed() {
    let directory = repository("kinds");
    assert_changes(&directory, &[]);
    let reset = || git(&directory, &["checkout", "-q", "."]);

    edit(
        &directory,
        "policies.yaml",
        "ports: [{port: 5432}]",
        "ports: [{port: 5432}]\n    - from: [{ipBlock: {cidr: 198.51.0.0/16}}]\n      ports: [{port: 5432}]",
    );
    let causes: &[&str] = &["ruleAdded db/pg after:k8s/policies.yaml:9"];
    assert_changes(
        &directory,
        &[
            (
                "internet-ingress-opened",
                "outside -> db/StatefulSet/pg TCP 5432-5432",
                causes,
            ),
            (
                "opened",
                "outside -> db/StatefulSet/pg TCP 5432-5432",
                causes,
            ),
        ],
    );
    reset();

    edit(
        &directory,
        "policies.yaml",
        "{app: web}}}]\n      ports: [{port: 5432}]",
        "{app: web}}}]\n      ports: [{port: 5433}]",
    );
    let causes: &[&str] = &["ruleChanged db/pg after:k8s/policies.yaml:7"];
    assert_changes(
        &directory,
        &[
            (
                "cross-namespace-opened",
                "shop/Deployment/web -> db/StatefulSet/pg TCP 5433-5433",
                causes,
            ),
            (
                "closed",
                "shop/Deployment/web -> db/StatefulSet/pg TCP 5432-5432",
                causes,
            ),
        ],
    );
    reset();

    edit(&directory, "namespaces.yaml", "team: shop", "team: store");
    assert_changes(
        &directory,
        &[(
            "closed",
            "shop/Deployment/web -> db/StatefulSet/pg TCP 5432-5432",
            &["namespaceChanged shop after:k8s/namespaces.yaml:3"],
        )],
    );
    reset();

    edit(
        &directory,
        "workloads.yaml",
        "labels: {app: report}",
        "labels: {app: reports}",
    );
    assert_changes(
        &directory,
        &[(
            "closed",
            "shop/Deployment/report -> shop/Deployment/web TCP 8080-8080",
            &["labelsChanged shop/Deployment/report after:k8s/workloads.yaml:9"],
        )],
    );
    reset();

    edit(
        &directory,
        "workloads.yaml",
        "containerPort: 8080",
        "containerPort: 8081",
    );
    let causes: &[&str] = &["portsChanged shop/Deployment/web after:k8s/workloads.yaml:3"];
    assert_changes(
        &directory,
        &[
            (
                "opened",
                "shop/Deployment/report -> shop/Deployment/web TCP 8081-8081",
                causes,
            ),
            (
                "closed",
                "shop/Deployment/report -> shop/Deployment/web TCP 8080-8080",
                causes,
            ),
        ],
    );
    reset();

    write(
        &directory,
        "k8s/deny.yaml",
        "apiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata: {name: deny, namespace: shop}\nspec:\n  podSelector: {matchLabels: {app: report}}\n  policyTypes: [Egress]\n",
    );
    let output = json(&directory, &["git:main", "--focus", "kube-system/coredns"]);
    let change = &output["clusters"][0]["changes"][0];
    assert_eq!(change["id"], "dns-closed");
    assert_eq!(change["causes"][0]["kind"], "policyAdded");
    let isolation = &output["clusters"][0]["isolation"];
    assert_eq!(
        isolation.as_array().unwrap().len(),
        0,
        "the focus is elsewhere"
    );
    let output = json(&directory, &["git:main"]);
    assert_eq!(output["clusters"][0]["isolation"][0]["id"], "isolated");
    assert_eq!(output["clusters"][0]["isolation"][0]["direction"], "egress");
    fs::remove_file(directory.join("k8s/deny.yaml")).unwrap();
}

/// A policy that is gone is blamed where it stood, and its workload is isolated no longer.
#[test]
fn what_is_gone_is_shown_where_it_stood() {
    let directory = repository("gone");
    edit(
        &directory,
        "policies.yaml",
        &POLICIES[..POLICIES.find("---\n").unwrap() + 4],
        "",
    );
    let run = diff(&directory, &["git:main"]);
    assert_eq!(run.status, 1, "{run:?}");
    assert!(
        run.stdout.contains("git:main:k8s/policies.yaml:3:"),
        "{}",
        run.stdout
    );
    assert!(
        run.stdout.contains("policy removed (db/pg)"),
        "{}",
        run.stdout
    );
    assert!(
        run.stdout.contains("deisolated db/StatefulSet/pg  ingress"),
        "{}",
        run.stdout
    );
    assert!(
        run.stdout.contains("internet -> db/StatefulSet/pg"),
        "{}",
        run.stdout
    );
}

/// Each status with its reason.
#[test]
fn exit_statuses() {
    let directory = repository("status");
    edit(
        &directory,
        "workloads.yaml",
        "labels: {app: report}",
        "labels: {app: reports}",
    );
    let table: &[(&[&str], i32)] = &[
        (&["git:main"], 1),
        (&["git:main", "git:HEAD"], 0),
        (&["git:main", "--fail-on", "closed"], 1),
        (&["git:main", "--fail-on", "opened"], 0),
        (&["git:main", "--fail-on", "high"], 0),
        (&["git:main", "--fail-on", "low"], 1),
        (&["git:main", "--fail-on", "never"], 0),
        (&["git:main", "--expect", "narrower"], 0),
        (&["git:main", "--expect", "wider"], 1),
        (&["git:main", "--expect", "same"], 1),
        (&["git:nowhere"], 2),
        (&["git:main", "--focus", "shop/nobody"], 2),
        (&[], 2),
        (&["git:main", "--staged"], 0),
        (&["--staged"], 0),
        (&["--merge-base", "main"], 1),
        (&["git:main:k8s/namespaces.yaml", "k8s/namespaces.yaml"], 0),
    ];
    for (arguments, status) in table {
        let run = diff(&directory, arguments);
        assert_eq!(run.status, *status, "{arguments:?}: {run:?}");
    }
    git(&directory, &["add", "-A"]);
    assert_eq!(diff(&directory, &["--staged"]).status, 1);
    write(&directory, "k8s/broken.yaml", "apiVersion: v1\nkind: [\n");
    assert_eq!(diff(&directory, &["git:main"]).status, 2);
    let empty = scratch("diff-empty");
    fs::create_dir_all(empty.join("a")).unwrap();
    fs::create_dir_all(empty.join("b")).unwrap();
    assert_eq!(diff(&empty, &["a", "b"]).status, 3);
}

/// Files that are renamed, and documents in another order, change nothing but places; so it
/// is for directories of any name, and for standard input.
#[test]
fn only_connectivity_counts() {
    let directory = repository("places");
    let mut documents: Vec<&str> = WORKLOADS
        .split("---\n")
        .chain(POLICIES.split("---\n"))
        .collect();
    documents.reverse();
    write(
        &directory,
        "other/all.yaml",
        format!("{NAMESPACES}---\n{}", documents.join("---\n")),
    );
    let same = diff(&directory, &["k8s", "other"]);
    assert_eq!(same.status, 0, "{same:?}");
    assert!(
        same.stdout.starts_with("same connectivity"),
        "{}",
        same.stdout
    );
    let all = fs::read(directory.join("other/all.yaml")).unwrap();
    let piped = run_with_stdin(&directory, &["diff", "k8s", "-"], &all);
    assert_eq!(piped.status, 0, "{piped:?}");
    let piped = run_with_stdin(&directory, &["diff", "-", "git:main:k8s"], &all);
    assert_eq!(piped.status, 0, "{piped:?}");
}

/// Clusters are compared with their own; one that is new is said to be.
#[test]
fn clusters_are_compared_with_their_own() {
    let directory = repository("clusters");
    let all = format!("{NAMESPACES}---\n{WORKLOADS}---\n{POLICIES}");
    fs::remove_dir_all(directory.join("k8s")).unwrap();
    let other = all.replace("5432", "5433");
    write(&directory, "prod/all.yaml", &all);
    write(&directory, "dev/all.yaml", &other);
    commit(&directory);
    write(&directory, "dev/all.yaml", all.replace("5432", "5434"));
    let output = json(&directory, &["git:main"]);
    let names: Vec<&Value> = output["clusters"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| &one["name"])
        .collect();
    assert_eq!(names.len(), 2, "{names:?}");
    let changes = |name: &str| {
        let clusters = output["clusters"].as_array().unwrap();
        let found = clusters.iter().find(|one| one["name"] == name).unwrap();
        found["changes"].as_array().unwrap().len()
    };
    assert_eq!((changes("dev"), changes("prod")), (2, 0));
    write(&directory, "test/all.yaml", all.replace("5432", "5435"));
    let output = json(&directory, &["git:main"]);
    assert_eq!(output["clustersAdded"], serde_json::json!(["test"]));
}

/// Every format says the same change, and lets no name do harm.
#[test]
fn formats() {
    let directory = repository("formats");
    edit(
        &directory,
        "policies.yaml",
        "ports: [{port: 5432}]",
        "ports: [{port: 5432}]\n    - {}",
    );
    for format in ["text", "markdown", "github", "csv", "dot", "mermaid"] {
        let run = diff(&directory, &["git:main", "-o", format]);
        assert_eq!(run.status, 1, "{run:?}");
        assert!(run.stdout.contains("pg"), "{format}: {}", run.stdout);
    }
    let markdown = diff(&directory, &["git:main", "-o", "markdown"]).stdout;
    assert!(
        markdown.starts_with("<!-- npcheck diff -->\n"),
        "{markdown}"
    );
    let github = diff(&directory, &["git:main", "-o", "github"]).stdout;
    assert!(
        github.contains(
            "::warning file=k8s/policies.yaml,line=9,col=7,title=internet-ingress-opened::"
        ),
        "{github}"
    );
    let why = diff(&directory, &["git:main", "--why"]).stdout;
    assert!(
        why.contains("before  ") && why.contains("after   "),
        "{why}"
    );
}

/// A comment on a pull request is never longer than GitHub takes.
#[test]
fn markdown_is_cut_before_it_is_too_long() {
    let directory = scratch("diff-long");
    let pods = |label: &str| -> String {
        let pod = |number: usize| {
            format!(
                "apiVersion: v1\nkind: Pod\nmetadata: {{name: p{number}, namespace: n{number}, labels: {{app: a{number}}}}}\n---\napiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata: {{name: p, namespace: n{number}}}\nspec: {{podSelector: {{}}, ingress: [{{from: [{{namespaceSelector: {{}}, podSelector: {{matchLabels: {{app: {label}{}}}}}}}], ports: [{{port: {}}}]}}]}}\n---\n",
                (number + 1) % 600,
                1_000 + number
            )
        };
        (0..600).map(pod).collect()
    };
    write(&directory, "before/all.yaml", pods("none"));
    write(&directory, "after/all.yaml", pods("a"));
    let markdown = diff(&directory, &["before", "after", "-o", "markdown"]).stdout;
    assert!(markdown.chars().count() < 65_536, "{}", markdown.len());
    assert!(
        markdown.contains("left out"),
        "{}",
        &markdown[markdown.len() - 200..]
    );
}

#[test]
fn policies_of_plugins_and_entities_are_told_by_name() {
    let folder = scratch("plugins");
    let pods = "{apiVersion: v1, kind: Pod, metadata: {name: db, namespace: shop, labels: {app: db}}, spec: {containers: [{name: c}]}}\n";
    let cilium = "---\n{apiVersion: cilium.io/v2, kind: CiliumClusterwideNetworkPolicy, metadata: {name: out},
      spec: {endpointSelector: {matchLabels: {app: db}}, egress: [{toEntities: [kube-apiserver]}]}}\n";
    let calico =
        "---\n{apiVersion: projectcalico.org/v3, kind: GlobalNetworkPolicy, metadata: {name: out},
      spec: {selector: app == 'db', types: [Egress]}}\n";
    write(&folder, "before/pods.yaml", pods);
    write(&folder, "cilium/pods.yaml", format!("{pods}{cilium}"));
    write(&folder, "calico/pods.yaml", format!("{pods}{calico}"));
    let diff = |arguments: &[&str]| {
        let all = ["diff"].iter().chain(arguments).copied();
        run(&folder, &all.collect::<Vec<_>>()).stdout
    };
    let of_cilium = diff(&["before", "cilium", "--cni", "cilium"]);
    for line in [
        "policy added (CiliumClusterwideNetworkPolicy/out)",
        "isolated  shop/Pod/db  egress  by CiliumClusterwideNetworkPolicy/out (cilium/pods.yaml:3:",
        "closed: shop/Pod/db -> entity:health, entity:host, entity:ingress, entity:init, \
         entity:remote-node, entity:unmanaged  all",
    ] {
        assert!(of_cilium.contains(line), "{line}\n{of_cilium}");
    }
    assert!(!of_cilium.contains("opened:"), "{of_cilium}");
    // Without `--cni` only the state with policies of Cilium's knows such ends.
    let of_two = diff(&["before", "cilium"]);
    let not_compared = "only one of the states is Cilium's";
    assert!(
        of_two.contains(not_compared) && !of_two.contains("entity:"),
        "{of_two}"
    );
    let of_calico = diff(&["before", "calico"]);
    let isolated = "isolated  shop/Pod/db  egress  by GlobalNetworkPolicy/out (calico/pods.yaml:3:";
    assert!(of_calico.contains(isolated), "{of_calico}");
}

#[test]
fn a_change_of_many_parts_is_told_without_trying_them_all() {
    let directory = scratch("diff-many-parts");
    let rules = |last: &dyn Fn(usize) -> usize| {
        let rule = |number: usize| {
            let first = number * 3 + 1;
            let last = last(first);
            format!("  - ports: [{{port: {first}, endPort: {last}}}]\n")
        };
        let rules: String = (0..100).map(rule).collect();
        let long = "long ".repeat(40_000); // What is tried is counted in bytes.
        format!(
            "apiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata: {{name: many, namespace: shop, annotations: {{note: {long}}}}}\nspec:\n  podSelector: {{}}\n  ingress:\n{rules}"
        )
    };
    for (state, policy) in [("before", rules(&|it| it)), ("after", rules(&|it| it + 1))] {
        write(&directory, &format!("{state}/workloads.yaml"), WORKLOADS);
        write(&directory, &format!("{state}/policy.yaml"), &policy);
    }
    let told = json(&directory, &["before", "after"]);
    let mut notes = told["notes"].as_array().unwrap().iter();
    let said = "what is to blame is not told of all changes";
    assert!(
        notes.any(|note| note.as_str().unwrap().starts_with(said)),
        "{told}"
    );
    let changes = told["clusters"][0]["changes"].as_array().unwrap();
    assert!(!changes.is_empty());
}

/// Where rules went on both sides of a flow, each closes it by itself, and both are named.
#[test]
fn rules_that_go_on_both_sides_are_named() {
    let directory = scratch("diff-both-sides");
    let manifests = |ingress: &str, egress: &str| {
        format!(
            "apiVersion: v1
kind: Pod
metadata: {{name: web, namespace: shop, labels: {{app: web}}}}
spec: {{containers: [{{name: c}}]}}
---
apiVersion: v1
kind: Pod
metadata: {{name: api, namespace: shop, labels: {{app: api}}}}
spec: {{containers: [{{name: c}}]}}
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {{name: web, namespace: shop}}
spec: {{podSelector: {{matchLabels: {{app: web}}}}, policyTypes: [Ingress], ingress: [{ingress}]}}
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {{name: api, namespace: shop}}
spec: {{podSelector: {{matchLabels: {{app: api}}}}, policyTypes: [Egress], egress: [{egress}]}}
"
        )
    };
    let peer = |app: &str| format!("{{podSelector: {{matchLabels: {{app: {app}}}}}}}");
    let with_rules = manifests(
        &format!("{{from: [{}]}}", peer("api")),
        &format!("{{to: [{}]}}", peer("web")),
    );
    write(&directory, "with/all.yaml", with_rules);
    write(&directory, "without/all.yaml", manifests("", ""));
    let closed = run(&directory, &["diff", "with", "without"]).stdout;
    let opened = run(&directory, &["diff", "without", "with"]).stdout;
    for object in ["api", "web"] {
        let cause = format!("rule removed (shop/{object} #1), enough by itself");
        assert!(closed.contains(&cause), "{closed}");
        let cause = format!("rule added (shop/{object} #1)\n");
        assert!(opened.contains(&cause), "{opened}");
    }
}
