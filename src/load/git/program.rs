//! Runs the program `git`: never through a shell, and so that nothing that stands in a
//! repository can make it run another program, ask a question, write, or use the network.
//!
//! Refuses to know what is asked of it.

use super::GitError;
use crate::load::program::{self, NoAnswer, Taken};
use std::io::{self, BufRead};
use std::process::Command;
use std::time::Duration;

/// Settings that outrank those of the repository.
const SETTINGS: &[&str] = &[
    // A program that is to know which files changed.
    "core.fsmonitor=false",
    // Programs that run when the index is written, which does not happen either.
    "core.hooksPath=/dev/null",
    // A directory that only looks like a repository, and brings settings of its own.
    "safe.bareRepository=explicit",
    // An object that a partial clone has not fetched is not fetched now.
    "protocol.allow=never",
    // What is larger than this is printed piece by piece, and not held as a whole.
    "core.bigFileThreshold=16m",
];

/// Variables that outrank those of the environment. Those that say where the repository and
/// its index are stay as they are: git sets them for its hooks.
const VARIABLES: &[(&str, &str)] = &[
    ("GIT_OPTIONAL_LOCKS", "0"),
    ("GIT_NO_LAZY_FETCH", "1"),
    ("GIT_ALLOW_PROTOCOL", "none"),
    ("GIT_TERMINAL_PROMPT", "0"),
    // What git says is told apart by its words.
    ("LC_ALL", "C"),
    ("LANGUAGE", ""),
];

/// How long git may be silent. It is when a file that it reads never ends: a FIFO in the
/// place of its configuration, for instance.
const PATIENCE: Duration = Duration::from_secs(30);

/// What git prints.
pub(super) fn output(arguments: &[&str], input: &[u8]) -> Result<Vec<u8>, GitError> {
    stream(arguments, input, |printed| {
        let mut bytes = Vec::new();
        printed.read_to_end(&mut bytes)?;
        Ok(Taken::All(bytes))
    })
}

/// Hands `input` to git, and what git prints to `read` while it runs.
pub(super) fn stream<T>(
    arguments: &[&str],
    input: &[u8],
    read: impl FnOnce(&mut dyn BufRead) -> io::Result<Taken<T>>,
) -> Result<T, GitError> {
    stream_within(PATIENCE, arguments, input, read)
}

fn stream_within<T>(
    patience: Duration,
    arguments: &[&str],
    input: &[u8],
    read: impl FnOnce(&mut dyn BufRead) -> io::Result<Taken<T>>,
) -> Result<T, GitError> {
    let failed = |said: String| GitError::Failed { said };
    let ended = program::run(&mut command(arguments), patience, input, read);
    let ended = ended.map_err(|no_answer| match no_answer {
        NoAnswer::NotStarted(error) if error.kind() == io::ErrorKind::NotFound => {
            GitError::NotInstalled
        }
        NoAnswer::NotStarted(error) | NoAnswer::Lost(error) => failed(error.to_string()),
        NoAnswer::Silent(patience) => {
            failed(format!("nothing for {} seconds", patience.as_secs_f32()))
        }
    })?;
    match ended.read {
        Ok(Taken::Enough(value)) => Ok(value),
        Ok(Taken::All(value)) if ended.status.success() => Ok(value),
        Ok(Taken::All(_)) => Err(GitError::said(&ended.said)),
        Err(error) if ended.said.trim().is_empty() => Err(failed(error.to_string())),
        Err(_) => Err(GitError::said(&ended.said)),
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "`load` is the reader of git, which is asked by its program"
)]
fn command(arguments: &[&str]) -> Command {
    let mut command = Command::new("git");
    command.args(["--no-pager", "--literal-pathspecs"]);
    for setting in SETTINGS {
        command.args(["-c", setting]);
    }
    command.args(arguments).envs(VARIABLES.iter().copied());
    command
}

#[cfg(all(test, unix))]
#[expect(
    clippy::disallowed_methods,
    reason = "the reader of git is tested with a repository"
)]
mod tests {
    use super::*;
    use std::fs;

    #[test]
    fn a_git_that_never_answers_is_ended() {
        let name = format!("npcheck-silent-git-{}", std::process::id());
        let directory = std::env::temp_dir().join(name);
        // Left over from another process of this number, or not there.
        let _ = fs::remove_dir_all(&directory);
        fs::create_dir_all(directory.join(".git")).expect("directories can be made");
        // A configuration that goes on in a FIFO: git waits for somebody to write to it.
        let fifo = directory.join(".git/fifo");
        let made = Command::new("mkfifo")
            .arg(&fifo)
            .status()
            .expect("there is mkfifo");
        assert!(made.success());
        fs::write(directory.join(".git/config"), "[include]\n\tpath = fifo\n").expect("a file");
        fs::write(directory.join(".git/HEAD"), "ref: refs/heads/main\n").expect("a file");
        for below in ["objects", "refs"] {
            fs::create_dir_all(directory.join(".git").join(below)).expect("directories");
        }
        let place = directory.to_string_lossy();
        let patience = Duration::from_millis(300);
        let arguments = ["-C", &*place, "rev-parse", "--is-inside-work-tree"];
        let answer = stream_within(patience, &arguments, b"", |printed| {
            let mut bytes = Vec::new();
            printed.read_to_end(&mut bytes)?;
            Ok(Taken::All(bytes))
        });
        let said = "nothing for 0.3 seconds".to_owned();
        assert_eq!(answer, Err(GitError::Failed { said }));
        fs::remove_dir_all(&directory).expect("it was made before");
    }
}
