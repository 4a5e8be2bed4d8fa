//! The answer to `npcheck reach`, as its formats get it: what was asked, one answer for
//! every distinct outcome, and the facts that each rests on.
//!
//! Refuses to decide anything, and to know how a question was typed.

use super::{Style, reach_json, reach_text};
use crate::cluster::Cluster;
use crate::engine::{ConnectionSet, Explanation, PluginDifference, SetAside};
use crate::k8s::Direction;
use crate::source::{SourceMap, Span};
use crate::workspace::{ChangedObject, NotJudged};
use std::io::{self, Write};
use std::sync::Arc;

/// With more answers than this the table of them is the answer for people, and reasons are
/// asked for one by one.
pub const MAX_REASONED: usize = 12;

/// The answer to one question.
#[derive(Debug)]
pub struct ReachReport<'a> {
    /// The texts that the facts point into.
    pub sources: &'a SourceMap,
    /// The source as it was typed.
    pub from: &'a str,
    /// The destination as it was typed.
    pub to: &'a str,
    /// The ports as they were typed; none if all are asked for.
    pub ports: Vec<&'a str>,
    /// How it came out for everything that was asked.
    pub outcome: ReachOutcome,
    /// The clusters of the tree, if it holds several.
    pub clusters: Vec<&'a str>,
    /// One for every distinct outcome, the blocked ones first; of clusters that do not agree,
    /// those of one after those of the other.
    pub answers: Vec<ReachAnswer<'a>>,
    /// What a person should know about how the question was read.
    pub notes: Vec<String>,
    /// What could not be read, so that the answer may be wrong.
    pub problems: Vec<String>,
    /// What belongs to the clusters and was not judged.
    pub not_judged: NotJudged,
}

impl ReachReport<'_> {
    /// How the question came out in each of the clusters that differ.
    #[must_use]
    pub fn outcomes(&self) -> Vec<ReachOutcome> {
        let mut outcomes: Vec<(&[&str], ReachOutcome)> = Vec::new();
        for answer in &self.answers {
            match outcomes.last_mut() {
                Some((clusters, outcome)) if *clusters == answer.clusters => {
                    *outcome = outcome.and(answer.outcome);
                }
                _ => outcomes.push((&answer.clusters, answer.outcome)),
            }
        }
        outcomes.into_iter().map(|(_, outcome)| outcome).collect()
    }
}

/// How a question came out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ReachOutcome {
    /// Nothing that was asked for is allowed.
    Blocked,
    /// Some of it is allowed, some is not.
    Partly,
    /// It depends on something that is not among the inputs.
    Unknown,
    /// All of it is allowed.
    Allowed,
}

impl ReachOutcome {
    /// Whether something that was asked for is not allowed.
    #[must_use]
    pub fn is_blocked_somewhere(self) -> bool {
        matches!(self, Self::Blocked | Self::Partly)
    }

    /// How two questions with these outcomes come out together.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        match (self, other) {
            (one, other) if one == other => one,
            (Self::Unknown, _) | (_, Self::Unknown) => Self::Unknown,
            _ => Self::Partly,
        }
    }

    /// The word for it in every format.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Allowed => "allowed",
            Self::Blocked => "blocked",
            Self::Partly => "partly",
            Self::Unknown => "unknown",
        }
    }
}

/// All pairs of ends with one outcome, for one reason.
#[derive(Debug)]
pub struct ReachAnswer<'a> {
    /// The clusters that it is good for; none if the tree holds only one.
    pub clusters: Vec<&'a str>,
    /// The cluster that the facts are about: the first of them.
    pub cluster: &'a Cluster,
    /// How it came out.
    pub outcome: ReachOutcome,
    /// The sources.
    pub from: Ends,
    /// The destinations.
    pub to: Ends,
    /// How many pairs these are: every source with every destination, if that is the
    /// product of both.
    pub pairs: usize,
    /// The connections that were asked for; `None` if all were.
    pub asked: Option<ConnectionSet>,
    /// Those of them that are allowed.
    pub allowed: ConnectionSet,
    /// Those of them that are not.
    pub blocked: ConnectionSet,
    /// Those of them for which it is not known.
    pub unknown: ConnectionSet,
    /// Ports of a Service that lead to other ports of the pods.
    pub translations: Vec<String>,
    /// Ports that lead nowhere.
    pub dead_ends: Vec<String>,
    /// Why, by the example of one of the pairs.
    pub why: Why<'a>,
    /// The ends and the policies of the explanation that are deployed otherwise than they are
    /// written, each once: the ends first.
    pub built: Vec<BuiltEnd<'a>>,
}

