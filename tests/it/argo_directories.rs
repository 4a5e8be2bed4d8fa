//! Plain directories of Argo CD: which files it takes of them, and what is said of the others.

use super::gitops_cases::{Case, POD, check};
use super::program::{run, scratch, write};

const ARGO: &str =
    "apiVersion: argoproj.io/v1alpha1\nkind: Application\nmetadata: {name: a, namespace: argocd}";

const POLICY: &str = "apiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata: {name: p, namespace: shop}\nspec: {podSelector: {}}\n";

const SHOP: &str = "destination: {namespace: shop}";

#[test]
fn options_of_a_directory_choose_its_files_and_its_type() {
    let plain: &[(&str, &str)] = &[
        ("apps/pod.yaml", POD),
        ("apps/policies/p.yaml", POLICY),
        ("apps/policies/kustomization.yaml", "resources: [p.yaml]\n"),
    ];
    let built: &[(&str, &str)] = &[
        ("apps/pod.yaml", POD),
        ("apps/p.yaml", POLICY),
        ("apps/kustomization.yaml", "resources: [p.yaml]\n"),
    ];
    let own = |title, spec, files, expected| Case {
        title,
        spec,
        files,
        expected,
    };
    check(
        ARGO,
        &[
            own(
                "only the files directly in it",
                "{source: {path: apps}, destination: {namespace: shop}}",
                plain,
                &[": shop/web[app=web]"],
            ),
            own(
                "and those below, as they stand",
                "{source: {path: apps, directory: {recurse: true}}, destination: {namespace: shop}}",
                plain,
                &[": shop/web[app=web] shop/p"],
            ),
            own(
                "two asterisks want a directory",
                "{source: {path: apps, directory: {recurse: true, exclude: '**/p*.yaml'}}, destination: {namespace: shop}}",
                plain,
                &[": shop/web[app=web]"],
            ),
            own(
                "a directory that asks for nothing does not decide the type",
                "{source: {path: apps, directory: {recurse: false}}, destination: {namespace: shop}}",
                built,
                &[": shop/p"],
            ),
            own(
                "one that excludes does",
                "{source: {path: apps, directory: {exclude: p.yaml}}, destination: {namespace: shop}}",
                built,
                &[": shop/web[app=web]"],
            ),
            own(
                "and so does one of several sources",
                "{sources: [{path: apps, directory: {recurse: false}}], destination: {namespace: shop}}",
                built,
                &[": shop/web[app=web] shop/p"],
            ),
        ],
    );
}

/// What is said of policies that nothing deploys, and the lines of `files --roots` about them.
fn said(name: &str, files: &[(&str, &str)]) -> (Vec<String>, Vec<String>) {
    let directory = scratch(name);
    for (name, text) in files {
        write(&directory, name, text);
    }
    let select = |args: &[&str], wanted: &str| {
        let found = run(&directory, args).stdout;
        let lines = found.lines().filter(|line| line.contains(wanted));
        lines.map(str::to_owned).collect()
    };
    (
        select(&["lint", "-q", "-o", "concise"], "unreferenced-manifest"),
        select(&["files", "--roots"], "not deployed"),
    )
}

#[test]
fn what_lies_below_a_directory_that_is_not_recursive_is_not_deployed() {
    let application = format!("{ARGO}\nspec: {{source: {{path: apps}}, {SHOP}}}\n");
    let below = "apps/policies/p.yaml:3:18: info unreferenced-manifest this policy is not deployed, and protects nothing: Argo CD applies only the files directly in `apps`, and none below it";
    let plain = [
        ("app.yaml", application.as_str()),
        ("apps/pod.yaml", POD),
        ("apps/policies/p.yaml", POLICY),
    ];
    let kustomization = ("apps/policies/kustomization.yaml", "resources: [p.yaml]\n");
    let [first, second, third] = plain;
    let built = [first, second, third, kustomization];
    for (name, files) in [
        ("argo-below-plain", &plain[..]),
        ("argo-below-built", &built),
    ] {
        let (findings, roots) = said(name, files);
        assert_eq!(findings, [below], "{name}");
        let expected = "not deployed: apps/policies/p.yaml:1  shop/NetworkPolicy/p";
        assert_eq!(roots, [expected], "{name}");
    }
    // Another Application may apply it.
    let other = application
        .replace("name: a,", "name: b,")
        .replace("path: apps", "path: apps/policies");
    let applied = [first, second, third, kustomization, ("other.yaml", &other)];
    assert_eq!(said("argo-below-applied", &applied), (vec![], vec![]));
}

/// An ApplicationSet for clusters that nothing here knows.
const SET: &str = "apiVersion: argoproj.io/v1alpha1\nkind: ApplicationSet\nmetadata: {name: s, namespace: argocd}\nspec: {generators: [GENERATOR], template: {metadata: {name: '{{name}}'}, spec: {source: {path: 'PATH'}, destination: {name: '{{name}}', namespace: shop}}}}\n";

const UNKNOWN: &str = "{clusters: {selector: {matchLabels: {env: prod}}}}";

#[test]
fn what_an_unknown_application_may_apply_is_not_called_unused() {
    let application = format!("{ARGO}\nspec: {{source: {{path: apps}}, {SHOP}}}\n");
    let matrix = format!(
        "{{matrix: {{generators: [{{git: {{directories: [{{path: DIR}}]}}}}, {UNKNOWN}]}}}}"
    );
    let of = |directory: &str| matrix.replace("DIR", directory);
    for (generator, path, is_told) in [
        (UNKNOWN.to_owned(), "infra/{{name}}", false),
        (UNKNOWN.to_owned(), "infra/policies", false),
        (UNKNOWN.to_owned(), "{{metadata.labels.path}}", false),
        (UNKNOWN.to_owned(), "other/{{name}}", true),
        (UNKNOWN.to_owned(), "infra/policies/{{name}}", true),
        (of("infra/*"), "{{path}}", false),
        (of("elsewhere/*"), "{{path}}", true),
    ] {
        let set = SET.replace("GENERATOR", &generator).replace("PATH", path);
        let files = [
            ("app.yaml", application.as_str()),
            ("set.yaml", &set),
            ("apps/pod.yaml", POD),
            ("infra/policies/p.yaml", POLICY),
        ];
        let (findings, _) = said("argo-unknown-set", &files);
        assert_eq!(!findings.is_empty(), is_told, "{generator} {path}");
    }
}
