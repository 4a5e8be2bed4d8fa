//! Exceptions of an address block that another rule allows all the same.

use crate::cluster::PolicyId;
use crate::diagnostic::Diagnostic;
use crate::diagnostic::Severity;
use crate::engine::{self, AddressRange, ConnectionSet, Endpoint};
use crate::k8s::{Direction, IpBlock, NetworkPolicyRule};
use crate::lint::rewrite::Item;
use crate::lint::{
    Category, Context, Rule, RuleMeta, addresses, containment, declare_rule, dns, ports,
};
use crate::source::Span;
use ipnet::IpNet;
use std::collections::HashSet;

declare_rule! {
    /// ## What it does
    ///
    /// Reports an `except` whose addresses another rule allows, for the same pods and on the
    /// same ports. A block that lies inside the exception is left alone: whoever writes
    /// "everything but `10.0.0.0/8`, and of that `10.1.2.0/24`" means it. So is a rule that
    /// allows everything to everybody.
    ///
    /// ## Why is this bad?
    ///
    /// Policies are a union. An `except` only narrows its own block; it denies nothing. Two
    /// blocks of everything, each with its own exceptions, together have none.
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
    /// There is no automatic fix. What must be denied whatever the other policies say is a
    /// matter for a `ClusterNetworkPolicy` with the action `Deny`.
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
            let openings = openings(cx, id, direction);
            // Two blocks that defeat each other are one mistake.
            let mut told = HashSet::new();
            for (index, opening) in openings.iter().enumerate() {
                let defeats = |other: &usize| *other != index && !told.contains(&(*other, index));
                let others: Vec<usize> = (0..openings.len()).filter(defeats).collect();
                if let Some((finding, by)) = check(cx, direction, opening, &openings, &others) {
                    told.insert((index, by));
                    cx.report(finding);
                }
            }
        }
    }
}

/// Addresses that a rule opens: one of its blocks, or all addresses, where it names no
/// peers.
struct Opening<'c> {
    policy: PolicyId,
    rule: &'c NetworkPolicyRule,
    block: Option<&'c IpBlock>,
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

    /// The addresses of an exception that this opens, if it does so by accident.
    fn opens(&self, except: IpNet) -> Option<AddressRange> {
        let excepted = AddressRange::from(except);
        let Some(block) = self.block else {
            return Some(excepted);
        };
        let cidr = block.cidr.trunc();
        let is_deliberate = except.contains(&cidr) && except != cidr;
        if is_deliberate {
            return None;
        }
        let mut ranges = addresses::ranges(block).into_iter();
        ranges.find_map(|range| range.intersection(&excepted))
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
            let opening = |block, path| Opening {
                policy,
                rule,
                block,
                path,
                ports: ports::by_number(rule),
            };
            if rule.peers.items().is_empty() {
                // That a resolver may be anywhere is how many allow DNS. A rule that allows
                // everything hides no exception: it says what it does.
                let entries = rule.ports.items();
                if !entries.iter().all(dns::is_dns_port) {
                    openings.push(opening(None, path));
                }
                continue;
            }
            for (peer_index, peer) in rule.peers.items().iter().enumerate() {
                if let Some(block) = peer.ip_block.get() {
                    let peers = direction.peers_field();
                    openings.push(opening(
                        Some(block),
                        format!("{path}.{peers}[{peer_index}].ipBlock.except"),
                    ));
                }
            }
        }
    }
    openings
}

/// The finding about the exceptions of one block, and the opening that defeats them.
fn check(
    cx: &Context<'_>,
    direction: Direction,
    opening: &Opening<'_>,
    openings: &[Opening<'_>],
    others: &[usize],
) -> Option<(Diagnostic, usize)> {
    let block = opening.block?;
    for except in block.except.items() {
        let cidr = except.trunc();
        let defeating = others.iter().find_map(|index| {
            let other = &openings[*index];
            let ports = opening.ports.intersection(&other.ports);
            let range = other.opens(cidr).filter(|_| !ports.is_empty())?;
            let is_so = have_common_pods(cx, opening.policy, other.policy)
                && is_left_open(cx, direction, opening.policy, range, &ports);
            is_so.then_some((*index, other, range))
        });
        let Some((index, other, range)) = defeating else {
            continue;
        };
        let (verb, end) = match direction {
            Direction::Ingress => ("out", "come from"),
            Direction::Egress => ("away", "go to"),
        };
        let message = format!("`except` does not keep {cidr} {verb}: another rule allows it");
        let whole = AddressRange::from(cidr) == range;
        let part = if whole { "" } else { "a part of " };
        let which = if other.policy == opening.policy {
            "a rule of the same policy".to_owned()
        } else {
            format!("`{}`", cx.cluster.policy_name(other.policy))
        };
        let note = format!("{which} lets connections {end} {part}{cidr}");
        let finding = cx
            .policy_finding(opening.policy, &opening.path, except.span, message)
            .label("only this block leaves it out")
            .related(other.span(cx), note)
            .note("policies are a union; no rule takes away what another one allows")
            .help("except it in both rules, or deny it in a `ClusterNetworkPolicy`");
        return Some((finding, index));
    }
    None
}

/// Whether two policies select some pod together: one that is known, or, by their
/// selectors, all pods of one of them.
fn have_common_pods(cx: &Context<'_>, one: PolicyId, other: PolicyId) -> bool {
    if one == other {
        return true;
    }
    let [first, second] = [one, other].map(|id| cx.engine.selected(id));
    if first.iter().any(|id| second.binary_search(id).is_ok()) {
        return true;
    }
    let [first, second] = [one, other].map(|id| cx.cluster.policy(id).object.pod_selector.get());
    containment::selects_all_of(first, second) || containment::selects_all_of(second, first)
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
        let open = engine::side(cx.cluster, direction, &pod, &address);
        !open.allowed().intersection(ports).is_empty()
    })
}
