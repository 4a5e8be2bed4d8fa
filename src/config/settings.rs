//! What the file says of the cluster, at its top or in a scope.

use super::file::{Error, from_value};
use crate::k8s::{KubernetesVersion, Label, LabelSelector, UnknownVersion};
use crate::lint::addresses::Family;
use crate::lint::{
    CiliumSettings, Cloud, Cni, Distribution, EnforcementRows, ExternalPods, Inventory,
    LabelFilter, PolicyMode, Profile, Settings, Switch,
};
use crate::source::{SourceMap, Span, Spanned, Text};
use ipnet::IpNet;
use serde::Deserialize;
use serde_yaml::{Mapping, Value};
use std::collections::BTreeMap;

/// The keys about the cluster; each is `None` where it is not written, so that a scope
/// keeps what the top of the file says.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct SettingsEntry {
    inventory: Option<Value>,
    platform: Option<Platform>,
    external_pods: Option<Vec<Pods>>,
    ingress_controllers: Option<Vec<Pods>>,
    monitoring: Option<Monitoring>,
    dns: Option<Dns>,
    cluster: Option<Network>,
    cni: Option<String>,
    cilium: Option<Cilium>,
    enforcement: Option<Enforcement>,
    cloud: Option<String>,
    kubernetes: Option<Version>,
    profile: Option<String>,
    description_keys: Option<Vec<String>>,
}

