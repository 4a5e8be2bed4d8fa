//! What could be added to the policies of one side so that it lets something through.
//!
//! Refuses to know whether it would: proposals are tried by others.

use crate::amend::{self, NewPeer, NewPolicy, NewPort};
use crate::cli::endpoint::{UNNAMED, blocks};
use crate::cli::reach::Scene;
use crate::cluster::{NAMESPACE_NAME_LABEL, PolicyId};
use crate::engine::program::StageName;
use crate::engine::{
    AddressRange, ConnectionSet, Entity, PodView, PolicyRef, PolicyTrace, ReasonCode, RuleRef,
    RuleTrace, SideTrace,
};
use crate::k8s::{Direction, Labels, Truth, is_opaque};
use crate::source::Edit;

/// One way to open a side.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Proposal {
    /// The edits that do it.
    pub(super) edits: Vec<Edit>,
    /// What is added.
    pub(super) kind: Kind,
}

/// What a proposal adds; of two with equally many lines the earlier kind is preferred.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Kind {
    Ports,
    Peers,
    Rule,
    AcceptingRule,
    Policy,
}

/// More ports than this make no small change.
const MAX_PORTS: usize = 6;

/// How many blocks of addresses a peer may take.
const MAX_BLOCKS: usize = 4;

/// Labels that name an application, the best known first.
const IDENTIFYING: [&str; 7] = [
    "app.kubernetes.io/name",
    "app",
    "k8s-app",
    "name",
    "app.kubernetes.io/component",
    "component",
    "role",
];

/// Labels that change with every release or are set by controllers.
const VOLATILE: [&str; 10] = [
    "pod-template-hash",
    "controller-revision-hash",
    "pod-template-generation",
    "controller-uid",
    "job-name",
    "helm.sh/chart",
    "app.kubernetes.io/version",
    "app.kubernetes.io/managed-by",
    "version",
    "statefulset.kubernetes.io/pod-name",
];

/// How many lines edits add.
pub(super) fn lines(edits: &[Edit]) -> usize {
    // An edit within a line counts as one.
    edits
        .iter()
        .map(|edit| edit.replacement.matches('\n').count().max(1))
        .sum()
}

/// What could open a side for `denied`, in no order.
pub(super) fn proposals(
    scene: Scene<'_>,
    side: &SideTrace<'_>,
    (subject, other): (&PodView<'_>, &Other<'_>),
    denied: &ConnectionSet,
) -> Vec<Proposal> {
    let ports = new_ports(denied);
    if ports.is_empty() {
        return Vec::new();
    }
    let side = Side {
        scene,
        trace: side,
        subject,
        other,
        ports,
        denied,
    };
    let mut proposals = Vec::new();
    for decision in side.trace.decisions(denied) {
        match (decision.code, decision.rule) {
            (ReasonCode::AdminDeny | ReasonCode::BaselineDeny, Some(rule)) => {
                side.accept_before(rule, &mut proposals);
            }
            (ReasonCode::NoRules | ReasonCode::NoRuleMatches, _) => side.allow(&mut proposals),
            _ => {}
        }
        side.in_dialect(&decision, &mut proposals);
    }
    proposals
}

/// Whom a side is to be opened for.
#[derive(Clone, Debug)]
pub(super) enum Other<'c> {
    /// A pod.
    Pod(PodView<'c>),
    /// All of these addresses.
    Addresses(Vec<AddressRange>),
    /// All public addresses of these families.
    Internet(Vec<AddressRange>),
    /// An end that only Cilium tells apart.
    Entity(Entity),
    /// An end that no change is proposed for.
    Nobody,
}

/// A side that is to be opened.
pub(super) struct Side<'s, 'c> {
    pub(super) scene: Scene<'s>,
    pub(super) trace: &'s SideTrace<'c>,
    pub(super) subject: &'s PodView<'c>,
    pub(super) other: &'s Other<'c>,
    pub(super) ports: Vec<NewPort>,
    denied: &'s ConnectionSet,
}

impl Side<'_, '_> {
    fn accept_before(&self, rule: &RuleTrace<'_>, proposals: &mut Vec<Proposal>) {
        let PolicyRef::Cluster(id) = rule.policy else {
            return;
        };
        let policy = self.scene.cluster.cluster_policy(id);
        let place = (self.trace.direction, rule.index);
        for peers in self.peers(None) {
            let sources = self.scene.sources;
            let edit = amend::accept_before(sources, policy, place, &peers, &self.ports);
            proposals.extend(edit.map(|edit| Proposal {
                edits: vec![edit],
                kind: Kind::AcceptingRule,
            }));
        }
    }

    /// The NetworkPolicies that isolate the pod or may.
    fn network_policies(&self) -> impl Iterator<Item = (PolicyId, &PolicyTrace<'_>)> {
        let policies = self.trace.policies(StageName::NetworkPolicies).iter();
        policies.filter_map(|policy| match policy.policy {
            PolicyRef::Network(id) => Some((id, policy)),
            PolicyRef::Cluster(_)
            | PolicyRef::Plugin(_)
            | PolicyRef::Part(_)
            | PolicyRef::Agent => None,
        })
    }

