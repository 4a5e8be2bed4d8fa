//! A guarded port in words.
//!
//! Refuses to know who should get in, and how much that matters.

use super::{Entrance, Guard, name_of};
use crate::cluster::{Cluster, Cni};
use crate::diagnostic::Diagnostic;
use crate::engine::{PolicyRef, RuleRef};
use crate::k8s::{CiliumMeaning, CiliumPeers, NetworkPolicyPeer};
use crate::lint::words;
use std::collections::HashSet;

impl Entrance<'_> {
    /// That somebody cannot get in, in words: `who` is who.
    #[must_use]
    pub fn closed_to(&self, cluster: &Cluster, who: &str) -> String {
        let workload = cluster.workload_name(self.workload);
        let port = format!("{} {}", self.protocol, self.port);
        match self.guard {
            Guard::Isolation => format!("no policy lets {who} reach `{workload}` on {port}"),
            Guard::Denial => {
                let denying = names_of(cluster, &self.policies);
                format!("{denying} {who} access to `{workload}` on {port}")
            }
        }
    }

    /// What to do about a port that rules deny: no rule that allows it counts; `None` for others.
    #[must_use]
    pub fn remedy_of_denial(&self, cluster: &Cluster, who: &str) -> Option<String> {
        let (protocol, port) = (self.protocol, self.port);
        // In Cilium, what denies comes first (C1).
        let is_cilium = cluster.enforcement().cni().map(|cni| cni.value) == Some(Cni::Cilium);
        let is_plugin = |policy: &PolicyRef| matches!(policy, PolicyRef::Plugin(_));
        let or_before = match is_cilium && self.policies.iter().any(is_plugin) {
            true => "",
            false => ", or accept it in a rule that comes before",
        };
        let leave_out = format!("leave {who} on {protocol} {port} out of what the policy denies");
        (self.guard == Guard::Denial).then(|| leave_out + or_before)
    }

    /// The finding with the policies that guard the port, and who gets in.
    #[must_use]
    pub fn point_out(&self, cluster: &Cluster, mut finding: Diagnostic) -> Diagnostic {
        const SHOWN: usize = 3;
        let workload = cluster.workload_name(self.workload);
        let remark = match self.guard {
            Guard::Isolation => format!("isolates `{workload}` for ingress"),
            Guard::Denial => format!("denies it to `{workload}`, whatever other policies allow"),
        };
        for policy in self.policies.iter().take(SHOWN) {
            if let Some(span) = name_of(cluster, *policy) {
                finding = finding.related(span, remark.clone());
            }
        }
        if self.guard == Guard::Denial {
            return finding;
        }
        match self.policies.len().saturating_sub(SHOWN) {
            0 => {}
            1 => finding = finding.note("one more policy isolates these pods"),
            more => finding = finding.note(format!("{more} more policies isolate these pods")),
        }
        let peers = self
            .rules
            .iter()
            .flat_map(|(_, _, rule)| rule.peers.items());
        let by_plugin = self.plugin_rules.iter().flat_map(|rule| in_words_of(*rule));
        // Several policies may admit the same, and not one after the other.
        let mut told = HashSet::new();
        let admitted = peers.map(in_words).chain(by_plugin);
        let admitted: Vec<String> = admitted.filter(|it| told.insert(it.clone())).collect();
        let who = match admitted.len() {
            0 => "nobody".to_owned(),
            few if few <= SHOWN => admitted.join(", "),
            _ => format!("{} and others", admitted[..SHOWN].join(", ")),
        };
        finding.note(format!(
            "on {} {} these policies let in {who}",
            self.protocol, self.port
        ))
    }
}

/// Further ports in words, the first few by name; `None` for none.
#[must_use]
pub fn others<'e, 'c: 'e>(
    cluster: &Cluster,
    entrances: impl ExactSizeIterator<Item = &'e Entrance<'c>>,
) -> Option<String> {
    const SHOWN: usize = 5;
    let more = entrances.len().saturating_sub(SHOWN);
    let in_words = |entrance: &Entrance<'_>| {
        let workload = cluster.workload_name(entrance.workload);
        format!("`{workload}` on {} {}", entrance.protocol, entrance.port)
    };
    let shown: Vec<String> = entrances.take(SHOWN).map(in_words).collect();
    if shown.is_empty() {
        return None;
    }
    let shown = shown.join(", ");
    Some(match more {
        0 => shown,
        more => format!("{shown} and {more} more"),
    })
}

/// Policies by name as those that deny, in words.
#[must_use]
pub fn names_of(cluster: &Cluster, policies: &[PolicyRef]) -> String {
    let metas = policies.iter().filter_map(|policy| policy.meta(cluster));
    let names: Vec<String> = metas.map(|meta| meta.name.to_string()).collect();
    let verb = if names.len() == 1 { "denies" } else { "deny" };
    format!("{} {verb}", words::names(&names))
}

/// Whom a rule of a CNI plugin's lets in.
fn in_words_of(rule: RuleRef<'_>) -> Vec<String> {
    let RuleRef::Cilium(_, rule) = rule else {
        return vec!["what the Calico rules allow".to_owned()];
    };
    if rule.meaning() == CiliumMeaning::Everybody {
        return vec!["everybody".to_owned()];
    }
    let fields = rule.peer_fields.iter();
    let words = fields.flat_map(|field| match &field.peers {
        CiliumPeers::Endpoints(selectors) => selectors
            .iter()
            .map(|selector| match selector.is_empty() {
                true => "every pod of the namespace".to_owned(),
                false => format!("pods with `{selector}`"),
            })
            .collect(),
        CiliumPeers::Entities(entities) => {
            let names = entities.iter().map(|entity| entity.value.name());
            names.map(|name| format!("`{name}`")).collect()
        }
        CiliumPeers::Cidrs(cidrs) => cidrs
            .iter()
            .map(|cidr| format!("`{}`", cidr.value))
            .collect(),
        _ => vec![format!("those of `{}`", field.name)],
    });
    words.collect()
}

fn in_words(peer: &NetworkPolicyPeer) -> String {
    if let Some(block) = peer.ip_block.get() {
        return format!("`{}`", block.cidr.value);
    }
    let pods = match peer.pod_selector.get() {
        Some(pods) if !pods.is_empty() => format!("pods with `{pods}`"),
        _ => "every pod".to_owned(),
    };
    match peer.namespace_selector.get() {
        None => format!("{pods} of the namespace"),
        Some(namespaces) if namespaces.is_empty() => format!("{pods} of all namespaces"),
        Some(namespaces) => format!("{pods} of namespaces with `{namespaces}`"),
    }
}
