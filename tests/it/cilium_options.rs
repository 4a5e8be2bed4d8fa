//! Options of Cilium's agent that change whom its policies isolate and match.

use super::program::{run, scratch, write};
use crate::dialects::PODS;
use npcheck::cluster::WorkloadId;
use npcheck::engine::{ConnectionSet, Endpoint, Engine, Entity};
use npcheck::k8s::Protocol;
use npcheck::{Config, Workspace};

/// What `reach` answers under options of Cilium's agent, of pods of [`PODS`]: the word for
/// ALLOWED, BLOCKED or UNKNOWN of each pair on TCP 80.
fn answers(options: &str, policies: &str, pairs: &[[&str; 2]]) -> Vec<&'static str> {
    let config = format!("cni: cilium\ncilium: {options}\n");
    let config = Config::read(&config, &[]).expect("it is a configuration");
    let text = format!("{PODS}{policies}");
    let workspace = Workspace::load([("test.yaml", text)], &config);
    let view = workspace.clusters().next().expect("there is a cluster");
    let cluster = view.cluster();
    let engine = Engine::new(cluster);
    let end = |name: &str| match name {
        "host" => Endpoint::Entity(Entity::Host),
        "remote-node" => Endpoint::Entity(Entity::RemoteNode),
        address if address.contains('.') => {
            let address: std::net::IpAddr = address.parse().expect("an address");
            Endpoint::Address(address.into())
        }
        name => {
            let mut ids = cluster.workload_ids();
            let is_it = |id: &WorkloadId| cluster.workload(*id).object.meta.name.value == name;
            Endpoint::workload(cluster, ids.find(is_it).expect("a pod"))
        }
    };
    let pairs = pairs.iter().map(|[from, to]| {
        let verdict = engine.judge().explain(&end(from), &end(to)).verdict;
        let is_in = |set: &ConnectionSet| set.contains(Protocol::Tcp, 80);
        match () {
            () if is_in(&verdict.unknown()) => "UNKNOWN",
            () if is_in(&verdict.allowed()) => "ALLOWED",
            () => "BLOCKED",
        }
    });
    pairs.collect()
}

#[test]
fn every_pod_is_isolated_where_the_agent_always_enforces() {
    let policy = "{apiVersion: cilium.io/v2, kind: CiliumNetworkPolicy,
      metadata: {name: p, namespace: one}, spec: {endpointSelector: {matchLabels: {app: a}},
        enableDefaultDeny: {ingress: false, egress: false},
        ingress: [{fromEndpoints: [{matchLabels: {app: b}}]}], egress: [{toEntities: [world]}]}}";
    let pairs = [
        ["b", "a"],
        ["a", "b"],
        ["d", "a"],
        ["a", "1.1.1.1"],
        ["b", "1.1.1.1"],
        ["1.1.1.1", "a"],
        // A node has no policies, and neither has a pod on its network.
        ["c", "remote-node"],
        ["a", "a"],
        ["host", "a"],
        ["host", "b"],
        ["remote-node", "a"],
    ];
    let always = [
        "BLOCKED", "BLOCKED", "BLOCKED", "ALLOWED", "BLOCKED", "BLOCKED", "ALLOWED", "ALLOWED",
        "ALLOWED", "UNKNOWN", "BLOCKED",
    ];
    assert_eq!(answers("{enablePolicy: always}", policy, &pairs), always);
    let open = vec!["ALLOWED"; pairs.len()];
    assert_eq!(answers("{enablePolicy: default}", policy, &pairs), open);
    let audited = "{enablePolicy: always, policyAuditMode: true}";
    assert_eq!(answers(audited, policy, &pairs), open);
    let closed = answers(
        "{enablePolicy: always, allowLocalhost: policy}",
        policy,
        &[["host", "a"], ["host", "b"]],
    );
    assert_eq!(closed, ["BLOCKED", "BLOCKED"]);
    // What a rule allows on both sides is open, whatever selects the pods.
    let both = "{apiVersion: networking.k8s.io/v1, kind: NetworkPolicy,
      metadata: {name: p, namespace: one}, spec: {podSelector: {}, policyTypes: [Ingress, Egress],
        ingress: [{from: [{podSelector: {}}]}], egress: [{to: [{podSelector: {}}]}]}}";
    let within = [["a", "b"], ["b", "a"], ["d", "a"], ["host", "a"]];
    assert_eq!(
        answers("{enablePolicy: always}", both, &within),
        ["ALLOWED", "ALLOWED", "BLOCKED", "ALLOWED"]
    );
}

