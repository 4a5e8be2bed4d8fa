//! Drafts of tests: closed lists of who may reach each isolated workload today.
//!
//! Refuses to say that this is how it should be: a person looks at drafts.

use crate::cli::endpoint::blocks;
use crate::cli::input::Input;
use crate::cli::undeclared::possible_pods;
use crate::cluster::{Cluster, WorkloadId};
use crate::engine::{AddressRange, ConnectionSet, Engine};
use crate::graph::{FlowMatrix, NodeEnds, NodeId, is_undeclared, pods_name};
use crate::k8s::Direction;
use std::io::{self, Write};

/// Of more blocks of addresses than this all addresses are allowed.
const MAX_BLOCKS: usize = 8;

/// Writes a test file for every cluster.
pub(super) fn write(input: &Input, out: &mut dyn Write) -> io::Result<()> {
    writeln!(
        out,
        "# Drafted from what is allowed today: look at each, then remove `draft`."
    )?;
    let (mut tests, mut untold) = (Vec::new(), Vec::new());
    let has_several = input.workspace.clusters().len() > 1;
    for view in input.workspace.clusters() {
        // A closed list is about pods that no manifest declares, too.
        let cluster = &view.with_more(&possible_pods(view));
        let left_open = view.settings().inventory.left_open(cluster);
        let engine = Engine::leaving_open(cluster, left_open);
        let matrix = FlowMatrix::new(&engine, &[]);
        let name = has_several.then(|| view.name());
        let isolated = |id: &WorkloadId| !engine.isolating(*id, Direction::Ingress).is_empty();
        let declared = |id: &WorkloadId| !is_undeclared(cluster, *id);
        for id in cluster.workload_ids().filter(declared).filter(isolated) {
            let unknown = write_workload(cluster, &matrix, id, name, &mut tests)?;
            untold.extend((!unknown.is_empty()).then(|| (cluster.workload_name(id), unknown)));
        }
    }
    for (workload, unknown) in &untold {
        let on = match unknown.is_all() {
            true => String::new(),
            false => format!(" on {unknown}"),
        };
        let why = "who may reach it depends on what no manifest says";
        writeln!(out, "# No test for {workload}{on}: {why}.")?;
    }
    if tests.is_empty() && !untold.is_empty() {
        return writeln!(out, "tests: []");
    }
    if tests.is_empty() {
        return writeln!(out, "tests: [] # no policy isolates pods for ingress");
    }
    writeln!(out, "tests:")?;
    out.write_all(&tests)
}

/// Writes the tests of a workload. What nobody can ask about it, as it is unknown.
fn write_workload(
    cluster: &Cluster,
    matrix: &FlowMatrix<'_>,
    id: WorkloadId,
    name: Option<&str>,
    out: &mut dyn Write,
) -> io::Result<ConnectionSet> {
    let Some(node) = matrix.node_of(id) else {
        return Ok(ConnectionSet::none());
    };
    let from = |source| matrix.between(source, node);
    let is_told_of = |source: &NodeId| !matches!(matrix.ends(*source), NodeEnds::Entity(_));
    let unknown = matrix
        .nodes()
        .filter(is_told_of)
        .map(|it| &from(it).unknown);
    let unknown = ConnectionSet::union_of(unknown);
    let known = ConnectionSet::all().difference(&unknown);
    if known.is_empty() {
        return Ok(unknown);
    }
    let mut sources: Vec<(String, ConnectionSet)> = Vec::new();
    for source in matrix.nodes() {
        let open = from(source).open.intersection(&known);
        if open.is_empty() {
            continue;
        }
        match matrix.ends(source) {
            NodeEnds::Workloads(group) => {
                let others = group
                    .iter()
                    .filter(|other| **other != id || matrix.has_inner_flows(node));
                sources.extend(others.map(|other| (pods_name(cluster, *other), open.clone())));
            }
            NodeEnds::Entity(_) => {}
            NodeEnds::Outside(ranges) => {
                let blocks = addresses(ranges).into_iter();
                sources.extend(blocks.map(|block| (block, open.clone())));
            }
        }
    }
    let workload = cluster.workload_name(id);
    let all: Vec<&str> = sources.iter().map(|(name, _)| name.as_str()).collect();
    let asked = (!unknown.is_empty()).then_some(&known);
    write_test(&workload, name, asked, &all, out)?;
    for atom in atoms(sources.iter().map(|(_, open)| open)) {
        let some = sources.iter().filter(|(_, open)| atom.is_subset(open));
        let some: Vec<&str> = some.map(|(name, _)| name.as_str()).collect();
        let atom = atom.intersection(&known);
        // What nobody may open stays closed, also to those who may open something else.
        if some.len() < all.len() && !atom.is_empty() {
            write_test(&workload, name, Some(&atom), &some, out)?;
        }
    }
    Ok(unknown)
}

/// The connections in parts, such that each set has a part wholly or not at all.
fn atoms<'s>(sets: impl Iterator<Item = &'s ConnectionSet>) -> Vec<ConnectionSet> {
    let mut atoms = vec![ConnectionSet::all()];
    for set in sets {
        let halves = atoms
            .iter()
            .flat_map(|atom| [atom.intersection(set), atom.difference(set)]);
        atoms = halves.filter(|half| !half.is_empty()).collect();
    }
    atoms
}

/// Addresses as the blocks that make them up.
fn addresses(ranges: &[AddressRange]) -> Vec<String> {
    let all: Vec<String> = ranges
        .iter()
        .flat_map(blocks)
        .map(|block| block.to_string())
        .collect();
    match all.len() {
        ..=MAX_BLOCKS => all,
        _ => vec!["0.0.0.0/0".to_owned(), "::/0".to_owned()],
    }
}

fn write_test(
    workload: &str,
    cluster: Option<&str>,
    ports: Option<&ConnectionSet>,
    from: &[&str],
    out: &mut dyn Write,
) -> io::Result<()> {
    let quoted = |text: &str| serde_json::Value::from(text).to_string();
    let list = |items: &mut dyn Iterator<Item = String>| items.collect::<Vec<String>>().join(", ");
    let on = ports.map_or_else(String::new, |ports| format!(" on {ports}"));
    writeln!(
        out,
        "  - name: {}",
        quoted(&format!("who reaches {workload}{on}"))
    )?;
    writeln!(out, "    draft: true")?;
    if let Some(cluster) = cluster {
        writeln!(out, "    cluster: {}", quoted(cluster))?;
    }
    writeln!(out, "    only:")?;
    writeln!(out, "      to: {}", quoted(workload))?;
    if let Some(ports) = ports {
        let mut texts = ports.iter().flat_map(|(protocol, ports)| {
            let protocol = protocol.name().to_lowercase();
            ports
                .ranges()
                .iter()
                .map(move |(first, last)| match first == last {
                    true => format!("\"{first}/{protocol}\""),
                    false => format!("\"{first}-{last}/{protocol}\""),
                })
        });
        writeln!(out, "      ports: [{}]", list(&mut texts))?;
    }
    writeln!(
        out,
        "      from: [{}]",
        list(&mut from.iter().map(|name| quoted(name)))
    )
}
