//! What would have to change for a blocked connection: the rule that comes nearest, and
//! the change of text that would do.
//!
//! Refuses to know where changes come from.

use super::{Page, side_outcome, some_of};
use crate::engine::{ConnectionSet, Miss, NearestMiss, ReasonCode, SideTrace};
use crate::output::reach::{Change, IngressEntrance, ReachOutcome};

use crate::output::reach_words::{Words, ports};
use crate::output::{Escaped, Role, count};
use std::io::{self, Write};

/// How many flows that a change opens besides are named.
const MAX_FLOWS: usize = 6;

/// A rule that differs in more parts than this is not near.
const MAX_DIFFERENCES: usize = 2;

impl Page<'_, '_> {
    pub(super) fn what_to_do(&self, asked: &ConnectionSet, out: &mut dyn Write) -> io::Result<()> {
        let why = &self.answer.why;
        let mut lines = Vec::new();
        // All ports are asked for by those who want to know, not by those who want them.
        if let ([way], Some(_)) = (&why.explanation.ways[..], &self.answer.asked) {
            for side in way.sides() {
                self.nearest_miss(side, &asked.intersection(&self.answer.blocked), &mut lines)?;
            }
        }
        let mut title = "smallest change:";
        if let Some(entrance) = &why.entrance {
            self.entrance(entrance, &mut lines)?;
            title = "smallest change for it:";
        }
        for change in &why.changes {
            self.change(change, title, &mut lines)?;
        }
        if !lines.is_empty() {
            writeln!(out)?;
        }
        out.write_all(&lines)
    }

    fn entrance(&self, entrance: &IngressEntrance, out: &mut dyn Write) -> io::Result<()> {
        let place = self.place(Some(entrance.span));
        let pods = &entrance.pods;
        let state = match (&entrance.only, entrance.is_open) {
            (Some(only), _) => format!("allowed on {only}"),
            (None, true) => "allowed".to_owned(),
            (None, false) => "blocked too".to_owned(),
        };
        let line = format!(
            "the internet gets here through {pods} ({}, {place}), which is {state}",
            entrance.object
        );
        writeln!(out, "  {}", Escaped(&line))
    }

    fn nearest_miss(
        &self,
        side: &SideTrace<'_>,
        blocked: &ConnectionSet,
        out: &mut dyn Write,
    ) -> io::Result<()> {
        let decisions = side.decisions(blocked);
        let has_missed = decisions
            .iter()
            .any(|decision| decision.code == ReasonCode::NoRuleMatches);
        if !has_missed || side_outcome(side, blocked) != ReachOutcome::Blocked {
            return Ok(());
        }
        let Some(miss) = side.nearest_miss(blocked).filter(is_near) else {
            return Ok(());
        };
        let differs = match (miss.peer_differences, miss.ports_differ) {
            (0, _) => "differs only in port",
            (1, false) => "differs only in one part of its peer",
            (_, false) => "differs only in its peer",
            (_, true) => "differs in peer and port",
        };
        let rule = format!(
            "{} #{}",
            self.words.policy(miss.rule.policy),
            miss.rule.index + 1
        );
        let place = self.place(miss.rule.rule.span());
        writeln!(
            out,
            "  nearest miss: {} ({}) {differs}",
            Escaped(&rule),
            Escaped(&place)
        )
    }

    fn change(&self, change: &Change, title: &str, out: &mut dyn Write) -> io::Result<()> {
        let mut title = title;
        for place in &change.places {
            let at = if place.removed.is_empty() {
                "after line"
            } else {
                "line"
            };
            let file = Escaped(&place.file);
            let bold = self.style.paint(Role::Strong, title);
            writeln!(out, "  {bold} {file}, {at} {}", place.line)?;
            title = "and:";
            let lines = [
                ('-', &place.removed, Role::Error),
                ('+', &place.added, Role::Good),
            ];
            for (sign, lines, role) in lines {
                for line in lines {
                    let line = format!("{sign} {}", Escaped(line));
                    let line = self.style.paint(role, line.trim_end());
                    writeln!(out, "{}", self.style.whole(format!("    {line}")))?;
                }
            }
        }
        writeln!(out, "  {}", Escaped(&opens(change, &self.words)))
    }
}

/// Whether a rule is near enough to be worth a word, and about ends of the same sort: pods
/// where pods are asked for, addresses where these are.
fn is_near(miss: &NearestMiss<'_, '_>) -> bool {
    let nearest = miss
        .rule
        .peers
        .nearest()
        .filter(|_| miss.peer_differences > 0);
    let misses = nearest.map_or(&[][..], |peer| &peer.misses);
    let is_of_another_sort = |miss: &Miss<'_>| {
        matches!(
            miss,
            Miss::NotAPod
                | Miss::AddressUnknown(..)
                | Miss::BlockIgnoresPods(_)
                | Miss::HostNetwork
                | Miss::NetworkUnknown
                | Miss::NotANode(_)
                | Miss::DomainName(_)
                | Miss::Untold
                | Miss::AnotherEnd
        ) || matches!(miss, Miss::Unmet(unmet) if unmet.is_filtered())
    };
    let differences = miss.peer_differences + usize::from(miss.ports_differ);
    differences <= MAX_DIFFERENCES && !misses.iter().any(is_of_another_sort)
}

/// What a change opens besides, in words.
fn opens(change: &Change, words: &Words<'_>) -> String {
    let flows = &change.opens;
    let Some(first) = flows.first() else {
        return "it would open nothing else".to_owned();
    };
    let on = ports(&first.connections);
    let is_one_port = flows
        .iter()
        .all(|flow| flow.connections == first.connections);
    if flows.len() == 1 {
        return format!(
            "it would also open {on} from {} to {}",
            first.from, first.to
        );
    }
    if is_one_port && flows.iter().all(|flow| flow.to == first.to) {
        let names: Vec<&str> = flows.iter().map(|flow| flow.from.as_str()).collect();
        let to = words.short(&first.to);
        let names = some_of(&names, MAX_FLOWS);
        return format!(
            "it would also open {on} on {to} to {} more: {names}",
            flows.len()
        );
    }
    if is_one_port && flows.iter().all(|flow| flow.from == first.from) {
        let names: Vec<&str> = flows.iter().map(|flow| flow.to.as_str()).collect();
        let from = words.short(&first.from);
        let names = some_of(&names, MAX_FLOWS);
        return format!(
            "it would also let {from} open {on} on {} more: {names}",
            flows.len()
        );
    }
    let flow = |flow: &crate::output::OpenedFlow| {
        format!("{} -> {} {}", flow.from, flow.to, ports(&flow.connections))
    };
    let shown: Vec<String> = flows.iter().map(flow).collect();
    let shown = some_of(&shown, MAX_FLOWS);
    format!("it would also open {}: {shown}", count(flows.len(), "flow"))
}
