//! Runs the built program as a user would, in a directory of its own.

use std::collections::BTreeMap;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::{Mutex, PoisonError};
use std::thread;

/// What the program printed, and how it went.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Run {
    /// The exit status.
    pub(crate) status: i32,
    /// Standard output.
    pub(crate) stdout: String,
    /// Standard error.
    pub(crate) stderr: String,
}

/// The program with these arguments, in `directory`, without variables that colour output.
pub(crate) fn command(directory: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_npcheck"));
    command
        .args(arguments)
        .current_dir(directory)
        .stdin(Stdio::null())
        .env_remove("NO_COLOR")
        .env_remove("FORCE_COLOR")
        .env_remove("CLICOLOR_FORCE")
        .env_remove("COLUMNS")
        .env_remove("PRE_COMMIT");
    command
}

/// Runs the program in `directory`.
pub(crate) fn run(directory: &Path, arguments: &[&str]) -> Run {
    let output = command(directory, arguments).output();
    Run::from(output.expect("the program starts"))
}

/// Runs the program in `directory` with `stdin` on its standard input.
pub(crate) fn run_with_stdin(directory: &Path, arguments: &[&str], stdin: &[u8]) -> Run {
    let mut command = command(directory, arguments);
    command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let mut child = command.spawn().expect("the program starts");
    let mut pipe = child.stdin.take().expect("standard input is piped");
    // A program that ends early closes the pipe, which is its right.
    let _ = pipe.write_all(stdin);
    drop(pipe);
    Run::from(child.wait_with_output().expect("the program ends"))
}

impl From<Output> for Run {
    fn from(output: Output) -> Self {
        Self {
            status: output.status.code().expect("the program ends by itself"),
            stdout: String::from_utf8(output.stdout).expect("output is UTF-8"),
            stderr: String::from_utf8(output.stderr).expect("output is UTF-8"),
        }
    }
}

/// An empty directory for a test of this name, which no other test may have.
pub(crate) fn scratch(name: &str) -> PathBuf {
    // Tests run side by side, and two of one directory would fail now and then.
    static OWNERS: Mutex<BTreeMap<String, Option<String>>> = Mutex::new(BTreeMap::new());
    let test = thread::current().name().map(str::to_owned);
    let mut owners = OWNERS.lock().unwrap_or_else(PoisonError::into_inner);
    let owner = owners
        .entry(name.to_owned())
        .or_insert_with(|| test.clone());
    assert_eq!(*owner, test, "two tests write to the directory {name}");
    drop(owners);
    let directory = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    // Left over from the last run, or not there yet.
    let _ = fs::remove_dir_all(&directory);
    fs::create_dir_all(&directory).unwrap();
    directory
}

/// Writes a file below `directory`, and the directories that it lies in.
pub(crate) fn write(directory: &Path, name: &str, text: impl AsRef<[u8]>) {
    let path = directory.join(name);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, text).unwrap();
}

/// The repository's root.
pub(crate) fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}
