//! What the values of a release of a chart say beside its pods: policies that come with them, and
//! how the network of the cluster is made.

use super::program::{run, scratch, write};
use npcheck::{Config, Workspace};

const NAMESPACE: &str = "apiVersion: v1\nkind: Namespace\nmetadata: {name: media}\n---\n";

/// A pod beside those of the release.
const OTHER: &str = "apiVersion: v1\nkind: Pod\nmetadata: {name: other, namespace: media, labels: {app: other}}\nspec: {containers: [{name: c, image: x}]}\n---\n";

/// Another one.
const BESIDE: &str = "apiVersion: v1\nkind: Pod\nmetadata: {name: web, namespace: media, labels: {app: web}}\nspec: {containers: [{name: c, image: x}]}\n---\n";

fn release(name: &str, chart: &str, values: &str) -> String {
    format!(
        "apiVersion: helm.toolkit.fluxcd.io/v2\nkind: HelmRelease\nmetadata: {{name: {name}, namespace: media}}\n\
         spec: {{chart: {{spec: {{chart: {chart}, version: 4.1.0}}}}, values: {{{values}}}}}\n---\n"
    )
}

/// The first words of what `reach` answers for each pair.
fn answers(name: &str, text: &str, pairs: &[[&str; 2]]) -> Vec<String> {
    let directory = scratch(name);
    write(
        &directory,
        "all.yaml",
        format!("{NAMESPACE}{BESIDE}{OTHER}{text}"),
    );
    let answer = |[from, to]: &[&str; 2]| {
        let found = run(&directory, &["reach", "-q", from, to]).stdout;
        let word = found.split_whitespace().next().unwrap_or_default();
        word.to_owned()
    };
    pairs.iter().map(answer).collect()
}

const CONTROLLERS: &str =
    "controllers: {main: {containers: {app: {}}}, sync: {containers: {app: {}}}}";

#[test]
fn policies_that_values_ask_for_are_for_the_pods_of_the_release() {
    let pairs = [
        ["media/web", "media/sonarr-main"],
        ["media/sonarr-main", "internet"],
        ["media/web", "media/sonarr-sync"],
        ["media/other", "media/web"],
    ];
    let of = |policies: &str| {
        let values = format!("{CONTROLLERS}{policies}");
        let text = release("sonarr", "app-template", &values);
        answers("released-policies", &text, &pairs)
    };
    let (open, unknown) = ("ALLOWED", "UNKNOWN");
    assert_eq!(of(""), [open, open, open, open]);
    let of_main = ", networkpolicies: {a: {controller: main, policyTypes: [Ingress], rules: {ingress: [{}]}}}";
    assert_eq!(of(of_main), [unknown, open, open, open]);
    let of_both = ", networkpolicies: {a: {controller: main, rules: {}}}";
    assert_eq!(of(of_both), [unknown, unknown, open, open]);
    let of_any = ", networkpolicies: {a: {podSelector: {}, policyTypes: [Ingress]}}";
    assert_eq!(of(of_any), [unknown, open, unknown, unknown]);
    let of_none = ", networkpolicies: {a: {enabled: false, controller: main}}";
    assert_eq!(of(of_none), [open, open, open, open]);
}

#[test]
fn other_charts_are_asked_for_policies_by_a_switch() {
    let pairs = [["media/web", "media/db"], ["media/other", "media/web"]];
    for (values, of_release) in [
        ("networkPolicy: {enabled: true}", "UNKNOWN"),
        ("primary: {networkPolicy: {enabled: true}}", "UNKNOWN"),
        ("networkPolicies: true", "UNKNOWN"),
        ("networkPolicy: {enabled: false}", "ALLOWED"),
        ("replicas: 2", "ALLOWED"),
    ] {
        let text = release("db", "postgresql", values);
        let found = answers("released-switch", &text, &pairs);
        assert_eq!(found, [of_release, "ALLOWED"], "{values}");
    }
    // Beside the pods stands what the chart made of the values.
    let text = release("db", "postgresql", "networkPolicy: {enabled: true}");
    let pod = BESIDE
        .replace("name: web", "name: db-0")
        .replace("app: web", "app.kubernetes.io/instance: db");
    let rendered = answers(
        "released-there",
        &format!("{text}{pod}"),
        &[["media/web", "media/db-0"]],
    );
    assert_eq!(rendered, ["ALLOWED"]);
}

#[test]
fn the_release_of_a_plugin_says_how_the_network_is_made() {
    let told = |text: &str| {
        let workspace = Workspace::load([("test.yaml", text)], &Config::default());
        let view = workspace.clusters().next().expect("there is a cluster");
        let enforcement = view.cluster().enforcement();
        let rows = enforcement.rows().into_iter();
        let rows =
            rows.filter(|row| row.key != "cluster.podCIDRs" || row.value.starts_with("10.42"));
        let rows = rows.filter(|row| !row.key.starts_with("enforcement."));
        let rows = rows.map(|row| format!("{}={}", row.key, row.value));
        rows.collect::<Vec<String>>().join(" ")
    };
    let values =
        "policyEnforcementMode: always, k8sNetworkPolicy: {enabled: false}, cluster: {name: home}";
    let options =
        "cilium.enablePolicy=always cilium.enableK8sNetworkPolicy=false cilium.clusterName=home";
    for chart in ["cilium", "oci://quay.io/cilium/charts/cilium"] {
        let text = release("cni", &format!("'{chart}'"), values);
        assert_eq!(told(&text), format!("cni=Cilium {options}"));
    }
    let ranges = "ipam: {operator: {clusterPoolIPv4PodCIDRList: [10.42.0.0/16]}}";
    let pool = release("cni", "cilium", ranges);
    assert_eq!(told(&pool), "cni=Cilium cluster.podCIDRs=10.42.0.0/16");
    let other_mode = ranges.replace("ipam: {", "ipam: {mode: kubernetes, ");
    assert_eq!(told(&release("cni", "cilium", &other_mode)), "cni=Cilium");
    // What the agent was started with outranks what somebody wants.
    let config = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: cilium-config, namespace: media}\ndata: {enable-policy: never}\n";
    let both = format!("{}{config}", release("cni", "cilium", values));
    assert_eq!(told(&both), "cni=Cilium cilium.enablePolicy=never");
    let installation = "installation: {calicoNetwork: {ipPools: [{cidr: 10.42.0.0/16}]}}";
    let calico = release("cni", "tigera-operator", installation);
    assert_eq!(told(&calico), "cni=Calico cluster.podCIDRs=10.42.0.0/16");
    let idle = release("cni", "tigera-operator", "installation: {enabled: false}");
    assert_eq!(told(&idle), "cni=unknown");
    assert_eq!(told(&release("cni", "grafana", values)), "cni=unknown");
}
