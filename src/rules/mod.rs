//! The rules: one file each, and two lists.
//!
//! A rule knows neither its configuration nor how its findings are printed.

use crate::lint::Rule;

mod accidental_or;
mod any_cidr;
mod bad_suppression;
mod cidr_host_bits;
mod cidr_matches_cluster;
mod duplicate_key;
mod empty_means_all;
mod except_defeated;
mod flattened_manifest;
mod foreign_pod_selector;
mod ignored_rules;
mod implicit_policy_types;
mod invalid_cidr;
mod invalid_peer;
mod invalid_selector;
mod invalid_value;
mod metadata_service_reachable;
mod misplaced_field;
mod missing_dns_egress;
mod single_stack_cidr;
mod split_rule;
mod undocumented_policy;
mod unknown_field;
mod unlabeled_namespace;
mod unmatched_peer_selector;
mod unmatched_pod_selector;
mod yaml_error;

/// Every rule, sorted by name.
pub const ALL: &[&dyn Rule] = &[
    &accidental_or::AccidentalOr,
    &any_cidr::AnyCidr,
    &bad_suppression::BadSuppression,
    &cidr_host_bits::CidrHostBits,
    &cidr_matches_cluster::CidrMatchesCluster,
    &duplicate_key::DuplicateKey,
    &empty_means_all::EmptyMeansAll,
    &except_defeated::ExceptDefeated,
    &flattened_manifest::FlattenedManifest,
    &foreign_pod_selector::ForeignPodSelector,
    &ignored_rules::IgnoredRules,
    &implicit_policy_types::ImplicitPolicyTypes,
    &invalid_cidr::InvalidCidr,
    &invalid_peer::InvalidPeer,
    &invalid_selector::InvalidSelector,
    &invalid_value::InvalidValue,
    &metadata_service_reachable::MetadataServiceReachable,
    &misplaced_field::MisplacedField,
    &missing_dns_egress::MissingDnsEgress,
    &single_stack_cidr::SingleStackCidr,
    &split_rule::SplitRule,
    &undocumented_policy::UndocumentedPolicy,
    &unknown_field::UnknownField,
    &unlabeled_namespace::UnlabeledNamespace,
    &unmatched_peer_selector::UnmatchedPeerSelector,
    &unmatched_pod_selector::UnmatchedPodSelector,
    &yaml_error::YamlError,
];
