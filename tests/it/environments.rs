//! Two clusters in one tree: every command answers for each of them as it does where it is
//! alone, says so where they differ, and once where they agree.

use crate::program::{Run, run, scratch, write};
use serde_json::Value;
use std::path::PathBuf;

/// A namespace whose web may talk to its catalog, or not.
fn environment(label: &str) -> String {
    let pod = |name: &str| {
        format!(
            "apiVersion: v1\nkind: Pod\nmetadata: {{name: {name}, namespace: shop, labels: {{app: {name}}}}}\nspec: {{containers: [{{name: {name}, image: {name}, ports: [{{containerPort: 8080}}]}}]}}\n---\n"
        )
    };
    format!(
        "{}{}apiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata: {{name: catalog, namespace: shop}}\nspec:\n  podSelector: {{matchLabels: {{app: catalog}}}}\n  policyTypes: [Ingress]\n  ingress:\n    - from: [{{podSelector: {{matchLabels: {{app: {label}}}}}}}]\n      ports: [{{protocol: TCP, port: 8080}}]\n",
        pod("web"),
        pod("catalog"),
    )
}

/// A tree with `dev`, where the flow is open, and `prod`, where a label is mistyped.
fn tree(name: &str) -> PathBuf {
    let directory = scratch(name);
    write(&directory, "dev/shop.yaml", environment("web"));
    write(&directory, "prod/shop.yaml", environment("webb"));
    directory
}

/// Tests of which the first holds in `dev` only.
const TESTS: &str = "\
tests:
  - name: web talks to the catalog
    allow: {from: shop/web, to: shop/catalog, ports: [8080]}
  - name: the internet does not
    deny: {from: internet, to: shop/catalog}
";

/// What a run printed, without what tells a tree of several clusters from one.
fn answer(run: &Run) -> String {
    let Ok(mut value) = serde_json::from_str::<Value>(&run.stdout) else {
        return run.stdout.clone();
    };
    if let Some(report) = value.as_object_mut() {
        report.remove("clusters");
        report.remove("summary");
    }
    let answers = value.get_mut("answers").and_then(Value::as_array_mut);
    for answer in answers.into_iter().flatten() {
        answer.as_object_mut().unwrap().remove("clusters");
    }
    value.to_string()
}

#[test]
fn each_cluster_of_a_tree_answers_as_if_it_were_alone() {
    let directory = tree("environments-alone");
    let commands: &[&[&str]] = &[
        &["lint", "-o", "json"],
        &["lint", "-o", "concise"],
        &["lint", "-o", "sarif"],
        &[
            "reach",
            "shop/web",
            "shop/catalog",
            "-p",
            "8080",
            "-o",
            "json",
        ],
        &["graph", "-o", "json-lines"],
        &["graph", "-o", "csv"],
        &["paths", "shop/web", "shop/catalog"],
        &["exposure", "-o", "json"],
        &["exposure"],
        &["test", "-o", "json"],
        &["files", "-q"],
    ];
    write(&directory, "npcheck-tests.yaml", TESTS);
    for command in commands {
        for cluster in ["dev", "prod"] {
            let alone = run(&directory, &[command, &[cluster][..]].concat());
            let among = run(&directory, &[command, &["--cluster", cluster][..]].concat());
            // `files` shows the tests as well, and its last line counts all that was read.
            let lines = |run: &Run| match command[0] {
                "files" => {
                    let lines = run.stdout.lines();
                    let lines = lines.skip_while(|line| !line.starts_with(cluster));
                    lines.take(4).collect::<Vec<_>>().join("\n")
                }
                _ => answer(run),
            };
            assert_eq!(lines(&alone), lines(&among), "{command:?} {cluster}");
            assert_eq!(alone.status, among.status, "{command:?} {cluster}");
        }
    }
}

#[test]
fn a_change_of_a_tree_is_that_of_its_clusters() {
    let directory = scratch("environments-diff");
    for (state, labels) in [("before", ["web", "webb"]), ("after", ["other", "web"])] {
        for (cluster, label) in ["dev", "prod"].iter().zip(labels) {
            write(
                &directory,
                &format!("{state}/{cluster}/shop.yaml"),
                environment(label),
            );
        }
    }
    for (cluster, change) in [("dev", "closes"), ("prod", "opens")] {
        let states = ["before", "after"].map(|state| format!("{state}/{cluster}"));
        let alone = run(&directory, &["diff", &states[0], &states[1]]);
        let among = run(
            &directory,
            &["diff", "before", "after", "--cluster", cluster],
        );
        // The first line names the states.
        let changes = |run: &Run| run.stdout.lines().skip(1).collect::<Vec<_>>().join("\n");
        assert!(alone.stdout.contains(change), "{alone:?}");
        assert_eq!(changes(&alone), changes(&among), "{cluster}");
        assert_eq!(alone.status, among.status, "{cluster}");
    }
}

