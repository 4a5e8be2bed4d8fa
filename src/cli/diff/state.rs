//! The two states that are compared: directories, files, standard input, revisions of git,
//! its index, the work tree.
//!
//! Refuses to know what is in them.

use crate::cli::WalkOptions;
use crate::cli::of_revision::OfRevision;
use crate::cli::wanted;
use crate::config::Rendering;
use crate::load::{Beside, GitError, Loaded, Repository, STDIN_ARGUMENT, Tree, load_both};
use std::io;
use std::path::PathBuf;

/// One state, as it was asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Spec {
    /// Files on the disk, or standard input.
    Disk(PathBuf),
    /// A revision, and what of it.
    Revision(String, Option<PathBuf>),
    /// The point where a revision and `HEAD` parted.
    MergeBase(String),
    /// The index.
    Index,
    /// The same paths as the other state, on the disk.
    WorkTree,
}

/// Both states, read.
pub(super) struct States {
    /// The texts: `now` is the state after.
    pub(super) loaded: Loaded,
    /// What they are called.
    pub(super) names: [String; 2],
    /// What stands before the places of the state before.
    pub(super) prefix: String,
    /// What the names of their files begin with, and those of the other state do not.
    pub(super) roots: [String; 2],
}

impl Spec {
    /// `git:REV[:PATH]`, `-`, or a path.
    fn parse(text: &str) -> Self {
        match OfRevision::parse(text) {
            Some(OfRevision { revision, path }) => Self::Revision(revision, path),
            None => Self::Disk(PathBuf::from(text)),
        }
    }

    fn name(&self) -> String {
        match self {
            Self::Disk(path) if path.as_os_str() == STDIN_ARGUMENT => "<stdin>".to_owned(),
            Self::Disk(path) => path.to_string_lossy().into_owned(),
            Self::Revision(revision, None) => format!("git:{revision}"),
            Self::Revision(revision, Some(path)) => {
                format!("git:{revision}:{}", path.to_string_lossy())
            }
            Self::MergeBase(revision) => format!("merge base of {revision}"),
            Self::Index => "index".to_owned(),
            Self::WorkTree => "work tree".to_owned(),
        }
    }

    fn needs_git(&self) -> bool {
        !matches!(self, Self::Disk(_) | Self::WorkTree)
    }
}

/// What was asked for.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Asked<'a> {
    /// The state before.
    pub(super) before: Option<&'a str>,
    /// The state after.
    pub(super) after: Option<&'a str>,
    /// Whether the state after is the index.
    pub(super) staged: bool,
    /// The revision with which the state before is a merge base.
    pub(super) merge_base: Option<&'a str>,
    /// What is read below directories.
    pub(super) walk: WalkOptions,
}

/// Why the states cannot be read: the argument that it is about, and what is wrong.
pub(super) type Unreadable = (String, String);

