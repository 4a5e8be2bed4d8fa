//! Exceptions of an address block that another rule allows all the same.

use crate::cluster::PolicyId;
use crate::diagnostic::Diagnostic;
use crate::diagnostic::Severity;
use crate::engine::{AddressRange, ConnectionSet, Endpoint};
use crate::k8s::{Direction, IpBlock, NetworkPolicyRule};
use crate::lint::containment::PodSet;
use crate::lint::rewrite::Item;
use crate::lint::{Category, Context, Rule, RuleMeta, addresses, declare_rule, dns, ports};
use crate::source::Span;
use ipnet::IpNet;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::iter;

declare_rule! {
    /// ## What it does
    ///
    /// Reports an `except` whose addresses another rule allows, for the same pods and ports. A
    /// block inside the exception is not reported: "everything but `10.0.0.0/8`, but
    /// `10.1.2.0/24` is fine" is deliberate. Neither is a rule that allows everything to
    /// everybody.
    ///
    /// ## Why is this bad?
    ///
    /// Policies add up. An `except` only narrows its own block; it denies nothing. Two
    /// `0.0.0.0/0` blocks with different exceptions together have none.
    ///
    /// ## Example
    ///
    /// ```yaml
    /// apiVersion: networking.k8s.io/v1
    /// kind: NetworkPolicy
    /// metadata:
    ///   name: internet
    ///   namespace: shop
    /// spec:
    ///   podSelector: {}
    ///   policyTypes: [Egress]
    ///   egress:
    ///     - to:
    ///         - ipBlock:
    ///             cidr: 0.0.0.0/0
    ///             except: [10.0.0.0/8]
    ///     - to:
    ///         - ipBlock:
    ///             cidr: 0.0.0.0/0
    ///             except: [192.168.0.0/16]
    /// ```
    ///
    /// ## Use instead
    ///
    /// ```yaml
    /// apiVersion: networking.k8s.io/v1
    /// kind: NetworkPolicy
    /// metadata:
    ///   name: internet
    ///   namespace: shop
    /// spec:
    ///   podSelector: {}
    ///   policyTypes: [Egress]
    ///   egress:
    ///     - to:
    ///         - ipBlock:
    ///             cidr: 0.0.0.0/0
    ///             except: [10.0.0.0/8, 192.168.0.0/16]
    /// ```
    ///
    /// ## Fix safety
    ///
    /// There is no automatic fix. To deny addresses whatever other policies say, use a
    /// `ClusterNetworkPolicy` with the action `Deny`.
    pub(super) struct ExceptDefeated {
        name: "except-defeated",
        summary: "an `except` whose addresses another rule allows",
        category: Category::Addresses,
        severity: Severity::Warning,
        tier: Stable,
        evidence: "2 of 2 warnings and errors on 24 public repositories judged right",
        fix: None,
        mutes: &["allow-all-rule"],
        since: "0.1.0",
    }
}

impl Rule for ExceptDefeated {
    fn meta(&self) -> &'static RuleMeta {
        &Self::META
    }

    fn check_namespace(&self, cx: &mut Context<'_>, id: crate::cluster::NamespaceId) {
        for direction in Direction::BOTH {
            let openings = Openings::of(cx, id, direction);
            // Two blocks that defeat each other are one mistake.
            let mut told = HashSet::new();
            for index in 0..openings.all.len() {
                let is_told = |other| told.contains(&(other, index));
                if let Some((finding, by)) = openings.check(cx, index, is_told) {
                    told.insert((index, by));
                    cx.report(finding);
                }
            }
        }
    }
}

/// What the rules of a namespace open to addresses in a direction.
struct Openings<'c> {
    direction: Direction,
    all: Vec<Opening<'c>>,
    /// The places of those of a block, by the block; each list in order.
    by_block: HashMap<IpNet, Vec<usize>>,
    /// The places of those of all addresses, in order.
    of_everybody: Vec<usize>,
    /// The pods that policies with an opening are for.
    pods: BTreeMap<PolicyId, Option<PodSet>>,
}

