//! Clusters from roots: what kustomize, Flux and Argo CD deploy, and where a finding about it
//! points.

use npcheck::config::Config;
use npcheck::lint::Date;
use npcheck::workspace::Workspace;

const POLICY: &str = "apiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata: {name: deny}\nspec: {podSelector: {}, policyTypes: [Ingress]}\n";

const POD: &str = "apiVersion: v1\nkind: Pod\nmetadata: {name: web, labels: {app: web}}\nspec: {containers: [{name: c, image: x}]}\n";

fn flux(path: &str, more: &str) -> String {
    format!(
        "apiVersion: kustomize.toolkit.fluxcd.io/v1\nkind: Kustomization\nmetadata: {{name: k, namespace: flux-system}}\nspec:\n  path: {path}\n{more}"
    )
}

/// Each cluster with the peers and policies in it.
fn clusters(files: &[(&str, &str)]) -> Vec<String> {
    let workspace = Workspace::load(files.iter().copied(), &Config::default());
    let describe = |view: &npcheck::workspace::ClusterView| {
        let cluster = view.cluster();
        let workloads = cluster.workload_ids().map(|id| cluster.workload_name(id));
        let policies = cluster.policies().iter().map(|policy| {
            let namespace = &cluster.namespace(policy.namespace).name;
            format!("{namespace}/{}", policy.object.meta.name)
        });
        let all: Vec<String> = workloads.chain(policies).collect();
        format!("{}: {}", view.name(), all.join(" "))
    };
    workspace.clusters().map(describe).collect()
}

