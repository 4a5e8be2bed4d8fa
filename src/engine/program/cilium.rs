//! Cilium's policies, and NetworkPolicies as Cilium enforces them, in the form of the
//! program: one set of rules in which denying comes first (C1, M2, M3).
//!
//! Refuses to know which pods there are. Services and groups of addresses are looked up,
//! as a rule that names one means what it holds.

use super::cilium_groups::{self, CidrGroups};
use super::cilium_parts::{are_services_in_doubt, names_api_server, outside, ports, untold};
use super::condition::Condition;
use super::identity::{
    CLUSTER, CLUSTER_KEY, Entity, Identities, IdentityRequirement, IdentityView, NAMESPACE_KEY,
    NAMESPACE_LABELS, Source,
};
use super::nodes;
use super::{
    Chain, End, HostNetwork, Matcher, NamespaceSet, Origin, Peer, PeerRef, PodSet, PolicyRef, Rule,
    RuleRef, Stage, StageName,
};
use crate::cluster::{CiliumOptions, Cluster, PluginPolicyId, PolicyId};
use crate::engine::HashMap;
use crate::engine::addresses::AddressRange;
use crate::k8s::{
    Action, CiliumEntity, CiliumMeaning, CiliumPeers, CiliumPolicy, CiliumRule, CiliumServicePeer,
    CiliumSpec, CiliumSubject, Direction, LabelSelector, Operator, PluginPolicy, PluginSpec, Truth,
};
use crate::source::Span;

/// The two stages: what denies, then what allows.
pub(super) fn lower<'c>(
    cluster: &'c Cluster,
    network: &[PolicyId],
    plugin: &[PluginPolicyId],
) -> [Stage<'c>; 2] {
    let mut lowering = Lowering {
        cluster,
        deny: Stage::new(StageName::Denies),
        allow: Stage::new(StageName::NetworkPolicies),
        conditions: HashMap::default(),
        groups: CidrGroups::default(),
    };
    let options = cluster.enforcement().cilium();
    if !options.drops() {
        return [lowering.deny, lowering.allow];
    }
    let network = match options.enforces_network_policies.is_on() {
        true => network,
        false => &[],
    };
    for id in network {
        lowering.network_policy(*id, &cluster.policy(*id).object);
    }
    for id in plugin {
        let policy = cluster.plugin_policy(*id);
        if let PluginSpec::Cilium(spec) = &policy.spec
            && (policy.meta.is_accepted || !policy.meta.holes.is_empty())
            && options.faults(policy).next().is_none()
            && options.reads_kind(policy.namespace())
        {
            // Once it is completed, it may be rejected no more.
            let is_rejected =
                !policy.meta.is_accepted || options.faults_as_written(policy).next().is_some();
            lowering.policy(*id, policy, spec, is_rejected);
        }
    }
    if options.isolates_all() {
        lowering.isolate_all();
    }
    [lowering.deny, lowering.allow]
}

pub(super) struct Lowering<'c> {
    pub(super) cluster: &'c Cluster,
    deny: Stage<'c>,
    pub(super) allow: Stage<'c>,
    /// The conditions that stand for identities, each once.
    conditions: HashMap<Identities, Condition<'c>>,
    groups: CidrGroups<'c>,
}

