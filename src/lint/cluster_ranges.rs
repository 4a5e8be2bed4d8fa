//! Blocks of addresses that lie in the cluster: what the configuration, the manifests and the
//! platform tell of the ranges of pods, Services and nodes.
//!
//! Refuses to know what a CNI plugin makes of such a block.

use super::Context;
use crate::cluster::{self, Cluster};
use crate::source::{Spanned, Text};
use ipnet::{IpNet, Ipv4Net};
use std::net::IpAddr;

/// What a range of the cluster is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// Pods.
    Pods,
    /// Services.
    Services,
    /// Nodes.
    Nodes,
}

impl Purpose {
    /// What has its addresses there, in the plural.
    #[must_use]
    pub fn noun(self) -> &'static str {
        match self {
            Self::Pods => "pods",
            Self::Services => "Services",
            Self::Nodes => "nodes",
        }
    }
}

/// How a block lies to a range of the cluster.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Overlap {
    /// The block holds nothing but a part of the range.
    Part,
    /// The block is the range.
    Same,
    /// The block holds the range and other addresses.
    Wider,
}

/// What a block is for, how it lies to that range, and what tells it; `None` where nothing
/// tells that it lies in the cluster.
#[must_use]
pub fn known(
    cx: &Context<'_>,
    cidr: IpNet,
    except: &[Spanned<IpNet>],
) -> Option<(Purpose, Overlap, String)> {
    let cidr = cidr.trunc();
    configured(cx, cidr, except)
        .or_else(|| usual(cx, cidr))
        .or_else(|| by_object(cx.cluster, cidr))
}

/// How the block lies to the ranges that the configuration names.
fn configured(
    cx: &Context<'_>,
    cidr: IpNet,
    except: &[Spanned<IpNet>],
) -> Option<(Purpose, Overlap, String)> {
    let settings = cx.settings;
    let ranges = [
        (Purpose::Pods, &settings.pod_cidrs),
        (Purpose::Services, &settings.service_cidrs),
        (Purpose::Nodes, &settings.node_cidrs),
    ];
    let overlaps = ranges.into_iter().flat_map(|(purpose, ranges)| {
        let overlap = move |range: &IpNet| {
            let range = range.trunc();
            let overlap = overlap(cidr, range, except)?;
            let evidence = format!("`{range}` is the range of {}", purpose.noun());
            Some((purpose, overlap, evidence))
        };
        ranges.iter().filter_map(overlap)
    });
    // A block inside one range says more than a block around another one.
    overlaps.min_by_key(|(_, overlap, _)| *overlap == Overlap::Wider)
}

/// Whether the block is the usual range of the platform that the manifests are for, where the
/// configuration names none.
fn usual(cx: &Context<'_>, cidr: IpNet) -> Option<(Purpose, Overlap, String)> {
    let settings = cx.settings;
    let by_object = cx.cluster.enforcement().pod_ranges().iter();
    let mut by_object = by_object.filter_map(|range| match &range.evidence {
        cluster::Evidence::Object { name, .. } => Some((range.value.trunc(), name)),
        _ => None,
    });
    if let Some((range, name)) = by_object.find(|(range, _)| *range == cidr) {
        let evidence = format!("`{name}` says that `{range}` is the range of pods");
        return Some((Purpose::Pods, Overlap::Same, evidence));
    }
    let ranges = cx.cluster.platform().ranges()?;
    let pods = ranges.pods.filter(|_| settings.pod_cidrs.is_empty());
    let services = ranges
        .services
        .filter(|_| settings.service_cidrs.is_empty());
    let is_it = |range: Option<Ipv4Net>| range.is_some_and(|range| IpNet::V4(range) == cidr);
    let purpose = match (is_it(pods), is_it(services)) {
        (true, _) => Purpose::Pods,
        (_, true) => Purpose::Services,
        _ => return None,
    };
    let evidence = format!(
        "the usual range of {} of {}",
        purpose.noun(),
        ranges.distribution.name()
    );
    Some((purpose, Overlap::Same, evidence))
}

/// One address that an object says is its own.
fn by_object(cluster: &Cluster, cidr: IpNet) -> Option<(Purpose, Overlap, String)> {
    if cidr.prefix_len() != cidr.max_prefix_len() {
        return None;
    }
    let address = cidr.addr();
    let found =
        |purpose, whose: String| Some((purpose, Overlap::Part, format!("the address of {whose}")));
    let services = cluster.services().iter();
    let is_its = |ip: &Text| ip.parse::<IpAddr>().is_ok_and(|ip| ip == address);
    let mut services = services.filter(|service| service.object.cluster_ip.iter().any(is_its));
    if let Some(service) = services.next() {
        return found(
            Purpose::Services,
            format!("Service `{}`", service.object.meta.name),
        );
    }
    let mut nodes = cluster.nodes().iter();
    if let Some(node) = nodes.find(|node| node.addresses.contains(&address)) {
        return found(Purpose::Nodes, format!("Node `{}`", node.meta.name));
    }
    let mut workloads = cluster.workload_ids();
    let workload =
        workloads.find(|id| cluster.workload(*id).object.addresses.contains(&address))?;
    found(
        Purpose::Pods,
        format!("`{}`", cluster.workload_name(workload)),
    )
}

fn overlap(cidr: IpNet, range: IpNet, except: &[Spanned<IpNet>]) -> Option<Overlap> {
    // Such a block means everything or nearly so: any-cidr speaks of it.
    const LEAST_PREFIX: u8 = 7;
    if cidr == range {
        return Some(Overlap::Same);
    }
    if range.contains(&cidr) {
        return Some(Overlap::Part);
    }
    let is_excepted = |range: &IpNet| (except.iter()).any(|except| except.trunc().contains(range));
    let is_wider = cidr.contains(&range) && cidr.prefix_len() >= LEAST_PREFIX;
    (is_wider && !is_excepted(&range)).then_some(Overlap::Wider)
}
