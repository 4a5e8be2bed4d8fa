//! Pods and the objects that make them, reduced to what policies and rules can see.
//!
//! Refuses to know who owns whom among the inputs: that is the cluster's business.

use super::config_map::ConfigMapReference;
use super::custom::CustomObject;
use super::meta::{Labels, ObjectMeta};
use super::network_policy::Protocol;
use super::release::ReleasedPods;
use super::selector::Truth;
use crate::source::{Span, Spanned, Text};
use std::net::IpAddr;

/// The kinds that are or make pods.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum WorkloadKind {
    /// `Pod`.
    Pod,
    /// `Deployment`.
    Deployment,
    /// `ReplicaSet`.
    ReplicaSet,
    /// `StatefulSet`.
    StatefulSet,
    /// `DaemonSet`.
    DaemonSet,
    /// `Job`.
    Job,
    /// `CronJob`.
    CronJob,
    /// `ReplicationController`.
    ReplicationController,
    /// `DeploymentConfig` of OpenShift.
    DeploymentConfig,
    /// `Rollout` of Argo Rollouts.
    Rollout,
    /// `VirtualMachine` of KubeVirt.
    VirtualMachine,
    /// `VirtualMachineInstance` of KubeVirt.
    VirtualMachineInstance,
}

impl WorkloadKind {
    /// All of them.
    pub const ALL: [Self; 12] = [
        Self::Pod,
        Self::Deployment,
        Self::ReplicaSet,
        Self::StatefulSet,
        Self::DaemonSet,
        Self::Job,
        Self::CronJob,
        Self::ReplicationController,
        Self::DeploymentConfig,
        Self::Rollout,
        Self::VirtualMachine,
        Self::VirtualMachineInstance,
    ];

    /// As `kind` spells it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Pod => "Pod",
            Self::Deployment => "Deployment",
            Self::ReplicaSet => "ReplicaSet",
            Self::StatefulSet => "StatefulSet",
            Self::DaemonSet => "DaemonSet",
            Self::Job => "Job",
            Self::CronJob => "CronJob",
            Self::ReplicationController => "ReplicationController",
            Self::DeploymentConfig => "DeploymentConfig",
            Self::Rollout => "Rollout",
            Self::VirtualMachine => "VirtualMachine",
            Self::VirtualMachineInstance => "VirtualMachineInstance",
        }
    }

    /// Whether it is one pod, and not a set of replicas: a virtual machine runs in one (S4).
    #[must_use]
    pub fn is_one_pod(self) -> bool {
        self == Self::Pod || self.is_virtual_machine()
    }

    /// Whether it is a virtual machine, whose pod is made by KubeVirt.
    #[must_use]
    pub fn is_virtual_machine(self) -> bool {
        matches!(self, Self::VirtualMachine | Self::VirtualMachineInstance)
    }

    /// The names that kubectl takes for it in lower case, the shortest first.
    #[must_use]
    pub fn short_names(self) -> &'static [&'static str] {
        match self {
            Self::Pod => &["po", "pod", "pods"],
            Self::Deployment => &["deploy", "deployment", "deployments"],
            Self::ReplicaSet => &["rs", "replicaset", "replicasets"],
            Self::StatefulSet => &["sts", "statefulset", "statefulsets"],
            Self::DaemonSet => &["ds", "daemonset", "daemonsets"],
            Self::Job => &["job", "jobs"],
            Self::CronJob => &["cj", "cronjob", "cronjobs"],
            Self::ReplicationController => {
                &["rc", "replicationcontroller", "replicationcontrollers"]
            }
            Self::DeploymentConfig => &["dc", "deploymentconfig", "deploymentconfigs"],
            Self::Rollout => &["ro", "rollout", "rollouts"],
            Self::VirtualMachine => &["vm", "virtualmachine", "virtualmachines"],
            Self::VirtualMachineInstance => {
                &["vmi", "virtualmachineinstance", "virtualmachineinstances"]
            }
        }
    }
}

/// A pod, or an object that stands for all the pods that it makes (S3).
#[derive(Clone, Debug)]
pub struct Workload {
    /// The object's own metadata; policies do not see its labels.
    pub meta: ObjectMeta,
    /// Its kind.
    pub kind: WorkloadKind,
    /// `spec.replicas`, where it is written.
    pub replicas: Option<i64>,
    /// Whether its pods are numbered by `completionMode: Indexed` of a Job; `Unknown` where
    /// another tool fills that in.
    pub is_indexed: Truth,
    /// The labels of its pods.
    pub labels: Labels,
    /// The annotations of its pods.
    pub annotations: Labels,
    /// Where the pods' labels stand; the object's name where they have none.
    pub labels_span: Span,
    /// `hostNetwork` of its pods.
    pub host_network: bool,
    /// Whether that is known: not if another tool fills it in, or two definitions differ.
    pub is_host_network_known: bool,
    /// `nodeName`: the node that its pods are on.
    pub node_name: Option<Text>,
    /// Known addresses: `status.podIP` and `podIPs`, and `hostIP` for a pod on the host
    /// network that has no other; each once, in that order. Empty for all but pods.
    pub addresses: Box<[IpAddr]>,
    /// `containers`, then the `initContainers` (see [`Container::is_init`]).
    pub containers: Box<[Container]>,
    /// `serviceAccountName`.
    pub service_account: Option<Text>,
    /// `automountServiceAccountToken`.
    pub automount_token: Option<bool>,
    /// `dnsPolicy`.
    pub dns_policy: Option<Text>,
    /// `dnsConfig.nameservers`.
    pub nameservers: Box<[Text]>,
    /// Whether its ports are all written: not if another tool fills in some of them.
    pub are_ports_known: bool,
    /// What is known of pods that only an object implies, which installs them.
    pub implied: Option<Box<ImpliedPods>>,
}

