//! Completion of the ends of a question in the shell, from the manifests in the current
//! directory.
//!
//! A person waits for it, so it gives up after a short while and then offers nothing.

use crate::cli::endpoint::Form;
use crate::cluster::Cluster;
use crate::config::Config;
use crate::load::{self, Limits};
use crate::source::SourceId;
use crate::workspace::{PathOf, Texts, Workspace};
use clap_complete::engine::{ArgValueCompleter, CompletionCandidate};
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
    files: 10_000,
    entries: 10_000,
    gzip_ratio: 200,
    gzip_floor: 16 << 20,
};

/// Completes an end of a question.
pub(super) fn completer() -> ArgValueCompleter {
    ArgValueCompleter::new(|typed: &OsStr| candidates(&typed.to_string_lossy()))
}

fn candidates(typed: &str) -> Vec<CompletionCandidate> {
    let (sender, receiver) = mpsc::channel();
    // The thread is left alone when time is up: it ends with the process.
    thread::spawn(move || {
        let loaded = load::load(&[PathBuf::from(".")], &mut io::empty(), &LIMITS);
        let ids: Vec<SourceId> = loaded.sources.ids().collect();
        let texts = Texts::read(loaded.sources);
        let config = Config::default();
        let workspace = Workspace::of(&texts, &ids, &config, PathOf::default());
        let mut all: Vec<(String, Option<String>)> = workspace
            .clusters()
            .flat_map(|view| names(view.first_definitions()))
            .collect();
        all.sort();
        all.dedup();
        // Nobody may be waiting any more.
        let _ = sender.send(all);
    });
    let names = receiver.recv_timeout(PATIENCE).unwrap_or_default();
    let matching = names
        .into_iter()
        .filter(|(name, _)| name.starts_with(typed));
    matching
        .map(|(name, help)| CompletionCandidate::new(name).help(help.map(Into::into)))
        .collect()
}

/// What may be typed for an end, with a word on what it is.
fn names(cluster: &Cluster) -> Vec<(String, Option<String>)> {
    let mut names = Vec::new();
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
        names.push((typed, Some(kind.name().to_owned())));
    }
    for id in cluster.service_ids() {
        let service = cluster.service(id);
        let namespace = &cluster.namespace(service.namespace).name;
        let typed = format!("{namespace}/svc/{}", service.object.meta.name);
        names.push((typed, Some("Service".to_owned())));
    }
    names.push((
        Form::ANY.to_owned(),
        Some("every pod, and the outside".to_owned()),
    ));
    names.push((
        Form::INTERNET.to_owned(),
        Some("all public addresses".to_owned()),
    ));
    // A name that would do something in the shell is not offered.
    names
        .retain(|(name, _)| !name.contains(|char: char| char.is_control() || char.is_whitespace()));
    names
}
