//! Which policies and addresses count for a verdict, and which do not.

use super::program::{Run, run, scratch, write};

const PODS: &str = "
{apiVersion: v1, kind: Namespace, metadata: {name: a}}
---
{apiVersion: v1, kind: Pod, metadata: {name: s, namespace: a, labels: {app: s}}, status: {podIP: 10.0.0.1},
 spec: {containers: [{name: c}]}}
---
{apiVersion: v1, kind: Pod, metadata: {name: web, namespace: a, labels: {app: web}}, status: {podIP: 10.0.0.5},
 spec: {containers: [{name: c}]}}
---
";

fn ask(name: &str, manifests: &str, arguments: &[&str]) -> Run {
    let directory = scratch(&format!("in-force-{name}"));
    write(&directory, "all.yaml", format!("{PODS}{manifests}"));
    run(&directory, arguments)
}

#[test]
fn flannel_enforces_nothing() {
    for (number, policy) in [
        "{apiVersion: networking.k8s.io/v1, kind: NetworkPolicy, metadata: {name: p, namespace: a}, spec: {podSelector: {}}}",
        "{apiVersion: policy.networking.k8s.io/v1alpha1, kind: AdminNetworkPolicy, metadata: {name: p},
          spec: {priority: 1, subject: {namespaces: {}}, ingress: [{action: Deny, from: [{namespaces: {}}]}]}}",
    ]
    .iter()
    .enumerate()
    {
        let name = format!("flannel-{number}");
        let question = ["reach", "a/web", "a/s", "-p", "80", "."];
        let usual = ask(&name, policy, &question);
        assert_eq!(usual.status, 1, "{usual:?}");
        let flannel = ask(&name, policy, &[&question[..], &["--cni", "flannel"]].concat());
        assert_eq!(flannel.status, 0, "{flannel:?}");
        let said = format!("{}{}", flannel.stdout, flannel.stderr);
        assert!(said.contains("Flannel"), "{said}");
    }
}

#[test]
fn a_pod_that_has_come_to_its_end_has_no_address() {
    let done = |phase: &str| {
        format!(
            "{{apiVersion: v1, kind: Pod, metadata: {{name: job, namespace: a, labels: {{app: job}}}},
              status: {{phase: {phase}, podIP: 10.0.0.5}}, spec: {{containers: [{{name: c}}]}}}}\n---\n"
        )
    };
    let allow = "{apiVersion: projectcalico.org/v3, kind: NetworkPolicy, metadata: {name: p, namespace: a},
        spec: {selector: app == 's', ingress: [{action: Allow, source: {selector: app == 'job'}}]}}";
    let deny = "{apiVersion: projectcalico.org/v3, kind: NetworkPolicy, metadata: {name: p, namespace: a},
        spec: {selector: app == 's', ingress: [{action: Deny, source: {selector: app == 'job'}}, {action: Allow}]}}";
    for (phase, policy, status) in [
        ("Running", allow, 0),
        ("Succeeded", allow, 1),
        ("Failed", allow, 1),
        ("Running", deny, 1),
        ("Succeeded", deny, 0),
        ("Pending", deny, 1),
    ] {
        let text = format!("{}{policy}", done(phase));
        let asked = ask(
            &format!("done-{phase}-{status}"),
            &text,
            &["reach", "a/web", "a/s", "-p", "80", "."],
        );
        assert_eq!(asked.status, status, "{phase}: {asked:?}");
    }
}

