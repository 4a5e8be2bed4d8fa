//! Calico's policies in the form of the program: one stage for each tier, policies in the
//! order of the tier, NetworkPolicies among them (K1 to K12, M4, M5).
//!
//! Refuses to know which pods there are, and whom a selector means.

use super::calico_end::{CalicoEnd, CalicoSubject};
use super::calico_owners::Owners;
use super::condition::Condition;
use super::nodes;
use super::{
    Chain, End, HostNetwork, Matcher, NamespaceSet, Origin, Peer, PeerRef, PodSet, PolicyRef,
    PortEntry, PortRef, Ports, Rule, RulePorts, RuleRef, Stage, StageName,
};
use crate::cluster::{Cluster, PluginPolicyId};
use crate::engine::HashMap;
use crate::engine::addresses::AddressRange;
use crate::engine::ports::PortSet;
use crate::k8s::{
    Action, CALICO_DEFAULT_TIER, CalicoAction, CalicoPolicy, CalicoPort, CalicoRule,
    CalicoSelector, CalicoTier, Direction, PluginPolicy, PluginSpec, PolicyEffect, Product,
    Protocol, Service, ServicePort, TargetPort, is_opaque,
};
use crate::source::Spanned;
use std::cell::RefCell;
use std::sync::Arc;

/// The order of a NetworkPolicy among the policies of the tier `default`.
const NETWORK_POLICY_ORDER: f64 = 1_000.0;

/// A tier that has not become a stage yet.
struct Tier<'c> {
    name: String,
    /// `None` where no manifest tells.
    order: Option<f64>,
    end: End,
    chains: Vec<Placed<'c>>,
}

/// The chains of a policy with what they are sorted by.
struct Placed<'c> {
    order: f64,
    tie: String,
    direction: Direction,
    chain: Chain<'c>,
}

/// All tiers in order, with the stages of the policies that Kubernetes knows put into them.
pub(super) fn lower<'c>(
    cluster: &'c Cluster,
    [admin, network, baseline]: [Stage<'c>; 3],
    plugin: &[PluginPolicyId],
) -> Vec<Stage<'c>> {
    let mut tiers = tiers(cluster);
    let owners = Arc::new(Owners::new(cluster));
    let subjects = RefCell::default();
    for (stage, name) in [
        (admin, "kube-admin"),
        (network, CALICO_DEFAULT_TIER),
        (baseline, "kube-baseline"),
    ] {
        let tier = tier_of(&mut tiers, name);
        let super::ByDirection { ingress, egress } = stage.chains;
        for (direction, chains) in [(Direction::Ingress, ingress), (Direction::Egress, egress)] {
            for (index, chain) in chains.into_iter().enumerate() {
                tier.chains.push(placed(cluster, chain, direction, index));
            }
        }
    }
    let mut unread = Vec::new();
    let mut on_nodes = Stage::new(StageName::NotJudged);
    for id in plugin {
        let policy = cluster.plugin_policy(*id);
        nodes::add_host_endpoints(cluster, *id, &mut on_nodes);
        if let PluginSpec::Calico(spec) = &policy.spec
            && spec.host_endpoints_only.is_none()
        {
            let lowering = Lowering {
                owners: &owners,
                subjects: &subjects,
                id: *id,
                policy,
                spec,
            };
            if policy.meta.is_accepted && lowering.are_outsides_known(cluster) {
                lowering.add_to(tier_of(&mut tiers, spec.tier_name()));
            } else if !policy.meta.is_accepted && policy.meta.holes.is_empty() {
                lowering.add_rejected(tier_of(&mut tiers, spec.tier_name()));
            } else {
                unread.push(lowering);
            }
        }
    }
    tiers.sort_by(|a, b| {
        let by_order = match (a.order, b.order) {
            (Some(one), Some(other)) => one.total_cmp(&other),
            (one, other) => one.is_some().cmp(&other.is_some()),
        };
        by_order.then_with(|| a.name.cmp(&b.name))
    });
    if let Some(first) = tiers.iter_mut().find(|tier| tier.order.is_some()) {
        unread.iter().for_each(|policy| policy.add_unread(first));
    }
    let tiers = (0u32..).zip(tiers);
    let stage = |(place, mut tier): (u32, Tier<'c>)| {
        let name = match tier.name.as_str() {
            "kube-admin" => StageName::Admin,
            "kube-baseline" => StageName::Baseline,
            CALICO_DEFAULT_TIER => StageName::NetworkPolicies,
            _ => StageName::CalicoTier(place),
        };
        let mut stage = Stage::new(name);
        stage.is_placed = tier.order.is_some();
        tier.chains
            .sort_by(|a, b| a.order.total_cmp(&b.order).then_with(|| a.tie.cmp(&b.tie)));
        for placed in tier.chains {
            stage.chains.get_mut(placed.direction).push(placed.chain);
        }
        stage
    };
    std::iter::once(on_nodes).chain(tiers.map(stage)).collect()
}

