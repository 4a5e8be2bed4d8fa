//! The text of a first `npcheck.yaml`.
//!
//! What was recognised in every cluster is set, so that it stays true when only a part of the
//! manifests is looked at. A key that is not in force stands behind `#` without a space, so
//! that it can be put in force by taking that away; a text for people has the space.

use super::super::input::Input;
use crate::cluster::Evidence;
use crate::cluster::platform::{self, makes_namespace};
use crate::config::cni_word;
use crate::output::{Escaped, count, display_name};
use crate::workspace::ClusterView;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::{Display, Write};

/// How many clusters are named.
const MAX_CLUSTERS: usize = 20;

/// How many clusters are named in one line.
const MAX_NAMES: usize = 4;

/// How many namespaces are proposed.
const MAX_NAMESPACES: usize = 8;

const HEAD: &str = "\
# npcheck.yaml, drafted by `npcheck init` from the manifests.
#
# Keys after a # are not in force; they show what can be set. `npcheck config .` shows what
# is in force and by what it was recognised, `npcheck schema config` has every key.

version: 1

# The lowest severity that makes `npcheck lint` fail: error, warning or info.
failOn: warning
";

const TAIL: &str = "
# The version of Kubernetes: the API server of that version decides what is accepted.
#kubernetes: \"1.34\"

# Pods that other repositories, operators or charts make, so that policies for them count.
#externalPods: [{namespace: db, labels: {app: postgres}}]

# Who lets connections from outside in, if it is not one that npcheck knows.
#ingressControllers: [{namespace: edge, labels: {app: edge}}]

# Rules by their names: error, warning, info or off. `npcheck explain --all` lists them.
#rules: {undocumented-policy: info, all-ports: {severity: off, reason: the mesh decides}}

# Findings in manifests that you cannot edit. In your own a comment is nearer:
# `# npcheck: ignore RULE -- reason`.
#ignore: [{rule: any-cidr, object: \"vendor/NetworkPolicy/*\", reason: reported upstream}]
";

/// The text of the file.
pub(super) fn configuration(input: &Input) -> String {
    let views: Vec<&ClusterView> = input.workspace.clusters().collect();
    let mut text = HEAD.to_owned();
    push_plugin(&views, &mut text);
    push_platform(&views, &mut text);
    push_ranges(&views, &mut text);
    push_inventory(&views, &mut text);
    push_clusters(&views, &mut text);
    text + TAIL
}

/// The same in a few lines for the terminal, not escaped.
pub(super) fn recognised(input: &Input) -> Vec<String> {
    let views: Vec<&ClusterView> = input.workspace.clusters().collect();
    let line = |what: &str, of: fn(&ClusterView) -> Recognised| {
        let agreed = agreed(&views, of);
        let rows = agreed.iter().map(|(value, by)| format!("{value}, by {by}"));
        match rows.collect::<Vec<_>>().join("; ") {
            rows if !rows.is_empty() => format!("{what}: {rows}"),
            _ if differences(&views, of).is_empty() => format!("{what}: not recognised"),
            _ => format!("{what}: differs between the clusters, left for you to say"),
        }
    };
    let clusters = match views.as_slice() {
        [_] => "one cluster".to_owned(),
        some => {
            let names = some.iter().take(MAX_CLUSTERS);
            let names: Vec<&str> = names.map(|view| display_name(view.name())).collect();
            format!("{}: {}", count(some.len(), "cluster"), names.join(", "))
        }
    };
    vec![
        line("CNI plugin", plugin),
        line("platform", distribution),
        clusters,
    ]
}

/// Values of a cluster, each with what it was recognised by.
type Recognised = Vec<(String, String)>;

/// What was recognised of every cluster, by whatever it was in the first; nothing if they
/// differ: the file speaks of all of them.
fn agreed(views: &[&ClusterView], of: impl Fn(&ClusterView) -> Recognised) -> Recognised {
    let mut each = views.iter().map(|view| of(view));
    let first = each.next().unwrap_or_default();
    let values = |some: &Recognised| -> Vec<String> {
        some.iter().map(|(value, _)| value.clone()).collect()
    };
    match each.all(|other| values(&other) == values(&first)) {
        true => first,
        false => Vec::new(),
    }
}

fn plugin(view: &ClusterView) -> Recognised {
    let recognised = view.cluster().enforcement().cni();
    let by_object = recognised.and_then(|cni| match &cni.evidence {
        Evidence::Object { name, .. } => Some((cni_word(cni.value).to_owned(), name.clone())),
        _ => None,
    });
    by_object.into_iter().collect()
}

fn distribution(view: &ClusterView) -> Recognised {
    let evidence = view.cluster().platform().evidence().iter();
    let row = |evidence: &platform::Evidence| {
        let word = evidence.distribution.word().to_owned();
        (word, evidence.by.first().cloned().unwrap_or_default())
    };
    evidence.map(row).collect()
}

fn ranges(view: &ClusterView) -> Recognised {
    let ranges = view.cluster().enforcement().pod_ranges().iter();
    let by_object = ranges.filter_map(|range| match &range.evidence {
        Evidence::Object { name, .. } => Some((range.value.to_string(), name.clone())),
        _ => None,
    });
    by_object.collect()
}

fn push_plugin(views: &[&ClusterView], text: &mut String) {
    *text += "\n# The CNI plugin, which enforces the policies: what Kubernetes leaves open, it decides.\n";
    match agreed(views, plugin).as_slice() {
        [(plugin, by)] => {
            comment(text, format_args!("Recognised by {by}."));
            push_line(text, format_args!("cni: {plugin}"));
        }
        _ => {
            let first = push_differences(views, plugin, text);
            let shown = first.as_deref().unwrap_or("calico");
            push_line(text, format_args!("#cni: {shown}"));
        }
    }
}

