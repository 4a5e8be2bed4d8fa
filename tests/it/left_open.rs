//! What `npcheck test` and `npcheck paths` make of what no manifest says: a test that passes
//! must not pass for want of a file.

use super::program::{run, scratch, write};
use serde_json::Value;

const PODS: &str = "
{apiVersion: v1, kind: Namespace, metadata: {name: a}}
---
{apiVersion: v1, kind: Pod, metadata: {name: s, namespace: a, labels: {app: s}}, status: {podIP: 10.0.0.1},
 spec: {containers: [{name: c}]}}
---
{apiVersion: v1, kind: Pod, metadata: {name: d, namespace: b, labels: {app: d}}, status: {podIP: 10.0.0.2},
 spec: {containers: [{name: c}]}}
---
";

struct Case {
    about: &'static str,
    manifests: &'static str,
    arguments: &'static [&'static str],
    ends: [&'static str; 2],
    /// What becomes of a test that allows, of one that denies, and of `paths`.
    allow: &'static str,
    deny: &'static str,
    paths: i32,
}

fn check(name: &str, cases: &[Case]) {
    for (number, case) in cases.iter().enumerate() {
        let directory = scratch(&format!("left-open-{name}-{number}"));
        write(&directory, "all.yaml", format!("{PODS}{}", case.manifests));
        let [from, to] = case.ends;
        let tests = format!(
            "tests:
  - {{name: allow, allow: {{from: {from}, to: {to}, ports: [80]}}}}
  - {{name: deny, deny: {{from: {from}, to: {to}, ports: [80]}}}}
  - {{name: unreachable, unreachable: {{from: {from}, to: {to}, ports: [80], hops: 1}}}}
"
        );
        write(&directory, "npcheck-tests.yaml", tests);
        let tested = run(
            &directory,
            &[&["test", "-o", "json"], case.arguments].concat(),
        );
        let output: Value = serde_json::from_str(&tested.stdout).unwrap();
        let status = |place: usize| output["tests"][place]["status"].as_str().unwrap();
        let found = [status(0), status(1), status(2)];
        assert_eq!(
            found,
            [case.allow, case.deny, case.deny],
            "{}: {output}",
            case.about
        );
        let paths = run(
            &directory,
            &[
                &["paths", from, to, ".", "--port", "80", "--hops", "1"],
                case.arguments,
            ]
            .concat(),
        );
        assert_eq!(paths.status, case.paths, "{}: {paths:?}", case.about);
    }
}

#[test]
fn labels_of_a_namespace_that_no_manifest_declares() {
    const TEAM: &str = "{apiVersion: networking.k8s.io/v1, kind: NetworkPolicy, metadata: {name: p, namespace: a},
        spec: {podSelector: {}, ingress: [{from: [{namespaceSelector: {matchLabels: {team: x}}}]}]}}";
    let case = |about, manifests, [allow, deny]: [&'static str; 2], paths| Case {
        about,
        manifests,
        arguments: &[],
        ends: ["b/d", "a/s"],
        allow,
        deny,
        paths,
    };
    let (unknown, allowed, blocked) = (
        ["unknown", "unknown"],
        ["passed", "failed"],
        ["failed", "passed"],
    );
    let complete = Case {
        arguments: &["--complete"],
        ..case("a complete inventory has no other labels", TEAM, blocked, 0)
    };
    check("labels", &[
        case("a label that it may have", TEAM, unknown, 2),
        complete,
        case(
            "a label that it may not have",
            "{apiVersion: networking.k8s.io/v1, kind: NetworkPolicy, metadata: {name: p, namespace: a},
             spec: {podSelector: {}, ingress: [{from: [{namespaceSelector: {matchExpressions: [{key: team, operator: NotIn, values: [x]}]}}]}]}}",
            unknown,
            2,
        ),
        case(
            "a label, and labels of pods that it does not have",
            "{apiVersion: networking.k8s.io/v1, kind: NetworkPolicy, metadata: {name: p, namespace: a},
             spec: {podSelector: {}, ingress: [{from: [{namespaceSelector: {matchLabels: {team: x}}, podSelector: {matchLabels: {app: other}}}]}]}}",
            blocked,
            0,
        ),
        case(
            "its name is known",
            "{apiVersion: networking.k8s.io/v1, kind: NetworkPolicy, metadata: {name: p, namespace: a},
             spec: {podSelector: {}, ingress: [{from: [{namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: b}}}]}]}}",
            allowed,
            1,
        ),
        case(
            "the subject of a cluster-wide policy",
            "{apiVersion: policy.networking.k8s.io/v1alpha1, kind: AdminNetworkPolicy, metadata: {name: p},
             spec: {priority: 1, subject: {namespaces: {matchLabels: {team: x}}},
               egress: [{action: Deny, to: [{namespaces: {}}]}]}}",
            unknown,
            2,
        ),
        case(
            "the own namespace is declared",
            "{apiVersion: networking.k8s.io/v1, kind: NetworkPolicy, metadata: {name: p, namespace: a},
             spec: {podSelector: {}, ingress: [{from: [{namespaceSelector: {matchLabels: {team: x}}}]}]}}
