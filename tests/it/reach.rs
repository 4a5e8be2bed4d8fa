//! `npcheck reach` on `tests/fixtures/reach/<scenario>/`: every line of `commands` is run in
//! the scenario's directory, and the answers read as in `answers.snap`.

use crate::program::{root, run, scratch, write};
use npcheck::engine::ReasonCode;
use serde_json::Value;
use std::collections::BTreeSet;
use std::fmt::Write;
use std::fs;
use std::path::PathBuf;

fn scenarios() -> Vec<PathBuf> {
    let entries = fs::read_dir(root().join("tests/fixtures/reach")).expect("there are scenarios");
    let mut scenarios: Vec<_> = entries
        .map(|entry| entry.expect("it is readable").path())
        .collect();
    scenarios.sort();
    scenarios
}

#[test]
fn answers_read_as_they_should() {
    let scenarios = scenarios();
    assert!(scenarios.len() > 15, "only {} scenarios", scenarios.len());
    for scenario in scenarios {
        let commands =
            fs::read_to_string(scenario.join("commands")).expect("a scenario has commands");
        let mut answers = String::new();
        for line in commands.lines() {
            let arguments: Vec<&str> = ["reach"].into_iter().chain(line.split(' ')).collect();
            let answer = run(&scenario, &arguments);
            writeln!(answers, "$ npcheck reach {line}").expect("strings can be written to");
            answers += &answer.stdout;
            answers += &answer.stderr;
            writeln!(answers, "[exit {}]\n", answer.status).expect("strings can be written to");
        }
        let mut settings = insta::Settings::clone_current();
        settings.set_snapshot_path(&scenario);
        settings.set_prepend_module_to_snapshot(false);
        settings.set_omit_expression(true);
        settings.bind(|| insta::assert_snapshot!("answers", answers));
    }
}

#[test]
fn answers_for_machines_hold_to_the_schema_and_use_its_codes() {
    let schema = run(root(), &["schema", "reach"]).stdout;
    let schema: Value = serde_json::from_str(&schema).expect("the schema is JSON");
    let validator = jsonschema::validator_for(&schema).expect("the schema is one");
    let mut seen = BTreeSet::new();
    for scenario in scenarios() {
        let commands =
            fs::read_to_string(scenario.join("commands")).expect("a scenario has commands");
        let mut told = String::new();
        for line in commands.lines() {
            let asked = ["reach"].into_iter().chain(line.split(' '));
            let arguments: Vec<&str> = asked.chain(["-o", "json"]).collect();
            let answer = run(&scenario, &arguments);
            if answer.stdout.is_empty() {
                assert_eq!(answer.status, 2, "{line}: {answer:?}");
                continue;
            }
            let answer: Value = serde_json::from_str(&answer.stdout).expect("the answer is JSON");
            let faults: Vec<_> = validator
                .iter_errors(&answer)
                .map(|fault| fault.to_string())
                .collect();
            assert!(
                faults.is_empty(),
                "{}: {line}: {faults:#?}",
                scenario.display()
            );
            let mut listed = Vec::new();
            codes(&answer, &mut listed);
            writeln!(told, "{line}: {}", listed.join(" ")).expect("strings can be written to");
            seen.extend(listed);
        }
        let mut settings = insta::Settings::clone_current();
        settings.set_snapshot_path(&scenario);
        settings.set_prepend_module_to_snapshot(false);
        settings.set_omit_expression(true);
        settings.bind(|| insta::assert_snapshot!("codes", told));
    }
    let known: BTreeSet<String> = ReasonCode::ALL
        .iter()
        .map(|code| code.name().to_owned())
        .collect();
    assert_eq!(seen, known, "every code occurs in a scenario");
}

