//! The answer to `npcheck reach` for people: the verdict on one line, then both sides with
//! the rules that decide, then what would have to change.
//!
//! Refuses to know words for facts, which machines read too.

mod change;
mod side;

use super::address::range_name;
use super::reach::{Detail, Ends, MAX_REASONED, ReachAnswer, ReachOutcome, ReachReport};
use super::reach_missing::keep_first;
use super::reach_words::{Words, ports};
use super::{Escaped, Role, Style, count, reach_built};
use crate::engine::{Address, ConnectionSet, SideTrace, Way};
use crate::k8s::Direction;
use crate::source::Span;
use std::io::{self, Write};

/// How many names of a group are shown on its first line, and below it.
const MAX_NAMES: usize = 4;
const MAX_LISTED: usize = 12;

/// How many built objects are shown.
const MAX_BUILT: usize = 6;

/// How many missing things are shown.
const MAX_MISSING: usize = 6;

/// Writes the answer.
pub(super) fn write(
    report: &ReachReport<'_>,
    style: Style,
    detail: Detail,
    out: &mut dyn Write,
) -> io::Result<()> {
    let out = &mut style.fit(out);
    if detail != Detail::Answer {
        for note in &report.notes {
            let note = format!("note: {note}");
            writeln!(out, "{}", style.paint(Role::Faint, Escaped(&note)))?;
        }
    }
    let is_table = report.answers.len() > MAX_REASONED && detail == Detail::Reasons;
    let detail = if is_table { Detail::Answer } else { detail };
    let pairs: Vec<String> = report.answers.iter().map(pair).collect();
    let widest = pairs.iter().map(|pair| width(pair)).max();
    let widest = widest
        .filter(|_| detail == Detail::Answer)
        .unwrap_or_default();
    for (position, (answer, pair)) in report.answers.iter().zip(&pairs).enumerate() {
        let words = Words::new(answer.cluster, &answer.why.from, &answer.why.to);
        let page = Page {
            report,
            answer,
            words,
            style,
            detail,
        };
        if position > 0 && detail != Detail::Answer {
            writeln!(out)?;
        }
        let before = position
            .checked_sub(1)
            .map(|before| &report.answers[before]);
        if before.is_none_or(|before| before.clusters != answer.clusters) {
            write_clusters(&answer.clusters, style, out)?;
        }
        page.headline(pair, widest, out)?;
        if detail != Detail::Answer {
            page.reasons(out)?;
        }
    }
    if is_table {
        let hint = "ask for a single pair to see why, or with -v for all reasons";
        writeln!(out, "{}", style.paint(Role::Faint, hint))?;
    }
    Ok(())
}

/// Writes which clusters the answers that follow are good for, if there are several.
fn write_clusters(clusters: &[&str], style: Style, out: &mut dyn Write) -> io::Result<()> {
    let noun = match clusters {
        [] => return Ok(()),
        [_] => "cluster",
        _ => "clusters",
    };
    let line = format!("{noun} {}:", clusters.join(", "));
    writeln!(out, "{}", style.paint(Role::Strong, Escaped(&line)))
}

/// One answer on its way to the page.
struct Page<'r, 'a> {
    report: &'r ReachReport<'a>,
    answer: &'r ReachAnswer<'a>,
    words: Words<'r>,
    style: Style,
    detail: Detail,
}

impl Page<'_, '_> {
    fn headline(&self, pair: &str, widest: usize, out: &mut dyn Write) -> io::Result<()> {
        let outcome = self.answer.outcome;
        let word = outcome.name().to_ascii_uppercase();
        let why = if outcome == ReachOutcome::Blocked {
            self.blocked_by()
        } else {
            ""
        };
        writeln!(
            out,
            "{}  {}{}  {}{}",
            self.style.paint(role(outcome), format_args!("{word:<7}")),
            self.style.paint(Role::Strong, Escaped(pair)),
            " ".repeat(widest.saturating_sub(width(pair))),
            Escaped(&self.asked()),
            self.style.paint(Role::Faint, why),
        )
    }