/// `{complete: [namespace, …]}`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct CompleteIn {
    complete: Vec<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Platform {
    #[serde(default)]
    namespace_labels: Vec<String>,
    #[serde(default)]
    distributions: Vec<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Pods {
    namespace: Option<String>,
    labels: BTreeMap<String, String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Monitoring {
    namespaces: Vec<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Dns {
    #[serde(default)]
    cidrs: Vec<String>,
    #[serde(default)]
    not_needed_in: Vec<String>,
}

/// Options of Cilium's agent, by their names there.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Cilium {
    enable_policy: Option<String>,
    policy_audit_mode: Option<bool>,
    allow_localhost: Option<String>,
    policy_default_local_cluster: Option<bool>,
    enable_k8s_network_policy: Option<bool>,
    enable_k8s_cluster_network_policy: Option<bool>,
    enable_cilium_network_policy: Option<bool>,
    enable_cilium_clusterwide_network_policy: Option<bool>,
    #[serde(rename = "policyCIDRMatchMode")]
    policy_cidr_match_mode: Option<Vec<String>>,
    enable_node_selector_labels: Option<bool>,
    enable_host_firewall: Option<bool>,
    labels: Option<String>,
    cluster_name: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Enforcement {
    ip_block_matches_pods: Option<bool>,
    ip_block_matches_nodes: Option<bool>,
    selectors_match_host_network: Option<bool>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Network {
    #[serde(default, rename = "podCIDRs")]
    pod_cidrs: Vec<String>,
    #[serde(default, rename = "serviceCIDRs")]
    service_cidrs: Vec<String>,
    #[serde(default, rename = "nodeCIDRs")]
    node_cidrs: Vec<String>,
    #[serde(default, rename = "apiServerCIDRs")]
    api_server_cidrs: Vec<String>,
    #[serde(default, rename = "ipFamilies")]
    ip_families: Vec<String>,
}

/// A version in quotes; without them `1.30` would be the number 1.3.
#[derive(Deserialize)]
#[serde(untagged)]
enum Version {
    Text(String),
    Number(f64),
}

/// The network plugins by their names in the file.
pub(super) const CNIS: &[(&str, Cni)] = &[
    ("antrea", Cni::Antrea),
    ("aws-vpc", Cni::AwsVpc),
    ("azure-npm", Cni::AzureNpm),
    ("calico", Cni::Calico),
    ("canal", Cni::Calico),
    ("cilium", Cni::Cilium),
    ("flannel", Cni::Flannel),
    ("gke-dataplane-v2", Cni::GkeDataplaneV2),
    ("kindnet", Cni::Kindnet),
    ("kube-router", Cni::KubeRouter),
    ("ovn-kubernetes", Cni::OvnKubernetes),
    ("weave", Cni::Weave),
];

/// The clouds by their names in the file.
pub(super) const CLOUDS: &[(&str, Cloud)] = &[
    ("alibaba", Cloud::Alibaba),
    ("aws", Cloud::Aws),
    ("azure", Cloud::Azure),
    ("gcp", Cloud::Gcp),
    ("oracle", Cloud::Oracle),
];

/// The profiles by their names in the file.
pub(super) const PROFILES: &[(&str, Profile)] = &[
    ("kubernetes", Profile::Kubernetes),
    ("nodelocaldns", Profile::NodeLocalDns),
    ("openshift", Profile::OpenShift),
];

/// The names of the fields of [`SettingsEntry`], for suggestions and the schema.
pub(super) const KEYS: &[&str] = &[
    "inventory",
    "platform",
    "externalPods",
    "ingressControllers",
    "monitoring",
    "dns",
    "cluster",
    "cni",
    "cilium",
    "enforcement",
    "cloud",
    "kubernetes",
    "profile",
    "descriptionKeys",
];

impl SettingsEntry {
    /// Reads what is left of a mapping when its other keys, `siblings`, are taken out.
    pub(super) fn read(mapping: Mapping, text: &str, siblings: &[&str]) -> Result<Self, Error> {
        for key in mapping.keys() {
            let name = key.as_str().unwrap_or_default();
            if !KEYS.contains(&name) {
                let known = KEYS.iter().chain(siblings).copied();
                return Err(Error::new(format!("unknown key `{name}`"))
                    .did_you_mean(name, known)
                    .at_word(text, name));
            }
        }
        from_value(mapping.into(), text)
    }

    /// The settings `base` with everything that is written here in their place.
    pub(super) fn over(self, base: &Settings, text: &str) -> Result<Settings, Error> {
        let mut settings = base.clone();
        if let Some(inventory) = self.inventory {
            settings.inventory = read_inventory(inventory, text)?;
        }
        if let Some(platform) = self.platform {
            let words = Distribution::ALL.map(|known| (known.word(), known));
            let distributions = platform.distributions.iter();
            let distributions = distributions.map(|it| named(&words, "distribution", it, text));
            settings.distributions = distributions.collect::<Result<_, _>>()?;
            settings.platform_namespace_labels = platform.namespace_labels;
        }
        if let Some(pods) = self.external_pods {
            settings.external_pods = pods.into_iter().map(Pods::read).collect();
        }
        if let Some(pods) = self.ingress_controllers {
            settings.ingress_controllers = pods.into_iter().map(Pods::read).collect();
        }
        if let Some(monitoring) = self.monitoring {
            settings.monitoring_namespaces = monitoring.namespaces;
        }
        if let Some(dns) = self.dns {
            settings.resolver_cidrs = cidrs(&dns.cidrs, text)?;
            settings.namespaces_without_dns = dns.not_needed_in;
        }
        if let Some(network) = self.cluster {
            network.read(&mut settings, text)?;
        }
        if let Some(cni) = self.cni {
            settings.cni = Some(named(CNIS, "CNI plugin", &cni, text)?);
        }
        if let Some(options) = self.cilium {
            settings.cilium = options.over(settings.cilium, text)?;
        }
        if let Some(rows) = self.enforcement {
            settings.enforcement = EnforcementRows {
                ip_block_matches_pods: rows.ip_block_matches_pods,
                ip_block_matches_nodes: rows.ip_block_matches_nodes,
                selectors_match_host_network: rows.selectors_match_host_network,
            };
        }
        if let Some(cloud) = self.cloud {
            settings.cloud = Some(named(CLOUDS, "cloud", &cloud, text)?);
        }
        if let Some(version) = self.kubernetes {
            settings.kubernetes = Some(version.read(text)?);
        }
        if let Some(profile) = self.profile {
            settings.profile = Some(named(PROFILES, "profile", &profile, text)?);
        }
        if let Some(keys) = self.description_keys {
            settings.description_keys = keys;
        }
        Ok(settings)
    }
}

/// `enable-policy`.
pub(super) const ENABLE_POLICY: &[(&str, PolicyMode)] = &[
    ("default", PolicyMode::Default),
    ("always", PolicyMode::Always),
    ("never", PolicyMode::Never),
];

/// `policy-cidr-match-mode`: whether that is about nodes, or about pods.
pub(super) const CIDR_MATCH_MODES: &[(&str, CidrMode)] =
    &[("nodes", CidrMode::Nodes), ("pods", CidrMode::Pods)];

/// Who is matched by a CIDR, beside addresses outside.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum CidrMode {
    Nodes,
    Pods,
}

/// `allow-localhost`; `auto` is `always` under Kubernetes.
pub(super) const ALLOW_LOCALHOST: &[(&str, Switch)] = &[
    ("auto", Switch::On),
    ("always", Switch::On),
    ("policy", Switch::Off),
];

impl Cilium {
    fn over(self, base: CiliumSettings, text: &str) -> Result<CiliumSettings, Error> {
        let modes = self.policy_cidr_match_mode.map(|modes| {
            let mode = |mode: &String| {
                named(
                    CIDR_MATCH_MODES,
                    "value of `policyCIDRMatchMode`",
                    mode,
                    text,
                )
            };
            modes.iter().map(mode).collect::<Result<Vec<_>, _>>()
        });
        let modes = modes.transpose()?;
        let matches = |mode| {
            let modes = modes.as_ref()?;
            Some(Switch::from(modes.contains(&mode)))
        };
        let labels = self.labels.as_deref().map(|labels| {
            LabelFilter::parse(labels).map_err(|pattern| {
                let message = "this is not a pattern that `labels` may have";
                Error::new(message).at_word(text, &pattern)
            })
        });
        let own = CiliumSettings {
            enforces: (self.enable_policy.as_deref())
                .map(|word| named(ENABLE_POLICY, "value of `enablePolicy`", word, text))
                .transpose()?,
            audits: self.policy_audit_mode.map(Switch::from),
            allows_localhost: (self.allow_localhost.as_deref())
                .map(|word| named(ALLOW_LOCALHOST, "value of `allowLocalhost`", word, text))
                .transpose()?,
            means_local_cluster: self.policy_default_local_cluster.map(Switch::from),
            enforces_network_policies: self.enable_k8s_network_policy.map(Switch::from),
            reads_cluster_policies: self.enable_k8s_cluster_network_policy.map(Switch::from),
            reads_cilium_policies: self.enable_cilium_network_policy.map(Switch::from),
            reads_clusterwide_policies: (self.enable_cilium_clusterwide_network_policy)
                .map(Switch::from),
            cidrs_match_nodes: matches(CidrMode::Nodes),
            cidrs_match_pods: matches(CidrMode::Pods),
            knows_node_labels: self.enable_node_selector_labels.map(Switch::from),
            guards_nodes: self.enable_host_firewall.map(Switch::from),
            labels: labels.transpose()?,
            cluster_name: self.cluster_name,
        };
        Ok(own.or(base))
    }
}

/// The CNI plugin of this name.
///
/// # Errors
///
/// If npcheck knows none, with the name that was probably meant.
pub fn cni(name: &str) -> Result<Cni, Error> {
    named(CNIS, "CNI plugin", name, "")
}

/// The name of a CNI plugin in the file.
#[must_use]
pub fn cni_word(cni: Cni) -> &'static str {
    let known = CNIS.iter().find(|(_, known)| *known == cni);
    known.expect("every plugin has a name in the file").0
}

/// The names of all CNI plugins in the file.
pub fn cni_words() -> impl Iterator<Item = &'static str> {
    CNIS.iter().map(|(word, _)| *word)
}

/// `open`, `complete`, or `{complete: [namespace, …]}`.
const INVENTORY_HELP: &str = "write `complete`, `open` or `{complete: [NAMESPACE, ...]}`";

fn read_inventory(entry: Value, text: &str) -> Result<Inventory, Error> {
    match entry {
        Value::Mapping(_) => {
            let namespaces: CompleteIn =
                from_value(entry, text).map_err(|error| error.at_word(text, "inventory"))?;
            Ok(Inventory::CompleteIn(
                namespaces.complete.into_iter().collect(),
            ))
        }
        Value::String(word) => match word.as_str() {
            "complete" => Ok(Inventory::Complete),
            "open" => Ok(Inventory::Open),
            other => {
                let known = ["complete", "open"];
                let mut error = Error::not_valid(other, "a valid inventory", &known);
                error.help = error.help.or(Some(INVENTORY_HELP.to_owned()));
                Err(error.at_word(text, other))
            }
        },
        _ => {
            let mut error = Error::new("`inventory` is neither a word nor a list of namespaces");
            error.help = Some(INVENTORY_HELP.to_owned());
            Err(error.at_word(text, "inventory"))
        }
    }
}

impl Version {
    fn read(self, text: &str) -> Result<KubernetesVersion, Error> {
        match self {
            Self::Text(version) => version.parse().map_err(|UnknownVersion| {
                let message = "this is not a version of Kubernetes such as `1.36`";
                Error::new(message).at_word(text, &version)
            }),
            Self::Number(number) => Err(Error::new(format!(
                "`kubernetes` must be a string: write \"{number}\" in quotes"
            ))
            .at_word(text, "kubernetes")),
        }
    }
}

impl Pods {
    fn read(self) -> ExternalPods {
        // Labels of the configuration have no place in a manifest.
        let source = SourceMap::default().add("npcheck.yaml", "");
        let span = Span::new(source, 0, 0);
        let label = |(key, value): (String, String)| Label {
            key: Spanned::new(Text::from(key), span),
            value: Spanned::new(Text::from(value), span),
        };
        let match_labels = self.labels.into_iter().map(label).collect();
        ExternalPods {
            namespace: self.namespace,
            labels: LabelSelector {
                match_labels,
                ..LabelSelector::everything(span)
            },
        }
    }
}

impl Network {
    fn read(&self, settings: &mut Settings, text: &str) -> Result<(), Error> {
        settings.pod_cidrs = cidrs(&self.pod_cidrs, text)?;
        settings.service_cidrs = cidrs(&self.service_cidrs, text)?;
        settings.node_cidrs = cidrs(&self.node_cidrs, text)?;
        settings.api_server_cidrs = cidrs(&self.api_server_cidrs, text)?;
        let family = |written: &String| {
            let known = Family::ALL
                .into_iter()
                .find(|family| family.name() == written);
            known.ok_or_else(|| {
                let known = Family::ALL.map(Family::name);
                Error::not_valid(written, "an IP family", &known).at_word(text, written)
            })
        };
        settings.ip_families = self
            .ip_families
            .iter()
            .map(family)
            .collect::<Result<_, _>>()?;
        Ok(())
    }
}

fn cidrs(written: &[String], text: &str) -> Result<Vec<IpNet>, Error> {
    let cidr = |written: &String| {
        written.parse::<IpNet>().map_err(|_| {
            Error::new("this is not a valid address block such as `10.0.0.0/8`")
                .at_word(text, written)
        })
    };
    written.iter().map(cidr).collect()
}

fn named<T: Copy>(known: &[(&str, T)], what: &str, written: &str, text: &str) -> Result<T, Error> {
    match known.iter().find(|(name, _)| *name == written) {
        Some((_, value)) => Ok(*value),
        None => {
            let names: Vec<&str> = known.iter().map(|(name, _)| *name).collect();
            let what = format!("a {what} that npcheck knows");
            let error = Error::not_valid(written, &what, &names);
            Err(error.or_one_of(names).at_word(text, written))
        }
    }
}
