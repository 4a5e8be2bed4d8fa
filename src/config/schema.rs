//! The JSON Schema of the configuration, for editors.

use super::file::TOP_KEYS;
use super::settings::{
    ALLOW_LOCALHOST, CIDR_MATCH_MODES, CLOUDS, CNIS, ENABLE_POLICY, KEYS, PROFILES,
};
use crate::lint::Distribution;
use crate::lint::RuleMeta;
use serde_json::{Map, Value, json};

/// The keys that a configuration may have at its top, in the order of the manual.
pub fn keys() -> impl Iterator<Item = &'static str> {
    TOP_KEYS.iter().chain(KEYS).copied()
}

/// The schema, with the rules that exist.
#[must_use]
pub fn schema(rules: &[&RuleMeta]) -> Value {
    let mut top = Map::new();
    top.insert("version".to_owned(), json!({"const": 1}));
    top.insert("preview".to_owned(), json!({"type": "boolean", "description": "whether rules in preview run without being named"}));
    top.insert("failOn".to_owned(), json!({"enum": ["error", "warning", "info"], "description": "the least severity that fails a run"}));
    top.insert("rules".to_owned(), rule_settings(rules));
    top.insert("ignore".to_owned(), ignore(rules));
    top.extend(cluster());
    let mut scope = Map::new();
    scope.insert("name".to_owned(), json!({"type": "string"}));
    scope.insert(
        "paths".to_owned(),
        json!({"type": "array", "items": {"type": "string"}, "minItems": 1}),
    );
    scope.extend(cluster());
    top.insert(
        "scopes".to_owned(),
        json!({
            "type": "array",
            "description": "parts of the tree that are clusters of their own; a file belongs to the first that it matches",
            "items": {"type": "object", "properties": scope, "required": ["name", "paths"], "additionalProperties": false},
        }),
    );
    json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": "https://github.com/npcheck/npcheck/blob/main/docs/schemas/config.schema.json",
        "title": "npcheck.yaml",
        "type": "object",
        "properties": top,
        "additionalProperties": false,
    })
}

fn rule_settings(rules: &[&RuleMeta]) -> Value {
    let level = json!({"enum": ["error", "warning", "info"]});
    let off = json!({
        "type": "object",
        "properties": {
            "severity": {"enum": ["error", "warning", "info", "off", false]},
            "reason": {"type": "string", "minLength": 1},
        },
        "required": ["severity"],
        "additionalProperties": false,
        "if": {"properties": {"severity": {"enum": ["off", false]}}},
        "then": {"required": ["reason"]},
    });
    let property = |rule: &&RuleMeta| {
        (
            rule.name.to_owned(),
            json!({"description": rule.summary, "anyOf": [level, off]}),
        )
    };
    let properties: Map<String, Value> = rules.iter().map(property).collect();
    json!({"type": "object", "properties": properties, "additionalProperties": false})
}

fn ignore(rules: &[&RuleMeta]) -> Value {
    let names: Vec<&str> = rules.iter().map(|rule| rule.name).collect();
    json!({
        "type": "array",
        "description": "findings that are kept, in manifests that one cannot edit",
        "items": {
            "type": "object",
            "properties": {
                "rule": {"enum": names},
                "object": {"type": "string", "description": "a pattern of namespace/Kind/name"},
                "path": {"type": "string", "description": "a pattern of file paths"},
                "reason": {"type": "string", "minLength": 1},
                "until": {"type": "string", "format": "date"},
            },
            "required": ["rule", "reason"],
            "anyOf": [{"required": ["object"]}, {"required": ["path"]}],
            "additionalProperties": false,
        },
    })
}

/// The keys about the cluster, which may stand at the top and in a scope.
fn cluster() -> Map<String, Value> {
    let strings = json!({"type": "array", "items": {"type": "string"}});
    let object = |properties: Value| json!({"type": "object", "properties": properties, "additionalProperties": false});
    let pods = json!({
        "type": "array",
        "items": {
            "type": "object",
            "properties": {
                "namespace": {"type": "string"},
                "labels": {"type": "object", "additionalProperties": {"type": "string"}},
            },
            "required": ["labels"],
            "additionalProperties": false,
        },
    });
    fn names<T>(known: &[(&'static str, T)]) -> Vec<&'static str> {
        known.iter().map(|(name, _)| *name).collect()
    }
    let keys = [
        (
            "inventory",
            json!({
                "description": "whether every pod and namespace is among the manifests",
                "anyOf": [{"enum": ["open", "complete"]}, {"type": "object", "properties": {"complete": strings}, "required": ["complete"], "additionalProperties": false}],
            }),
        ),
        (
            "platform",
            object(json!({
                "namespaceLabels": strings,
                "distributions": {
                    "type": "array",
                    "items": {"enum": Distribution::ALL.map(Distribution::word)},
                },
            })),
        ),
        ("externalPods", pods.clone()),
        ("ingressControllers", pods),
        ("monitoring", object(json!({"namespaces": strings}))),
        (
            "dns",
            object(json!({"cidrs": strings, "notNeededIn": strings})),
        ),
        (
            "cluster",
            object(json!({
                "podCIDRs": strings,
                "serviceCIDRs": strings,
                "nodeCIDRs": strings,
                "apiServerCIDRs": strings,
                "ipFamilies": {"type": "array", "items": {"enum": ["IPv4", "IPv6"]}},
            })),
        ),
        ("cni", json!({"enum": names(CNIS)})),
        (
            "cilium",
            object(json!({
                "enablePolicy": {"enum": names(ENABLE_POLICY)},
                "policyAuditMode": {"type": "boolean"},
                "allowLocalhost": {"enum": names(ALLOW_LOCALHOST)},
                "policyDefaultLocalCluster": {"type": "boolean"},
                "enableK8sNetworkPolicy": {"type": "boolean"},
                "enableK8sClusterNetworkPolicy": {"type": "boolean"},
                "enableCiliumNetworkPolicy": {"type": "boolean"},
                "enableCiliumClusterwideNetworkPolicy": {"type": "boolean"},
                "policyCIDRMatchMode": {"type": "array", "items": {"enum": names(CIDR_MATCH_MODES)}},
                "enableNodeSelectorLabels": {"type": "boolean"},
                "enableHostFirewall": {"type": "boolean"},
                "labels": {"type": "string"},
                "clusterName": {"type": "string"},
            })),
        ),
        (
            "enforcement",
            object(json!({
                "ipBlockMatchesPods": {"type": "boolean"},
                "ipBlockMatchesNodes": {"type": "boolean"},
                "selectorsMatchHostNetwork": {"type": "boolean"},
            })),
        ),
        ("cloud", json!({"enum": names(CLOUDS)})),
        (
            "kubernetes",
            json!({"type": "string", "pattern": "^v?1\\.[0-9]+(\\.[0-9]+)?$", "description": "the version of Kubernetes; the newest if it is not written"}),
        ),
        ("profile", json!({"enum": names(PROFILES)})),
        ("descriptionKeys", strings.clone()),
    ];
    keys.into_iter()
        .map(|(key, value)| (key.to_owned(), value))
        .collect()
}
