//! Policies that npcheck reads and does not evaluate, as what they may do: everything to the
//! pods that they may be about.
//!
//! Refuses to know what they say.

use super::nodes;
use super::{Chain, End, HostNetwork, NamespaceSet, PodSet, PolicyRef, Stage, StageName};
use crate::cluster::{Cluster, PluginPolicyId};
use crate::engine::NamespaceView;
use crate::k8s::{PluginPolicy, PluginSpec, PolicyEffect};

/// The stage of those that decide before all others, and that of those that only forbid,
/// which is a gate by itself.
pub(super) struct Foreign<'c> {
    pub(super) deciding: Stage<'c>,
    pub(super) restricting: Stage<'c>,
}

/// The stages of those of these policies that nobody evaluates.
pub(super) fn lower<'c>(cluster: &'c Cluster, policies: &[PluginPolicyId]) -> Foreign<'c> {
    let mut foreign = Foreign {
        deciding: Stage::new(StageName::NotJudged),
        restricting: Stage::new(StageName::NotJudged),
    };
    for id in policies {
        let policy = cluster.plugin_policy(*id);
        if !is_in_force(cluster, policy) {
            continue;
        }
        let stage = match policy.kind.effect {
            PolicyEffect::Nothing => continue,
            PolicyEffect::Decides => &mut foreign.deciding,
            PolicyEffect::Restricts => &mut foreign.restricting,
        };
        if policy.kind.is_for_nodes() {
            let (policy_ref, text) = (PolicyRef::Plugin(*id), policy.meta.name.span);
            for direction in &policy.directions {
                nodes::add_guard(stage, policy_ref, text, *direction);
                nodes::add_guard_of_others(stage, cluster, policy_ref, text, *direction);
            }
            continue;
        }
        let Some(subject) = subject(cluster, policy) else {
            continue;
        };
        for direction in &policy.directions {
            let chain = chain(*id, policy, subject.clone());
            stage.chains.get_mut(*direction).push(chain);
        }
    }
    foreign
}

/// Whether a policy that npcheck does not evaluate counts in the cluster.
pub(super) fn is_in_force(cluster: &Cluster, policy: &PluginPolicy) -> bool {
    let is_shown = policy.shows_its_product() || cluster.enforcement().cni().is_some();
    is_shown && cluster.is_foreign(policy)
}

/// The pods that it may be about; `None` if there are none in the cluster.
fn subject<'c>(cluster: &Cluster, policy: &'c PluginPolicy) -> Option<PodSet<'c>> {
    let namespaces = match (&policy.spec, policy.namespace()) {
        (PluginSpec::PrimaryNetwork(network), home) => {
            let home = home.and_then(|name| cluster.namespace_by_name(name));
            // The label that its namespace needs may stand in a manifest which is not here.
            let is_open = |id: &_| !NamespaceView::of(cluster, *id).are_labels_known;
            match home.filter(is_open) {
                Some(home) => NamespaceSet::One(home),
                None => NamespaceSet::Matching(&network.namespaces),
            }
        }
        (_, None) => (policy.namespaces.as_ref()).map_or(NamespaceSet::All, NamespaceSet::Matching),
        (_, Some(name)) => NamespaceSet::One(cluster.namespace_by_name(name)?),
    };
    Some(PodSet {
        namespaces,
        pods: policy.subject.as_ref(),
        host_network: HostNetwork::Unseen,
        condition: None,
    })
}

fn chain<'c>(id: PluginPolicyId, policy: &PluginPolicy, subject: PodSet<'c>) -> Chain<'c> {
    let text = policy.meta.name.span;
    let policy_ref = PolicyRef::Plugin(id);
    match policy.kind.effect {
        PolicyEffect::Restricts => Chain::restricting(policy_ref, subject, text, None),
        PolicyEffect::Decides | PolicyEffect::Nothing => {
            Chain::unread(policy_ref, subject, text, End::Next)
        }
    }
}
