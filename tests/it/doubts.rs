//! What is not known of policies of Cilium and Calico, and what tells it: the families of
//! addresses of a cluster, whether all of it is there, and objects that the API server rejects.

use crate::dialects::PODS;
use npcheck::engine::{self, Endpoint};
use npcheck::k8s::Protocol;
use npcheck::{Config, Workspace};
use std::net::IpAddr;

/// The TCP ports from one end to another that are open, and those that may be.
fn ports(config: &str, policies: &str, [from, to]: [&str; 2]) -> [String; 2] {
    let config = Config::read(config, &[]).expect("it is a configuration");
    let workspace = Workspace::load([("test.yaml", format!("{PODS}{policies}"))], &config);
    let view = workspace.clusters().next().expect("there is a cluster");
    let cluster = view.cluster();
    let end = |name: &str| match name.parse::<IpAddr>() {
        Ok(address) => Endpoint::Address(address.into()),
        Err(_) => {
            let mut ids = cluster.workload_ids();
            let id = ids.find(|id| cluster.workload(*id).object.meta.name.value == name);
            Endpoint::workload(cluster, id.expect("the pod is there"))
        }
    };
    let verdict = engine::judge(cluster, &end(from), &end(to));
    [verdict.allowed(), verdict.unknown()].map(|all| all.get(Protocol::Tcp).to_string())
}

const OPEN: [&str; 2] = ["all", "none"];
const SHUT: [&str; 2] = ["none", "none"];
const UNKNOWN: [&str; 2] = ["none", "all"];

#[test]
fn the_label_of_the_outside_depends_on_the_families_of_the_cluster() {
    let policy = |section: &str, selector: &str| {
        format!(
            "{{apiVersion: cilium.io/v2, kind: CiliumNetworkPolicy, metadata: {{name: p, namespace: one}},
             spec: {{endpointSelector: {{}}, enableDefaultDeny: {{ingress: {}}}, {section}: [{{fromEndpoints: [{selector}]}}]}}}}",
            section == "ingress"
        )
    };
    let world = "{matchLabels: {'reserved:world': ''}}";
    let exists = "{matchExpressions: [{key: 'reserved:world', operator: Exists}]}";
    let lacks = "{matchExpressions: [{key: 'reserved:world', operator: DoesNotExist}]}";
    let ipv4 = "{matchLabels: {'reserved:world-ipv4': ''}}";
    let ipv6 = "{matchLabels: {'reserved:world-ipv6': ''}}";
    // In a cluster of one family, and of both.
    for (policy, one, both) in [
        (policy("ingress", world), OPEN, SHUT),
        (policy("ingress", exists), OPEN, SHUT),
        (policy("ingress", lacks), SHUT, OPEN),
        (policy("ingress", ipv4), SHUT, OPEN),
        (policy("ingress", ipv6), SHUT, SHUT),
        (policy("ingressDeny", world), SHUT, OPEN),
        (
            policy("ingress", "{matchLabels: {'reserved:host': ''}}"),
            SHUT,
            SHUT,
        ),
    ] {
        let asked = |config: &str| ports(config, &policy, ["192.0.2.1", "a"]);
        let families = |families: &str| asked(&format!("cluster: {{ipFamilies: [{families}]}}\n"));
        assert_eq!(families("IPv4"), one, "{policy}");
        assert_eq!(families("IPv4, IPv6"), both, "{policy}");
        // Nobody says which: both, as long as it is not said to be one.
        assert_eq!(asked(""), both, "{policy}");
        // No pod has a label of the outside.
        let pods = ports("", &policy, ["b", "a"]);
        let expected = match policy.contains("DoesNotExist") || policy.contains("ingressDeny") {
            true => OPEN,
            false => SHUT,
        };
        assert_eq!(pods, expected, "{policy}");
    }
}

#[test]
fn what_a_rule_on_a_service_that_is_not_there_means() {
    let cilium = |namespace: &str, name: &str, rest: &str| {
        format!(
            "{{apiVersion: cilium.io/v2, kind: CiliumNetworkPolicy, metadata: {{name: p, namespace: one}},
             spec: {{endpointSelector: {{}}, egress: [{{toServices: [{{k8sService: {{serviceName: {name}, namespace: {namespace}}}}}]{rest}}}]}}}}"
        )
    };
    let calico = |action: &str, namespace: &str, name: &str| {
        format!(
            "{{apiVersion: projectcalico.org/v3, kind: NetworkPolicy, metadata: {{name: p, namespace: one}},
             spec: {{selector: all(), types: [Egress], egress: [{{action: {action},
               destination: {{services: {{name: {name}, namespace: {namespace}}}}}}}, {{action: {}}}]}}}}",
            if action == "Deny" { "Allow" } else { "Deny" }
        )
    };
    let all_ports = ", toPorts: [{ports: [{port: '0', protocol: TCP}]}]";
    for (policy, all_there, some_there) in [
        (cilium("two", "s", ""), SHUT, SHUT),
        // The agent takes such a rule as one about everybody.
        (cilium("two", "s", all_ports), OPEN, OPEN),
        (calico("Allow", "two", "s"), SHUT, UNKNOWN),
        (calico("Deny", "two", "s"), OPEN, UNKNOWN),
    ] {
        for to in ["d", "192.0.2.1"] {
            let asked = |config: &str| ports(config, &policy, ["a", to]);
            assert_eq!(asked("inventory: complete\n"), all_there, "{to} {policy}");
            assert_eq!(asked(""), some_there, "{to} {policy}");
        }
    }
    // The Service of the API server is in every cluster, and in no manifest.
    for policy in [
        cilium("default", "kubernetes", ""),
        calico("Allow", "default", "kubernetes"),
    ] {
        let config = "inventory: complete\n";
        assert_eq!(ports(config, &policy, ["a", "192.0.2.1"]), UNKNOWN);
    }
}

