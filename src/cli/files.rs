//! `npcheck files`: what was read, what each document became, what was skipped and why.
//!
//! Refuses to analyse any of it.

use super::Paths;
use super::configuration::ClusterOptions;
use super::exit::Outcome;
use super::input::{Input, skip_reason};
use super::terminal::Terminal;
use crate::k8s::{Document, Opacity, Outcome as Became, WorkloadKind};
use crate::load;
use crate::output::{Escaped, Role, Style, count, display_name};
use crate::render::command_to_fill;
use crate::source::{Source, SourceId};
use crate::workspace::{Alternatives, OpaquePart, Part, PartRoot};
use clap::Args;
use std::collections::BTreeSet;
use std::io::{self, Write};

/// Show what is read, what each document becomes, and what is skipped and why
#[derive(Clone, Debug, Args)]
pub(super) struct Options {
    #[command(flatten)]
    paths: Paths,
    #[command(flatten)]
    clusters: ClusterOptions,
    /// Show what is deployed together, and what builds it, instead of the files
    #[arg(long)]
    roots: bool,
}

pub(super) fn run(options: &Options, terminal: &mut Terminal) -> io::Result<Outcome> {
    let Ok(input) = Input::read(&options.paths, &options.clusters, terminal) else {
        return Ok(Outcome::Incomplete);
    };
    if options.roots {
        let written = write_roots(&input, terminal.style, terminal.out());
        terminal.finish(written)?;
        input.report_problems(terminal);
        input.report_broken_builds(terminal);
        let is_incomplete = input.is_incomplete() || input.has_broken_builds();
        return Ok(Outcome::Good.with_problems(is_incomplete));
    }
    let mut skipped = load::left_out(&options.paths.paths, &options.paths.walk.limits());
    skipped.extend(input.skipped.iter().cloned());
    skipped.sort();
    let is_one_cluster = options.clusters.cluster.is_some();
    let style = terminal.style;
    let written = write(&input, &skipped, is_one_cluster, style, terminal.out());
    terminal.finish(written)?;
    input.report_problems(terminal);
    input.report_not_judged(terminal);
    let outcome = if input.is_empty() {
        Outcome::Nothing
    } else {
        Outcome::Good
    };
    Ok(outcome.with_problems(input.is_incomplete()))
}

/// Writes the clusters, with what builds them, what is missing from them, and what nothing
/// deploys.
fn write_roots(input: &Input, style: Style, out: &mut dyn Write) -> io::Result<()> {
    let out = &mut style.fit(out);
    let sources = input.workspace.sources();
    let several = input.workspace.clusters().len() > 1;
    for view in input.workspace.clusters() {
        let name = match view.name() {
            "" => "one cluster".to_owned(),
            name => format!("cluster {}", Escaped(name)),
        };
        writeln!(out, "{}", style.paint(Role::Strong, name))?;
        let part = view.part();
        for root in &part.roots {
            write_root(root, style, out)?;
        }
        write_as_written(part, style, out)?;
        for unknown in &part.opaque {
            write_unknown(unknown, input, style, out)?;
        }
    }
    if several {
        let why = "clusters are told apart by what Flux and Argo CD say, and by objects that are defined twice";
        writeln!(out, "{}", style.paint(Role::Faint, why))?;
    }
    write_alternatives(input, style, out)?;
    let documents = input.workspace.documents();
    let is_idle = |document: &&Document| document.outcome == Became::NotDeployed;
    for document in documents
        .values()
        .flat_map(|text| text.iter())
        .filter(is_idle)
    {
        let source = sources.get(document.span.source);
        let line = source.position(document.span.start).line;
        writeln!(
            out,
            "not deployed: {}:{line}  {}",
            Escaped(source.name()),
            identity(document)
        )?;
    }
    Ok(())
}

