//! What stands in a tree of Flux or Argo CD and is not what they take, or cannot be taken.

use super::program::{run, scratch, write};

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
    let answer = run(&directory, &["reach", "shop/cli", "shop/web", "-p", "80", "."]);
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
