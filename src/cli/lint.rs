//! `npcheck lint`: mistakes and risks in policies.
//!
//! Refuses to know a single rule.

use super::Paths;
use super::exit::Outcome;
use super::input::Input;
use super::terminal::{Terminal, Verbosity};
use crate::diagnostic::{Diagnostic, Severity};
use crate::output::{FindingFormat, Found, Report};
use clap::{Args, ValueEnum};
use std::io;

/// Find mistakes and risks in policies
#[derive(Clone, Debug, Args)]
pub(super) struct Options {
    #[command(flatten)]
    paths: Paths,
    /// The lowest severity that makes the run fail
    #[arg(long, value_enum, value_name = "SEVERITY", default_value_t)]
    fail_on: FailOn,
    /// Exit with 0 whatever is found
    #[arg(long)]
    exit_zero: bool,
    /// How to show findings
    #[arg(
        short,
        long = "output",
        value_enum,
        value_name = "FORMAT",
        default_value = "full"
    )]
    output: FindingFormat,
}

/// A severity, as `--fail-on` takes it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default, ValueEnum)]
enum FailOn {
    /// Remarks, warnings and errors
    Info,
    /// Warnings and errors
    #[default]
    Warning,
    /// Errors only
    Error,
}

impl FailOn {
    fn severity(self) -> Severity {
        match self {
            Self::Info => Severity::Info,
            Self::Warning => Severity::Warning,
            Self::Error => Severity::Error,
        }
    }
}

pub(super) fn run(options: &Options, terminal: &mut Terminal) -> io::Result<Outcome> {
    let input = Input::read(&options.paths);
    input.report_problems(terminal);
    let findings = &input.diagnostics;
    let outcome = outcome(options, &input, findings);
    let report = Report {
        sources: &input.sources,
        findings,
        problems: &input.problems,
        summary: &input.summary,
    };
    let style = terminal.style;
    let written = options.output.write(&report, style, terminal.out());
    terminal.finish(written)?;
    if outcome == Outcome::Nothing {
        input.report_nothing(terminal);
    } else if terminal.verbosity > Verbosity::Quiet {
        terminal.say(found(findings).line(&input.summary));
    }
    Ok(outcome)
}

fn outcome(options: &Options, input: &Input, findings: &[Diagnostic]) -> Outcome {
    let fails = |finding: &Diagnostic| finding.severity >= options.fail_on.severity();
    let answer = if input.is_empty() && findings.is_empty() {
        Outcome::Nothing
    } else {
        Outcome::answer(options.exit_zero || !findings.iter().any(fails))
    };
    answer.with_problems(input.is_incomplete())
}

fn found(findings: &[Diagnostic]) -> Found {
    let of = |severity| {
        findings
            .iter()
            .filter(|finding| finding.severity == severity)
            .count()
    };
    Found {
        errors: of(Severity::Error),
        warnings: of(Severity::Warning),
        infos: of(Severity::Info),
        fixable: findings
            .iter()
            .filter(|finding| finding.fix.is_some())
            .count(),
        suppressed: 0,
    }
}
