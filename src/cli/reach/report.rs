//! The answers of all clusters as one report.
//!
//! Refuses to judge, and to print.

use super::group::Group;
use super::{Options, Question, built, own_node};
use crate::cli::endpoint::Mistake;
use crate::cli::input::Input;
use crate::cli::port::PortQuestion;
use crate::output::{ReachAnswer, ReachOutcome, ReachReport, display_name};
use crate::source::SourceMap;
use std::collections::BTreeSet;

/// The answers of all clusters to what is asked of each, by its pairs: those of one where several
/// agree, each with the clusters that it is good for.
pub(super) fn report<'q>(
    options: &'q Options,
    input: &'q Input,
    sources: &'q SourceMap,
    asked: impl ExactSizeIterator<Item = (&'q Question<'q>, Result<Vec<Group<'q>>, Mistake>)>,
) -> Result<ReachReport<'q>, Mistake> {
    let mut notes = BTreeSet::new();
    let mut told: Vec<(Vec<ReachAnswer<'q>>, Vec<&'q str>)> = Vec::new();
    let number = asked.len();
    let mut ports: Option<&[PortQuestion]> = None;
    for (question, groups) in asked {
        let groups = groups?;
        notes.extend(own_node::note(question.scene.cluster, &groups));
        let answers = question.answers(groups);
        ports.get_or_insert(&question.ports);
        notes.extend(question.notes().cloned());
        notes.extend(question.notes_on_names());
        let name = display_name(question.scene.view.name());
        let agreeing = told
            .iter_mut()
            .find(|(known, _)| are_alike(sources, known, &answers));
        match agreeing {
            Some((known, clusters)) => {
                built::join(known, answers);
                clusters.push(name);
            }
            None => told.push((answers, vec![name])),
        }
    }
    let all = input.workspace.clusters();
    let has_several = all.len() > 1;
    if has_several && number < all.len() {
        notes.insert(format!("{number} of {} clusters have both ends", all.len()));
    }
    let mut answers = Vec::new();
    for (of_clusters, clusters) in told {
        answers.extend(of_clusters.into_iter().map(|answer| ReachAnswer {
            built: match has_several {
                true => answer.built,
                false => built::of_one_cluster(answer.built),
            },
            clusters: match has_several {
                true => clusters.clone(),
                false => Vec::new(),
            },
            ..answer
        }));
    }
    let ports = ports.unwrap_or_default();
    Ok(ReachReport {
        sources,
        from: &options.from,
        to: &options.to,
        ports: ports.iter().map(|port| port.text.as_str()).collect(),
        outcome: overall(answers.iter().map(|answer| answer.outcome)),
        clusters: match has_several {
            true => all.map(|view| display_name(view.name())).collect(),
            false => Vec::new(),
        },
        answers,
        notes: notes.into_iter().collect(),
        problems: input
            .problems
            .iter()
            .map(|problem| problem.name.clone())
            .collect(),
        not_judged: input.workspace.not_judged(),
    })
}

/// Whether two clusters answer the same, for the same reasons.
fn are_alike(sources: &SourceMap, one: &[ReachAnswer<'_>], other: &[ReachAnswer<'_>]) -> bool {
    let mut pairs = one.iter().zip(other);
    one.len() == other.len()
        && pairs.all(|(a, b)| {
            (a.outcome, a.pairs, &a.from, &a.to) == (b.outcome, b.pairs, &b.from, &b.to)
                && (&a.asked, &a.allowed, &a.blocked) == (&b.asked, &b.allowed, &b.blocked)
                && a.unknown == b.unknown
                && a.is_explained_as(b, sources)
        })
}

/// How a question with several answers came out.
fn overall(outcomes: impl Iterator<Item = ReachOutcome>) -> ReachOutcome {
    outcomes
        .reduce(ReachOutcome::and)
        .unwrap_or(ReachOutcome::Unknown)
}
