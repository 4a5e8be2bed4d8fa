//! A file of npcheck's own, looked for from the current directory upwards, and the names
//! of other files as that file's directory sees them.
//!
//! Refuses to know what is in it.

use super::own;
use std::env;
use std::fs;
use std::io;
use std::path::{Component, Path, PathBuf};

/// A file that was found or named, and read.
#[derive(Clone, Debug)]
pub struct OwnFile {
    /// Its name as the user would write it.
    pub name: String,
    /// Its text.
    pub text: String,
    directory: PathBuf,
    here: PathBuf,
}

impl OwnFile {
    /// Reads the file at `path`.
    ///
    /// # Errors
    ///
    /// If the system refuses, its text is not UTF-8, or it is not a regular file of at most
    /// 1 MiB: a link must not lead out of the tree that it stands in.
    #[expect(
        clippy::disallowed_methods,
        reason = "`load` is the reader of the disk"
    )]
    pub fn read(path: &Path) -> io::Result<Self> {
        let text = own::read(path)?;
        Ok(Self::new(path, text, &env::current_dir()?))
    }

    /// A file that was read already, by its path as seen from `here`.
    pub(super) fn new(path: &Path, text: String, here: &Path) -> Self {
        let place = lexical(&here.join(path));
        Self {
            name: path.to_string_lossy().into_owned(),
            text,
            directory: place.parent().map_or_else(PathBuf::new, Path::to_path_buf),
            here: here.to_owned(),
        }
    }

    /// The file `name` of the current directory, or of the nearest directory above it; the
    /// search ends with the root of a git repository.
    ///
    /// # Errors
    ///
    /// If there is one, and it cannot be read.
    #[expect(
        clippy::disallowed_methods,
        reason = "`load` is the reader of the disk"
    )]
    pub fn find(name: &str) -> io::Result<Option<Self>> {
        let here = env::current_dir()?;
        let mut above = PathBuf::new();
        for directory in here.ancestors() {
            if fs::symlink_metadata(directory.join(name)).is_ok() {
                return Self::read(&above.join(name)).map(Some);
            }
            if directory.join(".git").exists() {
                break;
            }
            above.push("..");
        }
        Ok(None)
    }

    /// Whether both are in one directory.
    pub(super) fn is_beside(&self, other: &Self) -> bool {
        self.directory == other.directory
    }

    /// Whether the other one is nearer to the current directory.
    pub(super) fn is_farther_than(&self, other: &Self) -> bool {
        other.directory.starts_with(&self.directory)
    }

    /// The name of another file, relative to this one's directory and with `/` between its
    /// parts; unchanged if it does not lie below that directory.
    #[must_use]
    pub fn relative(&self, name: &str) -> String {
        let path = lexical(&self.here.join(name));
        let Ok(relative) = path.strip_prefix(&self.directory) else {
            return name.to_owned();
        };
        let parts: Vec<_> = relative.iter().map(|part| part.to_string_lossy()).collect();
        parts.join("/")
    }
}

/// The root of the git repository around the current directory, and the way from there to that
/// directory, which is empty at the root itself; both with `/` between the parts. `None` where
/// there is no repository.
#[must_use]
#[expect(
    clippy::disallowed_methods,
    reason = "`load` is the reader of the disk"
)]
pub fn repository_here() -> Option<[String; 2]> {
    let here = env::current_dir().ok()?;
    let root = here
        .ancestors()
        .find(|directory| directory.join(".git").exists())?;
    let below = here.strip_prefix(root).ok()?;
    let with_slashes = |path: &Path| path.to_string_lossy().replace('\\', "/");
    Some([root, below].map(with_slashes))
}

/// The path without `.` and `..`, by its text alone.
pub(super) fn lexical(path: &Path) -> PathBuf {
    let mut result = PathBuf::new();
    for part in path.components() {
        match part {
            Component::CurDir => {}
            Component::ParentDir => {
                result.pop();
            }
            part => result.push(part),
        }
    }
    result
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_seen_from_the_files_directory() {
        let file = OwnFile {
            name: "../npcheck.yaml".to_owned(),
            text: String::new(),
            directory: PathBuf::from("/repo"),
            here: PathBuf::from("/repo/clusters"),
        };
        for (name, expected) in [
            ("prod/a.yaml", "clusters/prod/a.yaml"),
            ("./prod/a.yaml", "clusters/prod/a.yaml"),
            ("../apps/a.yaml", "apps/a.yaml"),
            ("/repo/apps/a.yaml", "apps/a.yaml"),
            ("/elsewhere/a.yaml", "/elsewhere/a.yaml"),
        ] {
            assert_eq!(file.relative(name), expected);
        }
    }
}
