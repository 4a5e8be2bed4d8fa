//! The rules whose deletion closes all paths: those that let a path into a workload that all
//! cross, or out of it, tried on the text.
//!
//! Refuses to delete what is no rule of a NetworkPolicy, and to call something a cut that
//! leaves a path.

use super::Question;
use super::cut::Search;
use crate::cli::line_diff::unified_diff;
use crate::cluster::{Cluster, PolicyId, WorkloadId};
use crate::diagnostic::Edit;
use crate::engine::{Engine, PolicyRef};
use crate::graph::{Comparison, ComparisonQuery, EndSet, Move, NodeId, SideRules};
use crate::k8s::{Action, Direction, NetworkPolicyRule};
use crate::lint::rewrite::{self, Item};
use crate::output::CutAnswer;
use crate::source::{SourceMap, Span};
use std::collections::{BTreeMap, BTreeSet};

/// Rules of one list of one policy, by their places.
type Removed = BTreeMap<(PolicyId, Direction), BTreeSet<usize>>;

/// The proposals to delete what lets paths through these nodes, each proved.
pub(super) fn proposals(
    search: &Search<'_>,
    candidates: &[(Vec<NodeId>, Direction)],
) -> Vec<CutAnswer> {
    let engine = Engine::new(search.cluster());
    let rules = SideRules::new(&engine, search.matrix);
    let removed: BTreeSet<Removed> = candidates
        .iter()
        .filter_map(|(nodes, direction)| removed(search, &rules, nodes, *direction))
        .collect();
    let tried = removed.iter().filter_map(|removed| tried(search, removed));
    tried.collect()
}

/// The rules that let a path into these nodes, or out of them; nothing where a side is open
/// without a rule of a NetworkPolicy.
fn removed(
    search: &Search<'_>,
    rules: &SideRules,
    nodes: &[NodeId],
    direction: Direction,
) -> Option<Removed> {
    let mut removed = Removed::new();
    for node in nodes {
        let sides = match direction {
            Direction::Ingress => &rules.ingress,
            Direction::Egress => &rules.egress,
        };
        for place in sides.get(node.index())?.as_ref()? {
            let rule = &rules.rules[*place];
            let is_on_a_way = match &rule.peers {
                None => true,
                Some(peers) => peers
                    .iter()
                    .any(|peer| search.is_on_a_way(*peer, direction)),
            };
            if rule.action != Action::Accept || !(is_on_a_way || rule.has_blocks) {
                continue;
            }
            let PolicyRef::Network(policy) = rule.policy else {
                return None;
            };
            removed
                .entry((policy, direction))
                .or_default()
                .insert(rule.index);
        }
    }
    (!removed.is_empty()).then_some(removed)
}

/// The proposal, if the engine finds no path any more without these rules.
fn tried(search: &Search<'_>, removed: &Removed) -> Option<CutAnswer> {
    let (input, view) = (search.input, search.view);
    let sources = input.workspace.sources();
    let mut edits = Vec::new();
    let mut names = Vec::new();
    for ((policy, direction), indices) in removed {
        let list = search.cluster().policy(*policy).object.rules(*direction);
        edits.extend(deletion(sources, list, indices)?);
        for index in indices {
            let position = sources.position(list.get(*index)?.span);
            let file = sources.get(list[*index].span.source).name();
            let name = search.cluster().policy_name(*policy);
            let (field, number) = (direction.field(), index + 1);
            names.push(format!(
                "{field} rule #{number} of {name} ({file}:{}:{})",
                position.line, position.column
            ));
        }
    }
    let changed = input.workspace.objects_after(view, &edits)?;
    let kept = view.part().objects.iter();
    let kept = kept.filter(|object| !changed.replaces(object));
    let after = view.hypothetical(&changed.beside(kept));
    let question = moved(search.question, search.cluster(), &after)?;
    if search.has_path(&question, &after) {
        return None;
    }
    let (old, new) = (Engine::new(view.cluster()), Engine::new(&after));
    let comparison = Comparison::new(&old, &new, &ComparisonQuery::default());
    let opens = comparison
        .lines
        .iter()
        .any(|line| line.moved != Move::Closed);
    let closes = comparison.lines.iter().map(|line| line.pairs).sum();
    (!opens).then(|| CutAnswer {
        title: format!("delete {}", names.join(", ")),
        manifest: String::new(),
        diff: diff(sources, &edits),
        closes,
        is_proved: true,
    })
}

/// The edits that delete some rules of a list; an empty list, which allows nothing, stays.
fn deletion(
    sources: &SourceMap,
    list: &[NetworkPolicyRule],
    indices: &BTreeSet<usize>,
) -> Option<Vec<Edit>> {
    let items: Vec<Item> = list.iter().map(Item::from).collect();
    if indices.len() < items.len() {
        let indices: Vec<usize> = indices.iter().copied().collect();
        return rewrite::remove_items(sources, &items, &indices);
    }
    let (first, last) = (items.first()?, items.last()?);
    let text = sources.get(first.span.source).text();
    let edit = |start: usize, end: usize, replacement: &str| Edit {
        span: Span::new(first.span.source, start as u32, end as u32),
        replacement: replacement.to_owned(),
    };
    let edit = match first.dash {
        Some(dash) => {
            let before = text[..dash.start as usize].trim_end();
            let is_behind_key = before.ends_with(':');
            is_behind_key.then(|| edit(before.len(), last.span.end as usize, " []"))?
        }
        None => {
            let before = text[..first.span.start as usize].trim_end();
            let is_alone = before.ends_with('[');
            is_alone.then(|| edit(before.len(), last.span.end as usize, ""))?
        }
    };
    Some(vec![edit])
}

/// The question as the other cluster has it; `None` if a workload is not there.
fn moved(question: &Question, old: &Cluster, new: &Cluster) -> Option<Question> {
    let by_name: BTreeMap<String, WorkloadId> = new
        .workload_ids()
        .map(|id| (new.workload_name(id), id))
        .collect();
    let ends = |ends: &EndSet| -> Option<EndSet> {
        let ids = ends.workloads().iter();
        let ids = ids.map(|id| by_name.get(&old.workload_name(*id)).copied());
        let ids: Option<Vec<WorkloadId>> = ids.collect();
        Some(EndSet::new(ids?, ends.outside().iter().copied()))
    };
    Some(Question {
        from: ends(&question.from)?,
        to: match &question.to {
            Some(to) => Some(ends(to)?),
            None => None,
        },
        internet: question.internet.clone(),
        connections: question.connections.clone(),
    })
}

/// The edits as a patch.
fn diff(sources: &SourceMap, edits: &[Edit]) -> String {
    let mut by_source: BTreeMap<_, Vec<Edit>> = BTreeMap::new();
    for edit in edits {
        by_source
            .entry(edit.span.source)
            .or_default()
            .push(edit.clone());
    }
    let mut text = String::new();
    for (id, edits) in by_source {
        let before = sources.get(id);
        let Ok(after) = crate::edit::apply(before.text(), &edits) else {
            continue;
        };
        text += &unified_diff(before.name(), before.text(), &after);
    }
    text
}
