//! How fast texts become objects, beside what else can be done with the same bytes: counting
//! their lines, the events of a general YAML parser, values of `serde_yaml`.
//!
//! `cargo bench --bench reading`; the ratios of interest are in `docs/performance.md`. The
//! text is a list of Deployments, Services, ConfigMaps and policies, as `kubectl get -o yaml`
//! prints it.

use divan::Bencher;
use divan::counter::BytesCount;
use granit_parser::Parser;
use npcheck::manifest;
use npcheck::source::SourceMap;
use npcheck::yaml;
use std::fmt::Write;

fn main() {
    divan::main();
}

/// How many of each kind there are.
const OBJECTS: usize = 1000;

fn dump() -> String {
    let mut text = String::from("apiVersion: v1\nkind: List\nitems:\n");
    for number in 0..OBJECTS {
        let namespace = number % 20;
        write!(
            text,
            "- apiVersion: apps/v1\n  kind: Deployment\n  metadata:\n    name: app-{number}\n    \
             namespace: team-{namespace}\n    labels:\n      app: app-{number}\n  spec:\n    \
             replicas: 2\n    template:\n      metadata:\n        labels:\n          app: \
             app-{number}\n          tier: backend\n      spec:\n        containers:\n        - \
             name: main\n          image: registry.example.test/app-{number}:1.2.3\n          \
             ports:\n          - name: http\n            containerPort: 8080\n          \
             env:\n          - name: LOG_LEVEL\n            value: info\n\
             - apiVersion: v1\n  kind: Service\n  metadata:\n    name: app-{number}\n    \
             namespace: team-{namespace}\n  spec:\n    selector:\n      app: app-{number}\n    \
             ports:\n    - port: 80\n      targetPort: 8080\n\
             - apiVersion: v1\n  kind: ConfigMap\n  metadata:\n    name: app-{number}\n    \
             namespace: team-{namespace}\n  data:\n    app.conf: |\n      one = 1\n      \
             two = 2\n      three = 3\n\
             - apiVersion: networking.k8s.io/v1\n  kind: NetworkPolicy\n  metadata:\n    \
             name: app-{number}\n    namespace: team-{namespace}\n  spec:\n    podSelector:\n      \
             matchLabels:\n        app: app-{number}\n    ingress:\n    - from:\n      - \
             podSelector:\n          matchLabels:\n            tier: frontend\n      ports:\n      \
             - port: 8080\n"
        )
        .expect("a String takes all text");
    }
    text
}

/// The floor: every byte is looked at once.
#[divan::bench]
fn lines(bencher: Bencher) {
    let text = dump();
    let bencher = bencher.counter(BytesCount::of_str(&text));
    bencher.bench(|| memchr::memchr_iter(b'\n', text.as_bytes()).count());
}

/// From the text to a tree of nodes that know their place, without objects.
#[divan::bench]
fn tree(bencher: Bencher) {
    let mut sources = SourceMap::default();
    let source = sources.add("dump.yaml", dump());
    let text = sources.get(source).text();
    let bencher = bencher.counter(BytesCount::of_str(text));
    bencher.bench(|| assert!(yaml::is_scanned(source, text), "it is in block style"));
}

/// From the text to objects with the places of their parts.
#[divan::bench]
fn objects(bencher: Bencher) {
    let mut sources = SourceMap::default();
    let source = sources.add("dump.yaml", dump());
    let text = sources.get(source).text();
    let bencher = bencher.counter(BytesCount::of_str(text));
    bencher.bench(|| manifest::read(source, "dump.yaml", text).objects.len());
}

/// The events of a general parser.
#[divan::bench(sample_count = 10)]
fn events(bencher: Bencher) {
    let text = dump();
    let bencher = bencher.counter(BytesCount::of_str(&text));
    bencher.bench(|| Parser::new_from_str(&text).count());
}

/// Values of `serde_yaml`, without places.
#[divan::bench(sample_count = 10)]
fn values(bencher: Bencher) {
    let text = dump();
    let bencher = bencher.counter(BytesCount::of_str(&text));
    bencher.bench(|| serde_yaml::from_str::<serde_yaml::Value>(&text).is_ok());
}
