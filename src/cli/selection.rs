//! Which rules run, and which of their findings are shown: for one run, over what the
//! configuration says.
//!
//! Refuses to run a rule.

use super::complete;
use super::terminal::Terminal;
use crate::config::Config;
use crate::diagnostic::{Diagnostic, Severity};
use crate::output::{Infos, nearest};
use crate::workspace::known_rules;
use clap::{Args, ValueEnum};
use std::collections::BTreeSet;

/// What the command line says of rules and findings.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Which findings")]
pub(super) struct SelectionOptions {
    /// Run these rules and no others, whatever the configuration says
    #[arg(long, value_name = "RULE", value_delimiter = ',', add = complete::rules())]
    select: Vec<String>,
    /// Do not run these rules
    #[arg(long, value_name = "RULE", value_delimiter = ',', add = complete::rules())]
    ignore: Vec<String>,
    /// Run the rules in preview, too
    #[arg(long)]
    preview: bool,
    /// Leave out findings below this severity
    #[arg(long, value_enum, value_name = "SEVERITY")]
    min_severity: Option<SeverityOption>,
    /// Show infos in full, too, instead of one line for each rule
    #[arg(long, value_enum, value_name = "WHAT")]
    show: Option<Show>,
    /// Show how many findings each rule has, instead of the findings
    #[arg(long)]
    pub(super) statistics: bool,
}

/// A severity, as options take it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum SeverityOption {
    /// Infos, warnings and errors
    Info,
    /// Warnings and errors
    Warning,
    /// Errors only
    Error,
}

/// What is shown in full that is not by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Show {
    /// Infos
    Info,
}

/// A rule was named that does not exist; it was said which.
pub(super) struct UnknownRule;

impl SeverityOption {
    pub(super) fn severity(self) -> Severity {
        match self {
            Self::Info => Severity::Info,
            Self::Warning => Severity::Warning,
            Self::Error => Severity::Error,
        }
    }
}

impl SelectionOptions {
    /// Puts what the command line says over the configuration. Says so if a rule does not
    /// exist.
    pub(super) fn apply(
        &self,
        config: &mut Config,
        terminal: &mut Terminal,
    ) -> Result<(), UnknownRule> {
        let known: Vec<&str> = known_rules().iter().map(|rule| rule.name).collect();
        for (option, names) in [("--select", &self.select), ("--ignore", &self.ignore)] {
            let mut names = names.iter();
            if let Some(name) = names.find(|name| !known.contains(&name.as_str())) {
                let meant = nearest(name, known.iter().copied());
                let meant =
                    meant.map_or(String::new(), |meant| format!("; did you mean `{meant}`?"));
                terminal.complain(option, &format!("no rule `{name}`{meant}"));
                return Err(UnknownRule);
            }
        }
        if !self.select.is_empty() {
            config.selected = Some(self.select.iter().cloned().collect());
            for settings in config.all_settings_mut() {
                settings.asked_for.extend(self.select.iter().cloned());
            }
        }
        config.preview |= self.preview;
        config.deselected = self.ignore.iter().cloned().collect::<BTreeSet<String>>();
        Ok(())
    }

    /// Whether a finding is to be shown and fixed at all.
    pub(super) fn wants(&self, finding: &Diagnostic) -> bool {
        let least = self.min_severity.map(SeverityOption::severity);
        least.is_none_or(|least| finding.severity >= least)
    }

    /// How infos are shown to people.
    pub(super) fn infos(&self) -> Infos {
        match self.show {
            Some(Show::Info) => Infos::Full,
            None => Infos::Folded,
        }
    }
}
