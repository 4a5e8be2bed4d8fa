//! `npcheck reach`: can one end talk to another, and why (not)?
//!
//! Refuses to judge: it puts the question to the engine pair by pair, and brings pairs
//! with one outcome for one reason together.

mod built;
mod change;
pub(super) mod complaint;
mod entrance;
mod focus;
mod group;
mod names;
mod opened;
mod outcomes;
mod own_node;
mod report;

use super::Paths;
use super::complete;
use super::configuration::{ClusterOptions, StagedOptions};
use super::endpoint::{End, Form, Lookup, Mistake, Resolved};
use super::exit::Outcome;
use super::input::Input;
use super::port::{Asked, PortQuestion, asked_at};
use super::target::{self, Target};
use super::terminal::{Terminal, Verbosity};
use crate::cluster::Cluster;
use crate::engine::{Endpoint, Judge, OtherPlugins, PluginDifferences, set_aside, uniform_ranges};
use crate::k8s::Direction;
use crate::lint::Inventory;
use crate::manifest::Focus;
use crate::output::{
    Change, Detail, Ends, IngressEntrance, MAX_REASONED, ReachAnswer, ReachFormat, ReachOutcome,
    ReachReport, Why,
};
use crate::source::{SourceId, SourceMap};
use crate::workspace::{BuiltObjects, ClusterView, Workspace};
use clap::{Args, ValueEnum};
use group::{Group, Piece};
use report::report;
use std::io;
use std::sync::Arc;

/// Ask whether one end can talk to another, and why (not)
///
/// SRC and DST are workloads (`shop/web`, `shop/deploy/web`, `web` with -n shop), labels
/// (`shop/app=web`), pods that do not exist yet (`shop/+app=new`, `+team=x/+app=new`),
/// Services (`shop/svc/web`), addresses (`10.0.0.0/8`, `203.0.113.7`), `internet`, `any`,
/// `node` or `apiserver`; under Cilium also DNS names (`fqdn:api.example.org`) and entities
/// (`entity:ingress`).
#[derive(Clone, Debug, Args)]
pub(super) struct Options {
    /// Who opens the connection
    #[arg(value_name = "SRC", add = complete::ends())]
    from: String,
    /// The destination
    #[arg(value_name = "DST", add = complete::ends())]
    to: String,
    #[command(flatten)]
    paths: Paths,
    /// A port of the destination: 8080, 53/udp, http, 8000-8100; all ports if omitted
    #[arg(short, long = "port", value_name = "PORT", add = complete::ports())]
    ports: Vec<String>,
    /// The namespace of names without one
    #[arg(short, long, value_name = "NAMESPACE", add = complete::namespaces())]
    namespace: Option<String>,
    /// How to show the answer, and where: text or json; repeatable
    #[arg(
        short,
        long = "output",
        value_name = "FORMAT[=FILE]",
        default_value = "text",
        add = complete::formats::<ReachFormat>()
    )]
    output: Vec<Target<ReachFormat>>,
    /// Succeed if the answer is this one
    #[arg(long, value_enum, value_name = "ANSWER", default_value = "allowed")]
    expect: Expectation,
    /// One line for every pair, even where many have one outcome
    #[arg(long)]
    all_pairs: bool,
    #[command(flatten)]
    clusters: ClusterOptions,
    #[command(flatten)]
    staged: StagedOptions,
}

/// More pairs than this are no question that anybody reads the answer to.
const MAX_PAIRS: usize = 4_000_000;

/// How much may be compared for an answer, in values of selectors, so that it takes seconds.
const MAX_WORK: usize = 30_000_000;

/// How many groups of pairs may be explained: nobody reads more.
const MAX_GROUPS: usize = 20_000;

/// An answer that may be expected.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Expectation {
    /// All of it is allowed
    Allowed,
    /// None of it is allowed
    Blocked,
    /// Some of it is allowed
    Partly,
}

