//! A finding with the text that it is about, for people: what is wrong, where, why, what it
//! does, and what to do. The only file that knows miette, which lays a line of source out
//! with what is underlined in it: tabs, wide characters, columns.
//!
//! Refuses to shorten: every label, note and help of a finding is shown. Only infos, which
//! are many, are one line for each rule unless somebody asks for them.

use super::concise::role;
use super::escape::line_character;
use super::style::{Color, Role, Style};
use super::{Escaped, Infos, RULE_PAGES, Report};
use crate::diagnostic::{Diagnostic, Fix, FixClass, Label, Severity};
use crate::source::{STDIN_NAME, SourceId, SourceMap, Span};
use miette::{
    GraphicalReportHandler, GraphicalTheme, LabeledSpan, MietteError, MietteSpanContents,
    SourceCode, SourceSpan, SpanContents, ThemeCharacters, ThemeStyles,
};
use std::collections::BTreeMap;
use std::fmt;
use std::io::{self, Write};
use std::path::PathBuf;

pub(super) fn write(report: &Report<'_>, style: Style, out: &mut dyn Write) -> io::Result<()> {
    let out = &mut style.fit(out);
    let is_folded =
        |finding: &Diagnostic| finding.severity == Severity::Info && report.infos == Infos::Folded;
    let (folded, shown): (Vec<&Diagnostic>, Vec<&Diagnostic>) = report
        .findings
        .iter()
        .partition(|finding| is_folded(finding));
    for finding in &shown {
        let page = Page {
            sources: report.sources,
            finding,
            style,
            paths: match report.summary.files {
                0 | 1 => &[],
                _ => report.paths,
            },
        };
        writeln!(out, "{page}")?;
    }
    write_folded(report, &folded, style, out)?;
    write_hints(report, &folded, style, out)
}

/// Writes one line for each rule that has only infos to tell: how many, and the first one.
fn write_folded(
    report: &Report<'_>,
    folded: &[&Diagnostic],
    style: Style,
    out: &mut dyn Write,
) -> io::Result<()> {
    let mut by_rule: BTreeMap<&str, Vec<&Diagnostic>> = BTreeMap::new();
    for finding in folded {
        by_rule.entry(finding.rule).or_default().push(finding);
    }
    for (rule, findings) in &by_rule {
        let Some(first) = findings.first() else {
            continue;
        };
        let place = report.sources.position(first.primary.span);
        let name = Escaped(report.sources.get(first.primary.span.source).name());
        let severity = style.paint(Role::Info, Severity::Info.name());
        let first_of = match findings.len() {
            1 => "",
            _ => "first ",
        };
        writeln!(
            out,
            "{severity}: {} {rule}, {first_of}{name}:{}:{}: {}",
            findings.len(),
            place.line,
            place.column,
            Escaped(&first.message),
        )?;
    }
    match by_rule.is_empty() {
        true => Ok(()),
        false => writeln!(out),
    }
}

/// Writes what holds for all findings, once.
fn write_hints(
    report: &Report<'_>,
    folded: &[&Diagnostic],
    style: Style,
    out: &mut dyn Write,
) -> io::Result<()> {
    if report.findings.is_empty() {
        return Ok(());
    }
    let mut hints = vec![
        "why, and what to do: npcheck explain RULE",
        "to suppress: `# npcheck: ignore RULE -- reason` on or above the line",
    ];
    if !folded.is_empty() {
        hints.push("all infos in full: npcheck lint --show info");
    }
    for hint in hints {
        writeln!(out, "{}", style.paint(Role::Faint, hint))?;
    }
    Ok(())
}

/// One finding as it is shown.
struct Page<'a> {
    sources: &'a SourceMap,
    finding: &'a Diagnostic,
    style: Style,
    /// What was read, unless it is one file.
    paths: &'a [PathBuf],
}

/// A file, and which of its lines are shown for which labels.
struct Excerpt<'a> {
    source: SourceId,
    /// The place that the head of the excerpt names.
    first: Span,
    lines: BTreeMap<Window, Vec<&'a Label>>,
}

