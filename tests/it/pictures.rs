//! `npcheck graph` in its formats: each shows the flows that the lines for programs have,
//! and lets no name do anything but stand there.

use super::program::{Run, root, run, scratch, write};
use base64::Engine as _;
use serde_json::Value;
use sha2::{Digest, Sha256};
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// By source and destination: the open ports of each protocol, in their JSON form.
pub(super) type Flows = BTreeMap<(String, String), BTreeSet<(String, String)>>;

fn graph(directory: &Path, arguments: &[&str]) -> Run {
    let run = run(directory, &[&["graph", "-q"], arguments].concat());
    assert_eq!((run.status, run.stderr.as_str()), (0, ""), "{arguments:?}");
    run
}

/// The lines for programs; a Pod that reaches itself is no flow that is drawn.
fn lines(directory: &Path, arguments: &[&str]) -> Flows {
    let lines = graph(directory, &[&["-o", "json-lines"], arguments].concat()).stdout;
    let mut flows = Flows::new();
    for line in lines.lines() {
        let line: Value = serde_json::from_str(line).unwrap();
        let text = |key: &str| line[key].as_str().unwrap().to_owned();
        let (source, destination) = (text("src"), text("dst"));
        if source == destination && source.contains("/Pod/") {
            continue;
        }
        let flow = flows.entry((source, destination)).or_default();
        flow.extend(ports(&text("protocol"), &line["ports"], &line["unknown"]));
    }
    flows
}

/// What is open, and what is unknown, of one protocol.
fn ports(protocol: &str, open: &Value, unknown: &Value) -> Vec<(String, String)> {
    let is_some = |ports: &Value| ports.as_array().is_some_and(|ports| !ports.is_empty());
    let parts = [(open, ""), (unknown, "?")];
    let some = parts.into_iter().filter(|(ports, _)| is_some(ports));
    some.map(|(ports, mark)| (format!("{protocol}{mark}"), ports.to_string()))
        .collect()
}

/// The flows of the data in the page, decoded as its script does.
fn page(html: &str) -> Flows {
    let start = html.find("id=\"data\">").unwrap() + "id=\"data\">".len();
    let end = start + html[start..].find("</script>").unwrap();
    let data: Value = serde_json::from_str(&html[start..end]).unwrap();
    let mut flows = Flows::new();
    for cluster in data["clusters"].as_array().unwrap() {
        let list = |key: &str| cluster[key].as_array().unwrap().clone();
        let number = |value: &Value| value.as_u64().unwrap() as usize;
        let row = |runs: &Value| -> Vec<usize> {
            let runs: Vec<usize> = runs.as_array().unwrap().iter().map(number).collect();
            let runs = runs.chunks(2);
            runs.flat_map(|run| std::iter::repeat_n(run[0], run[1]))
                .collect()
        };
        let rows: Vec<Vec<usize>> = list("rows").iter().map(row).collect();
        let row_of: Vec<usize> = list("rowOf").iter().map(number).collect();
        let mut ends: Vec<(Vec<String>, usize)> = Vec::new();
        for workload in list("workloads") {
            let namespace = &cluster["namespaces"][number(&workload[0])];
            let [namespace, kind, name] =
                [namespace, &workload[1], &workload[2]].map(|text| text.as_str().unwrap());
            ends.push((
                vec![format!("{namespace}/{kind}/{name}")],
                number(&workload[3]),
            ));
        }
        let groups = number(&cluster["groups"]);
        for (part, outside) in list("outside").iter().enumerate() {
            let ranges = outside["ranges"].as_array().unwrap().iter();
            let ranges = ranges.map(|range| format!("ext:{}", range.as_str().unwrap()));
            ends.push((ranges.collect(), groups + part));
        }
        for (sources, from) in &ends {
            for (destinations, to) in &ends {
                let set = &cluster["sets"][rows[row_of[*from]][*to]];
                for source in sources {
                    for destination in destinations {
                        if source == destination && source.contains("/Pod/") {
                            continue;
                        }
                        for (key, mark) in [("open", ""), ("unknown", "?")] {
                            for protocol in set[key].as_array().unwrap() {
                                let name = format!("{}{mark}", protocol[0].as_str().unwrap());
                                let flow = flows.entry((source.clone(), destination.clone()));
                                flow.or_default().insert((name, protocol[1].to_string()));
                            }
                        }
                    }
                }
            }
        }
    }
    flows
}

