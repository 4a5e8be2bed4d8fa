//! Pods that may talk to somebody, but not to a resolver.

use crate::cluster::{Cluster, ClusterPolicyId, NamespaceId, PolicyId, WorkloadId};
use crate::diagnostic::{Diagnostic, Fix, FixClass, Severity};
use crate::engine::Endpoint;
use crate::k8s::{
    Action, Direction, Field, NetworkPolicy, NetworkPolicyPeer, NetworkPolicyPort,
    NetworkPolicyRule, PortReference, Tier,
};
use crate::lint::api_server::{self, names_api_server};
use crate::lint::dns::ResolverPods;
use crate::lint::isolated_pods::{IsolatedPods, isolated_pods};
use crate::lint::plugin_dns::{self, WithoutDns};
use crate::lint::{Category, Context, Rule, RuleMeta, declare_rule, dns, references, text, words};
use crate::source::Span;
use std::collections::BTreeMap;

declare_rule! {
    /// ## What it does
    ///
    /// Reports pods that are isolated for egress where no policy lets them reach a resolver.
    /// All policies of the namespace are taken together, so a policy that allows DNS for every
    /// pod covers the others. A peer that asks the resolver for a label that none has, such as one
    /// that a kustomization adds to every selector, lets nobody reach it.
    ///
    /// ## Why is this bad?
    ///
    /// This is the most common mistake of all. A pod that may connect to `postgres:5432`, but
    /// not to the resolver that knows the address of `postgres`, just times out.
    ///
    /// Pods on the host network, and pods with their own nameservers (`dnsPolicy: None`), are
    /// not reported. Neither are pods that may reach nobody, or the API server alone, unless their
    /// environment or their arguments name a host of the cluster; if no rule allows any egress at
    /// all, it is an info then.
    ///
    /// ## Example
    ///
    /// ```yaml
    /// apiVersion: networking.k8s.io/v1
    /// kind: NetworkPolicy
    /// metadata: {name: api, namespace: shop}
    /// spec:
    ///   podSelector: {matchLabels: {app: api}}
    ///   policyTypes: [Egress]
    ///   egress:
    ///     - to:
    ///         - podSelector: {matchLabels: {app: postgres}}
    ///       ports:
    ///         - {protocol: TCP, port: 5432}
    /// ```
    ///
    /// ## Use instead
    ///
    /// ```yaml
    /// apiVersion: networking.k8s.io/v1
    /// kind: NetworkPolicy
    /// metadata: {name: api, namespace: shop}
    /// spec:
    ///   podSelector: {matchLabels: {app: api}}
    ///   policyTypes: [Egress]
    ///   egress:
    ///     - to:
    ///         - podSelector: {matchLabels: {app: postgres}}
    ///       ports:
    ///         - {protocol: TCP, port: 5432}
    ///     - to:
    ///         - namespaceSelector:
    ///             matchLabels: {kubernetes.io/metadata.name: kube-system}
    ///           podSelector:
    ///             matchLabels: {k8s-app: kube-dns}
    ///       ports:
    ///         - {protocol: UDP, port: 53}
    ///         - {protocol: TCP, port: 53}
    /// ```
    ///
    /// ## Fix safety
    ///
    /// Widening: the fix adds a rule for the resolver to the policy that isolates the pods.
    ///
    /// ## Configuration
    ///
    /// In `npcheck.yaml`, `dns: {cidrs: [10.96.0.10/32]}` sets the addresses of resolvers, and
    /// `dns: {notNeededIn: [batch]}` the namespaces whose pods do not need DNS.
    pub(super) struct MissingDnsEgress {
        name: "missing-dns-egress",
        summary: "pods are isolated for egress and cannot reach a DNS resolver",
        category: Category::Dns,
        severity: Severity::Error,
        tier: Stable,
        evidence: "12 of 12 warnings and errors on 82 public repositories (58 of them in excerpts) judged right",
        fix: Some(FixClass::Widening),
        mutes: &[],
        since: "0.1.0",
    }
}

