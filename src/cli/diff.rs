//! `npcheck diff`: what a change opens and closes.
//!
//! Refuses to compare: the graph does.

mod elsewhere;
mod names;
mod state;
mod uncompared;

use super::choice::{choice, internet, resolvers};
use super::complete;
use super::configuration::{ClusterOptions, Configuration, HELM_READS_THE_DISK, StagedOptions};
use super::endpoint::{Lookup, Mistake};
use super::exit::Outcome;
use super::input::{Input, repository_root};
use super::reach::complaint;
use super::target::{self, Target};
use super::terminal::Terminal;
use super::{Paths, WalkOptions};
use crate::cluster::Cluster;
use crate::config::Rendering;
use crate::engine::Engine;
use crate::graph::{
    Blame, BlamedEnd, Cause, Comparison, ComparisonQuery, EndSet, Level, Line, LineEnds, MAX_TRIED,
    Move,
};
use crate::output::{
    DiffFormat, DiffReport, DiffedCluster, MAX_DRAWN_NODES, display_name, drawn_nodes,
    not_judged_lines, range_name,
};
use crate::source::{SourceId, Span};
use crate::workspace::{ClusterView, PathOf};
use clap::{Args, ValueEnum};
use elsewhere::Elsewhere;
use state::{Asked, States};
use std::collections::BTreeMap;
use std::io;
use std::path::PathBuf;

/// Show what a change opens and closes
///
/// BEFORE and AFTER are directories, files, `-` for standard input, or revisions of git:
/// `git:main`, `git:HEAD~2:k8s` (a path from the root of the repository). AFTER is the work
/// tree if left out.
#[derive(Clone, Debug, Args)]
pub(super) struct Options {
    /// The state before
    #[arg(value_name = "BEFORE", add = complete::states())]
    before: Option<String>,
    /// The state after; the work tree if left out
    #[arg(value_name = "AFTER", add = complete::states())]
    after: Option<String>,
    /// The state after is what is staged in git; BEFORE is HEAD if left out
    #[arg(long)]
    staged: bool,
    /// The state before is the merge base of HEAD and this revision
    #[arg(long, value_name = "REV", add = complete::revisions())]
    merge_base: Option<String>,
    /// Only what touches these ends
    #[arg(long, value_name = "END", add = complete::ends())]
    focus: Option<String>,
    /// Only flows from these ends
    #[arg(long, value_name = "SRC", add = complete::ends())]
    from: Option<String>,
    /// Only flows to these ends
    #[arg(long, value_name = "DST", add = complete::ends())]
    to: Option<String>,
    /// List the flows of new and gone workloads, and every name
    #[arg(long)]
    all: bool,
    /// Say what decides about each flow, before and after
    #[arg(long)]
    why: bool,
    /// What makes the run exit with 1
    #[arg(
        long,
        value_enum,
        value_name = "WHAT",
        default_value = "any",
        conflicts_with = "expect"
    )]
    fail_on: FailOn,
    /// Succeed if connectivity is as said
    #[arg(long, value_enum, value_name = "HOW")]
    expect: Option<Expectation>,
    /// How to show it, and where: text, json, markdown, github, csv, dot, mermaid or
    /// html; repeatable
    #[arg(
        short,
        long = "output",
        value_name = "FORMAT[=FILE]",
        default_value = "text",
        add = complete::formats::<DiffFormat>()
    )]
    output: Vec<Target<DiffFormat>>,
    #[command(flatten)]
    walk: WalkOptions,
    #[command(flatten)]
    clusters: ClusterOptions,
    #[command(flatten)]
    staged_policies: StagedOptions,
}

/// What makes the run exit with 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum FailOn {
    /// Any change
    Any,
    /// A flow that opens
    Opened,
    /// A flow that closes
    Closed,
    /// A change of high level
    High,
    /// A change of medium level, or higher
    Medium,
    /// A change of low level, or higher
    Low,
    /// Nothing
    Never,
}

/// What connectivity shall be like.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Expectation {
    /// The same
    Same,
    /// Nothing opens
    Narrower,
    /// Nothing closes
    Wider,
}

