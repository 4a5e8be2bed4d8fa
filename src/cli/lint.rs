//! `npcheck lint`: mistakes and risks in policies.
//!
//! Refuses to know a single rule.

use super::Paths;
use super::baseline::Baseline;
use super::complete;
use super::configuration::{ClusterOptions, Configuration, HELM_READS_THE_DISK};
use super::exit::Outcome;
use super::fixes;
use super::input::{Input, repository_root};
use super::known_findings::{KnownFindings, LeftOut};
use super::of_revision::Asked;
use super::selection::{SelectionOptions, SeverityOption};
use super::states::{StateOptions, States};
use super::target::{self, Target};
use super::terminal::{Terminal, Verbosity};
use crate::config::Rendering;
use crate::diagnostic::{Diagnostic, Severity};
use crate::lint::{self, Date};
use crate::load::{self, File, FilePlace, SkipReason};
use crate::output::{
    Analysed, Assumption, Escaped, FindingFormat, Found, Infos, Report, RepositoryRoot, Summary,
    UNCHANGED, count, write_statistics,
};
use crate::source::{STDIN_NAME, SourceId, SourceMap};
use crate::workspace::{BROKEN_BUILD, Keep, NotJudged, Permission, Workspace, known_rules};
use clap::{Args, ValueEnum};
use std::io;
use std::path::{Path, PathBuf};
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
        default_value = "full",
        add = complete::formats::<FindingFormat>()
    )]
    output: Vec<Target<FindingFormat>>,
    /// The lowest severity that makes the run fail
    ///
    /// [default: what the configuration says, else warning]
    #[arg(long, value_enum, value_name = "SEVERITY")]
    fail_on: Option<SeverityOption>,
    /// Exit with 0 even if there are findings
    #[arg(long)]
    exit_zero: bool,
    /// Apply fixes: the safe ones, or those that remove flows, those that add flows, or all
    ///
    /// What a fix does to connectivity is worked out before anything is written, and every
    /// change of connectivity is printed.
    #[arg(
        long,
        value_enum,
        value_name = "CLASS",
        num_args = 0..=1,
        help_heading = "Fixes",
        require_equals = true,
        default_missing_value = "safe"
    )]
    fix: Option<FixOption>,
    /// Show what --fix would change, and write nothing
    #[arg(long, help_heading = "Fixes")]
    diff: bool,
    /// Hide the findings that this file records
    #[arg(long, value_name = "FILE", help_heading = "What is new", conflicts_with = "write_baseline", value_hint = clap::ValueHint::FilePath)]
    baseline: Option<PathBuf>,
    /// Record the findings in a file, to hide them later
    #[arg(long, value_name = "FILE", help_heading = "What is new", value_hint = clap::ValueHint::FilePath)]
    write_baseline: Option<PathBuf>,
    #[command(flatten)]
    states: StateOptions,
    #[command(flatten)]
    selection: SelectionOptions,
    #[command(flatten)]
    clusters: ClusterOptions,
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

    /// What is wrong with the options together, with the option that it is told under.
    fn mistake(&self) -> Option<(&'static str, String)> {
        if let Some(mistake) = target::mistake(&self.output) {
            return Some(("--output", mistake));
        }
        let (is_fixing, has_states) = (self.fixing().is_some(), self.states.are_of_git());
        let runs_helm = self.clusters.rendering() == Rendering::Helm;
        let (option, mistake) = match () {
            () if is_fixing && self.states.is_staged() => (
                "--staged",
                "fixes go to files, not to what is staged: run `npcheck lint --fix` without \
                 --staged, then `git add`",
            ),
            () if runs_helm && is_fixing => (
                "--helm",
                "the output of helm is not in a file that could be fixed",
            ),
            () if runs_helm && has_states => ("--helm", HELM_READS_THE_DISK),
            () => return None,
        };
        Some((option, mistake.to_owned()))
    }

    /// What is wrong with the options where a commit is looked at, with what it is told under.
    fn mistake_of(&self, asked: &Asked) -> Option<(String, &'static str)> {
        let name = format!("git:{}", asked.revision()?.name);
        let mistake = match () {
            () if self.states.is_staged() => "--staged looks at another state: leave one out",
            () if self.fixing().is_some() => "fixes go to files, not to a commit",
            () if self.clusters.rendering() == Rendering::Helm => HELM_READS_THE_DISK,
            () => return None,
        };
        Some((name, mistake))
    }
}

