//! The labels of pods and namespaces that an admission controller may write: as text that another
//! tool fills in, so that no verdict takes for granted what they are, or that they are not there.
//! Objects that were there before the controller, what its rules exclude and in which order they
//! run decide, and no manifest tells that.
//!
//! Refuses to know how a rule of a controller is written, and whether its controller runs.

use super::{Cluster, NAMESPACE_NAME_LABEL, Namespace, Workload};
use crate::k8s::{
    self, CustomObject, Label, LabelHolder, Labels, Overwrites, WorkloadKind, WrittenLabel,
    label_that_may_be_set, label_value_that_may_be_set,
};
use crate::source::{Span, Spanned, Text};
use globset::{Glob, GlobMatcher};
use std::sync::Arc;

/// A label that is written, and in or on which namespaces.
pub(super) struct Writing<'a> {
    label: &'a WrittenLabel,
    by: &'a CustomObject,
    /// Empty for all.
    namespaces: Vec<GlobMatcher>,
}

impl Writing<'_> {
    fn is_in(&self, namespace: &str) -> bool {
        let mut patterns = self.namespaces.iter();
        self.namespaces.is_empty() || patterns.any(|pattern| pattern.is_match(namespace))
    }

    fn is_on_pods_of(&self, kind: WorkloadKind) -> bool {
        match &self.label.holder {
            LabelHolder::Pods => true,
            LabelHolder::PodsOf(name) => makes(kind, name),
            LabelHolder::Namespaces | LabelHolder::Others => false,
        }
    }

    /// Adds the label to some of an object as far as it may be written; `span` is where they are.
    fn add_to(&self, labels: &mut Vec<Label>, span: Span) {
        let by = || format!("{}/{}", self.by.kind, self.by.meta.name);
        let there = labels
            .iter_mut()
            .find(|label| label.key.value == self.label.key);
        match (there, self.label.overwrites) {
            (Some(_), Overwrites::Never) => {}
            (Some(label), Overwrites::Value) => {
                label.value.value = label_value_that_may_be_set(&by());
            }
            (Some(label), Overwrites::All) => label.value.value = label_that_may_be_set(&by()),
            (None, _) => labels.push(Label {
                key: Spanned::new(Text::from(self.label.key.as_str()), span),
                value: Spanned::new(label_that_may_be_set(&by()), span),
            }),
        }
    }
}

/// Whether pods of a kind of workload are made by an object of a kind in lower case.
fn makes(kind: WorkloadKind, name: &str) -> bool {
    let between = match kind {
        WorkloadKind::Deployment | WorkloadKind::Rollout => Some(WorkloadKind::ReplicaSet),
        WorkloadKind::CronJob => Some(WorkloadKind::Job),
        WorkloadKind::DeploymentConfig => Some(WorkloadKind::ReplicationController),
        WorkloadKind::VirtualMachine => Some(WorkloadKind::VirtualMachineInstance),
        _ => None,
    };
    let mut kinds = [Some(kind), between].into_iter().flatten();
    kinds.any(|kind| kind.name().eq_ignore_ascii_case(name))
}

impl Cluster {
    /// Opens the labels that an admission controller may write, as far as policies ask for them:
    /// what nobody asks for leaves nothing in doubt.
    pub(super) fn open_written_labels(&mut self) {
        let writers = self.context_objects.custom_objects.clone();
        let writings = self.writings(&writers);
        open_pods(&writings, &mut self.workloads, &self.namespaces);
        open_namespaces(&writings, &mut self.namespaces);
    }

    /// What these objects may write, as far as policies ask for it.
    pub(super) fn writings<'w>(&self, writers: &'w [Arc<CustomObject>]) -> Vec<Writing<'w>> {
        let written = writers
            .iter()
            .flat_map(|by| by.written_labels.iter().map(move |label| (by, label)));
        let written: Vec<_> = written
            .filter(|(_, label)| label.key != NAMESPACE_NAME_LABEL)
            .collect();
        if written.is_empty() {
            return Vec::new();
        }
        let asked = self.asked_of_ends();
        let writings = written.into_iter().filter_map(|(by, label)| {
            let is_asked = asked.iter().any(|text| text.contains(&label.key));
            let patterns = label.namespaces.iter();
            is_asked.then(|| Writing {
                label,
                by,
                // One that is no pattern is the name of nothing.
                namespaces: patterns
                    .filter_map(|pattern| Some(Glob::new(pattern).ok()?.compile_matcher()))
                    .collect(),
            })
        });
        writings.collect()
    }

    /// All that policies ask of pods and namespaces, as texts that hold the keys of their labels.
    fn asked_of_ends(&self) -> Vec<String> {
        let policies = self.policies.iter();
        let policies = policies.map(|policy| policy.object.canonical_spec());
        let cluster_policies = self.cluster_policies.iter();
        let cluster_policies = cluster_policies.map(|policy| policy.canonical_spec());
        let plugin_policies = self.plugin_policies.iter();
        let plugin_policies = plugin_policies.map(|policy| policy.canonical_spec());
        policies
            .chain(cluster_policies)
            .chain(plugin_policies)
            .collect()
    }
}

/// Opens the labels of pods in these namespaces, which the ids of their workloads are of.
pub(super) fn open_pods(
    writings: &[Writing<'_>],
    workloads: &mut [Workload],
    namespaces: &[Namespace],
) {
    for workload in workloads {
        let namespace = namespaces[workload.namespace.index()].name.as_str();
        let object = &workload.object;
        let on_pods = writings
            .iter()
            .filter(|it| it.is_on_pods_of(object.kind) && it.is_in(namespace));
        if let Some(labels) = opened(&object.labels, on_pods, object.labels_span) {
            Arc::make_mut(&mut workload.object).labels = labels;
        }
    }
}

/// Opens the labels of namespaces.
pub(super) fn open_namespaces(writings: &[Writing<'_>], namespaces: &mut [Namespace]) {
    for namespace in namespaces {
        let on_it = writings
            .iter()
            .filter(|it| it.label.holder == LabelHolder::Namespaces && it.is_in(&namespace.name));
        let name = namespace.labels.label(NAMESPACE_NAME_LABEL);
        let Some(span) = name.map(|label| label.key.span) else {
            continue;
        };
        if let Some(labels) = opened(&namespace.labels, on_it, span) {
            namespace.labels = labels;
        }
    }
}

/// Labels with those that are written; `None` where none is.
fn opened<'w>(
    labels: &Labels,
    writings: impl Iterator<Item = &'w Writing<'w>>,
    span: Span,
) -> Option<Labels> {
    let mut writings = writings.peekable();
    writings.peek()?;
    let mut opened: Vec<k8s::Label> = labels.iter().cloned().collect();
    for writing in writings {
        writing.add_to(&mut opened, span);
    }
    Some(Labels::new(opened))
}
