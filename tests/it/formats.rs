//! One sample through every format: each holds to its schema, says all findings, and lets
//! nothing through that its reader would obey.

use super::program::{Run, root, run, run_with_stdin, scratch, write};
use serde_json::Value;
use std::fs;
use std::path::PathBuf;

/// A directory with findings of every severity, one suppressed, and a file that cannot be
/// read; names and labels are those of a stranger who means harm.
fn sample(name: &str) -> PathBuf {
    let directory = scratch(&format!("formats-{name}"));
    write(&directory, "k8s/policy.yaml", SAMPLE);
    write(
        &directory,
        "k8s/broken.yaml",
        b"apiVersion: v1 # \xff\nkind: Pod\n",
    );
    directory
}

const SAMPLE: &str = r#"apiVersion: v1
kind: Namespace
metadata: {name: monitoring, labels: {"<b>": "x\u202e\u001b[31m"}}
---
apiVersion: v1
kind: Pod
metadata: {name: "web", namespace: shop, labels: {app: web}}
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: "a](http://evil.example)|%0A::x", namespace: shop}
spec:
  podSelector: {matchLabels: {app: web}}
  policyTypes: [Ingress]
  ingress:
    - from:
        - namespaceSelector: {matchLabels: {name: monitoring}}
  egress:
    - {}
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: kept, namespace: shop}
spec:
  podSelector: {matchLabels: {app: web}}
  policyTypes: [Ingress]
  egress: # npcheck: ignore ignored-rules -- the next release turns it on
    - {}
"#;

fn lint(name: &str, format: &str) -> Run {
    let run = run(&sample(name), &["lint", "--complete", "-o", format]);
    assert_eq!(run.status, 2, "{run:?}");
    let raw = ['\u{1b}', '\u{202e}', '\u{9b}'];
    assert!(!run.stdout.contains(raw), "{format}: {}", run.stdout);
    run
}

/// The findings of the sample, as the other formats must say them.
fn findings(name: &str) -> Vec<Value> {
    let json: Value = serde_json::from_str(&lint(name, "json").stdout).unwrap();
    json["findings"].as_array().unwrap().clone()
}

fn assert_valid(schema: &Value, instance: &Value) {
    let validator = jsonschema::validator_for(schema).unwrap();
    let errors: Vec<String> = validator
        .iter_errors(instance)
        .map(|error| error.to_string())
        .collect();
    assert_eq!(errors, Vec::<String>::new());
}

#[test]
fn json_is_as_its_schema_says() {
    let directory = sample("json");
    let schema = run(&directory, &["schema", "findings"]).stdout;
    let schema: Value = serde_json::from_str(&schema).unwrap();
    let output: Value = serde_json::from_str(&lint("json", "json").stdout).unwrap();
    assert_valid(&schema, &output);
    let rules = |list: &Value, rule: fn(&Value) -> &Value| -> Vec<String> {
        let rules = list.as_array().unwrap().iter().map(rule);
        rules
            .map(|rule| rule.as_str().unwrap().to_owned())
            .collect()
    };
    let found = rules(&output["findings"], |finding| &finding["rule"]);
    assert!(found.contains(&"ignored-rules".to_owned()), "{found:?}");
    assert!(
        found.contains(&"unlabeled-namespace".to_owned()),
        "{found:?}"
    );
    let suppressed = &output["suppressed"];
    assert_eq!(
        rules(suppressed, |one| &one["finding"]["rule"]),
        ["ignored-rules"]
    );
    assert_eq!(suppressed[0]["reason"], "the next release turns it on");
    assert_eq!(output["problems"][0]["name"], "k8s/broken.yaml");
    assert_eq!(output["summary"]["policies"], 2);
}

