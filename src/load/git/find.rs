//! Which files of git the arguments stand for: the same, in the same order and under the
//! same names, as the walk of a disk where they were checked out.
//!
//! Refuses to read any of them.

use super::GitError;
use super::ignored::{IgnoreFiles, Walk};
use super::path::{RepoPath, shown};
use super::snapshot::{Entry, Kept, Kind, Snapshot};
use crate::load::walk::{Found, name, nearest_name};
use crate::load::{Candidate, Limits, Origin, Problem, ProblemKind, SkipReason, Skipped, Unfound};
use std::collections::HashSet;
use std::path::{Path, PathBuf};

/// A path with more bytes than this is none that a disk could have.
const LONGEST: usize = 4096;

/// Finds them, every one once.
pub(super) fn find(
    snapshot: &Snapshot<'_>,
    arguments: &[PathBuf],
    unfound: Unfound,
    limits: &Limits,
) -> Result<Found, GitError> {
    let mut finder = Finder {
        snapshot,
        ignore_files: match limits.ignored {
            true => IgnoreFiles::default(),
            false => IgnoreFiles::read(snapshot)?,
        },
        unfound,
        limits,
        found: Found::default(),
        seen: HashSet::new(),
    };
    for argument in arguments {
        finder.add_argument(argument)?;
    }
    let mut found = finder.found;
    found.skipped.sort();
    found.skipped.dedup();
    Ok(found)
}

struct Finder<'f> {
    snapshot: &'f Snapshot<'f>,
    ignore_files: IgnoreFiles,
    unfound: Unfound,
    limits: &'f Limits,
    found: Found,
    /// The files that are candidates already.
    seen: HashSet<RepoPath>,
}

impl Finder<'_> {
    fn add_argument(&mut self, argument: &Path) -> Result<(), GitError> {
        let place = self.snapshot.repository.place_of(argument)?;
        let Some(place) = self.snapshot.resolve(&place)? else {
            let link = self.snapshot.entry(&place);
            if link.is_some_and(|entry| entry.kind == Kind::Link) {
                let reason = "it is a link that leads to nothing git has".to_owned();
                self.add_problem(name(argument), ProblemKind::Unreadable { reason });
            } else {
                self.add_missing(argument, &place);
            }
            return Ok(());
        };
        let is_in_submodule = |step: RepoPath| {
            let entry = self.snapshot.entry(&step);
            entry.is_some_and(|entry| entry.kind == Kind::Submodule)
        };
        if place.steps().any(is_in_submodule) {
            self.skip(name(argument), SkipReason::Submodule);
        } else if let Some(entry) = self.snapshot.entry(&place) {
            self.add_file(entry, name(argument), true);
        } else if !self.snapshot.below(&place).is_empty() || place.bytes().is_empty() {
            self.add_directory(argument, &place)?;
        } else {
            self.add_missing(argument, &place);
        }
        Ok(())
    }

    fn add_directory(&mut self, argument: &Path, root: &RepoPath) -> Result<(), GitError> {
        let ignore_files = std::mem::take(&mut self.ignore_files);
        let mut walk = Walk::new(&ignore_files, root, self.limits.hidden);
        for entry in self.snapshot.below(root) {
            let may_hold_manifests = entry.path.may_hold_manifests();
            let is_too_long = entry.path.bytes().len() > LONGEST;
            if is_too_long && may_hold_manifests {
                let reason = "its path is too long for a disk".to_owned();
                self.add_problem(name(argument), ProblemKind::Unreadable { reason });
            }
            if is_too_long || walk.leaves_out(entry) {
                continue;
            }
            if self.found.candidates.len() == self.limits.files && may_hold_manifests {
                let limit = self.limits.files;
                self.add_problem(name(argument), ProblemKind::TooManyFiles { limit });
                break;
            }
            let name = name(&argument.join(&*shown(entry.path.below(root))));
            match entry.kind {
                Kind::Submodule => self.skip(name, SkipReason::Submodule),
                Kind::Link if may_hold_manifests || self.leads_to_directory(entry)? => {
                    self.skip(name, SkipReason::Symlink);
                }
                Kind::File | Kind::Unmerged if may_hold_manifests => {
                    self.add_file(entry, name, false);
                }
                Kind::File if entry.path.is_program() => self.found.programs.push(name),
                _ => {}
            }
        }
        self.ignore_files = ignore_files;
        Ok(())
    }

    fn add_file(&mut self, entry: &Entry, name: String, is_asked_for: bool) {
        if !self.seen.insert(entry.path.clone()) {
            return;
        }
        if entry.kind == Kind::Unmerged {
            return self.add_problem(name, ProblemKind::Unmerged);
        }
        self.found.candidates.push(Candidate {
            name,
            origin: Origin::Git(entry.object.clone()),
            is_asked_for,
        });
    }

    /// What the index does not have, but for a directory without files that git knows, nobody
    /// can have meant.
    fn add_missing(&mut self, argument: &Path, place: &RepoPath) {
        let is_of_index = self.snapshot.kept == Kept::Index;
        let is_nothing = match is_of_index {
            true => is_directory(argument),
            false => self.unfound == Unfound::Nothing,
        };
        if is_nothing {
            return;
        }
        let directory = place.parent().unwrap_or(RepoPath::new(b""));
        let wanted = shown(place.file_name());
        let names = self.snapshot.below(&directory).iter().filter_map(|entry| {
            let below = entry.path.below(&directory);
            let first = below.split(|byte| *byte == b'/').next()?;
            Some(shown(first).into_owned())
        });
        let similar = nearest_name(&wanted, names);
        let similar = similar.map(|similar| name(&argument.with_file_name(similar)));
        let problem = match is_of_index {
            true => ProblemKind::NotStaged { similar },
            false => ProblemKind::NotFound { similar },
        };
        self.add_problem(name(argument), problem);
    }

    fn leads_to_directory(&self, link: &Entry) -> Result<bool, GitError> {
        let place = self.snapshot.resolve(&link.path)?;
        Ok(place.is_some_and(|place| !self.snapshot.below(&place).is_empty()))
    }

    fn skip(&mut self, name: String, reason: SkipReason) {
        self.found.skipped.push(Skipped { name, reason });
    }

    fn add_problem(&mut self, name: String, kind: ProblemKind) {
        self.found.problems.push(Problem { name, kind });
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "`load` is the reader of the disk"
)]
fn is_directory(path: &Path) -> bool {
    path.is_dir()
}
