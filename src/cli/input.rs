//! From arguments to a cluster: the road that most commands start on.
//!
//! Refuses to know what a command does with the cluster.

use super::Paths;
use super::gaps::Gaps;
use super::manifests::Manifests;
use super::terminal::{Terminal, Verbosity};
use crate::cluster::{Cluster, Places};
use crate::diagnostic::{Diagnostic, Severity};
use crate::k8s::{Document, Object, Opacity, Outcome as Became, WorkloadKind};
use crate::load::{self, Limits, Loaded, ProblemKind, SkipReason};
use crate::output::{Escaped, Problem, Summary, count};
use crate::source::{SourceId, SourceMap};
use std::io;

/// The texts that the arguments stand for, and what was met on the way.
pub(crate) struct Reading {
    /// The texts.
    pub(crate) sources: SourceMap,
    /// The files of the texts, in the same order.
    pub(crate) files: Vec<load::File>,
    /// What could not be read at all.
    pub(crate) problems: Vec<Problem>,
    /// What was left alone on purpose.
    pub(crate) skipped: Vec<load::Skipped>,
    /// The numbers.
    pub(crate) summary: Summary,
    /// What of it is not part of the analysis.
    pub(crate) gaps: Gaps,
}

/// The files that make one cluster together.
pub(crate) struct Part {
    /// The scope of the configuration that they belong to, by its position.
    pub(crate) scope: Option<usize>,
    /// What every document became, in the order of the files.
    pub(crate) documents: Vec<Document>,
    /// What is wrong with single documents.
    pub(crate) diagnostics: Vec<Diagnostic>,
    /// Where objects end up that do not say so themselves.
    pub(crate) places: Places,
    /// The objects, joined.
    pub(crate) cluster: Cluster,
    /// All objects one by one, where one of the policies is there twice; else none.
    pub(crate) copied: Vec<Object>,
}

/// Everything that was read, as one cluster.
pub(crate) struct Input {
    /// The texts, and what was met on the way to them.
    pub(crate) reading: Reading,
    /// What every document became, in the order of the files.
    pub(crate) documents: Vec<Document>,
    /// What is wrong with single documents.
    pub(crate) diagnostics: Vec<Diagnostic>,
    /// Where objects end up that do not say so themselves.
    pub(crate) places: Places,
    /// The objects, joined.
    pub(crate) cluster: Cluster,
}

impl std::ops::Deref for Input {
    type Target = Reading;

    fn deref(&self) -> &Reading {
        &self.reading
    }
}

/// What the same arguments stood for in an earlier state.
pub(crate) struct Earlier {
    /// The clusters of that state; their texts are those of the [`Reading`].
    pub(crate) parts: Vec<Part>,
    /// What could not be analysed.
    pub(crate) gaps: Gaps,
    /// What was left alone on purpose.
    pub(crate) skipped: Vec<load::Skipped>,
}

impl Reading {
    /// Joins what was read, the files of each scope into a cluster; so also what was read
    /// of an earlier state. A text that is the same in both is parsed once.
    pub(crate) fn of(
        loaded: Loaded,
        scope_of: impl Fn(&str) -> Option<usize> + Sync,
    ) -> (Self, Vec<Part>, Option<Earlier>) {
        let Loaded {
            sources,
            now,
            before,
        } = loaded;
        let all: Vec<SourceId> = sources.ids().collect();
        let manifests = Manifests::read(&sources, &all, scope_of);
        let ids_before = before
            .as_ref()
            .map_or_else(Vec::new, |before| ids(&before.files));
        let [manifests, manifests_before] = manifests.divide([&ids(&now.files), &ids_before]);
        let parts = manifests.into_parts(&sources);
        let earlier = before.map(|before| {
            let parts = manifests_before.into_parts(&sources);
            let problems: Vec<Problem> = before.problems.into_iter().map(in_words).collect();
            Earlier {
                gaps: Gaps::new(&problems, &sources, &parts),
                parts,
                skipped: before.skipped,
            }
        });
        let mut summary = summarize(&parts);
        summary.files = now.files.len();
        summary.unreadable = now.problems.len();
        let is_elsewhere = |skipped: &&load::Skipped| {
            matches!(
                skipped.reason,
                SkipReason::Submodule | SkipReason::LargeFile
            )
        };
        summary.elsewhere = now.skipped.iter().filter(is_elsewhere).count();
        summary.left_alone = now.skipped.len() - summary.elsewhere;
        let problems: Vec<Problem> = now.problems.into_iter().map(in_words).collect();
        let reading = Self {
            gaps: Gaps::new(&problems, &sources, &parts),
            sources,
            files: now.files,
            problems,
            skipped: now.skipped,
            summary,
        };
        (reading, parts, earlier)
    }