/// Whether a cluster has anything that only Calico knows; without, it does what Kubernetes
/// says (M4).
pub(in crate::engine) fn is_in_use(cluster: &Cluster) -> bool {
    let resources = cluster.plugin_resources();
    let is_calico = |policy: &PluginPolicy| policy.kind.product == Product::Calico;
    !resources.tiers.is_empty()
        || !resources.network_sets.is_empty()
        || cluster
            .plugin_policies()
            .iter()
            .any(|policy| is_calico(policy))
}

/// Every block of addresses that a policy or a network set mentions, whether it counts for
/// a verdict or not.
pub(in crate::engine) fn blocks(cluster: &Cluster) -> Vec<AddressRange> {
    let sets = cluster.plugin_resources().network_sets.iter();
    let mut blocks: Vec<AddressRange> = sets
        .flat_map(|set| &set.nets)
        .map(|net| net.value.into())
        .collect();
    for policy in cluster
        .policies()
        .iter()
        .filter(|policy| policy.object.meta.is_accepted)
    {
        let peers = policy.object.peers();
        for block in peers.filter_map(|place| place.peer.ip_block.get()) {
            blocks.push(block.cidr.value.into());
            blocks.extend(
                block
                    .except
                    .items()
                    .iter()
                    .map(|net| AddressRange::from(net.value)),
            );
        }
    }
    for policy in cluster
        .plugin_policies()
        .iter()
        .filter(|policy| policy.meta.is_accepted)
    {
        if let PluginSpec::Calico(spec) = &policy.spec
            && policy.kind.effect != PolicyEffect::Nothing
        {
            let rules = [&spec.ingress, &spec.egress]
                .into_iter()
                .flat_map(|it| it.items());
            let ends = rules.flat_map(|rule| [&rule.source, &rule.destination]);
            let nets = ends.flat_map(|end| end.nets.iter().chain(&end.not_nets));
            blocks.extend(nets.map(|net| AddressRange::from(net.value)));
        }
    }
    blocks
}

/// The tiers that are declared or built in.
fn tiers<'c>(cluster: &'c Cluster) -> Vec<Tier<'c>> {
    let tier = |name: &str, order, passes| Tier {
        name: name.to_owned(),
        order: Some(order),
        end: if passes { End::Next } else { End::Deny },
        chains: Vec::new(),
    };
    let declared = cluster.plugin_resources().tiers.iter();
    let declared = declared.filter(|declared| declared.meta.is_accepted);
    let mut tiers: Vec<Tier<'c>> = declared
        .map(|declared| {
            let order = declared
                .order
                .as_ref()
                .map_or(f64::INFINITY, |order| order.value);
            tier(&declared.meta.name, order, declared.passes)
        })
        .collect();
    for (name, order, passes) in CalicoTier::BUILT_IN {
        if !tiers.iter().any(|tier| tier.name == name) {
            tiers.push(tier(name, order, passes));
        }
    }
    tiers
}

/// The tier of a name. One that nobody declares is there all the same, as the API server takes
/// no policy of a tier that is not: with an order and an end that no manifest tells (K1).
fn tier_of<'t, 'c>(tiers: &'t mut Vec<Tier<'c>>, name: &str) -> &'t mut Tier<'c> {
    let place = tiers.iter().position(|tier| tier.name == name);
    let place = place.unwrap_or_else(|| {
        tiers.push(Tier {
            name: name.to_owned(),
            order: None,
            end: End::Unknown,
            chains: Vec::new(),
        });
        tiers.len() - 1
    });
    &mut tiers[place]
}

