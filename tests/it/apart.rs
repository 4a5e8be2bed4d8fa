//! Plain manifests far from what Argo CD applies: somebody else applies them, so they are
//! judged, apart from what is known to be deployed.

use super::gitops_cases::POD;
use super::program::{run, scratch, write};

/// A policy with a mistake that shows wherever it is judged.
const POLICY: &str = "apiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata: {name: p, namespace: shop}\nspec: {podSelector: {matchLabels: {app: web}}, ingress: [{from: [{ipBlock: {cidr: 10.0.0.0/33}}]}]}\n";

const APPLICATION: &str =
    "apiVersion: argoproj.io/v1alpha1\nkind: Application\nmetadata: {name: a, namespace: argocd}\n";

const SET: &str = "apiVersion: argoproj.io/v1alpha1\nkind: ApplicationSet\nmetadata: {name: s, namespace: argocd}\nspec: {generators: [{list: {elements: [{path: apps}]}}], template: {metadata: {name: '{{path}}'}, spec: {source: {path: '{{path}}'}, destination: {namespace: shop}}}}\n";

const UNKNOWN_SET: &str = "apiVersion: argoproj.io/v1alpha1\nkind: ApplicationSet\nmetadata: {name: s, namespace: argocd}\nspec: {generators: [{clusters: {}}], template: {metadata: {name: '{{name}}'}, spec: {source: {path: k8s}, destination: {name: '{{name}}', namespace: shop}}}}\n";

const FLUX: &str = "apiVersion: kustomize.toolkit.fluxcd.io/v1\nkind: Kustomization\nmetadata: {name: k, namespace: flux-system}\nspec: {path: ./apps}\n";

fn application(source: &str) -> String {
    format!("{APPLICATION}spec: {{source: {{{source}}}, destination: {{namespace: shop}}}}\n")
}

/// Whether the mistake in `path` is told, and what is said of its place.
fn told(name: &str, path: &str, entries: &[&str]) -> (bool, Option<&'static str>) {
    let directory = scratch(name);
    write(&directory, path, POLICY);
    write(&directory, "apps/pod.yaml", POD);
    write(
        &directory,
        "charts/web/Chart.yaml",
        "name: web\nversion: 1.0.0\n",
    );
    for (number, entry) in entries.iter().enumerate() {
        write(&directory, &format!("argocd/{number}.yaml"), entry);
    }
    let found = run(&directory, &["lint", "-q", "-o", "concise"]).stdout;
    let mut words = ["not deployed", "judged apart"].into_iter();
    (
        found.contains("invalid-cidr"),
        words.find(|word| found.contains(word)),
    )
}

#[test]
fn policies_far_from_what_is_applied_are_judged() {
    let of = |source: &str| application(source);
    let remote = of("repoURL: https://charts.example.org, chart: redis, targetRevision: 1.0.0");
    let other = of("repoURL: https://example.org/x.git, path: deploy");
    let apps = of("path: apps");
    let chart = of("path: charts/web");
    let all = of("path: .");
    let (plain, apart, not) = (None, Some("judged apart"), Some("not deployed"));
    for (name, path, entries, expected) in [
        // What takes nothing of this tree says nothing about it.
        (
            "remote-chart",
            "k8s/p.yaml",
            &[remote.as_str()][..],
            (true, plain),
        ),
        ("other-repository", "k8s/p.yaml", &[&other], (true, plain)),
        ("directory", "k8s/p.yaml", &[&apps], (true, apart)),
        ("chart", "k8s/p.yaml", &[&chart], (true, apart)),
        ("set", "k8s/p.yaml", &[SET], (true, apart)),
        // Flux applies all that a cluster has.
        ("flux", "k8s/p.yaml", &[FLUX], (false, not)),
        ("deep", "deploy/k8s/net/p.yaml", &[&apps], (true, apart)),
        ("beside-the-entry", "argocd/p.yaml", &[&apps], (true, apart)),
        // Whoever knows the clusters applies it there.
        (
            "unknown-set",
            "k8s/p.yaml",
            &[&apps, UNKNOWN_SET],
            (true, plain),
        ),
        // It lies where others are applied, and was left out.
        ("below", "apps/more/p.yaml", &[&apps], (false, not)),
        ("below-the-root", "k8s/p.yaml", &[&all], (false, not)),
    ] {
        let name = format!("apart-{name}");
        assert_eq!(told(&name, path, entries), expected, "{name}");
    }
}

#[test]
fn neighbours_of_what_is_applied_were_left_out() {
    let apps = application("path: deploy/web");
    let directory = scratch("apart-neighbours");
    write(&directory, "argocd/a.yaml", apps);
    write(&directory, "deploy/web/pod.yaml", POD);
    write(&directory, "deploy/old/p.yaml", POLICY);
    let found = run(&directory, &["lint", "-q", "-o", "concise"]).stdout;
    assert!(found.contains("not deployed"), "{found}");
    assert!(!found.contains("invalid-cidr"), "{found}");
}

#[test]
fn what_stands_apart_changes_no_verdict_about_what_is_deployed() {
    let directory = scratch("apart-verdicts");
    let policy = "apiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata: {name: p, namespace: shop}\nspec: {podSelector: {matchLabels: {app: web}}}\n";
    write(&directory, "k8s/p.yaml", policy);
    write(&directory, "apps/pod.yaml", POD);
    write(&directory, "argocd/a.yaml", application("path: apps"));
    let clusters = run(&directory, &["files", "--roots"]).stdout;
    assert!(clusters.contains("cluster in-cluster\n"), "{clusters}");
    assert!(clusters.contains("cluster others\n"), "{clusters}");
    let reach = run(
        &directory,
        &["reach", "internet", "shop/web", "--port", "80"],
    );
    assert!(reach.stdout.contains("allowed"), "{}", reach.stdout);
    // The pods that Argo CD applies are known beside it: the selector is no slip of the pen.
    let found = run(&directory, &["lint", "-q", "-o", "concise"]).stdout;
    assert!(!found.contains("unmatched"), "{found}");
}
