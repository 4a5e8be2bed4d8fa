//! The labels that controllers add to the pods that they make, as far as they decide whether a
//! selector means all pods of a workload, some, or none.
//!
//! Refuses to know selectors and policies.

use super::selector::{Operator, Truth};
use super::workload::{Workload, WorkloadKind};
use super::{LabelSelector, LabelSelectorRequirement, is_opaque};

/// A controller whose pods have labels besides those of its template.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Controller<'a> {
    kind: WorkloadKind,
    name: &'a str,
    /// The number of the one pod that is meant; `None` for all of them.
    number: Option<u32>,
    /// Whether its pods have a [completion index](COMPLETION_INDEX).
    is_indexed: Truth,
}

/// What the pods of a Job of `completionMode: Indexed` have, and those of no other (batch/v1
/// types.go: JobCompletionIndexAnnotation; it is a label, too, since Kubernetes 1.28).
const COMPLETION_INDEX: &str = "batch.kubernetes.io/job-completion-index";

/// The keys that each kind adds, and what the value is.
const ADDED: [(WorkloadKind, &str, Value); 8] = [
    // apps/v1 types.go: StatefulSetPodNameLabel, PodIndexLabel.
    (
        WorkloadKind::StatefulSet,
        "statefulset.kubernetes.io/pod-name",
        Value::NameAndNumber,
    ),
    (
        WorkloadKind::StatefulSet,
        "apps.kubernetes.io/pod-index",
        Value::Number,
    ),
    // batch/v1 types.go: JobNameLabel, and the one that it had before.
    (
        WorkloadKind::Job,
        "batch.kubernetes.io/job-name",
        Value::Name,
    ),
    (WorkloadKind::Job, "job-name", Value::Name),
    // The jobs of a CronJob are named after it and the minute of their start.
    (
        WorkloadKind::CronJob,
        "batch.kubernetes.io/job-name",
        Value::NameAndNumber,
    ),
    (WorkloadKind::CronJob, "job-name", Value::NameAndNumber),
    (WorkloadKind::Job, COMPLETION_INDEX, Value::Number),
    (WorkloadKind::CronJob, COMPLETION_INDEX, Value::Number),
];

/// The keys that each kind adds with a value that no manifest tells: a hash of the template, a uid.
const UNTOLD: [(WorkloadKind, &str); 8] = [
    // apps/v1 types.go: DefaultDeploymentUniqueLabelKey, ControllerRevisionHashLabelKey,
    // DeprecatedTemplateGeneration.
    (WorkloadKind::Deployment, "pod-template-hash"),
    (WorkloadKind::StatefulSet, "controller-revision-hash"),
    (WorkloadKind::DaemonSet, "controller-revision-hash"),
    (WorkloadKind::DaemonSet, "pod-template-generation"),
    // batch/v1 types.go: ControllerUidLabel, and the one that it had before.
    (WorkloadKind::Job, "batch.kubernetes.io/controller-uid"),
    (WorkloadKind::Job, "controller-uid"),
    (WorkloadKind::CronJob, "batch.kubernetes.io/controller-uid"),
    (WorkloadKind::CronJob, "controller-uid"),
];

#[derive(Clone, Copy)]
enum Value {
    /// The name of the workload.
    Name,
    /// The name of the workload, a hyphen, and a number that is another one for each.
    NameAndNumber,
    /// A number that is another one for each.
    Number,
}

impl<'a> Controller<'a> {
    /// The controller of a workload's pods; `None` if it adds no such labels.
    #[must_use]
    pub fn of(workload: &'a Workload) -> Option<Self> {
        let adds = |(kind, ..): &(WorkloadKind, &str, Value)| *kind == workload.kind;
        ADDED.iter().any(adds).then(|| Self {
            kind: workload.kind,
            name: &workload.meta.name,
            number: None,
            is_indexed: workload.is_indexed,
        })
    }

    /// The same of one of its pods, by the number in that one's name.
    #[must_use]
    pub fn of_pod(self, number: u32) -> Self {
        Self {
            number: Some(number),
            ..self
        }
    }

    /// Whether some controller adds labels of this key.
    #[must_use]
    pub fn may_add(key: &str) -> bool {
        ADDED.iter().any(|(_, added, _)| *added == key)
    }

    /// Whether some controller adds labels of this key, be their values [told](UNTOLD) or not.
    #[must_use]
    pub fn may_write(key: &str) -> bool {
        Self::may_add(key) || UNTOLD.iter().any(|(_, added)| *added == key)
    }

    /// Whether it adds a label of this key.
    #[must_use]
    pub fn adds(self, key: &str) -> bool {
        self.value(key).is_some()
    }

    /// How the value of a label that it adds begins, for all of its pods that are meant: empty
    /// where nothing is known of it, and all of it where that [is known](Self::known).
    #[must_use]
    pub fn beginning(self, key: &str) -> String {
        self.known(key).unwrap_or_else(|| match self.value(key) {
            Some(Value::NameAndNumber) => format!("{}-", self.name),
            _ => String::new(),
        })
    }

