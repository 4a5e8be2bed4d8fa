//! What is said of whole trees: what stands beside what is deployed, what charts bring, and
//! which of several findings stand for themselves.

use npcheck::config::Config;
use npcheck::diagnostic::{Diagnostic, Severity};
use npcheck::lint::Date;
use npcheck::workspace::Workspace;

/// The warnings and errors of a tree, each as its rule and the text that it underlines; `fix`
/// behind those that have one.
fn findings(files: &[(&str, String)], options: &str) -> Vec<String> {
    let config = Config::read(options, &[]).expect("it is a configuration");
    let workspace = Workspace::load(files.iter().cloned(), &config);
    let today: Date = "2026-11-27".parse().expect("a date");
    let report = workspace.lint(today);
    let counts = |finding: &&Diagnostic| finding.severity > Severity::Info;
    let describe = |finding: &Diagnostic| {
        let text = workspace.sources().text(finding.primary.span);
        let fix = finding.fix.as_ref().map_or("", |_| " fix");
        format!("{} `{text}`{fix}", finding.rule)
    };
    report
        .findings
        .iter()
        .filter(counts)
        .map(describe)
        .collect()
}

/// A case: what it is about, its files, and what is found.
pub(super) type Case<'c> = (&'c str, Vec<(&'c str, String)>, &'c [&'c str]);

pub(super) fn check(cases: &[Case<'_>], options: &str) {
    let mut wrong = Vec::new();
    for (title, files, expected) in cases {
        let found = findings(files, options);
        if found != *expected {
            wrong.push(format!("{title}: {found:#?}, not {expected:#?}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Several documents in one text.
pub(super) fn all(documents: &[&str]) -> String {
    documents.join("---\n")
}

fn application(name: &str, source: &str, more: &str) -> String {
    format!(
        "apiVersion: argoproj.io/v1alpha1\nkind: Application\nmetadata: {{name: {name}, namespace: argocd}}\nspec:\n  {source}\n{more}"
    )
}

fn destination(namespace: &str) -> String {
    format!(
        "  destination: {{server: https://kubernetes.default.svc, namespace: {namespace}}}\n  syncPolicy: {{syncOptions: [CreateNamespace=true]}}\n"
    )
}

/// A Deployment whose pods have the label `app` with its name.
pub(super) fn deployment(namespace: &str, name: &str, container: &str) -> String {
    format!(
        "apiVersion: apps/v1\nkind: Deployment\nmetadata: {{name: {name}, namespace: {namespace}}}\nspec:\n  selector: {{matchLabels: {{app: {name}}}}}\n  template:\n    metadata: {{labels: {{app: {name}}}}}\n    spec: {{containers: [{{name: c, image: x{container}}}]}}\n"
    )
}

pub(super) fn namespace(name: &str, labels: &str) -> String {
    format!("apiVersion: v1\nkind: Namespace\nmetadata: {{name: {name}, labels: {{{labels}}}}}\n")
}

pub(super) fn service(namespace: &str, name: &str, port: u16) -> String {
    format!(
        "apiVersion: v1\nkind: Service\nmetadata: {{name: {name}, namespace: {namespace}}}\nspec: {{selector: {{app: {name}}}, ports: [{{port: {port}}}]}}\n"
    )
}

pub(super) fn policy(namespace: &str, name: &str, spec: &str) -> String {
    format!(
        "apiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata: {{name: {name}, namespace: {namespace}}}\nspec: {{{spec}}}\n"
    )
}

/// A shop whose policy has a slip: `webb` for `web`.
fn shop() -> String {
    all(&[
        &namespace("shop", ""),
        &deployment("shop", "web", ""),
        &policy(
            "shop",
            "web",
            "podSelector: {matchLabels: {app: webb}}, policyTypes: [Ingress], ingress: []",
        ),
    ])
}

/// Roots that build nothing of a tree make none of it undeployed.
#[test]
fn what_is_taken_from_elsewhere_leaves_the_tree_as_it_is() {
    let chart = |server: &str| {
        let source =
            "source: {repoURL: 'https://charts.example.org', chart: stack, targetRevision: 9.0.0}";
        let destination =
            destination("monitoring").replace("https://kubernetes.default.svc", server);
        application("stack", source, &destination)
    };
    let own = chart("https://kubernetes.default.svc");
    let other = chart("https://prod.example.org");
    let elsewhere = application(
        "stack",
        "source: {repoURL: 'https://git.example.org/x/y.git', path: deploy/stack}",
        &destination("monitoring"),
    );
    let set = "apiVersion: argoproj.io/v1alpha1\nkind: ApplicationSet\nmetadata: {name: s, namespace: argocd}\nspec:\n  generators: [{list: {elements: [{chart: a}, {chart: b}]}}]\n  template:\n    metadata: {name: '{{chart}}'}\n    spec: {source: {repoURL: 'https://charts.example.org', chart: '{{chart}}'}, destination: {server: 'https://kubernetes.default.svc', namespace: '{{chart}}'}}\n".to_owned();
    let list = "resources: [stack.yaml, shop.yaml]\n".to_owned();
    let slip: &[&str] = &["unmatched-pod-selector `app: webb` fix"];
    let in_tree = application("apps", "source: {path: apps}", &destination("apps"));
    let cases: Vec<Case<'_>> = vec![
        (
            "a chart",
            vec![
                ("argocd/stack.yaml", own.clone()),
                ("k8s/shop.yaml", shop()),
            ],
            slip,
        ),
        (
            "in one folder",
            vec![("stack.yaml", own.clone()), ("shop.yaml", shop())],
            slip,
        ),
        (
            "in one file",
            vec![("all.yaml", all(&[&own, &shop()]))],
            slip,
        ),
        (
            "for another cluster",
            vec![
                ("argocd/stack.yaml", other.clone()),
                ("argocd/shop.yaml", shop()),
            ],
            slip,
        ),
        (
            "a path of another repository",
            vec![("argocd/stack.yaml", elsewhere), ("k8s/shop.yaml", shop())],
            slip,
        ),
        (
            "a set of charts",
            vec![("argocd/set.yaml", set), ("k8s/shop.yaml", shop())],
            slip,
        ),
        (
            "in one kustomization",
            vec![
                ("kustomization.yaml", list.clone()),
                ("stack.yaml", own.clone()),
                ("shop.yaml", shop()),
            ],
            slip,
        ),
        (
            "in one kustomization with an Application of this tree",
            vec![
                ("kustomization.yaml", list),
                ("stack.yaml", in_tree.clone()),
                ("shop.yaml", shop()),
                ("apps/pod.yaml", deployment("apps", "web", "")),
            ],
            slip,
        ),
        (
            "beside an Application of this tree, the shop is judged apart",
            vec![
                ("argocd/stack.yaml", own),
                ("argocd/apps.yaml", in_tree),
                ("k8s/shop.yaml", shop()),
                ("apps/pod.yaml", deployment("apps", "web", "")),
            ],
            slip,
        ),
    ];
    check(&cases, "{}");
}

/// A chart that nobody rendered brings pods into the namespace of its destination.
#[test]
fn the_pods_of_a_chart_are_not_missed() {
    let both = "sources:\n  - {repoURL: 'https://charts.example.org', chart: argo-cd, helm: {valueFiles: [$values/v.yaml]}}\n  - {repoURL: 'https://git.example.org/x/y.git', ref: values}";
    let one = "source: {repoURL: 'https://charts.example.org', chart: argo-cd}";
    let peer = |key: &str| {
        policy(
            "argocd",
            "redis",
            &format!(
                "podSelector: {{matchLabels: {{app: proxy}}}}, policyTypes: [Ingress], ingress: [{{from: [{{podSelector: {{matchLabels: {{{key}}}}}}}]}}]"
            ),
        )
    };
    let config = application("config", "source: {path: m}", &destination("argocd"));
    let proxy = deployment("argocd", "proxy", "");
    let tree = |source: &str, key: &str| {
        vec![
            (
                "apps/chart.yaml",
                application("argocd", source, &destination("argocd")),
            ),
            ("apps/config.yaml", config.clone()),
            ("m/all.yaml", all(&[&proxy, &peer(key)])),
        ]
    };
    let name = "app.kubernetes.io/name: argocd-server";
    let cases: Vec<Case<'_>> = vec![
        ("one source", tree(one, name), &[]),
        ("several sources", tree(both, name), &[]),
        (
            "a label of another key",
            tree(both, "app.kubernetes.io/name: proxy"),
            &[],
        ),
        (
            "a label of another key beside one source",
            tree(one, "app.kubernetes.io/name: proxy"),
            &[],
        ),
        (
            "a slip is one all the same",
            tree(both, "app: prxoy"),
            &["unmatched-peer-selector `app: prxoy` fix"],
        ),
    ];
    check(&cases, "{}");

    let release = "apiVersion: helm.toolkit.fluxcd.io/v2\nkind: HelmRelease\nmetadata: {name: argo-cd, namespace: argocd}\nspec: {chart: {spec: {chart: argo-cd, sourceRef: {kind: HelmRepository, name: x}}}}\n";
    let chart = "apiVersion: helm.cattle.io/v1\nkind: HelmChart\nmetadata: {name: argo-cd, namespace: kube-system}\nspec: {chart: argo-cd, targetNamespace: argocd}\n";
    let rendered = proxy.replace(
        "app: proxy}}",
        "app: proxy, app.kubernetes.io/instance: argo-cd}}",
    );
    let lone = [("a.yaml", all(&[&rendered, &peer(name)]))];
    let missing: &[&str] = &["unmatched-peer-selector `app.kubernetes.io/name: argocd-server`"];
    assert_eq!(findings(&lone, "inventory: complete\n"), missing);
    let with = |object: &str, pods: &str| vec![("a.yaml", all(&[object, pods, &peer(name)]))];
    let cases: Vec<Case<'_>> = vec![
        ("a HelmRelease", with(release, &proxy), &[]),
        ("a HelmChart", with(chart, &proxy), &[]),
        (
            "a release whose pods are there",
            with(release, &rendered),
            missing,
        ),
    ];
    check(&cases, "inventory: complete\n");
}

/// Files that nothing deploys are read, and what they say speaks against a slip of the pen.
#[test]
fn what_nothing_deploys_is_no_evidence_of_a_mistake() {
    let applications = all(&[
        &application(
            "policies",
            "source: {path: policies}",
            "  destination: {namespace: default}\n",
        ),
        &application(
            "apps",
            "source: {path: apps}",
            "  destination: {namespace: default}\n",
        ),
    ]);
    let apps = all(&[
        &deployment("data", "pg", ""),
        &deployment("backend", "api", ""),
    ]);
    let tree = |peer: &str, file: &'static str, beside: String| {
        let spec = format!(
            "podSelector: {{matchLabels: {{app: pg}}}}, policyTypes: [Ingress], ingress: [{{from: [{peer}]}}]"
        );
        vec![
            ("argocd/apps.yaml", applications.clone()),
            ("apps/apps.yaml", apps.clone()),
            ("policies/data.yaml", policy("data", "data", &spec)),
            (file, beside),
        ]
    };
    let by_label = "{namespaceSelector: {matchLabels: {name: backend}}}";
    let by_pods = "{namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: backend}}, podSelector: {matchLabels: {app: apii}}}";
    let cases: Vec<Case<'_>> = vec![
        (
            "the label of a namespace",
            tree(
                by_label,
                "by-hand/namespaces.yaml",
                namespace("backend", "name: backend"),
            ),
            &[],
        ),
        (
            "another label of the namespace",
            tree(
                by_label,
                "by-hand/namespaces.yaml",
                namespace("backend", "tier: backend"),
            ),
            &["unlabeled-namespace `name: backend` fix"],
        ),
        (
            "pods that have what is asked for",
            tree(
                by_pods,
                "by-hand/pods.yaml",
                deployment("backend", "apii", ""),
            ),
            &[],
        ),
        (
            "pods of another namespace",
            tree(
                by_pods,
                "by-hand/pods.yaml",
                deployment("other", "apii", ""),
            ),
            &["unmatched-peer-selector `app: apii` fix"],
        ),
    ];
    check(&cases, "{}");
}

/// A text that a kustomization has for all objects is not one of a selector alone.
#[test]
fn a_label_of_all_objects_is_not_taken_away_from_a_selector() {
    let objects = all(&[
        &deployment("shop", "db", ""),
        &policy(
            "shop",
            "db",
            "podSelector: {matchLabels: {app: db}}, policyTypes: [Ingress], ingress: [{from: [{podSelector: {matchLabels: {app: web, app.kubernetes.io/version: v1}}}]}]",
        ),
    ]);
    let plain = objects.clone();
    let built = objects.replace(", app.kubernetes.io/version: v1", "");
    let list = |labels: &str| format!("resources: [app.yaml]\n{labels}");
    let pairs = "{app.kubernetes.io/version: v1}";
    let tree = |labels: &str| {
        vec![
            ("kustomization.yaml", list(labels)),
            ("app.yaml", built.clone()),
        ]
    };
    let without: &[&str] = &[
        "unstable-label `app.kubernetes.io/version: v1`",
        "unstable-label `app.kubernetes.io/version: v1`",
    ];
    let cases: Vec<Case<'_>> = vec![
        (
            "written in the peer",
            vec![("app.yaml", plain)],
            &["unstable-label `app.kubernetes.io/version: v1` fix"],
        ),
        (
            "common labels",
            tree(&format!("commonLabels: {pairs}\n")),
            without,
        ),
        (
            "labels with selectors",
            tree(&format!(
                "labels: [{{includeSelectors: true, pairs: {pairs}}}]\n"
            )),
            without,
        ),
    ];
    check(&cases, "{}");
}

/// What is about a connection explains that connection, and no other one of the same pods.
#[test]
fn a_connection_explains_no_other_one() {
    let both = ", env: [{name: PGHOST, value: db}, {name: S3, value: \"minio:9000\"}]";
    let job = |container: &str| {
        format!(
            "apiVersion: batch/v1\nkind: CronJob\nmetadata: {{name: backup, namespace: shop}}\nspec:\n  schedule: \"@daily\"\n  jobTemplate:\n    spec:\n      template:\n        metadata: {{labels: {{app: backup}}}}\n        spec: {{restartPolicy: Never, containers: [{{name: c, image: x{container}}}]}}\n"
        )
    };
    let admits = |name: &str, from: &str, port: u16| {
        policy(
            "shop",
            name,
            &format!(
                "podSelector: {{matchLabels: {{app: {name}}}}}, policyTypes: [Ingress], ingress: [{{from: [{from}], ports: [{{port: {port}}}]}}]"
            ),
        )
    };
    let ports = |port: u16| format!(", ports: [{{containerPort: {port}}}]");
    let stores = all(&[
        &namespace("shop", ""),
        &deployment("shop", "db", &ports(5432)),
        &service("shop", "db", 5432),
        &deployment("shop", "minio", &ports(9000)),
        &service("shop", "minio", 9000),
        &admits("db", "{podSelector: {matchLabels: {app: api}}}", 5432),
        &admits(
            "minio",
            "{namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: ingress-nginx}}}",
            9000,
        ),
    ]);
    let only_db = ", env: [{name: PGHOST, value: db}]";
    let apart =
        |one: &str, rest: &[&str]| vec![("a.yaml", all(&[&[&*stores, one], rest].concat()))];
    let of_both: &[&str] = &[
        "batch-workload-cut-off `backup`",
        "service-cut-off `backup`",
    ];
    let of_job: &[&str] = &["batch-workload-cut-off `backup`"];
    let sources = all(&[
        &namespace("iot", ""),
        &deployment(
            "iot",
            "dashboard",
            ", env: [{name: API_URL, value: \"http://api:8080\"}]",
        ),
        &deployment("iot", "api", &ports(8080)),
        &service("iot", "api", 8080),
        &deployment("iot", "ml", &ports(5432)),
        &policy(
            "iot",
            "default-deny",
            "podSelector: {}, policyTypes: [Ingress, Egress]",
        ),
        &policy(
            "iot",
            "api",
            "podSelector: {matchLabels: {app: api}}, ingress: [{from: [{podSelector: {}}], ports: [{port: 8080}]}], egress: [{to: [{podSelector: {matchLabels: {app: ml}}}], ports: [{port: 5432}]}, {ports: [{port: 53, protocol: UDP}, {port: 53}]}], policyTypes: [Ingress, Egress]",
        ),
        &policy(
            "iot",
            "dns",
            "podSelector: {}, egress: [{ports: [{port: 53, protocol: UDP}, {port: 53}]}], policyTypes: [Egress]",
        ),
    ]);
    let cases: Vec<Case<'_>> = vec![
        (
            "two workloads and two Services",
            apart(&deployment("shop", "api", both), &[&job(both)]),
            of_both,
        ),
        (
            "only the job uses the other one",
            apart(&deployment("shop", "api", only_db), &[&job(both)]),
            of_both,
        ),
        (
            "one Service",
            apart(&deployment("shop", "api", only_db), &[&job(only_db)]),
            of_job,
        ),
        (
            "a rule that others do not answer, and pods that cannot reach its subject",
            vec![("a.yaml", sources)],
            &[
                "service-cut-off `dashboard`",
                "one-sided-flow `{matchLabels: {app: ml}}`",
            ],
        ),
    ];
    check(&cases, "{}");
}

/// A controller that only writes policies for ingress opens nothing for egress, and one that is
/// told the names of namespaces writes nothing into others.
#[test]
fn what_a_controller_writes_opens_its_own_direction() {
    let kyverno = |names: &str, spec: &str| {
        format!(
            "apiVersion: kyverno.io/v1\nkind: ClusterPolicy\nmetadata: {{name: p}}\nspec:\n  rules:\n    - match: {{any: [{{resources: {{kinds: [Namespace]{names}}}}}]}}\n      generate: {{apiVersion: networking.k8s.io/v1, kind: NetworkPolicy, name: p, namespace: '{{{{request.object.metadata.name}}}}', data: {{spec: {{podSelector: {{}}, {spec}}}}}}}\n"
        )
    };
    let shop = all(&[
        &namespace("shop", ""),
        &deployment("shop", "web", ", env: [{name: DB_HOST, value: db}]"),
        &deployment("shop", "db", ", ports: [{containerPort: 5432}]"),
        &service("shop", "db", 5432),
        &policy(
            "shop",
            "traces",
            "podSelector: {}, policyTypes: [Egress], egress: [{to: [{namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: tracing}}}], ports: [{port: 4317}]}]",
        ),
    ]);
    let tree = |names: &str, spec: &str| vec![("a.yaml", all(&[&shop, &kyverno(names, spec)]))];
    let ingress = "policyTypes: [Ingress], ingress: [{from: [{podSelector: {}}]}]";
    let egress = "policyTypes: [Egress], egress: [{ports: [{port: 53}]}]";
    let told: &[&str] = &["service-cut-off `web`", "missing-dns-egress `egress`"];
    let cases: Vec<Case<'_>> = vec![
        ("for ingress", tree("", ingress), told),
        ("for egress", tree("", egress), &[]),
        (
            "for egress of other namespaces",
            tree(", names: [blog]", egress),
            told,
        ),
        (
            "for egress of this namespace",
            tree(", names: [shop]", egress),
            &[],
        ),
        (
            "for egress of some namespaces",
            tree(", names: ['s*']", egress),
            &[],
        ),
    ];
    check(&cases, "{}");
}

