//! The cluster-wide policies of Kubernetes as Cilium enforces them where it is told to read them
//! (M6): a tier before its own set of rules and one behind it, which is asked even for pods
//! that the set isolates.
//!
//! Refuses to know what the rules of the tiers say, and what is in the set.

use super::cilium_parts::{namespaces, outside};
use super::condition::Condition;
use super::identity::{CLUSTER, CLUSTER_KEY, Identities, Source};
use super::{
    ByDirection, Chain, End, HostNetwork, Matcher, NamespaceSet, PodSet, Stage, StageName,
};
use crate::cluster::CiliumOptions;
use crate::k8s::{Direction, Operator};
use ipnet::IpNet;

/// All stages in order: what isolates comes last, as the Baseline tier may open what it keeps
/// shut.
pub(super) fn stages<'c>(
    [denies, mut allows]: [Stage<'c>; 2],
    [admin, baseline]: [Stage<'c>; 2],
    options: &CiliumOptions,
) -> Vec<Stage<'c>> {
    let mut isolation = Stage::new(StageName::Isolation);
    for direction in Direction::BOTH {
        let isolated = isolation.chains.get_mut(direction);
        let chains = allows.chains.get_mut(direction).iter_mut();
        for chain in chains.filter(|chain| chain.end == End::Deny) {
            chain.end = End::Next;
            isolated.push(Chain {
                policy: chain.policy,
                subject: chain.subject.clone(),
                is_subject_known: chain.is_subject_known,
                rules: Vec::new(),
                end: End::Deny,
            });
        }
    }
    let [admin, baseline] = [admin, baseline].map(|stage| by_identity(stage, options));
    vec![admin, denies, allows, baseline, isolation]
}

/// A tier whose selectors see what identities have, and whose blocks hold no pods.
fn by_identity<'c>(mut stage: Stage<'c>, options: &CiliumOptions) -> Stage<'c> {
    let ByDirection { ingress, egress } = &mut stage.chains;
    for chain in ingress.iter_mut().chain(egress) {
        compare_identities(chain, options);
    }
    stage
}

fn compare_identities(chain: &mut Chain<'_>, options: &CiliumOptions) {
    chain.subject = pods_by_identity(&chain.subject, options);
    let peers = chain.rules.iter_mut().flat_map(|rule| &mut rule.peers);
    for peer in peers.flatten() {
        match &peer.matcher {
            Matcher::Pods(pods) => peer.matcher = Matcher::Pods(pods_by_identity(pods, options)),
            Matcher::Blocks(blocks) => {
                let nets: Vec<IpNet> = blocks.iter().map(|block| block.cidr.value).collect();
                peer.matcher = outside(&nets, &[]);
            }
            _ => {}
        }
    }
}

fn pods_by_identity<'c>(pods: &PodSet<'c>, options: &CiliumOptions) -> PodSet<'c> {
    let mut identities = Identities::new(pods.pods, Source::Kubernetes);
    if let NamespaceSet::Matching(selector) = pods.namespaces {
        identities.0.extend(namespaces(selector).0);
    }
    identities.imply(CLUSTER_KEY, Operator::In, &[CLUSTER]);
    PodSet {
        namespaces: NamespaceSet::All,
        pods: None,
        host_network: HostNetwork::Unseen,
        condition: Some(Condition::identities(identities.under(options))),
    }
}
