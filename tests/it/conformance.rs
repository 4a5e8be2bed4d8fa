//! The cases of Kubernetes' own end-to-end suite for network policies
//! (`test/e2e/network/netpol`), as manifests beside the answers that the suite expects:
//! `tests/fixtures/conformance/<case>.{yaml,flows}`. Both judges must give them.

use crate::program::root;
use npcheck::cluster::{Cluster, WorkloadId};
use npcheck::engine::{self, Endpoint, Engine};
use npcheck::k8s::Protocol;
use npcheck::manifest;
use npcheck::source::SourceMap;
use std::fs;
use std::path::Path;

#[test]
fn kubernetes_end_to_end_cases_agree() {
    let directory = root().join("tests/fixtures/conformance");
    let mut cases = 0;
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path
            .extension()
            .is_some_and(|extension| extension == "flows")
        {
            check(&path);
            cases += 1;
        }
    }
    assert_eq!(cases, 58, "48 cases, ten of them before and after a change");
}

fn check(flows: &Path) {
    let case = flows.file_stem().unwrap().to_string_lossy().into_owned();
    let text = fs::read_to_string(flows.with_extension("yaml")).unwrap();
    let source = SourceMap::default().add("case.yaml", text.as_str());
    let parsed = manifest::read(source, "case.yaml", &text);
    assert_eq!(parsed.diagnostics, [], "{case}");
    let cluster = Cluster::new(parsed.objects);
    let engine = Engine::new(&cluster);
    let relation = engine.relation();
    let mut flow_count = 0;
    for line in fs::read_to_string(flows).unwrap().lines() {
        let words: Vec<&str> = line.split_whitespace().collect();
        let [expected, from, "->", to, protocol, port] = words.as_slice() else {
            panic!("{case}: `{line}` is no flow");
        };
        let [from, to] = [from, to].map(|name| workload(&cluster, name));
        let protocol = Protocol::ALL
            .into_iter()
            .find(|known| known.name() == *protocol)
            .unwrap();
        let port = port.parse().unwrap();
        let all = relation.connections(from, to).get(protocol).contains(port);
        let ends = [from, to].map(|id| Endpoint::workload(&cluster, id));
        let alone = engine::judge(&cluster, &ends[0], &ends[1]).allowed();
        let expected = *expected == "allowed";
        assert_eq!(all, expected, "{case}: {line}");
        assert_eq!(
            alone.get(protocol).contains(port),
            expected,
            "{case}: {line}"
        );
        flow_count += 1;
    }
    assert!(flow_count > 0, "{case} asks nothing");
}

fn workload(cluster: &Cluster, name: &str) -> WorkloadId {
    let mut ids = cluster.workload_ids();
    ids.find(|id| cluster.workload_name(*id) == name)
        .unwrap_or_else(|| panic!("no workload {name}"))
}
