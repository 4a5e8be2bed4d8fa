//! Puts a new text in the place of a file: all of it or nothing, with the mode that the
//! file had, and only if the file still is what was read.
//!
//! Refuses to know what the text says.

use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

/// Replaces the text `before` of a file by `after`.
///
/// # Errors
///
/// If the file changed since `before` was read from it, or the system refuses. The file is
/// as it was then.
#[expect(clippy::disallowed_methods, reason = "this is the writer of fixes")]
pub(super) fn replace(path: &Path, before: &str, after: &str) -> io::Result<()> {
    // A symbolic link that was named stays one: the file behind it is replaced.
    let path = fs::canonicalize(path)?;
    if fs::read(&path)? != before.as_bytes() {
        return Err(io::Error::other("changed since it was read; not touched"));
    }
    let beside = beside(&path);
    let written = write(&beside, after)
        .and_then(|()| fs::set_permissions(&beside, fs::metadata(&path)?.permissions()))
        .and_then(|()| fs::rename(&beside, &path));
    if written.is_err() {
        // What could not be put in place must not lie around; that it lies there is the
        // smaller fault, so the first one is told.
        let _ = fs::remove_file(&beside);
    }
    written
}

#[expect(clippy::disallowed_methods, reason = "this is the writer of fixes")]
fn write(path: &Path, text: &str) -> io::Result<()> {
    let mut file = OpenOptions::new().write(true).create_new(true).open(path)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()
}

/// A name in the same directory, as only there a file can be renamed in one step.
fn beside(path: &Path) -> PathBuf {
    let mut name = std::ffi::OsString::from(".");
    name.push(path.file_name().unwrap_or_default());
    name.push(format!(".npcheck-{}", std::process::id()));
    path.with_file_name(name)
}