/// Addresses of both in the same pieces: a page joins those that lie apart.
pub(super) fn cut(flows: &Flows, ends: &BTreeSet<String>) -> Flows {
    let pieces = |end: &String| -> Vec<String> {
        let Some(range) = end.strip_prefix("ext:") else {
            return vec![end.clone()];
        };
        let inside = |piece: &&String| contains(range, &piece[4..]);
        ends.iter()
            .filter(|end| end.starts_with("ext:"))
            .filter(inside)
            .cloned()
            .collect()
    };
    let mut cut = Flows::new();
    for ((source, destination), ports) in flows {
        for source in pieces(source) {
            for destination in pieces(destination) {
                let flow = cut.entry((source.clone(), destination)).or_default();
                flow.extend(ports.iter().cloned());
            }
        }
    }
    cut
}

fn contains(range: &str, piece: &str) -> bool {
    let ends = |range: &str| -> Vec<std::net::IpAddr> {
        range
            .split('-')
            .map(|address| address.parse().unwrap())
            .collect()
    };
    let (range, piece) = (ends(range), ends(piece));
    range[0].is_ipv4() == piece[0].is_ipv4() && range[0] <= piece[0] && piece[1] <= range[1]
}

/// Every piece that the ranges of both cut the addresses into.
pub(super) fn pieces(flows: [&Flows; 2]) -> BTreeSet<String> {
    let ends = flows.into_iter().flat_map(|flows| flows.keys());
    let ends = ends.flat_map(|(source, destination)| [source.clone(), destination.clone()]);
    let ranges: BTreeSet<String> = ends.filter(|end| end.starts_with("ext:")).collect();
    let parsed = ranges.iter().map(|range| {
        let (first, last) = range[4..].split_once('-').unwrap();
        let range =
            npcheck::engine::AddressRange::new(first.parse().unwrap(), last.parse().unwrap());
        range.unwrap()
    });
    let atoms = npcheck::engine::address_atoms(parsed);
    atoms.iter().map(|atom| format!("ext:{atom}")).collect()
}

fn assert_same(page: &Flows, lines: &Flows) {
    let pieces = pieces([page, lines]);
    assert_eq!(cut(page, &pieces), cut(lines, &pieces));
    assert!(!lines.is_empty());
}

#[test]
fn the_page_shows_what_the_lines_say() {
    let example = root().join("examples/shop");
    let html = graph(&example, &["-o", "html"]).stdout;
    assert_same(&page(&html), &lines(&example, &[]));
    let directory = hostile("pictures-page");
    let html = graph(&directory, &["-o", "html"]).stdout;
    assert_same(&page(&html), &lines(&directory, &[]));
    let some = ["--to", "shop/web", "--from", "internet"];
    let html = graph(&example, &[&["-o", "html"], &some[..]].concat()).stdout;
    assert_same(&page(&html), &lines(&example, &some));
}

#[test]
fn the_page_runs_its_own_script_and_nothing_else() {
    let html = graph(&hostile("pictures-policy"), &["-o", "html"]).stdout;
    let policy = html
        .split("Content-Security-Policy\" content=\"")
        .nth(1)
        .unwrap();
    let policy = policy.split('"').next().unwrap();
    let of = |open: &str, close: &str| {
        let start = html.rfind(open).unwrap() + open.len();
        let text = &html[start..start + html[start..].find(close).unwrap()];
        let hash = base64::engine::general_purpose::STANDARD.encode(Sha256::digest(text));
        format!("'sha256-{hash}'")
    };
    let (style, script) = (of("<style>", "</style>"), of("<script>", "</script>"));
    assert!(policy.starts_with("default-src 'none'; "), "{policy}");
    assert!(
        policy.contains(&format!("style-src {style};")),
        "{policy}, not {style}"
    );
    assert!(
        policy.contains(&format!("script-src {script};")),
        "{policy}, not {script}"
    );
    assert_is_harmless(&html);
    assert_eq!(html.matches("<script").count(), 2);
}

/// Checks that a page fetches nothing, and that nothing that a stranger wrote is markup.
pub(crate) fn assert_is_harmless(html: &str) {
    for mark in [
        "http:",
        "https:",
        "src=",
        "href=",
        "@import",
        "url(",
        "innerHTML",
        "<b>",
    ] {
        assert!(!html.contains(mark), "{mark}");
    }
}

