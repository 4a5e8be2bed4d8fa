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
//! What is not named here belongs to the program. Its tests and benchmarks see all of it by the
//! feature `internals`, which is none for others: without it the compiler finds what nobody uses.
//! The modules stand in reading order; each imports only what stands above it.

#![cfg_attr(
    not(feature = "internals"),
    allow(
        unreachable_pub,
        unused_imports,
        reason = "what other programs do not see is public, and named, for the tests"
    )
)]
#![cfg_attr(
    not(feature = "cli"),
    allow(dead_code, reason = "what only the program asks for")
)]

pub use config::Config;
pub use diagnostic::{Diagnostic, Severity};
pub use engine::{ConnectionSet, PortSet, Verdict};
pub use k8s::Protocol;
pub use lint::{Date, NotADate, Report};
pub use source::SourceMap;
pub use workspace::{ClusterView, NotJudged, Workspace};

/// The program itself.
#[cfg(feature = "cli")]
#[doc(hidden)]
pub use cli::run;

// Text and findings: nothing here knows Kubernetes.
#[cfg(feature = "internals")]
#[doc(hidden)]
pub mod progress;
#[cfg(not(feature = "internals"))]
mod progress;
#[cfg(feature = "internals")]
#[doc(hidden)]
pub mod source;
#[cfg(not(feature = "internals"))]
mod source;
#[cfg(feature = "internals")]
#[doc(hidden)]
pub mod diagnostic;
#[cfg(not(feature = "internals"))]
mod diagnostic;
#[cfg(feature = "internals")]
#[doc(hidden)]
pub mod edit;
#[cfg(not(feature = "internals"))]
mod edit;
#[cfg(feature = "internals")]
#[doc(hidden)]
pub mod yaml;
#[cfg(not(feature = "internals"))]
mod yaml;

// Kubernetes as written, as resolved, as enforced.
#[cfg(feature = "internals")]
#[doc(hidden)]
pub mod k8s;
#[cfg(not(feature = "internals"))]
mod k8s;
#[cfg(feature = "internals")]
#[doc(hidden)]
pub mod amend;
#[cfg(not(feature = "internals"))]
mod amend;
#[cfg(feature = "internals")]
#[doc(hidden)]
pub mod manifest;
#[cfg(not(feature = "internals"))]
mod manifest;
#[cfg(feature = "internals")]
#[doc(hidden)]
pub mod render;
#[cfg(not(feature = "internals"))]
mod render;
#[cfg(feature = "internals")]
#[doc(hidden)]
pub mod cluster;
#[cfg(not(feature = "internals"))]
mod cluster;
#[cfg(feature = "internals")]
#[doc(hidden)]
pub mod engine;
#[cfg(not(feature = "internals"))]
mod engine;
#[cfg(feature = "internals")]
#[doc(hidden)]
pub mod graph;
#[cfg(not(feature = "internals"))]
mod graph;

// Opinions about a cluster.
#[cfg(feature = "internals")]
#[doc(hidden)]
pub mod lint;
#[cfg(not(feature = "internals"))]
mod lint;
#[cfg(feature = "internals")]
#[doc(hidden)]
pub mod config;
#[cfg(not(feature = "internals"))]
mod config;
#[cfg(feature = "internals")]
#[doc(hidden)]
pub mod rules;
#[cfg(not(feature = "internals"))]
mod rules;

// The whole, and the outside world.
#[cfg(feature = "internals")]
#[doc(hidden)]
pub mod load;
#[cfg(not(feature = "internals"))]
mod load;
#[cfg(feature = "internals")]
#[doc(hidden)]
pub mod workspace;
#[cfg(not(feature = "internals"))]
mod workspace;
#[cfg(feature = "internals")]
#[doc(hidden)]
pub mod output;
#[cfg(not(feature = "internals"))]
mod output;
#[cfg(all(feature = "cli", feature = "internals"))]
#[doc(hidden)]
pub mod cli;
#[cfg(all(feature = "cli", not(feature = "internals")))]
mod cli;
