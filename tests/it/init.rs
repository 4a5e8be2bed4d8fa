//! `npcheck init`: what it writes is read back without a word, changes no finding, and every
//! key that it only shows may be put in force. It touches nothing that is there.

use super::program::{root, run, scratch, write};
use std::fs;
use std::path::{Path, PathBuf};

/// A tree to be written into by a test, by name.
fn tree(test: &str, name: &str) -> PathBuf {
    let directory = scratch(&format!("init-{test}-{name}"));
    // The root of a repository of its own, as far as npcheck looks.
    fs::create_dir(directory.join(".git")).unwrap();
    match name {
        "shop" => copy(&root().join("examples/shop"), &directory),
        "gitops" => copy(&root().join("examples/gitops"), &directory),
        "calico" => {
            write(&directory, "agent.yaml", AGENT);
            write(&directory, "shop.yaml", SHOP);
        }
        "openshift" => {
            write(&directory, "network.yaml", NETWORK);
            write(&directory, "shop.yaml", SHOP);
        }
        "differ" => {
            for (cluster, agent) in [
                ("dev", AGENT),
                ("prod", &AGENT.replace("calico-node", "cilium")),
            ] {
                write(&directory, &format!("{cluster}/agent.yaml"), agent);
                write(
                    &directory,
                    &format!("{cluster}/shop.yaml"),
                    SHOP.replace("web", &format!("web-{cluster}")),
                );
                write(
                    &directory,
                    &format!("{cluster}/same.yaml"),
                    SHOP.replace("image: web", &format!("image: {cluster}")),
                );
            }
        }
        _ => write(&directory, "hostile.yaml", HOSTILE),
    }
    directory
}

const TREES: [&str; 6] = ["shop", "gitops", "calico", "openshift", "differ", "hostile"];

const AGENT: &str = "apiVersion: apps/v1\nkind: DaemonSet\nmetadata: {name: calico-node, namespace: kube-system}\nspec:\n  selector: {matchLabels: {k8s-app: agent}}\n  template:\n    metadata: {labels: {k8s-app: agent}}\n    spec: {containers: [{name: agent, image: agent}]}\n";

const SHOP: &str = "apiVersion: v1\nkind: Namespace\nmetadata: {name: shop}\n---\napiVersion: v1\nkind: Pod\nmetadata: {name: web, namespace: shop, labels: {app: web}}\nspec: {containers: [{name: web, image: web}]}\n---\napiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata: {name: web, namespace: shop}\nspec:\n  podSelector: {matchLabels: {app: wbe}}\n  ingress:\n    - from: [{ipBlock: {cidr: 10.0.0.1/8}}]\n";

const NETWORK: &str = "apiVersion: config.openshift.io/v1\nkind: Network\nmetadata: {name: cluster}\nspec:\n  networkType: OVNKubernetes\n  clusterNetwork: [{cidr: 10.128.0.0/14, hostPrefix: 23}]\n  serviceNetwork: [172.30.0.0/16]\n";

/// Names that would end a comment, or be something else than a name.
const HOSTILE: &str = "apiVersion: v1\nkind: Pod\nmetadata: {name: \"a\\nrules: {}\", namespace: \"on\"}\n---\napiVersion: v1\nkind: Pod\nmetadata: {name: b, namespace: \"x]}\\ncni: weave #\"}\n---\napiVersion: v1\nkind: Pod\nmetadata: {name: c, namespace: shop}\n---\napiVersion: config.openshift.io/v1\nkind: Network\nmetadata: {name: \"x\\ncni: weave\\n\\u2028cni: weave\"}\n";

fn copy(from: &Path, to: &Path) {
    for entry in fs::read_dir(from).unwrap() {
        let path = entry.unwrap().path();
        let target = to.join(path.file_name().unwrap());
        if path.is_dir() {
            fs::create_dir_all(&target).unwrap();
            copy(&path, &target);
        } else {
            fs::copy(&path, &target).unwrap();
        }
    }
}

#[test]
fn what_it_writes_is_read_back_and_changes_no_finding() {
    for name in TREES {
        let directory = tree("read", name);
        let lint = || {
            run(
                &directory,
                &["lint", "-q", "-o", "concise", "--show", "info", "."],
            )
        };
        let before = lint();
        let first = run(&directory, &["init"]);
        assert_eq!(
            first.status,
            if before.status == 2 { 2 } else { 0 },
            "{name}: {first:?}"
        );
        assert!(
            first.stderr.contains("wrote npcheck.yaml"),
            "{name}: {first:?}"
        );
        assert_eq!(first.stdout, "", "{name}");
        let config = run(&directory, &["config"]);
        assert_eq!((config.status, config.stderr.as_str()), (0, ""), "{name}");
        assert!(
            config.stdout.starts_with("# configuration: npcheck.yaml\n"),
            "{name}"
        );
        assert_eq!(lint(), before, "{name}: the same findings");
        let printed = run(&directory, &["init", "--print"]);
        let written = fs::read_to_string(directory.join("npcheck.yaml")).unwrap();
        assert_eq!(
            printed.stdout,
            format!("# --- npcheck.yaml\n{written}"),
            "{name}"
        );
        assert!(
            written.lines().all(|line| line.chars().count() <= 100),
            "{name}: {written}"
        );
    }
}