impl Rule for MissingDnsEgress {
    fn meta(&self) -> &'static RuleMeta {
        &Self::META
    }

    fn check_namespace(&self, cx: &mut Context<'_>, id: NamespaceId) {
        let cluster = cx.cluster;
        let name = &cluster.namespace(id).name;
        let is_left_out = cx.settings.namespaces_without_dns.contains(name);
        if is_left_out
            || cx
                .unjudged()
                .may_be_written_in(cluster, id, Direction::Egress)
        {
            return;
        }
        // Such pods ask somebody else than the cluster's resolver.
        let asks_resolver = |id| {
            let policy = cluster.workload(id).object.dns_policy.as_deref();
            !matches!(policy, Some("None" | "Default"))
        };
        let mut cut_off: BTreeMap<PolicyId, CutOff> = BTreeMap::new();
        for pods in isolated_pods(cx, id, Direction::Egress, asks_resolver) {
            if dns::protocols(cx, &pods).is_empty() {
                let entry = cut_off.entry(anchor(cluster, &pods.policies)).or_default();
                entry.workloads.extend(&pods.workloads);
                entry.needs = entry.needs.max(needs(cx, &pods));
                entry.misses.extend(misses(cx, &pods.policies));
            }
        }
        for (anchor, cut_off) in cut_off {
            if let Some(finding) = describe(cx, id, anchor, &cut_off) {
                cx.report(finding);
            }
        }
    }

    fn check_cluster(&self, cx: &mut Context<'_>) {
        for without_dns in plugin_dns::without_dns(cx) {
            if let Some(finding) = isolated_by_plugin(cx, &without_dns) {
                cx.report(finding);
            }
        }
        if cx.cluster.cluster_policies().is_empty() {
            return;
        }
        for finding in denied_cluster_wide(cx) {
            cx.report(finding);
        }
    }
}

/// Pods that policies of the CNI plugin isolate.
fn isolated_by_plugin(cx: &Context<'_>, found: &WithoutDns) -> Option<Diagnostic> {
    let cluster = cx.cluster;
    let needs = match found.need_names {
        true => Needs::Names,
        false => Needs::Addresses,
    };
    let severity = severity(cx, found.namespace, needs)?;
    let policy = cluster.plugin_policy(found.policy);
    let message = format!(
        "{} cannot resolve names: no egress rule allows DNS",
        in_words(cluster, &found.workloads)
    );
    let finding = cx
        .finding(found.mark, message)
        .about(policy.display(), "spec.egress")
        .with_severity(severity)
        .label("isolates for egress; no rule in any policy allows port 53 to a resolver")
        .help(match found.has_dns_names {
            true => {
                "allow port 53 of the resolver, with `rules: {dns: [{matchPattern: \"*\"}]}`, from \
                 which the addresses of `toFQDNs` are learned"
            }
            false => "allow UDP and TCP 53 to the resolver, in this policy or in one for all pods",
        });
    Some(list(cluster, &found.workloads, finding))
}

