//! `npcheck render`: what a kustomization becomes, with where each part comes from.
//!
//! Refuses to know how it is built.

use super::exit::Outcome;
use super::terminal::Terminal;
use crate::config::Rendering;
use crate::load::{self, Limits, Tree};
use crate::output::Escaped;
use crate::render;
use crate::source::SourceId;
use clap::Args;
use std::io;
use std::path::PathBuf;

/// Show what a kustomization becomes, as npcheck builds it
///
/// Prints the objects that `kustomize build` makes of the directory, as YAML, and says in
/// comments which file each part comes from. Nothing is fetched and no program is run but
/// helm where `--helm` asks for it: remote bases, charts and generators are named on standard
/// error.
#[derive(Clone, Debug, Args)]
pub(super) struct Options {
    /// A directory with a kustomization.yaml, or that file
    #[arg(value_name = "ROOT", default_value = ".", value_hint = clap::ValueHint::AnyPath)]
    root: PathBuf,
    /// Run helm for the charts in the tree
    #[arg(long)]
    helm: bool,
}

pub(super) fn run(options: &Options, terminal: &mut Terminal) -> io::Result<Outcome> {
    let root = options.root.to_string_lossy().into_owned();
    let mut loaded = load::load(
        std::slice::from_ref(&options.root),
        &mut io::empty(),
        &Limits::default(),
    );
    for problem in &loaded.now.problems {
        terminal.complain(
            &problem.name,
            &super::input::in_words(problem.clone()).message,
        );
    }
    let problems = loaded.now.problems.len();
    let rendering = match options.helm {
        true => Rendering::Helm,
        false => Rendering::Auto,
    };
    let arguments = std::slice::from_ref(&options.root);
    let state = (&Tree::Disk, None);
    if let Err(error) = super::wanted::complete(&mut loaded, rendering, arguments, state) {
        terminal.complain("git", &error.to_string());
    }
    for problem in &loaded.now.problems[problems..] {
        let problem = super::input::in_words(problem.clone());
        terminal.complain(&problem.name, &problem.message);
    }
    let is_incomplete = !loaded.now.problems.is_empty();
    let ids: Vec<SourceId> = loaded.sources.ids().collect();
    let is_file = loaded
        .sources
        .ids()
        .any(|id| loaded.sources.get(id).name() == root);
    let directory = match is_file {
        true => options
            .root
            .parent()
            .map(|parent| parent.to_string_lossy().into_owned()),
        false => Some(root.clone()),
    };
    let printed = render::print(&loaded.sources, &ids, &directory.unwrap_or_default());
    let Some(printed) = printed else {
        terminal.complain(&root, "there is no kustomization here");
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
