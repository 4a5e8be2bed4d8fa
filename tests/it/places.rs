//! Where objects end up: what kustomize, Flux and Argo CD say, and policies that are there
//! with two texts.

use crate::program::{run, scratch, write};
use npcheck::cluster::{Cluster, Places};
use npcheck::config::Config;
use npcheck::manifest;
use npcheck::source::SourceMap;
use npcheck::workspace::Workspace;
use std::fs;

const DEPLOYMENT: &str = "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: web}\nspec:\n  template:\n    metadata: {labels: {app: web}}\n    spec: {containers: [{name: web, image: web}]}\n";

/// The peers of these files, as `namespace/Kind/name`.
fn peers(files: &[(&str, &str)]) -> Vec<String> {
    let mut sources = SourceMap::default();
    let mut objects = Vec::new();
    for (name, text) in files {
        let id = sources.add(*name, *text);
        objects.extend(manifest::read(id, name, text).objects);
    }
    let cluster = Cluster::new(Places::new(&sources, &objects).settle(objects));
    let names = cluster.workload_ids().map(|id| cluster.workload_name(id));
    names.collect()
}

#[test]
fn what_names_no_namespace_goes_where_the_files_around_it_say() {
    let kustomization = |namespace: &str, resources: &str| {
        format!(
            "kind: Kustomization\napiVersion: kustomize.config.k8s.io/v1beta1\n{namespace}resources: [{resources}]\n"
        )
    };
    let shop = kustomization("namespace: shop\n", "web.yaml");
    let bare = kustomization("", "web.yaml");
    let over = kustomization("namespace: prod\n", "../base");
    let over_bare = kustomization("", "../base");
    let flux = "apiVersion: kustomize.toolkit.fluxcd.io/v1\nkind: Kustomization\nmetadata: {name: a}\nspec: {path: ./base, targetNamespace: flux}\n";
    let argo = |more: &str| {
        format!(
            "apiVersion: argoproj.io/v1alpha1\nkind: Application\nmetadata: {{name: a}}\nspec:\n  source: {{path: base{more}}}\n  destination: {{namespace: argo}}\n"
        )
    };
    let (argo, argo_recursing) = (argo(""), argo(", directory: {recurse: true}"));
    let named = DEPLOYMENT.replace("{name: web}", "{name: web, namespace: own}");
    let patches = format!("{over}patches: [{{path: patch.yaml}}]\n");
    type Case<'c> = (&'c str, Vec<(&'c str, &'c str)>, &'c str);
    let cases: Vec<Case<'_>> = vec![
        ("nothing", vec![("base/web.yaml", DEPLOYMENT)], "default"),
        (
            "a kustomization beside it",
            vec![
                ("base/kustomization.yaml", &shop),
                ("base/web.yaml", DEPLOYMENT),
            ],
            "shop",
        ),
        (
            "one that does not list it",
            vec![
                ("base/kustomization.yaml", &shop),
                ("base/other/web.yaml", DEPLOYMENT),
            ],
            "default",
        ),
        (
            "the outermost one has the last word",
            vec![
                ("base/kustomization.yaml", &shop),
                ("base/web.yaml", DEPLOYMENT),
                ("prod/kustomization.yaml", &over),
            ],
            "prod",
        ),
        (
            "an outer one that says nothing",
            vec![
                ("base/kustomization.yaml", &shop),
                ("base/web.yaml", DEPLOYMENT),
                ("prod/kustomization.yaml", &over_bare),
            ],
            "shop",
        ),
        (
            "the first of several",
            vec![
                ("a/kustomization.yaml", &over_bare),
                ("b/kustomization.yaml", &over),
                ("base/kustomization.yaml", &bare),
                ("base/web.yaml", DEPLOYMENT),
                (
                    "c/kustomization.yaml",
                    "namespace: later\nresources: [../base]\n",
                ),
            ],
            "prod",
        ),
        (
            "an own namespace",
            vec![
                ("base/kustomization.yaml", &shop),
                ("base/web.yaml", &named),
            ],
            "own",
        ),
        (
            "Flux, which recurses",
            vec![("flux.yaml", flux), ("x/base/deep/web.yaml", DEPLOYMENT)],
            "flux",
        ),
        (
            "Flux over a kustomization",
            vec![
                ("flux.yaml", flux),
                ("base/kustomization.yaml", &shop),
                ("base/web.yaml", DEPLOYMENT),
            ],
            "flux",
        ),
        (
            "Argo CD",
            vec![("argo.yaml", &argo), ("base/web.yaml", DEPLOYMENT)],
            "argo",
        ),
        (
            "Argo CD does not recurse",
            vec![("argo.yaml", &argo), ("base/deep/web.yaml", DEPLOYMENT)],
            "default",
        ),
        (
            "Argo CD told to recurse",
            vec![
                ("argo.yaml", &argo_recursing),
                ("base/deep/web.yaml", DEPLOYMENT),
            ],
            "argo",
        ),
        (
            "a kustomization before Argo CD",
            vec![
                ("argo.yaml", &argo),
                ("base/kustomization.yaml", &shop),
                ("base/web.yaml", DEPLOYMENT),
            ],
            "shop",
        ),
        (
            "a path that is the end of a name only",
            vec![("argo.yaml", &argo), ("database/web.yaml", DEPLOYMENT)],
            "default",
        ),
        (
            "a patch is no object",
            vec![
                ("base/kustomization.yaml", &bare),
                ("base/web.yaml", DEPLOYMENT),
                ("prod/kustomization.yaml", &patches),
                ("prod/patch.yaml", DEPLOYMENT),
            ],
            "prod",
        ),
    ];
    for (case, files, expected) in cases {
        let expected = [format!("{expected}/Deployment/web")];
        assert_eq!(peers(&files), expected, "{case}");
    }
}

