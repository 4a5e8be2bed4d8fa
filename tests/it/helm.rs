//! `--helm`: charts of the tree, rendered by a program that stands for helm, and `--render off`.

use crate::program::{Run, command, run, scratch, write};
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

/// A helm that notes how it was called, and prints a pod and a policy of the release.
const HELM: &str = r##"#!/bin/sh
echo "$@" >> "$CALLS"
for option; do case $option in --values=-) cat >> "$CALLS";; esac; done
while [ "$1" != -- ]; do shift; done
case $3 in
*silent*) exec sleep 60;;
*broken*) echo "Error: a dependency is missing" >&2; exit 1;;
esac
cat <<END
---
# Source: chart/templates/pod.yaml
apiVersion: v1
kind: Pod
metadata: {name: $2, labels: {app: $2}}
spec: {containers: [{name: c, image: x}]}
---
# Source: chart/templates/policy.yaml
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: $2}
spec:
  podSelector: {matchLabels: {app: $2}}
  ingress: [{from: [{podSelector: {matchLabels: {app: ${2}b}}}]}]
END
"##;

fn application(name: &str, source: &str) -> String {
    format!(
        "apiVersion: argoproj.io/v1alpha1\nkind: Application\nmetadata: {{name: {name}, namespace: argocd}}\nspec:\n  source: {{{source}}}\n  destination: {{namespace: shop}}\n"
    )
}

/// A directory with a helm beside it, and charts in it.
fn tree(name: &str, charts: &[&str]) -> PathBuf {
    let directory = scratch(name);
    write(&directory, "bin/helm", HELM);
    let helm = directory.join("bin/helm");
    fs::set_permissions(helm, fs::Permissions::from_mode(0o755)).unwrap();
    for chart in charts {
        let file = format!("tree/charts/{chart}/Chart.yaml");
        write(
            &directory,
            &file,
            format!("apiVersion: v2\nname: {chart}\n"),
        );
    }
    directory
}

/// Runs npcheck in the tree, with that helm before all others.
fn with_helm(directory: &Path, arguments: &[&str]) -> Run {
    let others = std::env::var("PATH").unwrap_or_default();
    let path = format!("{}:{others}", directory.join("bin").display());
    let mut command = command(&directory.join("tree"), arguments);
    command.env("PATH", path);
    command.env("CALLS", directory.join("calls"));
    Run::from(command.output().expect("the program starts"))
}

fn calls(directory: &Path) -> String {
    fs::read_to_string(directory.join("calls")).unwrap_or_default()
}

#[test]
fn charts_of_the_tree_are_rendered_where_somebody_asks_for_it() {
    let directory = tree("helm-charts", &["web", "lone"]);
    let source = "path: charts/web, helm: {valueFiles: [prod.yaml], valuesObject: {a: b}, parameters: [{name: x, value: y}]}";
    write(&directory, "tree/argocd.yaml", application("web", source));
    write(&directory, "tree/charts/web/prod.yaml", "c: d\n");
    let unasked = with_helm(&directory, &["files", "--roots"]);
    assert!(unasked.stdout.contains("`--helm` runs it"), "{unasked:?}");
    assert_eq!(calls(&directory), "", "helm is not run unasked");
    for mode in ["--helm", "--render=helm"] {
        let run = with_helm(&directory, &["graph", mode]);
        assert_eq!(run.status, 0, "{run:?}");
        assert!(run.stdout.contains("shop/Pod/web"), "{run:?}");
        assert!(run.stdout.contains("default/Pod/lone"), "{run:?}");
    }
    let asked = calls(&directory);
    let web = "template --skip-tests --namespace=shop --values=./charts/web/prod.yaml --values=- --set=x=y -- web ./charts/web";
    assert!(asked.contains(web), "{asked}");
    assert!(asked.contains("\na: b\n"), "{asked}");
    assert!(asked.contains("template --skip-tests -- lone ./charts/lone"));
    // A finding names the template, and nothing is offered to edit.
    let run = with_helm(&directory, &["lint", "--helm"]);
    assert_eq!(run.status, 1, "{run:?}");
    assert!(run.stdout.contains("made from chart/templates/policy.yaml"));
    assert!(!run.stdout.contains("fix:"), "{}", run.stdout);
    assert_eq!(
        with_helm(&directory, &["lint", "--helm", "--fix"]).status,
        2
    );
}

