//! Kinds of Flux and Argo CD, and what each brings to a cluster.
//!
//! | kind, part | test |
//! |---|---|
//! | Kustomization: path, targetNamespace, names, patches, components, commonMetadata, postBuild, dependsOn, other sources | `gitops_cases::flux_applies_what_its_documentation_says` |
//! | Kustomization: suspend, images, decryption, a Secret of variables | here |
//! | GitRepository `ignore`, `.sourceignore` | `gitops_cases`, and here for comments |
//! | OCIRepository, Bucket, ExternalArtifact | `gitops_cases`, and here |
//! | HelmRelease, HelmChart, OCIRepository of a chart | `helm`, `deployed::a_release_has_the_chart_of_the_source_that_it_refers_to` |
//! | Application: kustomize, directory, sources, hydrator, Jsonnet, charts | `gitops_cases::argo_cd_applies_what_its_documentation_says`, `helm` |
//! | Application: plugins, `ref`, plain files as they stand, labels of a namespace | here |
//! | ApplicationSet: list, git, matrix, merge, clusters, `templatePatch` | `deployed::application_sets_make_what_can_be_told` |
//! | ApplicationSet: generators that ask elsewhere | here |
//! | AppProject | here |

use super::gitops_cases::{Case, POD, check};
use super::program::{run, scratch, write};

const POLICY: &str = "apiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata: {name: p}\nspec: {podSelector: {matchLabels: {app: web}}}\n";

const FLUX: &str = "apiVersion: kustomize.toolkit.fluxcd.io/v1\nkind: Kustomization\nmetadata: {name: k, namespace: flux-system}";

const ARGO: &str =
    "apiVersion: argoproj.io/v1alpha1\nkind: Application\nmetadata: {name: a, namespace: argocd}";

#[test]
fn flux_applies_each_kind_as_it_says() {
    let applied: &[&str] = &[": default/web[app=web] default/p"];
    let files: &[(&str, &str)] = &[("apps/pod.yaml", POD), ("apps/policy.yaml", POLICY)];
    let secret = "apiVersion: v1\nkind: Secret\nmetadata: {name: v, namespace: flux-system}\nstringData: {APP: web}\n";
    let variable = POD.replace("app: web", "app: \"${APP}\"");
    let plain = |title, spec| Case {
        title,
        spec,
        files,
        expected: applied,
    };
    check(
        FLUX,
        &[
            plain(
                "what is suspended was applied, as a rule",
                "{path: ./apps, suspend: true}",
            ),
            plain(
                "how it is applied does not matter",
                "{path: ./apps, prune: true, wait: true, force: true, timeout: 3m, decryption: {provider: sops}}",
            ),
            plain(
                "images",
                "{path: ./apps, images: [{name: x, newTag: other}]}",
            ),
            // An artifact of a directory that is here was made of this repository, unless
            // something else speaks against it.
            plain(
                "a bucket",
                "{path: ./apps, sourceRef: {kind: Bucket, name: b}}",
            ),
            plain(
                "an OCI artifact",
                "{path: ./apps, sourceRef: {kind: OCIRepository, name: b}}",
            ),
            Case {
                title: "a variable of a Secret is not known",
                spec: "{path: ./apps, postBuild: {substituteFrom: [{kind: Secret, name: v}]}}",
                files: &[("apps/pod.yaml", &variable), ("apps/secret.yaml", secret)],
                expected: &[": default/web[app=${APP}]"],
            },
            Case {
                title: "a source that has comments for patterns leaves out what others do",
                spec: "{path: ./apps}",
                files: &[
                    (".sourceignore", "# *.md\n\n"),
                    ("apps/pod.yaml", POD),
                    ("apps/cloudbuild.yaml", POLICY),
                ],
                expected: &[".: default/web[app=web]", "others: "],
            },
        ],
    );
}

