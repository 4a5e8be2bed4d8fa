//! Rules for DNS whose peers cannot be a resolver.

use crate::cluster::{NAMESPACE_NAME_LABEL, NamespaceId, PolicyId, WorkloadId};
use crate::diagnostic::{Diagnostic, Fix, FixClass, Severity};
use crate::k8s::{Direction, LabelSelector, NetworkPolicyPeer, NetworkPolicyRule, Operator, Truth};
use crate::lint::isolated_pods::{IsolatedPods, isolated_pods};
use crate::lint::{Category, Context, Profile, Rule, RuleMeta, declare_rule, dns, rewrite};
use crate::source::{Edit, Span, Spanned};
use std::collections::BTreeMap;

declare_rule! {
    /// ## What it does
    ///
    /// Reports an egress rule for DNS alone none of whose peers can be a resolver: the
    /// resolver's labels without its namespace or in another one, all pods of the policy's own
    /// namespace, a label that the resolver among the manifests does not have.
    ///
    /// It speaks only where no other rule lets the pods reach a resolver. A
    /// `namespaceSelector` for a label that no namespace has is `unlabeled-namespace`'s.
    ///
    /// ## Why is this bad?
    ///
    /// The rule looks as if DNS were taken care of, and opens nothing. The pods resolve no
    /// names.
    ///
    /// ## Example
    ///
    /// ```yaml
    /// apiVersion: networking.k8s.io/v1
    /// kind: NetworkPolicy
    /// metadata: {name: allow-dns, namespace: shop}
    /// spec:
    ///   podSelector: {}
    ///   policyTypes: [Egress]
    ///   egress:
    ///     - to:
    ///         - podSelector:
    ///             matchLabels: {k8s-app: kube-dns}
    ///       ports:
    ///         - {protocol: UDP, port: 53}
    ///         - {protocol: TCP, port: 53}
    /// ```
    ///
    /// ## Use instead
    ///
    /// ```yaml
    /// apiVersion: networking.k8s.io/v1
    /// kind: NetworkPolicy
    /// metadata: {name: allow-dns, namespace: shop}
    /// spec:
    ///   podSelector: {}
    ///   policyTypes: [Egress]
    ///   egress:
    ///     - to:
    ///         - podSelector:
    ///             matchLabels: {k8s-app: kube-dns}
    ///           namespaceSelector:
    ///             matchLabels: {kubernetes.io/metadata.name: kube-system}
    ///       ports:
    ///         - {protocol: UDP, port: 53}
    ///         - {protocol: TCP, port: 53}
    /// ```
    ///
    /// ## Fix safety
    ///
    /// Widening: the peer starts to match the resolver.
    pub(super) struct DnsPeerMismatch {
        name: "dns-peer-mismatch",
        summary: "a rule for DNS names peers that cannot be a resolver",
        category: Category::Dns,
        severity: Severity::Error,
        tier: Stable,
        evidence: "no wrong warning or error on 24 public repositories",
        fix: Some(FixClass::Widening),
        mutes: &["foreign-pod-selector", "unmatched-peer-selector", "label-on-controller"],
        since: "0.1.0",
    }
}

impl Rule for DnsPeerMismatch {
    fn meta(&self) -> &'static RuleMeta {
        &Self::META
    }

    fn check_namespace(&self, cx: &mut Context<'_>, namespace: NamespaceId) {
        let mut found: BTreeMap<Span, Diagnostic> = BTreeMap::new();
        for pods in isolated_pods(cx, namespace, Direction::Egress, |_| true) {
            for finding in mismatches(cx, namespace, &pods) {
                found.insert(finding.primary.span, finding);
            }
        }
        for finding in found.into_values() {
            cx.report(finding);
        }
    }
}