fn push_platform(views: &[&ClusterView], text: &mut String) {
    *text += "\n# The platform: which namespaces, labels and pods are there without a manifest.\n";
    let distributions = agreed(views, distribution);
    if distributions.is_empty() {
        let first = push_differences(views, distribution, text);
        let shown = first.as_deref().unwrap_or("openshift");
        push_line(
            text,
            format_args!("#platform: {{distributions: [{shown}]}}"),
        );
        return;
    }
    for (word, by) in &distributions {
        comment(text, format_args!("{word}: recognised by {by}."));
    }
    let words: Vec<&str> = distributions
        .iter()
        .map(|(word, _)| word.as_str())
        .collect();
    push_line(
        text,
        format_args!("platform: {{distributions: [{}]}}", words.join(", ")),
    );
}

/// What clusters that differ were recognised as, each value once; or that none was. The first
/// of the values, to be shown.
fn push_differences(
    views: &[&ClusterView],
    of: impl Fn(&ClusterView) -> Recognised,
    text: &mut String,
) -> Option<String> {
    let differing = differences(views, of);
    if differing.is_empty() {
        *text += "# Nothing here tells which one it is.\n";
    }
    for (value, (by, names)) in &differing {
        let more = match names.len().saturating_sub(MAX_NAMES) {
            0 => String::new(),
            more => format!(" and {more} more"),
        };
        let names = names[..names.len().min(MAX_NAMES)].join(", ");
        comment(text, format_args!("{value} in {names}{more}, by {by}."));
    }
    differing.into_keys().next()
}

/// By value: what it was first recognised by, and the names of the clusters.
fn differences<'v>(
    views: &[&'v ClusterView],
    of: impl Fn(&ClusterView) -> Recognised,
) -> BTreeMap<String, (String, Vec<&'v str>)> {
    let mut differing: BTreeMap<String, (String, Vec<&str>)> = BTreeMap::new();
    for view in views {
        for (value, by) in of(view) {
            let (_, names) = differing.entry(value).or_insert((by, Vec::new()));
            names.push(display_name(view.name()));
        }
    }
    differing
}

fn push_ranges(views: &[&ClusterView], text: &mut String) {
    *text += "\n# Where pods, Services and nodes have their addresses; else any private address is taken\n# for possible.\n";
    for (range, by) in agreed(views, ranges) {
        comment(text, format_args!("Pods: {range}, recognised by {by}."));
    }
    *text += "#cluster: {podCIDRs: [10.244.0.0/16], serviceCIDRs: [10.96.0.0/12]}\n";
}

fn push_inventory(views: &[&ClusterView], text: &mut String) {
    *text += "
# Whether every pod and namespace is among the manifests. If so, a selector that matches
# nothing is a mistake by itself; else npcheck asks for further evidence. `complete` means all
# of the cluster.\n";
    let mut names = BTreeSet::new();
    for view in views {
        let cluster = view.cluster();
        for id in cluster.workload_ids() {
            let namespace = cluster.workload(id).namespace;
            names.insert(cluster.namespace(namespace).name.clone());
        }
    }
    names.retain(|name| is_plain(name) && !makes_namespace(name));
    let number = names.len();
    let shown: Vec<String> = names.into_iter().take(MAX_NAMESPACES).collect();
    if shown.is_empty() {
        *text += "#inventory: complete\n";
        return;
    }
    if number > shown.len() {
        comment(
            text,
            format_args!("{number} namespaces have workloads here; the first of them:"),
        );
    }
    push_line(
        text,
        format_args!("#inventory: {{complete: [{}]}}", shown.join(", ")),
    );
}

fn push_clusters(views: &[&ClusterView], text: &mut String) {
    *text +=
        "\n# The clusters of this tree, by what Flux, Argo CD and kustomize deploy together.\n";
    for view in views.iter().take(MAX_CLUSTERS) {
        let part = view.part();
        let name = match views.len() {
            1 => "one cluster",
            _ => display_name(view.name()),
        };
        let by = match part.roots.first() {
            Some(root) if part.roots.len() == 1 => format!("{} {}", root.kind, root.name),
            Some(root) => format!("{} {} and others", root.kind, root.name),
            None => format!("{}, as they stand", count(part.objects.len(), "object")),
        };
        comment(text, format_args!("  {name}: {by}"));
    }
    if views.len() > MAX_CLUSTERS {
        let more = views.len() - MAX_CLUSTERS;
        comment(text, format_args!("  and {more} more"));
    }
    *text += "\
# Where that is wrong, or something is known of one of them only, scopes say it; paths are
# relative to this file.
#scopes: [{name: prod, paths: [\"clusters/prod/**\"], inventory: complete}]\n";
}

/// A comment for people. What a stranger wrote in it cannot end the line.
fn comment(text: &mut String, line: impl Display) {
    push_line(text, format_args!("# {}", Escaped(&line.to_string())));
}

fn push_line(text: &mut String, line: impl Display) {
    writeln!(text, "{line}").expect("a text takes everything");
}

/// Whether YAML reads a name as itself, and Kubernetes takes it.
fn is_plain(name: &str) -> bool {
    let is_part = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    let is_word = matches!(
        name,
        "y" | "n" | "yes" | "no" | "on" | "off" | "true" | "false" | "null"
    );
    name.bytes().all(is_part)
        && name.starts_with(|first: char| first.is_ascii_lowercase())
        && !is_word
}