/// Pods that a cluster-wide policy keeps from every resolver, one finding for each such policy.
fn denied_cluster_wide(cx: &Context<'_>) -> Vec<Diagnostic> {
    let cluster = cx.cluster;
    let mut by_policies: BTreeMap<(&[ClusterPolicyId], &[PolicyId]), Vec<WorkloadId>> =
        BTreeMap::new();
    // What one policy denies is one cause, whatever others are for the pods.
    let mut denied: BTreeMap<ClusterPolicyId, Vec<WorkloadId>> = BTreeMap::new();
    let needs_resolver = |id: WorkloadId| {
        let workload = cluster.workload(id);
        let name = &cluster.namespace(workload.namespace).name;
        !cx.settings.namespaces_without_dns.contains(name)
            && !matches!(
                workload.object.dns_policy.as_deref(),
                Some("None" | "Default")
            )
            && !dns::listens_for_dns(cluster, id)
    };
    for namespace in cluster.namespace_ids() {
        // Where the NetworkPolicies of the namespace do not allow it, that is judged there.
        let isolated = isolated_pods(cx, namespace, Direction::Egress, needs_resolver);
        let isolated = isolated.into_iter();
        let allowed = isolated.filter(|pods| !dns::protocols(cx, pods).is_empty());
        let allowed = allowed.flat_map(|pods| pods.workloads);
        let others = cluster.workloads_in(namespace).filter(|id| {
            needs_resolver(*id) && cx.engine.isolating(*id, Direction::Egress).is_empty()
        });
        for id in others.chain(allowed) {
            let isolating = cx.engine.isolating(id, Direction::Egress);
            let policies = cx.engine.cluster_policies_on(id);
            by_policies
                .entry((policies, isolating))
                .or_default()
                .push(id);
        }
    }
    for ((policies, isolating), workloads) in by_policies {
        // Baseline policies are not asked about what NetworkPolicies isolate.
        let denies = |id: &&ClusterPolicyId| {
            let policy = cluster.cluster_policy(**id);
            let is_asked = isolating.is_empty() || policy.tier == Tier::Admin;
            let mut rules = policy.egress.iter();
            is_asked && rules.any(|rule| rule.action.value == Action::Deny)
        };
        let Some(denying) = policies.iter().find(denies) else {
            continue;
        };
        let policy = cluster.cluster_policy(*denying);
        let subject = Endpoint::workload(cluster, workloads[0]);
        let mut rules = policies
            .iter()
            .flat_map(|id| &cluster.cluster_policy(*id).egress);
        let names_openshift = rules.any(dns::allows_openshift_by_name);
        if !dns::reaches_likely_resolver(cx, &subject, names_openshift, policy.meta.span) {
            denied.entry(*denying).or_default().extend(workloads);
        }
    }
    let mut found = Vec::new();
    for (denying, mut workloads) in denied {
        workloads.sort_unstable();
        let policy = cluster.cluster_policy(denying);
        let first = cluster.workload_name(workloads[0]);
        let who = match workloads.len() {
            1 => format!("`{first}`"),
            several => format!("{several} workloads"),
        };
        let message = format!(
            "{who} cannot resolve names: `{}` denies DNS",
            policy.meta.name
        );
        let finding = cx
            .finding(policy.meta.name.span, message)
            .about(cx.cluster_policy_object(denying), "spec.egress")
            .with_severity(Severity::Warning)
            .label("denies every resolver, and no rule before it allows one")
            .help("allow UDP and TCP 53 to the resolver in a rule before the one that denies it");
        found.push(match workloads.len() {
            1 => finding,
            _ => finding.note(format!("the first of them is `{first}`")),
        });
    }
    found
}

/// The pods of one policy that cannot resolve names.
#[derive(Default)]
struct CutOff {
    workloads: Vec<WorkloadId>,
    needs: Needs,
    /// Peers that mean the resolver and match none: where, and by which labels.
    misses: BTreeMap<Span, String>,
}

/// The peers of the policies that mean the resolver, and match none by labels of theirs.
fn misses(cx: &Context<'_>, policies: &[PolicyId]) -> Vec<(Span, String)> {
    let cluster = cx.cluster;
    let rules = policies.iter().flat_map(|id| egress_rules(cluster, *id));
    let peers = rules.flat_map(|rule| rule.peers.items());
    let missing = peers.filter_map(|peer| {
        let labels = dns::labels_without_resolver(cx, peer);
        let named = labels.iter();
        let named: Vec<String> = named
            .map(|label| format!("`{}={}`", label.key, label.value))
            .collect();
        let span = peer.pod_selector.get()?.span;
        (!named.is_empty()).then(|| (span, named.join(" or ")))
    });
    missing.collect()
}

/// How likely it is that pods need a resolver, from what they may reach.
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
enum Needs {
    /// They may reach nobody, or the API server: they ask for no name.
    #[default]
    Nothing,
    /// They may reach nobody, but are told of hosts: they need more than names.
    Reach,
    /// They may reach addresses, which they may know by number.
    Addresses,
    /// They may reach pods, or everybody on some ports: names.
    Names,
}