/// Every `code` and every item of `codes`, in the order of the answer.
fn codes(value: &Value, found: &mut Vec<String>) {
    match value {
        Value::Object(fields) => {
            for (key, value) in fields {
                match (key.as_str(), value) {
                    ("code", Value::String(code)) => found.push(code.clone()),
                    ("codes", Value::Array(codes)) => {
                        let codes = codes.iter().filter_map(Value::as_str);
                        found.extend(codes.map(str::to_owned));
                    }
                    _ => codes(value, found),
                }
            }
        }
        Value::Array(items) => items.iter().for_each(|item| codes(item, found)),
        _ => {}
    }
}

/// One run answers people and machines.
#[test]
fn an_answer_goes_to_files_as_well() {
    let directory = scratch("reach-targets");
    write(
        &directory,
        "pods.yaml",
        "{apiVersion: v1, kind: Pod, metadata: {name: a}}\n---\n{apiVersion: v1, kind: Pod, metadata: {name: b}}\n",
    );
    let asked = ["reach", "a", "b", "-n", "default"];
    let alone = run(&directory, &[&asked[..], &["-o", "json"]].concat()).stdout;
    let both = run(
        &directory,
        &[&asked[..], &["-o", "text", "-o", "json=answer.json"]].concat(),
    );
    assert!(both.stdout.starts_with("ALLOWED"), "{both:?}");
    assert_eq!(
        fs::read_to_string(directory.join("answer.json")).unwrap(),
        alone
    );
    let twice = run(
        &directory,
        &[&asked[..], &["-o", "text", "-o", "json"]].concat(),
    );
    assert_eq!((twice.status, twice.stdout.as_str()), (2, ""));
}

/// What a selector asks of the labels of a namespace that no manifest declares is in doubt in
/// every form of selector, also where another tool fills in the value.
#[test]
fn labels_of_an_undeclared_namespace_leave_doubt() {
    let pods = "---\n{apiVersion: v1, kind: Pod, metadata: {name: db, namespace: a, labels: {app: db}}}\n\
                ---\n{apiVersion: v1, kind: Pod, metadata: {name: web, namespace: b, labels: {app: web}}}\n";
    let head = "metadata: {name: p, namespace: a}\nspec:\n";
    let kubernetes = format!("apiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\n{head}");
    let cilium = format!("apiVersion: cilium.io/v2\nkind: CiliumNetworkPolicy\n{head}");
    let calico = format!("apiVersion: projectcalico.org/v3\nkind: NetworkPolicy\n{head}");
    let policies = [
        (
            "cilium",
            format!(
                "{kubernetes}  podSelector: {{}}\n  ingress: [{{from: [{{namespaceSelector: \
                 {{matchLabels: {{team: \"${{TEAM}}\"}}}}}}]}}]\n"
            ),
        ),
        (
            "cilium",
            format!(
                "{cilium}  endpointSelector: {{}}\n  ingress: [{{fromEndpoints: [{{matchLabels: \
                 {{\"k8s:io.cilium.k8s.namespace.labels.team\": x}}}}]}}]\n"
            ),
        ),
        (
            "calico",
            format!(
                "{calico}  selector: all()\n  types: [Ingress]\n  ingress: [{{action: Allow, source: \
                 {{namespaceSelector: team == \"x\"}}}}]\n"
            ),
        ),
    ];
    for (cni, policy) in policies {
        let directory = scratch("undeclared-namespace");
        write(&directory, "all.yaml", format!("{policy}{pods}"));
        for ends in [["b/web", "a/db"], ["any", "a/db"]] {
            let asked = ["reach", "--no-config", "--cni", cni, ends[0], ends[1]];
            let answer = run(&directory, &asked);
            assert_eq!(answer.status, 2, "{policy}: {answer:?}");
            assert!(answer.stdout.contains("UNKNOWN  "), "{policy}: {answer:?}");
        }
        // Nothing says that a label is missing where nobody knows.
        let asked = ["reach", "--no-config", "--cni", cni, "-o", "json"];
        let answer = run(&directory, &[&asked[..], &["b/web", "a/db"]].concat());
        assert!(
            !answer.stdout.contains("has no label"),
            "{policy}: {answer:?}"
        );
    }
}