/// A cluster whose files and policies have the names of a stranger who means harm.
pub(super) fn hostile(name: &str) -> PathBuf {
    let directory = scratch(name);
    let text = r#"apiVersion: v1
kind: Pod
metadata: {name: web, namespace: shop, labels: {app: web}}
---
apiVersion: v1
kind: Pod
metadata: {name: db, namespace: shop, labels: {app: db}}
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: db, namespace: shop}
spec:
  podSelector: {matchLabels: {app: db}}
  ingress:
    - from: [{ipBlock: {cidr: 10.0.0.0/8, except: [10.1.0.0/16]}}]
      ports: [{port: 5432}]
    - from: [{ipBlock: {cidr: 192.0.2.0/24}}]
      ports: [{port: 5432}]
"#;
    write(&directory, "</script><b>.yaml", text);
    directory
}

fn assert_valid(schema: &str, output: &str) {
    let schema = run(root(), &["schema", schema]).stdout;
    let validator = jsonschema::validator_for(&serde_json::from_str(&schema).unwrap()).unwrap();
    let output: Value = serde_json::from_str(output).unwrap();
    let errors = validator
        .iter_errors(&output)
        .map(|error| error.to_string());
    assert_eq!(errors.collect::<Vec<_>>(), Vec::<String>::new());
}

#[test]
fn json_is_as_its_schema_says_and_has_the_flows_of_the_lines() {
    let example = root().join("examples/shop");
    for arguments in [
        &[][..],
        &["--by", "namespace"],
        &["--around", "shop/cart", "--hops", "2"],
    ] {
        let output = graph(&example, &[&["-o", "json"], arguments].concat()).stdout;
        assert_valid("graph", &output);
        let output: Value = serde_json::from_str(&output).unwrap();
        let cluster = &output["clusters"][0];
        let mut ids: BTreeMap<&str, Vec<String>> = BTreeMap::new();
        for node in cluster["nodes"].as_array().unwrap() {
            let id = node["id"].as_str().unwrap();
            let ranges = node["ranges"].as_array().map(|ranges| {
                ranges
                    .iter()
                    .map(|range| format!("ext:{}", range.as_str().unwrap()))
                    .collect()
            });
            ids.insert(id, ranges.unwrap_or_else(|| vec![id.to_owned()]));
        }
        let mut flows = Flows::new();
        for edge in cluster["edges"].as_array().unwrap() {
            let ends = |key: &str| &ids[edge[key].as_str().unwrap()];
            for (source, destination) in ends("from")
                .iter()
                .flat_map(|a| ends("to").iter().map(move |b| (a, b)))
            {
                for (key, mark) in [("open", ""), ("unknown", "?")] {
                    for one in edge[key].as_array().unwrap() {
                        let protocol = format!("{}{mark}", one["protocol"].as_str().unwrap());
                        let flow = flows.entry((source.clone(), destination.clone()));
                        flow.or_default()
                            .insert((protocol, one["ports"].to_string()));
                    }
                }
            }
        }
        assert_same(&flows, &lines(&example, arguments));
    }
}

/// A part of the graph is a part of the whole, and no more than was asked for.
#[test]
fn a_part_of_the_graph_is_what_was_asked_for() {
    let example = root().join("examples/shop");
    let whole = lines(&example, &[]);
    let is_kept = |keep: &dyn Fn(&str, &str) -> bool| -> Flows {
        let kept = whole.iter().filter(|((from, to), _)| keep(from, to));
        kept.map(|(ends, ports)| (ends.clone(), ports.clone()))
            .collect()
    };
    let table: &[(&[&str], Flows)] = &[
        (
            &["--from", "shop/web"],
            is_kept(&|from, _| from == "shop/Deployment/web"),
        ),
        (
            &["--to", "shop/*"],
            is_kept(&|_, to| to.starts_with("shop/")),
        ),
        (
            &["--namespace", "monitoring"],
            is_kept(&|from, to| from.starts_with("monitoring/") || to.starts_with("monitoring/")),
        ),
        (
            &["--around", "shop/cart"],
            is_kept(&|from, to| from == "shop/Deployment/cart" || to == "shop/Deployment/cart"),
        ),
    ];
    for (arguments, expected) in table {
        assert_eq!(lines(&example, arguments), *expected, "{arguments:?}");
    }
}

#[test]
fn drawings_escape_names_and_refuse_more_than_a_page() {
    let directory = hostile("pictures-drawings");
    for format in ["csv", "dot", "mermaid", "svg"] {
        let output = graph(&directory, &["-o", format]).stdout;
        assert!(output.contains("db"), "{format}: {output}");
        assert!(!output.contains("<b>"), "{format}: {output}");
    }
    let pods: Vec<String> = (0..151)
        .map(|number| {
            format!("apiVersion: v1\nkind: Pod\nmetadata: {{name: p{number}, namespace: many}}\n")
        })
        .collect();
    write(&directory, "many.yaml", pods.join("---\n"));
    let refused = run(&directory, &["graph", "-o", "dot"]);
    assert_eq!((refused.status, refused.stdout.as_str()), (2, ""));
    assert!(
        refused.stderr.contains("--by namespace"),
        "{}",
        refused.stderr
    );
    graph(&directory, &["-o", "dot", "--by", "namespace"]);
}

