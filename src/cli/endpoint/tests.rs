//! What is typed, and what it means in one small cluster: a table of every form.

use super::*;
use crate::cluster::EnforcementSettings;
use crate::manifest;
use crate::source::SourceMap;

const MANIFESTS: &str = r#"{"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "shop"}}
---
{"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "deploy"}}
---
{"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web", "namespace": "shop"},
 "spec": {"template": {"metadata": {"labels": {"app": "web", "app.kubernetes.io/name": "web"}}}}}
---
{"apiVersion": "apps/v1", "kind": "StatefulSet", "metadata": {"name": "db", "namespace": "shop"},
 "spec": {"template": {"metadata": {"labels": {"app": "db"}}}}}
---
{"apiVersion": "apps/v1", "kind": "DaemonSet", "metadata": {"name": "db", "namespace": "shop"},
 "spec": {"template": {"metadata": {"labels": {"app": "db"}}}}}
---
{"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web", "namespace": "blog"},
 "spec": {"template": {"metadata": {"labels": {"app": "web"}}}}}
---
{"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "internet", "namespace": "deploy"},
 "spec": {"template": {"metadata": {"labels": {"app": "any"}}}}}
---
{"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "one", "namespace": "shop"},
 "status": {"podIPs": [{"ip": "10.1.0.5"}, {"ip": "fd00::5"}]}}
---
{"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "web-1", "namespace": "shop",
 "ownerReferences": [{"kind": "ReplicaSet", "name": "web-r", "controller": true}]}}
---
{"apiVersion": "apps/v1", "kind": "ReplicaSet", "metadata": {"name": "web-r", "namespace": "shop",
 "ownerReferences": [{"kind": "Deployment", "name": "web", "controller": true}]}}
---
{"apiVersion": "v1", "kind": "Service", "metadata": {"name": "web", "namespace": "shop"},
 "spec": {"selector": {"app": "web"}, "ports": [{"port": 80}]}}
---
{"apiVersion": "v1", "kind": "Service", "metadata": {"name": "by-hand", "namespace": "shop"},
 "spec": {"ports": [{"port": 80}]}}
---
{"apiVersion": "v1", "kind": "Service", "metadata": {"name": "nobody", "namespace": "shop"},
 "spec": {"selector": {"app": "nobody"}, "ports": [{"port": 80}]}}
---
{"apiVersion": "v1", "kind": "Service", "metadata": {"name": "edge", "namespace": "blog"},
 "spec": {"type": "LoadBalancer", "clusterIP": "10.96.0.9", "externalIPs": ["192.0.2.9"],
  "selector": {"app": "web"}, "ports": [{"port": 80}]},
 "status": {"loadBalancer": {"ingress": [{"ip": "198.51.100.9"}, {"ip": "198.51.100.8", "ipMode": "Proxy"}]}}}
---
{"apiVersion": "v1", "kind": "Service", "metadata": {"name": "quoted", "namespace": "shop"},
 "spec": {"selector": {"app": "web"}, "ports": [{"port": 80, "targetPort": "8080"}]}}
"#;

fn resolved(text: &str, namespace: Option<&str>) -> Result<Vec<String>, String> {
    let mut sources = SourceMap::default();
    let source = sources.add("cluster.json", MANIFESTS);
    let parsed = manifest::read(source, "test.yaml", MANIFESTS);
    let cluster = Cluster::new(parsed.objects);
    let typed = sources.add("<arguments>", text);
    let lookup = Lookup {
        cluster: &cluster,
        namespace,
        source: typed,
    };
    match lookup.resolve(text) {
        Ok(resolved) => Ok(resolved.ends.iter().map(|end| end.name(&cluster)).collect()),
        Err(Mistake::Malformed { reason }) => Err(format!("malformed: {reason}")),
        Err(Mistake::Unanswerable { reason, .. }) => Err(format!("unanswerable: {reason}")),
        Err(Mistake::Unknown { reason, nearest }) => {
            let nearest: Vec<_> = nearest
                .into_iter()
                .map(|candidate| candidate.name)
                .collect();
            Err(format!("{reason}; {}", nearest.join(" ")))
        }
        Err(Mistake::Ambiguous { candidates }) => {
            let names: Vec<_> = candidates
                .into_iter()
                .map(|candidate| candidate.name)
                .collect();
            Err(format!("ambiguous: {}", names.join(" ")))
        }
    }
}