/// The place of a policy that Kubernetes knows in its tier (M4, M5).
fn placed<'c>(
    cluster: &Cluster,
    chain: Chain<'c>,
    direction: Direction,
    index: usize,
) -> Placed<'c> {
    let (order, tie) = match chain.policy {
        PolicyRef::Network(id) => {
            let meta = &cluster.policy(id).object.meta;
            let (name, namespace) = (&meta.name, meta.namespace_name());
            let tie = format!("{name}/{namespace}/KubernetesNetworkPolicy");
            (NETWORK_POLICY_ORDER, tie)
        }
        // They are sorted by name already where their priority is the same.
        PolicyRef::Cluster(id) => {
            let priority = cluster.cluster_policy(id).priority.value;
            (f64::from(priority), format!("{index:08}"))
        }
        // As any NetworkPolicy that it may be.
        PolicyRef::Part(_) => (NETWORK_POLICY_ORDER, String::new()),
        PolicyRef::Plugin(_) | PolicyRef::Agent => (f64::INFINITY, String::new()),
    };
    Placed {
        order,
        tie,
        direction,
        chain,
    }
}

struct Lowering<'a, 'c> {
    owners: &'a Arc<Owners<'c>>,
    /// The pods that whole policies are about, each once.
    subjects: &'a RefCell<HashMap<SubjectKey<'c>, Condition<'c>>>,
    id: PluginPolicyId,
    policy: &'c PluginPolicy,
    spec: &'c CalicoPolicy,
}

/// What tells the subject of a whole policy from others: its namespace, and its selectors of pods,
/// namespaces and service accounts.
type SubjectKey<'c> = (Option<&'c str>, [Option<&'c CalicoSelector>; 3]);

/// A rule, and what it asks of the end that its policy is about, at the address of a family.
type Variant<'c> = (Option<(CalicoEnd<'c>, bool)>, Rule<'c>);

