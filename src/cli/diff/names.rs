//! What two states differ in of the flows to names of the DNS, which only Cilium's `toFQDNs`
//! allows: each name and pattern that a policy of either state speaks of, asked for every
//! workload.
//!
//! Refuses to repeat what closes or opens for every address outside as well.

use crate::cli::endpoint::Form;
use crate::cli::first_lines::first_lines;
use crate::cluster::{Cluster, WorkloadId};
use crate::engine::{Endpoint, Judge};
use crate::k8s::{CiliumFqdn, CiliumPeers, Direction, PluginSpec};
use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr};

/// How many verdicts are asked for before the rest is left out.
const MAX_VERDICTS: usize = 40_000;

/// An address that stands for all outside: of a range that is for documentation.
const OUTSIDE: IpAddr = IpAddr::V4(Ipv4Addr::new(198, 51, 100, 250));

/// What two states differ in, of such flows.
#[derive(Debug, Default)]
pub(super) struct NameMoves {
    pub(super) opened: Vec<String>,
    pub(super) closed: Vec<String>,
    is_cut_short: bool,
}

impl NameMoves {
    /// Adds what differs between the two states of a cluster, for workloads that both have.
    pub(super) fn add(&mut self, clusters: [&Cluster; 2]) {
        let names = clusters.map(spoken_names);
        let names: BTreeSet<&CiliumFqdn> = names.iter().flatten().copied().collect();
        if names.is_empty() {
            return;
        }
        let before = clusters[0].workload_ids();
        let before: BTreeMap<String, WorkloadId> = before
            .map(|id| (clusters[0].workload_name(id), id))
            .collect();
        let pairs = clusters[1].workload_ids().filter_map(|id| {
            let name = clusters[1].workload_name(id);
            before.get(&name).map(|old| (name.clone(), [*old, id]))
        });
        let judges = clusters.map(Judge::new);
        let mut left = MAX_VERDICTS;
        for (workload, ids) in pairs {
            if left < names.len() {
                self.is_cut_short = true;
                break;
            }
            left -= names.len();
            let open = |state: usize, end: &Endpoint<'_>| {
                let source = Endpoint::workload(clusters[state], ids[state]);
                let verdict = judges[state].one_side(Direction::Egress, &source, end);
                verdict.allowed()
            };
            let to_all = [0, 1].map(|state| open(state, &Endpoint::Address(OUTSIDE.into())));
            let mut opened: BTreeMap<String, Vec<String>> = BTreeMap::new();
            let mut closed = opened.clone();
            for name in &names {
                let example = name.example();
                let to_name = [0, 1].map(|state| open(state, &Endpoint::Name(&example)));
                let add = |lines: &mut BTreeMap<String, Vec<String>>, from: usize, to: usize| {
                    let more = to_name[to].difference(&to_name[from]);
                    let more = more.difference(&to_all[to].difference(&to_all[from]));
                    if !more.is_empty() {
                        let name = format!("{}{name}", Form::DOMAIN);
                        lines.entry(more.to_string()).or_default().push(name);
                    }
                };
                add(&mut opened, 0, 1);
                add(&mut closed, 1, 0);
            }
            let line = |(ports, names): (String, Vec<String>)| {
                format!("{workload} -> {}  {ports}", names.join(", "))
            };
            self.opened.extend(opened.into_iter().map(line));
            self.closed.extend(closed.into_iter().map(line));
        }
    }

    /// Whether some workloads were not asked about.
    pub(super) fn is_cut_short(&self) -> bool {
        self.is_cut_short
    }

    /// What is said then.
    pub(super) fn cut_short() -> String {
        format!("flows to names of the DNS are compared for the first {MAX_VERDICTS} pairs only")
    }

    /// A line for each flow that opens or closes, the first ones of them.
    pub(super) fn lines(&self) -> Vec<String> {
        let [opened, closed] = [&self.opened, &self.closed].map(|flows| flows.iter().cloned());
        first_lines(opened, closed, |more| {
            format!("{more} more flows to names of the DNS open or close")
        })
    }
}

/// The names and patterns that policies of Cilium speak of, where Cilium is in force.
fn spoken_names(cluster: &Cluster) -> BTreeSet<&CiliumFqdn> {
    let policies = cluster.plugin_policies().iter();
    let policies = policies.filter(|policy| !cluster.is_foreign(policy));
    let specs = policies.filter_map(|policy| match &policy.spec {
        PluginSpec::Cilium(policy) => Some(&policy.specs),
        _ => None,
    });
    let rules = specs.flatten().flat_map(|spec| &spec.rules);
    let fields = rules.flat_map(|rule| &rule.peer_fields);
    let names = fields.filter_map(|field| match &field.peers {
        CiliumPeers::Fqdns(names) => Some(names),
        _ => None,
    });
    names.flatten().map(|name| &name.value).collect()
}
