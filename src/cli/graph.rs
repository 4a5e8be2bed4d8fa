//! `npcheck graph`: everything that can connect.
//!
//! Refuses to work anything out: the engine does.

use super::Paths;
use super::exit::Outcome;
use super::input::Input;
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
    /// How to show it
    #[arg(
        short,
        long = "output",
        value_enum,
        value_name = "FORMAT",
        default_value = "text"
    )]
    output: GraphFormat,
}

pub(super) fn run(options: &Options, terminal: &mut Terminal) -> io::Result<Outcome> {
    let input = Input::read(&options.paths);
    input.report_problems(terminal);
    input.report_refusals(terminal);
    if input.is_empty() {
        input.report_nothing(terminal);
        return Ok(Outcome::Nothing.with_problems(input.is_incomplete()));
    }
    let engine = Engine::new(&input.cluster);
    let style = terminal.style;
    let written = options
        .output
        .write(&input.cluster, engine.relation(), style, terminal.out());
    terminal.finish(written)?;
    if terminal.verbosity > Verbosity::Quiet {
        terminal.say(&input.summary);
    }
    Ok(Outcome::Good.with_problems(input.is_incomplete() || input.has_refused_objects()))
}
