//! The answer to `npcheck reach` for people: the verdict on one line, then both sides with
//! the rules that decide, then what would have to change.
//!
//! Refuses to know words for facts, which machines read too.

use super::reach::{Change, Detail, Ends, ReachAnswer, ReachOutcome, ReachReport, Why};
use super::reach_words::{Words, ports, rule_text, short_names};
use super::{Escaped, Role, Style, count};
use crate::engine::{
    Address, ConnectionSet, Explanation, Miss, NearestMiss, PolicyRef, ReasonCode, RuleTrace,
    SideTrace, Way,
};
use crate::k8s::{Direction, Truth};
use crate::source::Span;
use std::io::{self, Write};

/// How many rules of a side, names of a group and so on are shown without being asked.
const MOST_RULES: usize = 12;
const MOST_NAMES: usize = 4;
const MOST_FLOWS: usize = 6;

/// Writes the answer.
pub(super) fn write(
    report: &ReachReport<'_>,
    style: Style,
    detail: Detail,
    out: &mut dyn Write,
) -> io::Result<()> {
    for note in &report.notes {
        writeln!(
            out,
            "{}",
            style.paint(Role::Faint, Escaped(&format!("note: {note}")))
        )?;
    }
    // With many outcomes the table of them is the answer, and reasons are asked for one
    // by one.
    let detail = if report.answers.len() > MOST_RULES && detail == Detail::Reasons {
        Detail::Answer
    } else {
        detail
    };
    let pairs: Vec<String> = report.answers.iter().map(pair).collect();
    let width = pairs
        .iter()
        .map(|pair| width(pair))
        .max()
        .unwrap_or_default();
    for (position, (answer, pair)) in report.answers.iter().zip(&pairs).enumerate() {
        let shown = Answer {
            report,
            answer,
            style,
            detail,
        };
        if position > 0 && detail != Detail::Answer {
            writeln!(out)?;
        }
        let padding = if detail == Detail::Answer { width } else { 0 };
        shown.headline(pair, padding, out)?;
        if detail != Detail::Answer {
            shown.reasons(out)?;
        }
    }
    Ok(())
}

/// One answer on its way to the page.
struct Answer<'r, 'a> {
    report: &'r ReachReport<'a>,
    answer: &'r ReachAnswer<'a>,
    style: Style,
    detail: Detail,
}

impl Answer<'_, '_> {
    fn headline(&self, pair: &str, width: usize, out: &mut dyn Write) -> io::Result<()> {
        let outcome = self.answer.outcome;
        let word = outcome.name().to_ascii_uppercase();
        let blocked_by = match outcome {
            ReachOutcome::Blocked => self.blocked_by(),
            _ => "",
        };
        writeln!(
            out,
            "{}  {}{}  {}{}",
            self.style.paint(role(outcome), format_args!("{word:<7}")),
            self.style.paint(Role::Strong, Escaped(pair)),
            " ".repeat(width.saturating_sub(self::width(pair))),
            self.asked_words(),
            self.style.paint(Role::Faint, blocked_by),
        )
    }

    /// The ports that the verdict is about.
    fn asked_words(&self) -> String {
        let answer = self.answer;
        match (answer.outcome, &answer.asked) {
            (ReachOutcome::Allowed | ReachOutcome::Blocked, None) => "all ports".to_owned(),
            (ReachOutcome::Allowed | ReachOutcome::Blocked, Some(asked)) if !asked.is_empty() => {
                ports(asked)
            }
            (ReachOutcome::Allowed | ReachOutcome::Blocked, Some(_)) => String::new(),
            _ => {
                let parts = [
                    ("allowed", &answer.allowed),
                    ("unknown", &answer.unknown),
                    ("blocked", &answer.blocked),
                ];
                let is_rest = |word: &str| word == "blocked" && answer.asked.is_none();
                let parts = parts
                    .into_iter()
                    .filter(|(word, ports)| !ports.is_empty() && !is_rest(word));
                parts
                    .map(|(word, set)| format!("{word}: {}", ports(set)))
                    .collect::<Vec<_>>()
                    .join(", ")
            }
        }
    }