#[test]
fn roots_make_clusters() {
    let list = "resources: [pod.yaml]\n";
    let overlay = |namespace: &str| format!("namespace: {namespace}\nresources: [../base]\n");
    let (same, other) = (overlay("shop"), overlay("blog"));
    let beside_entry = list.replace("pod.yaml", "k.yaml, policy.yaml");
    let deeper = same.replace("../base", "../../base");
    let entry = flux("./apps", "  targetNamespace: shop\n");
    let substituted = flux("./apps", "  postBuild: {substitute: {NS: team}}\n");
    let variable = POD.replace("{name: web,", "{name: web, namespace: \"${NS}\",");
    let parent = flux("./clusters/prod", "");
    let child = flux("./apps", "  targetNamespace: shop\n").replace("name: k,", "name: apps,");
    let application = |path: &str| {
        format!(
            "apiVersion: argoproj.io/v1alpha1\nkind: Application\nmetadata: {{name: a}}\nspec: {{source: {{path: {path}}}, destination: {{namespace: argo}}}}\n"
        )
    };
    let application = application("apps");
    let artifact = flux(
        "./",
        "  sourceRef: {kind: OCIRepository, name: manifests}\n",
    );
    let set = "apiVersion: argoproj.io/v1alpha1\nkind: ApplicationSet\nmetadata: {name: s}\nspec:\n  generators: [{git: {directories: [{path: apps/*}]}}]\n  template:\n    metadata: {name: '{{path.basename}}'}\n    spec: {source: {path: '{{path}}'}, destination: {namespace: '{{path.basename}}'}}\n";
    let chart = "apiVersion: argoproj.io/v1alpha1\nkind: Application\nmetadata: {name: a}\nspec: {source: {repoURL: \"https://charts.example.org\", chart: redis}, destination: {namespace: argo}}\n";
    let beside = [chart, POD, POLICY].join("---\n");
    type Case<'c> = (&'c str, Vec<(&'c str, &'c str)>, &'c [&'c str]);
    let cases: Vec<Case<'_>> = vec![
        (
            "what stands beside an Application in its file is applied with it",
            vec![("all.yaml", &beside)],
            &[": default/Pod/web default/deny"],
        ),
        (
            "the root of an artifact is not this repository",
            vec![("flux.yaml", &artifact), ("a/pod.yaml", POD)],
            &[": default/Pod/web"],
        ),
        (
            "no roots",
            vec![("a/pod.yaml", POD)],
            &[": default/Pod/web"],
        ),
        (
            "overlays that define one object twice",
            vec![
                ("base/kustomization.yaml", list),
                ("base/pod.yaml", POD),
                ("dev/kustomization.yaml", &same),
                ("prod/kustomization.yaml", &same),
            ],
            &[],
        ),
        (
            "roots for different namespaces are one cluster",
            vec![
                ("base/kustomization.yaml", list),
                ("base/pod.yaml", POD),
                ("dev/kustomization.yaml", &same),
                ("blog/kustomization.yaml", &other),
            ],
            &[": blog/Pod/web shop/Pod/web"],
        ),
        (
            "a file that is not listed is not deployed, a directory of its own is",
            vec![
                ("a/kustomization.yaml", list),
                ("a/pod.yaml", POD),
                ("a/policy.yaml", POLICY),
                ("b/policy.yaml", POLICY),
            ],
            &[": default/Pod/web default/deny"],
        ),
        (
            "an entry of Flux",
            vec![
                ("clusters/prod/k.yaml", &entry),
                ("apps/pod.yaml", POD),
                ("old/policy.yaml", POLICY),
            ],
            &[": shop/Pod/web"],
        ),
        (
            "a variable of Flux",
            vec![
                ("clusters/prod/k.yaml", &substituted),
                ("apps/pod.yaml", &variable),
            ],
            &[": team/Pod/web"],
        ),
        (
            "an entry that yields another Kustomization",
            vec![
                ("clusters/prod/flux-system/sync.yaml", &parent),
                ("clusters/prod/apps.yaml", &child),
                ("apps/pod.yaml", POD),
            ],
            &[": shop/Pod/web"],
        ),
        (
            "a kustomization that lists an entry of Flux",
            vec![
                ("clusters/prod/kustomization.yaml", &beside_entry),
                ("clusters/prod/k.yaml", &entry),
                ("clusters/prod/policy.yaml", POLICY),
                ("apps/pod.yaml", POD),
            ],
            &[": shop/Pod/web default/deny"],
        ),
        (
            "an overlay that is called as a cluster of Flux",
            vec![
                ("clusters/prod/k.yaml", &entry),
                ("apps/pod.yaml", POD),
                ("base/kustomization.yaml", list),
                ("base/pod.yaml", POD),
                ("overlays/dev/kustomization.yaml", &deeper),
                ("overlays/prod/kustomization.yaml", &deeper),
            ],
            &[
                "prod: shop/Pod/web",
                "dev: shop/Pod/web",
                "overlays/prod: shop/Pod/web",
            ],
        ),
        (
            "an Application",
            vec![("argocd/a.yaml", &application), ("apps/pod.yaml", POD)],
            &[": argo/Pod/web"],
        ),
        (
            "an ApplicationSet over directories",
            vec![
                ("argocd/s.yaml", set),
                ("apps/one/pod.yaml", POD),
                ("apps/two/pod.yaml", POD),
            ],
            &[": one/Pod/web two/Pod/web"],
        ),
    ];
    for (what, files, expected) in cases {
        let found = clusters(&files);
        match expected {
            [] => assert_eq!(found, ["dev: shop/Pod/web", "prod: shop/Pod/web"], "{what}"),
            expected => assert_eq!(found, expected, "{what}"),
        }
    }
}

