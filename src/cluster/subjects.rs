//! Cluster-wide policies by a label that the namespaces of their pods must have, so that those
//! about one namespace are found without a look at all of them.
//!
//! Only leaves out what certainly is about other namespaces. Refuses to decide what is about
//! this one.

use super::{Cluster, ClusterPolicyId, PluginPolicyId};
use crate::k8s::{self, Labels, PluginSpec, PodsSelection, is_opaque};
use std::collections::HashMap;

/// The policies by the first label that they ask for.
#[derive(Debug)]
pub(super) struct Subjects {
    by_label: HashMap<(String, String), Vec<ClusterPolicyId>>,
    /// Those of which no label says that they are about other namespaces.
    others: Vec<ClusterPolicyId>,
    plugin: PluginSubjects,
}

/// The policies that only a CNI plugin knows.
#[derive(Debug, Default)]
struct PluginSubjects {
    /// By namespace: its own.
    own: HashMap<String, Vec<PluginPolicyId>>,
    /// Those for all namespaces, by a label that they ask for.
    by_label: HashMap<(String, String), Vec<PluginPolicyId>>,
    /// Those for all namespaces of which no label says that they are about others.
    others: Vec<PluginPolicyId>,
}

impl Cluster {
    /// The cluster-wide policies that may be about pods of a namespace with these labels, maybe
    /// among others, in the order of evaluation.
    pub(crate) fn cluster_policies_about(&self, labels: &Labels) -> Vec<ClusterPolicyId> {
        if labels.have_gaps() {
            return self.cluster_policy_ids().collect();
        }
        let subjects = self.subjects();
        let mut found = subjects.others.clone();
        for label in labels.iter() {
            let label = (label.key.to_string(), label.value.to_string());
            found.extend(subjects.by_label.get(&label).into_iter().flatten());
        }
        found.sort_unstable();
        found
    }

    /// The policies that only a CNI plugin knows and that may be about pods of a namespace, maybe
    /// among others, in order; `labels` are those of the namespace, where all are known.
    pub(crate) fn plugin_policies_about(
        &self,
        namespace: Option<&str>,
        labels: Option<&Labels>,
    ) -> Vec<PluginPolicyId> {
        let PluginSubjects {
            own,
            by_label,
            others,
        } = &self.subjects().plugin;
        let mut found = others.clone();
        found.extend(
            namespace
                .and_then(|name| own.get(name))
                .into_iter()
                .flatten(),
        );
        match labels.filter(|labels| !labels.have_gaps()) {
            Some(labels) => {
                for label in labels.iter() {
                    let label = (label.key.to_string(), label.value.to_string());
                    found.extend(by_label.get(&label).into_iter().flatten());
                }
            }
            None => found.extend(by_label.values().flatten()),
        }
        found.sort_unstable();
        found.dedup();
        found
    }

    fn subjects(&self) -> &Subjects {
        self.subjects.get_or_init(|| Subjects::new(self))
    }
}

impl PluginSubjects {
    fn new(cluster: &Cluster) -> Self {
        let mut subjects = Self::default();
        for id in cluster.plugin_policy_ids() {
            let policy = cluster.plugin_policy(id);
            if let Some(namespace) = policy.namespace() {
                let own = subjects.own.entry(namespace.to_owned()).or_default();
                own.push(id);
                continue;
            }
            let Some(labels) = labels_of_namespaces(policy) else {
                subjects.others.push(id);
                continue;
            };
            for (key, value) in labels {
                let label = (key.to_owned(), value.to_owned());
                subjects.by_label.entry(label).or_default().push(id);
            }
        }
        subjects
    }
}

/// Labels of which the namespace of a policy's pods must have one; `None` if there are none such.
fn labels_of_namespaces(policy: &k8s::PluginPolicy) -> Option<Vec<(&str, &str)>> {
    // Of what is refused or filled in nobody knows what it will ask for.
    let is_known = policy.meta.is_accepted && policy.meta.holes.is_empty();
    match &policy.spec {
        PluginSpec::Calico(spec) if is_known => {
            let namespaces = spec.namespace_selector.as_ref()?;
            namespaces.value.asked_of_namespaces()
        }
        _ => None,
    }
}

impl Subjects {
    fn new(cluster: &Cluster) -> Self {
        let mut subjects = Self {
            by_label: HashMap::default(),
            others: Vec::new(),
            plugin: PluginSubjects::new(cluster),
        };
        for id in cluster.cluster_policy_ids() {
            let policy = cluster.cluster_policy(id);
            let (PodsSelection::Namespaces(namespaces)
            | PodsSelection::Pods {
                namespace_selector: namespaces,
                ..
            }) = &policy.subject.value;
            // Of what is refused or filled in nobody knows what it will ask for.
            let is_known = policy.meta.is_accepted && policy.meta.holes.is_empty();
            let first = namespaces.match_labels.first();
            let first = first.filter(|_| is_known && !namespaces.is_opaque());
            match first.filter(|label| !is_opaque(&label.key) && !is_opaque(&label.value)) {
                Some(label) => {
                    let label = (label.key.to_string(), label.value.to_string());
                    subjects.by_label.entry(label).or_default().push(id);
                }
                None => subjects.others.push(id),
            }
        }
        subjects
    }
}
