//! Which platform is recognised by which manifests, and what follows for the pods that
//! policies see.

use super::program::{run, scratch, write};
use npcheck::cluster::Cluster;
use npcheck::manifest;
use npcheck::source::SourceMap;

fn cluster(text: &str) -> Cluster {
    let mut sources = SourceMap::default();
    let source = sources.add("a.yaml", text);
    Cluster::new(manifest::read(source, "a.yaml", text).objects)
}

fn recognised(text: &str) -> String {
    let cluster = cluster(text);
    let evidence = cluster.platform().evidence().iter();
    let words = evidence.map(|it| format!("{}: {}", it.distribution.word(), it.by.join(", ")));
    words.collect::<Vec<_>>().join("; ")
}

const NAMESPACE: &str =
    "{apiVersion: v1, kind: Namespace, metadata: {name: openshift-shop}}\n---\n";
const ROUTE: &str = "{apiVersion: route.openshift.io/v1, kind: Route, \
    metadata: {name: web, namespace: shop}, spec: {to: {kind: Service, name: w}}}\n---\n";
const NETWORK: &str =
    "{apiVersion: config.openshift.io/v1, kind: Network, metadata: {name: cluster}}\n---\n";
const KIND: &str = "{apiVersion: kind.x-k8s.io/v1alpha4, kind: Cluster}\n---\n";
const ACCOUNT: &str = "{apiVersion: v1, kind: ServiceAccount, metadata: {name: s3, \
    annotations: {eks.amazonaws.com/role-arn: x}}}\n---\n";
const PROJECT: &str = "{apiVersion: v1, kind: Namespace, metadata: {name: shop, \
    labels: {field.cattle.io/projectId: p-1}}}\n---\n";

#[test]
fn one_name_of_a_namespace_is_no_platform() {
    for (texts, expected) in [
        (vec![NAMESPACE], ""),
        (vec![ROUTE], ""),
        (
            vec![NAMESPACE, ROUTE],
            "openshift: namespace `openshift-shop`, shop/Route/web",
        ),
        (
            vec![NETWORK],
            "openshift: Network/cluster of config.openshift.io",
        ),
        (vec![NAMESPACE, KIND], "kind: Cluster/ of kind.x-k8s.io"),
        (vec![ACCOUNT], "eks: `eks.amazonaws.com/role-arn` of `s3`"),
        (
            vec![PROJECT],
            "rancher: `field.cattle.io/projectId` of `shop`",
        ),
    ] {
        assert_eq!(recognised(&texts.concat()), expected);
    }
}

#[test]
fn the_order_of_the_files_does_not_show() {
    let texts = [NAMESPACE, ROUTE, NETWORK, ACCOUNT];
    let forwards: String = texts.concat();
    let backwards: String = texts.iter().rev().copied().collect();
    assert_eq!(recognised(&forwards), recognised(&backwards));
}

#[test]
fn usual_ranges_are_those_of_one_distribution() {
    let of = |texts: &[&str]| {
        let cluster = cluster(&texts.concat());
        let ranges = cluster.platform().ranges()?;
        Some(ranges.services?.to_string())
    };
    assert_eq!(of(&[NETWORK]), Some("172.30.0.0/16".to_owned()));
    assert_eq!(of(&[NETWORK, PROJECT]), Some("172.30.0.0/16".to_owned()));
    assert_eq!(of(&[NETWORK, KIND]), None);
    assert_eq!(of(&[]), None);
}

#[test]
fn policies_see_the_labels_of_injectors() {
    let text = "
apiVersion: v1
kind: Namespace
metadata: {name: shop, labels: {istio-injection: enabled}}
---
apiVersion: v1
kind: Pod
metadata: {name: web, namespace: shop, labels: {app: front}}
---
apiVersion: v1
kind: Pod
metadata: {name: node, namespace: shop, labels: {app: node}}
spec: {hostNetwork: true}
";
    let cluster = cluster(text);
    let labels: Vec<Option<&str>> = cluster
        .workloads()
        .iter()
        .map(|workload| {
            workload
                .object
                .labels
                .get("service.istio.io/canonical-name")
        })
        .collect();
    assert_eq!(labels, [None, Some("front")]);
}

#[test]
fn the_configuration_shows_what_was_recognised_and_goes_before_it() {
    let directory = scratch("platform");
    write(
        &directory,
        "k8s/network.yaml",
        NETWORK.trim_end_matches("---\n"),
    );
    let shown = run(&directory, &["config", "k8s"]);
    assert_eq!(shown.status, 0, "{shown:?}");
    let line = "# platform.distributions: openshift  # Network/cluster of config.openshift.io\n";
    assert!(shown.stdout.contains(line), "{}", shown.stdout);
    assert!(
        shown
            .stdout
            .contains("# enforcement.ipBlockMatchesPods: true")
    );
    write(
        &directory,
        "npcheck.yaml",
        "platform: {distributions: [k3s, rke2]}\n",
    );
    let shown = run(&directory, &["config", "k8s"]);
    let line = "# platform.distributions: k3s  # the configuration\n";
    assert!(shown.stdout.contains(line), "{}", shown.stdout);
    assert!(!shown.stdout.contains("openshift  #"), "{}", shown.stdout);
    write(
        &directory,
        "npcheck.yaml",
        "platform: {distributions: [openshfit]}\n",
    );
    let refused = run(&directory, &["config", "k8s"]);
    assert_eq!(refused.status, 2, "{refused:?}");
    assert!(refused.stderr.contains("openshift"), "{}", refused.stderr);
}