impl<'c> Lowering<'c> {
    fn policy(
        &mut self,
        id: PluginPolicyId,
        object: &PluginPolicy,
        policy: &'c CiliumPolicy,
        is_rejected: bool,
    ) {
        let (namespace, meta) = (object.namespace(), &object.meta);
        let rules = policy.specs.iter().flat_map(|spec| &spec.rules);
        let too_many_services = self.cluster.policies_of_too_many_services();
        let is_known = !is_rejected && meta.holes.are_all_in(rules.map(|rule| rule.span));
        for spec in &policy.specs {
            let CiliumSubject::Endpoints(selector) = &spec.subject else {
                self.nodes(id, meta.name.span, spec);
                continue;
            };
            let subject = subject(selector, namespace);
            let has_init = subject
                .0
                .iter()
                .any(|it| it.source == Source::Reserved && it.key == "init");
            let home = Home {
                namespace,
                has_init,
                are_services_known: !too_many_services.contains(&id),
            };
            let subject = self.pods(subject, HostNetwork::Unseen);
            for direction in Direction::BOTH {
                if !is_known {
                    // A rule that denies may be missing, so that it stands before all others.
                    let policy = PolicyRef::Plugin(id);
                    let chain = Chain::filled_in(policy, subject.clone(), meta, End::Next);
                    self.deny.chains.get_mut(direction).push(chain);
                    continue;
                }
                let mut rules = [Vec::new(), Vec::new()];
                for rule in spec.rules_of(direction) {
                    let is_opaque = meta.holes.first_in(rule.span).is_some()
                        || are_services_in_doubt(self.cluster, rule);
                    let lowered = self.rule(spec, rule, home, is_opaque);
                    rules[usize::from(rule.section.is_deny())].push(lowered);
                }
                let [mut allow, deny] = rules;
                if allow.is_empty() && deny.is_empty() {
                    continue;
                }
                let chain = |rules, end| Chain {
                    policy: PolicyRef::Plugin(id),
                    subject: subject.clone(),
                    is_subject_known: true,
                    rules,
                    end,
                };
                let end = if spec.isolates(direction) {
                    End::Deny
                } else {
                    End::Next
                };
                let is_isolated = end == End::Deny || self.isolates_all();
                if is_isolated && direction == Direction::Ingress && self.allows_localhost() {
                    allow.push(own_node(Some(meta.name.span)));
                }
                if !deny.is_empty() {
                    self.deny
                        .chains
                        .get_mut(direction)
                        .push(chain(deny, End::Next));
                }
                self.allow.chains.get_mut(direction).push(chain(allow, end));
            }
        }
    }

    /// A rule set for nodes, of the host firewall (C12): whether it is about the node of a pod
    /// depends on labels that no manifest tells.
    fn nodes(&mut self, id: PluginPolicyId, text: Span, spec: &CiliumSpec) {
        if !self.options().guards_nodes.is_on() {
            return;
        }
        let policy = PolicyRef::Plugin(id);
        for direction in Direction::BOTH {
            if spec.rules_of(direction).next().is_some() {
                nodes::add_guard(&mut self.deny, policy, text, direction);
                nodes::add_guard_of_others(&mut self.deny, self.cluster, policy, text, direction);
            }
        }
    }