#[test]
fn releases_of_flux_and_charts_of_kustomizations_are_rendered() {
    let directory = tree("helm-flux", &["web", "api"]);
    write(
        &directory,
        "tree/clusters/prod/sync.yaml",
        "apiVersion: kustomize.toolkit.fluxcd.io/v1\nkind: Kustomization\nmetadata: {name: k, namespace: flux-system}\nspec: {path: ./apps, postBuild: {substitute: {NAME: b}}}\n",
    );
    write(
        &directory,
        "tree/apps/release.yaml",
        "apiVersion: helm.toolkit.fluxcd.io/v2\nkind: HelmRelease\nmetadata: {name: web, namespace: shop}\nspec:\n  chart: {spec: {chart: ./charts/web, sourceRef: {kind: GitRepository, name: flux-system}}}\n  values: {a: \"${NAME}\"}\n",
    );
    write(
        &directory,
        "tree/apps/api/kustomization.yaml",
        "namespace: shop\nhelmGlobals: {chartHome: ../../charts}\nhelmCharts: [{name: api, releaseName: api, valuesInline: {e: f}}]\n",
    );
    let run = with_helm(&directory, &["graph", "--helm"]);
    assert_eq!(run.status, 0, "{run:?}");
    assert!(run.stdout.contains("shop/Pod/web"), "{run:?}");
    assert!(run.stdout.contains("shop/Pod/api"), "{run:?}");
    let asked = calls(&directory);
    assert!(asked.contains("\na: b\n"), "{asked}");
    assert!(asked.contains("\ne: f\n"), "{asked}");
}

#[test]
fn values_of_config_maps_and_post_renderers_of_releases_count() {
    let directory = tree("helm-values", &["web"]);
    write(
        &directory,
        "tree/clusters/prod/sync.yaml",
        "apiVersion: kustomize.toolkit.fluxcd.io/v1\nkind: Kustomization\nmetadata: {name: k, namespace: flux-system}\nspec: {path: ./apps, postBuild: {substitute: {NAME: b}}}\n",
    );
    let release = |more: &str| {
        format!(
            "apiVersion: helm.toolkit.fluxcd.io/v2\nkind: HelmRelease\nmetadata: {{name: web, namespace: shop}}\nspec:\n  chart: {{spec: {{chart: ./charts/web, sourceRef: {{kind: GitRepository, name: flux-system}}}}}}\n  values: {{own: 1, map: {{own: 1}}}}\n{more}\n"
        )
    };
    let from = "  valuesFrom: [{kind: ConfigMap, name: base}]\n";
    let patch = "  postRenderers: [{kustomize: {patches: [{target: {kind: Pod}, patch: '[{\"op\": \"replace\", \"path\": \"/metadata/labels/app\", \"value\": \"other\"}]'}]}}]";
    let write_release = |more: &str| {
        let text = release(more);
        write(&directory, "tree/apps/release.yaml", text);
    };
    write(
        &directory,
        "tree/apps/map.yaml",
        "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: base, namespace: shop}\ndata:\n  values.yaml: |\n    a: ${NAME}\n    own: 2\n    map: {a: c, own: 2}\n",
    );
    // The policy selects the pod; patched, it does not.
    for (more, is_isolated) in [(from.to_owned(), true), (format!("{from}{patch}"), false)] {
        write_release(&more);
        let run = with_helm(&directory, &["graph", "--helm"]);
        assert_eq!(run.status, 0, "{run:?}");
        let is_open = run.stdout.contains("outside -> shop/Pod/web  all");
        assert_eq!(is_open, !is_isolated, "{run:?}");
    }
    let asked = calls(&directory);
    let lines = asked.lines().map(|line| line.split("  #").next());
    let lines: Vec<&str> = lines.flatten().collect();
    let values = ["a: b", "own: 1", "map:", "  a: c", "  own: 1"];
    assert!(lines.windows(5).any(|lines| lines == values), "{asked}");
    // What is not known here, nobody may take for known.
    for more in [
        "  valuesFrom: [{kind: Secret, name: base}]",
        "  valuesFrom: [{kind: ConfigMap, name: other}]",
        "  valuesFrom: [{kind: ConfigMap, name: base, targetPath: a}]",
        "  postRenderers: [{kustomize: {patchesStrategicMerge: []}}]",
    ] {
        write_release(more);
        let before = calls(&directory);
        let run = with_helm(&directory, &["graph", "--helm"]);
        assert!(!run.stdout.contains("shop/Pod/web"), "{more}: {run:?}");
        let asked = calls(&directory);
        assert!(
            !asked[before.len()..].contains("--namespace=shop"),
            "{more}"
        );
    }
}

