//! Joins objects into a [`Cluster`]: who owns whom, which namespaces exist, what is
//! there twice.
//!
//! Refuses to judge: a duplicate is recorded, not reported.

use super::{
    Cluster, Duplicate, Likeness, NAMESPACE_NAME_LABEL, Namespace, NamespaceId, NetworkPolicy,
    Represented, Service, Workload,
};
use crate::k8s::{self, Object, PolicyScope};
use crate::source::{Span, Spanned};
use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

/// What makes an object one object: its kind, namespace (empty for cluster-scoped kinds)
/// and name.
pub(super) type Identity = (&'static str, String, String);

impl Cluster {
    /// Joins the objects, which come in the order of the inputs.
    #[must_use]
    pub fn new(objects: Vec<Object>) -> Self {
        let mut cluster = Self::default();
        // Every object that was seen, by its place among those that are kept.
        let mut seen: HashMap<Identity, usize> = HashMap::with_capacity(objects.len());
        let mut kept: Vec<Object> = Vec::with_capacity(objects.len());
        for object in objects {
            // What is beside the network may be there twice without harm, as in overlays.
            if let Object::ContextObject(object) = object {
                cluster.context_objects.add(object);
                continue;
            }
            let identity = identity(&object);
            // Objects that are only generated names, or none, have no identity yet.
            if identity.2.is_empty() {
                kept.push(object);
                continue;
            }
            if let Some(first) = seen.get(&identity).map(|index| &kept[*index]) {
                cluster.duplicates.push(Duplicate {
                    object: display(&identity),
                    first: first.meta().span,
                    second: object.meta().span,
                    likeness: likeness(first, &object),
                    left_out: object,
                });
                continue;
            }
            seen.insert(identity, kept.len());
            kept.push(object);
        }
        let present: HashSet<Identity> = seen.into_keys().collect();
        let kept = cluster.drop_represented(kept, &present);
        cluster.namespaces = namespaces(&kept);
        cluster.sort_in(kept);
        cluster.context_objects.sort();
        cluster
    }

    /// Removes the objects whose controller is itself among the inputs (S3).
    fn drop_represented(
        &mut self,
        objects: Vec<Object>,
        present: &HashSet<Identity>,
    ) -> Vec<Object> {
        let is_represented = |object: &Object| {
            let Object::Workload(workload) = object else {
                return None;
            };
            let owner = workload.meta.owner.as_ref()?;
            let namespace = workload.meta.namespace_name();
            let kind = k8s::WorkloadKind::ALL
                .into_iter()
                .find(|kind| kind.name() == owner.kind)?;
            let identity = (kind.name(), namespace.to_owned(), owner.name.clone());
            present
                .contains(&identity)
                .then(|| format!("{}/{}", owner.kind, owner.name))
        };
        let mut peers = Vec::with_capacity(objects.len());
        for object in objects {
            match is_represented(&object) {
                Some(owner) => self.represented.push(Represented {
                    object: display(&identity(&object)),
                    span: object.meta().span,
                    owner,
                }),
                None => peers.push(object),
            }
        }
        peers
    }

    /// Puts every object into its list, in the order that the lists promise.
    fn sort_in(&mut self, objects: Vec<Object>) {
        let ids: HashMap<String, NamespaceId> = self
            .namespaces
            .iter()
            .enumerate()
            .map(|(index, namespace)| (namespace.name.clone(), NamespaceId(index as u32)))
            .collect();
        let id = |meta: &k8s::ObjectMeta| ids[meta.namespace_name()];
        for object in objects {
            match object {
                Object::Namespace(_) => {}
                Object::Workload(object) => {
                    self.workloads.push(Workload {
                        namespace: id(&object.meta),
                        object,
                    });
                }
                Object::NetworkPolicy(object) => {
                    self.policies.push(NetworkPolicy {
                        namespace: id(&object.meta),
                        object,
                    });
                }
                Object::Service(object) => {
                    self.services.push(Service {
                        namespace: id(&object.meta),
                        object,
                    });
                }
                Object::ClusterNetworkPolicy(object) => self.cluster_policies.push(object),
                Object::PluginPolicy(object) => self.plugin_policies.push(object),
                Object::PluginResource(object) => self.plugin_resources.add(object),
                Object::Node(object) => self.nodes.push(object),
                Object::ContextObject(_) => {}
            }
        }
        self.workloads.sort_by(|a, b| {
            let key = |w: &Workload| (w.namespace, w.object.kind.name());
            key(a)
                .cmp(&key(b))
                .then_with(|| a.object.meta.name.value.cmp(&b.object.meta.name.value))
        });
        self.policies.sort_by(|a, b| {
            (a.namespace, &a.object.meta.name.value).cmp(&(b.namespace, &b.object.meta.name.value))
        });
        self.services.sort_by(|a, b| {
            (a.namespace, &a.object.meta.name.value).cmp(&(b.namespace, &b.object.meta.name.value))
        });
        self.plugin_policies.sort_by(|a, b| {
            let key = |p: &k8s::PluginPolicy| {
                (
                    p.kind.product,
                    p.kind.name,
                    p.namespace().map(str::to_owned),
                )
            };
            key(a)
                .cmp(&key(b))
                .then_with(|| a.meta.name.value.cmp(&b.meta.name.value))
        });
        self.plugin_resources.sort();
        self.nodes
            .sort_by(|a, b| a.meta.name.value.cmp(&b.meta.name.value));
        self.cluster_policies.sort_by(|a, b| {
            let key = |p: &k8s::ClusterNetworkPolicy| (p.tier, p.priority.value, p.kind.name());
            key(a)
                .cmp(&key(b))
                .then_with(|| a.meta.name.value.cmp(&b.meta.name.value))
        });
    }
}

/// Every namespace that is declared, or used by a workload, policy or service, by name.
fn namespaces(objects: &[Object]) -> Vec<Namespace> {
    let mut declared: BTreeMap<&str, Option<&Arc<k8s::Namespace>>> = BTreeMap::new();
    let mut used: HashMap<&str, Span> = HashMap::new();
    for object in objects {
        match object {
            Object::Namespace(namespace) => {
                declared.insert(&namespace.meta.name, Some(namespace));
            }
            Object::PluginPolicy(policy) if policy.kind.scope == PolicyScope::Cluster => {}
            Object::Workload(_)
            | Object::NetworkPolicy(_)
            | Object::PluginPolicy(_)
            | Object::Service(_) => {
                let meta = object.meta();
                declared.entry(meta.namespace_name()).or_insert(None);
                let span = meta
                    .namespace
                    .as_ref()
                    .map_or(meta.span.before(), |namespace| namespace.span);
                used.entry(meta.namespace_name()).or_insert(span);
            }
            Object::ClusterNetworkPolicy(_)
            | Object::PluginResource(_)
            | Object::Node(_)
            | Object::ContextObject(_) => {}
        }
    }
    let namespace = |(name, declared): (&str, Option<&Arc<k8s::Namespace>>)| {
        let span = declared.map_or_else(|| used[name], |namespace| namespace.meta.name.span);
        // What an API server would refuse is not there, and labels nothing.
        let accepted = declared.filter(|namespace| namespace.meta.is_accepted);
        let mut labels: Vec<k8s::Label> = accepted
            .map(|namespace| namespace.meta.labels.iter().cloned().collect())
            .unwrap_or_default();
        // Kubernetes sets this label whatever the manifest says (SetDefaults_Namespace).
        labels.push(k8s::Label {
            key: Spanned::new(NAMESPACE_NAME_LABEL.to_owned(), span),
            value: Spanned::new(name.to_owned(), span),
        });
        Namespace {
            name: name.to_owned(),
            labels: k8s::Labels::new(labels),
            declared: declared.cloned(),
        }
    };
    declared.into_iter().map(namespace).collect()
}

/// How the specs of two objects of one kind compare.
fn likeness(a: &Object, b: &Object) -> Likeness {
    let is_same = match (a, b) {
        (Object::NetworkPolicy(a), Object::NetworkPolicy(b)) => {
            a.canonical_spec() == b.canonical_spec()
        }
        (Object::ClusterNetworkPolicy(a), Object::ClusterNetworkPolicy(b)) => {
            a.canonical_spec() == b.canonical_spec()
        }
        _ => return Likeness::NotCompared,
    };
    if is_same {
        Likeness::Same
    } else {
        Likeness::Different
    }
}

pub(super) fn identity(object: &Object) -> Identity {
    let meta = object.meta();
    let namespaced = meta.namespace_name().to_owned();
    let (kind, namespace) = match object {
        Object::Namespace(_) => ("Namespace", String::new()),
        Object::Node(_) => ("Node", String::new()),
        Object::ContextObject(object) => (object.kind(), namespaced),
        Object::PluginResource(object) => {
            let is_namespaced = object.kind() == "NetworkSet";
            let namespace = is_namespaced.then_some(namespaced);
            (object.kind(), namespace.unwrap_or_default())
        }
        Object::PluginPolicy(policy) if policy.kind.scope == PolicyScope::Cluster => {
            (policy.kind.qualified, String::new())
        }
        Object::PluginPolicy(policy) => (policy.kind.qualified, namespaced),
        Object::ClusterNetworkPolicy(policy) => (policy.kind.name(), String::new()),
        Object::Workload(workload) => (workload.kind.name(), namespaced),
        Object::NetworkPolicy(_) => ("NetworkPolicy", namespaced),
        Object::Service(_) => ("Service", namespaced),
    };
    (kind, namespace, meta.name.value.clone())
}

/// `namespace/Kind/name`, or `Kind/name` for cluster-scoped kinds.
fn display((kind, namespace, name): &Identity) -> String {
    if namespace.is_empty() {
        format!("{kind}/{name}")
    } else {
        format!("{namespace}/{kind}/{name}")
    }
}