#[test]
fn cidrs_may_match_more_than_addresses_outside_where_the_agent_is_told_so() {
    let policy = "{apiVersion: cilium.io/v2, kind: CiliumNetworkPolicy,
      metadata: {name: p, namespace: one}, spec: {endpointSelector: {matchLabels: {app: a}},
        ingress: [{fromCIDRSet: [{cidr: 10.0.0.0/30}]}]}}
---
{apiVersion: networking.k8s.io/v1, kind: NetworkPolicy, metadata: {name: p, namespace: one},
 spec: {podSelector: {matchLabels: {app: b}}, ingress: [{from: [{ipBlock: {cidr: 10.0.0.4/32}}]}]}}";
    let pairs = [
        ["b", "a"],
        ["d", "a"],
        ["c", "a"],
        ["remote-node", "a"],
        ["10.0.0.1", "a"],
        ["d", "b"],
        ["a", "b"],
    ];
    let of = |options: &str| answers(options, policy, &pairs);
    let [no, yes, doubt] = ["BLOCKED", "ALLOWED", "UNKNOWN"];
    assert_eq!(of("{}"), [no, no, no, no, yes, no, no]);
    assert_eq!(
        of("{policyCIDRMatchMode: [nodes]}"),
        [no, no, doubt, doubt, yes, no, no]
    );
    assert_eq!(
        of("{policyCIDRMatchMode: [pods]}"),
        [doubt, no, no, no, yes, doubt, no]
    );
    assert_eq!(
        of("{policyCIDRMatchMode: [nodes, pods]}"),
        [doubt, no, doubt, doubt, yes, doubt, no]
    );
}

#[test]
fn selectors_see_the_labels_that_the_agent_is_told_to_keep() {
    let policy = "{apiVersion: cilium.io/v2, kind: CiliumNetworkPolicy,
      metadata: {name: p, namespace: one}, spec: {endpointSelector: {matchLabels: {app: a}},
        ingress: [{fromEndpoints: [{matchLabels: {app: b}}]}]}}
---
{apiVersion: networking.k8s.io/v1, kind: NetworkPolicy, metadata: {name: p, namespace: one},
 spec: {podSelector: {matchLabels: {app: b}}, ingress: []}}";
    let pairs = [["b", "a"], ["d", "a"], ["a", "b"]];
    let of = |options: &str| answers(options, policy, &pairs);
    assert_eq!(of("{}"), ["ALLOWED", "BLOCKED", "BLOCKED"]);
    assert_eq!(of("{labels: 'k8s:app'}"), ["ALLOWED", "BLOCKED", "BLOCKED"]);
    // Without the label no policy selects anybody.
    let open = ["ALLOWED", "ALLOWED", "ALLOWED"];
    assert_eq!(of("{labels: 'k8s:!app'}"), open);
    assert_eq!(of("{labels: 'tier'}"), open);
}

#[test]
fn rules_name_nodes_by_their_labels_where_the_agent_is_told_to_know_them() {
    let policy = "{apiVersion: cilium.io/v2, kind: CiliumNetworkPolicy,
      metadata: {name: p, namespace: one}, spec: {endpointSelector: {matchLabels: {app: a}},
        ingress: [{fromNodes: [{matchLabels: {role: edge}}]},
                  {fromEndpoints: [{matchLabels: {app: b}}]}],
        egress: [{toNodes: [{}], toPorts: [{ports: [{port: '80', protocol: TCP}]}]}]}}