#[test]
fn the_outside_has_the_families_of_the_cluster() {
    let settings = |is_ipv4_alone| EnforcementSettings {
        is_ipv4_alone,
        ..EnforcementSettings::default()
    };
    let mut sources = SourceMap::default();
    let typed = sources.add("<arguments>", "internet");
    for (is_ipv4_alone, families) in [
        (None, [true, true]),
        (Some(true), [true, false]),
        (Some(false), [false, true]),
    ] {
        let cluster = Cluster::new(Vec::new()).with_enforcement(&settings(is_ipv4_alone));
        let lookup = Lookup {
            cluster: &cluster,
            namespace: None,
            source: typed,
        };
        for text in ["internet", "any"] {
            let Ok(found) = lookup.resolve(text) else {
                panic!("`{text}` is an endpoint");
            };
            let has = |is_ipv4| {
                let mut ends = found.ends.iter();
                ends.any(|end| matches!(end, End::Addresses(range) if range.is_ipv4() == is_ipv4))
            };
            assert_eq!([has(true), has(false)], families, "{text}");
        }
    }
}

#[test]
fn every_form_means_what_the_manual_says() {
    let web = "shop/Deployment/web";
    for (text, namespace, expected) in [
        // Names.
        ("shop/web", None, &[web][..]),
        ("shop/deploy/web", None, &[web]),
        ("shop/deployments/web", None, &[web]),
        ("shop/Deployment/web", None, &[web]),
        ("web", Some("shop"), &[web]),
        ("one", None, &["shop/Pod/one"]),
        ("shop/po/one", None, &["shop/Pod/one"]),
        ("shop/sts/db", None, &["shop/StatefulSet/db"]),
        ("shop/db-0", None, &["shop/Pod/db-0"]),
        ("shop/po/db-12", None, &["shop/Pod/db-12"]),
        ("db-0", Some("shop"), &["shop/Pod/db-0"]),
        ("ds/db", None, &["shop/DaemonSet/db"]),
        ("ds/db", Some("shop"), &["shop/DaemonSet/db"]),
        ("blog/web", Some("shop"), &["blog/Deployment/web"]),
        // A namespace comes before a kind.
        ("deploy/internet", None, &["deploy/Deployment/internet"]),
        // What belongs to another object is that object.
        ("shop/web-1", None, &[web]),
        ("shop/po/web-1", None, &[web]),
        ("shop/rs/web-r", None, &[web]),
        // Labels.
        (
            "shop/app=db",
            None,
            &["shop/DaemonSet/db", "shop/StatefulSet/db"],
        ),
        ("app=web", None, &["blog/Deployment/web", web]),
        ("app=web", Some("blog"), &["blog/Deployment/web"]),
        ("shop/app.kubernetes.io/name=web,app=web", None, &[web]),
        ("app.kubernetes.io/name=web", None, &[web]),
        // Pods that do not exist yet.
        ("shop/+app=new", None, &["shop/+app=new"]),
        ("shop/+", None, &["shop/+"]),
        ("+app=new", Some("shop"), &["+app=new"]),
        ("+team=x/+app=new", None, &["+team=x/+app=new"]),
        (
            "+kubernetes.io/metadata.name=new,a.b/c=d/+",
            None,
            &["+kubernetes.io/metadata.name=new,a.b/c=d/+"],
        ),
        // Services.
        ("shop/svc/web", None, &[web]),
        ("svc/web", None, &[web]),
        // Addresses; that of a pod is the pod.
        ("10.0.0.0/8", None, &["10.0.0.0/8"]),
        ("10.0.0.77/8", None, &["10.0.0.0/8"]),
        ("203.0.113.7", None, &["203.0.113.7"]),
        ("2001:db8::/32", None, &["2001:db8::/32"]),
        ("::1", None, &["::1"]),
        ("10.1.0.5", None, &["shop/Pod/one"]),
        // That of a Service is its pods; the load balancer keeps one for itself.
        ("10.96.0.9", None, &["blog/Deployment/web"]),
        ("192.0.2.9", None, &["blog/Deployment/web"]),
        ("198.51.100.9", None, &["blog/Deployment/web"]),
        ("198.51.100.8", None, &["198.51.100.8"]),
        ("fd00::5", None, &["shop/Pod/one"]),
    ] {
        let expected: Vec<String> = expected.iter().map(|name| (*name).to_owned()).collect();
        assert_eq!(
            resolved(text, namespace),
            Ok(expected),
            "{text} {namespace:?}"
        );
    }
    let any = resolved("any", None).expect("it has a meaning");
    assert_eq!(
        any.len(),
        6 + 2,
        "every workload and both families: {any:?}"
    );
    let internet = resolved("internet", None).expect("it has a meaning");
    assert!(
        internet.contains(&"11.0.0.0-100.63.255.255".to_owned()),
        "{internet:?}"
    );
    assert!(
        !internet.iter().any(|range| range.starts_with("10.")),
        "{internet:?}"
    );
}

