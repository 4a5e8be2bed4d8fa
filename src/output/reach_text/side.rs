//! One side of an answer: what it says as a whole, and the rules that decide, one a line.
//!
//! Refuses to know the other side.

use super::{Page, role, side_outcome, width};
use crate::engine::program::{End, StageName};
use crate::engine::{
    ConnectionSet, PolicyRef, PolicyTrace, ReasonCode, RuleRef, RuleTrace, SideTrace, StageTrace,
    Way,
};
use crate::output::reach::{Detail, ReachOutcome};
use crate::output::{Escaped, Role, count};
use std::io::{self, Write};

/// How many rules of a side are shown without being asked for.
const MAX_RULES: usize = 12;

/// A rule, or a policy without any, on its way to the page.
struct Line {
    name: String,
    place: String,
    said: String,
    is_match: bool,
}

impl Page<'_, '_> {
    pub(super) fn way(
        &self,
        way: &Way<'_>,
        asked: &ConnectionSet,
        out: &mut dyn Write,
    ) -> io::Result<()> {
        let egress = format!("egress from {}", self.words.from);
        let ingress = format!("ingress to {}", self.words.to);
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
                Escaped(&self.words.side(side, asked)),
            )?;
            let tiers = self.words.tiers(side, asked);
            if tiers.len() > 1 {
                let tiers = tiers
                    .iter()
                    .map(|(tier, does)| format!("tier {tier}: {does}"));
                let path = tiers.collect::<Vec<_>>().join(" > ");
                let path = Escaped(&path);
                writeln!(out, "    {}", self.style.paint(Role::Faint, path))?;
            }
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
        let shown = Shown::of(side, asked, self.detail);
        let lines: Vec<Line> = shown
            .entries
            .iter()
            .map(|entry| self.line(side, entry, asked))
            .collect();
        let widest = |cell: fn(&Line) -> &str| lines.iter().map(|line| width(cell(line))).max();
        let names = widest(|line| &line.name).unwrap_or_default();
        let places = widest(|line| &line.place).unwrap_or_default();
        for line in lines {
            let said = Escaped(&line.said);
            write!(
                out,
                "    {}{}  {}{}  ",
                Escaped(&line.name),
                " ".repeat(names - width(&line.name)),
                self.style.paint(Role::Faint, Escaped(&line.place)),
                " ".repeat(places - width(&line.place)),
            )?;
            match line.is_match {
                true => writeln!(out, "{}", self.style.paint(Role::Strong, said))?,
                false => writeln!(out, "{said}")?,
            }
        }
        if shown.hidden > 0 {
            let more = format!(
                "... and {} (-v shows all)",
                count(shown.hidden, "other rule")
            );
            writeln!(out, "    {}", self.style.paint(Role::Faint, more))?;
        }
        Ok(())
    }

    fn line(&self, side: &SideTrace<'_>, entry: &Entry<'_, '_>, asked: &ConnectionSet) -> Line {
        match entry {
            Entry::Rule(rule) => Line {
                name: self.words.rule_name(rule),
                place: self.place(self.words.rule_span(rule, asked)),
                said: self.words.rule(side, rule, asked),
                is_match: !rule.decides.certain.intersection(asked).is_empty(),
            },
            Entry::NoRules(PolicyRef::Agent) => Line {
                name: self.words.policy(PolicyRef::Agent),
                place: String::new(),
                said: "isolates every pod, whether a policy selects it or not".to_owned(),
                is_match: false,
            },
            Entry::NoRules(policy) => Line {
                name: self.words.policy(*policy),
                place: self.place(self.words.policy_span(*policy)),
                said: self.words.without_rules(side, *policy),
                is_match: false,
            },
        }
    }
}

/// What is shown of a side.
struct Shown<'t, 'c> {
    entries: Vec<Entry<'t, 'c>>,
    /// How many rules are not, that were asked as well.
    hidden: usize,
}

enum Entry<'t, 'c> {
    Rule(&'t RuleTrace<'c>),
    NoRules(PolicyRef),
}

impl<'t, 'c> Shown<'t, 'c> {
    fn of(side: &'t SideTrace<'c>, asked: &ConnectionSet, detail: Detail) -> Self {
        let mut shown = Self {
            entries: Vec::new(),
            hidden: 0,
        };
        let shows_all = detail == Detail::Everything;
        let decides = |rule: &RuleTrace<'_>| !rule.decides.possible.intersection(asked).is_empty();
        let decisions = side.decisions(asked);
        let is_whole = decisions.iter().all(|decision| decision.stage.is_some());
        let last = decisions.iter().filter_map(|decision| {
            let stage = decision.stage?;
            side.stages.iter().position(|it| it.name == stage)
        });
        // What comes after the last stage that decided was not asked.
        let last = last.max().filter(|_| is_whole && !shows_all);
        let stages = last.map_or(&side.stages[..], |last| &side.stages[..=last]);
        let allows_some = !side.verdict.allowed().intersection(asked).is_empty();
        // Behind the Baseline tier there are no rules, only the end of those before it.
        let is_asked = |stage: &&StageTrace<'_>| stage.name != StageName::Isolation;
        let end_of = |stage: StageName| match stage {
            StageName::Isolation => StageName::NetworkPolicies,
            stage => stage,
        };
        let isolates = |policy: &PolicyTrace<'_>| {
            let mut isolating = side.isolating();
            policy.end == End::Deny || isolating.any(|it| it.policy == policy.policy)
        };
        for stage in stages.iter().filter(is_asked) {
            let is_denied = decisions.iter().any(|decision| {
                let is_end = matches!(
                    decision.code,
                    ReasonCode::NoRules | ReasonCode::NoRuleMatches
                );
                is_end && decision.stage.map(end_of) == Some(stage.name)
            });
            for policy in &stage.policies {
                let is_empty = !policy.rules.iter().any(RuleTrace::is_written);
                if is_empty && isolates(policy) && (is_denied || shows_all) {
                    shown.entries.push(Entry::NoRules(policy.policy));
                }
                for rule in &policy.rules {
                    // Asked for all ports, nobody wants to read what each rule does not allow,
                    // unless nothing is allowed at all.
                    let is_near = is_denied && rule.is_written();
                    let is_near = is_near && !(asked.is_all() && allows_some);
                    shown.add(rule, shows_all || is_near || decides(rule));
                }
            }
        }
        shown.limited(shows_all, decides)
    }

    fn add(&mut self, rule: &'t RuleTrace<'c>, is_shown: bool) {
        if is_shown {
            self.entries.push(Entry::Rule(rule));
        // What is not judged and decides nothing here, such as the endpoint of a node, is no rule
        // that somebody could read.
        } else if rule.is_written() && !matches!(rule.rule, RuleRef::Unread(_)) {
            self.hidden += 1;
        }
    }

    /// At most so many of them, in their order: those that decide before those that only come near.
    fn limited(mut self, shows_all: bool, decides: impl Fn(&RuleTrace<'_>) -> bool) -> Self {
        if shows_all || self.entries.len() <= MAX_RULES {
            return self;
        }
        let decides = |entry: &Entry<'_, '_>| match entry {
            Entry::Rule(rule) => decides(rule),
            Entry::NoRules(_) => false,
        };
        let deciding = self.entries.iter().filter(|entry| decides(entry)).count();
        let mut near = MAX_RULES.saturating_sub(deciding);
        let all = self.entries.len();
        self.entries.retain(|entry| {
            let is_kept = decides(entry) || near > 0;
            near -= usize::from(is_kept && !decides(entry));
            is_kept
        });
        self.entries.truncate(MAX_RULES);
        self.hidden += all - self.entries.len();
        self
    }
}
