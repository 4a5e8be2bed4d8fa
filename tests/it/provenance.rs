//! Provenance read back: what a finding in a built object underlines is the text that it
//! underlines where the file is taken as it stands.

use crate::program::root;
use npcheck::config::Config;
use npcheck::diagnostic::Diagnostic;
use npcheck::lint::Date;
use npcheck::workspace::Workspace;
use std::collections::BTreeSet;
use std::fs;

/// The findings, each with what it underlines: its rule, the file, the place and the text.
fn findings(files: &[(&str, &str)]) -> BTreeSet<String> {
    let config = Config {
        preview: true,
        ..Config::default()
    };
    let workspace = Workspace::load(files.iter().copied(), &config);
    let today: Date = "2026-11-21".parse().expect("a date");
    let described = |finding: &Diagnostic| {
        let span = finding.primary.span;
        let source = workspace.sources().get(span.source);
        let line = source.position(span.start).line;
        let text = &source.text()[span.range()];
        format!("{} {}:{line} {text:?}", finding.rule, source.name())
    };
    workspace
        .lint(today)
        .findings
        .iter()
        .map(described)
        .collect()
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