#[test]
fn application_sets_make_what_can_be_told() {
    let set = |go: bool, generators: &str, template: &str| {
        format!(
            "apiVersion: argoproj.io/v1alpha1\nkind: ApplicationSet\nmetadata: {{name: s}}\nspec:\n  goTemplate: {go}\n  generators: [{generators}]\n  template: {{{template}}}\n"
        )
    };
    let one = "{git: {directories: [{path: apps/*}]}}";
    let go = "metadata: {name: '{{ .path.basename }}-{{ .env }}'}, spec: {source: {path: '{{ .path.path }}'}, destination: {name: '{{ .env }}', namespace: '{{ printf \"%s-%s\" .path.basename .env | lower }}'}}";
    let plain = "metadata: {name: '{{path.basename}}'}, spec: {source: {path: '{{path}}'}, destination: {namespace: '{{ns}}'}}";
    let patched = set(
        true,
        "{list: {elements: [{env: dev}, {env: prod}]}}",
        "metadata: {name: 'a-{{.env}}'}, spec: {source: {path: apps/web}, destination: {namespace: 'plain-{{.env}}'}}",
    ) + "  templatePatch: |\n    {{- if eq .env \"dev\" }}\n    spec: {destination: {namespace: 'patched-{{ .env }}'}}\n    {{- end }}\n";
    let cases = [
        (
            "a matrix of directories and a list",
            set(
                true,
                &format!(
                    "{{matrix: {{generators: [{one}, {{list: {{elements: [{{env: Dev}}, {{env: Prod}}]}}}}]}}}}"
                ),
                go,
            ),
            vec!["Dev: web-dev/Pod/web", "Prod: web-prod/Pod/web"],
        ),
        (
            "a merge, in which the second outranks the first",
            set(
                false,
                "{merge: {mergeKeys: [path.basename], generators: [{git: {directories: [{path: apps/*}], values: {x: y}}}, {list: {elements: [{path.basename: web, ns: shop}, {path.basename: api, ns: other}]}}]}}",
                plain,
            ),
            vec![": shop/Pod/web"],
        ),
        (
            "its own cluster",
            set(
                false,
                &format!(
                    "{{matrix: {{generators: [{{clusters: {{values: {{ns: shop}}}}}}, {one}]}}}}"
                ),
                &plain.replace("{{ns}}", "{{values.ns}}-{{name}}"),
            ),
            vec![": shop-in-cluster/Pod/web"],
        ),
        (
            "a selector that leaves nothing",
            set(
                false,
                "{list: {elements: [{ns: a, path: apps/web, path.basename: web}]}, selector: {matchLabels: {ns: b}}}",
                plain,
            ),
            vec![": default/Pod/web"],
        ),
        (
            "a generator whose template outranks that of the set",
            set(
                false,
                "{list: {elements: [{ns: a}], template: {metadata: {name: ''}, spec: {destination: {namespace: 'own-{{ns}}'}}}}}",
                "metadata: {name: a}, spec: {source: {path: apps/web}, destination: {namespace: other}}",
            ),
            vec![": own-a/Pod/web"],
        ),
        (
            "a patch of the template",
            patched.clone(),
            vec![": patched-dev/Pod/web plain-prod/Pod/web"],
        ),
        (
            "a patch that cannot be told",
            patched.replace("if eq .env", "with .env"),
            vec![": default/Pod/web"],
        ),
        (
            "a generator that asks somebody",
            set(false, "{scmProvider: {github: {organization: x}}}", plain),
            vec![": default/Pod/web"],
        ),
    ];
    for (what, text, expected) in cases {
        let files = [("argocd/s.yaml", text.as_str()), ("apps/web/pod.yaml", POD)];
        assert_eq!(clusters(&files), expected, "{what}");
    }
    // What cannot be told is told, also where nothing else is deployed.
    let text = set(false, "{pullRequest: {}}", plain);
    let workspace = Workspace::load(
        [("s.yaml", text.as_str()), ("pod.yaml", POD)],
        &Config::default(),
    );
    let view = workspace.clusters().next().expect("there is one");
    let unknown: Vec<String> = view
        .part()
        .opaque
        .iter()
        .map(|it| it.part.reason.clone())
        .collect();
    assert_eq!(
        unknown,
        [
            "the Applications of the ApplicationSet `s` are not known: what the generator `pullRequest` yields is not known"
        ]
    );
}

/// The pods of a chart are known by the version that another object names.
#[test]
fn a_release_has_the_chart_of_the_source_that_it_refers_to() {
    let entry = flux("./apps", "  targetNamespace: shop\n");
    let source = |tag: &str| {
        format!(
            "apiVersion: source.toolkit.fluxcd.io/v1\nkind: OCIRepository\nmetadata: {{name: charts}}\nspec: {{url: oci://ghcr.io/bjw-s/helm/app-template, ref: {{tag: {tag}}}}}\n"
        )
    };
    let release = "apiVersion: helm.toolkit.fluxcd.io/v2\nkind: HelmRelease\nmetadata: {name: web}\nspec:\n  chartRef: {kind: OCIRepository, name: charts}\n  values: {controllers: {main: {containers: {app: {}}}, worker: {containers: {app: {}}}}}\n";
    let labels = |tag: &str| {
        let source = source(tag);
        let files = [
            ("clusters/prod/sync.yaml", entry.as_str()),
            ("apps/source.yaml", &source),
            ("apps/release.yaml", release),
        ];
        let workspace = Workspace::load(files, &Config::default());
        let view = workspace.clusters().next().expect("there is one");
        let mut labels = Vec::new();
        for object in &view.cluster().context_objects().custom_objects {
            let pods = object.released.iter();
            labels.extend(pods.map(|pods| {
                let key = "app.kubernetes.io/controller";
                pods.labels.get(key).unwrap_or("none").to_owned()
            }));
        }
        labels
    };
    assert_eq!(labels("4.1.2"), ["main", "worker"]);
    assert_eq!(labels("3.7.0"), ["none", "none"]);
}