    fn blocked_by(&self) -> &'static str {
        let asked = self.answer.asked_or_all();
        if asked.is_empty() {
            return "(no such port)";
        }
        let [egress, ingress] = [Direction::Egress, Direction::Ingress].map(|direction| {
            let mut ways = self.answer.why.explanation.ways.iter();
            ways.all(|way| side_outcome(side(way, direction), &asked) == ReachOutcome::Blocked)
        });
        match (egress, ingress) {
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
            let why = &answer.why;
            let pair = format!("{} -> {}", why.from, why.to);
            writeln!(out, "  for example {}:", Escaped(&pair))?;
        }
        let asked = answer.asked_or_all();
        if asked.is_empty() {
            return Ok(());
        }
        for way in &answer.why.explanation.ways {
            self.way(way, &asked, out)?;
        }
        self.missing(&answer.why.explanation, &asked, out)?;
        for difference in &answer.why.differences {
            let words = self.words().difference(difference, &asked);
            writeln!(
                out,
                "  {} {}",
                self.style.paint(Role::Info, "plugins differ:"),
                Escaped(&words)
            )?;
        }
        self.what_to_do(&answer.why, &asked, out)
    }

    /// The names of a group that the headline had no room for.
    fn names(&self, word: &str, ends: &Ends, out: &mut dyn Write) -> io::Result<()> {
        if ends.names.len() < 2 {
            return Ok(());
        }
        let most = if self.detail == Detail::Everything {
            usize::MAX
        } else {
            MOST_NAMES * 3
        };
        let mut names = ends
            .names
            .iter()
            .take(most)
            .cloned()
            .collect::<Vec<_>>()
            .join(", ");
        if ends.names.len() > most {
            names += &format!(" and {} more", ends.names.len() - most);
        }
        writeln!(out, "  {word}: {}", Escaped(&names))
    }

    fn words(&self) -> Words<'_> {
        let why = &self.answer.why;
        let (from, to) = short_names(&why.from, &why.to);
        Words {
            cluster: self.report.cluster,
            from,
            to,
        }
    }

    fn way(&self, way: &Way<'_>, asked: &ConnectionSet, out: &mut dyn Write) -> io::Result<()> {
        if self.answer.why.explanation.ways.len() > 1 {
            let [source, destination] = [way.source, way.destination].map(address);
            writeln!(
                out,
                "  over {} -> {}",
                Escaped(&source),
                Escaped(&destination)
            )?;
        }
        let words = self.words();
        let egress = format!("egress from {}", words.from);
        let ingress = format!("ingress to {}", words.to);
        let widest = width(&egress).max(width(&ingress));
        for (title, side) in [(egress, &way.egress), (ingress, &way.ingress)] {
            let outcome = side_outcome(side, asked);
            let word = match outcome {
                ReachOutcome::Allowed => "allowed",
                ReachOutcome::Blocked => "BLOCKED",
                ReachOutcome::Partly => "partly ",
                ReachOutcome::Unknown => "UNKNOWN",
            };
            writeln!(
                out,
                "  {}{}  {}   {}",
                Escaped(&title),
                " ".repeat(widest - width(&title)),
                self.style.paint(role(outcome), word),
                Escaped(&words.side(side, asked)),
            )?;
            self.rules(side, asked, out)?;
        }
        Ok(())
    }

    fn rules(
        &self,
        side: &SideTrace<'_>,
        asked: &ConnectionSet,
        out: &mut dyn Write,
    ) -> io::Result<()> {
        let words = self.words();
        let shown = Shown::of(side, asked, self.detail);
        let mut lines = Vec::new();
        for entry in &shown.entries {
            lines.push(match entry {
                Entry::Rule(rule) => {
                    let name = format!("{} #{}", words.policy(rule.policy), rule.index + 1);
                    let place = self.place(words.rule_span(rule, asked));
                    (
                        name,
                        place,
                        words.rule(side, rule, asked),
                        is_match(rule, asked),
                    )
                }
                Entry::NoRules(policy) => {
                    let place = self.place(words.policy_span(*policy));
                    let said = format!("no {} rules (denies all)", side.direction.field());
                    (words.policy(*policy), place, said, false)
                }
            });
        }
        let [names, places] = [0, 1].map(|column| {
            let cells = lines
                .iter()
                .map(|line| if column == 0 { &line.0 } else { &line.1 });
            cells.map(|cell| width(cell)).max().unwrap_or_default()
        });
        for (name, place, said, is_match) in lines {
            let [after_name, after_place] = [(names, &name), (places, &place)]
                .map(|(column, cell)| " ".repeat(column - width(cell)));
            let said = Escaped(&said).to_string();
            let said = if is_match {
                self.style.paint(Role::Strong, said).to_string()
            } else {
                said
            };
            writeln!(
                out,
                "    {}{after_name}  {}{after_place}  {said}",
                Escaped(&name),
                self.style.paint(Role::Faint, Escaped(&place)),
            )?;
        }
        if shown.hidden > 0 {
            let more = format!("... and {} (-v shows all)", shown.hidden_words());
            writeln!(out, "    {}", self.style.paint(Role::Faint, more))?;
        }
        Ok(())
    }

    fn place(&self, span: Span) -> String {
        let source = self.report.sources.get(span.source);
        let position = self.report.sources.position(span);
        format!("{}:{}:{}", source.name(), position.line, position.column)
    }

    fn missing(
        &self,
        explanation: &Explanation<'_>,
        asked: &ConnectionSet,
        out: &mut dyn Write,
    ) -> io::Result<()> {
        if explanation.verdict.unknown().intersection(asked).is_empty() {
            return Ok(());
        }
        let words = self.words();
        let sides = explanation.ways.iter().flat_map(Way::sides);
        let mut missing: Vec<_> = sides.flat_map(|side| words.missing(side, asked)).collect();
        missing.dedup();
        if !missing.is_empty() {
            writeln!(out)?;
        }
        for (what, span) in missing.into_iter().take(MOST_FLOWS) {
            let line = format!("{what}, at {}", self.place(span));
            writeln!(
                out,
                "  {} {}",
                self.style.paint(Role::Warning, "missing:"),
                Escaped(&line)
            )?;
        }
        Ok(())
    }

    fn what_to_do(
        &self,
        why: &Why<'_>,
        asked: &ConnectionSet,
        out: &mut dyn Write,
    ) -> io::Result<()> {
        let blocked = asked.intersection(&self.answer.blocked);
        if blocked.is_empty() {
            return Ok(());
        }
        let words = self.words();
        let mut is_first = true;
        let sides = why.explanation.ways.iter().flat_map(Way::sides);
        for side in sides.filter(|_| why.explanation.ways.len() == 1) {
            if side_outcome(side, &blocked) != ReachOutcome::Blocked {
                continue;
            }
            let Some(miss) = side.nearest_miss(&blocked) else {
                continue;
            };
            let differences = miss.peer_differences + usize::from(miss.ports_differ);
            if side.is_isolated() != Truth::True || differences > 2 || is_of_another_sort(&miss) {
                continue;
            }
            let differs = match (miss.peer_differences, miss.ports_differ) {
                (0, _) => "differs only in port",
                (1, false) => "differs only in one part of its peer",
                (_, false) => "differs only in its peer",
                (_, true) => "differs in peer and port",
            };
            if is_first {
                writeln!(out)?;
                is_first = false;
            }
            let rule = format!(
                "{} #{}",
                words.policy(miss.rule.policy),
                miss.rule.index + 1
            );
            let place = self.place(rule_text(miss.rule.rule));
            writeln!(
                out,
                "  nearest miss: {} ({}) {differs}",
                Escaped(&rule),
                Escaped(&place)
            )?;
        }
        for (position, change) in why.changes.iter().enumerate() {
            if is_first {
                writeln!(out)?;
                is_first = false;
            }
            self.change(change, position == 0, &words, out)?;
        }
        Ok(())
    }

    fn change(
        &self,
        change: &Change,
        is_smallest: bool,
        words: &Words<'_>,
        out: &mut dyn Write,
    ) -> io::Result<()> {
        let mut title = if is_smallest {
            "smallest change:"
        } else {
            "or, opening less:"
        };
        for place in &change.places {
            let at = if place.removed.is_empty() {
                "after line"
            } else {
                "line"
            };
            let file = Escaped(&place.file);
            writeln!(
                out,
                "  {} {file}, {at} {}",
                self.style.paint(Role::Strong, title),
                place.line
            )?;
            title = "and:";
            for (sign, lines, role) in [
                ('-', &place.removed, Role::Error),
                ('+', &place.added, Role::Good),
            ] {
                for line in lines {
                    let line = format!("{sign} {}", Escaped(line));
                    writeln!(out, "    {}", self.style.paint(role, line.trim_end()))?;
                }
            }
        }
        writeln!(out, "  {}", Escaped(&opens(change, words)))
    }
}

