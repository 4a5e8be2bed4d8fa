//! What `npcheck files --roots` says of parts that nobody could build: the command that tells each
//! of them, with the directory, the release and the chart that it is about.

use super::program::{run, scratch, write};

#[test]
fn every_part_that_is_unknown_has_the_command_that_tells_it() {
    let folder = scratch("filling");
    let remote = "resources: [\"https://example.com/base?ref=v1\"]\n";
    write(&folder, "base/kustomization.yaml", remote);
    let overlay = "namespace: shop\nresources: [../../base]\nhelmCharts:\n  - {name: redis, releaseName: cache, repo: https://charts.example.com}\n";
    write(&folder, "overlays/prod/kustomization.yaml", overlay);
    let release = "apiVersion: helm.toolkit.fluxcd.io/v2\nkind: HelmRelease\nmetadata: {name: player, namespace: media}\nspec:\n  chart: {spec: {chart: jellyfin, sourceRef: {kind: HelmRepository, name: charts}}}\n";
    write(&folder, "media/release.yaml", release);
    let shown = run(&folder, &["files", "--roots"]).stdout;
    for command in [
        // The overlay, and not the base that names what is missing.
        "to fill the gap: kustomize build overlays/prod | npcheck lint -",
        "to fill the gap: kustomize build --enable-helm overlays/prod | npcheck lint -",
        "to fill the gap: helm template player jellyfin --namespace media | npcheck lint -",
    ] {
        assert!(shown.contains(command), "{command}\n{shown}");
    }
    assert!(!shown.contains("DIRECTORY"), "{shown}");
    // Names of strangers stay one word.
    let odd = release.replace("jellyfin", "\"$(id) x\"");
    write(&folder, "media/release.yaml", odd);
    let shown = run(&folder, &["files", "--roots"]).stdout;
    assert!(shown.contains("helm template player '$(id) x'"), "{shown}");
    // Argo CD tells what it makes of an Application.
    let application = "apiVersion: argoproj.io/v1alpha1\nkind: Application\nmetadata: {name: shop, namespace: argocd}\nspec:\n  destination: {namespace: shop}\n  sources:\n    - {repoURL: \"https://github.com/me/elsewhere\", path: apps}\n    - {repoURL: \"https://charts.example.com\", chart: redis, helm: {releaseName: cache}}\n    - {repoURL: \"oci://registry.example.com/charts/\", chart: web}\n";
    write(&folder, "argo/shop.yaml", application);
    let shown = run(&folder, &["files", "--roots"]).stdout;
    for command in [
        "argocd app manifests shop | npcheck lint -",
        "helm template cache redis --repo https://charts.example.com --namespace shop",
        "helm template shop oci://registry.example.com/charts/web --namespace shop",
    ] {
        assert!(shown.contains(command), "{command}\n{shown}");
    }
}
