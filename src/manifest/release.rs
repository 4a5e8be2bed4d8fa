//! The pods of a release of a chart, as far as the object tells that installs it: a HelmRelease
//! of Flux, a HelmChart of k3s, an Application of Argo CD.
//!
//! Refuses to know charts, but for app-template, whose values say what pods it makes (bjw-s,
//! common library, `templates/lib/pod` and `values.yaml`).

use super::cluster_network;
use super::context_object::text;
use super::meta;
use super::object::Identity;
use super::reader;
use crate::k8s::{
    ClusterNetwork, Direction, Label, LabelSelector, Labels, ObjectMeta, Protocol, ReleasedPods,
    ReleasedPolicy, ReleasedPort, is_opaque,
};
use crate::source::{Span, Spanned, Text};
use crate::yaml::tree::{Node, Tree};
use crate::yaml::{block, general};

const INSTANCE: &str = "app.kubernetes.io/instance";
const NAME: &str = "app.kubernetes.io/name";

/// The object that installs a release.
struct Release<'t> {
    name: Spanned<Text>,
    chart: Option<Spanned<Text>>,
    version: Text,
    values: Option<Node<'t>>,
    /// Whether its pods may be others than these values say: there are values elsewhere, or
    /// something works on what the chart makes.
    may_differ: bool,
}

/// What an object tells of the release that it installs.
#[derive(Default)]
pub(super) struct Released {
    pub(super) pods: Vec<ReleasedPods>,
    pub(super) policies: Vec<ReleasedPolicy>,
    /// What the release says of the network of its cluster.
    pub(super) network: Option<ClusterNetwork>,
}

/// Reads what an object tells of the release that it installs; nothing for one that installs none.
pub(super) fn read(node: Node<'_>, identity: &Identity<'_>, meta: &ObjectMeta) -> Released {
    let written = values_in_text(node);
    let written = written.as_ref().and_then(Tree::root);
    let Some(release) = Release::read(node, written, identity, meta) else {
        return Released::default();
    };
    let chart = release.chart.as_ref();
    Released {
        network: chart.and_then(|chart| {
            cluster_network::of_chart(&chart.value, release.values, identity.kind, meta)
        }),
        policies: release.policies(meta),
        pods: release.pods(meta),
    }
}