/// Writes what is missing from a cluster, and the command that tells it.
fn write_unknown(
    unknown: &OpaquePart,
    input: &Input,
    style: Style,
    out: &mut dyn Write,
) -> io::Result<()> {
    let (place, reason) = (Escaped(&unknown.name), Escaped(&unknown.part.reason));
    writeln!(out, "  {:<14} {place}: {reason}", "unknown")?;
    let sources = input.workspace.sources();
    let command = command_to_fill(sources, &unknown.part, unknown.root.as_deref());
    if let Some(command) = command {
        let fill = format!("to fill the gap: {} | npcheck lint -", Escaped(&command));
        writeln!(out, "  {:<14} {}", "", style.paint(Role::Faint, fill))?;
    }
    Ok(())
}

/// Writes which files side by side are taken for alternatives, and why.
fn write_alternatives(input: &Input, style: Style, out: &mut dyn Write) -> io::Result<()> {
    let views = input.workspace.clusters();
    let all = views.flat_map(|view| view.part().alternatives.iter());
    let all: BTreeSet<&Alternatives> = all.collect();
    for alternatives in all {
        let files: Vec<String> = (alternatives.files.iter())
            .map(|name| Escaped(name).to_string())
            .collect();
        let why = match alternatives.by_name {
            true => "their names tell environments",
            false => "they define the same objects",
        };
        let line = format!(
            "alternatives: {}, as they define {} otherwise and {why}",
            files.join(", "),
            Escaped(&alternatives.object)
        );
        writeln!(out, "{}", style.paint(Role::Faint, line))?;
    }
    Ok(())
}

/// Writes which files are taken as they stand: all of them, or those beside what is built.
fn write_as_written(part: &Part, style: Style, out: &mut dyn Write) -> io::Result<()> {
    let is_all = part.roots.is_empty();
    let files = match is_all {
        true => part.texts.len(),
        false => part.as_written.values().sum(),
    };
    if !is_all && files == 0 {
        return Ok(());
    }
    writeln!(out, "  {:<14} {}", "as they stand", count(files, "file"))?;
    for (directory, files) in part.as_written.iter().filter(|_| !is_all) {
        let directory = match directory.as_str() {
            "" => ".".to_owned(),
            directory => Escaped(directory).to_string(),
        };
        let files = style.paint(Role::Faint, count(*files, "file"));
        writeln!(out, "  {:<14} {directory}  {files}", "")?;
    }
    Ok(())
}

/// Writes what a root builds, and why it is one.
fn write_root(root: &PartRoot, style: Style, out: &mut dyn Write) -> io::Result<()> {
    let name = |name: &str| match name {
        "" => ".".to_owned(),
        name => Escaped(name).to_string(),
    };
    let objects = count(root.objects, "object");
    writeln!(out, "  {:<14} {}  {objects}", root.kind, name(&root.name))?;
    if let Some(origin) = &root.origin {
        let why = format!("by {}", Escaped(origin));
        writeln!(out, "  {:<14} {}", "", style.paint(Role::Faint, why))?;
    }
    let is_only = root.builds.len() == 1;
    for build in &root.builds {
        let directory = name(&build.directory);
        write!(out, "  {:<14} {directory}", "")?;
        if !root.name.ends_with(&build.name) {
            write!(out, "  {}", Escaped(&build.name))?;
        }
        if !build.namespace.is_empty() {
            write!(out, "  namespace {}", Escaped(&build.namespace))?;
        }
        if !is_only {
            write!(out, "  {}", count(build.objects, "object"))?;
        }
        let suspended = match build.is_suspended {
            true => "  suspended",
            false => "",
        };
        writeln!(out, "{suspended}")?;
    }
    Ok(())
}

fn write(
    input: &Input,
    skipped: &[load::Skipped],
    is_one_cluster: bool,
    style: Style,
    out: &mut dyn Write,
) -> io::Result<()> {
    let out = &mut style.fit(out);
    let sources = input.workspace.sources();
    let documents = input.workspace.documents();
    let is_asked = |id: &SourceId| {
        let mut views = input.workspace.clusters();
        views.any(|view| view.part().texts.contains(id))
    };
    for file in &input.files {
        if is_one_cluster && !is_asked(&file.source) {
            continue;
        }
        let of_file = documents.get(&file.source).map_or(&[][..], |text| text);
        write_file(sources.get(file.source), of_file, style, out)?;
    }
    for skipped in skipped {
        let name = Escaped(&skipped.name);
        let reason = style.paint(Role::Faint, skip_reason(skipped.reason));
        writeln!(out, "{name}\n         skipped: {reason}")?;
    }
    write_clusters(input, style, out)?;
    writeln!(out, "{}", input.summary)
}