impl Expectation {
    fn is_met_by(self, outcome: ReachOutcome) -> bool {
        matches!(
            (self, outcome),
            (Self::Allowed, ReachOutcome::Allowed)
                | (Self::Blocked, ReachOutcome::Blocked)
                | (Self::Partly, ReachOutcome::Partly)
        )
    }
}

pub(super) fn run(options: &Options, terminal: &mut Terminal) -> io::Result<Outcome> {
    let clusters = (&options.clusters, options.staged);
    let focus = focus::of([&options.from, &options.to], options.namespace.as_deref());
    let (targets, paths) = (&options.output, &options.paths);
    let input = match Input::answering_about(&focus, targets, paths, clusters, terminal) {
        Ok(input) => input,
        Err(outcome) => return Ok(outcome),
    };
    if input.workspace.is_partial() {
        return match answer_within(&focus, options, &input, terminal)? {
            Some(outcome) => Ok(outcome),
            None => answer(options, &input.whole(), terminal),
        };
    }
    answer(options, &input, terminal)
}

/// Answers what the options ask of an input that was read for the focus; `None` where that is not
/// enough for an answer.
fn answer_within(
    focus: &Focus,
    options: &Options,
    input: &Input,
    terminal: &mut Terminal,
) -> io::Result<Option<Outcome>> {
    let (sources, arguments) = with_arguments(options, &input.workspace);
    let questions = Question::all(options, &input.workspace, &sources, arguments);
    let Ok(questions) = questions else {
        return Ok(None);
    };
    let Some(groups) = focus::enough(focus, &questions) else {
        return Ok(None);
    };
    let groups = groups.into_iter().map(Ok);
    let asked = questions.iter().zip(groups);
    match report(options, input, &sources, asked) {
        Ok(report) => tell(options, input, &report, terminal).map(Some),
        Err(_) => Ok(None),
    }
}

/// Answers what the options ask.
fn answer(options: &Options, input: &Input, terminal: &mut Terminal) -> io::Result<Outcome> {
    let (sources, arguments) = with_arguments(options, &input.workspace);
    let questions = match Question::all(options, &input.workspace, &sources, arguments) {
        Ok(mut questions) => {
            // Clusters are compared by all reasons.
            if input.workspace.clusters().len() == 1 && !options.shows_reasons(terminal.verbosity) {
                let questions = questions.iter_mut();
                questions.for_each(|question| question.explained = MAX_REASONED);
            }
            questions
        }
        Err((typed, mistake)) => {
            complaint::complain(terminal, &sources, typed, &mistake);
            return Ok(Outcome::Incomplete);
        }
    };
    let asked = questions.iter();
    let asked = asked.map(|question| (question, question.groups()));
    match report(options, input, &sources, asked) {
        Ok(report) => tell(options, input, &report, terminal),
        Err(mistake) => {
            complaint::complain(terminal, &sources, &options.to, &mistake);
            Ok(Outcome::Incomplete)
        }
    }
}

/// The texts with what was typed, which is a text like any other, so that labels in it have a
/// place.
fn with_arguments(options: &Options, workspace: &Workspace) -> (SourceMap, [SourceId; 2]) {
    let mut sources = workspace.sources().clone();
    let arguments = [&options.from, &options.to].map(|typed| sources.add("<arguments>", typed));
    (sources, arguments)
}

/// Writes the answers.
fn tell(
    options: &Options,
    input: &Input,
    report: &ReachReport<'_>,
    terminal: &mut Terminal,
) -> io::Result<Outcome> {
    let is_met = |outcome: &ReachOutcome| options.expect.is_met_by(*outcome);
    let outcome = match report.outcome {
        ReachOutcome::Unknown => Outcome::Incomplete,
        _ => Outcome::answer(report.outcomes().iter().all(is_met)),
    };
    let detail = match terminal.verbosity {
        Verbosity::Quiet => Detail::Answer,
        Verbosity::Normal => Detail::Reasons,
        Verbosity::Verbose => Detail::Everything,
    };
    target::write_all(&options.output, terminal, |format, style, out| {
        format.write(report, style, detail, out)
    })?;
    input.report_not_judged(terminal);
    input.report_broken_builds(terminal);
    let is_doubtful = report.not_judged.has_faults() || input.has_broken_builds();
    Ok(outcome.with_problems(input.is_incomplete() || is_doubtful))
}

