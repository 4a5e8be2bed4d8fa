//! The changes that `npcheck reach` proposes, on random clusters in many styles of text:
//! applied to the text they allow what was asked for, and open just what is said besides.

use crate::clusters::{self, Random};
use crate::program::{run, scratch, write};
use crate::written;
use ipnet::IpNet;
use npcheck::cluster::{Cluster, WorkloadId};
use npcheck::engine::{self, AddressRange, ConnectionSet, Endpoint, Engine, PortSet, Verdict};
use npcheck::graph::{self, End};
use npcheck::k8s::Protocol;
use npcheck::manifest;
use npcheck::source::SourceMap;
use rayon::prelude::*;
use serde_json::Value;
use std::collections::BTreeMap;
use std::net::IpAddr;
use std::path::Path;

const CLUSTERS: u64 = 200;
const QUESTIONS: usize = 5;

#[test]
fn a_proposed_change_does_what_is_said_and_nothing_else() {
    let proved: usize = (0..CLUSTERS).into_par_iter().map(prove_changes).sum();
    assert!(proved > 100, "only {proved} changes were proved");
}

/// How many changes were proved.
fn prove_changes(seed: u64) -> usize {
    let random = &mut Random::new(seed ^ 0x5eed);
    let texts: Vec<(String, String)> = written::texts(&clusters::objects(seed), random)
        .into_iter()
        .enumerate()
        .map(|(index, text)| {
            let extension = if text.starts_with('{') {
                "json"
            } else {
                "yaml"
            };
            (format!("{index}.{extension}"), text)
        })
        .collect();
    let directory = scratch(&format!("changes-{seed}"));
    for (name, text) in &texts {
        write(&directory, name, text);
    }
    let before = cluster(&texts);
    let accepted = |id: &WorkloadId| before.workload(*id).object.meta.is_accepted;
    let workloads: Vec<WorkloadId> = before.workload_ids().filter(accepted).collect();
    if workloads.is_empty() {
        return 0;
    }
    let mut proved = 0;
    for _ in 0..QUESTIONS {
        let pod = |random: &mut Random| before.workload_name(random.pick(&workloads));
        let outside = |random: &mut Random| {
            random
                .pick(&["203.0.113.7", "10.0.0.9", "fd00::9"])
                .to_owned()
        };
        let (from, to) = match random.below(6) {
            0 => (outside(random), pod(random)),
            1 => (pod(random), outside(random)),
            _ => (pod(random), pod(random)),
        };
        let protocol = random.pick(&Protocol::ALL);
        let port = random.pick(&[1, 80, 8080, 65535]);
        let question = Question {
            from,
            to,
            asked: ConnectionSet::of(protocol, PortSet::single(port)),
        };
        let typed = format!("{port}/{protocol}");
        proved += question.prove(&directory, &typed, &texts, &before, seed);
    }
    proved
}

struct Question {
    from: String,
    to: String,
    asked: ConnectionSet,
}

impl Question {
    fn prove(
        &self,
        directory: &Path,
        port: &str,
        texts: &[(String, String)],
        before: &Cluster,
        seed: u64,
    ) -> usize {
        let arguments = [
            "reach",
            &self.from,
            &self.to,
            "-p",
            port,
            "--complete",
            "-o",
            "json",
        ];
        let answer = run(directory, &arguments);
        let here = format!("cluster {seed}: {arguments:?}");
        let status = answer.status;
        let answer: Value = serde_json::from_str(&answer.stdout).expect("the answer is JSON");
        let has = |what: &str| answer["notJudged"][what] != Value::Array(Vec::new());
        if has("definedTwice") {
            // What stands there twice may mean either.
            return 0;
        }
        let verdict = self.judge(before);
        let (outcome, is_known) = if self.asked.is_subset(&verdict.allowed()) {
            ("allowed", true)
        } else if self.asked.is_subset(&verdict.denied()) {
            ("blocked", true)
        } else {
            ("unknown", false)
        };
        assert_eq!(
            status < 2 || has("rejectedPolicies"),
            is_known || has("rejectedPolicies"),
            "{here}: {answer:#}"
        );
        assert_eq!(answer["outcome"], outcome, "{here}");
        let changes = answer["answers"][0]["changes"]
            .as_array()
            .expect("there is a list");
        for change in changes {
            let after = cluster(&applied(texts, change));
            assert!(
                self.asked.is_subset(&self.judge(&after).allowed()),
                "{here}: still blocked after {change:#}"
            );
            assert_eq!(
                self.said(change),
                self.added(before, &after),
                "{here}: {change:#}"
            );
        }
        changes.len()
    }

    fn judge(&self, cluster: &Cluster) -> Verdict {
        let end = |name: &str| match name.parse::<IpAddr>() {
            Ok(address) => Endpoint::Address(address.into()),
            Err(_) => {
                let mut ids = cluster.workload_ids();
                let id = ids
                    .find(|id| cluster.workload_name(*id) == name)
                    .expect("it is there");
                Endpoint::workload(cluster, id)
            }
        };
        engine::judge(cluster, &end(&self.from), &end(&self.to))
    }

    /// What a change is said to open, and what was asked for, flow by flow.
    fn said(&self, change: &Value) -> Flows {
        let mut flows = Flows::default();
        for flow in change["opens"].as_array().expect("there is a list") {
            let text = |name: &str| flow[name].as_str().expect("it is text").to_owned();
            flows.add(
                &text("from"),
                &text("to"),
                &connections(&flow["connections"]),
            );
        }
        flows
    }

