//! What Flux and Argo CD apply, one row for each feature that their documentation describes.

use super::program::{run, scratch, write};
use npcheck::config::Config;
use npcheck::workspace::{ClusterView, Workspace};

pub(crate) const POD: &str = "apiVersion: v1\nkind: Pod\nmetadata: {name: web, labels: {app: web}}\nspec: {containers: [{name: c, image: x}]}\n";

/// An object of Flux or Argo CD, what lies beside it, and what is applied.
pub(crate) struct Case<'c> {
    pub(crate) title: &'c str,
    /// Its `spec`, in flow style.
    pub(crate) spec: &'c str,
    /// Names and texts.
    pub(crate) files: &'c [(&'c str, &'c str)],
    /// `cluster: namespace/name[labels] …`, and `?` for each part that is not known.
    pub(crate) expected: &'c [&'c str],
}

fn clusters(files: &[(String, String)]) -> Vec<String> {
    let files = files
        .iter()
        .map(|(name, text)| (name.as_str(), text.as_str()));
    let workspace = Workspace::load(files, &Config::default());
    let describe = |view: &ClusterView| {
        let cluster = view.cluster();
        let pods = cluster.workload_ids().map(|id| {
            let name = cluster.workload_name(id).replace("/Pod/", "/");
            let labels = cluster.workload(id).object.labels.iter();
            let labels: Vec<String> = labels
                .map(|label| format!("{}={}", label.key.value, label.value.value))
                .collect();
            format!("{name}[{}]", labels.join(" "))
        });
        let policies = cluster.policies().iter().map(|policy| {
            let namespace = &cluster.namespace(policy.namespace).name;
            format!("{namespace}/{}", policy.object.meta.name)
        });
        let unknown = view.not_judged().opaque_parts().len();
        let unknown = std::iter::repeat_n("?".to_owned(), unknown);
        let all: Vec<String> = pods.chain(policies).chain(unknown).collect();
        format!("{}: {}", view.name(), all.join(" "))
    };
    workspace.clusters().map(describe).collect()
}