fn egress_rules(cluster: &Cluster, id: PolicyId) -> &[NetworkPolicyRule] {
    let policy = &cluster.policy(id).object;
    cluster.enforcement().rules(policy, Direction::Egress)
}

/// The policy that a finding is about: the first with egress rules, else the first.
fn anchor(cluster: &Cluster, policies: &[PolicyId]) -> PolicyId {
    let has_rules = |id: &&PolicyId| !egress_rules(cluster, **id).is_empty();
    *policies.iter().find(has_rules).unwrap_or(&policies[0])
}

fn needs(cx: &Context<'_>, pods: &IsolatedPods) -> Needs {
    let cluster = cx.cluster;
    let policies = pods.policies.iter();
    let rules = policies.flat_map(|id| egress_rules(cluster, *id));
    let by_address = |rule: &NetworkPolicyRule| {
        !rule.peers.items().is_empty()
            && rule.peers.items().iter().all(|peer| {
                peer.ip_block
                    .get()
                    .is_some_and(|block| block.cidr.prefix_len() >= 8)
            })
    };
    let of_rule = |rule: &NetworkPolicyRule| {
        if is_for_api_server(cx, rule) {
            Needs::Nothing
        } else if by_address(rule) {
            Needs::Addresses
        } else {
            Needs::Names
        }
    };
    let by_rules = rules.clone().map(of_rule).max();
    let is_told_names = || {
        let mut workloads = pods.workloads.iter();
        workloads.any(|id| references::is_told_names(cluster, *id))
    };
    match by_rules {
        None if is_told_names() => Needs::Reach,
        Some(Needs::Nothing) if is_told_names() => Needs::Names,
        needs => needs.unwrap_or_default(),
    }
}

/// Whether a rule opens nothing but the API server: single addresses on a port of its, its
/// pods, or, as no selector matches it, everybody on ports one of which is its alone.
fn is_for_api_server(cx: &Context<'_>, rule: &NetworkPolicyRule) -> bool {
    let peers = rule.peers.items();
    let is_machine = |peer: &NetworkPolicyPeer| {
        let block = peer.ip_block.get();
        block.is_some_and(|block| block.cidr.max_prefix_len() - block.cidr.prefix_len() <= 4)
            || names_api_server(cx, peer)
    };
    let is_its_port = |port: &NetworkPolicyPort| match port.port.get().map(|port| &port.value) {
        Some(PortReference::Number(number)) => api_server::PORTS.contains(number),
        _ => false,
    };
    let is_its_alone = |port: &NetworkPolicyPort| {
        matches!(port.port.get().map(|port| &port.value),
            Some(PortReference::Number(number)) if api_server::OWN_PORTS.contains(number))
    };
    let ports = rule.ports.items();
    let is_for_it = match peers {
        [] => ports.iter().any(is_its_alone),
        peers => peers.iter().all(is_machine),
    };
    is_for_it && !ports.is_empty() && ports.iter().all(is_its_port)
}

fn describe(
    cx: &Context<'_>,
    namespace: NamespaceId,
    anchor: PolicyId,
    cut_off: &CutOff,
) -> Option<Diagnostic> {
    let cluster = cx.cluster;
    let policy = &cluster.policy(anchor).object;
    let severity = severity(cx, namespace, cut_off.needs)?;
    // Somebody may have given the resolver more labels than it comes with.
    let severity = match cut_off.misses.is_empty() {
        true => severity,
        false => severity.min(Severity::Warning),
    };
    let who = in_words(cluster, &cut_off.workloads);
    let (span, path) = isolates_at(policy);
    let mut finding = cx
        .policy_finding(
            anchor,
            path,
            span,
            format!("{who} cannot resolve names: no egress rule allows DNS"),
        )
        .with_severity(severity)
        .label("isolates for egress; no rule in any policy allows port 53 to a resolver");
    finding = list(cluster, &cut_off.workloads, finding);
    for (span, labels) in &cut_off.misses {
        let why = format!("matches no resolver that is known: none has the label {labels}");
        finding = finding.related(*span, why);
    }
    if let Some(labels) = cut_off.misses.values().next() {
        // A rule beside it would be changed by whatever changed this one.
        return Some(finding.help(format!("select the resolver without {labels}")));
    }
    finding = finding.help(match dns::resolver(cx) {
        Some(ResolverPods::OPENSHIFT) => {
            "allow UDP and TCP 5353 to the pods in `openshift-dns`, in this policy or in one for \
             the whole namespace"
        }
        Some(_) => {
            "allow UDP and TCP 53 to the resolver, in this policy or in one for the whole namespace"
        }
        None => {
            "allow UDP and TCP 53 to the resolver, in this policy or in one for the whole \
             namespace; on OpenShift it is 5353, to the pods in `openshift-dns`"
        }
    });
    if let Some(fix) = add_rule(cx, policy) {
        finding = finding.fix(fix);
    }
    Some(finding)
}

