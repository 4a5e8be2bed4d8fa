//! Runs Helm for the charts that lie in the tree, where somebody asked for it, and adds what it
//! prints to the texts.
//!
//! Refuses to know what the charts hold.

use crate::load::{self, File, FilePlace, Loaded, Problem, ProblemKind};
use crate::render;
use crate::source::SourceId;
use std::collections::BTreeSet;

/// How often charts are looked for, as charts may bring Applications of further charts.
const MAX_ROUNDS: usize = 16;

/// Adds the texts of the charts. One that is not rendered is a problem, and stays unknown.
pub(super) fn add_charts(loaded: &mut Loaded) {
    let mut tried = BTreeSet::new();
    for _ in 0..MAX_ROUNDS {
        let ids: Vec<SourceId> = loaded.now.files.iter().map(|file| file.source).collect();
        let wanted = render::charts(&loaded.sources, &ids);
        let new: Vec<_> = wanted.difference(&tried).cloned().collect();
        if new.is_empty() {
            return;
        }
        for chart in &new {
            let operands = [chart.release.as_str(), &chart.path()];
            match load::helm_template(&chart.options(), operands, &chart.inline) {
                Ok(text) => {
                    let source = loaded.sources.add(chart.name(), text);
                    loaded.now.files.push(File {
                        source,
                        place: FilePlace::Nowhere,
                        is_compressed: false,
                    });
                }
                Err(reason) => loaded.now.problems.push(Problem {
                    name: chart.directory.clone(),
                    kind: ProblemKind::NotRendered { reason },
                }),
            }
        }
        tried.extend(new);
    }
}