pub(super) fn run(options: &Options, terminal: &mut Terminal) -> io::Result<Outcome> {
    if let Some(mistake) = target::mistake(&options.output) {
        terminal.complain("--output", &mistake);
        return Ok(Outcome::Incomplete);
    }
    if options.clusters.rendering() == Rendering::Helm {
        terminal.complain("--helm", HELM_READS_THE_DISK);
        return Ok(Outcome::Incomplete);
    }
    let Ok(configuration) = Configuration::load(&options.clusters, terminal) else {
        return Ok(Outcome::Incomplete);
    };
    let states = match state::read(&options.asked(), options.clusters.rendering()) {
        Ok(states) => states,
        Err((name, message)) => {
            terminal.complain(&name, &message);
            return Ok(Outcome::Incomplete);
        }
    };
    let States {
        loaded,
        names,
        prefix,
        roots,
    } = states;
    let path_of = stripped(configuration.path_of(), &roots);
    // What is staged goes live on the way from one state to the other.
    let after = configuration.clone().with_staged(options.staged_policies);
    let inputs = Input::of_states(loaded, [&configuration, &after], path_of);
    inputs[1].report_staged(options.staged_policies, terminal);
    for input in &inputs {
        input.report_problems(terminal);
        input.report_rejections(terminal);
    }
    if inputs.iter().all(Input::is_empty) {
        inputs[1].report_nothing(
            &Paths {
                paths: vec![PathBuf::from(".")],
                walk: options.walk,
            },
            terminal,
        );
        return Ok(Outcome::Nothing.with_problems(inputs.iter().any(Input::is_incomplete)));
    }
    let mut sources = inputs[1].workspace.sources().clone();
    let typed = sources.add("<arguments>", "");
    let pairs = Pairs::new(&inputs, &roots, options.clusters.cluster.as_deref());
    if pairs.is_empty() {
        let name = options.clusters.cluster.as_deref().unwrap_or_default();
        terminal.complain("--cluster", &format!("no cluster `{name}` in either state"));
        return Ok(Outcome::Incomplete);
    }
    if let Err((text, mistake)) = options.check(&pairs, typed) {
        complaint::complain(terminal, &sources, text, &mistake);
        return Ok(Outcome::Incomplete);
    }
    let first = pairs.both.first().map(|(_, views)| views[1].cluster());
    let internet = first.map_or_else(EndSet::default, |cluster| internet(cluster, typed));
    let several = pairs.both.len() > 1;
    let mut notes: Vec<String> = Vec::new();
    let clusters = pairs.both.iter();
    let clusters: Vec<DiffedCluster<'_>> = clusters
        .map(|(name, views)| {
            let name = several.then(|| display_name(name).to_owned());
            options.compare(name, *views, typed, &mut notes)
        })
        .collect();
    for (input, name) in inputs.iter().zip(&names) {
        for line in not_judged_lines(&input.workspace.not_judged(), &sources) {
            notes.push(format!("{name}: {line}"));
        }
    }
    let mut elsewhere = Elsewhere::default();
    for (_, views) in &pairs.both {
        elsewhere.add(*views, &sources, |clusters| options.query(clusters, typed));
    }
    notes.extend(elsewhere.lines());
    let report = DiffReport {
        root: &repository_root(),
        sources: &sources,
        names,
        prefix,
        clusters,
        clusters_added: pairs.added,
        clusters_removed: pairs.removed,
        internet: &internet,
        shows_all: options.all,
        says_why: options.why,
        opens_elsewhere: elsewhere.opened().next().is_some(),
        closes_elsewhere: elsewhere.closed().next().is_some(),
        effects_elsewhere: elsewhere.effects(),
        is_left_open: elsewhere.unknown().next().is_some(),
        notes,
    };
    let is_drawn = options
        .output
        .iter()
        .any(|target| target.format.is_drawing());
    if is_drawn && drawn_nodes(&report) > MAX_DRAWN_NODES {
        let advice = format!(
            "more than the {MAX_DRAWN_NODES} nodes that a drawing can show: ask for less with \
             --focus, --from or --to"
        );
        terminal.complain("--output", &advice);
        return Ok(Outcome::Incomplete);
    }
    target::write_all(&options.output, terminal, |format, style, out| {
        format.write(&report, style, out)
    })?;
    let is_incomplete = inputs
        .iter()
        .any(|input| input.is_incomplete() || input.has_rejections());
    let outcome = options.outcome(&report);
    Ok(outcome.with_problems(is_incomplete))
}

