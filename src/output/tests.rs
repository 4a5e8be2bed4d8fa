//! How expected flows came out, in every format alike.
//!
//! Refuses to judge them.

use super::json::write_value;
use super::{Escaped, GithubMessage, GithubProperty, Markdown, Role, Style, Xml, count};
use serde_json::{Value, json};
use std::io::{self, Write};

/// The version of the JSON form.
const VERSION: u32 = 1;

/// A format of test results.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[cfg_attr(feature = "cli", derive(clap::ValueEnum))]
pub enum TestFormat {
    /// A line for each test, for people
    Text,
    /// The Test Anything Protocol, version 14
    Tap,
    /// JUnit XML
    Junit,
    /// All that is known, for programs; see `npcheck schema test`
    Json,
    /// A table, for summaries and comments
    Markdown,
    /// Annotations of GitHub Actions
    Github,
}

/// How a test came out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum TestStatus {
    /// What was expected holds.
    Passed,
    /// It does not.
    Failed,
    /// Nobody knows.
    Unknown,
    /// The test cannot be asked, or could not fail.
    Error,
}

impl TestStatus {
    /// Its name in JSON.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Passed => "passed",
            Self::Failed => "failed",
            Self::Unknown => "unknown",
            Self::Error => "error",
        }
    }
}

/// A test that was run.
#[derive(Clone, Debug)]
pub struct TestResult {
    /// What its author calls it.
    pub name: String,
    /// Why it is expected.
    pub reason: Option<String>,
    /// Whether nobody has looked at it yet.
    pub is_draft: bool,
    /// The file that it stands in, and the line.
    pub file: String,
    /// From 1.
    pub line: usize,
    /// How it came out.
    pub status: TestStatus,
    /// What does not hold, or is not known: one fact each.
    pub details: Vec<String>,
}

/// All tests of a run.
#[derive(Clone, Debug, Default)]
pub struct TestReport {
    /// In the order of the files.
    pub results: Vec<TestResult>,
    /// The policies that could be deleted without a test failing; `None` if nobody asked.
    pub idle_policies: Option<Vec<String>>,
    /// What was not judged, in words.
    pub notes: Vec<String>,
}

impl TestReport {
    /// How many tests came out in this way.
    #[must_use]
    pub fn number(&self, status: TestStatus) -> usize {
        self.results
            .iter()
            .filter(|result| result.status == status)
            .count()
    }

    fn summary(&self) -> String {
        let numbers = [
            (TestStatus::Passed, "passed"),
            (TestStatus::Failed, "failed"),
            (TestStatus::Unknown, "unknown"),
            (TestStatus::Error, "with errors"),
        ];
        let parts = numbers
            .map(|(status, word)| (self.number(status), word))
            .into_iter()
            .filter(|(number, word)| *number > 0 || *word == "passed")
            .map(|(number, word)| format!("{number} {word}"));
        let tests = count(self.results.len(), "test");
        format!("{tests}: {}", parts.collect::<Vec<String>>().join(", "))
    }
}

impl TestFormat {
    /// Writes the report. Only the format for people obeys `style`.
    pub fn write(self, report: &TestReport, style: Style, out: &mut dyn Write) -> io::Result<()> {
        match self {
            Self::Text => write_text(report, style, out),
            Self::Tap => write_tap(report, out),
            Self::Junit => write_junit(report, out),
            Self::Json => write_json(report, out),
            Self::Markdown => write_markdown(report, out),
            Self::Github => write_github(report, out),
        }
    }
}

fn write_text(report: &TestReport, style: Style, out: &mut dyn Write) -> io::Result<()> {
    let out = &mut style.fit(out);
    for result in &report.results {
        let (word, role) = match result.status {
            TestStatus::Passed => ("ok", Role::Good),
            TestStatus::Failed => ("FAILED", Role::Error),
            TestStatus::Unknown => ("UNKNOWN", Role::Warning),
            TestStatus::Error => ("ERROR", Role::Error),
        };
        let draft = if result.is_draft { " (draft)" } else { "" };
        let word = style.paint(role, format!("{word:<7}"));
        writeln!(out, "{word}  {}{draft}", Escaped(&result.name))?;
        if result.status != TestStatus::Passed {
            if let Some(reason) = &result.reason {
                writeln!(out, "           expected because: {}", Escaped(reason))?;
            }
            for detail in &result.details {
                writeln!(out, "           {}", Escaped(detail))?;
            }
            let place = format!("{}:{}", result.file, result.line);
            writeln!(
                out,
                "           {}",
                style.paint(Role::Faint, Escaped(&place))
            )?;
        }
    }
    if let Some(idle) = &report.idle_policies {
        match idle.len() {
            0 => writeln!(out, "every policy is held by a test")?,
            number => {
                let policies = count(number, "policy");
                writeln!(out, "{policies} could be deleted without any test failing:")?;
                for policy in idle {
                    writeln!(out, "  {}", Escaped(policy))?;
                }
            }
        }
    }
    for note in &report.notes {
        writeln!(out, "{}", Escaped(note))?;
    }
    writeln!(out, "{}", style.paint(Role::Strong, report.summary()))
}

