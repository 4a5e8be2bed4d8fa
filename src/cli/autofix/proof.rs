//! What edits do to connectivity: the engine is asked about the manifests before and after
//! them.
//!
//! Refuses to know what the edits are good for.

use crate::cli::manifests::Manifests;
use crate::cluster::Cluster;
use crate::diagnostic::{Edit, FixClass};
use crate::edit;
use crate::engine::Engine;
use crate::graph::{self, GraphDiff};
use crate::k8s::Object;
use crate::source::{SourceId, SourceMap, Span};
use std::collections::{BTreeMap, BTreeSet};

/// Texts, and what is read in them.
#[derive(Clone)]
pub(super) struct State {
    pub(super) sources: SourceMap,
    pub(super) manifests: Manifests,
}

impl State {
    /// The state after some edits of its texts.
    pub(super) fn edited(&self, edits: &[Edit]) -> Result<Self, edit::Conflict> {
        let mut by_source: BTreeMap<SourceId, Vec<Edit>> = BTreeMap::new();
        for edit in edits {
            let of_source = by_source.entry(edit.span.source).or_default();
            of_source.push(edit.clone());
        }
        let mut sources = self.sources.clone();
        for (id, edits) in &by_source {
            sources.replace(*id, edit::apply(self.sources.get(*id).text(), edits)?);
        }
        let changed = by_source.into_keys().collect();
        let manifests = self.manifests.with_changes(&sources, &changed);
        Ok(Self { sources, manifests })
    }

    /// Whether an API server would take the object that the span lies in, so that it had a
    /// say.
    pub(super) fn counts(&self, span: Span) -> bool {
        let metas = self.manifests.objects().map(Object::meta);
        let mut around = metas.filter(|meta| meta.span.contains(span));
        around.any(|meta| meta.is_accepted)
    }

    /// How many objects an API server would take.
    fn accepted(&self) -> usize {
        let metas = self.manifests.objects().map(Object::meta);
        metas.filter(|meta| meta.is_accepted).count()
    }
}

/// What a change does to connections, if it is what is promised; without a promise, if
/// no object becomes invalid.
///
/// Where no manifest declares the pods that a changed policy is about, placeholders stand for
/// them: those of the policy as it is afterwards, as what was written before may be the very
/// mistake; only what claims to change nothing has to bear those from before, too.
pub(super) fn prove(
    before: &State,
    after: &State,
    promise: Option<FixClass>,
) -> Result<Vec<GraphDiff>, &'static str> {
    if after.accepted() < before.accepted() {
        return Err("the manifest would not be valid afterwards");
    }
    let changes = differences(before, after, promise == Some(FixClass::Safe));
    let adds = changes.iter().any(|it| it.added().next().is_some());
    let removes = changes.iter().any(|it| it.removed().next().is_some());
    match promise {
        Some(FixClass::Safe) if adds || removes => Err("it would change who can talk to whom"),
        Some(FixClass::Narrowing) if adds => Err("it would open flows as well"),
        Some(FixClass::Widening) if removes => Err("it would close flows as well"),
        _ => Ok(changes),
    }
}

/// What changes for connections, in every cluster that has a text which changed.
fn differences(before: &State, after: &State, by_both: bool) -> Vec<GraphDiff> {
    let is_changed = |id: &SourceId| {
        let [before, after] = [before, after].map(|state| state.sources.get(*id).text());
        before != after
    };
    let changed: BTreeSet<SourceId> = before.sources.ids().filter(is_changed).collect();
    let scopes = changed.iter().map(|id| before.manifests.scope(*id));
    let scopes: BTreeSet<Option<usize>> = scopes.collect();
    let differences = scopes.into_iter().map(|scope| {
        let objects =
            [before, after].map(|state| state.manifests.objects_of(scope, &state.sources));
        let [of_before, of_after] = objects.each_ref().map(|it| placeholders(it, &changed));
        let of_before = of_before.into_iter().filter(|_| by_both);
        let placeholders: Vec<Object> = of_after.into_iter().chain(of_before).collect();
        let clusters = objects.map(|mut objects| {
            objects.extend(placeholders.iter().cloned());
            Cluster::new(objects)
        });
        let [before, after] = clusters.each_ref().map(Engine::new);
        graph::difference(&before, &after)
    });
    differences.filter(|it| !it.is_empty()).collect()
}

/// The placeholders that the policies in some texts ask for.
fn placeholders(objects: &[Object], texts: &BTreeSet<SourceId>) -> Vec<Object> {
    let cluster = Cluster::new(objects.to_vec());
    graph::placeholders(&Engine::new(&cluster), |policy| {
        texts.contains(&policy.meta.span.source)
    })
}
