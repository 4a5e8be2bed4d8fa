//! Names in `toFQDNs` whose addresses Cilium's DNS proxy never learns.

use crate::cluster::{PluginPolicyId, WorkloadId};
use crate::diagnostic::{Diagnostic, Severity};
use crate::engine::{ConnectionSet, NamespaceView, PodView};
use crate::k8s::CiliumFqdn;
use crate::lint::dns_proxy::{self, DnsProxy, SeenNames};
use crate::lint::plugin_rules::{self, CiliumPlace};
use crate::lint::{Category, Context, Rule, RuleMeta, declare_rule, plugin_dns, words};
use crate::source::Spanned;
use std::collections::{HashMap, HashSet};

declare_rule! {
    /// ## What it does
    ///
    /// Reports a rule with `toFQDNs` if no policy that selects the same pods has a rule that
    /// sends their queries for these names through Cilium's DNS proxy, that is, one with
    /// `rules: {dns: […]}`.
    ///
    /// ## Why is this bad?
    ///
    /// Cilium learns the addresses of a name from the DNS answers that pass through its proxy.
    /// A rule that allows port 53 without `rules.dns` bypasses the proxy: names resolve, and
    /// every connection to them is dropped.
    ///
    /// ## Example
    ///
    /// ```yaml
    /// apiVersion: cilium.io/v2
    /// kind: CiliumNetworkPolicy
    /// metadata: {name: web, namespace: shop}
    /// spec:
    ///   endpointSelector: {matchLabels: {app: web}}
    ///   egress:
    ///     - toFQDNs: [{matchName: api.example.org}]
    ///     - toEndpoints:
    ///         - matchLabels: {io.kubernetes.pod.namespace: kube-system, k8s-app: kube-dns}
    ///       toPorts: [{ports: [{port: "53", protocol: ANY}]}]
    /// ```
    ///
    /// ## Use instead
    ///
    /// ```yaml
    /// apiVersion: cilium.io/v2
    /// kind: CiliumNetworkPolicy
    /// metadata: {name: web, namespace: shop}
    /// spec:
    ///   endpointSelector: {matchLabels: {app: web}}
    ///   egress:
    ///     - toFQDNs: [{matchName: api.example.org}]
    ///     - toEndpoints:
    ///         - matchLabels: {io.kubernetes.pod.namespace: kube-system, k8s-app: kube-dns}
    ///       toPorts:
    ///         - ports: [{port: "53", protocol: ANY}]
    ///           rules: {dns: [{matchPattern: "*"}]}
    /// ```
    ///
    /// ## Fix safety
    ///
    /// There is no automatic fix: it is not always clear which rule is meant for the resolver.
    pub(super) struct CiliumFqdnWithoutDns {
        name: "cilium-fqdn-without-dns",
        summary: "`toFQDNs` without a rule that sends DNS queries through Cilium's DNS proxy",
        category: Category::Plugins,
        severity: Severity::Error,
        tier: Stable,
        evidence: "no finding on the 162 Cilium policies of three public repositories",
        fix: None,
        mutes: &[],
        since: "0.1.0",
    }
}

impl Rule for CiliumFqdnWithoutDns {
    fn meta(&self) -> &'static RuleMeta {
        &Self::META
    }

    fn check_cluster(&self, cx: &mut Context<'_>) {
        let program = cx.program();
        let places = plugin_rules::cilium_rules(cx.cluster, &program);
        let mut findings = Vec::new();
        // That no names are resolved at all is what another rule says.
        let without_dns = plugin_dns::without_dns(cx);
        let cut_off: HashSet<_> = without_dns.iter().map(|it| it.policy).collect();
        let is_cut_off = |place: &CiliumPlace<'_, '_>| cut_off.contains(&place.policy.id);
        let mut pods = Pods {
            cx,
            proxy: DnsProxy::new(&places),
            known: HashMap::new(),
        };
        for place in places.iter().filter(|place| !is_cut_off(place)) {
            let names = dns_proxy::names(place);
            if names.is_empty() || place.enforced.is_opaque {
                continue;
            }
            findings.extend(check(cx, place, &names, &mut pods));
        }
        for finding in findings {
            cx.report(finding);
        }
    }
}

