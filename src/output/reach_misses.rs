//! What keeps a peer from matching, in words.
//!
//! Refuses to know which of several is worth telling.

use super::reach_plugin;
use super::reach_terms::{found, namespace_label, wanted};
use super::reach_words::Words;
use crate::engine::{Miss, PolicyRef, RuleTrace, SideTrace};
use crate::k8s::{Direction, PluginSpec, Truth};

impl Words<'_> {
    /// Why a policy that isolates an end has no rule to ask.
    pub(super) fn without_rules(&self, side: &SideTrace<'_>, policy: PolicyRef) -> String {
        let direction = side.direction;
        let field = direction.field();
        let spec = match policy {
            PolicyRef::Plugin(id) => Some(&self.cluster.plugin_policy(id).spec),
            _ => None,
        };
        // A rule of Calico's may be for some of the pods that its policy selects.
        let others = matches!(spec, Some(PluginSpec::Calico(policy))
            if !policy.rules(direction).is_empty());
        match side.rules_before().any(|rule| rule.policy == policy) {
            true => format!("only {field}Deny rules (allows nothing, so that all is denied)"),
            false if others => format!("no {field} rules for this end (denies all)"),
            false => format!("no {field} rules (denies all)"),
        }
    }

    /// What keeps a peer from matching.
    pub(super) fn miss(
        &self,
        direction: Direction,
        rule: &RuleTrace<'_>,
        miss: &Miss<'_>,
    ) -> String {
        let other = self.other(direction);
        match miss {
            Miss::PodLabel(requirement) => {
                format!(
                    "wants {}, {other} {}",
                    wanted(requirement),
                    found(requirement)
                )
            }
            Miss::NamespaceLabel(requirement) => namespace_label(other, requirement),
            Miss::OtherNamespace => match rule.policy {
                PolicyRef::Network(id) => {
                    let namespace = self.cluster.policy(id).namespace;
                    let namespace = &self.cluster.namespace(namespace).name;
                    format!("wants a pod of namespace {namespace}, {other} is in another")
                }
                PolicyRef::Cluster(_)
                | PolicyRef::Plugin(_)
                | PolicyRef::Part(_)
                | PolicyRef::Agent => "wants a pod of another namespace".to_owned(),
            },
            Miss::NotAPod => match reach_plugin::reserved_identity(rule.rule) {
                Some(identity) => format!("wants {identity}, which {other} does not have"),
                None => format!("wants a pod of the cluster, {other} is not one"),
            },
            Miss::HostNetwork => {
                format!(
                    "wants a pod by its labels, {other} is on the host network, unseen by selectors"
                )
            }
            Miss::NetworkUnknown => {
                format!("does not see {other} if it is on the host network, which is not known")
            }
            Miss::AddressUnknown(block, Truth::Unknown, false) => format!(
                "wants an address in {}, which some of the pod ranges are; that of {other} is \
                 not known",
                block.value
            ),
            Miss::AddressUnknown(block, _, false) => {
                format!("wants an address in {}, which no pod range is", block.value)
            }
            Miss::AddressUnknown(block, Truth::Unknown, true) => format!(
                "wants an address in {}, which a node may have; that of the node of {other} is \
                 not known",
                block.value
            ),
            Miss::AddressUnknown(block, _, true) => {
                format!("wants an address in {}, which no node has", block.value)
            }
            Miss::BlockIgnoresPods(block) => format!(
                "wants an address in {}, and the CNI plugin compares none with that of {other}",
                block.value
            ),
            Miss::OutsideBlock(block) => {
                format!("wants an address in {}, {other} is not in it", block.value)
            }
            Miss::Except(except) => format!("{other} is in its exception {}", except.value),
            Miss::NotANode(Truth::Unknown) => {
                format!("wants the address of a node, that of {other} is not known")
            }
            Miss::NotANode(_) => "wants the address of a node, which it is not".to_owned(),
            Miss::AddressOfName => {
                format!("wants other addresses than {other} may have, which are not known")
            }
            Miss::Unmet(unmet) => reach_plugin::unmet(unmet, other),
            Miss::AnotherEnd => format!("wants another end than {other}"),
            Miss::Untold => "wants addresses that no manifest tells".to_owned(),
            Miss::DomainName(_) => "wants a DNS name, which cannot be resolved offline".to_owned(),
        }
    }
}
