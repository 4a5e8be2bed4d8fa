//! Provenance read back: what a finding in a built object underlines is the text that it
//! underlines where the file is taken as it stands, and what it speaks of.

use crate::program::root;
use npcheck::config::Config;
use npcheck::diagnostic::Diagnostic;
use npcheck::lint::Date;
use npcheck::workspace::Workspace;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::{env, fs};

fn load(files: &[(&str, &str)]) -> Workspace {
    let config = Config {
        preview: true,
        ..Config::default()
    };
    Workspace::load(files.iter().copied(), &config)
}

fn lint(workspace: &Workspace) -> Vec<Diagnostic> {
    let today: Date = "2026-11-21".parse().expect("a date");
    workspace.lint(today).findings
}

/// The findings, each with what it underlines: its rule, the file, the place and the text.
fn findings(files: &[(&str, &str)]) -> BTreeSet<String> {
    let workspace = load(files);
    let described = |finding: &Diagnostic| {
        let span = finding.primary.span;
        let source = workspace.sources().get(span.source);
        let line = source.position(span.start).line;
        let text = &source.text()[span.range()];
        format!("{} {}:{line} {text:?}", finding.rule, source.name())
    };
    lint(&workspace).iter().map(described).collect()
}

/// Every rule's own example, built by an overlay that changes the metadata of every object.
#[test]
fn findings_in_built_objects_underline_what_they_underline_in_files() {
    let mut compared = 0;
    for entry in fs::read_dir(root().join("tests/fixtures/rules")).unwrap() {
        let path = entry.unwrap().path();
        let Ok(text) = fs::read_to_string(path.join("fail.yaml")) else {
            continue;
        };
        let plain = findings(&[("base/fail.yaml", &text)]);
        let built = findings(&[
            ("base/fail.yaml", &text),
            ("base/kustomization.yaml", "resources: [fail.yaml]\n"),
            (
                "top/kustomization.yaml",
                "resources: [../base]\ncommonAnnotations: {team: shop}\n",
            ),
        ]);
        // What kustomize rejects is built without that part.
        if built.iter().any(|it| it.starts_with("broken-build ")) {
            continue;
        }
        compared += 1;
        // `public: yes` is a text for kustomize, which writes it in quotes.
        let is_mended = |it: &&String| it.starts_with("invalid-value ") && it.ends_with("\"yes\"");
        let lost: Vec<&String> = plain
            .difference(&built)
            .filter(|it| !is_mended(it))
            .collect();
        let new: Vec<&String> = built.difference(&plain).collect();
        assert!(
            lost.is_empty() && new.is_empty(),
            "{}\nonly in the file: {lost:#?}\nonly built: {new:#?}",
            path.display()
        );
    }
    assert!(compared > 50, "{compared} examples were compared");
}

/// The manifests below a folder.
fn manifests(folder: &Path, into: &mut Vec<(String, String)>) {
    let mut paths: Vec<PathBuf> = fs::read_dir(folder)
        .expect("a folder")
        .map(|entry| entry.expect("an entry").path())
        .collect();
    paths.sort();
    for path in paths {
        let extension = path.extension().and_then(|it| it.to_str());
        if path.is_symlink() || path.file_name().is_some_and(|it| it == ".git") {
            continue;
        } else if path.is_dir() {
            manifests(&path, into);
        } else if matches!(extension, Some("yaml" | "yml" | "json"))
            && let Ok(text) = fs::read_to_string(&path)
        {
            into.push((path.display().to_string(), text));
        }
    }
}

/// Rules that speak of no object that is built: of files, or of a namespace at the first object
/// that is in it.
const OF_OTHERS: &[&str] = &[
    "broken-build",
    "foreign-policy",
    "no-default-deny",
    "patch-without-target",
    "unreferenced-manifest",
    // A text that cannot be read is in no build.
    "yaml-error",
];

/// Whether what is underlined holds what the finding speaks of, or belongs to the document of
/// the object that it is about, whose name a build may have made longer.
fn speaks_of_it(finding: &Diagnostic, text: &str) -> bool {
    let range = finding.primary.span.range();
    let underlined = &text[range.clone()];
    let plain = underlined.trim_matches(['"', '\'']);
    let words = finding.message.split('`').skip(1).step_by(2);
    let mut words = words.flat_map(|text| text.split(['/', '=', ':', ' ', ',']));
    if !plain.is_empty() && finding.message.contains(plain)
        || words.any(|word| word.len() > 1 && underlined.contains(word))
    {
        return true;
    }
    let start = text[..range.start].rfind("\n---").unwrap_or(0);
    let end = text[range.end..].find("\n---");
    let document = &text[start..end.map_or(text.len(), |end| range.end + end)];
    let mut of_object = finding.object.rsplit('/');
    let (object, kind) = (of_object.next().unwrap_or_default(), of_object.next());
    document.lines().any(|line| {
        let (key, value) = line.trim_start().split_once(':').unwrap_or_default();
        let value = value.trim().trim_start_matches(['&', '"', '\'']);
        let value = value.split([' ', '"', '\'']).next().unwrap_or_default();
        match key {
            "name" => !value.is_empty() && object.contains(value),
            // The hyphen of a rule, in a document whose name is an alias.
            "kind" => underlined == "-" && kind == Some(value),
            _ => false,
        }
    })
}

