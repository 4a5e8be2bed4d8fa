//! What the configuration takes, and what it says of what it does not take.

use super::*;
use crate::lint::{Category, Cni, Inventory, RuleTier};

const RULE: RuleMeta = RuleMeta {
    name: "accidental-or",
    summary: "a hyphen",
    page: "",
    category: Category::Selectors,
    severity: Severity::Error,
    tier: RuleTier::Stable,
    evidence: "a figure",
    fix: None,
    mutes: &[],
    is_on_by_default: true,
    since: "0.1.0",
};

const FULL: &str = r#"
version: 1
preview: true
failOn: error
rules:
  accidental-or: info
ignore:
  - {rule: accidental-or, object: "lister/NetworkPolicy/*", path: "apps/**", reason: both are meant, until: "2027-01-31"}
inventory: {complete: [shop]}
platform: {namespaceLabels: [example.org/]}
externalPods:
  - {namespace: db, labels: {app: postgres}}
ingressControllers:
  - {labels: {app: edge}}
monitoring: {namespaces: [metrics]}
dns: {cidrs: [10.96.0.10/32], notNeededIn: [batch]}
cluster: {podCIDRs: [10.244.0.0/16], serviceCIDRs: [10.96.0.0/12], nodeCIDRs: [192.168.0.0/24], apiServerCIDRs: [192.168.0.9/32], ipFamilies: [IPv4, IPv6]}
kubernetes: "1.36"
cni: cilium
cilium: {enablePolicy: default, policyAuditMode: false, allowLocalhost: policy, policyDefaultLocalCluster: true, enableK8sNetworkPolicy: true}
enforcement: {ipBlockMatchesPods: false, ipBlockMatchesNodes: true, selectorsMatchHostNetwork: false}
cloud: aws
profile: openshift
descriptionKeys: [owner]
scopes:
  - name: prod
    paths: ["clusters/prod/**"]
    inventory: complete
    cni: calico
  - {name: dev, paths: ["./overlays/dev/"]}
"#;

fn read(text: &str) -> Result<Config, Error> {
    Config::read(text, &[&RULE])
}

#[test]
fn every_key_is_taken() {
    let config = read(FULL).expect("the example is right");
    assert_eq!(config.fail_on, Some(Severity::Error));
    assert_eq!(
        config.severity(&RULE, Severity::Error),
        Some(Severity::Info)
    );
    assert!(
        config.settings.inventory.is_complete_in("shop")
            && !config.settings.inventory.is_complete()
    );
    assert_eq!(config.settings.ip_families.len(), 2);
    assert_eq!(config.settings.cni, Some(Cni::Cilium));
    assert_eq!(config.ignore.len(), 1);
    assert_eq!(config.scope_of("./clusters/prod/a/b.yaml"), Some(0));
    assert_eq!(config.scope_of("clusters/dev/a.yaml"), None);
    assert_eq!(config.scope_of("overlays/dev/a/b.yaml"), Some(1));
    assert_eq!(config.scope_of("overlays/development/a.yaml"), None);
    let prod = &config.scopes[0].settings;
    assert!(matches!(prod.inventory, Inventory::Complete));
    assert_eq!(prod.cni, Some(Cni::Calico), "a scope speaks over the top");
    assert_eq!(
        prod.monitoring_namespaces,
        ["metrics"],
        "and keeps what it does not speak of"
    );
}

#[test]
fn the_schema_takes_what_the_reader_takes() {
    let schema = schema(&[&RULE]);
    let validator = jsonschema::validator_for(&schema).expect("the schema is a schema");
    let instance: serde_json::Value = serde_yaml::from_str(FULL).expect("the example is YAML");
    let errors: Vec<String> = validator
        .iter_errors(&instance)
        .map(|error| error.to_string())
        .collect();
    assert!(errors.is_empty(), "{errors:?}");
    let keys = schema["properties"]
        .as_object()
        .expect("the schema has properties");
    for key in super::settings::KEYS.iter().chain(super::file::TOP_KEYS) {
        assert!(keys.contains_key(*key), "{key} is missing in the schema");
        assert!(
            FULL.contains(&format!("\n{key}:")),
            "{key} is missing in the example"
        );
    }
    assert_eq!(
        keys.len(),
        super::settings::KEYS.len() + super::file::TOP_KEYS.len()
    );
}

