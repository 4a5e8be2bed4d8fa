//! Rules that allow, in the dialects of Cilium and Calico: added to a policy, or in a policy of
//! their own.
//!
//! Refuses to judge what an addition is good for.

use super::place::{self, Place};
use super::value::{Style, Value};
use super::{NewPort, text_of};
use crate::k8s::{CalicoPolicy, CiliumRule, CiliumSpec, Direction};
use crate::source::{Edit, SourceMap, Span};
use ipnet::IpNet;

/// Somebody to talk to, as Cilium and Calico can name him.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PluginPeer {
    /// Pods with these labels, in the namespace of this name; `None` for the policy's own.
    Pods {
        /// The name of the namespace.
        namespace: Option<String>,
        /// The labels; none means all pods.
        labels: Vec<(String, String)>,
    },
    /// Addresses.
    Block {
        /// The block.
        cidr: IpNet,
        /// Blocks inside it that are left out.
        except: Vec<IpNet>,
    },
    /// What Cilium calls an entity.
    Entity(&'static str),
}

/// A policy with one rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewPluginPolicy {
    /// Its name.
    pub name: String,
    /// Its namespace.
    pub namespace: String,
    /// The labels of the pods that it selects; none means all of them.
    pub labels: Vec<(String, String)>,
    /// The direction of its rule.
    pub direction: Direction,
    /// The tier that it belongs to, if it is of Calico and not of the tier `default`.
    pub tier: Option<String>,
    /// The peers of its rule, all of one sort.
    pub peers: Vec<PluginPeer>,
    /// The ports of its rule.
    pub ports: Vec<NewPort>,
}

/// Adds a rule behind those that allow in a direction; `None` where a rule set has none.
#[must_use]
pub fn add_cilium_rule(
    sources: &SourceMap,
    spec: &CiliumSpec,
    direction: Direction,
    peers: &[PluginPeer],
    ports: &[NewPort],
) -> Option<Edit> {
    let rules = spec.rules_of(direction);
    let last = rules.filter(|rule| !rule.section.is_deny()).last()?;
    let value = cilium_rule(direction, peers, ports)?;
    let text = text_of(sources, last.span);
    let style = Style::around(text, last.span);
    Some(Place::behind(text, last.span, last.dash).insert(&[value], style))
}

/// Adds ports behind those of a rule; `None` where it has none, or restricts them above
/// layer 4.
#[must_use]
pub fn add_cilium_ports(sources: &SourceMap, rule: &CiliumRule, ports: &[NewPort]) -> Option<Edit> {
    let mut entries = rule.to_ports.as_ref()?.value.iter();
    let entry = entries.find(|entry| entry.layer7.is_none() && !entry.ports.is_empty())?;
    let last = entry.ports.last()?;
    let text = text_of(sources, last.span);
    let style = Style::around(text, last.span);
    let values: Vec<Value> = ports.iter().map(cilium_port).collect();
    let dash = place::dash(text, last.span);
    Some(Place::behind(text, last.span, dash).insert(&values, style))
}

/// Adds a `CiliumNetworkPolicy` as a document of its own behind another object; `None` where
/// that one stands in a list, or is JSON.
#[must_use]
pub fn add_cilium_policy(
    sources: &SourceMap,
    behind: Span,
    policy: &NewPluginPolicy,
) -> Option<Edit> {
    let rule = cilium_rule(policy.direction, &policy.peers, &policy.ports)?;
    let selector = match policy.labels.is_empty() {
        true => Value::Map(Vec::new()),
        false => Value::map(vec![("matchLabels", labels_value(&policy.labels))]),
    };
    let spec = Value::map(vec![
        ("endpointSelector", selector),
        (policy.direction.field(), Value::List(vec![rule])),
    ]);
    let value = object("cilium.io/v2", "CiliumNetworkPolicy", policy, spec);
    let text = text_of(sources, behind);
    place::document(text, behind, &value, Style::around(text, behind))
}