/// What SOPS has encrypted is a policy all the same, and may say anything.
#[test]
fn a_policy_that_flux_decrypts_makes_verdicts_unknown() {
    let entry = format!("{FLUX}\nspec: {{path: ./apps, decryption: {{provider: sops}}}}\n");
    let encrypted = "apiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata: {name: p}\nspec: ENC[AES256_GCM,data:a,iv:b,tag:c,type:str]\nsops: {mac: \"ENC[d]\", version: 3.9.0}\n";
    let answer = |name: &str, metadata: &str, entry: &str| {
        let directory = scratch(name);
        write(&directory, "entry.yaml", entry);
        write(&directory, "apps/pod.yaml", POD);
        let policy = encrypted.replace("{name: p}", metadata);
        write(&directory, "apps/policy.yaml", policy);
        run(&directory, &["graph", "-q", "apps"]).stdout + &run(&directory, &["graph", "-q"]).stdout
    };
    let here = answer("sops-here", "{name: p}", &entry);
    assert_eq!(
        here.matches("outside -> default/Pod/web  unknown: all")
            .count(),
        2,
        "{here}"
    );
    let elsewhere = answer("sops-elsewhere", "{name: p, namespace: shop}", &entry);
    assert_eq!(
        elsewhere.matches("outside -> default/Pod/web  all").count(),
        2,
        "{elsewhere}"
    );
}

/// Kinds without a namespace are about pods of every namespace, wherever kustomize puts them.
#[test]
fn a_cluster_wide_policy_that_flux_decrypts_makes_every_verdict_unknown() {
    let unknown = |name: &str, api_version: &str, kind: &str, outcome: &str| {
        let directory = scratch(name);
        let entry = format!("{FLUX}\nspec: {{path: ./apps, targetNamespace: shop}}\n");
        let spec = match outcome {
            "SOPS" => {
                "spec: ENC[AES256_GCM,data:a,iv:b,tag:c,type:str]\nsops: {mac: \"ENC[d]\", version: 3.9.0}"
            }
            _ => "spec: {{ .Values.spec }}",
        };
        let policy =
            format!("apiVersion: {api_version}\nkind: {kind}\nmetadata: {{name: p}}\n{spec}\n");
        write(&directory, "entry.yaml", entry);
        write(&directory, "apps/policy.yaml", &policy);
        write(&directory, "plain/policy.yaml", policy);
        write(
            &directory,
            "plain/pod.yaml",
            POD.replace("name: web", "namespace: blog, name: web"),
        );
        write(&directory, "apps/pod.yaml", POD);
        let count = |args: &[&str]| {
            let graph = run(&directory, args).stdout;
            graph.matches("/Pod/web  unknown: all").count()
        };
        [count(&["graph", "-q"]), count(&["graph", "-q", "plain"])]
    };
    for (api_version, kind) in [
        ("cilium.io/v2", "CiliumClusterwideNetworkPolicy"),
        ("projectcalico.org/v3", "GlobalNetworkPolicy"),
        ("policy.networking.k8s.io/v1alpha2", "ClusterNetworkPolicy"),
        ("policy.networking.k8s.io/v1alpha1", "AdminNetworkPolicy"),
        (
            "policy.networking.k8s.io/v1alpha1",
            "BaselineAdminNetworkPolicy",
        ),
    ] {
        let name = format!("sops-{kind}");
        assert_eq!(unknown(&name, api_version, kind, "SOPS"), [1, 1], "{kind}");
    }
    // A template is for the pods of its chart.
    let (api_version, kind) = ("projectcalico.org/v3", "GlobalNetworkPolicy");
    let of_template = unknown("template-wide", api_version, kind, "template");
    assert_eq!(of_template[1], 0);
}

