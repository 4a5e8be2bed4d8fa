//! Metrics that a monitor asks for and that no policy lets a scraper read.

use crate::cluster::platform::{self, Distribution};
use crate::cluster::{NamespaceId, ServiceId, WorkloadId};
use crate::diagnostic::{Diagnostic, Severity};
use crate::engine::{Endpoint, PolicyRef};
use crate::k8s::{
    LabelSelector, Labels, Monitor, MonitorEndpoint, NetworkPolicyPeer, PortReference, Protocol,
    Truth, Workload,
};
use crate::lint::callers::Caller;
use crate::lint::entrance::{self, Entrance, Guard};
use crate::lint::words::NameList;
use crate::lint::{Category, Context, Rule, RuleMeta, declare_rule, snippet};
use crate::source::Span;
use std::collections::BTreeMap;
use std::rc::Rc;
use std::sync::Arc;

declare_rule! {
    /// ## What it does
    ///
    /// Reports a port that a `ServiceMonitor`, `PodMonitor` or `prometheus.io/scrape`
    /// annotation says to scrape, on pods that are isolated for ingress, where no policy admits
    /// a scraper on that port, or where a policy denies the port to every scraper in the
    /// manifests.
    ///
    /// ## Why is this bad?
    ///
    /// The target is down in Prometheus, dashboards are empty, and alerts that depend on the
    /// metrics never fire. The monitor is usually in the application's namespace, but the
    /// scraper is not, so "allow the same namespace" does not let it in.
    ///
    /// A peer that could match a scraper that is not in the manifests counts as one: a
    /// namespace that is not declared, a label that mentions monitoring, or any `ipBlock`.
    /// OpenShift's own monitoring ignores annotations, so there they count only if the
    /// manifests have a scraper.
    ///
    /// ## Example
    ///
    /// ```yaml
    /// apiVersion: apps/v1
    /// kind: Deployment
    /// metadata: {name: web, namespace: shop}
    /// spec:
    ///   selector: {matchLabels: {app: web}}
    ///   template:
    ///     metadata: {labels: {app: web}}
    ///     spec:
    ///       containers:
    ///         - name: web
    ///           image: example/web:1
    ///           ports: [{name: metrics, containerPort: 9102}]
    /// ---
    /// apiVersion: monitoring.coreos.com/v1
    /// kind: PodMonitor
    /// metadata: {name: web, namespace: shop}
    /// spec:
    ///   selector: {matchLabels: {app: web}}
    ///   podMetricsEndpoints: [{port: metrics}]
    /// ---
    /// apiVersion: networking.k8s.io/v1
    /// kind: NetworkPolicy
    /// metadata: {name: same-namespace, namespace: shop}
    /// spec:
    ///   podSelector: {}
    ///   ingress:
    ///     - from: [{podSelector: {}}]
    /// ```
    ///
    /// ## Use instead
    ///
    /// ```yaml
    /// apiVersion: apps/v1
    /// kind: Deployment
    /// metadata: {name: web, namespace: shop}
    /// spec:
    ///   selector: {matchLabels: {app: web}}
    ///   template:
    ///     metadata: {labels: {app: web}}
    ///     spec:
    ///       containers:
    ///         - name: web
    ///           image: example/web:1
    ///           ports: [{name: metrics, containerPort: 9102}]
    /// ---
    /// apiVersion: monitoring.coreos.com/v1
    /// kind: PodMonitor
    /// metadata: {name: web, namespace: shop}
    /// spec:
    ///   selector: {matchLabels: {app: web}}
    ///   podMetricsEndpoints: [{port: metrics}]
    /// ---
    /// apiVersion: networking.k8s.io/v1
    /// kind: NetworkPolicy
    /// metadata: {name: same-namespace, namespace: shop}
    /// spec:
    ///   podSelector: {}
    ///   ingress:
    ///     - from: [{podSelector: {}}]
    ///     - from:
    ///         - namespaceSelector:
    ///             matchLabels: {kubernetes.io/metadata.name: monitoring}
    ///       ports: [{protocol: TCP, port: metrics}]
    /// ```
    ///
    /// ## Fix safety
    ///
    /// There is no automatic fix: where the scraper runs is not always in the manifests. The
    /// help says what to allow.
    ///
    /// ## Configuration
    ///
    /// `monitoring.namespaces` names the namespaces from which metrics are scraped. npcheck
    /// then does not guess.
    pub(super) struct ScrapeBlocked {
        name: "scrape-blocked",
        summary: "Prometheus cannot reach a metrics port that it is told to scrape",
        category: Category::Flows,
        severity: Severity::Warning,
        tier: Stable,
        evidence: "1 of 1 warning or error on 82 public repositories (58 of them in excerpts) judged right",
        fix: None,
        mutes: &[],
        since: "0.1.0",
    }
}

