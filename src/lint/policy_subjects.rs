//! NetworkPolicies by a label that their `podSelector` asks for, for the question which of them
//! may select pods that have some labels, and need not be there yet.
//!
//! Only leaves out what certainly does not. Refuses to decide what does.

use crate::cluster::{Cluster, NamespaceId, PolicyId};
use crate::k8s::{LabelSelector, Labels};
use std::collections::HashMap;

type Map<K, V> = HashMap<K, V, foldhash::fast::RandomState>;

/// An index of the subjects of NetworkPolicies.
#[derive(Debug)]
pub struct PolicySubjects<'a> {
    cluster: &'a Cluster,
    by_label: Map<(NamespaceId, &'a str, &'a str), Vec<PolicyId>>,
    /// Those that no label leaves out.
    others: Map<NamespaceId, Vec<PolicyId>>,
}

impl<'a> PolicySubjects<'a> {
    /// That of a cluster.
    #[must_use]
    pub fn new(cluster: &'a Cluster) -> Self {
        let mut index = Self {
            cluster,
            by_label: Map::default(),
            others: Map::default(),
        };
        for id in cluster.policy_ids() {
            let policy = cluster.policy(id);
            let asked = policy
                .object
                .pod_selector
                .get()
                .and_then(LabelSelector::asked_for);
            let Some(asked) = asked else {
                index.others.entry(policy.namespace).or_default().push(id);
                continue;
            };
            for (key, value) in asked {
                let label = (policy.namespace, key, value);
                index.by_label.entry(label).or_default().push(id);
            }
        }
        index
    }

    /// The policies of a namespace that may select pods with these labels, in order, maybe
    /// among others.
    #[must_use]
    pub fn about(&self, namespace: NamespaceId, labels: &Labels) -> Vec<PolicyId> {
        if labels.have_gaps() {
            return self.cluster.policies_in(namespace).collect();
        }
        let mut found = self.others.get(&namespace).cloned().unwrap_or_default();
        for label in labels {
            let label = (
                namespace,
                label.key.value.as_str(),
                label.value.value.as_str(),
            );
            found.extend(self.by_label.get(&label).into_iter().flatten());
        }
        found.sort_unstable();
        found.dedup();
        found
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::k8s::Truth;
    use crate::manifest;
    use crate::source::SourceMap;

    /// Against a look at every policy.
    #[test]
    fn no_policy_is_left_out_that_selects_pods_with_the_labels() {
        let selectors = [
            "{}",
            "{matchLabels: {a: x}}",
            "{matchLabels: {a: y, b: x}}",
            "{matchExpressions: [{key: a, operator: In, values: [x, y]}]}",
            "{matchExpressions: [{key: a, operator: NotIn, values: [x]}]}",
            "{matchExpressions: [{key: b, operator: Exists}]}",
            "{matchExpressions: [{key: b, operator: DoesNotExist}]}",
            "{matchLabels: {a: '${FILLED_IN}'}}",
        ];
        let pods = [
            "{a: x}",
            "{a: y, b: x}",
            "{b: z}",
            "{a: '${FILLED_IN}'}",
            "{}",
        ];
        let mut text = String::new();
        for (number, selector) in selectors.iter().enumerate() {
            text += &format!(
                "apiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\n\
                 metadata: {{name: p{number}}}\nspec: {{podSelector: {selector}}}\n---\n"
            );
        }
        for (number, labels) in pods.iter().enumerate() {
            text += &format!(
                "apiVersion: v1\nkind: Pod\nmetadata: {{name: w{number}, labels: {labels}}}\n\
                 spec: {{containers: []}}\n---\n"
            );
        }
        let mut sources = SourceMap::default();
        let id = sources.add("a.yaml", text.as_str());
        let cluster = Cluster::new(manifest::read(id, "a.yaml", &text).objects);
        let index = PolicySubjects::new(&cluster);
        let mut left_out = 0;
        for workload in cluster.workloads() {
            let labels = &workload.object.labels;
            let about = index.about(workload.namespace, labels);
            for id in cluster.policy_ids() {
                let selector = cluster.policy(id).object.pod_selector.get();
                let may_select =
                    selector.is_none_or(|it| it.matches_opaque(labels) != Truth::False);
                assert!(
                    !may_select || about.contains(&id),
                    "{labels:?} {selector:?}"
                );
                left_out += usize::from(!about.contains(&id));
            }
        }
        assert!(left_out > 5, "only {left_out} are left out");
    }
}