/// What opens and closes between two states, a line each.
pub(super) struct Moves {
    pub(super) opened: Vec<String>,
    pub(super) closed: Vec<String>,
    pub(super) unknown: Vec<String>,
}

/// Compares another state with some manifests; else says why it cannot.
pub(super) fn moves(
    before: &str,
    after: &str,
    options: &ClusterOptions,
    terminal: &mut Terminal,
) -> Result<Moves, String> {
    let configuration = Configuration::load(options, terminal);
    let Ok(configuration) = configuration else {
        return Err("the configuration cannot be used".to_owned());
    };
    let asked = Asked {
        before: Some(before),
        after: Some(after),
        ..Asked::default()
    };
    let states = state::read(&asked, options.rendering());
    let states = states.map_err(|(name, message)| format!("{name}: {message}"))?;
    let path_of = stripped(configuration.path_of(), &states.roots);
    let inputs = Input::of_states(states.loaded, [&configuration; 2], path_of);
    if inputs.iter().any(Input::is_incomplete) {
        return Err(format!(
            "not all of `{before}` and of the manifests can be read"
        ));
    }
    if inputs[0].is_empty() {
        return Err(format!("no Kubernetes object in `{before}`"));
    }
    let pairs = Pairs::new(&inputs, &states.roots, options.cluster.as_deref());
    let mut moves = Moves {
        opened: pairs
            .added
            .iter()
            .map(|name| format!("cluster {name} is new"))
            .collect(),
        closed: pairs
            .removed
            .iter()
            .map(|name| format!("cluster {name} is gone"))
            .collect(),
        unknown: Vec::new(),
    };
    let mut elsewhere = Elsewhere::default();
    let sources = inputs[1].workspace.sources();
    for (_, views) in &pairs.both {
        let clusters = views.map(ClusterView::cluster);
        elsewhere.add(*views, sources, |_| ComparisonQuery::default());
        let engines = clusters.map(Engine::new);
        let comparison = Comparison::new(&engines[0], &engines[1], &ComparisonQuery::default());
        for line in &comparison.lines {
            let [from, to] = [&line.sources, &line.destinations]
                .map(|ends| first_end(clusters, &comparison, ends));
            let (list, word) = match line.moved {
                Move::Opened => (&mut moves.opened, "opens"),
                Move::Closed => (&mut moves.closed, "closes"),
                Move::Unknown => (&mut moves.unknown, "unknown"),
            };
            list.push(format!("{word}: {from} -> {to} {}", line.connections));
        }
    }
    let opened = elsewhere.opened().map(|flow| format!("opens: {flow}"));
    moves.opened.extend(opened);
    let closed = elsewhere.closed().map(|flow| format!("closes: {flow}"));
    moves.closed.extend(closed);
    let unknown = elsewhere.unknown().map(|line| format!("unknown: {line}"));
    moves.unknown.extend(unknown);
    Ok(moves)
}

/// The ends of one side of a line in a few words.
fn first_end(clusters: [&Cluster; 2], comparison: &Comparison, ends: &LineEnds) -> String {
    let (name, number) = match ends {
        LineEnds::Outside(ranges) => (range_name(ranges[0]), ranges.len()),
        LineEnds::Workloads(places) => {
            let pair = comparison.workloads[places[0]];
            let after = pair.after.map(|id| clusters[1].workload_name(id));
            let before = || pair.before.map(|id| clusters[0].workload_name(id));
            (after.or_else(before).unwrap_or_default(), places.len())
        }
    };
    match number {
        1 => name,
        number => format!("{name} and {} more", number - 1),
    }
}