    /// Leaves out the problems that the earlier state has, too.
    pub(crate) fn leave_out_problems_of(&mut self, earlier: &Earlier) {
        let gaps = &self.gaps;
        self.problems
            .retain(|problem| !gaps.is_problem_in(problem, &earlier.gaps));
    }

    /// The texts of the files, in their order. There may be others, of an earlier state.
    pub(crate) fn ids(&self) -> Vec<SourceId> {
        ids(&self.files)
    }

    /// Whether something that was asked for is not part of the analysis: a file that cannot
    /// be read, or a document that looks like Kubernetes and cannot be parsed.
    pub(crate) fn is_incomplete(&self) -> bool {
        !self.gaps.is_empty()
    }

    /// Says on standard error what could not be read, and, if asked, what was left alone.
    pub(crate) fn report_problems(&self, terminal: &mut Terminal) {
        for problem in &self.problems {
            terminal.complain(&problem.name, &problem.message);
        }
        if terminal.verbosity == Verbosity::Verbose {
            for skipped in &self.skipped {
                let reason = skip_reason(skipped.reason);
                terminal.say(format_args!("skipped {}: {reason}", Escaped(&skipped.name)));
            }
        }
    }

    /// Says on standard error that there is nothing to analyse, what was seen instead, and
    /// whether there is more on the disk below `paths`.
    pub(crate) fn report_nothing(&self, paths: &Paths, terminal: &mut Terminal) {
        terminal.say(format_args!(
            "npcheck: no Kubernetes object that policies are about; {}",
            self.summary
        ));
        let left_out = load::left_out(&paths.paths, &Limits::default()).len();
        if left_out > 0 {
            let manifests = count(left_out, "hidden or ignored file");
            terminal.say(format_args!(
                "  {manifests} passed over; one that is named is read: see `npcheck files`"
            ));
        }
        if self.summary.templates > 0 {
            terminal.say("  render templates first: helm template CHART | npcheck lint -");
        }
    }
}

fn ids(files: &[load::File]) -> Vec<SourceId> {
    files.iter().map(|file| file.source).collect()
}

impl Input {
    /// Reads what the arguments stand for, as one cluster.
    pub(crate) fn read(paths: &Paths) -> Self {
        let loaded = load::load(&paths.paths, &mut io::stdin().lock(), &Limits::default());
        let (reading, mut parts, _) = Reading::of(loaded, |_| None);
        let part = parts.pop().expect("there is always a part without scope");
        Self {
            reading,
            documents: part.documents,
            diagnostics: part.diagnostics,
            places: part.places,
            cluster: part.cluster,
        }
    }

    /// Whether there is no object that npcheck could say anything about.
    pub(crate) fn is_empty(&self) -> bool {
        has_no_objects(&self.documents)
    }

    /// Whether an API server would refuse one of the objects, so that it counts for nothing
    /// in a verdict (S13).
    pub(crate) fn has_refused_objects(&self) -> bool {
        let cluster = &self.cluster;
        let policies = cluster.policies().iter().map(|policy| &policy.object.meta);
        let workloads = cluster
            .workloads()
            .iter()
            .map(|workload| &workload.object.meta);
        let mut metas = policies
            .chain(cluster.cluster_policies().iter().map(|policy| &policy.meta))
            .chain(workloads);
        metas.any(|meta| !meta.is_accepted) || !cluster.duplicates().is_empty()
    }

    /// Says on standard error what is wrong with documents that count for nothing in a
    /// verdict: the commands that give one show no findings.
    pub(crate) fn report_refusals(&self, terminal: &mut Terminal) {
        let errors = self
            .diagnostics
            .iter()
            .filter(|finding| finding.severity == Severity::Error);
        for error in errors {
            let source = self.sources.get(error.primary.span.source);
            let place = source.position(error.primary.span.start);
            let place = format!("{}:{}:{}", source.name(), place.line, place.column);
            terminal.complain(&place, &error.message);
        }
        for duplicate in self.cluster.duplicates() {
            let [first, second] = [duplicate.first, duplicate.second].map(|span| {
                format!(
                    "{}:{}",
                    self.sources.get(span.source).name(),
                    self.sources.position(span).line
                )
            });
            let message = format!("{} is defined twice, first in {first}", duplicate.object);
            terminal.complain(&second, &message);
        }
    }
}

