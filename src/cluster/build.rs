//! Joins objects into a [`Cluster`]: who owns whom, which namespaces exist, what is
//! there twice.
//!
//! Refuses to judge: a duplicate is recorded, not reported.

use super::definitions::{Identity, likeness, undecided};
use super::platform::{Platform, Recognition, injected};
use super::{
    Cluster, Duplicate, EnforcementSettings, Likeness, NAMESPACE_NAME_LABEL, Namespace,
    NamespaceId, NetworkPolicy, Represented, Service, Workload, primary_networks,
};
use crate::k8s::{self, Object, PolicyScope};
use crate::source::{Span, Spanned, Text};
use foldhash::{HashMap, HashMapExt};
use rayon::prelude::*;
use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::collections::hash_map::Entry;
use std::sync::Arc;

/// What becomes of an object whose owner is among the inputs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Owned {
    /// Its owner stands for it (S3).
    Represented,
    /// It is a peer of its own.
    Kept,
}

impl Cluster {
    /// Joins the objects, which come in the order of the inputs. Of several definitions of one
    /// object the first one counts.
    #[must_use]
    pub fn new(objects: Vec<Object>) -> Self {
        Self::build(&objects, Owned::Represented, |_, _| Vec::new())
    }

    /// Joins the objects as [`new`](Self::new) does; but of an object that is defined in ways
    /// which differ, nothing that a verdict could rest on is taken for certain: each
    /// definition of a policy may be the one in force.
    #[must_use]
    pub fn undecided(objects: &[Object]) -> Self {
        Self::undecided_about(objects, Owned::Represented)
    }

    /// The same with every Pod and ReplicaSet as a peer of its own, also where its owner is
    /// among the inputs.
    #[must_use]
    pub fn of_endpoints(objects: &[Object]) -> Self {
        Self::undecided_about(objects, Owned::Kept)
    }

    fn undecided_about(objects: &[Object], owned: Owned) -> Self {
        let is_policy = |object: &Object| {
            matches!(
                object,
                Object::NetworkPolicy(_) | Object::ClusterNetworkPolicy(_)
            )
        };
        Self::build(objects, owned, |first, others| {
            let mut others = others.iter().copied();
            let is_unlike = |other: &&Object| likeness(first, other) == Likeness::Different;
            let Some(unlike) = others.find(is_unlike) else {
                return Vec::new();
            };
            if !is_policy(first) {
                let object = undecided(first, unlike);
                let rest = others.filter(is_unlike);
                return vec![rest.fold(object, |object, other| undecided(&object, other))];
            }
            let all = [(first, unlike), (unlike, first)].into_iter();
            let all = all.chain(others.map(|other| (other, first)));
            all.map(|(object, other)| undecided(object, other))
                .collect()
        })
    }

    /// Joins the objects. `instead` gives what stands in the place of the first definition of
    /// an object that has others; nothing for that definition itself.
    fn build(
        objects: &[Object],
        owned: Owned,
        instead: impl Fn(&Object, &[&Object]) -> Vec<Object>,
    ) -> Self {
        let mut cluster = Self::default();
        // By object: its first definition among the inputs.
        let mut first: HashMap<Identity<'_>, usize> = HashMap::with_capacity(objects.len());
        // By a further definition: the one that counts in its place.
        let mut firsts: HashMap<usize, usize> = HashMap::default();
        let mut others: HashMap<usize, Vec<&Object>> = HashMap::default();
        for (index, object) in objects.iter().enumerate() {
            let Some(identity) = Identity::of(object) else {
                continue;
            };
            match first.entry(identity) {
                Entry::Occupied(first) => {
                    firsts.insert(index, *first.get());
                    others.entry(*first.get()).or_default().push(object);
                }
                Entry::Vacant(first) => {
                    first.insert(index);
                }
            }
        }
        // The controller that stands for an object (S3).
        let owner_of = |object| match owned {
            Owned::Represented => represented(object, &first),
            Owned::Kept => None,
        };
        let mut kept: Vec<Object> = Vec::with_capacity(objects.len());
        for (index, object) in objects.iter().enumerate() {
            // What is beside the network may be there twice without harm, as in overlays.
            if let Object::ContextObject(object) = object {
                cluster.context_objects.add(object.clone());
            } else if let Some(first) = firsts.get(&index).map(|first| &objects[*first]) {
                cluster.duplicates.push(Duplicate {
                    object: Identity::new(object).to_string(),
                    first: first.meta().span,
                    second: object.meta().span,
                    likeness: likeness(first, object),
                    left_out: object.clone(),
                });
            } else if let Some(owner) = owner_of(object) {
                cluster.represented.push(owner);
            } else {
                let others = others.get(&index);
                let instead = others.map_or_else(Vec::new, |others| instead(object, others));
                match instead.is_empty() {
                    true => kept.push(object.clone()),
                    false => kept.extend(instead),
                }
            }
        }
        drop(first);
        cluster.namespaces = namespaces(&kept);
        let mut context_objects = std::mem::take(&mut cluster.context_objects);
        let platform = || {
            let mut recognition = Recognition::default();
            for object in objects {
                recognition.look_at(object);
            }
            context_objects.sort();
            Platform::recognised(recognition)
        };
        let sort_in = || {
            cluster.sort_in(kept);
            cluster.add_injected_labels();
        };
        let (platform, ()) = rayon::join(platform, sort_in);
        cluster.platform = platform;
        cluster.context_objects = context_objects;
        cluster.open_written_labels();
        cluster.with_enforcement(&EnforcementSettings::default())
    }

