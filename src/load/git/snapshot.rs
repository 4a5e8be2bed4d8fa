//! The files that git has in one state, and what is where.
//!
//! Refuses to know which of them a command wants.

use super::path::{RepoPath, shown};
use super::program;
use super::{GitError, ObjectId, Repository, blobs, find};
use crate::load::gather::Gathered;
use crate::load::program::Taken;
use crate::load::walk::Found;
use crate::load::{Limits, Origin, OwnFile, Problem, ProblemKind, Unfound};
use crate::source::Absence;
use std::cell::OnceCell;
use std::collections::{HashMap, HashSet};
use std::io::{self, BufRead};
use std::path::{Path, PathBuf};

/// How many symbolic links a path may lead through, and how long they may be, as on Linux.
const LINKS: usize = 40;
const LINK_BYTES: usize = 4096;

/// The files of the index, or of a commit.
#[derive(Debug)]
pub struct Snapshot<'r> {
    pub(super) repository: &'r Repository,
    pub(super) kept: Kept,
    /// Sorted by path, every path once.
    entries: Vec<Entry>,
    /// Where symbolic links lead, read on the first question.
    targets: OnceCell<HashMap<RepoPath, String>>,
}

/// What git keeps the files in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kept {
    /// The index: what the next commit will be.
    Index,
    /// A commit.
    Commit,
}

/// What git has under one path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Entry {
    pub(super) path: RepoPath,
    pub(super) kind: Kind,
    pub(super) object: ObjectId,
}

/// What an entry is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    File,
    Link,
    /// Another repository, of which git has only the name of a commit.
    Submodule,
    /// Several versions of a file, from a merge that is not finished.
    Unmerged,
}

impl<'r> Snapshot<'r> {
    /// Nothing, as before the first commit.
    pub(super) fn empty(repository: &'r Repository) -> Self {
        Self {
            repository,
            kept: Kept::Commit,
            entries: Vec::new(),
            targets: OnceCell::new(),
        }
    }

    /// What git prints for these arguments: `ls-files -s -z` or `ls-tree -r -z`.
    pub(super) fn read(
        repository: &'r Repository,
        kept: Kept,
        arguments: &[&str],
        limits: &Limits,
    ) -> Result<Self, GitError> {
        let limit = limits.entries;
        let read = program::stream(arguments, b"", |printed| take(kept, printed, limit))?;
        let mut entries = read.ok_or(GitError::TooManyEntries { limit })?;
        entries.sort_by(|a, b| a.path.cmp(&b.path));
        entries.dedup_by(|next, first| next.path == first.path);
        Ok(Self {
            kept,
            entries,
            ..Self::empty(repository)
        })
    }

    /// Reads every file that the arguments stand for. A text that is `already` there is not
    /// asked for again.
    pub(in crate::load) fn gather(
        &self,
        arguments: &[PathBuf],
        unfound: Unfound,
        already: &Gathered,
        limits: &Limits,
    ) -> Result<Gathered, GitError> {
        let mut found = find::find(self, arguments, unfound, limits)?;
        let limits = &Limits {
            file_bytes: limits.file_bytes.min(limits.git_file_bytes),
            total_bytes: limits.total_bytes.min(limits.git_total_bytes),
            ..*limits
        };
        leave_out_copies(&mut found, limits);
        let known = already.objects();
        let objects = found.candidates.iter().filter_map(|one| match &one.origin {
            Origin::Git(object) => Some(object),
            Origin::Stdin | Origin::Disk(_) => None,
        });
        let objects: Vec<&ObjectId> = objects.collect();
        let mut places: HashMap<&ObjectId, usize> = HashMap::new();
        let mut unknown: Vec<&ObjectId> = Vec::new();
        for object in objects.iter().filter(|it| !known.contains_key(*it)) {
            places.entry(object).or_insert_with(|| {
                unknown.push(object);
                unknown.len() - 1
            });
        }
        let read = blobs::read(&unknown, limits)?;
        let mut texts = Vec::with_capacity(objects.len());
        let mut used = 0;
        for (at, object) in objects.iter().enumerate() {
            let text = match known.get(object) {
                Some(text) => Ok((*text).clone()),
                None => match read.get(places[object]) {
                    Some(text) => text.clone(),
                    None => break,
                },
            };
            used += text.as_ref().map_or(0, |text| text.text.len() as u64);
            if used > limits.total_bytes {
                let (limit, others) = (limits.total_bytes, objects.len() - at - 1);
                texts.push(Err(ProblemKind::TotalTooLarge { limit, others }.into()));
                break;
            }
            texts.push(text);
        }
        Ok(Gathered::new(found, texts))
    }

    /// Reads those of the paths that git has as files.
    pub(in crate::load) fn gather_files(
        &self,
        paths: &[PathBuf],
        limits: &Limits,
    ) -> Result<Gathered, GitError> {
        let mut files = Vec::new();
        for path in paths {
            let found = self.place(path)?;
            let entry = found.and_then(|place| self.entry(&place));
            if entry.is_some_and(|entry| entry.kind == Kind::File) {
                files.push(path.clone());
            }
        }
        match files.is_empty() {
            true => Ok(Gathered::default()),
            false => self.gather(&files, Unfound::Nothing, &Gathered::default(), limits),
        }
    }

