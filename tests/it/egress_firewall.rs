//! `EgressFirewall` of OVN-Kubernetes: what leaves the pods of its namespace, by the relation
//! and for each pair, and what its API refuses. Its networks of their own for namespaces.

use npcheck::cluster::{Cluster, Cni, EnforcementSettings};
use npcheck::engine::{self, Endpoint, Engine, Peer};
use npcheck::k8s::Protocol;
use npcheck::source::SourceMap;

/// `web` and `other` are pods, `node` and `lost` pods on the network of their nodes, of which
/// only the first one's address is known.
const PODS: &str = "
{apiVersion: v1, kind: Pod, metadata: {name: web, namespace: shop}, spec: {containers: [{name: c}]}}
---
{apiVersion: v1, kind: Pod, metadata: {name: other, namespace: data}, spec: {containers: [{name: c}]}}
---
{apiVersion: v1, kind: Pod, metadata: {name: node, namespace: data}, spec: {hostNetwork: true, containers: [{name: c}]},
 status: {hostIP: 192.0.2.10}}
---
{apiVersion: v1, kind: Pod, metadata: {name: lost, namespace: data}, spec: {hostNetwork: true, containers: [{name: c}]}}
---
{apiVersion: v1, kind: Node, metadata: {name: one, labels: {role: db}}, status: {addresses: [{type: InternalIP, address: 192.0.2.10}]}}
---
";

fn read(name: &str, egress: &str) -> (Cluster, Vec<String>) {
    read_object(&format!(
        "kind: EgressFirewall, metadata: {{name: {name}, namespace: shop}}, \
         spec: {{egress: {egress}}}"
    ))
}

/// The pods, and an object of OVN-Kubernetes.
fn read_object(object: &str) -> (Cluster, Vec<String>) {
    read_network("", object)
}

/// The same with the namespaces of the pods.
fn read_network(namespaces: &str, object: &str) -> (Cluster, Vec<String>) {
    read_all(&format!(
        "{namespaces}{PODS}{{apiVersion: k8s.ovn.org/v1, {object}}}"
    ))
}

fn read_all(text: &str) -> (Cluster, Vec<String>) {
    let mut sources = SourceMap::default();
    let id = sources.add("test.yaml", text);
    let parsed = npcheck::manifest::read(id, "test.yaml", text);
    let messages = parsed.diagnostics.iter().map(|found| found.message.clone());
    (Cluster::new(parsed.objects), messages.collect())
}

/// Whom `web` reaches over TCP, with the ports where not all are open, those that may be
/// with a question mark.
fn from_web(cluster: &Cluster) -> Vec<String> {
    let engine = Engine::new(cluster);
    let mut lines = Vec::new();
    for flow in engine.relation().flows() {
        let name = |peer: Peer| match peer {
            Peer::Workload(id) => cluster.workload(id).object.meta.name.to_string(),
            Peer::Outside(range) => range.to_string(),
            Peer::Entity(entity) => entity.name().to_owned(),
        };
        let (source, destination) = (name(flow.source), name(flow.destination));
        if source != "web" || destination == "web" || destination.contains(':') {
            continue;
        }
        for (ports, mark) in [(flow.connections, ""), (flow.unknown, "?")] {
            let ports = ports.get(Protocol::Tcp);
            match (ports.is_empty(), ports.is_all()) {
                (true, _) => {}
                (_, true) => lines.push(format!("{destination}{mark}")),
                _ => lines.push(format!("{destination} {ports}{mark}")),
            }
        }
    }
    lines
}

