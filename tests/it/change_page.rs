//! `npcheck diff -o html`: the page shows what the JSON says, pair by pair, and nothing that a
//! stranger wrote in it is markup.

use super::pictures::{Flows, assert_is_harmless, cut, hostile, pieces};
use super::program::{root, run, scratch, write};
use serde_json::Value;
use std::path::Path;

/// The difference of two files in a format.
fn diff(directory: &Path, format: &str, more: &[&str]) -> String {
    let arguments = [
        "diff",
        "before.yaml",
        "after.yaml",
        "--fail-on",
        "never",
        "-o",
        format,
    ];
    let run = run(directory, &[&arguments[..], more].concat());
    assert!(matches!(run.status, 0 | 2), "{run:?}");
    run.stdout
}

fn number(value: &Value) -> usize {
    value.as_u64().unwrap() as usize
}

fn add(
    flows: &mut Flows,
    source: &str,
    destination: &str,
    key: &str,
    protocol: &str,
    ports: &Value,
) {
    if source == destination && source.contains("/Pod/") {
        return;
    }
    let flow = flows
        .entry((source.to_owned(), destination.to_owned()))
        .or_default();
    flow.insert((format!("{key} {protocol}"), ports.to_string()));
}

/// What the JSON says of each pair of ends, ports in one set for each kind of change.
fn of_json(text: &str) -> Flows {
    let document: Value = serde_json::from_str(text).unwrap();
    let mut flows = Flows::new();
    for cluster in document["clusters"].as_array().unwrap() {
        for change in cluster["changes"].as_array().unwrap() {
            let names = |key: &str| -> Vec<&str> {
                let names = change[key].as_array().unwrap().iter();
                names.map(|name| name.as_str().unwrap()).collect()
            };
            for source in names("from") {
                for destination in names("to") {
                    for one in change["connections"].as_array().unwrap() {
                        let (key, protocol) = (&change["change"], &one["protocol"]);
                        let (key, protocol) = (key.as_str().unwrap(), protocol.as_str().unwrap());
                        add(
                            &mut flows,
                            source,
                            destination,
                            key,
                            protocol,
                            &one["ports"],
                        );
                    }
                }
            }
        }
    }
    flows
}

/// The data of the page.
fn data(html: &str) -> Value {
    let start = html.find("id=\"data\">").unwrap() + "id=\"data\">".len();
    let end = start + html[start..].find("</script>").unwrap();
    serde_json::from_str(&html[start..end]).unwrap()
}

/// What a list of runs says, one by one.
fn spread(runs: &Value) -> Vec<(usize, usize)> {
    let runs: Vec<usize> = runs.as_array().unwrap().iter().map(number).collect();
    runs.chunks(2).map(|run| (run[0], run[1])).collect()
}