impl<'c> Lowering<'_, 'c> {
    fn add_to(&self, tier: &mut Tier<'c>) {
        let end = tier.end;
        let namespace = self.policy.namespace().unwrap_or_default();
        // Staged policies stand where their model would (K12).
        let kind = self.policy.kind.name.trim_start_matches("Staged");
        let tie = format!("{}/{namespace}/{kind}", self.policy.meta.name);
        let order = self
            .spec
            .order
            .as_ref()
            .map_or(f64::INFINITY, |order| order.value);
        for direction in Direction::BOTH {
            if !self.spec.applies_to(direction) {
                continue;
            }
            let mut add = |own, rules, end| {
                tier.chains.push(Placed {
                    order,
                    tie: tie.clone(),
                    direction,
                    chain: self.chain(own, rules, end),
                });
            };
            // The chain that carries the end comes first: it decides nothing by itself, and
            // rules that are about a part of the subject have chains of their own.
            let mut rules: Vec<Rule<'c>> = Vec::new();
            let mut has_end = false;
            for (index, rule) in self.spec.rules(direction).iter().enumerate() {
                for (own, rule) in self.variants(index, rule, direction) {
                    if own.is_some() {
                        if !rules.is_empty() {
                            add(None, std::mem::take(&mut rules), end);
                            has_end = true;
                        }
                        add(own, vec![rule], End::Next);
                    } else {
                        rules.push(rule);
                    }
                }
            }
            if !rules.is_empty() || !has_end {
                add(None, rules, end);
            }
        }
    }

    fn chain(
        &self,
        own: Option<(CalicoEnd<'c>, bool)>,
        rules: Vec<Rule<'c>>,
        end: End,
    ) -> Chain<'c> {
        let selector = |selector: &'c Option<Spanned<CalicoSelector>>| {
            selector.as_ref().map(|selector| &selector.value)
        };
        let namespace = self.policy.namespace();
        let selectors = [
            selector(&self.spec.selector),
            selector(&self.spec.namespace_selector),
            selector(&self.spec.service_account_selector),
        ];
        let is_whole = own.is_none();
        let [selector, namespace_selector, service_account_selector] = selectors;
        let subject = || {
            Condition::subject(CalicoSubject {
                owners: Arc::clone(self.owners),
                namespace,
                selector,
                namespace_selector,
                service_account_selector,
                own,
            })
        };
        let condition = match is_whole {
            true => {
                let mut known = self.subjects.borrow_mut();
                known
                    .entry((namespace, selectors))
                    .or_insert_with(subject)
                    .clone()
            }
            false => subject(),
        };
        Chain {
            policy: PolicyRef::Plugin(self.id),
            subject: PodSet {
                namespaces: NamespaceSet::All,
                pods: None,
                host_network: HostNetwork::Unseen,
                condition: Some(condition),
            },
            is_subject_known: true,
            rules,
            end,
        }
    }

    /// The rule as the program can say it: where it asks something of the subject that depends
    /// on its address, one for each family, as the other end decides which address that is.
    fn variants(
        &self,
        index: usize,
        rule: &'c CalicoRule,
        direction: Direction,
    ) -> Vec<Variant<'c>> {
        let action = match rule.action.value {
            CalicoAction::Allow => Action::Accept,
            CalicoAction::Deny => Action::Deny,
            CalicoAction::Pass => Action::Pass,
            CalicoAction::Log => return Vec::new(),
        };
        let namespace = self.policy.namespace();
        let end = |entity| CalicoEnd::new(self.owners, entity, namespace);
        let (source, mut target) = (
            end(&rule.source).of_source(&rule.source),
            end(&rule.destination),
        );
        if direction == Direction::Egress && action == Action::Accept {
            target = target.with_domains_of_sets();
        }
        let (own, peer) = match direction {
            Direction::Ingress => (target, source),
            Direction::Egress => (source, target),
        };
        let destination = &rule.destination;
        let has_names = (destination.ports.iter().chain(&destination.not_ports))
            .any(|port| matches!(port.value, CalicoPort::Name(_)));
        let target = match direction {
            Direction::Ingress => &own,
            Direction::Egress => &peer,
        };
        // A port's name means a port of an endpoint that meets the selectors itself (K9).
        let by_itself: &[Option<bool>] =
            if has_names && target.names_owners() && self.owners.has_others() {
                &[Some(true), Some(false)]
            } else {
                &[None]
            };
        let service = self.owners.service(destination, namespace);
        let service = service.filter(|it| it.selector.as_ref().is_some_and(|it| !it.is_empty()));
        let families: &[Option<bool>] = match rule.ip_version.as_ref().map(|it| it.value) {
            Some(4) => &[Some(true)],
            Some(_) => &[Some(false)],
            None => &[None],
        };
        let mut variants = Vec::new();
        for meets_itself in by_itself {
            let (mut own, mut peer) = (own.clone(), peer.clone());
            match direction {
                Direction::Ingress => own.meets_itself = *meets_itself,
                Direction::Egress => peer.meets_itself = *meets_itself,
            }
            let families: &[Option<bool>] = match (own.depends_on_address(), families) {
                (true, [None]) => &[Some(true), Some(false)],
                (_, families) => families,
            };
            for is_ipv4 in families {
                peer.is_ipv4 = *is_ipv4;
                let lowered = Rule {
                    origin: Origin {
                        index,
                        rule: RuleRef::Calico(rule),
                    },
                    action,
                    peers: (!peer.is_everybody()).then(|| {
                        vec![Peer {
                            origin: PeerRef::Calico(rule, direction),
                            matcher: Matcher::Condition(Condition::end(peer.clone())),
                        }]
                    }),
                    ports: match service {
                        Some(service) => Some(service_ports(rule, service)),
                        None => ports(rule, *meets_itself != Some(false)),
                    },
                    is_opaque: self.policy.meta.holes.first_in(rule.span).is_some()
                        || self.owners.is_service_in_doubt(&rule.source, namespace)
                        || self.owners.is_service_in_doubt(destination, namespace),
                };
                let asks = !own.is_everybody();
                let own = asks.then(|| (own.clone(), is_ipv4.unwrap_or(true)));
                variants.push((own, lowered));
            }
        }
        variants
    }

    /// Whether another tool fills in nothing of the policy and its tier but parts of rules.
    fn are_outsides_known(&self, cluster: &Cluster) -> bool {
        let rules = [&self.spec.ingress, &self.spec.egress].into_iter();
        let rules = rules.flat_map(|rules| rules.items());
        let holes = &self.policy.meta.holes;
        let (tiers, name) = (&cluster.plugin_resources().tiers, self.spec.tier_name());
        let own = tiers.iter().find(|tier| tier.meta.name.value == name);
        let is_built_in = CalicoTier::BUILT_IN
            .iter()
            .any(|(known, ..)| *known == name);
        let is_tier_known = match own {
            Some(tier) => tier.meta.holes.is_empty(),
            None => is_built_in || !tiers.iter().any(|tier| is_opaque(&tier.meta.name)),
        };
        is_tier_known && holes.are_all_in(rules.map(|rule| rule.span))
    }

    /// Puts the policy before all others, where it may do anything: wherever it stands once it
    /// is filled in, it does no more.
    fn add_unread(&self, first: &mut Tier<'c>) {
        for direction in Direction::BOTH {
            let rule = Rule::filled_in(&self.policy.meta);
            self.add_anything(first, f64::NEG_INFINITY, direction, rule);
        }
    }

    /// Puts a policy that the API server rejects where it would stand, and before all others of
    /// its tier where it has no order: nobody knows what becomes of it when it is put right.
    fn add_rejected(&self, tier: &mut Tier<'c>) {
        let order = self.spec.order.as_ref();
        let order = order.map_or(f64::NEG_INFINITY, |order| order.value);
        for direction in Direction::BOTH {
            if !self.spec.silent.contains(&direction) {
                let rule = Rule::anything(RuleRef::Unread(self.policy.meta.name.span));
                self.add_anything(tier, order, direction, rule);
            }
        }
    }

    fn add_anything(&self, tier: &mut Tier<'c>, order: f64, direction: Direction, rule: Rule<'c>) {
        tier.chains.push(Placed {
            order,
            tie: String::new(),
            direction,
            chain: Chain {
                is_subject_known: false,
                ..self.chain(None, vec![rule], End::Next)
            },
        });
    }
}

