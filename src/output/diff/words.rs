//! Ends, causes and places of a difference in words.
//!
//! Refuses to escape: each format does that for its medium.

use super::{DiffReport, DiffedCluster};
use crate::graph::{Cause, Effect, IsolationLine, LineEnds};
use crate::k8s::Direction;
use crate::output::flow_names::policy_name;
use crate::output::{count, flow_names};
use crate::source::Span;
use std::collections::BTreeSet;

/// More names than this are counted instead.
const MAX_NAMES: usize = 3;

impl DiffedCluster<'_> {
    /// The name of a workload: as it is, else as it was.
    pub(super) fn workload(&self, place: usize) -> String {
        let pair = self.comparison.workloads[place];
        let after = pair.after.map(|id| self.clusters[1].workload_name(id));
        let before = || pair.before.map(|id| self.clusters[0].workload_name(id));
        after.or_else(before).unwrap_or_default()
    }

    /// The name of a workload's namespace.
    pub(super) fn namespace(&self, place: usize) -> &str {
        let pair = self.comparison.workloads[place];
        let name = |time: usize, id| {
            let cluster = self.clusters[time];
            cluster
                .namespace(cluster.workload(id).namespace)
                .name
                .as_str()
        };
        let after = pair.after.map(|id| name(1, id));
        after
            .or_else(|| pair.before.map(|id| name(0, id)))
            .unwrap_or_default()
    }

    /// The namespaces of the ends of a line.
    pub(super) fn namespaces(&self, ends: &LineEnds) -> BTreeSet<&str> {
        match ends {
            LineEnds::Workloads(places) => {
                places.iter().map(|place| self.namespace(*place)).collect()
            }
            LineEnds::Outside(_) => BTreeSet::new(),
        }
    }

    /// The names of all workloads, or addresses, of one side of a line.
    pub(super) fn names(&self, ends: &LineEnds) -> Vec<String> {
        match ends {
            LineEnds::Workloads(places) => {
                places.iter().map(|place| self.workload(*place)).collect()
            }
            LineEnds::Outside(ranges) => {
                ranges.iter().map(|range| format!("ext:{range}")).collect()
            }
        }
    }

    /// One side of a line in a few words: a name, `shop/* (6 workloads)`, `5 workloads of
    /// shop`, `internet`.
    pub(super) fn ends(&self, report: &DiffReport<'_>, ends: &LineEnds) -> String {
        match ends {
            LineEnds::Outside(ranges) => flow_names::addresses(report.internet, ranges),
            LineEnds::Workloads(places) => self.workloads(places),
        }
    }

    /// Some workloads in a few words.
    pub(super) fn workloads(&self, places: &[usize]) -> String {
        let namespaces: BTreeSet<&str> =
            places.iter().map(|place| self.namespace(*place)).collect();
        let number = count(places.len(), "workload");
        match (places, namespaces.first()) {
            ([one], _) => self.workload(*one),
            (_, Some(namespace)) if namespaces.len() == 1 => {
                let all = 0..self.comparison.workloads.len();
                let here = all
                    .filter(|place| self.namespace(*place) == *namespace)
                    .count();
                if here == places.len() {
                    format!("{namespace}/* ({number})")
                } else if places.len() <= MAX_NAMES {
                    let names: Vec<String> =
                        places.iter().map(|place| self.workload(*place)).collect();
                    names.join(", ")
                } else {
                    format!("{number} of {namespace}")
                }
            }
            _ if places.len() <= MAX_NAMES => {
                let names: Vec<String> = places.iter().map(|place| self.workload(*place)).collect();
                names.join(", ")
            }
            _ => format!("{number} in {}", count(namespaces.len(), "namespace")),
        }
    }
}

