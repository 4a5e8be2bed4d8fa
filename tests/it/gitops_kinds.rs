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
    write(&directory, "apps/again.yaml", numbered);
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