#[test]
fn lint_of_a_tree_finds_what_lint_of_its_clusters_finds() {
    let directory = tree("environments-lint");
    let findings = |arguments: &[&str]| -> Vec<String> {
        let linted = run(
            &directory,
            &[&["lint", "-o", "concise"], arguments].concat(),
        );
        linted.stdout.lines().map(str::to_owned).collect()
    };
    let alone = [findings(&["dev"]), findings(&["prod"])].concat();
    assert_eq!(findings(&[]), alone);
}

#[test]
fn reach_answers_once_where_clusters_agree_and_for_each_where_they_do_not() {
    let directory = tree("environments-reach");
    let ask = |ends: [&str; 2]| {
        let asked = run(
            &directory,
            &["reach", ends[0], ends[1], "-p", "8080", "-o", "json"],
        );
        let answer: Value = serde_json::from_str(&asked.stdout).expect("the answer is JSON");
        (asked.status, answer)
    };
    let (status, agreed) = ask(["shop/catalog", "shop/web"]);
    assert_eq!((status, &agreed["outcome"]), (0, &Value::from("allowed")));
    let answers = agreed["answers"].as_array().unwrap();
    assert_eq!(answers.len(), 1);
    assert_eq!(answers[0]["clusters"], serde_json::json!(["dev", "prod"]));
    let (status, differing) = ask(["shop/web", "shop/catalog"]);
    assert_eq!((status, &differing["outcome"]), (1, &Value::from("partly")));
    let answers = differing["answers"].as_array().unwrap();
    let outcomes: Vec<(&Value, &Value)> = answers
        .iter()
        .map(|answer| (&answer["clusters"][0], &answer["outcome"]))
        .collect();
    assert_eq!(
        format!("{outcomes:?}"),
        r#"[(String("dev"), String("allowed")), (String("prod"), String("blocked"))]"#
    );
    let text = run(
        &directory,
        &["reach", "shop/web", "shop/catalog", "-p", "8080"],
    );
    assert!(text.stdout.contains("cluster dev:\nALLOWED"), "{text:?}");
    assert!(text.stdout.contains("cluster prod:\nBLOCKED"), "{text:?}");
    let unknown = run(
        &directory,
        &["reach", "shop/web", "shop/catalog", "--cluster", "stage"],
    );
    assert_eq!(unknown.status, 2);
    assert!(
        unknown.stderr.contains("the clusters are dev, prod"),
        "{unknown:?}"
    );
}

/// Two files of one directory are one cluster, in which nobody knows which definition counts.
#[test]
fn definitions_that_differ_in_one_cluster_are_never_settled_in_silence() {
    let directory = scratch("environments-twice");
    write(&directory, "a.yaml", environment("web"));
    let policy = environment("webb");
    let policy = policy.split("---\n").last().expect("there is a policy");
    write(&directory, "b.yaml", policy);
    let asked = ["reach", "shop/web", "shop/catalog", "-p", "8080"];
    let answer = run(&directory, &asked);
    assert_eq!(answer.status, 2, "{answer:?}");
    assert!(answer.stdout.starts_with("UNKNOWN"), "{answer:?}");
    let said = "shop/NetworkPolicy/catalog is defined twice, differently";
    assert_eq!(answer.stderr.matches(said).count(), 1, "{answer:?}");
    // A definition that says the same is no contradiction.
    let same = environment("web");
    let same = same.split("---\n").last().expect("there is a policy");
    write(&directory, "b.yaml", same);
    let answer = run(&directory, &asked);
    assert_eq!(answer.status, 0, "{answer:?}");
}

/// What is not judged is said, and no rule claims what it could refute.
#[test]
fn policies_that_are_not_judged_are_said_by_every_command() {
    let directory = tree("environments-foreign");
    let foreign = "apiVersion: crd.antrea.io/v1beta1\nkind: ClusterNetworkPolicy\nmetadata: {name: acnp}\nspec: {priority: 5}\n";
    write(&directory, "antrea.yaml", foreign);
    for command in [
        &["lint"][..],
        &["graph"],
        &["files"],
        &["reach", "shop/catalog", "shop/web", "-p", "8080"],
    ] {
        let run = run(&directory, command);
        assert!(run.stderr.contains("Antrea"), "{command:?} {run:?}");
    }
}

#[test]
fn a_cluster_without_pods_keeps_no_other_from_answering() {
    let folder = scratch("one-has-pods");
    let pod = "{apiVersion: v1, kind: Pod, metadata: {name: web, namespace: shop}, spec: {containers: [{name: c}]}}";
    write(
        &folder,
        "a/all.yaml",
        "{apiVersion: v1, kind: Namespace, metadata: {name: shop}}",
    );
    write(&folder, "b/all.yaml", pod);
    let config = "version: 1\nscopes: [{name: a, paths: [a]}, {name: b, paths: [b]}]\n";
    write(&folder, "npcheck.yaml", config);
    let answer = run(&folder, &["reach", "any", "any"]);
    assert_eq!(answer.status, 0, "{answer:?}");
    assert!(answer.stdout.contains("shop/Pod/web"), "{answer:?}");
}