/// `rule added (shop/web-in #2)`, with what differs.
pub(super) fn cause(cause: &Cause) -> String {
    let rule = match cause.rule {
        Some((_, index)) => format!(" #{}", index + 1),
        None => String::new(),
    };
    let detail = match cause.detail.as_str() {
        "" => String::new(),
        detail => format!(": {detail}"),
    };
    let together = if cause.is_alone {
        ""
    } else {
        ", enough by itself"
    };
    format!(
        "{} ({}{rule}){detail}{together}",
        cause.deed.words(),
        cause.object
    )
}

/// Where a rule stands in its policy, from 0.
pub(super) fn path((direction, index): (Direction, usize)) -> String {
    format!("spec.{}[{index}]", direction.field())
}

/// `k8s/web.yaml:21:9`, with the name of the revision where it is not the one after.
pub(super) fn place(report: &DiffReport<'_>, span: Span, is_before: bool) -> String {
    let source = report.sources.get(span.source);
    let position = source.position(span.start);
    let prefix = if is_before {
        report.prefix.as_str()
    } else {
        ""
    };
    format!(
        "{prefix}{}:{}:{}",
        source.name(),
        position.line,
        position.column
    )
}

/// Workloads that are isolated, or no longer, in a direction, by the policies that did it.
pub(super) fn isolation(
    report: &DiffReport<'_>,
    cluster: &DiffedCluster<'_>,
    line: &IsolationLine,
) -> String {
    let is_isolated = line.effect == Effect::Isolated;
    let workloads = cluster.workloads(&line.workloads);
    let (direction, by) = (
        line.direction.field(),
        if is_isolated { "by" } else { "no longer by" },
    );
    let time = usize::from(is_isolated);
    let of_state = cluster.clusters[time];
    let policies = line.policies.iter().map(|policy| {
        let name = policy_name(of_state, *policy);
        match policy.meta(of_state) {
            Some(meta) => format!("{name} ({})", place(report, meta.name.span, !is_isolated)),
            None => name,
        }
    });
    let policies: Vec<String> = policies.collect();
    format!("{workloads}  {direction}  {by} {}", policies.join(", "))
}

/// The verdict in one line.
pub(super) fn summary(report: &DiffReport<'_>) -> String {
    let counts = report.counts();
    if report.is_same_here() {
        let what = match (report.opens_elsewhere, report.closes_elsewhere) {
            (false, false) if report.is_left_open => {
                return "same connectivity, as far as policies are compared".to_owned();
            }
            (false, false) => return "same connectivity".to_owned(),
            (true, false) => "open",
            (false, true) => "close",
            (true, true) => "open and close",
        };
        return format!(
            "same connectivity between what the manifests declare; elsewhere flows {what}"
        );
    }
    let verb = |number: usize, one: &str, many: &str| {
        if number == 1 {
            one.to_owned()
        } else {
            many.to_owned()
        }
    };
    let mut parts = vec![format!(
        "{} {}, {} {}",
        count(counts.opened, "flow"),
        verb(counts.opened, "opens", "open"),
        counts.closed,
        verb(counts.closed, "closes", "close")
    )];
    if counts.namespaces > 0 {
        parts[0] += &format!(
            ", in {} of {}",
            counts.namespaces,
            count(counts.all_namespaces, "namespace")
        );
    }
    if counts.unknown > 0 {
        parts.push(format!("{} unknown", count(counts.unknown, "flow")));
    }
    let states = [
        (counts.isolated, "newly isolated"),
        (counts.deisolated, "no longer isolated"),
        (counts.added, "new"),
        (counts.removed, "gone"),
    ];
    for (number, words) in states.into_iter().filter(|(number, _)| *number > 0) {
        let workloads = count(number, "workload");
        parts.push(format!("{workloads} {} {words}", verb(number, "is", "are")));
    }
    let clusters = [
        (&report.clusters_added, "new"),
        (&report.clusters_removed, "gone"),
    ];
    for (clusters, words) in clusters
        .into_iter()
        .filter(|(clusters, _)| !clusters.is_empty())
    {
        parts.push(format!("{words}: cluster {}", clusters.join(", ")));
    }
    parts.join("; ")
}
