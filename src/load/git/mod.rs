//! What git has: the files of its index, and those of a commit, as the walk of the disk
//! would find them in a fresh checkout.
//!
//! Refuses to know what is done with them, and to change anything.

mod blobs;
mod error;
mod find;
mod ignored;
mod path;
mod program;
mod snapshot;

pub use error::GitError;
pub use snapshot::Snapshot;

use super::upwards::lexical;
use super::{Limits, STDIN_ARGUMENT, walk};
use crate::load::program::Taken;
use path::RepoPath;
use snapshot::Kept;
use std::env;
use std::fs;
use std::path::{Path, PathBuf};

/// The repository that the current directory lies in.
#[derive(Debug)]
pub struct Repository {
    /// The current directory.
    here: PathBuf,
    /// The root of the work tree, without symbolic links.
    root: PathBuf,
    /// The way from the current directory to the root, as git writes it: `../../`.
    up: String,
    is_shallow: bool,
}

/// A commit that somebody has named, or the state before the first one.
#[derive(Clone, Debug)]
pub struct Revision {
    /// The name as it was written, without `git:` in front.
    pub name: String,
    /// `None` before the first commit, where nothing is there.
    tree: Option<ObjectId>,
}

/// The name of an object of git, in hexadecimal digits.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct ObjectId(Box<str>);

impl ObjectId {
    fn new(digits: &[u8]) -> Option<Self> {
        let digits = std::str::from_utf8(digits).ok()?;
        // 40 of SHA-1, 64 of SHA-256.
        let is_name = matches!(digits.len(), 40 | 64)
            && digits.bytes().all(|digit| digit.is_ascii_hexdigit());
        is_name.then(|| Self(digits.into()))
    }
}

impl Repository {
    /// Looks for the repository of the current directory.
    ///
    /// # Errors
    ///
    /// If there is none, or it has no work tree here.
    pub fn here() -> Result<Self, GitError> {
        let printed = program::output(
            &[
                "rev-parse",
                "--is-inside-work-tree",
                "--is-shallow-repository",
                "--show-cdup",
            ],
            b"",
        )?;
        let printed = String::from_utf8_lossy(&printed);
        let mut lines = printed.lines();
        if lines.next() != Some("true") {
            return Err(GitError::NoWorkTree);
        }
        let is_shallow = lines.next() == Some("true");
        let up = lines.next().unwrap_or_default().to_owned();
        let here = current_directory()?;
        let root = real(&here.join(&up)).ok_or(GitError::NoWorkTree)?;
        Ok(Self {
            here,
            root,
            up,
            is_shallow,
        })
    }

    /// The commit of this name: a branch, a tag, a hash, `HEAD~2`, with or without `git:` in
    /// front. `HEAD` is known before the first commit, too.
    ///
    /// # Errors
    ///
    /// If git knows none.
    pub fn revision(&self, written: &str) -> Result<Revision, GitError> {
        let name = written.strip_prefix("git:").unwrap_or(written).to_owned();
        let unknown = |name: String| GitError::UnknownRevision {
            name,
            is_shallow: self.is_shallow,
        };
        // Such a name would be an option, or end the line that it stands on.
        if name.is_empty() || name.starts_with('-') || name.contains(['\n', '\0']) {
            return Err(unknown(name));
        }
        let question = format!("{name}^{{tree}}\n");
        let answer = program::output(&["cat-file", "--batch-check"], question.as_bytes())?;
        let mut words = answer.trim_ascii_end().split(|byte| *byte == b' ');
        let object = words.next().and_then(ObjectId::new);
        let tree = object.filter(|_| words.next() == Some(b"tree"));
        let is_before_the_first = || Ok(matches!(&*name, "HEAD" | "@") && !self.has_commit()?);
        if tree.is_none() && !is_before_the_first()? {
            return Err(unknown(name));
        }
        Ok(Revision { name, tree })
    }

    /// The commit where a commit of this name and `HEAD` parted.
    ///
    /// # Errors
    ///
    /// If git knows none of this name, or the two have nothing in common.
    pub fn merge_base(&self, written: &str) -> Result<Revision, GitError> {
        let name = self.revision(written)?.name;
        let found = program::output(&["merge-base", "HEAD", &name], b"")?;
        let found = String::from_utf8_lossy(&found);
        self.revision(found.trim())
    }

    /// The names of branches and tags, those that changed last first, and `HEAD`.
    ///
    /// # Errors
    ///
    /// If git fails.
    pub fn names(&self) -> Result<Vec<String>, GitError> {
        let arguments = [
            "for-each-ref",
            "--sort=-committerdate",
            "--format=%(refname:short)",
            "refs/heads",
            "refs/remotes",
            "refs/tags",
        ];
        let printed = program::output(&arguments, b"")?;
        let printed = String::from_utf8_lossy(&printed);
        let names = printed.lines().map(str::to_owned);
        Ok(std::iter::once("HEAD".to_owned()).chain(names).collect())
    }

    /// A path from the root of the repository as one from the current directory.
    #[must_use]
    pub fn below_root(&self, path: &Path) -> PathBuf {
        match self.up.as_str() {
            "" => path.to_owned(),
            up => Path::new(up).join(path),
        }
    }

