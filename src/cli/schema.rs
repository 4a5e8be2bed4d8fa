//! `npcheck schema`: the JSON Schemas of what npcheck prints, and of what it reads.
//!
//! Refuses to know what stands in them.

use super::exit::Outcome;
use super::terminal::Terminal;
use crate::config;
use crate::output::Schema;
use crate::workspace::known_rules;
use clap::builder::PossibleValue;
use clap::{Args, ValueEnum};
use std::io;

/// Print the JSON Schema of JSON output, or of npcheck.yaml
#[derive(Clone, Copy, Debug, Args)]
pub(super) struct Options {
    /// Which one
    #[arg(value_enum, default_value = "findings")]
    schema: Which,
}

/// A schema by the name of its file in `docs/schemas/`, without `.schema.json`.
#[derive(Clone, Copy, Debug)]
enum Which {
    /// `npcheck.yaml`.
    Config,
    /// Something that npcheck prints.
    Output(Schema),
}

impl ValueEnum for Which {
    fn value_variants<'a>() -> &'a [Self] {
        const ALL: &[Which] = &[
            Which::Config,
            Which::Output(Schema::Diff),
            Which::Output(Schema::Exposure),
            Which::Output(Schema::Findings),
            Which::Output(Schema::Graph),
            Which::Output(Schema::GraphLine),
            Which::Output(Schema::Paths),
            Which::Output(Schema::Reach),
            Which::Output(Schema::Test),
            Which::Output(Schema::Tests),
        ];
        ALL
    }

    fn to_possible_value(&self) -> Option<PossibleValue> {
        match self {
            Self::Config => Some(PossibleValue::new("config").help("`npcheck.yaml`")),
            Self::Output(schema) => schema.to_possible_value(),
        }
    }
}

pub(super) fn run(options: &Options, terminal: &mut Terminal) -> io::Result<Outcome> {
    let text = match options.schema {
        Which::Output(schema) => schema.text().to_owned(),
        Which::Config => {
            let schema = config::schema(&known_rules());
            serde_json::to_string_pretty(&schema).expect("a schema is plain data") + "\n"
        }
    };
    let written = terminal.out().write_all(text.as_bytes());
    terminal.finish(written)?;
    Ok(Outcome::Good)
}
