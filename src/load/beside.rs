//! Files beside those that a command was given, in the same state: what kustomizations speak of
//! and nobody has named.
//!
//! Refuses to know who speaks of them.

use super::git::{GitError, Snapshot};
use super::{Enclosure, Limits, Loaded, disk, gather};
use crate::source::Absence;
use std::io;
use std::path::{Path, PathBuf};

/// The trees of one state that files may be taken from.
#[derive(Debug)]
pub enum Beside<'t> {
    /// Those of the disk.
    Disk(Enclosure),
    /// The repository: its tree has nothing else.
    Git(&'t Snapshot<'t>),
}

impl<'t> Beside<'t> {
    /// Those around the paths that a command was given, of what git has or else of the disk.
    #[must_use]
    pub fn new(of_git: Option<&'t Snapshot<'t>>, arguments: &[PathBuf]) -> Self {
        match of_git {
            Some(snapshot) => Self::Git(snapshot),
            None => Self::Disk(Enclosure::around(arguments)),
        }
    }

    /// Lets in the directory of a kustomization that another one builds on, where it may stand
    /// anywhere.
    pub fn let_in(&mut self, kustomization: &Path) {
        if let Self::Disk(enclosure) = self {
            enclosure.let_in(kustomization);
        }
    }

    /// Why there is nothing to read at a path. `None` if there is something.
    ///
    /// # Errors
    ///
    /// If git fails.
    pub fn absence(&self, path: &Path) -> Result<Option<Absence>, GitError> {
        match self {
            Self::Disk(enclosure) => Ok(enclosure.absence(path)),
            Self::Git(snapshot) => snapshot.absence(path),
        }
    }

    /// Reads those of the paths that are files; the others are passed over without a word.
    ///
    /// # Errors
    ///
    /// If git fails.
    pub fn read(&self, paths: &[PathBuf], limits: &Limits) -> Result<Loaded, GitError> {
        let gathered = match self {
            Self::Disk(_) => disk::gather(&files(paths), &mut io::empty(), limits),
            Self::Git(snapshot) => snapshot.gather_files(paths, limits)?,
        };
        Ok(gather::side_by_side(gathered, None))
    }
}

#[expect(clippy::disallowed_methods, reason = "load is the reader of the disk")]
fn files(paths: &[PathBuf]) -> Vec<PathBuf> {
    let files = paths.iter().filter(|path| path.is_file());
    files.cloned().collect()
}