/// The clusters of a tree that holds several, each with the number of its texts.
fn write_clusters(input: &Input, style: Style, out: &mut dyn Write) -> io::Result<()> {
    let clusters = input.workspace.clusters();
    if clusters.len() < 2 {
        return Ok(());
    }
    let head = count(clusters.len(), "cluster");
    writeln!(out, "{}", style.paint(Role::Strong, head))?;
    for view in clusters {
        let texts = count(view.part().texts.len(), "file");
        writeln!(
            out,
            "         {}: {texts}",
            Escaped(display_name(view.name()))
        )?;
    }
    Ok(())
}

fn write_file(
    source: &Source,
    documents: &[Document],
    style: Style,
    out: &mut dyn Write,
) -> io::Result<()> {
    writeln!(out, "{}", style.paint(Role::Strong, Escaped(source.name())))?;
    let mut is_empty = true;
    for document in documents {
        if let Some(became) = became(document) {
            let line = source.position(document.span.start).line;
            writeln!(out, "  {line:>5}  {became}")?;
            is_empty = false;
        }
    }
    if is_empty {
        let nothing = style.paint(Role::Faint, "no Kubernetes object");
        writeln!(out, "         {nothing}")?;
    }
    Ok(())
}

/// What a document is and became; `None` if it is no business of npcheck's.
fn became(document: &Document) -> Option<String> {
    let name = identity(document);
    let line = match document.outcome {
        Became::Object => match &document.put_into {
            Some(namespace) if is_namespaced(&document.kind) => {
                format!("{name}  namespace set by kustomize: {}", Escaped(namespace))
            }
            _ => name,
        },
        Became::ContextObject => format!("{name}  looked at for what it tells of others"),
        Became::Patch => format!("{name}  skipped: a patch, run kustomize build first"),
        Became::PluginPolicy => format!("{name}  a policy that only some CNI plugins know"),
        Became::PluginResource => format!("{name}  policies of a CNI plugin refer to it"),
        Became::BuiltFrom => {
            format!("{name}  part of a build: a patch, a template, or taken away by a patch")
        }
        Became::NotDeployed => {
            format!("{name}  not deployed: nothing that is applied takes its file")
        }
        Became::OtherKind => format!("{name}  not analysed: ignored kind"),
        Became::Opaque(Opacity::Template) => {
            format!("{name}  skipped: a template, render it first")
        }
        Became::Opaque(Opacity::Sops) => format!("{name}  skipped: encrypted by SOPS"),
        Became::Opaque(Opacity::Substitution) => {
            format!("{name}  skipped: has a ${{…}} variable that only deployment fills in")
        }
        Became::Broken => format!("{name}  broken: npcheck lint says how"),
        Became::NotKubernetes | Became::Empty => return None,
    };
    Some(line)
}

/// Whether objects of a kind that npcheck judges live in a namespace.
fn is_namespaced(kind: &str) -> bool {
    let of_workload = WorkloadKind::ALL
        .into_iter()
        .any(|known| known.name() == kind);
    of_workload || matches!(kind, "NetworkPolicy" | "Service")
}

/// `shop/Deployment/cart`, with as much of it as could be read.
fn identity(document: &Document) -> String {
    let parts = [&document.namespace, &document.kind, &document.name];
    let parts: Vec<String> = parts
        .iter()
        .filter(|part| !part.is_empty())
        .map(|part| Escaped(part).to_string())
        .collect();
    if parts.is_empty() {
        "a document".to_owned()
    } else {
        parts.join("/")
    }
}
