//! `npcheck lint`: mistakes and risks in policies.
//!
//! Refuses to know a single rule.

use super::Paths;
use super::baseline::Baseline;
use super::configuration::{Configuration, ConfigurationOptions};
use super::exit::Outcome;
use super::fixes;
use super::input::{Reading, has_no_objects};
use super::judge::Judge;
use super::mend::{Permission, mend};
use super::target::{self, Target};
use super::terminal::{Terminal, Verbosity};
use crate::diagnostic::{Diagnostic, Severity};
use crate::lint::{self, Inventory};
use crate::output::{Assumption, Escaped, FindingFormat, Found, Report, Summary, count};
use crate::source::{SourceId, SourceMap};
use clap::{Args, ValueEnum};
use std::io;
use std::path::PathBuf;

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
    ///
    /// [default: what the configuration says, else warning]
    #[arg(long, value_enum, value_name = "SEVERITY")]
    fail_on: Option<FailOn>,
    /// Do not fail, whatever is found
    #[arg(long)]
    exit_zero: bool,
    /// Every pod and namespace of the cluster is among the manifests, so that what is not
    /// there does not exist
    #[arg(long)]
    complete: bool,
    /// Apply fixes: the safe ones, or those that remove flows, those that add flows, or all
    ///
    /// What a fix does to connectivity is worked out before anything is written, and every
    /// change of connectivity is printed.
    #[arg(
        long,
        value_enum,
        value_name = "CLASS",
        num_args = 0..=1,
        require_equals = true,
        default_missing_value = "safe"
    )]
    fix: Option<FixOption>,
    /// Show what --fix would change, and write nothing
    #[arg(long)]
    diff: bool,
    /// Leave out the findings that this file knows
    #[arg(long, value_name = "FILE", conflicts_with = "write_baseline")]
    baseline: Option<PathBuf>,
    /// Write the findings to a file, to leave them out later
    #[arg(long, value_name = "FILE")]
    write_baseline: Option<PathBuf>,
    #[command(flatten)]
    configuration: ConfigurationOptions,
}

/// Which fixes to apply.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum FixOption {
    /// Those that change no connectivity
    Safe,
    /// Those that remove flows, too
    Narrowing,
    /// Those that add flows, too
    Widening,
    /// All
    All,
}

impl Options {
    /// The fixes that were asked for; `--diff` by itself shows the safe ones.
    fn fixing(&self) -> Option<Permission> {
        let option = self.fix.or(self.diff.then_some(FixOption::Safe))?;
        Some(match option {
            FixOption::Safe => Permission::Safe,
            FixOption::Narrowing => Permission::Narrowing,
            FixOption::Widening => Permission::Widening,
            FixOption::All => Permission::All,
        })
    }
}

/// A severity, as `--fail-on` takes it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum FailOn {
    /// Remarks, warnings and errors
    Info,
    /// Warnings and errors
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
    let Ok(configuration) = Configuration::load(&options.configuration, terminal) else {
        return Ok(Outcome::Incomplete);
    };
    let inventory = if options.complete {
        Inventory::Complete
    } else {
        Inventory::Open
    };
    let judge = Judge::new(&configuration, &inventory);
    let (reading, parts) = Reading::of(&options.paths, |name| judge.scope_of(name));
    reading.report_problems(terminal);
    let mut linted = judge.lint(&reading.sources, &parts);
    let mended = match options.fixing() {
        Some(permission) => {
            let is_editable = |id| is_editable(&reading, id);
            let report = std::mem::take(&mut linted);
            Some(mend(
                &judge,
                &reading.sources,
                report,
                permission,
                is_editable,
            ))
        }
        None => None,
    };
    let is_written = match &mended {
        Some(mended) if options.diff => fixes::show(&reading, mended, terminal)?,
        Some(mended) => fixes::write(&reading, mended, terminal),
        None => true,
    };
    if options.diff {
        return Ok(
            Outcome::answer(mended.is_none_or(|mended| mended.changed.is_empty()))
                .with_problems(reading.is_incomplete()),
        );
    }
    let (sources, mut linted) = match &mended {
        Some(mended) => (&mended.sources, mended.report.clone()),
        None => (&reading.sources, linted),
    };
    let baselined = match baseline(options, sources, &mut linted, terminal) {
        Ok(baselined) => baselined,
        Err(outcome) => return Ok(outcome),
    };
    report_idle_entries(&judge, &linted, terminal);
    let fail_on = options
        .fail_on
        .map(FailOn::severity)
        .or(configuration.config.fail_on);
    let fails = |finding: &Diagnostic| finding.severity >= fail_on.unwrap_or(Severity::Warning);
    let has_objects = !parts.iter().all(|part| has_no_objects(&part.documents));
    let outcome = if !has_objects && linted.findings.is_empty() {
        Outcome::Nothing
    } else {
        Outcome::answer(options.exit_zero || !linted.findings.iter().any(fails))
    };
    let outcome = outcome.with_problems(reading.is_incomplete() || !is_written);
    let report = Report {
        sources,
        findings: &linted.findings,
        suppressed: &linted.suppressed,
        problems: &reading.problems,
        assumptions: &assumptions(options, &reading.summary, linted.unjudged),
        rules: judge.known_rules(),
        summary: &reading.summary,
        found: found(&linted, baselined),
    };
    target::write_all(&options.output, terminal, |format, style, out| {
        format.write(&report, style, out)
    })?;
    if outcome == Outcome::Nothing {
        reading.report_nothing(terminal);
    } else if terminal.verbosity > Verbosity::Quiet {
        report_suppressed(sources, &linted, terminal);
        terminal.say(report.found.line(&reading.summary));
    }
    Ok(outcome)
}