#[test]
fn the_first_rule_that_matches_decides_about_what_leaves_the_network_of_pods() {
    let everywhere = "0.0.0.0-255.255.255.255";
    let table: &[(&str, &str, &[&str])] = &[
        (
            "what no rule matches is allowed",
            "[{type: Allow, to: {cidrSelector: 198.51.100.0/24}}]",
            &["lost", "node", "other", everywhere],
        ),
        (
            "pods are never denied, nodes are",
            "[{type: Deny, to: {cidrSelector: 0.0.0.0/0}}]",
            &["other"],
        ),
        (
            "the order counts",
            "[{type: Allow, to: {cidrSelector: 192.0.2.0/24}, ports: [{protocol: TCP, port: 443}]}, \
             {type: Deny, to: {cidrSelector: 0.0.0.0/0}}]",
            &["node 443", "other", "192.0.2.0-192.0.2.255 443"],
        ),
        (
            "where an address is not known, so is the verdict",
            "[{type: Deny, to: {cidrSelector: 10.0.0.0/8}}]",
            &[
                "lost?",
                "node",
                "other",
                "0.0.0.0-9.255.255.255",
                "11.0.0.0-255.255.255.255",
            ],
        ),
        (
            "nodes by their labels",
            "[{type: Allow, to: {nodeSelector: {matchLabels: {role: db}}}}, \
             {type: Deny, to: {cidrSelector: 192.0.2.0/24}}]",
            &[
                "lost",
                "node",
                "other",
                "0.0.0.0-192.0.1.255",
                "192.0.2.10-192.0.2.10",
                "192.0.3.0-255.255.255.255",
            ],
        ),
    ];
    for (about, egress, expected) in table {
        let (cluster, messages) = read("default", egress);
        assert_eq!(messages, Vec::<String>::new(), "{about}");
        assert_eq!(from_web(&cluster), *expected, "{about}");
        let engine = Engine::new(&cluster);
        for destination in cluster.workload_ids() {
            let source = (cluster.workload_ids())
                .find(|id| cluster.workload(*id).object.meta.name.value == "web")
                .expect("it is among the pods");
            let ends = [source, destination].map(|id| Endpoint::workload(&cluster, id));
            let verdict = engine::judge(&cluster, &ends[0], &ends[1]);
            let edge = engine.relation().connections(source, destination);
            assert_eq!(verdict.allowed(), *edge, "{about}");
        }
    }
}

#[test]
fn another_plugin_does_not_know_it() {
    let (cluster, _) = read("default", "[{type: Deny, to: {cidrSelector: 0.0.0.0/0}}]");
    let settings = EnforcementSettings {
        cni: Some(Cni::Calico),
        ..EnforcementSettings::default()
    };
    let cluster = cluster.with_enforcement(&settings);
    let expected = ["lost", "node", "other", "0.0.0.0-255.255.255.255"];
    assert_eq!(from_web(&cluster), expected);
}

#[test]
fn one_that_the_api_server_rejects_makes_the_verdict_unknown() {
    let table = [
        (
            "strict",
            "[{type: Deny, to: {cidrSelector: 0.0.0.0/0}}]",
            "an `EgressFirewall` cannot be called `strict`",
        ),
        (
            "default",
            "[{type: Drop, to: {cidrSelector: 0.0.0.0/0}}]",
            "`Drop` is not a valid `type`",
        ),
        (
            "default",
            "[{to: {cidrSelector: 0.0.0.0/0}}]",
            "this rule has no `type`",
        ),
        ("default", "[{type: Deny}]", "this rule has no destination"),
        (
            "default",
            "[{type: Deny, to: {cidrSelector: 10.0.0.0/8, dnsName: example.org}}]",
            "`to` has both `cidrSelector` and `dnsName`",
        ),
        (
            "default",
            "[{type: Deny, to: {cidrSelector: 10.0.0.0/8}, ports: [{port: 80}]}]",
            "this port has no `protocol`",
        ),
    ];
    for (name, egress, message) in table {
        let (cluster, messages) = read(name, egress);
        assert_eq!(messages, [message]);
        let expected = ["lost?", "node?", "other?", "0.0.0.0-255.255.255.255?"];
        assert_eq!(from_web(&cluster), expected, "{message}");
    }
}

/// The namespaces of the pods, which may have networks of their own.
const NAMESPACES: &str = "
{apiVersion: v1, kind: Namespace, metadata: {name: shop, labels: {k8s.ovn.org/primary-user-defined-network: ''}}}
---
{apiVersion: v1, kind: Namespace, metadata: {name: data, labels: {k8s.ovn.org/primary-user-defined-network: ''}}}
---
";

