//! Pods that no manifest declares: what a change does to them, and what they may open.

use super::program::{run, scratch, write};
use serde_json::Value;

/// What else runs in a cluster has none of the labels that policies ask for: a rule for every
/// namespace lets it in, also where all declared pods were allowed already.
#[test]
fn pods_that_no_manifest_declares_count() {
    let rule = |peer: &str| {
        format!(
            "apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {{name: pg, namespace: db}}
spec:
  podSelector: {{matchLabels: {{app: pg}}}}
  ingress: [{{from: [{peer}], ports: [{{port: 5432}}]}}]
---
apiVersion: v1
kind: Pod
metadata: {{name: pg, namespace: db, labels: {{app: pg}}}}
spec: {{containers: [{{name: c}}]}}
"
        )
    };
    let deny = |selector: &str, types: &str| {
        format!(
            "apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {{name: deny, namespace: db}}
spec: {{podSelector: {selector}, policyTypes: [{types}]}}
"
        )
    };
    let pods = "---
apiVersion: v1
kind: Pod
metadata: {name: pg, namespace: db, labels: {app: pg}}
spec: {containers: [{name: c}]}
";
    let named = rule("{podSelector: {matchLabels: {app: pg}}}");
    let opened = "same connectivity between what the manifests declare; elsewhere flows open";
    let closed = "same connectivity between what the manifests declare; elsewhere flows close";
    let table = [
        (
            named.clone(),
            rule("{namespaceSelector: {}}"),
            opened,
            "opened: other pods of db, pods of other namespaces -> db/Pod/pg  TCP 5432\n",
        ),
        (
            named.clone(),
            rule("{podSelector: {matchExpressions: [{key: app, operator: Exists}]}}"),
            "same connectivity",
            "",
        ),
        (
            deny("{}", "Ingress, Egress"),
            deny("{}", "Ingress"),
            opened,
            "opened: other pods of db  no longer isolated for egress\n",
        ),
        (
            deny("{matchLabels: {app: pg}}", "Ingress") + pods,
            deny("{}", "Ingress") + pods,
            closed,
            "closed: other pods of db  isolated for ingress\n",
        ),
    ];
    for (place, (before, after, summary, notes)) in table.iter().enumerate() {
        let directory = scratch(&format!("diff-undeclared-{place}"));
        write(&directory, "before/all.yaml", before);
        write(&directory, "after/all.yaml", after);
        let expected = format!("{summary}  before..after\n{notes}");
        let told = run(&directory, &["diff", "before", "after"]);
        let status = i32::from(!notes.is_empty());
        assert_eq!((told.stdout, told.status), (expected, status), "{place}");
        let json = run(&directory, &["diff", "before", "after", "-o", "json"]).stdout;
        let json: Value = serde_json::from_str(&json).unwrap();
        assert_eq!(json["same"], Value::Bool(notes.is_empty()), "{place}");
        let opens = i32::from(*summary == opened);
        for (asked, status) in [
            (&["--expect", "narrower"][..], opens),
            (&["--expect", "wider"], status - opens),
            (&["--complete"], 0),
        ] {
            let answer = run(&directory, &[&["diff", "before", "after"], asked].concat());
            assert_eq!(answer.status, status, "{place} {asked:?}: {answer:?}");
        }
    }
}
