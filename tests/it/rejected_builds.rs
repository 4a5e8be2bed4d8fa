//! What kustomize rejects, or reads otherwise than Kubernetes does, and what is said of it.

use crate::repository::Repository;
use npcheck::diagnostic::Severity;
use npcheck::{Config, Workspace};

const POD: &str = "apiVersion: v1\nkind: Pod\nmetadata: {name: web, namespace: shop, labels: {LABELS}}\nspec: {}\n";

/// The errors that are told of these texts, and the parts that are unknown.
fn said(texts: &[(&str, &str)]) -> String {
    let texts = texts
        .iter()
        .map(|(name, text)| (*name, text.replace("{LABELS}", "{y: a, app: web}")));
    let workspace = Workspace::load(texts, &Config::default());
    let mut said = Vec::new();
    for view in workspace.clusters() {
        let errors = view.diagnostics().iter();
        let errors = errors.filter(|it| it.severity == Severity::Error);
        said.extend(errors.map(|error| error.message.clone()));
        let parts = view.part().opaque.iter();
        said.extend(parts.map(|part| part.part.reason.clone()));
    }
    said.join("\n")
}

#[test]
fn it_is_told_what_kustomize_rejects() {
    let configuration = |text| {
        vec![
            (
                "kustomization.yaml",
                "resources: [p.yaml]\nconfigurations: [c.yaml]\n",
            ),
            ("p.yaml", POD),
            ("c.yaml", text),
        ]
    };
    let pairs = |text| vec![("kustomization.yaml", text), ("p.yaml", POD)];
    let cases = [
        (
            vec![
                ("a/kustomization.yaml", "resources: [p.yaml]\n"),
                ("a/p.yaml", POD),
                ("a/b/kustomization.yaml", "resources: [..]\n"),
            ],
            "kustomize takes no directory that holds the one it is building: `a/b`",
        ),
        (
            vec![
                (
                    "a/kustomization.yaml",
                    "kind: Component\napiVersion: kustomize.config.k8s.io/v1alpha1\nnamePrefix: a-\n",
                ),
                ("a/b/p.yaml", POD),
                (
                    "a/b/kustomization.yaml",
                    "resources: [p.yaml]\ncomponents: [..]\n",
                ),
            ],
            "kustomize takes no directory that holds the one it is building: `a/b`",
        ),
        (
            configuration("frob: 1\n"),
            "kustomize does not know the field `frob`",
        ),
        (
            configuration("namePrefix: [{path: metadata/name, kin: Pod}]\n"),
            "kustomize does not know the field `kin`",
        ),
        (
            configuration("namePrefix: [{path: metadata/name, kind: Pod}]\nvarReference: []\n"),
            "",
        ),
        (
            pairs("resources: [p.yaml]\ncommonLabels: {y: a}\n"),
            "kustomize fails on the key `true`",
        ),
        (
            pairs("resources: [p.yaml]\ncommonAnnotations: {n: a}\n"),
            "kustomize fails on the key `false`",
        ),
        (
            pairs("resources: [p.yaml]\nlabels: [{pairs: {1: a}}]\n"),
            "kustomize fails on the key `1`",
        ),
        (
            pairs("resources: [p.yaml]\ncommonLabels: {\"true\": a}\n"),
            "kustomize fails on the key `true`",
        ),
        (
            pairs("resources: [p.yaml]\ncommonLabels: {\"y\": a, one: a}\n"),
            "",
        ),
        (
            pairs("resources: [p.yaml]\nhelmChartInflationGenerator: [{chartName: redis}]\n"),
            "the chart `redis` is rendered by Helm",
        ),
    ];
    for (texts, expected) in cases {
        let said = said(&texts);
        match expected {
            "" => assert_eq!(said, "", "{texts:?}"),
            expected => assert!(said.contains(expected), "{texts:?}: {said}"),
        }
    }
}

#[test]
fn what_yaml_1_1_takes_for_a_boolean_is_a_label_once_it_is_built() {
    let selects = "apiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\n\
        metadata: {name: p, namespace: shop}\nspec: {podSelector: {matchLabels: {\"y\": a}}}\n";
    let texts = [
        (
            "kustomization.yaml",
            "resources: [p.yaml, np.yaml]\n".to_owned(),
        ),
        ("p.yaml", POD.replace("{LABELS}", "{y: a}")),
        ("np.yaml", selects.to_owned()),
    ];
    let workspace = Workspace::load(texts, &Config::default());
    let report = workspace.lint("2026-11-28".parse().unwrap());
    let unmatched = report.findings.iter();
    let unmatched: Vec<_> = unmatched
        .filter(|it| it.rule == "unmatched-pod-selector")
        .collect();
    assert!(unmatched.is_empty(), "{unmatched:?}");
}

#[test]
fn flux_does_not_leave_the_root_of_its_source() {
    let flux = |path| {
        format!(
            "apiVersion: kustomize.toolkit.fluxcd.io/v1\nkind: Kustomization\n\
             metadata: {{name: apps, namespace: flux-system}}\n\
             spec: {{path: {path}, interval: 1m, prune: true}}\n"
        )
    };
    for path in ["./apps", "../../apps", "/apps", "x/../../apps"] {
        let texts = [
            ("clusters/prod/apps.yaml", flux(path)),
            ("apps/p.yaml", POD.replace("{LABELS}", "{app: web}")),
        ];
        let workspace = Workspace::load(texts, &Config::default());
        let views: Vec<_> = workspace.clusters().collect();
        let parts: Vec<_> = views.iter().map(|view| view.part()).collect();
        let unknown = parts.iter().map(|part| part.opaque.len()).sum::<usize>();
        assert_eq!(unknown, 0, "{path}");
        let roots = parts.iter().flat_map(|part| &part.roots);
        let objects: Vec<usize> = roots.map(|root| root.objects).collect();
        assert_eq!(objects, [1], "{path}");
    }
}

#[test]
fn a_missing_file_of_a_generator_is_an_info() {
    let repository = Repository::new("missing-data");
    let generator = "configMapGenerator: [{name: a, files: [none.txt, some.txt, binary.bin]}]\n";
    repository.write("kustomization.yaml", generator);
    repository.write("some.txt", "text");
    repository.write("binary.bin", [0xff_u8, 0xfe, 0x00]);
    let told = "there is no file `none.txt` for this ConfigMap";
    let lint = repository.run(&["lint", "--show", "info"]);
    assert_eq!(lint.status, 0, "{}{}", lint.stdout, lint.stderr);
    assert!(lint.stdout.contains(told), "{}", lint.stdout);
    for other in ["some.txt", "binary.bin"] {
        assert!(
            !lint.stdout.contains(&format!("file `{other}`")),
            "{}",
            lint.stdout
        );
    }
    let render = repository.run(&["render"]);
    assert!(render.stderr.contains(told), "{}", render.stderr);
    assert_eq!(render.status, 0, "{}", render.stderr);
}

#[test]
fn render_says_by_its_status_that_something_is_unknown() {
    let repository = Repository::new("render-gaps");
    let remote = "resources: [\"https://github.com/a/b?ref=v1\", own.yaml]\n";
    let chart = "resources: [own.yaml]\nhelmCharts: [{name: redis}]\n";
    repository.write("own.yaml", POD.replace("{LABELS}", "{app: web}"));
    for (text, status) in [(remote, 2), (chart, 2), ("resources: [own.yaml]\n", 0)] {
        repository.write("kustomization.yaml", text);
        let run = repository.run(&["render"]);
        assert_eq!(run.status, status, "{text}: {}", run.stderr);
        assert!(run.stdout.contains("name: web"), "{}", run.stdout);
    }
}
