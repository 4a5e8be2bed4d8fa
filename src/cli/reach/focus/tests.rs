//! A question that is answered by a part of a dump has the answer of all of it, word for word.

use super::*;
use crate::cli::gaps::Gaps;
use crate::cli::input::Input;
use crate::cli::reach::{Options, report, with_arguments};
use crate::config::Config;
use crate::manifest;
use crate::output::{Detail, ReachFormat, Style, Summary};
use crate::source::SourceMap;
use crate::workspace::{PathOf, Texts, Workspace};
use crate::yaml::differential;
use clap::Parser;

#[derive(Debug, Parser)]
struct Command {
    #[command(flatten)]
    options: Options,
}

/// What every dump has: pods of several namespaces with their owners, and policies that ask
/// about others.
const OBJECTS: &str = "
apiVersion: apps/v1
kind: Deployment
metadata: {name: web, namespace: near}
spec: {template: {metadata: {labels: {app: web}}, spec: {containers: [{name: web}]}}}
---
apiVersion: apps/v1
kind: ReplicaSet
metadata: {name: web-1, namespace: near, ownerReferences: [{kind: Deployment, name: web}]}
spec: {template: {metadata: {labels: {app: web}}}}
---
apiVersion: v1
kind: Pod
metadata: {name: web-1-x, namespace: near, ownerReferences: [{kind: ReplicaSet, name: web-1}]}
status: {podIP: 10.0.0.1}
---
apiVersion: apps/v1
kind: StatefulSet
metadata: {name: db, namespace: far}
spec:
  template:
    metadata: {labels: {app: db}}
    spec: {containers: [{name: db, ports: [{name: sql, containerPort: 5432}]}]}
---
apiVersion: v1
kind: Pod
metadata: {name: db-0, namespace: far, labels: {app: db}}
status: {podIP: 10.0.0.2}
---
apiVersion: v1
kind: Pod
metadata: {name: db-0, namespace: elsewhere, labels: {app: db}}
status: {podIP: 10.0.0.2}
---
apiVersion: v1
kind: Service
metadata: {name: db, namespace: far}
spec: {selector: {app: db}, ports: [{port: 80, targetPort: sql}]}
---
apiVersion: v1
kind: ConfigMap
metadata: {name: settings, namespace: elsewhere}
data: {a: b}
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: db, namespace: far}
spec:
  podSelector: {matchLabels: {app: db}}
  ingress:
    - from: [{namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: near}}}]
      ports: [{port: sql}]
    - from: [{podSelector: {}}, {ipBlock: {cidr: 10.0.0.0/8}}]
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: others, namespace: elsewhere}
spec: {podSelector: {}, policyTypes: [Egress]}
";

/// What is asked of every dump.
const QUESTIONS: &[&[&str]] = &[
    &["near/web", "far/db"],
    &["near/deploy/web", "far/svc/db", "-p", "80"],
    &["near/web", "far/db", "-p", "http", "--expect", "blocked"],
    &["far/StatefulSet/db", "near/Deployment/web", "-p", "80"],
    &["web-1-x", "far/app=db", "-n", "near"],
    &["far/db-0", "elsewhere/db-0"],
    &["far/db", "near/wbe"],
    &["deploy/web", "far/db"],
    &["near/web", "internet"],
];

/// A list of some objects.
fn dump(objects: &[&str]) -> String {
    let items = objects.iter().map(|object| {
        let lines: Vec<&str> = object.trim().lines().collect();
        format!("- {}\n", lines.join("\n  "))
    });
    let items: String = items.collect();
    format!("apiVersion: v1\nkind: List\nitems:\n{items}")
}

fn input(text: &str, focus: &Focus) -> Input {
    let mut sources = SourceMap::default();
    let id = sources.add("dump.yaml", text);
    let texts = Texts::read_for(focus, sources);
    let workspace = Workspace::of(&texts, &[id], &Config::default(), PathOf::default());
    let workspace = workspace.whole_if_it_matters();
    Input {
        gaps: Gaps::new(&[], &workspace),
        workspace,
        files: Vec::new(),
        problems: Vec::new(),
        skipped: Vec::new(),
        summary: Summary::default(),
    }
}