pub(super) fn run(options: &Options, terminal: &mut Terminal) -> io::Result<Outcome> {
    if let Some((name, mistake)) = options.mistake() {
        terminal.complain(name, &mistake);
        return Ok(Outcome::Incomplete);
    }
    let asked = match Asked::of(&options.paths) {
        Ok(asked) => asked,
        Err((name, mistake)) => {
            terminal.complain(&name, &mistake);
            return Ok(Outcome::Incomplete);
        }
    };
    if let Some((name, mistake)) = options.mistake_of(&asked) {
        terminal.complain(&name, mistake);
        return Ok(Outcome::Incomplete);
    }
    let states = &options.states;
    let repository = match states.repository() {
        Ok(repository) => repository,
        Err(error) => {
            states.complain(&error, terminal);
            return Ok(Outcome::Incomplete);
        }
    };
    let own = [&options.clusters.configuration.config, &options.baseline];
    let own: Vec<&PathBuf> = own.into_iter().flatten().collect();
    match states.open(repository.as_ref(), &asked, &own) {
        Ok(Some(states)) => lint(options, &asked, &states, terminal),
        Ok(None) => report_unchanged(options, terminal),
        Err(error) => {
            states.complain(&error, terminal);
            Ok(Outcome::Incomplete)
        }
    }
}

fn lint(
    options: &Options,
    asked: &Asked,
    states: &States<'_>,
    terminal: &mut Terminal,
) -> io::Result<Outcome> {
    let Ok(mut configuration) = Configuration::of(&options.clusters, &states.now, terminal) else {
        return Ok(Outcome::Incomplete);
    };
    let selection = &options.selection;
    if selection
        .apply(&mut configuration.config, terminal)
        .is_err()
    {
        return Ok(Outcome::Incomplete);
    }
    let baseline = options.baseline.as_ref().map(|path| {
        Baseline::read(path, &states.now)
            .map_err(|error| terminal.complain(&path.to_string_lossy(), &error))
    });
    let Ok(baseline) = baseline.transpose() else {
        return Ok(Outcome::Incomplete);
    };
    let (paths, limits) = (&asked.paths, &asked.limits);
    let stdin = &mut io::stdin().lock();
    let loaded = states.now.load(paths, stdin, states.earlier(), limits);
    let completed = loaded.and_then(|mut loaded| {
        let rendering = configuration.config.rendering;
        let state = (&states.now, states.earlier());
        super::wanted::complete(&mut loaded, rendering, paths, state)?;
        Ok(loaded)
    });
    let loaded = match completed {
        Ok(loaded) => loaded,
        Err(error) => {
            options.states.complain(&error, terminal);
            return Ok(Outcome::Incomplete);
        }
    };
    let keep = match options.fixing() {
        Some(_) => Keep::Builds,
        None => Keep::Clusters,
    };
    let (mut input, earlier) = Input::of(loaded, &configuration, keep);
    input.summary.since = states.since().map(str::to_owned);
    if let Some(earlier) = &earlier {
        input.leave_out_problems_of(earlier);
    }
    input.report_problems(terminal);
    let Ok(input) = input.only(&options.clusters, terminal) else {
        return Ok(Outcome::Incomplete);
    };
    let today = today();
    let sources = input.workspace.sources();
    let before = earlier.as_ref().map(|earlier| &earlier.workspace);
    let [linted, found_before] = match (options.fixing(), before) {
        (None, Some(before)) => input.workspace.lint_both(before, today),
        (None, None) => [input.workspace.lint(today), lint::Report::default()],
        (Some(_), before) => [
            input.workspace.lint_for_fixes(before, today),
            before.map_or_else(lint::Report::default, |before| before.lint(today)),
        ],
    };
    let known = KnownFindings::new(baseline, sources, &found_before.findings);
    let run = Run {
        options,
        input: &input,
        earlier: earlier.as_ref(),
        known: &known,
        today,
    };
    match options.fixing() {
        Some(permission) => run.fix(linted, permission, terminal),
        None => run.report(&input.workspace, linted, terminal),
    }
}

