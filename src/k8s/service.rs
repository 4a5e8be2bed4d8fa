//! `Service`, as far as rules and questions about endpoints need it.
//!
//! Refuses to know about pods behind it: policies are judged between pods (S0).

use super::meta::{Labels, ObjectMeta};
use super::network_policy::Protocol;
use super::workload::Workload;
use crate::source::{Span, Spanned, Text};
use std::net::IpAddr;

/// `spec.type` of a Service.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ServiceType {
    /// `ClusterIP`, the default.
    ClusterIp,
    /// `NodePort`.
    NodePort,
    /// `LoadBalancer`.
    LoadBalancer,
    /// `ExternalName`.
    ExternalName,
}

/// The namespace and the name of the Service of the API server, which is in every cluster and in
/// no manifest (kubernetes/kubernetes pkg/controlplane/controller/kubernetesservice).
pub const API_SERVER_SERVICE: (&str, &str) = ("default", "kubernetes");

/// A `Service`.
#[derive(Clone, Debug)]
pub struct Service {
    /// Its metadata.
    pub meta: ObjectMeta,
    /// `spec.type`.
    pub service_type: ServiceType,
    /// `spec.selector`; `None` where missing or null: the endpoints are made by hand.
    pub selector: Option<Labels>,
    /// `spec.ports`.
    pub ports: Box<[ServicePort]>,
    /// `spec.clusterIP`, `None` where missing; `None` as text for a headless one.
    pub cluster_ip: Option<Text>,
    /// `spec.externalIPs`: addresses of nodes at which the Service answers, whatever its type.
    pub external_ips: Vec<Text>,
    /// `status.loadBalancer.ingress`: the addresses of its load balancer that the nodes answer
    /// themselves, so that a pod that connects to one is sent on to a pod.
    pub load_balancer_ips: Vec<Text>,
    /// Whether `spec.externalTrafficPolicy` is `Local`.
    pub external_traffic_is_local: bool,
    /// `spec.ipFamilies`.
    pub ip_families: Vec<Text>,
    /// Whether `spec.ipFamilyPolicy` is `RequireDualStack`.
    pub requires_dual_stack: bool,
}

impl Service {
    /// Whether it can only be there in a cluster that speaks both IPv4 and IPv6.
    #[must_use]
    pub fn is_dual_stack(&self) -> bool {
        self.requires_dual_stack || self.ip_families.len() > 1
    }

    /// Whether clients outside of the cluster reach it: by a load balancer, a port of the nodes,
    /// or addresses of nodes.
    #[must_use]
    pub fn takes_clients(&self) -> bool {
        let by_type = [ServiceType::LoadBalancer, ServiceType::NodePort];
        by_type.contains(&self.service_type) || !self.external_ips.is_empty()
    }

    /// The addresses at which the nodes take a connection for it and send it on to a pod, before any
    /// policy sees it.
    pub fn addresses(&self) -> impl Iterator<Item = IpAddr> {
        let texts = self.cluster_ip.iter().chain(&self.external_ips);
        let texts = texts.chain(&self.load_balancer_ips);
        texts.filter_map(|text| text.parse().ok())
    }

    /// Whether it has no address of its own, so that its port is not translated.
    #[must_use]
    pub fn is_headless(&self) -> bool {
        self.cluster_ip.as_deref() == Some("None")
    }
}

/// An entry of a Service's `ports`.
#[derive(Clone, Debug)]
pub struct ServicePort {
    /// The whole entry.
    pub span: Span,
    /// `name`.
    pub name: Option<Spanned<Text>>,
    /// `protocol`, TCP where none is written.
    pub protocol: Protocol,
    /// `port`.
    pub port: Spanned<u16>,
    /// `targetPort`; the same number as `port` where none is written.
    pub target_port: TargetPort,
}

impl ServicePort {
    /// The ports of a pod that this port leads to, in order: its target's number, or the
    /// numbers that its target's name has on the pod; none for a name that it does not have.
    #[must_use]
    pub fn ports_of(&self, pod: &Workload) -> Vec<u16> {
        match &self.target_port {
            TargetPort::Number(number) => vec![*number],
            TargetPort::Name(name) => {
                let named = pod
                    .named_ports()
                    .filter(|(its, protocol, _)| its == name && *protocol == self.protocol);
                named.map(|(_, _, number)| number).collect()
            }
        }
    }
}

/// Where a Service's port leads on the pods.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum TargetPort {
    /// A number.
    Number(u16),
    /// The name of a containerPort.
    Name(Text),
}
