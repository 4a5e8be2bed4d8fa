//! Programs that call pods on behalf of everybody: ingress controllers and gateways,
//! scrapers of metrics. Which pods look like one, and whether a peer of a policy may be
//! meant for one.
//!
//! It leans towards yes: where a peer could be meant for a caller that nobody described,
//! it counts, as a false alarm costs more than silence. Refuses to know what a rule makes
//! of the answer.

use super::absence::Presence;
use super::{Context, ExternalPods};
use crate::cluster::platform::{KnownPods, Role};
use crate::cluster::{Cluster, NAMESPACE_NAME_LABEL, PolicyId, WorkloadId};
use crate::k8s::{Label, LabelSelector, Labels, NetworkPolicyPeer, Operator, Truth};
use crate::source::{Spanned, Text};

/// A kind of caller.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Caller {
    /// What brings traffic from outside to pods.
    IngressController,
    /// What reads the metrics of pods.
    Scraper,
}

/// Words that stand in the names, labels and images of controllers and gateways, from
/// their charts and manifests: ingress-nginx, Traefik, HAProxy, Kong, Contour (Envoy),
/// Istio, Ambassador (Emissary), APISIX, Skipper, Caddy, OpenShift's router, Cilium,
/// Cloudflare's, Tailscale's and ngrok's tunnels, and load balancers in general.
const CONTROLLER_WORDS: &[&str] = &[
    "ingress",
    "gateway",
    "nginx",
    "traefik",
    "haproxy",
    "kong",
    "contour",
    "envoy",
    "istio",
    "ambassador",
    "emissary",
    "apisix",
    "skipper",
    "caddy",
    "router",
    "proxy",
    "cloudflare",
    "tunnel",
    "tailscale",
    "ngrok",
    "balancer",
    "edge",
    "cilium",
    "knative",
    "pomerium",
    // K3s runs Traefik there.
    "kube-system",
];

/// Words that stand in the names, labels and images of what scrapes: Prometheus and its
/// kin, agents and collectors of vendors, and the namespaces that people put them in.
const SCRAPER_WORDS: &[&str] = &[
    "prometheus",
    "prom",
    "monitor",
    "metric",
    "observ",
    "grafana-agent",
    "grafana/agent",
    "alloy",
    "mimir",
    "thanos",
    "victoria",
    "vmagent",
    "vmsingle",
    "telegraf",
    "telemetry",
    "otel",
    "collector",
    "datadog",
    "newrelic",
    "dynatrace",
    "splunk",
    "scrape",
    "kube-system",
    "gmp-",
];

/// By the byte that they start with: the places of words in a list, a bit each.
const fn by_letter(words: &[&str]) -> [u32; 256] {
    assert!(words.len() <= u32::BITS as usize, "a bit for each word");
    let mut by_letter = [0; 256];
    let mut place = 0;
    while place < words.len() {
        by_letter[words[place].as_bytes()[0] as usize] |= 1 << place;
        place += 1;
    }
    by_letter
}

/// A word that names a scraper in a selector, where people mean all of their monitoring by it,
/// and not in the name of a workload: Grafana itself shows metrics, and reads none from pods.
const DASHBOARD: &str = "grafana";

/// An agent called after Prometheus that reads logs, and no metrics of other pods.
const LOG_AGENT: &str = "promtail";