/// The ends of a cluster of the page, each with its node.
fn ends(cluster: &Value) -> Vec<(Vec<String>, usize)> {
    let list = |key: &str| cluster[key].as_array().unwrap();
    let mut ends = Vec::new();
    for workload in list("workloads") {
        let namespace = cluster["namespaces"][number(&workload[0])]
            .as_str()
            .unwrap();
        let [kind, name] = [&workload[1], &workload[2]].map(|text| text.as_str().unwrap());
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
    ends
}

/// What the table of the page says of each pair of ends.
fn of_table(data: &Value) -> Flows {
    let mut flows = Flows::new();
    for cluster in data["clusters"].as_array().unwrap() {
        let rows = cluster["rows"].as_array().unwrap().iter().map(|runs| {
            let runs = spread(runs).into_iter();
            runs.flat_map(|(set, count)| std::iter::repeat_n(set, count))
                .collect()
        });
        let rows: Vec<Vec<usize>> = rows.collect();
        let ends = ends(cluster);
        for (sources, from) in &ends {
            for (destinations, to) in &ends {
                let set = &cluster["sets"][rows[number(&cluster["rowOf"][*from])][*to]];
                for (source, destination) in sources
                    .iter()
                    .flat_map(|a| destinations.iter().map(move |b| (a, b)))
                {
                    for (key, word) in [
                        ("opened", "opened"),
                        ("closed", "closed"),
                        ("doubtful", "unknown"),
                    ] {
                        for protocol in set[key].as_array().into_iter().flatten() {
                            let name = protocol[0].as_str().unwrap();
                            add(&mut flows, source, destination, word, name, &protocol[1]);
                        }
                    }
                }
            }
        }
    }
    flows
}

/// What the list of changes of the page says of each pair of ends.
fn of_list(data: &Value) -> Flows {
    let mut flows = Flows::new();
    for cluster in data["clusters"].as_array().unwrap() {
        let ends = ends(cluster);
        for change in cluster["changes"].as_array().unwrap() {
            let names = |key: &str| -> Vec<&String> {
                let runs = spread(&change[key]);
                let is_in = |node: usize| {
                    runs.iter()
                        .any(|(first, count)| (*first..first + count).contains(&node))
                };
                ends.iter()
                    .filter(|(_, node)| is_in(*node))
                    .flat_map(|(names, _)| names)
                    .collect()
            };
            for source in names("from") {
                for destination in names("to") {
                    for protocol in change["ports"].as_array().unwrap() {
                        let (key, name) = (
                            change["kind"].as_str().unwrap(),
                            protocol[0].as_str().unwrap(),
                        );
                        add(&mut flows, source, destination, key, name, &protocol[1]);
                    }
                }
            }
        }
    }
    flows
}

/// States with all that may happen to a flow: rules, addresses, new, gone and renamed
/// workloads, labels that nobody knows.
fn states(directory: &Path) {
    let pod = |name: &str, app: &str| {
        format!(
            "apiVersion: v1\nkind: Pod\nmetadata: {{name: {name}, namespace: shop, labels: {{app: {app}}}}}\n---\n"
        )
    };
    let policy = |name: &str, app: &str, rules: &str| {
        format!(
            "apiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata: {{name: {name}, namespace: shop}}\nspec:\n  podSelector: {{matchLabels: {{app: {app}}}}}\n  policyTypes: [Ingress]\n  ingress:\n{rules}---\n"
        )
    };
    let block = |cidr: &str| {
        format!("    - from: [{{ipBlock: {{cidr: {cidr}}}}}]\n      ports: [{{port: 5432}}]\n")
    };
    let peer = |app: &str, port: u16| {
        format!(
            "    - from: [{{podSelector: {{matchLabels: {{app: {app}}}}}}}]\n      ports: [{{port: {port}}}]\n"
        )
    };
    let base =
        pod("web", "web") + &pod("db", "db") + &pod("both-a", "both") + &pod("both-b", "both");
    let before = base.clone()
        + &pod("old", "old")
        + &pod("ren-1", "ren")
        + &policy(
            "db",
            "db",
            &(block("10.0.0.0/8") + &peer("web", 5432) + &peer("ren", 5432)),
        );
    let after = base
        + &pod("fresh", "fresh")
        + &pod("ren-2", "ren")
        + &pod("who", "${WHO}")
        + &policy(
            "db",
            "db",
            &(block("10.1.0.0/16")
                + &block("192.0.2.0/24")
                + &peer("both", 5432)
                + &peer("web", 5433)),
        )
        + &policy("web", "web", &peer("db", 80));
    write(directory, "before.yaml", before);
    write(directory, "after.yaml", after);
}

#[test]
fn the_page_shows_what_the_json_says() {
    let guide = scratch("change-page-guide");
    for name in ["before.yaml", "after.yaml"] {
        std::fs::copy(root().join("examples/guide").join(name), guide.join(name)).unwrap();
    }
    let all = scratch("change-page-all");
    states(&all);
    let mut kinds = std::collections::BTreeSet::new();
    for (directory, more) in [
        (&guide, &[][..]),
        (&all, &[]),
        (&all, &["--focus", "shop/db"]),
        (&all, &["--from", "shop/web"]),
    ] {
        let json = of_json(&diff(directory, "json", more));
        let data = data(&diff(directory, "html", more));
        let (table, list) = (of_table(&data), of_list(&data));
        assert!(!json.is_empty());
        kinds.extend(json.values().flatten().map(|(kind, _)| kind.clone()));
        for shown in [&table, &list] {
            let pieces = pieces([shown, &json]);
            assert_eq!(cut(shown, &pieces), cut(&json, &pieces), "{more:?}");
        }
    }
    for kind in ["opened TCP", "closed TCP", "closed UDP", "unknown TCP"] {
        assert!(kinds.contains(kind), "{kind} of {kinds:?}");
    }
    // Both ways: what opens in one closes in the other.
    let html = run(
        &all,
        &[
            "diff",
            "after.yaml",
            "before.yaml",
            "--fail-on",
            "never",
            "-o",
            "html",
        ],
    )
    .stdout;
    let back = of_table(&data(&html));
    let there = of_table(&data(&diff(&all, "html", &[])));
    let count = |flows: &Flows, word: &str| {
        flows
            .values()
            .flatten()
            .filter(|(kind, _)| kind.starts_with(word))
            .count()
    };
    assert_eq!(count(&there, "opened"), count(&back, "closed"));
    assert_eq!(count(&there, "closed"), count(&back, "opened"));
}

#[test]
fn workloads_that_come_go_or_are_renamed_say_so() {
    let directory = scratch("change-page-states");
    states(&directory);
    let data = data(&diff(&directory, "html", &[]));
    let state = |name: &str| {
        let workloads = data["clusters"][0]["workloads"].as_array().unwrap();
        let found = workloads.iter().find(|workload| workload[2] == name);
        found.map(|workload| workload[5].as_str().unwrap_or_default().to_owned())
    };
    assert_eq!(state("fresh").unwrap(), "new");
    assert_eq!(state("old").unwrap(), "gone");
    assert_eq!(state("ren-2").unwrap(), "was shop/Pod/ren-1");
    assert_eq!(state("web").unwrap(), "");
    assert_eq!(state("ren-1"), None);
}

#[test]
fn nothing_that_a_stranger_wrote_is_markup() {
    let directory = hostile("change-page-hostile");
    write(
        &directory,
        "after.yaml",
        "apiVersion: v1\nkind: Pod\nmetadata: {name: db, namespace: \"</script><b>\", labels: {app: db}}\n",
    );
    let run = run(
        &directory,
        &[
            "diff",
            "</script><b>.yaml",
            "after.yaml",
            "--fail-on",
            "never",
            "-o",
            "html",
        ],
    );
    assert_eq!(run.status, 0, "{run:?}");
    let html = run.stdout;
    assert_is_harmless(&html);
    assert_eq!(html.matches("<script").count(), 2);
    assert_eq!(html.matches("</script").count(), 2);
    assert!(html.contains("default-src 'none'; "));
    // A cluster that only one state has leaves a page that says so.
    let same = run_same(&directory);
    assert!(same.contains("same connectivity"), "{same}");
}

fn run_same(directory: &Path) -> String {
    run(
        directory,
        &["diff", "after.yaml", "after.yaml", "-o", "html"],
    )
    .stdout
}