#[test]
fn every_key_that_it_shows_may_be_put_in_force() {
    for name in TREES {
        let directory = tree("keys", name);
        run(&directory, &["init"]);
        let written = fs::read_to_string(directory.join("npcheck.yaml")).unwrap();
        let shown = |line: &&str| line.starts_with('#') && !line.starts_with("# ") && *line != "#";
        let keys: Vec<&str> = written.lines().filter(shown).collect();
        assert!(keys.len() >= 6, "{name}: {written}");
        for key in keys {
            let text = written.replace(&format!("\n{key}\n"), &format!("\n{}\n", &key[1..]));
            assert_ne!(text, written);
            write(&directory, "npcheck.yaml", text);
            let config = run(&directory, &["config"]);
            assert_eq!(
                (config.status, config.stderr.as_str()),
                (0, ""),
                "{name}: {key}"
            );
        }
    }
}

#[test]
fn it_says_what_it_recognised() {
    let table: &[(&str, &[&str])] = &[
        (
            "calico",
            &[
                "\ncni: calico\n",
                "# Recognised by DaemonSet/calico-node.",
                "#inventory: {complete: [shop]}",
            ],
        ),
        (
            "openshift",
            &[
                "\ncni: ovn-kubernetes\n",
                "\nplatform: {distributions: [openshift]}\n",
                "# Pods: 10.128.0.0/14",
            ],
        ),
        (
            "differ",
            &[
                "\n#cni: calico\n",
                "#   dev: ",
                "# calico in dev, by DaemonSet/calico-node.",
                "# cilium in prod, by DaemonSet/cilium.",
            ],
        ),
        ("gitops", &["#   dev: ", "#   prod: "]),
        ("shop", &["\n#cni: calico\n", "#   one cluster: "]),
        ("hostile", &["#inventory: {complete: [shop]}"]),
    ];
    for (name, expected) in table {
        let printed = run(&tree("says", name), &["init", "--print"]).stdout;
        for text in *expected {
            assert!(printed.contains(text), "{name}: {text}: {printed}");
        }
        assert!(!printed.contains("\ncni: weave"), "{name}: {printed}");
    }
}

#[test]
fn nothing_that_is_there_is_touched() {
    let directory = tree("kept", "shop");
    write(&directory, ".npcheck.yml", "failOn: error\n");
    let refused = run(&directory, &["init"]);
    assert_eq!(refused.status, 2, "{refused:?}");
    assert!(
        refused
            .stderr
            .contains("npcheck: .npcheck.yml: already exists"),
        "{refused:?}"
    );
    assert!(!directory.join("npcheck.yaml").exists());
    fs::rename(
        directory.join(".npcheck.yml"),
        directory.join("npcheck.yaml"),
    )
    .unwrap();
    assert_eq!(run(&directory, &["init"]).status, 2);
    let forced = run(&directory, &["init", "--force"]);
    assert_eq!(forced.status, 0, "{forced:?}");
    let text = fs::read_to_string(directory.join("npcheck.yaml")).unwrap();
    assert!(text.contains("failOn: warning"));
    assert_eq!(run(&directory, &["init"]).status, 0, "it is up to date");
    // What other tools have their say in is never overwritten; what to add is printed.
    write(&directory, ".pre-commit-config.yaml", "repos: []\n");
    write(&directory, ".gitlab-ci.yml", "stages: []\n");
    let beside = run(&directory, &["init", "--hook", "--ci", "gitlab", "--force"]);
    assert_eq!(beside.status, 0, "{beside:?}");
    assert!(beside.stdout.contains("id: npcheck-wheel") && beside.stdout.contains("\nnpcheck:\n"));
    for (name, text) in [
        (".pre-commit-config.yaml", "repos: []\n"),
        (".gitlab-ci.yml", "stages: []\n"),
    ] {
        assert_eq!(fs::read_to_string(directory.join(name)).unwrap(), text);
    }
}

#[test]
fn hooks_and_jobs_are_the_examples() {
    let directory = tree("jobs", "shop");
    let all = run(&directory, &["init", "--hook", "--ci", "github"]);
    assert_eq!(all.status, 0, "{all:?}");
    for (name, example) in [
        (".github/workflows/npcheck.yml", "examples/ci/github.yml"),
        (".pre-commit-config.yaml", "examples/ci/pre-commit.yaml"),
    ] {
        let written = fs::read_to_string(directory.join(name)).unwrap();
        assert_eq!(written, fs::read_to_string(root().join(example)).unwrap());
    }
    let config = run(&directory, &["config"]);
    assert_eq!((config.status, config.stderr.as_str()), (0, ""));
}

#[test]
fn an_empty_tree_gets_no_file() {
    let directory = scratch("init-empty");
    let empty = run(&directory, &["init"]);
    assert_eq!(empty.status, 3, "{empty:?}");
    assert!(!directory.join("npcheck.yaml").exists());
}