impl Caller {
    fn words(self) -> &'static [&'static str] {
        match self {
            Self::IngressController => CONTROLLER_WORDS,
            Self::Scraper => SCRAPER_WORDS,
        }
    }

    fn words_by_letter(self) -> &'static [u32; 256] {
        const CONTROLLERS: [u32; 256] = by_letter(CONTROLLER_WORDS);
        const SCRAPERS: [u32; 256] = by_letter(SCRAPER_WORDS);
        match self {
            Self::IngressController => &CONTROLLERS,
            Self::Scraper => &SCRAPERS,
        }
    }

    /// Whether a text speaks of such a caller, in letters of either case.
    #[must_use]
    pub fn is_named_in(self, text: &str) -> bool {
        // Asked of every label and image of a cluster.
        let (words, by_letter) = (self.words(), self.words_by_letter());
        let text = text.as_bytes();
        let starts_with = |start: usize, word: &str| {
            let here = text.get(start..start + word.len());
            here.is_some_and(|here| here.eq_ignore_ascii_case(word.as_bytes()))
        };
        (0..text.len()).any(|start| {
            let mut starting = by_letter[usize::from(text[start].to_ascii_lowercase())];
            let mut is_one = false;
            while starting != 0 && !is_one {
                is_one = starts_with(start, words[starting.trailing_zeros() as usize]);
                starting &= starting - 1;
            }
            is_one && !starts_with(start, LOG_AGENT)
        })
    }

    /// Whether a workload looks like one: by its name, its labels, its images, or the
    /// namespace that it is in.
    #[must_use]
    pub fn looks_like(self, cx: &Context<'_>, id: WorkloadId) -> bool {
        cx.resembling(self).binary_search(&id).is_ok()
    }

    /// The workloads that look like one, in order; the context keeps them.
    pub(super) fn resembling(self, cluster: &Cluster) -> Vec<WorkloadId> {
        let ids = cluster.workload_ids();
        ids.filter(|id| self.resembles(cluster, *id)).collect()
    }

    fn resembles(self, cluster: &Cluster, id: WorkloadId) -> bool {
        let workload = cluster.workload(id);
        let namespace = &cluster.namespace(workload.namespace).name;
        let labels = workload.object.labels.iter();
        let images = workload
            .object
            .containers
            .iter()
            .map(|it| it.image.as_str());
        labels
            .map(|label| label.value.as_str())
            .chain(images)
            .chain([namespace.as_str(), workload.object.meta.name.as_str()])
            .any(|text| self.is_named_in(text))
    }

    /// The workloads that certainly are such callers: they have the label or the image of a
    /// program that is nothing else, and a network of their own, on which selectors see them.
    pub fn certain(self, cx: &Context<'_>) -> impl Iterator<Item = WorkloadId> {
        let (cluster, role) = (cx.cluster, self.role());
        let is_it = move |id: &WorkloadId| {
            let pods = &cluster.workload(*id).object;
            let named = |label: &Label| KnownPods::named_by(&label.key.value, &label.value.value);
            let mut known = pods.labels.iter().filter_map(named);
            let mut images = pods.containers.iter().map(|it| it.image.as_str());
            !pods.host_network
                && (known.any(|known| known.role == role)
                    || images.any(|image| self.images().contains(&program_of(image))))
        };
        cx.resembling(self).iter().copied().filter(is_it)
    }

    fn role(self) -> Role {
        match self {
            Self::IngressController => Role::IngressController,
            Self::Scraper => Role::Scraper,
        }
    }

    /// The last words of images of such programs.
    fn images(self) -> &'static [&'static str] {
        match self {
            Self::IngressController => &[
                "haproxy-ingress",
                "kubernetes-ingress",
                "kubernetes-ingress-controller",
                "nginx-ingress",
                "nginx-ingress-controller",
                "traefik",
            ],
            Self::Scraper => &["prometheus", "vmagent", "vmsingle"],
        }
    }

    /// The callers that somebody has described: in the configuration, or by a manifest
    /// that makes an operator run them.
    fn described(self, cx: &Context<'_>) -> Vec<Described> {
        let of = |pods: &ExternalPods| Described {
            namespace: pods.namespace.clone(),
            labels: Some(Labels::new(pods.labels.match_labels.clone())),
        };
        match self {
            Self::IngressController => cx.settings.ingress_controllers.iter().map(of).collect(),
            Self::Scraper => {
                let namespaces = cx.settings.monitoring_namespaces.iter();
                let configured = namespaces.map(|namespace| Described {
                    namespace: Some(namespace.clone()),
                    labels: None,
                });
                // On the host network no selector sees them (S10).
                let by_operator = cx.cluster.context_objects().prometheuses.iter();
                let by_operator = by_operator.filter(|object| !object.host_network);
                let by_operator = by_operator.map(|object| Described {
                    namespace: Some(object.meta.namespace_name().to_owned()),
                    labels: Some(object.labels_of_pods()),
                });
                configured.chain(by_operator).collect()
            }
        }
    }

    /// Whether the configuration says where these callers are.
    fn is_configured(self, cx: &Context<'_>) -> bool {
        match self {
            Self::IngressController => !cx.settings.ingress_controllers.is_empty(),
            Self::Scraper => !cx.settings.monitoring_namespaces.is_empty(),
        }
    }

    /// Whether a peer of a policy lets such a caller in, or may be meant to; `is_called` says which
    /// workloads are called themselves, and call nobody by being called so.
    #[must_use]
    pub fn may_match(
        self,
        cx: &Context<'_>,
        policy: PolicyId,
        peer: &NetworkPolicyPeer,
        is_called: impl Fn(WorkloadId) -> bool,
    ) -> bool {
        let Some((namespaces, pods)) = peer.selectors() else {
            return true;
        };
        let is_opaque = [namespaces, pods]
            .into_iter()
            .flatten()
            .any(LabelSelector::is_opaque);
        let described = self.described(cx);
        if is_opaque
            || described
                .iter()
                .any(|it| it.may_be(cx, policy, (namespaces, pods)))
        {
            return true;
        }
        let matched = cx.engine.peer_workloads(policy, peer);
        let callers = cx.resembling(self);
        let mut callers = callers.iter().filter(|id| !is_called(**id));
        if callers.any(|id| matched.binary_search(id).is_ok()) {
            return true;
        }
        let is_named = |caller: Self| {
            let mut selectors = [namespaces, pods].into_iter().flatten();
            selectors.any(|selector| caller.names_one(selector))
        };
        // Who has described all callers, or all pods, needs no guess.
        if self.is_configured(cx) {
            return false;
        }
        if cx.settings.inventory.is_complete() {
            // Why it does not match the pods that it names is what other rules say.
            return matched.is_empty() && is_named(self) || is_for_anybody(namespaces, pods);
        }
        // The labels of pods say more than their namespace: anybody may be in `kube-system`.
        let by_pods = |caller: Self| pods.is_some_and(|pods| caller.names_one(pods));
        if by_pods(self.other()) && !by_pods(self) {
            return false;
        }
        let own = &cx
            .cluster
            .namespace(cx.cluster.policy(policy).namespace)
            .name;
        match namespaces {
            Some(_) if is_named(self) => true,
            Some(_) if is_named(self.other()) => false,
            // Pods of the own namespace that nobody has seen: only in a namespace that is
            // made for such callers, or where something speaks for them.
            None => {
                let may_be_here = || {
                    self.may_be_at_home(cx, policy, pods) || self.may_be_unseen(cx, by_pods(self))
                };
                self.is_named_in(own) || is_named(self) && may_be_here()
            }
            Some(_) if matched.is_empty() => true,
            Some(namespaces) => {
                let is_about_pods = pods.is_some_and(|pods| !pods.is_empty());
                !is_about_pods && !names_namespaces(namespaces)
            }
        }
    }

    /// Whether pods that a selector names may be in the policy's own namespace although no
    /// manifest has them.
    fn may_be_at_home(
        self,
        cx: &Context<'_>,
        policy: PolicyId,
        pods: Option<&LabelSelector>,
    ) -> bool {
        let own = cx.cluster.policy(policy).namespace;
        let inventories = cx.inventories();
        pods.is_some_and(|pods| {
            inventories.is_open(own) || inventories.presence(cx, own, pods) == Presence::SpokenFor
        })
    }

    /// Whether pods that a selector calls by such a name may be in the policy's own namespace, as
    /// nothing speaks of such callers anywhere. A scraper may stand beside what it scrapes; a
    /// controller has a namespace of its own.
    fn may_be_unseen(self, cx: &Context<'_>, is_named: bool) -> bool {
        let mut namespaces = cx.cluster.namespaces().iter();
        self == Self::Scraper
            && is_named
            && cx.resembling(self).is_empty()
            && self.described(cx).is_empty()
            && !namespaces.any(|namespace| self.is_named_in(&namespace.name))
    }

    fn other(self) -> Self {
        match self {
            Self::IngressController => Self::Scraper,
            Self::Scraper => Self::IngressController,
        }
    }

    fn names_one(self, selector: &LabelSelector) -> bool {
        let labels = selector.match_labels.iter();
        let listed = selector.match_expressions.iter().flat_map(|it| &it.values);
        let keys = selector.match_expressions.iter().map(|it| &it.key);
        labels
            .flat_map(|label| [&label.key, &label.value])
            .chain(listed)
            .chain(keys)
            .any(|text| {
                let is_dashboard = self == Self::Scraper && text.contains(DASHBOARD);
                is_dashboard || self.is_named_in(text)
            })
    }
}