---
{apiVersion: v1, kind: Namespace, metadata: {name: b}}",
            blocked,
            0,
        ),
    ]);
}

/// The table takes each selector by itself; the test asks about the pair.
#[test]
fn selectors_that_leave_no_namespace_out_are_certain_for_a_test() {
    let directory = scratch("left-open-both");
    let policy = "{apiVersion: networking.k8s.io/v1, kind: NetworkPolicy, metadata: {name: p, namespace: a},
        spec: {podSelector: {}, ingress: [{from: [{namespaceSelector: {matchExpressions: [{key: team, operator: In, values: [x]}]}},
          {namespaceSelector: {matchExpressions: [{key: team, operator: NotIn, values: [x]}]}}]}]}}";
    write(&directory, "all.yaml", format!("{PODS}{policy}"));
    write(
        &directory,
        "npcheck-tests.yaml",
        "tests: [{name: t, allow: {from: b/d, to: a/s}}]\n",
    );
    let tested = run(&directory, &["test"]);
    assert_eq!(tested.status, 0, "{tested:?}");
}

#[test]
fn addresses_that_no_manifest_tells() {
    let case = |about, manifests, cni: &'static [&'static str], to| Case {
        about,
        manifests,
        arguments: cni,
        ends: ["a/s", to],
        allow: "unknown",
        deny: "unknown",
        paths: 2,
    };
    const CILIUM: &[&str] = &["--cni", "cilium"];
    let admin = Case {
        allow: "failed",
        deny: "passed",
        paths: 0,
        ..case(
            "names of an AdminNetworkPolicy match nobody",
            "{apiVersion: policy.networking.k8s.io/v1alpha1, kind: AdminNetworkPolicy, metadata: {name: p},
             spec: {priority: 1, subject: {namespaces: {}}, egress: [
               {action: Allow, to: [{domainNames: [example.org]}]}, {action: Deny, to: [{networks: [0.0.0.0/0]}]}]}}",
            &[],
            "192.0.2.7",
        )
    };
    check("addresses", &[
        case(
            "a name",
            "{apiVersion: cilium.io/v2, kind: CiliumNetworkPolicy, metadata: {name: p, namespace: a},
             spec: {endpointSelector: {}, egress: [{toFQDNs: [{matchName: example.org}]}]}}",
            CILIUM,
            "internet",
        ),
        case(
            "any name",
            "{apiVersion: cilium.io/v2, kind: CiliumNetworkPolicy, metadata: {name: p, namespace: a},
             spec: {endpointSelector: {}, egress: [{toFQDNs: [{matchPattern: '*'}]}]}}",
            CILIUM,
            "192.0.2.7",
        ),
        case(
            "a group of a cloud",
            "{apiVersion: cilium.io/v2, kind: CiliumNetworkPolicy, metadata: {name: p, namespace: a},
             spec: {endpointSelector: {}, egress: [{toGroups: [{aws: {securityGroupsIds: [sg-1]}}]}]}}",
            CILIUM,
            "192.0.2.7",
        ),
        case(
            "a group of blocks",
            "{apiVersion: cilium.io/v2, kind: CiliumNetworkPolicy, metadata: {name: p, namespace: a},
             spec: {endpointSelector: {}, egress: [{toCIDRSet: [{cidrGroupRef: elsewhere}]}]}}",
            CILIUM,
            "192.0.2.7",
        ),
        case(
            "the endpoints of a Service",
            "{apiVersion: v1, kind: Service, metadata: {name: db, namespace: a}, spec: {ports: [{port: 80}]}}
---
{apiVersion: cilium.io/v2, kind: CiliumNetworkPolicy, metadata: {name: p, namespace: a},
             spec: {endpointSelector: {}, egress: [{toServices: [{k8sService: {serviceName: db, namespace: a}}]}]}}",
            CILIUM,
            "192.0.2.7",
        ),
        case(
            "a name of a firewall",
            "{apiVersion: k8s.ovn.org/v1, kind: EgressFirewall, metadata: {name: default, namespace: a},
             spec: {egress: [{type: Allow, to: {dnsName: example.org}}, {type: Deny, to: {cidrSelector: 0.0.0.0/0}}]}}",
            &["--cni", "ovn-kubernetes"],
            "192.0.2.7",
        ),
        case(
            "domains of Calico",
            "{apiVersion: projectcalico.org/v3, kind: GlobalNetworkPolicy, metadata: {name: p},
             spec: {types: [Egress], egress: [{action: Allow, destination: {domains: [example.org]}}]}}",
            &["--cni", "calico"],
            "192.0.2.7",
        ),
        admin,
    ]);
}
