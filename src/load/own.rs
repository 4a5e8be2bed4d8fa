//! What npcheck obeys of a repository: ignore files, its configuration, a baseline. They are
//! a stranger's as much as the manifests, so none of them may be endless, huge, or a window
//! to the rest of the machine.
//!
//! Refuses to know what is in them.

use std::fs;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

/// How many bytes such a file may have.
pub(super) const MAX_BYTES: u64 = 1 << 20;

/// Reads a file, unless it must not be obeyed.
///
/// # Errors
///
/// If it is none that is obeyed, the system refuses, or its text is not UTF-8.
#[expect(
    clippy::disallowed_methods,
    reason = "`load` is the reader of the disk"
)]
pub(super) fn read(path: &Path) -> io::Result<String> {
    if let Some(reason) = refusal(path) {
        return Err(io::Error::other(reason));
    }
    let mut text = String::new();
    // It may grow while it is read.
    fs::File::open(path)?
        .take(MAX_BYTES + 1)
        .read_to_string(&mut text)?;
    if text.len() as u64 > MAX_BYTES {
        return Err(io::Error::other(TOO_LARGE));
    }
    Ok(text)
}

const TOO_LARGE: &str = "it is larger than 1 MiB";

/// Why a file must not be obeyed; nothing if it may be, or is not there.
#[expect(
    clippy::disallowed_methods,
    reason = "`load` is the reader of the disk"
)]
pub(super) fn refusal(path: &Path) -> Option<&'static str> {
    let link = fs::symlink_metadata(path).ok()?;
    let file = fs::metadata(path).ok()?;
    if link.file_type().is_symlink() && !stays_inside(path) {
        return Some("it is a link that leads out of the tree");
    }
    if !file.is_file() && !is_open_pipe(path) {
        return Some("it is not a regular file");
    }
    (file.len() > MAX_BYTES).then_some(TOO_LARGE)
}

/// Whether a link leads to a file of the tree that it stands in: of the git repository, or
/// else of its own directory.
#[expect(
    clippy::disallowed_methods,
    reason = "`load` is the reader of the disk"
)]
fn stays_inside(link: &Path) -> bool {
    let directory = link.parent().filter(|parent| *parent != Path::new(""));
    let directory = directory.unwrap_or(Path::new("."));
    let (Ok(directory), Ok(target)) = (fs::canonicalize(directory), fs::canonicalize(link)) else {
        return false;
    };
    let is_root = |above: &&Path| above.join(".git").exists();
    let root = directory.ancestors().find(is_root);
    target.starts_with(root.unwrap_or(&directory)) || is_open_pipe(link)
}

/// Whether a path is one that a shell hands over for `<(command)`: a pipe that is open
/// already, so that reading it ends.
pub(super) fn is_open_pipe(path: &Path) -> bool {
    path == Path::new("/dev/stdin")
        || path.starts_with("/dev/fd")
        || path.starts_with("/proc/self/fd")
}

/// The files of a directory that a walk of it would obey and must not, each with the reason.
pub(super) fn refused_below(directory: &Path, names: &[&str]) -> Vec<(PathBuf, &'static str)> {
    let paths = names.iter().map(|name| directory.join(name));
    paths
        .filter_map(|path| refusal(&path).map(|reason| (path, reason)))
        .collect()
}
