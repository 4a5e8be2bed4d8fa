//! Which files the arguments stand for.
//!
//! Refuses to open any of them.

use super::{Candidate, Limits, Origin, Problem, ProblemKind, STDIN_ARGUMENT};
use super::{SkipReason, Skipped, own};
use crate::source::STDIN_NAME;
use ignore::{DirEntry, WalkBuilder};
use std::collections::HashSet;
use std::ffi::OsStr;
use std::fs;
use std::path::{Component, Path, PathBuf};
use std::sync::{Arc, Mutex};

/// The file of patterns that npcheck alone obeys, written as `.gitignore` is.
const IGNORE_FILE: &str = ".npcheckignore";

/// All files of patterns that a walk obeys; where two of them disagree, the first one counts.
pub(super) const IGNORE_FILES: [&str; 3] = [IGNORE_FILE, ".ignore", ".gitignore"];

/// All files that a walk reads to know what to leave out.
const OBEYED: [&str; 4] = [IGNORE_FILE, ".ignore", ".gitignore", ".git/info/exclude"];

/// What the arguments stand for.
#[derive(Debug, Default)]
pub(super) struct Found {
    pub(super) candidates: Vec<Candidate>,
    /// The names of files that are no manifests, and of which it counts that they are there.
    pub(super) programs: Vec<String>,
    pub(super) problems: Vec<Problem>,
    pub(super) skipped: Vec<Skipped>,
}

/// Finds the files, in the order of the arguments and by name below each; every one once.
pub(super) fn find(arguments: &[PathBuf], limits: &Limits) -> Found {
    let mut found = Found::default();
    for argument in arguments {
        found.add_argument(argument, limits);
    }
    if arguments.len() > 1 {
        found.keep_first_of_each();
    }
    found
}

/// The manifests that [`find`] passes over because they are hidden or ignored.
#[expect(clippy::disallowed_methods, reason = "load is the reader of the disk")]
pub(super) fn left_out(arguments: &[PathBuf], limits: &Limits) -> Vec<Skipped> {
    let found = find(arguments, limits);
    let seen: HashSet<&Path> = found
        .candidates
        .iter()
        .filter_map(|candidate| match &candidate.origin {
            Origin::Disk(path) => Some(path.as_path()),
            _ => None,
        })
        .collect();
    let mut left_out = Vec::new();
    for root in arguments.iter().filter(|argument| argument.is_dir()) {
        let entries = WalkBuilder::new(root)
            .standard_filters(false)
            .filter_entry(is_no_repository)
            .build();
        for entry in entries.take(limits.files).flatten() {
            let is_file = entry.file_type().is_some_and(|kind| kind.is_file());
            if !is_file || !may_hold_manifests(entry.path()) || seen.contains(entry.path()) {
                continue;
            }
            let below = entry.path().strip_prefix(root).unwrap_or(entry.path());
            let reason = if below.components().any(is_hidden) {
                SkipReason::Hidden
            } else {
                SkipReason::Ignored
            };
            left_out.push(Skipped {
                name: name(entry.path()),
                reason,
            });
        }
    }
    left_out.sort();
    left_out.dedup();
    left_out
}

impl Found {
    #[expect(clippy::disallowed_methods, reason = "load is the reader of the disk")]
    fn add_argument(&mut self, argument: &Path, limits: &Limits) {
        if argument.as_os_str() == STDIN_ARGUMENT {
            let has_stdin = self
                .candidates
                .iter()
                .any(|candidate| candidate.origin == Origin::Stdin);
            if !has_stdin {
                let name = STDIN_NAME.to_owned();
                self.candidates.push(Candidate {
                    name,
                    origin: Origin::Stdin,
                    is_asked_for: true,
                });
            }
            return;
        }
        match fs::metadata(argument) {
            Ok(metadata) if metadata.is_dir() => self.add_directory(argument, limits),
            Ok(metadata) if metadata.is_file() || own::is_open_pipe(argument) => {
                self.candidates.push(Candidate {
                    name: name(argument),
                    origin: Origin::Disk(argument.to_owned()),
                    is_asked_for: true,
                })
            }
            Ok(_) => self.add_problem(argument, ProblemKind::SpecialFile),
            Err(error) => {
                let kind = match super::refused(&error) {
                    ProblemKind::NotFound { .. } => ProblemKind::NotFound {
                        similar: neighbour(argument),
                    },
                    kind => kind,
                };
                self.add_problem(argument, kind);
            }
        }
    }