    fn rule(
        &mut self,
        spec: &'c CiliumSpec,
        rule: &'c CiliumRule,
        home: Home<'_>,
        is_opaque: bool,
    ) -> Rule<'c> {
        let reference = RuleRef::Cilium(spec, rule);
        let mut peers = match rule.meaning() {
            CiliumMeaning::Nobody => Some(Vec::new()),
            CiliumMeaning::Everybody => None,
            CiliumMeaning::Listed => self.peers(rule, home),
        };
        // Services that are not there are as if nobody were named (C14).
        let names_nobody = peers.as_ref().is_some_and(Vec::is_empty);
        let is_services = |field: &crate::k8s::CiliumPeerField| matches!(&field.peers, CiliumPeers::Services(entries) if !entries.is_empty());
        if names_nobody && rule.to_ports.is_some() && rule.peer_fields.iter().any(is_services) {
            peers = None;
        }
        Rule {
            origin: Origin {
                index: rule.index,
                rule: reference,
            },
            action: match rule.section.is_deny() {
                true => Action::Deny,
                false => Action::Accept,
            },
            peers,
            ports: ports(rule),
            is_opaque,
        }
    }

    /// What the entries of the peer fields match; `None` is everybody.
    fn peers(&mut self, rule: &'c CiliumRule, home: Home<'_>) -> Option<Vec<Peer<'c>>> {
        let mut peers = Vec::new();
        for field in &rule.peer_fields {
            let mut add = |span, matchers: Vec<Matcher<'c>>| {
                let origin = PeerRef::Cilium(field, span);
                peers.extend(matchers.into_iter().map(|matcher| Peer { origin, matcher }));
            };
            match &field.peers {
                CiliumPeers::Endpoints(selectors) => {
                    for selector in selectors {
                        let identities = self.in_cluster(endpoint(selector, home));
                        add(selector.span, self.identities(identities));
                    }
                }
                CiliumPeers::Cidrs(blocks) => {
                    for block in blocks {
                        let matchers = self.addresses(outside(&[block.value], &[]));
                        add(block.span, matchers);
                    }
                }
                CiliumPeers::CidrSets(sets) => {
                    for set in sets {
                        let matchers = self.addresses(cilium_groups::cidr_set(
                            self.cluster,
                            &self.groups,
                            set,
                        )?);
                        add(set.span, matchers);
                    }
                }
                CiliumPeers::Entities(entities) => {
                    for entity in entities {
                        add(entity.span, self.entity(entity.value)?);
                    }
                }
                CiliumPeers::Services(services) => {
                    for service in services {
                        let pods = match home.are_services_known {
                            true => self.service(service),
                            false => any_service(),
                        };
                        add(service.span, pods);
                    }
                }
                // What they mean is known to the agent only.
                CiliumPeers::Fqdns(names) => {
                    for name in names {
                        add(name.span, vec![Matcher::DomainNames]);
                    }
                }
                CiliumPeers::Groups(groups) => {
                    for group in groups {
                        add(*group, vec![untold(&[])]);
                    }
                }
                // Their labels are known to the agent only.
                CiliumPeers::Nodes(selectors) => {
                    for selector in selectors {
                        let nodes = Condition::nodes_by_labels();
                        add(selector.span, vec![Matcher::Condition(nodes)]);
                    }
                }
            }
        }
        Some(peers)
    }

    /// What `enable-policy: always` does: every pod is isolated, whether a rule selects it or not.
    /// Releases differ in whether the own node gets in to a pod that no rule of the direction
    /// selects: before 1.20 it does, from then on it does not (`pkg/policy/repository.go`,
    /// `computePolicyEnforcementAndRules` adds the rule for it where there are others).
    fn isolate_all(&mut self) {
        let subject = PodSet {
            namespaces: NamespaceSet::All,
            pods: None,
            host_network: HostNetwork::Unseen,
            condition: None,
        };
        for direction in Direction::BOTH {
            let mut rules = Vec::new();
            if direction == Direction::Ingress && self.allows_localhost() {
                let mut rule = own_node(None);
                for peer in rule.peers.iter_mut().flatten() {
                    peer.matcher = Matcher::Condition(Condition::own_node_in_doubt());
                }
                rules.push(rule);
            }
            self.allow.chains.get_mut(direction).push(Chain {
                policy: PolicyRef::Agent,
                subject: subject.clone(),
                is_subject_known: true,
                rules,
                end: End::Deny,
            });
        }
    }

    /// Addresses outside, and whoever else has one of them where CIDRs match more than those (C8).
    pub(super) fn addresses(&self, matcher: Matcher<'c>) -> Vec<Matcher<'c>> {
        let options = self.cluster.enforcement().cilium();
        let in_cluster = match &matcher {
            Matcher::Outside(ranges) | Matcher::Untold(ranges)
                if options.cidrs_match_nodes.is_on() || options.cidrs_match_pods.is_on() =>
            {
                Some(Condition::cidr_in_cluster(ranges.clone(), options))
            }
            _ => None,
        };
        let in_cluster = in_cluster.map(Matcher::Condition);
        std::iter::once(matcher).chain(in_cluster).collect()
    }

    /// Whether a pod's own node always gets in (C15).
    pub(super) fn allows_localhost(&self) -> bool {
        self.cluster.enforcement().cilium().allows_localhost.is_on()
    }

    /// Whether every pod is isolated, whatever its policies say of it.
    fn isolates_all(&self) -> bool {
        self.cluster.enforcement().cilium().isolates_all()
    }

    /// The options of the agent.
    fn options(&self) -> &'c CiliumOptions {
        self.cluster.enforcement().cilium()
    }

    /// Without what an agent does not add that was told so (C6, C15).
    pub(super) fn in_cluster(&self, mut identities: Identities) -> Identities {
        let options = self.cluster.enforcement().cilium();
        if !options.means_local_cluster.is_on() {
            let is_added = |it: &IdentityRequirement| it.is_implied && it.key == CLUSTER_KEY;
            identities.0.retain(|it| !is_added(it));
        }
        identities
    }

    /// Pods, entities and addresses outside by their identity.
    pub(super) fn identities(&mut self, identities: Identities) -> Vec<Matcher<'c>> {
        let enforcement = self.cluster.enforcement();
        let identities = identities.under(self.options());
        let identities = identities.in_families(enforcement.is_dual_stack() != Truth::False);
        let holds = |view| identities.truth(view) != Truth::False;
        let entities: Vec<Entity> = (Entity::ALL.into_iter())
            .filter(|entity| holds(IdentityView::entity(*entity)))
            .collect();
        let families = [(true, AddressRange::IPV4), (false, AddressRange::IPV6)];
        let ranges: Vec<AddressRange> = (families.into_iter())
            .filter(|(is_ipv4, _)| holds(IdentityView::Outside(*is_ipv4)))
            .map(|(_, range)| range)
            .collect();
        let mut matchers = vec![Matcher::Pods(self.pods(identities, HostNetwork::Seen))];
        if !entities.is_empty() {
            matchers.push(Matcher::Entities(entities));
        }
        if !ranges.is_empty() {
            matchers.push(Matcher::Outside(ranges));
        }
        matchers
    }

    /// Pods by their identity.
    pub(super) fn pods(&mut self, identities: Identities, host_network: HostNetwork) -> PodSet<'c> {
        let id = identities
            .namespace()
            .and_then(|name| self.cluster.namespace_by_name(name));
        let condition = self.conditions.entry(identities.under(self.options()));
        let condition =
            condition.or_insert_with_key(|identities| Condition::identities(identities.clone()));
        PodSet {
            // Where a pod is on the network of its node, its namespace is no label of it; what
            // asks for a namespace does not match it.
            namespaces: id.map_or(NamespaceSet::All, NamespaceSet::One),
            pods: None,
            host_network,
            condition: Some(condition.clone()),
        }
    }

    /// What an entity means; `None` is everybody.
    fn entity(&mut self, entity: CiliumEntity) -> Option<Vec<Matcher<'c>>> {
        let world = |ranges: &[AddressRange]| vec![Matcher::Outside(ranges.to_vec())];
        let one = |entity| vec![Matcher::Entities(vec![entity])];
        Some(match entity {
            CiliumEntity::All => return None,
            CiliumEntity::World => world(&[AddressRange::IPV4, AddressRange::IPV6]),
            CiliumEntity::WorldIpv4 => world(&[AddressRange::IPV4]),
            CiliumEntity::WorldIpv6 => world(&[AddressRange::IPV6]),
            CiliumEntity::Cluster | CiliumEntity::ClusterMesh => vec![
                Matcher::Pods(self.pods(Identities::default(), HostNetwork::Seen)),
                Matcher::Entities(Entity::ALL.to_vec()),
            ],
            CiliumEntity::RemoteNode => {
                let mut identities = Identities::default();
                identities.0.push(IdentityRequirement {
                    source: Source::Reserved,
                    key: entity.name().to_owned(),
                    operator: Operator::Exists,
                    values: Vec::new(),
                    is_implied: false,
                    is_kept: true,
                    may_be_dropped: false,
                    is_dual_stack: true,
                });
                self.identities(identities)
            }
            CiliumEntity::Host => one(Entity::Host),
            CiliumEntity::Init => one(Entity::Init),
            CiliumEntity::Ingress => one(Entity::Ingress),
            CiliumEntity::Unmanaged => one(Entity::Unmanaged),
            CiliumEntity::Health => one(Entity::Health),
            CiliumEntity::KubeApiserver => one(Entity::KubeApiserver),
            CiliumEntity::None => vec![Matcher::Entities(Vec::new())],
        })
    }

    /// The pods of the Services that an entry names. Where there are none such, its rule is about
    /// everybody or nobody (C14).
    fn service(&mut self, entry: &CiliumServicePeer) -> Vec<Matcher<'c>> {
        let mut matchers = Vec::new();
        for service in self.cluster.services_named_by(entry) {
            let namespace = &self.cluster.namespace(service.namespace).name;
            let selector = service.object.selector.as_ref();
            match selector.filter(|selector| !selector.is_empty()) {
                Some(selector) => {
                    let mut identities = Identities::default();
                    for label in selector {
                        identities.require(&label.key, Operator::In, &[&label.value]);
                    }
                    identities.require(NAMESPACE_KEY, Operator::In, &[namespace]);
                    matchers.push(Matcher::Pods(self.pods(identities, HostNetwork::Unseen)));
                }
                // Its endpoints are addresses that are not among the inputs.
                None => matchers.push(untold(&[])),
            }
        }
        if matchers.is_empty() && names_api_server(entry) {
            matchers.push(untold(&[]));
        }
        matchers
    }
}