/// The values that stand as a text in an object, read where they stand: those of an Application
/// and of a HelmChart. Only of a literal block scalar are the places of its parts known.
fn values_in_text(node: Node<'_>) -> Option<Tree<'_>> {
    let places: [&[&str]; 2] = [
        &["spec", "source", "helm", "values"],
        &["spec", "valuesContent"],
    ];
    let of_object = places.iter().filter_map(|path| node.find(path));
    let several = node.find(&["spec", "sources"]).into_iter();
    let of_sources = several.flat_map(Node::items);
    let of_sources = of_sources.filter_map(|source| source.find(&["helm", "values"]));
    let text = of_object.chain(of_sources).next()?;
    let raw = text.raw();
    let header = raw.find('\n').filter(|_| raw.starts_with('|'))?;
    let span = text.span();
    let range = span.range().start + header + 1..span.range().end;
    let all = text.source_text();
    let tree = block::read(span.source, all, range.clone());
    tree.or_else(|| general::read(span.source, all, range).ok())
}

/// What values of charts call the section that asks for policies.
const POLICY_FIELDS: [&str; 2] = ["networkpolicy", "networkpolicies"];

/// How deep charts put that section.
const POLICY_DEPTH: usize = 4;

/// Where values ask for policies: `networkPolicy: {enabled: true}`, at the top or in the section
/// of a component.
fn asked_policies(values: Node<'_>, depth: usize) -> Vec<Span> {
    let mut found = Vec::new();
    for entry in values.entries().filter(|_| depth > 0) {
        let key = entry.key.key_text().to_ascii_lowercase();
        let value = entry.value;
        let is_on = value.get("enabled").unwrap_or(value).as_bool() == Some(true);
        match POLICY_FIELDS.contains(&key.as_str()) {
            true if is_on => found.push(entry.key.span()),
            true => {}
            false => found.extend(asked_policies(value, depth - 1)),
        }
    }
    found
}

/// The pods that have all of these labels that are known.
fn selector(labels: &Labels, span: Span) -> LabelSelector {
    let known = labels.iter().filter(|label| !is_opaque(&label.value));
    LabelSelector {
        match_labels: known.cloned().collect(),
        ..LabelSelector::everything(span)
    }
}

/// The directions that a policy of a chart isolates in: both where its values do not list them.
fn directions(policy: Node<'_>) -> Vec<Direction> {
    let types = policy.get("policyTypes").into_iter().flat_map(Node::items);
    let types: Vec<&str> = types.filter_map(Node::as_str).collect();
    let mut directions = Direction::BOTH.to_vec();
    directions.retain(|it| types.is_empty() || types.contains(&it.policy_type()));
    directions
}

/// Whether the values are those of app-template, whatever its chart is called here.
fn holds_containers(controllers: Node<'_>) -> bool {
    let mut entries = controllers.entries();
    entries.any(|entry| entry.value.get("containers").is_some())
}

impl<'t> Release<'t> {
    /// `written` are the values that stand in it as a text.
    fn read(
        node: Node<'t>,
        written: Option<Node<'t>>,
        identity: &Identity<'_>,
        meta: &ObjectMeta,
    ) -> Option<Self> {
        let at = |path: &[&str]| text(node, path);
        let own = &meta.name;
        match (identity.group(), identity.kind) {
            // It is installed in another cluster.
            ("helm.toolkit.fluxcd.io", "HelmRelease")
                if node.find(&["spec", "kubeConfig"]).is_some() =>
            {
                None
            }
            ("helm.toolkit.fluxcd.io", "HelmRelease") => {
                let target = at(&["spec", "targetNamespace"]);
                let by_target = target
                    .map(|target| Spanned::new(format!("{}-{own}", target.value).into(), own.span));
                let name = at(&["spec", "releaseName"]).or(by_target);
                let chart = at(&["spec", "chart", "spec", "chart"]);
                let version = at(&["spec", "chart", "spec", "version"]);
                Some(Self {
                    name: name.unwrap_or_else(|| own.clone()),
                    chart: chart.or_else(|| at(&["spec", "chartRef", "name"])),
                    version: version.map(|it| it.value).unwrap_or_default(),
                    values: node.find(&["spec", "values"]),
                    may_differ: node.find(&["spec", "valuesFrom"]).is_some() || is_reworked(node),
                })
            }
            ("helm.cattle.io", "HelmChart") => Some(Self {
                name: own.clone(),
                chart: at(&["spec", "chart"]),
                version: Text::new(),
                values: written,
                may_differ: true,
            }),
            ("argoproj.io", "Application") => {
                let several = node.find(&["spec", "sources"]).into_iter();
                let mut sources = node
                    .find(&["spec", "source"])
                    .into_iter()
                    .chain(several.flat_map(Node::items));
                let source = sources.find(|source| text(*source, &["chart"]).is_some())?;
                let name = text(source, &["helm", "releaseName"]);
                let version = text(source, &["targetRevision"]);
                let values = source.find(&["helm", "valuesObject"]);
                let written = source.find(&["helm", "values"]).and(written);
                let mut others = vec!["valueFiles", "parameters"];
                others.extend(values.or(written).is_none().then_some("values"));
                let mut others = others.into_iter();
                Some(Self {
                    name: name.unwrap_or_else(|| own.clone()),
                    chart: text(source, &["chart"]),
                    version: version.map(|it| it.value).unwrap_or_default(),
                    values: values.or(written),
                    may_differ: others.any(|it| source.find(&["helm", it]).is_some()),
                })
            }
            _ => None,
        }
    }

    /// Its pods.
    fn pods(&self, meta: &ObjectMeta) -> Vec<ReleasedPods> {
        match self.controllers() {
            Some(controllers) => self.pods_of_controllers(controllers),
            None => vec![self.pods_of_some_chart(meta)],
        }
    }

    /// The controllers of app-template, if these are its values.
    fn controllers(&self) -> Option<Node<'t>> {
        let controllers = self.values.and_then(|values| values.get("controllers"));
        let chart = self.chart.as_ref();
        let is_app_template = chart.is_some_and(|chart| chart.value == "app-template");
        let controllers = controllers.filter(|node| node.is_mapping());
        controllers.filter(|it| is_app_template || holds_containers(*it))
    }

    fn label(&self, key: &str, value: &str) -> Label {
        Label {
            key: Spanned::new(Text::from(key), self.name.span),
            value: Spanned::new(Text::from(value), self.name.span),
        }
    }

    /// The pods of a chart that nobody knows: by convention they name their release.
    fn pods_of_some_chart(&self, meta: &ObjectMeta) -> ReleasedPods {
        let values = self.values.and_then(|values| values.get("podLabels"));
        let written = values.map(labels_of).unwrap_or_default();
        let instance = self.label(INSTANCE, &self.name);
        let labels = written.iter().cloned().chain([instance]);
        ReleasedPods {
            names: vec![self.name.to_string(), meta.name.to_string()],
            labels: Labels::new(labels.collect()),
            are_labels_known: false,
            ports: Vec::new(),
            are_ports_known: false,
            host_network: false,
            is_host_network_known: true,
        }
    }

    /// The policies that the values ask for: app-template makes those of `networkpolicies`, each
    /// for the pods of a controller or those that it selects itself.
    fn policies(&self, meta: &ObjectMeta) -> Vec<ReleasedPolicy> {
        let Some(values) = self.values else {
            return Vec::new();
        };
        let Some(controllers) = self.controllers() else {
            let pods = self.pods_of_some_chart(meta).labels;
            let asked = asked_policies(values, POLICY_DEPTH).into_iter();
            let policies = asked.flat_map(|span| {
                Direction::BOTH.map(|direction| ReleasedPolicy {
                    span,
                    pods: Some(selector(&pods, span)),
                    direction,
                })
            });
            return policies.collect();
        };
        let controllers: Vec<(String, Node<'_>)> = enabled(controllers);
        let mut found = Vec::new();
        let listed = values.get("networkpolicies").into_iter();
        let listed = listed.flat_map(Node::entries);
        for policy in listed.filter(|policy| is_enabled(policy.value)) {
            let span = policy.key.span();
            let of = text(policy.value, &["controller"]);
            let is_own = |key: &str| of.as_ref().is_none_or(|of| of.value == key);
            let selected: Vec<Option<LabelSelector>> = match policy.value.get("podSelector") {
                Some(_) => vec![None],
                None => {
                    let own = controllers.iter().filter(|(key, _)| is_own(key));
                    own.map(|(key, controller)| {
                        let pods = self.pods_of(key, *controller, controllers.len() == 1);
                        Some(selector(&pods.labels, span))
                    })
                    .collect()
                }
            };
            for pods in selected {
                found.extend(directions(policy.value).into_iter().map(|direction| {
                    ReleasedPolicy {
                        span,
                        pods: pods.clone(),
                        direction,
                    }
                }));
            }
        }
        found
    }

    fn pods_of_controllers(&self, controllers: Node<'_>) -> Vec<ReleasedPods> {
        let enabled = enabled(controllers);
        let is_only = enabled.len() == 1;
        let pods = enabled
            .iter()
            .map(|(key, controller)| self.pods_of(key, *controller, is_only));
        pods.collect()
    }

    fn pods_of(&self, key: &str, controller: Node<'_>, is_only: bool) -> ReleasedPods {
        let value = |path: &[&str]| self.values.and_then(|values| values.find(path));
        let override_of = |field: &str| {
            let found = self
                .values
                .and_then(|values| text(values, &["global", field]));
            found.map(|it| it.value)
        };
        let name = override_of("nameOverride").unwrap_or_else(|| self.name.value.clone());
        let full = override_of("fullnameOverride").unwrap_or_else(|| self.name.value.clone());
        let mut labels = vec![self.label(INSTANCE, &self.name), self.label(NAME, &name)];
        const KEYS: [&str; 2] = [
            "app.kubernetes.io/component",
            "app.kubernetes.io/controller",
        ];
        match self.version.trim_start_matches(['v', '^', '~', '=']) {
            // It is one of both, and nobody knows which.
            "" => labels.extend(KEYS.map(|label| self.label(label, "${controller}"))),
            version
                if ["1.", "2.", "3."]
                    .iter()
                    .any(|old| version.starts_with(old)) =>
            {
                labels.push(self.label(KEYS[0], key));
            }
            _ => labels.push(self.label(KEYS[1], key)),
        }
        let propagates = value(&["global", "propagateGlobalMetadataToPods"]);
        let global = value(&["global", "labels"]);
        let global = global.filter(|_| propagates.and_then(Node::as_bool) == Some(true));
        let default = value(&["defaultPodOptions", "labels"]);
        let own = controller.find(&["pod", "labels"]);
        for written in [global, default, own].into_iter().flatten() {
            labels.extend(labels_of(written).iter().cloned());
        }
        let host_network = controller.find(&["pod", "hostNetwork"]);
        let host_network = host_network.or_else(|| value(&["defaultPodOptions", "hostNetwork"]));
        let mut names = vec![format!("{full}-{key}"), full.to_string()];
        if is_only {
            names.reverse();
        }
        ReleasedPods {
            names,
            labels: Labels::new(labels),
            are_labels_known: !self.may_differ,
            ports: self.ports(key, is_only),
            are_ports_known: !self.may_differ,
            host_network: host_network.and_then(Node::as_bool) == Some(true),
            is_host_network_known: match host_network {
                Some(written) => !reader::is_opaque(written),
                None => !self.may_differ,
            },
        }
    }

    /// The ports of the services that lead to a controller.
    fn ports(&self, key: &str, is_only: bool) -> Vec<ReleasedPort> {
        let services = self.values.and_then(|values| values.get("service"));
        let services = services.into_iter().flat_map(Node::entries);
        let mut found = Vec::new();
        for service in services.filter(|service| is_enabled(service.value)) {
            let of = text(service.value, &["controller"]);
            if of.map_or(!is_only, |of| of.value != key) {
                continue;
            }
            let ports = service.value.get("ports").into_iter();
            for port in ports
                .flat_map(Node::entries)
                .filter(|it| is_enabled(it.value))
            {
                let number = ["targetPort", "port"].into_iter();
                let mut number =
                    number.filter_map(|field| u16::try_from(port.value.get(field)?.as_int()?).ok());
                let protocol = text(port.value, &["protocol"]);
                let protocol = match protocol.as_ref().map(|it| it.value.as_str()) {
                    Some("UDP") => Protocol::Udp,
                    Some("SCTP") => Protocol::Sctp,
                    _ => Protocol::Tcp,
                };
                found.extend(number.next().map(|number| ReleasedPort {
                    name: port.key.key_text().into_owned(),
                    protocol,
                    number,
                }));
            }
        }
        found
    }
}

/// Whether post-renderers of a HelmRelease do more than to name images.
fn is_reworked(release: Node<'_>) -> bool {
    let renderers = release.find(&["spec", "postRenderers"]).into_iter();
    let mut renderers = renderers.flat_map(Node::items);
    renderers.any(|renderer| {
        let mut fields = renderer
            .get("kustomize")
            .into_iter()
            .flat_map(Node::entries);
        renderer.get("kustomize").is_none()
            || fields.any(|field| {
                field.key.key_text() != "images" && field.value.items().next().is_some()
            })
    })
}

/// The entries that are not turned off, by their keys.
fn enabled(node: Node<'_>) -> Vec<(String, Node<'_>)> {
    let entries = node.entries().filter(|entry| is_enabled(entry.value));
    entries
        .map(|entry| (entry.key.key_text().into_owned(), entry.value))
        .collect()
}

fn is_enabled(node: Node<'_>) -> bool {
    node.get("enabled").and_then(Node::as_bool) != Some(false)
}

fn labels_of(node: Node<'_>) -> Labels {
    if !node.is_mapping() {
        return Labels::default();
    }
    meta::string_map(node, meta::Holds::Labels, "", "", &mut Vec::new())
}
