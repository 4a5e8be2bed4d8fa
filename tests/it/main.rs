//! The integration tests, in one binary: the house's own rules, what is generated, and the
//! program as its users run it.

#![allow(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    reason = "tests read and write files, and fail by a panic"
)]

mod alike;
mod answers;
mod apart;
mod architecture;
mod argo_directories;
mod change_page;
mod changes;
mod cilium_options;
mod cli;
mod clusters;
mod comparison;
mod conformance;
mod context_objects;
mod controllers;
mod conventions;
mod deployed;
mod dialects;
mod diff;
mod doubts;
mod egress_firewall;
mod enforcement;
mod engine;
mod environments;
mod every_fix;
mod expected;
mod filled_in;
mod filled_in_pods;
mod filling;
mod fixing;
mod formats;
mod gaps;
mod generated;
mod gitops_cases;
mod gitops_kinds;
mod guarded_nodes;
mod graph;
mod hostile_builds;
mod in_force;
mod init;
mod laws;
mod left_open;
mod let_in;
mod limits;
mod linting;
mod lost_flows;
mod not_taken;
mod of_revision;
mod other_tools;
mod packaging;
mod paths;
mod pictures;
mod places;
mod platform;
mod program;
mod provenance;
mod random_builds;
mod reach;
mod reference;
mod rejected_builds;
mod released_policies;
mod render;
mod rendered_roots;
mod repository;
mod rules;
mod scopes;
mod services_asked;
mod states;
mod terminal;
mod threads;
mod tiers;
mod told;
mod undeclared;
mod untold;
mod uncompared;
mod unreached;
mod unread;
mod validation;
mod verdict;
mod whole_trees;
mod width;
mod written;
mod written_labels;

#[cfg(unix)]
mod completing;
#[cfg(unix)]
mod git;
#[cfg(unix)]
mod helm;
#[cfg(unix)]
mod hook;
#[cfg(unix)]
mod odd;
#[cfg(unix)]
mod outside;
#[cfg(unix)]
mod precommit;
#[cfg(unix)]
mod strangers;