    fn add_directory(&mut self, root: &Path, limits: &Limits) {
        if limits.ignored {
            return self.add_all(root, unfiltered(root, limits), limits);
        }
        let first = self.candidates.len();
        let above = refused_above(root);
        if !above.is_empty() {
            self.add_refused(&above);
            return self.add_all(root, unfiltered(root, limits), limits);
        }
        let refused: Arc<Mutex<Vec<PathBuf>>> = Arc::default();
        let noted = Arc::clone(&refused);
        let mut walker = walker(root, limits);
        // A directory whose ignore files cannot be obeyed is walked without them.
        walker.filter_entry(move |entry| {
            let is_directory = entry.file_type().is_some_and(|kind| kind.is_dir());
            let is_refused = is_directory
                && entry.depth() > 0
                && !own::refused_below(entry.path(), &OBEYED).is_empty();
            if is_refused && let Ok(mut noted) = noted.lock() {
                noted.push(entry.path().to_owned());
            }
            !is_refused && is_no_repository(entry)
        });
        self.add_all(root, walker, limits);
        let refused = refused
            .lock()
            .map_or_else(|_| Vec::new(), |noted| noted.clone());
        for directory in &refused {
            self.add_refused(&own::refused_below(directory, &OBEYED));
            self.add_all(directory, unfiltered(directory, limits), limits);
        }
        if !refused.is_empty() {
            let path = |candidate: &Candidate| match &candidate.origin {
                Origin::Disk(path) => path.clone(),
                _ => PathBuf::new(),
            };
            self.candidates[first..].sort_by_cached_key(path);
        }
    }

