//! npcheck reads Kubernetes manifests from disk, works out who can talk to whom, and
//! says which NetworkPolicies do not mean what they look like.
//!
//! Other programs ask a [`Workspace`]: texts and a [`Config`] become clusters there, exactly as
//! they do for the commands of the program. Lint a folder:
//!
//! ```
//! use npcheck::{Config, Severity, Workspace};
//!
//! let folder = ["examples/shop".into()];
//! let (workspace, problems) = Workspace::read(&folder, &Config::default());
//! assert!(problems.is_empty());
//! let report = workspace.lint("2026-11-21".parse()?);
//! let errors = report.findings.iter().filter(|finding| finding.severity == Severity::Error);
//! for error in errors {
//!     let place = workspace.sources().position(error.primary.span);
//!     println!("{}: {} (line {})", error.rule, error.message, place.line);
//! }
//! # Ok::<(), npcheck::NotADate>(())
//! ```
//!
//! Ask whether one workload may open a connection to another:
//!
//! ```
//! use npcheck::{Config, ConnectionSet, PortSet, Protocol, Workspace};
//!
//! let manifests = r#"
//! apiVersion: v1
//! kind: Pod
//! metadata: {name: web, namespace: shop, labels: {app: web}}
//! ---
//! apiVersion: v1
//! kind: Pod
//! metadata: {name: db, namespace: shop, labels: {app: db}}
//! ---
//! apiVersion: networking.k8s.io/v1
//! kind: NetworkPolicy
//! metadata: {name: db, namespace: shop}
//! spec:
//!   podSelector: {matchLabels: {app: db}}
//!   ingress:
//!     - from: [{podSelector: {matchLabels: {app: web}}}]
//!       ports: [{protocol: TCP, port: 5432}]
//! "#;
//! let workspace = Workspace::load([("shop.yaml", manifests)], &Config::default());
//! let postgres = ConnectionSet::of(Protocol::Tcp, PortSet::single(5432));
//! for cluster in workspace.clusters() {
//!     let verdict = cluster.reach("shop/Pod/web", "shop/Pod/db");
//!     let verdict = verdict.expect("both pods are there");
//!     assert_eq!(verdict.allowed(), postgres);
//!     assert!(verdict.unknown().is_empty());
//! }
//! ```
//!
//! What is not named here belongs to the program and its tests, and may change at any time. The
//! modules stand in reading order; each imports only what stands above it.

pub use config::Config;
pub use diagnostic::{Diagnostic, Severity};
pub use engine::{ConnectionSet, PortSet, Verdict};
pub use k8s::Protocol;
pub use lint::{Date, NotADate, Report};
pub use source::SourceMap;
pub use workspace::{ClusterView, NotJudged, Workspace};

// Text and findings: nothing here knows Kubernetes.
#[doc(hidden)]
pub mod progress;
#[doc(hidden)]
pub mod source;
#[doc(hidden)]
pub mod diagnostic;
#[doc(hidden)]
pub mod edit;
#[doc(hidden)]
pub mod yaml;

// Kubernetes as written, as resolved, as enforced.
#[doc(hidden)]
pub mod k8s;
#[doc(hidden)]
pub mod amend;
#[doc(hidden)]
pub mod manifest;
#[doc(hidden)]
pub mod render;
#[doc(hidden)]
pub mod cluster;
#[doc(hidden)]
pub mod engine;
#[doc(hidden)]
pub mod graph;

// Opinions about a cluster.
#[doc(hidden)]
pub mod lint;
#[doc(hidden)]
pub mod config;
#[doc(hidden)]
pub mod rules;

// The whole, and the outside world.
#[doc(hidden)]
pub mod load;
#[doc(hidden)]
pub mod workspace;
#[doc(hidden)]
pub mod output;
#[cfg(feature = "cli")]
#[doc(hidden)]
pub mod cli;
