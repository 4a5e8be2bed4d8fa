//! The rules: one file each, and two lists.
//!
//! A rule knows neither its configuration nor how its findings are printed.

use crate::lint::Rule;

mod accidental_or;
mod admin_priority_conflict;
mod all_ports;
mod allow_all_rule;
mod ambient_port_blocked;
mod any_cidr;
mod apiserver_egress_blocked;
mod bad_suppression;
mod batch_workload_cut_off;
mod broken_build;
mod calico_implicit_types;
mod calico_not_selector_internet;
mod calico_port_without_protocol;
mod calico_shadowed_by_order;
mod calico_source_ports;
mod calico_unknown_tier;
mod calico_wrong_end;
mod cidr_host_bits;
mod cidr_matches_cluster;
mod cilium_cidr_for_cluster;
mod cilium_empty_rule;
mod cilium_filtered_label;
mod cilium_foreign_namespace;
mod cilium_fqdn_without_dns;
mod cilium_implied_namespace;
mod cilium_inert_policy;
mod cilium_removed_field;
mod cilium_service_port;
mod cilium_unknown_cidr_group;
mod cni_capability_gap;
mod dead_annotation;
mod deny_only_policy;
mod dns_peer_mismatch;
mod dns_profile_mismatch;
mod dns_single_protocol;
mod duplicate_key;
mod duplicate_policy;
mod empty_means_all;
mod entrypoint_blocked;
mod except_defeated;
mod flattened_manifest;
mod flow_lost;
mod foreign_pod_selector;
mod foreign_policy;
mod hidden_text;
mod host_network_target;
mod ignored_rules;
mod ignored_text;
mod implicit_policy_types;
mod implicit_protocol;
mod invalid_admin_policy;
mod invalid_cidr;
mod invalid_peer;
mod invalid_selector;
mod invalid_value;
mod label_on_controller;
mod managed_service_blocked;
mod metadata_service_reachable;
mod misplaced_field;
mod missing_dns_egress;
mod missing_namespace;
mod name_contradicts_effect;
mod no_default_deny;
mod one_sided_flow;
mod operator_blocked;
mod overlay_narrows_peer;
mod overlay_selects_service;
mod overridden_rule;
mod partial_service_match;
mod patch_without_target;
mod policy_of_another_cni;
mod redundant_rule;
mod resolver_blocked;
mod scrape_blocked;
mod service_cut_off;
mod service_port_not_pod_port;
mod sidecar_cut_off;
mod single_stack_cidr;
mod snat_source_cidr;
mod split_rule;
mod substitution_changes_type;
mod undocumented_policy;
mod unknown_field;
mod unknown_named_port;
mod unlabeled_namespace;
mod unmatched_namespace_selector;
mod unmatched_peer_selector;
mod unmatched_pod_selector;
mod unprotected_workload;
mod unreferenced_manifest;
mod unserved_port;
mod unstable_label;
mod webhook_blocked;
mod wide_allow_isolates;
mod wide_peer;
mod yaml_error;

