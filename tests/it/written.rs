//! Objects as text: as YAML in the many styles that people and tools write, or as JSON.

use crate::clusters::Random;
use npcheck::k8s::*;
use serde_json::{Map, Value, json};

/// How a text is written.
struct Style {
    /// By how many columns lists are indented behind their keys.
    list_indent: usize,
    quotes: Option<char>,
    /// How many of a hundred collections stand on one line.
    flow: usize,
    line_break: &'static str,
}

/// The objects that an API server takes as a few texts.
pub(crate) fn texts(objects: &[Object], random: &mut Random) -> Vec<String> {
    let mut files: Vec<Vec<Value>> = vec![Vec::new(); 1 + random.below(3)];
    for object in objects.iter().filter(|object| object.meta().is_accepted) {
        let file = random.below(files.len());
        files[file].push(value(object));
    }
    files.iter().map(|objects| text(objects, random)).collect()
}

fn text(objects: &[Value], random: &mut Random) -> String {
    if random.percent(15) {
        let list = json!({"apiVersion": "v1", "kind": "List", "items": objects});
        return serde_json::to_string_pretty(&list).expect("values can be written");
    }
    let style = Style {
        list_indent: random.pick(&[0, 2, 4]),
        quotes: random.pick(&[None, None, Some('"'), Some('\'')]),
        flow: random.pick(&[0, 0, 30, 60]),
        line_break: random.pick(&["\n", "\n", "\r\n"]),
    };
    let mut lines = Vec::new();
    for object in objects {
        lines.push("---".to_owned());
        lines.extend(style.block(object, random));
        if random.percent(30) {
            lines.push("# the end of it".to_owned());
        }
    }
    let mut text = lines.join(style.line_break);
    if random.percent(80) {
        text += style.line_break;
    }
    text
}

impl Style {
    fn block(&self, value: &Value, random: &mut Random) -> Vec<String> {
        match value {
            Value::Object(fields) if !fields.is_empty() => fields
                .iter()
                .flat_map(|(key, value)| self.field(key, value, random))
                .collect(),
            Value::Array(items) if !items.is_empty() => items
                .iter()
                .flat_map(|item| self.item(item, random))
                .collect(),
            _ => vec![self.flow(value)],
        }
    }

    fn field(&self, key: &str, value: &Value, random: &mut Random) -> Vec<String> {
        let (is_collection, indent) = match value {
            Value::Object(fields) => (!fields.is_empty(), 2),
            Value::Array(items) => (!items.is_empty(), self.list_indent),
            _ => (false, 0),
        };
        let is_top = ["metadata", "spec"].contains(&key);
        if !is_collection || (!is_top && random.percent(self.flow)) {
            let comment = if random.percent(5) { " # why" } else { "" };
            return vec![format!("{key}: {}{comment}", self.flow(value))];
        }
        let lines = self.block(value, random).into_iter();
        let lines = lines.map(|line| format!("{}{line}", " ".repeat(indent)));
        std::iter::once(format!("{key}:")).chain(lines).collect()
    }

    fn item(&self, value: &Value, random: &mut Random) -> Vec<String> {
        let lines = if random.percent(self.flow / 2) {
            vec![self.flow(value)]
        } else {
            self.block(value, random)
        };
        let lines = lines.into_iter().enumerate();
        lines
            .map(|(number, line)| format!("{}{line}", if number == 0 { "- " } else { "  " }))
            .collect()
    }

    fn flow(&self, value: &Value) -> String {
        match value {
            Value::Object(fields) => {
                let fields = fields
                    .iter()
                    .map(|(key, value)| format!("{key}: {}", self.flow(value)));
                format!("{{{}}}", fields.collect::<Vec<_>>().join(", "))
            }
            Value::Array(items) => {
                let items = items.iter().map(|item| self.flow(item));
                format!("[{}]", items.collect::<Vec<_>>().join(", "))
            }
            Value::String(text) => self.scalar(text),
            other => other.to_string(),
        }
    }

    fn scalar(&self, text: &str) -> String {
        let is_plain =
            text.starts_with(|first: char| first.is_ascii_alphabetic()) && !text.contains(':');
        match self.quotes {
            Some(quote) => format!("{quote}{text}{quote}"),
            None if is_plain => text.to_owned(),
            None => format!("\"{text}\""),
        }
    }
}

fn value(object: &Object) -> Value {
    match object {
        Object::Namespace(namespace) => {
            json!({"apiVersion": "v1", "kind": "Namespace", "metadata": meta(&namespace.meta)})
        }
        Object::Node(node) => json!({
            "apiVersion": "v1", "kind": "Node", "metadata": meta(&node.meta),
            "status": {"addresses": node.addresses.iter().map(|address| json!({
                "type": "InternalIP", "address": address.to_string(),
            })).collect::<Vec<_>>()},
        }),
        Object::Workload(workload) => self::workload(workload),
        Object::NetworkPolicy(policy) => network_policy(policy),
        Object::ClusterNetworkPolicy(policy) => cluster_policy(policy),
        Object::PluginPolicy(_)
        | Object::PluginResource(_)
        | Object::Service(_)
        | Object::ContextObject(_) => {
            unreachable!("the random clusters have no such objects")
        }
    }
}