const WRITTEN: &str = "\
apiVersion: kyverno.io/v1
kind: ClusterPolicy
metadata: {name: default-deny}
spec:
  rules:
    - name: deny
      match: {any: [{resources: {kinds: [Namespace]}}]}
      generate:
        apiVersion: networking.k8s.io/v1
        kind: NetworkPolicy
        name: default-deny
        namespace: '{{request.object.metadata.name}}'
        data: {spec: {podSelector: {}, policyTypes: [Ingress]RULES}}
---
apiVersion: v1
kind: Namespace
metadata: {name: shop}
---
apiVersion: v1
kind: Pod
metadata: {name: web, namespace: shop, labels: {app: web}}
spec: {containers: [{name: web, image: example/web:1}]}
---
apiVersion: v1
kind: Pod
metadata: {name: cart, namespace: shop, labels: {app: cart}}
spec: {containers: [{name: cart, image: example/cart:1}]}
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: cart, namespace: shop}
spec:
  podSelector: {matchLabels: {app: cart}}
  policyTypes: [Ingress]
  ingress: [{from: [{podSelector: {matchLabels: {app: web}}}], ports: [{port: 8080}]}]
";

/// What a controller writes may isolate pods, and closes nothing that a rule opens; only what
/// has rules may open more.
#[test]
fn policies_that_a_controller_writes_are_not_forgotten() {
    let directory = scratch("reach-written");
    for (rules, cases) in [
        (
            "",
            [
                ("shop/cart", "shop/web", "8080", "UNKNOWN"),
                ("shop/web", "shop/cart", "8080", "ALLOWED"),
                ("shop/web", "shop/cart", "9090", "BLOCKED"),
                ("shop/web", "203.0.113.7", "443", "ALLOWED"),
            ],
        ),
        (
            ", ingress: [{}]",
            [
                ("shop/cart", "shop/web", "8080", "UNKNOWN"),
                ("shop/web", "shop/cart", "8080", "ALLOWED"),
                ("shop/web", "shop/cart", "9090", "UNKNOWN"),
                ("shop/web", "203.0.113.7", "443", "ALLOWED"),
            ],
        ),
    ] {
        write(&directory, "all.yaml", WRITTEN.replace("RULES", rules));
        for (from, to, port, expected) in cases {
            let answer = run(&directory, &["reach", "-q", from, to, "-p", port, "."]);
            let begin = format!("{expected}  ");
            assert!(answer.stdout.starts_with(&begin), "{rules} {answer:?}");
        }
    }
}

/// A ResourceSet writes its resources once for each input, into namespaces that it fills in.
#[test]
fn policies_that_a_resource_set_writes_are_not_forgotten() {
    let directory = scratch("reach-resource-set");
    let (_, others) = WRITTEN
        .split_once("---\n")
        .expect("it is the first document");
    let set = "\
apiVersion: fluxcd.controlplane.io/v1
kind: ResourceSet
metadata: {name: tenants, namespace: flux-system}
spec:
  inputs: [{tenant: shop}]
  resources:
    - apiVersion: networking.k8s.io/v1
      kind: NetworkPolicy
      metadata: {name: deny, namespace: << inputs.tenant >>}
      spec: {podSelector: {}, policyTypes: [Ingress]}
";
    write(&directory, "all.yaml", format!("{set}---\n{others}"));
    for (from, to, expected) in [
        ("shop/cart", "shop/web", "UNKNOWN"),
        ("shop/web", "shop/cart", "ALLOWED"),
    ] {
        let answer = run(&directory, &["reach", "-q", from, to, "-p", "8080", "."]);
        let begin = format!("{expected}  ");
        assert!(answer.stdout.starts_with(&begin), "{answer:?}");
    }
}

