//! npcheck reads Kubernetes manifests from disk, works out who can talk to whom, and
//! says which NetworkPolicies do not mean what they look like.
//!
//! The modules stand in reading order; each imports only what stands above it.

// Text and findings: nothing here knows Kubernetes.
pub mod source;
pub mod diagnostic;
pub mod edit;
pub mod yaml;

// Kubernetes as written, as resolved, as enforced.
pub mod k8s;
pub mod amend;
pub mod manifest;
pub mod render;
pub mod cluster;
pub mod engine;
pub mod graph;

// Opinions about a cluster.
pub mod lint;
pub mod config;
pub mod rules;

// The whole, and the outside world.
pub mod load;
pub mod workspace;
pub mod output;
pub mod cli;
