//! What is usual everywhere: labels that only controllers give pods, ports and names of what
//! is meant for everybody, ports of stores.
//!
//! What a platform sets and runs is with the [cluster](crate::cluster::platform). Refuses to
//! know what a rule makes of it.

use crate::k8s::{NetworkPolicyPort, PortReference};

/// Keys of pod labels that controllers add, or that only operators' pods have: no
/// manifest holds them.
const POD_LABELS: &[&str] = &[
    "pod-template-hash",
    "controller-revision-hash",
    "controller-uid",
    "job-name",
    "statefulset.kubernetes.io/",
    "apps.kubernetes.io/",
    "batch.kubernetes.io/",
    "rollouts-pod-template-hash",
    // Operators: CloudNativePG, Zalando, Crunchy, Percona, Strimzi, ECK, RabbitMQ, MariaDB,
    // Redis, MongoDB, MinIO, Rook, Longhorn.
    "cnpg.io/",
    "application",
    "cluster-name",
    "spilo-role",
    "postgres-operator.crunchydata.com/",
    "strimzi.io/",
    "common.k8s.elastic.co/",
    "elasticsearch.k8s.elastic.co/",
    "kibana.k8s.elastic.co/",
    "agent.k8s.elastic.co/",
    "k8s.mariadb.com/",
    "redis.redis.opstreelabs.in/",
    "redis_setup_type",
    "v1.min.io/",
    "rook.io/",
    "rook_cluster",
    "longhorn.io/",
    // Workflows, functions, virtual machines, certificates.
    "serving.knative.dev/",
    "eventing.knative.dev/",
    "workflows.argoproj.io/",
    "tekton.dev/",
    "kubevirt.io",
    "kubevirt.io/",
    "vm.kubevirt.io/",
    "cdi.kubevirt.io",
    "acme.cert-manager.io/",
    "prometheus",
    "operator.prometheus.io/",
    "actions.github.com/",
    "actions-ephemeral-runner",
    "jenkins",
    "hub.jupyter.org/",
    "spark-role",
    "security.istio.io/",
    "gateway.envoyproxy.io/",
    "gateway.networking.k8s.io/",
    "dns.operator.openshift.io/",
    "ingresscontroller.operator.openshift.io/",
];

/// Whether only a controller or an operator gives pods labels of this key.
#[must_use]
pub fn sets_pod_label(key: &str) -> bool {
    has_known_key(POD_LABELS, key)
}

fn has_known_key(known: &[&str], key: &str) -> bool {
    known
        .iter()
        .any(|known| *known == key || (known.ends_with('/') && key.starts_with(known)))
}

/// Ports that are opened to everybody on purpose: the web's (IANA), the ones that
/// kubebuilder gives to admission webhooks (9443) and to metrics behind a proxy (8443).
const PUBLIC_PORTS: &[u16] = &[80, 443, 8443, 9443];

/// Ports of web servers, and what they are called.
const WEB_PORTS: &[u16] = &[80, 443];
const WEB_PORT_NAMES: &[&str] = &["http", "https", "web", "websecure"];

/// What such ports are called.
const PUBLIC_PORT_NAMES: &[&str] = &[
    "http", "https", "web", "webhook", "metric", "health", "probe",
];

/// A port as it is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PortWord<'c> {
    /// A single number.
    Number(u16),
    /// A name.
    Name(&'c str),
    /// A range.
    Range,
}

/// Whether an entry of `ports` is one that is opened to everybody on purpose.
#[must_use]
pub fn is_public_port(port: &NetworkPolicyPort) -> bool {
    match port.port.get().map(|port| &port.value) {
        Some(PortReference::Number(number)) => {
            port.end_port.get().is_none() && PUBLIC_PORTS.contains(number)
        }
        Some(PortReference::Name(name)) => {
            PUBLIC_PORT_NAMES.iter().any(|known| name.contains(known))
        }
        None => false,
    }
}

/// The same of the name or the number of a port.
#[must_use]
pub fn is_web(port: PortWord<'_>) -> bool {
    match port {
        PortWord::Number(number) => WEB_PORTS.contains(&number),
        PortWord::Name(name) => WEB_PORT_NAMES.contains(&name),
        PortWord::Range => false,
    }
}

/// Whether an entry of `ports` is one of the web's, by its number or its name.
#[must_use]
pub fn is_web_port(port: &NetworkPolicyPort) -> bool {
    match port.port.get().map(|port| &port.value) {
        Some(PortReference::Number(number)) => {
            port.end_port.get().is_none() && WEB_PORTS.contains(number)
        }
        Some(PortReference::Name(name)) => WEB_PORT_NAMES.contains(&name.as_str()),
        None => false,
    }
}

/// Words in the name of a policy, or in a comment, for what is meant for everybody.
const WORDS_FOR_EVERYBODY: &[&str] = &[
    "all",
    "any",
    "anyone",
    "anywhere",
    "everybody",
    "everyone",
    "everywhere",
    "external",
    "internet",
    "open",
    "public",
    "world",
];

/// Whether an object says in its name that it is meant for everybody.
#[must_use]
pub fn names_everybody(name: &str) -> bool {
    name.split(['-', '_', '.'])
        .any(|word| WORDS_FOR_EVERYBODY.contains(&word))
}

/// Whether a comment says that something is meant for everybody.
#[must_use]
pub fn speaks_of_everybody(comment: &str) -> bool {
    let comment = comment.to_lowercase();
    let mut words = comment.split(|next: char| !next.is_alphanumeric());
    words.any(|word| WORDS_FOR_EVERYBODY.contains(&word) || word == "outside")
}

/// Ports of databases and of other stores that are not meant for everybody, by their
/// programs' defaults: MySQL, PostgreSQL, Redis, MongoDB, Elasticsearch, etcd, memcached,
/// Cassandra, CouchDB, SQL Server, Oracle, ZooKeeper.
const STORE_PORTS: &[u16] = &[
    3306, 5432, 6379, 27017, 9200, 2379, 11211, 9042, 5984, 1433, 1521, 2181,
];

/// The number of a store's port, where an entry of `ports` is one.
#[must_use]
pub fn store_port(port: &NetworkPolicyPort) -> Option<u16> {
    match port.port.get().map(|port| &port.value) {
        Some(PortReference::Number(number)) if STORE_PORTS.contains(number) => Some(*number),
        _ => None,
    }
}