pub(crate) fn check(kind: &str, cases: &[Case<'_>]) {
    let mut wrong = Vec::new();
    for case in cases {
        let mut files = vec![(
            "entry.yaml".to_owned(),
            format!("{kind}\nspec: {}\n", case.spec),
        )];
        let given = case.files.iter();
        files.extend(given.map(|(name, text)| ((*name).to_owned(), (*text).to_owned())));
        let found = clusters(&files);
        if found != case.expected {
            wrong.push(format!("{}: {found:?}", case.title));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

const VARIABLE: &str = "apiVersion: v1\nkind: Pod\nmetadata: {name: web, labels: {app: \"${APP:-none}\", tier: \"${TIER:=low}\"}}\nspec: {containers: [{name: c, image: x}]}\n";

const OTHER: &str = "apiVersion: v1\nkind: Pod\nmetadata: {name: db, labels: {app: db}}\nspec: {containers: [{name: c, image: x}]}\n";

const LIST: &str = "resources: [pod.yaml]\n";

const TEAM: &str = "kind: Component\nlabels: [{pairs: {team: shop}}]\n";

#[test]
fn flux_applies_what_its_documentation_says() {
    let kind = "apiVersion: kustomize.toolkit.fluxcd.io/v1\nkind: Kustomization\nmetadata: {name: k, namespace: flux-system}";
    let cases = [
        Case {
            title: "whoever applies an entry may set what is set nowhere here",
            spec: "{path: ./apps, postBuild: {substitute: {OTHER: x}}}",
            files: &[("apps/pod.yaml", VARIABLE)],
            expected: &[": default/web[app=${APP:-none} tier=${TIER:=low}]"],
        },
        Case {
            title: "a default is for what is empty",
            spec: "{path: ./apps, postBuild: {substitute: {APP: '', TIER: ''}}}",
            files: &[("apps/pod.yaml", VARIABLE)],
            expected: &[": default/web[app=none tier=low]"],
        },
        Case {
            title: "inline variables come before those of a ConfigMap",
            spec: "{path: ./apps, postBuild: {substitute: {APP: shop}, substituteFrom: [{kind: ConfigMap, name: vars}]}}",
            files: &[
                ("apps/pod.yaml", VARIABLE),
                (
                    "apps/vars.yaml",
                    "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: vars, namespace: flux-system}\ndata: {APP: blog, TIER: high}\n",
                ),
            ],
            expected: &[": default/web[app=shop tier=high]"],
        },
        Case {
            title: "a ConfigMap that is not here may set anything, optional or not",
            spec: "{path: ./apps, postBuild: {substituteFrom: [{kind: ConfigMap, name: vars, optional: true}]}}",
            files: &[("apps/pod.yaml", VARIABLE)],
            expected: &[": default/web[app=${APP:-none} tier=${TIER:=low}]"],
        },
        Case {
            title: "without postBuild nothing is replaced",
            spec: "{path: ./apps}",
            files: &[("apps/pod.yaml", VARIABLE)],
            expected: &[": default/web[app=${APP:-none} tier=${TIER:=low}]"],
        },
        Case {
            title: "namespace and names",
            spec: "{path: ./apps, targetNamespace: shop, namePrefix: a-, nameSuffix: -z}",
            files: &[("apps/pod.yaml", POD)],
            expected: &[": shop/a-web-z[app=web]"],
        },
        Case {
            title: "labels of all objects",
            spec: "{path: ./apps, commonMetadata: {labels: {team: shop}}}",
            files: &[("apps/pod.yaml", POD)],
            expected: &[": default/web[app=web team=shop]"],
        },
        Case {
            title: "patches, with a target and without",
            spec: "{path: ./apps, patches: [{target: {kind: Pod}, patch: '[{\"op\": \"add\", \"path\": \"/metadata/labels/tier\", \"value\": \"low\"}]'}, {patch: '{apiVersion: v1, kind: Pod, metadata: {name: web, labels: {app: null}}}'}]}",
            files: &[("apps/pod.yaml", POD)],
            expected: &[": default/web[tier=low]"],
        },
        Case {
            title: "components, from the path on",
            spec: "{path: ./apps, components: [../team]}",
            files: &[("apps/pod.yaml", POD), ("team/kustomization.yaml", TEAM)],
            expected: &[": default/web[app=web team=shop]"],
        },
        Case {
            title: "a component that is missing may be left out",
            spec: "{path: ./apps, components: [../team], ignoreMissingComponents: true}",
            files: &[("apps/pod.yaml", POD)],
            expected: &[": default/web[app=web]"],
        },
        Case {
            title: "a directory with a kustomization is built, others are walked through",
            spec: "{path: ./apps}",
            files: &[
                ("apps/a/b/pod.yaml", POD),
                (
                    "apps/c/kustomization.yaml",
                    "namespace: shop\nresources: [pod.yaml]\n",
                ),
                ("apps/c/pod.yaml", OTHER),
                ("apps/c/left.yaml", POD),
            ],
            expected: &[": default/web[app=web] shop/db[app=db]"],
        },
        Case {
            title: "what depends on others is applied all the same",
            spec: "{path: ./apps, dependsOn: [{name: other}], images: [{name: x, newTag: v2}], suspend: true}",
            files: &[("apps/pod.yaml", POD)],
            expected: &[": default/web[app=web]"],
        },
        Case {
            title: "another artifact",
            spec: "{path: ./apps}",
            files: &[
                ("apps/pod.yaml", POD),
                (
                    "apps/other.yaml",
                    "apiVersion: kustomize.toolkit.fluxcd.io/v1\nkind: Kustomization\nmetadata: {name: other, namespace: flux-system}\nspec: {path: ./other, sourceRef: {kind: OCIRepository, name: other}}\n",
                ),
            ],
            expected: &[": default/web[app=web] ?"],
        },
        Case {
            title: "another cluster",
            spec: "{path: ./apps}",
            files: &[
                ("apps/pod.yaml", POD),
                (
                    "apps/other.yaml",
                    "apiVersion: kustomize.toolkit.fluxcd.io/v1\nkind: Kustomization\nmetadata: {name: other, namespace: flux-system}\nspec: {path: ./other, kubeConfig: {secretRef: {name: other}}}\n",
                ),
                ("other/pod.yaml", OTHER),
            ],
            expected: &[".: default/web[app=web]", "./other: default/db[app=db]"],
        },
        Case {
            title: "a Kustomization that applies itself to another cluster",
            spec: "{path: ./apps}",
            files: &[
                ("apps/pod.yaml", POD),
                (
                    "apps/itself.yaml",
                    "apiVersion: kustomize.toolkit.fluxcd.io/v1\nkind: Kustomization\nmetadata: {name: itself, namespace: flux-system}\nspec: {path: ./apps, kubeConfig: {configMapRef: {name: other}}}\n",
                ),
            ],
            expected: &[".: default/web[app=web]", "./other: default/web[app=web]"],
        },
        Case {
            title: "a file that is listed and that the source leaves out is missing",
            spec: "{path: ./apps, sourceRef: {kind: GitRepository, name: s}}",
            files: &[
                (
                    "source.yaml",
                    "apiVersion: source.toolkit.fluxcd.io/v1\nkind: GitRepository\nmetadata: {name: s, namespace: flux-system}\nspec: {url: https://example.com/r, ignore: \"/base/db.yaml\"}\n",
                ),
                (
                    "apps/kustomization.yaml",
                    "resources: [pod.yaml, ../base]\n",
                ),
                ("apps/pod.yaml", POD),
                ("base/kustomization.yaml", "resources: [db.yaml]\n"),
                ("base/db.yaml", OTHER),
            ],
            expected: &[": default/web[app=web]"],
        },
    ];
    check(kind, &cases);
}

#[test]
fn argo_cd_applies_what_its_documentation_says() {
    let kind = "apiVersion: argoproj.io/v1alpha1\nkind: Application\nmetadata: {name: a, namespace: argocd}";
    let below = [("apps/pod.yaml", POD), ("apps/below/pod.yaml", OTHER)];
    let built = [("apps/kustomization.yaml", LIST), ("apps/pod.yaml", POD)];
    let cases = [
        Case {
            title: "a directory without those below",
            spec: "{source: {path: apps}, destination: {namespace: shop}}",
            files: &below,
            expected: &[": shop/web[app=web]"],
        },
        Case {
            title: "a directory with all below",
            spec: "{source: {path: apps, directory: {recurse: true}}, destination: {namespace: shop}}",
            files: &below,
            expected: &[": shop/db[app=db] shop/web[app=web]"],
        },
        Case {
            title: "files that are excluded",
            spec: "{source: {path: apps, directory: {recurse: true, exclude: 'below/*'}}, destination: {namespace: shop}}",
            files: &below,
            expected: &[": shop/web[app=web]"],
        },
        Case {
            title: "files that are included",
            spec: "{source: {path: apps, directory: {recurse: true, include: '{below/*,none.yaml}'}}, destination: {namespace: shop}}",
            files: &below,
            expected: &[": shop/db[app=db]"],
        },
        Case {
            title: "several sources, one of them for values only",
            spec: "{sources: [{repoURL: 'https://example.org/values', ref: values}, {path: apps}, {path: apps/below}], destination: {namespace: shop}}",
            files: &below,
            expected: &[": shop/db[app=db] shop/web[app=web]"],
        },
        Case {
            title: "a namespace that is written stays",
            spec: "{source: {path: apps}, destination: {namespace: shop}}",
            files: &[(
                "apps/pod.yaml",
                "apiVersion: v1\nkind: Pod\nmetadata: {name: web, namespace: own}\nspec: {containers: [{name: c, image: x}]}\n",
            )],
            expected: &[": own/web[]"],
        },
        Case {
            title: "options of kustomize",
            spec: "{source: {path: apps, kustomize: {namePrefix: a-, nameSuffix: -z, namespace: own, commonLabels: {team: shop}}}, destination: {namespace: shop}}",
            files: &built,
            expected: &[": own/a-web-z[app=web team=shop]"],
        },
        Case {
            title: "patches and components of kustomize",
            spec: "{source: {path: apps, kustomize: {components: [../team], patches: [{target: {kind: Pod}, patch: '[{\"op\": \"remove\", \"path\": \"/metadata/labels/app\"}]'}]}}, destination: {namespace: shop}}",
            files: &[
                ("apps/kustomization.yaml", LIST),
                ("apps/pod.yaml", POD),
                ("team/kustomization.yaml", TEAM),
            ],
            expected: &[": shop/web[team=shop]"],
        },
        Case {
            title: "applications of applications",
            spec: "{source: {path: apps}, destination: {namespace: argocd}}",
            files: &[
                (
                    "apps/child.yaml",
                    "apiVersion: argoproj.io/v1alpha1\nkind: Application\nmetadata: {name: child}\nspec: {source: {path: child}, destination: {namespace: shop}}\n",
                ),
                ("child/pod.yaml", POD),
            ],
            expected: &[": shop/web[app=web]"],
        },
        Case {
            title: "a chart of another repository",
            spec: "{source: {repoURL: 'https://charts.example.org', chart: redis, targetRevision: 1.0.0}, destination: {namespace: shop}}",
            files: &[],
            expected: &[": ?"],
        },
        Case {
            title: "a directory of another repository that is called like one of this",
            spec: "{sources: [{repoURL: 'https://example.org/own.git', path: apps}, {repoURL: 'git@example.org:own', path: team}, {repoURL: 'https://example.org/other', path: apps}], destination: {namespace: shop}}",
            files: &[("apps/pod.yaml", POD), ("team/pod.yaml", OTHER)],
            expected: &[": shop/db[app=db] shop/web[app=web] ?"],
        },
        Case {
            title: "what is written to another branch",
            spec: "{sourceHydrator: {drySource: {repoURL: 'https://example.org/own', path: apps}, syncSource: {targetBranch: env/prod, path: apps}}, destination: {namespace: shop}}",
            files: &[("apps/pod.yaml", POD)],
            expected: &[": shop/web[app=web]"],
        },
        Case {
            title: "what Jsonnet makes is not known",
            spec: "{source: {path: apps, directory: {jsonnet: {tlas: [{name: a, value: b}]}}}, destination: {namespace: shop}}",
            files: &[("apps/pod.yaml", POD)],
            expected: &[": shop/web[app=web] ?"],
        },
        Case {
            title: "a file that asks to be left out",
            spec: "{source: {path: apps}, destination: {namespace: shop}}",
            files: &[
                ("apps/pod.yaml", POD),
                (
                    "apps/left.yaml",
                    "# +argocd:skip-file-rendering\napiVersion: v1\nkind: Pod\nmetadata: {name: left}\n",
                ),
            ],
            expected: &[": shop/web[app=web]"],
        },
    ];
    check(kind, &cases);
}

#[test]
fn flux_applies_no_files_that_sourceignore_leaves_out() {
    let entry = "apiVersion: kustomize.toolkit.fluxcd.io/v1\nkind: Kustomization\nmetadata: {name: k, namespace: flux-system}\nspec: {path: ./apps}\n";
    let applied = |name: &str, root: &str, inner: &str| -> Vec<&str> {
        let directory = scratch(name);
        for (path, text) in [
            ("clusters/prod/entry.yaml", entry),
            (".sourceignore", root),
            ("apps/.sourceignore", inner),
            ("apps/pod.yaml", POD),
            ("apps/db/db.yaml", OTHER),
            ("apps/db/kustomization.yaml", "resources: [db.yaml]\n"),
        ] {
            write(&directory, path, text);
        }
        let graph = run(&directory, &["graph", "-q"]).stdout;
        let pods = ["default/Pod/web", "default/Pod/db"].into_iter();
        pods.filter(|pod| graph.contains(pod)).collect()
    };
    let all = ["default/Pod/web", "default/Pod/db"];
    assert_eq!(applied("sourceignore-none", "# nothing\n", ""), all);
    assert_eq!(applied("sourceignore-root", "/apps/db/\n", ""), all[..1]);
    assert_eq!(applied("sourceignore-inner", "", "db\n"), all[..1]);
    assert_eq!(
        applied("sourceignore-files", "*.yaml\n!pod.yaml\n", ""),
        all[..1]
    );
    // The inner one is asked first.
    assert_eq!(applied("sourceignore-both", "db\n", "!db\n"), all);
}

#[test]
fn flux_applies_no_files_that_no_source_has() {
    let kind = "apiVersion: kustomize.toolkit.fluxcd.io/v1\nkind: Kustomization\nmetadata: {name: k, namespace: flux-system}";
    let spec = "{path: ./apps}";
    let list = ("apps/kustomization.yaml", "resources: [cloudbuild.yaml]\n");
    check(
        kind,
        &[
            Case {
                title: "what belongs to git, to CI and to other tools",
                spec,
                files: &[
                    ("apps/pod.yaml", POD),
                    ("apps/.github/db.yaml", OTHER),
                    ("apps/cloudbuild.yaml", OTHER),
                    ("apps/.sops.yaml", OTHER),
                ],
                expected: &[": default/web[app=web]"],
            },
            Case {
                title: "a kustomization that lists it",
                spec,
                files: &[list, ("apps/cloudbuild.yaml", POD)],
                expected: &[": "],
            },
            Case {
                title: "patterns of its own in the place of those",
                spec,
                files: &[
                    (".sourceignore", "*.md\n"),
                    list,
                    ("apps/cloudbuild.yaml", POD),
                ],
                expected: &[".: default/web[app=web]", "others: "],
            },
            Case {
                title: "what belongs to git all the same",
                spec,
                files: &[
                    (".sourceignore", "*.md\n"),
                    ("apps/pod.yaml", POD),
                    ("apps/.git/db.yaml", OTHER),
                ],
                expected: &[".: default/web[app=web]", "others: "],
            },
            Case {
                title: "nothing else",
                spec: "{path: ./.github/apps}",
                files: &[(".github/apps/pod.yaml", POD)],
                expected: &[": "],
            },
        ],
    );
}

#[test]
fn a_release_for_another_cluster_brings_no_pods_here() {
    let drawn = |name: &str, more: &str| {
        let directory = scratch(name);
        let release = format!(
            "apiVersion: helm.toolkit.fluxcd.io/v2\nkind: HelmRelease\nmetadata: {{name: player, namespace: shop}}\nspec:\n  chart: {{spec: {{chart: app-template, version: 4.1.2}}}}\n  values: {{controllers: {{main: {{containers: {{app: {{}}}}}}}}, service: {{app: {{controller: main, ports: {{http: {{port: 8080}}}}}}}}}}\n{more}"
        );
        let policy = "apiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata: {name: p, namespace: shop}\nspec: {podSelector: {}, ingress: [{from: [{podSelector: {}}]}]}\n";
        write(&directory, "release.yaml", &release);
        write(&directory, "policy.yaml", policy);
        write(
            &directory,
            "pod.yaml",
            format!("{POD}---\n{OTHER}").replace("metadata: {", "metadata: {namespace: shop, "),
        );
        run(&directory, &["graph", "-q"]).stdout
    };
    let here = drawn("release-here", "");
    assert!(here.contains("shop/HelmRelease/player"), "{here}");
    let elsewhere = drawn(
        "release-elsewhere",
        "  kubeConfig: {secretRef: {name: other}}\n",
    );
    assert!(elsewhere.contains("shop/Pod/web"), "{elsewhere}");
    assert!(!elsewhere.contains("HelmRelease"), "{elsewhere}");
}

#[test]
fn flux_applies_no_files_that_their_source_leaves_out() {
    let source = |ignore: &str| {
        format!(
            "apiVersion: source.toolkit.fluxcd.io/v1\nkind: GitRepository\nmetadata: {{name: flux-system, namespace: flux-system}}\nspec: {{url: 'https://git.example.org/x', ignore: \"{ignore}\"}}\n"
        )
    };
    let entry = |name: &str, path: &str| {
        format!(
            "apiVersion: kustomize.toolkit.fluxcd.io/v1\nkind: Kustomization\nmetadata: {{name: {name}, namespace: flux-system}}\nspec: {{path: {path}, sourceRef: {{kind: GitRepository, name: flux-system}}}}\n"
        )
    };
    let run_with = |name: &str, own: &str, files: &[(&str, &str)]| -> (String, String) {
        let directory = scratch(name);
        let apps = entry("apps", "./apps");
        for (path, text) in [
            ("clusters/prod/source.yaml", own),
            ("clusters/prod/apps.yaml", &apps),
            ("apps/pod.yaml", POD),
            ("apps/db/db.yaml", OTHER),
        ]
        .into_iter()
        .chain(files.iter().copied())
        {
            write(&directory, path, text);
        }
        let graph = run(&directory, &["graph", "-q"]).stdout;
        let pods = ["default/Pod/web", "default/Pod/db"].into_iter();
        let pods: Vec<&str> = pods.filter(|pod| graph.contains(pod)).collect();
        let roots = run(&directory, &["files", "--roots"]).stdout;
        (pods.join(" "), roots)
    };
    let applied = |name: &str, ignore: &str, files: &[(&str, &str)]| -> String {
        run_with(name, &source(ignore), files).0
    };
    let all = "default/Pod/web default/Pod/db";
    let web = "default/Pod/web";
    assert_eq!(applied("ignore-none", "# nothing", &[]), all);
    assert_eq!(applied("ignore-one", "/apps/db", &[]), web);
    let most = "/*\\n!/clusters\\n!/apps\\n/apps/db/*.yaml";
    assert_eq!(applied("ignore-most", most, &[]), web);
    // The last pattern decides, be it for the directory only.
    let last = "/apps/db/*.yaml\\n!/apps";
    assert_eq!(applied("ignore-last", last, &[]), all);
    // It is asked before the files in the tree.
    let file = [("apps/.sourceignore", "db\n")];
    assert_eq!(applied("ignore-over-file", "!/apps/db", &file), all);
    assert_eq!(applied("ignore-beside-file", "*.md", &file), web);

    // What a patch makes of the source counts for what is applied after it.
    let gotk = entry("flux-system", "./clusters/prod");
    let list = "resources: [gotk.yaml, source.yaml, apps.yaml]\npatches:\n- target: {kind: GitRepository}\n  patch: '[{\"op\": \"replace\", \"path\": \"/spec/ignore\", \"value\": \"/apps/db/\"}]'\n";
    let files = [
        ("clusters/prod/gotk.yaml", gotk.as_str()),
        ("clusters/prod/kustomization.yaml", list),
    ];
    assert_eq!(applied("ignore-patched", "# nothing", &files), web);

    let (pods, roots) = run_with("ignore-all", &source("/*\\n!/clusters"), &[]);
    assert_eq!(pods, "");
    assert!(roots.contains(
        "the source of the Kustomization `apps` leaves out `./apps`, and Flux applies nothing"
    ));
}

#[test]
fn what_flux_takes_from_elsewhere_is_named_without_any_cluster() {
    let lone = |name: &str, path: &str, kind: &str| -> (String, String) {
        let directory = scratch(name);
        let object = format!(
            "apiVersion: kustomize.toolkit.fluxcd.io/v1\nkind: Kustomization\nmetadata: {{name: away, namespace: flux-system}}\nspec: {{path: {path}, sourceRef: {{kind: {kind}, name: away}}}}\n"
        );
        write(&directory, "flux/away.yaml", &object);
        write(&directory, "flux/pod.yaml", POD);
        write(&directory, "k8s/db.yaml", OTHER);
        let roots = run(&directory, &["files", "--roots"]).stdout;
        (roots, run(&directory, &["graph", "-q"]).stdout)
    };
    for (name, kind) in [
        ("lone-oci", "OCIRepository"),
        ("lone-bucket", "Bucket"),
        ("lone-git", "GitRepository"),
    ] {
        let (roots, graph) = lone(name, "./deploy", kind);
        let wanted = "`./deploy` of the Kustomization `away` is not in this repository";
        assert!(roots.contains(wanted), "{roots}");
        // Nothing says that Flux applies what is here.
        assert!(!roots.contains("not deployed"), "{roots}");
        assert!(graph.contains("default/Pod/web") && graph.contains("default/Pod/db"));
    }
    let (roots, _) = lone("lone-template", "'{{ path }}'", "OCIRepository");
    assert!(!roots.contains("unknown"), "{roots}");
}

#[test]
fn labels_that_two_applications_give_one_pod_otherwise_are_not_certain() {
    let application = |name: &str| {
        format!(
            "apiVersion: argoproj.io/v1alpha1\nkind: Application\nmetadata: {{name: {name}, namespace: argocd}}\nspec: {{source: {{path: {name}}}, destination: {{namespace: shop}}}}\n"
        )
    };
    let policy = "---\napiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata: {name: deny}\nspec: {podSelector: {matchLabels: {app: web}}, policyTypes: [Ingress]}\n";
    let directory = scratch("two-definitions");
    write(&directory, "argocd/a.yaml", application("a"));
    write(&directory, "argocd/b.yaml", application("b"));
    write(&directory, "a/pod.yaml", POD);
    let other = POD.replace("app: web", "app: other") + policy;
    write(&directory, "b/pod.yaml", &other);
    let graph = run(&directory, &["graph", "-q"]).stdout;
    assert!(
        graph.contains("outside -> shop/Pod/web  unknown: all"),
        "{graph}"
    );
}

/// A tenant's repository has a directory of the same name as one among those of the tenants here.
#[test]
fn the_path_of_a_tenant_is_one_of_the_repository_of_the_tenant() {
    let flux = |name: &str, source: &str, path: &str| {
        format!(
            "apiVersion: kustomize.toolkit.fluxcd.io/v1\nkind: Kustomization\nmetadata: {{name: {name}, namespace: flux-system}}\nspec: {{path: {path}, sourceRef: {{kind: GitRepository, name: {source}}}}}\n"
        )
    };
    let patch = flux("team", "team", "./prod");
    let files = [
        (
            "clusters/prod/flux-system/sync.yaml",
            flux("flux-system", "flux-system", "./clusters/prod"),
        ),
        (
            "clusters/prod/tenants.yaml",
            flux("tenants", "flux-system", "./tenants/prod"),
        ),
        (
            "tenants/prod/kustomization.yaml",
            "resources: [../base]\npatches: [{path: patch.yaml}]\n".to_owned(),
        ),
        ("tenants/prod/patch.yaml", patch),
        (
            "tenants/base/kustomization.yaml",
            "resources: [team.yaml, pod.yaml]\n".to_owned(),
        ),
        ("tenants/base/team.yaml", flux("team", "team", "./")),
        ("tenants/base/pod.yaml", POD.to_owned()),
    ];
    let files = files.map(|(name, text)| (name.to_owned(), text));
    assert_eq!(clusters(&files), [": default/web[app=web] ?"]);
}
