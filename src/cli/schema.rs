//! `npcheck schema`: the JSON Schema of what npcheck prints.
//!
//! Refuses to know what stands in it.

use super::exit::Outcome;
use super::terminal::Terminal;
use crate::output::Schema;
use clap::Args;
use std::io;

/// Print the JSON Schema of JSON output
#[derive(Clone, Copy, Debug, Args)]
pub(super) struct Options {
    /// Which one
    #[arg(value_enum, default_value = "findings")]
    schema: Schema,
}

pub(super) fn run(options: &Options, terminal: &mut Terminal) -> io::Result<Outcome> {
    let written = terminal.out().write_all(options.schema.text().as_bytes());
    terminal.finish(written)?;
    Ok(Outcome::Good)
}
