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
/// If the file changed since `before` was read from it, is read-only, has several names
/// (hard links), belongs to somebody whom the new file cannot be given to, or the system
/// refuses. The file is as it was then.
#[expect(clippy::disallowed_methods, reason = "this is the writer of fixes")]
pub(super) fn replace(path: &Path, before: &str, after: &str) -> io::Result<()> {
    // A symbolic link that was named stays one: the file behind it is replaced.
    let path = fs::canonicalize(path)?;
    let metadata = fs::metadata(&path)?;
    check_unchanged(&path, before)?;
    if metadata.permissions().readonly() {
        return Err(io::Error::other("is read-only; not touched"));
    }
    if has_other_names(&metadata) {
        return Err(io::Error::other(
            "has other names (hard links); not touched",
        ));
    }
    let beside = create_beside(&path)?;
    let written = write(&beside, after)
        .and_then(|()| keep_owner(&beside.path, &metadata))
        .and_then(|()| fs::set_permissions(&beside.path, metadata.permissions()))
        // Writing took its time, and somebody may have used it.
        .and_then(|()| check_unchanged(&path, before))
        .and_then(|()| fs::rename(&beside.path, &path));
    if written.is_err() {
        // What could not be put in place must not lie around; that it lies there is the
        // smaller fault, so the first one is told.
        let _ = fs::remove_file(&beside.path);
    }
    written
}

#[expect(clippy::disallowed_methods, reason = "this is the writer of fixes")]
fn check_unchanged(path: &Path, before: &str) -> io::Result<()> {
    if fs::read(path)? == before.as_bytes() {
        Ok(())
    } else {
        Err(io::Error::other("changed since it was read; not touched"))
    }
}

#[cfg(unix)]
fn has_other_names(metadata: &fs::Metadata) -> bool {
    std::os::unix::fs::MetadataExt::nlink(metadata) > 1
}

#[cfg(not(unix))]
fn has_other_names(_: &fs::Metadata) -> bool {
    false
}

/// Gives a new file to the owner and the group of the one that it replaces.
#[cfg(unix)]
#[expect(clippy::disallowed_methods, reason = "this is the writer of fixes")]
fn keep_owner(new: &Path, old: &fs::Metadata) -> io::Result<()> {
    use std::os::unix::fs::{MetadataExt, chown};
    let made = fs::metadata(new)?;
    if (made.uid(), made.gid()) == (old.uid(), old.gid()) {
        return Ok(());
    }
    chown(new, Some(old.uid()), Some(old.gid()))
        .map_err(|_| io::Error::other("belongs to another user or group; not touched"))
}

#[cfg(not(unix))]
fn keep_owner(_: &Path, _: &fs::Metadata) -> io::Result<()> {
    Ok(())
}

/// A file that was made just now, and is nobody else's.
struct Beside {
    path: PathBuf,
    file: fs::File,
}

fn write(beside: &Beside, text: &str) -> io::Result<()> {
    let mut file = &beside.file;
    file.write_all(text.as_bytes())?;
    file.sync_all()
}

/// How many names are tried for the new file.
const MAX_TRIES: usize = 16;

/// Makes a file in the same directory, as only there a file can be renamed in one step. What
/// has its name already is somebody else's, and stays.
#[expect(clippy::disallowed_methods, reason = "this is the writer of fixes")]
fn create_beside(path: &Path) -> io::Result<Beside> {
    let mut last = None;
    for number in 0..MAX_TRIES {
        let mut name = std::ffi::OsString::from(".");
        name.push(path.file_name().unwrap_or_default());
        name.push(format!(".npcheck-{}-{number}", std::process::id()));
        let path = path.with_file_name(name);
        match OpenOptions::new().write(true).create_new(true).open(&path) {
            Ok(file) => return Ok(Beside { path, file }),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => last = Some(error),
            Err(error) => return Err(error),
        }
    }
    Err(last.unwrap_or_else(|| io::ErrorKind::AlreadyExists.into()))
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

    #[cfg(unix)]
    #[test]
    fn nothing_that_is_somebody_elses_is_touched() {
        let directory = scratch("others");
        let (path, other) = (directory.join("a.yaml"), directory.join("b.yaml"));
        fs::write(&path, "one").expect("it can be written");
        let taken = directory.join(format!(".a.yaml.npcheck-{}-0", std::process::id()));
        fs::write(&taken, "theirs").expect("it can be written");
        replace(&path, "one", "two").expect("there are other names");
        let text = |path: &Path| fs::read_to_string(path).expect("it is there");
        assert_eq!(
            (text(&path), text(&taken)),
            ("two".to_owned(), "theirs".to_owned())
        );

        fs::hard_link(&path, &other).expect("hard links can be made");
        let refused = replace(&path, "two", "three").expect_err("it has another name");
        assert_eq!(
            refused.to_string(),
            "has other names (hard links); not touched"
        );
        fs::remove_file(&other).expect("it is there");

        let mut permissions = fs::metadata(&path).expect("it is there").permissions();
        permissions.set_readonly(true);
        fs::set_permissions(&path, permissions).expect("its owner may");
        let refused = replace(&path, "two", "three").expect_err("it is read-only");
        assert_eq!(refused.to_string(), "is read-only; not touched");
        assert_eq!(text(&path), "two");
        fs::remove_dir_all(&directory).expect("it was made before");
    }
}