fn labels(labels: &Labels) -> Value {
    let labels = labels.iter();
    labels
        .map(|label| (label.key.to_string(), json!(label.value.value)))
        .collect::<Map<_, _>>()
        .into()
}

fn meta(meta: &ObjectMeta) -> Value {
    let mut value = json!({"name": meta.name.value});
    if let Some(namespace) = &meta.namespace {
        value["namespace"] = json!(namespace.value);
    }
    if !meta.labels.is_empty() {
        value["labels"] = labels(&meta.labels);
    }
    if let Some(owner) = &meta.owner {
        value["ownerReferences"] =
            json!([{"kind": &*owner.kind, "name": &*owner.name, "controller": true}]);
    }
    value
}

fn workload(workload: &Workload) -> Value {
    let container = |(index, container): (usize, &Container)| {
        let port = |port: &ContainerPort| {
            let mut value =
                json!({"containerPort": port.number.value, "protocol": port.protocol.name()});
            if let Some(name) = &port.name {
                value["name"] = json!(name.value.as_str());
            }
            value
        };
        let mut value = json!({"name": format!("c{index}"), "image": "image"});
        value["ports"] = container.ports.iter().map(port).collect();
        if container.is_init && container.restarts_always {
            value["restartPolicy"] = json!("Always");
        }
        value
    };
    let containers = workload.containers.iter().enumerate();
    let (init, running): (Vec<_>, Vec<_>) =
        containers.partition(|(_, container)| container.is_init);
    let spec = json!({
        "hostNetwork": workload.host_network,
        "containers": running.into_iter().map(container).collect::<Value>(),
        "initContainers": init.into_iter().map(container).collect::<Value>(),
    });
    let template = json!({"metadata": {"labels": labels(&workload.labels)}, "spec": spec});
    let api_version = match workload.kind {
        WorkloadKind::Pod | WorkloadKind::ReplicationController => "v1",
        WorkloadKind::Job | WorkloadKind::CronJob => "batch/v1",
        WorkloadKind::DeploymentConfig => "apps.openshift.io/v1",
        WorkloadKind::Rollout => "argoproj.io/v1alpha1",
        _ => "apps/v1",
    };
    let mut value = json!({"apiVersion": api_version, "kind": workload.kind.name(), "metadata": meta(&workload.meta)});
    match workload.kind {
        WorkloadKind::Pod => {
            value["metadata"]["labels"] = labels(&workload.labels);
            value["spec"] = spec;
            let addresses = workload
                .addresses
                .iter()
                .map(|address| json!({"ip": address.to_string()}));
            value["status"] = json!({"podIPs": addresses.collect::<Value>()});
        }
        WorkloadKind::CronJob => {
            value["spec"] = json!({"jobTemplate": {"spec": {"template": template}}})
        }
        _ => value["spec"] = json!({"template": template}),
    }
    value
}

fn selector(selector: &LabelSelector) -> Value {
    let mut value = json!({});
    if !selector.match_labels.is_empty() {
        let labels = selector.match_labels.iter();
        let labels = labels.map(|label| (label.key.to_string(), json!(label.value.value)));
        value["matchLabels"] = labels.collect::<Map<_, _>>().into();
    }
    if !selector.match_expressions.is_empty() {
        let expression = |expression: &LabelSelectorRequirement| {
            let operator = match expression.operator.value {
                Operator::In => "In",
                Operator::NotIn => "NotIn",
                Operator::Exists => "Exists",
                Operator::DoesNotExist => "DoesNotExist",
            };
            let mut value = json!({"key": expression.key.value, "operator": operator});
            if !expression.values.is_empty() {
                let values = expression.values.iter();
                value["values"] = values.map(|value| json!(value.value)).collect();
            }
            value
        };
        value["matchExpressions"] = selector.match_expressions.iter().map(expression).collect();
    }
    value
}

fn put<T>(value: &mut Value, key: &str, field: &Field<T>, write: impl FnOnce(&T) -> Value) {
    match field {
        Field::Missing => {}
        Field::Null { .. } => value[key] = Value::Null,
        Field::Value { value: written, .. } => value[key] = write(written),
    }
}

fn network_policy(policy: &NetworkPolicy) -> Value {
    let mut spec = json!({});
    put(&mut spec, "podSelector", &policy.pod_selector, selector);
    put(&mut spec, "policyTypes", &policy.policy_types, |types| {
        let mut names: Vec<_> = types
            .iter()
            .map(|direction| direction.value.policy_type())
            .collect();
        names.dedup();
        json!(names)
    });
    for direction in [Direction::Ingress, Direction::Egress] {
        put(
            &mut spec,
            direction.field(),
            policy.rules_field(direction),
            |rules| {
                rules
                    .iter()
                    .map(|rule| network_rule(direction, rule))
                    .collect()
            },
        );
    }
    json!({
        "apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy",
        "metadata": meta(&policy.meta), "spec": spec,
    })
}

