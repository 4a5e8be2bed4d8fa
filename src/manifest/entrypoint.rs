//! `Ingress`, the Gateway API's routes and gateways, and OpenShift's `Route` from a tree.
//!
//! Refuses to know rules about hosts and paths: only where traffic ends up counts.

use super::context_object::{port, text};
use super::meta;
use crate::k8s::{
    Backend, BackendPort, Entrypoint, EntrypointKind, Gateway, GatewayReference, LabelSelector,
    ObjectMeta,
};
use crate::source::{Spanned, Text};
use crate::yaml::tree::Node;

/// The annotation that `spec.ingressClassName` took the place of.
const CLASS_ANNOTATION: &str = "kubernetes.io/ingress.class";

/// Reads an `Ingress` of `networking.k8s.io/v1`, or of the older versions, which spell its
/// backends as `serviceName` and `servicePort`.
pub(super) fn read_ingress(node: Node<'_>, meta: ObjectMeta) -> Entrypoint {
    let spec = node.find(&["spec"]);
    let class = spec.and_then(|spec| text(spec, &["ingressClassName"]));
    let class = class.map(|class| class.value);
    let annotation = || meta.annotations.get(CLASS_ANNOTATION).map(Text::from);
    let class = class.or_else(annotation);
    let mut backends = Vec::new();
    for field in ["defaultBackend", "backend"] {
        let backend = spec.and_then(|spec| spec.find(&[field]));
        let path = format!("spec.{field}");
        backends.extend(backend.and_then(|backend| ingress_backend(backend, path)));
    }
    for (rule_index, rule) in list(spec, &["rules"]).enumerate() {
        for (index, entry) in list(Some(rule), &["http", "paths"]).enumerate() {
            let path = format!("spec.rules[{rule_index}].http.paths[{index}].backend");
            let backend = entry.find(&["backend"]);
            backends.extend(backend.and_then(|backend| ingress_backend(backend, path)));
        }
    }
    Entrypoint {
        meta,
        kind: EntrypointKind::Ingress,
        class,
        gateways: Vec::new(),
        backends,
        pods: None,
        ports: Vec::new(),
    }
}

fn ingress_backend(backend: Node<'_>, path: String) -> Option<Backend> {
    let service =
        text(backend, &["service", "name"]).or_else(|| text(backend, &["serviceName"]))?;
    let older = backend.find(&["servicePort"]).and_then(service_port);
    let named = text(backend, &["service", "port", "name"])
        .map(|name| Spanned::new(BackendPort::Name(name.value), name.span));
    let numbered = port(backend, &["service", "port", "number"])
        .map(|number| Spanned::new(BackendPort::Number(number.value), number.span));
    Some(Backend {
        path,
        service,
        namespace: None,
        port: numbered.or(named).or(older),
    })
}

/// A port that is a number or a name.
fn service_port(node: Node<'_>) -> Option<Spanned<BackendPort>> {
    let number = port(node, &[]).map(|number| BackendPort::Number(number.value));
    let name = || {
        node.as_str()
            .map(|name| BackendPort::Name(node.share(name)))
    };
    Some(Spanned::new(number.or_else(name)?, node.span()))
}

/// Reads a route of the Gateway API; `None` if it is for traffic between Services alone.
pub(super) fn read_gateway_route(
    node: Node<'_>,
    meta: ObjectMeta,
    kind: EntrypointKind,
) -> Option<Entrypoint> {
    let spec = node.find(&["spec"]);
    // A route for traffic between Services hangs on a Service (GAMMA).
    let is_of_mesh = |parent: Node<'_>| {
        let kind = text(parent, &["kind"]);
        kind.is_some_and(|kind| kind.value == "Service" || kind.value == "ServiceEntry")
    };
    let mut parents = list(spec, &["parentRefs"]).peekable();
    if parents.peek().is_some() && parents.all(is_of_mesh) {
        return None;
    }
    let gateway = |parent: Node<'_>| {
        let kind = text(parent, &["kind"]).map(|kind| kind.value);
        let name = text(parent, &["name"])?.value;
        let namespace = text(parent, &["namespace"]).map(|namespace| namespace.value);
        let is_gateway = kind.is_none_or(|kind| kind == "Gateway");
        is_gateway.then_some(GatewayReference { namespace, name })
    };
    let gateways = list(spec, &["parentRefs"]).filter_map(gateway).collect();
    let mut backends = Vec::new();
    for (rule_index, rule) in list(spec, &["rules"]).enumerate() {
        for (index, backend) in list(Some(rule), &["backendRefs"]).enumerate() {
            let path = format!("spec.rules[{rule_index}].backendRefs[{index}]");
            backends.extend(route_backend(backend, path));
        }
    }
    Some(Entrypoint {
        meta,
        kind,
        class: None,
        gateways,
        backends,
        pods: None,
        ports: Vec::new(),
    })
}

fn route_backend(backend: Node<'_>, path: String) -> Option<Backend> {
    let kind = text(backend, &["kind"]);
    if kind.is_some_and(|kind| kind.value != "Service") {
        return None;
    }
    Some(Backend {
        path,
        service: text(backend, &["name"])?,
        namespace: text(backend, &["namespace"]).map(|namespace| namespace.value),
        port: port(backend, &["port"])
            .map(|number| Spanned::new(BackendPort::Number(number.value), number.span)),
    })
}