    /// The files of a commit.
    ///
    /// # Errors
    ///
    /// If git fails.
    pub fn tree(&self, revision: &Revision, limits: &Limits) -> Result<Snapshot<'_>, GitError> {
        let Some(tree) = &revision.tree else {
            return Ok(Snapshot::empty(self));
        };
        Snapshot::read(
            self,
            Kept::Commit,
            &["ls-tree", "-r", "-z", "--full-tree", &tree.0],
            limits,
        )
    }

    /// The files of the index.
    ///
    /// # Errors
    ///
    /// If git fails.
    pub fn index(&self, limits: &Limits) -> Result<Snapshot<'_>, GitError> {
        Snapshot::read(self, Kept::Index, &self.index_files(&["-z", "-s"]), limits)
    }

    /// Whether the index differs from the last commit in a file that npcheck reads: one that
    /// may hold manifests by its name, an ignore file, or one of `named`, or a directory that
    /// these lie in. A file that is there no more is a difference.
    ///
    /// # Errors
    ///
    /// If git fails.
    pub fn has_staged(&self, named: &[&Path]) -> Result<bool, GitError> {
        let named: Vec<RepoPath> = named.iter().filter_map(|path| self.path_of(path)).collect();
        let counts = |path: &RepoPath| {
            path.may_hold_manifests()
                || path.is_program()
                || path.is_ignore_file()
                || named.iter().any(|named| path.holds(named))
        };
        let head = self.revision("HEAD")?;
        let arguments = match &head.tree {
            Some(tree) => vec![
                "diff-index",
                "--cached",
                "--name-only",
                "-z",
                "--no-renames",
                "--no-ext-diff",
                &tree.0,
                "--",
            ],
            None => self.index_files(&["-z"]),
        };
        program::stream(&arguments, b"", |printed| {
            let mut name = Vec::new();
            while printed.read_until(0, &mut name)? > 0 {
                if counts(&RepoPath::new(name.strip_suffix(b"\0").unwrap_or(&name))) {
                    return Ok(Taken::Enough(true));
                }
                name.clear();
            }
            Ok(Taken::All(false))
        })
    }

    /// Whether the index differs from the last commit at all.
    ///
    /// # Errors
    ///
    /// If git fails.
    pub fn has_anything_staged(&self) -> Result<bool, GitError> {
        let head = self.revision("HEAD")?;
        let arguments = match &head.tree {
            Some(tree) => vec!["diff-index", "--cached", "--name-only", "-z", &tree.0, "--"],
            None => self.index_files(&["-z"]),
        };
        program::stream(&arguments, b"", |printed| {
            let mut name = Vec::new();
            let is_changed = printed.read_until(0, &mut name)? > 0;
            Ok(match is_changed {
                true => Taken::Enough(true),
                false => Taken::All(false),
            })
        })
    }

    /// The arguments for a list of all files of the index, and not only of those below the
    /// current directory.
    fn index_files<'a>(&'a self, options: &[&'a str]) -> Vec<&'a str> {
        let root = Some(self.up.as_str()).filter(|up| !up.is_empty());
        let all = ["ls-files", "--full-name"].iter().chain(options);
        all.copied().chain(["--"]).chain(root).collect()
    }

    /// Whether `HEAD` is a commit already.
    fn has_commit(&self) -> Result<bool, GitError> {
        match program::output(&["rev-parse", "--quiet", "--verify", "HEAD"], b"") {
            Ok(_) => Ok(true),
            // A name that leads nowhere is all that `--quiet` says nothing about.
            Err(GitError::Failed { said }) if said.is_empty() => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Checks that an argument is something that git could have.
    ///
    /// # Errors
    ///
    /// If it is standard input, or lies outside of the repository.
    pub fn check(&self, argument: &Path) -> Result<(), GitError> {
        self.place_of(argument).map(drop)
    }

    /// An argument as git would name it.
    fn place_of(&self, argument: &Path) -> Result<RepoPath, GitError> {
        if argument.as_os_str() == STDIN_ARGUMENT {
            return Err(GitError::StandardInput);
        }
        let name = || walk::name(argument);
        self.path_of(argument)
            .ok_or_else(|| GitError::Outside { name: name() })
    }

    /// A path of the command line as git would name it; `None` if it leads elsewhere.
    fn path_of(&self, path: &Path) -> Option<RepoPath> {
        let path = lexical(&self.here.join(path));
        if let Ok(below) = path.strip_prefix(&self.root) {
            return Some(RepoPath::of(below));
        }
        // Links may lead to the root from outside.
        let is_root = |above: &&Path| real(above).is_some_and(|real| real == self.root);
        let root = path.ancestors().filter(is_root).last()?;
        path.strip_prefix(root).ok().map(RepoPath::of)
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "`load` is the reader of the disk"
)]
fn current_directory() -> Result<PathBuf, GitError> {
    env::current_dir().map_err(|error| GitError::Failed {
        said: error.to_string(),
    })
}

/// The path without symbolic links, if there is something.
#[expect(
    clippy::disallowed_methods,
    reason = "`load` is the reader of the disk"
)]
fn real(path: &Path) -> Option<PathBuf> {
    fs::canonicalize(path).ok()
}
