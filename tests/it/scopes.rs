//! Scopes of the configuration: each has what its own roots build, wherever that stands.

use crate::repository::Repository;

const WEB: &str = "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: web, namespace: shop}\nspec:\n  \
    selector: {matchLabels: {app: web}}\n  template:\n    metadata: {labels: {app: web}}\n    \
    spec: {containers: [{name: c, image: i, ports: [{name: http, containerPort: 80}]}]}\n";

const FLUX: &str = "apiVersion: kustomize.toolkit.fluxcd.io/v1\nkind: Kustomization\n\
    metadata: {name: apps, namespace: flux-system}\nspec: {path: ./apps/overlay, interval: 1m, prune: true}\n";

const ARGO: &str = "apiVersion: argoproj.io/v1alpha1\nkind: Application\n\
    metadata: {name: apps, namespace: argocd}\nspec:\n  \
    source: {repoURL: https://git.example/shop, path: apps}\n  \
    destination: {server: https://kubernetes.default.svc, namespace: shop}\n";

/// What builds the clusters of a tree, and how many objects come of it.
fn roots(name: &str, files: &[(&str, &str)], config: &str) -> Vec<String> {
    let repository = Repository::new(&format!("scopes-{name}"));
    for (file, text) in files {
        repository.write(file, text);
    }
    repository.write("npcheck.yaml", config);
    let lint = repository.run(&["lint"]);
    let said = format!("{}{}", lint.stdout, lint.stderr);
    assert_eq!(lint.status, 0, "{name}: {said}");
    assert!(!said.contains("no file belongs"), "{name}: {said}");
    let run = repository.run(&["files", "--roots"]);
    let lines = run.stdout.lines().map(str::trim_start);
    let roots = lines.filter(|line| line.contains(" object") && !line.contains(" told apart "));
    let words = |line: &str| line.split_whitespace().collect::<Vec<_>>().join(" ");
    roots.map(words).collect()
}

#[test]
fn a_scope_has_what_its_roots_build_from() {
    let overlay = "resources: [../../base]\n";
    let base = [
        ("base/kustomization.yaml", "resources: [web.yaml]\n"),
        ("base/web.yaml", WEB),
    ];
    let overlays = ["dev", "prod"].map(|it| format!("overlays/{it}/kustomization.yaml"));
    let mut files = base.to_vec();
    files.extend(overlays.iter().map(|file| (file.as_str(), overlay)));
    let [dev, prod] = ["dev", "prod"].map(|it| format!("kustomization overlays/{it} 1 object"));
    let both = vec![dev.clone(), prod.clone()];
    let patterns = "scopes:\n- {name: dev, paths: [\"overlays/dev/**\"]}\n\
        - {name: prod, paths: [\"overlays/prod/**\"]}\n";
    assert_eq!(roots("patterns", &files, patterns), both);
    let named = "scopes:\n- {name: dev, paths: [overlays/dev]}\n\
        - {name: prod, paths: [overlays/prod/]}\n";
    assert_eq!(roots("named", &files, named), both);
    let one = "scopes:\n- {name: prod, paths: [overlays/prod]}\n";
    assert_eq!(roots("one", &files, one), both);
    let mut flux = base.to_vec();
    flux.push(("clusters/prod/apps.yaml", FLUX));
    flux.push(("apps/overlay/kustomization.yaml", overlay));
    let config = "scopes:\n- {name: prod, paths: [\"clusters/prod/**\"]}\n";
    assert_eq!(roots("flux", &flux, config), ["Flux prod 1 object"]);
    let argo = [("argo/apps.yaml", ARGO), ("apps/web.yaml", WEB)];
    let config = "scopes:\n- {name: prod, paths: [argo]}\n";
    assert_eq!(
        roots("argo", &argo, config),
        ["Argo CD Application/apps 1 object"]
    );
}
