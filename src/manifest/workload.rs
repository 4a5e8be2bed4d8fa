//! Pods and the objects that make them, from a tree.
//!
//! Refuses to know which of them are peers, and who owns whom.

use super::context_object::text;
use super::deserializer;
use super::meta::{self, Holds};
use super::reader::is_opaque;
use crate::diagnostic::Diagnostic;
use crate::k8s::{
    ConfigMapReference, Container, ContainerPort, Label, Labels, ObjectMeta, Protocol, Truth,
    Variable, Workload, WorkloadKind,
};
use crate::source::{Spanned, Text};
use crate::yaml::tree::{Entry, Node};
use k8s_openapi::api::core::v1;
use std::net::IpAddr;

/// Reads the workload `node`, whose metadata is read already.
pub(super) fn read(
    node: Node<'_>,
    mut meta: ObjectMeta,
    kind: WorkloadKind,
    object: &str,
    diagnostics: &mut Vec<Diagnostic>,
) -> Workload {
    // The pod template has the labels and the containers; a pod is its own (S3).
    let path: &[&str] = match kind {
        WorkloadKind::Pod | WorkloadKind::VirtualMachineInstance => &[],
        WorkloadKind::CronJob => &["spec", "jobTemplate", "spec", "template"],
        _ => &["spec", "template"],
    };
    let pod = node.find(path);
    let (labels, annotations) = if path.is_empty() {
        (meta.labels.clone(), meta.annotations.clone())
    } else {
        let before = diagnostics.len();
        let mut map = |name: &str, holds: Holds| {
            let map = pod.and_then(|pod| pod.find(&["metadata", name]));
            let path = format!("{}.metadata.{name}", path.join("."));
            map.map(|map| meta::string_map(map, holds, object, &path, diagnostics))
                .unwrap_or_default()
        };
        let maps = (
            map("labels", Holds::Labels),
            map("annotations", Holds::Annotations),
        );
        meta.is_accepted &= diagnostics.len() == before;
        maps
    };
    let to_labels: Vec<&str> = path
        .iter()
        .chain(&["metadata", "labels"])
        .copied()
        .collect();
    let labels = meta::filled_in_labels(node, &to_labels).unwrap_or(labels);
    let labels = match kind {
        WorkloadKind::DeploymentConfig => with(&labels, &[("deploymentconfig", &meta.name)]),
        // `podLabels` in kubevirt/kubevirt pkg/virt-controller/services/template.go. Two more
        // labels come from what nobody knows beforehand.
        kind if kind.is_virtual_machine() => {
            let hostname = pod.and_then(|pod| text(pod, &["spec", "hostname"]));
            let launcher = Spanned::new(Text::from("virt-launcher"), meta.name.span);
            let name = hostname.as_ref().unwrap_or(&meta.name);
            with(
                &labels,
                &[("kubevirt.io", &launcher), ("vm.kubevirt.io/name", name)],
            )
        }
        _ => labels,
    };
    let labels_node = pod.and_then(|pod| pod.find(&["metadata", "labels"]));
    let labels_span = labels_node
        .filter(|_| !labels.is_empty())
        .map_or(meta.name.span, Node::span);

    let spec = pod.and_then(|pod| pod.find(&["spec"]));
    let (typed, mut mismatches) = spec
        .map(deserializer::read::<v1::PodSpec>)
        .unwrap_or_default();
    let status = node.find(&["status"]).filter(|_| kind == WorkloadKind::Pod);
    let (status, others) = status
        .map(deserializer::read::<v1::PodStatus>)
        .unwrap_or_default();
    mismatches.extend(others);
    meta.is_accepted &= deserializer::report(&mismatches, node, object, diagnostics);

    let replicas = node.find(&["spec", "replicas"]);
    let replicas = replicas.filter(|_| !kind.is_one_pod());
    let host_network = typed.host_network.unwrap_or_default();
    let mut containers = containers(spec, "containers", typed.containers);
    containers.extend(self::containers(
        spec,
        "initContainers",
        typed.init_containers.unwrap_or_default(),
    ));
    containers.extend(spec.filter(|_| kind.is_virtual_machine()).map(launcher));
    let account = typed.service_account_name.or(typed.service_account);
    let nameservers = typed.dns_config.into_iter();
    let nameservers = nameservers.flat_map(|config| config.nameservers);
    Workload {
        meta,
        kind,
        replicas: replicas.and_then(Node::as_int),
        is_indexed: is_indexed(node, path),
        labels,
        annotations,
        labels_span,
        host_network,
        is_host_network_known: is_host_network_written(node, path),
        node_name: (typed.node_name.as_deref())
            .filter(|name| !name.is_empty() && !crate::k8s::is_opaque(name))
            .map(|name| node.share(name)),
        addresses: addresses(&status, host_network).into(),
        containers: containers.into(),
        service_account: filled_in_account(spec).or(account.map(|name| node.share(&name))),
        automount_token: typed.automount_service_account_token,
        dns_policy: typed.dns_policy.map(Text::from),
        nameservers: nameservers.flatten().map(Text::from).collect(),
        are_ports_known: are_ports_written(node, path),
        implied: None,
    }
}