fn network_rule(direction: Direction, rule: &NetworkPolicyRule) -> Value {
    let peer = |peer: &NetworkPolicyPeer| {
        let mut value = json!({});
        put(&mut value, "podSelector", &peer.pod_selector, selector);
        put(
            &mut value,
            "namespaceSelector",
            &peer.namespace_selector,
            selector,
        );
        put(&mut value, "ipBlock", &peer.ip_block, |block| {
            let mut value = json!({"cidr": block.cidr.value.to_string()});
            put(&mut value, "except", &block.except, |excepts| {
                excepts
                    .iter()
                    .map(|except| json!(except.value.to_string()))
                    .collect()
            });
            value
        });
        value
    };
    let port = |port: &NetworkPolicyPort| {
        let mut value = json!({});
        put(&mut value, "port", &port.port, |port| match &port.value {
            PortReference::Number(number) => json!(number),
            PortReference::Name(name) => json!(name),
        });
        put(&mut value, "endPort", &port.end_port, |end| {
            json!(end.value)
        });
        put(&mut value, "protocol", &port.protocol, |protocol| {
            json!(protocol.value.name())
        });
        value
    };
    let mut value = json!({});
    put(&mut value, direction.peers_field(), &rule.peers, |peers| {
        peers.iter().map(peer).collect()
    });
    put(&mut value, "ports", &rule.ports, |ports| {
        ports.iter().map(port).collect()
    });
    value
}

fn cluster_policy(policy: &ClusterNetworkPolicy) -> Value {
    let is_newest = policy.kind == ClusterPolicyKind::ClusterNetworkPolicy;
    let mut spec = json!({"subject": pods_selection(&policy.subject)});
    if policy.kind != ClusterPolicyKind::BaselineAdminNetworkPolicy {
        spec["priority"] = json!(policy.priority.value);
    }
    if is_newest {
        spec["tier"] = json!(if policy.tier == Tier::Admin {
            "Admin"
        } else {
            "Baseline"
        });
    }
    for direction in [Direction::Ingress, Direction::Egress] {
        let rules = policy.rules(direction).iter();
        let rules = rules
            .map(|rule| cluster_rule(direction, rule, is_newest))
            .collect::<Vec<_>>();
        if !rules.is_empty() {
            spec[direction.field()] = json!(rules);
        }
    }
    let mut meta = meta(&policy.meta);
    if policy.kind == ClusterPolicyKind::BaselineAdminNetworkPolicy {
        meta["name"] = json!("default");
    }
    let version = if is_newest { "v1alpha2" } else { "v1alpha1" };
    json!({
        "apiVersion": format!("policy.networking.k8s.io/{version}"), "kind": policy.kind.name(),
        "metadata": meta, "spec": spec,
    })
}

fn pods_selection(selection: &PodsSelection) -> Value {
    match selection {
        PodsSelection::Namespaces(namespaces) => json!({"namespaces": selector(namespaces)}),
        PodsSelection::Pods {
            namespace_selector,
            pod_selector,
        } => json!({"pods": {
            "namespaceSelector": selector(namespace_selector), "podSelector": selector(pod_selector),
        }}),
    }
}

fn cluster_rule(direction: Direction, rule: &ClusterNetworkPolicyRule, is_newest: bool) -> Value {
    let peer = |peer: &ClusterNetworkPolicyPeer| match &peer.selection {
        PeerSelection::Pods(selection) => pods_selection(selection),
        PeerSelection::Networks(blocks) => {
            let blocks = blocks.iter().map(|block| json!(block.value.to_string()));
            json!({"networks": blocks.collect::<Value>()})
        }
        PeerSelection::Nodes(nodes) => json!({"nodes": selector(nodes)}),
        PeerSelection::DomainNames(_) => json!({"domainNames": ["example.com"]}),
    };
    let port = |port: &ClusterNetworkPolicyPort| match &port.matches {
        PortMatch::Name(name) if is_newest => json!({"destinationNamedPort": name}),
        PortMatch::Name(name) => json!({"namedPort": name}),
        PortMatch::Numbers {
            protocol,
            first,
            last,
        } if is_newest => {
            let port = if first == last {
                json!({"number": first})
            } else {
                json!({"range": {"start": first, "end": last}})
            };
            let mut value = json!({});
            value[protocol.name().to_ascii_lowercase()] = json!({"destinationPort": port});
            value
        }
        PortMatch::Numbers {
            protocol,
            first,
            last,
        } if first == last => {
            json!({"portNumber": {"protocol": protocol.name(), "port": first}})
        }
        PortMatch::Numbers {
            protocol,
            first,
            last,
        } => {
            json!({"portRange": {"protocol": protocol.name(), "start": first, "end": last}})
        }
    };
    let action = match rule.action.value {
        Action::Accept if is_newest => "Accept",
        Action::Accept => "Allow",
        Action::Deny => "Deny",
        Action::Pass => "Pass",
    };
    let mut value = json!({"action": action});
    value[direction.peers_field()] = rule.peers.iter().map(peer).collect();
    if let Some(ports) = &rule.ports {
        let field = if is_newest { "protocols" } else { "ports" };
        value[field] = ports.iter().map(port).collect();
    }
    value
}