/// A pod: a workload, or what a set of rules describes where none is.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
enum Subject<'c> {
    Known(WorkloadId),
    Described(PluginPolicyId, &'c str),
}

/// What is the same for all rules with `toFQDNs` that are about a pod.
struct Surroundings<'c> {
    /// The ports on which it reaches every address outside.
    open: ConnectionSet,
    seen: SeenNames<'c>,
}

/// The pods that were asked about.
struct Pods<'a, 'p, 'c> {
    cx: &'a Context<'c>,
    proxy: DnsProxy<'p, 'c>,
    known: HashMap<Subject<'c>, Surroundings<'c>>,
}

impl<'c> Pods<'_, '_, 'c> {
    fn surroundings(&mut self, subject: Subject<'c>, pod: &PodView<'_>) -> &Surroundings<'c> {
        let known = self.known.entry(subject);
        known.or_insert_with(|| Surroundings {
            open: dns_proxy::open_outside(self.cx.engine.judge(), pod),
            seen: self.proxy.seen_of(pod),
        })
    }
}

fn check<'c>(
    cx: &Context<'c>,
    place: &CiliumPlace<'_, 'c>,
    names: &[&'c Spanned<CiliumFqdn>],
    known: &mut Pods<'_, '_, 'c>,
) -> Option<Diagnostic> {
    let cluster = cx.cluster;
    let selected = plugin_rules::workloads_of(cx, place.subject);
    let labels = place.described_labels(cx.cluster);
    let described = || {
        let namespace = cluster.namespace_by_name(place.policy.object.namespace()?)?;
        let namespace = NamespaceView::of(cluster, namespace);
        let mut pod = PodView::hypothetical(namespace, labels.as_ref()?);
        // It may have further labels, by which other policies select it.
        pod.are_labels_known = false;
        Some((Subject::Described(place.policy.id, &place.spec.path), pod))
    };
    let pods: Vec<(Subject<'_>, PodView<'_>)> = match selected.is_empty() {
        true => described().into_iter().collect(),
        false => {
            let pods = selected.iter();
            let pods = pods.map(|id| (Subject::Known(*id), PodView::workload(cluster, *id)));
            pods.collect()
        }
    };
    let mut worst: Option<(Vec<&Spanned<CiliumFqdn>>, PodView<'_>)> = None;
    for (subject, pod) in pods {
        let around = known.surroundings(subject, &pod);
        // Where every address outside is open on these ports, the names add nothing.
        if !dns_proxy::is_needed(place, &around.open) {
            continue;
        }
        let unseen = names.iter().copied().filter(|name| !around.seen.has(name));
        let unseen: Vec<&Spanned<CiliumFqdn>> = unseen.collect();
        if worst
            .as_ref()
            .is_none_or(|(most, _)| most.len() <= unseen.len())
        {
            worst = Some((unseen, pod));
        }
    }
    let (unseen, pod) = worst?;
    let first = unseen.first()?;
    let texts: Vec<&str> = unseen.iter().map(|name| text(name)).collect();
    let (what, whose) = match texts.len() {
        1 => (format!("`{}` stays blocked", texts[0]), "its addresses"),
        several => (format!("{several} names stay blocked"), "their addresses"),
    };
    let namespace = pod.namespace.name;
    let severity = match cx.settings.inventory.is_complete_in(namespace) {
        true => Severity::Error,
        false => Severity::Warning,
    };
    let message = format!("{what}: Cilium's DNS proxy never learns {whose}");
    let mut finding = cx
        .finding(first.span, message)
        .with_severity(severity)
        .about(place.policy.object.display(), place.path())
        .label("no rule with `rules.dns` lets these pods resolve it")
        .help("add `rules: {dns: [{matchPattern: \"*\"}]}` to the rule that allows the resolver");
    if texts.len() > 1 {
        finding = finding.note(format!("these are {}", words::names(&texts)));
    }
    if let Some(id) = pod.workload {
        let pods = cluster.workload_name(id);
        finding = finding.note(format!("no policy of `{pods}` has such a rule"));
    }
    Some(finding)
}

fn text(name: &CiliumFqdn) -> &str {
    let (CiliumFqdn::Name(text) | CiliumFqdn::Pattern(text)) = name;
    text
}