/// The pods that the rule sets of a policy with rules of a direction are about, whether the
/// agent takes the policy or not.
pub(in crate::engine) fn subjects<'c>(
    policy: &CiliumPolicy,
    namespace: Option<&str>,
    direction: Direction,
    options: &CiliumOptions,
) -> Vec<Condition<'c>> {
    let has_rules = |spec: &&CiliumSpec| spec.rules_of(direction).next().is_some();
    let specs = policy.specs.iter().filter(has_rules);
    let subjects = specs.filter_map(|spec| match &spec.subject {
        CiliumSubject::Endpoints(selector) => Some(subject(selector, namespace).under(options)),
        CiliumSubject::Nodes(_) => None,
    });
    subjects.map(Condition::identities).collect()
}

/// Where a rule stands, as far as it decides what its peers mean.
#[derive(Clone, Copy)]
pub(super) struct Home<'a> {
    pub(super) namespace: Option<&'a str>,
    /// Whether its subject asks for endpoints without labels.
    pub(super) has_init: bool,
    /// Whether the Services that its policy names are looked up.
    pub(super) are_services_known: bool,
}

/// Whom a rule set is about (C6): the own namespace takes the place of one from Kubernetes
/// among the labels, and is added to everything else.
pub(super) fn subject(selector: &LabelSelector, namespace: Option<&str>) -> Identities {
    let mut identities = Identities::new(Some(selector), Source::Any);
    if let Some(namespace) = namespace {
        let labels = selector.match_labels.len();
        let mut index = 0;
        identities.0.retain(|it| {
            index += 1;
            let is_label = index <= labels;
            !(is_label && it.source == Source::Kubernetes && it.key == NAMESPACE_KEY)
        });
        identities.require(NAMESPACE_KEY, Operator::In, &[namespace]);
    }
    identities
}

