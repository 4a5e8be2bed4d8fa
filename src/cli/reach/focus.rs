//! Which namespaces a question is about, and whether their pods are all that its answer needs:
//! of a dump of a whole cluster, `reach a b` need not read the pods of others.
//!
//! Refuses to know what is left out.

use super::group::Group;
use super::{Question, change};
use crate::cli::endpoint::{End, is_kind};
use crate::manifest::Focus;

/// The namespaces of both ends as they are typed, `shop/web`; everything where one of them may
/// be elsewhere.
pub(super) fn of(ends: [&str; 2], namespace: Option<&str>) -> Focus {
    let namespaces = ends.map(|typed| match typed.split_once('/') {
        // `deploy/web` may be the Deployment of any namespace.
        Some((namespace, _)) if is_name(namespace) && !is_kind(namespace) => Some(namespace),
        Some(_) => None,
        None => namespace.filter(|_| is_name(typed)),
    });
    match namespaces {
        [Some(from), Some(to)] => Focus::on([from.to_owned(), to.to_owned()]),
        _ => Focus::default(),
    }
}

/// Whether a text can be the name of a namespace or of a workload, and nothing else.
fn is_name(text: &str) -> bool {
    let may_be = |it: u8| it.is_ascii_lowercase() || it.is_ascii_digit() || it == b'-';
    !text.is_empty() && text.bytes().all(may_be)
}

/// The pairs of each question, if what was read for the focus is enough: both ends are pods that
/// are there, and nothing else is looked for, as are names that are nearly those that were typed.
/// A change that would allow the connection may open others, so all pods are read unless it
/// cannot concern them.
pub(super) fn enough<'s>(
    focus: &Focus,
    questions: &'s [Question<'_>],
) -> Option<Vec<Vec<Group<'s>>>> {
    let groups = questions.iter().map(|question| {
        let cluster = question.scene.cluster;
        let mut ends = question.from.ends.iter().chain(&question.to.ends);
        let is_in_focus = |end: &End| match end {
            End::Workload(id) => {
                let namespace = cluster.workload(*id).namespace;
                focus.is_on(&cluster.namespace(namespace).name)
            }
            _ => false,
        };
        let is_about_focus = ends.all(is_in_focus);
        is_about_focus.then(|| groups_within(focus, question))?
    });
    groups.collect()
}

/// The pairs of a question with what may be tried to allow the connection, if that concerns the
/// pods of the focus alone wherever somebody wants to know it.
fn groups_within<'s>(focus: &Focus, question: &'s Question<'_>) -> Option<Vec<Group<'s>>> {
    let mut groups = question.groups().ok()?;
    let is_wanted = groups.len() <= change::MAX_ANSWERS && question.options.output_wants_changes();
    let (scene, inventory) = (question.scene, question.inventory());
    let ends = (&question.from, &question.to);
    let blocked = groups.iter_mut();
    for group in blocked.filter(|group| is_wanted && group.outcome.is_blocked_somewhere()) {
        let tried = change::tried_within(focus, scene, inventory, group, ends)?;
        group.tried = Some(tried);
    }
    Some(groups)
}

#[cfg(test)]
mod tests;
