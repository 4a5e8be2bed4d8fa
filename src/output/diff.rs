//! What a change opens and closes, in every format alike: one file per format.
//!
//! Refuses to know what changed and why; it is handed the comparison with its causes.

mod csv;
mod drawing;
mod github;
mod html;
mod json;
mod markdown;
mod text;
mod words;

use super::place::RepositoryRoot;
use super::style::Style;
use crate::cluster::Cluster;
use crate::graph::{Cause, Comparison, ComparisonQuery, Effect, EndSet, Level, Line, Move};
use crate::source::{SourceMap, Span};
use std::collections::BTreeSet;
use std::io::{self, Write};

/// A format of differences.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[cfg_attr(feature = "cli", derive(clap::ValueEnum))]
pub enum DiffFormat {
    /// A line for flows that change alike, for people
    Text,
    /// All that is known, for programs; see `npcheck schema diff`
    Json,
    /// A table for the comment on a pull request
    Markdown,
    /// Annotations of GitHub Actions
    Github,
    /// One line for each pair of ends and protocol, for spreadsheets
    Csv,
    /// Graphviz, for up to 150 nodes
    Dot,
    /// A Mermaid flowchart for Markdown, for up to 150 nodes
    Mermaid,
    /// A page to explore, in one file
    Html,
}

/// Two states of the manifests, compared.
#[derive(Debug)]
pub struct DiffReport<'a> {
    /// The root of the repository, from which formats for machines name files.
    pub root: &'a RepositoryRoot,
    /// The texts of both.
    pub sources: &'a SourceMap,
    /// What the states are called: `git:main`, `work tree`.
    pub names: [String; 2],
    /// What stands before a place in the state before: `git:main:`, or nothing where its
    /// files have names of their own.
    pub prefix: String,
    /// The clusters that both states have.
    pub clusters: Vec<DiffedCluster<'a>>,
    /// The clusters that only the state after has.
    pub clusters_added: Vec<String>,
    /// The clusters that only the state before has.
    pub clusters_removed: Vec<String>,
    /// The public addresses.
    pub internet: &'a EndSet,
    /// Whether the flows of new and gone workloads are listed, and all names.
    pub shows_all: bool,
    /// Whether what decides about each flow is told, before and after.
    pub says_why: bool,
    /// Whether something opens for ends that the clusters do not hold, of which the notes tell:
    /// nodes and their like, and pods that no manifest declares.
    pub opens_elsewhere: bool,
    /// Whether something closes for these.
    pub closes_elsewhere: bool,
    /// What both are about.
    pub effects_elsewhere: BTreeSet<Effect>,
    /// Whether policies differ in something that is not compared, of which the notes tell.
    pub is_left_open: bool,
    /// What could not be judged, and what changes elsewhere, in words.
    pub notes: Vec<String>,
}

/// A cluster in both states.
#[derive(Debug)]
pub struct DiffedCluster<'a> {
    /// Its name, where there are several.
    pub name: Option<String>,
    /// It before and after.
    pub clusters: [&'a Cluster; 2],
    /// What of it was asked for.
    pub query: ComparisonQuery,
    /// What changes.
    pub comparison: Comparison,
    /// By line of the comparison: what is to blame.
    pub causes: Vec<Vec<Cause>>,
    /// Workloads whose labels another tool fills in, as `namespace/Kind/name`.
    pub opaque: Vec<(String, Span)>,
}

/// How much comes and goes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DiffCounts {
    /// Pairs of ends between which something opens.
    pub opened: usize,
    /// Pairs of ends between which something closes.
    pub closed: usize,
    /// Pairs of ends between which nobody knows.
    pub unknown: usize,
    /// Of these, pairs with an end that is new or gone.
    pub of_new_or_gone: usize,
    /// Workloads that are newly isolated.
    pub isolated: usize,
    /// Workloads that are isolated no longer.
    pub deisolated: usize,
    /// Workloads that are new.
    pub added: usize,
    /// Workloads that are gone.
    pub removed: usize,
    /// Namespaces that something changes in.
    pub namespaces: usize,
    /// All namespaces with workloads.
    pub all_namespaces: usize,
}