#[test]
fn a_chart_that_is_not_rendered_stays_unknown() {
    let directory = tree("helm-broken", &["broken", "web"]);
    let broken = application("a", "path: charts/broken");
    let option = application("--post-renderer=x", "path: charts/web");
    write(&directory, "tree/a.yaml", format!("{broken}---\n{option}"));
    let run = with_helm(&directory, &["files", "--roots", "--helm"]);
    assert_eq!(run.status, 2, "{run:?}");
    let said = "charts/broken: this chart was not rendered: helm failed: Error: a dependency";
    assert!(run.stderr.contains(said), "{run:?}");
    assert!(run.stdout.contains("the chart in `broken`"), "{run:?}");
    assert!(!calls(&directory).contains("post-renderer"));
}

/// A template without a variable reads as a manifest; what Helm prints of it is what counts.
#[test]
fn templates_of_rendered_charts_do_not_count_as_they_stand() {
    let pod = "apiVersion: v1\nkind: Pod\nmetadata: {name: NAME, labels: {app: NAME}}\nspec: {containers: [{name: c, image: x}]}\n";
    let inner = "tree/charts/web/charts/inner/templates/pod.yaml";
    for argo in [true, false] {
        let directory = tree(&format!("helm-plain-template-{argo}"), &["web"]);
        let template = "tree/charts/web/templates/pod.yaml";
        write(&directory, template, pod.replace("NAME", "web"));
        write(&directory, inner, pod.replace("NAME", "inner"));
        write(
            &directory,
            "tree/charts/web/charts/inner/Chart.yaml",
            "name: inner\n",
        );
        if argo {
            let application = application("web", "path: charts/web");
            write(&directory, "tree/argocd.yaml", application);
            write(&directory, "tree/lost.yaml", pod.replace("NAME", "lost"));
        }
        let roots = with_helm(&directory, &["files", "--roots", "--helm"]);
        assert_eq!(roots.status, 0, "{roots:?}");
        assert!(!roots.stdout.contains("templates/"), "{roots:?}");
        let is_lost = roots.stdout.contains("not deployed: lost.yaml");
        assert_eq!(is_lost, argo, "{roots:?}");
        let files = with_helm(&directory, &["files", "--helm"]).stdout;
        assert!(files.contains("Pod/inner  part of a build"), "{files}");
        let graph = with_helm(&directory, &["graph", "--helm"]).stdout;
        assert!(
            graph.contains("Pod/web") && !graph.contains("Pod/inner"),
            "{graph}"
        );
    }
}

#[test]
fn with_rendering_off_files_count_as_they_stand() {
    let directory = scratch("render-off");
    let pod = "apiVersion: v1\nkind: Pod\nmetadata: {name: web, labels: {app: web}}\nspec: {containers: [{name: c, image: x}]}\n";
    write(
        &directory,
        "kustomization.yaml",
        "namePrefix: shop-\nresources: [web.yaml]\n",
    );
    write(&directory, "web.yaml", pod);
    let graph = |arguments: &[&str]| run(&directory, arguments).stdout;
    assert!(graph(&["graph"]).contains("default/Pod/shop-web"));
    assert!(graph(&["graph", "--render", "off"]).contains("default/Pod/web"));
}