#[test]
fn a_pod_that_the_platform_runs_is_taken_to_exist() {
    let directory = scratch("platform-expected");
    let policy = "
apiVersion: v1
kind: Pod
metadata: {name: web, namespace: shop, labels: {app: web}}
---
apiVersion: postgresql.cnpg.io/v1
kind: Cluster
metadata: {name: main, namespace: shop}
spec: {instances: 3}
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: dns, namespace: shop}
spec:
  podSelector: {}
  policyTypes: [Egress]
  egress:
    - to:
        - namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: kube-system}}
          podSelector: {matchLabels: {k8s-app: kube-dns}}
      ports: [{protocol: UDP, port: 53}]
";
    write(&directory, "k8s.yaml", policy);
    for (end, status, says) in [
        (
            "kube-system/k8s-app=kube-dns",
            0,
            "taken to exist, as CoreDNS does in most clusters, with the labels k8s-app=kube-dns; \
             it listens on UDP 53, TCP 53, TCP 9153",
        ),
        (
            "shop/cnpg.io/cluster=main",
            1,
            "taken to exist, as the operator makes it of Cluster/main",
        ),
        (
            "kube-system/app=other",
            1,
            "taken to exist, with these labels",
        ),
        ("shop/app=wbe", 2, "no pod has the labels"),
        ("nowhere/app=web", 2, "no namespace `nowhere`"),
    ] {
        let answer = run(&directory, &["reach", "shop/web", end, "-p", "53/udp", "."]);
        assert_eq!(answer.status, status, "{end}: {answer:?}");
        let said = format!("{}{}", answer.stdout, answer.stderr);
        assert!(said.contains(says), "{end}: {said}");
    }
}

#[test]
fn a_rule_for_the_resolver_is_written_only_where_it_is_known_which_one() {
    const SCC: &str = "{apiVersion: security.openshift.io/v1, kind: SecurityContextConstraints, \
        metadata: {name: web}}\n---\n";
    const BINDING: &str = "{apiVersion: rbac.authorization.k8s.io/v1, kind: RoleBinding, \
        metadata: {name: web, namespace: shop}, \
        roleRef: {kind: ClusterRole, name: 'system:openshift:scc:anyuid'}}\n---\n";
    const TOPOLOGY: &str = "{apiVersion: apps/v1, kind: Deployment, metadata: {name: web, \
        namespace: shop, labels: {app.openshift.io/runtime: go}}}\n---\n";
    const DEPLOYMENT_CONFIG: &str = "{apiVersion: apps.openshift.io/v1, kind: DeploymentConfig, \
        metadata: {name: web, namespace: shop}}\n---\n";
    const IMAGE: &str = "{apiVersion: v1, kind: Pod, metadata: {name: web, namespace: shop}, \
        spec: {containers: [{name: main, \
        image: 'image-registry.openshift-image-registry.svc:5000/shop/web'}]}}\n---\n";
    const POLICY: &str = "
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: web, namespace: shop}
spec:
  podSelector: {}
  policyTypes: [Egress]
  egress:
    - to:
        - podSelector: {matchLabels: {app: db}}
      ports: [{protocol: TCP, port: 5432}]
";
    let usual = Some("kube-system");
    let openshift = Some("openshift-dns");
    for (number, (signs, expected)) in [
        (vec![], usual),
        (vec![ROUTE], None),
        (vec![SCC], None),
        (vec![NAMESPACE], None),
        (vec![BINDING], None),
        (vec![TOPOLOGY], None),
        (vec![DEPLOYMENT_CONFIG], None),
        (vec![IMAGE], None),
        (vec![ROUTE, SCC], openshift),
        (vec![ROUTE, BINDING], openshift),
        (vec![DEPLOYMENT_CONFIG, NAMESPACE], openshift),
        // What says that it is another one outweighs a hint.
        (vec![ROUTE, KIND], usual),
    ]
    .into_iter()
    .enumerate()
    {
        let directory = scratch(&format!("platform-resolver-{number}"));
        write(
            &directory,
            "k8s.yaml",
            format!("{}{POLICY}", signs.concat()),
        );
        let shown = run(&directory, &["lint", "--fix=widening", "--diff", "."]);
        let added: Vec<&str> = (shown.stdout.lines())
            .filter(|line| line.starts_with('+'))
            .filter_map(|line| line.split_once("kubernetes.io/metadata.name: "))
            .map(|(_, namespace)| namespace)
            .collect();
        assert_eq!(added, Vec::from_iter(expected), "{signs:?}: {shown:?}");
        let told = run(&directory, &["lint", "--show", "info", "."]).stdout;
        assert!(told.contains("cannot resolve names"), "{signs:?}: {told}");
        let names_openshift = told.contains("`openshift-dns`");
        assert_eq!(names_openshift, expected != usual, "{signs:?}: {told}");
    }
}
