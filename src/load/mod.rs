//! The only reader of the disk and of git: finds the files that a command is asked to look
//! at, and makes texts of them.
//!
//! Refuses to know YAML, Kubernetes, and what is printed: a file that cannot be read
//! is a value with a name, and the others are read all the same.

mod beside;
mod decode;
mod disk;
mod enclosure;
mod gather;
mod git;
mod helm;
mod own;
mod program;
mod upwards;
mod walk;

pub use beside::Beside;
pub use git::{GitError, Repository, Revision, Snapshot};
pub use helm::helm_template;
pub use upwards::{OwnFile, repository_here};

use crate::source::{SourceId, SourceMap};
use enclosure::Enclosure;
use gather::Gathered;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

/// The name of standard input, as an argument and in every message.
pub const STDIN_ARGUMENT: &str = "-";

/// How much is read before npcheck refuses to go on, and what is passed over below a directory.
/// A run that meets a limit says so and is no good run.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Bytes of one file, unpacked.
    pub file_bytes: u64,
    /// Bytes of all files together, unpacked.
    pub total_bytes: u64,
    /// Bytes of one file that git has. Git packs what repeats itself, so that a small
    /// repository can hold more than any machine has memory.
    pub git_file_bytes: u64,
    /// Bytes of all files together that git has.
    pub git_total_bytes: u64,
    /// Number of files of git's with the text of another one, which costs git nothing.
    pub git_copies: usize,
    /// Number of files.
    pub files: usize,
    /// Number of entries of a git tree or of git's index, manifests or not.
    pub entries: usize,
    /// How many bytes one compressed byte may become. Text that people and clusters
    /// write shrinks ten- to fortyfold, a bomb a thousandfold.
    pub gzip_ratio: u64,
    /// Bytes that a compressed file may become whatever its size.
    pub gzip_floor: u64,
    /// Whether files and directories are read whose names begin with a dot, but for `.git`.
    pub hidden: bool,
    /// Whether files are read that an ignore file names.
    pub ignored: bool,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            file_bytes: 2 << 30,
            total_bytes: 4 << 30,
            git_file_bytes: 256 << 20,
            git_total_bytes: 1 << 30,
            git_copies: 50_000,
            files: 1_000_000,
            entries: 2_000_000,
            gzip_ratio: 200,
            gzip_floor: 16 << 20,
            hidden: false,
            ignored: false,
        }
    }
}

/// What was read.
#[derive(Debug, Default)]
pub struct Loaded {
    /// The texts, in the order of the arguments, and of their names within one. A text that
    /// a file has now and had before is there once.
    pub sources: SourceMap,
    /// The files that were asked for.
    pub now: Listing,
    /// What the same arguments stood for in an earlier state, where one was asked for.
    pub before: Option<Listing>,
}

/// What the arguments stand for in one state of the files.
#[derive(Debug, Default)]
pub struct Listing {
    /// The files that were read, in the order of their texts.
    pub files: Vec<File>,
    /// What could not be read, in the order in which it was met. Not empty means that the
    /// run did not see all it was asked to.
    pub problems: Vec<Problem>,
    /// What was left alone on purpose, in order.
    pub skipped: Vec<Skipped>,
}

/// A file that was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct File {
    /// Its text.
    pub source: SourceId,
    /// Where it is.
    pub place: FilePlace,
    /// Whether its text was packed by gzip, so that it cannot be edited in place.
    pub is_compressed: bool,
}

/// Where a file is. A tree has tens of thousands of files, whose names are paths as they are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FilePlace {
    /// Nowhere that it could be written to: standard input, and what git keeps.
    Nowhere,
    /// At the path that its name is.
    Named,
    /// At a path that is shown in another way.
    At(PathBuf),
}

impl FilePlace {
    fn of(path: PathBuf, name: &str) -> Self {
        match path.to_str() == Some(name) {
            true => Self::Named,
            false => Self::At(path),
        }
    }
}

impl File {
    /// Where it is, to write it again; `None` if it is nowhere. `sources` are those that it was
    /// loaded with.
    #[must_use]
    pub fn path<'f>(&'f self, sources: &'f SourceMap) -> Option<&'f Path> {
        match &self.place {
            FilePlace::Nowhere => None,
            FilePlace::Named => Some(Path::new(sources.get(self.source).name())),
            FilePlace::At(path) => Some(path),
        }
    }
}