/// Whether the rule is about ends of another sort altogether: pods where addresses are
/// asked for, or the other way round.
fn is_of_another_sort(miss: &NearestMiss<'_, '_>) -> bool {
    let nearest = miss
        .rule
        .peers
        .nearest()
        .filter(|_| miss.peer_differences > 0);
    let misses = nearest.map_or(&[][..], |peer| &peer.misses);
    misses.iter().any(|miss| {
        matches!(
            miss,
            Miss::NotAPod | Miss::AddressUnknown | Miss::NotANode | Miss::DomainName
        )
    })
}

/// What a change opens besides, in words.
fn opens(change: &Change, words: &Words<'_>) -> String {
    let flows = &change.opens;
    let Some(first) = flows.first() else {
        return "it would open nothing else".to_owned();
    };
    let is_one_destination = flows
        .iter()
        .all(|flow| flow.to == first.to && flow.connections == first.connections);
    let is_one_source = flows
        .iter()
        .all(|flow| flow.from == first.from && flow.connections == first.connections);
    let listed = |names: Vec<&str>| {
        let mut list = names
            .iter()
            .take(MOST_FLOWS)
            .copied()
            .collect::<Vec<_>>()
            .join(", ");
        if names.len() > MOST_FLOWS {
            list += &format!(" and {} more", names.len() - MOST_FLOWS);
        }
        list
    };
    let on = ports(&first.connections);
    if is_one_destination {
        let names: Vec<&str> = flows.iter().map(|flow| flow.from.as_str()).collect();
        let to = short_of(&first.to, words);
        return format!(
            "it would also open {on} on {to} to {} more: {}",
            names.len(),
            listed(names)
        );
    }
    if is_one_source {
        let names: Vec<&str> = flows.iter().map(|flow| flow.to.as_str()).collect();
        let from = short_of(&first.from, words);
        return format!(
            "it would also let {from} open {on} on {} more: {}",
            names.len(),
            listed(names)
        );
    }
    let shown = flows
        .iter()
        .take(MOST_FLOWS)
        .map(|flow| format!("{} -> {} {}", flow.from, flow.to, ports(&flow.connections)));
    let mut shown = shown.collect::<Vec<_>>().join(", ");
    if flows.len() > MOST_FLOWS {
        shown += &format!(" and {} more", flows.len() - MOST_FLOWS);
    }
    format!("it would also open {}: {shown}", count(flows.len(), "flow"))
}

