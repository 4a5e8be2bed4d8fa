//! What policies see of the labels that controllers add to their pods: some select all pods of a
//! workload, some a few of them, some none.

use crate::answers::{Answer, TWO_PODS, assert_answers};

/// A StatefulSet, a Job and a CronJob, whose pods get labels from their controllers.
const CONTROLLERS: &str = "
{apiVersion: apps/v1, kind: StatefulSet, metadata: {name: db, namespace: one},
 spec: {template: {metadata: {labels: {app: db}}, spec: {containers: [{name: c}]}}}}
---
{apiVersion: batch/v1, kind: Job, metadata: {name: job, namespace: one},
 spec: {template: {metadata: {labels: {app: job}}, spec: {containers: [{name: c}]}}}}
---
{apiVersion: batch/v1, kind: CronJob, metadata: {name: cron, namespace: one},
 spec: {jobTemplate: {spec: {template: {metadata: {labels: {app: cron}}, spec: {containers: [{name: c}]}}}}}}
---
{apiVersion: batch/v1, kind: Job, metadata: {name: sharded, namespace: one},
 spec: {completionMode: Indexed, completions: 3,
  template: {metadata: {labels: {app: sharded}}, spec: {containers: [{name: c}]}}}}
---
{apiVersion: batch/v1, kind: CronJob, metadata: {name: nightly, namespace: one},
 spec: {jobTemplate: {spec: {completionMode: Indexed,
  template: {metadata: {labels: {app: nightly}}, spec: {containers: [{name: c}]}}}}}}
---
{apiVersion: batch/v1, kind: Job, metadata: {name: either, namespace: one},
 spec: {completionMode: '${MODE}', template: {metadata: {labels: {app: either}}, spec: {containers: [{name: c}]}}}}
---
";

#[test]
fn labels_that_controllers_add_mean_all_pods_of_a_workload_or_some_or_none() {
    let all = "TCP all, UDP all, SCTP all";
    for (selector, ends, allowed, unknown) in [
        // Whom the policy isolates: everybody else is open.
        (
            "matchLabels: {statefulset.kubernetes.io/pod-name: db-0}",
            "db",
            "",
            all,
        ),
        (
            "matchLabels: {statefulset.kubernetes.io/pod-name: cache-0}",
            "db",
            all,
            "",
        ),
        (
            "matchLabels: {statefulset.kubernetes.io/pod-name: db-primary}",
            "db",
            all,
            "",
        ),
        (
            "matchLabels: {statefulset.kubernetes.io/pod-name: db-0}",
            "job",
            all,
            "",
        ),
        (
            "matchLabels: {apps.kubernetes.io/pod-index: '0', app: db}",
            "db",
            "",
            all,
        ),
        (
            "matchLabels: {apps.kubernetes.io/pod-index: '0', app: cache}",
            "db",
            all,
            "",
        ),
        (
            "matchExpressions: [{key: apps.kubernetes.io/pod-index, operator: Exists}]",
            "db",
            "",
            "",
        ),
        (
            "matchExpressions: [{key: apps.kubernetes.io/pod-index, operator: DoesNotExist}]",
            "db",
            all,
            "",
        ),
        (
            "matchExpressions: [{key: apps.kubernetes.io/pod-index, operator: NotIn, values: ['0']}]",
            "db",
            "",
            all,
        ),
        (
            "matchLabels: {batch.kubernetes.io/job-name: job}",
            "job",
            "",
            "",
        ),
        ("matchLabels: {job-name: other}", "job", all, ""),
        ("matchLabels: {job-name: cron-29000000}", "cron", "", all),
        ("matchLabels: {job-name: cron}", "cron", all, ""),
        // Only the pods of an indexed Job have a number.
        (
            "matchLabels: {batch.kubernetes.io/job-completion-index: '0'}",
            "sharded",
            "",
            all,
        ),
        (
            "matchLabels: {batch.kubernetes.io/job-completion-index: first}",
            "sharded",
            all,
            "",
        ),
        (
            "matchExpressions: [{key: batch.kubernetes.io/job-completion-index, operator: Exists}]",
            "sharded",
            "",
            "",
        ),
        (
            "matchExpressions: [{key: batch.kubernetes.io/job-completion-index, operator: Exists}]",
            "nightly",
            "",
            "",
        ),
        (
            "matchExpressions: [{key: batch.kubernetes.io/job-completion-index, operator: DoesNotExist}]",
            "either",
            "",
            all,
        ),
        (
            "matchLabels: {batch.kubernetes.io/job-completion-index: '0'}",
            "job",
            all,
            "",
        ),
    ] {
        let policy = format!(
            "{{apiVersion: networking.k8s.io/v1, kind: NetworkPolicy, metadata: {{name: p, namespace: one}},
              spec: {{podSelector: {{{selector}}}, policyTypes: [Ingress]}}}}"
        );
        assert_answers(
            &format!("{TWO_PODS}{CONTROLLERS}"),
            &[Answer {
                about: selector,
                manifests: Box::leak(policy.into_boxed_str()),
                ends: ["a", ends],
                allowed,
                unknown,
            }],
        );
        // As a peer, those that match are let in, and nobody else.
        let policy = format!(
            "{{apiVersion: networking.k8s.io/v1, kind: NetworkPolicy, metadata: {{name: p, namespace: one}},
              spec: {{podSelector: {{matchLabels: {{app: a}}}}, ingress: [{{from: [{{podSelector: {{{selector}}}}}]}}]}}}}"
        );
        assert_answers(
            &format!("{TWO_PODS}{CONTROLLERS}"),
            &[Answer {
                about: selector,
                manifests: Box::leak(policy.into_boxed_str()),
                ends: [ends, "a"],
                allowed: if allowed.is_empty() && unknown.is_empty() {
                    all
                } else {
                    ""
                },
                unknown,
            }],
        );
    }
}