/// Whether a Job, or each of a CronJob's, numbers its pods: `completionMode` stands beside the
/// template of the pods.
fn is_indexed(node: Node<'_>, path: &[&str]) -> Truth {
    let Some((_, job)) = path.split_last() else {
        return Truth::False;
    };
    let mode = node.find(job).and_then(|job| job.find(&["completionMode"]));
    mode.map_or(Truth::False, |mode| match is_opaque(mode) {
        true => Truth::Unknown,
        false => Truth::from(mode.as_str() == Some("Indexed")),
    })
}

/// The labels of pods to which their controller adds some: that of a DeploymentConfig its name
/// (`MakeDeployment` in openshift/openshift-controller-manager).
fn with(labels: &Labels, added: &[(&str, &Spanned<Text>)]) -> Labels {
    let is_added = |label: &&Label| added.iter().any(|(key, _)| *key == label.key.value);
    let own = labels.iter().filter(|label| !is_added(label)).cloned();
    let added = added.iter().map(|(key, value)| Label {
        key: Spanned::new(Text::from(*key), value.span),
        value: (*value).clone(),
    });
    Labels::new(own.chain(added).collect())
}

/// What KubeVirt runs a virtual machine in: a container with the ports that the machine's
/// interfaces name.
fn launcher(spec: Node<'_>) -> Container {
    let interfaces = spec.find(&["domain", "devices", "interfaces"]);
    let interfaces = interfaces.into_iter().flat_map(Node::items);
    let ports = interfaces.flat_map(|interface| {
        let ports = interface.get("ports").into_iter();
        ports.flat_map(Node::items)
    });
    let ports = ports.filter_map(|port| {
        let number = port.get("port")?;
        Some(ContainerPort {
            name: text(port, &["name"]),
            protocol: protocol(port.get("protocol").and_then(Node::text))?,
            number: Spanned::new(u16::try_from(number.as_int()?).ok()?, number.span()),
            host_port: None,
        })
    });
    Container::of_ports(ports.collect())
}

/// A service account that another tool fills in, as it is written: it may be any.
fn filled_in_account(spec: Option<Node<'_>>) -> Option<Text> {
    let fields = ["serviceAccountName", "serviceAccount"];
    let mut written = fields.iter().filter_map(|field| spec?.get(field));
    written
        .find(|node| is_opaque(*node))
        .and_then(|node| node.text().map(|text| node.share(text)))
}

/// Known addresses of a pod (S9), and of its node for one on the host network that has no
/// other (S10). A pod that has come to its end has none: what its status names may be another
/// pod's by now (projectcalico/libcalico-go#1047).
fn addresses(status: &v1::PodStatus, host_network: bool) -> Vec<IpAddr> {
    if let Some("Succeeded" | "Failed") = status.phase.as_deref() {
        return Vec::new();
    }
    let listed = status
        .pod_ips
        .iter()
        .flatten()
        .map(|address| address.ip.as_str());
    let texts = status.pod_ip.as_deref().into_iter().chain(listed);
    let mut addresses: Vec<IpAddr> = Vec::new();
    for address in texts.filter_map(|text| text.parse().ok()) {
        if !addresses.contains(&address) {
            addresses.push(address);
        }
    }
    if addresses.is_empty() && host_network {
        addresses.extend(
            status
                .host_ip
                .as_deref()
                .and_then(|text| text.parse::<IpAddr>().ok()),
        );
    }
    addresses
}

/// The containers of one list; the tree, which has the same items, knows their places.
fn containers(spec: Option<Node<'_>>, field: &str, typed: Vec<v1::Container>) -> Vec<Container> {
    let nodes = spec.and_then(|spec| spec.get(field));
    let nodes = nodes.into_iter().flat_map(Node::items);
    let is_init = field == "initContainers";
    nodes
        .zip(typed)
        .map(|(node, typed)| container(node, typed, is_init))
        .collect()
}