    fn add_refused(&mut self, refused: &[(PathBuf, &'static str)]) {
        for (path, reason) in refused {
            let reason = format!("{reason}; all files are read that it may name");
            self.add_problem(path, ProblemKind::Unreadable { reason });
        }
    }

    fn add_all(&mut self, root: &Path, walker: WalkBuilder, limits: &Limits) {
        for entry in walker.build() {
            match entry {
                Ok(entry) => {
                    if self.candidates.len() == limits.files && may_hold_manifests(entry.path()) {
                        return self.add_problem(
                            root,
                            ProblemKind::TooManyFiles {
                                limit: limits.files,
                            },
                        );
                    }
                    self.add_entry(&entry);
                }
                Err(error) => {
                    let path = path_of(&error).unwrap_or(root).to_owned();
                    let kind = error.io_error().map_or_else(
                        || ProblemKind::Unreadable {
                            reason: error.to_string(),
                        },
                        super::refused,
                    );
                    self.add_problem(&path, kind);
                }
            }
        }
    }

    #[expect(clippy::disallowed_methods, reason = "load is the reader of the disk")]
    fn add_entry(&mut self, entry: &DirEntry) {
        let path = entry.path();
        let Some(kind) = entry.file_type() else {
            return;
        };
        // The argument itself, which is followed where it is a link.
        if entry.depth() == 0 {
            return;
        }
        if kind.is_file() && is_program(path) {
            return self.programs.push(name(path));
        }
        let is_link_to_directory = kind.is_symlink() && path.is_dir();
        if kind.is_dir() || !(may_hold_manifests(path) || is_link_to_directory) {
            return;
        }
        if kind.is_file() {
            self.candidates.push(Candidate {
                name: name(path),
                origin: Origin::Disk(path.to_owned()),
                is_asked_for: false,
            });
        } else if kind.is_symlink() {
            self.skipped.push(Skipped {
                name: name(path),
                reason: SkipReason::Symlink,
            });
        } else {
            self.add_problem(path, ProblemKind::SpecialFile);
        }
    }

    fn add_problem(&mut self, path: &Path, kind: ProblemKind) {
        self.problems.push(Problem {
            name: name(path),
            kind,
        });
    }

    /// Two arguments may lead to one file, which must not count as two.
    #[expect(clippy::disallowed_methods, reason = "load is the reader of the disk")]
    fn keep_first_of_each(&mut self) {
        let mut seen = HashSet::new();
        self.candidates.retain(|candidate| {
            let Origin::Disk(path) = &candidate.origin else {
                return true;
            };
            seen.insert(fs::canonicalize(path).unwrap_or_else(|_| path.clone()))
        });
        self.skipped.sort();
        self.skipped.dedup();
    }
}

/// Walks as ripgrep does: hidden files, unless they are wanted, and those of ignore files are
/// passed over, symbolic links not followed. The user's own global ignore file has no say, so
/// that the answer is the same on every machine.
fn walker(root: &Path, limits: &Limits) -> WalkBuilder {
    let mut walker = WalkBuilder::new(root);
    walker
        .hidden(!limits.hidden)
        .git_global(false)
        .add_custom_ignore_filename(IGNORE_FILE)
        .sort_by_file_name(OsStr::cmp);
    walker
}

/// The same without ignore files.
fn unfiltered(root: &Path, limits: &Limits) -> WalkBuilder {
    let mut walker = WalkBuilder::new(root);
    walker
        .standard_filters(false)
        .hidden(!limits.hidden)
        .filter_entry(is_no_repository)
        .sort_by_file_name(OsStr::cmp);
    walker
}

/// The ignore files of a directory and of those above it that must not be obeyed.
#[expect(clippy::disallowed_methods, reason = "load is the reader of the disk")]
fn refused_above(root: &Path) -> Vec<(PathBuf, &'static str)> {
    let mut refused = own::refused_below(root, &OBEYED);
    let real = fs::canonicalize(root).unwrap_or_else(|_| root.to_owned());
    for directory in real.ancestors().skip(1) {
        refused.extend(own::refused_below(directory, &OBEYED));
    }
    refused
}

/// Whether the name is one that manifests have: `.yaml`, `.yml` or `.json`, maybe packed, or
/// the third name that kustomize knows for its file.
pub(super) fn may_hold_manifests(path: &Path) -> bool {
    let is_manifest = |name: &Path| {
        let extension = name.extension().and_then(OsStr::to_str).unwrap_or_default();
        ["yaml", "yml", "json"]
            .iter()
            .any(|known| extension.eq_ignore_ascii_case(known))
    };
    let is_packed = path
        .extension()
        .is_some_and(|extension| extension.eq_ignore_ascii_case("gz"));
    is_manifest(path)
        || path.file_name() == Some(OsStr::new("Kustomization"))
        || is_packed
            && path
                .file_stem()
                .is_some_and(|stem| is_manifest(Path::new(stem)))
}

/// Whether Argo CD runs such a file where it applies the directory: what comes of it is not known.
pub(super) fn is_program(path: &Path) -> bool {
    path.extension() == Some(OsStr::new("jsonnet"))
}

fn is_no_repository(entry: &DirEntry) -> bool {
    entry.file_name() != ".git"
}

fn is_hidden(component: Component<'_>) -> bool {
    component.as_os_str().as_encoded_bytes().starts_with(b".")
}

/// A path as it is shown: as it was written, with `/`, and without `./` in front.
pub(super) fn name(path: &Path) -> String {
    let name = path.strip_prefix(".").unwrap_or(path).to_string_lossy();
    let name = if name.is_empty() {
        path.to_string_lossy()
    } else {
        name
    };
    if cfg!(windows) {
        name.replace('\\', "/")
    } else {
        name.into_owned()
    }
}

/// The name beside `path` that is most like it, if any is.
#[expect(clippy::disallowed_methods, reason = "load is the reader of the disk")]
fn neighbour(path: &Path) -> Option<String> {
    let wanted = path.file_name()?.to_string_lossy();
    let parent = path
        .parent()
        .filter(|parent| *parent != Path::new(""))
        .unwrap_or(Path::new("."));
    let names = fs::read_dir(parent)
        .ok()?
        .flatten()
        .map(|entry| entry.file_name());
    let names = names.filter_map(|name| name.into_string().ok());
    nearest_name(&wanted, names).map(|near| name(&parent.join(near)))
}

/// The name that is most like the wanted one, if any is.
pub(super) fn nearest_name(wanted: &str, names: impl Iterator<Item = String>) -> Option<String> {
    let near = names
        .map(|name| (strsim::osa_distance(&name, wanted), name))
        .filter(|(distance, name)| *distance <= name.chars().count() / 4);
    near.min().map(|(_, near)| near)
}

/// The path that an error of the walk is about.
fn path_of(error: &ignore::Error) -> Option<&Path> {
    match error {
        ignore::Error::WithPath { path, .. } => Some(path),
        ignore::Error::WithDepth { err, .. } | ignore::Error::WithLineNumber { err, .. } => {
            path_of(err)
        }
        ignore::Error::Loop { child, .. } => Some(child),
        _ => None,
    }
}