/// The short form of a name that the answer is about, any other name as it is.
fn short_of<'n>(name: &'n str, words: &Words<'_>) -> &'n str {
    let ends_with = |short: &str| name.ends_with(&format!("/{short}"));
    if ends_with(words.to) || ends_with(words.from) {
        name.rsplit('/').next().unwrap_or(name)
    } else {
        name
    }
}

/// The lines of a side that are shown.
struct Shown<'t, 'c> {
    entries: Vec<Entry<'t, 'c>>,
    hidden: usize,
    /// Whether all that is hidden does not match.
    hides_only_misses: bool,
}

enum Entry<'t, 'c> {
    Rule(&'t RuleTrace<'c>),
    NoRules(PolicyRef),
}

impl<'t, 'c> Shown<'t, 'c> {
    fn of(side: &'t SideTrace<'c>, asked: &ConnectionSet, detail: Detail) -> Self {
        let shows_all = detail == Detail::Everything;
        let decisions = side.decisions(asked);
        let mut entries = Vec::new();
        let mut hidden = 0;
        let decides = |rule: &&RuleTrace<'_>| !rule.decides.possible.intersection(asked).is_empty();
        for rule in &side.admin {
            if shows_all || decides(&rule) {
                entries.push(Entry::Rule(rule))
            } else {
                hidden += 1
            }
        }
        // The NetworkPolicies are asked about what the Admin tier leaves to them.
        let is_denied = decisions.iter().any(|decision| {
            matches!(
                decision.code,
                ReasonCode::NoRules | ReasonCode::NoRuleMatches
            )
        });
        for policy in &side.policies {
            if policy.rules.is_empty() && (is_denied || shows_all) {
                entries.push(Entry::NoRules(PolicyRef::Network(policy.id)));
            }
            let all_ports = asked.is_all();
            for rule in &policy.rules {
                let is_candidate = if all_ports {
                    rule.applies() != Truth::False
                } else {
                    decides(&rule)
                };
                let is_shown = shows_all || is_candidate || (is_denied && !all_ports);
                if is_shown {
                    entries.push(Entry::Rule(rule))
                } else {
                    hidden += 1
                }
            }
        }
        let is_reached = side.is_isolated() != Truth::True;
        for rule in side.baseline.iter().filter(|_| is_reached) {
            if shows_all || decides(&rule) {
                entries.push(Entry::Rule(rule))
            } else {
                hidden += 1
            }
        }
        let mut hides_only_misses = true;
        if !shows_all && entries.len() > MOST_RULES {
            hidden += entries.len() - MOST_RULES;
            hides_only_misses = is_denied;
            entries.truncate(MOST_RULES);
        }
        Self {
            entries,
            hidden,
            hides_only_misses,
        }
    }