#[test]
fn a_value_of_a_wrong_type_keeps_a_policy_of_a_plugin_out_of_force() {
    let rules = [
        "{action: Allow, source: {nets: [10.0.0.1]}}",
        "{action: Allow, protocol: ICMP, icmp: {type: 8 ping}}",
        "{action: Allow, protocol: ICMP, icmp: [8]}",
        "{action: Allow, protocol: ICMP, icmp: {type: 8, code: 1.5}}",
        "{action: Allow, protocol: ICMP, notICMP: {type: x}}",
        "{action: Allow, protocol: TCP, http: [GET]}",
        "{action: Allow, protocol: TCP, http: {methods: GET}}",
        "{action: Allow, metadata: [a]}",
    ];
    let calico = rules.map(|rule| {
        format!(
            "{{apiVersion: projectcalico.org/v3, kind: GlobalNetworkPolicy, metadata: {{name: p}},
              spec: {{selector: app == 's', types: [Ingress], ingress: [{rule}]}}}}"
        )
    });
    let rules = [
        "{icmps: [{fields: {type: 8}}]}",
        "{icmps: [{fields: [{type: [8]}]}]}",
        "{fromEndpoints: [{}], authentication: required}",
    ];
    let cilium = rules.map(|rule| {
        format!(
            "{{apiVersion: cilium.io/v2, kind: CiliumNetworkPolicy, metadata: {{name: p, namespace: a}},
              spec: {{endpointSelector: {{}}, ingress: [{rule}]}}}}"
        )
    });
    let question = ["reach", "a/web", "a/s", "-p", "80", "."];
    for (number, policy) in calico.iter().enumerate() {
        let asked = ask(&format!("rejected-{number}"), policy, &question);
        assert_eq!(asked.status, 2, "{policy}: {asked:?}");
    }
    for (number, policy) in cilium.iter().enumerate() {
        let asked = ask(&format!("refused-{number}"), policy, &question);
        assert_ne!(asked.status, 1, "{policy}: {asked:?}");
    }
    let right = "{apiVersion: projectcalico.org/v3, kind: GlobalNetworkPolicy, metadata: {name: p},
        spec: {selector: app == 's', types: [Ingress], ingress: [{action: Allow, protocol: ICMP, icmp: {type: 8, code: 0},
        metadata: {annotations: {a: b}}}, {action: Allow, protocol: TCP, http: {methods: [GET], paths: [{exact: /a}]}}]}}";
    let asked = ask("accepted", right, &question);
    assert_eq!(asked.status, 0, "{asked:?}");
}

#[test]
fn cilium_enforces_nothing_of_a_policy_without_a_spec() {
    let policy = "{apiVersion: cilium.io/v2, kind: CiliumNetworkPolicy, metadata: {name: p, namespace: a}, specs: []}";
    let asked = ask("no-spec", policy, &["lint", "."]);
    assert!(asked.stdout.contains("cilium-inert-policy"), "{asked:?}");
}

/// The nets of a set that no rule tells apart, and that only pods have addresses in.
#[test]
fn calico_keeps_the_rest_of_the_outside_where_pods_have_all_of_a_net() {
    for (number, set) in [
        "{apiVersion: projectcalico.org/v3, kind: GlobalNetworkSet, metadata: {name: g}, spec: {nets: [10.0.0.5/32]}}",
        "{apiVersion: projectcalico.org/v3, kind: NetworkSet, metadata: {name: g, namespace: a}, spec: {nets: [10.0.0.5/32, 10.0.0.1/32]}}",
    ]
    .iter()
    .enumerate()
    {
        let directory = scratch(&format!("in-force-held-{number}"));
        write(&directory, "all.yaml", format!("{PODS}{set}"));
        write(&directory, "npcheck-tests.yaml", "tests: [{name: t, deny: {from: internet, to: a/s}}]\n");
        let cni = ["--cni", "calico"];
        let tested = run(&directory, &[&["test"], &cni[..]].concat());
        assert_eq!(tested.status, 1, "{tested:?}");
        let graph = run(&directory, &[&["graph", "--to", "a/s", "-o", "json-lines"], &cni[..]].concat());
        assert!(graph.stdout.contains("\"src\":\"ext:0.0.0.0"), "{graph:?}");
        let all = format!("{PODS}{set}\n---\n");
        let policy = |peer: &str| format!("{all}{{apiVersion: networking.k8s.io/v1, kind: NetworkPolicy, \
            metadata: {{name: p, namespace: a}}, spec: {{podSelector: {{matchLabels: {{app: s}}}}, ingress: [{peer}]}}}}\n");
        write(&directory, "before/all.yaml", policy(""));
        write(&directory, "after/all.yaml", policy("{from: [{ipBlock: {cidr: 10.0.0.0/24}}]}"));
        let diff = run(&directory, &[&["diff", "before", "after"], &cni[..]].concat());
        assert!(diff.stdout.contains("10.0.0.6"), "{diff:?}");
    }
}