#[test]
fn faults_are_named_with_their_place_and_the_next_step() {
    for (text, expected) in [
        (
            "rule: {}",
            "line 1, column 1: unknown key `rule`; did you mean `rules`?",
        ),
        (
            "\nrules:\n  accidental-and: info",
            "line 3, column 3: there is no rule `accidental-and`; did you mean `accidental-or`?",
        ),
        (
            "rules: {accidental-or: warn}",
            "line 1, column 9: this is not a severity of `accidental-or`",
        ),
        (
            "rules: {accidental-or: off}",
            "line 1, column 9: `accidental-or` is turned off without a reason; write `accidental-or: {severity: off, reason: why}`",
        ),
        (
            "cni: cillium",
            "line 1, column 6: `cillium` is not a CNI plugin that npcheck knows; did you mean `cilium`?",
        ),
        (
            "kubernetes: 1.36",
            "line 1, column 1: `kubernetes` must be a string: write \"1.36\" in quotes",
        ),
        (
            "kubernetes: latest",
            "line 1, column 13: this is not a version of Kubernetes such as `1.36`",
        ),
        (
            "cluster:\n  podCIDR: []",
            "line 2, column 3: unknown key `podCIDR`; did you mean `podCIDRs`?",
        ),
        (
            "cluster: {podCIDRs: [10.0.0.0]}",
            "line 1, column 22: this is not a valid address block such as `10.0.0.0/8`",
        ),
        (
            "inventory: full",
            "line 1, column 12: this is not a valid inventory; write `complete`, `open` or `{complete: [NAMESPACE, ...]}`",
        ),
        (
            "externalPods: 3",
            "line 1, column 1: `externalPods`: this must be a list",
        ),
        (
            "scopes: [{path: k8s}]",
            "line 1, column 1: `scopes[0]`: the key `name` is missing",
        ),
        (
            "monitoring:\n  namespaces: one",
            "line 2, column 3: `monitoring.namespaces`: this must be a list",
        ),
        (
            "version: 2",
            "line 1, column 1: version 2 of the configuration is not known, only 1",
        ),
        (
            "failOn: warnings",
            "line 1, column 9: `failOn`: unknown value `warnings`; did you mean `warning`?",
        ),
        (
            "failOn: warn",
            "line 1, column 9: `failOn`: unknown value; the values are error, warning, info",
        ),
        (
            "rules: {accidental-or: 3}",
            "line 1, column 9: the severity of `accidental-or` is not a word; the values are error, warning, info, off",
        ),
        (
            "inventory: [shop]",
            "line 1, column 1: `inventory` is neither a word nor a list of namespaces; write `complete`, `open` or `{complete: [NAMESPACE, ...]}`",
        ),
        (
            "ignore: [{rule: accidental-or, reason: x}]",
            "line 1, column 17: `accidental-or` is ignored everywhere; name an `object` or a `path`, or turn the rule off under `rules`: `accidental-or`",
        ),
        (
            "ignore: [{rule: accidental-or, object: x, reason: x, until: soon}]",
            "line 1, column 61: this is not a valid date; write it as `2027-01-31`",
        ),
        (
            "scopes: [{name: a, paths: [b], cnii: cilium}]",
            "line 1, column 32: unknown key `cnii`; did you mean `cni`?",
        ),
    ] {
        let error = read(text).map(|_| ()).expect_err(text);
        assert_eq!(error.to_string(), expected, "{text}");
    }
}

#[test]
fn turning_a_rule_off_needs_a_reason() {
    let config = read("rules: {accidental-or: {severity: off, reason: we mean it}}")
        .expect("a reason is there");
    assert_eq!(config.severity(&RULE, Severity::Error), None);
    assert!(!config.is_enabled(&RULE));
    assert!(read("").expect("an empty file is fine").is_enabled(&RULE));
}