fn write_tap(report: &TestReport, out: &mut dyn Write) -> io::Result<()> {
    writeln!(out, "TAP version 14\n1..{}", report.results.len())?;
    for (number, result) in (1..).zip(&report.results) {
        let word = match result.status {
            TestStatus::Passed => "ok",
            _ => "not ok",
        };
        // A `#` would begin a directive.
        let name = Escaped(&result.name)
            .to_string()
            .replace('\\', "\\\\")
            .replace('#', "\\#");
        writeln!(out, "{word} {number} - {name}")?;
        if result.status != TestStatus::Passed {
            writeln!(out, "# {}", result.status.name())?;
            for detail in &result.details {
                writeln!(out, "# {}", Escaped(detail))?;
            }
        }
    }
    Ok(())
}

fn write_junit(report: &TestReport, out: &mut dyn Write) -> io::Result<()> {
    writeln!(out, "<?xml version=\"1.0\" encoding=\"UTF-8\"?>")?;
    let failures = report.number(TestStatus::Failed);
    let errors = report.number(TestStatus::Error) + report.number(TestStatus::Unknown);
    writeln!(
        out,
        "<testsuite name=\"npcheck test\" tests=\"{}\" failures=\"{failures}\" errors=\"{errors}\">",
        report.results.len()
    )?;
    for result in &report.results {
        let (name, file) = (Xml(&result.name), Xml(&result.file));
        write!(out, "  <testcase name=\"{name}\" classname=\"{file}\"")?;
        let element = match result.status {
            TestStatus::Passed => {
                writeln!(out, "/>")?;
                continue;
            }
            TestStatus::Failed => "failure",
            TestStatus::Unknown | TestStatus::Error => "error",
        };
        let text = result.details.join("\n");
        let message = result
            .details
            .first()
            .map_or(result.status.name(), String::as_str);
        writeln!(
            out,
            ">\n    <{element} message=\"{}\">{}</{element}>\n  </testcase>",
            Xml(message),
            Xml(&text)
        )?;
    }
    writeln!(out, "</testsuite>")
}

fn write_json(report: &TestReport, out: &mut dyn Write) -> io::Result<()> {
    let results = report.results.iter().map(|result| {
        json!({
            "name": result.name,
            "reason": result.reason,
            "draft": result.is_draft,
            "status": result.status.name(),
            "details": result.details,
            "location": {"file": result.file, "line": result.line},
        })
    });
    let document = json!({
        "version": VERSION,
        "tool": {"name": "npcheck", "version": env!("CARGO_PKG_VERSION")},
        "tests": results.collect::<Vec<Value>>(),
        "summary": {
            "passed": report.number(TestStatus::Passed),
            "failed": report.number(TestStatus::Failed),
            "unknown": report.number(TestStatus::Unknown),
            "errors": report.number(TestStatus::Error),
        },
        "idlePolicies": report.idle_policies,
        "notes": report.notes,
    });
    write_value(&document, out)
}

fn write_markdown(report: &TestReport, out: &mut dyn Write) -> io::Result<()> {
    writeln!(out, "## npcheck: {}\n", Markdown(&report.summary()))?;
    writeln!(out, "| | test | what |\n|---|---|---|")?;
    for result in &report.results {
        let details = result
            .details
            .iter()
            .map(|detail| Markdown(detail).to_string());
        let details: Vec<String> = details.collect();
        let status = result.status.name();
        writeln!(
            out,
            "| {status} | {} | {} |",
            Markdown(&result.name),
            details.join("<br>")
        )?;
    }
    for note in &report.notes {
        writeln!(out, "\n{}", Markdown(note))?;
    }
    Ok(())
}

fn write_github(report: &TestReport, out: &mut dyn Write) -> io::Result<()> {
    for result in report
        .results
        .iter()
        .filter(|one| one.status != TestStatus::Passed)
    {
        let (file, title) = (GithubProperty(&result.file), GithubProperty(&result.name));
        let message = format!("{}\n{}", result.status.name(), result.details.join("\n"));
        writeln!(
            out,
            "::error file={file},line={},title={title}::{}",
            result.line,
            GithubMessage(&message)
        )?;
    }
    writeln!(out, "{}", GithubMessage(&report.summary()))
}
