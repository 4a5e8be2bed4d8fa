//! What was found, as text for people and machines: one file per format.
//!
//! Refuses to know the disk and exit statuses, and to decide anything: it is handed what
//! there is to say, and a place to write it to.

mod address;
mod concise;
mod diff;
mod escape;
mod exposure;
mod fit;
pub(crate) mod flow_names;
mod full;
mod github;
mod gitlab;
mod graph;
mod json;
mod junit;
mod markdown;
mod nearest;
mod not_judged;
mod page;
mod paths;
mod place;
mod reach;
mod reach_built;
mod reach_json;
mod reach_misses;
mod reach_missing;
mod reach_places;
mod reach_plugin;
mod reach_terms;
mod reach_tiers;
mod reach_text;
mod reach_words;
mod rule_page;
mod sarif;
mod schema;
mod statistics;
mod style;
mod summary;
mod tests;

pub use address::range_name;
pub use diff::{DiffCounts, DiffFormat, DiffReport, DiffedCluster, drawn_nodes};
pub use escape::{Csv, Escaped, EscapedLine, GithubMessage, GithubProperty, Json, Markdown, Xml};
pub use exposure::{ExposureFormat, ExposureView};
pub use fit::{Fitted, fit};
pub use graph::{GraphFormat, GraphView, MAX_DRAWN_NODES, MAX_LINES};
pub use nearest::nearest;
pub use not_judged::{display_name, not_judged_lines};
pub use paths::{CutAnswer, PathsAnswer, PathsFormat, PathsReport};
pub use place::{Fingerprints, RepositoryRoot};
pub use reach::{
    BuiltEnd, Change, ChangedPlace, Detail, Ends, IngressEntrance, MAX_REASONED, OpenedFlow,
    ReachAnswer, ReachFormat, ReachOutcome, ReachReport, Why,
};
#[cfg(feature = "internals")]
pub use rule_page::rule_index;
pub use rule_page::{rule_page, write_rule_list, write_rule_page};
pub use schema::Schema;
pub use statistics::write_statistics;
pub use style::{Color, Links, Role, Style};
use summary::NOTHING;
pub use summary::{Found, Summary, UNCHANGED};
pub use tests::{TestFormat, TestReport, TestResult, TestStatus};

use crate::diagnostic::{Diagnostic, Severity};
use crate::lint::{RuleMeta, Suppressed};
use crate::source::SourceMap;
use crate::workspace::NotJudged;
use std::io::{self, Write};
use std::path::PathBuf;

/// Where a rule's page is found on the web; the rule's name and `.md` follow.
pub const RULE_PAGES: &str = "https://github.com/npcheck/npcheck/blob/main/docs/rules/";

/// Something that could not be analysed, in words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// What it is about, mostly a file; as it was written, not escaped.
    pub name: String,
    /// What is wrong with it: lower case, no full stop.
    pub message: String,
}

/// Something that is not known and may change the answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Assumption {
    /// Its kind, for machines: lower case with hyphens.
    pub kind: &'static str,
    /// What is assumed: lower case, no full stop.
    pub message: String,
}

/// The outcome of linting, as every format of findings gets it.
#[derive(Clone, Copy, Debug)]
pub struct Report<'a> {
    /// The texts that findings point into.
    pub sources: &'a SourceMap,
    /// The findings, in the order in which they are shown.
    pub findings: &'a [Diagnostic],
    /// The findings that somebody has allowed, in the same order.
    pub suppressed: &'a [Suppressed],
    /// What could not be analysed.
    pub problems: &'a [Problem],
    /// What is not known.
    pub assumptions: &'a [Assumption],
    /// What belongs to the clusters and was not judged.
    pub not_judged: &'a NotJudged,
    /// All rules, sorted by name, whether they ran or not.
    pub rules: &'a [&'static RuleMeta],
    /// What was read.
    pub summary: &'a Summary,
    /// How many findings there are.
    pub found: Found,
    /// How much of what was asked for was analysed.
    pub analysed: Analysed,
    /// The least severity that makes the run fail.
    pub fail_on: Severity,
    /// How infos are shown to people.
    pub infos: Infos,
    /// The names of files as the root of their repository sees them.
    pub root: &'a RepositoryRoot,
    /// The paths that were asked for; none where they are not known.
    pub paths: &'a [PathBuf],
}

/// How much of what was asked for was analysed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Analysed {
    /// All of it.
    #[default]
    All,
    /// Something could not be read, or was not judged.
    Partly,
    /// There was nothing to analyse.
    Nothing,
}

impl Analysed {
    /// The word for it in every format.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::All => "all",
            Self::Partly => "partly",
            Self::Nothing => "nothing",
        }
    }
}

/// How infos are shown to people; formats for machines have them all.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Infos {
    /// One line for each rule.
    #[default]
    Folded,
    /// In full, as warnings and errors.
    Full,
}

/// A format of findings.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[cfg_attr(feature = "cli", derive(clap::ValueEnum))]
pub enum FindingFormat {
    /// With the source text, for people
    Full,
    /// One line each: `path:line:col: severity rule message`
    Concise,
    /// All that is known, for programs; see `npcheck schema`
    Json,
    /// SARIF 2.1.0, for code scanning
    Sarif,
    /// Annotations of GitHub Actions
    Github,
    /// GitLab's Code Quality report
    Gitlab,
    /// JUnit XML
    Junit,
    /// A table, for summaries and comments
    Markdown,
}

impl FindingFormat {
    /// Whether people read it, so that counts may stand in the place of findings.
    #[must_use]
    pub fn is_for_people(self) -> bool {
        matches!(self, Self::Full | Self::Concise)
    }

    /// Writes the report. Only the formats for people obey `style`.
    pub fn write(self, report: &Report<'_>, style: Style, out: &mut dyn Write) -> io::Result<()> {
        match self {
            Self::Full => full::write(report, style, out),
            Self::Concise => concise::write(report, style, out),
            Self::Json => json::write(report, out),
            Self::Sarif => sarif::write(report, out),
            Self::Github => github::write(report, out),
            Self::Gitlab => gitlab::write(report, out),
            Self::Junit => junit::write(report, out),
            Self::Markdown => markdown::write(report, out),
        }
    }
}

/// `1 file`, `2 files`: a number with its noun, which takes an `s` (or, ending in `y`, `ies`)
/// unless there is one.
#[must_use]
pub fn count(number: usize, noun: &str) -> String {
    match noun.strip_suffix('y') {
        _ if number == 1 => format!("1 {noun}"),
        Some(stem) => format!("{number} {stem}ies"),
        None => format!("{number} {noun}s"),
    }
}
