//! Which state of the files a command looks at, and which earlier one it compares with: the
//! disk, what is staged in git, a commit.
//!
//! Refuses to know what is in them.

use super::complete;
use super::of_revision::Asked;
use super::terminal::{Terminal, is_in_hook};
use crate::load::{GitError, Limits, Repository, Revision, Snapshot, Tree};
use clap::Args;
use std::path::{Path, PathBuf};

/// The states that the command line names.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "What is new")]
pub(super) struct StateOptions {
    /// Look at what is staged in git (the next commit) instead of the files on disk
    ///
    /// Manifests, ignore files, npcheck.yaml and the baseline are read from git's index.
    /// If nothing that is staged concerns npcheck, the run ends at once with 0. Under
    /// pre-commit with nothing staged at all, as by `pre-commit run --all-files`, everything in
    /// the index is looked at.
    #[arg(long)]
    staged: bool,
    /// Report only what this commit does not have: a branch, a tag, a hash, HEAD~2
    #[arg(long, value_name = "REV", conflicts_with = "write_baseline", add = complete::revisions())]
    new_from: Option<String>,
}

/// The states that were named.
#[derive(Debug)]
pub(super) struct States<'r> {
    /// What is looked at.
    pub(super) now: Tree<'r>,
    /// What it is compared with.
    pub(super) before: Option<(Revision, Snapshot<'r>)>,
}

impl StateOptions {
    /// Whether the index is looked at, where nothing can be written.
    pub(super) fn is_staged(&self) -> bool {
        self.staged
    }

    /// Whether something is looked at that git has.
    pub(super) fn are_of_git(&self) -> bool {
        self.staged || self.new_from.is_some()
    }

    /// The repository, if git is needed.
    pub(super) fn repository(&self) -> Result<Option<Repository>, GitError> {
        self.are_of_git().then(Repository::here).transpose()
    }

    /// Reads what git has. `None` if the index is to be looked at, and nothing that is staged
    /// touches a file that npcheck reads, be it one that is `asked` for or one of its `own`
    /// files that the command line names.
    pub(super) fn open<'r>(
        &self,
        repository: Option<&'r Repository>,
        asked: &'r Asked,
        own: &[&PathBuf],
    ) -> Result<Option<States<'r>>, GitError> {
        let arguments = &asked.paths;
        let Some(repository) = repository else {
            let now = asked.tree()?;
            return Ok(Some(States { now, before: None }));
        };
        for argument in arguments {
            repository.check(argument)?;
        }
        let limits = Limits::default();
        // Without anything staged a hook manager does not ask about a commit, but about all
        // files: `pre-commit run --all-files`.
        let is_about_all = self.staged && is_in_hook() && !repository.has_anything_staged()?;
        let revision = self.new_from.as_deref().filter(|_| !is_about_all);
        let revision = revision.map(|name| repository.revision(name)).transpose()?;
        let named: Vec<&Path> = own
            .iter()
            .copied()
            .chain(arguments)
            .map(AsRef::as_ref)
            .collect();
        if self.staged && !is_about_all && !repository.has_staged(&named)? {
            return Ok(None);
        }
        let now = match self.staged {
            true => Tree::Git(repository.index(&limits)?),
            false => asked.tree()?,
        };
        let before = revision.map(|revision| {
            let tree = repository.tree(&revision, &limits)?;
            Ok((revision, tree))
        });
        let before = before.transpose()?;
        Ok(Some(States { now, before }))
    }

    /// Says why git does not answer.
    pub(super) fn complain(&self, error: &GitError, terminal: &mut Terminal) {
        let is_about_the_revision = matches!(error, GitError::UnknownRevision { .. });
        let option = match self.staged && !is_about_the_revision {
            true => "--staged",
            false => "--new-from",
        };
        terminal.complain(option, &error.to_string());
    }
}

impl States<'_> {
    /// The name of the earlier state.
    pub(super) fn since(&self) -> Option<&str> {
        let (revision, _) = self.before.as_ref()?;
        Some(&revision.name)
    }

    /// The earlier state.
    pub(super) fn earlier(&self) -> Option<&Snapshot<'_>> {
        self.before.as_ref().map(|(_, snapshot)| snapshot)
    }
}