    /// The ports that the verdict is about.
    fn asked(&self) -> String {
        let answer = self.answer;
        let asked = answer.asked_or_all();
        if asked.is_empty() {
            return self.report.ports.join(", ");
        }
        let parts = [
            ("allowed", &answer.allowed),
            ("unknown", &answer.unknown),
            ("blocked", &answer.blocked),
        ];
        if parts.iter().any(|(_, part)| **part == asked) {
            return ports(&asked);
        }
        // Of all ports those that are not allowed are not worth a word.
        let is_rest = |word| word == "blocked" && answer.asked.is_none();
        let parts = parts
            .into_iter()
            .filter(|(word, part)| !part.is_empty() && !is_rest(*word));
        let parts = parts.map(|(word, part)| format!("{word}: {}", ports(part)));
        parts.collect::<Vec<_>>().join(", ")
    }

    fn blocked_by(&self) -> &'static str {
        let asked = self.answer.asked_or_all();
        if asked.is_empty() {
            return "     (no such port)";
        }
        let is_blocked_by = |direction| {
            let mut ways = self.answer.why.explanation.ways.iter();
            ways.all(|way| side_outcome(side_of(way, direction), &asked) == ReachOutcome::Blocked)
        };
        match (
            is_blocked_by(Direction::Egress),
            is_blocked_by(Direction::Ingress),
        ) {
            (true, true) => "     (both sides)",
            (true, false) => "     (egress side)",
            (false, true) => "     (ingress side)",
            (false, false) => "     (each side blocks a part)",
        }
    }

    fn reasons(&self, out: &mut dyn Write) -> io::Result<()> {
        let answer = self.answer;
        writeln!(out)?;
        self.names("from", &answer.from, out)?;
        self.names("to", &answer.to, out)?;
        for line in answer.translations.iter().chain(&answer.dead_ends) {
            writeln!(out, "  {}", Escaped(line))?;
        }
        if answer.pairs > 1 {
            let pair = format!("{} -> {}", answer.why.from, answer.why.to);
            writeln!(out, "  for example {}:", Escaped(&pair))?;
        }
        let asked = answer.asked_or_all();
        if asked.is_empty() {
            return Ok(());
        }
        self.ways(&asked, out)?;
        self.built(out)?;
        self.missing(&asked, out)?;
        for (direction, set_aside) in &answer.why.set_aside {
            let (words, span) = self.words.set_aside(*direction, set_aside);
            let line = format!("{words} ({})", self.place(span));
            let title = self.style.paint(Role::Warning, "not enforced:");
            writeln!(out, "  {title} {}", Escaped(&line))?;
        }
        for difference in &answer.why.differences {
            let words = self.words.difference(difference, &asked);
            let title = self.style.paint(Role::Info, "plugins differ:");
            writeln!(out, "  {title} {}", Escaped(&words))?;
        }
        self.what_to_do(&asked, out)
    }

    /// The names of a group that the headline had no room for.
    fn names(&self, word: &str, ends: &Ends, out: &mut dyn Write) -> io::Result<()> {
        let has_all = ends.selection.is_none() && ends.names.len() <= MAX_NAMES;
        if ends.names.len() < 2 || has_all {
            return Ok(());
        }
        let shows_all = self.detail == Detail::Everything;
        let most = if shows_all { usize::MAX } else { MAX_LISTED };
        writeln!(out, "  {word}: {}", Escaped(&some_of(&ends.names, most)))
    }

    /// Both sides, for every pair of addresses that a connection may use; once if they all
    /// say the same.
    fn ways(&self, asked: &ConnectionSet, out: &mut dyn Write) -> io::Result<()> {
        let ways = &self.answer.why.explanation.ways;
        let mut written = Vec::new();
        for way in ways {
            let mut text = Vec::new();
            self.way(way, asked, &mut text)?;
            written.push(text);
        }
        if written.windows(2).all(|pair| pair[0] == pair[1]) {
            written.truncate(1);
        }
        let has_one = written.len() == 1;
        for (way, text) in ways.iter().zip(written) {
            if !has_one {
                let [source, destination] = [way.source, way.destination].map(address);
                writeln!(out, "  over {source} -> {destination}")?;
            }
            out.write_all(&text)?;
        }
        Ok(())
    }

    /// What the files of the explanation do not show: that a build changes what stands there.
    fn built(&self, out: &mut dyn Write) -> io::Result<()> {
        let answer = self.answer;
        let most = match self.detail {
            Detail::Everything => usize::MAX,
            Detail::Reasons | Detail::Answer => MAX_BUILT,
        };
        for built in answer.built.iter().take(most) {
            let made = reach_built::made(built.object, self.report.sources);
            let line = match built.clusters.len() < answer.clusters.len() {
                true => format!(
                    "{} in {}: {made}",
                    built.object.name,
                    built.clusters.join(", ")
                ),
                false => format!("{}: {made}", built.object.name),
            };
            writeln!(out, "  {}", self.style.paint(Role::Faint, Escaped(&line)))?;
        }
        if answer.built.len() > most {
            let more = count(answer.built.len() - most, "other built object");
            let line = format!("... and {more} (-v shows all)");
            writeln!(out, "  {}", self.style.paint(Role::Faint, line))?;
        }
        Ok(())
    }

    /// `file:line:column` of a span; nothing for what stands in no file.
    fn place(&self, span: Option<Span>) -> String {
        let Some(span) = span else {
            return String::new();
        };
        let source = self.report.sources.get(span.source);
        let position = self.report.sources.position(span);
        format!("{}:{}:{}", source.name(), position.line, position.column)
    }

    fn missing(&self, asked: &ConnectionSet, out: &mut dyn Write) -> io::Result<()> {
        let explanation = &self.answer.why.explanation;
        if explanation.verdict.unknown().intersection(asked).is_empty() {
            return Ok(());
        }
        let sides = explanation.ways.iter().flat_map(Way::sides);
        let mut missing: Vec<_> = sides
            .flat_map(|side| self.words.missing(side, asked))
            .collect();
        keep_first(&mut missing);
        if !missing.is_empty() {
            writeln!(out)?;
        }
        for (what, span) in missing.into_iter().take(MAX_MISSING) {
            let line = match self.place(span) {
                place if place.is_empty() => what,
                place => format!("{what} ({place})"),
            };
            let title = self.style.paint(Role::Warning, "missing:");
            writeln!(out, "  {title} {}", Escaped(&line))?;
        }
        Ok(())
    }
}

