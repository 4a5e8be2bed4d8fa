//! Why git does not answer.
//!
//! Refuses to know what was wanted of it.

use std::error::Error;
use std::fmt;

/// Why something cannot be read from git.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum GitError {
    /// There is no program `git`.
    NotInstalled,
    /// The current directory lies in no git repository.
    NoRepository,
    /// The repository has no files here: it is bare, or this is the inside of `.git`.
    NoWorkTree,
    /// Git knows no commit of this name.
    UnknownRevision {
        /// The name, as it was written.
        name: String,
        /// Whether the clone has only the last part of the history.
        is_shallow: bool,
    },
    /// A path leads out of the repository.
    Outside {
        /// The path, as it was written.
        name: String,
    },
    /// Standard input was asked for.
    StandardInput,
    /// A file of npcheck's own has several versions in the index: a merge is not finished.
    Unmerged {
        /// Its path, as it was written.
        name: String,
    },
    /// A file of npcheck's own is no text.
    NoText {
        /// Its path, as git names it.
        name: String,
    },
    /// There is more than [`Limits::entries`](crate::load::Limits::entries).
    TooManyEntries {
        /// How many are allowed.
        limit: usize,
    },
    /// Git failed, in its own words.
    Failed {
        /// What it said; empty if it said nothing.
        said: String,
    },
}

impl GitError {
    /// What git's own complaint means.
    pub(super) fn said(words: &str) -> Self {
        let lines = || words.lines().map(str::trim).filter(|line| !line.is_empty());
        let grave = |line: &&str| line.starts_with("fatal: ") || line.starts_with("error: ");
        let line = lines().find(grave).or_else(|| lines().next());
        let line = line.unwrap_or_default();
        let said = line
            .strip_prefix("fatal: ")
            .or_else(|| line.strip_prefix("error: "))
            .unwrap_or(line);
        if said.starts_with("not a git repository") {
            Self::NoRepository
        } else if said.starts_with("cannot use bare repository") {
            Self::NoWorkTree
        } else {
            Self::Failed {
                said: said.to_owned(),
            }
        }
    }
}

impl Error for GitError {}

impl fmt::Display for GitError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotInstalled => write!(f, "the program `git` is not installed"),
            Self::NoRepository => write!(f, "this is not a git repository"),
            Self::NoWorkTree => write!(
                f,
                "this is not a work tree of a git repository: it is bare, or the inside of `.git`"
            ),
            Self::UnknownRevision { name, is_shallow } => {
                write!(f, "git knows no commit `{name}`")?;
                if *is_shallow {
                    write!(
                        f,
                        "; this clone has only a part of the history: `git fetch --unshallow`"
                    )?;
                }
                Ok(())
            }
            Self::Outside { name } => write!(f, "`{name}` lies outside of this git repository"),
            Self::StandardInput => write!(f, "git knows nothing of standard input (`-`)"),
            Self::Unmerged { name } => write!(f, "`{name}` has conflicts in git's index"),
            Self::NoText { name } => write!(f, "`{name}` is not UTF-8 text in git"),
            Self::TooManyEntries { limit } => write!(f, "git has more than {limit} files"),
            Self::Failed { said } if said.is_empty() => write!(f, "git failed"),
            Self::Failed { said } => write!(f, "git says: {said}"),
        }
    }
}