/// Policies of other kinds than Kubernetes' own, with what they are about.
#[test]
fn policies_of_cni_plugins_see_the_labels_that_controllers_add() {
    let all = "TCP all, UDP all, SCTP all";
    let calico = |selector: &str| {
        format!(
            "{{apiVersion: projectcalico.org/v3, kind: NetworkPolicy, metadata: {{name: p, namespace: one}},
              spec: {{selector: \"{selector}\", types: [Ingress]}}}}"
        )
    };
    let cilium = |selector: &str| {
        format!(
            "{{apiVersion: cilium.io/v2, kind: CiliumNetworkPolicy, metadata: {{name: p, namespace: one}},
              spec: {{endpointSelector: {{{selector}}}, ingress: [{{}}]}}}}"
        )
    };
    // Kubernetes' own policy, as Cilium sees it.
    let networking = |selector: &str| {
        format!(
            "{}
---
{{apiVersion: networking.k8s.io/v1, kind: NetworkPolicy, metadata: {{name: q, namespace: one}},
  spec: {{podSelector: {{{selector}}}, policyTypes: [Ingress]}}}}",
            cilium("matchLabels: {app: nobody}")
        )
    };
    for (policy, end, allowed, unknown) in [
        (calico("job-name == 'job'"), "job", "", ""),
        (calico("job-name == 'other'"), "job", all, ""),
        (
            calico("has(batch.kubernetes.io/job-completion-index)"),
            "either",
            "",
            all,
        ),
        (calico("job-name != 'job'"), "job", all, ""),
        (calico("job-name != 'job'"), "db", "", ""),
        (calico("job-name starts with 'jo'"), "job", "", ""),
        (calico("has(job-name)"), "cron", "", ""),
        (calico("!has(job-name)"), "cron", all, ""),
        (calico("job-name in {'cron', 'cron-1'}"), "cron", "", all),
        (calico("job-name contains 'cron'"), "cron", "", ""),
        (calico("job-name starts with 'cron-29'"), "cron", "", all),
        (calico("job-name ends with '0'"), "cron", "", all),
        (
            calico("statefulset.kubernetes.io/pod-name starts with 'db-'"),
            "db",
            "",
            "",
        ),
        (
            calico("statefulset.kubernetes.io/pod-name == 'db-0'"),
            "db",
            "",
            all,
        ),
        (
            calico("statefulset.kubernetes.io/pod-name == 'db-0'"),
            "job",
            all,
            "",
        ),
        (
            calico("statefulset.kubernetes.io/pod-name not in {'x-0', 'y-0'}"),
            "db",
            "",
            "",
        ),
        (cilium("matchLabels: {job-name: job}"), "job", "", ""),
        (cilium("matchLabels: {job-name: other}"), "job", all, ""),
        (cilium("matchLabels: {job-name: cron-1}"), "cron", "", all),
        // Identities have no such label.
        (
            cilium("matchLabels: {statefulset.kubernetes.io/pod-name: db-0}"),
            "db",
            all,
            "",
        ),
        (networking("matchLabels: {job-name: job}"), "job", "", ""),
        (
            networking("matchLabels: {job-name: cron-1}"),
            "cron",
            "",
            all,
        ),
        (
            networking("matchLabels: {apps.kubernetes.io/pod-index: '0'}"),
            "db",
            all,
            "",
        ),
    ] {
        assert_answers(
            &format!("{TWO_PODS}{CONTROLLERS}"),
            &[Answer {
                about: Box::leak(policy.clone().into_boxed_str()),
                manifests: Box::leak(policy.into_boxed_str()),
                ends: ["a", end],
                allowed,
                unknown,
            }],
        );
    }
}
