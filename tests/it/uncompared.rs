//! What `npcheck diff` says of changes that no verdict between pods and addresses shows: names
//! of the DNS, rules above the ports, policies that are not judged.

use super::program::{Run, run, scratch, write};

const POD: &str = "
{apiVersion: v1, kind: Namespace, metadata: {name: shop}}
---
{apiVersion: v1, kind: Pod, metadata: {name: web, namespace: shop, labels: {app: web}}, spec: {containers: [{name: c}]}}
---
";

/// Compares two states of one file.
fn diff(name: &str, [before, after]: [&str; 2], arguments: &[&str]) -> Run {
    let directory = scratch(&format!("uncompared-{name}"));
    for (state, text) in [("before", before), ("after", after)] {
        write(
            &directory,
            &format!("{state}/all.yaml"),
            format!("{POD}{text}"),
        );
    }
    run(
        &directory,
        &[&["diff", "before", "after"], arguments].concat(),
    )
}

fn cilium(egress: &str) -> String {
    format!(
        "{{apiVersion: cilium.io/v2, kind: CiliumNetworkPolicy, metadata: {{name: p, namespace: shop}},
          spec: {{endpointSelector: {{}}, egress: [{egress}]}}}}"
    )
}

fn to_names(names: &str, port: u16) -> String {
    cilium(&format!(
        "{{toFQDNs: [{names}], toPorts: [{{ports: [{{port: '{port}', protocol: TCP}}]}}]}}"
    ))
}

#[test]
fn names_that_rules_allow_are_compared() {
    let one = to_names("{matchName: api.example.org}", 443);
    let all = to_names("{matchPattern: '*'}", 443);
    let other_port = to_names("{matchName: api.example.org}", 22);
    let pattern = to_names("{matchPattern: '*.example.org'}", 443);
    let both = to_names(
        "{matchName: api.example.org}, {matchName: b.example.org}",
        443,
    );
    let web = "shop/Pod/web -> ";
    let cases = [
        (
            "wider",
            [&one, &all],
            vec![format!("opened: {web}fqdn:*  TCP 443")],
        ),
        (
            "narrower",
            [&all, &one],
            vec![format!("closed: {web}fqdn:*  TCP 443")],
        ),
        (
            "pattern",
            [&one, &pattern],
            vec![format!("opened: {web}fqdn:*.example.org  TCP 443")],
        ),
        (
            "port",
            [&one, &other_port],
            vec![
                format!("opened: {web}fqdn:api.example.org  TCP 22"),
                format!("closed: {web}fqdn:api.example.org  TCP 443"),
            ],
        ),
        (
            "new",
            [&one, &both],
            vec![format!("opened: {web}fqdn:b.example.org  TCP 443")],
        ),
        (
            "gone",
            [&both, &one],
            vec![format!("closed: {web}fqdn:b.example.org  TCP 443")],
        ),
    ];
    for (name, [before, after], expected) in cases {
        let states = [before.as_str(), after.as_str()];
        let found = diff(name, states, &[]);
        let lines: Vec<&str> = found
            .stdout
            .lines()
            .filter(|line| line.contains("fqdn:"))
            .collect();
        assert_eq!(lines, expected, "{name}: {}", found.stdout);
        assert_eq!(found.status, 1, "{name}: {}", found.stdout);
        let narrower = diff(name, states, &["--expect", "narrower"]).status;
        let opens = expected.iter().any(|line| line.starts_with("opened"));
        assert_eq!(narrower == 0, !opens, "{name}");
    }
    assert_eq!(diff("same", [&one, &one], &[]).status, 0);
}

#[test]
fn what_opens_for_all_outside_is_not_said_of_each_name() {
    let one = to_names("{matchName: api.example.org}", 443);
    let found = diff("isolated", ["", &one], &[]);
    assert!(!found.stdout.contains("fqdn:"), "{}", found.stdout);
    assert_eq!(found.status, 1, "{}", found.stdout);
}

#[test]
fn a_change_of_what_is_not_compared_is_an_open_question() {
    let ports = |rules: &str| {
        cilium(&format!(
            "{{toEndpoints: [{{}}], toPorts: [{{ports: [{{port: '80', protocol: TCP}}]{rules}}}]}}"
        ))
    };
    let istio = |action: &str| {
        format!(
            "{{apiVersion: security.istio.io/v1, kind: AuthorizationPolicy, metadata: {{name: p, namespace: shop}},
              spec: {{action: {action}, rules: [{{}}]}}}}"
        )
    };
    let firewall = |name: &str| {
        format!(
            "{{apiVersion: k8s.ovn.org/v1, kind: EgressFirewall, metadata: {{name: default, namespace: shop}},
              spec: {{egress: [{{type: Deny, to: {{dnsName: {name}}}}}]}}}}"
        )
    };
    let filled_in = |block: &str| {
        format!(
            "{{apiVersion: networking.k8s.io/v1, kind: NetworkPolicy, metadata: {{name: p, namespace: shop}},
              spec: {{podSelector: {{}}, ingress: [{{from: [{{ipBlock: {{cidr: '{block}'}}}}]}}]}}}}"
        )
    };
    let group = |name: &str| cilium(&format!("{{toCIDRSet: [{{cidrGroupRef: {name}}}]}}"));
    let get = ", rules: {http: [{method: GET}]}";
    let cases = [
        ("layer 7", [ports(get), ports("")], "rules above the ports"),
        (
            "istio",
            [istio("DENY"), istio("ALLOW")],
            "rules that are not evaluated",
        ),
        (
            "firewall",
            [firewall("a.example.org"), firewall("b.example.org")],
            "names of the DNS",
        ),
        (
            "filled in",
            [filled_in("${A}"), filled_in("${B}")],
            "what another tool fills in",
        ),
        (
            "group",
            [group("one"), group("two")],
            "groups that no manifest declares",
        ),
    ];
    for (name, [before, after], what) in cases {
        let found = diff(name, [&before, &after], &[]);
        let is_said = found
            .stdout
            .lines()
            .any(|line| line.starts_with("unknown:") && line.contains(what));
        assert!(is_said, "{name}: {}", found.stdout);
        assert_eq!(found.status, 2, "{name}: {}", found.stdout);
        assert!(
            !found.stdout.contains("same connectivity  "),
            "{name}: {}",
            found.stdout
        );
        // Another order of fields, and other metadata, is no change.
        let moved = before.replacen("name: p,", "labels: {a: b}, name: p,", 1);
        let found = diff(name, [&before, &moved], &[]);
        assert!(!found.stdout.contains(what), "{name}: {}", found.stdout);
    }
}
