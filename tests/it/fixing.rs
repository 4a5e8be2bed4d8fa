//! `npcheck lint --fix=all` on every manifest among the fixtures, valid or not.

use crate::program::{root, run, scratch, write};
use npcheck::k8s::{Object, Outcome};
use npcheck::manifest;
use npcheck::source::SourceMap;
use std::fs;
use std::path::{Path, PathBuf};

/// Every YAML file below a directory, in order.
pub(crate) fn manifests(directory: &Path, found: &mut Vec<PathBuf>) {
    let entries = fs::read_dir(directory).expect("it is readable");
    let mut paths: Vec<PathBuf> = entries
        .map(|entry| entry.expect("it is readable").path())
        .collect();
    paths.sort();
    for path in paths {
        if path.is_dir() {
            manifests(&path, found);
        } else if path.extension().is_some_and(|it| it == "yaml") {
            found.push(path);
        }
    }
}

/// How many documents cannot be read, and how many objects an API server would take.
fn quality(text: &str) -> (usize, usize) {
    let source = SourceMap::default().add("a.yaml", text);
    let parsed = manifest::read(source, "a.yaml", text);
    let outcomes = parsed.documents.iter().map(|document| document.outcome);
    let metas = parsed.objects.iter().map(Object::meta);
    (
        outcomes
            .filter(|outcome| *outcome == Outcome::Broken)
            .count(),
        metas.filter(|meta| meta.is_accepted).count(),
    )
}

#[test]
fn every_fix_leaves_a_manifest_that_is_no_worse_and_stays_as_it_is() {
    let mut files = Vec::new();
    manifests(&root().join("tests/fixtures"), &mut files);
    manifests(&root().join("examples"), &mut files);
    assert!(files.len() > 200, "only {} manifests", files.len());
    let directory = scratch("mending");
    let manifest = directory.join("a.yaml");
    let fix = || {
        run(
            &directory,
            &["lint", "--fix=all", "--exit-zero", "-q", "a.yaml"],
        )
    };
    let mut changed = 0;
    for file in files {
        let text = fs::read_to_string(&file).expect("it is readable");
        let windows = text.replace('\n', "\r\n");
        for (before, name) in [(&text, "LF"), (&windows, "CRLF")] {
            let name = format!("{} with {name}", file.display());
            fs::write(&manifest, before).unwrap();
            let shown = run(&directory, &["lint", "--fix=all", "--diff", "-q", "a.yaml"]);
            let first = fix();
            let after = fs::read_to_string(&manifest).unwrap();
            assert!(first.status != 1, "{name}: {first:?}");
            assert_eq!(
                after != *before,
                !shown.stdout.is_empty(),
                "{name}: {shown:?}"
            );
            // A run on the same text does the same.
            if after == *before {
                continue;
            }
            is_as_good(before, &after, &name);
            fix();
            let again = fs::read_to_string(&manifest).unwrap();
            assert_eq!(again, after, "{name}: a second run changes nothing");
            changed += 1;
        }
    }
    assert!(changed > 80, "only {changed} manifests were changed");
}

/// Fails if fixes made a manifest worse, or touched what they had no business with.
fn is_as_good(before: &str, after: &str, name: &str) {
    let ((broken, accepted), (still_broken, still_accepted)) = (quality(before), quality(after));
    assert!(
        still_broken <= broken && still_accepted >= accepted,
        "{name}: {after}"
    );
    let is_break = |character| character == '\n' || character == '\r';
    let ending = |text: &str| text[text.trim_end_matches(is_break).len()..].to_owned();
    assert_eq!(
        ending(after),
        ending(before),
        "{name}: the end of the file stays"
    );
    if before.contains("\r\n") {
        let others = after.replace("\r\n", "");
        assert!(
            !others.contains(is_break),
            "{name}: lines end as they did: {after}"
        );
    }
}