/// A run that has read everything.
struct Run<'r> {
    options: &'r Options,
    input: &'r Input,
    earlier: Option<&'r Input>,
    known: &'r KnownFindings,
    today: Date,
}

impl Run<'_> {
    /// Fixes what is new and may be fixed, and reports what is left.
    fn fix(
        &self,
        linted: lint::Report,
        permission: Permission,
        terminal: &mut Terminal,
    ) -> io::Result<Outcome> {
        let input = self.input;
        let is_shown = self.options.diff;
        let is_editable = |id| is_editable(input, id, is_shown);
        let offered = fixes::Offered::new(&linted.findings, permission);
        let are_wanted = |sources: &SourceMap, findings: &[Diagnostic]| {
            let are_new = self.known.are_new(sources, findings);
            let each = findings.iter().zip(are_new);
            each.map(|(finding, is_new)| is_new && self.options.selection.wants(finding))
                .collect()
        };
        let fixed =
            input
                .workspace
                .autofix(linted, self.today, permission, is_editable, are_wanted);
        if self.options.diff {
            fixes::show(input, &fixed, terminal)?;
            if fixed.changed.is_empty() {
                offered.say(terminal);
            }
            let outcome = Outcome::answer(fixed.changed.is_empty());
            return Ok(outcome.with_problems(self.is_incomplete()));
        }
        let mut is_written = fixes::write(input, &fixed, terminal);
        if input.has_stdin() && offered.number > 0 {
            let advice = "fixes go to files: `--diff` shows those of standard input";
            terminal.complain(STDIN_NAME, advice);
            is_written = false;
        }
        let earlier = self.earlier.map(|earlier| &earlier.workspace);
        let left = fixed.report(earlier, self.today);
        let outcome = self.report(&fixed.workspace, left, terminal)?;
        Ok(outcome.with_problems(!is_written))
    }

    /// Prints the findings that are not known, and says how the run went.
    fn report(
        &self,
        workspace: &Workspace,
        mut linted: lint::Report,
        terminal: &mut Terminal,
    ) -> io::Result<Outcome> {
        let (options, input) = (self.options, self.input);
        let sources = workspace.sources();
        if let Some(path) = &options.write_baseline {
            return Ok(write_baseline(path, sources, &linted, terminal));
        }
        let left_out = self.known.take_out(sources, &mut linted.findings);
        linted
            .findings
            .retain(|finding| options.selection.wants(finding));
        self.report_asides(&linted, &left_out, terminal);
        let outcome = self.outcome(&linted);
        let not_judged = workspace.not_judged();
        let report = Report {
            sources,
            findings: &linted.findings,
            suppressed: &linted.suppressed,
            problems: &input.problems,
            assumptions: &assumptions(options, &input.summary, &linted),
            not_judged: &not_judged,
            rules: &known_rules(),
            summary: &input.summary,
            found: found(&linted, &left_out),
            analysed: self.analysed(outcome, &not_judged),
            fail_on: self.fail_on(),
            infos: options.selection.infos(),
            root: &repository_root(),
            paths: &options.paths.paths,
        };
        let is_counted = options.selection.statistics;
        target::write_all(&options.output, terminal, |format, style, out| {
            match is_counted && format.is_for_people() {
                true => write_statistics(&report, style, out),
                false => format.write(&report, style, out),
            }
        })?;
        if terminal.verbosity > Verbosity::Quiet {
            report_suppressed(sources, &linted, terminal);
        }
        input.report_not_judged(terminal);
        if outcome == Outcome::Nothing {
            input.report_nothing(&self.options.paths, terminal);
        } else if terminal.verbosity > Verbosity::Quiet {
            terminal.say(report.found.line(&input.summary));
        }
        Ok(outcome)
    }

    /// The least severity that makes the run fail.
    fn fail_on(&self) -> Severity {
        let fail_on = self.options.fail_on.map(SeverityOption::severity);
        let fail_on = fail_on.or(self.input.workspace.config().fail_on);
        fail_on.unwrap_or(Severity::Warning)
    }

    /// How much of what was asked for was analysed.
    fn analysed(&self, outcome: Outcome, not_judged: &NotJudged) -> Analysed {
        match outcome {
            Outcome::Nothing => Analysed::Nothing,
            _ if self.is_incomplete() || !not_judged.is_empty() => Analysed::Partly,
            _ => Analysed::All,
        }
    }

    fn outcome(&self, linted: &lint::Report) -> Outcome {
        let (options, fail_on) = (self.options, self.fail_on());
        let fails = |finding: &Diagnostic| finding.severity >= fail_on;
        let outcome = if self.input.is_empty() && linted.findings.is_empty() {
            Outcome::Nothing
        } else {
            Outcome::answer(options.exit_zero || !linted.findings.iter().any(fails))
        };
        // What a build misses is not analysed; who decided that this is well is believed.
        let is_broken = |finding: &Diagnostic| {
            finding.rule == BROKEN_BUILD && finding.severity == Severity::Error
        };
        let is_partly_built = linted.findings.iter().any(is_broken);
        let is_limited = !linted.limits.is_empty();
        outcome.with_problems(self.is_incomplete() || is_limited || is_partly_built)
    }

    /// Whether something is no part of the analysis that was one in the earlier state, if
    /// there is such a state to compare with.
    fn is_incomplete(&self) -> bool {
        match self.earlier {
            Some(earlier) => !self.input.gaps.are_all_in(&earlier.gaps),
            None => self.input.is_incomplete(),
        }
    }

    /// Says what no longer serves: entries of the baseline and of the configuration; and
    /// which submodules could not be compared.
    fn report_asides(&self, linted: &lint::Report, left_out: &LeftOut, terminal: &mut Terminal) {
        if terminal.verbosity == Verbosity::Quiet {
            return;
        }
        for limit in &linted.limits {
            terminal.complain("limit", &limit.to_string());
        }
        if let Some(path) = &self.options.baseline {
            report_gone(path, &left_out.gone, terminal);
        }
        for idle in self.input.workspace.idle_settings() {
            terminal.say(format_args!("npcheck: {}", Escaped(&idle)));
        }
        for submodule in self.unread_submodules() {
            terminal.say(format_args!(
                "{}: a submodule, which cannot be read as it was: all that is found in it is new",
                Escaped(submodule)
            ));
        }
    }

    /// The submodules that files were read in now, and not in the earlier state.
    fn unread_submodules(&self) -> impl Iterator<Item = &str> {
        let skipped = self.earlier.iter().flat_map(|earlier| &earlier.skipped);
        let submodules = skipped.filter(|skipped| skipped.reason == SkipReason::Submodule);
        let (files, sources) = (&self.input.files, self.input.workspace.sources());
        submodules
            .map(|skipped| skipped.name.as_str())
            .filter(|name| {
                let is_below = |file: &load::File| {
                    let rest = sources.get(file.source).name().strip_prefix(*name);
                    rest.is_some_and(|rest| rest.starts_with('/'))
                };
                files.iter().any(is_below)
            })
    }
}

