//! From arguments to clusters: the road that every command starts on.
//!
//! Refuses to know what a command does with the clusters.

use super::Paths;
use super::configuration::{
    ClusterOptions, Configuration, HELM_READS_THE_DISK, StagedOptions, Unusable,
};
use super::exit::Outcome;
use super::gaps::Gaps;
use super::of_revision::Asked;
use super::target::{self, Target};
use super::terminal::{Terminal, Verbosity};
use crate::config::Rendering;
use crate::diagnostic::{Diagnostic, Severity};
use crate::k8s::{Document, Opacity, Outcome as Became, WorkloadKind};
use crate::load::{self, Listing, Loaded, ProblemKind, SkipReason, Tree};
use crate::manifest::Focus;
use crate::output::{Escaped, Problem, RepositoryRoot, Summary, count, not_judged_lines};
use crate::progress;
use crate::render::BROKEN_BUILD;
use crate::source::{self, SourceId};
use crate::workspace::{ClusterView, Keep, PathOf, Texts, Workspace};
use std::collections::BTreeSet;
use std::io;
use std::sync::Arc;

/// The texts of a listing.
fn ids_of(listing: &Listing) -> Vec<SourceId> {
    listing.files.iter().map(|file| file.source).collect()
}

/// What is done with clusters, for a person who waits.
const JUDGING: &str = "working out who can connect to whom";

/// The clusters that the arguments stand for, and what was met on the way.
pub(crate) struct Input {
    /// The clusters.
    pub(crate) workspace: Workspace,
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

impl Input {
    /// Reads what the arguments stand for with the configuration that the options name. Says
    /// so if that cannot be done.
    pub(crate) fn read(
        paths: &Paths,
        options: &ClusterOptions,
        terminal: &mut Terminal,
    ) -> Result<Self, Unusable> {
        let asked = asked(paths, terminal)?;
        let tree = tree(&asked, terminal)?;
        let configuration = Configuration::of(options, &tree, terminal)?;
        let clusters = (options, &configuration);
        Self::read_with(Focus::EVERYTHING, (&tree, &asked), clusters, terminal)
    }

    /// Reads what a question about clusters is put to, for a command that writes to these
    /// targets, and says what is wrong with it. The outcome where nothing can be asked.
    pub(crate) fn answering<F>(
        output: &[Target<F>],
        paths: &Paths,
        clusters: (&ClusterOptions, StagedOptions),
        terminal: &mut Terminal,
    ) -> Result<Self, Outcome> {
        Self::answering_about(Focus::EVERYTHING, output, paths, clusters, terminal)
    }

    /// The same for a question about the pods of some namespaces, for which not everything may
    /// be read.
    pub(crate) fn answering_about<F>(
        focus: &Focus,
        output: &[Target<F>],
        paths: &Paths,
        clusters: (&ClusterOptions, StagedOptions),
        terminal: &mut Terminal,
    ) -> Result<Self, Outcome> {
        if let Some(mistake) = target::mistake(output) {
            terminal.complain("--output", &mistake);
            return Err(Outcome::Incomplete);
        }
        let input = Self::read_staged(focus, paths, clusters, terminal);
        let input = input.map_err(|Unusable| Outcome::Incomplete)?;
        input.report_problems(terminal);
        if input.is_empty() {
            input.report_rejections(terminal);
            input.report_not_judged(terminal);
            input.report_nothing(paths, terminal);
            return Err(Outcome::Nothing.with_problems(input.is_incomplete()));
        }
        Ok(input)
    }

    /// The same with the staged policies of Calico live, if the options say so.
    fn read_staged(
        focus: &Focus,
        paths: &Paths,
        (options, staged): (&ClusterOptions, StagedOptions),
        terminal: &mut Terminal,
    ) -> Result<Self, Unusable> {
        let asked = asked(paths, terminal)?;
        let tree = tree(&asked, terminal)?;
        let configuration = Configuration::of(options, &tree, terminal)?.with_staged(staged);
        let clusters = (options, &configuration);
        let input = Self::read_with(focus, (&tree, &asked), clusters, terminal)?;
        input.report_staged(staged, terminal);
        Ok(input)
    }

