//! `npcheck graph`: everything that can connect, or the part of it that is asked for.
//!
//! Refuses to work anything out: the engine does.

use super::Paths;
use super::choice::{choice, choice_with_entities};
use super::complete;
use super::configuration::{ClusterOptions, StagedOptions};
use super::endpoint::{Lookup, Mistake};
use super::exit::Outcome;
use super::input::Input;
use super::reach::complaint;
use super::target::{self, Target};
use super::terminal::{Terminal, Verbosity};
use crate::cluster::Cluster;
use crate::engine::Engine;
use crate::graph::{EndSet, FlowQuery, Grain};
use crate::output::{
    GraphFormat, GraphView, MAX_DRAWN_NODES, MAX_LINES, display_name, not_judged_lines,
};
use crate::source::SourceId;
use crate::workspace::ClusterView;
use clap::{Args, ValueEnum};
use std::cell::Cell;
use std::io;
use std::num::NonZeroUsize;

/// Print everything that can connect, or a part of it
///
/// Ends are written as for `npcheck reach`: `shop/web`, `shop/app=web`, `shop/*`,
/// `10.0.0.0/8`, `internet`. A policy that an API server would reject has no part in the
/// answer; it is reported, and the exit status is 2.
#[derive(Clone, Debug, Args)]
pub(super) struct Options {
    #[command(flatten)]
    paths: Paths,
    /// Only flows with an end in this namespace
    #[arg(short, long, value_name = "NAMESPACE", add = complete::namespaces())]
    namespace: Option<String>,
    /// Only flows from these ends
    #[arg(long, value_name = "SRC", add = complete::ends())]
    from: Option<String>,
    /// Only flows to these ends
    #[arg(long, value_name = "DST", add = complete::ends())]
    to: Option<String>,
    /// Only flows near these ends: to them, and from them
    #[arg(long, value_name = "END", add = complete::ends())]
    around: Option<String>,
    /// How many connections in a row --around follows
    #[arg(long, value_name = "N", default_value_t = NonZeroUsize::MIN, requires = "around")]
    hops: NonZeroUsize,
    /// What is one node
    #[arg(long, value_enum, value_name = "WHAT", default_value = "workload")]
    by: By,
    /// How to show it, and where: text, json, json-lines, csv, dot, mermaid, svg or html;
    /// repeatable
    #[arg(
        short,
        long = "output",
        value_name = "FORMAT[=FILE]",
        default_value = "text",
        add = complete::formats::<GraphFormat>()
    )]
    output: Vec<Target<GraphFormat>>,
    #[command(flatten)]
    clusters: ClusterOptions,
    #[command(flatten)]
    staged: StagedOptions,
}

/// What is one node.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum By {
    /// A workload
    Workload,
    /// A namespace with all its workloads
    Namespace,
}

