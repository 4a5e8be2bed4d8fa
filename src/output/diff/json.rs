//! All that is known of a difference as JSON. The schema is published; a change that breaks
//! it gets a new `version`.
//!
//! Refuses to leave anything out.

use super::{DiffReport, DiffedCluster, words};
use crate::graph::{Cause, IsolationLine, Line, LineEnds, Move};
use crate::output::flow_names::policy_name;
use crate::output::graph::connections_json;
use crate::output::json::write_value;
use crate::source::Span;
use serde_json::{Value, json};
use std::io::{self, Write};

/// The version of the format.
const VERSION: u32 = 1;

pub(super) fn write(report: &DiffReport<'_>, out: &mut dyn Write) -> io::Result<()> {
    let counts = report.counts();
    let clusters: Vec<Value> = report
        .clusters
        .iter()
        .map(|one| cluster(report, one))
        .collect();
    let document = json!({
        "version": VERSION,
        "tool": {"name": "npcheck", "version": env!("CARGO_PKG_VERSION")},
        "before": report.names[0],
        "after": report.names[1],
        "same": report.is_same(),
        "level": report.level().map(crate::graph::Level::name),
        "counts": {
            "opened": counts.opened,
            "closed": counts.closed,
            "unknown": counts.unknown,
            "ofNewOrGone": counts.of_new_or_gone,
            "isolated": counts.isolated,
            "deisolated": counts.deisolated,
            "workloadsAdded": counts.added,
            "workloadsRemoved": counts.removed,
            "namespaces": counts.namespaces,
            "allNamespaces": counts.all_namespaces,
        },
        "clusters": clusters,
        "clustersAdded": report.clusters_added,
        "clustersRemoved": report.clusters_removed,
        "notes": report.notes,
    });
    write_value(&document, out)
}

fn cluster(report: &DiffReport<'_>, cluster: &DiffedCluster<'_>) -> Value {
    let comparison = &cluster.comparison;
    let lines = comparison.lines.iter().zip(&cluster.causes);
    let lines: Vec<Value> = lines
        .map(|(one, causes)| line(report, cluster, one, causes))
        .collect();
    let isolation = comparison
        .isolation
        .iter()
        .map(|line| isolation(report, cluster, line));
    let isolation: Vec<Value> = isolation.collect();
    let name = |time: usize, id| cluster.clusters[time].workload_name(id);
    let renamed: Vec<Value> = comparison
        .workloads
        .iter()
        .filter_map(|pair| Some([name(0, pair.before?), name(1, pair.after?)]))
        .filter(|[before, after]| before != after)
        .map(|[before, after]| json!({"before": before, "after": after}))
        .collect();
    let opaque = cluster
        .opaque
        .iter()
        .map(|(name, span)| json!({"workload": name, "location": location(report, *span)}));
    json!({
        "name": cluster.name,
        "changes": lines,
        "isolation": isolation,
        "workloadsAdded": comparison.added().map(|id| name(1, id)).collect::<Vec<_>>(),
        "workloadsRemoved": comparison.removed().map(|id| name(0, id)).collect::<Vec<_>>(),
        "workloadsRenamed": renamed,
        "opaque": opaque.collect::<Vec<Value>>(),
    })
}

fn line(
    report: &DiffReport<'_>,
    cluster: &DiffedCluster<'_>,
    line: &Line,
    causes: &[Cause],
) -> Value {
    let causes: Vec<Value> = causes.iter().map(|one| cause(report, one)).collect();
    json!({
        "id": line.effect.id(),
        "level": line.effect.level().name(),
        "change": match line.moved {
            Move::Opened => "opened",
            Move::Closed => "closed",
            Move::Unknown => "unknown",
        },
        "from": ends(cluster, &line.sources),
        "to": ends(cluster, &line.destinations),
        "connections": connections_json(&line.connections),
        "pairs": line.pairs,
        "ofNewOrGone": line.is_of_new_or_gone,
        "causes": causes,
    })
}

fn ends(cluster: &DiffedCluster<'_>, ends: &LineEnds) -> Value {
    json!(cluster.names(ends))
}

fn cause(report: &DiffReport<'_>, cause: &Cause) -> Value {
    json!({
        "kind": cause.deed.id(),
        "object": cause.object,
        "rule": cause.rule.map(|(_, index)| index + 1),
        "path": cause.rule.map(words::path),
        "detail": cause.detail,
        "revision": if cause.is_before { "before" } else { "after" },
        "location": location(report, cause.span),
        "alone": cause.is_alone,
    })
}

fn isolation(report: &DiffReport<'_>, cluster: &DiffedCluster<'_>, line: &IsolationLine) -> Value {
    let time = usize::from(line.effect == crate::graph::Effect::Isolated);
    let of_state = cluster.clusters[time];
    let policies = line.policies.iter().filter_map(|policy| {
        let meta = policy.meta(of_state)?;
        Some(json!({
            "name": policy_name(of_state, *policy),
            "revision": if time == 0 { "before" } else { "after" },
            "location": location(report, meta.name.span),
        }))
    });
    let workloads = line.workloads.iter().map(|place| cluster.workload(*place));
    json!({
        "id": line.effect.id(),
        "level": line.effect.level().name(),
        "direction": line.direction.field(),
        "workloads": workloads.collect::<Vec<String>>(),
        "policies": policies.collect::<Vec<Value>>(),
    })
}

fn location(report: &DiffReport<'_>, span: Span) -> Value {
    let source = report.sources.get(span.source);
    let position = source.position(span.start);
    json!({"file": source.name(), "line": position.line, "column": position.column})
}
