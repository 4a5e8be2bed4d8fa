//! `git:REV[:PATH]`: files as a commit of git has them, wherever files are named.
//!
//! Refuses to know what is in them.

use super::Paths;
use crate::load::{GitError, Limits, Repository, Revision, Tree};
use std::path::{Path, PathBuf};

/// A commit, and what of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct OfRevision {
    /// The name of the commit.
    pub(super) revision: String,
    /// A path from the root of the repository; the current directory if there is none.
    pub(super) path: Option<PathBuf>,
}

impl OfRevision {
    /// Reads `git:REV[:PATH]`; `None` if that is something else.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let rest = text.strip_prefix("git:")?;
        let (revision, path) = match rest.split_once(':') {
            Some((revision, path)) => (revision, Some(PathBuf::from(path))),
            None => (rest, None),
        };
        Some(Self {
            revision: revision.to_owned(),
            path,
        })
    }
}

/// The paths of a command, in the state of the files that they name.
#[derive(Debug)]
pub(super) struct Asked {
    repository: Option<Repository>,
    revision: Option<Revision>,
    /// The paths, as ones from the current directory.
    pub(super) paths: Vec<PathBuf>,
    /// What is read below them.
    pub(super) limits: Limits,
}

/// Why the paths do not name one state: the argument that it is about, and what is wrong.
pub(super) type Mistake = (String, String);

impl Asked {
    /// The state that these paths name: that of the disk, or a commit.
    pub(super) fn of(paths: &Paths) -> Result<Self, Mistake> {
        let read = |path: &PathBuf| OfRevision::parse(&path.to_string_lossy());
        let named: Vec<Option<OfRevision>> = paths.paths.iter().map(read).collect();
        let Some(first) = named.iter().flatten().next() else {
            return Ok(Self {
                repository: None,
                revision: None,
                paths: paths.paths.clone(),
                limits: paths.walk.limits(),
            });
        };
        let text = |path: &Path| path.to_string_lossy().into_owned();
        let git = |error: GitError| (format!("git:{}", first.revision), error.to_string());
        let repository = Repository::here().map_err(git)?;
        let mut asked = Vec::new();
        for (path, named) in paths.paths.iter().zip(&named) {
            match named {
                Some(named) if named.revision == first.revision => {
                    let path = named.path.as_ref();
                    let path = path.map(|path| repository.below_root(path));
                    asked.push(path.unwrap_or_else(|| PathBuf::from(".")));
                }
                _ => {
                    let message = format!(
                        "one commit is looked at at a time, and `git:{}` is another state",
                        first.revision
                    );
                    return Err((text(path), message));
                }
            }
        }
        Ok(Self {
            revision: Some(repository.revision(&first.revision).map_err(git)?),
            repository: Some(repository),
            paths: asked,
            limits: paths.walk.limits(),
        })
    }

    /// The name of the commit, if it is one.
    pub(super) fn revision(&self) -> Option<&Revision> {
        self.revision.as_ref()
    }

    /// The files of the state.
    ///
    /// # Errors
    ///
    /// If git fails.
    pub(super) fn tree(&self) -> Result<Tree<'_>, GitError> {
        match (&self.repository, &self.revision) {
            (Some(repository), Some(revision)) => {
                Ok(Tree::Git(repository.tree(revision, &self.limits)?))
            }
            _ => Ok(Tree::Disk),
        }
    }
}
