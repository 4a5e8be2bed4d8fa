//! `npcheck graph`: everything that can connect.
//!
//! Refuses to work anything out: the engine does.

use super::Paths;
use super::exit::Outcome;
use super::input::Input;
use super::target::{self, Target};
use super::terminal::{Terminal, Verbosity};
use crate::engine::Engine;
use crate::output::GraphFormat;
use clap::Args;
use std::io;

/// Print everything that can connect
///
/// A policy that an API server would refuse has no part in the answer; it is reported, and
/// the exit status is 2.
#[derive(Clone, Debug, Args)]
pub(super) struct Options {
    #[command(flatten)]
    paths: Paths,
    /// How to show it, and where: text or json-lines; repeatable
    #[arg(
        short,
        long = "output",
        value_name = "FORMAT[=FILE]",
        default_value = "text"
    )]
    output: Vec<Target<GraphFormat>>,
}

pub(super) fn run(options: &Options, terminal: &mut Terminal) -> io::Result<Outcome> {
    if let Some(mistake) = target::mistake(&options.output) {
        terminal.complain("--output", mistake);
        return Ok(Outcome::Incomplete);
    }
    let input = Input::read(&options.paths);
    input.report_problems(terminal);
    input.report_refusals(terminal);
    if input.is_empty() {
        input.report_nothing(&options.paths, terminal);
        return Ok(Outcome::Nothing.with_problems(input.is_incomplete()));
    }
    let engine = Engine::new(&input.cluster);
    let relation = engine.relation();
    target::write_all(&options.output, terminal, |format, style, out| {
        format.write(&input.cluster, relation, style, out)
    })?;
    if terminal.verbosity > Verbosity::Quiet {
        terminal.say(&input.summary);
    }
    Ok(Outcome::Good.with_problems(input.is_incomplete() || input.has_refused_objects()))
}
