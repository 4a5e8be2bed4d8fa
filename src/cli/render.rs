//! `npcheck render`: what a root becomes, with where each part comes from.
//!
//! Refuses to know how it is built.

use super::exit::Outcome;
use super::input::in_words;
use super::terminal::Terminal;
use crate::config::Rendering;
use crate::load::{self, GitError, Limits, Loaded, Tree};
use crate::output::Escaped;
use crate::render::{self, Printed};
use crate::source::{SourceId, SourceMap};
use clap::Args;
use std::io;
use std::path::PathBuf;

/// Show what a root becomes, as npcheck builds it
///
/// Prints the objects that `kustomize build` makes of a directory, or those that Flux, Argo CD
/// or a chart deploys under a name, as YAML, and says in comments which file each part comes
/// from. Nothing is fetched and no program is run but helm where `--helm` asks for it: remote
/// bases, charts and generators are named on standard error.
#[derive(Clone, Debug, Args)]
pub(super) struct Options {
    /// A directory with a kustomization.yaml, or that file, or a name that `files --roots` shows,
    /// such as Application/shop
    #[arg(value_name = "ROOT", default_value = ".", value_hint = clap::ValueHint::AnyPath)]
    root: PathBuf,
    /// Where a root is looked for by its name: files and directories
    #[arg(value_name = "PATH", default_value = ".", value_hint = clap::ValueHint::AnyPath)]
    paths: Vec<PathBuf>,
    /// Run helm for the charts in the tree
    #[arg(long)]
    helm: bool,
}

/// What was read, and what became of it.
struct Built {
    loaded: Loaded,
    printed: Option<Printed>,
}

pub(super) fn run(options: &Options, terminal: &mut Terminal) -> io::Result<Outcome> {
    let root = options.root.to_string_lossy().into_owned();
    let built = options.of_directory(&root).and_then(|built| {
        if built.printed.is_some() {
            return Ok(built);
        }
        let named = options.of_name(&root)?;
        Ok(if named.printed.is_some() {
            named
        } else {
            built
        })
    });
    let Built { loaded, printed } = match built {
        Ok(built) => built,
        Err(error) => {
            terminal.complain("git", &error.to_string());
            return Ok(Outcome::Incomplete);
        }
    };
    for problem in &loaded.now.problems {
        terminal.complain(&problem.name, &in_words(problem.clone()).message);
    }
    let is_incomplete = !loaded.now.problems.is_empty();
    let Some(printed) = printed else {
        let message = "there is no kustomization here, and no root of this name; \
                       `npcheck files --roots` lists what there is";
        terminal.complain(&root, message);
        return Ok(Outcome::Nothing.with_problems(is_incomplete));
    };
    let written = terminal.out().write_all(printed.text.as_bytes());
    terminal.finish(written)?;
    for fault in &printed.faults {
        let position = loaded.sources.position(fault.span);
        let name = loaded.sources.get(fault.span.source).name();
        let place = format!("{}:{}:{}", Escaped(name), position.line, position.column);
        terminal.complain(&place, &fault.message);
    }
    Ok(Outcome::Good.with_problems(is_incomplete || !printed.is_whole))
}

impl Options {
    /// The kustomization of a directory, or that a file is.
    fn of_directory(&self, root: &str) -> Result<Built, GitError> {
        self.built(std::slice::from_ref(&self.root), |sources, ids| {
            let is_file = ids.iter().any(|id| sources.get(*id).name() == root);
            let parent = self.root.parent().filter(|_| is_file);
            let directory = parent.map_or(root.into(), |parent| parent.to_string_lossy());
            render::print(sources, ids, &directory)
        })
    }

    /// What is deployed under a name.
    fn of_name(&self, root: &str) -> Result<Built, GitError> {
        self.built(&self.paths, |sources, ids| {
            render::print_root(sources, ids, root)
        })
    }

    /// Reads some paths, with what is built of them.
    fn built(
        &self,
        paths: &[PathBuf],
        print: impl Fn(&SourceMap, &[SourceId]) -> Option<Printed>,
    ) -> Result<Built, GitError> {
        let rendering = match self.helm {
            true => Rendering::Helm,
            false => Rendering::Auto,
        };
        let mut loaded = load::load(paths, &mut io::empty(), &Limits::default());
        super::wanted::complete(&mut loaded, rendering, paths, (&Tree::Disk, None))?;
        let ids: Vec<SourceId> = loaded.sources.ids().collect();
        let printed = print(&loaded.sources, &ids);
        Ok(Built { loaded, printed })
    }
}