/// An object of an explanation that a build made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BuiltEnd<'a> {
    /// The clusters in which it is made so; none if the tree holds only one.
    pub clusters: Vec<&'a str>,
    /// What it is made from and what changed it.
    pub object: &'a ChangedObject,
}

impl ReachAnswer<'_> {
    /// The connections that were asked for, all of them if none was named.
    #[must_use]
    pub fn asked_or_all(&self) -> ConnectionSet {
        self.asked.clone().unwrap_or_else(ConnectionSet::all)
    }

    /// Whether another answer has the same reasons, wherever they stand.
    #[must_use]
    pub fn is_explained_as(&self, other: &ReachAnswer<'_>, sources: &SourceMap) -> bool {
        reach_json::are_explained_alike(sources, self, other)
    }
}

/// The ends of an answer, by name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ends {
    /// Their names, in order.
    pub names: Arc<[String]>,
    /// How many things were asked for; more than the names if other answers have the rest.
    pub of: usize,
    /// The selection they were asked for by, as typed; `None` if by name.
    pub selection: Option<String>,
}

/// The reasons for an answer.
#[derive(Debug)]
pub struct Why<'a> {
    /// The name of the source that is explained.
    pub from: String,
    /// The name of the destination that is explained.
    pub to: String,
    /// The facts.
    pub explanation: Explanation<'a>,
    /// Changes of the manifests that would allow what is blocked, each of them proved; the
    /// smallest first.
    pub changes: Vec<Change>,
    /// By which pods the internet comes in, where it was asked about and they are known: the
    /// changes are for them.
    pub entrance: Option<IngressEntrance>,
    /// Matters on which network plugins may answer otherwise.
    pub differences: Vec<PluginDifference>,
    /// The policies that read as if they were about the source, for egress, or the
    /// destination, for ingress, and of which nothing is enforced there.
    pub set_aside: Vec<(Direction, SetAside<'a>)>,
}

/// By which pods traffic from outside comes to a destination.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IngressEntrance {
    /// The pods of an ingress controller or gateway, as answers name them.
    pub pods: String,
    /// The object that leads from there to the destination, as `namespace/Kind/name`.
    pub object: String,
    /// Where that object stands.
    pub span: Span,
    /// Whether they may connect already; where no port was asked for, on some.
    pub is_open: bool,
    /// What alone is open then, where it is not everything.
    pub only: Option<ConnectionSet>,
}

/// A change of manifests that would allow what was asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// The places that change, by file and line.
    pub places: Vec<ChangedPlace>,
    /// What else it would open, by source and destination.
    pub opens: Vec<OpenedFlow>,
}

/// Lines of one file that change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChangedPlace {
    /// The file.
    pub file: String,
    /// The line, counted from 1, that the change begins at, or that it comes after if no
    /// line goes.
    pub line: u32,
    /// The lines that go.
    pub removed: Vec<String>,
    /// The lines that come in their place.
    pub added: Vec<String>,
}

/// A flow that a change would open besides; those with addresses come first.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct OpenedFlow {
    /// Whether both ends are workloads.
    pub is_within_cluster: bool,
    /// The source's name.
    pub from: String,
    /// The destination's name.
    pub to: String,
    /// On which ports.
    pub connections: ConnectionSet,
}

/// A format of the answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[cfg_attr(feature = "cli", derive(clap::ValueEnum))]
pub enum ReachFormat {
    /// For people
    Text,
    /// For machines; the schema is docs/schemas/reach.schema.json
    Json,
}

/// How much of the reasons is shown to people.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Detail {
    /// The answer alone.
    Answer,
    /// The rules that decide or come near.
    Reasons,
    /// Every rule that was asked.
    Everything,
}

impl ReachFormat {
    /// Writes the answer. Only the text obeys `style` and `detail`.
    pub fn write(
        self,
        report: &ReachReport<'_>,
        style: Style,
        detail: Detail,
        out: &mut dyn Write,
    ) -> io::Result<()> {
        match self {
            Self::Text => reach_text::write(report, style, detail, out),
            Self::Json => reach_json::write(report, out),
        }
    }
}