impl Rule for ScrapeBlocked {
    fn meta(&self) -> &'static RuleMeta {
        &Self::META
    }

    fn check_cluster(&self, cx: &mut Context<'_>) {
        let mut targets: BTreeMap<(WorkloadId, u16), Option<Blocked<'_>>> = BTreeMap::new();
        for target in by_monitors(cx).chain(by_annotations(cx)) {
            let key = (target.workload, target.port);
            if let Some(known) = targets.get_mut(&key) {
                if let Some(blocked) = known {
                    blocked.add(&target);
                }
                continue;
            }
            let (workload, port) = key;
            let entrance = cx.entrance(workload, Protocol::Tcp, port);
            let closed = entrance.filter(|entrance| is_closed(cx, entrance));
            let closed = closed.or_else(|| denied(cx, workload, port).map(Arc::new));
            let blocked = closed.map(|entrance| Blocked {
                entrance,
                first: target,
                others: NameList::default(),
            });
            targets.insert(key, blocked);
        }
        // What the same policies close is one cause, and one rule opens all of it. Annotations
        // that charts write by default ask one question of a namespace: does anybody scrape it?
        let is_scraper_known = is_scraper_known(cx);
        let mut by_cause: BTreeMap<Cause, Vec<Blocked<'_>>> = BTreeMap::new();
        for blocked in targets.into_values().flatten() {
            let entrance = &blocked.entrance;
            let cause = match is_scraper_known {
                true => Cause::Policies(entrance.guard, entrance.policies.clone()),
                false => Cause::Annotations(cx.cluster.workload(entrance.workload).namespace),
            };
            by_cause.entry(cause).or_default().push(blocked);
        }
        for (cause, closed) in by_cause {
            let finding = describe(cx, &cause, &closed);
            cx.report(finding);
        }
    }
}

/// A port that no scraper gets in at, and what wants it scraped.
struct Blocked<'c> {
    entrance: Arc<Entrance<'c>>,
    first: Target,
    /// What else wants it, by name.
    others: NameList,
}

impl Blocked<'_> {
    fn add(&mut self, target: &Target) {
        if target.object != self.first.object {
            self.others.add(&target.object);
        }
    }
}

/// What several closed ports have in common.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Cause {
    /// The policies that close them, and how.
    Policies(Guard, Vec<PolicyRef>),
    /// Their namespace, where annotations ask and no scraper is among the manifests.
    Annotations(NamespaceId),
}

/// Whether the manifests or the configuration speak of a scraper.
fn is_scraper_known(cx: &Context<'_>) -> bool {
    let objects = cx.cluster.context_objects();
    !cx.resembling(Caller::Scraper).is_empty()
        || !objects.prometheuses.is_empty()
        || !objects.monitors.is_empty()
        || !cx.settings.monitoring_namespaces.is_empty()
}

/// A port of a workload that somebody wants scraped.
struct Target {
    workload: WorkloadId,
    port: u16,
    /// What says so, as findings name it.
    object: Rc<str>,
    path: Rc<str>,
    span: Span,
}

