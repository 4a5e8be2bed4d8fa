//! Where objects end up that do not say so themselves: which namespace a kustomization,
//! Flux or Argo CD puts them into; and which texts are no objects at all, but patches of
//! others.
//!
//! Refuses to apply patches, and to change what an object says itself.

use super::layout::{self, Layout};
use crate::k8s::{ContextObject, Document, Object, ObjectMeta, Outcome, PolicyScope, RoleScope};
use crate::source::{SourceId, SourceMap, Spanned, Text};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// What the files around an object say about it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Places {
    namespaces: BTreeMap<SourceId, Spanned<Text>>,
    patches: BTreeSet<SourceId>,
    /// Directories that a kustomization takes from elsewhere.
    bases: BTreeSet<String>,
}

impl Places {
    /// What kustomizations, and what Flux and Argo CD apply, say about these sources.
    /// `objects` are those of all sources.
    #[must_use]
    pub fn new<'o>(sources: &SourceMap, objects: impl IntoIterator<Item = &'o Object>) -> Self {
        let mut kustomizations = Vec::new();
        let mut placements = Vec::new();
        for object in objects {
            match object {
                Object::ContextObject(ContextObject::Kustomization(object)) => {
                    kustomizations.push(object.as_ref());
                }
                Object::ContextObject(ContextObject::Placement(object)) => {
                    placements.push(object.as_ref());
                }
                _ => {}
            }
        }
        let (kustomizations, placements) = (kustomizations.into_iter(), placements.into_iter());
        let layout = Layout::new(sources, kustomizations, placements);
        let mut places = Self::default();
        if layout.is_empty() {
            return places;
        }
        places.bases = layout.bases().map(str::to_owned).collect();
        let built_into = layout.built_into();
        for source in sources.ids() {
            if layout.is_patch(source) {
                places.patches.insert(source);
                continue;
            }
            let path = layout.path(source);
            let namespace = built_into.get(&path).copied().or_else(|| {
                let is_applied_alone = !layout.is_resource(&path);
                let placement = layout.placement_of(layout::directory(&path));
                placement
                    .filter(|_| is_applied_alone)
                    .map(|placement| &placement.namespace)
            });
            if let Some(namespace) = namespace {
                places.namespaces.insert(source, namespace.clone());
            }
        }
        places
    }

    /// The objects as they end up: those that name no namespace in the one that they are put
    /// into, and without patches, which are no objects.
    #[must_use]
    pub fn settle(&self, mut objects: Vec<Object>) -> Vec<Object> {
        objects.retain(|object| !self.patches.contains(&object.meta().span.source));
        for object in &mut objects {
            let meta = object.meta();
            let Some(namespace) = self.namespaces.get(&meta.span.source) else {
                continue;
            };
            if meta.namespace.is_none()
                && let Some(meta) = namespaced(object)
            {
                meta.namespace = Some(namespace.clone());
            }
        }
        objects
    }

    /// The same for what became of the documents of one text.
    #[must_use]
    pub fn settle_documents(
        &self,
        source: SourceId,
        documents: &Arc<[Document]>,
    ) -> Arc<[Document]> {
        let is_patch = self.patches.contains(&source);
        let namespace = self.namespaces.get(&source);
        if !is_patch && namespace.is_none() {
            return Arc::clone(documents);
        }
        let settled = |document: &Document| {
            let mut document = document.clone();
            let is_object = matches!(
                document.outcome,
                Outcome::Object
                    | Outcome::ContextObject
                    | Outcome::PluginPolicy
                    | Outcome::PluginResource
            );
            if is_object && is_patch {
                document.outcome = Outcome::Patch;
            }
            if document.namespace.is_empty() {
                document.put_into = namespace.map(|namespace| namespace.value.as_str().into());
            }
            document
        };
        documents.iter().map(settled).collect()
    }

    /// Whether a directory, or one around it, is taken by a kustomization that stands
    /// elsewhere.
    #[must_use]
    pub fn is_base(&self, directory: &str) -> bool {
        let mut outer = std::iter::once(directory).chain(layout::ancestors(directory));
        !self.bases.is_empty() && outer.any(|directory| self.bases.contains(directory))
    }
}

/// The metadata of an object that lives in a namespace, for a change.
fn namespaced(object: &mut Object) -> Option<&mut ObjectMeta> {
    Some(match object {
        Object::Workload(object) => &mut Arc::make_mut(object).meta,
        Object::NetworkPolicy(object) => &mut Arc::make_mut(object).meta,
        Object::PluginPolicy(object) if object.kind.scope != PolicyScope::Cluster => {
            &mut Arc::make_mut(object).meta
        }
        Object::PluginResource(object) => return Arc::make_mut(object).namespaced_meta_mut(),
        Object::Service(object) => &mut Arc::make_mut(object).meta,
        Object::ContextObject(object) => match object {
            ContextObject::Entrypoint(object) => &mut Arc::make_mut(object).meta,
            ContextObject::Gateway(object) => &mut Arc::make_mut(object).meta,
            ContextObject::Monitor(object) => &mut Arc::make_mut(object).meta,
            ContextObject::Prometheus(object) => &mut Arc::make_mut(object).meta,
            ContextObject::ConfigMap(object) => &mut Arc::make_mut(object).meta,
            ContextObject::ServiceAccount(object) => &mut Arc::make_mut(object).meta,
            ContextObject::Role(object) if object.scope == RoleScope::Namespace => {
                &mut Arc::make_mut(object).meta
            }
            ContextObject::RoleBinding(object) if object.scope == RoleScope::Namespace => {
                &mut Arc::make_mut(object).meta
            }
            _ => return None,
        },
        Object::Namespace(_)
        | Object::ClusterNetworkPolicy(_)
        | Object::PluginPolicy(_)
        | Object::Node(_) => return None,
    })
}