/// The rules for DNS that do not help these pods, where no other rule does.
fn mismatches(cx: &Context<'_>, namespace: NamespaceId, pods: &IsolatedPods) -> Vec<Diagnostic> {
    let mut found = Vec::new();
    for id in &pods.policies {
        let policy = &cx.cluster.policy(*id).object;
        if policy.meta.opaque.is_some() {
            return Vec::new();
        }
        for (index, rule) in policy.rules(Direction::Egress).iter().enumerate() {
            let peers = rule.peers.items();
            let mismatch = peers.iter().map(|peer| mismatch(cx, namespace, peer));
            let mismatches: Option<Vec<Mismatch>> = mismatch.collect();
            match mismatches {
                Some(mismatches) if is_for_dns(rule) && !peers.is_empty() => {
                    found.push(describe(cx, *id, index, &mismatches[0]));
                }
                // One that may do is enough.
                _ if dns::is_meant_for_dns(cx.settings, rule) => return Vec::new(),
                _ => {}
            }
        }
    }
    // The rules that were found are written for DNS, so only the engine's answer counts here.
    if found.is_empty() || !dns::reached_protocols(cx, pods).is_empty() {
        return Vec::new();
    }
    found
}

fn is_for_dns(rule: &NetworkPolicyRule) -> bool {
    let ports = rule.ports.items();
    !ports.is_empty() && ports.iter().all(dns::is_dns_port)
}

/// Why a peer cannot be a resolver.
struct Mismatch {
    /// The text that is wrong.
    span: Span,
    message: String,
    label: String,
    help: String,
    edit: Option<Edit>,
    is_certain: bool,
}

fn mismatch(cx: &Context<'_>, own: NamespaceId, peer: &NetworkPolicyPeer) -> Option<Mismatch> {
    let (namespaces, pods) = peer.selectors()?;
    let is_opaque = |selector: &LabelSelector| selector.is_opaque();
    if namespaces.is_some_and(is_opaque) || pods.is_some_and(is_opaque) {
        return None;
    }
    match (namespaces, pods) {
        (None, Some(pods)) => in_own_namespace(cx, own, peer, pods),
        (Some(namespaces), pods) => in_namespaces(cx, namespaces, pods),
        (None, None) => None,
    }
}

/// Pods of the policy's own namespace, where no resolver is.
fn in_own_namespace(
    cx: &Context<'_>,
    own: NamespaceId,
    peer: &NetworkPolicyPeer,
    pods: &LabelSelector,
) -> Option<Mismatch> {
    let name = cx.cluster.namespace(own).name.as_str();
    let home = dns::home_of(pods);
    if is_home(name) || may_find_resolver(cx, &[own], Some(pods)) {
        return None;
    }
    let is_complete = cx.settings.inventory.is_complete_in(name);
    // Somebody may run a resolver of one's own, under labels of one's own.
    if home.is_none() && !pods.is_empty() && !is_complete {
        return None;
    }
    let home = home.unwrap_or("kube-system");
    let edit = (!pods.is_empty()).then(|| rewrite::add_namespace_selector(cx.sources, peer, home));
    Some(Mismatch {
        span: pods.span,
        message: format!("the resolver is not in `{name}`, so this rule for DNS opens nothing"),
        label: format!("without a `namespaceSelector` these are pods of `{name}`"),
        help: format!("add a `namespaceSelector` for `{home}` to the same peer, without a hyphen"),
        edit: edit.flatten(),
        is_certain: is_complete,
    })
}

/// Pods of namespaces that a peer names, which have no resolver, or not under these labels.
fn in_namespaces(
    cx: &Context<'_>,
    namespaces: &LabelSelector,
    pods: Option<&LabelSelector>,
) -> Option<Mismatch> {
    let name = only_name(namespaces)?;
    let known: Vec<NamespaceId> = cx.cluster.namespace_by_name(name).into_iter().collect();
    if may_find_resolver(cx, &known, pods) {
        return None;
    }
    if is_home(name) {
        return wrong_label(cx, name, &known, pods?);
    }
    let home = pods.and_then(dns::home_of);
    let is_complete = cx.settings.inventory.is_complete_in(name);
    let is_evidence = is_complete || home.is_some();
    let home = home.unwrap_or("kube-system");
    is_evidence.then(|| Mismatch {
        span: name.span,
        message: format!("the resolver is in `{home}`, not in `{name}`"),
        label: format!("no resolver is known in `{name}`"),
        help: format!("select `{home}`"),
        edit: Some(Edit {
            span: name.span,
            replacement: home.to_owned(),
        }),
        is_certain: is_complete,
    })
}