/// Reads a `Route` of OpenShift.
pub(super) fn read_route(node: Node<'_>, meta: ObjectMeta) -> Entrypoint {
    let spec = node.find(&["spec"]);
    // A number is a port of the pods, a name one of the Service's entries.
    let target = spec.and_then(|spec| spec.find(&["port", "targetPort"]));
    let target = target.and_then(service_port).map(|port| match port.value {
        BackendPort::Number(number) => Spanned::new(BackendPort::OfPods(number), port.span),
        _ => port,
    });
    let backend = |backend: Node<'_>, path: String| {
        let kind = text(backend, &["kind"]);
        let is_service = kind.is_none_or(|kind| kind.value == "Service");
        let service = text(backend, &["name"]).filter(|_| is_service)?;
        Some(Backend {
            path,
            service,
            namespace: None,
            port: target.clone(),
        })
    };
    let to = spec.and_then(|spec| spec.find(&["to"]));
    let mut backends = Vec::new();
    backends.extend(to.and_then(|to| backend(to, "spec.to".to_owned())));
    for (index, other) in list(spec, &["alternateBackends"]).enumerate() {
        backends.extend(backend(other, format!("spec.alternateBackends[{index}]")));
    }
    Entrypoint {
        meta,
        kind: EntrypointKind::Route,
        class: None,
        gateways: Vec::new(),
        backends,
        pods: None,
        ports: Vec::new(),
    }
}

/// Reads Istio's `VirtualService`; `None` if it is for traffic inside the mesh alone, as where
/// it names no gateway.
pub(super) fn read_virtual_service(node: Node<'_>, meta: ObjectMeta) -> Option<Entrypoint> {
    let spec = node.find(&["spec"]);
    let mut gateways = list(spec, &["gateways"]).filter_map(Node::as_str);
    // istio.io, "Virtual Service": the reserved word for all sidecars.
    if !gateways.any(|gateway| gateway != "mesh") {
        return None;
    }
    let mut backends = Vec::new();
    for field in ["http", "tls", "tcp"] {
        for (rule_index, rule) in list(spec, &[field]).enumerate() {
            for (index, route) in list(Some(rule), &["route"]).enumerate() {
                let path = format!("spec.{field}[{rule_index}].route[{index}].destination");
                let destination = route.find(&["destination"]);
                backends.extend(destination.and_then(|it| mesh_backend(it, path)));
            }
        }
    }
    Some(Entrypoint {
        meta,
        kind: EntrypointKind::VirtualService,
        class: None,
        gateways: Vec::new(),
        backends,
        pods: None,
        ports: Vec::new(),
    })
}

/// A destination by its host: `web`, or `web.shop.svc.cluster.local`.
fn mesh_backend(destination: Node<'_>, path: String) -> Option<Backend> {
    let host = text(destination, &["host"])?;
    let mut parts = host.value.split('.');
    let name = destination.share(parts.next()?);
    let namespace = parts.next().map(Text::from);
    let is_service = parts.next().is_none_or(|part| part == "svc");
    let port = port(destination, &["port", "number"]);
    is_service.then(|| Backend {
        path,
        service: Spanned::new(name, host.span),
        namespace,
        port: port.map(|number| Spanned::new(BackendPort::Number(number.value), number.span)),
    })
}

/// Reads Istio's `Gateway`.
pub(super) fn read_istio_gateway(node: Node<'_>, meta: ObjectMeta) -> Entrypoint {
    let spec = node.find(&["spec"]);
    let selector = spec.and_then(|spec| spec.get("selector"));
    let labels = selector.map(|selector| {
        let labels = meta::string_map(selector, meta::Holds::Labels, "", "", &mut Vec::new());
        LabelSelector {
            span: selector.span(),
            match_labels: labels.iter().cloned().collect(),
            match_expressions: Vec::new(),
            null_key: None,
        }
    });
    let ports = list(spec, &["servers"]);
    Entrypoint {
        meta,
        kind: EntrypointKind::IstioGateway,
        class: None,
        gateways: Vec::new(),
        backends: Vec::new(),
        pods: labels.filter(|labels| !labels.is_empty()),
        ports: ports
            .filter_map(|server| port(server, &["port", "number"]))
            .collect(),
    }
}

/// Reads a `Gateway`.
pub(super) fn read_gateway(node: Node<'_>, meta: ObjectMeta) -> Gateway {
    let spec = node.find(&["spec"]);
    let class = spec.and_then(|spec| text(spec, &["gatewayClassName"]));
    let listeners = list(spec, &["listeners"]);
    let has_addresses = list(spec, &["addresses"]).next().is_some();
    Gateway {
        has_addresses,
        class: class.unwrap_or_else(|| Spanned::new(Text::new(), meta.name.span)),
        meta,
        ports: listeners
            .filter_map(|listener| port(listener, &["port"]))
            .collect(),
    }
}

/// The items of the list at the end of a path of keys.
fn list<'t>(node: Option<Node<'t>>, path: &[&str]) -> impl Iterator<Item = Node<'t>> + use<'t> {
    let list = node.and_then(|node| node.find(path));
    list.into_iter().flat_map(Node::items)
}
