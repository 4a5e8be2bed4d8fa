//! Runs rules over a cluster: all of them side by side, findings in one order, repeats
//! and consequences of one cause left out.

use super::comments::Comments;
use super::consequence::part_consequences;
use super::facts::Facts;
use super::offer::keep_languages;
use super::suppression::{Suppressed, Suppressions};
use super::{Context, Date, IgnoreEntry, Rule, RuleMeta, Settings};
use crate::cluster::Cluster;
use crate::diagnostic::Diagnostic;
use crate::engine::Engine;
use crate::k8s;
use crate::source::SourceMap;
use rayon::prelude::*;
use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;

/// What a run looks at.
#[derive(Clone, Copy)]
pub struct Input<'a> {
    /// The texts.
    pub sources: &'a SourceMap,
    /// What each document became; their comments hold the suppressions.
    pub documents: &'a k8s::Documents,
    /// What the reader of the manifests reported, in the name of rules.
    pub reported: &'a [Diagnostic],
    /// The objects, joined.
    pub cluster: &'a Cluster,
    /// Who may talk to whom.
    pub engine: &'a Engine<'a>,
    /// The same for the cluster before a change, where there is a change to look at.
    pub earlier: Option<&'a Engine<'a>>,
    /// What is known beyond the manifests.
    pub settings: &'a Settings,
    /// Every rule that exists, whether it runs or not: a suppression may name it.
    pub known_rules: &'a [&'static RuleMeta],
    /// Whether a selector of pods, at this path of its policy, matches pods in another build of its
    /// text, as that of a base does in some environments.
    pub is_met_elsewhere: &'a (dyn Fn(&str, &k8s::LabelSelector) -> bool + Sync),
    /// What the configuration allows.
    pub ignore: &'a [IgnoreEntry],
    /// The name of a source as the patterns of `ignore` see it: relative to the
    /// configuration.
    pub path_of: &'a (dyn Fn(&str) -> String + Sync),
    /// The day by which suppressions expire.
    pub today: Date,
}

/// What a run found.
#[derive(Clone, Debug, Default)]
pub struct Report {
    /// The findings, by the name of their file, then by place, then by rule.
    pub findings: Vec<Diagnostic>,
    /// The findings of objects that have more than anybody reads, beyond those; [`run`] leaves
    /// it to its caller to tell them apart.
    pub untold: Vec<Diagnostic>,
    /// The findings that somebody has allowed, with the reason, in the same order.
    pub suppressed: Vec<Suppressed>,
    /// The entries of [`Input::ignore`] that cover a finding, by their place from 0. One that
    /// has expired counts too, although it allows nothing any more.
    pub used_entries: BTreeSet<usize>,
    /// How many policies were in no cluster that was looked at; [`run`] looks at one, and
    /// leaves this to those who have several.
    pub unjudged: usize,
    /// What rules did not look at, as that would take too long, in order.
    pub limits: BTreeSet<Limit>,
}

/// That a rule did not look at everything. It reads as the rule and what is missing.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Limit {
    /// The rule's name.
    pub rule: &'static str,
    /// What it did not look at, lower case, without a full stop.
    pub missing: String,
}

impl fmt::Display for Limit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}`: {}", self.rule, self.missing)
    }
}

/// Runs these rules and no others: the caller has left out those that are off, be it by
/// default ([`RuleMeta::is_on_by_default`]) or by
/// somebody's word. What the reader reported in the name of a rule that is off is left
/// out too.
#[must_use]
pub fn run(input: &Input<'_>, rules: &[&'static dyn Rule]) -> Report {
    let facts = Arc::new(Facts::default());
    let comments = Arc::new(Comments::new(input.sources, input.documents));
    let of_rules: Vec<_> = rules
        .par_iter()
        .map(|rule| check(input, comments.clone(), &facts, *rule))
        .collect();
    let mut findings = Vec::new();
    let mut limits = BTreeSet::new();
    for (found, missing) in of_rules {
        findings.extend(found);
        limits.extend(missing);
    }
    let runs = |finding: &&Diagnostic| rules.iter().any(|rule| rule.meta().name == finding.rule);
    findings.extend(input.reported.iter().filter(runs).cloned());
    let (findings, consequences) = part_consequences(input.sources, findings, rules);
    let mut suppressions = Suppressions::read(input, rules);
    let (mut findings, mut suppressed) = suppressions.apply(findings);
    // Whoever allows a consequence of something else has not allowed it for nothing.
    for consequence in consequences {
        suppressions.allowance(&consequence);
    }
    let (about_suppressions, allowed) = suppressions.apply(suppressions.check(&comments, rules));
    findings.extend(about_suppressions);
    suppressed.extend(allowed);
    findings.sort_by(|a, b| place(input.sources, a).cmp(&place(input.sources, b)));
    findings.dedup();
    keep_languages(input.sources, &mut findings);
    suppressed
        .sort_by(|a, b| place(input.sources, &a.finding).cmp(&place(input.sources, &b.finding)));
    Report {
        findings,
        untold: Vec::new(),
        suppressed,
        used_entries: suppressions.into_used_entries(),
        unjudged: 0,
        limits,
    }
}

/// What a rule finds, and what it did not look at.
fn check<'a>(
    input: &Input<'a>,
    comments: Arc<Comments<'a>>,
    facts: &Arc<Facts<'a>>,
    rule: &'static dyn Rule,
) -> (Vec<Diagnostic>, Vec<Limit>) {
    let mut cx = Context::new(input, comments, Arc::clone(facts), rule.meta());
    for id in input.cluster.policy_ids() {
        rule.check_network_policy(&mut cx, id, &input.cluster.policy(id).object);
    }
    for id in input.cluster.namespace_ids() {
        rule.check_namespace(&mut cx, id);
    }
    rule.check_cluster(&mut cx);
    cx.into_parts()
}

/// What findings are sorted by.
fn place<'a>(
    sources: &'a SourceMap,
    finding: &'a Diagnostic,
) -> (&'a str, crate::source::Span, &'a str, &'a str) {
    let span = finding.primary.span;
    (
        sources.get(span.source).name(),
        span,
        finding.rule,
        &finding.message,
    )
}
