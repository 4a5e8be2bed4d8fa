//! Who gets in by which rules, and whether what is told is about the part that is wrong.

use super::whole_trees::{Case, all, check, deployment, namespace, policy, service};
use npcheck::config::Config;
use npcheck::lint::Date;
use npcheck::workspace::Workspace;

/// Who is let in is what the text of the rules says, in whatever field it stands.
#[test]
fn callers_get_in_by_the_rules_that_mean_them() {
    let web = |port: u16| {
        all(&[
            &namespace("shop", ""),
            &deployment("shop", "web", ", ports: [{containerPort: 8080}]"),
            &service("shop", "web", port).replace("port: 80}", "port: 80, targetPort: 8080}"),
            "apiVersion: networking.k8s.io/v1\nkind: Ingress\nmetadata: {name: web, namespace: shop}\nspec: {ingressClassName: traefik, rules: [{http: {paths: [{path: /, pathType: Prefix, backend: {service: {name: web, port: {number: 80}}}}]}}]}\n",
        ])
    };
    let admits = |peer: &str| {
        policy(
            "shop",
            "web",
            &format!(
                "podSelector: {{}}, policyTypes: [Ingress], ingress: [{{from: [{peer}], ports: [{{port: 8080}}]}}]"
            ),
        )
    };
    let with = |policy: &str| vec![("a.yaml", all(&[&web(80), policy]))];
    let blocked: &[&str] = &["entrypoint-blocked `web`"];
    let everybody: Vec<Case<'_>> = vec![
        (
            "every namespace",
            with(&admits("{namespaceSelector: {}}")),
            &[],
        ),
        (
            "every pod",
            with(&admits("{namespaceSelector: {}, podSelector: {}}")),
            &[],
        ),
        (
            "every namespace but some",
            with(&admits(
                "{namespaceSelector: {matchExpressions: [{key: team, operator: DoesNotExist}]}}",
            )),
            &[],
        ),
        (
            "the own namespace",
            with(&admits("{podSelector: {}}")),
            blocked,
        ),
    ];
    check(&everybody, "inventory: complete\n");

    let cilium = |port: u16, namespace: &str| {
        format!(
            "apiVersion: cilium.io/v2\nkind: CiliumNetworkPolicy\nmetadata: {{name: web, namespace: shop}}\nspec:\n  endpointSelector: {{}}\n  ingress: [{{fromEndpoints: [{{matchLabels: {{io.kubernetes.pod.namespace: {namespace}}}}}], toPorts: [{{ports: [{{port: \"{port}\", protocol: TCP}}]}}]}}]\n"
        )
    };
    let of_service: Vec<Case<'_>> = vec![
        ("the port of the pods", with(&cilium(8080, "traefik")), &[]),
        (
            "the port of the Service",
            with(&cilium(80, "traefik")),
            &["cilium-service-port `\"80\"`"],
        ),
        ("another port", with(&cilium(9090, "traefik")), blocked),
    ];
    check(&of_service, "{}");

    let scraped = |peer: &str| {
        let annotations = "annotations: {prometheus.io/scrape: \"true\", prometheus.io/port: \"9000\"}, labels: {app: chat}";
        let chat = deployment(
            "matrix",
            "chat",
            ", ports: [{containerPort: 9000}, {containerPort: 8008}]",
        )
        .replace("labels: {app: chat}", annotations);
        let admits = |name: &str, rule: &str| {
            policy(
                "matrix",
                name,
                &format!("podSelector: {{}}, policyTypes: [Ingress], ingress: [{{{rule}}}]"),
            )
        };
        let prometheus = "from: [{namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: observability}}, podSelector: {matchLabels: {app: prometheus}}}], ports: [{port: 8008}]";
        let other = format!(
            "from: [{{namespaceSelector: {{matchLabels: {{kubernetes.io/metadata.name: kube-system}}}}{peer}}}]"
        );
        vec![(
            "a.yaml",
            all(&[
                &namespace("matrix", ""),
                &namespace("observability", ""),
                &chat,
                &deployment("observability", "prometheus", ""),
                &admits("prometheus", prometheus),
                &admits("other", &other),
            ]),
        )]
    };
    let scrapers: Vec<Case<'_>> = vec![
        (
            "pods of an ingress controller",
            scraped(", podSelector: {matchLabels: {app: traefik}}"),
            &["scrape-blocked `\"9000\"`"],
        ),
        ("pods that may be anybody", scraped(""), &[]),
        (
            "pods of a scraper",
            scraped(", podSelector: {matchLabels: {app: vmagent}}"),
            &[],
        ),
    ];
    check(&scrapers, "{}");
}

/// What findings say of a tree: messages and advice.
fn told(text: &str) -> String {
    let workspace = Workspace::load([("a.yaml", text)], &Config::default());
    let today: Date = "2026-11-27".parse().expect("a date");
    let report = workspace.lint(today);
    let findings = report.findings.iter();
    let texts = findings.map(|it| format!("{}; {}", it.message, it.help.as_deref().unwrap_or("")));
    texts.collect::<Vec<String>>().join("\n")
}

#[test]
fn what_is_told_is_about_the_part_that_is_wrong() {
    let spec = |lan: &str| {
        format!(
            "podSelector: {{matchLabels: {{app: a}}}}, policyTypes: [Egress], egress: [{{to: [{{ipBlock: {{cidr: 0.0.0.0/0, except: [10.0.0.0/8]}}}}], ports: [{{port: 443}}, {{port: 9000}}]}}, {{to: [{{ipBlock: {{cidr: 10.0.0.0/8}}}}], ports: [{lan}]}}]"
        )
    };
    let some = told(&policy("shop", "a", &spec("{port: 9617}, {port: 9000}")));
    assert!(some.contains("keep 10.0.0.0/8 away on TCP 9000:"), "{some}");
    let every = told(&policy("shop", "a", &spec("{port: 443}, {port: 9000}")));
    assert!(every.contains("keep 10.0.0.0/8 away:"), "{every}");

    let spec = |peers: &str| {
        format!(
            "podSelector: {{matchLabels: {{app: api}}}}, policyTypes: [Egress], egress: [{{to: [{peers}], ports: [{{port: 5432}}]}}]"
        )
    };
    let shop = |peers: &str| {
        all(&[
            &deployment("shop", "api", ""),
            &deployment("shop", "db", ""),
            &policy("shop", "deny", "podSelector: {}, policyTypes: [Ingress]"),
            &policy("shop", "api", &spec(peers)),
        ])
    };
    let db = "{podSelector: {matchLabels: {app: db}}}";
    let alone = told(&shop(db));
    assert!(alone.contains("or delete this rule"), "{alone}");
    let beside = told(&shop(&format!("{{ipBlock: {{cidr: 192.0.2.0/24}}}}, {db}")));
    assert!(beside.contains("or delete this peer"), "{beside}");
}
