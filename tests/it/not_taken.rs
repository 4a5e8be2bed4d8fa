//! What stands in a tree of Flux or Argo CD and is not what they take, or cannot be taken.

use super::program::{run, scratch, write};
use std::path::{Path, PathBuf};

const WEB: &str = "apiVersion: v1\nkind: Pod\nmetadata: {name: web, namespace: shop, labels: {app: web}}\nspec: {containers: [{name: c, image: x}]}\n";

const CLI: &str = "apiVersion: v1\nkind: Pod\nmetadata: {name: cli, namespace: shop, labels: {app: cli}}\nspec: {containers: [{name: c, image: x}]}\n";

/// A tree in which something applies the directory `apps`.
fn tree(name: &str, files: &[(&str, &str)]) -> PathBuf {
    let directory = scratch(name);
    for (file, text) in files {
        write(&directory, file, text);
    }
    write(&directory, "apps/web.yaml", WEB);
    write(&directory, "apps/cli.yaml", CLI);
    directory
}

/// The first word that `reach` has for a tree.
fn verdict(directory: &Path) -> String {
    let answer = run(
        directory,
        &["reach", "shop/cli", "shop/web", "-p", "80", "."],
    );
    let word = answer.stdout.split(' ').next().unwrap_or_default();
    word.to_owned()
}

/// Flux looks for the values of variables in the namespace of the Kustomization alone.
#[test]
fn variables_come_from_config_maps_beside_the_kustomization() {
    let policy = "apiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata: {name: p, namespace: shop}\nspec: {podSelector: {matchLabels: {app: web}}, ingress: [{from: [{podSelector: {matchLabels: {app: \"${WHO}\"}}}]}]}\n";
    let map = |metadata: &str, who: &str| {
        format!(
            "apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: vars{metadata}}}\ndata: {{WHO: {who}}}\n---\n"
        )
    };
    let own = map(", namespace: flux-system", "cli");
    let elsewhere = map(", namespace: default", "cli");
    let target = map(", namespace: shop", "cli");
    let other = map(", namespace: default", "nobody");
    let placeless = map("", "cli");
    let beside = ", namespace: flux-system";
    for (name, maps, metadata, expected) in [
        ("vars-own", own.clone(), beside, "ALLOWED"),
        ("vars-elsewhere", elsewhere.clone(), beside, "UNKNOWN"),
        ("vars-target", target, beside, "UNKNOWN"),
        ("vars-both", format!("{other}{own}"), beside, "ALLOWED"),
        // One of the two may get its namespace elsewhere.
        ("vars-placeless", placeless, beside, "ALLOWED"),
        ("vars-of-placeless", own.clone(), "", "ALLOWED"),
        ("vars-of-any", format!("{other}{own}"), "", "UNKNOWN"),
    ] {
        let entry = format!(
            "apiVersion: kustomize.toolkit.fluxcd.io/v1\nkind: Kustomization\nmetadata: {{name: k{metadata}}}\nspec: {{path: ./apps, postBuild: {{substituteFrom: [{{kind: ConfigMap, name: vars}}]}}}}\n"
        );
        let files = [
            ("entry.yaml", entry.as_str()),
            ("apps/policy.yaml", policy),
            ("apps/vars.yaml", maps.as_str()),
        ];
        assert_eq!(verdict(&tree(name, &files)), expected, "{name}");
    }
}