/// Adds a rule that allows each of these peers before the rule of this index, or behind all rules of a direction;
/// `None` where there are none.
#[must_use]
pub fn add_calico_rule(
    sources: &SourceMap,
    policy: &CalicoPolicy,
    (direction, before): (Direction, Option<usize>),
    peers: &[PluginPeer],
    ports: &[NewPort],
) -> Option<Edit> {
    let rules = policy.rules(direction);
    let values = peers.iter();
    let values = values.map(|peer| calico_rules(direction, peer, ports));
    let values = values.collect::<Option<Vec<_>>>()?.concat();
    let beside = match before {
        Some(index) => rules.get(index)?,
        None => rules.last()?,
    };
    let text = text_of(sources, beside.span);
    let style = Style::around(text, beside.span);
    let place = match before {
        Some(_) => Place::before(text, beside.span, beside.dash),
        None => Place::behind(text, beside.span, beside.dash),
    };
    Some(place.insert(&values, style))
}

/// Adds a `NetworkPolicy` of Calico's as a document of its own behind another object; `None`
/// where that one stands in a list, or is JSON.
#[must_use]
pub fn add_calico_policy(
    sources: &SourceMap,
    behind: Span,
    policy: &NewPluginPolicy,
) -> Option<Edit> {
    let rules = policy.peers.iter();
    let rules = rules.map(|peer| calico_rules(policy.direction, peer, &policy.ports));
    let rules: Vec<Value> = rules.collect::<Option<Vec<_>>>()?.concat();
    let mut spec = Vec::new();
    if let Some(tier) = &policy.tier {
        spec.push(("tier", Value::Text(tier.clone())));
    }
    let types = Value::Word(policy.direction.policy_type().to_owned());
    spec.extend([
        ("selector", Value::Text(calico_selector(&policy.labels))),
        ("types", Value::List(vec![types])),
        (policy.direction.field(), Value::List(rules)),
    ]);
    let value = object(
        "projectcalico.org/v3",
        "NetworkPolicy",
        policy,
        Value::map(spec),
    );
    let text = text_of(sources, behind);
    place::document(text, behind, &value, Style::around(text, behind))
}

fn object(api_version: &str, kind: &str, policy: &NewPluginPolicy, spec: Value) -> Value {
    let word = |text: &str| Value::Word(text.to_owned());
    let meta = vec![
        ("name", Value::Text(policy.name.clone())),
        ("namespace", Value::Text(policy.namespace.clone())),
    ];
    Value::map(vec![
        ("apiVersion", word(api_version)),
        ("kind", word(kind)),
        ("metadata", Value::map(meta)),
        ("spec", spec),
    ])
}

fn labels_value(labels: &[(String, String)]) -> Value {
    let labels = labels.iter();
    Value::Map(
        labels
            .map(|(key, value)| (key.clone(), Value::Text(value.clone())))
            .collect(),
    )
}