/// Where a question is asked.
#[derive(Clone, Copy)]
struct Scene<'q> {
    workspace: &'q Workspace,
    view: &'q ClusterView,
    /// The cluster of the view.
    cluster: &'q Cluster,
    /// The texts of the workspace, and what was typed.
    sources: &'q SourceMap,
}

/// A question in a cluster.
struct Question<'q> {
    options: &'q Options,
    scene: Scene<'q>,
    from: Resolved,
    to: Resolved,
    ports: Vec<PortQuestion>,
    /// The text that the ends stand in.
    source: SourceId,
    /// Of more answers than this nobody is told the reasons.
    explained: usize,
}

impl<'q> Question<'q> {
    /// What the arguments ask in every cluster that has both ends; else the argument that
    /// means nothing.
    fn all(
        options: &'q Options,
        workspace: &'q Workspace,
        sources: &'q SourceMap,
        arguments: [SourceId; 2],
    ) -> Result<Vec<Self>, (&'q str, Mistake)> {
        let mut questions = Vec::new();
        let mut unknown = None;
        for view in workspace.clusters() {
            let question = |cluster| {
                let scene = Scene {
                    workspace,
                    view,
                    cluster,
                    sources,
                };
                Self::new(options, scene, arguments)
            };
            let of_owners = question(view.cluster());
            // A pod of a dump by its name: where its own labels count, it speaks for itself.
            let answer = match &of_owners {
                Ok(asked) if asked.from.is_owned || asked.to.is_owned => question(view.endpoints()),
                _ => of_owners,
            };
            match answer {
                Ok(question) => questions.push(question),
                // Another cluster may have such an end: only Cilium's has entities.
                Err((
                    typed,
                    mistake @ (Mistake::Unknown { .. } | Mistake::Unanswerable { .. }),
                )) => {
                    unknown = unknown.or(Some((typed, mistake)));
                }
                Err(mistake) => return Err(mistake),
            }
        }
        // A cluster without pods at either end has nothing to say beside one that has some.
        if questions.iter().any(Self::is_about_pods) {
            questions.retain(Self::is_about_pods);
        }
        match unknown {
            Some(mistake) if questions.is_empty() => Err(mistake),
            _ => Ok(questions),
        }
    }

    fn is_about_pods(&self) -> bool {
        let mut ends = self.from.ends.iter().chain(&self.to.ends);
        ends.any(|end| !matches!(end, End::Addresses(_) | End::Entity(_) | End::Domain(_)))
    }

