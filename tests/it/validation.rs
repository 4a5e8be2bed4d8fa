//! What is wrong with the text of a policy, as tables: a text, whether an API server
//! would take it, what is said about it, and what the first fix makes of it.

use npcheck::manifest::{self, Parsed};
use npcheck::source::SourceMap;
use npcheck::{edit, k8s};
use std::fs;
use std::path::Path;

/// In front of a text that is a `spec` alone.
const HEAD: &str = "apiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata:\n  name: p\n  namespace: shop\n";

#[test]
fn network_policies_are_judged_as_an_api_server_does() {
    check(include_str!("../fixtures/validation/network-policy.txt"));
}

#[test]
fn cluster_policies_are_judged_as_their_crds_do() {
    check(include_str!("../fixtures/validation/cluster-policies.txt"));
}

#[test]
fn policies_of_cilium_are_judged_as_the_api_server_and_the_agent_do() {
    check(include_str!("../fixtures/validation/cilium.txt"));
}

#[test]
fn policies_and_sets_of_calico_are_judged_as_its_api_server_does() {
    check(include_str!("../fixtures/validation/calico.txt"));
}

#[test]
fn lost_indentation_is_found_and_restored() {
    check(include_str!("../fixtures/validation/flattened.txt"));
}

/// Runs every case of a table, and tells of all that fail.
fn check(table: &str) {
    let mut failures = Vec::new();
    let mut cases = 0;
    for case in table.split("\n=== ").skip(1) {
        let (name, rest) = case.split_once('\n').expect("a case has a name and a text");
        let (text, rest) = rest
            .split_once("\n--- ")
            .expect("a case says what becomes of it");
        let (outcome, fixed) = match rest.split_once("\n~~~\n") {
            Some((outcome, fixed)) => (outcome, Some(fixed.trim_end())),
            None => (rest, None),
        };
        cases += 1;
        let found = judge(text);
        let expected = (outcome.trim_end().to_owned(), fixed.map(str::to_owned));
        if found != expected {
            failures.push(format!(
                "=== {name}\nexpected: {expected:#?}\nfound: {found:#?}"
            ));
        }
    }
    assert!(cases > 5, "the table was read");
    assert!(failures.is_empty(), "{}", failures.join("\n\n"));
}

/// The outcome and the findings, a line each, and the text after the first fix.
fn judge(text: &str) -> (String, Option<String>) {
    let head = if text.starts_with("apiVersion") {
        ""
    } else {
        HEAD
    };
    let whole = format!("{head}{text}\n");
    let mut sources = SourceMap::default();
    let id = sources.add("case.yaml", whole.clone());
    let parsed = manifest::read(id, "test.yaml", &whole);
    let mut lines = vec![outcome(&parsed).to_owned()];
    for found in &parsed.diagnostics {
        let span = sources.text(found.primary.span);
        lines.push(format!("{} {} `{span}`", found.rule, found.path));
    }
    for fault in faults(&parsed) {
        let span = sources.text(fault.span);
        lines.push(format!("agent: {} {} `{span}`", fault.path, fault.reason));
    }
    let fixed = first_fix(&whole, &parsed);
    (
        lines.join("\n"),
        fixed.map(|text| {
            text.strip_prefix(head)
                .unwrap_or(&text)
                .trim_end()
                .to_owned()
        }),
    )
}

/// What Cilium's agent rejects a policy for that the API server takes.
fn faults(parsed: &Parsed) -> impl Iterator<Item = &k8s::CiliumFault> {
    let policies = parsed.objects.iter().filter_map(|object| match object {
        k8s::Object::PluginPolicy(policy) if policy.meta.is_accepted => Some(&policy.spec),
        _ => None,
    });
    policies.flat_map(|spec| match spec {
        k8s::PluginSpec::Cilium(policy) => policy.faults.as_slice(),
        _ => &[],
    })
}

/// The text after the first fix.
fn first_fix(text: &str, parsed: &Parsed) -> Option<String> {
    let mend = parsed
        .diagnostics
        .iter()
        .find_map(|found| found.fix.as_ref())?;
    Some(edit::apply(text, &mend.edits).expect("the edits of a fix do not overlap"))
}

fn outcome(parsed: &Parsed) -> &'static str {
    let policies = parsed.objects.iter().filter(|object| {
        matches!(
            object,
            k8s::Object::NetworkPolicy(_)
                | k8s::Object::ClusterNetworkPolicy(_)
                | k8s::Object::PluginPolicy(_)
                | k8s::Object::PluginResource(_)
        )
    });
    if faults(parsed).next().is_some() {
        return "inert";
    }
    match policies
        .map(k8s::Object::meta)
        .collect::<Vec<_>>()
        .as_slice()
    {
        [] => "broken",
        [meta] if !meta.is_accepted => "refused",
        [meta] if !meta.holes.is_empty() => "unknown",
        [_] => "accepted",
        _ => "several",
    }
}

/// Every policy of the fixtures, with all indentation taken away: what is restored means
/// the same as before, and nothing is restored that could mean something else.
#[test]
fn restored_indentation_is_the_one_that_was_lost() {
    let mut texts = Vec::new();
    collect(
        Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures")),
        &mut texts,
    );
    collect(
        Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/examples")),
        &mut texts,
    );
    let (mut restored, mut refused) = (0, 0);
    for text in &texts {
        for document in text.split("\n---\n") {
            let Some(original) = policy(document) else {
                continue;
            };
            let flat: Vec<&str> = document.lines().map(str::trim_start).collect();
            let flat = flat.join("\n");
            let id = SourceMap::default().add("flat.yaml", flat.clone());
            let parsed = manifest::read(id, "test.yaml", &flat);
            let [found] = parsed.diagnostics.as_slice() else {
                continue;
            };
            if found.rule != "flattened-manifest" {
                continue;
            }
            match first_fix(&flat, &parsed) {
                Some(text) => {
                    let value: serde_yaml::Value =
                        serde_yaml::from_str(&text).expect("it can be read");
                    assert_eq!(value, original, "{text}");
                    restored += 1;
                }
                None => refused += 1,
            }
        }
    }
    assert!(
        restored > 100 && refused < restored / 10,
        "{restored} restored, {refused} refused"
    );
}

/// A document that holds one valid policy.
fn policy(document: &str) -> Option<serde_yaml::Value> {
    let id = SourceMap::default().add("policy.yaml", document);
    let parsed = manifest::read(id, "test.yaml", document);
    let is_policy = matches!(parsed.objects.as_slice(), [k8s::Object::NetworkPolicy(_)]);
    (is_policy && parsed.diagnostics.is_empty()).then(|| serde_yaml::from_str(document).ok())?
}

fn collect(folder: &Path, texts: &mut Vec<String>) {
    let mut paths: Vec<_> = fs::read_dir(folder)
        .expect("the folder is there")
        .map(|entry| entry.expect("it can be read").path())
        .collect();
    paths.sort();
    for path in paths {
        if path.is_dir() {
            collect(&path, texts);
        } else if path
            .extension()
            .is_some_and(|extension| extension == "yaml")
        {
            texts.extend(fs::read_to_string(&path).ok());
        }
    }
}
