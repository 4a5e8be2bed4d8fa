//! `npcheck test`: whether expected flows hold.
//!
//! Refuses to judge a flow: it asks the table of flows of each cluster.

mod draft;
mod judge;
mod judgement;
mod spent;

use super::Paths;
use super::complete;
use super::configuration::{ClusterOptions, StagedOptions};
use super::diff;
use super::exit::Outcome;
use super::input::Input;
use super::target::{self, Target};
use super::terminal::Terminal;
use super::undeclared::possible_pods;
use crate::cluster::{Cluster, PolicyId};
use crate::config::{Claim, Expectation, TEST_FILE_NAMES, read_expectations};
use crate::k8s::Object;
use crate::lint::Inventory;
use crate::load::Tree;
use crate::output::{
    TestFormat, TestReport, TestResult, TestStatus, display_name, not_judged_lines,
};
use crate::source::{SourceId, SourceMap};
use crate::workspace::ClusterView;
use clap::Args;
use judge::Judge;
use judgement::Judgement;
use std::io;
use std::path::PathBuf;

/// Check expected flows, from npcheck-tests.yaml
///
/// Files called npcheck-tests.yaml or *.npcheck-test.yaml among the manifests are read, else
/// npcheck-tests.yaml of this directory or of the nearest above it. Test files of netassert
/// are read as well, where --tests names them.
#[derive(Clone, Debug, Args)]
pub(super) struct Options {
    #[command(flatten)]
    paths: Paths,
    /// A file with expected flows, of npcheck or of netassert; repeatable
    #[arg(long, value_name = "FILE", value_hint = clap::ValueHint::FilePath)]
    tests: Vec<PathBuf>,
    /// Only tests whose name has this text in it
    #[arg(long, value_name = "TEXT")]
    filter: Option<String>,
    /// Print drafts of tests for what is allowed today, and check nothing
    #[arg(long, conflicts_with_all = ["tests", "filter", "strength"])]
    write: bool,
    /// Name the policies that could be deleted without any test failing
    #[arg(long)]
    strength: bool,
    /// How to show it, and where: text, tap, junit, json, markdown or github; repeatable
    #[arg(
        short,
        long = "output",
        value_name = "FORMAT[=FILE]",
        default_value = "text",
        add = complete::formats::<TestFormat>()
    )]
    output: Vec<Target<TestFormat>>,
    #[command(flatten)]
    clusters: ClusterOptions,
}

/// A test, and the file that it stands in.
struct Placed {
    expectation: Expectation,
    file: String,
}

