//! Who brings the traffic of an `Ingress` or a route to pods: a load balancer of the cloud,
//! which comes with addresses, or the pods of a controller, by what its class or kind is called
//! and by where such pods are.
//!
//! Refuses to know what policies admit, and to guess what a class means that its name does not
//! tell.

use super::Context;
use super::callers::Caller;
use crate::cluster::platform::{KnownPods, Role};
use crate::cluster::{Cluster, NamespaceId, WorkloadId};
use crate::k8s::{Entrypoint, EntrypointKind, Gateway, NetworkPolicyPeer};

/// Who brings the traffic of an entrypoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Carrier {
    /// A load balancer of the cloud.
    CloudLoadBalancer,
    /// The pods of this program.
    Program(&'static str),
    /// What nothing tells.
    Unknown,
}

/// Classes that a load balancer of the cloud serves without pods in between:
/// kubernetes-sigs/aws-load-balancer-controller, "IngressClass"; cloud.google.com, "GKE Ingress"
/// and "GatewayClass capabilities"; learn.microsoft.com, "Application Gateway Ingress Controller"
/// and "Application Gateway for Containers"; aws/aws-application-networking-k8s.
const CLOUD_CLASSES: &[&str] = &[
    "alb",
    "amazon-vpc-lattice",
    "azure-alb-external",
    "azure-application-gateway",
    "azure/application-gateway",
    "gce",
    "gce-internal",
    "gke-l7-global-external-managed",
    "gke-l7-gxlb",
    "gke-l7-regional-external-managed",
    "gke-l7-rilb",
];

const TRAEFIK: &str = "traefik";

const CILIUM: &str = "cilium";

/// Programs whose name stands in that of their class, and in those of the known pods.
const PROGRAMS: &[&str] = &[
    CILIUM,
    "contour",
    "haproxy",
    "istio",
    "kong",
    "nginx",
    "openshift",
    TRAEFIK,
];

impl Carrier {
    /// Whether it is Cilium, whose proxy is no pod.
    #[must_use]
    pub fn is_cilium(self) -> bool {
        self == Self::Program(CILIUM)
    }
}

/// Who brings the traffic of an entrypoint.
#[must_use]
pub fn carrier(cluster: &Cluster, entrypoint: &Entrypoint) -> Carrier {
    let class = match entrypoint.kind {
        EntrypointKind::Custom("IngressRoute" | "IngressRouteTCP" | "IngressRouteUDP") => TRAEFIK,
        EntrypointKind::Custom("HTTPProxy") => "contour",
        EntrypointKind::Custom("TCPIngress" | "UDPIngress") => "kong",
        _ => match (&entrypoint.class, class_of_gateways(cluster, entrypoint)) {
            (Some(class), _) => class,
            (None, Some(class)) => class,
            (None, None) => return Carrier::Unknown,
        },
    };
    if CLOUD_CLASSES.contains(&class) {
        return Carrier::CloudLoadBalancer;
    }
    program_in(class).map_or(Carrier::Unknown, Carrier::Program)
}

/// The class of the gateways that a route hangs on, where all are known and have the same.
fn class_of_gateways<'c>(cluster: &'c Cluster, route: &Entrypoint) -> Option<&'c str> {
    shared_by_gateways(cluster, route, |gateway| Some(&gateway.class.value))
}

/// What a route's gateways have in common, where all are known and have the same.
fn shared_by_gateways<'c>(
    cluster: &'c Cluster,
    route: &Entrypoint,
    what: impl Fn(&'c Gateway) -> Option<&'c str>,
) -> Option<&'c str> {
    let own = route.meta.namespace_name();
    let mut found = route.gateways.iter().map(|reference| {
        let namespace = reference.namespace.as_deref().unwrap_or(own);
        let mut gateways = cluster.context_objects().gateways.iter();
        let gateway = gateways.find(|gateway| {
            gateway.meta.namespace_name() == namespace && gateway.meta.name.value == reference.name
        });
        gateway.and_then(|gateway| what(gateway))
    });
    let first = found.next()??;
    found.all(|other| other == Some(first)).then_some(first)
}

/// The one namespace that the pods are in which bring an entrypoint's traffic, where that is
/// certain: Istio makes them beside a Gateway that names no address (istio.io, "Kubernetes
/// Gateway API", "Automated Deployment"), and K3s runs the Traefik that a HelmChartConfig
/// configures in `kube-system`.
#[must_use]
pub fn home_of<'c>(cluster: &'c Cluster, entrypoint: &Entrypoint) -> Option<&'c str> {
    const ISTIO_CLASS: &str = "istio";
    let beside = |gateway: &'c Gateway| {
        let is_made = gateway.class.value == ISTIO_CLASS && !gateway.has_addresses;
        is_made.then(|| gateway.meta.namespace_name())
    };
    let of_gateways = shared_by_gateways(cluster, entrypoint, beside);
    of_gateways.or_else(|| {
        let is_traefik = carrier(cluster, entrypoint) == Carrier::Program(TRAEFIK);
        home_of_packaged_traefik(cluster).filter(|_| is_traefik)
    })
}