#[test]
fn argo_cd_applies_each_kind_as_it_says() {
    let own = |title, spec, files, expected| Case {
        title,
        spec,
        files,
        expected,
    };
    let spec = "{source: {path: apps}, destination: {namespace: shop}}";
    let nameless = POD.replace("name: web,", "generateName: web-,");
    let local = POLICY.replace(
        "{name: p}",
        "{name: p, annotations: {config.kubernetes.io/local-config: \"true\"}}",
    );
    check(
        ARGO,
        &[
            own(
                "what a plugin makes is not known",
                "{source: {path: apps, plugin: {name: x}}, destination: {namespace: shop}}",
                &[("apps/pod.yaml", POD)],
                &[": ?"],
            ),
            own(
                "a source that others refer to brings nothing itself",
                "{sources: [{repoURL: \"https://git.example.org/other\", ref: values}, {path: apps}], destination: {namespace: shop}}",
                &[("apps/pod.yaml", POD)],
                &[": shop/web[app=web]"],
            ),
            own(
                "a hook without a name of its own",
                spec,
                &[("apps/pod.yaml", &nameless), ("apps/policy.yaml", POLICY)],
                &[": shop/web-[app=web] shop/p"],
            ),
            own(
                "kustomize has no say in plain files",
                spec,
                &[("apps/pod.yaml", POD), ("apps/policy.yaml", &local)],
                &[": shop/web[app=web] shop/p"],
            ),
            own(
                "a project restricts, and deploys nothing",
                spec,
                &[
                    ("apps/pod.yaml", POD),
                    (
                        "project.yaml",
                        "apiVersion: argoproj.io/v1alpha1\nkind: AppProject\nmetadata: {name: default, namespace: argocd}\nspec: {sourceRepos: ['*'], destinations: [{namespace: '*', server: '*'}]}\n",
                    ),
                ],
                &[": shop/web[app=web]"],
            ),
        ],
    );
}

/// kustomize rejects these; Argo CD applies the files of a plain directory as they stand, with
/// the annotations that it puts on everything.
#[test]
fn no_build_is_broken_where_argo_cd_builds_nothing() {
    let directory = scratch("argo-plain");
    let application =
        format!("{ARGO}\nspec: {{source: {{path: apps}}, destination: {{namespace: shop}}}}\n");
    write(&directory, "app.yaml", application);
    let hook = "apiVersion: batch/v1\nkind: Job\nmetadata:\n  generateName: migrate-\n  annotations: {argocd.argoproj.io/hook: PreSync, argocd.argoproj.io/sync-wave: \"-1\"}\nspec: {template: {spec: {containers: [{name: c, image: x}]}}}\n";
    let tracked = POD.replace(
        "labels:",
        "annotations: {argocd.argoproj.io/tracking-id: \"a:/Pod:shop/web\"}, labels:",
    );
    write(&directory, "apps/hook.yaml", hook);
    write(&directory, "apps/pod.yaml", &tracked);
    write(&directory, "apps/again.yaml", &tracked);
    let found = run(&directory, &["lint", "-q", "-o", "concise"]).stdout;
    assert!(!found.contains("broken-build"), "{found}");
    // The API server takes strings only, and nobody turns this into one.
    let numbered = tracked.replace("labels:", "labels: {}, x:").replace(
        "annotations: {",
        "annotations: {argocd.argoproj.io/sync-wave: 1, ",
    );
    // Of several definitions the last one is applied.
    write(&directory, "apps/then.yaml", numbered);
    let found = run(&directory, &["lint", "-q", "-o", "concise"]).stdout;
    let message = "the value of `argocd.argoproj.io/sync-wave` must be a string";
    assert!(found.contains(message), "{found}");
}

#[test]
fn argo_cd_labels_the_namespace_that_it_makes_and_no_other() {
    let matched = |name: &str, options: &str| {
        let directory = scratch(name);
        let application = format!(
            "{ARGO}\nspec: {{source: {{path: apps}}, destination: {{namespace: shop}}, syncPolicy: {{{options}managedNamespaceMetadata: {{labels: {{team: a}}}}}}}}\n"
        );
        write(&directory, "app.yaml", application);
        write(&directory, "apps/pod.yaml", POD);
        let policy = POLICY.replace(
            "app: web}}",
            "app: web}}, ingress: [{from: [{namespaceSelector: {matchLabels: {team: a}}}]}]",
        );
        let other = POD.replace("name: web", "name: other");
        write(&directory, "apps/policy.yaml", policy);
        write(&directory, "apps/other.yaml", other);
        let graph = run(&directory, &["graph", "-q"]).stdout;
        graph.contains("shop/Pod/other -> shop/Pod/web  all")
    };
    assert!(matched(
        "argo-labels",
        "syncOptions: [CreateNamespace=true], "
    ));
    assert!(!matched("argo-no-labels", ""));
}

