//! The fields of Cilium's kinds, from the CRDs of 1.20 (`pkg/k8s/apis/cilium.io/client/crds`),
//! with those that earlier releases had and 1.20 refuses or ignores.
//!
//! Refuses to know what a field means.

use crate::manifest::fields::{METADATA, SELECTOR_TYPE, Shape, TEXTS, Type};

macro_rules! shapes {
    ($($(#[$doc:meta])* $name:ident = $noun:literal { $($field:literal: $type:expr),* $(,)? })*) => {$(
        $(#[$doc])*
        pub(super) static $name: Shape = Shape { noun: $noun, fields: &[$(($field, $type)),*] };
    )*};
}

const SELECTORS: Type = Type::List(&SELECTOR_TYPE);

shapes! {
    /// `CiliumNetworkPolicy` and `CiliumClusterwideNetworkPolicy`.
    POLICY = "the policy" {
        "apiVersion": Type::Text,
        "kind": Type::Text,
        "metadata": Type::Object(&METADATA),
        "spec": Type::Object(&SPEC),
        "specs": Type::List(&Type::Object(&SPEC)),
        "status": Type::Anything,
    }
    /// A rule set.
    SPEC = "the spec of a Cilium policy" {
        "endpointSelector": SELECTOR_TYPE,
        "nodeSelector": SELECTOR_TYPE,
        "ingress": Type::List(&Type::Object(&INGRESS_RULE)),
        "ingressDeny": Type::List(&Type::Object(&INGRESS_DENY_RULE)),
        "egress": Type::List(&Type::Object(&EGRESS_RULE)),
        "egressDeny": Type::List(&Type::Object(&EGRESS_DENY_RULE)),
        "enableDefaultDeny": Type::Object(&DEFAULT_DENY),
        "description": Type::Text,
        "labels": Type::List(&Type::Anything),
        "log": Type::Anything,
    }
    /// `enableDefaultDeny`.
    DEFAULT_DENY = "`enableDefaultDeny`" { "ingress": Type::Boolean, "egress": Type::Boolean }
    /// A rule of `ingress`.
    INGRESS_RULE = "an ingress rule" {
        "fromEndpoints": SELECTORS,
        "fromCIDR": TEXTS,
        "fromCIDRSet": Type::List(&Type::Object(&CIDR_SET)),
        "fromEntities": TEXTS,
        "fromNodes": SELECTORS,
        "fromGroups": Type::List(&Type::Anything),
        "fromRequires": Type::List(&Type::Anything),
        "toPorts": Type::List(&Type::Object(&PORT_RULE)),
        "icmps": Type::List(&Type::Object(&ICMP_RULE)),
        "authentication": Type::Object(&AUTHENTICATION),
    }
    /// A rule of `ingressDeny`.
    INGRESS_DENY_RULE = "a deny rule" {
        "fromEndpoints": SELECTORS,
        "fromCIDR": TEXTS,
        "fromCIDRSet": Type::List(&Type::Object(&CIDR_SET)),
        "fromEntities": TEXTS,
        "fromNodes": SELECTORS,
        "fromGroups": Type::List(&Type::Anything),
        "fromRequires": Type::List(&Type::Anything),
        "toPorts": Type::List(&Type::Object(&DENY_PORT_RULE)),
        "icmps": Type::List(&Type::Object(&ICMP_RULE)),
    }
    /// A rule of `egress`.
    EGRESS_RULE = "an egress rule" {
        "toEndpoints": SELECTORS,
        "toCIDR": TEXTS,
        "toCIDRSet": Type::List(&Type::Object(&CIDR_SET)),
        "toEntities": TEXTS,
        "toNodes": SELECTORS,
        "toGroups": Type::List(&Type::Anything),
        "toServices": Type::List(&Type::Object(&SERVICE)),
        "toFQDNs": Type::List(&Type::Object(&FQDN)),
        "toRequires": Type::List(&Type::Anything),
        "toPorts": Type::List(&Type::Object(&PORT_RULE)),
        "icmps": Type::List(&Type::Object(&ICMP_RULE)),
        "authentication": Type::Object(&AUTHENTICATION),
    }
    /// A rule of `egressDeny`.
    EGRESS_DENY_RULE = "a deny rule" {
        "toEndpoints": SELECTORS,
        "toCIDR": TEXTS,
        "toCIDRSet": Type::List(&Type::Object(&CIDR_SET)),
        "toEntities": TEXTS,
        "toNodes": SELECTORS,
        "toGroups": Type::List(&Type::Anything),
        "toServices": Type::List(&Type::Object(&SERVICE)),
        "toRequires": Type::List(&Type::Anything),
        "toPorts": Type::List(&Type::Object(&DENY_PORT_RULE)),
        "icmps": Type::List(&Type::Object(&ICMP_RULE)),
    }
    /// An entry of `icmps`.
    ICMP_RULE = "an entry of `icmps`" { "fields": Type::List(&Type::Object(&ICMP_FIELD)) }
    /// A type of ICMP.
    ICMP_FIELD = "a type of ICMP" { "family": Type::Text, "type": Type::IntegerOrText }
    /// `authentication`.
    AUTHENTICATION = "`authentication`" { "mode": Type::Text }
    /// An entry of `fromCIDRSet` and `toCIDRSet`.
    CIDR_SET = "an entry of a CIDR set" {
        "cidr": Type::Text,
        "cidrGroupRef": Type::Text,
        "cidrGroupSelector": SELECTOR_TYPE,
        "except": TEXTS,
    }
    /// An entry of `toServices`.
    SERVICE = "an entry of `toServices`" {
        "k8sService": Type::Object(&NAMED_SERVICE),
        "k8sServiceSelector": Type::Object(&SELECTED_SERVICE),
    }
    /// `k8sService`.
    NAMED_SERVICE = "`k8sService`" { "serviceName": Type::Text, "namespace": Type::Text }
    /// `k8sServiceSelector`.
    SELECTED_SERVICE = "`k8sServiceSelector`" { "selector": SELECTOR_TYPE, "namespace": Type::Text }
    /// An entry of `toFQDNs`.
    FQDN = "an entry of `toFQDNs`" { "matchName": Type::Text, "matchPattern": Type::Text }
    /// An entry of `toPorts` of a rule that allows.
    PORT_RULE = "an entry of `toPorts`" {
        "ports": Type::List(&Type::Object(&PORT)),
        "rules": Type::Object(&LAYER7),
        "serverNames": TEXTS,
        "terminatingTLS": Type::Anything,
        "originatingTLS": Type::Anything,
        "listener": Type::Anything,
    }
    /// An entry of `toPorts` of a rule that denies.
    DENY_PORT_RULE = "an entry of `toPorts` of a deny rule" {
        "ports": Type::List(&Type::Object(&PORT)),
    }
    /// An entry of `ports`.
    PORT = "an entry of `ports`" {
        "port": Type::Text,
        "endPort": Type::Integer,
        "protocol": Type::Text,
    }
    /// `rules` of an entry of `toPorts`.
    LAYER7 = "`rules`" {
        "http": Type::List(&Type::Object(&HTTP)),
        "dns": Type::List(&Type::Object(&DNS)),
        "kafka": Type::List(&Type::Anything),
        "l7": Type::List(&Type::Anything),
        "l7proto": Type::Text,
    }
    /// An entry of `http`.
    HTTP = "an entry of `http`" {
        "path": Type::Text,
        "method": Type::Text,
        "host": Type::Text,
        "headers": TEXTS,
        "headerMatches": Type::List(&Type::Anything),
    }
    /// An entry of `dns`.
    DNS = "an entry of `dns`" { "matchName": Type::Text, "matchPattern": Type::Text }

    /// `CiliumCIDRGroup`.
    CIDR_GROUP = "the group" {
        "apiVersion": Type::Text,
        "kind": Type::Text,
        "metadata": Type::Object(&METADATA),
        "spec": Type::Object(&CIDR_GROUP_SPEC),
        "status": Type::Anything,
    }
    /// Its `spec`.
    CIDR_GROUP_SPEC = "`spec`" { "externalCIDRs": TEXTS }
}