    /// Says so if staged policies are asked for, and there are none.
    pub(crate) fn report_staged(&self, staged: StagedOptions, terminal: &mut Terminal) {
        let mut views = self.workspace.clusters();
        if staged.staged_policies && !views.any(ClusterView::has_staged_policies) {
            terminal.complain(
                "--staged-policies",
                "Calico stages no policy among the manifests",
            );
        }
    }

    fn read_with(
        focus: &Focus,
        (tree, asked): (&Tree<'_>, &Asked),
        (options, configuration): (&ClusterOptions, &Configuration),
        terminal: &mut Terminal,
    ) -> Result<Self, Unusable> {
        let rendering = configuration.config.rendering;
        if rendering == Rendering::Helm && tree.of_git().is_some() {
            terminal.complain("--helm", HELM_READS_THE_DISK);
            return Err(Unusable);
        }
        let stdin = &mut io::stdin().lock();
        let paths = &asked.paths;
        let loaded = tree.load(paths, stdin, None, &asked.limits);
        let completed = loaded.and_then(|mut loaded| {
            super::wanted::complete(&mut loaded, rendering, paths, (tree, None))?;
            Ok(loaded)
        });
        let loaded = completed.map_err(|error| {
            terminal.complain("git", &error.to_string());
            Unusable
        })?;
        let (input, _) = Self::of_focus(focus, Keep::Clusters, loaded, configuration);
        input.only(options, terminal)
    }

    /// The same with everything read.
    pub(crate) fn whole(self) -> Self {
        Self {
            workspace: kept(self.workspace.whole()),
            ..self
        }
    }

    /// The clusters of what was loaded; so also those of an earlier state. A text that is the
    /// same in both is read once.
    pub(crate) fn of(
        loaded: Loaded,
        configuration: &Configuration,
        keep: Keep,
    ) -> (Self, Option<Self>) {
        Self::of_focus(Focus::EVERYTHING, keep, loaded, configuration)
    }

    fn of_focus(
        focus: &Focus,
        keep: Keep,
        loaded: Loaded,
        configuration: &Configuration,
    ) -> (Self, Option<Self>) {
        let Loaded {
            sources,
            now,
            before,
        } = loaded;
        let mut sources = sources;
        let config_source = configuration.source(&mut sources);
        let texts = Texts::read_for(focus, sources);
        let path_of = configuration.path_of();
        let building = match before {
            Some(_) => Keep::Builds,
            None => keep,
        };
        let ids = ids_of(&now);
        let config = &configuration.config;
        let built = Workspace::keeping(building, &texts, &ids, config, path_of);
        // What both states have in common is built once.
        let before = before.map(|listing| {
            let workspace = built.other_state(&ids_of(&listing));
            Self::of_listing(workspace, listing).with_config_source(config_source)
        });
        let built = match keep {
            Keep::Builds => built,
            Keep::Clusters => built.without_builds(),
        };
        let now = Self::of_listing(built, now).with_config_source(config_source);
        progress::begin(JUDGING, 0);
        (now, before)
    }

    /// The clusters of two states, before and after, whose texts have the names that `path_of` gives them.
    pub(crate) fn of_states(
        loaded: Loaded,
        configurations: [&Configuration; 2],
        path_of: PathOf,
    ) -> [Self; 2] {
        let Loaded {
            sources,
            now,
            before,
        } = loaded;
        let texts = Texts::read(sources);
        let state = |listing: Listing, configuration: &Configuration| {
            let config = &configuration.config;
            let workspace = Workspace::of(&texts, &ids_of(&listing), config, path_of.clone());
            Self::of_listing(workspace, listing)
        };
        let inputs = [
            state(before.unwrap_or_default(), configurations[0]),
            state(now, configurations[1]),
        ];
        progress::begin(JUDGING, 0);
        inputs
    }

    /// The same with the text of the configuration, for findings about it.
    fn with_config_source(mut self, source: Option<SourceId>) -> Self {
        self.workspace = self.workspace.with_config_source(source);
        self
    }

    fn of_listing(workspace: Workspace, listing: Listing) -> Self {
        let workspace = kept(workspace.whole_if_it_matters());
        let mut summary = summarize(&workspace);
        summary.files = listing.files.len();
        summary.unreadable = listing.problems.len();
        let is_elsewhere = |skipped: &&load::Skipped| {
            matches!(
                skipped.reason,
                SkipReason::Submodule | SkipReason::LargeFile
            )
        };
        summary.elsewhere = listing.skipped.iter().filter(is_elsewhere).count();
        summary.left_alone = listing.skipped.len() - summary.elsewhere;
        let problems: Vec<Problem> = listing.problems.into_iter().map(in_words).collect();
        Self {
            gaps: Gaps::new(&problems, &workspace),
            workspace,
            files: listing.files,
            problems,
            skipped: listing.skipped,
            summary,
        }
    }

    /// Whether standard input is one of the files.
    pub(crate) fn has_stdin(&self) -> bool {
        let sources = self.workspace.sources();
        let mut names = self
            .files
            .iter()
            .map(|file| sources.get(file.source).name());
        names.any(|name| name == source::STDIN_NAME)
    }

    /// Leaves only the cluster that the options name, if they name one.
    pub(crate) fn only(
        mut self,
        options: &ClusterOptions,
        terminal: &mut Terminal,
    ) -> Result<Self, Unusable> {
        let Some(name) = &options.cluster else {
            return Ok(self);
        };
        match self.workspace.only(name) {
            Ok(workspace) => {
                self.workspace = workspace;
                Ok(self)
            }
            Err(names) => {
                let names: Vec<&str> = names.iter().map(String::as_str).collect();
                let known = match names[..] {
                    [""] => "there is only one cluster, which has no name".to_owned(),
                    _ => format!("the clusters are {}", names.join(", ")),
                };
                terminal.complain("--cluster", &format!("no cluster `{name}`; {known}"));
                Err(Unusable)
            }
        }
    }

    /// Leaves out the problems that the earlier state has, too.
    pub(crate) fn leave_out_problems_of(&mut self, earlier: &Self) {
        let gaps = &self.gaps;
        self.problems
            .retain(|problem| !gaps.is_problem_in(problem, &earlier.gaps));
    }

    /// Whether something that was asked for is not part of the analysis: a file that cannot
    /// be read, or a document that looks like Kubernetes and cannot be parsed.
    pub(crate) fn is_incomplete(&self) -> bool {
        !self.gaps.is_empty()
    }

    /// Whether there is no object that npcheck could say anything about.
    pub(crate) fn is_empty(&self) -> bool {
        self.workspace.clusters().all(ClusterView::is_empty)
    }

    /// Whether something has no part in any verdict because it is wrong: an API server would
    /// reject an object (S13), it is defined twice and not alike, or kustomize would reject
    /// what builds it.
    pub(crate) fn has_rejections(&self) -> bool {
        let is_rejected = |view: &ClusterView| {
            let workloads = view.first_definitions().workloads().iter();
            let mut metas = workloads.map(|workload| &workload.object.meta);
            view.not_judged().has_faults() || metas.any(|meta| !meta.is_accepted)
        };
        self.has_broken_builds() || self.workspace.clusters().any(is_rejected)
    }

    /// Whether kustomize would reject a build, so that a part of it is missing.
    pub(crate) fn has_broken_builds(&self) -> bool {
        self.workspace.broken_builds().next().is_some()
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
        let left_out = load::left_out(&paths.paths, &paths.walk.limits()).len();
        if left_out > 0 {
            let manifests = count(left_out, "hidden or ignored file");
            terminal.say(format_args!(
                "  {manifests} skipped; --hidden and --no-ignore read them: see `npcheck files`"
            ));
        }
        if self.summary.templates > 0 {
            terminal.say("  render templates first: helm template CHART | npcheck lint -");
        }
    }

    /// Says on standard error what is wrong with documents that count for nothing in a
    /// verdict: the commands that give one show no findings.
    pub(crate) fn report_rejections(&self, terminal: &mut Terminal) {
        let of_texts = self.workspace.diagnostics();
        let errors = of_texts.filter(|finding| {
            finding.severity == Severity::Error
                && !finding.is_untold
                && finding.rule != BROKEN_BUILD
        });
        self.complain_of(errors, terminal);
        self.report_broken_builds(terminal);
    }

    /// Says on standard error which builds kustomize would reject.
    pub(crate) fn report_broken_builds(&self, terminal: &mut Terminal) {
        self.complain_of(self.workspace.broken_builds(), terminal);
    }

    fn complain_of<'d>(
        &self,
        findings: impl Iterator<Item = &'d Diagnostic>,
        terminal: &mut Terminal,
    ) {
        let sources = self.workspace.sources();
        for error in findings {
            let source = sources.get(error.primary.span.source);
            let place = source.position(error.primary.span.start);
            let place = format!("{}:{}:{}", source.name(), place.line, place.column);
            terminal.complain(&place, &error.message);
        }
    }