#[test]
fn json_without_findings_is_valid_too() {
    let directory = scratch("formats-clean");
    write(
        &directory,
        "ns.yaml",
        "apiVersion: v1\nkind: Namespace\nmetadata: {name: shop}\n",
    );
    let schema = run(&directory, &["schema"]).stdout;
    let clean = run(&directory, &["lint", "-o", "json"]);
    assert_eq!(clean.status, 0);
    let output: Value = serde_json::from_str(&clean.stdout).unwrap();
    assert_valid(&serde_json::from_str(&schema).unwrap(), &output);
    let sarif: Value =
        serde_json::from_str(&run(&directory, &["lint", "-o", "sarif"]).stdout).unwrap();
    assert_eq!(sarif["runs"][0]["results"], Value::Array(Vec::new()));
    let junit = run(&directory, &["lint", "-o", "junit"]).stdout;
    assert!(
        junit.contains(r#"tests="1" failures="0" errors="0""#),
        "{junit}"
    );
}

#[test]
fn sarif_is_valid_against_the_official_schema_and_complete() {
    let schema = fs::read_to_string(root().join("tests/fixtures/sarif/sarif-2.1.0-rtm.5.json"));
    // One pattern of the schema has a bracket that only ECMAScript's old regular expressions
    // take.
    let schema = schema
        .unwrap()
        .replace("[a-zA-Z]{2}]?$", "[a-zA-Z]{2}\\\\]?$");
    let schema: Value = serde_json::from_str(&schema).unwrap();
    let log: Value = serde_json::from_str(&lint("sarif", "sarif").stdout).unwrap();
    assert_valid(&schema, &log);
    let run = &log["runs"][0];
    let results = run["results"].as_array().unwrap();
    let standing: Vec<&Value> = results
        .iter()
        .filter(|result| result["suppressions"] == Value::Array(Vec::new()))
        .collect();
    let findings = findings("sarif-json");
    assert_eq!(standing.len(), findings.len());
    assert_eq!(results.len(), findings.len() + 1);
    let rules = run["tool"]["driver"]["rules"].as_array().unwrap();
    assert_eq!(rules.len(), npcheck::rules::ALL.len());
    for (result, finding) in standing.into_iter().zip(&findings) {
        assert_eq!(result["ruleId"], finding["rule"]);
        assert_eq!(result["fixes"].is_array(), finding["fix"].is_object());
        let index = result["ruleIndex"].as_u64().unwrap() as usize;
        assert_eq!(rules[index]["id"], finding["rule"]);
        let physical = &result["locations"][0]["physicalLocation"];
        // The root of the repository is above the directory that the test runs in.
        let file = physical["artifactLocation"]["uri"].as_str().unwrap();
        assert!(file.ends_with("/k8s/policy.yaml"), "{file}");
        let region = &physical["region"];
        assert_eq!(
            region["startLine"],
            finding["primary"]["location"]["start"]["line"]
        );
        assert_eq!(
            region["startLine"], region["endLine"],
            "a region is of one line"
        );
        let message = result["message"]["text"].as_str().unwrap();
        assert!(
            !message.replace("\\]", "").contains("]("),
            "a message holds no link: {message}"
        );
    }
    let invocation = &run["invocations"][0];
    assert_eq!(invocation["executionSuccessful"], false);
    let notification = &invocation["toolExecutionNotifications"][0];
    let place = &notification["locations"][0]["physicalLocation"]["artifactLocation"]["uri"];
    assert!(place.as_str().unwrap().ends_with("/k8s/broken.yaml"));
}

#[test]
fn github_commands_are_one_line_each_and_escaped() {
    let output = lint("github", "github").stdout;
    let findings = findings("github-json");
    assert_eq!(output.lines().count(), findings.len() + 2, "{output}");
    for line in output.lines() {
        let command = line
            .strip_prefix("::")
            .unwrap_or_else(|| panic!("no command: {line}"));
        let (kind, _) = command.split_once(' ').unwrap();
        assert!(["error", "warning", "notice"].contains(&kind), "{line}");
        let (_, message) = command.split_once("::").unwrap();
        assert!(!message.is_empty());
    }
    assert!(
        output.starts_with("::error file=")
            && output.contains("k8s/broken.yaml,title=not analysed::"),
        "{output}"
    );
    assert!(output.contains("\n::notice title=not judged::left out: 1 policy"));
}

#[test]
fn gitlab_has_all_that_gitlab_demands() {
    let report: Value = serde_json::from_str(&lint("gitlab", "gitlab").stdout).unwrap();
    let entries = report.as_array().unwrap();
    assert_eq!(entries.len(), findings("gitlab-json").len() + 1);
    let mut fingerprints = Vec::new();
    for entry in entries {
        assert!(!entry["description"].as_str().unwrap().is_empty());
        assert!(!entry["check_name"].as_str().unwrap().is_empty());
        assert!(entry["location"]["lines"]["begin"].as_u64().unwrap() > 0);
        let known = ["info", "minor", "major", "critical", "blocker"];
        assert!(known.contains(&entry["severity"].as_str().unwrap()));
        fingerprints.push(entry["fingerprint"].as_str().unwrap());
    }
    fingerprints.sort_unstable();
    fingerprints.dedup();
    assert_eq!(fingerprints.len(), entries.len(), "fingerprints are unique");
}

#[test]
fn junit_is_well_formed_and_counts_right() {
    let output = lint("junit", "junit").stdout;
    let findings = findings("junit-json").len();
    // A file that cannot be read, what was suppressed, and a policy that was not judged.
    let counts = format!(
        r#"tests="{}" failures="{findings}" errors="1" skipped="2""#,
        findings + 3
    );
    assert!(output.contains(&counts), "{output}");
    assert_eq!(output.matches("<testcase ").count(), findings + 3);
    assert_eq!(output.matches("<failure ").count(), findings);
    // Whatever a stranger wrote is text: every `<` begins a tag of the format.
    let tags = [
        "?xml",
        "testsuites",
        "testsuite",
        "testcase",
        "failure",
        "error",
        "skipped",
        "system-out",
    ];
    for (at, _) in output.match_indices('<') {
        let tag = output[at + 1..].trim_start_matches('/');
        assert!(
            tags.iter().any(|known| tag.starts_with(known)),
            "{}",
            &output[at..]
        );
    }
}

#[test]
fn markdown_is_a_table_that_nobody_breaks_out_of() {
    let output = lint("markdown", "markdown").stdout;
    assert!(!output.contains("<b>"), "{output}");
    assert!(!output.contains("](http://evil"), "{output}");
    let rows = output.lines().filter(|line| line.starts_with('|'));
    for row in rows {
        let bars = row.replace("\\|", "").matches('|').count();
        assert!(bars == 3 || bars == 5, "{row}");
    }
}

#[test]
fn full_and_concise_say_every_finding() {
    let full = lint("full", "full").stdout;
    let concise = lint("concise", "concise").stdout;
    for finding in findings("full-json") {
        let rule = finding["rule"].as_str().unwrap();
        let severity = finding["severity"].as_str().unwrap();
        let start = &finding["primary"]["location"]["start"];
        let place = format!("k8s/policy.yaml:{}:{}", start["line"], start["column"]);
        assert!(full.contains(&format!("--> {place}   {rule}\n")), "{full}");
        assert!(
            concise.contains(&format!("{place}: {severity} {rule} ")),
            "{concise}"
        );
    }
}

/// Four namespaces without a default deny are one thing to read, and four findings.
#[test]
fn infos_are_one_line_for_each_rule_unless_asked_for() {
    let directory = scratch("formats-many");
    for namespace in ["a", "b", "c", "d"] {
        let pod = format!(
            "apiVersion: v1\nkind: Pod\nmetadata: {{name: web, namespace: {namespace}}}\nspec: {{containers: [{{name: web, image: web}}]}}\n"
        );
        write(&directory, &format!("{namespace}.yaml"), pod);
    }
    let full = run(&directory, &["lint"]).stdout;
    assert_eq!(full.matches("info: ").count(), 1, "{full}");
    let line = "info: 4 no-default-deny, first a.yaml:3:18: namespace `a` has no default deny";
    assert!(full.contains(line), "{full}");
    let all = run(&directory, &["lint", "--show", "info"]).stdout;
    assert_eq!(all.matches("info: ").count(), 4, "{all}");
    let counted = run(&directory, &["lint", "--statistics"]).stdout;
    assert!(
        counted.starts_with("     4  info     no-default-deny  "),
        "{counted}"
    );
    let left = run(
        &directory,
        &["lint", "--min-severity", "warning", "-o", "concise"],
    );
    assert_eq!((left.status, left.stdout.as_str()), (0, ""), "{left:?}");
    let ignored = run(&directory, &["lint", "--ignore", "no-default-deny"]);
    assert!(!ignored.stdout.contains("no-default-deny"), "{ignored:?}");
    let unknown = run(&directory, &["lint", "--select", "no-default-denny"]);
    assert!(
        unknown.stderr.contains("did you mean `no-default-deny`?"),
        "{unknown:?}"
    );
    assert_eq!(unknown.status, 2);
    let json = run(&directory, &["lint", "-o", "json"]).stdout;
    let json: Value = serde_json::from_str(&json).unwrap();
    assert_eq!(json["findings"].as_array().unwrap().len(), 4);
    let junit = run(&directory, &["lint", "-o", "junit"]);
    assert!(
        junit.stdout.contains(r#"tests="4" failures="0""#),
        "{junit:?}"
    );
    assert_eq!(junit.status, 0);
}

/// A run that analysed nothing is green in no format.
#[test]
fn a_run_over_nothing_says_so_in_every_format() {
    let directory = scratch("formats-nothing");
    write(&directory, "values.yaml", "a: 1\n");
    let of = |format: &str| run(&directory, &["lint", "-o", format]);
    let junit = of("junit");
    assert_eq!(junit.status, 3);
    assert!(junit.stdout.contains(r#"errors="1""#), "{junit:?}");
    let sarif: Value = serde_json::from_str(&of("sarif").stdout).unwrap();
    assert_eq!(
        sarif["runs"][0]["invocations"][0]["executionSuccessful"],
        false
    );
    let json: Value = serde_json::from_str(&of("json").stdout).unwrap();
    assert_eq!(json["analysed"], "nothing");
}

#[test]
fn several_formats_at_once_go_to_files() {
    let directory = sample("files");
    let both = run(
        &directory,
        &[
            "lint",
            "--complete",
            "-o",
            "concise",
            "-o",
            "sarif=out.sarif",
            "-o",
            "json=out.json",
        ],
    );
    assert_eq!(both.stdout, lint("files-concise", "concise").stdout);
    let written = fs::read_to_string(directory.join("out.json")).unwrap();
    assert_eq!(written, lint("files-json", "json").stdout);
    assert!(
        fs::read_to_string(directory.join("out.sarif"))
            .unwrap()
            .contains("\"2.1.0\"")
    );
    let twice = run(&directory, &["lint", "-o", "full", "-o", "json"]);
    assert_eq!((twice.status, twice.stdout.as_str()), (2, ""), "{twice:?}");
    let nowhere = run(&directory, &["lint", "-o", "json=no/such/directory.json"]);
    assert_eq!(nowhere.status, 2, "{nowhere:?}");
    assert!(
        nowhere.stderr.contains("no/such/directory.json"),
        "{nowhere:?}"
    );
}

#[test]
fn answers_of_reach_are_as_their_schema_says() {
    let schema = run(root(), &["schema", "reach"]).stdout;
    let schema: Value = serde_json::from_str(&schema).unwrap();
    for (ends, ports) in [
        (["shop/web", "shop/cart"], &["-p", "8080"][..]),
        (["shop/web", "shop/svc/cart"], &["-p", "80"]),
        (["any", "shop/cart"], &[]),
        (["shop/cart", "internet"], &["-p", "443", "-p", "53/udp"]),
        (["shop/+app=new", "shop/cart"], &["-p", "http"]),
    ] {
        let arguments = [
            &["reach", ends[0], ends[1]],
            ports,
            &["-o", "json", "examples/shop"],
        ];
        let answer = run(root(), &arguments.concat());
        assert!(answer.status < 2, "{answer:?}");
        assert_valid(&schema, &serde_json::from_str(&answer.stdout).unwrap());
    }
}

#[test]
fn graph_lines_are_as_their_schema_says() {
    let schema = run(root(), &["schema", "graph-line"]).stdout;
    let schema: Value = serde_json::from_str(&schema).unwrap();
    let unknown = "{apiVersion: v1, kind: Pod, metadata: {name: a, labels: {app: '${APP}'}}}\n---\n\
        {apiVersion: networking.k8s.io/v1, kind: NetworkPolicy, metadata: {name: p}, \
        spec: {podSelector: {matchLabels: {app: a}}}}\n";
    let graph = ["graph", "-o", "json-lines"];
    let answers = [
        (
            run(root(), &[&graph[..], &["examples/shop"]].concat()),
            vec![],
        ),
        (
            run(root(), &[&graph[..], &["examples/gitops"]].concat()),
            vec!["cluster"],
        ),
        (
            run_with_stdin(root(), &[&graph[..], &["-"]].concat(), unknown.as_bytes()),
            vec!["unknown"],
        ),
    ];
    for (graph, keys) in answers {
        assert_eq!(graph.status, 0, "{graph:?}");
        assert!(graph.stdout.lines().count() > 3);
        for line in graph.stdout.lines() {
            let line: Value = serde_json::from_str(line).unwrap();
            assert_valid(&schema, &line);
        }
        for key in keys {
            assert!(graph.stdout.contains(&format!("\"{key}\":")), "{key}");
        }
    }
}
