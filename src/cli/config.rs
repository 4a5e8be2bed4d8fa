//! `npcheck config`: what is in force, and where it comes from.
//!
//! Refuses to know what any of it does.

use super::configuration::{ClusterOptions, Configuration};
use super::exit::Outcome;
use super::terminal::Terminal;
use crate::config::{self, RuleSetting};
use crate::output::Escaped;
use crate::workspace::known_rules;
use clap::Args;
use std::io::{self, Write};

/// Show the configuration that is in force, and where it comes from
#[derive(Clone, Debug, Args)]
pub(super) struct Options {
    #[command(flatten)]
    clusters: ClusterOptions,
}

pub(super) fn run(options: &Options, terminal: &mut Terminal) -> io::Result<Outcome> {
    let Ok(configuration) = Configuration::load(&options.clusters, terminal) else {
        return Ok(Outcome::Incomplete);
    };
    let written = write(&configuration, terminal.out());
    terminal.finish(written)?;
    Ok(Outcome::Good)
}

fn write(configuration: &Configuration, out: &mut dyn Write) -> io::Result<()> {
    let config = &configuration.config;
    let file = configuration
        .file
        .as_ref()
        .map(|file| Escaped(&file.name).to_string());
    match &file {
        Some(file) => writeln!(out, "# configuration: {file}")?,
        None => writeln!(out, "# no configuration: defaults only")?,
    }
    let file = file.unwrap_or_default();
    for key in config::keys().filter(|key| *key != "rules") {
        match config.written.iter().find(|(written, _)| written == key) {
            Some((_, value)) => writeln!(out, "{key}: {}  # {file}", Escaped(value))?,
            None => writeln!(out, "# {key} is not set")?,
        }
    }
    writeln!(out, "rules:")?;
    for rule in known_rules() {
        let (setting, origin) = match config.rules.get(rule.name) {
            Some(RuleSetting::At(severity)) => (severity.name().to_owned(), file.as_str()),
            Some(RuleSetting::Off { reason }) => {
                let reason = serde_json::to_string(reason).expect("a text is plain data");
                (
                    format!("{{severity: off, reason: {}}}", Escaped(&reason)),
                    file.as_str(),
                )
            }
            None if config.runs_unnamed(rule) => (rule.severity.name().to_owned(), "default"),
            None => ("off".to_owned(), "default"),
        };
        writeln!(out, "  {}: {setting}  # {origin}", rule.name)?;
    }
    Ok(())
}