/// The ports that monitors name: thousands of monitors may each name those of all pods, so that
/// they are made as they are asked for.
fn by_monitors<'x>(cx: &'x Context<'_>) -> impl Iterator<Item = Target> + 'x {
    let monitors = cx.cluster.context_objects().monitors.iter();
    let endpoints = monitors.flat_map(|monitor| {
        let own = monitor.meta.namespace_name();
        let object = format!("{own}/{}/{}", monitor.kind.name(), monitor.meta.name);
        let object: Rc<str> = object.into();
        let endpoints = monitor.endpoints.iter().enumerate();
        endpoints.map(move |endpoint| (monitor, Rc::clone(&object), endpoint))
    });
    endpoints.flat_map(move |(monitor, object, (index, endpoint))| {
        let path = format!("spec.{}[{index}]", monitor.kind.endpoints_field());
        let path: Rc<str> = path.into();
        let span = endpoint
            .port
            .as_ref()
            .map(|port| port.span)
            .or(endpoint.target_port.as_ref().map(|port| port.span))
            .unwrap_or(endpoint.span);
        let scraped = scraped(cx, monitor, endpoint).into_iter();
        scraped.map(move |(workload, port)| Target {
            workload,
            port,
            object: Rc::clone(&object),
            path: Rc::clone(&path),
            span,
        })
    })
}

/// The pods' ports that an endpoint of a monitor means.
fn scraped(
    cx: &Context<'_>,
    monitor: &Monitor,
    endpoint: &MonitorEndpoint,
) -> Vec<(WorkloadId, u16)> {
    let cluster = cx.cluster;
    let own = monitor.meta.namespace_name();
    let namespaces = cluster.namespace_ids().filter(|id| {
        monitor
            .namespaces
            .include(own, &cluster.namespace(*id).name)
    });
    let mut found = Vec::new();
    for namespace in namespaces {
        if monitor.kind.finds_services() {
            for service in cluster.services_in(namespace) {
                let labels = &cluster.service(service).object.meta.labels;
                if surely_matches(&monitor.selector, labels) {
                    found.extend(behind(cx, service, endpoint));
                }
            }
            continue;
        }
        for id in cluster.workloads_in(namespace) {
            let pod = &cluster.workload(id).object;
            if surely_matches(&monitor.selector, &pod.labels) {
                let name = endpoint.port.as_ref().map(|port| port.value.as_str());
                let named = name.map(|name| numbers_of(pod, name)).unwrap_or_default();
                let ports = named.into_iter().chain(target_ports(pod, endpoint));
                found.extend(ports.map(|port| (id, port)));
            }
        }
    }
    found
}

/// The pods' ports that an endpoint of a `ServiceMonitor` means behind one Service.
fn behind(
    cx: &Context<'_>,
    service: ServiceId,
    endpoint: &MonitorEndpoint,
) -> Vec<(WorkloadId, u16)> {
    let object = &cx.cluster.service(service).object;
    let mut found = Vec::new();
    for id in cx.cluster.workloads_behind(service) {
        let pod = &cx.cluster.workload(id).object;
        let entries = object.ports.iter().filter(|entry| {
            let name = entry.name.as_ref().map(|name| name.value.as_str());
            let wanted = endpoint.port.as_ref().map(|port| port.value.as_str());
            wanted.is_some() && name == wanted && entry.protocol == Protocol::Tcp
        });
        let named = entries.flat_map(|entry| entry.ports_of(pod));
        let ports = named.chain(target_ports(pod, endpoint));
        found.extend(ports.map(|port| (id, port)));
    }
    found
}

fn target_ports(pod: &Workload, endpoint: &MonitorEndpoint) -> Vec<u16> {
    match endpoint.target_port.as_ref().map(|port| &port.value) {
        None => Vec::new(),
        Some(PortReference::Number(number)) => vec![*number],
        Some(PortReference::Name(name)) => numbers_of(pod, name),
    }
}

fn numbers_of(pod: &Workload, name: &str) -> Vec<u16> {
    let named = pod
        .named_ports()
        .filter(|(its, protocol, _)| *its == name && *protocol == Protocol::Tcp);
    named.map(|(_, _, number)| number).collect()
}

/// A monitor that selects everything was not written for these pods.
fn surely_matches(selector: &LabelSelector, labels: &Labels) -> bool {
    !selector.is_empty() && selector.matches_opaque(labels) == Truth::True
}

