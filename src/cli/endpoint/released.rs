//! Pods that are taken to exist because an object installs a release of a chart.
//!
//! Refuses to know what the chart makes beside what the object says.

use super::{End, HypotheticalPod, Lookup, Resolved};
use crate::k8s::{ReleasedPods, is_opaque};

impl Lookup<'_> {
    /// Adds the pods of releases that are asked for, in a namespace or in all; `resolved` is
    /// told what was taken to exist. Whether there are any.
    pub(super) fn add_released(
        &self,
        namespace: Option<&str>,
        is_asked: impl Fn(&ReleasedPods) -> bool,
        resolved: &mut Resolved,
    ) -> bool {
        let objects = &self.cluster.context_objects().custom_objects;
        let before = resolved.ends.len();
        for object in objects {
            let home = object.home();
            if namespace.is_some_and(|asked| asked != home) {
                continue;
            }
            for pods in object.released.iter().filter(|pods| is_asked(pods)) {
                let name = pods.names.first().map_or("", String::as_str);
                let name = format!("{home}/{}/{name}", object.kind);
                let labels = pods.labels.iter();
                let labels = labels.filter(|label| !is_opaque(&label.value));
                let labels: Vec<String> = labels
                    .map(|label| format!("{}={}", label.key, label.value))
                    .collect();
                let others = match pods.are_labels_known {
                    true => " and no others",
                    false => " and others that are not known",
                };
                resolved.notes.push(format!(
                    "the pods of `{name}` are not among the manifests: taken to exist, with the \
                     labels {}{others}",
                    labels.join(", ")
                ));
                let pod = HypotheticalPod {
                    name,
                    namespace: self.expected_namespace(home),
                    labels: pods.labels.clone(),
                    host_network: pods.host_network,
                    released: Some(pods.clone()),
                };
                resolved.ends.push(End::Hypothetical(Box::new(pod)));
            }
        }
        let added = resolved.ends.len() - before;
        resolved.is_selection |= added > 1;
        added > 0
    }
}
