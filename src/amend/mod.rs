//! Edits that add something to a policy's text in the style of the text around it: block
//! or flow, its indentation, its quotes, the order of its keys, its line breaks.
//!
//! Refuses to judge what an addition is good for, and whether it does what it should: an
//! edit is a proposal, and the engine says what it does once it was read again.

mod dialects;
mod place;
mod value;

use crate::k8s::{
    ClusterNetworkPolicy, ClusterPolicyKind, Direction, Field, NetworkPolicy, NetworkPolicyPeer,
    NetworkPolicyPort, NetworkPolicyRule, Protocol,
};
use crate::source::{Edit, SourceMap, Span};
pub use dialects::{
    NewPluginPolicy, PluginPeer, add_calico_policy, add_calico_rule, add_cilium_policy,
    add_cilium_ports, add_cilium_rule,
};
use ipnet::IpNet;
use place::Place;
use value::{Style, Value};

/// Ports of one protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NewPort {
    /// The protocol.
    pub protocol: Protocol,
    /// The first port.
    pub first: u16,
    /// The last port, equal to the first for a single one.
    pub last: u16,
}

/// Somebody to talk to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NewPeer {
    /// Pods with these labels; of the policy's own namespace, or of namespaces with others.
    Pods {
        /// The labels of the namespace; `None` for the policy's own.
        namespace: Option<Vec<(String, String)>>,
        /// The labels of the pods; none means all of them.
        labels: Vec<(String, String)>,
    },
    /// Addresses.
    Block {
        /// The block.
        cidr: IpNet,
        /// Blocks inside it that are left out.
        except: Vec<IpNet>,
    },
}

/// A NetworkPolicy with one rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewPolicy {
    /// Its name.
    pub name: String,
    /// Its namespace; `None` if the text shall not say it.
    pub namespace: Option<String>,
    /// The labels of the pods that it selects; none means all of them.
    pub labels: Vec<(String, String)>,
    /// The direction of its rule.
    pub direction: Direction,
    /// The peers of its rule.
    pub peers: Vec<NewPeer>,
    /// The ports of its rule.
    pub ports: Vec<NewPort>,
}

/// Adds ports behind those of a rule; `None` where the rule has none, as it matches every
/// port then, and where the last one does not say there what it is, as a patch changes it.
#[must_use]
pub fn add_ports(sources: &SourceMap, rule: &NetworkPolicyRule, ports: &[NewPort]) -> Option<Edit> {
    let last = rule.ports.items().last()?;
    if last.place() != last.span {
        return None;
    }
    let text = text_of(sources, last.span);
    let style = Style::around(text, last.span);
    let values = ports.iter().map(|port| port_like(port, last));
    Some(Place::behind(text, last.span, last.dash).insert(&values.collect::<Vec<_>>(), style))
}

/// Adds peers behind those of a rule; `None` where the rule has none, as it matches
/// everyone then.
#[must_use]
pub fn add_peers(sources: &SourceMap, rule: &NetworkPolicyRule, peers: &[NewPeer]) -> Option<Edit> {
    let last: &NetworkPolicyPeer = rule.peers.items().last()?;
    let text = text_of(sources, last.span);
    let style = Style::around(text, last.span);
    let values: Vec<Value> = peers.iter().map(peer_value).collect();
    Some(Place::behind(text, last.span, last.dash).insert(&values, style))
}

/// Adds a rule behind those of a policy, or the field with it as the first one; `None`
/// where the text gives no place for it.
#[must_use]
pub fn add_rule(
    sources: &SourceMap,
    policy: &NetworkPolicy,
    direction: Direction,
    peers: &[NewPeer],
    ports: &[NewPort],
) -> Option<Edit> {
    let rule = rule_value(direction, peers, ports);
    if let Some(last) = policy.rules_field(direction).items().last() {
        let text = text_of(sources, last.span);
        let style = Style::around(text, last.span);
        return Some(Place::behind(text, last.span, last.dash).insert(&[rule], style));
    }
    let list = Value::List(vec![rule]);
    match policy.rules_field(direction) {
        Field::Value { key, .. } | Field::Null { key } => {
            let text = text_of(sources, *key);
            place::fill(text, *key, &list, style_at(text, *key, policy))
        }
        Field::Missing => {
            let (key, end) = sibling(policy)?;
            let text = text_of(sources, key);
            let style = style_at(text, key, policy);
            place::beside(text, (key, end), (direction.field(), &list), style)
        }
    }
}