/// Addresses that a rule opens: one of its blocks, or all addresses, where it names no
/// peers.
struct Opening<'c> {
    policy: PolicyId,
    rule: &'c NetworkPolicyRule,
    block: Option<&'c IpBlock>,
    /// The addresses of the block, in order.
    ranges: Vec<AddressRange>,
    path: String,
    ports: ConnectionSet,
}

impl Opening<'_> {
    /// What to underline.
    fn span(&self, cx: &Context<'_>) -> Span {
        match self.block {
            Some(block) => block.cidr.span,
            None => Item::from(self.rule).mark(cx.sources),
        }
    }

    /// The first addresses of an exception that this opens.
    fn opens(&self, excepted: &AddressRange) -> Option<AddressRange> {
        if self.block.is_none() {
            return Some(*excepted);
        }
        let before = |range: &AddressRange| range.last < excepted.first;
        let first = self.ranges.partition_point(before);
        self.ranges.get(first)?.intersection(excepted)
    }
}

/// What the rules of a namespace open to addresses.
fn openings<'a>(
    cx: &Context<'a>,
    id: crate::cluster::NamespaceId,
    direction: Direction,
) -> Vec<Opening<'a>> {
    let mut openings = Vec::new();
    for policy in cx.cluster.policies_in(id) {
        let object = &cx.cluster.policy(policy).object;
        if !object.meta.is_accepted {
            continue;
        }
        for (index, rule) in object.rules(direction).iter().enumerate() {
            let path = format!("spec.{}[{index}]", direction.field());
            let peers = rule.peers.items();
            let ports = || ports::by_number(rule);
            let opening = |block: Option<&'a IpBlock>, path, ports| Opening {
                policy,
                rule,
                block,
                ranges: block.map_or_else(Vec::new, addresses::ranges),
                path,
                ports,
            };
            if peers.is_empty() {
                // That a resolver may be anywhere is how many allow DNS. A rule that allows
                // everything hides no exception: it says what it does.
                let entries = rule.ports.items();
                if !entries.iter().all(dns::is_dns_port) {
                    openings.push(opening(None, path, ports()));
                }
                continue;
            }
            let blocks = peers.iter().enumerate();
            let blocks = blocks.filter_map(|(place, peer)| Some((place, peer.ip_block.get()?)));
            let mut known = None;
            for (place, block) in blocks {
                let ports = known.get_or_insert_with(ports).clone();
                let peers = direction.peers_field();
                let path = format!("{path}.{peers}[{place}].ipBlock.except");
                openings.push(opening(Some(block), path, ports));
            }
        }
    }
    openings
}

impl<'c> Openings<'c> {
    fn of(cx: &Context<'c>, id: crate::cluster::NamespaceId, direction: Direction) -> Self {
        let mut openings = Self {
            direction,
            all: openings(cx, id, direction),
            by_block: HashMap::new(),
            of_everybody: Vec::new(),
            pods: BTreeMap::new(),
        };
        for (place, opening) in openings.all.iter().enumerate() {
            match opening.block {
                Some(block) => {
                    let of_block = openings.by_block.entry(block.cidr.trunc());
                    of_block.or_default().push(place);
                }
                None => openings.of_everybody.push(place),
            }
            let pods = || PodSet::of(cx.cluster.policy(opening.policy).object.pod_selector.get());
            openings.pods.entry(opening.policy).or_insert_with(pods);
        }
        openings
    }

