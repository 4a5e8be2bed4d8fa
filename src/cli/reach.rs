//! `npcheck reach`: can one end talk to another, and why (not)?
//!
//! Refuses to judge: it puts the question to the engine pair by pair, and brings pairs
//! with one outcome for one reason together.

mod change;
pub(super) mod complaint;
mod complete;
mod group;
mod opened;

use super::Paths;
use super::configuration::{Configuration, ConfigurationOptions};
use super::endpoint::{End, Lookup, Mistake, Resolved};
use super::exit::Outcome;
use super::input::Input;
use super::port::{Asked, PortQuestion, asked_at};
use super::terminal::{Terminal, Verbosity};
use crate::engine::{Endpoint, plugin_differences, uniform_ranges};
use crate::lint::Inventory;
use crate::output::{Detail, Ends, ReachAnswer, ReachFormat, ReachOutcome, ReachReport, Why};
use clap::{Args, ValueEnum};
use group::{Group, Piece};
use std::collections::BTreeSet;
use std::io;

/// Ask whether one end can talk to another, and why (not)
///
/// SRC and DST are workloads (`shop/web`, `shop/deploy/web`, `web` with -n shop), labels
/// (`shop/app=web`), pods that do not exist yet (`shop/+app=new`, `+team=x/+app=new`),
/// Services (`shop/svc/web`), addresses (`10.0.0.0/8`, `203.0.113.7`), `internet` or `any`.
#[derive(Clone, Debug, Args)]
#[command(after_help = "\
Examples:
  npcheck reach shop/web shop/cart -p 8080
  npcheck reach shop/web shop/svc/cart -p http k8s/
  npcheck reach any shop/db -p 5432 --expect blocked
  npcheck reach shop/+app=new internet -p 443")]
pub(super) struct Options {
    /// Who opens the connection
    #[arg(value_name = "SRC", add = complete::completer())]
    from: String,
    /// Whom to
    #[arg(value_name = "DST", add = complete::completer())]
    to: String,
    #[command(flatten)]
    paths: Paths,
    /// A port of the destination: 8080, 53/udp, http, 8000-8100; all ports if there is none
    #[arg(short, long = "port", value_name = "PORT")]
    ports: Vec<String>,
    /// The namespace of names without one
    #[arg(short, long, value_name = "NAMESPACE")]
    namespace: Option<String>,
    /// How to show the answer
    #[arg(
        short,
        long = "output",
        value_enum,
        value_name = "FORMAT",
        default_value = "text"
    )]
    output: ReachFormat,
    /// Succeed if the answer is this one
    #[arg(long, value_enum, value_name = "ANSWER", default_value = "allowed")]
    expect: Expectation,
    /// One line for every pair, even where many have one outcome
    #[arg(long)]
    all_pairs: bool,
    /// The manifests are all there is: namespaces without one have no labels but their name
    #[arg(long)]
    complete: bool,
    #[command(flatten)]
    configuration: ConfigurationOptions,
}

/// More pairs than this are no question that anybody reads the answer to.
const MAX_PAIRS: usize = 4_000_000;

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
    let Ok(configuration) = Configuration::load(&options.configuration, terminal) else {
        return Ok(Outcome::Incomplete);
    };
    let inventory = match options.complete {
        true => Inventory::Complete,
        false => configuration.config.settings.inventory,
    };
    let mut input = Input::read(&options.paths);
    input.report_problems(terminal);
    if input.is_empty() {
        input.report_nothing(&options.paths, terminal);
        return Ok(Outcome::Nothing.with_problems(input.is_incomplete()));
    }
    // What was typed is a text like any other, so that labels in it have a place.
    let [from, to] =
        [&options.from, &options.to].map(|typed| input.reading.sources.add("<arguments>", typed));
    let question = match Question::new(options, &input, inventory, [from, to]) {
        Ok(question) => question,
        Err((typed, mistake)) => {
            complaint::complain(terminal, &input, typed, &mistake);
            return Ok(Outcome::Incomplete);
        }
    };
    let groups = match question.groups() {
        Ok(groups) => groups,
        Err(mistake) => {
            complaint::complain(terminal, &input, &options.to, &mistake);
            return Ok(Outcome::Incomplete);
        }
    };
    let report = question.report(groups);
    let outcome = match report.outcome {
        ReachOutcome::Unknown => Outcome::Incomplete,
        outcome => Outcome::answer(options.expect.is_met_by(outcome)),
    };
    let detail = match terminal.verbosity {
        Verbosity::Quiet => Detail::Answer,
        Verbosity::Normal => Detail::Reasons,
        Verbosity::Verbose => Detail::Everything,
    };
    let style = terminal.style;
    let written = options.output.write(&report, style, detail, terminal.out());
    terminal.finish(written)?;
    complaint::say_what_is_left_out(terminal, &input);
    Ok(outcome.with_problems(input.is_incomplete()))
}

/// A question in a cluster.
struct Question<'q> {
    options: &'q Options,
    input: &'q Input,
    from: Resolved,
    to: Resolved,
    ports: Vec<PortQuestion>,
    /// Which namespaces are known whole.
    inventory: Inventory,
}