/// Whatever holds a policy without a namespace may write it into any, if it is not known to only
/// carry it.
#[test]
fn policies_that_other_controllers_write_are_not_forgotten() {
    let directory = scratch("reach-writers");
    let (_, others) = WRITTEN
        .split_once("---\n")
        .expect("it is the first document");
    let deny = "{apiVersion: networking.k8s.io/v1, kind: NetworkPolicy, metadata: {name: d}, \
                spec: {podSelector: {}, policyTypes: [Ingress]}}";
    let action = |action: &str| {
        format!(
            "{{remediationAction: {action}, namespaceSelector: {{include: [shop]}}, \
             object-templates: [{{complianceType: musthave, objectDefinition: {deny}}}]}}"
        )
    };
    let around = |own: &str, within: &str| {
        format!(
            "{{remediationAction: {own}, policy-templates: [{{objectDefinition: {{kind: \
             ConfigurationPolicy, spec: {}}}}}]}}",
            action(within)
        )
    };
    let text = "apiVersion: networking.k8s.io/v1\\nkind: NetworkPolicy\\nspec: {}";
    for (api_version, kind, spec, expected) in [
        (
            "sync.appuio.ch/v1alpha1",
            "SyncConfig",
            format!("{{syncItems: [{deny}]}}"),
            "UNKNOWN",
        ),
        (
            "sync.appuio.ch/v1alpha1",
            "SyncConfig",
            format!("{{deleteItems: [{deny}]}}"),
            "ALLOWED",
        ),
        (
            "redhatcop.redhat.io/v1alpha1",
            "NamespaceConfig",
            format!("{{templates: [{{objectTemplate: \"{text}\"}}]}}"),
            "UNKNOWN",
        ),
        (
            "espejote.io/v1alpha1",
            "ManagedResource",
            format!("{{template: \"{text}\"}}"),
            "UNKNOWN",
        ),
        (
            "policy.open-cluster-management.io/v1",
            "ConfigurationPolicy",
            action("enforce"),
            "UNKNOWN",
        ),
        (
            "policy.open-cluster-management.io/v1",
            "ConfigurationPolicy",
            action("inform"),
            "ALLOWED",
        ),
        (
            "policy.open-cluster-management.io/v1",
            "Policy",
            around("enforce", "inform"),
            "UNKNOWN",
        ),
        (
            "policy.open-cluster-management.io/v1",
            "Policy",
            around("Inform", "enforce"),
            "ALLOWED",
        ),
        (
            "example.com/v1",
            "NobodyKnows",
            format!("{{objects: [{deny}]}}"),
            "UNKNOWN",
        ),
        (
            "chainsaw.kyverno.io/v1alpha1",
            "Test",
            format!("{{steps: [{deny}]}}"),
            "ALLOWED",
        ),
        (
            "templates.gatekeeper.sh/v1",
            "ConstraintTemplate",
            format!("{{targets: [{{rego: \"{text}\"}}]}}"),
            "ALLOWED",
        ),
    ] {
        let object = format!(
            "{{apiVersion: {api_version}, kind: {kind}, metadata: {{name: o}}, spec: {spec}}}"
        );
        write(&directory, "all.yaml", format!("{object}\n---\n{others}"));
        let asked = ["reach", "-q", "shop/cart", "shop/web", "-p", "8080", "."];
        let answer = run(&directory, &asked);
        let begin = format!("{expected}  ");
        assert!(answer.stdout.starts_with(&begin), "{object} {answer:?}");
    }
}

/// What an end was taken to mean is no part of a verdict.
#[test]
fn verdicts_stand_alone_where_only_they_are_asked_for() {
    let directory = root().join("tests/fixtures/reach/pod-ranges");
    let ends = ["shop/web", "kube-system/k8s-app=kube-dns"];
    let asked = ["reach", ends[0], ends[1], "-p", "53/udp"];
    let verdict = "ALLOWED  shop/Deployment/web -> kube-system/k8s-app=kube-dns  UDP 53\n";
    let told = run(&directory, &asked).stdout;
    assert!(
        told.starts_with("note: ") && told.contains(verdict),
        "{told}"
    );
    let quiet = [&asked[..], &["-q"]].concat();
    assert_eq!(run(&directory, &quiet).stdout, verdict);
}