impl DiffReport<'_> {
    /// How much comes and goes in all clusters.
    #[must_use]
    pub fn counts(&self) -> DiffCounts {
        let mut counts = DiffCounts::default();
        for cluster in &self.clusters {
            cluster.count(&mut counts);
        }
        counts
    }

    /// Whether nothing changes, for certain.
    #[must_use]
    pub fn is_same(&self) -> bool {
        self.is_same_here() && !self.opens_elsewhere && !self.closes_elsewhere && !self.is_left_open
    }

    /// Whether nothing changes between the ends that the clusters hold.
    fn is_same_here(&self) -> bool {
        let is_empty = |cluster: &DiffedCluster<'_>| cluster.comparison.is_empty();
        self.clusters.iter().all(is_empty)
            && self.clusters_added.is_empty()
            && self.clusters_removed.is_empty()
    }

    /// The effects of all lines, and of what changes elsewhere.
    #[must_use]
    pub fn effects(&self) -> BTreeSet<Effect> {
        let of = |cluster: &DiffedCluster<'_>| {
            let comparison = &cluster.comparison;
            let lines = comparison.lines.iter().map(|line| line.effect);
            let isolation = comparison.isolation.iter().map(|line| line.effect);
            let added = comparison.added().map(|_| Effect::WorkloadAdded);
            let removed = comparison.removed().map(|_| Effect::WorkloadRemoved);
            let workloads = added.chain(removed);
            lines
                .chain(isolation)
                .chain(workloads)
                .collect::<Vec<Effect>>()
        };
        let here = self.clusters.iter().flat_map(of);
        here.chain(self.effects_elsewhere.iter().copied()).collect()
    }

    /// The level of what matters most; `None` if nothing changes.
    #[must_use]
    pub fn level(&self) -> Option<Level> {
        self.effects().into_iter().map(Effect::level).min()
    }

    /// Whether a line is shown.
    fn shows(&self, line: &Line) -> bool {
        self.shows_all || !line.is_of_new_or_gone
    }
}

impl DiffedCluster<'_> {
    fn count(&self, counts: &mut DiffCounts) {
        let comparison = &self.comparison;
        let mut touched: BTreeSet<&str> = BTreeSet::new();
        for line in &comparison.lines {
            match line.moved {
                Move::Opened => counts.opened += line.pairs,
                Move::Closed => counts.closed += line.pairs,
                Move::Unknown => counts.unknown += line.pairs,
            }
            if line.is_of_new_or_gone {
                counts.of_new_or_gone += line.pairs;
            }
            let ends = [&line.sources, &line.destinations];
            touched.extend(ends.into_iter().flat_map(|ends| self.namespaces(ends)));
        }
        for line in &comparison.isolation {
            match line.effect {
                Effect::Isolated => counts.isolated += line.workloads.len(),
                _ => counts.deisolated += line.workloads.len(),
            }
            touched.extend(line.workloads.iter().map(|place| self.namespace(*place)));
        }
        counts.added += comparison.added().count();
        counts.removed += comparison.removed().count();
        counts.namespaces += touched.len();
        let all = 0..comparison.workloads.len();
        counts.all_namespaces += all
            .map(|place| self.namespace(place))
            .collect::<BTreeSet<_>>()
            .len();
    }
}

impl DiffFormat {
    /// Whether somebody looks at all of it at once.
    #[must_use]
    pub fn is_drawing(self) -> bool {
        matches!(self, Self::Dot | Self::Mermaid)
    }

    /// Writes the report. Only the format for people obeys `style`.
    pub fn write(
        self,
        report: &DiffReport<'_>,
        style: Style,
        out: &mut dyn Write,
    ) -> io::Result<()> {
        match self {
            Self::Text => text::write(report, style, out),
            Self::Json => json::write(report, out),
            Self::Markdown => markdown::write(report, out),
            Self::Github => github::write(report, out),
            Self::Csv => csv::write(report, out),
            Self::Dot => drawing::write_dot(report, out),
            Self::Mermaid => drawing::write_mermaid(report, out),
            Self::Html => html::write(report, out),
        }
    }
}

/// How many nodes a drawing of the report has.
#[must_use]
pub fn drawn_nodes(report: &DiffReport<'_>) -> usize {
    drawing::nodes(report)
}