/// The ports that the annotations of pods and Services name. The convention is that of the
/// example configuration of Prometheus for Kubernetes.
fn by_annotations(cx: &Context<'_>) -> Vec<Target> {
    let cluster = cx.cluster;
    let mut targets = Vec::new();
    if !may_read_annotations(cx) {
        return targets;
    }
    for id in cluster.workload_ids() {
        let pod = &cluster.workload(id).object;
        let (object, path): (Rc<str>, Rc<str>) = (cluster.workload_name(id).into(), "".into());
        if has_open_merged_metrics(cx, id) {
            continue;
        }
        if let Some((port, span)) = annotated(&pod.annotations, pod) {
            targets.push(Target {
                workload: id,
                port,
                object,
                path,
                span,
            });
        } else if let Some(span) = scraped_everywhere(&pod.annotations) {
            targets.extend(every_port(cx, id).into_iter().map(|port| Target {
                workload: id,
                port,
                object: Rc::clone(&object),
                path: Rc::clone(&path),
                span,
            }));
        }
    }
    for (service, object) in cluster.service_ids().zip(cluster.services()) {
        if !is_scraped(&object.object.meta.annotations) {
            continue;
        }
        let namespace = &cluster.namespace(object.namespace).name;
        let name = format!("{namespace}/Service/{}", object.object.meta.name);
        let (name, path): (Rc<str>, Rc<str>) = (name.into(), "metadata.annotations".into());
        for workload in cluster.workloads_behind(service) {
            let pod = &cluster.workload(workload).object;
            if let Some((port, span)) = annotated(&object.object.meta.annotations, pod) {
                targets.push(Target {
                    workload,
                    port,
                    object: Rc::clone(&name),
                    path: Rc::clone(&path),
                    span,
                });
            }
        }
    }
    targets
}

/// Whether a scraper of the cluster may read annotations. OpenShift's own monitoring scrapes what
/// monitors name, and nothing else (docs.redhat.com, "Monitoring", "Specifying how a service is
/// monitored").
fn may_read_annotations(cx: &Context<'_>) -> bool {
    let cluster = cx.cluster;
    let mut workloads = cluster.workloads().iter();
    !cluster.platform().is(Distribution::OpenShift)
        || workloads.any(|workload| {
            let mut images = workload
                .object
                .containers
                .iter()
                .map(|it| it.image.as_str());
            images.any(|image| Caller::Scraper.is_named_in(image))
        })
}

/// Whether a scraper gets in where Istio's proxy serves the metrics of its pod: it changes the
/// annotations to say so.
fn has_open_merged_metrics(cx: &Context<'_>, id: WorkloadId) -> bool {
    let port = platform::MERGED_METRICS_PORT;
    let entrance = || cx.entrance(id, Protocol::Tcp, port);
    platform::has_istio_proxy(&cx.cluster.workload(id).object.labels)
        && entrance().is_some_and(|entrance| !is_closed(cx, &entrance))
}

/// Where annotations of pods ask for a scrape without naming a port, which means every port
/// that the pods declare.
fn scraped_everywhere(annotations: &Labels) -> Option<Span> {
    let asks = is_scraped(annotations) && annotations.get("prometheus.io/port").is_none();
    let label = annotations.label("prometheus.io/scrape").filter(|_| asks)?;
    Some(label.span())
}

/// The declared ports of a workload, if no scraper gets in at any of them: which one serves the
/// metrics is not known.
fn every_port(cx: &Context<'_>, id: WorkloadId) -> Vec<u16> {
    let ports = cx.cluster.workload(id).object.ports();
    let tcp = ports.filter(|port| port.protocol == Protocol::Tcp);
    let ports: Vec<u16> = tcp.map(|port| port.number.value).collect();
    let is_closed = |port: &u16| {
        let entrance = cx.entrance(id, Protocol::Tcp, *port);
        entrance.is_some_and(|entrance| is_closed(cx, &entrance))
    };
    match ports.iter().all(is_closed) {
        true => ports,
        false => Vec::new(),
    }
}