impl fmt::Display for Page<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let finding = self.finding;
        let severity = self
            .style
            .paint(role(finding.severity), finding.severity.name());
        let message = self.style.paint(Role::Strong, Escaped(&finding.message));
        writeln!(f, "{severity}: {message}")?;

        let excerpts = self.excerpts();
        let last = excerpts
            .iter()
            .filter_map(|excerpt| excerpt.lines.keys().next_back());
        // Two digits at least, so that most findings of a run stand on one vertical line.
        let width = last.map(|window| window.line.to_string().len()).max();
        let width = width.unwrap_or_default().max(2);
        for excerpt in &excerpts {
            self.write_excerpt(f, excerpt, width)?;
        }
        self.write_facts(f, width)
    }
}

impl<'a> Page<'a> {
    /// What is shown of each file: that of the finding first, the others in the order of
    /// their labels.
    fn excerpts(&self) -> Vec<Excerpt<'a>> {
        let mut excerpts: Vec<Excerpt<'a>> = Vec::new();
        let finding = self.finding;
        for label in std::iter::once(&finding.primary).chain(&finding.related) {
            let source = label.span.source;
            let known = excerpts.iter().position(|excerpt| excerpt.source == source);
            let index = known.unwrap_or_else(|| {
                excerpts.push(Excerpt {
                    source,
                    first: label.span,
                    lines: BTreeMap::new(),
                });
                excerpts.len() - 1
            });
            let window = Window::around(self.sources, label.span);
            excerpts[index].lines.entry(window).or_default().push(label);
        }
        excerpts
    }

    fn write_excerpt(
        &self,
        f: &mut fmt::Formatter<'_>,
        excerpt: &Excerpt<'_>,
        width: usize,
    ) -> fmt::Result {
        self.write_place(f, excerpt, width)?;
        writeln!(f, "{:width$} |", "")?;
        let mut previous: Option<u32> = None;
        for (window, labels) in &excerpt.lines {
            let skipped = previous.map_or(0, |previous| window.line - previous);
            if skipped == 2 {
                let between = Window::of_line(self.sources, excerpt.source, window.line - 1);
                self.write_line(f, &between, &[], width)?;
            } else if skipped > 2 {
                let dots = self.style.paint(Role::Faint, "...");
                writeln!(f, "{dots}")?;
            }
            self.write_line(f, window, labels, width)?;
            previous = Some(window.line);
        }
        Ok(())
    }

    /// `--> path:line:column   rule`, and for further files `::: path:line:column`.
    fn write_place(
        &self,
        f: &mut fmt::Formatter<'_>,
        excerpt: &Excerpt<'_>,
        width: usize,
    ) -> fmt::Result {
        let place = self.sources.position(excerpt.first);
        let is_finding = excerpt.first == self.finding.primary.span;
        if !is_finding {
            writeln!(f, "{:width$} |", "")?;
        }
        let arrow = if is_finding { "-->" } else { ":::" };
        let arrow = self.style.paint(Role::Faint, arrow);
        let name = Escaped(self.sources.get(excerpt.source).name());
        write!(
            f,
            "{:width$}{arrow} {name}:{}:{}",
            "", place.line, place.column
        )?;
        if is_finding {
            let rule = self.finding.rule;
            let address = format!("{RULE_PAGES}{rule}.md");
            write!(f, "   {}", self.style.link(&address, rule))?;
        }
        writeln!(f)
    }

    /// A line of source, and below it each label with its text.
    fn write_line(
        &self,
        f: &mut fmt::Formatter<'_>,
        window: &Window,
        labels: &[&Label],
        width: usize,
    ) -> fmt::Result {
        let line = Line::new(self.sources, window);
        let (text, _) = line.draw(width, None, self.style);
        writeln!(f, "{text}")?;
        for label in labels {
            let is_primary = std::ptr::eq(*label, &self.finding.primary);
            let severity = is_primary.then_some(self.finding.severity);
            let mark = Mark {
                span: line.locate(label.span),
                severity,
            };
            let (_, underline) = line.draw(width, Some(mark), self.style);
            let role = severity.map_or(Role::Related, role);
            let text = self.style.paint(role, Escaped(&label.message));
            let space = if label.message.is_empty() { "" } else { " " };
            writeln!(f, "{underline}{space}{text}")?;
        }
        Ok(())
    }

    /// The command that applies the fixes of the rule: it reads all that was read, as what tells
    /// the finding may stand in another file.
    fn command(&self, fix: &Fix) -> String {
        let class = match fix.class {
            FixClass::Safe => String::new(),
            class => format!("={}", class.name()),
        };
        let edited = fix
            .edits
            .first()
            .map_or(self.finding.primary.span, |edit| edit.span);
        let file = self.sources.get(edited.source).name();
        let rule = self.finding.rule;
        match file == STDIN_NAME {
            // Fixes go to files; of standard input they can be shown.
            true => format!("npcheck lint --fix{class} --diff --select {rule} -"),
            false => {
                let paths = self
                    .paths
                    .iter()
                    .map(|path| quoted(&path.to_string_lossy()));
                let paths = match self.paths {
                    [] => quoted(file),
                    _ => paths.collect::<Vec<_>>().join(" "),
                };
                format!("npcheck lint --fix{class} --select {rule} {paths}")
            }
        }
    }

    /// The notes and the help, each behind a `=`.
    fn write_facts(&self, f: &mut fmt::Formatter<'_>, width: usize) -> fmt::Result {
        let finding = self.finding;
        let help = finding.help.as_deref();
        let fix = finding.fix.as_ref().map(|fix| {
            let lead = if help == Some(&fix.title) {
                "help"
            } else {
                "fix"
            };
            format!("{lead}: {}   {}", fix.title, self.command(fix))
        });
        // The advice is often what the fix does.
        let is_said = |help: &&str| finding.fix.as_ref().is_some_and(|fix| fix.title == **help);
        let help = help.filter(|help| !is_said(help));
        let help = help.map(|help| format!("help: {help}"));
        let facts: Vec<String> = finding
            .notes
            .iter()
            .cloned()
            .chain(help)
            .chain(fix)
            .collect();
        if facts.is_empty() {
            return Ok(());
        }
        writeln!(f, "{:width$} |", "")?;
        for fact in facts {
            for (index, line) in fact.lines().enumerate() {
                let lead = if index == 0 { "=" } else { " " };
                writeln!(f, "{:width$} {lead} {}", "", Escaped(line))?;
            }
        }
        Ok(())
    }
}