---
{apiVersion: cilium.io/v2, kind: CiliumNetworkPolicy, metadata: {name: q, namespace: two},
 spec: {endpointSelector: {}, ingress: [{fromNodes: [{}], fromEndpoints: [{}]}]}}";
    let pairs = [
        ["b", "a"],
        ["remote-node", "a"],
        ["c", "a"],
        ["1.1.1.1", "a"],
        ["a", "remote-node"],
        ["a", "b"],
        // The agent rejects two kinds of peers in one rule, whatever it knows of nodes.
        ["remote-node", "d"],
    ];
    let of = |options: &str| answers(options, policy, &pairs);
    let [no, yes, doubt] = ["BLOCKED", "ALLOWED", "UNKNOWN"];
    // Without the option the agent rejects the whole policy.
    assert_eq!(of("{}"), [yes; 7]);
    assert_eq!(
        of("{enableNodeSelectorLabels: true}"),
        [yes, doubt, doubt, no, doubt, no, yes]
    );
}

#[test]
fn the_manifests_tell_whether_the_agent_knows_nodes_by_their_labels() {
    let text = format!(
        "{PODS}{{apiVersion: v1, kind: ConfigMap, metadata: {{name: cilium-config, \
         namespace: kube-system}}, data: {{enable-node-selector-labels: 'true'}}}}"
    );
    let workspace = Workspace::load([("test.yaml", text)], &Config::default());
    let view = workspace.clusters().next().expect("there is a cluster");
    let options = view.cluster().enforcement().cilium();
    assert!(options.knows_node_labels.is_on());
}

#[test]
fn labels_that_a_file_may_drop_are_unknown_where_they_decide() {
    let file =
        "{apiVersion: v1, kind: ConfigMap, metadata: {name: cilium-config, namespace: kube-system},
      data: {label-prefix-file: /etc/labels.json}}";
    let policy = |peer: &str, data: &str| {
        format!(
            "{{apiVersion: cilium.io/v2, kind: CiliumNetworkPolicy, metadata: {{name: p, namespace: one}},
              spec: {{endpointSelector: {{}}, ingress: [{{fromEndpoints: [{{{peer}}}]}}]}}}}\n---\n{data}"
        )
    };
    let pairs = [["b", "a"], ["d", "a"]];
    let wants_b = policy("matchLabels: {app: b}", file);
    // The namespace, which Cilium adds, is none of the labels in doubt.
    assert_eq!(answers("{}", &wants_b, &pairs), ["UNKNOWN", "BLOCKED"]);
    let excludes = policy(
        "matchExpressions: [{key: app, operator: NotIn, values: [x]}]",
        file,
    );
    assert_eq!(answers("{}", &excludes, &pairs), ["ALLOWED", "BLOCKED"]);
    let has_not = policy(
        "matchExpressions: [{key: app, operator: DoesNotExist}]",
        file,
    );
    assert_eq!(answers("{}", &has_not, &pairs), ["UNKNOWN", "BLOCKED"]);
    let unset = file.replace("/etc/labels.json", "''");
    let wants_b = policy("matchLabels: {app: b}", &unset);
    assert_eq!(answers("{}", &wants_b, &pairs), ["ALLOWED", "BLOCKED"]);
}