/// The text that a place is in: a build takes a policy together from several.
fn text_of(sources: &SourceMap, place: Span) -> &str {
    sources.get(place.source).text()
}

/// The style of a policy, or that of another text around a place in it.
fn style_at<'t>(text: &'t str, place: Span, policy: &NetworkPolicy) -> Style<'t> {
    match policy.meta.span.source == place.source {
        true => Style::around(text, policy.meta.span),
        false => Style::around(text, place),
    }
}

/// A field of `spec` that a new one can stand beside: its key, and where its value ends.
fn sibling(policy: &NetworkPolicy) -> Option<(Span, Span)> {
    let types = policy.policy_types.items().last().map(|last| last.span);
    let selector = policy.pod_selector.get().map(|selector| selector.span);
    let last_rule = |direction| {
        policy
            .rules_field(direction)
            .items()
            .last()
            .map(|rule| rule.span)
    };
    let fields = [
        (policy.policy_types.key(), types),
        (policy.pod_selector.key(), selector),
        (policy.egress.key(), last_rule(Direction::Egress)),
        (policy.ingress.key(), last_rule(Direction::Ingress)),
    ];
    let mut fields = fields.into_iter().filter_map(|(key, end)| key.zip(end));
    fields.find(|(key, end)| key.source == end.source && key.start < end.end)
}

/// Adds a policy as a document of its own behind the document of another one; `None` where
/// that one stands in a list, or is JSON.
#[must_use]
pub fn add_policy(sources: &SourceMap, behind: &NetworkPolicy, policy: &NewPolicy) -> Option<Edit> {
    let text = text_of(sources, behind.meta.span);
    let style = Style::around(text, behind.meta.span);
    place::document(text, behind.meta.span, &policy_value(policy), style)
}

/// Adds a rule that accepts before another rule of a cluster-wide policy.
#[must_use]
pub fn accept_before(
    sources: &SourceMap,
    policy: &ClusterNetworkPolicy,
    (direction, index): (Direction, usize),
    peers: &[NewPeer],
    ports: &[NewPort],
) -> Option<Edit> {
    let rule = policy.rules(direction).get(index)?;
    let text = text_of(sources, rule.span);
    let style = Style::around(text, rule.span);
    let value = cluster_rule_value(policy.kind, direction, peers, ports)?;
    Some(Place::before(text, rule.span, rule.dash).insert(&[value], style))
}

/// A port entry that says what another one says, in the same order: no protocol where that
/// one has none and TCP is meant.
fn port_like(port: &NewPort, like: &NetworkPolicyPort) -> Value {
    let protocol = ("protocol", Value::Word(port.protocol.name().to_owned()));
    let number = ("port", Value::Word(port.first.to_string()));
    let leaves_out_protocol = like.protocol.is_missing() && port.protocol == Protocol::Tcp;
    let is_port_first = match (like.port.key(), like.protocol.key()) {
        (Some(port), Some(protocol)) => port.start < protocol.start,
        _ => false,
    };
    let end = (port.last != port.first).then(|| ("endPort", Value::Word(port.last.to_string())));
    let protocol = (!leaves_out_protocol).then_some(protocol);
    let fields: Vec<(&str, Value)> = if is_port_first {
        [Some(number), end, protocol]
            .into_iter()
            .flatten()
            .collect()
    } else {
        [protocol, Some(number), end]
            .into_iter()
            .flatten()
            .collect()
    };
    Value::map(fields)
}

fn port_value(port: &NewPort) -> Value {
    let mut fields = vec![
        ("protocol", Value::Word(port.protocol.name().to_owned())),
        ("port", Value::Word(port.first.to_string())),
    ];
    if port.last != port.first {
        fields.push(("endPort", Value::Word(port.last.to_string())));
    }
    Value::map(fields)
}

fn rule_value(direction: Direction, peers: &[NewPeer], ports: &[NewPort]) -> Value {
    Value::map(vec![
        (
            direction.peers_field(),
            Value::List(peers.iter().map(peer_value).collect()),
        ),
        ("ports", Value::List(ports.iter().map(port_value).collect())),
    ])
}