/// The names of texts as the patterns of the configuration see them, whichever directory
/// holds the state.
fn stripped(path_of: PathOf, roots: &[String; 2]) -> PathOf {
    let roots = roots.clone();
    PathOf::new(move |name| {
        let strip = |root: &String| {
            let rest = name.strip_prefix(root.trim_end_matches('/'))?;
            rest.strip_prefix('/').filter(|_| !root.is_empty())
        };
        match roots.iter().find_map(strip) {
            Some(rest) => rest.to_owned(),
            None => path_of.call(name),
        }
    })
}

/// The clusters of both states, by name.
struct Pairs<'i> {
    both: Vec<(String, [&'i ClusterView; 2])>,
    added: Vec<String>,
    removed: Vec<String>,
}

impl<'i> Pairs<'i> {
    fn new(inputs: &'i [Input; 2], roots: &[String; 2], only: Option<&str>) -> Self {
        let by_name = |time: usize| -> BTreeMap<String, &'i ClusterView> {
            let views = inputs[time].workspace.clusters();
            let root = roots[time].trim_end_matches('/');
            let name = |view: &ClusterView| {
                let name = view.name().strip_prefix(root).unwrap_or(view.name());
                name.trim_start_matches('/').to_owned()
            };
            views.map(|view| (name(view), view)).collect()
        };
        let [mut before, mut after] = [by_name(0), by_name(1)];
        // One cluster has no name; where there was one, and there still is, it is the same.
        if before.len() == 1 && after.len() == 1 {
            let old = before.pop_first().map(|(_, view)| view);
            before.extend(after.keys().cloned().zip(old));
        }
        if let Some(only) = only {
            before.retain(|name, _| name == only);
            after.retain(|name, _| name == only);
        }
        let lone = |some: &BTreeMap<String, &ClusterView>,
                    others: &BTreeMap<String, &ClusterView>| {
            let lone = some
                .iter()
                .filter(|(name, view)| !others.contains_key(*name) && !view.is_empty());
            lone.map(|(name, _)| display_name(name).to_owned())
                .collect::<Vec<String>>()
        };
        let (added, removed) = (lone(&after, &before), lone(&before, &after));
        let both = before.into_iter().filter_map(|(name, old)| {
            let new = after.get(&name)?;
            Some((name, [old, *new]))
        });
        Self {
            both: both.collect(),
            added,
            removed,
        }
    }

    fn is_empty(&self) -> bool {
        self.both.is_empty() && self.added.is_empty() && self.removed.is_empty()
    }
}

