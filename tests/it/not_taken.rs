//! What stands in a tree of Flux or Argo CD and is not what they take, or cannot be taken.

use super::program::{run, scratch, write};
use std::path::PathBuf;

const WEB: &str = "apiVersion: v1\nkind: Pod\nmetadata: {name: web, namespace: shop, labels: {app: web}}\nspec: {containers: [{name: c, image: x}]}\n";

const CLI: &str = "apiVersion: v1\nkind: Pod\nmetadata: {name: cli, namespace: shop, labels: {app: cli}}\nspec: {containers: [{name: c, image: x}]}\n";

/// The first word that `reach` has for a tree in which something applies the directory `apps`.
fn verdict(name: &str, files: &[(&str, &str)]) -> String {
    let directory = scratch(name);
    for (file, text) in files {
        write(&directory, file, text);
    }
    write(&directory, "apps/web.yaml", WEB);
    write(&directory, "apps/cli.yaml", CLI);
    let answer = run(
        &directory,
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
        assert_eq!(verdict(name, &files), expected, "{name}");
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
        assert_eq!(verdict(name, &files), expected, "{name}");
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
    assert_eq!(verdict("jsonnet-beside-kustomization", &files), "ALLOWED");
    // Without Argo CD it is no business of ours, whatever is in it.
    assert_eq!(
        verdict("jsonnet-alone", &[("apps/p.jsonnet", "{a:")]),
        "ALLOWED"
    );
    let roots = run(
        &scratch_of("jsonnet", &entry, program),
        &["files", "--roots"],
    );
    let said = "what Jsonnet makes of `apps/p.jsonnet` is not known";
    assert!(roots.stdout.contains(said), "{}", roots.stdout);
}

/// A tree of Argo CD with one program of Jsonnet.
fn scratch_of(name: &str, entry: &str, program: &str) -> PathBuf {
    let directory = scratch(&format!("{name}-roots"));
    write(&directory, "entry.yaml", entry);
    write(&directory, "apps/web.yaml", WEB);
    write(&directory, "apps/p.jsonnet", program);
    directory
}