/// What an image is called, without its registry and its version.
fn program_of(image: &str) -> &str {
    let path = image.split('@').next().unwrap_or(image);
    let name = path.rsplit('/').next().unwrap_or(path);
    name.split(':').next().unwrap_or(name)
}

/// Whether selectors of a peer match pods of which nothing is known in a namespace of which
/// nothing is known: whoever it is gets in, wherever it is.
fn is_for_anybody(namespaces: Option<&LabelSelector>, pods: Option<&LabelSelector>) -> bool {
    let unlabelled = Labels::default();
    namespaces.is_some_and(|it| it.matches(&unlabelled))
        && pods.is_none_or(|it| it.matches(&unlabelled))
}

/// Callers that somebody has described.
struct Described {
    /// Their namespace; any where `None`.
    namespace: Option<String>,
    /// Their labels; `None` where nobody knows.
    labels: Option<Labels>,
}

impl Described {
    /// Whether selectors of a peer may match them.
    fn may_be(
        &self,
        cx: &Context<'_>,
        policy: PolicyId,
        (namespaces, pods): (Option<&LabelSelector>, Option<&LabelSelector>),
    ) -> bool {
        let own = &cx
            .cluster
            .namespace(cx.cluster.policy(policy).namespace)
            .name;
        let in_namespace = match (namespaces, &self.namespace) {
            (_, None) => true,
            (None, Some(namespace)) => own == namespace,
            (Some(selector), Some(namespace)) => may_select_namespace(cx, selector, namespace),
        };
        in_namespace
            && match (pods, &self.labels) {
                (None, _) | (_, None) => true,
                (Some(selector), Some(labels)) => selector.matches_opaque(labels) != Truth::False,
            }
    }
}