/// A kustomization that kustomize cannot read is an error, and what lies beside it counts.
#[test]
fn a_kustomization_that_cannot_be_read_is_told() {
    let list = "resources: [pod.yaml]\n";
    let two = "there are two kustomization files in one directory: apps/kustomization.yaml, apps/Kustomization";
    type Case<'c> = (&'c [(&'c str, &'c str)], Option<&'c str>);
    let cases: [Case<'_>; 5] = [
        (
            &[("apps/kustomization.yaml", "")],
            Some("this kustomization is empty"),
        ),
        (
            &[("apps/kustomization.yaml", "- a\n")],
            Some("this kustomization is empty"),
        ),
        (
            &[("apps/kustomization.yaml", "resources: [pod.yaml\n")],
            Some("this `[` is not closed"),
        ),
        (
            &[
                ("apps/kustomization.yaml", list),
                ("apps/Kustomization", list),
            ],
            Some(two),
        ),
        // Another tool fills this in.
        (&[("apps/kustomization.yaml", "resources: [{{ x }\n")], None),
    ];
    for (texts, expected) in cases {
        let mut files = vec![("apps/pod.yaml", POD)];
        files.extend(texts);
        let workspace = Workspace::load(files.iter().copied(), &Config::default());
        let told = workspace.broken_builds().map(|it| it.message.as_str());
        let told: Vec<&str> = told.collect();
        let expected = expected.map(|it| format!("kustomize rejects this: {it}"));
        assert_eq!(told, expected.iter().collect::<Vec<_>>());
        assert_eq!(clusters(&files), [": default/Pod/web"], "{expected:?}");
    }
}

/// A file that cannot be read may be the one that deploys what lies beside it.
#[test]
fn nothing_is_called_undeployed_beside_what_cannot_be_read() {
    let told = |ks: &str| {
        let entry = flux("./apps", "");
        let files = [
            ("clusters/prod/sync.yaml", entry.as_str()),
            ("apps/pod.yaml", POD),
            ("more/ks.yaml", ks),
            ("more/web/policy.yaml", POLICY),
        ];
        let workspace = Workspace::load(files, &Config::default());
        let report = workspace.lint("2026-11-21".parse().expect("a date"));
        let mut rules = report.findings.iter().map(|finding| finding.rule);
        rules.any(|rule| rule == "unreferenced-manifest")
    };
    let broken = flux("*lost", "");
    assert!(told("a: b\n"));
    assert!(!told(&broken));
}

#[test]
fn two_applications_of_one_name_may_be_for_two_clusters() {
    let application = |server: &str, path: &str| {
        format!(
            "apiVersion: argoproj.io/v1alpha1\nkind: Application\nmetadata: {{name: web, namespace: argocd}}\nspec: {{source: {{path: {path}}}, destination: {{name: {server}, namespace: shop}}}}\n"
        )
    };
    let (dev, prod) = (application("dev", "dev"), application("prod", "prod"));
    let files = [
        ("argocd/dev.yaml", dev.as_str()),
        ("argocd/prod.yaml", &prod),
        ("dev/pod.yaml", POD),
        ("prod/pod.yaml", POD),
    ];
    assert_eq!(
        clusters(&files),
        ["dev: shop/Pod/web", "prod: shop/Pod/web"]
    );
}

