//! What could not be analysed, as something that can be compared with an earlier state: who
//! asks for what is new is not told by the exit status about what was unreadable before.
//!
//! Refuses to know why it could not.

use crate::k8s::Outcome as Became;
use crate::output::Problem;
use crate::workspace::Workspace;
use std::collections::BTreeMap;

/// Files, documents in files, and parts of builds that are no part of the analysis: how many
/// there are of a name for one reason.
#[derive(Debug)]
pub(crate) struct Gaps(BTreeMap<(String, String), usize>);

impl Gaps {
    /// The files that could not be read, the documents that could not, and what builds leave out.
    pub(crate) fn new(problems: &[Problem], workspace: &Workspace) -> Self {
        let mut gaps = BTreeMap::new();
        let unread = problems.iter().map(|problem| {
            let Problem { name, message } = problem.clone();
            (name, message)
        });
        let texts = workspace.documents();
        let documents = texts.values().flat_map(|text| text.iter());
        let broken = documents
            .filter(|document| document.outcome == Became::Broken)
            .map(|document| workspace.sources().get(document.span.source).name())
            .map(|name| (name.to_owned(), String::new()));
        // What a build leaves out because of a limit, and what a cluster does.
        let parts = workspace.clusters().flat_map(|view| {
            let of_build = &view.part().opaque;
            let of_cluster = view.not_judged().opaque_parts().iter();
            let of_cluster = of_cluster.filter(|part| !of_build.contains(part));
            of_build.iter().chain(of_cluster)
        });
        let limited = parts
            .filter(|part| part.part.is_limit)
            .map(|part| (part.name.clone(), part.part.reason.clone()));
        for gap in unread.chain(broken).chain(limited) {
            *gaps.entry(gap).or_default() += 1;
        }
        Self(gaps)
    }

    /// Whether everything was analysed.
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether the earlier state had all of them.
    pub(crate) fn are_all_in(&self, earlier: &Self) -> bool {
        self.0.keys().all(|gap| self.is_in(gap, earlier))
    }

    /// Whether the earlier state had a file that could not be read, for the same reason.
    pub(crate) fn is_problem_in(&self, problem: &Problem, earlier: &Self) -> bool {
        self.is_in(&(problem.name.clone(), problem.message.clone()), earlier)
    }

    fn is_in(&self, gap: &(String, String), earlier: &Self) -> bool {
        earlier.0.get(gap) >= self.0.get(gap)
    }
}