#[test]
fn kustomizations_that_include_each_other_end() {
    let other = |other: &str| {
        format!(
            "apiVersion: kustomize.config.k8s.io/v1beta1\nkind: Kustomization\nnamespace: shop\nresources: [../{other}, web.yaml]\n"
        )
    };
    let (a, b) = (other("a"), other("b"));
    let files = [
        ("a/kustomization.yaml", b.as_str()),
        ("a/web.yaml", DEPLOYMENT),
        ("b/kustomization.yaml", a.as_str()),
    ];
    assert_eq!(
        peers(&files),
        ["default/Deployment/web"],
        "nothing builds them"
    );
}

/// A policy of one application in a tree of several is no policy of the others.
#[test]
fn applications_of_one_tree_are_kept_apart() {
    let directory = scratch("places");
    for app in ["cart", "web"] {
        let kustomization = format!(
            "apiVersion: kustomize.config.k8s.io/v1beta1\nkind: Kustomization\nnamespace: {app}\nresources: [app.yaml]\n"
        );
        write(
            &directory,
            &format!("{app}/kustomization.yaml"),
            kustomization,
        );
    }
    let deny = "---\napiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata: {name: deny}\nspec: {podSelector: {}, policyTypes: [Ingress, Egress]}\n";
    let service = "---\napiVersion: v1\nkind: Service\nmetadata: {name: web}\nspec: {selector: {app: web}, ports: [{port: 80}]}\n---\napiVersion: networking.k8s.io/v1\nkind: Ingress\nmetadata: {name: web}\nspec: {defaultBackend: {service: {name: web, port: {number: 80}}}}\n";
    write(&directory, "cart/app.yaml", format!("{DEPLOYMENT}{deny}"));
    write(&directory, "web/app.yaml", format!("{DEPLOYMENT}{service}"));
    let linted = run(&directory, &["lint", "-o", "concise"]);
    assert_eq!(linted.status, 0, "{linted:?}");
    let files = run(&directory, &["files", "cart"]);
    assert!(
        files
            .stdout
            .contains("Deployment/web  namespace set by kustomize: cart"),
        "{files:?}"
    );
    let reached = run(&directory, &["reach", "cart/web", "web/web", "-p", "80"]);
    assert_eq!(reached.status, 1, "{reached:?}");
    // The change that would allow it is tried where the objects are.
    assert!(reached.stdout.contains("cart/app.yaml"), "{reached:?}");
    let open = run(&directory, &["reach", "web/web", "web/web", "-p", "80"]);
    assert_eq!(open.status, 0, "{open:?}");
}

/// The policy `web` that lets these pods in.
fn admits(app: &str) -> String {
    format!(
        "apiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata: {{name: web, namespace: shop}}\nspec:\n  podSelector: {{matchLabels: {{app: {app}}}}}\n  policyTypes: [Ingress]\n  egress: [{{}}]\n"
    )
}