/// Reads both states, with what is built of them.
pub(super) fn read(asked: &Asked<'_>, rendering: Rendering) -> Result<States, Unreadable> {
    let [before, after] = specs(asked)?;
    let git = |error: GitError| ("git".to_owned(), error.to_string());
    let needs_git = before.needs_git() || after.needs_git();
    let repository = needs_git.then(Repository::here).transpose().map_err(git)?;
    let paths = |spec: &Spec, other: &Spec| -> PathBuf {
        let of_revision = |path: &PathBuf| match &repository {
            Some(repository) => repository.below_root(path),
            None => path.clone(),
        };
        match (spec, other) {
            (Spec::Disk(path), _) => path.clone(),
            (Spec::Revision(_, Some(path)), _) => of_revision(path),
            // What is said of one state only is meant for both.
            (_, Spec::Revision(_, Some(path))) => of_revision(path),
            (_, Spec::Disk(path)) if path.as_os_str() != STDIN_ARGUMENT => path.clone(),
            _ => PathBuf::from("."),
        }
    };
    let paths = [paths(&before, &after), paths(&after, &before)];
    let limits = asked.walk.limits();
    let tree = |spec: &Spec| -> Result<Tree<'_>, GitError> {
        let Some(repository) = &repository else {
            return Ok(Tree::Disk);
        };
        let revision = match spec {
            Spec::Disk(_) | Spec::WorkTree => return Ok(Tree::Disk),
            Spec::Index => return Ok(Tree::Git(repository.index(&limits)?)),
            Spec::Revision(name, _) => repository.revision(name)?,
            Spec::MergeBase(name) => repository.merge_base(name)?,
        };
        Ok(Tree::Git(repository.tree(&revision, &limits)?))
    };
    let trees = [tree(&before).map_err(git)?, tree(&after).map_err(git)?];
    let [old, new] = [0, 1].map(|time| (&trees[time], std::slice::from_ref(&paths[time])));
    let mut loaded = load_both(old, new, &mut io::stdin().lock(), &limits).map_err(git)?;
    let listings = [loaded.before.as_ref(), Some(&loaded.now)];
    for (spec, listing) in [&before, &after].into_iter().zip(listings) {
        let is_empty = listing.is_none_or(|listing| listing.files.is_empty());
        if let (Spec::Revision(revision, Some(path)), true) = (spec, is_empty) {
            let reason = "there are no manifests; the path is one from the root of the repository";
            return Err((
                format!("git:{revision}:{}", path.display()),
                reason.to_owned(),
            ));
        }
    }
    if rendering != Rendering::Off {
        let [mut old, mut new] =
            [0, 1].map(|time| Beside::new(trees[time].of_git(), &paths[time..=time]));
        wanted::add_wanted_before(&mut loaded, &mut old).map_err(git)?;
        wanted::add_wanted(&mut loaded, &mut new).map_err(git)?;
    }
    let prefix = match &before {
        Spec::Revision(revision, _) => format!("git:{revision}:"),
        Spec::MergeBase(revision) => format!("git:{revision}...HEAD:"),
        Spec::Disk(_) | Spec::Index | Spec::WorkTree => String::new(),
    };
    let root = |path: &PathBuf| match path.to_string_lossy().as_ref() {
        "." | STDIN_ARGUMENT => String::new(),
        text => text.trim_start_matches("./").to_owned(),
    };
    let roots = match paths[0] == paths[1] {
        true => [String::new(), String::new()],
        false => [root(&paths[0]), root(&paths[1])],
    };
    Ok(States {
        loaded,
        names: [before.name(), after.name()],
        prefix,
        roots,
    })
}

/// What the arguments ask for.
fn specs(asked: &Asked<'_>) -> Result<[Spec; 2], Unreadable> {
    let wrong = |what: &str, why: &str| Err((what.to_owned(), why.to_owned()));
    let before = match (asked.merge_base, asked.before) {
        (Some(revision), None) => Spec::MergeBase(revision.to_owned()),
        (None, Some(before)) => Spec::parse(before),
        // `diff --merge-base main k8s/` would be a state after.
        (Some(_), Some(_)) => {
            return wrong("--merge-base", "it is the state before: leave BEFORE out");
        }
        (None, None) if asked.staged => Spec::Revision("HEAD".to_owned(), None),
        (None, None) => {
            return wrong(
                "BEFORE",
                "say what to compare with: a directory, a file, git:main",
            );
        }
    };
    let after = match (asked.staged, asked.after) {
        (true, Some(_)) => return wrong("--staged", "it is the state after: leave AFTER out"),
        (true, None) => Spec::Index,
        (false, Some(after)) => Spec::parse(after),
        (false, None) => Spec::WorkTree,
    };
    if [&before, &after]
        .iter()
        .all(|spec| **spec == Spec::Disk(PathBuf::from(STDIN_ARGUMENT)))
    {
        return wrong("-", "standard input can be one of both states only");
    }
    if let (Spec::Disk(_), Spec::WorkTree) = (&before, &after) {
        return Ok([before, Spec::Disk(PathBuf::from("."))]);
    }
    Ok([before, after])
}