/// Every rule, sorted by name.
pub const ALL: &[&dyn Rule] = &[
    &accidental_or::AccidentalOr,
    &admin_priority_conflict::AdminPriorityConflict,
    &all_ports::AllPorts,
    &allow_all_rule::AllowAllRule,
    &ambient_port_blocked::AmbientPortBlocked,
    &any_cidr::AnyCidr,
    &apiserver_egress_blocked::ApiserverEgressBlocked,
    &bad_suppression::BadSuppression,
    &batch_workload_cut_off::BatchWorkloadCutOff,
    &broken_build::BrokenBuild,
    &calico_implicit_types::CalicoImplicitTypes,
    &calico_not_selector_internet::CalicoNotSelectorInternet,
    &calico_port_without_protocol::CalicoPortWithoutProtocol,
    &calico_shadowed_by_order::CalicoShadowedByOrder,
    &calico_source_ports::CalicoSourcePorts,
    &calico_unknown_tier::CalicoUnknownTier,
    &calico_wrong_end::CalicoWrongEnd,
    &cidr_host_bits::CidrHostBits,
    &cidr_matches_cluster::CidrMatchesCluster,
    &cilium_cidr_for_cluster::CiliumCidrForCluster,
    &cilium_empty_rule::CiliumEmptyRule,
    &cilium_filtered_label::CiliumFilteredLabel,
    &cilium_foreign_namespace::CiliumForeignNamespace,
    &cilium_fqdn_without_dns::CiliumFqdnWithoutDns,
    &cilium_implied_namespace::CiliumImpliedNamespace,
    &cilium_inert_policy::CiliumInertPolicy,
    &cilium_removed_field::CiliumRemovedField,
    &cilium_service_port::CiliumServicePort,
    &cilium_unknown_cidr_group::CiliumUnknownCidrGroup,
    &cni_capability_gap::CniCapabilityGap,
    &dead_annotation::DeadAnnotation,
    &deny_only_policy::DenyOnlyPolicy,
    &dns_peer_mismatch::DnsPeerMismatch,
    &dns_profile_mismatch::DnsProfileMismatch,
    &dns_single_protocol::DnsSingleProtocol,
    &duplicate_key::DuplicateKey,
    &duplicate_policy::DuplicatePolicy,
    &empty_means_all::EmptyMeansAll,
    &entrypoint_blocked::EntrypointBlocked,
    &except_defeated::ExceptDefeated,
    &flattened_manifest::FlattenedManifest,
    &flow_lost::FlowLost,
    &foreign_pod_selector::ForeignPodSelector,
    &foreign_policy::ForeignPolicy,
    &hidden_text::HiddenText,
    &host_network_target::HostNetworkTarget,
    &ignored_rules::IgnoredRules,
    &ignored_text::IgnoredText,
    &implicit_policy_types::ImplicitPolicyTypes,
    &implicit_protocol::ImplicitProtocol,
    &invalid_admin_policy::InvalidAdminPolicy,
    &invalid_cidr::InvalidCidr,
    &invalid_peer::InvalidPeer,
    &invalid_selector::InvalidSelector,
    &invalid_value::InvalidValue,
    &label_on_controller::LabelOnController,
    &managed_service_blocked::ManagedServiceBlocked,
    &metadata_service_reachable::MetadataServiceReachable,
    &misplaced_field::MisplacedField,
    &missing_dns_egress::MissingDnsEgress,
    &missing_namespace::MissingNamespace,
    &name_contradicts_effect::NameContradictsEffect,
    &no_default_deny::NoDefaultDeny,
    &one_sided_flow::OneSidedFlow,
    &operator_blocked::OperatorBlocked,
    &overlay_narrows_peer::OverlayNarrowsPeer,
    &overlay_selects_service::OverlaySelectsService,
    &overridden_rule::OverriddenRule,
    &partial_service_match::PartialServiceMatch,
    &patch_without_target::PatchWithoutTarget,
    &policy_of_another_cni::PolicyOfAnotherCni,
    &redundant_rule::RedundantRule,
    &resolver_blocked::ResolverBlocked,
    &scrape_blocked::ScrapeBlocked,
    &service_cut_off::ServiceCutOff,
    &service_port_not_pod_port::ServicePortNotPodPort,
    &sidecar_cut_off::SidecarCutOff,
    &single_stack_cidr::SingleStackCidr,
    &snat_source_cidr::SnatSourceCidr,
    &split_rule::SplitRule,
    &substitution_changes_type::SubstitutionChangesType,
    &undocumented_policy::UndocumentedPolicy,
    &unknown_field::UnknownField,
    &unknown_named_port::UnknownNamedPort,
    &unlabeled_namespace::UnlabeledNamespace,
    &unmatched_namespace_selector::UnmatchedNamespaceSelector,
    &unmatched_peer_selector::UnmatchedPeerSelector,
    &unmatched_pod_selector::UnmatchedPodSelector,
    &unprotected_workload::UnprotectedWorkload,
    &unreferenced_manifest::UnreferencedManifest,
    &unserved_port::UnservedPort,
    &unstable_label::UnstableLabel,
    &webhook_blocked::WebhookBlocked,
    &wide_allow_isolates::WideAllowIsolates,
    &wide_peer::WidePeer,
    &yaml_error::YamlError,
];
