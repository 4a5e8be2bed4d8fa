//! The trees that files may be taken from which nobody named: what kustomizations speak of must
//! not be a window to the rest of the machine.
//!
//! Refuses to know who speaks of the files.

use super::upwards::lexical;
use crate::source::Absence;
use std::collections::BTreeSet;
use std::env;
use std::fs;
use std::path::{Path, PathBuf};

/// The git repositories around some paths. Where there is none, it is the directories of the
/// paths themselves, and others only as kustomize takes them: a directory that is a kustomization
/// may stand anywhere, and what it takes lies in it.
#[derive(Clone, Debug)]
pub struct Enclosure {
    here: PathBuf,
    trees: BTreeSet<PathBuf>,
    is_bound: bool,
}

impl Enclosure {
    /// Around the paths that a command was given.
    #[must_use]
    #[expect(clippy::disallowed_methods, reason = "load is the reader of the disk")]
    pub fn around(arguments: &[PathBuf]) -> Self {
        let here = env::current_dir().unwrap_or_default();
        let mut trees = BTreeSet::new();
        let mut is_bound = true;
        for argument in arguments {
            let path = here.join(argument);
            // A link that is named stands where it is named.
            let directory = match path.is_dir() {
                true => Some(path.as_path()),
                false => path.parent(),
            };
            let directory = directory.and_then(|it| fs::canonicalize(it).ok());
            let directory = directory.unwrap_or_else(|| here.clone());
            let root = directory
                .ancestors()
                .find(|above| above.join(".git").exists());
            is_bound &= root.is_some();
            trees.insert(root.unwrap_or(&directory).to_owned());
        }
        Self {
            here,
            trees,
            is_bound,
        }
    }

    /// Why there is nothing to read at a path: what it leads to does not lie in one of the trees,
    /// or is not there. `None` if there is something.
    #[must_use]
    #[expect(clippy::disallowed_methods, reason = "load is the reader of the disk")]
    pub fn absence(&self, path: &Path) -> Option<Absence> {
        let path = self.here.join(path);
        if let Ok(real) = fs::canonicalize(&path) {
            return (!self.is_inside(&real)).then_some(Absence::Refused);
        }
        // It is where its directory would be.
        let path = lexical(&path);
        let is_inside = |above: &Path| {
            let real = fs::canonicalize(above).ok();
            real.is_some_and(|real| self.is_inside(&real))
        };
        match self.is_inside(&path) || path.ancestors().skip(1).any(is_inside) {
            true => Some(Absence::Missing),
            false => Some(Absence::Refused),
        }
    }

    /// Lets in the directory of a kustomization that another one builds on, unless a repository
    /// bounds what is read.
    #[expect(clippy::disallowed_methods, reason = "load is the reader of the disk")]
    pub fn let_in(&mut self, kustomization: &Path) {
        let path = self.here.join(kustomization);
        let is_link = |path: &Path| fs::symlink_metadata(path).is_ok_and(|it| it.is_symlink());
        let Some(directory) = path.parent().filter(|_| !self.is_bound) else {
            return;
        };
        if path.is_file()
            && !is_link(&path)
            && !is_link(directory)
            && let Ok(directory) = fs::canonicalize(directory)
        {
            self.trees.insert(directory);
        }
    }

    fn is_inside(&self, real: &Path) -> bool {
        self.trees.iter().any(|tree| real.starts_with(tree))
    }
}