#[test]
fn flux_deploys_what_its_entries_reach_and_nothing_beside_them() {
    let git = |name: &str| format!("  sourceRef: {{kind: GitRepository, name: {name}}}\n");
    let own = flux("./clusters/prod/flux", &git("flux-system"));
    let mirror = own.replace("name: k,", "name: mirror,");
    let elsewhere = flux("./", &git("other")).replace("name: k,", "name: other,");
    let apps = flux("./apps/web", "").replace("name: k,", "name: apps,");
    let lost = flux("./apps/old/app", "").replace("name: k,", "name: old,");
    let list = "resources: [sync.yaml, ../../../apps/web/ks.yaml]\n";
    let entries = format!("{own}---\n{mirror}---\n{elsewhere}");
    let files = [
        ("clusters/prod/flux/kustomization.yaml", list),
        ("clusters/prod/flux/sync.yaml", entries.as_str()),
        ("apps/web/ks.yaml", &apps),
        ("apps/web/pod.yaml", POD),
        // A `kind` makes no object of values for a chart.
        ("apps/web/values.yaml", "kind: DaemonSet\nreplicas: 2\n"),
        // Nobody lists these any more.
        ("apps/old/ks.yaml", &lost),
        (
            "apps/old/app/kustomization.yaml",
            "resources: [policy.yaml]\n",
        ),
        ("apps/old/app/policy.yaml", POLICY),
    ];
    assert_eq!(clusters(&files), [": default/Pod/web"]);
    // Two clusters of one name are told apart by their directories.
    let entry = |path: &str| flux(path, "");
    let (one, two) = (entry("./prod/eu"), entry("./stage/eu"));
    let files = [
        ("prod/eu/flux-system/sync.yaml", one.as_str()),
        ("prod/eu/pod.yaml", POD),
        ("stage/eu/flux-system/sync.yaml", &two),
        ("stage/eu/policy.yaml", POLICY),
    ];
    let expected = ["prod/eu: default/Pod/web", "stage/eu: default/deny"];
    assert_eq!(clusters(&files), expected);
}

#[test]
fn a_path_of_another_repository_is_not_one_of_this_that_is_called_alike() {
    let git = |name: &str| format!("  sourceRef: {{kind: GitRepository, name: {name}}}\n");
    let own = flux("./kube/clusters/prod", &git("flux-system"));
    let app = flux("./kube/deploy/web", &git("flux-system")).replace("name: k,", "name: web,");
    let other = flux("./deploy", &git("operator")).replace("name: k,", "name: operator,");
    let text = format!("{own}---\n{app}---\n{other}");
    let files = [
        ("kube/clusters/prod/sync.yaml", text.as_str()),
        ("kube/deploy/web/pod.yaml", POD),
        ("kube/deploy/not-applied/policy.yaml", POLICY),
    ];
    assert_eq!(clusters(&files), [": default/Pod/web"]);
}

/// Repositories that lie side by side in one tree, one of them with a directory of the same name
/// as one beside them.
#[test]
fn a_path_is_relative_to_the_innermost_directory_that_has_all_paths_named_within_it() {
    let entry = flux("./shop", "");
    let application = "apiVersion: argoproj.io/v1alpha1\nkind: Application\nmetadata: {name: a, namespace: argocd}\nspec: {source: {path: shop}, destination: {namespace: shop}}\n";
    let both = flux("./prod", "");
    let apps = flux("./apps", "").replace("name: k,", "name: apps,");
    let one = format!("{both}---\n{apps}");
    let files = [
        ("argocd/apps/shop.yaml", application),
        ("argocd/shop/pod.yaml", POD),
        ("flux/clusters/prod/shop.yaml", entry.as_str()),
        ("flux/shop/policy.yaml", POLICY),
        (
            "shop/service.yaml",
            "apiVersion: v1\nkind: Pod\nmetadata: {name: db}\n",
        ),
    ];
    let expected = ["in-cluster: shop/Pod/web", "prod: default/deny"];
    assert_eq!(clusters(&files), expected);
    // `prod/apps` is there as well, and `prod/prod` is not.
    let files = [
        ("prod/sync.yaml", one.as_str()),
        ("prod/apps/policy.yaml", POLICY),
        ("apps/pod.yaml", POD),
    ];
    assert_eq!(clusters(&files), [": default/Pod/web default/deny"]);
    // A directory beside the file is the one that is meant only if there is no other.
    let files = [
        ("prod/sync.yaml", apps.as_str()),
        ("prod/apps/policy.yaml", POLICY),
        ("apps/pod.yaml", POD),
    ];
    assert_eq!(clusters(&files), [": default/Pod/web"]);
}