    fn allow(&self, proposals: &mut Vec<Proposal>) {
        let sources = self.scene.sources;
        let mut add = |kind, edit: Option<Edit>| {
            proposals.extend(edit.map(|edit| Proposal {
                edits: vec![edit],
                kind,
            }));
        };
        for (id, policy) in self.network_policies() {
            if policy.selects != Truth::True {
                continue;
            }
            for trace in &policy.rules {
                let RuleRef::Network(rule) = trace.rule else {
                    continue;
                };
                // A rule without peers is for everybody, and so would be the port.
                if trace.peers.truth == Truth::True && !rule.peers.items().is_empty() {
                    add(Kind::Ports, amend::add_ports(sources, rule, &self.ports));
                }
                if self.denied.is_subset(&trace.ports.matches.certain) {
                    for peers in self.peers(Some(id)) {
                        add(Kind::Peers, amend::add_peers(sources, rule, &peers));
                    }
                }
            }
            let object = &self.scene.cluster.policy(id).object;
            let is_default = object
                .pod_selector
                .get()
                .is_none_or(|selector| selector.is_empty());
            for peers in self.peers(Some(id)) {
                let policies = labels_of(self.subject.labels, &self.used_keys()).into_iter();
                let policies = policies.map(|labels| self.policy(id, labels, peers.clone()));
                let policies: Vec<Edit> = policies
                    .filter_map(|new| amend::add_policy(sources, object, &new))
                    .collect();
                // A policy that denies everything to everybody stays what it is, if there is
                // a place for another one.
                if !policy.rules.is_empty() || !is_default || policies.is_empty() {
                    let edit =
                        amend::add_rule(sources, object, self.trace.direction, &peers, &self.ports);
                    add(Kind::Rule, edit);
                }
                for edit in policies {
                    add(Kind::Policy, Some(edit));
                }
            }
        }
    }

    fn policy(
        &self,
        beside: PolicyId,
        labels: Vec<(String, String)>,
        peers: Vec<NewPeer>,
    ) -> NewPolicy {
        let beside = &self.scene.cluster.policy(beside).object;
        NewPolicy {
            name: self.free_name(),
            namespace: beside
                .meta
                .namespace
                .as_ref()
                .map(|namespace| namespace.value.to_string()),
            labels,
            direction: self.trace.direction,
            peers,
            ports: self.ports.clone(),
        }
    }

    /// A name for a policy that none of the namespace has.
    pub(super) fn free_name(&self) -> String {
        let cluster = &self.scene.cluster;
        let name = |pod: &PodView<'_>| {
            let workload = pod
                .workload
                .map(|id| cluster.workload(id).object.meta.name.value.to_string());
            workload.unwrap_or_else(|| name_by_labels(pod.labels))
        };
        let other = match self.other {
            Other::Pod(pod) => name(pod),
            Other::Addresses(_) => "addresses".to_owned(),
            Other::Internet(_) => "internet".to_owned(),
            Other::Entity(entity) => entity.name().to_owned(),
            Other::Nobody => "nobody".to_owned(),
        };
        let word = match self.trace.direction {
            Direction::Ingress => "from",
            Direction::Egress => "to",
        };
        let wanted = format!("{}-{word}-{other}", name(self.subject));
        let is_taken = |name: &str| {
            let ids = self.subject.namespace.id.map(|id| cluster.policies_in(id));
            let mut plugin = cluster.plugin_policies().iter();
            ids.into_iter()
                .flatten()
                .any(|id| cluster.policy(id).object.meta.name.value == name)
                || plugin.any(|policy| policy.meta.name.value == name)
        };
        let numbered = (2..).map(|number| format!("{wanted}-{number}"));
        let mut names = std::iter::once(wanted.clone()).chain(numbered);
        names
            .find(|name| !is_taken(name))
            .expect("there are more numbers than policies")
    }

    /// The keys of labels that the policies of this side ask pods for.
    pub(super) fn used_keys(&self) -> Vec<&str> {
        let mut keys = Vec::new();
        for (id, _) in self.network_policies() {
            let object = &self.scene.cluster.policy(id).object;
            let rules = object.rules_field(self.trace.direction).items();
            let of_peers = rules.iter().flat_map(|rule| rule.peers.items());
            let selectors = of_peers.filter_map(|peer| peer.pod_selector.get());
            let selectors = selectors.chain(object.pod_selector.get());
            keys.extend(
                selectors
                    .flat_map(|selector| &selector.match_labels)
                    .map(|label| label.key.as_str()),
            );
        }
        keys
    }

    /// The other end as peers of a policy (of a cluster-wide one, if there is none), in the
    /// ways that it may be written: by the label that names it, and by all of its labels.
    fn peers(&self, policy: Option<PolicyId>) -> Vec<Vec<NewPeer>> {
        let block = |cidr| NewPeer::Block {
            cidr,
            except: Vec::new(),
        };
        let pod = match self.other {
            Other::Pod(pod) => pod,
            Other::Internet(ranges) => return vec![public_blocks(ranges)],
            Other::Entity(_) | Other::Nobody => return Vec::new(),
            Other::Addresses(ranges) => {
                let blocks: Vec<_> = ranges.iter().flat_map(blocks).collect();
                let fits = !blocks.is_empty() && blocks.len() <= MAX_BLOCKS;
                return fits
                    .then(|| blocks.into_iter().map(block).collect())
                    .into_iter()
                    .collect();
            }
        };
        if pod.host_network {
            let addresses = pod.addresses.iter().map(|address| block((*address).into()));
            let addresses: Vec<_> = addresses.collect();
            return (!addresses.is_empty())
                .then_some(addresses)
                .into_iter()
                .collect();
        }
        let home = policy.map(|id| self.scene.cluster.policy(id).namespace);
        let namespace = match home {
            Some(home) if pod.namespace.id == Some(home) => None,
            _ => Some(namespace_labels(pod)),
        };
        if namespace.as_ref().is_some_and(Vec::is_empty) {
            return Vec::new();
        }
        let labels = labels_of(pod.labels, &self.used_keys());
        let peer = |labels| {
            vec![NewPeer::Pods {
                namespace: namespace.clone(),
                labels,
            }]
        };
        labels.into_iter().map(peer).collect()
    }
}