/// Pods without a manifest that an object implies: it installs the release of a chart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ImpliedPods {
    /// The kind of the object.
    pub kind: String,
    /// Whether their labels are all known.
    pub are_labels_known: bool,
}

impl Workload {
    /// Pods that nobody wrote a manifest for, which have no ports; their text is that of
    /// `about`, the object that makes one think of them.
    #[must_use]
    pub fn hypothetical(namespace: &str, name: &str, labels: Labels, about: &ObjectMeta) -> Self {
        Self {
            meta: ObjectMeta::hypothetical(Some(namespace), name, Labels::default(), about),
            // Several pods, so that they can talk to each other (S4).
            kind: WorkloadKind::ReplicaSet,
            replicas: None,
            is_indexed: Truth::False,
            labels,
            annotations: Labels::default(),
            labels_span: about.span,
            host_network: false,
            is_host_network_known: true,
            node_name: None,
            addresses: Box::default(),
            containers: Box::default(),
            service_account: None,
            automount_token: None,
            dns_policy: None,
            nameservers: Box::default(),
            are_ports_known: true,
            implied: None,
        }
    }

    /// Pods that an object implies, in its namespace or the one that it names.
    #[must_use]
    pub fn implied(object: &CustomObject, pods: &ReleasedPods) -> Self {
        let about = &object.meta;
        let name = pods.names.first().map_or("", String::as_str);
        let ports = pods.ports.iter().map(|port| ContainerPort {
            name: Some(Spanned::new(Text::from(&port.name), about.span)),
            protocol: port.protocol,
            number: Spanned::new(port.number, about.span),
            host_port: None,
        });
        let container = Container::of_ports(ports.collect());
        Self {
            host_network: pods.host_network,
            is_host_network_known: pods.is_host_network_known,
            node_name: None,
            containers: Box::new([container]),
            implied: Some(Box::new(ImpliedPods {
                kind: object.kind.clone(),
                are_labels_known: pods.are_labels_known,
            })),
            are_ports_known: pods.are_ports_known,
            ..Self::hypothetical(object.home(), name, pods.labels.clone(), about)
        }
    }

    /// The kind that stands in its name: its own, or that of the object that implies it.
    #[must_use]
    pub fn kind_name(&self) -> &str {
        match &self.implied {
            Some(implied) => &implied.kind,
            None => self.kind.name(),
        }
    }

    /// The ports that a named port can mean: those of `containers` and of sidecars,
    /// with a name and a number (S7), in the order of the text.
    pub fn named_ports(&self) -> impl Iterator<Item = (&str, Protocol, u16)> {
        self.ports().filter_map(|port| {
            port.name
                .as_ref()
                .map(|name| (name.value.as_str(), port.protocol, port.number.value))
        })
    }

    /// Whether a container takes all entries of this ConfigMap as variables.
    #[must_use]
    pub fn takes_whole(&self, config_map: &str) -> bool {
        let mut taken = self.containers.iter().flat_map(|it| &it.config_maps);
        taken.any(|it| it.key.is_none() && it.config_map == config_map)
    }

    /// The ports of `containers` and of sidecars, in the order of the text.
    pub fn ports(&self) -> impl Iterator<Item = &ContainerPort> {
        self.containers
            .iter()
            .filter(|container| container.is_running())
            .flat_map(|container| &container.ports)
    }
}

/// A container of a pod.
#[derive(Clone, Debug)]
pub struct Container {
    /// `name`.
    pub name: Text,
    /// `image`, empty if missing.
    pub image: Text,
    /// Whether it stands under `initContainers`.
    pub is_init: bool,
    /// Whether it has `restartPolicy: Always`, which makes an init container a sidecar.
    pub restarts_always: bool,
    /// `ports`, those with a numeric `containerPort` only.
    pub ports: Box<[ContainerPort]>,
    /// The numbers of the ports that its probes ask: something listens there.
    pub probe_ports: Box<[u16]>,
    /// The entries of `env` with a value, in the order of the text.
    pub variables: Box<[Variable]>,
    /// The `ConfigMap`s that `env` and `envFrom` take variables from.
    pub config_maps: Box<[ConfigMapReference]>,
    /// `args`, then `command`.
    pub arguments: Box<[Text]>,
}

/// An entry of a container's `env` with a value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Variable {
    /// `name`.
    pub name: Text,
    /// `value`.
    pub value: Text,
}

impl Container {
    /// One of which nothing is known but its ports, and which has no name.
    #[must_use]
    pub fn of_ports(ports: Box<[ContainerPort]>) -> Self {
        Self {
            name: Text::new(),
            image: Text::new(),
            is_init: false,
            restarts_always: false,
            ports,
            probe_ports: Box::default(),
            variables: Box::default(),
            config_maps: Box::default(),
            arguments: Box::default(),
        }
    }

    /// Whether it runs as long as the pod does, so that its ports count (S7).
    #[must_use]
    pub fn is_running(&self) -> bool {
        !self.is_init || self.restarts_always
    }
}

/// An entry of a container's `ports`.
#[derive(Clone, Debug)]
pub struct ContainerPort {
    /// `name`.
    pub name: Option<Spanned<Text>>,
    /// `protocol`, TCP where none is written.
    pub protocol: Protocol,
    /// `containerPort`.
    pub number: Spanned<u16>,
    /// `hostPort`: the port of the node that leads there.
    pub host_port: Option<u16>,
}