/// `shop/Deployment/web -> shop/Deployment/cart`, or what each group is.
fn pair(answer: &ReachAnswer<'_>) -> String {
    format!("{} -> {}", ends(&answer.from), ends(&answer.to))
}

fn ends(ends: &Ends) -> String {
    match (&ends.names[..], &ends.selection) {
        ([one], _) => one.clone(),
        (names, Some(selection)) if names.len() == ends.of => {
            format!("{selection} ({})", names.len())
        }
        (names, Some(selection)) => format!("{selection} ({} of {})", names.len(), ends.of),
        (names, None) => some_of(names, MAX_NAMES),
    }
}

/// The first of some names, and how many there are besides.
fn some_of(names: &[impl AsRef<str>], most: usize) -> String {
    let shown: Vec<&str> = names.iter().take(most).map(AsRef::as_ref).collect();
    let shown = shown.join(", ");
    match names.len().saturating_sub(most) {
        0 => shown,
        besides => format!("{shown} and {besides} more"),
    }
}

fn side_of<'w, 'c>(way: &'w Way<'c>, direction: Direction) -> &'w SideTrace<'c> {
    match direction {
        Direction::Egress => &way.egress,
        Direction::Ingress => &way.ingress,
    }
}

/// How a side alone comes out.
pub(super) fn side_outcome(side: &SideTrace<'_>, asked: &ConnectionSet) -> ReachOutcome {
    let has_some = |set: ConnectionSet| !set.intersection(asked).is_empty();
    if has_some(side.verdict.unknown()) {
        return ReachOutcome::Unknown;
    }
    match (
        has_some(side.verdict.allowed()),
        has_some(side.verdict.denied()),
    ) {
        (_, false) => ReachOutcome::Allowed,
        (false, true) => ReachOutcome::Blocked,
        (true, true) => ReachOutcome::Partly,
    }
}

fn role(outcome: ReachOutcome) -> Role {
    match outcome {
        ReachOutcome::Allowed => Role::Good,
        ReachOutcome::Blocked => Role::Error,
        ReachOutcome::Partly | ReachOutcome::Unknown => Role::Warning,
    }
}

fn address(address: Address) -> String {
    match address {
        Address::Unknown { .. } => "an unknown address".to_owned(),
        Address::Pod(address) => address.to_string(),
        Address::Assumed(range) | Address::Outside(range) => range_name(range),
    }
}

/// How many columns a text takes once it is escaped.
fn width(text: &str) -> usize {
    Escaped(text).to_string().chars().count()
}