    /// Gives the workloads the labels that injectors put on their pods: policies see them,
    /// and no manifest has them.
    fn add_injected_labels(&mut self) {
        for workload in &mut self.workloads {
            let namespace = &self.namespaces[workload.namespace.index()];
            let declared = namespace.declared.as_ref();
            let injected = injected_labels(&namespace.labels, declared, &workload.object);
            if let Some(labels) = injected {
                Arc::make_mut(&mut workload.object).labels = labels;
            }
        }
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
        self.workloads.par_sort_by(by_namespace_and_name);
        self.policies.par_sort_by(|a, b| {
            (a.namespace, &a.object.meta.name.value).cmp(&(b.namespace, &b.object.meta.name.value))
        });
        self.services.par_sort_by(|a, b| {
            (a.namespace, &a.object.meta.name.value).cmp(&(b.namespace, &b.object.meta.name.value))
        });
        primary_networks::settle(&mut self.plugin_policies);
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

/// The order of workloads.
pub(super) fn by_namespace_and_name(a: &Workload, b: &Workload) -> Ordering {
    let kinds = || a.object.kind_name().cmp(b.object.kind_name());
    let names = || a.object.meta.name.value.cmp(&b.object.meta.name.value);
    let namespaces = a.namespace.cmp(&b.namespace);
    namespaces.then_with(kinds).then_with(names)
}

/// The labels of a workload with those that injectors put on its pods, if there are any; before
/// them the labels of its namespace.
pub(super) fn injected_labels(
    namespace: &k8s::Labels,
    declared: Option<&Arc<k8s::Namespace>>,
    object: &k8s::Workload,
) -> Option<k8s::Labels> {
    let nothing = k8s::Labels::default();
    let annotations = declared.map(|it| &it.meta.annotations);
    if object.host_network {
        return None;
    }
    let labels = injected(
        namespace,
        annotations.unwrap_or(&nothing),
        &object.labels,
        &object.annotations,
        &object.meta.name,
    );
    if labels.is_empty() {
        return None;
    }
    let span = object.labels_span;
    let added = labels.into_iter().map(|label| k8s::Label {
        key: Spanned::new(Text::from(label.key), span),
        value: Spanned::new(Text::from(label.value), span),
    });
    let own = object.labels.iter().cloned();
    Some(k8s::Labels::new(added.chain(own).collect()))
}

/// Every namespace that is declared, or used by a workload, policy or service, by name.
pub(super) fn namespaces(objects: &[Object]) -> Vec<Namespace> {
    let mut declared: BTreeMap<&str, Option<&Arc<k8s::Namespace>>> = BTreeMap::new();
    let mut used: HashMap<&str, Span> = HashMap::default();
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
        Namespace {
            name: name.to_owned(),
            labels: labels_of(name, declared, span),
            declared: declared.cloned(),
        }
    };
    declared.into_iter().map(namespace).collect()
}

/// The labels of a namespace, before anybody writes more; `span` is where its name is.
pub(super) fn labels_of(
    name: &str,
    declared: Option<&Arc<k8s::Namespace>>,
    span: Span,
) -> k8s::Labels {
    // What an API server would refuse is not there, and labels nothing.
    let accepted = declared.filter(|namespace| namespace.meta.is_accepted);
    let mut labels: Vec<k8s::Label> = accepted
        .map(|namespace| namespace.meta.labels.iter().cloned().collect())
        .unwrap_or_default();
    // Kubernetes sets this label whatever the manifest says (SetDefaults_Namespace).
    labels.push(k8s::Label {
        key: Spanned::new(Text::from(NAMESPACE_NAME_LABEL), span),
        value: Spanned::new(Text::from(name), span),
    });
    k8s::Labels::new(labels)
}

/// The object as one that its controller stands for, if that is among the inputs (S3).
fn represented(object: &Object, present: &HashMap<Identity<'_>, usize>) -> Option<Represented> {
    let Object::Workload(workload) = object else {
        return None;
    };
    let owner = workload.meta.owner.as_ref()?;
    let kind = k8s::WorkloadKind::ALL
        .into_iter()
        .find(|kind| kind.name() == owner.kind)?;
    let identity = Identity {
        kind: kind.name(),
        namespace: workload.meta.namespace_name(),
        name: &owner.name,
    };
    present.contains_key(&identity).then(|| Represented {
        object: Identity::new(object).to_string(),
        span: object.meta().span,
        owner: format!("{}/{}", owner.kind, owner.name),
    })
}