    /// Those that hold all of a block, in order. One that holds only a part is deliberate.
    fn around(&self, block: IpNet) -> impl Iterator<Item = usize> {
        let around = iter::successors(Some(block), IpNet::supernet);
        let lists = around.filter_map(|block| self.by_block.get(&block));
        let mut lists: Vec<&[usize]> = lists.map(Vec::as_slice).collect();
        lists.push(&self.of_everybody);
        lists.retain(|list| !list.is_empty());
        iter::from_fn(move || {
            let nearest = lists.iter_mut().min_by_key(|list| list[0])?;
            let (first, rest) = nearest.split_first()?;
            *nearest = rest;
            lists.retain(|list| !list.is_empty());
            Some(*first)
        })
    }

    /// The finding about the exceptions of one block, and the opening that defeats them.
    fn check(
        &self,
        cx: &Context<'_>,
        place: usize,
        is_told: impl Fn(usize) -> bool,
    ) -> Option<(Diagnostic, usize)> {
        let opening = &self.all[place];
        for except in opening.block?.except.items() {
            let cidr = except.trunc();
            let excepted = AddressRange::from(cidr);
            let defeating = self.around(cidr).find_map(|index| {
                let other = &self.all[index];
                if index == place || opening.ports.is_disjoint(&other.ports) || is_told(index) {
                    return None;
                }
                let range = other.opens(&excepted)?;
                let ports = opening.ports.intersection(&other.ports);
                let is_so = self.have_common_pods(cx, opening.policy, other.policy)
                    && is_left_open(cx, self.direction, opening.policy, range, &ports);
                is_so.then_some((index, other, range, ports))
            });
            let Some((index, other, range, ports)) = defeating else {
                continue;
            };
            let (verb, end) = match self.direction {
                Direction::Ingress => ("out", "come from"),
                Direction::Egress => ("away", "go to"),
            };
            let at = match ports == opening.ports {
                true => String::new(),
                false => format!(" on {ports}"),
            };
            let message =
                format!("`except` does not keep {cidr} {verb}{at}: another rule allows it");
            let part = if excepted == range { "" } else { "a part of " };
            let which = if other.policy == opening.policy {
                "a rule of the same policy".to_owned()
            } else {
                format!("`{}`", cx.cluster.policy_name(other.policy))
            };
            let note = format!("{which} lets connections {end} {part}{cidr}");
            let finding = cx
                .policy_finding(opening.policy, &opening.path, except.span, message)
                .label("only excluded from this block")
                .related(other.span(cx), note)
                .note("policies add up: no rule takes away what another one allows")
                .help("exclude it in both rules, or deny it in a `ClusterNetworkPolicy`");
            return Some((finding, index));
        }
        None
    }

    /// Whether two policies select some pod together: one that is known, or, by their
    /// selectors, all pods of one of them.
    fn have_common_pods(&self, cx: &Context<'_>, one: PolicyId, other: PolicyId) -> bool {
        if one == other {
            return true;
        }
        let [few, many] = [one, other].map(|id| cx.engine.selected(id));
        let (few, many) = if few.len() <= many.len() {
            (few, many)
        } else {
            (many, few)
        };
        if few.iter().any(|id| many.binary_search(id).is_ok()) {
            return true;
        }
        let [first, second] = [one, other].map(|id| self.pods.get(&id).and_then(Option::as_ref));
        match (first, second) {
            (Some(first), Some(second)) => first.contains(second) || second.contains(first),
            _ => false,
        }
    }
}

/// Whether the cluster-wide policies leave it to the rules, as far as that is known.
fn is_left_open(
    cx: &Context<'_>,
    direction: Direction,
    policy: PolicyId,
    range: AddressRange,
    ports: &ConnectionSet,
) -> bool {
    let selected = cx.engine.selected(policy);
    if cx.cluster.cluster_policies().is_empty() || selected.is_empty() {
        return true;
    }
    let address = Endpoint::Address(range.first.into());
    selected.iter().any(|workload| {
        let pod = Endpoint::workload(cx.cluster, *workload);
        let open = cx.engine.judge().one_side(direction, &pod, &address);
        !open.allowed().intersection(ports).is_empty()
    })
}