/// A file's name as a shell takes it.
fn quoted(name: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "-_./".contains(c);
    if !name.starts_with('-') && name.chars().all(is_plain) {
        name.to_owned()
    } else {
        format!("'{}'", name.replace('\'', r"'\''"))
    }
}

/// The part of a line that is shown: the whole of it, or as much of a very long one as
/// stands around a label. Ordered by place.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Window {
    line: u32,
    span: Span,
}

impl Window {
    /// How many bytes of a line are shown. Manifests in one line of JSON are longer.
    const BYTES: usize = 240;
    /// How many of them stand before the label.
    const BEFORE: usize = 60;

    fn of_line(sources: &SourceMap, source: SourceId, line: u32) -> Self {
        let range = sources.get(source).line_range(line);
        let span = Span::new(source, range.start as u32, range.end as u32);
        Self { line, span }
    }

    fn around(sources: &SourceMap, span: Span) -> Self {
        let line = sources.position(span).line;
        let whole = Self::of_line(sources, span.source, line);
        let range = whole.span.range();
        if range.len() <= Self::BYTES {
            return whole;
        }
        let text = sources.get(span.source).text();
        let start = (span.start as usize)
            .saturating_sub(Self::BEFORE)
            .max(range.start);
        let end = (start + Self::BYTES).min(range.end);
        let boundary = |mut offset: usize| {
            while !text.is_char_boundary(offset) {
                offset -= 1;
            }
            offset as u32
        };
        let span = Span::new(span.source, boundary(start), boundary(end));
        Self { line, span }
    }
}

/// A line of source as miette gets it: on its own, escaped, and ended by a line break.
#[derive(Debug)]
struct Line {
    number: usize,
    text: String,
    /// For every character of the original its offset there and in `text`, and the ends.
    offsets: Vec<(u32, usize)>,
}

/// What is underlined in a line.
struct Mark {
    span: SourceSpan,
    /// That of the finding for what is wrong; none for what explains it.
    severity: Option<Severity>,
}

