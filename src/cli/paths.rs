//! `npcheck paths`: by which hops one end gets to another.
//!
//! Refuses to search: the graph does.

mod cut;
mod deletion;

use super::Paths as Arguments;
use super::choice::{Meaningless, choice_with_nodes, clusters_that_answer, connections, internet};
use super::complete;
use super::configuration::{ClusterOptions, StagedOptions};
use super::endpoint::{Lookup, Mistake};
use super::exit::Outcome;
use super::input::Input;
use super::port::PortQuestion;
use super::reach::complaint;
use super::target::{self, Target};
use super::terminal::Terminal;
use crate::engine::{ConnectionSet, Engine, Judge};
use crate::graph::{Certainty, EndSet, FlowMatrix, PathQuery, Paths};
use crate::output::{PathsAnswer, PathsFormat, PathsReport, display_name, not_judged_lines};
use crate::source::SourceId;
use crate::workspace::ClusterView;
use clap::Args;
use std::io;
use std::num::NonZeroUsize;
use std::path::PathBuf;

/// Show how one end can get to another, hop by hop
///
/// Each hop is a connection that the policies allow; the next one begins where it ended.
/// Without DST, everything is shown that an attacker who controls SRC can get to.
#[derive(Clone, Debug, Args)]
pub(super) struct Options {
    /// Where paths begin: a workload, labels, `internet`, an address
    #[arg(value_name = "SRC", add = complete::ends())]
    from: String,
    /// Where they end; everywhere if left out
    #[arg(value_name = "DST", add = complete::ends())]
    to: Option<String>,
    #[command(flatten)]
    paths: Arguments,
    /// A port that the last hop has to open: 8080, 53/udp, http
    #[arg(short, long = "port", value_name = "PORT", requires = "to", add = complete::ports())]
    ports: Vec<String>,
    /// The namespace of names without one
    #[arg(short, long, value_name = "NAMESPACE", add = complete::namespaces())]
    namespace: Option<String>,
    /// Only paths of at most this many hops
    #[arg(long, value_name = "N")]
    hops: Option<NonZeroUsize>,
    /// All paths, not only the shortest ones
    #[arg(long)]
    all: bool,
    /// Propose a change that closes all paths, checked against the manifests
    #[arg(long)]
    cut: bool,
    /// How to show it, and where: text or json; repeatable
    #[arg(
        short,
        long = "output",
        value_name = "FORMAT[=FILE]",
        default_value = "text",
        add = complete::formats::<PathsFormat>()
    )]
    output: Vec<Target<PathsFormat>>,
    #[command(flatten)]
    clusters: ClusterOptions,
}

/// How many of the shortest paths are shown, and how many with `--all`.
const MAX_SHORTEST: usize = 5;
const MAX_PATHS: usize = 1_000;

/// `--all` without `--hops` follows paths so far beyond the shortest one.
const MORE_HOPS: usize = 2;

pub(super) fn run(options: &Options, terminal: &mut Terminal) -> io::Result<Outcome> {
    let (to, arguments) = options.destination();
    let clusters = (&options.clusters, StagedOptions::default());
    let input = match Input::answering(&options.output, &arguments, clusters, terminal) {
        Ok(input) => input,
        Err(outcome) => return Ok(outcome),
    };
    input.report_rejections(terminal);
    let mut sources = input.workspace.sources().clone();
    let typed = sources.add("<arguments>", "");
    let asked = clusters_that_answer(&input, |view| options.question(view, to, typed));
    let asked = match asked {
        Ok(asked) => asked,
        Err((text, mistake)) => {
            complaint::complain(terminal, &sources, text, &mistake);
            return Ok(Outcome::Incomplete);
        }
    };
    let has_several = input.workspace.clusters().len() > 1;
    let answers: Vec<PathsAnswer<'_>> = asked
        .into_iter()
        .map(|(view, question)| {
            let name = has_several.then(|| display_name(view.name()).to_owned());
            options.answer(&input, view, name, &question)
        })
        .collect();
    let first = input.workspace.clusters().next();
    let internet = first.map_or_else(EndSet::default, |view| {
        internet(view.with_implied_pods(), typed)
    });
    let report = PathsReport {
        from: &options.from,
        to,
        sources: &sources,
        internet: &internet,
        notes: not_judged_lines(&input.workspace.not_judged(), &sources),
        answers,
    };
    target::write_all(&options.output, terminal, |format, style, out| {
        format.write(&report, style, out)
    })?;
    let is_unknown = report.answers.iter().any(|answer| answer.is_unknown);
    let is_open = |answer: &PathsAnswer<'_>| !answer.paths.is_empty() || !answer.reached.is_empty();
    let outcome = match report
        .answers
        .iter()
        .any(|answer| is_open(answer) && !answer.is_unknown)
    {
        true => Outcome::No,
        false => Outcome::Good.with_problems(is_unknown),
    };
    Ok(outcome.with_problems(input.is_incomplete() || input.has_rejections()))
}

/// What is asked of one cluster.
struct Question {
    from: EndSet,
    to: Option<EndSet>,
    internet: EndSet,
    connections: ConnectionSet,
}

impl Options {
    fn most_hops(&self) -> Option<usize> {
        self.hops.map(NonZeroUsize::get)
    }

