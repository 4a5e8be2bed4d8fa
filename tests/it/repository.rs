//! Scratch git repositories, as they are on every machine: nothing of the user's own
//! settings counts in them. And a policy to put into them.

use super::program::{Run, command, scratch, write};
use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// A repository of its own for one test.
pub(crate) struct Repository {
    /// Its root.
    pub(crate) root: PathBuf,
}

impl Repository {
    /// An empty one without a commit, on the branch `main`.
    pub(crate) fn new(name: &str) -> Self {
        let repository = Self {
            root: scratch(&format!("git-{name}")),
        };
        repository.git(["-c", "init.defaultBranch=main", "init", "--quiet"]);
        repository
    }

    /// Runs git, which must succeed; what it prints, without the last line break.
    pub(crate) fn git<A: AsRef<OsStr>>(&self, arguments: impl IntoIterator<Item = A>) -> String {
        let output = self.try_git(arguments);
        assert!(output.status.success(), "{output:?}");
        String::from_utf8_lossy(&output.stdout)
            .trim_end()
            .to_owned()
    }

    /// Runs git, which may fail.
    pub(crate) fn try_git<A: AsRef<OsStr>>(
        &self,
        arguments: impl IntoIterator<Item = A>,
    ) -> Output {
        let mut command = Command::new("git");
        command.args(arguments).current_dir(&self.root);
        isolate(&mut command);
        command
            .output()
            .expect("these tests need the program `git`, as whoever has a clone does")
    }

    /// Writes a file.
    pub(crate) fn write(&self, name: &str, text: impl AsRef<[u8]>) {
        write(&self.root, name, text);
    }

    /// Stages all files as they are, be they ignored or gone.
    pub(crate) fn stage(&self) {
        self.git(["add", "--force", "--all", "."]);
    }

    /// Stages all files and commits them.
    pub(crate) fn commit(&self) {
        self.stage();
        self.git(["commit", "--quiet", "--no-verify", "--message=work"]);
    }

    /// Runs npcheck at the root.
    pub(crate) fn run(&self, arguments: &[&str]) -> Run {
        self.run_in("", arguments)
    }

    /// Runs npcheck in a directory below the root.
    pub(crate) fn run_in(&self, directory: &str, arguments: &[&str]) -> Run {
        Run::from(self.command(directory, arguments).output().unwrap())
    }

    /// npcheck in a directory below the root.
    pub(crate) fn command(&self, directory: &str, arguments: &[&str]) -> Command {
        let mut command = command(&self.root.join(directory), arguments);
        isolate(&mut command);
        command
    }
}

/// Keeps the settings of the user and of the repository around this one out of a command,
/// and those of a hook that the tests may run in.
pub(crate) fn isolate(command: &mut Command) {
    for inherited in ["GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_PREFIX"] {
        command.env_remove(inherited);
    }
    let scratch = Path::new(env!("CARGO_TARGET_TMPDIR"));
    command
        .env("GIT_CEILING_DIRECTORIES", scratch)
        .env("GIT_CONFIG_GLOBAL", "/dev/null")
        .env("GIT_CONFIG_NOSYSTEM", "1");
    for who in ["AUTHOR", "COMMITTER"] {
        command
            .env(format!("GIT_{who}_NAME"), "test")
            .env(format!("GIT_{who}_EMAIL"), "test@example.com")
            .env(format!("GIT_{who}_DATE"), "2026-01-31T12:00:00Z");
    }
}

/// A policy that an API server refuses, for one value.
pub(crate) fn policy(name: &str) -> String {
    format!(
        "apiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata: {{name: {name}, \
         namespace: shop}}\nspec:\n  podSelector: {{}}\n  ingress:\n    - ports:\n        \
         - {{protocol: tcp, port: 80}}\n"
    )
}
