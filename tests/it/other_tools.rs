//! Trees of which tools beside kustomize, Flux, Argo CD and Helm apply a part: nothing that their
//! files name is called unused.

use super::program::{run, scratch, write};

const POLICY: &str = "apiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata: {name: p, namespace: shop}\nspec: {podSelector: {}}\n";

const POD: &str = "apiVersion: v1\nkind: Pod\nmetadata: {name: web, namespace: shop, labels: {app: web}}\nspec: {containers: [{name: c, image: x}]}\n";

const APPLICATION: &str = "apiVersion: argoproj.io/v1alpha1\nkind: Application\nmetadata: {name: a, namespace: argocd}\nspec: {source: {path: apps}, destination: {namespace: shop}}\n";

const GENERATOR: &str = "apiVersion: policy.open-cluster-management.io/v1\nkind: PolicyGenerator\nmetadata: {name: g}\npolicies: [{name: n, manifests: [{path: PATH}]}]\n";

const HELMFILE: &str = "releases:\n- name: web\n  chart: ./k8s\n";

const KLUCTL: &str = "deployments:\n- path: other\n- path: k8s\n";

const DEVSPACE: &str =
    "version: v2beta1\ndeployments:\n  web:\n    kubectl:\n      manifests: [k8s/p.yaml]\n";

const GARDEN: &str =
    "kind: Deploy\ntype: kubernetes\nname: web\nspec: {manifestFiles: [./k8s/*.yaml]}\n";

const SUBSCRIPTION: &str = "apiVersion: apps.open-cluster-management.io/v1\nkind: Subscription\nmetadata: {name: s, annotations: {apps.open-cluster-management.io/git-path: k8s}}\nspec: {channel: x/y}\n";

const MAKE: &str = "deploy:\n\tkubectl apply -f $(ROOT)/k8s/p.yaml -n shop\n";

const PIPELINE: &str = "steps:\n- run: kubectl apply --filename=../k8s/p.yaml\n";

const REMARK: &str = "steps:\n# kubectl apply -f k8s/p.yaml\n- run: cat k8s/p.yaml\n";

/// Whether a policy in `k8s/p.yaml` is called unused, beside a kustomization that does not list
/// it, or in a tree that Argo CD applies otherwise.
fn is_told(name: &str, files: &[(&str, &str)]) -> [bool; 2] {
    let of = |beside: &[(&str, &str)], name: &str| {
        let directory = scratch(name);
        write(&directory, "k8s/p.yaml", POLICY);
        for (name, text) in beside.iter().chain(files) {
            write(&directory, name, text);
        }
        let found = run(&directory, &["lint", "-q", "-o", "concise"]).stdout;
        found.contains("unreferenced-manifest")
    };
    let kustomization = [
        ("k8s/kustomization.yaml", "resources: [web.yaml]\n"),
        ("k8s/web.yaml", POD),
    ];
    let argo = [("apps/web.yaml", POD), ("app.yaml", APPLICATION)];
    [
        of(&kustomization, &format!("tools-{name}-beside")),
        of(&argo, &format!("tools-{name}-argo")),
    ]
}

#[test]
fn what_another_tool_names_is_not_called_unused() {
    let skaffold = |paths: &str| {
        format!("apiVersion: skaffold/v4beta6\nkind: Config\nmanifests: {{rawYaml: [{paths}]}}\n")
    };
    let kapp = "apiVersion: kappctrl.k14s.io/v1alpha1\nkind: App\nmetadata: {name: a, namespace: x}\nspec: {fetch: [{git: {url: https://example.org/x, subPath: ./k8s/}}]}\n";
    let repository = "apiVersion: fleet.cattle.io/v1alpha1\nkind: GitRepo\nmetadata: {name: a, namespace: x}\nspec: {repo: https://example.org/x, paths: [k8s/]}\n";
    let zarf = "kind: ZarfPackageConfig\nmetadata: {name: z}\ncomponents: [{name: c, manifests: [{name: m, files: [k8s/p.yaml]}]}]\n";
    let raw = [
        skaffold("k8s/*.yaml"),
        skaffold("./k8s/p.yaml"),
        skaffold("other/*.yaml"),
    ];
    let [globs, file, other] = &raw;
    let generator = GENERATOR.replace("PATH", "k8s/p.yaml");
    // Of a directory with a kustomization, it is that which a tool takes.
    for (name, path, text, expected) in [
        ("none", "note.yaml", "files: [k8s/p.yaml]\n", [true, true]),
        ("globs", "skaffold.yaml", globs, [false, false]),
        ("file", "skaffold.yaml", file, [false, false]),
        ("other", "skaffold.yaml", other, [true, true]),
        ("kapp", "deploy/app.yaml", kapp, [true, false]),
        ("gitrepo", "gitrepo.yaml", repository, [true, false]),
        (
            "bundle",
            "k8s/fleet.yaml",
            "defaultNamespace: shop\n",
            [true, false],
        ),
        ("zarf", "zarf.yaml", zarf, [false, false]),
        ("helmfile", "helmfile.yaml", HELMFILE, [true, false]),
        ("kluctl", "deployment.yaml", KLUCTL, [true, false]),
        ("devspace", "devspace.yaml", DEVSPACE, [false, false]),
        ("garden", "web.garden.yml", GARDEN, [false, false]),
        ("subscription", "sub.yaml", SUBSCRIPTION, [true, false]),
        ("make", "Makefile", MAKE, [false, false]),
        (
            "just",
            "justfile",
            "up:\n  kubectl apply -f k8s\n",
            [true, false],
        ),
        (
            "tilt",
            "Tiltfile",
            "k8s_yaml(['k8s/p.yaml'])\n",
            [false, false],
        ),
        ("pipeline", "ci/deploy.yml", PIPELINE, [false, false]),
        ("remark", "ci/deploy.yml", REMARK, [true, true]),
        ("generator", "policies.yaml", &generator, [false, false]),
    ] {
        assert_eq!(is_told(name, &[(path, text)]), expected, "{name}");
    }
}

#[test]
fn what_a_generator_names_is_for_the_generator() {
    let directory = scratch("tools-generator-inputs");
    write(&directory, "kustomization.yaml", "generators: [g.yaml]\n");
    write(&directory, "p.yaml", POLICY);
    write(&directory, "unused.yaml", POLICY);
    let generator = GENERATOR.replace("kind: PolicyGenerator", "kind: Other");
    write(&directory, "g.yaml", generator.replace("PATH", "p.yaml"));
    let found = run(&directory, &["lint", "-q", "-o", "concise"]).stdout;
    let lines = found
        .lines()
        .filter(|it| it.contains("unreferenced-manifest"));
    let lines: Vec<&str> = lines.collect();
    assert_eq!(lines.len(), 1, "{found}");
    assert!(lines[0].starts_with("unused.yaml:"), "{found}");
}
