//! What edits do to connectivity: the engine is asked about the clusters before and after
//! them.
//!
//! Refuses to know what the edits are good for.

use super::{ClusterView, Workspace};
use crate::cluster::{Cluster, Identity};
use crate::diagnostic::{Edit, FixClass};
use crate::engine::{Engine, Selectable};
use crate::graph::{self, GraphDiff};
use crate::k8s::{Object, ObjectMeta};
use crate::source::{SourceId, Span};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

impl Workspace {
    /// Whether an API server would take the object that the span lies in, so that it has a
    /// say.
    pub(super) fn counts(&self, span: Span) -> bool {
        let objects = &self.texts.get(span.source).objects;
        let mut around = objects
            .iter()
            .map(Object::meta)
            .filter(|meta| meta.span.contains(span));
        around.any(|meta| meta.is_accepted)
    }

    /// How many objects an API server would take.
    fn accepted(&self) -> usize {
        let read = self.ids.iter().map(|id| self.texts.get(*id));
        let metas = read.flat_map(|read| read.objects.iter().map(Object::meta));
        metas.filter(|meta: &&ObjectMeta| meta.is_accepted).count()
    }
}

/// A change that comes after others.
#[derive(Clone, Copy)]
pub(super) struct Change<'w> {
    /// Before all of them.
    pub(super) start: &'w Workspace,
    /// Before this one.
    pub(super) before: &'w Workspace,
    /// After all of them.
    pub(super) after: &'w Workspace,
}

/// What a change does to connections, if it is what is promised; without a promise, if
/// no object becomes invalid.
///
/// Where no manifest declares the pods that a changed policy is about, placeholders stand for
/// them: those of the policy as it is afterwards, as what was written before may be the very
/// mistake; only what claims to change nothing has to bear those from before, too.
pub(super) fn prove(
    change: Change<'_>,
    promise: Option<FixClass>,
) -> Result<Vec<GraphDiff>, &'static str> {
    if change.after.accepted() < change.before.accepted() {
        return Err("the manifest would not be valid afterwards");
    }
    let changes = differences(change, promise == Some(FixClass::Safe));
    let adds = changes.iter().any(GraphDiff::adds);
    let removes = changes.iter().any(GraphDiff::removes);
    match promise {
        Some(FixClass::Safe) if adds || removes => Err("it would change who can talk to whom"),
        Some(FixClass::Narrowing) if adds => Err("it would open flows as well"),
        Some(FixClass::Widening) if removes => Err("it would close flows as well"),
        _ => Ok(changes),
    }
}

/// Whether it is proved that edits change no connections, by the objects alone that they change: no
/// text is read again. What needs more than that is not proved.
pub(super) fn is_unchanged(before: &Workspace, edits: &[Edit]) -> bool {
    let [view] = before.clusters.as_slice() else {
        return false;
    };
    let cluster = view.first_definitions();
    // Where objects are there twice, edits may change which clusters there are.
    if view.part.is_built || !cluster.duplicates().is_empty() {
        return false;
    }
    let Some(changed) = before.objects_after(view, edits) else {
        return false;
    };
    let objects = view.part.objects.iter();
    let (replaced, kept): (Vec<&Object>, Vec<&Object>) =
        objects.partition(|object| changed.replaces(object));
    let names = |objects: &[&Object]| {
        let identities = objects.iter().filter_map(|object| Identity::of(object));
        let names: BTreeSet<String> = identities.map(|it| it.to_string()).collect();
        names
    };
    let [names_before, names_after] =
        [replaced, changed.objects.iter().collect()].map(|objects: Vec<&Object>| names(&objects));
    if names_before != names_after {
        return false;
    }
    let objects = changed.beside(kept.into_iter());
    let after = view.with_objects(objects.clone());
    let clusters = [(cluster, &view.part.objects[..]), (&after, &objects)];
    let texts = edits.iter().map(|edit| edit.span.source).collect();
    let change = difference(view, clusters, &texts, true);
    !change.adds() && !change.removes()
}

/// What changes for connections, in every cluster that has a text which changed.
fn differences(change: Change<'_>, by_both: bool) -> Vec<GraphDiff> {
    let Change {
        start,
        before,
        after,
    } = change;
    // What was changed before is looked at again: this change may matter to it as well.
    let is_changed = |id: &&SourceId| {
        let [before, after] = [start, after].map(|state| state.texts.get(**id));
        !Arc::ptr_eq(before, after)
    };
    let changed: BTreeSet<SourceId> = before.ids.iter().filter(is_changed).copied().collect();
    let [old, new] = [before, after].map(by_name);
    if !old.keys().eq(new.keys()) {
        // The edits change which clusters there are: all that was read is taken as one.
        let objects = [before, after].map(|state| {
            let parts = state.clusters.iter().map(|view| &view.part.objects);
            parts.flatten().cloned().collect::<Vec<_>>()
        });
        let view = &before.clusters[0];
        let joined = objects.each_ref().map(|it| view.with_objects(it.clone()));
        let [before, after] = [0, 1].map(|time| (&joined[time], objects[time].as_slice()));
        return Some(difference(view, [before, after], &changed, by_both))
            .into_iter()
            .filter(|it| !it.is_empty())
            .collect();
    }
    let pairs = old.into_values().zip(new.into_values());
    let differences = pairs
        .filter(|(old, new)| !Arc::ptr_eq(old, new))
        .map(|(old, new)| {
            let joined =
                [old, new].map(|view| (view.first_definitions(), view.part.objects.as_slice()));
            difference(old, joined, &changed, by_both)
        });
    differences.filter(|it| !it.is_empty()).collect()
}

fn by_name(workspace: &Workspace) -> BTreeMap<&str, &Arc<ClusterView>> {
    let views = workspace.clusters.iter();
    views.map(|view| (view.name(), view)).collect()
}

/// What changes in one cluster, which becomes another; beside each the objects that were joined.
fn difference(
    view: &ClusterView,
    clusters: [(&Cluster, &[Object]); 2],
    changed: &BTreeSet<SourceId>,
    by_both: bool,
) -> GraphDiff {
    let placeholders_of = |cluster| {
        graph::placeholders(&Selectable::new(cluster), |policy| {
            changed.contains(&policy.meta.span.source)
        })
    };
    let joined = clusters.map(|(cluster, _)| cluster);
    let mut placeholders = placeholders_of(joined[1]);
    if by_both {
        placeholders.extend(placeholders_of(joined[0]));
    }
    if placeholders.is_empty() {
        let [before, after] = joined.map(Engine::new);
        return graph::difference(&before, &after);
    }
    let with_placeholders = clusters.map(|(cluster, objects)| {
        let more = cluster.with_hypothetical_pods(&placeholders);
        more.unwrap_or_else(|| view.with_objects([objects, &placeholders].concat()))
    });
    let [before, after] = with_placeholders.each_ref().map(Engine::new);
    graph::difference(&before, &after)
}

#[cfg(test)]
mod tests;