#[test]
fn a_cluster_that_a_policy_names_itself_is_asked_for() {
    let policy = |peer: &str| {
        format!(
            "{{apiVersion: cilium.io/v2, kind: CiliumNetworkPolicy, metadata: {{name: p, namespace: one}},
              spec: {{endpointSelector: {{matchLabels: {{app: a}}}}, ingress: [{{fromEndpoints: [{{matchLabels: {{{peer}}}}}]}}]}}}}"
        )
    };
    let east = policy("io.cilium.k8s.policy.cluster: east");
    let default = policy("io.cilium.k8s.policy.cluster: default");
    let none = policy("app: b");
    let agent = |name: &str| {
        format!(
            "{east}\n---\n{{apiVersion: v1, kind: ConfigMap, metadata: {{name: cilium-config, namespace: kube-system}}, data: {{cluster-name: {name}}}}}"
        )
    };
    for options in [
        "policyDefaultLocalCluster: false",
        "policyDefaultLocalCluster: true",
    ] {
        let asked = |name: &str, policy: &str| {
            answers(&format!("{{{options}{name}}}"), policy, &[["b", "a"]])[0]
        };
        // Any name but `default` may be the own one where nobody says that.
        for (name, policy, expected) in [
            ("", &east, "UNKNOWN"),
            ("", &default, "ALLOWED"),
            (", clusterName: east", &east, "ALLOWED"),
            (", clusterName: west", &east, "BLOCKED"),
            (", clusterName: west", &default, "BLOCKED"),
            ("", &agent("east"), "ALLOWED"),
            ("", &agent("west"), "BLOCKED"),
            ("", &agent("'${CLUSTER}'"), "UNKNOWN"),
            (", clusterName: west", &agent("east"), "BLOCKED"),
        ] {
            assert_eq!(asked(name, policy), expected, "{name} {policy}");
        }
        let options = &format!("{{{options}}}");
        // Only pods of the policy's own namespace, whatever is said of clusters.
        let pairs = [["b", "a"], ["d", "a"]];
        assert_eq!(answers(options, &none, &pairs), ["ALLOWED", "BLOCKED"]);
    }
}

#[test]
fn groups_of_addresses_whose_name_another_tool_fills_in_may_be_those_that_are_named() {
    let policy = |group: &str| {
        format!(
            "{{apiVersion: cilium.io/v2, kind: CiliumNetworkPolicy, metadata: {{name: p, namespace: one}},
              spec: {{endpointSelector: {{}}, egress: [{{toCIDRSet: [{{cidrGroupRef: partners}}]}}]}}}}
---
{{apiVersion: cilium.io/v2alpha1, kind: CiliumCIDRGroup, metadata: {{name: {group}}}, spec: {{externalCIDRs: [203.0.113.0/24]}}}}"
        )
    };
    let pairs = [["a", "203.0.113.5"]];
    let complete = "{}\ninventory: complete";
    assert_eq!(answers(complete, &policy("partners"), &pairs), ["ALLOWED"]);
    assert_eq!(answers(complete, &policy("others"), &pairs), ["BLOCKED"]);
    assert_eq!(
        answers(complete, &policy("'${GROUP}'"), &pairs),
        ["UNKNOWN"]
    );
}

#[test]
fn peers_of_cluster_wide_policies_are_seen_by_their_identity() {
    let policy = "{apiVersion: policy.networking.k8s.io/v1alpha2, kind: ClusterNetworkPolicy, metadata: {name: p},
        spec: {tier: Admin, priority: 1, subject: {namespaces: {}}, ingress: [{action: Deny, from: [
          {pods: {namespaceSelector: {}, podSelector: {matchLabels: {app: b}}}}]}]}}";
    let of = |labels: &str| {
        let options = format!("{{enableK8sClusterNetworkPolicy: true{labels}}}");
        answers(&options, policy, &[["b", "a"]])
    };
    assert_eq!(of(""), ["BLOCKED"]);
    assert_eq!(of(", labels: 'k8s:role'"), ["ALLOWED"]);
}

#[test]
fn a_name_outside_may_have_any_address_of_the_family_of_the_pod() {
    let text = "
{apiVersion: v1, kind: Pod, metadata: {name: a, namespace: one, labels: {app: a}},
 status: {podIP: 'fd00::1'}, spec: {containers: [{name: c}]}}
---
{apiVersion: cilium.io/v2, kind: CiliumNetworkPolicy, metadata: {name: p, namespace: one},
 spec: {endpointSelector: {}, egress: [{toCIDR: ['::/0']}]}}
";
    let workspace = Workspace::load([("test.yaml", text.to_owned())], &Config::default());
    let view = workspace.clusters().next().expect("there is a cluster");
    let engine = Engine::new(view.cluster());
    let pod = view.cluster().workload_ids().next().expect("a pod");
    let pod = Endpoint::workload(view.cluster(), pod);
    let name = Endpoint::Name("example.com");
    let verdict = engine.judge().explain(&pod, &name).verdict;
    assert!(verdict.allowed().contains(Protocol::Tcp, 443));
}