/// Ends a run over an index in which nothing that concerns npcheck is staged.
fn report_unchanged(options: &Options, terminal: &mut Terminal) -> io::Result<Outcome> {
    let summary = Summary {
        is_unchanged: true,
        ..Summary::default()
    };
    let report = Report {
        sources: &SourceMap::default(),
        findings: &[],
        suppressed: &[],
        problems: &[],
        assumptions: &[Assumption {
            kind: "nothing-staged",
            message: UNCHANGED.to_owned(),
        }],
        not_judged: &NotJudged::default(),
        rules: &known_rules(),
        summary: &summary,
        found: Found::default(),
        analysed: Analysed::All,
        fail_on: Severity::Warning,
        infos: Infos::Folded,
        root: &RepositoryRoot::default(),
        paths: &[],
    };
    target::write_all(&options.output, terminal, |format, style, out| {
        format.write(&report, style, out)
    })?;
    if terminal.verbosity > Verbosity::Quiet {
        terminal.say(UNCHANGED);
    }
    Ok(Outcome::Good)
}

/// Whether fixes can be written to where the text came from, or shown.
fn is_editable(input: &Input, id: SourceId, is_shown: bool) -> bool {
    let place = input.files.binary_search_by_key(&id, |file| file.source);
    let file = place.ok().map(|place| &input.files[place]);
    let is_somewhere = |file: &File| is_shown || file.place != FilePlace::Nowhere;
    file.is_some_and(|file| is_somewhere(file) && !file.is_compressed)
}

