//! What a change closes, in a real repository: `npcheck lint --new-from` and the hook tell it
//! although the state by itself could be right.

use super::repository::Repository;
use std::fs;

const NAMESPACES: &str = "\
apiVersion: v1
kind: Namespace
metadata: {name: web, labels: {team: front}}
---
apiVersion: v1
kind: Namespace
metadata: {name: shop}
";
const WEB: &str = "\
apiVersion: v1
kind: Pod
metadata: {name: web, namespace: web, labels: {app: web}}
spec: {containers: [{name: web, image: example/web:1, ports: [{containerPort: 80}]}]}
";
const CART: &str = "\
apiVersion: v1
kind: Pod
metadata: {name: cart, namespace: shop, labels: {app: cart}}
spec: {containers: [{name: cart, image: example/cart:1, ports: [{containerPort: 8080}]}]}
";
const DENY: &str = "\
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: default-deny, namespace: shop}
spec: {podSelector: {}, policyTypes: [Ingress]}
";
const ALLOW: &str = "\
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: cart, namespace: shop}
spec:
  podSelector: {matchLabels: {app: cart}}
  policyTypes: [Ingress]
  ingress:
    - from:
        - namespaceSelector: {matchLabels: {team: front}}
          podSelector: {matchLabels: {app: web}}
      ports: [{port: 8080, protocol: TCP}]
";

/// A repository where the web reaches the cart.
fn repository(name: &str) -> Repository {
    let repository = Repository::new(&format!("lost-{name}"));
    let files = [
        ("namespaces.yaml", NAMESPACES),
        ("web.yaml", WEB),
        ("cart.yaml", CART),
        ("deny.yaml", DENY),
        ("allow.yaml", ALLOW),
    ];
    for (file, text) in files {
        repository.write(file, text);
    }
    repository.commit();
    repository
}

/// The places of what is told of a change, from the disk; the hook says the same.
fn told(repository: &Repository) -> Vec<String> {
    let lint = ["lint", "-o", "concise", "--new-from", "HEAD"];
    let of_disk = repository.run(&lint);
    repository.stage();
    let of_hook = repository.run(&[&lint[..], &["--staged"]].concat());
    assert_eq!(of_disk.stdout, of_hook.stdout);
    let lines = of_disk.stdout.lines();
    let lines = lines.filter(|line| line.contains(" flow-lost "));
    lines
        .map(|line| line.split(' ').next().unwrap_or_default().to_owned())
        .collect()
}

#[test]
fn a_change_that_closes_what_a_policy_names_is_told() {
    type Change = fn(&Repository);
    let table: [(&str, Change, &str); 5] = [
        (
            "rule",
            |it| fs::remove_file(it.root.join("allow.yaml")).unwrap(),
            "deny.yaml:3:18:",
        ),
        (
            "namespace",
            |it| {
                it.write(
                    "namespaces.yaml",
                    NAMESPACES.replace("team: front", "team: back"),
                )
            },
            "allow.yaml:9:45:",
        ),
        (
            "labels",
            |it| it.write("web.yaml", WEB.replace("app: web", "app: website")),
            "allow.yaml:10:39:",
        ),
        (
            "workload",
            |it| fs::remove_file(it.root.join("web.yaml")).unwrap(),
            "allow.yaml:10:39:",
        ),
        (
            "port",
            |it| it.write("allow.yaml", ALLOW.replace("port: 8080", "port: 8081")),
            "allow.yaml:3:18:",
        ),
    ];
    for (name, change, expected) in table {
        let repository = repository(name);
        change(&repository);
        assert_eq!(told(&repository), [expected], "{name}");
    }
}

#[test]
fn a_change_that_closes_nothing_is_not_told() {
    let repository = repository("none");
    // The same under another name, in another file, with a label more.
    fs::remove_file(repository.root.join("allow.yaml")).unwrap();
    repository.write(
        "policies/allow.yaml",
        ALLOW.replace("name: cart,", "name: cart-in,"),
    );
    repository.write("web.yaml", WEB.replace("app: web", "app: web, tier: front"));
    assert_eq!(told(&repository), [""; 0]);
}

/// The cart on another port, as it and its Pods are called.
fn moved(port: &str) -> (String, String) {
    (
        CART.replace("containerPort: 8080", port),
        ALLOW.replace(
            "port: 8080",
            &format!("port: {}", port.rsplit(' ').next().unwrap()),
        ),
    )
}

#[test]
fn a_port_that_moves_with_its_rules_is_no_loss() {
    let repository = repository("moved");
    let (cart, allow) = moved("containerPort: 9090");
    repository.write("cart.yaml", &cart);
    assert_eq!(
        told(&repository),
        [""; 0],
        "the rule is not touched, and allows what it did"
    );
    repository.write("allow.yaml", &allow);
    assert_eq!(told(&repository), [""; 0], "both have moved");
    // The pods declare another port beside it: which one has taken its place is not known.
    let two = "containerPort: 9090}, {containerPort: 9091";
    repository.write("cart.yaml", CART.replace("containerPort: 8080", two));
    assert_eq!(told(&repository), ["allow.yaml:3:18:"]);
}

#[test]
fn a_named_port_that_moves_is_no_loss() {
    let repository = repository("moved-name");
    let named = |number: &str| {
        let port = format!("name: http, containerPort: {number}}}, {{containerPort: 7000");
        CART.replace("containerPort: 8080", &port)
    };
    repository.write("cart.yaml", named("8080"));
    repository.write("allow.yaml", ALLOW.replace("port: 8080", "port: http"));
    repository.commit();
    repository.write("cart.yaml", named("8081"));
    assert_eq!(told(&repository), [""; 0]);
    // One that the rule does not follow is one.
    repository.write("allow.yaml", ALLOW.replace("port: 8080", "port: 7001"));
    assert_eq!(told(&repository), ["allow.yaml:3:18:"]);
}

#[test]
fn a_connection_that_several_rules_name_is_told_once() {
    let repository = repository("once");
    let out = "\
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: web, namespace: web}
spec:
  podSelector: {}
  policyTypes: [Egress]
  egress: [{to: [{namespaceSelector: {}, podSelector: {matchLabels: {app: cart}}}]}]
";
    repository.write("out.yaml", out);
    repository.commit();
    fs::remove_file(repository.root.join("allow.yaml")).unwrap();
    assert_eq!(told(&repository), ["deny.yaml:3:18:"]);
    let all = repository.run(&["lint", "-o", "concise", "--new-from", "HEAD"]);
    assert!(!all.stdout.contains("one-sided-flow"), "{}", all.stdout);
}
