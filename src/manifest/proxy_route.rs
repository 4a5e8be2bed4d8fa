//! The routes of ingress controllers with kinds of their own, from a tree: Traefik, Contour,
//! NGINX, Emissary, APISIX, Kong.
//!
//! Refuses to know rules about hosts and paths: only where traffic ends up counts.

use super::context_object::{port, text};
use crate::k8s::{Backend, BackendPort, Entrypoint, EntrypointKind, ObjectMeta};
use crate::source::{Spanned, Text};
use crate::yaml::tree::Node;

/// Where an object of a kind names the Services that it leads to.
struct Shape {
    groups: &'static [&'static str],
    kinds: &'static [&'static str],
    /// Paths of keys; `[]` behind one stands for every item of the list there.
    backends: &'static [&'static [&'static str]],
    fields: Fields,
}

/// How a backend names a Service and its port.
enum Fields {
    /// Each in a field of its own.
    Apart(&'static str, &'static str),
    /// In one text: `web`, `web.shop:8080`, `http://web.shop`.
    Address,
}

const SHAPES: &[Shape] = &[
    // doc.traefik.io, "Kubernetes IngressRoute & Traefik CRD".
    Shape {
        groups: &["traefik.containo.us", "traefik.io"],
        kinds: &["IngressRoute", "IngressRouteTCP", "IngressRouteUDP"],
        backends: &[&["spec", "routes[]", "services[]"]],
        fields: Fields::Apart("name", "port"),
    },
    // projectcontour.io, "HTTPProxy".
    Shape {
        groups: &["projectcontour.io"],
        kinds: &["HTTPProxy"],
        backends: &[
            &["spec", "routes[]", "services[]"],
            &["spec", "tcpproxy", "services[]"],
        ],
        fields: Fields::Apart("name", "port"),
    },
    // docs.nginx.com, "VirtualServer and VirtualServerRoute Resources".
    Shape {
        groups: &["k8s.nginx.org"],
        kinds: &["TransportServer", "VirtualServer", "VirtualServerRoute"],
        backends: &[&["spec", "upstreams[]"]],
        fields: Fields::Apart("service", "port"),
    },
    // emissary-ingress.dev, "The Mapping resource".
    Shape {
        groups: &["getambassador.io"],
        kinds: &["Mapping", "TCPMapping"],
        backends: &[&["spec", "service"]],
        fields: Fields::Address,
    },
    // apisix.apache.org, "ApisixRoute".
    Shape {
        groups: &["apisix.apache.org"],
        kinds: &["ApisixRoute"],
        backends: &[
            &["spec", "http[]", "backends[]"],
            &["spec", "stream[]", "backend"],
        ],
        fields: Fields::Apart("serviceName", "servicePort"),
    },
    // docs.konghq.com, "TCPIngress", "UDPIngress".
    Shape {
        groups: &["configuration.konghq.com"],
        kinds: &["TCPIngress", "UDPIngress"],
        backends: &[&["spec", "rules[]", "backend"]],
        fields: Fields::Apart("serviceName", "servicePort"),
    },
];

/// Reads an object; `None` if its kind is none of these.
pub(super) fn read(
    node: Node<'_>,
    group: &str,
    kind: &str,
    meta: impl FnOnce() -> ObjectMeta,
) -> Option<Entrypoint> {
    let shape = SHAPES.iter().find(|shape| shape.groups.contains(&group))?;
    let kind = shape.kinds.iter().find(|known| **known == kind)?;
    let mut backends = Vec::new();
    for path in shape.backends {
        walk(node, path, String::new(), &mut |node, at| {
            backends.extend(backend(node, at, &shape.fields));
        });
    }
    Some(Entrypoint {
        meta: meta(),
        kind: EntrypointKind::Custom(kind),
        class: None,
        gateways: Vec::new(),
        backends,
        pods: None,
        ports: Vec::new(),
    })
}

/// Calls `found` with every node at the end of a path, and with the place.
fn walk<'t>(node: Node<'t>, path: &[&str], at: String, found: &mut impl FnMut(Node<'t>, String)) {
    let Some((step, rest)) = path.split_first() else {
        return found(node, at);
    };
    let (key, is_list) = match step.strip_suffix("[]") {
        Some(key) => (key, true),
        None => (*step, false),
    };
    let Some(next) = node.get(key) else { return };
    let at = match at.as_str() {
        "" => key.to_owned(),
        before => format!("{before}.{key}"),
    };
    if !is_list {
        return walk(next, rest, at, found);
    }
    for (index, item) in next.items().enumerate() {
        walk(item, rest, format!("{at}[{index}]"), found);
    }
}

fn backend(node: Node<'_>, path: String, fields: &Fields) -> Option<Backend> {
    let (service_field, port_field) = match fields {
        Fields::Apart(service, port) => (*service, *port),
        Fields::Address => return by_address(node, path),
    };
    // Traefik's services may be objects of its own.
    let kind = text(node, &["kind"]);
    if kind.is_some_and(|kind| kind.value != "Service") {
        return None;
    }
    let number = port(node, &[port_field])
        .map(|number| Spanned::new(BackendPort::Number(number.value), number.span));
    let name = || {
        text(node, &[port_field]).map(|name| Spanned::new(BackendPort::Name(name.value), name.span))
    };
    Some(Backend {
        path,
        service: text(node, &[service_field])?,
        namespace: text(node, &["namespace"]).map(|namespace| namespace.value),
        port: number.or_else(name),
    })
}

fn by_address(node: Node<'_>, path: String) -> Option<Backend> {
    let address = node.as_str()?;
    let host = address.rsplit("//").next().unwrap_or(address);
    let host = host.split('/').next().unwrap_or(host);
    let (host, port) = match host.split_once(':') {
        Some((host, port)) => (host, port.parse().ok()),
        None => (host, None),
    };
    let mut parts = host.split('.');
    let name = parts.next().filter(|name| !name.is_empty())?;
    Some(Backend {
        path,
        service: Spanned::new(node.share(name), node.span()),
        namespace: parts.next().map(Text::from),
        port: port.map(|port| Spanned::new(BackendPort::Number(port), node.span())),
    })
}
