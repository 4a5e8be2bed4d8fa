//! Objects beside the network tell rules what to expect, and change nothing else.

use npcheck::cluster::Cluster;
use npcheck::engine::Engine;
use npcheck::k8s::Object;
use npcheck::manifest;
use npcheck::source::SourceMap;

const NETWORK: &str = "
apiVersion: apps/v1
kind: Deployment
metadata: {name: web, namespace: shop}
spec:
  template:
    metadata: {labels: {app: web}}
    spec: {containers: [{name: web, image: example/web:1}]}
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: web, namespace: shop}
spec:
  podSelector: {}
  ingress: [{from: [{namespaceSelector: {}}]}]
";

const BESIDE: &str = "
---
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: {name: site, namespace: elsewhere}
spec: {defaultBackend: {service: {name: web, port: {number: 80}}}}
---
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: {name: site, namespace: elsewhere}
spec: {defaultBackend: {service: {name: web, port: {number: 81}}}}
---
apiVersion: monitoring.coreos.com/v1
kind: Prometheus
metadata: {name: main, namespace: monitoring}
spec: {}
---
apiVersion: v1
kind: ServiceAccount
metadata: {name: robot, namespace: robots}
";

fn objects(text: &str) -> Vec<Object> {
    let mut sources = SourceMap::default();
    let id = sources.add("test.yaml", text);
    let parsed = manifest::read(id, "test.yaml", text);
    assert!(parsed.diagnostics.is_empty(), "{:?}", parsed.diagnostics);
    parsed.objects
}

#[test]
fn they_are_no_peers_and_make_no_namespaces() {
    let bare = Cluster::new(objects(NETWORK));
    let full = Cluster::new(objects(&format!("{NETWORK}{BESIDE}")));
    let names = |cluster: &Cluster| -> Vec<String> {
        let names = cluster.namespaces().iter();
        names.map(|namespace| namespace.name.clone()).collect()
    };
    assert_eq!(names(&full), names(&bare));
    assert_eq!(full.workloads().len(), bare.workloads().len());
    let flows = |cluster: &Cluster| -> Vec<String> {
        let engine = Engine::new(cluster);
        let flows = engine.relation().flows();
        flows.map(|flow| format!("{flow:?}")).collect()
    };
    assert!(!flows(&bare).is_empty());
    assert_eq!(flows(&full), flows(&bare));
}

#[test]
fn one_that_is_there_twice_is_kept_twice() {
    let cluster = Cluster::new(objects(BESIDE));
    assert_eq!(cluster.context_objects().entrypoints.len(), 2);
    assert!(cluster.duplicates().is_empty());
    assert!(cluster.namespaces().is_empty());
}