/// A network in place of the cluster's keeps its pods from those of others, and leaves the rest
/// open in a way that is not worked out; one beside it changes nothing.
#[test]
fn a_primary_network_of_its_own_keeps_pods_apart() {
    let open = ["lost", "node", "other", "0.0.0.0-255.255.255.255"];
    let apart = ["lost?", "node?", "0.0.0.0-255.255.255.255?"];
    let unknown = ["lost?", "node?", "other?", "0.0.0.0-255.255.255.255?"];
    let of_cluster = |namespace: &str, role: &str| {
        format!(
            "kind: ClusterUserDefinedNetwork, metadata: {{name: net}}, spec: {{namespaceSelector: \
             {{matchLabels: {{kubernetes.io/metadata.name: {namespace}}}}}, network: \
             {{topology: Layer3, layer3: {{role: {role}}}}}}}"
        )
    };
    let of_namespace = |role: &str| {
        format!(
            "kind: UserDefinedNetwork, metadata: {{name: net, namespace: shop}}, \
             spec: {{topology: Layer2, layer2: {{role: {role}}}}}"
        )
    };
    let table: [(String, &[&str]); 7] = [
        (of_namespace("Primary"), &apart),
        (of_namespace("Secondary"), &open),
        (of_namespace("\"${ROLE}\""), &unknown),
        (of_cluster("shop", "Primary"), &apart),
        (of_cluster("shop", "Secondary"), &open),
        (
            of_cluster("data", "Primary"),
            &["lost", "node", "0.0.0.0-255.255.255.255"],
        ),
        (of_cluster("elsewhere", "Primary"), &open),
    ];
    for (object, expected) in table {
        let (cluster, _) = read_network(NAMESPACES, &object);
        assert_eq!(from_web(&cluster), expected, "{object}");
        // Without its label a namespace stays on the network of the cluster.
        let unlabelled = NAMESPACES.replace("labels", "annotations");
        let (cluster, _) = read_network(&unlabelled, &object);
        let is_known = !object.contains('$');
        assert!(!is_known || from_web(&cluster) == open, "{object}");
    }
    // Of a namespace that no manifest declares nobody knows whether it has the label.
    let (cluster, _) = read_object(&of_namespace("Primary"));
    assert_eq!(from_web(&cluster), unknown);
}

/// What the API server rejects such a network for is told; what it may do stays unknown.
#[test]
fn networks_of_no_topology_are_rejected() {
    let unknown = ["lost?", "node?", "other?", "0.0.0.0-255.255.255.255?"];
    for (spec, message) in [
        ("{topology: Layer2, layer2: {role: Primary}}", ""),
        ("{topology: \"${TOPOLOGY}\", layer2: {role: Primary}}", ""),
        (
            "{topology: Layer4, layer2: {role: Primary}}",
            "`Layer4` is not a valid topology",
        ),
        (
            "{topology: Localnet, layer2: {role: Primary}}",
            "`Localnet` is not a valid topology",
        ),
        ("{layer2: {role: Primary}}", "the network has no `topology`"),
        (
            "{topology: Layer3, layer2: {role: Primary}}",
            "a network of topology `Layer3` needs the field `layer3`",
        ),
    ] {
        let object = format!(
            "kind: UserDefinedNetwork, metadata: {{name: net, namespace: shop}}, spec: {spec}"
        );
        let (cluster, messages) = read_network(NAMESPACES, &object);
        let expected: Vec<&str> = Some(message)
            .into_iter()
            .filter(|it| !it.is_empty())
            .collect();
        assert_eq!(messages, expected, "{spec}");
        // One that is accepted keeps pods apart; which one it is to be is unknown otherwise.
        let may_reach = |end: &&str| *end != "other?" || !message.is_empty();
        let expected: Vec<&str> = unknown.into_iter().filter(may_reach).collect();
        assert_eq!(from_web(&cluster), expected, "{spec}");
    }
    let (_, messages) = read_object(
        "kind: ClusterUserDefinedNetwork, metadata: {name: net}, spec: {namespaceSelector: {}, \
         network: {topology: Localnet, localnet: {role: Primary}}}",
    );
    assert_eq!(messages, Vec::<String>::new());
}

/// A NetworkAttachmentDefinition of a namespace, with its configuration.
fn attachment(namespace: &str, configuration: &str) -> String {
    format!(
        "---\n{{apiVersion: k8s.cni.cncf.io/v1, kind: NetworkAttachmentDefinition, \
         metadata: {{name: net, namespace: {namespace}}}, spec: {{config: '{configuration}'}}}}\n"
    )
}