fn container(node: Node<'_>, typed: v1::Container, is_init: bool) -> Container {
    let mut variables = Vec::new();
    let mut config_maps = Vec::new();
    for variable in typed.env.into_iter().flatten() {
        let from = variable.value_from.and_then(|from| from.config_map_key_ref);
        if let Some(value) = variable.value {
            variables.push(Variable {
                name: node.share(&variable.name),
                value: node.share(&value),
            });
        } else if let Some(from) = from {
            config_maps.push(ConfigMapReference {
                config_map: node.share(&from.name),
                name: node.share(&variable.name),
                key: Some(node.share(&from.key)),
            });
        }
    }
    for from in typed.env_from.into_iter().flatten() {
        config_maps.extend(from.config_map_ref.map(|map| ConfigMapReference {
            config_map: node.share(&map.name),
            name: from.prefix.unwrap_or_default().into(),
            key: None,
        }));
    }
    let commands = typed.args.into_iter().chain(typed.command).flatten();
    let nodes = node.get("ports").into_iter().flat_map(Node::items);
    let ports = nodes.zip(typed.ports.into_iter().flatten());
    let ports = ports.filter_map(|(node, typed)| port(node, &typed));
    Container {
        name: node.share(&typed.name),
        image: node.share(&typed.image.unwrap_or_default()),
        is_init,
        restarts_always: typed.restart_policy.as_deref() == Some("Always"),
        ports: ports.collect(),
        probe_ports: probe_ports(node),
        variables: variables.into(),
        config_maps: config_maps.into(),
        arguments: commands.map(|text| node.share(&text)).collect(),
    }
}

/// The specification of a workload's pods, if it has any; `None` if another tool fills it in.
fn spec_of_pods<'t>(node: Node<'t>, path: &[&str]) -> Option<Option<Node<'t>>> {
    let mut spec = node;
    for field in path.iter().chain(&["spec"]) {
        match spec.get(field) {
            Some(found) if is_opaque(found) => return None,
            Some(found) => spec = found,
            None => return (!has_opaque_key(spec)).then_some(None),
        }
    }
    Some(Some(spec))
}

/// Whether no text that another tool fills in may be, or bring, a port of a container.
fn are_ports_written(node: Node<'_>, path: &[&str]) -> bool {
    let spec = match spec_of_pods(node, path) {
        Some(Some(spec)) => spec,
        Some(None) => return true,
        None => return false,
    };
    let lists = ["containers", "initContainers"];
    let mut lists = lists.into_iter().filter_map(|field| spec.get(field));
    let is_written = |port: Node<'_>| {
        let is_scalar_written = |entry: Entry<'_>| !is_opaque(entry.key) && !is_opaque(entry.value);
        !is_opaque(port) && port.entries().all(is_scalar_written)
    };
    let are_written = |container: Node<'_>| {
        let ports = container.get("ports");
        !is_opaque(container)
            && !has_opaque_key(container)
            && ports.is_none_or(|ports| !is_opaque(ports) && ports.items().all(is_written))
    };
    !has_opaque_key(spec) && lists.all(|list| !is_opaque(list) && list.items().all(are_written))
}

/// Whether `hostNetwork` of a workload's pods is what the text says.
fn is_host_network_written(node: Node<'_>, path: &[&str]) -> bool {
    let Some(spec) = spec_of_pods(node, path) else {
        return false;
    };
    spec.is_none_or(|spec| {
        let written = spec.get("hostNetwork");
        written.map_or_else(|| !has_opaque_key(spec), |written| !is_opaque(written))
    })
}

fn has_opaque_key(node: Node<'_>) -> bool {
    node.entries().any(|entry| is_opaque(entry.key))
}

/// The numbers of the ports that the probes of a container ask.
fn probe_ports(node: Node<'_>) -> Box<[u16]> {
    const PROBES: [&str; 3] = ["livenessProbe", "readinessProbe", "startupProbe"];
    const WAYS: [&str; 3] = ["httpGet", "tcpSocket", "grpc"];
    let probes = PROBES.into_iter().filter_map(|probe| node.get(probe));
    let ports = probes.flat_map(|probe| {
        let ways = WAYS.into_iter();
        ways.filter_map(move |way| probe.find(&[way, "port"])?.as_int())
    });
    ports.filter_map(|port| u16::try_from(port).ok()).collect()
}

/// A port with a number; one without names nothing (S7). The API server refuses numbers
/// out of range, so they name nothing, either.
fn port(node: Node<'_>, typed: &v1::ContainerPort) -> Option<ContainerPort> {
    let number = u16::try_from(typed.container_port)
        .ok()
        .filter(|number| *number > 0)?;
    let name = node
        .get("name")
        .zip(typed.name.as_ref().filter(|name| !name.is_empty()));
    Some(ContainerPort {
        name: name.map(|(node, name)| Spanned::new(node.share(name), node.span())),
        protocol: protocol(typed.protocol.as_deref())?,
        number: Spanned::new(number, node.get("containerPort")?.span()),
        host_port: typed
            .host_port
            .and_then(|port| u16::try_from(port).ok())
            .filter(|port| *port > 0),
    })
}

/// The protocol of a port, TCP where none is written; `None` for one that policies do not
/// know.
pub(super) fn protocol(text: Option<&str>) -> Option<Protocol> {
    match text {
        None | Some("") => Some(Protocol::Tcp),
        Some(text) => Protocol::ALL
            .into_iter()
            .find(|protocol| protocol.name() == text),
    }
}
