//! Cluster-wide policies by a label that the namespaces of their pods must have, so that those
//! about one namespace are found without a look at all of them.
//!
//! Only leaves out what certainly is about other namespaces. Refuses to decide what is about
//! this one.

use super::{Cluster, ClusterPolicyId};
use crate::k8s::{Labels, PodsSelection, is_opaque};
use std::collections::HashMap;

/// The policies by the first label that they ask for.
#[derive(Debug)]
pub(super) struct Subjects {
    by_label: HashMap<(String, String), Vec<ClusterPolicyId>>,
    /// Those of which no label says that they are about other namespaces.
    others: Vec<ClusterPolicyId>,
}

impl Cluster {
    /// The cluster-wide policies that may be about pods of a namespace with these labels, maybe
    /// among others, in the order of evaluation.
    pub(crate) fn cluster_policies_about(&self, labels: &Labels) -> Vec<ClusterPolicyId> {
        if labels.have_gaps() {
            return self.cluster_policy_ids().collect();
        }
        let subjects = self.subjects.get_or_init(|| Subjects::new(self));
        let mut found = subjects.others.clone();
        for label in labels.iter() {
            let label = (label.key.to_string(), label.value.to_string());
            found.extend(subjects.by_label.get(&label).into_iter().flatten());
        }
        found.sort_unstable();
        found
    }
}

impl Subjects {
    fn new(cluster: &Cluster) -> Self {
        let mut subjects = Self {
            by_label: HashMap::default(),
            others: Vec::new(),
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