/// Something that was to be read and was not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// Its name, as a [`crate::source::Source`] would have it.
    pub name: String,
    /// Why.
    pub kind: ProblemKind,
}

/// Why something was not read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ProblemKind {
    /// There is nothing of this name; maybe its neighbour of a similar name was meant.
    NotFound {
        /// The neighbour, named in the same way.
        similar: Option<String>,
    },
    /// The system refused, in its own words.
    Unreadable {
        /// What it said.
        reason: String,
    },
    /// A FIFO, a device or a socket: reading it might never end.
    SpecialFile,
    /// A file that was asked for is not in git's index; maybe its neighbour of a similar
    /// name was meant.
    NotStaged {
        /// The neighbour, named in the same way.
        similar: Option<String>,
    },
    /// A chart whose text Helm did not yield, in words.
    NotRendered {
        /// Why.
        reason: String,
    },
    /// Git's index has several versions of the file: a merge is not finished.
    Unmerged,
    /// The bytes are no UTF-8.
    NotUtf8 {
        /// Offset of the first byte that is wrong.
        offset: usize,
    },
    /// The bytes are text in an encoding that Kubernetes tools do not write.
    OtherEncoding {
        /// Its name.
        encoding: &'static str,
    },
    /// Git LFS keeps the file, and git only a reference to it.
    LargeFile,
    /// The gzip data ends early or is damaged.
    BadGzip {
        /// What is wrong with it.
        reason: String,
    },
    /// The gzip data becomes far more text than manifests do.
    GzipBomb {
        /// How many bytes were allowed.
        limit: u64,
    },
    /// The file is larger than [`Limits::file_bytes`].
    TooLarge {
        /// How many bytes are allowed.
        limit: u64,
    },
    /// All files together are larger than [`Limits::total_bytes`]; this one and the
    /// `others` behind it were not read.
    TotalTooLarge {
        /// How many bytes are allowed.
        limit: u64,
        /// How many files come after this one.
        others: usize,
    },
    /// There are more than [`Limits::git_copies`] files with the text of another one; this one
    /// and the `others` like it were not read.
    TooManyCopies {
        /// How many are allowed.
        limit: usize,
        /// How many come after this one.
        others: usize,
    },
    /// There are more than [`Limits::files`]; the rest was not looked for.
    TooManyFiles {
        /// How many are allowed.
        limit: usize,
    },
}

/// Something that was met and not read, for a reason that is no fault.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Skipped {
    /// Its name.
    pub name: String,
    /// Why.
    pub reason: SkipReason,
}

/// Why a file was left alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum SkipReason {
    /// A symbolic link below a directory; what it leads to is read where it stands.
    Symlink,
    /// No UTF-8, and nothing in it looks like Kubernetes.
    Binary,
    /// Hidden, by a dot at the start of its name or of a directory's.
    Hidden,
    /// Left out by `.gitignore`, `.ignore` or `.npcheckignore`.
    Ignored,
    /// A submodule of a git tree: another repository has its files.
    Submodule,
    /// Kept by Git LFS: git has only a reference to its text.
    LargeFile,
}

/// What an argument is that a commit does not have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Unfound {
    /// Nothing: an earlier state need not have all that a later one has.
    Nothing,
    /// A problem: somebody has asked for it in this commit.
    Problem,
}

/// A state of the files: what the arguments of a command are looked up in.
#[derive(Debug)]
pub enum Tree<'r> {
    /// The disk as it is.
    Disk,
    /// What git has: the index, or a commit.
    Git(Snapshot<'r>),
}

