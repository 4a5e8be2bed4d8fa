//! Selectors that ask for labels that the next release changes.

use crate::cluster::{Cluster, PolicyId, WorkloadId};
use crate::diagnostic::{Diagnostic, Fix, FixClass, Severity};
use crate::k8s::{
    Direction, Label, LabelSelector, Labels, Operator, WorkloadKind, is_opaque, label_span,
};
use crate::lint::isolation::Standing;
use crate::lint::pod_selectors::{self, PodSelector};
use crate::lint::{Category, Context, Rule, RuleMeta, declare_rule, rewrite};
use crate::source::{Edit, Span, Spanned, Text};
use std::collections::BTreeMap;

declare_rule! {
    /// ## What it does
    ///
    /// Reports selectors that ask for a label that changes with every release or run:
    /// `pod-template-hash`, `controller-revision-hash`, `helm.sh/chart`,
    /// `app.kubernetes.io/version`, `job-name` with the name of one run of a CronJob or
    /// generated Job, and the like.
    ///
    /// Labels that name a fixed part of an application (`version: v2`), a Job with a fixed name
    /// or one pod of a StatefulSet are not reported. Neither are values that a template fills
    /// in, or expressions that only check whether the key exists.
    ///
    /// ## Why is this bad?
    ///
    /// The next release gives the pods another value, and the selector silently stops matching.
    /// A peer then allows nothing. A policy whose `spec.podSelector` matches nothing isolates
    /// nothing: its pods become open to everybody, or lose what only this policy allows them.
    ///
    /// ## Example
    ///
    /// ```yaml
    /// apiVersion: networking.k8s.io/v1
    /// kind: NetworkPolicy
    /// metadata: {name: api, namespace: shop}
    /// spec:
    ///   podSelector: {matchLabels: {app: api}}
    ///   ingress:
    ///     - from:
    ///         - podSelector:
    ///             matchLabels:
    ///               app: web
    ///               pod-template-hash: 6b7f9c4d8
    /// ```
    ///
    /// ## Use instead
    ///
    /// ```yaml
    /// apiVersion: networking.k8s.io/v1
    /// kind: NetworkPolicy
    /// metadata: {name: api, namespace: shop}
    /// spec:
    ///   podSelector: {matchLabels: {app: api}}
    ///   ingress:
    ///     - from:
    ///         - podSelector:
    ///             matchLabels:
    ///               app: web
    /// ```
    ///
    /// ## Fix safety
    ///
    /// Widening: the fix removes the label from a peer, which then matches the pods of every
    /// release. It is offered only if another label remains, and only where the label is written
    /// in the peer: one that a kustomization gives to all objects is on the pods as well. There
    /// is no automatic fix for `spec.podSelector`, because selecting more pods also isolates
    /// them.
    pub(super) struct UnstableLabel {
        name: "unstable-label",
        summary: "a selector asks for a label that changes with every release",
        category: Category::Selectors,
        severity: Severity::Warning,
        tier: Stable,
        evidence: "no warning or error on 24 public repositories",
        fix: Some(FixClass::Widening),
        mutes: &["unmatched-pod-selector", "unmatched-peer-selector"],
        since: "0.1.0",
    }
}

impl Rule for UnstableLabel {
    fn meta(&self) -> &'static RuleMeta {
        &Self::META
    }

    fn check_cluster(&self, cx: &mut Context<'_>) {
        let mut found: BTreeMap<LabelGroup<'_>, Vec<Found<'_>>> = BTreeMap::new();
        for id in cx.cluster.policy_ids() {
            for place in pod_selectors::in_policy(cx.cluster, id) {
                for (key, value) in requirements(place.selector) {
                    let change = Change::of(key, value);
                    let Some(change) = change.or_else(|| of_cron_job(cx.cluster, key, value))
                    else {
                        continue;
                    };
                    let is_together = is_together(cx, &place, key);
                    // Then both change by one line.
                    let of_policy = place.peer.is_none() && !is_together;
                    let (name, text) = (key.value.as_str(), value.value.as_str());
                    let group = (of_policy, is_together, name, text);
                    found.entry(group).or_default().push(Found {
                        place: place.clone(),
                        span: label_span(key.span, value.span),
                        change,
                        is_together,
                    });
                }
            }
        }
        for ((_, _, key, value), places) in found {
            let finding = describe(cx, key, value, &places);
            cx.report(finding);
        }
    }
}

/// What is told once: whether it is about the pods of policies, whether the pods change with the
/// selectors, and the key and value of the label.
type LabelGroup<'c> = (bool, bool, &'c str, &'c str);

