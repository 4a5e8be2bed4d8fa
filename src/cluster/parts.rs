//! The parts of a cluster that nobody could build.
//!
//! Refuses to know how they were found, and what a verdict makes of them.

use super::{Cluster, NamespaceId, UnknownPartId};
use crate::k8s::{PartEffect, UnknownPart};

impl Cluster {
    /// The same with parts that belong to it and that nobody could build.
    #[must_use]
    pub fn with_unknown_parts(mut self, parts: Vec<UnknownPart>) -> Self {
        self.unknown_parts = parts;
        self
    }

    /// The part of an id of this cluster.
    #[must_use]
    pub fn unknown_part(&self, id: UnknownPartId) -> &UnknownPart {
        &self.unknown_parts[id.index()]
    }

    /// The parts of which a namespace may hold policies, that may be policies for its pods, or
    /// that may change its objects: of
    /// those that do the same the first one only. Policies that a controller writes are not
    /// among them.
    #[must_use]
    pub fn unknown_parts_in(&self, namespace: NamespaceId) -> Vec<UnknownPartId> {
        let effects = [PartEffect::Adds, PartEffect::Covers, PartEffect::Changes];
        self.parts_in(namespace, &effects)
    }

    /// The parts with one of these effects that may be in a namespace: of those that do the same
    /// the first one only.
    #[must_use]
    pub fn parts_in(&self, namespace: NamespaceId, effects: &[PartEffect]) -> Vec<UnknownPartId> {
        let mut found: Vec<UnknownPartId> = Vec::new();
        let key = |part: &UnknownPart| (part.effect, part.pods.clone());
        for (id, part) in (0..).map(UnknownPartId).zip(&self.unknown_parts) {
            let has_say = effects.contains(&part.effect);
            let is_new = |known: &UnknownPartId| key(self.unknown_part(*known)) != key(part);
            if has_say && self.may_be_in(part, namespace) && found.iter().all(is_new) {
                found.push(id);
            }
        }
        found
    }

    /// Whether a namespace may hold more pods than are known, as a part of it could not be
    /// built.
    #[must_use]
    pub fn may_hold_more(&self, namespace: NamespaceId) -> bool {
        let mut parts = self.unknown_parts.iter();
        let brings_pods = |effect| match effect {
            PartEffect::Nothing
            | PartEffect::Isolates(_)
            | PartEffect::AddsPolicies(_)
            | PartEffect::Covers => false,
            PartEffect::AddsPods | PartEffect::Adds | PartEffect::Changes => true,
        };
        parts.any(|part| brings_pods(part.effect) && self.may_be_in(part, namespace))
    }

    /// Whether a part may be in a namespace. One of which the namespace is not known brings its
    /// own: it is in none that somebody else declares.
    fn may_be_in(&self, part: &UnknownPart, namespace: NamespaceId) -> bool {
        let found = self.namespace(namespace);
        match &part.namespace {
            Some(own) => *own == found.name,
            None if is_anywhere(part.effect) => true,
            None => found.declared.is_none(),
        }
    }
}

/// Whether it holds in namespaces that others declare: a controller writes it into them, or it is
/// a policy for all of them.
fn is_anywhere(effect: PartEffect) -> bool {
    matches!(
        effect,
        PartEffect::Isolates(_) | PartEffect::AddsPolicies(_) | PartEffect::Covers
    )
}