/// Whether no document became an object that npcheck could say anything about.
pub(crate) fn has_no_objects(documents: &[Document]) -> bool {
    !documents
        .iter()
        .any(|document| matches!(document.outcome, Became::Object | Became::PluginPolicy))
}

fn summarize(parts: &[Part]) -> Summary {
    let mut summary = Summary::default();
    for document in parts.iter().flat_map(|part| &part.documents) {
        match document.outcome {
            Became::Object
            | Became::ContextObject
            | Became::PluginPolicy
            | Became::PluginResource
            | Became::OtherKind => summary.objects += 1,
            Became::Patch => summary.patches += 1,
            Became::Opaque(Opacity::Template) => summary.templates += 1,
            Became::Opaque(Opacity::Sops) => summary.encrypted += 1,
            Became::Opaque(Opacity::Substitution) => summary.substitutions += 1,
            Became::Broken => summary.broken += 1,
            Became::NotKubernetes | Became::Empty => {}
        }
        if document.outcome == Became::Object {
            count_object(&mut summary, &document.kind);
        }
    }
    summary
}

fn count_object(summary: &mut Summary, kind: &str) {
    match kind {
        "NetworkPolicy" => summary.policies += 1,
        "Namespace" => summary.namespaces += 1,
        "AdminNetworkPolicy" | "BaselineAdminNetworkPolicy" | "ClusterNetworkPolicy" => {
            summary.cluster_policies += 1;
        }
        kind if WorkloadKind::ALL
            .into_iter()
            .any(|known| known.name() == kind) =>
        {
            summary.workloads += 1;
        }
        _ => {}
    }
}

/// Why a file was left alone, in words.
pub(super) fn skip_reason(reason: SkipReason) -> &'static str {
    match reason {
        SkipReason::Symlink => "symbolic link, not followed",
        SkipReason::Binary => "not a text file",
        SkipReason::Hidden => "hidden",
        SkipReason::Ignored => "ignored by .gitignore or .npcheckignore",
        SkipReason::Submodule => "a submodule, whose files another repository has",
        SkipReason::LargeFile => "kept by Git LFS, not in git",
    }
}

pub(super) fn in_words(problem: load::Problem) -> Problem {
    let message = match problem.kind {
        ProblemKind::NotFound { similar: None } => "no such file or directory".to_owned(),
        ProblemKind::NotFound {
            similar: Some(similar),
        } => {
            format!("no such file or directory; did you mean `{similar}`?")
        }
        ProblemKind::Unreadable { reason } => format!("cannot be read: {reason}"),
        ProblemKind::SpecialFile => {
            "not read: it is a pipe, a device or a socket, not a file".to_owned()
        }
        ProblemKind::NotStaged { similar: None } => {
            "not in git's index: `git add` makes it part of what is staged".to_owned()
        }
        ProblemKind::NotStaged {
            similar: Some(similar),
        } => {
            format!("not in git's index; did you mean `{similar}`?")
        }
        ProblemKind::Unmerged => "not read: it has conflicts in git's index".to_owned(),
        ProblemKind::LargeFile => "not read: Git LFS keeps it, and git does not".to_owned(),
        ProblemKind::NotUtf8 { offset } => {
            format!("not UTF-8: the byte at offset {offset} is invalid")
        }
        ProblemKind::OtherEncoding { encoding } => {
            format!("encoded in {encoding}: manifests are UTF-8, convert it")
        }
        ProblemKind::BadGzip { reason } => format!("damaged gzip data: {reason}"),
        ProblemKind::GzipBomb { limit } => {
            format!(
                "gzip data that becomes more than {}: not unpacked",
                size(limit)
            )
        }
        ProblemKind::TooLarge { limit } => format!("larger than {}: not read", size(limit)),
        ProblemKind::TotalTooLarge { limit, others } => format!(
            "this and {} behind it not read: all together are larger than {}",
            count(others, "file"),
            size(limit)
        ),
        ProblemKind::TooManyFiles { limit } => {
            format!("more than {limit} files: the others were not looked for")
        }
    };
    Problem {
        name: problem.name,
        message,
    }
}

/// A number of bytes for people.
fn size(bytes: u64) -> String {
    if bytes >= 1 << 30 {
        format!("{} GiB", bytes >> 30)
    } else {
        format!("{} MiB", bytes >> 20)
    }
}
