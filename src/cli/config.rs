//! `npcheck config`: what is in force, and where it comes from.
//!
//! Refuses to know what any of it does.

use super::configuration::{ClusterOptions, Configuration};
use super::exit::Outcome;
use super::input::Input;
use super::terminal::Terminal;
use super::{Paths, WalkOptions};
use crate::cluster::Evidence;
use crate::config::{self, RuleSetting};
use crate::output::Escaped;
use crate::workspace::known_rules;
use clap::Args;
use std::io::{self, Write};
use std::path::PathBuf;

/// Show the configuration that is in force, and where it comes from
///
/// With paths also what the manifests there tell of each cluster: its platform, its CNI plugin
/// and where its pods have their addresses, with what each was recognised by.
#[derive(Clone, Debug, Args)]
pub(super) struct Options {
    /// Manifests to recognise the platform by: files, directories, - for standard
    /// input, or `git:REV[:PATH]`
    #[arg(value_name = "PATH", value_hint = clap::ValueHint::AnyPath)]
    paths: Vec<PathBuf>,
    #[command(flatten)]
    walk: WalkOptions,
    #[command(flatten)]
    clusters: ClusterOptions,
}

pub(super) fn run(options: &Options, terminal: &mut Terminal) -> io::Result<Outcome> {
    let Ok(configuration) = Configuration::load(&options.clusters, terminal) else {
        return Ok(Outcome::Incomplete);
    };
    let written = write(&configuration, terminal.out());
    terminal.finish(written)?;
    if options.paths.is_empty() {
        return Ok(Outcome::Good);
    }
    let paths = Paths {
        paths: options.paths.clone(),
        walk: options.walk,
    };
    let Ok(input) = Input::read(&paths, &options.clusters, terminal) else {
        return Ok(Outcome::Incomplete);
    };
    input.report_problems(terminal);
    let written = write_recognised(&input, terminal.out());
    terminal.finish(written)?;
    Ok(Outcome::Good.with_problems(input.is_incomplete()))
}

/// What is known of each cluster, as comments of the configuration that would say it.
fn write_recognised(input: &Input, out: &mut dyn Write) -> io::Result<()> {
    for view in input.workspace.clusters() {
        writeln!(out, "# cluster: {}", Escaped(view.name()))?;
        let evidence = view.cluster().platform().evidence();
        if evidence.is_empty() {
            writeln!(out, "# platform.distributions: none recognised")?;
        }
        for evidence in evidence {
            let by = evidence.by.join(", ");
            let word = evidence.distribution.word();
            writeln!(out, "# platform.distributions: {word}  # {}", Escaped(&by))?;
        }
        for row in view.cluster().enforcement().rows() {
            let by = match row.evidence {
                Evidence::Default => "default".to_owned(),
                Evidence::Plugin(plugin) => plugin.name().to_owned(),
                Evidence::Configuration => "the configuration".to_owned(),
                Evidence::CommandLine => "--cni".to_owned(),
                Evidence::Object { name, .. } => name.clone(),
            };
            let plugin = view.cluster().enforcement().cni().map(|cni| cni.value);
            let value = match (row.key, plugin) {
                ("cni", Some(plugin)) => config::cni_word(plugin),
                _ => row.value.as_str(),
            };
            writeln!(out, "# {}: {value}  # {}", row.key, Escaped(&by))?;
        }
    }
    Ok(())
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