/// The labels by which a pod's namespace is best selected: its name, or all labels of one
/// that has no name yet.
fn namespace_labels(pod: &PodView<'_>) -> Vec<(String, String)> {
    let labels = pod.namespace.labels.iter();
    let labels = labels.map(|label| (label.key.to_string(), label.value.to_string()));
    let (name, others): (Vec<_>, Vec<_>) = labels.partition(|(key, _)| key == NAMESPACE_NAME_LABEL);
    if pod.namespace.name == UNNAMED {
        others
    } else {
        name
    }
}

/// The labels by which pods may be selected: the one that names them, preferably with a
/// key that is used already, and all that stay.
pub(super) fn labels_of(labels: &Labels, used: &[&str]) -> Vec<Vec<(String, String)>> {
    let stable: Vec<(String, String)> = labels
        .iter()
        .filter(|label| !VOLATILE.contains(&label.key.as_str()))
        .filter(|label| !is_opaque(&label.key) && !is_opaque(&label.value))
        .map(|label| (label.key.to_string(), label.value.to_string()))
        .collect();
    let wanted = used.iter().chain(&IDENTIFYING);
    let naming = wanted
        .filter_map(|key| stable.iter().find(|(its_key, _)| its_key == key))
        .next();
    let naming = naming.or(stable.first()).cloned();
    let mut ways = vec![naming.into_iter().collect(), stable];
    ways.dedup();
    ways
}

/// What pods that do not exist yet may be called in the name of a policy: the value of the label
/// that names them, where that makes a name.
fn name_by_labels(labels: &Labels) -> String {
    let naming = IDENTIFYING.iter().find_map(|key| labels.get(key));
    let value = naming.or_else(|| labels.iter().next().map(|label| label.value.as_str()));
    // Of a value, which begins and ends with a letter or a digit, this is all that a name refuses.
    let fits = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    let value = value.filter(|value| !value.is_empty() && value.bytes().all(fits));
    value.unwrap_or("new").to_owned()
}

/// All public addresses, and few others, in as few lines as people write for it.
pub(super) fn public_blocks(ranges: &[AddressRange]) -> Vec<NewPeer> {
    let block = |text: &str| text.parse().expect("these blocks are well formed");
    let peer = |cidr: &str, except: &[&str]| NewPeer::Block {
        cidr: block(cidr),
        except: except.iter().map(|text| block(text)).collect(),
    };
    let families = [
        (
            true,
            "0.0.0.0/0",
            &[
                "10.0.0.0/8",
                "169.254.0.0/16",
                "172.16.0.0/12",
                "192.168.0.0/16",
            ][..],
        ),
        (false, "::/0", &["fc00::/7", "fe80::/10"]),
    ];
    let is_asked = |is_ipv4| ranges.iter().any(|range| range.is_ipv4() == is_ipv4);
    let families = families
        .into_iter()
        .filter(|(is_ipv4, ..)| is_asked(*is_ipv4));
    families
        .map(|(_, cidr, except)| peer(cidr, except))
        .collect()
}

/// Ports as entries of a rule; none if they would be too many.
fn new_ports(connections: &ConnectionSet) -> Vec<NewPort> {
    let ports = connections.iter().flat_map(|(protocol, ports)| {
        let ranges = ports.ranges().iter();
        ranges.map(move |(first, last)| NewPort {
            protocol,
            first: *first,
            last: *last,
        })
    });
    let ports: Vec<_> = ports.collect();
    if ports.len() <= MAX_PORTS {
        ports
    } else {
        Vec::new()
    }
}