/// What an object that installs Cilium's chart says, as the agent's own settings do.
#[test]
fn whoever_installs_the_chart_tells_the_options() {
    let spec = "chart: cilium, repoURL: https://helm.cilium.io, targetRevision: 1.18.0";
    let application = |name: &str, helm: &str, server: &str| {
        format!(
            "apiVersion: argoproj.io/v1alpha1\nkind: Application\nmetadata: {{name: {name}, namespace: argocd}}\nspec:\n  destination: {{server: '{server}', namespace: kube-system}}\n  source:\n    {}\n{helm}",
            spec.replace(", ", "\n    ")
        )
    };
    let own = "https://kubernetes.default.svc";
    let object = "    helm: {valuesObject: {policyEnforcementMode: always}}\n";
    let text = "    helm:\n      values: |\n        # Everything is closed.\n        policyEnforcementMode: always\n        ipam:\n          operator:\n            clusterPoolIPv4PodCIDRList: [10.0.0.0/9]\n";
    let flux = "apiVersion: helm.toolkit.fluxcd.io/v2\nkind: HelmRelease\nmetadata: {name: cilium, namespace: kube-system}\nspec:\n  chart: {spec: {chart: cilium, sourceRef: {kind: HelmRepository, name: c}}}\n  values: {policyEnforcementMode: always}\n";
    let k3s = "apiVersion: helm.cattle.io/v1\nkind: HelmChart\nmetadata: {name: cilium, namespace: kube-system}\nspec:\n  chart: cilium\n  valuesContent: |-\n    policyEnforcementMode: always\n";
    let open = application("cilium", "", own);
    let apps = |server: &str| {
        application("apps", "", server).replace(&spec.replace(", ", "\n    "), "path: apps")
    };
    let pods = "apiVersion: v1\nkind: Pod\nmetadata: {name: a, namespace: one}\nspec: {containers: [{name: c, image: x}]}\n---\napiVersion: v1\nkind: Pod\nmetadata: {name: b, namespace: one}\nspec: {containers: [{name: c, image: x}]}\n";
    let ask = |title: &str, entries: &[String]| {
        let directory = scratch(&format!("cilium-installed-{title}"));
        write(&directory, "apps/pods.yaml", pods);
        for (number, entry) in entries.iter().enumerate() {
            write(&directory, &format!("argocd/{number}.yaml"), entry);
        }
        let args = ["reach", "one/a", "one/b", "--port", "80", "--cni", "cilium"];
        let said = run(&directory, &args).stdout;
        let words = ["BLOCKED", "ALLOWED", "UNKNOWN"].into_iter();
        let found: Vec<&str> = words.filter(|word| said.contains(word)).collect();
        found.join(" ")
    };
    let elsewhere = "https://prod.example.org";
    for (title, entries, expected) in [
        ("flux", vec![flux.to_owned()], "BLOCKED"),
        ("k3s", vec![k3s.to_owned()], "BLOCKED"),
        (
            "argo-object",
            vec![application("cilium", object, own)],
            "BLOCKED",
        ),
        (
            "argo-text",
            vec![application("cilium", text, own)],
            "BLOCKED",
        ),
        ("argo-nothing", vec![open], "ALLOWED"),
        (
            "argo-beside-apps",
            vec![application("cilium", text, own), apps(own)],
            "BLOCKED",
        ),
        (
            "argo-both-elsewhere",
            vec![application("cilium", object, elsewhere), apps(elsewhere)],
            "BLOCKED",
        ),
        // The pods are in another cluster than that Cilium.
        (
            "argo-elsewhere",
            vec![application("cilium", object, elsewhere), apps(own)],
            "ALLOWED",
        ),
    ] {
        assert_eq!(ask(title, &entries), expected, "{title}");
    }
}