/// All that is said of everything, or of what was read for a focus if that is enough.
fn told(options: &Options, input: &Input, focus: Option<&Focus>) -> Option<String> {
    let (sources, arguments) = with_arguments(options, &input.workspace);
    let questions = match Question::all(options, &input.workspace, &sources, arguments) {
        Ok(questions) => questions,
        Err(mistake) => return focus.is_none().then(|| format!("{mistake:?}")),
    };
    let groups = match focus {
        Some(focus) => enough(focus, &questions)?.into_iter().map(Ok).collect(),
        None => questions.iter().map(Question::groups).collect::<Vec<_>>(),
    };
    let asked = questions.iter().zip(groups);
    let report = match report(options, input, &sources, asked) {
        Ok(report) => report,
        Err(mistake) => return Some(format!("{mistake:?}")),
    };
    let mut out = format!(
        "{:?} {} {}\n",
        report.outcome,
        input.is_incomplete(),
        report.not_judged.has_faults()
    )
    .into_bytes();
    for format in [ReachFormat::Text, ReachFormat::Json] {
        let written = format.write(&report, Style::default(), Detail::Everything, &mut out);
        written.expect("a vector takes all bytes");
    }
    Some(String::from_utf8(out).expect("answers are text"))
}

/// Asks all questions of a dump, and returns how many of them a part of it has answered.
fn compare(text: &str) -> usize {
    let whole = input(text, Focus::EVERYTHING);
    let mut answered_by_part = 0;
    for question in QUESTIONS {
        let arguments = std::iter::once("reach").chain(question.iter().copied());
        let Command { options } = Command::parse_from(arguments);
        let focus = of([&options.from, &options.to], options.namespace.as_deref());
        let part = input(text, &focus);
        let is_partial = part.workspace.is_partial();
        if let Some(part) = told(&options, &part, Some(&focus)).filter(|_| is_partial) {
            answered_by_part += 1;
            let whole = told(&options, &whole, None);
            assert_eq!(Some(part), whole, "{question:?} of\n{text}");
        }
    }
    answered_by_part
}

#[test]
fn a_part_answers_as_the_whole_does() {
    let own: Vec<&str> = OBJECTS.split("---\n").collect();
    let texts = differential::texts();
    let is_object = |text: &&String| {
        let documents = manifest::read(SourceMap::default().add("a", ""), "a", text).documents;
        matches!(&documents[..], [document] if !document.kind.is_empty())
    };
    let texts: Vec<&String> = texts.iter().filter(is_object).step_by(8).collect();
    let (mut dumps, mut answered) = (0, 0);
    for others in texts.chunks(3) {
        let others = others.iter().map(|text| text.as_str());
        let objects: Vec<&str> = own.iter().copied().chain(others).collect();
        let of_dump = compare(&dump(&objects));
        dumps += usize::from(of_dump > 0);
        answered += of_dump;
    }
    assert!(dumps > 100, "{dumps} dumps, {answered} answers");
    assert!(answered > 3 * dumps, "{dumps} dumps, {answered} answers");
}

/// How many questions a part answers of the dump with another object.
fn answered_with(object: &str) -> usize {
    let own = OBJECTS.split("---\n");
    let objects: Vec<&str> = own.chain([object]).collect();
    compare(&dump(&objects))
}

#[test]
fn what_lies_elsewhere_and_matters_is_read() {
    let pod = |name: &str, namespace: &str| {
        format!("apiVersion: v1\nkind: Pod\nmetadata: {{name: {name}, namespace: {namespace}}}\n")
    };
    let usual = answered_with(&pod("new", "elsewhere"));
    assert!(usual > 3, "{usual}");
    // It says which platform this is.
    assert_eq!(answered_with(&pod("new", "openshift-dns")), usual);
    let agent =
        "apiVersion: apps/v1\nkind: DaemonSet\nmetadata: {name: cilium, namespace: elsewhere}\n";
    assert_eq!(answered_with(agent), usual);
    let owners = [
        // Two of one name.
        pod("db-0", "elsewhere"),
        // Calico's policies ask who else has an address.
        "apiVersion: apps/v1\nkind: DaemonSet\nmetadata: {name: calico-node, namespace: kube-system}\n"
            .to_owned(),
        "apiVersion: projectcalico.org/v3\nkind: NetworkPolicy\nmetadata: {name: a, namespace: far}\n\
         spec: {selector: all()}\n"
            .to_owned(),
    ];
    for object in owners {
        assert_eq!(answered_with(&object), 0, "{object}");
    }
}

#[test]
fn a_change_that_could_open_something_elsewhere_is_looked_for_among_all_pods() {
    let isolating = |peer: &str| {
        answered_with(&format!(
            "apiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\n\
             metadata: {{name: web, namespace: near}}\n\
             spec: {{podSelector: {{}}, ingress: [{{from: [{peer}], ports: [{{port: 8080}}]}}]}}\n"
        ))
    };
    // A question about port 80 is blocked now, and has its change.
    let own = isolating("{podSelector: {matchLabels: {app: other}}}");
    let open = answered_with("apiVersion: v1\nkind: Namespace\nmetadata: {name: near}\n");
    assert_eq!(own, open);
    // The port could be added for everybody.
    assert!(isolating("{namespaceSelector: {}}") < own);
    let far = "{namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: far}}}";
    assert_eq!(isolating(far), own);
}