#[test]
fn a_mistake_is_answered_with_what_was_meant() {
    for (text, namespace, expected) in [
        (
            "shop/wbe",
            None,
            "no workload `shop/wbe`; shop/Deployment/web shop/svc/web",
        ),
        ("shpo/web", None, "no namespace `shpo`; shop/web"),
        ("web", Some("shpo"), "no namespace `shpo`; shop"),
        (
            "shop/sts/web",
            None,
            "no workload `shop/sts/web`; shop/Deployment/web shop/svc/web blog/Deployment/web",
        ),
        (
            "web.shop.svc.cluster.local",
            None,
            "`web.shop.svc.cluster.local` is the DNS name of a Service, which is asked about as \
             `shop/svc/web`; shop/svc/web",
        ),
        (
            "cart.shop.svc",
            None,
            "`cart.shop.svc` is the DNS name of a Service, which is asked about as \
             `shop/svc/cart`; ",
        ),
        (
            "api.example.org",
            None,
            "no workload `api.example.org`, and a DNS name is not resolved offline: ask about its \
             address, about `internet`, or, under Cilium, about `fqdn:api.example.org`; ",
        ),
        ("web", None, "ambiguous: blog/web shop/web"),
        ("shop/db", None, "ambiguous: shop/ds/db shop/sts/db"),
        (
            "shop/app=wbe",
            None,
            "no pod has the labels `shop/app=wbe`; shop/app=web blog/app=web shop/app=db",
        ),
        (
            "shop/svc/wed",
            None,
            "no Service `shop/svc/wed`; shop/svc/web",
        ),
        (
            "shop/svc/by-hand",
            None,
            "unanswerable: the Service `shop/svc/by-hand` has no selector, so that its pods are not known",
        ),
        (
            "shop/svc/nobody",
            None,
            "unanswerable: the Service `shop/svc/nobody` selects no pod here; one with its labels is",
        ),
        (
            "shop/svc/quoted",
            None,
            "unanswerable: the API server would reject the Service `shop/svc/quoted`: lint says why",
        ),
        (
            "svc/shop/web",
            None,
            "malformed: the namespace comes before the kind: `shop/svc/web`",
        ),
        (
            "fqdn:web.shop",
            None,
            "`web.shop` is the DNS name of a Service, which is asked about as `shop/svc/web`; shop/svc/web",
        ),
        ("", None, "malformed: an endpoint is empty"),
        (
            "shop/",
            None,
            "malformed: a name before or after `/` is missing",
        ),
        (
            "shop/cronjobz/web",
            None,
            "malformed: `cronjobz` is not a kind that makes pods",
        ),
        (
            "shop/app=a,app=b",
            None,
            "malformed: the label `app` appears twice",
        ),
        (
            "shop/app!=a",
            None,
            "malformed: `app!=a` is not a label: only `key=value` can be asked for",
        ),
        (
            "shop/app=a,b",
            None,
            "malformed: `b` is not a label: labels are written `key=value`",
        ),
        (
            "+kubernetes.io/metadata.name=shop/+app=x",
            None,
            "malformed: a namespace `shop` exists: ask `shop/+app=x`",
        ),
    ] {
        assert_eq!(
            resolved(text, namespace),
            Err(expected.to_owned()),
            "{text} {namespace:?}"
        );
    }
}
