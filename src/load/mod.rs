//! The only reader of the disk: finds the files that a command is asked to look at,
//! and makes texts of them.
//!
//! Refuses to know YAML, Kubernetes, and what is printed: a file that cannot be read
//! is a value with a name, and the others are read all the same.

mod decode;
mod upwards;
mod walk;

pub use upwards::OwnFile;

use crate::source::{SourceId, SourceMap};
use decode::{Refusal, Text};
use rayon::prelude::*;
use std::fs;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

/// The name of standard input, as an argument and in every message.
pub const STDIN_ARGUMENT: &str = "-";

/// What standard input is called where a file would have its path.
pub const STDIN_NAME: &str = "<stdin>";

/// How much is read before npcheck refuses to go on. A run that meets one of these says
/// so and is no good run.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Bytes of one file, unpacked.
    pub file_bytes: u64,
    /// Bytes of all files together, unpacked.
    pub total_bytes: u64,
    /// Number of files.
    pub files: usize,
    /// How many bytes one compressed byte may become. Text that people and clusters
    /// write shrinks ten- to fortyfold, a bomb a thousandfold.
    pub gzip_ratio: u64,
    /// Bytes that a compressed file may become whatever its size.
    pub gzip_floor: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            file_bytes: 2 << 30,
            total_bytes: 4 << 30,
            files: 1_000_000,
            gzip_ratio: 200,
            gzip_floor: 16 << 20,
        }
    }
}

/// What was read.
#[derive(Debug, Default)]
pub struct Loaded {
    /// The texts, in the order of the arguments, and of their names within one.
    pub sources: SourceMap,
    /// The files of the texts, in the same order.
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
    /// Where it is, to write it again; `None` for standard input.
    pub path: Option<PathBuf>,
    /// Whether its text was packed by gzip, so that it cannot be edited in place.
    pub is_compressed: bool,
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
}

/// Reads every file that the arguments stand for: a file whatever its name, the manifests
/// below a directory, standard input for `-`.
///
/// The result does not depend on the number of threads. `stdin` is read at most once, and
/// only where it is asked for.
pub fn load(arguments: &[PathBuf], stdin: &mut dyn Read, limits: &Limits) -> Loaded {
    let found = walk::find(arguments, limits);
    let texts = read_all(&found.candidates, stdin, limits);
    let mut loaded = Loaded {
        problems: found.problems,
        skipped: found.skipped,
        ..Loaded::default()
    };
    for (candidate, text) in found.candidates.into_iter().zip(texts) {
        let Candidate {
            name,
            path,
            is_asked_for,
        } = candidate;
        match text {
            Ok(Text {
                text,
                is_compressed,
            }) => {
                let source = loaded.sources.add(name, text);
                loaded.files.push(File {
                    source,
                    path,
                    is_compressed,
                });
            }
            // A file that was only met, and that no tool for Kubernetes could have written,
            // is somebody else's business; one that might be a manifest is not passed over.
            Err(refusal) if refusal.is_foreign && !is_asked_for => {
                loaded.skipped.push(Skipped {
                    name,
                    reason: SkipReason::Binary,
                });
            }
            Err(refusal) => loaded.problems.push(Problem {
                name,
                kind: refusal.kind,
            }),
        }
    }
    loaded.skipped.sort();
    loaded
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
    /// `None` for standard input.
    path: Option<PathBuf>,
    /// Whether it is an argument itself, rather than met below one.
    is_asked_for: bool,
}

/// Reads the candidates: an answer for each, up to the first that is over the limit of all
/// bytes.
fn read_all(
    candidates: &[Candidate],
    stdin: &mut dyn Read,
    limits: &Limits,
) -> Vec<Result<Text, Refusal>> {
    let mut piped = candidates
        .iter()
        .any(|candidate| candidate.path.is_none())
        .then(|| decode::read(stdin, 0, limits));
    let used = AtomicU64::new(piped.as_ref().map_or(0, bytes));
    let is_over = || used.load(Ordering::Relaxed) > limits.total_bytes;
    let mut texts: Vec<Option<Result<Text, Refusal>>> = candidates
        .par_iter()
        .map(|candidate| {
            let path = candidate.path.as_ref()?;
            if is_over() {
                return None;
            }
            let text = read_file(path, limits);
            used.fetch_add(bytes(&text), Ordering::Relaxed);
            Some(text)
        })
        .collect();
    for (candidate, text) in candidates.iter().zip(&mut texts) {
        if candidate.path.is_none() {
            *text = piped.take();
        }
    }
    if is_over() {
        return cut_off(candidates, texts, limits);
    }
    texts.into_iter().flatten().collect()
}

/// Which files were read before the limit was hit depends on the threads, so the cut is
/// made again in order: what does not fit is dropped, what was left is read.
fn cut_off(
    candidates: &[Candidate],
    texts: Vec<Option<Result<Text, Refusal>>>,
    limits: &Limits,
) -> Vec<Result<Text, Refusal>> {
    let mut kept = Vec::new();
    let mut used = 0;
    for (index, (candidate, text)) in candidates.iter().zip(texts).enumerate() {
        let text = text.unwrap_or_else(|| {
            let path = candidate.path.as_ref();
            read_file(path.expect("standard input is read first"), limits)
        });
        used += bytes(&text);
        if used > limits.total_bytes {
            let others = candidates.len() - index - 1;
            let limit = limits.total_bytes;
            kept.push(Err(ProblemKind::TotalTooLarge { limit, others }.into()));
            break;
        }
        kept.push(text);
    }
    kept
}

fn bytes(text: &Result<Text, Refusal>) -> u64 {
    text.as_ref().map_or(0, |text| text.text.len() as u64)
}

#[expect(clippy::disallowed_methods, reason = "load is the reader of the disk")]
fn read_file(path: &Path, limits: &Limits) -> Result<Text, Refusal> {
    let mut file = fs::File::open(path).map_err(|error| refused(&error))?;
    let size = file.metadata().map_err(|error| refused(&error))?.len();
    decode::read(&mut file, size, limits)
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
