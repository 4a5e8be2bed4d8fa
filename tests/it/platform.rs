//! Which platform is recognised by which manifests, and what follows for the pods that
//! policies see.

use npcheck::cluster::Cluster;
use npcheck::manifest;
use npcheck::source::SourceMap;

fn cluster(text: &str) -> Cluster {
    let mut sources = SourceMap::default();
    let source = sources.add("a.yaml", text);
    Cluster::new(manifest::read(source, "a.yaml", text).objects)
}

fn recognised(text: &str) -> String {
    let cluster = cluster(text);
    let evidence = cluster.platform().evidence().iter();
    let words = evidence.map(|it| format!("{}: {}", it.distribution.word(), it.by.join(", ")));
    words.collect::<Vec<_>>().join("; ")
}

const NAMESPACE: &str =
    "{apiVersion: v1, kind: Namespace, metadata: {name: openshift-shop}}\n---\n";
const ROUTE: &str = "{apiVersion: route.openshift.io/v1, kind: Route, \
    metadata: {name: web, namespace: shop}, spec: {to: {kind: Service, name: w}}}\n---\n";
const NETWORK: &str =
    "{apiVersion: config.openshift.io/v1, kind: Network, metadata: {name: cluster}}\n---\n";
const KIND: &str = "{apiVersion: kind.x-k8s.io/v1alpha4, kind: Cluster}\n---\n";
const ACCOUNT: &str = "{apiVersion: v1, kind: ServiceAccount, metadata: {name: s3, \
    annotations: {eks.amazonaws.com/role-arn: x}}}\n---\n";
const PROJECT: &str = "{apiVersion: v1, kind: Namespace, metadata: {name: shop, \
    labels: {field.cattle.io/projectId: p-1}}}\n---\n";

#[test]
fn one_name_of_a_namespace_is_no_platform() {
    for (texts, expected) in [
        (vec![NAMESPACE], ""),
        (vec![ROUTE], ""),
        (
            vec![NAMESPACE, ROUTE],
            "openshift: namespace `openshift-shop`, shop/Route/web",
        ),
        (
            vec![NETWORK],
            "openshift: Network/cluster of config.openshift.io",
        ),
        (vec![NAMESPACE, KIND], "kind: Cluster/ of kind.x-k8s.io"),
        (vec![ACCOUNT], "eks: `eks.amazonaws.com/role-arn` of `s3`"),
        (
            vec![PROJECT],
            "rancher: `field.cattle.io/projectId` of `shop`",
        ),
    ] {
        assert_eq!(recognised(&texts.concat()), expected);
    }
}

#[test]
fn the_order_of_the_files_does_not_show() {
    let texts = [NAMESPACE, ROUTE, NETWORK, ACCOUNT];
    let forwards: String = texts.concat();
    let backwards: String = texts.iter().rev().copied().collect();
    assert_eq!(recognised(&forwards), recognised(&backwards));
}

#[test]
fn usual_ranges_are_those_of_one_distribution() {
    let of = |texts: &[&str]| {
        let cluster = cluster(&texts.concat());
        let ranges = cluster.platform().ranges()?;
        Some(ranges.services?.to_string())
    };
    assert_eq!(of(&[NETWORK]), Some("172.30.0.0/16".to_owned()));
    assert_eq!(of(&[NETWORK, PROJECT]), Some("172.30.0.0/16".to_owned()));
    assert_eq!(of(&[NETWORK, KIND]), None);
    assert_eq!(of(&[]), None);
}

#[test]
fn policies_see_the_labels_of_injectors() {
    let text = "
apiVersion: v1
kind: Namespace
metadata: {name: shop, labels: {istio-injection: enabled}}
---
apiVersion: v1
kind: Pod
metadata: {name: web, namespace: shop, labels: {app: front}}
---
apiVersion: v1
kind: Pod
metadata: {name: node, namespace: shop, labels: {app: node}}
spec: {hostNetwork: true}
";
    let cluster = cluster(text);
    let labels: Vec<Option<&str>> = cluster
        .workloads()
        .iter()
        .map(|workload| {
            workload
                .object
                .labels
                .get("service.istio.io/canonical-name")
        })
        .collect();
    assert_eq!(labels, [None, Some("front")]);
}