impl<'q> Question<'q> {
    /// What the arguments ask; else the argument that means nothing.
    fn new(
        options: &'q Options,
        input: &'q Input,
        inventory: Inventory,
        [from, to]: [crate::source::SourceId; 2],
    ) -> Result<Self, (&'q str, Mistake)> {
        let mut ports = Vec::new();
        for text in &options.ports {
            ports.push(PortQuestion::parse(text).map_err(|mistake| (text.as_str(), mistake))?);
        }
        let resolve = |text: &'q String, source| {
            let namespace = options.namespace.as_deref();
            let lookup = Lookup {
                cluster: &input.cluster,
                namespace,
                source,
            };
            lookup
                .resolve(text)
                .map_err(|mistake| (text.as_str(), mistake))
        };
        let from = resolve(&options.from, from)?;
        let to = resolve(&options.to, to)?;
        Ok(Self {
            options,
            input,
            from,
            to,
            ports,
            inventory,
        })
    }

    /// The ends of one side of the question, addresses cut where policies tell them apart.
    fn pieces<'s>(&'s self, resolved: &'s Resolved) -> Vec<Piece<'s>> {
        let cluster = &self.input.cluster;
        let mut pieces = Vec::new();
        for (place, end) in resolved.ends.iter().enumerate() {
            match end {
                End::Addresses(range) => {
                    let ranges = uniform_ranges(cluster, range).into_iter();
                    pieces.extend(ranges.map(|range| Piece {
                        place,
                        endpoint: Endpoint::Address(range),
                    }));
                }
                End::Workload(_) | End::Address(..) | End::Hypothetical(_) => {
                    let endpoint = end.endpoint(cluster, &self.inventory);
                    pieces.push(Piece { place, endpoint });
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
            .map(|end| asked_at(&self.ports, &self.input.cluster, &self.to, end))
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
        if sources.len().saturating_mul(destinations.len()) > MAX_PAIRS {
            let reason = format!(
                "{} sources with {} destinations are too many pairs: ask for fewer, or see \
                 `npcheck graph`",
                sources.len(),
                destinations.len()
            );
            return Err(Mistake::Unanswerable {
                reason,
                seen: Vec::new(),
            });
        }
        let groups = group::groups(
            &self.input.cluster,
            (&sources, &destinations),
            &asked,
            self.options.all_pairs,
        );
        if groups.is_empty() {
            let reason = "both ends are outside the cluster, where no policy is asked".to_owned();
            return Err(Mistake::Unanswerable {
                reason,
                seen: Vec::new(),
            });
        }
        Ok(groups)
    }

    fn report<'s>(&'s self, groups: Vec<Group<'s>>) -> ReachReport<'s> {
        let explains = groups.len() <= change::MAX_ANSWERS;
        let answers: Vec<_> = groups
            .into_iter()
            .map(|group| self.answer(group, explains))
            .collect();
        let notes: BTreeSet<_> = self
            .from
            .notes
            .iter()
            .chain(&self.to.notes)
            .cloned()
            .collect();
        ReachReport {
            sources: &self.input.sources,
            cluster: &self.input.cluster,
            from: &self.options.from,
            to: &self.options.to,
            ports: self.ports.iter().map(|port| port.text.as_str()).collect(),
            outcome: overall(answers.iter().map(|answer| answer.outcome)),
            answers,
            notes: notes.into_iter().collect(),
            problems: self
                .input
                .problems
                .iter()
                .map(|problem| problem.name.clone())
                .collect(),
        }
    }

    fn answer<'s>(&'s self, group: Group<'s>, explains: bool) -> ReachAnswer<'s> {
        let cluster = &self.input.cluster;
        let (from, to) = (&group.example.0, &group.example.1);
        let asked_or_all = group
            .asked
            .connections
            .clone()
            .unwrap_or_else(crate::engine::ConnectionSet::all);
        let changes = if explains
            && group.outcome.is_blocked_somewhere()
            && self.options.output_wants_changes()
        {
            change::changes(self.input, &self.inventory, &group, (&self.from, &self.to))
        } else {
            Vec::new()
        };
        let differences = plugin_differences(cluster, &from.endpoint, &to.endpoint, &asked_or_all);
        let sources = group.ends(cluster, &self.from, group::Side::Source);
        let destinations = group.ends(cluster, &self.to, group::Side::Destination);
        // Addresses that come out alike are explained under their common name.
        let name = |ends: &Ends, piece: &Piece<'_>, resolved| match &ends.names[..] {
            [name] => name.clone(),
            _ => piece.name(cluster, resolved),
        };
        ReachAnswer {
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
            why: Why {
                from: name(&sources, from, &self.from),
                to: name(&destinations, to, &self.to),
                explanation: group.explanation,
                changes,
                differences,
            },
            from: sources,
            to: destinations,
        }
    }
}

impl Options {
    /// Whether anybody would see what could be changed.
    fn output_wants_changes(&self) -> bool {
        self.expect != Expectation::Blocked
    }
}

/// How a question with several answers came out.
fn overall(outcomes: impl Iterator<Item = ReachOutcome>) -> ReachOutcome {
    let outcomes: BTreeSet<_> = outcomes.collect();
    match outcomes.iter().collect::<Vec<_>>()[..] {
        [one] => *one,
        _ if outcomes.contains(&ReachOutcome::Unknown) => ReachOutcome::Unknown,
        _ => ReachOutcome::Partly,
    }
}