    /// Why git has nothing at a path. `None` if it has something there.
    pub(in crate::load) fn absence(&self, path: &Path) -> Result<Option<Absence>, GitError> {
        if self.repository.path_of(path).is_none() {
            return Ok(Some(Absence::Refused));
        }
        let is_there = |place: &RepoPath| self.entry(place).is_some() || self.has_below(place);
        let place = self.place(path)?;
        Ok((!place.is_some_and(|place| is_there(&place))).then_some(Absence::Missing))
    }

    /// The place of a path without links; `None` if it leads out of the repository, or nowhere.
    fn place(&self, path: &Path) -> Result<Option<RepoPath>, GitError> {
        let place = self.repository.path_of(path);
        place.map_or(Ok(None), |place| self.resolve(&place))
    }

    fn has_below(&self, directory: &RepoPath) -> bool {
        !self.below(directory).is_empty()
    }

    /// What git has of a file that the user names; `None` if it does not have it.
    pub(in crate::load) fn own_file(&self, path: &Path) -> Result<Option<OwnFile>, GitError> {
        let Some(entry) = self.place(path)?.and_then(|place| self.entry(&place)) else {
            return Ok(None);
        };
        if entry.kind == Kind::Unmerged {
            let name = path.to_string_lossy().into_owned();
            return Err(GitError::Unmerged { name });
        }
        let text = self.text(entry)?;
        Ok(Some(OwnFile::new(path, text, &self.repository.here)))
    }

    /// The file `name` of the current directory, or of the nearest directory above it.
    pub(in crate::load) fn find_own_file(&self, name: &str) -> Result<Option<OwnFile>, GitError> {
        let mut directory = self.repository.path_of(Path::new("."));
        let mut above = PathBuf::new();
        while let Some(here) = directory {
            if let Some(file) = self.own_file(&above.join(name))? {
                return Ok(Some(file));
            }
            directory = here.parent();
            above.push("..");
        }
        Ok(None)
    }

    /// What git has under exactly this path.
    pub(super) fn entry(&self, path: &RepoPath) -> Option<&Entry> {
        let place = self.entries.binary_search_by(|entry| entry.path.cmp(path));
        place.ok().map(|place| &self.entries[place])
    }

    /// Everything.
    pub(super) fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// What git has below a directory, in order.
    pub(super) fn below(&self, directory: &RepoPath) -> &[Entry] {
        let start = self
            .entries
            .partition_point(|entry| entry.path <= *directory);
        let start = if directory.bytes().is_empty() {
            0
        } else {
            start
        };
        let rest = &self.entries[start..];
        &rest[..rest.partition_point(|entry| directory.holds(&entry.path))]
    }

    /// The path without symbolic links; `None` if one of them leads out of the repository,
    /// or nowhere.
    pub(super) fn resolve(&self, path: &RepoPath) -> Result<Option<RepoPath>, GitError> {
        let mut path = path.clone();
        for _ in 0..LINKS {
            let is_link =
                |step: &RepoPath| self.entry(step).is_some_and(|it| it.kind == Kind::Link);
            let Some(link) = path.steps().find(is_link) else {
                return Ok(Some(path));
            };
            let target = self.targets()?.get(&link);
            let directory = link.parent().unwrap_or(RepoPath::new(b""));
            let place = target.and_then(|target| directory.join(target.as_bytes()));
            let Some(place) = place.and_then(|place| place.join(path.below(&link))) else {
                return Ok(None);
            };
            path = place;
        }
        Ok(None)
    }

    fn targets(&self) -> Result<&HashMap<RepoPath, String>, GitError> {
        if let Some(targets) = self.targets.get() {
            return Ok(targets);
        }
        let links = self.entries.iter().filter(|entry| entry.kind == Kind::Link);
        let links: Vec<&Entry> = links.collect();
        let objects: Vec<&ObjectId> = links.iter().map(|link| &link.object).collect();
        let texts = blobs::read(&objects, &Limits::default())?;
        let targets = links.into_iter().zip(texts).filter_map(|(link, text)| {
            let target = text.ok()?.text;
            (target.len() <= LINK_BYTES).then(|| (link.path.clone(), target))
        });
        let targets = targets.collect();
        Ok(self.targets.get_or_init(|| targets))
    }

    fn text(&self, entry: &Entry) -> Result<String, GitError> {
        let mut texts = blobs::read(&[&entry.object], &Limits::default())?;
        match texts.pop() {
            Some(Ok(text)) => Ok(text.text),
            _ => Err(GitError::NoText {
                name: shown(entry.path.bytes()).into_owned(),
            }),
        }
    }
}

