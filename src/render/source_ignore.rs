//! What Flux leaves out of the artifact of a source: the patterns of `.sourceignore` files and
//! of `spec.ignore`. After fluxcd/pkg (`sourceignore/sourceignore.go`).
//!
//! Refuses to know what is applied, and which source it is.

use super::library::{Library, is_within, join, parent};
use ignore::Match;
use ignore::gitignore::{Gitignore, GitignoreBuilder};
use std::sync::OnceLock;

/// The name of the files.
const NAME: &str = ".sourceignore";

/// What sources leave out unless one of their patterns says otherwise.
const ALWAYS: &str = ".git/,.gitignore,.gitmodules,.gitattributes";

/// What sources that have no patterns leave out as well.
const BY_DEFAULT: &str = "*.jpg,*.jpeg,*.gif,*.png,*.wmv,*.flv,*.tar.gz,*.zip,\
    .github/,.circleci/,.travis.yml,.gitlab-ci.yml,appveyor.yml,.drone.yml,cloudbuild.yaml,\
    codeship-services.yml,codeship-steps.yml,\
    **/.goreleaser.yml,**/.sops.yaml,**/.flux.yaml";

/// What is left out without a pattern.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Rest {
    /// Nothing, as there is no source.
    #[default]
    Nothing,
    /// What belongs to git.
    Git,
    /// That, and what sources without patterns leave out.
    Default,
}

/// What leaves out what.
#[derive(Debug, Default)]
pub(super) struct SourceIgnore {
    /// The patterns that hold in a directory, each with the directory that it is relative to. The
    /// first one that a path or a directory around it matches decides: that of `spec.ignore`,
    /// then those of the innermost file, the last line first.
    patterns: Vec<(String, Gitignore)>,
    /// What is left out where no pattern decides.
    rest: Rest,
}

impl SourceIgnore {
    /// Those of a directory, of the ones around it and of the ones below, and those that its
    /// source has for its root.
    pub(super) fn of(
        library: &Library<'_>,
        directory: &str,
        of_source: Option<(&str, String)>,
    ) -> Self {
        let below = library.below(directory);
        let below = below.filter(|path| is_file(path));
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
        // Those of the whole source are put together, and a file of comments has none.
        let mut files = library.paths().filter(|path| is_file(path));
        let has_patterns = |path| {
            library
                .text(path)
                .is_some_and(|text| patterns(text).count() > 0)
        };
        Self {
            rest: match all.is_empty() && !files.any(has_patterns) {
                true => Rest::Default,
                false => Rest::Git,
            },
            patterns: all,
        }
    }

    /// Whether a tree has files of such patterns, or what is always left out.
    pub(super) fn may_be_in(library: &Library<'_>) -> bool {
        let mut paths = library.paths();
        paths.any(|path| is_file(path) || Rest::Default.leaves_out(path))
    }

    /// Whether a file is left out.
    pub(super) fn leaves_out(&self, path: &str) -> bool {
        let here = self
            .patterns
            .iter()
            .filter(|(home, _)| is_within(path, home));
        let mut said = here.map(|(home, pattern)| {
            let relative = path[home.len()..].trim_start_matches('/');
            pattern.matched_path_or_any_parents(relative, false)
        });
        match said.find(|said| !said.is_none()) {
            Some(said) => matches!(said, Match::Ignore(_)),
            None => self.rest.leaves_out(path),
        }
    }

    /// Whether a directory has files, and all are left out.
    pub(super) fn leaves_out_all(&self, library: &Library<'_>, directory: &str) -> bool {
        let mut files = library.below(directory).peekable();
        files.peek().is_some() && files.all(|path| self.leaves_out(path))
    }
}

impl Rest {
    fn leaves_out(self, path: &str) -> bool {
        static PATTERNS: OnceLock<[Gitignore; 2]> = OnceLock::new();
        let [always, by_default] = PATTERNS.get_or_init(|| [ALWAYS, BY_DEFAULT].map(patterns_of));
        let matches = |it: &Gitignore| it.matched_path_or_any_parents(path, false).is_ignore();
        match self {
            Self::Nothing => false,
            Self::Git => matches(always),
            Self::Default => matches(always) || matches(by_default),
        }
    }
}

fn patterns_of(list: &str) -> Gitignore {
    let mut builder = GitignoreBuilder::new("");
    for pattern in list.split(',') {
        let added = builder.add_line(None, pattern);
        debug_assert!(added.is_ok(), "{pattern}");
    }
    builder.build().unwrap_or_else(|_| Gitignore::empty())
}

/// Whether a path is that of a file of patterns.
fn is_file(path: &str) -> bool {
    path.rsplit('/').next() == Some(NAME)
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

/// Adds the patterns of a text.
fn add(home: &str, text: &str, all: &mut Vec<(String, Gitignore)>) {
    all.extend(patterns(text).map(|pattern| (home.to_owned(), pattern)));
}

/// The patterns of a text, the last line first. Each stands for itself: other than in git, one
/// for a file does not outrank a later one for a directory around it.
fn patterns(text: &str) -> impl Iterator<Item = Gitignore> {
    let lines = text.trim_start_matches('\u{feff}').lines();
    lines.rev().filter_map(|line| {
        let mut builder = GitignoreBuilder::new("");
        // A line that is no pattern is passed over, as in git.
        let _ = builder.add_line(None, line);
        let built = builder.build().ok();
        built.filter(|pattern| !pattern.is_empty())
    })
}
