//! `git:REV[:PATH]` where a command takes files; and that what a kustomization builds on is read
//! from the state that was asked for, wherever the argument points.

use super::repository::Repository;

const BASE: &str = "resources: [web.yaml, policy.yaml]\n";
const OVERLAY: &str = "resources: [../../base]\n";

const WEB: &str = "\
apiVersion: apps/v1
kind: Deployment
metadata: {name: web, namespace: shop}
spec:
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec: {containers: [{name: web, image: web}]}
";

/// A policy for pods with this label, that lets nothing in.
fn closed(app: &str) -> String {
    format!(
        "apiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata: {{name: closed, \
         namespace: shop}}\nspec: {{podSelector: {{matchLabels: {{app: {app}}}}}, policyTypes: \
         [Ingress]}}\n"
    )
}

/// A repository with a commit in which the policy selects nothing, and a work tree in which it
/// selects `web`.
fn repository(name: &str) -> Repository {
    let repository = Repository::new(&format!("of-revision-{name}"));
    repository.write("base/kustomization.yaml", BASE);
    repository.write("base/web.yaml", WEB);
    repository.write("base/policy.yaml", closed("wbe"));
    repository.write("overlays/prod/kustomization.yaml", OVERLAY);
    repository.commit();
    repository.write("base/policy.yaml", closed("web"));
    repository
}

#[test]
fn a_commit_is_looked_at_wherever_files_are_named() {
    let repository = repository("paths");
    let reach = |from: &str, path: &str| {
        let run = repository.run_in(from, &["reach", "-q", "internet", "shop/web", path]);
        run.stdout.split_whitespace().next().map(str::to_owned)
    };
    for (from, path, verdict) in [
        ("", "git:HEAD", "ALLOWED"),
        ("", "git:main:overlays/prod", "ALLOWED"),
        ("overlays", "git:HEAD:base", "ALLOWED"),
        // Without a path it is the current directory.
        ("overlays/prod", "git:HEAD", "ALLOWED"),
        ("", ".", "BLOCKED"),
        ("", "overlays/prod", "BLOCKED"),
    ] {
        let found = reach(from, path);
        assert_eq!(found.as_deref(), Some(verdict), "{path} from `{from}`");
    }
    let lint = |path| repository.run(&["lint", "-q", "-o", "concise", "--exit-zero", path]);
    for path in ["git:HEAD", "git:HEAD:overlays/prod"] {
        let found = lint(path).stdout;
        assert!(found.contains("unmatched-pod-selector"), "{path}: {found}");
    }
    let found = lint("overlays/prod").stdout;
    assert!(!found.contains("unmatched-pod-selector"), "{found}");
    let graph = |path| repository.run(&["graph", "-q", path]).stdout;
    assert!(graph("git:HEAD").contains("outside -> shop/Deployment/web"));
    assert!(!graph(".").contains("outside -> shop/Deployment/web"));
    let files = repository.run(&["files", "git:HEAD:base/policy.yaml"]);
    assert!(files.stdout.contains("base/policy.yaml"), "{files:?}");
}

#[test]
fn the_configuration_is_that_of_the_commit() {
    let repository = repository("configuration");
    repository.write("npcheck.yaml", "rules: {unmatched-pod-selector: off}\n");
    let found = |path| {
        let run = repository.run(&["lint", "-q", "-o", "concise", "--exit-zero", path]);
        run.stdout.contains("unmatched-pod-selector")
    };
    assert!(found("git:HEAD"), "it has no configuration");
    repository.write("base/policy.yaml", closed("wbe"));
    repository.commit();
    assert!(!found("git:HEAD"));
}

#[test]
fn what_does_not_go_together_is_said() {
    let repository = repository("together");
    for (arguments, said) in [
        (
            &["lint", "git:HEAD", "base"][..],
            "base: one commit is looked at at a time, and `git:HEAD` is another state",
        ),
        (
            &["lint", "git:HEAD", "git:HEAD~1"],
            "git:HEAD~1: one commit is looked at at a time, and `git:HEAD` is another state",
        ),
        (
            &["lint", "git:HEAD", "--staged"],
            "git:HEAD: --staged looks at another state: leave one out",
        ),
        (
            &["lint", "git:HEAD", "--fix"],
            "git:HEAD: fixes go to files, not to a commit",
        ),
        (
            &["lint", "git:nope"],
            "git:nope: git knows no commit `nope`",
        ),
        (
            &["graph", "git:HEAD:bases"],
            "bases: no such file or directory; did you mean `base`?",
        ),
        (
            &["files", "--helm", "git:HEAD"],
            "--helm: helm renders the files on the disk, and not what git has",
        ),
    ] {
        let run = repository.run(arguments);
        assert_eq!(run.status, 2, "{arguments:?}: {run:?}");
        assert!(run.stderr.contains(said), "{arguments:?}: {run:?}");
    }
}

#[test]
fn a_base_beside_the_argument_is_read_in_every_state() {
    let repository = repository("beside");
    let other = closed("wbx").replace("name: closed", "name: other");
    let both = format!("{}---\n{other}", closed("wbe"));
    repository.write("base/policy.yaml", both);
    repository.stage();
    // On the disk the base is gone; in the index and the commit it is there.
    std::fs::remove_dir_all(repository.root.join("base")).unwrap();
    let lint = |arguments: &[&str]| {
        let all = [&["lint", "-q", "-o", "concise", "--exit-zero"], arguments].concat();
        repository.run(&all).stdout
    };
    let staged = lint(&["--staged", "overlays/prod"]);
    assert!(!staged.contains("broken-build"), "{staged}");
    assert!(
        staged.contains("app=wbe") && staged.contains("app=wbx"),
        "{staged}"
    );
    // What HEAD has, and nothing else, is known.
    let new = lint(&["--staged", "--new-from", "HEAD", "overlays/prod"]);
    assert!(!new.contains("app=wbe") && new.contains("app=wbx"), "{new}");
    let states = ["git:HEAD:overlays/prod", "git:HEAD:base"];
    let same = repository.run(&[&["diff", "--expect", "same"], &states[..]].concat());
    assert_eq!(same.status, 0, "{same:?}");
    assert!(same.stdout.starts_with("same connectivity"), "{same:?}");
    let disk = lint(&["overlays/prod"]);
    assert!(disk.contains("broken-build"), "{disk}");
}