    /// The difference of the two graphs, without what was asked for.
    fn added(&self, before: &Cluster, after: &Cluster) -> Flows {
        let mut flows = Flows::default();
        for flow in graph::difference(&Engine::new(before), &Engine::new(after)).added() {
            let name = |end: &End| match end {
                End::Workload(name) => name.clone(),
                End::Outside(range) => range.to_string(),
            };
            flows.add(
                &name(&flow.source),
                &name(&flow.destination),
                &flow.connections,
            );
        }
        flows.remove(self);
        flows
    }
}

/// Flows in a form that does not depend on how addresses are cut: by pair of names, with
/// ranges of addresses in a list of their own.
#[derive(Debug, Default, PartialEq)]
struct Flows {
    pods: BTreeMap<(String, String), ConnectionSet>,
    /// By the workload and whether it is the source; joined and in order.
    outside: BTreeMap<(String, bool), Vec<(AddressRange, ConnectionSet)>>,
}

impl Flows {
    fn add(&mut self, from: &str, to: &str, connections: &ConnectionSet) {
        let connections = connections.clone();
        match (range(from), range(to)) {
            (None, None) => {
                self.pods
                    .insert((from.to_owned(), to.to_owned()), connections);
            }
            (Some(range), _) => self.add_outside((to.to_owned(), false), range, connections),
            (_, Some(range)) => self.add_outside((from.to_owned(), true), range, connections),
        }
    }

    fn add_outside(
        &mut self,
        key: (String, bool),
        range: AddressRange,
        connections: ConnectionSet,
    ) {
        let ranges = self.outside.entry(key).or_default();
        ranges.push((range, connections));
        ranges.sort();
        ranges.dedup_by(|next, previous| {
            let both = [previous.0, next.0];
            let space = if next.0.is_ipv4() {
                AddressRange::IPV4
            } else {
                AddressRange::IPV6
            };
            // Two ranges touch if everything without them is not cut between them.
            let is_one = space.without(&space.without(&both)).len() == 1;
            let joins = is_one && previous.1 == next.1;
            if joins {
                previous.0.last = next.0.last;
            }
            joins
        });
    }

    fn remove(&mut self, question: &Question) {
        let (from, to) = (question.from.clone(), question.to.clone());
        let (key, asked) = match (range(&from), range(&to)) {
            (None, None) => {
                if let Some(flow) = self.pods.get_mut(&(from.clone(), to.clone())) {
                    *flow = flow.difference(&question.asked);
                }
                self.pods.retain(|_, flow| !flow.is_empty());
                return;
            }
            (Some(asked), _) => ((to, false), asked),
            (_, Some(asked)) => ((from, true), asked),
        };
        for (range, connections) in self.outside.remove(&key).unwrap_or_default() {
            for piece in range.cut([asked]) {
                let rest = if asked.contains_range(&piece) {
                    connections.difference(&question.asked)
                } else {
                    connections.clone()
                };
                if !rest.is_empty() {
                    self.add_outside(key.clone(), piece, rest);
                }
            }
        }
    }
}

/// An end of a flow that is addresses: one, a block, or `LO-HI`.
fn range(name: &str) -> Option<AddressRange> {
    let address = |text: &str| text.parse::<IpAddr>().ok();
    let block = name.parse::<IpNet>().ok().map(AddressRange::from);
    let both = || {
        let (first, last) = name.split_once('-')?;
        AddressRange::new(address(first)?, address(last)?)
    };
    block
        .or_else(|| address(name).map(AddressRange::from))
        .or_else(both)
}

fn connections(value: &Value) -> ConnectionSet {
    let mut connections = ConnectionSet::none();
    for of_protocol in value.as_array().expect("there is a list") {
        let named = |protocol: &Protocol| of_protocol["protocol"] == protocol.name();
        let protocol = Protocol::ALL
            .into_iter()
            .find(named)
            .expect("there are three");
        let ranges = of_protocol["ports"]
            .as_array()
            .expect("there is a list")
            .iter();
        let number =
            |value: &Value| u16::try_from(value.as_u64().expect("a number")).expect("a port");
        let ports =
            PortSet::from_ranges(ranges.map(|range| (number(&range[0]), number(&range[1]))));
        connections = connections.union(&ConnectionSet::of(protocol, ports));
    }
    connections
}

fn cluster(texts: &[(String, String)]) -> Cluster {
    let mut sources = SourceMap::default();
    let mut objects = Vec::new();
    for (name, text) in texts {
        let source = sources.add(name, text.as_str());
        objects.extend(manifest::read(source, "test.yaml", text).objects);
    }
    Cluster::new(objects)
}

/// The texts with the lines of a change put in by hand, as a person would.
fn applied(texts: &[(String, String)], change: &Value) -> Vec<(String, String)> {
    let mut texts = texts.to_vec();
    let mut places = change["places"]
        .as_array()
        .expect("there is a list")
        .clone();
    // From the end, so that the numbers of lines before stay good.
    places.sort_by_key(|place| std::cmp::Reverse(place["line"].as_u64()));
    for place in places {
        let lines = |name: &str| -> Vec<String> {
            let lines = place[name].as_array().expect("there is a list").iter();
            lines
                .map(|line| line.as_str().expect("it is text").to_owned())
                .collect()
        };
        let is_meant = |(name, _): &&mut (String, String)| place["file"] == name.as_str();
        let (_, text) = texts.iter_mut().find(is_meant).expect("the file is there");
        let line_break = if text.contains("\r\n") { "\r\n" } else { "\n" };
        let mut all: Vec<String> = text.lines().map(str::to_owned).collect();
        let line = place["line"].as_u64().expect("a number") as usize;
        let (removed, added) = (lines("removed"), lines("added"));
        let start = if removed.is_empty() { line } else { line - 1 };
        assert_eq!(
            all[start..start + removed.len()],
            removed[..],
            "the lines that go are there"
        );
        all.splice(start..start + removed.len(), added);
        *text = all.join(line_break) + line_break;
    }
    texts
}