/// Whether a peer may let in pods of the namespace of this name, or is about addresses.
#[must_use]
pub fn may_be_in(cx: &Context<'_>, policy: PolicyId, peer: &NetworkPolicyPeer, name: &str) -> bool {
    let own = &cx
        .cluster
        .namespace(cx.cluster.policy(policy).namespace)
        .name;
    match peer.selectors() {
        None => true,
        Some((None, _)) => own == name,
        Some((Some(selector), _)) => may_select_namespace(cx, selector, name),
    }
}

/// Whether a selector of namespaces may select the one of this name. Of one that is not
/// declared nothing is known but the name (S2).
#[must_use]
pub fn may_select_namespace(cx: &Context<'_>, selector: &LabelSelector, name: &str) -> bool {
    let declared = cx.cluster.namespace_by_name(name);
    let declared = declared
        .map(|id| cx.cluster.namespace(id))
        .filter(|namespace| namespace.declared.is_some());
    if let Some(namespace) = declared {
        return selector.matches_opaque(&namespace.labels) != Truth::False;
    }
    let of_name = LabelSelector {
        null_key: None,
        span: selector.span,
        match_labels: selector
            .match_labels
            .iter()
            .filter(|label| label.key.value == NAMESPACE_NAME_LABEL)
            .cloned()
            .collect(),
        match_expressions: selector
            .match_expressions
            .iter()
            .filter(|entry| entry.key.value == NAMESPACE_NAME_LABEL)
            .cloned()
            .collect(),
    };
    let label = crate::k8s::Label {
        key: Spanned::new(Text::from(NAMESPACE_NAME_LABEL), selector.span),
        value: Spanned::new(Text::from(name), selector.span),
    };
    of_name.matches_opaque(&Labels::new(vec![label])) != Truth::False
}

/// Whether a selector lists the namespaces that it means by name.
fn names_namespaces(selector: &LabelSelector) -> bool {
    let by_label = selector.match_labels.iter().map(|label| &label.key);
    let by_list = selector
        .match_expressions
        .iter()
        .filter(|entry| entry.operator.value == Operator::In)
        .map(|entry| &entry.key);
    by_label
        .chain(by_list)
        .any(|key| key.value == NAMESPACE_NAME_LABEL)
}