/// Of the example, and of the repositories below `NPCHECK_CORPUS`.
#[test]
fn findings_in_built_objects_underline_what_they_speak_of() {
    let mut folders = vec![root().join("examples/gitops")];
    if let Some(corpus) = env::var_os("NPCHECK_CORPUS") {
        let repositories = fs::read_dir(corpus).expect("a folder");
        let paths = repositories.map(|entry| entry.expect("an entry").path());
        folders.extend(paths.filter(|path| path.is_dir()));
    }
    let mut count = 0;
    let mut wrong = Vec::new();
    for folder in folders {
        let mut files = Vec::new();
        manifests(&folder, &mut files);
        let files: Vec<(&str, &str)> = files
            .iter()
            .map(|(name, text)| (name.as_str(), text.as_str()))
            .collect();
        let workspace = load(&files);
        let findings = lint(&workspace);
        for finding in findings.iter().filter(|it| !OF_OTHERS.contains(&it.rule)) {
            let span = finding.primary.span;
            let source = workspace.sources().get(span.source);
            count += 1;
            if !speaks_of_it(finding, source.text()) {
                let line = source.position(span.start).line;
                let text = &source.text()[span.range()];
                let (name, message) = (source.name(), &finding.message);
                wrong.push(format!("{name}:{line} {text:?}: {message}"));
            }
        }
    }
    assert!(count > 0, "{count} findings were looked at");
    assert!(wrong.is_empty(), "{wrong:#?}");
}

/// The text of a patch or a replacement is what a person would edit, not what it stands for.
#[test]
fn a_wrong_value_is_underlined_where_it_was_written_last() {
    let patch = |patch: &str| {
        format!("resources: [np.yaml, pod.yaml, names.yaml]\nnamespace: shop\n{patch}")
    };
    let from = "/spec/ingress/0/from/0/podSelector/matchLabels/app";
    let json = patch(&format!(
        "patches:\n- target: {{kind: NetworkPolicy}}\n  patch: |-\n    - {{op: replace, path: {from}, value: frontent}}\n"
    ));
    let merged = patch(
        "patches:\n- patch: |-\n    {apiVersion: networking.k8s.io/v1, kind: NetworkPolicy, metadata: {name: np}, spec: {ingress: [{from: [{podSelector: {matchLabels: {app: frontent}}}]}]}}\n",
    );
    let replaced = patch(
        "replacements:\n- source: {kind: ConfigMap, name: names, fieldPath: data.app}\n  targets: [{select: {kind: NetworkPolicy}, fieldPaths: [spec.ingress.0.from.0.podSelector.matchLabels.app]}]\n",
    );
    for (kustomization, file, line) in [
        (json, "kustomization.yaml", 6),
        (merged, "kustomization.yaml", 5),
        (replaced, "names.yaml", 1),
    ] {
        let files = [
            ("kustomization.yaml", kustomization.as_str()),
            (
                "names.yaml",
                "{apiVersion: v1, kind: ConfigMap, metadata: {name: names}, data: {app: frontent}}\n",
            ),
            (
                "np.yaml",
                "apiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata: {name: np}\nspec:\n  podSelector: {}\n  ingress: [{from: [{podSelector: {matchLabels: {app: frontend}}}]}]\n",
            ),
            (
                "pod.yaml",
                "apiVersion: v1\nkind: Pod\nmetadata: {name: web, labels: {app: frontend}}\nspec: {containers: [{name: c, image: x}]}\n",
            ),
        ];
        let workspace = load(&files);
        let found = lint(&workspace);
        let mut found = found
            .iter()
            .filter(|it| it.rule == "unmatched-peer-selector");
        let finding = found.next().expect("no pod has the label");
        let span = finding.primary.span;
        let source = workspace.sources().get(span.source);
        let place = (source.name(), source.position(span.start).line);
        assert_eq!(place, (file, line), "{kustomization}");
        assert!(source.text()[span.range()].contains("frontent"));
    }
}

/// That a kustomization adds labels of these names and values says nothing of a selector that it
/// does not reach.
#[test]
fn a_kustomization_is_blamed_for_the_labels_that_it_adds_and_for_no_others() {
    let object = |labels: &str| {
        format!(
            "apiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata: {{name: p}}\nspec: {{podSelector: {{}}, ingress: [{{from: [{{podSelector: {{matchLabels: {{{labels}}}}}}}]}}]}}\n"
        )
    };
    let account = "apiVersion: v1\nkind: ServiceAccount\nmetadata: {name: a}\n".to_owned();
    let added = (object("tier: api"), account.clone());
    let written = (account, object("app: shop, env: prod, tier: api"));
    for ((base, top), is_blamed) in [(added, true), (written, false)] {
        let files = [
            (
                "base/kustomization.yaml",
                "resources: [it.yaml]\nlabels: [{includeSelectors: true, pairs: {app: shop, env: prod}}]\n",
            ),
            ("base/it.yaml", base.as_str()),
            (
                "top/kustomization.yaml",
                "resources: [../base, it.yaml, pod.yaml]\n",
            ),
            ("top/it.yaml", top.as_str()),
            (
                "top/pod.yaml",
                "apiVersion: v1\nkind: Pod\nmetadata: {name: api, labels: {tier: api}}\nspec: {containers: [{name: c, image: x}]}\n",
            ),
        ];
        let found = lint(&load(&files));
        let mut remarks = found.iter().flat_map(|it| &it.related);
        let says = remarks.any(|it| it.message.starts_with("this kustomization adds"));
        assert_eq!(says, is_blamed);
    }
}
