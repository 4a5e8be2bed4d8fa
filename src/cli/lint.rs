//! `npcheck lint`: mistakes and risks in policies.
//!
//! Refuses to know a single rule.

use super::Paths;
use super::exit::Outcome;
use super::input::Input;
use super::target::{self, Target};
use super::terminal::{Terminal, Verbosity};
use crate::diagnostic::{Diagnostic, Severity};
use crate::engine::Engine;
use crate::lint::{self, Date, Inventory, Rule, RuleMeta, Settings};
use crate::output::{Escaped, FindingFormat, Found, Report};
use crate::rules;
use clap::{Args, ValueEnum};
use std::io;
use std::time::SystemTime;

/// Find mistakes and risks in policies
#[derive(Clone, Debug, Args)]
pub(super) struct Options {
    #[command(flatten)]
    paths: Paths,
    /// How to show findings, and where: full, concise, json, sarif, github, gitlab, junit or
    /// markdown; repeatable
    #[arg(
        short,
        long = "output",
        value_name = "FORMAT[=FILE]",
        default_value = "full"
    )]
    output: Vec<Target<FindingFormat>>,
    /// The lowest severity that makes the run fail
    #[arg(long, value_enum, value_name = "SEVERITY", default_value_t)]
    fail_on: FailOn,
    /// Do not fail, whatever is found
    #[arg(long)]
    exit_zero: bool,
    /// Every pod and namespace of the cluster is among the manifests, so that what is not
    /// there does not exist
    #[arg(long)]
    complete: bool,
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
    if let Some(mistake) = target::mistake(&options.output) {
        terminal.complain("--output", mistake);
        return Ok(Outcome::Incomplete);
    }
    let input = Input::read(&options.paths);
    input.report_problems(terminal);
    let rules: Vec<&'static RuleMeta> = rules::ALL.iter().map(|rule| rule.meta()).collect();
    let linted = lint(options, &input, &rules);
    let outcome = outcome(options, &input, &linted.findings);
    let report = Report {
        sources: &input.sources,
        findings: &linted.findings,
        suppressed: &linted.suppressed,
        problems: &input.problems,
        rules: &rules,
        summary: &input.summary,
        found: found(&linted),
    };
    target::write_all(&options.output, terminal, |format, style, out| {
        format.write(&report, style, out)
    })?;
    if outcome == Outcome::Nothing {
        input.report_nothing(terminal);
    } else if terminal.verbosity > Verbosity::Quiet {
        report_suppressed(&input, &linted, terminal);
        terminal.say(report.found.line(&input.summary));
    }
    Ok(outcome)
}

fn lint(options: &Options, input: &Input, known_rules: &[&'static RuleMeta]) -> lint::Report {
    let inventory = if options.complete {
        Inventory::Complete
    } else {
        Inventory::Open
    };
    let settings = Settings {
        inventory,
        ..Settings::default()
    };
    let engine = Engine::new(&input.cluster);
    let enabled = rules::ALL
        .iter()
        .copied()
        .filter(|rule| rule.meta().is_on_by_default);
    let enabled: Vec<&'static dyn Rule> = enabled.collect();
    let input = lint::Input {
        sources: &input.sources,
        documents: &input.documents,
        reported: &input.diagnostics,
        cluster: &input.cluster,
        engine: &engine,
        settings: &settings,
        known_rules,
        allow: &[],
        today: today(),
    };
    lint::run(&input, &enabled)
}

/// Suppressions may expire, so the day has a say; nothing else depends on the clock.
fn today() -> Date {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    Date::from_unix_seconds(since.map_or(0, |since| since.as_secs()))
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

fn found(linted: &lint::Report) -> Found {
    let findings = &linted.findings;
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
        suppressed: linted.suppressed.len(),
    }
}

/// Says which findings somebody has allowed and why, if asked to say more.
fn report_suppressed(input: &Input, linted: &lint::Report, terminal: &mut Terminal) {
    if terminal.verbosity < Verbosity::Verbose {
        return;
    }
    for suppressed in &linted.suppressed {
        let span = suppressed.finding.primary.span;
        let source = input.sources.get(span.source);
        let line = source.position(span.start).line;
        let name = Escaped(source.name());
        let (rule, reason) = (suppressed.finding.rule, Escaped(&suppressed.reason));
        terminal.say(format_args!("allowed {name}:{line} {rule}: {reason}"));
    }
}