    /// Says on standard error what was not judged, be the answer as it may.
    pub(crate) fn report_not_judged(&self, terminal: &mut Terminal) {
        if terminal.verbosity > Verbosity::Quiet {
            let not_judged = self.workspace.not_judged();
            for line in not_judged_lines(&not_judged, self.workspace.sources()) {
                terminal.say(Escaped(&line));
            }
        }
    }
}

/// The state that the paths name. Says so if there is none.
fn asked(paths: &Paths, terminal: &mut Terminal) -> Result<Asked, Unusable> {
    Asked::of(paths).map_err(|(name, message)| {
        terminal.complain(&name, &message);
        Unusable
    })
}

/// The files of the state. Says so if git fails.
fn tree<'a>(asked: &'a Asked, terminal: &mut Terminal) -> Result<Tree<'a>, Unusable> {
    asked.tree().map_err(|error| {
        terminal.complain("git", &error.to_string());
        Unusable
    })
}

/// The clusters, for as long as the process runs: it gives the memory back as a whole, where
/// object by object that would take a tenth of the time of a run.
fn kept(workspace: Workspace) -> Workspace {
    std::mem::forget(workspace.clone());
    workspace
}

fn summarize(workspace: &Workspace) -> Summary {
    let mut summary = Summary::default();
    let documents: Vec<Arc<[Document]>> = workspace.documents().into_values().collect();
    // Each of several applications may make one that is declared as well.
    let mut namespaces = BTreeSet::new();
    for document in documents.iter().flat_map(|text| text.iter()) {
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
            Became::BuiltFrom | Became::NotDeployed | Became::NotKubernetes | Became::Empty => {}
        }
        if document.outcome == Became::PluginPolicy {
            let of_kind = summary.plugin_policies.entry(document.kind.to_string());
            *of_kind.or_default() += 1;
        }
        if document.outcome == Became::Object {
            count_object(&mut summary, &document.kind);
            if document.kind == "Namespace" {
                namespaces.insert(&document.name);
            }
        }
    }
    summary.namespaces = namespaces.len();
    summary
}

fn count_object(summary: &mut Summary, kind: &str) {
    match kind {
        "NetworkPolicy" => summary.policies += 1,
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
        ProblemKind::NotRendered { reason } => format!("this chart was not rendered: {reason}"),
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
            "this and {} after it not read: together they are larger than {}",
            count(others, "file"),
            size(limit)
        ),
        ProblemKind::TooManyCopies { limit, others } => format!(
            "this and {} like it not read: more than {limit} files have the text of another one",
            count(others, "file"),
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

/// The root of the repository that npcheck runs in.
pub(super) fn repository_root() -> RepositoryRoot {
    let [root, here] = load::repository_here().unwrap_or_default();
    RepositoryRoot::new(root, here)
}
