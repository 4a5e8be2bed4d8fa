//! The hooks of this repository under the real pre-commit, where it can be had: the one that
//! takes the npcheck of the PATH, in the three ways in which hooks go wrong.
//!
//! The other two differ in how they are installed only, which takes a compiler or a registry.

use super::program::root;
use super::repository::{Repository, isolate, policy};
use std::env;
use std::path::Path;
use std::process::{Command, Output};

/// pre-commit as it is on this machine, in a repository.
struct PreCommit {
    repository: Repository,
}

impl PreCommit {
    /// A repository whose configuration names the hook as this repository defines it; nothing,
    /// with a word on it, if pre-commit is not on this machine.
    #[expect(clippy::print_stderr, reason = "what is not tried is named")]
    fn new(name: &str) -> Option<Self> {
        if let Err(error) = Command::new("pre-commit").arg("--version").output() {
            eprintln!("pre-commit is not on this machine, so no hook runs under it: {error}");
            return None;
        }
        let hooks = std::fs::read_to_string(root().join(".pre-commit-hooks.yaml")).unwrap();
        let start = hooks.find("- id: npcheck-system").unwrap();
        let hook = hooks[start..].replace('\n', "\n      ");
        let repository = Repository::new(&format!("precommit-{name}"));
        let config = format!(
            "repos:\n  - repo: local\n    hooks:\n      {}\n",
            hook.trim_end()
        );
        repository.write(".pre-commit-config.yaml", config);
        Some(Self { repository })
    }

    fn run(&self, arguments: &[&str]) -> Output {
        let program = Path::new(env!("CARGO_BIN_EXE_npcheck")).parent().unwrap();
        let inherited = env::var_os("PATH").unwrap_or_default();
        let path = [program.to_owned()]
            .into_iter()
            .chain(env::split_paths(&inherited));
        let mut command = Command::new("pre-commit");
        command
            .args(["run", "--color", "never"])
            .args(arguments)
            .current_dir(&self.repository.root)
            .env("PATH", env::join_paths(path).unwrap())
            .env(
                "PRE_COMMIT_HOME",
                self.repository.root.join(".git/pre-commit-home"),
            );
        isolate(&mut command);
        command.output().unwrap()
    }

    fn passes(&self, arguments: &[&str]) -> bool {
        self.run(arguments).status.success()
    }
}

fn good(name: &str) -> String {
    policy(name).replace("tcp", "TCP")
}

#[test]
fn the_hook_runs_where_hooks_go_wrong() {
    let Some(hook) = PreCommit::new("wrong") else {
        return;
    };
    let repository = &hook.repository;
    repository.write("npcheck.yaml", "inventory: complete\n");
    let selecting = "apiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata: {name: web, namespace: shop}\nspec:\n  podSelector: {matchLabels: {app: web}}\n  policyTypes: [Ingress]\n  ingress:\n    - from: [{podSelector: {}}]\n      ports: [{protocol: TCP, port: 80}]\n";
    let pod = "apiVersion: v1\nkind: Pod\nmetadata: {name: web, namespace: shop, labels: {app: web}}\nspec: {containers: [{name: web, image: web, ports: [{containerPort: 80}]}]}\n";
    repository.write("policy.yaml", selecting);
    repository.write("pod.yaml", pod);
    repository.write("other.yaml", pod.replace("web", "other"));
    repository.commit();
    // A commit that only deletes.
    repository.git(["rm", "--quiet", "pod.yaml"]);
    let refused = hook.run(&[]);
    let said = String::from_utf8_lossy(&refused.stdout).into_owned();
    assert!(
        !refused.status.success() && said.contains("flow-lost"),
        "{said}"
    );
    repository.git(["reset", "--quiet", "--hard"]);
    // An untracked file is no part of the commit.
    repository.write("broken.yaml", "apiVersion: v1\nkind: [\n");
    repository.write("fine.yaml", good("fine"));
    repository.git(["add", "fine.yaml"]);
    let said = String::from_utf8_lossy(&hook.run(&[]).stdout).into_owned();
    assert!(!said.contains("broken.yaml"), "{said}");
    std::fs::remove_file(repository.root.join("broken.yaml")).unwrap();
}

#[test]
fn long_lists_are_one_run_and_all_files_is_no_empty_pass() {
    let Some(hook) = PreCommit::new("many") else {
        return;
    };
    let repository = &hook.repository;
    for number in 0..800 {
        let team = format!("team-{}", number % 40);
        let text = good(&format!("p{number}")).replace("shop", &team);
        repository.write(&format!("apps/{team}/{number}/policy.yaml"), text);
    }
    repository.stage();
    let run = hook.run(&["--verbose"]);
    let said = String::from_utf8_lossy(&run.stdout).into_owned();
    assert!(run.status.success(), "{said}");
    assert_eq!(said.matches("read 80").count(), 1, "{said}");
    repository.commit();
    // Nothing is staged then, so that everything is meant.
    let all = hook.run(&["--all-files", "--verbose"]);
    let said = String::from_utf8_lossy(&all.stdout).into_owned();
    assert!(all.status.success() && said.contains("read 80"), "{said}");
    repository.write("apps/bad.yaml", policy("bad"));
    repository.stage();
    assert!(!hook.passes(&["--all-files"]));
    assert!(!hook.passes(&[]));
}