/// A namespace that two applications make, and that is declared as well, is one.
#[test]
fn a_namespace_that_argo_cd_makes_twice_is_counted_once() {
    let directory = scratch("argo-count");
    for app in ["a", "b"] {
        let application = ARGO.replace("name: a", &format!("name: {app}"));
        let spec = format!(
            "spec: {{source: {{path: {app}}}, destination: {{namespace: shop}}, syncPolicy: {{syncOptions: [CreateNamespace=true]}}}}"
        );
        write(
            &directory,
            &format!("app-{app}.yaml"),
            format!("{application}\n{spec}\n"),
        );
        let pod = POD.replace("name: web", &format!("name: {app}"));
        write(&directory, &format!("{app}/pod.yaml"), pod);
    }
    let said = run(&directory, &["lint"]);
    assert!((said.stderr + &said.stdout).contains("1 namespace)"));
}

/// Of several definitions of an object it applies the last one, directory by directory.
#[test]
fn argo_cd_applies_the_last_definition_of_an_object() {
    let application = format!(
        "{ARGO}\nspec: {{source: {{path: apps, directory: {{recurse: true}}}}, destination: {{namespace: shop}}}}\n"
    );
    let open = POLICY.replace("app: web}}", "app: web}}, ingress: [{}]");
    let newer = POLICY.replace("{name: p}", "{name: p, namespace: shop}");
    for (name, files, is_open) in [
        ("argo-last", [("a.yaml", POLICY), ("b.yaml", &*open)], true),
        (
            "argo-first",
            [("a.yaml", &*open), ("b.yaml", POLICY)],
            false,
        ),
        // The directory `a` comes before the file `a.yaml`.
        (
            "argo-below",
            [("a/z.yaml", &*open), ("a.yaml", &*newer)],
            false,
        ),
        (
            "argo-hyphen",
            [("a-b/z.yaml", POLICY), ("a/z.yaml", &*open)],
            false,
        ),
    ] {
        let directory = scratch(name);
        write(&directory, "app.yaml", &application);
        write(&directory, "apps/pod.yaml", POD);
        for (file, text) in files {
            write(&directory, &format!("apps/{file}"), text);
        }
        let graph = run(&directory, &["graph"]);
        let line = "outside -> shop/Pod/web  all";
        assert_eq!(
            graph.stdout.contains(line),
            is_open,
            "{name}: {}",
            graph.stdout
        );
        assert!(
            !graph.stdout.contains("unknown"),
            "{name}: {}",
            graph.stdout
        );
        assert!(
            !graph.stderr.contains("defined twice"),
            "{name}: {}",
            graph.stderr
        );
        let lint = run(&directory, &["lint"]).stdout;
        let finding = "`shop/NetworkPolicy/p` is defined twice in this Application";
        assert!(lint.contains(finding), "{name}: {lint}");
        assert!(!lint.contains("unreferenced-manifest"), "{name}: {lint}");
    }
}

