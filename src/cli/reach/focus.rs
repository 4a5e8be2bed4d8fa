//! Which namespaces a question is about, and whether their pods are all that its answer needs:
//! of a dump of a whole cluster, `reach a b` need not read the pods of others.
//!
//! Refuses to know what is left out.

use super::{Options, Question, change};
use crate::cli::endpoint::{End, is_kind};
use crate::cli::input::Input;
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

/// Whether what was read for the focus is enough: both ends are pods that are there, and
/// nothing else is looked for, as are names that are nearly those that were typed. A change that
/// would allow the connection may open others, so all pods are read unless it cannot concern them.
pub(super) fn is_enough(options: &Options, focus: &Focus, input: &Input) -> bool {
    let workspace = &input.workspace;
    let mut sources = workspace.sources().clone();
    let arguments = [&options.from, &options.to].map(|typed| sources.add("<arguments>", typed));
    let Ok(questions) = Question::all(options, workspace, &sources, arguments) else {
        return false;
    };
    questions.iter().all(|question| {
        let cluster = question.scene.cluster;
        let mut ends = question.from.ends.iter().chain(&question.to.ends);
        let is_in_focus = |end: &End| match end {
            End::Workload(id) => {
                let namespace = cluster.workload(*id).namespace;
                focus.is_on(&cluster.namespace(namespace).name)
            }
            _ => false,
        };
        ends.all(is_in_focus) && changes_stay_within(focus, question)
    })
}

/// Whether what would allow the connection, if somebody wants to know it, concerns the pods of
/// the focus alone.
fn changes_stay_within(focus: &Focus, question: &Question<'_>) -> bool {
    let Ok(groups) = question.groups() else {
        return false;
    };
    let is_wanted = groups.len() <= change::MAX_ANSWERS && question.options.output_wants_changes();
    let (scene, inventory) = (question.scene, question.inventory());
    let ends = (&question.from, &question.to);
    !is_wanted
        || groups
            .iter()
            .filter(|group| group.outcome.is_blocked_somewhere())
            .all(|group| change::stay_within(focus, scene, inventory, group, ends))
}

#[cfg(test)]
mod tests;
