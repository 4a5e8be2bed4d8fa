//! The integration tests, in one binary: the house's own rules, what is generated, and the
//! program as its users run it.

#![allow(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    reason = "tests read and write files, and fail by a panic"
)]

mod alike;
mod answers;
mod architecture;
mod change_page;
mod changes;
mod cilium_options;
mod cli;
mod clusters;
mod comparison;
#[cfg(unix)]
mod completing;
mod conformance;
mod conventions;
mod dialects;
#[cfg(unix)]
mod deployed;
mod diff;
mod egress_firewall;
mod enforcement;
mod engine;
mod environments;
mod every_fix;
mod expected;
mod formats;
mod filled_in;
mod filled_in_pods;
mod gaps;
mod generated;
#[cfg(unix)]
mod git;
mod gitops_cases;
mod graph;
mod init;
#[cfg(unix)]
mod helm;
mod hook;
mod hostile_builds;
#[cfg(unix)]
mod linting;
#[cfg(unix)]
mod fixing;
#[cfg(unix)]
mod lost_flows;
#[cfg(unix)]
mod odd;
mod packaging;
mod paths;
mod pictures;
mod places;
mod platform;
#[cfg(unix)]
mod precommit;
mod program;
mod reach;
mod reference;
mod provenance;
mod random_builds;
mod render;
#[cfg(unix)]
mod repository;
mod rules;
#[cfg(unix)]
mod states;
#[cfg(unix)]
mod strangers;
mod context_objects;
mod controllers;
mod terminal;
mod tiers;
mod validation;
mod verdict;
mod width;
mod written;