/// The ports of a rule that leads to a Service: those of the pods that its ports lead to.
fn service_ports<'c>(rule: &'c CalicoRule, service: &'c Service) -> RulePorts<'c> {
    let ports = service.ports.iter();
    let ports = ports.filter(|port| rule.is_about(port.protocol));
    let entry = |port: &'c ServicePort| PortEntry {
        origin: PortRef::Calico(rule),
        ports: match &port.target_port {
            TargetPort::Number(number) => Ports::Numbers(port.protocol, PortSet::single(*number)),
            TargetPort::Name(name) => Ports::Name(name, Some(port.protocol)),
        },
    };
    ports.map(entry).collect()
}

/// The ports of a rule (K9); `None` is every port. A name is looked up at a destination that
/// meets the selectors itself.
fn ports(rule: &CalicoRule, resolves_names: bool) -> Option<RulePorts<'_>> {
    let destination = &rule.destination;
    let protocols = Protocol::ALL
        .into_iter()
        .filter(|protocol| rule.is_about(*protocol));
    let protocols: Vec<Protocol> = protocols.collect();
    let is_plain = destination.ports.is_empty() && destination.not_ports.is_empty();
    if is_plain && protocols.len() == Protocol::ALL.len() {
        return None;
    }
    let numbers = |ports: &[Spanned<CalicoPort>]| {
        let ranges = ports.iter().filter_map(|port| match port.value {
            CalicoPort::Range(_, 0) => None,
            CalicoPort::Range(first, last) => Some((first.max(1), last)),
            CalicoPort::Name(_) => None,
        });
        PortSet::from_ranges(ranges)
    };
    let listed = match destination.ports.is_empty() {
        true => PortSet::all(),
        false => numbers(&destination.ports),
    };
    let excluded = numbers(&destination.not_ports);
    let mut entries = Vec::new();
    let origin = PortRef::Calico(rule);
    for protocol in protocols {
        let ports = listed.difference(&excluded);
        if !ports.is_empty() {
            let ports = Ports::Numbers(protocol, ports);
            entries.push(PortEntry { origin, ports });
        }
        if !resolves_names {
            continue;
        }
        for port in &destination.ports {
            if let CalicoPort::Name(name) = &port.value {
                let ports = Ports::Name(name, Some(protocol));
                entries.push(PortEntry { origin, ports });
            }
        }
        for port in &destination.not_ports {
            match &port.value {
                CalicoPort::Name(name) => {
                    let ports = Ports::ExceptName(name, protocol);
                    entries.push(PortEntry { origin, ports });
                }
                CalicoPort::Range(first, last) => {
                    let range = PortSet::range((*first).max(1), *last);
                    let ports = Ports::ExceptNumbers(protocol, range);
                    entries.push(PortEntry { origin, ports });
                }
            }
        }
    }
    Some(entries.into_iter().collect())
}
