//! `ServiceMonitor`, `PodMonitor`, their kin and `Prometheus` from a tree.
//!
//! Refuses to know how metrics are scraped beyond the port.

use super::context_object::{port, text};
use super::meta;
use super::reader::{Path, Reader};
use super::selector::{self, Selects};
use crate::k8s::{
    LabelSelector, Monitor, MonitorEndpoint, MonitorKind, MonitoredNamespaces, ObjectMeta,
    PortReference, Prometheus, PrometheusKind,
};
use crate::source::{Spanned, Text};
use crate::yaml::tree::Node;

/// Reads a monitor.
pub(super) fn read(node: Node<'_>, meta: ObjectMeta, kind: MonitorKind) -> Monitor {
    let spec = node.find(&["spec"]);
    let endpoints = spec.and_then(|spec| spec.find(&[kind.endpoints_field()]));
    let endpoints = endpoints.into_iter().flat_map(Node::items);
    let selector = spec.and_then(|spec| spec.find(&["selector"]));
    let namespaces = spec.and_then(|spec| spec.find(&["namespaceSelector"]));
    Monitor {
        selector: selector
            .and_then(read_selector)
            .unwrap_or_else(|| LabelSelector::everything(meta.name.span)),
        meta,
        kind,
        namespaces: namespaces.map_or(MonitoredNamespaces::Own, read_namespaces),
        endpoints: endpoints.map(read_endpoint).collect(),
    }
}

fn read_selector(node: Node<'_>) -> Option<LabelSelector> {
    let mut ignored = Vec::new();
    let mut reader = Reader::new(String::new(), &mut ignored);
    selector::read(node, Selects::Pods, Path::Object, &mut reader)
}

fn read_namespaces(node: Node<'_>) -> MonitoredNamespaces {
    if node.get("any").and_then(Node::as_bool) == Some(true) {
        return MonitoredNamespaces::Any;
    }
    let names = node.get("matchNames").into_iter().flat_map(Node::items);
    let names: Vec<Text> = names.filter_map(Node::as_str).map(Text::from).collect();
    if names.is_empty() {
        MonitoredNamespaces::Own
    } else {
        MonitoredNamespaces::Named(names)
    }
}

fn read_endpoint(node: Node<'_>) -> MonitorEndpoint {
    let number = |path| {
        port(node, path).map(|port| Spanned::new(PortReference::Number(port.value), port.span))
    };
    let name = || {
        text(node, &["targetPort"])
            .map(|name| Spanned::new(PortReference::Name(name.value), name.span))
    };
    MonitorEndpoint {
        span: node.span(),
        port: text(node, &["port"]),
        target_port: number(&["portNumber"])
            .or_else(|| number(&["targetPort"]))
            .or_else(|| number(&["port"]))
            .or_else(name),
    }
}

/// Reads a `Prometheus` or a `PrometheusAgent`.
pub(super) fn read_prometheus(
    node: Node<'_>,
    meta: ObjectMeta,
    kind: PrometheusKind,
) -> Prometheus {
    let spec = node.find(&["spec"]);
    let labels = spec.and_then(|spec| spec.find(&["podMetadata", "labels"]));
    let host_network = spec.and_then(|spec| spec.find(&["hostNetwork"]));
    Prometheus {
        meta,
        kind,
        pod_labels: labels
            .map(|labels| meta::string_map(labels, meta::Holds::Labels, "", "", &mut Vec::new()))
            .unwrap_or_default(),
        host_network: host_network.and_then(Node::as_bool) == Some(true),
    }
}