/// A requirement for a label that changes.
struct Found<'c> {
    place: PodSelector<'c>,
    span: Span,
    change: Change,
    /// Whether the pods have the label of the same text, which a kustomization adds to both.
    is_together: bool,
}

/// Whether a kustomization gives the label to a selector and to all pods that it matches.
fn is_together(cx: &Context<'_>, place: &PodSelector<'_>, key: &Spanned<Text>) -> bool {
    let pods = place.may_match(cx);
    let has_it = |id: &WorkloadId| {
        let label = cx.cluster.workload(*id).object.labels.label(&key.value);
        label.is_some_and(|label| label.key.span == key.span)
    };
    !pods.is_empty() && pods.iter().all(has_it)
}

/// When a label changes.
#[derive(Clone, Copy)]
enum Change {
    /// With every release.
    Release,
    /// With every run of a job.
    Run,
    /// When the tool that applies the manifests changes.
    Tool,
}

impl Change {
    fn of(key: &str, value: &str) -> Option<Self> {
        if is_opaque(key) || is_opaque(value) {
            return None;
        }
        match key {
            // apps/v1 types.go: DefaultDeploymentUniqueLabelKey and
            // ControllerRevisionHashLabelKey; argoproj/argo-rollouts:
            // DefaultRolloutUniqueLabelKey.
            "pod-template-hash" | "controller-revision-hash" | "rollouts-pod-template-hash" => {
                Some(Self::Release)
            }
            // helm.sh/docs/chart_best_practices/labels: the chart's name and its version.
            "helm.sh/chart" | "chart" => Some(Self::Release),
            "app.kubernetes.io/version" => Some(Self::Release),
            "version" => is_release(value).then_some(Self::Release),
            // batch/v1 types.go: the identity of one Job.
            "controller-uid" | "batch.kubernetes.io/controller-uid" => Some(Self::Run),
            "job-name" | "batch.kubernetes.io/job-name" => {
                is_of_one_run(value).then_some(Self::Run)
            }
            "heritage" | "app.kubernetes.io/managed-by" => {
                ["helm", "tiller", "kustomize", "argocd", "flux"]
                    .contains(&value.to_lowercase().as_str())
                    .then_some(Self::Tool)
            }
            _ => None,
        }
    }

    fn severity(self) -> Severity {
        match self {
            Self::Release | Self::Run => Severity::Warning,
            Self::Tool => Severity::Info,
        }
    }

    fn in_words(self) -> &'static str {
        match self {
            Self::Release => "changes with every release",
            Self::Run => "changes with every run",
            Self::Tool => "says what applied the manifests, and does not identify the pods",
        }
    }
}

/// The label of jobs whose name is that of a CronJob: each of its jobs is called after it and the
/// minute of its start, and none just like it.
fn of_cron_job(cluster: &Cluster, key: &str, value: &str) -> Option<Change> {
    let named = |kind: WorkloadKind| {
        let mut workloads = cluster.workloads().iter().map(|it| &it.object);
        workloads.any(|it| it.kind == kind && it.meta.name.value == value)
    };
    let is_job_name = matches!(key, "job-name" | "batch.kubernetes.io/job-name");
    (is_job_name && named(WorkloadKind::CronJob) && !named(WorkloadKind::Job))
        .then_some(Change::Run)
}

/// Whether a version is that of one release, such as `1.14.2` or `v2.0`; `v2` and `canary`
/// name parts of an application that exist beside each other.
fn is_release(version: &str) -> bool {
    let digits = version.trim_start_matches('v');
    let mut parts = digits.split('.');
    let is_number = |part: &str| part.starts_with(|c: char| c.is_ascii_digit());
    parts.clone().count() >= 2 && parts.by_ref().take(2).all(is_number)
}

/// Whether the name of a job is that of one run of a CronJob, which ends with the minute of
/// its start (kubernetes/kubernetes pkg/controller/cronjob, getJobName).
fn is_of_one_run(name: &str) -> bool {
    name.rsplit_once('-').is_some_and(|(_, minute)| {
        minute.len() >= 8 && minute.bytes().all(|byte| byte.is_ascii_digit())
    })
}

/// The labels that a selector asks for by value.
fn requirements(
    selector: &LabelSelector,
) -> impl Iterator<Item = (&Spanned<Text>, &Spanned<Text>)> {
    let labels = selector
        .match_labels
        .iter()
        .map(|label| (&label.key, &label.value));
    let listed = selector
        .match_expressions
        .iter()
        .filter(|entry| entry.operator.value == Operator::In)
        .filter_map(|entry| Some((&entry.key, entry.values.first()?)));
    labels.chain(listed)
}

