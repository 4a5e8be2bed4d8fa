//! `.sourceignore`: what Flux leaves out where it generates a kustomization over a directory.
//! After fluxcd/pkg (`sourceignore/sourceignore.go`).
//!
//! Refuses to know what is applied, and `spec.ignore` of sources.

use super::library::{Library, is_within, join, parent};
use ignore::Match;
use ignore::gitignore::{Gitignore, GitignoreBuilder};

/// The name of the files.
const NAME: &str = ".sourceignore";

/// The patterns that hold in a directory, those of the innermost directory first.
pub(super) struct SourceIgnore(Vec<(String, Gitignore)>);

impl SourceIgnore {
    /// Those of a directory, of the ones around it and of the ones below.
    pub(super) fn of(library: &Library<'_>, directory: &str) -> Self {
        let below = library.below(directory);
        let below = below.filter(|path| path.rsplit('/').next() == Some(NAME));
        let mut paths: Vec<String> = files_of(directory)
            .chain(below.map(str::to_owned))
            .collect();
        paths.sort_by_key(|path| std::cmp::Reverse(path.len()));
        paths.dedup();
        let files = paths.into_iter().filter_map(|path| {
            let patterns = patterns(library.text(&path)?)?;
            Some((parent(&path).to_owned(), patterns))
        });
        Self(files.collect())
    }

    /// Whether a file is left out.
    pub(super) fn leaves_out(&self, path: &str) -> bool {
        let here = self.0.iter().filter(|(home, _)| is_within(path, home));
        let mut said = here.map(|(home, patterns)| {
            let relative = path[home.len()..].trim_start_matches('/');
            patterns.matched_path_or_any_parents(relative, false)
        });
        matches!(said.find(|said| !said.is_none()), Some(Match::Ignore(_)))
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

fn patterns(text: &str) -> Option<Gitignore> {
    let mut builder = GitignoreBuilder::new("");
    for line in text.trim_start_matches('\u{feff}').lines() {
        // A line that is no pattern is passed over, as in git.
        let _ = builder.add_line(None, line);
    }
    builder.build().ok().filter(|patterns| !patterns.is_empty())
}