/// Takes away files with the text of others where there are too many, and says so.
fn leave_out_copies(found: &mut Found, limits: &Limits) {
    let mut seen: HashSet<ObjectId> = HashSet::new();
    let mut copies = 0;
    let (mut first, mut left_out) = (None, 0);
    found.candidates.retain(|candidate| {
        let Origin::Git(object) = &candidate.origin else {
            return true;
        };
        if seen.contains(object) {
            copies += 1;
        } else {
            seen.insert(object.clone());
        }
        let is_read = copies <= limits.git_copies;
        if !is_read {
            left_out += 1;
            first.get_or_insert_with(|| candidate.name.clone());
        }
        is_read
    });
    if let Some(name) = first {
        let (limit, others) = (limits.git_copies, left_out - 1);
        let kind = ProblemKind::TooManyCopies { limit, others };
        found.problems.push(Problem { name, kind });
    }
}

/// Takes the entries that git prints; `None` if there are more than `limit`.
fn take(
    kept: Kept,
    printed: &mut dyn BufRead,
    limit: usize,
) -> io::Result<Taken<Option<Vec<Entry>>>> {
    let mut entries = Vec::new();
    let mut record = Vec::new();
    while printed.read_until(0, &mut record)? > 0 {
        if entries.len() == limit {
            return Ok(Taken::Enough(None));
        }
        let entry = entry(kept, record.strip_suffix(b"\0").unwrap_or(&record));
        entries.push(entry.ok_or(io::ErrorKind::InvalidData)?);
        record.clear();
    }
    Ok(Taken::All(Some(entries)))
}

/// An entry as git prints it: `MODE OBJECT STAGE`, or of a commit `MODE TYPE OBJECT`, and
/// behind a tab the path.
fn entry(kept: Kept, record: &[u8]) -> Option<Entry> {
    let tab = record.iter().position(|byte| *byte == b'\t')?;
    let (head, path) = (&record[..tab], &record[tab + 1..]);
    let words: Vec<&[u8]> = head.split(|byte| *byte == b' ').collect();
    let (mode, object, stage) = match (kept, words.as_slice()) {
        (Kept::Index, [mode, object, stage]) => (*mode, *object, *stage),
        (Kept::Commit, [mode, _, object]) => (*mode, *object, &b"0"[..]),
        _ => return None,
    };
    let kind = match (stage, mode) {
        (b"0", b"120000") => Kind::Link,
        (b"0", b"160000") => Kind::Submodule,
        (b"0", _) => Kind::File,
        _ => Kind::Unmerged,
    };
    Some(Entry {
        path: RepoPath::new(path),
        kind,
        object: ObjectId::new(object)?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const OBJECT: &str = "e69de29bb2d1d6434b8b29ae775ad8c2e48c5391";

    fn taken(kept: Kept, printed: &str, limit: usize) -> io::Result<Option<Vec<Entry>>> {
        match take(kept, &mut printed.as_bytes(), limit)? {
            Taken::All(entries) | Taken::Enough(entries) => Ok(entries),
        }
    }

    #[test]
    fn entries_are_read_as_git_prints_them() {
        let long = "6ef19b41225c5369f1c104d45d8d85efa9b057b53b14b4b9b939dd74decc5321";
        let index = format!(
            "100644 {OBJECT} 0\ta\tb\n.yaml\0120000 {OBJECT} 0\tl\0160000 {OBJECT} 0\ts\0\
             100755 {OBJECT} 2\tu\0"
        );
        let commit = format!(
            "100755 blob {long}\ta\tb\n.yaml\0120000 blob {long}\tl\0160000 commit {long}\ts\0"
        );
        let expected = [
            ("a\tb\n.yaml", Kind::File),
            ("l", Kind::Link),
            ("s", Kind::Submodule),
            ("u", Kind::Unmerged),
        ];
        for (kept, printed, count) in [(Kept::Index, index, 4), (Kept::Commit, commit, 3)] {
            let entries = taken(kept, &printed, count).expect("git prints it so");
            let entries = entries.expect("they are within the limit");
            let read: Vec<(RepoPath, Kind)> = entries
                .into_iter()
                .map(|entry| (entry.path, entry.kind))
                .collect();
            let expected = expected[..count].iter();
            let expected: Vec<(RepoPath, Kind)> = expected
                .map(|(path, kind)| (RepoPath::new(path.as_bytes()), *kind))
                .collect();
            assert_eq!(read, expected);
            // A tree can be made to unfold without end.
            assert!(matches!(taken(kept, &printed, count - 1), Ok(None)));
        }
    }

    #[test]
    fn what_git_never_prints_is_not_guessed_at() {
        let wrong = [
            format!("100644 {OBJECT} 0 a.yaml\0"),
            format!("100644 {OBJECT}\ta.yaml\0"),
            "100644 nonsense 0\ta.yaml\0".to_owned(),
            "\0".to_owned(),
        ];
        for printed in wrong {
            assert!(taken(Kept::Index, &printed, 10).is_err(), "{printed:?}");
        }
    }
}