/// Whether fixes can be written to where the text came from.
fn is_editable(reading: &Reading, id: SourceId) -> bool {
    let file = reading.files.iter().find(|file| file.source == id);
    file.is_some_and(|file| file.path.is_some() && !file.is_compressed)
}

/// Writes the baseline, or takes out what it knows. How many findings it knew.
fn baseline(
    options: &Options,
    sources: &SourceMap,
    linted: &mut lint::Report,
    terminal: &mut Terminal,
) -> Result<usize, Outcome> {
    if let Some(path) = &options.write_baseline {
        let baseline = Baseline::of(sources, &linted.findings);
        if let Err(error) = baseline.write(path) {
            terminal.complain(
                &path.to_string_lossy(),
                &format!("cannot be written: {error}"),
            );
            return Err(Outcome::Incomplete);
        }
        let written = count(baseline.len(), "finding");
        terminal.say(format_args!(
            "wrote {written} to {}",
            Escaped(&path.to_string_lossy())
        ));
        return Err(Outcome::Good);
    }
    let Some(path) = &options.baseline else {
        return Ok(0);
    };
    let baseline = Baseline::read(path).map_err(|error| {
        terminal.complain(&path.to_string_lossy(), &error);
        Outcome::Incomplete
    })?;
    let (known, stale) = baseline.take_out(sources, &mut linted.findings);
    if !stale.is_empty() && terminal.verbosity > Verbosity::Quiet {
        let entries = count(stale.len(), "entry");
        let name = path.to_string_lossy();
        terminal.say(format_args!(
            "{entries} of {} found no more: write it again",
            Escaped(&name)
        ));
        let shown = if terminal.verbosity >= Verbosity::Verbose {
            stale.len()
        } else {
            0
        };
        for entry in &stale[..shown] {
            terminal.say(format_args!("  gone: {}", Escaped(entry)));
        }
    }
    Ok(known)
}

/// What a reader of the findings should know that npcheck does not know.
fn assumptions(options: &Options, summary: &Summary, unjudged: usize) -> Vec<Assumption> {
    let mut assumptions = Vec::new();
    if !options.complete {
        assumptions.push(Assumption {
            kind: "open-world",
            message: "there may be pods and namespaces that no manifest declares".to_owned(),
        });
    }
    let opaque = summary.templates + summary.encrypted + summary.substitutions;
    if opaque > 0 {
        assumptions.push(Assumption {
            kind: "opaque-documents",
            message: format!("what stands in {} is not known", count(opaque, "document")),
        });
    }
    if unjudged > 0 {
        assumptions.push(Assumption {
            kind: "unjudged-copies",
            message: format!(
                "of {}, defined again with another spec, only the text was judged",
                count(unjudged, "policy")
            ),
        });
    }
    assumptions
}

/// Says which entries of the configuration allow nothing any more.
fn report_idle_entries(judge: &Judge<'_>, linted: &lint::Report, terminal: &mut Terminal) {
    if terminal.verbosity == Verbosity::Quiet {
        return;
    }
    for entry in judge.idle_entries(&linted.used_entries) {
        terminal.say(format_args!(
            "`allow` of the configuration meets no finding: {}",
            Escaped(&entry)
        ));
    }
}

fn found(linted: &lint::Report, baselined: usize) -> Found {
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
        baselined,
    }
}

/// Says which findings somebody has allowed and why, if asked to say more.
fn report_suppressed(sources: &SourceMap, linted: &lint::Report, terminal: &mut Terminal) {
    if terminal.verbosity < Verbosity::Verbose {
        return;
    }
    for suppressed in &linted.suppressed {
        let span = suppressed.finding.primary.span;
        let source = sources.get(span.source);
        let line = source.position(span.start).line;
        let name = Escaped(source.name());
        let (rule, reason) = (suppressed.finding.rule, Escaped(&suppressed.reason));
        terminal.say(format_args!("allowed {name}:{line} {rule}: {reason}"));
    }
}
