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

#[cfg(test)]
#[expect(
    clippy::disallowed_methods,
    reason = "the writer of files is tested with files"
)]
mod tests {
    use super::*;

    /// An empty directory for the test of this name.
    fn scratch(name: &str) -> PathBuf {
        let name = format!("npcheck-{name}-{}", std::process::id());
        let directory = std::env::temp_dir().join(name);
        // Left over from another process of this number, or not there.
        let _ = fs::remove_dir_all(&directory);
        fs::create_dir_all(&directory).expect("the directory for temporary files takes one");
        directory
    }

    fn names(directory: &Path) -> Vec<String> {
        let entries = fs::read_dir(directory).expect("it was made before");
        let name = |entry: io::Result<fs::DirEntry>| {
            let entry = entry.expect("it is readable");
            entry.file_name().to_string_lossy().into_owned()
        };
        entries.map(name).collect()
    }

    #[test]
    fn a_file_is_replaced_only_while_it_is_what_was_read() {
        let directory = scratch("replace");
        let path = directory.join("a.yaml");
        fs::write(&path, "one\r\n").expect("it can be written");
        replace(&path, "one\r\n", "two\r\n").expect("it is as it was read");
        assert_eq!(fs::read_to_string(&path).expect("it is there"), "two\r\n");

        let refused = replace(&path, "one\r\n", "three").expect_err("it changed");
        assert_eq!(
            refused.to_string(),
            "changed since it was read; not touched"
        );
        assert_eq!(fs::read_to_string(&path).expect("it is there"), "two\r\n");
        assert_eq!(names(&directory), ["a.yaml"], "nothing lies around");

        fs::remove_file(&path).expect("it is there");
        let gone = replace(&path, "two\r\n", "three").expect_err("it is gone");
        assert_eq!(gone.kind(), io::ErrorKind::NotFound);
        assert_eq!(names(&directory), Vec::<String>::new());
        fs::remove_dir_all(&directory).expect("it was made before");
    }

    #[cfg(unix)]
    #[test]
    fn a_link_stays_a_link() {
        let directory = scratch("link");
        let (path, link) = (directory.join("a.yaml"), directory.join("link.yaml"));
        fs::write(&path, "one").expect("it can be written");
        std::os::unix::fs::symlink("a.yaml", &link).expect("links can be made");
        replace(&link, "one", "two").expect("it is as it was read");
        let kind = fs::symlink_metadata(&link)
            .expect("it is there")
            .file_type();
        assert!(kind.is_symlink());
        assert_eq!(fs::read_to_string(&path).expect("it is there"), "two");
        fs::remove_dir_all(&directory).expect("it was made before");
    }
}