/// What a finding underlines is the text that it speaks of, be the object built as it may.
#[test]
fn findings_point_at_the_text_that_a_person_would_edit() {
    let files = [
        ("base/kustomization.yaml", "resources: [all.yaml]\n".to_owned()),
        (
            "base/all.yaml",
            format!(
                "{POD}---\napiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata: {{name: web}}\nspec:\n  podSelector: {{matchLabels: {{app: wbe}}}}\n  ingress: [{{ports: [{{port: 80}}]}}]\n"
            ),
        ),
        (
            "prod/kustomization.yaml",
            "namespace: shop\nresources: [../base]\ncommonLabels: {env: prod}\npatches:\n- path: patch.yaml\n".to_owned(),
        ),
        (
            "prod/patch.yaml",
            "apiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata: {name: web}\nspec:\n  egress: [{to: [{ipBlock: {cidr: 10.1.2.3/8}}]}]\n".to_owned(),
        ),
    ];
    let workspace = Workspace::load(files, &Config::default());
    let today: Date = "2026-11-21".parse().expect("a date");
    let report = workspace.lint(today);
    let underlined = |rule: &str| -> Vec<String> {
        let findings = report
            .findings
            .iter()
            .filter(|finding| finding.rule == rule);
        let text = |finding: &npcheck::diagnostic::Diagnostic| {
            let span = finding.primary.span;
            let sources = workspace.sources();
            format!(
                "{}: {}",
                sources.get(span.source).name(),
                sources.text(span)
            )
        };
        findings.map(text).collect()
    };
    assert_eq!(
        underlined("cidr-host-bits"),
        ["prod/patch.yaml: 10.1.2.3/8"]
    );
    let unmatched = underlined("unmatched-pod-selector");
    assert!(
        unmatched.iter().all(|text| text.contains("wbe")),
        "{unmatched:?}"
    );
}

#[test]
fn policies_of_plugins_that_say_the_same_are_no_conflict() {
    let policy = |port: u16| {
        format!(
            "apiVersion: cilium.io/v2\nkind: CiliumNetworkPolicy\nmetadata: {{name: p, namespace: shop}}\nspec:\n  endpointSelector: {{}}\n  ingress: [{{toPorts: [{{ports: [{{port: \"{port}\"}}]}}]}}]\n"
        )
    };
    let differing = |second: u16| {
        let files = [
            ("a.yaml", policy(80)),
            ("b.yaml", format!("# the same\n{}", policy(second))),
        ];
        let workspace = Workspace::load(files, &Config::default());
        workspace.not_judged().defined_twice().len()
    };
    assert_eq!((differing(80), differing(81)), (0, 1));
}

#[test]
fn verdicts_complain_of_documents_as_they_are_deployed() {
    // kustomize writes `n` as the text that it is for it; kubectl takes it for a boolean.
    let policy = POLICY.replace("deny", "n");
    let errors = |files: &[(&str, &str)]| -> Vec<String> {
        let workspace = Workspace::load(files.iter().copied(), &Config::default());
        let found = workspace.diagnostics().map(|it| it.message.clone());
        found.collect()
    };
    let plain = errors(&[("policy.yaml", &policy)]);
    assert_eq!(plain, ["`name` must be text"]);
    let list = "resources: [policy.yaml]\n";
    let built = errors(&[("kustomization.yaml", list), ("policy.yaml", &policy)]);
    assert_eq!(built, [""; 0]);
}

#[test]
fn kustomizations_that_build_on_each_other_in_a_circle_are_told() {
    let files = [
        ("a/kustomization.yaml", "resources: [../b, pod.yaml]\n"),
        ("a/pod.yaml", POD),
        ("b/kustomization.yaml", "resources: [../a]\n"),
    ];
    let workspace = Workspace::load(files, &Config::default());
    let today: Date = "2026-11-27".parse().expect("a date");
    let found = workspace.lint(today).findings;
    let told: Vec<&str> = found.iter().map(|it| it.message.as_str()).collect();
    let circle = "kustomize rejects this: kustomizations build on each other in a circle: a, b";
    assert_eq!(told, [circle]);
    assert_eq!(clusters(&files), [": default/Pod/web"]);
}
