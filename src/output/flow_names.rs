//! Ends of flows and what decides about them in a few words, for every command that shows
//! flows.
//!
//! Refuses to escape: each format does that for its medium.

use super::graph::outside_name;
use crate::cluster::Cluster;
use crate::engine::{AddressRange, Entity, PolicyRef, ReasonCode};
use crate::graph::{EndSet, FlowMatrix, NodeEnds, NodeId, SideReason};
use crate::k8s::Direction;
use crate::source::{SourceMap, Span};

/// More names than this are counted instead.
const MAX_NAMES: usize = 2;

/// A node: `shop/Deployment/web`, `shop/Deployment/a and 3 alike`, `internet`.
pub(crate) fn node(matrix: &FlowMatrix<'_>, internet: &EndSet, node: NodeId) -> String {
    match matrix.ends(node) {
        NodeEnds::Outside(ranges) => addresses(internet, ranges),
        NodeEnds::Entity(entity) => entity_name(entity),
        NodeEnds::Workloads(group) => {
            let cluster = matrix.cluster();
            let names = group
                .iter()
                .take(MAX_NAMES)
                .map(|id| cluster.workload_name(*id));
            let names: Vec<String> = names.collect();
            match group.len() {
                number @ ..=MAX_NAMES => names[..number].join(" and "),
                number => format!("{} and {} alike", names[0], number - 1),
            }
        }
    }
}

/// A node, the API server or their like, as one asks for it: `entity:host`.
pub(crate) fn entity_name(entity: Entity) -> String {
    format!("entity:{}", entity.name())
}

/// Addresses: `internet` for all public ones, `outside` for all that there are.
pub(crate) fn addresses(internet: &EndSet, ranges: &[AddressRange]) -> String {
    let public = internet.outside();
    let spaces = [AddressRange::IPV4, AddressRange::IPV6];
    let others: Vec<AddressRange> = spaces
        .iter()
        .flat_map(|space| space.without(public))
        .collect();
    match ranges {
        _ if ranges == public => "internet".to_owned(),
        _ if ranges == others => "private and special addresses".to_owned(),
        _ if ranges.iter().all(|range| internet.has_range(range)) => {
            format!("internet ({})", outside_name(ranges))
        }
        _ => outside_name(ranges),
    }
}

/// What decides about one side: `ingress: not isolated`, `ingress: shop/web-in #2`.
pub(crate) fn reason(cluster: &Cluster, reason: &SideReason) -> String {
    let side = match reason.direction {
        Direction::Ingress => "ingress",
        Direction::Egress => "egress",
    };
    match reason.rule {
        Some((policy, index, _)) => {
            format!("{side}: {}", rule_name(cluster, policy, index))
        }
        None => match reason.code {
            ReasonCode::NotIsolated => format!("{side}: not isolated"),
            ReasonCode::HostNetwork => format!("{side}: on the host network"),
            ReasonCode::SamePod => format!("{side}: the same pod"),
            ReasonCode::NoRules => format!("{side}: isolated, by policies without rules"),
            ReasonCode::NoRuleMatches => format!("{side}: isolated, and no rule matches"),
            ReasonCode::UnknownNamespace => {
                format!("{side}: unknown, as a namespace is not among the manifests")
            }
            ReasonCode::UnknownLabels => {
                format!("{side}: unknown, as it depends on labels that are not known")
            }
            ReasonCode::Substitution => {
                format!("{side}: unknown, as another tool fills in a part")
            }
            code => format!("{side}: {}", code.name()),
        },
    }
}

/// The name of a policy of any kind with the place of a rule in it, from 1; what a part may
/// bring that nobody could build has no places.
pub(super) fn rule_name(cluster: &Cluster, policy: PolicyRef, index: usize) -> String {
    let name = policy_name(cluster, policy);
    match policy {
        PolicyRef::Part(_) | PolicyRef::Agent => name,
        _ => format!("{name} #{}", index + 1),
    }
}

/// The name of a policy of any kind.
pub(super) fn policy_name(cluster: &Cluster, policy: PolicyRef) -> String {
    match policy {
        PolicyRef::Network(id) => cluster.policy_name(id),
        PolicyRef::Cluster(id) => {
            let policy = cluster.cluster_policy(id);
            format!("{}/{}", policy.kind.name(), policy.meta.name)
        }
        PolicyRef::Plugin(id) => cluster.plugin_policy(id).display(),
        PolicyRef::Part(_) => "unknown part".to_owned(),
        PolicyRef::Agent => "enable-policy: always".to_owned(),
    }
}

/// `k8s/web.yaml:21:9`.
pub(crate) fn place(sources: &SourceMap, span: Span) -> String {
    let source = sources.get(span.source);
    let position = source.position(span.start);
    format!("{}:{}:{}", source.name(), position.line, position.column)
}