pub(super) fn run(options: &Options, terminal: &mut Terminal) -> io::Result<Outcome> {
    let clusters = (&options.clusters, options.staged);
    let input = match Input::answering(&options.output, &options.paths, clusters, terminal) {
        Ok(input) => input,
        Err(outcome) => return Ok(outcome),
    };
    input.report_rejections(terminal);
    // What was typed is a text like any other, so that labels in it have a place.
    let mut sources = input.workspace.sources().clone();
    let arguments = sources.add("<arguments>", "");
    let queried = options.queries(&input, arguments);
    let queried = match queried {
        Ok(queried) => queried,
        Err((typed, mistake)) => {
            complaint::complain(terminal, &sources, typed, &mistake);
            return Ok(Outcome::Incomplete);
        }
    };
    let engines: Vec<Engine<'_>> = queried
        .iter()
        .map(|queried| Engine::new(queried.cluster))
        .collect();
    let has_several = input.workspace.clusters().len() > 1;
    let views: Vec<GraphView<'_>> = queried
        .iter()
        .zip(&engines)
        .map(|(queried, engine)| GraphView {
            name: has_several.then(|| display_name(queried.view.name())),
            engine,
            sources: &sources,
            query: &queried.query,
            grain: match options.by {
                By::Workload => Grain::Workload,
                By::Namespace => Grain::Namespace,
            },
        })
        .collect();
    let is_drawn = options
        .output
        .iter()
        .any(|target| target.format.is_drawing());
    let nodes = match is_drawn {
        true => views.iter().map(|view| view.drawing().nodes.len()).sum(),
        false => 0,
    };
    if nodes > MAX_DRAWN_NODES {
        let advice = format!(
            "{nodes} nodes are more than the {MAX_DRAWN_NODES} that a drawing can show: \
             ask for less with --namespace, --around or --by namespace, or take -o html or json-lines"
        );
        terminal.complain("--output", &advice);
        return Ok(Outcome::Incomplete);
    }
    let is_page = |target: &Target<GraphFormat>| target.format == GraphFormat::Html;
    if options.output.iter().any(is_page) && views.iter().any(|view| view.query.names_domains()) {
        let advice = "the page of html shows no names of the DNS: for these take another format";
        terminal.complain("--output", advice);
        return Ok(Outcome::Incomplete);
    }
    let notes = not_judged_lines(&input.workspace.not_judged(), &sources);
    let is_cut = Cell::new(false);
    target::write_all(&options.output, terminal, |format, style, out| {
        let is_all = format.write(&views, &notes, style, out)?;
        is_cut.set(is_cut.get() || !is_all);
        Ok(())
    })?;
    if is_cut.get() {
        let advice = format!(
            "there are more than the {MAX_LINES} lines that were written: ask for less with \
             --namespace, --from, --to or --by namespace, or take -o html or json-lines"
        );
        terminal.complain("--output", &advice);
    }
    input.report_not_judged(terminal);
    if terminal.verbosity > Verbosity::Quiet {
        terminal.say(&input.summary);
    }
    let has_problems = is_cut.get() || input.is_incomplete() || input.has_rejections();
    Ok(Outcome::Good.with_problems(has_problems))
}

/// A cluster, and what of it is asked for.
struct Queried<'i> {
    view: &'i ClusterView,
    cluster: &'i Cluster,
    query: FlowQuery,
}

impl Options {
    /// The clusters that have what the arguments ask for; else the argument that means
    /// nothing in the first of them.
    fn queries<'i>(
        &self,
        input: &'i Input,
        source: SourceId,
    ) -> Result<Vec<Queried<'i>>, (&str, Mistake)> {
        let mut targets = self.output.iter();
        let is_data = targets.all(|target| target.format.is_data());
        let mut queries = Vec::new();
        let mut mistake = None;
        for view in input.workspace.clusters() {
            let cluster = match is_data {
                true if view.has_endpoints() => view.endpoints(),
                _ => view.with_implied_pods(),
            };
            match self.query(cluster, source) {
                Ok(query) => queries.push(Queried {
                    view,
                    cluster,
                    query,
                }),
                Err(first) => mistake = mistake.or(Some(first)),
            }
        }
        match mistake {
            Some(mistake) if queries.is_empty() => Err(mistake),
            _ => Ok(queries),
        }
    }

    /// What the arguments ask for; else the argument that means nothing.
    fn query<'o>(
        &'o self,
        cluster: &Cluster,
        source: SourceId,
    ) -> Result<FlowQuery, (&'o str, Mistake)> {
        let lookup = Lookup {
            cluster,
            namespace: self.namespace.as_deref(),
            source,
        };
        let ends = |text: &'o Option<String>| -> Result<Option<EndSet>, (&'o str, Mistake)> {
            let Some(text) = text else { return Ok(None) };
            let ends = choice_with_entities(&lookup, text);
            ends.map(Some).map_err(|mistake| (text.as_str(), mistake))
        };
        let from = ends(&self.from)?;
        if let Some(text) = &self.from
            && from.as_ref().is_some_and(|ends| !ends.domains().is_empty())
        {
            let reason = "a name of the DNS is an end that connections lead to: ask with --to";
            let reason = reason.to_owned();
            return Err((text.as_str(), Mistake::Malformed { reason }));
        }
        let touching = match &self.namespace {
            None => None,
            Some(name) => {
                let all = Lookup {
                    namespace: None,
                    ..lookup
                };
                let ends = choice(&all, &format!("{name}/*"));
                Some(ends.map_err(|mistake| (name.as_str(), mistake))?)
            }
        };
        Ok(FlowQuery {
            from,
            to: ends(&self.to)?,
            touching,
            around: match &self.around {
                None => None,
                Some(text) => {
                    let ends = choice(&lookup, text).map_err(|mistake| (text.as_str(), mistake))?;
                    Some((ends, self.hops.get()))
                }
            },
        })
    }
}