fn is_closed(cx: &Context<'_>, entrance: &Entrance<'_>) -> bool {
    let is_it = |policy, peer: &NetworkPolicyPeer| {
        Caller::Scraper.may_match(cx, policy, peer, |id| id == entrance.workload)
    };
    let is_scraper = |id| Caller::Scraper.looks_like(cx, id);
    !entrance.admits(is_it)
        && !entrance.admits_at_service_port(cx, is_it)
        && !entrance.plugin_admits(cx.engine, is_scraper)
}

/// The port of pods, where policies deny it to every scraper of which the manifests have the pods.
fn denied<'c>(cx: &Context<'c>, workload: WorkloadId, port: u16) -> Option<Entrance<'c>> {
    let cluster = cx.cluster;
    let namespaces = &cx.settings.monitoring_namespaces;
    let is_meant = |id: &WorkloadId| {
        let namespace = cluster.workload(*id).namespace;
        *id != workload
            && (namespaces.is_empty() || namespaces.contains(&cluster.namespace(namespace).name))
    };
    let scrapers = || {
        let scrapers = Caller::Scraper.certain(cx).filter(is_meant);
        scrapers.map(|id| Endpoint::workload(cluster, id)).collect()
    };
    Entrance::denied(cx, scrapers, (workload, Protocol::Tcp, port))
}

fn is_scraped(annotations: &Labels) -> bool {
    annotations.get("prometheus.io/scrape") == Some("true")
}

/// The port that annotations say to scrape on a pod, and the text that says so.
fn annotated(annotations: &Labels, pod: &Workload) -> Option<(u16, Span)> {
    if !is_scraped(annotations) {
        return None;
    }
    let port = annotations.label("prometheus.io/port")?;
    let number = match port.value.parse::<u16>() {
        Ok(number) => number,
        Err(_) => *numbers_of(pod, &port.value).first()?,
    };
    Some((number, port.value.span))
}

fn describe(cx: &Context<'_>, cause: &Cause, closed: &[Blocked<'_>]) -> Diagnostic {
    let cluster = cx.cluster;
    let Blocked {
        entrance,
        first,
        others,
    } = &closed[0];
    let workload = cluster.workload_name(entrance.workload);
    let port = entrance.port;
    let message = match entrance.guard {
        Guard::Isolation => {
            format!("no policy lets a scraper reach the metrics of `{workload}` on TCP {port}")
        }
        Guard::Denial => entrance.closed_to(cluster, "the scraper"),
    };
    let mut finding = cx
        .finding(first.span, message)
        .about(&*first.object, &*first.path)
        .label(format!("says to scrape port {port} of those pods"));
    finding = entrance.point_out(cluster, finding);
    if !others.is_empty() {
        finding = finding.note(format!("also scraped by: {others}"));
    }
    let others = closed.iter().skip(1).map(|it| &*it.entrance);
    if let Some(others) = entrance::others(cluster, others) {
        let how = match cause {
            Cause::Policies(..) => "blocked by the same policies",
            Cause::Annotations(_) => "blocked as well, in this namespace",
        };
        finding = finding.note(format!("{how}: {others}"));
    }
    if let Cause::Annotations(_) = cause {
        finding = finding
            .note("the manifests have no scraper; if nothing reads these annotations, remove them");
    }
    if let Some(remedy) = entrance.remedy_of_denial(cluster, "the scraper") {
        return finding.help(remedy);
    }
    let namespaces = cx.settings.monitoring_namespaces.first().cloned();
    let operators = &cluster.context_objects().prometheuses;
    let by_operator = operators
        .first()
        .map(|it| it.meta.namespace_name().to_owned());
    let help = match namespaces.or(by_operator) {
        Some(namespace) => format!(
            "allow the scraper's namespace: `- {{from: [{{{}}}], ports: [{}]}}`",
            snippet::namespace_selector(&namespace),
            snippet::port(Protocol::Tcp, port),
        ),
        None => format!("allow TCP {port} from the namespace of the scraper"),
    };
    finding.help(help)
}
