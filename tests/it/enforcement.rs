//! How a cluster's policies are enforced, as its objects and the configuration tell.

use npcheck::cluster::{Cluster, Cni, EnforcementSettings, Evidence};
use npcheck::engine::{self, ConnectionSet, Endpoint, Engine};
use npcheck::k8s::{ClusterPolicyKind, Protocol};
use npcheck::manifest;
use npcheck::output::not_judged_lines;
use npcheck::source::SourceMap;
use npcheck::{Config, Workspace};

fn cluster(text: &str) -> Cluster {
    let mut sources = SourceMap::default();
    let id = sources.add("test.yaml", text);
    let parsed = manifest::read(id, "test.yaml", text);
    assert!(parsed.diagnostics.is_empty(), "{:?}", parsed.diagnostics);
    Cluster::new(parsed.objects)
}

/// The plugin and where pods have their addresses, by what tells it; nothing where npcheck
/// has to assume.
fn told(cluster: &Cluster) -> (Option<Cni>, Vec<String>) {
    let enforcement = cluster.enforcement();
    let ranges = enforcement.pod_ranges().iter();
    let ranges = ranges.filter(|range| range.evidence != Evidence::Default);
    (
        enforcement.cni().map(|cni| cni.value),
        ranges.map(|range| range.value.to_string()).collect(),
    )
}

#[test]
fn objects_tell_the_plugin_and_the_ranges_of_pods() {
    let table: &[(&str, Option<Cni>, &[&str])] = &[
        (
            "apiVersion: v1\nkind: Namespace\nmetadata: {name: shop}",
            None,
            &[],
        ),
        (
            "apiVersion: config.openshift.io/v1\nkind: Network\nmetadata: {name: cluster}\n\
             spec: {networkType: OVNKubernetes, clusterNetwork: [{cidr: 10.140.0.0/16, hostPrefix: 23}]}",
            Some(Cni::OvnKubernetes),
            &["10.140.0.0/16"],
        ),
        (
            "apiVersion: operator.openshift.io/v1\nkind: Network\nmetadata: {name: cluster}\n\
             spec: {defaultNetwork: {type: Calico}}",
            Some(Cni::Calico),
            &[],
        ),
        (
            "apiVersion: v1\nbaseDomain: example.org\nmetadata: {name: one}\n\
             networking: {networkType: OVNKubernetes, clusterNetwork: [{cidr: 10.128.0.0/14}]}",
            Some(Cni::OvnKubernetes),
            &["10.128.0.0/14"],
        ),
        (
            "apiVersion: kubeadm.k8s.io/v1beta4\nkind: ClusterConfiguration\n\
             networking: {podSubnet: '10.244.0.0/16,fd00:10::/56'}",
            None,
            &["10.244.0.0/16", "fd00:10::/56"],
        ),
        (
            "apiVersion: projectcalico.org/v3\nkind: IPPool\nmetadata: {name: pool}\n\
             spec: {cidr: 192.168.64.0/18}",
            Some(Cni::Calico),
            &["192.168.64.0/18"],
        ),
        (
            "apiVersion: operator.tigera.io/v1\nkind: Installation\nmetadata: {name: default}\n\
             spec: {calicoNetwork: {ipPools: [{cidr: 172.20.0.0/16}]}}",
            Some(Cni::Calico),
            &["172.20.0.0/16"],
        ),
        (
            "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: cilium-config, namespace: kube-system}\n\
             data: {cluster-pool-ipv4-cidr: 10.0.0.0/9}",
            Some(Cni::Cilium),
            &["10.0.0.0/9"],
        ),
        (
            "apiVersion: v1\nkind: Node\nmetadata: {name: a}\nspec: {podCIDRs: [10.244.1.0/24]}",
            None,
            &["10.244.1.0/24"],
        ),
        (
            "apiVersion: apps/v1\nkind: DaemonSet\nmetadata: {name: antrea-agent, namespace: kube-system}\n\
             spec: {selector: {matchLabels: {app: antrea}}, template: {metadata: {labels: {app: antrea}}}}",
            Some(Cni::Antrea),
            &[],
        ),
        (
            "apiVersion: v1\nkind: Namespace\nmetadata: {name: openshift-ingress}\n---\n\
             apiVersion: route.openshift.io/v1\nkind: Route\nmetadata: {name: web, namespace: shop}\n\
             spec: {to: {kind: Service, name: web}}",
            Some(Cni::OvnKubernetes),
            &[],
        ),
    ];
    for (text, cni, ranges) in table {
        let ranges = ranges.iter().map(|range| (*range).to_owned()).collect();
        assert_eq!(told(&cluster(text)), (*cni, ranges), "{text}");
    }
}