/// A page or a document that is handed on says what it knows nothing of.
#[test]
fn what_was_not_judged_is_told_in_the_page_and_in_json() {
    let directory = hostile("pictures-notes");
    let foreign = "apiVersion: crd.antrea.io/v1beta1\nkind: ClusterNetworkPolicy\n\
                   metadata: {name: strict}\nspec: {priority: 5, tier: application}\n";
    write(&directory, "antrea.yaml", foreign);
    let json = run(&directory, &["graph", "-o", "json"]).stdout;
    assert_valid("graph", &json);
    let html = run(&directory, &["graph", "-o", "html"]).stdout;
    let start = html.find("id=\"data\">").unwrap() + "id=\"data\">".len();
    let end = start + html[start..].find("</script>").unwrap();
    for document in [json.as_str(), &html[start..end]] {
        let document: Value = serde_json::from_str(document).unwrap();
        let notes = document["notes"].as_array().unwrap();
        assert_eq!(notes.len(), 1, "{notes:?}");
        let note = notes[0].as_str().unwrap();
        assert!(note.starts_with("not evaluated: 1 policy"), "{note}");
    }
}

/// What the script makes of the data, where there is a browser to ask.
#[test]
fn a_browser_draws_what_the_lines_say() {
    let browsers = ["chromium", "chromium-browser", "google-chrome"];
    let directory = scratch("pictures-browser");
    let example = root().join("examples/shop");
    let page = directory.join("page.html");
    fs::write(&page, graph(&example, &["-o", "html"]).stdout).unwrap();
    let drawn = browsers.iter().find_map(|browser| {
        let profile = format!("--user-data-dir={}", directory.join("profile").display());
        let output = Command::new(browser)
            .args(["--headless", "--no-sandbox", "--disable-gpu", "--dump-dom"])
            .args([profile, format!("file://{}", page.display())])
            .output();
        let output = output.ok().filter(|output| output.status.success())?;
        String::from_utf8(output.stdout).ok()
    });
    let Some(drawn) = drawn.filter(|drawn| drawn.contains("id=\"data\"")) else {
        return;
    };
    let mut cells: BTreeMap<(String, String), bool> = BTreeMap::new();
    for label in drawn.split("aria-label=\"").skip(1) {
        let label = label.split('"').next().unwrap();
        let Some((ends, words)) = label.split_once(": ") else {
            continue;
        };
        let (source, destination) = ends.split_once(" to ").unwrap();
        let is_workload = |end: &str| end.matches('/').count() == 2;
        if is_workload(source) && is_workload(destination) {
            let is_some = !words.starts_with("nothing") && words != "the same end";
            cells.insert((source.to_owned(), destination.to_owned()), is_some);
        }
    }
    let flows = lines(&example, &[]);
    assert_eq!(cells.len(), 81, "nine workloads, each with each");
    for (ends, is_some) in cells {
        assert_eq!(is_some, flows.contains_key(&ends), "{ends:?}");
    }
}

/// A thousand workloads, each under labels of its own, in less than two megabytes.
#[test]
fn a_large_page_stays_small() {
    let directory = scratch("pictures-large");
    let mut text = String::new();
    for number in 0..1_000 {
        let namespace = number / 25;
        text += &format!(
            "apiVersion: v1\nkind: Pod\nmetadata: {{name: p{number}, namespace: n{namespace}, \
             labels: {{app: a{number}}}}}\n---\napiVersion: networking.k8s.io/v1\n\
             kind: NetworkPolicy\nmetadata: {{name: p{number}, namespace: n{namespace}}}\nspec:\n  \
             podSelector: {{matchLabels: {{app: a{number}}}}}\n  ingress:\n    - from: \
             [{{namespaceSelector: {{}}, podSelector: {{matchLabels: {{app: a{}}}}}}}]\n      \
             ports: [{{port: {}}}]\n---\n",
            number * 7 % 1_000,
            1_000 + number
        );
    }
    write(&directory, "all.yaml", text);
    let html = graph(&directory, &["-o", "html"]).stdout;
    assert!(html.len() < 2_000_000, "{} bytes", html.len());
}
