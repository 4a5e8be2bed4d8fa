//! The fields of Calico's kinds, from `api/pkg/apis/projectcalico/v3`.
//!
//! Refuses to know what a field means.

use crate::manifest::fields::{METADATA, Shape, TEXTS, Type};

macro_rules! shapes {
    ($($(#[$doc:meta])* $name:ident = $noun:literal { $($field:literal: $type:expr),* $(,)? })*) => {$(
        $(#[$doc])*
        pub(super) static $name: Shape = Shape { noun: $noun, fields: &[$(($field, $type)),*] };
    )*};
}

const RULES: Type = Type::List(&Type::Object(&RULE));

shapes! {
    /// `NetworkPolicy` and `StagedNetworkPolicy`.
    POLICY = "the policy" {
        "apiVersion": Type::Text,
        "kind": Type::Text,
        "metadata": Type::Object(&METADATA),
        "spec": Type::Object(&SPEC),
        "status": Type::Anything,
    }
    /// Their `spec`.
    SPEC = "`spec`" {
        "tier": Type::Text,
        "order": Type::Anything,
        "selector": Type::Text,
        "types": TEXTS,
        "ingress": RULES,
        "egress": RULES,
        "serviceAccountSelector": Type::Text,
        "performanceHints": TEXTS,
        "stagedAction": Type::Text,
    }
    /// `GlobalNetworkPolicy` and `StagedGlobalNetworkPolicy`.
    GLOBAL_POLICY = "the policy" {
        "apiVersion": Type::Text,
        "kind": Type::Text,
        "metadata": Type::Object(&METADATA),
        "spec": Type::Object(&GLOBAL_SPEC),
        "status": Type::Anything,
    }
    /// Their `spec`.
    GLOBAL_SPEC = "`spec`" {
        "tier": Type::Text,
        "order": Type::Anything,
        "selector": Type::Text,
        "namespaceSelector": Type::Text,
        "types": TEXTS,
        "ingress": RULES,
        "egress": RULES,
        "serviceAccountSelector": Type::Text,
        "doNotTrack": Type::Boolean,
        "preDNAT": Type::Boolean,
        "applyOnForward": Type::Boolean,
        "performanceHints": TEXTS,
        "stagedAction": Type::Text,
    }
    /// A rule.
    RULE = "a rule" {
        "action": Type::Text,
        "protocol": Type::IntegerOrText,
        "notProtocol": Type::IntegerOrText,
        "icmp": Type::Object(&ICMP),
        "notICMP": Type::Object(&ICMP),
        "ipVersion": Type::Integer,
        "source": Type::Object(&ENTITY),
        "destination": Type::Object(&ENTITY),
        "http": Type::Object(&HTTP),
        "metadata": Type::Object(&RULE_METADATA),
    }
    /// `icmp` and `notICMP`.
    ICMP = "a type of ICMP" { "type": Type::Integer, "code": Type::Integer }
    /// `http`.
    HTTP = "`http`" { "methods": TEXTS, "paths": Type::List(&Type::Object(&HTTP_PATH)) }
    /// An entry of `paths`.
    HTTP_PATH = "a path" { "exact": Type::Text, "prefix": Type::Text }
    /// `metadata` of a rule.
    RULE_METADATA = "the metadata of a rule" { "annotations": Type::Labels }
    /// `source` and `destination`.
    ENTITY = "an end of a rule" {
        "selector": Type::Text,
        "notSelector": Type::Text,
        "namespaceSelector": Type::Text,
        "serviceAccounts": Type::Object(&SERVICE_ACCOUNTS),
        "services": Type::Object(&SERVICES),
        "nets": TEXTS,
        "notNets": TEXTS,
        "ports": Type::List(&Type::IntegerOrText),
        "notPorts": Type::List(&Type::IntegerOrText),
        // Of Calico Enterprise and Calico Cloud.
        "domains": TEXTS,
    }
    /// `serviceAccounts`.
    SERVICE_ACCOUNTS = "`serviceAccounts`" { "names": TEXTS, "selector": Type::Text }
    /// `services`.
    SERVICES = "`services`" { "name": Type::Text, "namespace": Type::Text }

    /// `Tier`.
    TIER = "the tier" {
        "apiVersion": Type::Text,
        "kind": Type::Text,
        "metadata": Type::Object(&METADATA),
        "spec": Type::Object(&TIER_SPEC),
        "status": Type::Anything,
    }
    /// Its `spec`.
    TIER_SPEC = "`spec`" { "order": Type::Anything, "defaultAction": Type::Text }
    /// `NetworkSet` and `GlobalNetworkSet`.
    NETWORK_SET = "the set" {
        "apiVersion": Type::Text,
        "kind": Type::Text,
        "metadata": Type::Object(&METADATA),
        "spec": Type::Object(&NETWORK_SET_SPEC),
    }
    /// Their `spec`.
    NETWORK_SET_SPEC = "`spec`" { "nets": TEXTS, "allowedEgressDomains": TEXTS }
}