#[test]
fn the_configuration_speaks_over_the_objects_row_by_row() {
    let text = "apiVersion: projectcalico.org/v3\nkind: IPPool\nmetadata: {name: pool}\n\
                spec: {cidr: 192.168.64.0/18}";
    let settings = EnforcementSettings {
        cni: Some(Cni::Cilium),
        ip_block_matches_nodes: Some(true),
        pod_cidrs: vec!["10.1.0.0/16".parse().expect("it is a block")],
        ..EnforcementSettings::default()
    };
    let cluster = cluster(text).with_enforcement(&settings);
    let enforcement = cluster.enforcement();
    assert_eq!(
        told(&cluster),
        (Some(Cni::Cilium), vec!["10.1.0.0/16".to_owned()])
    );
    assert!(!enforcement.ip_block_matches_pods());
    assert!(enforcement.ip_block_matches_nodes());
    let rows: Vec<(&str, String, &Evidence)> = enforcement
        .rows()
        .into_iter()
        .map(|row| (row.key, row.value, row.evidence))
        .collect();
    let by_plugin = Evidence::Plugin(Cni::Cilium);
    let expected = [
        ("cni", "Cilium", &Evidence::Configuration),
        ("enforcement.ipBlockMatchesPods", "false", &by_plugin),
        (
            "enforcement.ipBlockMatchesNodes",
            "true",
            &Evidence::Configuration,
        ),
        ("enforcement.selectorsMatchHostNetwork", "false", &by_plugin),
        ("cluster.podCIDRs", "10.1.0.0/16", &Evidence::Configuration),
    ];
    let expected = expected.map(|(key, value, evidence)| (key, value.to_owned(), evidence));
    assert_eq!(rows, expected);
}

#[test]
fn options_of_the_agent_that_are_not_modelled_are_said() {
    let said = |object: &str| -> Vec<String> {
        let workspace = Workspace::load([("a.yaml", object)], &Config::default());
        not_judged_lines(&workspace.not_judged(), workspace.sources())
    };
    let agent = |data: &str| {
        format!(
            "{{apiVersion: v1, kind: ConfigMap, metadata: {{name: cilium-config, namespace: a}}, \
             data: {{{data}}}}}"
        )
    };
    assert_eq!(
        said(&agent("label-prefix-file: /etc/labels, labels: 'k8s:('")),
        [
            "not modelled: ConfigMap/cilium-config sets `label-prefix-file: /etc/labels`: a file \
             says which labels are kept out of identities",
            "not modelled: ConfigMap/cilium-config sets `labels: k8s:(`: the agent does not start \
             with such a list of labels",
        ]
    );
    assert_eq!(said(&agent("enable-policy: default")), Vec::<String>::new());
    let values = "{apiVersion: cilium.io/v1alpha1, kind: CiliumConfig, metadata: {name: c},
      spec: {policyCIDRMatchMode: [nodes], labels: 'k8s:app !k8s:batch'}}";
    let said = said(values);
    assert_eq!(said, Vec::<String>::new());
}

