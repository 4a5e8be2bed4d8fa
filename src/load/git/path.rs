//! A path as git names it: bytes, from the root of the repository, with `/` between its
//! parts.
//!
//! Refuses to know whether there is anything of that name.

use crate::load::walk;
use std::borrow::Cow;
use std::cmp::Ordering;
use std::path::Path;

/// The path; empty for the root. They are in the order in which a walk meets them: part by
/// part, and not as git sorts them.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct RepoPath(Box<[u8]>);

impl RepoPath {
    /// The path of these bytes.
    pub(super) fn new(bytes: &[u8]) -> Self {
        Self(bytes.into())
    }

    /// A path of the system, relative to the root and without `.` and `..`.
    pub(super) fn of(path: &Path) -> Self {
        let parts: Vec<&[u8]> = path.iter().map(|part| part.as_encoded_bytes()).collect();
        Self(parts.join(&b'/').into())
    }

    /// What `path` is, seen from this directory; `None` if it leads out of the repository.
    pub(super) fn join(&self, path: &[u8]) -> Option<Self> {
        if path.starts_with(b"/") {
            return None;
        }
        let mut parts: Vec<&[u8]> = self.parts().collect();
        for part in path.split(|byte| *byte == b'/') {
            match part {
                b"" | b"." => {}
                b".." => drop(parts.pop()?),
                part => parts.push(part),
            }
        }
        Some(Self(parts.join(&b'/').into()))
    }

    /// The directory that it lies in; `None` for the root.
    pub(super) fn parent(&self) -> Option<Self> {
        let bytes = self.bytes();
        let end = bytes.iter().rposition(|byte| *byte == b'/').unwrap_or(0);
        (!bytes.is_empty()).then(|| Self::new(&bytes[..end]))
    }

    /// The directories that it lies in but for the root, the outermost first, and then itself.
    pub(super) fn steps(&self) -> impl Iterator<Item = Self> {
        let bytes = self.bytes();
        let ends = (1..=bytes.len()).filter(|end| *end == bytes.len() || bytes[*end] == b'/');
        ends.map(|end| Self::new(&bytes[..end]))
    }

    /// The last part.
    pub(super) fn file_name(&self) -> &[u8] {
        self.parts().next_back().unwrap_or_default()
    }

    /// Whether the other is this one, or lies below it.
    pub(super) fn holds(&self, other: &Self) -> bool {
        let rest = other.bytes().strip_prefix(self.bytes());
        rest.is_some_and(|rest| self.0.is_empty() || rest.is_empty() || rest[0] == b'/')
    }

    /// The part behind a directory that holds it.
    pub(super) fn below(&self, directory: &Self) -> &[u8] {
        let rest = self.bytes().strip_prefix(directory.bytes());
        let rest = rest.unwrap_or(self.bytes());
        rest.strip_prefix(b"/").unwrap_or(rest)
    }

    /// Whether the name is one that manifests have.
    pub(super) fn may_hold_manifests(&self) -> bool {
        walk::may_hold_manifests(Path::new(&*shown(self.file_name())))
    }

    /// Whether it is a file that Argo CD runs.
    pub(super) fn is_program(&self) -> bool {
        walk::is_program(Path::new(&*shown(self.file_name())))
    }

    /// Whether it is a file that says what a walk passes over.
    pub(super) fn is_ignore_file(&self) -> bool {
        walk::IGNORE_FILES
            .iter()
            .any(|name| name.as_bytes() == self.file_name())
    }

    /// Its bytes.
    pub(super) fn bytes(&self) -> &[u8] {
        &self.0
    }

    fn parts(&self) -> impl DoubleEndedIterator<Item = &[u8]> {
        let parts = self.0.split(|byte| *byte == b'/');
        parts.filter(|part| !part.is_empty())
    }
}

/// Bytes of a path as they are shown, and matched by patterns.
pub(super) fn shown(bytes: &[u8]) -> Cow<'_, str> {
    String::from_utf8_lossy(bytes)
}

impl Ord for RepoPath {
    fn cmp(&self, other: &Self) -> Ordering {
        // No part holds a zero byte, so the shorter of two parts comes first.
        let order = |byte: &u8| if *byte == b'/' { 0 } else { *byte };
        let (this, other) = (self.0.iter().map(order), other.0.iter().map(order));
        this.cmp(other)
    }
}

impl PartialOrd for RepoPath {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path(text: &str) -> RepoPath {
        RepoPath::new(text.as_bytes())
    }

    #[test]
    fn paths_are_in_the_order_of_a_walk() {
        let sorted = ["", "a", "a/b", "a/b/c", "a/c", "a-b", "a.yaml", "ab", "b"];
        let mut paths = sorted.map(path);
        paths.reverse();
        paths.sort();
        assert_eq!(paths, sorted.map(path));
        let mut walked = sorted.map(Path::new);
        walked.sort();
        assert_eq!(walked, sorted.map(Path::new));
    }

    #[test]
    fn what_a_path_leads_to_is_known_by_its_text() {
        let from = |directory: &str, to: &str| path(directory).join(to.as_bytes());
        assert_eq!(from("", "a.yaml"), Some(path("a.yaml")));
        assert_eq!(from("a/b", "../c//./d"), Some(path("a/c/d")));
        assert_eq!(from("a", ".."), Some(path("")));
        assert_eq!(from("a", "../.."), None);
        assert_eq!(from("a", "/etc/passwd"), None);
    }

    #[test]
    fn a_directory_holds_itself_and_what_is_below() {
        assert!(path("").holds(&path("a")));
        assert!(path("a").holds(&path("a")));
        assert!(path("a").holds(&path("a/b")));
        assert!(!path("a").holds(&path("ab")));
        assert!(!path("a/b").holds(&path("a")));
        assert_eq!(path("a/b/c").below(&path("a")), b"b/c");
        assert_eq!(path("a/b").below(&path("")), b"a/b");
        let steps: Vec<RepoPath> = path("a/bc/d").steps().collect();
        assert_eq!(steps, ["a", "a/bc", "a/bc/d"].map(path));
        assert_eq!(path("a/b").parent(), Some(path("a")));
        assert_eq!(path("a").parent(), Some(path("")));
        assert_eq!(path("").parent(), None);
    }
}
