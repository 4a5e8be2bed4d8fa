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

/// A closed list is about those pods, too; a draft of one names them.
#[test]
fn closed_lists_are_about_pods_that_no_manifest_declares() {
    const MANIFESTS: &str = "apiVersion: v1
kind: Pod
metadata: {name: pg, namespace: db, labels: {app: pg}}
spec: {containers: [{name: c}]}
---
apiVersion: v1
kind: Pod
metadata: {name: api, namespace: shop, labels: {app: api}}
spec: {containers: [{name: c}]}
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: pg, namespace: db}
spec:
  podSelector: {matchLabels: {app: pg}}
  ingress: [{from: [PEER], ports: [{port: 5432}]}]
";
    let all = "{namespaceSelector: {}}";
    let home = "{podSelector: {}}";
    let named = "{namespaceSelector: {}, podSelector: {matchLabels: {app: api}}}";
    let directory = scratch("test-undeclared");
    let list = |peer: &str, from: &str, options: &[&str]| {
        write(&directory, "all.yaml", MANIFESTS.replace("PEER", peer));
        let test = format!("tests:\n  - {{name: a, only: {{to: db/pg, from: [{from}]}}}}\n");
        write(&directory, "npcheck-tests.yaml", test);
        run(&directory, &[&["test"], options].concat())
    };
    let [here, elsewhere] = [
        "other pods of db (`db/+`) -> db/Pod/pg",
        "pods of other namespaces (`+/+`) -> db/Pod/pg",
    ];
    for (peer, from, options, status, told) in [
        (all, "shop/api", &[][..], 1, &[here, elsewhere][..]),
        (all, "shop/api", &["--complete"], 0, &[]),
        (all, "db/*, shop/*", &[], 1, &[elsewhere]),
        (all, "db/*, shop/*, +/+", &[], 0, &[]),
        (all, "any", &[], 0, &[]),
        (home, "shop/api", &[], 1, &[here]),
        (home, "db/+", &[], 0, &[]),
        (home, "db/+app=new", &[], 2, &["is on no closed list"]),
        (home, "+team=x/+", &[], 2, &["is on no closed list"]),
        (named, "shop/api", &[], 0, &[]),
    ] {
        let told_of = list(peer, from, options);
        assert_eq!(told_of.status, status, "{peer} {from}: {told_of:?}");
        for fact in told {
            assert!(told_of.stdout.contains(fact), "{peer} {from}: {told_of:?}");
        }
    }
    for (peer, ends) in [
        (all, &["\"db/+\"", "\"shop/+\"", "\"+/+\""][..]),
        (home, &["\"db/+\""]),
        (named, &[]),
    ] {
        write(&directory, "all.yaml", MANIFESTS.replace("PEER", peer));
        let drafts = run(&directory, &["test", "--write"]).stdout;
        assert!(ends.iter().all(|end| drafts.contains(end)), "{drafts}");
        assert_eq!(drafts.matches("/+\"").count(), ends.len(), "{drafts}");
        write(&directory, "npcheck-tests.yaml", &drafts);
        assert_eq!(run(&directory, &["test"]).status, 0, "{drafts}");
    }
}

/// `any` as a source is everybody, also whoever no manifest declares.
#[test]
fn any_source_is_anybody() {
    let directory = scratch("reach-undeclared");
    let manifests = |peer: &str| {
        format!(
            "apiVersion: v1
kind: Pod
metadata: {{name: pg, namespace: db, labels: {{app: pg}}}}
spec: {{containers: [{{name: c}}]}}
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {{name: pg, namespace: db}}
spec:
  podSelector: {{matchLabels: {{app: pg}}}}
  ingress: [{{from: [{peer}], ports: [{{port: 5432}}]}}]
"
        )
    };
    let asked = ["reach", "any", "db/pg", "-p", "5432", "--expect", "blocked"];
    for (peer, options, status, told) in [
        ("{namespaceSelector: {}}", &[][..], 1, "db/+, +/+"),
        ("{podSelector: {matchLabels: {app: api}}}", &[], 0, ""),
        ("{podSelector: {}}", &[], 1, "db/+ ->"),
        (
            "{namespaceSelector: {}, podSelector: {matchLabels: {app: api}}}",
            &[],
            0,
            "",
        ),
    ] {
        write(&directory, "all.yaml", manifests(peer));
        let answer = run(&directory, &[&asked, options].concat());
        assert_eq!(answer.status, status, "{peer}: {answer:?}");
        assert!(answer.stdout.contains(told), "{peer}: {answer:?}");
    }
    // The pod itself is no replica of another one.
    write(&directory, "all.yaml", manifests("{namespaceSelector: {}}"));
    let answer = run(&directory, &[&asked[..], &["--complete"]].concat());
    assert_eq!(answer.status, 0, "{answer:?}");
}
