//! Metrics that a monitor asks for and that no policy lets a scraper read.

use crate::cluster::platform::{self, Distribution};
use crate::cluster::{NamespaceId, PolicyId, WorkloadId};
use crate::diagnostic::{Diagnostic, Severity};
use crate::engine::{Endpoint, PolicyRef};
use crate::k8s::{Direction, Labels, NetworkPolicyPeer, NetworkPolicyRule, Protocol, Workload};
use crate::lint::callers::Caller;
use crate::lint::entrance::{self, Entrance, Guard};
use crate::lint::scrape_targets::{Target, by_monitors, numbers_of};
use crate::lint::words::NameList;
use crate::lint::{Category, Context, Rule, RuleMeta, declare_rule, dns, snippet};
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
    /// manifests. Also where the port is open, and the policies of every scraper in the manifests
    /// do not let it out to there: a warning if they name the pods, with other ports, else an info.
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
        let mut open: Vec<Target> = Vec::new();
        for target in by_monitors(cx.cluster).chain(by_annotations(cx)) {
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
            let blocked = match closed {
                Some(entrance) => Some(Blocked {
                    entrance,
                    first: target,
                    others: NameList::default(),
                }),
                None => {
                    open.push(target);
                    None
                }
            };
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
        for finding in kept_in(cx, &open) {
            cx.report(finding);
        }
    }
}

/// Findings about scrapers whose own policies keep them from ports that are open to them, where
/// every scraper of the manifests is kept from these: one for each policy.
fn kept_in(cx: &Context<'_>, open: &[Target]) -> Vec<Diagnostic> {
    let cluster = cx.cluster;
    let scrapers: Vec<WorkloadId> = Caller::Scraper.certain(cx).collect();
    let isolated_by = |id: WorkloadId| cx.engine.isolating(id, Direction::Egress);
    // One that is free to go anywhere, or that an operator makes, may be the one that scrapes.
    let may_be_another = scrapers.iter().any(|id| isolated_by(*id).is_empty())
        || !cluster.context_objects().prometheuses.is_empty();
    let mut kept: BTreeMap<PolicyId, (WorkloadId, Vec<&Target>)> = BTreeMap::new();
    for target in open.iter().filter(|_| !may_be_another) {
        let pods = Endpoint::workload(cluster, target.workload);
        let reaches = |id: &WorkloadId| {
            let scraper = Endpoint::workload(cluster, *id);
            let side = || {
                cx.engine
                    .judge()
                    .one_side(Direction::Egress, &scraper, &pods)
            };
            *id == target.workload
                || !cx.may_judge()
                || side().possible().contains(Protocol::Tcp, target.port)
        };
        let first = scrapers.first().filter(|_| !scrapers.iter().any(reaches));
        if let Some((first, policy)) = first.and_then(|id| Some((*id, *isolated_by(*id).first()?)))
        {
            let (_, targets) = kept.entry(policy).or_insert_with(|| (first, Vec::new()));
            targets.push(target);
        }
    }
    let kept = kept.into_iter();
    kept.map(|(policy, (scraper, targets))| of_scraper(cx, policy, scraper, &targets))
        .collect()
}

fn of_scraper(
    cx: &Context<'_>,
    policy: PolicyId,
    scraper: WorkloadId,
    targets: &[&Target],
) -> Diagnostic {
    let cluster = cx.cluster;
    // That it is to reach these pods a rule says that names them, with other ports.
    let rules = isolated_rules(cx, scraper);
    let is_named = |target: &&&Target| {
        rules.iter().any(|(id, rule)| {
            let ports = rule.ports.items();
            let is_for_names = ports.iter().all(dns::is_dns_port);
            let mut peers = rule.peers.items().iter();
            !is_for_names
                && peers.any(|peer| {
                    let meant = cx.engine.peer_workloads(*id, peer);
                    meant.binary_search(&target.workload).is_ok()
                })
        })
    };
    let named = targets.iter().find(is_named);
    let first = named.unwrap_or(&targets[0]);
    let (name, of) = (
        cluster.workload_name(scraper),
        cluster.workload_name(first.workload),
    );
    let port = first.port;
    let (span, path) = cluster.policy(policy).object.isolates_at(Direction::Egress);
    let message = format!("no policy lets `{name}` scrape `{of}` on TCP {port}");
    let finding = cx
        .policy_finding(policy, path, span, message)
        .with_severity(match named {
            Some(_) => Severity::Warning,
            None => Severity::Info,
        })
        .label("isolates the scraper for egress; no rule allows this port")
        .related(
            first.span,
            format!("says to scrape port {port} of those pods"),
        )
        .help(format!("allow TCP {port} to those pods for egress"));
    match targets.len() {
        1 => finding,
        several => finding.note(format!("and {} more ports of pods", several - 1)),
    }
}

/// The egress rules of the policies that isolate a workload.
fn isolated_rules<'c>(
    cx: &Context<'c>,
    workload: WorkloadId,
) -> Vec<(PolicyId, &'c NetworkPolicyRule)> {
    let policies = cx.engine.isolating(workload, Direction::Egress).iter();
    let rules = policies.flat_map(|id| {
        let policy = &cx.cluster.policy(*id).object;
        let rules = cx.cluster.enforcement().rules(policy, Direction::Egress);
        rules.iter().map(|rule| (*id, rule))
    });
    rules.collect()
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
        finding = finding.note(format!("the same is asked for by: {others}"));
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
