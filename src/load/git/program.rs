//! Runs the program `git`: never through a shell, and so that nothing that stands in a
//! repository can make it run another program, ask a question, write, or use the network.
//!
//! Refuses to know what is asked of it.

use super::GitError;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::process::{Child, ChildStdout, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

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

/// How often it is looked whether git is silent.
const PULSE: Duration = Duration::from_millis(20);

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
    let watch = Watch {
        child: Mutex::new(child),
        silent_since: Mutex::new(None),
        was_killed: AtomicBool::new(false),
    };
    let mut printed = Printed {
        inner: watch
            .lock()
            .stdout
            .take()
            .expect("standard output is piped"),
        watch: &watch,
    };
    // All three pipes have an end, and none must wait for another.
    let (read, said, status) = thread::scope(|scope| {
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
        let (end, is_over) = mpsc::channel();
        let watch = &watch;
        scope.spawn(move || watch.keep(patience, &is_over));
        let mut buffered = BufReader::new(&mut printed);
        let read = read(&mut buffered);
        drop(buffered);
        drop(printed);
        if !matches!(read, Ok(Taken::All(_))) {
            // It may have ended by itself.
            let _ = watch.lock().kill();
        }
        let status = watch.wait();
        // The watch ends with this, or has ended.
        let _ = end.send(());
        (read, said.join().unwrap_or_default(), status)
    });
    if watch.was_killed.load(Ordering::Relaxed) {
        let said = format!("nothing for {} seconds", patience.as_secs_f32());
        return Err(GitError::Failed { said });
    }
    let status = status.map_err(|error| GitError::Failed {
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

/// A program that runs, and since when it owes an answer.
struct Watch {
    child: Mutex<Child>,
    silent_since: Mutex<Option<Instant>>,
    was_killed: AtomicBool,
}

impl Watch {
    fn lock(&self) -> MutexGuard<'_, Child> {
        self.child.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn note(&self, since: Option<Instant>) {
        let silent_since = self.silent_since.lock();
        *silent_since.unwrap_or_else(PoisonError::into_inner) = since;
    }

    /// Ends the program when it has been silent for too long.
    fn keep(&self, patience: Duration, is_over: &mpsc::Receiver<()>) {
        while is_over.recv_timeout(PULSE) == Err(RecvTimeoutError::Timeout) {
            let silent_since = self.silent_since.lock();
            let silent_since = *silent_since.unwrap_or_else(PoisonError::into_inner);
            if silent_since.is_some_and(|since| since.elapsed() > patience) {
                self.was_killed.store(true, Ordering::Relaxed);
                // It may have ended by itself.
                let _ = self.lock().kill();
                return;
            }
        }
    }

    /// Waits for the end of the program, so that the watch can still end it.
    fn wait(&self) -> io::Result<ExitStatus> {
        self.note(Some(Instant::now()));
        let mut pause = Duration::from_micros(100);
        loop {
            if let Some(status) = self.lock().try_wait()? {
                return Ok(status);
            }
            thread::sleep(pause);
            pause = (pause * 2).min(PULSE);
        }
    }
}

/// What a program prints, under watch.
struct Printed<'w> {
    inner: ChildStdout,
    watch: &'w Watch,
}

impl Read for Printed<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.watch.note(Some(Instant::now()));
        let read = self.inner.read(buffer);
        self.watch.note(None);
        read
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
