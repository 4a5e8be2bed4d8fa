//! Clusters of any size, the same for the same profile: namespaces of teams, apps of a few
//! replicas, and the policies that people write for them. Written as manifests and read
//! as such, so that nothing is known of how objects are kept.

use npcheck::k8s::Object;
use npcheck::manifest;
use npcheck::source::SourceMap;
use std::fmt::{self, Write};

/// How large a cluster is.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Profile {
    name: &'static str,
    namespaces: usize,
    pods: usize,
    policies: usize,
}

impl Profile {
    pub(crate) const MEDIUM: Self = Self {
        name: "medium",
        namespaces: 100,
        pods: 10_000,
        policies: 2_000,
    };
    pub(crate) const LARGE: Self = Self {
        name: "large",
        namespaces: 500,
        pods: 100_000,
        policies: 10_000,
    };
    /// Without locality: whatever is done by namespace is done for everything.
    pub(crate) const FLAT: Self = Self {
        name: "flat",
        namespaces: 5,
        pods: 10_000,
        policies: 10_000,
    };

    /// The cluster's objects.
    pub(crate) fn objects(&self) -> Vec<Object> {
        let mut random = Random(42);
        let mut text = String::new();
        let apps = (self.pods / REPLICAS / self.namespaces).max(1);
        for namespace in 0..self.namespaces {
            write_namespace(&mut text, &mut random, namespace);
            for app in 0..apps {
                write_app(&mut text, &mut random, namespace, app);
            }
            for policy in 0..self.policies / self.namespaces {
                let other = random.below(self.namespaces);
                write_policy(&mut text, &mut random, (namespace, other), apps, policy);
            }
        }
        let mut sources = SourceMap::default();
        let source = sources.add(self.name, text);
        let parsed = manifest::read(source, "synthetic.yaml", sources.get(source).text());
        assert!(
            parsed.diagnostics.is_empty(),
            "{:?}",
            parsed.diagnostics.first()
        );
        parsed.objects
    }
}

impl fmt::Display for Profile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name)
    }
}

pub(crate) fn is_policy(object: &Object) -> bool {
    matches!(object, Object::NetworkPolicy(_))
}

const REPLICAS: usize = 5;
const TEAMS: usize = 20;
const TIERS: [&str; 4] = ["frontend", "backend", "database", "queue"];
const PORTS: [u16; 5] = [8080, 8443, 5432, 6379, 9000];

struct Random(u64);

impl Random {
    fn below(&mut self, end: usize) -> usize {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % end
    }
}

fn write_namespace(text: &mut String, random: &mut Random, namespace: usize) {
    let (team, env) = (namespace % TEAMS, ["prod", "dev"][random.below(2)]);
    document(
        text,
        &format!(
            "{{apiVersion: v1, kind: Namespace, metadata: {{name: ns-{namespace}, labels: {{team: t{team}, env: {env}}}}}}}"
        ),
    );
}

fn write_app(text: &mut String, random: &mut Random, namespace: usize, app: usize) {
    let (tier, port) = (TIERS[random.below(4)], PORTS[random.below(5)]);
    let host = if random.below(100) == 0 {
        "hostNetwork: true, "
    } else {
        ""
    };
    for replica in 0..REPLICAS {
        let [a, b, c] = [namespace % 200, app % 250, replica + random.below(200)];
        document(
            text,
            &format!(
                "{{apiVersion: v1, kind: Pod, metadata: {{name: app-{app}-{replica}, namespace: ns-{namespace}, \
             labels: {{app: app-{app}, tier: {tier}, version: v{app}, pod-template-hash: h{namespace}x{app}}}}}, \
             spec: {{{host}containers: [{{name: main, ports: [{{name: http, containerPort: {port}}}, \
             {{name: metrics, containerPort: 9090}}]}}]}}, status: {{podIP: 10.{a}.{b}.{c}}}}}"
            ),
        );
    }
}

/// A policy of one namespace that may speak of another one.
fn write_policy(
    text: &mut String,
    random: &mut Random,
    (namespace, other): (usize, usize),
    apps: usize,
    number: usize,
) {
    let mut app = || {
        format!(
            "podSelector: {{matchLabels: {{app: app-{}}}}}",
            random.below(apps)
        )
    };
    let (subject, peer) = (app(), app());
    let everything = "podSelector: {}".to_owned();
    let port = PORTS[random.below(5)];
    let ports = format!("ports: [{{port: {port}}}]");
    let in_other =
        format!("namespaceSelector: {{matchLabels: {{kubernetes.io/metadata.name: ns-{other}}}}}");
    let in_team = format!(
        "namespaceSelector: {{matchLabels: {{team: t{}}}}}",
        other % TEAMS
    );
    let tier = TIERS[random.below(4)];
    let (selector, rules) = match (number, random.below(20)) {
        (0, _) => (everything, "policyTypes: [Ingress, Egress]".to_owned()),
        (1, _) => (everything, "egress: [{to: [{namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: ns-0}}, podSelector: {matchLabels: {app: app-0}}}], ports: [{port: 53, protocol: UDP}, {port: 53}]}]".to_owned()),
        (2, _) => (everything, format!("ingress: [{{from: [{{{in_other}}}], ports: [{{port: metrics}}]}}]")),
        (_, 0..8) => (subject, format!("ingress: [{{from: [{{{peer}}}], {ports}}}]")),
        (_, 8..10) => (subject, format!("ingress: [{{from: [{{{peer}}}], ports: [{{port: http}}]}}]")),
        (_, 10..12) => (subject, format!("ingress: [{{from: [{{{in_other}, {peer}}}], {ports}}}]")),
        (_, 12..14) => (subject, format!("egress: [{{to: [{{{in_other}, {peer}}}], {ports}}}]")),
        (_, 14) => (subject, format!("ingress: [{{from: [{{{in_team}}}], {ports}}}]")),
        (_, 15) => (subject, format!("egress: [{{to: [{{ipBlock: {{cidr: 0.0.0.0/0, except: [10.0.0.0/8, 172.16.0.0/12]}}}}], {ports}}}]")),
        (_, 16) => (subject, format!("egress: [{{to: [{{ipBlock: {{cidr: 10.{}.0.0/16}}}}], {ports}}}]", other % 200)),
        (_, 17) => (format!("podSelector: {{matchLabels: {{tier: {tier}}}}}"), format!("ingress: [{{from: [{{podSelector: {{matchExpressions: [{{key: tier, operator: NotIn, values: [database]}}]}}}}], {ports}}}]")),
        (_, 18) => (subject, format!("ingress: [{{from: [{{namespaceSelector: {{}}}}], {ports}}}]")),
        _ => (subject, "ingress: [{}]".to_owned()),
    };
    document(
        text,
        &format!(
            "{{apiVersion: networking.k8s.io/v1, kind: NetworkPolicy, metadata: {{name: p-{number}, namespace: ns-{namespace}}}, \
         spec: {{{selector}, {rules}}}}}"
        ),
    );
}

fn document(text: &mut String, document: &str) {
    writeln!(text, "---\n{document}").expect("a string can be written to");
}
