//! Policies of which two states say different things that no verdict is about: those that are
//! not judged, names that nobody resolves, texts that another tool fills in, and rules above
//! the ports. That both states allow the same for all that is known says nothing of these.
//!
//! Refuses to understand them: a text is the same or it is not.

use crate::cluster::Cluster;
use crate::k8s::{
    CiliumAddresses, CiliumPeers, CiliumRule, EgressFirewallDestination, ObjectMeta, PeerSelection,
    PluginPolicy, PluginSpec, PolicyEffect,
};
use crate::source::{SourceMap, Span};
use std::collections::{BTreeMap, BTreeSet};

/// What is not compared of a policy, in words.
type What = &'static str;

/// The policies that differ in something that is not compared.
#[derive(Debug, Default)]
pub(super) struct Uncompared {
    policies: BTreeSet<(String, What)>,
}

impl Uncompared {
    /// Adds those of the two states of a cluster that both have.
    pub(super) fn add(&mut self, clusters: [&Cluster; 2], sources: &SourceMap) {
        let [before, after] = clusters.map(|cluster| said(cluster, sources));
        for (policy, text) in after {
            if before.get(&policy).is_some_and(|old| *old != text) {
                self.policies.insert(policy);
            }
        }
    }

    /// A line for each.
    pub(super) fn lines(&self) -> impl Iterator<Item = String> {
        let policies = self.policies.iter();
        policies.map(|(name, what)| format!("{name} changes in {what}, which is not compared"))
    }
}

/// By policy and what is not compared of it: what it says of that, in any order.
fn said(cluster: &Cluster, sources: &SourceMap) -> BTreeMap<(String, What), Vec<String>> {
    const FILLED_IN: What = "what another tool fills in";
    const NAMES: What = "names of the DNS";
    let mut said = BTreeMap::new();
    let mut add = |name: &str, what: What, mut parts: Vec<String>| {
        parts.sort_unstable();
        said.insert((name.to_owned(), what), parts);
    };
    let holes =
        |meta: &ObjectMeta| holes_of(&sources.get(meta.span.source).text()[meta.span.range()]);
    for id in cluster.policy_ids() {
        let meta = &cluster.policy(id).object.meta;
        let name = format!("NetworkPolicy {}", cluster.policy_name(id));
        add(&name, FILLED_IN, holes(meta));
    }
    for policy in cluster.cluster_policies() {
        let name = format!("{} {}", policy.kind.name(), policy.meta.name);
        add(&name, FILLED_IN, holes(&policy.meta));
        let peers = policy.egress.iter().flat_map(|rule| &rule.peers);
        let names = peers.filter_map(|peer| match &peer.selection {
            PeerSelection::DomainNames(names) => Some(names),
            _ => None,
        });
        let names = names.flatten().map(|name| name.value.clone());
        add(&name, NAMES, names.collect());
    }
    for policy in cluster.plugin_policies() {
        let name = policy.display();
        let effect = policy.kind.effect;
        if cluster.is_foreign(policy) {
            if effect != PolicyEffect::Nothing {
                add(
                    &name,
                    "rules that are not evaluated",
                    vec![whole(sources, policy)],
                );
            }
            continue;
        }
        add(&name, FILLED_IN, holes(&policy.meta));
        match &policy.spec {
            PluginSpec::Cilium(spec) => {
                let rules = spec.specs.iter().flat_map(|spec| &spec.rules);
                let above = rules.clone().filter_map(CiliumRule::layer7);
                let above = above.map(|rules| words(sources, rules.span));
                add(&name, "rules above the ports", above.collect());
                let fields = rules.flat_map(|rule| &rule.peer_fields);
                let groups = fields.flat_map(|field| unknown_groups(cluster, &field.peers));
                let groups = groups.map(|span| words(sources, span));
                add(&name, "groups that no manifest declares", groups.collect());
            }
            PluginSpec::EgressFirewall(firewall) => {
                let named = firewall.rules.iter().filter_map(|rule| match &rule.to {
                    EgressFirewallDestination::DnsName(_) => Some(words(sources, rule.span)),
                    _ => None,
                });
                add(&name, NAMES, named.collect());
            }
            _ => {}
        }
    }
    said
}

/// The groups of addresses, of a cloud or by name, of which nobody here knows the addresses.
fn unknown_groups(cluster: &Cluster, peers: &CiliumPeers) -> Vec<Span> {
    let is_known = |name: &str| {
        let mut known = cluster.plugin_resources().cidr_groups.iter();
        known.any(|group| group.meta.name.value == name)
    };
    match peers {
        CiliumPeers::Groups(groups) => groups.clone(),
        CiliumPeers::CidrSets(sets) => {
            let unknown = sets.iter().filter_map(|set| match &set.addresses {
                CiliumAddresses::Group(name) if !is_known(&name.value) => Some(name.span),
                _ => None,
            });
            unknown.collect()
        }
        _ => Vec::new(),
    }
}

/// What another tool fills in of a text: `${NAME}`, `{{ … }}`.
fn holes_of(text: &str) -> Vec<String> {
    let holes = |open: &'static str, close: &'static str| {
        let starts = text.match_indices(open).map(|(at, _)| &text[at..]);
        starts.filter_map(move |rest| Some(rest[..rest.find(close)?].to_owned()))
    };
    holes("${", "}").chain(holes("{{", "}}")).collect()
}

/// A text without its white space, and without lines of comments.
fn words(sources: &SourceMap, span: Span) -> String {
    let text = &sources.get(span.source).text()[span.range()];
    let lines = text
        .lines()
        .filter(|line| !line.trim_start().starts_with('#'));
    let words: Vec<&str> = lines.flat_map(str::split_whitespace).collect();
    words.join(" ")
}

/// What a policy says beside its metadata, or all of it where that cannot be told apart.
fn whole(sources: &SourceMap, policy: &PluginPolicy) -> String {
    let span = policy.meta.span;
    let text = sources.get(span.source).text();
    let column = text[..span.start as usize]
        .rfind('\n')
        .map_or(0, |at| at + 1);
    let indented = format!(
        "{}{}",
        " ".repeat(span.start as usize - column),
        &text[span.range()]
    );
    let parsed = serde_yaml::from_str::<serde_yaml::Mapping>(&indented);
    let Ok(mut object) = parsed else {
        return words(sources, span);
    };
    object.retain(|key, _| !matches!(key.as_str(), Some("metadata" | "status")));
    let mut fields: Vec<String> = object.iter().map(|field| format!("{field:?}")).collect();
    fields.sort_unstable();
    fields.join("\n")
}