#[test]
fn what_a_rejected_policy_of_calico_would_do_is_not_known() {
    let policy = |spec: &str| {
        format!(
            "{{apiVersion: projectcalico.org/v3, kind: NetworkPolicy, metadata: {{name: p, namespace: one}},
             spec: {{{spec}}}}}"
        )
    };
    let bad = "ingress: [{action: Allow, destination: {ports: [80]}}]";
    let before = "{apiVersion: projectcalico.org/v3, kind: NetworkPolicy, metadata: {name: q, namespace: one},
        spec: {order: 1, selector: all(), types: [Ingress], ingress: [{action: Deny}]}}";
    for (policies, into_a, from_a) in [
        (policy(bad), UNKNOWN, OPEN),
        (
            policy(&format!("selector: app == 'a', {bad}")),
            UNKNOWN,
            OPEN,
        ),
        (policy(&format!("selector: app == 'b', {bad}")), OPEN, OPEN),
        (
            policy(&format!("selector: app = 'b', {bad}")),
            UNKNOWN,
            OPEN,
        ),
        (
            policy(&format!("types: [Ingress, Egress], {bad}")),
            UNKNOWN,
            UNKNOWN,
        ),
        (policy(&format!("types: [Egress], {bad}")), OPEN, UNKNOWN),
        (policy(&format!("types: [Egres], {bad}")), UNKNOWN, UNKNOWN),
        (policy(&format!("egres: [], {bad}")), UNKNOWN, UNKNOWN),
        // What stands before it decides all the same, where its own place is known.
        (
            format!("{}\n---\n{before}", policy(&format!("order: 2, {bad}"))),
            SHUT,
            OPEN,
        ),
        (format!("{}\n---\n{before}", policy(bad)), UNKNOWN, OPEN),
    ] {
        assert_eq!(
            ports("", &policies, ["192.0.2.1", "a"]),
            into_a,
            "{policies}"
        );
        assert_eq!(
            ports("", &policies, ["a", "192.0.2.1"]),
            from_a,
            "{policies}"
        );
    }
}

#[test]
fn what_a_rejected_set_of_calico_would_hold_is_not_known() {
    let set = |nets: &str| {
        format!(
            "{{apiVersion: projectcalico.org/v3, kind: GlobalNetworkSet,
             metadata: {{name: s, labels: {{role: partner}}}}, spec: {{nets: [{nets}]}}}}"
        )
    };
    let policy = |action: &str, entity: &str, end: &str| {
        format!(
            "{{apiVersion: projectcalico.org/v3, kind: GlobalNetworkPolicy, metadata: {{name: p}},
             spec: {{selector: app == 'a', types: [Ingress], ingress: [{{action: {action}, source: {{{entity}}}}}, {{action: {end}}}]}}}}"
        )
    };
    let partner = "selector: role == 'partner'";
    let good = "192.0.2.0/24, 198.51.100.7, '2001:db8::1'";
    for (nets, entity, outside, other) in [
        (good, partner, OPEN, SHUT),
        ("192.0.2.0/24, hello", partner, UNKNOWN, UNKNOWN),
        (
            "192.0.2.0/24, hello",
            "notSelector: role == 'partner'",
            UNKNOWN,
            UNKNOWN,
        ),
        (
            "192.0.2.0/24, hello",
            "selector: role == 'other'",
            SHUT,
            SHUT,
        ),
    ] {
        let policies = format!("{}\n---\n{}", set(nets), policy("Allow", entity, "Deny"));
        assert_eq!(
            ports("", &policies, ["192.0.2.1", "a"]),
            outside,
            "{policies}"
        );
        assert_eq!(
            ports("", &policies, ["203.0.113.1", "a"]),
            other,
            "{policies}"
        );
    }
    let policies = format!("{}\n---\n{}", set(good), policy("Deny", partner, "Allow"));
    for (from, expected) in [
        ("198.51.100.7", SHUT),
        ("198.51.100.8", OPEN),
        ("2001:db8::1", SHUT),
        ("2001:db8::2", OPEN),
    ] {
        assert_eq!(ports("", &policies, [from, "a"]), expected, "{from}");
    }
}

#[test]
fn a_pod_that_is_asked_about_by_its_account_has_it() {
    use crate::program::{run, scratch, write};
    let directory = scratch("doubts-account");
    let policy =
        "{apiVersion: cilium.io/v2, kind: CiliumNetworkPolicy, metadata: {name: p, namespace: one},
 spec: {endpointSelector: {matchLabels: {io.cilium.k8s.policy.serviceaccount: billing}},
        egress: [{toEndpoints: [{matchLabels: {app: a}}]}]}}
";
    write(&directory, "all.yaml", format!("{PODS}{policy}"));
    let asked = |account: &str, to: &str| {
        let from = format!("one/+io.cilium.k8s.policy.serviceaccount={account}");
        run(&directory, &["reach", &from, to, "-p", "80"]).status
    };
    assert_eq!(asked("billing", "one/a"), 0);
    assert_eq!(asked("billing", "one/b"), 1);
    assert_eq!(asked("shipping", "one/b"), 0);
}