/// What a selector does once it is mended is asked of all pods that it then selects, and not of
/// the one alone that it was held against: the command that is printed does what it says.
#[test]
fn the_class_of_a_fix_is_that_of_all_pods_that_it_selects() {
    let pod = |name: &str| {
        format!(
            "---\n{{apiVersion: v1, kind: Pod, metadata: {{name: {name}, labels: {{app: {name}, tier: backend}}}}, spec: {{containers: [{{name: c}}]}}}}\n"
        )
    };
    let policy = |name: &str, selector: &str, from: &str| {
        format!(
            "---\n{{apiVersion: networking.k8s.io/v1, kind: NetworkPolicy, metadata: {{name: {name}}}, spec: {{podSelector: {selector}, ingress: [{from}]}}}}\n"
        )
    };
    let isolating = policy("np", "{matchLabels: {app: checkout}}", "");
    let selectors = [
        "{matchLabels: {tier: backends}}",
        "{matchLabels: {tiers: backend}}",
        "{matchExpressions: [{key: tier, operator: In, values: [backends]}]}",
    ];
    for selector in selectors {
        let directory = scratch("classes");
        let wrong = policy("x", selector, "");
        // The pods that come first in the text are isolated already; others are not.
        let text = pod("checkout") + &pod("frontend") + &isolating + &wrong;
        write(&directory, "a.yaml", text);
        let told = run(&directory, &["lint", "--select", "unmatched-pod-selector"]);
        assert!(!told.stdout.contains("--fix=widening"), "{told:?}");
        // Of both kinds of pods the fix opens nothing, so that it narrows, or no class is told.
        let fixed = run(&directory, &["lint", "--fix=narrowing", "--diff"]);
        let is_told = told.stdout.contains("--fix=narrowing");
        assert_eq!(
            fixed.stdout.contains("backend}") || fixed.stdout.contains("[backend]"),
            is_told,
            "{fixed:?}"
        );
        // Where all are isolated, the rules of the policy are what is new.
        let opening = policy("x", selector, "{from: [{podSelector: {}}]}");
        let text = pod("checkout") + &isolating + &opening;
        write(&directory, "a.yaml", text);
        let told = run(&directory, &["lint", "--select", "unmatched-pod-selector"]);
        assert!(told.stdout.contains("--fix=widening"), "{told:?}");
    }
}

/// What a fix puts in the place of a text is a text again, in the way in which it was written.
#[test]
fn a_fix_writes_texts_as_the_file_does() {
    let policy = |selector: &str, rest: &str| {
        format!(
            "{{\"apiVersion\": \"networking.k8s.io/v1\", \"kind\": \"NetworkPolicy\", \"metadata\": {{\"name\": \"p\", \"namespace\": \"shop\"}}, \"spec\": {{\"podSelector\": {selector}{rest}}}}}\n"
        )
    };
    let pods = "{apiVersion: v1, kind: Namespace, metadata: {name: \"1234\"}}
---
{apiVersion: v1, kind: Namespace, metadata: {name: shop}}
---
{apiVersion: v1, kind: Pod, metadata: {name: web, namespace: shop, labels: {app: frontend, rev: \"12345678\"}}, spec: {containers: [{name: c}]}}
---
{apiVersion: v1, kind: Pod, metadata: {name: scraper, namespace: \"1234\", labels: {app: scraper}}, spec: {containers: [{name: c}]}}
";
    let from = ", ingress: [{from: [{podSelector: {matchLabels: {app: scraper}}}]}]";
    let quoted = "{matchLabels: {app: 'frontent'}}";
    for (file, text, expected) in [
        (
            "a.json",
            policy("{\"matchLabels\": {\"app\": \"frontent\"}}", ""),
            "\"app\": \"frontend\"",
        ),
        ("a.yaml", policy(quoted, ""), "{app: 'frontend'}"),
        (
            "a.yaml",
            policy("{matchLabels: {app: frontent}}", ""),
            "{app: frontend}",
        ),
        (
            "a.yaml",
            policy("{matchLabels: {rev: a12345678}}", ""),
            "{rev: \"12345678\"}",
        ),
        (
            "a.yaml",
            policy("{}", from),
            "namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: \"1234\"}}",
        ),
    ] {
        let directory = scratch("texts");
        write(&directory, "pods.yaml", pods);
        write(&directory, file, &text);
        let fixed = run(&directory, &["lint", "--fix=all"]);
        let now = fs::read_to_string(directory.join(file)).expect("it is still there");
        assert!(now.contains(expected), "{now} {fixed:?}");
    }
}
