//! What Flux leaves out of the artifact of a source: the patterns of `.sourceignore` files and
//! of `spec.ignore`. After fluxcd/pkg (`sourceignore/sourceignore.go`).
//!
//! Refuses to know what is applied, and which source it is.

use super::library::{Library, is_within, join, parent};
use ignore::Match;
use ignore::gitignore::{Gitignore, GitignoreBuilder};

/// The name of the files.
const NAME: &str = ".sourceignore";

/// The patterns that hold in a directory, each with the directory that it is relative to. The
/// first one that a path or a directory around it matches decides: that of `spec.ignore`, then
/// those of the innermost file, the last line first.
#[derive(Debug, Default)]
pub(super) struct SourceIgnore(Vec<(String, Gitignore)>);

impl SourceIgnore {
    /// Those of a directory, of the ones around it and of the ones below, and those that its
    /// source has for its root.
    pub(super) fn of(
        library: &Library<'_>,
        directory: &str,
        of_source: Option<(&str, String)>,
    ) -> Self {
        let below = library.below(directory);
        let below = below.filter(|path| path.rsplit('/').next() == Some(NAME));
        let mut paths: Vec<String> = files_of(directory)
            .chain(below.map(str::to_owned))
            .collect();
        paths.sort_by_key(|path| std::cmp::Reverse(path.len()));
        paths.dedup();
        let mut all = Vec::new();
        if let Some((root, text)) = of_source {
            add(root, &text, &mut all);
        }
        for path in paths {
            if let Some(text) = library.text(&path) {
                add(parent(&path), text, &mut all);
            }
        }
        Self(all)
    }

    /// Whether a tree has files of such patterns.
    pub(super) fn may_be_in(library: &Library<'_>) -> bool {
        let mut paths = library.paths();
        paths.any(|path| path.rsplit('/').next() == Some(NAME))
    }

    /// Whether a file is left out.
    pub(super) fn leaves_out(&self, path: &str) -> bool {
        let here = self.0.iter().filter(|(home, _)| is_within(path, home));
        let mut said = here.map(|(home, pattern)| {
            let relative = path[home.len()..].trim_start_matches('/');
            pattern.matched_path_or_any_parents(relative, false)
        });
        matches!(said.find(|said| !said.is_none()), Some(Match::Ignore(_)))
    }

    /// Whether a directory has files, and all are left out.
    pub(super) fn leaves_out_all(&self, library: &Library<'_>, directory: &str) -> bool {
        let mut files = library.below(directory).peekable();
        !self.0.is_empty() && files.peek().is_some() && files.all(|path| self.leaves_out(path))
    }
}

/// The files that may say what is left out of a directory: there and around it.
pub(super) fn files_of(directory: &str) -> impl Iterator<Item = String> + use<> {
    around(directory).map(|directory| file_in(&directory))
}

fn file_in(directory: &str) -> String {
    join(directory, NAME)
}

/// A directory and those around it, as far as the root of what was read.
fn around(directory: &str) -> impl Iterator<Item = String> + use<> {
    std::iter::successors(Some(directory.to_owned()), |directory| {
        (!directory.is_empty()).then(|| parent(directory).to_owned())
    })
}

/// Adds the patterns of a text, the last line first. Each stands for itself: other than in git,
/// one for a file does not outrank a later one for a directory around it.
fn add(home: &str, text: &str, all: &mut Vec<(String, Gitignore)>) {
    let lines = text.trim_start_matches('\u{feff}').lines();
    for line in lines.rev() {
        let mut builder = GitignoreBuilder::new("");
        // A line that is no pattern is passed over, as in git.
        let _ = builder.add_line(None, line);
        let built = builder.build().ok();
        let pattern = built.filter(|pattern| !pattern.is_empty());
        all.extend(pattern.map(|pattern| (home.to_owned(), pattern)));
    }
}