fn selector(labels: &[(String, String)]) -> Value {
    if labels.is_empty() {
        return Value::Map(Vec::new());
    }
    let labels = labels
        .iter()
        .map(|(key, value)| (key.clone(), Value::Text(value.clone())));
    Value::map(vec![("matchLabels", Value::Map(labels.collect()))])
}

fn peer_value(peer: &NewPeer) -> Value {
    match peer {
        NewPeer::Pods { namespace, labels } => {
            let namespace = namespace
                .as_ref()
                .map(|labels| ("namespaceSelector", selector(labels)));
            let pods = ("podSelector", selector(labels));
            // Every pod of a namespace needs no second selector.
            let needs_pods = !labels.is_empty() || namespace.is_none();
            Value::map(
                namespace
                    .into_iter()
                    .chain(needs_pods.then_some(pods))
                    .collect(),
            )
        }
        NewPeer::Block { cidr, except } => {
            let mut fields = vec![("cidr", Value::Block(*cidr))];
            if !except.is_empty() {
                let except = except.iter().copied().map(Value::Block).collect();
                fields.push(("except", Value::List(except)));
            }
            Value::map(vec![("ipBlock", Value::map(fields))])
        }
    }
}

fn policy_value(policy: &NewPolicy) -> Value {
    let mut meta = vec![("name", Value::Text(policy.name.clone()))];
    if let Some(namespace) = &policy.namespace {
        meta.push(("namespace", Value::Text(namespace.clone())));
    }
    let word = |text: &str| Value::Word(text.to_owned());
    let rule = rule_value(policy.direction, &policy.peers, &policy.ports);
    let spec = vec![
        ("podSelector", selector(&policy.labels)),
        (
            "policyTypes",
            Value::List(vec![word(policy.direction.policy_type())]),
        ),
        (policy.direction.field(), Value::List(vec![rule])),
    ];
    Value::map(vec![
        ("apiVersion", word("networking.k8s.io/v1")),
        ("kind", word("NetworkPolicy")),
        ("metadata", Value::map(meta)),
        ("spec", Value::map(spec)),
    ])
}

/// A rule that accepts, spelled as the kind spells it; `None` for a peer that it does not
/// have in this direction.
fn cluster_rule_value(
    kind: ClusterPolicyKind,
    direction: Direction,
    peers: &[NewPeer],
    ports: &[NewPort],
) -> Option<Value> {
    let is_newest = kind == ClusterPolicyKind::ClusterNetworkPolicy;
    let peer = |peer: &NewPeer| match peer {
        NewPeer::Pods { namespace, labels } => {
            let namespaces = selector(namespace.as_deref().unwrap_or_default());
            let pods = vec![
                ("namespaceSelector", namespaces),
                ("podSelector", selector(labels)),
            ];
            Some(Value::map(vec![("pods", Value::map(pods))]))
        }
        NewPeer::Block { cidr, except } if direction == Direction::Egress && except.is_empty() => {
            let networks = vec![Value::Block(*cidr)];
            Some(Value::map(vec![("networks", Value::List(networks))]))
        }
        NewPeer::Block { .. } => None,
    };
    let number = |number: u16| Value::Word(number.to_string());
    let port = |port: &NewPort| {
        let range = || vec![("start", number(port.first)), ("end", number(port.last))];
        let is_range = port.first != port.last;
        if is_newest {
            let port_number = if is_range {
                ("range", Value::map(range()))
            } else {
                ("number", number(port.first))
            };
            let destination = Value::map(vec![("destinationPort", Value::map(vec![port_number]))]);
            return Value::Map(vec![(
                port.protocol.name().to_ascii_lowercase(),
                destination,
            )]);
        }
        let protocol = ("protocol", Value::Word(port.protocol.name().to_owned()));
        if is_range {
            let fields = std::iter::once(protocol).chain(range()).collect();
            Value::map(vec![("portRange", Value::map(fields))])
        } else {
            Value::map(vec![(
                "portNumber",
                Value::map(vec![protocol, ("port", number(port.first))]),
            )])
        }
    };
    let peers = peers.iter().map(peer).collect::<Option<Vec<_>>>()?;
    Some(Value::map(vec![
        (
            "action",
            Value::Word(if is_newest { "Accept" } else { "Allow" }.to_owned()),
        ),
        (direction.peers_field(), Value::List(peers)),
        (
            if is_newest { "protocols" } else { "ports" },
            Value::List(ports.iter().map(port).collect()),
        ),
    ]))
}

#[cfg(test)]
mod tests;