/// A rule of Cilium's; `None` for peers of several sorts, which the agent rejects.
fn cilium_rule(direction: Direction, peers: &[PluginPeer], ports: &[NewPort]) -> Option<Value> {
    let mut endpoints = Vec::new();
    let mut blocks = Vec::new();
    let mut entities = Vec::new();
    let mut has_except = false;
    for peer in peers {
        match peer {
            PluginPeer::Pods { namespace, labels } => {
                let mut labels = labels.clone();
                let key = "k8s:io.kubernetes.pod.namespace";
                labels.extend(namespace.iter().map(|name| (key.to_owned(), name.clone())));
                endpoints.push(match labels.is_empty() {
                    true => Value::Map(Vec::new()),
                    false => Value::map(vec![("matchLabels", labels_value(&labels))]),
                });
            }
            PluginPeer::Block { cidr, except } => {
                has_except |= !except.is_empty();
                blocks.push((*cidr, except));
            }
            PluginPeer::Entity(name) => entities.push(Value::Word((*name).to_owned())),
        }
    }
    let side = match direction {
        Direction::Ingress => "from",
        Direction::Egress => "to",
    };
    let plain = |(cidr, _): &(IpNet, &Vec<IpNet>)| Value::Block(*cidr);
    let set = |(cidr, except): &(IpNet, &Vec<IpNet>)| {
        let mut fields = vec![("cidr", Value::Block(*cidr))];
        if !except.is_empty() {
            let except = except.iter().copied().map(Value::Block).collect();
            fields.push(("except", Value::List(except)));
        }
        Value::map(fields)
    };
    let (field, list) = match (endpoints.is_empty(), blocks.is_empty(), entities.is_empty()) {
        (false, true, true) => ("Endpoints", endpoints),
        (true, false, true) if has_except => ("CIDRSet", blocks.iter().map(set).collect()),
        (true, false, true) => ("CIDR", blocks.iter().map(plain).collect()),
        (true, true, false) => ("Entities", entities),
        _ => return None,
    };
    let ports = Value::List(ports.iter().map(cilium_port).collect());
    let ports = Value::List(vec![Value::map(vec![("ports", ports)])]);
    Some(Value::Map(vec![
        (format!("{side}{field}"), Value::List(list)),
        ("toPorts".to_owned(), ports),
    ]))
}

fn cilium_port(port: &NewPort) -> Value {
    let mut fields = vec![
        ("port", Value::Text(port.first.to_string())),
        ("protocol", Value::Word(port.protocol.name().to_owned())),
    ];
    if port.last != port.first {
        fields.push(("endPort", Value::Word(port.last.to_string())));
    }
    Value::map(fields)
}

fn calico_selector(labels: &[(String, String)]) -> String {
    let terms = labels
        .iter()
        .map(|(key, value)| format!("{key} == '{value}'"));
    match labels.is_empty() {
        true => "all()".to_owned(),
        false => terms.collect::<Vec<_>>().join(" && "),
    }
}

/// Rules of Calico's, one for each protocol; `None` for a peer that it does not have.
fn calico_rules(direction: Direction, peer: &PluginPeer, ports: &[NewPort]) -> Option<Vec<Value>> {
    let mut end: Vec<(&str, Value)> = Vec::new();
    match peer {
        PluginPeer::Pods { namespace, labels } => {
            if let Some(name) = namespace {
                let selector = format!("projectcalico.org/name == '{name}'");
                end.push(("namespaceSelector", Value::Text(selector)));
            }
            end.push(("selector", Value::Text(calico_selector(labels))));
        }
        PluginPeer::Block { cidr, except } => {
            end.push(("nets", Value::List(vec![Value::Block(*cidr)])));
            if !except.is_empty() {
                let except = except.iter().copied().map(Value::Block).collect();
                end.push(("notNets", Value::List(except)));
            }
        }
        PluginPeer::Entity(_) => return None,
    }
    let mut rules: Vec<(&str, Vec<Value>)> = Vec::new();
    for port in ports {
        let name = port.protocol.name();
        let value = match port.first == port.last {
            true => Value::Word(port.first.to_string()),
            false => Value::Text(format!("{}:{}", port.first, port.last)),
        };
        match rules.last_mut() {
            Some((protocol, ports)) if *protocol == name => ports.push(value),
            _ => rules.push((name, vec![value])),
        }
    }
    let rule = |(protocol, ports): (&str, Vec<Value>)| {
        let ports = ("ports", Value::List(ports));
        let (source, destination) = match direction {
            Direction::Ingress => (Some(end.clone()), vec![ports]),
            Direction::Egress => (None, [end.clone(), vec![ports]].concat()),
        };
        let source = source.map(|end| ("source", Value::map(end)));
        let fields = [
            Some(("action", Value::Word("Allow".to_owned()))),
            Some(("protocol", Value::Word(protocol.to_owned()))),
            source,
            Some(("destination", Value::map(destination))),
        ];
        Value::map(fields.into_iter().flatten().collect())
    };
    Some(rules.into_iter().map(rule).collect())
}