/// A primary network may be written as the text that OVN-Kubernetes makes of one.
#[test]
fn primary_networks_of_network_attachments_keep_pods_apart() {
    let open = ["lost", "node", "other", "0.0.0.0-255.255.255.255"];
    let apart = ["lost?", "node?", "0.0.0.0-255.255.255.255?"];
    let unknown = ["lost?", "node?", "other?", "0.0.0.0-255.255.255.255?"];
    let of = |name: &str, topology: &str, role: &str| {
        format!(
            r#"{{"cniVersion": "1.0.0", "name": "{name}", "type": "ovn-k8s-cni-overlay", "topology": "{topology}", "role": "{role}", "mtu": 1400}}"#
        )
    };
    let primary = of("blue", "layer3", "primary");
    let listed = format!(r#"{{"cniVersion": "1.0.0", "name": "blue", "plugins": [{primary}]}}"#);
    let elsewhere = attachment("data", &of("red", "layer2", "primary"));
    let made = "---\n{apiVersion: k8s.ovn.org/v1, kind: UserDefinedNetwork, metadata: {name: own, \
                namespace: data}, spec: {topology: Layer2, layer2: {role: Primary}}}\n";
    let networks = |count: usize| -> String {
        let attached = (0..count).map(|number| {
            let network = of(&format!("net-{number}"), "layer3", "primary");
            attachment(&format!("ns-{number}"), &network)
        });
        attached.collect()
    };
    let table: [(String, &[&str]); 14] = [
        // A network names only so many others.
        (
            attachment("shop", &primary) + &elsewhere + &networks(500),
            &apart,
        ),
        (
            attachment("shop", &primary) + &elsewhere + &networks(512),
            &unknown,
        ),
        // Another namespace with the label may be on the same network, unless it has its own.
        (attachment("shop", &primary), &unknown),
        (attachment("shop", &primary) + &elsewhere, &apart),
        (attachment("shop", &primary) + made, &apart),
        (attachment("shop", &listed) + &elsewhere, &apart),
        (
            attachment("shop", &primary) + &attachment("data", &primary),
            &unknown,
        ),
        (
            attachment("shop", &of("blue", "layer3", "secondary")),
            &open,
        ),
        (
            attachment("shop", &of("blue", "localnet", "primary")),
            &open,
        ),
        (
            attachment("shop", r#"{"type": "macvlan", "role": "primary"}"#),
            &open,
        ),
        (
            attachment("shop", r#"{"type": "ovn-k8s-cni-overlay""#),
            &open,
        ),
        (
            attachment("shop", &of("blue", "layer2", "${ROLE}")),
            &unknown,
        ),
        (attachment("shop", &of("", "layer2", "primary")), &unknown),
        (
            attachment("shop", &primary.replace("1400", "${MTU}")),
            &unknown,
        ),
    ];
    for (objects, expected) in table {
        let (cluster, messages) = read_all(&format!("{NAMESPACES}{PODS}{objects}"));
        assert_eq!(messages, Vec::<String>::new());
        assert_eq!(from_web(&cluster), expected, "{objects}");
    }
    // A namespace without the label stays on the network of the cluster, and apart from it.
    let unlabelled = NAMESPACES.replacen("labels", "annotations", 1);
    let (cluster, _) = read_all(&format!(
        "{unlabelled}{PODS}{}",
        attachment("shop", &primary)
    ));
    assert_eq!(from_web(&cluster), open);
    let (cluster, _) = read_all(&format!(
        "{unlabelled}{PODS}{}",
        attachment("data", &primary)
    ));
    assert_eq!(
        from_web(&cluster),
        ["lost", "node", "0.0.0.0-255.255.255.255"]
    );
}

/// What OVN-Kubernetes makes of a network of several namespaces is no network of its own.
#[test]
fn network_attachments_of_a_network_that_is_here_say_nothing_more() {
    let network = "---\n{apiVersion: k8s.ovn.org/v1, kind: ClusterUserDefinedNetwork, metadata: \
                   {name: net}, spec: {namespaceSelector: {}, network: {topology: Layer3, \
                   layer3: {role: Primary}}}}\n";
    let configuration = r#"{"name": "cluster_udn_net", "type": "ovn-k8s-cni-overlay", "topology": "layer3", "role": "primary"}"#;
    let owned = attachment("shop", configuration).replace(
        "namespace: shop",
        "namespace: shop, ownerReferences: [{kind: ClusterUserDefinedNetwork, name: net, \
         controller: true}]",
    );
    let (cluster, _) = read_all(&format!("{NAMESPACES}{PODS}{network}{owned}"));
    assert_eq!(cluster.plugin_policies().len(), 1);
    let unknown = ["lost?", "node?", "other?", "0.0.0.0-255.255.255.255?"];
    assert_eq!(from_web(&cluster), unknown);
}