/// What a CNI plugin does not do of a rule's ports is not taken for done, and is not known where
/// nobody says what it does instead; a peer that does not match stays shut out.
#[test]
fn ports_that_the_plugin_does_not_support_are_not_taken_for_open() {
    let pods = "{apiVersion: v1, kind: Namespace, metadata: {name: one}}
---
{apiVersion: v1, kind: Pod, metadata: {name: a, namespace: one, labels: {app: a}},
 spec: {containers: [{name: c, ports: [{name: http, containerPort: 8080}]}]}}
---
{apiVersion: v1, kind: Pod, metadata: {name: b, namespace: one, labels: {app: b}}, spec: {containers: [{name: c}]}}
---
{apiVersion: v1, kind: Pod, metadata: {name: c, namespace: one, labels: {app: c}}, spec: {containers: [{name: c}]}}
---
";
    let asked = |cni: &str, port: &str, [from, protocol, number]: [&str; 3]| {
        let text = format!(
            "{pods}{{apiVersion: networking.k8s.io/v1, kind: NetworkPolicy, \
             metadata: {{name: p, namespace: one}}, spec: {{podSelector: {{matchLabels: {{app: a}}}}, \
             ingress: [{{from: [{{podSelector: {{matchLabels: {{app: b}}}}}}], ports: [{port}]}}]}}}}"
        );
        let config = Config::read(&format!("cni: {cni}\n"), &[]).expect("it is a configuration");
        let workspace = Workspace::load([("test.yaml", text)], &config);
        let view = workspace.clusters().next().expect("there is a cluster");
        let cluster = view.cluster();
        let id = |name: &str| {
            let mut ids = cluster.workload_ids();
            ids.find(|id| cluster.workload(*id).object.meta.name.value == name)
                .expect("the pod is there")
        };
        let protocol = Protocol::ALL.into_iter().find(|it| it.name() == protocol);
        let protocol = protocol.expect("it is a protocol");
        let number = number.parse().expect("it is a port");
        let word = |allowed: &ConnectionSet, unknown: &ConnectionSet| match (
            allowed.get(protocol).contains(number),
            unknown.get(protocol).contains(number),
        ) {
            (true, _) => "ALLOWED",
            (_, true) => "UNKNOWN",
            _ => "BLOCKED",
        };
        let ends = [from, "a"].map(|name| Endpoint::workload(cluster, id(name)));
        let verdict = engine::judge(cluster, &ends[0], &ends[1]);
        let judged = word(&verdict.allowed(), &verdict.unknown());
        let engine = Engine::new(cluster);
        let relation = engine.relation();
        let (from, to) = (id(from), id("a"));
        let related = word(&relation.connections(from, to), &relation.unknown(from, to));
        assert_eq!(judged, related, "{cni} {port}");
        judged
    };
    let table = [
        ("kindnet", "{port: http}", ["b", "TCP", "8080"], "ALLOWED"),
        (
            "ovn-kubernetes",
            "{port: http}",
            ["b", "TCP", "8080"],
            "UNKNOWN",
        ),
        (
            "ovn-kubernetes",
            "{port: http}",
            ["c", "TCP", "8080"],
            "BLOCKED",
        ),
        (
            "ovn-kubernetes",
            "{port: 8080}",
            ["b", "TCP", "8080"],
            "ALLOWED",
        ),
        ("weave", "{port: http}", ["b", "TCP", "8080"], "UNKNOWN"),
        (
            "weave",
            "{port: 80, endPort: 90}",
            ["b", "TCP", "80"],
            "ALLOWED",
        ),
        (
            "weave",
            "{port: 80, endPort: 90}",
            ["b", "TCP", "85"],
            "BLOCKED",
        ),
        (
            "kindnet",
            "{port: 80, endPort: 90}",
            ["b", "TCP", "85"],
            "ALLOWED",
        ),
        (
            "kube-router",
            "{port: 80, protocol: SCTP}",
            ["b", "SCTP", "80"],
            "UNKNOWN",
        ),
        (
            "kube-router",
            "{port: 80, protocol: SCTP}",
            ["c", "SCTP", "80"],
            "BLOCKED",
        ),
        ("kube-router", "{port: 80}", ["b", "TCP", "80"], "ALLOWED"),
        (
            "kindnet",
            "{port: 80, protocol: SCTP}",
            ["b", "SCTP", "80"],
            "ALLOWED",
        ),
    ];
    for (cni, port, question, expected) in table {
        assert_eq!(
            asked(cni, port, question),
            expected,
            "{cni} {port} {question:?}"
        );
    }
}

#[test]
fn plugins_without_the_cluster_wide_policies_do_not_read_them() {
    let read = |cni| {
        let settings = EnforcementSettings {
            cni: Some(cni),
            ..EnforcementSettings::default()
        };
        let cluster = Cluster::new(Vec::new()).with_enforcement(&settings);
        [
            ClusterPolicyKind::AdminNetworkPolicy,
            ClusterPolicyKind::ClusterNetworkPolicy,
        ]
        .map(|kind| cluster.enforcement().reads(kind))
    };
    for cni in [Cni::AwsVpc, Cni::AzureNpm, Cni::KubeRouter, Cni::Weave] {
        assert_eq!(read(cni), [false, false], "{cni:?}");
    }
    for cni in [Cni::Antrea, Cni::Kindnet, Cni::OvnKubernetes] {
        assert_eq!(read(cni), [true, true], "{cni:?}");
    }
}