/// The right namespace, and labels that the resolver there does not have.
fn wrong_label(
    cx: &Context<'_>,
    home: &str,
    known: &[NamespaceId],
    pods: &LabelSelector,
) -> Option<Mismatch> {
    // What its labels are shows where the resolver is among the manifests, and is the same in
    // all of what is called a plain cluster.
    let is_seen =
        may_find_resolver(cx, known, None) && known.iter().any(|id| has_resolver(cx, *id));
    let is_plain = cx.settings.profile == Some(Profile::Kubernetes) && home == "kube-system";
    let label = pods.match_labels.first()?;
    let is_known = dns::is_label_of_resolver(&label.key, &label.value);
    if !is_seen && (!is_plain || is_known) {
        return None;
    }
    let edit = (label.key.value == "k8s-app" && home == "kube-system").then(|| Edit {
        span: label.value.span,
        replacement: "kube-dns".to_owned(),
    });
    Some(Mismatch {
        span: pods.span,
        message: format!(
            "the resolver in `{home}` has no label `{}={}`",
            label.key, label.value
        ),
        label: "matches no resolver".to_owned(),
        help: "select it by `k8s-app: kube-dns`".to_owned(),
        edit,
        is_certain: is_seen,
    })
}

/// Whether a known workload of the namespaces may be the resolver that is meant: one with a
/// resolver's port, or one that does not say its ports.
fn may_find_resolver(
    cx: &Context<'_>,
    namespaces: &[NamespaceId],
    pods: Option<&LabelSelector>,
) -> bool {
    let cluster = cx.cluster;
    let may_match = |id: &WorkloadId| {
        let labels = &cluster.workload(*id).object.labels;
        pods.is_none_or(|pods| pods.matches_opaque(labels) != Truth::False)
    };
    let may_listen = |id: WorkloadId| {
        let has_ports = cluster.workload(id).object.ports().next().is_some();
        !has_ports || dns::listens_for_dns(cluster, id)
    };
    let workloads = namespaces.iter().flat_map(|id| cluster.workloads_in(*id));
    workloads.filter(may_match).any(may_listen)
}

fn has_resolver(cx: &Context<'_>, namespace: NamespaceId) -> bool {
    let mut workloads = cx.cluster.workloads_in(namespace);
    workloads.any(|id| dns::listens_for_dns(cx.cluster, id))
}

/// Whether a namespace is one that resolvers live in, by its name.
fn is_home(name: &str) -> bool {
    name == "kube-system" || name.contains("dns")
}

/// The one name that a selector asks for and nothing else.
fn only_name(selector: &LabelSelector) -> Option<&Spanned<String>> {
    match (
        selector.match_labels.as_slice(),
        selector.match_expressions.as_slice(),
    ) {
        ([label], []) if label.key.value == NAMESPACE_NAME_LABEL => Some(&label.value),
        ([], [entry])
            if entry.key.value == NAMESPACE_NAME_LABEL && entry.operator.value == Operator::In =>
        {
            match entry.values.as_slice() {
                [name] => Some(name),
                _ => None,
            }
        }
        _ => None,
    }
}

fn describe(cx: &Context<'_>, policy: PolicyId, index: usize, mismatch: &Mismatch) -> Diagnostic {
    let path = format!("spec.egress[{index}].to[0]");
    let severity = if mismatch.is_certain {
        Severity::Error
    } else {
        Severity::Warning
    };
    let finding = cx
        .policy_finding(policy, path, mismatch.span, mismatch.message.as_str())
        .with_severity(severity)
        .label(mismatch.label.as_str())
        .help(mismatch.help.as_str());
    match &mismatch.edit {
        Some(edit) => finding.fix(Fix {
            title: mismatch.help.clone(),
            class: FixClass::Widening,
            edits: vec![edit.clone()],
        }),
        None => finding,
    }
}
