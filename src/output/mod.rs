//! What was found, as text for people and machines: one file per format.
//!
//! Refuses to know the disk and exit statuses, and to decide anything: it is handed what
//! there is to say, and a place to write it to.

mod concise;
mod escape;
mod full;
mod graph;
mod reach;
mod reach_json;
mod reach_text;
mod reach_words;
mod style;
mod summary;

pub use escape::{Escaped, EscapedLine, GithubMessage, GithubProperty, Json, Markdown, Xml};
pub use graph::GraphFormat;
pub use reach::{
    Change, ChangedPlace, Detail, Ends, OpenedFlow, ReachAnswer, ReachFormat, ReachOutcome,
    ReachReport, Why,
};
pub use style::{Color, Links, Role, Style};
pub use summary::{Found, Summary};

use crate::diagnostic::Diagnostic;
use crate::source::SourceMap;
use std::io::{self, Write};

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

/// The outcome of linting, as every format of findings gets it.
#[derive(Clone, Copy, Debug)]
pub struct Report<'a> {
    /// The texts that findings point into.
    pub sources: &'a SourceMap,
    /// The findings, in the order in which they are shown.
    pub findings: &'a [Diagnostic],
    /// What could not be analysed.
    pub problems: &'a [Problem],
    /// What was read.
    pub summary: &'a Summary,
}

/// A format of findings.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, clap::ValueEnum)]
pub enum FindingFormat {
    /// With the source text, for people
    Full,
    /// One line each: `path:line:col: severity rule message`
    Concise,
}

impl FindingFormat {
    /// Writes the report. Only the formats for people obey `style`.
    pub fn write(self, report: &Report<'_>, style: Style, out: &mut dyn Write) -> io::Result<()> {
        match self {
            Self::Full => full::write(report, style, out),
            Self::Concise => concise::write(report, style, out),
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