pub(super) fn run(options: &Options, terminal: &mut Terminal) -> io::Result<Outcome> {
    let clusters = (&options.clusters, StagedOptions::default());
    let input = match Input::answering(&options.output, &options.paths, clusters, terminal) {
        Ok(input) => input,
        Err(outcome) => return Ok(outcome),
    };
    input.report_rejections(terminal);
    let mut sources = input.workspace.sources().clone();
    let typed = sources.add("<arguments>", "");
    if options.write {
        let written = draft::write(&input, terminal.out());
        terminal.finish(written)?;
        return Ok(Outcome::Good.with_problems(input.is_incomplete()));
    }
    let tests = match options.tests(&input) {
        Ok(tests) => tests,
        Err((name, message)) => {
            terminal.complain(&name, &message);
            return Ok(Outcome::Incomplete);
        }
    };
    if tests.is_empty() {
        let message = match options.filter {
            Some(_) => "no test with this text in its name",
            None => "no tests found; `npcheck test --write` drafts some",
        };
        terminal.say(format_args!("npcheck: {message}"));
        return Ok(Outcome::Nothing.with_problems(input.is_incomplete()));
    }
    let clusters: Vec<&ClusterView> = input.workspace.clusters().collect();
    let context = (&sources, typed);
    let is_of_everybody = |claim: &Claim| matches!(claim, Claim::Only(_) | Claim::Deny(_));
    let is_needed = (tests.iter()).any(|test| is_of_everybody(&test.expectation.claim));
    let with_undeclared = |view: &&ClusterView| {
        let pods = match is_needed {
            true => possible_pods(view),
            false => Vec::new(),
        };
        (!pods.is_empty()).then(|| view.with_more(&pods))
    };
    let wider: Vec<Option<Cluster>> = clusters.iter().map(with_undeclared).collect();
    let judges: Vec<(&str, Judge<'_>)> = clusters
        .iter()
        .zip(&wider)
        .map(|(view, wider)| {
            let judge = Judge::new(view.cluster(), wider.as_ref(), inventory_of(view), context);
            (view.name(), judge)
        })
        .collect();
    let mut report = TestReport {
        notes: not_judged_lines(&input.workspace.not_judged(), &sources),
        ..TestReport::default()
    };
    for test in &tests {
        let judgement = match &test.expectation.claim {
            Claim::SameAs(state) => options.against(state, true, terminal),
            Claim::NarrowerThan(state) => options.against(state, false, terminal),
            claim => over_clusters(&judges, &test.expectation, claim),
        };
        report.results.push(TestResult {
            name: test.expectation.name.clone(),
            reason: test.expectation.reason.clone(),
            is_draft: test.expectation.is_draft,
            file: test.file.clone(),
            line: test.expectation.line,
            status: judgement.status,
            details: judgement.details,
        });
    }
    if options.strength {
        report.idle_policies = Some(idle_policies(&clusters, &tests, context));
    }
    target::write_all(&options.output, terminal, |format, style, out| {
        format.write(&report, style, out)
    })?;
    let is_undecided = report.number(TestStatus::Error) + report.number(TestStatus::Unknown) > 0;
    let outcome = Outcome::answer(report.number(TestStatus::Failed) == 0);
    let has_problems = is_undecided || input.is_incomplete() || input.has_rejections();
    Ok(outcome.with_problems(has_problems))
}

impl Options {
    /// The tests of all files; else the file that cannot be used, and why.
    fn tests(&self, input: &Input) -> Result<Vec<Placed>, (String, String)> {
        let mut files: Vec<(String, String)> = Vec::new();
        for path in &self.tests {
            let name = path.to_string_lossy().into_owned();
            let file = Tree::Disk.read(path);
            let file = file.map_err(|error| (name.clone(), format!("cannot be read: {error}")))?;
            files.push((name, file.text));
        }
        if self.tests.is_empty() {
            files = among_manifests(input);
        }
        if files.is_empty() && self.tests.is_empty() {
            let found = Tree::Disk.find(TEST_FILE_NAMES[0]);
            let found = found.map_err(|error| {
                (
                    TEST_FILE_NAMES[0].to_owned(),
                    format!("cannot be read: {error}"),
                )
            })?;
            files.extend(found.map(|file| (file.name, file.text)));
        }
        let mut tests = Vec::new();
        for (name, text) in files {
            let read = read_expectations(&text);
            let read = read.map_err(|error| (name.clone(), error.to_string()))?;
            if read.is_empty() {
                return Err((name, "no test in it".to_owned()));
            }
            tests.extend(read.into_iter().map(|expectation| Placed {
                file: name.clone(),
                expectation,
            }));
        }
        if let Some(filter) = &self.filter {
            tests.retain(|test| test.expectation.name.contains(filter.as_str()));
        }
        Ok(tests)
    }

    /// A comparison with another state: the same, or narrower.
    fn against(&self, state: &str, is_same: bool, terminal: &mut Terminal) -> Judgement {
        let [path] = &self.paths.paths[..] else {
            return Judgement::error("a comparison with another state needs one PATH".to_owned());
        };
        let after = path.to_string_lossy();
        let compared = diff::moves(state, &after, &self.clusters, terminal);
        let moves = match compared {
            Ok(moves) => moves,
            Err(message) => return Judgement::error(message),
        };
        let mut details = moves.opened;
        if is_same {
            details.extend(moves.closed);
        }
        Judgement::decided(
            details.into_iter().collect(),
            moves.unknown.into_iter().collect(),
        )
    }
}

/// The files with expected flows among what was read.
fn among_manifests(input: &Input) -> Vec<(String, String)> {
    let sources = input.workspace.sources();
    let files = input.files.iter().map(|file| sources.get(file.source));
    let is_test = |name: &str| {
        let base = name.rsplit('/').next().unwrap_or(name);
        TEST_FILE_NAMES
            .iter()
            .any(|known| match known.starts_with('.') {
                true => base.ends_with(known),
                false => base == *known,
            })
    };
    let tests = files.filter(|source| is_test(source.name()));
    tests
        .map(|source| (source.name().to_owned(), source.text().to_owned()))
        .collect()
}

/// What a test comes to in all clusters that it can be asked of.
fn over_clusters(
    judges: &[(&str, Judge<'_>)],
    expectation: &Expectation,
    claim: &Claim,
) -> Judgement {
    let is_meant = |name: &str| {
        expectation
            .cluster
            .as_deref()
            .is_none_or(|wanted| wanted == name)
    };
    let meant: Vec<&(&str, Judge<'_>)> = judges.iter().filter(|(name, _)| is_meant(name)).collect();
    if meant.is_empty() {
        let name = expectation.cluster.as_deref().unwrap_or_default();
        return Judgement::error(format!("no cluster `{name}`"));
    }
    let mut whole: Option<Judgement> = None;
    let mut error = None;
    for (name, judge) in meant {
        let mut judgement = judge.judge(claim);
        if judgement.status == TestStatus::Error {
            error = error.or(Some(judgement));
            continue;
        }
        if judges.len() > 1 {
            let name = display_name(name);
            for detail in &mut judgement.details {
                *detail = format!("cluster {name}: {detail}");
            }
        }
        whole = Some(match whole {
            None => judgement,
            Some(known) => known.and(judgement),
        });
    }
    whole.or(error).unwrap_or_else(Judgement::passed)
}

fn inventory_of(view: &ClusterView) -> &Inventory {
    &view.settings().inventory
}

/// The policies without which all tests pass that pass with them; one that fails holds nothing.
fn idle_policies(
    clusters: &[&ClusterView],
    tests: &[Placed],
    context: (&SourceMap, SourceId),
) -> Vec<String> {
    let statuses = |judges: &[(&str, Judge<'_>)]| -> Vec<TestStatus> {
        let claims = tests.iter().map(|test| &test.expectation);
        let asked =
            claims.filter(|test| !matches!(test.claim, Claim::SameAs(_) | Claim::NarrowerThan(_)));
        asked
            .map(|test| over_clusters(judges, test, &test.claim).status)
            .collect()
    };
    let judge = |view: &ClusterView, cluster: &Cluster, wider: &Cluster| -> Vec<TestStatus> {
        let judge = Judge::new(cluster, Some(wider), inventory_of(view), context);
        statuses(&[(view.name(), judge)])
    };
    let mut idle = Vec::new();
    for view in clusters {
        let cluster = view.cluster();
        let more = possible_pods(view);
        let usual = judge(view, cluster, &view.with_more(&more));
        let accepted = |id: &PolicyId| cluster.policy(*id).object.meta.is_accepted;
        for id in cluster.policy_ids().filter(accepted) {
            let span = cluster.policy(id).object.meta.span;
            let is_other = |object: &&Object| object.meta().span != span;
            let objects: Vec<Object> = view
                .part()
                .objects
                .iter()
                .filter(is_other)
                .cloned()
                .collect();
            let wider = view.with_objects([&objects[..], &more].concat());
            let without = judge(view, &view.with_objects(objects), &wider);
            let mut both = usual.iter().zip(&without);
            let passed = TestStatus::Passed;
            if !both.any(|(usual, without)| *usual == passed && *without != passed) {
                idle.push(cluster.policy_name(id));
            }
        }
    }
    idle
}
