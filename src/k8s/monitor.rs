//! What scrapes metrics: the monitors and the `Prometheus` of the Prometheus operator
//! (`monitoring.coreos.com`).
//!
//! Refuses to know which pods a monitor finds: it selects Services, or pods, of
//! namespaces, and those are the cluster's.

use super::meta::{Label, Labels, ObjectMeta};
use super::network_policy::PortReference;
use super::selector::LabelSelector;
use crate::source::{Span, Spanned};

/// The kinds of [`Monitor`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum MonitorKind {
    /// `ServiceMonitor`: finds pods through Services.
    ServiceMonitor,
    /// `PodMonitor`: finds pods by their own labels.
    PodMonitor,
}

impl MonitorKind {
    /// As `kind` spells it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::ServiceMonitor => "ServiceMonitor",
            Self::PodMonitor => "PodMonitor",
        }
    }
}

/// A `ServiceMonitor` or `PodMonitor`.
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
    Named(Vec<String>),
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
    pub port: Option<Spanned<String>>,
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
            key: Spanned::new(key.to_owned(), name),
            value: Spanned::new(value.to_owned(), name),
        });
        Labels::new(self.pod_labels.iter().cloned().chain(of_operator).collect())
    }
}
