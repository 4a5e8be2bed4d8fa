//! What ignore files that git has leave out: those of the tree itself, with the meaning that
//! they have for the walk of the disk. What is set up on one machine only
//! (`.git/info/exclude`, files above the repository) has no say.
//!
//! Refuses to know what is walked for.

use super::path::{RepoPath, shown};
use super::snapshot::{Entry, Kind, Snapshot};
use super::{GitError, ObjectId, blobs};
use crate::load::Limits;
use crate::load::own;
use crate::load::walk::IGNORE_FILES;
use ignore::Match;
use ignore::gitignore::{Gitignore, GitignoreBuilder};
use std::collections::HashMap;
use std::path::Path;

/// The patterns of one directory, of one kind of file after the other: an earlier kind
/// outranks a later one, of whatever directory.
type Patterns = [Option<Gitignore>; IGNORE_FILES.len()];

/// The ignore files of a tree, by their directory.
#[derive(Default)]
pub(super) struct IgnoreFiles {
    by_directory: HashMap<RepoPath, Patterns>,
}

impl IgnoreFiles {
    /// Reads all of them.
    pub(super) fn read(snapshot: &Snapshot<'_>) -> Result<Self, GitError> {
        let is_read = |entry: &&Entry| entry.kind == Kind::File && entry.path.is_ignore_file();
        let files: Vec<&Entry> = snapshot.entries().iter().filter(is_read).collect();
        let objects: Vec<&ObjectId> = files.iter().map(|entry| &entry.object).collect();
        let limits = Limits {
            file_bytes: own::MAX_BYTES,
            ..Limits::default()
        };
        let texts = blobs::read(&objects, &limits)?;
        let mut by_directory: HashMap<RepoPath, Patterns> = HashMap::new();
        for (entry, text) in files.into_iter().zip(texts) {
            // Without patterns more is read, never less.
            let Ok(text) = text else { continue };
            let name = entry.path.file_name();
            let kind = IGNORE_FILES.iter().position(|one| one.as_bytes() == name);
            let directory = entry.path.parent().unwrap_or(RepoPath::new(b""));
            let patterns = by_directory.entry(directory).or_default();
            patterns[kind.expect("only ignore files are read")] = patterns_of(&text.text);
        }
        Ok(Self { by_directory })
    }
}

fn patterns_of(text: &str) -> Option<Gitignore> {
    let mut builder = GitignoreBuilder::new("");
    for line in text.trim_start_matches('\u{feff}').lines() {
        // A line that is no pattern is passed over, as the walk of the disk does.
        let _ = builder.add_line(None, line);
    }
    builder.build().ok().filter(|patterns| !patterns.is_empty())
}

/// Follows a walk below `root` in sorted order, and says what it leaves out.
pub(super) struct Walk<'i> {
    files: &'i IgnoreFiles,
    root: RepoPath,
    takes_hidden: bool,
    /// The directories that the walk is in, the outermost first.
    levels: Vec<Level<'i>>,
}

struct Level<'i> {
    directory: RepoPath,
    patterns: Option<&'i Patterns>,
    is_left_out: bool,
}

impl<'i> Walk<'i> {
    /// Begins. Whether `root` is left out itself is no question: somebody has asked for it.
    pub(super) fn new(files: &'i IgnoreFiles, root: &RepoPath, takes_hidden: bool) -> Self {
        let mut walk = Self {
            files,
            root: root.clone(),
            takes_hidden,
            levels: Vec::new(),
        };
        walk.enter(RepoPath::new(b""), false);
        for step in root.steps() {
            walk.enter(step, false);
        }
        walk
    }

    /// Whether an entry, or a directory that it lies in, is ignored or hidden. To be asked in
    /// the order of the entries.
    pub(super) fn leaves_out(&mut self, entry: &Entry) -> bool {
        let is_inside = |level: &Level<'_>| level.directory.holds(&entry.path);
        while self.levels.last().is_some_and(|level| !is_inside(level)) {
            self.levels.pop();
        }
        let deepest = self
            .levels
            .last()
            .map(|level| level.directory.bytes().len());
        let deepest = deepest.unwrap_or_default();
        let parent = entry.path.parent().unwrap_or(RepoPath::new(b""));
        let new = |step: &RepoPath| step.bytes().len() > deepest;
        for step in parent.steps().filter(new) {
            let is_left_out = self.is_in_left_out() || self.leaves_out_itself(&step, true);
            self.enter(step, is_left_out);
        }
        let is_directory = entry.kind == Kind::Submodule;
        self.is_in_left_out() || self.leaves_out_itself(&entry.path, is_directory)
    }

    fn enter(&mut self, directory: RepoPath, is_left_out: bool) {
        let patterns = self.files.by_directory.get(&directory);
        self.levels.push(Level {
            directory,
            patterns,
            is_left_out,
        });
    }

    fn is_in_left_out(&self) -> bool {
        self.levels.last().is_some_and(|level| level.is_left_out)
    }

    fn leaves_out_itself(&self, path: &RepoPath, is_directory: bool) -> bool {
        debug_assert!(self.root.holds(path), "the walk stays below its root");
        for kind in 0..IGNORE_FILES.len() {
            for level in self.levels.iter().rev() {
                let Some(patterns) = level.patterns.and_then(|patterns| patterns[kind].as_ref())
                else {
                    continue;
                };
                let below = shown(path.below(&level.directory));
                match patterns.matched(Path::new(&*below), is_directory) {
                    Match::None => {}
                    Match::Ignore(_) => return true,
                    // Even what is hidden is read, if somebody says so.
                    Match::Whitelist(_) => return false,
                }
            }
        }
        !self.takes_hidden && path.file_name().starts_with(b".")
    }
}