impl Options {
    fn asked(&self) -> Asked<'_> {
        Asked {
            before: self.before.as_deref(),
            after: self.after.as_deref(),
            staged: self.staged,
            merge_base: self.merge_base.as_deref(),
            walk: self.walk,
        }
    }

    /// Complains of an argument that means nothing in any cluster of either state.
    fn check(&self, pairs: &Pairs<'_>, typed: SourceId) -> Result<(), (&str, Mistake)> {
        for text in [&self.focus, &self.from, &self.to].into_iter().flatten() {
            let views = pairs.both.iter().flat_map(|(_, views)| views);
            let mut mistake = None;
            let mut is_known = false;
            for view in views {
                match ends(view.cluster(), text, typed) {
                    Ok(_) => is_known = true,
                    Err(first) => mistake = mistake.or(Some(first)),
                }
            }
            if let (false, Some(mistake)) = (is_known, mistake) {
                return Err((text.as_str(), mistake));
            }
        }
        Ok(())
    }

    /// What is asked of two states of a cluster.
    fn query(&self, clusters: [&Cluster; 2], typed: SourceId) -> ComparisonQuery {
        let both = |text: &Option<String>| {
            let text = text.as_ref()?;
            Some(clusters.map(|cluster| ends(cluster, text, typed).unwrap_or_default()))
        };
        ComparisonQuery {
            internet: internet(clusters[1], typed),
            resolvers: clusters.map(resolvers),
            from: both(&self.from),
            to: both(&self.to),
            focus: both(&self.focus),
        }
    }

    fn compare<'i>(
        &self,
        name: Option<String>,
        views: [&'i ClusterView; 2],
        typed: SourceId,
        notes: &mut Vec<String>,
    ) -> DiffedCluster<'i> {
        let clusters = views.map(ClusterView::cluster);
        let query = self.query(clusters, typed);
        let engines = clusters.map(Engine::new);
        let comparison = Comparison::new(&engines[0], &engines[1], &query);
        let join = |objects| views[1].with_objects(objects);
        let blame = Blame::new(clusters[0], clusters[1], &join);
        let causes = comparison
            .lines
            .iter()
            .map(|line| causes(&blame, &comparison, line));
        let causes = causes.collect();
        if blame.is_spent() {
            notes.push(format!(
                "what is to blame is not told of all changes: {} MiB of manifests were tried",
                MAX_TRIED >> 20
            ));
        }
        DiffedCluster {
            name,
            causes,
            opaque: opaque(clusters[1]),
            clusters,
            query,
            comparison,
        }
    }

    fn outcome(&self, report: &DiffReport<'_>) -> Outcome {
        let counts = report.counts();
        let is_same = report.is_same();
        let opens =
            report.opens_elsewhere || counts.opened > 0 || !report.clusters_added.is_empty();
        let closes =
            report.closes_elsewhere || counts.closed > 0 || !report.clusters_removed.is_empty();
        let is_at = |level: Level| report.level().is_some_and(|highest| highest <= level);
        let is_good = match (self.expect, self.fail_on) {
            (Some(Expectation::Same), _) => !opens && !closes,
            (Some(Expectation::Narrower), _) => !opens,
            (Some(Expectation::Wider), _) => !closes,
            (None, FailOn::Any) => is_same,
            (None, FailOn::Opened) => !opens,
            (None, FailOn::Closed) => !closes,
            (None, FailOn::High) => !is_at(Level::High),
            (None, FailOn::Medium) => !is_at(Level::Medium),
            (None, FailOn::Low) => !is_at(Level::Low),
            (None, FailOn::Never) => true,
        };
        // What nobody knows refutes a good answer, and none that is bad already.
        let is_unknown = counts.unknown > 0 || report.is_left_open;
        let is_open_question = is_unknown && self.fail_on != FailOn::Never;
        let only_unknown = !opens && !closes && is_unknown && self.fail_on == FailOn::Any;
        match is_good || only_unknown {
            true => Outcome::Good.with_problems(is_open_question),
            false => Outcome::No,
        }
    }
}

/// The ends that a text means in a cluster.
fn ends(cluster: &Cluster, text: &str, typed: SourceId) -> Result<EndSet, Mistake> {
    let lookup = Lookup {
        cluster,
        namespace: None,
        source: typed,
    };
    choice(&lookup, text)
}

/// What is to blame for a line: for its first pair of two ends that both clusters have.
fn causes(blame: &Blame<'_>, comparison: &Comparison, line: &Line) -> Vec<Cause> {
    if line.is_of_new_or_gone {
        return Vec::new();
    }
    let ends = |ends: &LineEnds| -> Vec<BlamedEnd> {
        match ends {
            LineEnds::Workloads(places) => {
                let pairs = places.iter().map(|place| comparison.workloads[*place]);
                pairs.map(BlamedEnd::Workload).collect()
            }
            LineEnds::Outside(ranges) => ranges.iter().copied().map(BlamedEnd::Outside).collect(),
        }
    };
    let (sources, destinations) = (ends(&line.sources), ends(&line.destinations));
    // Two different ends tell more than one with itself.
    let pair = sources
        .iter()
        .flat_map(|source| {
            destinations
                .iter()
                .map(move |destination| (source, destination))
        })
        .take(sources.len() + 1)
        .find(|(source, destination)| source != destination)
        .or_else(|| sources.first().zip(destinations.first()));
    match pair {
        Some((source, destination)) => {
            blame.causes(line.moved, *source, *destination, &line.connections)
        }
        None => Vec::new(),
    }
}

/// The workloads whose labels another tool fills in.
fn opaque(cluster: &Cluster) -> Vec<(String, Span)> {
    let opaque = cluster.workload_ids().filter_map(|id| {
        let object = &cluster.workload(id).object;
        let span = object.meta.holes.first_in(object.labels_span)?;
        Some((cluster.workload_name(id), span))
    });
    opaque.collect()
}
