//! From what a person typed to a choice among the ends of a cluster's flows.
//!
//! Refuses to know what the choice is for.

use super::endpoint::{End, Lookup, Mistake};
use super::input::Input;
use super::port::{PortQuestion, asked_at};
use crate::cluster::Cluster;
use crate::engine::ConnectionSet;
use crate::graph::EndSet;
use crate::lint::dns;
use crate::source::SourceId;
use crate::workspace::ClusterView;

/// An argument that means nothing, and why.
pub(super) type Meaningless<'t> = (&'t str, Mistake);

/// The workloads and addresses that a text means in a cluster.
pub(super) fn choice(lookup: &Lookup<'_>, text: &str) -> Result<EndSet, Mistake> {
    let ends = choice_with_entities(lookup, text)?;
    match ends.is_special() {
        false => Ok(ends),
        true => Err(unanswerable(
            "nodes, the API server and names of the DNS as Cilium knows them",
        )),
    }
}

/// The same with nodes, the API server and their like.
pub(super) fn choice_with_nodes(lookup: &Lookup<'_>, text: &str) -> Result<EndSet, Mistake> {
    let ends = choice_with_entities(lookup, text)?;
    match ends.domains() {
        [] => Ok(ends),
        _ => Err(unanswerable("names of the DNS")),
    }
}

fn unanswerable(ends: &str) -> Mistake {
    let commands = "only `npcheck reach`, `npcheck test` and the ends of `npcheck graph`";
    Mistake::Malformed {
        reason: format!("{commands} answer for {ends}"),
    }
}

/// The same with nodes, the API server and their like, and names of the DNS.
pub(super) fn choice_with_entities(lookup: &Lookup<'_>, text: &str) -> Result<EndSet, Mistake> {
    let resolved = lookup.resolve(text)?;
    let mut workloads = Vec::new();
    let mut outside = Vec::new();
    let (mut entities, mut domains) = (Vec::new(), Vec::new());
    for end in resolved.ends {
        match end {
            End::Workload(id) | End::Address(id, _) => workloads.push(id),
            End::Addresses(range) => outside.push(range),
            End::Entity(entity) => entities.push(entity),
            End::Domain(name) => domains.push(name),
            End::Replica(..) => {
                let reason = "only `npcheck reach` answers for one pod of a StatefulSet: ask for \
                              all of them";
                return Err(Mistake::Malformed {
                    reason: reason.to_owned(),
                });
            }
            End::Hypothetical(_) => {
                let reason = "only `npcheck reach` answers for a pod that does not exist yet";
                return Err(Mistake::Malformed {
                    reason: reason.to_owned(),
                });
            }
        }
    }
    let ends = EndSet::new(workloads, outside).with_entities(entities);
    Ok(ends.with_domains(domains))
}

/// What some ports mean at the destinations that a text means; everything if there are
/// none.
pub(super) fn connections(
    lookup: &Lookup<'_>,
    to: &str,
    ports: &[PortQuestion],
) -> Result<ConnectionSet, Mistake> {
    let resolved = lookup.resolve(to)?;
    let mut all = ConnectionSet::none();
    for end in &resolved.ends {
        let asked = asked_at(ports, lookup.cluster, &resolved, end)?;
        all = all.union(&asked.connections.unwrap_or_else(ConnectionSet::all));
    }
    Ok(all)
}

/// The public addresses.
pub(super) fn internet(cluster: &Cluster, source: SourceId) -> EndSet {
    let lookup = Lookup {
        cluster,
        namespace: None,
        source,
    };
    choice(&lookup, "internet").unwrap_or_default()
}

/// The pods that resolve names.
pub(super) fn resolvers(cluster: &Cluster) -> EndSet {
    EndSet::new(dns::resolving_workloads(cluster), [])
}

/// The clusters in which every argument means something; else one that means nothing in the
/// first of them.
pub(super) fn clusters_that_answer<'i, 't, T>(
    input: &'i Input,
    ask: impl Fn(&'i ClusterView) -> Result<T, Meaningless<'t>>,
) -> Result<Vec<(&'i ClusterView, T)>, Meaningless<'t>> {
    let mut answers = Vec::new();
    let mut mistake = None;
    for view in input.workspace.clusters() {
        match ask(view) {
            Ok(answer) => answers.push((view, answer)),
            Err(first) => mistake = mistake.or(Some(first)),
        }
    }
    match mistake {
        Some(mistake) if answers.is_empty() => Err(mistake),
        _ => Ok(answers),
    }
}