/// What stands for itself beside what is built is listed, and the templates of a chart that
/// something installs are not called undeployed.
#[test]
fn roots_are_listed_with_what_stands_beside_them() {
    let roots = |name: &str, files: &[(&str, &str)]| {
        let directory = scratch(&format!("roots-{name}"));
        for (file, text) in files {
            write(&directory, file, text);
        }
        run(&directory, &["files", "--roots"]).stdout
    };
    let other = POD.replace("name: web", "name: db");
    let beside = roots(
        "beside",
        &[
            ("built/kustomization.yaml", "resources: [pod.yaml]\n"),
            ("built/pod.yaml", POD),
            ("plain/pod.yaml", other.as_str()),
            ("plain/policy.yaml", POLICY),
            ("policy.yaml", POLICY),
            ("values.yaml", "replicas: 2\n"),
        ],
    );
    let expected = "one cluster
  kustomization  built  1 object
  as they stand  3 files
                 .  1 file
                 plain  2 files
";
    assert_eq!(beside, expected);

    let application = format!(
        "{ARGO}\nspec: {{source: {{path: chart}}, destination: {{server: 'https://kubernetes.default.svc', namespace: shop}}}}\n"
    );
    let web = application.replace("path: chart", "path: web");
    let chart = roots(
        "chart",
        &[
            ("apps/a.yaml", application.as_str()),
            ("apps/web.yaml", web.as_str()),
            ("web/pod.yaml", POD),
            ("chart/Chart.yaml", "apiVersion: v2\nname: c\n"),
            ("chart/templates/policy.yaml", POLICY),
            ("chart/charts/sub/templates/policy.yaml", POLICY),
            ("other/Chart.yaml", "apiVersion: v2\nname: c\n"),
            ("other/templates/policy.yaml", POLICY),
        ],
    );
    let idle: Vec<&str> = (chart.lines())
        .filter(|line| line.starts_with("not deployed"))
        .collect();
    let expected = "not deployed: other/templates/policy.yaml:1  NetworkPolicy/p";
    assert_eq!(idle, [expected], "{chart}");
}

/// Why a policy is deployed by nothing depends on what lies beside it.
#[test]
fn the_reason_is_told_why_nothing_deploys_a_policy() {
    let directory = scratch("undeployed-reasons");
    let listed = "resources: [policy.yaml]\n";
    let component = format!("kind: Component\n{listed}");
    for (file, text) in [
        (
            "clusters/prod/sync.yaml",
            format!("{FLUX}\nspec: {{path: ./apps/web}}\n"),
        ),
        (
            "apps/web/kustomization.yaml",
            "resources: [pod.yaml]\n".to_owned(),
        ),
        ("apps/web/pod.yaml", POD.to_owned()),
        ("apps/web/policy.yaml", POLICY.to_owned()),
        ("part/kustomization.yaml", component),
        ("part/policy.yaml", POLICY.to_owned()),
        ("apps/old/kustomization.yaml", listed.to_owned()),
        ("apps/old/policy.yaml", POLICY.to_owned()),
        ("rest/policy.yaml", POLICY.to_owned()),
    ] {
        write(&directory, file, text);
    }
    let lint = run(&directory, &["lint", "-q", "-o", "concise", "."]).stdout;
    for (file, reason) in [
        (
            "apps/web/policy.yaml",
            "the kustomization of this directory does not list the file",
        ),
        (
            "part/policy.yaml",
            "no kustomization uses the Component of this directory",
        ),
        (
            "apps/old/policy.yaml",
            "nothing that Flux or Argo CD applies uses the kustomization of this directory",
        ),
        (
            "rest/policy.yaml",
            "nothing that Flux or Argo CD applies holds the file",
        ),
    ] {
        let mut lines = lint.lines();
        let is_told = |line: &str| line.starts_with(file) && line.ends_with(reason);
        assert!(lines.any(is_told), "{file}: {lint}");
    }
}

/// Flux that installs nothing but charts of elsewhere says nothing of the manifests beside them.
#[test]
fn releases_alone_do_not_deploy_a_tree() {
    let release = "apiVersion: helm.toolkit.fluxcd.io/v2\nkind: HelmRelease\nmetadata: {name: r, namespace: shop}\nspec: {chart: {spec: {chart: podinfo, sourceRef: {kind: HelmRepository, name: h}}}}\n";
    let text = |more: &str| {
        let directory = scratch(&format!("releases-{}", more.len()));
        write(
            &directory,
            "clusters/prod/entry.yaml",
            format!("{FLUX}\nspec: {{path: ./apps}}\n"),
        );
        write(&directory, "apps/release.yaml", format!("{release}{more}"));
        write(&directory, "plain/pod.yaml", POD);
        write(&directory, "plain/policy.yaml", POLICY);
        let roots = run(&directory, &["files", "--roots"]).stdout;
        let told = "apps/release.yaml:3: the chart of HelmRelease `r` is rendered by Helm";
        assert!(roots.contains(told), "{roots}");
        assert!(
            roots.contains("helm template r podinfo --namespace shop | npcheck lint -"),
            "{roots}"
        );
        let graph = run(&directory, &["graph"]);
        assert!(
            graph.stderr.contains(&format!("unknown: {told}")),
            "{}",
            graph.stderr
        );
        (
            roots.contains("not deployed: plain/policy.yaml"),
            graph.stdout.contains("default/Pod/web"),
        )
    };
    assert_eq!(text(""), (false, true));
    assert_eq!(text(&format!("---\n{POD}")), (true, true));
}