    /// The value of a label that it adds, with `<number>` for what is another one for each pod;
    /// `None` if it adds no label of this key.
    #[must_use]
    pub fn in_words(self, key: &str) -> Option<String> {
        let value = self.value(key)?;
        Some(match self.known_as(value) {
            Some(known) => known,
            None => format!("{}<number>", self.beginning(key)),
        })
    }

    /// The value of a label that it adds, if that is the same for all of its pods that are meant.
    #[must_use]
    pub fn known(self, key: &str) -> Option<String> {
        self.known_as(self.value(key)?)
    }

    fn known_as(self, value: Value) -> Option<String> {
        match value {
            Value::Name => Some(self.name.to_owned()),
            Value::NameAndNumber => Some(format!("{}-{}", self.name, self.number?)),
            Value::Number => Some(self.number?.to_string()),
        }
    }

    fn value(self, key: &str) -> Option<Value> {
        let is_it =
            |(kind, added, _): &&(WorkloadKind, &str, Value)| *kind == self.kind && *added == key;
        let (.., value) = ADDED.iter().find(is_it)?;
        (self.has_key(key) != Truth::False).then_some(*value)
    }

    /// Whether its pods have a label of a key that its kind adds.
    #[must_use]
    pub fn has_key(self, key: &str) -> Truth {
        match key {
            COMPLETION_INDEX => self.is_indexed,
            _ => Truth::True,
        }
    }

    /// Whether its pods meet what is asked of a label that it adds: `Unknown` where some may
    /// and others not. `None` if it adds no label of this key.
    #[must_use]
    pub fn meets(self, key: &str, operator: Operator, values: &[&str]) -> Option<Truth> {
        let value = self.value(key)?;
        let has_key = self.has_key(key);
        let is_listed = || {
            let listed = values.iter().map(|wanted| self.has(value, wanted));
            listed.max().unwrap_or(Truth::False).min(has_key)
        };
        Some(match operator {
            Operator::In => is_listed(),
            Operator::NotIn => !is_listed(),
            Operator::Exists => has_key,
            Operator::DoesNotExist => !has_key,
        })
    }

    fn has(self, value: Value, wanted: &str) -> Truth {
        let is_number =
            |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        if is_opaque(wanted) {
            return Truth::Unknown;
        }
        if let Some(known) = self.known_as(value) {
            return Truth::from(wanted == known);
        }
        let may_be = match value {
            Value::Number => is_number(wanted),
            Value::Name | Value::NameAndNumber => {
                let rest = wanted.strip_prefix(self.name);
                let number = rest.and_then(|rest| rest.strip_prefix('-'));
                number.is_some_and(is_number)
            }
        };
        match may_be {
            true => Truth::Unknown,
            false => Truth::False,
        }
    }
}

impl LabelSelectorRequirement {
    /// Whether pods with the labels that their controller adds meet it; `None` if it is not
    /// about one of these.
    #[must_use]
    pub fn met_by(&self, controller: Controller<'_>) -> Option<Truth> {
        let values: Vec<&str> = self
            .values
            .iter()
            .map(|value| value.value.as_str())
            .collect();
        controller.meets(&self.key, self.operator.value, &values)
    }
}

impl LabelSelector {
    /// Whether it matches pods of a workload, with the labels that their controller adds: `Unknown`
    /// where that is not known of them, or where it matches some and others not.
    #[must_use]
    pub fn matches_pods_of(&self, workload: &Workload) -> Truth {
        let mut added = Truth::True;
        let mut is_written = |key: &str, operator: Operator, values: &[&str]| {
            let met = met(workload, key, operator, values);
            added = added.min(met.unwrap_or(Truth::True));
            met.is_none()
        };
        let mut written = self.clone();
        (written.match_labels)
            .retain(|label| is_written(&label.key, Operator::In, &[&label.value]));
        written.match_expressions.retain(|entry| {
            let values = entry.values.iter().map(|value| value.value.as_str());
            let values: Vec<&str> = values.collect();
            is_written(&entry.key, entry.operator.value, &values)
        });
        added.min(written.matches_opaque(&workload.labels))
    }
}

/// Whether pods of a workload meet what is asked of a label that their controller adds; `None` if
/// it adds none of this key, or if the template has it.
fn met(workload: &Workload, key: &str, operator: Operator, values: &[&str]) -> Option<Truth> {
    if workload.labels.get(key).is_some() {
        return None;
    }
    let is_untold = UNTOLD.contains(&(workload.kind, key));
    let untold = || {
        is_untold.then_some(match operator {
            Operator::In | Operator::NotIn => Truth::Unknown,
            Operator::Exists => Truth::True,
            Operator::DoesNotExist => Truth::False,
        })
    };
    let controller = Controller::of(workload);
    controller
        .and_then(|it| it.meets(key, operator, values))
        .or_else(untold)
}