#[test]
fn an_end_that_only_one_cluster_has_is_answered_for_there() {
    let folder = scratch("one-has-entities");
    let pod = "{apiVersion: v1, kind: Pod, metadata: {name: web, namespace: shop, labels: {app: web}}, spec: {containers: [{name: c}]}}";
    let policy = "{apiVersion: cilium.io/v2, kind: CiliumNetworkPolicy, metadata: {name: p, namespace: shop},
      spec: {endpointSelector: {}, egress: [{toEntities: [kube-apiserver]}]}}";
    write(&folder, "a/web.yaml", format!("{pod}\n---\n{policy}"));
    write(&folder, "b/web.yaml", pod);
    let config = "version: 1\nscopes: [{name: a, paths: [a]}, {name: b, paths: [b]}]\n";
    write(&folder, "npcheck.yaml", config);
    let answer = run(&folder, &["reach", "shop/web", "apiserver", "-p", "6443"]);
    assert_eq!(answer.status, 0, "{answer:?}");
    assert!(answer.stdout.contains("1 of 2 clusters"), "{answer:?}");
    assert!(
        answer
            .stdout
            .contains("ALLOWED  shop/Pod/web -> entity:kube-apiserver")
    );
}

/// Files side by side that are alternatives are clusters, in every command, and the rest of their
/// directory is of each.
#[test]
fn files_side_by_side_may_be_alternatives() {
    let folder = scratch("environments-files");
    let (dev, prod) = (environment("web"), environment("webb"));
    write(&folder, "k8s/dev.yaml", &dev);
    write(&folder, "k8s/prod.yaml", &prod);
    let shared = "{apiVersion: v1, kind: Pod, metadata: {name: job, namespace: shop, labels: {app: job}}, spec: {containers: [{name: c}]}}";
    write(&folder, "k8s/job.yaml", shared);
    let ask = ["reach", "shop/web", "shop/catalog", "-p", "8080"];
    let answer = run(&folder, &ask);
    assert_eq!(answer.status, 1, "{answer:?}");
    let shown = ["cluster k8s/dev:\nALLOWED", "cluster k8s/prod:\nBLOCKED"];
    assert!(
        shown.iter().all(|it| answer.stdout.contains(it)),
        "{answer:?}"
    );
    let job = run(&folder, &["reach", "shop/job", "shop/web", "-p", "8080"]);
    assert!(
        job.stdout
            .starts_with("clusters k8s/dev, k8s/prod:\nALLOWED"),
        "{job:?}"
    );
    let roots = run(&folder, &["files", "--roots"]).stdout;
    let said = "alternatives: k8s/dev.yaml, k8s/prod.yaml, as they define \
                shop/NetworkPolicy/catalog otherwise and their names tell environments";
    assert_eq!(roots.matches(said).count(), 1, "{roots}");
    assert_eq!(
        roots.matches("as they stand  2 files").count(),
        2,
        "{roots}"
    );
    // The same beside a kustomization, and apart from what it builds.
    write(&folder, "app/kustomization.yaml", "resources: [pod.yaml]\n");
    let other = shared.replace("job", "other");
    write(&folder, "app/pod.yaml", other);
    let beside = run(&folder, &["files", "--roots"]).stdout;
    assert!(beside.contains(said), "{beside}");
    assert_eq!(beside.matches("kustomization  app").count(), 2, "{beside}");
    // A copy in a directory below is an alternative to both.
    write(&folder, "k8s/backup/old.yaml", environment("wob"));
    let three = run(&folder, &["files", "--roots"]).stdout;
    assert_eq!(three.matches("\ncluster ").count(), 2, "{three}");
    assert!(three.starts_with("cluster "), "{three}");
}

/// One policy in two files is a mistake, and no alternative.
#[test]
fn a_policy_in_two_files_stays_a_duplicate() {
    let folder = scratch("environments-duplicate");
    write(&folder, "web.yaml", environment("web"));
    let policy = environment("webb");
    let policy = policy.split("---\n").last().expect("there is a policy");
    let policy = policy.replace("{app: catalog}", "{app: web}");
    write(&folder, "more.yaml", policy);
    let found = run(&folder, &["lint", "-o", "concise"]).stdout;
    assert!(found.contains("duplicate-policy"), "{found}");
    let roots = run(&folder, &["files", "--roots"]).stdout;
    assert!(roots.starts_with("one cluster\n"), "{roots}");
}
