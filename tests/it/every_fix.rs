//! All fixes of every fixture, applied as `--fix=all` does: no error is there afterwards that
//! was not there before, and what was JSON is JSON still.

use super::program::root;
use npcheck::config::Config;
use npcheck::diagnostic::Severity;
use npcheck::lint::Report;
use npcheck::workspace::{Permission, Workspace};
use serde::Deserialize;
use std::collections::BTreeMap;
use std::fs;

/// The texts on which the rules fire, each with its name.
fn fixtures() -> Vec<(String, String)> {
    let folder = root().join("tests/fixtures/rules");
    let mut fixtures = Vec::new();
    for rule in fs::read_dir(folder).expect("the folder is there") {
        let rule = rule.expect("it can be read").path();
        let text = fs::read_to_string(rule.join("fail.yaml")).expect("every rule has one");
        let rule = rule.file_name().expect("it has a name").to_string_lossy();
        fixtures.push((format!("{rule}/fail.yaml"), text));
    }
    fixtures.sort();
    fixtures
}

/// The errors of a report, with how often each is there.
fn errors(report: &Report) -> BTreeMap<(String, String, String), usize> {
    let mut errors = BTreeMap::new();
    let findings = report.findings.iter();
    for error in findings.filter(|finding| finding.severity == Severity::Error) {
        let (rule, object) = (error.rule.to_owned(), error.object.clone());
        *errors
            .entry((rule, object, error.message.clone()))
            .or_default() += 1;
    }
    errors
}

/// The texts of some files after all fixes. Fails where an error is new.
fn fixed(name: &str, texts: Vec<(String, String)>) -> Vec<String> {
    let today = "2026-11-21".parse().expect("a date");
    let workspace = Workspace::load(texts, &Config::default());
    let report = workspace.lint(today);
    let before = errors(&report);
    let result = workspace.autofix(
        report,
        today,
        Permission::All,
        |_| true,
        |_, findings| vec![true; findings.len()],
    );
    for (error, count) in errors(&result.report(None, today)) {
        let was = before.get(&error).copied().unwrap_or_default();
        assert!(count <= was, "{name}: {error:?} is new");
    }
    let sources = result.workspace.sources();
    let texts = sources.ids().map(|id| sources.get(id).text().to_owned());
    texts.collect()
}

#[test]
fn all_fixes_together_leave_no_error_that_was_not_there() {
    for (name, text) in fixtures() {
        fixed(&name, vec![(name.clone(), text)]);
    }
}

#[test]
fn what_was_json_is_json_after_all_fixes() {
    for (name, text) in fixtures() {
        let documents = serde_yaml::Deserializer::from_str(&text);
        let values = documents.map(serde_json::Value::deserialize);
        let Ok(values) = values.collect::<Result<Vec<_>, _>>() else {
            // A fixture of what cannot be read has no counterpart in JSON.
            continue;
        };
        let file = |(index, value): (usize, &serde_json::Value)| {
            let text = serde_json::to_string_pretty(value).expect("a value is plain data");
            (format!("{index}.json"), text)
        };
        let files = values.iter().filter(|value| value.is_object());
        for text in fixed(&name, files.enumerate().map(file).collect()) {
            let read = serde_json::from_str::<serde_json::Value>(&text);
            assert!(read.is_ok(), "{name}: {text}");
        }
    }
}

#[test]
fn a_policy_with_more_mistakes_than_are_told_is_fixed_all_the_same() {
    let policy = "apiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata: {name: p, namespace: a}\n\
                  spec:\n  podSelector: {}\n  ingress:\n  - ports:\n";
    let ports = |ports: &str, count| policy.to_owned() + &ports.repeat(count);
    for count in [251, 3_000] {
        let wrong = ports("    - port: '80'\n      protocol: tcp\n", count);
        let right = ports("    - port: 80\n      protocol: TCP\n", count);
        assert_eq!(fixed("ports", vec![("p.yaml".to_owned(), wrong)]), [right]);
    }
}

#[test]
fn a_policy_with_more_mistakes_than_are_kept_is_left_as_it_is() {
    let mut policy = "apiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata: {name: p, namespace: a}\n\
                      spec:\n  podSelector: {}\n  ingress:\n  - ports:\n"
        .to_owned();
    policy += &"    - port: '80'\n".repeat(10_001);
    assert_eq!(
        fixed("ports", vec![("p.yaml".to_owned(), policy.clone())]),
        [policy]
    );
}
