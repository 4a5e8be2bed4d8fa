//! What two states differ in beside the flows between their pods and addresses: what entities
//! and names of the DNS are open to, what a change means for pods that no manifest declares,
//! and what nobody compares.
//!
//! Refuses to judge what a difference means.

use super::names::NameMoves;
use super::uncompared::Uncompared;
use crate::cli::entity_flows::EntityMoves;
use crate::cli::undeclared::UndeclaredMoves;
use crate::cluster::Cluster;
use crate::graph::{ComparisonQuery, Effect};
use crate::source::SourceMap;
use crate::workspace::ClusterView;
use std::collections::BTreeSet;

/// What two states differ in elsewhere, of all their clusters.
#[derive(Debug, Default)]
pub(super) struct Elsewhere {
    entities: EntityMoves,
    names: NameMoves,
    undeclared: UndeclaredMoves,
    uncompared: Uncompared,
}

impl Elsewhere {
    /// Adds what differs between the two states of a cluster, as far as the query asks for it.
    pub(super) fn add(
        &mut self,
        views: [&ClusterView; 2],
        sources: &SourceMap,
        query: impl FnOnce([&Cluster; 2]) -> ComparisonQuery,
    ) {
        let clusters = views.map(ClusterView::cluster);
        self.entities.add(clusters);
        self.names.add(clusters);
        self.undeclared.add(views, query);
        self.uncompared.add(clusters, sources);
    }

    /// What opens, a line each.
    pub(super) fn opened(&self) -> impl Iterator<Item = String> {
        let known = self.entities.opened.iter().chain(&self.names.opened);
        known.cloned().chain(self.undeclared.opened())
    }

    /// What closes, a line each.
    pub(super) fn closed(&self) -> impl Iterator<Item = String> {
        let known = self.entities.closed.iter().chain(&self.names.closed);
        known.cloned().chain(self.undeclared.closed())
    }

    /// What all of it is about. A name of the DNS is one of the internet.
    pub(super) fn effects(&self) -> BTreeSet<Effect> {
        let is_told = |flows: &[String], effect| (!flows.is_empty()).then_some(effect);
        let known = [
            is_told(&self.entities.opened, Effect::Opened),
            is_told(&self.names.opened, Effect::InternetEgressOpened),
            is_told(&self.entities.closed, Effect::Closed),
            is_told(&self.names.closed, Effect::Closed),
        ];
        let known = known.into_iter().flatten();
        known.chain(self.undeclared.effects()).collect()
    }

    /// What may open or close, as nobody compares it, a line each.
    pub(super) fn unknown(&self) -> impl Iterator<Item = String> {
        let names = self.names.is_cut_short().then(NameMoves::cut_short);
        names.into_iter().chain(self.uncompared.lines())
    }

    /// All of it for a reader, the first lines of each kind.
    pub(super) fn lines(&self) -> Vec<String> {
        let mut lines = self.entities.lines();
        lines.extend(self.names.lines());
        lines.extend(self.undeclared.lines());
        lines.extend(self.unknown().map(|line| format!("unknown: {line}")));
        lines
    }
}
