//! One line for each pair of ends and protocol, and for each workload that is new or gone, as
//! RFC 4180 has it.
//!
//! Refuses to group: a spreadsheet does that.

use super::{DiffReport, words};
use crate::graph::{Effect, Move};
use crate::output::Csv;
use std::io::{self, Write};

pub(super) fn write(report: &DiffReport<'_>, out: &mut dyn Write) -> io::Result<()> {
    write!(
        out,
        "cluster,change,id,level,source,destination,protocol,ports,place,cause\r\n"
    )?;
    for cluster in &report.clusters {
        let name = Csv(cluster.name.as_deref().unwrap_or_default());
        for (line, causes) in cluster.comparison.lines.iter().zip(&cluster.causes) {
            let change = match line.moved {
                Move::Opened => "opened",
                Move::Closed => "closed",
                Move::Unknown => "unknown",
            };
            let (id, level) = (line.effect.id(), line.effect.level().name());
            let [places, deeds] = [
                causes
                    .iter()
                    .map(|one| words::place(report, one.span, one.is_before))
                    .collect(),
                causes.iter().map(words::cause).collect::<Vec<String>>(),
            ]
            .map(|texts: Vec<String>| texts.join(" | "));
            let (places, deeds) = (Csv(&places), Csv(&deeds));
            let destinations = cluster.names(&line.destinations);
            for source in cluster.names(&line.sources) {
                for destination in &destinations {
                    // A single Pod and itself are no pair (S4).
                    if source == *destination && source.contains("/Pod/") {
                        continue;
                    }
                    for (protocol, ports) in line.connections.iter() {
                        let ports = ports.to_string();
                        write!(
                            out,
                            "{name},{change},{id},{level},{},{},{protocol},{},{places},{deeds}\r\n",
                            Csv(&source),
                            Csv(destination),
                            Csv(&ports)
                        )?;
                    }
                }
            }
        }
        let comparison = &cluster.comparison;
        let added = comparison.added().map(|id| (1, id, Effect::WorkloadAdded));
        let removed = comparison
            .removed()
            .map(|id| (0, id, Effect::WorkloadRemoved));
        for (time, id, effect) in added.chain(removed) {
            let change = if time == 1 { "new" } else { "gone" };
            let workload = cluster.clusters[time].workload_name(id);
            write!(
                out,
                "{name},{change},{},{},{},,,,,\r\n",
                effect.id(),
                effect.level().name(),
                Csv(&workload)
            )?;
        }
    }
    Ok(())
}
