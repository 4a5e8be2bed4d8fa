//! What a rule is, what it may look at, and how all of them are run.
//!
//! Refuses to know which rules exist: it is handed the list.

pub mod absence;
pub mod addresses;
mod ignore;
pub mod block_edit;
pub mod api_clients;
pub mod api_server;
pub mod calico_cover;
pub mod callers;
pub mod claims;
pub mod claims_of_comments;
pub mod cluster_ranges;
pub mod comments;
mod consequence;
pub mod containment;
mod context;
pub mod controllers;
pub mod cut_off;
mod date;
pub mod denied_first;
pub mod dns;
pub mod dns_proxy;
pub mod entrance;
pub mod exposure;
mod facts;
pub mod homes;
pub mod hypothetical;
mod labelled;
pub mod isolated_pods;
pub mod isolation;
pub mod mismatch;
pub mod named_denials;
pub mod named_ports;
pub mod near_miss;
pub mod platform;
mod offer;
mod other_homes;
pub mod plugin_dns;
pub mod plugin_rules;
pub mod plugin_pairs;
pub mod plugin_selectors;
pub mod plugins;
pub mod ports;
pub mod pod_selectors;
pub mod promised_flows;
pub mod policy_subjects;
pub mod redundancy;
pub mod references;
pub mod rewrite;
mod rule;
mod run;
pub mod scrape_targets;
pub mod service_ports;
pub mod shared_selectors;
mod settings;
pub mod snippet;
mod suppression;
pub mod text;
pub mod tiers;
pub mod unanswered;
pub mod unjudged;
pub mod ways_in;
pub mod words;

pub use crate::cluster::platform::Distribution;
pub use crate::cluster::{CiliumSettings, Cni, LabelFilter, PolicyMode, Switch};
pub use context::{Context, Inventory};
pub use date::{Date, NotADate};
pub use ignore::IgnoreEntry;
pub(crate) use rule::declare_rule;
pub use rule::{Category, Rule, RuleMeta, RuleTier};
pub use run::{Input, Limit, Report, run};
pub use settings::{Cloud, EnforcementRows, ExternalPods, Profile, Settings, StagedPolicies};
pub use suppression::{
    ANNOTATION, Allowance, Force, Form, NamedRule, Standing, Suppressed, Suppression,
    has_suppressions,
};
