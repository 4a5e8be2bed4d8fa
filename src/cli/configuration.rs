//! The configuration that a command runs with: named on the command line, found in the
//! current directory or above it, or none.
//!
//! Refuses to know what its keys mean.

use super::terminal::Terminal;
use crate::config::{Config, FILE_NAME};
use crate::lint::RuleMeta;
use crate::load::{OwnFile, Tree};
use crate::rules;
use clap::Args;
use std::path::PathBuf;

/// Where the configuration comes from.
#[derive(Clone, Debug, Args)]
pub(super) struct ConfigurationOptions {
    /// The configuration; otherwise npcheck.yaml of this directory or of the nearest above it
    #[arg(long, value_name = "FILE", conflicts_with = "no_config")]
    pub(super) config: Option<PathBuf>,
    /// Take no configuration
    #[arg(long)]
    no_config: bool,
}

/// A configuration, and the file that it was read from.
#[derive(Clone, Debug, Default)]
pub(super) struct Configuration {
    pub(super) config: Config,
    pub(super) file: Option<OwnFile>,
}

/// The configuration cannot be used; it was said why.
pub(super) struct Unusable;

impl Configuration {
    /// Reads the configuration on the disk, and complains if that cannot be done.
    pub(super) fn load(
        options: &ConfigurationOptions,
        terminal: &mut Terminal,
    ) -> Result<Self, Unusable> {
        Self::of(options, &Tree::Disk, terminal)
    }

    /// Reads the configuration in a tree, and complains if that cannot be done.
    pub(super) fn of(
        options: &ConfigurationOptions,
        tree: &Tree<'_>,
        terminal: &mut Terminal,
    ) -> Result<Self, Unusable> {
        let found = match &options.config {
            _ if options.no_config => Ok(None),
            Some(path) => tree.read(path).map(Some),
            None => tree.find(FILE_NAME),
        };
        let named = options.config.as_ref().map_or_else(
            || FILE_NAME.to_owned(),
            |path| path.to_string_lossy().into_owned(),
        );
        let file = found.map_err(|error| {
            terminal.complain(&named, &format!("cannot be read: {error}"));
            Unusable
        })?;
        let Some(file) = file else {
            return Ok(Self::default());
        };
        let config = Config::read(&file.text, &known_rules()).map_err(|error| {
            let place = error
                .place
                .map_or(String::new(), |(line, column)| format!(":{line}:{column}"));
            let help = error.help.map_or(String::new(), |help| format!("; {help}"));
            terminal.complain(
                &format!("{}{place}", file.name),
                &format!("{}{help}", error.message),
            );
            Unusable
        })?;
        Ok(Self {
            config,
            file: Some(file),
        })
    }

    /// The name of a source as the configuration's patterns see it.
    pub(super) fn path_of(&self, source: &str) -> String {
        self.file
            .as_ref()
            .map_or_else(|| source.to_owned(), |file| file.relative(source))
    }
}

/// Every rule that exists, whether it runs or not.
pub(super) fn known_rules() -> Vec<&'static RuleMeta> {
    rules::ALL.iter().map(|rule| rule.meta()).collect()
}