impl<'r> Tree<'r> {
    /// What git has, unless it is the disk.
    #[must_use]
    pub fn of_git(&self) -> Option<&Snapshot<'r>> {
        match self {
            Self::Disk => None,
            Self::Git(snapshot) => Some(snapshot),
        }
    }

    /// Reads every file that the arguments stand for: a file whatever its name, the manifests
    /// below a directory, standard input for `-`. `before` is an earlier state to read, too;
    /// what it does not have is no problem.
    ///
    /// The result does not depend on the number of threads. `stdin` is read at most once, and
    /// only where it is asked for.
    ///
    /// # Errors
    ///
    /// If git fails, or an argument is nothing that git could have.
    pub fn load(
        &self,
        arguments: &[PathBuf],
        stdin: &mut dyn Read,
        before: Option<&Snapshot<'_>>,
        limits: &Limits,
    ) -> Result<Loaded, GitError> {
        let now = match self {
            Self::Disk => disk::gather(arguments, stdin, limits),
            Self::Git(snapshot) => {
                snapshot.gather(arguments, Unfound::Problem, &Gathered::default(), limits)?
            }
        };
        let before = before
            .map(|before| before.gather(arguments, Unfound::Nothing, &now, limits))
            .transpose()?;
        Ok(gather::side_by_side(now, before))
    }

    /// A file of npcheck's own. Of git it is the version that git has, where git has the
    /// file at all; else the one on the disk.
    ///
    /// # Errors
    ///
    /// If it cannot be read, or its text is not UTF-8.
    pub fn read(&self, path: &Path) -> io::Result<OwnFile> {
        let kept = match self {
            Self::Disk => None,
            Self::Git(snapshot) => snapshot.own_file(path).map_err(io::Error::other)?,
        };
        kept.map_or_else(|| OwnFile::read(path), Ok)
    }

    /// The nearest of the files with one of these names, as [`find`](Self::find) looks for
    /// each.
    ///
    /// # Errors
    ///
    /// If there is one, and it cannot be read; or two of them are in one directory.
    pub fn find_one_of(&self, names: &[&str]) -> io::Result<Option<OwnFile>> {
        let mut nearest: Option<OwnFile> = None;
        for name in names {
            let Some(found) = self.find(name)? else {
                continue;
            };
            match &nearest {
                Some(known) if known.is_beside(&found) => {
                    let message = format!("it is next to {}: keep one", found.name);
                    return Err(io::Error::other(message));
                }
                Some(known) if !known.is_farther_than(&found) => {}
                _ => nearest = Some(found),
            }
        }
        Ok(nearest)
    }

    /// The file `name` of the current directory, or of the nearest directory above it; the
    /// search ends with the root of a git repository. Of git only what git has is looked at.
    ///
    /// # Errors
    ///
    /// If there is one, and it cannot be read.
    pub fn find(&self, name: &str) -> io::Result<Option<OwnFile>> {
        match self {
            Self::Disk => OwnFile::find(name),
            Self::Git(snapshot) => snapshot.find_own_file(name).map_err(io::Error::other),
        }
    }
}

/// Reads every file that the arguments stand for from the disk, as [`Tree::load`] does.
pub fn load(arguments: &[PathBuf], stdin: &mut dyn Read, limits: &Limits) -> Loaded {
    gather::side_by_side(disk::gather(arguments, stdin, limits), None)
}

/// Reads two states side by side, each with arguments of its own. Standard input may be one
/// of them.
///
/// # Errors
///
/// If git fails, or an argument is nothing that git could have.
pub fn load_both(
    before: (&Tree<'_>, &[PathBuf]),
    after: (&Tree<'_>, &[PathBuf]),
    stdin: &mut dyn Read,
    limits: &Limits,
) -> Result<Loaded, GitError> {
    let mut gather = |(tree, arguments): (&Tree<'_>, &[PathBuf]), already: &Gathered| match tree {
        Tree::Disk => Ok(disk::gather(arguments, stdin, limits)),
        Tree::Git(snapshot) => snapshot.gather(arguments, Unfound::Nothing, already, limits),
    };
    let now = gather(after, &Gathered::default())?;
    let before = gather(before, &now)?;
    Ok(gather::side_by_side(now, Some(before)))
}

/// What [`load`] does not see below the directories among the arguments: hidden files, and
/// those that ignore files name. Costs a walk of its own, for who wants to show it.
#[must_use]
pub fn left_out(arguments: &[PathBuf], limits: &Limits) -> Vec<Skipped> {
    walk::left_out(arguments, limits)
}

/// A file that might hold manifests.
#[derive(Debug)]
struct Candidate {
    name: String,
    origin: Origin,
    /// Whether it is an argument itself, rather than met below one.
    is_asked_for: bool,
}

/// Where the bytes of a file are.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Origin {
    Stdin,
    Disk(PathBuf),
    Git(git::ObjectId),
}

/// What a failed call to the system means for the file that it was about.
fn refused(error: &io::Error) -> ProblemKind {
    if error.kind() == io::ErrorKind::NotFound {
        return ProblemKind::NotFound { similar: None };
    }
    // The number of the error tells a person nothing: `Permission denied (os error 13)`.
    let words = error.to_string();
    let words = words.split(" (os error").next().unwrap_or_default();
    ProblemKind::Unreadable {
        reason: words.to_lowercase(),
    }
}