    /// What the arguments ask in one cluster.
    fn new(
        options: &'q Options,
        scene: Scene<'q>,
        [from, to @ typed]: [SourceId; 2],
    ) -> Result<Self, (&'q str, Mistake)> {
        let mut ports = Vec::new();
        for text in &options.ports {
            ports.push(PortQuestion::parse(text).map_err(|mistake| (text.as_str(), mistake))?);
        }
        let lookup = |source| Lookup {
            cluster: scene.cluster,
            namespace: options.namespace.as_deref(),
            source,
        };
        let resolve = |text: &'q String, source| {
            let resolved = lookup(source).resolve(text);
            resolved.map_err(|mistake| (text.as_str(), mistake))
        };
        let source = from;
        let mut from = resolve(&options.from, source)?;
        if options.from == Form::ANY {
            // Whatever else runs in the cluster may ask as well.
            let inventory = &scene.view.settings().inventory;
            let is_pod = |end: &End| !matches!(end, End::Addresses(_));
            let pods = from.ends.iter().take_while(|end| is_pod(end)).count();
            let undeclared = lookup(source).undeclared(inventory);
            from.ends.splice(pods..pods, undeclared);
        }
        let to = resolve(&options.to, to)?;
        Ok(Self {
            options,
            scene,
            from,
            to,
            ports,
            source: typed,
            explained: usize::MAX,
        })
    }

    /// Which namespaces are known whole.
    fn inventory(&self) -> &'q Inventory {
        &self.scene.view.settings().inventory
    }

    /// The ends of one side of the question, addresses cut where policies tell them apart.
    fn pieces<'s>(&'s self, resolved: &'s Resolved) -> Vec<Arc<Piece<'s>>> {
        let cluster = self.scene.cluster;
        let mut pieces = Vec::new();
        for (place, end) in resolved.ends.iter().enumerate() {
            match end {
                End::Addresses(range) => {
                    let ranges = uniform_ranges(cluster, range).into_iter();
                    let pieces_of = ranges.map(|range| Piece {
                        place,
                        endpoint: Endpoint::Address(range),
                    });
                    pieces.extend(pieces_of.map(Arc::new));
                }
                End::Workload(_)
                | End::Address(..)
                | End::Replica(..)
                | End::Hypothetical(_)
                | End::Entity(_)
                | End::Domain(_) => {
                    let endpoint = end.endpoint(cluster, self.inventory());
                    pieces.push(Arc::new(Piece { place, endpoint }));
                }
            }
        }
        pieces
    }

    /// The pairs of ends by outcome and reason.
    fn groups(&self) -> Result<Vec<Group<'_>>, Mistake> {
        let asked: Vec<Asked> = self
            .to
            .ends
            .iter()
            .map(|end| asked_at(&self.ports, self.scene.cluster, &self.to, end))
            .collect::<Result<_, _>>()?;
        let is_dead_end =
            |asked: &Asked| asked.connections.as_ref().is_some_and(|set| set.is_empty());
        // A name that means nothing at any destination is a mistake of the question.
        if self.to.service.is_none()
            && let Some(first) = asked.first()
            && asked.iter().all(is_dead_end)
        {
            let reason = first.dead_ends.join("; ");
            return Err(Mistake::Unanswerable {
                reason,
                seen: Vec::new(),
            });
        }
        let (sources, destinations) = (self.pieces(&self.from), self.pieces(&self.to));
        let pairs = sources.len().saturating_mul(destinations.len());
        let too_many = || {
            let reason = format!(
                "{} sources with {} destinations are too many pairs: ask for fewer, or see \
                 `npcheck graph`",
                sources.len(),
                destinations.len()
            );
            Mistake::Unanswerable {
                reason,
                seen: Vec::new(),
            }
        };
        if pairs > MAX_PAIRS {
            return Err(too_many());
        }
        let judge = Judge::new(self.scene.cluster);
        let ends = (&sources[..], &destinations[..]);
        let limits = group::Limits {
            work: MAX_WORK,
            groups: MAX_GROUPS,
            explained: self.explained,
        };
        let groups = group::groups(&judge, ends, &asked, self.options.all_pairs, limits);
        let groups = groups.ok_or_else(too_many)?;
        if groups.is_empty() {
            let reason = "both ends are outside the cluster, where no policy is asked".to_owned();
            return Err(Mistake::Unanswerable {
                reason,
                seen: Vec::new(),
            });
        }
        Ok(groups)
    }

    /// The answers in this cluster, without the clusters that they are good for.
    fn answers<'s>(&'s self, groups: Vec<Group<'s>>) -> Vec<ReachAnswer<'s>> {
        let reasons = Reasons {
            changes: groups.len() <= change::MAX_ANSWERS,
            others: groups.len() <= self.explained,
        };
        let plugins = OtherPlugins::new(self.scene.cluster);
        let differences = PluginDifferences::new(self.scene.cluster, &plugins);
        let groups = groups.into_iter();
        let built = BuiltObjects::new(self.scene.view.part());
        let answer = |group| self.answer(group, reasons, &differences, &built);
        groups.map(answer).collect()
    }

    /// What a person should know about how the question was read here.
    fn notes(&self) -> impl Iterator<Item = &String> {
        self.from.notes.iter().chain(&self.to.notes)
    }

    /// What a person should know about names of the DNS that are asked about.
    fn notes_on_names(&self) -> Vec<String> {
        let from = self.pieces(&self.from).into_iter();
        let from: Vec<Endpoint<'_>> = from.map(|piece| piece.endpoint.clone()).collect();
        names::unseen_names(self.scene.cluster, &from, &self.to.ends)
    }

    /// What would allow what is blocked; for the pods that bring in the traffic, where it comes
    /// from the internet and they are known.
    fn changes(&self, group: &Group<'_>) -> (Option<IngressEntrance>, Vec<Change>) {
        match entrance::entrance(self, group) {
            Some((entrance, changes)) => (Some(entrance), changes),
            None => {
                let ends = (&self.from, &self.to);
                let changes = change::changes(self.scene, self.inventory(), group, ends);
                (None, changes)
            }
        }
    }

    fn answer<'s>(
        &'s self,
        group: Group<'s>,
        reasons: Reasons,
        differences: &PluginDifferences<'s, '_>,
        built: &BuiltObjects<'s>,
    ) -> ReachAnswer<'s> {
        let cluster = self.scene.cluster;
        let (from, to) = (&group.example.0, &group.example.1);
        let asked_or_all = group
            .asked
            .connections
            .clone()
            .unwrap_or_else(crate::engine::ConnectionSet::all);
        let is_change_wanted = reasons.changes
            && group.outcome.is_blocked_somewhere()
            && self.options.output_wants_changes();
        let (entrance, changes) = match is_change_wanted {
            true => self.changes(&group),
            false => (None, Vec::new()),
        };
        let differences = match reasons.others {
            true => differences.between(&from.endpoint, &to.endpoint, &asked_or_all),
            false => Vec::new(),
        };
        let sides = [
            (Direction::Egress, &from.endpoint),
            (Direction::Ingress, &to.endpoint),
        ];
        let sides = sides.into_iter().filter(|_| reasons.others);
        let set_aside = sides.flat_map(|(direction, end)| {
            let set_aside = set_aside(cluster, end, direction).into_iter();
            set_aside.map(move |it| (direction, it))
        });
        let set_aside = set_aside.collect();
        let sources = group.ends(cluster, &self.from, group::Side::Source);
        let destinations = group.ends(cluster, &self.to, group::Side::Destination);
        // Addresses that come out alike are explained under their common name.
        let name = |ends: &Ends, piece: &Piece<'_>, resolved| match &ends.names[..] {
            [name] => name.clone(),
            _ => piece.name(cluster, resolved),
        };
        ReachAnswer {
            clusters: Vec::new(),
            cluster,
            outcome: group.outcome,
            pairs: group.pairs,
            allowed: group.allowed.clone(),
            blocked: asked_or_all
                .difference(&group.allowed)
                .difference(&group.unknown),
            unknown: group.unknown.clone(),
            asked: group.asked.connections.clone(),
            translations: group.asked.translations.clone(),
            dead_ends: group.asked.dead_ends.clone(),
            built: match reasons.others {
                true => built::built(self.scene, built, [from, to], &group.explanation),
                false => Vec::new(),
            },
            why: Why {
                from: name(&sources, from, &self.from),
                to: name(&destinations, to, &self.to),
                explanation: group.explanation,
                changes,
                entrance,
                differences,
                set_aside,
            },
            from: sources,
            to: destinations,
        }
    }
}

/// Which reasons somebody is told.
#[derive(Clone, Copy)]
struct Reasons {
    changes: bool,
    others: bool,
}

impl Options {
    /// Whether somebody sees the reasons of any number of answers.
    fn shows_reasons(&self, verbosity: Verbosity) -> bool {
        let mut targets = self.output.iter();
        verbosity == Verbosity::Verbose || targets.any(|target| target.format != ReachFormat::Text)
    }

    /// Whether anybody would see what could be changed.
    fn output_wants_changes(&self) -> bool {
        self.expect != Expectation::Blocked
    }
}
