//! Services and Nodes from a tree.
//!
//! Refuses to know which pods are behind a service.

use super::deserializer;
use super::invalid_value;
use super::meta;
use super::names;
use super::reader;
use super::workload::protocol;
use crate::diagnostic::Diagnostic;
use crate::k8s::{self, ObjectMeta, Service, ServicePort, ServiceType, TargetPort};
use crate::source::{Spanned, Text};
use crate::yaml::tree::Node;
use k8s_openapi::api::core::v1;
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;

/// Reads the `Service` in `node`, whose metadata is read already.
pub(super) fn read(
    node: Node<'_>,
    mut meta: ObjectMeta,
    object: &str,
    diagnostics: &mut Vec<Diagnostic>,
) -> Service {
    let before = diagnostics.len();
    let spec = node.find(&["spec"]);
    let selector = spec
        .and_then(|spec| spec.find(&["selector"]))
        .map(|selector| {
            let path = "spec.selector";
            meta::string_map(selector, meta::Holds::Labels, object, path, diagnostics)
        });
    let (typed, mismatches) = spec
        .map(deserializer::read::<v1::ServiceSpec>)
        .unwrap_or_default();
    deserializer::report(&mismatches, node, object, diagnostics);
    let nodes = || {
        let ports = spec.and_then(|spec| spec.get("ports"));
        ports.into_iter().flat_map(Node::items)
    };
    let targets = nodes().filter_map(|port| port.get("targetPort"));
    for (diagnostic, target) in targets.filter_map(refused_target) {
        diagnostics.push(diagnostic.about(object, node.path_to(target.id())));
    }
    meta.is_accepted &= diagnostics.len() == before;
    let ports = nodes().zip(typed.ports.into_iter().flatten());
    let cluster_ip = typed.cluster_ip.filter(|address| !address.is_empty());
    let texts = |texts: Option<Vec<String>>| texts.into_iter().flatten().map(Text::from).collect();
    Service {
        meta,
        service_type: match typed.type_.as_deref() {
            Some("NodePort") => ServiceType::NodePort,
            Some("LoadBalancer") => ServiceType::LoadBalancer,
            Some("ExternalName") => ServiceType::ExternalName,
            _ => ServiceType::ClusterIp,
        },
        selector,
        ports: ports
            .filter_map(|(node, typed)| port(node, &typed))
            .collect(),
        cluster_ip: cluster_ip.map(Text::from),
        external_ips: texts(typed.external_ips),
        load_balancer_ips: load_balancer_ips(node),
        external_traffic_is_local: typed.external_traffic_policy.as_deref() == Some("Local"),
        ip_families: texts(typed.ip_families),
        requires_dual_stack: typed.ip_family_policy.as_deref() == Some("RequireDualStack"),
    }
}

/// The addresses of its load balancer at which the nodes themselves take a connection for the
/// Service; not those that they leave to the load balancer (`ipMode: Proxy`).
fn load_balancer_ips(node: Node<'_>) -> Vec<Text> {
    let entries = node.find(&["status", "loadBalancer", "ingress"]);
    let entries = entries.into_iter().flat_map(Node::items);
    let taken = entries.filter(|entry| {
        let mode = entry.find(&["ipMode"]).and_then(Node::as_str);
        mode != Some("Proxy")
    });
    let addresses = taken.filter_map(|entry| entry.find(&["ip"])?.as_str().map(Text::from));
    addresses.collect()
}

/// What the API server rejects the text of a `targetPort` for, if it does: it must be the name of a
/// port (`ValidatePortNumOrName`).
fn refused_target(node: Node<'_>) -> Option<(Diagnostic, Node<'_>)> {
    let text = node.as_str().filter(|text| !text.is_empty())?;
    let error = names::port_name_error(text).filter(|_| !reader::is_opaque(node))?;
    let diagnostic = match text.trim().parse::<u16>().ok().filter(|number| *number > 0) {
        Some(number) => {
            let message = format!(
                "`{}` is a string, so it is a port name instead of a number",
                node.raw()
            );
            let diagnostic = invalid_value(node.span(), message).label(error);
            reader::replace(diagnostic, node, number.to_string())
        }
        None => {
            let message = format!("`{text}` is not a valid `targetPort`");
            invalid_value(node.span(), message).label(error)
        }
    };
    Some((diagnostic, node))
}

fn port(node: Node<'_>, typed: &v1::ServicePort) -> Option<ServicePort> {
    let number = u16::try_from(typed.port)
        .ok()
        .filter(|number| *number > 0)?;
    let name = node
        .get("name")
        .zip(typed.name.as_ref().filter(|name| !name.is_empty()));
    let target_port = match &typed.target_port {
        Some(IntOrString::Int(target)) if *target != 0 => {
            TargetPort::Number(u16::try_from(*target).ok()?)
        }
        Some(IntOrString::String(target)) if !target.is_empty() => {
            TargetPort::Name(node.share(target))
        }
        // Zero and the empty text count as not written (core/v1 defaults.go).
        Some(_) | None => TargetPort::Number(number),
    };
    Some(ServicePort {
        span: node.span(),
        name: name.map(|(node, name)| Spanned::new(node.share(name), node.span())),
        protocol: protocol(typed.protocol.as_deref())?,
        port: Spanned::new(number, node.get("port")?.span()),
        target_port,
    })
}

/// Reads the `Node` in `node`, whose metadata is read already.
pub(super) fn read_node(
    node: Node<'_>,
    mut meta: ObjectMeta,
    object: &str,
    diagnostics: &mut Vec<Diagnostic>,
) -> k8s::Node {
    let status = node.find(&["status"]);
    let (typed, mismatches) = status
        .map(deserializer::read::<v1::NodeStatus>)
        .unwrap_or_default();
    meta.is_accepted &= deserializer::report(&mismatches, node, object, diagnostics);
    let written = node.find(&["status", "addresses"]);
    let written = written.into_iter().flat_map(Node::items);
    for address in written.filter_map(|it| it.get("address")) {
        if reader::is_opaque(address) {
            meta.holes.add(address.span());
        }
    }
    let addresses = typed.addresses.into_iter().flatten();
    // Host names are no addresses (S12).
    let addresses =
        addresses.filter(|address| matches!(&*address.type_, "InternalIP" | "ExternalIP"));
    let addresses = addresses
        .filter_map(|address| address.address.parse().ok())
        .collect();
    let spec = |name: &str| node.find(&["spec", name]);
    let pod_cidrs = spec("podCIDRs").into_iter().flat_map(Node::items);
    let pod_cidrs = pod_cidrs.chain(spec("podCIDR"));
    let pod_cidrs = pod_cidrs.filter_map(|block| block.as_str()?.parse().ok());
    k8s::Node {
        meta,
        addresses,
        pod_cidrs: pod_cidrs.collect(),
    }
}
