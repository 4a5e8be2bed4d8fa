//! From arguments to a cluster: the road that most commands start on.
//!
//! Refuses to know what a command does with the cluster.

use super::Paths;
use super::terminal::{Terminal, Verbosity};
use crate::cluster::Cluster;
use crate::diagnostic::{Diagnostic, Severity};
use crate::k8s::{Document, Object, Opacity, Outcome as Became};
use crate::load::{self, Limits, Loaded, ProblemKind, SkipReason};
use crate::manifest;
use crate::output::{Escaped, Problem, Summary, count};
use crate::source::SourceMap;
use rayon::prelude::*;
use std::io;

/// Everything that was read.
pub(crate) struct Input {
    /// The texts.
    pub(crate) sources: SourceMap,
    /// What every document became, in the order of the files.
    pub(crate) documents: Vec<Document>,
    /// What is wrong with single documents.
    pub(crate) diagnostics: Vec<Diagnostic>,
    /// The objects, joined.
    pub(crate) cluster: Cluster,
    /// What could not be read at all.
    pub(crate) problems: Vec<Problem>,
    /// What was left alone on purpose.
    pub(crate) skipped: Vec<load::Skipped>,
    /// The numbers.
    pub(crate) summary: Summary,
}

impl Input {
    /// Reads what the arguments stand for.
    pub(crate) fn read(paths: &Paths) -> Self {
        let loaded = load::load(&paths.paths, &mut io::stdin().lock(), &Limits::default());
        let Loaded {
            sources,
            files,
            problems,
            skipped,
        } = loaded;
        let parsed: Vec<manifest::Parsed> = files
            .par_iter()
            .map(|file| {
                let source = sources.get(file.source);
                manifest::read(file.source, source.text())
            })
            .collect();
        let mut objects = Vec::new();
        let mut documents = Vec::new();
        let mut diagnostics = Vec::new();
        for parsed in parsed {
            objects.extend(parsed.objects);
            diagnostics.extend(parsed.diagnostics);
            documents.extend(parsed.documents);
        }
        let mut summary = summarize(&objects, &documents);
        summary.files = files.len();
        summary.unreadable = problems.len();
        summary.left_alone = skipped.len();
        let problems = problems.into_iter().map(in_words).collect();
        let cluster = Cluster::new(objects);
        Self {
            sources,
            documents,
            diagnostics,
            cluster,
            problems,
            skipped,
            summary,
        }
    }

    /// Whether something that was asked for is not part of the analysis: a file that cannot
    /// be read, or a document that looks like Kubernetes and cannot be parsed.
    pub(crate) fn is_incomplete(&self) -> bool {
        !self.problems.is_empty() || self.summary.broken > 0
    }

    /// Whether there is no object that npcheck could say anything about.
    pub(crate) fn is_empty(&self) -> bool {
        let mut documents = self.documents.iter();
        !documents.any(|document| document.outcome == Became::Object)
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

    /// Says on standard error that there is nothing to analyse, and what was seen instead.
    pub(crate) fn report_nothing(&self, terminal: &mut Terminal) {
        terminal.say(format_args!(
            "npcheck: no Kubernetes object to analyse; {}",
            self.summary
        ));
        if self.summary.templates > 0 {
            terminal.say("  render templates first: helm template CHART | npcheck lint -");
        }
    }
}

fn summarize(objects: &[Object], documents: &[Document]) -> Summary {
    let mut summary = Summary::default();
    for object in objects {
        match object {
            Object::Namespace(_) => summary.namespaces += 1,
            Object::Workload(_) => summary.workloads += 1,
            Object::NetworkPolicy(_) => summary.policies += 1,
            Object::ClusterNetworkPolicy(_) => summary.cluster_policies += 1,
            Object::Service(_) | Object::Node(_) | Object::Surrounding(_) => {}
        }
    }
    for document in documents {
        match document.outcome {
            Became::Object | Became::Surrounding | Became::OtherKind => summary.objects += 1,
            Became::Opaque(Opacity::Template) => summary.templates += 1,
            Became::Opaque(Opacity::Sops) => summary.encrypted += 1,
            Became::Opaque(Opacity::Substitution) => summary.substitutions += 1,
            Became::Broken => summary.broken += 1,
            Became::NotKubernetes | Became::Empty => {}
        }
    }
    summary
}

/// Why a file was left alone, in words.
pub(super) fn skip_reason(reason: SkipReason) -> &'static str {
    match reason {
        SkipReason::Symlink => "symbolic link, not followed",
        SkipReason::Binary => "not a text file",
        SkipReason::Hidden => "hidden",
        SkipReason::Ignored => "ignored by .gitignore or .npcheckignore",
    }
}

fn in_words(problem: load::Problem) -> Problem {
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