#[test]
fn generators_that_ask_elsewhere_are_told() {
    for (kind, generator) in [
        ("scmProvider", "{scmProvider: {github: {organization: o}}}"),
        (
            "pullRequest",
            "{pullRequest: {github: {owner: o, repo: r}}}",
        ),
        ("plugin", "{plugin: {configMapRef: {name: x}}}"),
        (
            "clusterDecisionResource",
            "{clusterDecisionResource: {configMapRef: x}}",
        ),
    ] {
        let directory = scratch(&format!("generator-{kind}"));
        let set = format!(
            "apiVersion: argoproj.io/v1alpha1\nkind: ApplicationSet\nmetadata: {{name: s}}\nspec:\n  generators: [{generator}]\n  template: {{metadata: {{name: '{{{{name}}}}'}}, spec: {{source: {{path: apps}}, destination: {{namespace: shop}}}}}}\n"
        );
        write(&directory, "set.yaml", set);
        write(&directory, "apps/pod.yaml", POD);
        let files = run(&directory, &["graph"]);
        let said = format!("what the generator `{kind}` yields is not known");
        assert!(files.stderr.contains(&said), "{}", files.stderr);
    }
}

#[test]
fn a_text_that_two_overlays_build_under_two_names_is_no_copy() {
    let directory = scratch("two-names");
    write(
        &directory,
        "base/kustomization.yaml",
        "resources: [policy.yaml]\n",
    );
    write(&directory, "base/policy.yaml", POLICY);
    for region in ["eu", "us"] {
        let overlay = format!("namespace: shop\nnamePrefix: {region}-\nresources: [../../base]\n");
        write(
            &directory,
            &format!("overlays/{region}/kustomization.yaml"),
            overlay,
        );
    }
    let found = run(&directory, &["lint", "-q", "-o", "concise"]).stdout;
    assert!(!found.contains("duplicate-policy"), "{found}");
}

/// Only what changes nothing but images leaves the labels of pods as the values say.
#[test]
fn post_renderers_may_give_pods_other_labels() {
    let release = "apiVersion: helm.toolkit.fluxcd.io/v2\nkind: HelmRelease\nmetadata: {name: web, namespace: shop}\nspec:\n  chart: {spec: {chart: app-template, version: 4.1.2}}\n  values: {controllers: {web: {containers: {app: {}}}}}\n";
    let policy = POLICY.replace("{name: p}", "{name: p, namespace: shop}");
    let patch = "{target: {kind: Deployment}, patch: '[{op: add, path: /spec/template/metadata/labels/app, value: web}]'}";
    for (name, renderers, is_certain) in [
        ("renderers-none", String::new(), true),
        (
            "renderers-images",
            "  postRenderers: [{kustomize: {images: [{name: x, newTag: y}]}}]\n".to_owned(),
            true,
        ),
        (
            "renderers-empty",
            "  postRenderers: [{kustomize: {patches: []}}]\n".to_owned(),
            true,
        ),
        (
            "renderers-patch",
            format!("  postRenderers: [{{kustomize: {{patches: [{patch}]}}}}]\n"),
            false,
        ),
    ] {
        let directory = scratch(name);
        write(&directory, "release.yaml", format!("{release}{renderers}"));
        write(&directory, "policy.yaml", &policy);
        let graph = run(&directory, &["graph", "-q"]).stdout;
        let line = "outside -> shop/HelmRelease/web  all";
        assert_eq!(graph.contains(line), is_certain, "{name}: {graph}");
    }
}
