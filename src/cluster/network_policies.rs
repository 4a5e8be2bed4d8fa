//! What the CNI plugin makes of the directions of a NetworkPolicy.
//!
//! Refuses to know pods, and what the rules match.

use super::Enforcement;
use super::cni::Cni;
use crate::k8s::{Direction, NetworkPolicy, NetworkPolicyRule};

impl Enforcement {
    /// Whether a NetworkPolicy counts in a direction: Cilium enforces the rules of one that its
    /// `policyTypes` leave out (M2).
    #[must_use]
    pub fn applies(&self, policy: &NetworkPolicy, direction: Direction) -> bool {
        let counts_rules = (self.cni()).is_some_and(|cni| cni.value == Cni::Cilium);
        let has_rules = || !policy.rules_field(direction).items().is_empty();
        policy.applies_to(direction) || counts_rules && has_rules()
    }

    /// The rules of a NetworkPolicy that are enforced in a direction.
    #[must_use]
    pub fn rules<'p>(
        &self,
        policy: &'p NetworkPolicy,
        direction: Direction,
    ) -> &'p [NetworkPolicyRule] {
        match self.applies(policy, direction) {
            true => policy.rules_field(direction).items(),
            false => &[],
        }
    }
}
