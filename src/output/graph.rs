//! Everything that can connect, streamed row by row: the rows of pods × pods never stand in
//! memory together.
//!
//! Refuses to know what is allowed and why; it walks the relation.

mod json_lines;
mod text;

use super::style::Style;
use crate::cluster::{Cluster, WorkloadId};
use crate::engine::Relation;
use rayon::prelude::*;
use std::io::{self, Write};

/// A format of graphs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, clap::ValueEnum)]
pub enum GraphFormat {
    /// `SOURCE -> DESTINATION  PORTS`, for people
    Text,
    /// One JSON object for each source, destination and protocol
    JsonLines,
}

impl GraphFormat {
    /// Writes the whole relation of a cluster. Only the format for people obeys `style`.
    pub fn write(
        self,
        cluster: &Cluster,
        relation: Relation<'_>,
        style: Style,
        out: &mut dyn Write,
    ) -> io::Result<()> {
        match self {
            Self::Text => {
                let writer = text::Writer::new(cluster, relation, style);
                stream(cluster, out, |source| writer.lines_from_workload(source))?;
                stream(cluster, out, |destination| {
                    writer.lines_from_outside(destination)
                })
            }
            Self::JsonLines => {
                let writer = json_lines::Writer::new(cluster, relation);
                stream(cluster, out, |source| writer.lines_from_workload(source))?;
                stream(cluster, out, |destination| {
                    writer.lines_from_outside(destination)
                })
            }
        }
    }
}

/// Writes a piece of text for each workload, in order; several are made at a time.
fn stream(
    cluster: &Cluster,
    out: &mut dyn Write,
    piece: impl Fn(WorkloadId) -> String + Sync,
) -> io::Result<()> {
    let ids: Vec<WorkloadId> = cluster.workload_ids().collect();
    // A piece can be megabytes long, so there are never many.
    for ids in ids.chunks(4 * rayon::current_num_threads()) {
        let pieces: Vec<String> = ids.par_iter().map(|id| piece(*id)).collect();
        for piece in pieces {
            out.write_all(piece.as_bytes())?;
        }
    }
    Ok(())
}