/// How bad it is; `None` for pods that may reach nobody, or the API server alone, whose address
/// is in their environment, and are told of no host: they have nobody to ask for.
fn severity(cx: &Context<'_>, namespace: NamespaceId, needs: Needs) -> Option<Severity> {
    match needs {
        Needs::Names => {
            Some(cx.severity_by_inventory(namespace, Severity::Error, Severity::Warning))
        }
        Needs::Addresses => {
            Some(cx.severity_by_inventory(namespace, Severity::Warning, Severity::Info))
        }
        Needs::Reach => Some(Severity::Info),
        Needs::Nothing => None,
    }
}

fn in_words(cluster: &Cluster, workloads: &[WorkloadId]) -> String {
    match workloads {
        [] => "the pods of this policy".to_owned(),
        [one] => format!("`{}`", cluster.workload_name(*one)),
        several => format!("{} workloads", several.len()),
    }
}

/// The finding with the names of several workloads.
fn list(cluster: &Cluster, workloads: &[WorkloadId], finding: Diagnostic) -> Diagnostic {
    if workloads.len() < 2 {
        return finding;
    }
    let names: Vec<String> = workloads
        .iter()
        .map(|id| cluster.workload_name(*id))
        .collect();
    finding.note(format!("cut off: {}", words::names(&names)))
}

/// The text by which the policy isolates for egress.
fn isolates_at(policy: &NetworkPolicy) -> (Span, &'static str) {
    let egress = policy
        .policy_types
        .items()
        .iter()
        .find(|policy_type| policy_type.value == Direction::Egress);
    match (&policy.egress, egress) {
        (Field::Value { key, value }, _) if !value.is_empty() => (*key, "spec.egress"),
        (_, Some(egress)) => (egress.span, "spec.policyTypes"),
        _ => (policy.meta.name.span, "spec"),
    }
}

/// A rule for the resolver behind the last one; `None` where there is none to stand behind,
/// where the list is in flow style, or where the resolver is not known.
fn add_rule(cx: &Context<'_>, policy: &NetworkPolicy) -> Option<Fix> {
    let last = policy.egress.items().last()?;
    let indentation = " ".repeat(text::indentation(cx.sources, last.dash?)?);
    let ResolverPods {
        namespace,
        label: (key, value),
        port,
    } = dns::resolver(cx)?;
    let lines = [
        "- to:".to_owned(),
        "    - namespaceSelector:".to_owned(),
        "        matchLabels:".to_owned(),
        format!(
            "          {}: {namespace}",
            crate::cluster::NAMESPACE_NAME_LABEL
        ),
        "      podSelector:".to_owned(),
        "        matchLabels:".to_owned(),
        format!("          {key}: {value}"),
        "  ports:".to_owned(),
        "    - protocol: UDP".to_owned(),
        format!("      port: {port}"),
        "    - protocol: TCP".to_owned(),
        format!("      port: {port}"),
    ];
    let lines: Vec<String> = lines
        .iter()
        .map(|line| format!("{indentation}{line}"))
        .collect();
    Some(Fix {
        title: format!("allow DNS to the resolver in `{namespace}`"),
        class: FixClass::Widening,
        edits: vec![text::insert_lines_after(cx.sources, last.span, &lines)],
    })
}