fn describe(cx: &Context<'_>, key: &str, value: &str, places: &[Found<'_>]) -> Diagnostic {
    let (first, others) = places.split_first().expect("a group has a place");
    let what = first.change.in_words();
    let are_together = places.iter().all(|found| found.is_together);
    let effect = match (first.change, first.place.peer) {
        (Change::Tool, _) => "drop it: the other labels name the pods",
        _ if are_together => {
            "the pods get it as well, but a Deployment cannot change what it selects, and pods of the last release lose these policies"
        }
        (_, None) => without_policy(cx, key, places),
        (_, Some(_)) => "then this peer matches nothing, and allows nothing",
    };
    let message = format!("label `{key}` {what}");
    let place = &first.place;
    let mut finding = cx
        .policy_finding(place.policy, place.path.as_str(), first.span, message)
        .with_severity(first.change.severity())
        .label(effect)
        .help(match are_together {
            true => "set it without selectors: `labels` with `includeTemplates`, and without `includeSelectors`".to_owned(),
            false => format!("select the pods by stable labels, without `{key}: {value}`"),
        });
    // The text is that of the pods as well.
    let to_drop = places.iter().filter(|_| !are_together);
    let edits = to_drop.map(|found| drop_label(cx, found, key));
    let edits = edits.collect::<Option<Vec<Edit>>>();
    if let Some(edits) = edits.filter(|edits| !edits.is_empty()) {
        finding = finding.fix(Fix {
            title: format!("drop `{key}` from the selector"),
            class: FixClass::Widening,
            edits,
        });
    }
    let others: Vec<_> = others
        .iter()
        .map(|found| (found.place.policy, found.span))
        .collect();
    pod_selectors::with_repeats(finding, cx, &others)
}

/// What becomes of the pods that the policies were written for once they select none.
fn without_policy(cx: &Context<'_>, key: &str, places: &[Found<'_>]) -> &'static str {
    let place = &places[0].place;
    let policy = cx.cluster.policy(place.policy);
    let policies: Vec<PolicyId> = places.iter().map(|found| found.place.policy).collect();
    let asked = place.selector.satisfying_labels().unwrap_or_default();
    let stable = asked.iter().filter(|label| label.key.value != key);
    let labels = Labels::new(stable.cloned().collect());
    let applies = |direction: &Direction| policy.object.applies_to(*direction);
    let standing =
        |direction| Standing::beside(cx, &policies, policy.namespace, &[&labels], direction);
    let directions: Vec<Direction> = Direction::BOTH.into_iter().filter(applies).collect();
    let standings: Vec<Standing> = directions.iter().map(|it| standing(*it)).collect();
    let are_all = |wanted| standings.iter().all(|standing| *standing == wanted);
    match directions.contains(&Direction::Ingress) {
        true if are_all(Standing::Open) => {
            "then no pod is selected, and all of these pods are open to everyone"
        }
        false if are_all(Standing::Open) => {
            "then no pod is selected, and all of these pods may connect to everyone"
        }
        _ if are_all(Standing::Isolated) => {
            "then no pod is selected, and what this policy allows is denied"
        }
        _ => "then no pod is selected, and the policy does nothing",
    }
}

/// Deletes the label from a peer that keeps another one, which is not about to change too.
fn drop_label(cx: &Context<'_>, found: &Found<'_>, key: &str) -> Option<Edit> {
    found.place.peer?;
    let labels = &found.place.selector.match_labels;
    let stays =
        |label: &Label| label.key.value != key && Change::of(&label.key, &label.value).is_none();
    let label = labels.iter().find(|label| label.key.value == key)?;
    // A kustomization has one text for the labels of all objects and their selectors: without it
    // the pods would lose theirs as well, and a Deployment cannot change what it selects.
    let of_policy = &cx.cluster.policy(found.place.policy).object.meta.labels;
    let own = of_policy.label(key);
    let is_for_all = own.is_some_and(|own| own.key.span == label.key.span);
    if is_for_all || !labels.iter().any(stays) {
        return None;
    }
    rewrite::remove_label(cx.sources, label)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn releases_and_runs_are_told_from_names() {
        for (version, expected) in [
            ("1.14.2", true),
            ("v2.0", true),
            ("2024.1-rc1", true),
            ("v2", false),
            ("canary", false),
            ("blue.green", false),
        ] {
            assert_eq!(is_release(version), expected, "{version}");
        }
        for (name, expected) in [
            ("backup-28973520", true),
            ("db-migrate", false),
            ("migrate-2024", false),
        ] {
            assert_eq!(is_of_one_run(name), expected, "{name}");
        }
    }
}