    fn hidden_words(&self) -> String {
        let rules = count(self.hidden, "rule");
        match (self.hides_only_misses, self.hidden) {
            (false, _) => format!("{rules} more"),
            (true, 1) => format!("{rules} that does not match"),
            (true, _) => format!("{rules} that do not match"),
        }
    }
}

fn is_match(rule: &RuleTrace<'_>, asked: &ConnectionSet) -> bool {
    !rule.decides.certain.intersection(asked).is_empty()
}

fn side<'w, 'c>(way: &'w Way<'c>, direction: Direction) -> &'w SideTrace<'c> {
    match direction {
        Direction::Egress => &way.egress,
        Direction::Ingress => &way.ingress,
    }
}

/// How a side alone comes out.
pub(super) fn side_outcome(side: &SideTrace<'_>, asked: &ConnectionSet) -> ReachOutcome {
    let of_asked = |set: ConnectionSet| set.intersection(asked);
    let verdict = &side.verdict;
    if !of_asked(verdict.unknown()).is_empty() {
        return ReachOutcome::Unknown;
    }
    match (
        of_asked(verdict.allowed()).is_empty(),
        of_asked(verdict.denied()).is_empty(),
    ) {
        (_, true) => ReachOutcome::Allowed,
        (true, false) => ReachOutcome::Blocked,
        (false, false) => ReachOutcome::Partly,
    }
}

fn role(outcome: ReachOutcome) -> Role {
    match outcome {
        ReachOutcome::Allowed => Role::Good,
        ReachOutcome::Blocked => Role::Error,
        ReachOutcome::Partly | ReachOutcome::Unknown => Role::Warning,
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
        (names, None) => {
            let mut shown = names
                .iter()
                .take(MOST_NAMES)
                .cloned()
                .collect::<Vec<_>>()
                .join(", ");
            if names.len() > MOST_NAMES {
                shown += &format!(" and {} more", names.len() - MOST_NAMES);
            }
            shown
        }
    }
}

fn address(address: Address) -> String {
    match address {
        Address::Unknown => "an unknown address".to_owned(),
        Address::Pod(address) => address.to_string(),
        Address::Outside(range) if range.first == range.last => range.first.to_string(),
        Address::Outside(range) => range.to_string(),
    }
}

/// How many columns a text takes once it is escaped.
fn width(text: &str) -> usize {
    Escaped(text).to_string().chars().count()
}