/// Where K3s runs the Traefik that it brings along, where the manifests configure that one and
/// have no other.
fn home_of_packaged_traefik(cluster: &Cluster) -> Option<&str> {
    let mut objects = cluster.context_objects().custom_objects.iter();
    let configured = objects.find(|object| {
        let is_its_configuration =
            object.group == "helm.cattle.io" && object.kind == "HelmChartConfig";
        is_its_configuration && object.meta.name.value == TRAEFIK
    })?;
    let home = configured.meta.namespace_name();
    let mut others = cluster.workloads().iter().filter(|workload| {
        let pods = &workload.object;
        let mut images = pods.containers.iter().map(|it| it.image.as_str());
        pods.meta.name.value.contains(TRAEFIK) || images.any(|image| image.contains(TRAEFIK))
    });
    others
        .all(|workload| cluster.namespace(workload.namespace).name == home)
        .then_some(home)
}

/// The program that a text names, if it names one of them.
fn program_in(text: &str) -> Option<&'static str> {
    let text = text.to_ascii_lowercase();
    let words: Vec<&str> = text
        .split(|character: char| !character.is_ascii_alphanumeric())
        .collect();
    let mut named = PROGRAMS.iter().filter(|program| words.contains(program));
    match (named.next(), named.next()) {
        (Some(only), None) => Some(only),
        _ => None,
    }
}

/// The workloads of the manifests that certainly bring the traffic of a carrier, as far as that
/// tells its program.
#[must_use]
pub fn certain(cx: &Context<'_>, carrier: Carrier) -> Vec<WorkloadId> {
    let is_its = |id: &WorkloadId| {
        let Carrier::Program(program) = carrier else {
            return carrier == Carrier::Unknown;
        };
        let workload = cx.cluster.workload(*id);
        let pods = &workload.object;
        let images = pods.containers.iter().map(|it| it.image.as_str());
        let labels = pods.labels.iter().map(|label| label.value.as_str());
        let names = [
            pods.meta.name.value.as_str(),
            cx.cluster.namespace(workload.namespace).name.as_str(),
        ];
        let mut texts = images.chain(labels).chain(names);
        texts.any(|text| program_in(text) == Some(program))
    };
    let certain = Caller::IngressController.certain(cx);
    certain.filter(is_its).collect()
}

/// Whether a peer names nothing but namespaces in which known pods of other controllers are.
#[must_use]
pub fn is_of_another_program(program: &str, peer: &NetworkPolicyPeer) -> bool {
    let Some((Some(namespaces), _)) = peer.selectors() else {
        return false;
    };
    let is_another = |home: &str| {
        KnownPods::live_in_only(home, Role::IngressController)
            && KnownPods::names_in(home)
                .all(|name| program_in(name).is_some_and(|other| other != program))
    };
    let mut homes = namespaces.values().peekable();
    homes.peek().is_some() && homes.all(is_another)
}

/// The controller that a peer means and cannot match, as all of the namespace's controllers
/// are on the host network, where selectors do not see them (S10).
#[must_use]
pub fn on_host_network(cx: &Context<'_>, peer: &NetworkPolicyPeer) -> Option<WorkloadId> {
    if cx.selectors_match_host_network() {
        return None;
    }
    let (namespaces, _) = peer.selectors()?;
    let matched = cx.engine.matching_namespaces(namespaces?);
    let [namespace]: [NamespaceId; 1] = matched.try_into().ok()?;
    let controllers: Vec<WorkloadId> = cx
        .cluster
        .workloads_in(namespace)
        .filter(|id| {
            let workload = &cx.cluster.workload(*id).object;
            let mut images = workload.containers.iter().map(|it| it.image.as_str());
            images.any(|image| Caller::IngressController.is_named_in(image))
        })
        .collect();
    let is_on_host = |id: &WorkloadId| cx.cluster.workload(*id).object.host_network;
    controllers
        .iter()
        .all(is_on_host)
        .then(|| controllers.first().copied())?
}

/// Where the controllers are that the manifests show.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Home {
    /// All in one namespace.
    Namespace(NamespaceId),
    /// All on the host network.
    Host,
}

/// Where all controllers are; `None` where there is none, or they are in several places.
#[must_use]
pub fn home(cluster: &Cluster) -> Option<Home> {
    let controllers: Vec<WorkloadId> = cluster
        .workload_ids()
        .filter(|id| {
            let workload = &cluster.workload(*id).object;
            let mut images = workload.containers.iter().map(|it| it.image.as_str());
            images.any(|image| image.contains("ingress"))
        })
        .collect();
    let first = cluster.workload(*controllers.first()?);
    let is_on_host = |id: &WorkloadId| cluster.workload(*id).object.host_network;
    if controllers.iter().all(is_on_host) {
        return Some(Home::Host);
    }
    let mut others = controllers.iter().map(|id| cluster.workload(*id).namespace);
    let is_one = others.all(|namespace| namespace == first.namespace);
    is_one.then_some(Home::Namespace(first.namespace))
}