#[test]
fn a_line_that_environments_share_is_right_where_it_is_right_in_one() {
    let app = deployment("x", "app", "").replace(", namespace: x", "");
    let redis = deployment("x", "redis", "").replace(", namespace: x", "");
    let policy = |peer: &str| {
        format!(
            "apiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata: {{name: app}}\nspec:\n  podSelector: {{matchLabels: {{app: app}}}}\n  ingress:\n  - from: [{{podSelector: {{matchLabels: {{app: {peer}}}}}}}]\n"
        )
    };
    let environments = |peer: &str, of_dev: &str, of_prod: &str| {
        vec![
            (
                "base/kustomization.yaml",
                "resources: [app.yaml]\n".to_owned(),
            ),
            ("base/app.yaml", all(&[&app, &policy(peer)])),
            (
                "dev/kustomization.yaml",
                format!("namespace: {of_dev}\nresources: [../base, namespace.yaml]\n"),
            ),
            ("dev/namespace.yaml", namespace(of_dev, "")),
            (
                "prod/kustomization.yaml",
                format!("namespace: {of_prod}\nresources: [../base, redis.yaml]\n"),
            ),
            ("prod/redis.yaml", all(&[&namespace(of_prod, ""), &redis])),
        ]
    };
    check(
        &[
            (
                "only one environment runs its own",
                environments("redis", "shop-dev", "shop-prod"),
                &[],
            ),
            (
                "two builds of one namespace",
                environments("redis", "shop", "shop"),
                &[],
            ),
            (
                "a slip that is right nowhere",
                environments("reids", "shop-dev", "shop-prod"),
                // In one environment nothing comes near.
                &[
                    "unmatched-peer-selector `app: reids`",
                    "unmatched-peer-selector `app: reids` fix",
                ],
            ),
        ],
        "",
    );
}