fn write_baseline(
    path: &Path,
    sources: &SourceMap,
    linted: &lint::Report,
    terminal: &mut Terminal,
) -> Outcome {
    let name = path.to_string_lossy();
    let baseline = Baseline::of(sources, &linted.findings);
    if let Err(error) = baseline.write(path) {
        terminal.complain(&name, &format!("cannot be written: {error}"));
        return Outcome::Incomplete;
    }
    let written = count(baseline.len(), "finding");
    terminal.say(format_args!("wrote {written} to {}", Escaped(&name)));
    Outcome::Good
}

/// Says which entries of a baseline no finding meets any more; one by one, if asked to say
/// more.
fn report_gone(path: &Path, gone: &[String], terminal: &mut Terminal) {
    if gone.is_empty() {
        return;
    }
    let (entries, name) = (count(gone.len(), "entry"), path.to_string_lossy());
    terminal.say(format_args!(
        "{entries} of {} no longer found: write it again",
        Escaped(&name)
    ));
    if terminal.verbosity >= Verbosity::Verbose {
        for entry in gone {
            terminal.say(format_args!("  gone: {}", Escaped(entry)));
        }
    }
}

/// What a reader of the findings should know that npcheck does not know.
fn assumptions(options: &Options, summary: &Summary, linted: &lint::Report) -> Vec<Assumption> {
    let unjudged = linted.unjudged;
    let of_limit = |limit: &lint::Limit| Assumption {
        kind: "limit",
        message: limit.to_string(),
    };
    let mut assumptions: Vec<Assumption> = linted.limits.iter().map(of_limit).collect();
    if !options.clusters.complete {
        assumptions.push(Assumption {
            kind: "open-world",
            message: "there may be pods and namespaces that no manifest declares".to_owned(),
        });
    }
    let opaque = summary.templates + summary.encrypted + summary.substitutions;
    if opaque > 0 {
        assumptions.push(Assumption {
            kind: "opaque-documents",
            message: format!("the content of {} is not known", count(opaque, "document")),
        });
    }
    if unjudged > 0 {
        assumptions.push(Assumption {
            kind: "unjudged-copies",
            message: format!(
                "{} is defined again in another file, so only its text was checked",
                count(unjudged, "policy")
            ),
        });
    }
    assumptions
}

fn found(linted: &lint::Report, left_out: &LeftOut) -> Found {
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
        baselined: left_out.by_baseline,
        known: left_out.by_revision,
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

/// Suppressions may expire, so the day has a say; nothing else depends on the clock.
fn today() -> Date {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    Date::from_unix_seconds(since.map_or(0, |elapsed| elapsed.as_secs()))
}
