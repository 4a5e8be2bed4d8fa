//! Where objects end up that do not say so themselves: which namespace a kustomization,
//! Flux or Argo CD puts them into; and which texts are no objects at all, but patches of
//! others.
//!
//! Refuses to apply patches, and to change what an object says itself.

use super::layout::{self, Layout};
use crate::k8s::{ContextObject, Document, Object, ObjectMeta, Outcome, PolicyScope, RoleScope};
use crate::source::{SourceId, SourceMap, Spanned};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// What the files around an object say about it.
#[derive(Clone, Debug, Default)]
pub struct Places {
    namespaces: BTreeMap<SourceId, Spanned<String>>,
    patches: BTreeSet<SourceId>,
}

impl Places {
    /// What kustomizations, and what Flux and Argo CD apply, say about these sources.
    /// `objects` are those of all sources.
    #[must_use]
    pub fn new(sources: &SourceMap, objects: &[Object]) -> Self {
        let context_objects = || {
            objects.iter().filter_map(|object| match object {
                Object::ContextObject(object) => Some(object),
                _ => None,
            })
        };
        let kustomizations = context_objects().filter_map(|object| match object {
            ContextObject::Kustomization(kustomization) => Some(kustomization.as_ref()),
            _ => None,
        });
        let placements = context_objects().filter_map(|object| match object {
            ContextObject::Placement(placement) => Some(placement.as_ref()),
            _ => None,
        });
        let layout = Layout::new(sources, kustomizations, placements);
        let mut places = Self::default();
        if layout.is_empty() {
            return places;
        }
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

    /// The same for what became of the texts.
    pub fn settle_documents(&self, documents: &mut [Document]) {
        for document in documents {
            let source = document.span.source;
            let is_object = matches!(
                document.outcome,
                Outcome::Object
                    | Outcome::ContextObject
                    | Outcome::PluginPolicy
                    | Outcome::PluginResource
            );
            if is_object && self.patches.contains(&source) {
                document.outcome = Outcome::Patch;
            }
            if document.namespace.is_empty()
                && let Some(namespace) = self.namespaces.get(&source)
            {
                document.put_into = Some(namespace.value.clone());
            }
        }
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
