//! What a shell may complete: from the manifests in the current directory, from git, and from
//! npcheck's own lists.
//!
//! A person waits for it, so it gives up after a short while and then offers nothing.

use super::endpoint::{Form, special_names};
use crate::cluster::Cluster;
use crate::config::{self, Config};
use crate::k8s::Protocol;
use crate::load::{self, Limits, Repository};
use crate::source::SourceId;
use crate::workspace::{ClusterView, PathOf, Texts, Workspace, known_rules};
use clap::ValueEnum;
use clap_complete::engine::{
    ArgValueCandidates, ArgValueCompleter, CompletionCandidate, PathCompleter, ValueCompleter,
};
use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::io;
use std::path::PathBuf;
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

/// How long a person waits for a completion without noticing.
const PATIENCE: Duration = Duration::from_millis(400);

/// How much is read for a completion.
const LIMITS: Limits = Limits {
    file_bytes: 16 << 20,
    total_bytes: 64 << 20,
    git_file_bytes: 16 << 20,
    git_total_bytes: 64 << 20,
    git_copies: 10_000,
    files: 10_000,
    entries: 10_000,
    gzip_ratio: 200,
    gzip_floor: 16 << 20,
    hidden: false,
    ignored: false,
};

/// What may be typed, each with a word on what it is.
type Names = BTreeMap<String, Option<String>>;

/// An end of a question.
pub(super) fn ends() -> ArgValueCompleter {
    completer(|| from_manifests(|view| end_names(view.first_definitions())))
}

/// A namespace that has something to be asked about.
pub(super) fn namespaces() -> ArgValueCompleter {
    completer(|| {
        from_manifests(|view| {
            let namespaces = view.first_definitions().namespaces().iter();
            namespaces.map(|one| (one.name.clone(), None)).collect()
        })
    })
}

/// A port of a container or a Service, by number and by name.
pub(super) fn ports() -> ArgValueCompleter {
    completer(|| from_manifests(|view| port_names(view.first_definitions())))
}

/// A cluster of the tree.
pub(super) fn clusters() -> ArgValueCompleter {
    completer(|| from_manifests(|view| Names::from([(view.name().to_owned(), None)])))
}

/// A branch or a tag.
pub(super) fn revisions() -> ArgValueCompleter {
    completer(|| in_time(revision_names))
}

/// A state to compare: a branch or a tag behind `git:`, or a path.
pub(super) fn states() -> ArgValueCompleter {
    ArgValueCompleter::new(|typed: &OsStr| {
        let text = typed.to_string_lossy();
        let names = in_time(revision_names).into_iter();
        let names = names.map(|(name, help)| (format!("git:{name}"), help));
        let mut candidates = offered(names.collect(), &text);
        candidates.extend(PathCompleter::any().stdio().complete(typed));
        candidates
    })
}

/// A rule.
pub(super) fn rules() -> ArgValueCandidates {
    ArgValueCandidates::new(|| {
        let candidate = |rule: &'static crate::lint::RuleMeta| {
            CompletionCandidate::new(rule.name).help(Some(rule.summary.into()))
        };
        known_rules().into_iter().map(candidate).collect()
    })
}

/// A CNI plugin.
pub(super) fn plugins() -> ArgValueCandidates {
    ArgValueCandidates::new(|| config::cni_words().map(CompletionCandidate::new).collect())
}

/// A format of output.
pub(super) fn formats<F: ValueEnum + 'static>() -> ArgValueCandidates {
    ArgValueCandidates::new(|| {
        let values = F::value_variants().iter().filter_map(F::to_possible_value);
        let candidate = |value: clap::builder::PossibleValue| {
            CompletionCandidate::new(value.get_name()).help(value.get_help().cloned())
        };
        values.map(candidate).collect()
    })
}

fn completer(names: impl Fn() -> Names + Send + Sync + 'static) -> ArgValueCompleter {
    ArgValueCompleter::new(move |typed: &OsStr| offered(names(), &typed.to_string_lossy()))
}

/// The names that begin with what was typed. One that would do something in the shell is not
/// offered.
fn offered(names: Names, typed: &str) -> Vec<CompletionCandidate> {
    let is_plain =
        |name: &str| !name.contains(|char: char| char.is_control() || char.is_whitespace());
    let offered = names
        .into_iter()
        .filter(|(name, _)| !name.is_empty() && name.starts_with(typed) && is_plain(name));
    offered
        .map(|(name, help)| CompletionCandidate::new(name).help(help.map(Into::into)))
        .collect()
}

/// What each cluster in the current directory has to offer, all together.
fn from_manifests(of: fn(&ClusterView) -> Names) -> Names {
    in_time(move || {
        let loaded = load::load(&[PathBuf::from(".")], &mut io::empty(), &LIMITS);
        let ids: Vec<SourceId> = loaded.sources.ids().collect();
        let texts = Texts::read(loaded.sources);
        let config = Config::default();
        let workspace = Workspace::of(&texts, &ids, &config, PathOf::default());
        workspace.clusters().flat_map(of).collect()
    })
}

/// What is known before the person who waits loses patience.
fn in_time(names: impl FnOnce() -> Names + Send + 'static) -> Names {
    let (sender, receiver) = mpsc::channel();
    // The thread is left alone when time is up: it ends with the process. Nobody may be
    // waiting any more.
    thread::spawn(move || sender.send(names()));
    receiver.recv_timeout(PATIENCE).unwrap_or_default()
}

fn revision_names() -> Names {
    let names = Repository::here().and_then(|repository| repository.names());
    let names = names.unwrap_or_default().into_iter();
    names.map(|name| (name, None)).collect()
}

/// What may be typed for an end.
fn end_names(cluster: &Cluster) -> Names {
    let mut names = Names::new();
    for id in cluster.workload_ids() {
        let workload = cluster.workload(id);
        let namespace = &cluster.namespace(workload.namespace).name;
        let name = &workload.object.meta.name;
        let twins = cluster
            .workloads_in(workload.namespace)
            .filter(|other| cluster.workload(*other).object.meta.name.value == name.value);
        let kind = workload.object.kind;
        let typed = match (twins.count(), kind.short_names()) {
            (2.., [short, ..]) => format!("{namespace}/{short}/{name}"),
            _ => format!("{namespace}/{name}"),
        };
        names.insert(typed, Some(kind.name().to_owned()));
    }
    for id in cluster.service_ids() {
        let service = cluster.service(id);
        let namespace = &cluster.namespace(service.namespace).name;
        let typed = format!("{namespace}/svc/{}", service.object.meta.name);
        names.insert(typed, Some("Service".to_owned()));
    }
    for (name, help) in [
        (Form::ANY, "every pod, and the outside"),
        (Form::INTERNET, "all public addresses"),
    ] {
        names.insert(name.to_owned(), Some(help.to_owned()));
    }
    for (name, help) in special_names(cluster) {
        names.insert(name, Some(help.to_owned()));
    }
    names
}

/// What may be typed for a port.
fn port_names(cluster: &Cluster) -> Names {
    let mut names = Names::new();
    for workload in cluster.workloads() {
        let of = workload.object.meta.name.value.to_string();
        for port in workload.object.ports() {
            let number = port.number.value;
            let typed = match port.protocol {
                Protocol::Tcp => number.to_string(),
                other => format!("{number}/{}", other.name().to_lowercase()),
            };
            names.entry(typed).or_insert_with(|| Some(of.clone()));
            if let Some(name) = &port.name {
                let typed = name.value.to_string();
                names.entry(typed).or_insert_with(|| Some(of.clone()));
            }
        }
    }
    names
}
