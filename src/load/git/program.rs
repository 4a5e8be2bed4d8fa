//! Runs the program `git`: never through a shell, and so that nothing that stands in a
//! repository can make it run another program, ask a question, write, or use the network.
//!
//! Refuses to know what is asked of it.

use super::GitError;
use std::io::{self, BufReader, Read, Write};
use std::process::{ChildStdout, Command, Stdio};
use std::thread;

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

/// How a reader of what git prints came to its end.
#[derive(Debug)]
pub(super) enum Taken<T> {
    /// It has read all of it.
    All(T),
    /// It needs no more, so git need not go on.
    Enough(T),
}

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
    read: impl FnOnce(&mut BufReader<ChildStdout>) -> io::Result<Taken<T>>,
) -> Result<T, GitError> {
    let mut child = command(arguments)
        .spawn()
        .map_err(|error| match error.kind() {
            io::ErrorKind::NotFound => GitError::NotInstalled,
            _ => GitError::Failed {
                said: error.to_string(),
            },
        })?;
    let mut stdin = child.stdin.take().expect("standard input is piped");
    let mut stderr = child.stderr.take().expect("standard error is piped");
    let mut stdout = BufReader::new(child.stdout.take().expect("standard output is piped"));
    // All three pipes have an end, and none must wait for another.
    let (read, said) = thread::scope(|scope| {
        scope.spawn(move || {
            // Git may have enough earlier; then it says why.
            let _ = stdin.write_all(input);
        });
        let said = scope.spawn(move || {
            let mut said = Vec::new();
            // What cannot be read any more was not said.
            let _ = stderr.read_to_end(&mut said);
            String::from_utf8_lossy(&said).into_owned()
        });
        let read = read(&mut stdout);
        drop(stdout);
        if !matches!(read, Ok(Taken::All(_))) {
            // It may have ended by itself.
            let _ = child.kill();
        }
        (read, said.join().unwrap_or_default())
    });
    let status = child.wait().map_err(|error| GitError::Failed {
        said: error.to_string(),
    })?;
    match read {
        Ok(Taken::Enough(value)) => Ok(value),
        Ok(Taken::All(value)) if status.success() => Ok(value),
        Ok(Taken::All(_)) => Err(GitError::said(&said)),
        Err(error) if said.trim().is_empty() => Err(GitError::Failed {
            said: error.to_string(),
        }),
        Err(_) => Err(GitError::said(&said)),
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
    command
        .args(arguments)
        .envs(VARIABLES.iter().copied())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    command
}
