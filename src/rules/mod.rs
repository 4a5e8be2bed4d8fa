//! The rules: one file each, and two lists.
//!
//! A rule knows neither its configuration nor how its findings are printed.

use crate::lint::Rule;

mod accidental_or;
mod all_ports;
mod apiserver_egress_blocked;
mod bad_suppression;
mod batch_workload_cut_off;
mod duplicate_key;
mod empty_means_all;
mod entrypoint_blocked;
mod flattened_manifest;
mod foreign_pod_selector;
mod ignored_rules;
mod implicit_protocol;
mod invalid_cidr;
mod invalid_peer;
mod invalid_selector;
mod invalid_value;
mod misplaced_field;
mod missing_dns_egress;
mod one_sided_flow;
mod scrape_blocked;
mod service_port_not_pod_port;
mod snat_source_cidr;
mod unknown_field;
mod unknown_named_port;
mod unlabeled_namespace;
mod unmatched_peer_selector;
mod unmatched_pod_selector;
mod webhook_blocked;
mod yaml_error;

/// Every rule, sorted by name.
pub const ALL: &[&dyn Rule] = &[
    &accidental_or::AccidentalOr,
    &all_ports::AllPorts,
    &apiserver_egress_blocked::ApiserverEgressBlocked,
    &bad_suppression::BadSuppression,
    &batch_workload_cut_off::BatchWorkloadCutOff,
    &duplicate_key::DuplicateKey,
    &empty_means_all::EmptyMeansAll,
    &entrypoint_blocked::EntrypointBlocked,
    &flattened_manifest::FlattenedManifest,
    &foreign_pod_selector::ForeignPodSelector,
    &ignored_rules::IgnoredRules,
    &implicit_protocol::ImplicitProtocol,
    &invalid_cidr::InvalidCidr,
    &invalid_peer::InvalidPeer,
    &invalid_selector::InvalidSelector,
    &invalid_value::InvalidValue,
    &misplaced_field::MisplacedField,
    &missing_dns_egress::MissingDnsEgress,
    &one_sided_flow::OneSidedFlow,
    &scrape_blocked::ScrapeBlocked,
    &service_port_not_pod_port::ServicePortNotPodPort,
    &snat_source_cidr::SnatSourceCidr,
    &unknown_field::UnknownField,
    &unknown_named_port::UnknownNamedPort,
    &unlabeled_namespace::UnlabeledNamespace,
    &unmatched_peer_selector::UnmatchedPeerSelector,
    &unmatched_pod_selector::UnmatchedPodSelector,
    &webhook_blocked::WebhookBlocked,
    &yaml_error::YamlError,
];
