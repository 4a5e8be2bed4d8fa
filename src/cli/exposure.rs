//! `npcheck exposure`: what each workload is open to.
//!
//! Refuses to work it out: the graph does.

use super::Paths;
use super::choice::{internet, resolvers};
use super::complete;
use super::configuration::{ClusterOptions, StagedOptions};
use super::exit::Outcome;
use super::input::Input;
use super::target::{self, Target};
use super::terminal::{Terminal, Verbosity};
use super::undeclared::undeclared_pods;
use crate::cluster::Cluster;
use crate::engine::{AskedPoliciesOfEnd, Endpoint, Engine};
use crate::graph::{FlowMatrix, exposures};
use crate::k8s::Truth;
use crate::lint::dns::asks_usual_resolver;
use crate::output::{ExposureFormat, ExposureView, display_name, not_judged_lines};
use crate::workspace::ClusterView;
use clap::{Args, ValueEnum};
use std::collections::HashMap;
use std::io;

/// Show what each workload is open to
///
/// From and to the internet, from other namespaces, by how many workloads it can be reached,
/// and how many it can reach, whether it can resolve names, and whether policies isolate it.
/// Under Cilium also from and to nodes, the API server and the other entities.
#[derive(Clone, Debug, Args)]
pub(super) struct Options {
    #[command(flatten)]
    paths: Paths,
    /// Only workloads of this namespace
    #[arg(short, long, value_name = "NAMESPACE", add = complete::namespaces())]
    namespace: Option<String>,
    /// What makes the run exit with 1
    #[arg(long, value_enum, value_name = "WHAT", default_value = "never")]
    fail_on: FailOn,
    /// How to show it, and where: text, json, csv or markdown; repeatable
    #[arg(
        short,
        long = "output",
        value_name = "FORMAT[=FILE]",
        default_value = "text",
        add = complete::formats::<ExposureFormat>()
    )]
    output: Vec<Target<ExposureFormat>>,
    #[command(flatten)]
    clusters: ClusterOptions,
}

/// What makes the run exit with 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum FailOn {
    /// Nothing
    Never,
    /// A workload that accepts connections from the internet
    Internet,
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
    let has_several = input.workspace.clusters().len() > 1;
    let clusters: Vec<(&ClusterView, Cluster)> = input
        .workspace
        .clusters()
        .map(|view| (view, with_all_pods(view)))
        .collect();
    let mut views = Vec::new();
    for (view, cluster) in &clusters {
        let (internet, resolvers) = (internet(cluster, typed), resolvers(cluster));
        let has_resolver = !resolvers.workloads().is_empty();
        let engine = Engine::new(cluster);
        let entities = engine.relation().entities().collect();
        let matrix = FlowMatrix::with_entities(&engine, &[&internet, &resolvers], entities);
        let mut exposures = exposures(&matrix, &internet, &resolvers);
        if !has_resolver {
            // Pods that the same policies are about are answered alike.
            let mut known: HashMap<AskedPoliciesOfEnd, Truth> = HashMap::new();
            for one in &mut exposures {
                let span = cluster.workload(one.workload).object.meta.span;
                let pod = Endpoint::workload(cluster, one.workload);
                let asked = engine.judge().asked_about(&pod);
                let answer = known.entry(asked);
                let answer = answer.or_insert_with(|| asks_usual_resolver(&engine, &pod, span));
                one.resolves_names = match answer {
                    Truth::True => Some(true),
                    Truth::False => Some(false),
                    Truth::Unknown => None,
                };
            }
        }
        if let Some(namespace) = &options.namespace {
            exposures.retain(|one| {
                cluster
                    .namespace(cluster.workload(one.workload).namespace)
                    .name
                    == *namespace
            });
        }
        views.push(ExposureView {
            name: has_several.then(|| display_name(view.name()).to_owned()),
            cluster,
            exposures,
        });
    }
    let shown: usize = views.iter().map(|view| view.exposures.len()).sum();
    if let (0, Some(namespace)) = (shown, &options.namespace) {
        terminal.complain(
            "--namespace",
            &format!("no workload in a namespace `{namespace}`"),
        );
        return Ok(Outcome::Incomplete);
    }
    let notes = not_judged_lines(&input.workspace.not_judged(), &sources);
    target::write_all(&options.output, terminal, |format, style, out| {
        format.write(&views, &notes, style, out)
    })?;
    if terminal.verbosity > Verbosity::Quiet {
        terminal.say(&input.summary);
    }
    let mut all = views.iter().flat_map(|view| &view.exposures);
    let is_bad = options.fail_on == FailOn::Internet && all.any(|one| one.is_open_to_internet());
    let mut all = views.iter().flat_map(|view| &view.exposures);
    let is_unknown = options.fail_on == FailOn::Internet
        && all.any(|one| !one.is_open_to_internet() && !one.from_internet.unknown.is_empty());
    let has_problems = input.is_incomplete() || input.has_rejections() || (is_unknown && !is_bad);
    Ok(Outcome::answer(!is_bad).with_problems(has_problems))
}

/// A cluster with the pods that its objects imply, and with such as may be there without a
/// manifest.
fn with_all_pods(view: &ClusterView) -> Cluster {
    let mut pods = undeclared_pods(view);
    pods.extend(view.implied_pods().into_iter().flatten());
    view.with_more(&pods)
}