    /// The destination and the manifests: `paths SRC k8s/` has no destination.
    fn destination(&self) -> (Option<&str>, Arguments) {
        let is_path = |text: &str| {
            text == "."
                || text == ".."
                || text == "-"
                || text.ends_with('/')
                || ["./", "../", "/", "~", "git:"]
                    .iter()
                    .any(|start| text.starts_with(start))
                || [".yaml", ".yml", ".json"]
                    .iter()
                    .any(|end| text.ends_with(end))
        };
        match &self.to {
            Some(text) if is_path(text) => {
                let named = self
                    .paths
                    .paths
                    .iter()
                    .filter(|path| path.as_os_str() != ".");
                let paths = [PathBuf::from(text)]
                    .into_iter()
                    .chain(named.cloned())
                    .collect();
                let walk = self.paths.walk;
                (None, Arguments { paths, walk })
            }
            to => (to.as_deref(), self.paths.clone()),
        }
    }

    fn question<'o>(
        &'o self,
        view: &ClusterView,
        to: Option<&'o str>,
        source: SourceId,
    ) -> Result<Question, Meaningless<'o>> {
        let cluster = view.with_implied_pods();
        let lookup = Lookup {
            cluster,
            namespace: self.namespace.as_deref(),
            source,
        };
        let mut ports = Vec::new();
        for text in &self.ports {
            ports.push(PortQuestion::parse(text).map_err(|mistake| (text.as_str(), mistake))?);
        }
        let ends = |text: &'o str| match choice_with_nodes(&lookup, text) {
            Ok(ends) if self.cut && ends.is_special() => {
                let reason = "--cut proposes policies between pods and addresses only";
                let reason = reason.to_owned();
                Err((text, Mistake::Malformed { reason }))
            }
            ends => ends.map_err(|mistake| (text, mistake)),
        };
        let from = ends(&self.from)?;
        let (to, asked) = match to {
            None => (None, ConnectionSet::all()),
            Some(text) => {
                let to = ends(text)?;
                let asked =
                    connections(&lookup, text, &ports).map_err(|mistake| (text, mistake))?;
                (Some(to), asked)
            }
        };
        Ok(Question {
            from,
            to,
            internet: internet(cluster, source),
            connections: asked,
        })
    }

    fn answer<'i>(
        &self,
        input: &'i Input,
        view: &'i ClusterView,
        name: Option<String>,
        question: &Question,
    ) -> PathsAnswer<'i> {
        let cluster = view.with_implied_pods();
        let left_open = view.settings().inventory.left_open(cluster);
        let engine = Engine::leaving_open(cluster, left_open);
        let matrix = question.matrix(&engine);
        let query = |certainty| PathQuery {
            from: &question.from,
            to: question.to.as_ref(),
            connections: &question.connections,
            certainty,
        };
        let certain = Paths::new(&matrix, &query(Certainty::Certain));
        let mut answer = PathsAnswer {
            name,
            paths: Vec::new(),
            has_more: false,
            is_unknown: false,
            crossings: Vec::new(),
            reached: Vec::new(),
            cuts: Vec::new(),
            judge: Judge::new(matrix.cluster()),
            matrix: matrix.clone(),
        };
        if question.to.is_none() {
            answer.reached = certain.reached(self.most_hops().unwrap_or(usize::MAX));
            return answer;
        }
        (answer.paths, answer.has_more) = self.shown(&certain);
        let mut found = certain;
        if answer.paths.is_empty() {
            let possible = Paths::new(&matrix, &query(Certainty::Possible));
            (answer.paths, answer.has_more) = self.shown(&possible);
            answer.is_unknown = !answer.paths.is_empty();
            found = possible;
        }
        if !answer.paths.is_empty() {
            answer.crossings = found.crossings();
            if self.cut {
                answer.cuts = cut::cut(input, view, question, &matrix, &found);
            }
        }
        answer
    }

    /// The paths that are shown, and whether there are more.
    fn shown(&self, paths: &Paths<'_, '_>) -> (Vec<crate::graph::Path>, bool) {
        let Some(shortest) = paths
            .shortest()
            .filter(|hops| self.most_hops().is_none_or(|most| *hops <= most))
        else {
            return (Vec::new(), false);
        };
        let longest = self.most_hops().unwrap_or(shortest + MORE_HOPS);
        let (hops, limit) = match self.all {
            true => (longest, MAX_PATHS),
            false => (shortest, MAX_SHORTEST),
        };
        let mut shown = paths.paths(hops, limit + 1);
        let mut has_more = shown.len() > limit;
        shown.truncate(limit);
        if !has_more && !self.all {
            has_more = paths.paths(longest, shown.len() + 1).len() > shown.len();
        }
        (shown, has_more)
    }
}

impl Question {
    fn matrix<'c>(&self, engine: &Engine<'c>) -> FlowMatrix<'c> {
        let mut choices = vec![&self.from, &self.internet];
        choices.extend(self.to.as_ref());
        let entities = engine.relation().entities();
        let entities = entities.filter(|entity| choices.iter().any(|it| it.has_entity(*entity)));
        FlowMatrix::with_entities(engine, &choices, entities.collect())
    }
}
