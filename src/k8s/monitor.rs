//! What scrapes metrics: the monitors and the `Prometheus` of the Prometheus operator
//! (`monitoring.coreos.com`), and the monitors of those that follow it: VictoriaMetrics,
//! Google's and Azure's managed Prometheus.
//!
//! Refuses to know which pods a monitor finds: it selects Services, or pods, of
//! namespaces, and those are the cluster's.

use super::meta::{Label, Labels, ObjectMeta};
use super::network_policy::PortReference;
use super::selector::LabelSelector;
use crate::source::{Span, Spanned, Text};

/// The kinds of [`Monitor`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum MonitorKind {
    /// `ServiceMonitor`: finds pods through Services.
    ServiceMonitor,
    /// `PodMonitor`: finds pods by their own labels.
    PodMonitor,
    /// `VMServiceScrape` of VictoriaMetrics: finds pods through Services.
    VmServiceScrape,
    /// `VMPodScrape` of VictoriaMetrics: finds pods by their own labels.
    VmPodScrape,
    /// `PodMonitoring` of Google: finds pods by their own labels.
    PodMonitoring,
}

impl MonitorKind {
    /// The monitor of a group and kind.
    #[must_use]
    pub fn find(group: &str, kind: &str) -> Option<Self> {
        Some(match (group, kind) {
            ("azmonitoring.coreos.com" | "monitoring.coreos.com", "ServiceMonitor") => {
                Self::ServiceMonitor
            }
            ("azmonitoring.coreos.com" | "monitoring.coreos.com", "PodMonitor") => Self::PodMonitor,
            ("operator.victoriametrics.com", "VMServiceScrape") => Self::VmServiceScrape,
            ("operator.victoriametrics.com", "VMPodScrape") => Self::VmPodScrape,
            ("monitoring.googleapis.com", "PodMonitoring") => Self::PodMonitoring,
            _ => return None,
        })
    }

    /// Whether it finds pods through Services, and not by their own labels.
    #[must_use]
    pub fn finds_services(self) -> bool {
        matches!(self, Self::ServiceMonitor | Self::VmServiceScrape)
    }

    /// The field of `spec` that lists its endpoints.
    #[must_use]
    pub fn endpoints_field(self) -> &'static str {
        match self {
            Self::ServiceMonitor | Self::VmServiceScrape | Self::PodMonitoring => "endpoints",
            Self::PodMonitor | Self::VmPodScrape => "podMetricsEndpoints",
        }
    }

    /// As `kind` spells it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::ServiceMonitor => "ServiceMonitor",
            Self::PodMonitor => "PodMonitor",
            Self::VmServiceScrape => "VMServiceScrape",
            Self::VmPodScrape => "VMPodScrape",
            Self::PodMonitoring => "PodMonitoring",
        }
    }
}

/// A `ServiceMonitor`, a `PodMonitor` or one of their kin.
#[derive(Clone, Debug)]
pub struct Monitor {
    /// Its metadata.
    pub meta: ObjectMeta,
    /// Its kind.
    pub kind: MonitorKind,
    /// `spec.selector`: of Services, or of pods, by their own labels.
    pub selector: LabelSelector,
    /// `spec.namespaceSelector`.
    pub namespaces: MonitoredNamespaces,
    /// `spec.endpoints` or `spec.podMetricsEndpoints`.
    pub endpoints: Vec<MonitorEndpoint>,
}

/// Where a monitor looks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MonitoredNamespaces {
    /// In its own namespace.
    Own,
    /// Everywhere.
    Any,
    /// In the namespaces of these names.
    Named(Vec<Text>),
}

impl MonitoredNamespaces {
    /// Whether a monitor that stands in `own` looks into `namespace`.
    #[must_use]
    pub fn include(&self, own: &str, namespace: &str) -> bool {
        match self {
            Self::Own => own == namespace,
            Self::Any => true,
            Self::Named(names) => names.iter().any(|name| name == namespace),
        }
    }
}

/// A port that a monitor scrapes.
#[derive(Clone, Debug)]
pub struct MonitorEndpoint {
    /// The whole entry.
    pub span: Span,
    /// `port`: the name of the Service's port, or of the container's for a `PodMonitor`.
    pub port: Option<Spanned<Text>>,
    /// `targetPort` (also `portNumber` of a `PodMonitor`): a port of the pods.
    pub target_port: Option<Spanned<PortReference>>,
}

/// A `Prometheus` or a `PrometheusAgent`: its pods are made by the operator.
#[derive(Clone, Debug)]
pub struct Prometheus {
    /// Its metadata.
    pub meta: ObjectMeta,
    /// Its kind.
    pub kind: PrometheusKind,
    /// `spec.podMetadata.labels`, which its pods have besides those of the operator.
    pub pod_labels: Labels,
    /// `spec.hostNetwork`.
    pub host_network: bool,
}

/// The kinds of [`Prometheus`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum PrometheusKind {
    /// `Prometheus`.
    Prometheus,
    /// `PrometheusAgent`.
    PrometheusAgent,
}

impl PrometheusKind {
    /// Both of them.
    pub const ALL: [Self; 2] = [Self::Prometheus, Self::PrometheusAgent];

    /// As `kind` spells it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Prometheus => "Prometheus",
            Self::PrometheusAgent => "PrometheusAgent",
        }
    }
}

impl Prometheus {
    /// The labels of its pods: those of the operator over those of `spec.podMetadata`
    /// (prometheus-operator, `pkg/prometheus/server/statefulset.go` and
    /// `pkg/prometheus/agent/statefulset.go`).
    #[must_use]
    pub fn labels_of_pods(&self) -> Labels {
        let (own, name) = (&self.meta.name.value, self.meta.name.span);
        let program = match self.kind {
            PrometheusKind::Prometheus => "prometheus",
            PrometheusKind::PrometheusAgent => "prometheus-agent",
        };
        let of_operator = [
            ("app.kubernetes.io/name", program),
            ("app.kubernetes.io/instance", own),
            ("app.kubernetes.io/managed-by", "prometheus-operator"),
            ("operator.prometheus.io/name", own),
            ("prometheus", own),
        ];
        let of_operator = of_operator.map(|(key, value)| Label {
            key: Spanned::new(Text::from(key), name),
            value: Spanned::new(Text::from(value), name),
        });
        Labels::new(self.pod_labels.iter().cloned().chain(of_operator).collect())
    }
}
