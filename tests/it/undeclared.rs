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
            "opened: pods of other namespaces -> db/Pod/pg  TCP 5432  medium\n\
             opened: other pods of db -> db/Pod/pg  TCP 5432  low\n",
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
            "opened: other pods of db  no longer isolated for egress  high\n",
        ),
        (
            deny("{matchLabels: {app: pg}}", "Ingress") + pods,
            deny("{}", "Ingress") + pods,
            closed,
            "closed: other pods of db  isolated for ingress  low\n",
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

/// A rule for the pods of another repository opens and closes as much as one for those of this,
/// in every dialect.
#[test]
fn a_rule_for_pods_that_no_manifest_declares_counts() {
    const PODS: &str = "---
apiVersion: v1
kind: Pod
metadata: {name: web, namespace: shop, labels: {app: web}}
spec: {containers: [{name: c}]}
---
";
    let plain = |ingress: &str, egress: &str| {
        format!(
            "apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {{name: web, namespace: shop}}
spec:
  podSelector: {{matchLabels: {{app: web}}}}
  policyTypes: [Ingress, Egress]
  ingress: [{ingress}]
  egress: [{egress}]
{PODS}"
        )
    };
    let from = |peers: &str| plain(&format!("{{from: [{peers}], ports: [{{port: 80}}]}}"), "");
    let none = plain("", "");
    let monitoring =
        "{namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: monitoring}}}";
    let nginx = "{namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: ingress}}, podSelector: {matchLabels: {app: nginx}}}";
    let team = "{namespaceSelector: {matchLabels: {team: x}}}";
    let values = |values: &str| {
        from(&format!(
            "{{podSelector: {{matchExpressions: [{{key: app, operator: In, values: [{values}]}}]}}}}"
        ))
    };
    let names = |values: &str| {
        from(&format!(
            "{{namespaceSelector: {{matchExpressions: [{{key: kubernetes.io/metadata.name, operator: In, values: [{values}]}}]}}}}"
        ))
    };
    let dns = "{to: [{namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: kube-system}}, podSelector: {matchLabels: {k8s-app: kube-dns}}}], ports: [{protocol: UDP, port: 53}]}";
    let admin = |peer: &str| {
        format!(
            "{}apiVersion: policy.networking.k8s.io/v1alpha1
kind: AdminNetworkPolicy
metadata: {{name: all}}
spec:
  priority: 1
  subject: {{namespaces: {{matchLabels: {{kubernetes.io/metadata.name: shop}}}}}}
  ingress: [{{action: Allow, from: [{peer}]}}]
",
            plain("", "")
        )
    };
    let cilium = |endpoints: &str| {
        format!(
            "{PODS}apiVersion: cilium.io/v2
kind: CiliumNetworkPolicy
metadata: {{name: web, namespace: shop}}
spec:
  endpointSelector: {{matchLabels: {{app: web}}}}
  ingress: [{{fromEndpoints: [{endpoints}]}}]
"
        )
    };
    let calico = |selector: &str| {
        format!(
            "{PODS}apiVersion: projectcalico.org/v3
kind: GlobalNetworkPolicy
metadata: {{name: web}}
spec:
  selector: app == 'web'
  types: [Ingress]
  ingress: [{{action: Allow, source: {{selector: \"{selector}\"}}}}]
"
        )
    };
    let cases = [
        (
            &none,
            &from(monitoring),
            "pods of monitoring -> shop/Pod/web  TCP 80  medium",
            "pods of monitoring -> shop/Pod/web  TCP 80  low",
        ),
        (
            &none,
            &from(nginx),
            "ingress/+app=nginx -> shop/Pod/web  TCP 80  medium",
            "ingress/+app=nginx -> shop/Pod/web  TCP 80  low",
        ),
        (
            &none,
            &from(team),
            "pods of namespaces with team=x -> shop/Pod/web  TCP 80  medium",
            "pods of namespaces with team=x -> shop/Pod/web  TCP 80  low",
        ),
        (
            &none,
            &plain("", dns),
            "shop/Pod/web -> kube-system/+k8s-app=kube-dns  UDP 53  medium",
            "shop/Pod/web -> kube-system/+k8s-app=kube-dns  UDP 53  medium",
        ),
        // Of what everybody may do, those that another rule was written for are no news.
        (
            &none,
            &from(&format!("{{namespaceSelector: {{}}}}, {nginx}")),
            "pods of other namespaces -> shop/Pod/web  TCP 80  medium\nopened: other pods of shop -> shop/Pod/web  TCP 80  low",
            "other pods of shop, pods of other namespaces -> shop/Pod/web  TCP 80  low",
        ),
        (
            &values("web"),
            &values("web, api"),
            "shop/+app=api -> shop/Pod/web  TCP 80  low",
            "shop/+app=api -> shop/Pod/web  TCP 80  low",
        ),
        (
            &names("shop"),
            &names("shop, logging"),
            "pods of logging -> shop/Pod/web  TCP 80  medium",
            "pods of logging -> shop/Pod/web  TCP 80  low",
        ),
        (
            &admin("{namespaces: {matchLabels: {a: b}}}"),
            &admin(
                "{namespaces: {matchLabels: {a: b}}}, {pods: {namespaceSelector: {matchLabels: {a: c}}, podSelector: {matchLabels: {app: x}}}}",
            ),
            "+a=c/+app=x -> shop/Pod/web  all  medium",
            "+a=c/+app=x -> shop/Pod/web  all  low",
        ),
        (
            &cilium("{matchLabels: {app: web}}"),
            &cilium(
                "{matchLabels: {app: web}}, {matchLabels: {'k8s:io.kubernetes.pod.namespace': ops, app: x}}",
            ),
            "ops/+app=x -> shop/Pod/web  all  medium",
            "ops/+app=x -> shop/Pod/web  all  low",
        ),
        (
            &calico("app == 'web'"),
            &calico("app in {'web', 'api'}"),
            "+/+app=api -> shop/Pod/web  all  medium",
            "+/+app=api -> shop/Pod/web  all  low",
        ),
    ];
    for (place, (before, after, opened, closed)) in cases.into_iter().enumerate() {
        let directory = scratch(&format!("diff-written-for-{place}"));
        write(&directory, "narrow/all.yaml", before);
        write(&directory, "wide/all.yaml", after);
        for (states, word, expectation, flow) in [
            (["narrow", "wide"], "open", "narrower", opened),
            (["wide", "narrow"], "close", "wider", closed),
        ] {
            let told = run(&directory, &[&["diff"], &states[..]].concat());
            let ed = if word == "open" { "opened" } else { "closed" };
            let expected = format!(
                "same connectivity between what the manifests declare; elsewhere flows {word}  {}..{}\n{ed}: {flow}\n",
                states[0], states[1]
            );
            assert_eq!((told.stdout, told.status), (expected, 1), "{place}");
            let asked = ["diff", states[0], states[1], "--expect", expectation];
            assert_eq!(run(&directory, &asked).status, 1, "{place} {expectation}");
            let asked = ["diff", states[0], states[1], "--complete"];
            assert_eq!(run(&directory, &asked).status, 0, "{place}");
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

/// Claims about everybody are about the pods that policies ask for, too, wherever those are.
#[test]
fn pods_of_other_repositories_are_among_everybody() {
    const MANIFESTS: &str = "
{apiVersion: v1, kind: Namespace, metadata: {name: db}}
---
{apiVersion: v1, kind: Namespace, metadata: {name: shop}}
---
apiVersion: v1
kind: Pod
metadata: {name: pg, namespace: db, labels: {app: pg}}
spec: {containers: [{name: c}]}
---
apiVersion: v1
kind: Pod
metadata: {name: cron, namespace: db, labels: {app: cron}}
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
  policyTypes: [Ingress, Egress]
  ingress: [INGRESS]
  egress: [EGRESS]
";
    let directory = scratch("test-asked-for");
    let edge = "{namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: edge}}, \
                podSelector: {matchLabels: {app: nginx}}}";
    let team = "{namespaceSelector: {matchLabels: {team: x}}}";
    let home = "{podSelector: {matchLabels: {app: batch}}}";
    let everywhere = "{namespaceSelector: {}, podSelector: {matchLabels: {app: nginx}}}";
    let declared = "{namespaceSelector: {}, podSelector: {matchLabels: {app: api}}}";
    let only = |from: &str| format!("only: {{to: db/pg, from: [{from}]}}");
    let deny = |from: &str, to: &str| format!("deny: {{from: {from}, to: {to}}}");
    let from_any = deny("any", "db/pg");
    let judge = |ingress: &str, egress: &str, claim: &str, options: &[&str]| {
        let rule = |side: &str, peer: &str| match peer {
            "" => String::new(),
            peer => format!("{{{side}: [{peer}]}}"),
        };
        let manifests = MANIFESTS
            .replace("INGRESS", &rule("from", ingress))
            .replace("EGRESS", &rule("to", egress));
        write(&directory, "all.yaml", manifests);
        let test = format!("tests:\n  - {{name: a, {claim}}}\n");
        write(&directory, "npcheck-tests.yaml", test);
        run(&directory, &[&["test"], options].concat())
    };
    for (ingress, claim, options, status, told) in [
        (
            edge,
            only("shop/api"),
            &[][..],
            1,
            "allowed: `edge/+app=nginx` -> db/Pod/pg",
        ),
        (edge, only("edge/+app=nginx"), &[], 0, ""),
        (edge, only("edge/app=nginx"), &[], 0, ""),
        (edge, only("edge/+"), &[], 0, ""),
        (edge, only("+/+"), &[], 0, ""),
        (edge, only("any"), &[], 0, ""),
        (
            edge,
            only("edge/+app=ngnix"),
            &[],
            2,
            "is on no closed list",
        ),
        (edge, only("shop/api"), &["--complete"], 0, ""),
        (
            team,
            only("shop/api"),
            &[],
            1,
            "pods of namespaces with team=x (`+team=x/+`)",
        ),
        (team, only("+team=x/+"), &[], 0, ""),
        (team, only("+team=y/+"), &[], 2, "is on no closed list"),
        (
            home,
            only("shop/api"),
            &[],
            1,
            "allowed: `db/+app=batch` -> db/Pod/pg",
        ),
        (home, only("\"db/*\""), &[], 0, ""),
        (
            everywhere,
            only("shop/api"),
            &[],
            1,
            "allowed: `+/+app=nginx` -> db/Pod/pg",
        ),
        (everywhere, only("+/+app=nginx, db/+app=nginx"), &[], 0, ""),
        (everywhere, only("\"db/*\""), &[], 1, "`+/+app=nginx`"),
        (declared, only("shop/api"), &[], 0, ""),
        (
            edge,
            from_any.clone(),
            &[],
            1,
            "allowed: `edge/+app=nginx` -> db/Pod/pg",
        ),
        (edge, from_any.clone(), &["--complete"], 0, ""),
        (team, from_any.clone(), &[], 1, "`+team=x/+`"),
        (home, deny("\"db/*\"", "db/pg"), &[], 1, "`db/+app=batch`"),
        (home, deny("\"shop/*\"", "db/pg"), &[], 0, ""),
        (edge, deny("shop/api", "db/pg"), &[], 0, ""),
        ("", from_any.clone(), &[], 0, ""),
    ] {
        let told_of = judge(ingress, "", &claim, options);
        assert_eq!(told_of.status, status, "{ingress} {claim}: {told_of:?}");
        assert!(
            told_of.stdout.contains(told),
            "{ingress} {claim}: {told_of:?}"
        );
    }
    // As a destination, too.
    for (egress, status, told) in [
        (edge, 1, "allowed: db/Pod/pg -> `edge/+app=nginx`"),
        ("", 0, ""),
    ] {
        let told_of = judge("", egress, &deny("db/pg", "any"), &[]);
        assert_eq!(told_of.status, status, "{told_of:?}");
        assert!(told_of.stdout.contains(told), "{told_of:?}");
    }
    // What is told is an end that `reach` takes, and drafts hold.
    for (ingress, end) in [
        (edge, "edge/+app=nginx"),
        (team, "+team=x/+"),
        (home, "db/+app=batch"),
        (everywhere, "+/+app=nginx"),
    ] {
        let told_of = judge(ingress, "", &only("shop/api"), &[]);
        assert!(told_of.stdout.contains(end), "{told_of:?}");
        let reached = run(&directory, &["reach", end, "db/pg", "-p", "80"]);
        assert_eq!(reached.status, 0, "{reached:?}");
        let drafts = run(&directory, &["test", "--write"]).stdout;
        assert!(drafts.contains(end), "{drafts}");
        write(&directory, "npcheck-tests.yaml", &drafts);
        assert_eq!(run(&directory, &["test"]).status, 0, "{drafts}");
    }
}

#[test]
fn what_changes_for_pods_that_nobody_declares_has_a_level() {
    let deny = |name: &str| {
        format!(
            "apiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\n\
             metadata: {{name: {name}, namespace: shop}}\n\
             spec: {{podSelector: {{}}, policyTypes: [Ingress], ingress: [RULES]}}\n"
        )
    };
    let rules = |rules: &str| deny("deny").replace("RULES", rules);
    let egress = rules("")
        .replace("Ingress", "Egress")
        .replace("ingress", "egress");
    let to_resolver = "{to: [{namespaceSelector: {matchLabels: \
                       {kubernetes.io/metadata.name: kube-system}}, podSelector: \
                       {matchLabels: {k8s-app: kube-dns}}}], ports: [{port: 53, protocol: UDP}]}";
    let with_dns = egress.replace("egress: []", &format!("egress: [{to_resolver}]"));
    let empty = "apiVersion: v1\nkind: Namespace\nmetadata: {name: shop}\n".to_owned();
    let everywhere = rules("{from: [{namespaceSelector: {}}], ports: [{port: 80}]}");
    let within = rules("{from: [{podSelector: {}}], ports: [{port: 80}]}");
    let world = rules("{from: [{ipBlock: {cidr: 0.0.0.0/0}}], ports: [{port: 80}]}");
    let cases = [
        (rules(""), empty, "high", "no longer isolated for ingress"),
        (rules(""), world, "high", "internet"),
        (rules(""), everywhere, "medium", "pods of other namespaces"),
        (
            rules(""),
            within,
            "low",
            "other pods of shop -> other pods of shop",
        ),
        (with_dns, egress, "medium", "kube-dns"),
    ];
    let directory = scratch("undeclared-levels");
    for (before, after, level, about) in cases {
        write(&directory, "old/a.yaml", &before);
        write(&directory, "new/a.yaml", &after);
        let levels = ["high", "medium", "low"];
        let place = levels.iter().position(|it| *it == level).unwrap();
        for (number, least) in levels.into_iter().enumerate() {
            let compared = run(&directory, &["diff", "old", "new", "--fail-on", least]);
            assert_eq!(compared.status, i32::from(number >= place), "{compared:?}");
            let mut lines = compared.stdout.lines();
            let told = lines.any(|line| line.contains(about) && line.ends_with(level));
            assert!(told, "{compared:?}");
        }
    }
}