impl Line {
    fn new(sources: &SourceMap, window: &Window) -> Self {
        let mut text = String::new();
        let mut offsets = Vec::new();
        for (offset, character) in sources.text(window.span).char_indices() {
            offsets.push((window.span.start + offset as u32, text.len()));
            text.push(line_character(character));
        }
        offsets.push((window.span.end, text.len()));
        text.push('\n');
        Self {
            number: window.line as usize,
            text,
            offsets,
        }
    }

    /// The part of `span` that lies in this line.
    fn locate(&self, span: Span) -> SourceSpan {
        let place = |offset: u32| {
            let index = self.offsets.partition_point(|(known, _)| *known < offset);
            self.offsets[index.min(self.offsets.len() - 1)].1
        };
        let start = place(span.start);
        SourceSpan::from((start, place(span.end).saturating_sub(start)))
    }

    /// The line with its number, and the underline below it.
    fn draw(&self, width: usize, mark: Option<Mark>, style: Style) -> (String, String) {
        let theme = theme(mark.as_ref().and_then(|mark| mark.severity), style);
        let handler = GraphicalReportHandler::new_themed(theme)
            .with_context_lines(0)
            .with_wrap_lines(false)
            .without_syntax_highlighting();
        let whole = SourceSpan::from((0, 0));
        let label = LabeledSpan::underline(mark.as_ref().map_or(whole, |mark| mark.span));
        let drawn = Drawn { line: self, label };
        let mut text = String::new();
        handler
            .render_report(&mut text, &drawn)
            .expect("a string takes all that is written, and the label lies in the line");
        // The message, which is empty, the name of the file, the line, the underline.
        let mut rows = text.lines().skip(2).map(|row| {
            // miette starts every row with a space, and makes room for this number only.
            let pad = width.saturating_sub(self.number.to_string().len());
            format!("{:pad$}{}", "", row.get(1..).unwrap_or_default().trim_end())
        });
        let mut row = || rows.next().expect("a line and its underline are drawn");
        (row(), row())
    }
}

/// One line with one label, as miette wants to be asked for it.
#[derive(Debug)]
struct Drawn<'a> {
    line: &'a Line,
    label: LabeledSpan,
}

impl fmt::Display for Drawn<'_> {
    fn fmt(&self, _: &mut fmt::Formatter<'_>) -> fmt::Result {
        Ok(())
    }
}

impl std::error::Error for Drawn<'_> {}

impl miette::Diagnostic for Drawn<'_> {
    fn source_code(&self) -> Option<&dyn SourceCode> {
        Some(self)
    }

    fn labels(&self) -> Option<Box<dyn Iterator<Item = LabeledSpan> + '_>> {
        Some(Box::new(std::iter::once(self.label.clone())))
    }
}

impl SourceCode for Drawn<'_> {
    fn read_span<'a>(
        &'a self,
        _: &SourceSpan,
        _: usize,
        _: usize,
    ) -> Result<Box<dyn SpanContents<'a> + 'a>, MietteError> {
        let text = self.line.text.as_bytes();
        let whole = SourceSpan::from((0, text.len()));
        let contents = MietteSpanContents::new(text, whole, self.line.number - 1, 0, 1);
        Ok(Box::new(contents))
    }
}

/// The characters and colours that make miette draw `11 | text` and `^^^` below it.
fn theme(severity: Option<Severity>, style: Style) -> GraphicalTheme {
    let mark = if severity.is_some() { '^' } else { '-' };
    let characters = ThemeCharacters {
        vbar_break: '|',
        underline: mark,
        underbar: mark,
        uarrow: mark,
        ..ThemeCharacters::ascii()
    };
    if style.color == Color::Plain {
        let styles = ThemeStyles::none();
        return GraphicalTheme { characters, styles };
    }
    let mut styles = ThemeStyles::ansi();
    let highlight = match severity {
        Some(Severity::Error) => styles.error,
        Some(Severity::Warning) => styles.warning,
        Some(Severity::Info) => styles.advice,
        None => styles.help,
    };
    styles.highlights = vec![highlight];
    GraphicalTheme { characters, styles }
}