/// What comes of a program of Jsonnet may be a policy.
#[test]
fn argo_cd_runs_jsonnet_wherever_it_takes_the_file() {
    let entry = |directory: &str| {
        format!(
            "apiVersion: argoproj.io/v1alpha1\nkind: Application\nmetadata: {{name: a, namespace: argocd}}\nspec: {{source: {{path: apps{directory}}}, destination: {{namespace: shop}}}}\n"
        )
    };
    let program = "{apiVersion: 'networking.k8s.io/v1', kind: 'NetworkPolicy', metadata: {name: 'p'}, spec: {podSelector: {}}}\n";
    for (name, directory, file, expected) in [
        ("jsonnet", "", "apps/p.jsonnet", "UNKNOWN"),
        ("jsonnet-library", "", "apps/p.libsonnet", "ALLOWED"),
        ("jsonnet-elsewhere", "", "other/p.jsonnet", "ALLOWED"),
        ("jsonnet-below", "", "apps/more/p.jsonnet", "ALLOWED"),
        (
            "jsonnet-recursive",
            ", directory: {recurse: true}",
            "apps/more/p.jsonnet",
            "UNKNOWN",
        ),
        (
            "jsonnet-excluded",
            ", directory: {exclude: '*.jsonnet'}",
            "apps/p.jsonnet",
            "ALLOWED",
        ),
        (
            "jsonnet-not-included",
            ", directory: {include: '*.yaml'}",
            "apps/p.jsonnet",
            "ALLOWED",
        ),
        (
            "jsonnet-with-options",
            ", directory: {jsonnet: {tlas: [{name: a, value: b}]}}",
            "apps/p.jsonnet",
            "UNKNOWN",
        ),
    ] {
        let entry = entry(directory);
        let files = [("entry.yaml", entry.as_str()), (file, program)];
        assert_eq!(verdict(&tree(name, &files)), expected, "{name}");
    }
    // A kustomization decides the type of a directory, and then nobody runs the program.
    let entry = entry("");
    let files = [
        ("entry.yaml", entry.as_str()),
        (
            "apps/kustomization.yaml",
            "resources: [web.yaml, cli.yaml]\n",
        ),
        ("apps/p.jsonnet", program),
    ];
    assert_eq!(
        verdict(&tree("jsonnet-beside-kustomization", &files)),
        "ALLOWED"
    );
    // Without Argo CD it is no business of ours, whatever is in it.
    let alone = tree("jsonnet-alone", &[("apps/p.jsonnet", "{a:")]);
    assert_eq!(verdict(&alone), "ALLOWED");
    let files = [("entry.yaml", entry.as_str()), ("apps/p.jsonnet", program)];
    let roots = run(&tree("jsonnet-roots", &files), &["files", "--roots"]);
    let said = "what Jsonnet makes of `apps/p.jsonnet` is not known";
    assert!(roots.stdout.contains(said), "{}", roots.stdout);
}

/// In a directory without a kustomization, Flux and Argo CD refuse all for a file that they cannot
/// read.
#[test]
fn a_file_that_cannot_be_read_is_told_and_may_hold_anything() {
    let flux = "apiVersion: kustomize.toolkit.fluxcd.io/v1\nkind: Kustomization\nmetadata: {name: k, namespace: flux-system}\nspec: {path: ./apps}\n";
    let argo = "apiVersion: argoproj.io/v1alpha1\nkind: Application\nmetadata: {name: a, namespace: argocd}\nspec: {source: {path: apps}, destination: {namespace: shop}}\n";
    let policy = "apiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata: {name: p, namespace: shop}\nspec:\n  podSelector: {matchLabels: {app: web}}\n";
    let open = format!("{policy}  ingress: [{{from: [{{podSelector: {{}}}}]\n");
    let variable = format!(
        "{policy}  ingress: [{{from: [{{podSelector: {{matchLabels: {{app: ${{WHO}}}}}}]\n"
    );
    let tab = format!("{policy}\tingress: []\n");
    let json =
        "{\"apiVersion\": \"networking.k8s.io/v1\", \"kind\": \"NetworkPolicy\", \"spec\": {\n";
    let behind =
        format!("apiVersion: v1\nkind: ServiceAccount\nmetadata: {{name: s}}\n---\n{open}");
    let helm = format!("{policy}{{{{ if .x }}}}\n  a: b\n");
    let notes = "a: b: c\n";
    for (name, file, text, [is_told, is_unknown]) in [
        ("open", "apps/p.yaml", open.as_str(), [true, true]),
        ("variable", "apps/p.yaml", &variable, [true, true]),
        ("tab", "apps/p.yaml", &tab, [true, true]),
        ("behind", "apps/p.yml", &behind, [true, true]),
        ("notes", "apps/p.yaml", notes, [false, false]),
        // Nothing deploys it, and it is told all the same.
        ("elsewhere", "other/p.yaml", json, [true, false]),
        ("template", "apps/p.yaml", &helm, [false, false]),
    ] {
        for (tool, entry) in [("flux", flux), ("argo", argo)] {
            let name = format!("unread-{name}-{tool}");
            let directory = tree(&name, &[("entry.yaml", entry), (file, text)]);
            let answer = verdict(&directory);
            let found = run(&directory, &["lint", "-q", "-o", "concise", "."]).stdout;
            let place = format!("{file}:");
            let mut lines = found.lines().filter(|line| line.starts_with(&place));
            let tells = |line: &str| line.contains("broken-build") || line.contains("yaml-error");
            assert_eq!(lines.any(tells), is_told, "{name}: {found}");
            assert!(!is_unknown || answer == "UNKNOWN", "{name}: {answer}");
        }
    }
}