#[test]
fn a_policy_with_two_texts_is_judged_with_both() {
    let directory = scratch("copies");
    let pod = |app: &str| {
        format!(
            "apiVersion: v1\nkind: Pod\nmetadata: {{name: web, namespace: shop, labels: {{app: {app}}}}}\nspec: {{containers: [{{name: web, image: web}}]}}\n"
        )
    };
    write(&directory, "dev/pod.yaml", pod("webs"));
    write(&directory, "dev/policy.yaml", admits("webs"));
    write(&directory, "prod/pod.yaml", pod("fronts"));
    write(&directory, "prod/policy.yaml", admits("front"));
    write(&directory, "same/policy.yaml", admits("webs"));
    let linted = run(&directory, &["lint", "-o", "concise"]);
    let lines: Vec<&str> = linted.stdout.lines().collect();
    let found = |path: &str, rule: &str| {
        lines
            .iter()
            .any(|line| line.starts_with(path) && line.contains(rule))
    };
    assert!(found("dev/policy.yaml", "ignored-rules"), "{linted:?}");
    assert!(found("prod/policy.yaml", "ignored-rules"), "{linted:?}");
    // Beside `prod/pod.yaml` the label is nearly right; beside the first one it would be none.
    assert!(
        found("prod/policy.yaml", "unmatched-pod-selector"),
        "{linted:?}"
    );
    assert!(
        !found("dev/policy.yaml", "unmatched-pod-selector"),
        "{linted:?}"
    );
    // A copy that says the same has to be mended, too.
    assert!(found("same/policy.yaml", "ignored-rules"), "{linted:?}");

    let kept = format!(
        "# npcheck: ignore ignored-rules -- goes soon\n# npcheck: ignore unmatched-pod-selector -- goes soon\n{}",
        admits("front")
    );
    write(&directory, "prod/policy.yaml", kept);
    let linted = run(&directory, &["lint", "-o", "concise"]);
    assert!(!linted.stdout.contains("prod/policy.yaml"), "{linted:?}");
    assert!(linted.stderr.contains("2 suppressed"), "{linted:?}");

    // What is kept in one copy is kept in the other one as well, where it stands there.
    let kept = format!(
        "# npcheck: ignore ignored-rules -- goes soon\n{}",
        admits("webs")
    );
    write(&directory, "dev/policy.yaml", &kept);
    write(&directory, "same/policy.yaml", &kept);
    let linted = run(&directory, &["lint", "-o", "concise"]);
    assert!(!linted.stdout.contains("policy.yaml"), "{linted:?}");
    assert!(linted.stderr.contains("4 suppressed"), "{linted:?}");
}

#[test]
fn too_many_copies_are_said_to_be_too_many() {
    // Each definition beyond the first needs a cluster of all single objects.
    let single: String = (0..300)
        .map(|number| {
            format!("---\napiVersion: v1\nkind: Namespace\nmetadata: {{name: n{number}}}\n")
        })
        .collect();
    let text = |copy: usize| {
        let single = if copy == 0 { &*single } else { "" };
        format!("{single}---\n{}", admits(&format!("a{copy}")))
    };
    let texts = (0..300).map(|copy| (format!("{copy}.yaml"), text(copy)));
    let workspace = Workspace::load(texts, &Config::default());
    let report = workspace.lint("2026-11-21".parse().expect("a date"));
    assert!(report.unjudged > 0);
    assert!(report.unjudged < 299);
}

/// Who has a default deny to apply with `kubectl -n`, or as a chart, is told of no namespace
/// that it is missing there.
#[test]
fn a_default_deny_that_may_go_anywhere_is_missing_nowhere() {
    let directory = scratch("anywhere");
    let pod = "apiVersion: v1\nkind: Pod\nmetadata: {name: web, namespace: shop, labels: {app: web}}\nspec: {containers: [{name: web, image: web}]}\n";
    write(&directory, "pod.yaml", pod);
    let is_told = |options: &[&str]| {
        let linted = run(&directory, &[&["lint", "-o", "concise"], options].concat());
        linted.stdout.contains("no-default-deny")
    };
    assert!(is_told(&[]));
    for (name, text) in [
        (
            "homeless.yaml",
            "apiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata: {name: deny}\nspec: {podSelector: {}}\n",
        ),
        (
            "chart/templates/deny.yaml",
            "apiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata:\n  name: deny\n  namespace: {{ .Release.Namespace }}\nspec: {podSelector: {}}\n",
        ),
    ] {
        write(&directory, name, text);
        assert!(!is_told(&[]), "{name}");
        assert!(is_told(&["--complete"]), "{name}: everything is known");
        fs::remove_file(directory.join(name)).unwrap();
    }
}

#[test]
fn one_text_of_several_objects_is_told_once() {
    let directory = scratch("one-text");
    let kustomization = "kind: Kustomization\napiVersion: kustomize.config.k8s.io/v1beta1\n";
    let policy = "apiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata: {name: api}\nspec:\n  podSelector: {}\n  ingress:\n    - from: [{podSelector: {}}]\n    - from: [{podSelector: {}}]\n";
    let files = [
        (
            "base/kustomization.yaml",
            format!("{kustomization}resources: [policy.yaml]\n"),
        ),
        ("base/policy.yaml", policy.to_owned()),
        (
            "one/kustomization.yaml",
            format!("{kustomization}namespace: one\nresources: [../base]\n"),
        ),
        (
            "two/kustomization.yaml",
            format!("{kustomization}namespace: two\nresources: [../base]\n"),
        ),
        (
            "all/kustomization.yaml",
            format!("{kustomization}resources: [../one, ../two]\n"),
        ),
    ];
    for (name, text) in files {
        write(&directory, name, &text);
    }
    let answer = run(
        &directory,
        &["lint", "--show", "info", "--select", "redundant-rule"],
    );
    assert_eq!(
        answer.stdout.matches("this rule allows nothing").count(),
        1,
        "{answer:?}"
    );
    for note in [
        "as it is built, with `namespace` at one/kustomization.yaml:3",
        "the same for `two/NetworkPolicy/api`, built from this text as well",
    ] {
        assert!(answer.stdout.contains(note), "{note}: {answer:?}");
    }
}
