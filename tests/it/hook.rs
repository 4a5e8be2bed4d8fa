//! The hook that the repository offers, run by git itself before real commits.

use super::program::root;
use super::repository::{Repository, isolate, policy};
use serde::Deserialize;
use std::env;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Output};

/// A hook as pre-commit reads it; what is not written here it would complain about.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Hook {
    id: String,
    name: String,
    description: String,
    entry: String,
    language: String,
    pass_filenames: bool,
    always_run: bool,
    require_serial: bool,
}

fn hook() -> Hook {
    let text = fs::read_to_string(root().join(".pre-commit-hooks.yaml")).unwrap();
    let mut hooks: Vec<Hook> = serde_yaml::from_str(&text).unwrap();
    // They differ in how they are installed: `packaging` holds them to one command.
    assert_eq!(hooks.len(), 3);
    hooks.remove(0)
}

/// A repository in which the hook's entry runs before every commit.
fn guarded(name: &str) -> Repository {
    let repository = Repository::new(&format!("hook-{name}"));
    let entry = hook().entry;
    let script = ".git/hooks/pre-commit";
    repository.write(script, format!("#!/bin/sh\nexec {entry}\n"));
    let path = repository.root.join(script);
    fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
    repository
}

/// Commits with these arguments, from a directory below the root.
fn commit_in(repository: &Repository, directory: &str, arguments: &[&str]) -> Output {
    let program = Path::new(env!("CARGO_BIN_EXE_npcheck")).parent().unwrap();
    let inherited = env::var_os("PATH").unwrap_or_default();
    let path = [program.to_owned()]
        .into_iter()
        .chain(env::split_paths(&inherited));
    let mut command = Command::new("git");
    command
        .args(["commit", "--quiet", "--message=work"])
        .args(arguments)
        .current_dir(repository.root.join(directory))
        .env("PATH", env::join_paths(path).unwrap());
    isolate(&mut command);
    command.output().unwrap()
}

/// Whether the commit is let through.
fn passes(repository: &Repository, arguments: &[&str]) -> bool {
    commit_in(repository, "", arguments).status.success()
}

/// What was said about a commit that is refused.
fn refusal(repository: &Repository, arguments: &[&str]) -> String {
    let output = commit_in(repository, "", arguments);
    assert!(!output.status.success(), "{output:?}");
    String::from_utf8([output.stdout, output.stderr].concat()).unwrap()
}

fn good(name: &str) -> String {
    policy(name).replace("tcp", "TCP")
}

#[test]
fn the_hook_is_as_pre_commit_wants_it() {
    let hook = hook();
    assert_eq!(hook.id, "npcheck");
    assert!(!hook.name.is_empty() && !hook.description.is_empty());
    assert_eq!(hook.entry, "npcheck lint --staged --new-from HEAD");
    assert_eq!(hook.language, "rust");
    // Else a commit that only deletes would skip it, or a long list of files run it twice.
    assert!(!hook.pass_filenames && hook.always_run && hook.require_serial);
    // pre-commit builds the package at the root.
    assert!(root().join("Cargo.toml").exists());
}

#[test]
fn a_commit_is_judged_by_what_it_will_hold() {
    let repository = guarded("held");
    // The first one, with an old mistake that nobody is to be bothered with again.
    repository.write("old.yaml", policy("old"));
    repository.stage();
    assert!(refusal(&repository, &[]).contains("invalid-value"));
    repository.commit();
    // An untracked file, however broken, is no part of it.
    repository.write("broken.yaml", "apiVersion: v1\nkind: [\n");
    repository.write("good.yaml", good("good"));
    repository.git(["add", "good.yaml"]);
    assert!(passes(&repository, &[]));
    fs::remove_file(repository.root.join("broken.yaml")).unwrap();
    // Staged wrong and mended on the disk, and the other way round.
    repository.write("new.yaml", policy("new"));
    repository.git(["add", "new.yaml"]);
    repository.write("new.yaml", good("new"));
    let said = refusal(&repository, &[]);
    assert!(said.contains("new.yaml:8:22"), "{said}");
    assert!(
        said.contains("found 1 error new since HEAD (1 fixable, 1 in HEAD already)"),
        "{said}"
    );
    repository.git(["add", "new.yaml"]);
    repository.write("new.yaml", policy("new"));
    assert!(passes(&repository, &[]));
    // `commit --all` and `commit FILE` make an index of their own.
    assert!(refusal(&repository, &["--all"]).contains("new.yaml:8:22"));
    repository.write("good.yaml", good("better"));
    assert!(passes(&repository, &["good.yaml"]));
    assert!(refusal(&repository, &["new.yaml"]).contains("new.yaml:8:22"));
    repository.write("sub/x.yaml", good("x"));
    repository.git(["add", "sub"]);
    let below = commit_in(&repository, "sub", &[]);
    assert!(below.status.success(), "{below:?}");
    // What concerns nobody here is done at once.
    repository.write("README.md", "words\n");
    repository.git(["add", "README.md"]);
    let output = commit_in(&repository, "", &[]);
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(
        output.status.success() && said.starts_with("nothing staged touches"),
        "{said}"
    );
}

#[test]
fn a_commit_that_only_deletes_is_judged_too() {
    let repository = guarded("deletes");
    let selecting = "apiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata: {name: web, namespace: shop}\nspec:\n  podSelector: {matchLabels: {app: web}}\n  policyTypes: [Ingress]\n  ingress:\n    - from: [{podSelector: {}}]\n      ports: [{protocol: TCP, port: 80}]\n";
    let pod = "apiVersion: v1\nkind: Pod\nmetadata: {name: web, namespace: shop, labels: {app: web}}\nspec: {containers: [{name: web, image: web, ports: [{containerPort: 80}]}]}\n";
    repository.write("npcheck.yaml", "inventory: complete\n");
    repository.write("policy.yaml", selecting);
    repository.write("pod.yaml", pod);
    repository.write("other.yaml", pod.replace("web", "other"));
    repository.stage();
    assert!(passes(&repository, &[]));
    repository.git(["rm", "--quiet", "pod.yaml"]);
    let said = refusal(&repository, &[]);
    // What the change did is the cause; that the selector matches nothing follows from it.
    assert!(said.contains("flow-lost"), "{said}");
    repository.git(["rm", "--quiet", "policy.yaml"]);
    assert!(
        passes(&repository, &[]),
        "who goes with the pod is no mistake"
    );
}

#[test]
fn two_thousand_files_are_one_run() {
    let repository = guarded("many");
    let write_all = |text: fn(&str) -> String| {
        for number in 0..2000 {
            let team = format!("team-{}", number % 100);
            let text = text(&format!("p{number}")).replace("shop", &team);
            repository.write(&format!("apps/{team}/{number}/policy.yaml"), text);
        }
    };
    write_all(good);
    repository.stage();
    let output = commit_in(&repository, "", &[]);
    assert!(output.status.success(), "{output:?}");
    let said = String::from_utf8(output.stderr).unwrap();
    let read = said.matches("read 2000 files, 2000 objects").count();
    assert_eq!(read, 1, "{said}");
    write_all(policy);
    let said = refusal(&repository, &["--all"]);
    assert!(said.contains("found 2000 errors new since HEAD"), "{said}");
}
