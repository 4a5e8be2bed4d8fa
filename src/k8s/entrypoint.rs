//! The objects that lead traffic from outside to Services: `Ingress`, the routes and
//! gateways of the Gateway API, OpenShift's `Route`, Istio's `Gateway` and `VirtualService`,
//! and the routes of ingress controllers with kinds of their own.
//!
//! Refuses to know which pods carry that traffic: an object names at most a class, and
//! who serves the class is knowledge about platforms.

use super::meta::ObjectMeta;
use super::selector::LabelSelector;
use crate::source::{Spanned, Text};

/// The kinds of [`Entrypoint`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum EntrypointKind {
    /// `Ingress` of `networking.k8s.io` (or the retired `extensions`).
    Ingress,
    /// `HTTPRoute` of `gateway.networking.k8s.io`.
    HttpRoute,
    /// `GRPCRoute` of `gateway.networking.k8s.io`.
    GrpcRoute,
    /// `TCPRoute` of `gateway.networking.k8s.io`.
    TcpRoute,
    /// `TLSRoute` of `gateway.networking.k8s.io`.
    TlsRoute,
    /// `Route` of `route.openshift.io`.
    Route,
    /// `VirtualService` of `networking.istio.io`, bound to a gateway.
    VirtualService,
    /// `Gateway` of `networking.istio.io`: it selects the pods that bring the traffic.
    IstioGateway,
    /// A route of an ingress controller with kinds of its own, by its `kind`: Traefik's
    /// `IngressRoute`, Contour's `HTTPProxy`.
    Custom(&'static str),
}

impl EntrypointKind {
    /// The routes of `gateway.networking.k8s.io`.
    pub const GATEWAY_ROUTES: [Self; 4] = [
        Self::HttpRoute,
        Self::GrpcRoute,
        Self::TcpRoute,
        Self::TlsRoute,
    ];

    /// As `kind` spells it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Ingress => "Ingress",
            Self::HttpRoute => "HTTPRoute",
            Self::GrpcRoute => "GRPCRoute",
            Self::TcpRoute => "TCPRoute",
            Self::TlsRoute => "TLSRoute",
            Self::Route => "Route",
            Self::VirtualService => "VirtualService",
            Self::IstioGateway => "Gateway",
            Self::Custom(kind) => kind,
        }
    }
}

/// An object that leads traffic from outside to Services.
#[derive(Clone, Debug)]
pub struct Entrypoint {
    /// Its metadata.
    pub meta: ObjectMeta,
    /// Its kind.
    pub kind: EntrypointKind,
    /// The class of an `Ingress`: `spec.ingressClassName`, else the annotation
    /// `kubernetes.io/ingress.class`. `None` for the other kinds.
    pub class: Option<Text>,
    /// `spec.parentRefs` of a route of the Gateway API, those that are gateways.
    pub gateways: Vec<GatewayReference>,
    /// The Services that it leads to, in the order of the text.
    pub backends: Vec<Backend>,
    /// The pods that an Istio `Gateway` opens ports of: `spec.selector`, by their labels.
    pub pods: Option<LabelSelector>,
    /// The ports that an Istio `Gateway` opens: `spec.servers[].port.number`.
    pub ports: Vec<Spanned<u16>>,
}

/// A gateway that a route hangs on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GatewayReference {
    /// Its namespace; that of the route where `None`.
    pub namespace: Option<Text>,
    /// Its name.
    pub name: Text,
}

/// A Service that an entrypoint leads to.
#[derive(Clone, Debug)]
pub struct Backend {
    /// The place in the object, as `spec.rules[0].http.paths[0].backend`.
    pub path: String,
    /// The name of the Service.
    pub service: Spanned<Text>,
    /// The namespace of the Service; that of the entrypoint where `None`.
    pub namespace: Option<Text>,
    /// The port, where one is written.
    pub port: Option<Spanned<BackendPort>>,
}

/// How a [`Backend`] names its port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BackendPort {
    /// The `port` of an entry of the Service's `ports`.
    Number(u16),
    /// The `name` of an entry of the Service's `ports`.
    Name(Text),
    /// A port of the pods, whatever the Service says (`Route`).
    OfPods(u16),
}

/// A `Gateway` of the Gateway API.
#[derive(Clone, Debug)]
pub struct Gateway {
    /// Its metadata.
    pub meta: ObjectMeta,
    /// `spec.gatewayClassName`, empty if missing.
    pub class: Spanned<Text>,
    /// `spec.listeners[].port`, those that are numbers.
    pub ports: Vec<Spanned<u16>>,
    /// Whether `spec.addresses` has entries: what serves it may be there already.
    pub has_addresses: bool,
}

impl Entrypoint {
    /// The namespace of a backend's Service.
    #[must_use]
    pub fn backend_namespace<'e>(&'e self, backend: &'e Backend) -> &'e str {
        backend
            .namespace
            .as_deref()
            .unwrap_or_else(|| self.meta.namespace_name())
    }
}