/// What an entry of `fromEndpoints` means with what Cilium adds to it (C6).
pub(super) fn endpoint(selector: &LabelSelector, home: Home<'_>) -> Identities {
    let mut identities = Identities::new(Some(selector), Source::Any);
    if identities.0.iter().any(|it| it.source == Source::Reserved) {
        return identities;
    }
    // A key that another tool fills in may be that of the namespace.
    let may_be_any = identities.0.iter().any(|it| crate::k8s::is_opaque(&it.key));
    let mentions_namespace = may_be_any || identities.asks_for(NAMESPACE_KEY);
    let mut plain = identities.0.iter().filter(|it| it.is_plain());
    let mentions_labels = plain.any(|it| it.key.starts_with(NAMESPACE_LABELS));
    if !identities.asks_for(CLUSTER_KEY) {
        identities.imply(CLUSTER_KEY, Operator::In, &[CLUSTER]);
    }
    match home.namespace {
        _ if mentions_namespace => {}
        None if !home.has_init => identities.imply(NAMESPACE_KEY, Operator::Exists, &[]),
        Some(namespace) if !mentions_labels => {
            identities.imply(NAMESPACE_KEY, Operator::In, &[namespace]);
        }
        _ => {}
    }
    identities
}

/// The pods of Services that are too many to look them up, and endpoints outside.
fn any_service<'c>() -> Vec<Matcher<'c>> {
    vec![
        Matcher::Condition(Condition::behind_services()),
        untold(&[]),
    ]
}

/// The rule by which a pod's own node always gets in, unless a rule denies it (C1).
pub(super) fn own_node<'c>(policy: Option<Span>) -> Rule<'c> {
    Rule {
        origin: Origin {
            index: 0,
            rule: RuleRef::OwnNode(policy),
        },
        action: Action::Accept,
        peers: Some(vec![Peer {
            origin: PeerRef::OwnNode,
            matcher: Matcher::Entities(vec![Entity::Host]),
        }]),
        ports: None,
        is_opaque: false,
    }
}
