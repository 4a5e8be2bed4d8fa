//! Questions that lead through a Service: by its address, and from the internet by whoever
//! brings it in.

use super::program::{run, scratch, write};
use std::path::PathBuf;

const SHOP: &str = "
{apiVersion: v1, kind: Namespace, metadata: {name: shop}}
---
{apiVersion: v1, kind: Namespace, metadata: {name: ingress-nginx}}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: controller, namespace: ingress-nginx}
spec:
  selector: {matchLabels: {app.kubernetes.io/name: ingress-nginx}}
  template:
    metadata: {labels: {app.kubernetes.io/name: ingress-nginx}}
    spec: {containers: [{name: c, image: i}]}
---
{apiVersion: v1, kind: Pod, metadata: {name: web, namespace: shop, labels: {app: web}},
 spec: {containers: [{name: c, ports: [{name: http, containerPort: 3000}]}]}}
---
{apiVersion: v1, kind: Service, metadata: {name: web, namespace: shop},
 spec: {clusterIP: 10.96.0.77, selector: {app: web}, ports: [{port: 80, targetPort: http}]}}
---
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: {name: web, namespace: shop}
spec:
  ingressClassName: nginx
  rules: [{http: {paths: [{path: /, pathType: Prefix, backend: {service: {name: web, port: {number: 80}}}}]}}]
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: web, namespace: shop}
spec:
  podSelector: {matchLabels: {app: web}}
  policyTypes: [Ingress]
  ingress:
  - from: [{namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: ingress-nginx}}}]
    ports: [{port: http}]
";

fn shop(name: &str) -> PathBuf {
    let directory = scratch(&format!("services-asked-{name}"));
    write(&directory, "all.yaml", SHOP);
    directory
}

#[test]
fn the_entrance_is_asked_for_the_port_of_the_pods() {
    let directory = shop("entrance");
    let said = |arguments: &[&str]| {
        let output = run(&directory, &[&["reach", "internet"], arguments].concat()).stdout;
        let line = output
            .lines()
            .find(|line| line.contains("gets here through"));
        let line = line.unwrap_or_else(|| panic!("{output}")).to_owned();
        let state = line
            .rsplit_once("which is ")
            .expect("it says what it is")
            .1
            .to_owned();
        (state, output.contains("smallest change"))
    };
    let open = |state: &str| (state.to_owned(), false);
    assert_eq!(said(&["shop/web"]), open("allowed on TCP 3000"));
    assert_eq!(said(&["shop/web", "-p", "3000"]), open("allowed"));
    assert_eq!(said(&["shop/svc/web", "-p", "80"]), open("allowed"));
    assert_eq!(
        said(&["shop/web", "-p", "9"]),
        ("blocked too".to_owned(), true)
    );
}

#[test]
fn the_address_of_a_service_leads_to_its_pods() {
    let directory = shop("address");
    let asked = |end: &str, port: &str| {
        let output = run(
            &directory,
            &["reach", "ingress-nginx/controller", end, "-p", port],
        );
        let mut lines = output
            .stdout
            .lines()
            .filter(|line| !line.starts_with("note:"));
        let first = lines.next().unwrap_or_default().to_owned();
        (output.status, first, output.stdout, output.stderr)
    };
    let (status, first, ..) = asked("10.96.0.77", "80");
    assert_eq!(status, 0);
    assert!(
        first.starts_with("ALLOWED") && first.contains("shop/Pod/web  TCP 3000"),
        "{first}"
    );
    let (_, _, stdout, stderr) = asked("10.96.0.77", "80");
    let note = "10.96.0.77 is the address of the Service `shop/web`";
    assert!(
        stdout.contains(note) || stderr.contains(note),
        "{stdout}{stderr}"
    );
    // Another address of the range is outside.
    let (_, first, ..) = asked("10.96.0.78", "80");
    assert!(first.contains("10.96.0.78"), "{first}");
}
