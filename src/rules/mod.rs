//! The rules: one file each, and two lists.
//!
//! A rule knows neither its configuration nor how its findings are printed.

use crate::lint::Rule;

mod accidental_or;
mod allow_all_rule;
mod duplicate_key;
mod empty_means_all;
mod flattened_manifest;
mod foreign_pod_selector;
mod host_network_target;
mod ignored_rules;
mod implicit_policy_types;
mod invalid_cidr;
mod invalid_peer;
mod invalid_selector;
mod invalid_value;
mod label_on_controller;
mod misplaced_field;
mod missing_dns_egress;
mod redundant_rule;
mod split_rule;
mod unknown_field;
mod unlabeled_namespace;
mod unmatched_namespace_selector;
mod unmatched_peer_selector;
mod unmatched_pod_selector;
mod unstable_label;
mod yaml_error;

/// Every rule, sorted by name.
pub const ALL: &[&dyn Rule] = &[
    &accidental_or::AccidentalOr,
    &allow_all_rule::AllowAllRule,
    &duplicate_key::DuplicateKey,
    &empty_means_all::EmptyMeansAll,
    &flattened_manifest::FlattenedManifest,
    &foreign_pod_selector::ForeignPodSelector,
    &host_network_target::HostNetworkTarget,
    &ignored_rules::IgnoredRules,
    &implicit_policy_types::ImplicitPolicyTypes,
    &invalid_cidr::InvalidCidr,
    &invalid_peer::InvalidPeer,
    &invalid_selector::InvalidSelector,
    &invalid_value::InvalidValue,
    &label_on_controller::LabelOnController,
    &misplaced_field::MisplacedField,
    &missing_dns_egress::MissingDnsEgress,
    &redundant_rule::RedundantRule,
    &split_rule::SplitRule,
    &unknown_field::UnknownField,
    &unlabeled_namespace::UnlabeledNamespace,
    &unmatched_namespace_selector::UnmatchedNamespaceSelector,
    &unmatched_peer_selector::UnmatchedPeerSelector,
    &unmatched_pod_selector::UnmatchedPodSelector,
    &unstable_label::UnstableLabel,
    &yaml_error::YamlError,
];
